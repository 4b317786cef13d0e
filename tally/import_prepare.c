/* Before the ceremony: manifest and jurisdictions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/import_plan.h"

#define PLACES_NAME "jurisdictions.csv"

static const char *const level_name[IMPORT_LEVELS] = {"nation", "state", "county", "precinct"};

/* RFC 4180: quoted where needed. */
static void put_cell(FILE *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

static err_t put_places(uint8_t **out, size_t *len, const struct import_plan *p, const pubkey_t *key)
{
    char *text = NULL, hex[2 * POINT_LEN + 1], title[TEXT_TITLE_MAX + 1];
    FILE *stream = open_memstream(&text, len);
    *out = NULL;
    if (stream == NULL)
        return ERR_MEMORY;
    hex_put(hex, key->b, POINT_LEN);
    fputs("place,level,parent,title,styles,group,key\n", stream);
    for (size_t i = 0; i < p->node_count; i++) {
        const struct import_node *n = &p->node[i];
        import_node_title(title, p, i);
        fprintf(stream, "%s,%s,%s,", p->node_id[i], level_name[n->level], i > 0 ? p->node_id[n->parent] : "");
        put_cell(stream, title);
        fprintf(stream, ",%s,,%s\n", n->level == IMPORT_PRECINCT ? p->style[n->style].id : "",
                i == 0 ? hex : "");
    }
    TRY(file_memstream_end(stream, &text));
    *out = (uint8_t *)text;
    return OK;
}

static err_t fill_contests(struct manifest *m, const struct import_plan *p)
{
    const struct medsl *t = p->t;
    m->contest = calloc(t->contest_count, sizeof *m->contest);
    if (m->contest == NULL)
        return ERR_MEMORY;
    m->contest_count = t->contest_count;
    for (size_t i = 0; i < t->contest_count; i++) {
        struct contest *c = &m->contest[i];
        const struct medsl_contest *from = &t->contest[i];
        memcpy(c->id, p->contest_id[i], sizeof c->id);
        import_contest_title(c->title, p, i);
        c->limit = from->magnitude > 1 ? from->magnitude : 1;
        if (c->limit > from->option_count)
            c->limit = from->option_count;
        c->option = calloc(from->option_count, sizeof *c->option);
        if (c->option == NULL)
            return ERR_MEMORY;
        c->option_count = from->option_count;
        for (uint32_t k = 0; k < from->option_count; k++) {
            memcpy(c->option[k].id, p->option_id[from->first_option + k], sizeof c->option[k].id);
            import_option_title(c->option[k].title, p, from->first_option + k);
            c->option[k].write_in = t->option[from->first_option + k].write_in;
        }
    }
    return OK;
}

static void fill_title(struct manifest *m, const struct import_plan *p, const struct import_options *o)
{
    char state[TEXT_TITLE_MAX + 1];
    import_node_title(state, p, p->level_nodes[IMPORT_STATE] > 1 ? 0 : 1);
    if (o->title != NULL)
        snprintf(m->title, sizeof m->title, "%s", o->title);
    else
        snprintf(m->title, sizeof m->title, "%.150s, %s: imported counts", state, m->date);
}

/* Styles are lent by the plan. */
static err_t fill_manifest(struct manifest *m, struct import_plan *p, const struct import_options *o,
                           const hash_t *places, struct fault *f)
{
    const char *date = o->date != NULL ? o->date : p->t->date;
    if (date[0] == '\0')
        return fault_set(f, ERR_MISSING, "the file has no date: give one");
    m->scheme = SCHEME_P256_ELGAMAL;
    m->kind = KIND_IMPORT;
    snprintf(m->date, sizeof m->date, "%s", date);
    fill_title(m, p, o);
    m->n = o->n;
    m->t = o->t;
    m->rehearsal = o->rehearsal;
    m->level_count = IMPORT_LEVELS;
    for (size_t i = 0; i < IMPORT_LEVELS; i++)
        snprintf(m->level[i], sizeof m->level[i], "%s", level_name[i]);
    snprintf(m->places_file, sizeof m->places_file, "%s", PLACES_NAME);
    m->places_hash = *places;
    m->decrypt_levels = o->decrypt_levels != 0 ? o->decrypt_levels : (1u << IMPORT_LEVELS) - 1;
    m->minimum = o->minimum != 0 ? o->minimum : 1;
    m->duplicates = DUPLICATE_FIRST;
    m->import_bits = p->bits;
    m->style = p->style;
    m->style_count = p->style_count;
    return fill_contests(m, p) == OK ? OK : fault_set(f, ERR_MEMORY, "import");
}

/* The two files must be good together before either is written. */
static err_t check(const uint8_t *manifest, size_t manifest_len, const uint8_t *places, size_t places_len,
                   struct fault *f)
{
    struct manifest *m;
    struct places *p = NULL;
    TRY(manifest_parse(&m, manifest, manifest_len, f));
    err_t e = places_parse(&p, m, places, places_len, f);
    places_free(p);
    manifest_free(m);
    return e;
}

static void summarize(struct import_summary *out, const struct import_plan *p)
{
    const struct medsl *t = p->t;
    *out = (struct import_summary){.rows = t->rows,
                                   .skipped = t->skipped,
                                   .votes = t->votes,
                                   .largest = p->largest,
                                   .states = p->level_nodes[IMPORT_STATE],
                                   .counties = p->level_nodes[IMPORT_COUNTY],
                                   .precincts = p->level_nodes[IMPORT_PRECINCT],
                                   .contests = t->contest_count,
                                   .options = t->option_count,
                                   .styles = p->style_count,
                                   .counts = t->cell_count,
                                   .bits = p->bits};
}

static err_t write_in(const char *dir, const char *name, const uint8_t *data, size_t len, struct fault *f)
{
    char path[4096];
    if (file_path(path, sizeof path, dir, name) != OK)
        return fault_set(f, ERR_LIMIT, "path too long");
    return file_write(path, data, len, FILE_NEW, f);
}

err_t import_prepare(struct import_summary *out, const char *csv_path, const char *dir,
                     const struct import_options *options, struct fault *f)
{
    struct import_plan *p = NULL;
    struct manifest *m = calloc(1, sizeof *m);
    uint8_t *places = NULL, *bytes = NULL;
    size_t places_len = 0, len = 0;
    hash_t h;
    err_t e;
    if (out != NULL)
        memset(out, 0, sizeof *out);
    if (m == NULL)
        return fault_set(f, ERR_MEMORY, "import");
    GO(import_plan_make(&p, csv_path, &options->rules, f));
    e = put_places(&places, &places_len, p, &options->key);
    if (e != OK)
        GO(fault_set(f, e, "import"));
    hash_one(&h, places, places_len);
    GO(fill_manifest(m, p, options, &h, f));
    GO(manifest_write(&bytes, &len, m, f));
    GO(check(bytes, len, places, places_len, f));
    GO(file_mkdir(dir, f));
    GO(write_in(dir, PLACES_NAME, places, places_len, f));
    GO(write_in(dir, "manifest.json", bytes, len, f));
    if (out != NULL)
        summarize(out, p);
out:
    free(bytes);
    free(places);
    m->style = NULL;
    m->style_count = 0;
    manifest_free(m);
    import_plan_free(p);
    return e;
}
