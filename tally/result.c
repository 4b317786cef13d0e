#include "tally/result.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"

err_t result_new(struct result **out, size_t row_count)
{
    *out = NULL;
    struct result *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ERR_MEMORY;
    r->row = calloc(row_count ? row_count : 1, sizeof *r->row);
    if (r->row == NULL) {
        free(r);
        return ERR_MEMORY;
    }
    r->row_count = row_count;
    *out = r;
    return OK;
}

err_t result_row_votes(struct result *r, size_t i, size_t count)
{
    if (count == 0 || count > OPTIONS_MAX)
        return ERR_LIMIT;
    r->row[i].votes = calloc(count, sizeof *r->row[i].votes);
    if (r->row[i].votes == NULL)
        return ERR_MEMORY;
    r->row[i].count = count;
    return OK;
}

void result_free(struct result *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->row_count; i++)
        free(r->row[i].votes);
    free(r->row);
    free(r);
}

void result_write(struct cbor_out *out, const struct result *r)
{
    cbor_put_array(out, 8);
    cbor_put_text(out, "conclave/result");
    cbor_put_uint(out, 1);
    cbor_put_uint(out, SCHEME_P256_ELGAMAL);
    cbor_put_hash(out, &r->election);
    cbor_put_hash(out, &r->record);
    cbor_put_hash(out, &r->plan);
    cbor_put_array(out, r->partial_count);
    for (size_t i = 0; i < r->partial_count; i++)
        cbor_put_hash(out, &r->partial[i]);
    cbor_put_array(out, r->row_count);
    for (size_t i = 0; i < r->row_count; i++) {
        const struct result_row *row = &r->row[i];
        cbor_put_array(out, 4);
        cbor_put_text(out, row->place);
        cbor_put_text(out, row->contest);
        cbor_put_uint(out, row->ballots);
        cbor_put_array(out, row->count);
        for (size_t o = 0; o < row->count; o++)
            cbor_put_uint(out, row->votes[o]);
    }
}

static err_t read_header(struct cbor_in *in, struct result *head)
{
    cbor_get_array_exact(in, 8);
    cbor_get_text_exact(in, "conclave/result");
    cbor_get_uint_exact(in, 1);
    cbor_get_uint_exact(in, SCHEME_P256_ELGAMAL);
    cbor_get_hash(in, &head->election);
    cbor_get_hash(in, &head->record);
    cbor_get_hash(in, &head->plan);
    head->partial_count = cbor_get_array(in, 1, TRUSTEES_MAX);
    for (size_t i = 0; i < head->partial_count; i++) {
        cbor_get_hash(in, &head->partial[i]);
        for (size_t j = 0; j < i; j++)
            if (in->err == OK && hash_cmp(&head->partial[i], &head->partial[j]) == 0)
                cbor_fail(in, ERR_DUPLICATE);
    }
    return in->err;
}

static err_t read_row(struct cbor_in *in, struct result *r, size_t i)
{
    struct result_row *row = &r->row[i];
    cbor_get_array_exact(in, 4);
    cbor_get_id(in, row->place, TEXT_ID_MAX);
    cbor_get_id(in, row->contest, TEXT_ID_MAX);
    row->ballots = cbor_get_uint(in, RESULT_BALLOTS_MAX);
    size_t count = cbor_get_array(in, 1, OPTIONS_MAX);
    if (in->err != OK)
        return in->err;
    TRY(result_row_votes(r, i, count));
    for (size_t o = 0; o < count; o++)
        row->votes[o] = cbor_get_uint(in, RESULT_BALLOTS_MAX);
    return in->err;
}

err_t result_parse(struct result **out, const uint8_t *data, size_t len, struct fault *f)
{
    *out = NULL;
    struct result head, *r = NULL;
    struct cbor_in in;
    memset(&head, 0, sizeof head);
    cbor_in_init(&in, data, len);
    read_header(&in, &head);
    size_t rows = cbor_get_array(&in, 0, RESULT_ROWS_MAX);
    if (in.err == OK && rows > len) /* a row has more than one byte: no memory for what cannot be there */
        cbor_fail(&in, ERR_TRUNCATED);
    if (in.err != OK)
        return cbor_in_end(&in, f);
    err_t e = result_new(&r, rows);
    if (e != OK)
        return fault_set(f, e, "a result of %zu rows", rows);
    struct result_row *row = r->row;
    *r = head;
    r->row = row;
    r->row_count = rows;
    for (size_t i = 0; i < rows && in.err == OK; i++) {
        e = read_row(&in, r, i);
        if (e == ERR_MEMORY)
            break;
    }
    if (e != ERR_MEMORY)
        e = cbor_in_end(&in, f);
    if (e != OK) {
        result_free(r);
        return e == ERR_MEMORY ? fault_set(f, e, "a result of %zu rows", rows) : e;
    }
    *out = r;
    return OK;
}

err_t result_load(struct result **out, const char *path, struct fault *f)
{
    uint8_t *data;
    size_t len;
    *out = NULL;
    TRY(file_read(&data, &len, path, RESULT_MAX, f));
    err_t e = result_parse(out, data, len, f);
    free(data);
    return e == OK ? OK : fault_file(f, e, path);
}

err_t result_row_check(const struct result_row *row, const struct manifest *m, struct fault *f)
{
    int index = manifest_contest(m, row->contest);
    if (index < 0)
        return fault_set(f, ERR_UNKNOWN, "contest %s is not in the manifest", row->contest);
    const struct contest *c = &m->contest[index];
    if (row->count != c->option_count)
        return fault_set(f, ERR_MISMATCH, "place %s, contest %s: %zu counts for %zu options", row->place,
                         row->contest, row->count, c->option_count);
    uint64_t sum = 0;
    for (size_t o = 0; o < row->count; o++) {
        if (row->votes[o] > row->ballots)
            return fault_set(f, ERR_LIMIT, "place %s, contest %s, option %s: more votes than ballots",
                             row->place, row->contest, c->option[o].id);
        sum += row->votes[o];
    }
    if (m->kind == KIND_IMPORT && sum != row->ballots)
        return fault_set(f, ERR_SUM, "place %s, contest %s: the counts do not add up to the number of votes",
                         row->place, row->contest);
    if (sum > row->ballots * c->limit)
        return fault_set(f, ERR_LIMIT, "place %s, contest %s: more votes than %u for each ballot", row->place,
                         row->contest, c->limit);
    return OK;
}
