/* The key ceremony, from its signed entries. Each check looks at one thing alone; ceremony.record then
 * makes the whole record again. Only entries that the record lists (and signed rosters) count: what
 * arrived later changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "tally/verify_state.h"

static const char *seat_name(const struct verify *v, uint32_t seat, char out[256])
{
    snprintf(out, 256, "seat %u, %s", seat, v->r->seat[seat - 1].name);
    return out;
}

static int has_bit(uint32_t set, uint32_t seat)
{
    return (int)(set >> (seat - 1) & 1);
}

/* --- entries --- */

static err_t make_view(struct verify *v)
{
    v->view.election = v->b->election;
    v->view.entry = calloc(v->b->entry_count + 1, sizeof *v->view.entry);
    if (v->view.entry == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; v->r != NULL && i < v->b->entry_count; i++) {
        struct entry *e = v->b->entry[i];
        int same = hash_cmp(&e->ceremony, &v->r->ceremony) == 0;
        int listed = record_lists(v->r, e) || (same && e->kind == ENTRY_ROSTER) ||
                     (same && e->kind == ENTRY_CUT && hash_cmp(&e->subject, &v->r->cut) == 0);
        if (listed)
            v->view.entry[v->view.entry_count++] = e;
    }
    return OK;
}

static void note_equivocation(struct verify *v, enum verify_id id)
{
    static const enum entry_kind kinds[] = {ENTRY_DEAL, ENTRY_ROSTER};
    const struct entry *one, *two;
    char name[256];
    for (uint32_t j = 1; v->r != NULL && j <= v->r->n; j++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (board_find(v->b, &one, &two, kinds[k], &v->r->ceremony, &v->r->seat[j - 1].identity, NULL) ==
                ERR_EQUIVOCATION)
                verify_note(v, id, "%s made two different statements of the kind %s", seat_name(v, j, name),
                            entry_kind_name(kinds[k]));
}

err_t verify_check_entries(struct verify *v, enum verify_id id)
{
    struct fault f;
    fault_clear(&f);
    if (v->m == NULL) {
        verify_skip(v, id, "there is no good manifest");
        return OK;
    }
    err_t e = board_open(&v->b, v->dir, &v->m->election, &f);
    if (e != OK) {
        verify_fail(v, id, &f);
        return e == ERR_MEMORY ? e : OK;
    }
    for (size_t i = 0; i < v->b->refused_count; i++)
        verify_fail(v, id, &v->b->refused[i].fault);
    if (v->b->entry_count == 0)
        verify_failf(v, id, ERR_MISSING, BUNDLE_ENTRIES, NULL, "there are no good entries");
    note_equivocation(v, id);
    return make_view(v);
}

/* --- roster and models --- */

static int needs_record(struct verify *v, enum verify_id id)
{
    if (v->r != NULL && v->b != NULL)
        return 1;
    verify_skip(v, id, "there are no good ceremony record and entries");
    return 0;
}

static void check_signed_rosters(struct verify *v, enum verify_id id)
{
    struct cbor_out want = CBOR_OUT_INIT;
    size_t good = 0;
    roster_statement(&want, &v->roster);
    for (size_t i = 0; i < v->b->entry_count; i++) {
        const struct entry *e = v->b->entry[i];
        uint32_t seat = roster_seat(&v->roster, &e->author);
        if (e->kind != ENTRY_ROSTER || hash_cmp(&e->ceremony, &v->r->ceremony) != 0 || seat == 0)
            continue;
        if (e->statement_len == want.len && memcmp(e->statement, want.data, want.len) == 0) {
            good++;
            continue;
        }
        char name[ENTRY_NAME_SIZE];
        entry_file_name(name, e);
        verify_failf(v, id, ERR_MISMATCH, name, v->roster.seat[seat - 1].name,
                     "signed another roster under this ceremony's id");
    }
    if (good == 0)
        verify_failf(v, id, ERR_MISSING, BUNDLE_ENTRIES, NULL, "no seat has signed this roster");
    cbor_out_free(&want);
}

err_t verify_check_roster(struct verify *v, enum verify_id id)
{
    struct fault f;
    fault_clear(&f);
    if (!needs_record(v, id))
        return OK;
    if (v->r->entry_count < v->r->n) {
        verify_failf(v, id, ERR_MISSING, BUNDLE_RECORD, NULL, "the record lists fewer entries than seats");
        return OK;
    }
    err_t e = roster_from_ids(&v->roster, &v->lenient, v->b, v->g, v->r->entry, v->r->n, &f);
    if (e != OK) {
        verify_fail(v, id, &f);
        return e == ERR_MEMORY ? e : OK;
    }
    if (hash_cmp(&v->roster.ceremony, &v->r->ceremony) != 0) {
        verify_failf(v, id, ERR_MISMATCH, BUNDLE_RECORD, NULL,
                     "the ceremony id is not that of the enrolments listed");
        return OK;
    }
    v->has_roster = 1;
    check_signed_rosters(v, id);
    return OK;
}

err_t verify_check_models(struct verify *v, enum verify_id id)
{
    if (!v->has_roster) {
        verify_skip(v, id, "there is no good roster");
        return OK;
    }
    for (uint32_t i = 0; i < v->roster.n; i++) {
        const struct enrolment *a = &v->roster.seat[i];
        uint32_t same = 0, before = 0;
        for (uint32_t j = 0; j < v->roster.n; j++) {
            const struct enrolment *b = &v->roster.seat[j];
            int equal = strcmp(a->manufacturer, b->manufacturer) == 0 && strcmp(a->model, b->model) == 0;
            same += (uint32_t)equal;
            before += equal && j < i;
        }
        if (before == 0 && same > v->m->same_model_max)
            verify_failf(v, id, ERR_RULE, BUNDLE_RECORD, NULL,
                         "%u tokens are of the model %s %s, the manifest allows %u", same, a->manufacturer,
                         a->model, v->m->same_model_max);
        else if (before == 0 && same >= v->m->t)
            verify_note(v, id, "%u tokens, enough to decrypt, are of the model %s %s%s", same,
                        a->manufacturer, a->model, v->m->rehearsal ? "; allowed in a rehearsal" : "");
    }
    return OK;
}

/* --- the cut --- */

/* The record lists n enrolments, what the cut lists, one confirmation for each holder. */
static void compare_cut(struct verify *v, enum verify_id id)
{
    const struct record *r = v->r;
    struct fault f;
    fault_clear(&f);
    int same = r->entry_count >= r->n + v->cut.entry_count;
    for (size_t i = 0; same && i < v->cut.entry_count; i++)
        same = hash_cmp(&r->entry[r->n + i], &v->cut.entry[i]) == 0;
    if (!same)
        verify_failf(v, id, ERR_MISMATCH, BUNDLE_RECORD, NULL,
                     "the record lists other deals and complaints than the cut");
    for (size_t i = 0; i < v->cut.entry_count; i++) {
        char hex[17];
        if (board_entry(v->b, &v->cut.entry[i]) != NULL)
            continue;
        hex_put(hex, v->cut.entry[i].b, 8);
        verify_failf(v, id, ERR_MISSING, BUNDLE_ENTRIES, NULL, "entry %s of the cut is not here", hex);
        same = 0;
    }
    v->has_cut = same;
    err_t covers = same ? cut_covers(&v->cut, v->b, &v->roster, &f) : OK;
    if (err_class(covers) == CLASS_SYSTEM)
        verify_failf(v, id, covers, BUNDLE_ENTRIES, NULL, "late evidence cannot be looked for");
    else if (covers != OK)
        verify_note(v, id, "late evidence, which changes nothing: %s: %s", f.who, f.detail);
}

/* The cut that the record names may be signed by several; one that a seat signed and that can be read is
 * enough. */
err_t verify_check_cut(struct verify *v, enum verify_id id)
{
    struct fault f, why;
    if (!v->has_roster) {
        verify_skip(v, id, "there is no good roster");
        return OK;
    }
    fault_set(&why, ERR_MISSING, "the cut that the record names is not among the entries, signed by a seat");
    fault_file(&why, ERR_MISSING, BUNDLE_RECORD);
    for (size_t i = 0; i < v->b->entry_count; i++) {
        const struct entry *e = v->b->entry[i];
        if (e->kind != ENTRY_CUT || hash_cmp(&e->ceremony, &v->r->ceremony) != 0 ||
            hash_cmp(&e->subject, &v->r->cut) != 0 || roster_seat(&v->roster, &e->author) == 0)
            continue;
        fault_clear(&f);
        err_t err = cut_parse(&v->cut, e, &v->roster, &f);
        if (err == ERR_MEMORY)
            return err;
        if (err == OK) {
            compare_cut(v, id);
            return OK;
        }
        char name[ENTRY_NAME_SIZE + 16];
        why = f;
        if (bundle_entry_name(name, sizeof name, e) == OK)
            fault_file(&why, err, name);
    }
    verify_fail(v, id, &why);
    return OK;
}

/* --- what follows from it --- */

static err_t make_outcome(struct verify *v)
{
    struct fault f;
    fault_clear(&f);
    err_t e = cut_outcome(&v->outcome, &v->lenient, &v->view, &v->roster, &v->cut, v->g, &f);
    if (err_class(e) == CLASS_SYSTEM)
        return e;
    v->has_outcome = e == OK || e == ERR_QUORUM || e == ERR_POINT;
    v->outcome_whole = e == OK;
    if (e == ERR_POINT)
        verify_fail(v, CHECK_KEY, &f);
    else if (!v->has_outcome)
        verify_fail(v, CHECK_CUT, &f);
    return OK;
}

static int needs_outcome(struct verify *v, enum verify_id id, int whole)
{
    if (whole ? v->outcome_whole : v->has_outcome)
        return 1;
    verify_skip(v, id, "%s", v->has_outcome ? "no key follows from the cut" : "there is no good cut");
    return 0;
}

err_t verify_check_deals(struct verify *v, enum verify_id id)
{
    char name[256];
    if (v->has_cut)
        TRY(make_outcome(v));
    if (!needs_outcome(v, id, 0))
        return OK;
    for (uint32_t i = 1; i <= v->roster.n; i++) {
        struct deal d;
        struct fault f;
        enum seat_fate fate = v->outcome.fate[i - 1];
        if (fate != FATE_ABSENT && fate != FATE_EQUIVOCATED && fate != FATE_BAD_DEAL)
            continue;
        fault_clear(&f);
        err_t e = deal_of_seat(&d, &v->view, &v->roster, v->g, i, v->cut.entry, v->cut.entry_count, &f);
        if (e != OK && has_bit(v->r->qual, i))
            verify_fail(v, id, &f);
        else
            verify_note(v, id, "%s does not count as a dealer: %s", seat_name(v, i, name),
                        seat_fate_name(fate));
    }
    return OK;
}

err_t verify_check_complaints(struct verify *v, enum verify_id id)
{
    char name[256];
    if (!needs_outcome(v, id, 0))
        return OK;
    for (uint32_t i = 1; i <= v->roster.n; i++) {
        enum seat_fate fate = v->outcome.fate[i - 1];
        int out = fate == FATE_OUT_MANY || fate == FATE_OUT_SILENT || fate == FATE_OUT_REVEAL;
        seat_name(v, i, name);
        if (out && has_bit(v->r->qual, i))
            verify_failf(v, id, ERR_RULE, BUNDLE_RECORD, name, "counts as a dealer in spite of this: %s",
                         seat_fate_name(fate));
        else if (out)
            verify_note(v, id, "%s does not count as a dealer: %s", name, seat_fate_name(fate));
        for (uint32_t j = 1; j <= v->roster.n; j++)
            if (has_bit(v->outcome.dismissed[i - 1], j))
                verify_note(v, id, "%s answered the complaint of seat %u by making that share public", name,
                            j);
        if (has_bit(v->outcome.voided, i))
            verify_note(v, id, "the complaints of %s are void; no share is held there", name);
    }
    return OK;
}

static void check_numbers(struct verify *v, enum verify_id id)
{
    const struct record *r = v->r;
    uint32_t qual = (uint32_t)__builtin_popcount(r->qual), holders = (uint32_t)__builtin_popcount(r->holders);
    uint32_t need_qual = v->m->min_qual > r->t ? v->m->min_qual : r->t, need = r->t == r->n ? r->n : r->t + 1;
    if (qual < need_qual)
        verify_failf(v, id, ERR_QUORUM, BUNDLE_RECORD, NULL, "%u dealers, the manifest asks for %u", qual,
                     need_qual);
    if (holders < need)
        verify_failf(v, id, ERR_QUORUM, BUNDLE_RECORD, NULL, "%u holders of shares, %u are needed", holders,
                     need);
}

err_t verify_check_qualified(struct verify *v, enum verify_id id)
{
    char name[256];
    if (!needs_outcome(v, id, 0))
        return OK;
    uint32_t holders = v->r->qual & ~v->outcome.voided & ~v->cut.absent;
    for (uint32_t i = 1; i <= v->roster.n; i++) {
        seat_name(v, i, name);
        if (has_bit(v->outcome.qual, i) && !has_bit(v->r->qual, i))
            verify_failf(v, id, ERR_MISMATCH, BUNDLE_RECORD, name, "is left out, although the deal counts");
        if (has_bit(holders, i) != has_bit(v->r->holders, i))
            verify_failf(v, id, ERR_MISMATCH, BUNDLE_RECORD, name, "%s",
                         has_bit(holders, i) ? "holds a share by the rules, and not in the record"
                                             : "holds no share by the rules, and does in the record");
    }
    check_numbers(v, id);
    return OK;
}

err_t verify_check_confirm(struct verify *v, enum verify_id id)
{
    point_t D[TRUSTEES_MAX];
    const struct entry *used;
    struct fault f;
    size_t bad = 0;
    if (!needs_outcome(v, id, 1))
        return OK;
    memset(D, 0, sizeof D);
    for (uint32_t j = 1; j <= v->roster.n; j++) {
        if (!has_bit(v->outcome.holders, j))
            continue;
        fault_clear(&f);
        err_t e = confirm_check(&D[j - 1], &used, &v->view, &v->roster, &v->cut, &v->outcome, j, v->g, &f);
        if (err_class(e) == CLASS_SYSTEM)
            return e;
        if (e != OK) {
            verify_fail(v, id, &f);
            bad++;
        }
    }
    fault_clear(&f);
    err_t e = bad ? OK : test_decrypts(v->g, &v->roster, &v->cut, &v->outcome, D, &f);
    if (e != OK && err_class(e) != CLASS_SYSTEM)
        verify_fail(v, id, &f);
    return err_class(e) == CLASS_SYSTEM ? e : OK;
}

err_t verify_check_key(struct verify *v, enum verify_id id)
{
    char name[256];
    if (!needs_outcome(v, id, 1))
        return OK;
    /* That every t neighbours of the record's points interpolate to Y was checked by record_parse. */
    if (!point_equal(&v->outcome.Y, &v->r->Y))
        verify_failf(v, id, ERR_MISMATCH, BUNDLE_RECORD, NULL,
                     "the joint key is not the sum of the dealers' points");
    for (uint32_t j = 1; j <= v->roster.n; j++)
        if (has_bit(v->r->holders, j) && has_bit(v->outcome.holders, j) &&
            !point_equal(&v->outcome.S[j - 1], &v->r->seat[j - 1].S))
            verify_failf(v, id, ERR_MISMATCH, BUNDLE_RECORD, seat_name(v, j, name),
                         "the public share is not the one that the dealers' points give");
    return OK;
}

err_t verify_check_ceremony(struct verify *v, enum verify_id id)
{
    struct fault f;
    fault_clear(&f);
    if (!needs_record(v, id))
        return OK;
    err_t e = record_check(v->r, &v->lenient, v->b, &f);
    if (err_class(e) == CLASS_SYSTEM)
        return e;
    if (e != OK) {
        fault_file(&f, e, BUNDLE_RECORD);
        verify_fail(v, id, &f);
    }
    return OK;
}
