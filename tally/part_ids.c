#include "tally/part_ids.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"

#define ENTRY_LEN PART_ENTRY_LEN
#define MEMORY ((size_t)32 << 20)
#define BLOCK_MIN ((size_t)4096 / ENTRY_LEN)
#define BLOCK_MAX ((size_t)(1 << 20) / ENTRY_LEN)

struct source {
    char *path;
    uint64_t count, done; /* entries in the file; of these in the block or before it */
    size_t held, at;      /* entries in the block; the one in hand */
    uint8_t *block;
    struct hash_ctx hash;
    hash_t want;
    struct part_id now, before;
    int has_before;
};

struct part_ids {
    size_t count, cap, block; /* block: entries */
    struct source *source;
    int is_started;
    size_t heap_count;
    size_t *heap; /* sources by their entry in hand, smallest first */
};

err_t part_ids_new(struct part_ids **out, struct fault *f)
{
    *out = calloc(1, sizeof **out);
    return *out ? OK : fault_set(f, ERR_MEMORY, "ballot ids");
}

void part_ids_free(struct part_ids *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++) {
        free(s->source[i].path);
        free(s->source[i].block);
    }
    free(s->source);
    free(s->heap);
    free(s);
}

err_t part_ids_add(struct part_ids *s, const char *report, const struct part_head *h, struct fault *f)
{
    char path[4096], dir[4096];
    const char *slash = strrchr(report, '/');
    if (slash == report)
        slash++;
    int n = slash ? snprintf(dir, sizeof dir, "%.*s", (int)(slash - report), report)
                  : snprintf(dir, sizeof dir, ".");
    if (n < 0 || (size_t)n >= sizeof dir ||
        part_path(path, sizeof path, dir, h->k, h->n, PART_IDS_SUFFIX) != OK)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        struct source *more = realloc(s->source, cap * sizeof *more);
        if (more == NULL)
            return fault_set(f, ERR_MEMORY, "ballot ids");
        s->source = more;
        s->cap = cap;
    }
    struct source *x = &s->source[s->count];
    memset(x, 0, sizeof *x);
    x->path = strdup(path);
    if (x->path == NULL)
        return fault_set(f, ERR_MEMORY, "ballot ids");
    x->count = h->id_count;
    x->now.k = h->k;
    x->want = h->ids;
    hash_init(&x->hash);
    s->count++;
    return OK;
}

/* --- one file --- */

static err_t bad(struct source *x, err_t e, const char *what, struct fault *f)
{
    fault_set(f, e, "%s", what);
    return fault_file(f, e, x->path);
}

static err_t end_of(struct source *x, FILE *in, struct fault *f)
{
    hash_t have;
    if (getc(in) != EOF)
        return bad(x, ERR_TRAILING, "it has more ballot ids than its report says", f);
    hash_end(&x->hash, &have);
    if (hash_cmp(&have, &x->want) != 0)
        return bad(x, ERR_HASH, "these are not the ballot ids of its report", f);
    return OK;
}

static err_t read_block(struct part_ids *s, struct source *x, struct fault *f)
{
    FILE *in;
    size_t want = x->count - x->done < s->block ? (size_t)(x->count - x->done) : s->block;
    TRY(file_open(&in, x->path, f));
    err_t e =
        fseeko(in, (off_t)(x->done * ENTRY_LEN), SEEK_SET) == 0 ? OK : bad(x, ERR_IO, "reading failed", f);
    if (e == OK && fread(x->block, ENTRY_LEN, want, in) != want)
        e = ferror(in) ? bad(x, ERR_IO, "reading failed", f)
                       : bad(x, ERR_TRUNCATED, "it has fewer ballot ids than its report says", f);
    if (e == OK) {
        hash_add(&x->hash, x->block, want * ENTRY_LEN);
        x->done += want;
        x->held = want;
        x->at = 0;
        if (x->done == x->count)
            e = end_of(x, in, f);
    }
    fclose(in);
    return e;
}

static int compare(const struct part_id *a, const struct part_id *b)
{
    int c = hash_cmp(&a->id, &b->id);
    if (c)
        return c;
    c = (a->place > b->place) - (a->place < b->place);
    return c ? c : (a->origin > b->origin) - (a->origin < b->origin);
}

/* The next entry of a file; *more = 0 at its end. */
static err_t advance(struct part_ids *s, struct source *x, int *more, struct fault *f)
{
    uint32_t place;
    uint64_t origin;
    *more = 0;
    if (x->at == x->held) {
        if (x->done == x->count)
            return OK;
        TRY(read_block(s, x, f));
    }
    const uint8_t *entry = x->block + x->at++ * ENTRY_LEN;
    x->before = x->now;
    memcpy(x->now.id.b, entry, HASH_LEN);
    memcpy(&place, entry + HASH_LEN, 4);
    x->now.place = be32toh(place);
    memcpy(&origin, entry + HASH_LEN + 4, 8);
    x->now.origin = be64toh(origin);
    if (x->has_before && compare(&x->before, &x->now) > 0)
        return bad(x, ERR_CANONICAL, "the ballot ids are not sorted", f);
    x->has_before = 1;
    *more = 1;
    return OK;
}

/* --- all files --- */

static void sink(struct part_ids *s, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < s->heap_count; child++)
            if (compare(&s->source[s->heap[child]].now, &s->source[s->heap[least]].now) < 0)
                least = child;
        if (least == at)
            return;
        size_t t = s->heap[at];
        s->heap[at] = s->heap[least];
        s->heap[least] = t;
        at = least;
    }
}

static err_t start(struct part_ids *s, struct fault *f)
{
    s->is_started = 1;
    s->heap = malloc((s->count + 1) * sizeof *s->heap);
    if (s->heap == NULL)
        return fault_set(f, ERR_MEMORY, "ballot ids");
    s->block = s->count ? MEMORY / s->count / ENTRY_LEN : 0;
    s->block = s->block > BLOCK_MAX ? BLOCK_MAX : s->block < BLOCK_MIN ? BLOCK_MIN : s->block;
    for (size_t i = 0; i < s->count; i++) {
        struct source *x = &s->source[i];
        int more;
        x->block = malloc(s->block * ENTRY_LEN);
        if (x->block == NULL)
            return fault_set(f, ERR_MEMORY, "ballot ids");
        if (x->count == 0) /* empty, and must be */
            TRY(read_block(s, x, f));
        TRY(advance(s, x, &more, f));
        if (more)
            s->heap[s->heap_count++] = i;
    }
    for (size_t i = s->heap_count; i-- > 0;)
        sink(s, i);
    return OK;
}

err_t part_ids_peek(struct part_ids *s, struct part_id **next, struct fault *f)
{
    *next = NULL;
    if (!s->is_started)
        TRY(start(s, f));
    if (s->heap_count)
        *next = &s->source[s->heap[0]].now;
    return OK;
}

err_t part_ids_step(struct part_ids *s, struct fault *f)
{
    int more;
    if (s->heap_count == 0)
        return OK;
    TRY(advance(s, &s->source[s->heap[0]], &more, f));
    if (!more)
        s->heap[0] = s->heap[--s->heap_count];
    sink(s, 0);
    return OK;
}
