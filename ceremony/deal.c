/* Deals and reveals, public side. Feldman, "A practical scheme for non-interactive verifiable secret
 * sharing". */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "ceremony/phase.h"
#include "ceremony/seed.h"

err_t deal_context(struct cbor_out *o, const struct roster *r, const struct deal *d)
{
    cbor_put_array(o, 4);
    cbor_put_hash(o, &r->ceremony);
    cbor_put_uint(o, d->seat);
    cbor_put_array(o, r->t);
    for (uint32_t k = 0; k < r->t; k++)
        cbor_put_point(o, &d->C[k]);
    cbor_put_array(o, r->n);
    for (uint32_t j = 0; j < r->n; j++)
        cbor_put_hash(o, &d->share[j]);
    return o->err;
}

static err_t deal_parse(struct deal *d, struct pok *proof, const struct entry *e, const struct roster *r,
                        struct group *g, struct fault *f)
{
    struct cbor_in in;
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 2);
    cbor_get_array_exact(&in, r->t);
    for (uint32_t k = 0; k < r->t && in.err == OK; k++)
        cbor_get_point(&in, g, &d->C[k]);
    cbor_get_array_exact(&in, r->n);
    for (uint32_t j = 0; j < r->n && in.err == OK; j++)
        cbor_get_hash(&in, &d->share[j]);
    TRY(cbor_in_end(&in, f));
    cbor_in_init(&in, e->evidence, e->evidence_len);
    cbor_get_pok(&in, g, proof);
    return cbor_in_end(&in, f);
}

err_t deal_check(struct deal *out, const struct entry *e, const struct roster *r, struct group *g,
                 struct fault *f)
{
    memset(out, 0, sizeof *out);
    struct deal d = {.statement_id = e->statement_id, .seat = roster_seat(r, &e->author)};
    struct pok proof;
    hash_t commitment;
    if (e->kind != ENTRY_DEAL || d.seat == 0 || hash_cmp(&e->ceremony, &r->ceremony) != 0)
        return fault_set(f, ERR_ELECTION, "not a deal of this roster");
    const struct enrolment *who = &r->seat[d.seat - 1];
    err_t err = hash_is_zero(&e->subject) ? deal_parse(&d, &proof, e, r, g, f)
                                          : fault_set(f, ERR_FORMAT, "a deal has no subject");
    if (err == OK)
        err = enrolment_commitment(&commitment, &r->election, &who->identity, &d.C[0]);
    if (err == OK && hash_cmp(&commitment, &who->commitment) != 0)
        err = fault_set(f, ERR_COMMITMENT, "the first point is not the one committed to when enrolling");
    if (err == OK) {
        struct cbor_out context = CBOR_OUT_INIT;
        err = deal_context(&context, r, &d);
        if (err == OK)
            err =
                pok_verify(g, &proof, &d.C[0], "conclave/deal-pok", &r->election, context.data, context.len);
        cbor_out_free(&context);
        if (err != OK)
            fault_set(f, err, "the deal's proof of knowledge");
    }
    if (err != OK)
        return fault_who(f, err, "seat %u, %s", d.seat, who->name);
    *out = d;
    return OK;
}

static int in_list(const hash_t *ids, size_t count, const hash_t *id)
{
    for (size_t i = 0; i < count; i++)
        if (hash_cmp(&ids[i], id) == 0)
            return 1;
    return 0;
}

err_t deal_of_seat(struct deal *out, const struct board *b, const struct roster *r, struct group *g,
                   uint32_t seat, const hash_t *ids, size_t id_count, struct fault *f)
{
    memset(out, 0, sizeof *out);
    const struct enrolment *who = &r->seat[seat - 1];
    const struct entry *first = NULL;
    err_t e = ERR_MISSING;
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *x = b->entry[i];
        if (x->kind != ENTRY_DEAL || hash_cmp(&x->ceremony, &r->ceremony) != 0 ||
            !point_equal(&x->author, &who->identity) || (ids != NULL && !in_list(ids, id_count, &x->id)))
            continue;
        if (first != NULL && hash_cmp(&first->statement_id, &x->statement_id) != 0) {
            memset(out, 0, sizeof *out);
            fault_set(f, ERR_EQUIVOCATION, "two different deals");
            return fault_who(f, ERR_EQUIVOCATION, "seat %u, %s", seat, who->name);
        }
        /* Repetitions differ in their proofs only; one good proof is enough. */
        if (first == NULL || e != OK)
            e = deal_check(out, x, r, g, f);
        if (err_class(e) == CLASS_SYSTEM)
            return e;
        first = x;
    }
    if (first == NULL)
        fault_set(f, ERR_MISSING, "no deal");
    return fault_who(f, e, "seat %u, %s", seat, who->name);
}

err_t deal_expected(struct group *g, point_t *out, const struct deal *d, uint32_t t, uint32_t recipient)
{
    /* Horner in the exponent: (..(C_t-1 j + C_t-2) j + ..) + C_0 */
    scalar_t j;
    scalar_set(&j, recipient);
    point_t sum = d->C[t - 1];
    for (uint32_t k = t - 1; k-- > 0;) {
        TRY(point_mul(g, &sum, &j, &sum));
        TRY(point_add(g, &sum, &sum, &d->C[k]));
    }
    *out = sum;
    return OK;
}

void share_info(struct cbor_out *o, const struct roster *r, const struct deal *d, uint32_t recipient)
{
    struct cbor_out points = CBOR_OUT_INIT;
    hash_t h;
    cbor_put_array(&points, 5);
    cbor_put_text(&points, "conclave/points");
    cbor_put_hash(&points, &r->election);
    cbor_put_hash(&points, &r->ceremony);
    cbor_put_uint(&points, d->seat);
    cbor_put_array(&points, r->t);
    for (uint32_t k = 0; k < r->t; k++)
        cbor_put_point(&points, &d->C[k]);
    err_t e = cbor_out_hash(&points, &h);
    if (e != OK)
        o->err = e;
    cbor_put_array(o, 8);
    cbor_put_text(o, "conclave/share");
    cbor_put_hash(o, &r->election);
    cbor_put_hash(o, &r->ceremony);
    cbor_put_uint(o, d->seat);
    cbor_put_uint(o, recipient);
    cbor_put_point(o, &r->seat[d->seat - 1].identity);
    cbor_put_point(o, &r->seat[recipient - 1].ceremony_key);
    cbor_put_hash(o, &h);
}

err_t sealed_parse(uint8_t enc[65], uint8_t ct[48], const uint8_t *data, size_t len, struct fault *f)
{
    struct cbor_in in;
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 2);
    cbor_get_fixed(&in, enc, 65);
    cbor_get_fixed(&in, ct, 48);
    return cbor_in_end(&in, f);
}

/* --- reveals --- */

void subject_seat(hash_t *out, uint32_t seat)
{
    memset(out, 0, sizeof *out);
    out->b[31] = (uint8_t)seat;
}

uint32_t seat_of_subject(const hash_t *subject, uint32_t n)
{
    hash_t again;
    uint32_t seat = subject->b[31];
    subject_seat(&again, seat);
    return seat <= n && hash_cmp(subject, &again) == 0 ? seat : 0;
}

err_t complaint_parse(hash_t *deal, const struct entry *e)
{
    struct cbor_in in;
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 1);
    cbor_get_hash(&in, deal);
    err_t err = cbor_in_end(&in, NULL);
    if (err == OK && e->kind == ENTRY_COMPLAINT && hash_cmp(deal, &e->subject) == 0)
        return OK;
    memset(deal, 0, sizeof *deal);
    return ERR_FORMAT;
}

/* A failure of this machine is nobody's fault. */
static err_t as_share(err_t e)
{
    return e == OK || err_class(e) == CLASS_SYSTEM ? e : ERR_SHARE;
}

err_t share_opens(scalar_t *share, const struct roster *r, const struct deal *d, uint32_t recipient,
                  const scalar_t *eph, const uint8_t enc[65], const uint8_t ct[48], struct group *g)
{
    point_t from_eph, from_enc, expected, got;
    uint8_t dh[32];
    struct cbor_out info = CBOR_OUT_INIT;
    const point_t *key = &r->seat[recipient - 1].ceremony_key;
    err_t e = scalar_is_zero(eph) ? ERR_SHARE : OK;
    GO(e);
    GO(point_mul_base(g, &from_eph, eph));
    GO(as_share(point_compress(g, &from_enc, enc)));
    GO(point_equal(&from_eph, &from_enc) ? OK : ERR_SHARE);
    GO(hpke_dh(g, dh, eph, key));
    share_info(&info, r, d, recipient);
    GO(info.err);
    GO(as_share(hpke_open(g, share->b, enc, ct, 48, key, dh, info.data, info.len)));
    GO(as_share(scalar_check(share)));
    GO(deal_expected(g, &expected, d, r->t, recipient));
    GO(point_mul_base(g, &got, share));
    e = point_equal(&got, &expected) ? OK : ERR_SHARE;
out:
    if (e != OK)
        secret_wipe(share, sizeof *share);
    secret_wipe(dh, sizeof dh);
    secret_burn_stack();
    cbor_out_free(&info);
    return e;
}

err_t reveal_check(scalar_t *share, const struct entry *e, const struct roster *r, const struct deal *d,
                   uint32_t complainer, struct group *g, struct fault *f)
{
    memset(share, 0, sizeof *share);
    struct cbor_in in;
    hash_t id, have;
    scalar_t eph;
    size_t sealed_len;
    uint8_t enc[65], ct[48];
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 4);
    cbor_get_hash(&in, &id);
    cbor_get_uint_exact(&in, complainer);
    cbor_get_fixed(&in, eph.b, SCALAR_LEN);
    const uint8_t *sealed = cbor_get_bytes(&in, 1, DETACHED_MAX, &sealed_len);
    err_t err = cbor_in_end(&in, NULL);
    if (err == OK) {
        hash_one(&have, sealed, sealed_len);
        err = hash_cmp(&id, &d->statement_id) != 0 || hash_cmp(&have, &d->share[complainer - 1]) != 0 ||
                      scalar_check(&eph) != OK || sealed_parse(enc, ct, sealed, sealed_len, NULL) != OK
                  ? ERR_SHARE
                  : share_opens(share, r, d, complainer, &eph, enc, ct, g);
    }
    if (err == OK)
        return OK;
    memset(share, 0, sizeof *share);
    if (err_class(err) == CLASS_SYSTEM)
        return fault_set(f, err, "checking the reveal for seat %u", complainer);
    fault_set(f, ERR_SHARE, "the reveal for seat %u does not fit", complainer);
    return fault_who(f, ERR_SHARE, "seat %u, %s", d->seat, r->seat[d->seat - 1].name);
}
