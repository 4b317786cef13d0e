#include "tests/support/tree.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/ballot_form.h"

#define OK_OR_FAIL(call)                                                                                     \
    do {                                                                                                     \
        struct fault fault_, *fp_ = &fault_;                                                                 \
        fault_clear(fp_);                                                                                    \
        err_t e_ = (call);                                                                                   \
        if (e_ != OK) {                                                                                      \
            char text_[1200];                                                                                \
            fault_text(text_, sizeof text_, fp_);                                                            \
            fail_msg("%s: %s: %s", #call, err_name(e_), text_);                                              \
        }                                                                                                    \
    } while (0)

static const char rows_default[] = "whole,nation,,Whole,,\n"
                                   "a,county,whole,A,,\nb,county,whole,B,,\n"
                                   "a1,precinct,a,A1,both,\na2,precinct,a,A2,both,\na3,precinct,a,A3,one,\n"
                                   "b1,precinct,b,B1,both,\nb2,precinct,b,B2,one,\nb3,precinct,b,B3,one,\n";

static const char manifest_format[] =
    "{\"conclave\": 1, \"scheme\": \"p256-elgamal\", \"kind\": \"%s\", \"title\": \"Test\",\n"
    " \"date\": \"2028-02-29\",\n"
    " \"trustees\": {\"n\": 3, \"t\": 2, \"rehearsal\": true}, \"levels\": %s,\n"
    " \"jurisdictions\": {\"file\": \"jurisdictions.csv\", \"sha256\": \"%s\"},\n"
    " \"contests\": [{\"id\": \"mayor\", \"title\": \"Mayor\", \"limit\": 1, \"options\": [{\"id\": \"x\", "
    "\"title\": \"X\"}, {\"id\": \"y\", \"title\": \"Y\"}%s]}, "
    "{\"id\": \"judge\", \"title\": \"Judge\", \"limit\": 1, "
    "\"options\": [{\"id\": \"yes\", \"title\": \"Yes\"}]}],\n"
    " \"styles\": [{\"id\": \"one\", \"contests\": [\"mayor\"]}, "
    "{\"id\": \"both\", \"contests\": [\"mayor\", "
    "\"judge\"]}],\n"
    " \"decryption\": {\"levels\": %s, \"minimum\": %u}, \"duplicate_ballots\": \"%s\"%s}\n";

const char *tree_path(const struct tree *t, char out[256], const char *a, const char *b)
{
    snprintf(out, 256, "%s/%s%s%s", t->dir, a, b ? "/" : "", b ? b : "");
    return out;
}

uint32_t tree_place(const struct tree *t, const char *id)
{
    int64_t i = places_find(t->places, id);
    assert_true(i >= 0);
    return (uint32_t)i;
}

static int rm_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void tree_rm(const char *path)
{
    nftw(path, rm_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Adds the column key: the root's, which all others inherit. */
static char *make_csv(const char *rows, const pubkey_t *key)
{
    char hex[2 * POINT_LEN + 1];
    size_t size = 3 * strlen(rows) + 256, at;
    char *csv = malloc(size);
    assert_non_null(csv);
    hex_put(hex, key->b, POINT_LEN);
    at = (size_t)snprintf(csv, size, "place,level,parent,title,styles,group,key\n");
    for (int first = 1; *rows; first = 0) {
        const char *end = strchr(rows, '\n');
        at += (size_t)snprintf(csv + at, size - at, "%.*s,%s\n", (int)(end - rows), rows, first ? hex : "");
        rows = end + 1;
    }
    return csv;
}

static void make_key(struct tree *t, struct group *g)
{
    char path[256];
    scalar_set(&t->secret, 4711);
    memset(&t->r, 0, sizeof t->r);
    t->r.election = t->m->election;
    t->r.scheme = SCHEME_P256_ELGAMAL;
    t->r.n = 3;
    t->r.t = 2;
    hash_one(&t->r.id, "record", 6);
    OK_OR_FAIL(point_mul_base(g, &t->r.Y, &t->secret));
    t->ctx = (struct election_context){t->m, t->places, &t->r};
    OK_OR_FAIL(signkey_open(&t->key, tree_path(t, path, "key", NULL), "", 0, &fault_));
    OK_OR_FAIL(ballot_maker_new(&t->maker, &t->ctx));
}

void tree_new(struct tree *t, const struct tree_shape *shape)
{
    struct group *g;
    pubkey_t key;
    hash_t h;
    char path[256], hex[2 * HASH_LEN + 1], json[4096];
    memset(t, 0, sizeof *t);
    OK_OR_FAIL(secret_init());
    snprintf(t->dir, sizeof t->dir, "/tmp/conclave-tree-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    OK_OR_FAIL(signkey_new(&key, tree_path(t, path, "key", NULL), SIGNKEY_REHEARSAL, "", 0, &fault_));
    char *csv = make_csv(shape->rows ? shape->rows : rows_default, &key);
    hash_one(&h, csv, strlen(csv));
    hex_put(hex, h.b, HASH_LEN);
    int len = snprintf(json, sizeof json, manifest_format, shape->kind == KIND_IMPORT ? "import" : "ballots",
                       shape->levels ? shape->levels : "[\"nation\", \"county\", \"precinct\"]", hex,
                       shape->options ? shape->options : "",
                       shape->decrypt ? shape->decrypt : "[\"nation\", \"county\", \"precinct\"]",
                       shape->minimum ? shape->minimum : 10, shape->duplicates ? shape->duplicates : "first",
                       shape->kind == KIND_IMPORT ? ", \"import\": {\"bits\": 8}" : "");
    OK_OR_FAIL(manifest_parse(&t->m, (const uint8_t *)json, (size_t)len, &fault_));
    OK_OR_FAIL(places_parse(&t->places, t->m, (const uint8_t *)csv, strlen(csv), &fault_));
    free(csv);
    OK_OR_FAIL(group_new(&g));
    make_key(t, g);
    group_free(g);
    OK_OR_FAIL(file_mkdir(tree_path(t, path, "exports", NULL), &fault_));
}

void tree_free(struct tree *t)
{
    ballot_maker_free(t->maker);
    signkey_close(t->key);
    places_free(t->places);
    manifest_free(t->m);
    tree_rm(t->dir);
}

/* --- real ballots --- */

void tree_cast(struct tree *t, struct tree_box *box, const char *place, const char *style, const char *option,
               size_t n)
{
    struct selection s = {"mayor", 1, &option};
    for (size_t i = 0; i < n; i++) {
        assert_true(box->count < 128);
        OK_OR_FAIL(ballot_make(t->maker, &box->ballot[box->count], &box->info[box->count],
                               tree_place(t, place), style, &s, option ? 1 : 0, NULL, &fault_));
        box->count++;
    }
}

void tree_cast_key(struct tree *t, struct tree_box *box, const char *place, unsigned key)
{
    struct zero_one_state state[3];
    struct elgamal sum;
    struct ballot *b;
    scalar_t r[3], sk, nonce;
    size_t at = box->count++;
    OK_OR_FAIL(ballot_alloc(&b, &t->ctx, tree_place(t, place), (uint32_t)manifest_style(t->m, "one")));
    struct ballot_vote *v = &b->vote[0];
    struct zero_one *proof[3] = {&v->proof[0], &v->proof[1], &v->sum_zero_one};
    for (unsigned i = 0; i < 2; i++) {
        scalar_random(&r[i]);
        OK_OR_FAIL(elgamal_encrypt(t->maker->key, &v->ct[i], i == 0, &r[i]));
        OK_OR_FAIL(zero_one_commit(t->maker->key, proof[i], &state[i], i == 0, &r[i], &v->ct[i]));
    }
    scalar_add(&r[2], &r[0], &r[1]);
    OK_OR_FAIL(elgamal_encrypt(t->maker->key, &sum, 1, &r[2]));
    OK_OR_FAIL(zero_one_commit(t->maker->key, proof[2], &state[2], 1, &r[2], &sum));
    scalar_set(&sk, key);
    scalar_random(&nonce);
    OK_OR_FAIL(point_mul_base(t->maker->g, &b->pk, &sk));
    OK_OR_FAIL(point_mul_base(t->maker->g, &b->id_commitment, &nonce));
    OK_OR_FAIL(ballot_challenge(&t->ctx, b));
    for (unsigned i = 0; i < 3; i++)
        zero_one_respond(proof[i], &state[i], &b->c);
    scalar_mul(&b->id_response, &b->c, &sk);
    scalar_add(&b->id_response, &b->id_response, &nonce);
    OK_OR_FAIL(ballot_id(&box->info[at].id, &t->m->election, &b->pk));
    ballot_put(&box->ballot[at], &t->ctx, b);
    ballot_free(b);
}

void tree_box_free(struct tree_box *box)
{
    for (size_t i = 0; i < box->count; i++)
        cbor_out_free(&box->ballot[i]);
    memset(box, 0, sizeof *box);
}

/* Sorted by id within batches of 100. */
static void order_of(size_t *order, const struct tree_box *box)
{
    for (size_t i = 0; i < box->count; i++) {
        size_t at = i;
        for (; at > i / BALLOT_BATCH * BALLOT_BATCH &&
               hash_cmp(&box->info[order[at - 1]].id, &box->info[i].id) > 0;
             at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static void export_box(struct tree *t, const char *name, const char *place, const struct tree_box *box,
                       const struct tallies *tallies, uint64_t revision, const hash_t *replaces, hash_t *id)
{
    struct export_writer *w;
    char path[256];
    size_t order[128];
    order_of(order, box);
    tree_path(t, path, "exports", name);
    OK_OR_FAIL(export_writer_open(&w, &t->ctx, tree_place(t, place), path, &fault_));
    for (size_t i = 0; i < box->count; i++)
        OK_OR_FAIL(export_writer_item(w, box->ballot[order[i]].data, box->ballot[order[i]].len, &fault_));
    OK_OR_FAIL(
        export_writer_finish(w, id, tallies, revision, replaces, 500000, signkey_signer(t->key), &fault_));
}

void tree_export(struct tree *t, const char *name, const char *place, const struct tree_box *box,
                 uint64_t revision, const hash_t *replaces, hash_t *id)
{
    struct tallies *sums;
    OK_OR_FAIL(tallies_new(&sums, &t->ctx, tree_place(t, place)));
    for (size_t i = 0; i < box->count; i++) {
        struct ballot *b;
        OK_OR_FAIL(ballot_parse_var(&b, &t->ctx, box->ballot[i].data, box->ballot[i].len, &fault_));
        OK_OR_FAIL(tallies_add_ballot_var(sums, b));
        ballot_free(b);
    }
    export_box(t, name, place, box, sums, revision, replaces, id);
    tallies_free(sums);
}

void tree_export_tallies(struct tree *t, const char *name, const char *place, const struct tree_box *box,
                         const struct tallies *tallies, hash_t *id)
{
    export_box(t, name, place, box, tallies, 0, NULL, id);
}

/* --- made-up records --- */

static void put_record(struct tree *t, const char *name, const struct node *n, hash_t *hash)
{
    struct cbor_out o = CBOR_OUT_INIT;
    char dir[256], path[4096];
    tree_path(t, dir, name, NULL);
    OK_OR_FAIL(node_encode(&o, hash, &t->ctx, n));
    OK_OR_FAIL(node_path(path, sizeof path, &t->ctx, dir, n->place));
    OK_OR_FAIL(file_write(path, o.data, o.len, FILE_REPLACE, &fault_));
    cbor_out_free(&o);
}

static void make_dirs(struct tree *t, const char *name)
{
    for (size_t i = 0; i < t->m->level_count; i++) {
        char dir[256], path[512];
        snprintf(path, sizeof path, "%s/%s", tree_path(t, dir, name, NULL), t->m->level[i]);
        OK_OR_FAIL(file_mkdir(path, &fault_));
    }
}

/* Sums that depend on place, contest, number of ballots and salt; not the identity if there are ballots. */
static void make_up(struct tally *s, uint64_t ballots, uint32_t place, unsigned salt)
{
    struct p256_affine g;
    s->ballots = ballots;
    if (!ballots)
        return;
    p256_generator(&g);
    for (size_t o = 0; o < 2 * s->option_count; o++) {
        scalar_t k;
        scalar_set(&k, 1 + o + 10 * s->contest + 100 * place + 100000 * ballots + 10000000000 * salt);
        OK_OR_FAIL(p256_mul_var(o < s->option_count ? &s->A[o] : &s->B[o - s->option_count], &k, &g));
    }
}

static void make_lowest(struct node *n, const struct tree_votes *v, const char *id)
{
    if (v && v->absent) {
        n->missing = malloc(sizeof *n->missing);
        assert_non_null(n->missing);
        n->missing[0] = n->place;
        n->missing_count = n->missing_cap = 1;
        return;
    }
    n->source = calloc(1, sizeof *n->source);
    assert_non_null(n->source);
    n->source[0].place = n->place;
    hash_one(&n->source[0].hash, id, strlen(id));
    n->source_count = n->source_cap = 1;
    for (size_t i = 0; v && i < n->tallies->count; i++) {
        struct tally *s = &n->tallies->tally[i];
        make_up(s, s->contest == 0 ? v->mayor : v->judge, n->place, v->salt);
        if (s->ballots > n->ballots)
            n->ballots = s->ballots;
    }
}

static struct node *read_record(struct tree *t, const char *name, uint32_t place)
{
    char dir[256], path[4096];
    uint8_t *data;
    size_t len;
    struct node *n;
    tree_path(t, dir, name, NULL);
    OK_OR_FAIL(node_path(path, sizeof path, &t->ctx, dir, place));
    OK_OR_FAIL(file_read(&data, &len, path, NODE_MAX, &fault_));
    OK_OR_FAIL(node_parse_var(&n, &t->ctx, place, data, len, &fault_));
    free(data);
    return n;
}

/* votes NULL: lowest-level records are there already. */
static struct node *build(struct tree *t, const char *name, const struct tree_votes *votes, uint32_t place,
                          hash_t *hash)
{
    struct node *n;
    struct place p;
    places_get(t->places, place, &p);
    if (p.level + 1 == t->m->level_count && !votes) {
        n = read_record(t, name, place);
        put_record(t, name, n, hash);
        return n;
    }
    OK_OR_FAIL(node_new(&n, &t->ctx, place));
    if (p.level + 1 == t->m->level_count) {
        const struct tree_votes *v = votes;
        while (v->place && strcmp(v->place, p.id) != 0)
            v++;
        make_lowest(n, v->place ? v : NULL, p.id);
    }
    for (int64_t c = places_first_child(t->places, place); c >= 0;
         c = places_next_sibling(t->places, (uint32_t)c)) {
        hash_t h;
        struct node *child = build(t, name, votes, (uint32_t)c, &h);
        OK_OR_FAIL(node_add(n, &t->ctx, child, &h));
        node_free(child);
    }
    put_record(t, name, n, hash);
    return n;
}

void tree_records(struct tree *t, const char *name, const struct tree_votes *votes, hash_t *root)
{
    hash_t h;
    make_dirs(t, name);
    node_free(build(t, name, votes, 0, &h));
    if (root)
        *root = h;
}

void tree_alter(struct tree *t, const char *name, const char *place,
                void (*change)(const struct tree *t, struct node *n, void *arg), void *arg)
{
    struct node *n = read_record(t, name, tree_place(t, place));
    change(t, n, arg);
    hash_t h;
    put_record(t, name, n, &h);
    node_free(n);
}

void tree_repair(struct tree *t, const char *name)
{
    hash_t h;
    node_free(build(t, name, NULL, 0, &h));
}
