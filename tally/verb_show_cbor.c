#include <string.h>

#include "tally/verb_show.h"

#define DEPTH_MAX 16
#define BYTES_SHOWN 40
#define ITEMS_SHOWN 24

struct printer {
    struct show *s;
    struct cbor_in in;
    int silent; /* counts of items left out: still parsed */
};

static void put(struct printer *p, const char *text)
{
    if (!p->silent)
        fputs(text, p->s->v->out);
}

static void put_indent(struct printer *p, int depth)
{
    for (int i = 0; i < depth; i++)
        put(p, "  ");
}

static void put_bytes(struct printer *p)
{
    size_t len, shown;
    const uint8_t *b = cbor_get_bytes(&p->in, 0, SIZE_MAX, &len);
    if (b == NULL || p->silent)
        return;
    shown = p->s->full || len <= BYTES_SHOWN ? len : BYTES_SHOWN;
    put(p, "h'");
    for (size_t i = 0; i < shown; i++)
        fprintf(p->s->v->out, "%02x", b[i]);
    put(p, shown < len ? "...'" : "'");
    if (shown < len)
        fprintf(p->s->v->out, " (%zu bytes)", len);
}

static void put_text(struct printer *p)
{
    char text[4097];
    cbor_get_text(&p->in, text, sizeof text - 1);
    if (p->in.err != OK || p->silent)
        return;
    put(p, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            put(p, "\\");
        fputc(*c, p->s->v->out);
    }
    put(p, "\"");
}

static void put_item(struct printer *p, int depth);

static void put_list(struct printer *p, int depth, int is_map)
{
    size_t count = is_map ? cbor_get_map(&p->in, 0, SIZE_MAX / 4) : cbor_get_array(&p->in, 0, SIZE_MAX / 4);
    int before = p->silent;
    put(p, is_map ? "{" : "[");
    for (size_t i = 0; i < count && p->in.err == OK; i++) {
        if (!p->s->full && i == ITEMS_SHOWN) {
            put(p, "\n");
            put_indent(p, depth + 1);
            if (!p->silent)
                fprintf(p->s->v->out, "... %zu more", count - i);
            p->silent = 1;
        }
        put(p, "\n");
        put_indent(p, depth + 1);
        put_item(p, depth + 1);
        if (is_map) {
            put(p, ": ");
            put_item(p, depth + 1);
        }
        put(p, i + 1 < count ? "," : "");
    }
    p->silent = before;
    if (count > 0) {
        put(p, "\n");
        put_indent(p, depth);
    }
    put(p, is_map ? "}" : "]");
}

static void put_number(struct printer *p)
{
    uint64_t n = cbor_get_uint(&p->in, UINT64_MAX);
    if (!p->silent)
        fprintf(p->s->v->out, "%llu", (unsigned long long)n);
}

static void put_item(struct printer *p, int depth)
{
    if (p->in.err != OK)
        return;
    if (depth > DEPTH_MAX) {
        cbor_fail(&p->in, ERR_LIMIT);
        return;
    }
    unsigned major = p->in.pos < p->in.len ? p->in.data[p->in.pos] >> 5 : 0;
    switch (major) {
    case 2:
        put_bytes(p);
        break;
    case 3:
        put_text(p);
        break;
    case 4:
    case 5:
        put_list(p, depth, major == 5);
        break;
    case 7:
        if (!cbor_get_null(&p->in))
            cbor_fail(&p->in, ERR_FORMAT);
        put(p, "null");
        break;
    default:
        put_number(p); /* fails for what is no unsigned integer */
        break;
    }
}

err_t show_diagnostic(struct show *s, const uint8_t *data, size_t len)
{
    struct printer p = {.s = s};
    cbor_in_init(&p.in, data, len);
    put_item(&p, 0);
    fputc('\n', s->v->out);
    return cbor_in_end(&p.in, &s->v->fault);
}
