#include "tally/verify_print.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "ceremony/json.h"
#include "ui/table.h"
#include "ui/words.h"

/* --- for people --- */

static const char *detail_of(const struct verify_outcome *o)
{
    return o->verdict == VERIFY_FAIL ? "see below" : o->verdict == VERIFY_NOT_CHECKED ? o->reason : o->title;
}

static err_t print_table(FILE *out, const struct verify_report *r, int quiet)
{
    static const struct table_column columns[] = {
        {"check", TABLE_LEFT}, {"verdict", TABLE_LEFT}, {"what", TABLE_LEFT}};
    struct table *t;
    size_t rows = 0;
    TRY(table_new(&t, columns, 3));
    err_t e = OK;
    for (size_t i = 0; i < r->count && e == OK; i++) {
        const struct verify_outcome *o = &r->outcome[i];
        if (quiet && o->verdict == VERIFY_PASS)
            continue;
        const char *cells[] = {o->id, verify_verdict_name(o->verdict),
                               o->verdict == VERIFY_FAIL ? o->title : detail_of(o)};
        e = table_row(t, cells);
        rows++;
    }
    if (e == OK && rows > 0)
        e = table_print(t, out, TABLE_UNICODE, 1);
    table_free(t);
    return e;
}

static void print_failure(FILE *out, const struct verify_failure *x)
{
    fprintf(out, "    ");
    if (x->file[0])
        fprintf(out, "%s: ", x->file);
    if (x->who[0])
        fprintf(out, "%s: ", x->who);
    fprintf(out, "%s [%s]\n", x->detail, err_name(x->err));
}

static void print_failures(FILE *out, const struct verify_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct verify_outcome *o = &r->outcome[i];
        if (o->verdict != VERIFY_FAIL)
            continue;
        fprintf(out, "\nFAIL %s: %s (%s)\n", o->id, o->title, o->spec);
        for (size_t k = 0; k < o->failure_kept; k++)
            print_failure(out, &o->failure[k]);
        if (o->failure_count > o->failure_kept)
            fprintf(out, "    and %zu more\n", o->failure_count - o->failure_kept);
        if (o->reason[0])
            fprintf(out, "    not all was checked: %s\n", o->reason);
    }
}

static void print_notes(FILE *out, const struct verify_report *r)
{
    int head = 0;
    for (size_t i = 0; i < r->count; i++)
        for (size_t k = 0; k < r->outcome[i].note_count; k++) {
            if (!head++)
                fprintf(out, "\nTo be known:\n");
            fprintf(out, "    %s: %s\n", r->outcome[i].id, r->outcome[i].note[k]);
        }
}

static const char *meaning(const struct verify_report *r)
{
    int bundle = strcmp(r->kind, "bundle") == 0;
    switch (verify_verdict(r)) {
    case VERIFY_PASS:
        return bundle ? "The published counts are the content of the sum of all published ballots of the "
                        "election that you named, and no "
                        "published partial decryption opens anything else."
               : r->summary ? r->summary
                            : "Everything in it was checked.";
    case VERIFY_FAIL:
        return "It must not be believed as it is. The failures above say what is wrong and whose it is; "
               "another copy may be good.";
    default:
        return bundle ? "Nothing wrong was found, but something that is required could not be checked. "
                        "Without --election nobody can say "
                        "that this is the real election: get the anchor from a source that you trust and run "
                        "this again."
                      : "Nothing wrong was found, but something that is required could not be checked; see "
                        "above.";
    }
}

err_t verify_print(FILE *out, const struct verify_report *r, int quiet)
{
    char words[WORDS_TEXT_SIZE], hex[2 * HASH_LEN + 1];
    enum verify_verdict all = verify_verdict(r);
    fprintf(out, "%s: %s%s%s\n\n", r->kind, r->input, r->title[0] ? ": " : "", r->title);
    if (r->content != NULL && r->content[0])
        fprintf(out, "%s\n", r->content);
    TRY(print_table(out, r, quiet));
    print_failures(out, r);
    if (!quiet)
        print_notes(out, r);
    if (r->has_fingerprint) {
        TRY(words_put(words, &words_en, &r->fingerprint));
        hex_put(hex, r->fingerprint.b, HASH_LEN);
        fprintf(out, "\nIts anchor: %s\n            %s\n", words, hex);
    }
    fprintf(out, "\nVERDICT: %s. %s\n", verify_verdict_name(all), meaning(r));
    if (quiet)
        return ferror(out) ? ERR_IO : OK;
    if (strcmp(r->kind, "bundle") == 0)
        fprintf(out, "\nNot shown by any such check: that a voter's device encrypted what the voter chose, "
                     "or kept it to itself; that nobody "
                     "was bribed or forced; that every ballot is one of a voter who was entitled; "
                     "that ballots were not lost before they were exported; that no group of trustees as "
                     "large as the threshold opened more in secret.\n");
    else if (r->not_shown != NULL)
        fprintf(out, "\nProves: %s\nDoes not prove: %s\n", r->summary, r->not_shown);
    return ferror(out) ? ERR_IO : OK;
}

/* --- JSON --- */

/* Text for JSON: what is not UTF-8 (cut in the middle of a character) is left out. */
static json_t *text(const char *s)
{
    /* NULL from json_string may mean no memory as well: only what is no text may become the empty one. */
    return json_string(u8_check((const uint8_t *)s, strlen(s)) == NULL ? s : "");
}

/* Takes the value over. A list that lacks something is no list: *list is NULL then, and so is what it goes
 * into. */
static void append(json_t **list, json_t *value)
{
    if (json_array_append_new(*list, value) == 0)
        return;
    json_decref(*list);
    *list = NULL;
}

static json_t *json_failures(const struct verify_outcome *o)
{
    json_t *list = json_array();
    for (size_t i = 0; i < o->failure_kept; i++) {
        const struct verify_failure *x = &o->failure[i];
        append(&list, json_pack("{s:o, s:o, s:s, s:o}", "file", text(x->file), "who", text(x->who), "error",
                                err_name(x->err), "detail", text(x->detail)));
    }
    return list;
}

static json_t *json_checks(const struct verify_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->count; i++) {
        const struct verify_outcome *o = &r->outcome[i];
        json_t *notes = json_array();
        for (size_t k = 0; k < o->note_count; k++)
            append(&notes, text(o->note[k]));
        append(&list, json_pack("{s:s, s:s, s:s, s:b, s:s, s:o, s:I, s:o, s:o}", "id", o->id, "title",
                                o->title, "spec", o->spec, "required", o->required, "result",
                                verify_verdict_name(o->verdict), "reason", text(o->reason), "failure_count",
                                (json_int_t)o->failure_count, "failures", json_failures(o), "notes", notes));
    }
    return list;
}

static json_t *json_report(const struct verify_report *r)
{
    char hex[2 * HASH_LEN + 1] = "";
    if (r->has_fingerprint)
        hex_put(hex, r->fingerprint.b, HASH_LEN);
    return json_pack("{s:o, s:s, s:o, s:s, s:b, s:o, s:s, s:i}", "input", text(r->input), "kind", r->kind,
                     "title", text(r->title), "anchor", hex, "anchor_given", r->has_anchor, "checks",
                     json_checks(r), "verdict", verify_verdict_name(verify_verdict(r)), "exit",
                     verify_exit_status(r));
}

err_t verify_print_json(FILE *out, const struct verify_report *const *r, size_t count, int exit_status)
{
    json_t *reports = json_array();
    for (size_t i = 0; i < count; i++)
        append(&reports, json_report(r[i]));
    json_t *all = json_pack("{s:s, s:s, s:i, s:o, s:i}", "tool", "conclave-verify", "version", VERIFY_VERSION,
                            "schema", 1, "reports", reports, "exit", exit_status);
    char *text_out = NULL;
    err_t e = all == NULL ? ERR_MEMORY : json_write(&text_out, all);
    json_decref(all);
    if (e == OK && (fprintf(out, "%s\n", text_out) < 0 || ferror(out)))
        e = ERR_IO;
    free(text_out);
    return e;
}
