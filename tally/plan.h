/* The decryption plan (docs/spec/plan.md): the list of everything that will be decrypted, and the rules it
 * must keep so that no combination of what it shows is about fewer ballots than the manifest's minimum.
 *
 * plan_make       by officials, from the records
 * plan_parse_var  from bytes; plan_check by trustees and verifiers, against records of their own
 * plan_targets    what partial_make, partial_parse and partial_combine_var work on
 *
 * The checker shares no code with the maker but the reading of records. Public data, variable time. */
#ifndef TALLY_PLAN_H
#define TALLY_PLAN_H

#include "ceremony/partial.h"
#include "tally/node.h"

#define PLAN_MAX ((size_t)1 << 29)
#define PLAN_UNITS_MAX ((size_t)1 << 22)

struct plan_member {
    uint32_t place; /* index */
    hash_t hash;    /* node */
};

struct plan_unit {
    char place[TEXT_ID_MAX + 1]; /* a place or a reporting group */
    int is_group;
    uint32_t level, contest; /* indexes */
    uint64_t ballots;
    size_t member_count;
    struct plan_member *member; /* in order of rows */
    size_t option_count;
    point_t *A, *B;
};

struct plan {
    hash_t id, election, record, root;
    int has_supersedes;
    hash_t supersedes;
    size_t unit_count;
    struct plan_unit *unit;
};

/* Reads all records (node_walk) and appends plan.cbor to out. supersedes: hash of an earlier plan, or NULL.
 * ERR_MINIMUM if nothing may be decrypted. ERR_SUM and others if records are not consistent. Sums that cannot
 * be decrypted (A is the identity) are left out. id may be NULL. */
MUST err_t plan_make(struct cbor_out *out, hash_t *id, const struct election_context *ctx,
                     const struct node_provider *nodes, const hash_t *supersedes, struct fault *f);

/* The same for a plan that supersedes older[0], from which there may be partial decryptions, and from those
 * that it superseded (all of them, back to the first; count >= 1): shows nothing that together with the older
 * ones would be about too few ballots, even if it could be shown alone. ERR_MINIMUM if that cannot be kept
 * (plan_supersede_all says where); such changes are counted by hand. ERR_MISSING if one is not there. */
MUST err_t plan_make_after(struct cbor_out *out, hash_t *id, const struct election_context *ctx,
                           const struct node_provider *nodes, struct plan *const *older, size_t count,
                           struct fault *f);

/* Strict reading: form, election, known names, points. The rules are plan_check's. Freed with plan_free. */
MUST err_t plan_parse_var(struct plan **out, const struct election_context *ctx, const uint8_t *data,
                          size_t len, struct fault *f);
MUST err_t plan_load_var(struct plan **out, const struct election_context *ctx, const char *path,
                         struct fault *f);
void plan_free(struct plan *p);

/* Several plans from files. Freed with plan_set_free, which also takes an empty one. */
struct plan_set {
    struct plan **plan;
    size_t count;
};
MUST err_t plan_set_load_var(struct plan_set *out, const struct election_context *ctx,
                             const char *const *path, size_t count, struct fault *f);
void plan_set_free(struct plan_set *s);
/* SHA-256(CBOR ["conclave/plan-id", bstr of plan.cbor]). */
MUST err_t plan_hash(hash_t *out, const uint8_t *data, size_t len);

/* One target for each unit, in order; unit_count of them. Freed with plan_targets_free(t, p->unit_count).
 * ERR_MEMORY. */
MUST err_t plan_targets(struct target **out, const struct election_context *ctx, const struct plan *p);
void plan_targets_free(struct target *t, size_t count);

/* Ids of the rules (X(id, error, sentence)): */
#define PLAN_RULES(X)                                                                                        \
    X("plan-records", ERR_SUM, "every record is the exact sum of its children's records")                    \
    X("plan-root", ERR_HASH, "the plan is about these records: its root is the hash of the whole")           \
    X("plan-order", ERR_CANONICAL, "units in order of level, place, contest; none twice")                    \
    X("plan-level", ERR_RULE, "only levels that the manifest decrypts")                                      \
    X("plan-members", ERR_MISMATCH, "a unit is one place, or all places of a group that are not missing")    \
    X("plan-hash", ERR_HASH, "the members' node hashes are those of the records")                            \
    X("plan-ballots", ERR_SUM, "a unit's ballots are the sum of its members'")                               \
    X("plan-sum", ERR_SUM, "a unit's ciphertexts are the sum of its members'")                               \
    X("plan-identity", ERR_RULE, "no sum that cannot be decrypted (A is the identity)")                      \
    X("plan-minimum", ERR_MINIMUM, "no unit with fewer ballots than the minimum")                            \
    X("plan-remainder", ERR_MINIMUM, "ballots minus those of decrypted parts: 0 or at least the minimum")    \
    X("supersede-hash", ERR_MISMATCH, "the new plan names the one that it supersedes")                       \
    X("supersede-change", ERR_MINIMUM, "every (place, contest) changes by nothing or at least the minimum")  \
    X("supersede-remainder", ERR_MINIMUM, "so does what is in it and in none of its parts")                  \
    X("supersede-mixed", ERR_MINIMUM, "what one plan alone shows is not inside of a rest of the other")

/* Called for each violation: rule is one of the ids above. */
typedef void plan_report_fn(void *ctx, const char *rule, const struct fault *f);

/* All rules, against these records; every violation is reported (report may be NULL), the first is returned
 * and in f. */
MUST err_t plan_check(const struct plan *p, const struct election_context *ctx,
                      const struct node_provider *nodes, plan_report_fn *report, void *report_ctx,
                      struct fault *f);

/* The rules between a plan and all those before it from which there may be partial decryptions: the one that
 * it supersedes and whatever that one superseded, back to the first, in any order. Two changes that are each
 * large enough can add up to one ballot, so comparing with the last one only is not enough. More plans than
 * these are compared, too. ERR_MISSING if one of the chain is not among them. */
MUST err_t plan_supersede_all(struct plan *const *older, size_t count, const struct plan *newer,
                              const struct election_context *ctx, plan_report_fn *report, void *report_ctx,
                              struct fault *f);

#endif
