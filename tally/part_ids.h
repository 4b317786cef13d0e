/* The ballot ids of many parts as one sorted stream. Inside verify_merge_ids.c only.
 *
 *   part_ids_new -> part_ids_add for each part -> (part_ids_peek, part_ids_step)* -> part_ids_free
 *
 * Each file is read once, in blocks; it must be sorted, as long as its report says, and have the hash that
 * the report says. Memory: 32 MB whatever the number of parts, up to 8,192 of them; 4 KB for each above.
 * Files are opened again for every block: there is no limit of open files. */
#ifndef TALLY_PART_IDS_H
#define TALLY_PART_IDS_H

#include "tally/part_form.h"

struct part_ids;
struct part_id {
    hash_t id;
    uint32_t place;
    uint64_t origin; /* part_origin */
    unsigned k;      /* its part */
};

MUST err_t part_ids_new(struct part_ids **out, struct fault *f);
void part_ids_free(struct part_ids *s);
/* report: path of the report beside which the ids are. */
MUST err_t part_ids_add(struct part_ids *s, const char *report, const struct part_head *h, struct fault *f);
/* *next: the smallest that is left, NULL if none is; good until the next step. ERR_HASH, ERR_CANONICAL (not
 * sorted), ERR_TRUNCATED, ERR_TRAILING, ERR_MISSING, naming the file. */
MUST err_t part_ids_peek(struct part_ids *s, struct part_id **next, struct fault *f);
MUST err_t part_ids_step(struct part_ids *s, struct fault *f);

#endif
