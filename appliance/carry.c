#include "appliance/carry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "appliance/carry_parts.h"
#include "ceremony/base/file.h"
#include "tally/plan.h"
#include "tally/result.h"

#define CHUNK ((size_t)256 << 10)
#define BLOCK 4096 /* what a small file takes at least */
#define FILE_SIZE_MAX ((uint64_t)1 << 34)

struct work {
    struct carry *c;
    const char *to;
    const struct bundle_election *el;
    uint8_t *chunk;
    uint32_t *slot; /* 1 + an item, by kind and name: those that have their place */
    size_t slots;   /* a power of 2 */
    const char *what;
    uint64_t done, total;
    progress_fn fn;
    void *ctx;
};

static err_t work_open(struct work *w, struct fault *f)
{
    w->chunk = malloc(CHUNK);
    return w->chunk != NULL ? OK : fault_set(f, ERR_MEMORY, "copying");
}

static err_t tell(struct work *w, uint64_t more)
{
    w->done += more;
    return w->fn == NULL ? OK : w->fn(w->ctx, w->what, w->done, w->total);
}

/* Ends the whole work, and is nothing that is wrong with one file. */
static int is_fatal(err_t e)
{
    return e == ERR_MEMORY || e == ERR_STOPPED || err_class(e) == CLASS_BUG;
}

/* --- reading --- */

/* Hashes a file and, with out, copies it. No more than max bytes are taken. */
static err_t read_through(struct work *w, hash_t *hash, const char *path, uint64_t max,
                          struct file_writer *out, struct fault *f)
{
    struct hash_ctx h;
    FILE *in;
    uint64_t all = 0;
    err_t e = OK;
    TRY(file_open(&in, path, f));
    hash_init(&h);
    for (size_t n; e == OK && (n = fread(w->chunk, 1, CHUNK, in)) > 0;) {
        all += n;
        hash_add(&h, w->chunk, n);
        if (all > max)
            e = fault_set(f, ERR_LIMIT, "is longer than such a file can be");
        if (e == OK && out != NULL)
            e = file_writer_add(out, w->chunk, n, f);
        if (e == OK)
            e = tell(w, n);
    }
    if (e == OK && ferror(in))
        e = fault_set(f, ERR_IO, "cannot be read to its end");
    fclose(in);
    hash_end(&h, hash);
    return fault_file(f, e, path);
}

/* Past what the kernel remembers of it. */
static void forget(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        errno = 0; /* a file system that cannot forget; the comparison is made all the same */
    close(fd);
}

/* --- what a file is --- */

static uint64_t size_max(enum carry_kind kind)
{
    switch (kind) {
    case CARRY_PLAN:
        return PLAN_MAX;
    case CARRY_RECORD:
        return NODE_MAX;
    case CARRY_RESULT:
        return RESULT_MAX;
    default:
        return FILE_SIZE_MAX;
    }
}

static err_t result_of_election(const char *path, const struct bundle_election *el, struct fault *f)
{
    struct result *r;
    TRY(result_load(&r, path, f));
    err_t e = hash_cmp(&r->election, &el->m->election) != 0 || hash_cmp(&r->record, &el->r->id) != 0
                  ? fault_set(f, ERR_ELECTION, "a result of another election or key")
                  : OK;
    for (size_t i = 0; i < r->row_count && e == OK; i++)
        e = result_row_check(&r->row[i], el->m, f);
    result_free(r);
    return e;
}

static err_t record_of_place(const char *path, const struct bundle_election *el, uint32_t place,
                             struct fault *f)
{
    uint8_t *data;
    size_t len;
    struct node *n = NULL;
    TRY(file_read(&data, &len, path, NODE_MAX, f));
    err_t e = node_parse_var(&n, &el->ctx, place, data, len, f);
    node_free(n);
    free(data);
    return e;
}

/* Header and signature, and that the items are those that were signed: number, end and root. Their proofs are
 * for those who add them up. */
static err_t export_is_whole(const char *path, const struct bundle_election *el, struct fault *f)
{
    struct export_reader *r;
    struct merkle tree;
    const uint8_t *item;
    size_t len;
    hash_t leaf, root;
    TRY(export_open(&r, &el->ctx, path, f));
    merkle_init(&tree);
    err_t e = export_next(r, &item, &len, f);
    for (; e == OK && item != NULL; e = export_next(r, &item, &len, f)) {
        merkle_leaf(&leaf, item, len);
        merkle_add(&tree, &leaf);
    }
    merkle_root(&tree, &root);
    if (e == OK && hash_cmp(&root, &export_reader_header(r)->root) != 0)
        e = fault_set(f, ERR_HASH, "the items are not those that were signed");
    export_close(r);
    return e;
}

/* Form and election of one file; a bundle's are known by their hashes. */
static err_t check_form(const struct carry_item *x, const char *path, const struct bundle_election *el,
                        struct fault *f)
{
    struct plan *plan = NULL;
    err_t e = OK;
    if (x->kind == CARRY_PLAN)
        e = plan_load_var(&plan, &el->ctx, path, f);
    else if (x->kind == CARRY_EXPORT)
        e = export_is_whole(path, el, f);
    else if (x->kind == CARRY_RECORD)
        e = record_of_place(path, el, x->place, f);
    else if (x->kind == CARRY_RESULT)
        e = result_of_election(path, el, f);
    plan_free(plan);
    return e;
}

/* --- what it is to the folder --- */

static int has_alternative(const struct carry_item *x)
{
    return x->kind == CARRY_PLAN || x->kind == CARRY_EXPORT || x->kind == CARRY_RESULT;
}

/* NAME-0123456789abcdef.SUFFIX */
err_t carry_rename(struct carry_item *x, size_t at, const hash_t *id, struct fault *f)
{
    char name[2 * CARRY_PATH], hex[17];
    hex_put(hex, id->b, 8);
    snprintf(name, sizeof name, "%.*s-%s%s", (int)at, x->name, hex, x->name + at);
    char *copy = strdup(name);
    if (copy == NULL)
        return fault_set(f, ERR_MEMORY, "list of files");
    free(x->name);
    x->name = copy;
    return OK;
}

static err_t rename_item(struct carry_item *x, struct fault *f)
{
    const char *slash = strrchr(x->name, '/'), *dot = strrchr(slash != NULL ? slash : x->name, '.');
    return carry_rename(x, dot != NULL ? (size_t)(dot - x->name) : strlen(x->name), &x->hash, f);
}

/* Where the item with this kind and name is, or would be. One that was refused meanwhile is none. */
static uint32_t *slot_of(const struct work *w, const struct carry_item *x)
{
    uint64_t h = 1469598103934665603u + x->kind; /* FNV-1a */
    for (const char *at = x->name; *at != '\0'; at++)
        h = (h ^ (uint8_t)*at) * 1099511628211u;
    for (size_t i = (size_t)(h ^ h >> 32) & (w->slots - 1);; i = (i + 1) & (w->slots - 1)) {
        uint32_t *s = &w->slot[i];
        if (*s == 0)
            return s;
        const struct carry_item *y = &w->c->item[*s - 1];
        if (y->kind == x->kind && y->state != CARRY_REFUSED && strcmp(y->name, x->name) == 0)
            return s;
    }
}

static err_t slots_new(struct work *w, struct fault *f)
{
    for (w->slots = 64; w->slots < 2 * w->c->count;)
        w->slots *= 2;
    w->slot = calloc(w->slots, sizeof *w->slot);
    return w->slot != NULL ? OK : fault_set(f, ERR_MEMORY, "list of files");
}

/* 1: the name is free; 2: the same content is or will be there; 0: something else. */
static int name_is(struct work *w, const struct carry_item *x, struct fault *f, err_t *e)
{
    char path[CARRY_PATH];
    struct stat st;
    hash_t there;
    struct work quiet = *w;
    quiet.fn = NULL;
    *e = file_path(path, sizeof path, w->to, x->name);
    uint32_t placed = has_alternative(x) ? *slot_of(w, x) : 0;
    if (placed != 0)
        return hash_cmp(&w->c->item[placed - 1].hash, &x->hash) == 0 ? 2 : 0;
    if (*e != OK || (lstat(path, &st) != 0 && errno == ENOENT))
        return 1;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != x->len)
        return 0;
    *e = read_through(&quiet, &there, path, x->len, NULL, f);
    return hash_cmp(&there, &x->hash) == 0 ? 2 : 0;
}

static err_t place_item(struct work *w, struct carry_item *x, struct fault *f)
{
    err_t e;
    int is = name_is(w, x, f, &e);
    TRY(e);
    if (is == 0 && has_alternative(x)) {
        TRY(rename_item(x, f));
        is = name_is(w, x, f, &e);
        TRY(e);
    }
    if (is == 0)
        return fault_set(f, ERR_EXISTS, "another file of this name is there, and stays");
    x->state = is == 2 ? CARRY_KNOWN : CARRY_NEW;
    uint32_t *slot = has_alternative(x) ? slot_of(w, x) : NULL;
    if (slot != NULL && *slot == 0)
        *slot = (uint32_t)(x - w->c->item) + 1;
    return OK;
}

static err_t check_item(struct work *w, struct carry_item *x, struct fault *f)
{
    hash_t hash;
    if (x->state == CARRY_REFUSED)
        return OK;
    if (carry_chain_has_gap(w->c, x))
        return fault_set(f, ERR_MISSING,
                         "some of its files cannot be taken, so the chain would not be whole");
    uint64_t before = w->done;
    err_t e = x->len > size_max(x->kind) ? fault_set(f, ERR_LIMIT, "is longer than such a file can be") : OK;
    if (e == OK)
        e = read_through(w, &hash, x->from, x->len, NULL, f);
    if (e == OK && x->kind == CARRY_BUNDLE && hash_cmp(&hash, &x->hash) != 0)
        e = fault_set(f, ERR_HASH, "its hash is not the one in the bundle's list");
    if (e == OK) {
        x->hash = hash;
        e = place_item(w, x, f);
    }
    if (e == OK && x->state == CARRY_NEW)
        e = check_form(x, x->from, w->el, f);
    w->done = before + x->len;
    return e;
}

/* Sizes; what is no regular file is refused. */
static err_t measure(struct work *w, struct fault *f)
{
    for (size_t i = 0; i < w->c->count; i++) {
        struct carry_item *x = &w->c->item[i];
        struct stat st;
        struct fault why;
        if (x->state == CARRY_REFUSED)
            continue;
        int bad = lstat(x->from, &st) != 0, missing = bad && errno == ENOENT;
        if (!bad && S_ISREG(st.st_mode) && st.st_size >= 0) {
            x->len = (uint64_t)st.st_size;
            w->total += x->len <= size_max(x->kind) ? x->len : 0;
            continue;
        }
        err_t e = missing ? ERR_MISSING : bad ? ERR_IO : ERR_FORMAT;
        fault_set(&why, e, missing ? "is in the bundle's list and not here" : "is no file that can be read");
        if (carry_refuse(x, e, &why) != OK)
            return fault_set(f, ERR_MEMORY, "list of files");
    }
    return OK;
}

/* A bundle that differs from the one that is there goes to a folder of its own, whole. */
static err_t place_bundle(struct work *w, struct fault *f)
{
    static const char list[] = CARRY_BUNDLE_DIR "/" BUNDLE_SUMS;
    size_t from = 0;
    int first = 1;
    for (size_t i = 0; i < w->c->count; i++) {
        struct carry_item *end = &w->c->item[i];
        char path[CARRY_PATH], hex[17];
        hash_t there;
        if (end->kind != CARRY_BUNDLE || strcmp(end->name, list) != 0)
            continue;
        TRY(file_path(path, sizeof path, w->to, list));
        int other = !first || (file_hash(&there, path, NULL) == OK && hash_cmp(&there, &end->hash) != 0);
        hex_put(hex, end->hash.b, 8);
        for (size_t k = from; other && k <= i; k++) {
            struct carry_item *x = &w->c->item[k];
            if (x->kind != CARRY_BUNDLE || x->name[0] == '\0')
                continue;
            char name[CARRY_PATH + 32];
            snprintf(name, sizeof name, CARRY_BUNDLE_DIR "-%s%s", hex, x->name + strlen(CARRY_BUNDLE_DIR));
            char *copy = strdup(name);
            if (copy == NULL)
                return fault_set(f, ERR_MEMORY, "list of files");
            free(x->name);
            x->name = copy;
        }
        from = i + 1;
        first = 0;
    }
    return OK;
}

err_t carry_check(struct carry *c, const char *to, const struct bundle_election *el, progress_fn fn,
                  void *ctx, struct fault *f)
{
    struct work w = {.c = c, .to = to, .el = el, .what = "check", .fn = fn, .ctx = ctx};
    if (el->r == NULL)
        return fault_set(f, ERR_MISSING, "there is no ceremony record on the board yet");
    err_t e;
    GO(work_open(&w, f));
    GO(measure(&w, f));
    GO(place_bundle(&w, f));
    GO(carry_place_chains(c, to, el, fn, ctx, f));
    GO(slots_new(&w, f));
    GO(tell(&w, 0));
    for (size_t i = 0; i < c->count; i++) {
        struct fault why;
        fault_clear(&why);
        e = check_item(&w, &c->item[i], &why);
        if (is_fatal(e)) {
            *f = why;
            goto out;
        }
        if (e != OK)
            GO(carry_refuse(&c->item[i], e, &why) == OK ? OK : fault_set(f, ERR_MEMORY, "list of files"));
    }
    e = OK;
out:
    free(w.chunk);
    free(w.slot);
    return e;
}

/* --- copying --- */

static err_t enough_room(const struct work *w, struct fault *f)
{
    uint64_t need = 0;
    struct statvfs v;
    for (size_t i = 0; i < w->c->count; i++)
        if (w->c->item[i].state == CARRY_NEW)
            need += (w->c->item[i].len + BLOCK - 1) / BLOCK * BLOCK;
    if (statvfs(w->to, &v) != 0)
        return fault_set(f, ERR_IO, "%s does not answer: %s", w->to, strerror(errno));
    uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
    if (need > 0 && (v.f_flag & ST_RDONLY) != 0)
        return fault_set(f, ERR_IO, "%s can only be read", w->to);
    if (need > room)
        return fault_set(f, ERR_IO, "%s is too full: %llu KiB are needed, %llu KiB are free", w->to,
                         (unsigned long long)need / 1024, (unsigned long long)room / 1024);
    return OK;
}

static err_t make_folder(const char *path, struct fault *f)
{
    char dir[CARRY_PATH];
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    return file_mkdir(dir, f);
}

/* What arrives must be what was checked: the medium can give something else the second time. */
static err_t copy_item(struct work *w, struct carry_item *x, struct fault *f)
{
    char path[CARRY_PATH];
    struct file_writer out;
    hash_t hash;
    TRY(file_path(path, sizeof path, w->to, x->name));
    TRY(make_folder(path, f));
    TRY(file_writer_open(&out, path, f));
    err_t e = read_through(w, &hash, x->from, x->len, &out, f);
    if (e == OK && hash_cmp(&hash, &x->hash) != 0)
        e = fault_set(f, ERR_HASH, "it has changed since it was checked");
    if (e == OK && (fflush(out.stream) != 0))
        e = fault_set(f, ERR_IO, "cannot write");
    if (e == OK)
        e = check_form(x, out.temp, w->el, f);
    if (e == OK)
        return file_writer_commit(&out, FILE_NEW, f);
    file_writer_abandon(&out);
    return e;
}

static err_t read_back(struct work *w, const struct carry_item *x, struct fault *f)
{
    char path[CARRY_PATH];
    hash_t hash;
    TRY(file_path(path, sizeof path, w->to, x->name));
    forget(path);
    TRY(read_through(w, &hash, path, x->len, NULL, f));
    if (hash_cmp(&hash, &x->hash) == 0)
        return OK;
    fault_set(f, ERR_HASH, "what was read back is not what was written; use another medium");
    return fault_file(f, ERR_HASH, path);
}

static err_t sync_all(const struct work *w, struct fault *f)
{
    int fd = open(w->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int bad = fd < 0 || syncfs(fd) != 0;
    if (fd >= 0)
        close(fd);
    return bad ? fault_set(f, ERR_IO, "%s does not take what is to be written", w->to) : OK;
}

static err_t copy_new(struct work *w, struct carry_report *report, struct fault *f)
{
    for (size_t i = 0; i < w->c->count; i++) {
        struct carry_item *x = &w->c->item[i];
        struct fault why;
        if (x->state != CARRY_NEW)
            continue;
        fault_clear(&why);
        err_t e = carry_chain_has_gap(w->c, x)
                      ? fault_set(&why, ERR_MISSING, "some of its files could not be taken")
                      : copy_item(w, x, &why);
        if (e != OK && e != ERR_EXISTS && err_class(e) == CLASS_SYSTEM) {
            if (f != NULL)
                *f = why;
            return fault_file(f, e, x->from);
        }
        if (e != OK) {
            TRY(carry_refuse(x, e, &why));
            continue;
        }
        report->copied++;
        report->bytes += x->len;
    }
    return sync_all(w, f);
}

err_t carry_copy(struct carry_report *report, struct carry *c, const char *to,
                 const struct bundle_election *el, progress_fn fn, void *ctx, struct fault *f)
{
    struct work w = {.c = c, .to = to, .el = el, .what = "copy", .fn = fn, .ctx = ctx};
    err_t e;
    memset(report, 0, sizeof *report);
    GO(work_open(&w, f));
    GO(make_folder(to, f));
    GO(file_mkdir(to, f));
    GO(enough_room(&w, f));
    for (size_t i = 0; i < c->count; i++)
        w.total += c->item[i].state == CARRY_NEW ? c->item[i].len : 0;
    GO(copy_new(&w, report, f));
    w.what = "compare";
    w.done = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->item[i].state == CARRY_NEW)
            GO(read_back(&w, &c->item[i], f));
out:
    free(w.chunk);
    return e;
}

/* --- afterwards --- */

struct plans {
    const char *to;
    const struct bundle_election *el;
    struct plan *plan[64];
    char name[64][256];
    size_t count;
};

static err_t take_plan(void *ctx, const char *name, struct fault *f)
{
    struct plans *p = ctx;
    char path[CARRY_PATH];
    size_t len = strlen(name);
    if (p->count == 64 || strncmp(name, "plan", 4) != 0 || len < 6 || len >= sizeof p->name[0] ||
        strcmp(name + len - 5, ".cbor") != 0)
        return OK;
    TRY(file_path(path, sizeof path, p->to, name));
    err_t e = plan_load_var(&p->plan[p->count], &p->el->ctx, path, NULL);
    if (e == ERR_MEMORY)
        return fault_set(f, e, "plans");
    if (e == OK)
        snprintf(p->name[p->count++], sizeof p->name[0], "%s", name);
    return OK;
}

static int is_replaced(const struct plans *p, size_t i)
{
    for (size_t k = 0; k < p->count; k++)
        if (p->plan[k]->has_supersedes && hash_cmp(&p->plan[k]->supersedes, &p->plan[i]->id) == 0)
            return 1;
    return 0;
}

err_t carry_newest(char plan[CARRY_PATH], const char *to, const struct bundle_election *el, struct fault *f)
{
    plan[0] = '\0';
    struct plans *p = calloc(1, sizeof *p);
    if (p == NULL)
        return fault_set(f, ERR_MEMORY, "plans");
    p->to = to;
    p->el = el;
    err_t e = file_list(to, take_plan, p, f);
    for (size_t i = 0; e == OK && i < p->count && plan[0] == '\0'; i++)
        if (!is_replaced(p, i))
            e = file_path(plan, CARRY_PATH, to, p->name[i]);
    for (size_t i = 0; i < p->count; i++)
        plan_free(p->plan[i]);
    free(p);
    return e;
}
