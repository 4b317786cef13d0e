/* The report page: deterministic, self-contained, escaped. With CONCLAVE_REPORT_OUT=FILE set the sample page
 * is written there to be looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/report.h"
#include "tally/report_html.h"
#include "ui/qrtext.h"

#define COUNTIES 12

static const char manifest_text[] =
    "{\"conclave\":1,\"scheme\":\"p256-elgamal\",\"kind\":\"ballots\",\"title\":\"General election <b>&amp; "
    "referendum\",\"date\":\"2028-11-07\",\"trustees\":{\"n\":9,\"t\":5,\"rehearsal\":true},"
    "\"levels\":[\"nation\",\"county\"],\"jurisdictions\":{\"file\":\"jurisdictions.csv\",\"sha256\":\"%s\"},"
    "\"contests\":["
    "{\"id\":\"president\",\"title\":\"President\",\"limit\":1,\"options\":["
    "{\"id\":\"ada\",\"title\":\"Ada Lovelace\"},{\"id\":\"emmy\",\"title\":\"Emmy Noether\"},"
    "{\"id\":\"srin\",\"title\":\"Srinivasa "
    "Ramanujan\"},{\"id\":\"w\",\"title\":\"Others\",\"write_in\":true}]},"
    "{\"id\":\"council\",\"title\":\"Council, three seats\",\"limit\":3,\"options\":["
    "{\"id\":\"c1\",\"title\":\"Barbara Liskov\"},{\"id\":\"c2\",\"title\":\"Edsger Dijkstra\"},"
    "{\"id\":\"c3\",\"title\":\"Frances Allen\"},{\"id\":\"c4\",\"title\":\"Tony "
    "Hoare\"},{\"id\":\"c5\",\"title\":"
    "\"Robert '); DROP\"}]},"
    "{\"id\":\"measure\",\"title\":\"Measure 7: \\\"Parks\\\" "
    "<script>alert(1)</script>\",\"limit\":1,\"options\":["
    "{\"id\":\"yes\",\"title\":\"Yes\"},{\"id\":\"no\",\"title\":\"No\"}]}],"
    "\"styles\":[{\"id\":\"all\",\"contests\":[\"president\",\"council\",\"measure\"]}],"
    "\"decryption\":{\"levels\":[\"nation\",\"county\"],\"minimum\":10},\"duplicate_ballots\":\"first\"}";

struct sample {
    struct manifest *m;
    struct places *places;
    struct record r;
    struct election_context ctx;
    struct plan plan;
    struct plan_unit unit[3 * (COUNTIES + 1)];
    struct plan_member member[3 * (COUNTIES + 1)];
    struct result *result;
    uint32_t missing[2];
    struct report_dropped dropped[1];
    struct report_replaced replaced[1];
    struct report_qr qr[2];
    struct report_input in;
};

static char *places_text(size_t *len)
{
    char *text = NULL;
    FILE *m = open_memstream(&text, len);
    assert_non_null(m);
    fprintf(m, "place,level,parent,title,styles,group,key\nland,nation,,Republic of Somewhere,,,\n");
    for (int i = 1; i <= COUNTIES; i++)
        fprintf(m, "county-%02d,county,land,County %d & Sons,all,,\n", i, i);
    assert_int_equal(fclose(m), 0);
    return text;
}

static void make_unit(struct sample *s, size_t i, uint32_t place, uint32_t contest)
{
    struct plan_unit *u = &s->unit[i];
    struct place p;
    const struct contest *c = &s->m->contest[contest];
    places_get(s->places, place, &p);
    snprintf(u->place, sizeof u->place, "%s", p.id);
    u->level = p.level;
    u->contest = contest;
    u->ballots = place == 0 ? 1234567 : 20000 + 9876 * (uint64_t)place;
    u->member_count = 1;
    u->member = &s->member[i];
    u->member->place = place;
    u->option_count = c->option_count;
    struct result_row *row = &s->result->row[i];
    assert_int_equal(result_row_votes(s->result, i, c->option_count), OK);
    snprintf(row->place, sizeof row->place, "%s", p.id);
    snprintf(row->contest, sizeof row->contest, "%s", c->id);
    row->ballots = u->ballots;
    uint64_t rest = u->ballots;
    for (size_t o = 0; o < row->count; o++) {
        row->votes[o] = rest * (o % 2 ? 5 : 4) / 9;
        rest -= row->votes[o] / c->limit;
    }
}

static void make_record(struct sample *s)
{
    static const char *const names[9] = {"Alice Adams", "Bob Brown",  "Carol <i>Chen",
                                         "Dan Diaz",    "Eve Evans",  "Frank Fox",
                                         "Grace Green", "Heidi Hill", "Ivan Ito"};
    struct record *r = &s->r;
    r->election = s->m->election;
    memset(&r->id, 5, sizeof r->id);
    r->n = 9;
    r->t = 5;
    r->qual = r->holders = 0x1ff;
    r->Y = group_generator;
    for (int j = 0; j < 9; j++) {
        snprintf(r->seat[j].name, sizeof r->seat[j].name, "%s", names[j]);
        snprintf(r->seat[j].organisation, sizeof r->seat[j].organisation, "%s",
                 j % 2 ? "County clerks" : "University");
        snprintf(r->seat[j].model, sizeof r->seat[j].model, "%s", j % 3 ? "Token A" : "Token B");
    }
}

static void make_qr(struct report_qr *q, const char *title, char kind, size_t len)
{
    snprintf(q->title, sizeof q->title, "%s", title);
    q->kind = kind;
    q->len = len;
    q->data = malloc(len);
    assert_non_null(q->data);
    for (size_t i = 0; i < len; i++)
        q->data[i] = (uint8_t)(i * 7);
}

static int setup(void **state)
{
    struct sample *s = calloc(1, sizeof *s);
    char text[4096], hex[65];
    size_t len;
    hash_t hash;
    struct fault f;
    assert_int_equal(secret_init(), OK);
    char *rows = places_text(&len);
    hash_one(&hash, rows, len);
    hex_put(hex, hash.b, HASH_LEN);
    snprintf(text, sizeof text, manifest_text, hex);
    err_t e = manifest_parse(&s->m, (const uint8_t *)text, strlen(text), &f);
    if (e != OK)
        fail_msg("manifest: %s %s", err_name(e), f.detail);
    assert_int_equal(places_parse(&s->places, s->m, (const uint8_t *)rows, len, &f), OK);
    free(rows);
    make_record(s);
    s->ctx = (struct election_context){s->m, s->places, &s->r};
    size_t units = 3 * (COUNTIES + 1);
    assert_int_equal(result_new(&s->result, units), OK);
    for (uint32_t place = 0, i = 0; place <= COUNTIES; place++)
        for (uint32_t contest = 0; contest < 3; contest++, i++)
            make_unit(s, i, place, contest);
    s->plan = (struct plan){.unit_count = units, .unit = s->unit};
    s->missing[0] = 3;
    s->missing[1] = 5;
    s->dropped[0].place = 2;
    s->replaced[0].place = 4;
    make_qr(&s->qr[0], "Anchor", QRTEXT_CEREMONY, 85);
    make_qr(&s->qr[1], "President", QRTEXT_RESULT, 2100);
    s->in = (struct report_input){.ctx = &s->ctx,
                                  .plan = &s->plan,
                                  .result = s->result,
                                  .used = 0x5d,
                                  .ballots = 1234567,
                                  .place_count = COUNTIES,
                                  .missing_count = 2,
                                  .dropped_count = 1,
                                  .replaced_count = 1,
                                  .qr_count = 2,
                                  .missing = s->missing,
                                  .dropped = s->dropped,
                                  .replaced = s->replaced,
                                  .qr = s->qr};
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct sample *s = *state;
    free(s->qr[0].data);
    free(s->qr[1].data);
    result_free(s->result);
    places_free(s->places);
    manifest_free(s->m);
    free(s);
    return 0;
}

static char *page(struct sample *s)
{
    uint8_t *out;
    size_t len;
    struct fault f;
    err_t e = report_make(&out, &len, &s->in, &f);
    if (e != OK)
        fail_msg("report: %s %s", err_name(e), f.detail);
    assert_int_equal(strlen((char *)out), len);
    return (char *)out;
}

static void the_same_input_gives_the_same_bytes(void **state)
{
    struct sample *s = *state;
    char *a = page(s), *b = page(s);
    assert_string_equal(a, b);
    const char *out = getenv("CONCLAVE_REPORT_OUT");
    struct fault f;
    if (out != NULL)
        assert_int_equal(file_write(out, a, strlen(a), FILE_REPLACE, &f), OK);
    free(a);
    free(b);
    s->result->row[0].votes[0]++;
    s->result->row[0].votes[1]--;
    a = page(s);
    s->result->row[0].votes[0]--;
    s->result->row[0].votes[1]++;
    b = page(s);
    assert_string_not_equal(a, b);
    free(a);
    free(b);
}

static void nothing_is_fetched_and_nothing_runs(void **state)
{
    char *a = page(*state);
    static const char *const never[] = {"<script", "http:",      "https:",  "src=",        "url(",
                                        "@import", "javascript", "<iframe", "<object",     "<link",
                                        "style=",  "onload",     "onclick", "<b>&amp;amp", "<i>Chen"};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        const char *hit = strstr(a, never[i]);
        if (hit != NULL && strncmp(hit, "http://www.w3.org/2000/svg", 26) == 0)
            continue; /* the name of a language, not an address */
        if (hit != NULL)
            fail_msg("%s: %.80s", never[i], hit);
    }
    assert_non_null(strstr(a, "Content-Security-Policy"));
    assert_non_null(strstr(a, "default-src 'none'; style-src 'sha256-"));
    free(a);
}

static void text_is_escaped(void **state)
{
    char *a = page(*state);
    assert_non_null(strstr(a, "Measure 7: &quot;Parks&quot; &lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_non_null(strstr(a, "Carol &lt;i&gt;Chen"));
    assert_non_null(strstr(a, "County 1 &amp; Sons"));
    assert_non_null(strstr(a, "Robert &#39;); DROP"));
    free(a);
}

static void the_page_says_what_matters(void **state)
{
    char *a = page(*state);
    static const char *const must[] = {"1,234,567",
                                       "2 places have not reported",
                                       "5 of 9 decrypted",
                                       "This is a rehearsal",
                                       "conclave-verify . --election",
                                       "Not proved",
                                       "CONCLAVE1:R:1/4:",
                                       "<svg",
                                       "accepted: 1",
                                       "1 ballot left out"};
    for (size_t i = 0; i < sizeof must / sizeof must[0]; i++)
        if (strstr(a, must[i]) == NULL)
            fail_msg("%s is not on the page", must[i]);
    free(a);
}

static void another_plan_is_refused(void **state)
{
    struct sample *s = *state;
    uint8_t *out;
    size_t len;
    struct fault f;
    s->result->row[1].ballots++;
    assert_int_equal(report_make(&out, &len, &s->in, &f), ERR_MISMATCH);
    assert_null(out);
    s->result->row[1].ballots--;
    s->plan.unit_count--;
    assert_int_equal(report_make(&out, &len, &s->in, &f), ERR_MISMATCH);
    s->plan.unit_count++;
}

static void html_numbers(void **state)
{
    (void)state;
    struct html h = HTML_INIT;
    html_number(&h, 0);
    html_raw(&h, " ");
    html_number(&h, 999);
    html_raw(&h, " ");
    html_number(&h, 1000);
    html_raw(&h, " ");
    html_number(&h, UINT64_MAX);
    html_raw(&h, " ");
    html_percent(&h, 1, 3);
    html_raw(&h, " ");
    html_percent(&h, 2, 3);
    html_raw(&h, " ");
    html_percent(&h, 1, 2000);
    html_raw(&h, " ");
    html_percent(&h, UINT64_MAX, UINT64_MAX);
    html_raw(&h, " ");
    html_percent(&h, 0, 0);
    assert_int_equal(h.err, OK);
    assert_string_equal(h.text, "0 999 1,000 18,446,744,073,709,551,615 33.3% 66.7% 0.1% 100.0% -");
    html_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_input_gives_the_same_bytes),
        cmocka_unit_test(nothing_is_fetched_and_nothing_runs),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(the_page_says_what_matters),
        cmocka_unit_test(another_plan_is_refused),
        cmocka_unit_test(html_numbers),
    };
    return cmocka_run_group_tests_name("report", tests, setup, teardown);
}
