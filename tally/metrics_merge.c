#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/metrics.h"

#define TOTAL_MAX ((size_t)32 << 20) /* of all files together */
#define FAMILY_LINES_MAX 64          /* of one metric in one file */

/* One file, already checked; family[id] begins at at[id], of len[id] bytes. */
struct part {
    char *text;
    size_t at[METRIC_COUNT], len[METRIC_COUNT];
};

struct merge {
    const char *dir;
    struct part *part;
    size_t count, bytes, refused;
};

static int is_label_char(char c)
{
    return c == '+' || c == '-' || c == '.' || c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z');
}

/* Behind a comma: a name in small letters, and a value of characters that need no escape. NULL: neither. */
static const char *skip_label(const char *p)
{
    const char *start = p;
    while (*p >= 'a' && *p <= 'z')
        p++;
    if (p == start || p[0] != '=' || p[1] != '"')
        return NULL;
    for (p += 2; is_label_char(*p); p++)
        ;
    return *p == '"' ? p + 1 : NULL;
}

static int is_suffix(const char *type, const char *start, size_t len)
{
    static const char *const suffix[] = {"_bucket", "_sum", "_count"};
    if (strcmp(type, "histogram") != 0)
        return len == 0;
    for (size_t i = 0; i < 3; i++)
        if (len == strlen(suffix[i]) && memcmp(start, suffix[i], len) == 0)
            return 1;
    return 0;
}

/* As metrics_write writes them. strtod takes more, "nan(1)" or a tab before a number, and who scrapes would
 * take none of the page. */
static int is_value(const char *p)
{
    char *end;
    size_t len = strlen(p);
    if (strcmp(p, "NaN") == 0 || strcmp(p, "+Inf") == 0 || strcmp(p, "-Inf") == 0)
        return 1;
    if (len == 0 || len > 32 || strspn(p, "+-.0123456789eE") != len)
        return 0;
    (void)strtod(p, &end);
    return *end == '\0';
}

/* One line without its end: SERIES{process="NAME",...} VALUE. *series_len: up to and with the brace. */
static int is_sample(size_t *series_len, const char *line, enum metric id, const char *process)
{
    size_t name_len = strlen(metrics_name(id)), process_len = strlen(process);
    const char *brace = strchr(line, '{');
    static const char first[] = "{process=\"";
    if (brace == NULL || strncmp(line, metrics_name(id), name_len) != 0 || brace < line + name_len ||
        !is_suffix(metrics_type(id), line + name_len, (size_t)(brace - line) - name_len))
        return 0;
    const char *p = brace + strlen(first);
    if (strncmp(brace, first, strlen(first)) != 0 || strncmp(p, process, process_len) != 0 ||
        p[process_len] != '"')
        return 0;
    p += process_len + 1;
    while (*p == ',') {
        p = skip_label(p + 1);
        if (p == NULL)
            return 0;
    }
    if (p[0] != '}' || p[1] != ' ')
        return 0;
    *series_len = (size_t)(p + 1 - line);
    return is_value(p + 2);
}

/* The samples of one metric, from *at on; lines end with zeros here. */
static int take_family(struct part *t, size_t *at, size_t size, enum metric id, const char *process)
{
    const char *line[FAMILY_LINES_MAX];
    size_t series[FAMILY_LINES_MAX], count = 0;
    t->at[id] = *at;
    while (*at < size && t->text[*at] != '#') {
        if (count == FAMILY_LINES_MAX)
            return 0;
        line[count] = t->text + *at;
        if (!is_sample(&series[count], line[count], id, process))
            return 0;
        for (size_t i = 0; i < count; i++)
            if (series[i] == series[count] && memcmp(line[i], line[count], series[i]) == 0)
                return 0;
        *at += strlen(line[count]) + 1;
        count++;
    }
    t->len[id] = *at - t->at[id];
    return count > 0;
}

/* Whether the line at *at is the one that metrics_put_head would write, "# WHAT NAME TEXT"; then goes past
 * it. */
static int take_head(const struct part *t, size_t *at, size_t size, const char *head)
{
    size_t len = strlen(head);
    if (*at >= size || strcmp(t->text + *at, head) != 0)
        return 0;
    *at += len + 1;
    return 1;
}

static int heads_of(char **head, enum metric id)
{
    size_t len;
    FILE *out = open_memstream(head, &len);
    if (out == NULL)
        return 0;
    metrics_put_head(out, id);
    return file_memstream_end(out, head) == OK;
}

/* Splits text, size bytes with a zero behind, into families, which stand in the order of the table, each at
 * most once. 0 if anything is not as metrics_write writes it. */
static int part_parse(struct part *t, size_t size, const char *process)
{
    size_t at = 0;
    if (size == 0 || memchr(t->text, '\0', size) != NULL || t->text[size - 1] != '\n')
        return size == 0;
    for (size_t i = 0; i < size; i++)
        if (t->text[i] == '\n')
            t->text[i] = '\0';
    for (enum metric id = 0; id < METRIC_COUNT && at < size; id++) {
        char *head = NULL;
        if (!heads_of(&head, id))
            return 0;
        char *second = strchr(head, '\n') + 1;
        second[-1] = '\0';
        second[strlen(second) - 1] = '\0';
        int here = take_head(t, &at, size, head);
        int good = !here || (take_head(t, &at, size, second) && take_family(t, &at, size, id, process));
        free(head);
        if (!good)
            return 0;
    }
    return at == size;
}

static err_t merge_add(struct merge *g, char *text, size_t len, const char *process)
{
    struct part *more = realloc(g->part, (g->count + 1) * sizeof *more);
    if (more == NULL) {
        free(text);
        return ERR_MEMORY;
    }
    g->part = more;
    struct part *t = &more[g->count];
    memset(t, 0, sizeof *t);
    t->text = text;
    if (g->bytes + len > TOTAL_MAX || !part_parse(t, len, process)) {
        free(text);
        g->refused++;
        return OK;
    }
    g->bytes += len;
    g->count++;
    return OK;
}

static err_t on_file(void *ctx, const char *name, struct fault *f)
{
    struct merge *g = ctx;
    char path[4096], process[TEXT_ID_MAX + 1];
    uint8_t *data;
    size_t len, name_len = strlen(name);
    if (name_len < 6 || strcmp(name + name_len - 5, ".prom") != 0)
        return OK;
    name_len -= 5;
    if (!text_is_id(name, name_len) || g->count >= METRICS_FILES_MAX ||
        file_path(path, sizeof path, g->dir, name) != OK) {
        g->refused++;
        return OK;
    }
    snprintf(process, sizeof process, "%.*s", (int)name_len, name);
    err_t e = file_read(&data, &len, path, METRICS_FILE_MAX, NULL);
    if (e == OK)
        e = merge_add(g, (char *)data, len, process);
    else if (e != ERR_MISSING &&
             e != ERR_MEMORY) { /* gone meanwhile; everything else is left out and counted */
        g->refused++;
        e = OK;
    } else if (e == ERR_MISSING)
        e = OK;
    return e == OK ? OK : fault_set(f, e, "reading numbers");
}

static err_t put_all(char **out, size_t *len, const struct merge *g)
{
    FILE *to = open_memstream(out, len);
    if (to == NULL)
        return ERR_MEMORY;
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        int head = 0;
        for (size_t i = 0; i < g->count; i++) {
            const struct part *t = &g->part[i];
            if (t->len[id] == 0)
                continue;
            if (!head)
                metrics_put_head(to, id);
            head = 1;
            for (size_t at = t->at[id]; at < t->at[id] + t->len[id]; at += strlen(t->text + at) + 1)
                fprintf(to, "%s\n", t->text + at);
        }
    }
    return file_memstream_end(to, out);
}

static err_t add_own(struct merge *g, const struct metrics *own)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return ERR_MEMORY;
    err_t e = metrics_write(own, out);
    err_t end = file_memstream_end(out, &text);
    if (end != OK || e != OK) {
        if (end == OK)
            free(text);
        return end != OK ? end : e;
    }
    return merge_add(g, text, len, own->process);
}

err_t metrics_merge(char **out, size_t *len, const char *dir, struct metrics *own, struct fault *f)
{
    struct merge g = {.dir = dir};
    char own_name[TEXT_ID_MAX + 8];
    *out = NULL;
    *len = 0;
    err_t e = OK;
    GO(file_list(dir, on_file, &g, f));
    if (own != NULL) {
        metrics_set(own, METRIC_SERVED_FILES, (double)g.count);
        metrics_set(own, METRIC_SERVED_BAD, (double)g.refused);
        snprintf(own_name, sizeof own_name, "%s.prom", own->process);
        GO(add_own(&g, own));
    }
    e = put_all(out, len, &g);
out:
    for (size_t i = 0; i < g.count; i++)
        free(g.part[i].text);
    free(g.part);
    if (e != OK && e != ERR_IO)
        fault_set(f, e, "the numbers of all processes");
    return e;
}
