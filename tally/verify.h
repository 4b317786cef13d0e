/* The public verifier: everything that can be checked from a published bundle, with no secret
 * (docs/spec/checks.md).
 *
 *   verify_bundle         runs every check of the table over a directory
 *   verify_message        the same for one QR message (docs/spec/result-qr.md), alone or with the bundle that
 *                         it is about
 *   verify_print, _json   verify_print.h
 *
 * A check ends PASS, FAIL (with every failure found, not only the first) or NOT CHECKED (with the reason):
 * a check whose input could not be read is never PASS. The ids are stable: scripts and the corpus of
 * mutants name them. Streams the exports; memory does not grow with the number of ballots (it does with
 * places and units): 24 MB for ballots and 40 MB for their ids, whatever the threads; 240 MB more for voting
 * chains. Public data, variable time; holds no secret and links nothing that can. */
#ifndef TALLY_VERIFY_H
#define TALLY_VERIFY_H

#include "ceremony/base/err.h"
#include "ceremony/base/hash.h"
#include "ceremony/base/progress.h"

enum verify_verdict { VERIFY_NOT_CHECKED, VERIFY_PASS, VERIFY_FAIL };

struct verify_failure {
    err_t err;
    char file[256]; /* inside the bundle; may be empty, as the others */
    char who[128];  /* trustee, place */
    char detail[512];
};

#define VERIFY_KEPT_MAX 1000 /* failures and notes kept for one check; the rest is counted */

struct verify_outcome {
    const char *id, *title, *spec; /* spec: document and section */
    int required;                  /* NOT CHECKED is then not good enough */
    enum verify_verdict verdict;
    char reason[512];                   /* of NOT CHECKED */
    err_t broken;                       /* this machine failed in the middle of it: there is no report then */
    size_t failure_count, failure_kept; /* found; kept below */
    struct verify_failure *failure;
    size_t note_count;
    char **note; /* what should be known although it is no failure */
    size_t failure_cap;
};

enum verify_exit {
    VERIFY_EXIT_GOOD = 0,
    VERIFY_EXIT_FAILED = 1,
    VERIFY_EXIT_USAGE = 2,
    VERIFY_EXIT_UNCHECKED = 3
};

struct verify_report {
    char input[4096];
    const char *kind; /* "bundle", "result proof", "anchor", "receipt", "message" */
    int has_anchor;   /* --election was given */
    size_t count;
    struct verify_outcome *outcome;
    char title[256]; /* of the election, once known */
    int has_fingerprint;
    hash_t fingerprint;    /* the anchor that the input leads to */
    const char *summary;   /* QR messages: what this proves, */
    const char *not_shown; /* and what it does not */
    char *content;         /* QR messages: what it says, lines for a person; or NULL */
};

struct metrics;
struct verify_parts; /* verify_merge.h */
struct verify_options {
    const char *anchor;      /* words or hex of the real election; NULL: not given */
    const char *key;         /* QR messages: words or hex of the joint key; NULL */
    int threads;             /* 0: as OpenMP says */
    int stop_early;          /* the first check that fails is the last one */
    const char *resume;      /* directory that remembers which exports were good (verify_resume.h), or NULL */
    size_t batch_points;     /* of each thread (settings.h); 0: ballot_batch_points */
    unsigned window;         /* of its equations (settings.h); 0: as the kernel chooses */
    struct metrics *metrics; /* numbers about the run (metrics.h), or NULL */
    struct verify_parts
        *parts;    /* what others found in the exports (verify_merge.h), or NULL: all is done here */
    int list_only; /* files are listed, not hashed: each part hashes its own (verify_part.h) */
    /* Roots of chains that were printed elsewhere: CHAIN:SHARD:SIZE:ROOT. */
    const char *const *chain_anchor;
    size_t chain_anchor_count;
    progress_fn progress;
    void *progress_ctx;
};

/* *out is freed with verify_report_free. Whatever is wrong with the bundle is in the report. ERR_MEMORY,
 * ERR_STOPPED, ERR_IO for the temporary index: no report then. */
MUST err_t verify_bundle(struct verify_report **out, const char *dir, const struct verify_options *o,
                         struct fault *f);

/* kind: letter of ui/qrtext.h. bundle: directory of the bundle that the message is about, or NULL; whether
 * that bundle is good is verify_bundle's to say. */
MUST err_t verify_message(struct verify_report **out, const char *input, char kind, const uint8_t *data,
                          size_t len, const char *bundle, const struct verify_options *o, struct fault *f);
/* A report of one failed check, for what could not be read as a message at all. */
MUST err_t verify_unreadable(struct verify_report **out, const char *input, const struct fault *why);
void verify_report_free(struct verify_report *r);

/* FAIL if any failed; NOT CHECKED if a required one was not checked; else PASS. */
enum verify_verdict verify_verdict(const struct verify_report *r);
int verify_exit_status(const struct verify_report *r);
const char *verify_verdict_name(enum verify_verdict v); /* "PASS", "FAIL", "NOT CHECKED" */

/* The table of a bundle's checks, for tests and documents. */
size_t verify_check_count(void);
const char *verify_check_id(size_t i);

#endif
