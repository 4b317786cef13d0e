/* QR messages: result proof, anchor, fingerprint, receipt (docs/spec/result-qr.md). The same report as for
 * a bundle, with fewer checks. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/fingerprint.h"
#include "tally/precinct.h"
#include "tally/resultqr.h"
#include "tally/verify_state.h"
#include "ui/qrtext.h"
#include "ui/words.h"

struct message {
    struct verify_report *rep;
    const struct verify_options *opt;
    const char *dir;
    struct bundle_election *be; /* of the bundle, if one is given and can be read */
    const uint8_t *data;
    size_t len;
    FILE *content;
};

/* --- filing --- */

static struct verify_outcome *add(struct message *m, const char *id, const char *title, const char *spec)
{
    struct verify_outcome *o = &m->rep->outcome[m->rep->count++];
    o->id = id;
    o->title = title;
    o->spec = spec;
    o->required = 1;
    return o;
}

static void fail(struct verify_outcome *o, err_t e, const char *detail)
{
    outcome_fail(o, e, "", "", detail);
}

static void skip(struct verify_outcome *o, const char *why)
{
    if (!o->reason[0])
        snprintf(o->reason, sizeof o->reason, "%s", why);
}

/* e decides, if it is one of those that this check is about. */
static void settle(struct verify_outcome *o, err_t e, const struct fault *f)
{
    if (e != OK)
        fail(o, e, f->detail);
}

/* --- is it the real election? --- */

/* The anchor that election and record hash lead to, against --election. */
static void check_anchor(struct message *m, struct verify_outcome *o, const hash_t *election,
                         const hash_t *record)
{
    struct fault f;
    fault_clear(&f);
    record_anchor(&m->rep->fingerprint, election, record);
    m->rep->has_fingerprint = 1;
    if (m->opt->anchor == NULL)
        skip(o, "no --election was given");
    else if (words_anchor_match(&words_en, &m->rep->fingerprint, m->opt->anchor, &f) != OK)
        fail(o, f.err, "it is of another election than the one named with --election");
}

static void check_bundle_is(struct message *m, struct verify_outcome *o, const hash_t *election,
                            const hash_t *record)
{
    if (m->be != NULL &&
        (hash_cmp(election, &m->be->r->election) != 0 || hash_cmp(record, &m->be->r->id) != 0))
        fail(o, ERR_ELECTION, "it is of another election or ceremony than the bundle");
}

/* --- result proof --- */

static void result_content(struct message *m, const struct resultqr *q)
{
    fprintf(m->content, "%s\n%s (%s), %s: %llu ballots\n", q->election_title, q->place_title, q->place,
            q->contest_title, (unsigned long long)q->ballots);
    for (size_t i = 0; i < q->option_count; i++)
        fprintf(m->content, "  %-40s %12llu\n", q->option[i].title, (unsigned long long)q->votes[i]);
    fprintf(m->content, "decrypted by the seats");
    for (size_t i = 0; i < q->partial_count; i++)
        fprintf(m->content, " %u", q->partial[i].seat);
    fprintf(m->content, "\n");
}

/* The hashes in the message bind nothing to its Y: only the record of the election or the key's own words
 * do. */
static void check_real_key(struct message *m, struct verify_outcome *o, const struct resultqr *q)
{
    hash_t key;
    char words[WORDS_TEXT_SIZE];
    struct fault f;
    fault_clear(&f);
    check_anchor(m, o, &q->election, &q->record);
    err_t e = resultqr_key_hash(&key, &q->election, &q->record, &q->Y);
    if (e == OK)
        e = words_put(words, &words_en, &key);
    if (e != OK) {
        fail(o, e, "the words of the key cannot be made");
        return;
    }
    fprintf(m->content, "words of the key: %s\n", words);
    if (m->opt->key != NULL && words_anchor_match(&words_en, &key, m->opt->key, &f) != OK)
        fail(o, f.err, "it is of another key than the one named with --key");
    if (m->be != NULL && resultqr_check_record(q, m->be->r, &f) != OK)
        fail(o, f.err, f.detail);
    if (m->be != NULL && m->opt->anchor != NULL)
        return;
    if (m->opt->key != NULL) {
        o->reason[0] = '\0';
        return;
    }
    skip(o, "neither the words of the key (--key) nor the bundle with --election was given: the hash of the "
            "record in the "
            "message does not bind the key");
}

static err_t check_result(struct message *m)
{
    static const char spec[] = "result-qr.md, Checking offline";
    static const err_t stage[] = {ERR_LIMIT, ERR_MISMATCH, ERR_PROOF, ERR_SUM};
    struct verify_outcome *form =
        add(m, "qr.form", "the message keeps its form", "result-qr.md, Result proof");
    struct verify_outcome *step[4];
    step[0] = add(m, "qr.range", "counts are within the ballots and the limit", spec);
    step[1] = add(m, "qr.shares", "the holders' public shares give the key in the message", spec);
    step[2] = add(m, "qr.proofs", "every partial decryption is proved", spec);
    step[3] = add(m, "qr.decrypts", "every count is the content of its sum", spec);
    struct verify_outcome *real =
        add(m, "qr.real", "the key is the one of the real election", "result-qr.md, What it proves");
    struct resultqr *q;
    struct fault f;
    fault_clear(&f);
    err_t e = resultqr_parse(&q, m->data, m->len, &f);
    if (e != OK) {
        settle(form, e, &f);
        for (size_t i = 0; i < 4; i++)
            skip(step[i], "the message cannot be read");
        skip(real, "the message cannot be read");
        return e == ERR_MEMORY ? e : OK;
    }
    e = resultqr_check(q, &f);
    size_t failed = 0;
    while (failed < 4 && e != stage[failed])
        failed++;
    if (e != OK) { /* points and scalars out of range come from the proofs */
        failed = failed == 4 ? 2 : failed;
        fail(step[failed], e, f.detail);
        for (size_t i = failed + 1; i < 4; i++)
            skip(step[i], "an earlier check failed");
    }
    result_content(m, q);
    check_real_key(m, real, q);
    snprintf(m->rep->title, sizeof m->rep->title, "%s", q->election_title);
    resultqr_free(q);
    m->rep->summary = "Holders of shares of the key with these words decrypted exactly this ciphertext to "
                      "exactly these counts.";
    m->rep->not_shown = "That the ciphertext is the sum of the valid ballots: that takes the whole bundle. "
                        "That titles and names are those of "
                        "the manifest. That the key is the real one, unless the check qr.real passed.";
    return OK;
}

/* --- anchor --- */

static err_t check_anchor_message(struct message *m)
{
    struct verify_outcome *form = add(m, "qr.form", "the message keeps its form", "result-qr.md, Anchor");
    struct verify_outcome *real = add(m, "qr.real", "this is the real election", "formats.md, anchor");
    hash_t election, record;
    struct fault f;
    fault_clear(&f);
    err_t e = anchor_parse(&election, &record, m->data, m->len, &f);
    if (e != OK) {
        settle(form, e, &f);
        skip(real, "the message cannot be read");
        return e == ERR_MEMORY ? e : OK;
    }
    check_anchor(m, real, &election, &record);
    check_bundle_is(m, real, &election, &record);
    char words[WORDS_TEXT_SIZE];
    if (words_put(words, &words_en, &m->rep->fingerprint) == OK)
        fprintf(m->content, "words of the anchor: %s\n", words);
    m->rep->summary = "Only which election and ceremony record the code names.";
    m->rep->not_shown = "Anything about votes. A code copied from a bundle or its page is as good as that "
                        "page: compare its words with those "
                        "from a source that you trust.";
    return OK;
}

/* --- fingerprint --- */

/* The same fingerprint of the bundle; ERR_MISSING if the plan cannot be read. */
static err_t bundle_fingerprint(const struct message *m, enum fingerprint_kind kind, hash_t *out)
{
    char path[BUNDLE_PATH_MAX];
    uint8_t *data;
    size_t len;
    *out = kind == FINGERPRINT_ELECTION ? m->be->m->election : m->be->r->ceremony;
    if (kind != FINGERPRINT_PLAN)
        return OK;
    if (file_path(path, sizeof path, m->dir, BUNDLE_PLAN) != OK ||
        file_read(&data, &len, path, PLAN_MAX, NULL) != OK)
        return ERR_MISSING;
    err_t e = plan_hash(out, data, len);
    free(data);
    return e;
}

static err_t check_fingerprint(struct message *m)
{
    struct verify_outcome *form =
        add(m, "qr.form", "the message keeps its form", "result-qr.md, Fingerprint");
    struct verify_outcome *same =
        add(m, "qr.same", "it is the fingerprint of the bundle", "result-qr.md, Fingerprint");
    enum fingerprint_kind kind;
    hash_t h, own;
    struct fault f;
    char words[WORDS_TEXT_SIZE];
    fault_clear(&f);
    err_t e = fingerprint_parse(&kind, &h, m->data, m->len, &f);
    if (e != OK) {
        settle(form, e, &f);
        skip(same, "the message cannot be read");
        return OK;
    }
    e = words_put(words, &words_en, &h);
    if (e != OK)
        fail(same, e, "the words cannot be made");
    else
        fprintf(m->content, "words of the %s: %s\n", fingerprint_name(kind), words);
    if (m->be == NULL)
        skip(same, m->dir == NULL ? "no bundle was given" : "the bundle cannot be read");
    else if (bundle_fingerprint(m, kind, &own) != OK)
        skip(same, "the plan of the bundle cannot be read");
    else if (hash_cmp(&h, &own) != 0)
        fail(same, ERR_MISMATCH, "the bundle has another one");
    m->rep->summary = "Only which election, roster or plan the code names.";
    m->rep->not_shown = "Anything about votes. Compare the words with those that others see.";
    return OK;
}

/* --- receipt --- */

static void check_root(struct message *m, struct verify_outcome *o, const struct receipt *r)
{
    char file[TEXT_ID_MAX + 32], path[BUNDLE_PATH_MAX];
    struct export_header *h = NULL;
    struct fault f;
    fault_clear(&f);
    if (m->be == NULL) {
        skip(o, m->dir == NULL ? "no bundle was given" : "the bundle cannot be read");
        return;
    }
    snprintf(file, sizeof file, BUNDLE_EXPORTS "/%s" EXPORT_SUFFIX, r->place);
    err_t e = file_path(path, sizeof path, m->dir, file);
    if (e == OK)
        e = export_header_read(&h, &m->be->ctx, path, &f);
    if (e == OK)
        e = receipt_check(&m->be->ctx, r, &h->root, h->items, NULL, 0, &f);
    export_header_free(h);
    if (e == ERR_EARLY)
        skip(o, f.detail);
    else if (e != OK)
        outcome_fail(o, e, file, r->place, f.detail);
}

static err_t check_receipt(struct message *m)
{
    struct verify_outcome *form = add(m, "qr.form", "the message keeps its form", "result-qr.md, Receipt");
    struct verify_outcome *path =
        add(m, "qr.path", "the path leads from the ballot to the root", "RFC 9162, 2.1.3");
    struct verify_outcome *root =
        add(m, "qr.root", "the root is that of the export in the bundle", "result-qr.md, Receipt");
    struct verify_outcome *real = add(m, "qr.real", "this is the real election", "formats.md, anchor");
    struct receipt r;
    struct fault f;
    char hex[2 * HASH_LEN + 1];
    fault_clear(&f);
    err_t e = receipt_parse(&r, m->data, m->len, &f);
    if (e != OK) {
        settle(form, e, &f);
        skip(path, "the message cannot be read");
        skip(root, "the message cannot be read");
        skip(real, "the message cannot be read");
        return e == ERR_MEMORY ? e : OK;
    }
    if (r.size == 0) {
        skip(path, "the ballot was taken, and its batch was not complete then: ask for the receipt again");
        skip(root, "the ballot was taken, and its batch was not complete then: ask for the receipt again");
    } else if (merkle_path_check(&r.root, r.size, r.index, &r.leaf, r.path, r.path_count) != OK) {
        fail(path, ERR_HASH, "the path does not lead from the ballot to the root");
        skip(root, "the path is wrong");
    } else {
        check_root(m, root, &r);
    }
    check_anchor(m, real, &r.election, &r.record);
    check_bundle_is(m, real, &r.election, &r.record);
    hex_put(hex, r.ballot.b, HASH_LEN);
    fprintf(m->content, "place %s\nballot %s\n", r.place, hex);
    m->rep->summary = "A ballot with this id is among the ballots under this root; with the bundle: it is in "
                      "the published export of its place.";
    m->rep->not_shown =
        "What the ballot contains, and whether the voter's device encrypted what the voter chose.";
    return OK;
}

/* --- the whole --- */

#define MESSAGE_CHECKS_MAX 8

static err_t open_report(struct message *m, const char *input)
{
    m->rep = calloc(1, sizeof *m->rep);
    if (m->rep == NULL)
        return ERR_MEMORY;
    m->rep->outcome = calloc(MESSAGE_CHECKS_MAX, sizeof *m->rep->outcome);
    m->rep->has_anchor = m->opt->anchor != NULL;
    snprintf(m->rep->input, sizeof m->rep->input, "%s", input);
    return m->rep->outcome == NULL ? ERR_MEMORY : OK;
}

static err_t check_kind(struct message *m, char kind)
{
    m->rep->kind = kind == QRTEXT_RESULT        ? "result proof"
                   : kind == QRTEXT_CEREMONY    ? "anchor"
                   : kind == QRTEXT_FINGERPRINT ? "fingerprint"
                   : kind == QRTEXT_RECEIPT     ? "receipt"
                                                : "message";
    switch (kind) {
    case QRTEXT_RESULT:
        return check_result(m);
    case QRTEXT_CEREMONY:
        return check_anchor_message(m);
    case QRTEXT_FINGERPRINT:
        return check_fingerprint(m);
    case QRTEXT_RECEIPT:
        return check_receipt(m);
    default:
        fail(add(m, "qr.form", "the message keeps its form", "qr.md"), ERR_FORMAT,
             "no message of a known kind");
        return OK;
    }
}

err_t verify_message(struct verify_report **out, const char *input, char kind, const uint8_t *data,
                     size_t len, const char *bundle, const struct verify_options *o, struct fault *f)
{
    struct message m = {.opt = o, .dir = bundle, .data = data, .len = len};
    size_t content_len = 0;
    struct fault ignored;
    char *content = NULL;
    *out = NULL;
    err_t e = open_report(&m, input);
    m.content = e == OK ? open_memstream(&content, &content_len) : NULL;
    if (m.content == NULL)
        e = ERR_MEMORY;
    err_t loaded = e == OK && bundle != NULL ? bundle_election_load(&m.be, bundle, 1, &ignored) : OK;
    if (loaded != OK)
        m.be = NULL; /* verify_bundle says why */
    if (loaded == ERR_MEMORY)
        e = loaded;
    if (e == OK)
        e = check_kind(&m, kind);
    if (m.content != NULL && file_memstream_end(m.content, &content) != OK)
        e = e == OK ? ERR_MEMORY : e;
    bundle_election_free(m.be);
    for (size_t i = 0; e == OK && i < m.rep->count; i++) {
        struct verify_outcome *x = &m.rep->outcome[i];
        GO(x->broken);
        x->verdict = x->failure_count ? VERIFY_FAIL : x->reason[0] ? VERIFY_NOT_CHECKED : VERIFY_PASS;
    }
out:
    if (e != OK) {
        free(content);
        verify_report_free(m.rep);
        return fault_set(f, e, "verifying a message");
    }
    m.rep->content = content;
    *out = m.rep;
    return OK;
}
