#include "tally/chain_form.h"

#include <string.h>

#include "tally/ballot_form.h"
#include "tally/chain_parts.h"

void chain_context_init(struct chain_context *out, const struct election_context *e, uint32_t chain)
{
    out->e = e;
    out->index = chain;
    out->c = &e->m->chain[chain];
    out->place = places_of_chain(e->places, chain);
}

int64_t chain_row_of(const struct chain_context *ctx, uint32_t place)
{
    size_t low = 0, high = ctx->c->place_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (ctx->place[mid] == place)
            return (int64_t)mid;
        if (ctx->place[mid] < place)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

void chain_put_start(struct cbor_out *o, const struct chain_context *ctx, const char *label)
{
    tally_put_start(o, ctx->e, label);
    cbor_put_text(o, ctx->c->id);
}

void chain_get_start(struct cbor_in *in, const struct chain_context *ctx, const char *label)
{
    char id[TEXT_ID_MAX + 1];
    tally_get_start(in, ctx->e, label);
    cbor_get_id(in, id, TEXT_ID_MAX);
    if (in->err == OK && strcmp(id, ctx->c->id) != 0)
        cbor_fail(in, ERR_UNKNOWN);
}

/* --- shards --- */

err_t chain_shard_parse(struct chain_shard_name *out, const char *text)
{
    size_t len = strnlen(text, CHAIN_SHARD_MAX + 1);
    memset(out, 0, sizeof *out);
    if (len > CHAIN_SHARD_MAX || strspn(text, "01") != len)
        return ERR_FORMAT;
    memcpy(out->s, text, len);
    return OK;
}

int chain_shard_has(const struct chain_shard_name *shard, const hash_t *id)
{
    for (unsigned i = 0; i < CHAIN_SHARD_MAX && shard->s[i] != '\0'; i++)
        if ((id->b[i / 8] >> (7 - i % 8) & 1) != shard->s[i] - '0')
            return 0;
    return 1;
}

void chain_get_shard(struct cbor_in *in, struct chain_shard_name *out)
{
    char text[CHAIN_SHARD_MAX + 1];
    cbor_get_text(in, text, CHAIN_SHARD_MAX);
    if (in->err == OK && chain_shard_parse(out, text) != OK)
        cbor_fail(in, ERR_FORMAT);
    if (in->err != OK)
        memset(out, 0, sizeof *out);
}

/* --- headers --- */

static void put_header(struct cbor_out *o, const struct chain_context *ctx, const struct chain_header *h)
{
    cbor_put_array(o, 15);
    chain_put_start(o, ctx, "conclave/chain-header");
    cbor_put_text(o, h->shard.s);
    cbor_put_uint(o, h->height);
    cbor_put_hash(o, &h->previous);
    cbor_put_uint(o, h->size);
    cbor_put_hash(o, &h->root);
    cbor_put_hash(o, &h->ids);
    cbor_put_hash(o, &h->tally);
    cbor_put_uint(o, h->time);
    cbor_put_uint(o, h->state);
}

err_t chain_header_make(struct cbor_out *out, struct chain_header *h, const struct chain_context *ctx,
                        const struct signer *signer, struct fault *f)
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t kid;
    if (memcmp(ctx->c->key.b, signer->key.b, POINT_LEN) != 0)
        return fault_set(f, ERR_SIGNATURE, "this key does not sign headers of %s", ctx->c->id);
    put_header(&o, ctx, h);
    cose_kid(&kid, &signer->key);
    err_t e = o.err != OK ? o.err : cose_id(&h->id, &kid, o.data, o.len);
    if (e != OK)
        fault_set(f, e, "making a block header");
    else
        e = cose_sign(out, signer, o.data, o.len, f);
    if (e != OK)
        memset(&h->id, 0, sizeof h->id);
    cbor_out_free(&o);
    return e;
}

static void get_header(struct cbor_in *in, const struct chain_context *ctx, struct chain_header *h)
{
    cbor_get_array_exact(in, 15);
    chain_get_start(in, ctx, "conclave/chain-header");
    chain_get_shard(in, &h->shard);
    h->height = cbor_get_uint(in, CHAIN_HEADERS_MAX - 1);
    cbor_get_hash(in, &h->previous);
    h->size = cbor_get_uint(in, CHAIN_BALLOTS_MAX);
    cbor_get_hash(in, &h->root);
    cbor_get_hash(in, &h->ids);
    cbor_get_hash(in, &h->tally);
    h->time = cbor_get_uint(in, UINT32_MAX);
    h->state = (enum chain_state)cbor_get_uint(in, CHAIN_CLOSED);
}

/* Form; m is what the signature is about. */
static err_t read_header(struct cose *m, struct chain_header *out, const struct chain_context *ctx,
                         const uint8_t *data, size_t len, struct fault *f)
{
    struct cbor_in in;
    memset(out, 0, sizeof *out);
    if (len > CHAIN_HEADER_MAX)
        return fault_set(f, ERR_LIMIT, "a block header of %zu bytes, at most %d allowed", len,
                         CHAIN_HEADER_MAX);
    TRY(cose_parse(m, data, len, f));
    cbor_in_init(&in, m->payload, m->payload_len);
    get_header(&in, ctx, out);
    err_t e = tally_get_end(&in, f, "block header of the chain %s", ctx->c->id);
    if (e != OK)
        memset(out, 0, sizeof *out);
    else
        out->id = m->id;
    return e;
}

err_t chain_header_form(struct chain_header *out, const struct chain_context *ctx, const uint8_t *data,
                        size_t len, struct fault *f)
{
    struct cose m;
    return read_header(&m, out, ctx, data, len, f);
}

err_t chain_header_parse(struct chain_header *out, const struct chain_context *ctx, const uint8_t *data,
                         size_t len, struct fault *f)
{
    struct cose m;
    TRY(read_header(&m, out, ctx, data, len, f));
    err_t e = cose_verify(&m, &ctx->c->key, f);
    if (e == OK)
        return OK;
    memset(out, 0, sizeof *out);
    if (err_class(e) == CLASS_SYSTEM)
        return fault_set(f, e, "checking a block header");
    return fault_set(f, ERR_SIGNATURE, "a block header is not signed by the key of the chain %s", ctx->c->id);
}

/* --- finality --- */

static int64_t validator_of(const struct chain *c, const hash_t *kid)
{
    for (uint32_t i = 0; i < c->validator_count; i++) {
        hash_t have;
        cose_kid(&have, &c->validator[i]);
        if (hash_cmp(&have, kid) == 0)
            return i;
    }
    return -1;
}

err_t chain_finality_make(struct cbor_out *out, hash_t *kid, const struct chain_context *ctx, uint64_t number,
                          const hash_t *snapshot, const struct signer *signer, struct fault *f)
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t author;
    cose_kid(&author, &signer->key);
    if (validator_of(ctx->c, &author) < 0)
        return fault_set(f, ERR_SIGNATURE, "this is the key of no validator of the chain %s", ctx->c->id);
    cbor_put_array(&o, 8);
    chain_put_start(&o, ctx, "conclave/chain-finality");
    cbor_put_uint(&o, number);
    cbor_put_hash(&o, snapshot);
    err_t e =
        o.err != OK ? fault_set(f, o.err, "making a finality") : cose_sign(out, signer, o.data, o.len, f);
    if (e == OK && kid)
        *kid = author;
    cbor_out_free(&o);
    return e;
}

err_t chain_finality_parse(struct chain_finality *out, const struct chain_context *ctx, const uint8_t *data,
                           size_t len, struct fault *f)
{
    struct cose m;
    struct cbor_in in;
    memset(out, 0, sizeof *out);
    if (len > CHAIN_FINALITY_MAX)
        return fault_set(f, ERR_LIMIT, "a finality of %zu bytes, at most %d allowed", len,
                         CHAIN_FINALITY_MAX);
    TRY(cose_parse(&m, data, len, f));
    int64_t validator = validator_of(ctx->c, &m.kid);
    if (validator < 0)
        return fault_set(f, ERR_UNKNOWN, "it is signed by no validator of the chain %s", ctx->c->id);
    cbor_in_init(&in, m.payload, m.payload_len);
    cbor_get_array_exact(&in, 8);
    chain_get_start(&in, ctx, "conclave/chain-finality");
    uint64_t number = cbor_get_uint(&in, UINT32_MAX);
    hash_t snapshot;
    cbor_get_hash(&in, &snapshot);
    TRY(tally_get_end(&in, f, "finality of the chain %s", ctx->c->id));
    err_t e = cose_verify(&m, &ctx->c->validator[validator], f);
    if (err_class(e) == CLASS_SYSTEM)
        return fault_set(f, e, "checking a finality");
    if (e != OK)
        return fault_set(f, ERR_SIGNATURE, "validator %lld of the chain %s did not sign this",
                         (long long)validator + 1, ctx->c->id);
    out->validator = (uint32_t)validator;
    out->number = number;
    out->snapshot = snapshot;
    return OK;
}
