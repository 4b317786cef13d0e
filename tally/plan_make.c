/* Making the plan: collect what may be decrypted from the records, choose, write (docs/spec/plan.md). */
#include <stdlib.h>
#include <string.h>

#include "tally/plan.h"

#include "ceremony/base/array.h"

/* What is decrypted together: a place, or the places of a group that have an export. */
struct piece {
    uint32_t leader; /* the place, or the group's first */
    uint32_t level;
    int64_t parent; /* index of the piece that contains it on the nearest decrypted level above; -1 */
    size_t member_count, member_cap;
    struct plan_member *member;
    struct tallies *sum; /* NULL: nothing there */
};

struct make {
    const struct election_context *ctx;
    size_t count;
    struct piece *piece;
    uint32_t *of_place; /* index of the piece of each place, UINT32_MAX if its level is not decrypted */
    uint8_t *chosen;    /* [piece * contests + contest] */
    uint8_t *state;     /* scratch: one contest */
    uint64_t *below;    /* scratch */
    uint32_t *victim;   /* scratch */
};

#define NONE UINT32_MAX

static void make_free(struct make *k)
{
    for (size_t i = 0; k->piece && i < k->count; i++) {
        free(k->piece[i].member);
        tallies_free(k->piece[i].sum);
    }
    free(k->piece);
    free(k->of_place);
    free(k->chosen);
    free(k->state);
    free(k->below);
    free(k->victim);
}

/* --- pieces --- */

struct grouped {
    int64_t parent;
    const char *group;
    uint32_t place;
};

static int grouped_cmp(const void *x, const void *y)
{
    const struct grouped *a = x, *b = y;
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    int c = strcmp(a->group, b->group);
    return c ? c : (a->place > b->place) - (a->place < b->place);
}

/* of_place: for places in a group, the group's first place, before pieces are numbered. */
static err_t find_leaders(struct make *k)
{
    uint32_t n = places_count(k->ctx->places);
    struct grouped *g = malloc((n ? n : 1) * sizeof *g);
    size_t count = 0;
    if (!g)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        struct place p;
        places_get(k->ctx->places, i, &p);
        int decrypted = k->ctx->m->decrypt_levels >> p.level & 1;
        k->of_place[i] = decrypted ? i : NONE;
        if (decrypted && p.group[0])
            g[count++] = (struct grouped){p.parent, p.group, i};
    }
    qsort(g, count, sizeof *g, grouped_cmp);
    for (size_t i = 1; i < count; i++)
        if (g[i].parent == g[i - 1].parent && strcmp(g[i].group, g[i - 1].group) == 0)
            k->of_place[g[i].place] = k->of_place[g[i - 1].place];
    free(g);
    return OK;
}

/* One piece for each leader, highest level first, rows in order, so that a parent comes before its
 * children. */
static err_t make_pieces(struct make *k)
{
    uint32_t n = places_count(k->ctx->places);
    k->of_place = malloc((n ? n : 1) * sizeof *k->of_place);
    if (!k->of_place)
        return ERR_MEMORY;
    TRY(find_leaders(k));
    for (uint32_t i = 0; i < n; i++)
        k->count += k->of_place[i] == i;
    k->piece = calloc(k->count ? k->count : 1, sizeof *k->piece);
    uint32_t *number = malloc((n ? n : 1) * sizeof *number);
    if (!k->piece || !number) {
        free(number);
        return ERR_MEMORY;
    }
    uint32_t at = 0;
    for (uint32_t level = 0; level < k->ctx->m->level_count; level++)
        for (uint32_t i = 0; i < n; i++) {
            struct place p;
            places_get(k->ctx->places, i, &p);
            if (p.level != level || k->of_place[i] != i)
                continue;
            k->piece[at].leader = i;
            k->piece[at].level = level;
            number[i] = at++;
        }
    for (uint32_t i = 0; i < n; i++)
        if (k->of_place[i] != NONE)
            k->of_place[i] = number[k->of_place[i]];
    free(number);
    for (size_t i = 0; i < k->count; i++) {
        struct place p;
        places_get(k->ctx->places, k->piece[i].leader, &p);
        while (p.parent >= 0 && k->of_place[p.parent] == NONE)
            places_get(k->ctx->places, (uint32_t)p.parent, &p);
        k->piece[i].parent = p.parent < 0 ? -1 : (int64_t)k->of_place[p.parent];
    }
    return OK;
}

/* --- filling them from the records --- */

static err_t collect(void *ctx, const struct node *n, const hash_t *hash, struct fault *f)
{
    struct make *k = ctx;
    (void)f;
    if (k->of_place[n->place] == NONE || !node_present(k->ctx, n))
        return OK;
    struct piece *c = &k->piece[k->of_place[n->place]];
    TRY(array_room(&c->member, c->member_count + 1, &c->member_cap, sizeof *c->member, 1));
    c->member[c->member_count++] = (struct plan_member){n->place, *hash};
    struct place p;
    places_get(k->ctx->places, n->place, &p);
    if (!p.group[0])
        return tallies_copy(&c->sum, n->tallies);
    /* Members of a group may have different contests; their parent has them all. */
    if (!c->sum)
        TRY(tallies_new(&c->sum, k->ctx, (uint32_t)p.parent));
    return tallies_add_var(c->sum, n->tallies);
}

static uint64_t ballots_of(const struct make *k, size_t piece, uint32_t contest)
{
    const struct tallies *s = k->piece[piece].sum;
    const struct tally *t = s ? tallies_find(s, contest) : NULL;
    return t ? t->ballots : 0;
}

/* 1 if some A is the identity: nothing is decrypted by a multiple of it. Whoever makes all ballots of a place
 * can arrange this, and must not be able to stop the others' plan. */
static int is_undecryptable(const struct make *k, size_t piece, uint32_t contest)
{
    const struct tallies *s = k->piece[piece].sum;
    const struct tally *t = s ? tallies_find(s, contest) : NULL;
    for (size_t o = 0; t && o < t->option_count; o++)
        if (p256_is_zero_var(&t->A[o]))
            return 1;
    return 0;
}

/* --- choosing --- */

enum { OUT, IN };

/* One contest. Top down: a piece is in if it has the minimum and the piece around it is in; where the rest
 * of the piece around would then be too small, its part with the fewest ballots (ties: the last row) goes
 * out, with all below it. */
static void choose(struct make *k, uint32_t contest)
{
    uint64_t min = k->ctx->m->minimum;
    for (size_t i = 0; i < k->count; i++) {
        k->below[i] = 0;
        k->victim[i] = NONE;
    }
    for (size_t i = 0; i < k->count; i++) { /* candidates */
        uint64_t b = ballots_of(k, i, contest);
        int64_t up = k->piece[i].parent;
        k->state[i] = b >= min && !is_undecryptable(k, i, contest) ? IN : OUT;
        if (k->state[i] == OUT || up < 0)
            continue;
        k->below[up] += b;
        if (k->victim[up] == NONE || b <= ballots_of(k, k->victim[up], contest))
            k->victim[up] = (uint32_t)i;
    }
    for (size_t i = 0; i < k->count; i++) { /* parents first */
        int64_t up = k->piece[i].parent;
        if (up >= 0 && k->state[up] == OUT)
            k->state[i] = OUT;
        if (k->state[i] == OUT)
            continue;
        uint64_t rest = ballots_of(k, i, contest) - k->below[i];
        if (rest > 0 && rest < min)
            k->state[k->victim[i]] = OUT;
    }
    for (size_t i = 0; i < k->count; i++)
        k->chosen[i * k->ctx->m->contest_count + contest] = k->state[i] == IN;
}

/* --- after an older plan --- */

static int by_contest(const void *x, const void *y)
{
    const struct plan_unit *const *a = x, *const *b = y;
    return ((*a)->contest > (*b)->contest) - ((*a)->contest < (*b)->contest);
}

/* One contest, whose units of the older plan are unit[0..count-1]: what the older plan did not show goes out,
 * where it is inside of a rest that had ballots (supersede-mixed). Its own rest has 0 or at least the
 * minimum, so the rest around it stays good. */
static void keep_to_contest(struct make *k, uint32_t contest, const struct plan_unit *const *unit,
                            size_t count)
{
    uint64_t *rest = k->below;
    uint32_t *around = k->victim;
    memset(k->state, OUT, k->count);
    for (size_t i = 0; i < count; i++) {
        uint32_t piece = k->of_place[unit[i]->member[0].place];
        if (piece == NONE)
            continue;
        k->state[piece] = IN;
        rest[piece] = unit[i]->ballots;
    }
    for (size_t i = 0; i < k->count; i++) { /* parents first */
        int64_t up = k->piece[i].parent;
        around[i] = up < 0 ? NONE : k->state[up] == IN ? (uint32_t)up : around[up];
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t piece = k->of_place[unit[i]->member[0].place];
        if (piece == NONE || around[piece] == NONE)
            continue;
        uint64_t *outer = &rest[around[piece]];
        *outer -= *outer > unit[i]->ballots ? unit[i]->ballots : *outer;
    }
    for (size_t i = 0; i < k->count; i++)
        if (k->state[i] == OUT && around[i] != NONE && rest[around[i]] > 0)
            k->chosen[i * k->ctx->m->contest_count + contest] = 0;
}

static err_t keep_to(struct make *k, const struct plan *older)
{
    size_t n = older->unit_count;
    const struct plan_unit **unit = malloc((n ? n : 1) * sizeof *unit);
    if (!unit)
        return ERR_MEMORY;
    for (size_t i = 0; i < n; i++)
        unit[i] = &older->unit[i];
    qsort(unit, n, sizeof *unit, by_contest);
    for (size_t from = 0, to = 0; from < n; from = to) {
        while (to < n && unit[to]->contest == unit[from]->contest)
            to++;
        keep_to_contest(k, unit[from]->contest, unit + from, to - from);
    }
    free(unit);
    return OK;
}

/* --- writing --- */

static err_t put_unit(struct cbor_out *o, const struct make *k, const struct piece *c, uint32_t contest,
                      struct fault *f)
{
    const struct tally *t = tallies_find(c->sum, contest);
    struct place p;
    struct elgamal *ct = malloc(t->option_count * sizeof *ct);
    if (!ct)
        return ERR_MEMORY;
    err_t e = tally_compress_var(ct, t);
    places_get(k->ctx->places, c->leader, &p);
    const char *name = p.group[0] ? p.group : p.id;
    cbor_put_array(o, 6);
    cbor_put_text(o, name);
    cbor_put_text(o, k->ctx->m->level[c->level]);
    cbor_put_array(o, c->member_count);
    for (size_t i = 0; i < c->member_count; i++) {
        places_get(k->ctx->places, c->member[i].place, &p);
        cbor_put_array(o, 2);
        cbor_put_text(o, p.id);
        cbor_put_hash(o, &c->member[i].hash);
    }
    cbor_put_text(o, k->ctx->m->contest[contest].id);
    cbor_put_uint(o, t->ballots);
    cbor_put_array(o, t->option_count);
    for (size_t i = 0; i < t->option_count && e == OK; i++) {
        if (point_is_identity(&ct[i].A))
            e = fault_set(f, ERR_RULE, "the sum of contest %s in %s cannot be decrypted",
                          k->ctx->m->contest[contest].id, name);
        cbor_put_elgamal(o, &ct[i]);
    }
    free(ct);
    return e;
}

/* Order of units: level, then first member present. */
static int piece_cmp(const void *x, const void *y)
{
    const struct piece *const *a = x, *const *b = y;
    if ((*a)->level != (*b)->level)
        return (*a)->level < (*b)->level ? -1 : 1;
    uint32_t p = (*a)->member_count ? (*a)->member[0].place : (*a)->leader;
    uint32_t q = (*b)->member_count ? (*b)->member[0].place : (*b)->leader;
    return (p > q) - (p < q);
}

static err_t put_plan(struct cbor_out *o, const struct make *k, const hash_t *root, const hash_t *supersedes,
                      struct fault *f)
{
    size_t contests = k->ctx->m->contest_count, units = 0;
    err_t e = OK;
    for (size_t i = 0; i < k->count * contests; i++)
        units += k->chosen[i];
    if (units == 0)
        return fault_set(f, ERR_MINIMUM, "no place has the %u ballots that the manifest asks for",
                         k->ctx->m->minimum);
    const struct piece **order = malloc(k->count * sizeof *order);
    if (!order)
        return ERR_MEMORY;
    for (size_t i = 0; i < k->count; i++)
        order[i] = &k->piece[i];
    qsort(order, k->count, sizeof *order, piece_cmp);
    cbor_put_array(o, 8);
    cbor_put_text(o, "conclave/plan");
    cbor_put_uint(o, 1);
    cbor_put_uint(o, SCHEME_P256_ELGAMAL);
    cbor_put_hash(o, &k->ctx->m->election);
    cbor_put_hash(o, &k->ctx->r->id);
    cbor_put_hash(o, root);
    if (supersedes)
        cbor_put_hash(o, supersedes);
    else
        cbor_put_null(o);
    cbor_put_array(o, units);
    for (size_t i = 0; i < k->count; i++)
        for (uint32_t c = 0; c < contests; c++)
            if (k->chosen[(size_t)(order[i] - k->piece) * contests + c])
                GO(put_unit(o, k, order[i], c, f));
    e = o->err;
out:
    free(order);
    return e;
}

/* older: to be kept to; the first one is superseded. */
static err_t make(struct cbor_out *out, hash_t *id, const struct election_context *ctx,
                  const struct node_provider *nodes, const hash_t *supersedes, struct plan *const *older,
                  size_t older_count, struct fault *f)
{
    struct make k = {.ctx = ctx};
    struct cbor_out o = CBOR_OUT_INIT;
    struct node_visitor visitor = {.ctx = &k, .visit = collect};
    hash_t root;
    err_t e;

    if (id)
        memset(id, 0, sizeof *id);
    if (f)
        fault_clear(f);
    GO(make_pieces(&k));
    GO(node_walk(&root, ctx, nodes, &visitor, f));
    size_t n = k.count ? k.count : 1;
    k.chosen = calloc(n, ctx->m->contest_count);
    k.state = calloc(n, sizeof *k.state);
    k.below = calloc(n, sizeof *k.below);
    k.victim = calloc(n, sizeof *k.victim);
    e = k.chosen && k.state && k.below && k.victim ? OK : ERR_MEMORY;
    if (e != OK)
        goto out;
    for (uint32_t c = 0; c < ctx->m->contest_count; c++)
        choose(&k, c);
    for (size_t i = 0; i < older_count; i++)
        GO(keep_to(&k, older[i]));
    GO(put_plan(&o, &k, &root, supersedes, f));
    if (id)
        GO(plan_hash(id, o.data, o.len));
    cbor_put_raw(out, o.data, o.len);
    e = out->err;
out:
    if (e != OK && f && f->err == OK)
        fault_set(f, e, "making the plan");
    cbor_out_free(&o);
    make_free(&k);
    return e;
}

err_t plan_make(struct cbor_out *out, hash_t *id, const struct election_context *ctx,
                const struct node_provider *nodes, const hash_t *supersedes, struct fault *f)
{
    return make(out, id, ctx, nodes, supersedes, NULL, 0, f);
}

err_t plan_make_after(struct cbor_out *out, hash_t *id, const struct election_context *ctx,
                      const struct node_provider *nodes, struct plan *const *older, size_t count,
                      struct fault *f)
{
    struct cbor_out bytes = CBOR_OUT_INIT;
    struct plan *p = NULL;
    err_t e;

    GO(make(&bytes, id, ctx, nodes, &older[0]->id, older, count, f));
    GO(plan_parse_var(&p, ctx, bytes.data, bytes.len, f));
    GO(plan_supersede_all(older, count, p, ctx, NULL, NULL, f));
    cbor_put_raw(out, bytes.data, bytes.len);
    e = out->err;
out:
    plan_free(p);
    cbor_out_free(&bytes);
    if (e != OK && id)
        memset(id, 0, sizeof *id);
    return e;
}
