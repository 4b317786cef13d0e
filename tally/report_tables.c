#include <stdlib.h>
#include <string.h>

#include "tally/report_parts.h"

#define OPTIONS_SHOWN 12 /* bars; further options are folded */
#define CONTESTS_SHOWN 20
#define ROWS_SHOWN 200 /* rows of one table before it is cut into folded pages */

static const char *unit_title(const struct report_input *in, const struct plan_unit *u)
{
    if (u->is_group || u->member_count == 0)
        return u->place;
    struct place p;
    places_get(in->ctx->places, u->member[0].place, &p);
    return p.title;
}

static uint64_t row_votes(const struct result_row *row)
{
    uint64_t sum = 0;
    for (size_t o = 0; o < row->count; o++)
        sum += row->votes[o];
    return sum;
}

/* --- totals of the whole: cards with bars --- */

struct ranked {
    uint64_t votes;
    size_t option;
};

static int by_votes(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->votes != y->votes)
        return x->votes < y->votes ? 1 : -1;
    return x->option < y->option ? -1 : x->option > y->option;
}

static void put_bar(struct html *h, uint64_t votes, uint64_t whole)
{
    unsigned width = whole ? (unsigned)((unsigned __int128)votes * 1000 / whole) : 0;
    html_fmt(h,
             "<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
             "<rect class=\"track\" width=\"1000\" height=\"10\"/><rect class=\"fill\" width=\"%u\" "
             "height=\"10\"/></svg>",
             width);
}

static void put_option(struct html *h, const struct option *o, uint64_t votes, uint64_t all)
{
    html_raw(h, "<li><span class=\"who\">");
    html_text(h, o->title);
    if (o->write_in)
        html_raw(h, " <small>write-in</small>");
    html_raw(h, "</span><span class=\"votes\">");
    html_number(h, votes);
    html_raw(h, "</span><span class=\"share\">");
    html_percent(h, votes, all);
    html_raw(h, "</span>");
    put_bar(h, votes, all);
    html_raw(h, "</li>\n");
}

static void put_card_foot(struct html *h, const struct report_input *in, const struct contest *c,
                          const struct result_row *row, uint64_t all)
{
    html_raw(h, "<p class=\"foot\">");
    html_number(h, all);
    html_raw(h, " votes");
    if (in->ctx->m->kind == KIND_BALLOTS) {
        html_raw(h, " on ");
        html_number(h, row->ballots);
        html_fmt(h, " ballots, up to %u for each; not used: ", c->limit);
        html_number(h, row->ballots * c->limit - all);
    }
    html_raw(h, ". Shares are of all votes.</p>\n");
}

static void put_card(struct html *h, const struct report_input *in, size_t i)
{
    const struct contest *c = &in->ctx->m->contest[in->plan->unit[i].contest];
    const struct result_row *row = &in->result->row[i];
    struct ranked order[OPTIONS_MAX];
    uint64_t all = row_votes(row);
    for (size_t o = 0; o < row->count; o++)
        order[o] = (struct ranked){row->votes[o], o};
    qsort(order, row->count, sizeof order[0], by_votes);
    html_raw(h, "<article class=\"card\">\n<h3>");
    html_text(h, c->title);
    html_raw(h, "</h3>\n<ul class=\"bars\">\n");
    for (size_t o = 0; o < row->count; o++) {
        if (o == OPTIONS_SHOWN) {
            html_fmt(h, "</ul>\n<details><summary>%zu more</summary>\n<ul class=\"bars\">\n", row->count - o);
        }
        put_option(h, &c->option[order[o].option], order[o].votes, all);
    }
    html_raw(h, "</ul>\n");
    if (row->count > OPTIONS_SHOWN)
        html_raw(h, "</details>\n");
    put_card_foot(h, in, c, row, all);
    html_raw(h, "</article>\n");
}

void report_put_totals(struct html *h, const struct report_input *in)
{
    size_t shown = 0;
    html_raw(h, "<section id=\"totals\">\n<h2>Totals</h2>\n<div class=\"cards\">\n");
    for (size_t i = 0; i < in->plan->unit_count; i++) {
        if (in->plan->unit[i].level != 0)
            continue;
        if (shown > 0 && shown % CONTESTS_SHOWN == 0) {
            html_raw(h, shown > CONTESTS_SHOWN ? "</div>\n</details>\n" : "</div>\n");
            html_fmt(h, "<details><summary>Contests from number %zu</summary>\n<div class=\"cards\">\n",
                     shown + 1);
        }
        put_card(h, in, i);
        shown++;
    }
    html_raw(h, shown > CONTESTS_SHOWN ? "</div>\n</details>\n" : "</div>\n");
    if (shown == 0)
        html_raw(
            h,
            "<p>The manifest does not decrypt totals of the whole election; see the results by place.</p>\n");
    html_raw(h, "</section>\n");
}

/* --- tables by level and contest --- */

struct cell {
    uint32_t level, contest;
    size_t unit;
};

static int by_level_contest(const void *a, const void *b)
{
    const struct cell *x = a, *y = b;
    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    if (x->contest != y->contest)
        return x->contest < y->contest ? -1 : 1;
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static void put_table_head(struct html *h, const struct report_input *in, const struct contest *c)
{
    html_raw(h, "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Place</th>");
    for (size_t o = 0; o < c->option_count; o++) {
        html_raw(h, "<th scope=\"col\">");
        html_text(h, c->option[o].title);
        html_raw(h, "</th>");
    }
    html_fmt(h, "<th scope=\"col\">%s</th></tr></thead>\n<tbody>\n",
             in->ctx->m->kind == KIND_IMPORT ? "Votes" : "Ballots");
}

static void put_table_row(struct html *h, const struct report_input *in, size_t unit)
{
    const struct plan_unit *u = &in->plan->unit[unit];
    const struct result_row *row = &in->result->row[unit];
    html_raw(h, "<tr><th scope=\"row\">");
    html_text(h, unit_title(in, u));
    if (u->is_group)
        html_fmt(h, " <small>group of %zu</small>", u->member_count);
    html_raw(h, "</th>");
    for (size_t o = 0; o < row->count; o++) {
        html_raw(h, "<td>");
        html_number(h, row->votes[o]);
        html_raw(h, "</td>");
    }
    html_raw(h, "<td>");
    html_number(h, row->ballots);
    html_raw(h, "</td></tr>\n");
}

/* cell[0..count): one contest at one level. */
static void put_contest(struct html *h, const struct report_input *in, const struct cell *cell, size_t count)
{
    const struct contest *c = &in->ctx->m->contest[cell[0].contest];
    html_raw(h, "<details><summary>");
    html_text(h, c->title);
    html_fmt(h, " <small>%zu row%s</small></summary>\n", count, count == 1 ? "" : "s");
    for (size_t i = 0; i < count; i += ROWS_SHOWN) {
        size_t end = i + ROWS_SHOWN < count ? i + ROWS_SHOWN : count;
        if (count > ROWS_SHOWN)
            html_fmt(h, "<details><summary>Rows %zu to %zu</summary>\n", i + 1, end);
        put_table_head(h, in, c);
        for (size_t k = i; k < end; k++)
            put_table_row(h, in, cell[k].unit);
        html_raw(h, "</tbody></table></div>\n");
        if (count > ROWS_SHOWN)
            html_raw(h, "</details>\n");
    }
    html_raw(h, "</details>\n");
}

err_t report_put_places(struct html *h, const struct report_input *in)
{
    size_t count = 0, units = in->plan->unit_count;
    struct cell *cell = calloc(units ? units : 1, sizeof *cell);
    if (cell == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < units; i++)
        if (in->plan->unit[i].level != 0)
            cell[count++] = (struct cell){in->plan->unit[i].level, in->plan->unit[i].contest, i};
    qsort(cell, count, sizeof *cell, by_level_contest);
    html_raw(h, "<section id=\"places\">\n<h2>By place</h2>\n");
    if (count == 0)
        html_raw(h, "<p>The manifest decrypts no smaller places.</p>\n");
    else
        html_fmt(h,
                 "<p>A place is shown by itself from %u %s on. Smaller ones are part of a reporting group "
                 "that was fixed beforehand, "
                 "or of the next larger place only.</p>\n",
                 in->ctx->m->minimum, in->ctx->m->kind == KIND_IMPORT ? "votes" : "ballots");
    for (size_t i = 0, end; i < count; i = end) {
        if (i == 0 || cell[i].level != cell[i - 1].level)
            html_fmt(h, "<h3>Level: %s</h3>\n", in->ctx->m->level[cell[i].level]);
        for (end = i; end < count && cell[end].level == cell[i].level && cell[end].contest == cell[i].contest;
             end++)
            ;
        put_contest(h, in, cell + i, end - i);
    }
    html_raw(h, "</section>\n");
    free(cell);
    return OK;
}

/* --- what is not in the totals --- */

static void put_place(struct html *h, const struct report_input *in, uint32_t index)
{
    struct place p;
    places_get(in->ctx->places, index, &p);
    html_text(h, p.title);
    html_fmt(h, " <code>%s</code>", p.id);
}

static void put_missing_places(struct html *h, const struct report_input *in)
{
    if (in->missing_count == 0) {
        html_raw(h, "<p>No place is missing: every place of the lowest level has reported.</p>\n");
        return;
    }
    html_raw(h, "<details open><summary>");
    html_number(h, in->missing_count);
    html_raw(h, in->missing_count == 1 ? " place has" : " places have");
    html_raw(h, " not reported</summary>\n<ul class=\"plain\">\n");
    for (size_t i = 0; i < in->missing_count; i++) {
        if (i > 0 && i % ROWS_SHOWN == 0)
            html_fmt(h,
                     "</ul>\n</details>\n<details><summary>From number %zu</summary>\n<ul class=\"plain\">\n",
                     i + 1);
        html_raw(h, "<li>");
        put_place(h, in, in->missing[i]);
        html_raw(h, "</li>\n");
    }
    html_raw(h, "</ul>\n</details>\n");
}

static void put_dropped(struct html *h, const struct report_input *in)
{
    if (in->dropped_count == 0) {
        html_raw(h, "<p>No ballot was left out for being cast twice.</p>\n");
        return;
    }
    html_raw(h, "<details><summary>");
    html_number(h, in->dropped_count);
    html_raw(h, in->dropped_count == 1 ? " ballot" : " ballots");
    html_raw(h, " left out: the same ballot id elsewhere</summary>\n<ul class=\"plain\">\n");
    for (size_t i = 0; i < in->dropped_count; i++) {
        if (i > 0 && i % ROWS_SHOWN == 0)
            html_fmt(h,
                     "</ul>\n</details>\n<details><summary>From number %zu</summary>\n<ul class=\"plain\">\n",
                     i + 1);
        html_raw(h, "<li>");
        put_place(h, in, in->dropped[i].place);
        html_raw(h, ": ballot <code>");
        html_hash(h, &in->dropped[i].ballot);
        html_raw(h, "</code></li>\n");
    }
    html_raw(h, "</ul>\n</details>\n");
}

static void put_replaced(struct html *h, const struct report_input *in)
{
    if (in->replaced_count == 0) {
        html_raw(h, "<p>No place corrected its count.</p>\n");
        return;
    }
    html_fmt(h,
             "<details open><summary>Corrections that were accepted: %zu</summary>\n<ul class=\"plain\">\n",
             in->replaced_count);
    for (size_t i = 0; i < in->replaced_count; i++) {
        html_raw(h, "<li>");
        put_place(h, in, in->replaced[i].place);
        html_raw(h, ": export <code>");
        html_hash(h, &in->replaced[i].older);
        html_raw(h, "</code> was replaced by <code>");
        html_hash(h, &in->replaced[i].newer);
        html_raw(h, "</code></li>\n");
    }
    html_raw(h, "</ul>\n</details>\n");
}

void report_put_missing(struct html *h, const struct report_input *in)
{
    html_raw(h, "<section id=\"missing\">\n<h2>Missing, left out, corrected</h2>\n");
    put_missing_places(h, in);
    if (in->ctx->m->kind == KIND_BALLOTS)
        put_dropped(h, in);
    put_replaced(h, in);
    html_raw(h, "</section>\n");
}
