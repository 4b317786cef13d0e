#include "tally/verify_merge.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/file.h"
#include "tally/id_sort.h"
#include "tally/verify_part.h"
#include "tally/verify_piece.h"
#include "tally/verify_shard.h"

#define SIGNED_SUFFIX ".signed"

struct report_entry {
    char *path;
    struct part *part;
    enum part_standing standing;
    const struct part_signer *signer;
    int is_used, is_disputed;
};

struct place_of { /* what is said of an export */
    const char *place;
    const struct part_finding *finding;
    unsigned k;
};

struct shard_of { /* and of a shard */
    const struct part_shard *shard;
    unsigned k;
    int is_used;
};

struct verify_parts {
    const struct part_signers *signers;
    int trust;
    hash_t bundle, program;
    unsigned n;
    size_t count, cap, said;
    struct report_entry *entry;
    struct place_of *say; /* sorted by place; NULL until asked */
    size_t shard_count;
    struct shard_of *shard;      /* sorted by chain and shard */
    struct verify_shares shares; /* of the bundle at hand */
    char why[128];               /* of verify_merge_shard */
};

/* --- taking reports --- */

err_t verify_parts_new(struct verify_parts **out, const char *dir, const struct part_signers *signers,
                       const hash_t *program, int trust, struct fault *f)
{
    char sums[BUNDLE_PATH_MAX];
    *out = NULL;
    if (file_path(sums, sizeof sums, dir, BUNDLE_SUMS) != OK)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    struct verify_parts *p = calloc(1, sizeof *p);
    if (p == NULL)
        return fault_set(f, ERR_MEMORY, "partial reports");
    p->signers = signers;
    p->trust = trust;
    p->program = *program;
    err_t e = file_hash_max(&p->bundle, sums, BUNDLE_SUMS_MAX, f);
    if (e == OK)
        *out = p;
    else
        free(p);
    return e;
}

void verify_parts_free(struct verify_parts *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->count; i++) {
        free(p->entry[i].path);
        part_free(p->entry[i].part);
    }
    free(p->entry);
    free(p->say);
    free(p->shard);
    verify_shares_free(&p->shares);
    free(p);
}

static err_t fits(struct verify_parts *p, const struct part *part, struct fault *f)
{
    if (hash_cmp(&part->head.bundle, &p->bundle) != 0)
        return fault_set(f, ERR_HASH, "it is about another bundle, with another SHA256SUMS");
    if (hash_cmp(&part->head.program, &p->program) != 0)
        return fault_set(f, ERR_VERSION, "it was made by another program than the one that counts here");
    if (p->n && part->head.n != p->n)
        return fault_set(f, ERR_MISMATCH, "it is one of %u parts, and others are of %u", part->head.n, p->n);
    p->n = part->head.n;
    return OK;
}

static enum part_standing standing_of(const struct verify_parts *p, const struct part *part,
                                      const struct cose *signature, const struct part_signer **signer)
{
    *signer = NULL;
    if (!part->is_signed)
        return p->trust ? PART_COUNTS : PART_UNSIGNED;
    *signer = part_signer_find(p->signers, &part->kid);
    if (*signer == NULL)
        return p->trust ? PART_COUNTS : PART_SIGNER_UNKNOWN;
    return cose_verify(signature, &(*signer)->key, NULL) == OK ? PART_COUNTS : PART_SIGNATURE_BAD;
}

static err_t add_file(struct verify_parts *p, const char *path, struct fault *f)
{
    struct cose signature;
    struct report_entry x = {.path = strdup(path)};
    uint8_t *data = NULL;
    size_t len;
    err_t e = x.path ? OK : fault_set(f, ERR_MEMORY, "partial reports");
    if (e == OK && p->count == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 16;
        struct report_entry *more = realloc(p->entry, cap * sizeof *more);
        e = more ? OK : fault_set(f, ERR_MEMORY, "partial reports");
        p->entry = more ? more : p->entry;
        p->cap = more ? cap : p->cap;
    }
    GO(e);
    GO(file_read(&data, &len, path, PART_FILE_MAX, f));
    GO(part_read(&x.part, &signature, data, len, f));
    GO(fits(p, x.part, f));
    x.standing = standing_of(p, x.part, &signature, &x.signer);
    p->entry[p->count++] = x;
out:
    free(data);
    if (e == OK)
        return OK;
    part_free(x.part);
    free(x.path);
    return fault_file(f, e, path);
}

struct in_dir {
    struct verify_parts *p;
    const char *dir, *suffix;
};

static err_t add_name(void *ctx, const char *name, struct fault *f)
{
    const struct in_dir *d = ctx;
    char path[BUNDLE_PATH_MAX];
    size_t len = strlen(name), end = strlen(d->suffix);
    if (len <= end || strcmp(name + len - end, d->suffix) != 0)
        return OK;
    if (file_path(path, sizeof path, d->dir, name) != OK)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    return add_file(d->p, path, f);
}

static int by_part(const void *a, const void *b)
{
    const struct report_entry *x = a, *y = b;
    unsigned i = x->part->head.k, j = y->part->head.k;
    return i != j ? (i > j) - (i < j) : strcmp(x->path, y->path);
}

/* Of the reports of one part that count the first is used, if they all say the same. */
static void settle(struct verify_parts *p)
{
    for (size_t i = 0, k; i < p->count; i = k) {
        struct report_entry *first = NULL;
        int differ = 0;
        for (k = i; k < p->count && p->entry[k].part->head.k == p->entry[i].part->head.k; k++) {
            struct report_entry *x = &p->entry[k];
            x->is_used = x->is_disputed = 0;
            if (x->standing != PART_COUNTS)
                continue;
            differ = differ || (first && hash_cmp(&first->part->id, &x->part->id) != 0);
            first = first ? first : x;
        }
        if (first)
            first->is_used = !differ;
        for (size_t a = i; a < k && differ; a++)
            p->entry[a].is_disputed = p->entry[a].standing == PART_COUNTS;
    }
}

err_t verify_parts_add(struct verify_parts *p, const char *path, struct fault *f)
{
    struct in_dir d = {p, path, p->trust ? VERIFY_PART_SUFFIX : SIGNED_SUFFIX};
    struct stat st;
    size_t before = p->count;
    err_t e =
        stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? file_list(path, add_name, &d, f) : add_file(p, path, f);
    TRY(e);
    if (p->count == before) {
        fault_set(f, ERR_MISSING, "there is no partial report in it");
        return fault_file(f, ERR_MISSING, path);
    }
    free(p->say);
    p->say = NULL;
    qsort(p->entry, p->count, sizeof *p->entry, by_part);
    settle(p);
    return OK;
}

/* --- the list --- */

size_t verify_parts_count(const struct verify_parts *p)
{
    return p->count;
}

void verify_parts_entry(const struct verify_parts *p, size_t i, struct verify_parts_entry *out)
{
    const struct report_entry *x = &p->entry[i];
    *out = (struct verify_parts_entry){.path = x->path,
                                       .part = x->part,
                                       .standing = x->standing,
                                       .signer = x->signer ? x->signer->name : "",
                                       .is_used = x->is_used,
                                       .is_disputed = x->is_disputed};
}

const char *part_standing_name(enum part_standing s)
{
    return s == PART_COUNTS           ? "counts"
           : s == PART_UNSIGNED       ? "not signed"
           : s == PART_SIGNER_UNKNOWN ? "signer unknown"
                                      : "signature not valid";
}

/* --- what is said of an export --- */

static int by_place(const void *a, const void *b)
{
    const struct place_of *x = a, *y = b;
    return strcmp(x->place, y->place);
}

static int by_shard(const void *a, const void *b)
{
    const struct shard_of *x = a, *y = b;
    int c = strcmp(x->shard->chain, y->shard->chain);
    return c ? c : strcmp(x->shard->shard, y->shard->shard);
}

static err_t gather_shards(struct verify_parts *p, struct fault *f)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->entry[i].is_used ? p->entry[i].part->shard_count : 0;
    free(p->shard);
    p->shard_count = 0;
    p->shard = calloc(n + 1, sizeof *p->shard);
    if (p->shard == NULL)
        return fault_set(f, ERR_MEMORY, "partial reports");
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; p->entry[i].is_used && k < p->entry[i].part->shard_count; k++)
            p->shard[p->shard_count++] =
                (struct shard_of){&p->entry[i].part->shard[k], p->entry[i].part->head.k, 0};
    qsort(p->shard, p->shard_count, sizeof *p->shard, by_shard);
    for (size_t i = 1; i < p->shard_count; i++)
        if (by_shard(&p->shard[i - 1], &p->shard[i]) == 0)
            return fault_set(f, ERR_DUPLICATE, "shard s%s of chain %s is in part %u and in part %u",
                             p->shard[i].shard->shard, p->shard[i].shard->chain, p->shard[i - 1].k,
                             p->shard[i].k);
    return OK;
}

static err_t gather(struct verify_parts *p, struct fault *f)
{
    size_t n = 0;
    TRY(gather_shards(p, f));
    for (size_t i = 0; i < p->count; i++)
        n += p->entry[i].is_used ? p->entry[i].part->count : 0;
    free(p->say);
    p->said = 0;
    p->say = calloc(n + 1, sizeof *p->say);
    if (p->say == NULL)
        return fault_set(f, ERR_MEMORY, "partial reports");
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; p->entry[i].is_used && k < p->entry[i].part->count; k++) {
            const struct part_finding *x = &p->entry[i].part->finding[k];
            p->say[p->said++] = (struct place_of){x->place, x, p->entry[i].part->head.k};
        }
    qsort(p->say, p->said, sizeof *p->say, by_place);
    for (size_t i = 1; i < p->said; i++)
        if (strcmp(p->say[i - 1].place, p->say[i].place) == 0)
            return fault_set(f, ERR_DUPLICATE, "export %s is in part %u and in part %u", p->say[i].place,
                             p->say[i - 1].k, p->say[i].k);
    return OK;
}

static const struct place_of *said_of(const struct verify_parts *p, const char *place)
{
    struct place_of key = {.place = place};
    return p->said ? bsearch(&key, p->say, p->said, sizeof key, by_place) : NULL;
}

static struct shard_of *said_of_shard(const struct verify_parts *p, const char *chain, const char *shard)
{
    struct part_shard name = {0};
    struct shard_of key = {.shard = &name};
    snprintf(name.chain, sizeof name.chain, "%s", chain);
    snprintf(name.shard, sizeof name.shard, "%s", shard);
    return p->shard_count ? bsearch(&key, p->shard, p->shard_count, sizeof key, by_shard) : NULL;
}

static int by_file(const void *a, const void *b)
{
    const struct part_file *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* chains/CHAIN/KIND/sSHARD, or below that */
static int shard_file(const struct verify_parts *p, const char *path, err_t *e, hash_t *have)
{
    char chain[TEXT_ID_MAX + 1], shard[CHAIN_SHARD_MAX + 1];
    const char *at = path + sizeof BUNDLE_CHAINS, *end = strchr(at, '/');
    const char *name = end != NULL ? strstr(end + 1, "/s") : NULL;
    size_t len = name != NULL ? strcspn(name + 2, "/") : 0;
    if (name == NULL || (size_t)(end - at) >= sizeof chain || len >= sizeof shard)
        return 0;
    memcpy(chain, at, (size_t)(end - at));
    chain[end - at] = '\0';
    memcpy(shard, name + 2, len);
    shard[len] = '\0';
    const struct shard_of *x = said_of_shard(p, chain, shard);
    struct part_file key = {.name = (char *)end + 1}; /* only read */
    const struct part_file *file =
        x != NULL && x->shard->file_count
            ? bsearch(&key, x->shard->file, x->shard->file_count, sizeof key, by_file)
            : NULL;
    if (file == NULL || strncmp(file->name, "headers/", 8) == 0) /* these are read here */
        return 0;
    *e = file->err;
    *have = file->hash;
    return 1;
}

int verify_merge_hash(const struct verify *v, const char *path, err_t *e, hash_t *have)
{
    if (strncmp(path, BUNDLE_CHAINS "/", sizeof BUNDLE_CHAINS) == 0)
        return shard_file(v->opt->parts, path, e, have);
    char place[TEXT_ID_MAX + 1];
    size_t head = sizeof BUNDLE_EXPORTS, tail = sizeof EXPORT_SUFFIX - 1, len = strlen(path);
    if (strncmp(path, BUNDLE_EXPORTS "/", head) != 0 || len <= head + tail ||
        len - head - tail > TEXT_ID_MAX || strcmp(path + len - tail, EXPORT_SUFFIX) != 0)
        return 0;
    memcpy(place, path + head, len - head - tail);
    place[len - head - tail] = '\0';
    const struct place_of *x = said_of(v->opt->parts, place);
    if (x == NULL)
        return 0;
    *e = x->finding->file_err;
    *have = x->finding->file;
    return 1;
}

err_t verify_merge_start(struct verify *v)
{
    return gather(v->opt->parts, &v->fault);
}

/* --- filing --- */

static void skip(struct verify *v, const char *why, unsigned k, unsigned n)
{
    static const enum verify_id unlooked[] = {
        CHECK_SIGNED, CHECK_BALLOTS, CHECK_IDS,       CHECK_ORDER,     CHECK_ROOT,
        CHECK_TALLY,  CHECK_R_SUMS,  CHECK_R_DROPPED, CHECK_R_SOURCES, CHECK_R_CORRECTIONS};
    for (size_t i = 0; i < sizeof unlooked / sizeof *unlooked; i++)
        verify_skip(v, unlooked[i], "part %u of %u: %s", k, n, why);
}

static const char *why_not(const struct verify_parts *p, unsigned k)
{
    const char *why = "it is not here";
    for (size_t i = 0; i < p->count; i++) {
        const struct report_entry *x = &p->entry[i];
        if (x->part->head.k != k)
            continue;
        if (x->is_disputed)
            return "there are two reports that differ";
        why = x->standing == PART_SIGNATURE_BAD
                  ? "its signature is not valid"
                  : "others said so: it has no signature of somebody named here";
    }
    return why;
}

/* The record at hand must be the one that the part was compared with. */
static err_t same_record(const struct verify *v, uint32_t place, const struct place_of *x, struct fault *f)
{
    char name[512];
    hash_t have;
    if (node_path(name, sizeof name, &v->ctx, BUNDLE_RECORDS, place) != OK ||
        verify_file_hash(v, &have, name) != OK)
        memset(&have, 0, sizeof have);
    if (hash_cmp(&have, &x->finding->record) == 0)
        return OK;
    return fault_set(f, ERR_HASH, "part %u had another record of %s than the one here", x->k, x->place);
}

static err_t file_finding(struct verify *v, uint32_t place, const struct part_finding *x)
{
    for (size_t i = 0; i < x->found_count; i++)
        part_found_file(&v->rep->outcome[x->found[i].check], &x->found[i]);
    v->items += x->items;
    v->bad_exports += (x->flags & PART_BAD) != 0;
    v->unread_exports += (x->flags & PART_UNREAD) != 0;
    for (size_t i = 0; i < x->left_out_count; i++)
        TRY(verify_seen(v, &x->left_out[i], place));
    return OK;
}

static err_t file_share(struct verify *v, const struct verify_shares *s, size_t i, size_t *used)
{
    struct verify_parts *p = v->opt->parts;
    struct place place;
    places_get(v->places, s->share[i].place, &place);
    const struct place_of *x = said_of(p, place.id);
    unsigned k = verify_share_part(s, i, p->n);
    if (x == NULL) {
        for (size_t e = 0; e < p->count; e++)
            if (p->entry[e].is_used && p->entry[e].part->head.k == k)
                return fault_set(&v->fault, ERR_MISMATCH, "part %u says nothing of the export of %s", k,
                                 place.id);
        skip(v, why_not(p, k), k, p->n);
        v->unlooked_exports++;
        return OK;
    }
    if (x->k != k)
        return fault_set(&v->fault, ERR_MISMATCH,
                         "the export of %s is in part %u, and part %u says something of it", place.id, k,
                         x->k);
    ++*used;
    TRY(same_record(v, s->share[i].place, x, &v->fault));
    return file_finding(v, s->share[i].place, x->finding);
}

static void name_disputes(struct verify *v)
{
    const struct verify_parts *p = v->opt->parts;
    const struct report_entry *first = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const struct report_entry *x = &p->entry[i];
        if (!x->is_disputed)
            continue;
        if (first == NULL || first->part->head.k != x->part->head.k)
            first = x;
        if (hash_cmp(&first->part->id, &x->part->id) != 0)
            verify_failf(v, CHECK_BALLOTS, first->signer == x->signer ? ERR_EQUIVOCATION : ERR_CONFLICT, NULL,
                         x->signer ? x->signer->name : "",
                         "part %u of %u: two reports differ, %.150s and %.150s (by %.60s): verify it again",
                         x->part->head.k, p->n, x->path, first->path,
                         first->signer ? first->signer->name : "nobody");
    }
}

static err_t is_of_election(struct verify *v)
{
    const struct verify_parts *p = v->opt->parts;
    for (size_t i = 0; i < p->count; i++) {
        const struct part_head *h = &p->entry[i].part->head;
        if (hash_cmp(&h->election, &v->m->election) == 0 && hash_cmp(&h->record, &v->record_id) == 0)
            continue;
        fault_set(&v->fault, ERR_ELECTION, "it is about another election or ceremony record");
        return fault_file(&v->fault, ERR_ELECTION, p->entry[i].path);
    }
    return OK;
}

err_t verify_merge_exports(struct verify *v)
{
    struct verify_shares *s = &v->opt->parts->shares;
    size_t used = 0;
    TRY(is_of_election(v));
    verify_shares_free(s);
    err_t e = verify_shares_new(s, v);
    for (size_t i = 0; i < s->count && e == OK; i++)
        if (s->share[i].chain < 0)
            e = file_share(v, s, i, &used);
    if (e == OK && used != v->opt->parts->said)
        e = fault_set(&v->fault, ERR_UNKNOWN, "a part says something of exports that are not here");
    if (e == OK)
        name_disputes(v);
    return e;
}

/* --- what is said of a shard --- */

static int part_is_here(const struct verify_parts *p, unsigned k)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->entry[i].is_used && p->entry[i].part->head.k == k)
            return 1;
    return 0;
}

/* The files and records at hand must be those that the part was about; its ballots' files are compared with
 * SHA256SUMS. */
static err_t same_shard(const struct verify *v, const struct chain_context *ctx, const struct shard_of *x,
                        const hash_t *records, struct fault *f)
{
    const struct verify_chain_shards *chain = &v->opt->parts->shares.chain[ctx->index];
    hash_t headers;
    TRY(verify_shard_headers(v, ctx, x->shard->shard, &headers));
    if (hash_cmp(&x->shard->snapshot, &chain->id) != 0 || hash_cmp(&x->shard->headers, &headers) != 0)
        return fault_set(
            f, ERR_HASH,
            "part %u had another snapshot or other headers of shard s%s of chain %s than those here", x->k,
            x->shard->shard, ctx->c->id);
    if (hash_cmp(&x->shard->records, records) != 0)
        return fault_set(f, ERR_HASH, "part %u had other records of the places of chain %s than those here",
                         x->k, ctx->c->id);
    return OK;
}

/* Ballots that records leave out are in the shard; and where nothing was found, and nothing is said not to be
 * checked, all ballots were looked at. */
static err_t is_whole(const struct verify *v, const struct chain_context *ctx, const struct shard_of *x,
                      size_t shard, struct fault *f)
{
    const uint64_t *first = &v->opt->parts->shares.chain[ctx->index].first[shard];
    const struct part_shard *s = x->shard;
    uint64_t size = first[1] - first[0];
    for (size_t i = 0; i < s->left_count; i++)
        if (s->left[i].at < first[0] || s->left[i].at >= first[1])
            return fault_set(f, ERR_MISMATCH,
                             "part %u leaves a ballot out of shard s%s of chain %s that is not in it", x->k,
                             s->shard, ctx->c->id);
    int quiet = s->found_count == 0 && s->reason_count == 0;
    if (s->proved > size || s->pruned > size - s->proved || s->ids > size ||
        (quiet && (s->proved + s->pruned < size || s->ids < size)))
        return fault_set(
            f, ERR_SUM, "part %u looked at %llu ballots of shard s%s of chain %s, which has %llu", x->k,
            (unsigned long long)(s->proved + s->pruned), s->shard, ctx->c->id, (unsigned long long)size);
    return OK;
}

err_t verify_merge_shard(struct verify *v, const struct chain_context *ctx, size_t shard,
                         const hash_t *records, const struct part_shard **out, const char **why,
                         struct fault *f)
{
    struct verify_parts *p = v->opt->parts;
    size_t share = verify_share_of_shard(&p->shares, ctx->index, shard);
    *out = NULL;
    *why = NULL;
    if (share == p->shares.count)
        return fault_set(f, ERR_BUG, "a shard is in no part");
    const char *name = p->shares.chain[ctx->index].shard[shard].name.s;
    struct shard_of *x = said_of_shard(p, ctx->c->id, name);
    unsigned k = verify_share_part(&p->shares, share, p->n);
    if (x == NULL) {
        if (part_is_here(p, k))
            return fault_set(f, ERR_MISMATCH, "part %u says nothing of shard s%s of chain %s", k, name,
                             ctx->c->id);
        snprintf(p->why, sizeof p->why, "part %u of %u: %s", k, p->n, why_not(p, k));
        *why = p->why;
        return OK;
    }
    if (x->k != k)
        return fault_set(f, ERR_MISMATCH,
                         "shard s%s of chain %s is in part %u, and part %u says something of it", name,
                         ctx->c->id, k, x->k);
    x->is_used = 1;
    TRY(same_shard(v, ctx, x, records, f));
    TRY(is_whole(v, ctx, x, shard, f));
    *out = x->shard;
    return OK;
}

err_t verify_merge_shards_end(struct verify *v)
{
    const struct verify_parts *p = v->opt->parts;
    for (size_t i = 0; i < p->shard_count; i++)
        if (!p->shard[i].is_used)
            return fault_set(&v->fault, ERR_UNKNOWN,
                             "part %u says something of shard s%s of chain %s, which is not here",
                             p->shard[i].k, p->shard[i].shard->shard, p->shard[i].shard->chain);
    return OK;
}

const struct verify_shares *verify_merge_shares(const struct verify *v, unsigned *n)
{
    *n = v->opt->parts->n;
    return &v->opt->parts->shares;
}
