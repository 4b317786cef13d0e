/* How a long job tells its caller how far it is, and is told to stop.
 *
 * The job calls back from one thread, as often as it likes; whoever listens slows the drawing down
 * (ui/progress.h). Library code only calls; it never prints. */
#ifndef CEREMONY_BASE_PROGRESS_H
#define CEREMONY_BASE_PROGRESS_H

#include "ceremony/base/err.h"

/* what: name of the phase, constant while it lasts. done counts up to total; total 0: not known.
 * Returns OK to go on. ERR_STOPPED (or another error) stops the job at the next safe place, and
 * the job returns that error. A NULL function pointer means that nobody listens. */
typedef err_t (*progress_fn)(void *ctx, const char *what, uint64_t done, uint64_t total);

#endif
