/* show: files of voting chains, and signed messages that are no entry of a board. */
#include <string.h>

#include "ceremony/base/cose.h"
#include "tally/ballot_form.h"
#include "tally/chain_form.h"
#include "tally/verb_show.h"

static const char *state_name(enum chain_state s)
{
    return s == CHAIN_OPEN ? "open" : s == CHAIN_SPLIT ? "split" : "closed";
}

/* The chain that these bytes name. */
static err_t chain_named(struct show *s, struct chain_context *out, const char *label, const uint8_t *data,
                         size_t len)
{
    struct cbor_in in;
    char id[TEXT_ID_MAX + 1];
    cbor_in_init(&in, data, len);
    cbor_get_array(&in, 6, 64);
    tally_get_start(&in, &s->be->ctx, label);
    cbor_get_id(&in, id, TEXT_ID_MAX);
    if (in.err != OK)
        return fault_set(&s->v->fault, in.err, "of no voting chain of the election of --board");
    int chain = manifest_chain(s->be->m, id);
    if (chain < 0)
        return fault_set(&s->v->fault, ERR_UNKNOWN, "the manifest has no chain %s", id);
    chain_context_init(out, &s->be->ctx, (uint32_t)chain);
    fprintf(s->v->out, "chain      %s (%s)\n", out->c->id, out->c->title);
    return OK;
}

static void print_anchor(struct show *s, const struct chain_shard_name *shard, uint64_t size,
                         const hash_t *root)
{
    char hex[2 * HASH_LEN + 1];
    hex_put(hex, root->b, HASH_LEN);
    if (size > 0)
        fprintf(s->v->out, "anchor     %s:%llu:%s\n", shard->s, (unsigned long long)size, hex);
}

static void print_sums(struct show *s, const struct chain_context *ctx, const struct chain_sums *sums)
{
    struct place p;
    for (size_t i = 0; i < sums->count; i++) {
        places_get(s->be->places, ctx->place[i], &p);
        fprintf(s->v->out, "place      %s: %llu ballots\n", p.id, (unsigned long long)sums->row[i].ballots);
    }
}

err_t show_chain_snapshot(struct show *s, const uint8_t *data, size_t len)
{
    struct chain_context ctx;
    struct chain_snapshot *n;
    hash_t id;
    FILE *out = s->v->out;
    TRY(chain_snapshot_id(&id, data, len));
    verb_print_fingerprint(s->v, "snapshot", &id);
    if (s->be == NULL || s->be->r == NULL)
        return show_diagnostic(s, data, len);
    TRY(chain_named(s, &ctx, "conclave/chain-snapshot", data, len));
    TRY(chain_snapshot_parse_var(&n, &ctx, data, len, &s->v->fault));
    fprintf(out, "number     %llu, %s\nhours      %llu since 1970\n", (unsigned long long)n->number,
            chain_snapshot_complete(n) ? "complete" : "voting goes on", (unsigned long long)n->time);
    show_hash(s, "previous", &n->previous);
    for (size_t i = 0; i < n->shard_count; i++) {
        const struct chain_shard *x = &n->shard[i];
        fprintf(out, "shard      s%s, %s, %llu headers, %llu ballots\n", x->name.s, state_name(x->state),
                (unsigned long long)x->headers, (unsigned long long)x->size);
        print_anchor(s, &x->name, x->size, &x->root);
    }
    print_sums(s, &ctx, n->sums);
    fprintf(out, "Not checked: who signed it, headers and ballots; that is \"chain verify\".\n");
    chain_snapshot_free(n);
    return OK;
}

err_t show_chain_running(struct show *s, const uint8_t *data, size_t len)
{
    struct chain_context ctx;
    struct chain_sums *sums;
    if (s->be == NULL || s->be->r == NULL)
        return show_diagnostic(s, data, len);
    TRY(chain_named(s, &ctx, "conclave/chain-tally", data, len));
    TRY(chain_sums_new(&sums, &ctx));
    err_t e = chain_running_parse_var(sums, &ctx, data, len, &s->v->fault);
    if (e == OK)
        print_sums(s, &ctx, sums);
    chain_sums_free(sums);
    return e;
}

err_t show_chain_envelope(struct show *s, const uint8_t *data, size_t len)
{
    struct chain_context ctx;
    struct chain_envelope v;
    if (s->be == NULL || s->be->r == NULL)
        return show_diagnostic(s, data, len);
    TRY(chain_named(s, &ctx, "conclave/envelope", data, len));
    TRY(chain_envelope_parse(&v, &ctx, data, len, &s->v->fault));
    show_hash(s, "ballot", &v.ballot);
    fprintf(s->v->out, "sealed     %zu bytes; only the chain's envelope key opens them\n", v.ct_len);
    return OK;
}

static err_t show_header(struct show *s, const struct cose *m, const uint8_t *data, size_t len)
{
    struct chain_context ctx;
    struct chain_header h;
    TRY(chain_named(s, &ctx, "conclave/chain-header", m->payload, m->payload_len));
    TRY(chain_header_parse(&h, &ctx, data, len, &s->v->fault));
    show_hash(s, "id", &h.id);
    fprintf(s->v->out, "shard      s%s, %s, header %llu, %llu ballots (signature good)\n", h.shard.s,
            state_name(h.state), (unsigned long long)h.height, (unsigned long long)h.size);
    print_anchor(s, &h.shard, h.size, &h.root);
    show_hash(s, "previous", &h.previous);
    show_hash(s, "ids", &h.ids);
    show_hash(s, "tally", &h.tally);
    fprintf(s->v->out, "hours      %llu since 1970\n", (unsigned long long)h.time);
    return OK;
}

static err_t show_finality(struct show *s, const struct cose *m, const uint8_t *data, size_t len)
{
    struct chain_context ctx;
    struct chain_finality x;
    TRY(chain_named(s, &ctx, "conclave/chain-finality", m->payload, m->payload_len));
    TRY(chain_finality_parse(&x, &ctx, data, len, &s->v->fault));
    fprintf(s->v->out, "signed by  validator %u of %u (signature good)\n", x.validator + 1,
            ctx.c->validator_count);
    show_hash(s, "key id", &m->kid);
    fprintf(s->v->out, "number     %llu\n", (unsigned long long)x.number);
    verb_print_fingerprint(s->v, "snapshot", &x.snapshot);
    return OK;
}

err_t show_signed(struct show *s, const struct cose *m, const uint8_t *data, size_t len)
{
    struct cbor_in in;
    char label[TEXT_ID_MAX + 1];
    cbor_in_init(&in, m->payload, m->payload_len);
    cbor_get_array(&in, 1, SIZE_MAX / 4);
    cbor_get_text(&in, label, TEXT_ID_MAX);
    if (in.err != OK)
        return fault_set(&s->v->fault, in.err, "a signed message without a label");
    fprintf(s->v->out, "%s\n", strncmp(label, "conclave/", 9) == 0 ? label + 9 : "signed message");
    int known = s->be != NULL && s->be->r != NULL;
    if (known && strcmp(label, "conclave/chain-header") == 0)
        return show_header(s, m, data, len);
    if (known && strcmp(label, "conclave/chain-finality") == 0)
        return show_finality(s, m, data, len);
    show_hash(s, "signed by", &m->kid);
    fprintf(s->v->out, "the signature was not checked\n");
    return show_diagnostic(s, m->payload, m->payload_len);
}
