#include "tests/support/ballots.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "tally/ballot_form.h"

static const char rows[] = "place,level,parent,title,styles,group,key\n"
                           "land,land,,Land,,,\n"
                           "east,county,land,East,,,%s\n"
                           "e-1,precinct,east,East 1,town rural small,,\n"
                           "e-2,precinct,east,East 2,rural,,\n"
                           "west,county,land,West,,,\n"
                           "w-1,precinct,west,West 1,town,,%s\n"
                           "w-2,precinct,west,West 2,town,,\n";

static const char election[] =
    "{\"conclave\":1,\"scheme\":\"p256-elgamal\",\"kind\":\"%s\",\"title\":\"%s\",\"date\":\"2028-11-07\","
    "\"trustees\":{\"n\":3,\"t\":2},\"levels\":[\"land\",\"county\",\"precinct\"],"
    "\"jurisdictions\":{\"file\":\"j.csv\",\"sha256\":\"%s\"},\"contests\":["
    "{\"id\":\"mayor\",\"title\":\"Mayor\",\"limit\":1,\"options\":[{\"id\":\"a\",\"title\":\"A\"},"
    "{\"id\":\"b\",\"title\":\"B\"},{\"id\":\"c\",\"title\":\"C\"},"
    "{\"id\":\"w\",\"title\":\"Write-in\",\"write_in\":true}]},"
    "{\"id\":\"council\",\"title\":\"Council\",\"limit\":3,\"options\":[{\"id\":\"p\",\"title\":\"P\"},"
    "{\"id\":\"q\",\"title\":\"Q\"},{\"id\":\"r\",\"title\":\"R\"},{\"id\":\"s\",\"title\":\"S\"},"
    "{\"id\":\"t\",\"title\":\"T\"}]},"
    "{\"id\":\"school\",\"title\":\"School\",\"limit\":1,\"options\":[{\"id\":\"yes\",\"title\":\"Yes\"},"
    "{\"id\":\"no\",\"title\":\"No\"}]}],"
    "\"styles\":[{\"id\":\"town\",\"contests\":[\"mayor\",\"council\",\"school\"]},"
    "{\"id\":\"rural\",\"contests\":[\"mayor\",\"school\"]},{\"id\":\"small\",\"contests\":[\"mayor\"]}],"
    "\"decryption\":{\"levels\":[\"land\"],\"minimum\":2},\"duplicate_ballots\":\"first\"%s}";

const char *fixture_path(struct fixture *x, const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *p = path[turn++ % 4];
    assert_true(snprintf(p, sizeof path[0], "%s/%s", x->dir, name) < (int)sizeof path[0]);
    return p;
}

static struct signkey *make_key(struct fixture *x, const char *name, char hex[67])
{
    struct signkey *k;
    struct fault f;
    pubkey_t key;
    assert_int_equal(signkey_new(&key, fixture_path(x, name), SIGNKEY_REHEARSAL, "pass", 4, &f), OK);
    assert_int_equal(signkey_open(&k, fixture_path(x, name), "pass", 4, &f), OK);
    hex_put(hex, key.b, POINT_LEN);
    return k;
}

static void make_election(struct fixture *x, enum election_kind kind, const char *title, const char *east,
                          const char *west, const char *more)
{
    char text[8192], table[2048], hex[65];
    struct fault f;
    hash_t h;
    int n = snprintf(table, sizeof table, rows, east, west);
    hash_one(&h, table, (size_t)n);
    hex_put(hex, h.b, HASH_LEN);
    snprintf(text, sizeof text, election, kind == KIND_IMPORT ? "import" : "ballots", title, hex,
             kind == KIND_IMPORT ? ",\"import\":{\"bits\":16}" : more);
    assert_int_equal(manifest_parse(&x->m, (const uint8_t *)text, strlen(text), &f), OK);
    err_t e = places_parse(&x->places, x->m, (const uint8_t *)table, (size_t)n, &f);
    if (e != OK)
        fail_msg("places: %s", f.detail);
}

/* The key `chains`, and its keys. */
static void make_chains(struct fixture *x, char *out, size_t out_len)
{
    static const char *const names[] = {"v0.key", "v1.key", "v2.key"};
    char key[67], envelope[67], v[3][67];
    x->chain = make_key(x, "chain.key", key);
    x->envelope = make_key(x, "envelope.key", envelope);
    for (size_t i = 0; i < 3; i++)
        x->validator[i] = make_key(x, names[i], v[i]);
    snprintf(
        out, out_len,
        ",\"chains\":[{\"id\":\"home\",\"title\":\"From home\",\"places\":[\"e-2\",\"w-1\"],\"key\":\"%s\","
        "\"envelope\":\"%s\",\"validators\":[\"%s\",\"%s\",\"%s\"],\"quorum\":2},"
        "{\"id\":\"abroad\",\"title\":\"From "
        "abroad\",\"places\":[\"w-2\"],\"key\":\"%s\",\"envelope\":\"%s\","
        "\"validators\":[\"%s\"],\"quorum\":1}]",
        key, envelope, v[0], v[1], v[2], key, envelope, v[0]);
}

static struct fixture *make(enum election_kind kind, const char *title, int chains)
{
    char east[67], west[67], more[2048] = "";
    assert_int_equal(secret_init(), OK);
    struct fixture *x = calloc(1, sizeof *x);
    assert_non_null(x);
    snprintf(x->dir, sizeof x->dir, "/tmp/conclave-test-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    assert_int_equal(group_new(&x->g), OK);
    x->east = make_key(x, "east.key", east);
    x->west = make_key(x, "west.key", west);
    if (chains)
        make_chains(x, more, sizeof more);
    make_election(x, kind, title, east, west, more);
    x->r = calloc(1, sizeof *x->r);
    assert_non_null(x->r);
    random_bytes(x->r->id.b, HASH_LEN);
    x->r->election = x->m->election;
    x->r->scheme = SCHEME_P256_ELGAMAL;
    x->r->n = x->r->t = 1;
    scalar_random(&x->secret);
    assert_int_equal(point_mul_base(x->g, &x->r->Y, &x->secret), OK);
    x->ctx = (struct election_context){x->m, x->places, x->r};
    assert_int_equal(ballot_maker_new(&x->maker, &x->ctx), OK);
    x->land = fixture_place(x, "land");
    x->e1 = fixture_place(x, "e-1");
    x->e2 = fixture_place(x, "e-2");
    x->w1 = fixture_place(x, "w-1");
    return x;
}

struct fixture *fixture_new(enum election_kind kind)
{
    return make(kind, "Test", 0);
}

struct fixture *fixture_other(enum election_kind kind)
{
    return make(kind, "Other", 0);
}

struct fixture *fixture_chain_new(void)
{
    return make(KIND_BALLOTS, "Test", 1);
}

struct fixture *fixture_chain_other(void)
{
    return make(KIND_BALLOTS, "Other", 1);
}

static int unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fixture_free(struct fixture *x)
{
    ballot_maker_free(x->maker);
    signkey_close(x->east);
    signkey_close(x->west);
    signkey_close(x->chain);
    signkey_close(x->envelope);
    for (size_t i = 0; i < 3; i++)
        signkey_close(x->validator[i]);
    free(x->r);
    places_free(x->places);
    manifest_free(x->m);
    group_free(x->g);
    nftw(x->dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
    free(x);
}

uint32_t fixture_place(const struct fixture *x, const char *id)
{
    int64_t i = places_find(x->places, id);
    assert_true(i >= 0);
    return (uint32_t)i;
}

void fixture_ballot(struct fixture *x, struct cbor_out *out, struct ballot_info *info, uint32_t place,
                    const char *style, const char *choices)
{
    struct selection sel[8] = {0};
    const char *option[8][8];
    char text[256], *outer, *inner;
    size_t count = 0;
    snprintf(text, sizeof text, "%s", choices);
    for (char *word = strtok_r(text, " ", &outer); word; word = strtok_r(NULL, " ", &outer)) {
        char *equal = strchr(word, '=');
        assert_non_null(equal);
        *equal = '\0';
        sel[count].contest = word;
        sel[count].option = option[count];
        for (char *o = strtok_r(equal + 1, ",", &inner); o; o = strtok_r(NULL, ",", &inner))
            option[count][sel[count].option_count++] = o;
        count++;
    }
    struct fault f;
    fault_clear(&f);
    err_t e = ballot_make(x->maker, out, info, place, style, sel, count, NULL, &f);
    if (e != OK)
        fail_msg("ballot: %s %s", err_name(e), f.detail);
}

struct ballot *fixture_parse(struct fixture *x, const struct cbor_out *bytes)
{
    struct ballot *b;
    struct fault f;
    err_t e = ballot_parse_var(&b, &x->ctx, bytes->data, bytes->len, &f);
    if (e != OK)
        fail_msg("ballot: %s %s at %lld", err_name(e), f.detail, f.at);
    return b;
}

int64_t fixture_decrypt(struct fixture *x, const struct tallies *t, const char *contest, size_t option)
{
    struct dlog *d;
    uint64_t v = 0;
    point_t A, B;
    struct p256_affine a;
    struct p256_jacobian j;
    const struct tally *tally = tallies_find(t, (uint32_t)manifest_contest(x->m, contest));
    assert_non_null(tally);
    p256_compress_var(&A, &tally->A[option]);
    p256_compress_var(&B, &tally->B[option]);
    assert_int_equal(point_mul(x->g, &A, &x->secret, &A), OK);
    assert_int_equal(point_sub(x->g, &B, &B, &A), OK);
    assert_int_equal(p256_decompress_sum_var(&a, &B), OK);
    p256_from_affine(&j, &a);
    assert_int_equal(dlog_new(&d, 100000), OK);
    err_t e = dlog_find_var(d, &v, &j, 100000);
    dlog_free(d);
    return e == OK ? (int64_t)v : -1;
}

/* --- forging --- */

static void scalar_of(scalar_t *out, int v)
{
    scalar_set(out, (uint64_t)(v < 0 ? -v : v));
    if (v < 0)
        scalar_neg(out, out);
}

static void encrypt_any(struct fixture *x, struct elgamal *ct, int v, const scalar_t *r)
{
    scalar_t s;
    scalar_of(&s, v);
    assert_int_equal(point_mul_base(x->g, &ct->A, r), OK);
    assert_int_equal(point_mul2(x->g, &ct->B, &s, r, &x->r->Y), OK);
}

void fixture_encode(struct fixture *x, struct cbor_out *out, const struct ballot *b)
{
    ballot_put(out, &x->ctx, b);
    assert_int_equal(out->err, OK);
}

#define FORGE_MAX 64

void fixture_forge(struct fixture *x, struct cbor_out *out, uint32_t place, const char *style,
                   const int *value)
{
    fixture_forge_key(x, out, place, style, value, 0);
}

void fixture_forge_key(struct fixture *x, struct cbor_out *out, uint32_t place, const char *style,
                       const int *value, uint64_t key)
{
    struct ballot *b;
    struct zero_one_state state[FORGE_MAX], sum_state[8];
    struct exact_state exact[8];
    scalar_t sk, w, r;
    size_t at = 0;
    assert_int_equal(ballot_alloc(&b, &x->ctx, place, (uint32_t)manifest_style(x->m, style)), OK);
    scalar_random(&sk);
    if (key)
        scalar_set(&sk, key);
    scalar_random(&w);
    assert_int_equal(point_mul_base(x->g, &b->pk, &sk), OK);
    assert_int_equal(point_mul_base(x->g, &b->id_commitment, &w), OK);
    for (size_t i = 0; i < b->vote_count; i++) {
        struct ballot_vote *v = &b->vote[i];
        scalar_t sum_r;
        struct elgamal sum;
        int total = 0;
        scalar_set(&sum_r, 0);
        for (size_t k = 0; k < v->cipher_count; k++, at++) {
            uint32_t claimed = value[at] == 1;
            scalar_random(&r);
            encrypt_any(x, &v->ct[k], value[at], &r);
            assert_int_equal(zero_one_commit(x->maker->key, &v->proof[k], &state[at], claimed, &r, &v->ct[k]),
                             OK);
            scalar_add(&sum_r, &sum_r, &r);
            total += value[at];
        }
        encrypt_any(x, &sum, total, &sum_r);
        if (v->limit > 1)
            assert_int_equal(exact_commit(x->maker->key, &v->sum_exact, &exact[i], &sum_r), OK);
        else
            assert_int_equal(
                zero_one_commit(x->maker->key, &v->sum_zero_one, &sum_state[i], total == 1, &sum_r, &sum),
                OK);
    }
    assert_int_equal(ballot_challenge(&x->ctx, b), OK);
    at = 0;
    for (size_t i = 0; i < b->vote_count; i++) {
        struct ballot_vote *v = &b->vote[i];
        for (size_t k = 0; k < v->cipher_count; k++, at++)
            zero_one_respond(&v->proof[k], &state[at], &b->c);
        if (v->limit > 1)
            exact_respond(&v->sum_exact, &exact[i], &b->c);
        else
            zero_one_respond(&v->sum_zero_one, &sum_state[i], &b->c);
    }
    scalar_mul(&r, &b->c, &sk);
    scalar_add(&b->id_response, &w, &r);
    fixture_encode(x, out, b);
    ballot_free(b);
}
