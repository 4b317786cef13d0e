#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/base45.h"
#include "ui/qrtext.h"

/* RFC 9285 section 4.3 and 4.4. */
static void test_base45_rfc(void **state)
{
    static const char *const pairs[][2] = {{"AB", "BB8"},
                                           {"Hello!!", "%69 VD92EX0"},
                                           {"base-45", "UJCLQE7W581"},
                                           {"ietf!", "QED8WEX0"},
                                           {"", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[64];
        uint8_t data[64];
        size_t len = strlen(pairs[i][0]), got;
        base45_put(text, pairs[i][0], len);
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(strlen(text), BASE45_LEN(len));
        assert_int_equal(base45_get(data, &got, sizeof data, text, strlen(text)), OK);
        assert_int_equal(got, len);
        assert_memory_equal(data, pairs[i][0], len);
    }
}

/* One and two bytes: every value goes and comes back, and every other text is refused. */
static void test_base45_exhaustive(void **state)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
    unsigned good = 0;
    (void)state;
    for (int a = 0; a < 45; a++) {
        for (int b = 0; b < 45; b++) {
            for (int c = -1; c < 45; c++) {
                char text[4] = {alphabet[a], alphabet[b], c < 0 ? '\0' : alphabet[c], '\0'}, back[4];
                uint8_t data[2] = {9, 9};
                size_t got;
                err_t e = base45_get(data, &got, 2, text, strlen(text));
                if (e == OK) {
                    good++;
                    base45_put(back, data, got);
                    assert_string_equal(back, text);
                } else {
                    assert_int_equal(e, ERR_FORMAT);
                    assert_int_equal(got + data[0] + data[1], 0);
                }
            }
        }
    }
    assert_int_equal(good, 256 + 65536);
}

static void test_base45_bad(void **state)
{
    static const char *const bad[] = {"GGW", ":::", "::", "A", "ABCD", "bb8", "BB\xff", "B_8", "BB8\n"};
    uint8_t data[64];
    size_t got;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(base45_get(data, &got, sizeof data, bad[i], strlen(bad[i])), ERR_FORMAT);
    assert_int_equal(base45_get(data, &got, sizeof data, "BB\0", 3), ERR_FORMAT);
    assert_int_equal(base45_get(data, &got, 1, "BB8", 3), ERR_LIMIT);
}

static void fill(uint8_t *data, size_t len, unsigned seed)
{
    srand(seed);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)rand();
}

static uint8_t message[QRTEXT_MESSAGE_MAX + 1];

static err_t join(const struct qrtext *q, size_t want_len)
{
    uint8_t *got;
    size_t len;
    char kind;
    err_t e = qrtext_join(&got, &len, &kind, (const char *const *)q->part, q->count, NULL);
    if (e == OK) {
        assert_int_equal(kind, 'R');
        assert_int_equal(len, want_len);
        assert_memory_equal(got, message, len);
    } else {
        assert_null(got);
        assert_int_equal(len, 0);
    }
    free(got);
    return e;
}

static void test_sizes(void **state)
{
    static const size_t sizes[] = {
        1, 2, 3, 599, 600, 601, 1199, 1200, 1201, 6000, 262144, QRTEXT_MESSAGE_MAX - 1, QRTEXT_MESSAGE_MAX};
    struct qrtext q;
    (void)state;
    fill(message, sizeof message, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(qrtext_split(&q, 'R', message, sizes[i]), OK);
        assert_int_equal(q.count, (sizes[i] + 599) / 600);
        for (size_t k = 0; k < q.count; k++) {
            assert_true(qrtext_is(q.part[k]));
            assert_true(strlen(q.part[k]) <= QRTEXT_TEXT_MAX);
            assert_int_equal(strspn(q.part[k], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"),
                             strlen(q.part[k]));
        }
        assert_int_equal(join(&q, sizes[i]), OK);
        qrtext_free(&q);
    }
    assert_int_equal(qrtext_split(&q, 'R', message, 0), ERR_LIMIT);
    assert_int_equal(qrtext_split(&q, 'R', message, sizeof message), ERR_LIMIT);
    assert_int_equal(qrtext_split(&q, 'r', message, 5), ERR_BUG);
    assert_null(q.part);
}

/* The vector of docs/spec/qr.md. */
static void test_vector(void **state)
{
    struct qrtext q;
    (void)state;
    assert_int_equal(qrtext_split(&q, 'R', "Hello", 5), OK);
    assert_int_equal(q.count, 1);
    assert_string_equal(q.part[0], "CONCLAVE1:R:1/1:6B435563:%69 VDL2");
    qrtext_free(&q);
}

/* Any order, repetitions, line ends. */
static void test_order(void **state)
{
    struct qrtext q;
    char lines[40][QRTEXT_TEXT_MAX + 3];
    const char *texts[40];
    uint8_t *got;
    size_t len;
    char kind;
    (void)state;
    fill(message, 5000, 2);
    assert_int_equal(qrtext_split(&q, 'C', message, 5000), OK);
    for (size_t i = 0; i < 40; i++) {
        snprintf(lines[i], sizeof lines[i], "%s%s", q.part[(i * 5 + 3) % q.count], i % 3 ? "\r\n" : "");
        texts[i] = lines[i];
    }
    assert_int_equal(qrtext_join(&got, &len, &kind, texts, 40, NULL), OK);
    assert_int_equal(len, 5000);
    assert_memory_equal(got, message, len);
    free(got);
    qrtext_free(&q);
}

static void test_missing(void **state)
{
    struct qrtext q;
    struct fault f;
    uint8_t *got;
    size_t len;
    char kind;
    (void)state;
    fill(message, 3000, 3);
    assert_int_equal(qrtext_split(&q, 'R', message, 3000), OK);
    const char *texts[] = {q.part[4], q.part[1], q.part[2]};
    assert_int_equal(qrtext_join(&got, &len, &kind, texts, 3, &f), ERR_MISSING);
    assert_non_null(strstr(f.detail, "of 5 parts these are not here: 1, 4"));
    assert_int_equal(qrtext_join(&got, &len, &kind, texts, 0, &f), ERR_MISSING);
    qrtext_free(&q);
    /* The longest list fits. */
    fill(message, QRTEXT_MESSAGE_MAX, 3);
    assert_int_equal(qrtext_split(&q, 'R', message, QRTEXT_MESSAGE_MAX), OK);
    assert_int_equal(qrtext_join(&got, &len, &kind, (const char *const *)q.part, 1, &f), ERR_MISSING);
    assert_non_null(strstr(f.detail, "99, 100"));
    qrtext_free(&q);
}

static void test_conflict(void **state)
{
    struct qrtext a, b, c;
    uint8_t *got;
    size_t len;
    char kind;
    (void)state;
    fill(message, 1500, 4);
    assert_int_equal(qrtext_split(&a, 'R', message, 1500), OK);
    assert_int_equal(qrtext_split(&c, 'B', message, 1500), OK);
    message[700] ^= 1;
    assert_int_equal(qrtext_split(&b, 'R', message, 1500), OK);
    const char *mixed[] = {a.part[0], b.part[1], a.part[2]};
    assert_int_equal(qrtext_join(&got, &len, &kind, mixed, 3, NULL), ERR_CONFLICT);
    const char *kinds[] = {a.part[0], c.part[1], a.part[2]};
    assert_int_equal(qrtext_join(&got, &len, &kind, kinds, 3, NULL), ERR_CONFLICT);
    /* Same heads, other content for part 2. */
    char forged[QRTEXT_TEXT_MAX + 1];
    strcpy(forged, b.part[1]);
    memcpy(forged, a.part[1], 25);
    const char *twice[] = {a.part[0], a.part[1], forged, a.part[2]};
    assert_int_equal(qrtext_join(&got, &len, &kind, twice, 4, NULL), ERR_CONFLICT);
    const char *alone[] = {a.part[0], forged, a.part[2]};
    assert_int_equal(qrtext_join(&got, &len, &kind, alone, 3, NULL), ERR_HASH);
    assert_null(got);
    qrtext_free(&a);
    qrtext_free(&b);
    qrtext_free(&c);
}

static void test_bad_texts(void **state)
{
    static const struct {
        const char *text;
        err_t e;
    } bad[] = {
        {"", ERR_FORMAT},
        {"HTTPS://EXAMPLE", ERR_FORMAT},
        {"CONCLAVE", ERR_VERSION},
        {"CONCLAVE2:R:1/1:00000000:BB8", ERR_VERSION},
        {"conclave1:R:1/1:00000000:BB8", ERR_FORMAT},
        {"CONCLAVE1:", ERR_FORMAT},
        {"CONCLAVE1:r:1/1:00000000:BB8", ERR_FORMAT},
        {"CONCLAVE1:RR:1/1:00000000:BB8", ERR_FORMAT},
        {"CONCLAVE1:R:0/1:00000000:BB8", ERR_FORMAT},
        {"CONCLAVE1:R:01/1:00000000:BB8", ERR_FORMAT},
        {"CONCLAVE1:R:+1/1:00000000:BB8", ERR_FORMAT},
        {"CONCLAVE1:R:2/1:00000000:BB8", ERR_FORMAT},
        {"CONCLAVE1:R:1/501:00000000:BB8", ERR_LIMIT},
        {"CONCLAVE1:R:99999999999999999999/1:00000000:BB8", ERR_LIMIT},
        {"CONCLAVE1:R:1/1", ERR_FORMAT},
        {"CONCLAVE1:R:1/1:0000000:BB8", ERR_FORMAT},
        {"CONCLAVE1:R:1/1:000000000:BB8", ERR_FORMAT},
        {"CONCLAVE1:R:1/1:0000000a:BB8", ERR_FORMAT},
        {"CONCLAVE1:R:1/1:00000000", ERR_FORMAT},
        {"CONCLAVE1:R:1/1:00000000:", ERR_FORMAT},
        {"CONCLAVE1:R:1/1:00000000:B", ERR_FORMAT},
        {"CONCLAVE1:R:1/1:00000000:GGW", ERR_FORMAT},
        {"CONCLAVE1:R:1/1:00000000:BB8\n \n", ERR_FORMAT},
        {"CONCLAVE1:R:1/1:00000000:BB8", ERR_HASH},
        {"CONCLAVE1:R:1/2:00000000:BB8", ERR_MISSING},
    };
    uint8_t *got;
    size_t len;
    char kind;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (qrtext_join(&got, &len, &kind, &bad[i].text, 1, NULL) != bad[i].e)
            fail_msg("%s", bad[i].text);
    /* All parts but the last have one length, and the last is not longer. */
    const char *longer[] = {"CONCLAVE1:R:1/2:00000000:00", "CONCLAVE1:R:2/2:00000000:BB8"};
    assert_int_equal(qrtext_join(&got, &len, &kind, longer, 2, NULL), ERR_FORMAT);
    const char *shorter[] = {"CONCLAVE1:R:1/3:00000000:BB8", "CONCLAVE1:R:2/3:00000000:00",
                             "CONCLAVE1:R:3/3:00000000:BB8"};
    assert_int_equal(qrtext_join(&got, &len, &kind, shorter, 3, NULL), ERR_FORMAT);
    char *big = malloc(100000);
    memset(big, 'A', 99999);
    big[99999] = '\0';
    memcpy(big, "CONCLAVE1:R:1/1:00000000:", 25);
    const char *one = big;
    assert_int_equal(qrtext_join(&got, &len, &kind, &one, 1, NULL), ERR_LIMIT);
    big[QRTEXT_TEXT_MAX] = '\0';
    assert_int_equal(qrtext_join(&got, &len, &kind, &one, 1, NULL), ERR_LIMIT);
    free(big);
    const char *many[QRTEXT_INPUTS_MAX + 1] = {0};
    assert_int_equal(qrtext_join(&got, &len, &kind, many, QRTEXT_INPUTS_MAX + 1, NULL), ERR_LIMIT);
}

/* Parts of another length, for small windows, join to the same message. */
static void test_small_parts(void **state)
{
    static const size_t part[] = {1, 2, 61, 62, 599};
    struct qrtext q;
    uint8_t *got;
    size_t len;
    char kind;
    (void)state;
    fill(message, 499, 8);
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        assert_int_equal(qrtext_split_parts(&q, 'C', message, 499, part[i]), OK);
        assert_int_equal(q.count, (499 + part[i] - 1) / part[i]);
        assert_int_equal(qrtext_join(&got, &len, &kind, (const char *const *)q.part, q.count, NULL), OK);
        assert_int_equal(len, 499);
        assert_memory_equal(got, message, 499);
        free(got);
        qrtext_free(&q);
    }
    assert_int_equal(qrtext_split_parts(&q, 'C', message, 499, 0), ERR_BUG);
    assert_int_equal(qrtext_split_parts(&q, 'C', message, 499, QRTEXT_PART_LEN + 1), ERR_BUG);
    fill(message, 501, 8);
    assert_int_equal(qrtext_split_parts(&q, 'C', message, 501, 1), ERR_LIMIT);
}

/* Every truncation and every one-character change is refused. */
static void test_mutations(void **state)
{
    struct qrtext q;
    (void)state;
    fill(message, 40, 5);
    assert_int_equal(qrtext_split(&q, 'R', message, 40), OK);
    char *text = q.part[0];
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        text[i] = '\0';
        assert_int_not_equal(join(&q, 40), OK);
        for (int v = 1; v < 256; v++) {
            text[i] = (char)v;
            if (text[i] != c && !(i + 1 == n && strchr("\r\n", v) != NULL))
                assert_int_not_equal(join(&q, 40), OK);
        }
        text[i] = c;
    }
    assert_int_equal(join(&q, 40), OK);
    qrtext_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base45_rfc),  cmocka_unit_test(test_base45_exhaustive),
        cmocka_unit_test(test_base45_bad),  cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_order),       cmocka_unit_test(test_missing),
        cmocka_unit_test(test_conflict),    cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_small_parts), cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
