/* Putting media in and taking them out. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "appliance/media_parts.h"
#include "ceremony/base/file.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256 /* since Linux 5.10; older ones do not look at it */
#endif

err_t media_mount(struct media *m, const struct media_paths *p, struct fault *f)
{
    static const char *const types[] = {"vfat", "exfat", "ext4", "iso9660", "udf", "ntfs3"};
    struct media_paths paths = media_paths_of(p);
    const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW;
    char dev[512], at[1024];
    int why = ENODEV;
    if (m->mount[0] != '\0')
        return OK;
    if (strchr(m->device, '/') != NULL || m->device[0] == '.' || m->device[0] == '\0' ||
        snprintf(dev, sizeof dev, "%s/%s", paths.dev, m->device) >= (int)sizeof dev ||
        snprintf(at, sizeof at, "%s/%s", paths.run, m->device) >= (int)sizeof at)
        return fault_set(f, ERR_BUG, "name of a device");
    TRY(file_mkdir(at, f));
    for (int read_only = m->read_only; read_only <= 1; read_only++)
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            if (mount(dev, at, types[i], safe | (read_only ? MS_RDONLY : 0), NULL) == 0) {
                snprintf(m->mount, sizeof m->mount, "%s", at);
                media_room(m);
                return OK;
            }
            if (errno != ENODEV && errno != EINVAL) /* not: unknown type, other file system */
                why = errno;
        }
    rmdir(at);
    return fault_set(f, ERR_IO, "%s cannot be mounted: %s", m->device,
                     why == ENODEV ? "it holds no file system that is known here" : strerror(why));
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

err_t media_unmount(struct media *m, int *unmounted, struct fault *f)
{
    *unmounted = 0;
    if (umount2(m->mount, UMOUNT_NOFOLLOW) != 0) {
        if (errno == EBUSY)
            return fault_set(f, ERR_BUSY, "%s is in use", m->mount);
        return OK; /* not allowed; all of it is written */
    }
    if (strncmp(m->mount, MEDIA_RUN "/", sizeof MEDIA_RUN) == 0)
        rmdir(m->mount);
    m->mount[0] = '\0';
    m->room = 0;
    *unmounted = 1;
    return OK;
}
