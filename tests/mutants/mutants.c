#include "tests/mutants/mutants.h"

#include <unistd.h>

#include "ceremony/base/secret.h"
#include "ceremony/exception.h"
#include "tests/mutants/lab_parts.h"
#include "tests/support/unit.h"

/* --- small helpers --- */

static void flip_file(struct lab *l, const char *name, long at)
{
    size_t len;
    uint8_t *data = lab_read(l, name, &len);
    data[at < 0 ? (size_t)((long)len + at) : (size_t)at] ^= 1;
    lab_write(l, name, data, len);
    free(data);
}

static void add_byte(struct lab *l, const char *name)
{
    size_t len;
    uint8_t *data = lab_read(l, name, &len);
    data[len] = 0; /* the NUL that file_read puts behind */
    lab_write(l, name, data, len + 1);
    free(data);
}

static void replace_text(struct lab *l, const char *name, const char *from, const char *to)
{
    size_t len;
    char *data = (char *)lab_read(l, name, &len), *at = strstr(data, from);
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    lab_write(l, name, data, len);
    free(data);
}

static void add_point(struct lab *l, point_t *p, const point_t *q)
{
    struct fault fault_;
    OK_OR_FAIL(point_add(l->g, p, p, q));
}

static void drop_unit(struct lab *l, const char *place, const char *contest)
{
    struct plan *p = l->plan;
    for (size_t i = 0; i < p->unit_count; i++) {
        struct plan_unit *u = &p->unit[i];
        if (strcmp(u->place, place) != 0 || strcmp(l->m->contest[u->contest].id, contest) != 0)
            continue;
        free(u->member);
        free(u->A);
        free(u->B);
        memmove(u, u + 1, (p->unit_count - i - 1) * sizeof *u);
        p->unit_count--;
        return;
    }
    fail_msg("no such unit");
}

static int here(const struct lab *l, enum lab_stage s, enum lab_stage want, const char *place)
{
    return s == want && (place == NULL || l->place == lab_place(l, place));
}

/* --- files, manifest, places, record --- */

static void wrong_sum_line(struct lab *l, enum lab_stage s)
{
    if (s != LAB_SUMS)
        return;
    size_t len;
    uint8_t *data = lab_read(l, "SHA256SUMS", &len);
    data[0] = data[0] == '0' ? '1' : '0';
    lab_write(l, "SHA256SUMS", data, len);
    free(data);
}

static void spare_file_gone(struct lab *l, enum lab_stage s)
{
    char name[256], path[600];
    if (s != LAB_SUMS)
        return;
    lab_entry_name(l, ENTRY_PARTIAL, 3, name); /* not needed by anything */
    snprintf(path, sizeof path, "%s/%s", l->dir, name);
    assert_int_equal(unlink(path), 0);
}

static void link_in_bundle(struct lab *l, enum lab_stage s)
{
    char path[600];
    if (s != LAB_SUMS)
        return;
    snprintf(path, sizeof path, "%s/exports/b2.cexp.link", l->dir);
    assert_int_equal(symlink("a1.cexp", path), 0);
}

static void manifest_key(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PAGE)
        replace_text(l, "manifest.json", "\"title\": \"Mutants\"", "\"TITLE\": \"Mutants\"");
}

static void places_changed(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PAGE)
        replace_text(l, "jurisdictions.csv", ",A1,", ",A9,");
}

static void record_trailing(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PAGE)
        add_byte(l, "record.cbor");
}

static void other_election(struct lab *l, enum lab_stage s)
{
    if (s == LAB_START)
        l->title = "Mutants, but other ones";
}

static void extra_file(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PAGE)
        lab_write(l, "notes.txt", "hello\n", 6);
}

/* --- entries --- */

/* -s is as good a signature as s to a careless reader. */
static void malleated(struct lab *l, enum lab_stage s)
{
    char name[256];
    size_t len;
    scalar_t half;
    if (s != LAB_PAGE)
        return;
    lab_entry_name(l, ENTRY_PARTIAL, 3, name);
    uint8_t *data = lab_read(l, name, &len);
    memcpy(half.b, data + len - SCALAR_LEN, SCALAR_LEN);
    scalar_neg(&half, &half);
    memcpy(data + len - SCALAR_LEN, half.b, SCALAR_LEN);
    lab_write(l, name, data, len);
    free(data);
}

static void entry_renamed(struct lab *l, enum lab_stage s)
{
    char name[256];
    size_t len;
    if (s != LAB_PAGE)
        return;
    lab_entry_name(l, ENTRY_PARTIAL, 3, name);
    uint8_t *data = lab_read(l, name, &len);
    lab_forget(l, name);
    lab_write(l, "entries/partial.cose", data, len);
    free(data);
}

/* An entry of another election, signed as it should be. */
static void foreign_entry(struct lab *l, enum lab_stage s)
{
    struct fault fault_;
    struct cbor_out st = CBOR_OUT_INIT;
    struct signer signer;
    struct entry *e;
    hash_t other;
    char name[ENTRY_NAME_SIZE], path[256];
    if (s != LAB_PARTIALS)
        return;
    memset(other.b, 7, HASH_LEN);
    signer = softkeys_signer(l->seat_token[0], 0);
    cbor_put_array(&st, 0);
    OK_OR_FAIL(entry_make(&e, ENTRY_DRILL, &other, NULL, NULL, &st, NULL, &signer, &fault_));
    entry_file_name(name, e);
    snprintf(path, sizeof path, "entries/%s", name);
    lab_write(l, path, e->bytes, e->bytes_len);
    entry_free(e);
    cbor_out_free(&st);
}

/* A seat signed an exception that is no text for people. */
static void exception_escapes(struct lab *l, enum lab_stage s)
{
    struct fault fault_;
    struct cbor_out st = CBOR_OUT_INIT, payload = CBOR_OUT_INIT, message = CBOR_OUT_INIT;
    hash_t subject;
    if (s != LAB_PAGE)
        return;
    struct signer signer = softkeys_signer(l->seat_token[0], 0);
    exception_statement(&st, 1, "\033[2J");
    OK_OR_FAIL(exception_subject(&subject, &l->m->election, st.data, st.len));
    cbor_put_array(&payload, 11);
    cbor_put_text(&payload, "conclave/entry");
    cbor_put_uint(&payload, 1);
    cbor_put_uint(&payload, SCHEME_P256_ELGAMAL);
    cbor_put_text(&payload, "exception");
    cbor_put_hash(&payload, &l->m->election);
    cbor_put_hash(&payload, &l->roster.ceremony);
    cbor_put_bytes(&payload, signer.key.b, POINT_LEN);
    cbor_put_uint(&payload, 1);
    cbor_put_hash(&payload, &subject);
    cbor_put_bytes(&payload, st.data, st.len);
    cbor_put_bytes(&payload, NULL, 0);
    OK_OR_FAIL(cose_sign(&message, &signer, payload.data, payload.len, &fault_));
    lab_write(l, "entries/exception.cose", message.data, message.len);
    cbor_out_free(&st);
    cbor_out_free(&payload);
    cbor_out_free(&message);
}

/* --- ceremony --- */

#define KNOB(name, field, value)                                                                             \
    static void name(struct lab *l, enum lab_stage s)                                                        \
    {                                                                                                        \
        if (s == LAB_START)                                                                                  \
            l->field = value;                                                                                \
    }

KNOB(two_rosters, bad_roster, 1)
KNOB(one_model, same_models, 1)
KNOB(wrong_commitment, bad_commitment, 1)
KNOB(wrong_pok, bad_pok, 1)
KNOB(no_reveal, omit_reveal, 1)
KNOB(wrong_reveal, bad_reveal, 1)
KNOB(wrong_confirm, bad_confirm, 1)
KNOB(duplicate_counts, keep_duplicate, 1)
KNOB(no_plan_signature, unsigned_plan, 1)

static void other_cut(struct lab *l, enum lab_stage s)
{
    if (s == LAB_RECORD)
        l->rec->cut.b[0] ^= 1;
}

static void holder_left_out(struct lab *l, enum lab_stage s)
{
    if (s == LAB_RECORD)
        l->rec->holders = 3;
}

/* Another key that fits itself: everything shifted by one. Whoever made the record knows no more than
 * before, but the record is not the ceremony's. */
static void other_key(struct lab *l, enum lab_stage s)
{
    scalar_t one;
    if (s != LAB_RECORD)
        return;
    scalar_set(&one, 1);
    add_point(l, &l->rec->Y, &group_generator);
    for (size_t j = 0; j < LAB_N; j++) {
        add_point(l, &l->rec->seat[j].S, &group_generator);
        scalar_add(&l->share[j], &l->share[j], &one);
    }
}

static void key_alone(struct lab *l, enum lab_stage s)
{
    if (s == LAB_RECORD)
        add_point(l, &l->rec->Y, &group_generator);
}

static void other_name(struct lab *l, enum lab_stage s)
{
    if (s == LAB_RECORD)
        l->rec->seat[0].name[0] = 'X';
}

/* --- exports --- */

static void signature_flipped(struct lab *l, enum lab_stage s)
{
    struct fault fault_;
    struct export_header *h;
    char path[512];
    if (s != LAB_PAGE)
        return;
    snprintf(path, sizeof path, "%s/exports/a1.cexp", l->dir);
    OK_OR_FAIL(export_header_read(&h, &l->ctx, path, &fault_));
    flip_file(l, "exports/a1.cexp", (long)h->body - 1);
    export_header_free(h);
}

/* Signed by a precinct official whose key is not this place's. */
static void foreign_export(struct lab *l, enum lab_stage s)
{
    size_t len;
    if (s != LAB_PAGE)
        return;
    uint8_t *data = lab_read(l, "exports/a2.cexp", &len);
    lab_write(l, "exports/a1.cexp", data, len);
    free(data);
}

static void proof_flipped(struct lab *l, enum lab_stage s)
{
    if (!here(l, s, LAB_EXPORT, "a1"))
        return;
    struct lab_box *b = &l->box[l->place];
    b->ballot[1].data[b->ballot[1].len - 1] ^= 1;
    lab_recount(l, b);
}

/* Nobody voted more, the votes only moved: plus two here, minus two there (of 500 in a larger election). */
static void votes_moved(struct lab *l, enum lab_stage s)
{
    if (!here(l, s, LAB_EXPORT, "a1"))
        return;
    lab_add_votes(l, 0, 0, 2);
    lab_add_votes(l, 2, 1, -2);
}

/* One voter's ciphertexts, published as those of many. */
static void one_as_many(struct lab *l, enum lab_stage s)
{
    if (here(l, s, LAB_EXPORT, "a2"))
        l->box[l->place].tallies->tally[0].ballots = 400;
    if (here(l, s, LAB_NODE, "a2")) {
        l->node[l->place]->tallies->tally[0].ballots = 400;
        l->node[l->place]->ballots = 400;
    }
}

static void doubled_ballot(struct lab *l, enum lab_stage s)
{
    if (!here(l, s, LAB_EXPORT, "a2"))
        return;
    struct lab_box *b = &l->box[l->place];
    memmove(&b->ballot[2], &b->ballot[1], (b->count - 1) * sizeof b->ballot[0]);
    memmove(&b->info[2], &b->info[1], (b->count - 1) * sizeof b->info[0]);
    b->ballot[1] = (struct cbor_out)CBOR_OUT_INIT;
    cbor_put_raw(&b->ballot[1], b->ballot[0].data, b->ballot[0].len);
    b->info[1] = b->info[0];
    b->count++;
    lab_recount(l, b);
}

static void order_of_voting(struct lab *l, enum lab_stage s)
{
    if (!here(l, s, LAB_EXPORT, "a1"))
        return;
    struct lab_box *b = &l->box[l->place];
    struct cbor_out o = b->ballot[0];
    b->ballot[0] = b->ballot[1];
    b->ballot[1] = o;
    lab_recount(l, b);
}

static void other_root(struct lab *l, enum lab_stage s)
{
    if (here(l, s, LAB_EXPORT, "a1"))
        l->box[l->place].root.b[5] ^= 1;
}

static void tally_swapped(struct lab *l, enum lab_stage s)
{
    if (!here(l, s, LAB_EXPORT, "a1"))
        return;
    struct tally *t = &l->box[l->place].tallies->tally[0];
    struct p256_jacobian A = t->A[0], B = t->B[0];
    t->A[0] = t->A[1];
    t->B[0] = t->B[1];
    t->A[1] = A;
    t->B[1] = B;
}

/* --- records --- */

static void record_cut_off(struct lab *l, enum lab_stage s)
{
    size_t len;
    if (s != LAB_PAGE)
        return;
    uint8_t *data = lab_read(l, "records/precinct/b2.cbor", &len);
    lab_write(l, "records/precinct/b2.cbor", data, len - 1);
    free(data);
}

static void other_child(struct lab *l, enum lab_stage s)
{
    if (here(l, s, LAB_NODE, "whole"))
        l->node[0]->source[0].hash.b[0] ^= 1;
}

static void other_export(struct lab *l, enum lab_stage s)
{
    if (here(l, s, LAB_NODE, "a1"))
        l->node[l->place]->source[0].hash.b[0] ^= 1;
}

static void add_to_record(struct lab *l)
{
    struct p256_affine g;
    struct tally *t = &l->node[l->place]->tallies->tally[0];
    p256_generator(&g);
    p256_add_affine_var(&t->B[0], &t->B[0], &g);
}

static void sum_of_whole(struct lab *l, enum lab_stage s)
{
    if (here(l, s, LAB_NODE, "whole"))
        add_to_record(l);
}

static void sum_of_precinct(struct lab *l, enum lab_stage s)
{
    if (here(l, s, LAB_NODE, "a2"))
        add_to_record(l);
}

static void missing_hidden(struct lab *l, enum lab_stage s)
{
    if (here(l, s, LAB_NODE, "whole"))
        l->node[0]->missing_count = 0;
}

/* A precinct that is there and is left out, as if it had never reported. */
static void export_left_out(struct lab *l, enum lab_stage s)
{
    if (!here(l, s, LAB_NODE, "b1"))
        return;
    struct node *n = l->node[l->place];
    n->source_count = n->dropped_count = n->replaced_count = 0;
    n->ballots = 0;
    tallies_zero(n->tallies);
    n->missing = calloc(1, sizeof *n->missing);
    assert_non_null(n->missing);
    n->missing[0] = n->place;
    n->missing_count = n->missing_cap = 1;
}

static void export_gone(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PAGE)
        lab_forget(l, "exports/a2.cexp");
}

/* A good ballot that is left out: its vote is gone from all sums. */
static void ballot_left_out(struct lab *l, enum lab_stage s)
{
    if (!here(l, s, LAB_NODE, "a1"))
        return;
    struct lab_box *box = &l->box[l->place];
    size_t k = 0;
    const struct lab_box *other = &l->box[lab_place(l, "b1")];
    for (size_t i = 0; i < other->count; i++)
        if (hash_cmp(&box->info[k].id, &other->info[i].id) == 0)
            k = 1;
    lab_leave_out(l, l->node[l->place], k);
}

static void correction_unsaid(struct lab *l, enum lab_stage s)
{
    if (here(l, s, LAB_NODE, "b1"))
        l->node[l->place]->replaced_count = 0;
}

/* --- plan --- */

static void plan_trailing(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PAGE)
        add_byte(l, "plan.cbor");
}

static void plan_root(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PLAN)
        l->plan->root.b[0] ^= 1;
}

static void plan_member(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PLAN)
        l->plan->unit[1].member[0].hash.b[0] ^= 1;
}

static void plan_order(struct lab *l, enum lab_stage s)
{
    if (s != LAB_PLAN)
        return;
    struct plan_unit u = l->plan->unit[0];
    l->plan->unit[0] = l->plan->unit[1];
    l->plan->unit[1] = u;
}

static void plan_sum(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PLAN)
        add_point(l, &l->plan->unit[0].B[0], &group_generator);
}

/* A sum that cannot be decrypted. */
static void plan_identity(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PLAN)
        memset(&l->plan->unit[0].A[0], 0, sizeof l->plan->unit[0].A[0]);
}

static void small_unit(struct lab *l, enum lab_stage s)
{
    if (s == LAB_START)
        l->minimum = 5;
    if (s != LAB_PLAN)
        return;
    /* b and b1 have 5 ballots; the manifest says 5. One unit more of b2, with none, is below. */
    struct plan *p = l->plan;
    struct plan_unit *u = &p->unit[p->unit_count++], *like = u - 1;
    *u = *like;
    u->member = calloc(1, sizeof *u->member);
    u->A = calloc(u->option_count, sizeof *u->A);
    u->B = calloc(u->option_count, sizeof *u->B);
    assert_true(u->member && u->A && u->B);
    u->member[0] = (struct plan_member){lab_place(l, "b2"), l->node_hash[lab_place(l, "b2")]};
    snprintf(u->place, sizeof u->place, "b2");
    u->ballots = 0;
}

/* County minus precinct: the five ballots of a2 as the difference of two sums that are each large enough. */
static void county_minus_precinct(struct lab *l, enum lab_stage s)
{
    if (s == LAB_START)
        l->minimum = 6;
    if (s == LAB_NODE && l->place == lab_place(l, "whole"))
        l->m->minimum = 1; /* the plan is made as if the rule were another */
    if (s != LAB_PLAN)
        return;
    l->m->minimum = 6;
    drop_unit(l, "a2", "mayor");
    drop_unit(l, "a2", "judge");
    drop_unit(l, "b", "mayor");
    drop_unit(l, "b1", "mayor");
}

static void contest_left_out(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PLAN)
        drop_unit(l, "whole", "judge");
}

/* Two seats of three signed; the manifest asks for three. */
static void no_quorum(struct lab *l, enum lab_stage s)
{
    char name[256];
    if (s == LAB_START)
        l->plan_quorum = 3;
    if (s != LAB_PAGE)
        return;
    lab_entry_name(l, ENTRY_PLAN, 3, name);
    lab_forget(l, name);
}

/* Two plans that differ by one ballot: somebody brought a seat to decrypt the other one. */
static void decrypt_other(struct lab *l, uint32_t seat)
{
    hash_t other;
    memset(other.b, 9, HASH_LEN);
    lab_partial(l, seat, &other);
    lab_post(l, seat, ENTRY_PARTIAL, &l->roster.ceremony, &other, &l->statement, &l->evidence);
}

static void plan_split(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PARTIALS)
        decrypt_other(l, 2);
}

static void plan_opened(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PARTIALS) {
        decrypt_other(l, 2);
        decrypt_other(l, 3);
    }
}

/* --- partial decryptions --- */

static void fewer_targets(struct lab *l, enum lab_stage s)
{
    if (s != LAB_PARTIAL || l->seat != 2)
        return;
    const struct partial *p = l->partial[1];
    cbor_out_free(&l->statement);
    cbor_put_array(&l->statement, 2);
    cbor_put_hash(&l->statement, &l->plan->id);
    cbor_put_array(&l->statement, 1);
    cbor_put_array(&l->statement, 3);
    cbor_put_text(&l->statement, l->plan->unit[0].place);
    cbor_put_text(&l->statement, l->m->contest[l->plan->unit[0].contest].id);
    cbor_put_array(&l->statement, 2);
    cbor_put_point(&l->statement, &p->D[0][0]);
    cbor_put_point(&l->statement, &p->D[0][1]);
}

static void dleq_flipped(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PARTIAL && l->seat == 2)
        l->evidence.data[l->evidence.len - 1] ^= 1;
}

static void put_statement(struct lab *l, const struct partial *p)
{
    cbor_out_free(&l->statement);
    cbor_put_array(&l->statement, 2);
    cbor_put_hash(&l->statement, &l->plan->id);
    cbor_put_array(&l->statement, p->target_count);
    for (size_t i = 0; i < p->target_count; i++) {
        const struct plan_unit *u = &l->plan->unit[i];
        cbor_put_array(&l->statement, 3);
        cbor_put_text(&l->statement, u->place);
        cbor_put_text(&l->statement, l->m->contest[u->contest].id);
        cbor_put_array(&l->statement, u->option_count);
        for (size_t o = 0; o < u->option_count; o++)
            cbor_put_point(&l->statement, &p->D[i][o]);
    }
}

/* Seat 2 knows its share and moves two votes: D_x less, D_y more by so much that the counts come out
 * whole. With weights that depend on their own pair only, a proof for such a batch can be found; with ours
 * the honest one does not fit. */
static void forged_batch(struct lab *l, enum lab_stage s)
{
    struct fault fault_;
    scalar_t lambda, k, two;
    point_t delta, minus;
    const uint32_t seats[] = {1, 2};
    if (s != LAB_PARTIAL || l->seat != 2)
        return;
    OK_OR_FAIL(lagrange_at_zero(&lambda, seats, 2, 1));
    scalar_invert(&lambda, &lambda);
    scalar_set(&two, 2);
    scalar_mul(&k, &lambda, &two);
    OK_OR_FAIL(point_mul_base(l->g, &delta, &k));
    scalar_neg(&k, &k);
    OK_OR_FAIL(point_mul_base(l->g, &minus, &k));
    struct partial *p = l->partial[1];
    add_point(l, &p->D[0][0], &minus);
    add_point(l, &p->D[0][1], &delta);
    put_statement(l, p);
    /* The proof of seat 2 over these values, as well as it can be made: honest responses, statement that is
     * not. */
    for (size_t i = 0; i < 1; i++) {
        const struct plan_unit *u = &l->plan->unit[i];
        struct dleq_statement st = {
            &l->m->election,  &l->r->id,       &l->plan->id, u->place, l->m->contest[u->contest].id, 2,
            &l->r->seat[1].S, u->option_count, u->A,         p->D[i]};
        uint8_t rnd[32];
        random_bytes(rnd, sizeof rnd);
        OK_OR_FAIL(dleq_prove(l->g, &p->proof[i], &st, &l->share[1], rnd));
    }
    cbor_out_free(&l->evidence);
    cbor_put_array(&l->evidence, p->target_count);
    for (size_t i = 0; i < p->target_count; i++)
        cbor_put_dleq(&l->evidence, &p->proof[i]);
}

/* --- result --- */

static void result_plan(struct lab *l, enum lab_stage s)
{
    if (s == LAB_RESULT)
        l->result->plan.b[0] ^= 1;
}

static void result_unknown(struct lab *l, enum lab_stage s)
{
    if (s == LAB_RESULT)
        l->result->partial[1].b[0] ^= 1;
}

static void result_swapped(struct lab *l, enum lab_stage s)
{
    if (s != LAB_RESULT)
        return;
    hash_t h = l->result->partial[0];
    l->result->partial[0] = l->result->partial[1];
    l->result->partial[1] = h;
}

/* Seat 2 made two statements for the plan: who does so is left out. */
static void equivocation(struct lab *l, enum lab_stage s)
{
    if (s != LAB_PARTIALS)
        return;
    lab_partial(l, 2, &l->plan->id);
    struct fault fault_;
    struct entry e = {.kind = ENTRY_PARTIAL,
                      .ceremony = l->roster.ceremony,
                      .subject = l->plan->id,
                      .author = l->roster.seat[1].identity,
                      .statement = l->statement.data,
                      .statement_len = l->statement.len,
                      .evidence = l->evidence.data,
                      .evidence_len = l->evidence.len};
    struct target *t;
    struct partial *p;
    OK_OR_FAIL(plan_targets(&t, &l->ctx, l->plan));
    OK_OR_FAIL(partial_parse(&p, &e, l->r, &l->plan->id, t, l->plan->unit_count, &fault_));
    add_point(l, &p->D[0][0], &group_generator);
    put_statement(l, p);
    lab_post(l, 2, ENTRY_PARTIAL, &l->roster.ceremony, &l->plan->id, &l->statement, &l->evidence);
    partial_free(p);
    plan_targets_free(t, l->plan->unit_count);
}

static void counts_moved(struct lab *l, enum lab_stage s)
{
    if (s != LAB_RESULT)
        return;
    l->result->row[0].votes[0] += 1;
    l->result->row[0].votes[1] -= 1;
}

static void more_votes(struct lab *l, enum lab_stage s)
{
    if (s == LAB_RESULT)
        l->result->row[0].votes[0] = l->result->row[0].ballots + 1;
}

static void row_missing(struct lab *l, enum lab_stage s)
{
    if (s != LAB_RESULT)
        return;
    free(l->result->row[--l->result->row_count].votes);
}

static void page_changed(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PAGE)
        replace_text(l, "index.html", "Result of the election", "Result of the Election");
}

/* --- imports --- */

static void import_proof(struct lab *l, enum lab_stage s)
{
    if (s == LAB_START)
        l->import = 1;
    if (!here(l, s, LAB_EXPORT, "a1"))
        return;
    struct lab_box *b = &l->box[l->place];
    b->ballot[1].data[b->ballot[1].len - 1] ^= 1;
    lab_recount(l, b);
}

static void import_order(struct lab *l, enum lab_stage s)
{
    if (s == LAB_START)
        l->import = 1;
    order_of_voting(l, s);
}

static void import_count_missing(struct lab *l, enum lab_stage s)
{
    if (s == LAB_START)
        l->import = 1;
    if (!here(l, s, LAB_EXPORT, "a2"))
        return;
    struct lab_box *b = &l->box[l->place];
    cbor_out_free(&b->ballot[--b->count]);
    lab_recount(l, b);
}

/* --- the corpus --- */

static const struct mutant mutants[] = {
    {"sum-line", "bundle.files", "bundle.files", wrong_sum_line, 0, 0},
    {"file-gone", "bundle.files", "bundle.files", spare_file_gone, 0, 0},
    {"symbolic-link", "bundle.files", "bundle.files", link_in_bundle, 0, 0},
    {"manifest-key", "manifest.form", "manifest.form", manifest_key, 0, 0},
    {"places-changed", "places.form", "places.form", places_changed, 0, 0},
    {"record-trailing", "record.form", "record.form", record_trailing, 0, 0},
    {"other-election", "anchor.match", "anchor.match", other_election, 1, 0},
    {"extra-file", "bundle.layout", "bundle.layout", extra_file, 0, 0},
    {"malleated-signature", "board.entries", "board.entries", malleated, 0, 0},
    {"entry-renamed", "board.entries", "board.entries", entry_renamed, 0, 0},
    {"foreign-entry", "board.entries", "board.entries", foreign_entry, 0, 0},
    {"exception-escapes", "board.entries", "board.entries", exception_escapes, 0, 0},
    {"two-rosters", "ceremony.roster", "ceremony.roster", two_rosters, 0, 0},
    {"one-model", "ceremony.models", "ceremony.models", one_model, 0, 0},
    {"other-cut", "ceremony.cut", "ceremony.cut ceremony.record", other_cut, 0, 0},
    {"wrong-commitment", "ceremony.deals", "ceremony.deals ceremony.record", wrong_commitment, 0, 0},
    {"wrong-pok", "ceremony.deals", "ceremony.deals ceremony.record", wrong_pok, 0, 0},
    {"no-reveal", "ceremony.complaints", "ceremony.complaints ceremony.record", no_reveal, 0, 0},
    {"wrong-reveal", "ceremony.complaints", "ceremony.complaints ceremony.record", wrong_reveal, 0, 0},
    {"holder-left-out", "ceremony.qualified", "ceremony.qualified ceremony.record", holder_left_out, 0, 0},
    {"wrong-confirm", "ceremony.confirm", "ceremony.confirm ceremony.record", wrong_confirm, 0, 0},
    {"other-key", "ceremony.key", "ceremony.key ceremony.record", other_key, 0, 0},
    {"key-alone", "ceremony.key", "ceremony.key", key_alone, 0, 0},
    {"other-name", "ceremony.record", "ceremony.record", other_name, 0, 0},
    {"signature-flipped", "exports.signed", "exports.signed", signature_flipped, 0, 0},
    {"foreign-export", "exports.signed", "exports.signed", foreign_export, 0, 0},
    {"proof-flipped", "exports.ballots", "exports.ballots", proof_flipped, 0, 0},
    {"votes-moved", "exports.ballots", "exports.ballots", votes_moved, 0, 0},
    {"doubled-ballot", "exports.ids", "exports.ids", doubled_ballot, 0, 0},
    {"order-of-voting", "exports.order", "exports.order", order_of_voting, 0, 0},
    {"other-root", "exports.root", "exports.root", other_root, 0, 0},
    {"tally-swapped", "exports.tally", "exports.tally", tally_swapped, 0, 0},
    {"one-as-many", "exports.tally", "exports.tally records.sums", one_as_many, 0, 0},
    {"record-cut-off", "records.form", "records.form", record_cut_off, 0, 0},
    {"other-child", "records.sources", "records.sources", other_child, 0, 0},
    {"other-export", "records.sources", "records.sources", other_export, 0, 0},
    {"sum-of-whole", "records.sums", "records.sums", sum_of_whole, 0, 0},
    {"sum-of-precinct", "records.sums", "records.sums", sum_of_precinct, 0, 0},
    {"missing-hidden", "records.missing", "records.missing", missing_hidden, 0, 0},
    {"export-left-out", "records.missing", "records.missing", export_left_out, 0, 0},
    {"export-gone", "records.missing", "records.missing", export_gone, 0, 0},
    {"duplicate-counts", "records.dropped", "records.dropped", duplicate_counts, 0, 0},
    {"ballot-left-out", "records.dropped", "records.dropped", ballot_left_out, 0, 0},
    {"correction-unsaid", "records.corrections", "records.corrections", correction_unsaid, 0, 0},
    {"plan-trailing", "plan.form", "plan.form", plan_trailing, 0, 0},
    {"plan-root", "plan.records", "plan.records", plan_root, 0, 0},
    {"plan-member", "plan.records", "plan.records", plan_member, 0, 0},
    {"plan-order", "plan.units", "plan.units", plan_order, 0, 0},
    {"plan-sum", "plan.sums", "plan.sums", plan_sum, 0, 0},
    {"undecryptable-sum", "plan.sums", "plan.sums partials.proofs", plan_identity, 0, 0},
    {"county-minus-precinct", "plan.minimum", "plan.minimum", county_minus_precinct, 0, 0},
    {"small-unit", "plan.minimum", "plan.units plan.sums plan.minimum partials.proofs", small_unit, 0, 0},
    {"contest-left-out", "plan.complete", "plan.complete", contest_left_out, 0, 0},
    {"result-plan", "result.form", "result.form", result_plan, 0, 0},
    {"result-unknown", "result.partials", "result.partials", result_unknown, 0, 0},
    {"result-swapped", "result.partials", "result.partials", result_swapped, 0, 0},
    {"equivocation", "result.partials", "result.partials", equivocation, 0, 0},
    {"plan-unsigned", "plan.signed", "plan.signed", no_plan_signature, 0, 0},
    {"no-quorum", "plan.signed", "plan.signed", no_quorum, 0, 0},
    {"plan-split", "plan.single", "plan.single", plan_split, 0, 0},
    {"plan-opened", "plan.single", "plan.single", plan_opened, 0, 0},
    {"fewer-targets", "partials.form", "partials.form", fewer_targets, 0, 0},
    {"dleq-flipped", "partials.proofs", "partials.proofs", dleq_flipped, 0, 0},
    {"forged-batch", "partials.proofs", "partials.proofs", forged_batch, 0, 0},
    {"counts-moved", "result.decrypts", "result.decrypts", counts_moved, 0, 0},
    {"more-votes", "result.range", "result.decrypts result.range", more_votes, 0, 0},
    {"row-missing", "result.complete", "result.complete", row_missing, 0, 0},
    {"import-proof", "exports.ballots", "exports.ballots", import_proof, 0, 0},
    {"import-order", "exports.order", "exports.order", import_order, 0, 0},
    {"import-count-missing", "exports.order", "exports.order", import_count_missing, 0, 0},
    {"page-changed", "report.page", "report.page", page_changed, 0, 0},
};

#define COUNT (sizeof mutants / sizeof *mutants)

size_t mutants_count(void)
{
    return COUNT + chain_mutant_count;
}

const struct mutant *mutant_at(size_t i)
{
    return i < COUNT ? &mutants[i] : &chain_mutants[i - COUNT];
}
