#include "tests/fuzz/targets_part.h"

#include <stdlib.h>
#include <string.h>

#include "tally/aggregate_part.h"

static void need(int good)
{
    if (!good)
        abort();
}

static void build(struct cbor_out *out, const struct part *p)
{
    struct part_list findings = {p->count, CBOR_OUT_INIT}, shards = {p->shard_count, CBOR_OUT_INIT};
    for (size_t i = 0; i < p->count; i++)
        part_finding_put(&findings.bytes, &p->finding[i]);
    for (size_t i = 0; i < p->shard_count; i++)
        part_shard_put(&shards.bytes, &p->shard[i]);
    need(part_build(out, &p->head, &findings, &shards, NULL) == OK);
    cbor_out_free(&findings.bytes);
    cbor_out_free(&shards.bytes);
}

/* What was read is the only encoding. */
void run_part(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct cbor_out again = CBOR_OUT_INIT;
    struct cose signature;
    struct part *p;
    (void)w;
    if (part_read(&p, &signature, data, len, NULL) != OK)
        return;
    build(&again, p);
    if (p->is_signed)
        need(again.len == signature.payload_len && memcmp(again.data, signature.payload, again.len) == 0);
    else
        need(again.len == len && memcmp(again.data, data, len) == 0);
    cbor_out_free(&again);
    part_free(p);
}

void seed_part(struct fuzz_world *w, struct cbor_out *out)
{
    char *note[] = {"corrected once"};
    struct verify_failure failure = {
        .err = ERR_PROOF, .file = "exports/a1.cexp", .who = "a1", .detail = "ballot 7"};
    struct part_found found = {.check = CHECK_BALLOTS,
                               .failure_count = 3,
                               .failure_kept = 1,
                               .failure = &failure,
                               .note_count = 1,
                               .note = note};
    hash_t left = {{7}};
    struct part_finding finding[2] = {{.place = "a1",
                                       .items = 9,
                                       .ids = 9,
                                       .left_out_count = 1,
                                       .left_out = &left,
                                       .found_count = 1,
                                       .found = &found},
                                      {.place = "a2", .file_err = ERR_LIMIT, .flags = PART_BAD}};
    struct part_file file[2] = {{.name = "leaves/s0"},
                                {.name = "segments/s0/00000000.zst", .err = ERR_LIMIT}};
    struct part_left gone = {.place = 3, .at = 5};
    struct part_found trees = {
        .check = CHECK_C_TREES, .failure_count = 1, .failure_kept = 1, .failure = &failure};
    struct part_reason reason = {CHECK_C_BALLOTS, "2 ballots were pruned"};
    struct part_shard shard = {.chain = "net",
                               .shard = "0",
                               .proved = 7,
                               .pruned = 2,
                               .ids = 9,
                               .file_count = 2,
                               .file = file,
                               .left_count = 1,
                               .left = &gone,
                               .found_count = 1,
                               .found = &trees,
                               .reason_count = 1,
                               .reason = &reason};
    struct part p = {.head = {.k = 2, .n = 5, .version = "1.0", .id_count = 18},
                     .count = 2,
                     .finding = finding,
                     .shard_count = 1,
                     .shard = &shard};
    (void)w;
    build(out, &p);
}

void run_aggpart(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct cose signature;
    struct agg_part *p;
    (void)w;
    if (agg_part_read(&p, &signature, data, len, NULL) != OK)
        return;
    need(p->is_signed || agg_part_sealed(data, len));
    agg_part_free(p);
}

void seed_aggpart(struct fuzz_world *w, struct cbor_out *out)
{
    static const char *const name[] = {"chains/x-s0/ids", "index.sqlite"};
    hash_t h = {{1}};
    (void)w;
    cbor_put_array(out, 9);
    cbor_put_text(out, "conclave/aggregate-part");
    cbor_put_uint(out, 1);
    cbor_put_hash(out, &h);
    cbor_put_hash(out, &h);
    cbor_put_uint(out, 1);
    cbor_put_uint(out, 2);
    cbor_put_text(out, "1.0");
    cbor_put_hash(out, &h);
    cbor_put_array(out, 2);
    for (size_t i = 0; i < 2; i++) {
        cbor_put_array(out, 2);
        cbor_put_bytes(out, name[i], strlen(name[i]));
        cbor_put_hash(out, &h);
    }
}
