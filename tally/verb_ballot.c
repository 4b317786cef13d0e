#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/chain_form.h"
#include "tally/simulate.h"
#include "tally/verb.h"

#define BALLOT_COUNT_MAX 100000000
#define VOTES_MAX ((size_t)4 << 20)

struct job {
    struct verb_run *v;
    struct bundle_election *be;
    struct file_writer out;
    uint32_t place;
    uint64_t count;
    struct group *g; /* of envelopes; NULL: none are made */
    struct chain_context chain;
};

/* A ballot as the chain takes it. */
static err_t put_envelope(struct job *j, struct cbor_out *o, const uint8_t *ballot, size_t len,
                          struct fault *f)
{
    struct cbor_out v = CBOR_OUT_INIT;
    struct ballot *b;
    TRY(ballot_parse_var(&b, &j->be->ctx, ballot, len, f));
    err_t e = chain_envelope_make(&v, &j->chain, j->g, &b->id, ballot, len);
    if (e == OK)
        cbor_put_bytes(o, v.data, v.len);
    else
        fault_set(f, e, "making an envelope");
    cbor_out_free(&v);
    ballot_free(b);
    return e;
}

static err_t sink(void *ctx, const uint8_t *ballot, size_t len, struct fault *f)
{
    struct job *j = ctx;
    struct cbor_out o = CBOR_OUT_INIT;
    err_t e = OK;
    if (j->g != NULL)
        e = put_envelope(j, &o, ballot, len, f);
    else
        cbor_put_bytes(&o, ballot, len);
    if (e == OK)
        e = o.err;
    if (e == OK)
        e = file_writer_add(&j->out, o.data, o.len, f);
    cbor_out_free(&o);
    j->count++;
    return e;
}

/* --- random --- */

static void print_totals(struct job *j, const struct simulate_totals *t)
{
    const struct manifest *m = j->be->m;
    struct place p;
    places_get(j->be->places, j->place, &p);
    for (size_t c = 0; c < m->contest_count; c++) {
        if (t->ballots[c] == 0)
            continue;
        fprintf(j->v->out, "ballots %s %llu\n", m->contest[c].id, (unsigned long long)t->ballots[c]);
        for (size_t o = 0; o < m->contest[c].option_count; o++)
            fprintf(j->v->out, "total %s %s %llu\n", m->contest[c].id, m->contest[c].option[o].id,
                    (unsigned long long)t->votes[c][o]);
    }
}

static err_t make_random(struct job *j, uint64_t count, uint64_t seed, uint64_t first)
{
    struct simulate_totals *totals;
    struct progress progress;
    err_t e = simulate_totals_new(&totals, j->be->m);
    if (e != OK)
        return fault_set(&j->v->fault, e, "totals");
    progress_init(&progress, j->v->err, j->v->program->stop);
    e = simulate_ballots(&j->be->ctx, j->place, seed, first, count, totals, sink, j,
                         progress.is_terminal ? progress_step : NULL, &progress, &j->v->fault);
    progress_end(&progress);
    if (e == OK)
        print_totals(j, totals);
    simulate_totals_free(totals);
    return e;
}

/* --- chosen: CONTEST=OPTION[,OPTION...] --- */

/* What a voter chose, in secret memory. (On the command line others on this machine can read it: that is for
 * trials.) */
struct choice {
    char text[TEXT_ID_MAX + 1 + (TEXT_ID_MAX + 1) * OPTIONS_MAX];
    const char *option[OPTIONS_MAX];
    struct selection selection;
};

struct choices {
    struct selection *selection;
    struct choice choice[];
};

static err_t choices_new(struct choices **out, size_t count)
{
    size_t at = sizeof **out + count * sizeof *(*out)->choice;
    at = (at + 15) & ~(size_t)15; /* guarded memory ends at a page: keep it aligned */
    TRY(secret_alloc((void **)out, (at + count * sizeof *(*out)->selection + 15) & ~(size_t)15));
    (*out)->selection = (struct selection *)((char *)*out + at);
    return OK;
}

static err_t choice_parse(struct verb_run *v, struct choice *c, const char *text)
{
    char *equals, *save = NULL;
    if (strlen(text) >= sizeof c->text)
        return fault_set(&v->fault, ERR_USAGE, "--select is too long");
    memcpy(c->text, text, strlen(text) + 1);
    equals = strchr(c->text, '=');
    if (equals == NULL || equals == c->text)
        return fault_set(&v->fault, ERR_USAGE, "--select wants CONTEST=OPTION[,OPTION...]");
    *equals = 0;
    c->selection.contest = c->text;
    c->selection.option = c->option;
    for (char *o = strtok_r(equals + 1, ",", &save); o != NULL; o = strtok_r(NULL, ",", &save)) {
        if (c->selection.option_count == OPTIONS_MAX)
            return fault_set(&v->fault, ERR_LIMIT, "too many options");
        c->option[c->selection.option_count++] = o;
    }
    return OK;
}

static err_t ballot_add(struct job *j, struct ballot_maker *mk, const char *style,
                        const struct selection *selection, size_t count)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct ballot_info info;
    char hex[2 * HASH_LEN + 1];
    struct place p;
    places_get(j->be->places, j->place, &p);
    if (style == NULL && p.style_count == 1)
        style = j->be->m->style[p.style[0]].id;
    if (style == NULL)
        return fault_set(&j->v->fault, ERR_USAGE, "--style is needed: place %s has %u styles", p.id,
                         p.style_count);
    err_t e = ballot_make(mk, &o, &info, j->place, style, selection, count, NULL, &j->v->fault);
    if (e == OK)
        e = sink(j, o.data, o.len, &j->v->fault);
    cbor_out_free(&o);
    if (e != OK)
        return e;
    hex_put(hex, info.id.b, HASH_LEN);
    fprintf(j->v->out, "ballot %s\n", hex);
    return OK;
}

static err_t make_chosen(struct job *j, const char *style, const struct arg_list *select)
{
    struct ballot_maker *mk = NULL;
    struct choices *s = NULL;
    err_t e = choices_new(&s, select->count);
    if (e != OK)
        return fault_set(&j->v->fault, e, "choices");
    for (size_t i = 0; i < select->count; i++) {
        GO(choice_parse(j->v, &s->choice[i], select->item[i]));
        s->selection[i] = s->choice[i].selection;
    }
    GO(ballot_maker_new(&mk, &j->be->ctx));
    GO(ballot_add(j, mk, style, s->selection, select->count));
out:
    ballot_maker_free(mk);
    secret_free(s);
    return e;
}

/* --- from a file: [{"style": "s", "votes": {"contest": ["option", ...]}}, ...] --- */

static err_t json_fault(struct job *j, size_t number, const char *what)
{
    return fault_set(&j->v->fault, ERR_FORMAT, "ballot %zu: %s", number + 1, what);
}

static err_t take_json_votes(struct job *j, json_t *votes, struct choices *s, size_t *count, size_t number)
{
    const char *contest;
    json_t *options;
    *count = 0;
    json_object_foreach(votes, contest, options)
    {
        struct choice *c = &s->choice[*count];
        size_t n = json_array_size(options);
        if (!json_is_array(options) || n > OPTIONS_MAX)
            return json_fault(j, number, "a contest is a list of options");
        for (size_t i = 0; i < n; i++) {
            c->option[i] = json_string_value(json_array_get(options, i));
            if (c->option[i] == NULL)
                return json_fault(j, number, "options are texts");
        }
        s->selection[(*count)++] = (struct selection){contest, n, c->option};
    }
    return OK;
}

static err_t make_json_one(struct job *j, struct ballot_maker *mk, json_t *item, size_t number)
{
    json_t *votes = json_object_get(item, "votes"), *style = json_object_get(item, "style");
    size_t room = json_object_size(votes), count;
    if (!json_is_object(votes) || json_object_size(item) != (style ? 2u : 1u) ||
        (style && !json_is_string(style)))
        return json_fault(j, number, "an object with \"style\" (text) and \"votes\" (object) is wanted");
    if (room > j->be->m->contest_count)
        return json_fault(j, number, "there are more contests than in the manifest");
    struct choices *s;
    err_t e = choices_new(&s, room);
    if (e != OK)
        return fault_set(&j->v->fault, e, "choices");
    e = take_json_votes(j, votes, s, &count, number);
    if (e == OK)
        e = ballot_add(j, mk, json_string_value(style), s->selection, count);
    secret_free(s);
    return e;
}

/* What the reader of JSON kept in memory is wiped when it is given back. */
static void wipe_and_free(void *p)
{
    if (p != NULL)
        secret_wipe(p, malloc_usable_size(p));
    free(p);
}

static err_t make_json(struct job *j, const char *path)
{
    uint8_t *data;
    size_t len;
    json_error_t why;
    struct ballot_maker *mk = NULL;
    json_malloc_t usual_malloc;
    json_free_t usual_free;
    TRY(file_read(&data, &len, path, VOTES_MAX, &j->v->fault));
    json_get_alloc_funcs(&usual_malloc, &usual_free);
    json_set_alloc_funcs(malloc, wipe_and_free);
    json_t *list = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, &why);
    secret_wipe(data, len);
    free(data);
    err_t e = OK;
    if (!json_is_array(list)) {
        e = fault_set(&j->v->fault, ERR_FORMAT, "a JSON array of ballots is wanted");
        j->v->fault.at = list == NULL ? why.line : -1;
        j->v->fault.is_line = list == NULL;
        goto out;
    }
    GO(ballot_maker_new(&mk, &j->be->ctx));
    for (size_t i = 0; i < json_array_size(list); i++)
        GO(make_json_one(j, mk, json_array_get(list, i), i));
out:
    ballot_maker_free(mk);
    json_decref(list);
    json_set_alloc_funcs(usual_malloc, usual_free);
    return e == OK ? OK : fault_file(&j->v->fault, e, path);
}

/* --- the verb --- */

static err_t want_envelopes(struct job *j, const char *chain)
{
    int index = manifest_chain(j->be->m, chain);
    if (index < 0)
        return fault_set(&j->v->fault, ERR_UNKNOWN, "there is no such chain in the manifest");
    chain_context_init(&j->chain, &j->be->ctx, (uint32_t)index);
    if (chain_row_of(&j->chain, j->place) < 0)
        return fault_set(&j->v->fault, ERR_RULE, "the place is not one of the chain's");
    return group_new(&j->g);
}

err_t verb_ballot_make(struct verb_run *v, int argc, char **argv)
{
    const char *board = NULL, *place = NULL, *style = NULL, *out = NULL, *random = NULL, *seed = NULL,
               *first = NULL, *votes = NULL, *envelope = NULL;
    struct arg_list select = {.count = 0};
    const struct arg options[] = {
        {"board", ARG_TEXT, &board, "DIR", "manifest, jurisdictions and record of the election", 1},
        {"place", ARG_TEXT, &place, "PLACE", "place of the lowest level", 1},
        {"out", ARG_TEXT, &out, "FILE", "ballots, as a CBOR sequence; never overwritten", 1},
        {"style", ARG_TEXT, &style, "STYLE", "ballot style; not needed if the place has one only", 0},
        {"select", ARG_LIST, &select, "CONTEST=OPTION,...", "choices of one ballot; can be repeated", 0},
        {"votes", ARG_TEXT, &votes, "FILE",
         "JSON: [{\"style\": S, \"votes\": {CONTEST: [OPTION, ...]}}, ...]", 0},
        {"random", ARG_TEXT, &random, "COUNT", "so many made-up voters", 0},
        {"envelope", ARG_TEXT, &envelope, "CHAIN", "seal each for this voting chain of the manifest", 0},
        {"seed", ARG_TEXT, &seed, "N", "decides how they vote (default 1)", 0},
        {"first", ARG_TEXT, &first, "N", "number of the first voter (default 0)", 0},
        {0},
    };
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    uint64_t count = 0, seed_number = 1, first_number = 0;
    TRY(args_number(&count, random, "random", 0, BALLOT_COUNT_MAX, &v->fault));
    TRY(args_number(&seed_number, seed, "seed", 0, INT64_MAX, &v->fault));
    TRY(args_number(&first_number, first, "first", 0, BALLOT_COUNT_MAX, &v->fault));
    if ((random != NULL) + (votes != NULL) + (select.count > 0) > 1)
        return fault_set(&v->fault, ERR_USAGE, "one of --random, --votes and --select");
    struct job j = {.v = v};
    err_t e = OK;
    GO(bundle_election_load(&j.be, board, 1, &v->fault));
    GO(verb_place(v, &j.place, j.be, place));
    if (envelope != NULL)
        GO(want_envelopes(&j, envelope));
    GO(file_writer_open(&j.out, out, &v->fault));
    if (random != NULL)
        GO(make_random(&j, count, seed_number, first_number));
    else if (votes != NULL)
        GO(make_json(&j, votes));
    else
        GO(make_chosen(&j, style, &select));
    GO(file_writer_commit(&j.out, FILE_NEW, &v->fault));
    fprintf(v->out, "made %llu\n", (unsigned long long)j.count);
out:
    file_writer_abandon(&j.out);
    group_free(j.g);
    bundle_election_free(j.be);
    return e;
}
