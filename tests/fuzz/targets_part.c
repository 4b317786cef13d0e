#include "tests/fuzz/targets_part.h"

#include <stdlib.h>
#include <string.h>

#include "tally/part_form.h"

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
    struct part_found found = {
        .check = CHECK_BALLOTS,
        .outcome = {
            .failure_count = 3, .failure_kept = 1, .failure = &failure, .note_count = 1, .note = note}};
    hash_t left = {{7}};
    struct part_finding finding[2] = {{.place = "a1",
                                       .items = 9,
                                       .ids = 9,
                                       .left_out_count = 1,
                                       .left_out = &left,
                                       .found_count = 1,
                                       .found = &found},
                                      {.place = "a2", .file_err = ERR_LIMIT, .flags = PART_BAD}};
    struct part p = {
        .head = {.k = 2, .n = 5, .version = "1.0", .id_count = 9}, .count = 2, .finding = finding};
    (void)w;
    build(out, &p);
}
