/* A trustee's cut, confirmation, share and drill. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/trustee_parts.h"

err_t cut_sign(struct trustee *t, const struct roster *r, const struct cut *cut, struct fault *f)
{
    const struct entry *before;
    if (roster_seat(r, &t->identity) == 0)
        return fault_set(f, ERR_MISMATCH, "your key has no seat in this roster");
    TRY(cut_covers(cut, t->b, r, f));
    TRY(board_find(t->b, &before, NULL, ENTRY_CUT, &r->ceremony, &t->identity, &cut->hash));
    if (before != NULL)
        return OK; /* repeated */
    TRY(trustee_ready(t, r, 0, f));
    struct cbor_out st = CBOR_OUT_INIT, entry = CBOR_OUT_INIT;
    cut_statement(&st, cut);
    struct bytes statement = {st.data, st.len};
    err_t e = st.err;
    if (e == OK)
        e = t->vault.ops->sign(t->vault.ctx, &entry, ENTRY_CUT, &cut->hash, &statement, f);
    if (e == OK)
        e = trustee_post(t, NULL, ENTRY_CUT, &entry, f);
    cbor_out_free(&st);
    cbor_out_free(&entry);
    return e;
}

/* A bad share at this point: somebody forgot to complain. */
static err_t say_complain(err_t e, const struct roster *r, uint32_t i, struct fault *f)
{
    if (!share_is_bad(e))
        return e;
    fault_clear(f);
    fault_set(f, ERR_SHARE, "this share does not open or match: complain before you confirm");
    return fault_who(f, ERR_SHARE, "seat %u, %s", i, r->seat[i - 1].name);
}

/* Points and ciphertexts over QUAL; shares from reveals where complaints were dismissed. */
static err_t shares_of(struct trustee *t, struct vault_shares **out, const struct roster *r,
                       const struct cut *cut, const struct outcome *oc, uint32_t seat, struct fault *f)
{
    struct vault_shares *in = *out = calloc(1, sizeof *in);
    if (in == NULL)
        return fault_set(f, ERR_MEMORY, "share");
    in->cut = cut->hash;
    in->qual = oc->qual;
    in->holders = oc->holders;
    for (uint32_t i = 1; i <= r->n; i++) {
        struct vault_dealer *d = &in->dealer[i - 1];
        if (!(oc->qual >> (i - 1) & 1))
            continue;
        memcpy(d->C, oc->deal[i - 1].C, sizeof d->C);
        d->is_public = oc->dismissed[i - 1] >> (seat - 1) & 1;
        if (d->is_public)
            d->public_share = oc->public_share[i - 1][seat - 1];
        else
            TRY(say_complain(trustee_sealed_share(t, &d->share, r, &oc->deal[i - 1], seat, f), r, i, f));
    }
    return OK;
}

/* A released key stays: who confirmed another cut confirms this one only while that one released nothing. */
static err_t not_released(struct trustee *t, const struct roster *r, const struct cut *cut, struct fault *f)
{
    int other = 0;
    for (size_t i = 0; i < t->b->entry_count; i++) {
        const struct entry *e = t->b->entry[i];
        other |= e->kind == ENTRY_CONFIRM && hash_cmp(&e->ceremony, &r->ceremony) == 0 &&
                 point_equal(&e->author, &t->identity) && hash_cmp(&e->subject, &cut->hash) != 0;
    }
    if (!other)
        return OK;
    struct record *released = NULL;
    struct cbor_out bytes = CBOR_OUT_INIT;
    err_t e = record_make(&released, &bytes, t->m, t->b, &r->ceremony, NULL);
    if (e == OK && hash_cmp(&released->cut, &cut->hash) != 0)
        e = fault_set(f, ERR_DONE, "the key was released by another cut that you confirmed");
    record_free(released);
    cbor_out_free(&bytes);
    if (e == ERR_DONE || err_class(e) == CLASS_SYSTEM)
        return e;
    return OK;
}

/* A cut may give no share to seats that dealt and did nothing wrong, because somebody called them absent.
 * Whoever wants a few holders could do so; hence each trustee has to have signed this very cut. */
static err_t agreed_to_absences(struct trustee *t, const struct roster *r, const struct cut *cut,
                                const struct outcome *oc, struct fault *f)
{
    const struct entry *own;
    if ((cut->absent & oc->qual & ~oc->voided) == 0)
        return OK;
    TRY(board_find(t->b, &own, NULL, ENTRY_CUT, &r->ceremony, &t->identity, &cut->hash));
    return own != NULL ? OK
                       : fault_set(f, ERR_REFUSED,
                                   "the cut gives no share to seats that dealt: if that is right, "
                                   "sign the same cut first");
}

err_t confirm_make(struct trustee *t, const struct roster *r, const struct cut *cut, struct fault *f)
{
    struct outcome *oc = NULL;
    struct vault_shares *in = NULL;
    struct cbor_out entry = CBOR_OUT_INIT;
    const struct entry *before;
    point_t D;
    uint32_t seat = roster_seat(r, &t->identity);
    err_t e;
    if (seat == 0)
        return fault_set(f, ERR_MISMATCH, "your key has no seat in this roster");
    TRY(trustee_ready(t, r, 0, f));
    TRY(t->vault.ops->bind(t->vault.ctx, f));
    TRY(cut_covers(cut, t->b, r, f));
    oc = calloc(1, sizeof *oc);
    if (oc == NULL)
        return fault_set(f, ERR_MEMORY, "confirmation");
    GO(cut_outcome(oc, t->m, t->b, r, cut, t->g, f));
    if (!(oc->holders >> (seat - 1) & 1)) {
        e = fault_set(f, ERR_RULE, "by this cut your seat holds no share");
        goto out;
    }
    GO(not_released(t, r, cut, f));
    GO(agreed_to_absences(t, r, cut, oc, f));
    if (confirm_check(&D, &before, t->b, r, cut, oc, seat, t->g, NULL) == OK)
        goto out; /* repeated */
    GO(shares_of(t, &in, r, cut, oc, seat, f));
    e = t->vault.ops->confirm(t->vault.ctx, &entry, in, f);
    if (share_is_bad(e)) {
        char who[sizeof f->who] = "";
        if (f != NULL)
            memcpy(who, f->who, sizeof who); /* the vault named the dealer */
        fault_set(f, ERR_SHARE, "this share does not open or match: complain before you confirm");
        e = fault_who(f, ERR_SHARE, "%s", who);
    }
    GO(e);
    GO(trustee_post(t, NULL, ENTRY_CONFIRM, &entry, f));
out:
    cbor_out_free(&entry);
    free(in);
    free(oc);
    return e;
}

/* --- the share, later --- */

/* The record must list a confirmation signed by this token's key. */
static err_t own_confirmation(const struct trustee *t, const struct record *r, struct bytes *out,
                              struct fault *f)
{
    for (size_t i = 0; i < t->b->entry_count; i++) {
        const struct entry *e = t->b->entry[i];
        if (e->kind == ENTRY_CONFIRM && point_equal(&e->author, &t->identity) &&
            hash_cmp(&e->subject, &r->cut) == 0 && record_lists(r, e)) {
            *out = (struct bytes){e->bytes, e->bytes_len};
            return OK;
        }
    }
    return fault_set(f, ERR_MISMATCH, "the record does not carry your token's confirmation");
}

/* Anybody can sign rubbish with this subject; the content decides. */
static err_t find_cut(struct cut *out, const struct board *b, const struct roster *roster, const hash_t *hash,
                      struct fault *f)
{
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *e = b->entry[i];
        if (e->kind != ENTRY_CUT || hash_cmp(&e->subject, hash) != 0 ||
            hash_cmp(&e->ceremony, &roster->ceremony) != 0)
            continue;
        err_t err = cut_parse(out, e, roster, NULL);
        if (err == OK || err_class(err) == CLASS_SYSTEM)
            return err;
    }
    memset(out, 0, sizeof *out);
    return fault_set(f, ERR_MISSING, "the record's cut is not on this board");
}

err_t trustee_roster_of(struct roster *out, const struct trustee *t, const struct record *r, struct fault *f)
{
    hash_t id[TRUSTEES_MAX];
    for (uint32_t j = 0; j < r->n; j++)
        id[j] = r->seat[j].enrolment;
    return roster_from_ids(out, t->m, t->b, t->g, id, r->n, f);
}

err_t trustee_shares(struct trustee *t, const struct record *r, struct vault_shares **in, uint32_t *seat,
                     struct bytes *confirmation, struct fault *f)
{
    struct roster *roster = NULL;
    struct outcome *oc = NULL;
    struct cut cut = {0};
    err_t e;
    *in = NULL;
    *seat = 0;
    GO(record_check(r, t->m, t->b, f));
    GO(own_confirmation(t, r, confirmation, f));
    roster = calloc(1, sizeof *roster);
    oc = calloc(1, sizeof *oc);
    if (roster == NULL || oc == NULL) {
        e = fault_set(f, ERR_MEMORY, "share");
        goto out;
    }
    GO(trustee_roster_of(roster, t, r, f));
    *seat = roster_seat(roster, &t->identity);
    GO(find_cut(&cut, t->b, roster, &r->cut, f));
    GO(cut_outcome(oc, t->m, t->b, roster, &cut, t->g, f));
    if (*seat == 0 || !(oc->holders >> (*seat - 1) & 1) ||
        !point_equal(&oc->S[*seat - 1], &r->seat[*seat - 1].S)) {
        e = fault_set(f, ERR_MISMATCH, "the record gives your seat another share");
        goto out;
    }
    GO(shares_of(t, in, roster, &cut, oc, *seat, f));
    GO(trustee_ready(t, roster, 0, f));
out:
    cut_free(&cut);
    free(oc);
    free(roster);
    if (e != OK) {
        free(*in);
        *in = NULL;
        *seat = 0;
    }
    return e;
}

static void drill_context(struct cbor_out *o, const struct record *r, uint32_t seat, const hash_t *challenge)
{
    cbor_put_array(o, 3);
    cbor_put_hash(o, &r->id);
    cbor_put_uint(o, seat);
    cbor_put_hash(o, challenge);
}

err_t drill_make(struct trustee *t, const struct record *r, const hash_t *challenge, struct fault *f)
{
    struct vault_shares *in;
    struct bytes confirmation;
    uint32_t seat;
    struct cbor_out entry = CBOR_OUT_INIT;
    const struct entry *before;
    TRY(trustee_shares(t, r, &in, &seat, &confirmation, f));
    err_t e = t->vault.ops->drill(t->vault.ctx, &entry, in, &confirmation, &r->id, challenge, f);
    free(in);
    /* Repeated: the share was rebuilt and proved once more, a proof is there. */
    int again = e == OK &&
                board_find(t->b, &before, NULL, ENTRY_DRILL, &r->ceremony, &t->identity, challenge) == OK &&
                before != NULL && drill_check(before, r, t->g, &seat, NULL) == OK;
    if (e == OK && !again)
        e = trustee_post(t, NULL, ENTRY_DRILL, &entry, f);
    cbor_out_free(&entry);
    return e;
}

err_t drill_check(const struct entry *e, const struct record *r, struct group *g, uint32_t *seat,
                  struct fault *f)
{
    struct cbor_in in;
    hash_t challenge;
    point_t S;
    struct pok pok;
    *seat = 0;
    for (uint32_t j = 1; j <= r->n; j++)
        if (point_equal(&r->seat[j - 1].identity, &e->author))
            *seat = j;
    if (*seat == 0 || e->kind != ENTRY_DRILL || hash_cmp(&e->ceremony, &r->ceremony) != 0)
        return fault_set(f, ERR_ELECTION, "not a drill of this ceremony");
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 2);
    cbor_get_hash(&in, &challenge);
    cbor_get_point(&in, g, &S);
    TRY(cbor_in_end(&in, f));
    cbor_in_init(&in, e->evidence, e->evidence_len);
    cbor_get_pok(&in, g, &pok);
    TRY(cbor_in_end(&in, f));
    if (!point_equal(&S, &r->seat[*seat - 1].S) || hash_cmp(&e->subject, &challenge) != 0)
        return fault_set(f, ERR_MISMATCH, "the drill is about another share or challenge");
    struct cbor_out context = CBOR_OUT_INIT;
    drill_context(&context, r, *seat, &challenge);
    err_t err = context.err;
    if (err == OK)
        err = pok_verify(g, &pok, &S, "conclave/drill-pok", &r->election, context.data, context.len);
    cbor_out_free(&context);
    return err == OK ? OK : fault_set(f, err, "proof of knowledge of the share");
}
