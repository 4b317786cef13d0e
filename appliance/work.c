/* Steps that need the token. */
#include "appliance/work.h"

err_t work_begin(struct session *s, struct roster *r, struct fault *f)
{
    TRY(trustee_find(&s->t, f));
    return session_roster(s, r, f);
}

err_t work_confirm(struct session *s, const struct roster *r, const hash_t *expected, struct fault *f)
{
    struct status *st;
    err_t e;
    TRY(status_read_of(&st, s->el->m, s->b, s->g, &r->ceremony, &s->t.identity, f));
    if (!st->has_cut)
        e = fault_set(f, ERR_EARLY,
                      "no cut on this board contains all of its entries: one trustee makes a cut first");
    else if (expected != NULL && hash_cmp(&st->cut.hash, expected) != 0)
        e = fault_set(f, ERR_MISMATCH, "the board has changed since the cut was shown");
    else
        e = confirm_make(&s->t, r, &st->cut, f);
    status_free(st);
    return e;
}

err_t work_retire(struct session *s, int *again, struct fault *f)
{
    *again = 0;
    err_t e = trustee_find(&s->t, f);
    if (e == ERR_MISSING && retire_again(&s->t, s->el->r, NULL) == OK) {
        fault_clear(f);
        *again = 1;
        return OK;
    }
    return e == OK ? retire_make(&s->t, s->el->r, f) : e;
}
