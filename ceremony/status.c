#include "ceremony/status.h"

#include <stdlib.h>
#include <string.h>

const char *stage_name(enum stage s)
{
    static const char *const name[] = {"enrolment", "roster",       "dealing", "cut",
                                       "complaint", "confirmation", "released"};
    return (size_t)s < sizeof name / sizeof name[0] ? name[s] : "unknown";
}

/* The roster that trustees signed; if there are several, the first one good, and a flag. Only who has a seat
 * in a roster can sign it. */
static err_t find_roster(struct status *s, const struct manifest *m, const struct board *b, struct group *g,
                         const hash_t *ceremony)
{
    struct roster *r = malloc(sizeof *r);
    err_t err = r != NULL ? OK : ERR_MEMORY;
    for (size_t i = 0; i < b->entry_count && err == OK; i++) {
        const struct entry *e = b->entry[i];
        s->enrolled += e->kind == ENTRY_ENROLL;
        if (e->kind != ENTRY_ROSTER || (ceremony != NULL && hash_cmp(&e->ceremony, ceremony) != 0) ||
            (s->has_roster && hash_cmp(&s->roster.ceremony, &e->ceremony) == 0))
            continue;
        err_t one = roster_signed_by(r, m, b, g, &e->author, NULL);
        if (err_class(one) == CLASS_SYSTEM)
            err = one;
        if (one != OK || roster_seat(r, &e->author) == 0 ||
            (ceremony != NULL && hash_cmp(&r->ceremony, ceremony) != 0))
            continue;
        s->rosters_differ |= s->has_roster;
        if (!s->has_roster)
            s->roster = *r;
        s->has_roster = 1;
    }
    free(r);
    return err;
}

static void count_entries(struct status *s, const struct board *b)
{
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *e = b->entry[i];
        uint32_t j = roster_seat(&s->roster, &e->author);
        if (j == 0 || hash_cmp(&e->ceremony, &s->roster.ceremony) != 0)
            continue;
        struct status_seat *x = &s->seat[j - 1];
        x->roster_signed |= e->kind == ENTRY_ROSTER;
        x->drilled |= e->kind == ENTRY_DRILL;
        x->partials += e->kind == ENTRY_PARTIAL;
    }
}

static err_t read_deals(struct status *s, const struct board *b, struct group *g)
{
    const struct roster *r = &s->roster;
    for (uint32_t i = 1; i <= r->n; i++) {
        struct deal d;
        struct status_seat *x = &s->seat[i - 1];
        x->deal_error = deal_of_seat(&d, b, r, g, i, NULL, 0, NULL);
        if (err_class(x->deal_error) == CLASS_SYSTEM)
            return x->deal_error;
        x->dealt = x->deal_error == OK;
        for (size_t k = 0; x->dealt && k < b->entry_count; k++) {
            const struct entry *e = b->entry[k];
            uint32_t j = roster_seat(r, &e->author);
            if (e->kind == ENTRY_COMPLAINT && j != 0 && hash_cmp(&e->ceremony, &r->ceremony) == 0 &&
                hash_cmp(&e->subject, &d.statement_id) == 0)
                x->complaints |= UINT32_C(1) << (j - 1);
        }
    }
    return OK;
}

/* Seats that say they confirmed. */
static size_t confirmations(const struct board *b, const struct cut *c, const struct roster *r)
{
    uint32_t who = 0;
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *e = b->entry[i];
        uint32_t seat = roster_seat(r, &e->author);
        if (e->kind == ENTRY_CONFIRM && seat != 0 && hash_cmp(&e->subject, &c->hash) == 0 &&
            hash_cmp(&e->ceremony, &r->ceremony) == 0)
            who |= UINT32_C(1) << (seat - 1);
    }
    return (size_t)__builtin_popcount(who);
}

static err_t read_confirmations(struct status *s, const struct manifest *m, const struct board *b,
                                struct group *g)
{
    const struct roster *r = &s->roster;
    s->cut_error = cut_outcome(&s->outcome, m, b, r, &s->cut, g, NULL);
    if (err_class(s->cut_error) == CLASS_SYSTEM)
        return s->cut_error;
    for (uint32_t j = 1; j <= r->n; j++) {
        point_t D;
        const struct entry *used;
        struct status_seat *x = &s->seat[j - 1];
        x->confirmed = 0;
        x->confirm_error = OK;
        if (s->cut_error != OK || !(s->outcome.holders >> (j - 1) & 1))
            continue;
        x->confirm_error = confirm_check(&D, &used, b, r, &s->cut, &s->outcome, j, g, NULL);
        if (err_class(x->confirm_error) == CLASS_SYSTEM)
            return x->confirm_error;
        x->confirmed = x->confirm_error == OK;
    }
    return OK;
}

static int all_confirmed(const struct status *s)
{
    for (uint32_t j = 0; j < s->roster.n; j++)
        if ((s->outcome.holders >> j & 1) && !s->seat[j].confirmed)
            return 0;
    return s->cut_error == OK;
}

/* Does it call seats absent that dealt? Only those who agreed should be led to such a cut. */
static int calls_dealers_absent(const struct cut *c, const struct board *b, const struct roster *r)
{
    for (size_t i = 0; i < c->entry_count; i++) {
        const struct entry *e = board_entry(b, &c->entry[i]);
        uint32_t seat = e != NULL && e->kind == ENTRY_DEAL ? roster_seat(r, &e->author) : 0;
        if (seat != 0 && c->absent >> (seat - 1) & 1)
            return 1;
    }
    return 0;
}

/* How good a cut is to go on with: one that released the key, then what the trustee signed (of several the
 * one that calls most seats absent, which is the later), then without seats called absent, then by
 * confirmations. */
static err_t rank_cut(struct status *s, unsigned *rank, const struct manifest *m, const struct board *b,
                      struct group *g, const point_t *self)
{
    const struct entry *own = NULL;
    const struct roster *r = &s->roster;
    size_t said = confirmations(b, &s->cut, r);
    unsigned absent = (unsigned)__builtin_popcount(s->cut.absent);
    *rank = 0;
    if (said >= r->t) { /* enough to look at the proofs */
        TRY(read_confirmations(s, m, b, g));
        if (all_confirmed(s)) {
            /* the order of record.h */
            *rank = 10000 + (unsigned)s->cut.entry_count * (TRUSTEES_MAX + 1) + TRUSTEES_MAX -
                    (unsigned)__builtin_popcount(s->outcome.holders);
            return OK;
        }
    }
    if (cut_covers(&s->cut, b, r, NULL) != OK)
        return OK;
    if (self != NULL && board_find(b, &own, NULL, ENTRY_CUT, &r->ceremony, self, &s->cut.hash) == OK &&
        own != NULL)
        *rank = 1000 + absent;
    else
        *rank = 1 + (calls_dealers_absent(&s->cut, b, r) ? 0 : 100) + (unsigned)said;
    return OK;
}

/* Leaves the best cut in s, and the confirmations of it. */
static err_t find_cut(struct status *s, const struct manifest *m, const struct board *b, struct group *g,
                      const point_t *self)
{
    unsigned best_rank = 0;
    struct cut best = {0};
    err_t err = OK;
    for (size_t i = 0; i < b->entry_count && err == OK; i++) {
        const struct entry *e = b->entry[i];
        unsigned rank;
        if (e->kind != ENTRY_CUT || hash_cmp(&e->ceremony, &s->roster.ceremony) != 0 ||
            roster_seat(&s->roster, &e->author) == 0)
            continue;
        err_t parsed = cut_parse(&s->cut, e, &s->roster, NULL);
        if (err_class(parsed) == CLASS_SYSTEM)
            err = parsed;
        if (parsed != OK)
            continue;
        err = rank_cut(s, &rank, m, b, g, self);
        if (err == OK && rank > best_rank) {
            struct cut worse = best;
            best = s->cut;
            s->cut = worse;
            best_rank = rank;
        }
        cut_free(&s->cut);
    }
    s->cut = best;
    s->has_cut = best_rank > 0;
    if (err == OK && s->has_cut)
        err = read_confirmations(s, m, b, g);
    return err;
}

static enum stage stage_of(const struct status *s, const struct manifest *m)
{
    if (!s->has_roster)
        return s->enrolled < m->n ? STAGE_ENROLL : STAGE_ROSTER;
    uint32_t dealt = 0, open = 0;
    for (uint32_t j = 0; j < m->n; j++) {
        dealt += s->seat[j].dealt;
        open += s->seat[j].complaints != 0;
    }
    if (!s->has_cut)
        return open > 0 ? STAGE_COMPLAIN : dealt < m->n ? STAGE_DEAL : STAGE_CUT;
    return all_confirmed(s) ? STAGE_RELEASED : STAGE_CONFIRM;
}

err_t status_read(struct status **out, const struct manifest *m, const struct board *b, struct group *g,
                  struct fault *f)
{
    return status_read_of(out, m, b, g, NULL, NULL, f);
}

err_t status_read_of(struct status **out, const struct manifest *m, const struct board *b, struct group *g,
                     const hash_t *ceremony, const point_t *self, struct fault *f)
{
    *out = NULL;
    struct status *s = calloc(1, sizeof *s);
    if (s == NULL)
        return fault_set(f, ERR_MEMORY, "status");
    err_t e = find_roster(s, m, b, g, ceremony);
    if (e == OK && s->has_roster) {
        count_entries(s, b);
        e = read_deals(s, b, g);
        if (e == OK)
            e = find_cut(s, m, b, g, self);
    }
    if (e != OK) {
        status_free(s);
        return fault_set(f, e, "reading the board");
    }
    s->stage = stage_of(s, m);
    *out = s;
    return OK;
}

void status_free(struct status *s)
{
    if (s == NULL)
        return;
    cut_free(&s->cut);
    free(s);
}
