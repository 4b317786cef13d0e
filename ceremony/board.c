#include "ceremony/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/board_admit.h"

#define REFUSED_MAX 1000 /* a directory full of rubbish must not fill the memory */

/* --- the set, sorted by id --- */

static size_t position(const struct board *b, const hash_t *id, int *found)
{
    size_t low = 0, high = b->entry_count;
    *found = 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = hash_cmp(&b->entry[mid]->id, id);
        if (c == 0) {
            *found = 1;
            return mid;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Room for one more entry. */
static err_t make_room(struct board *b)
{
    struct entry **p = realloc(b->entry, (b->entry_count + 1) * sizeof *p);
    if (p == NULL)
        return ERR_MEMORY;
    b->entry = p;
    return OK;
}

/* After make_room; an entry of this id is not in the set. */
static void place(struct board *b, struct entry *e)
{
    int found;
    size_t at = position(b, &e->id, &found);
    struct entry **p = b->entry;
    memmove(p + at + 1, p + at, (b->entry_count - at) * sizeof *p);
    p[at] = e;
    b->entry_count++;
}

static err_t insert(struct board *b, struct entry *e, int *taken)
{
    *taken = 0;
    if (board_entry(b, &e->id) != NULL)
        return OK;
    TRY(make_room(b));
    place(b, e);
    *taken = 1;
    return OK;
}

static err_t refuse(struct board *b, const char *file, const struct fault *fault)
{
    if (b->refused_count >= REFUSED_MAX)
        return OK;
    struct refused *p = realloc(b->refused, (b->refused_count + 1) * sizeof *p);
    if (p == NULL)
        return ERR_MEMORY;
    b->refused = p;
    struct refused *r = &p[b->refused_count++];
    snprintf(r->file, sizeof r->file, "%s", file);
    r->fault = *fault;
    return OK;
}

const struct entry *board_entry(const struct board *b, const hash_t *id)
{
    int found;
    size_t at = position(b, id, &found);
    return found ? b->entry[at] : NULL;
}

/* --- reading --- */

struct reading {
    struct board *board;
    const struct board *have; /* previewing a merge: what this board has is known */
    char dir[4096];
    int copy;            /* merging: write what is new into the board */
    struct admit *admit; /* merging: whose entries are taken */
    int who;             /* of a merge: 1: only enrolments and rosters, 2: only the others; 0: all */
    struct merge_report report;
};

static err_t load_entry(struct entry **out, const char *path, const char *name, const hash_t *election,
                        struct fault *f)
{
    uint8_t *data;
    size_t len;
    char right[ENTRY_NAME_SIZE];
    *out = NULL;
    TRY(file_read(&data, &len, path, strncmp(name, "partial.", 8) == 0 ? ENTRY_MAX : ENTRY_SMALL_MAX, f));
    err_t e = entry_parse(out, data, len, election, f);
    if (e != OK)
        return fault_file(f, e, path);
    entry_file_name(right, *out);
    if (strcmp(right, name) != 0) {
        entry_free(*out);
        *out = NULL;
        fault_set(f, ERR_MISMATCH, "the file should be named %s", right);
        return fault_file(f, ERR_MISMATCH, path);
    }
    return OK;
}

/* Memory and the own disk end the reading: what is signed next must not rest on half a board. Anything wrong
 * with a file is noted and passed over, on another's medium also that it cannot be read. */
static int is_fatal(err_t e)
{
    return err_class(e) == CLASS_SYSTEM;
}

static err_t read_one(void *ctx, const char *name, struct fault *f)
{
    struct reading *r = ctx;
    char path[4200];
    struct entry *e = NULL;
    struct fault why;
    fault_clear(&why);
    int taken = 0, who = strncmp(name, "enroll.", 7) == 0 || strncmp(name, "roster.", 7) == 0 ? 1 : 2;
    if (r->who != 0 && r->who != who)
        return OK;
    TRY(file_path(path, sizeof path, r->dir, name));
    err_t err = load_entry(&e, path, name, &r->board->election, &why);
    if (err == OK && r->admit != NULL && board_entry(r->board, &e->id) == NULL &&
        (r->have == NULL || board_entry(r->have, &e->id) == NULL)) {
        err = fault_file(&why, admit_entry(r->admit, e, &why), path);
        if (err != OK)
            entry_free(e);
    }
    if (err != OK) {
        r->report.refused++;
        if (is_fatal(err) && !((r->copy || r->have != NULL) && err == ERR_IO)) {
            if (f != NULL)
                *f = why;
            return err;
        }
        return refuse(r->board, path, &why);
    }
    if (r->have == NULL || board_entry(r->have, &e->id) == NULL)
        err = r->copy ? board_add(r->board, e, &taken, f) : insert(r->board, e, &taken);
    if (!taken)
        entry_free(e);
    if (err != OK)
        return err;
    r->report.added += taken ? 1 : 0;
    r->report.known += taken ? 0 : 1;
    return OK;
}

err_t board_open(struct board **out, const char *dir, const hash_t *election, struct fault *f)
{
    *out = NULL;
    struct reading r = {0};
    struct board *b = calloc(1, sizeof *b);
    if (b == NULL)
        return fault_set(f, ERR_MEMORY, "board");
    b->election = *election;
    r.board = b;
    err_t e = ERR_LIMIT;
    if (snprintf(b->dir, sizeof b->dir, "%s", dir) < (int)sizeof b->dir)
        e = file_path(r.dir, sizeof r.dir, dir, "entries");
    if (e == OK)
        e = file_list(r.dir, read_one, &r, f);
    if (e != OK) {
        board_free(b);
        return fault_file(f, e, dir);
    }
    *out = b;
    return OK;
}

void board_free(struct board *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->entry_count; i++)
        entry_free(b->entry[i]);
    free(b->entry);
    free(b->refused);
    free(b);
}

/* --- writing and merging --- */

/* What is under this name is not what the name says: it is kept for the curious, but not in the way. */
static err_t put_aside(const char *path, struct fault *f)
{
    char aside[4500];
    if (snprintf(aside, sizeof aside, "%s.damaged", path) >= (int)sizeof aside)
        return fault_set(f, ERR_LIMIT, "path too long");
    if (rename(path, aside) == 0)
        return OK;
    fault_set(f, ERR_IO, "a damaged file cannot be put aside");
    return fault_file(f, ERR_IO, path);
}

err_t board_add(struct board *b, struct entry *e, int *taken, struct fault *f)
{
    char dir[4200], path[4400], name[ENTRY_NAME_SIZE];
    struct entry *there;
    *taken = 0;
    if (board_entry(b, &e->id) != NULL)
        return OK;
    TRY(make_room(b)); /* what is written must not be missing in the set */
    TRY(file_path(dir, sizeof dir, b->dir, "entries"));
    TRY(file_mkdir(dir, f));
    entry_file_name(name, e);
    TRY(file_path(path, sizeof path, dir, name));
    /* Another signature over the same message may be there under this name: it is the same entry. */
    err_t err = file_write(path, e->bytes, e->bytes_len, FILE_NEW, f);
    if (err == ERR_EXISTS) {
        err = load_entry(&there, path, name, &b->election, NULL);
        entry_free(there);
        if (is_fatal(err))
            return fault_set(f, err, "board entry");
        if (err != OK) {
            TRY(put_aside(path, f));
            err = file_write(path, e->bytes, e->bytes_len, FILE_NEW, f);
        }
    }
    if (err != OK)
        return err;
    place(b, e);
    *taken = 1;
    return OK;
}

err_t board_admit(struct board *b, struct entry *e, int *taken, struct fault *f)
{
    struct admit admit;
    *taken = 0;
    if (board_entry(b, &e->id) != NULL)
        return OK;
    err_t err = admit_open(&admit, b, NULL, f);
    if (err == OK)
        err = admit_entry(&admit, e, f);
    admit_free(&admit);
    return err == OK ? board_add(b, e, taken, f) : err;
}

static err_t merge_detached(void *ctx, const char *name, struct fault *f)
{
    struct reading *r = ctx;
    char path[4200], hex[2 * HASH_LEN + 1];
    uint8_t *data, *there = NULL;
    size_t len, there_len;
    hash_t hash;
    struct fault why;
    int is_new = 0;
    fault_clear(&why);
    TRY(file_path(path, sizeof path, r->dir, name));
    err_t e = file_read(&data, &len, path, DETACHED_MAX, &why);
    if (e == OK) {
        hash_one(&hash, data, len);
        hex_put(hex, hash.b, HASH_LEN);
        if (strncmp(name, hex, 2 * HASH_LEN) != 0 || strcmp(name + 2 * HASH_LEN, ".bin") != 0) {
            fault_set(&why, ERR_HASH, "a detached ciphertext that does not have the hash in its name");
            e = fault_file(&why, ERR_HASH, path);
        }
        is_new = e == OK && board_detached_get(r->have != NULL ? r->have : r->board, &there, &there_len,
                                               &hash, NULL) != OK;
        if (is_new)
            e = fault_file(&why, admit_detached(r->admit, &why), path);
        if (e != OK)
            free(data);
        free(there);
    }
    if (is_fatal(e) && e != ERR_IO)
        return fault_set(f, e, "detached ciphertext");
    if (e != OK) {
        r->report.refused++;
        return refuse(r->board, path, &why);
    }
    if (is_new && r->have == NULL)
        e = board_detached_put(r->board, &hash, data, len, f);
    r->report.detached += is_new && e == OK ? 1 : 0;
    free(data);
    return e;
}

static err_t read_both(struct reading *r, const char *from, struct merge_report *report, struct fault *f)
{
    const struct board *b = r->have != NULL ? r->have : r->board, *news = r->have != NULL ? r->board : NULL;
    struct admit admit = {0};
    err_t e;
    memset(report, 0, sizeof *report);
    GO(file_is_dir(from, f));
    r->admit = &admit;
    GO(admit_open(&admit, b, NULL, f));
    GO(file_path(r->dir, sizeof r->dir, from, "detached"));
    GO(file_list(r->dir, merge_detached, r, f));
    GO(file_path(r->dir, sizeof r->dir, from, "entries"));
    for (r->who = 1; r->who <= 2;
         r->who++) { /* whose entries the others are may follow from the first ones */
        GO(file_list(r->dir, read_one, r, f));
        admit_free(&admit);
        GO(admit_open(&admit, b, news, f));
    }
out:
    admit_free(&admit);
    r->admit = NULL;
    *report = r->report;
    return fault_file(f, e, from);
}

err_t board_merge(struct board *b, const char *from, struct merge_report *report, struct fault *f)
{
    struct reading r = {.board = b, .copy = 1};
    return read_both(&r, from, report, f);
}

err_t board_merge_preview(struct board **news, const struct board *b, const char *from,
                          struct merge_report *report, struct fault *f)
{
    struct board *n = calloc(1, sizeof *n);
    *news = NULL;
    memset(report, 0, sizeof *report);
    if (n == NULL)
        return fault_set(f, ERR_MEMORY, "board");
    n->election = b->election;
    snprintf(n->dir, sizeof n->dir, "%.4000s", from);
    struct reading r = {.board = n, .have = b};
    err_t e = read_both(&r, from, report, f);
    if (e == OK)
        *news = n;
    else
        board_free(n);
    return e;
}

/* --- looking up --- */

static int matches(const struct entry *e, enum entry_kind kind, const hash_t *ceremony, const point_t *author,
                   const hash_t *subject)
{
    return e->kind == kind && (ceremony == NULL || hash_cmp(&e->ceremony, ceremony) == 0) &&
           (author == NULL || point_equal(&e->author, author)) &&
           (subject == NULL || hash_cmp(&e->subject, subject) == 0);
}

err_t board_find(const struct board *b, const struct entry **out, const struct entry **other,
                 enum entry_kind kind, const hash_t *ceremony, const point_t *author, const hash_t *subject)
{
    *out = NULL;
    if (other != NULL)
        *other = NULL;
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *e = b->entry[i];
        if (!matches(e, kind, ceremony, author, subject))
            continue;
        if (*out == NULL) {
            *out = e;
        } else if (hash_cmp(&(*out)->statement_id, &e->statement_id) != 0) {
            if (other != NULL)
                *other = e;
            return ERR_EQUIVOCATION;
        }
    }
    return OK;
}

/* --- detached ciphertexts --- */

static err_t detached_path(char *out, size_t out_len, const struct board *b, const hash_t *hash)
{
    char dir[4200], name[2 * HASH_LEN + 8];
    TRY(file_path(dir, sizeof dir, b->dir, "detached"));
    hex_put(name, hash->b, HASH_LEN);
    strcat(name, ".bin");
    return file_path(out, out_len, dir, name);
}

err_t board_detached_put(const struct board *b, hash_t *out, const void *data, size_t len, struct fault *f)
{
    char dir[4200], path[4400];
    if (len > DETACHED_MAX)
        return fault_set(f, ERR_LIMIT, "detached ciphertext of %zu bytes", len);
    hash_one(out, data, len);
    TRY(file_path(dir, sizeof dir, b->dir, "detached"));
    TRY(file_mkdir(dir, f));
    TRY(detached_path(path, sizeof path, b, out));
    err_t e = file_write(path, data, len, FILE_NEW, f);
    if (e != ERR_EXISTS)
        return e;
    TRY(put_aside(path, f)); /* other content cannot have this hash */
    return file_write(path, data, len, FILE_NEW, f);
}

err_t board_detached_get(const struct board *b, uint8_t **data, size_t *len, const hash_t *hash,
                         struct fault *f)
{
    char path[4400];
    hash_t have;
    *data = NULL;
    *len = 0;
    TRY(detached_path(path, sizeof path, b, hash));
    TRY(file_read(data, len, path, DETACHED_MAX, f));
    hash_one(&have, *data, *len);
    if (hash_cmp(&have, hash) == 0)
        return OK;
    free(*data);
    *data = NULL;
    *len = 0;
    fault_set(f, ERR_HASH, "a detached ciphertext that does not have the hash that was signed");
    return fault_file(f, ERR_HASH, path);
}
