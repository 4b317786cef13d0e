/* Verified aggregation: a directory of exports in, a node record for every place out.
 *
 * Each export is verified completely, every ballot of it, on this machine (export_verify); then exports are
 * settled place by place, ballot ids are compared over all of them, and the records are written:
 * DIR/LEVEL/PLACE.cbor.
 *
 * 1 Same set of exports, same bytes: whatever the file names, the order, threads or interruptions.
 * 2 What was verified is in an SQLite index in the work directory by the hash of the file, in a transaction
 * for some thousand ballots: a kill loses at most what was verified in the seconds before. Records are made
 * again from the index on every run; files that are already right are left alone.
 * 3 Memory: 24 MB for batches of ballots however many threads there are, 2,048 exports in hand, one path of
 * nodes, a bounded SQLite cache. Of what grows with the precincts there are only the places themselves and
 * the list of file names.
 * 4 One bad export is reported and leaves its place missing; the rest goes on. Only the system (disk,
 * memory), a work directory of another election, or being stopped end the run.
 *
 * How exports of one place are settled (docs/spec/plan.md): copies of one message id count once
 * (ERR_DUPLICATE). Two different ones of the same revision: all of that revision are refused
 * (ERR_CONFLICT). Revision 0 is taken; revision k+1 must name the one that is taken (ERR_MISSING
 * otherwise), and is taken only when corrections are accepted (ERR_REFUSED otherwise). A correction that
 * takes away or adds some ballots of a contest, but fewer than the minimum, is told (AGGREGATE_FEW): whether
 * it matters depends on what was decrypted before (aggregate_verified). A ballot id in two exports that are
 * taken: the manifest's rule; the other copies are in `dropped` and taken out of the sums.
 */
#ifndef TALLY_AGGREGATE_H
#define TALLY_AGGREGATE_H

#include "tally/export.h"
#include "tally/metrics.h"
#include "tally/node.h"
#include "tally/plan.h"

/* A directory among the exports is the export of a voting chain (tally/chain_verify.h). It counts if every
 * ballot of it was verified here and its snapshot is complete and final; its places then have the snapshot as
 * their source. Two snapshots of one chain that both are: neither counts (ERR_CONFLICT). Events name the
 * chain as place. A verification that is stopped goes on where it was. */
struct part_signers; /* part_form.h */
struct aggregate_options {
    int accept_corrections;   /* all of them; or those listed: */
    const hash_t *correction; /* message ids of corrections that are accepted */
    size_t correction_count;
    int threads;             /* 0: as OpenMP says */
    size_t batch_points;     /* of each thread (settings.h); 0: as 24 MB allow */
    unsigned window;         /* of its equations (settings.h); 0: as the kernel chooses */
    struct metrics *metrics; /* numbers about this run, or NULL */
    /* On many machines of one's own: part of parts (from 1; 0: all) verifies each parts-th file of the
     * exports directory and each parts-th shard of the chains there, and stops there. A run over everything
     * with the work directories of the parts in from (which must not be in use) takes over what was verified
     * there. signers NULL: these are to be trusted like this one. Else each must be signed by one of them, be
     * made by this program, and as it was when it was signed (aggregate_part.h). */
    unsigned part, parts;
    const char *const *from;
    size_t from_count;
    const struct part_signers *signers;
    const hash_t *program; /* SHA-256 of the program of the parts; NULL: this one */
};

enum aggregate_kind {
    AGGREGATE_VERIFIED, /* file, place, items: just verified */
    AGGREGATE_KNOWN,    /* verified in an earlier run */
    AGGREGATE_REFUSED,  /* file, place if known; fault says why. Copies (ERR_DUPLICATE) too. */
    AGGREGATE_REPLACED, /* a correction was accepted: place, id (older), other (newer) */
    AGGREGATE_DROPPED,  /* ballot id is in more than one export; this place's copy does not count */
    AGGREGATE_FEW,      /* items: as few ballots are in one of two exports of this place (id, other) only */
    AGGREGATE_MISSING,  /* a lowest-level place without an export */
    AGGREGATE_NODE,     /* the record of a place is done; id: its hash */
    AGGREGATE_CHAIN,    /* a chain export is being verified: items of total ballots */
    AGGREGATE_TAKEN,    /* file: a directory of from was taken over; place: who signed it, or "" */
};

struct aggregate_event {
    enum aggregate_kind kind;
    const char *file;  /* name in the exports directory, or "" */
    const char *place; /* identifier, or "" */
    hash_t id, other;
    uint64_t items, total;     /* ballots or counts; of AGGREGATE_CHAIN only */
    const struct fault *fault; /* AGGREGATE_REFUSED */
    uint64_t done;             /* exports looked at so far */
};

/* Called from one thread at a time, in an order that depends on the input only. ERR_STOPPED ends the run. */
struct aggregate_report {
    void *ctx;
    err_t (*event)(void *ctx, const struct aggregate_event *ev);
};

struct aggregate_result {
    hash_t root;                                      /* node hash of the whole */
    uint64_t files;                                   /* in the exports directory */
    uint64_t verified;                                /* in this run */
    uint64_t known;                                   /* verified earlier */
    uint64_t refused, duplicates;                     /* files */
    uint64_t replaced, few, dropped, missing, places; /* few: places with a correction of too few ballots */
    uint64_t ballots;
};

/* report may be NULL, options too: no corrections are accepted. Directories are made if absent.
 * ERR_ELECTION: the work directory is of another election. ERR_BUSY: another program is using it. */
MUST err_t aggregate(struct aggregate_result *out, const struct election_context *ctx,
                     const char *exports_dir, const char *work_dir, const char *records_dir,
                     const struct aggregate_options *options, const struct aggregate_report *report,
                     struct fault *f);

/* For the trustee, before the token is touched: the same on this machine, into WORK/records, and the result
 * compared with the root that the plan names. options NULL: all corrections are accepted; an official who
 * accepted only some says which. ERR_UNVERIFIED, saying what was refused or missing, if the root differs.
 * older: the plans that this one supersedes, all of them; may be NULL. ERR_MINIMUM (supersede-exchange) if
 * plan supersedes another one, a place was corrected by too few ballots, and one of the older plans does not
 * show that this place was the same then: both results together would show these ballots. */
MUST err_t aggregate_verified(struct aggregate_result *out, const struct election_context *ctx,
                              const char *exports_dir, const char *work_dir, const struct plan *plan,
                              const struct plan_set *older, const struct aggregate_options *options,
                              const struct aggregate_report *report, struct fault *f);

#endif
