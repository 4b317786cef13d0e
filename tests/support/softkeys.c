#include "tests/support/softkeys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"

static err_t step(struct softkeys *k, struct fault *f)
{
    k->calls++;
    if (k->fail_at != k->calls)
        return OK;
    return fault_set(f, k->fail_with, "the test made call %zu fail", k->calls);
}

static struct soft_enrolment *find(struct softkeys *k, const struct key_label *label)
{
    for (size_t i = 0; i < k->enrolment_count; i++)
        if (memcmp(k->enrolment[i].label.b, label->b, KEY_LABEL_LEN) == 0)
            return &k->enrolment[i];
    return NULL;
}

static err_t soft_info(void *ctx, struct token_info *out, struct fault *f)
{
    struct softkeys *k = ctx;
    TRY(step(k, f));
    *out = k->info;
    return OK;
}

static err_t soft_random(void *ctx, uint8_t *out, size_t len, struct fault *f)
{
    struct softkeys *k = ctx;
    memset(out, 0, len);
    TRY(step(k, f));
    if (k->random == SOFT_RANDOM_GOOD)
        random_bytes(out, len);
    return OK;
}

static err_t make(struct softkeys *k, const struct key_label *label)
{
    struct soft_enrolment *e = &k->enrolment[k->enrolment_count];
    if (k->enrolment_count == SOFT_ENROLMENTS_MAX)
        return ERR_TOKEN_FULL;
    memset(e, 0, sizeof *e);
    e->label = *label;
    scalar_random(&e->identity);
    scalar_random(&e->ceremony);
    TRY(point_mul_base(k->g, &e->identity_key, &e->identity));
    TRY(point_mul_base(k->g, &e->ceremony_key, &e->ceremony));
    k->enrolment_count++;
    return OK;
}

static err_t soft_keys_make(void *ctx, pubkey_t *identity, pubkey_t *ceremony, const struct key_label *label,
                            struct fault *f)
{
    struct softkeys *k = ctx;
    TRY(step(k, f));
    if (find(k, label) != NULL)
        return fault_set(f, ERR_EXISTS, "label");
    err_t e = make(k, label);
    if (e != OK)
        return fault_set(f, e, "making keys");
    *identity = find(k, label)->identity_key;
    *ceremony = find(k, label)->ceremony_key;
    return OK;
}

static err_t soft_keys_find(void *ctx, pubkey_t *identity, pubkey_t *ceremony, const struct key_label *label,
                            struct fault *f)
{
    struct softkeys *k = ctx;
    TRY(step(k, f));
    const struct soft_enrolment *e = find(k, label);
    if (e == NULL || e->retired)
        return fault_set(f, ERR_TOKEN_KEY, "no such key");
    *identity = e->identity_key;
    *ceremony = e->ceremony_key;
    return OK;
}

/* ECDSA, FIPS 186-5 section 6.4. */
static err_t ecdsa(struct group *g, uint8_t signature[SIGNATURE_LEN], const scalar_t *d, const hash_t *digest)
{
    scalar_t k, z, r, s;
    point_t R;
    scalar_random(&k);
    TRY(point_mul_base(g, &R, &k));
    scalar_reduce(&r, R.b + 1, 32);
    scalar_reduce(&z, digest->b, HASH_LEN);
    scalar_mul(&s, &r, d);
    scalar_add(&s, &s, &z);
    scalar_invert(&k, &k);
    scalar_mul(&s, &s, &k);
    memcpy(signature, r.b, 32);
    memcpy(signature + 32, s.b, 32);
    return OK;
}

static err_t soft_sign(void *ctx, uint8_t signature[SIGNATURE_LEN], const struct key_label *label,
                       const hash_t *digest, struct fault *f)
{
    struct softkeys *k = ctx;
    TRY(step(k, f));
    const struct soft_enrolment *e = find(k, label);
    if (e == NULL)
        return fault_set(f, ERR_TOKEN_KEY, "no such key");
    TRY(ecdsa(k->g, signature, &e->identity, digest));
    signature[40] ^= k->wrong_signature ? 1 : 0;
    return OK;
}

static err_t soft_ecdh(void *ctx, uint8_t x_out[32], const struct key_label *label, const uint8_t peer[65],
                       struct fault *f)
{
    struct softkeys *k = ctx;
    point_t p;
    memset(x_out, 0, 32);
    TRY(step(k, f));
    const struct soft_enrolment *e = find(k, label);
    if (e == NULL || e->retired)
        return fault_set(f, ERR_TOKEN_KEY, "no such key");
    if (point_compress(k->g, &p, peer) != OK)
        return fault_set(f, ERR_BUG, "the token was given something that is no point");
    TRY(hpke_dh(k->g, x_out, &e->ceremony, &p));
    x_out[5] ^= k->wrong_ecdh ? 1 : 0;
    return OK;
}

static err_t soft_bind(void *ctx, const struct key_label *label, enum binding what, const hash_t *value,
                       struct fault *f)
{
    struct softkeys *k = ctx;
    TRY(step(k, f));
    struct soft_enrolment *e = find(k, label);
    if (e == NULL)
        return fault_set(f, ERR_TOKEN_KEY, "no such key");
    if (e->is_bound[what] && (hash_cmp(&e->bound[what], value) != 0 || (what == BIND_PLAN && e->is_torn)))
        return fault_set(f, ERR_TOKEN_BOUND, "bound");
    e->is_bound[what] = 1;
    e->bound[what] = *value;
    return OK;
}

static err_t soft_bound(void *ctx, hash_t *value, const struct key_label *label, enum binding what,
                        struct fault *f)
{
    struct softkeys *k = ctx;
    memset(value, 0, sizeof *value);
    TRY(step(k, f));
    const struct soft_enrolment *e = find(k, label);
    if (e == NULL || !e->is_bound[what])
        return fault_set(f, ERR_MISSING, "not bound");
    if (what == BIND_PLAN && e->is_torn)
        return fault_set(f, ERR_TOKEN_BOUND, "bound to two values");
    *value = e->bound[what];
    return OK;
}

static err_t soft_rebind(void *ctx, const struct key_label *label, enum binding what, const hash_t *from,
                         const hash_t *to, struct fault *f)
{
    struct softkeys *k = ctx;
    TRY(step(k, f));
    struct soft_enrolment *e = find(k, label);
    if (e != NULL && e->is_torn && what == BIND_PLAN && hash_cmp(&e->torn_from, from) == 0 &&
        hash_cmp(&e->bound[what], to) == 0) {
        e->is_torn = 0;
        return OK;
    }
    if (e == NULL || what != BIND_PLAN || e->is_torn || !e->is_bound[what] ||
        hash_cmp(&e->bound[what], from) != 0)
        return fault_set(f, ERR_TOKEN_BOUND, "bound to another value");
    e->bound[what] = *to;
    return OK;
}

static err_t soft_retire(void *ctx, const struct key_label *label, struct fault *f)
{
    struct softkeys *k = ctx;
    TRY(step(k, f));
    struct soft_enrolment *e = find(k, label);
    if (e != NULL) {
        memset(&e->ceremony, 0, sizeof e->ceremony);
        e->retired = 1;
    }
    return OK;
}

static err_t soft_forget(void *ctx, const struct key_label *label, struct fault *f)
{
    struct softkeys *k = ctx;
    TRY(step(k, f));
    struct soft_enrolment *e = find(k, label);
    if (e != NULL)
        *e = k->enrolment[--k->enrolment_count];
    return OK;
}

static err_t soft_labels(void *ctx, err_t (*fn)(void *fn_ctx, const struct key_label *label), void *fn_ctx,
                         struct fault *f)
{
    struct softkeys *k = ctx;
    TRY(step(k, f));
    for (size_t i = 0; i < k->enrolment_count; i++)
        TRY(fn(fn_ctx, &k->enrolment[i].label));
    return OK;
}

static void soft_close(void *ctx)
{
    (void)ctx;
}

static const struct keystore_ops soft_ops = {
    soft_info,  soft_random, soft_keys_make, soft_keys_find, soft_sign,   soft_ecdh,  soft_bind,
    soft_bound, soft_rebind, soft_retire,    soft_forget,    soft_labels, soft_close,
};

struct keystore softkeys_store(struct softkeys *k)
{
    return (struct keystore){k, &soft_ops};
}

struct vault softkeys_vault(struct softkeys *k)
{
    return k->vault;
}

struct softkeys *softkeys_new(const char *model, const char *serial)
{
    struct softkeys *k = calloc(1, sizeof *k);
    if (k == NULL || group_new(&k->g) != OK)
        abort();
    snprintf(k->info.label, sizeof k->info.label, "soft %s", serial);
    snprintf(k->info.manufacturer, sizeof k->info.manufacturer, "Tests");
    snprintf(k->info.model, sizeof k->info.model, "%s", model);
    snprintf(k->info.serial, sizeof k->info.serial, "%s", serial);
    struct keystore ks = softkeys_store(k);
    if (vault_local_open(&k->vault, &ks, NULL) != OK)
        abort();
    return k;
}

void softkeys_free(struct softkeys *k)
{
    if (k == NULL)
        return;
    k->vault.ops->close(k->vault.ctx);
    group_free(k->g);
    secret_wipe(k, sizeof *k);
    free(k);
}

void softkeys_fail(struct softkeys *k, size_t call, err_t e)
{
    k->fail_at = k->calls + call;
    k->fail_with = e;
}

static err_t sign_directly(void *ctx, uint8_t signature[SIGNATURE_LEN], const hash_t *digest, struct fault *f)
{
    const struct soft_enrolment *e = ctx;
    struct group *g;
    (void)f;
    TRY(group_new(&g));
    err_t err = ecdsa(g, signature, &e->identity, digest);
    group_free(g);
    return err;
}

struct signer softkeys_signer(struct softkeys *k, size_t enrolment)
{
    return (struct signer){k->enrolment[enrolment].identity_key, &k->enrolment[enrolment], sign_directly};
}

size_t softkeys_add(struct softkeys *k)
{
    struct key_label label;
    random_bytes(label.b, KEY_LABEL_LEN);
    if (make(k, &label) != OK)
        abort();
    return k->enrolment_count - 1;
}
