/* Verify a published bundle: every check with its verdict, and the detail of each. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance/night.h"
#include "tally/verify.h"

#define FAILURES_TOLD 200 /* of one check; the rest is counted */

struct verifying {
    struct face *face;
    char typed[WORDS_INPUT_MAX],
        anchor[WORDS_INPUT_MAX]; /* as typed; as the verifier takes it, empty: none */
    struct tape_item *found;
    size_t found_count;
    const struct tape_item *bundle; /* in found */
};

enum message face_check_text(const char *id)
{
    static const struct {
        const char *id;
        enum message text;
    } texts[] = {{"bundle.files", MSG_CHECK_BUNDLE_FILES},
                 {"manifest.form", MSG_CHECK_MANIFEST_FORM},
                 {"places.form", MSG_CHECK_PLACES_FORM},
                 {"record.form", MSG_CHECK_RECORD_FORM},
                 {"anchor.match", MSG_CHECK_ANCHOR_MATCH},
                 {"bundle.layout", MSG_CHECK_BUNDLE_LAYOUT},
                 {"board.entries", MSG_CHECK_BOARD_ENTRIES},
                 {"ceremony.roster", MSG_CHECK_CEREMONY_ROSTER},
                 {"ceremony.models", MSG_CHECK_CEREMONY_MODELS},
                 {"ceremony.cut", MSG_CHECK_CEREMONY_CUT},
                 {"ceremony.deals", MSG_CHECK_CEREMONY_DEALS},
                 {"ceremony.complaints", MSG_CHECK_CEREMONY_COMPLAINTS},
                 {"ceremony.qualified", MSG_CHECK_CEREMONY_QUALIFIED},
                 {"ceremony.confirm", MSG_CHECK_CEREMONY_CONFIRM},
                 {"ceremony.key", MSG_CHECK_CEREMONY_KEY},
                 {"ceremony.record", MSG_CHECK_CEREMONY_RECORD},
                 {"records.form", MSG_CHECK_RECORDS_FORM},
                 {"exports.signed", MSG_CHECK_EXPORTS_SIGNED},
                 {"exports.ballots", MSG_CHECK_EXPORTS_BALLOTS},
                 {"exports.ids", MSG_CHECK_EXPORTS_IDS},
                 {"exports.order", MSG_CHECK_EXPORTS_ORDER},
                 {"exports.root", MSG_CHECK_EXPORTS_ROOT},
                 {"exports.tally", MSG_CHECK_EXPORTS_TALLY},
                 {"chain.form", MSG_CHECK_CHAIN_FORM},
                 {"chain.quorum", MSG_CHECK_CHAIN_QUORUM},
                 {"chain.headers", MSG_CHECK_CHAIN_HEADERS},
                 {"chain.ballots", MSG_CHECK_CHAIN_BALLOTS},
                 {"chain.order", MSG_CHECK_CHAIN_ORDER},
                 {"chain.trees", MSG_CHECK_CHAIN_TREES},
                 {"chain.tally", MSG_CHECK_CHAIN_TALLY},
                 {"chain.ids", MSG_CHECK_CHAIN_IDS},
                 {"chain.anchor", MSG_CHECK_CHAIN_ANCHOR},
                 {"records.sources", MSG_CHECK_RECORDS_SOURCES},
                 {"records.sums", MSG_CHECK_RECORDS_SUMS},
                 {"records.missing", MSG_CHECK_RECORDS_MISSING},
                 {"records.dropped", MSG_CHECK_RECORDS_DROPPED},
                 {"records.corrections", MSG_CHECK_RECORDS_CORRECTIONS},
                 {"plan.form", MSG_CHECK_PLAN_FORM},
                 {"plan.records", MSG_CHECK_PLAN_RECORDS},
                 {"plan.units", MSG_CHECK_PLAN_UNITS},
                 {"plan.sums", MSG_CHECK_PLAN_SUMS},
                 {"plan.minimum", MSG_CHECK_PLAN_MINIMUM},
                 {"plan.complete", MSG_CHECK_PLAN_COMPLETE},
                 {"result.form", MSG_CHECK_RESULT_FORM},
                 {"result.partials", MSG_CHECK_RESULT_PARTIALS},
                 {"plan.signed", MSG_CHECK_PLAN_SIGNED},
                 {"plan.single", MSG_CHECK_PLAN_SINGLE},
                 {"partials.form", MSG_CHECK_PARTIALS_FORM},
                 {"partials.proofs", MSG_CHECK_PARTIALS_PROOFS},
                 {"result.decrypts", MSG_CHECK_RESULT_DECRYPTS},
                 {"result.range", MSG_CHECK_RESULT_RANGE},
                 {"result.complete", MSG_CHECK_RESULT_COMPLETE},
                 {"report.page", MSG_CHECK_REPORT_PAGE}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(texts[i].id, id) == 0)
            return texts[i].text;
    return MESSAGE_COUNT;
}

/* --- in a child --- */

static err_t tell_outcome(struct tape *t, uint32_t number, const struct verify_outcome *o)
{
    struct tape_item item = {.kind = FOUND_CHECK, .number = number, .a = o->verdict, .b = o->failure_count};
    snprintf(item.text, sizeof item.text, "%s", o->reason);
    snprintf(item.name, sizeof item.name, "%s", o->spec);
    TRY(tape_put(t, &item));
    for (size_t i = 0; i < o->failure_kept && i < FAILURES_TOLD; i++) {
        const struct verify_failure *x = &o->failure[i];
        item = (struct tape_item){.kind = FOUND_FAILURE, .number = number};
        fault_set(&item.fault, x->err, "%s", x->detail);
        snprintf(item.fault.file, sizeof item.fault.file, "%s", x->file);
        snprintf(item.fault.who, sizeof item.fault.who, "%s", x->who);
        TRY(tape_put(t, &item));
    }
    for (size_t i = 0; i < o->note_count && i < FAILURES_TOLD; i++) {
        item = (struct tape_item){.kind = FOUND_NOTE, .number = number};
        snprintf(item.text, sizeof item.text, "%s", o->note[i]);
        TRY(tape_put(t, &item));
    }
    return OK;
}

static err_t verify_work(struct night_child *child, void *ctx, struct fault *f)
{
    struct verifying *v = ctx;
    struct verify_report *r;
    struct verify_options options = {
        .anchor = v->anchor[0] != '\0' ? v->anchor : NULL, .progress = night_progress, .progress_ctx = child};
    TRY(verify_bundle(&r, v->face->bundle, &options, f));
    struct tape_item item = {.kind = FOUND_BUNDLE,
                             .hash = r->fingerprint,
                             .number = (uint32_t)r->has_fingerprint,
                             .a = verify_verdict(r)};
    snprintf(item.text, sizeof item.text, "%s", r->title);
    err_t e = tape_put(&child->tape, &item);
    for (size_t i = 0; i < r->count && e == OK; i++)
        e = tell_outcome(&child->tape, (uint32_t)i, &r->outcome[i]);
    verify_report_free(r);
    return e;
}

/* The bundle is all that it may read; what SQLite puts aside has no names and goes to the scratch folder. */
static err_t verify_confined(struct verifying *v, struct fault *f)
{
    struct night_rights may = {.temp = v->face->scratch[0] != '\0' ? v->face->scratch : NULL};
    night_allow(&may, v->face->bundle, 0);
    return night_job_confined(v->face, MSG_CHECKS_RUNNING, MSG_CHECKS_RUNNING_TEXT, verify_work, v, &may,
                              &v->found, &v->found_count, f);
}

/* --- the report --- */

static enum page_state state_of(uint64_t verdict)
{
    return verdict == VERIFY_PASS ? PAGE_PASS : verdict == VERIFY_FAIL ? PAGE_FAIL : PAGE_NOT_CHECKED;
}

static const struct tape_item *check_item(const struct verifying *v, size_t number)
{
    for (size_t i = 0; i < v->found_count; i++)
        if (v->found[i].kind == FOUND_CHECK && v->found[i].number == number)
            return &v->found[i];
    return NULL;
}

/* Why it was not checked, in the person's language. */
static const char *reason_of(char out[2048], const struct verifying *v, const struct tape_item *x)
{
    if (v->anchor[0] == '\0' && strcmp(verify_check_id(x->number), "anchor.match") == 0)
        return message_text(v->face->language, MSG_CHECKS_NO_ANCHOR);
    message_detail_text(out, 2048, v->face->language, x->text);
    return out;
}

static void put_note(struct page *p, const struct verifying *v, const struct tape_item *x)
{
    char text[2048];
    message_detail_text(text, sizeof text, v->face->language, x->text);
    page_raw(p, text);
}

static void put_check(struct page *p, const struct tape_item *x, const char *detail)
{
    const char *id = verify_check_id(x->number);
    enum message text = face_check_text(id);
    if (text != MESSAGE_COUNT)
        page_check(p, state_of(x->a), detail, text);
    else
        page_check(p, state_of(x->a), detail, MSG_RESULT_OF, id, "-");
}

static void put_found(struct page *p, const struct verifying *v, uint32_t number)
{
    for (size_t i = 0; i < v->found_count; i++) {
        const struct tape_item *x = &v->found[i];
        if (x->kind == FOUND_FAILURE && x->number == number)
            page_fault(p, &x->fault);
        if (x->kind == FOUND_NOTE && x->number == number)
            put_note(p, v, x);
    }
}

static err_t show_detail(struct verifying *v, const struct tape_item *x, struct fault *f)
{
    struct page_event ev;
    char reason[2048];
    struct page *p = page_new(v->face->ui, MSG_CHECKS_DETAIL);
    put_check(p, x, NULL);
    page_value(p, verify_check_id(x->number), MSG_CHECKS_ID);
    page_value(p, x->name, MSG_CHECKS_SPEC);
    if (x->text[0] != '\0')
        page_warn(p, MSG_CHECKS_REASON, reason_of(reason, v, x));
    if (x->b > 0)
        page_head(p, MSG_CHECKS_FAILURES, UI_NUMBER(x->b));
    else if (x->a == VERIFY_PASS)
        page_text(p, MSG_CHECKS_FINE);
    put_found(p, v, x->number);
    if (x->b > FAILURES_TOLD)
        page_text(p, MSG_CHECKS_MORE, UI_NUMBER(x->b - FAILURES_TOLD));
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

static err_t choose_detail(struct verifying *v, size_t *index, struct fault *f)
{
    for (;;) {
        struct page_event ev;
        struct page *p = page_new(v->face->ui, MSG_CHECKS_DETAIL);
        page_field_choice(p, index, MSG_CHECKS_CHOOSE);
        for (size_t i = 0; i < verify_check_count(); i++) {
            const struct tape_item *x = check_item(v, i);
            static const enum message names[] = {[PAGE_PENDING] = MSG_STATE_PENDING,
                                                 [PAGE_PASS] = MSG_STATE_PASS,
                                                 [PAGE_FAIL] = MSG_STATE_FAIL,
                                                 [PAGE_NOT_CHECKED] = MSG_STATE_NOT_CHECKED};
            page_item_raw(
                p, verify_check_id(i),
                message_text(v->face->language, names[x != NULL ? state_of(x->a) : PAGE_NOT_CHECKED]));
        }
        page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        const struct tape_item *x = check_item(v, *index);
        if (x != NULL)
            TRY(show_detail(v, x, f));
    }
}

static void put_verdict(struct page *p, const struct verifying *v)
{
    uint64_t n[3] = {0};
    char hex[2 * HASH_LEN + 1];
    for (size_t i = 0; i < v->found_count; i++)
        if (v->found[i].kind == FOUND_CHECK)
            n[v->found[i].a == VERIFY_PASS ? 0 : v->found[i].a == VERIFY_FAIL ? 1 : 2]++;
    page_value(p, v->face->bundle, MSG_CHECKS_DIR);
    if (v->bundle->text[0] != '\0')
        page_value(p, v->bundle->text, MSG_ELECTION);
    if (v->bundle->a == VERIFY_PASS)
        page_text(p, MSG_CHECKS_PASS);
    else if (v->bundle->a == VERIFY_FAIL)
        page_warn(p, MSG_CHECKS_FAIL);
    else
        page_warn(p, MSG_CHECKS_UNCHECKED);
    page_text(p, MSG_CHECKS_COUNT, UI_NUMBER(n[0]), UI_NUMBER(n[1]), UI_NUMBER(n[2]));
    if (v->bundle->number) {
        hex_put(hex, v->bundle->hash.b, HASH_LEN);
        page_value(p, hex, MSG_CHECKS_OWN_ANCHOR);
    }
}

static void put_failures_of(struct page *p, const struct verifying *v, const struct tape_item *x)
{
    char detail[2048] = "", reason[2048];
    for (size_t i = 0; i < v->found_count && x->a == VERIFY_FAIL && detail[0] == '\0'; i++)
        if (v->found[i].kind == FOUND_FAILURE && v->found[i].number == x->number)
            message_fault(detail, sizeof detail, v->face->language, &v->found[i].fault);
    put_check(p, x, x->a == VERIFY_FAIL && detail[0] ? detail : x->text[0] ? reason_of(reason, v, x) : NULL);
}

static err_t show_report(struct verifying *v, struct fault *f)
{
    enum { DETAIL = 1 };
    size_t index = 0;
    for (size_t i = v->found_count; i-- > 0;) /* the first one that is not good is proposed */
        if (v->found[i].kind == FOUND_CHECK && v->found[i].a != VERIFY_PASS)
            index = v->found[i].number;
    for (;;) {
        struct page_event ev;
        size_t notes = night_count(v->found, v->found_count, FOUND_NOTE);
        struct page *p = page_new(v->face->ui, MSG_VERIFY_TITLE);
        put_verdict(p, v);
        for (size_t i = 0; i < v->found_count; i++)
            if (v->found[i].kind == FOUND_CHECK && v->found[i].number < verify_check_count())
                put_failures_of(p, v, &v->found[i]);
        if (notes > 0)
            page_head(p, MSG_CHECKS_NOTES);
        for (size_t i = 0; i < v->found_count; i++)
            if (v->found[i].kind == FOUND_NOTE)
                put_note(p, v, &v->found[i]);
        page_text(p, MSG_CHECKS_NOT_SHOWN);
        page_action(p, 'd', DETAIL, MSG_CHECKS_DETAIL);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        TRY(choose_detail(v, &index, f));
    }
}

/* --- the beginning --- */

static err_t ask(struct verifying *v, enum message note, int *going, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(v->face->ui, MSG_VERIFY_TITLE);
    page_text(p, MSG_CHECKS_TEXT);
    page_field_text(p, v->face->bundle, sizeof v->face->bundle, 1, MSG_CHECKS_DIR);
    page_text(p, MSG_CHECKS_ANCHOR_TEXT);
    page_field_text(p, v->typed, sizeof v->typed, 0, MSG_CHECKS_ANCHOR);
    page_action_flags(p, 'v', 1, PAGE_NEEDS_ALL, MSG_CHECKS_START);
    if (note != MSG_VERIFY_TITLE)
        page_note(p, note);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    *going = e == OK && ev.action == 1;
    return e;
}

static int is_hex(const char *text)
{
    return strlen(text) == 2 * HASH_LEN && strspn(text, "0123456789abcdefABCDEF") == 2 * HASH_LEN;
}

/* Hex and English words are the verifier's own; words of another language are translated. What is neither is
 * told at once. */
static err_t take_anchor(struct verifying *v, struct fault *f)
{
    hash_t h = {{0}};
    const struct word_list *own = language_words(v->face->language);
    snprintf(v->anchor, sizeof v->anchor, "%s", v->typed);
    if (v->typed[strspn(v->typed, " ")] == '\0') {
        v->anchor[0] = '\0';
        return OK;
    }
    if (is_hex(v->typed) || words_get(h.b, &words_en, v->typed, NULL) == OK)
        return OK;
    TRY(words_get(h.b, own, v->typed, f));
    return words_put(v->anchor, &words_en, &h);
}

static err_t run(struct verifying *v, struct fault *f)
{
    enum message note = MSG_VERIFY_TITLE;
    for (;;) {
        int going;
        TRY(ask(v, note, &going, f));
        if (!going)
            return OK;
        err_t e = take_anchor(v, f);
        if (e != OK) {
            TRY(face_show(v->face, e, f));
            continue;
        }
        free(v->found);
        v->found = NULL;
        v->bundle = NULL;
        e = verify_confined(v, f);
        note = e == ERR_STOPPED ? MSG_NOT_DONE : MSG_VERIFY_TITLE;
        for (size_t i = 0; i < v->found_count && e == OK; i++)
            if (v->found[i].kind == FOUND_BUNDLE)
                v->bundle = &v->found[i];
        if (e == OK && v->bundle == NULL)
            e = fault_set(f, ERR_IO, "%s", message_text(v->face->language, MSG_JOB_DIED));
        TRY(e == OK ? show_report(v, f) : face_show(v->face, e, f));
    }
}

err_t face_verify(struct face *face, struct fault *f)
{
    struct verifying *v = calloc(1, sizeof *v);
    if (v == NULL)
        return fault_set(f, ERR_MEMORY, "a screen");
    v->face = face;
    night_guess(face, NULL);
    err_t e = run(v, f);
    free(v->found);
    free(v);
    return e;
}
