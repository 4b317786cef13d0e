#include "tally/medsl_sort.h"

#include <stdlib.h>
#include <string.h>

/* An element that is sorted, with its number of arrival in front. */
struct place_item {
    uint32_t arrival;
    struct medsl_place v;
};

struct contest_item {
    uint32_t arrival;
    struct medsl_contest v;
};

struct option_item {
    uint32_t arrival;
    struct medsl_option v;
};

static const char *text(const struct medsl_loaded *all, uint32_t n)
{
    return names_get(all->texts, n);
}

static int place_order(const void *a, const void *b)
{
    const struct medsl_place *x = &((const struct place_item *)a)->v, *y = &((const struct place_item *)b)->v;
    const char *const xs[] = {x->state,        x->state_name,        x->county,  x->county_fips,
                              x->jurisdiction, x->jurisdiction_fips, x->precinct};
    const char *const ys[] = {y->state,        y->state_name,        y->county,  y->county_fips,
                              y->jurisdiction, y->jurisdiction_fips, y->precinct};
    int order = 0;
    for (size_t i = 0; i < sizeof xs / sizeof xs[0] && order == 0; i++)
        order = strcmp(xs[i], ys[i]);
    return order;
}

static int rank(const char *dataverse)
{
    static const char *const order[] = {"PRESIDENT", "SENATE", "HOUSE", "STATE", "LOCAL"};
    int i = 0;
    while (i < 5 && strcmp(dataverse, order[i]) != 0)
        i++;
    return i;
}

int medsl_dataverse_order(const char *a, const char *b)
{
    int order = rank(a) - rank(b);
    return order != 0 ? order : strcmp(a, b);
}

static int contest_order(const void *a, const void *b)
{
    const struct medsl_contest *x = &((const struct contest_item *)a)->v,
                               *y = &((const struct contest_item *)b)->v;
    int order = medsl_dataverse_order(x->dataverse, y->dataverse);
    const char *const xs[] = {x->state, x->office, x->district, x->county, x->county_fips, x->stage};
    const char *const ys[] = {y->state, y->office, y->district, y->county, y->county_fips, y->stage};
    for (size_t i = 0; i < sizeof xs / sizeof xs[0] && order == 0; i++)
        order = strcmp(xs[i], ys[i]);
    return order != 0 ? order : x->special - y->special;
}

/* contest is the sorted number already. */
static int option_order(const void *a, const void *b)
{
    const struct medsl_option *x = &((const struct option_item *)a)->v,
                              *y = &((const struct option_item *)b)->v;
    if (x->contest != y->contest)
        return x->contest < y->contest ? -1 : 1;
    if (x->write_in != y->write_in)
        return x->write_in - y->write_in;
    int order = strcmp(x->candidate, y->candidate);
    return order != 0 ? order : strcmp(x->party, y->party);
}

static int cell_order(const void *a, const void *b)
{
    const struct medsl_cell *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return x->option < y->option ? -1 : x->option > y->option;
}

/* new_number: by arrival. */
static err_t sort_places(struct medsl *t, uint32_t **new_number, const struct medsl_loaded *all)
{
    t->place_count = names_count(all->places);
    struct place_item *item = calloc(t->place_count, sizeof *item);
    *new_number = calloc(t->place_count, sizeof **new_number);
    t->place = calloc(t->place_count, sizeof *t->place);
    if (item == NULL || *new_number == NULL || t->place == NULL) {
        free(item);
        return ERR_MEMORY;
    }
    for (uint32_t i = 0; i < t->place_count; i++) {
        struct medsl_place_key k;
        memcpy(&k, names_get(all->places, i), sizeof k);
        item[i].arrival = i;
        item[i].v = (struct medsl_place){text(all, k.state),        text(all, k.state_name),
                                         text(all, k.county),       text(all, k.county_fips),
                                         text(all, k.jurisdiction), text(all, k.jurisdiction_fips),
                                         text(all, k.precinct)};
    }
    qsort(item, t->place_count, sizeof *item, place_order);
    for (uint32_t i = 0; i < t->place_count; i++) {
        t->place[i] = item[i].v;
        (*new_number)[item[i].arrival] = i;
    }
    free(item);
    return OK;
}

static err_t sort_contests(struct medsl *t, uint32_t **new_number, const struct medsl_loaded *all)
{
    t->contest_count = names_count(all->contests);
    struct contest_item *item = calloc(t->contest_count, sizeof *item);
    *new_number = calloc(t->contest_count, sizeof **new_number);
    t->contest = calloc(t->contest_count, sizeof *t->contest);
    if (item == NULL || *new_number == NULL || t->contest == NULL) {
        free(item);
        return ERR_MEMORY;
    }
    for (uint32_t i = 0; i < t->contest_count; i++) {
        struct medsl_contest_key k;
        memcpy(&k, names_get(all->contests, i), sizeof k);
        item[i].arrival = i;
        item[i].v = (struct medsl_contest){.state = text(all, k.state),
                                           .county = text(all, k.county),
                                           .county_fips = text(all, k.county_fips),
                                           .dataverse = text(all, all->more[i].dataverse),
                                           .office = text(all, k.office),
                                           .district = text(all, k.district),
                                           .stage = text(all, k.stage),
                                           .special = (int)k.special,
                                           .magnitude = all->more[i].magnitude};
    }
    qsort(item, t->contest_count, sizeof *item, contest_order);
    for (uint32_t i = 0; i < t->contest_count; i++) {
        t->contest[i] = item[i].v;
        (*new_number)[item[i].arrival] = i;
    }
    free(item);
    return OK;
}

static err_t sort_options(struct medsl *t, uint32_t **new_number, const uint32_t *contest,
                          const struct medsl_loaded *all)
{
    t->option_count = names_count(all->options);
    struct option_item *item = calloc(t->option_count, sizeof *item);
    *new_number = calloc(t->option_count, sizeof **new_number);
    t->option = calloc(t->option_count, sizeof *t->option);
    if (item == NULL || *new_number == NULL || t->option == NULL) {
        free(item);
        return ERR_MEMORY;
    }
    for (uint32_t i = 0; i < t->option_count; i++) {
        struct medsl_option_key k;
        memcpy(&k, names_get(all->options, i), sizeof k);
        item[i].arrival = i;
        item[i].v = (struct medsl_option){contest[k.contest], text(all, k.candidate), text(all, k.party),
                                          (int)k.write_in};
    }
    qsort(item, t->option_count, sizeof *item, option_order);
    for (uint32_t i = 0; i < t->option_count; i++) {
        t->option[i] = item[i].v;
        (*new_number)[item[i].arrival] = i;
        struct medsl_contest *c = &t->contest[item[i].v.contest];
        if (c->option_count++ == 0)
            c->first_option = i;
    }
    free(item);
    return OK;
}

static err_t sort_cells(struct medsl *t, const uint32_t *place, const uint32_t *option,
                        const struct medsl_loaded *all)
{
    t->cell_count = names_count(all->cells);
    t->cell = calloc(t->cell_count, sizeof *t->cell);
    t->place_cell = calloc(t->place_count + 1, sizeof *t->place_cell);
    if (t->cell == NULL || t->place_cell == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < t->cell_count; i++) {
        struct medsl_cell_key k;
        memcpy(&k, names_get(all->cells, i), sizeof k);
        t->cell[i] = (struct medsl_cell){place[k.place], option[k.option], all->votes[i]};
        t->place_cell[place[k.place] + 1]++;
    }
    for (size_t i = 0; i < t->place_count; i++)
        t->place_cell[i + 1] += t->place_cell[i];
    qsort(t->cell, t->cell_count, sizeof *t->cell, cell_order);
    return OK;
}

err_t medsl_sort(struct medsl *t, const struct medsl_loaded *all)
{
    uint32_t *place = NULL, *contest = NULL, *option = NULL;
    err_t e;
    GO(sort_places(t, &place, all));
    GO(sort_contests(t, &contest, all));
    GO(sort_options(t, &option, contest, all));
    GO(sort_cells(t, place, option, all));
out:
    free(place);
    free(contest);
    free(option);
    return e;
}
