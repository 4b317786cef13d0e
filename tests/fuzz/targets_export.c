/* A whole chain export with some of its bytes changed: never a crash, and never a good verdict. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_verify.h"
#include "tests/fuzz/targets_chain.h"
#include "tests/support/chain_maker.h"
#include "tests/support/tree.h"

#define FILES 8
#define SEGMENT 7 /* what is compressed may be compressed otherwise */

static struct good_export {
    int made;
    char dir[96], name[FILES][160];
    uint8_t *data[FILES];
    size_t len[FILES];
} good;

static void need(int is_good)
{
    if (!is_good)
        abort();
}

static void put_file(size_t i, const uint8_t *data)
{
    chain_maker_file(good.dir, good.name[i], data, good.len[i]);
}

static void make_export(struct fuzz_world *w)
{
    struct chain_context ctx;
    struct chain_maker mk;
    const struct fixture *x = w->ballots;
    hash_t kid;
    static const char *const name[FILES] = {
        "snapshot.cbor",          "headers/s.cbor", "tallies/s.cbor", "ids/s", "leaves/s", "", "",
        "segments/s/00000000.zst"};
    snprintf(good.dir, sizeof good.dir, "build/tests/tmp/fuzz-export-%d", (int)getpid());
    chain_context_init(&ctx, &x->ctx, 0);
    chain_maker_init(&mk, &ctx, signkey_signer(x->chain));
    mk.lists = 1;
    chain_maker_shard(&mk, "", CHAIN_CLOSED);
    for (size_t i = 0; i < 3; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        fixture_ballot(w->ballots, &o, NULL, x->e2, "rural", "mayor=a school=yes");
        chain_maker_put(&mk, o.data, o.len);
        cbor_out_free(&o);
        if (i == 1)
            chain_maker_block(&mk, 0);
    }
    for (size_t i = 0; i < FILES; i++)
        snprintf(good.name[i], sizeof good.name[i], "%s", name[i]);
    for (size_t i = 0; i < 2; i++) {
        mk.validator[i] = signkey_signer(x->validator[i]);
        cose_kid(&kid, &ctx.c->validator[i]);
        memcpy(good.name[5 + i], "finality/", 9);
        hex_put(good.name[5 + i] + 9, kid.b, HASH_LEN);
        strcat(good.name[5 + i], ".cose");
    }
    chain_maker_write(&mk, good.dir);
    chain_maker_free(&mk);
    for (size_t i = 0; i < FILES; i++)
        good.data[i] = chain_maker_read(good.dir, good.name[i], &good.len[i]);
    good.made = 1;
}

/* data: four bytes for each change: file, offset (two), what its byte is xored with. */
void run_chainexport(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct chain_verify_options o = {.threads = 1};
    struct chain_context ctx;
    struct chain_report *r;
    uint8_t *copy[FILES] = {NULL};
    int changed = 0, matters = 0;
    if (!good.made)
        make_export(w);
    chain_context_init(&ctx, &w->ballots->ctx, 0);
    for (size_t at = 0; at + 4 <= len; at += 4) {
        size_t i = data[at] % FILES, offset = ((size_t)data[at + 1] << 8 | data[at + 2]) % good.len[i];
        if (copy[i] == NULL) {
            copy[i] = malloc(good.len[i]);
            need(copy[i] != NULL);
            memcpy(copy[i], good.data[i], good.len[i]);
        }
        copy[i][offset] ^= data[at + 3];
    }
    for (size_t i = 0; i < FILES; i++) {
        if (copy[i] == NULL)
            continue;
        int differs = memcmp(copy[i], good.data[i], good.len[i]) != 0;
        changed |= differs;
        matters |= differs && i != SEGMENT;
        put_file(i, copy[i]);
    }
    need(chain_verify(&r, &ctx, good.dir, &o, NULL) == OK);
    need(!(matters && chain_report_counts(r)));
    need(changed || chain_report_counts(r));
    chain_report_free(r);
    for (size_t i = 0; i < FILES; i++) {
        if (copy[i] != NULL)
            put_file(i, good.data[i]);
        free(copy[i]);
    }
}

void seed_chainexport(struct fuzz_world *w, struct cbor_out *out)
{
    static const uint8_t changes[] = {0, 0, 50, 1, 1, 0, 99, 2, 7, 1, 7, 4};
    (void)w;
    cbor_put_raw(out, changes, sizeof changes);
}

void fuzz_export_free(void)
{
    if (!good.made)
        return;
    tree_rm(good.dir);
    for (size_t i = 0; i < FILES; i++)
        free(good.data[i]);
    good.made = 0;
}
