/* Inside the verification of chain exports only: its state, and its parts. */
#ifndef TALLY_CHAIN_VERIFY_RUN_H
#define TALLY_CHAIN_VERIFY_RUN_H

#include <stdio.h>

#include "tally/chain_verify.h"
#include "tally/id_sort.h"

#define CHAIN_PATH_MAX 4096
#define CHAIN_FILE_MAX 64 /* name inside the export */

/* What the next header of a shard must follow. */
struct chain_link {
    hash_t previous;
    uint64_t height, size, time;
    hash_t root, ids, tally;
};

/* The header of this height must be this one: what older snapshots say. */
struct chain_expected {
    uint32_t shard; /* in the snapshot */
    uint64_t height;
    hash_t digest;   /* chain_head_digest */
    uint64_t number; /* of the snapshot that says so */
};

#define CHAIN_EXPECTED_MAX ((size_t)1 << 21) /* different ones; at most 224 MB while they are collected */

struct chain_run {
    const struct chain_context *ctx;
    const char *dir;
    const struct chain_verify_options *o;
    struct chain_report *r;
    struct chain_snapshot *s;       /* r's */
    struct chain_snapshot *trusted; /* or NULL */
    size_t expected_count, expected_cap;
    struct chain_expected *expected; /* by shard and height */
    size_t evidence_count;
    struct chain_header *evidence; /* by shard and height */
    hash_t zero_tally;             /* of no ballots */
    int muted;                     /* nothing is filed: what is not about o->only */
    uint8_t *bad_shard;            /* headers cannot be followed */
    struct chain_link *end;        /* where each shard ends, for the ones it was split into */
    uint64_t done, total;
    struct id_sort *ids;
    uint8_t *anchor_seen;
};

/* --- filing: chain_verify.c --- */

/* file: inside the export, or NULL; shard: its index in the snapshot, or -1. */
void chain_failf(struct chain_run *v, enum chain_check c, err_t e, const char *file, int64_t shard,
                 const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Files what a reader said; only errors of the system are returned. */
MUST err_t chain_file(struct chain_run *v, enum chain_check c, err_t e, struct fault *why, const char *file,
                      int64_t shard, struct fault *f);
/* Files a failure. */
void chain_fail(struct chain_run *v, enum chain_check c, const struct fault *f);
/* Not done, or not of everything; the first reason is kept. */
void chain_skip(struct chain_run *v, enum chain_check c, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
MUST err_t chain_tick(struct chain_run *v, uint64_t more);
MUST err_t chain_path(const struct chain_run *v, char out[CHAIN_PATH_MAX], const char *name, struct fault *f);
/* "headers/s01.cbor" and the like. */
void chain_shard_file(char out[CHAIN_FILE_MAX], const char *kind, const struct chain_shard *shard,
                      const char *suffix);
/* 1 if it is there, whatever it is. */
MUST int chain_has(const struct chain_run *v, const char *name);

/* Files it if this root of a shard's ballots is not the anchor. */
void chain_anchor_compare(struct chain_run *v, size_t shard, const struct chain_anchor *a,
                          const hash_t *root);

/* A run over an export that was verified, for reading headers again; ended by free(v->end). ERR_MEMORY. */
MUST err_t chain_run_again(struct chain_run *v, const struct chain_context *ctx, const char *dir,
                           struct chain_snapshot *s);
/* Root of the ballot tree of a shard at this size, from its leaves or ballots, of which nothing else is
 * checked: chain_find.c. Any error: it cannot be said. */
MUST err_t chain_root_at(struct chain_run *v, size_t shard, uint64_t size, hash_t *out);
/* v->zero_tally */
MUST err_t chain_run_zero(struct chain_run *v);

/* --- headers: chain_verify_headers.c --- */

struct chain_headers;
/* Reads the headers of a shard one after the other from `from` on, at this offset of the file; signatures and
 * links are checked. ERR_MISSING, ERR_IO. */
MUST err_t chain_headers_open(struct chain_headers **out, const struct chain_run *v, size_t shard,
                              const struct chain_link *from, uint64_t offset, struct fault *f);
/* *h: NULL at the end, where everything was as the snapshot says. *check: of what failed. */
MUST err_t chain_headers_next(struct chain_headers *r, const struct chain_header **h, enum chain_check *check,
                              struct fault *f);
/* The bytes of the header last given, until the next call. */
const uint8_t *chain_headers_bytes(const struct chain_headers *r, size_t *len);
/* Where the header behind the last one given starts, and what it must follow. */
uint64_t chain_headers_offset(const struct chain_headers *r);
const struct chain_link *chain_headers_link(const struct chain_headers *r);
void chain_headers_close(struct chain_headers *r);
/* What the first header of a shard follows. */
void chain_link_start(const struct chain_run *v, struct chain_link *out, size_t shard);
MUST err_t chain_head_digest(hash_t *out, const hash_t *id, uint64_t size, const hash_t *root,
                             const hash_t *ids, enum chain_state state);
/* All headers of all shards, or of o->only and those that it was split from; fills v->bad_shard and v->end.
 */
MUST err_t chain_verify_headers(struct chain_run *v, struct fault *f);

/* --- snapshot, finality, layout, older snapshots, evidence: chain_verify_quick.c --- */

MUST err_t chain_verify_quick(struct chain_run *v, struct fault *f);
/* Adds one to v->expected. Several that say the same count once; ERR_LIMIT: more than CHAIN_EXPECTED_MAX. */
MUST err_t chain_expect(struct chain_run *v, const struct chain_expected *row, struct fault *f);

/* --- every ballot: chain_verify_full.c, chain_verify_batch.c, chain_verify_keep.c --- */

MUST err_t chain_verify_full(struct chain_run *v, struct fault *f);

#endif
