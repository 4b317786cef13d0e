/* conclave: what a trustee does, as verbs. */
#include <string.h>
#include <unistd.h>

#include "appliance/face.h"
#include "appliance/keeper.h"
#include "appliance/minutes.h"
#include "ceremony/base/secret.h"
#include "hsm/hsm.h"
#include "tally/verb.h"

static const struct verb verbs[] = {
    {"token list", "", "list tokens that can be seen, with their URIs", NULL, verb_token_list},
    {"token probe", "", "try whether a token can do all that a ceremony needs",
     "Tries it on the token, for real, and cleans up.", verb_token_probe},
    {"token init", "", "give a new token its label and PINs", "Destroys what is on it.", verb_token_init},
    {"election check", "", "check an election's files",
     "Reads manifest.json and jurisdictions.csv strictly, warns, and shows the election's words.",
     verb_election_check},
    {"enroll", "", "visit 1: make keys and enrol",
     "Makes your two keys in the token and a seed sealed to them, and signs your enrolment.\n"
     "You promise: this token is mine, and I will take part with it. Repeating it changes nothing.",
     verb_enroll},
    {"roster", "", "visit 2: compare who takes part, and sign it",
     "Shows who takes part, in which seat, and the roster's words. You read the words aloud with the\n"
     "others and type them: by that you sign that all of you saw the same roster.",
     verb_roster},
    {"deal", "", "visit 2: deal shares of the key",
     "Opens your contribution to the key and seals a share of it to every trustee's token. The token is\n"
     "bound to this roster from now on.",
     verb_deal},
    {"complain", "", "visit 3: complain about bad shares, if any",
     "Opens every share sealed to you and signs a complaint about each dealer whose share is bad.",
     verb_complain},
    {"reveal", "", "answer complaints",
     "Answers complaints about your deal: the share concerned becomes public, so that all can judge it.",
     verb_reveal},
    {"cut", "", "visit 3: fix what is on the board",
     "Fixes what is on the board: deals, complaints, reveals, and who is absent. The key follows from it.",
     verb_cut},
    {"confirm", "", "visit 3: rebuild and prove your share",
     "Checks every deal, opens your shares, rebuilds your share of the key, proves it and decrypts a test.",
     verb_confirm},
    {"status", "", "who has done what, and what comes next",
     "Shows who has done what and what comes next. Writes record.cbor once the key is released.",
     verb_status},
    {"fingerprint", "", "words and QR codes to compare",
     "Shows the words of election, roster, key and plan, to be read aloud and compared.", verb_fingerprint},
    {"merge", "FROM", "copy entries from another board",
     "Copies every good entry of the board FROM into this one. Nothing is overwritten or removed.",
     verb_merge},
    {"drill", "", "prove that your share is still there",
     "Proves that your share can be rebuilt today, on a challenge that somebody else has chosen.",
     verb_drill},
    {"decrypt", "", "decryption night: verify, sign the plan, decrypt",
     "Verifies every ballot and the plan's rules on this machine, shows what would be decrypted, and after\n"
     "you typed the plan's words lets your token take part. A token signs one plan.",
     verb_decrypt},
    {"retire", "", "destroy your part of the key",
     "Signs that you retire, and destroys the ceremony key in your token. Your share is gone for ever.",
     verb_retire},
    {"exception", "", "note what did not go as planned",
     "Signs what you noted and puts it on the board. Nothing can be taken back; nothing depends on it.",
     verb_exception},
    {"minutes", "", "the ceremony's steps, to sign on paper",
     "Every step with its time and the hash of its entry, who took part, and lines to sign on, as text and "
     "as a\n"
     "page to print. Made from the board alone: whoever has it makes the same minutes.",
     verb_minutes},
    {"selftest", "", "does this machine calculate right",
     "Known answers of every primitive, health of the randomness; with --token also of the token, and its "
     "probe.",
     verb_selftest},
    {"show", "FILE...", "print any file of an election for people", NULL, verb_show},
    {"rehearse", "", "a whole election on this machine with throw-away tokens",
     "Plays a whole election on this machine: nine throw-away tokens, key ceremony, voting, aggregation,\n"
     "decryption, publication, verification. Every party is a process of its own.",
     verb_rehearse},
};

/* Without a verb: the screens. */
static err_t appliance(int argc, char **argv, struct fault *f)
{
    struct arg_list folders = {0};
    struct appliance_options o = {.folder = folders.item};
    const struct arg spec[] = {
        {"board", ARG_TEXT, &o.board, "DIR", "the board: a directory, on removable media for example", 0},
        {"token", ARG_TEXT, &o.token, "URI", "the token, or the tokens to choose from, pkcs11:... (RFC 7512)",
         0},
        {"language", ARG_TEXT, &o.language, "TAG", "en or es; otherwise asked for", 0},
        {"folder", ARG_LIST, &folders, "DIR",
         "a folder that the screens may open besides those of the board, media and home", 0},
        {"rehearsal", ARG_FLAG, &o.rehearsal, NULL, "on a machine with a network; said on every screen", 0},
        {"lines", ARG_FLAG, &o.lines, NULL, "line by line, for screen readers and plain terminals", 0},
        {0}};
    int help;
    TRY(args_parse(argc, argv, spec, NULL, &help, f));
    o.folder_count = folders.count;
    if (!help)
        return appliance_run(&o, f);
    printf("Without a verb conclave opens its screens.\n\nusage: conclave [OPTIONS]\n\n");
    args_print(stdout, spec);
    return OK;
}

int main(int argc, char **argv)
{
    static const struct verb_program program = {
        .name = "conclave",
        .about = "an election key that no one machine ever has. Without a verb: its screens",
        .verb = verbs,
        .count = sizeof verbs / sizeof verbs[0],
    };
    struct fault f;
    fault_clear(&f);
    if (argc >= 2 && strcmp(argv[1], "token-process") == 0) {
        struct sandbox_state
            ignored; /* the same kernel: what it refuses is said about the keeper, or here by status */
        sandbox_enter(&ignored, SANDBOX_TOKEN, NULL, 0);
        return hsm_server_main(HSM_SERVER_FD, argc > 2 ? argv[2] : NULL);
    }
    if (argc >= 2 && strcmp(argv[1], "keeper-process") == 0)
        return keeper_main(KEEPER_FD, argc > 2 ? argv[2] : NULL);
    if (argc == 3 && strcmp(argv[1], "camera-process") == 0)
        return launcher_camera_main(KEEPER_FD, argv[2]);
    err_t e = secret_init();
    if (e != OK)
        return verb_report(&program, stderr, e, &f);
    int is_verb =
        argc < 2 ? !isatty(STDIN_FILENO) : strncmp(argv[1], "--", 2) != 0 || strcmp(argv[1], "--help") == 0;
    if (!is_verb)
        return verb_report(&program, stderr, appliance(argc - 1, argv + 1, &f), &f);
    return verb_main(&program, argc, argv);
}
