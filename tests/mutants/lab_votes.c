#include "tests/mutants/lab_parts.h"

#include <dirent.h>
#include <sys/stat.h>

#include "tally/ballot_form.h"
#include "tally/count.h"
#include "tests/support/unit.h"

uint32_t lab_place(const struct lab *l, const char *id)
{
    int64_t i = places_find(l->places, id);
    assert_true(i >= 0);
    return (uint32_t)i;
}

static struct lab_box *new_ballot(struct lab *l, const char *place)
{
    struct lab_box *b = &l->box[lab_place(l, place)];
    assert_true(b->count < LAB_BALLOTS_MAX);
    return b;
}

static void vote(struct lab *l, const char *place, const char *style, const char *mayor, const char *judge)
{
    struct fault fault_;
    struct lab_box *b = new_ballot(l, place);
    struct selection s[] = {{"mayor", mayor ? 1 : 0, &mayor}, {"judge", 1, &judge}};
    OK_OR_FAIL(ballot_make(l->maker, &b->ballot[b->count], &b->info[b->count], lab_place(l, place), style, s,
                           judge ? 2 : 1, NULL, &fault_));
    b->count++;
}

/* A ballot for mayor x with a one-time key that its maker uses twice: ballot_make never would. */
static void vote_with_key(struct lab *l, const char *place, const char *style, const scalar_t *sk)
{
    struct fault fault_;
    struct lab_box *box = new_ballot(l, place);
    struct ballot *b;
    struct zero_one_state state[4][3], *st;
    scalar_t w, t;
    OK_OR_FAIL(ballot_alloc(&b, &l->ctx, lab_place(l, place), (uint32_t)manifest_style(l->m, style)));
    scalar_random(&w);
    OK_OR_FAIL(point_mul_base(l->g, &b->pk, sk));
    OK_OR_FAIL(point_mul_base(l->g, &b->id_commitment, &w));
    for (size_t i = 0; i < b->vote_count; i++) {
        struct ballot_vote *v = &b->vote[i];
        struct elgamal sum;
        scalar_t r[3];
        assert_true(v->cipher_count == 2 && v->limit == 1);
        scalar_set(&r[2], 0);
        for (size_t k = 0; k < 2; k++) {
            scalar_random(&r[k]);
            OK_OR_FAIL(elgamal_encrypt(l->maker->key, &v->ct[k], k == 0, &r[k]));
            OK_OR_FAIL(zero_one_commit(l->maker->key, &v->proof[k], &state[i][k], k == 0, &r[k], &v->ct[k]));
            scalar_add(&r[2], &r[2], &r[k]);
        }
        OK_OR_FAIL(elgamal_encrypt(l->maker->key, &sum, 1, &r[2]));
        OK_OR_FAIL(zero_one_commit(l->maker->key, &v->sum_zero_one, &state[i][2], 1, &r[2], &sum));
    }
    OK_OR_FAIL(ballot_challenge(&l->ctx, b));
    for (size_t i = 0; i < b->vote_count; i++) {
        st = state[i];
        zero_one_respond(&b->vote[i].proof[0], &st[0], &b->c);
        zero_one_respond(&b->vote[i].proof[1], &st[1], &b->c);
        zero_one_respond(&b->vote[i].sum_zero_one, &st[2], &b->c);
    }
    scalar_mul(&t, &b->c, sk);
    scalar_add(&b->id_response, &w, &t);
    ballot_put(&box->ballot[box->count], &l->ctx, b);
    OK_OR_FAIL(ballot_id(&box->info[box->count].id, &l->m->election, &b->pk));
    box->count++;
    ballot_free(b);
    (void)fault_;
}

static void sort_box(struct lab_box *b)
{
    for (size_t i = 1; i < b->count; i++) /* counts have no ids: they stay */
        for (size_t k = i; k > 0 && hash_cmp(&b->info[k - 1].id, &b->info[k].id) > 0; k--) {
            struct cbor_out o = b->ballot[k];
            struct ballot_info info = b->info[k];
            b->ballot[k] = b->ballot[k - 1];
            b->info[k] = b->info[k - 1];
            b->ballot[k - 1] = o;
            b->info[k - 1] = info;
        }
}

void lab_recount(struct lab *l, struct lab_box *b)
{
    struct fault fault_;
    struct merkle tree;
    hash_t leaf;
    merkle_init(&tree);
    tallies_zero(b->tallies);
    for (size_t i = 0; i < b->count; i++) {
        struct ballot *x;
        merkle_leaf(&leaf, b->ballot[i].data, b->ballot[i].len);
        merkle_add(&tree, &leaf);
        if (l->import) {
            struct count *c;
            OK_OR_FAIL(count_parse_var(&c, &l->ctx, b->ballot[i].data, b->ballot[i].len, &fault_));
            OK_OR_FAIL(tallies_add_count_var(b->tallies, c));
            count_free(c);
            continue;
        }
        OK_OR_FAIL(ballot_parse_var(&x, &l->ctx, b->ballot[i].data, b->ballot[i].len, &fault_));
        OK_OR_FAIL(tallies_add_ballot_var(b->tallies, x));
        ballot_free(x);
    }
    merkle_root(&tree, &b->root);
}

void lab_add_votes(struct lab *l, size_t ballot, size_t option, int v)
{
    struct fault fault_;
    struct lab_box *b = &l->box[l->place];
    struct ballot *x;
    scalar_t k;
    point_t extra;
    OK_OR_FAIL(ballot_parse_var(&x, &l->ctx, b->ballot[ballot].data, b->ballot[ballot].len, &fault_));
    scalar_set(&k, (uint64_t)(v < 0 ? -v : v));
    if (v < 0)
        scalar_neg(&k, &k);
    OK_OR_FAIL(point_mul_base(l->g, &extra, &k));
    point_t *B = &x->vote[0].ct[option].B;
    OK_OR_FAIL(point_add(l->g, B, B, &extra));
    cbor_out_free(&b->ballot[ballot]);
    ballot_put(&b->ballot[ballot], &l->ctx, x);
    ballot_free(x);
    lab_recount(l, b);
}

/* --- exports --- */

static void write_export(struct lab *l, hash_t *id)
{
    struct fault fault_;
    struct lab_box *b = &l->box[l->place];
    struct place p;
    struct cbor_out o = CBOR_OUT_INIT;
    char name[128];
    hash_t older;
    struct signer s = softkeys_signer(l->official, 0);
    struct export_content content = {l->place, b->count, b->root, b->tallies};
    memset(older.b, 0x5a, HASH_LEN);
    places_get(l->places, l->place, &p);
    OK_OR_FAIL(export_header_make(&o, id, &l->ctx, &content, b->revision, b->revision ? &older : NULL, 500000,
                                  &s, &fault_));
    for (size_t i = 0; i < b->count; i++)
        cbor_put_bytes(&o, b->ballot[i].data, b->ballot[i].len);
    snprintf(name, sizeof name, "exports/%s.cexp", p.id);
    lab_write(l, name, o.data, o.len);
    cbor_out_free(&o);
}

/* --- the chain --- */

static void chain_files(struct lab *l, const char *inside)
{
    char path[600], name[300];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", l->dir, inside);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *x; (x = readdir(d)) != NULL;) {
        if (x->d_name[0] == '.')
            continue;
        assert_true(snprintf(name, sizeof name, "%s/%s", inside, x->d_name) < (int)sizeof name);
        assert_true(snprintf(path, sizeof path, "%s/%s", l->dir, name) < (int)sizeof path);
        assert_int_equal(stat(path, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            chain_files(l, name);
            continue;
        }
        size_t len;
        uint8_t *data = lab_read(l, name, &len);
        lab_write(l, name, data, len);
        free(data);
    }
    closedir(d);
}

/* Writes the chain again, and the names of its files. */
static void write_chain(struct lab *l)
{
    char path[600];
    snprintf(path, sizeof path, "%s/chains", l->dir);
    mkdir(path, 0755);
    for (size_t i = l->file_count; i-- > 0;)
        if (strncmp(l->file[i], LAB_CHAIN_DIR "/", strlen(LAB_CHAIN_DIR) + 1) == 0)
            lab_forget(l, l->file[i]);
    snprintf(path, sizeof path, "%s/" LAB_CHAIN_DIR, l->dir);
    chain_maker_write(&l->chain, path);
    chain_files(l, LAB_CHAIN_DIR);
}

static void swap_ballots(struct lab_box *b, size_t i, size_t k)
{
    struct cbor_out o = b->ballot[i];
    struct ballot_info info = b->info[i];
    b->ballot[i] = b->ballot[k];
    b->info[i] = b->info[k];
    b->ballot[k] = o;
    b->info[k] = info;
}

/* The last two ballots are of different halves. */
static void order_ballots(struct lab *l, struct lab_box *b)
{
    size_t last = b->count - 1;
    int want = !(b->info[last].id.b[0] >> 7);
    for (;;) {
        for (size_t i = 0; i < last; i++)
            if (b->info[i].id.b[0] >> 7 == want) {
                swap_ballots(b, i, last - 1);
                return;
            }
        swap_ballots(b, 0, last); /* all of one half: another one for the first */
        cbor_out_free(&b->ballot[last]);
        b->count--;
        vote(l, "c1", "both", "x", "yes");
        swap_ballots(b, 0, last);
    }
}

/* Shard "", in two blocks of two ballots, then split; its halves have the rest. */
static void make_chain(struct lab *l)
{
    struct lab_box *b = &l->box[lab_place(l, "c1")];
    struct chain_maker *mk = &l->chain;
    chain_context_init(&l->chain_ctx, &l->ctx, 0);
    order_ballots(l, b);
    for (size_t i = 0; i < 4; i++)
        l->chain_signer[i] = softkeys_signer(l->official, i ? i + 2 : 1);
    chain_maker_init(mk, &l->chain_ctx, &l->chain_signer[0]);
    mk->validator[0] = &l->chain_signer[1];
    mk->validator[1] = &l->chain_signer[2];
    size_t first = chain_maker_shard(mk, "", CHAIN_SPLIT);
    chain_maker_shard(mk, "0", CHAIN_CLOSED);
    chain_maker_shard(mk, "1", CHAIN_CLOSED);
    for (size_t i = 0; i < b->count; i++) {
        if (i < 4)
            chain_maker_put_to(mk, first, b->ballot[i].data, b->ballot[i].len);
        else
            chain_maker_put(mk, b->ballot[i].data, b->ballot[i].len);
        if (i == 1 || i == 3)
            chain_maker_block(mk, first);
    }
    for (size_t i = 1; i < 3; i++)
        chain_maker_block(mk, i);
    l->hook(l, LAB_CHAIN);
    write_chain(l);
    l->hook(l, LAB_CHAIN_FILES);
}

static void chain_place(struct lab *l, struct node *n)
{
    struct fault fault_;
    const struct chain_row *row = &l->chain.made->sums->row[0];
    OK_OR_FAIL(tallies_add_var(n->tallies, row->t));
    n->source = calloc(1, sizeof *n->source);
    assert_non_null(n->source);
    n->source[0] = (struct node_source){n->place, l->chain.made->id};
    n->source_count = n->source_cap = 1;
    n->ballots = row->ballots;
    (void)fault_;
}

static void lowest(struct lab *l, struct node *n)
{
    struct fault fault_;
    struct lab_box *b = &l->box[n->place];
    if (places_chain(l->places, n->place) >= 0) {
        chain_place(l, n);
        return;
    }
    if (b->count == 0) {
        n->missing = calloc(1, sizeof *n->missing);
        assert_non_null(n->missing);
        n->missing[0] = n->place;
        n->missing_count = n->missing_cap = 1;
        return;
    }
    hash_t id;
    OK_OR_FAIL(tallies_new(&b->tallies, &l->ctx, n->place));
    sort_box(b);
    lab_recount(l, b);
    l->hook(l, LAB_EXPORT);
    /* The header says what the hook left; the record is made from the items as they are. */
    hash_t root = b->root;
    struct tallies *said;
    OK_OR_FAIL(tallies_copy(&said, b->tallies));
    lab_recount(l, b);
    OK_OR_FAIL(tallies_add_var(n->tallies, b->tallies));
    tallies_free(b->tallies);
    b->tallies = said;
    b->root = root;
    write_export(l, &id);
    n->source = calloc(1, sizeof *n->source);
    assert_non_null(n->source);
    n->source[0] = (struct node_source){n->place, id};
    n->source_count = n->source_cap = 1;
    n->ballots = l->import ? 0 : b->count;
    if (b->revision) {
        n->replaced = calloc(1, sizeof *n->replaced);
        assert_non_null(n->replaced);
        n->replaced_count = 1;
        memset(n->replaced[0].older.b, 0x5a, HASH_LEN);
        n->replaced[0].newer = id;
    }
    (void)fault_;
}

void lab_leave_out(struct lab *l, struct node *n, size_t ballot)
{
    struct fault fault_;
    const struct lab_box *box = &l->box[n->place];
    const struct cbor_out *bytes = &box->ballot[ballot];
    struct ballot *b;
    struct tallies *one;
    OK_OR_FAIL(ballot_parse_var(&b, &l->ctx, bytes->data, bytes->len, &fault_));
    OK_OR_FAIL(tallies_new(&one, &l->ctx, n->place));
    OK_OR_FAIL(tallies_add_ballot_var(one, b));
    OK_OR_FAIL(tallies_sub_var(n->tallies, one));
    tallies_free(one);
    ballot_free(b);
    n->dropped = calloc(1, sizeof *n->dropped);
    assert_non_null(n->dropped);
    n->dropped[0] = box->info[ballot].id;
    n->dropped_count = 1;
    n->ballots--;
}

/* b1 and c1 have a copy of an id of a1: they do not count. */
static void drop(struct lab *l, struct node *n)
{
    const struct lab_box *a = &l->box[lab_place(l, "a1")], *b = &l->box[n->place];
    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < a->count; k++) {
            if (l->import || l->keep_duplicate || hash_cmp(&a->info[k].id, &b->info[i].id) != 0)
                continue;
            lab_leave_out(l, n, i);
        }
}

static void write_node(struct lab *l, struct node *n)
{
    struct fault fault_;
    struct cbor_out o = CBOR_OUT_INIT;
    char path[512];
    l->place = n->place;
    l->node[n->place] = n;
    l->hook(l, LAB_NODE);
    OK_OR_FAIL(node_encode(&o, &l->node_hash[n->place], &l->ctx, n));
    OK_OR_FAIL(node_path(path, sizeof path, &l->ctx, "records", n->place));
    lab_write(l, path, o.data, o.len);
    cbor_out_free(&o);
    (void)fault_;
}

static void build(struct lab *l, uint32_t place)
{
    struct fault fault_;
    struct node *n;
    struct place p;
    OK_OR_FAIL(node_new(&n, &l->ctx, place));
    places_get(l->places, place, &p);
    for (int64_t c = places_first_child(l->places, place); c >= 0;
         c = places_next_sibling(l->places, (uint32_t)c)) {
        build(l, (uint32_t)c);
        OK_OR_FAIL(node_add(n, &l->ctx, l->node[c], &l->node_hash[c]));
    }
    l->place = place;
    if (p.level == 2)
        lowest(l, n);
    if (strcmp(p.id, "b1") == 0 || strcmp(p.id, "c1") == 0)
        drop(l, n);
    write_node(l, n);
    (void)fault_;
}

static void import(struct lab *l, const char *place, uint64_t x, uint64_t y, uint64_t yes, uint64_t no)
{
    struct fault fault_;
    const uint64_t mayor[] = {x, y}, judge[] = {yes, no};
    struct lab_box *b = new_ballot(l, place);
    OK_OR_FAIL(count_make(l->maker, &b->ballot[b->count++], lab_place(l, place), 0, mayor, 2, &fault_));
    if (yes + no > 0)
        OK_OR_FAIL(count_make(l->maker, &b->ballot[b->count++], lab_place(l, place), 1, judge, 2, &fault_));
}

void lab_ballots(struct lab *l)
{
    struct fault fault_;
    scalar_t twice;
    OK_OR_FAIL(ballot_maker_new(&l->maker, &l->ctx));
    scalar_random(&twice);
    l->box[lab_place(l, "b1")].revision = 1;
    if (l->import) {
        import(l, "a1", 7, 3, 4, 5);
        import(l, "a2", 0, 9, 9, 0);
        import(l, "b1", 6, 6, 0, 0);
        build(l, 0);
        return;
    }
    for (int i = 0; i < 5; i++) {
        vote(l, "a1", "both", i < 3 ? "x" : "y", i < 4 ? "yes" : "no");
        vote(l, "a2", "both", i < 1 ? "x" : i < 4 ? "y" : NULL, "no");
        vote(l, "b1", "one", i < 2 ? "x" : "y", NULL);
        vote(l, "c1", "both", i < 4 ? "x" : "y", i < 3 ? "yes" : "no");
    }
    vote(l, "c1", "both", "y", "no");
    vote_with_key(l, "a1", "both", &twice);
    vote_with_key(l, "b1", "one", &twice);
    vote_with_key(l, "c1", "both", &twice);
    make_chain(l);
    build(l, 0);
    (void)fault_;
}
