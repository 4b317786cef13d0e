/* Tools: what is not a step of its own. */
#include "appliance/face_parts.h"

static const struct tool {
    char key;
    enum message text;
    err_t (*run)(struct face *face, struct fault *f);
} tools[] = {
    {'m', MSG_TOOLS_MEDIA, face_media},       {'s', MSG_TOOLS_QR_SHOW, face_qr_show},
    {'r', MSG_TOOLS_QR_READ, face_qr_read},   {'e', MSG_TOOLS_EXCEPTION, face_exception},
    {'i', MSG_TOOLS_MINUTES, face_minutes},   {'b', MSG_TOOLS_BOARD, face_board},
    {'l', MSG_TOOLS_LANGUAGE, face_language}, {'d', MSG_TOOLS_RETIRE, face_retire},
};

err_t face_tools(struct face *face, struct fault *f)
{
    for (;;) {
        struct page_event ev;
        struct page *p = page_new(face->ui, MSG_TOOLS_TITLE);
        for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++)
            page_action(p, tools[i].key, (int)i + 1, tools[i].text);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        TRY(tools[ev.action - 1].run(face, f));
    }
}
