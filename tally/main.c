/* conclave-tally: what tally officials run. A table of verbs; each has --help. */
#include <malloc.h>
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
    {"chain open", "DIR", "make the directory of a voting chain's node",
     "The chain is one of the manifest's. It begins with one shard, or 2^N.", verb_chain_open},
    {"chain append", "DIR [FILE...]", "take ballots into a chain",
     "Reads CBOR sequences of envelopes (ballot make --envelope) from files or standard input, until their "
     "end. Prints\n"
     "\"accepted ID\", \"again ID\" or \"refused NUMBER ERR_NAME\" for each; what is accepted is on disk. "
     "One "
     "process\n"
     "for each shard; answers come as they are ready. A passphrase file is for both keys.",
     verb_chain_append},
    {"chain split", "DIR", "split a shard in two, also while ballots are taken", NULL, verb_chain_split},
    {"chain close", "DIR", "end the voting: the last block of every shard", NULL, verb_chain_close},
    {"chain status", "DIR", "say where a chain stands, and its anchors",
     "An anchor is the root of a shard's ballots at a size: print it elsewhere, and a verifier can compare.",
     verb_chain_status},
    {"chain export", "DIR", "write a snapshot with everything that proves it", NULL, verb_chain_export},
    {"chain sign", "EXPORT", "as a validator, verify an export completely and sign its snapshot", NULL,
     verb_chain_sign},
    {"chain prune", "DIR", "drop ballots below a final snapshot; their hashes stay", NULL, verb_chain_prune},
    {"chain verify", "DIR", "verify the export of a voting chain",
     "Every ballot of every shard, unless --quick or --trust say otherwise. Can be interrupted and run again "
     "with --work.\n"
     "Nothing is decrypted by what a quick look or a trusted snapshot says: \"aggregate\" checks "
     "everything.\n"
     "Exit status 1 if a check failed; what was NOT CHECKED is no failure here.",
     verb_chain_verify},
    {"chain serve-metrics", "", "serve the numbers of all shards to Prometheus",
     "GET /metrics over HTTP on this machine's loopback address only, until it is interrupted.\n"
     "docs/monitoring/ lists the numbers and has alert rules and a dashboard.",
     verb_chain_serve_metrics},
    {"part sign", "REPORT...", "sign partial reports of conclave-verify --part",
     "Sign only what your own machine made. Writes REPORT.signed beside it.", verb_part_sign},
    {"tune", "", "measure this machine, choose its settings, predict the time for an election",
     "Takes half a minute, alone on the machine if it is to say the truth. The settings change no result.",
     verb_tune},
    {"show", "FILE...", "print any file of an election for people",
     "Manifests, entries, records, exports, plans, results, ballots, receipts, key files, QR texts and "
     "pictures of\n"
     "QR codes. With --board it checks what it prints.",
     verb_show},
};

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
    sigaction(SIGXFSZ, &action, NULL); /* a file as large as allowed is an error of writing, with its name */
}

int main(int argc, char **argv)
{
    static const struct verb_program program = {
        .name = "conclave-tally",
        .about = "ballots, aggregation, decryption plan, result, bundle",
        .verb = verbs,
        .count = sizeof verbs / sizeof verbs[0],
        .stop = &stop,
    };
    struct fault f;
    fault_clear(&f);
    mallopt(M_MMAP_THRESHOLD, 1 << 20); /* large blocks go back to the system: no holes between small ones */
    err_t e = secret_init();
    if (e != OK)
        return verb_report(&program, stderr, e, &f);
    watch_signals();
    return verb_main(&program, argc, argv);
}
