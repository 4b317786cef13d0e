/* The steps of a trustee's work as verbs and screens share them: what has to be looked at before something is
 * signed, and the signing, without a word to the person. Asking and showing is left to the verb or screen.
 * Every step can be repeated. All take an open session; those of the second part need one with a token. */
#ifndef APPLIANCE_WORK_H
#define APPLIANCE_WORK_H

#include "appliance/session.h"

/* --- what can be seen without a token --- */

/* The roster that an identity key signed, *is_signed 1; else the one that the enrolments make without those
 * left out. self: NULL looks at the enrolments only. Errors of roster_make. */
MUST err_t work_roster(struct roster *out, int *is_signed, const struct session *s, const point_t *self,
                       const hash_t *leave_out, size_t left, struct fault *f);

/* Where the ceremony stands, for one trustee: the one whose roster self signed, if it did. rosters_differ is
 * set if a seat of that roster signed another one. Freed with status_free. */
MUST err_t work_status(struct status **out, const struct session *s, const point_t *self, struct fault *f);

/* Bits of the seats that have no deal on this board, good or bad. */
MUST err_t work_undealt(uint32_t *seats, const struct session *s, const struct roster *r);

/* The cut that can be made now, and what follows from it. absent: seats that a person called absent.
 * ERR_EARLY names a seat that has not dealt and is not called absent: nobody is left out by accident.
 * cut: freed with cut_free, zeroed on error; oc is the caller's. Errors of cut_outcome. */
MUST err_t work_cut(struct cut *cut, struct outcome *oc, struct session *s, const struct roster *r,
                    uint32_t absent, struct fault *f);

/* Once the key is released: checks record.cbor, or makes it. *made: whether it was made now. ERR_EARLY,
 * ERR_CONFLICT. s->el->r is set on OK. */
MUST err_t work_record(struct session *s, const struct status *st, int *made, struct fault *f);

/* The challenge of a drill, from the words that were agreed on. */
MUST err_t work_challenge(hash_t *out, const char *text);
/* Bits of the seats whose drills on a challenge are good, and those that have only bad ones. */
MUST err_t work_drills(uint32_t *good, uint32_t *bad, struct session *s, const hash_t *challenge,
                       struct fault *f);

/* --- one trustee's next step --- */

enum step {
    STEP_STOP,        /* different rosters were signed */
    STEP_ENROLL,      /* this trustee enrols */
    STEP_FULL,        /* all seats are taken and this token has none */
    STEP_WAIT_ENROLL, /* others enrol */
    STEP_ROSTER,      /* compare the words and sign */
    STEP_DEAL,
    STEP_WAIT_DEALS,
    STEP_REVEAL, /* answer complaints */
    STEP_WAIT_REVEALS,
    STEP_OPEN, /* all deals are here: open the shares; then somebody makes the cut */
    STEP_CONFIRM,
    STEP_WAIT_CONFIRM,
    STEP_OUT,    /* the others go on; this seat holds no share */
    STEP_RECORD, /* released: write the record, compare the key's words */
    STEP_DONE    /* the record is there */
};

/* self: the trustee's identity key, NULL if it is not known or not enrolled. *waiting: bits of the seats that
 * are waited for. */
MUST enum step work_step(uint32_t *waiting, const struct session *s, const struct status *st,
                         const point_t *self);

/* The enrolment that was made with a token, as its serial says, or the one of an identity key: for showing
 * only. ERR_MISSING; ERR_CONFLICT if the serial is in several. */
MUST err_t work_self(struct enrolment *out, const struct session *s, const char *serial,
                     const point_t *identity);

/* Hashes of the public keys that are enrolled on the board: a probe must not meet one of them. */
void work_enrolled_keys(hash_t seen[2 * TRUSTEES_MAX], size_t *count, const struct session *s);

/* --- with the token --- */

/* Finds the own enrolment and the roster that counts. Errors of trustee_find and session_roster. */
MUST err_t work_begin(struct session *s, struct roster *r, struct fault *f);

/* Signs the confirmation of the cut that the status shows to this trustee. expected: hash of the cut that the
 * person was shown; NULL: none was. ERR_EARLY: there is no such cut yet; ERR_MISMATCH if the board has changed
 * since; errors of confirm_make. */
MUST err_t work_confirm(struct session *s, const struct roster *r, const hash_t *expected, struct fault *f);

/* Retires; *again is 1 if the token was retired before. */
MUST err_t work_retire(struct session *s, int *again, struct fault *f);

#endif
