#include "appliance/face_entry.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "ceremony/exception.h"

static enum message kind_text(enum entry_kind k)
{
    static const enum message text[ENTRY_KINDS] = {
        [ENTRY_ENROLL] = MSG_KIND_ENROLL,   [ENTRY_ROSTER] = MSG_KIND_ROSTER,
        [ENTRY_DEAL] = MSG_KIND_DEAL,       [ENTRY_COMPLAINT] = MSG_KIND_COMPLAINT,
        [ENTRY_REVEAL] = MSG_KIND_REVEAL,   [ENTRY_CUT] = MSG_KIND_CUT,
        [ENTRY_CONFIRM] = MSG_KIND_CONFIRM, [ENTRY_DRILL] = MSG_KIND_DRILL,
        [ENTRY_PLAN] = MSG_KIND_PLAN,       [ENTRY_PARTIAL] = MSG_KIND_PARTIAL,
        [ENTRY_RETIRE] = MSG_KIND_RETIRE,   [ENTRY_EXCEPTION] = MSG_KIND_EXCEPTION,
    };
    return text[k];
}

void face_time(char out[32], uint64_t seconds)
{
    struct tm tm;
    time_t t = (time_t)seconds;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%d %H:%M", &tm) == 0)
        snprintf(out, 32, "-");
}

void face_bytes(char out[32], uint64_t bytes)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    size_t u = 0;
    uint64_t tenths = bytes < UINT64_MAX / 10 ? bytes * 10 : bytes;
    while (tenths >= 10000 && u + 1 < sizeof unit / sizeof unit[0]) {
        tenths /= 1000;
        u++;
    }
    if (tenths < 100 && u > 0)
        snprintf(out, 32, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, unit[u]);
    else
        snprintf(out, 32, "%" PRIu64 " %s", tenths / 10, unit[u]);
}

static const struct entry *enrolment_on(const struct board *b, const point_t *author)
{
    const struct entry *x = NULL;
    err_t e = b == NULL ? OK : board_find(b, &x, NULL, ENTRY_ENROLL, NULL, author, NULL);
    return e == OK || e == ERR_EQUIVOCATION ? x : NULL;
}

/* The name in the author's enrolment; of an enrolment, in itself. */
static void author_name(char out[TEXT_TITLE_MAX + 1], const struct face *face, const struct session *s,
                        const struct board *other, const struct entry *e)
{
    struct enrolment who;
    const struct entry *x = e->kind == ENTRY_ENROLL ? e : enrolment_on(s->b, &e->author);
    snprintf(out, TEXT_TITLE_MAX + 1, "%s", message_text(face->language, MSG_ENTRY_NOBODY));
    if (x == NULL)
        x = enrolment_on(other, &e->author);
    if (x != NULL && enrolment_parse(&who, x, s->el->m, s->g, NULL) == OK)
        snprintf(out, TEXT_TITLE_MAX + 1, "%s", who.name);
}

void face_entry_line(char out[512], const struct face *face, const struct session *s,
                     const struct board *other, const struct entry *e)
{
    char name[TEXT_TITLE_MAX + 1];
    author_name(name, face, s, other, e);
    const char *arg[] = {message_text(face->language, kind_text(e->kind)), name};
    err_t ignored = message_format(out, 512, face->language, MSG_ENTRY_BY, arg, 2);
    (void)ignored; /* a text without its places is shown as it is */
}

void face_entry_values(struct page *p, const struct face *face, const struct session *s,
                       const struct entry *e)
{
    char name[TEXT_TITLE_MAX + 1], when[32], hex[2 * HASH_LEN + 1];
    struct exception x;
    author_name(name, face, s, NULL, e);
    page_value(p, message_text(face->language, kind_text(e->kind)), MSG_ENTRY_KIND);
    page_value(p, name, MSG_ENTRY_AUTHOR);
    face_time(when, e->time * 3600);
    page_value(p, when, MSG_ENTRY_TIME);
    hex_put(hex, e->id.b, HASH_LEN);
    page_value(p, hex, MSG_ENTRY_ID);
    hex_put(hex, e->statement_id.b, HASH_LEN);
    page_value(p, hex, MSG_ENTRY_STATEMENT);
    page_value(p, UI_NUMBER(e->bytes_len), MSG_ENTRY_SIZE);
    if (e->kind == ENTRY_EXCEPTION && exception_parse(&x, e, NULL) == OK)
        page_raw(p, x.text);
}
