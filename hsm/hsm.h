/* HSMs: the ceremony's keystore over PKCS#11, and what a trustee does with a token before a ceremony.
 *
 * The vendor's module is foreign code. It is loaded in a process of its own, the token process, which
 * this program starts from its own executable: main() calls hsm_server_main when argv[1] is
 * "token-process". The two talk over a socket in small bounded frames (hsm/wire.h). Seed, share and
 * nonces never go there; the PIN goes once, in locked memory, and is wiped on both sides right after
 * C_Login. A module that crashes or hangs gives ERR_TOKEN_FAILED, never a hang.
 *
 * Tokens are named by RFC 7512 URIs, from the command line or the appliance's settings only, because
 * module-path loads code. Understood besides the token's and slot's attributes: module-path (otherwise
 * all modules p11-kit has configured are looked at), pin-source (a path or file: URI), and the vendor
 * attribute x-init-reserved, the string some modules (NSS softoken) want in C_Initialize; it needs
 * module-path. pin-value and a pin-source that starts with '|' are refused.
 *
 * Order of calls: secret_init(), hsm_open(), operations of ceremony/keystore.h, close. One thread.
 * Nothing here prints. */
#ifndef HSM_HSM_H
#define HSM_HSM_H

#include <sys/types.h>

#include "ceremony/keystore.h"

#define HSM_PIN_MAX 128 /* bytes of a PIN, without the NUL */
#define HSM_URI_MAX 2000
#define HSM_SERVER_FD 3

struct hsm_pin_info {
    char label[33], serial[17];
    int tries_low; /* a wrong PIN was given before */
    int final_try; /* one more wrong PIN locks the token; only with hsm_options.last_try */
    int keypad;    /* the PIN is typed on the token; the callback only tells the person so */
};

/* Asks a person for a PIN. Writes it with a NUL into secret_out, max bytes in all, locked memory that the
 * caller wipes; with info->keypad secret_out is NULL. An error, such as ERR_REFUSED, is handed on. */
typedef err_t hsm_pin_fn(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info,
                         struct fault *f);

struct hsm_options {
    const char *program; /* executable of the token process, such as "/proc/self/exe" */
    hsm_pin_fn *pin;     /* may be NULL: then pin-source or the keypad must do */
    void *pin_ctx;
    int last_try;      /* the person accepts that a wrong PIN locks the token */
    int timeout_ms;    /* for each answer of the token process; 0: 60 s */
    int open_pin_file; /* the URI's pin-source is opened now, and read when it is needed */
    int keep_stderr;   /* the token process keeps stderr; otherwise it goes to /dev/null */
    /* Starts the token process instead, as a child of this one, with fd as HSM_SERVER_FD: for who may not
     * start programs. Returns errno's number. NULL: it is started from program. */
    int (*spawn)(void *ctx, pid_t *pid, int fd, int keep_stderr);
    void *spawn_ctx;
};

/* Starts the token process and finds the one token that uri names; no login yet. The strings of opt must
 * live until close. ERR_USAGE (URI), ERR_TOKEN_ABSENT, ERR_TOKEN_WRONG (only others are there),
 * ERR_TOKEN_CANNOT, ERR_TOKEN_FAILED. On error out is zeroed.
 *
 * A PIN is sent to the token at most once per hsm_open: after a refused PIN every operation that needs
 * login gives ERR_TOKEN_PIN, without another try. */
MUST err_t hsm_open(struct keystore *out, const char *uri, const struct hsm_options *opt, struct fault *f);

/* An hsm_pin_fn that asks on /dev/tty without echo. The terminal is restored on every way out, also on
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT, which are delivered after that. ERR_REFUSED on Ctrl-C or Ctrl-D,
 * ERR_IO without a terminal, ERR_LIMIT when the PIN does not fit. ctx: unused. */
err_t hsm_pin_prompt(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info,
                     struct fault *f);

/* The same on a terminal that is open for reading and writing. question: in the person's language, NULL: in
 * English. */
err_t hsm_pin_prompt_on(int tty, char *secret_out, size_t max, const struct hsm_pin_info *info,
                        const char *question, struct fault *f);

/* The token process: serves fd until its other end closes. Returns the exit status. No module is loaded by
 * its path but this one; "": only those that are configured; NULL: any. */
int hsm_server_main(int fd, const char *module);

/* The module-path of a URI, "" if it has none. ERR_USAGE, ERR_LIMIT. */
MUST err_t hsm_uri_module(char *out, size_t out_len, const char *uri, struct fault *f);
/* The file that its pin-source names, "" if it has none. ERR_USAGE, ERR_LIMIT. */
MUST err_t hsm_uri_pin_file(char out[1024], const char *uri, struct fault *f);

/* --- list --- */

struct hsm_token {
    struct token_info info;
    char uri[512];    /* names this token */
    char module[256]; /* file of the module */
    int initialized, pin_set, tries_low, final_try, locked, keypad;
};

/* Calls fn for each token that can hold keys and matches uri (NULL: all of the configured modules). */
MUST err_t hsm_list(const char *uri, const struct hsm_options *opt,
                    err_t (*fn)(void *ctx, const struct hsm_token *token), void *ctx, struct fault *f);

/* --- init --- */

struct hsm_init_request {
    const char *label;       /* new label, 1..32 bytes of text */
    const char *force_label; /* the present label typed by the person to erase a token in use, or NULL */
    hsm_pin_fn *so_pin, *user_pin;
    void *pin_ctx;
};

/* Initialises the token named by uri (C_InitToken, C_InitPIN): everything on it is destroyed. Of several
 * tokens that match, an uninitialised one is taken. ERR_EXISTS if it is initialised and force_label is
 * not its label. */
MUST err_t hsm_init(const char *uri, const struct hsm_options *opt, const struct hsm_init_request *request,
                    struct fault *f);

/* A PIN from a file as pin-source gives it: a path or a file: URI; one line end at the end is cut.
 * secret_out: max bytes with the NUL. ERR_USAGE for '|', ERR_MISSING, ERR_FORMAT, ERR_LIMIT. */
MUST err_t hsm_pin_file(char *secret_out, size_t max, const char *source, struct fault *f);

/* In two steps: the descriptor of a pin-source, or -1; and the PIN from it, which does not close it. */
MUST err_t hsm_pin_file_open(int *fd, const char *source, struct fault *f);
MUST err_t hsm_pin_file_read(char *secret_out, size_t max, int fd, struct fault *f);

/* --- probe --- */

enum hsm_verdict { HSM_PASS, HSM_FAIL, HSM_NOTE };

struct hsm_check {
    const char *id, *title;
    enum hsm_verdict verdict;
    char note[200];
};

#define HSM_PROBE_CHECKS 20
#define HSM_PROBE_KEYS 4

struct hsm_probe {
    struct token_info info;
    struct hsm_check check[HSM_PROBE_CHECKS];
    size_t count, failed;
    err_t login; /* how the login went: after a wrong PIN the probe says nothing about the token */
    hash_t keys[HSM_PROBE_KEYS]; /* hashes of the throw-away public keys, zero where none was made */
};

/* Tries on the token named by uri all that a ceremony needs, with throw-away keys that are destroyed
 * afterwards (also those that an earlier, interrupted probe left). Signatures and shared secrets are
 * checked with OpenSSL in this process. seen: keys[] of earlier probes, of any token; a key that
 * comes again fails the probe.
 * Returns OK when the page could be filled, also with failed checks; the error of hsm_open otherwise. */
MUST err_t hsm_probe(struct hsm_probe *out, const char *uri, const struct hsm_options *opt,
                     const hash_t *seen, size_t seen_count, struct fault *f);

#endif
