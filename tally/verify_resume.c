#include "tally/verify_resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ceremony/base/file.h"

#define NAME "verified-exports"
#define MAGIC "conclave/verified-exports/1\n" /* another number when what is verified changes */
#define HEAD_LEN (sizeof MAGIC - 1 + 2 * HASH_LEN)
#define MARK_LEN 8 /* start of a hash over head and entry: an entry is whole */
#define ENTRY_LEN (HASH_LEN + MARK_LEN)
#define WAITING 256 /* entries written at once */

struct verify_resume {
    int fd;
    uint8_t head[HEAD_LEN];
    hash_t *known; /* sorted */
    size_t count;
    uint8_t waiting[WAITING * ENTRY_LEN];
    size_t waiting_count;
    char path[4096];
};

static err_t io_fault(const struct verify_resume *r, struct fault *f, const char *what)
{
    fault_set(f, ERR_IO, "%s: %s", what, strerror(errno));
    return fault_file(f, ERR_IO, r->path);
}

static void mark(uint8_t out[MARK_LEN], const struct verify_resume *r, const uint8_t *hash)
{
    struct hash_ctx c;
    hash_t h;
    hash_init(&c);
    hash_add(&c, r->head, sizeof r->head);
    hash_add(&c, hash, HASH_LEN);
    hash_end(&c, &h);
    memcpy(out, h.b, MARK_LEN);
}

static int by_hash(const void *a, const void *b)
{
    return hash_cmp(a, b);
}

static err_t add_known(struct verify_resume *r, const uint8_t *hash, size_t *cap)
{
    if (r->count == *cap) {
        size_t more = 2 * *cap + WAITING;
        hash_t *grown = realloc(r->known, more * sizeof *grown);
        if (!grown)
            return ERR_MEMORY;
        r->known = grown;
        *cap = more;
    }
    memcpy(r->known[r->count++].b, hash, HASH_LEN);
    return OK;
}

/* Fills data from the place where the file is read; less only at its end. */
static err_t read_some(const struct verify_resume *r, uint8_t *data, size_t max, size_t *len, struct fault *f)
{
    *len = 0;
    while (*len < max) {
        ssize_t n = read(r->fd, data + *len, max - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_fault(r, f, "cannot read");
        if (n == 0)
            break;
        *len += (size_t)n;
    }
    return OK;
}

/* Whole entries, up to the first that is not: however long the file is, it takes memory for good ones only.
 */
static err_t read_entries(struct verify_resume *r, struct fault *f)
{
    uint8_t data[WAITING * ENTRY_LEN], want[MARK_LEN];
    size_t len, cap = 0;
    do {
        TRY(read_some(r, data, sizeof data, &len, f));
        for (size_t at = 0; at + ENTRY_LEN <= len; at += ENTRY_LEN) {
            mark(want, r, data + at);
            if (memcmp(want, data + at + HASH_LEN, MARK_LEN) != 0)
                return OK;
            if (add_known(r, data + at, &cap) != OK)
                return fault_set(f, ERR_MEMORY, "resuming");
        }
    } while (len == sizeof data);
    return OK;
}

static err_t write_all(const struct verify_resume *r, const uint8_t *data, size_t len, struct fault *f)
{
    while (len) {
        ssize_t n = write(r->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return io_fault(r, f, "cannot write");
        data += n;
        len -= (size_t)n;
    }
    return OK;
}

/* A new file has its head on the disk before the first entry. */
static err_t start_file(struct verify_resume *r, struct fault *f)
{
    if (ftruncate(r->fd, 0) != 0 || lseek(r->fd, 0, SEEK_SET) != 0)
        return io_fault(r, f, "cannot write");
    TRY(write_all(r, r->head, sizeof r->head, f));
    return fdatasync(r->fd) == 0 ? OK : io_fault(r, f, "cannot write");
}

static err_t read_file(struct verify_resume *r, struct fault *f)
{
    uint8_t head[HEAD_LEN];
    size_t len;
    TRY(read_some(r, head, HEAD_LEN, &len, f));
    if (len < HEAD_LEN) /* new, or cut off before anything was in it */
        return memcmp(head, r->head, len) == 0
                   ? start_file(r, f)
                   : fault_set(f, ERR_FORMAT, "not what this program writes; use a new directory");
    if (memcmp(head, MAGIC, sizeof MAGIC - 1) != 0)
        return fault_set(f, ERR_FORMAT, "not what this version of the program writes; use a new directory");
    if (memcmp(head, r->head, HEAD_LEN) != 0)
        return fault_set(f, ERR_ELECTION, "the directory is of another election or record; use a new one");
    TRY(read_entries(r, f));
    off_t end = (off_t)(HEAD_LEN + r->count * ENTRY_LEN);
    if (ftruncate(r->fd, end) != 0 || lseek(r->fd, end, SEEK_SET) != end)
        return io_fault(r, f, "cannot write");
    if (r->count > 0)
        qsort(r->known, r->count, sizeof *r->known, by_hash);
    return OK;
}

static err_t open_file(struct verify_resume *r, struct fault *f)
{
    TRY(file_open_state(&r->fd, r->path, O_RDWR | O_CREAT, 0644, f));
    if (flock(r->fd, LOCK_EX | LOCK_NB) != 0) {
        fault_set(f, ERR_BUSY, "another verification uses this directory");
        return fault_file(f, ERR_BUSY, r->path);
    }
    return fault_file(f, read_file(r, f), r->path);
}

err_t verify_resume_open(struct verify_resume **out, const char *dir, const hash_t *election,
                         const hash_t *record, struct fault *f)
{
    *out = NULL;
    TRY(file_mkdir(dir, f));
    struct verify_resume *r = calloc(1, sizeof *r);
    if (!r)
        return fault_set(f, ERR_MEMORY, "resuming");
    r->fd = -1;
    memcpy(r->head, MAGIC, sizeof MAGIC - 1);
    memcpy(r->head + sizeof MAGIC - 1, election->b, HASH_LEN);
    memcpy(r->head + sizeof MAGIC - 1 + HASH_LEN, record->b, HASH_LEN);
    err_t e = file_path(r->path, sizeof r->path, dir, NAME);
    e = e == OK ? open_file(r, f) : fault_set(f, e, "the path of the directory is too long");
    if (e != OK) {
        if (f && f->err == OK)
            fault_set(f, e, "resuming");
        verify_resume_close(r);
        return e;
    }
    *out = r;
    return OK;
}

void verify_resume_close(struct verify_resume *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r->known);
    free(r);
}

int verify_resume_has(const struct verify_resume *r, const hash_t *file)
{
    return r->count > 0 && bsearch(file, r->known, r->count, sizeof *file, by_hash) != NULL;
}

static err_t write_waiting(struct verify_resume *r, struct fault *f)
{
    size_t len = r->waiting_count * ENTRY_LEN;
    r->waiting_count = 0;
    return write_all(r, r->waiting, len, f);
}

err_t verify_resume_add(struct verify_resume *r, const hash_t *file, struct fault *f)
{
    uint8_t *entry = r->waiting + r->waiting_count++ * ENTRY_LEN;
    memcpy(entry, file->b, HASH_LEN);
    mark(entry + HASH_LEN, r, file->b);
    return r->waiting_count == WAITING ? write_waiting(r, f) : OK;
}

err_t verify_resume_save(struct verify_resume *r, struct fault *f)
{
    TRY(write_waiting(r, f));
    return fdatasync(r->fd) == 0 ? OK : io_fault(r, f, "cannot write");
}
