/* Which election: folders with a manifest that can be found, or a path. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "appliance/face_media.h"
#include "appliance/face_parts.h"
#include "appliance/night.h"
#include "ceremony/base/file.h"

#define FOUND_MAX 32

struct found {
    size_t count;
    char path[FOUND_MAX][4096];
};

static void consider(struct found *all, const char *dir)
{
    char manifest[4200], real[4096];
    struct stat st;
    if (all->count == FOUND_MAX || file_path(manifest, sizeof manifest, dir, BUNDLE_MANIFEST) != OK ||
        stat(manifest, &st) != 0 || !S_ISREG(st.st_mode) || realpath(dir, real) == NULL)
        return;
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->path[i], real) == 0)
            return;
    snprintf(all->path[all->count++], sizeof all->path[0], "%s", real);
}

/* dir and what is in it, depth levels down. */
static void look_in(struct found *all, const char *dir, int depth)
{
    char path[4096];
    struct stat st;
    consider(all, dir);
    DIR *d = depth > 0 ? opendir(dir) : NULL;
    if (d == NULL)
        return;
    for (struct dirent *x; (x = readdir(d)) != NULL && all->count < FOUND_MAX;) {
        if (x->d_name[0] == '.' || file_path(path, sizeof path, dir, x->d_name) != OK ||
            lstat(path, &st) != 0 || !S_ISDIR(st.st_mode))
            continue;
        look_in(all, path, depth - 1);
    }
    closedir(d);
}

static void find_all(struct found *all)
{
    const char *home = getenv("HOME");
    char here[4096];
    all->count = 0;
    look_in(all, ".", 1);
    if (home != NULL)
        look_in(all, home, 1);
    if (home != NULL && file_path(here, sizeof here, home, FACE_BOARDS_FOLDER) == OK)
        look_in(all, here, 1);
    look_in(all, "/media", 3);
    look_in(all, "/run/media", 4);
    look_in(all, "/mnt", 2);
}

/* Title and date, if it is an election that can be read. */
static void title_of(char *out, size_t size, const char *dir)
{
    char path[4200];
    struct manifest *m;
    out[0] = '\0';
    if (file_path(path, sizeof path, dir, BUNDLE_MANIFEST) != OK || manifest_load(&m, path, NULL) != OK)
        return;
    snprintf(out, size, "%s, %s", m->title, m->date);
    manifest_free(m);
}

static err_t take(struct face *face, const char *dir, struct fault *f)
{
    static const hash_t none;
    struct bundle_election *el;
    TRY(bundle_election_load(&el, dir, 0, f));
    bundle_election_free(el);
    if (dir != face->board)
        snprintf(face->board, sizeof face->board, "%s", dir);
    face->c.board = face->board;
    face->opened = none;
    /* what was chosen for another election is not proposed for this one */
    face->exports[0] = face->work[0] = face->plan[0] = face->bundle[0] = face->tally[0] = '\0';
    return OK;
}

/* --- from a medium --- */

struct bring {
    char from[1200], to[4096];
};

static err_t tell(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    const struct night_child *c = ctx;
    enum message text = strcmp(what, "copy") == 0 ? MSG_MEDIA_COPYING : MSG_MEDIA_COMPARING;
    return c->progress(c->progress_ctx, message_text(c->language, text), done, total);
}

/* The good part of the board; the rest of it stays where it is. */
static err_t bring_work(struct night_child *child, void *ctx, struct fault *f)
{
    const struct bring *w = ctx;
    struct bundle_election *el;
    struct board *b = NULL;
    struct media_report report;
    TRY(bundle_election_load(&el, w->from, 0, f));
    err_t e = board_open(&b, w->from, &el->m->election, f);
    if (e == OK)
        e = media_copy_out(&report, b, el->m->places_file, w->to, tell, child, f);
    board_free(b);
    bundle_election_free(el);
    return e;
}

static err_t bring(struct face *face, const struct media_board *x, struct fault *f)
{
    const char *home = getenv("HOME");
    struct bring w;
    struct night_rights may = {.temp = NULL};
    struct tape_item *found = NULL;
    size_t count;
    char dir[4096];
    if (home == NULL || home[0] != '/' || file_path(dir, sizeof dir, home, FACE_BOARDS_FOLDER) != OK)
        return fault_set(f, ERR_MISSING, "%s", message_text(face->language, MSG_FILES_NO_HOME));
    snprintf(w.from, sizeof w.from, "%s", x->dir);
    TRY(media_board_dir(w.to, sizeof w.to, dir, &x->election));
    TRY(file_mkdir(dir, f));
    night_allow(&may, w.from, 0);
    night_allow(&may, dir, 1);
    err_t e =
        night_job_confined(face, MSG_BOARD_TITLE, MSG_MEDIA_LOOKING, bring_work, &w, &may, &found, &count, f);
    free(found);
    return e == OK ? take(face, w.to, f) : e;
}

/* Which board on the medium, and where it is used. */
static err_t choose_on(struct face *face, const struct media_board *list, size_t count, size_t *at, int *copy,
                       struct fault *f)
{
    enum { COPY = 1, THERE };
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_BOARD_TITLE);
    page_text(p, MSG_BOARD_ON_MEDIUM);
    page_field_choice(p, at, MSG_BOARD_FIELD);
    for (size_t i = 0; i < count; i++) {
        char title[TEXT_TITLE_MAX + 32];
        title_of(title, sizeof title, list[i].dir);
        page_item_raw(p, title[0] != '\0' ? title : list[i].dir, list[i].dir);
    }
    page_action_flags(p, 'c', COPY, PAGE_NEEDS_ALL, MSG_BOARD_COPY);
    page_action(p, 'u', THERE, MSG_BOARD_THERE);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    *copy = ev.action == COPY;
    return e != OK ? e : ev.action == PAGE_BACK ? face_back(f) : OK;
}

static err_t from_medium(struct face *face, struct fault *f)
{
    struct media m;
    size_t count, at = 0;
    int copy;
    err_t e;
    TRY(media_face_choose(face, &m, f));
    snprintf(face->media, sizeof face->media, "%s", m.mount);
    struct media_board *list = calloc(MEDIA_BOARDS_MAX, sizeof *list);
    if (list == NULL)
        return fault_set(f, ERR_MEMORY, "list of boards");
    GO(media_boards(list, &count, m.mount, f));
    if (count == 0) {
        GO(ui_show(face->ui, MSG_BOARD_TITLE, f, MSG_BOARD_NONE_ON_MEDIUM));
        e = face_back(f);
        goto out;
    }
    GO(choose_on(face, list, count, &at, &copy, f));
    e = copy ? bring(face, &list[at], f) : take(face, list[at].dir, f);
out:
    free(list);
    return e;
}

/* --- the page --- */

enum { USE = 1, MEDIUM, AGAIN, TYPE };

static err_t one_page(struct face *face, const struct found *all, size_t *at, int *action, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_BOARD_TITLE);
    page_text(p, all->count > 0 ? MSG_BOARD_TEXT : MSG_BOARD_NONE);
    if (all->count > 0)
        page_field_choice(p, at, MSG_BOARD_FIELD);
    for (size_t i = 0; i < all->count; i++) {
        char title[TEXT_TITLE_MAX + 32];
        title_of(title, sizeof title, all->path[i]);
        page_item_raw(p, title[0] != '\0' ? title : all->path[i], title[0] != '\0' ? all->path[i] : NULL);
    }
    if (all->count > 0)
        page_action_flags(p, 'g', USE, PAGE_NEEDS_ALL, MSG_BOARD_USE);
    page_action(p, 'm', MEDIUM, MSG_BOARD_MEDIUM);
    page_action(p, 's', AGAIN, MSG_BOARD_AGAIN);
    page_action(p, 'p', TYPE, MSG_BOARD_TYPE);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    *action = ev.action;
    return e;
}

static err_t type_path(struct face *face, struct fault *f)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", face->board);
    TRY(face_ask_text(face, path, sizeof path, 1, MSG_BOARD_TITLE, MSG_BOARD_PATH, f));
    return take(face, path, f);
}

err_t face_board(struct face *face, struct fault *f)
{
    struct found *all = malloc(sizeof *all);
    if (all == NULL)
        return fault_set(f, ERR_MEMORY, "list of elections");
    err_t e = OK;
    size_t at = 0;
    int done = 0;
    find_all(all);
    while (e == OK && !done) {
        int action;
        e = one_page(face, all, &at, &action, f);
        if (e != OK || action == PAGE_BACK)
            break;
        if (action == AGAIN) {
            find_all(all);
            at = 0;
            continue;
        }
        err_t taken = action == MEDIUM                   ? from_medium(face, f)
                      : action == USE && at < all->count ? take(face, all->path[at], f)
                                                         : type_path(face, f);
        done = taken == OK;
        e = face_show(face, taken, f);
    }
    free(all);
    return e;
}
