/* Arrays that grow. */
#include "ceremony/base/array.h"
#include "tests/support/unit.h"

static void grows_and_keeps_what_is_there(void **state)
{
    (void)state;
    uint32_t *item = NULL;
    size_t cap = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        size_t before = cap;
        assert_err(array_room(&item, i + 1, &cap, sizeof *item, 3), OK);
        assert_int_equal(cap, i < before ? before : before ? 2 * before : 3);
        item[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(item[i], i);
    assert_err(array_room(&item, 5000, &cap, sizeof *item, 3), OK); /* more than twice as many */
    assert_int_equal(cap, 5000);
    assert_int_equal(item[999], 999);
    free(item);
}

static void what_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    uint32_t *item = NULL, *same;
    size_t cap = 0;
    assert_err(array_room(&item, 0, &cap, sizeof *item, 3), OK);
    assert_null(item);
    assert_err(array_room(&item, SIZE_MAX / 2, &cap, sizeof *item, 3), ERR_MEMORY); /* over SIZE_MAX bytes */
    assert_null(item);
    assert_int_equal(cap, 0);
    assert_err(array_room(&item, 1, &cap, sizeof *item, 3), OK);
    item[0] = 7;
    same = item;
    assert_err(array_room(&item, SIZE_MAX, &cap, sizeof *item, 3), ERR_MEMORY);
    assert_ptr_equal(item, same);
    assert_int_equal(cap, 3);
    assert_int_equal(item[0], 7);
    free(item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_what_is_there),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
