/* Every operation of a keystore once, with its result checked. */
#ifndef TESTS_HSM_RUN_H
#define TESTS_HSM_RUN_H

#include "hsm/client.h"
#include "tests/hsm/tokens.h"

#define RUN_CHECK(cond, text)                                                                                \
    do {                                                                                                     \
        if (!(cond))                                                                                         \
            return fault_set(f, ERR_BUG, "%s", text);                                                        \
    } while (0)

static err_t run_keys(struct keystore *k, const struct key_label *label, pubkey_t *id, pubkey_t *cer,
                      struct fault *f)
{
    pubkey_t id2, cer2;
    hash_t digest;
    uint8_t signature[SIGNATURE_LEN], peer[65], expected[32], got[32];
    TRY(k->ops->keys_make(k->ctx, id, cer, label, f));
    TRY(k->ops->keys_find(k->ctx, &id2, &cer2, label, f));
    RUN_CHECK(memcmp(id, &id2, sizeof id2) == 0 && memcmp(cer, &cer2, sizeof cer2) == 0, "other keys found");
    random_bytes(digest.b, sizeof digest.b);
    TRY(k->ops->sign(k->ctx, signature, label, &digest, f));
    RUN_CHECK(ecdsa_verify_var(id, &digest, signature) == OK, "bad signature");
    TRY(check_ecdh(peer, expected, cer));
    TRY(k->ops->ecdh(k->ctx, got, label, peer, f));
    RUN_CHECK(memcmp(got, expected, 32) == 0, "wrong shared secret");
    return OK;
}

static err_t run_bindings(struct keystore *k, const struct key_label *label, struct fault *f)
{
    hash_t a, b, got;
    random_bytes(a.b, sizeof a.b);
    random_bytes(b.b, sizeof b.b);
    TRY(k->ops->bind(k->ctx, label, BIND_CEREMONY, &a, f));
    TRY(k->ops->bind(k->ctx, label, BIND_PLAN, &a, f));
    TRY(k->ops->bind(k->ctx, label, BIND_PLAN, &a, f));
    TRY(k->ops->bound(k->ctx, &got, label, BIND_PLAN, f));
    RUN_CHECK(hash_cmp(&got, &a) == 0, "another value is bound");
    TRY(k->ops->rebind(k->ctx, label, BIND_PLAN, &a, &b, f));
    TRY(k->ops->bound(k->ctx, &got, label, BIND_PLAN, f));
    RUN_CHECK(hash_cmp(&got, &b) == 0, "rebind did not bind");
    TRY(k->ops->bound(k->ctx, &got, label, BIND_CEREMONY, f));
    RUN_CHECK(hash_cmp(&got, &a) == 0, "rebind touched another binding");
    return OK;
}

struct label_count {
    struct key_label label;
    int all, this;
};

static err_t count_label(void *ctx, const struct key_label *label)
{
    struct label_count *c = ctx;
    c->all++;
    c->this += memcmp(label, &c->label, sizeof *label) == 0;
    return OK;
}

static err_t run_all(struct keystore *k, const struct key_label *label, struct fault *f)
{
    pubkey_t id, cer;
    uint8_t r[32];
    struct token_info info;
    struct label_count count = {.label = *label};
    TRY(k->ops->info(k->ctx, &info, f));
    TRY(k->ops->random(k->ctx, r, sizeof r, f));
    TRY(run_keys(k, label, &id, &cer, f));
    TRY(run_bindings(k, label, f));
    TRY(k->ops->labels(k->ctx, count_label, &count, f));
    RUN_CHECK(count.this == 1, "the label is not listed");
    TRY(k->ops->retire(k->ctx, label, f));
    TRY(k->ops->retire(k->ctx, label, f));
    TRY(k->ops->forget(k->ctx, label, f));
    return k->ops->forget(k->ctx, label, f);
}

#endif
