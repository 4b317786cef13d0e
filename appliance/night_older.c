/* The files of every plan before one, asked for until the chain is complete. */
#include "appliance/night.h"

/* Asks for the file of one plan until it is that one. *next: the plan that it replaced, if it did. */
static err_t ask_one(struct night *n, char path[4096], const hash_t *want, int *has_next, hash_t *next,
                     struct fault *f)
{
    char hex[2 * HASH_LEN + 1];
    enum message note = MSG_DECRYPT_OLDER_TITLE;
    hex_put(hex, want->b, HASH_LEN);
    for (;;) {
        struct page_event ev;
        struct plan *plan = NULL;
        struct page *p = page_new(n->face->ui, MSG_DECRYPT_OLDER_TITLE);
        page_text(p, MSG_DECRYPT_OLDER_TEXT);
        page_field_text(p, path, 4096, 1, MSG_DECRYPT_OLDER, hex);
        page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
        if (note != MSG_DECRYPT_OLDER_TITLE)
            page_note(p, note);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e != OK ? e : face_back(f);
        e = plan_load_var(&plan, &n->s.el->ctx, path, f);
        if (e != OK) {
            TRY(face_show(n->face, e, f));
            continue;
        }
        int right = hash_cmp(&plan->id, want) == 0;
        *has_next = plan->has_supersedes;
        *next = plan->supersedes;
        plan_free(plan);
        if (right)
            return OK;
        note = MSG_DECRYPT_OLDER_OTHER;
    }
}

err_t night_ask_older(struct night *n, struct night_older *o, const struct plan *newest, struct fault *f)
{
    hash_t want = newest->supersedes;
    for (int more = newest->has_supersedes; more; o->count++) {
        if (o->count == NIGHT_OLDER_MAX)
            return fault_set(f, ERR_LIMIT, "more than %d plans replaced one another", NIGHT_OLDER_MAX);
        TRY(ask_one(n, o->path[o->count], &want, &more, &want, f));
    }
    return OK;
}

const char *const *night_older_paths(const struct night_older *o, const char *out[NIGHT_OLDER_MAX])
{
    for (size_t i = 0; i < o->count; i++)
        out[i] = o->path[i];
    return out;
}
