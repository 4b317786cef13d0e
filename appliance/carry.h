/* Files of an election carried on a medium besides the board (appliance/media.h): decryption plans, exports,
 * exports of voting chains, node records, results, published bundles.
 *
 *   carry_find      what a medium holds, wherever on it           } then carry_check, carry_copy
 *   carry_gather    what this machine has, to be given out        }
 *
 * A medium is foreign: only regular files of sane names are looked at, down to CARRY_DEPTH folders; each is
 * parsed, bound to this election and hashed before it counts as good, and what arrives is hashed again while
 * it is copied. What it means is for those who use it to verify: of an export the proofs are not checked
 * here, of a chain what a quick look sees but for the quorum, of a bundle only the hashes that it lists.
 * Nothing is overwritten or removed on either side. A copy that was interrupted is repeated; a file is there
 * whole or not at all. Best called in a process that may only read the one and write the other. */
#ifndef APPLIANCE_CARRY_H
#define APPLIANCE_CARRY_H

#include "ceremony/base/progress.h"
#include "tally/bundle.h"

#define CARRY_MAX 500000 /* files looked at: a nation in a bundle */
#define CARRY_DEPTH 4
#define CARRY_PATH 4400

enum carry_kind {
    CARRY_PLAN,
    CARRY_EXPORT,
    CARRY_RECORD,
    CARRY_RESULT,
    CARRY_BUNDLE,
    CARRY_CHAIN, /* a file of the export of a voting chain, which is a directory */
    CARRY_KINDS
};

enum carry_state {
    CARRY_NEW,
    CARRY_KNOWN,  /* is there with the same bytes */
    CARRY_REFUSED /* with its fault */
};

struct carry_item {
    enum carry_kind kind;
    enum carry_state state;
    char *from; /* path */
    char *name; /* below the folder that it goes to: plan.cbor, exports/NAME, exports/CHAIN/PATH,
                   records/LEVEL/PLACE.cbor, result.cbor, bundle/PATH. The name of a plan, export or result,
                   or of the whole bundle or chain, gets 16 digits of its hash (of the list; of the snapshot)
                   if something else has it */
    uint64_t len;
    uint32_t place; /* of a record: index */
    size_t first;   /* of the snapshot of a chain, its last item: 1 + the index of its first one */
    hash_t hash;    /* of the content; of a file of a bundle, what its list says */
    struct fault *fault;
};

struct carry {
    struct carry_item *item;
    size_t count, room, looked;
};

/* What is on the medium, in the order of names. ERR_MISSING, ERR_LIMIT, ERR_IO, ERR_MEMORY. c: zeroed before;
 * carry_free after, also on error. */
MUST err_t carry_find(struct carry *c, const char *root, const struct bundle_election *el, struct fault *f);

/* Folders in which what is given out lies; NULL or not there: none. Plans and results: plan*.cbor and
 * result*.cbor in them; exports: all files, and directories that are exports of chains. */
struct carry_paths {
    const char *plans, *exports, *records, *results, *bundle;
};
/* The kinds (bits) of files in these paths. */
MUST err_t carry_gather(struct carry *c, const struct carry_paths *p, uint32_t kinds,
                        const struct bundle_election *el, struct fault *f);
void carry_free(struct carry *c);

/* Reads all of it and says for each item what it is to the folder to, which need not be there. el: with a
 * record (ERR_MISSING). Progress in bytes: "check". What fn returns stops it. */
MUST err_t carry_check(struct carry *c, const char *to, const struct bundle_election *el, progress_fn fn,
                       void *ctx, struct fault *f);

struct carry_report {
    size_t copied;
    uint64_t bytes;
};
/* Copies what is new into to, made if absent in a folder that is there, and reads each file back from it.
 * Items that are refused only now are marked. Progress in bytes: "copy", then "compare". ERR_IO: no room,
 * with how much is needed, or either side does not answer; ERR_HASH: to does not give back what was written.
 */
MUST err_t carry_copy(struct carry_report *report, struct carry *c, const char *to,
                      const struct bundle_election *el, progress_fn fn, void *ctx, struct fault *f);

/* The newest plan and bundle among what is in to now: that plan which no other one there supersedes. Empty if
 * there is none. */
MUST err_t carry_newest(char plan[CARRY_PATH], const char *to, const struct bundle_election *el,
                        struct fault *f);

#endif
