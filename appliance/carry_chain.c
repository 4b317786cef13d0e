/* Exports of voting chains: directories of many files, of which the snapshot says what they are. It is copied
 * last: a directory without it is no export, so that one that was interrupted is taken for none, and is gone
 * on with. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "appliance/carry_parts.h"
#include "ceremony/base/file.h"
#include "tally/chain_verify.h"

#define SNAPSHOT "snapshot.cbor"

/* Folders of an export (docs/spec/chain.md). */
static const struct {
    const char *name;
    int has_folders; /* one for each shard */
    int needed;      /* a chain is not whole without any of these files */
} part[] = {{"headers", 0, 1}, {"tallies", 0, 1},   {"segments", 1, 1}, {"ids", 0, 1},
            {"leaves", 0, 1},  {"snapshots", 0, 0}, {"finality", 0, 0}, {"evidence", 0, 0}};
#define PARTS (sizeof part / sizeof part[0])

int carry_is_chain(const char *dir)
{
    char path[CARRY_PATH];
    struct stat st;
    return file_path(path, sizeof path, dir, SNAPSHOT) == OK && lstat(path, &st) == 0 &&
           file_path(path, sizeof path, dir, part[0].name) == OK && lstat(path, &st) == 0 &&
           S_ISDIR(st.st_mode);
}

/* --- what it consists of --- */

struct walk {
    struct carry *c;
    const char *dir, *name; /* from, to */
    int has_folders;
};

static err_t walk_into(const struct walk *w, struct fault *f);

static err_t walk_at(void *ctx, const char *file, struct fault *f)
{
    const struct walk *w = ctx;
    char from[CARRY_PATH], name[CARRY_PATH];
    struct stat st;
    if (++w->c->looked > CARRY_MAX)
        return fault_set(f, ERR_LIMIT, "more than %d files", CARRY_MAX);
    TRY(file_path(from, sizeof from, w->dir, file));
    if (!carry_name_is_sane(file))
        return carry_add_refused(w->c, CARRY_CHAIN, from, ERR_FORMAT,
                                 "its name has other signs than letters, digits, - _ .", f);
    TRY(file_path(name, sizeof name, w->name, file));
    if (w->has_folders && lstat(from, &st) == 0 && S_ISDIR(st.st_mode)) {
        struct walk below = {w->c, from, name, 0};
        return walk_into(&below, f);
    }
    return carry_add(w->c, NULL, CARRY_CHAIN, from, name, f);
}

static err_t walk_into(const struct walk *w, struct fault *f)
{
    struct walk copy = *w;
    return file_list(w->dir, walk_at, &copy, f);
}

err_t carry_add_chain(struct carry *c, const char *dir, const char *name, const struct bundle_election *el,
                      struct fault *f)
{
    char from[CARRY_PATH], to[CARRY_PATH], below[CARRY_PATH];
    struct carry_item *x;
    struct fault why;
    size_t first = c->count;
    uint32_t chain;
    fault_clear(&why);
    TRY(file_path(from, sizeof from, dir, SNAPSHOT));
    if (!carry_name_is_sane(name))
        return carry_add_refused(c, CARRY_CHAIN, dir, ERR_FORMAT,
                                 "its name has other signs than letters, digits, - _ .", f);
    err_t e = el->r ? chain_export_chain(&chain, &el->ctx, dir, &why) : OK;
    if (e == ERR_MEMORY)
        return fault_set(f, e, "list of files");
    if (e != OK)
        return carry_add_refused(c, CARRY_CHAIN, from, e, why.detail, f);
    TRY(file_path(to, sizeof to, BUNDLE_EXPORTS, name));
    for (size_t i = 0; i < PARTS; i++) {
        char target[CARRY_PATH];
        struct stat st;
        TRY(file_path(below, sizeof below, dir, part[i].name));
        TRY(file_path(target, sizeof target, to, part[i].name));
        struct walk w = {c, below, target, part[i].has_folders};
        if (lstat(below, &st) == 0)
            TRY(S_ISDIR(st.st_mode) ? walk_into(&w, f) : carry_add(c, NULL, CARRY_CHAIN, below, target, f));
    }
    TRY(file_path(below, sizeof below, to, SNAPSHOT));
    TRY(carry_add(c, &x, CARRY_CHAIN, from, below, f));
    x->first = first + 1;
    return OK;
}

/* Length of the path of its directory. */
static size_t dir_len(const struct carry_item *snapshot)
{
    return strlen(snapshot->from) - strlen(SNAPSHOT);
}

static int is_needed(const struct carry_item *snapshot, const struct carry_item *x)
{
    const char *inside = x->from + dir_len(snapshot);
    for (size_t i = 0; i < PARTS; i++)
        if (strncmp(inside, part[i].name, strlen(part[i].name)) == 0)
            return part[i].needed;
    return 1;
}

int carry_chain_has_gap(const struct carry *c, const struct carry_item *x)
{
    if (x->first == 0)
        return 0;
    for (const struct carry_item *y = c->item + x->first - 1; y < x; y++)
        if (y->state == CARRY_REFUSED && is_needed(x, y))
            return 1;
    return 0;
}

/* --- what it is --- */

struct looking {
    struct fault first;
    progress_fn fn;
    void *ctx;
};

/* Signatures of validators may come later, and an export goes to them without. */
static void on_found(void *ctx, enum chain_check check, const struct fault *f)
{
    struct looking *l = ctx;
    if (check != CHAIN_CHECK_QUORUM && l->first.err == OK)
        l->first = *f;
}

/* That it works; bytes are counted when files are read. */
static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    const struct looking *l = ctx;
    (void)what;
    (void)done;
    (void)total;
    return l->fn == NULL ? OK : l->fn(l->ctx, "check", 0, 0);
}

/* Headers, links, signatures, sums, of the election: what can be seen without its ballots. */
static err_t look_quickly(const char *dir, const struct bundle_election *el, struct looking *l,
                          struct fault *why)
{
    struct chain_context ctx;
    struct chain_report *r;
    uint32_t chain;
    fault_clear(&l->first);
    TRY(chain_export_chain(&chain, &el->ctx, dir, why));
    chain_context_init(&ctx, &el->ctx, chain);
    struct chain_verify_options o = {
        .quick = 1, .threads = 1, .ctx = l, .found = on_found, .progress = on_progress, .progress_ctx = l};
    TRY(chain_verify(&r, &ctx, dir, &o, why));
    chain_report_free(r);
    *why = l->first;
    return l->first.err;
}

/* Of this machine, not of the export. */
static int is_ours(err_t e)
{
    return e == ERR_MEMORY || e == ERR_STOPPED || err_class(e) == CLASS_BUG;
}

/* exports/NAME/... becomes exports/NAME-0123456789abcdef/... */
static err_t rename_chain(struct carry *c, size_t from, size_t last, const hash_t *id, struct fault *f)
{
    const struct carry_item *s = &c->item[last];
    size_t head = strlen(s->name) - strlen("/" SNAPSHOT);
    for (size_t i = from; i <= last; i++)
        if (c->item[i].name[0] != '\0')
            TRY(carry_rename(&c->item[i], head, id, f));
    return OK;
}

/* Whether another chain goes to this name, or is there. What has no snapshot is the rest of a copy that was
 * interrupted, of this one or of another: then single files differ, and the name is not free either. */
static int name_is_taken(const struct carry *c, size_t first, size_t last, const char *to, const hash_t *id)
{
    char path[CARRY_PATH];
    hash_t there;
    const struct carry_item *s = &c->item[last];
    for (size_t i = 0; i < first; i++)
        if (c->item[i].first != 0 && c->item[i].state != CARRY_REFUSED &&
            strcmp(c->item[i].name, s->name) == 0 && hash_cmp(&c->item[i].hash, id) != 0)
            return 1;
    if (file_path(path, sizeof path, to, s->name) == OK && file_hash(&there, path, NULL) == OK)
        return hash_cmp(&there, id) != 0;
    for (size_t i = first; i < last; i++) { /* headers grow: those of an older copy are shorter */
        struct stat a, b;
        const struct carry_item *x = &c->item[i];
        if (x->name[0] != '\0' && is_needed(s, x) && file_path(path, sizeof path, to, x->name) == OK &&
            lstat(path, &a) == 0 && lstat(x->from, &b) == 0 && a.st_size != b.st_size)
            return 1;
    }
    return 0;
}

/* One sentence in place of all its files: *last is then the only item. */
static err_t refuse_chain(struct carry *c, size_t *last, err_t e, const struct fault *why, struct fault *f)
{
    struct fault named;
    size_t first = c->item[*last].first - 1, gone = *last - first;
    fault_set(&named, e, "%s%s%s", why->file, why->file[0] ? ": " : "", why->detail);
    for (size_t i = first; i < *last; i++) {
        free(c->item[i].from);
        free(c->item[i].name);
        free(c->item[i].fault);
    }
    memmove(&c->item[first], &c->item[*last], (c->count - *last) * sizeof *c->item);
    c->count -= gone;
    *last = first;
    c->item[first].first = first + 1;
    for (size_t i = first + 1; i < c->count; i++)
        c->item[i].first -= c->item[i].first ? gone : 0;
    return carry_refuse(&c->item[first], e, &named) == OK ? OK : fault_set(f, ERR_MEMORY, "list of files");
}

err_t carry_place_chains(struct carry *c, const char *to, const struct bundle_election *el, progress_fn fn,
                         void *ctx, struct fault *f)
{
    struct looking l = {.fn = fn, .ctx = ctx};
    for (size_t i = 0; i < c->count; i++) {
        struct carry_item *s = &c->item[i];
        struct fault why;
        char dir[CARRY_PATH];
        if (s->kind != CARRY_CHAIN || s->first == 0 || s->state == CARRY_REFUSED)
            continue;
        fault_clear(&why);
        snprintf(dir, sizeof dir, "%.*s", (int)dir_len(s) - 1, s->from);
        err_t e = look_quickly(dir, el, &l, &why);
        if (is_ours(e)) {
            *f = why;
            return e;
        }
        if (e == OK)
            e = file_hash(&s->hash, s->from, &why);
        if (e != OK)
            TRY(refuse_chain(c, &i, e, &why, f));
        else if (name_is_taken(c, s->first - 1, i, to, &s->hash))
            TRY(rename_chain(c, s->first - 1, i, &s->hash, f));
    }
    return OK;
}
