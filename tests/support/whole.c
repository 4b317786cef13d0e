#include "tests/support/whole.h"

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/aggregate.h"
#include "tally/precinct.h"
#include "tests/support/tree.h"
#include "tests/support/unit.h"

#define MUST_BE_OK(call)                                                                                     \
    do {                                                                                                     \
        err_t e_ = (call);                                                                                   \
        if (e_ != OK) {                                                                                      \
            char text_[1200];                                                                                \
            fault_text(text_, sizeof text_, &fault);                                                         \
            fail_msg("%s: %s: %s", #call, err_name(e_), text_);                                              \
        }                                                                                                    \
    } while (0)

static const char rows[] = "place,level,parent,title,styles,group,key\n"
                           "land,nation,,The land,,,%s\n"
                           "a,county,land,County A,,,\nb,county,land,County B,,,\n"
                           "a1,precinct,a,A one,all few,,\na2,precinct,a,A two,few,,\n"
                           "b1,precinct,b,B one,all,,\nb2,precinct,b,B two,all,,\n";

static const char manifest[] =
    "{\"conclave\":1,\"scheme\":\"p256-elgamal\",\"kind\":\"ballots\",\"title\":\"Whole\",\"date\":\"2028-11-"
    "07\","
    "\"trustees\":{\"n\":3,\"t\":2,\"rehearsal\":true},\"levels\":[\"nation\",\"county\",\"precinct\"],"
    "\"jurisdictions\":{\"file\":\"jurisdictions.csv\",\"sha256\":\"%s\"},\"contests\":["
    "{\"id\":\"mayor\",\"title\":\"Mayor\",\"limit\":1,\"options\":[{\"id\":\"x\",\"title\":\"Xavier\"},"
    "{\"id\":\"y\",\"title\":\"Yvonne\"},{\"id\":\"z\",\"title\":\"Zoe\"}]},"
    "{\"id\":\"board\",\"title\":\"Board\",\"limit\":2,\"options\":[{\"id\":\"p\",\"title\":\"Paul\"},"
    "{\"id\":\"q\",\"title\":\"Quinn\"},{\"id\":\"r\",\"title\":\"Rosa\"}]}],"
    "\"styles\":[{\"id\":\"all\",\"contests\":[\"mayor\",\"board\"]},{\"id\":\"few\",\"contests\":[\"mayor\"]"
    "}],"
    "\"decryption\":{\"levels\":[\"nation\",\"county\",\"precinct\"],\"minimum\":2},\"duplicate_ballots\":"
    "\"first\"}";

const char *whole_path(const struct whole *w, const char *name)
{
    static char path[8][256];
    static unsigned turn;
    char *p = path[turn++ % 8];
    assert_true(snprintf(p, sizeof path[0], "%s/%s", w->dir, name) < (int)sizeof path[0]);
    return p;
}

struct publish_paths whole_paths(const struct whole *w, const char *name)
{
    return (struct publish_paths){
        whole_path(w, "board"),          whole_path(w, "exports"),          whole_path(w, "work/records"),
        whole_path(w, "work/plan.cbor"), whole_path(w, "work/result.cbor"), whole_path(w, name)};
}

void whole_open(struct whole *w, const char *dir)
{
    struct fault fault;
    pubkey_t key;
    memset(w, 0, sizeof *w);
    assert_err(secret_init(), OK);
    if (dir == NULL) {
        snprintf(w->dir, sizeof w->dir, "/tmp/conclave-whole-XXXXXX");
        assert_non_null(mkdtemp(w->dir));
    } else {
        assert_true(snprintf(w->dir, sizeof w->dir, "%s", dir) < (int)sizeof w->dir);
    }
    assert_err(group_new(&w->g), OK);
    MUST_BE_OK(signkey_new(&key, whole_path(w, "sign.key"), SIGNKEY_REHEARSAL, "", 0, &fault));
    hex_put(w->key, key.b, POINT_LEN);
    MUST_BE_OK(file_mkdir(whole_path(w, "board"), &fault));
    MUST_BE_OK(file_mkdir(whole_path(w, "exports"), &fault));
    MUST_BE_OK(file_mkdir(whole_path(w, "work"), &fault));
}

static void write_election(struct whole *w)
{
    char text[4096], table[1024], hex[2 * HASH_LEN + 1];
    hash_t h;
    int n = snprintf(table, sizeof table, rows, w->key);
    hash_one(&h, table, (size_t)n);
    hex_put(hex, h.b, HASH_LEN);
    snprintf(text, sizeof text, manifest, hex);
    whole_ceremony(w, text, table);
}

void whole_ceremony(struct whole *w, const char *text, const char *table)
{
    struct fault fault;
    struct cbor_out bytes = CBOR_OUT_INIT;
    struct cut cut;
    struct record *r;
    MUST_BE_OK(file_write(whole_path(w, "board/jurisdictions.csv"), table, strlen(table), FILE_NEW, &fault));
    MUST_BE_OK(file_write(whole_path(w, "board/manifest.json"), text, strlen(text), FILE_NEW, &fault));
    MUST_BE_OK(bundle_election_load(&w->el, whole_path(w, "board"), 0, &fault));
    MUST_BE_OK(board_open(&w->b, whole_path(w, "board"), &w->el->m->election, &fault));
    for (int i = 0; i < WHOLE_N; i++) {
        char name[32];
        snprintf(name, sizeof name, "Trustee %d", i + 1);
        w->token[i] = softkeys_new("Soft", name + 8);
        w->trustee[i] =
            (struct trustee){.m = w->el->m, .b = w->b, .g = w->g, .vault = softkeys_vault(w->token[i])};
        MUST_BE_OK(enroll_make(&w->trustee[i], name, "Test", &fault));
    }
    MUST_BE_OK(roster_make(&w->roster, w->el->m, w->b, w->g, NULL, 0, &fault));
    for (int i = 0; i < WHOLE_N; i++)
        MUST_BE_OK(roster_sign(&w->trustee[i], &w->roster, &fault));
    for (int i = 0; i < WHOLE_N; i++)
        MUST_BE_OK(deal_make(&w->trustee[i], &w->roster, &fault));
    MUST_BE_OK(cut_make(&cut, w->b, &w->roster, 0, &fault));
    for (int i = 0; i < WHOLE_N; i++)
        MUST_BE_OK(cut_sign(&w->trustee[i], &w->roster, &cut, &fault));
    for (int i = 0; i < WHOLE_N; i++)
        MUST_BE_OK(confirm_make(&w->trustee[i], &w->roster, &cut, &fault));
    cut_free(&cut);
    MUST_BE_OK(record_make(&r, &bytes, w->el->m, w->b, NULL, &fault));
    MUST_BE_OK(file_write(whole_path(w, "board/record.cbor"), bytes.data, bytes.len, FILE_NEW, &fault));
    cbor_out_free(&bytes);
    w->el->r = r;
    w->el->ctx.r = r;
}

static err_t cast_one(void *ctx, const uint8_t *ballot, size_t len, struct fault *f)
{
    return precinct_cast(ctx, NULL, NULL, ballot, len, f);
}

static void vote(struct whole *w, const char *place, uint64_t ballots)
{
    struct fault fault;
    struct precinct *p;
    struct signkey *key;
    char journal[80], out[80];
    hash_t id;
    uint32_t index = (uint32_t)places_find(w->el->places, place);
    snprintf(journal, sizeof journal, "work/%s.journal", place);
    snprintf(out, sizeof out, "exports/of-%s", place);
    MUST_BE_OK(precinct_open(&p, &w->el->ctx, index, whole_path(w, journal), 1, &fault));
    MUST_BE_OK(
        simulate_ballots(&w->el->ctx, index, 7, 0, ballots, w->totals, cast_one, p, NULL, NULL, &fault));
    MUST_BE_OK(signkey_open(&key, whole_path(w, "sign.key"), "", 0, &fault));
    MUST_BE_OK(precinct_close(p, &id, whole_path(w, out), 500000, signkey_signer(key), &fault));
    signkey_close(key);
    precinct_free(p);
}

static void add_up(struct whole *w)
{
    struct fault fault;
    struct aggregate_result result;
    struct aggregate_options options = {.threads = 0};
    MUST_BE_OK(aggregate(&result, &w->el->ctx, whole_path(w, "exports"), whole_path(w, "work"),
                         whole_path(w, "work/records"), &options, NULL, &fault));
}

void whole_plan(struct whole *w)
{
    struct fault fault;
    struct node_provider nodes;
    struct cbor_out bytes = CBOR_OUT_INIT;
    hash_t id;
    node_provider_dir(&nodes, whole_path(w, "work/records"));
    MUST_BE_OK(plan_make(&bytes, &id, &w->el->ctx, &nodes, NULL, &fault));
    MUST_BE_OK(file_write(whole_path(w, "work/plan.cbor"), bytes.data, bytes.len, FILE_NEW, &fault));
    MUST_BE_OK(plan_parse_var(&w->plan, &w->el->ctx, bytes.data, bytes.len, &fault));
    MUST_BE_OK(plan_targets(&w->target, &w->el->ctx, w->plan));
    w->plan_file = (struct plan_file){.id = id, .bytes = {bytes.data, bytes.len}}; /* kept */
}

void whole_decrypt(struct whole *w)
{
    struct fault fault;
    struct combination *c;
    struct cbor_out bytes = CBOR_OUT_INIT;
    for (int i = WHOLE_N - WHOLE_T; i < WHOLE_N; i++) {
        MUST_BE_OK(plan_sign(&w->trustee[i], w->el->r, &w->plan_file, NULL, 0, &fault));
        MUST_BE_OK(
            decrypt_make(&w->trustee[i], w->el->r, &w->plan_file, w->target, w->plan->unit_count, &fault));
    }
    MUST_BE_OK(combine_partials_var(&c, w->el->m, w->el->r, w->b, &w->plan->id, w->target,
                                    w->plan->unit_count, NULL, &fault));
    result_write(&bytes, c->result);
    MUST_BE_OK(file_write(whole_path(w, "work/result.cbor"), bytes.data, bytes.len, FILE_NEW, &fault));
    cbor_out_free(&bytes);
    combination_free(c);
}

void whole_new(struct whole *w, uint64_t ballots)
{
    whole_open(w, NULL);
    write_election(w);
    assert_err(simulate_totals_new(&w->totals, w->el->m), OK);
    vote(w, "a1", ballots);
    vote(w, "a2", ballots);
    vote(w, "b1", ballots);
    add_up(w);
    whole_plan(w);
    whole_decrypt(w);
}

void whole_free(struct whole *w)
{
    if (w->plan != NULL)
        plan_targets_free(w->target, w->plan->unit_count);
    plan_free(w->plan);
    free((void *)(uintptr_t)w->plan_file.bytes.data);
    simulate_totals_free(w->totals);
    for (int i = 0; i < WHOLE_N; i++)
        softkeys_free(w->token[i]);
    board_free(w->b);
    bundle_election_free(w->el);
    group_free(w->g);
    tree_rm(w->dir);
}
