#include "tally/ballot_layout.h"

#include <stdlib.h>
#include <string.h>

#include "tally/ballot_form.h"

#define POINT_ITEM 35 /* 58 21, 33 bytes */
#define SCALAR_ITEM 34
#define CIPHER_LEN 71
#define COMMITMENTS 140 /* four points of a 0/1 proof */
#define ZERO_ONE_LEN 243
#define EXACT_LEN 105

struct piece {
    uint8_t *data;
    size_t len;
};

struct contest_layout {
    uint32_t limit;
    size_t ciphers;
    struct piece head, middle;     /* before the ciphertexts; before the proofs */
    struct piece c_head, c_middle; /* the same in what is hashed for the challenge */
};

struct style_layout {
    size_t body_len, points;
    struct piece votes; /* head of the list of contests */
};

struct ballot_layout {
    const struct election_context *ctx;
    struct contest_layout *contest;
    struct style_layout *style;
    struct piece start, c_start, id_start;
    struct metrics *metrics;
    unsigned window;
};

/* --- what is fixed --- */

static err_t piece_take(struct piece *p, struct cbor_out *o)
{
    err_t e = o->err;
    p->data = o->data;
    p->len = o->len;
    *o = (struct cbor_out)CBOR_OUT_INIT;
    return e;
}

static err_t array_piece(struct piece *p, size_t count)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, count);
    return piece_take(p, &o);
}

static err_t contest_new(struct contest_layout *l, const struct contest *c)
{
    struct cbor_out o = CBOR_OUT_INIT;
    l->limit = c->limit;
    l->ciphers = c->option_count + (c->limit > 1 ? c->limit : 0);
    cbor_put_array(&o, 4);
    cbor_put_text(&o, c->id);
    cbor_put_array(&o, l->ciphers);
    TRY(piece_take(&l->head, &o));
    TRY(array_piece(&l->middle, l->ciphers));
    cbor_put_array(&o, 6);
    cbor_put_text(&o, c->id);
    cbor_put_uint(&o, c->limit);
    cbor_put_array(&o, c->option_count);
    for (size_t i = 0; i < c->option_count; i++)
        cbor_put_text(&o, c->option[i].id);
    cbor_put_array(&o, l->ciphers);
    TRY(piece_take(&l->c_head, &o));
    return array_piece(&l->c_middle, l->ciphers);
}

static err_t style_new(struct style_layout *l, const struct ballot_layout *all, const struct style *s)
{
    l->body_len = 2 * POINT_ITEM + SCALAR_ITEM;
    l->points = 2;
    for (size_t i = 0; i < s->contest_count; i++) {
        const struct contest_layout *c = &all->contest[s->contest[i]];
        l->body_len += c->head.len + c->middle.len + c->ciphers * (CIPHER_LEN + ZERO_ONE_LEN);
        l->body_len += c->limit > 1 ? EXACT_LEN : ZERO_ONE_LEN;
        l->points += 6 * c->ciphers + (c->limit > 1 ? 2 : 4);
    }
    TRY(array_piece(&l->votes, s->contest_count));
    l->body_len += l->votes.len;
    return OK;
}

static err_t starts_new(struct ballot_layout *l)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 11);
    tally_put_start(&o, l->ctx, "conclave/ballot");
    TRY(piece_take(&l->start, &o));
    cbor_put_array(&o, 8);
    cbor_put_text(&o, "conclave/ballot-c");
    cbor_put_hash(&o, &l->ctx->m->election);
    cbor_put_hash(&o, &l->ctx->r->id);
    TRY(piece_take(&l->c_start, &o));
    cbor_put_array(&o, 3);
    cbor_put_text(&o, "conclave/ballot-id");
    cbor_put_hash(&o, &l->ctx->m->election);
    return piece_take(&l->id_start, &o);
}

err_t ballot_layout_new(struct ballot_layout **out, const struct election_context *ctx)
{
    err_t e;
    *out = NULL;
    if (ctx->m->kind != KIND_BALLOTS)
        return ERR_RULE;
    struct ballot_layout *l = calloc(1, sizeof *l);
    if (!l)
        return ERR_MEMORY;
    l->ctx = ctx;
    l->contest = calloc(ctx->m->contest_count + 1, sizeof *l->contest);
    l->style = calloc(ctx->m->style_count + 1, sizeof *l->style);
    e = l->contest && l->style ? starts_new(l) : ERR_MEMORY;
    for (size_t i = 0; i < ctx->m->contest_count && e == OK; i++)
        e = contest_new(&l->contest[i], &ctx->m->contest[i]);
    for (size_t i = 0; i < ctx->m->style_count && e == OK; i++)
        e = style_new(&l->style[i], l, &ctx->m->style[i]);
    if (e != OK)
        ballot_layout_free(l);
    else
        *out = l;
    return e;
}

void ballot_layout_free(struct ballot_layout *l)
{
    if (!l)
        return;
    for (size_t i = 0; l->contest && i < l->ctx->m->contest_count; i++) {
        free(l->contest[i].head.data);
        free(l->contest[i].middle.data);
        free(l->contest[i].c_head.data);
        free(l->contest[i].c_middle.data);
    }
    for (size_t i = 0; l->style && i < l->ctx->m->style_count; i++)
        free(l->style[i].votes.data);
    free(l->contest);
    free(l->style);
    free(l->start.data);
    free(l->c_start.data);
    free(l->id_start.data);
    free(l);
}

size_t ballot_layout_points(const struct ballot_layout *l, uint32_t style)
{
    return l->style[style].points;
}

/* --- reading --- */

struct ballot_scan {
    const struct ballot_layout *l;
    int has_place;
    struct place place; /* of the ballot before: mostly the next one's too */
    struct cbor_out text;
};

err_t ballot_scan_new(struct ballot_scan **out, const struct ballot_layout *l)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return ERR_MEMORY;
    (*out)->l = l;
    return OK;
}

void ballot_scan_free(struct ballot_scan *s)
{
    if (!s)
        return;
    cbor_out_free(&s->text);
    free(s);
}

/* A text item at *at; NULL if it is none that an identifier could be. *at: behind it. */
static const char *text_item(const uint8_t *data, size_t len, size_t *at, size_t *text_len)
{
    size_t i = *at, n = 0;
    if (i + 2 > len)
        return NULL;
    if (data[i] >= 0x61 && data[i] <= 0x77)
        n = data[i] - 0x60;
    else if (data[i] == 0x78 && data[i + 1] >= 24)
        n = data[++i];
    i++;
    if (n == 0 || n > TEXT_ID_MAX || len - i < n)
        return NULL;
    *at = i + n;
    *text_len = n;
    return (const char *)data + i;
}

static int is_text(const char *id, const char *text, size_t len)
{
    return strlen(id) == len && memcmp(id, text, len) == 0; /* text may have zeros */
}

static err_t find_place(struct ballot_scan *s, const char *text, size_t len)
{
    char id[TEXT_ID_MAX + 1];
    if (s->has_place && is_text(s->place.id, text, len))
        return OK;
    s->has_place = 0;
    if (memchr(text, '\0', len))
        return ERR_FORMAT;
    memcpy(id, text, len);
    id[len] = '\0';
    int64_t index = places_find(s->l->ctx->places, id);
    if (index < 0)
        return ERR_FORMAT;
    places_get(s->l->ctx->places, (uint32_t)index, &s->place);
    if (s->place.level + 1 != s->l->ctx->m->level_count)
        return ERR_FORMAT;
    s->has_place = 1;
    return OK;
}

err_t ballot_scan_start(struct ballot_scan *s, struct ballot_at *at, const uint8_t *data, size_t len)
{
    const struct ballot_layout *l = s->l;
    size_t i = l->start.len, n = 0;
    if (len < i || memcmp(data, l->start.data, i) != 0)
        return ERR_FORMAT;
    const char *text = text_item(data, len, &i, &n);
    if (!text)
        return ERR_FORMAT;
    TRY(find_place(s, text, n));
    text = text_item(data, len, &i, &n);
    for (uint32_t k = 0; text && k < s->place.style_count; k++) {
        uint32_t style = s->place.style[k];
        if (!is_text(l->ctx->m->style[style].id, text, n))
            continue;
        *at = (struct ballot_at){s->place.index, style, i};
        return len - i == l->style[style].body_len ? OK : ERR_FORMAT;
    }
    return ERR_FORMAT;
}

static void take_point(point_t **to, const uint8_t *item)
{
    memcpy((*to)++->b, item + 2, POINT_LEN);
}

/* Of count point items in a row: 1 if the heads are right. */
static int take_points(point_t **to, const uint8_t *item, size_t count)
{
    uint8_t wrong = 0;
    for (size_t i = 0; i < count; i++, item += POINT_ITEM) {
        wrong |= (item[0] ^ 0x58) | (item[1] ^ POINT_LEN);
        take_point(to, item);
    }
    return wrong == 0;
}

static const uint8_t *scalar_at(scalar_t *out, const uint8_t *item)
{
    memcpy(out->b, item + 2, SCALAR_LEN);
    return item + SCALAR_ITEM;
}

static err_t check_scalars(const uint8_t *item, size_t count)
{
    scalar_t s;
    scalar_var_t v;
    for (size_t i = 0; i < count; i++) {
        if (item[0] != 0x58 || item[1] != SCALAR_LEN)
            return ERR_FORMAT;
        item = scalar_at(&s, item);
        TRY(scalar_var_load(&v, &s));
    }
    return OK;
}

static err_t read_proof(point_t **to, const uint8_t *item, size_t points, size_t scalars)
{
    if (item[0] != 0x80 + points + scalars || !take_points(to, item + 1, points))
        return ERR_FORMAT;
    return check_scalars(item + 1 + points * POINT_ITEM, scalars);
}

static err_t read_piece(const uint8_t **p, const struct piece *want)
{
    if (memcmp(*p, want->data, want->len) != 0)
        return ERR_FORMAT;
    *p += want->len;
    return OK;
}

static err_t read_vote(point_t **to, const uint8_t **p, const struct contest_layout *c)
{
    TRY(read_piece(p, &c->head));
    for (size_t i = 0; i < c->ciphers; i++, *p += CIPHER_LEN)
        if (**p != 0x82 || !take_points(to, *p + 1, 2))
            return ERR_FORMAT;
    TRY(read_piece(p, &c->middle));
    for (size_t i = 0; i < c->ciphers; i++, *p += ZERO_ONE_LEN)
        TRY(read_proof(to, *p, 4, 3));
    TRY(c->limit > 1 ? read_proof(to, *p, 2, 1) : read_proof(to, *p, 4, 3));
    *p += c->limit > 1 ? EXACT_LEN : ZERO_ONE_LEN;
    return OK;
}

err_t ballot_scan_read(const struct ballot_scan *s, point_t *point, const struct ballot_at *at,
                       const uint8_t *data)
{
    const struct style *style = &s->l->ctx->m->style[at->style];
    const uint8_t *p = data + at->body;
    if (!take_points(&point, p, 1))
        return ERR_FORMAT;
    p += POINT_ITEM;
    TRY(read_piece(&p, &s->l->style[at->style].votes));
    for (size_t i = 0; i < style->contest_count; i++)
        TRY(read_vote(&point, &p, &s->l->contest[style->contest[i]]));
    if (!take_points(&point, p, 1))
        return ERR_FORMAT;
    return check_scalars(p + POINT_ITEM, 1);
}

/* --- hashing --- */

static void put_piece(struct cbor_out *o, const struct piece *p)
{
    cbor_put_raw(o, p->data, p->len);
}

static void put_commitments(struct cbor_out *o, const uint8_t *proof, size_t points)
{
    cbor_put_array(o, points);
    cbor_put_raw(o, proof + 1, points * POINT_ITEM);
}

static void put_vote(struct cbor_out *o, const uint8_t **p, const struct contest_layout *c)
{
    put_piece(o, &c->c_head);
    cbor_put_raw(o, *p + c->head.len, c->ciphers * CIPHER_LEN);
    *p += c->head.len + c->ciphers * CIPHER_LEN + c->middle.len;
    put_piece(o, &c->c_middle);
    for (size_t i = 0; i < c->ciphers; i++, *p += ZERO_ONE_LEN)
        put_commitments(o, *p, 4);
    put_commitments(o, *p, c->limit > 1 ? 2 : 4);
    *p += c->limit > 1 ? EXACT_LEN : ZERO_ONE_LEN;
}

err_t ballot_scan_hash(struct ballot_scan *s, scalar_var_t *c, hash_t *id, hash_t *leaf,
                       const struct ballot_at *at, const uint8_t *data, size_t len)
{
    const struct ballot_layout *l = s->l;
    const struct style *style = &l->ctx->m->style[at->style];
    struct cbor_out *o = &s->text;
    scalar_t challenge;
    const uint8_t *p = data + at->body;
    merkle_leaf(leaf, data, len);
    o->len = 0;
    put_piece(o, &l->id_start);
    cbor_put_raw(o, p, POINT_ITEM);
    TRY(o->err);
    hash_one(id, o->data, o->len);
    o->len = 0;
    put_piece(o, &l->c_start);
    cbor_put_raw(o, data + l->start.len, at->body - l->start.len + POINT_ITEM); /* place, style, key */
    put_piece(o, &l->style[at->style].votes);
    p += POINT_ITEM + l->style[at->style].votes.len;
    for (size_t i = 0; i < style->contest_count; i++)
        put_vote(o, &p, &l->contest[style->contest[i]]);
    cbor_put_raw(o, p, POINT_ITEM);
    TRY(o->err);
    TRY(hash_to_scalar(&challenge, "conclave/ballot", o->data, o->len));
    return scalar_var_load(c, &challenge);
}

/* --- equations --- */

/* The bytes were checked when they were read. */
static const uint8_t *scalar_get(scalar_var_t *out, const uint8_t *item)
{
    scalar_t s;
    item = scalar_at(&s, item);
    if (scalar_var_load(out, &s) != OK)
        memset(out, 0, sizeof *out);
    return item;
}

static void fold_proof(struct fold *f, scalar_t *k, scalar_wide_t *a, scalar_wide_t *b, const uint8_t *item,
                       const scalar_var_t *c)
{
    struct fold_zero_one z;
    item = scalar_get(&z.c0, item + 1 + COMMITMENTS);
    item = scalar_get(&z.z0, item);
    scalar_get(&z.z1, item);
    fold_zero_one(f, k, a, b, &z, c);
}

static void put_wide(scalar_t *k, scalar_wide_t *w, const scalar_wide_t *more)
{
    scalar_var_t r;
    scalar_wide_add(w, more);
    scalar_wide_reduce(&r, w);
    scalar_var_store(k, &r);
}

/* The proof on the sum is about every ciphertext: its scalar is added to each one's. */
static void fold_vote(struct fold *f, scalar_t **k, const uint8_t **p, const struct contest_layout *c,
                      const scalar_var_t *challenge)
{
    const uint8_t *proof = *p + c->head.len + c->ciphers * CIPHER_LEN + c->middle.len;
    const uint8_t *last = proof + c->ciphers * ZERO_ONE_LEN;
    scalar_t *ct = *k, *commitment = ct + 2 * c->ciphers;
    scalar_t *last_k = commitment + 4 * c->ciphers;
    scalar_wide_t sum_a = {{0}}, sum_b = {{0}};
    if (c->limit > 1) {
        scalar_var_t z;
        scalar_get(&z, last + 1 + 2 * POINT_ITEM);
        fold_exact(f, last_k, &sum_a, &sum_b, &z, c->limit, challenge);
    } else {
        fold_proof(f, last_k, &sum_a, &sum_b, last, challenge);
    }
    for (size_t i = 0; i < c->ciphers; i++) {
        scalar_wide_t a = {{0}}, b = {{0}};
        fold_proof(f, commitment + 4 * i, &a, &b, proof + i * ZERO_ONE_LEN, challenge);
        put_wide(ct + 2 * i, &a, &sum_a);
        put_wide(ct + 2 * i + 1, &b, &sum_b);
    }
    *k = last_k + (c->limit > 1 ? 2 : 4);
    *p = last + (c->limit > 1 ? EXACT_LEN : ZERO_ONE_LEN);
}

void ballot_scan_fold(const struct ballot_scan *s, struct fold *f, scalar_t *k, const struct ballot_at *at,
                      const uint8_t *data, const scalar_var_t *c)
{
    const struct style *style = &s->l->ctx->m->style[at->style];
    const uint8_t *p = data + at->body + POINT_ITEM + s->l->style[at->style].votes.len;
    scalar_t *pk = k++, owner[2];
    scalar_var_t z;
    for (size_t i = 0; i < style->contest_count; i++)
        fold_vote(f, &k, &p, &s->l->contest[style->contest[i]], c);
    scalar_get(&z, p + POINT_ITEM);
    fold_schnorr(f, owner, &z, c);
    *k = owner[0];
    *pk = owner[1];
}

/* --- ciphertexts --- */

int ballot_layout_next(const struct ballot_layout *l, uint32_t style, struct ballot_layout_vote *v)
{
    const struct style *s = &l->ctx->m->style[style];
    if (v->number == 0)
        v->point = 1;
    else
        v->point += 6 * v->ciphers + (l->contest[v->contest].limit > 1 ? 2 : 4);
    if (v->number == s->contest_count)
        return 0;
    v->contest = s->contest[v->number++];
    v->option_count = l->ctx->m->contest[v->contest].option_count;
    v->ciphers = l->contest[v->contest].ciphers;
    return 1;
}

void ballot_layout_observe(struct ballot_layout *l, struct metrics *m)
{
    l->metrics = m;
}

struct metrics *ballot_layout_metrics(const struct ballot_layout *l)
{
    return l->metrics;
}

void ballot_layout_set_window(struct ballot_layout *l, unsigned window)
{
    l->window = window;
}

unsigned ballot_layout_window(const struct ballot_layout *l)
{
    return l->window;
}
