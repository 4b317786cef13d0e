/* Waiting for the signatures that the manifest wants before anybody decrypts. */
#include "appliance/night.h"

#define BIT(seat) (UINT32_C(1) << ((seat)-1))
#define LOOK_AGAIN_MS 3000

/* "2 Boris, 3 Chidi": holders who have not signed. */
static void missing_names(char out[1024], const struct record *r, uint32_t signers)
{
    size_t len = 0;
    snprintf(out, 1024, "-");
    for (uint32_t j = 1; j <= r->n && len < 1024; j++)
        if ((r->holders & BIT(j)) && !(signers & BIT(j)))
            len += (size_t)snprintf(out + len, 1024 - len, "%s%u %s", len > 0 ? ", " : "", j,
                                    r->seat[j - 1].name);
}

uint32_t night_quorum_blocks(struct page *p, const struct session *s, const hash_t *plan)
{
    char names[1024];
    uint32_t signers = plan_signers(s->b, s->el->r, plan), here = (uint32_t)__builtin_popcount(signers);
    if (s->el->m->plan_quorum == 0)
        return here;
    page_text(p, MSG_QUORUM_COUNT, UI_NUMBER(here), UI_NUMBER(s->el->m->plan_quorum));
    if (here >= s->el->m->plan_quorum)
        return here;
    missing_names(names, s->el->r, signers);
    page_text(p, MSG_QUORUM_MISSING, names);
    return here;
}

static void put_signers(struct page *p, const struct face *face, const struct session *s, const hash_t *plan)
{
    static const enum table_kind kinds[] = {TABLE_RIGHT, TABLE_LEFT, TABLE_LEFT};
    static const enum message heads[] = {MSG_MINUTES_SEAT, MSG_MINUTES_NAME, MSG_OFFICIAL_COL_SIGNED};
    uint32_t signers = plan_signers(s->b, s->el->r, plan);
    page_table(p, kinds, heads, 3);
    for (uint32_t j = 1; j <= s->el->r->n; j++) {
        if (!(s->el->r->holders & BIT(j)))
            continue;
        const char *cells[] = {
            UI_NUMBER(j), s->el->r->seat[j - 1].name,
            message_text(face->language, signers & BIT(j) ? MSG_OFFICIAL_YES : MSG_OFFICIAL_ABSENT)};
        page_row(p, cells);
    }
}

err_t night_wait_quorum(struct night *n, int *enough, struct fault *f)
{
    enum { DECRYPT = 1, MEDIA };
    *enough = 0;
    for (;;) {
        struct session s;
        struct page_event ev;
        TRY(face_session(n->face, &s, 1, f));
        struct page *p = page_new(n->face->ui, MSG_DECRYPT_SIGNED_TITLE);
        page_text(p, MSG_DECRYPT_SIGNED);
        if (night_quorum_blocks(p, &s, &n->w.p->id) >= s.el->m->plan_quorum) {
            page_text(p, MSG_QUORUM_ENOUGH);
            page_action(p, 'd', DECRYPT, MSG_QUORUM_DECRYPT);
        } else {
            page_text(p, MSG_QUORUM_WAIT);
        }
        put_signers(p, n->face, &s, &n->w.p->id);
        session_close(&s);
        page_action(p, 'm', MEDIA, MSG_QUORUM_MEDIA);
        page_tick(p, LOOK_AGAIN_MS);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        *enough = ev.action == DECRYPT;
        if (*enough)
            return OK;
        if (ev.action == MEDIA)
            TRY(face_media(n->face, f));
    }
}
