/* jurisdictions.csv: the tree of places. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/csv.h"
#include "ceremony/manifest_chains.h"
#include "ceremony/math/p256_var.h"
#include "ceremony/names.h"

#define NONE UINT32_MAX

enum column { COL_PLACE, COL_LEVEL, COL_PARENT, COL_TITLE, COL_STYLES, COL_GROUP, COL_KEY, COLUMNS };

static const char *const column_name[COLUMNS] = {"place",  "level", "parent", "title",
                                                 "styles", "group", "key"};

/* Links are indexes of rows, NONE at the end. */
struct row {
    uint32_t parent, first_child, next_sibling;
    uint32_t title;      /* in text */
    uint32_t group, key; /* numbers, NONE */
    uint32_t style;      /* first one in styles (lowest level); number of the set (above) */
    uint16_t style_count;
    uint8_t level;
    uint8_t chain; /* 1 + index, 0: none */
};

struct places {
    const struct manifest *m;
    struct names *ids, *groups;
    uint32_t count, cap;
    struct row *row;
    char *text;
    size_t text_len, text_cap;
    uint32_t *styles;
    size_t styles_len, styles_cap;
    pubkey_t *key;
    size_t key_count, key_cap;
    uint64_t *set; /* contests below each place above the lowest level: set_words words each */
    size_t set_words;
    uint32_t **chain_place; /* for each chain of the manifest the rows of its places */
};

_Static_assert(CHAINS_MAX < 256, "a row keeps its chain in a byte");

struct load {
    struct places *p;
    struct names *keys;     /* hex */
    uint32_t *group_parent; /* by number of group */
    size_t group_cap;
    uint32_t *last_child; /* by row */
    size_t last_cap;
    int header;
};

/* Room for one more element of *items. */
static err_t room(void *items, size_t *cap, size_t count, size_t size)
{
    if (count < *cap)
        return OK;
    size_t more = *cap + *cap / 2 + 64;
    void *grown = realloc(*(void **)items, more * size);
    if (grown == NULL)
        return ERR_MEMORY;
    *(void **)items = grown;
    *cap = more;
    return OK;
}

static err_t bad(struct fault *f, err_t e, const struct csv_row *r, enum column c, const char *what)
{
    return csv_fault(f, e, r->line, "%s: %s", column_name[c], what);
}

static err_t need_id(const struct csv_row *r, enum column c, struct fault *f)
{
    return text_is_id(r->cell[c].text, r->cell[c].len) ? OK : bad(f, ERR_TEXT, r, c, "must be an identifier");
}

static err_t read_level(struct row *row, const struct places *p, const struct csv_row *r, struct fault *f)
{
    for (size_t i = 0; i < p->m->level_count; i++)
        if (strcmp(p->m->level[i], r->cell[COL_LEVEL].text) == 0) {
            row->level = (uint8_t)i;
            return OK;
        }
    return bad(f, ERR_UNKNOWN, r, COL_LEVEL, "there is no such level in the manifest");
}

static err_t read_parent(struct row *row, const struct places *p, const struct csv_row *r, struct fault *f)
{
    const struct csv_cell *c = &r->cell[COL_PARENT];
    row->parent = NONE;
    if (c->len == 0) {
        if (p->count > 0)
            return bad(f, ERR_DUPLICATE, r, COL_PARENT, "only the first place, the whole, has no parent");
        return row->level == 0 ? OK : bad(f, ERR_RULE, r, COL_LEVEL, "the whole must be of the first level");
    }
    int64_t parent = names_find(p->ids, c->text, c->len);
    if (parent < 0)
        return bad(f, ERR_UNKNOWN, r, COL_PARENT, "there is no such place above this line");
    if (p->row[parent].level + 1 != row->level)
        return bad(f, ERR_RULE, r, COL_PARENT, "the parent must be of the next higher level");
    row->parent = (uint32_t)parent;
    return OK;
}

static err_t read_title(struct row *row, struct places *p, const struct csv_row *r, struct fault *f)
{
    const struct csv_cell *c = &r->cell[COL_TITLE];
    if (c->len < 1 || c->len > TEXT_TITLE_MAX)
        return bad(f, ERR_LIMIT, r, COL_TITLE, "must have 1 to 200 bytes");
    err_t e = text_check(c->text, c->len);
    if (e != OK)
        return bad(f, e, r, COL_TITLE, "characters that cannot be shown, or not in NFC");
    if (p->text_len + c->len + 1 > p->text_cap) {
        size_t cap = (p->text_len + c->len + 1) * 3 / 2 + 256;
        char *text = realloc(p->text, cap);
        if (text == NULL)
            return fault_set(f, ERR_MEMORY, "places");
        p->text = text;
        p->text_cap = cap;
    }
    row->title = (uint32_t)p->text_len;
    memcpy(p->text + p->text_len, c->text, c->len + 1);
    p->text_len += c->len + 1;
    return OK;
}

static err_t add_style(struct row *row, struct places *p, const char *id, const struct csv_row *r,
                       struct fault *f)
{
    int style = manifest_style(p->m, id);
    if (style < 0)
        return bad(f, ERR_UNKNOWN, r, COL_STYLES, "there is no such style in the manifest");
    for (size_t i = row->style; i < p->styles_len; i++)
        if (p->styles[i] == (uint32_t)style)
            return bad(f, ERR_DUPLICATE, r, COL_STYLES, "the same style twice");
    err_t e = room(&p->styles, &p->styles_cap, p->styles_len, sizeof *p->styles);
    if (e != OK)
        return fault_set(f, e, "places");
    p->styles[p->styles_len++] = (uint32_t)style;
    row->style_count++;
    return OK;
}

static err_t read_styles(struct row *row, struct places *p, const struct csv_row *r, struct fault *f)
{
    const struct csv_cell *c = &r->cell[COL_STYLES];
    int lowest = row->level + 1u == p->m->level_count;
    if (!lowest)
        return c->len == 0 ? OK
                           : bad(f, ERR_RULE, r, COL_STYLES, "only places of the lowest level have styles");
    if (c->len == 0)
        return bad(f, ERR_MISSING, r, COL_STYLES, "a place of the lowest level needs a style");
    row->style = (uint32_t)p->styles_len;
    for (const char *s = c->text;;) {
        size_t len = strcspn(s, " ");
        char id[TEXT_ID_MAX + 1];
        if (!text_is_id(s, len))
            return bad(f, ERR_TEXT, r, COL_STYLES, "must be identifiers with one space between them");
        memcpy(id, s, len);
        id[len] = '\0';
        TRY(add_style(row, p, id, r, f));
        if (s[len] == '\0')
            return OK;
        s += len + 1;
    }
}

static err_t read_group(struct row *row, struct load *l, const struct csv_row *r, struct fault *f)
{
    const struct csv_cell *c = &r->cell[COL_GROUP];
    row->group = NONE;
    if (c->len == 0)
        return OK;
    TRY(need_id(r, COL_GROUP, f));
    if (row->parent == NONE)
        return bad(f, ERR_RULE, r, COL_GROUP, "the whole cannot be in a group");
    int added;
    err_t e = names_add(l->p->groups, &row->group, &added, c->text, c->len);
    if (e == OK)
        e = room(&l->group_parent, &l->group_cap, row->group, sizeof *l->group_parent);
    if (e != OK)
        return fault_set(f, e, "places");
    if (added)
        l->group_parent[row->group] = row->parent;
    if (l->group_parent[row->group] != row->parent)
        return bad(f, ERR_CONFLICT, r, COL_GROUP, "the places of a group must have one parent");
    return OK;
}

static err_t read_key(struct row *row, struct load *l, const struct csv_row *r, struct fault *f)
{
    const struct csv_cell *c = &r->cell[COL_KEY];
    struct places *p = l->p;
    if (c->len == 0) {
        row->key = row->parent == NONE ? NONE : p->row[row->parent].key;
        return OK;
    }
    pubkey_t key;
    struct p256_affine point;
    if (hex_get(key.b, sizeof key.b, c->text) != OK)
        return bad(f, ERR_FORMAT, r, COL_KEY, "must be 66 hex digits in lower case");
    int added;
    err_t e = names_add(l->keys, &row->key, &added, c->text, c->len);
    if (e != OK)
        return fault_set(f, e, "places");
    if (!added)
        return OK;
    if (p256_decompress_var(&point, &key) != OK)
        return bad(f, ERR_POINT, r, COL_KEY, "not a public key on P-256");
    e = room(&p->key, &p->key_cap, p->key_count, sizeof *p->key);
    if (e != OK)
        return fault_set(f, e, "places");
    p->key[p->key_count++] = key;
    return OK;
}

static err_t add_row(struct load *l, const struct row *row, const struct csv_row *r, struct fault *f)
{
    struct places *p = l->p;
    uint32_t index;
    int added;
    size_t cap = p->cap;
    err_t e = names_add(p->ids, &index, &added, r->cell[COL_PLACE].text, r->cell[COL_PLACE].len);
    if (e == OK && !added)
        return bad(f, ERR_DUPLICATE, r, COL_PLACE, "this identifier is here twice");
    if (e == OK)
        e = room(&p->row, &cap, p->count, sizeof *p->row);
    p->cap = (uint32_t)cap;
    if (e == OK)
        e = room(&l->last_child, &l->last_cap, p->count, sizeof *l->last_child);
    if (e != OK)
        return fault_set(f, e, "places");
    p->row[index] = *row;
    l->last_child[index] = NONE;
    p->count++;
    if (row->parent == NONE)
        return OK;
    uint32_t last = l->last_child[row->parent];
    *(last == NONE ? &p->row[row->parent].first_child : &p->row[last].next_sibling) = index;
    l->last_child[row->parent] = index;
    return OK;
}

static err_t read_header(const struct csv_row *r, struct fault *f)
{
    int same = r->count == COLUMNS;
    for (size_t i = 0; same && i < COLUMNS; i++)
        same = strcmp(r->cell[i].text, column_name[i]) == 0;
    return same ? OK
                : csv_fault(f, ERR_FORMAT, r->line,
                            "the columns must be place,level,parent,title,styles,group,key");
}

static err_t on_row(void *ctx, const struct csv_row *r, struct fault *f)
{
    struct load *l = ctx;
    struct places *p = l->p;
    if (!l->header) {
        l->header = 1;
        return read_header(r, f);
    }
    if (p->count == PLACES_MAX)
        return csv_fault(f, ERR_LIMIT, r->line, "more than %d places", PLACES_MAX);
    struct row row = {.first_child = NONE, .next_sibling = NONE};
    TRY(need_id(r, COL_PLACE, f));
    TRY(read_level(&row, p, r, f));
    TRY(read_parent(&row, p, r, f));
    TRY(read_title(&row, p, r, f));
    TRY(read_styles(&row, p, r, f));
    TRY(read_group(&row, l, r, f));
    TRY(read_key(&row, l, r, f));
    return add_row(l, &row, r, f);
}

/* A unit of the plan is named by a place or a group: they must differ. */
static err_t check_groups(const struct places *p, struct fault *f)
{
    for (uint32_t i = 0; i < names_count(p->groups); i++) {
        const char *name = names_get(p->groups, i);
        if (names_find(p->ids, name, strlen(name)) >= 0)
            return fault_set(f, ERR_DUPLICATE, "the group %s has the name of a place", name);
    }
    return OK;
}

static int is_lowest(const struct places *p, uint32_t i)
{
    return p->row[i].level + 1u == p->m->level_count;
}

static err_t check_tree(struct places *p, struct fault *f)
{
    if (p->count == 0)
        return fault_set(f, ERR_MISSING, "there are no places");
    for (uint32_t i = 0; i < p->count; i++)
        if (!is_lowest(p, i) && p->row[i].first_child == NONE)
            return fault_set(f, ERR_MISSING, "the place %s has no places below it", names_get(p->ids, i));
    return check_groups(p, f);
}

static int style_has(const struct style *s, uint32_t contest)
{
    size_t low = 0, high = s->contest_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (s->contest[mid] == contest)
            return 1;
        if (s->contest[mid] < contest)
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}

/* Children come behind their parents, so one pass from the last row carries all contests upward. */
static err_t make_sets(struct places *p)
{
    uint32_t sets = 0;
    p->set_words = (p->m->contest_count + 63) / 64;
    for (uint32_t i = 0; i < p->count; i++)
        if (!is_lowest(p, i))
            p->row[i].style = sets++;
    p->set = calloc((size_t)sets * p->set_words + 1, sizeof *p->set);
    if (p->set == NULL)
        return ERR_MEMORY;
    for (uint32_t i = p->count; i-- > 1;) {
        const struct row *row = &p->row[i];
        uint64_t *to = p->set + p->row[row->parent].style * p->set_words;
        if (!is_lowest(p, i)) {
            for (size_t w = 0; w < p->set_words; w++)
                to[w] |= p->set[row->style * p->set_words + w];
            continue;
        }
        for (size_t k = 0; k < row->style_count; k++) {
            const struct style *s = &p->m->style[p->styles[row->style + k]];
            for (size_t c = 0; c < s->contest_count; c++)
                to[s->contest[c] / 64] |= UINT64_C(1) << s->contest[c] % 64;
        }
    }
    return OK;
}

/* The places that the manifest names for its chains. */
static err_t mark_chains(struct places *p, struct fault *f)
{
    if (p->m->chain_count == 0)
        return OK;
    p->chain_place = calloc(p->m->chain_count, sizeof *p->chain_place);
    if (p->chain_place == NULL)
        return fault_set(f, ERR_MEMORY, "places");
    for (uint32_t i = 0; i < p->m->chain_count; i++) {
        TRY(chain_places_read(&p->chain_place[i], p, p->m, i, f));
        for (size_t k = 0; k < p->m->chain[i].place_count; k++) {
            struct row *row = &p->row[p->chain_place[i][k]];
            if (row->chain != 0)
                return fault_set(f, ERR_CONFLICT, "the place %s is in the chains %s and %s",
                                 p->m->chain[i].place[k], p->m->chain[row->chain - 1].id, p->m->chain[i].id);
            row->chain = (uint8_t)(i + 1);
        }
    }
    return OK;
}

err_t places_parse(struct places **out, const struct manifest *m, const uint8_t *data, size_t len,
                   struct fault *f)
{
    *out = NULL;
    struct load l = {.p = calloc(1, sizeof *l.p)};
    err_t e = OK;
    if (len > JURISDICTIONS_MAX)
        GO(fault_set(f, ERR_LIMIT, "%zu bytes, at most %zu allowed", len, JURISDICTIONS_MAX));
    if (l.p == NULL || names_new(&l.p->ids) != OK || names_new(&l.p->groups) != OK ||
        names_new(&l.keys) != OK)
        GO(fault_set(f, ERR_MEMORY, "places"));
    l.p->m = m;
    GO(csv_read(data, len, on_row, &l, f));
    GO(check_tree(l.p, f));
    if (make_sets(l.p) != OK)
        GO(fault_set(f, ERR_MEMORY, "places"));
    GO(mark_chains(l.p, f));
    *out = l.p;
    l.p = NULL;
out:
    names_free(l.keys);
    free(l.group_parent);
    free(l.last_child);
    places_free(l.p);
    return e;
}

err_t places_load(struct places **out, const struct manifest *m, const char *path, struct fault *f)
{
    uint8_t *data;
    size_t len;
    hash_t hash;
    *out = NULL;
    TRY(file_read(&data, &len, path, JURISDICTIONS_MAX, f));
    hash_one(&hash, data, len);
    err_t e = hash_cmp(&hash, &m->places_hash) == 0
                  ? places_parse(out, m, data, len, f)
                  : fault_set(f, ERR_HASH, "this is not the file whose hash is in the manifest");
    free(data);
    return fault_file(f, e, path);
}

void places_free(struct places *p)
{
    if (p == NULL)
        return;
    names_free(p->ids);
    names_free(p->groups);
    free(p->row);
    free(p->text);
    free(p->styles);
    free(p->key);
    free(p->set);
    for (size_t i = 0; p->chain_place != NULL && i < p->m->chain_count; i++)
        free(p->chain_place[i]);
    free(p->chain_place);
    free(p);
}

uint32_t places_count(const struct places *p)
{
    return p->count;
}

void places_get(const struct places *p, uint32_t index, struct place *out)
{
    const struct row *row = &p->row[index];
    out->index = index;
    out->level = row->level;
    out->parent = row->parent == NONE ? -1 : (int64_t)row->parent;
    out->id = names_get(p->ids, index);
    out->title = p->text + row->title;
    out->style_count = row->style_count;
    out->style = row->style_count > 0 ? p->styles + row->style : NULL;
    out->group = row->group == NONE ? "" : names_get(p->groups, row->group);
    out->key = row->key == NONE ? NULL : &p->key[row->key];
}

int64_t places_find(const struct places *p, const char *id)
{
    return names_find(p->ids, id, strlen(id));
}

int64_t places_first_child(const struct places *p, uint32_t index)
{
    uint32_t i = p->row[index].first_child;
    return i == NONE ? -1 : (int64_t)i;
}

int64_t places_next_sibling(const struct places *p, uint32_t index)
{
    uint32_t i = p->row[index].next_sibling;
    return i == NONE ? -1 : (int64_t)i;
}

int places_has_contest(const struct places *p, uint32_t index, uint32_t contest)
{
    const struct row *row = &p->row[index];
    if (contest >= p->m->contest_count)
        return 0;
    if (!is_lowest(p, index))
        return (int)(p->set[row->style * p->set_words + contest / 64] >> contest % 64 & 1);
    for (size_t k = 0; k < row->style_count; k++)
        if (style_has(&p->m->style[p->styles[row->style + k]], contest))
            return 1;
    return 0;
}

int places_chain(const struct places *p, uint32_t index)
{
    return p->row[index].chain - 1;
}

const uint32_t *places_of_chain(const struct places *p, uint32_t chain)
{
    return p->chain_place[chain];
}
