/* Which media are there. */
#include "appliance/media.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "appliance/media_parts.h"
#include "ceremony/base/file.h"

struct media_paths media_paths_of(const struct media_paths *p)
{
    struct media_paths out = p != NULL ? *p : (struct media_paths){0};
    out.sys_block = out.sys_block != NULL ? out.sys_block : "/sys/block";
    out.mounts = out.mounts != NULL ? out.mounts : "/proc/self/mounts";
    out.by_label = out.by_label != NULL ? out.by_label : "/dev/disk/by-label";
    out.dev = out.dev != NULL ? out.dev : "/dev";
    out.run = out.run != NULL ? out.run : MEDIA_RUN;
    return out;
}

/* Copies what a device says of itself: control characters become '?', spaces at the end are cut. */
static void copy_clean(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (; *text != '\0' && n + 1 < size; text++)
        out[n++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

/* --- labels, where nobody else has read them --- */

static int field(char out[64], const uint8_t *at, size_t len)
{
    char text[64];
    memcpy(text, at, len);
    text[len] = '\0';
    copy_clean(out, 64, text);
    return out[0] != '\0' && strcmp(out, "NO NAME") != 0;
}

/* Closes fd; -1 is none. */
static int read_label(char out[64], int fd)
{
    enum { FAT16 = 43, FAT32 = 71, EXT = 1024, ISO = 32768, ALL = ISO + 128 };
    uint8_t *d = calloc(1, ALL);
    FILE *in = d != NULL && fd >= 0 ? fdopen(fd, "r") : NULL;
    if (in == NULL && fd >= 0)
        close(fd);
    size_t n = in != NULL ? fread(d, 1, ALL, in) : 0;
    int found = 0;
    out[0] = '\0';
    if (n >= 512 && d[510] == 0x55 && d[511] == 0xaa && memcmp(d + 82, "FAT32", 5) == 0)
        found = field(out, d + FAT32, 11);
    else if (n >= 512 && d[510] == 0x55 && d[511] == 0xaa && memcmp(d + 54, "FAT", 3) == 0)
        found = field(out, d + FAT16, 11);
    else if (n >= EXT + 256 && d[EXT + 0x38] == 0x53 && d[EXT + 0x39] == 0xef)
        found = field(out, d + EXT + 0x78, 16);
    else if (n == ALL && memcmp(d + ISO + 1, "CD001", 5) == 0)
        found = field(out, d + ISO + 40, 32);
    if (!found)
        out[0] = '\0';
    if (in != NULL)
        fclose(in);
    free(d);
    return found;
}

int media_label_read(char out[64], const char *path)
{
    return read_label(out, open(path, O_RDONLY | O_CLOEXEC));
}

/* --- what the kernel shows --- */

struct search {
    struct media_paths p;
    struct media_list *out;
    const char *disk; /* the device whose partitions are looked at */
    char model[64];
    size_t partitions;
};

/* One line of a file of the kernel. */
static int line_of(char *out, size_t size, const char *dir, const char *a, const char *b)
{
    char path[4200];
    if (snprintf(path, sizeof path, "%s/%s/%s", dir, a, b) >= (int)sizeof path)
        return 0;
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return 0;
    char *got = fgets(out, (int)size, in);
    fclose(in);
    if (got == NULL)
        return 0;
    out[strcspn(out, "\n")] = '\0';
    return 1;
}

static uint64_t number_of(const char *dir, const char *a, const char *b)
{
    char line[64];
    return line_of(line, sizeof line, dir, a, b) ? strtoull(line, NULL, 10) : 0;
}

/* /sys/block/NAME leads to where the device is plugged in: sticks say so themselves, larger disks do not. */
static int is_removable(const struct search *s, const char *name)
{
    char path[4200], real[PATH_MAX];
    if (number_of(s->p.sys_block, name, "removable") == 1)
        return 1;
    snprintf(path, sizeof path, "%s/%s", s->p.sys_block, name);
    return realpath(path, real) != NULL && strstr(real, "/usb") != NULL;
}

/* Octal escapes of /proc/mounts, hexadecimal ones of udev's names. */
static void unescape(char *out, size_t size, const char *in)
{
    size_t n = 0;
    while (*in != '\0' && n + 1 < size) {
        unsigned v;
        if (in[0] == '\\' && in[1] == 'x' && sscanf(in + 2, "%2x", &v) == 1) {
            out[n++] = (char)v;
            in += 4;
        } else if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && sscanf(in + 1, "%3o", &v) == 1) {
            out[n++] = (char)v;
            in += 4;
        } else {
            out[n++] = *in++;
        }
    }
    out[n] = '\0';
}

void media_find_mount(struct media *m, const struct media_paths *p)
{
    const struct media_paths paths = media_paths_of(p);
    char dev[256], line[8192];
    FILE *in = fopen(paths.mounts, "re");
    snprintf(dev, sizeof dev, "%s/%s", paths.dev, m->device);
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        char from[4096], at[4096];
        if (sscanf(line, "%4095s %4095s", from, at) != 2 || strcmp(from, dev) != 0)
            continue;
        if (strlen(at) < sizeof m->mount)
            unescape(m->mount, sizeof m->mount, at);
    }
    if (in != NULL)
        fclose(in);
}

struct label_search {
    const struct search *s;
    struct media *m;
};

static err_t try_label(void *ctx, const char *name, struct fault *f)
{
    const struct label_search *l = ctx;
    char path[4200], target[PATH_MAX], text[256];
    (void)f;
    if (snprintf(path, sizeof path, "%s/%s", l->s->p.by_label, name) >= (int)sizeof path)
        return OK;
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n <= 0)
        return OK;
    target[n] = '\0';
    const char *base = strrchr(target, '/');
    if (strcmp(base != NULL ? base + 1 : target, l->m->device) != 0)
        return OK;
    unescape(text, sizeof text, name);
    copy_clean(l->m->label, sizeof l->m->label, text);
    return OK;
}

void media_room(struct media *m)
{
    struct statvfs v;
    if (m->mount[0] == '\0' || statvfs(m->mount, &v) != 0)
        return;
    m->room = (uint64_t)v.f_bavail * v.f_frsize;
    if (m->size == 0)
        m->size = (uint64_t)v.f_blocks * v.f_frsize;
    m->read_only |= (v.f_flag & ST_RDONLY) != 0;
}

static err_t take(struct search *s, const char *name, const char *dir, const char *sub, struct fault *f)
{
    if (s->out->count == MEDIA_MAX || strlen(name) >= sizeof s->out->item[0].device)
        return OK;
    struct media *m = &s->out->item[s->out->count];
    memset(m, 0, sizeof *m);
    snprintf(m->device, sizeof m->device, "%s", name);
    m->size = number_of(dir, sub, "size") * 512;
    if (m->size == 0) /* a reader without a card */
        return OK;
    m->read_only = number_of(dir, sub, "ro") == 1;
    snprintf(m->model, sizeof m->model, "%s", s->model);
    struct label_search l = {s, m};
    TRY(file_list(s->p.by_label, try_label, &l, f));
    char path[512];
    snprintf(path, sizeof path, "%s/%s", s->p.dev, name);
    if (m->label[0] == '\0' && !(s->p.open != NULL ? read_label(m->label, s->p.open(s->p.open_ctx, name))
                                                   : media_label_read(m->label, path)))
        m->label[0] = '\0';
    media_find_mount(m, &s->p);
    media_room(m);
    s->out->count++;
    return OK;
}

static err_t try_partition(void *ctx, const char *name, struct fault *f)
{
    struct search *s = ctx;
    char dir[4200], line[16];
    snprintf(dir, sizeof dir, "%s/%s", s->p.sys_block, s->disk);
    if (!line_of(line, sizeof line, dir, name, "partition"))
        return OK;
    s->partitions++;
    return take(s, name, dir, name, f);
}

static err_t try_device(void *ctx, const char *name, struct fault *f)
{
    struct search *s = ctx;
    char dir[4200], model[256] = "";
    if (!is_removable(s, name) || snprintf(dir, sizeof dir, "%s/%s", s->p.sys_block, name) >= (int)sizeof dir)
        return OK;
    s->disk = name;
    s->partitions = 0;
    if (!line_of(model, sizeof model, dir, "device", "model"))
        model[0] = '\0';
    copy_clean(s->model, sizeof s->model, model);
    TRY(file_list(dir, try_partition, s, f));
    return s->partitions > 0 ? OK : take(s, name, s->p.sys_block, name, f);
}

err_t media_list(struct media_list *out, const struct media_paths *p, struct fault *f)
{
    struct search s = {.p = media_paths_of(p), .out = out};
    memset(out, 0, sizeof *out);
    return file_list(s.p.sys_block, try_device, &s, f);
}

/* --- one device --- */

/* Where a running system has itself, and not somebody's medium. */
static int is_systems(const char *at)
{
    static const char *const place[] = {"/",    "/boot", "/boot/efi", "/efi",   "/usr",    "/var",
                                        "/opt", "/srv",  "/home",     "/cdrom", "/sysroot"};
    static const char *const live[] = {"/run/live/", "/lib/live/", "/usr/lib/live/", "/run/initramfs/",
                                       "/run/archiso/"};
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++)
        if (strcmp(at, place[i]) == 0)
            return 1;
    for (size_t i = 0; i < sizeof live / sizeof live[0]; i++)
        if (strncmp(at, live[i], strlen(live[i])) == 0)
            return 1;
    return 0;
}

/* A stick can be what this machine was started from: then nothing of it is a medium. */
static int carries_system(const struct media_paths *p, const char *disk)
{
    char dev[256], line[8192];
    int found = 0;
    int len = snprintf(dev, sizeof dev, "%s/%s", p->dev, disk);
    FILE *in = fopen(p->mounts, "re");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        char from[4096], at[4096];
        if (sscanf(line, "%4095s %4095s", from, at) != 2 || strncmp(from, dev, (size_t)len) != 0)
            continue;
        const char *part = from + len + (from[len] == 'p'); /* sdb1, mmcblk0p1 */
        found |= part[strspn(part, "0123456789")] == '\0' && is_systems(at);
    }
    if (in != NULL)
        fclose(in);
    return found;
}

struct one {
    struct search s;
    const char *name;
    int found, is_systems;
};

static err_t is_it(void *ctx, const char *disk, struct fault *f)
{
    struct one *x = ctx;
    char dir[4200], line[16];
    (void)f;
    if (x->found || !is_removable(&x->s, disk) ||
        snprintf(dir, sizeof dir, "%s/%s", x->s.p.sys_block, disk) >= (int)sizeof dir)
        return OK;
    x->found = strcmp(disk, x->name) == 0 || line_of(line, sizeof line, dir, x->name, "partition");
    x->is_systems = x->found && carries_system(&x->s.p, disk);
    return OK;
}

err_t media_device_check(const char *name, const struct media_paths *p, struct fault *f)
{
    struct one x = {.s = {.p = media_paths_of(p)}, .name = name};
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL || strlen(name) >= 64)
        return fault_set(f, ERR_MISSING, "this is no name of a device");
    TRY(file_list(x.s.p.sys_block, is_it, &x, f));
    if (x.is_systems)
        return fault_set(f, ERR_REFUSED, "%s is what this machine was started from", name);
    return x.found ? OK : fault_set(f, ERR_MISSING, "%s is no removable device", name);
}

err_t media_of_dir(struct media *out, const char *dir, struct fault *f)
{
    memset(out, 0, sizeof *out);
    TRY(file_is_dir(dir, f));
    if (strlen(dir) >= sizeof out->mount)
        return fault_set(f, ERR_LIMIT, "path too long");
    snprintf(out->mount, sizeof out->mount, "%s", dir);
    media_room(out);
    return OK;
}
