/* The steps of the rehearsal, in the order of a real election. */
#include "appliance/rehearse.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/plan.h"
#include "tally/result.h"
#include "tally/verb.h"
#include "ui/table.h"

#define MARKER "this directory belongs to conclave rehearse and is made anew by it\n"

/* --- small helpers --- */

/* One conclave process of one trustee. */
static err_t trustee(struct rehearsal *r, uint32_t i, const char *input, int show, const char *const *verb,
                     struct fault *f)
{
    char conf[4096], board[4096], pin[4096], uri[9000];
    const char *argv[24];
    size_t n = 0;
    TRY(rehearse_path(conf, r, "tokens/trustee-%u/softhsm2.conf", i));
    TRY(rehearse_path(board, r, "board"));
    TRY(rehearse_path(pin, r, "tokens/trustee-%u/pin", i));
    snprintf(uri, sizeof uri, "pkcs11:token=trustee-%u?module-path=%s&pin-source=file:%s", i, r->module, pin);
    argv[n++] = r->self;
    for (; *verb != NULL && n < 18; verb++)
        argv[n++] = *verb;
    argv[n++] = "--board";
    argv[n++] = board;
    argv[n++] = "--token";
    argv[n++] = uri;
    argv[n] = NULL;
    struct party p = {conf, input, show, 0};
    err_t e = rehearse_run(r, &p, argv, f);
    return fault_who(f, e, "trustee %u", i);
}

static err_t everyone(struct rehearsal *r, const char *what, const char *const *verb, const char *input,
                      struct fault *f)
{
    rehearse_say(r, "%s", what);
    for (uint32_t i = 1; i <= r->n; i++)
        TRY(trustee(r, i, input, 0, verb, f));
    return OK;
}

static err_t run(struct rehearsal *r, int show, const char *const *argv, struct fault *f)
{
    struct party p = {NULL, NULL, show, 0};
    return rehearse_run(r, &p, argv, f);
}

/* What the others read aloud at the table: the words of a fingerprint, and a line end. */
static err_t words_line(char out[WORDS_TEXT_SIZE + 1], const hash_t *h)
{
    TRY(words_put(out, &words_en, h));
    strcat(out, "\n");
    return OK;
}

/* --- directory and tokens --- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

/* Makes DIR empty, but only if it is one of ours. */
static err_t fresh_directory(struct rehearsal *r, struct fault *f)
{
    char marker[4096];
    struct stat st;
    TRY(rehearse_path(marker, r, "REHEARSAL"));
    if (stat(r->dir, &st) == 0) {
        if (stat(marker, &st) != 0 && rmdir(r->dir) != 0)
            return fault_set(f, ERR_EXISTS, "%s is there and was not made by a rehearsal", r->dir);
        if (stat(marker, &st) == 0 && nftw(r->dir, remove_one, 32, FTW_DEPTH | FTW_PHYS) != 0)
            return fault_set(f, ERR_IO, "cannot clear %s", r->dir);
    }
    TRY(file_mkdir(r->dir, f));
    return file_write(marker, MARKER, strlen(MARKER), FILE_NEW, f);
}

static err_t private_file(struct rehearsal *r, uint32_t i, const char *name, const char *text,
                          struct fault *f)
{
    char path[4096];
    TRY(rehearse_path(path, r, "tokens/trustee-%u/%s", i, name));
    TRY(file_write(path, text, strlen(text), FILE_NEW, f));
    return chmod(path, 0600) == 0 ? OK : fault_set(f, ERR_IO, "cannot protect %s", path);
}

static err_t make_token(struct rehearsal *r, uint32_t i, struct fault *f)
{
    char store[4096], conf[4300], pin[32], label[32], so_file[4096], pin_file[4096], uri[4300];
    unsigned rnd[2];
    TRY(rehearse_path(store, r, "tokens/trustee-%u/store", i));
    TRY(file_mkdir(store, f));
    snprintf(conf, sizeof conf, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
             store);
    TRY(private_file(r, i, "softhsm2.conf", conf, f));
    random_bytes(rnd, sizeof rnd);
    snprintf(pin, sizeof pin, "%08u\n", rnd[0] % 100000000);
    TRY(private_file(r, i, "pin", pin, f));
    snprintf(pin, sizeof pin, "%08u\n", rnd[1] % 100000000);
    TRY(private_file(r, i, "so-pin", pin, f));
    TRY(rehearse_path(conf, r, "tokens/trustee-%u/softhsm2.conf", i));
    TRY(rehearse_path(so_file, r, "tokens/trustee-%u/so-pin", i));
    TRY(rehearse_path(pin_file, r, "tokens/trustee-%u/pin", i));
    snprintf(label, sizeof label, "trustee-%u", i);
    snprintf(uri, sizeof uri, "pkcs11:?module-path=%s", r->module);
    const char *argv[] = {r->self, "token",         "init",  "--token",    uri,      "--label",
                          label,   "--so-pin-file", so_file, "--pin-file", pin_file, NULL};
    struct party p = {conf, NULL, 0, 0};
    err_t e = rehearse_run(r, &p, argv, f);
    return fault_who(f, e, "token %u", i);
}

/* --- the key ceremony --- */

static err_t enroll_all(struct rehearsal *r, struct fault *f)
{
    static const char *const names[] = {"Alma Ibarra",  "Boris Lindqvist", "Chidi Okafor",
                                        "Dana Petrova", "Emil Sato",       "Farah Aziz",
                                        "Gita Rao",     "Hugo Meier",      "Ines Costa"};
    rehearse_say(r, "visit 1: %u trustees make keys in their tokens and enrol", r->n);
    for (uint32_t i = 1; i <= r->n; i++) {
        char name[64], organisation[64];
        snprintf(name, sizeof name, "%s%s", names[(i - 1) % 9], i > 9 ? " the second" : "");
        snprintf(organisation, sizeof organisation, "Organisation %u", i);
        const char *verb[] = {"enroll", "--name", name, "--organisation", organisation, NULL};
        TRY(trustee(r, i, NULL, 0, verb, f));
    }
    return OK;
}

static err_t roster_words(struct rehearsal *r, char out[WORDS_TEXT_SIZE + 1], struct fault *f)
{
    char board[4096];
    struct session s;
    TRY(rehearse_path(board, r, "board"));
    struct common c = {.board = board};
    TRY(session_open(&s, &c, 0, stderr, f));
    struct roster *roster = malloc(sizeof *roster);
    err_t e = roster == NULL ? fault_set(f, ERR_MEMORY, "roster") : session_roster(&s, roster, f);
    if (e == OK)
        e = words_line(out, &roster->ceremony);
    free(roster);
    session_close(&s);
    return e;
}

static err_t key_ceremony(struct rehearsal *r, struct fault *f)
{
    static const char *const roster[] = {"roster", NULL}, *const deal[] = {"deal", NULL},
                             *const complain[] = {"complain", NULL}, *const cut[] = {"cut", NULL},
                             *const confirm[] = {"confirm", NULL};
    char words[WORDS_TEXT_SIZE + 1], board[4096];
    double cpu = rehearse_cpu();
    TRY(enroll_all(r, f));
    TRY(roster_words(r, words, f));
    TRY(everyone(r, "visit 2: all compare the roster's words and type them", roster, words, f));
    TRY(everyone(r, "visit 2: all deal shares of the key", deal, NULL, f));
    TRY(everyone(r, "visit 3: all open the shares sealed to them", complain, NULL, f));
    TRY(trustee(r, 1, NULL, 0, cut, f));
    TRY(everyone(r, "visit 3: all rebuild and prove their share, and decrypt a test", confirm, NULL, f));
    TRY(rehearse_path(board, r, "board"));
    rehearse_say(r, "the key ceremony took %.2f s of CPU for %u trustees", rehearse_cpu() - cpu, r->n);
    const char *status[] = {r->self, "status", "--board", board, NULL};
    return run(r, 1, status, f);
}

/* --- voting --- */

struct totals { /* what the made-up voters chose, for comparison */
    char contest[64][TEXT_ID_MAX + 1], option[64][TEXT_ID_MAX + 1];
    uint64_t count[64];
    size_t used;
};

static err_t one_precinct(struct rehearsal *r, uint64_t i, struct fault *f)
{
    char place[64], board[4096], journal[4096], ballots[4096], key[4096], out[4096], count[24], seed[24];
    snprintf(place, sizeof place, "precinct-%05llu", (unsigned long long)i + 1);
    snprintf(count, sizeof count, "%llu", (unsigned long long)r->ballots);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)(r->seed * 1000003 + i));
    TRY(rehearse_path(board, r, "board"));
    TRY(rehearse_path(journal, r, "precincts/%s/journal", place));
    TRY(rehearse_path(ballots, r, "precincts/%s/ballots", place));
    TRY(rehearse_path(key, r, "precincts/%s/sign.key", place));
    TRY(rehearse_path(out, r, "exports/%s.cexp", place));
    const char *open[] = {r->tally,  "precinct", "open",      "--board", board,
                          "--place", place,      "--journal", journal,   NULL};
    const char *vote[] = {r->tally,   "ballot", "make",   "--board", board,   "--place", place,
                          "--random", count,    "--seed", seed,      "--out", ballots,   NULL};
    const char *cast[] = {r->tally, "precinct",  "cast",  "--board", board, "--place",
                          place,    "--journal", journal, ballots,   NULL};
    const char *close[] = {r->tally,   "precinct",  "close", "--board", board, "--place",
                           place,      "--journal", journal, "--key",   key,   "--no-passphrase",
                           "--export", out,         NULL};
    TRY(run(r, 0, open, f));
    TRY(run(r, 0, vote, f));
    TRY(run(r, 0, cast, f));
    return run(r, 0, close, f);
}

static err_t voting(struct rehearsal *r, struct fault *f)
{
    char path[4096];
    TRY(rehearse_path(path, r, "exports"));
    TRY(file_mkdir(path, f));
    rehearse_say(r, "voting: %llu precincts of %llu ballots each", (unsigned long long)r->precincts,
                 (unsigned long long)r->ballots);
    double start = rehearse_clock();
    for (uint64_t i = 0; i < r->precincts; i++) {
        TRY(one_precinct(r, i, f));
        if ((i + 1) % (r->precincts >= 40 ? r->precincts / 10 : 8) == 0 || i + 1 == r->precincts)
            rehearse_say(r, "  %llu of %llu precincts closed and exported (%.1f per second)",
                         (unsigned long long)i + 1, (unsigned long long)r->precincts,
                         (double)(i + 1) / (rehearse_clock() - start));
    }
    return OK;
}

/* --- or real results --- */

static err_t import_prepare_all(struct rehearsal *r, struct fault *f)
{
    char board[4096], key[4096], n[16], t[16];
    TRY(rehearse_path(board, r, "board"));
    TRY(rehearse_path(key, r, "official.key"));
    snprintf(n, sizeof n, "%u", r->n);
    snprintf(t, sizeof t, "%u", r->t);
    const char *new_key[] = {r->tally, "key", "new", "--out", key, "--no-passphrase", NULL};
    const char *prepare[] = {r->tally,     "import", "prepare",     "--out", board,         "--key",   key,
                             "--trustees", n,        "--threshold", t,       "--rehearsal", r->import, NULL};
    TRY(run(r, 0, new_key, f));
    return run(r, 0, prepare, f);
}

static err_t import_encrypt_all(struct rehearsal *r, struct fault *f)
{
    char board[4096], key[4096], exports[4096];
    TRY(rehearse_path(board, r, "board"));
    TRY(rehearse_path(key, r, "official.key"));
    TRY(rehearse_path(exports, r, "exports"));
    rehearse_say(r, "every count is encrypted, with a proof of its range");
    const char *encrypt[] = {r->tally, "import", "encrypt", "--board",         board,     "--exports",
                             exports,  "--key",  key,       "--no-passphrase", r->import, NULL};
    return run(r, 0, encrypt, f);
}

/* --- decryption night --- */

static err_t plan_words(struct rehearsal *r, char out[WORDS_TEXT_SIZE + 1], const char *plan, struct fault *f)
{
    uint8_t *data;
    size_t len;
    hash_t h;
    (void)r;
    TRY(file_read(&data, &len, plan, PLAN_MAX, f));
    err_t e = plan_hash(&h, data, len);
    free(data);
    return e == OK ? words_line(out, &h) : e;
}

static err_t decryption_night(struct rehearsal *r, struct fault *f)
{
    char board[4096], exports[4096], work[4096], plan[4096], own[4096], words[WORDS_TEXT_SIZE + 1];
    TRY(rehearse_path(board, r, "board"));
    TRY(rehearse_path(exports, r, "exports"));
    TRY(rehearse_path(work, r, "tally"));
    TRY(rehearse_path(plan, r, "tally/plan.cbor"));
    rehearse_say(r, "aggregation: precinct, county, state, nation");
    const char *aggregate[] = {r->tally, "aggregate", "--board", board, "--exports",
                               exports,  "--work",    work,      NULL};
    const char *make_plan[] = {r->tally, "plan", "--board", board, "--work", work, NULL};
    const char *combine[] = {r->tally, "combine", "--board", board, "--work", work, NULL};
    TRY(run(r, 0, aggregate, f));
    rehearse_say(r, "the decryption plan");
    TRY(run(r, 1, make_plan, f));
    TRY(plan_words(r, words, plan, f));
    uint32_t odd = (r->n + 1) / 2; /* n, n-2, ... and then n-1, n-3, ... */
    for (uint32_t k = 0; k < r->t; k++) {
        uint32_t i = k < odd ? r->n - 2 * k : r->n - 1 - 2 * (k - odd);
        rehearse_say(r, "trustee %u verifies every ballot, compares the plan's words and decrypts", i);
        TRY(rehearse_path(own, r, "tokens/trustee-%u/verified", i));
        const char *decrypt[] = {"decrypt", "--plan", plan, "--exports", exports, "--work", own, NULL};
        TRY(trustee(r, i, words, 0, decrypt, f));
    }
    rehearse_say(r, "combining the partial decryptions of %u trustees", r->t);
    return run(r, 0, combine, f);
}

static err_t publish_and_verify(struct rehearsal *r, struct fault *f)
{
    char board[4096], exports[4096], work[4096], bundle[4096], anchor[4096], line[80];
    hash_t h;
    struct bundle_election *el;
    TRY(rehearse_path(board, r, "board"));
    TRY(rehearse_path(exports, r, "exports"));
    TRY(rehearse_path(work, r, "tally"));
    TRY(rehearse_path(bundle, r, "bundle"));
    TRY(rehearse_path(anchor, r, "anchor"));
    rehearse_say(r, "publishing the bundle");
    const char *publish[] = {r->tally, "publish", "--board", board,  "--exports", exports,
                             "--work", work,      "--out",   bundle, NULL};
    TRY(run(r, 0, publish, f));
    TRY(bundle_election_load(&el, board, 1, f));
    record_anchor(&h, &el->m->election, &el->r->id);
    bundle_election_free(el);
    hex_put(line, h.b, HASH_LEN);
    strcat(line, "\n");
    TRY(file_write(anchor, line, strlen(line), FILE_NEW, f));
    line[2 * HASH_LEN] = '\0';
    const char *fingerprint[] = {r->self, "fingerprint", "--board", board, "--qr", NULL};
    TRY(run(r, 1, fingerprint, f));
    rehearse_say(r, "anyone verifies: conclave-verify %s --election %s", bundle, line);
    const char *verify[] = {r->verify, bundle, "--election", line, NULL};
    return run(r, 1, verify, f);
}

/* --- the result, against what the made-up voters chose --- */

/* "total CONTEST OPTION COUNT" lines that ballot make printed into the log. */
static err_t voted(struct rehearsal *r, const struct manifest *m, uint64_t *votes, struct fault *f)
{
    char path[4096], line[512], contest[128], option[128];
    unsigned long long count;
    TRY(rehearse_path(path, r, "log"));
    FILE *log = fopen(path, "re");
    if (log == NULL)
        return fault_set(f, ERR_IO, "cannot read the log");
    while (fgets(line, sizeof line, log) != NULL) {
        if (sscanf(line, "total %127s %127s %llu", contest, option, &count) != 3)
            continue;
        int c = manifest_contest(m, contest);
        for (size_t o = 0; c >= 0 && o < m->contest[c].option_count; o++)
            if (strcmp(m->contest[c].option[o].id, option) == 0)
                votes[(size_t)c * OPTIONS_MAX + o] += count;
    }
    fclose(log);
    return OK;
}

/* votes NULL: nobody knows what was voted. */
static err_t result_row_print(struct table *t, const struct manifest *m, const struct result_row *row,
                              const uint64_t *votes, int *differs)
{
    int c = manifest_contest(m, row->contest);
    if (c < 0)
        return ERR_UNKNOWN;
    for (size_t o = 0; o < row->count; o++) {
        char got[24], want[24];
        uint64_t expected = votes == NULL ? row->votes[o] : votes[(size_t)c * OPTIONS_MAX + o];
        snprintf(got, sizeof got, "%llu", (unsigned long long)row->votes[o]);
        snprintf(want, sizeof want, "%llu", (unsigned long long)expected);
        *differs |= expected != row->votes[o];
        const char *cell[] = {o == 0 ? m->contest[c].title : "", m->contest[c].option[o].title, got, got,
                              votes == NULL ? "" : want};
        TRY(table_row(t, cell));
    }
    return OK;
}

static err_t show_result(struct rehearsal *r, struct fault *f)
{
    const struct table_column column[] = {{"contest", TABLE_LEFT},
                                          {"option", TABLE_LEFT},
                                          {"decrypted", TABLE_RIGHT},
                                          {"", TABLE_BAR},
                                          {r->import != NULL ? "" : "voted", TABLE_RIGHT}};
    char board[4096], path[4096];
    struct bundle_election *el = NULL;
    struct result *res = NULL;
    struct table *t = NULL;
    int differs = 0;
    uint64_t *votes = calloc((size_t)CONTESTS_MAX * OPTIONS_MAX, sizeof *votes);
    err_t e = votes == NULL ? fault_set(f, ERR_MEMORY, "result") : OK;
    GO(e);
    GO(rehearse_path(board, r, "board"));
    GO(rehearse_path(path, r, "tally/result.cbor"));
    GO(bundle_election_load(&el, board, 1, f));
    GO(result_load(&res, path, f));
    GO(voted(r, el->m, votes, f));
    GO(table_new(&t, column, 5));
    struct place root;
    places_get(el->places, 0, &root);
    for (size_t i = 0; i < res->row_count; i++)
        if (strcmp(res->row[i].place, root.id) == 0)
            GO(result_row_print(t, el->m, &res->row[i], r->import != NULL ? NULL : votes, &differs));
    fprintf(r->out, "\n");
    GO(table_print(t, r->out, TABLE_UNICODE, 30));
    fprintf(r->out, "\n");
    if (differs)
        e = fault_set(f, ERR_SUM, "the decrypted result is not what was voted");
out:
    table_free(t);
    result_free(res);
    bundle_election_free(el);
    free(votes);
    return e;
}

/* --- all of it --- */

static err_t rehearse_all(struct rehearsal *r, struct fault *f)
{
    char board[4096];
    TRY(fresh_directory(r, f));
    rehearse_say(r, "%u tokens (SoftHSM2), one for each trustee", r->n);
    for (uint32_t i = 1; i <= r->n; i++)
        TRY(make_token(r, i, f));
    rehearse_say(r, "the first token is probed, as every trustee does before a ceremony");
    const char *probe[] = {"token", "probe", NULL};
    TRY(trustee(r, 1, NULL, 1, probe, f));
    if (r->import != NULL) {
        rehearse_say(r, "an election of the kind import, from %s", r->import);
        TRY(import_prepare_all(r, f));
    } else {
        rehearse_say(r, "an election of %llu precincts", (unsigned long long)r->precincts);
        TRY(rehearse_election(r, f));
    }
    TRY(rehearse_path(board, r, "board"));
    const char *check[] = {r->self, "election", "check", "--board", board, NULL};
    TRY(run(r, 1, check, f));
    TRY(key_ceremony(r, f));
    TRY(r->import != NULL ? import_encrypt_all(r, f) : voting(r, f));
    TRY(decryption_night(r, f));
    TRY(show_result(r, f));
    TRY(publish_and_verify(r, f));
    rehearse_say(r, "done: %s/bundle (open index.html), trust anchor in %s/anchor", r->dir, r->dir);
    return OK;
}

/* Programs lie beside this one. */
static err_t find_programs(struct rehearsal *r, char self[4096], struct fault *f)
{
    ssize_t n = readlink("/proc/self/exe", self, 4095);
    if (n <= 0)
        return fault_set(f, ERR_IO, "cannot find the own program");
    self[n] = '\0';
    r->self = self;
    int dir = (int)(strrchr(self, '/') - self);
    if (snprintf(r->tally, sizeof r->tally, "%.*s/conclave-tally", dir, self) >= (int)sizeof r->tally ||
        snprintf(r->verify, sizeof r->verify, "%.*s/conclave-verify", dir, self) >= (int)sizeof r->verify)
        return fault_set(f, ERR_LIMIT, "path too long");
    if (access(r->tally, X_OK) != 0 || access(r->verify, X_OK) != 0)
        return fault_set(f, ERR_MISSING, "conclave-tally and conclave-verify must be beside %s", self);
    return OK;
}

static const char *find_module(void)
{
    static const char *const places_tried[] = {
        "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"};
    for (size_t i = 0; i < sizeof places_tried / sizeof places_tried[0]; i++)
        if (access(places_tried[i], R_OK) == 0)
            return places_tried[i];
    return NULL;
}

err_t verb_rehearse(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    const char *dir = NULL, *precincts = NULL, *ballots = NULL, *seed = NULL, *module = NULL, *n = NULL,
               *t = NULL;
    struct rehearsal r = {.out = stdout, .started = rehearse_clock()};
    struct arg spec[] = {
        {"dir", ARG_TEXT, &dir, "DIR", "where everything goes (default build/rehearsal)", 0},
        {"precincts", ARG_TEXT, &precincts, "N", "default 24", 0},
        {"ballots", ARG_TEXT, &ballots, "N", "in each precinct, default 25", 0},
        {"seed", ARG_TEXT, &seed, "N", "decides how the made-up voters vote; never the cryptography", 0},
        {"trustees", ARG_TEXT, &n, "N", "default 9", 0},
        {"threshold", ARG_TEXT, &t, "T", "default 5", 0},
        {"import", ARG_TEXT, &r.import, "FILE", "real results in the MEDSL layout, instead of made-up voters",
         0},
        {"module", ARG_TEXT, &module, "FILE", "SoftHSM2's PKCS#11 module", 0},
        {0}};
    char self[4096], real[4096];
    uint64_t n64 = 9, t64 = 5;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    r.precincts = 24;
    r.ballots = 25;
    r.seed = 1;
    TRY(args_number(&r.precincts, precincts, "precincts", 1, 99999, f));
    TRY(args_number(&r.ballots, ballots, "ballots", 1, 100000, f));
    TRY(args_number(&r.seed, seed, "seed", 0, 1000000000, f));
    TRY(args_number(&n64, n, "trustees", 2, TRUSTEES_MAX, f));
    TRY(args_number(&t64, t, "threshold", 2, n64, f));
    r.n = (uint32_t)n64;
    r.t = (uint32_t)t64;
    r.module = module != NULL ? module : find_module();
    if (r.module == NULL)
        return fault_set(f, ERR_MISSING, "SoftHSM2 is not installed (package softhsm2)");
    TRY(find_programs(&r, self, f));
    if (dir == NULL)
        dir = "build/rehearsal";
    TRY(file_mkdir(dir, f));
    if (realpath(dir, real) == NULL)
        return fault_set(f, ERR_IO, "%s", dir);
    r.dir = real;
    return rehearse_all(&r, f);
}
