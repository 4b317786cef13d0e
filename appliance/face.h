/* The appliance: the screens of conclave. They are a face on the same functions as the verbs.
 *
 * appliance_run opens the terminal, asks for language and board where they were not given, and shows the home
 * screen. Each screen is one file, face_NAME.c, with one entry function face_NAME(face, f).
 *
 * A screen returns OK when the person goes back. Whatever goes wrong with the work of a screen is shown there
 * (face_show) and is no error of it; only what no screen can show is returned: ERR_STOPPED (a signal asked the
 * program to end), ERR_MEMORY, ERR_BUG, ERR_IO of the terminal. No screen keeps a session open while another
 * one runs: the board on the disk is read anew each time, so nothing is lost by leaving. */
#ifndef APPLIANCE_FACE_H
#define APPLIANCE_FACE_H

#include "appliance/session.h"
#include "ui/page.h"

struct face {
    struct ui *ui;
    struct common c; /* c.board and c.token point into the two below, or are NULL: none chosen yet */
    char board[4096];
    char token_uri[2048];
    char token_label[33], token_serial[17]; /* of the token chosen; empty: none */
    int rehearsal;                          /* --rehearsal: shown on every screen */
    enum language language;
    /* what the self-test at the start said; err OK: all passed */
    struct fault selftest;
    /* paths that were chosen on one screen and are proposed on the next */
    char exports[4096], work[4096], plan[4096], bundle[4096], media[4096];
    char name[TEXT_TITLE_MAX + 1], organisation[TEXT_TITLE_MAX + 1]; /* typed for enrolling */
};

struct appliance_options {
    const char *board, *token, *language; /* NULL: asked for */
    int rehearsal, lines;
};

/* The whole appliance, from start to end. */
MUST err_t appliance_run(const struct appliance_options *o, struct fault *f);

/* --- for all screens (face.c) --- */

/* Opens board and election; the first returns ERR_MISSING if no board was chosen. The second opens the token
 * too, which is chosen first on the token's screen if none was; the PIN is asked for on a screen when the token
 * needs it. ERR_REFUSED: the person went back. Closed with session_close. */
MUST err_t face_session(struct face *face, struct session *s, int need_record, struct fault *f);
MUST err_t face_session_token(struct face *face, struct session *s, int need_record, struct fault *f);

/* Shows work's error e with its fault f, and clears f; nothing is shown for OK and for ERR_REFUSED with an empty
 * detail (the person went back). Returns OK, or e (or the screen's own error) if no screen can show it: see
 * above. So a screen ends with: return face_show(face, e, f). */
MUST err_t face_show(struct face *face, err_t e, struct fault *f);

/* "Title of the election (8 hex digits)" as a value of the page, and its date. */
void face_election(struct page *p, const struct manifest *m);

/* A line of text asked for on a page of its own: a path, a name. ERR_REFUSED: went back. */
MUST err_t face_ask_text(struct face *face, char *value, size_t size, size_t min_len, enum message title,
                         enum message question, struct fault *f);

/* Words of h, compared line by line with a tick after each. OK: all equal;
 * ERR_MISMATCH: they differ, and the screen that says what to do now was shown; ERR_REFUSED: went back. what: a
 * sentence about what is compared and what follows from it. */
MUST err_t face_compare(struct face *face, const hash_t *h, enum message title, enum message what, struct fault *f);

/* --- the screens --- */

MUST err_t face_home(struct face *face, struct fault *f);
MUST err_t face_ceremony(struct face *face, struct fault *f);
MUST err_t face_token(struct face *face, struct fault *f);
MUST err_t face_drill(struct face *face, struct fault *f);
MUST err_t face_retire(struct face *face, struct fault *f);

MUST err_t face_decrypt(struct face *face, struct fault *f);
MUST err_t face_night(struct face *face, struct fault *f);
MUST err_t face_verify(struct face *face, struct fault *f);
MUST err_t face_minutes(struct face *face, struct fault *f);

MUST err_t face_media(struct face *face, struct fault *f);
MUST err_t face_qr_show(struct face *face, struct fault *f);
MUST err_t face_qr_read(struct face *face, struct fault *f);
MUST err_t face_exception(struct face *face, struct fault *f);

#endif
