/* Enrolments and rosters, public side. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/phase.h"

err_t enrolment_commitment(hash_t *out, const hash_t *election, const point_t *identity, const point_t *C0)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 4);
    cbor_put_text(&o, "conclave/commit");
    cbor_put_hash(&o, election);
    cbor_put_point(&o, identity);
    cbor_put_point(&o, C0);
    return cbor_out_hash(&o, out);
}

void seed_info(struct cbor_out *o, const hash_t *election, const point_t *identity,
               const point_t *ceremony_key, const hash_t *commitment)
{
    static const hash_t none;
    cbor_put_array(o, 8);
    cbor_put_text(o, "conclave/seed");
    cbor_put_hash(o, election);
    cbor_put_hash(o, &none);
    cbor_put_uint(o, 0);
    cbor_put_uint(o, 0);
    cbor_put_point(o, identity);
    cbor_put_point(o, ceremony_key);
    cbor_put_hash(o, commitment);
}

err_t enrolment_read(struct enrolment *out, uint32_t *n_out, uint32_t *t_out, const struct entry *e,
                     struct group *g, struct fault *f)
{
    memset(out, 0, sizeof *out);
    *n_out = *t_out = 0;
    struct enrolment x = {.id = e->id, .identity = e->author};
    struct cbor_in in;
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 10);
    uint64_t n = cbor_get_uint(&in, TRUSTEES_MAX), t = cbor_get_uint(&in, TRUSTEES_MAX);
    cbor_get_text(&in, x.name, TEXT_TITLE_MAX);
    cbor_get_text(&in, x.organisation, TEXT_TITLE_MAX);
    cbor_get_point(&in, g, &x.ceremony_key);
    cbor_get_text(&in, x.manufacturer, sizeof x.manufacturer - 1);
    cbor_get_text(&in, x.model, sizeof x.model - 1);
    cbor_get_text(&in, x.serial, sizeof x.serial - 1);
    cbor_get_hash(&in, &x.sealed);
    cbor_get_hash(&in, &x.commitment);
    TRY(cbor_in_end(&in, f));
    TRY(point_check(g, &x.identity));
    if (e->kind != ENTRY_ENROLL || !hash_is_zero(&e->ceremony) || !hash_is_zero(&e->subject) ||
        e->evidence_len != 0 || x.name[0] == '\0')
        return fault_set(f, ERR_FORMAT, "enrolment");
    *n_out = (uint32_t)n;
    *t_out = (uint32_t)t;
    *out = x;
    return OK;
}

err_t enrolment_parse(struct enrolment *out, const struct entry *e, const struct manifest *m, struct group *g,
                      struct fault *f)
{
    uint32_t n, t;
    TRY(enrolment_read(out, &n, &t, e, g, f));
    if (n == m->n && t == m->t)
        return OK;
    fault_set(f, ERR_MISMATCH, "enrolled for %u of %u, the manifest says %u of %u", t, n, m->t, m->n);
    fault_who(f, ERR_MISMATCH, "%s", out->name);
    memset(out, 0, sizeof *out);
    return ERR_MISMATCH;
}

/* --- rules over the whole roster --- */

static err_t check_keys(const struct roster *r, struct fault *f)
{
    for (uint32_t i = 0; i < 2 * r->n; i++) {
        const struct enrolment *a = &r->seat[i / 2];
        const point_t *ka = i % 2 ? &a->ceremony_key : &a->identity;
        for (uint32_t j = 0; j < i; j++) {
            const struct enrolment *b = &r->seat[j / 2];
            const point_t *kb = j % 2 ? &b->ceremony_key : &b->identity;
            if (point_equal(ka, kb))
                return fault_set(f, ERR_DUPLICATE, "%s and %s have a public key in common", b->name, a->name);
        }
    }
    return OK;
}

static err_t check_models(const struct roster *r, const struct manifest *m, struct fault *f)
{
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t same = 0;
        for (uint32_t j = 0; j < r->n; j++)
            same += strcmp(r->seat[i].manufacturer, r->seat[j].manufacturer) == 0 &&
                    strcmp(r->seat[i].model, r->seat[j].model) == 0;
        if (same > m->same_model_max)
            return fault_set(f, ERR_RULE, "%u tokens are of the model %s %s, the manifest allows %u", same,
                             r->seat[i].manufacturer, r->seat[i].model, m->same_model_max);
    }
    return OK;
}

static err_t ceremony_id(struct roster *r)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 5);
    cbor_put_text(&o, "conclave/ceremony");
    cbor_put_hash(&o, &r->election);
    cbor_put_uint(&o, r->n);
    cbor_put_uint(&o, r->t);
    cbor_put_array(&o, r->n);
    for (uint32_t j = 0; j < r->n; j++)
        cbor_put_hash(&o, &r->seat[j].id);
    return cbor_out_hash(&o, &r->ceremony);
}

err_t roster_complete(struct roster *r, struct fault *f)
{
    for (uint32_t j = 1; j < r->n; j++)
        if (hash_cmp(&r->seat[j - 1].id, &r->seat[j].id) >= 0)
            return fault_set(f, ERR_CANONICAL, "seats are not in the order of the enrolments' ids");
    TRY(check_keys(r, f));
    return ceremony_id(r);
}

err_t roster_from_ids(struct roster *out, const struct manifest *m, const struct board *b, struct group *g,
                      const hash_t *id, size_t count, struct fault *f)
{
    memset(out, 0, sizeof *out);
    if (count != m->n)
        return fault_set(f, ERR_QUORUM, "%zu enrolments, the manifest asks for %u", count, m->n);
    struct roster r = {.election = m->election, .n = m->n, .t = m->t};
    for (uint32_t j = 0; j < r.n; j++) {
        if (j > 0 && hash_cmp(&id[j - 1], &id[j]) >= 0)
            return fault_set(f, ERR_CANONICAL, "seats are not in the order of the enrolments' ids");
        const struct entry *e = board_entry(b, &id[j]);
        if (e == NULL || e->kind != ENTRY_ENROLL)
            return fault_set(f, ERR_MISSING, "the enrolment of seat %u is not on this board", j + 1);
        TRY(enrolment_parse(&r.seat[j], e, m, g, f));
    }
    TRY(roster_complete(&r, f));
    TRY(check_models(&r, m, f));
    *out = r;
    return OK;
}

err_t roster_single(const struct board *b, const struct roster *r, struct fault *f)
{
    for (uint32_t j = 0; j < r->n; j++) {
        const struct entry *one, *two;
        if (board_find(b, &one, &two, ENTRY_ENROLL, NULL, &r->seat[j].identity, NULL) != ERR_EQUIVOCATION)
            continue;
        fault_set(f, ERR_EQUIVOCATION, "one key signed two different enrolments");
        return fault_who(f, ERR_EQUIVOCATION, "seat %u, %s", j + 1, r->seat[j].name);
    }
    return OK;
}

static int is_listed(const hash_t *list, size_t count, const hash_t *id)
{
    for (size_t i = 0; i < count; i++)
        if (hash_cmp(&list[i], id) == 0)
            return 1;
    return 0;
}

err_t roster_make(struct roster *out, const struct manifest *m, const struct board *b, struct group *g,
                  const hash_t *leave_out, size_t leave_out_count, struct fault *f)
{
    memset(out, 0, sizeof *out);
    hash_t id[TRUSTEES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < b->entry_count; i++) { /* in the order of ids */
        const struct entry *e = b->entry[i];
        if (e->kind != ENTRY_ENROLL || is_listed(leave_out, leave_out_count, &e->id))
            continue;
        if (count == m->n)
            return fault_set(f, ERR_QUORUM,
                             "more than %u enrolments are on the board; name those to leave out", m->n);
        id[count++] = e->id;
    }
    if (count < m->n)
        return fault_set(f, ERR_QUORUM, "%zu of %u trustees have enrolled", count, m->n);
    TRY(roster_from_ids(out, m, b, g, id, count, f));
    err_t e = roster_single(b, out, f);
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e;
}

void roster_statement(struct cbor_out *o, const struct roster *r)
{
    cbor_put_array(o, r->n);
    for (uint32_t j = 0; j < r->n; j++)
        cbor_put_hash(o, &r->seat[j].id);
}

err_t roster_ids(hash_t id[TRUSTEES_MAX], size_t *count, const struct entry *e, struct fault *f)
{
    struct cbor_in in;
    cbor_in_init(&in, e->statement, e->statement_len);
    *count = cbor_get_array(&in, 2, TRUSTEES_MAX);
    for (size_t j = 0; j < *count; j++)
        cbor_get_hash(&in, &id[j]);
    return cbor_in_end(&in, f);
}

err_t roster_signed_by(struct roster *out, const struct manifest *m, const struct board *b, struct group *g,
                       const point_t *identity, struct fault *f)
{
    memset(out, 0, sizeof *out);
    const struct entry *e = NULL;
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *x = b->entry[i];
        if (x->kind != ENTRY_ROSTER || !point_equal(&x->author, identity))
            continue;
        if (e != NULL && hash_cmp(&e->statement_id, &x->statement_id) != 0)
            return fault_set(f, ERR_EQUIVOCATION, "one trustee signed two rosters");
        e = x;
    }
    if (e == NULL)
        return fault_set(f, ERR_MISSING, "no roster signed by this trustee is on the board");
    hash_t id[TRUSTEES_MAX];
    size_t count;
    TRY(roster_ids(id, &count, e, f));
    TRY(roster_from_ids(out, m, b, g, id, count, f));
    if (hash_cmp(&out->ceremony, &e->ceremony) == 0)
        return OK;
    memset(out, 0, sizeof *out);
    return fault_set(f, ERR_ELECTION, "the roster is signed for another ceremony id");
}

uint32_t roster_seat(const struct roster *r, const point_t *identity)
{
    for (uint32_t j = 0; j < r->n; j++)
        if (point_equal(&r->seat[j].identity, identity))
            return j + 1;
    return 0;
}
