/* A laboratory for bundles: a small election made in one go by somebody who knows every secret of it, so
 * that any part can be made wrong and everything that depends on it right again.
 *
 * Three trustees, two decrypt. A nation of counties a (precincts a1, a2), b (b1, b2) and c, whose one place
 * c1 votes by the chain "net". b2 is missing; b1 is a correction; one voter cast a ballot in a1 and ones with
 * the same id in b1 and c1, which are left out; seat 2 complained about seat 1, which answered. The chain's
 * first shard was split. So the good bundle has something of everything. An import has no chain, and c1 is
 * missing.
 *
 * lab_build calls the hook of a mutant at each stage with the state that is about to be used. Fails the
 * test on error. */
#ifndef TESTS_MUTANTS_LAB_H
#define TESTS_MUTANTS_LAB_H

#include "ceremony/phase.h"
#include "tally/export_form.h"
#include "tally/plan.h"
#include "tally/result.h"
#include "tests/support/chain_maker.h"
#include "tests/support/softkeys.h"

#define LAB_N 3
#define LAB_T 2
#define LAB_PLACES 9
#define LAB_BALLOTS_MAX 8
#define LAB_FILES_MAX 160

enum lab_stage {
    LAB_START,       /* knobs */
    LAB_CHAIN,       /* l->chain is about to be written: its ballots are in their shards */
    LAB_CHAIN_FILES, /* it is written */
    LAB_RECORD,      /* l->rec is about to be written */
    LAB_EXPORT,      /* l->box of l->place is about to be signed: items, tallies, root */
    LAB_NODE,        /* l->node[l->place] is about to be written; children are */
    LAB_PLAN,        /* l->plan is about to be written */
    LAB_PARTIAL,     /* l->statement, l->evidence of l->seat are about to be signed */
    LAB_PARTIALS,    /* all are; more entries can be added */
    LAB_RESULT,      /* l->result is about to be written */
    LAB_FILES,       /* every file but page and sums is there */
    LAB_PAGE,        /* the page too */
    LAB_SUMS,        /* everything is */
};

struct lab_box {
    size_t count, dropped;
    struct cbor_out ballot[LAB_BALLOTS_MAX];
    struct ballot_info info[LAB_BALLOTS_MAX];
    struct tallies *tallies; /* that the header will have */
    hash_t root;
    uint64_t revision;
};

struct lab {
    char dir[256];
    void (*hook)(struct lab *l, enum lab_stage s);
    /* knobs, set at LAB_START */
    const char *title;
    unsigned minimum, plan_quorum;
    int same_models, bad_commitment, bad_pok, omit_reveal, bad_reveal, bad_confirm, bad_roster, unsigned_plan;
    int keep_duplicate, import;
    int has_previous; /* all sign the plan as the successor of: */
    hash_t previous;

    struct group *g;
    struct softkeys *official, *token[LAB_N]; /* token by making; seat_token by seat - 1 */
    struct softkeys *seat_token[LAB_N];
    scalar_t poly[LAB_N][LAB_T], seat_poly[LAB_N][LAB_T], share[LAB_N];
    struct manifest *m, lenient;
    struct places *places;
    struct record *r, *rec;
    struct election_context ctx;
    struct board board; /* entries so far, sorted by id */
    struct roster roster;
    struct deal deal[LAB_N];
    hash_t deal_id[LAB_N];
    struct cut cut;
    struct outcome outcome;
    scalar_t ephemeral; /* of the share that is revealed */
    struct cbor_out sealed;

    struct chain_context chain_ctx;
    struct chain_maker chain;
    struct signer chain_signer[4]; /* headers, three validators */

    uint32_t place, seat; /* at hand */
    struct ballot_maker *maker;
    struct lab_box box[LAB_PLACES];
    struct node *node[LAB_PLACES];
    hash_t node_hash[LAB_PLACES];
    struct plan *plan;
    struct target *target;
    struct cbor_out statement, evidence;
    struct partial *partial[LAB_N];
    struct result *result;
    hash_t anchor;

    size_t file_count;
    char file[LAB_FILES_MAX][256];
};

/* Makes a bundle in dir, which is emptied. Freed with lab_free. */
struct lab *lab_build(const char *dir, void (*hook)(struct lab *l, enum lab_stage s));
void lab_free(struct lab *l);

/* --- for hooks --- */

uint32_t lab_place(const struct lab *l, const char *id);
void lab_write(struct lab *l, const char *name, const void *data, size_t len);
uint8_t *lab_read(const struct lab *l, const char *name, size_t *len); /* freed with free */
void lab_forget(struct lab *l, const char *name);                      /* removes the file */
void lab_sums(struct lab *l);                                          /* writes SHA256SUMS again */
/* Signs an entry as the seat and files it. */
const struct entry *lab_post(struct lab *l, uint32_t seat, enum entry_kind kind, const hash_t *ceremony,
                             const hash_t *subject, struct cbor_out *statement, struct cbor_out *evidence);
/* Name of the file of the k-th entry of this kind (by id). */
void lab_entry_name(const struct lab *l, enum entry_kind kind, uint32_t seat, char out[256]);
#define LAB_CHAIN_DIR "chains/net"
/* Changes one ballot of the box: the ciphertext of option o of its first contest gets v G more. Its proofs
 * break. */
void lab_add_votes(struct lab *l, size_t ballot, size_t option, int v);
/* Lists a ballot of the node's box among those left out, and takes it off the node's sums. */
void lab_leave_out(struct lab *l, struct node *n, size_t ballot);
/* Sums, root of the box as it is now. */
void lab_recount(struct lab *l, struct lab_box *b);
void lab_partial(struct lab *l, uint32_t seat, const hash_t *plan);

#endif
