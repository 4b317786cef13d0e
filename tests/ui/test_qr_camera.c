/* Reading from a camera: the process around it, with pictures made here; a real one where there is one. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "tests/support/unit.h"

#include "ceremony/base/secret.h"
#include "tests/support/picture.h"
#include "ui/qr.h"
#include "ui/qr_camera.h"

static struct fault f;

struct film {
    size_t at;
    int crash, fail;
};

static err_t next(void *ctx, struct gray *out, struct fault *fault)
{
    static const char *const text[] = {"ONE", "ONE", NULL, "TWO", "ONE"};
    struct film *x = ctx;
    if (x->at == sizeof text / sizeof text[0]) {
        if (x->crash)
            abort();
        return x->fail ? fault_set(fault, ERR_IO, "the film tore") : ERR_DONE;
    }
    const char *t = text[x->at++];
    return t != NULL ? picture_qr(out, t, 3, fault) : gray_new(out, 100, 100);
}

static err_t take(struct qr_camera *c, char text[QRTEXT_TEXT_MAX + 1])
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    fault_clear(&f);
    err_t e = qr_camera_take(c, text, &f);
    while (e == ERR_MISSING) {
        assert_int_equal(poll(&p, 1, 10000), 1);
        e = qr_camera_take(c, text, &f);
    }
    return e;
}

static void open_film(struct qr_camera *c, struct film x, char text[QRTEXT_TEXT_MAX + 1])
{
    assert_err(qr_camera_open_frames(c, next, &x, &f), OK);
    assert_err(take(c, text), OK);
    assert_string_equal(text, "ONE");
    assert_err(take(c, text), OK);
    assert_string_equal(text, "TWO");
    assert_err(take(c, text), OK);
    assert_string_equal(text, "ONE");
}

static void test_film(void **state)
{
    char text[QRTEXT_TEXT_MAX + 1];
    struct qr_camera c;
    (void)state;
    open_film(&c, (struct film){0}, text);
    assert_err(take(&c, text), ERR_DONE);
    assert_string_equal(text, "");
    qr_camera_close(&c);
    qr_camera_close(&c);
    open_film(&c, (struct film){.fail = 1}, text);
    assert_err(take(&c, text), ERR_IO);
    assert_string_equal(f.detail, "the film tore");
    qr_camera_close(&c);
}

static void test_reader_that_crashes(void **state)
{
    char text[QRTEXT_TEXT_MAX + 1];
    struct qr_camera c;
    (void)state;
    open_film(&c, (struct film){.crash = 1}, text);
    assert_err(take(&c, text), ERR_FORMAT);
    qr_camera_close(&c);
}

/* A camera that is none. */
static void test_no_camera(void **state)
{
    char text[QRTEXT_TEXT_MAX + 1];
    struct qr_camera c;
    (void)state;
    assert_err(qr_camera_open(&c, "build/tests/tmp/no-camera", &f), OK);
    assert_err(take(&c, text), ERR_IO);
    assert_non_null(strstr(f.detail, "cannot be opened"));
    qr_camera_close(&c);
    assert_err(qr_camera_open(&c, "/dev/null", &f), OK);
    assert_int_not_equal(take(&c, text), OK);
    qr_camera_close(&c);
}

static void test_real_camera(void **state)
{
    char name[QR_CAMERAS_MAX][64], text[QRTEXT_TEXT_MAX + 1];
    struct qr_camera c;
    (void)state;
    assert_int_equal(qr_cameras(name, "build/tests"), 0);
    if (qr_cameras(name, NULL) == 0) {
        print_message("skipped: there is no camera here\n");
        skip();
    }
    assert_err(qr_camera_open(&c, name[0], &f), OK);
    struct pollfd p = {.fd = c.fd, .events = POLLIN};
    if (poll(&p, 1, 2000) == 1)
        print_message("%s: %s\n", name[0], err_name(qr_camera_take(&c, text, &f)));
    qr_camera_close(&c);
}

static int setup(void **state)
{
    (void)state;
    return secret_init() == OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_film),
        cmocka_unit_test(test_reader_that_crashes),
        cmocka_unit_test(test_no_camera),
        cmocka_unit_test(test_real_camera),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
