#include "tally/export_form.h"

#include <stdlib.h>
#include <string.h>

#include "tally/ballot_form.h"

#define TIME_MAX UINT32_MAX
#define REVISION_MAX UINT32_MAX

void export_header_free(struct export_header *h)
{
    if (!h)
        return;
    tallies_free(h->tallies);
    free(h);
}

size_t export_header_max(const struct election_context *ctx)
{
    size_t len = 512;
    for (size_t i = 0; i < ctx->m->contest_count; i++)
        len += 96 + 80 * ctx->m->contest[i].option_count;
    return len;
}

size_t export_bytes_head(uint8_t out[9], uint64_t len)
{
    size_t n = cbor_head_len(len);
    out[0] = (uint8_t)(0x40 | (n == 1 ? len : n == 2 ? 24 : n == 3 ? 25 : n == 5 ? 26 : 27));
    for (size_t i = 1; i < n; i++)
        out[i] = (uint8_t)(len >> (8 * (n - 1 - i)));
    return n;
}

err_t export_header_make(struct cbor_out *out, hash_t *id, const struct election_context *ctx,
                         const struct export_content *content, uint64_t revision, const hash_t *replaces,
                         uint64_t time, const struct signer *signer, struct fault *f)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct place p;
    hash_t kid, message;
    places_get(ctx->places, content->place, &p);
    if ((revision > 0) != (replaces != NULL))
        return fault_set(f, ERR_BUG, "a correction names what it replaces, a first export does not");
    if (!p.key || memcmp(p.key->b, signer->key.b, POINT_LEN) != 0)
        return fault_set(f, ERR_SIGNATURE, "this key does not sign for %s", p.id);
    cbor_put_array(&o, 13);
    tally_put_start(&o, ctx, "conclave/export");
    cbor_put_text(&o, p.id);
    cbor_put_uint(&o, ctx->m->kind);
    cbor_put_uint(&o, revision);
    if (replaces)
        cbor_put_hash(&o, replaces);
    else
        cbor_put_null(&o);
    cbor_put_uint(&o, time);
    cbor_put_uint(&o, content->items);
    cbor_put_hash(&o, &content->root);
    err_t e = cbor_put_tallies(&o, ctx, content->tallies);
    cose_kid(&kid, &signer->key);
    if (e == OK)
        e = cose_id(&message, &kid, o.data, o.len);
    if (e != OK)
        fault_set(f, e, "making the header of an export");
    else
        e = cose_sign(out, signer, o.data, o.len, f);
    if (e == OK && id)
        *id = message;
    cbor_out_free(&o);
    return e;
}

static void get_binding(struct cbor_in *in, const struct election_context *ctx, struct export_header *h)
{
    struct place place;
    cbor_get_array_exact(in, 13);
    tally_get_start(in, ctx, "conclave/export");
    tally_get_place(in, ctx, &place);
    h->place = place.index;
    h->kind = (enum election_kind)cbor_get_uint(in, KIND_IMPORT);
    if (in->err == OK && h->kind != ctx->m->kind)
        cbor_fail(in, ERR_RULE);
}

static void get_rest(struct cbor_in *in, const struct election_context *ctx, struct export_header *h)
{
    h->revision = cbor_get_uint(in, REVISION_MAX);
    h->has_replaces = !cbor_get_null(in);
    if (h->has_replaces)
        cbor_get_hash(in, &h->replaces);
    if (in->err == OK && h->has_replaces != (h->revision > 0))
        cbor_fail(in, ERR_FORMAT);
    h->time = cbor_get_uint(in, TIME_MAX);
    h->items = cbor_get_uint(in, EXPORT_ITEMS_MAX);
    cbor_get_hash(in, &h->root);
    cbor_get_tallies_var(in, ctx, h->tallies);
}

static err_t check_author(struct export_header *h, const struct election_context *ctx, const struct cose *m,
                          struct fault *f)
{
    struct place p;
    places_get(ctx->places, h->place, &p);
    if (!p.key)
        return fault_set(f, ERR_UNKNOWN, "the jurisdictions name no signing key for %s", p.id);
    h->author = *p.key;
    err_t e = cose_verify(m, p.key, f);
    if (e != OK)
        fault_set(f, e, "not signed by the key of %s", p.id);
    return e;
}

err_t export_header_parse(struct export_header **out, const struct election_context *ctx, const uint8_t *data,
                          size_t len, struct fault *f)
{
    *out = NULL;
    struct cose m;
    struct cbor_in in;
    err_t e;
    TRY(cose_parse(&m, data, len, f));
    struct export_header *h = calloc(1, sizeof *h);
    if (!h)
        return fault_set(f, ERR_MEMORY, "reading an export");
    h->id = m.id;
    cbor_in_init(&in, m.payload, m.payload_len);
    get_binding(&in, ctx, h);
    if (in.err != OK) {
        e = tally_get_end(&in, f, "header of an export: election, place or kind");
        goto out;
    }
    e = tallies_new(&h->tallies, ctx, h->place);
    if (e != OK) {
        fault_set(f, e, "reading an export");
        goto out;
    }
    /* Before points are computed with: is it from the place at all? */
    GO(check_author(h, ctx, &m, f));
    get_rest(&in, ctx, h);
    GO(tally_get_end(&in, f, "header of an export: revision, items, root or tallies"));
    h->body = len;
    *out = h;
    h = NULL;
out:
    export_header_free(h);
    return e;
}
