/* Media: which are there, opening one, safe removal. */
#include <stdlib.h>
#include <string.h>

#include "appliance/face_entry.h"
#include "appliance/face_media.h"
#include "appliance/night.h"

struct here {
    struct media_list list; /* what was found, and the folder typed by hand as the last one */
    size_t at;
    char hand[1024];
};

/* message_format cannot fail with as many arguments as the text has places. */
static void format(char *out, size_t size, const struct face *face, enum message id, const char *const *arg,
                   size_t n)
{
    err_t ignored = message_format(out, size, face->language, id, arg, n);
    (void)ignored;
}

/* "ELECTION, 8.0 GB" or "folder PATH". */
static void describe(char out[1100], const struct face *face, const struct media *m)
{
    char size[32];
    face_bytes(size, m->size);
    const char *folder[] = {m->mount};
    const char *device[] = {m->label[0] != '\0' ? m->label : message_text(face->language, MSG_MEDIA_NO_LABEL),
                            size};
    if (m->device[0] == '\0')
        format(out, 1100, face, MSG_MEDIA_FOLDER, folder, 1);
    else
        format(out, 1100, face, MSG_MEDIA_ITEM, device, 2);
}

static void detail_of(char out[1400], const struct face *face, const struct media *m)
{
    char room[32];
    face_bytes(room, m->room);
    const char *arg[] = {m->device, m->model, m->mount, room};
    if (m->device[0] == '\0')
        format(out, 1400, face, m->read_only ? MSG_MEDIA_READ_ONLY : MSG_MEDIA_ROOM, arg + 3,
               m->read_only ? 0 : 1);
    else if (m->mount[0] == '\0')
        format(out, 1400, face, MSG_MEDIA_NOT_MOUNTED, arg, 2);
    else if (m->read_only)
        format(out, 1400, face, MSG_MEDIA_MOUNTED_READ_ONLY, arg, 3);
    else
        format(out, 1400, face, MSG_MEDIA_MOUNTED, arg, 4);
}

static err_t search(const struct face *face, struct here *h, struct fault *f)
{
    TRY(launcher_media_list(face->c.launcher, &h->list, f));
    if (h->hand[0] != '\0' && h->list.count < MEDIA_MAX &&
        media_of_dir(&h->list.item[h->list.count], h->hand, NULL) == OK)
        h->list.count++;
    if (h->at >= h->list.count)
        h->at = 0;
    return OK;
}

enum { IN = 1, OUT, TAKE, GIVE, REMOVE, AGAIN, TYPE, USE };

/* all: what can be done with a medium; else it is only chosen. */
static err_t one_page(struct face *face, struct here *h, int all, int *action, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_MEDIA_TITLE);
    page_help(p, MSG_MEDIA_HELP);
    page_text(p, h->list.count > 0 ? MSG_MEDIA_TEXT : MSG_MEDIA_NONE);
    if (h->list.count > 0)
        page_field_choice(p, &h->at, MSG_MEDIA_FIELD);
    for (size_t i = 0; i < h->list.count; i++) {
        char name[1100], detail[1400];
        describe(name, face, &h->list.item[i]);
        detail_of(detail, face, &h->list.item[i]);
        page_item_raw(p, name, detail);
    }
    if (h->list.count > 0 && !all)
        page_action_flags(p, 'g', USE, PAGE_NEEDS_ALL, MSG_MEDIA_USE);
    if (h->list.count > 0 && all) {
        page_action(p, 'i', IN, MSG_MEDIA_IN);
        page_action(p, 'o', OUT, MSG_MEDIA_OUT);
        page_action(p, 't', TAKE, MSG_FILES_IN);
        page_action(p, 'v', GIVE, MSG_FILES_OUT);
        page_action(p, 'r', REMOVE, MSG_MEDIA_REMOVE);
    }
    page_action(p, 's', AGAIN, MSG_MEDIA_AGAIN);
    page_action(p, 'p', TYPE, MSG_MEDIA_TYPE);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    *action = e == OK ? ev.action : PAGE_BACK;
    return e;
}

static err_t type_path(struct face *face, struct here *h, struct fault *f)
{
    char path[sizeof h->hand];
    struct media m;
    snprintf(path, sizeof path, "%s", h->hand);
    TRY(face_ask_text(face, path, sizeof path, 1, MSG_MEDIA_TITLE, MSG_MEDIA_PATH, f));
    TRY(media_of_dir(&m, path, f));
    memcpy(h->hand, path, sizeof path);
    TRY(search(face, h, f));
    for (size_t i = 0; i < h->list.count; i++)
        if (h->list.item[i].device[0] == '\0')
            h->at = i;
    return OK;
}

/* The medium as it is now: it may have been pulled out, or another one put in, since the page was drawn. */
static err_t still_there(struct here *h, struct media *m, const struct face *face, struct fault *f)
{
    struct media chosen = h->list.item[h->at];
    TRY(search(face, h, f));
    for (size_t i = 0; i < h->list.count; i++) {
        const struct media *x = &h->list.item[i];
        if (strcmp(x->device, chosen.device) != 0 || strcmp(x->label, chosen.label) != 0 ||
            (chosen.device[0] != '\0' && x->size != chosen.size) ||
            (chosen.mount[0] != '\0' && strcmp(x->mount, chosen.mount) != 0))
            continue;
        h->at = i;
        *m = *x;
        return OK;
    }
    return fault_set(f, ERR_MISSING, "%s", message_text(face->language, MSG_MEDIA_GONE));
}

/* A slow stick takes a while for what was written to it: not in front of a screen that stands still. */
static err_t sync_work(struct night_child *child, void *ctx, struct fault *f)
{
    (void)child;
    return media_sync(ctx, f);
}

static err_t sync_in_child(struct face *face, struct media *m, struct fault *f)
{
    struct night_rights may = {.temp = NULL};
    struct tape_item *found = NULL;
    size_t count;
    if (m->mount[0] == '\0')
        return OK;
    night_allow(&may, m->mount, 0);
    err_t e = night_job_confined(face, MSG_MEDIA_REMOVE_TITLE, MSG_MEDIA_SYNCING, sync_work, m, &may, &found,
                                 &count, f);
    free(found);
    return e;
}

static err_t remove_medium(struct face *face, struct media *m, struct fault *f)
{
    char name[1100];
    int unmounted;
    size_t len = strlen(m->mount);
    describe(name, face, m);
    if (len > 0 && face->c.board != NULL && strncmp(face->board, m->mount, len) == 0 &&
        (face->board[len] == '/' || face->board[len] == '\0'))
        TRY(ui_ask(face->ui, MSG_MEDIA_REMOVE_TITLE, f, MSG_MEDIA_REMOVE_BOARD));
    TRY(sync_in_child(face, m, f));
    TRY(launcher_remove(face->c.launcher, m, &unmounted, f));
    return ui_show(face->ui, MSG_MEDIA_REMOVE_TITLE, f,
                   unmounted || m->mount[0] == '\0' ? MSG_MEDIA_REMOVED : MSG_MEDIA_WRITTEN, name);
}

static err_t act(struct face *face, struct here *h, int action, struct fault *f)
{
    struct media m;
    if (action == AGAIN)
        return search(face, h, f);
    if (action == TYPE)
        return type_path(face, h, f);
    if (h->list.count == 0)
        return OK;
    TRY(still_there(h, &m, face, f));
    if (action == REMOVE)
        return remove_medium(face, &m, f);
    TRY(launcher_mount(face->c.launcher, &m, f));
    snprintf(face->media, sizeof face->media, "%s", m.mount);
    return action == IN     ? media_face_in(face, &m, f)
           : action == OUT  ? media_face_out(face, &m, f)
           : action == TAKE ? media_face_take(face, &m, f)
                            : media_face_give(face, &m, f);
}

err_t media_face_choose(struct face *face, struct media *m, struct fault *f)
{
    struct here *h = calloc(1, sizeof *h);
    int action = 0;
    if (h == NULL)
        return fault_set(f, ERR_MEMORY, "media");
    err_t e = face_show(face, search(face, h, f), f);
    while (e == OK) {
        e = one_page(face, h, 0, &action, f);
        if (e != OK || action == PAGE_BACK)
            break;
        err_t done = action == AGAIN ? search(face, h, f) : action == TYPE ? type_path(face, h, f) : OK;
        if (action == USE && h->list.count > 0) {
            done = still_there(h, m, face, f);
            if (done == OK)
                done = launcher_mount(face->c.launcher, m, f);
            if (done == OK)
                break;
        }
        e = face_show(face, done, f);
    }
    free(h);
    return e != OK ? e : action == PAGE_BACK ? face_back(f) : OK;
}

err_t face_media(struct face *face, struct fault *f)
{
    struct here *h = calloc(1, sizeof *h);
    int action;
    if (h == NULL)
        return fault_set(f, ERR_MEMORY, "media");
    err_t e = face_show(face, search(face, h, f), f);
    while (e == OK) {
        e = one_page(face, h, 1, &action, f);
        if (e != OK || action == PAGE_BACK)
            break;
        err_t done = act(face, h, action, f);
        e = face_show(face, done, f);
        if (e == OK && search(face, h, NULL) != OK)
            h->list.count = 0;
    }
    free(h);
    return face_show(face, e, f);
}
