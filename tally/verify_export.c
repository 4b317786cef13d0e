#include "tally/verify_export.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/ballot_form.h"

/* --- findings --- */

/* The report of this export. */
static struct verify *findings(struct verify_job *j)
{
    if (j->v)
        return j->v;
    struct verify *v = malloc(sizeof *v);
    struct verify_report *rep = calloc(1, sizeof *rep);
    struct verify_outcome *outcome = calloc(CHECK_COUNT, sizeof *outcome);
    if (!v || !rep || !outcome) {
        free(v);
        free(rep);
        free(outcome);
        verify_exports_error(j->x, ERR_MEMORY, NULL);
        return NULL;
    }
    *v = *j->all;
    v->rep = rep;
    rep->outcome = outcome;
    rep->count = CHECK_COUNT;
    j->v = v;
    return v;
}

/* Files a failure or a note of this export. Where memory is short, the run ends (verify_exports_error). */
static void failf(struct verify_job *j, enum verify_id id, err_t e, const char *file, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void failf(struct verify_job *j, enum verify_id id, err_t e, const char *file, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct verify *v = findings(j);
    if (v)
        verify_failf(v, id, e, file, j->who, "%s", text);
}

static void fail(struct verify_job *j, enum verify_id id, const struct fault *f)
{
    struct verify *v = findings(j);
    if (v)
        verify_fail(v, id, f);
}

size_t verify_job_failures(const struct verify_job *j, enum verify_id id)
{
    return j->v ? verify_failures(j->v, id) : 0;
}

void verify_job_item(struct verify_job *j, enum verify_id id, err_t e, uint64_t index, const char *detail)
{
    failf(j, id, e, j->file, j->all->m->kind == KIND_IMPORT ? "count %llu: %s" : "ballot %llu: %s",
          (unsigned long long)index, detail);
}

/* Numbers of items are what the header signs; how they are framed is form. */
void verify_job_read_error(struct verify_job *j, err_t e, const struct fault *f)
{
    struct fault mine = *f;
    fault_who(&mine, e, "%s", j->who);
    fail(j, e == ERR_MISSING || e == ERR_TRAILING ? CHECK_ROOT : CHECK_BALLOTS, &mine);
    j->unread = 1;
}

/* --- ballots --- */

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

/* One more ballot that the record leaves out. */
static err_t leave_out(struct verify_job *j, const hash_t *id)
{
    hash_t *more = realloc(j->left_out, (j->left_out_count + 1) * sizeof *more);
    if (!more)
        return ERR_MEMORY;
    j->left_out = more;
    j->left_out[j->left_out_count++] = *id;
    j->dropped_found++;
    return OK;
}

/* Id and order of a ballot that could be read. */
static err_t take_id(struct verify_job *j, const hash_t *id)
{
    err_t e = id_set_add(j->ids, id);
    if (e == ERR_DUPLICATE)
        verify_job_item(j, CHECK_IDS, e, j->done, "its ballot id was used before in this export");
    else if (e != OK)
        return e;
    if (j->done % BALLOT_BATCH == 0)
        j->has_previous = 0;
    if (j->has_previous && hash_cmp(&j->previous, id) > 0)
        verify_job_item(j, CHECK_ORDER, ERR_RULE, j->done, "not sorted by ballot id within its batch");
    j->previous = *id;
    j->has_previous = 1;
    return is_dropped(j->n, id) ? leave_out(j, id) : OK;
}

/* What is said of a bad ballot takes a thousand times as long as a good one: not more of it than is kept. */
static void name_ballot(struct verify_job *j, const struct ballot_batch *b, size_t i)
{
    err_t e = ballot_batch_item(b, i)->err;
    struct fault f;
    fault_clear(&f);
    if (verify_job_failures(j, CHECK_BALLOTS) < VERIFY_KEPT_MAX && ballot_batch_fault(b, i, &f) == ERR_MEMORY)
        verify_exports_error(j->x, ERR_MEMORY, NULL);
    else
        verify_job_item(j, CHECK_BALLOTS, e, j->done, f.detail);
}

static err_t take_ballot(struct verify_job *j, const struct ballot_batch *b, size_t i)
{
    const struct ballot_item *it = ballot_batch_item(b, i);
    merkle_add(&j->tree, &it->leaf);
    if (it->err != OK)
        name_ballot(j, b, i);
    if (it->err != OK && it->err != ERR_PROOF) {
        j->unread = 1;
        j->has_previous = 0;
        return OK;
    }
    if (it->place != j->place)
        verify_job_item(j, CHECK_BALLOTS, ERR_UNKNOWN, j->done, "it is of another place than the export");
    size_t before = j->dropped_found;
    TRY(take_id(j, &it->id));
    if (j->dropped_found > before && ballot_batch_sum(b, i, i + 1, j->dropped) != OK)
        j->unread = 1;
    return OK;
}

/* Together if they are all of this place, else each by itself. */
static err_t add_up(struct verify_job *j, const struct ballot_batch *b, size_t from, size_t to)
{
    err_t e = ballot_batch_sum(b, from, to, j->sums);
    if (e != ERR_MISMATCH)
        return e;
    for (; from < to; from++)
        if (ballot_batch_sum(b, from, from + 1, j->sums) != OK)
            j->unread = 1; /* not a ballot of this place: reported as such */
    return OK;
}

static err_t give_some(struct verify_job *j, const hash_t *id, size_t n)
{
    j->id_count += n;
    return verify_exports_ids(j->x, j->place, id, n);
}

static err_t give_ids(struct verify_job *j, const struct ballot_batch *b, size_t from, size_t to)
{
    hash_t id[64];
    size_t n = 0;
    for (; from < to && !j->missing; from++) {
        const struct ballot_item *it = ballot_batch_item(b, from);
        if (it->err == OK || it->err == ERR_PROOF)
            id[n++] = it->id;
        if (n == sizeof id / sizeof *id) {
            TRY(give_some(j, id, n));
            n = 0;
        }
    }
    return n ? give_some(j, id, n) : OK;
}

/* What is only needed once items were judged: thousands of exports may wait for that. */
static err_t begin(struct verify_job *j)
{
    if (j->sums)
        return OK;
    TRY(tallies_new(&j->sums, &j->all->ctx, j->place));
    TRY(tallies_new(&j->dropped, &j->all->ctx, j->place));
    return id_set_new(&j->ids, j->h->items);
}

static err_t on_span(void *ctx, const struct ballot_batch *b, size_t from, size_t to)
{
    struct verify_job *j = ctx;
    uint64_t bytes = 0;
    TRY(begin(j));
    for (size_t i = from; i < to; i++, j->done++) {
        TRY(take_ballot(j, b, i));
        bytes += ballot_batch_item(b, i)->len;
    }
    TRY(add_up(j, b, from, to));
    TRY(give_ids(j, b, from, to));
    return verify_exports_progress(j->x, bytes);
}

/* What is only needed while it is verified. */
static void drop(struct verify_job *j)
{
    node_free(j->n);
    export_header_free(j->h);
    id_set_free(j->ids);
    tallies_free(j->sums);
    tallies_free(j->dropped);
    j->n = NULL;
    j->h = NULL;
    j->ids = NULL;
    j->sums = j->dropped = NULL;
}

static int never_enough(void *ctx)
{
    (void)ctx;
    return 0;
}

static err_t on_end(void *ctx, err_t why, const struct fault *f)
{
    struct verify_job *j = ctx;
    if (why != OK)
        verify_job_read_error(j, why, f);
    TRY(begin(j));
    verify_job_settle(j);
    return OK;
}

static void on_drop(void *ctx)
{
    drop(ctx);
}

static const struct export_flow_ops ops = {on_span, never_enough, on_end, on_drop};

/* --- an export whose ballots were verified in an earlier run --- */

static err_t known_ballot(struct verify_job *j, const uint8_t *data, size_t len)
{
    hash_t id;
    struct ballot *b;
    size_t before = j->dropped_found;
    TRY(export_peek_id(&id, &j->all->ctx, data, len));
    TRY(take_id(j, &id));
    if (j->dropped_found > before) {
        TRY(ballot_parse_var(&b, &j->all->ctx, data, len, NULL));
        err_t e = tallies_add_ballot_var(j->dropped, b);
        ballot_free(b);
        TRY(e);
    }
    return j->missing ? OK : give_some(j, &id, 1);
}

/* Its items have the hash of a file in which nothing was wrong, so its sums are those of the header. */
static err_t known_export(struct verify_job *j, struct export_reader *r)
{
    const uint8_t *item;
    size_t len;
    uint64_t bytes = 0;
    hash_t h;
    struct fault f;
    for (;;) {
        fault_clear(&f);
        TRY(export_next(r, &item, &len, &f));
        if (!item)
            break;
        if (j->all->m->kind == KIND_BALLOTS)
            TRY(known_ballot(j, item, len));
        j->done++;
        bytes += len;
        if (j->done % 1024 == 0) {
            TRY(verify_exports_progress(j->x, bytes));
            bytes = 0;
        }
    }
    export_reader_hash(r, &h);
    if (hash_cmp(&h, &j->hash) != 0)
        return ERR_IO; /* the file changes while it is read */
    TRY(tallies_add_var(j->sums, j->h->tallies));
    TRY(verify_exports_progress(j->x, bytes));
    verify_job_settle(j);
    return OK;
}

/* --- the end: header and record against what was counted --- */

static void check_header(struct verify_job *j)
{
    hash_t root;
    uint32_t contest;
    merkle_root(&j->tree, &root);
    if (hash_cmp(&root, &j->h->root) != 0)
        failf(j, CHECK_ROOT, ERR_HASH, j->file, "the items do not have the Merkle root that was signed");
    if (j->all->m->kind == KIND_IMPORT && !j->unread && j->done != j->sums->count)
        failf(j, CHECK_ORDER, ERR_MISMATCH, j->file, "%llu counts for %zu contests",
              (unsigned long long)j->done, j->sums->count);
    if (!j->unread && !tallies_equal_var(j->sums, j->h->tallies, &contest))
        failf(j, CHECK_TALLY, ERR_SUM, j->file, "contest %s: the signed tally is not the sum of the items",
              j->all->m->contest[contest].id);
}

static int record_name(const struct verify_job *j, char path[512])
{
    return j->n != NULL && node_path(path, 512, &j->all->ctx, BUNDLE_RECORDS, j->n->place) == OK;
}

static void check_record(struct verify_job *j)
{
    const struct node *n = j->n;
    uint32_t contest;
    char path[512] = "";
    if (!record_name(j, path))
        return;
    if (j->dropped_found < n->dropped_count)
        failf(j, CHECK_R_DROPPED, ERR_MISSING, path, "%zu of %zu ballots that are left out are in the export",
              j->dropped_found, n->dropped_count);
    uint64_t ballots = j->all->m->kind == KIND_BALLOTS ? j->done - j->dropped_found : 0;
    if (n->ballots != ballots)
        failf(j, CHECK_R_SUMS, ERR_SUM, path, "%llu ballots, but %llu of its export count",
              (unsigned long long)n->ballots, (unsigned long long)ballots);
    if (tallies_sub_var(j->sums, j->dropped) != OK || !tallies_equal_var(j->sums, n->tallies, &contest))
        failf(j, CHECK_R_SUMS, ERR_SUM, path, "the sums are not those of the ballots that count");
}

void verify_job_settle(struct verify_job *j)
{
    if (j->is_new)
        check_header(j);
    if (!j->unread)
        check_record(j);
    j->over = 1;
    drop(j);
}

static void check_correction(struct verify_job *j)
{
    const struct node *n = j->n;
    char path[512] = "", note[512];
    if (!record_name(j, path))
        return;
    int same = n->replaced_count == j->h->revision;
    if (same && n->replaced_count)
        same = hash_cmp(&n->replaced[n->replaced_count - 1].older, &j->h->replaces) == 0;
    if (!same) {
        failf(j, CHECK_R_CORRECTIONS, ERR_MISMATCH, path,
              "the export is correction %llu, the record states %zu, or another export that it replaces",
              (unsigned long long)j->h->revision, n->replaced_count);
    } else if (n->replaced_count) {
        snprintf(note, sizeof note,
                 "%s: corrected %zu times; NOT CHECKED here how few ballots that exchanged: what was "
                 "replaced is not in a bundle, the trustees compare it",
                 j->who, n->replaced_count);
        struct verify *v = findings(j);
        if (v)
            verify_note(v, CHECK_R_CORRECTIONS, "%s", note);
    }
}

/* --- the start --- */

/* The record of the place; that it is bad is said elsewhere. */
static err_t read_record(struct verify_job *j)
{
    char name[512], path[BUNDLE_PATH_MAX];
    uint8_t *data = NULL;
    size_t len;
    if (node_path(name, sizeof name, &j->all->ctx, BUNDLE_RECORDS, j->place) != OK ||
        verify_path(j->all, path, name) != OK)
        return OK;
    err_t e = file_read(&data, &len, path, NODE_MAX, NULL);
    if (e != OK) /* who signs a report does not sign that a disk failed */
        return e == ERR_MEMORY || (e == ERR_IO && j->all->piece) ? e : OK;
    if (j->all->piece)
        hash_one(&j->record_hash, data, len);
    e = node_parse_var(&j->n, &j->all->ctx, j->place, data, len, NULL);
    free(data);
    if (e == ERR_MEMORY)
        return e;
    j->missing = j->n != NULL && j->n->source_count == 0;
    if (j->missing) {
        node_free(j->n);
        j->n = NULL;
    }
    return OK;
}

static err_t not_signed(struct verify_job *j, err_t e, struct fault *f)
{
    if (e == ERR_MEMORY)
        return e;
    if (f->err == OK)
        fault_set(f, e, "cannot be read");
    fault_file(f, e, j->file);
    fault_who(f, e, "%s", j->who);
    fail(j, CHECK_SIGNED, f);
    j->bad = 1;
    return OK;
}

static err_t open_export(struct verify_job *j, struct export_reader **r)
{
    char path[BUNDLE_PATH_MAX];
    struct fault f;
    fault_clear(&f);
    err_t e = verify_path(j->all, path, j->file);
    if (e == OK && verify_exports_resume(j->x) && verify_file_hash(j->all, &j->hash, j->file) == OK)
        j->has_hash = 1;
    if (j->all->piece)
        j->file_err = verify_file_hash(j->all, &j->file_hash, j->file);
    if (e == OK)
        e = export_open(r, &j->all->ctx, path, &f);
    if (e != OK)
        return not_signed(j, e, &f);
    if ((*r)->header->place != j->place) {
        failf(j, CHECK_SIGNED, ERR_MISMATCH, j->file, "is the export of another place");
        j->bad = 1;
        return OK;
    }
    j->h = (*r)->header;
    (*r)->header = NULL;
    if (j->n && j->n->source_count && hash_cmp(&j->n->source[0].hash, &j->h->id) != 0)
        failf(j, CHECK_R_SOURCES, ERR_HASH, j->file, "is not the export that the record of the place names");
    return OK;
}

/* What was read is what was hashed first; if not, it is not remembered. */
static void confirm_hash(struct verify_job *j, const struct export_reader *r)
{
    hash_t h;
    if (!r->at_end) {
        j->has_hash = 0;
        return;
    }
    export_reader_hash(r, &h);
    j->has_hash = j->has_hash && hash_cmp(&h, &j->hash) == 0;
    if (j->all->piece && j->file_err == OK && hash_cmp(&h, &j->file_hash) != 0) {
        struct fault f;
        fault_clear(&f);
        fault_set(&f, ERR_IO, "the file changes while it is read");
        fault_file(&f, ERR_IO, j->file);
        verify_exports_error(j->x, ERR_IO, &f);
    }
}

static err_t look(struct verify_job *j, struct export_reader *r, struct export_flow *flow)
{
    check_correction(j);
    j->is_new = !j->has_hash || !verify_resume_has(verify_exports_resume(j->x), &j->hash);
    if (!j->is_new || !flow)
        TRY(begin(j));
    if (!j->is_new)
        return known_export(j, r);
    err_t e = flow ? export_flow_add(flow, r, &ops, j) : verify_job_counts(j, r);
    if (e == OK)
        confirm_hash(j, r);
    return e;
}

err_t verify_job_start(struct verify_job *j, struct export_flow *flow)
{
    struct export_reader *r = NULL;
    merkle_init(&j->tree);
    err_t e = read_record(j);
    if (e == OK)
        e = open_export(j, &r);
    if (e == OK && j->h)
        e = look(j, r, flow);
    else
        drop(j);
    export_close(r);
    return e;
}

void verify_job_free(struct verify_job *j)
{
    drop(j);
    free(j->left_out);
    if (j->v) {
        verify_report_free(j->v->rep);
        free(j->v);
    }
    memset(j, 0, sizeof *j);
}
