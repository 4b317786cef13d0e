#include "ceremony/board_admit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/phase.h"

/* --- whose board it is --- */

static void own_name(char out[2 * POINT_LEN + 1], const point_t *author)
{
    hex_put(out, author->b, POINT_LEN);
}

err_t board_own(const struct board *b, const point_t *author, struct fault *f)
{
    char dir[4200], path[4400], name[2 * POINT_LEN + 1];
    TRY(file_path(dir, sizeof dir, b->dir, "own"));
    TRY(file_mkdir(dir, f));
    own_name(name, author);
    TRY(file_path(path, sizeof path, dir, name));
    return file_write(path, "own\n", 4, FILE_REPLACE, f);
}

struct names {
    char (*name)[2 * POINT_LEN + 1];
    size_t count;
};

static err_t own_key(void *ctx, const char *name, struct fault *f)
{
    struct names *n = ctx;
    if (strlen(name) != 2 * POINT_LEN)
        return OK;
    void *more = realloc(n->name, (n->count + 1) * sizeof *n->name);
    if (more == NULL)
        return fault_set(f, ERR_MEMORY, "board");
    n->name = more;
    memcpy(n->name[n->count++], name, 2 * POINT_LEN + 1);
    return OK;
}

static int is_own(const struct names *n, const point_t *author)
{
    char name[2 * POINT_LEN + 1];
    own_name(name, author);
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->name[i], name) == 0)
            return 1;
    return 0;
}

/* --- whose entries it takes --- */

static int is_known(const struct admit *a, const point_t *author)
{
    for (size_t i = 0; i < a->known_count; i++)
        if (point_equal(&a->known[i], author))
            return 1;
    return 0;
}

static err_t know(struct admit *a, const point_t *author, struct fault *f)
{
    if (is_known(a, author))
        return OK;
    point_t *more = realloc(a->known, (a->known_count + 1) * sizeof *more);
    if (more == NULL)
        return fault_set(f, ERR_MEMORY, "board");
    a->known = more;
    a->known[a->known_count++] = *author;
    return OK;
}

/* What the board has, and what a merge that is only looked at would add. */
struct sets {
    const struct board *board[2];
};

static const struct entry *find(const struct sets *s, const hash_t *id)
{
    const struct entry *e = board_entry(s->board[0], id);
    return e == NULL && s->board[1] != NULL ? board_entry(s->board[1], id) : e;
}

static int signed_roster(const struct sets *s, const point_t *author, const struct entry *roster)
{
    for (size_t k = 0; k < 2 && s->board[k] != NULL; k++)
        for (size_t i = 0; i < s->board[k]->entry_count; i++) {
            const struct entry *e = s->board[k]->entry[i];
            if (e->kind == ENTRY_ROSTER && point_equal(&e->author, author) &&
                e->statement_len == roster->statement_len &&
                memcmp(e->statement, roster->statement, e->statement_len) == 0)
                return 1;
        }
    return 0;
}

/* A roster counts if the owner of the board signed it; on a board of nobody, if everybody in it did. One that
 * cannot be read, or whose enrolments are not here, does not. */
static err_t know_roster(struct admit *a, const struct sets *s, const struct names *own,
                         const struct entry *e, struct fault *f)
{
    hash_t id[TRUSTEES_MAX];
    size_t count;
    if (own->count > 0 && !is_own(own, &e->author))
        return OK;
    err_t err = roster_ids(id, &count, e, NULL);
    if (err != OK)
        return err_class(err) == CLASS_SYSTEM ? fault_set(f, err, "board") : OK;
    for (size_t i = 0; i < count; i++) {
        const struct entry *x = find(s, &id[i]);
        if (x == NULL || (own->count == 0 && !signed_roster(s, &x->author, e)))
            return OK;
    }
    for (size_t i = 0; i < count; i++)
        TRY(know(a, &find(s, &id[i])->author, f));
    a->has_roster = own->count > 0;
    return OK;
}

static void count_strange(struct admit *a, const struct entry *e)
{
    a->strange_count++;
    a->strange_bytes += e->bytes_len;
}

static err_t count_detached(void *ctx, const char *name, struct fault *f)
{
    struct admit *a = ctx;
    (void)name;
    (void)f;
    a->detached_count++;
    return OK;
}

err_t admit_open(struct admit *a, const struct board *b, const struct board *news, struct fault *f)
{
    char dir[4200];
    struct names own = {0};
    const struct sets s = {{b, news}};
    err_t e;
    memset(a, 0, sizeof *a);
    GO(file_path(dir, sizeof dir, b->dir, "own"));
    GO(file_list(dir, own_key, &own, f));
    for (size_t k = 0; k < 2 && s.board[k] != NULL; k++)
        for (size_t i = 0; i < s.board[k]->entry_count; i++)
            if (s.board[k]->entry[i]->kind == ENTRY_ROSTER)
                GO(know_roster(a, &s, &own, s.board[k]->entry[i], f));
    for (size_t k = 0; k < 2 && s.board[k] != NULL; k++)
        for (size_t i = 0; i < s.board[k]->entry_count; i++)
            if (!is_known(a, &s.board[k]->entry[i]->author))
                count_strange(a, s.board[k]->entry[i]);
    GO(file_path(dir, sizeof dir, b->dir, "detached"));
    GO(file_list(dir, count_detached, a, f));
out:
    free(own.name);
    return e;
}

void admit_free(struct admit *a)
{
    free(a->known);
    memset(a, 0, sizeof *a);
}

err_t admit_entry(struct admit *a, const struct entry *e, struct fault *f)
{
    if (is_known(a, &e->author))
        return OK;
    if (a->has_roster && e->kind != ENTRY_ENROLL)
        return fault_set(f, ERR_UNKNOWN, "its author has no seat in the roster that was signed here");
    if (a->strange_count >= BOARD_STRANGE_MAX || e->bytes_len > BOARD_STRANGE_BYTES - a->strange_bytes ||
        a->strange_bytes > BOARD_STRANGE_BYTES)
        return fault_set(f, ERR_LIMIT, "there are too many entries here by people without a seat");
    count_strange(a, e);
    return OK;
}

err_t admit_detached(struct admit *a, struct fault *f)
{
    if (a->detached_count >= BOARD_DETACHED_MAX)
        return fault_set(f, ERR_LIMIT, "there are too many detached ciphertexts here");
    a->detached_count++;
    return OK;
}
