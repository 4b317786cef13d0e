#include "ceremony/base/err.h"

#include <stdio.h>
#include <string.h>

#include "ceremony/base/text.h"

static const struct {
    const char *name, *meaning, *advice;
    enum err_class class;
} table[] = {
#define X(name, class, meaning, advice) {#name, meaning, advice, class},
    ERR_LIST(X)
#undef X
};

#define TABLE_COUNT (sizeof table / sizeof table[0])

static size_t index_of(err_t e)
{
    return (size_t)e < TABLE_COUNT ? (size_t)e : (size_t)ERR_BUG;
}

const char *err_name(err_t e)
{
    return table[index_of(e)].name;
}

const char *err_meaning(err_t e)
{
    return table[index_of(e)].meaning;
}

const char *err_advice(err_t e)
{
    return table[index_of(e)].advice;
}

enum err_class err_class(err_t e)
{
    return table[index_of(e)].class;
}

void fault_clear(struct fault *f)
{
    if (f == NULL)
        return;
    memset(f, 0, sizeof *f);
    f->at = -1;
}

err_t fault_set(struct fault *f, err_t e, const char *fmt, ...)
{
    if (f == NULL)
        return e;
    fault_clear(f);
    f->err = e;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->detail, sizeof f->detail, fmt, ap);
    va_end(ap);
    return e;
}

/* A fault left over from an earlier call that was handled must not describe this one. */
static void fault_adopt(struct fault *f, err_t e)
{
    if (f->err != e) {
        fault_clear(f);
        f->err = e;
    }
}

err_t fault_file(struct fault *f, err_t e, const char *file)
{
    if (f == NULL || e == OK)
        return e;
    fault_adopt(f, e);
    if (f->file[0] == '\0')
        snprintf(f->file, sizeof f->file, "%s", file);
    return e;
}

err_t fault_who(struct fault *f, err_t e, const char *fmt, ...)
{
    if (f == NULL || e == OK)
        return e;
    fault_adopt(f, e);
    if (f->who[0] == '\0') {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(f->who, sizeof f->who, fmt, ap);
        va_end(ap);
    }
    return e;
}

void fault_text(char *out, size_t out_len, const struct fault *f)
{
    char place[64] = "";
    if (f->at >= 0)
        snprintf(place, sizeof place, f->is_line ? ", line %lld" : ", byte %lld", f->at);
    snprintf(out, out_len, "%s%s%s%s%s%s%s%s. To do: %s. [%s]", f->file, place,
             f->file[0] != '\0' ? ": " : "", f->who, f->who[0] != '\0' ? ": " : "", err_meaning(f->err),
             f->detail[0] != '\0' ? ": " : "", f->detail, err_advice(f->err), err_name(f->err));
    if (text_check(out, strlen(out)) == OK)
        return;
    for (char *p = out; *p != '\0'; p++) /* a name on somebody's medium may be a command to the terminal */
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
}
