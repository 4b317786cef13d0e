#include "tally/resultqr.h"

#include <stdlib.h>
#include <string.h>

/* --- memory --- */

static err_t resultqr_new(struct resultqr **out, size_t options, size_t partials)
{
    *out = NULL;
    struct resultqr *q = calloc(1, sizeof *q);
    if (q == NULL)
        return ERR_MEMORY;
    q->option = calloc(options, sizeof *q->option);
    q->A = calloc(options, sizeof *q->A);
    q->B = calloc(options, sizeof *q->B);
    q->votes = calloc(options, sizeof *q->votes);
    q->partial = calloc(partials, sizeof *q->partial);
    int good = q->option && q->A && q->B && q->votes && q->partial;
    if (q->partial != NULL) {
        q->partial_count = partials;
        for (size_t i = 0; good && i < partials; i++) {
            q->partial[i].D = calloc(options, sizeof *q->partial[i].D);
            good = q->partial[i].D != NULL;
        }
    }
    q->option_count = options;
    if (!good) {
        resultqr_free(q);
        return ERR_MEMORY;
    }
    *out = q;
    return OK;
}

void resultqr_free(struct resultqr *q)
{
    if (q == NULL)
        return;
    for (size_t i = 0; i < q->partial_count; i++)
        free(q->partial[i].D);
    free(q->partial);
    free(q->option);
    free(q->A);
    free(q->B);
    free(q->votes);
    free(q);
}

/* --- making --- */

err_t resultqr_make(struct resultqr **out, const struct manifest *m, const struct record *r,
                    const hash_t *plan, const struct target *target, size_t index, const char *place_title,
                    const uint64_t *votes, const struct partial *const *partial, size_t partial_count,
                    struct fault *f)
{
    const struct target *t = &target[index];
    *out = NULL;
    int contest = manifest_contest(m, t->contest);
    if (contest < 0)
        return fault_set(f, ERR_UNKNOWN, "contest %s", t->contest);
    const struct contest *c = &m->contest[contest];
    if (t->count != c->option_count || partial_count != r->t || strlen(place_title) > TEXT_TITLE_MAX)
        return fault_set(f, ERR_BUG, "result proof of another contest or of too few partials");
    struct resultqr *q;
    err_t e = resultqr_new(&q, t->count, partial_count);
    if (e != OK)
        return fault_set(f, e, "result proof");
    q->election = r->election;
    q->record = r->id;
    q->plan = *plan;
    q->Y = r->Y;
    memcpy(q->election_title, m->title, sizeof q->election_title);
    memcpy(q->place_title, place_title, strlen(place_title) + 1);
    memcpy(q->contest_title, c->title, sizeof q->contest_title);
    memcpy(q->place, t->place, sizeof q->place);
    memcpy(q->contest, t->contest, sizeof q->contest);
    q->limit = c->limit;
    q->ballots = t->ballots;
    for (size_t o = 0; o < t->count; o++) {
        memcpy(q->option[o].id, c->option[o].id, sizeof q->option[o].id);
        memcpy(q->option[o].title, c->option[o].title, sizeof q->option[o].title);
        q->A[o] = t->A[o];
        q->B[o] = t->B[o];
        q->votes[o] = votes[o];
    }
    for (size_t i = 0; i < partial_count; i++) {
        q->partial[i].seat = partial[i]->seat;
        q->partial[i].S = r->seat[partial[i]->seat - 1].S;
        q->partial[i].proof = partial[i]->proof[index];
        memcpy(q->partial[i].D, partial[i]->D[index], t->count * sizeof *q->partial[i].D);
    }
    *out = q;
    return OK;
}

/* --- writing and reading --- */

void resultqr_write(struct cbor_out *o, const struct resultqr *q)
{
    cbor_put_array(o, 16);
    cbor_put_text(o, "conclave/result-proof");
    cbor_put_uint(o, 1);
    cbor_put_uint(o, SCHEME_P256_ELGAMAL);
    cbor_put_hash(o, &q->election);
    cbor_put_hash(o, &q->record);
    cbor_put_hash(o, &q->plan);
    cbor_put_point(o, &q->Y);
    cbor_put_array(o, 3);
    cbor_put_text(o, q->election_title);
    cbor_put_text(o, q->place_title);
    cbor_put_text(o, q->contest_title);
    cbor_put_text(o, q->place);
    cbor_put_text(o, q->contest);
    cbor_put_uint(o, q->limit);
    cbor_put_array(o, q->option_count);
    for (size_t i = 0; i < q->option_count; i++) {
        cbor_put_array(o, 2);
        cbor_put_text(o, q->option[i].id);
        cbor_put_text(o, q->option[i].title);
    }
    cbor_put_uint(o, q->ballots);
    cbor_put_array(o, q->option_count);
    for (size_t i = 0; i < q->option_count; i++) {
        cbor_put_array(o, 2);
        cbor_put_bytes(o, q->A[i].b, POINT_LEN);
        cbor_put_bytes(o, q->B[i].b, POINT_LEN);
    }
    cbor_put_array(o, q->partial_count);
    for (size_t i = 0; i < q->partial_count; i++) {
        const struct resultqr_partial *p = &q->partial[i];
        cbor_put_array(o, 4);
        cbor_put_uint(o, p->seat);
        cbor_put_point(o, &p->S);
        cbor_put_array(o, q->option_count);
        for (size_t j = 0; j < q->option_count; j++)
            cbor_put_point(o, &p->D[j]);
        cbor_put_dleq(o, &p->proof);
    }
    cbor_put_array(o, q->option_count);
    for (size_t i = 0; i < q->option_count; i++)
        cbor_put_uint(o, q->votes[i]);
}

static void read_head(struct cbor_in *in, struct group *g, struct resultqr *h)
{
    cbor_get_array_exact(in, 16);
    cbor_get_text_exact(in, "conclave/result-proof");
    cbor_get_uint_exact(in, 1);
    cbor_get_uint_exact(in, SCHEME_P256_ELGAMAL);
    cbor_get_hash(in, &h->election);
    cbor_get_hash(in, &h->record);
    cbor_get_hash(in, &h->plan);
    cbor_get_point(in, g, &h->Y);
    cbor_get_array_exact(in, 3);
    cbor_get_text(in, h->election_title, TEXT_TITLE_MAX);
    cbor_get_text(in, h->place_title, TEXT_TITLE_MAX);
    cbor_get_text(in, h->contest_title, TEXT_TITLE_MAX);
    cbor_get_id(in, h->place, TEXT_ID_MAX);
    cbor_get_id(in, h->contest, TEXT_ID_MAX);
    h->limit = (uint32_t)cbor_get_uint(in, OPTIONS_MAX);
}

/* Copies the header into a q of the right size. */
static err_t take_head(struct resultqr **out, const struct resultqr *h, size_t options, size_t partials)
{
    struct resultqr *q;
    TRY(resultqr_new(&q, options, partials));
    struct resultqr arrays = *q;
    *q = *h;
    q->option_count = options;
    q->partial_count = partials;
    q->option = arrays.option;
    q->A = arrays.A;
    q->B = arrays.B;
    q->votes = arrays.votes;
    q->partial = arrays.partial;
    *out = q;
    return OK;
}

static void read_partial(struct cbor_in *in, struct group *g, struct resultqr *q, size_t i)
{
    struct resultqr_partial *p = &q->partial[i];
    cbor_get_array_exact(in, 4);
    p->seat = (uint32_t)cbor_get_uint(in, TRUSTEES_MAX);
    if (in->err == OK && (p->seat == 0 || (i > 0 && p->seat <= q->partial[i - 1].seat)))
        cbor_fail(in, ERR_FORMAT);
    cbor_get_point(in, g, &p->S);
    cbor_get_array_exact(in, q->option_count);
    for (size_t o = 0; o < q->option_count; o++)
        cbor_get_point(in, g, &p->D[o]);
    cbor_get_dleq(in, g, &p->proof);
}

/* The number of partials stands behind the options, so the options are passed over once to learn it. */
static err_t read_body(struct resultqr **out, struct cbor_in *in, struct group *g, const struct resultqr *h)
{
    size_t options = cbor_get_array(in, 1, OPTIONS_MAX), partials, raw;
    struct cbor_in ahead = *in;
    for (size_t i = 0; i < options; i++)
        cbor_get_raw(&ahead, &raw);
    cbor_get_uint(&ahead, UINT64_MAX);
    cbor_get_raw(&ahead, &raw);
    partials = cbor_get_array(&ahead, 1, TRUSTEES_MAX);
    if (ahead.err != OK) {
        *in = ahead;
        return ahead.err;
    }
    TRY(take_head(out, h, options, partials));
    struct resultqr *q = *out;
    for (size_t i = 0; i < options; i++) {
        cbor_get_array_exact(in, 2);
        cbor_get_id(in, q->option[i].id, TEXT_ID_MAX);
        cbor_get_text(in, q->option[i].title, TEXT_TITLE_MAX);
    }
    q->ballots = cbor_get_uint(in, (uint64_t)1 << 40);
    cbor_get_array_exact(in, options);
    for (size_t i = 0; i < options; i++) {
        cbor_get_array_exact(in, 2);
        cbor_get_point(in, g, &q->A[i]);
        cbor_get_sum(in, g, &q->B[i]);
    }
    cbor_get_array_exact(in, partials);
    for (size_t i = 0; i < partials; i++)
        read_partial(in, g, q, i);
    cbor_get_array_exact(in, options);
    for (size_t i = 0; i < options; i++)
        q->votes[i] = cbor_get_uint(in, (uint64_t)1 << 40);
    return in->err;
}

err_t resultqr_parse(struct resultqr **out, const uint8_t *data, size_t len, struct fault *f)
{
    *out = NULL;
    if (len > RESULTQR_MAX)
        return fault_set(f, ERR_LIMIT, "a result proof has at most %zu bytes", RESULTQR_MAX);
    struct group *g = NULL;
    struct resultqr head, *q = NULL;
    struct cbor_in in;
    err_t e = group_new(&g);
    if (e != OK)
        return fault_set(f, e, "group");
    memset(&head, 0, sizeof head);
    cbor_in_init(&in, data, len);
    read_head(&in, g, &head);
    e = in.err == OK ? read_body(&q, &in, g, &head) : in.err;
    if (e == ERR_MEMORY)
        fault_set(f, e, "result proof");
    else
        e = cbor_in_end(&in, f);
    group_free(g);
    if (e != OK) {
        resultqr_free(q);
        return e;
    }
    *out = q;
    return OK;
}

/* --- checking --- */

static err_t check_ranges(const struct resultqr *q, struct fault *f)
{
    uint64_t sum = 0;
    if (q->limit == 0 || q->limit > q->option_count)
        return fault_set(f, ERR_LIMIT, "votes on one ballot: %u", q->limit);
    for (size_t o = 0; o < q->option_count; o++) {
        if (q->votes[o] > q->ballots)
            return fault_set(f, ERR_LIMIT, "option %s has more votes than there are ballots",
                             q->option[o].id);
        sum += q->votes[o];
    }
    if (sum > q->ballots * q->limit)
        return fault_set(f, ERR_LIMIT, "more votes than %u for each ballot", q->limit);
    return OK;
}

static err_t check_key(const struct resultqr *q, struct group *g, const scalar_t *lambda, struct fault *f)
{
    point_t S[TRUSTEES_MAX], Y;
    for (size_t i = 0; i < q->partial_count; i++)
        S[i] = q->partial[i].S;
    TRY(point_mul_sum(g, &Y, lambda, S, q->partial_count));
    if (!point_equal(&Y, &q->Y))
        return fault_set(f, ERR_MISMATCH, "the public shares of the seats do not give the joint key");
    return OK;
}

static err_t check_proofs(const struct resultqr *q, struct fault *f)
{
    for (size_t i = 0; i < q->partial_count; i++) {
        const struct resultqr_partial *p = &q->partial[i];
        struct dleq_statement st = {.election = &q->election,
                                    .record = &q->record,
                                    .plan = &q->plan,
                                    .place = q->place,
                                    .contest = q->contest,
                                    .seat = p->seat,
                                    .S = &p->S,
                                    .count = q->option_count,
                                    .A = q->A,
                                    .D = p->D};
        err_t e = dleq_verify_var(&st, &p->proof);
        if (e != OK)
            return fault_set(f, e, "partial decryption of seat %u", p->seat);
    }
    return OK;
}

static err_t check_counts(const struct resultqr *q, struct group *g, const scalar_t *lambda, struct fault *f)
{
    point_t D[TRUSTEES_MAX], sum, M, want;
    scalar_t v;
    for (size_t o = 0; o < q->option_count; o++) {
        for (size_t i = 0; i < q->partial_count; i++)
            D[i] = q->partial[i].D[o];
        TRY(point_mul_sum(g, &sum, lambda, D, q->partial_count));
        TRY(point_sub(g, &M, &q->B[o], &sum));
        scalar_set(&v, q->votes[o]);
        TRY(point_mul_base(g, &want, &v));
        if (!point_equal(&M, &want))
            return fault_set(f, ERR_SUM, "option %s does not decrypt to this count", q->option[o].id);
    }
    return OK;
}

err_t resultqr_check(const struct resultqr *q, struct fault *f)
{
    uint32_t seat[TRUSTEES_MAX];
    scalar_t lambda[TRUSTEES_MAX];
    struct group *g = NULL;
    err_t e = check_ranges(q, f);
    if (e != OK)
        return e;
    for (size_t i = 0; i < q->partial_count; i++)
        seat[i] = q->partial[i].seat;
    for (size_t i = 0; i < q->partial_count; i++)
        TRY(lagrange_at_zero(&lambda[i], seat, q->partial_count, i));
    fault_clear(f);
    GO(group_new(&g));
    GO(check_key(q, g, lambda, f));
    GO(check_proofs(q, f));
    GO(check_counts(q, g, lambda, f));
out:
    group_free(g);
    if (e != OK && f != NULL && f->err == OK)
        fault_set(f, e, "result proof");
    return e;
}

err_t resultqr_check_record(const struct resultqr *q, const struct record *r, struct fault *f)
{
    if (hash_cmp(&q->election, &r->election) != 0 || hash_cmp(&q->record, &r->id) != 0)
        return fault_set(f, ERR_ELECTION, "the result proof names another election or ceremony record");
    if (!point_equal(&q->Y, &r->Y))
        return fault_set(f, ERR_MISMATCH, "the result proof has another joint key than the ceremony record");
    if (q->partial_count != r->t)
        return fault_set(f, ERR_MISMATCH, "%zu partial decryptions, and the threshold is %u",
                         q->partial_count, r->t);
    for (size_t i = 0; i < q->partial_count; i++) {
        uint32_t seat = q->partial[i].seat;
        if (seat > r->n || !(r->holders >> (seat - 1) & 1) ||
            !point_equal(&q->partial[i].S, &r->seat[seat - 1].S))
            return fault_set(f, ERR_MISMATCH, "the public share of seat %u is not the one in the record",
                             seat);
    }
    return OK;
}

err_t resultqr_key_hash(hash_t *out, const hash_t *election, const hash_t *record, const point_t *Y)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 4);
    cbor_put_text(&o, "conclave/key");
    cbor_put_hash(&o, election);
    cbor_put_hash(&o, record);
    cbor_put_point(&o, Y);
    return cbor_out_hash(&o, out);
}

/* --- anchor --- */

void anchor_write(struct cbor_out *out, const hash_t *election, const hash_t *record)
{
    cbor_put_array(out, 3);
    cbor_put_text(out, "conclave/anchor");
    cbor_put_hash(out, election);
    cbor_put_hash(out, record);
}

err_t anchor_parse(hash_t *election, hash_t *record, const uint8_t *data, size_t len, struct fault *f)
{
    struct cbor_in in;
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 3);
    cbor_get_text_exact(&in, "conclave/anchor");
    cbor_get_hash(&in, election);
    cbor_get_hash(&in, record);
    err_t e = cbor_in_end(&in, f);
    if (e != OK) {
        memset(election, 0, sizeof *election);
        memset(record, 0, sizeof *record);
    }
    return e;
}
