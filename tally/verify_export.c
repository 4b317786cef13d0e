/* One export, item by item: every failure of every item, where export_verify (which aggregation uses) ends
 * at the first. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "tally/ballot_form.h"
#include "tally/count.h"
#include "tally/verify_state.h"

#define BATCH_ITEMS 256
#define BATCH_BYTES ((size_t)48 << 20)

struct item {
    uint8_t *data;
    size_t len;
    struct ballot *ballot;
    struct count *count;
    err_t err;
};

struct job {
    struct verify *v;
    const struct election_context *ctx;
    struct export_reader *r;
    const struct export_header *h;
    const struct node *n;
    const char *place, *file;
    struct merkle tree;
    struct tallies *sums, *dropped;
    size_t dropped_found;
    hash_t previous;
    int has_previous; /* within this batch of 100 */
    int unread;       /* some items could not be read: nothing can be said about sums */
    uint64_t done;
    size_t cap, used;
    struct item item[BATCH_ITEMS];
};

static void item_fail(struct job *j, enum verify_id id, err_t e, size_t i, const char *detail)
{
    verify_failf(j->v, id, e, j->file, j->place,
                 j->ctx->m->kind == KIND_IMPORT ? "count %llu: %s" : "ballot %llu: %s",
                 (unsigned long long)(j->done + i), detail);
}

static void clear_batch(struct job *j)
{
    for (size_t i = 0; i < j->used; i++) {
        free(j->item[i].data);
        ballot_free(j->item[i].ballot);
        count_free(j->item[i].count);
    }
    j->used = 0;
}

/* Numbers of items are what the header signs; how they are framed is form. */
static void file_read_error(struct job *j, err_t e, struct fault *f)
{
    fault_who(f, e, "%s", j->place);
    verify_fail(j->v, e == ERR_MISSING || e == ERR_TRAILING ? CHECK_ROOT : CHECK_BALLOTS, f);
    j->unread = 1;
}

static err_t read_batch(struct job *j, int *end)
{
    *end = 0;
    while (j->used < j->cap) {
        const uint8_t *data;
        size_t len;
        struct fault f;
        fault_clear(&f);
        err_t e = export_next(j->r, &data, &len, &f);
        if (e == ERR_MEMORY)
            return e;
        if (e != OK)
            file_read_error(j, e, &f);
        if (e != OK || data == NULL) {
            *end = 1;
            return OK;
        }
        struct item *it = &j->item[j->used];
        *it = (struct item){.data = malloc(len + 1), .len = len};
        if (it->data == NULL)
            return ERR_MEMORY;
        memcpy(it->data, data, len);
        j->used++;
    }
    return OK;
}

static err_t parse_item(const struct job *j, struct item *it, struct fault *f)
{
    if (j->ctx->m->kind == KIND_IMPORT)
        return count_parse_var(&it->count, j->ctx, it->data, it->len, f);
    return ballot_parse_var(&it->ballot, j->ctx, it->data, it->len, f);
}

static err_t parse_batch(struct job *j)
{
#pragma omp parallel for schedule(dynamic, 4) if (j->used > 8)
    for (size_t i = 0; i < j->used; i++)
        j->item[i].err = parse_item(j, &j->item[i], NULL);
    for (size_t i = 0; i < j->used; i++) {
        struct item *it = &j->item[i];
        hash_t leaf;
        merkle_leaf(&leaf, it->data, it->len);
        merkle_add(&j->tree, &leaf);
        if (it->err == ERR_MEMORY)
            return it->err;
        if (it->err != OK) {
            struct fault f;
            fault_clear(&f);
            err_t e = parse_item(j, it, &f);
            item_fail(j, CHECK_BALLOTS, e, i, f.detail);
            j->unread = 1;
            continue;
        }
        uint32_t place = it->ballot ? it->ballot->place : it->count->place;
        if (place != j->h->place)
            item_fail(j, CHECK_BALLOTS, ERR_UNKNOWN, i, "it is of another place than the export");
    }
    return OK;
}

/* The sentence for one bad item: its proofs one after the other. */
static void name_item(struct job *j, size_t i)
{
    struct fault f;
    uint8_t bad;
    const struct count *count = j->item[i].count;
    fault_clear(&f);
    err_t e = count ? count_verify_many_var(j->ctx, &count, 1, &bad, &f)
                    : ballot_verify_var(j->ctx, j->item[i].ballot, &f);
    item_fail(j, CHECK_BALLOTS, ERR_PROOF, i, e != OK ? f.detail : "its proofs do not verify");
}

static err_t check_proofs(struct job *j)
{
    const struct ballot *ballot[BATCH_ITEMS];
    const struct count *count[BATCH_ITEMS];
    size_t at[BATCH_ITEMS], good = 0;
    uint8_t bad[BATCH_ITEMS] = {0};
    for (size_t i = 0; i < j->used; i++) {
        if (j->item[i].err != OK)
            continue;
        ballot[good] = j->item[i].ballot;
        count[good] = j->item[i].count;
        at[good++] = i;
    }
    err_t e = good == 0                        ? OK
              : j->ctx->m->kind == KIND_IMPORT ? count_verify_many_var(j->ctx, count, good, bad, NULL)
                                               : ballot_verify_many_var(j->ctx, ballot, good, bad, NULL);
    if (e != OK && e != ERR_PROOF)
        return e;
    for (size_t k = 0; k < good; k++)
        if (bad[k])
            name_item(j, at[k]);
    return OK;
}

/* --- ids and order --- */

/* ERR_DUPLICATE if this place has the id already. */
static err_t put_id(sqlite3_stmt *s, const hash_t *id, uint32_t place)
{
    sqlite3_bind_blob(s, 1, id->b, HASH_LEN, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, place);
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? OK : rc == SQLITE_CONSTRAINT ? ERR_DUPLICATE : ERR_IO;
}

static int is_dropped(const struct node *n, const hash_t *id)
{
    size_t low = 0, high = n ? n->dropped_count : 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = hash_cmp(&n->dropped[mid], id);
        if (c == 0)
            return 1;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}

static err_t take_ballot(struct job *j, size_t i)
{
    const struct ballot *b = j->item[i].ballot;
    err_t e = put_id(j->v->put_seen, &b->id, j->h->place);
    if (e == ERR_DUPLICATE)
        item_fail(j, CHECK_IDS, e, i, "its ballot id was used before in this export");
    else if (e != OK)
        return e;
    if ((j->done + i) % BALLOT_BATCH == 0)
        j->has_previous = 0;
    if (j->has_previous && hash_cmp(&j->previous, &b->id) > 0)
        item_fail(j, CHECK_ORDER, ERR_RULE, i, "not sorted by ballot id within its batch");
    j->previous = b->id;
    j->has_previous = 1;
    if (tallies_add_ballot_var(j->sums, b) != OK)
        j->unread = 1; /* not a ballot of this place: reported as such */
    if (is_dropped(j->n, &b->id)) {
        j->dropped_found++;
        if (tallies_add_ballot_var(j->dropped, b) != OK)
            j->unread = 1;
    }
    return OK;
}

static err_t take_count(struct job *j, size_t i)
{
    const struct count *c = j->item[i].count;
    uint64_t at = j->done + i;
    if (at >= j->sums->count || j->sums->tally[at].contest != c->contest)
        item_fail(j, CHECK_ORDER, ERR_MISMATCH, i, "it is not of the next contest of this place");
    if (tallies_add_count_var(j->sums, c) != OK)
        j->unread = 1;
    return OK;
}

static err_t check_batches(struct job *j)
{
    int end;
    do {
        TRY(read_batch(j, &end));
        TRY(parse_batch(j));
        TRY(check_proofs(j));
        for (size_t i = 0; i < j->used; i++) {
            if (j->item[i].err != OK)
                j->has_previous = 0;
            else
                TRY(j->item[i].ballot ? take_ballot(j, i) : take_count(j, i));
        }
        j->done += j->used;
        j->v->items += j->used;
        clear_batch(j);
        TRY(verify_tick(j->v, "exports", j->v->exports_done, j->v->export_count));
    } while (!end);
    return OK;
}

/* --- the end: header and record against what was counted --- */

static void check_header(struct job *j)
{
    hash_t root;
    uint32_t contest;
    merkle_root(&j->tree, &root);
    if (hash_cmp(&root, &j->h->root) != 0)
        verify_failf(j->v, CHECK_ROOT, ERR_HASH, j->file, j->place,
                     "the items do not have the Merkle root that was signed");
    if (j->ctx->m->kind == KIND_IMPORT && !j->unread && j->done != j->sums->count)
        verify_failf(j->v, CHECK_ORDER, ERR_MISMATCH, j->file, j->place, "%llu counts for %zu contests",
                     (unsigned long long)j->done, j->sums->count);
    if (!j->unread && !tallies_equal_var(j->sums, j->h->tallies, &contest))
        verify_failf(j->v, CHECK_TALLY, ERR_SUM, j->file, j->place,
                     "contest %s: the signed tally is not the sum of the items",
                     j->ctx->m->contest[contest].id);
}

static void check_record(struct job *j)
{
    const struct node *n = j->n;
    uint32_t contest;
    char path[512] = "";
    if (n == NULL || node_path(path, sizeof path, j->ctx, BUNDLE_RECORDS, n->place) != OK)
        return;
    if (j->dropped_found < n->dropped_count)
        verify_failf(j->v, CHECK_R_DROPPED, ERR_MISSING, path, j->place,
                     "%zu of %zu ballots that are left out are in the export", j->dropped_found,
                     n->dropped_count);
    uint64_t ballots = j->ctx->m->kind == KIND_BALLOTS ? j->done - j->dropped_found : 0;
    if (n->ballots != ballots)
        verify_failf(j->v, CHECK_R_SUMS, ERR_SUM, path, j->place,
                     "%llu ballots, but %llu of its export count", (unsigned long long)n->ballots,
                     (unsigned long long)ballots);
    if (tallies_sub_var(j->sums, j->dropped) != OK || !tallies_equal_var(j->sums, n->tallies, &contest))
        verify_failf(j->v, CHECK_R_SUMS, ERR_SUM, path, j->place,
                     "the sums are not those of the ballots that count");
}

static err_t open_export(struct job *j, uint32_t place, hash_t *id)
{
    char path[BUNDLE_PATH_MAX];
    struct fault f;
    fault_clear(&f);
    err_t e = verify_path(j->v, path, j->file);
    if (e == OK)
        e = export_open(&j->r, j->ctx, path, &f);
    if (e == ERR_MEMORY)
        return e;
    if (e != OK) {
        if (f.err == OK)
            fault_set(&f, e, "cannot be read");
        fault_file(&f, e, j->file);
        fault_who(&f, e, "%s", j->place);
        verify_fail(j->v, CHECK_SIGNED, &f);
        return OK;
    }
    j->h = export_reader_header(j->r);
    if (j->h->place != place) {
        verify_failf(j->v, CHECK_SIGNED, ERR_MISMATCH, j->file, j->place, "is the export of another place");
        j->h = NULL;
        return OK;
    }
    *id = j->h->id;
    return OK;
}

static void check_correction(struct job *j)
{
    const struct node *n = j->n;
    char path[512] = "";
    if (n == NULL || node_path(path, sizeof path, j->ctx, BUNDLE_RECORDS, n->place) != OK)
        return;
    int same = n->replaced_count == j->h->revision;
    if (same && n->replaced_count)
        same = hash_cmp(&n->replaced[n->replaced_count - 1].older, &j->h->replaces) == 0;
    if (!same)
        verify_failf(
            j->v, CHECK_R_CORRECTIONS, ERR_MISMATCH, path, j->place,
            "the export is correction %llu, the record states %zu, or another export that it replaces",
            (unsigned long long)j->h->revision, n->replaced_count);
    else if (n->replaced_count)
        verify_note(j->v, CHECK_R_CORRECTIONS,
                    "%s: corrected %zu times; NOT CHECKED here how few ballots that exchanged: what was "
                    "replaced is not in a bundle, the trustees compare it",
                    j->place, n->replaced_count);
}

static size_t batch_cap(const struct election_context *ctx)
{
    size_t len = ctx->m->kind == KIND_IMPORT ? count_len_max(ctx) : ballot_len_max(ctx);
    size_t cap = BATCH_BYTES / (4 * len + 1);
    return cap < 1 ? 1 : cap > BATCH_ITEMS ? BATCH_ITEMS : cap;
}

err_t verify_export(struct verify *v, uint32_t place, const struct node *n, hash_t *id, struct fault *f)
{
    char file[TEXT_ID_MAX + 32];
    struct place p;
    err_t e = OK;
    memset(id, 0, sizeof *id);
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL)
        return fault_set(f, ERR_MEMORY, "verifying an export");
    places_get(v->places, place, &p);
    snprintf(file, sizeof file, BUNDLE_EXPORTS "/%s" EXPORT_SUFFIX, p.id);
    *j = (struct job){.v = v, .ctx = &v->ctx, .n = n, .place = p.id, .file = file, .cap = batch_cap(&v->ctx)};
    merkle_init(&j->tree);
    GO(open_export(j, place, id));
    if (j->h == NULL) {
        v->bad_exports++;
        goto out;
    }
    if (n != NULL && n->source_count && hash_cmp(&n->source[0].hash, id) != 0)
        verify_failf(v, CHECK_R_SOURCES, ERR_HASH, file, p.id,
                     "is not the export that the record of the place names");
    GO(tallies_new(&j->sums, &v->ctx, place));
    GO(tallies_new(&j->dropped, &v->ctx, place));
    check_correction(j);
    GO(check_batches(j));
    check_header(j);
    if (j->unread)
        v->unread_exports++;
    else
        check_record(j);
out:
    clear_batch(j);
    export_close(j->r);
    tallies_free(j->sums);
    tallies_free(j->dropped);
    free(j);
    if (e != OK && f->err == OK)
        fault_set(f, e, "verifying an export");
    return e;
}
