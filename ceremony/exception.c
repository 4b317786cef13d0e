#include "ceremony/exception.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX ((uint64_t)1 << 40)

void exception_statement(struct cbor_out *o, uint64_t time, const char *text)
{
    cbor_put_array(o, 2);
    cbor_put_uint(o, time);
    cbor_put_text(o, text);
}

err_t exception_subject(hash_t *out, const hash_t *election, const void *statement, size_t len)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 3);
    cbor_put_text(&o, "conclave/exception");
    cbor_put_hash(&o, election);
    cbor_put_bytes(&o, statement, len);
    return cbor_out_hash(&o, out);
}

err_t exception_parse(struct exception *out, const struct entry *e, struct fault *f)
{
    struct cbor_in in;
    hash_t subject;
    memset(out, 0, sizeof *out);
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 2);
    out->time = cbor_get_uint(&in, TIME_MAX);
    cbor_get_text(&in, out->text, EXCEPTION_TEXT_MAX);
    if (in.err == OK && out->text[0] == '\0')
        cbor_fail(&in, ERR_LIMIT);
    err_t err = cbor_in_end(&in, f);
    if (err == OK)
        err = exception_subject(&subject, &e->election, e->statement, e->statement_len);
    if (err == OK && hash_cmp(&subject, &e->subject) != 0)
        err = fault_set(f, ERR_MISMATCH, "the subject of the exception is not that of its text");
    if (err != OK)
        memset(out, 0, sizeof *out);
    return err;
}

/* --- all of a board --- */

static int by_time(const void *a, const void *b)
{
    const struct exception_shown *x = a, *y = b;
    if (x->what.time != y->what.time)
        return x->what.time < y->what.time ? -1 : 1;
    return hash_cmp(&x->entry->id, &y->entry->id);
}

/* The name of who signed; a key that has enrolled twice has the name of one of the enrolments. */
static void name_author(struct exception_shown *x, const struct board *b, const struct manifest *m,
                        struct group *g)
{
    struct enrolment who;
    const struct entry *e;
    err_t err = board_find(b, &e, NULL, ENTRY_ENROLL, NULL, &x->entry->author, NULL);
    if ((err == OK || err == ERR_EQUIVOCATION) && e != NULL && enrolment_parse(&who, e, m, g, NULL) == OK)
        snprintf(x->author, sizeof x->author, "%s", who.name);
}

err_t exception_each(const struct board *b, const struct manifest *m, struct group *g, exception_fn *fn,
                     void *ctx, struct fault *f)
{
    size_t count = 0, have = 0;
    err_t err = OK;
    for (size_t i = 0; i < b->entry_count; i++)
        count += b->entry[i]->kind == ENTRY_EXCEPTION;
    if (count == 0)
        return OK;
    struct exception_shown *x = calloc(count, sizeof *x);
    if (x == NULL)
        return fault_set(f, ERR_MEMORY, "exceptions");
    for (size_t i = 0; i < b->entry_count && err == OK; i++) {
        if (b->entry[i]->kind != ENTRY_EXCEPTION)
            continue;
        x[have].entry = b->entry[i];
        name_author(&x[have], b, m, g);
        err = exception_parse(&x[have].what, b->entry[i], f);
        have++;
    }
    if (err == OK)
        qsort(x, have, sizeof *x, by_time);
    for (size_t i = 0; i < have && err == OK; i++)
        err = fn(ctx, &x[i], f);
    free(x);
    return err;
}
