#include "tally/report.h"

#include <stdio.h>
#include <string.h>

#include "tally/report_parts.h"

static void put_head(struct html *h, const struct report_input *in)
{
    const struct manifest *m = in->ctx->m;
    html_raw(h, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html_policy(h, report_style);
    html_raw(h, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" "
                "content=\"no-referrer\">\n<title>");
    html_text(h, m->title);
    html_raw(h, ": result</title>\n<style>");
    html_raw(h, report_style);
    html_raw(h, "</style>\n</head>\n<body>\n<header>\n<p class=\"kicker\">Result of the election</p>\n<h1>");
    html_text(h, m->title);
    html_raw(h, "</h1>\n<p class=\"date\">");
    html_text(h, m->date);
    html_raw(h, "</p>\n");
    if (m->rehearsal)
        html_raw(h, "<p class=\"note warn\"><strong>This is a rehearsal.</strong> No real election was "
                    "decided.</p>\n");
    html_raw(h, "<dl class=\"facts\">\n");
    html_raw(h, m->kind == KIND_IMPORT ? "<div><dt>Kind</dt><dd>imported counts</dd></div>\n"
                                       : "<div><dt>Ballots</dt><dd>");
    if (m->kind != KIND_IMPORT) {
        html_number(h, in->ballots);
        html_raw(h, "</dd></div>\n");
    }
    html_raw(h, "<div><dt>Places reporting</dt><dd>");
    html_number(h, in->place_count - in->missing_count);
    html_raw(h, " of ");
    html_number(h, in->place_count);
    html_fmt(h,
             "</dd></div>\n<div><dt>Contests</dt><dd>%zu</dd></div>\n<div><dt>Key holders</dt><dd>%u of %u "
             "decrypted</dd></div>\n"
             "</dl>\n",
             m->contest_count, (unsigned)__builtin_popcount(in->used), in->ctx->r->n);
    html_raw(h, "<p class=\"note\">This page is a summary. By itself it proves nothing: anyone can write a "
                "page. The files beside it can be "
                "checked by anyone with <code>conclave-verify</code>; <a href=\"#verify\">see "
                "how</a>.</p>\n</header>\n<main>\n");
}

static void put_nav(struct html *h)
{
    html_raw(
        h,
        "<nav><a href=\"#totals\">Totals</a><a href=\"#places\">By place</a><a href=\"#missing\">Missing</a>"
        "<a href=\"#trust\">Chain of trust</a><a href=\"#words\">Fingerprints</a><a href=\"#codes\">QR "
        "codes</a>"
        "<a href=\"#verify\">Verify</a></nav>\n");
}

static err_t check_input(const struct report_input *in, struct fault *f)
{
    const struct plan *p = in->plan;
    if (p->unit_count != in->result->row_count)
        return fault_set(f, ERR_MISMATCH, "the result has %zu rows and the plan %zu units",
                         in->result->row_count, p->unit_count);
    for (size_t i = 0; i < p->unit_count; i++) {
        const struct result_row *row = &in->result->row[i];
        const struct contest *c = &in->ctx->m->contest[p->unit[i].contest];
        if (strcmp(row->place, p->unit[i].place) != 0 || strcmp(row->contest, c->id) != 0 ||
            row->count != c->option_count || row->ballots != p->unit[i].ballots)
            return fault_set(f, ERR_MISMATCH, "row %zu of the result is not unit %zu of the plan", i + 1,
                             i + 1);
    }
    return OK;
}

err_t report_make(uint8_t **out, size_t *len, const struct report_input *in, struct fault *f)
{
    struct html h = HTML_INIT;
    *out = NULL;
    *len = 0;
    fault_clear(f);
    err_t e = check_input(in, f);
    if (e != OK)
        return e;
    put_head(&h, in);
    put_nav(&h);
    report_put_totals(&h, in);
    GO(report_put_places(&h, in));
    report_put_missing(&h, in);
    report_put_trust(&h, in);
    GO(report_put_fingerprints(&h, in));
    GO(report_put_codes(&h, in, f));
    report_put_how(&h, in);
    html_raw(&h, "</main>\n</body>\n</html>\n");
    GO(h.err);
    *out = (uint8_t *)h.text;
    *len = h.len;
    return OK;
out:
    html_free(&h);
    if (f != NULL && f->err == OK)
        fault_set(f, e, "the report page");
    return e;
}
