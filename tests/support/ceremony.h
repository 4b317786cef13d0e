/* Whole ceremonies for tests, with tokens in memory (softkeys.h) and boards in build/tests/tmp.
 *
 * A world has n parties. Each has a token and either a board directory of its own, which world_exchange
 * merges like couriers do, or one directory for all (shared). Phases run for all seats, or for a mask;
 * between phases a test misbehaves with the evil_ functions, which sign with a party's own token. Everything
 * asserts by cmocka. */
#ifndef TESTS_SUPPORT_CEREMONY_H
#define TESTS_SUPPORT_CEREMONY_H

#include "ceremony/trustee.h"
#include "tests/support/secrets.h"
#include "tests/support/softkeys.h"

#define PARTIES_MAX TRUSTEES_MAX

struct party { /* index = order of making; its seat comes from the roster */
    struct softkeys *token;
    struct trustee t;
    struct board *b;
    char dir[512];
};

struct world {
    struct manifest m;
    struct group *g;
    int shared;
    uint32_t n, t;
    char dir[256];
    struct party party[PARTIES_MAX];
    struct roster *roster;          /* after world_roster */
    uint32_t party_of[PARTIES_MAX]; /* [seat - 1]: index of the party */
    struct cut cut;                 /* after world_cut */
    struct outcome *outcome;
    struct record *record; /* after world_record */
};

#define ALL UINT32_MAX

/* t of n; min_qual 0: n. Every token is of a model of its own. */
struct world *world_new(uint32_t n, uint32_t t, uint32_t min_qual, int shared);
void world_free(struct world *w);

struct party *world_seat(struct world *w, uint32_t seat);
/* Opens all boards again, as a new process would. */
void world_reopen(struct world *w);
/* Every entry of another board, whatever a merge would refuse. */
void board_inject(struct board *b, const char *from);
/* Everything that anybody has reaches everybody; boards are reopened. */
void world_exchange(struct world *w);

void world_enroll(struct world *w);               /* all parties, then exchange */
void world_roster(struct world *w);               /* made and signed by all */
void world_deal(struct world *w, uint32_t seats); /* seats: bits */
/* Made by the lowest seat not absent and signed by it. */
void world_cut(struct world *w, uint32_t absent);
void world_confirm(struct world *w, uint32_t seats);
void world_record(struct world *w); /* made from the first party's board */
/* enroll .. deal by all; and all the way. */
void world_to_deal(struct world *w);
void world_to_record(struct world *w);

/* Signs anything as the party of a seat and puts it on its board (not exchanged). */
const struct entry *evil_post(struct world *w, uint32_t seat, enum entry_kind kind, const hash_t *subject,
                              struct cbor_out *statement, struct cbor_out *evidence);
/* The same as an outsider: signer of any token, given ceremony id, on the board of the first party. */
const struct entry *evil_post_as(struct world *w, const struct signer *s, enum entry_kind kind,
                                 const hash_t *ceremony, const hash_t *subject, struct cbor_out *statement,
                                 struct cbor_out *evidence);

enum bad_share {
    SHARE_OFF,
    SHARE_GARBAGE,
    SHARE_NOT_CANONICAL,
    SHARE_OTHER_SEAT,
    SHARE_BAD_POINT,
    SHARE_SEED
};
struct evil_deal {
    uint32_t victims; /* whose shares are bad, and how */
    enum bad_share how;
    const scalar_t *twist; /* added to a_1: another polynomial with the same C_0; NULL: nothing */
    const point_t *C0;     /* a first point of somebody else, or NULL */
    int bad_proof;
    const hash_t *replace; /* for SHARE_SEED: hash of the ciphertext to send instead */
};
void evil_deal(struct world *w, uint32_t seat, const struct evil_deal *how);
/* A reveal for this seat with the key as derived plus a twist, of the ciphertext that the deal names. */
void evil_reveal(struct world *w, uint32_t dealer, uint32_t complainer, uint64_t twist);
void evil_complaint(struct world *w, uint32_t seat, uint32_t about);

/* Some target of a plan with its ciphertexts under the record's key; freed with target_free. */
struct target *targets_make(struct world *w, size_t count, size_t options, uint64_t first_count);
void targets_free(struct target *x, size_t count);

/* The bytes of a plan with these targets, that no election would accept but the vault can read. salt makes it
 * another plan; supersedes may be NULL. Freed with plan_file_free. */
struct plan_file plan_for(struct world *w, const struct target *x, size_t count, const hash_t *supersedes,
                          uint8_t salt);
void plan_file_free(struct plan_file *p);

/* A new directory under build/tests/tmp. */
void temp_dir(char *out, size_t out_len);
void remove_tree(const char *dir);

/* For setup functions of test programs. */
int secrets_setup(void **state);

#endif
