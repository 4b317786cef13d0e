/* In the trustee's process: one token process and the conversation with it. */
#ifndef HSM_CLIENT_H
#define HSM_CLIENT_H

#include <sys/types.h>

#include "hsm/hsm.h"
#include "hsm/uri.h"
#include "hsm/wire.h"

struct client {
    struct wire wire;
    pid_t pid;
    int dead; /* the process ended or was ended; every call fails */
    struct hsm_options opt;
    P11KitUri *uri; /* NULL: all tokens of the configured modules */
    const char *pin_source;
    int pin_fd; /* of pin_source, if it was to be opened at the start; or -1 */
    struct token_info info;
};

/* Starts the process. uri may be NULL. On error *out is NULL. Freed with client_free. */
MUST err_t client_start(struct client **out, const char *uri, const struct hsm_options *opt, struct fault *f);
/* Ends the process (politely, then not) and frees; NULL is allowed. */
void client_free(struct client *c);

/* A request to be filled with args items after op. */
void client_begin(struct client *c, struct cbor_out *o, enum wire_op op, size_t args);
/* Sends it, answers questions for the PIN, and leaves the results items in in (head and status consumed).
 * The caller ends with client_end. Any error of the token process, with its detail. */
MUST err_t client_call(struct client *c, const struct cbor_out *o, struct cbor_in *in, size_t *results,
                       struct fault *f);
/* Checks that all results were read and wipes the buffer. e: an error found by the caller already, or OK. */
MUST err_t client_end(struct client *c, struct cbor_in *in, err_t e, struct fault *f);

/* Four texts. */
void client_get_info(struct cbor_in *in, struct token_info *out);

/* Opens the URI's token on a client that was started, fills c->info. */
MUST err_t client_open(struct client *c, const char *uri, struct fault *f);

/* What the probe asks besides the keystore. */
struct client_status {
    uint64_t flags, total_memory, free_memory, firmware, mechanisms, nss;
};
MUST err_t client_status(struct client *c, struct client_status *out, struct fault *f);

/* Checks on a token's results with OpenSSL, in this process. */

/* ERR_POINT unless key is a point of P-256. */
MUST err_t check_point(const pubkey_t *key);
/* Makes a throw-away key; peer: its public half 04|x|y; x_out: the shared x-coordinate with key. */
MUST err_t check_ecdh(uint8_t peer[65], uint8_t x_out[32], const pubkey_t *key);

#endif
