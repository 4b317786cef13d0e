#include "tally/publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_verify.h"
#include "tally/export.h"
#include "tally/publish_files.h"

/* Everything that is open while a bundle is made. */
struct job {
    const struct publish_paths *paths;
    struct publish_dir dir;
    struct bundle_election *be;
    struct board *board;
    struct plan *plan;
    struct target *target;
    struct result *result;
    struct combination *combination;
    struct report_data *data;
    struct node_provider nodes;
    /* by place: the export that its record names, and the file that has it */
    struct wanted {
        hash_t id;
        int is_wanted;
        char *file;
    } * wanted;
    char **chain; /* for each chain of the manifest the directory with its export, if its places name one */
    struct fault unread; /* a file of the exports directory that could not be read */
    uint64_t exports, chains, done;
    progress_fn progress;
    void *progress_ctx;
};

static err_t tick(struct job *j)
{
    j->done++;
    return j->progress == NULL ? OK : j->progress(j->progress_ctx, "publish", j->done, 0);
}

/* --- small files: what is written is what was checked --- */

static err_t read_at(uint8_t **data, size_t *len, const char *dir, const char *name, size_t max,
                     struct fault *f)
{
    char path[BUNDLE_PATH_MAX];
    if (file_path(path, sizeof path, dir, name) != OK)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    return file_read(data, len, path, max, f);
}

static err_t add_manifest(struct job *j, struct fault *f)
{
    uint8_t *data;
    size_t len;
    struct manifest *again = NULL;
    TRY(read_at(&data, &len, j->paths->board, BUNDLE_MANIFEST, MANIFEST_MAX, f));
    err_t e = manifest_parse(&again, data, len, f);
    if (e == OK && hash_cmp(&again->election, &j->be->m->election) != 0)
        e = fault_set(f, ERR_HASH, "the manifest changed while it was read");
    if (e == OK)
        e = publish_dir_add(&j->dir, BUNDLE_MANIFEST, data, len, f);
    manifest_free(again);
    free(data);
    return e;
}

static err_t add_places(struct job *j, struct fault *f)
{
    uint8_t *data;
    size_t len;
    hash_t hash;
    const struct manifest *m = j->be->m;
    TRY(read_at(&data, &len, j->paths->board, m->places_file, JURISDICTIONS_MAX, f));
    hash_one(&hash, data, len);
    err_t e =
        hash_cmp(&hash, &m->places_hash) == 0
            ? publish_dir_add(&j->dir, m->places_file, data, len, f)
            : fault_file(f, fault_set(f, ERR_HASH, "not the places that the manifest names"), m->places_file);
    free(data);
    return e;
}

static err_t add_record(struct job *j, struct fault *f)
{
    uint8_t *data;
    size_t len;
    struct record *again = NULL;
    TRY(read_at(&data, &len, j->paths->board, BUNDLE_RECORD, RECORD_MAX, f));
    err_t e = record_parse(&again, j->be->m, data, len, f);
    if (e == OK && hash_cmp(&again->id, &j->be->r->id) != 0)
        e = fault_set(f, ERR_HASH, "the ceremony record changed while it was read");
    if (e == OK)
        e = record_check(again, j->be->m, j->board, f);
    if (e == OK)
        e = publish_dir_add(&j->dir, BUNDLE_RECORD, data, len, f);
    record_free(again);
    free(data);
    return e;
}

static err_t add_entries(struct job *j, struct fault *f)
{
    char name[256];
    for (size_t i = 0; i < j->board->entry_count; i++) {
        const struct entry *entry = j->board->entry[i];
        TRY(bundle_entry_name(name, sizeof name, entry));
        TRY(publish_dir_add(&j->dir, name, entry->bytes, entry->bytes_len, f));
        TRY(tick(j));
    }
    return OK;
}

/* --- plan and result --- */

static err_t add_plan(struct job *j, struct fault *f)
{
    uint8_t *data;
    size_t len;
    TRY(file_read(&data, &len, j->paths->plan, PLAN_MAX, f));
    err_t e = OK;
    GO(plan_parse_var(&j->plan, &j->be->ctx, data, len, f));
    GO(plan_check(j->plan, &j->be->ctx, &j->nodes, NULL, NULL, f));
    e = plan_targets(&j->target, &j->be->ctx, j->plan);
    if (e != OK) {
        fault_set(f, e, "the plan's units");
        goto out;
    }
    GO(publish_dir_add(&j->dir, BUNDLE_PLAN, data, len, f));
out:
    free(data);
    return e == OK ? OK : fault_file(f, e, j->paths->plan);
}

static err_t add_result(struct job *j, struct fault *f)
{
    struct cbor_out made = CBOR_OUT_INIT;
    uint8_t *data;
    size_t len;
    TRY(file_read(&data, &len, j->paths->result, RESULT_MAX, f));
    err_t e = OK;
    GO(result_parse(&j->result, data, len, f));
    struct combine_options options = {j->result->partial, j->result->partial_count, NULL, NULL};
    GO(combine_partials_var(&j->combination, j->be->m, j->be->r, j->board, &j->plan->id, j->target,
                            j->plan->unit_count, &options, f));
    result_write(&made, j->combination->result);
    GO(made.err);
    if (made.len != len || memcmp(made.data, data, len) != 0) {
        e = fault_set(f, ERR_MISMATCH, "decrypting again gives another result");
        goto out;
    }
    GO(publish_dir_add(&j->dir, BUNDLE_RESULT, data, len, f));
out:
    cbor_out_free(&made);
    free(data);
    return e == OK ? OK : fault_file(f, e, j->paths->result);
}

/* --- records and exports --- */

static err_t add_node(void *ctx, const struct node *n, const hash_t *hash, struct fault *f)
{
    struct job *j = ctx;
    const struct election_context *ec = &j->be->ctx;
    char path[512];
    struct cbor_out out = CBOR_OUT_INIT;
    hash_t again;
    err_t e = OK;
    if (n->level + 1 == ec->m->level_count && n->source_count == 1) {
        j->wanted[n->place].is_wanted = 1;
        j->wanted[n->place].id = n->source[0].hash;
    }
    GO(node_encode(&out, &again, ec, n));
    if (hash_cmp(&again, hash) != 0) {
        e = fault_set(f, ERR_CANONICAL, "a record does not encode to its own bytes");
        goto out;
    }
    GO(node_path(path, sizeof path, ec, BUNDLE_RECORDS, n->place));
    GO(publish_dir_add(&j->dir, path, out.data, out.len, f));
    e = tick(j);
out:
    cbor_out_free(&out);
    return e;
}

static err_t add_nodes(struct job *j, struct fault *f)
{
    struct node_visitor visitor = {j, add_node, NULL};
    hash_t root;
    j->wanted = calloc(places_count(j->be->places), sizeof *j->wanted);
    j->chain = calloc(j->be->m->chain_count + 1, sizeof *j->chain);
    if (j->wanted == NULL || j->chain == NULL)
        return fault_set(f, ERR_MEMORY, "the list of exports");
    return node_walk(&root, &j->be->ctx, &j->nodes, &visitor, f);
}

/* The snapshot that the records of a chain's places name; NULL if they say that they are missing. */
static err_t wanted_snapshot(const struct job *j, uint32_t chain, const hash_t **out, struct fault *f)
{
    const uint32_t *place = places_of_chain(j->be->places, chain);
    *out = NULL;
    for (size_t i = 0; i < j->be->m->chain[chain].place_count; i++) {
        const struct wanted *w = &j->wanted[place[i]];
        if (i > 0 && (w->is_wanted != (*out != NULL) || (*out != NULL && hash_cmp(*out, &w->id) != 0)))
            return fault_set(f, ERR_MISMATCH,
                             "the records of the places of chain %s do not name one snapshot",
                             j->be->m->chain[chain].id);
        if (w->is_wanted)
            *out = &w->id;
    }
    return OK;
}

/* A directory: the export of a chain that is wanted, or something else. */
static err_t look_at_dir(struct job *j, const char *path, struct fault *f)
{
    const hash_t *want;
    uint8_t *data = NULL;
    size_t len;
    uint32_t chain;
    hash_t id;
    if (chain_export_chain(&chain, &j->be->ctx, path, NULL) != OK || j->chain[chain] != NULL)
        return OK;
    TRY(wanted_snapshot(j, chain, &want, f));
    if (want == NULL || read_at(&data, &len, path, "snapshot.cbor", CHAIN_SNAPSHOT_MAX, NULL) != OK)
        return OK;
    err_t e = chain_snapshot_id(&id, data, len);
    free(data);
    if (e == OK && hash_cmp(&id, want) == 0) {
        j->chain[chain] = strdup(path);
        if (j->chain[chain] == NULL)
            e = fault_set(f, ERR_MEMORY, "the list of exports");
    }
    return e;
}

/* Finds which files hold the exports wanted. Files that are no exports of this election are passed over. */
static err_t look_at_export(void *ctx, const char *name, struct fault *f)
{
    struct job *j = ctx;
    struct export_header *h = NULL;
    struct fault why;
    char path[BUNDLE_PATH_MAX];
    if (file_path(path, sizeof path, j->paths->exports, name) != OK)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    if (file_is_dir(path, NULL) == OK)
        return look_at_dir(j, path, f);
    err_t e = export_header_read(&h, &j->be->ctx, path, &why);
    if (e == OK) {
        struct wanted *w = &j->wanted[h->place];
        if (w->is_wanted && w->file == NULL && hash_cmp(&w->id, &h->id) == 0) {
            w->file = strdup(path);
            if (w->file == NULL)
                e = fault_set(f, ERR_MEMORY, "the list of exports");
        }
    } else if (err_class(e) != CLASS_SYSTEM || e == ERR_IO) {
        if (e == ERR_IO)
            j->unread = why;
        e = OK;
    } else if (f != NULL) {
        *f = why;
    }
    export_header_free(h);
    return e;
}

/* The items have the root that the header signs; proofs are aggregate's and the verifier's work. */
static err_t check_items(struct job *j, const char *path, const hash_t *id, struct fault *f)
{
    struct export_reader *r;
    struct merkle tree;
    hash_t leaf, root;
    const uint8_t *item;
    size_t len;
    err_t e = export_open(&r, &j->be->ctx, path, f);
    if (e != OK)
        return e;
    merkle_init(&tree);
    for (;;) {
        GO(export_next(r, &item, &len, f));
        if (item == NULL)
            break;
        merkle_leaf(&leaf, item, len);
        merkle_add(&tree, &leaf);
    }
    merkle_root(&tree, &root);
    const struct export_header *h = export_reader_header(r);
    if (hash_cmp(&root, &h->root) != 0 || hash_cmp(id, &h->id) != 0) {
        e = fault_set(f, ERR_HASH, "the items are not those that the header signs");
        fault_file(f, e, path);
    }
out:
    export_close(r);
    return e;
}

static err_t copy_file(struct job *j, const char *from, const char *to, struct fault *f)
{
    struct publish_stream s = {0};
    uint8_t *block = malloc((size_t)1 << 20);
    FILE *in = NULL;
    err_t e = block == NULL ? fault_set(f, ERR_MEMORY, "copying") : OK;
    GO(e);
    GO(file_open(&in, from, f));
    GO(publish_stream_begin(&s, &j->dir, to, f));
    size_t n;
    while ((n = fread(block, 1, (size_t)1 << 20, in)) > 0)
        GO(publish_stream_write(&s, &j->dir, block, n, f));
    if (ferror(in)) {
        e = fault_set(f, ERR_IO, "reading failed");
        goto out;
    }
    GO(publish_stream_end(&s, &j->dir, f));
out:
    publish_stream_abandon(&s);
    if (in != NULL)
        fclose(in);
    free(block);
    return e == OK ? OK : fault_file(f, e, from);
}

static err_t add_exports(struct job *j, struct fault *f)
{
    char name[TEXT_ID_MAX + 32], copy[BUNDLE_PATH_MAX + 128];
    TRY(file_list(j->paths->exports, look_at_export, j, f));
    for (uint32_t i = 0; i < places_count(j->be->places); i++) {
        struct wanted *w = &j->wanted[i];
        struct place p;
        if (!w->is_wanted || places_chain(j->be->places, i) >= 0)
            continue;
        places_get(j->be->places, i, &p);
        if (w->file == NULL && j->unread.err != OK) {
            if (f != NULL)
                *f = j->unread; /* it may be the one */
            return j->unread.err;
        }
        if (w->file == NULL) {
            fault_set(f, ERR_MISSING, "the export that the record of %s counts is not in the directory",
                      p.id);
            return fault_file(f, ERR_MISSING, j->paths->exports);
        }
        snprintf(name, sizeof name, BUNDLE_EXPORTS "/%s" EXPORT_SUFFIX, p.id);
        TRY(copy_file(j, w->file, name, f));
        snprintf(copy, sizeof copy, "%s/%s", j->dir.temp, name);
        TRY(check_items(j, copy, &w->id, f)); /* the copy, so that what was checked is what is published */
        j->exports++;
        TRY(tick(j));
    }
    return OK;
}

/* --- chains --- */

struct copying {
    struct job *j;
    const char *from, *to;
    unsigned depth;
};

static err_t copy_name(void *ctx, const char *name, struct fault *f)
{
    const struct copying *c = ctx;
    char from[BUNDLE_PATH_MAX], to[BUNDLE_PATH_MAX];
    if (file_path(from, sizeof from, c->from, name) != OK || file_path(to, sizeof to, c->to, name) != OK)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    if (file_is_dir(from, NULL) == OK && c->depth < 3) {
        struct copying inner = {c->j, from, to, c->depth + 1};
        return file_list(from, copy_name, &inner, f);
    }
    TRY(copy_file(c->j, from, to, f));
    return tick(c->j);
}

struct checking {
    struct job *j;
    struct fault first;
};

static void on_found(void *ctx, enum chain_check check, const struct fault *f)
{
    struct checking *c = ctx;
    (void)check;
    if (c->first.err == OK)
        c->first = *f;
}

static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct checking *c = ctx;
    (void)what;
    (void)done;
    (void)total;
    return c->j->progress == NULL ? OK : c->j->progress(c->j->progress_ctx, "publish", c->j->done, 0);
}

/* Everything but proofs: who signed, links, and the ballots are those that were signed. */
static err_t check_chain(struct job *j, uint32_t chain, const char *dir, const hash_t *snapshot,
                         struct fault *f)
{
    struct checking c = {.j = j};
    struct chain_context ctx;
    struct chain_report *r = NULL;
    chain_context_init(&ctx, &j->be->ctx, chain);
    struct chain_verify_options o = {.trust = snapshot,
                                     .trust_count = 1,
                                     .ctx = &c,
                                     .found = on_found,
                                     .progress = on_progress,
                                     .progress_ctx = &c};
    TRY(chain_verify(&r, &ctx, dir, &o, f));
    err_t e = OK;
    if (chain_report_verdict(r) == VERIFY_FAIL) {
        e = c.first.err;
        if (f != NULL)
            *f = c.first;
        fault_file(f, e, dir);
    } else if (r->pruned || !chain_snapshot_complete(r->snapshot)) {
        e = fault_set(f, ERR_UNVERIFIED, "the export of chain %s is not complete", ctx.c->id);
    }
    chain_report_free(r);
    return e;
}

static err_t add_chains(struct job *j, struct fault *f)
{
    for (uint32_t i = 0; i < j->be->m->chain_count; i++) {
        char to[TEXT_ID_MAX + 16], copy[BUNDLE_PATH_MAX + 128];
        const char *id = j->be->m->chain[i].id;
        const hash_t *want;
        TRY(wanted_snapshot(j, i, &want, f));
        if (want == NULL)
            continue;
        if (j->chain[i] == NULL) {
            fault_set(f, ERR_MISSING, "the export of chain %s that the records count is not in the directory",
                      id);
            return fault_file(f, ERR_MISSING, j->paths->exports);
        }
        snprintf(to, sizeof to, BUNDLE_CHAINS "/%s", id);
        struct copying c = {j, j->chain[i], to, 0};
        TRY(file_list(j->chain[i], copy_name, &c, f));
        snprintf(copy, sizeof copy, "%s/%s", j->dir.temp, to);
        TRY(check_chain(j, i, copy, want, f));
        j->chains++;
    }
    return OK;
}

/* --- the page --- */

static err_t add_page(struct job *j, struct fault *f)
{
    uint8_t *page = NULL;
    size_t len;
    TRY(report_gather_var(&j->data, &j->be->ctx, &j->nodes, j->plan, j->target, j->combination, f));
    TRY(report_make(&page, &len, &j->data->in, f));
    err_t e = publish_dir_add(&j->dir, BUNDLE_REPORT, page, len, f);
    free(page);
    return e;
}

static void job_free(struct job *j)
{
    for (uint32_t i = 0; j->wanted != NULL && i < places_count(j->be->places); i++)
        free(j->wanted[i].file);
    free(j->wanted);
    for (size_t i = 0; j->chain != NULL && i < j->be->m->chain_count; i++)
        free(j->chain[i]);
    free(j->chain);
    report_data_free(j->data);
    combination_free(j->combination);
    result_free(j->result);
    if (j->plan != NULL)
        plan_targets_free(j->target, j->plan->unit_count);
    plan_free(j->plan);
    board_free(j->board);
    bundle_election_free(j->be);
    publish_dir_close(&j->dir);
    free(j);
}

err_t publish(struct publish_report *report, const struct publish_paths *paths, progress_fn progress,
              void *progress_ctx, struct fault *f)
{
    struct publish_report mine;
    struct job *j = calloc(1, sizeof *j);
    err_t e = OK;
    fault_clear(f);
    if (report == NULL)
        report = &mine;
    memset(report, 0, sizeof *report);
    if (j == NULL)
        return fault_set(f, ERR_MEMORY, "publishing");
    j->paths = paths;
    j->progress = progress;
    j->progress_ctx = progress_ctx;
    node_provider_dir(&j->nodes, paths->records);
    GO(bundle_election_load(&j->be, paths->board, 1, f));
    GO(board_open(&j->board, paths->board, &j->be->m->election, f));
    GO(publish_dir_open(&j->dir, paths->out, f));
    GO(add_manifest(j, f));
    GO(add_places(j, f));
    GO(add_record(j, f));
    GO(add_entries(j, f));
    GO(add_nodes(j, f));
    GO(add_plan(j, f));
    GO(add_result(j, f));
    GO(add_exports(j, f));
    GO(add_chains(j, f));
    GO(add_page(j, f));
    report->files = j->dir.line_count + 1;
    report->bytes = j->dir.bytes;
    report->exports = j->exports;
    report->chains = j->chains;
    report->entries = j->board->entry_count;
    GO(publish_dir_commit(&j->dir, &report->already, f));
out:
    job_free(j);
    if (e != OK && f != NULL && f->err == OK)
        fault_set(f, e, "publishing");
    return e;
}
