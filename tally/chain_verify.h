/* Verifying a chain export (docs/spec/chain.md), of which nothing is trusted.
 *
 *   chain_verify       looks at a directory: quickly (headers and snapshot), or at every ballot
 *   chain_spool_each   the ballot ids of an export that was verified completely, for comparing with others
 *   chain_find_ballots what some of its ballots contribute
 *
 * A quick look shows that the chain's key and a quorum of its validators stand for these numbers, not that
 * they are sums of good ballots: never enough to decrypt. What is found is told by name of file, shard,
 * header and ballot, all of it and not only the first. A check that was not done, or not of everything, is
 * NOT CHECKED and says why.
 *
 * Memory, whatever the number of ballots and threads: 64 MB for the equations, twice 64 MB for ballots on the
 * way, 48 MB for their ids, 56 to 112 bytes for each header that older snapshots name, and the sums of two
 * shards. With a work directory a run that was stopped goes on where it was, after the last whole segment.
 * Public data, variable time. */
#ifndef TALLY_CHAIN_VERIFY_H
#define TALLY_CHAIN_VERIFY_H

#include "ceremony/base/progress.h"
#include "tally/chain_form.h"
#include "tally/verify.h"

/* X(name, id, title) */
#define CHAIN_CHECKS(X)                                                                                      \
    X(FORM, "chain.form", "snapshot, headers and ballots of every chain keep their form")                    \
    X(QUORUM, "chain.quorum", "enough validators of the manifest made the snapshot final")                   \
    X(HEADERS, "chain.headers", "every block header is signed and follows the one before")                   \
    X(BALLOTS, "chain.ballots", "every ballot of a chain is well formed and proved")                         \
    X(ORDER, "chain.order", "ballots are in their shard, in an order that tells nothing")                    \
    X(TREES, "chain.trees", "the ballots are exactly those that the headers sign")                           \
    X(TALLY, "chain.tally", "running tallies and the snapshot are the sums of the ballots")                  \
    X(IDS, "chain.ids", "no ballot id is twice in a chain")                                                  \
    X(ANCHOR, "chain.anchor", "roots that were printed elsewhere are those of the chain")

enum chain_check {
#define X(name, id, title) CHAIN_CHECK_##name,
    CHAIN_CHECKS(X)
#undef X
        CHAIN_CHECK_COUNT
};
const char *chain_check_id(enum chain_check c);
const char *chain_check_title(enum chain_check c);

/* Which chain of the election an export says it is of (index in the manifest), from the beginning of its
 * snapshot. ERR_MISSING, ERR_FORMAT, ERR_ELECTION, ERR_UNKNOWN. Nothing is said about the rest. */
MUST err_t chain_export_chain(uint32_t *out, const struct election_context *e, const char *dir,
                              struct fault *f);

/* A root of a shard's ballot tree, known from elsewhere. */
struct chain_anchor {
    struct chain_shard_name shard;
    uint64_t size; /* at least 1 */
    hash_t root;
};
/* SHARD:SIZE:ROOT. ERR_USAGE. */
MUST err_t chain_anchor_parse(struct chain_anchor *out, const char *text);

/* A ballot of an export. */
struct chain_spooled {
    hash_t id;
    uint32_t place;   /* index; UINT32_MAX if its body is not there */
    uint64_t at;      /* number over all shards, in the order of the snapshot, as that counts them */
    uint8_t leaf[16]; /* beginning of its Merkle leaf hash */
};
typedef err_t chain_spool_fn(void *ctx, const struct chain_spooled *b, struct fault *f);

/* What somebody else found in a shard (docs/spec/parts.md). */
struct chain_said {
    uint64_t failures[CHAIN_CHECK_COUNT];
    const char *reason[CHAIN_CHECK_COUNT]; /* why it is not checked, or not all of it; or NULL */
    uint64_t proved, pruned;
};
typedef err_t chain_said_fn(void *ctx, size_t shard, struct chain_said *out, struct fault *f);

struct chain_verify_options {
    int quick; /* headers and snapshot only */
    /* The ballots of this shard only, and nothing else is found, told or read but the headers that lead to
     * it: for somebody who asks for it with `said`. Its ballots are told, and not compared with each other.
     * Not with `trust`. NULL: all. */
    const struct chain_shard_name *only;
    /* Work directories of runs with `only`, each without "-s" and the shard's name at the end: what they
     * finished is taken over. To be trusted like `work`, which must be given. */
    const char *const *finished;
    size_t finished_count;
    /* Asked instead of reading a shard that has headers; what it returns other than OK ends the verification.
     * Nobody compares ids then: that is for the caller, who files what was found. NULL: all is read here. */
    chain_said_fn *said;
    void *said_ctx;
    const hash_t *trust; /* ids of snapshots that are trusted; the newest that is here is used */
    size_t trust_count;
    const struct chain_anchor *anchor;
    size_t anchor_count;
    const char
        *work;   /* directory of this export for going on and for chain_spool_each, made if absent; or NULL */
    int threads; /* 0: as OpenMP says */
    size_t batch_points;     /* at most, of each thread (settings.h); 0: as memory allows */
    unsigned window;         /* of its equations (settings.h); 0: as the kernel chooses */
    struct metrics *metrics; /* numbers about the run, or NULL */
    /* Each ballot that could be read, in order; or NULL. What it returns other than OK ends the verification.
     * Nothing is settled before that ends. With a work directory also those of earlier runs. */
    chain_spool_fn *ballot;
    void *ballot_ctx;
    /* Each failure, in an order that depends on the export only. f: file inside the export, shard in `who`.
     */
    void *ctx;
    void (*found)(void *ctx, enum chain_check check, const struct fault *f);
    progress_fn progress; /* ballots so far, of all; ERR_STOPPED ends it after saving where it is */
    void *progress_ctx;
};

struct chain_verdict {
    enum verify_verdict verdict;
    uint64_t failures;
    char reason[256]; /* of NOT CHECKED */
};

struct chain_report {
    struct chain_snapshot *snapshot; /* NULL if it could not be read */
    struct chain_verdict check[CHAIN_CHECK_COUNT];
    uint32_t signers; /* validators who signed this snapshot */
    uint64_t headers; /* good ones */
    uint64_t proved;  /* ballots whose proofs were checked in this run */
    uint64_t known;   /* in an earlier one, in the same work directory */
    uint64_t trusted; /* before a snapshot that is trusted: hashed only */
    uint64_t pruned;  /* not there any more */
};

/* *out: what was found, freed with chain_report_free; whatever is wrong with the export is in it. ERR_MEMORY,
 * ERR_STOPPED, ERR_IO (reading or writing failed), ERR_MISSING (no such directory), ERR_LIMIT (older
 * snapshots name more different headers than are compared): *out is NULL. */
MUST err_t chain_verify(struct chain_report **out, const struct chain_context *ctx, const char *dir,
                        const struct chain_verify_options *o, struct fault *f);
void chain_report_free(struct chain_report *r);
/* Removes what a work directory holds, and the directory, if it can. */
void chain_verify_forget(const char *work);
/* The failure of chain.ids for ballot `at` of which `first` has the same id; who: the shard. */
void chain_twice(struct fault *f, const struct chain_snapshot *s, const hash_t *id, uint64_t at,
                 uint64_t first);

/* FAIL if any check failed, NOT CHECKED if any but that of anchors was not done, else PASS. */
MUST enum verify_verdict chain_report_verdict(const struct chain_report *r);
/* 1 if its numbers may be counted: every ballot verified here, final, complete. */
MUST int chain_report_counts(const struct chain_report *r);

/* Every ballot of an export for which chain_report_counts was 1, in the order of shards and ballots. work: as
 * given then. ERR_FORMAT if the files there are not of this snapshot. */
MUST err_t chain_spool_each(const struct chain_context *ctx, const char *work, const hash_t *snapshot,
                            chain_spool_fn *fn, void *fn_ctx, struct fault *f);

/* Adds what these ballots (ascending at) contribute to sums. s: of the export in dir, which was verified; the
 * ballots must still be those (ERR_HASH, ERR_MISMATCH). Only their segments are read. */
MUST err_t chain_find_ballots(struct chain_sums *sums, const struct chain_context *ctx, const char *dir,
                              struct chain_snapshot *s, const struct chain_spooled *b, size_t count,
                              struct fault *f);

/* Two headers of one height that the chain signed: proof that its key made two chains. */
struct chain_fork {
    struct chain_shard_name shard;
    uint64_t height;
    struct {
        hash_t id;
        size_t len;
        uint8_t data[CHAIN_HEADER_MAX]; /* the signed message */
    } header[2];
};
/* The first ones in which two exports of a chain, both verified, differ. ERR_MISSING (f untouched): none;
 * what differs is what validators signed, or which header is the last. */
MUST err_t chain_fork_find(struct chain_fork *out, const struct chain_context *ctx, const char *const dir[2],
                           struct chain_snapshot *const s[2], struct fault *f);

#endif
