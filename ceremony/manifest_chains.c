#include "ceremony/manifest_chains.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/json.h"
#include "ceremony/math/p256_var.h"

static err_t read_key(pubkey_t *out, const json_t *v, const struct json_at *at, struct fault *f)
{
    struct p256_affine point;
    if (!json_is_string(v) || hex_get(out->b, POINT_LEN, json_string_value(v)) != OK)
        return json_fault(f, ERR_FORMAT, at, "must be 66 hex digits in lower case");
    if (p256_decompress_var(&point, out) != OK)
        return json_fault(f, ERR_POINT, at, "not a public key on P-256");
    return OK;
}

static int same(const pubkey_t *a, const pubkey_t *b)
{
    return memcmp(a->b, b->b, POINT_LEN) == 0;
}

static err_t read_validators(struct chain *c, const json_t *v, const struct json_at *at, struct fault *f)
{
    const json_t *list;
    struct json_at validators = {at, "validators", 0};
    TRY(json_list(&list, v, "validators", 1, VALIDATORS_MAX, at, f));
    size_t count = json_array_size(list);
    c->validator = calloc(count, sizeof *c->validator);
    if (c->validator == NULL)
        return fault_set(f, ERR_MEMORY, "validators");
    c->validator_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct json_at here = {&validators, NULL, i};
        TRY(read_key(&c->validator[i], json_array_get(list, i), &here, f));
        int twice = same(&c->validator[i], &c->key) || same(&c->validator[i], &c->envelope);
        for (size_t k = 0; k < i && !twice; k++)
            twice = same(&c->validator[i], &c->validator[k]);
        if (twice)
            return json_fault(f, ERR_DUPLICATE, &here, "this key is there already");
    }
    return json_uint(&c->quorum, v, "quorum", c->validator_count / 2 + 1, c->validator_count, at, f);
}

static err_t read_places(struct chain *c, const json_t *v, const struct json_at *at, struct fault *f)
{
    const json_t *list;
    struct json_at places = {at, "places", 0};
    TRY(json_list(&list, v, "places", 1, CHAIN_PLACES_MAX, at, f));
    size_t count = json_array_size(list);
    c->place = calloc(count, sizeof *c->place);
    if (c->place == NULL)
        return fault_set(f, ERR_MEMORY, "places of a chain");
    c->place_count = count;
    for (size_t i = 0; i < count; i++) {
        struct json_at here = {&places, NULL, i};
        TRY(json_id_value(c->place[i], json_array_get(list, i), &here, f));
    }
    return OK;
}

static err_t read_chain(struct manifest *m, size_t index, const json_t *v, const struct json_at *at,
                        struct fault *f)
{
    static const char *const keys[] = {"id",       "title",      "places", "key",
                                       "envelope", "validators", "quorum", NULL};
    struct chain *c = &m->chain[index];
    struct json_at id = {at, "id", 0}, key = {at, "key", 0}, envelope = {at, "envelope", 0};
    TRY(json_keys(v, at, keys, f));
    TRY(json_id(c->id, v, "id", at, f));
    for (size_t i = 0; i < index; i++)
        if (strcmp(m->chain[i].id, c->id) == 0)
            return json_fault(f, ERR_DUPLICATE, &id, "this identifier is here twice");
    TRY(json_text(c->title, TEXT_TITLE_MAX, v, "title", at, f));
    TRY(read_places(c, v, at, f));
    TRY(read_key(&c->key, json_object_get(v, "key"), &key, f));
    TRY(read_key(&c->envelope, json_object_get(v, "envelope"), &envelope, f));
    if (same(&c->key, &c->envelope))
        return json_fault(f, ERR_DUPLICATE, &envelope, "must be another key than the one that signs headers");
    return read_validators(c, v, at, f);
}

err_t chains_read(struct manifest *m, const json_t *doc, struct fault *f)
{
    static const struct json_at root = {NULL, NULL, 0};
    const json_t *list;
    struct json_at at = {&root, "chains", 0};
    if (json_object_get(doc, "chains") == NULL)
        return OK;
    if (m->kind != KIND_BALLOTS)
        return json_fault(f, ERR_RULE, &at, "an election of the kind import has no ballots, so no chains");
    TRY(json_list(&list, doc, "chains", 1, CHAINS_MAX, &root, f));
    size_t count = json_array_size(list);
    m->chain = calloc(count, sizeof *m->chain);
    if (m->chain == NULL)
        return fault_set(f, ERR_MEMORY, "chains");
    m->chain_count = count;
    for (size_t i = 0; i < count; i++) {
        struct json_at here = {&at, NULL, i};
        TRY(read_chain(m, i, json_array_get(list, i), &here, f));
    }
    return OK;
}

void chains_free(struct manifest *m)
{
    for (size_t i = 0; i < m->chain_count; i++) {
        free(m->chain[i].place);
        free(m->chain[i].validator);
    }
    free(m->chain);
}

/* --- writing --- */

static json_t *hex(const pubkey_t *key)
{
    char text[2 * POINT_LEN + 1];
    hex_put(text, key->b, POINT_LEN);
    return json_string(text);
}

static json_t *put_chain(const struct chain *c)
{
    json_t *places = json_array(), *validators = json_array();
    int bad = 0;
    for (size_t i = 0; i < c->place_count; i++)
        bad |= json_array_append_new(places, json_string(c->place[i]));
    for (size_t i = 0; i < c->validator_count; i++)
        bad |= json_array_append_new(validators, hex(&c->validator[i]));
    json_t *v = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I}", "id", c->id, "title", c->title, "places",
                          places, "key", hex(&c->key), "envelope", hex(&c->envelope), "validators",
                          validators, "quorum", (json_int_t)c->quorum);
    if (!bad)
        return v;
    json_decref(v);
    return NULL;
}

json_t *chains_write(const struct manifest *m)
{
    json_t *list = json_array();
    int bad = list == NULL;
    for (size_t i = 0; i < m->chain_count && !bad; i++)
        bad = json_array_append_new(list, put_chain(&m->chain[i])) != 0;
    if (!bad)
        return list;
    json_decref(list);
    return NULL;
}

/* --- places --- */

err_t chain_places_read(uint32_t **out, const struct places *p, const struct manifest *m, uint32_t chain,
                        struct fault *f)
{
    const struct chain *c = &m->chain[chain];
    uint32_t *row = calloc(c->place_count, sizeof *row);
    *out = NULL;
    if (row == NULL)
        return fault_set(f, ERR_MEMORY, "places of a chain");
    err_t e = OK;
    for (size_t i = 0; i < c->place_count && e == OK; i++) {
        int64_t index = places_find(p, c->place[i]);
        struct place place;
        if (index < 0) {
            e = fault_set(f, ERR_UNKNOWN, "the chain %s names a place %s that is not there", c->id,
                          c->place[i]);
            break;
        }
        places_get(p, (uint32_t)index, &place);
        row[i] = (uint32_t)index;
        if (place.level + 1 != m->level_count)
            e = fault_set(f, ERR_RULE, "the place %s of the chain %s is not of the lowest level", c->place[i],
                          c->id);
        else if (i > 0 && row[i] == row[i - 1])
            e = fault_set(f, ERR_DUPLICATE, "the chain %s names the place %s twice", c->id, c->place[i]);
        else if (i > 0 && row[i] < row[i - 1])
            e = fault_set(f, ERR_RULE, "the places of the chain %s are not in order of rows", c->id);
    }
    if (e != OK) {
        free(row);
        return e;
    }
    *out = row;
    return OK;
}
