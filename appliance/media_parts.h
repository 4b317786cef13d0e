/* Inside of media.h's module. */
#ifndef APPLIANCE_MEDIA_PARTS_H
#define APPLIANCE_MEDIA_PARTS_H

#include "appliance/media.h"

#define MEDIA_RUN "/run/conclave" /* directories below it are made and removed here */

/* The usual places where p has none; p may be NULL. */
struct media_paths media_paths_of(const struct media_paths *p);
/* Size, room and whether it can be written, of what is mounted. */
void media_room(struct media *m);

#endif
