/* What a trustee's step looks at on the board, without a token. */
#include <stdlib.h>
#include <string.h>

#include "appliance/work.h"
#include "ceremony/base/file.h"

#define BIT(seat) (UINT32_C(1) << ((seat)-1))

err_t work_roster(struct roster *out, int *is_signed, const struct session *s, const point_t *self,
                  const hash_t *leave_out, size_t left, struct fault *f)
{
    *is_signed = 0;
    err_t e = self == NULL ? ERR_MISSING : roster_signed_by(out, s->el->m, s->b, s->g, self, f);
    *is_signed = e == OK;
    if (e != ERR_MISSING)
        return e;
    fault_clear(f);
    return roster_make(out, s->el->m, s->b, s->g, leave_out, left, f);
}

/* A seat of r signed another roster than r. */
static int another_roster(const struct board *b, const struct roster *r)
{
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *e = b->entry[i];
        if (e->kind == ENTRY_ROSTER && roster_seat(r, &e->author) != 0 &&
            hash_cmp(&e->ceremony, &r->ceremony) != 0)
            return 1;
    }
    return 0;
}

err_t work_status(struct status **out, const struct session *s, const point_t *self, struct fault *f)
{
    *out = NULL;
    struct roster *r = malloc(sizeof *r);
    if (r == NULL)
        return fault_set(f, ERR_MEMORY, "roster");
    err_t e = self == NULL ? ERR_MISSING : roster_signed_by(r, s->el->m, s->b, s->g, self, NULL);
    if (err_class(e) == CLASS_SYSTEM)
        fault_set(f, e, "own roster");
    else if (e == OK)
        e = status_read_of(out, s->el->m, s->b, s->g, &r->ceremony, self, f);
    else
        e = status_read_of(out, s->el->m, s->b, s->g, NULL, self, f);
    if (e == OK && (*out)->has_roster)
        (*out)->rosters_differ |= another_roster(s->b, &(*out)->roster);
    free(r);
    return e;
}

err_t work_undealt(uint32_t *seats, const struct session *s, const struct roster *r)
{
    *seats = 0;
    for (uint32_t j = 1; j <= r->n; j++) {
        struct deal d;
        err_t e = deal_of_seat(&d, s->b, r, s->g, j, NULL, 0, NULL);
        if (err_class(e) == CLASS_SYSTEM)
            return e;
        if (e == ERR_MISSING)
            *seats |= BIT(j);
    }
    return OK;
}

err_t work_cut(struct cut *cut, struct outcome *oc, struct session *s, const struct roster *r,
               uint32_t absent, struct fault *f)
{
    uint32_t undealt;
    memset(cut, 0, sizeof *cut);
    err_t e = work_undealt(&undealt, s, r);
    if (e != OK)
        return fault_set(f, e, "looking for deals");
    undealt &= ~absent;
    if (undealt != 0) {
        uint32_t j = (uint32_t)__builtin_ctz(undealt) + 1;
        return fault_set(f, ERR_EARLY, "seat %u, %s has not dealt; wait, or say that the seat is absent", j,
                         r->seat[j - 1].name);
    }
    TRY(cut_make(cut, s->b, r, absent, f));
    e = cut_outcome(oc, s->el->m, s->b, r, cut, s->g, f);
    if (e != OK)
        cut_free(cut);
    return e;
}

err_t work_record(struct session *s, const struct status *st, int *made, struct fault *f)
{
    struct cbor_out bytes = CBOR_OUT_INIT;
    char path[4200];
    *made = 0;
    if (s->el->r != NULL)
        return fault_file(f, record_check(s->el->r, s->el->m, s->b, f), BUNDLE_RECORD);
    if (st->rosters_differ)
        return fault_set(f, ERR_CONFLICT,
                         "different rosters are signed on this board; stop and compare the words again");
    TRY(record_make(&s->el->r, &bytes, s->el->m, s->b, &st->roster.ceremony, f));
    err_t e = file_path(path, sizeof path, s->b->dir, BUNDLE_RECORD);
    if (e == OK)
        e = file_write(path, bytes.data, bytes.len, FILE_NEW, f);
    cbor_out_free(&bytes);
    *made = e == OK;
    return e;
}

/* --- drills --- */

err_t work_challenge(hash_t *out, const char *text)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/challenge");
    cbor_put_bytes(&o, text, strlen(text));
    return cbor_out_hash(&o, out);
}

err_t work_drills(uint32_t *good, uint32_t *bad, struct session *s, const hash_t *challenge, struct fault *f)
{
    *good = *bad = 0;
    for (size_t i = 0; i < s->b->entry_count; i++) {
        const struct entry *e = s->b->entry[i];
        uint32_t seat = 0;
        if (e->kind != ENTRY_DRILL || hash_cmp(&e->subject, challenge) != 0)
            continue;
        err_t err = drill_check(e, s->el->r, s->g, &seat, f);
        if (err_class(err) == CLASS_SYSTEM)
            return err;
        if (err == OK)
            *good |= BIT(seat);
        else if (seat != 0)
            *bad |= BIT(seat);
    }
    *bad &= ~*good;
    fault_clear(f);
    return OK;
}

/* --- who, and what next --- */

err_t work_self(struct enrolment *out, const struct session *s, const char *serial, const point_t *identity)
{
    int found = 0;
    struct enrolment x;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < s->b->entry_count; i++) {
        const struct entry *e = s->b->entry[i];
        if (e->kind != ENTRY_ENROLL || enrolment_parse(&x, e, s->el->m, s->g, NULL) != OK)
            continue;
        if (identity != NULL ? !point_equal(&x.identity, identity)
                             : serial == NULL || strcmp(serial, x.serial) != 0)
            continue;
        found++;
        *out = x;
    }
    if (found == 1 || (found > 1 && identity != NULL))
        return OK;
    memset(out, 0, sizeof *out);
    return found == 0 ? ERR_MISSING : ERR_CONFLICT;
}

void work_enrolled_keys(hash_t seen[2 * TRUSTEES_MAX], size_t *count, const struct session *s)
{
    *count = 0;
    for (size_t i = 0; i < s->b->entry_count && *count < 2 * TRUSTEES_MAX; i++) {
        struct enrolment x;
        if (s->b->entry[i]->kind != ENTRY_ENROLL ||
            enrolment_parse(&x, s->b->entry[i], s->el->m, s->g, NULL) != OK)
            continue;
        hash_one(&seen[(*count)++], x.identity.b, POINT_LEN);
        hash_one(&seen[(*count)++], x.ceremony_key.b, POINT_LEN);
    }
}

/* Seats that complained about a dealer and got no reveal. */
static uint32_t unanswered(const struct session *s, const struct status *st, uint32_t dealer)
{
    uint32_t open = st->seat[dealer - 1].complaints;
    if ((uint32_t)__builtin_popcount(open) >= st->roster.t) /* out without a reveal */
        return 0;
    for (uint32_t j = 1; j <= st->roster.n; j++) {
        const struct entry *e;
        hash_t subject;
        subject_seat(&subject, j);
        if (board_find(s->b, &e, NULL, ENTRY_REVEAL, &st->roster.ceremony,
                       &st->roster.seat[dealer - 1].identity, &subject) != OK ||
            e != NULL)
            open &= ~BIT(j);
    }
    return open;
}

static enum step step_after_cut(uint32_t *waiting, const struct status *st, uint32_t seat)
{
    for (uint32_t j = 1; j <= st->roster.n; j++)
        if ((st->outcome.holders & BIT(j)) && !st->seat[j - 1].confirmed)
            *waiting |= BIT(j);
    if (!(st->outcome.holders & BIT(seat)))
        return STEP_OUT;
    if (*waiting & BIT(seat))
        return STEP_CONFIRM;
    return STEP_WAIT_CONFIRM;
}

static enum step step_before_cut(uint32_t *waiting, const struct session *s, const struct status *st,
                                 uint32_t seat)
{
    uint32_t undealt = 0, silent = 0;
    for (uint32_t j = 1; j <= st->roster.n; j++) {
        if (!st->seat[j - 1].dealt && st->seat[j - 1].deal_error == ERR_MISSING)
            undealt |= BIT(j);
        if (unanswered(s, st, j) != 0)
            silent |= BIT(j);
    }
    if (undealt & BIT(seat))
        return STEP_DEAL;
    if (silent & BIT(seat))
        return STEP_REVEAL;
    *waiting = undealt != 0 ? undealt : silent;
    return undealt != 0 ? STEP_WAIT_DEALS : silent != 0 ? STEP_WAIT_REVEALS : STEP_OPEN;
}

enum step work_step(uint32_t *waiting, const struct session *s, const struct status *st, const point_t *self)
{
    struct enrolment own;
    *waiting = 0;
    if (st->rosters_differ)
        return STEP_STOP;
    if (s->el->r != NULL)
        return STEP_DONE;
    int enrolled = self != NULL && work_self(&own, s, NULL, self) == OK;
    if (!st->has_roster) {
        int full = st->enrolled >= s->el->m->n;
        if (!enrolled)
            return full ? STEP_FULL : STEP_ENROLL;
        return full ? STEP_ROSTER : STEP_WAIT_ENROLL;
    }
    if (st->stage == STAGE_RELEASED)
        return STEP_RECORD;
    uint32_t seat = enrolled ? roster_seat(&st->roster, self) : 0;
    if (seat == 0)
        return STEP_FULL;
    if (!st->seat[seat - 1].roster_signed)
        return STEP_ROSTER;
    return st->has_cut && st->cut_error == OK ? step_after_cut(waiting, st, seat)
                                              : step_before_cut(waiting, s, st, seat);
}
