#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "tally/export_form.h"

#define IN_MEMORY_MAX 65536

/* Open addressing; ids are hashes, so their first bytes are as good as a hash. An export made to be slow
 * costs its author 2^k hashes for each k equal bits. */
struct id_set {
    hash_t *slot;
    uint8_t *used;
    size_t mask;
    sqlite3 *db; /* when there are many: a private temporary file */
    sqlite3_stmt *insert;
};

void id_set_free(struct id_set *s)
{
    if (!s)
        return;
    sqlite3_finalize(s->insert);
    sqlite3_close(s->db);
    free(s->slot);
    free(s->used);
    free(s);
}

static err_t open_file(struct id_set *s)
{
    if (sqlite3_open("", &s->db) != SQLITE_OK ||
        sqlite3_exec(s->db,
                     "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8192;"
                     "CREATE TABLE seen(id BLOB PRIMARY KEY) WITHOUT ROWID; BEGIN",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(s->db, "INSERT INTO seen VALUES(?)", -1, &s->insert, NULL) != SQLITE_OK)
        return ERR_IO;
    return OK;
}

err_t id_set_new(struct id_set **out, uint64_t expected)
{
    *out = NULL;
    struct id_set *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_MEMORY;
    err_t e = OK;
    if (expected > IN_MEMORY_MAX) {
        e = open_file(s);
    } else {
        size_t slots = 4;
        while (slots < 2 * expected)
            slots *= 2;
        s->mask = slots - 1;
        s->slot = malloc(slots * sizeof *s->slot);
        s->used = calloc(slots, 1);
        e = s->slot && s->used ? OK : ERR_MEMORY;
    }
    if (e != OK) {
        id_set_free(s);
        return e;
    }
    *out = s;
    return OK;
}

static err_t add_file(struct id_set *s, const hash_t *id)
{
    sqlite3_bind_blob(s->insert, 1, id->b, HASH_LEN, SQLITE_STATIC);
    int r = sqlite3_step(s->insert);
    sqlite3_reset(s->insert);
    return r == SQLITE_DONE ? OK : r == SQLITE_CONSTRAINT ? ERR_DUPLICATE : ERR_IO;
}

err_t id_set_add(struct id_set *s, const hash_t *id)
{
    if (s->db)
        return add_file(s, id);
    uint64_t h;
    memcpy(&h, id->b, sizeof h);
    size_t i = (size_t)h & s->mask;
    for (size_t tries = 0; tries <= s->mask; tries++, i = (i + 1) & s->mask) {
        if (!s->used[i]) {
            s->slot[i] = *id;
            s->used[i] = 1;
            return OK;
        }
        if (hash_cmp(&s->slot[i], id) == 0)
            return ERR_DUPLICATE;
    }
    return ERR_MEMORY;
}
