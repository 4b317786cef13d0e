/* Inside board.c only: whose entries a merge takes. Anybody can sign entries of any election, so a board that
 * takes everything is full when somebody wants it to be.
 *
 *   the roster is signed   entries by the authors of every roster that this board's trustee signed (board_own
 *                          says who that is); of others only enrolments, for a new roster may have to follow
 *   no roster yet          everybody's
 *   a board of nobody      everybody's; those are known who all signed one roster of them
 *
 * Entries by others, taken together, are bounded in number and bytes; so are detached ciphertexts in number.
 */
#ifndef CEREMONY_BOARD_ADMIT_H
#define CEREMONY_BOARD_ADMIT_H

#include "ceremony/board.h"

struct admit {
    int has_roster;
    size_t known_count;
    point_t *known; /* authors of the rosters */
    size_t strange_count, strange_bytes, detached_count;
};

/* From what the board holds now, and news, if not NULL. Freed with admit_free, also after an error. */
MUST err_t admit_open(struct admit *a, const struct board *b, const struct board *news, struct fault *f);
void admit_free(struct admit *a);

/* OK, and it is counted. ERR_UNKNOWN: the author has no seat. ERR_LIMIT: there are too many of such entries.
 */
MUST err_t admit_entry(struct admit *a, const struct entry *e, struct fault *f);
/* One detached ciphertext that the board does not have. ERR_LIMIT. */
MUST err_t admit_detached(struct admit *a, struct fault *f);

#endif
