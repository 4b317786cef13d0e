/* A token in memory for tests: P-256 keys, bindings, and everything that can go wrong on cue. Its keys are
 * open to the test, so that an attack can sign with them. One session: keystore close() does nothing. */
#ifndef TESTS_SUPPORT_SOFTKEYS_H
#define TESTS_SUPPORT_SOFTKEYS_H

#include "ceremony/math/group.h"
#include "ceremony/vault_local.h"

#define SOFT_ENROLMENTS_MAX 8

struct soft_enrolment {
    struct key_label label;
    scalar_t identity, ceremony; /* private keys */
    pubkey_t identity_key, ceremony_key;
    int retired, is_bound[2];
    hash_t bound[2];
    int is_torn; /* rebinding the plan was cut short: torn_from is still bound, too */
    hash_t torn_from;
};

enum soft_random { SOFT_RANDOM_GOOD, SOFT_RANDOM_ZERO };

struct softkeys {
    struct group *g;
    struct vault vault; /* local, over this token */
    struct token_info info;
    size_t enrolment_count;
    struct soft_enrolment enrolment[SOFT_ENROLMENTS_MAX];
    enum soft_random random;
    int wrong_ecdh;      /* ECDH results are of another point */
    int wrong_signature; /* signatures do not verify */
    size_t calls;        /* calls so far, of any kind but close */
    size_t fail_at;      /* the call with this number (from 1) fails; 0: none */
    err_t fail_with;
};

struct softkeys *softkeys_new(const char *model, const char *serial);
void softkeys_free(struct softkeys *k);
struct keystore softkeys_store(struct softkeys *k);
/* One for the whole life of the token; not to be closed. */
struct vault softkeys_vault(struct softkeys *k);
/* The k-th call from now on fails once with e. */
void softkeys_fail(struct softkeys *k, size_t call, err_t e);
/* Signs with the identity key of the enrolment (index from 0). */
struct signer softkeys_signer(struct softkeys *k, size_t enrolment);
/* Makes keys as keys_make does; returns the index. */
size_t softkeys_add(struct softkeys *k);

#endif
