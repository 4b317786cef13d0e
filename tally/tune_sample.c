/* A made-up election, so that ballots of any shape can be measured without anybody's files. */
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/tune_parts.h"

err_t tune_shape_even(struct tune_shape *out, uint32_t contests, uint32_t options, struct fault *f)
{
    memset(out, 0, sizeof *out);
    if (contests < 1 || contests > TUNE_CONTESTS_MAX || options < 2 * contests ||
        options > OPTIONS_MAX * contests)
        return fault_set(f, ERR_LIMIT, "1 to %d contests, 2 to %d options each", TUNE_CONTESTS_MAX,
                         OPTIONS_MAX);
    out->contest_count = contests;
    for (uint32_t i = 0; i < contests; i++) {
        out->contest[i].options = options / contests + (i < options % contests);
        out->contest[i].limit = 1;
    }
    return OK;
}

err_t tune_shape_manifest(struct tune_shape *out, const struct manifest *m, struct fault *f)
{
    size_t best = 0;
    memset(out, 0, sizeof *out);
    if (m->kind != KIND_BALLOTS)
        return fault_set(f, ERR_RULE, "an election of imported counts has no ballots");
    for (size_t i = 0; i < m->style_count; i++) {
        const struct style *s = &m->style[i];
        size_t options = 0;
        if (s->contest_count > TUNE_CONTESTS_MAX)
            return fault_set(f, ERR_LIMIT, "style %s has more than %d contests", s->id, TUNE_CONTESTS_MAX);
        for (size_t k = 0; k < s->contest_count; k++)
            options += m->contest[s->contest[k]].option_count;
        if (options <= best)
            continue;
        best = options;
        out->contest_count = s->contest_count;
        for (size_t k = 0; k < s->contest_count; k++) {
            out->contest[k].options = (uint32_t)m->contest[s->contest[k]].option_count;
            out->contest[k].limit = m->contest[s->contest[k]].limit;
        }
    }
    return OK;
}

static void put_contests(FILE *out, const struct tune_shape *shape)
{
    for (size_t i = 0; i < shape->contest_count; i++) {
        fprintf(out, "%s{\"id\":\"c%zu\",\"title\":\"C%zu\",\"limit\":%u,\"options\":[", i ? "," : "", i, i,
                shape->contest[i].limit);
        for (uint32_t k = 0; k < shape->contest[i].options; k++)
            fprintf(out, "%s{\"id\":\"o%u\",\"title\":\"O%u\"}", k ? "," : "", k, k);
        fputs("]}", out);
    }
    fputs("],\"styles\":[{\"id\":\"s\",\"contests\":[", out);
    for (size_t i = 0; i < shape->contest_count; i++)
        fprintf(out, "%s\"c%zu\"", i ? "," : "", i);
    fputs("]}]", out);
}

static err_t make_election(struct tune_sample *s, const struct tune_shape *shape, struct fault *f)
{
    char key[2 * POINT_LEN + 1], hex[2 * HASH_LEN + 1], *text = NULL, *rows = NULL;
    size_t len, rows_len;
    hash_t h;
    hex_put(key, signkey_signer(s->key)->key.b, POINT_LEN);
    FILE *table = open_memstream(&rows, &rows_len);
    if (table == NULL)
        return ERR_MEMORY;
    fputs("place,level,parent,title,styles,group,key\nall,whole,,All,,,\n", table);
    for (int i = 0; i < TUNE_BALLOTS; i++)
        fprintf(table, "p%02d,precinct,all,P,s,,%s\n", i, key);
    TRY(file_memstream_end(table, &rows));
    hash_one(&h, rows, rows_len);
    hex_put(hex, h.b, HASH_LEN);
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        free(rows);
        return ERR_MEMORY;
    }
    fprintf(out,
            "{\"conclave\":1,\"scheme\":\"p256-elgamal\",\"kind\":\"ballots\",\"title\":\"Measurement\","
            "\"date\":\"2000-01-01\",\"trustees\":{\"n\":3,\"t\":2},\"levels\":[\"whole\",\"precinct\"],"
            "\"jurisdictions\":{\"file\":\"j.csv\",\"sha256\":\"%s\"},\"contests\":[",
            hex);
    put_contests(out, shape);
    fputs(",\"decryption\":{\"levels\":[\"whole\"],\"minimum\":2},\"duplicate_ballots\":\"first\"}", out);
    err_t e = file_memstream_end(out, &text);
    if (e == OK)
        e = manifest_parse(&s->m, (const uint8_t *)text, len, f);
    free(text);
    if (e == OK)
        e = places_parse(&s->places, s->m, (const uint8_t *)rows, rows_len, f);
    free(rows);
    return e;
}

static err_t make_ballots(struct tune_sample *s, struct fault *f)
{
    struct ballot_maker *maker;
    s->place = (uint32_t)places_find(s->places, "p00");
    TRY(ballot_maker_new(&maker, &s->ctx));
    err_t e = OK;
    double start = tune_thread_time();
    for (size_t i = 0; i < TUNE_BALLOTS && e == OK; i++)
        e = ballot_make(maker, &s->ballot[i], NULL, s->place + (uint32_t)i, "s", NULL, 0, NULL, f);
    s->make = (tune_thread_time() - start) / TUNE_BALLOTS;
    ballot_maker_free(maker);
    return e;
}

/* A directory, and in it, for a moment, the file of a key that nobody else ever has. */
static err_t make_key(struct tune_sample *s, const char *dir, struct fault *f)
{
    char path[sizeof s->dir + 8];
    pubkey_t key;
    TRY(file_mkdir(dir, f));
    if (file_path(s->dir, sizeof s->dir - 64, dir, ".tmp-tune-XXXXXX") != OK) {
        s->dir[0] = '\0';
        return fault_set(f, ERR_LIMIT, "path too long");
    }
    if (mkdtemp(s->dir) == NULL) {
        s->dir[0] = '\0';
        return fault_file(f, fault_set(f, ERR_IO, "cannot make a directory here"), dir);
    }
    snprintf(path, sizeof path, "%s/key", s->dir);
    err_t e = signkey_new(&key, path, SIGNKEY_REHEARSAL, "", 0, f);
    if (e == OK)
        e = signkey_open(&s->key, path, "", 0, f);
    unlink(path);
    return e;
}

err_t tune_sample_new(struct tune_sample **out, const struct tune_shape *shape, const char *dir,
                      struct fault *f)
{
    scalar_t y;
    struct group *g = NULL;
    *out = NULL;
    struct tune_sample *s = calloc(1, sizeof *s);
    if (s == NULL)
        return fault_set(f, ERR_MEMORY, "making ballots to measure with");
    err_t e = make_key(s, dir, f);
    if (e == OK)
        e = make_election(s, shape, f);
    if (e == OK)
        e = group_new(&g);
    if (e == OK) {
        scalar_random(&y); /* of nobody's election */
        s->r.election = s->m->election;
        s->r.scheme = s->m->scheme;
        s->r.n = s->r.t = 1;
        random_bytes(s->r.id.b, HASH_LEN);
        s->ctx = (struct election_context){s->m, s->places, &s->r};
        e = point_mul_base(g, &s->r.Y, &y);
    }
    if (e == OK)
        e = ballot_layout_new(&s->layout, &s->ctx);
    if (e == OK)
        e = make_ballots(s, f);
    group_free(g);
    if (e == OK) {
        s->points = ballot_layout_points(s->layout, 0);
        *out = s;
        return OK;
    }
    if (f != NULL && f->err == OK)
        fault_set(f, e, "making ballots to measure with");
    tune_sample_free(s);
    return e;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    (void)!remove(path); /* what cannot be removed is left */
    return 0;
}

void tune_sample_free(struct tune_sample *s)
{
    if (s == NULL)
        return;
    if (s->dir[0] != '\0')
        nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    signkey_close(s->key);
    for (size_t i = 0; i < TUNE_BALLOTS; i++)
        cbor_out_free(&s->ballot[i]);
    ballot_layout_free(s->layout);
    places_free(s->places);
    manifest_free(s->m);
    free(s);
}

size_t tune_sample_len(const struct tune_sample *s)
{
    return s->ballot[0].len;
}
