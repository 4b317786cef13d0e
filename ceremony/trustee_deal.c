/* A trustee's deal, complaints and reveals. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/trustee_parts.h"

static err_t own_seat(const struct trustee *t, const struct roster *r, uint32_t *seat, struct fault *f)
{
    *seat = roster_seat(r, &t->identity);
    return *seat != 0 ? OK : fault_set(f, ERR_MISMATCH, "your key has no seat in this roster");
}

/* Ciphertexts, written as detached files before the deal that names them. */
static err_t put_shares(struct trustee *t, const struct roster *r, hash_t share[TRUSTEES_MAX],
                        const struct vault_dealt *dealt, struct fault *f)
{
    for (uint32_t j = 0; j < r->n; j++) {
        struct cbor_out file = CBOR_OUT_INIT;
        sealed_put(&file, &dealt->share[j]);
        err_t e = file.err;
        if (e == OK)
            e = board_detached_put(t->b, &share[j], file.data, file.len, f);
        cbor_out_free(&file);
        if (e != OK)
            return e;
    }
    return OK;
}

/* The person compared the words and this trustee signed exactly this roster. */
static err_t roster_gate(struct trustee *t, const struct roster *r, struct fault *f)
{
    struct roster signed_one;
    err_t e = roster_signed_by(&signed_one, t->m, t->b, t->g, &t->identity, f);
    if (e == ERR_MISSING)
        return fault_set(f, ERR_EARLY, "compare the roster's words and sign the roster first");
    if (e == OK && hash_cmp(&signed_one.ceremony, &r->ceremony) != 0)
        return fault_set(f, ERR_MISMATCH, "you signed another roster");
    return e;
}

static int ciphertexts_here(const struct trustee *t, const struct roster *r, const struct deal *d)
{
    for (uint32_t j = 0; j < r->n; j++) {
        uint8_t *data;
        size_t len;
        if (board_detached_get(t->b, &data, &len, &d->share[j], NULL) != OK)
            return 0;
        free(data);
    }
    return 1;
}

err_t deal_make(struct trustee *t, const struct roster *r, struct fault *f)
{
    struct deal before;
    struct vault_dealt *dealt = NULL;
    struct cbor_out entry = CBOR_OUT_INIT;
    hash_t share[TRUSTEES_MAX] = {{{0}}};
    uint32_t seat;
    err_t e;
    TRY(own_seat(t, r, &seat, f));
    TRY(roster_gate(t, r, f));
    TRY(roster_check_own(t, r, f));
    TRY(t->vault.ops->bind(t->vault.ctx, f));
    err_t known = deal_of_seat(&before, t->b, r, t->g, seat, NULL, 0, f);
    if (known == OK && ciphertexts_here(t, r, &before))
        return OK; /* repeated */
    if (known != OK && known != ERR_MISSING)
        return known;
    fault_clear(f);
    dealt = malloc(sizeof *dealt);
    if (dealt == NULL)
        return fault_set(f, ERR_MEMORY, "deal");
    GO(t->vault.ops->deal(t->vault.ctx, &entry, dealt, f));
    GO(put_shares(t, r, share, dealt, f)); /* repeated: the same bytes, in case some were lost on the way */
    if (known == ERR_MISSING)
        GO(trustee_post(t, NULL, ENTRY_DEAL, &entry, f));
    else if (memcmp(share, before.share, sizeof share) != 0)
        e = fault_set(f, ERR_MISMATCH, "the own deal names other ciphertexts than this token makes");
out:
    cbor_out_free(&entry);
    free(dealt);
    return e;
}

/* --- checking shares, complaining, answering --- */

err_t trustee_sealed_share(struct trustee *t, struct sealed *out, const struct roster *r,
                           const struct deal *d, uint32_t seat, struct fault *f)
{
    uint8_t *data = NULL;
    size_t len;
    err_t e = board_detached_get(t->b, &data, &len, &d->share[seat - 1], f);
    if (e == ERR_HASH || e == ERR_LIMIT)
        e = fault_set(f, ERR_MISSING, "the ciphertext of the share is damaged on this board");
    if (e == OK)
        e = sealed_parse(out->enc, out->ct, data, len, f);
    free(data);
    return fault_who(f, e, "share of seat %u, %s", d->seat, r->seat[d->seat - 1].name);
}

int share_is_bad(err_t e)
{
    return e != ERR_MISSING && (e == ERR_SHARE || e == ERR_DECRYPT || e == ERR_POINT || e == ERR_SCALAR ||
                                err_class(e) == CLASS_INPUT);
}

static err_t check_share(struct trustee *t, const struct roster *r, const struct deal *d, uint32_t seat,
                         struct fault *f)
{
    struct sealed s;
    TRY(trustee_sealed_share(t, &s, r, d, seat, f));
    return t->vault.ops->share_check(t->vault.ctx, d->seat, d->C, &s, f);
}

err_t shares_check(struct trustee *t, const struct roster *r, uint32_t *bad, uint32_t *missing,
                   struct fault *f)
{
    uint32_t seat;
    *bad = *missing = 0;
    TRY(own_seat(t, r, &seat, f));
    TRY(trustee_ready(t, r, 0, f));
    for (uint32_t i = 1; i <= r->n; i++) {
        struct deal d;
        err_t e = deal_of_seat(&d, t->b, r, t->g, i, NULL, 0, NULL);
        if (err_class(e) == CLASS_SYSTEM)
            return fault_set(f, e, "checking the deal of seat %u", i);
        if (e != OK) /* no public deal: counted by the cut, not by complaints */
            continue;
        e = check_share(t, r, &d, seat, f);
        if (e == ERR_MISSING)
            *missing |= UINT32_C(1) << (i - 1);
        else if (share_is_bad(e))
            *bad |= UINT32_C(1) << (i - 1);
        else if (e != OK)
            return e;
    }
    fault_clear(f);
    return OK;
}

static err_t complain_about(struct trustee *t, const struct deal *d, struct fault *f)
{
    struct cbor_out st = CBOR_OUT_INIT, entry = CBOR_OUT_INIT;
    cbor_put_array(&st, 1);
    cbor_put_hash(&st, &d->statement_id);
    struct bytes statement = {st.data, st.len};
    err_t e = st.err;
    if (e == OK)
        e = t->vault.ops->sign(t->vault.ctx, &entry, ENTRY_COMPLAINT, &d->statement_id, &statement, f);
    if (e == OK)
        e = trustee_post(t, NULL, ENTRY_COMPLAINT, &entry, f);
    cbor_out_free(&st);
    cbor_out_free(&entry);
    return e;
}

err_t complaint_make(struct trustee *t, const struct roster *r, uint32_t bad, struct fault *f)
{
    uint32_t seat;
    TRY(own_seat(t, r, &seat, f));
    /* If the own seed does not open, the own token is at fault and nobody is accused. */
    TRY(trustee_ready(t, r, 1, f));
    TRY(t->vault.ops->seed_check(t->vault.ctx, f));
    for (uint32_t i = 1; i <= r->n; i++) {
        struct deal d;
        const struct entry *before;
        if (!(bad >> (i - 1) & 1))
            continue;
        TRY(deal_of_seat(&d, t->b, r, t->g, i, NULL, 0, f));
        TRY(board_find(t->b, &before, NULL, ENTRY_COMPLAINT, &r->ceremony, &t->identity, &d.statement_id));
        if (before == NULL)
            TRY(complain_about(t, &d, f));
    }
    return OK;
}

/* Answers the complaint of one seat; the vault sees it too, and computes the deal again. */
static err_t reveal_one(struct trustee *t, const struct roster *r, const struct deal *d, uint32_t complainer,
                        struct fault *f)
{
    const struct entry *complaint;
    struct cbor_out entry = CBOR_OUT_INIT;
    err_t e = board_find(t->b, &complaint, NULL, ENTRY_COMPLAINT, &r->ceremony,
                         &r->seat[complainer - 1].identity, &d->statement_id);
    if (e != OK || complaint == NULL)
        return fault_set(f, e != OK ? e : ERR_MISSING, "the complaint of seat %u", complainer);
    struct bytes bytes = {complaint->bytes, complaint->bytes_len};
    e = t->vault.ops->reveal(t->vault.ctx, &entry, &bytes, f);
    if (e == OK)
        e = trustee_post(t, NULL, ENTRY_REVEAL, &entry, f);
    cbor_out_free(&entry);
    return e;
}

/* Seats whose complaint about this trustee's deal counts, were the board cut now: the public rule decides, so
 * that nothing is revealed for a complaint that is void or not signed by its seat. */
static err_t complainers(struct trustee *t, const struct roster *r, uint32_t seat, uint32_t *who,
                         struct fault *f)
{
    struct cut now;
    *who = 0;
    struct outcome *oc = calloc(1, sizeof *oc);
    if (oc == NULL)
        return fault_set(f, ERR_MEMORY, "complaints");
    err_t e = cut_make(&now, t->b, r, 0, f);
    if (e == OK) {
        e = cut_outcome(oc, t->m, t->b, r, &now, t->g, f);
        if (e == OK || e == ERR_QUORUM) {
            *who = oc->complaints[seat - 1];
            e = OK;
            fault_clear(f);
        }
        cut_free(&now);
    }
    free(oc);
    return e;
}

/* Once the own confirmation covers a cut with the complaint, or the key is out, there is nothing to answer.
 */
static err_t not_confirmed_yet(const struct trustee *t, const struct roster *r, struct fault *f)
{
    for (size_t i = 0; i < t->b->entry_count; i++) {
        const struct entry *e = t->b->entry[i];
        if (e->kind != ENTRY_CUT || hash_cmp(&e->ceremony, &r->ceremony) != 0)
            continue;
        const struct entry *own;
        struct cut c;
        if (board_find(t->b, &own, NULL, ENTRY_CONFIRM, &r->ceremony, &t->identity, &e->subject) == OK &&
            own == NULL)
            continue;
        err_t err = cut_parse(&c, e, r, NULL);
        if (err_class(err) == CLASS_SYSTEM)
            return err;
        if (err != OK)
            continue; /* somebody's rubbish with this subject */
        err = cut_covers(&c, t->b, r, NULL);
        cut_free(&c);
        if (err == OK)
            return fault_set(f, ERR_DONE, "you confirmed a cut that settles these complaints");
    }
    return OK;
}

err_t reveal_make(struct trustee *t, const struct roster *r, size_t *count, struct fault *f)
{
    struct deal d;
    uint32_t seat;
    *count = 0;
    TRY(own_seat(t, r, &seat, f));
    TRY(deal_of_seat(&d, t->b, r, t->g, seat, NULL, 0, f));
    uint32_t who;
    TRY(complainers(t, r, seat, &who, f));
    if (who == 0)
        return OK;
    if ((uint32_t)__builtin_popcount(who) >= r->t)
        return fault_set(f, ERR_RULE, "%d trustees complain: at %u nothing is revealed",
                         __builtin_popcount(who), r->t);
    TRY(not_confirmed_yet(t, r, f));
    TRY(trustee_ready(t, r, 1, f));
    err_t e = OK;
    for (uint32_t j = 1; j <= r->n && e == OK; j++) {
        const struct entry *before;
        hash_t subject;
        if (!(who >> (j - 1) & 1))
            continue;
        subject_seat(&subject, j);
        e = board_find(t->b, &before, NULL, ENTRY_REVEAL, &r->ceremony, &t->identity, &subject);
        if (e == OK && before == NULL)
            e = reveal_one(t, r, &d, j, f);
        *count += e == OK && before == NULL;
    }
    return e;
}
