#include "tally/verify_hashed.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "ceremony/base/file.h"

#define MAGIC "conclave/hashed-files/1\n" /* another number when what is remembered changes */
#define HEAD_LEN (sizeof MAGIC - 1 + HASH_LEN)
#define FIELDS 5   /* device, inode, size, times */
#define KEY_LEN 16 /* beginning of a hash of path and listed hash */
#define MARK_LEN 8 /* likewise of head and entry: it is whole */
#define BODY_LEN (KEY_LEN + 8 * FIELDS)
#define ENTRY_LEN (BODY_LEN + MARK_LEN)
#define WAITING 512 /* entries written at once */
#define CHUNK ((size_t)64 << 10)
#define STEADY 5 /* seconds since the last change, so that one more would have another time */

struct verify_hashed {
    int fd;
    uint8_t head[HEAD_LEN];
    uint8_t (*known)[BODY_LEN]; /* sorted */
    size_t count;
    uint8_t waiting[WAITING][ENTRY_LEN];
    size_t waiting_count;
    char path[4096];
};

/* --- an entry --- */

static uint64_t nanoseconds(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static void body(uint8_t out[BODY_LEN], const char *path, const hash_t *listed, const struct stat *st)
{
    const uint64_t field[FIELDS] = {(uint64_t)st->st_dev, (uint64_t)st->st_ino, (uint64_t)st->st_size,
                                    nanoseconds(&st->st_mtim), nanoseconds(&st->st_ctim)};
    struct hash_ctx c;
    hash_t h;
    hash_init(&c);
    hash_add(&c, listed->b, HASH_LEN);
    hash_add(&c, path, strlen(path));
    hash_end(&c, &h);
    memcpy(out, h.b, KEY_LEN);
    for (size_t i = 0; i < FIELDS; i++) {
        uint64_t big = htobe64(field[i]);
        memcpy(out + KEY_LEN + 8 * i, &big, 8);
    }
}

static void mark(uint8_t out[MARK_LEN], const struct verify_hashed *h, const uint8_t b[BODY_LEN])
{
    struct hash_ctx c;
    hash_t sum;
    hash_init(&c);
    hash_add(&c, h->head, sizeof h->head);
    hash_add(&c, b, BODY_LEN);
    hash_end(&c, &sum);
    memcpy(out, sum.b, MARK_LEN);
}

static int by_body(const void *a, const void *b)
{
    return memcmp(a, b, BODY_LEN);
}

/* --- the file --- */

static err_t io_fault(const struct verify_hashed *h, struct fault *f, const char *what)
{
    fault_set(f, ERR_IO, "%s: %s", what, strerror(errno));
    return fault_file(f, ERR_IO, h->path);
}

static err_t write_all(const struct verify_hashed *h, const uint8_t *data, size_t len, struct fault *f)
{
    while (len > 0) {
        ssize_t n = write(h->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return io_fault(h, f, "cannot write");
        data += n;
        len -= (size_t)n;
    }
    return OK;
}

/* Whole entries, up to the first that is not; what follows is overwritten. */
static err_t read_entries(struct verify_hashed *h, const uint8_t *data, size_t len, struct fault *f)
{
    size_t most = len / ENTRY_LEN;
    h->known = malloc((most + 1) * BODY_LEN);
    if (h->known == NULL)
        return fault_set(f, ERR_MEMORY, "resuming");
    for (; h->count < most; h->count++) {
        uint8_t want[MARK_LEN];
        const uint8_t *entry = data + h->count * ENTRY_LEN;
        mark(want, h, entry);
        if (memcmp(want, entry + BODY_LEN, MARK_LEN) != 0)
            break;
        memcpy(h->known[h->count], entry, BODY_LEN);
    }
    off_t end = (off_t)(HEAD_LEN + h->count * ENTRY_LEN);
    qsort(h->known, h->count, BODY_LEN, by_body);
    return ftruncate(h->fd, end) == 0 && lseek(h->fd, end, SEEK_SET) == end ? OK
                                                                            : io_fault(h, f, "cannot write");
}

static err_t read_file(struct verify_hashed *h, struct fault *f)
{
    uint8_t *data = NULL;
    size_t len;
    err_t e;
    GO(file_read(&data, &len, h->path, SIZE_MAX / 2, f));
    if (memcmp(data, h->head, len < HEAD_LEN ? len : HEAD_LEN) != 0) {
        fault_set(f, ERR_FORMAT, "not what this version of the program writes; use a new directory");
        e = fault_file(f, ERR_FORMAT, h->path);
        goto out;
    }
    if (len < HEAD_LEN) { /* new, or cut off before anything was in it */
        if (ftruncate(h->fd, 0) != 0 || lseek(h->fd, 0, SEEK_SET) != 0) {
            e = io_fault(h, f, "cannot write");
            goto out;
        }
        GO(write_all(h, h->head, HEAD_LEN, f));
        len = HEAD_LEN;
    }
    e = read_entries(h, data + HEAD_LEN, len - HEAD_LEN, f);
out:
    free(data);
    return e;
}

/* Written by this user only, or it is not this verifier's. */
static err_t open_file(struct verify_hashed *h, struct fault *f)
{
    struct stat st;
    TRY(file_open_state(&h->fd, h->path, O_RDWR | O_CREAT, 0600, f));
    if (fstat(h->fd, &st) != 0)
        return io_fault(h, f, "cannot open");
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 || st.st_nlink != 1) {
        fault_set(f, ERR_REFUSED, "others could have written this; use a new directory");
        return fault_file(f, ERR_REFUSED, h->path);
    }
    if (flock(h->fd, LOCK_EX | LOCK_NB) != 0) {
        fault_set(f, ERR_BUSY, "another verification uses this directory");
        return fault_file(f, ERR_BUSY, h->path);
    }
    return read_file(h, f);
}

err_t verify_hashed_open(struct verify_hashed **out, const char *dir, const hash_t *sums, struct fault *f)
{
    char name[16 + 2 * HASH_LEN] = "files-";
    *out = NULL;
    TRY(file_mkdir(dir, f));
    struct verify_hashed *h = calloc(1, sizeof *h);
    if (h == NULL)
        return fault_set(f, ERR_MEMORY, "resuming");
    h->fd = -1;
    hex_put(name + strlen(name), sums->b, HASH_LEN);
    memcpy(h->head, MAGIC, sizeof MAGIC - 1);
    memcpy(h->head + sizeof MAGIC - 1, sums->b, HASH_LEN);
    err_t e = file_path(h->path, sizeof h->path, dir, name);
    e = e == OK ? open_file(h, f) : fault_set(f, e, "the path of the directory is too long");
    if (e != OK) {
        verify_hashed_close(h);
        return e;
    }
    *out = h;
    return OK;
}

void verify_hashed_close(struct verify_hashed *h)
{
    if (h == NULL)
        return;
    if (h->fd >= 0)
        close(h->fd);
    free(h->known);
    free(h);
}

int verify_hashed_has(const struct verify_hashed *h, const char *path, const hash_t *listed,
                      const struct stat *st)
{
    uint8_t b[BODY_LEN];
    if (!S_ISREG(st->st_mode))
        return 0;
    body(b, path, listed, st);
    return bsearch(b, h->known, h->count, BODY_LEN, by_body) != NULL;
}

static err_t write_waiting(struct verify_hashed *h, struct fault *f)
{
    size_t n = h->waiting_count;
    h->waiting_count = 0;
    return write_all(h, h->waiting[0], n * ENTRY_LEN, f);
}

err_t verify_hashed_add(struct verify_hashed *h, const char *path, const hash_t *listed,
                        const struct stat *st, struct fault *f)
{
    uint8_t *entry = h->waiting[h->waiting_count++];
    body(entry, path, listed, st);
    mark(entry + BODY_LEN, h, entry);
    return h->waiting_count == WAITING ? write_waiting(h, f) : OK;
}

err_t verify_hashed_save(struct verify_hashed *h, struct fault *f)
{
    TRY(write_waiting(h, f));
    return fdatasync(h->fd) == 0 ? OK : io_fault(h, f, "cannot write");
}

/* --- reading --- */

/* File systems of this machine that keep both times to the nanosecond, or nearly, and number files for good.
 * Not those of memory sticks and cameras, of networks, and of programs. */
static int keeps_times(int fd)
{
    static const unsigned long known[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                          F2FS_SUPER_MAGIC, TMPFS_MAGIC,     OVERLAYFS_SUPER_MAGIC};
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if ((unsigned long)fs.f_type == known[i])
            return 1;
    return 0;
}

/* Not changed for some seconds, by the clock that stamps changes. */
static int is_old(const struct stat *st, time_t now)
{
    return st->st_mtim.tv_sec + STEADY < now && st->st_ctim.tv_sec + STEADY < now;
}

static int is_same(const struct stat *a, const struct stat *b)
{
    uint8_t x[BODY_LEN], y[BODY_LEN];
    static const hash_t none;
    body(x, "", &none, a);
    body(y, "", &none, b);
    return memcmp(x, y, BODY_LEN) == 0;
}

err_t verify_hashed_read(hash_t *out, struct stat *st, int *steady, const char *full, struct fault *f)
{
    FILE *in;
    struct hash_ctx c;
    struct stat after;
    size_t n;
    time_t now = time(NULL); /* before */
    memset(out, 0, sizeof *out);
    memset(st, 0, sizeof *st);
    *steady = 0;
    uint8_t *chunk = malloc(CHUNK);
    if (chunk == NULL)
        return fault_set(f, ERR_MEMORY, "hashing a file");
    err_t e = file_open(&in, full, f);
    if (e != OK) {
        free(chunk);
        return e;
    }
    hash_init(&c);
    int fd = fileno(in), known = fstat(fd, st) == 0;
    while ((n = fread(chunk, 1, CHUNK, in)) > 0)
        hash_add(&c, chunk, n);
    if (ferror(in))
        e = fault_file(f, fault_set(f, ERR_IO, "cannot be read to its end"), full);
    else
        hash_end(&c, out);
    *steady = e == OK && known && is_old(st, now) && fstat(fd, &after) == 0 && is_same(st, &after) &&
              keeps_times(fd);
    fclose(in);
    free(chunk);
    return e;
}
