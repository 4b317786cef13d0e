/* Ballots on the way to a chain. What is inside is public once it is in a block; until then it is the
 * chain's alone, so that nobody on the way learns which ballot came when from whom. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "ceremony/math/pok.h"
#include "tally/ballot_form.h"
#include "tally/chain_parts.h"

static err_t make_info(struct cbor_out *o, const struct chain_context *ctx)
{
    cbor_put_array(o, 4);
    cbor_put_text(o, "conclave/envelope-info");
    cbor_put_hash(o, &ctx->e->m->election);
    cbor_put_hash(o, &ctx->e->r->id);
    cbor_put_text(o, ctx->c->id);
    return o->err;
}

/* Everything before the ciphertext. */
static void put_envelope(struct cbor_out *o, const struct chain_context *ctx, const hash_t *ballot,
                         const uint8_t enc[HPKE_ENC_LEN], const uint8_t *ct, size_t ct_len)
{
    cbor_put_array(o, 9);
    chain_put_start(o, ctx, "conclave/envelope");
    cbor_put_hash(o, ballot);
    cbor_put_bytes(o, enc, HPKE_ENC_LEN);
    cbor_put_bytes(o, ct, ct_len);
}

/* The ephemeral key: new each time, and another one for another ballot even if the generator repeats itself.
 */
static err_t make_eph(scalar_t *eph, const struct cbor_out *info, const hash_t *ballot, const uint8_t *data,
                      size_t len)
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t statement;
    uint8_t fresh[32];
    cbor_put_array(&o, 3);
    cbor_put_text(&o, "conclave/envelope-nonce");
    cbor_put_bytes(&o, info->data, info->len);
    cbor_put_hash(&o, ballot);
    TRY(cbor_out_hash(&o, &statement));
    random_bytes(fresh, sizeof fresh);
    err_t e = nonce_make(eph, data, len, fresh, &statement);
    secret_wipe(fresh, sizeof fresh);
    return e;
}

err_t chain_envelope_make(struct cbor_out *out, const struct chain_context *ctx, struct group *g,
                          const hash_t *ballot, const uint8_t *data, size_t len)
{
    struct cbor_out info = CBOR_OUT_INIT;
    uint8_t enc[HPKE_ENC_LEN], *ct = NULL;
    void *eph = NULL;
    err_t e;
    GO(make_info(&info, ctx));
    GO(secret_alloc(&eph, sizeof(scalar_t)));
    ct = malloc(len + HPKE_TAG_LEN);
    if (!ct)
        GO(ERR_MEMORY);
    GO(make_eph(eph, &info, ballot, data, len));
    GO(hpke_seal_aad(g, enc, ct, &ctx->c->envelope, eph, info.data, info.len, ballot->b, HASH_LEN, data,
                     len));
    put_envelope(out, ctx, ballot, enc, ct, len + HPKE_TAG_LEN);
    e = out->err;
out:
    secret_free(eph);
    free(ct);
    cbor_out_free(&info);
    secret_burn_stack();
    return e;
}

size_t chain_envelope_len_max(const struct election_context *e)
{
    /* head, label, version, scheme, two hashes, chain, ballot id, enc, ct */
    return 1 + 18 + 2 + 68 + 2 + TEXT_ID_MAX + 34 + 67 + 5 + ballot_len_max(e) + HPKE_TAG_LEN;
}

err_t chain_envelope_parse(struct chain_envelope *out, const struct chain_context *ctx, const uint8_t *data,
                           size_t len, struct fault *f)
{
    struct cbor_in in;
    size_t enc_len;
    memset(out, 0, sizeof *out);
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 9);
    chain_get_start(&in, ctx, "conclave/envelope");
    cbor_get_hash(&in, &out->ballot);
    out->enc = cbor_get_bytes(&in, HPKE_ENC_LEN, HPKE_ENC_LEN, &enc_len);
    out->ct = cbor_get_bytes(&in, HPKE_TAG_LEN + 1, ballot_len_max(ctx->e) + HPKE_TAG_LEN, &out->ct_len);
    err_t e = tally_get_end(&in, f, "envelope for the chain %s", ctx->c->id);
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e;
}

struct chain_opener {
    struct group *g;
    struct cbor_out info;
    uint8_t key[HPKE_ENC_LEN];
};

err_t chain_opener_new(struct chain_opener **out, const struct chain_context *ctx)
{
    err_t e;
    *out = NULL;
    struct chain_opener *o = calloc(1, sizeof *o);
    if (!o)
        return ERR_MEMORY;
    GO(make_info(&o->info, ctx));
    GO(group_new(&o->g));
    GO(point_uncompress(o->g, o->key, &ctx->c->envelope));
    *out = o;
    o = NULL;
out:
    chain_opener_free(o);
    return e;
}

void chain_opener_free(struct chain_opener *o)
{
    if (!o)
        return;
    group_free(o->g);
    cbor_out_free(&o->info);
    free(o);
}

err_t chain_envelope_open(uint8_t *pt, struct chain_opener *o, const struct chain_envelope *v,
                          const uint8_t dh_x[32])
{
    return hpke_open_aad(o->g, pt, v->enc, v->ct, v->ct_len, o->key, dh_x, o->info.data, o->info.len,
                         v->ballot.b, HASH_LEN);
}
