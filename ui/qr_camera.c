#include "ui/qr_camera.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zbar.h>

#include "ui/qr.h"

#define DETAIL 200

/* What the child sends: 'T' and a text, or 'E', an error and a sentence. */
struct message {
    char kind;
    uint8_t err;
    char text[QRTEXT_TEXT_MAX + 1];
};

size_t qr_cameras(char name[QR_CAMERAS_MAX][64], const char *dev)
{
    size_t count = 0;
    for (unsigned i = 0; i < 64 && count < QR_CAMERAS_MAX; i++) {
        struct stat st;
        char path[64];
        if (snprintf(path, sizeof path, "%s/video%u", dev != NULL ? dev : "/dev", i) >= (int)sizeof path)
            break;
        if (stat(path, &st) == 0 && S_ISCHR(st.st_mode))
            memcpy(name[count++], path, sizeof path);
    }
    return count;
}

/* --- the child --- */

static int say(int fd, char kind, err_t err, const char *text)
{
    struct message m = {.kind = kind, .err = (uint8_t)err};
    size_t len = strnlen(text, QRTEXT_TEXT_MAX);
    memcpy(m.text, text, len);
    return send(fd, &m, offsetof(struct message, text) + len + 1, MSG_NOSIGNAL) > 0;
}

static err_t read_frames(int fd, qr_frame_fn *frame, void *ctx, struct fault *f)
{
    char last[QRTEXT_TEXT_MAX + 1] = "";
    for (;;) {
        struct gray g;
        struct qr_found found;
        TRY(frame(ctx, &g, f));
        err_t e = qr_decode_gray(&found, &g);
        gray_free(&g);
        if (e == ERR_LIMIT) /* a picture full of codes: the next one is better */
            continue;
        if (e != OK)
            return e;
        int heard = 1;
        for (size_t i = 0; i < found.count && heard; i++) {
            if (strlen(found.text[i]) > QRTEXT_TEXT_MAX || strcmp(found.text[i], last) == 0)
                continue;
            snprintf(last, sizeof last, "%s", found.text[i]);
            heard = say(fd, 'T', OK, last);
        }
        qr_found_free(&found);
        if (!heard)
            return ERR_DONE;
    }
}

static int child(int fd, qr_frame_fn *frame, void *ctx)
{
    const struct rlimit none = {0, 0};
    struct fault f;
    fault_clear(&f);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC); /* drivers write to stderr, where a screen is */
    if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &none);
    err_t e = read_frames(fd, frame, ctx, &f);
    return say(fd, 'E', e, f.detail) ? 0 : 1;
}

err_t qr_camera_open_frames(struct qr_camera *c, qr_frame_fn *frame, void *ctx, struct fault *f)
{
    int pair[2];
    *c = (struct qr_camera){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return fault_set(f, ERR_IO, "a socket: %s", strerror(errno));
    c->pid = fork();
    if (c->pid == 0) {
        close(pair[0]);
        _exit(child(pair[1], frame, ctx));
    }
    close(pair[1]);
    if (c->pid > 0) {
        c->fd = pair[0];
        return OK;
    }
    close(pair[0]);
    *c = (struct qr_camera){.fd = -1};
    return fault_set(f, ERR_IO, "a process: %s", strerror(errno));
}

/* --- V4L2 through zbar --- */

struct video {
    const char *device;
    zbar_video_t *v;
};

static err_t video_start(struct video *x, struct fault *f)
{
    x->v = zbar_video_create();
    if (x->v == NULL)
        return fault_set(f, ERR_MEMORY, "camera");
    if (zbar_video_open(x->v, x->device) != 0)
        return fault_set(f, ERR_IO, "the camera %s cannot be opened", x->device);
    if (zbar_negotiate_format(x->v, NULL) != 0)
        return fault_set(f, ERR_FORMAT, "the camera %s gives no pictures that can be read", x->device);
    if (zbar_video_enable(x->v, 1) != 0)
        return fault_set(f, ERR_IO, "the camera %s does not start", x->device);
    return OK;
}

/* Runs in the child only, which ends with it: nothing is freed. */
static err_t video_frame(void *ctx, struct gray *out, struct fault *f)
{
    struct video *x = ctx;
    if (x->v == NULL)
        TRY(video_start(x, f));
    zbar_image_t *image = zbar_video_next_image(x->v);
    if (image == NULL)
        return fault_set(f, ERR_IO, "the camera %s gives no more pictures", x->device);
    zbar_image_t *gray = zbar_image_convert(image, zbar_fourcc('Y', '8', '0', '0'));
    zbar_image_destroy(image);
    if (gray == NULL)
        return fault_set(f, ERR_FORMAT, "the camera %s gives no pictures that can be read", x->device);
    size_t w = zbar_image_get_width(gray), h = zbar_image_get_height(gray);
    err_t e = zbar_image_get_data_length(gray) < w * h ? ERR_FORMAT : gray_new(out, w, h);
    if (e == OK)
        memcpy(out->pixel, zbar_image_get_data(gray), w * h);
    zbar_image_destroy(gray);
    return e == OK ? OK : fault_set(f, e, "a picture of the camera");
}

err_t qr_camera_open(struct qr_camera *c, const char *device, struct fault *f)
{
    struct video x = {.device = device};
    return qr_camera_open_frames(c, video_frame, &x, f);
}

int qr_camera_serve(int fd, const char *device)
{
    struct video x = {.device = device};
    return child(fd, video_frame, &x);
}

/* --- this side --- */

err_t qr_camera_take(struct qr_camera *c, char text[QRTEXT_TEXT_MAX + 1], struct fault *f)
{
    struct message m;
    ssize_t n;
    memset(text, 0, QRTEXT_TEXT_MAX + 1);
    do
        n = recv(c->fd, &m, sizeof m, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return ERR_MISSING;
    if (n <= (ssize_t)offsetof(struct message, text))
        return fault_set(f, ERR_FORMAT, "the process that reads the camera ended");
    m.text[(size_t)n - offsetof(struct message, text) - 1] = '\0';
    if (m.kind == 'T') {
        memcpy(text, m.text, strlen(m.text));
        return OK;
    }
    if (m.err == ERR_DONE)
        return ERR_DONE;
    m.text[strnlen(m.text, DETAIL)] = '\0';
    return fault_set(f, m.err > ERR_STOPPED || m.err == OK ? ERR_BUG : (err_t)m.err, "%s", m.text);
}

void qr_camera_close(struct qr_camera *c)
{
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        close(c->fd);
    }
    *c = (struct qr_camera){.fd = -1};
}
