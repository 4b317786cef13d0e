/* Inside verify*.c only: what a part of a verification (verify_part.h) and their merging (verify_merge.h)
 * share with the run over all exports. */
#ifndef TALLY_VERIFY_PIECE_H
#define TALLY_VERIFY_PIECE_H

#include "tally/verify_export.h"

/* --- which export is in which part (verify_shares.c) --- */

struct verify_share {
    uint32_t place;
    uint64_t before, size; /* bytes of those before it, of its own */
};
struct verify_shares {
    size_t count;
    uint64_t total;
    struct verify_share *share; /* in the order of places */
};
/* Every export that is here and of a place. Freed with verify_shares_free. */
MUST err_t verify_shares_new(struct verify_shares *out, const struct verify *v);
void verify_shares_free(struct verify_shares *s);
/* From 1 to n. */
MUST unsigned verify_share_part(const struct verify_shares *s, size_t i, unsigned n);
/* exports/PLACE.cexp; out has TEXT_ID_MAX + 32 bytes. */
void verify_export_name(const struct verify *v, uint32_t place, char *out);

/* --- a part that is being made (verify_part.c) --- */

/* 1 if this export is to be looked at. */
MUST int verify_piece_has(const struct verify_piece *p, uint32_t place);
/* Of its exports, for saying how far it is. */
MUST uint64_t verify_piece_bytes(const struct verify_piece *p);
/* Instead of filing it: what was found goes into the partial report. */
MUST err_t verify_piece_keep(struct verify *v, const struct verify_job *j);

/* --- merging (verify_merge.c) --- */

/* Before anything else: who says what of which export. */
MUST err_t verify_merge_start(struct verify *v);
/* Instead of looking at the exports: what partial reports say. */
MUST err_t verify_merge_exports(struct verify *v);
/* 1 if a report says what hash this export has: *e and *have. */
MUST int verify_merge_hash(const struct verify *v, const char *path, err_t *e, hash_t *have);
/* Calls fn with each copy of each id that is there more than once: in the parts, and in v->ids. */
typedef err_t verify_copy_fn(void *ctx, const hash_t *id, uint32_t place);
MUST err_t verify_merge_ids(struct verify *v, verify_copy_fn *fn, void *ctx);

#endif
