#include "tally/chain_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"

#define HEAD_LEN 24 /* magic and height */
#define RECORD_LEN 20
#define ZEROS_LEN ((size_t)256 << 10)
#define REST_MAX ((uint64_t)64 << 20) /* bytes behind the last record that are kept, as zeros */

static const uint8_t magic[16] = "conclave/jrnl/1";

struct chain_journal {
    int fd;
    char *path;
    uint64_t height, number, end; /* of the next record; where it begins */
    uint8_t *out;                 /* records that are not written */
    size_t len, cap;
    int broken;
};

static err_t system_fault(const struct chain_journal *j, struct fault *f, const char *what)
{
    int saved = errno;
    fault_set(f, ERR_IO, "%s the journal: %s", what, strerror(saved));
    return fault_file(f, ERR_IO, j->path);
}

static void put64(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get64(const uint8_t *in)
{
    uint64_t v = 0;
    for (int i = 8; i-- > 0;)
        v = v << 8 | in[i];
    return v;
}

/* Length and check of a record. */
static void make_record(const struct chain_journal *j, uint8_t out[RECORD_LEN], const uint8_t *data,
                        size_t len)
{
    uint8_t bound[24];
    struct hash_ctx c;
    hash_t h;
    put64(bound, j->height);
    put64(bound + 8, j->number);
    put64(bound + 16, len);
    hash_init(&c);
    hash_add(&c, magic, sizeof magic);
    hash_add(&c, bound, sizeof bound);
    hash_add(&c, data, len);
    hash_end(&c, &h);
    memcpy(out, bound + 16, 4);
    memcpy(out + 4, h.b, 16);
}

static err_t write_at(struct chain_journal *j, const uint8_t *data, size_t len, uint64_t at, struct fault *f)
{
    while (len > 0) {
        ssize_t n = pwrite(j->fd, data, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return system_fault(j, f, "writing");
        data += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return OK;
}

/* *got < len only at the end of the file. */
static err_t read_at(struct chain_journal *j, uint8_t *data, size_t len, uint64_t at, size_t *got,
                     struct fault *f)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(j->fd, data + *got, len - *got, (off_t)(at + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return system_fault(j, f, "reading");
        if (n == 0)
            return OK;
        *got += (size_t)n;
    }
    return OK;
}

static err_t put_zeros(struct chain_journal *j, uint64_t from, uint64_t to, struct fault *f)
{
    static const uint8_t zeros[ZEROS_LEN];
    for (uint64_t at = from; at < to; at += ZEROS_LEN) {
        uint64_t left = to - at;
        TRY(write_at(j, zeros, left < ZEROS_LEN ? (size_t)left : ZEROS_LEN, at, f));
    }
    return OK;
}

/* A file with holes can be of any length: what is behind the place where records end is cut first, not
 * written. */
static err_t put_zeros_behind(struct chain_journal *j, uint64_t from, struct fault *f)
{
    struct stat st;
    if (fstat(j->fd, &st) != 0)
        return system_fault(j, f, "opening");
    uint64_t to = (uint64_t)st.st_size;
    if (to <= from)
        return OK;
    if (to - from > REST_MAX) {
        to = from + REST_MAX;
        if (ftruncate(j->fd, (off_t)to) != 0)
            return system_fault(j, f, "cutting");
    }
    return put_zeros(j, from, to, f);
}

static err_t put_head(struct chain_journal *j, struct fault *f)
{
    uint8_t head[HEAD_LEN];
    memcpy(head, magic, sizeof magic);
    put64(head + sizeof magic, j->height);
    j->number = 0;
    j->end = HEAD_LEN;
    return write_at(j, head, HEAD_LEN, 0, f);
}

/* One record at j->end; *found 0 behind the last good one. */
static err_t read_record(struct chain_journal *j, uint8_t *data, size_t max, int *found, size_t *len,
                         struct fault *f)
{
    uint8_t head[RECORD_LEN], want[RECORD_LEN];
    size_t got;
    *found = 0;
    TRY(read_at(j, head, RECORD_LEN, j->end, &got, f));
    *len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    if (got < RECORD_LEN || *len == 0 || *len > max)
        return OK;
    TRY(read_at(j, data, *len, j->end + RECORD_LEN, &got, f));
    if (got < *len)
        return OK;
    make_record(j, want, data, *len);
    *found = memcmp(head, want, RECORD_LEN) == 0;
    return OK;
}

static err_t replay(struct chain_journal *j, size_t max, chain_journal_fn *fn, void *ctx, struct fault *f)
{
    uint8_t *data = malloc(max);
    err_t e = data ? OK : fault_set(f, ERR_MEMORY, "journal");
    while (e == OK) {
        int found;
        size_t len;
        e = read_record(j, data, max, &found, &len, f);
        if (e != OK || !found)
            break;
        e = fn(ctx, data, len, f);
        j->end += RECORD_LEN + len;
        j->number++;
    }
    free(data);
    return e;
}

static int is_zero(const uint8_t *data, size_t len)
{
    while (len > 0 && data[len - 1] == 0)
        len--;
    return len == 0;
}

/* The head: *height of its block; *fresh if it was torn while the file was made, when nothing was
 * acknowledged in it. A head is never overwritten by another one of other length. */
static err_t get_head(struct chain_journal *j, uint64_t *height, int *fresh, struct fault *f)
{
    uint8_t head[HEAD_LEN];
    size_t got;
    *height = 0;
    TRY(read_at(j, head, HEAD_LEN, 0, &got, f));
    *fresh = is_zero(head, got) || (got < HEAD_LEN && memcmp(head, magic, got < 16 ? got : 16) == 0);
    if (*fresh)
        return OK;
    if (got < HEAD_LEN || memcmp(head, magic, sizeof magic) != 0)
        return fault_file(
            f, fault_set(f, ERR_FORMAT, "its head is damaged; ballots that were acknowledged may be in it"),
            j->path);
    *height = get64(head + sizeof magic);
    return OK;
}

/* Records are bound to their block: one of this height tells more than a head that says another. */
static err_t has_records(struct chain_journal *j, size_t max, int *found, struct fault *f)
{
    size_t len;
    uint8_t *data = malloc(max);
    if (!data)
        return fault_set(f, ERR_MEMORY, "journal");
    j->end = HEAD_LEN;
    err_t e = read_record(j, data, max, found, &len, f);
    free(data);
    return e;
}

static err_t check_height(const struct chain_journal *j, uint64_t height, struct fault *f)
{
    if (height <= j->height)
        return OK;
    fault_set(f, ERR_TRUNCATED, "ballots wait for block %llu, but headers can be read only up to block %llu",
              (unsigned long long)height, (unsigned long long)j->height);
    return fault_file(f, ERR_TRUNCATED, j->path);
}

static err_t load(struct chain_journal *j, size_t max, chain_journal_fn *fn, void *ctx, struct fault *f)
{
    uint64_t height;
    int fresh, found = 0;
    TRY(get_head(j, &height, &fresh, f));
    if (!fresh && height != j->height)
        TRY(has_records(j, max, &found, f));
    if (!found)
        TRY(check_height(j, height, f));
    if (fresh || (height != j->height && !found)) {
        TRY(put_zeros_behind(j, HEAD_LEN, f));
        return put_head(j, f);
    }
    if (found)
        TRY(put_head(j, f));
    j->end = HEAD_LEN;
    TRY(replay(j, max, fn, ctx, f));
    /* What is torn must not be taken for a record behind those to come. */
    TRY(put_zeros_behind(j, j->end, f));
    return fdatasync(j->fd) == 0 ? OK : system_fault(j, f, "writing");
}

static err_t journal_new(struct chain_journal **out, const char *path, uint64_t height, struct fault *f)
{
    struct chain_journal *j = calloc(1, sizeof *j);
    *out = j;
    if (!j)
        return fault_set(f, ERR_MEMORY, "journal");
    j->height = height;
    j->fd = -1;
    j->path = strdup(path);
    return j->path ? OK : fault_set(f, ERR_MEMORY, "journal");
}

err_t chain_journal_check(const char *path, uint64_t height, size_t max, struct fault *f)
{
    struct chain_journal *j = NULL;
    uint64_t says = 0;
    int fresh = 0, found = 0;
    err_t e;
    GO(journal_new(&j, path, height, f));
    e = file_open_state(&j->fd, path, O_RDONLY, 0, f);
    if (e == ERR_MISSING && height == 0) {
        fault_clear(f);
        e = OK;
        goto out;
    }
    if (e == OK)
        e = get_head(j, &says, &fresh, f);
    if (e == OK && fresh && height > 0)
        e = fault_set(f, ERR_TRUNCATED, "it has no head");
    if (e == ERR_MISSING || e == ERR_TRUNCATED)
        fault_set(f, e, "ballots that were acknowledged may have been in it");
    if (e == OK && says != height)
        e = has_records(j, max, &found, f);
    if (e == OK && !found)
        e = check_height(j, says, f);
    fault_file(f, e, path);
out:
    if (j && j->fd >= 0)
        close(j->fd);
    if (j)
        free(j->path);
    free(j);
    return e;
}

err_t chain_journal_open(struct chain_journal **out, const char *path, uint64_t height, size_t max,
                         chain_journal_fn *fn, void *ctx, struct fault *f)
{
    struct chain_journal *j = NULL;
    err_t e;
    *out = NULL;
    GO(journal_new(&j, path, height, f));
    GO(file_open_state(&j->fd, path, O_RDWR | O_CREAT, 0600, f));
    GO(load(j, max, fn, ctx, f));
    *out = j;
    j = NULL;
out:
    chain_journal_free(j);
    return e;
}

void chain_journal_free(struct chain_journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0) {
        if (fdatasync(j->fd) != 0)
            j->broken = 1; /* zeros that are not on the disk yet; ballots are */
        close(j->fd);
    }
    free(j->path);
    free(j->out);
    free(j);
}

err_t chain_journal_add(struct chain_journal *j, const uint8_t *data, size_t len)
{
    size_t need = j->len + RECORD_LEN + len;
    if (len == 0 || len > UINT32_MAX)
        return ERR_BUG;
    if (need > j->cap) {
        size_t cap = need + j->cap / 2 + 4096;
        uint8_t *grown = realloc(j->out, cap);
        if (!grown)
            return ERR_MEMORY;
        j->out = grown;
        j->cap = cap;
    }
    make_record(j, j->out + j->len, data, len);
    memcpy(j->out + j->len + RECORD_LEN, data, len);
    j->len = need;
    j->number++;
    return OK;
}

err_t chain_journal_sync(struct chain_journal *j, struct fault *f)
{
    if (j->broken)
        return fault_set(f, ERR_IO, "the journal could not be written before");
    if (j->len == 0)
        return OK;
    err_t e = write_at(j, j->out, j->len, j->end, f);
    if (e == OK && fdatasync(j->fd) != 0)
        e = system_fault(j, f, "writing");
    if (e != OK) {
        j->broken = 1;
        return e;
    }
    j->end += j->len;
    j->len = 0;
    return OK;
}

err_t chain_journal_next(struct chain_journal *j, struct fault *f)
{
    if (j->broken)
        return fault_set(f, ERR_IO, "the journal could not be written before");
    j->len = 0; /* in the block as well, which is durable */
    j->height++;
    err_t e = put_zeros(j, HEAD_LEN, j->end, f);
    if (e == OK)
        e = put_head(j, f);
    if (e != OK)
        j->broken = 1;
    return e;
}
