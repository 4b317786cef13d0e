#include "tests/fuzz/targets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/exception.h"
#include "tally/fingerprint.h"
#include "tally/medsl.h"
#include "tally/node.h"
#include "tally/plan.h"
#include "tally/result.h"
#include "tally/resultqr.h"
#include "tests/fuzz/targets_chain.h"
#include "tests/fuzz/targets_part.h"
#include "tests/fuzz/targets_run.h"
#include "tests/fuzz/targets_state.h"
#include "ui/base45.h"
#include "ui/image.h"
#include "ui/qrtext.h"
#include "ui/words.h"

static void need(int good)
{
    if (!good)
        abort();
}

/* Text parsers want a NUL behind. */
static char *as_text(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);
    need(text != NULL);
    memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

static void put(struct cbor_out *out, const void *data, size_t len)
{
    cbor_put_raw(out, data, len);
    need(out->err == OK);
}

static void put_str(struct cbor_out *out, const char *s)
{
    put(out, s, strlen(s));
}

/* --- base --- */

static void run_cbor(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct cbor_in in;
    struct cbor_out again = CBOR_OUT_INIT;
    size_t n;
    cbor_in_init(&in, data, len);
    const uint8_t *raw = cbor_get_raw(&in, &n);
    need(raw == NULL ? n == 0 : n <= len);
    cbor_out_free(&again);
}

static void seed_cbor(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    put(out,
        "\x83\x18\x64\x63"
        "abc\x82\x41\x00\xf6",
        11);
}

static void run_cose(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct cose m;
    if (cose_parse(&m, data, len, NULL) == OK) {
        struct cbor_out again = CBOR_OUT_INIT; /* what was read is the only encoding */
        need(cose_build(&again, &m.kid, m.payload, m.payload_len, m.signature) == OK);
        need(again.len == len && memcmp(again.data, data, len) == 0);
        cbor_out_free(&again);
    }
}

static void seed_cose(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    hash_t kid = {{7}};
    uint8_t sig[SIGNATURE_LEN] = {1};
    need(cose_build(out, &kid, "payload", 7, sig) == OK);
}

/* --- ceremony --- */

static void run_manifest(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct manifest *m;
    if (manifest_parse(&m, data, len, NULL) == OK)
        manifest_free(m);
}

static void seed_manifest(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    put_str(out, "{\"conclave\":1,\"scheme\":\"p256-elgamal\",\"kind\":\"ballots\",\"title\":\"T\",\"date\":"
                 "\"2026-11-03\","
                 "\"trustees\":{\"n\":3,\"t\":2},\"levels\":[\"a\",\"b\"],\"jurisdictions\":{\"file\":\"j."
                 "csv\",\"sha256\":\""
                 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"},\"contests\":[{\"id\":"
                 "\"c\",\"title\":"
                 "\"C\",\"limit\":1,\"options\":[{\"id\":\"x\",\"title\":\"X\"},{\"id\":\"y\",\"title\":"
                 "\"Y\"}]}],\"styles\":[{"
                 "\"id\":\"s\",\"contests\":[\"c\"]}],\"decryption\":{\"levels\":[\"a\"],\"minimum\":5},"
                 "\"duplicate_ballots\":\"first\"}");
}

static void run_places(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct places *p;
    struct manifest m = *w->ballots->m;
    hash_one(&m.places_hash, data, len); /* past the hash, into the parser */
    if (places_parse(&p, &m, data, len, NULL) == OK)
        places_free(p);
}

static void seed_places(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    put_str(out, "place,level,parent,title,styles,group,key\nland,land,,Land,,,\neast,region,land,East,,,\n"
                 "e-1,precinct,east,\"E, 1\",town small,g1,\n");
}

static void run_entry(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct entry *e;
    uint8_t *copy = malloc(len + 1);
    need(copy != NULL);
    memcpy(copy, data, len);
    if (entry_parse(&e, copy, len, &w->ballots->m->election, NULL) == OK)
        entry_free(e);
}

static void seed_entry(struct fuzz_world *w, struct cbor_out *out)
{
    struct cbor_out st = CBOR_OUT_INIT;
    struct entry *e;
    cbor_put_uint(&st, 1);
    need(entry_make(&e, ENTRY_DRILL, &w->ballots->m->election, NULL, NULL, &st, NULL,
                    signkey_signer(w->ballots->east), NULL) == OK);
    put(out, e->bytes, e->bytes_len);
    entry_free(e);
    cbor_out_free(&st);
}

/* What follows the signature: the statement of every kind, as an entry that a seat signed. */
static void run_statement(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct fixture *x = w->ballots;
    if (len < 2)
        return;
    size_t split = 2 + (size_t)data[0] * (len - 2) / 255;
    struct entry e = {.kind = (enum entry_kind)(data[1] % ENTRY_KINDS),
                      .election = x->m->election,
                      .ceremony = w->roster.ceremony,
                      .author = w->roster.seat[0].identity,
                      .statement = data + 2,
                      .statement_len = split - 2,
                      .evidence = data + split,
                      .evidence_len = len - split};
    struct enrolment enrolment;
    struct deal deal;
    struct cut cut;
    struct exception exception;
    scalar_t share;
    if (exception_parse(&exception, &e, NULL) == OK)
        need(text_check(exception.text, strlen(exception.text)) == OK);
    if (enrolment_parse(&enrolment, &e, x->m, x->g, NULL) == OK)
        need(enrolment.name[0] != '\0');
    if (deal_check(&deal, &e, &w->roster, x->g, NULL) == OK)
        need(deal.seat == 1);
    if (cut_parse(&cut, &e, &w->roster, NULL) == OK)
        cut_free(&cut);
    memset(&deal, 0, sizeof deal);
    deal.seat = 1;
    need(reveal_check(&share, &e, &w->roster, &deal, 2, x->g, NULL) != OK);
}

static void seed_statement(struct fuzz_world *w, struct cbor_out *out)
{
    put(out, "\xff\x00", 2);
    cbor_put_array(out, 10);
    cbor_put_uint(out, w->ballots->m->n);
    cbor_put_uint(out, w->ballots->m->t);
    cbor_put_text(out, "Ada");
    cbor_put_text(out, "Org");
    cbor_put_point(out, &group_generator);
    cbor_put_text(out, "maker");
    cbor_put_text(out, "model");
    cbor_put_text(out, "serial");
    hash_t h = {{1}};
    cbor_put_hash(out, &h);
    cbor_put_hash(out, &h);
}

static void run_record(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct record *r;
    if (record_parse(&r, w->ballots->m, data, len, NULL) == OK)
        record_free(r);
}

static void seed_record(struct fuzz_world *w, struct cbor_out *out)
{
    cbor_put_array(out, 16);
    cbor_put_text(out, "conclave/record");
    cbor_put_uint(out, 1);
    cbor_put_uint(out, 1);
    cbor_put_hash(out, &w->ballots->m->election);
    cbor_put_hash(out, &w->ballots->m->election);
    cbor_put_uint(out, w->ballots->m->n);
    cbor_put_uint(out, w->ballots->m->t);
}

static void run_sealed(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    uint8_t enc[65], ct[48];
    if (sealed_parse(enc, ct, data, len, NULL) == OK)
        need(len == 1 + 2 + 65 + 2 + 48);
}

static void seed_sealed(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    uint8_t zero[65] = {0};
    cbor_put_array(out, 2);
    cbor_put_bytes(out, zero, 65);
    cbor_put_bytes(out, zero, 48);
}

/* --- tally --- */

static void run_ballot(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct ballot *b;
    if (ballot_parse_var(&b, &w->ballots->ctx, data, len, NULL) == OK)
        ballot_free(b);
}

static void seed_ballot(struct fuzz_world *w, struct cbor_out *out)
{
    fixture_ballot(w->ballots, out, NULL, w->ballots->e1, "town", "mayor=a council=p,q school=yes");
}

static void run_count(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct count *c;
    if (count_parse_var(&c, &w->import->ctx, data, len, NULL) == OK)
        count_free(c);
}

static void seed_count(struct fuzz_world *w, struct cbor_out *out)
{
    uint64_t value[4] = {1, 2, 3, 0};
    need(count_make(w->import->maker, out, w->import->e1, 0, value, w->import->m->contest[0].option_count,
                    NULL) == OK);
}

static void run_export(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    char path[64];
    struct export_header *h;
    snprintf(path, sizeof path, "build/tests/tmp/fuzz-%d.cexp", (int)getpid());
    FILE *f = fopen(path, "wb");
    need(f != NULL && fwrite(data, 1, len, f) == len);
    fclose(f);
    if (export_verify(&h, &w->ballots->ctx, path, NULL, NULL) == OK)
        export_header_free(h);
    unlink(path);
}

static void seed_export(struct fuzz_world *w, struct cbor_out *out)
{
    struct fixture *x = w->ballots;
    struct precinct *p;
    char journal[64], file[64];
    hash_t id;
    snprintf(journal, sizeof journal, "build/tests/tmp/fuzz-journal-%d", (int)getpid());
    snprintf(file, sizeof file, "build/tests/tmp/fuzz-export-%d", (int)getpid());
    need(precinct_open(&p, &x->ctx, x->e1, journal, 1, NULL) == OK);
    for (int i = 0; i < 2; i++) {
        struct cbor_out b = CBOR_OUT_INIT;
        fixture_ballot(x, &b, NULL, x->e1, "small", "mayor=a");
        need(precinct_cast(p, NULL, NULL, b.data, b.len, NULL) == OK);
        cbor_out_free(&b);
    }
    need(precinct_close(p, &id, file, 500000, signkey_signer(x->east), NULL) == OK);
    precinct_free(p);
    uint8_t *data;
    size_t len;
    need(file_read(&data, &len, file, 1 << 20, NULL) == OK);
    put(out, data, len);
    free(data);
    unlink(file);
    unlink(journal);
}

static void run_node(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct node *n;
    if (node_parse_var(&n, &w->ballots->ctx, w->ballots->land, data, len, NULL) == OK)
        node_free(n);
}

static void seed_node(struct fuzz_world *w, struct cbor_out *out)
{
    struct node *n;
    need(node_new(&n, &w->ballots->ctx, w->ballots->e1) == OK);
    need(node_encode(out, NULL, &w->ballots->ctx, n) == OK);
    node_free(n);
}

static void run_plan(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct plan *p;
    if (plan_parse_var(&p, &w->ballots->ctx, data, len, NULL) == OK)
        plan_free(p);
}

static void seed_plan(struct fuzz_world *w, struct cbor_out *out)
{
    struct fixture *x = w->ballots;
    cbor_put_array(out, 8);
    cbor_put_text(out, "conclave/plan");
    cbor_put_uint(out, 1);
    cbor_put_uint(out, 1);
    cbor_put_hash(out, &x->m->election);
    cbor_put_hash(out, &x->r->id);
    cbor_put_hash(out, &x->r->id);
    cbor_put_null(out);
    cbor_put_array(out, 1);
    cbor_put_array(out, 6);
    cbor_put_text(out, "land");
    cbor_put_text(out, x->m->level[0]);
    cbor_put_array(out, 1);
    cbor_put_array(out, 2);
    cbor_put_text(out, "land");
    cbor_put_hash(out, &x->r->id);
    cbor_put_text(out, x->m->contest[0].id);
    cbor_put_uint(out, 9);
    cbor_put_array(out, x->m->contest[0].option_count);
    for (size_t o = 0; o < x->m->contest[0].option_count; o++) {
        cbor_put_array(out, 2);
        cbor_put_point(out, &group_generator);
        cbor_put_point(out, &group_generator);
    }
}

static void run_result(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct result *r;
    if (result_parse(&r, data, len, NULL) == OK) {
        struct cbor_out again = CBOR_OUT_INIT;
        result_write(&again, r);
        need(again.err == OK && again.len == len && memcmp(again.data, data, len) == 0);
        cbor_out_free(&again);
        result_free(r);
    }
}

static void seed_result(struct fuzz_world *w, struct cbor_out *out)
{
    struct result *r;
    (void)w;
    need(result_new(&r, 1) == OK);
    r->partial_count = 2;
    r->partial[1].b[0] = 1;
    strcpy(r->row[0].place, "land");
    strcpy(r->row[0].contest, "mayor");
    r->row[0].ballots = 3;
    need(result_row_votes(r, 0, 2) == OK);
    result_write(out, r);
    result_free(r);
}

static void run_receipt(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct receipt r;
    if (receipt_parse(&r, data, len, NULL) == OK) {
        err_t e = receipt_check(&w->ballots->ctx, &r, NULL, 0, NULL, 0, NULL);
        (void)e;
    }
}

static void seed_receipt(struct fuzz_world *w, struct cbor_out *out)
{
    struct receipt r = {
        .election = w->ballots->m->election, .record = w->ballots->r->id, .size = 1, .place = "e-1"};
    need(receipt_make(out, &r) == OK);
}

static void run_resultqr(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct resultqr *q;
    if (resultqr_parse(&q, data, len, NULL) == OK)
        resultqr_free(q);
}

static void seed_resultqr(struct fuzz_world *w, struct cbor_out *out)
{
    cbor_put_array(out, 14);
    cbor_put_text(out, "conclave/result-proof");
    cbor_put_uint(out, 1);
    cbor_put_uint(out, 1);
    cbor_put_hash(out, &w->ballots->m->election);
}

static void run_anchor(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    hash_t election, record;
    err_t e = anchor_parse(&election, &record, data, len, NULL);
    (void)e;
}

static void seed_anchor(struct fuzz_world *w, struct cbor_out *out)
{
    anchor_write(out, &w->ballots->m->election, &w->ballots->r->id);
}

static void run_fingerprint(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    enum fingerprint_kind kind;
    hash_t h;
    err_t e = fingerprint_parse(&kind, &h, data, len, NULL);
    (void)e;
}

static void seed_fingerprint(struct fuzz_world *w, struct cbor_out *out)
{
    fingerprint_write(out, FINGERPRINT_ROSTER, &w->ballots->m->election);
}

static void run_medsl(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct medsl *m;
    if (medsl_parse(&m, data, len, NULL, NULL) == OK)
        medsl_free(m);
}

static void seed_medsl(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    put_str(
        out,
        "precinct,office,party_detailed,party_simplified,mode,votes,county_name,county_fips,jurisdiction_"
        "name,"
        "jurisdiction_fips,candidate,district,dataverse,year,stage,state,special,writein,state_po,state_fips,"
        "state_cen,state_ic,date\n"
        "P1,GOVERNOR,DEMOCRAT,DEMOCRAT,TOTAL,12,KENT,10001,KENT,10001,ANN,STATEWIDE,STATE,2024,GEN,DELAWARE,"
        "FALSE,FALSE,DE,10,51,11,2024-11-05\n");
}

/* --- ui --- */

static void run_qrtext(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    char *text = as_text(data, len), kind;
    const char *part[2] = {text, text};
    uint8_t *message;
    size_t n;
    if (qrtext_join(&message, &n, &kind, part, 2, NULL) == OK)
        free(message);
    free(text);
}

static void seed_qrtext(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    struct qrtext q;
    need(qrtext_split(&q, QRTEXT_CEREMONY, "hello, world", 12) == OK);
    put_str(out, q.part[0]);
    qrtext_free(&q);
}

static void run_base45(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    uint8_t out[4096];
    size_t n;
    if (base45_get(out, &n, sizeof out, (const char *)data, len) == OK)
        need(n <= sizeof out);
}

static void seed_base45(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    put_str(out, "QED8WEX0"); /* RFC 9285, section 4.4 */
}

static void run_words(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    char *text = as_text(data, len);
    uint8_t prefix[WORDS_PREFIX_LEN];
    err_t e = words_get(prefix, &words_en, text, NULL);
    (void)e;
    free(text);
}

static void seed_words(struct fuzz_world *w, struct cbor_out *out)
{
    char text[WORDS_TEXT_SIZE];
    need(words_put(text, &words_en, &w->ballots->m->election) == OK);
    put_str(out, text);
}

static void run_image(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct gray g;
    if (image_parse(&g, data, len, NULL) == OK)
        gray_free(&g);
}

static void seed_image(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    put(out, "P5 4 2 255\n\0\1\2\3\4\5\6\7", 19);
}

const struct fuzz_target fuzz_targets[] = {
    {"cbor", run_cbor, seed_cbor},
    {"cose", run_cose, seed_cose},
    {"manifest", run_manifest, seed_manifest},
    {"places", run_places, seed_places},
    {"entry", run_entry, seed_entry},
    {"statement", run_statement, seed_statement},
    {"record", run_record, seed_record},
    {"sealed", run_sealed, seed_sealed},
    {"ballot", run_ballot, seed_ballot},
    {"count", run_count, seed_count},
    {"export", run_export, seed_export},
    {"node", run_node, seed_node},
    {"plan", run_plan, seed_plan},
    {"result", run_result, seed_result},
    {"receipt", run_receipt, seed_receipt},
    {"resultqr", run_resultqr, seed_resultqr},
    {"anchor", run_anchor, seed_anchor},
    {"fingerprint", run_fingerprint, seed_fingerprint},
    {"medsl", run_medsl, seed_medsl},
    {"qrtext", run_qrtext, seed_qrtext},
    {"base45", run_base45, seed_base45},
    {"words", run_words, seed_words},
    {"image", run_image, seed_image},
    {"chainheader", run_chainheader, seed_chainheader},
    {"chaintally", run_chaintally, seed_chaintally},
    {"chainsnapshot", run_chainsnapshot, seed_chainsnapshot},
    {"finality", run_finality, seed_finality},
    {"envelope", run_envelope, seed_envelope},
    {"segment", run_segment, seed_segment},
    {"journal", run_journal, seed_journal},
    {"chains", run_chains, seed_chains},
    {"chainexport", run_chainexport, seed_chainexport},
    {"metrics", run_metrics, seed_metrics},
    {"request", run_request, seed_request},
    {"settings", run_settings, seed_settings},
    {"hashed", run_hashed, seed_hashed},
    {"part", run_part, seed_part},
    {"aggpart", run_aggpart, seed_aggpart},
    {"chainnode", run_chainnode, seed_chainnode},
    {"chainsigned", run_chainsigned, seed_chainsigned},
    {"resume", run_resume, seed_resume},
    {"partids", run_partids, seed_partids},
    {"signers", run_signers, seed_signers},
    {"chainanchor", run_chainanchor, seed_chainanchor},
};
const size_t fuzz_target_count = sizeof fuzz_targets / sizeof fuzz_targets[0];

void fuzz_world_init(struct fuzz_world *w)
{
    memset(w, 0, sizeof *w);
    need(file_mkdir("build/tests/tmp", NULL) == OK);
    w->ballots = fixture_chain_new();
    w->import = fixture_new(KIND_IMPORT);
    w->roster.election = w->ballots->m->election;
    w->roster.n = w->ballots->m->n;
    w->roster.t = w->ballots->m->t;
    for (uint32_t j = 0; j < w->roster.n; j++) {
        scalar_t k;
        scalar_random(&k);
        need(point_mul_base(w->ballots->g, &w->roster.seat[j].identity, &k) == OK);
        scalar_random(&k);
        need(point_mul_base(w->ballots->g, &w->roster.seat[j].ceremony_key, &k) == OK);
    }
}

void fuzz_world_free(struct fuzz_world *w)
{
    fuzz_export_free();
    fixture_free(w->ballots);
    fixture_free(w->import);
}
