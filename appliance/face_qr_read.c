/* Entries read from QR codes: pictures, or a camera. What was read stays in the face until it is complete. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "appliance/face_entry.h"
#include "appliance/night.h"
#include "ceremony/base/file.h"
#include "tally/fingerprint.h"
#include "tally/resultqr.h"
#include "ui/qr_camera.h"
#include "ui/qr_collect.h"
#include "ui/qr_read.h"

#define ITEM_TEXT 1
#define PICTURES_MAX 2000 /* of a folder */

/* What a page says about the codes that came last. */
struct seen {
    size_t taken, known, other, strangers;
};

static void take_text(struct face *face, struct seen *s, const char *text)
{
    err_t e = qr_collect_add(face->read, text);
    s->taken += e == OK;
    s->known += e == ERR_DONE;
    s->other += e == ERR_CONFLICT;
    s->strangers += e != OK && e != ERR_DONE && e != ERR_CONFLICT;
}

static void progress_blocks(struct page *p, const struct face *face)
{
    const struct qr_collect *c = face->read;
    char line[256], missing[200];
    if (c->have == 0) {
        page_value(p, message_text(face->language, MSG_QR_CAMERA_FIRST), MSG_QR_READ_PARTS);
        return;
    }
    const char *arg[] = {UI_NUMBER(c->have), UI_NUMBER(c->message.parts), c->message.hash};
    err_t ignored = message_format(line, sizeof line, face->language, MSG_QR_READ_PARTS_VALUE, arg, 3);
    (void)ignored;
    page_value(p, line, MSG_QR_READ_PARTS);
    qr_collect_missing(c, missing, sizeof missing);
    if (missing[0] != '\0')
        page_value(p, missing, MSG_QR_READ_MISSING);
}

static void say_seen(struct page *p, const struct seen *s)
{
    if (s->other > 0)
        page_note(p, MSG_QR_READ_OTHER);
    else if (s->strangers > 0 && s->taken + s->known == 0)
        page_note(p, MSG_QR_READ_STRANGER);
}

/* --- pictures, read in a child --- */

struct pictures {
    const char *path;
    struct night_child *child;
    size_t read;
};

/* The decoder may open the picture and nothing else. */
static void only_picture(const char *path)
{
    const struct sandbox_path may = {path, 0};
    struct sandbox_state state;
    sandbox_enter(&state, SANDBOX_CHECKER, &may, 1);
}

static err_t one_picture(struct pictures *w, const char *path, struct fault *f)
{
    struct qr_found found;
    struct tape_item item = {.kind = ITEM_TEXT};
    TRY(qr_read_file_in(&found, path, QR_READ_SECONDS, only_picture, f));
    err_t e = OK;
    for (size_t i = 0; i < found.count && e == OK; i++) {
        snprintf(item.text, sizeof item.text, "%.1000s", found.text[i]);
        e = tape_put(&w->child->tape, &item);
    }
    qr_found_free(&found);
    return e;
}

static err_t picture_of_folder(void *ctx, const char *name, struct fault *f)
{
    struct pictures *w = ctx;
    char path[4200];
    struct stat st;
    (void)f;
    if (w->read == PICTURES_MAX || file_path(path, sizeof path, w->path, name) != OK ||
        stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return OK;
    w->read++;
    TRY(w->child->progress(w->child->progress_ctx, "QR", w->read, 0));
    err_t e = one_picture(w, path, NULL); /* what is no picture of a code is passed over */
    return e == ERR_MEMORY ? e : OK;
}

static err_t pictures_work(struct night_child *child, void *ctx, struct fault *f)
{
    struct pictures w = {.path = ctx, .child = child};
    if (file_is_dir(w.path, NULL) != OK)
        return one_picture(&w, w.path, f);
    TRY(file_list(w.path, picture_of_folder, &w, f));
    return OK;
}

static err_t read_pictures(struct face *face, struct seen *s, struct fault *f)
{
    struct night_rights may = {.processes = 1};
    struct tape_item *found;
    size_t count;
    TRY(face_ask_text(face, face->media, sizeof face->media, 1, MSG_QR_READ_TITLE, MSG_QR_READ_PATH, f));
    night_allow(&may, face->media, 0);
    err_t e = night_job_confined(face, MSG_QR_READ_TITLE, MSG_QR_READ_LOOKING, pictures_work, face->media,
                                 &may, &found, &count, f);
    for (size_t i = 0; i < count && !qr_collect_complete(face->read); i++)
        if (found[i].kind == ITEM_TEXT)
            take_text(face, s, found[i].text);
    free(found);
    if (e == OK && count == 0)
        e = fault_set(f, ERR_MISSING, "%s", message_text(face->language, MSG_QR_READ_NONE));
    return e;
}

/* --- camera --- */

static err_t camera_page(struct face *face, const struct qr_camera *c, const struct seen *s, int *action,
                         struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_QR_CAMERA_TITLE);
    page_text(p, MSG_QR_CAMERA_TEXT);
    progress_blocks(p, face);
    say_seen(p, s);
    page_watch(p, c->fd);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    *action = e == OK ? ev.action : PAGE_BACK;
    return e;
}

static err_t drain(struct face *face, struct qr_camera *c, struct seen *s, struct fault *f)
{
    char text[QRTEXT_TEXT_MAX + 1];
    err_t e = OK;
    while (e == OK && !qr_collect_complete(face->read)) {
        e = qr_camera_take(c, text, f);
        if (e == OK)
            take_text(face, s, text);
    }
    return e == ERR_MISSING ? OK : e;
}

static err_t read_camera(struct face *face, const char *device, struct seen *s, struct fault *f)
{
    struct qr_camera c;
    int action = PAGE_WATCH;
    TRY(launcher_camera(face->c.launcher, &c, device, f));
    err_t e = OK;
    while (e == OK && !qr_collect_complete(face->read)) {
        e = camera_page(face, &c, s, &action, f);
        if (e != OK || action != PAGE_WATCH)
            break;
        *s = (struct seen){0};
        e = drain(face, &c, s, f);
    }
    qr_camera_close(&c);
    return e == ERR_DONE ? OK : e;
}

/* --- what was read --- */

/* An entry: shown, and put on the board if the person wants. *entry is taken or freed. */
static err_t show_entry(struct face *face, struct session *s, struct entry *x, struct fault *f)
{
    struct page_event ev = {PAGE_BACK};
    int known = board_entry(s->b, &x->id) != NULL, taken = 0;
    struct page *p = page_new(face->ui, MSG_QR_ENTRY_TITLE);
    page_text(p, known ? MSG_QR_ENTRY_KNOWN : MSG_QR_ENTRY_TEXT);
    face_entry_values(p, face, s, x);
    if (x->kind == ENTRY_DEAL && !known)
        page_warn(p, MSG_QR_ENTRY_SEALED);
    if (!known)
        page_action(p, 'a', 1, MSG_QR_ENTRY_TAKE);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    if (e == OK && ev.action == 1)
        e = board_admit(s->b, x, &taken, f);
    if (!taken)
        entry_free(x);
    return e == OK && taken ? ui_show(face->ui, MSG_QR_READ_TITLE, f, MSG_QR_ENTRY_TAKEN) : e;
}

/* Something else: said, and of a fingerprint the words. */
static err_t show_other(struct face *face, char kind, const uint8_t *data, size_t len, struct fault *f)
{
    char letter[2] = {kind, '\0'};
    struct page_event ev;
    enum fingerprint_kind which;
    hash_t h;
    struct page *p = page_new(face->ui, MSG_QR_OTHER_TITLE);
    page_text(p, MSG_QR_OTHER_KIND, letter);
    if (kind == QRTEXT_FINGERPRINT && fingerprint_parse(&which, &h, data, len, NULL) == OK) {
        page_value(p, fingerprint_name(which), MSG_ENTRY_KIND);
        page_text(p, MSG_QR_WORDS);
        page_words(p, &h, 0);
    }
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

/* All parts are there: whatever comes of it, the next reading starts anew. */
static err_t complete(struct face *face, struct fault *f)
{
    struct session s;
    struct entry *x;
    uint8_t *data;
    size_t len;
    char kind;
    err_t e = qr_collect_join(face->read, &data, &len, &kind, f);
    qr_collect_clear(face->read);
    if (e != OK)
        return e;
    if (kind != QRTEXT_ENTRY) {
        e = show_other(face, kind, data, len, f);
        free(data);
        return e;
    }
    e = face_session(face, &s, 0, f);
    if (e != OK) {
        free(data);
        return e;
    }
    e = entry_parse(&x, data, len, &s.el->m->election, f);
    if (e == OK)
        e = show_entry(face, &s, x, f);
    session_close(&s);
    return e;
}

/* --- the page --- */

enum { PICTURES = 1, FORGET, CAMERA };

static err_t start_page(struct face *face, char camera[QR_CAMERAS_MAX][64], const struct seen *s, int *action,
                        struct fault *f)
{
    struct page_event ev;
    size_t cameras = qr_cameras(camera, NULL);
    struct page *p = page_new(face->ui, MSG_QR_READ_TITLE);
    page_text(p, MSG_QR_READ_TEXT);
    progress_blocks(p, face);
    if (cameras == 0)
        page_text(p, MSG_QR_READ_NO_CAMERA);
    for (size_t i = 0; i < cameras && i < 9; i++)
        page_action(p, (char)('1' + i), CAMERA + (int)i, MSG_QR_READ_CAMERA, camera[i]);
    page_action(p, 'p', PICTURES, MSG_QR_READ_PICTURES);
    if (face->read->have > 0)
        page_action(p, 'f', FORGET, MSG_QR_READ_FORGET);
    say_seen(p, s);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    *action = e == OK ? ev.action : PAGE_BACK;
    return e;
}

err_t face_qr_read(struct face *face, struct fault *f)
{
    char camera[QR_CAMERAS_MAX][64];
    struct seen seen = {0};
    int action;
    if (face->read == NULL)
        face->read = calloc(1, sizeof *face->read);
    if (face->read == NULL)
        return fault_set(f, ERR_MEMORY, "QR codes");
    for (;;) {
        err_t e = start_page(face, camera, &seen, &action, f);
        if (e != OK || action == PAGE_BACK)
            return face_show(face, e, f);
        seen = (struct seen){0};
        if (action == FORGET)
            qr_collect_clear(face->read);
        else if (action == PICTURES)
            e = read_pictures(face, &seen, f);
        else
            e = read_camera(face, camera[action - CAMERA], &seen, f);
        if (e == OK && qr_collect_complete(face->read))
            e = complete(face, f);
        TRY(face_show(face, e, f));
    }
}
