/* Reads the QR codes of a picture file that anybody may have made.
 *
 * Pictures can be built that keep a reader busy for minutes and more, and the readers are old and large. So
 * the file is decoded in a child process with a limit on its time; if it crashes or takes too long, the
 * caller gets an error. Call it before secrets are in memory: the child starts as a copy. */
#ifndef UI_QR_READ_H
#define UI_QR_READ_H

#include "ceremony/base/err.h"
#include "ui/qr.h"

#define QR_READ_SECONDS 30 /* processor time of one picture */

/* out: freed by qr_found_free. ERR_MISSING: no such file, or no QR code in it; ERR_LIMIT: the time
 * is over, or as image_read; ERR_FORMAT: the reader crashed, or as image_read; else as image_read
 * and qr_decode_gray; ERR_IO: no process can be started. On error out is zeroed. */
MUST err_t qr_read_file(struct qr_found *out, const char *path, struct fault *f);

/* The same with another limit, 1 second or more. */
MUST err_t qr_read_file_limit(struct qr_found *out, const char *path, unsigned seconds, struct fault *f);

/* The same; the child calls enter before it opens the picture: to give up rights. NULL: nothing is called. */
MUST err_t qr_read_file_in(struct qr_found *out, const char *path, unsigned seconds,
                           void (*enter)(const char *path), struct fault *f);

#endif
