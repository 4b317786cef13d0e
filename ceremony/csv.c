#include "ceremony/csv.h"

#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reader {
    struct csv_parser csv;
    csv_row_fn *fn;
    void *ctx;
    struct fault *f;
    err_t err;
    long long line, row_line; /* being read; where the row began */
    uint64_t seen;            /* bytes so far */
    int in_row, pending_cr;
    size_t columns; /* of the header, 0 before */
    size_t count, len;
    size_t start[CSV_COLUMNS_MAX];
    char text[CSV_ROW_MAX + CSV_COLUMNS_MAX];
};

err_t csv_fault(struct fault *f, err_t e, long long line, const char *fmt, ...)
{
    char detail[sizeof f->detail];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    fault_set(f, e, "%s", detail);
    if (f != NULL) {
        f->at = line;
        f->is_line = 1;
    }
    return e;
}

static void refuse(struct reader *r, err_t e, long long line, const char *what)
{
    if (r->err == OK)
        r->err = csv_fault(r->f, e, line, "%s", what);
}

static void on_field(void *text, size_t len, void *ctx)
{
    struct reader *r = ctx;
    if (r->err != OK)
        return;
    if (r->count == CSV_COLUMNS_MAX) {
        refuse(r, ERR_LIMIT, r->row_line, "too many fields");
        return;
    }
    if (len > 0 && memchr(text, 0, len) != NULL) {
        refuse(r, ERR_TEXT, r->row_line, "a NUL character");
        return;
    }
    if (len > CSV_ROW_MAX - r->len) {
        refuse(r, ERR_LIMIT, r->row_line, "the row is too long");
        return;
    }
    /* Each field before this one has a NUL behind. */
    r->start[r->count] = r->len + r->count;
    char *to = r->text + r->start[r->count];
    r->count++;
    if (len > 0)
        memcpy(to, text, len);
    to[len] = '\0';
    r->len += len;
}

static void on_row(int end, void *ctx)
{
    (void)end;
    struct reader *r = ctx;
    r->in_row = 0;
    if (r->err == OK && r->columns == 0)
        r->columns = r->count;
    if (r->err == OK && r->count != r->columns)
        r->err =
            csv_fault(r->f, ERR_FORMAT, r->row_line, "%zu fields, %zu in the header", r->count, r->columns);
    if (r->err == OK) {
        struct csv_cell cell[CSV_COLUMNS_MAX];
        for (size_t i = 0; i < r->count; i++) {
            size_t stop = i + 1 < r->count ? r->start[i + 1] : r->len + r->count;
            cell[i].text = r->text + r->start[i];
            cell[i].len = stop - r->start[i] - 1;
        }
        struct csv_row row = {r->row_line, r->count, cell};
        r->err = r->fn(r->ctx, &row, r->f);
    }
    r->count = r->len = 0;
}

/* len > 0 bytes without line ends. */
static void feed(struct reader *r, const char *data, size_t len)
{
    if (!r->in_row)
        r->row_line = r->line;
    r->in_row = 1;
    /* Bounds libcsv's buffer too: a field is handed over only when it is complete. */
    r->seen += len;
    if (r->seen > CSV_ROW_MAX) {
        refuse(r, ERR_LIMIT, r->row_line, "the row is too long");
        return;
    }
    if (csv_parse(&r->csv, data, len, on_field, on_row, r) != len)
        refuse(r, csv_error(&r->csv) == CSV_EPARSE ? ERR_FORMAT : ERR_MEMORY, r->line,
               "quotes must enclose a whole field, and be doubled inside");
}

static void feed_end(struct reader *r)
{
    if (!r->in_row) {
        refuse(r, ERR_FORMAT, r->line, "a blank line");
        return;
    }
    r->seen++;
    if (csv_parse(&r->csv, "\n", 1, on_field, on_row, r) != 1)
        refuse(r, ERR_FORMAT, r->line, "quotes must enclose a whole field, and be doubled inside");
    if (!r->in_row)
        r->seen = 0;
    r->line++;
}

/* Text of one line, or a part of it; carriage returns are allowed only right before its end. */
static void feed_piece(struct reader *r, const char *data, size_t len, int complete)
{
    if (len > 0 && r->pending_cr) {
        refuse(r, ERR_FORMAT, r->line, "a carriage return inside a line");
        return;
    }
    const char *cr = memchr(data, '\r', len);
    if (cr != NULL && (size_t)(cr - data) + 1 != len) {
        refuse(r, ERR_FORMAT, r->line, "a carriage return inside a line");
        return;
    }
    if (cr != NULL) {
        len--;
        r->pending_cr = 1;
    }
    if (len > 0)
        feed(r, data, len);
    if (complete && r->err == OK) {
        r->pending_cr = 0;
        feed_end(r);
    }
}

static err_t reader_add(struct reader *r, const char *data, size_t len)
{
    while (len > 0 && r->err == OK) {
        const char *end = memchr(data, '\n', len);
        size_t piece = end != NULL ? (size_t)(end - data) : len;
        feed_piece(r, data, piece, end != NULL);
        data += piece + (end != NULL);
        len -= piece + (end != NULL);
    }
    return r->err;
}

static err_t reader_end(struct reader *r)
{
    if (r->err == OK && r->pending_cr)
        refuse(r, ERR_FORMAT, r->line, "a carriage return inside a line");
    if (r->err == OK && csv_fini(&r->csv, on_field, on_row, r) != 0)
        refuse(r, ERR_TRUNCATED, r->row_line, "a quote is open at the end");
    if (r->err == OK && r->columns == 0)
        refuse(r, ERR_FORMAT, 1, "the file is empty");
    return r->err;
}

static int no_space(unsigned char c)
{
    (void)c;
    return 0;
}

static err_t reader_new(struct reader **out, csv_row_fn *fn, void *ctx, struct fault *f)
{
    struct reader *r = calloc(1, sizeof *r);
    *out = r;
    if (r == NULL || csv_init(&r->csv, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL) != 0) {
        free(r);
        *out = NULL;
        return fault_set(f, ERR_MEMORY, "CSV reader");
    }
    csv_set_space_func(&r->csv, no_space);
    r->fn = fn;
    r->ctx = ctx;
    r->f = f;
    r->line = 1;
    return OK;
}

static void reader_free(struct reader *r)
{
    csv_free(&r->csv);
    free(r);
}

static size_t bom_len(const char *data, size_t len)
{
    return len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

err_t csv_read(const void *data, size_t len, csv_row_fn *fn, void *ctx, struct fault *f)
{
    struct reader *r;
    TRY(reader_new(&r, fn, ctx, f));
    size_t bom = bom_len(data, len);
    err_t e = reader_add(r, (const char *)data + bom, len - bom);
    if (e == OK)
        e = reader_end(r);
    reader_free(r);
    return e;
}

static err_t read_stream(struct reader *r, int fd, struct fault *f)
{
    char buf[32768];
    int first = 1;
    for (;;) {
        ssize_t n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_set(f, ERR_IO, "cannot read: %s", strerror(errno));
        if (n == 0)
            return reader_end(r);
        size_t bom = first ? bom_len(buf, (size_t)n) : 0;
        first = 0;
        TRY(reader_add(r, buf + bom, (size_t)n - bom));
    }
}

err_t csv_read_file(const char *path, uint64_t max, csv_row_fn *fn, void *ctx, struct fault *f)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_t e = errno == ENOENT ? ERR_MISSING : ERR_IO;
        fault_set(f, e, "cannot open: %s", strerror(errno));
        return fault_file(f, e, path);
    }
    struct stat st;
    struct reader *r = NULL;
    err_t e;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        e = fault_set(f, ERR_IO, "not a regular file");
    else if ((uint64_t)st.st_size > max)
        e = fault_set(f, ERR_LIMIT, "%lld bytes, at most %llu allowed", (long long)st.st_size,
                      (unsigned long long)max);
    else
        e = reader_new(&r, fn, ctx, f);
    if (e == OK) {
        e = read_stream(r, fd, f);
        reader_free(r);
    }
    close(fd);
    return fault_file(f, e, path);
}
