/* conclave: what a trustee does, as verbs. */
#include <stdio.h>
#include <string.h>

#include "appliance/session.h"
#include "ceremony/base/secret.h"
#include "hsm/hsm.h"

static const struct {
    const char *name, *about;
    verb_fn *run;
} verbs[] = {
    {"token", "list, probe or initialise tokens", verb_token},
    {"election", "check an election's files", verb_election},
    {"enroll", "visit 1: make keys and enrol", verb_enroll},
    {"roster", "visit 2: compare who takes part, and sign it", verb_roster},
    {"deal", "visit 2: deal shares of the key", verb_deal},
    {"complain", "visit 3: complain about bad shares, if any", verb_complain},
    {"reveal", "answer complaints", verb_reveal},
    {"cut", "visit 3: fix what is on the board", verb_cut},
    {"confirm", "visit 3: rebuild and prove your share", verb_confirm},
    {"status", "who has done what, and what comes next", verb_status},
    {"fingerprint", "words and QR codes to compare", verb_fingerprint},
    {"merge", "copy entries from another board", verb_merge},
    {"drill", "prove that your share is still there", verb_drill},
    {"decrypt", "decryption night: verify, sign the plan, decrypt", verb_decrypt},
    {"retire", "destroy your part of the key", verb_retire},
    {"show", "show any file in readable form", verb_show_file},
    {"rehearse", "a whole election on this machine with throw-away tokens", verb_rehearse},
};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static int usage(FILE *out, int status)
{
    fprintf(out, "conclave: an election key that no one machine ever has\n\nusage: conclave VERB [--help] ...\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(out, "  %-12s %s\n", verbs[i].name, verbs[i].about);
    return status;
}

/* 0 done; 1 refused or failed; 2 wrong command line. */
static int report(err_t e, struct fault *f)
{
    char text[2048];
    if (e == OK && fflush(stdout) != 0)
        e = fault_set(f, ERR_IO, "standard output");
    if (e == OK)
        return 0;
    if (f->err != e) /* set by nobody, or about something that was handled */
        fault_set(f, e, "%s", "");
    fault_text(text, sizeof text, f);
    fprintf(stderr, "conclave: %s\n", text);
    return e == ERR_USAGE ? 2 : 1;
}

int main(int argc, char **argv)
{
    struct fault f;
    fault_clear(&f);
    if (argc >= 2 && strcmp(argv[1], "token-process") == 0)
        return hsm_server_main(HSM_SERVER_FD);
    err_t e = secret_init();
    if (e != OK)
        return report(e, &f);
    if (argc < 2)
        return usage(stderr, 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout, 0);
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return report(verbs[i].run(argc - 1, argv + 1, &f), &f);
    return usage(stderr, 2);
}
