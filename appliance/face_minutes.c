/* Minutes of the ceremony: shown, and saved as text and as a page to print. */
#include <stdlib.h>
#include <string.h>

#include "appliance/face.h"
#include "appliance/minutes.h"
#include "ceremony/base/file.h"

static err_t save(struct face *face, const struct sheet *sheet, char dir[4096], int *saved, struct fault *f)
{
    char text[4200], html[4200];
    *saved = 0;
    TRY(face_ask_text(face, dir, 4096, 1, MSG_MINUTES_PAGE, MSG_MINUTES_DIR, f));
    TRY(file_mkdir(dir, f));
    TRY(file_path(text, sizeof text, dir, "minutes.txt"));
    TRY(file_path(html, sizeof html, dir, "minutes.html"));
    TRY(minutes_write(sheet, text, html, f));
    *saved = 1;
    return OK;
}

/* Line by line in parts: a paragraph of a page has a limit. */
static void put_text(struct page *p, const char *text)
{
    char part[8192];
    while (*text != '\0') {
        size_t n = strnlen(text, sizeof part - 1);
        while (text[n] != '\0' && n > 1 && text[n - 1] != '\n')
            n--;
        memcpy(part, text, n);
        part[n > 0 && part[n - 1] == '\n' ? n - 1 : n] = '\0';
        page_raw(p, part);
        text += n;
    }
}

static err_t show(struct face *face, const struct sheet *sheet, const char *text, struct fault *f)
{
    enum { SAVE = 1 };
    char dir[4096];
    int saved = 0;
    snprintf(dir, sizeof dir, "%s", face->media[0] != '\0' ? face->media : face->board);
    for (;;) {
        struct page_event ev;
        struct page *p = page_new(face->ui, MSG_MINUTES_PAGE);
        page_text(p, MSG_MINUTES_ABOUT);
        put_text(p, text);
        page_action(p, 's', SAVE, MSG_MINUTES_SAVE);
        if (saved)
            page_note(p, MSG_MINUTES_SAVED, dir);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        e = save(face, sheet, dir, &saved, f);
        TRY(face_show(face, e, f));
    }
}

err_t face_minutes(struct face *face, struct fault *f)
{
    struct session s;
    struct sheet *sheet = NULL;
    char *text = NULL;
    size_t len;
    err_t e = face_session(face, &s, 0, f);
    if (e != OK)
        return face_show(face, e, f);
    e = minutes_make(&sheet, &s, face->language, f);
    session_close(&s);
    GO(e);
    GO(sheet_flow(&text, &len, sheet));
    e = show(face, sheet, text, f);
out:
    free(text);
    sheet_free(sheet);
    return face_show(face, e, f);
}
