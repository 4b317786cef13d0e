/* Node records (docs/spec/formats.md "Node record"): what one place contributes, and from what.
 *
 * There is one for every place, in records/LEVEL/PLACE.cbor: on the lowest level the tally of one export,
 * above it the sum of the children. Every node names its children by hash, so the hash of the root covers
 * all of them.
 *
 * node_new, fill, node_encode      when aggregating
 * node_parse_var                   when one is checked alone
 * node_walk                        by trustees, verifiers, planning: reads and checks the whole set, child by
 * child, in the memory of one path
 *
 * All is public data, variable time. A node holds no signature: it is what anyone can compute again. */
#ifndef TALLY_NODE_H
#define TALLY_NODE_H

#include "tally/sums.h"

#define NODE_MAX ((size_t)1 << 28) /* bytes of one record */
#define NODE_CHILDREN_MAX ((size_t)1 << 22)
#define NODE_DROPPED_MAX ((size_t)1 << 22)
#define NODE_REPLACED_MAX 1000

struct node_source {
    uint32_t place; /* index */
    hash_t hash;    /* of the child's node; on the lowest level the message id of the export */
};

struct node_replaced {
    hash_t older, newer; /* message ids of exports of this place */
};

struct node {
    uint32_t place, level; /* indexes */
    uint64_t ballots;
    size_t source_count, source_cap;
    struct node_source *source;
    size_t dropped_count;
    hash_t *dropped; /* ascending; lowest level only */
    size_t replaced_count;
    struct node_replaced *replaced; /* in order of revisions; lowest level only */
    size_t missing_count, missing_cap;
    uint32_t *missing; /* indexes of lowest-level places, ascending */
    struct tallies *tallies;
};

/* An empty node of a place: no sources, zero sums. Freed with node_free. ERR_MEMORY. */
MUST err_t node_new(struct node **out, const struct election_context *ctx, uint32_t place);
void node_free(struct node *n);

/* parent += child: its hash as the next source, its ballots, tallies and missing places. Children come in
 * order of rows; ERR_BUG if child is not one of parent or out of order. */
MUST err_t node_add(struct node *parent, const struct election_context *ctx, const struct node *child,
                    const hash_t *child_hash);

/* Appends the record's bytes; hash (may be NULL): the node hash of them. */
MUST err_t node_encode(struct cbor_out *out, hash_t *hash, const struct election_context *ctx,
                       const struct node *n);
/* SHA-256(CBOR ["conclave/node-id", bstr of the record]). */
MUST err_t node_hash(hash_t *out, const uint8_t *data, size_t len);

/* Reads a record that fills data, as that of this place. Checks the form and everything one node can be wrong
 * about alone: election and record (ERR_ELECTION), place, level and contests (ERR_UNKNOWN, ERR_MISMATCH),
 * sources: exactly the children in order of rows (ERR_MISSING for one left out, ERR_MISMATCH), missing
 * places below it and in order (ERR_MISMATCH), no contest with more ballots than the node and none with
 * sums but without ballots (ERR_SUM; elections with ballots). Freed with node_free. */
MUST err_t node_parse_var(struct node **out, const struct election_context *ctx, uint32_t place,
                          const uint8_t *data, size_t len, struct fault *f);

/* 1 if some lowest-level place at or below it has an export. */
MUST int node_present(const struct election_context *ctx, const struct node *n);

/* --- the whole set --- */

/* Where records come from. *data is malloc'ed and freed by the caller. ERR_MISSING if it is not there. */
struct node_provider {
    void *ctx;
    err_t (*get)(void *ctx, const struct election_context *ec, uint32_t place, uint8_t **data, size_t *len,
                 struct fault *f);
};
/* Provider over DIR/LEVEL/PLACE.cbor. dir stays the caller's. */
void node_provider_dir(struct node_provider *out, const char *dir);
/* DIR/LEVEL/PLACE.cbor */
MUST err_t node_path(char *out, size_t out_len, const struct election_context *ctx, const char *dir,
                     uint32_t place);

/* Reads every record once, children before their parent, checks each with node_parse_var and each parent
 * against the sum of its children, and calls visit (may be NULL) for each good node. root: hash of the whole.
 * wrong (may be NULL) is called for each error found, which is then not fatal: the walk goes on where it
 * can, and the first error is returned at the end. Without it the first error ends the walk. Faults name
 * the file. */
struct node_visitor {
    void *ctx;
    err_t (*visit)(void *ctx, const struct node *n, const hash_t *hash, struct fault *f);
    void (*wrong)(void *ctx, uint32_t place, const struct fault *f);
};
MUST err_t node_walk(hash_t *root, const struct election_context *ctx, const struct node_provider *nodes,
                     const struct node_visitor *visitor, struct fault *f);

#endif
