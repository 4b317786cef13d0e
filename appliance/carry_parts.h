/* Inside of carry.h's module. */
#ifndef APPLIANCE_CARRY_PARTS_H
#define APPLIANCE_CARRY_PARTS_H

#include "appliance/carry.h"
#include "tally/export.h"
#include "tally/node.h"

#define CARRY_BUNDLE_DIR "bundle"

/* --- the list: carry_find.c --- */

/* out may be NULL; name: where it goes. ERR_LIMIT, ERR_MEMORY. */
MUST err_t carry_add(struct carry *c, struct carry_item **out, enum carry_kind kind, const char *from,
                     const char *name, struct fault *f);
/* An item that is refused as it is found. */
MUST err_t carry_add_refused(struct carry *c, enum carry_kind kind, const char *from, err_t e,
                             const char *why, struct fault *f);
/* A name that somebody else gave: plain letters, and no way out of a folder. */
int carry_name_is_sane(const char *name);
/* Puts "-" and 16 digits of id into the item's name, before its byte at. ERR_MEMORY. */
MUST err_t carry_rename(struct carry_item *x, size_t at, const hash_t *id, struct fault *f);
/* Marks an item. ERR_MEMORY. */
MUST err_t carry_refuse(struct carry_item *x, err_t e, const struct fault *why);

/* --- exports of chains: carry_chain.c --- */

/* Whether the directory says that it is one. */
int carry_is_chain(const char *dir);
/* All of its files, the snapshot last; they go to exports/NAME. One of another election is refused. */
MUST err_t carry_add_chain(struct carry *c, const char *dir, const char *name,
                           const struct bundle_election *el, struct fault *f);
/* Before the files are looked at: a chain that a quick look finds wrong is refused, whole; one whose name
 * another chain has in to gets another one. fn: "check", and may stop it. */
MUST err_t carry_place_chains(struct carry *c, const char *to, const struct bundle_election *el,
                              progress_fn fn, void *ctx, struct fault *f);
/* Whether a file that it cannot do without was refused: then the snapshot is not taken either. x: the
 * snapshot.
 */
int carry_chain_has_gap(const struct carry *c, const struct carry_item *x);

#endif
