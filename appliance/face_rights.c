/* What the screens may open, named once at the start: the folders of the election, of media and of the
 * person's own work, and of the system what ncurses, libraries and the lists of devices need
 * (docs/processes.md). */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/face_parts.h"
#include "appliance/media_parts.h"
#include "ceremony/base/file.h"

#define RIGHTS_MAX 512

struct rights {
    struct sandbox_path path[RIGHTS_MAX];
    size_t count;
    char *own[RIGHTS_MAX]; /* texts to be freed */
    size_t own_count;
    char home[PATH_MAX]; /* empty: none */
};

static void allow(struct rights *r, const char *path, enum sandbox_how how)
{
    if (r->count == RIGHTS_MAX || path[0] == '\0')
        return;
    char *copy = strdup(path);
    if (copy == NULL)
        return;
    r->own[r->own_count++] = copy;
    r->path[r->count++] = (struct sandbox_path){copy, (int)how};
}

static void rights_free(struct rights *r)
{
    for (size_t i = 0; i < r->own_count; i++)
        free(r->own[i]);
    free(r);
}

/* --- the system's --- */

static void allow_system(struct rights *r)
{
    static const char *const read_only[] = {
        "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ssl/openssl.cnf",
        /* the terminal, languages, time */
        "/usr/share/terminfo", "/etc/terminfo", "/usr/share/locale", "/etc/localtime", "/usr/share/zoneinfo",
        /* devices as the kernel shows them, and where media are mounted */
        "/sys/block", "/sys/devices", "/dev/disk", "/proc/self/mounts", "/proc/self/task", "/dev/urandom",
        "/dev/random"};
    static const char *const own[] = {"/dev/null", "/dev/tty"};
    const char *info = getenv("TERMINFO");
    for (size_t i = 0; i < sizeof read_only / sizeof read_only[0]; i++)
        allow(r, read_only[i], SANDBOX_READ);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        allow(r, own[i], SANDBOX_WRITE);
    if (info != NULL && info[0] == '/')
        allow(r, info, SANDBOX_READ);
}

/* --- the person's --- */

/* A folder that would give more than an election: the root, what lies in it, the home, what all may write to.
 */
static int is_wide(const struct rights *r, const char *real)
{
    const char *second = strchr(real + 1, '/');
    return second == NULL || second[1] == '\0' || strcmp(real, r->home) == 0 ||
           strcmp(real, "/var/tmp") == 0 || strcmp(real, "/dev/shm") == 0;
}

/* Its folders that are not hidden: in the others lie keys, and what programs run. */
static void allow_home(struct rights *r)
{
    char path[PATH_MAX + 64];
    struct stat st;
    if (r->home[0] == '\0')
        return;
    allow(r, r->home, SANDBOX_LIST);
    DIR *d = opendir(r->home);
    for (struct dirent *x; d != NULL && (x = readdir(d)) != NULL;)
        if (x->d_name[0] != '.' && file_path(path, sizeof path, r->home, x->d_name) == OK &&
            lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            allow(r, path, SANDBOX_WRITE);
    if (d != NULL)
        closedir(d);
    snprintf(path, sizeof path, "%s/.terminfo", r->home);
    allow(r, path, SANDBOX_READ);
}

/* The board, and what lies beside it: exports, the officials' folder, a bundle. */
static void allow_board(struct rights *r, const char *board)
{
    char real[PATH_MAX];
    if (board == NULL || realpath(board, real) == NULL)
        return;
    allow(r, real, SANDBOX_WRITE);
    *strrchr(real, '/') = '\0';
    if (real[0] != '\0' && !is_wide(r, real))
        allow(r, real, SANDBOX_WRITE);
}

static void allow_places(struct rights *r)
{
    static const char *const places[] = {"/media", "/run/media", "/mnt", MEDIA_RUN};
    char here[PATH_MAX];
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        allow(r, places[i], SANDBOX_WRITE);
    if (realpath(".", here) != NULL && strcmp(here, "/") != 0)
        allow(r, here, is_wide(r, here) ? SANDBOX_LIST : SANDBOX_WRITE);
}

/* --- the start --- */

/* With the folders for this machine's own work, made now: later nothing can be made beside them. */
static void find_home(char out[PATH_MAX])
{
    static const char *const folders[] = {FACE_WORK_FOLDER, FACE_BOARDS_FOLDER, FACE_CARRIED_FOLDER};
    const char *home = getenv("HOME");
    char path[PATH_MAX];
    out[0] = '\0';
    if (home == NULL || home[0] != '/' || home[1] == '\0')
        return;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (file_path(path, sizeof path, home, folders[i]) != OK || file_mkdir(path, NULL) != OK)
            return;
    if (realpath(home, out) == NULL || strcmp(out, "/") == 0)
        out[0] = '\0';
}

/* For what SQLite puts aside. Without it that stays in memory while it fits. */
static void make_scratch(struct face *face)
{
    const char *dir = getenv("TMPDIR");
    int n = snprintf(face->scratch, sizeof face->scratch, "%s/conclave-XXXXXX",
                     dir != NULL && dir[0] == '/' ? dir : "/var/tmp");
    if (n < 0 || n >= (int)sizeof face->scratch || mkdtemp(face->scratch) == NULL)
        face->scratch[0] = '\0';
}

static void say_missing(const char *who, const struct sandbox_state *s)
{
    char text[160];
    sandbox_text(text, sizeof text, s);
    if (text[0] != '\0')
        fprintf(stderr, "%s %s\n", who, text);
}

err_t face_confine(struct face *face, const struct appliance_options *o, struct fault *f)
{
    char pin_file[1024] = "";
    if (o->token != NULL)
        TRY(hsm_uri_pin_file(pin_file, o->token, f));
    struct rights *r = calloc(1, sizeof *r);
    if (r == NULL)
        return fault_set(f, ERR_MEMORY, "the screens");
    find_home(r->home);
    make_scratch(face);
    if (mkdir(MEDIA_RUN, 0700) != 0 && errno != EEXIST)
        errno = 0; /* who may not make it may not mount either */
    err_t e = launcher_start(&face->c.launcher, o->token, face->scratch[0] != '\0' ? face->scratch : NULL, f);
    if (e == OK) {
        allow_system(r);
        allow_home(r);
        allow_board(r, o->board);
        allow_places(r);
        allow(r, face->scratch, SANDBOX_WRITE);
        allow(r, pin_file, SANDBOX_READ);
        for (size_t i = 0; i < o->folder_count; i++)
            allow(r, o->folder[i], SANDBOX_WRITE);
        sandbox_enter(&face->confined, SANDBOX_FACE, r->path, r->count);
        say_missing("the process of the screens is", &face->confined);
        say_missing("the process that starts others is", launcher_state(face->c.launcher));
    } else if (face->scratch[0] != '\0') {
        rmdir(face->scratch);
    }
    rights_free(r);
    return e;
}
