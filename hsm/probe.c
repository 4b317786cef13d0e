#include <inttypes.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "hsm/client.h"

/* Labels of throw-away enrolments start so, that a later probe finds what an interrupted one left. */
static const uint8_t probe_mark[8] = {'c', 'o', 'n', 'c', 'p', 'r', 'b', 0};

struct probe {
    struct hsm_probe *out;
    struct keystore ks;
    struct key_label label[2];
    pubkey_t key[HSM_PROBE_KEYS]; /* identity, ceremony, identity, ceremony */
    int made[2];
};

static struct hsm_check *check_add(struct hsm_probe *out, const char *id, const char *title,
                                   enum hsm_verdict v)
{
    struct hsm_check *c = &out->check[out->count];
    if (out->count + 1 < HSM_PROBE_CHECKS)
        out->count++;
    c->id = id;
    c->title = title;
    c->verdict = v;
    c->note[0] = 0;
    out->failed += v == HSM_FAIL;
    return c;
}

/* PASS, or FAIL with the reason of f. */
static void check_err(struct hsm_probe *out, const char *id, const char *title, err_t e,
                      const struct fault *f)
{
    struct hsm_check *c = check_add(out, id, title, e == OK ? HSM_PASS : HSM_FAIL);
    if (e != OK)
        snprintf(c->note, sizeof c->note, "%.150s [%s]", f->detail[0] != 0 ? f->detail : err_meaning(e),
                 err_name(e));
}

static void check_true(struct hsm_probe *out, const char *id, const char *title, int good,
                       const char *bad_note)
{
    struct hsm_check *c = check_add(out, id, title, good ? HSM_PASS : HSM_FAIL);
    if (!good)
        snprintf(c->note, sizeof c->note, "%s", bad_note);
}

/* --- what the token says of itself --- */

static void probe_tries(struct hsm_probe *out, uint64_t flags)
{
    struct hsm_check *c;
    if (flags & CKF_USER_PIN_LOCKED)
        c = check_add(out, "pin-tries", "PIN tries", HSM_FAIL);
    else
        c = check_add(out, "pin-tries", "PIN tries",
                      flags & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_COUNT_LOW) ? HSM_NOTE : HSM_PASS);
    snprintf(c->note, sizeof c->note, "%s",
             flags & CKF_USER_PIN_LOCKED      ? "the PIN is locked"
             : flags & CKF_USER_PIN_FINAL_TRY ? "ONE try is left"
             : flags & CKF_USER_PIN_COUNT_LOW
                 ? "a wrong PIN was given since the last login"
                 : "no wrong PIN since the last login, as far as the token tells");
    c = check_add(out, "keypad", "PIN entry", HSM_NOTE);
    snprintf(c->note, sizeof c->note, "%s",
             flags & CKF_PROTECTED_AUTHENTICATION_PATH ? "on the token's own keypad" : "on this machine");
}

static void probe_status(struct hsm_probe *out, struct client *c)
{
    struct client_status s;
    struct fault f;
    fault_clear(&f);
    err_t e = client_status(c, &s, &f);
    check_err(out, "status", "the token answers", e, &f);
    if (e != OK)
        return;
    struct hsm_check *k = check_add(out, "model", "model and serial", HSM_NOTE);
    snprintf(k->note, sizeof k->note, "%s, %s, serial %s, firmware %" PRIu64 ".%" PRIu64,
             out->info.manufacturer, out->info.model, out->info.serial, s.firmware >> 8, s.firmware & 0xff);
    if (s.nss)
        check_add(out, "software", "NSS software token: CKA_LOCAL is not judged", HSM_NOTE);
    k = check_add(out, "memory", "free memory", HSM_NOTE);
    if (s.free_memory == UINT64_MAX)
        snprintf(k->note, sizeof k->note, "the token does not say");
    else
        snprintf(k->note, sizeof k->note, "%" PRIu64 " bytes", s.free_memory);
    check_true(out, "mechanisms", "EC key generation, ECDSA, ECDH", s.mechanisms == 7,
               "the token does not offer all three mechanisms");
    probe_tries(out, s.flags);
}

static void probe_random(struct probe *p)
{
    uint8_t a[64], b[64];
    struct fault f;
    fault_clear(&f);
    err_t e = p->ks.ops->random(p->ks.ctx, a, sizeof a, &f);
    if (e == OK)
        e = p->ks.ops->random(p->ks.ctx, b, sizeof b, &f);
    if (e != OK) {
        check_err(p->out, "random", "random numbers", e, &f);
        return;
    }
    int constant = 1;
    for (size_t i = 1; i < sizeof a; i++)
        constant &= a[i] == a[0];
    check_true(p->out, "random", "random numbers: two draws differ", !constant && memcmp(a, b, sizeof a) != 0,
               "the generator repeats itself");
}

/* --- keys --- */

/* An interrupted probe's keys. labels() is read to its end before anything is destroyed. */
struct leftovers {
    struct key_label label[16];
    size_t count;
};

static err_t leftover(void *ctx, const struct key_label *label)
{
    struct leftovers *l = ctx;
    if (memcmp(label->b, probe_mark, sizeof probe_mark) == 0 && l->count < 16)
        l->label[l->count++] = *label;
    return OK;
}

static err_t probe_login(struct probe *p)
{
    struct leftovers l = {.count = 0};
    struct fault f;
    fault_clear(&f);
    err_t e = p->ks.ops->labels(p->ks.ctx, leftover, &l, &f);
    for (size_t i = 0; e == OK && i < l.count; i++)
        e = p->ks.ops->forget(p->ks.ctx, &l.label[i], &f);
    p->out->login = e;
    check_err(p->out, "login", "login with the PIN", e, &f);
    return e;
}

static void probe_make(struct probe *p)
{
    struct fault f;
    err_t e = OK;
    fault_clear(&f);
    for (int i = 0; e == OK && i < 2; i++) {
        memcpy(p->label[i].b, probe_mark, sizeof probe_mark);
        random_bytes(p->label[i].b + sizeof probe_mark, KEY_LABEL_LEN - sizeof probe_mark);
        e = p->ks.ops->keys_make(p->ks.ctx, &p->key[2 * i], &p->key[2 * i + 1], &p->label[i], &f);
        p->made[i] = e == OK;
    }
    check_err(p->out, "keys", "keys are made in the token with the right attributes", e, &f);
}

static void probe_compare(struct probe *p, const hash_t *seen, size_t seen_count)
{
    int again = 0, same = 0;
    for (size_t i = 0; i < HSM_PROBE_KEYS; i++) {
        if (!p->made[i / 2])
            continue;
        hash_one(&p->out->keys[i], p->key[i].b, POINT_LEN);
        for (size_t k = 0; k < i; k++)
            same |= p->made[k / 2] && hash_cmp(&p->out->keys[i], &p->out->keys[k]) == 0;
        for (size_t k = 0; k < seen_count; k++)
            again |= hash_cmp(&p->out->keys[i], &seen[k]) == 0;
    }
    check_true(p->out, "distinct", "throw-away keys differ from each other",
               p->made[0] && p->made[1] && !same,
               same ? "the token made one key twice" : "two pairs could not be made");
    check_true(p->out, "fresh", "throw-away keys differ from those seen before", !again,
               "the token made a key that was seen before: its generator is not random");
}

static void probe_find(struct probe *p)
{
    struct fault f;
    pubkey_t identity, ceremony;
    fault_clear(&f);
    err_t e = p->ks.ops->keys_find(p->ks.ctx, &identity, &ceremony, &p->label[0], &f);
    if (e == OK && (memcmp(&identity, &p->key[0], sizeof identity) != 0 ||
                    memcmp(&ceremony, &p->key[1], sizeof ceremony) != 0))
        e = fault_set(&f, ERR_TOKEN_KEY, "the token gives back another public key");
    check_err(p->out, "find", "keys are found again", e, &f);
}

static void probe_sign(struct probe *p)
{
    struct fault f;
    hash_t digest;
    uint8_t signature[SIGNATURE_LEN];
    fault_clear(&f);
    random_bytes(digest.b, HASH_LEN);
    err_t e = p->ks.ops->sign(p->ks.ctx, signature, &p->label[0], &digest, &f);
    if (e == OK)
        e = ecdsa_verify_var(&p->key[0], &digest, signature);
    if (err_class(e) == CLASS_CRYPTO)
        e = fault_set(&f, ERR_TOKEN_KEY, "OpenSSL does not accept the signature");
    check_err(p->out, "ecdsa", "ECDSA signature, verified with OpenSSL", e, &f);
}

static void probe_ecdh(struct probe *p)
{
    struct fault f;
    uint8_t peer[65], expected[32], got[32];
    fault_clear(&f);
    err_t e = check_ecdh(peer, expected, &p->key[1]);
    if (e == OK)
        e = p->ks.ops->ecdh(p->ks.ctx, got, &p->label[0], peer, &f);
    if (e == OK && !secret_equal(got, expected, sizeof got))
        e = fault_set(&f, ERR_TOKEN_KEY, "OpenSSL computes another shared secret");
    check_err(p->out, "ecdh", "ECDH with readable result, compared with OpenSSL", e, &f);
}

static void probe_bind(struct probe *p)
{
    struct fault f;
    hash_t a, b, got;
    const struct keystore_ops *ops = p->ks.ops;
    void *ctx = p->ks.ctx;
    const struct key_label *label = &p->label[0];
    fault_clear(&f);
    random_bytes(a.b, HASH_LEN);
    random_bytes(b.b, HASH_LEN);
    err_t e = ops->bind(ctx, label, BIND_PLAN, &a, &f);
    if (e == OK && ops->bind(ctx, label, BIND_PLAN, &b, &f) != ERR_TOKEN_BOUND)
        e = fault_set(&f, ERR_TOKEN_CANNOT, "a second value was bound over the first");
    if (e == OK)
        e = ops->rebind(ctx, label, BIND_PLAN, &a, &b, &f);
    if (e == OK)
        e = ops->bound(ctx, &got, label, BIND_PLAN, &f);
    if (e == OK && hash_cmp(&got, &b) != 0)
        e = fault_set(&f, ERR_TOKEN_CANNOT, "the token gives back another value");
    check_err(p->out, "bindings", "bindings are written, read, replaced", e, &f);
}

static void probe_forget(struct probe *p)
{
    struct fault f;
    hash_t got;
    pubkey_t identity, ceremony;
    err_t e = OK;
    fault_clear(&f);
    for (int i = 0; e == OK && i < 2; i++)
        if (p->made[i])
            e = p->ks.ops->forget(p->ks.ctx, &p->label[i], &f);
    if (e == OK && p->made[0] &&
        (p->ks.ops->keys_find(p->ks.ctx, &identity, &ceremony, &p->label[0], &f) != ERR_TOKEN_KEY ||
         p->ks.ops->bound(p->ks.ctx, &got, &p->label[0], BIND_PLAN, &f) != ERR_MISSING))
        e = fault_set(&f, ERR_TOKEN_CANNOT, "something is still there after it was destroyed");
    check_err(p->out, "destroy", "throw-away keys and bindings are destroyed", e, &f);
}

err_t hsm_probe(struct hsm_probe *out, const char *uri, const struct hsm_options *opt, const hash_t *seen,
                size_t seen_count, struct fault *f)
{
    struct probe p = {.out = out};
    memset(out, 0, sizeof *out);
    TRY(hsm_open(&p.ks, uri, opt, f));
    struct client *c = p.ks.ctx;
    out->info = c->info;
    probe_status(out, c);
    probe_random(&p);
    if (probe_login(&p) == OK) {
        probe_make(&p);
        probe_compare(&p, seen, seen_count);
        if (p.made[0]) {
            probe_find(&p);
            probe_sign(&p);
            probe_ecdh(&p);
            probe_bind(&p);
        }
        probe_forget(&p);
    }
    p.ks.ops->close(p.ks.ctx);
    return OK;
}
