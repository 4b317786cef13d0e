/* Mutants of voting chains: what is wrong in an export, signed or not, and in the records of its places. */
#include <string.h>
#include <unistd.h>

#include "tally/chain_segment.h"
#include "tests/mutants/lab_parts.h"
#include "tests/mutants/mutants.h"
#include "tests/support/unit.h"

#define IN(name) LAB_CHAIN_DIR "/" name

static int at_chain_place(const struct lab *l, enum lab_stage s)
{
    return s == LAB_NODE && l->place == lab_place(l, "c1");
}

/* --- form --- */

static void extra_file(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PAGE)
        lab_write(l, IN("notes.txt"), "hello\n", 6);
}

/* The snapshot of another chain. */
static void other_chain(struct lab *l, enum lab_stage s)
{
    size_t len;
    if (s != LAB_PAGE)
        return;
    uint8_t *data = lab_read(l, IN("snapshot.cbor"), &len), *at = memmem(data, len, "\x63net", 4);
    assert_non_null(at);
    memcpy(at, "\x63ten", 4);
    lab_write(l, IN("snapshot.cbor"), data, len);
    free(data);
}

static void truncated(struct lab *l, enum lab_stage s)
{
    size_t len;
    if (s != LAB_PAGE)
        return;
    uint8_t *data = lab_read(l, IN("segments/s/00000000.zst"), &len);
    lab_write(l, IN("segments/s/00000000.zst"), data, len / 2);
    free(data);
}

/* A gigabyte of zeros in 32 KiB. */
static void bomb(struct lab *l, enum lab_stage s)
{
    static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x00, 0x00, 0x00, 0x40};
    struct cbor_out o = CBOR_OUT_INIT;
    if (s != LAB_PAGE)
        return;
    cbor_put_raw(&o, head, sizeof head);
    for (size_t i = 0; i < 8192; i++)
        cbor_put_raw(&o, i + 1 < 8192 ? "\x02\x00\x10\x00" : "\x03\x00\x10\x00", 4);
    lab_write(l, IN("segments/s/00000000.zst"), o.data, o.len);
    cbor_out_free(&o);
}

static void wrong_hint(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        l->chain.shard[0].ballot[1].hints[5] ^= 1;
}

/* --- quorum --- */

static void one_validator(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        l->chain.validator[1] = NULL;
}

static void kid_name(const struct lab *l, size_t validator, char out[256])
{
    hash_t kid;
    cose_kid(&kid, &l->chain_ctx.c->validator[validator]);
    memcpy(out, IN("finality/"), sizeof IN("finality/"));
    hex_put(out + strlen(out), kid.b, HASH_LEN);
    strcat(out, ".cose");
}

/* One of them twice, the second time under another's name. */
static void same_validator(struct lab *l, enum lab_stage s)
{
    char from[256], to[256];
    size_t len;
    one_validator(l, s);
    if (s != LAB_PAGE)
        return;
    kid_name(l, 0, from);
    kid_name(l, 2, to);
    uint8_t *data = lab_read(l, from, &len);
    lab_write(l, to, data, len);
    free(data);
}

static void still_open(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        l->chain.shard[2].state = CHAIN_OPEN;
}

/* --- headers --- */

static void skipped(struct lab *l, enum lab_stage s)
{
    size_t len, offset[8], count;
    if (s != LAB_PAGE)
        return;
    uint8_t *data = lab_read(l, IN("headers/s.cbor"), &len);
    chain_maker_items(data, len, offset, &count, 8);
    assert_int_equal(count, 2);
    lab_write(l, IN("headers/s.cbor"), data + offset[1], len - offset[1]);
    free(data);
}

/* Another header of the same height, signed by the chain, turned up. */
static void forked(struct lab *l, enum lab_stage s)
{
    struct fault fault_;
    struct cbor_out o = CBOR_OUT_INIT;
    char path[600];
    if (s != LAB_PAGE)
        return;
    struct chain_header h = l->chain.shard[0].last;
    h.time++;
    OK_OR_FAIL(chain_header_make(&o, &h, &l->chain_ctx, &l->chain_signer[0], &fault_));
    snprintf(path, sizeof path, "%s/" LAB_CHAIN_DIR, l->dir);
    chain_maker_file(path, "evidence/fork.cose", o.data, o.len);
    lab_write(l, IN("evidence/fork.cose"), o.data, o.len);
    cbor_out_free(&o);
}

/* --- ballots --- */

static void flip_proof(struct chain_maker *mk)
{
    struct chain_made_ballot *b = &mk->shard[0].ballot[1];
    b->data[b->len - 1] ^= 1;
}

static void proof_flipped(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        flip_proof(&l->chain);
}

/* Compressed again with another ballot, by somebody who can sign nothing. */
static void recompressed(struct lab *l, enum lab_stage s)
{
    struct fault fault_;
    struct chain_segment_writer *w;
    char path[600];
    if (s != LAB_CHAIN_FILES)
        return;
    const struct chain_made_shard *shard = &l->chain.shard[0];
    uint64_t content = 0;
    flip_proof(&l->chain);
    for (size_t i = 0; i < shard->count; i++)
        content += chain_pair_len(shard->ballot[i].len, 0);
    snprintf(path, sizeof path, "%s/" IN("segments/s/00000000.zst"), l->dir);
    OK_OR_FAIL(chain_segment_create(&w, path, content, &fault_));
    for (size_t i = 0; i < shard->count; i++)
        OK_OR_FAIL(chain_segment_put(w, shard->ballot[i].data, shard->ballot[i].len, NULL, 0, &fault_));
    OK_OR_FAIL(chain_segment_commit(w, &fault_));
}

static void exchange(struct chain_made_ballot *a, struct chain_made_ballot *b)
{
    struct chain_made_ballot t = *a;
    *a = *b;
    *b = t;
}

static void order_of_voting(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        exchange(&l->chain.shard[0].ballot[2], &l->chain.shard[0].ballot[3]);
}

static void shards_exchanged(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        exchange(&l->chain.shard[1].ballot[0], &l->chain.shard[2].ballot[0]);
}

static void change_root(void *ctx, struct chain_maker *mk, size_t shard, struct chain_header *h)
{
    (void)ctx;
    (void)mk;
    h->root.b[0] ^= shard == 0 && h->height == 0;
}

static void other_root(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        l->chain.header = change_root;
}

/* --- sums --- */

static void change_tally(void *ctx, struct chain_maker *mk, size_t shard, struct chain_header *h)
{
    (void)ctx;
    (void)mk;
    h->tally.b[0] ^= shard == 0 && h->height == 0;
}

static void other_tally(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        l->chain.header = change_tally;
}

static void exchange_votes(void *ctx, struct chain_maker *mk, size_t shard, struct chain_sums *sums)
{
    (void)ctx;
    (void)mk;
    if (shard != 1)
        return;
    struct tally *t = &sums->row[0].t->tally[0];
    struct p256_jacobian A = t->A[0], B = t->B[0];
    t->A[0] = t->A[1];
    t->B[0] = t->B[1];
    t->A[1] = A;
    t->B[1] = B;
    free(sums->row[0].bytes);
    sums->row[0].bytes = NULL;
}

/* Everything that is signed agrees, and is not the sum of the ballots. */
static void votes_exchanged(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        l->chain.running = exchange_votes;
}

/* A ballot counts in the shard that was split, and again in its half. */
static void counted_twice(struct lab *l, enum lab_stage s)
{
    if (s != LAB_CHAIN)
        return;
    const struct chain_made_ballot *b = &l->chain.shard[0].ballot[0];
    size_t half = b->id.b[0] >> 7 ? 2 : 1;
    chain_maker_put_to(&l->chain, half, b->data, b->len);
    l->chain.shard[half].block_count = 0; /* one block */
    chain_maker_block(&l->chain, half);
}

static void nothing(struct lab *l, enum lab_stage s)
{
    (void)l;
    (void)s;
}

/* --- records --- */

static void chain_gone(struct lab *l, enum lab_stage s)
{
    char path[600];
    if (s != LAB_PAGE)
        return;
    for (size_t i = l->file_count; i-- > 0;)
        if (strncmp(l->file[i], LAB_CHAIN_DIR "/", strlen(LAB_CHAIN_DIR) + 1) == 0)
            lab_forget(l, l->file[i]);
    static const char *const dir[] = {"/segments/s", "/segments/s0", "/segments/s1", "/segments",
                                      "/headers",    "/tallies",     "/finality",    ""};
    for (size_t i = 0; i < sizeof dir / sizeof *dir; i++) {
        snprintf(path, sizeof path, "%s/" LAB_CHAIN_DIR "%s", l->dir, dir[i]);
        assert_int_equal(rmdir(path), 0);
    }
}

/* A chain that is there, and its place is left out as if nobody had voted. */
static void left_out(struct lab *l, enum lab_stage s)
{
    if (!at_chain_place(l, s))
        return;
    struct node *n = l->node[l->place];
    n->source_count = n->dropped_count = 0;
    n->ballots = 0;
    tallies_zero(n->tallies);
    n->missing = calloc(1, sizeof *n->missing);
    assert_non_null(n->missing);
    n->missing[0] = n->place;
    n->missing_count = n->missing_cap = 1;
}

static void other_snapshot(struct lab *l, enum lab_stage s)
{
    if (at_chain_place(l, s))
        l->node[l->place]->source[0].hash.b[0] ^= 1;
}

static void other_sum(struct lab *l, enum lab_stage s)
{
    struct p256_affine g;
    if (!at_chain_place(l, s))
        return;
    struct tally *t = &l->node[l->place]->tallies->tally[0];
    p256_generator(&g);
    p256_add_affine_var(&t->B[0], &t->B[0], &g);
}

/* The copy of a ballot of a1 is not left out. */
static void copy_counts(struct lab *l, enum lab_stage s)
{
    struct fault fault_;
    if (!at_chain_place(l, s))
        return;
    struct node *n = l->node[l->place];
    tallies_zero(n->tallies);
    OK_OR_FAIL(tallies_add_var(n->tallies, l->chain.made->sums->row[0].t));
    n->ballots++;
    n->dropped_count = 0;
}

/* A precinct for a place that votes by chain. */
static void precinct_too(struct lab *l, enum lab_stage s)
{
    size_t len;
    if (s != LAB_PAGE)
        return;
    uint8_t *data = lab_read(l, "exports/a1.cexp", &len);
    lab_write(l, "exports/c1.cexp", data, len);
    free(data);
}

const struct mutant chain_mutants[] = {
    {"chain-extra-file", "chain.form", "chain.form", extra_file, 0, 0},
    {"chain-snapshot-of-another", "chain.form", "chain.form", other_chain, 0, 0},
    {"chain-truncated", "chain.form", "chain.form", truncated, 0, 0},
    {"chain-bomb", "chain.form", "chain.form", bomb, 0, 0},
    {"chain-wrong-hint", "chain.form", "chain.form", wrong_hint, 0, 0},
    {"chain-one-validator", "chain.quorum", "chain.quorum", one_validator, 0, 0},
    {"chain-same-validator", "chain.quorum", "chain.quorum", same_validator, 0, 0},
    {"chain-still-open", "chain.quorum", "chain.quorum", still_open, 0, 0},
    {"chain-header-skipped", "chain.headers", "chain.headers", skipped, 0, 0},
    {"chain-forked", "chain.headers", "chain.headers", forked, 0, 0},
    {"chain-proof-flipped", "chain.ballots", "chain.ballots", proof_flipped, 0, 0},
    {"chain-recompressed", "chain.trees", "chain.ballots chain.trees", recompressed, 0, 0},
    {"chain-order-of-voting", "chain.order", "chain.order", order_of_voting, 0, 0},
    {"chain-shards-exchanged", "chain.order", "chain.order", shards_exchanged, 0, 0},
    {"chain-other-root", "chain.trees", "chain.trees", other_root, 0, 0},
    {"chain-other-tally", "chain.tally", "chain.tally", other_tally, 0, 0},
    {"chain-votes-exchanged", "chain.tally", "chain.tally", votes_exchanged, 0, 0},
    {"chain-counted-twice", "chain.ids", "chain.ids", counted_twice, 0, 0},
    {"chain-other-anchor", "chain.anchor", "chain.anchor", nothing, 0, 1},
    {"chain-gone", "records.missing", "records.missing", chain_gone, 0, 0},
    {"chain-left-out", "records.missing", "records.missing", left_out, 0, 0},
    {"chain-other-snapshot", "records.sources", "records.sources", other_snapshot, 0, 0},
    {"chain-other-sum", "records.sums", "records.sums result.range", other_sum, 0, 0},
    {"chain-copy-counts", "records.dropped", "records.dropped", copy_counts, 0, 0},
    {"chain-precinct-too", "bundle.layout", "bundle.layout exports.signed", precinct_too, 0, 0},
};

const size_t chain_mutant_count = sizeof chain_mutants / sizeof *chain_mutants;
