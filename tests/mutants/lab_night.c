#include "tests/mutants/lab_parts.h"

#include "ceremony/base/secret.h"
#include "tally/report_data.h"
#include "tests/support/unit.h"

/* --- plan --- */

static void add_unit(struct lab *l, uint32_t place, const struct tally *t)
{
    struct fault fault_;
    struct plan *p = l->plan;
    struct plan_unit *u = &p->unit[p->unit_count++];
    struct place x;
    struct elgamal ct[2];
    places_get(l->places, place, &x);
    *u = (struct plan_unit){.level = x.level,
                            .contest = t->contest,
                            .ballots = t->ballots,
                            .member_count = 1,
                            .option_count = t->option_count};
    snprintf(u->place, sizeof u->place, "%s", x.id);
    u->member = calloc(1, sizeof *u->member);
    u->A = calloc(t->option_count, sizeof *u->A);
    u->B = calloc(t->option_count, sizeof *u->B);
    assert_true(u->member && u->A && u->B && t->option_count <= 2);
    u->member[0] = (struct plan_member){place, l->node_hash[place]};
    OK_OR_FAIL(tally_compress_var(ct, t));
    for (size_t o = 0; o < t->option_count; o++) {
        u->A[o] = ct[o].A;
        u->B[o] = ct[o].B;
    }
    (void)fault_;
}

static void make_plan(struct lab *l)
{
    l->plan = calloc(1, sizeof *l->plan);
    assert_non_null(l->plan);
    l->plan->election = l->m->election;
    l->plan->record = l->r->id;
    l->plan->root = l->node_hash[0];
    l->plan->unit = calloc(2 * LAB_PLACES, sizeof *l->plan->unit);
    assert_non_null(l->plan->unit);
    for (uint32_t level = 0; level < 3; level++)
        for (uint32_t i = 0; i < LAB_PLACES; i++) {
            const struct node *n = l->node[i];
            for (size_t c = 0; n->level == level && c < n->tallies->count; c++)
                if (n->tallies->tally[c].ballots >= l->m->minimum)
                    add_unit(l, i, &n->tallies->tally[c]);
        }
}

static void write_plan(struct lab *l)
{
    struct fault fault_;
    struct cbor_out o = CBOR_OUT_INIT;
    const struct plan *p = l->plan;
    cbor_put_array(&o, 8);
    cbor_put_text(&o, "conclave/plan");
    cbor_put_uint(&o, 1);
    cbor_put_uint(&o, 1);
    cbor_put_hash(&o, &p->election);
    cbor_put_hash(&o, &p->record);
    cbor_put_hash(&o, &p->root);
    if (p->has_supersedes)
        cbor_put_hash(&o, &p->supersedes);
    else
        cbor_put_null(&o);
    cbor_put_array(&o, p->unit_count);
    for (size_t i = 0; i < p->unit_count; i++) {
        const struct plan_unit *u = &p->unit[i];
        cbor_put_array(&o, 6);
        cbor_put_text(&o, u->place);
        cbor_put_text(&o, l->m->level[u->level]);
        cbor_put_array(&o, u->member_count);
        for (size_t k = 0; k < u->member_count; k++) {
            struct place x;
            places_get(l->places, u->member[k].place, &x);
            cbor_put_array(&o, 2);
            cbor_put_text(&o, x.id);
            cbor_put_hash(&o, &u->member[k].hash);
        }
        cbor_put_text(&o, l->m->contest[u->contest].id);
        cbor_put_uint(&o, u->ballots);
        cbor_put_array(&o, u->option_count);
        for (size_t k = 0; k < u->option_count; k++)
            cbor_put_elgamal(&o, &(struct elgamal){u->A[k], u->B[k]});
    }
    OK_OR_FAIL(plan_hash(&l->plan->id, o.data, o.len));
    lab_write(l, "plan.cbor", o.data, o.len);
    cbor_out_free(&o);
    (void)fault_;
}

/* --- partial decryptions --- */

static err_t draw(void *ctx, uint8_t out[32], struct fault *f)
{
    (void)ctx;
    (void)f;
    random_bytes(out, 32);
    return OK;
}

/* What cannot be decrypted is decrypted as if it were something else. */
static struct target *decryptable(struct lab *l)
{
    struct fault fault_;
    struct target *t;
    OK_OR_FAIL(plan_targets(&t, &l->ctx, l->plan));
    for (size_t i = 0; i < l->plan->unit_count; i++)
        for (size_t o = 0; o < t[i].count; o++)
            if (point_is_identity(&t[i].A[o]))
                t[i].A[o] = group_generator;
    (void)fault_;
    return t;
}

void lab_partial(struct lab *l, uint32_t seat, const hash_t *plan)
{
    struct fault fault_;
    struct target *t = decryptable(l);
    cbor_out_free(&l->statement);
    cbor_out_free(&l->evidence);
    OK_OR_FAIL(partial_make(&l->statement, &l->evidence, l->g, l->r, seat, plan, t, l->plan->unit_count,
                            &l->share[seat - 1], draw, NULL, &fault_));
    plan_targets_free(t, l->plan->unit_count);
}

static void decrypt(struct lab *l, uint32_t seat)
{
    struct fault fault_;
    struct cbor_out st = CBOR_OUT_INIT;
    if (!l->unsigned_plan || seat != 1) {
        cbor_put_array(&st, 2);
        cbor_put_hash(&st, &l->plan->id);
        if (l->has_previous)
            cbor_put_hash(&st, &l->previous);
        else
            cbor_put_null(&st);
        lab_post(l, seat, ENTRY_PLAN, &l->roster.ceremony, &l->plan->id, &st, NULL);
    }
    lab_partial(l, seat, &l->plan->id);
    l->seat = seat;
    struct target *t = decryptable(l);
    struct entry good = {.kind = ENTRY_PARTIAL,
                         .ceremony = l->roster.ceremony,
                         .subject = l->plan->id,
                         .author = l->roster.seat[seat - 1].identity,
                         .statement = l->statement.data,
                         .statement_len = l->statement.len,
                         .evidence = l->evidence.data,
                         .evidence_len = l->evidence.len};
    /* The result is decrypted from what is said below, if it can be read; from the truth otherwise. */
    OK_OR_FAIL(
        partial_parse(&l->partial[seat - 1], &good, l->r, &l->plan->id, t, l->plan->unit_count, &fault_));
    l->hook(l, LAB_PARTIAL);
    struct partial *said = NULL;
    good.statement = l->statement.data;
    good.statement_len = l->statement.len;
    good.evidence = l->evidence.data;
    good.evidence_len = l->evidence.len;
    if (partial_parse(&said, &good, l->r, &l->plan->id, t, l->plan->unit_count, NULL) == OK) {
        partial_free(l->partial[seat - 1]);
        l->partial[seat - 1] = said;
    }
    l->partial[seat - 1]->statement_id =
        lab_post(l, seat, ENTRY_PARTIAL, &l->roster.ceremony, &l->plan->id, &l->statement, &l->evidence)
            ->statement_id;
    plan_targets_free(t, l->plan->unit_count);
    (void)fault_;
}

/* --- result --- */

static void make_result(struct lab *l)
{
    struct fault fault_;
    size_t units = l->plan->unit_count;
    uint64_t *count[2 * LAB_PLACES] = {NULL}, limit[2 * LAB_PLACES];
    const struct partial *two[] = {l->partial[0], l->partial[1]};
    OK_OR_FAIL(plan_targets(&l->target, &l->ctx, l->plan));
    OK_OR_FAIL(result_new(&l->result, units));
    for (size_t i = 0; i < units; i++) {
        struct result_row *row = &l->result->row[i];
        OK_OR_FAIL(result_row_votes(l->result, i, l->target[i].count));
        memcpy(row->place, l->target[i].place, sizeof row->place);
        memcpy(row->contest, l->target[i].contest, sizeof row->contest);
        row->ballots = l->target[i].ballots;
        count[i] = row->votes;
        limit[i] = 1000;
    }
    err_t e = partial_combine_var(count, two, l->r, l->target, units, limit, NULL);
    if (e != OK && e != ERR_LIMIT)
        fail_msg("combining: %s", err_name(e));
    l->result->election = l->m->election;
    l->result->record = l->r->id;
    l->result->plan = l->plan->id;
    l->result->partial_count = LAB_T;
    for (size_t i = 0; i < LAB_T; i++)
        l->result->partial[i] = l->partial[i]->statement_id;
    (void)fault_;
}

void lab_night(struct lab *l)
{
    struct cbor_out o = CBOR_OUT_INIT;
    make_plan(l);
    l->hook(l, LAB_PLAN);
    write_plan(l);
    for (uint32_t j = 1; j <= LAB_N; j++)
        if (l->r->holders >> (j - 1) & 1)
            decrypt(l, j);
    l->hook(l, LAB_PARTIALS);
    make_result(l);
    l->hook(l, LAB_RESULT);
    result_write(&o, l->result);
    assert_int_equal(o.err, OK);
    lab_write(l, "result.cbor", o.data, o.len);
    cbor_out_free(&o);
}

/* --- page --- */

void lab_page(struct lab *l)
{
    struct report_data *data = NULL;
    struct node_provider nodes;
    struct fault fault;
    char dir[512];
    uint8_t *page = NULL;
    size_t len = 0;
    struct combination *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->result = l->result;
    c->used_count = LAB_T;
    for (size_t i = 0; i < LAB_T; i++)
        c->used[i] = l->partial[i];
    snprintf(dir, sizeof dir, "%s/records", l->dir);
    node_provider_dir(&nodes, dir);
    if (report_gather_var(&data, &l->ctx, &nodes, l->plan, l->target, c, &fault) == OK &&
        report_make(&page, &len, &data->in, &fault) == OK)
        lab_write(l, "index.html", page, len);
    else
        lab_write(l, "index.html", "no page\n", 8); /* nobody can make it from these files */
    free(page);
    report_data_free(data);
    free(c);
}
