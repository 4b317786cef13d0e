/* The keeper: a process of its own that holds the token's session, the seed and the share, and answers as the
 * vault (ceremony/vault.h) for the process that reads boards and plans.
 *
 * It is this program again, started with "keeper-process": main() calls keeper_main(3) then. It starts the
 * token process (hsm/hsm.h), opens what it may need (the terminal, the PIN's file), and then gives up its
 * rights (sandbox.h): no file, no socket, no program can be opened any more. It asks for the PIN on the
 * terminal itself (unless the caller has a page for that), and shows there the words of a plan that it
 * computed from the plan's bytes.
 *
 * The two talk over a socket in frames of ceremony/base/wire.h. No secret goes through it but the PIN of such
 * a page. What is long (statements of cuts, plans, signed entries) goes in pieces. When either side ends, so
 * does the other's use of it: the keeper with its parent, calls with ERR_TOKEN_FAILED. */
#ifndef APPLIANCE_KEEPER_H
#define APPLIANCE_KEEPER_H

#include <sys/types.h>

#include "appliance/keeper_page.h"
#include "appliance/sandbox.h"
#include "ceremony/vault.h"
#include "hsm/hsm.h"
#include "ui/messages.h"

#define KEEPER_FD 3

struct keeper_options {
    const char *program; /* "/proc/self/exe" */
    /* Starts it instead, as a child of this process, with fd as KEEPER_FD: for who may not start programs.
     * Returns errno's number. NULL: it is started from program. */
    int (*spawn)(void *ctx, pid_t *pid, int fd);
    void *spawn_ctx;
    int last_try;           /* as in hsm.h */
    enum language language; /* of what the keeper writes on the terminal */
    enum keeper_show show;
    int rehearsal; /* said where a plan is shown */
    /* The door for who draws on the terminal: called with lend = 1 before the keeper writes to it and reads
     * from it, with 0 afterwards. NULL: the terminal is free at any time. */
    void (*terminal)(void *ctx, int lend);
    void *terminal_ctx;
    /* Who asks for the PIN instead of the keeper, on a page of its own: then the PIN goes through this
     * process, in locked memory. NULL: the keeper asks on the terminal. */
    hsm_pin_fn *pin;
    void *pin_ctx;
};

/* Starts the keeper with the token that uri names. state: what it could not give up. Errors of hsm_open, and
 * ERR_TOKEN_FAILED if the process cannot be started. */
MUST err_t keeper_open(struct vault *out, struct sandbox_state *state, const char *uri,
                       const struct keeper_options *opt, struct fault *f);

/* The keeper process: serves fd until its other end closes. Returns the exit status. module: a token's URI
 * may name no other module by its path, and with "" none; NULL: any. */
int keeper_main(int fd, const char *module);

#endif
