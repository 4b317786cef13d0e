#include "tally/id_sort.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tally/metrics.h"

#define KEY_LEN 44 /* id, source, position, big-endian: compared as one string */
#define DIGIT_BITS 9
#define PARTS (1u << DIGIT_BITS)
#define BLOCK 32768
#define BLOCK_HEAD 16 /* block before it of this partition, keys in it */
#define BLOCK_KEYS ((BLOCK - BLOCK_HEAD) / KEY_LEN)
#define NONE UINT64_MAX
#define BUFFERS ((size_t)PARTS * BLOCK)
#define MEMORY_MIN ((size_t)20 << 20)
#define MEMORY_DEFAULT ((size_t)80 << 20)
#define RADIX_BITS 11
#define INSERT_MAX 16

struct part {
    uint64_t last;  /* block on disk, or NONE */
    uint64_t count; /* keys, those in the buffer too */
    uint32_t held;  /* keys in the buffer */
};

struct sort_key {
    uint64_t window; /* 8 bytes of the key from where they differ */
    uint64_t at;     /* index of the key */
};

struct id_sort {
    struct metrics *metrics; /* or NULL */
    uint8_t *buffer;         /* PARTS blocks */
    size_t memory;
    uint64_t count, blocks; /* keys added, blocks in the file */
    size_t capacity;        /* keys that are sorted in memory at once */
    int fd, finished, all;  /* all: reports ids that are there once, too */
    size_t free_count;
    uint64_t free_block[PARTS + 1]; /* read, and to be written again */
    struct part part[PARTS];
    uint8_t *key;
    struct sort_key *sort, *scratch;
    uint8_t block[BLOCK];
    /* reporting */
    id_sort_fn *fn;
    void *ctx;
    int has_group;
    hash_t group;
};

/* --- the temporary file --- */

static int open_in(const char *dir)
{
    char path[4096];
    if (dir == NULL || dir[0] != '/')
        return -1;
    int fd = open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    if (snprintf(path, sizeof path, "%s/.tmp-ids-XXXXXX", dir) >= (int)sizeof path)
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static err_t open_file(struct id_sort *s, struct fault *f)
{
    const char *const dir[] = {getenv("SQLITE_TMPDIR"), getenv("TMPDIR"), "/var/tmp", "/tmp"};
    for (size_t i = 0; s->fd < 0 && i < sizeof dir / sizeof *dir; i++)
        s->fd = open_in(dir[i]);
    return s->fd >= 0 ? OK : fault_set(f, ERR_IO, "a temporary file for ballot ids cannot be made");
}

static err_t write_block(struct id_sort *s, const uint8_t *data, uint64_t number, struct fault *f)
{
    size_t done = 0;
    while (done < BLOCK) {
        ssize_t n = pwrite(s->fd, data + done, BLOCK - done, (off_t)(number * BLOCK + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fault_set(f, ERR_IO, "writing the temporary file of ballot ids failed");
        done += (size_t)n;
    }
    return OK;
}

static err_t read_block(struct id_sort *s, uint64_t number, struct fault *f)
{
    size_t done = 0;
    while (done < BLOCK) {
        ssize_t n = pread(s->fd, s->block + done, BLOCK - done, (off_t)(number * BLOCK + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fault_set(f, ERR_IO, "reading the temporary file of ballot ids failed");
        done += (size_t)n;
    }
    return OK;
}

/* The buffer of partition i goes to the file. */
static err_t flush(struct id_sort *s, struct part *part, size_t i, struct fault *f)
{
    uint8_t *b = s->buffer + i * BLOCK;
    struct part *p = &part[i];
    if (p->held == 0)
        return OK;
    if (s->fd < 0)
        TRY(open_file(s, f));
    uint64_t number = s->free_count ? s->free_block[--s->free_count] : s->blocks++, held = p->held;
    memcpy(b, &p->last, 8);
    memcpy(b + 8, &held, 8);
    TRY(write_block(s, b, number, f));
    p->last = number;
    p->held = 0;
    return OK;
}

/* --- dealing --- */

static err_t deal(struct id_sort *s, struct part *part, size_t i, const uint8_t key[KEY_LEN], struct fault *f)
{
    struct part *p = &part[i];
    if (p->held == BLOCK_KEYS)
        TRY(flush(s, part, i, f));
    memcpy(s->buffer + i * BLOCK + BLOCK_HEAD + (size_t)p->held * KEY_LEN, key, KEY_LEN);
    p->held++;
    p->count++;
    return OK;
}

static void clear_parts(struct part part[PARTS])
{
    for (size_t i = 0; i < PARTS; i++)
        part[i] = (struct part){.last = NONE};
}

err_t id_sort_new(struct id_sort **out, size_t memory)
{
    *out = NULL;
    struct id_sort *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_MEMORY;
    if (memory == 0)
        memory = MEMORY_DEFAULT;
    if (memory < MEMORY_MIN)
        memory = MEMORY_MIN;
    s->fd = -1;
    s->capacity = (memory - BUFFERS - sizeof *s) / (KEY_LEN + 2 * sizeof(struct sort_key));
    if (s->capacity > UINT32_MAX) /* what radix_pass counts with */
        s->capacity = UINT32_MAX;
    clear_parts(s->part);
    s->buffer = malloc(BUFFERS);
    if (s->buffer == NULL) {
        free(s);
        return ERR_MEMORY;
    }
    s->memory = BUFFERS + sizeof *s;
    *out = s;
    return OK;
}

static void free_sorting(struct id_sort *s)
{
    free(s->key);
    free(s->sort);
    free(s->scratch);
    s->key = NULL;
    s->sort = s->scratch = NULL;
}

void id_sort_free(struct id_sort *s)
{
    if (s == NULL)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free_sorting(s);
    free(s->buffer);
    free(s);
}

err_t id_sort_add(struct id_sort *s, const hash_t *id, uint32_t source, uint64_t position, struct fault *f)
{
    uint8_t key[KEY_LEN];
    uint32_t source_be = htobe32(source);
    uint64_t position_be = htobe64(position);
    if (s->finished)
        return fault_set(f, ERR_BUG, "ballot ids were sorted already");
    memcpy(key, id->b, HASH_LEN);
    memcpy(key + HASH_LEN, &source_be, 4);
    memcpy(key + HASH_LEN + 4, &position_be, 8);
    TRY(deal(s, s->part, (size_t)id->b[0] << 1 | id->b[1] >> 7, key, f));
    s->count++;
    return OK;
}

uint64_t id_sort_count(const struct id_sort *s)
{
    return s->count;
}

size_t id_sort_memory(const struct id_sort *s)
{
    return s->memory;
}

uint64_t id_sort_disk(const struct id_sort *s)
{
    return s->blocks * BLOCK;
}

/* --- sorting in memory --- */

static int key_less(const struct id_sort *s, const struct sort_key *a, const struct sort_key *b)
{
    if (a->window != b->window)
        return a->window < b->window;
    return memcmp(s->key + a->at * KEY_LEN, s->key + b->at * KEY_LEN, KEY_LEN) < 0;
}

/* Merge sort: n log n whatever the keys are. */
static void sort_run(struct id_sort *s, struct sort_key *a, struct sort_key *t, size_t n)
{
    if (n <= INSERT_MAX) {
        for (size_t i = 1; i < n; i++) {
            struct sort_key x = a[i];
            size_t k = i;
            for (; k > 0 && key_less(s, &x, &a[k - 1]); k--)
                a[k] = a[k - 1];
            a[k] = x;
        }
        return;
    }
    size_t half = n / 2, i = 0, k = half, o = 0;
    sort_run(s, a, t, half);
    sort_run(s, a + half, t + half, n - half);
    while (i < half && k < n)
        t[o++] = key_less(s, &a[k], &a[i]) ? a[k++] : a[i++];
    while (i < half)
        t[o++] = a[i++];
    memcpy(a, t, o * sizeof *a);
}

/* One pass of a radix sort over RADIX_BITS of the window. */
static void radix_pass(struct sort_key *to, const struct sort_key *from, size_t n, unsigned shift)
{
    uint32_t at[1u << RADIX_BITS] = {0}, sum = 0;
    const uint64_t mask = (1u << RADIX_BITS) - 1;
    for (size_t i = 0; i < n; i++)
        at[from[i].window >> shift & mask]++;
    for (size_t i = 0; i <= mask; i++) {
        uint32_t c = at[i];
        at[i] = sum;
        sum += c;
    }
    for (size_t i = 0; i < n; i++)
        to[at[from[i].window >> shift & mask]++] = from[i];
}

static uint64_t window_at(const uint8_t *key, size_t offset)
{
    uint64_t w;
    memcpy(&w, key + offset, 8);
    return be64toh(w);
}

static err_t report(struct id_sort *s, const uint8_t *key, struct fault *f)
{
    struct id_copy c;
    uint32_t source;
    uint64_t position;
    memcpy(c.id.b, key, HASH_LEN);
    memcpy(&source, key + HASH_LEN, 4);
    memcpy(&position, key + HASH_LEN + 4, 8);
    c.source = be32toh(source);
    c.position = be64toh(position);
    int first = !s->has_group || hash_cmp(&s->group, &c.id) != 0;
    s->group = c.id;
    s->has_group = 1;
    return s->fn(s->ctx, &c, first, f);
}

/* s->key has n keys, equal in their first `same` bytes. copies: all are of one id that is there more than
 * once. */
static err_t sort_keys(struct id_sort *s, size_t n, size_t same, int copies, struct fault *f)
{
    /* Equal ids have equal windows, but where all are of one id. */
    size_t most = copies || same >= HASH_LEN ? KEY_LEN - 8 : HASH_LEN - 8;
    size_t offset = same < most ? same : most;
    copies = copies || (same >= HASH_LEN && n > 1);
    for (size_t i = 0; i < n; i++)
        s->sort[i] = (struct sort_key){window_at(s->key + i * KEY_LEN, offset), i};
    /* So many leading bits that hardly two are equal; the rest is put right run by run. */
    unsigned passes = n < 64 ? 0 : n < 32768 ? 2 : 3;
    struct sort_key *a = s->sort, *b = s->scratch;
    for (unsigned p = 0; p < passes; p++) {
        radix_pass(b, a, n, 64 - RADIX_BITS * (passes - p));
        struct sort_key *t = a;
        a = b;
        b = t;
    }
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1;
             k < n && (passes == 0 || (a[k].window ^ a[i].window) >> (64 - RADIX_BITS * passes) == 0);)
            k++;
        if (k - i > 1)
            sort_run(s, a + i, b + i, k - i);
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *key = s->key + a[i].at * KEY_LEN;
        int copy = copies || s->all;
        if (!copy && i > 0 && a[i - 1].window == a[i].window)
            copy = memcmp(s->key + a[i - 1].at * KEY_LEN, key, HASH_LEN) == 0;
        if (!copy && i + 1 < n && a[i + 1].window == a[i].window)
            copy = memcmp(s->key + a[i + 1].at * KEY_LEN, key, HASH_LEN) == 0;
        if (copy)
            TRY(report(s, key, f));
    }
    return OK;
}

/* --- partitions --- */

/* Calls fn with each key of a partition; its blocks can be written again. */
typedef err_t key_fn(void *ctx, const uint8_t *key, struct fault *f);
static err_t each_key(struct id_sort *s, uint64_t block, key_fn *fn, void *ctx, int reuse, struct fault *f)
{
    while (block != NONE) {
        uint64_t before, held;
        TRY(read_block(s, block, f));
        memcpy(&before, s->block, 8);
        memcpy(&held, s->block + 8, 8);
        if (held > BLOCK_KEYS || (before != NONE && before >= s->blocks))
            return fault_set(f, ERR_IO, "the temporary file of ballot ids was damaged");
        if (reuse && s->free_count <= PARTS)
            s->free_block[s->free_count++] = block;
        for (uint64_t i = 0; i < held; i++)
            TRY(fn(ctx, s->block + BLOCK_HEAD + i * KEY_LEN, f));
        block = before;
    }
    return OK;
}

struct first_key {
    uint8_t key[KEY_LEN];
    int has_key;
    size_t same; /* leading bytes that all have in common */
};

static err_t compare_key(void *ctx, const uint8_t *key, struct fault *f)
{
    struct first_key *x = ctx;
    (void)f;
    if (!x->has_key)
        memcpy(x->key, key, KEY_LEN);
    x->has_key = 1;
    for (size_t i = 0; i < x->same; i++)
        if (key[i] != x->key[i])
            x->same = i;
    return OK;
}

struct loading {
    struct id_sort *s;
    size_t n;
};

static err_t load_key(void *ctx, const uint8_t *key, struct fault *f)
{
    struct loading *l = ctx;
    (void)f;
    memcpy(l->s->key + l->n++ * KEY_LEN, key, KEY_LEN);
    return OK;
}

struct dealing {
    struct id_sort *s;
    struct part *part;
    size_t same;
};

/* By the first byte in which they differ, and one bit more; never by parts of id and source together. */
static err_t deal_key(void *ctx, const uint8_t *key, struct fault *f)
{
    struct dealing *d = ctx;
    unsigned next = d->same + 1 < KEY_LEN && d->same + 1 != HASH_LEN ? key[d->same + 1] >> 7 : 0;
    return deal(d->s, d->part, (size_t)key[d->same] << 1 | next, key, f);
}

static err_t report_key(void *ctx, const uint8_t *key, struct fault *f)
{
    return report(ctx, key, f);
}

static err_t sort_part(struct id_sort *s, const struct part *p, int copies, struct fault *f);

static err_t split_part(struct id_sort *s, const struct part *p, size_t same, struct fault *f)
{
    struct part *part = malloc(PARTS * sizeof *part);
    if (part == NULL)
        return fault_set(f, ERR_MEMORY, "sorting ballot ids");
    struct dealing d = {s, part, same};
    err_t e;
    clear_parts(part);
    s->free_count = 0;
    GO(each_key(s, p->last, deal_key, &d, 1, f));
    for (size_t i = 0; i < PARTS; i++)
        GO(flush(s, part, i, f));
    s->free_count = 0;
    for (size_t i = 0; i < PARTS; i++)
        GO(sort_part(s, &part[i], same >= HASH_LEN, f));
out:
    free(part);
    return e;
}

/* A partition that is on disk as a whole. copies: as in sort_keys. */
static err_t sort_part(struct id_sort *s, const struct part *p, int copies, struct fault *f)
{
    struct first_key first = {.same = KEY_LEN};
    if (p->count == 0)
        return OK;
    if (p->count <= s->capacity) {
        struct loading l = {s, 0};
        TRY(each_key(s, p->last, load_key, &l, 0, f));
        for (size_t i = 0; i < l.n; i++)
            TRY(compare_key(&first, s->key + i * KEY_LEN, f));
        return sort_keys(s, l.n, first.same, copies, f);
    }
    TRY(each_key(s, p->last, compare_key, &first, 0, f));
    if (first.same == KEY_LEN)
        return each_key(s, p->last, report_key, s, 0, f);
    return split_part(s, p, first.same, f);
}

/* What was never written is sorted where it is. */
static err_t sort_held(struct id_sort *s, size_t i, struct fault *f)
{
    struct part *p = &s->part[i];
    struct first_key first = {.same = KEY_LEN};
    if (p->held == 0)
        return OK;
    memcpy(s->key, s->buffer + i * BLOCK + BLOCK_HEAD, (size_t)p->held * KEY_LEN);
    for (size_t k = 0; k < p->held; k++)
        TRY(compare_key(&first, s->key + k * KEY_LEN, f));
    return sort_keys(s, p->held, first.same, 0, f);
}

void id_sort_observe(struct id_sort *s, struct metrics *m)
{
    s->metrics = m;
}

err_t id_sort_finish(struct id_sort *s, id_sort_fn *fn, void *ctx, struct fault *f)
{
    err_t e = OK;
    if (s->finished)
        return fault_set(f, ERR_BUG, "ballot ids were sorted already");
    double start = metrics_now();
    s->finished = 1;
    s->fn = fn;
    s->ctx = ctx;
    int in_memory = s->fd < 0;
    size_t n = in_memory ? BLOCK_KEYS : s->capacity;
    if (n > s->count)
        n = (size_t)s->count + 1;
    s->key = malloc(n * KEY_LEN);
    s->sort = malloc(n * sizeof *s->sort);
    s->scratch = malloc(n * sizeof *s->scratch);
    if (s->key == NULL || s->sort == NULL || s->scratch == NULL) {
        e = fault_set(f, ERR_MEMORY, "sorting ballot ids");
        goto out;
    }
    s->memory += n * (KEY_LEN + 2 * sizeof *s->sort);
    for (size_t i = 0; i < PARTS && !in_memory; i++)
        GO(flush(s, s->part, i, f));
    for (size_t i = 0; i < PARTS; i++)
        GO(in_memory ? sort_held(s, i, f) : sort_part(s, &s->part[i], 0, f));
    if (s->count > 0)
        metrics_observe_many(s->metrics, METRIC_VERIFY_NULLIFIER, (metrics_now() - start) / (double)s->count,
                             s->count);
out:
    free_sorting(s);
    return e;
}

err_t id_sort_each(struct id_sort *s, id_sort_fn *fn, void *ctx, struct fault *f)
{
    s->all = 1;
    return id_sort_finish(s, fn, ctx, f);
}
