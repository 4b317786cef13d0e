/* Recomputes every secret of a ceremony from its board, the tokens and their PINs, for tests that look for
 * traces of them. The nonces of published proofs are found from the proof and the secret: w = z - c s.
 *
 *   secrets_tool BOARD PLAN OUT [SOFTHSM2_CONF URI PIN-FILE]...     one triple for each trustee
 *
 * OUT gets lines "NAME HEX": it is the only file that may ever hold them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/session.h"
#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "ceremony/vault_local.h"
#include "hsm/hsm.h"
#include "tally/plan.h"
#include "tests/support/secrets.h"

struct dump {
    FILE *out;
    struct session s;
    struct keystore ks; /* of the vault in this process */
    struct roster roster;
    uint32_t seat;
    uint8_t *seed;
    scalar_t *share, joint;
    struct plan *plan;
    struct target *target;
};

static void put(struct dump *d, const void *b, size_t len, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(d->out, fmt, ap);
    va_end(ap);
    fputc(' ', d->out);
    for (size_t i = 0; i < len; i++)
        fprintf(d->out, "%02x", ((const uint8_t *)b)[i]);
    fputc('\n', d->out);
}

/* --- the seed and what is derived from it --- */

/* The 48 bytes before they are reduced to a scalar, which is k: checked to be so. */
static err_t put_wide(struct dump *d, const scalar_t *k, const char *purpose, uint32_t index)
{
    struct cbor_out info = CBOR_OUT_INIT;
    uint8_t okm[48];
    scalar_t check;
    cbor_put_array(&info, 3);
    cbor_put_text(&info, purpose);
    cbor_put_hash(&info, &d->roster.ceremony);
    cbor_put_uint(&info, index);
    err_t e = hkdf(okm, sizeof okm, "conclave/seed", 13, d->seed, SEED_LEN, info.data, info.len);
    cbor_out_free(&info);
    scalar_reduce(&check, okm, sizeof okm);
    if (e != OK || memcmp(&check, k, sizeof check) != 0)
        return ERR_BUG;
    put(d, okm, sizeof okm, "%u:%s-%u-wide", d->seat, purpose, index);
    return OK;
}

static void labeled(struct cbor_out *o, const char *suite, size_t suite_len, const char *label,
                    const void *data, size_t len)
{
    o->len = 0;
    cbor_put_raw(o, "HPKE-v1", 7);
    cbor_put_raw(o, suite, suite_len);
    cbor_put_raw(o, label, strlen(label));
    if (len > 0)
        cbor_put_raw(o, data, len);
}

static err_t expand(uint8_t out[32], const hash_t *prk, const char *suite, size_t suite_len,
                    const char *label, const void *data, size_t len)
{
    struct cbor_out o = CBOR_OUT_INIT, all = CBOR_OUT_INIT;
    labeled(&o, suite, suite_len, label, data, len);
    cbor_put_raw(&all, "\0\40", 2);
    cbor_put_raw(&all, o.data, o.len);
    err_t e = hkdf_expand(out, 32, prk, all.data, all.len);
    cbor_out_free(&o);
    cbor_out_free(&all);
    return e;
}

/* RFC 9180: the keys that follow from the x-coordinate dh. */
static err_t put_hpke(struct dump *d, const uint8_t dh[32], const uint8_t enc[65], const point_t *recipient,
                      struct cbor_out *info, const char *what, uint32_t index)
{
    static const char kem[] = {'K', 'E', 'M', 0, 16}, suite[] = {'H', 'P', 'K', 'E', 0, 16, 0, 1, 0, 2};
    struct cbor_out o = CBOR_OUT_INIT;
    uint8_t context[130], ks[65] = {0};
    hash_t prk, shared, h, secret;
    hash_t key;
    err_t e;
    memcpy(context, enc, 65);
    GO(point_uncompress(d->s.g, context + 65, recipient));
    labeled(&o, kem, sizeof kem, "eae_prk", dh, 32);
    hkdf_extract(&prk, NULL, 0, o.data, o.len);
    GO(expand(shared.b, &prk, kem, sizeof kem, "shared_secret", context, sizeof context));
    labeled(&o, suite, sizeof suite, "psk_id_hash", NULL, 0);
    hkdf_extract(&h, NULL, 0, o.data, o.len);
    memcpy(ks + 1, h.b, 32);
    labeled(&o, suite, sizeof suite, "info_hash", info->data, info->len);
    hkdf_extract(&h, NULL, 0, o.data, o.len);
    memcpy(ks + 33, h.b, 32);
    labeled(&o, suite, sizeof suite, "secret", NULL, 0);
    hkdf_extract(&secret, shared.b, 32, o.data, o.len);
    GO(expand(key.b, &secret, suite, sizeof suite, "key", ks, sizeof ks));
    put(d, dh, 32, "%u:%s-%u-dh", d->seat, what, index);
    put(d, &prk, 32, "%u:%s-%u-prk", d->seat, what, index);
    put(d, &shared, 32, "%u:%s-%u-shared", d->seat, what, index);
    put(d, &secret, 32, "%u:%s-%u-secret", d->seat, what, index);
    put(d, &key, 32, "%u:%s-%u-key", d->seat, what, index);
out:
    cbor_out_free(&o);
    cbor_out_free(info);
    return e;
}

static err_t put_seed(struct dump *d, struct fault *f)
{
    struct trustee *t = &d->s.t;
    struct enrolment own;
    struct cbor_out info = CBOR_OUT_INIT;
    uint8_t *sealed, enc[65], ct[48], x[32];
    size_t len;
    TRY(enrolment_parse(&own, t->enrolment, t->m, t->g, f));
    TRY(trustee_seed(t, &d->seed, f));
    put(d, d->seed, SEED_LEN, "%u:seed", d->seat);
    TRY(board_detached_get(t->b, &sealed, &len, &own.sealed, f));
    err_t e = sealed_parse(enc, ct, sealed, len, f);
    free(sealed);
    TRY(e);
    TRY(d->ks.ops->ecdh(d->ks.ctx, x, &t->label, enc, f));
    seed_info(&info, &t->m->election, &t->identity, &t->ceremony_key, &own.commitment);
    return put_hpke(d, x, enc, &t->ceremony_key, &info, "seed", 0);
}

static err_t put_share(struct dump *d, const struct deal *deal, const scalar_t *a, uint32_t j,
                       struct fault *f)
{
    const struct roster *r = &d->roster;
    const point_t *recipient = &r->seat[j - 1].ceremony_key;
    struct cbor_out info = CBOR_OUT_INIT;
    scalar_t x, share, eph;
    point_t E;
    uint8_t dh[32], enc[65], pt[32], *sealed, theirs[65], ct[48];
    size_t len;
    scalar_set(&x, j);
    share = a[r->t - 1];
    for (uint32_t k = r->t - 1; k-- > 0;) {
        scalar_mul(&share, &share, &x);
        scalar_add(&share, &share, &a[k]);
    }
    put(d, &share, 32, "%u:share-for-%u", d->seat, j);
    TRY(seed_encapsulation(&eph, d->seed, &r->ceremony, j));
    put(d, &eph, 32, "%u:encapsulation-%u", d->seat, j);
    TRY(put_wide(d, &eph, "conclave/encapsulation", j));
    TRY(point_mul_base(d->s.g, &E, &eph));
    TRY(point_uncompress(d->s.g, enc, &E));
    TRY(hpke_dh(d->s.g, dh, &eph, recipient));
    TRY(board_detached_get(d->s.b, &sealed, &len, &deal->share[j - 1], f));
    err_t e = sealed_parse(theirs, ct, sealed, len, f);
    free(sealed);
    TRY(e);
    share_info(&info, r, deal, j);
    TRY(hpke_open(d->s.g, pt, enc, ct, sizeof ct, recipient, dh, info.data, info.len));
    if (memcmp(pt, &share, 32) != 0 || memcmp(enc, theirs, 65) != 0)
        return fault_set(f, ERR_BUG, "this tool computes other shares than the ceremony");
    return put_hpke(d, dh, enc, recipient, &info, "share", j);
}

/* --- nonces --- */

static err_t put_nonce(struct dump *d, const scalar_t *z, const scalar_t *c, const scalar_t *secret,
                       const point_t *R, const char *what, size_t index)
{
    scalar_t w;
    point_t check;
    scalar_mul(&w, c, secret);
    scalar_sub(&w, z, &w);
    TRY(point_mul_base(d->s.g, &check, &w));
    if (!point_equal(&check, R))
        return ERR_BUG;
    put(d, &w, 32, "%u:nonce-%s-%zu", d->seat, what, index);
    return OK;
}

static err_t put_pok_nonce(struct dump *d, const struct pok *p, const scalar_t *secret, const point_t *X,
                           const char *label, struct cbor_out *context)
{
    struct cbor_out o = CBOR_OUT_INIT;
    scalar_t c;
    cbor_put_array(&o, 5);
    cbor_put_text(&o, label);
    cbor_put_hash(&o, &d->roster.election);
    cbor_put_bytes(&o, context->data, context->len);
    cbor_put_point(&o, X);
    cbor_put_point(&o, &p->R);
    cbor_out_free(context);
    TRY(cbor_out_scalar(&o, &c, label));
    return put_nonce(d, &p->z, &c, secret, &p->R, label, 0);
}

static const struct entry *own_entry(struct dump *d, enum entry_kind kind)
{
    for (size_t i = 0; i < d->s.b->entry_count; i++)
        if (d->s.b->entry[i]->kind == kind && point_equal(&d->s.b->entry[i]->author, &d->s.t.identity))
            return d->s.b->entry[i];
    return NULL;
}

static err_t put_deal(struct dump *d, struct fault *f)
{
    const struct roster *r = &d->roster;
    const struct entry *e = own_entry(d, ENTRY_DEAL);
    struct cbor_out context = CBOR_OUT_INIT;
    scalar_t a[TRUSTEES_MAX];
    struct deal deal;
    struct cbor_in in;
    struct pok pok;
    if (e == NULL)
        return fault_set(f, ERR_MISSING, "no deal");
    TRY(deal_check(&deal, e, r, d->s.g, f));
    TRY(seed_contribution(&a[0], d->seed, &r->election, &d->s.t.identity));
    scalar_add(&d->joint, &d->joint, &a[0]);
    for (uint32_t k = 1; k < r->t; k++) {
        TRY(seed_coefficient(&a[k], d->seed, &r->ceremony, k));
        TRY(put_wide(d, &a[k], "conclave/coefficient", k));
    }
    for (uint32_t k = 0; k < r->t; k++)
        put(d, &a[k], 32, "%u:coefficient-%u", d->seat, k);
    for (uint32_t j = 1; j <= r->n; j++)
        TRY(put_share(d, &deal, a, j, f));
    cbor_in_init(&in, e->evidence, e->evidence_len);
    cbor_get_pok(&in, d->s.g, &pok);
    TRY(cbor_in_end(&in, f));
    TRY(deal_context(&context, r, &deal));
    return put_pok_nonce(d, &pok, &a[0], &deal.C[0], "conclave/deal-pok", &context);
}

static err_t put_confirmation(struct dump *d, struct fault *f)
{
    const struct entry *e = own_entry(d, ENTRY_CONFIRM);
    struct status *st;
    struct cbor_out context = CBOR_OUT_INIT;
    struct cbor_in in;
    struct pok pok;
    if (e == NULL)
        return fault_set(f, ERR_MISSING, "no confirmation");
    TRY(status_read(&st, d->s.el->m, d->s.b, d->s.g, f));
    cbor_in_init(&in, e->evidence, e->evidence_len);
    cbor_get_array_exact(&in, 2);
    cbor_get_pok(&in, d->s.g, &pok);
    confirm_context(&context, &d->roster, &st->cut, &st->outcome, d->seat);
    const point_t *S = &st->outcome.S[d->seat - 1];
    err_t err = put_pok_nonce(d, &pok, d->share, S, "conclave/confirm-pok", &context);
    status_free(st);
    return err;
}

/* The challenge of a batched proof, written down a second time from ceremony/math/dleq.h. */
static err_t dleq_challenge(struct dump *d, scalar_t *c, const struct target *x, const point_t *D,
                            const struct dleq *p)
{
    const struct record *r = d->s.el->r;
    scalar_t weight[OPTIONS_MAX];
    point_t M, Z;
    hash_t T;
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 9 + 2 * x->count);
    cbor_put_text(&o, "conclave/dleq");
    cbor_put_hash(&o, &r->election);
    cbor_put_hash(&o, &r->id);
    cbor_put_hash(&o, &d->plan->id);
    cbor_put_text(&o, x->place);
    cbor_put_text(&o, x->contest);
    cbor_put_uint(&o, d->seat);
    cbor_put_point(&o, &r->seat[d->seat - 1].S);
    cbor_put_uint(&o, x->count);
    for (size_t i = 0; i < x->count; i++) {
        cbor_put_point(&o, &x->A[i]);
        cbor_put_point(&o, &D[i]);
    }
    TRY(cbor_out_hash(&o, &T));
    for (size_t i = 0; i < x->count; i++) {
        cbor_put_array(&o, 4);
        cbor_put_text(&o, "conclave/dleq-w");
        cbor_put_hash(&o, &r->election);
        cbor_put_hash(&o, &T);
        cbor_put_uint(&o, i + 1);
        TRY(cbor_out_scalar(&o, &weight[i], "conclave/dleq-w"));
    }
    TRY(point_mul_sum(d->s.g, &M, weight, x->A, x->count));
    TRY(point_mul_sum(d->s.g, &Z, weight, D, x->count));
    cbor_put_array(&o, 7);
    cbor_put_text(&o, "conclave/dleq-c");
    cbor_put_hash(&o, &r->election);
    cbor_put_hash(&o, &T);
    cbor_put_point(&o, &M);
    cbor_put_point(&o, &Z);
    cbor_put_point(&o, &p->a);
    cbor_put_point(&o, &p->b);
    return cbor_out_scalar(&o, c, "conclave/dleq-c");
}

static err_t put_partial(struct dump *d, struct fault *f)
{
    const struct entry *e = own_entry(d, ENTRY_PARTIAL);
    struct partial *p;
    scalar_t c;
    if (e == NULL)
        return OK; /* t of n decrypt */
    TRY(partial_parse(&p, e, d->s.el->r, &d->plan->id, d->target, d->plan->unit_count, f));
    err_t err = OK;
    for (size_t i = 0; i < d->plan->unit_count && err == OK; i++) {
        err = dleq_challenge(d, &c, &d->target[i], p->D[i], &p->proof[i]);
        if (err == OK)
            err = put_nonce(d, &p->proof[i].z, &c, d->share, &p->proof[i].a, "partial", i);
    }
    partial_free(p);
    return err;
}

/* --- one trustee --- */

static err_t put_pin(struct dump *d, const char *path, struct fault *f)
{
    uint8_t *pin;
    size_t len;
    TRY(file_read(&pin, &len, path, 200, f));
    put(d, pin, len - 1, "%u:PIN", d->seat); /* without the line's end */
    free(pin);
    return OK;
}

static err_t dump_all(struct dump *d, const char *plan, const char *pin_file, struct fault *f)
{
    uint32_t seat;
    TRY(trustee_find(&d->s.t, f));
    TRY(session_roster(&d->s, &d->roster, f));
    d->seat = roster_seat(&d->roster, &d->s.t.identity);
    TRY(put_pin(d, pin_file, f));
    TRY(put_seed(d, f));
    TRY(put_deal(d, f));
    TRY(share_rebuild(&d->s.t, d->s.el->r, &d->share, &seat, f));
    put(d, d->share, 32, "%u:share-of-key", d->seat);
    TRY(put_confirmation(d, f));
    TRY(plan_load_var(&d->plan, &d->s.el->ctx, plan, f));
    TRY(plan_targets(&d->target, &d->s.el->ctx, d->plan));
    return put_partial(d, f);
}

static err_t one_trustee(struct dump *d, const char *board, const char *plan, char **triple, struct fault *f)
{
    struct common c = {.board = board};
    setenv("SOFTHSM2_CONF", triple[0], 1);
    struct hsm_options opt = {.program = "/proc/self/exe"};
    TRY(session_open(&d->s, &c, 1, stderr, f));
    err_t e = hsm_open(&d->ks, triple[1], &opt, f);
    if (e == OK)
        e = vault_local_open(&d->s.t.vault, &d->ks, f);
    d->s.has_token = e == OK;
    if (e == OK)
        e = dump_all(d, plan, triple[2], f);
    secret_free(d->seed);
    secret_free(d->share);
    if (d->target != NULL)
        plan_targets_free(d->target, d->plan->unit_count);
    plan_free(d->plan);
    session_close(&d->s);
    *d = (struct dump){.out = d->out, .joint = d->joint};
    return e;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "token-process") == 0)
        return hsm_server_main(HSM_SERVER_FD, NULL);
    struct dump *d = calloc(1, sizeof *d);
    struct fault f;
    char text[2048];
    fault_clear(&f);
    if (argc < 7 || argc % 3 != 1 || d == NULL || secret_init() != OK)
        return 2;
    d->out = fopen(argv[3], "w");
    if (d->out == NULL)
        return 2;
    err_t e = OK;
    for (int i = 4; i < argc && e == OK; i += 3)
        e = one_trustee(d, argv[1], argv[2], argv + i, &f);
    put(d, &d->joint, 32, "joint-key");
    if (e != OK) {
        if (f.err != e)
            fault_set(&f, e, "secrets_tool");
        fault_text(text, sizeof text, &f);
        fprintf(stderr, "%s\n", text);
    }
    fclose(d->out);
    free(d);
    return e != OK;
}
