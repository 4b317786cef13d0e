/* Boards on media: finding them, and copying one out. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "appliance/media_parts.h"
#include "ceremony/base/array.h"
#include "ceremony/base/file.h"

#define MANIFEST "manifest.json"
#define RECORD "record.cbor"
#define PLAN "plan.cbor"
#define SMALL_MAX ((size_t)64 << 20) /* bytes of one of the files above */
#define BLOCK 4096                   /* what a small file takes at least */

/* --- finding --- */

static err_t count_one(void *ctx, const char *name, struct fault *f)
{
    (void)name;
    (void)f;
    ++*(size_t *)ctx;
    return OK;
}

struct finding {
    struct media_board *out;
    size_t *count;
    const char *dir;
    int depth;
};

static err_t look_into(struct finding *w, struct fault *f);

static err_t look_below(void *ctx, const char *name, struct fault *f)
{
    const struct finding *above = ctx;
    char dir[1200];
    struct stat st;
    if (snprintf(dir, sizeof dir, "%s/%s", above->dir, name) >= (int)sizeof dir || lstat(dir, &st) != 0 ||
        !S_ISDIR(st.st_mode))
        return OK;
    struct finding w = {above->out, above->count, dir, above->depth + 1};
    return look_into(&w, f);
}

static err_t look_into(struct finding *w, struct fault *f)
{
    char path[1400];
    struct stat st;
    if (*w->count == MEDIA_BOARDS_MAX)
        return OK;
    snprintf(path, sizeof path, "%s/" MANIFEST, w->dir);
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        struct media_board *b = &w->out[*w->count];
        memset(b, 0, sizeof *b);
        snprintf(b->dir, sizeof b->dir, "%.1199s", w->dir);
        if (manifest_election_of(&b->election, path, NULL) == OK)
            ++*w->count;
        snprintf(path, sizeof path, "%s/entries", w->dir);
        return file_list(path, count_one, &b->entries, NULL) == ERR_MEMORY ? ERR_MEMORY : OK;
    }
    if (w->depth == 2)
        return OK;
    err_t e = file_list(w->dir, look_below, w, f);
    return e == ERR_IO && w->depth > 0 ? OK : e; /* a directory that cannot be read is no board */
}

err_t media_boards(struct media_board *out, size_t *count, const char *mount, struct fault *f)
{
    struct finding w = {out, count, mount, 0};
    *count = 0;
    TRY(file_is_dir(mount, f));
    return look_into(&w, f);
}

err_t media_board_dir(char *out, size_t out_len, const char *mount, const hash_t *election)
{
    char name[32] = "conclave-";
    hex_put(name + 9, election->b, 8);
    return file_path(out, out_len, mount, name);
}

/* --- copying out: a list of what there is, then room, write, read back --- */

struct item {
    char name[ENTRY_NAME_SIZE + 32]; /* below the board's directory */
    uint64_t len;
    hash_t hash;
    int compare; /* is there with these bytes */
};

struct copying {
    const struct board *b;
    const char *to;
    struct item *item;
    size_t count, room;
    struct media_report *report;
    progress_fn fn;
    void *ctx;
};

static err_t tell(const struct copying *c, const char *what, uint64_t done)
{
    return c->fn == NULL ? OK : c->fn(c->ctx, what, done, c->count);
}

static err_t add_item(struct copying *c, const char *name, int required, struct fault *f)
{
    char path[4400];
    struct stat st;
    TRY(file_path(path, sizeof path, c->b->dir, name));
    if (stat(path, &st) != 0) {
        if (!required && errno == ENOENT)
            return OK;
        fault_set(f, errno == ENOENT ? ERR_MISSING : ERR_IO, "cannot read");
        return fault_file(f, errno == ENOENT ? ERR_MISSING : ERR_IO, path);
    }
    if (array_room(&c->item, c->count + 1, &c->room, sizeof *c->item, 64) != OK)
        return fault_set(f, ERR_MEMORY, "list of files");
    struct item *x = &c->item[c->count++];
    memset(x, 0, sizeof *x);
    snprintf(x->name, sizeof x->name, "%s", name);
    x->len = (uint64_t)st.st_size;
    return OK;
}

static err_t add_detached(void *ctx, const char *name, struct fault *f)
{
    char path[ENTRY_NAME_SIZE + 16];
    uint8_t hash[HASH_LEN];
    char hex[2 * HASH_LEN + 1];
    snprintf(hex, sizeof hex, "%s", name);
    if (strlen(name) != 2 * HASH_LEN + 4 || hex_get(hash, HASH_LEN, hex) != OK ||
        strcmp(name + 2 * HASH_LEN, ".bin") != 0)
        return OK;
    snprintf(path, sizeof path, "detached/%s", name);
    return add_item(ctx, path, 1, f);
}

static err_t list_board(struct copying *c, const char *places_file, struct fault *f)
{
    char name[ENTRY_NAME_SIZE], path[4400];
    TRY(add_item(c, MANIFEST, 1, f));
    TRY(add_item(c, places_file, 1, f));
    TRY(file_path(path, sizeof path, c->b->dir, "detached"));
    TRY(file_list(path, add_detached, c, f));
    for (size_t i = 0; i < c->b->entry_count; i++) {
        entry_file_name(name, c->b->entry[i]);
        snprintf(path, sizeof path, "entries/%s", name);
        TRY(add_item(c, path, 1, f));
    }
    TRY(add_item(c, RECORD, 0, f));
    return add_item(c, PLAN, 0, f);
}

/* A board of another election, or one that is damaged, is not mixed with this one. */
static err_t same_election(const struct copying *c, struct fault *f)
{
    char path[4400];
    hash_t hash;
    TRY(file_path(path, sizeof path, c->to, MANIFEST));
    err_t e = manifest_election_of(&hash, path, f);
    if (e == ERR_MISSING) {
        fault_clear(f);
        return OK;
    }
    TRY(e);
    if (hash_cmp(&hash, &c->b->election) == 0)
        return OK;
    fault_set(f, ERR_ELECTION, "on the medium is a board of another election under this name");
    return fault_file(f, ERR_ELECTION, c->to);
}

static err_t enough_room(const struct copying *c, struct fault *f)
{
    uint64_t need = 0;
    struct statvfs v;
    for (size_t i = 0; i < c->count; i++) {
        char path[4400];
        struct stat st;
        TRY(file_path(path, sizeof path, c->to, c->item[i].name));
        if (stat(path, &st) != 0)
            need += (c->item[i].len + BLOCK - 1) / BLOCK * BLOCK;
    }
    if (statvfs(c->to, &v) != 0)
        return fault_set(f, ERR_IO, "the medium does not answer: %s", strerror(errno));
    uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
    if (need > 0 && (v.f_flag & ST_RDONLY) != 0)
        return fault_set(f, ERR_IO, "the medium can only be read");
    if (need > room)
        return fault_set(f, ERR_IO, "the medium is too full: %llu KiB are needed, %llu KiB are free",
                         (unsigned long long)need / 1024, (unsigned long long)room / 1024);
    return OK;
}

static void note_conflict(struct media_report *r, const char *name)
{
    if (r->conflicts < sizeof r->conflict / sizeof r->conflict[0])
        snprintf(r->conflict[r->conflicts], sizeof r->conflict[0], "%.159s", name);
    r->conflicts++;
}

/* The other side has a file of this name. For an entry another signature over the same message is as good. */
static err_t there_already(struct copying *c, struct item *x)
{
    char path[4400];
    uint8_t *data;
    size_t len;
    struct entry *e;
    int good = 0;
    TRY(file_path(path, sizeof path, c->to, x->name));
    if (strncmp(x->name, "entries/", 8) == 0 && file_read(&data, &len, path, ENTRY_MAX, NULL) == OK &&
        entry_parse(&e, data, len, &c->b->election, NULL) == OK) {
        char name[ENTRY_NAME_SIZE];
        entry_file_name(name, e);
        good = strcmp(name, x->name + 8) == 0;
        entry_free(e);
    }
    if (good)
        c->report->known++;
    else
        note_conflict(c->report, x->name);
    return OK;
}

static err_t write_item(struct copying *c, struct item *x, struct fault *f)
{
    char from[4400], path[4400];
    uint8_t *data;
    size_t len;
    hash_t have;
    TRY(file_path(from, sizeof from, c->b->dir, x->name));
    TRY(file_path(path, sizeof path, c->to, x->name));
    TRY(file_read(&data, &len, from, SMALL_MAX, f));
    hash_one(&x->hash, data, len);
    err_t e = OK;
    if (file_hash(&have, path, NULL) == OK) {
        x->compare = hash_cmp(&have, &x->hash) == 0;
        c->report->known += x->compare ? 1 : 0;
        if (!x->compare)
            e = there_already(c, x);
    } else {
        e = file_write(path, data, len, FILE_NEW, f);
        x->compare = e == OK;
        c->report->copied += e == OK;
        c->report->bytes += e == OK ? len : 0;
    }
    free(data);
    return fault_file(f, e, path);
}

/* From the medium, not from what the kernel remembers of it. */
static err_t read_back(struct copying *c, const struct item *x, struct fault *f)
{
    char path[4400];
    hash_t hash;
    TRY(file_path(path, sizeof path, c->to, x->name));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
            errno = 0; /* a file system that cannot forget; the comparison is made all the same */
        close(fd);
    }
    err_t e = file_hash(&hash, path, f);
    if (e == OK && hash_cmp(&hash, &x->hash) != 0)
        e = fault_set(f, ERR_HASH, "what was read back is not what was written; use another medium");
    return fault_file(f, e, path);
}

static err_t copy_all(struct copying *c, struct fault *f)
{
    for (size_t i = 0; i < c->count; i++) {
        TRY(tell(c, "copy", i));
        TRY(write_item(c, &c->item[i], f));
    }
    int fd = open(c->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int bad = fd < 0 || syncfs(fd) != 0;
    if (fd >= 0)
        close(fd);
    if (bad)
        return fault_set(f, ERR_IO, "the medium does not take what is to be written");
    for (size_t i = 0; i < c->count; i++) {
        TRY(tell(c, "compare", i));
        if (c->item[i].compare)
            TRY(read_back(c, &c->item[i], f));
    }
    return tell(c, "compare", c->count);
}

/* Nothing is made in the place where a medium was mounted before. */
static err_t above_is_there(const char *to, struct fault *f)
{
    char dir[4096];
    const char *slash = strrchr(to, '/');
    if (slash == NULL || slash == to || (size_t)(slash - to) >= sizeof dir)
        return OK;
    memcpy(dir, to, (size_t)(slash - to));
    dir[slash - to] = '\0';
    return file_is_dir(dir, f);
}

err_t media_copy_out(struct media_report *report, const struct board *b, const char *places_file,
                     const char *to, progress_fn fn, void *ctx, struct fault *f)
{
    struct copying c = {.b = b, .to = to, .report = report, .fn = fn, .ctx = ctx};
    char sub[4400];
    err_t e;
    memset(report, 0, sizeof *report);
    GO(list_board(&c, places_file, f));
    GO(above_is_there(to, f));
    GO(file_mkdir(to, f));
    GO(same_election(&c, f));
    GO(enough_room(&c, f));
    GO(file_path(sub, sizeof sub, to, "entries"));
    GO(file_mkdir(sub, f));
    GO(file_path(sub, sizeof sub, to, "detached"));
    GO(file_mkdir(sub, f));
    e = copy_all(&c, f);
out:
    free(c.item);
    return e;
}
