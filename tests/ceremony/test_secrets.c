/* Nothing secret is at rest: every file that a ceremony and a decryption write is searched for every secret.
 */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tests/support/ceremony.h"

static struct fault f;

#define SECRETS_MAX 1024
#define FORMS 6

struct secret {
    char name[64];
    uint8_t b[32];
    int public; /* by a reveal */
};

struct search {
    size_t secret_count, file_count, found_count;
    struct secret secret[SECRETS_MAX];
};

static void add(struct search *s, const void *b, const char *what, uint32_t i, uint32_t j)
{
    assert_true(s->secret_count < SECRETS_MAX);
    struct secret *x = &s->secret[s->secret_count++];
    snprintf(x->name, sizeof x->name, "%s %u %u", what, i, j);
    memcpy(x->b, b, 32);
}

static void mark_public(struct search *s, const char *name)
{
    for (size_t i = 0; i < s->secret_count; i++)
        if (strcmp(s->secret[i].name, name) == 0)
            s->secret[i].public = 1;
}

/* Raw, reversed, hex in both cases, base64 (cut so that padding does not matter) and base64 for URLs. */
static size_t forms(char form[FORMS][80], size_t len[FORMS], const struct secret *x)
{
    uint8_t back[32];
    for (size_t i = 0; i < 32; i++)
        back[i] = x->b[31 - i];
    memcpy(form[0], x->b, 32);
    memcpy(form[1], back, 32);
    len[0] = len[1] = 32;
    hex_put(form[2], x->b, 32);
    for (size_t i = 0; i <= 64; i++)
        form[3][i] = (char)(form[2][i] >= 'a' ? form[2][i] - 32 : form[2][i]);
    len[2] = len[3] = 64;
    sodium_bin2base64(form[4], sizeof form[4], x->b, 32, sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(form[5], sizeof form[5], x->b, 32, sodium_base64_VARIANT_URLSAFE);
    len[4] = len[5] = 42;
    return FORMS;
}

static void search_file(struct search *s, const char *path)
{
    uint8_t *data;
    size_t data_len, len[FORMS];
    char form[FORMS][80];
    assert_int_equal(file_read(&data, &data_len, path, (size_t)1 << 26, &f), OK);
    s->file_count++;
    for (size_t i = 0; i < s->secret_count; i++) {
        size_t count = s->secret[i].public ? 0 : forms(form, len, &s->secret[i]);
        for (size_t k = 0; k < count; k++)
            if (memmem(data, data_len, form[k], len[k]) != NULL) {
                s->found_count++;
                print_error("%s (form %zu) is in %s\n", s->secret[i].name, k, path);
            }
    }
    free(data);
}

static struct search *searching; /* nftw has no context */

static int visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    if (type == FTW_F)
        search_file(searching, path);
    return 0;
}

static void search_tree(struct search *s, const char *dir)
{
    s->file_count = s->found_count = 0;
    searching = s;
    assert_int_equal(nftw(dir, visit, 16, FTW_PHYS), 0);
}

static void collect(struct world *w, struct search *s)
{
    for (uint32_t i = 1; i <= w->n; i++) {
        struct party *p = world_seat(w, i);
        uint8_t *seed;
        scalar_t a, *share;
        uint32_t seat;
        const struct soft_enrolment *keys = &p->token->enrolment[0];
        add(s, keys->identity.b, "identity key", i, 0);
        add(s, keys->ceremony.b, "ceremony key", i, 0);
        assert_int_equal(trustee_seed(&p->t, &seed, &f), OK);
        add(s, seed, "seed", i, 0);
        assert_int_equal(seed_contribution(&a, seed, &w->m.election, &p->t.identity), OK);
        add(s, a.b, "coefficient", i, 0);
        for (uint32_t k = 1; k < w->t; k++) {
            assert_int_equal(seed_coefficient(&a, seed, &w->roster->ceremony, k), OK);
            add(s, a.b, "coefficient", i, k);
        }
        for (uint32_t j = 1; j <= w->n; j++) {
            struct deal d;
            assert_int_equal(seed_encapsulation(&a, seed, &w->roster->ceremony, j), OK);
            add(s, a.b, "encapsulation", i, j);
            assert_int_equal(deal_of_seat(&d, p->b, w->roster, w->g, i, NULL, 0, &f), OK);
            assert_int_equal(trustee_share_of(&world_seat(w, j)->t, &a, w->roster, &d, j, &f), OK);
            add(s, a.b, "share", i, j);
        }
        secret_free(seed);
        assert_int_equal(share_rebuild(&p->t, w->record, &share, &seat, &f), OK);
        add(s, share->b, "s", i, 0);
        secret_free(share);
    }
}

static void test_nothing_at_rest(void **state)
{
    (void)state;
    struct world *w = world_new(5, 3, 0, 0);
    struct search *s = calloc(1, sizeof *s);
    size_t count;
    hash_t challenge = {{2}};
    assert_non_null(s);
    world_to_deal(w);
    evil_complaint(w, 3, 1);
    world_exchange(w);
    assert_int_equal(reveal_make(&world_seat(w, 1)->t, w->roster, &count, &f), OK);
    assert_int_equal(count, 1);
    world_exchange(w);
    world_cut(w, 0);
    world_confirm(w, ALL);
    world_record(w);
    struct target *x = targets_make(w, 3, 4, 0);
    struct plan_file plan = plan_for(w, x, 3, NULL, 1);
    for (uint32_t j = 1; j <= 3; j++) {
        struct trustee *t = &world_seat(w, j)->t;
        assert_int_equal(plan_sign(t, w->record, &plan, NULL, 0, &f), OK);
        assert_int_equal(decrypt_make(t, w->record, &plan, x, 3, &f), OK);
        assert_int_equal(drill_make(t, w->record, &challenge, &f), OK);
    }
    world_exchange(w);
    collect(w, s);
    /* A search that finds nothing must be able to find: the reveal is there to be found. */
    search_tree(s, w->dir);
    assert_true(s->file_count > 5 * 20);
    assert_true(s->found_count > 0);
    mark_public(s, "encapsulation 1 3");
    mark_public(s, "share 1 3");
    search_tree(s, w->dir);
    assert_int_equal(s->found_count, 0);
    targets_free(x, 3);
    plan_file_free(&plan);
    free(s);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_at_rest)};
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
