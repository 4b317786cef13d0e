/* Ballots, precincts, exports, aggregation, plan, result, publishing and verifying, with the i-th allocation
 * and disk call failing. A machine in need may stop; it may not call anybody's ballot, export or proof bad,
 * nor lose what it acknowledged. */
#include "tests/faults/inject.h"

#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/aggregate.h"
#include "tally/combine.h"
#include "tally/import.h"
#include "tally/precinct.h"
#include "tally/publish.h"
#include "tally/resultqr.h"
#include "tally/signkey.h"
#include "tally/verify.h"
#include "tally/verify_hashed.h"
#include "tally/verify_print.h"
#include "tests/support/tree.h"
#include "tests/support/whole.h"

static struct tally_state {
    struct whole w;
    struct signkey *key;
    struct ballot_maker *maker;
    uint32_t place;
    struct cbor_out ballot[3];
    struct ballot_info info[3];
    char journal[256], out[256], work[256];
    size_t taken; /* ballots acknowledged */
    struct cbor_out bytes;
    struct ballot *b;
    struct export_header *h;
    struct precinct *p;
    hash_t id, root;
    struct plan *plan;
    struct target *target;
    struct combination *c;
    struct result *result;
    struct resultqr *qr;
    struct verify_report *report;
    struct bundle_election *el;
    struct medsl *medsl;
    struct aggregate_result sum, reference;
    uint8_t *plan_bytes, *result_bytes;
    size_t plan_len, result_len;
    hash_t sums;
    char dir[80]; /* watched */
} z;

static void one(const char *name, void (*before)(void *), err_t (*run)(void *, struct fault *),
                void (*after)(void *, err_t))
{
    struct inject_op op = {
        .name = name, .before = before, .run = run, .after = after, .ctx = &z, .dir = z.w.dir};
    inject_all(&op);
}

static const char *at(const char *name)
{
    return whole_path(&z.w, name);
}

static uint8_t *slurp(const char *name, size_t *len)
{
    uint8_t *data;
    struct fault f;
    assert_err(file_read(&data, len, at(name), (size_t)1 << 26, &f), OK);
    return data;
}

/* --- ballots --- */

static err_t make_ballot(struct ballot_maker *mk, struct cbor_out *out, struct ballot_info *info,
                         struct fault *f)
{
    static const char *const x[] = {"x"}, *const pq[] = {"p", "r"};
    const struct selection sel[] = {{"mayor", 1, x}, {"board", 2, pq}};
    return ballot_make(mk, out, info, z.place, "all", sel, 2, NULL, f);
}

static err_t run_ballot(void *ctx, struct fault *f)
{
    (void)ctx;
    struct ballot_maker *mk = INJECT_POISON;
    err_t e = ballot_maker_new(&mk, &z.w.el->ctx);
    if (e != OK) {
        inject_zero(mk);
        return e;
    }
    e = make_ballot(mk, &z.bytes, NULL, f);
    ballot_maker_free(mk);
    return e;
}

static void after_ballot(void *ctx, err_t e)
{
    (void)ctx;
    struct ballot *b;
    struct fault f;
    inject_check(e == OK || z.bytes.len == 0, "part of a ballot after an error");
    if (e == OK) {
        assert_err(ballot_parse_var(&b, &z.w.el->ctx, z.bytes.data, z.bytes.len, &f), OK);
        inject_check(ballot_verify_var(&z.w.el->ctx, b, &f) == OK, "a ballot that does not verify");
        ballot_free(b);
    }
    cbor_out_free(&z.bytes);
}

static err_t run_verify(void *ctx, struct fault *f)
{
    (void)ctx;
    struct tallies *t = INJECT_POISON;
    z.b = INJECT_POISON;
    err_t e = ballot_parse_var(&z.b, &z.w.el->ctx, z.ballot[0].data, z.ballot[0].len, f);
    if (e != OK) {
        inject_zero(z.b);
        return e;
    }
    e = ballot_verify_var(&z.w.el->ctx, z.b, f);
    if (e == OK)
        e = tallies_new(&t, &z.w.el->ctx, z.place);
    if (e == OK) {
        e = tallies_add_ballot_var(t, z.b);
        tallies_free(t);
    }
    ballot_free(z.b);
    return e;
}

static err_t run_batch(void *ctx, struct fault *f)
{
    (void)ctx;
    struct ballot *b[3] = {NULL, NULL, NULL};
    uint8_t bad[3];
    err_t e = OK;
    for (size_t i = 0; i < 3 && e == OK; i++)
        e = ballot_parse_var(&b[i], &z.w.el->ctx, z.ballot[i].data, z.ballot[i].len, f);
    if (e == OK)
        e = ballot_verify_many_var(&z.w.el->ctx, (const struct ballot *const *)b, 3, bad, f);
    for (size_t i = 0; i < 3; i++)
        ballot_free(b[i]);
    return e;
}

static void after_nothing(void *ctx, err_t e)
{
    (void)ctx;
    (void)e;
}

static void ballots(void **state)
{
    (void)state;
    one("ballot: make", NULL, run_ballot, after_ballot);
    one("ballot: parse, verify, add", NULL, run_verify, after_nothing);
    one("ballot: batch", NULL, run_batch, after_nothing);
    inject_end();
}

/* --- precinct --- */

static void remove_journal(void *ctx)
{
    (void)ctx;
    char side[300];
    static const char *const end[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(side, sizeof side, "%s%s", z.journal, end[i]);
        unlink(side);
    }
    unlink(z.out);
    z.taken = 0;
}

static err_t run_cast(void *ctx, struct fault *f)
{
    (void)ctx;
    struct precinct *p = INJECT_POISON;
    err_t e = precinct_open(&p, &z.w.el->ctx, z.place, z.journal, 1, f);
    if (e != OK) {
        inject_zero(p);
        return e;
    }
    for (size_t i = 0; i < 2 && e == OK; i++) {
        e = precinct_cast(p, NULL, NULL, z.ballot[i].data, z.ballot[i].len, f);
        z.taken = e == OK && z.taken <= i ? i + 1 : z.taken;
    }
    struct cast_item item = {.data = z.ballot[2].data, .len = z.ballot[2].len};
    if (e == OK)
        e = precinct_cast_batch(p, &item, 1, f);
    if (e == OK)
        z.taken = 3;
    precinct_free(p);
    return e;
}

static void after_cast(void *ctx, err_t e)
{
    (void)ctx;
    struct precinct *p;
    struct precinct_status s = {0};
    struct receipt r;
    struct fault f;
    err_t opened = precinct_open(&p, &z.w.el->ctx, z.place, z.journal, 1, &f);
    inject_check(opened == OK, "the journal does not open again");
    if (opened != OK)
        return;
    precinct_get_status(p, &s);
    inject_check(s.ballots >= z.taken, "an acknowledged ballot is lost");
    inject_check(e != OK || s.ballots == 3, "another number of ballots");
    for (size_t i = 0; i < z.taken; i++)
        inject_check(precinct_receipt(p, &r, &z.info[i].id, &f) == OK,
                     "no receipt for an acknowledged ballot");
    precinct_free(p);
}

/* One transaction: no ballot is refused because this machine failed, and none is kept without the others. */
static err_t run_cast_batch(void *ctx, struct fault *f)
{
    (void)ctx;
    struct precinct *p = INJECT_POISON;
    struct cast_item item[3] = {{0}};
    TRY(precinct_open(&p, &z.w.el->ctx, z.place, z.journal, 1, f));
    for (size_t i = 0; i < 3; i++)
        item[i] = (struct cast_item){.data = z.ballot[i].data, .len = z.ballot[i].len};
    err_t e = precinct_cast_batch(p, item, 3, f);
    precinct_free(p);
    for (size_t i = 0; i < 3; i++)
        if (item[i].err != e)
            return ERR_BUG;
    return e;
}

static void after_cast_batch(void *ctx, err_t e)
{
    (void)ctx;
    struct precinct *p;
    struct precinct_status s = {0};
    struct fault f;
    err_t opened = precinct_open(&p, &z.w.el->ctx, z.place, z.journal, 1, &f);
    inject_check(opened == OK, "the journal does not open again");
    if (opened != OK)
        return;
    precinct_get_status(p, &s);
    inject_check(s.ballots == 3 || (e != OK && s.ballots == 0), "a part of a batch was kept");
    precinct_free(p);
}

static err_t run_close(void *ctx, struct fault *f)
{
    (void)ctx;
    struct precinct *p = INJECT_POISON;
    TRY(precinct_open(&p, &z.w.el->ctx, z.place, z.journal, 0, f));
    err_t e = precinct_close(p, &z.id, z.out, 500000, signkey_signer(z.key), f);
    precinct_free(p);
    return e;
}

static void before_close(void *ctx)
{
    struct fault f;
    remove_journal(ctx);
    assert_err(run_cast(ctx, &f), OK);
}

static void after_close(void *ctx, err_t e)
{
    (void)ctx;
    struct export_header *h;
    struct fault f;
    err_t there = export_verify(&h, &z.w.el->ctx, z.out, NULL, &f);
    inject_check(there == OK || (e != OK && there == ERR_MISSING), "half an export");
    if (there != OK)
        return;
    inject_check(h->items == 3 && (e != OK || hash_cmp(&h->id, &z.id) == 0), "another export");
    export_header_free(h);
}

static err_t run_correct(void *ctx, struct fault *f)
{
    (void)ctx;
    struct precinct *p = INJECT_POISON;
    struct precinct_status s;
    TRY(precinct_open(&p, &z.w.el->ctx, z.place, z.journal, 0, f));
    precinct_get_status(p, &s);
    err_t e = s.state == PRECINCT_CLOSED ? precinct_correct(p, f) : OK;
    if (e == OK)
        e = precinct_remove(p, &z.info[1].id, f);
    z.taken = e == OK || e == ERR_MISSING ? 2 : 3;
    precinct_free(p);
    return e == ERR_MISSING && s.ballots == 2 ? OK : e; /* taken out the time before */
}

static void before_correct(void *ctx)
{
    struct fault f;
    before_close(ctx);
    assert_err(run_close(ctx, &f), OK);
}

static void after_correct(void *ctx, err_t e)
{
    (void)ctx;
    struct precinct *p;
    struct precinct_status s;
    struct fault f;
    err_t opened = precinct_open(&p, &z.w.el->ctx, z.place, z.journal, 0, &f);
    inject_check(opened == OK, "the journal does not open again");
    if (opened != OK)
        return;
    precinct_get_status(p, &s);
    inject_check(s.ballots == 2 || (e != OK && s.ballots == 3), "another number of ballots");
    precinct_free(p);
}

static void precincts(void **state)
{
    (void)state;
    one("precinct: open, cast", remove_journal, run_cast, after_cast);
    one("precinct: batch", remove_journal, run_cast_batch, after_cast_batch);
    one("precinct: close", before_close, run_close, after_close);
    one("precinct: correct", before_correct, run_correct, after_correct);
    before_correct(&z);
    inject_end();
}

/* --- exports --- */

static err_t run_export(void *ctx, struct fault *f)
{
    (void)ctx;
    z.h = INJECT_POISON;
    return export_verify(&z.h, &z.w.el->ctx, at("exports/of-a1"), NULL, f);
}

static void after_export(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK) {
        inject_zero(z.h);
        return;
    }
    inject_check(z.h->items == 12, "another number of items");
    export_header_free(z.h);
}

static err_t run_header(void *ctx, struct fault *f)
{
    (void)ctx;
    z.h = INJECT_POISON;
    return export_header_read(&z.h, &z.w.el->ctx, at("exports/of-a1"), f);
}

/* --- aggregation --- */

static void clean_work(void *ctx)
{
    (void)ctx;
    tree_rm(at("agg"));
    memset(&z.sum, 0, sizeof z.sum);
}

static err_t run_aggregate(void *ctx, struct fault *f)
{
    (void)ctx;
    struct aggregate_options options = {.threads = 1};
    return aggregate(&z.sum, &z.w.el->ctx, at("exports"), at("agg"), at("agg/records"), &options, NULL, f);
}

static void after_aggregate(void *ctx, err_t e)
{
    (void)ctx;
    inject_check(z.sum.refused == 0, "a good export is refused");
    if (e != OK)
        return;
    inject_check(hash_cmp(&z.sum.root, &z.reference.root) == 0, "another root");
    inject_check(z.sum.ballots == z.reference.ballots && z.sum.missing == z.reference.missing, "another sum");
}

/* --- plan --- */

static err_t run_plan(void *ctx, struct fault *f)
{
    (void)ctx;
    struct node_provider nodes;
    node_provider_dir(&nodes, at("work/records"));
    z.plan = INJECT_POISON;
    z.target = NULL;
    err_t e = plan_make(&z.bytes, NULL, &z.w.el->ctx, &nodes, NULL, f);
    if (e == OK)
        e = plan_parse_var(&z.plan, &z.w.el->ctx, z.bytes.data, z.bytes.len, f);
    else
        z.plan = NULL;
    if (e != OK)
        return e;
    e = plan_check(z.plan, &z.w.el->ctx, &nodes, NULL, NULL, f);
    if (e == OK)
        e = plan_supersede_all(&z.plan, 1, z.plan, &z.w.el->ctx, NULL, NULL, NULL);
    if (e == ERR_MISMATCH) /* it does not name itself */
        e = OK;
    if (e == OK)
        e = plan_targets(&z.target, &z.w.el->ctx, z.plan);
    if (e == OK)
        plan_targets_free(z.target, z.plan->unit_count);
    plan_free(z.plan);
    z.plan = NULL;
    return e;
}

static void after_plan(void *ctx, err_t e)
{
    (void)ctx;
    inject_zero(z.plan);
    if (e == OK)
        inject_check(z.bytes.len == z.plan_len && memcmp(z.bytes.data, z.plan_bytes, z.plan_len) == 0,
                     "another plan");
    cbor_out_free(&z.bytes);
}

/* --- result --- */

static err_t run_combine(void *ctx, struct fault *f)
{
    (void)ctx;
    z.c = INJECT_POISON;
    return combine_partials_var(&z.c, z.w.el->m, z.w.el->r, z.w.b, &z.w.plan->id, z.w.target,
                                z.w.plan->unit_count, NULL, f);
}

static void after_combine(void *ctx, err_t e)
{
    (void)ctx;
    struct cbor_out o = CBOR_OUT_INIT;
    if (e != OK) {
        inject_zero(z.c);
        return;
    }
    for (size_t i = 0; i < z.c->seat_count; i++)
        inject_check(z.c->seat[i].state != COMBINE_BAD, "an honest trustee is called bad");
    result_write(&o, z.c->result);
    inject_check(o.len == z.result_len && memcmp(o.data, z.result_bytes, o.len) == 0, "another result");
    cbor_out_free(&o);
    combination_free(z.c);
}

static err_t run_result(void *ctx, struct fault *f)
{
    (void)ctx;
    z.result = INJECT_POISON;
    err_t e = result_load(&z.result, at("work/result.cbor"), f);
    if (e != OK)
        return e;
    result_write(&z.bytes, z.result);
    e = z.bytes.err;
    if (e != OK) {
        result_free(z.result);
        z.result = NULL;
    }
    return e;
}

static void after_result(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK) {
        inject_zero(z.result);
    } else {
        inject_check(z.bytes.len == z.result_len, "another result");
        result_free(z.result);
    }
    cbor_out_free(&z.bytes);
}

static err_t run_resultqr(void *ctx, struct fault *f)
{
    (void)ctx;
    struct resultqr *again = INJECT_POISON;
    const uint64_t *votes = z.c->result->row[0].votes;
    z.qr = INJECT_POISON;
    err_t e = resultqr_make(&z.qr, z.w.el->m, z.w.el->r, &z.w.plan->id, &z.w.target[0], 0, "The land", votes,
                            z.c->used, z.c->used_count, f);
    if (e != OK) {
        inject_zero(z.qr);
        return e;
    }
    resultqr_write(&z.bytes, z.qr);
    resultqr_free(z.qr);
    if (z.bytes.err != OK)
        return z.bytes.err;
    e = resultqr_parse(&again, z.bytes.data, z.bytes.len, f);
    if (e != OK) {
        inject_zero(again);
        return e;
    }
    e = resultqr_check(again, f);
    if (e == OK)
        e = resultqr_check_record(again, z.w.el->r, f);
    resultqr_free(again);
    return e;
}

static void free_bytes(void *ctx, err_t e)
{
    (void)ctx;
    (void)e;
    cbor_out_free(&z.bytes);
}

static err_t run_message(void *ctx, struct fault *f)
{
    (void)ctx;
    struct verify_options o = {.threads = 1};
    z.report = INJECT_POISON;
    return verify_message(&z.report, "message", 'R', z.plan_bytes, z.plan_len, NULL, &o, f);
}

static void after_message(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK) {
        inject_zero(z.report);
        return;
    }
    /* A file that cannot be read fails its check, and says why; the checks that lean on it may fail then too.
     */
    int unread = 0;
    for (size_t i = 0; i < z.report->count; i++)
        for (size_t k = 0; k < z.report->outcome[i].failure_kept; k++)
            unread |= z.report->outcome[i].failure[k].err == ERR_IO;
    for (size_t i = 0; i < z.report->count && !unread; i++)
        inject_check(z.report->outcome[i].verdict != VERIFY_FAIL, z.report->outcome[i].id);
    verify_report_free(z.report);
}

static void to_the_result(void **state)
{
    (void)state;
    struct fault f;
    struct cbor_out proof = CBOR_OUT_INIT;
    one("export: header", NULL, run_header, after_export);
    one("export: verify", NULL, run_export, after_export);
    clean_work(&z);
    assert_err(run_aggregate(&z, &f), OK);
    z.reference = z.sum;
    one("aggregate", clean_work, run_aggregate, after_aggregate);
    one("plan: make, parse, check", NULL, run_plan, after_plan);
    one("combine", NULL, run_combine, after_combine);
    one("result", NULL, run_result, after_result);
    assert_err(run_combine(&z, &f), OK);
    one("result proof", NULL, run_resultqr, free_bytes);
    assert_err(run_resultqr(&z, &f), OK);
    proof = z.bytes;
    combination_free(z.c);
    uint8_t *plan = z.plan_bytes;
    size_t len = z.plan_len;
    z.plan_bytes = proof.data;
    z.plan_len = proof.len;
    one("verify: result proof", NULL, run_message, after_message);
    z.plan_bytes = plan;
    z.plan_len = len;
    cbor_out_free(&z.bytes);
    inject_end();
}

/* --- bundle --- */

static void remove_bundle(void *ctx)
{
    (void)ctx;
    tree_rm(at("again"));
    tree_rm(at("again.tmp"));
}

static err_t run_publish(void *ctx, struct fault *f)
{
    (void)ctx;
    struct publish_report report;
    struct publish_paths p = whole_paths(&z.w, "again");
    return publish(&report, &p, NULL, NULL, f);
}

static void after_publish(void *ctx, err_t e)
{
    (void)ctx;
    struct stat st;
    struct fault f;
    hash_t h;
    int there = lstat(at("again"), &st) == 0;
    inject_check(e != OK || there, "success, but no bundle");
    if (there)
        inject_check(file_hash(&h, at("again/SHA256SUMS"), &f) == OK && hash_cmp(&h, &z.sums) == 0,
                     "another bundle");
}

static err_t run_bundle(void *ctx, struct fault *f)
{
    (void)ctx;
    struct verify_options o = {.threads = 1};
    z.report = INJECT_POISON;
    return verify_bundle(&z.report, at("bundle"), &o, f);
}

static err_t run_bundle_again(void *ctx, struct fault *f)
{
    (void)ctx;
    struct verify_options o = {.threads = 1, .resume = at("going-on")};
    z.report = INJECT_POISON;
    return verify_bundle(&z.report, at("bundle"), &o, f);
}

/* What was hashed is remembered, and is there. */
static err_t run_hashed(void *ctx, struct fault *f)
{
    struct verify_hashed *h;
    struct stat st = {.st_mode = S_IFREG | 0644};
    (void)ctx;
    TRY(verify_hashed_open(&h, at("hashed"), &z.sums, f));
    err_t e = OK;
    for (st.st_ino = 0; st.st_ino < 600 && e == OK; st.st_ino++)
        e = verify_hashed_add(h, "exports/a", &z.sums, &st, f);
    if (e == OK)
        e = verify_hashed_save(h, f);
    verify_hashed_close(h);
    if (e != OK)
        return e;
    TRY(verify_hashed_open(&h, at("hashed"), &z.sums, f));
    for (st.st_ino = 0; st.st_ino < 600; st.st_ino++)
        inject_check(verify_hashed_has(h, "exports/a", &z.sums, &st),
                     "a file that was remembered is not known");
    verify_hashed_close(h);
    return OK;
}

static err_t run_json(void *ctx, struct fault *f)
{
    (void)ctx;
    (void)f;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return ERR_MEMORY;
    err_t e = verify_print_json(out, (const struct verify_report *const *)&z.report, 1, 0);
    err_t ended = file_memstream_end(out, &text);
    if (e == OK)
        e = ended;
    if (e == OK && z.sum.files == 0)
        z.sum.files = len; /* of the first run */
    if (e == OK && len != z.sum.files)
        e = ERR_MISMATCH;
    free(text);
    return e;
}

static err_t run_load(void *ctx, struct fault *f)
{
    (void)ctx;
    z.el = INJECT_POISON;
    return bundle_election_load(&z.el, at("board"), 1, f);
}

static void after_load(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK)
        inject_zero(z.el);
    else
        bundle_election_free(z.el);
}

static void bundles(void **state)
{
    (void)state;
    struct publish_paths p = whole_paths(&z.w, "bundle");
    struct publish_report report;
    struct fault f;
    assert_err(publish(&report, &p, NULL, NULL, &f), OK);
    assert_err(file_hash(&z.sums, at("bundle/SHA256SUMS"), &f), OK);
    one("bundle: load", NULL, run_load, after_load);
    one("bundle: publish", remove_bundle, run_publish, after_publish);
    one("bundle: verify", NULL, run_bundle, after_message);
    one("bundle: verify, and remember", NULL, run_bundle_again, after_message);
    one("bundle: files that were hashed", NULL, run_hashed, after_nothing);
    assert_err(run_bundle(&z, &f), OK);
    z.sum.files = 0;
    one("bundle: report as JSON", NULL, run_json, after_nothing);
    verify_report_free(z.report);
    inject_end();
}

/* --- import --- */

static const char csv[] =
    "precinct,office,party_detailed,candidate,votes,county_name,county_fips,state_po,mode,dataverse\n"
    "P1,MAYOR,RED,ANN,12,KING,1,WA,TOTAL,LOCAL\nP1,MAYOR,BLUE,BOB,7,KING,1,WA,TOTAL,LOCAL\n"
    "P2,MAYOR,RED,ANN,3,KING,1,WA,TOTAL,LOCAL\n\"P, 3\",MAYOR,BLUE,BOB,1,PINE,3,WA,TOTAL,LOCAL\n";

static err_t run_medsl(void *ctx, struct fault *f)
{
    (void)ctx;
    z.medsl = INJECT_POISON;
    return medsl_parse(&z.medsl, csv, sizeof csv - 1, NULL, f);
}

static void after_medsl(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK) {
        inject_zero(z.medsl);
        return;
    }
    inject_check(z.medsl->votes == 23 && z.medsl->place_count == 3, "another table");
    medsl_free(z.medsl);
}

static void remove_import(void *ctx)
{
    (void)ctx;
    tree_rm(at("import"));
}

static err_t run_import(void *ctx, struct fault *f)
{
    (void)ctx;
    struct import_options o = {
        .n = 3, .t = 2, .rehearsal = 1, .date = "2024-11-05", .key = signkey_signer(z.key)->key};
    TRY(file_mkdir(at("import"), f));
    return import_prepare(NULL, at("votes.csv"), at("import"), &o, f);
}

static void after_import(void *ctx, err_t e)
{
    (void)ctx;
    struct bundle_election *el;
    struct fault f;
    if (e != OK)
        return;
    err_t there = bundle_election_load(&el, at("import"), 0, &f);
    inject_check(there == OK, "what was imported does not load");
    if (there != OK)
        return;
    inject_check(places_count(el->places) == 7, "other places");
    bundle_election_free(el);
}

static void imports(void **state)
{
    (void)state;
    struct fault f;
    assert_err(file_write(at("votes.csv"), csv, sizeof csv - 1, FILE_NEW, &f), OK);
    one("import: table", NULL, run_medsl, after_medsl);
    one("import: prepare", remove_import, run_import, after_import);
    inject_end();
}

static int setup(void **state)
{
    struct fault f;
    if (inject_setup(state) != 0)
        return -1;
    whole_new(&z.w, 12);
    z.place = (uint32_t)places_find(z.w.el->places, "a1");
    assert_err(signkey_open(&z.key, at("sign.key"), "", 0, &f), OK);
    assert_err(ballot_maker_new(&z.maker, &z.w.el->ctx), OK);
    for (size_t i = 0; i < 3; i++)
        assert_err(make_ballot(z.maker, &z.ballot[i], &z.info[i], &f), OK);
    snprintf(z.journal, sizeof z.journal, "%s", at("faults.journal"));
    snprintf(z.out, sizeof z.out, "%s", at("faults.cexp"));
    z.plan_bytes = slurp("work/plan.cbor", &z.plan_len);
    z.result_bytes = slurp("work/result.cbor", &z.result_len);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        cbor_out_free(&z.ballot[i]);
    free(z.plan_bytes);
    free(z.result_bytes);
    ballot_maker_free(z.maker);
    signkey_close(z.key);
    whole_free(&z.w);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ballots), cmocka_unit_test(precincts),
                                       cmocka_unit_test(to_the_result), cmocka_unit_test(bundles),
                                       cmocka_unit_test(imports)};
    return cmocka_run_group_tests_name("faults: tally", tests, setup, teardown);
}
