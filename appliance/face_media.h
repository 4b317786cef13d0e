/* Carrying a board, for the media screen. Inside face.h's module. */
#ifndef APPLIANCE_FACE_MEDIA_H
#define APPLIANCE_FACE_MEDIA_H

#include "appliance/face.h"
#include "appliance/media.h"

/* The board of this election on a mounted medium is shown as a difference and, if the person wants,
 * merged; the board here is copied out to it. *done: it was done. Errors are shown by the caller. */
MUST err_t media_face_in(struct face *face, const struct media *m, struct fault *f);
MUST err_t media_face_out(struct face *face, const struct media *m, struct fault *f);

/* The same for files besides the board (carry.h): taken into night_files_dir, and proposed from then on where
 * they are asked for; given out beside the board on the medium (face_files.c). */
MUST err_t media_face_take(struct face *face, const struct media *m, struct fault *f);
MUST err_t media_face_give(struct face *face, const struct media *m, struct fault *f);

/* A list of the media, of which one is chosen and mounted. ERR_REFUSED: went back. */
MUST err_t media_face_choose(struct face *face, struct media *m, struct fault *f);

#endif
