/* manifest.json from a struct manifest, and the warnings about what it allows. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/json.h"
#include "ceremony/manifest_chains.h"

/* Both take the value over, NULL too; what could not be added is remembered: jansson leaves it out without a
 * word. */
static void set(int *bad, json_t *object, const char *key, json_t *value)
{
    *bad |= json_object_set_new(object, key, value) != 0;
}

static void append(int *bad, json_t *array, json_t *value)
{
    *bad |= json_array_append_new(array, value) != 0;
}

static json_t *put_contest(int *bad, const struct contest *c)
{
    json_t *options = json_array();
    for (size_t i = 0; i < c->option_count; i++) {
        const struct option *o = &c->option[i];
        json_t *v = json_pack("{s:s, s:s}", "id", o->id, "title", o->title);
        if (o->write_in)
            set(bad, v, "write_in", json_true());
        append(bad, options, v);
    }
    return json_pack("{s:s, s:s, s:I, s:o}", "id", c->id, "title", c->title, "limit", (json_int_t)c->limit,
                     "options", options);
}

static json_t *put_style(int *bad, const struct manifest *m, const struct style *s)
{
    json_t *contests = json_array();
    for (size_t i = 0; i < s->contest_count; i++)
        append(bad, contests, json_string(m->contest[s->contest[i]].id));
    return json_pack("{s:s, s:o}", "id", s->id, "contests", contests);
}

static json_t *put_trustees(int *bad, const struct manifest *m)
{
    json_t *v = json_pack("{s:I, s:I}", "n", (json_int_t)m->n, "t", (json_int_t)m->t);
    if (m->min_qual != 0 && m->min_qual != m->n)
        set(bad, v, "min_qual", json_integer(m->min_qual));
    if (m->same_model_max != 0 && m->same_model_max != (m->rehearsal ? m->n : m->t - 1))
        set(bad, v, "max_same_model", json_integer(m->same_model_max));
    if (m->rehearsal)
        set(bad, v, "rehearsal", json_true());
    return v;
}

static json_t *put_decryption(int *bad, const struct manifest *m)
{
    json_t *levels = json_array();
    for (size_t i = 0; i < m->level_count; i++)
        if (m->decrypt_levels >> i & 1)
            append(bad, levels, json_string(m->level[i]));
    json_t *v = json_pack("{s:o, s:I}", "levels", levels, "minimum", (json_int_t)m->minimum);
    if (m->plan_quorum != 0)
        set(bad, v, "plan_quorum", json_integer(m->plan_quorum));
    return v;
}

static json_t *put_manifest(int *bad, const struct manifest *m)
{
    char hex[2 * HASH_LEN + 1];
    hex_put(hex, m->places_hash.b, HASH_LEN);
    json_t *levels = json_array(), *contests = json_array(), *styles = json_array();
    for (size_t i = 0; i < m->level_count; i++)
        append(bad, levels, json_string(m->level[i]));
    for (size_t i = 0; i < m->contest_count; i++)
        append(bad, contests, put_contest(bad, &m->contest[i]));
    for (size_t i = 0; i < m->style_count; i++)
        append(bad, styles, put_style(bad, m, &m->style[i]));
    json_t *v = json_pack("{s:i, s:s, s:s, s:s, s:s, s:o, s:o, s:{s:s, s:s}, s:o, s:o, s:o, s:s}", "conclave",
                          1, "scheme", "p256-elgamal", "kind", m->kind == KIND_IMPORT ? "import" : "ballots",
                          "title", m->title, "date", m->date, "trustees", put_trustees(bad, m), "levels",
                          levels, "jurisdictions", "file", m->places_file, "sha256", hex, "contests",
                          contests, "styles", styles, "decryption", put_decryption(bad, m),
                          "duplicate_ballots", m->duplicates == DUPLICATE_NONE ? "none" : "first");
    if (m->kind == KIND_IMPORT)
        set(bad, v, "import", json_pack("{s:I}", "bits", (json_int_t)m->import_bits));
    if (m->chain_count > 0)
        set(bad, v, "chains", chains_write(m));
    return v;
}

/* Adds the line feed that ends a text file. */
static char *end_line(char *text)
{
    size_t len = strlen(text);
    char *longer = realloc(text, len + 2);
    if (longer == NULL) {
        free(text);
        return NULL;
    }
    memcpy(longer + len, "\n", 2);
    return longer;
}

err_t manifest_write(uint8_t **out, size_t *len, const struct manifest *m, struct fault *f)
{
    *out = NULL;
    *len = 0;
    int bad = 0;
    json_t *v = put_manifest(&bad, m);
    char *text = NULL;
    if (v != NULL && !bad && json_write(&text, v) == OK)
        text = end_line(text);
    json_decref(v);
    if (text == NULL)
        return fault_set(f, ERR_MEMORY, "manifest");
    struct manifest *again;
    err_t e = manifest_parse(&again, (const uint8_t *)text, strlen(text), f);
    manifest_free(again);
    if (e != OK) {
        free(text);
        return e;
    }
    *out = (uint8_t *)text;
    *len = strlen(text);
    return OK;
}

static void say(void (*fn)(void *, const char *), void *ctx, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void say(void (*fn)(void *, const char *), void *ctx, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    fn(ctx, line);
}

void manifest_warnings(const struct manifest *m, void (*fn)(void *ctx, const char *sentence), void *ctx)
{
    if (m->rehearsal)
        say(fn, ctx,
            "This is a rehearsal: all tokens may be of one model, so one bad model gives the key away.");
    uint32_t stop = m->n - m->t + 1;
    if (stop < m->t)
        say(fn, ctx,
            "If %u of %u trustees fail, nothing can be decrypted; that is fewer than the %u it takes to "
            "decrypt.",
            stop, m->n, m->t);
    if (m->min_qual == m->n)
        say(fn, ctx, "Every trustee must deal (min_qual is %u): one who does not stops the key ceremony.",
            m->n);
    if (m->t * 2 <= m->n)
        say(fn, ctx, "Fewer than half of the trustees (%u of %u) are able to decrypt.", m->t, m->n);
    if (m->minimum < 10 && m->kind == KIND_BALLOTS)
        say(fn, ctx,
            "Sums of as few as %u ballots will be decrypted; that may show how single persons voted.",
            m->minimum);
    if (m->level_count > 1 && (m->decrypt_levels >> (m->level_count - 1) & 1) && m->kind == KIND_BALLOTS)
        say(fn, ctx, "The lowest level (%s) is decrypted; small places need reporting groups.",
            m->level[m->level_count - 1]);
    /* Each of n - (t - 1) honest tokens signs one plan, each of t - 1 others both: two plans with q
     * signatures need 2 q <= n + t - 1. */
    uint32_t single = (m->n + m->t - 1) / 2 + 1;
    if (m->plan_quorum == 0)
        say(fn, ctx, "There is no plan quorum: the first trustee who decrypts fixes the plan.");
    if (m->plan_quorum < single)
        say(fn, ctx,
            "With fewer than %u signatures under a plan %u dishonest trustees can have two plans decrypted, "
            "whose "
            "difference may show single votes: set decryption.plan_quorum to %u, or compare the plan with "
            "all.",
            single, m->t - 1, single);
    if (m->kind == KIND_IMPORT)
        say(fn, ctx, "This election is made of imported counts; its key must never be used for ballots.");
}
