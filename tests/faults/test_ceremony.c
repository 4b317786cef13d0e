/* Every phase of a ceremony, with the i-th allocation, lock, write failing, and with a token that fails at
 * its i-th call. */
#include "tests/faults/inject.h"

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "ceremony/status.h"
#include "tests/support/ceremony.h"

/* A phase, run by one trustee (seat 1) on a directory that starts as a copy of snap. */
struct scene {
    struct world *w;
    struct party *p;
    char snap[512], dir[512];
    struct softkeys token; /* as it was */
    int enrolled;
    err_t (*phase)(struct scene *s, struct trustee *t, struct fault *f);
    void (*check)(struct scene *s, struct board *b); /* after success, on the board read again */
    size_t refused;
    /* what phases work on */
    struct roster roster;
    hash_t challenge, subject;
    struct plan_file plan;
    uint32_t bad, missing;
    struct cut cut;
    struct outcome outcome;
    struct record *record;
    struct cbor_out bytes;
    struct target *target;
    struct status *status;
    char from[512];
    struct merge_report merge;
    uint64_t counts[2][3];
};

static struct world *world;

static err_t on_board(struct scene *s, struct board *b, struct fault *f)
{
    struct trustee t = {.m = &s->w->m, .b = b, .g = s->w->g, .vault = s->p->t.vault};
    if (s->enrolled)
        TRY(trustee_find(&t, f));
    return s->phase(s, &t, f);
}

static err_t do_merge(struct scene *s, struct trustee *t, struct fault *f);

static err_t run(void *ctx, struct fault *f)
{
    struct scene *s = ctx;
    struct board *b = INJECT_POISON;
    s->refused = 0;
    err_t e = board_open(&b, s->dir, &s->w->m.election, f);
    if (e != OK) {
        s->refused = b != NULL ? SIZE_MAX : 0;
        return e;
    }
    e = on_board(s, b, f);
    /* A file of another's medium that cannot be read is passed over and listed: whoever sees the list knows
     * why. */
    for (size_t i = 0; i < b->refused_count; i++)
        if (b->refused[i].fault.err == ERR_IO)
            e = s->phase == do_merge ? ERR_IO : e;
    if (e == OK)
        s->refused = b->refused_count;
    board_free(b);
    return e;
}

static void before(void *ctx)
{
    struct scene *s = ctx;
    inject_copy_tree(s->dir, s->snap);
    s->record = NULL;
    struct softkeys *token = s->p->token;
    size_t calls = token->calls, fail_at = token->fail_at;
    *token = s->token;
    token->calls = calls;
    token->fail_at = fail_at;
}

static void after(void *ctx, err_t e)
{
    struct scene *s = ctx;
    struct board *b;
    struct fault f;
    inject_check(s->refused != SIZE_MAX, "board_open gives a board and an error");
    inject_check(e != OK || s->refused == 0, "success, but good entries are among the refused ones");
    assert_err(board_open(&b, s->dir, &s->w->m.election, &f), OK);
    inject_check(b->refused_count == 0, "a damaged entry is on the board");
    if (e == OK && s->check != NULL)
        s->check(s, b);
    board_free(b);
}

/* The token's calls fail in turn, with the error that says why. */
static void failing_token(struct scene *s, const char *name)
{
    struct fault f;
    before(s);
    size_t start = s->p->token->calls;
    assert_err(run(s, &f), OK);
    size_t calls = s->p->token->calls - start;
    after(s, OK);
    for (size_t k = 1; k <= calls; k++) {
        before(s);
        softkeys_fail(s->p->token, k, ERR_TOKEN_REMOVED);
        fault_clear(&f);
        err_t e = run(s, &f);
        if (e != ERR_TOKEN_REMOVED)
            fail_msg("%s: call %zu of the token fails, the phase gives %s %s", name, k, err_name(e),
                     f.detail);
        after(s, e);
        softkeys_fail(s->p->token, SIZE_MAX / 2, OK);
        e = run(s, &f);
        if (e != OK)
            fail_msg("%s: call %zu of the token failed, the repetition gives %s %s", name, k, err_name(e),
                     f.detail);
        after(s, e);
    }
}

static void faults(struct scene *s, const char *name)
{
    struct inject_op op = {
        .name = name, .before = before, .run = run, .after = after, .ctx = s, .dir = s->dir};
    failing_token(s, name);
    inject_all(&op);
}

/* A copy of the shared board as it is now; snap is not changed by the runs. */
static struct scene *scene_new(struct world *w, struct party *p, int enrolled)
{
    struct scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->w = w;
    s->p = p;
    s->enrolled = enrolled;
    s->token = *p->token;
    if (w->roster != NULL)
        s->roster = *w->roster;
    assert_true(snprintf(s->snap, sizeof s->snap, "%s/snap", w->dir) < (int)sizeof s->snap);
    assert_true(snprintf(s->dir, sizeof s->dir, "%s/run", w->dir) < (int)sizeof s->dir);
    struct fault f;
    assert_err(file_mkdir(s->snap, &f), OK);
    assert_err(file_mkdir(s->dir, &f), OK);
    inject_copy_tree(s->snap, p->dir);
    return s;
}

static void scene_free(struct scene *s)
{
    free(s);
}

/* --- what a check looks for --- */

static void has_one(const struct scene *s, const struct board *b, enum entry_kind kind)
{
    const struct entry *e;
    inject_check(board_find(b, &e, NULL, kind, NULL, &s->p->t.identity, NULL) == OK && e != NULL,
                 "the entry is not on the board");
}

#define HAS_ONE(name, kind)                                                                                  \
    static void name(struct scene *s, struct board *b)                                                       \
    {                                                                                                        \
        has_one(s, b, kind);                                                                                 \
    }
HAS_ONE(has_roster, ENTRY_ROSTER)
HAS_ONE(has_deal, ENTRY_DEAL)
HAS_ONE(has_complaint, ENTRY_COMPLAINT)
HAS_ONE(has_reveal, ENTRY_REVEAL)
HAS_ONE(has_cut, ENTRY_CUT)
HAS_ONE(has_confirm, ENTRY_CONFIRM)
HAS_ONE(has_drill, ENTRY_DRILL)
HAS_ONE(has_plan, ENTRY_PLAN)
HAS_ONE(has_partial, ENTRY_PARTIAL)
HAS_ONE(has_retire, ENTRY_RETIRE)

/* --- phases --- */

static err_t do_enroll(struct scene *s, struct trustee *t, struct fault *f)
{
    (void)s;
    return enroll_make(t, "Trustee 0", "Somewhere", f);
}

static void has_enrolment(struct scene *s, struct board *b)
{
    size_t n = 0;
    struct trustee t = {.m = &s->w->m, .b = b, .g = s->w->g, .vault = s->p->t.vault};
    struct fault f;
    for (size_t i = 0; i < b->entry_count; i++)
        n += b->entry[i]->kind == ENTRY_ENROLL;
    inject_check(n == 3, "not one enrolment more");
    inject_check(trustee_find(&t, &f) == OK, "the enrolment is not found again");
}

static void enroll(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct fault f;
    for (uint32_t i = 1; i < 3; i++)
        assert_err(enroll_make(&w->party[i].t, i == 1 ? "Trustee 1" : "Trustee 2", "Somewhere", &f), OK);
    struct scene *s = scene_new(w, &w->party[0], 0);
    s->phase = do_enroll;
    s->check = has_enrolment;
    faults(s, "enroll");
    scene_free(s);
    world_free(w);
    inject_end();
}

static err_t do_roster(struct scene *s, struct trustee *t, struct fault *f)
{
    TRY(roster_make(&s->roster, t->m, t->b, t->g, NULL, 0, f));
    return roster_sign(t, &s->roster, f);
}

static err_t do_deal(struct scene *s, struct trustee *t, struct fault *f)
{
    TRY(deal_make(t, &s->roster, f));
    return OK;
}

static err_t do_shares(struct scene *s, struct trustee *t, struct fault *f)
{
    TRY(shares_check(t, &s->roster, &s->bad, &s->missing, f));
    return OK;
}

static void shares_good(struct scene *s, struct board *b)
{
    (void)b;
    inject_check(s->bad == 0 && s->missing == 0, "a good share is called bad");
}

static err_t do_cut(struct scene *s, struct trustee *t, struct fault *f)
{
    err_t e = cut_make(&s->cut, t->b, &s->roster, 0, f);
    if (e != OK)
        return e;
    GO(cut_sign(t, &s->roster, &s->cut, f));
    GO(cut_outcome(&s->outcome, t->m, t->b, &s->roster, &s->cut, t->g, f));
out:
    cut_free(&s->cut);
    return e;
}

static void cut_is_good(struct scene *s, struct board *b)
{
    has_cut(s, b);
    inject_check(s->outcome.qual == 7 && s->outcome.holders == 7, "another outcome");
}

static err_t do_confirm(struct scene *s, struct trustee *t, struct fault *f)
{
    return confirm_make(t, &s->roster, &s->w->cut, f);
}

static void run_to_record(void **state)
{
    (void)state;
    struct world *w = world;
    world_enroll(w);
    struct scene *s = scene_new(w, &w->party[0], 1);
    s->phase = do_roster;
    s->check = has_roster;
    faults(s, "roster");
    scene_free(s);

    world_roster(w);
    struct party *p = world_seat(w, 1);
    s = scene_new(w, p, 1);
    s->phase = do_deal;
    s->check = has_deal;
    faults(s, "deal");
    scene_free(s);

    world_deal(w, ALL);
    s = scene_new(w, p, 1);
    s->phase = do_shares;
    s->check = shares_good;
    faults(s, "shares");
    s->phase = do_cut;
    s->check = cut_is_good;
    faults(s, "cut");
    scene_free(s);

    world_cut(w, 0);
    s = scene_new(w, p, 1);
    s->phase = do_confirm;
    s->check = has_confirm;
    faults(s, "confirm");
    scene_free(s);
    world_confirm(w, ALL);
    world_record(w);
    inject_end();
}

/* --- with a record --- */

static err_t do_record(struct scene *s, struct trustee *t, struct fault *f)
{
    s->record = INJECT_POISON;
    err_t e = record_make(&s->record, &s->bytes, t->m, t->b, NULL, f);
    if (e != OK)
        return e;
    GO(record_check(s->record, t->m, t->b, f));
    struct record *again = INJECT_POISON;
    GO(record_parse(&again, t->m, s->bytes.data, s->bytes.len, f));
    record_free(again);
out:
    if (e != OK) {
        record_free(s->record);
        s->record = NULL;
        cbor_out_free(&s->bytes);
    }
    return e;
}

static void after_record(void *ctx, err_t e)
{
    struct scene *s = ctx;
    after(ctx, e);
    if (e == OK) {
        inject_check(hash_cmp(&s->record->id, &s->w->record->id) == 0, "another record");
        record_free(s->record);
    } else {
        inject_zero(s->record);
        inject_zero(s->bytes.data);
    }
    cbor_out_free(&s->bytes);
}

static err_t do_status(struct scene *s, struct trustee *t, struct fault *f)
{
    struct status *st = INJECT_POISON;
    (void)s;
    TRY(status_read(&st, t->m, t->b, t->g, f));
    int good = st->stage == STAGE_RELEASED && st->cut_error == OK;
    status_free(st);
    return good ? OK : ERR_BUG;
}

static err_t do_drill(struct scene *s, struct trustee *t, struct fault *f)
{
    const struct entry *e;
    uint32_t seat;
    TRY(drill_make(t, s->w->record, &s->challenge, f));
    TRY(board_find(t->b, &e, NULL, ENTRY_DRILL, NULL, &t->identity, &s->challenge));
    return drill_check(e, s->w->record, t->g, &seat, f);
}

static err_t do_plan(struct scene *s, struct trustee *t, struct fault *f)
{
    return plan_sign(t, s->w->record, &s->plan, NULL, 0, f);
}

static err_t do_decrypt(struct scene *s, struct trustee *t, struct fault *f)
{
    TRY(do_plan(s, t, f));
    return decrypt_make(t, s->w->record, &s->plan, s->target, 2, f);
}

static err_t do_retire(struct scene *s, struct trustee *t, struct fault *f)
{
    return retire_make(t, s->w->record, f);
}

static err_t do_merge(struct scene *s, struct trustee *t, struct fault *f)
{
    return board_merge(t->b, s->from, &s->merge, f);
}

static void is_merged(struct scene *s, struct board *b)
{
    struct board *from;
    struct fault f;
    assert_err(board_open(&from, s->from, &s->w->m.election, &f), OK);
    inject_check(b->entry_count == from->entry_count, "not all entries came over");
    inject_check(s->merge.refused == 0, "good entries were refused");
    for (size_t i = 0; i < from->entry_count; i++)
        inject_check(board_entry(b, &from->entry[i]->id) != NULL, "an entry did not come over");
    board_free(from);
}

static err_t do_partials(struct scene *s, struct trustee *t, struct fault *f)
{
    const uint64_t limit[2] = {100, 100};
    uint64_t *const counts[2] = {s->counts[0], s->counts[1]};
    struct partial *p[2] = {NULL, NULL};
    err_t e = OK;
    for (uint32_t i = 0; i < 2; i++) {
        const struct entry *entry;
        struct party *q = world_seat(s->w, i + 1);
        p[i] = NULL;
        GO(board_find(t->b, &entry, NULL, ENTRY_PARTIAL, NULL, &q->t.identity, &s->plan.id));
        GO(partial_parse(&p[i], entry, s->w->record, &s->plan.id, s->target, 2, f));
        GO(partial_verify_var(p[i], s->w->record, s->target, 2, f));
    }
    GO(partial_combine_var(counts, (const struct partial *const *)p, s->w->record, s->target, 2, limit, f));
out:
    partial_free(p[0]);
    partial_free(p[1]);
    return e;
}

static void counts_are_right(struct scene *s, struct board *b)
{
    (void)b;
    for (unsigned i = 0; i < 6; i++)
        inject_check(s->counts[i / 3][i % 3] == 5 + i, "another count");
}

static void with_record(void **state)
{
    (void)state;
    struct world *w = world;
    struct scene *s = scene_new(w, world_seat(w, 1), 1);
    struct inject_op op = {.name = "record", .before = before, .run = run, .after = after_record, .ctx = s};
    s->phase = do_record;
    inject_all(&op);
    s->phase = do_status;
    s->check = NULL;
    faults(s, "status");
    s->phase = do_drill;
    s->check = has_drill;
    faults(s, "drill");
    s->target = targets_make(w, 2, 3, 5);
    s->plan = plan_for(w, s->target, 2, NULL, 1);
    s->phase = do_plan;
    s->check = has_plan;
    faults(s, "plan");
    s->phase = do_decrypt;
    s->check = has_partial;
    faults(s, "decrypt");
    s->phase = do_retire;
    s->check = has_retire;
    faults(s, "retire");
    /* a board that lacks everything since the enrolment takes it from another */
    before(s);
    snprintf(s->from, sizeof s->from, "%s", s->p->dir);
    char path[640];
    snprintf(path, sizeof path, "%s/entries", s->snap);
    remove_tree(path);
    snprintf(path, sizeof path, "%s/detached", s->snap);
    remove_tree(path);
    s->enrolled = 0;
    s->phase = do_merge;
    s->check = is_merged;
    faults(s, "merge");
    targets_free(s->target, 2);
    plan_file_free(&s->plan);
    scene_free(s);
    inject_end();
}

static void partials(void **state)
{
    (void)state;
    struct world *w = world;
    struct fault f;
    struct target *target = targets_make(w, 2, 3, 5);
    struct plan_file plan = plan_for(w, target, 2, NULL, 2);
    for (uint32_t j = 1; j <= 2; j++) {
        assert_err(plan_sign(&world_seat(w, j)->t, w->record, &plan, NULL, 0, &f), OK);
        assert_err(decrypt_make(&world_seat(w, j)->t, w->record, &plan, target, 2, &f), OK);
    }
    struct scene *s = scene_new(w, world_seat(w, 1), 1);
    s->plan = plan;
    s->target = target;
    s->phase = do_partials;
    s->check = counts_are_right;
    faults(s, "partials");
    targets_free(target, 2);
    plan_file_free(&plan);
    scene_free(s);
    inject_end();
}

/* --- complaint and answer --- */

static err_t do_complaint(struct scene *s, struct trustee *t, struct fault *f)
{
    TRY(shares_check(t, &s->roster, &s->bad, &s->missing, f));
    return complaint_make(t, &s->roster, s->bad, f);
}

static void complains(struct scene *s, struct board *b)
{
    has_complaint(s, b);
    inject_check(s->bad == 2, "another dealer is blamed");
}

static err_t do_reveal(struct scene *s, struct trustee *t, struct fault *f)
{
    size_t count;
    return reveal_make(t, &s->roster, &count, f);
}

static err_t do_cut_after(struct scene *s, struct trustee *t, struct fault *f)
{
    err_t e = cut_make(&s->cut, t->b, &s->roster, 0, f);
    if (e != OK)
        return e;
    e = cut_outcome(&s->outcome, t->m, t->b, &s->roster, &s->cut, t->g, f);
    cut_free(&s->cut);
    return e;
}

static void dismissed(struct scene *s, struct board *b)
{
    (void)b;
    inject_check(s->outcome.qual == 7 && s->outcome.dismissed[1] == 1, "another outcome");
}

static void complaints(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct evil_deal how = {.victims = 1, .how = SHARE_OTHER_SEAT};
    struct fault f;
    world_enroll(w);
    world_roster(w);
    world_deal(w, 1 | 4);
    evil_deal(w, 2, &how);
    world_exchange(w);
    struct scene *s = scene_new(w, world_seat(w, 1), 1);
    s->phase = do_complaint;
    s->check = complains;
    faults(s, "complaint");
    scene_free(s);
    world_free(w);

    /* a complaint about an honest dealer is answered, and the answer holds */
    w = world_new(3, 2, 0, 1);
    world_to_deal(w);
    evil_complaint(w, 1, 2);
    world_exchange(w);
    s = scene_new(w, world_seat(w, 2), 1);
    s->phase = do_reveal;
    s->check = has_reveal;
    faults(s, "reveal");
    scene_free(s);
    size_t count;
    assert_err(reveal_make(&world_seat(w, 2)->t, w->roster, &count, &f), OK);
    s = scene_new(w, world_seat(w, 1), 1);
    s->phase = do_cut_after;
    s->check = dismissed;
    faults(s, "cut with a reveal");
    scene_free(s);
    world_free(w);
    inject_end();
}

static int setup(void **state)
{
    if (inject_setup(state) != 0)
        return -1;
    world = world_new(3, 2, 0, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_free(world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enroll),   cmocka_unit_test(run_to_record), cmocka_unit_test(with_record),
        cmocka_unit_test(partials), cmocka_unit_test(complaints),
    };
    return cmocka_run_group_tests_name("faults: ceremony", tests, setup, teardown);
}
