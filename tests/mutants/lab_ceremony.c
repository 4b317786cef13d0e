#include "ceremony/math/hpke.h"
#include "ceremony/vault.h"
#include "tests/mutants/lab_parts.h"

#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "ceremony/seed.h"
#include "tests/support/unit.h"

static void fresh(uint8_t out[32])
{
    random_bytes(out, 32);
}

/* --- entries --- */

static void file_entry(struct lab *l, struct entry *e)
{
    struct board *b = &l->board;
    char name[ENTRY_NAME_SIZE], path[256];
    size_t at = b->entry_count;
    b->entry = realloc(b->entry, (at + 1) * sizeof *b->entry);
    assert_non_null(b->entry);
    for (; at > 0 && hash_cmp(&b->entry[at - 1]->id, &e->id) > 0; at--)
        b->entry[at] = b->entry[at - 1];
    b->entry[at] = e;
    b->entry_count++;
    entry_file_name(name, e);
    snprintf(path, sizeof path, "entries/%s", name);
    lab_write(l, path, e->bytes, e->bytes_len);
}

static struct entry *post(struct lab *l, struct softkeys *k, enum entry_kind kind, const hash_t *ceremony,
                          const hash_t *subject, struct cbor_out *statement, struct cbor_out *evidence)
{
    struct fault fault_;
    struct entry *e;
    struct signer s = softkeys_signer(k, 0);
    OK_OR_FAIL(entry_make(&e, kind, &l->m->election, ceremony, subject, statement, evidence, &s, &fault_));
    cbor_out_free(statement);
    if (evidence)
        cbor_out_free(evidence);
    file_entry(l, e);
    return e;
}

const struct entry *lab_post(struct lab *l, uint32_t seat, enum entry_kind kind, const hash_t *ceremony,
                             const hash_t *subject, struct cbor_out *statement, struct cbor_out *evidence)
{
    return post(l, l->seat_token[seat - 1], kind, ceremony, subject, statement, evidence);
}

void lab_entry_name(const struct lab *l, enum entry_kind kind, uint32_t seat, char out[256])
{
    char name[ENTRY_NAME_SIZE];
    for (size_t i = 0; i < l->board.entry_count; i++) {
        const struct entry *e = l->board.entry[i];
        if (e->kind != kind || roster_seat(&l->roster, &e->author) != seat)
            continue;
        entry_file_name(name, e);
        snprintf(out, 256, "entries/%s", name);
        return;
    }
    fail_msg("no such entry");
}

/* --- enrol, roster --- */

static void enroll(struct lab *l, size_t i)
{
    struct fault fault_;
    struct cbor_out st = CBOR_OUT_INIT;
    const struct soft_enrolment *k = &l->token[i]->enrolment[0];
    char name[32], serial[17], model[17];
    point_t C0;
    hash_t commitment, sealed;
    snprintf(name, sizeof name, "Trustee %c", (char)('A' + i));
    snprintf(serial, sizeof serial, "S%zu", i);
    snprintf(model, sizeof model, "model %zu", l->same_models ? 0 : i);
    OK_OR_FAIL(point_mul_base(l->g, &C0, &l->poly[i][0]));
    if (l->bad_commitment && i == 1)
        C0 = group_generator;
    OK_OR_FAIL(enrolment_commitment(&commitment, &l->m->election, &k->identity_key, &C0));
    random_bytes(sealed.b, HASH_LEN); /* the sealed seed is not published */
    cbor_put_array(&st, 10);
    cbor_put_uint(&st, LAB_N);
    cbor_put_uint(&st, LAB_T);
    cbor_put_text(&st, name);
    cbor_put_text(&st, "Society");
    cbor_put_point(&st, &k->ceremony_key);
    cbor_put_text(&st, "Maker");
    cbor_put_text(&st, model);
    cbor_put_text(&st, serial);
    cbor_put_hash(&st, &sealed);
    cbor_put_hash(&st, &commitment);
    post(l, l->token[i], ENTRY_ENROLL, NULL, NULL, &st, NULL);
    (void)fault_;
}

static void make_roster(struct lab *l)
{
    struct fault fault_;
    OK_OR_FAIL(roster_make(&l->roster, &l->lenient, &l->board, l->g, NULL, 0, &fault_));
    for (uint32_t j = 1; j <= LAB_N; j++)
        for (size_t i = 0; i < LAB_N; i++)
            if (point_equal(&l->token[i]->enrolment[0].identity_key, &l->roster.seat[j - 1].identity)) {
                l->seat_token[j - 1] = l->token[i];
                memcpy(l->seat_poly[j - 1], l->poly[i], sizeof l->poly[i]);
            }
    for (uint32_t j = 1; j <= LAB_N; j++) {
        struct cbor_out st = CBOR_OUT_INIT;
        if (l->bad_roster && j == 3) {
            cbor_put_array(&st, LAB_N);
            for (size_t k = LAB_N; k-- > 0;)
                cbor_put_hash(&st, &l->roster.seat[k].id);
        } else {
            roster_statement(&st, &l->roster);
        }
        lab_post(l, j, ENTRY_ROSTER, &l->roster.ceremony, NULL, &st, NULL);
    }
}

/* --- deals --- */

static void share_of(const struct lab *l, scalar_t *out, uint32_t dealer, uint32_t seat)
{
    scalar_t x;
    scalar_set(&x, seat);
    scalar_mul(out, &l->seat_poly[dealer - 1][1], &x);
    scalar_add(out, out, &l->seat_poly[dealer - 1][0]);
}

/* The one share that is looked at by the public: of seat 1 for seat 2. */
static void seal_one(struct lab *l, struct deal *d)
{
    struct fault fault_;
    struct cbor_out info = CBOR_OUT_INIT;
    struct sealed sealed;
    scalar_t s;
    share_of(l, &s, 1, 2);
    scalar_random(&l->ephemeral);
    share_info(&info, &l->roster, d, 2);
    OK_OR_FAIL(hpke_seal(l->g, sealed.enc, sealed.ct, &l->roster.seat[1].ceremony_key, &l->ephemeral,
                         info.data, info.len, s.b, SCALAR_LEN));
    sealed_put(&l->sealed, &sealed);
    hash_one(&d->share[1], l->sealed.data, l->sealed.len);
    cbor_out_free(&info);
    (void)fault_;
}

static void deal(struct lab *l, uint32_t seat)
{
    struct fault fault_;
    struct deal *d = &l->deal[seat - 1];
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT, context = CBOR_OUT_INIT;
    struct pok pok;
    uint8_t rnd[32];
    d->seat = seat;
    for (uint32_t k = 0; k < LAB_T; k++)
        OK_OR_FAIL(point_mul_base(l->g, &d->C[k], &l->seat_poly[seat - 1][k]));
    for (uint32_t j = 0; j < LAB_N; j++)
        random_bytes(d->share[j].b, HASH_LEN);
    if (seat == 1)
        seal_one(l, d);
    OK_OR_FAIL(deal_context(&context, &l->roster, d));
    fresh(rnd);
    OK_OR_FAIL(pok_prove(l->g, &pok, &l->seat_poly[seat - 1][0], &d->C[0], rnd, "conclave/deal-pok",
                         &l->m->election, context.data, context.len));
    if (l->bad_pok && seat == 2)
        pok.z.b[31] ^= 1;
    cbor_put_array(&st, 2);
    cbor_put_array(&st, LAB_T);
    for (uint32_t k = 0; k < LAB_T; k++)
        cbor_put_point(&st, &d->C[k]);
    cbor_put_array(&st, LAB_N);
    for (uint32_t j = 0; j < LAB_N; j++)
        cbor_put_hash(&st, &d->share[j]);
    cbor_put_pok(&ev, &pok);
    l->deal_id[seat - 1] = lab_post(l, seat, ENTRY_DEAL, &l->roster.ceremony, NULL, &st, &ev)->statement_id;
    d->statement_id = l->deal_id[seat - 1];
    cbor_out_free(&context);
    (void)fault_;
}

static void complain_and_reveal(struct lab *l)
{
    struct cbor_out st = CBOR_OUT_INIT;
    hash_t subject;
    cbor_put_array(&st, 1);
    cbor_put_hash(&st, &l->deal_id[0]);
    lab_post(l, 2, ENTRY_COMPLAINT, &l->roster.ceremony, &l->deal_id[0], &st, NULL);
    if (l->omit_reveal)
        return;
    if (l->bad_reveal)
        l->ephemeral.b[31] ^= 1;
    subject_seat(&subject, 2);
    cbor_put_array(&st, 4);
    cbor_put_hash(&st, &l->deal_id[0]);
    cbor_put_uint(&st, 2);
    cbor_put_bytes(&st, l->ephemeral.b, SCALAR_LEN);
    cbor_put_bytes(&st, l->sealed.data, l->sealed.len);
    lab_post(l, 1, ENTRY_REVEAL, &l->roster.ceremony, &subject, &st, NULL);
}

/* --- cut, confirmations --- */

static void make_cut(struct lab *l)
{
    struct fault fault_;
    struct cbor_out st = CBOR_OUT_INIT;
    OK_OR_FAIL(cut_make(&l->cut, &l->board, &l->roster, 0, &fault_));
    cut_statement(&st, &l->cut);
    lab_post(l, 1, ENTRY_CUT, &l->roster.ceremony, &l->cut.hash, &st, NULL);
}

/* As the liars want it: everybody counts, whatever the rules say. */
static void make_outcome(struct lab *l)
{
    struct fault fault_;
    struct outcome *oc = &l->outcome;
    oc->qual = oc->holders = (1u << LAB_N) - 1;
    for (uint32_t i = 0; i < LAB_N; i++)
        OK_OR_FAIL(point_add(l->g, &oc->Y, &oc->Y, &l->deal[i].C[0]));
    for (uint32_t j = 1; j <= LAB_N; j++) {
        for (uint32_t i = 1; i <= LAB_N; i++) {
            scalar_t s;
            share_of(l, &s, i, j);
            scalar_add(&l->share[j - 1], &l->share[j - 1], &s);
        }
        OK_OR_FAIL(point_mul_base(l->g, &oc->S[j - 1], &l->share[j - 1]));
    }
    (void)fault_;
}

static void confirm(struct lab *l, uint32_t seat)
{
    static const hash_t none;
    struct fault fault_;
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT, context = CBOR_OUT_INIT;
    const struct outcome *oc = &l->outcome;
    const scalar_t *s = &l->share[seat - 1];
    point_t A, B, V, D;
    struct pok pok;
    struct dleq dleq;
    uint8_t rnd[32];
    OK_OR_FAIL(test_ciphertext(l->g, &A, &B, &V, &l->roster, &l->cut.hash, &oc->Y));
    OK_OR_FAIL(point_mul(l->g, &D, s, &A));
    confirm_context(&context, &l->roster, &l->cut, oc, seat);
    fresh(rnd);
    OK_OR_FAIL(pok_prove(l->g, &pok, s, &oc->S[seat - 1], rnd, "conclave/confirm-pok", &l->m->election,
                         context.data, context.len));
    if (l->bad_confirm && seat == 3)
        pok.z.b[31] ^= 1;
    struct dleq_statement ds = {
        &l->m->election, &l->cut.hash, &none, "test", "test", seat, &oc->S[seat - 1], 1, &A, &D};
    fresh(rnd);
    OK_OR_FAIL(dleq_prove(l->g, &dleq, &ds, s, rnd));
    confirm_statement(&st, &l->roster, &l->cut, oc, &D);
    cbor_put_array(&ev, 2);
    cbor_put_pok(&ev, &pok);
    cbor_put_dleq(&ev, &dleq);
    lab_post(l, seat, ENTRY_CONFIRM, &l->roster.ceremony, &l->cut.hash, &st, &ev);
    cbor_out_free(&context);
    (void)fault_;
}

/* --- the record --- */

static void list(struct record *r, const struct lab *l, enum entry_kind kind, uint32_t seat)
{
    for (size_t i = 0; i < l->board.entry_count; i++) {
        const struct entry *e = l->board.entry[i];
        if (e->kind == kind && (seat == 0 || roster_seat(&l->roster, &e->author) == seat))
            r->entry[r->entry_count++] = kind == ENTRY_CONFIRM ? e->statement_id : e->id;
    }
}

static void fill_record(struct lab *l, struct record *r)
{
    struct merkle tree;
    *r = (struct record){.election = l->m->election,
                         .ceremony = l->roster.ceremony,
                         .scheme = SCHEME_P256_ELGAMAL,
                         .n = LAB_N,
                         .t = LAB_T,
                         .qual = l->outcome.qual,
                         .holders = l->outcome.holders,
                         .cut = l->cut.hash,
                         .Y = l->outcome.Y};
    for (uint32_t j = 0; j < LAB_N; j++) {
        const struct enrolment *x = &l->roster.seat[j];
        struct seat *s = &r->seat[j];
        memcpy(s->name, x->name, sizeof s->name);
        memcpy(s->organisation, x->organisation, sizeof s->organisation);
        memcpy(s->model, x->model, sizeof s->model);
        memcpy(s->serial, x->serial, sizeof s->serial);
        memcpy(s->manufacturer, x->manufacturer, sizeof s->manufacturer);
        s->identity = x->identity;
        s->ceremony_key = x->ceremony_key;
        s->enrolment = x->id;
        s->S = l->outcome.S[j];
    }
    r->entry = calloc(64, sizeof *r->entry);
    assert_non_null(r->entry);
    for (uint32_t j = 0; j < LAB_N; j++)
        r->entry[r->entry_count++] = l->roster.seat[j].id;
    for (size_t i = 0; i < l->cut.entry_count; i++)
        r->entry[r->entry_count++] = l->cut.entry[i];
    for (uint32_t j = 1; j <= LAB_N; j++)
        list(r, l, ENTRY_CONFIRM, j);
    merkle_init(&tree);
    for (size_t i = 0; i < r->entry_count; i++) {
        hash_t leaf;
        merkle_leaf(&leaf, r->entry[i].b, HASH_LEN);
        merkle_add(&tree, &leaf);
    }
    merkle_root(&tree, &r->transcript);
}

static void put_seat(struct cbor_out *o, const struct seat *s, int holder)
{
    cbor_put_array(o, 9);
    cbor_put_text(o, s->name);
    cbor_put_text(o, s->organisation);
    cbor_put_text(o, s->manufacturer);
    cbor_put_text(o, s->model);
    cbor_put_text(o, s->serial);
    cbor_put_point(o, &s->identity);
    cbor_put_point(o, &s->ceremony_key);
    cbor_put_hash(o, &s->enrolment);
    if (holder)
        cbor_put_point(o, &s->S);
    else
        cbor_put_null(o);
}

static void write_record(struct lab *l, const struct record *r)
{
    struct cbor_out o = CBOR_OUT_INIT, id = CBOR_OUT_INIT;
    struct fault fault_;
    cbor_put_array(&o, 15);
    cbor_put_text(&o, "conclave/record");
    cbor_put_uint(&o, 1);
    cbor_put_uint(&o, r->scheme);
    cbor_put_hash(&o, &r->election);
    cbor_put_hash(&o, &r->ceremony);
    cbor_put_uint(&o, r->n);
    cbor_put_uint(&o, r->t);
    cbor_put_hash(&o, &r->cut);
    cbor_put_uint(&o, r->qual);
    cbor_put_uint(&o, r->holders);
    cbor_put_point(&o, &r->Y);
    cbor_put_array(&o, r->n);
    for (uint32_t j = 0; j < r->n; j++)
        put_seat(&o, &r->seat[j], r->holders >> j & 1);
    cbor_put_array(&o, r->entry_count);
    for (size_t i = 0; i < r->entry_count; i++)
        cbor_put_hash(&o, &r->entry[i]);
    cbor_put_hash(&o, &r->transcript);
    cbor_put_text(&o, "end");
    lab_write(l, "record.cbor", o.data, o.len);
    cbor_put_array(&id, 2);
    cbor_put_text(&id, "conclave/record-id");
    cbor_put_bytes(&id, o.data, o.len);
    OK_OR_FAIL(cbor_out_hash(&id, &l->rec->id));
    cbor_out_free(&o);
    (void)fault_;
}

void lab_ceremony(struct lab *l)
{
    for (size_t i = 0; i < LAB_N; i++) {
        l->token[i] = softkeys_new("model", "serial");
        assert_int_equal(softkeys_add(l->token[i]), 0);
        for (size_t k = 0; k < LAB_T; k++)
            scalar_random(&l->poly[i][k]);
        enroll(l, i);
    }
    make_roster(l);
    for (uint32_t j = 1; j <= LAB_N; j++)
        deal(l, j);
    complain_and_reveal(l);
    make_cut(l);
    make_outcome(l);
    for (uint32_t j = 1; j <= LAB_N; j++)
        confirm(l, j);
    l->rec = calloc(1, sizeof *l->rec);
    assert_non_null(l->rec);
    fill_record(l, l->rec);
    l->hook(l, LAB_RECORD);
    write_record(l, l->rec);
    l->r = l->rec;
    l->ctx = (struct election_context){l->m, l->places, l->r};
}
