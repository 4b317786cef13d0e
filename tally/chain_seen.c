#include "tally/chain_seen.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"

#define HEAD_LEN 4096 /* a page: the slots stay aligned */
#define SLOTS_LEAST ((uint64_t)1 << 16)
#define INDEX_BITS 40
#define BOOT_LEN 64
#define READ_AT_ONCE 4096 /* ids */

static const char magic[16] = "conclave/ids/1\n";

struct table_head {
    char magic[16];
    char boot[BOOT_LEN]; /* which run of the machine wrote to it */
    uint64_t clean;      /* 1: closed in order */
    uint64_t covered;    /* ids that are in it */
    uint64_t slots;      /* a power of two */
    uint8_t key[crypto_shorthash_KEYBYTES];
};

struct chain_seen {
    char ids_path[4096], table_path[4096];
    int fd, writable;
    uint64_t count, appended; /* committed; and behind them */
    struct table_head *head;  /* mapped */
    uint64_t *slot;
    size_t mapped;
};

static err_t system_fault(struct fault *f, const char *what, const char *path)
{
    int saved = errno;
    fault_set(f, ERR_IO, "%s: %s", what, strerror(saved));
    return fault_file(f, ERR_IO, path);
}

static void boot_name(char out[BOOT_LEN])
{
    memset(out, 0, BOOT_LEN);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, out, BOOT_LEN - 1);
    if (n < 0)
        memset(out, 0, BOOT_LEN);
    close(fd);
}

/* --- ids --- */

static err_t ids_read(const struct chain_seen *s, hash_t *out, uint64_t at, size_t count, struct fault *f)
{
    size_t done = 0, len = count * HASH_LEN;
    while (done < len) {
        ssize_t n = pread(s->fd, (uint8_t *)out + done, len - done, (off_t)(at * HASH_LEN + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return system_fault(f, "reading", s->ids_path);
        if (n == 0)
            return fault_file(f, fault_set(f, ERR_TRUNCATED, "ballot ids are missing"), s->ids_path);
        done += (size_t)n;
    }
    return OK;
}

static err_t ids_open(struct chain_seen *s, struct fault *f)
{
    struct stat st;
    TRY(file_open_state(&s->fd, s->ids_path, s->writable ? O_RDWR | O_CREAT : O_RDONLY, 0644, f));
    if (fstat(s->fd, &st) != 0)
        return system_fault(f, "opening", s->ids_path);
    uint64_t want = s->count * HASH_LEN, have = (uint64_t)st.st_size;
    if (have < want)
        return fault_file(f,
                          fault_set(f, ERR_TRUNCATED, "%llu ballot ids are needed, %llu are there",
                                    (unsigned long long)s->count, (unsigned long long)have / HASH_LEN),
                          s->ids_path);
    if (have > want && s->writable && (ftruncate(s->fd, (off_t)want) != 0 || fsync(s->fd) != 0))
        return system_fault(f, "cutting back to the last header", s->ids_path);
    return OK;
}

/* --- table --- */

static void unmap(struct chain_seen *s)
{
    if (s->head)
        munmap(s->head, s->mapped);
    s->head = NULL;
    s->slot = NULL;
}

static uint64_t hash_of(const struct chain_seen *s, const hash_t *id)
{
    uint64_t h;
    crypto_shorthash((uint8_t *)&h, id->b, HASH_LEN, s->head->key);
    return h;
}

/* The slot of an id, or the empty one where it belongs. Half of the slots are empty: a table where none is
 * found was damaged. */
static err_t probe(const struct chain_seen *s, const hash_t *id, uint64_t *at, uint64_t *tag, uint64_t *index,
                   struct fault *f)
{
    const uint64_t mask = s->head->slots - 1, low = ((uint64_t)1 << INDEX_BITS) - 1;
    uint64_t h = hash_of(s, id);
    *tag = h >> INDEX_BITS << INDEX_BITS;
    *index = CHAIN_SEEN_NONE;
    uint64_t steps = 0;
    for (*at = h & mask; s->slot[*at] != 0; *at = (*at + 1) & mask) {
        uint64_t v = s->slot[*at], number = (v & low) - 1;
        hash_t have;
        if (++steps > mask)
            return fault_file(f, fault_set(f, ERR_FORMAT, "damaged; delete it, and it is made again"),
                              s->table_path);
        if ((v & ~low) != *tag)
            continue;
        TRY(ids_read(s, &have, number, 1, f));
        if (hash_cmp(&have, id) != 0)
            continue;
        *index = number;
        return OK;
    }
    return OK;
}

static err_t enter(struct chain_seen *s, const hash_t *id, uint64_t number, struct fault *f)
{
    uint64_t at, tag, index;
    TRY(probe(s, id, &at, &tag, &index, f));
    if (index == CHAIN_SEEN_NONE)
        s->slot[at] = tag | (number + 1);
    return OK;
}

/* Ids covered.. to-1, from the file. */
static err_t enter_from_file(struct chain_seen *s, uint64_t to, struct fault *f)
{
    hash_t *id = malloc(READ_AT_ONCE * sizeof *id);
    err_t e = id ? OK : fault_set(f, ERR_MEMORY, "ballot ids");
    while (e == OK && s->head->covered < to) {
        uint64_t left = to - s->head->covered;
        size_t n = left < READ_AT_ONCE ? (size_t)left : READ_AT_ONCE;
        e = ids_read(s, id, s->head->covered, n, f);
        for (size_t i = 0; i < n && e == OK; i++)
            e = enter(s, &id[i], s->head->covered + i, f);
        if (e == OK)
            s->head->covered += n;
    }
    free(id);
    return e;
}

static err_t map(struct chain_seen *s, const char *path, int flags, uint64_t slots, struct fault *f)
{
    struct stat st;
    int fd;
    TRY(file_open_state(&fd, path, flags, 0644, f));
    err_t e = OK;
    if (slots > 0 && ftruncate(fd, (off_t)(HEAD_LEN + slots * 8)) != 0)
        e = system_fault(f, "making", path);
    if (e == OK && fstat(fd, &st) != 0)
        e = system_fault(f, "opening", path);
    if (e == OK && st.st_size < HEAD_LEN)
        e = fault_set(f, ERR_FORMAT, "no table of ballot ids");
    if (e == OK) {
        int write = (flags & O_ACCMODE) == O_RDWR;
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            e = system_fault(f, "mapping", path);
        s->mapped = (size_t)st.st_size;
        s->head = p == MAP_FAILED ? NULL : p;
        s->slot = s->head ? (uint64_t *)((uint8_t *)p + HEAD_LEN) : NULL;
    }
    close(fd);
    return e;
}

/* Is what is mapped a table of these ids, as far as it goes? */
static int table_good(const struct chain_seen *s)
{
    const struct table_head *h = s->head;
    char boot[BOOT_LEN];
    boot_name(boot);
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->covered > s->count)
        return 0;
    if (h->slots < SLOTS_LEAST || (h->slots & (h->slots - 1)) != 0 || h->slots > SIZE_MAX / 16 ||
        s->mapped != HEAD_LEN + h->slots * 8 || h->covered > h->slots / 2)
        return 0;
    if (!s->writable && h->covered != s->count)
        return 0;
    return h->clean == 1 || (boot[0] != '\0' && memcmp(h->boot, boot, BOOT_LEN) == 0);
}

/* A new table for room ids with those that count, under its name only when it is complete. */
static err_t table_make(struct chain_seen *s, uint64_t room, struct fault *f)
{
    char temp[sizeof s->table_path + 32];
    uint64_t slots = SLOTS_LEAST;
    while (slots / 2 < room)
        slots *= 2;
    snprintf(temp, sizeof temp, "%s.tmp-%ld", s->table_path, (long)getpid());
    unmap(s);
    err_t e = map(s, temp, O_RDWR | O_CREAT | O_TRUNC, slots, f);
    if (e == OK) {
        memcpy(s->head->magic, magic, sizeof magic);
        boot_name(s->head->boot);
        s->head->slots = slots;
        random_bytes(s->head->key, sizeof s->head->key);
        e = enter_from_file(s, s->count, f);
    }
    if (e == OK && rename(temp, s->table_path) != 0)
        e = system_fault(f, "naming", s->table_path);
    if (e != OK)
        unlink(temp);
    return e;
}

static err_t table_open(struct chain_seen *s, struct fault *f)
{
    struct fault ignored;
    int flags = s->writable ? O_RDWR : O_RDONLY;
    fault_clear(&ignored);
    err_t e = map(s, s->table_path, flags, 0, &ignored);
    if (e == OK && table_good(s)) {
        if (s->writable) {
            boot_name(s->head->boot);
            s->head->clean = 0;
        }
        return s->writable ? enter_from_file(s, s->count, f) : OK;
    }
    return table_make(s, s->count, f);
}

err_t chain_seen_open(struct chain_seen **out, const char *dir, uint64_t count, int writable, struct fault *f)
{
    err_t e;
    *out = NULL;
    struct chain_seen *s = calloc(1, sizeof *s);
    if (!s)
        return fault_set(f, ERR_MEMORY, "ballot ids");
    s->fd = -1;
    s->writable = writable;
    s->count = count;
    GO(file_path(s->ids_path, sizeof s->ids_path, dir, "ids"));
    GO(file_path(s->table_path, sizeof s->table_path, dir, "ids.table"));
    GO(ids_open(s, f));
    GO(table_open(s, f));
    *out = s;
    s = NULL;
out:
    if (s) {
        unmap(s);
        if (s->fd >= 0)
            close(s->fd);
        free(s);
    }
    return e;
}

void chain_seen_free(struct chain_seen *s)
{
    if (!s)
        return;
    if (s->head && s->writable && msync(s->head, s->mapped, MS_SYNC) == 0) {
        s->head->clean = 1;
        msync(s->head, HEAD_LEN, MS_SYNC);
    }
    unmap(s);
    close(s->fd);
    free(s);
}

err_t chain_seen_find(const struct chain_seen *s, const hash_t *id, uint64_t *index, struct fault *f)
{
    uint64_t at, tag;
    return probe(s, id, &at, &tag, index, f);
}

err_t chain_seen_append(struct chain_seen *s, const hash_t *id, size_t count, struct fault *f)
{
    size_t done = 0, len = count * HASH_LEN;
    off_t from = (off_t)((s->count + s->appended) * HASH_LEN);
    while (done < len) {
        ssize_t n = pwrite(s->fd, (const uint8_t *)id + done, len - done, from + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return system_fault(f, "writing", s->ids_path);
        done += (size_t)n;
    }
    s->appended += count;
    return OK;
}

err_t chain_seen_sync(struct chain_seen *s, struct fault *f)
{
    if (s->appended > 0 && fdatasync(s->fd) != 0)
        return system_fault(f, "writing", s->ids_path);
    return OK;
}

err_t chain_seen_commit(struct chain_seen *s, struct fault *f)
{
    s->count += s->appended;
    s->appended = 0;
    if (s->count > s->head->slots / 2)
        return table_make(s, s->count * 2, f);
    return enter_from_file(s, s->count, f);
}
