/* What there is to carry: on a foreign medium, and here. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "appliance/carry_parts.h"
#include "ceremony/base/array.h"
#include "ceremony/base/file.h"

#define SUMS_MAX ((size_t)64 << 20)
#define SUMS_HEAD (2 * HASH_LEN + 2) /* hash and two blanks */

/* --- the list --- */

void carry_free(struct carry *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->item[i].from);
        free(c->item[i].name);
        free(c->item[i].fault);
    }
    free(c->item);
    memset(c, 0, sizeof *c);
}

err_t carry_add(struct carry *c, struct carry_item **out, enum carry_kind kind, const char *from,
                const char *name, struct fault *f)
{
    if (c->count == CARRY_MAX)
        return fault_set(f, ERR_LIMIT, "more than %d files", CARRY_MAX);
    if (array_room(&c->item, c->count + 1, &c->room, sizeof *c->item, 64) != OK)
        return fault_set(f, ERR_MEMORY, "list of files");
    struct carry_item *x = &c->item[c->count];
    memset(x, 0, sizeof *x);
    x->kind = kind;
    x->from = strdup(from);
    x->name = strdup(name);
    c->count++;
    if (x->from == NULL || x->name == NULL)
        return fault_set(f, ERR_MEMORY, "list of files");
    if (out != NULL)
        *out = x;
    return OK;
}

err_t carry_refuse(struct carry_item *x, err_t e, const struct fault *why)
{
    x->state = CARRY_REFUSED;
    if (x->fault == NULL)
        x->fault = calloc(1, sizeof *x->fault);
    if (x->fault == NULL)
        return ERR_MEMORY;
    *x->fault = *why;
    x->fault->err = e;
    fault_file(x->fault, e, x->from);
    return OK;
}

err_t carry_add_refused(struct carry *c, enum carry_kind kind, const char *from, err_t e, const char *why,
                        struct fault *f)
{
    struct carry_item *x;
    struct fault fault;
    fault_set(&fault, e, "%s", why);
    TRY(carry_add(c, &x, kind, from, "", f));
    return carry_refuse(x, e, &fault) == OK ? OK : fault_set(f, ERR_MEMORY, "list of files");
}

/* --- names --- */

static int is_sane_char(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '-' ||
           ch == '_' || ch == '.';
}

int carry_name_is_sane(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > 200 || name[0] == '.')
        return 0;
    for (size_t i = 0; i < len; i++)
        if (!is_sane_char(name[i]))
            return 0;
    return 1;
}

static int is_sane_path(const char *path)
{
    char part[256];
    for (const char *at = path;; at++) {
        size_t len = strcspn(at, "/");
        if (len >= sizeof part)
            return 0;
        memcpy(part, at, len);
        part[len] = '\0';
        if (!carry_name_is_sane(part))
            return 0;
        at += len;
        if (*at == '\0')
            return 1;
    }
}

static int ends(const char *name, const char *suffix)
{
    size_t a = strlen(name), b = strlen(suffix);
    return a > b && strcmp(name + a - b, suffix) == 0;
}

/* Any file, not only one that is good: a link or a device under a good name is refused by name later. */
static int is_there(const char *path, int *is_dir)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return 0;
    *is_dir = S_ISDIR(st.st_mode);
    return 1;
}

/* --- bundles --- */

/* One line of the list: hash, two blanks, path. */
static err_t bundle_line(struct carry *c, const char *dir, const char *line, struct fault *f)
{
    char path[CARRY_PATH], name[CARRY_PATH];
    struct carry_item *x;
    hash_t want;
    char hex[2 * HASH_LEN + 1];
    if (strlen(line) <= SUMS_HEAD || line[SUMS_HEAD - 1] != ' ' || line[SUMS_HEAD - 2] != ' ')
        return carry_add_refused(c, CARRY_BUNDLE, dir, ERR_FORMAT,
                                 "a line of its list has not the form of one", f);
    memcpy(hex, line, 2 * HASH_LEN);
    hex[2 * HASH_LEN] = '\0';
    if (hex_get(want.b, HASH_LEN, hex) != OK || !is_sane_path(line + SUMS_HEAD))
        return carry_add_refused(c, CARRY_BUNDLE, dir, ERR_FORMAT,
                                 "its list has a hash or name that cannot be", f);
    TRY(file_path(path, sizeof path, dir, line + SUMS_HEAD));
    TRY(file_path(name, sizeof name, CARRY_BUNDLE_DIR, line + SUMS_HEAD));
    TRY(carry_add(c, &x, CARRY_BUNDLE, path, name, f));
    x->hash = want;
    return OK;
}

/* The files that the list names, and then the list. */
static err_t add_bundle(struct carry *c, const char *dir, struct fault *f)
{
    char sums[CARRY_PATH];
    uint8_t *data;
    size_t len;
    struct carry_item *x;
    struct fault why;
    TRY(file_path(sums, sizeof sums, dir, BUNDLE_SUMS));
    err_t e = file_read(&data, &len, sums, SUMS_MAX, &why);
    if (e == ERR_MEMORY)
        return fault_set(f, e, "list of files");
    if (e != OK)
        return carry_add_refused(c, CARRY_BUNDLE, sums, e, why.detail, f);
    hash_t hash;
    hash_one(&hash, data, len);
    char *save = NULL;
    for (char *line = strtok_r((char *)data, "\n", &save); line != NULL && e == OK;
         line = strtok_r(NULL, "\n", &save))
        e = bundle_line(c, dir, line, f);
    free(data);
    TRY(e);
    TRY(carry_add(c, &x, CARRY_BUNDLE, sums, CARRY_BUNDLE_DIR "/" BUNDLE_SUMS, f));
    x->hash = hash;
    return OK;
}

/* A folder with a manifest and a list is a bundle, of this election or of none that matters here. */
static int is_bundle(const char *dir, const struct bundle_election *el, int *is_ours)
{
    char path[CARRY_PATH];
    int is_dir;
    hash_t election;
    if (file_path(path, sizeof path, dir, BUNDLE_SUMS) != OK || !is_there(path, &is_dir) || is_dir ||
        file_path(path, sizeof path, dir, BUNDLE_MANIFEST) != OK || !is_there(path, &is_dir) || is_dir)
        return 0;
    *is_ours =
        manifest_election_of(&election, path, NULL) == OK && hash_cmp(&election, &el->m->election) == 0;
    return 1;
}

/* --- a medium --- */

struct search {
    struct carry *c;
    const struct bundle_election *el;
    const char *dir;
    int depth;
    int64_t level;              /* in records/LEVEL: which; else -1 */
    int is_records, is_exports; /* all files in it are exports, whatever they are called */
    uint32_t kinds;             /* bits of those that are wanted */
};

static err_t look_into(struct search *w, struct fault *f);

static err_t look_below(const struct search *above, const char *path, const char *name, struct fault *f)
{
    struct search w = {above->c,
                       above->el,
                       path,
                       above->depth + 1,
                       -1,
                       strcmp(name, BUNDLE_RECORDS) == 0,
                       strcmp(name, BUNDLE_EXPORTS) == 0,
                       above->kinds};
    const struct manifest *m = above->el->m;
    if (w.depth > CARRY_DEPTH || strcmp(name, BUNDLE_ENTRIES) == 0 || strcmp(name, "detached") == 0)
        return OK;
    for (size_t i = 0; above->is_records && i < m->level_count; i++)
        if (strcmp(name, m->level[i]) == 0)
            w.level = (int64_t)i;
    err_t e = look_into(&w, f);
    return e == ERR_IO ? OK : e; /* a folder that cannot be read holds nothing */
}

static err_t add_record(const struct search *w, const char *path, const char *name, struct fault *f)
{
    char id[256], target[CARRY_PATH];
    struct carry_item *x;
    snprintf(id, sizeof id, "%.*s", (int)(strlen(name) - strlen(".cbor")), name);
    int64_t place = places_find(w->el->places, id);
    struct place at = {.level = UINT32_MAX};
    if (place >= 0)
        places_get(w->el->places, (uint32_t)place, &at);
    if (at.level != (uint32_t)w->level)
        return carry_add_refused(w->c, CARRY_RECORD, path, ERR_UNKNOWN, "there is no such place", f);
    TRY(node_path(target, sizeof target, &w->el->ctx, BUNDLE_RECORDS, (uint32_t)place));
    TRY(carry_add(w->c, &x, CARRY_RECORD, path, target, f));
    x->place = (uint32_t)place;
    return OK;
}

static err_t look_at(void *ctx, const char *name, struct fault *f)
{
    const struct search *w = ctx;
    char path[CARRY_PATH], target[300];
    int is_dir;
    enum carry_kind kind;
    if (++w->c->looked > CARRY_MAX)
        return fault_set(f, ERR_LIMIT, "more than %d files", CARRY_MAX);
    if (file_path(path, sizeof path, w->dir, name) != OK || !is_there(path, &is_dir))
        return OK;
    if (is_dir)
        return look_below(w, path, name, f);
    if (w->is_exports || ends(name, EXPORT_SUFFIX))
        kind = CARRY_EXPORT;
    else if (w->level >= 0 && ends(name, ".cbor"))
        kind = CARRY_RECORD;
    else if (strncmp(name, "plan", 4) == 0 && ends(name, ".cbor"))
        kind = CARRY_PLAN;
    else if (strncmp(name, "result", 6) == 0 && ends(name, ".cbor"))
        kind = CARRY_RESULT;
    else
        return OK;
    if (!(w->kinds >> kind & 1))
        return OK;
    if (kind == CARRY_RECORD)
        return add_record(w, path, name, f);
    if (!carry_name_is_sane(name))
        return carry_add_refused(w->c, kind, path, ERR_FORMAT,
                                 "its name has other signs than letters, digits, - _ .", f);
    snprintf(target, sizeof target, "%s%s", kind == CARRY_EXPORT ? BUNDLE_EXPORTS "/" : "", name);
    return carry_add(w->c, NULL, kind, path, target, f);
}

static err_t look_into(struct search *w, struct fault *f)
{
    int is_ours;
    if (is_bundle(w->dir, w->el, &is_ours))
        return is_ours ? add_bundle(w->c, w->dir, f) : OK;
    if (carry_is_chain(w->dir)) {
        const char *slash = strrchr(w->dir, '/');
        return w->kinds >> CARRY_CHAIN & 1
                   ? carry_add_chain(w->c, w->dir, slash ? slash + 1 : w->dir, w->el, f)
                   : OK;
    }
    return file_list(w->dir, look_at, w, f);
}

err_t carry_find(struct carry *c, const char *root, const struct bundle_election *el, struct fault *f)
{
    struct search w = {c, el, root, 0, -1, 0, 0, ~UINT32_C(0)};
    TRY(file_is_dir(root, f));
    return fault_file(f, look_into(&w, f), root);
}

/* --- this machine --- */

/* All of one kind in a folder. */
static err_t gather_from(struct carry *c, const char *dir, enum carry_kind kind,
                         const struct bundle_election *el, struct fault *f)
{
    int is_records = kind == CARRY_RECORD;
    struct search w = {c,
                       el,
                       dir,
                       is_records || kind == CARRY_CHAIN ? CARRY_DEPTH - 1 : CARRY_DEPTH,
                       -1,
                       is_records,
                       kind == CARRY_EXPORT,
                       UINT32_C(1) << kind};
    return dir != NULL && file_is_dir(dir, NULL) == OK ? file_list(dir, look_at, &w, f) : OK;
}

err_t carry_gather(struct carry *c, const struct carry_paths *p, uint32_t kinds,
                   const struct bundle_election *el, struct fault *f)
{
    int is_ours;
    const char *const dir[] = {p->plans, p->exports, p->records, p->results};
    for (uint32_t kind = CARRY_PLAN; kind <= CARRY_RESULT; kind++)
        if (kinds >> kind & 1)
            TRY(gather_from(c, dir[kind], (enum carry_kind)kind, el, f));
    if (kinds >> CARRY_CHAIN & 1)
        TRY(gather_from(c, p->exports, CARRY_CHAIN, el, f));
    if ((kinds >> CARRY_BUNDLE & 1) && p->bundle != NULL && is_bundle(p->bundle, el, &is_ours) && is_ours)
        TRY(add_bundle(c, p->bundle, f));
    return OK;
}
