/* Frames between the trustee's process and the token process: one deterministic CBOR array per packet
 * of a SOCK_SEQPACKET socket, at most WIRE_MAX bytes, built and read in locked memory.
 *
 *   request   [op, arguments...]                        see enum wire_op
 *   response  [0, results...]                           OK
 *             [error, detail]                           err_t and a sentence without secrets
 *             [WIRE_ASK_PIN, label, serial, tries_low, final_try, keypad]
 *   and to the last one the request                     [WIRE_PIN, pin]  or  [WIRE_NO_PIN]
 *
 * One request at a time. All messages are far below WIRE_MAX by construction (see the limits at each
 * field), so that building one never grows, and thus never leaves, the locked buffer. */
#ifndef HSM_WIRE_H
#define HSM_WIRE_H

#include "ceremony/base/cbor.h"

#define WIRE_MAX 12288
#define WIRE_DETAIL_MAX 400
#define WIRE_ASK_PIN 1000
#define WIRE_LABELS_MAX 256

enum wire_op {
    WIRE_OPEN = 1,  /* uri, last_try -> info, 4 texts */
    WIRE_RANDOM,    /* len -> bytes */
    WIRE_KEYS_MAKE, /* label -> identity, ceremony */
    WIRE_KEYS_FIND, /* label -> identity, ceremony */
    WIRE_SIGN,      /* label, digest -> signature */
    WIRE_ECDH,      /* label, peer -> x */
    WIRE_BIND,      /* label, what, value */
    WIRE_BOUND,     /* label, what -> value */
    WIRE_REBIND,    /* label, what, from, to */
    WIRE_RETIRE,    /* label */
    WIRE_FORGET,    /* label */
    WIRE_LABELS,    /* -> array of labels */
    WIRE_STATUS,    /* -> see hsm/probe.c */
    WIRE_LIST,      /* uri, index -> 0, or 1 and the token */
    WIRE_INIT,      /* uri, label, force_label, so_pin, user_pin */
    WIRE_PIN,
    WIRE_NO_PIN,
    WIRE_CLOSE
};

struct wire {
    int fd;
    uint8_t *in, *out; /* WIRE_MAX each, secret_alloc */
};

enum wire_result { WIRE_GOT, WIRE_CLOSED, WIRE_TIMEOUT, WIRE_BROKEN };

/* ERR_MEMORY or ERR_LOCK; w is safe to end then. */
MUST err_t wire_init(struct wire *w, int fd);
/* Wipes, frees, closes fd. */
void wire_end(struct wire *w);

/* A cursor over the empty outgoing buffer; never give it to cbor_out_free. */
void wire_begin(struct wire *w, struct cbor_out *o, size_t items);
/* Sends and wipes the outgoing buffer. */
MUST enum wire_result wire_send(struct wire *w, const struct cbor_out *o);
/* Waits for one frame, timeout_ms < 0: for ever. in reads the incoming buffer, which keeps the frame
 * until wire_wipe or the next frame. *items: length of the array, its head is consumed. */
MUST enum wire_result wire_recv(struct wire *w, int timeout_ms, struct cbor_in *in, size_t *items);
/* Wipes the incoming buffer. */
void wire_wipe(struct wire *w);

#endif
