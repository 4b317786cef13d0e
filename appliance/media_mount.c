/* Putting media in and taking them out. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/media_parts.h"
#include "ceremony/base/file.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256 /* since Linux 5.10; older ones do not look at it */
#endif

/* A directory that is one: a symbolic link in its place is not followed. Nothing of it is read. */
#define PLACE (O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC)

/* run/NAME is made if it is absent: *parent is run, *place what is in it, closed by the caller. Whoever may
 * write there cannot turn the mount elsewhere: from here on the directories go by their descriptors. */
static err_t place_open(int *parent, int *place, const char *run, const char *name, struct fault *f)
{
    *place = -1;
    *parent = -1;
    TRY(file_mkdir(run, f));
    *parent = open(run, PLACE);
    if (*parent < 0)
        return fault_set(f, ERR_REFUSED, "%s is not a directory, so nothing is mounted below it", run);
    if (mkdirat(*parent, name, 0755) != 0 && errno != EEXIST)
        return fault_set(f, ERR_IO, "%s/%s: cannot create the directory: %s", run, name, strerror(errno));
    *place = openat(*parent, name, PLACE);
    if (*place < 0)
        return fault_set(f, ERR_REFUSED, "%s/%s is not a directory, so nothing is mounted there", run, name);
    return OK;
}

static err_t mount_at(struct media *m, const char *dev, int place, struct fault *f)
{
    static const char *const types[] = {"vfat", "exfat", "ext4", "iso9660", "udf", "ntfs3"};
    const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW;
    char at[64];
    int why = ENODEV;
    snprintf(at, sizeof at, "/proc/self/fd/%d", place);
    for (int read_only = m->read_only; read_only <= 1; read_only++)
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            if (mount(dev, at, types[i], safe | (read_only ? MS_RDONLY : 0), NULL) == 0)
                return OK;
            if (errno != ENODEV && errno != EINVAL) /* not: unknown type, other file system */
                why = errno;
        }
    return fault_set(f, ERR_IO, "%s cannot be mounted: %s", m->device,
                     why == ENODEV ? "it holds no file system that is known here" : strerror(why));
}

err_t media_mount(struct media *m, const struct media_paths *p, struct fault *f)
{
    struct media_paths paths = media_paths_of(p);
    char dev[512], at[1024];
    int parent, place;
    if (m->mount[0] != '\0')
        return OK;
    if (strchr(m->device, '/') != NULL || m->device[0] == '.' || m->device[0] == '\0' ||
        snprintf(dev, sizeof dev, "%s/%s", paths.dev, m->device) >= (int)sizeof dev ||
        snprintf(at, sizeof at, "%s/%s", paths.run, m->device) >= (int)sizeof m->mount)
        return fault_set(f, ERR_BUG, "name of a device");
    err_t e = place_open(&parent, &place, paths.run, m->device, f);
    if (e == OK)
        e = mount_at(m, dev, place, f);
    if (e == OK) {
        snprintf(m->mount, sizeof m->mount, "%s", at);
        media_room(m);
    } else if (place >= 0) {
        unlinkat(parent, m->device, AT_REMOVEDIR);
    }
    if (place >= 0)
        close(place);
    if (parent >= 0)
        close(parent);
    return e;
}

static err_t sync_medium(const char *dir, struct fault *f)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int bad = fd < 0 || syncfs(fd) != 0, why = errno;
    if (fd >= 0)
        close(fd);
    return bad ? fault_set(f, ERR_IO, "the medium does not take what is to be written: %s", strerror(why))
               : OK;
}

err_t media_sync(const struct media *m, struct fault *f)
{
    return m->mount[0] == '\0' ? OK : sync_medium(m->mount, f);
}

err_t media_remove(struct media *m, int *unmounted, struct fault *f)
{
    *unmounted = 0;
    TRY(media_sync(m, f));
    return m->mount[0] == '\0' || m->device[0] == '\0' ? OK : media_unmount(m, unmounted, f);
}

/* By the directory above it: a descriptor of what is mounted would keep it busy. 0 or the error's number. */
static int unmount_at(const char *path)
{
    char above[sizeof((struct media *)0)->mount], at[sizeof above + 32];
    const char *name = strrchr(path, '/');
    size_t len = name == NULL ? 0 : (size_t)(name - path);
    name = name == NULL ? path : name + 1;
    if (*name == '\0' || len >= sizeof above)
        return EINVAL;
    snprintf(above, sizeof above, "%.*s", (int)len, path);
    int parent = open(len > 0 ? above : name == path ? "." : "/", PLACE);
    if (parent < 0)
        return errno;
    snprintf(at, sizeof at, "/proc/self/fd/%d/%s", parent, name);
    int why = umount2(at, UMOUNT_NOFOLLOW) == 0 ? 0 : errno;
    if (why == 0 && strncmp(path, MEDIA_RUN "/", sizeof MEDIA_RUN) == 0)
        unlinkat(parent, name, AT_REMOVEDIR);
    close(parent);
    return why;
}

err_t media_unmount(struct media *m, int *unmounted, struct fault *f)
{
    *unmounted = 0;
    int why = unmount_at(m->mount);
    if (why == EBUSY)
        return fault_set(f, ERR_BUSY, "%s is in use", m->mount);
    if (why != 0)
        return OK; /* not allowed; all of it is written */
    m->mount[0] = '\0';
    m->room = 0;
    *unmounted = 1;
    return OK;
}
