#include "appliance/selftest.h"

#include <stdio.h>
#include <string.h>

#include "ceremony/base/secret.h"

static struct selftest_check *next(struct selftest *out, const char *id, const char *title)
{
    struct selftest_check *c = &out->check[out->count < SELFTEST_MAX ? out->count++ : SELFTEST_MAX - 1];
    memset(c, 0, sizeof *c);
    c->id = id;
    c->title = title;
    return c;
}

static err_t known_answers(struct selftest *out, const struct selftest_hook *hook, struct fault *f)
{
    struct group *g;
    err_t e = group_new(&g);
    if (e != OK)
        return fault_set(f, e, "self-test");
    for (size_t i = 0; i < selftest_kat_count; i++) {
        const struct selftest_kat *k = &selftest_kats[i];
        struct selftest_check *c = next(out, k->id, k->title);
        int broken = hook != NULL && hook->broken != NULL && strcmp(hook->broken, k->id) == 0;
        c->err = k->run(g, broken);
        if (c->err == OK)
            continue;
        /* whatever a primitive said: here it is a wrong answer, unless there is no memory */
        if (err_class(c->err) != CLASS_SYSTEM)
            c->err = ERR_SELFTEST;
        snprintf(c->detail, sizeof c->detail, "not the known answer");
    }
    group_free(g);
    return OK;
}

static err_t system_random(void *ctx, uint8_t *data, size_t len, struct fault *f)
{
    (void)ctx;
    (void)f;
    random_bytes(data, len);
    return OK;
}

static err_t token_random(void *ctx, uint8_t *data, size_t len, struct fault *f)
{
    const struct keystore *ks = ctx;
    for (size_t at = 0; at < len; at += 1024)
        TRY(ks->ops->random(ks->ctx, data + at, len - at < 1024 ? len - at : 1024, f));
    return OK;
}

static void generator(struct selftest *out, const char *id, const char *title, selftest_random_fn *fn,
                      void *ctx)
{
    struct selftest_check *c = next(out, id, title);
    uint8_t data[SELFTEST_RANDOM_LEN];
    struct fault why;
    fault_clear(&why);
    memset(data, 0, sizeof data);
    c->err = fn(ctx, data, sizeof data, &why);
    if (c->err != OK)
        snprintf(c->detail, sizeof c->detail, "%.159s", why.detail);
    else
        c->err = selftest_health(data, sizeof data, c->detail);
    secret_wipe(data, sizeof data);
}

err_t selftest_run(struct selftest *out, const struct keystore *token, const struct selftest_hook *hook,
                   struct fault *f)
{
    memset(out, 0, sizeof *out);
    TRY(known_answers(out, hook, f));
    if (hook != NULL && hook->random != NULL)
        generator(out, "random-system", "randomness of the system", hook->random, hook->random_ctx);
    else
        generator(out, "random-system", "randomness of the system", system_random, NULL);
    if (token != NULL)
        generator(out, "random-token", "randomness of the token", token_random, (void *)token);
    const struct selftest_check *first = NULL;
    for (size_t i = 0; i < out->count; i++) {
        out->failed += out->check[i].err != OK;
        if (out->check[i].err != OK && first == NULL)
            first = &out->check[i];
    }
    if (first == NULL)
        return OK;
    return fault_set(f, first->err, "%s (%s): %s", first->id, first->title, first->detail);
}
