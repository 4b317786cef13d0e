/* The launcher: the one process beside the screens that keeps the rights which they give up.
 *
 * launcher_start forks it before the screens have read anything that is not this machine's own. From then on
 * it knows six errands and nothing else: start a keeper, a token process, or a process that reads a camera;
 * open a removable device for its label; mount one or unmount it. It executes only this program itself, with
 * one of three words and what was on the command line; it touches only devices that the kernel calls
 * removable, and mounts them without execution, devices and set-uid in one place. It reads no file of a
 * stranger. What it starts is the caller's own child: the caller waits for it and may end it.
 *
 * It ends when the caller's end of the socket closes. A child that reads foreign files calls launcher_forget
 * first: who has the socket may ask. Questions may come from several threads. Every function takes NULL for
 * "there is none" and then does the work in this process, as verbs and tests do. */
#ifndef APPLIANCE_LAUNCHER_H
#define APPLIANCE_LAUNCHER_H

#include <sys/types.h>

#include "appliance/media.h"
#include "appliance/sandbox.h"
#include "ui/qr_camera.h"

#define LAUNCHER_MODULE_MAX 1024

struct launcher;

/* token: the token's URI of the command line or NULL; a module-path in it is the only one that the processes
 * started here load code from, and without one they take what is configured on this machine. scratch: an
 * empty folder that the launcher removes when it ends, or NULL. ERR_IO, ERR_MEMORY, ERR_USAGE. */
MUST err_t launcher_start(struct launcher **out, const char *token, const char *scratch, struct fault *f);
/* Closes and waits. */
void launcher_stop(struct launcher *l);
/* In a child of the caller: it has no launcher any more. */
void launcher_forget(struct launcher *l);
/* What the launcher could not give up itself. */
const struct sandbox_state *launcher_state(const struct launcher *l);

/* For keeper_options.spawn and hsm_options.spawn; launcher: not NULL. Return errno's numbers. */
int launcher_keeper(void *launcher, pid_t *pid, int fd);
int launcher_token(void *launcher, pid_t *pid, int fd, int keep_stderr);

/* As qr_camera_open, in a process that has the camera and nothing else. device: of qr_cameras. */
MUST err_t launcher_camera(struct launcher *l, struct qr_camera *c, const char *device, struct fault *f);
/* That process, started with "camera-process" and the number of a camera. Returns the exit status. */
int launcher_camera_main(int fd, const char *number);

/* As media_list, media_mount and media_remove. */
MUST err_t launcher_media_list(struct launcher *l, struct media_list *out, struct fault *f);
MUST err_t launcher_mount(struct launcher *l, struct media *m, struct fault *f);
MUST err_t launcher_remove(struct launcher *l, struct media *m, int *unmounted, struct fault *f);

#endif
