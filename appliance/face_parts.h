/* What the screens of the key ceremony share among themselves. Inside face.h's module. */
#ifndef APPLIANCE_FACE_PARTS_H
#define APPLIANCE_FACE_PARTS_H

#include "appliance/face.h"
#include "appliance/work.h"

/* Folders in the home: for what this machine makes, for boards copied from media, for other files from there.
 * All are there after face_confine. */
#define FACE_WORK_FOLDER "conclave-verified"
#define FACE_BOARDS_FOLDER "conclave-boards"
#define FACE_CARRIED_FOLDER "conclave-carried"

/* Starts the launcher and gives up all rights that screens do not need (face_rights.c). What the kernel
 * refuses is said on stderr and on the home screen. ERR_IO, ERR_MEMORY, ERR_USAGE. */
MUST err_t face_confine(struct face *face, const struct appliance_options *o, struct fault *f);

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

/* --- tokens (face_token.c, face_prepare.c) --- */

#define TOKENS_MAX 32
#define PIN_MIN 4
struct tokens {
    size_t count;
    struct hsm_token list[TOKENS_MAX];
};
/* How the token process is started for this face. */
struct hsm_options token_options(struct face *face);
/* Those that can be seen; none is an empty list. */
MUST err_t token_find(struct tokens *all, struct face *face, struct fault *f);
/* Takes t as this trustee's, under a URI. */
void token_choose(struct face *face, const struct hsm_token *t, const char *uri);
/* Tries what the chosen token can do, and shows it. */
MUST err_t token_probe(struct face *face, struct fault *f);
/* Work with the token in a thread of its own, with a page that tells that it runs. What the work has to ask
 * or show it asks by face_ask, which calls question in the thread of the screen; face_lent: another process
 * draws on the terminal. ERR_MEMORY, ERR_IO, or what work returned. */
MUST err_t face_busy(struct face *face, err_t (*work)(void *ctx, struct fault *f), void *ctx,
                     struct fault *f);
MUST err_t face_ask(struct face *face, err_t (*question)(void *ctx, struct fault *f), void *ctx,
                    struct fault *f);
void face_lent(struct face *face, int lent);
/* The same with another time that it is silent before there is a page. */
#define FACE_SILENT_MS 300
MUST err_t face_busy_after(struct face *face, int silent_ms, err_t (*work)(void *ctx, struct fault *f),
                           void *ctx, struct fault *f);
/* A line for a list. */
const char *token_name(char out[160], const struct face *face, const struct hsm_token *t);
/* Gives t, one of all, a label and PINs; everything on it is destroyed. It is the chosen one afterwards.
 * ERR_REFUSED: went back. */
MUST err_t token_prepare(struct face *face, struct tokens *all, const struct hsm_token *t, struct fault *f);

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
