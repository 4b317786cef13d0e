#include "ceremony/math/p256_sums.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/math/p256_add_many.h"

struct p256_sums {
    struct additions *add;
    struct p256_affine *point; /* what is left of each list, halved again and again */
    size_t cap;
};

err_t p256_sums_new(struct p256_sums **out, enum p256_path path)
{
    *out = NULL;
    struct p256_sums *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_MEMORY;
    err_t e = additions_new(&s->add, path, ADDITIONS);
    if (e != OK) {
        free(s);
        return e;
    }
    *out = s;
    return OK;
}

void p256_sums_free(struct p256_sums *s)
{
    if (s == NULL)
        return;
    additions_free(s->add);
    free(s->point);
    free(s);
}

static err_t make_room(struct p256_sums *s, size_t count)
{
    if (count <= s->cap)
        return OK;
    struct p256_affine *p = realloc(s->point, count * sizeof *p);
    if (p == NULL)
        return ERR_MEMORY;
    s->point = p;
    s->cap = count;
    return OK;
}

/* Points of a list of n after so many halvings. */
static size_t left_of(size_t n, unsigned rounds)
{
    for (; rounds > 0 && n > 1; rounds--)
        n -= n / 2;
    return n;
}

/* From the caller's points: the second half of each list onto the first. */
static void first_round(struct p256_sums *s, const struct p256_affine *from, const uint32_t *index,
                        const size_t *start, size_t lists)
{
    size_t to = 0;
    additions_from(s->add, s->point, from, NULL);
    for (size_t i = 0; i < lists; i++) {
        const uint32_t *list = index + start[i];
        size_t n = start[i + 1] - start[i], half = n / 2, rest = n - half;
        for (size_t k = 0; k < half; k++)
            additions_put(s->add, (uint32_t)(to + k), list[k], list[rest + k]);
        if (rest > half)
            additions_copy(s->add, (uint32_t)(to + half), list[half]);
        to += rest;
    }
    additions_flush(s->add);
}

/* Returns whether a list has more than one point left. */
static int next_round(struct p256_sums *s, const size_t *start, size_t lists, unsigned round)
{
    size_t at = 0;
    int more = 0;
    for (size_t i = 0; i < lists; i++) {
        size_t all = start[i + 1] - start[i], n = left_of(all, round), half = n / 2, rest = n - half;
        for (size_t k = 0; k < half; k++)
            additions_put(s->add, (uint32_t)(at + k), (uint32_t)(at + k), (uint32_t)(at + rest + k));
        more |= rest > 1;
        at += all - all / 2;
    }
    additions_flush(s->add);
    return more;
}

err_t p256_sums_var(struct p256_sums *s, struct p256_affine *sum, const struct p256_affine *from,
                    const uint32_t *index, const size_t *start, size_t lists)
{
    size_t room = 0, at = 0;
    unsigned round = 1;
    for (size_t i = 0; i < lists; i++)
        room += (start[i + 1] - start[i] + 1) / 2;
    if (room > ADDITION_INDEX)
        return ERR_MEMORY;
    TRY(make_room(s, room));
    first_round(s, from, index, start, lists);
    additions_from(s->add, s->point, s->point, NULL);
    while (next_round(s, start, lists, round))
        round++;
    for (size_t i = 0; i < lists; i++) {
        size_t n = start[i + 1] - start[i];
        if (n > 0)
            sum[i] = s->point[at];
        else
            memset(&sum[i], 0, sizeof sum[i]);
        at += n - n / 2;
    }
    return OK;
}
