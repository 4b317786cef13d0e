#include "tally/verify_resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
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

/* Whole entries, up to the first that is not. */
static err_t read_entries(struct verify_resume *r, const uint8_t *data, size_t len)
{
    size_t max = len / ENTRY_LEN;
    r->known = malloc((max + 1) * sizeof *r->known);
    if (!r->known)
        return ERR_MEMORY;
    for (; r->count < max; r->count++) {
        uint8_t want[MARK_LEN];
        const uint8_t *entry = data + r->count * ENTRY_LEN;
        mark(want, r, entry);
        if (memcmp(want, entry + HASH_LEN, MARK_LEN) != 0)
            break;
        memcpy(r->known[r->count].b, entry, HASH_LEN);
    }
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
    uint8_t *data = NULL;
    size_t len;
    off_t end;
    err_t e;
    GO(file_read(&data, &len, r->path, SIZE_MAX / 2, f));
    if (len < HEAD_LEN) { /* new, or cut off before anything was in it */
        if (memcmp(data, r->head, len) != 0) {
            e = fault_set(f, ERR_FORMAT, "not what this program writes; use a new directory");
            goto out;
        }
        e = start_file(r, f);
        len = HEAD_LEN;
        if (e == OK)
            e = read_entries(r, NULL, 0);
        goto out;
    }
    if (memcmp(data, MAGIC, sizeof MAGIC - 1) != 0) {
        e = fault_set(f, ERR_FORMAT, "not what this version of the program writes; use a new directory");
        goto out;
    }
    if (memcmp(data, r->head, HEAD_LEN) != 0) {
        e = fault_set(f, ERR_ELECTION, "the directory is of another election or record; use a new one");
        goto out;
    }
    GO(read_entries(r, data + HEAD_LEN, len - HEAD_LEN));
    end = (off_t)(HEAD_LEN + r->count * ENTRY_LEN);
    if (ftruncate(r->fd, end) != 0 || lseek(r->fd, end, SEEK_SET) != end)
        e = io_fault(r, f, "cannot write");
out:
    free(data);
    if (e == OK)
        qsort(r->known, r->count, sizeof *r->known, by_hash);
    return e == OK ? OK : fault_file(f, e, r->path);
}

static err_t open_file(struct verify_resume *r, struct fault *f)
{
    struct stat st;
    r->fd = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (r->fd < 0 || fstat(r->fd, &st) != 0)
        return io_fault(r, f, "cannot open");
    if (!S_ISREG(st.st_mode)) {
        fault_set(f, ERR_FORMAT, "not a regular file");
        return fault_file(f, ERR_FORMAT, r->path);
    }
    if (flock(r->fd, LOCK_EX | LOCK_NB) != 0) {
        fault_set(f, ERR_BUSY, "another verification uses this directory");
        return fault_file(f, ERR_BUSY, r->path);
    }
    return read_file(r, f);
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
    return bsearch(file, r->known, r->count, sizeof *file, by_hash) != NULL;
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
