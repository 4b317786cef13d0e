/* One export while the verifier is at it: every failure of every item, where export_verify (which aggregation
 * uses) ends at the first. What is found is filed in a report of the export's own, by whichever thread has
 * it; verify_exports.c files it in the bundle's report, in the order of places. Inside verify*.c only. */
#ifndef TALLY_VERIFY_EXPORT_H
#define TALLY_VERIFY_EXPORT_H

#include "tally/export_flow.h"
#include "tally/export_form.h"
#include "tally/verify_resume.h"
#include "tally/verify_state.h"

struct verify_exports; /* the run (verify_exports.c) */

struct verify_job {
    struct verify_exports *x;
    const struct verify *all; /* only read */
    struct verify *v;         /* with a report of its own: NULL while nothing was found */
    uint32_t place;
    uint64_t size; /* of the file */
    const char *who;
    char file[TEXT_ID_MAX + 32];

    /* while it is verified */
    struct node *n; /* record of the place; NULL if it is bad or says that the place is missing */
    struct export_header *h;
    struct id_set *ids;
    struct merkle tree;
    struct tallies *sums, *dropped;
    size_t dropped_found;
    hash_t previous;
    int has_previous; /* within this batch of 100 */

    /* what is left of it */
    int missing;          /* the record says so: its ids compete with nobody's */
    int bad;              /* not signed, or cannot be opened */
    int unread;           /* some items could not be read: nothing can be said about sums */
    int over;             /* all was looked at */
    uint64_t done;        /* items */
    uint64_t id_count;    /* ids given to be compared with those of all exports */
    hash_t hash;          /* of the file, if has_hash */
    int has_hash, is_new; /* new: not among those that were verified in an earlier run */
    err_t file_err;       /* a part's: of the hash of the file, */
    hash_t file_hash;     /* and what it is */
    hash_t record_hash;   /* of the record's bytes; zeros if they could not be read */
    hash_t *left_out;     /* ids that the record leaves out, and are here */
    size_t left_out_count;
};

/* Failures filed so far. */
MUST size_t verify_job_failures(const struct verify_job *j, enum verify_id id);

/* Looks at the export; its ballots go through flow, and are judged now or later (NULL: an election of
 * counts). Errors are those of the system. */
MUST err_t verify_job_start(struct verify_job *j, struct export_flow *flow);
/* All but findings, too. */
void verify_job_free(struct verify_job *j);

/* verify_counts.c: all items of an import's export. */
MUST err_t verify_job_counts(struct verify_job *j, struct export_reader *r);
/* Nothing more comes: header and record against what was counted. */
void verify_job_settle(struct verify_job *j);
void verify_job_read_error(struct verify_job *j, err_t e, const struct fault *f);
/* A failure of item number index. */
void verify_job_item(struct verify_job *j, enum verify_id id, err_t e, uint64_t index, const char *detail);

/* --- verify_exports.c --- */

/* From any thread: ids of ballots that count; bytes that were looked at; an error that ends the run. */
MUST err_t verify_exports_ids(struct verify_exports *x, uint32_t place, const hash_t *id, size_t count);
MUST err_t verify_exports_progress(struct verify_exports *x, uint64_t bytes);
void verify_exports_error(struct verify_exports *x, err_t e, const struct fault *f);
/* NULL if nothing is to be remembered. */
const struct verify_resume *verify_exports_resume(const struct verify_exports *x);
/* Memory that the counts of one export may take. */
MUST size_t verify_exports_share(const struct verify_exports *x);

#endif
