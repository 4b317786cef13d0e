/* The minutes of a ceremony: who took part, every step with its time and the hash of its entry, what came
 * out, and lines to sign on. A function of the board and the language alone: whoever has the board makes the
 * same minutes, byte for byte. Times are the hours that stand in the entries (UTC), written by each author's
 * machine. */
#ifndef APPLIANCE_MINUTES_H
#define APPLIANCE_MINUTES_H

#include "appliance/session.h"
#include "appliance/sheet.h"

/* s: an open session; its token is not used. *out is freed with sheet_free. */
MUST err_t minutes_make(struct sheet **out, const struct session *s, enum language l, struct fault *f);

/* Writes the text and the page; either path may be NULL or empty. ERR_EXISTS if other content is there. */
MUST err_t minutes_write(const struct sheet *s, const char *text_path, const char *html_path,
                         struct fault *f);

/* conclave minutes */
verb_fn verb_minutes;

#endif
