/* Fingerprints compared aloud: line by line, and no second try when they differ. */
#include "appliance/face_parts.h"

err_t face_stop(struct face *face, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_STOP_TITLE);
    page_warn(p, MSG_STOP_TEXT);
    page_text(p, MSG_STOP_1);
    page_text(p, MSG_STOP_2);
    page_text(p, MSG_STOP_3);
    page_text(p, MSG_STOP_4);
    page_action(p, 'e', 1, MSG_STOP_NOTE);
    page_action(p, 'h', 2, MSG_STOP_LEAVE);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e == OK && ev.action == 1 ? face_exception(face, f) : e;
}

err_t face_compare(struct face *face, const hash_t *h, enum message title, enum message what, struct fault *f)
{
    struct page_event ev;
    err_t e;
    if (hash_cmp(h, &face->differed) == 0) {
        e = face_stop(face, f);
        return e != OK ? e : face_back(f);
    }
    struct page *p = page_new(face->ui, title);
    page_help(p, MSG_COMPARE_HELP);
    page_text(p, what);
    page_words(p, h, 1);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_COMPARE_EQUAL);
    e = page_run(p, &ev, f);
    page_free(p);
    if (e != OK || ev.action == 1)
        return e;
    if (ev.action == PAGE_DIFFERS) {
        face->differed = *h;
        TRY(face_stop(face, f));
    }
    return face_back(f);
}
