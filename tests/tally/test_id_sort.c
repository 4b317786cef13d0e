/* Ids that are there twice: all of them, and only these, whatever they look like, in the memory promised. */
#include <fcntl.h>
#include <unistd.h>

#include "tally/id_sort.h"
#include "tests/support/unit.h"

#define SEEN_MAX 400000

struct seen {
    size_t count;
    struct id_copy *copy;
    uint8_t *first;
    size_t stop_at; /* fn fails at this one; 0: never */
};

static err_t keep(void *ctx, const struct id_copy *c, int first, struct fault *f)
{
    struct seen *s = ctx;
    if (s->stop_at && s->count + 1 == s->stop_at)
        return fault_set(f, ERR_STOPPED, "enough");
    assert_true(s->count < SEEN_MAX);
    s->copy[s->count] = *c;
    s->first[s->count++] = (uint8_t)first;
    return OK;
}

static void seen_new(struct seen *s)
{
    *s = (struct seen){0, calloc(SEEN_MAX, sizeof *s->copy), calloc(SEEN_MAX, 1), 0};
    assert_true(s->copy && s->first);
}

static void seen_free(struct seen *s)
{
    free(s->copy);
    free(s->first);
}

/* splitmix64: repeats, and as good as hashes for this. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static hash_t id_of(uint64_t n)
{
    hash_t h;
    for (size_t i = 0; i < 4; i++) {
        uint64_t w = mix(4 * n + i);
        memcpy(h.b + 8 * i, &w, 8);
    }
    return h;
}

static int by_key(const void *a, const void *b)
{
    const struct id_copy *x = a, *y = b;
    int c = hash_cmp(&x->id, &y->id);
    if (c)
        return c;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

/* Adds all, and compares what is reported with what sorting everything in memory says. */
static void check_with(const struct id_copy *in, size_t n, size_t memory, int on_disk)
{
    struct id_sort *s;
    struct seen seen;
    struct fault f;
    struct id_copy *all = malloc((n + 1) * sizeof *all);
    size_t at = 0;
    assert_non_null(all);
    memcpy(all, in, n * sizeof *all);
    qsort(all, n, sizeof *all, by_key);
    seen_new(&seen);
    assert_err(id_sort_new(&s, memory), OK);
    for (size_t i = 0; i < n; i++)
        assert_err(id_sort_add(s, &in[i].id, in[i].source, in[i].position, &f), OK);
    assert_int_equal(id_sort_count(s), n);
    assert_err(id_sort_finish(s, keep, &seen, &f), OK);
    assert_int_equal(id_sort_disk(s) > 0, on_disk);
    assert_true(id_sort_memory(s) <= (memory ? memory : (size_t)80 << 20));
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && hash_cmp(&all[k].id, &all[i].id) == 0;)
            k++;
        for (size_t j = i; k - i > 1 && j < k; j++, at++) {
            assert_true(at < seen.count);
            assert_int_equal(by_key(&all[j], &seen.copy[at]), 0);
            assert_int_equal(seen.first[at], j == i);
        }
    }
    assert_int_equal(at, seen.count);
    assert_err(id_sort_add(s, &in[0].id, 0, 0, &f), ERR_BUG);
    assert_err(id_sort_finish(s, keep, &seen, &f), ERR_BUG);
    id_sort_free(s);
    seen_free(&seen);
    free(all);
}

static struct id_copy *some(size_t n)
{
    struct id_copy *c = calloc(n + 1, sizeof *c);
    assert_non_null(c);
    for (size_t i = 0; i < n; i++)
        c[i] = (struct id_copy){id_of(i), (uint32_t)(i % 7), i};
    return c;
}

#define SMALL ((size_t)20 << 20)

static void test_few(void **state)
{
    (void)state;
    struct id_copy *c = some(1000);
    check_with(c, 1, 0, 0);
    check_with(c, 1000, 0, 0);
    for (size_t i = 0; i < 1000; i += 100)
        c[i].id = c[999 - i].id;
    c[500].id = c[0].id;
    check_with(c, 1000, 0, 0);
    free(c);
}

static void test_none_added(void **state)
{
    (void)state;
    struct id_sort *s;
    struct seen seen;
    struct fault f;
    seen_new(&seen);
    assert_err(id_sort_new(&s, 0), OK);
    assert_err(id_sort_finish(s, keep, &seen, &f), OK);
    assert_int_equal(seen.count, 0);
    id_sort_free(s);
    seen_free(&seen);
}

static void test_many_on_disk(void **state)
{
    (void)state;
    const size_t n = 600000;
    struct id_copy *c = some(n);
    for (size_t i = 0; i < n; i += 9973)
        c[i].id = c[(i * 31 + 17) % n].id;
    check_with(c, n, SMALL, 1);
    free(c);
}

/* All leading bits equal up to byte k: dealing by the first bits does nothing. */
static void test_common_prefix(void **state)
{
    (void)state;
    static const size_t same[] = {1, 7, 20, 23, 26, 30};
    const size_t n = 120000;
    for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
        struct id_copy *c = some(n);
        for (size_t i = 0; i < n; i++)
            memset(c[i].id.b, 0xab, same[k]);
        for (size_t i = 0; i < n; i += 1013)
            c[i].id = c[n - 1 - i].id;
        check_with(c, n, SMALL, 1);
        free(c);
    }
}

/* Two heaps that differ in the last byte of the id only; and in the last byte from ids that differ before. */
static void test_skewed(void **state)
{
    (void)state;
    const size_t n = 150000;
    struct id_copy *c = some(n);
    for (size_t i = 0; i < n; i++) {
        memset(c[i].id.b, 1, HASH_LEN);
        c[i].id.b[31] = (uint8_t)(i % 3);
    }
    check_with(c, n, SMALL, 1);
    for (size_t i = 0; i < n; i++) { /* one leaves the heap at each byte */
        memset(c[i].id.b, 1, HASH_LEN);
        if (i % 5 == 0)
            c[i].id.b[i % HASH_LEN] = (uint8_t)mix(i);
    }
    check_with(c, n, SMALL, 1);
    free(c);
}

/* One id, again and again: in one place, and in as many places. */
static void test_one_id(void **state)
{
    (void)state;
    const size_t n = 150000;
    struct id_copy *c = some(n);
    for (size_t i = 0; i < n; i++)
        c[i] = (struct id_copy){id_of(1), 0, i};
    check_with(c, n, SMALL, 1);
    for (size_t i = 0; i < n; i++)
        c[i] = (struct id_copy){id_of(1), (uint32_t)mix(i), i % 2 ? UINT64_MAX : i};
    check_with(c, n, SMALL, 1);
    for (size_t i = 0; i < n; i++) /* the same entry, which no caller adds twice */
        c[i] = (struct id_copy){id_of(1), 5, 5};
    check_with(c, n, SMALL, 1);
    free(c);
}

static void test_leading_windows_equal(void **state)
{
    (void)state;
    const size_t n = 30000;
    struct id_copy *c = some(n);
    for (size_t i = 0; i < n; i++) { /* two heaps, each equal in the bits that radix passes look at */
        memset(c[i].id.b, i % 2 ? 0x11 : 0x12, 6);
        if (i % 100 < 2)
            c[i].id = id_of(3);
    }
    check_with(c, n, 0, 1);
    free(c);
}

static void test_callback_ends_it(void **state)
{
    (void)state;
    struct id_sort *s;
    struct seen seen;
    struct fault f;
    hash_t id = id_of(0);
    seen_new(&seen);
    seen.stop_at = 2;
    assert_err(id_sort_new(&s, 0), OK);
    for (uint32_t i = 0; i < 3; i++)
        assert_err(id_sort_add(s, &id, i, 0, &f), OK);
    assert_err(id_sort_finish(s, keep, &seen, &f), ERR_STOPPED);
    assert_int_equal(seen.count, 1);
    id_sort_free(s);
    seen_free(&seen);
}

/* The temporary file is never seen by name. */
static void test_no_name(void **state)
{
    (void)state;
    struct id_sort *s;
    struct fault f;
    char dir[] = "/tmp/conclave-ids-XXXXXX";
    const size_t n = 500000;
    assert_non_null(mkdtemp(dir));
    setenv("SQLITE_TMPDIR", dir, 1);
    assert_err(id_sort_new(&s, SMALL), OK);
    for (size_t i = 0; i < n; i++) {
        hash_t id = id_of(i);
        assert_err(id_sort_add(s, &id, 0, i, &f), OK);
    }
    assert_true(id_sort_disk(s) > 0);
    assert_int_equal(rmdir(dir), 0); /* empty */
    id_sort_free(s);
    unsetenv("SQLITE_TMPDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_none_added),
        cmocka_unit_test(test_many_on_disk),
        cmocka_unit_test(test_common_prefix),
        cmocka_unit_test(test_skewed),
        cmocka_unit_test(test_one_id),
        cmocka_unit_test(test_leading_windows_equal),
        cmocka_unit_test(test_callback_ends_it),
        cmocka_unit_test(test_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
