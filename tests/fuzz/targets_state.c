#include "tests/fuzz/targets_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_dir.h"
#include "tally/chain_signed.h"
#include "tally/chain_verify.h"
#include "tally/part_ids.h"
#include "tally/verify_resume.h"
#include "tests/support/tree.h"

static void need(int good)
{
    if (!good)
        abort();
}

/* A directory of its own with one file in it. */
static const char *dir_with(const char *what, const char *name, const uint8_t *data, size_t len)
{
    static char dir[96];
    char path[160];
    snprintf(dir, sizeof dir, "build/tests/tmp/fuzz-%s-%d", what, (int)getpid());
    snprintf(path, sizeof path, "%s/%s", dir, name);
    need(file_mkdir(dir, NULL) == OK);
    FILE *f = fopen(path, "wb");
    need(f != NULL && (len == 0 || fwrite(data, 1, len, f) == len));
    fclose(f);
    return dir;
}

static void take(struct cbor_out *out, const char *dir, const char *name)
{
    char path[160];
    uint8_t *data;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    need(file_read(&data, &len, path, 1 << 20, NULL) == OK);
    cbor_put_raw(out, data, len);
    free(data);
    tree_rm(dir);
}

/* --- a node's chain.cbor --- */

void run_chainnode(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct chain_dir d;
    const char *dir = dir_with("node", "chain.cbor", data, len);
    if (chain_dir_open(&d, dir, &w->ballots->ctx, 0, NULL) == OK) {
        need(d.settings.block >= 1 && d.settings.block <= CHAIN_BLOCK_MAX && d.settings.seconds >= 1);
        chain_dir_close(&d);
    }
}

void seed_chainnode(struct fuzz_world *w, struct cbor_out *out)
{
    const struct chain_settings s = {.block = 7, .seconds = 5, .hints = 1};
    char dir[96];
    snprintf(dir, sizeof dir, "build/tests/tmp/fuzz-node-seed-%d", (int)getpid());
    need(chain_dir_create(dir, &w->ballots->ctx, "home", &s, 0, NULL) == OK);
    take(out, dir, "chain.cbor");
}

/* --- what a validator has signed --- */

/* What was read is the only encoding. */
void run_chainsigned(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    struct chain_context ctx;
    struct chain_signed m;
    char path[160];
    chain_context_init(&ctx, &w->ballots->ctx, 0);
    snprintf(path, sizeof path, "%s/signed", dir_with("signed", "signed", data, len));
    err_t e = chain_signed_open(&m, &ctx, path, NULL, NULL);
    need(e != OK || !m.is_first);
    if (e == OK) {
        const struct chain_snapshot s = {.number = m.number, .id = m.snapshot};
        uint8_t *again;
        size_t again_len;
        need(chain_signed_keep(&m, &s, NULL) == OK);
        need(file_read(&again, &again_len, path, 1 << 20, NULL) == OK);
        need(again_len == len && memcmp(again, data, len) == 0);
        free(again);
    }
    chain_signed_close(&m);
}

void seed_chainsigned(struct fuzz_world *w, struct cbor_out *out)
{
    struct chain_context ctx;
    struct chain_signed m;
    char path[160];
    const struct chain_snapshot s = {.number = 3, .id = {{9}}};
    const char *dir = dir_with("signed-seed", "other", NULL, 0);
    chain_context_init(&ctx, &w->ballots->ctx, 0);
    snprintf(path, sizeof path, "%s/signed", dir);
    need(chain_signed_open(&m, &ctx, path, NULL, NULL) == OK && m.is_first);
    need(chain_signed_keep(&m, &s, NULL) == OK);
    chain_signed_close(&m);
    take(out, dir, "signed");
}

/* --- exports that were verified before --- */

static const hash_t election = {{1}}, record = {{2}}, known = {{3}}, never = {{4}};

void run_resume(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct verify_resume *r;
    const char *dir = dir_with("resume", "verified-exports", data, len);
    if (verify_resume_open(&r, dir, &election, &record, NULL) != OK)
        return;
    need(!verify_resume_has(r, &never));
    need(verify_resume_add(r, &never, NULL) == OK && verify_resume_save(r, NULL) == OK);
    verify_resume_close(r);
    need(verify_resume_open(&r, dir, &election, &record, NULL) == OK && verify_resume_has(r, &never));
    verify_resume_close(r);
}

void seed_resume(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    struct verify_resume *r;
    const char *dir = dir_with("resume-seed", "other", NULL, 0);
    need(verify_resume_open(&r, dir, &election, &record, NULL) == OK);
    need(verify_resume_add(r, &known, NULL) == OK && verify_resume_save(r, NULL) == OK);
    verify_resume_close(r);
    take(out, dir, "verified-exports");
}

/* --- ids of a part --- */

/* With the hash that the report says, so that only what they are decides. */
void run_partids(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct part_head h = {.k = 1, .n = 2, .id_count = len / PART_ENTRY_LEN};
    struct part_ids *s;
    struct part_id *x, before = {.place = 0};
    char report[160];
    err_t e;
    size_t count = 0;
    hash_one(&h.ids, data, len);
    snprintf(report, sizeof report, "%s/part-1-of-2.part", dir_with("ids", "part-1-of-2.ids", data, len));
    need(part_ids_new(&s, NULL) == OK);
    e = part_ids_add(s, report, &h, NULL);
    while (e == OK && (e = part_ids_peek(s, &x, NULL)) == OK && x != NULL) {
        need(count == 0 || hash_cmp(&before.id, &x->id) <= 0);
        before = *x;
        count++;
        e = part_ids_step(s, NULL);
    }
    need(e != OK || count == h.id_count);
    need(e != OK || len % PART_ENTRY_LEN == 0);
    part_ids_free(s);
}

void seed_partids(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    uint8_t entry[3][PART_ENTRY_LEN] = {{1}, {1, 1}, {2}};
    entry[1][PART_ENTRY_LEN - 1] = 4;
    cbor_put_raw(out, entry, sizeof entry);
}

/* --- words --- */

void run_signers(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct part_signers s;
    char path[160];
    snprintf(path, sizeof path, "%s/signers", dir_with("signers", "signers", data, len));
    if (part_signers_read(&s, path, NULL) != OK)
        return;
    need(s.count > 0);
    for (size_t i = 0; i < s.count; i++)
        need(part_signer_find(&s, &s.signer[i].kid) == &s.signer[i]);
    part_signers_free(&s);
}

void seed_signers(struct fuzz_world *w, struct cbor_out *out)
{
    char text[512], hex[2][2 * POINT_LEN + 1];
    for (int i = 0; i < 2; i++)
        hex_put(hex[i], signkey_signer(w->ballots->validator[i])->key.b, POINT_LEN);
    int n = snprintf(text, sizeof text, "# who\n%s Anna\r\n\n%s\n", hex[0], hex[1]);
    cbor_put_raw(out, text, (size_t)n);
}

/* What was read says the same again. */
void run_chainanchor(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    struct chain_anchor a, b;
    char again[128], hex[2 * HASH_LEN + 1], *text = strndup((const char *)data, len);
    need(text != NULL);
    if (chain_anchor_parse(&a, text) == OK) {
        hex_put(hex, a.root.b, HASH_LEN);
        snprintf(again, sizeof again, "%s:%llu:%s", a.shard.s, (unsigned long long)a.size, hex);
        need(a.size > 0 && chain_anchor_parse(&b, again) == OK);
        need(memcmp(&a, &b, sizeof a) == 0);
    }
    free(text);
}

void seed_chainanchor(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    static const char text[] = "s01:1234:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    cbor_put_raw(out, text, strlen(text));
}
