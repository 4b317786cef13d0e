/* Cuts: what was on the board, and what follows from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/phase.h"

#define CUT_ENTRIES_MAX 8192 /* n (2 deals, 2n complaints, 2n reveals) are the most that cut_make takes */

static uint32_t bit(uint32_t seat)
{
    return UINT32_C(1) << (seat - 1);
}

/* Deals, complaints and reveals of this ceremony by a seat of the roster. */
static int belongs(const struct entry *e, const struct roster *r)
{
    return (e->kind == ENTRY_DEAL || e->kind == ENTRY_COMPLAINT || e->kind == ENTRY_REVEAL) &&
           hash_cmp(&e->ceremony, &r->ceremony) == 0 && roster_seat(r, &e->author) != 0;
}

void cut_statement(struct cbor_out *o, const struct cut *c)
{
    cbor_put_array(o, 3);
    cbor_put_text(o, "deal");
    cbor_put_array(o, c->entry_count);
    for (size_t i = 0; i < c->entry_count; i++)
        cbor_put_hash(o, &c->entry[i]);
    cbor_put_array(o, (size_t)__builtin_popcount(c->absent));
    for (uint32_t j = 1; j <= TRUSTEES_MAX; j++)
        if (c->absent & bit(j))
            cbor_put_uint(o, j);
}

static err_t cut_hash(struct cut *c, const struct roster *r)
{
    struct cbor_out st = CBOR_OUT_INIT, o = CBOR_OUT_INIT;
    cut_statement(&st, c);
    cbor_put_array(&o, 4);
    cbor_put_text(&o, "conclave/cut");
    cbor_put_hash(&o, &r->election);
    cbor_put_hash(&o, &r->ceremony);
    cbor_put_bytes(&o, st.data, st.len);
    if (st.err != OK)
        o.err = st.err;
    cbor_out_free(&st);
    return cbor_out_hash(&o, &c->hash);
}

void cut_free(struct cut *c)
{
    free(c->entry);
    memset(c, 0, sizeof *c);
}

/* --- what a cut contains --- */

struct list {
    const struct entry **entry;
    size_t count;
};

/* Whether e has to be added to what is in the list, see phase.h. *same: where its statement is, or count. */
static int adds(const struct list *in, const struct entry *e, const struct roster *r, size_t *same)
{
    const struct entry *rival = NULL;
    hash_t deal;
    int two = 0, named = 0, is_complaint = complaint_parse(&deal, e) == OK;
    for (*same = 0; *same < in->count; ++*same) {
        const struct entry *x = in->entry[*same];
        if (hash_cmp(&x->statement_id, &e->statement_id) == 0)
            return 0;
        named |= is_complaint && x->kind == ENTRY_DEAL && hash_cmp(&x->statement_id, &deal) == 0 &&
                 !point_equal(&x->author, &e->author);
        if (x->kind != e->kind || !point_equal(&x->author, &e->author) ||
            (e->kind == ENTRY_REVEAL && hash_cmp(&x->subject, &e->subject) != 0))
            continue;
        two |= rival != NULL && hash_cmp(&x->statement_id, &rival->statement_id) != 0;
        rival = x;
    }
    if (e->kind == ENTRY_COMPLAINT)
        return named;
    return !two && (e->kind == ENTRY_DEAL || seat_of_subject(&e->subject, r->n) != 0);
}

/* A deal that was repeated: keep the entry whose proof is good. */
static err_t better_deal(const struct entry **have, const struct entry *e, const struct roster *r,
                         struct group *g)
{
    struct deal d;
    err_t err = deal_check(&d, *have, r, g, NULL);
    if (err == OK || err_class(err) == CLASS_SYSTEM)
        return err;
    err = deal_check(&d, e, r, g, NULL);
    if (err == OK)
        *have = e;
    return err_class(err) == CLASS_SYSTEM ? err : OK;
}

static err_t gather(struct list *in, const struct board *b, const struct roster *r, struct group *g)
{
    static const enum entry_kind order[] = {ENTRY_DEAL, ENTRY_COMPLAINT, ENTRY_REVEAL};
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < b->entry_count; i++) {
            const struct entry *e = b->entry[i];
            size_t same;
            if (e->kind != order[k] || !belongs(e, r))
                continue;
            if (adds(in, e, r, &same))
                in->entry[in->count++] = e;
            else if (e->kind == ENTRY_DEAL && same < in->count)
                TRY(better_deal(&in->entry[same], e, r, g));
        }
    return OK;
}

static int by_id(const void *a, const void *b)
{
    return hash_cmp(a, b);
}

err_t cut_make(struct cut *out, const struct board *b, const struct roster *r, uint32_t absent,
               struct fault *f)
{
    memset(out, 0, sizeof *out);
    struct cut c = {.absent = absent};
    struct list in = {NULL, 0};
    struct group *g = NULL;
    if (r->n < TRUSTEES_MAX && absent >> r->n != 0)
        return fault_set(f, ERR_LIMIT, "a seat over %u is marked absent", r->n);
    in.entry = calloc(b->entry_count + 1, sizeof *in.entry);
    c.entry = calloc(b->entry_count + 1, sizeof *c.entry);
    err_t e = in.entry == NULL || c.entry == NULL ? fault_set(f, ERR_MEMORY, "cut") : group_new(&g);
    if (e == OK)
        e = gather(&in, b, r, g);
    if (e == OK) {
        for (size_t i = 0; i < in.count; i++)
            c.entry[c.entry_count++] = in.entry[i]->id;
        qsort(c.entry, c.entry_count, sizeof *c.entry, by_id);
        e = cut_hash(&c, r);
    }
    if (e == OK)
        *out = c;
    else
        cut_free(&c);
    free(in.entry);
    group_free(g);
    return e;
}

err_t cut_parse(struct cut *out, const struct entry *e, const struct roster *r, struct fault *f)
{
    memset(out, 0, sizeof *out);
    struct cut c = {0};
    struct cbor_in in;
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 3);
    cbor_get_text_exact(&in, "deal");
    c.entry_count = cbor_get_array(&in, 0, CUT_ENTRIES_MAX);
    c.entry = calloc(c.entry_count + 1, sizeof *c.entry);
    if (c.entry == NULL)
        return fault_set(f, ERR_MEMORY, "cut");
    for (size_t i = 0; i < c.entry_count; i++) {
        cbor_get_hash(&in, &c.entry[i]);
        if (i > 0 && hash_cmp(&c.entry[i - 1], &c.entry[i]) >= 0)
            cbor_fail(&in, ERR_CANONICAL);
    }
    size_t absent = cbor_get_array(&in, 0, r->n);
    for (size_t i = 0, last = 0; i < absent && in.err == OK; i++) {
        size_t seat = (size_t)cbor_get_uint(&in, r->n);
        if (seat <= last)
            cbor_fail(&in, ERR_CANONICAL);
        else
            c.absent |= bit((uint32_t)seat);
        last = seat;
    }
    err_t err = cbor_in_end(&in, f);
    if (err == OK)
        err = cut_hash(&c, r);
    if (err == OK && (e->kind != ENTRY_CUT || hash_cmp(&e->ceremony, &r->ceremony) != 0 ||
                      hash_cmp(&e->subject, &c.hash) != 0))
        err = fault_set(f, ERR_MISMATCH, "the cut's subject is not its hash");
    if (err != OK) {
        cut_free(&c);
        return err;
    }
    *out = c;
    return OK;
}

err_t cut_covers(const struct cut *c, const struct board *b, const struct roster *r, struct fault *f)
{
    struct list in = {calloc(c->entry_count + 1, sizeof *in.entry), 0};
    if (in.entry == NULL)
        return fault_set(f, ERR_MEMORY, "cut");
    for (size_t i = 0; i < c->entry_count; i++) {
        const struct entry *e = board_entry(b, &c->entry[i]);
        if (e != NULL && belongs(e, r))
            in.entry[in.count++] = e;
    }
    err_t err = OK;
    for (size_t i = 0; i < b->entry_count && err == OK; i++) {
        const struct entry *e = b->entry[i];
        size_t same;
        if (!belongs(e, r) || !adds(&in, e, r, &same))
            continue;
        uint32_t seat = roster_seat(r, &e->author);
        err =
            fault_set(f, ERR_RULE, "the cut leaves out a %s that is on this board", entry_kind_name(e->kind));
        fault_who(f, err, "seat %u, %s", seat, r->seat[seat - 1].name);
    }
    free(in.entry);
    return err;
}

/* --- what follows --- */

const char *seat_fate_name(enum seat_fate f)
{
    static const char *const name[] = {"qualified",
                                       "no deal",
                                       "two different deals",
                                       "bad deal",
                                       "complaints by t or more",
                                       "complaint not answered",
                                       "reveal that does not fit"};
    return (size_t)f < sizeof name / sizeof name[0] ? name[f] : "unknown";
}

static err_t all_here(const struct board *b, const struct roster *r, const struct cut *c, struct fault *f)
{
    for (size_t i = 0; i < c->entry_count; i++) {
        const struct entry *e = board_entry(b, &c->entry[i]);
        char hex[17];
        hex_put(hex, c->entry[i].b, 8);
        if (e == NULL)
            return fault_set(f, ERR_MISSING, "entry %s of the cut is not on this board", hex);
        if (!belongs(e, r))
            return fault_set(f, ERR_RULE,
                             "entry %s of the cut is no deal, complaint or reveal of this roster", hex);
    }
    return OK;
}

static err_t judge_deals(struct outcome *oc, const struct board *b, const struct roster *r,
                         const struct cut *c, struct group *g, struct fault *f)
{
    for (uint32_t i = 1; i <= r->n; i++) {
        err_t e = deal_of_seat(&oc->deal[i - 1], b, r, g, i, c->entry, c->entry_count, NULL);
        if (err_class(e) == CLASS_SYSTEM)
            return fault_set(f, e, "checking the deal of seat %u", i);
        oc->fate[i - 1] = e == OK                 ? FATE_QUALIFIED
                          : e == ERR_MISSING      ? FATE_ABSENT
                          : e == ERR_EQUIVOCATION ? FATE_EQUIVOCATED
                                                  : FATE_BAD_DEAL;
    }
    return OK;
}

/* A complaint counts if its author holds another seat and it names the dealer's deal of this cut. */
static void gather_complaints(struct outcome *oc, const struct board *b, const struct roster *r,
                              const struct cut *c)
{
    for (size_t k = 0; k < c->entry_count; k++) {
        const struct entry *e = board_entry(b, &c->entry[k]);
        hash_t deal;
        uint32_t j = roster_seat(r, &e->author);
        if (complaint_parse(&deal, e) != OK)
            continue;
        for (uint32_t i = 1; i <= r->n; i++)
            if (i != j && oc->fate[i - 1] == FATE_QUALIFIED &&
                hash_cmp(&oc->deal[i - 1].statement_id, &deal) == 0)
                oc->complaints[i - 1] |= bit(j);
    }
}

static void void_complainers(struct outcome *oc, const struct roster *r)
{
    for (uint32_t j = 1; j <= r->n; j++) {
        uint32_t accused = 0;
        for (uint32_t i = 1; i <= r->n; i++)
            accused += (oc->complaints[i - 1] & bit(j)) != 0;
        if (accused >= r->t)
            oc->voided |= bit(j);
    }
    for (uint32_t i = 1; i <= r->n; i++)
        oc->complaints[i - 1] &= ~oc->voided;
}

/* The one reveal of dealer i for seat j in the cut. */
static err_t judge_reveal(struct outcome *oc, const struct board *b, const struct roster *r,
                          const struct cut *c, uint32_t i, uint32_t j, struct group *g)
{
    const struct entry *found = NULL;
    hash_t subject;
    subject_seat(&subject, j);
    for (size_t k = 0; k < c->entry_count; k++) {
        const struct entry *e = board_entry(b, &c->entry[k]);
        if (e->kind != ENTRY_REVEAL || roster_seat(r, &e->author) != i ||
            hash_cmp(&e->subject, &subject) != 0)
            continue;
        if (found != NULL && hash_cmp(&found->statement_id, &e->statement_id) != 0) {
            oc->fate[i - 1] = FATE_OUT_REVEAL;
            return OK;
        }
        found = e;
    }
    if (found == NULL) {
        oc->fate[i - 1] = FATE_OUT_SILENT;
        return OK;
    }
    err_t e = reveal_check(&oc->public_share[i - 1][j - 1], found, r, &oc->deal[i - 1], j, g, NULL);
    if (err_class(e) == CLASS_SYSTEM)
        return e;
    if (e == OK)
        oc->dismissed[i - 1] |= bit(j);
    else
        oc->fate[i - 1] = FATE_OUT_REVEAL;
    return OK;
}

static err_t judge_complaints(struct outcome *oc, const struct board *b, const struct roster *r,
                              const struct cut *c, struct group *g)
{
    gather_complaints(oc, b, r, c);
    void_complainers(oc, r);
    for (uint32_t i = 1; i <= r->n; i++) {
        if (oc->fate[i - 1] != FATE_QUALIFIED)
            continue;
        if ((uint32_t)__builtin_popcount(oc->complaints[i - 1]) >= r->t) {
            oc->fate[i - 1] = FATE_OUT_MANY;
            continue;
        }
        for (uint32_t j = 1; j <= r->n && oc->fate[i - 1] == FATE_QUALIFIED; j++)
            if (oc->complaints[i - 1] & bit(j))
                TRY(judge_reveal(oc, b, r, c, i, j, g));
    }
    return OK;
}

/* Y and S_j from the sums of the qualified dealers' points. */
err_t outcome_sum(struct outcome *oc, const struct roster *r, struct group *g, struct fault *f)
{
    struct deal sum;
    memset(&sum, 0, sizeof sum);
    for (uint32_t i = 1; i <= r->n; i++)
        for (uint32_t k = 0; k < r->t && (oc->qual & bit(i)); k++)
            TRY(point_add(g, &sum.C[k], &sum.C[k], &oc->deal[i - 1].C[k]));
    oc->Y = sum.C[0];
    for (uint32_t j = 1; j <= r->n; j++) {
        if (!(oc->holders & bit(j)))
            continue;
        /* Who deals last can make the own S_j the identity: that seat holds nothing, the others go on. */
        TRY(deal_expected(g, &oc->S[j - 1], &sum, r->t, j));
        if (point_is_identity(&oc->S[j - 1]))
            oc->holders &= ~bit(j);
    }
    return point_is_identity(&oc->Y) ? fault_set(f, ERR_POINT, "the joint key is the identity") : OK;
}

err_t cut_outcome(struct outcome *oc, const struct manifest *m, const struct board *b, const struct roster *r,
                  const struct cut *c, struct group *g, struct fault *f)
{
    memset(oc, 0, sizeof *oc);
    TRY(all_here(b, r, c, f));
    TRY(judge_deals(oc, b, r, c, g, f));
    TRY(judge_complaints(oc, b, r, c, g));
    for (uint32_t i = 1; i <= r->n; i++)
        if (oc->fate[i - 1] == FATE_QUALIFIED)
            oc->qual |= bit(i);
    oc->holders = oc->qual & ~oc->voided & ~c->absent;
    uint32_t qual = (uint32_t)__builtin_popcount(oc->qual);
    uint32_t need_qual = m->min_qual > r->t ? m->min_qual : r->t;
    uint32_t need_holders = r->t == r->n ? r->n : r->t + 1;
    if (qual < need_qual)
        return fault_set(f, ERR_QUORUM, "%u dealers qualify, %u are needed", qual, need_qual);
    TRY(outcome_sum(oc, r, g, f));
    uint32_t holders = (uint32_t)__builtin_popcount(oc->holders);
    if (holders < need_holders)
        return fault_set(f, ERR_QUORUM, "%u trustees would hold a share, %u are needed", holders,
                         need_holders);
    return OK;
}
