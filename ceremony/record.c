#include "ceremony/record.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/phase.h"

/* --- encoding --- */

static err_t record_encode(struct cbor_out *o, const struct record *r)
{
    cbor_put_array(o, 15);
    cbor_put_text(o, "conclave/record");
    cbor_put_uint(o, 1);
    cbor_put_uint(o, r->scheme);
    cbor_put_hash(o, &r->election);
    cbor_put_hash(o, &r->ceremony);
    cbor_put_uint(o, r->n);
    cbor_put_uint(o, r->t);
    cbor_put_hash(o, &r->cut);
    cbor_put_uint(o, r->qual);
    cbor_put_uint(o, r->holders);
    cbor_put_point(o, &r->Y);
    cbor_put_array(o, r->n);
    for (uint32_t j = 0; j < r->n; j++) {
        const struct seat *s = &r->seat[j];
        cbor_put_array(o, 9);
        cbor_put_text(o, s->name);
        cbor_put_text(o, s->organisation);
        cbor_put_text(o, s->manufacturer);
        cbor_put_text(o, s->model);
        cbor_put_text(o, s->serial);
        cbor_put_point(o, &s->identity);
        cbor_put_point(o, &s->ceremony_key);
        cbor_put_hash(o, &s->enrolment);
        if (r->holders >> j & 1)
            cbor_put_point(o, &s->S);
        else
            cbor_put_null(o);
    }
    cbor_put_array(o, r->entry_count);
    for (size_t i = 0; i < r->entry_count; i++)
        cbor_put_hash(o, &r->entry[i]);
    cbor_put_hash(o, &r->transcript);
    cbor_put_text(o, "end");
    return o->err;
}

static err_t record_id(struct record *r, const void *data, size_t len)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/record-id");
    cbor_put_bytes(&o, data, len);
    return cbor_out_hash(&o, &r->id);
}

static void transcript_root(hash_t *out, const hash_t *entry, size_t count)
{
    struct merkle m;
    merkle_init(&m);
    for (size_t i = 0; i < count; i++) {
        hash_t leaf;
        merkle_leaf(&leaf, entry[i].b, HASH_LEN);
        merkle_add(&m, &leaf);
    }
    merkle_root(&m, out);
}

void record_anchor(hash_t *out, const hash_t *election, const hash_t *record)
{
    /* The heads of array(3), text(15) and twice bytes(32) stand here: a fingerprint cannot fail for want of
     * memory. */
    static const char label[] = "\x83\x6f"
                                "conclave/anchor";
    struct hash_ctx c;
    hash_init(&c);
    hash_add(&c, label, sizeof label - 1);
    hash_add(&c, "\x58\x20", 2);
    hash_add(&c, election->b, HASH_LEN);
    hash_add(&c, "\x58\x20", 2);
    hash_add(&c, record->b, HASH_LEN);
    hash_end(&c, out);
}

void record_free(struct record *r)
{
    if (r == NULL)
        return;
    free(r->entry);
    free(r);
}

/* --- reading --- */

static void read_seat(struct cbor_in *in, struct group *g, struct seat *s, int holder)
{
    cbor_get_array_exact(in, 9);
    cbor_get_text(in, s->name, TEXT_TITLE_MAX);
    cbor_get_text(in, s->organisation, TEXT_TITLE_MAX);
    cbor_get_text(in, s->manufacturer, sizeof s->manufacturer - 1);
    cbor_get_text(in, s->model, sizeof s->model - 1);
    cbor_get_text(in, s->serial, sizeof s->serial - 1);
    cbor_get_point(in, g, &s->identity);
    cbor_get_point(in, g, &s->ceremony_key);
    cbor_get_hash(in, &s->enrolment);
    if (holder)
        cbor_get_point(in, g, &s->S);
    else if (!cbor_get_null(in))
        cbor_fail(in, ERR_FORMAT);
}

static err_t read_record(struct record *r, struct group *g, const uint8_t *data, size_t len, struct fault *f)
{
    struct cbor_in in;
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 15);
    cbor_get_text_exact(&in, "conclave/record");
    uint64_t version = cbor_get_uint(&in, UINT32_MAX);
    r->scheme = (uint32_t)cbor_get_uint(&in, UINT32_MAX);
    if (in.err == OK && (version != 1 || r->scheme != SCHEME_P256_ELGAMAL))
        cbor_fail(&in, ERR_VERSION);
    cbor_get_hash(&in, &r->election);
    cbor_get_hash(&in, &r->ceremony);
    r->n = (uint32_t)cbor_get_uint(&in, TRUSTEES_MAX);
    r->t = (uint32_t)cbor_get_uint(&in, TRUSTEES_MAX);
    cbor_get_hash(&in, &r->cut);
    r->qual = (uint32_t)cbor_get_uint(&in, UINT32_MAX);
    r->holders = (uint32_t)cbor_get_uint(&in, UINT32_MAX);
    cbor_get_point(&in, g, &r->Y);
    cbor_get_array_exact(&in, r->n);
    for (uint32_t j = 0; j < r->n && in.err == OK; j++)
        read_seat(&in, g, &r->seat[j], r->holders >> j & 1);
    r->entry_count = cbor_get_array(&in, 1, 65536);
    r->entry = calloc(r->entry_count + 1, sizeof *r->entry);
    if (r->entry == NULL)
        return fault_set(f, ERR_MEMORY, "ceremony record");
    for (size_t i = 0; i < r->entry_count; i++)
        cbor_get_hash(&in, &r->entry[i]);
    cbor_get_hash(&in, &r->transcript);
    cbor_get_text_exact(&in, "end");
    return cbor_in_end(&in, f);
}

/* First and last t holders interpolate to Y; each S_j is bound by the deals, see record_check. */
static err_t check_key(const struct record *r, struct group *g, struct fault *f)
{
    uint32_t seat[TRUSTEES_MAX], count = 0;
    for (uint32_t j = 1; j <= r->n; j++)
        if (r->holders >> (j - 1) & 1)
            seat[count++] = j;
    if (count < r->t || (r->n < 32 && (r->holders | r->qual) >> r->n != 0))
        return fault_set(f, ERR_QUORUM, "the record names %u holders", count);
    for (uint32_t first = 0; first + r->t <= count; first++) {
        scalar_t lambda[TRUSTEES_MAX];
        point_t S[TRUSTEES_MAX], Y;
        for (uint32_t i = 0; i < r->t; i++) {
            TRY(lagrange_at_zero(&lambda[i], seat + first, r->t, i));
            S[i] = r->seat[seat[first + i] - 1].S;
        }
        TRY(point_mul_sum(g, &Y, lambda, S, r->t));
        if (!point_equal(&Y, &r->Y))
            return fault_set(f, ERR_MISMATCH, "the holders' points do not give the joint key");
    }
    return OK;
}

err_t record_parse(struct record **out, const struct manifest *m, const uint8_t *data, size_t len,
                   struct fault *f)
{
    struct group *g = NULL;
    hash_t root;
    *out = NULL;
    struct record *r = calloc(1, sizeof *r);
    err_t e = r == NULL ? fault_set(f, ERR_MEMORY, "ceremony record") : group_new(&g);
    GO(e);
    GO(read_record(r, g, data, len, f));
    if (hash_cmp(&r->election, &m->election) != 0) {
        e = fault_set(f, ERR_ELECTION, "the ceremony record is of another election");
        goto out;
    }
    if (r->n != m->n || r->t != m->t) {
        e = fault_set(f, ERR_MISMATCH, "the ceremony record is for %u of %u", r->t, r->n);
        goto out;
    }
    GO(check_key(r, g, f));
    transcript_root(&root, r->entry, r->entry_count);
    if (hash_cmp(&root, &r->transcript) != 0) {
        e = fault_set(f, ERR_HASH, "the transcript root is not that of the entries listed");
        goto out;
    }
    GO(record_id(r, data, len));
    *out = r;
    r = NULL;
out:
    record_free(r);
    group_free(g);
    return e;
}

err_t record_load(struct record **out, const struct manifest *m, const char *path, struct fault *f)
{
    uint8_t *data;
    size_t len;
    *out = NULL;
    TRY(file_read(&data, &len, path, RECORD_MAX, f));
    err_t e = record_parse(out, m, data, len, f);
    free(data);
    return fault_file(f, e, path);
}

/* --- making --- */

struct making {
    const struct manifest *m;
    const struct board *b;
    struct group *g;
    struct roster roster;
    struct cut cut;
    struct outcome outcome;
    const struct entry *confirm[TRUSTEES_MAX];
};

static err_t find_roster(struct making *k, const hash_t *ceremony, struct fault *f)
{
    for (size_t i = 0; i < k->b->entry_count; i++) {
        const struct entry *e = k->b->entry[i];
        if (e->kind != ENTRY_ROSTER || hash_cmp(&e->ceremony, ceremony) != 0)
            continue;
        hash_t id[TRUSTEES_MAX];
        size_t count;
        if (roster_ids(id, &count, e, NULL) != OK)
            continue;
        err_t tried = roster_from_ids(&k->roster, k->m, k->b, k->g, id, count, f);
        if (err_class(tried) == CLASS_SYSTEM || (tried == OK && hash_cmp(&k->roster.ceremony, ceremony) == 0))
            return tried;
    }
    return fault_set(f, ERR_MISSING, "no good roster of this ceremony is on the board");
}

/* Everything that follows from one cut: OK if the key is released by it. */
static err_t try_cut(struct making *k, const struct entry *cut_entry, struct fault *f)
{
    point_t D[TRUSTEES_MAX];
    memset(D, 0, sizeof D);
    TRY(find_roster(k, &cut_entry->ceremony, f));
    if (roster_seat(&k->roster, &cut_entry->author) == 0)
        return fault_set(f, ERR_SIGNATURE, "the cut is signed by nobody of the roster");
    TRY(cut_parse(&k->cut, cut_entry, &k->roster, f));
    TRY(cut_outcome(&k->outcome, k->m, k->b, &k->roster, &k->cut, k->g, f));
    for (uint32_t j = 1; j <= k->roster.n; j++)
        if (k->outcome.holders >> (j - 1) & 1)
            TRY(confirm_check(&D[j - 1], &k->confirm[j - 1], k->b, &k->roster, &k->cut, &k->outcome, j, k->g,
                              f));
    return test_decrypts(k->g, &k->roster, &k->cut, &k->outcome, D, f);
}

static void list_entries(struct record *r, const struct making *k)
{
    for (uint32_t j = 0; j < r->n; j++)
        r->entry[r->entry_count++] = k->roster.seat[j].id;
    for (size_t i = 0; i < k->cut.entry_count; i++)
        r->entry[r->entry_count++] = k->cut.entry[i];
    for (uint32_t j = 0; j < r->n; j++)
        if (k->confirm[j] != NULL)
            r->entry[r->entry_count++] = k->confirm[j]->statement_id;
}

static err_t build(struct record **out, struct cbor_out *bytes, const struct making *k)
{
    struct record *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ERR_MEMORY;
    r->election = k->m->election;
    r->ceremony = k->roster.ceremony;
    r->scheme = SCHEME_P256_ELGAMAL;
    r->n = k->roster.n;
    r->t = k->roster.t;
    r->qual = k->outcome.qual;
    r->holders = k->outcome.holders;
    r->cut = k->cut.hash;
    r->Y = k->outcome.Y;
    for (uint32_t j = 0; j < r->n; j++) {
        const struct enrolment *x = &k->roster.seat[j];
        struct seat *s = &r->seat[j];
        memcpy(s->name, x->name, sizeof s->name);
        memcpy(s->organisation, x->organisation, sizeof s->organisation);
        memcpy(s->manufacturer, x->manufacturer, sizeof s->manufacturer);
        memcpy(s->model, x->model, sizeof s->model);
        memcpy(s->serial, x->serial, sizeof s->serial);
        s->identity = x->identity;
        s->ceremony_key = x->ceremony_key;
        s->enrolment = x->id;
        s->S = k->outcome.S[j];
    }
    r->entry = calloc(2 * (size_t)r->n + k->cut.entry_count, sizeof *r->entry);
    err_t e = r->entry == NULL ? ERR_MEMORY : OK;
    if (e == OK) {
        list_entries(r, k);
        transcript_root(&r->transcript, r->entry, r->entry_count);
        e = record_encode(bytes, r);
    }
    if (e == OK)
        e = record_id(r, bytes->data, bytes->len);
    if (e != OK) {
        record_free(r);
        return e;
    }
    *out = r;
    return OK;
}

static void making_reset(struct making *k)
{
    cut_free(&k->cut);
    memset(k->confirm, 0, sizeof k->confirm);
}

/* Does the cut that is in k come before the one that made the record? See record.h. */
static int comes_first(const struct making *k, const struct record *r, size_t cut_entries)
{
    int holders = __builtin_popcount(k->outcome.holders), other = __builtin_popcount(r->holders);
    if (k->cut.entry_count != cut_entries)
        return k->cut.entry_count > cut_entries;
    if (holders != other)
        return holders < other;
    return hash_cmp(&k->cut.hash, &r->cut) < 0;
}

struct best {
    struct record *record;
    struct cbor_out bytes;
    size_t cut_entries;
};

static void best_free(struct best *best)
{
    record_free(best->record);
    cbor_out_free(&best->bytes);
    memset(best, 0, sizeof *best);
}

/* k releases a key: keeps it if it is the better one. */
static err_t consider(struct best *best, const struct making *k, struct fault *f)
{
    if (best->record != NULL && hash_cmp(&best->record->ceremony, &k->roster.ceremony) != 0)
        return fault_set(f, ERR_CONFLICT, "two ceremonies of this board release a key");
    if (best->record != NULL && !comes_first(k, best->record, best->cut_entries))
        return OK;
    best_free(best);
    best->cut_entries = k->cut.entry_count;
    return build(&best->record, &best->bytes, k);
}

static err_t try_cuts(struct best *best, struct making *k, const hash_t *ceremony, struct fault *f,
                      struct fault *why)
{
    for (size_t i = 0; i < k->b->entry_count; i++) {
        const struct entry *e = k->b->entry[i];
        if (e->kind != ENTRY_CUT || (ceremony != NULL && hash_cmp(&e->ceremony, ceremony) != 0))
            continue;
        /* Signed by several: only what was seen to be good counts as seen, for rubbish can have any subject.
         */
        if (best->record != NULL && hash_cmp(&best->record->cut, &e->subject) == 0)
            continue;
        making_reset(k);
        err_t tried = try_cut(k, e, why);
        if (err_class(tried) == CLASS_SYSTEM)
            return tried;
        if (tried == OK)
            TRY(consider(best, k, f));
    }
    return OK;
}

err_t record_make(struct record **out, struct cbor_out *bytes, const struct manifest *m,
                  const struct board *b, const hash_t *ceremony, struct fault *f)
{
    *out = NULL;
    struct making *k = calloc(1, sizeof *k);
    if (k == NULL)
        return fault_set(f, ERR_MEMORY, "ceremony record");
    k->m = m;
    k->b = b;
    struct fault why;
    struct best best = {NULL, CBOR_OUT_INIT, 0};
    fault_set(&why, ERR_EARLY, "no cut is on the board yet");
    err_t e = group_new(&k->g);
    if (e == OK)
        e = try_cuts(&best, k, ceremony, f, &why);
    if (e == OK && best.record == NULL)
        e = fault_set(f, ERR_EARLY, "the key is not released: %s%s%s", why.who,
                      why.who[0] != '\0' ? ": " : "", why.detail);
    if (e == OK) {
        *out = best.record;
        *bytes = best.bytes;
    } else {
        best_free(&best);
    }
    making_reset(k);
    group_free(k->g);
    free(k);
    return e;
}

/* --- checking --- */

int record_lists(const struct record *r, const struct entry *e)
{
    const hash_t *id = e->kind == ENTRY_CONFIRM ? &e->statement_id : &e->id;
    for (size_t i = 0; i < r->entry_count; i++)
        if (hash_cmp(&r->entry[i], id) == 0)
            return 1;
    return 0;
}

/* The entries that the record lists, and the signed rosters and cuts that give its ceremony id and cut hash,
 * as a board of their own: nothing else can have had an influence. ERR_MISSING if one is not here. */
static err_t listed_board(struct board *view, const struct record *r, const struct board *b, struct fault *f)
{
    memset(view, 0, sizeof *view);
    view->election = b->election;
    view->entry = calloc(b->entry_count + 1, sizeof *view->entry);
    uint8_t *seen = calloc(r->entry_count + 1, 1);
    err_t err = view->entry == NULL || seen == NULL ? fault_set(f, ERR_MEMORY, "ceremony record") : OK;
    for (size_t i = 0; err == OK && i < b->entry_count; i++) {
        struct entry *e = b->entry[i];
        const hash_t *id = e->kind == ENTRY_CONFIRM ? &e->statement_id : &e->id;
        int same = hash_cmp(&e->ceremony, &r->ceremony) == 0;
        int take = same &&
                   (e->kind == ENTRY_ROSTER || (e->kind == ENTRY_CUT && hash_cmp(&e->subject, &r->cut) == 0));
        for (size_t j = 0; j < r->entry_count; j++)
            if (hash_cmp(&r->entry[j], id) == 0)
                take = seen[j] = 1;
        if (take)
            view->entry[view->entry_count++] = e;
    }
    for (size_t j = 0; err == OK && j < r->entry_count; j++) {
        char hex[17];
        hex_put(hex, r->entry[j].b, 8);
        if (!seen[j])
            err = fault_set(f, ERR_MISSING, "entry %s of the record is not on this board", hex);
    }
    free(seen);
    if (err != OK)
        free(view->entry);
    return err;
}

err_t record_check(const struct record *r, const struct manifest *m, const struct board *b, struct fault *f)
{
    struct board view;
    struct record *again = NULL;
    struct cbor_out bytes = CBOR_OUT_INIT;
    TRY(listed_board(&view, r, b, f));
    err_t e = record_make(&again, &bytes, m, &view, &r->ceremony, f);
    if (e == OK && hash_cmp(&again->id, &r->id) != 0)
        e = fault_set(f, ERR_MISMATCH, "the record is not what follows from its entries");
    record_free(again);
    cbor_out_free(&bytes);
    free(view.entry);
    return e;
}
