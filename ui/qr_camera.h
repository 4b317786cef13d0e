/* Reads QR codes from a camera (V4L2, through zbar).
 *
 * What a camera sees is foreign, and drivers and readers are large: frames are taken and decoded in a
 * child process that hands over texts. The caller waits for the descriptor (page_watch), takes texts, and
 * closes. Call it before secrets are in memory: the child starts as a copy. */
#ifndef UI_QR_CAMERA_H
#define UI_QR_CAMERA_H

#include <sys/types.h>

#include "ui/image.h"
#include "ui/qrtext.h"

#define QR_CAMERAS_MAX 16

/* Names of the cameras that are there: "/dev/video0". dev: directory of devices; NULL: /dev. Returns how
 * many; 0: there is none. */
MUST size_t qr_cameras(char name[QR_CAMERAS_MAX][64], const char *dev);

struct qr_camera {
    int fd; /* becomes readable when there is something to take */
    pid_t pid;
};

/* Starts reading from a camera. ERR_IO. Whether it can be used is told by qr_camera_take. */
MUST err_t qr_camera_open(struct qr_camera *c, const char *device, struct fault *f);

/* The same with pictures from elsewhere: frame makes the next one, freed by gray_free, in the child. An
 * error ends it; ERR_DONE without a fault. */
typedef err_t qr_frame_fn(void *ctx, struct gray *out, struct fault *f);
MUST err_t qr_camera_open_frames(struct qr_camera *c, qr_frame_fn *frame, void *ctx, struct fault *f);

/* For a process started otherwise, with the other end of c->fd: reads from the camera until that closes.
 * Returns the exit status. */
int qr_camera_serve(int fd, const char *device);

/* A text that was seen, one after the other; the same one is not told twice in a row. ERR_MISSING: nothing
 * there now; ERR_DONE: no more pictures come; ERR_IO, ERR_FORMAT: the camera or its reader failed, f says
 * how. text is empty then. */
MUST err_t qr_camera_take(struct qr_camera *c, char text[QRTEXT_TEXT_MAX + 1], struct fault *f);

/* Ends the child. A zeroed struct is all right. */
void qr_camera_close(struct qr_camera *c);

#endif
