/* What is said between the process that keeps a trustee's secrets and the token process, in frames of
 * ceremony/base/wire.h of at most WIRE_MAX bytes:
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

#include "ceremony/base/wire.h"

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

#endif
