/* A trustee's enrolment and roster. */
#include "ceremony/trustee.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/trustee_secret.h"

/* --- the token's key as a signer of entries --- */

static err_t token_sign(void *ctx, uint8_t signature[SIGNATURE_LEN], const hash_t *digest, struct fault *f)
{
    struct trustee *t = ctx;
    return t->ks.ops->sign(t->ks.ctx, signature, &t->label, digest, f);
}

err_t trustee_post(struct trustee *t, const struct entry **out, enum entry_kind kind, const hash_t *ceremony,
                   const hash_t *subject, struct cbor_out *statement, struct cbor_out *evidence, struct fault *f)
{
    struct signer s = {t->identity, t, token_sign};
    struct entry *e;
    int taken = 0;
    hash_t id;
    err_t err = entry_make(&e, kind, &t->m->election, ceremony, subject, statement, evidence, &s, f);
    cbor_out_free(statement);
    if (evidence != NULL)
        cbor_out_free(evidence);
    if (err != OK)
        return err;
    id = e->id;
    if (kind == ENTRY_ROSTER)
        err = board_own(t->b, &t->identity, f);
    if (err == OK)
        err = board_add(t->b, e, &taken, f);
    if (!taken)
        entry_free(e);
    if (out != NULL)
        *out = err == OK ? board_entry(t->b, &id) : NULL;
    return err;
}

/* --- finding oneself --- */

struct search {
    struct trustee *t;
    struct fault *f;
    size_t keys;
};

/* The enrolment that a key signed; if it signed several, the one in the roster that it signed. *out NULL: none. */
static err_t enrolment_of(const struct entry **out, const struct trustee *t, const point_t *identity)
{
    *out = NULL;
    if (board_find(t->b, out, NULL, ENTRY_ENROLL, NULL, identity, NULL) == OK && *out == NULL)
        return OK;
    struct roster *r = malloc(sizeof *r);
    err_t e = r == NULL ? ERR_MEMORY : roster_signed_by(r, t->m, t->b, t->g, identity, NULL);
    if (e == OK) {
        uint32_t seat = roster_seat(r, identity);
        if (seat != 0)
            *out = board_entry(t->b, &r->seat[seat - 1].id);
    } else if (board_find(t->b, out, NULL, ENTRY_ENROLL, NULL, identity, NULL) != OK) {
        *out = NULL;
    }
    free(r);
    if (err_class(e) != CLASS_SYSTEM)
        return OK;
    *out = NULL;
    return e;
}

static err_t try_label(void *ctx, const struct key_label *label)
{
    struct search *s = ctx;
    struct trustee *t = s->t;
    point_t identity, ceremony_key;
    const struct entry *e;
    if (t->enrolment != NULL)
        return OK;
    s->keys++;
    err_t err = t->ks.ops->keys_find(t->ks.ctx, &identity, &ceremony_key, label, s->f);
    if (err == ERR_TOKEN_KEY) /* retired, or not ours: cannot be the one */
        return OK;
    if (err != OK)
        return err;
    err = enrolment_of(&e, t, &identity);
    if (err != OK)
        return fault_set(s->f, err, "looking for the own enrolment");
    if (e != NULL) {
        t->label = *label;
        t->identity = identity;
        t->ceremony_key = ceremony_key;
        t->enrolment = e;
    }
    return OK;
}

err_t trustee_find(struct trustee *t, struct fault *f)
{
    struct search s = {t, f, 0};
    t->enrolment = NULL;
    TRY(t->ks.ops->labels(t->ks.ctx, try_label, &s, f));
    if (t->enrolment != NULL)
        return OK;
    if (s.keys == 0)
        return fault_set(f, ERR_MISSING, "this token has not enrolled, or was removed while it was read");
    return fault_set(f, ERR_MISSING, "this token's keys are not enrolled on this board, or it was removed while it was read");
}

/* --- the seed --- */

static err_t ecdh_x(struct trustee *t, uint8_t x[32], const uint8_t enc[65], struct fault *f)
{
    point_t p;
    err_t e = point_compress(t->g, &p, enc); /* on the curve, before the token sees it */
    if (e != OK)
        return fault_set(f, e, "encapsulated key");
    return t->ks.ops->ecdh(t->ks.ctx, x, &t->label, enc, f);
}

err_t trustee_open(struct trustee *t, uint8_t secret_out[32], const uint8_t *sealed, size_t sealed_len,
                   struct cbor_out *info, struct fault *f)
{
    uint8_t enc[65], ct[48], *x = NULL;
    err_t e = info->err;
    memset(secret_out, 0, 32);
    if (e == OK)
        e = secret_alloc((void **)&x, 32);
    if (e == OK)
        e = sealed_parse(enc, ct, sealed, sealed_len, f);
    if (e == OK)
        e = ecdh_x(t, x, enc, f);
    if (e == OK)
        e = hpke_open(t->g, secret_out, enc, ct, sizeof ct, &t->ceremony_key, x, info->data, info->len);
    if (e == ERR_DECRYPT)
        fault_set(f, e, "sealed with another key or for another purpose");
    secret_free(x);
    secret_burn_stack();
    cbor_out_free(info);
    return e;
}

err_t trustee_seed(struct trustee *t, uint8_t **secret_seed, struct fault *f)
{
    *secret_seed = NULL;
    struct enrolment own;
    uint8_t *sealed = NULL, *seed = NULL;
    scalar_t *a = NULL;
    size_t len;
    point_t C0;
    hash_t commitment;
    err_t e;
    GO(enrolment_parse(&own, t->enrolment, t->m, t->g, f));
    if (!point_equal(&own.ceremony_key, &t->ceremony_key)) {
        e = fault_set(f, ERR_MISMATCH, "the enrolment names another ceremony key than the token holds");
        goto out;
    }
    GO(board_detached_get(t->b, &sealed, &len, &own.sealed, f));
    GO(secret_alloc((void **)&seed, SEED_LEN));
    GO(secret_alloc((void **)&a, sizeof *a));
    struct cbor_out info = CBOR_OUT_INIT;
    seed_info(&info, &t->m->election, &t->identity, &t->ceremony_key, &own.commitment);
    GO(trustee_open(t, seed, sealed, len, &info, f));
    GO(seed_contribution(a, seed, &t->m->election, &t->identity));
    GO(point_mul_base(t->g, &C0, a));
    GO(enrolment_commitment(&commitment, &t->m->election, &t->identity, &C0));
    if (hash_cmp(&commitment, &own.commitment) != 0) {
        e = fault_set(f, ERR_COMMITMENT, "the sealed seed is not the one committed to");
        goto out;
    }
    *secret_seed = seed;
    seed = NULL;
out:
    secret_free(a);
    secret_free(seed);
    free(sealed);
    secret_burn_stack();
    return fault_who(f, e, "own sealed seed");
}

/* --- enrolling --- */

/* Seals the seed to the own ceremony key and writes it as a detached file. */
static err_t seal_seed(struct trustee *t, hash_t *sealed, const uint8_t *seed, const hash_t *commitment,
                       struct fault *f)
{
    uint8_t enc[65], ct[SEED_LEN + HPKE_TAG_LEN];
    uint8_t fresh[32];
    scalar_t *eph;
    hash_t statement;
    struct cbor_out info = CBOR_OUT_INIT, file = CBOR_OUT_INIT;
    TRY(secret_alloc((void **)&eph, sizeof *eph));
    seed_info(&info, &t->m->election, &t->identity, &t->ceremony_key, commitment);
    hash_one(&statement, info.data, info.len);
    err_t e = info.err;
    if (e == OK)
        e = seed_fresh(&t->ks, fresh, f);
    if (e == OK)
        e = nonce_make(eph, seed, SEED_LEN, fresh, &statement);
    secret_wipe(fresh, sizeof fresh);
    if (e == OK)
        e = hpke_seal(t->g, enc, ct, &t->ceremony_key, eph, info.data, info.len, seed, SEED_LEN);
    if (e == OK) {
        sealed_put(&file, enc, ct);
        e = file.err;
    }
    if (e == OK)
        e = board_detached_put(t->b, sealed, file.data, file.len, f);
    secret_free(eph);
    secret_burn_stack();
    cbor_out_free(&info);
    cbor_out_free(&file);
    return e;
}

void sealed_put(struct cbor_out *o, const uint8_t enc[65], const uint8_t ct[48])
{
    cbor_put_array(o, 2);
    cbor_put_bytes(o, enc, 65);
    cbor_put_bytes(o, ct, 48);
}

/* A token that cannot open what is sealed to it is found out before anything is signed. */
static err_t opens_again(struct trustee *t, const hash_t *sealed, const uint8_t *seed, const hash_t *commitment,
                         struct fault *f)
{
    uint8_t *data = NULL, *again = NULL;
    size_t len;
    struct cbor_out info = CBOR_OUT_INIT;
    err_t e;
    GO(board_detached_get(t->b, &data, &len, sealed, f));
    GO(secret_alloc((void **)&again, SEED_LEN));
    seed_info(&info, &t->m->election, &t->identity, &t->ceremony_key, commitment);
    e = trustee_open(t, again, data, len, &info, f);
    if (e == ERR_DECRYPT || (e == OK && !secret_equal(again, seed, SEED_LEN)))
        e = fault_set(f, ERR_TOKEN_CANNOT, "the token's ECDH does not open what is sealed to its own key");
out:
    secret_free(again);
    free(data);
    return e;
}

static err_t make_seed(struct trustee *t, hash_t *sealed, hash_t *commitment, struct fault *f)
{
    uint8_t *seed = NULL;
    scalar_t *a = NULL;
    point_t C0;
    err_t e;
    GO(secret_alloc((void **)&seed, SEED_LEN));
    GO(secret_alloc((void **)&a, sizeof *a));
    GO(seed_fresh(&t->ks, seed, f));
    GO(seed_contribution(a, seed, &t->m->election, &t->identity));
    GO(point_mul_base(t->g, &C0, a));
    GO(enrolment_commitment(commitment, &t->m->election, &t->identity, &C0));
    GO(seal_seed(t, sealed, seed, commitment, f));
    GO(opens_again(t, sealed, seed, commitment, f));
out:
    secret_free(a);
    secret_free(seed);
    secret_burn_stack();
    return e;
}

static err_t new_label(struct trustee *t)
{
    /* The election's first bytes let a person recognise the keys in another tool; the rest is random. */
    memcpy(t->label.b, t->m->election.b, 4);
    random_bytes(t->label.b + 4, KEY_LABEL_LEN - 4);
    return OK;
}

static err_t enroll_with_keys(struct trustee *t, const char *name, const char *organisation,
                              const struct token_info *info, struct fault *f)
{
    hash_t sealed, commitment;
    TRY(make_seed(t, &sealed, &commitment, f));
    struct cbor_out st = CBOR_OUT_INIT;
    cbor_put_array(&st, 10);
    cbor_put_uint(&st, t->m->n);
    cbor_put_uint(&st, t->m->t);
    cbor_put_text(&st, name);
    cbor_put_text(&st, organisation);
    cbor_put_point(&st, &t->ceremony_key);
    cbor_put_text(&st, info->manufacturer);
    cbor_put_text(&st, info->model);
    cbor_put_text(&st, info->serial);
    cbor_put_hash(&st, &sealed);
    cbor_put_hash(&st, &commitment);
    return trustee_post(t, &t->enrolment, ENTRY_ENROLL, NULL, NULL, &st, NULL, f);
}

err_t enroll_make(struct trustee *t, const char *name, const char *organisation, struct fault *f)
{
    struct token_info info;
    err_t e = name[0] == '\0' || strlen(name) > TEXT_TITLE_MAX || strlen(organisation) > TEXT_TITLE_MAX ? ERR_TEXT : OK;
    if (e == OK)
        e = text_check(name, strlen(name));
    if (e == OK)
        e = text_check(organisation, strlen(organisation));
    if (e != OK)
        return fault_set(f, e, "name and organisation: 1 to %d printable characters", TEXT_TITLE_MAX);
    e = trustee_find(t, f);
    if (e == OK)
        return OK; /* repeated */
    if (e != ERR_MISSING)
        return e;
    fault_clear(f);
    TRY(t->ks.ops->info(t->ks.ctx, &info, f));
    TRY(new_label(t));
    TRY(t->ks.ops->keys_make(t->ks.ctx, &t->identity, &t->ceremony_key, &t->label, f));
    e = enroll_with_keys(t, name, organisation, &info, f);
    if (e != OK && (t->enrolment == NULL)) {
        /* Nothing was published: leave no keys behind. A failure here must not hide the first one. */
        struct fault second;
        err_t ignored = t->ks.ops->forget(t->ks.ctx, &t->label, &second);
        (void)ignored;
    }
    return e;
}

/* --- roster --- */

err_t roster_check_own(struct trustee *t, const struct roster *r, struct fault *f)
{
    uint32_t seat = roster_seat(r, &t->identity);
    if (seat == 0)
        return fault_set(f, ERR_MISMATCH, "your enrolment is not in this roster");
    if (hash_cmp(&r->seat[seat - 1].id, &t->enrolment->id) != 0)
        return fault_set(f, ERR_MISMATCH, "the roster has another enrolment of your key than yours");
    uint8_t *seed;
    TRY(trustee_seed(t, &seed, f));
    secret_free(seed);
    return OK;
}

err_t roster_sign(struct trustee *t, const struct roster *r, struct fault *f)
{
    TRY(roster_check_own(t, r, f));
    struct roster signed_before;
    err_t e = roster_signed_by(&signed_before, t->m, t->b, t->g, &t->identity, f);
    if (e == OK && hash_cmp(&signed_before.ceremony, &r->ceremony) == 0)
        return OK; /* repeated */
    if (e != ERR_MISSING)
        return e == OK ? fault_set(f, ERR_DONE, "you signed another roster before") : e;
    fault_clear(f);
    TRY(roster_single(t->b, r, f));
    struct cbor_out st = CBOR_OUT_INIT;
    roster_statement(&st, r);
    return trustee_post(t, NULL, ENTRY_ROSTER, &r->ceremony, NULL, &st, NULL, f);
}
