#include "tests/support/ceremony.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"

#define TMP "build/tests/tmp"

static void must(err_t e, const struct fault *f, const char *what)
{
    char text[2048] = "";
    if (e == OK)
        return;
    if (f != NULL)
        fault_text(text, sizeof text, f);
    fail_msg("%s: %s %s", what, err_name(e), text);
}

#define MUST_OK(call)                                                                                        \
    do {                                                                                                     \
        struct fault f_;                                                                                     \
        struct fault *f = &f_;                                                                               \
        fault_clear(f);                                                                                      \
        must((call), f, #call);                                                                              \
    } while (0)

int secrets_setup(void **state)
{
    (void)state;
    return secret_init() == OK ? 0 : -1;
}

void temp_dir(char *out, size_t out_len)
{
    MUST_OK(file_mkdir(TMP, f));
    assert_true(snprintf(out, out_len, TMP "/%ld-XXXXXX", (long)getpid()) < (int)out_len);
    assert_non_null(mkdtemp(out));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void remove_tree(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct world *world_new(uint32_t n, uint32_t t, uint32_t min_qual, int shared)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(group_new(&w->g), OK);
    random_bytes(w->m.election.b, HASH_LEN);
    w->m.scheme = SCHEME_P256_ELGAMAL;
    w->m.n = w->n = n;
    w->m.t = w->t = t;
    w->m.min_qual = min_qual == 0 ? n : min_qual;
    w->m.same_model_max = t - 1;
    w->shared = shared;
    temp_dir(w->dir, sizeof w->dir);
    for (uint32_t i = 0; i < n; i++) {
        struct party *p = &w->party[i];
        char model[24], serial[24];
        snprintf(model, sizeof model, "Model %u", i);
        snprintf(serial, sizeof serial, "%08u", i);
        p->token = softkeys_new(model, serial);
        snprintf(p->dir, sizeof p->dir, "%s/%u", w->dir, shared ? 0 : i);
        MUST_OK(file_mkdir(p->dir, f));
        MUST_OK(board_open(&p->b, p->dir, &w->m.election, f));
        p->t = (struct trustee){.m = &w->m, .b = p->b, .g = w->g, .vault = softkeys_vault(p->token)};
    }
    return w;
}

void world_free(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        softkeys_free(w->party[i].token);
        board_free(w->party[i].b);
    }
    record_free(w->record);
    cut_free(&w->cut);
    free(w->outcome);
    free(w->roster);
    group_free(w->g);
    remove_tree(w->dir);
    free(w);
}

struct party *world_seat(struct world *w, uint32_t seat)
{
    return &w->party[w->party_of[seat - 1]];
}

void world_reopen(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        struct party *p = &w->party[i];
        board_free(p->b);
        p->b = NULL;
        MUST_OK(board_open(&p->b, p->dir, &w->m.election, f));
        p->t.b = p->b;
        p->t.enrolment = NULL;
        struct fault f;
        err_t e = trustee_find(&p->t, &f);
        assert_true(e == OK || e == ERR_MISSING);
    }
}

void board_inject(struct board *b, const char *from)
{
    struct board *x;
    MUST_OK(board_open(&x, from, &b->election, f));
    for (size_t i = 0; i < x->entry_count; i++) {
        int taken;
        struct entry *e = x->entry[i];
        MUST_OK(board_add(b, e, &taken, f));
        if (taken) { /* the board has it now */
            memmove(x->entry + i, x->entry + i + 1, (--x->entry_count - i) * sizeof *x->entry);
            i--;
        }
    }
    board_free(x);
}

void world_exchange(struct world *w)
{
    struct merge_report report;
    for (uint32_t i = 1; i < w->n && !w->shared; i++)
        MUST_OK(board_merge(w->party[0].b, w->party[i].dir, &report, f));
    for (uint32_t i = 1; i < w->n && !w->shared; i++)
        MUST_OK(board_merge(w->party[i].b, w->party[0].dir, &report, f));
    world_reopen(w);
}

void world_enroll(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        char name[32];
        snprintf(name, sizeof name, "Trustee %u", i);
        MUST_OK(enroll_make(&w->party[i].t, name, "Somewhere", f));
    }
    world_exchange(w);
}

void world_roster(struct world *w)
{
    w->roster = calloc(1, sizeof *w->roster);
    assert_non_null(w->roster);
    MUST_OK(roster_make(w->roster, &w->m, w->party[0].b, w->g, NULL, 0, f));
    for (uint32_t i = 0; i < w->n; i++) {
        uint32_t seat = roster_seat(w->roster, &w->party[i].t.identity);
        assert_true(seat >= 1 && seat <= w->n);
        w->party_of[seat - 1] = i;
        MUST_OK(roster_sign(&w->party[i].t, w->roster, f));
    }
    world_exchange(w);
}

void world_deal(struct world *w, uint32_t seats)
{
    for (uint32_t j = 1; j <= w->n; j++)
        if (seats >> (j - 1) & 1)
            MUST_OK(deal_make(&world_seat(w, j)->t, w->roster, f));
    world_exchange(w);
}

void world_cut(struct world *w, uint32_t absent)
{
    uint32_t j = 1;
    while (absent >> (j - 1) & 1)
        j++;
    struct party *p = world_seat(w, j);
    cut_free(&w->cut);
    free(w->outcome);
    w->outcome = calloc(1, sizeof *w->outcome);
    assert_non_null(w->outcome);
    MUST_OK(cut_make(&w->cut, p->b, w->roster, absent, f));
    MUST_OK(cut_outcome(w->outcome, &w->m, p->b, w->roster, &w->cut, w->g, f));
    MUST_OK(cut_sign(&p->t, w->roster, &w->cut, f));
    world_exchange(w);
}

void world_confirm(struct world *w, uint32_t seats)
{
    for (uint32_t j = 1; j <= w->n; j++)
        if ((seats & w->outcome->holders) >> (j - 1) & 1)
            MUST_OK(confirm_make(&world_seat(w, j)->t, w->roster, &w->cut, f));
    world_exchange(w);
}

void world_record(struct world *w)
{
    struct cbor_out bytes = CBOR_OUT_INIT;
    record_free(w->record);
    MUST_OK(record_make(&w->record, &bytes, &w->m, w->party[0].b, &w->roster->ceremony, f));
    cbor_out_free(&bytes);
}

void world_to_deal(struct world *w)
{
    world_enroll(w);
    world_roster(w);
    world_deal(w, ALL);
}

void world_to_record(struct world *w)
{
    world_to_deal(w);
    world_cut(w, 0);
    world_confirm(w, ALL);
    world_record(w);
}

/* --- misbehaviour --- */

const struct entry *evil_post_as(struct world *w, const struct signer *s, enum entry_kind kind,
                                 const hash_t *ceremony, const hash_t *subject, struct cbor_out *statement,
                                 struct cbor_out *evidence)
{
    struct entry *e;
    int taken;
    MUST_OK(entry_make(&e, kind, &w->m.election, ceremony, subject, statement, evidence, s, f));
    cbor_out_free(statement);
    if (evidence != NULL)
        cbor_out_free(evidence);
    MUST_OK(board_add(w->party[0].b, e, &taken, f));
    assert_true(taken);
    return e;
}

const struct entry *evil_post(struct world *w, uint32_t seat, enum entry_kind kind, const hash_t *subject,
                              struct cbor_out *statement, struct cbor_out *evidence)
{
    struct entry *e;
    int taken;
    struct party *p = world_seat(w, seat);
    struct signer s = softkeys_signer(p->token, 0);
    assert_true(point_equal(&s.key, &p->t.identity));
    MUST_OK(entry_make(&e, kind, &w->m.election, &w->roster->ceremony, subject, statement, evidence, &s, f));
    cbor_out_free(statement);
    if (evidence != NULL)
        cbor_out_free(evidence);
    MUST_OK(board_add(p->b, e, &taken, f));
    if (!taken)
        entry_free(e);
    return taken ? e : NULL;
}

static void evaluate(scalar_t *out, const scalar_t *a, uint32_t t, uint32_t j)
{
    scalar_t x;
    scalar_set(&x, j);
    *out = a[t - 1];
    for (uint32_t k = t - 1; k-- > 0;) {
        scalar_mul(out, out, &x);
        scalar_add(out, out, &a[k]);
    }
}

/* The detached ciphertext of one share, good or bad. */
static void evil_share(struct world *w, struct party *p, struct deal *d, const uint8_t *seed,
                       const scalar_t *a, uint32_t j, const struct evil_deal *how)
{
    uint8_t enc[65], ct[48];
    struct sealed sealed;
    scalar_t s, eph, one;
    uint32_t to = j;
    struct cbor_out info = CBOR_OUT_INIT, file = CBOR_OUT_INIT;
    int bad = how->victims >> (j - 1) & 1;
    if (bad && how->how == SHARE_SEED) {
        d->share[j - 1] = *how->replace;
        return;
    }
    scalar_set(&one, 1);
    evaluate(&s, a, w->t, j);
    if (bad && how->how == SHARE_OFF)
        scalar_add(&s, &s, &one);
    if (bad && how->how == SHARE_NOT_CANONICAL)
        memset(&s, 0xff, sizeof s);
    if (bad && how->how == SHARE_OTHER_SEAT)
        to = j % w->n + 1;
    MUST_OK(seed_encapsulation(&eph, seed, &w->roster->ceremony, j));
    share_info(&info, w->roster, d, to);
    MUST_OK(
        hpke_seal(w->g, enc, ct, &w->roster->seat[to - 1].ceremony_key, &eph, info.data, info.len, s.b, 32));
    if (bad && how->how == SHARE_GARBAGE)
        random_bytes(ct, sizeof ct);
    if (bad && how->how == SHARE_BAD_POINT)
        enc[64] ^= 1;
    memcpy(sealed.enc, enc, sizeof sealed.enc);
    memcpy(sealed.ct, ct, sizeof sealed.ct);
    sealed_put(&file, &sealed);
    MUST_OK(board_detached_put(p->b, &d->share[j - 1], file.data, file.len, f));
    cbor_out_free(&info);
    cbor_out_free(&file);
}

void evil_deal(struct world *w, uint32_t seat, const struct evil_deal *how)
{
    struct party *p = world_seat(w, seat);
    struct deal d = {.seat = seat};
    uint8_t *seed, fresh[32];
    scalar_t a[TRUSTEES_MAX];
    struct pok pok;
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT, context = CBOR_OUT_INIT;
    MUST_OK(trustee_seed(&p->t, &seed, f));
    MUST_OK(seed_contribution(&a[0], seed, &w->m.election, &p->t.identity));
    for (uint32_t k = 1; k < w->t; k++)
        MUST_OK(seed_coefficient(&a[k], seed, &w->roster->ceremony, k));
    if (how->twist != NULL)
        scalar_add(&a[1], &a[1], how->twist);
    for (uint32_t k = 0; k < w->t; k++)
        MUST_OK(point_mul_base(w->g, &d.C[k], &a[k]));
    if (how->C0 != NULL)
        d.C[0] = *how->C0;
    for (uint32_t j = 1; j <= w->n; j++)
        evil_share(w, p, &d, seed, a, j, how);
    secret_free(seed);
    MUST_OK(deal_context(&context, w->roster, &d));
    random_bytes(fresh, sizeof fresh);
    MUST_OK(pok_prove(w->g, &pok, &a[0], &d.C[0], fresh, "conclave/deal-pok", &w->m.election, context.data,
                      context.len));
    cbor_out_free(&context);
    pok.z.b[31] ^= how->bad_proof ? 1 : 0;
    cbor_put_array(&st, 2);
    cbor_put_array(&st, w->t);
    for (uint32_t k = 0; k < w->t; k++)
        cbor_put_point(&st, &d.C[k]);
    cbor_put_array(&st, w->n);
    for (uint32_t j = 0; j < w->n; j++)
        cbor_put_hash(&st, &d.share[j]);
    cbor_put_pok(&ev, &pok);
    evil_post(w, seat, ENTRY_DEAL, NULL, &st, &ev);
}

void evil_complaint(struct world *w, uint32_t seat, uint32_t about)
{
    struct deal d;
    struct cbor_out st = CBOR_OUT_INIT;
    MUST_OK(deal_of_seat(&d, world_seat(w, seat)->b, w->roster, w->g, about, NULL, 0, f));
    cbor_put_array(&st, 1);
    cbor_put_hash(&st, &d.statement_id);
    evil_post(w, seat, ENTRY_COMPLAINT, &d.statement_id, &st, NULL);
}

void evil_reveal(struct world *w, uint32_t dealer, uint32_t complainer, uint64_t twist)
{
    struct party *p = world_seat(w, dealer);
    struct deal d;
    uint8_t *seed, *sealed;
    size_t len;
    scalar_t eph, more;
    hash_t subject;
    struct cbor_out st = CBOR_OUT_INIT;
    MUST_OK(deal_of_seat(&d, p->b, w->roster, w->g, dealer, NULL, 0, f));
    MUST_OK(trustee_seed(&p->t, &seed, f));
    MUST_OK(seed_encapsulation(&eph, seed, &w->roster->ceremony, complainer));
    secret_free(seed);
    scalar_set(&more, twist);
    scalar_add(&eph, &eph, &more);
    MUST_OK(board_detached_get(p->b, &sealed, &len, &d.share[complainer - 1], f));
    cbor_put_array(&st, 4);
    cbor_put_hash(&st, &d.statement_id);
    cbor_put_uint(&st, complainer);
    cbor_put_scalar(&st, &eph);
    cbor_put_bytes(&st, sealed, len);
    free(sealed);
    subject_seat(&subject, complainer);
    evil_post(w, dealer, ENTRY_REVEAL, &subject, &st, NULL);
}

/* --- targets --- */

struct target *targets_make(struct world *w, size_t count, size_t options, uint64_t first_count)
{
    struct target *x = calloc(count, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) {
        snprintf(x[i].place, sizeof x[i].place, "place-%zu", i);
        snprintf(x[i].contest, sizeof x[i].contest, "contest-%zu", i % 3);
        x[i].ballots = 1000;
        x[i].count = options;
        x[i].A = calloc(options, sizeof *x[i].A);
        x[i].B = calloc(options, sizeof *x[i].B);
        assert_non_null(x[i].A);
        assert_non_null(x[i].B);
        for (size_t o = 0; o < options; o++) {
            scalar_t r, v;
            scalar_random(&r);
            scalar_set(&v, first_count + i * options + o);
            MUST_OK(point_mul_base(w->g, &x[i].A[o], &r));
            MUST_OK(point_mul2(w->g, &x[i].B[o], &v, &r, &w->record->Y));
        }
    }
    return x;
}

void targets_free(struct target *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(x[i].A);
        free(x[i].B);
    }
    free(x);
}

/* --- plans --- */

struct plan_file plan_for(struct world *w, const struct target *x, size_t count, const hash_t *supersedes,
                          uint8_t salt)
{
    static const hash_t node;
    hash_t root = {{salt}};
    struct plan_file p = {.has_supersedes = supersedes != NULL};
    if (supersedes != NULL)
        p.supersedes = *supersedes;
    struct cbor_out o = CBOR_OUT_INIT, id = CBOR_OUT_INIT;
    cbor_put_array(&o, 8);
    cbor_put_text(&o, "conclave/plan");
    cbor_put_uint(&o, 1);
    cbor_put_uint(&o, SCHEME_P256_ELGAMAL);
    cbor_put_hash(&o, &w->m.election);
    cbor_put_hash(&o, &w->record->id);
    cbor_put_hash(&o, &root);
    if (supersedes != NULL)
        cbor_put_hash(&o, supersedes);
    else
        cbor_put_null(&o);
    cbor_put_array(&o, count);
    for (size_t i = 0; i < count; i++) {
        cbor_put_array(&o, 6);
        cbor_put_text(&o, x[i].place);
        cbor_put_text(&o, "level");
        cbor_put_array(&o, 1);
        cbor_put_array(&o, 2);
        cbor_put_text(&o, x[i].place);
        cbor_put_hash(&o, &node);
        cbor_put_text(&o, x[i].contest);
        cbor_put_uint(&o, x[i].ballots);
        cbor_put_array(&o, x[i].count);
        for (size_t k = 0; k < x[i].count; k++) {
            cbor_put_array(&o, 2);
            cbor_put_point(&o, &x[i].A[k]);
            cbor_put_point(&o, &x[i].B[k]);
        }
    }
    cbor_put_array(&id, 2);
    cbor_put_text(&id, "conclave/plan-id");
    cbor_put_bytes(&id, o.data, o.len);
    assert_int_equal(cbor_out_hash(&id, &p.id), OK);
    assert_int_equal(o.err, OK);
    p.bytes = (struct bytes){o.data, o.len};
    return p;
}

void plan_file_free(struct plan_file *p)
{
    free((void *)(uintptr_t)p->bytes.data);
    memset(p, 0, sizeof *p);
}
