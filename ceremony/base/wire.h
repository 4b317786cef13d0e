/* Frames between two processes of one program: one deterministic CBOR array per packet of a SOCK_SEQPACKET
 * socket, at most max bytes, built and read in locked memory. The token process (hsm/wire.h) and the keeper
 * (appliance/keeper.h) say what is in them.
 *
 * Who builds a frame keeps it below max by the limits of its fields: building never grows, and thus never
 * leaves, the locked buffer (wire_send gives WIRE_BROKEN otherwise). */
#ifndef CEREMONY_BASE_WIRE_H
#define CEREMONY_BASE_WIRE_H

#include "ceremony/base/cbor.h"

struct wire {
    int fd;
    size_t max;
    uint8_t *in, *out; /* max bytes each, secret_alloc */
};

enum wire_result { WIRE_GOT, WIRE_CLOSED, WIRE_TIMEOUT, WIRE_BROKEN };

/* ERR_MEMORY or ERR_LOCK; w is safe to end then. */
MUST err_t wire_init(struct wire *w, int fd, size_t max);
/* Wipes, frees, closes fd. */
void wire_end(struct wire *w);

/* A cursor over the empty outgoing buffer; never give it to cbor_out_free. */
void wire_begin(struct wire *w, struct cbor_out *o, size_t items);
/* Sends and wipes the outgoing buffer. */
MUST enum wire_result wire_send(struct wire *w, const struct cbor_out *o);
/* Waits for one frame, timeout_ms < 0: for ever. in reads the incoming buffer, which keeps the frame
 * until wire_wipe or the next frame. *items: length of the array, 1..16, its head is consumed. */
MUST enum wire_result wire_recv(struct wire *w, int timeout_ms, struct cbor_in *in, size_t *items);
/* Wipes the incoming buffer. */
void wire_wipe(struct wire *w);

#endif
