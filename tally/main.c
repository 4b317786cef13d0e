/* conclave-tally: what tally officials run. A table of verbs; each has --help. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "tally/verb.h"

static const struct verb verbs[] = {
    {"key new", "", "make a signing key for an official or a precinct",
     "The public key that is printed goes into the column \"key\" of the jurisdictions.", verb_key_new},
    {"key show", "FILE", "print the public key of a key file", NULL, verb_key_show},
    {"import prepare", "FILE", "make an election of the kind import from precinct results",
     "Reads precinct results in the MEDSL layout and writes manifest and jurisdictions.",
     verb_import_prepare},
    {"import encrypt", "FILE", "encrypt imported precinct results",
     "One export per precinct, each count with a range proof bound to its place.", verb_import_encrypt},
    {"ballot make", "", "encrypt ballots as a voter's device does",
     "Writes a CBOR sequence of ballots. For tests and rehearsals: --random lets a seed decide the votes "
     "(never the\n"
     "encryption) and prints the totals it voted, one line \"total CONTEST OPTION COUNT\" each.",
     verb_ballot_make},
    {"precinct open", "", "begin or go on with the journal of a precinct", NULL, verb_precinct_open},
    {"precinct cast", "[FILE]", "take ballots",
     "Reads a CBOR sequence of ballots from FILE or standard input. Prints \"accepted ID\", \"again ID\" or\n"
     "\"refused NUMBER ERR_NAME\" for each; what is accepted is on disk.",
     verb_precinct_cast},
    {"precinct close", "", "end the voting and write the signed export", NULL, verb_precinct_close},
    {"precinct correct", "", "open a closed precinct for a correction", NULL, verb_precinct_correct},
    {"precinct remove", "", "take a ballot out during a correction", NULL, verb_precinct_remove},
    {"precinct status", "", "say where a precinct stands", NULL, verb_precinct_status},
    {"precinct receipt", "", "make the receipt of a ballot", NULL, verb_precinct_receipt},
    {"aggregate", "", "verify all exports and add them up",
     "Every ballot of every export is verified on this machine. Can be interrupted and run again.",
     verb_aggregate},
    {"plan", "", "make the decryption plan from the records", NULL, verb_plan},
    {"combine", "", "combine partial decryptions to the result",
     "Uses any t good ones, names those that are missing or bad, and is run again when more arrive.",
     verb_combine},
    {"publish", "", "make the bundle that anyone can verify", NULL, verb_publish},
    {"show", "FILE...", "print any file of an election for people",
     "Manifests, entries, records, exports, plans, results, ballots, receipts, key files, QR texts and "
     "pictures of\n"
     "QR codes. With --board it checks what it prints.",
     verb_show},
};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static volatile sig_atomic_t stop; /* set by signals; read by long jobs */

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void watch_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;  /* without SA_RESTART: waiting for input ends too */
    action.sa_flags = SA_RESETHAND; /* the second signal ends the program at once */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    sigaction(SIGPIPE, &action, NULL);
}

static void usage(FILE *out)
{
    fprintf(out, "conclave-tally: ballots, aggregation, decryption plan, result, bundle\n\nusage: "
                 "conclave-tally VERB [OPTIONS]\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(out, "  %-18s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(
        out,
        "\nconclave-tally VERB --help says more. Exit status: 0 done, 1 refused or failed, 2 wrong use.\n");
}

/* How many words of argv the name takes, or 0 if it is another verb. */
static int matches(const struct verb *v, int argc, char **argv)
{
    const char *space = strchr(v->name, ' ');
    if (space == NULL)
        return argc >= 1 && strcmp(argv[0], v->name) == 0;
    size_t first = (size_t)(space - v->name);
    if (argc < 2 || strlen(argv[0]) != first || strncmp(argv[0], v->name, first) != 0)
        return 0;
    return strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

/* "precinct --help" and "precinct" alone list the verbs of that family. */
static int family_help(int argc, char **argv, FILE *out)
{
    int found = 0;
    size_t len = strlen(argv[0]);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strncmp(verbs[i].name, argv[0], len) != 0 || verbs[i].name[len] != ' ')
            continue;
        fprintf(out, "  conclave-tally %-18s %s\n", verbs[i].name, verbs[i].summary);
        found = 1;
    }
    return found && argc > 1 && strcmp(argv[1], "--help") == 0;
}

static int run(const struct verb *verb, int argc, char **argv)
{
    struct verb_run v = {.verb = verb, .out = stdout, .err = stderr, .stop = &stop};
    fault_clear(&v.fault);
    err_t e = verb->run(&v, argc, argv);
    if (e == OK && fflush(stdout) != 0)
        e = fault_set(&v.fault, ERR_IO, "writing to standard output failed");
    if (e == OK)
        return 0;
    if (v.fault.err != e)
        fault_set(&v.fault, e, "%s", "");
    verb_print_fault(&v, &v.fault);
    return e == ERR_USAGE ? 2 : 1;
}

int main(int argc, char **argv)
{
    err_t e = secret_init();
    if (e != OK) {
        fprintf(stderr, "conclave-tally: %s [%s]\n", err_meaning(e), err_name(e));
        return 1;
    }
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return 0;
    }
    watch_signals();
    for (size_t i = 0; i < VERB_COUNT; i++) {
        int words = matches(&verbs[i], argc - 1, argv + 1);
        if (words > 0)
            return run(&verbs[i], argc - 1 - words, argv + 1 + words);
    }
    if (family_help(argc - 1, argv + 1, stderr))
        return 0;
    fprintf(stderr, "conclave-tally: there is no such verb; conclave-tally --help lists them [ERR_USAGE]\n");
    return 2;
}
