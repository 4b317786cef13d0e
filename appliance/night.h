/* What the screens of decryption night share among themselves (face_decrypt, face_night, face_verify): work
 * in child processes, and pages about a plan. Inside face.h's module. */
#ifndef APPLIANCE_NIGHT_H
#define APPLIANCE_NIGHT_H

#include "appliance/face.h"
#include "appliance/sandbox.h"
#include "appliance/tape.h"
#include "appliance/work_plan.h"

/* --- child processes (night_job.c) --- */

/* What a child may still open: it gives up everything else before it works (the checker's profile of
 * sandbox.h), as far as the kernel knows how; the home screen and conclave status say what it lacks. */
#define NIGHT_PATHS_MAX 32
struct night_rights {
    struct sandbox_path path[NIGHT_PATHS_MAX];
    size_t count;
    const char *temp; /* for SQLite's temporary files: a folder, writable; NULL: none */
    int processes;    /* it forks children of its own, as the face does; they may do no more than it */
};

/* Runs work in a child while a page with title and text shows how far it is. What it put on its tape is in
 * *found (freed with free()), also after an error. work: its progress is told in the person's language. */
struct night_child {
    struct tape tape;
    progress_fn progress; /* for work: with child itself as ctx */
    void *progress_ctx;
    enum language language;
};
typedef err_t night_work(struct night_child *child, void *ctx, struct fault *f);
MUST err_t night_job_confined(struct face *face, enum message title, enum message text, night_work *work,
                              void *ctx, const struct night_rights *may, struct tape_item **found,
                              size_t *count, struct fault *f);
/* One more path; more than NIGHT_PATHS_MAX are passed over. */
void night_allow(struct night_rights *may, const char *path, int writable);
/* In the child, before its threads: there is no way back. */
MUST err_t night_confine(struct sandbox_state *out, const struct night_rights *may, struct fault *f);
/* A progress_fn for work; ctx: the child. */
MUST err_t night_progress(void *child, const char *what, uint64_t done, uint64_t total);

#define NIGHT_LINES_MAX 40 /* listed by name; the rest is counted */

/* Kinds of items. */
enum night_found {
    FOUND_TOTALS = 1, /* text: the bytes of a struct aggregate_result (face_decrypt.c) */
    FOUND_REFUSED,    /* fault; name: place */
    FOUND_REPLACED,   /* name: place; hash: the newer export */
    FOUND_DROPPED,    /* name: place; hash: the ballot */
    FOUND_FEW,        /* name: place; a: ballots; hash: the newer export */
    FOUND_RULE,       /* name: id of the rule; fault */
    FOUND_SEAT,       /* number: seat; a: enum combine_state; fault */
    FOUND_PUBLISHED,  /* a: files; b: bytes; number: was there */
    FOUND_CHECK,      /* number: check; a: verdict; b: failures; text: reason */
    FOUND_FAILURE,    /* number: check; fault */
    FOUND_NOTE,       /* number: check; text */
    FOUND_BUNDLE      /* text: title; hash: anchor; number: has an anchor; a: verdict of the whole */
};

/* Puts events and violations of a plan on a child's tape. */
void night_event(void *child, const struct aggregate_event *ev);
/* The same while aggregate() runs, and how far it is. Errors of night_progress. */
MUST err_t night_aggregate(void *child, const struct aggregate_event *ev);
void night_violation(void *child, const char *rule, const struct fault *f);
size_t night_count(const struct tape_item *found, size_t count, uint32_t kind);
/* Items of a kind below head, if there are any: their faults, or their texts. Returns how many are shown, the
 * first NIGHT_LINES_MAX at the most. */
size_t night_list(struct page *p, const struct tape_item *found, size_t count, uint32_t kind,
                  enum message head);

/* --- paths (night_job.c) --- */

/* Proposes what was not chosen yet, from where the board is: exports, plan, the folder for what this machine
 * verified, officials' folder, bundle. election: NULL if not known. */
void night_guess(struct face *face, const hash_t *election);
/* HOME/conclave-carried/XXXXXXXXXXXXXXXX: what came by medium for the election of the board. Empty if there
 * is no home or no election. */
void night_files_dir(char *out, size_t size, const struct face *face);

/* --- pages (night_pages.c) --- */

struct night {
    struct face *face;
    struct session s;
    struct plan_work w;
    struct plan_reach reach;
    struct tape_item *found;
    size_t found_count;
};

/* Files of plans that came before one, the newest first. */
#define NIGHT_OLDER_MAX 16
struct night_older {
    char path[NIGHT_OLDER_MAX][4096];
    size_t count;
};
/* Asks for the file of every plan before newest, back to the first, and adds them. ERR_REFUSED: went back. */
MUST err_t night_ask_older(struct night *n, struct night_older *o, const struct plan *newest,
                           struct fault *f);
/* out, filled with o's paths. */
const char *const *night_older_paths(const struct night_older *o, const char *out[NIGHT_OLDER_MAX]);

/* A plan that replaces n's (file path), for officials: explains, aggregates anew into another folder, makes
 * it. *made: it is there, and face->tally is its folder. Refusals are shown. */
MUST err_t night_supersede(struct night *n, const char *path, int *made, struct fault *f);

/* The manifest wants more signatures of n's plan: shows whose are here until there are enough. *enough: and
 * the person wants to decrypt now. */
MUST err_t night_wait_quorum(struct night *n, int *enough, struct fault *f);
/* What a page says of them: how many, and who is missing; nothing if the manifest asks for none. s: as it is
 * now. Returns how many are here. */
uint32_t night_quorum_blocks(struct page *p, const struct session *s, const hash_t *plan);

/* What stands at the head of a refusal. */
struct refusal {
    enum message title, text;
};

/* The catalogue's text of a rule; MSG_RULE_OTHER for none. */
enum message night_rule_text(const char *rule);

/* Title of the election, the plan, its levels, what was verified and what is missing. */
void night_plan_blocks(struct page *p, const struct night *n);
/* A note for each place that was corrected by too few ballots. */
void night_few_blocks(struct page *p, const struct tape_item *found, size_t count);
/* Lists, some lines at a time; back with Esc. */
MUST err_t night_places(struct night *n, struct fault *f);
MUST err_t night_missing(struct night *n, struct fault *f);
MUST err_t night_notes(struct night *n, struct fault *f);
/* Why this plan is refused: the rules that are broken in plain words, or the error e. */
MUST err_t night_refusal(struct night *n, const struct refusal *what, err_t e, struct fault *f);
/* Name of a unit's place. */
const char *night_place(char out[512], const struct night *n, const struct plan_unit *u);

/* The catalogue's text of a check of the verifier (face_verify.c); MESSAGE_COUNT for none. */
enum message face_check_text(const char *id);

#endif
