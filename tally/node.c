#include "tally/node.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/array.h"
#include "ceremony/base/file.h"

/* --- making --- */

err_t node_new(struct node **out, const struct election_context *ctx, uint32_t place)
{
    *out = NULL;
    struct node *n = calloc(1, sizeof *n);
    if (!n)
        return ERR_MEMORY;
    struct place p;
    places_get(ctx->places, place, &p);
    n->place = place;
    n->level = p.level;
    err_t e = tallies_new(&n->tallies, ctx, place);
    if (e != OK) {
        free(n);
        return e;
    }
    *out = n;
    return OK;
}

void node_free(struct node *n)
{
    if (!n)
        return;
    free(n->source);
    free(n->dropped);
    free(n->replaced);
    free(n->missing);
    tallies_free(n->tallies);
    free(n);
}

err_t node_add(struct node *parent, const struct election_context *ctx, const struct node *child,
               const hash_t *child_hash)
{
    struct place c;
    places_get(ctx->places, child->place, &c);
    if (c.parent != (int64_t)parent->place)
        return ERR_BUG;
    if (parent->source_count && parent->source[parent->source_count - 1].place >= child->place)
        return ERR_BUG;
    if (child->ballots > BALLOTS_MAX - parent->ballots)
        return ERR_SUM;
    TRY(array_room(&parent->source, parent->source_count + 1, &parent->source_cap, sizeof *parent->source,
                   8));
    TRY(array_room(&parent->missing, parent->missing_count + child->missing_count, &parent->missing_cap,
                   sizeof *parent->missing, 8));
    TRY(tallies_add_var(parent->tallies, child->tallies));
    parent->source[parent->source_count++] = (struct node_source){child->place, *child_hash};
    if (child->missing_count)
        memcpy(parent->missing + parent->missing_count, child->missing,
               child->missing_count * sizeof *child->missing);
    parent->missing_count += child->missing_count;
    parent->ballots += child->ballots;
    return OK;
}

int node_present(const struct election_context *ctx, const struct node *n)
{
    if (n->level + 1 == ctx->m->level_count)
        return n->source_count > 0;
    /* Descendants of the lowest level that are not missing: count them only as far as needed. */
    size_t lowest = 0;
    int64_t at = places_first_child(ctx->places, n->place);
    while (at >= 0 && lowest <= n->missing_count) {
        struct place p;
        places_get(ctx->places, (uint32_t)at, &p);
        if (p.level + 1 == ctx->m->level_count)
            lowest++;
        int64_t next = places_first_child(ctx->places, (uint32_t)at);
        while (next < 0 && at != (int64_t)n->place) {
            next = places_next_sibling(ctx->places, (uint32_t)at);
            if (next < 0) {
                places_get(ctx->places, (uint32_t)at, &p);
                at = p.parent;
            }
        }
        at = at == (int64_t)n->place ? -1 : next;
    }
    return lowest > n->missing_count;
}

/* --- writing --- */

static const char *place_id(const struct election_context *ctx, uint32_t index)
{
    struct place p;
    places_get(ctx->places, index, &p);
    return p.id;
}

err_t node_hash(hash_t *out, const uint8_t *data, size_t len)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/node-id");
    cbor_put_bytes(&o, data, len);
    return cbor_out_hash(&o, out);
}

static void put_lists(struct cbor_out *o, const struct election_context *ctx, const struct node *n)
{
    cbor_put_array(o, n->source_count);
    for (size_t i = 0; i < n->source_count; i++) {
        cbor_put_array(o, 2);
        cbor_put_text(o, place_id(ctx, n->source[i].place));
        cbor_put_hash(o, &n->source[i].hash);
    }
    cbor_put_array(o, n->dropped_count);
    for (size_t i = 0; i < n->dropped_count; i++)
        cbor_put_hash(o, &n->dropped[i]);
    cbor_put_array(o, n->replaced_count);
    for (size_t i = 0; i < n->replaced_count; i++) {
        cbor_put_array(o, 3);
        cbor_put_text(o, place_id(ctx, n->place));
        cbor_put_hash(o, &n->replaced[i].older);
        cbor_put_hash(o, &n->replaced[i].newer);
    }
    cbor_put_array(o, n->missing_count);
    for (size_t i = 0; i < n->missing_count; i++)
        cbor_put_text(o, place_id(ctx, n->missing[i]));
}

err_t node_encode(struct cbor_out *out, hash_t *hash, const struct election_context *ctx,
                  const struct node *n)
{
    struct cbor_out o = CBOR_OUT_INIT;
    err_t e;
    if (hash)
        memset(hash, 0, sizeof *hash);
    cbor_put_array(&o, 13);
    cbor_put_text(&o, "conclave/node");
    cbor_put_uint(&o, 1);
    cbor_put_uint(&o, SCHEME_P256_ELGAMAL);
    cbor_put_hash(&o, &ctx->m->election);
    cbor_put_hash(&o, &ctx->r->id);
    cbor_put_text(&o, place_id(ctx, n->place));
    cbor_put_text(&o, ctx->m->level[n->level]);
    put_lists(&o, ctx, n);
    cbor_put_uint(&o, n->ballots);
    GO(cbor_put_tallies(&o, ctx, n->tallies));
    if (hash)
        GO(node_hash(hash, o.data, o.len));
    cbor_put_raw(out, o.data, o.len);
    e = out->err;
out:
    cbor_out_free(&o);
    return e;
}

/* --- reading --- */

static void get_version(struct cbor_in *in, uint64_t v)
{
    if (cbor_get_uint(in, UINT64_MAX) != v)
        cbor_fail(in, ERR_VERSION);
}

static void get_same_hash(struct cbor_in *in, const hash_t *want)
{
    hash_t h;
    cbor_get_hash(in, &h);
    if (in->err == OK && hash_cmp(&h, want) != 0)
        cbor_fail(in, ERR_ELECTION);
}

static uint32_t get_place(struct cbor_in *in, const struct election_context *ctx)
{
    char id[TEXT_ID_MAX + 1];
    cbor_get_id(in, id, TEXT_ID_MAX);
    if (in->err != OK)
        return 0;
    int64_t i = places_find(ctx->places, id);
    if (i < 0)
        cbor_fail(in, ERR_UNKNOWN);
    return i < 0 ? 0 : (uint32_t)i;
}

static int is_lowest(const struct election_context *ctx, const struct node *n)
{
    return n->level + 1 == ctx->m->level_count;
}

/* Sources: on the lowest level none or the place itself; above exactly the children. */
static void get_sources(struct cbor_in *in, const struct election_context *ctx, struct node *n)
{
    int lowest = is_lowest(ctx, n);
    size_t count = cbor_get_array(in, 0, lowest ? 1 : NODE_CHILDREN_MAX);
    int64_t child = lowest ? (int64_t)n->place : places_first_child(ctx->places, n->place);
    for (size_t i = 0; i < count && in->err == OK; i++) {
        cbor_get_array_exact(in, 2);
        uint32_t place = get_place(in, ctx);
        if (in->err == OK && (child < 0 || (int64_t)place < child))
            cbor_fail(in, ERR_MISMATCH);
        else if (in->err == OK && (int64_t)place > child) {
            struct place p;
            places_get(ctx->places, place, &p);
            cbor_fail(in, p.parent == (int64_t)n->place ? ERR_MISSING : ERR_MISMATCH);
        }
        hash_t h;
        cbor_get_hash(in, &h);
        if (in->err == OK && array_room(&n->source, i + 1, &n->source_cap, sizeof *n->source, 8) != OK)
            cbor_fail(in, ERR_MEMORY);
        if (in->err != OK)
            return;
        n->source[n->source_count++] = (struct node_source){place, h};
        child = lowest ? -1 : places_next_sibling(ctx->places, place);
    }
    if (in->err == OK && !lowest && child >= 0)
        cbor_fail(in, ERR_MISSING);
}

static void get_dropped(struct cbor_in *in, const struct election_context *ctx, struct node *n)
{
    size_t cap = 0;
    size_t count = cbor_get_array(in, 0, is_lowest(ctx, n) ? NODE_DROPPED_MAX : 0);
    for (size_t i = 0; i < count && in->err == OK; i++) {
        hash_t h;
        cbor_get_hash(in, &h);
        if (in->err == OK && i && hash_cmp(&n->dropped[i - 1], &h) >= 0)
            cbor_fail(in, ERR_CANONICAL);
        if (in->err == OK && array_room(&n->dropped, i + 1, &cap, sizeof *n->dropped, 8) != OK)
            cbor_fail(in, ERR_MEMORY);
        if (in->err == OK)
            n->dropped[n->dropped_count++] = h;
    }
}

static void get_replaced(struct cbor_in *in, const struct election_context *ctx, struct node *n)
{
    size_t count = cbor_get_array(in, 0, is_lowest(ctx, n) ? NODE_REPLACED_MAX : 0);
    n->replaced = count ? calloc(count, sizeof *n->replaced) : NULL;
    if (count && !n->replaced)
        cbor_fail(in, ERR_MEMORY);
    for (size_t i = 0; i < count && in->err == OK; i++) {
        cbor_get_array_exact(in, 3);
        uint32_t place = get_place(in, ctx);
        cbor_get_hash(in, &n->replaced[i].older);
        cbor_get_hash(in, &n->replaced[i].newer);
        n->replaced_count++;
        const struct node_replaced *r = &n->replaced[i];
        if (in->err == OK && (place != n->place || hash_cmp(&r->older, &r->newer) == 0 ||
                              (i && hash_cmp(&r[-1].newer, &r->older) != 0)))
            cbor_fail(in, ERR_MISMATCH);
    }
    if (in->err == OK && count &&
        (!n->source_count || hash_cmp(&n->replaced[count - 1].newer, &n->source[0].hash) != 0))
        cbor_fail(in, ERR_MISMATCH);
}

static int is_below(const struct election_context *ctx, uint32_t place, uint32_t top)
{
    int64_t at = place;
    while (at > (int64_t)top) { /* a parent's row comes before its children */
        struct place p;
        places_get(ctx->places, (uint32_t)at, &p);
        at = p.parent;
    }
    return at == (int64_t)top;
}

static void get_missing(struct cbor_in *in, const struct election_context *ctx, struct node *n)
{
    size_t count = cbor_get_array(in, 0, is_lowest(ctx, n) ? 1 : NODE_CHILDREN_MAX);
    for (size_t i = 0; i < count && in->err == OK; i++) {
        uint32_t place = get_place(in, ctx);
        if (in->err != OK)
            return;
        struct place p;
        places_get(ctx->places, place, &p);
        if (p.level + 1 != ctx->m->level_count || !is_below(ctx, place, n->place) ||
            (i && n->missing[i - 1] >= place))
            cbor_fail(in, ERR_MISMATCH);
        else if (array_room(&n->missing, i + 1, &n->missing_cap, sizeof *n->missing, 8) != OK)
            cbor_fail(in, ERR_MEMORY);
        else
            n->missing[n->missing_count++] = place;
    }
    if (in->err == OK && is_lowest(ctx, n) && (n->source_count == 0) != (n->missing_count == 1))
        cbor_fail(in, ERR_MISMATCH);
}

static int tally_is_zero(const struct tally *t)
{
    for (size_t o = 0; o < t->option_count; o++)
        if (!p256_is_zero_var(&t->A[o]) || !p256_is_zero_var(&t->B[o]))
            return 0;
    return 1;
}

/* What can be said about the numbers without the children. */
static err_t check_numbers(const struct election_context *ctx, const struct node *n, struct fault *f)
{
    int import = ctx->m->kind == KIND_IMPORT, lowest = is_lowest(ctx, n);
    int absent = lowest && n->source_count == 0;
    if ((import || absent) && n->ballots)
        return fault_set(f, ERR_SUM, "the record has ballots where there can be none");
    if (absent && n->dropped_count)
        return fault_set(f, ERR_MISMATCH, "ballots are dropped from an export that is missing");
    for (size_t i = 0; i < n->tallies->count; i++) {
        const struct tally *t = &n->tallies->tally[i];
        const char *id = ctx->m->contest[t->contest].id;
        if (!import && t->ballots > n->ballots)
            return fault_set(f, ERR_SUM, "contest %s has more ballots than the place", id);
        if (absent && t->ballots)
            return fault_set(f, ERR_SUM, "contest %s has ballots where there can be none", id);
        if ((absent || (!import && !t->ballots)) && !tally_is_zero(t))
            return fault_set(f, ERR_SUM, "contest %s has sums but no ballots", id);
    }
    return OK;
}

static void get_node(struct cbor_in *in, const struct election_context *ctx, struct node *n)
{
    char level[TEXT_ID_MAX + 1];
    cbor_get_array_exact(in, 13);
    cbor_get_text_exact(in, "conclave/node");
    get_version(in, 1);
    get_version(in, SCHEME_P256_ELGAMAL);
    get_same_hash(in, &ctx->m->election);
    get_same_hash(in, &ctx->r->id);
    if (get_place(in, ctx) != n->place)
        cbor_fail(in, ERR_MISMATCH);
    cbor_get_id(in, level, TEXT_ID_MAX);
    if (in->err == OK && strcmp(level, ctx->m->level[n->level]) != 0)
        cbor_fail(in, ERR_MISMATCH);
    get_sources(in, ctx, n);
    get_dropped(in, ctx, n);
    get_replaced(in, ctx, n);
    get_missing(in, ctx, n);
    n->ballots = cbor_get_uint(in, BALLOTS_MAX);
    cbor_get_tallies_var(in, ctx, n->tallies);
}

err_t node_parse_var(struct node **out, const struct election_context *ctx, uint32_t place,
                     const uint8_t *data, size_t len, struct fault *f)
{
    struct node *n;
    struct cbor_in in;
    err_t e;

    *out = NULL;
    if (len > NODE_MAX)
        return fault_set(f, ERR_LIMIT, "the record is too large");
    e = node_new(&n, ctx, place);
    if (e != OK)
        return fault_set(f, e, "reading a record");
    cbor_in_init(&in, data, len);
    get_node(&in, ctx, n);
    GO(cbor_in_end(&in, f));
    GO(check_numbers(ctx, n, f));
out:
    fault_who(e == OK ? NULL : f, e, "%s", place_id(ctx, place));
    if (e != OK)
        node_free(n);
    else
        *out = n;
    return e;
}

/* Parent against the sum of its children, made with node_add into an empty node of the same place: child
 * hashes (ERR_HASH naming the child), ballots, tallies (ERR_SUM naming the contest), missing
 * (ERR_MISMATCH). */
static err_t check_sum(const struct election_context *ctx, const struct node *parent, const struct node *sum,
                       struct fault *f)
{
    uint32_t contest;
    if (parent->place != sum->place)
        return fault_set(f, ERR_BUG, "sum of another place");
    if (parent->source_count != sum->source_count)
        return fault_set(f, ERR_MISSING, "%zu of %zu children are in the record", parent->source_count,
                         sum->source_count);
    for (size_t i = 0; i < sum->source_count; i++)
        if (parent->source[i].place != sum->source[i].place ||
            hash_cmp(&parent->source[i].hash, &sum->source[i].hash) != 0)
            return fault_set(f, ERR_HASH, "the record of %s is not the one that was added up",
                             place_id(ctx, sum->source[i].place));
    if (parent->missing_count != sum->missing_count ||
        (sum->missing_count &&
         memcmp(parent->missing, sum->missing, sum->missing_count * sizeof *sum->missing) != 0))
        return fault_set(f, ERR_MISMATCH, "the list of missing places is not that of the children");
    if (parent->ballots != sum->ballots)
        return fault_set(f, ERR_SUM, "%llu ballots, but the children have %llu",
                         (unsigned long long)parent->ballots, (unsigned long long)sum->ballots);
    if (!tallies_equal_var(parent->tallies, sum->tallies, &contest))
        return fault_set(f, ERR_SUM, "contest %s is not the sum of the children",
                         ctx->m->contest[contest].id);
    return OK;
}

/* --- the whole set --- */

err_t node_path(char *out, size_t out_len, const struct election_context *ctx, const char *dir,
                uint32_t place)
{
    struct place p;
    places_get(ctx->places, place, &p);
    char name[2 * TEXT_ID_MAX + 8];
    size_t a = strlen(ctx->m->level[p.level]), b = strlen(p.id);
    memcpy(name, ctx->m->level[p.level], a);
    name[a] = '/';
    memcpy(name + a + 1, p.id, b);
    memcpy(name + a + 1 + b, ".cbor", 6);
    return file_path(out, out_len, dir, name);
}

static err_t dir_get(void *dir, const struct election_context *ec, uint32_t place, uint8_t **data,
                     size_t *len, struct fault *f)
{
    char path[4096];
    *data = NULL;
    *len = 0;
    err_t e = node_path(path, sizeof path, ec, dir, place);
    if (e != OK)
        return fault_set(f, e, "the path of a record is too long");
    return file_read(data, len, path, NODE_MAX, f);
}

void node_provider_dir(struct node_provider *out, const char *dir)
{
    out->ctx = (void *)(uintptr_t)dir;
    out->get = dir_get;
}

struct walk {
    const struct election_context *ctx;
    const struct node_provider *nodes;
    const struct node_visitor *visitor;
    struct fault first;
};

/* Reports a wrong record; gives what the walk must return: OK to go on, or the error. */
static err_t walk_wrong(struct walk *w, uint32_t place, err_t e, struct fault *f)
{
    char name[sizeof f->file];
    if (node_path(name, sizeof name, w->ctx, "records", place) == OK)
        fault_file(f, e, name);
    fault_who(f, e, "%s", place_id(w->ctx, place));
    if (w->first.err == OK)
        w->first = *f;
    enum err_class c = err_class(e);
    int stops = c == CLASS_SYSTEM || c == CLASS_BUG;
    if (stops || !w->visitor || !w->visitor->wrong)
        return e;
    w->visitor->wrong(w->visitor->ctx, place, f);
    return OK;
}

static err_t walk_read(struct walk *w, uint32_t place, struct node **out, hash_t *hash, struct fault *f)
{
    uint8_t *data = NULL;
    size_t len;
    err_t e;

    GO(w->nodes->get(w->nodes->ctx, w->ctx, place, &data, &len, f));
    e = node_parse_var(out, w->ctx, place, data, len, f);
    if (e == OK)
        e = node_hash(hash, data, len);
out:
    free(data);
    return e;
}

/* *out is NULL if the record is wrong and the walk goes on. */
static err_t walk_place(struct walk *w, uint32_t place, struct node **out, hash_t *hash)
{
    struct node *n = NULL, *sum = NULL;
    struct fault f = {0};
    int whole = 1;
    err_t e = walk_read(w, place, &n, hash, &f);
    if (e != OK)
        GO(walk_wrong(w, place, e, &f));
    GO(node_new(&sum, w->ctx, place));
    for (int64_t c = places_first_child(w->ctx->places, place); c >= 0;
         c = places_next_sibling(w->ctx->places, (uint32_t)c)) {
        struct node *child;
        hash_t h;
        GO(walk_place(w, (uint32_t)c, &child, &h));
        e = child ? node_add(sum, w->ctx, child, &h) : OK;
        whole = whole && child;
        node_free(child);
        if (e == ERR_SUM && whole) { /* the record is wrong then, not the walk */
            whole = 0;
            node_free(n);
            n = NULL;
            fault_set(&f, e, "the numbers of its children are too large to add up");
            e = walk_wrong(w, place, e, &f);
        } else if (e == ERR_SUM) {
            e = OK;
        }
        if (e != OK)
            goto out;
    }
    if (n && whole && n->level + 1 < w->ctx->m->level_count) {
        fault_clear(&f);
        e = check_sum(w->ctx, n, sum, &f);
        if (e != OK) {
            node_free(n);
            n = NULL;
            GO(walk_wrong(w, place, e, &f));
        }
    }
    if (n && w->visitor && w->visitor->visit)
        GO(w->visitor->visit(w->visitor->ctx, n, hash, &w->first));
out:
    node_free(sum);
    if (e != OK) {
        node_free(n);
        n = NULL;
    }
    *out = n;
    return e;
}

err_t node_walk(hash_t *root, const struct election_context *ctx, const struct node_provider *nodes,
                const struct node_visitor *visitor, struct fault *f)
{
    struct walk w = {.ctx = ctx, .nodes = nodes, .visitor = visitor};
    struct node *n = NULL;
    memset(root, 0, sizeof *root);
    if (places_count(ctx->places) == 0)
        return fault_set(f, ERR_MISSING, "there are no places");
    err_t e = walk_place(&w, 0, &n, root);
    node_free(n);
    if (e == OK)
        e = w.first.err;
    if (e != OK) {
        memset(root, 0, sizeof *root);
        if (f && w.first.err != OK)
            *f = w.first;
        else
            fault_set(f, e, "reading the records");
    }
    return e;
}
