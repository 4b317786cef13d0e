/* An election without a ceremony, for tests of the tally: manifest, places, a record whose secret key is
 * known, signing keys. The contests: mayor (4 options, limit 1), council (5, limit 3), school (2, limit 1).
 * Styles: town (all), rural (mayor, school), small (mayor). Places: land; east, west below; e-1 (town rural
 * small), e-2 (rural) in east, w-1 (town) in west. east signs for its precincts, w-1 for itself. */
#ifndef TESTS_SUPPORT_BALLOTS_H
#define TESTS_SUPPORT_BALLOTS_H

#include "tally/precinct.h"
#include "tally/signkey.h"

struct fixture {
    struct manifest *m;
    struct places *places;
    struct record *r;
    struct election_context ctx;
    scalar_t secret; /* the joint secret key */
    struct group *g;
    struct ballot_maker *maker;
    struct signkey *east, *west;                     /* w-1's key */
    struct signkey *chain, *envelope, *validator[3]; /* of fixture_chain_new, else NULL */
    uint32_t land, e1, e2, w1;
    char dir[64]; /* temporary directory */
};

struct fixture *fixture_new(enum election_kind kind);
/* Another election of the same shape. */
struct fixture *fixture_other(enum election_kind kind);
/* With the voting chains "home" (e-2 and w-1; validators: 3, quorum 2) and "abroad" (w-2, with the same key
 * for headers and one validator). */
struct fixture *fixture_chain_new(void);
struct fixture *fixture_chain_other(void);
void fixture_free(struct fixture *x);
/* dir/name; one of four buffers that take turns. */
const char *fixture_path(struct fixture *x, const char *name);
uint32_t fixture_place(const struct fixture *x, const char *id);

/* One ballot: choices "mayor=a council=x,y" (space and comma separated). Appended to out. */
void fixture_ballot(struct fixture *x, struct cbor_out *out, struct ballot_info *info, uint32_t place,
                    const char *style, const char *choices);
/* Parses, which must succeed. */
struct ballot *fixture_parse(struct fixture *x, const struct cbor_out *bytes);
/* The count an encrypted sum hides, 0..100000; -1 if there is none in the range. */
int64_t fixture_decrypt(struct fixture *x, const struct tallies *t, const char *contest, size_t option);

/* What a dishonest voter's device makes: value for each ciphertext in order (all contests, placeholders
 * included), 0/1 proofs that are honest where the value is 0 or 1 and as good as can be elsewhere, id proof
 * for a key it knows. */
void fixture_forge(struct fixture *x, struct cbor_out *out, uint32_t place, const char *style,
                   const int *value);
/* The same under the one-time key of this number: the same ballot id in any place. */
void fixture_forge_key(struct fixture *x, struct cbor_out *out, uint32_t place, const char *style,
                       const int *value, uint64_t key);
/* Bytes of a ballot whose fields were changed. */
void fixture_encode(struct fixture *x, struct cbor_out *out, const struct ballot *b);

#endif
