/* The appliance: the screens of conclave. They are a face on the same functions as the verbs.
 *
 * appliance_run opens the terminal, asks for language and board where they were not given, and shows the home
 * screen. Each screen is one file, face_NAME.c, with one entry function face_NAME(face, f).
 *
 * A screen returns OK when the person goes back. Whatever goes wrong with the work of a screen is shown there
 * (face_show) and is no error of it; only what no screen can show is returned: ERR_STOPPED (a signal asked
 * the program to end), ERR_MEMORY, ERR_BUG, ERR_IO of the terminal. No screen keeps a session open while
 * another one runs: the board on the disk is read anew each time, so nothing is lost by leaving. */
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
    struct fault network; /* err not OK: a network interface is up, and this is no rehearsal */
    /* paths that were chosen on one screen and are proposed on the next */
    char exports[4096], work[4096], plan[4096], bundle[4096], media[4096];
    char name[TEXT_TITLE_MAX + 1], organisation[TEXT_TITLE_MAX + 1]; /* typed for enrolling */
    char token_filter[2048]; /* --token: which tokens are listed; empty: all */
    hash_t self_election;    /* self is the identity key that the token showed in this election */
    point_t self;
    hash_t opened;                 /* ceremony whose shares were opened and are good; zeros: none */
    hash_t differed;               /* fingerprint that the person said is another one elsewhere */
    char tally[4096];              /* the officials' folder: records, plan, result */
    struct sandbox_state confined; /* what this process may not do any more */
    char scratch[4096];            /* a folder for temporary files; empty: none */
    struct face_busy *busy;        /* work with the token that runs now (face_busy.c) */
    struct qr_collect *read;       /* QR codes of a message that is not complete yet; NULL before the first */
};

struct appliance_options {
    const char *board, *token, *language; /* NULL: asked for */
    int rehearsal, lines;
    const char *const *folder; /* that may be opened, too */
    size_t folder_count;
};

/* The whole appliance, from start to end. */
MUST err_t appliance_run(const struct appliance_options *o, struct fault *f);

/* --- for all screens (face.c) --- */

/* Opens board and election; ERR_MISSING if no board was chosen. Closed with session_close. */
MUST err_t face_session(struct face *face, struct session *s, int need_record, struct fault *f);

/* Work with the token: opens board and token (which is chosen first if none was), then calls work with an
 * open session, in which trustee_find asks for the PIN on a screen. A token that is absent or was removed is
 * waited for, a wrong PIN asked for again, the last try only spent on the person's explicit word; each time
 * work is called again from the start, so it must be something that can be repeated. ERR_REFUSED: the person
 * went back. */
typedef err_t face_work(struct face *face, struct session *s, void *ctx, struct fault *f);
MUST err_t face_with_token(struct face *face, int need_record, face_work *work, void *ctx, struct fault *f);

/* The PIN on a screen of its own; an hsm_pin_fn whose ctx is the face. */
err_t face_pin(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info, struct fault *f);

/* The identity key of this trustee as far as it is known without the PIN: what the token showed before, or
 * what an enrolment on the board says about its serial number. NULL: not known. out: where it is put. */
const point_t *face_self(const struct face *face, const struct session *s, point_t *out);

/* Shows work's error e with its fault f, and clears f; nothing is shown for OK, for ERR_REFUSED with an empty
 * detail (the person went back; face_back makes it) and for ERR_STOPPED (the person stopped a job; if the
 * whole program is to end, the next page says so again). Returns OK, or the error of showing it. So a screen
 * ends with: return face_show(face, e, f). */
MUST err_t face_show(struct face *face, err_t e, struct fault *f);
MUST err_t face_back(struct fault *f);

/* The election as values of a page: title, date, hash, t of n. */
void face_election(struct page *p, const struct manifest *m);

/* A list from which any number is chosen, one by one. label: count texts; chosen: count flags, changed by the
 * person. mark: what stands behind a chosen one. ERR_REFUSED: went back. */
MUST err_t face_pick(struct face *face, enum message title, enum message text, enum message mark,
                     const char *const *label, int *chosen, size_t count, struct fault *f);

/* The page that says what to do when words differ or people in a roster are not the right ones. */
MUST err_t face_stop(struct face *face, struct fault *f);

/* A line of text asked for on a page of its own: a path, a name. ERR_REFUSED: went back. */
MUST err_t face_ask_text(struct face *face, char *value, size_t size, size_t min_len, enum message title,
                         enum message question, struct fault *f);

/* Words of h, compared line by line with a tick after each. OK: all equal;
 * ERR_REFUSED: went back, or they differ, and the screen that says what to do now was shown; the same words
 * are not compared again before the program is started anew. what: a sentence about what is compared and why.
 */
MUST err_t face_compare(struct face *face, const hash_t *h, enum message title, enum message what,
                        struct fault *f);

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
