/* Board entries on screens. Inside face.h's module. */
#ifndef APPLIANCE_FACE_ENTRY_H
#define APPLIANCE_FACE_ENTRY_H

#include "appliance/face.h"

/* "deal of Alma", in the person's language. The author may have enrolled on the session's board or on the
 * other one, which may be NULL. */
void face_entry_line(char out[512], const struct face *face, const struct session *s,
                     const struct board *other, const struct entry *e);

/* What an entry is, who signed it and when, its id and size, as values of a page; of an exception its
 * text. */
void face_entry_values(struct page *p, const struct face *face, const struct session *s,
                       const struct entry *e);

/* "2026-11-20 11:00" of seconds since 1970, UTC. */
void face_time(char out[32], uint64_t seconds);

/* "3.7 GB" */
void face_bytes(char out[32], uint64_t bytes);

#endif
