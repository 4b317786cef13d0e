/* What the screens of the key ceremony share among themselves. Inside face.h's module. */
#ifndef APPLIANCE_FACE_PARTS_H
#define APPLIANCE_FACE_PARTS_H

#include "appliance/face.h"
#include "appliance/work.h"

/* The language; the list of elections; tools. */
MUST err_t face_language(struct face *face, struct fault *f);
MUST err_t face_board(struct face *face, struct fault *f);
MUST err_t face_tools(struct face *face, struct fault *f);

/* A table of the roster's seats; all: with token, serial and enrolment. */
void face_names(struct page *p, const struct roster *r, int all);
/* "1 Alma, 4 Dana" for bits; "-" for none. */
void face_seats(char *out, size_t size, const struct roster *r, uint32_t seats);

/* After an error of CLASS_TOKEN: says what to do, waits for the token, asks for the explicit word before the
 * last try. OK: try again; ERR_REFUSED (nothing to show): went back; or the error, if trying again is of no
 * use. */
MUST err_t token_again(struct face *face, err_t e, struct fault *f);
/* Takes the token that --token names, if exactly one is there. */
MUST err_t token_preset(struct face *face, struct fault *f);

/* --- the steps of a ceremony (face_steps.c, face_shares.c) ---
 * Each explains, shows a summary, asks, works. note: what to say on the page to which they return; unchanged
 * if nothing was done. Errors are shown by the caller. */
typedef err_t ceremony_step(struct face *face, enum message *note, struct fault *f);
ceremony_step step_enroll, step_roster, step_deal, step_open, step_reveal, step_cut, step_confirm,
    step_record, step_words;

/* A few words for where a ceremony stands, and for what a trustee does next. */
enum message stage_message(enum stage stage);
enum message step_message(enum step step);
enum message fate_message(enum seat_fate fate);

#endif
