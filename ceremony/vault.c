/* The local vault: its keys, enrolling, the roster, statements without secrets. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "ceremony/vault_parts.h"

/* --- signed entries in and out --- */

err_t vault_entry_read(struct vault_local *v, struct entry **out, const struct bytes *in, size_t max,
                       struct fault *f)
{
    *out = NULL;
    if (in->len == 0 || in->len > max)
        return fault_set(f, ERR_LIMIT, "a signed entry of %zu bytes", in->len);
    uint8_t *copy = malloc(in->len);
    if (copy == NULL)
        return fault_set(f, ERR_MEMORY, "signed entry");
    memcpy(copy, in->data, in->len);
    return entry_parse(out, copy, in->len, &v->election, f);
}

static err_t token_sign(void *ctx, uint8_t signature[SIGNATURE_LEN], const hash_t *digest, struct fault *f)
{
    struct vault_local *v = ctx;
    return v->ks.ops->sign(v->ks.ctx, signature, &v->key.label, digest, f);
}

err_t vault_entry_sign(struct vault_local *v, struct cbor_out *entry, enum entry_kind kind,
                       const hash_t *ceremony, const hash_t *subject, struct cbor_out *statement,
                       struct cbor_out *evidence, struct fault *f)
{
    struct signer s = {v->key.identity, v, token_sign};
    struct entry *e;
    err_t err = entry_make(&e, kind, &v->election, ceremony, subject, statement, evidence, &s, f);
    cbor_out_free(statement);
    if (evidence != NULL)
        cbor_out_free(evidence);
    if (err != OK)
        return err;
    cbor_put_raw(entry, e->bytes, e->bytes_len);
    entry_free(e);
    return entry->err == OK ? OK : fault_set(f, entry->err, "signed entry");
}

err_t vault_made(err_t e, const char *what, struct fault *f)
{
    if (err_class(e) == CLASS_CRYPTO)
        return fault_set(f, ERR_SELFTEST, "%s that was just made is wrong: this machine computed wrongly",
                         what);
    return e;
}

static err_t needs_own(const struct vault_local *v, struct fault *f)
{
    return v->has_own ? OK : fault_set(f, ERR_BUG, "the vault was not told which enrolment is its own");
}

err_t vault_needs_roster(const struct vault_local *v, struct fault *f)
{
    return v->has_own && v->has_roster ? OK : fault_set(f, ERR_BUG, "the vault was not given the roster");
}

/* --- the token's keys --- */

struct walk {
    struct vault_local *v;
    struct fault *f;
};

static err_t take_key(void *ctx, const struct key_label *label)
{
    struct walk *w = ctx;
    struct vault_keys *k = &w->v->keys;
    struct keystore *ks = &w->v->ks;
    if (k->enrolled == VAULT_KEYS_MAX)
        return fault_set(w->f, ERR_TOKEN_FULL, "more than %d enrolments are in the token", VAULT_KEYS_MAX);
    k->enrolled++;
    struct vault_key *key = &k->key[k->count];
    err_t e = ks->ops->keys_find(ks->ctx, &key->identity, &key->ceremony_key, label, w->f);
    if (e == ERR_TOKEN_KEY) /* retired, or not ours */
        return OK;
    if (e != OK)
        return e;
    key->label = *label;
    k->count++;
    return OK;
}

static err_t local_keys(void *ctx, struct vault_keys *out, struct fault *f)
{
    struct vault_local *v = ctx;
    struct walk w = {v, f};
    memset(&v->keys, 0, sizeof v->keys);
    memset(out, 0, sizeof *out);
    TRY(v->ks.ops->labels(v->ks.ctx, take_key, &w, f));
    fault_clear(f);
    *out = v->keys;
    return OK;
}

static err_t find_key(struct vault_local *v, struct vault_key *out, const struct key_label *label,
                      struct fault *f)
{
    for (size_t i = 0; i < v->keys.count; i++)
        if (memcmp(v->keys.key[i].label.b, label->b, KEY_LABEL_LEN) == 0) {
            *out = v->keys.key[i];
            return OK;
        }
    out->label = *label;
    return v->ks.ops->keys_find(v->ks.ctx, &out->identity, &out->ceremony_key, label, f);
}

static err_t local_own(void *ctx, const struct vault_own *own, struct fault *f)
{
    struct vault_local *v = ctx;
    struct entry *e;
    v->has_own = v->has_seed = v->seed_opened = v->has_roster = v->bound = 0;
    v->election = own->election;
    TRY(find_key(v, &v->key, &own->label, f));
    TRY(vault_entry_read(v, &e, &own->enrolment, VAULT_ENROLMENT_MAX, f));
    err_t err = enrolment_read(&v->own, &v->n, &v->t, e, v->g, f);
    entry_free(e);
    TRY(err);
    if (v->t < 2 || v->t > v->n)
        return fault_set(f, ERR_LIMIT, "enrolled for %u of %u", v->t, v->n);
    if (!point_equal(&v->own.identity, &v->key.identity))
        return fault_set(f, ERR_MISMATCH, "the enrolment is not signed by the token's key");
    if (!point_equal(&v->own.ceremony_key, &v->key.ceremony_key))
        return fault_set(f, ERR_MISMATCH, "the enrolment names another ceremony key than the token holds");
    v->has_own = 1;
    v->has_seed = own->seed != NULL;
    if (v->has_seed)
        v->seed = *own->seed;
    return OK;
}

/* --- the seed --- */

static err_t ecdh_x(struct vault_local *v, uint8_t x[32], const uint8_t enc[65], struct fault *f)
{
    point_t p;
    err_t e = point_compress(v->g, &p, enc); /* on the curve, before the token sees it */
    if (e != OK)
        return fault_set(f, e, "encapsulated key");
    return v->ks.ops->ecdh(v->ks.ctx, x, &v->key.label, enc, f);
}

err_t vault_open(struct vault_local *v, uint8_t secret_out[32], const struct sealed *s, struct cbor_out *info,
                 struct fault *f)
{
    uint8_t *x = NULL;
    err_t e = info->err;
    memset(secret_out, 0, 32);
    if (e == OK)
        e = secret_alloc((void **)&x, 32);
    if (e != OK)
        fault_set(f, e, "opening what is sealed to the token");
    if (e == OK)
        e = ecdh_x(v, x, s->enc, f);
    if (e == OK)
        e = hpke_open(v->g, secret_out, s->enc, s->ct, sizeof s->ct, &v->key.ceremony_key, x, info->data,
                      info->len);
    if (e == ERR_DECRYPT)
        fault_set(f, e, "sealed with another key or for another purpose");
    secret_free(x);
    secret_burn_stack();
    cbor_out_free(info);
    return e;
}

err_t vault_secret_seed(struct vault_local *v, uint8_t **secret_seed, struct fault *f)
{
    uint8_t *seed = NULL;
    scalar_t *a = NULL;
    point_t C0;
    hash_t commitment;
    struct cbor_out info = CBOR_OUT_INIT;
    err_t e;
    *secret_seed = NULL;
    TRY(needs_own(v, f));
    if (!v->has_seed)
        return fault_set(f, ERR_BUG, "the vault was not given the own sealed seed");
    GO(secret_alloc((void **)&seed, SEED_LEN));
    GO(secret_alloc((void **)&a, sizeof *a));
    seed_info(&info, &v->election, &v->key.identity, &v->key.ceremony_key, &v->own.commitment);
    GO(vault_open(v, seed, &v->seed, &info, f));
    GO(seed_contribution(a, seed, &v->election, &v->key.identity));
    GO(point_mul_base(v->g, &C0, a));
    GO(enrolment_commitment(&commitment, &v->election, &v->key.identity, &C0));
    if (hash_cmp(&commitment, &v->own.commitment) != 0) {
        e = fault_set(f, ERR_COMMITMENT, "the sealed seed is not the one committed to");
        goto out;
    }
    v->seed_opened = 1;
    *secret_seed = seed;
    seed = NULL;
out:
    secret_free(a);
    secret_free(seed);
    secret_burn_stack();
    return fault_who(f, e, "own sealed seed");
}

static err_t local_seed_check(void *ctx, struct fault *f)
{
    uint8_t *seed;
    TRY(vault_secret_seed(ctx, &seed, f));
    secret_free(seed);
    return OK;
}

/* --- enrolling --- */

void sealed_put(struct cbor_out *o, const struct sealed *s)
{
    cbor_put_array(o, 2);
    cbor_put_bytes(o, s->enc, sizeof s->enc);
    cbor_put_bytes(o, s->ct, sizeof s->ct);
}

static err_t seal_seed(struct vault_local *v, const uint8_t *seed, struct fault *f)
{
    uint8_t fresh[32];
    scalar_t *eph;
    hash_t statement;
    struct cbor_out info = CBOR_OUT_INIT;
    TRY(secret_alloc((void **)&eph, sizeof *eph));
    seed_info(&info, &v->election, &v->key.identity, &v->key.ceremony_key, &v->own.commitment);
    hash_one(&statement, info.data, info.len);
    err_t e = info.err;
    if (e == OK)
        e = seed_fresh(&v->ks, fresh, f);
    if (e == OK)
        e = nonce_make(eph, seed, SEED_LEN, fresh, &statement);
    secret_wipe(fresh, sizeof fresh);
    if (e == OK)
        e = hpke_seal(v->g, v->seed.enc, v->seed.ct, &v->key.ceremony_key, eph, info.data, info.len, seed,
                      SEED_LEN);
    secret_free(eph);
    secret_burn_stack();
    cbor_out_free(&info);
    return e;
}

/* A token that cannot open what is sealed to it is found out before anything is signed. */
static err_t opens_again(struct vault_local *v, const uint8_t *seed, struct fault *f)
{
    uint8_t *again = NULL;
    struct cbor_out info = CBOR_OUT_INIT;
    TRY(secret_alloc((void **)&again, SEED_LEN));
    seed_info(&info, &v->election, &v->key.identity, &v->key.ceremony_key, &v->own.commitment);
    err_t e = vault_open(v, again, &v->seed, &info, f);
    if (e == ERR_DECRYPT || (e == OK && !secret_equal(again, seed, SEED_LEN)))
        e = fault_set(f, ERR_TOKEN_CANNOT, "the token's ECDH does not open what is sealed to its own key");
    secret_free(again);
    return e;
}

static err_t make_seed(struct vault_local *v, struct fault *f)
{
    uint8_t *seed = NULL;
    scalar_t *a = NULL;
    point_t C0;
    err_t e;
    GO(secret_alloc((void **)&seed, SEED_LEN));
    GO(secret_alloc((void **)&a, sizeof *a));
    GO(seed_fresh(&v->ks, seed, f));
    GO(seed_contribution(a, seed, &v->election, &v->key.identity));
    GO(point_mul_base(v->g, &C0, a));
    GO(enrolment_commitment(&v->own.commitment, &v->election, &v->key.identity, &C0));
    GO(seal_seed(v, seed, f));
    GO(opens_again(v, seed, f));
out:
    secret_free(a);
    secret_free(seed);
    secret_burn_stack();
    return e;
}

static err_t sign_enrolment(struct vault_local *v, struct cbor_out *entry, const struct vault_person *who,
                            const struct token_info *info, struct fault *f)
{
    hash_t sealed;
    struct cbor_out st = CBOR_OUT_INIT, file = CBOR_OUT_INIT;
    sealed_put(&file, &v->seed);
    TRY(cbor_out_hash(&file, &sealed)); /* of the bytes [enc, ct], as the detached file has them */
    cbor_put_array(&st, 10);
    cbor_put_uint(&st, who->n);
    cbor_put_uint(&st, who->t);
    cbor_put_text(&st, who->name);
    cbor_put_text(&st, who->organisation);
    cbor_put_point(&st, &v->key.ceremony_key);
    cbor_put_text(&st, info->manufacturer);
    cbor_put_text(&st, info->model);
    cbor_put_text(&st, info->serial);
    cbor_put_hash(&st, &sealed);
    cbor_put_hash(&st, &v->own.commitment);
    return vault_entry_sign(v, entry, ENTRY_ENROLL, NULL, NULL, &st, NULL, f);
}

static err_t person_check(const struct vault_person *who, struct fault *f)
{
    const char *text[] = {who->name, who->organisation};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strnlen(text[i], TEXT_TITLE_MAX + 1);
        err_t e = len > TEXT_TITLE_MAX || (i == 0 && len == 0) ? ERR_TEXT : text_check(text[i], len);
        if (e != OK)
            return fault_set(f, e, "name and organisation: 1 to %d printable characters", TEXT_TITLE_MAX);
    }
    return who->t >= 2 && who->t <= who->n && who->n <= TRUSTEES_MAX ? OK
                                                                     : fault_set(f, ERR_LIMIT, "n and t");
}

static err_t local_forget(void *ctx, struct fault *f)
{
    struct vault_local *v = ctx;
    if (!v->made)
        return fault_set(f, ERR_REFUSED, "only keys made in this session can be forgotten");
    v->made = v->has_own = 0;
    return v->ks.ops->forget(v->ks.ctx, &v->key.label, f);
}

static err_t local_enroll(void *ctx, struct cbor_out *entry, struct vault_key *key, struct sealed *seed,
                          const struct vault_person *who, struct fault *f)
{
    struct vault_local *v = ctx;
    struct token_info info;
    memset(key, 0, sizeof *key);
    memset(seed, 0, sizeof *seed);
    v->has_own = v->has_roster = v->seed_opened = v->made = 0;
    TRY(person_check(who, f));
    TRY(v->ks.ops->info(v->ks.ctx, &info, f));
    v->election = who->election;
    /* The election's first bytes let a person recognise the keys in another tool; the rest is random. */
    memcpy(v->key.label.b, v->election.b, 4);
    random_bytes(v->key.label.b + 4, KEY_LABEL_LEN - 4);
    TRY(v->ks.ops->keys_make(v->ks.ctx, &v->key.identity, &v->key.ceremony_key, &v->key.label, f));
    v->made = 1;
    err_t e = make_seed(v, f);
    if (e == OK)
        e = sign_enrolment(v, entry, who, &info, f);
    if (e == OK) {
        *key = v->key;
        *seed = v->seed;
        return OK;
    }
    /* Nothing was published: leave no keys behind. A failure here must not hide the first one. */
    struct fault second;
    (void)!local_forget(v, &second);
    return e;
}

/* --- roster --- */

static err_t local_roster(void *ctx, const struct vault_roster *in, struct fault *f)
{
    struct vault_local *v = ctx;
    struct roster *r = &v->roster;
    TRY(needs_own(v, f));
    v->has_roster = v->bound = 0;
    if (in->n != v->n)
        return fault_set(f, ERR_QUORUM, "%u enrolments, the own one is for %u", in->n, v->n);
    memset(r, 0, sizeof *r);
    r->election = v->election;
    r->n = v->n;
    r->t = v->t;
    for (uint32_t j = 0; j < r->n; j++) {
        struct entry *e;
        uint32_t n, t;
        TRY(vault_entry_read(v, &e, &in->enrolment[j], VAULT_ENROLMENT_MAX, f));
        err_t err = enrolment_read(&r->seat[j], &n, &t, e, v->g, f);
        entry_free(e);
        TRY(err);
        if (n != v->n || t != v->t)
            return fault_set(f, ERR_MISMATCH, "seat %u enrolled for %u of %u", j + 1, t, n);
    }
    TRY(roster_complete(r, f));
    v->seat = roster_seat(r, &v->key.identity);
    if (v->seat == 0)
        return fault_set(f, ERR_MISMATCH, "your enrolment is not in this roster");
    if (hash_cmp(&r->seat[v->seat - 1].id, &v->own.id) != 0)
        return fault_set(f, ERR_MISMATCH, "the roster has another enrolment of your key than yours");
    if (hash_cmp(&r->ceremony, &in->ceremony) != 0)
        return fault_set(f, ERR_MISMATCH, "these enrolments make another ceremony than is claimed");
    v->has_roster = 1;
    return OK;
}

static err_t local_roster_sign(void *ctx, struct cbor_out *entry, struct fault *f)
{
    struct vault_local *v = ctx;
    TRY(vault_needs_roster(v, f));
    if (!v->seed_opened)
        TRY(local_seed_check(v, f));
    struct cbor_out st = CBOR_OUT_INIT;
    roster_statement(&st, &v->roster);
    return vault_entry_sign(v, entry, ENTRY_ROSTER, &v->roster.ceremony, NULL, &st, NULL, f);
}

err_t vault_bind(struct vault_local *v, struct fault *f)
{
    TRY(vault_needs_roster(v, f));
    if (v->bound)
        return OK;
    TRY(v->ks.ops->bind(v->ks.ctx, &v->key.label, BIND_CEREMONY, &v->roster.ceremony, f));
    v->bound = 1;
    return OK;
}

err_t vault_is_bound(struct vault_local *v, struct fault *f)
{
    hash_t bound;
    TRY(vault_needs_roster(v, f));
    if (v->bound)
        return OK;
    err_t e = v->ks.ops->bound(v->ks.ctx, &bound, &v->key.label, BIND_CEREMONY, f);
    if (e == ERR_MISSING)
        return fault_set(f, ERR_EARLY, "your token is not bound to this ceremony, or was removed");
    if (e == OK && hash_cmp(&bound, &v->roster.ceremony) != 0)
        e = fault_set(f, ERR_TOKEN_BOUND, "your token is bound to another ceremony");
    v->bound = e == OK;
    return e;
}

static err_t local_bind(void *ctx, struct fault *f)
{
    return vault_bind(ctx, f);
}

/* --- statements without secrets --- */

static err_t local_sign(void *ctx, struct cbor_out *entry, enum entry_kind kind, const hash_t *subject,
                        const struct bytes *statement, struct fault *f)
{
    struct vault_local *v = ctx;
    if (kind != ENTRY_COMPLAINT && kind != ENTRY_CUT && kind != ENTRY_EXCEPTION && kind != ENTRY_RETIRE)
        return fault_set(f, ERR_REFUSED, "the vault signs no %s that it did not make", entry_kind_name(kind));
    /* What did not go as planned can be noted before there is a roster. */
    TRY(kind == ENTRY_EXCEPTION ? needs_own(v, f) : vault_needs_roster(v, f));
    if (statement->len == 0 || statement->len > ENTRY_MAX / 2)
        return fault_set(f, ERR_LIMIT, "a statement of %zu bytes", statement->len);
    /* If the own seed does not open, the own token is at fault and nobody is accused. */
    if (kind == ENTRY_COMPLAINT && !v->seed_opened)
        TRY(local_seed_check(v, f));
    struct cbor_out st = CBOR_OUT_INIT;
    cbor_put_raw(&st, statement->data, statement->len);
    return vault_entry_sign(v, entry, kind, v->has_roster ? &v->roster.ceremony : NULL, subject, &st, NULL,
                            f);
}

/* --- retiring --- */

struct whose {
    struct vault_local *v;
    const point_t *author;
    struct fault *f;
    int found;
};

/* Whether the identity key under this label is the author. The token says so by signing: after the first
 * retirement its ceremony key is gone, so that keys_find cannot tell. */
static err_t retire_if_author(void *ctx, const struct key_label *label)
{
    struct whose *x = ctx;
    struct keystore *ks = &x->v->ks;
    uint8_t signature[SIGNATURE_LEN], fresh[32];
    hash_t digest;
    struct cbor_out o = CBOR_OUT_INIT;
    if (x->found)
        return OK;
    random_bytes(fresh, sizeof fresh);
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/whose-key");
    cbor_put_bytes(&o, fresh, sizeof fresh);
    TRY(cbor_out_hash(&o, &digest));
    err_t e = ks->ops->sign(ks->ctx, signature, label, &digest, x->f);
    if (e == ERR_TOKEN_KEY) /* no identity key under this label */
        return OK;
    TRY(e);
    e = ecdsa_verify_var(x->author, &digest, signature);
    if (err_class(e) == CLASS_SYSTEM)
        return fault_set(x->f, e, "looking for the key that retires");
    x->found = e == OK;
    return x->found ? ks->ops->retire(ks->ctx, label, x->f) : OK;
}

static err_t local_retire(void *ctx, const hash_t *election, const struct bytes *retirement, struct fault *f)
{
    struct vault_local *v = ctx;
    struct entry *e;
    v->has_own = v->has_roster = v->bound = 0;
    v->election = *election;
    TRY(vault_entry_read(v, &e, retirement, VAULT_ENTRY_MAX, f));
    struct whose x = {v, &e->author, f, 0};
    err_t err = e->kind == ENTRY_RETIRE ? v->ks.ops->labels(v->ks.ctx, retire_if_author, &x, f)
                                        : fault_set(f, ERR_REFUSED, "this is no retirement");
    entry_free(e);
    TRY(err);
    if (!x.found)
        return fault_set(f, ERR_MISSING, "no key of this token signed the retirement");
    fault_clear(f);
    return OK;
}

/* --- the table --- */

static void local_close(void *ctx)
{
    struct vault_local *v = ctx;
    v->ks.ops->close(v->ks.ctx);
    vault_plan_free(&v->plan);
    group_free(v->g);
    free(v);
}

static const struct vault_ops local_ops = {
    .keys = local_keys,
    .enroll = local_enroll,
    .forget = local_forget,
    .own = local_own,
    .seed_check = local_seed_check,
    .roster = local_roster,
    .roster_sign = local_roster_sign,
    .bind = local_bind,
    .sign = local_sign,
    .deal = vault_local_deal,
    .share_check = vault_local_share_check,
    .reveal = vault_local_reveal,
    .confirm = vault_local_confirm,
    .drill = vault_local_drill,
    .plan = vault_local_plan,
    .plan_before = vault_local_plan_before,
    .plan_sign = vault_local_plan_sign,
    .plan_bound = vault_local_plan_bound,
    .decrypt = vault_local_decrypt,
    .retire = local_retire,
    .close = local_close,
};

err_t vault_local_open(struct vault *out, const struct keystore *ks, struct fault *f)
{
    memset(out, 0, sizeof *out);
    struct vault_local *v = calloc(1, sizeof *v);
    err_t e = v == NULL ? ERR_MEMORY : group_new(&v->g);
    if (e != OK) {
        free(v);
        return fault_set(f, e, "vault");
    }
    v->ks = *ks;
    *out = (struct vault){v, &local_ops};
    return OK;
}

void vault_local_on_plan(struct vault *v, err_t (*fn)(void *ctx, const struct vault_plan *p, struct fault *f),
                         void *ctx)
{
    struct vault_local *l = v->ctx;
    l->on_plan = fn;
    l->on_plan_ctx = ctx;
}
