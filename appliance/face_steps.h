/* What the steps of the ceremony do alike. Inside face.h's module. */
#ifndef APPLIANCE_FACE_STEPS_H
#define APPLIANCE_FACE_STEPS_H

#include "appliance/face_parts.h"

/* The board as a step sees it before it needs the token. */
struct step_view {
    struct session s;
    struct status *st;
    point_t key;
    const point_t *self; /* NULL: not known */
};
MUST err_t step_load(struct face *face, struct step_view *v, struct fault *f);
void step_free(struct step_view *v);

/* A token is chosen, or the person went back. */
MUST err_t step_token(struct face *face, struct fault *f);

/* The last page before something is signed: the election as the files say it; the step adds its own.
 * step_agree shows it and frees it: OK, or ERR_REFUSED. */
struct page *step_summary(struct face *face, enum message title, enum message text, const struct manifest *m);
MUST err_t step_agree(struct page *p, enum message action, struct fault *f);

/* The typed gate: the words of h, then the action (flags besides PAGE_NEEDS_ALL). OK, or ERR_REFUSED. */
MUST err_t step_type_words(struct face *face, enum message title, enum message text, const hash_t *h,
                           int flags, enum message action, struct fault *f);

/* With the token: work_begin; ERR_MISMATCH if that is not the ceremony that was shown. */
MUST err_t step_begin(struct session *s, struct roster *r, const hash_t *ceremony, struct fault *f);

#endif
