/* What the formats of a chain share. Internal to chain*.c. */
#ifndef TALLY_CHAIN_PARTS_H
#define TALLY_CHAIN_PARTS_H

#include "tally/chain_form.h"

/* Label, version, scheme, election, record, chain: six items. The cursor fails with ERR_VERSION,
 * ERR_ELECTION, or ERR_UNKNOWN for another chain. */
void chain_put_start(struct cbor_out *o, const struct chain_context *ctx, const char *label);
void chain_get_start(struct cbor_in *in, const struct chain_context *ctx, const char *label);

/* A shard's name; zeroed on error. */
void chain_get_shard(struct cbor_in *in, struct chain_shard_name *out);

#endif
