#include "tally/combine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const struct manifest *m;
    const struct record *r;
    const struct board *b;
    const hash_t *plan;
    const struct target *target;
    size_t target_count;
};

/* --- one seat --- */

static int is_partial_of(const struct entry *e, const struct job *j, const point_t *author)
{
    return e->kind == ENTRY_PARTIAL && point_equal(&e->author, author) &&
           hash_cmp(&e->ceremony, &j->r->ceremony) == 0 && hash_cmp(&e->subject, j->plan) == 0;
}

static err_t try_entry(struct combine_seat *s, const struct entry *entry, const struct job *j)
{
    struct partial *p = NULL;
    struct fault fault;
    fault_clear(&fault);
    err_t e = partial_parse(&p, entry, j->r, j->plan, j->target, j->target_count, &fault);
    if (e == OK && p->seat != s->seat)
        e = fault_set(&fault, ERR_MISMATCH, "the partial decryption is of another seat");
    if (e == OK)
        e = partial_verify_var(p, j->r, j->target, j->target_count, &fault);
    if (e != OK) {
        partial_free(p);
        if (err_class(e) == CLASS_SYSTEM)
            return e;
        if (s->state != COMBINE_BAD) { /* keep the first fault */
            s->fault = fault;
            if (s->fault.err == OK)
                fault_set(&s->fault, e, "partial decryption");
            s->entry = entry;
        }
        s->state = COMBINE_BAD;
        return OK;
    }
    s->partial = p;
    s->entry = entry;
    s->state = COMBINE_SPARE;
    fault_clear(&s->fault);
    return OK;
}

/* One statement may be signed several times with different proofs; it is good if one of them is. */
static err_t look_at_seat(struct combine_seat *s, const struct job *j)
{
    const point_t *author = &j->r->seat[s->seat - 1].identity;
    fault_clear(&s->fault);
    err_t e = board_find(j->b, &s->entry, &s->other, ENTRY_PARTIAL, &j->r->ceremony, author, j->plan);
    if (e == ERR_EQUIVOCATION) {
        s->state = COMBINE_EQUIVOCATED;
        fault_set(&s->fault, e, "two different partial decryptions for one plan");
        return OK;
    }
    if (e != OK)
        return e;
    s->state = COMBINE_ABSENT;
    if (s->entry == NULL)
        return OK;
    for (size_t i = 0; i < j->b->entry_count && s->state != COMBINE_SPARE; i++)
        if (is_partial_of(j->b->entry[i], j, author))
            TRY(try_entry(s, j->b->entry[i], j));
    return OK;
}

/* --- choosing t --- */

static int is_listed(const struct partial *p, const struct combine_options *options)
{
    if (options == NULL || options->only == NULL)
        return 1;
    for (size_t i = 0; i < options->only_count; i++)
        if (hash_cmp(&p->statement_id, &options->only[i]) == 0)
            return 1;
    return 0;
}

static err_t quorum_fault(const struct combination *c, const struct record *r, size_t good, struct fault *f)
{
    char list[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < c->seat_count; i++) {
        const struct combine_seat *s = &c->seat[i];
        const char *what = s->state == COMBINE_ABSENT        ? "absent"
                           : s->state == COMBINE_EQUIVOCATED ? "equivocated"
                           : s->state == COMBINE_BAD         ? "bad"
                                                             : "good";
        int n = snprintf(list + used, sizeof list - used, "%sseat %u %s", used ? ", " : "", s->seat, what);
        if (n < 0 || (size_t)n >= sizeof list - used)
            break;
        used += (size_t)n;
    }
    return fault_set(f, ERR_QUORUM, "%zu good partial decryptions of %u needed: %s", good, r->t, list);
}

static err_t choose(struct combination *c, const struct record *r, const struct combine_options *options,
                    struct fault *f)
{
    size_t good = 0;
    int listed = options != NULL && options->only != NULL;
    for (size_t i = 0; i < c->seat_count; i++)
        good += c->seat[i].state == COMBINE_SPARE;
    if (good < r->t)
        return quorum_fault(c, r, good, f);
    for (size_t i = 0; i < c->seat_count && c->used_count < r->t; i++) {
        struct combine_seat *s = &c->seat[i];
        if (s->state != COMBINE_SPARE || !is_listed(s->partial, options))
            continue;
        s->state = COMBINE_USED;
        c->used[c->used_count++] = s->partial;
    }
    if (listed && (options->only_count != r->t || c->used_count != r->t))
        return fault_set(f, ERR_MISMATCH,
                         "the partial decryptions that the result lists are not %u good ones of this board",
                         r->t);
    return OK;
}

/* --- decrypting --- */

static err_t prepare_rows(struct result *res, uint64_t **count, uint64_t *limit, const struct job *j)
{
    for (size_t i = 0; i < j->target_count; i++) {
        const struct target *t = &j->target[i];
        struct result_row *row = &res->row[i];
        TRY(result_row_votes(res, i, t->count));
        memcpy(row->place, t->place, sizeof row->place);
        memcpy(row->contest, t->contest, sizeof row->contest);
        row->ballots = t->ballots;
        count[i] = row->votes;
        limit[i] = t->ballots;
    }
    return OK;
}

static err_t decrypt(struct combination *c, const struct job *j, struct fault *f)
{
    size_t slots = j->target_count ? j->target_count : 1;
    uint64_t **count = calloc(slots, sizeof *count), *limit = calloc(slots, sizeof *limit);
    struct result *res = NULL;
    err_t e = ERR_MEMORY;
    if (count == NULL || limit == NULL)
        goto out;
    GO(result_new(&res, j->target_count));
    GO(prepare_rows(res, count, limit, j));
    GO(partial_combine_var(count, c->used, j->r, j->target, j->target_count, limit, f));
    for (size_t i = 0; i < res->row_count; i++)
        GO(result_row_check(&res->row[i], j->m, f));
    res->election = j->r->election;
    res->record = j->r->id;
    res->plan = *j->plan;
    res->partial_count = c->used_count;
    for (size_t i = 0; i < c->used_count; i++)
        res->partial[i] = c->used[i]->statement_id;
    c->result = res;
    res = NULL;
out:
    free(count);
    free(limit);
    result_free(res);
    if (e == ERR_MEMORY)
        fault_set(f, e, "combining %zu units", j->target_count);
    return e;
}

err_t combine_partials_var(struct combination **out, const struct manifest *m, const struct record *r,
                           const struct board *b, const hash_t *plan, const struct target *target,
                           size_t target_count, const struct combine_options *options, struct fault *f)
{
    struct job j = {m, r, b, plan, target, target_count};
    struct combination *c = calloc(1, sizeof *c);
    err_t e = OK;
    *out = NULL;
    if (c == NULL)
        return fault_set(f, ERR_MEMORY, "combining");
    for (uint32_t seat = 1; seat <= r->n; seat++)
        if (r->holders >> (seat - 1) & 1)
            c->seat[c->seat_count++].seat = seat;
    for (size_t i = 0; i < c->seat_count; i++) {
        if (options != NULL && options->progress != NULL)
            GO(options->progress(options->progress_ctx, "partials", i, c->seat_count + 1));
        e = look_at_seat(&c->seat[i], &j);
        if (e != OK) {
            fault_set(f, e, "partial decryption of seat %u", c->seat[i].seat);
            goto out;
        }
    }
    GO(choose(c, r, options, f));
    if (options != NULL && options->progress != NULL)
        GO(options->progress(options->progress_ctx, "combining", c->seat_count, c->seat_count + 1));
    GO(decrypt(c, &j, f));
out:
    if (e != OK && e != ERR_QUORUM) {
        combination_free(c);
        c = NULL;
    }
    *out = c;
    return e;
}

void combination_free(struct combination *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->seat_count; i++)
        partial_free(c->seat[i].partial);
    result_free(c->result);
    free(c);
}

void combine_seat_text(char *out, size_t out_len, const struct combine_seat *s, const struct record *r)
{
    const char *name = r->seat[s->seat - 1].name;
    switch (s->state) {
    case COMBINE_ABSENT:
        snprintf(out, out_len, "%2u %s: not here", s->seat, name);
        break;
    case COMBINE_USED:
        snprintf(out, out_len, "%2u %s: good, used", s->seat, name);
        break;
    case COMBINE_SPARE:
        snprintf(out, out_len, "%2u %s: good, not used", s->seat, name);
        break;
    case COMBINE_EQUIVOCATED:
        snprintf(out, out_len, "%2u %s: left out, two different statements [%s]", s->seat, name,
                 err_name(ERR_EQUIVOCATION));
        break;
    case COMBINE_BAD:
        snprintf(out, out_len, "%2u %s: left out, %s [%s]", s->seat, name,
                 s->fault.detail[0] ? s->fault.detail : err_meaning(s->fault.err), err_name(s->fault.err));
        break;
    }
}
