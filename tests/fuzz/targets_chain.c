#include "tests/fuzz/targets_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_journal.h"
#include "tally/chain_segment.h"

#define BALLOTS 3 /* of the segment */

static void need(int good)
{
    if (!good)
        abort();
}

static struct chain_context home(const struct fuzz_world *w)
{
    struct chain_context ctx;
    chain_context_init(&ctx, &w->ballots->ctx, 0);
    return ctx;
}

static const char *file_of(const char *name, const uint8_t *data, size_t len)
{
    static char path[96];
    snprintf(path, sizeof path, "build/tests/tmp/fuzz-%s-%d", name, (int)getpid());
    FILE *f = fopen(path, "wb");
    need(f != NULL && fwrite(data, 1, len, f) == len);
    fclose(f);
    return path;
}

/* What was read is the only encoding, but for the signature. */
void run_chainheader(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct chain_context ctx = home(w);
    struct chain_header h, again;
    struct cbor_out o = CBOR_OUT_INIT;
    if (chain_header_form(&h, &ctx, data, len, NULL) != OK)
        return;
    again = h;
    need(chain_header_make(&o, &again, &ctx, signkey_signer(w->ballots->chain), NULL) == OK);
    if (chain_header_parse(&h, &ctx, data, len, NULL) == OK)
        need(hash_cmp(&h.id, &again.id) == 0);
    cbor_out_free(&o);
}

void seed_chainheader(struct fuzz_world *w, struct cbor_out *out)
{
    struct chain_context ctx = home(w);
    struct chain_header h = {.height = 3, .size = 40, .time = 500000, .state = CHAIN_OPEN};
    need(chain_shard_parse(&h.shard, "01") == OK);
    need(chain_header_make(out, &h, &ctx, signkey_signer(w->ballots->chain), NULL) == OK);
}

static struct chain_sums *sums_of(struct fuzz_world *w, const struct chain_context *ctx)
{
    struct chain_sums *s;
    struct cbor_out o = CBOR_OUT_INIT;
    need(chain_sums_new(&s, ctx) == OK);
    fixture_ballot(w->ballots, &o, NULL, w->ballots->e2, "rural", "mayor=a");
    struct ballot *b = fixture_parse(w->ballots, &o);
    need(chain_sums_add_ballot_var(s, ctx, b) == OK);
    ballot_free(b);
    cbor_out_free(&o);
    return s;
}

void run_chaintally(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct chain_context ctx = home(w);
    struct chain_sums *s;
    struct cbor_out again = CBOR_OUT_INIT;
    need(chain_sums_new(&s, &ctx) == OK);
    if (chain_running_parse_var(s, &ctx, data, len, NULL) == OK) {
        need(chain_running_put(&again, &ctx, s) == OK);
        need(again.len == len && memcmp(again.data, data, len) == 0);
    }
    cbor_out_free(&again);
    chain_sums_free(s);
}

void seed_chaintally(struct fuzz_world *w, struct cbor_out *out)
{
    struct chain_context ctx = home(w);
    struct chain_sums *s = sums_of(w, &ctx);
    need(chain_running_put(out, &ctx, s) == OK);
    chain_sums_free(s);
}

void run_chainsnapshot(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct chain_context ctx = home(w);
    struct chain_snapshot *s;
    struct cbor_out again = CBOR_OUT_INIT;
    if (chain_snapshot_parse_var(&s, &ctx, data, len, NULL) != OK)
        return;
    need(chain_snapshot_make(&again, s, &ctx, NULL) == OK);
    need(again.len == len && memcmp(again.data, data, len) == 0);
    cbor_out_free(&again);
    chain_snapshot_free(s);
}

void seed_chainsnapshot(struct fuzz_world *w, struct cbor_out *out)
{
    struct chain_context ctx = home(w);
    struct chain_shard shard[3] = {{.state = CHAIN_SPLIT, .headers = 2, .size = 1}};
    struct chain_snapshot s = {.time = 500000, .shard_count = 3, .shard = shard, .sums = sums_of(w, &ctx)};
    need(chain_shard_parse(&shard[1].name, "0") == OK && chain_shard_parse(&shard[2].name, "1") == OK);
    for (int i = 1; i < 3; i++) {
        hash_one(&shard[i].root, "", 0);
        shard[i].ids = shard[i].root;
    }
    need(chain_snapshot_make(out, &s, &ctx, NULL) == OK);
    chain_sums_free(s.sums);
}

void run_finality(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct chain_context ctx = home(w);
    struct chain_finality back;
    need(chain_finality_parse(&back, &ctx, data, len, NULL) != OK || back.validator < ctx.c->validator_count);
}

void seed_finality(struct fuzz_world *w, struct cbor_out *out)
{
    struct chain_context ctx = home(w);
    hash_t snapshot = {{7}};
    need(chain_finality_make(out, NULL, &ctx, 4, &snapshot, signkey_signer(w->ballots->validator[1]), NULL) ==
         OK);
}

void run_envelope(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct chain_context ctx = home(w);
    struct chain_envelope v;
    struct chain_opener *o;
    uint8_t dh[32], *pt = NULL;
    if (chain_envelope_parse(&v, &ctx, data, len, NULL) != OK)
        return;
    need(len <= chain_envelope_len_max(&w->ballots->ctx));
    need(chain_opener_new(&o, &ctx) == OK && (pt = malloc(v.ct_len)) != NULL);
    if (signkey_dh(dh, w->ballots->envelope, v.enc) == OK && chain_envelope_open(pt, o, &v, dh) == OK)
        need(v.ct_len > 16);
    free(pt);
    chain_opener_free(o);
}

void seed_envelope(struct fuzz_world *w, struct cbor_out *out)
{
    struct chain_context ctx = home(w);
    struct cbor_out b = CBOR_OUT_INIT;
    struct ballot_info info;
    fixture_ballot(w->ballots, &b, &info, w->ballots->e2, "rural", "mayor=a");
    need(chain_envelope_make(out, &ctx, w->ballots->g, &info.id, b.data, b.len) == OK);
    cbor_out_free(&b);
}

void run_segment(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct chain_segment *s;
    struct chain_pair p;
    const char *path = file_of("segment", data, len);
    if (chain_segment_open(&s, &w->ballots->ctx, path, BALLOTS, NULL) == OK) {
        unsigned count = 0;
        while (chain_segment_next(s, &p, NULL) == OK && p.ballot != NULL) {
            need(p.len <= ballot_len_max(&w->ballots->ctx) && p.hints_len % 32 == 0);
            count++;
        }
        need(count <= BALLOTS);
        chain_segment_close(s);
    }
    unlink(path);
}

void seed_segment(struct fuzz_world *w, struct cbor_out *out)
{
    struct chain_segment_writer *s;
    uint8_t y[64] = {1}, *data;
    size_t len;
    (void)w;
    const char *path = file_of("segment", y, 0);
    need(chain_segment_create(&s, path, BALLOTS * chain_pair_len(50, 64), NULL) == OK);
    for (int i = 0; i < BALLOTS; i++)
        need(chain_segment_put(s, y, 50, y, 64, NULL) == OK);
    need(chain_segment_commit(s, NULL) == OK);
    need(file_read(&data, &len, path, 1 << 20, NULL) == OK);
    cbor_put_raw(out, data, len);
    free(data);
    unlink(path);
}

static err_t on_ballot(void *ctx, const uint8_t *data, size_t len, struct fault *f)
{
    (void)f;
    need(len > 0 && len <= 64);
    *(unsigned *)ctx += data[0];
    return OK;
}

void run_journal(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct chain_journal *j;
    unsigned sum = 0;
    (void)w;
    const char *path = file_of("journal", data, len);
    if (chain_journal_open(&j, path, 2, 64, on_ballot, &sum, NULL) == OK)
        chain_journal_free(j);
    unlink(path);
}

void seed_journal(struct fuzz_world *w, struct cbor_out *out)
{
    struct chain_journal *j;
    uint8_t ballot[40] = {9}, *data;
    size_t len;
    unsigned sum = 0;
    (void)w;
    const char *path = file_of("journal", ballot, 0);
    need(chain_journal_open(&j, path, 2, 64, on_ballot, &sum, NULL) == OK);
    for (int i = 0; i < 3; i++)
        need(chain_journal_add(j, ballot, sizeof ballot) == OK);
    need(chain_journal_sync(j, NULL) == OK);
    chain_journal_free(j);
    need(file_read(&data, &len, path, 1 << 20, NULL) == OK);
    cbor_put_raw(out, data, len);
    free(data);
    unlink(path);
}

void run_chains(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct manifest *m;
    (void)w;
    if (manifest_parse(&m, data, len, NULL) == OK)
        manifest_free(m);
}

void seed_chains(struct fuzz_world *w, struct cbor_out *out)
{
    uint8_t *data;
    size_t len;
    need(manifest_write(&data, &len, w->ballots->m, NULL) == OK);
    cbor_put_raw(out, data, len);
    free(data);
}
