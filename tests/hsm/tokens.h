/* Tokens for the tests of hsm/: SoftHSM2, NSS softoken and the mock, in a directory of their own under
 * build/. The token process is the test program itself. Included once by each test program. */
#ifndef TESTS_HSM_TOKENS_H
#define TESTS_HSM_TOKENS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "hsm/hsm.h"

#define SO_PIN "87654321"
#define USER_PIN "12345678"

struct tokens {
    char dir[512];
    char softhsm[256], nss[256], mock[600]; /* modules; empty if not installed */
    char soft_uri[2048], mock_uri[2048], nss_uri[2048];
};

static struct tokens tk;

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

/* What main does with argv[1] "token-process". Under the sanitizer, a leak leaves a file behind, since
 * nobody looks at this process's exit status. */
static int token_process(void)
{
    int status = hsm_server_main(HSM_SERVER_FD, NULL);
#ifdef __SANITIZE_ADDRESS__
    const char *mark = getenv("CONCLAVE_TEST_LEAK");
    if (mark != NULL && __lsan_do_recoverable_leak_check())
        close(open(mark, O_CREAT | O_WRONLY, 0600));
#endif
    fflush(NULL);
    _exit(status);
}

/* 1 if a token process leaked. */
static int token_process_leaked(void)
{
    const char *mark = getenv("CONCLAVE_TEST_LEAK");
    return mark != NULL && access(mark, F_OK) == 0;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void find_module(char out[256], const char *pattern)
{
    glob_t g;
    out[0] = 0;
    if (glob(pattern, 0, NULL, &g) == 0 && g.gl_pathc > 0)
        snprintf(out, 256, "%s", g.gl_pathv[0]);
    globfree(&g);
}

static void write_text(const char *name, const char *text)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", tk.dir, name);
    FILE *f = fopen(path, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
        die(path);
}

static void tokens_init(void)
{
    char exe[400], text[2048];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n < 0)
        die("/proc/self/exe");
    exe[n] = 0;
    *strrchr(exe, '/') = 0;
    snprintf(tk.dir, sizeof tk.dir, "%s/tokens.XXXXXX", exe);
    if (mkdtemp(tk.dir) == NULL)
        die(tk.dir);
    *strrchr(exe, '/') = 0;
    snprintf(tk.mock, sizeof tk.mock, "%s/mock_p11.so", exe);
    find_module(tk.softhsm, "/usr/lib*/softhsm/libsofthsm2.so");
    find_module(tk.nss, "/usr/lib*/*/libsoftokn3.so");
    snprintf(text, sizeof text, "%s/soft", tk.dir);
    if (mkdir(text, 0700) != 0)
        die(text);
    snprintf(text, sizeof text,
             "directories.tokendir = %s/soft\nobjectstore.backend = file\nlog.level = ERROR\n", tk.dir);
    write_text("softhsm2.conf", text);
    snprintf(text, sizeof text, "%s/leaked", tk.dir);
    setenv("CONCLAVE_TEST_LEAK", text, 1);
    write_text("pin", USER_PIN "\n");
    write_text("wrong-pin", "99999999\n");
    snprintf(text, sizeof text, "%s/softhsm2.conf", tk.dir);
    setenv("SOFTHSM2_CONF", text, 1);
    setenv("MOCK_P11_MODULE", tk.softhsm, 1);
    snprintf(tk.soft_uri, sizeof tk.soft_uri, "pkcs11:token=trustee-1?module-path=%s", tk.softhsm);
    snprintf(tk.mock_uri, sizeof tk.mock_uri, "pkcs11:token=trustee-1?module-path=%s&pin-source=%s/pin",
             tk.mock, tk.dir);
    snprintf(
        tk.nss_uri, sizeof tk.nss_uri,
        "pkcs11:token=NSS%%20Certificate%%20DB?module-path=%s&pin-source=%s/pin&x-init-reserved="
        "configdir%%3D'sql%%3A%s/nss'%%20certPrefix%%3D''%%20keyPrefix%%3D''%%20secmod%%3D''%%20flags%%3D",
        tk.nss, tk.dir, tk.dir);
}

static void tokens_remove(void)
{
    char command[2048];
    snprintf(command, sizeof command, "rm -rf '%s'", tk.dir);
    if (system(command) != 0)
        fprintf(stderr, "%s was not removed\n", tk.dir);
}

/* --- PINs --- */

struct pins {
    const char *pin;
    int asked;
    struct hsm_pin_info info;
    err_t refuse;
};

static err_t give_pin(void *ctx, char *out, size_t max, const struct hsm_pin_info *info, struct fault *f)
{
    struct pins *p = ctx;
    p->asked++;
    p->info = *info;
    if (p->refuse != OK)
        return fault_set(f, p->refuse, "the person said no");
    if (out != NULL)
        snprintf(out, max, "%s", p->pin);
    return OK;
}

static err_t give_so_pin(void *ctx, char *out, size_t max, const struct hsm_pin_info *info, struct fault *f)
{
    (void)ctx;
    (void)info;
    (void)f;
    snprintf(out, max, "%s", SO_PIN);
    return OK;
}

static err_t give_user_pin(void *ctx, char *out, size_t max, const struct hsm_pin_info *info, struct fault *f)
{
    (void)ctx;
    (void)info;
    (void)f;
    snprintf(out, max, "%s", USER_PIN);
    return OK;
}

static struct hsm_options options(struct pins *p)
{
    struct hsm_options o = {.program = "/proc/self/exe", .timeout_ms = 20000, .keep_stderr = 1};
    if (p != NULL) {
        o.pin = give_pin;
        o.pin_ctx = p;
    }
    return o;
}

/* A new token in the module of uri. */
static err_t token_make(const char *uri, const char *label, struct fault *f)
{
    struct hsm_options o = options(NULL);
    struct hsm_init_request r = {.label = label, .so_pin = give_so_pin, .user_pin = give_user_pin};
    return hsm_init(uri, &o, &r, f);
}

static void print_fault(err_t e, const struct fault *f)
{
    char text[1200];
    fault_text(text, sizeof text, f);
    if (e != OK)
        print_message("%s: %s\n", err_name(e), text);
}

#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        fault_clear(&f);                                                                                     \
        err_t e_ = (call);                                                                                   \
        print_fault(e_, &f);                                                                                 \
        assert_int_equal(e_, OK);                                                                            \
    } while (0)

#define assert_err(call, expected)                                                                           \
    do {                                                                                                     \
        fault_clear(&f);                                                                                     \
        err_t e_ = (call);                                                                                   \
        if (e_ != (expected))                                                                                \
            print_fault(e_, &f);                                                                             \
        assert_int_equal(e_, (expected));                                                                    \
    } while (0)

#define assert_says(part) assert_non_null(strstr(f.detail, part))

#endif
