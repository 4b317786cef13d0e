#include "ceremony/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/cbor.h"
#include "ceremony/base/file.h"
#include "ceremony/json.h"
#include "ceremony/manifest_chains.h"
#include "ceremony/names.h"

#define MINIMUM_MAX 1000000

/* What the reading functions share. */
struct load {
    struct manifest *m;
    struct fault *f;
    struct names *contests, *styles;
};

static const struct json_at root = {NULL, NULL, 0};

static err_t unique(struct names *seen, const char *id, const struct json_at *at, struct fault *f)
{
    uint32_t index;
    int added;
    TRY(names_add(seen, &index, &added, id, strlen(id)));
    return added ? OK : json_fault(f, ERR_DUPLICATE, at, "this identifier is here twice");
}

/* Digits, as date_valid found them. */
static int two_digits(const char *s)
{
    return (s[0] - '0') * 10 + s[1] - '0';
}

static int date_valid(const char *s)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (strlen(s) != 10 || s[4] != '-' || s[7] != '-')
        return 0;
    for (int i = 0; i < 10; i++)
        if (i != 4 && i != 7 && (s[i] < '0' || s[i] > '9'))
            return 0;
    int year = two_digits(s) * 100 + two_digits(s + 2), month = two_digits(s + 5), day = two_digits(s + 8);
    if (year < 1900 || month < 1 || month > 12)
        return 0;
    int leap = month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0);
    return day >= 1 && day <= days[month - 1] + leap;
}

static err_t read_head(struct load *l, const json_t *v)
{
    struct manifest *m = l->m;
    uint32_t version;
    char word[TEXT_ID_MAX + 1];
    struct json_at at = {&root, "conclave", 0};
    TRY(json_uint(&version, v, "conclave", 0, UINT32_MAX, &root, l->f));
    if (version != 1)
        return json_fault(l->f, ERR_VERSION, &at, "this program knows version 1");
    at.key = "scheme";
    TRY(json_id(word, v, "scheme", &root, l->f));
    if (strcmp(word, "p256-elgamal") != 0)
        return json_fault(l->f, ERR_VERSION, &at, "this program knows the scheme p256-elgamal");
    m->scheme = SCHEME_P256_ELGAMAL;
    at.key = "kind";
    TRY(json_id(word, v, "kind", &root, l->f));
    if (strcmp(word, "ballots") != 0 && strcmp(word, "import") != 0)
        return json_fault(l->f, ERR_FORMAT, &at, "must be ballots or import");
    m->kind = strcmp(word, "import") == 0 ? KIND_IMPORT : KIND_BALLOTS;
    TRY(json_text(m->title, TEXT_TITLE_MAX, v, "title", &root, l->f));
    at.key = "date";
    TRY(json_text(m->date, 10, v, "date", &root, l->f));
    if (!date_valid(m->date))
        return json_fault(l->f, ERR_FORMAT, &at, "must be a date, YYYY-MM-DD");
    return OK;
}

static err_t read_trustees(struct load *l, const json_t *doc)
{
    static const char *const keys[] = {"n", "t", "?min_qual", "?max_same_model", "?rehearsal", NULL};
    struct manifest *m = l->m;
    struct json_at at = {&root, "trustees", 0};
    const json_t *v = json_object_get(doc, "trustees");
    TRY(json_keys(v, &at, keys, l->f));
    TRY(json_uint(&m->n, v, "n", 2, TRUSTEES_MAX, &at, l->f));
    TRY(json_uint(&m->t, v, "t", 2, m->n, &at, l->f));
    if (json_object_get(v, "rehearsal") != NULL)
        TRY(json_flag(&m->rehearsal, v, "rehearsal", &at, l->f));
    m->min_qual = m->n;
    if (json_object_get(v, "min_qual") != NULL)
        TRY(json_uint(&m->min_qual, v, "min_qual", m->t, m->n, &at, l->f));
    /* t tokens of one model, bad at once, would give the key away. */
    m->same_model_max = m->rehearsal ? m->n : m->t - 1;
    if (json_object_get(v, "max_same_model") != NULL)
        TRY(json_uint(&m->same_model_max, v, "max_same_model", 1, m->rehearsal ? m->n : m->t - 1, &at, l->f));
    return OK;
}

static err_t read_levels(struct load *l, const json_t *doc)
{
    struct manifest *m = l->m;
    const json_t *list;
    TRY(json_list(&list, doc, "levels", 1, LEVELS_MAX, &root, l->f));
    m->level_count = json_array_size(list);
    struct json_at at = {&root, "levels", 0};
    for (size_t i = 0; i < m->level_count; i++) {
        struct json_at here = {&at, NULL, i};
        TRY(json_id_value(m->level[i], json_array_get(list, i), &here, l->f));
        for (size_t k = 0; k < i; k++)
            if (strcmp(m->level[k], m->level[i]) == 0)
                return json_fault(l->f, ERR_DUPLICATE, &here, "this identifier is here twice");
    }
    return OK;
}

static err_t read_jurisdictions(struct load *l, const json_t *doc)
{
    static const char *const keys[] = {"file", "sha256", NULL};
    struct json_at at = {&root, "jurisdictions", 0};
    const json_t *v = json_object_get(doc, "jurisdictions");
    TRY(json_keys(v, &at, keys, l->f));
    TRY(json_id(l->m->places_file, v, "file", &at, l->f));
    return json_hash(&l->m->places_hash, v, "sha256", &at, l->f);
}

static err_t read_option(struct load *l, struct option *o, const json_t *v, const struct json_at *at)
{
    static const char *const keys[] = {"id", "title", "?write_in", NULL};
    TRY(json_keys(v, at, keys, l->f));
    TRY(json_id(o->id, v, "id", at, l->f));
    TRY(json_text(o->title, TEXT_TITLE_MAX, v, "title", at, l->f));
    if (json_object_get(v, "write_in") != NULL)
        TRY(json_flag(&o->write_in, v, "write_in", at, l->f));
    return OK;
}

static err_t read_contest(struct load *l, struct contest *c, const json_t *v, const struct json_at *at)
{
    static const char *const keys[] = {"id", "title", "limit", "options", NULL};
    const json_t *list;
    TRY(json_keys(v, at, keys, l->f));
    TRY(json_id(c->id, v, "id", at, l->f));
    struct json_at id_at = {at, "id", 0};
    TRY(unique(l->contests, c->id, &id_at, l->f));
    TRY(json_text(c->title, TEXT_TITLE_MAX, v, "title", at, l->f));
    TRY(json_list(&list, v, "options", 1, OPTIONS_MAX, at, l->f));
    size_t count = json_array_size(list);
    TRY(json_uint(&c->limit, v, "limit", 1, (uint32_t)count, at, l->f));
    c->option = calloc(count, sizeof *c->option);
    if (c->option == NULL)
        return fault_set(l->f, ERR_MEMORY, "options");
    c->option_count = count;
    struct names *seen;
    TRY(names_new(&seen));
    struct json_at options = {at, "options", 0};
    err_t e = OK;
    for (size_t i = 0; i < count && e == OK; i++) {
        struct json_at here = {&options, NULL, i}, option_id = {&here, "id", 0};
        e = read_option(l, &c->option[i], json_array_get(list, i), &here);
        if (e == OK)
            e = unique(seen, c->option[i].id, &option_id, l->f);
    }
    names_free(seen);
    return e;
}

static err_t read_contests(struct load *l, const json_t *doc)
{
    const json_t *list;
    TRY(json_list(&list, doc, "contests", 1, CONTESTS_MAX, &root, l->f));
    size_t count = json_array_size(list);
    l->m->contest = calloc(count, sizeof *l->m->contest);
    if (l->m->contest == NULL)
        return fault_set(l->f, ERR_MEMORY, "contests");
    l->m->contest_count = count;
    struct json_at at = {&root, "contests", 0};
    for (size_t i = 0; i < count; i++) {
        struct json_at here = {&at, NULL, i};
        TRY(read_contest(l, &l->m->contest[i], json_array_get(list, i), &here));
    }
    return OK;
}

static err_t read_style(struct load *l, struct style *s, const json_t *v, const struct json_at *at)
{
    static const char *const keys[] = {"id", "contests", NULL};
    const json_t *list;
    TRY(json_keys(v, at, keys, l->f));
    TRY(json_id(s->id, v, "id", at, l->f));
    struct json_at id_at = {at, "id", 0}, contests = {at, "contests", 0};
    TRY(unique(l->styles, s->id, &id_at, l->f));
    TRY(json_list(&list, v, "contests", 1, l->m->contest_count, at, l->f));
    size_t count = json_array_size(list);
    s->contest = calloc(count, sizeof *s->contest);
    if (s->contest == NULL)
        return fault_set(l->f, ERR_MEMORY, "styles");
    s->contest_count = count;
    for (size_t i = 0; i < count; i++) {
        struct json_at here = {&contests, NULL, i};
        char id[TEXT_ID_MAX + 1];
        TRY(json_id_value(id, json_array_get(list, i), &here, l->f));
        int64_t index = names_find(l->contests, id, strlen(id));
        if (index < 0)
            return json_fault(l->f, ERR_UNKNOWN, &here, "there is no such contest");
        if (i > 0 && (uint32_t)index == s->contest[i - 1])
            return json_fault(l->f, ERR_DUPLICATE, &here, "this contest is here twice");
        if (i > 0 && (uint32_t)index < s->contest[i - 1])
            return json_fault(l->f, ERR_FORMAT, &here,
                              "contests must be in the order of the manifest, each once");
        s->contest[i] = (uint32_t)index;
    }
    return OK;
}

static err_t contests_used(struct load *l)
{
    const struct manifest *m = l->m;
    uint8_t used[CONTESTS_MAX] = {0};
    for (size_t i = 0; i < m->style_count; i++)
        for (size_t k = 0; k < m->style[i].contest_count; k++)
            used[m->style[i].contest[k]] = 1;
    struct json_at contests = {&root, "contests", 0};
    for (size_t i = 0; i < m->contest_count; i++) {
        struct json_at here = {&contests, NULL, i};
        if (!used[i])
            return json_fault(l->f, ERR_RULE, &here, "this contest is on no style");
    }
    return OK;
}

static err_t read_styles(struct load *l, const json_t *doc)
{
    const json_t *list;
    TRY(json_list(&list, doc, "styles", 1, STYLES_MAX, &root, l->f));
    size_t count = json_array_size(list);
    l->m->style = calloc(count, sizeof *l->m->style);
    if (l->m->style == NULL)
        return fault_set(l->f, ERR_MEMORY, "styles");
    l->m->style_count = count;
    struct json_at at = {&root, "styles", 0};
    for (size_t i = 0; i < count; i++) {
        struct json_at here = {&at, NULL, i};
        TRY(read_style(l, &l->m->style[i], json_array_get(list, i), &here));
    }
    return contests_used(l);
}

static err_t read_decrypt_levels(struct load *l, const json_t *v, const struct json_at *at)
{
    struct manifest *m = l->m;
    const json_t *list;
    TRY(json_list(&list, v, "levels", 1, m->level_count, at, l->f));
    struct json_at levels = {at, "levels", 0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct json_at here = {&levels, NULL, i};
        char id[TEXT_ID_MAX + 1];
        TRY(json_id_value(id, json_array_get(list, i), &here, l->f));
        size_t k = 0;
        while (k < m->level_count && strcmp(m->level[k], id) != 0)
            k++;
        if (k == m->level_count)
            return json_fault(l->f, ERR_UNKNOWN, &here, "there is no such level");
        if (m->decrypt_levels >> k & 1)
            return json_fault(l->f, ERR_DUPLICATE, &here, "this level is here twice");
        if (m->decrypt_levels >> k != 0)
            return json_fault(l->f, ERR_FORMAT, &here, "levels must be in the order of the manifest");
        m->decrypt_levels |= UINT32_C(1) << k;
    }
    if (!(m->decrypt_levels & 1))
        return json_fault(l->f, ERR_RULE, &levels, "the whole must be decrypted");
    return OK;
}

static err_t read_rules(struct load *l, const json_t *doc)
{
    static const char *const keys[] = {"levels", "minimum", "?plan_quorum", NULL};
    static const char *const import_keys[] = {"bits", NULL};
    struct manifest *m = l->m;
    struct json_at at = {&root, "decryption", 0};
    const json_t *v = json_object_get(doc, "decryption");
    TRY(json_keys(v, &at, keys, l->f));
    TRY(read_decrypt_levels(l, v, &at));
    /* With 1 every single ballot could be decrypted by the rules. */
    TRY(json_uint(&m->minimum, v, "minimum", m->kind == KIND_BALLOTS && !m->rehearsal ? 2 : 1, MINIMUM_MAX,
                  &at, l->f));
    if (json_object_get(v, "plan_quorum") != NULL)
        TRY(json_uint(&m->plan_quorum, v, "plan_quorum", 0, m->n, &at, l->f));
    struct json_at quorum = {&at, "plan_quorum", 0};
    if (m->plan_quorum != 0 && m->plan_quorum < m->t)
        return json_fault(l->f, ERR_LIMIT, &quorum, "must be 0 or %u to %u", m->t, m->n);
    char word[TEXT_ID_MAX + 1];
    TRY(json_id(word, doc, "duplicate_ballots", &root, l->f));
    struct json_at duplicates = {&root, "duplicate_ballots", 0};
    if (strcmp(word, "first") != 0 && strcmp(word, "none") != 0)
        return json_fault(l->f, ERR_FORMAT, &duplicates, "must be first or none");
    m->duplicates = word[0] == 'f' ? DUPLICATE_FIRST : DUPLICATE_NONE;
    struct json_at import = {&root, "import", 0};
    v = json_object_get(doc, "import");
    if (m->kind == KIND_BALLOTS && v != NULL)
        return json_fault(l->f, ERR_RULE, &import, "only an election of the kind import has this");
    if (m->kind == KIND_BALLOTS)
        return OK;
    if (v == NULL)
        return json_fault(l->f, ERR_MISSING, &import, "an election of the kind import needs this");
    TRY(json_keys(v, &import, import_keys, l->f));
    return json_uint(&m->import_bits, v, "bits", 1, 32, &import, l->f);
}

static err_t read_all(struct load *l, const json_t *doc)
{
    static const char *const keys[] = {"conclave", "scheme",   "kind",       "title",
                                       "date",     "trustees", "levels",     "jurisdictions",
                                       "contests", "styles",   "decryption", "duplicate_ballots",
                                       "?import",  "?chains",  NULL};
    /* The version first: another version may have other keys. */
    if (json_is_object(doc) && json_object_get(doc, "conclave") != NULL)
        TRY(read_head(l, doc));
    TRY(json_keys(doc, &root, keys, l->f));
    TRY(read_trustees(l, doc));
    TRY(read_levels(l, doc));
    TRY(read_jurisdictions(l, doc));
    TRY(read_contests(l, doc));
    TRY(read_styles(l, doc));
    TRY(read_rules(l, doc));
    return chains_read(l->m, doc, l->f);
}

static int contest_order(const void *a, const void *b, void *ctx)
{
    const struct manifest *m = ctx;
    return strcmp(m->contest[*(const uint32_t *)a].id, m->contest[*(const uint32_t *)b].id);
}

static int style_order(const void *a, const void *b, void *ctx)
{
    const struct manifest *m = ctx;
    return strcmp(m->style[*(const uint32_t *)a].id, m->style[*(const uint32_t *)b].id);
}

static err_t index_ids(struct manifest *m)
{
    m->contest_by_id = calloc(m->contest_count, sizeof *m->contest_by_id);
    m->style_by_id = calloc(m->style_count, sizeof *m->style_by_id);
    if (m->contest_by_id == NULL || m->style_by_id == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < m->contest_count; i++)
        m->contest_by_id[i] = i;
    for (uint32_t i = 0; i < m->style_count; i++)
        m->style_by_id[i] = i;
    qsort_r(m->contest_by_id, m->contest_count, sizeof *m->contest_by_id, contest_order, m);
    qsort_r(m->style_by_id, m->style_count, sizeof *m->style_by_id, style_order, m);
    return OK;
}

err_t manifest_election(hash_t *out, const uint8_t *data, size_t len)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/election");
    cbor_put_bytes(&o, data, len);
    return cbor_out_hash(&o, out);
}

err_t manifest_election_of(hash_t *out, const char *path, struct fault *f)
{
    uint8_t *data;
    size_t len;
    TRY(file_read(&data, &len, path, MANIFEST_MAX, f));
    err_t e = manifest_election(out, data, len);
    free(data);
    return e;
}

err_t manifest_parse(struct manifest **out, const uint8_t *data, size_t len, struct fault *f)
{
    *out = NULL;
    if (len > MANIFEST_MAX)
        return fault_set(f, ERR_LIMIT, "%zu bytes, at most %zu allowed", len, MANIFEST_MAX);
    json_t *doc = NULL;
    struct load l = {calloc(1, sizeof *l.m), f, NULL, NULL};
    err_t e = OK;
    if (l.m == NULL)
        GO(fault_set(f, ERR_MEMORY, "manifest"));
    GO(json_read(&doc, data, len, f));
    GO(names_new(&l.contests));
    GO(names_new(&l.styles));
    GO(read_all(&l, doc));
    GO(index_ids(l.m));
    GO(manifest_election(&l.m->election, data, len));
    *out = l.m;
    l.m = NULL;
out:
    if (e != OK && f != NULL && f->err != e)
        fault_set(f, e, "manifest");
    json_decref(doc);
    names_free(l.contests);
    names_free(l.styles);
    manifest_free(l.m);
    return e;
}

err_t manifest_load(struct manifest **out, const char *path, struct fault *f)
{
    uint8_t *data;
    size_t len;
    *out = NULL;
    TRY(file_read(&data, &len, path, MANIFEST_MAX, f));
    err_t e = manifest_parse(out, data, len, f);
    free(data);
    return fault_file(f, e, path);
}

void manifest_free(struct manifest *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->contest_count; i++)
        free(m->contest[i].option);
    for (size_t i = 0; i < m->style_count; i++)
        free(m->style[i].contest);
    free(m->contest);
    free(m->style);
    chains_free(m);
    free(m->contest_by_id);
    free(m->style_by_id);
    free(m);
}

/* Position of id among count structs of `size` bytes that begin with their identifier, or -1. */
static int find_id(const char *base, size_t size, size_t count, const uint32_t *by_id, const char *id)
{
    size_t low = 0, high = count;
    while (by_id != NULL && low < high) {
        size_t mid = (low + high) / 2;
        int order = strcmp(id, base + size * by_id[mid]);
        if (order == 0)
            return (int)by_id[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    for (size_t i = 0; by_id == NULL && i < count; i++)
        if (strcmp(id, base + size * i) == 0)
            return (int)i;
    return -1;
}

int manifest_contest(const struct manifest *m, const char *id)
{
    _Static_assert(offsetof(struct contest, id) == 0, "find_id needs the identifier first");
    return find_id((const char *)m->contest, sizeof *m->contest, m->contest_count, m->contest_by_id, id);
}

int manifest_style(const struct manifest *m, const char *id)
{
    _Static_assert(offsetof(struct style, id) == 0, "find_id needs the identifier first");
    return find_id((const char *)m->style, sizeof *m->style, m->style_count, m->style_by_id, id);
}

int manifest_chain(const struct manifest *m, const char *id)
{
    _Static_assert(offsetof(struct chain, id) == 0, "find_id needs the identifier first");
    return find_id((const char *)m->chain, sizeof *m->chain, m->chain_count, NULL, id);
}
