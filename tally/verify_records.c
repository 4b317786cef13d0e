/* Records and exports: all exports, then one walk over all places, children before their parent. What is
 * found is filed under the check that it belongs to; the checks that follow only say what could not be looked
 * at. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/id_sort.h"
#include "tally/verify_chain.h"
#include "tally/verify_piece.h"
#include "tally/verify_state.h"

/* --- the index of ballot ids --- */

static err_t open_index(struct verify *v)
{
    static const char schema[] =
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16384;"
        "CREATE TABLE seen(id BLOB, place INTEGER, PRIMARY KEY(id, place)) WITHOUT ROWID;"
        "CREATE TABLE dropped(id BLOB, place INTEGER, PRIMARY KEY(id, place)) WITHOUT ROWID;"
        "BEGIN";
    if (sqlite3_open("", &v->index) != SQLITE_OK ||
        sqlite3_exec(v->index, schema, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(v->index, "INSERT OR IGNORE INTO seen VALUES(?1, ?2)", -1, &v->put_seen, NULL) !=
            SQLITE_OK ||
        sqlite3_prepare_v2(v->index, "INSERT INTO dropped VALUES(?1, ?2)", -1, &v->put_dropped, NULL) !=
            SQLITE_OK)
        return ERR_IO;
    return OK;
}

err_t verify_seen(struct verify *v, const hash_t *id, uint32_t place)
{
    sqlite3_bind_blob(v->put_seen, 1, id->b, HASH_LEN, SQLITE_STATIC);
    sqlite3_bind_int64(v->put_seen, 2, place);
    int rc = sqlite3_step(v->put_seen);
    sqlite3_reset(v->put_seen);
    return rc == SQLITE_DONE ? OK : ERR_IO;
}

static err_t put_copy(void *ctx, const struct id_copy *copy, int first, struct fault *f)
{
    (void)first;
    (void)f;
    return verify_seen(ctx, &copy->id, copy->source);
}

static err_t put_part_copy(void *ctx, const hash_t *id, uint32_t place)
{
    return verify_seen(ctx, id, place);
}

static err_t put_dropped(struct verify *v, const struct node *n)
{
    for (size_t i = 0; i < n->dropped_count; i++) {
        sqlite3_bind_blob(v->put_dropped, 1, n->dropped[i].b, HASH_LEN, SQLITE_STATIC);
        sqlite3_bind_int64(v->put_dropped, 2, n->place);
        int rc = sqlite3_step(v->put_dropped);
        sqlite3_reset(v->put_dropped);
        if (rc != SQLITE_DONE)
            return ERR_IO;
    }
    return OK;
}

/* --- the walk --- */

static void record_name(const struct verify *v, uint32_t place, char out[512])
{
    if (node_path(out, 512, &v->ctx, BUNDLE_RECORDS, place) != OK)
        out[0] = '\0';
}

static err_t read_record(struct verify *v, uint32_t place, struct node **out, hash_t *hash)
{
    char name[512], path[BUNDLE_PATH_MAX];
    uint8_t *data = NULL;
    size_t len;
    struct fault f;
    *out = NULL;
    fault_clear(&f);
    record_name(v, place, name);
    err_t e = verify_path(v, path, name);
    if (e == OK)
        e = file_read(&data, &len, path, NODE_MAX, &f);
    if (e == OK)
        e = node_parse_var(out, &v->ctx, place, data, len, &f);
    if (e == OK)
        e = node_hash(hash, data, len);
    free(data);
    if (e == ERR_MEMORY)
        return e;
    if (e != OK) {
        if (f.err == OK)
            fault_set(&f, e, "cannot be read");
        fault_file(&f, e, name);
        verify_fail(v, CHECK_R_FORM, &f);
        v->bad_records++;
    }
    return OK;
}

static void check_children(struct verify *v, const struct node *n, const struct node *sum)
{
    char name[512];
    struct place p, c;
    uint32_t contest;
    places_get(v->places, n->place, &p);
    record_name(v, n->place, name);
    for (size_t i = 0; i < sum->source_count && n->source_count == sum->source_count; i++) {
        places_get(v->places, sum->source[i].place, &c);
        if (hash_cmp(&n->source[i].hash, &sum->source[i].hash) != 0)
            verify_failf(v, CHECK_R_SOURCES, ERR_HASH, name, p.id,
                         "names another record of %s than the one here", c.id);
    }
    if (n->missing_count != sum->missing_count ||
        (sum->missing_count &&
         memcmp(n->missing, sum->missing, sum->missing_count * sizeof *sum->missing) != 0))
        verify_failf(v, CHECK_R_MISSING, ERR_MISMATCH, name, p.id,
                     "the missing places are not those of its children");
    if (n->ballots != sum->ballots)
        verify_failf(v, CHECK_R_SUMS, ERR_SUM, name, p.id, "%llu ballots, but its children have %llu",
                     (unsigned long long)n->ballots, (unsigned long long)sum->ballots);
    if (!tallies_equal_var(n->tallies, sum->tallies, &contest))
        verify_failf(v, CHECK_R_SUMS, ERR_SUM, name, p.id, "contest %s is not the sum of its children",
                     v->m->contest[contest].id);
}

static err_t visit_lowest(struct verify *v, uint32_t place, const struct node *n)
{
    char file[TEXT_ID_MAX + 32], name[512];
    struct place p;
    places_get(v->places, place, &p);
    record_name(v, place, name);
    snprintf(file, sizeof file, BUNDLE_EXPORTS "/%s" EXPORT_SUFFIX, p.id);
    int here = verify_has_file(v, file), missing = n != NULL && n->source_count == 0;
    if (n != NULL)
        TRY(put_dropped(v, n));
    if (places_chain(v->places, place) >= 0)
        return verify_chain_place(v, place, n);
    v->missing_count += missing ? 1 : 0;
    if (missing && here)
        verify_failf(v, CHECK_R_MISSING, ERR_MISMATCH, name, p.id,
                     "is stated as missing, and its export is here");
    if (n != NULL && !missing && !here) {
        verify_failf(v, CHECK_R_MISSING, ERR_MISSING, file, p.id,
                     "the export that the record counts is not here");
        v->unread_exports++;
    }
    return OK;
}

static err_t walk(struct verify *v, uint32_t place, struct node **out, hash_t *hash)
{
    struct node *n = NULL, *sum = NULL;
    struct place p;
    int whole = 1;
    err_t e;
    *out = NULL;
    memset(hash, 0, sizeof *hash);
    GO(read_record(v, place, &n, hash));
    places_get(v->places, place, &p);
    if (p.level + 1 == v->m->level_count)
        GO(visit_lowest(v, place, n));
    GO(node_new(&sum, &v->ctx, place));
    for (int64_t c = places_first_child(v->places, place); c >= 0;
         c = places_next_sibling(v->places, (uint32_t)c)) {
        struct node *child;
        hash_t h;
        GO(walk(v, (uint32_t)c, &child, &h));
        e = child ? node_add(sum, &v->ctx, child, &h) : OK;
        whole = whole && child != NULL;
        node_free(child);
        if (e == ERR_SUM) { /* numbers no election has: the parent cannot be right */
            verify_failf(v, CHECK_R_SUMS, e, NULL, p.id,
                         "the numbers of its children are too large to add up");
            whole = 0;
            e = OK;
        }
        if (e != OK)
            goto out;
    }
    if (n != NULL && whole && p.level + 1 < v->m->level_count)
        check_children(v, n, sum);
    *out = n;
    n = NULL;
out:
    node_free(n);
    node_free(sum);
    return e;
}

err_t verify_check_walk(struct verify *v, enum verify_id id)
{
    hash_t root;
    if (v->r == NULL || v->places == NULL) {
        verify_skip(v, id, "there are no good manifest, places and ceremony record");
        return OK;
    }
    for (size_t i = 0; i < v->name_count; i++)
        v->export_count += strncmp(v->name[i].path, BUNDLE_EXPORTS "/", 8) == 0;
    TRY(open_index(v));
    TRY(verify_exports(v));
    TRY(verify_chains(v));
    if (v->opt->parts) /* whatever else is found: ids that are twice in a chain are only seen here */
        TRY(verify_merge_ids(v, put_part_copy, v));
    TRY(walk(v, 0, &v->whole, &root));
    v->walked = 1;
    if (v->export_count == 0 && v->chain_count == 0)
        verify_failf(v, CHECK_SIGNED, ERR_MISSING, BUNDLE_EXPORTS, NULL, "there are no exports");
    return OK;
}

/* --- what the walk could not look at --- */

err_t verify_check_exports(struct verify *v, enum verify_id id)
{
    if (!v->walked)
        verify_skip(v, id, "the exports cannot be read without manifest, places and ceremony record");
    else if (id != CHECK_SIGNED && v->bad_exports)
        verify_skip(v, id, "%zu exports are not signed as they must be; their items were not looked at",
                    v->bad_exports);
    else if (v->unread_exports && (id == CHECK_IDS || id == CHECK_TALLY || id == CHECK_ORDER))
        verify_skip(v, id, "%zu exports have items that cannot be read", v->unread_exports);
    if (id == CHECK_BALLOTS && v->walked)
        verify_note(v, id, "%llu %s of %zu exports", (unsigned long long)v->items,
                    v->m->kind == KIND_IMPORT ? "counts" : "ballots", v->export_count);
    return OK;
}

err_t verify_check_records(struct verify *v, enum verify_id id)
{
    if (!v->walked)
        verify_skip(v, id, "the records cannot be read without manifest, places and ceremony record");
    else if (v->bad_records)
        verify_skip(v, id, "%zu records are not well formed", v->bad_records);
    else if (v->bad_exports && id != CHECK_R_MISSING)
        verify_skip(v, id, "%zu exports cannot be read", v->bad_exports);
    else if (v->unread_exports && id == CHECK_R_SUMS)
        verify_skip(v, id, "%zu exports have items that cannot be read", v->unread_exports);
    if (id == CHECK_R_MISSING && v->missing_count)
        verify_note(v, id, "%zu places are missing, and stated as missing", v->missing_count);
    return OK;
}

static err_t report_ids(struct verify *v, const char *sql, const char *detail)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(v->index, sql, -1, &s, NULL) != SQLITE_OK)
        return ERR_IO;
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        char hex[2 * HASH_LEN + 1] = "", name[512];
        struct place p;
        uint32_t place = (uint32_t)sqlite3_column_int64(s, 1);
        if (sqlite3_column_bytes(s, 0) == HASH_LEN)
            hex_put(hex, sqlite3_column_blob(s, 0), HASH_LEN);
        places_get(v->places, place, &p);
        record_name(v, place, name);
        verify_failf(v, CHECK_R_DROPPED, ERR_DUPLICATE, name, p.id, "ballot %.16s: %s", hex, detail);
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? OK : ERR_IO;
}

err_t verify_check_dropped(struct verify *v, enum verify_id id)
{
    sqlite3_stmt *s;
    TRY(verify_check_records(v, id));
    if (!v->walked || v->bad_records || v->bad_exports || v->unread_exports || v->unlooked_exports) {
        verify_skip(v, id, "not all records and exports could be read");
        return OK;
    }
    if (v->ids)
        TRY(id_sort_finish(v->ids, put_copy, v, &v->fault));
    const char *other = v->m->duplicates == DUPLICATE_FIRST ? "<" : "<>";
    char extra[512], kept[512];
    snprintf(kept, sizeof kept,
             "SELECT id, place FROM seen s WHERE EXISTS(SELECT 1 FROM seen o WHERE o.id = s.id AND o.place "
             "%s s.place) "
             "AND NOT EXISTS(SELECT 1 FROM dropped d WHERE d.id = s.id AND d.place = s.place)",
             other);
    snprintf(extra, sizeof extra,
             "SELECT id, place FROM dropped d WHERE EXISTS(SELECT 1 FROM seen s WHERE s.id = d.id AND "
             "s.place = d.place) "
             "AND NOT EXISTS(SELECT 1 FROM seen o WHERE o.id = d.id AND o.place %s d.place)",
             other);
    TRY(report_ids(v, kept, "is in another export or chain too, and this copy must not count"));
    TRY(report_ids(v, extra, "is left out, and must count"));
    if (sqlite3_prepare_v2(v->index, "SELECT count(*) FROM dropped", -1, &s, NULL) != SQLITE_OK)
        return ERR_IO;
    if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int64(s, 0) > 0)
        verify_note(v, id, "%lld copies of ballots are left out by the manifest's rule",
                    (long long)sqlite3_column_int64(s, 0));
    sqlite3_finalize(s);
    return OK;
}
