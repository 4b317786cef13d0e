/* Removable media: what is there, mounting, safe removal; and carrying a board in and out.
 *
 * A medium is foreign. It is mounted without execution, devices and set-uid; what is on it is parsed as
 * any input is, and only good entries are taken. What is copied out is synced, read back from the medium
 * and compared by hash before it counts as copied. Nothing is ever overwritten or removed, here or there;
 * a medium that is full, read-only or pulled out gives an error, the board here stays whole, and the copy
 * can be repeated. */
#ifndef APPLIANCE_MEDIA_H
#define APPLIANCE_MEDIA_H

#include "ceremony/base/progress.h"
#include "ceremony/board.h"

#define MEDIA_MAX 32

struct media {
    char device[64];  /* "sdb1"; empty: a directory that was given by hand */
    char label[64];   /* of the file system; may be empty. From outside: anything but control characters */
    char model[64];   /* of the device; the same */
    char mount[1024]; /* where it is mounted; empty: nowhere */
    uint64_t size;    /* bytes */
    uint64_t room;    /* bytes free, if mounted */
    int read_only;
};

struct media_list {
    struct media item[MEDIA_MAX];
    size_t count;
};

/* Where the kernel shows devices; a NULL is the usual place. */
struct media_paths {
    const char *sys_block; /* /sys/block */
    const char *mounts;    /* /proc/self/mounts */
    const char *by_label;  /* /dev/disk/by-label */
    const char *dev;       /* /dev */
    const char *run;       /* /run/conclave: where media are mounted */
    /* Opens a device for reading, or -1: for who may not do so itself. NULL: it is opened here. */
    int (*open)(void *ctx, const char *device);
    void *open_ctx;
};

/* Partitions of removable devices, or the device itself if it has none; p may be NULL. ERR_IO. */
MUST err_t media_list(struct media_list *out, const struct media_paths *p, struct fault *f);

/* A directory given by hand. ERR_MISSING, ERR_FORMAT. */
MUST err_t media_of_dir(struct media *out, const char *dir, struct fault *f);

/* Mounts it below run, and sets mount, room, read_only. A medium that cannot be written is mounted for
 * reading. Symbolic links in place of run or of the directory in it are not followed: ERR_REFUSED. ERR_IO:
 * there is no file system that is known, or this program may not mount. */
MUST err_t media_mount(struct media *m, const struct media_paths *p, struct fault *f);

/* Everything written is on the medium; then it is unmounted. *unmounted 0: this program may not do so (or
 * it is a directory given by hand, or its path ends in symbolic links), and everything is written all the
 * same. ERR_BUSY: something uses it;
 * ERR_IO. */
MUST err_t media_remove(struct media *m, int *unmounted, struct fault *f);

/* The two halves of media_remove: everything written is on the medium; and unmounting, *unmounted as there.
 */
MUST err_t media_sync(const struct media *m, struct fault *f);
MUST err_t media_unmount(struct media *m, int *unmounted, struct fault *f);

/* OK if the kernel calls the device of this name ("sdb1") removable, or what it is a partition of. It looks
 * at the kernel's files only. ERR_MISSING. ERR_REFUSED: this machine was started from it. */
MUST err_t media_device_check(const char *name, const struct media_paths *p, struct fault *f);
/* Sets m->mount for m->device, if it is mounted. */
void media_find_mount(struct media *m, const struct media_paths *p);

/* Label of the file system that starts at the beginning of a file or device: FAT, ext, ISO 9660. 1 if
 * there is one. */
MUST int media_label_read(char out[64], const char *path);

/* --- boards on a medium --- */

struct media_board {
    char dir[1200];
    hash_t election; /* that its manifest makes, whatever else is in it */
    size_t entries;  /* files in it, good or bad */
};

#define MEDIA_BOARDS_MAX 64
/* Directories of the medium with a manifest.json, down to two levels below its root. *count at most
 * MEDIA_BOARDS_MAX. */
MUST err_t media_boards(struct media_board *out, size_t *count, const char *mount, struct fault *f);

/* The directory on a medium for the board of this election: MOUNT/conclave-XXXXXXXXXXXXXXXX. */
MUST err_t media_board_dir(char *out, size_t out_len, const char *mount, const hash_t *election);

/* --- copying out --- */

struct media_report {
    size_t copied, known, conflicts; /* files: now, already there, another one of that name is there */
    uint64_t bytes;                  /* copied */
    char conflict[4][160];           /* the first ones */
};

/* Board b as a board in the directory to, made if absent in one that is there: manifest and places
 * (places_file beside it), every good entry, detached ciphertexts, record and plan where there are. The
 * room is looked at first. ERR_IO with how much is needed: it is full; ERR_HASH: it does not give back
 * what was written; ERR_ELECTION: to is a board of another election. What fn returns stops it. On error
 * report says how far it came. */
MUST err_t media_copy_out(struct media_report *report, const struct board *b, const char *places_file,
                          const char *to, progress_fn fn, void *ctx, struct fault *f);

#endif
