/* Was another plan decrypted? Two plans can differ by one ballot, whose content would be the difference. */
#include <stdlib.h>
#include <string.h>

#include "tally/verify_state.h"

/* A partial decryption by a holder of a plan that is not this one; several by one holder of one plan are one.
 */
struct other {
    hash_t plan;
    uint32_t seat;
    int earlier; /* one of those that this plan superseded, as the seat signed them */
    const struct entry *entry;
};

/* The seat's word that its plan superseded previous. */
struct step {
    hash_t plan, previous;
    uint32_t seat;
    int equivocal;
    const struct entry *entry;
};

struct search {
    size_t other_count, step_count;
    struct other *other; /* sorted by plan and seat */
    struct step *step;   /* the same */
};

static int other_cmp(const void *x, const void *y)
{
    const struct other *a = x, *b = y;
    int c = hash_cmp(&a->plan, &b->plan);
    return c ? c : (a->seat > b->seat) - (a->seat < b->seat);
}

static int step_cmp(const void *x, const void *y)
{
    const struct step *a = x, *b = y;
    int c = hash_cmp(&a->plan, &b->plan);
    return c ? c : (a->seat > b->seat) - (a->seat < b->seat);
}

static uint32_t seat_of(const struct verify *v, const struct entry *e)
{
    for (uint32_t j = 1; j <= v->r->n; j++)
        if (point_equal(&v->r->seat[j - 1].identity, &e->author))
            return j;
    return 0;
}

/* Reads a statement about a plan; 0 if it says of no other that it was superseded. */
static int read_step(struct step *s, const struct entry *e)
{
    struct cbor_in in;
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 2);
    cbor_get_hash(&in, &s->plan);
    if (cbor_get_null(&in))
        return 0;
    cbor_get_hash(&in, &s->previous);
    return cbor_in_end(&in, NULL) == OK && hash_cmp(&s->plan, &e->subject) == 0;
}

static void gather(struct search *k, const struct verify *v)
{
    for (size_t i = 0; i < v->b->entry_count; i++) {
        const struct entry *e = v->b->entry[i];
        uint32_t seat;
        if ((e->kind != ENTRY_PARTIAL && e->kind != ENTRY_PLAN) ||
            hash_cmp(&e->ceremony, &v->r->ceremony) != 0 || (seat = seat_of(v, e)) == 0)
            continue;
        if (e->kind == ENTRY_PLAN) {
            struct step *s = &k->step[k->step_count];
            *s = (struct step){.seat = seat, .entry = e};
            k->step_count += (size_t)read_step(s, e);
        } else if (hash_cmp(&e->subject, &v->plan->id) != 0 && (v->r->holders >> (seat - 1) & 1)) {
            k->other[k->other_count++] = (struct other){.plan = e->subject, .seat = seat, .entry = e};
        }
    }
}

static void sort_search(struct search *k)
{
    size_t kept = 0;
    qsort(k->other, k->other_count, sizeof *k->other, other_cmp);
    for (size_t i = 0; i < k->other_count; i++)
        if (kept == 0 || other_cmp(&k->other[kept - 1], &k->other[i]) != 0)
            k->other[kept++] = k->other[i];
    k->other_count = kept;
    kept = 0;
    qsort(k->step, k->step_count, sizeof *k->step, step_cmp);
    for (size_t i = 0; i < k->step_count; i++)
        if (kept == 0 || step_cmp(&k->step[kept - 1], &k->step[i]) != 0)
            k->step[kept++] = k->step[i];
        else if (hash_cmp(&k->step[kept - 1].previous, &k->step[i].previous) != 0)
            k->step[kept - 1].equivocal = 1;
    k->step_count = kept;
}

/* From this plan back to the first, as the seat signed them; a seat may have skipped some of the chain. */
static void mark_earlier(struct search *k, const struct verify *v, uint32_t seat)
{
    struct step at = {.plan = v->plan->id, .seat = seat};
    const struct step *s = bsearch(&at, k->step, k->step_count, sizeof *k->step, step_cmp);
    struct other key = {.seat = seat, .plan = v->plan->supersedes};
    struct other *o = bsearch(&key, k->other, k->other_count, sizeof *k->other, other_cmp);
    if (o != NULL)
        o->earlier = 1;
    key.plan = s != NULL && !s->equivocal ? s->previous : v->plan->supersedes;
    for (size_t steps = 0; steps <= k->step_count; steps++) {
        o = bsearch(&key, k->other, k->other_count, sizeof *k->other, other_cmp);
        if (o != NULL)
            o->earlier = 1;
        at.plan = key.plan;
        s = bsearch(&at, k->step, k->step_count, sizeof *k->step, step_cmp);
        if (s == NULL || s->equivocal)
            return;
        key.plan = s->previous;
    }
}

static int is_used(const struct verify *v, uint32_t seat)
{
    for (size_t i = 0; v->result != NULL && i < v->result->partial_count; i++)
        if (v->used_seat[i] == seat)
            return 1;
    return 0;
}

/* The partial decryptions of one plan. */
static err_t judge(struct verify *v, enum verify_id id, const struct other *o, size_t count, size_t *aside)
{
    char name[ENTRY_NAME_SIZE + 16];
    size_t outside = 0;
    for (size_t i = 0; i < count; i++)
        outside += !o[i].earlier;
    for (size_t i = 0; i < count; i++) {
        const char *who = v->r->seat[o[i].seat - 1].name;
        TRY(bundle_entry_name(name, sizeof name, o[i].entry));
        if (o[i].earlier)
            verify_skip(v, id,
                        "an earlier plan was decrypted too; the rules between the two take the earlier one");
        else if (outside >= v->r->t)
            verify_failf(v, id, ERR_RULE, name, who,
                         "seat %u and %zu others decrypted another plan: it was opened", o[i].seat,
                         outside - 1);
        else if (is_used(v, o[i].seat))
            verify_failf(v, id, ERR_RULE, name, who,
                         "seat %u, whose part the result uses, decrypted another plan", o[i].seat);
        else
            aside[o[i].seat - 1]++;
    }
    return OK;
}

static err_t judge_all(struct verify *v, enum verify_id id, const struct search *k)
{
    size_t aside[TRUSTEES_MAX] = {0};
    for (size_t i = 0, end; i < k->other_count; i = end) {
        for (end = i + 1; end < k->other_count && hash_cmp(&k->other[end].plan, &k->other[i].plan) == 0;
             end++)
            ;
        TRY(judge(v, id, &k->other[i], end - i, aside));
    }
    for (uint32_t j = 1; j <= v->r->n; j++) {
        if (aside[j - 1] == 0)
            continue;
        verify_note(v, id,
                    "seat %u, %s, posted partial decryptions of %zu other plans, which too few others did to "
                    "open them; the result does not use this seat",
                    j, v->r->seat[j - 1].name, aside[j - 1]);
        if (!v->used_known)
            verify_skip(v, id, "it is not known who decrypted");
    }
    return OK;
}

err_t verify_check_plan_single(struct verify *v, enum verify_id id)
{
    struct search k = {0};
    err_t e = ERR_MEMORY;
    if (v->plan == NULL || v->b == NULL) {
        verify_skip(v, id, "there are no good plan and entries");
        return OK;
    }
    k.other = calloc(v->b->entry_count + 1, sizeof *k.other);
    k.step = calloc(v->b->entry_count + 1, sizeof *k.step);
    if (k.other == NULL || k.step == NULL)
        goto out;
    gather(&k, v);
    sort_search(&k);
    for (uint32_t j = 1; j <= v->r->n && v->plan->has_supersedes; j++)
        mark_earlier(&k, v, j);
    e = judge_all(v, id, &k);
out:
    free(k.other);
    free(k.step);
    return e;
}
