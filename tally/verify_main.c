/* conclave-verify: checks a published bundle, or a message from QR codes, with no secret. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/array.h"
#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/metrics.h"
#include "tally/settings.h"
#include "tally/verify_merge.h"
#include "tally/verify_part.h"
#include "tally/verify_print.h"
#include "ui/args.h"
#include "ui/image.h"
#include "ui/progress.h"
#include "ui/qr_read.h"
#include "ui/qrtext.h"

#define TEXT_FILE_MAX ((size_t)8 << 20)

static const char usage[] =
    "BUNDLE | QR-TEXT... | PICTURE... | RECEIPT [--election WORDS|HEX] [--threads N] [--resume DIR]\n"
    "       conclave-verify BUNDLE --part K/N --out DIR\n"
    "       conclave-verify merge BUNDLE REPORT... --signers FILE [--signed-by FILE] [--election WORDS|HEX]";
static const char about[] =
    "Checks everything that can be checked from a published bundle (a directory), or a message from QR "
    "codes, given\n"
    "as texts that start with CONCLAVE1:, as text files, as pictures or as a receipt's file; all parts make "
    "one "
    "message.\n"
    "With a bundle and a message, the message is checked against the bundle too.\n\n"
    "Memory: 24 MB for ballots and 40 MB for their ids, whatever their number and that of the processors, 2 "
    "KB for "
    "each\n"
    "file and place, and what plan and result take; 240 MB more with voting chains. With --resume, a run "
    "that was stopped (Ctrl-C, SIGTERM, "
    "a power "
    "cut)\n"
    "goes on where it was, and its report is the same; whoever can write DIR can make it pass over bad "
    "ballots.\n\n"
    "Many machines: each makes a report of its part of the exports (--part), its owner signs it "
    "(conclave-tally part\n"
    "sign), and merge does all other checks and takes what the signers of FILE say of the exports; REPORT is "
    "a "
    "file or\n"
    "a directory of *.signed. A part ends with 0 when its report is written, whatever is in it.\n\n"
    "Exit status: 0 everything was checked and is good; 1 something failed; 2 wrong use; 3 nothing failed, "
    "but something\n"
    "that is required was not checked (without --election: whether this is the real election).";

struct inputs {
    const char *bundle;
    char **text; /* QR texts */
    size_t text_count, text_cap;
};

static volatile sig_atomic_t stop; /* set by signals */

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void watch_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN; /* a file as large as allowed is an error of writing, with its name */
    action.sa_flags = 0;
    sigaction(SIGXFSZ, &action, NULL);
}

/* --- reading the arguments --- */

static err_t add_text(struct inputs *in, const char *text, size_t len)
{
    TRY(array_room(&in->text, in->text_count + 1, &in->text_cap, sizeof *in->text, 16));
    char *copy = strndup(text, len);
    if (copy == NULL)
        return ERR_MEMORY;
    in->text[in->text_count++] = copy;
    return OK;
}

static err_t add_lines(struct inputs *in, const char *data, size_t len, const char *path, struct fault *f)
{
    size_t before = in->text_count;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(data + at, '\n', len - at);
        size_t line = end != NULL ? (size_t)(end - data) - at : len - at;
        if (line > 0 && data[at + line - 1] == '\r')
            line--;
        if (line > 0)
            TRY(add_text(in, data + at, line));
        at = end != NULL ? (size_t)(end - data) + 1 : len;
    }
    if (in->text_count > before)
        return OK;
    fault_set(f, ERR_FORMAT, "neither a bundle, a picture, nor texts of QR codes");
    return fault_file(f, ERR_FORMAT, path);
}

/* The file that "conclave-tally precinct receipt --out" writes: the message without its texts. */
static int receipt_is(const uint8_t *data, size_t len)
{
    static const char head[] = "\x8c\x70"
                               "conclave/receipt";
    return len >= sizeof head - 1 && memcmp(data, head, sizeof head - 1) == 0;
}

static err_t add_receipt(struct inputs *in, const uint8_t *data, size_t len, struct fault *f)
{
    struct qrtext t;
    err_t e = qrtext_split(&t, QRTEXT_RECEIPT, data, len);
    for (size_t i = 0; i < t.count && e == OK; i++)
        e = add_text(in, t.part[i], strlen(t.part[i]));
    qrtext_free(&t);
    return e == OK ? OK : fault_set(f, e, "the receipt");
}

static err_t add_file(struct inputs *in, const char *path, struct fault *f)
{
    uint8_t *data;
    size_t len;
    struct qr_found found;
    TRY(file_read(&data, &len, path, IMAGE_FILE_MAX, f));
    int picture = image_is(data, len);
    err_t e = picture                 ? OK
              : receipt_is(data, len) ? add_receipt(in, data, len, f)
              : len > TEXT_FILE_MAX   ? fault_set(f, ERR_LIMIT, "too large for texts of QR codes")
              : memchr(data, '\0', len)
                  ? fault_set(f, ERR_FORMAT, "neither a bundle, a picture, a receipt, nor texts")
                  : add_lines(in, (const char *)data, len, path, f);
    free(data);
    if (!picture)
        return e == OK ? OK : fault_file(f, e, path);
    e = qr_read_file(&found, path, f);
    if (e != OK)
        return fault_file(f, e, path);
    for (size_t i = 0; i < found.count && e == OK; i++)
        if (qrtext_is(found.text[i]))
            e = add_text(in, found.text[i], strlen(found.text[i]));
    qr_found_free(&found);
    return e;
}

static err_t add_input(struct inputs *in, const char *arg, struct fault *f)
{
    struct stat st;
    if (qrtext_is(arg))
        return add_text(in, arg, strlen(arg));
    if (stat(arg, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (in->bundle != NULL)
            return fault_set(f, ERR_USAGE, "one bundle at a time");
        in->bundle = arg;
        return OK;
    }
    return add_file(in, arg, f);
}

/* --- the work --- */

static err_t check_message(struct verify_report **out, const struct inputs *in,
                           const struct verify_options *o, struct fault *f)
{
    uint8_t *message;
    size_t len;
    char kind;
    struct fault why;
    fault_clear(&why);
    err_t e = qrtext_join(&message, &len, &kind, (const char *const *)in->text, in->text_count, &why);
    if (e == ERR_MEMORY)
        return fault_set(f, e, "joining the texts");
    if (e != OK)
        return verify_unreadable(out, "QR texts", &why);
    e = verify_message(out, "QR texts", kind, message, len, in->bundle, o, f);
    free(message);
    return e;
}

static int worst(int a, int b)
{
    if (a == VERIFY_EXIT_FAILED || b == VERIFY_EXIT_FAILED)
        return VERIFY_EXIT_FAILED;
    return a > b ? a : b;
}

static int show(const struct verify_report *const *r, size_t count, int json, int quiet)
{
    int status = VERIFY_EXIT_GOOD;
    err_t e = OK;
    for (size_t i = 0; i < count; i++)
        status = worst(status, verify_exit_status(r[i]));
    if (json)
        e = verify_print_json(stdout, r, count, status);
    for (size_t i = 0; i < count && !json && e == OK; i++) {
        if (i > 0)
            printf("\n");
        e = verify_print(stdout, r[i], quiet);
    }
    if (e == OK && fflush(stdout) != 0)
        e = ERR_IO;
    if (e == OK)
        return status;
    fprintf(stderr, "conclave-verify: the report cannot be written: %s [%s]\n", err_meaning(e), err_name(e));
    return VERIFY_EXIT_FAILED;
}

static int complain(const struct fault *f)
{
    char text[1200];
    if (f->err == ERR_STOPPED) {
        fprintf(stderr, "conclave-verify: stopped, nothing is decided\n");
        return VERIFY_EXIT_UNCHECKED;
    }
    fault_text(text, sizeof text, f);
    fprintf(stderr, "conclave-verify: %s\n", text);
    return f->err == ERR_USAGE ? VERIFY_EXIT_USAGE : VERIFY_EXIT_FAILED;
}

struct watch {
    struct progress bar;
    int is_shown;
    struct metrics *metrics;
    const char *metrics_path;
};

static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct watch *w = ctx;
    struct fault ignored; /* numbers that cannot be written stop nothing; the end says so */
    (void)!metrics_publish_file(w->metrics, w->metrics_path, 0, &ignored);
    if (w->is_shown)
        return progress_step(&w->bar, what, done, total);
    return stop ? ERR_STOPPED : OK;
}

/* --- parts of a verification --- */

struct parts_given {
    const char *part, *out;                    /* making one */
    const char *signers, *program, *signed_by; /* merging */
    int is_merge;
    struct part_signers known;
    struct verify_parts *parts;
};

static int make_part(const char *bundle, struct verify_options *o, const struct parts_given *p, int quiet)
{
    struct verify_part_run *r = NULL;
    struct watch w = {.metrics = o->metrics};
    struct fault f;
    uint64_t failures = 0;
    unsigned k, n;
    err_t e;
    fault_clear(&f);
    progress_init(&w.bar, stderr, &stop);
    w.is_shown = w.bar.is_terminal && !quiet;
    o->progress = on_progress;
    o->progress_ctx = &w;
    GO(part_parse_number(&k, &n, p->part, &f));
    GO(verify_part_open(&r, bundle, o, &f));
    GO(verify_part_make(r, p->out, k, n, &failures, &f));
    progress_end(&w.bar);
    if (!quiet)
        printf(
            "part %u of %u is in %s/part-%u-of-%u%s: %llu failures. Sign it with conclave-tally part sign.\n",
            k, n, p->out, k, n, VERIFY_PART_SUFFIX, (unsigned long long)failures);
out:
    progress_end(&w.bar);
    verify_part_close(r);
    return e == OK ? VERIFY_EXIT_GOOD : complain(&f);
}

static err_t load_parts(struct parts_given *p, const struct arg_list *given, struct fault *f)
{
    hash_t program;
    if (given->count < 3)
        return fault_set(f, ERR_USAGE, "merge wants a bundle and partial reports");
    if (p->program && hex_get(program.b, HASH_LEN, p->program) != OK)
        return fault_set(f, ERR_USAGE, "--program: 64 hex digits in lower case");
    if (!p->program)
        TRY(part_program(&program, f));
    if (p->signers)
        TRY(part_signers_read(&p->known, p->signers, f));
    TRY(verify_parts_new(&p->parts, given->item[1], &p->known, &program, 0, f));
    for (size_t i = 2; i < given->count; i++)
        TRY(verify_parts_add(p->parts, given->item[i], f));
    return OK;
}

/* The list goes to standard error, so that the report is that of a run on one machine. */
static int show_parts(const struct parts_given *p, int quiet)
{
    struct fault f;
    char *text = NULL;
    size_t len;
    fault_clear(&f);
    err_t e = quiet ? OK : verify_parts_print(stderr, p->parts);
    FILE *out = e == OK && p->signed_by ? open_memstream(&text, &len) : NULL;
    if (out) {
        e = verify_parts_json(out, p->parts);
        err_t ended = file_memstream_end(out, &text);
        e = e == OK ? ended : e;
        if (e == OK)
            e = file_write(p->signed_by, text, len, FILE_REPLACE, &f);
        free(text);
    } else if (e == OK && p->signed_by) {
        e = ERR_MEMORY;
    }
    if (e != OK && f.err == OK)
        fault_set(&f, e, "the list of signers cannot be written");
    return e == OK ? VERIFY_EXIT_GOOD : complain(&f);
}

/* --- the whole --- */

/* What the command line says. */
struct given {
    const char *anchor, *key, *threads, *resume, *settings, *metrics;
    int json, quiet, help;
    struct arg_list words, chain_anchor;
    struct parts_given parts;
    struct inputs in;
    uint64_t thread_count;
    struct settings tuned;
    struct metrics *numbers;
};

static err_t read_options(struct given *g, int argc, char **argv, struct fault *f)
{
    const struct arg spec[] = {
        {"election", ARG_TEXT, &g->anchor, "WORDS|HEX",
         "anchor of the real election, from a source that you trust", 0},
        {"key", ARG_TEXT, &g->key, "WORDS|HEX", "result proofs: the words of the joint key", 0},
        {"threads", ARG_TEXT, &g->threads, "N", "processors to use; all if left out", 0},
        {"settings", ARG_TEXT, &g->settings, "FILE",
         "how this machine is best used, made by conclave-tally tune", 0},
        {"metrics", ARG_TEXT, &g->metrics, "FILE.prom",
         "write numbers about the run, each second (docs/monitoring)", 0},
        {"chain-anchor", ARG_LIST, &g->chain_anchor, "CHAIN:SHARD:SIZE:ROOT",
         "root of a voting chain that was printed elsewhere; can be repeated", 0},
        {"resume", ARG_TEXT, &g->resume, "DIR", "remember there which exports were good, and go on from it",
         0},
        {"part", ARG_TEXT, &g->parts.part, "K/N",
         "look at this part of the exports only, and write a report of it", 0},
        {"out", ARG_TEXT, &g->parts.out, "DIR",
         "with --part: where its report goes, and the ids of its ballots", 0},
        {"signers", ARG_TEXT, &g->parts.signers, "FILE", "merge: lines KEY NAME, whose reports count", 0},
        {"program", ARG_TEXT, &g->parts.program, "HEX",
         "merge: SHA-256 of the program that made the reports; this one if left out", 0},
        {"signed-by", ARG_TEXT, &g->parts.signed_by, "FILE",
         "merge: write there who signed what (docs/spec/parts.md)", 0},
        {"json", ARG_FLAG, &g->json, NULL, "the report as JSON (docs/spec/verify-json.md)", 0},
        {"quiet", ARG_FLAG, &g->quiet, NULL, "only what did not pass, and the verdict", 0},
        {0},
    };
    TRY(args_parse(argc - 1, argv + 1, spec, &g->words, &g->help, f));
    if (g->help) {
        printf("usage: conclave-verify %s\n\n%s\n\n", usage, about);
        args_print(stdout, spec);
    }
    return OK;
}

static err_t read_inputs(struct given *g, struct fault *f)
{
    struct parts_given *p = &g->parts;
    TRY(args_number(&g->thread_count, g->threads, "threads", 1, 1024, f));
    if (g->words.count == 0)
        return fault_set(f, ERR_USAGE, "what is to be verified? see --help");
    TRY(settings_load(&g->tuned, g->settings, NULL, f));
    TRY(metrics_new_for(&g->numbers, "verify", g->metrics, f));
    p->is_merge = strcmp(g->words.item[0], "merge") == 0;
    if (p->is_merge) {
        TRY(load_parts(p, &g->words, f));
        g->in.bundle = g->words.item[1];
    }
    for (size_t i = 0; i < g->words.count && !p->is_merge; i++)
        TRY(add_input(&g->in, g->words.item[i], f));
    if (p->part && (!p->out || !g->in.bundle || p->is_merge || g->in.text_count))
        return fault_set(f, ERR_USAGE, "--part wants one bundle and --out");
    return OK;
}

static void given_free(struct given *g)
{
    verify_parts_free(g->parts.parts);
    part_signers_free(&g->parts.known);
    for (size_t i = 0; i < g->in.text_count; i++)
        free(g->in.text[i]);
    free(g->in.text);
    free(g->numbers);
}

static int work(const struct given *g, struct verify_options *o)
{
    struct verify_report *r[2] = {NULL, NULL};
    struct watch w = {.metrics = o->metrics, .metrics_path = g->metrics};
    struct fault f, unwritten;
    size_t count = 0;
    fault_clear(&f);
    fault_clear(&unwritten);
    progress_init(&w.bar, stderr, &stop);
    w.is_shown = w.bar.is_terminal && !g->quiet && !g->json;
    o->progress = on_progress;
    o->progress_ctx = &w;
    err_t e = OK;
    if (g->in.bundle != NULL)
        e = verify_bundle(&r[count++], g->in.bundle, o, &f);
    progress_end(&w.bar);
    if (metrics_publish_file(w.metrics, g->metrics, 1, &unwritten) != OK) /* that is no verdict */
        (void)complain(&unwritten);
    if (e == OK && g->in.text_count > 0)
        e = check_message(&r[count++], &g->in, o, &f);
    if (e != OK && f.err == OK)
        fault_set(&f, e, "verifying");
    int status =
        e == OK ? show((const struct verify_report *const *)r, count, g->json, g->quiet) : complain(&f);
    for (size_t i = 0; i < count; i++)
        verify_report_free(r[i]);
    return status;
}

static int run(const struct given *g)
{
    struct verify_options o = {.anchor = g->anchor,
                               .key = g->key,
                               .threads = (int)(g->thread_count ? g->thread_count : g->tuned.threads),
                               .resume = g->resume,
                               .batch_points = g->tuned.batch_points,
                               .window = g->tuned.window,
                               .metrics = g->numbers,
                               .parts = g->parts.parts,
                               .chain_anchor = g->chain_anchor.item,
                               .chain_anchor_count = g->chain_anchor.count};
    if (g->parts.part)
        return make_part(g->in.bundle, &o, &g->parts, g->quiet);
    int status = work(g, &o);
    return g->parts.is_merge ? worst(status, show_parts(&g->parts, g->quiet)) : status;
}

int main(int argc, char **argv)
{
    struct given g = {0};
    struct fault f;
    fault_clear(&f);
    mallopt(M_MMAP_THRESHOLD, 1 << 20); /* large blocks go back to the system: no holes between small ones */
    err_t e = secret_init();            /* for the libraries; nothing secret is ever here */
    if (e != OK)
        return complain((fault_set(&f, e, "starting"), &f));
    watch_signals();
    e = read_options(&g, argc, argv, &f);
    if (e == OK && g.help)
        return VERIFY_EXIT_GOOD;
    if (e == OK)
        e = read_inputs(&g, &f);
    if (e != OK && f.err == OK)
        fault_set(&f, e, "reading the arguments");
    int status = e == OK ? run(&g) : complain(&f);
    given_free(&g);
    return status;
}
