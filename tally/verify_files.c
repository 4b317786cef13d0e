/* The files of a bundle: which there are, their hashes, manifest, places, the bytes of the record, the
 * anchor. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/array.h"
#include "ceremony/base/file.h"
#include "tally/verify_hashed.h"
#include "tally/verify_piece.h"
#include "ui/words.h"

#define DEPTH_MAX 4
#define PAGE_MAX ((uint64_t)1 << 30)
#define EXPORT_FILE_MAX ((uint64_t)1 << 34)
#define NAMES_MAX ((size_t)1 << 24)

/* --- which files there are --- */

static err_t add_name(struct verify *v, const char *path, int kind)
{
    TRY(array_room(&v->name, v->name_count + 1, &v->name_cap, sizeof *v->name, 64));
    char *copy = strdup(path);
    if (copy == NULL || v->name_count >= NAMES_MAX) {
        free(copy);
        return ERR_MEMORY;
    }
    v->name[v->name_count++] = (struct verify_name){copy, kind};
    return OK;
}

static err_t list_dir(struct verify *v, const char *inside, unsigned depth);

static err_t list_one(struct verify *v, const char *inside, const char *name, unsigned depth)
{
    char path[BUNDLE_PATH_MAX], full[BUNDLE_PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s%s%s", inside, inside[0] ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof path || verify_path(v, full, path) != OK) {
        verify_failf(v, CHECK_FILES, ERR_LIMIT, inside, NULL, "a path is too long");
        return OK;
    }
    if (lstat(full, &st) != 0) {
        verify_failf(v, CHECK_FILES, ERR_IO, path, NULL, "cannot be looked at");
        return OK;
    }
    int kind = S_ISREG(st.st_mode) ? 'f' : S_ISDIR(st.st_mode) ? 'd' : '?';
    TRY(add_name(v, path, kind));
    if (kind == '?')
        verify_failf(v, CHECK_FILES, ERR_FORMAT, path, NULL, "neither a regular file nor a directory");
    return kind == 'd' ? list_dir(v, path, depth + 1) : OK;
}

static err_t list_dir(struct verify *v, const char *inside, unsigned depth)
{
    char full[BUNDLE_PATH_MAX];
    if (depth > DEPTH_MAX) {
        verify_failf(v, CHECK_FILES, ERR_LIMIT, inside, NULL, "directories are nested too deeply");
        return OK;
    }
    DIR *d = verify_path(v, full, inside) == OK ? opendir(inside[0] ? full : v->dir) : NULL;
    if (d == NULL) {
        err_t why = errno == ENOMEM ? ERR_MEMORY : errno == ENOENT ? ERR_MISSING : ERR_IO;
        verify_failf(v, CHECK_FILES, why, inside, NULL, "the directory cannot be read");
        return OK;
    }
    err_t e = OK;
    for (struct dirent *x; e == OK && (x = readdir(d)) != NULL;)
        if (strcmp(x->d_name, ".") != 0 && strcmp(x->d_name, "..") != 0)
            e = list_one(v, inside, x->d_name, depth);
    closedir(d);
    return e;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct verify_name *)a)->path, ((const struct verify_name *)b)->path);
}

int verify_has_file(const struct verify *v, const char *name)
{
    struct verify_name key = {(char *)name, 0}; /* only read */
    if (v->name_count == 0)
        return 0;
    const struct verify_name *x = bsearch(&key, v->name, v->name_count, sizeof key, by_path);
    return x != NULL && x->kind == 'f';
}

/* --- SHA256SUMS --- */

static int is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* No reader takes more of a file of this kind. A file with holes can pretend to any length, and costs
 * nothing. */
static uint64_t size_limit(const char *path)
{
    static const struct {
        const char *name;
        uint64_t max;
    } file[] = {{BUNDLE_MANIFEST, MANIFEST_MAX},
                {BUNDLE_RECORD, RECORD_MAX},
                {BUNDLE_PLAN, PLAN_MAX},
                {BUNDLE_RESULT, RESULT_MAX},
                {BUNDLE_REPORT, PAGE_MAX}};
    for (size_t i = 0; i < sizeof file / sizeof *file; i++)
        if (strcmp(path, file[i].name) == 0)
            return file[i].max;
    if (is_below(path, BUNDLE_ENTRIES))
        return strncmp(path + sizeof BUNDLE_ENTRIES, "partial.", 8) == 0 ? ENTRY_MAX : ENTRY_SMALL_MAX;
    if (is_below(path, BUNDLE_RECORDS))
        return NODE_MAX;
    /* else the places, or what has no place here */
    return is_below(path, BUNDLE_EXPORTS) || is_below(path, BUNDLE_CHAINS) ? EXPORT_FILE_MAX
                                                                           : JURISDICTIONS_MAX;
}

static err_t size_check(const char *full, const char *path, struct fault *f)
{
    struct stat st;
    if (lstat(full, &st) != 0)
        return fault_set(f, ERR_IO, "cannot be looked at");
    if (st.st_size < 0 || (uint64_t)st.st_size > size_limit(path))
        return fault_set(f, ERR_LIMIT, "is longer than such a file can be");
    return OK;
}

/* Files that wait to be hashed, by all threads; what is found is filed in the order of the list. */
#define WAITING 512
#define WAITING_BYTES ((uint64_t)1 << 30) /* as many seconds' work as one can lose */

struct listed {
    const char *path;
    hash_t want;
    err_t err;
    struct stat st;
    int is_new; /* st may be remembered */
};

struct waiting {
    struct verify *v;
    struct verify_hashed *hashed; /* or NULL */
    err_t err;                    /* of the system */
    size_t count;
    uint64_t bytes;
    int is_done; /* some were hashed since the last time that was told */
    struct listed file[WAITING];
};

err_t verify_file_hash(const struct verify *v, hash_t *out, const char *name)
{
    char full[BUNDLE_PATH_MAX];
    struct fault f;
    fault_clear(&f);
    memset(out, 0, sizeof *out);
    TRY(verify_path(v, full, name));
    TRY(size_check(full, name, &f));
    return file_hash(out, full, &f);
}

/* The bytes of a file against the list, unless an earlier run that was stopped has read them as they are now.
 */
static err_t check_bytes(const struct waiting *w, struct listed *x)
{
    char full[BUNDLE_PATH_MAX];
    struct fault f;
    hash_t have;
    int steady;
    if (w->hashed == NULL) {
        TRY(verify_file_hash(w->v, &have, x->path));
        return hash_cmp(&have, &x->want) == 0 ? OK : ERR_HASH;
    }
    fault_clear(&f);
    TRY(verify_path(w->v, full, x->path));
    if (lstat(full, &x->st) == 0 && verify_hashed_has(w->hashed, x->path, &x->want, &x->st))
        return OK;
    TRY(size_check(full, x->path, &f));
    TRY(verify_hashed_read(&have, &x->st, &steady, full, &f));
    if (hash_cmp(&have, &x->want) != 0)
        return ERR_HASH;
    x->is_new = steady;
    return OK;
}

static err_t check_hash(const struct waiting *w, struct listed *x)
{
    const struct verify *v = w->v;
    hash_t have;
    err_t e;
    x->is_new = 0;
    if (v->opt->list_only)
        return OK;
    if (v->opt->parts == NULL || !verify_merge_hash(v, x->path, &e, &have))
        return check_bytes(w, x);
    TRY(e);
    return hash_cmp(&have, &x->want) == 0 ? OK : ERR_HASH;
}

/* What was read is remembered, so that going on needs not read it. */
static err_t remember(struct waiting *w, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct listed *x = &w->file[i];
        if (x->err != OK || !x->is_new)
            continue;
        TRY(verify_hashed_add(w->hashed, x->path, &x->want, &x->st, &w->v->fault));
        n++;
    }
    return n > 0 ? verify_hashed_save(w->hashed, &w->v->fault) : OK;
}

static void hash_waiting(struct waiting *w)
{
    size_t count = w->count;
    w->count = w->bytes = 0;
    w->is_done = 1;
#pragma omp parallel for schedule(dynamic, 1) if (count > 1)
    for (size_t i = 0; i < count; i++)
        w->file[i].err = check_hash(w, &w->file[i]);
    if (w->err == OK && w->hashed != NULL)
        w->err = remember(w, count);
    for (size_t i = 0; i < count; i++) {
        err_t e = w->file[i].err;
        if (e != OK)
            verify_failf(w->v, CHECK_FILES, e, w->file[i].path, NULL,
                         e == ERR_HASH    ? "its hash is not the one in SHA256SUMS"
                         : e == ERR_LIMIT ? "is longer than such a file can be"
                                          : "cannot be read");
    }
}

static uint64_t size_of(const struct verify *v, const char *path)
{
    char full[BUNDLE_PATH_MAX];
    struct stat st;
    return verify_path(v, full, path) == OK && lstat(full, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size
                                                                                       : 0;
}

static int is_unlisted_kind(const struct verify_name *n)
{
    return n->kind != 'f' || strcmp(n->path, BUNDLE_SUMS) == 0;
}

/* One line: hash, two spaces, path. *next: the first name of the bundle not yet compared; both lists are
 * sorted. */
static void check_line(struct waiting *w, char *line, size_t number, size_t *next)
{
    struct verify *v = w->v;
    hash_t want;
    if (strlen(line) < 67 || line[64] != ' ' || line[65] != ' ') {
        hash_waiting(w);
        verify_failf(v, CHECK_FILES, ERR_FORMAT, BUNDLE_SUMS, NULL, "line %zu has not the form of a line",
                     number);
        return;
    }
    line[64] = '\0';
    const char *path = line + 66;
    if (hex_get(want.b, HASH_LEN, line) != OK) {
        hash_waiting(w);
        verify_failf(v, CHECK_FILES, ERR_FORMAT, BUNDLE_SUMS, NULL, "line %zu has no hash", number);
        return;
    }
    for (; *next < v->name_count; ++*next) {
        const struct verify_name *n = &v->name[*next];
        if (is_unlisted_kind(n))
            continue;
        int c = strcmp(n->path, path);
        if (c >= 0)
            break;
        hash_waiting(w);
        verify_failf(v, CHECK_FILES, ERR_UNKNOWN, n->path, NULL, "is not in SHA256SUMS");
    }
    if (*next < v->name_count && strcmp(v->name[*next].path, path) == 0) {
        w->file[w->count].path = v->name[(*next)++].path;
        w->file[w->count].want = want;
        w->bytes += size_of(v, w->file[w->count++].path);
        if (w->count == WAITING || w->bytes >= WAITING_BYTES)
            hash_waiting(w);
    } else {
        hash_waiting(w);
        verify_failf(v, CHECK_FILES, ERR_MISSING, path, NULL,
                     "is in SHA256SUMS and not here, or out of order");
    }
}

static err_t check_lines(struct waiting *w)
{
    struct verify *v = w->v;
    char full[BUNDLE_PATH_MAX];
    uint8_t *data = NULL;
    size_t len = 0, next = 0, number = 0;
    struct fault f;
    fault_clear(&f);
    err_t e = verify_path(v, full, BUNDLE_SUMS);
    if (e == OK)
        e = file_read(&data, &len, full, BUNDLE_SUMS_MAX, &f);
    if (e != OK) {
        verify_failf(v, CHECK_FILES, e, BUNDLE_SUMS, NULL, "cannot be read: %s", f.detail);
        return e == ERR_MEMORY ? e : OK;
    }
    if (len == 0 || data[len - 1] != '\n' || memchr(data, '\0', len) != NULL)
        verify_failf(v, CHECK_FILES, ERR_FORMAT, BUNDLE_SUMS, NULL, "is not lines of text");
    if (v->opt->resume != NULL && !v->opt->list_only) {
        hash_t sums;
        hash_one(&sums, data, len);
        e = verify_hashed_open(&w->hashed, v->opt->resume, &sums, &v->fault);
    }
    char *at = (char *)data, *end = at + strlen(at);
    while (at < end && e == OK) {
        char *stop = strchr(at, '\n');
        if (stop != NULL)
            *stop = '\0';
        check_line(w, at, ++number, &next);
        at = stop != NULL ? stop + 1 : end;
        if (number % 256 == 0 || w->is_done) {
            w->is_done = 0;
            e = verify_tick(v, "hashes", next, v->name_count);
        }
        if (e == OK)
            e = w->err;
    }
    if (e == OK) {
        hash_waiting(w);
        e = w->err;
    }
    verify_hashed_close(w->hashed);
    for (; next < v->name_count; next++)
        if (!is_unlisted_kind(&v->name[next]))
            verify_failf(v, CHECK_FILES, ERR_UNKNOWN, v->name[next].path, NULL, "is not in SHA256SUMS");
    free(data);
    return e;
}

static err_t check_sums(struct verify *v)
{
    struct waiting *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ERR_MEMORY;
    w->v = v;
    err_t e = check_lines(w);
    free(w);
    return e;
}

err_t verify_check_files(struct verify *v, enum verify_id id)
{
    (void)id;
    if (v->opt->parts)
        TRY(verify_merge_start(v));
    TRY(list_dir(v, "", 0));
    if (v->name_count)
        qsort(v->name, v->name_count, sizeof *v->name, by_path);
    return check_sums(v);
}

/* --- manifest and places --- */

err_t verify_check_manifest(struct verify *v, enum verify_id id)
{
    char full[BUNDLE_PATH_MAX];
    struct fault f;
    fault_clear(&f);
    if (verify_path(v, full, BUNDLE_MANIFEST) != OK) {
        verify_failf(v, id, ERR_LIMIT, BUNDLE_MANIFEST, NULL, "the path is too long");
        return OK;
    }
    err_t e = manifest_load(&v->m, full, &f);
    if (e != OK) {
        verify_fail(v, id, &f);
        return e == ERR_MEMORY ? e : OK;
    }
    v->lenient = *v->m;
    v->lenient.same_model_max = v->m->n;
    v->lenient.min_qual = v->m->t;
    snprintf(v->rep->title, sizeof v->rep->title, "%s, %s", v->m->title, v->m->date);
    if (v->m->rehearsal)
        verify_note(v, id, "this is a rehearsal");
    if (v->m->kind == KIND_IMPORT)
        verify_note(v, id, "an import: made of counts that are known; no ballot was encrypted under its key");
    return OK;
}

err_t verify_check_places(struct verify *v, enum verify_id id)
{
    char full[BUNDLE_PATH_MAX];
    struct fault f;
    fault_clear(&f);
    if (v->m == NULL) {
        verify_skip(v, id, "there is no good manifest");
        return OK;
    }
    if (verify_path(v, full, v->m->places_file) != OK) {
        verify_failf(v, id, ERR_LIMIT, v->m->places_file, NULL, "the path is too long");
        return OK;
    }
    err_t e = places_load(&v->places, v->m, full, &f);
    if (e != OK) {
        fault_file(&f, e, v->m->places_file);
        verify_fail(v, id, &f);
    }
    return e == ERR_MEMORY ? e : OK;
}

/* --- the ceremony record and the anchor --- */

static err_t hash_record(struct verify *v)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/record-id");
    cbor_put_bytes(&o, v->record_bytes, v->record_len);
    TRY(cbor_out_hash(&o, &v->record_id));
    v->has_record_id = 1;
    return OK;
}

/* record_parse looks at form, election, numbers and key, transcript, in this order. */
static void file_record_error(struct verify *v, err_t e, const struct fault *f)
{
    if (e == ERR_MISMATCH || e == ERR_QUORUM) {
        verify_fail(v, CHECK_KEY, f);
        verify_skip(v, CHECK_RECORD, "not finished: see ceremony.key");
    } else {
        verify_fail(v, CHECK_RECORD, f);
    }
}

err_t verify_check_record(struct verify *v, enum verify_id id)
{
    char full[BUNDLE_PATH_MAX];
    struct fault f;
    fault_clear(&f);
    err_t e = verify_path(v, full, BUNDLE_RECORD);
    if (e == OK)
        e = file_read(&v->record_bytes, &v->record_len, full, RECORD_MAX, &f);
    if (e != OK) {
        verify_failf(v, id, e, BUNDLE_RECORD, NULL, "cannot be read: %s", f.detail);
        return e == ERR_MEMORY ? e : OK;
    }
    TRY(hash_record(v));
    if (v->m == NULL) {
        verify_skip(v, id, "there is no good manifest");
        return OK;
    }
    e = record_parse(&v->r, v->m, v->record_bytes, v->record_len, &f);
    if (e == ERR_MEMORY)
        return e;
    if (e != OK) {
        fault_file(&f, e, BUNDLE_RECORD);
        file_record_error(v, e, &f);
        return OK;
    }
    v->ctx = (struct election_context){v->m, v->places, v->r};
    return OK;
}

err_t verify_check_anchor(struct verify *v, enum verify_id id)
{
    struct fault f;
    fault_clear(&f);
    if (v->m != NULL && v->has_record_id) {
        record_anchor(&v->rep->fingerprint, &v->m->election, &v->record_id);
        v->rep->has_fingerprint = 1;
    }
    if (v->opt->anchor == NULL)
        verify_skip(v, id,
                    "no --election was given: a bundle by itself proves only that it agrees with itself");
    else if (!v->rep->has_fingerprint)
        verify_skip(v, id, "manifest or ceremony record cannot be read");
    else if (words_anchor_match(&words_en, &v->rep->fingerprint, v->opt->anchor, &f) != OK)
        verify_failf(v, id, f.err, NULL, NULL,
                     "this is another election than the one named with --election: %s", f.detail);
    return OK;
}

/* --- layout --- */

static int ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a > b && strcmp(text + a - b, end) == 0;
}

/* path is DIR/PLACE.suffix; 1 if the place is of this level. */
static int is_place_file(const struct verify *v, const char *name, const char *suffix, size_t level)
{
    char id[TEXT_ID_MAX + 1];
    struct place p;
    size_t len = strlen(name), cut = strlen(suffix);
    if (!ends_with(name, suffix) || len - cut > TEXT_ID_MAX)
        return 0;
    memcpy(id, name, len - cut);
    id[len - cut] = '\0';
    int64_t i = places_find(v->places, id);
    if (i < 0)
        return 0;
    places_get(v->places, (uint32_t)i, &p);
    return p.level == level &&
           (strcmp(suffix, EXPORT_SUFFIX) != 0 || places_chain(v->places, (uint32_t)i) < 0);
}

static int is_record_path(const struct verify *v, const char *path)
{
    for (size_t i = 0; i < v->m->level_count; i++) {
        size_t len = strlen(v->m->level[i]);
        if (strncmp(path, v->m->level[i], len) == 0 && path[len] == '/')
            return is_place_file(v, path + len + 1, ".cbor", i);
    }
    return 0;
}

/* Below chains/: of a chain of the manifest; what is in there is looked at by chain.form, but for hidden
 * names. */
static int is_chain_path(const struct verify *v, const char *path)
{
    char id[TEXT_ID_MAX + 1];
    if (!is_below(path, BUNDLE_CHAINS) || strstr(path, "/.") != NULL)
        return 0;
    const char *name = path + strlen(BUNDLE_CHAINS "/");
    size_t len = strcspn(name, "/");
    if (len > TEXT_ID_MAX)
        return 0;
    memcpy(id, name, len);
    id[len] = '\0';
    return manifest_chain(v->m, id) >= 0;
}

static int is_known_dir(const struct verify *v, const char *path)
{
    if ((strcmp(path, BUNDLE_CHAINS) == 0 && v->m->chain_count > 0) || is_chain_path(v, path))
        return 1;
    if (strcmp(path, BUNDLE_ENTRIES) == 0 || strcmp(path, BUNDLE_EXPORTS) == 0 ||
        strcmp(path, BUNDLE_RECORDS) == 0)
        return 1;
    if (strncmp(path, BUNDLE_RECORDS "/", strlen(BUNDLE_RECORDS) + 1) != 0)
        return 0;
    for (size_t i = 0; i < v->m->level_count; i++)
        if (strcmp(path + strlen(BUNDLE_RECORDS) + 1, v->m->level[i]) == 0)
            return 1;
    return 0;
}

static int is_known_file(const struct verify *v, const char *path)
{
    const char *const fixed[] = {BUNDLE_MANIFEST, BUNDLE_RECORD, BUNDLE_PLAN,      BUNDLE_RESULT,
                                 BUNDLE_REPORT,   BUNDLE_SUMS,   v->m->places_file};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(path, fixed[i]) == 0)
            return 1;
    if (strncmp(path, BUNDLE_ENTRIES "/", 8) == 0)
        return path[8] != '.' && ends_with(path, ".cose"); /* its name is looked at by board.entries */
    if (is_below(path, BUNDLE_CHAINS))
        return is_chain_path(v, path) && strchr(path + strlen(BUNDLE_CHAINS "/"), '/') != NULL;
    if (strncmp(path, BUNDLE_EXPORTS "/", 8) == 0)
        return is_place_file(v, path + 8, EXPORT_SUFFIX, v->m->level_count - 1);
    return strncmp(path, BUNDLE_RECORDS "/", 8) == 0 && is_record_path(v, path + 8);
}

err_t verify_check_layout(struct verify *v, enum verify_id id)
{
    if (v->m == NULL || v->places == NULL) {
        verify_skip(v, id, "there are no good manifest and places");
        return OK;
    }
    for (size_t i = 0; i < v->name_count; i++) {
        const struct verify_name *n = &v->name[i];
        if (n->kind == 'f' ? !is_known_file(v, n->path) : n->kind == 'd' && !is_known_dir(v, n->path))
            verify_failf(v, id, ERR_UNKNOWN, n->path, NULL, "has no place in a bundle of this election");
    }
    return OK;
}
