/* Partial decryptions, the result, and the report page. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/math/p256_var.h"
#include "tally/report_data.h"
#include "tally/verify_state.h"

err_t verify_check_result_form(struct verify *v, enum verify_id id)
{
    char path[BUNDLE_PATH_MAX];
    struct fault f;
    fault_clear(&f);
    err_t e = verify_path(v, path, BUNDLE_RESULT);
    if (e == OK)
        e = result_load(&v->result, path, &f);
    if (e == ERR_MEMORY)
        return e;
    if (e != OK) {
        if (f.err == OK)
            fault_set(&f, e, "cannot be read");
        verify_fail(v, id, &f);
        return OK;
    }
    if (v->r == NULL || v->plan == NULL) {
        verify_skip(v, id, "there are no good ceremony record and plan to compare it with");
        return OK;
    }
    if (hash_cmp(&v->result->election, &v->m->election) != 0 || hash_cmp(&v->result->record, &v->r->id) != 0)
        verify_failf(v, id, ERR_ELECTION, BUNDLE_RESULT, NULL, "is of another election or ceremony");
    if (hash_cmp(&v->result->plan, &v->plan->id) != 0)
        verify_failf(v, id, ERR_MISMATCH, BUNDLE_RESULT, NULL, "is of another plan");
    return OK;
}

/* --- who decrypted --- */

static int needs_result(struct verify *v, enum verify_id id)
{
    if (v->result != NULL && v->plan != NULL && v->b != NULL)
        return 1;
    verify_skip(v, id, "there are no good result, plan and entries");
    return 0;
}

/* Seat of the holder who made the statement, or 0. */
static uint32_t seat_of_statement(const struct verify *v, const hash_t *statement)
{
    for (size_t i = 0; i < v->b->entry_count; i++) {
        const struct entry *e = v->b->entry[i];
        if (e->kind != ENTRY_PARTIAL || hash_cmp(&e->statement_id, statement) != 0)
            continue;
        for (uint32_t j = 1; j <= v->r->n; j++)
            if (v->r->holders >> (j - 1) & 1 && point_equal(&v->r->seat[j - 1].identity, &e->author))
                return j;
    }
    return 0;
}

static int check_seat(struct verify *v, enum verify_id id, size_t i)
{
    const struct entry *one, *two;
    uint32_t seat = seat_of_statement(v, &v->result->partial[i]);
    char hex[17];
    hex_put(hex, v->result->partial[i].b, 8);
    v->used_seat[i] = seat;
    if (seat == 0) {
        verify_failf(v, id, ERR_MISSING, BUNDLE_RESULT, NULL,
                     "statement %s is no partial decryption by a holder here", hex);
        return 0;
    }
    const struct seat *s = &v->r->seat[seat - 1];
    if (i > 0 && v->used_seat[i - 1] >= seat) {
        verify_failf(v, id, ERR_CANONICAL, BUNDLE_RESULT, s->name, "seat %u is out of order or there twice",
                     seat);
        return 0;
    }
    if (board_find(v->b, &one, &two, ENTRY_PARTIAL, &v->r->ceremony, &s->identity, &v->plan->id) ==
        ERR_EQUIVOCATION) {
        verify_failf(v, id, ERR_EQUIVOCATION, BUNDLE_ENTRIES, s->name,
                     "seat %u made two different partial decryptions of this plan", seat);
        return 1;
    }
    return 1;
}

err_t verify_check_result_partials(struct verify *v, enum verify_id id)
{
    int good = 1;
    if (!needs_result(v, id))
        return OK;
    if (v->result->partial_count != v->r->t) {
        verify_failf(v, id, ERR_QUORUM, BUNDLE_RESULT, NULL, "%zu partial decryptions, the threshold is %u",
                     v->result->partial_count, v->r->t);
        good = 0;
    }
    for (size_t i = 0; i < v->result->partial_count; i++)
        good = check_seat(v, id, i) && good;
    v->used_known = good;
    return OK;
}

/* --- the partial decryptions --- */

/* Among the entries with this statement the first whose proofs verify; *why of the first that does not. */
static err_t find_good(struct verify *v, const hash_t *statement, struct partial **out, int *parsed,
                       struct fault *why)
{
    *out = NULL;
    *parsed = 0;
    for (size_t i = 0; i < v->b->entry_count && *out == NULL; i++) {
        const struct entry *x = v->b->entry[i];
        struct partial *p = NULL;
        struct fault f;
        fault_clear(&f);
        if (x->kind != ENTRY_PARTIAL || hash_cmp(&x->statement_id, statement) != 0)
            continue;
        err_t e = partial_parse(&p, x, v->r, &v->plan->id, v->target, v->plan->unit_count, &f);
        *parsed = *parsed || e == OK;
        if (e == OK)
            e = partial_verify_var(p, v->r, v->target, v->plan->unit_count, &f);
        if (e == OK) {
            *out = p;
            return OK;
        }
        partial_free(p);
        if (err_class(e) == CLASS_SYSTEM)
            return e;
        if (why->err == OK) {
            char name[ENTRY_NAME_SIZE + 16];
            *why = f;
            if (bundle_entry_name(name, sizeof name, x) == OK)
                fault_file(why, e, name);
        }
    }
    return OK;
}

static void note_spare(struct verify *v, enum verify_id id)
{
    for (size_t i = 0; i < v->b->entry_count; i++) {
        const struct entry *x = v->b->entry[i];
        int used = 0;
        struct fault why;
        struct partial *p;
        int parsed;
        for (size_t k = 0; k < v->result->partial_count; k++)
            used = used || hash_cmp(&v->result->partial[k], &x->statement_id) == 0;
        for (size_t k = 0; k < i; k++) /* find_good looks at all entries with this statement */
            used = used || hash_cmp(&v->b->entry[k]->statement_id, &x->statement_id) == 0;
        if (used || x->kind != ENTRY_PARTIAL || hash_cmp(&x->subject, &v->plan->id) != 0)
            continue;
        fault_clear(&why);
        if (find_good(v, &x->statement_id, &p, &parsed, &why) != OK)
            continue;
        if (p == NULL)
            verify_note(v, id, "a partial decryption that is bad, and not used: %s: %s", why.who, why.detail);
        else
            verify_note(v, id, "seat %u decrypted too; not needed", p->seat);
        partial_free(p);
    }
}

err_t verify_check_partial_form(struct verify *v, enum verify_id id)
{
    int good = 1;
    if (!needs_result(v, id))
        return OK;
    if (!v->used_known) {
        verify_skip(v, id, "it is not known who decrypted");
        return OK;
    }
    for (size_t i = 0; i < v->result->partial_count; i++) {
        struct fault why;
        int parsed;
        fault_clear(&why);
        TRY(find_good(v, &v->result->partial[i], &v->used[i], &parsed, &why));
        if (v->used[i] != NULL)
            continue;
        good = 0;
        if (why.err == OK)
            fault_set(&why, ERR_MISSING, "there is none");
        verify_fail(v, parsed ? CHECK_PARTIAL_PROOFS : id, &why);
        if (!parsed)
            verify_skip(v, CHECK_PARTIAL_PROOFS, "a partial decryption cannot be read");
    }
    v->used_good = good;
    return OK;
}

err_t verify_check_partial_proofs(struct verify *v, enum verify_id id)
{
    if (!needs_result(v, id))
        return OK;
    if (!v->used_known)
        verify_skip(v, id, "it is not known who decrypted");
    else
        note_spare(v, id);
    return OK;
}

/* --- the counts --- */

static int rows_fit(const struct verify *v, size_t i)
{
    return i < v->result->row_count && v->result->row[i].count == v->target[i].count;
}

/* *good: v G = B - sum lambda_i D_i. */
static err_t check_count(const struct verify *v, const scalar_t *minus_lambda, size_t i, size_t o, int *good)
{
    struct p256_affine part[TRUSTEES_MAX], b, g;
    struct p256_jacobian M, want;
    scalar_t count;
    for (uint32_t k = 0; k < v->r->t; k++)
        TRY(p256_decompress_var(&part[k], &v->used[k]->D[i][o]));
    TRY(p256_decompress_sum_var(&b, &v->target[i].B[o]));
    TRY(p256_msm_var(&M, minus_lambda, part, v->r->t, 256));
    p256_add_affine_var(&M, &M, &b);
    p256_generator(&g);
    scalar_set(&count, v->result->row[i].votes[o]);
    TRY(p256_mul_var(&want, &count, &g));
    *good = p256_equal_var(&M, &want);
    return OK;
}

static err_t check_counts(struct verify *v, enum verify_id id, const scalar_t *minus_lambda)
{
    size_t units = v->plan->unit_count, wide = 1;
    for (size_t i = 0; i < v->m->contest_count; i++)
        wide = v->m->contest[i].option_count > wide ? v->m->contest[i].option_count : wide;
    uint8_t *bad = calloc(units, wide);
    err_t e = bad == NULL ? ERR_MEMORY : OK;
    if (e != OK)
        return e;
#pragma omp parallel for schedule(dynamic, 8)
    for (size_t i = 0; i < units; i++)
        for (size_t o = 0; rows_fit(v, i) && o < v->target[i].count; o++) {
            int good = 0;
            err_t mine = check_count(v, minus_lambda, i, o, &good);
            bad[i * wide + o] = mine != OK || !good;
            if (err_class(mine) == CLASS_SYSTEM) {
#pragma omp critical(verify_check_counts)
                e = mine;
            }
        }
    if (e != OK) {
        free(bad);
        return e;
    }
    for (size_t i = 0; i < units; i++) {
        if (!rows_fit(v, i)) {
            verify_skip(v, id, "a row has not as many counts as its contest has options");
            continue;
        }
        for (size_t o = 0; o < v->target[i].count; o++)
            if (bad[i * wide + o])
                verify_failf(v, id, ERR_SUM, BUNDLE_RESULT, v->target[i].place,
                             "contest %s, option %s: the sum does not decrypt to this count",
                             v->target[i].contest, v->m->contest[v->plan->unit[i].contest].option[o].id);
    }
    free(bad);
    return OK;
}

err_t verify_check_decrypts(struct verify *v, enum verify_id id)
{
    scalar_t minus_lambda[TRUSTEES_MAX];
    if (!needs_result(v, id))
        return OK;
    if (!v->used_good) {
        verify_skip(v, id, "there are not as many good partial decryptions as the threshold");
        return OK;
    }
    for (uint32_t k = 0; k < v->r->t; k++) {
        TRY(lagrange_at_zero(&minus_lambda[k], v->used_seat, v->r->t, k));
        scalar_neg(&minus_lambda[k], &minus_lambda[k]);
    }
    return check_counts(v, id, minus_lambda);
}

err_t verify_check_range(struct verify *v, enum verify_id id)
{
    if (v->result == NULL || v->m == NULL) {
        verify_skip(v, id, "there are no good result and manifest");
        return OK;
    }
    for (size_t i = 0; i < v->result->row_count; i++) {
        struct fault f;
        fault_clear(&f);
        if (result_row_check(&v->result->row[i], v->m, &f) == OK)
            continue;
        fault_file(&f, f.err, BUNDLE_RESULT);
        verify_fail(v, id, &f);
    }
    return OK;
}

err_t verify_check_complete(struct verify *v, enum verify_id id)
{
    if (v->result == NULL || v->plan == NULL) {
        verify_skip(v, id, "there are no good result and plan");
        return OK;
    }
    if (v->result->row_count != v->plan->unit_count)
        verify_failf(v, id, ERR_MISSING, BUNDLE_RESULT, NULL, "%zu rows for %zu units of the plan",
                     v->result->row_count, v->plan->unit_count);
    for (size_t i = 0; i < v->result->row_count && i < v->plan->unit_count; i++) {
        const struct result_row *row = &v->result->row[i];
        const struct target *t = &v->target[i];
        if (strcmp(row->place, t->place) != 0 || strcmp(row->contest, t->contest) != 0)
            verify_failf(v, id, ERR_MISMATCH, BUNDLE_RESULT, t->place,
                         "row %zu is not contest %s of this place", i + 1, t->contest);
        else if (row->ballots != t->ballots || row->count != t->count)
            verify_failf(v, id, ERR_MISMATCH, BUNDLE_RESULT, t->place,
                         "contest %s: another number of ballots or options than in the plan", t->contest);
    }
    return OK;
}

/* --- the page --- */

/* The report page from what was loaded; publish makes the same. *out is freed with free(). */
static err_t make_page(struct verify *v, uint8_t **out, size_t *len, struct fault *f)
{
    struct report_data *data = NULL;
    char dir[BUNDLE_PATH_MAX];
    *out = NULL;
    struct combination *c = calloc(1, sizeof *c);
    if (c == NULL)
        return fault_set(f, ERR_MEMORY, "the report page");
    c->result = v->result;
    for (uint32_t k = 0; k < v->r->t; k++)
        c->used[c->used_count++] = v->used[k];
    err_t e = verify_path(v, dir, BUNDLE_RECORDS);
    if (e == OK) {
        node_provider_dir(&v->nodes, dir);
        e = report_gather_var(&data, &v->ctx, &v->nodes, v->plan, v->target, c, f);
    }
    if (e == OK)
        e = report_make(out, len, &data->in, f);
    report_data_free(data);
    free(c);
    return e;
}

static void compare_page(struct verify *v, enum verify_id id, const uint8_t *page, size_t len)
{
    char path[BUNDLE_PATH_MAX];
    uint8_t *have = NULL;
    size_t have_len = 0, at = 0;
    struct fault f;
    fault_clear(&f);
    err_t e = verify_path(v, path, BUNDLE_REPORT);
    if (e == OK)
        e = file_read(&have, &have_len, path, 2 * len + (1 << 20), &f);
    if (e != OK) {
        verify_failf(v, id, e, BUNDLE_REPORT, NULL, "cannot be read, or is much too long");
        return;
    }
    while (at < len && at < have_len && page[at] == have[at])
        at++;
    if (at < len || at < have_len)
        verify_failf(v, id, ERR_MISMATCH, BUNDLE_REPORT, NULL,
                     "differs from byte %zu on; do not believe it, believe the other files", at);
    free(have);
}

err_t verify_check_page(struct verify *v, enum verify_id id)
{
    uint8_t *page = NULL;
    size_t len = 0;
    struct fault f;
    fault_clear(&f);
    if (!v->used_good || v->result == NULL || v->plan == NULL) {
        verify_skip(v, id, "there are no good plan, partial decryptions and result to make it from");
        return OK;
    }
    err_t e = make_page(v, &page, &len, &f);
    if (e == ERR_MEMORY)
        return e;
    if (e == OK)
        compare_page(v, id, page, len);
    else
        verify_skip(v, id, "it cannot be made from these files: %s", f.detail);
    free(page);
    return OK;
}
