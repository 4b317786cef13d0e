#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/file.h"
#include "tally/verb_show.h"
#include "ui/qr.h"
#include "ui/qrtext.h"

#define SHOW_MAX ((size_t)512 << 20)
#define TEXTS_MAX 1000

/* QR texts may be spread over several arguments: they are collected and joined at the end. */
struct texts {
    char *item[TEXTS_MAX];
    size_t count;
};

static err_t texts_add(struct verb_run *v, struct texts *t, const char *text)
{
    if (t->count == TEXTS_MAX)
        return fault_set(&v->fault, ERR_LIMIT, "more than %d QR texts", TEXTS_MAX);
    t->item[t->count] = strdup(text);
    if (t->item[t->count] == NULL)
        return fault_set(&v->fault, ERR_MEMORY, "QR texts");
    t->count++;
    return OK;
}

static void texts_free(struct texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->item[i]);
}

static err_t texts_of_picture(struct verb_run *v, struct texts *t, const uint8_t *data, size_t len)
{
    struct gray picture;
    struct qr_found found;
    TRY(image_parse(&picture, data, len, &v->fault));
    err_t e = qr_decode_gray(&found, &picture);
    gray_free(&picture);
    if (e != OK)
        return fault_set(&v->fault, e, "reading QR codes");
    if (found.count == 0)
        e = fault_set(&v->fault, ERR_MISSING, "there is no QR code in the picture");
    for (size_t i = 0; i < found.count && e == OK; i++)
        e = qrtext_is(found.text[i]) ? texts_add(v, t, found.text[i])
                                     : fault_set(&v->fault, ERR_FORMAT, "a QR code of something else");
    qr_found_free(&found);
    return e;
}

static err_t texts_of_lines(struct verb_run *v, struct texts *t, char *text)
{
    char *save = NULL;
    for (char *line = strtok_r(text, "\r\n", &save); line != NULL; line = strtok_r(NULL, "\r\n", &save))
        TRY(texts_add(v, t, line));
    return OK;
}

static err_t texts_show(struct show *s, const struct texts *t)
{
    uint8_t *message;
    size_t len;
    char kind;
    if (t->count == 0)
        return OK;
    TRY(qrtext_join(&message, &len, &kind, (const char *const *)t->item, t->count, &s->v->fault));
    fprintf(s->v->out, "QR message of kind %c, %zu bytes\n", kind, len);
    err_t e = show_item(s, message, len);
    free(message);
    return e;
}

/* --- files --- */

static err_t show_manifest(struct show *s, const uint8_t *data, size_t len)
{
    struct manifest *m;
    TRY(manifest_parse(&m, data, len, &s->v->fault));
    FILE *out = s->v->out;
    fprintf(out, "manifest  %s (%s)%s\n", m->title, m->date, m->rehearsal ? ", rehearsal" : "");
    fprintf(out, "kind      %s\ntrustees  %u of %u decrypt\nminimum   %u ballots\nlevels   ",
            m->kind == KIND_IMPORT ? "import" : "ballots", m->t, m->n, m->minimum);
    for (size_t i = 0; i < m->level_count; i++)
        fprintf(out, " %s%s", m->level[i], m->decrypt_levels >> i & 1 ? "*" : "");
    fprintf(out, "   (* decrypted)\n");
    for (size_t i = 0; i < m->contest_count; i++) {
        fprintf(out, "contest   %s: %s (up to %u)\n", m->contest[i].id, m->contest[i].title,
                m->contest[i].limit);
        for (size_t o = 0; o < m->contest[i].option_count; o++)
            fprintf(out, "            %s: %s\n", m->contest[i].option[o].id, m->contest[i].option[o].title);
    }
    verb_print_fingerprint(s->v, "election", &m->election);
    manifest_free(m);
    return OK;
}

/* Ballots, envelopes or headers one after the other, each a byte string. */
static err_t show_ballots(struct show *s, const uint8_t *data, size_t len)
{
    struct cbor_in in;
    size_t count = 0, item_len;
    cbor_in_init(&in, data, len);
    while (in.err == OK && in.pos < in.len) {
        const uint8_t *item = cbor_get_bytes(&in, 1, SHOW_MAX, &item_len);
        if (item == NULL)
            break;
        if (count++ < 3 || s->full) {
            fprintf(s->v->out, "item %zu\n", count);
            TRY(show_item(s, item, item_len));
        }
    }
    fprintf(s->v->out, "%zu items\n", count);
    return cbor_in_end(&in, &s->v->fault);
}

static err_t show_data(struct show *s, struct texts *t, uint8_t *data, size_t len)
{
    if (image_is(data, len))
        return texts_of_picture(s->v, t, data, len);
    if (qrtext_is((const char *)data))
        return texts_of_lines(s->v, t, (char *)data);
    size_t i = 0;
    while (i < len && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t'))
        i++;
    if (i < len && data[i] == '{')
        return show_manifest(s, data, len);
    if (len > 0 && data[0] >> 5 == 2)
        return show_ballots(s, data, len);
    return show_item(s, data, len);
}

/* The signed header of an export: the file may be larger than what is read whole. */
static err_t show_export_start(struct show *s, const char *path, int *is_export)
{
    uint8_t head[4096];
    FILE *in;
    *is_export = 0;
    TRY(file_open(&in, path, &s->v->fault));
    size_t n = fread(head, 1, sizeof head, in);
    fclose(in);
    *is_export = n > 2 && head[0] == 0xd2 && memmem(head, n, "conclave/export", 15) != NULL;
    return *is_export ? show_export(s, path) : OK;
}

static err_t show_file(struct show *s, struct texts *t, const char *path)
{
    struct stat st;
    uint8_t *data;
    size_t len;
    int is_export;
    if (stat(path, &st) != 0 && qrtext_is(path))
        return texts_add(s->v, t, path);
    err_t e = show_export_start(s, path, &is_export);
    if (e != OK || is_export)
        return e;
    TRY(file_read(&data, &len, path, SHOW_MAX, &s->v->fault));
    e = show_data(s, t, data, len);
    free(data);
    return e == OK ? OK : fault_file(&s->v->fault, e, path);
}

err_t verb_show(struct verb_run *v, int argc, char **argv)
{
    const char *board = NULL;
    int full = 0;
    struct arg_list files = {.count = 0};
    const struct arg options[] = {
        {"board", ARG_TEXT, &board, "DIR", "election that the files belong to: they are checked against it",
         0},
        {"full", ARG_FLAG, &full, NULL, "long lists and byte strings whole", 0},
        {0},
    };
    TRY(verb_options(v, argc, argv, options, &files));
    if (v->help_shown)
        return OK;
    if (files.count == 0)
        return fault_set(&v->fault, ERR_USAGE, "a file is wanted");
    struct texts *texts = calloc(1, sizeof *texts);
    struct show s = {.v = v, .full = full};
    err_t e = OK;
    if (texts == NULL)
        return fault_set(&v->fault, ERR_MEMORY, "QR texts");
    if (board != NULL)
        GO(bundle_election_load(&s.be, board, 0, &v->fault));
    for (size_t i = 0; i < files.count; i++)
        GO(show_file(&s, texts, files.item[i]));
    GO(texts_show(&s, texts));
out:
    texts_free(texts);
    free(texts);
    bundle_election_free(s.be);
    return e;
}
