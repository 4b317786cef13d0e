/* Which election: folders with a manifest that can be found, or a path. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "appliance/face_parts.h"
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
    all->count = 0;
    look_in(all, ".", 1);
    if (home != NULL)
        look_in(all, home, 1);
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
    return OK;
}

enum { USE = 1, AGAIN, TYPE };

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
        err_t taken = action == USE && at < all->count ? take(face, all->path[at], f) : type_path(face, f);
        done = taken == OK;
        e = face_show(face, taken, f);
    }
    free(all);
    return e;
}
