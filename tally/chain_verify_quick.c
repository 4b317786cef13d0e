/* What can be said about a chain export without a ballot. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/file.h"
#include "tally/chain_verify_run.h"

#define EVIDENCE_MAX 10000
#define SNAPSHOT "snapshot.cbor"

/* --- the snapshot --- */

static err_t read_snapshot(struct chain_run *v, struct chain_snapshot **out, const char *name,
                           struct fault *why)
{
    char path[CHAIN_PATH_MAX];
    uint8_t *data = NULL;
    size_t len;
    *out = NULL;
    fault_clear(why);
    TRY(chain_path(v, path, name, why));
    TRY(file_read(&data, &len, path, CHAIN_SNAPSHOT_MAX, why));
    err_t e = chain_snapshot_parse_var(out, v->ctx, data, len, why);
    free(data);
    return e;
}

static err_t load_snapshot(struct chain_run *v, struct fault *f)
{
    struct fault why;
    err_t e = read_snapshot(v, &v->r->snapshot, SNAPSHOT, &why);
    if (e != OK)
        return chain_file(v, e == ERR_SUM ? CHAIN_CHECK_TALLY : CHAIN_CHECK_FORM, e, &why, SNAPSHOT, -1, f);
    v->s = v->r->snapshot;
    for (size_t i = 0; i < v->s->shard_count; i++)
        v->total += v->s->shard[i].size;
    return chain_run_zero(v);
}

/* --- which files there are --- */

struct listing {
    struct chain_run *v;
    const char *kind, *suffix;       /* of the directory, of its files */
    const struct chain_shard *shard; /* whose segments are listed */
};

static const struct chain_shard *shard_of(const struct chain_run *v, const char *name, const char *suffix)
{
    char text[CHAIN_SHARD_MAX + 1];
    size_t len = strlen(name), tail = strlen(suffix);
    if (name[0] != 's' || len < tail + 1 || len - tail - 1 >= sizeof text ||
        strcmp(name + len - tail, suffix) != 0)
        return NULL;
    memcpy(text, name + 1, len - tail - 1);
    text[len - tail - 1] = '\0';
    return chain_shard_find(v->s->shard, v->s->shard_count, text);
}

static void unknown(struct chain_run *v, const char *dir, const char *name)
{
    char file[512];
    snprintf(file, sizeof file, "%s%s%s", dir, dir[0] ? "/" : "", name);
    chain_failf(v, CHAIN_CHECK_FORM, ERR_UNKNOWN, file, -1, "has no place in an export of this chain");
}

static int is_kind(const struct chain_run *v, const char *name, mode_t kind)
{
    char path[CHAIN_PATH_MAX];
    struct stat st;
    return chain_path(v, path, name, NULL) == OK && lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

static err_t segment_name(void *ctx, const char *name, struct fault *f)
{
    struct listing *l = ctx;
    char file[300];
    (void)f;
    snprintf(file, sizeof file, "%s/%s", l->kind, name);
    int good = strlen(name) == 12 && strspn(name, "0123456789") == 8 && strcmp(name + 8, ".zst") == 0 &&
               strtoull(name, NULL, 10) * CHAIN_SEGMENT_BLOCKS < l->shard->headers &&
               is_kind(l->v, file, S_IFREG);
    if (!good)
        unknown(l->v, l->kind, name);
    return OK;
}

static err_t shard_name(void *ctx, const char *name, struct fault *f)
{
    struct listing *l = ctx;
    char file[300], path[CHAIN_PATH_MAX];
    struct stat st;
    snprintf(file, sizeof file, "%s/%s", l->kind, name);
    const struct chain_shard *s = shard_of(l->v, name, l->suffix);
    int segments = strcmp(l->kind, "segments") == 0;
    if (s == NULL || s->headers == 0 || !is_kind(l->v, file, segments ? S_IFDIR : S_IFREG)) {
        unknown(l->v, l->kind, name);
        return OK;
    }
    TRY(chain_path(l->v, path, file, f));
    if (segments) {
        struct listing inner = {l->v, file, ".zst", s};
        return file_list(path, segment_name, &inner, f);
    }
    if ((strcmp(l->kind, "ids") == 0 || strcmp(l->kind, "leaves") == 0) &&
        (stat(path, &st) != 0 || st.st_size < 0 || (uint64_t)st.st_size != HASH_LEN * s->size))
        chain_failf(l->v, CHAIN_CHECK_FORM, ERR_LIMIT, file, s - l->v->s->shard,
                    "has not 32 bytes for each of %llu ballots", (unsigned long long)s->size);
    return OK;
}

static err_t top_name(void *ctx, const char *name, struct fault *f)
{
    static const char *const dir[] = {"headers", "tallies", "segments", "ids", "leaves"};
    static const char *const suffix[] = {".cbor", ".cbor", "", "", ""};
    struct chain_run *v = ctx;
    char path[CHAIN_PATH_MAX];
    if (strcmp(name, SNAPSHOT) == 0)
        return OK;
    if (!is_kind(v, name, S_IFDIR)) {
        unknown(v, "", name);
        return OK;
    }
    TRY(chain_path(v, path, name, f));
    for (size_t i = 0; i < sizeof dir / sizeof *dir; i++)
        if (strcmp(name, dir[i]) == 0) {
            struct listing l = {v, dir[i], suffix[i], NULL};
            return file_list(path, shard_name, &l, f);
        }
    if (strcmp(name, "finality") != 0 && strcmp(name, "snapshots") != 0 && strcmp(name, "evidence") != 0)
        unknown(v, "", name);
    return OK;
}

/* --- who made it final --- */

struct signers {
    struct chain_run *v;
    uint8_t seen[VALIDATORS_MAX];
    size_t files;
};

static err_t one_finality(void *ctx, const char *name, struct fault *f)
{
    struct signers *s = ctx;
    struct chain_run *v = s->v;
    char file[300], path[CHAIN_PATH_MAX], hex[2 * HASH_LEN + 8];
    struct chain_finality x;
    struct fault why;
    hash_t kid;
    uint8_t *data = NULL;
    size_t len;
    fault_clear(&why);
    snprintf(file, sizeof file, "finality/%s", name);
    if (++s->files > 2 * VALIDATORS_MAX)
        return OK; /* so many cannot all be good, and it was said of those before */
    TRY(chain_path(v, path, file, f));
    err_t e = file_read(&data, &len, path, CHAIN_FINALITY_MAX, &why);
    if (e == OK)
        e = chain_finality_parse(&x, v->ctx, data, len, &why);
    free(data);
    if (e != OK)
        return chain_file(v, CHAIN_CHECK_QUORUM, e, &why, file, -1, f);
    cose_kid(&kid, &v->ctx->c->validator[x.validator]);
    hex_put(hex, kid.b, HASH_LEN);
    memcpy(hex + 2 * HASH_LEN, ".cose", 6);
    if (strcmp(name, hex) != 0)
        chain_failf(v, CHAIN_CHECK_QUORUM, s->seen[x.validator] ? ERR_DUPLICATE : ERR_MISMATCH, file, -1,
                    "validator %u signed it, whose file has another name; a signer counts once",
                    x.validator + 1);
    else if (x.number != v->s->number || hash_cmp(&x.snapshot, &v->s->id) != 0)
        chain_failf(v, CHAIN_CHECK_QUORUM, ERR_MISMATCH, file, -1,
                    "validator %u signed another snapshot, with number %llu", x.validator + 1,
                    (unsigned long long)x.number);
    else
        s->seen[x.validator] = 1;
    return OK;
}

static err_t check_finality(struct chain_run *v, struct fault *f)
{
    struct signers s = {.v = v};
    char path[CHAIN_PATH_MAX];
    TRY(chain_path(v, path, "finality", f));
    TRY(file_list(path, one_finality, &s, f));
    for (size_t i = 0; i < VALIDATORS_MAX; i++)
        v->r->signers += s.seen[i];
    if (v->r->signers < v->ctx->c->quorum)
        chain_failf(v, CHAIN_CHECK_QUORUM, ERR_QUORUM, "finality", -1,
                    "%u of %u validators made this snapshot final, %u must", v->r->signers,
                    v->ctx->c->validator_count, v->ctx->c->quorum);
    return OK;
}

/* --- older snapshots --- */

static int by_height(const void *a, const void *b)
{
    const struct chain_expected *x = a, *y = b;
    if (x->shard != y->shard)
        return x->shard < y->shard ? -1 : 1;
    if (x->height != y->height)
        return x->height < y->height ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* Sorts, and drops what an earlier snapshot says too: shards that rest are in every snapshot. */
static void compact(struct chain_run *v)
{
    struct chain_expected *x = v->expected;
    size_t kept = 0;
    if (v->expected_count)
        qsort(x, v->expected_count, sizeof *x, by_height);
    for (size_t i = 0; i < v->expected_count; i++)
        if (kept == 0 || x[kept - 1].shard != x[i].shard || x[kept - 1].height != x[i].height ||
            hash_cmp(&x[kept - 1].digest, &x[i].digest) != 0)
            x[kept++] = x[i];
    v->expected_count = kept;
}

/* After this there is room for as many again, at the least: sorting stays cheap. */
static err_t make_room(struct chain_run *v, struct fault *f)
{
    compact(v);
    if (v->expected_count > CHAIN_EXPECTED_MAX)
        return fault_set(f, ERR_LIMIT, "older snapshots name more than %zu different headers: leave some out",
                         CHAIN_EXPECTED_MAX);
    if (v->expected_cap > 0 && v->expected_count <= v->expected_cap / 2)
        return OK;
    size_t cap = v->expected_cap ? 2 * v->expected_cap : 64;
    struct chain_expected *more = realloc(v->expected, cap * sizeof *more);
    if (more == NULL)
        return fault_set(f, ERR_MEMORY, "comparing with older snapshots");
    v->expected = more;
    v->expected_cap = cap;
    return OK;
}

err_t chain_expect(struct chain_run *v, const struct chain_expected *row, struct fault *f)
{
    if (v->expected_count == v->expected_cap)
        TRY(make_room(v, f));
    v->expected[v->expected_count++] = *row;
    return OK;
}

static err_t expect(struct chain_run *v, const struct chain_snapshot *older, size_t i, uint32_t shard,
                    struct fault *f)
{
    const struct chain_shard *s = &older->shard[i];
    struct chain_expected x = {.shard = shard, .number = older->number};
    if (s->headers == 0)
        return OK;
    x.height = s->headers - 1;
    TRY(chain_head_digest(&x.digest, &s->head, s->size, &s->root, &s->ids, s->state));
    return chain_expect(v, &x, f);
}

/* Everything has only grown, from the older snapshot to this one. */
static err_t compare_older(struct chain_run *v, const struct chain_snapshot *older, const char *file,
                           struct fault *f)
{
    const struct chain_snapshot *s = v->s;
    if (older->time > s->time)
        chain_failf(v, CHAIN_CHECK_HEADERS, ERR_RULE, file, -1, "is of a later time than the snapshot");
    if (older->number + 1 == s->number && hash_cmp(&older->id, &s->previous) != 0)
        chain_failf(v, CHAIN_CHECK_HEADERS, ERR_HASH, file, -1,
                    "is not the one that the snapshot names as the one before it");
    for (size_t i = 0; i < older->shard_count; i++) {
        const struct chain_shard *o = &older->shard[i],
                                 *n = chain_shard_find(s->shard, s->shard_count, o->name.s);
        if (n == NULL || n->headers < o->headers || n->size < o->size)
            chain_failf(v, CHAIN_CHECK_HEADERS, ERR_MISSING, file, n != NULL ? n - s->shard : -1,
                        "shard s%s had more headers or ballots than the snapshot has", o->name.s);
        else
            TRY(expect(v, older, i, (uint32_t)(n - s->shard), f));
    }
    for (size_t i = 0; i < s->sums->count; i++)
        if (older->sums->row[i].ballots > s->sums->row[i].ballots)
            chain_failf(v, CHAIN_CHECK_TALLY, ERR_SUM, file, -1, "a place had more ballots than now");
    return OK;
}

static int is_trusted(const struct chain_run *v, const hash_t *id)
{
    for (size_t i = 0; i < v->o->trust_count; i++)
        if (hash_cmp(&v->o->trust[i], id) == 0)
            return 1;
    return 0;
}

struct older {
    struct chain_run *v;
    int has_last;
    uint64_t last; /* number and id of the one before in this directory */
    hash_t last_id;
};

static err_t one_older(void *ctx, const char *name, struct fault *f)
{
    struct older *x = ctx;
    struct chain_run *v = x->v;
    struct chain_snapshot *s = NULL;
    char file[300], number[32];
    struct fault why;
    snprintf(file, sizeof file, "snapshots/%s", name);
    err_t e = read_snapshot(v, &s, file, &why);
    if (e != OK)
        return chain_file(v, CHAIN_CHECK_FORM, e, &why, file, -1, f);
    snprintf(number, sizeof number, "%08llu.cbor", (unsigned long long)s->number);
    if (strcmp(name, number) != 0 || s->number >= v->s->number)
        chain_failf(v, CHAIN_CHECK_FORM, ERR_MISMATCH, file, -1,
                    "is the snapshot with number %llu, and this one is %llu", (unsigned long long)s->number,
                    (unsigned long long)v->s->number);
    else
        e = compare_older(v, s, file, f);
    if (e == OK && x->has_last && x->last + 1 == s->number && hash_cmp(&x->last_id, &s->previous) != 0)
        chain_failf(v, CHAIN_CHECK_HEADERS, ERR_HASH, file, -1,
                    "names another snapshot before it than the one here");
    x->has_last = 1;
    x->last = s->number;
    x->last_id = s->id;
    if (e == OK && is_trusted(v, &s->id)) {
        chain_snapshot_free(v->trusted);
        v->trusted = s;
        return OK;
    }
    chain_snapshot_free(s);
    return e;
}

static err_t check_older(struct chain_run *v, struct fault *f)
{
    struct older x = {.v = v};
    char path[CHAIN_PATH_MAX];
    TRY(chain_path(v, path, "snapshots", f));
    TRY(file_list(path, one_older, &x, f));
    compact(v);
    if (v->s->number == 0 && !hash_is_zero(&v->s->previous))
        chain_failf(v, CHAIN_CHECK_FORM, ERR_RULE, SNAPSHOT, -1,
                    "is the first one and names another before it");
    if (v->o->trust_count == 0 || v->o->quick)
        return OK;
    if (is_trusted(v, &v->s->id)) { /* as a whole: it is only hashed */
        struct fault why;
        chain_snapshot_free(v->trusted);
        return read_snapshot(v, &v->trusted, SNAPSHOT, &why);
    }
    if (v->trusted == NULL)
        return fault_set(f, ERR_MISSING, "none of the snapshots that are trusted is in this export");
    return OK;
}

/* --- evidence --- */

static int by_shard_and_height(const void *a, const void *b)
{
    const struct chain_header *x = a, *y = b;
    int c = strcmp(x->shard.s, y->shard.s);
    if (c)
        return c;
    if (x->height != y->height)
        return x->height < y->height ? -1 : 1;
    return hash_cmp(&x->id, &y->id);
}

static err_t one_evidence(void *ctx, const char *name, struct fault *f)
{
    struct chain_run *v = ctx;
    char file[300], path[CHAIN_PATH_MAX];
    uint8_t *data = NULL;
    size_t len;
    struct fault why;
    fault_clear(&why);
    snprintf(file, sizeof file, "evidence/%s", name);
    TRY(chain_path(v, path, file, f));
    if (v->evidence == NULL)
        v->evidence = calloc(EVIDENCE_MAX, sizeof *v->evidence);
    if (v->evidence == NULL)
        return fault_set(f, ERR_MEMORY, "reading evidence");
    if (v->evidence_count == EVIDENCE_MAX) {
        chain_failf(v, CHAIN_CHECK_FORM, ERR_LIMIT, "evidence", -1, "has more than %d files", EVIDENCE_MAX);
        return OK;
    }
    struct chain_header *h = &v->evidence[v->evidence_count];
    err_t e = file_read(&data, &len, path, CHAIN_HEADER_MAX, &why);
    if (e == OK)
        e = chain_header_parse(h, v->ctx, data, len, &why);
    free(data);
    if (e != OK)
        return chain_file(v, CHAIN_CHECK_FORM, e, &why, file, -1, f);
    v->evidence_count++;
    return OK;
}

static err_t read_evidence(struct chain_run *v, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    TRY(chain_path(v, path, "evidence", f));
    TRY(file_list(path, one_evidence, v, f));
    if (v->evidence_count)
        qsort(v->evidence, v->evidence_count, sizeof *v->evidence, by_shard_and_height);
    for (size_t i = 1; i < v->evidence_count; i++) {
        const struct chain_header *a = &v->evidence[i - 1], *b = &v->evidence[i];
        if (strcmp(a->shard.s, b->shard.s) == 0 && a->height == b->height && hash_cmp(&a->id, &b->id) != 0)
            chain_failf(v, CHAIN_CHECK_HEADERS, ERR_EQUIVOCATION, "evidence", -1,
                        "shard s%s, header %llu: two different ones, both signed by the key of the chain",
                        a->shard.s, (unsigned long long)a->height);
    }
    return OK;
}

/* --- running tallies: the last ones add up to the snapshot --- */

/* *whole is 0 if it could not be read. */
static err_t add_running(struct chain_run *v, struct chain_sums *all, size_t shard, int *whole,
                         struct fault *f)
{
    char file[CHAIN_FILE_MAX], path[CHAIN_PATH_MAX];
    const struct chain_shard *s = &v->s->shard[shard];
    struct chain_sums *mine = NULL;
    uint8_t *data = NULL;
    size_t len;
    struct fault why;
    hash_t have;
    if (s->headers == 0)
        return OK;
    fault_clear(&why);
    chain_shard_file(file, "tallies", s, ".cbor");
    TRY(chain_path(v, path, file, f));
    err_t e;
    GO(chain_sums_new(&mine, v->ctx));
    GO(file_read(&data, &len, path, CHAIN_SNAPSHOT_MAX, &why));
    GO(chain_running_parse_var(mine, v->ctx, data, len, &why));
    hash_one(&have, data, len);
    if (!v->bad_shard[shard] && hash_cmp(&have, &v->end[shard].tally) != 0)
        chain_failf(v, CHAIN_CHECK_TALLY, ERR_HASH, file, (int64_t)shard,
                    "is not the running tally that the last header signs");
    if (chain_sums_ballots(mine) != s->size)
        chain_failf(v, CHAIN_CHECK_TALLY, ERR_SUM, file, (int64_t)shard,
                    "has %llu ballots, and the shard %llu", (unsigned long long)chain_sums_ballots(mine),
                    (unsigned long long)s->size);
    GO(chain_sums_add_var(all, mine));
out:
    chain_sums_free(mine);
    free(data);
    if (e == OK)
        return OK;
    *whole = 0;
    if (e == ERR_SUM)
        return chain_file(v, CHAIN_CHECK_TALLY, e, &why, file, (int64_t)shard, f);
    return chain_file(v, CHAIN_CHECK_FORM, e, &why, file, (int64_t)shard, f);
}

static err_t check_tallies(struct chain_run *v, struct fault *f)
{
    struct chain_sums *all = NULL;
    struct place p;
    uint32_t place;
    int whole = 1;
    err_t e;
    GO(chain_sums_new(&all, v->ctx));
    for (size_t i = 0; i < v->s->shard_count; i++)
        GO(add_running(v, all, i, &whole, f));
    if (!whole)
        chain_skip(v, CHAIN_CHECK_TALLY, "the running tallies of some shards cannot be read");
    else if (!chain_sums_equal_var(all, v->s->sums, v->ctx, &place)) {
        places_get(v->ctx->e->places, place, &p);
        chain_failf(v, CHAIN_CHECK_TALLY, ERR_SUM, SNAPSHOT, -1,
                    "place %s: not the sum of the shards' running tallies", p.id);
    }
out:
    chain_sums_free(all);
    return e;
}

err_t chain_verify_quick(struct chain_run *v, struct fault *f)
{
    TRY(load_snapshot(v, f));
    if (v->s == NULL)
        return OK;
    if (v->o->only != NULL) /* the rest is for whoever asks for it */
        return chain_verify_headers(v, f);
    TRY(file_list(v->dir, top_name, v, f));
    TRY(check_finality(v, f));
    TRY(check_older(v, f));
    TRY(read_evidence(v, f));
    TRY(chain_verify_headers(v, f));
    return check_tallies(v, f);
}
