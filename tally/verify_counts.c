/* Exports of imported counts, for the verifier. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "tally/count.h"
#include "tally/verify_export.h"

#define BATCH_ITEMS 256

struct item {
    uint8_t *data;
    size_t len;
    struct count *count;
    err_t err;
};

struct counts {
    struct verify_job *j;
    struct export_reader *r;
    size_t cap, used;
    struct item item[BATCH_ITEMS];
};

static void clear_batch(struct counts *b)
{
    for (size_t i = 0; i < b->used; i++) {
        free(b->item[i].data);
        count_free(b->item[i].count);
    }
    b->used = 0;
}

static err_t read_batch(struct counts *b, int *end, uint64_t *bytes)
{
    *end = 0;
    while (b->used < b->cap) {
        const uint8_t *data;
        size_t len;
        struct fault f;
        fault_clear(&f);
        err_t e = export_next(b->r, &data, &len, &f);
        if (e == ERR_MEMORY)
            return e;
        if (e != OK)
            verify_job_read_error(b->j, e, &f);
        if (e != OK || data == NULL) {
            *end = 1;
            return OK;
        }
        struct item *it = &b->item[b->used];
        *it = (struct item){.data = malloc(len + 1), .len = len};
        if (it->data == NULL)
            return ERR_MEMORY;
        memcpy(it->data, data, len);
        *bytes += len;
        b->used++;
    }
    return OK;
}

static err_t parse_batch(struct counts *b)
{
    struct verify_job *j = b->j;
    const struct election_context *ctx = &j->all->ctx;
#pragma omp parallel for schedule(dynamic, 4) if (b->used > 8 && !omp_in_parallel())
    for (size_t i = 0; i < b->used; i++)
        b->item[i].err = count_parse_var(&b->item[i].count, ctx, b->item[i].data, b->item[i].len, NULL);
    for (size_t i = 0; i < b->used; i++) {
        struct item *it = &b->item[i];
        hash_t leaf;
        merkle_leaf(&leaf, it->data, it->len);
        merkle_add(&j->tree, &leaf);
        if (it->err == ERR_MEMORY)
            return it->err;
        if (it->err != OK) {
            struct fault f;
            fault_clear(&f);
            err_t e = count_parse_var(&it->count, ctx, it->data, it->len, &f);
            verify_job_item(j, CHECK_BALLOTS, e, j->done + i, f.detail);
            j->unread = 1;
        } else if (it->count->place != j->place) {
            verify_job_item(j, CHECK_BALLOTS, ERR_UNKNOWN, j->done + i,
                            "it is of another place than the export");
        }
    }
    return OK;
}

/* The sentence for one bad item: its proofs one after the other. */
static void name_item(struct counts *b, size_t i)
{
    struct fault f;
    uint8_t bad;
    const struct count *count = b->item[i].count;
    fault_clear(&f);
    err_t e = count_verify_many_var(&b->j->all->ctx, &count, 1, &bad, &f);
    verify_job_item(b->j, CHECK_BALLOTS, ERR_PROOF, b->j->done + i,
                    e != OK ? f.detail : "its proofs do not verify");
}

static err_t check_proofs(struct counts *b)
{
    const struct count *count[BATCH_ITEMS];
    size_t at[BATCH_ITEMS], good = 0;
    uint8_t bad[BATCH_ITEMS] = {0};
    for (size_t i = 0; i < b->used; i++) {
        if (b->item[i].err != OK)
            continue;
        count[good] = b->item[i].count;
        at[good++] = i;
    }
    err_t e = good == 0 ? OK : count_verify_many_var(&b->j->all->ctx, count, good, bad, NULL);
    if (e != OK && e != ERR_PROOF)
        return e;
    for (size_t k = 0; k < good; k++)
        if (bad[k])
            name_item(b, at[k]);
    return OK;
}

static void take_count(struct counts *b, size_t i)
{
    struct verify_job *j = b->j;
    const struct count *c = b->item[i].count;
    uint64_t at = j->done + i;
    if (at >= j->sums->count || j->sums->tally[at].contest != c->contest)
        verify_job_item(j, CHECK_ORDER, ERR_MISMATCH, at, "it is not of the next contest of this place");
    if (tallies_add_count_var(j->sums, c) != OK)
        j->unread = 1;
}

static err_t check_batches(struct counts *b)
{
    int end;
    do {
        uint64_t bytes = 0;
        TRY(read_batch(b, &end, &bytes));
        TRY(parse_batch(b));
        TRY(check_proofs(b));
        for (size_t i = 0; i < b->used; i++)
            if (b->item[i].err == OK)
                take_count(b, i);
        b->j->done += b->used;
        clear_batch(b);
        TRY(verify_exports_progress(b->j->x, bytes));
    } while (!end);
    return OK;
}

err_t verify_job_counts(struct verify_job *j, struct export_reader *r)
{
    struct counts *b = calloc(1, sizeof *b);
    if (b == NULL)
        return ERR_MEMORY;
    size_t cap = verify_exports_share(j->x) / (4 * count_len_max(&j->all->ctx) + 1);
    b->j = j;
    b->r = r;
    b->cap = cap < 1 ? 1 : cap > BATCH_ITEMS ? BATCH_ITEMS : cap;
    err_t e = check_batches(b);
    clear_batch(b);
    free(b);
    if (e == OK)
        verify_job_settle(j);
    return e;
}
