/* Mountain ranges: against the tree hash of RFC 9162 as hash.h has it, a published log, and torn files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/mmr.h"

#define LEAVES 300

static char dir[64];

static const char *path_of(const char *name)
{
    static char path[2][128];
    static unsigned turn;
    char *p = path[turn++ % 2];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    unlink(p);
    return p;
}

static void leaves_make(hash_t *leaf, size_t count)
{
    for (size_t i = 0; i < count; i++)
        merkle_leaf(&leaf[i], &i, sizeof i);
}

static void test_roots(void **state)
{
    (void)state;
    hash_t leaf[LEAVES], a, b;
    struct merkle tree;
    struct mmr *bare, *file;
    struct fault f;
    leaves_make(leaf, LEAVES);
    merkle_init(&tree);
    assert_int_equal(mmr_open(&bare, NULL, 0, NULL, &f), OK);
    assert_int_equal(mmr_open(&file, path_of("roots"), 0, NULL, &f), OK);
    for (size_t i = 0; i <= LEAVES; i++) {
        merkle_root(&tree, &a);
        mmr_root(bare, &b);
        assert_memory_equal(&a, &b, HASH_LEN);
        mmr_root(file, &b);
        assert_memory_equal(&a, &b, HASH_LEN);
        if (i == LEAVES)
            break;
        merkle_add(&tree, &leaf[i]);
        assert_int_equal(mmr_add(bare, &leaf[i]), OK);
        assert_int_equal(mmr_add(file, &leaf[i]), OK);
        if (i % 7 == 0)
            assert_int_equal(mmr_sync(file, &f), OK);
    }
    assert_int_equal(mmr_size(file), LEAVES);
    merkle_init(&tree);
    for (size_t i = 0; i <= LEAVES; i++) {
        merkle_root(&tree, &a);
        assert_int_equal(mmr_root_at(file, &b, i, &f), OK);
        assert_memory_equal(&a, &b, HASH_LEN);
        if (i < LEAVES)
            merkle_add(&tree, &leaf[i]);
    }
    assert_int_equal(mmr_root_at(file, &b, LEAVES + 1, &f), ERR_BUG);
    assert_int_equal(mmr_leaf(file, &b, 77, &f), OK);
    assert_memory_equal(&leaf[77], &b, HASH_LEN);
    assert_int_equal(mmr_leaf(file, &b, LEAVES, &f), ERR_BUG);
    assert_int_equal(mmr_leaf(bare, &b, 1, &f), ERR_BUG);
    mmr_free(bare);
    mmr_free(file);
}

static void test_inclusion(void **state)
{
    (void)state;
    hash_t leaf[65], path[MMR_PATH_MAX], want[64], root;
    size_t count, want_count;
    struct mmr *m;
    struct fault f;
    leaves_make(leaf, 65);
    assert_int_equal(mmr_open(&m, path_of("inclusion"), 0, NULL, &f), OK);
    assert_int_equal(mmr_add_many(m, leaf, 40), OK);
    assert_int_equal(mmr_sync(m, &f), OK);
    assert_int_equal(mmr_add_many(m, leaf + 40, 25), OK);
    for (uint64_t size = 1; size <= 65; size++) {
        assert_int_equal(mmr_root_at(m, &root, size, &f), OK);
        for (uint64_t i = 0; i < size; i++) {
            assert_int_equal(mmr_inclusion(m, path, &count, i, size, &f), OK);
            merkle_path(want, &want_count, leaf, size, i);
            assert_int_equal(count, want_count);
            assert_memory_equal(path, want, count * HASH_LEN);
            assert_int_equal(merkle_path_check(&root, size, i, &leaf[i], path, count), OK);
            if (count > 0) {
                path[count / 2].b[3] ^= 1;
                assert_int_equal(merkle_path_check(&root, size, i, &leaf[i], path, count), ERR_HASH);
            }
        }
    }
    assert_int_equal(mmr_inclusion(m, path, &count, 65, 65, &f), ERR_BUG);
    mmr_free(m);
}

static void test_consistency(void **state)
{
    (void)state;
    enum { N = 66 };
    hash_t leaf[N], path[MMR_PATH_MAX], root[N + 1];
    size_t count;
    struct mmr *m;
    struct fault f;
    leaves_make(leaf, N);
    assert_int_equal(mmr_open(&m, path_of("consistency"), 0, NULL, &f), OK);
    assert_int_equal(mmr_add_many(m, leaf, N), OK);
    for (uint64_t i = 0; i <= N; i++)
        assert_int_equal(mmr_root_at(m, &root[i], i, &f), OK);
    for (uint64_t to = 1; to <= N; to++)
        for (uint64_t from = 1; from <= to; from++) {
            assert_int_equal(mmr_consistency(m, path, &count, from, to, &f), OK);
            assert_int_equal(mmr_consistency_check(&root[from], from, &root[to], to, path, count), OK);
            if (from > 1)
                assert_int_equal(mmr_consistency_check(&root[from - 1], from, &root[to], to, path, count),
                                 ERR_HASH);
            if (to > from && to < N)
                assert_int_equal(mmr_consistency_check(&root[from], from, &root[to + 1], to, path, count),
                                 ERR_HASH);
            if (count == 0)
                continue;
            assert_int_equal(mmr_consistency_check(&root[from], from, &root[to], to, path, count - 1),
                             ERR_HASH);
            path[count] = path[0];
            assert_int_equal(mmr_consistency_check(&root[from], from, &root[to], to, path, count + 1),
                             ERR_HASH);
            path[count - 1].b[0] ^= 1;
            assert_int_equal(mmr_consistency_check(&root[from], from, &root[to], to, path, count), ERR_HASH);
        }
    assert_int_equal(mmr_consistency_check(&root[0], 0, &root[5], 5, path, 0), OK);
    assert_int_equal(mmr_consistency_check(&root[0], 0, &root[5], 5, path, 1), ERR_HASH);
    assert_int_equal(mmr_consistency_check(&root[6], 6, &root[5], 5, path, 0), ERR_HASH);
    assert_int_equal(mmr_consistency(m, path, &count, 0, 5, &f), ERR_BUG);
    assert_int_equal(mmr_consistency(m, path, &count, 6, 5, &f), ERR_BUG);
    mmr_free(m);
}

/* A file of `leaves` leaves, synced. */
static void file_make(const char *path, const hash_t *leaf, size_t leaves)
{
    struct mmr *m;
    struct fault f;
    assert_int_equal(mmr_open(&m, path, 0, NULL, &f), OK);
    assert_int_equal(mmr_add_many(m, leaf, leaves), OK);
    assert_int_equal(mmr_sync(m, &f), OK);
    mmr_free(m);
}

static long length(const char *path)
{
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    fseek(in, 0, SEEK_END);
    long n = ftell(in);
    fclose(in);
    return n;
}

/* Whatever is behind the checkpoint, opening gives the checkpoint. */
static void test_torn_tail(void **state)
{
    (void)state;
    hash_t leaf[60], root[61], have;
    struct mmr *m;
    struct fault f;
    const char *path = path_of("torn");
    leaves_make(leaf, 60);
    file_make(path, leaf, 60);
    assert_int_equal(mmr_open_read(&m, path, 60, &f), OK);
    for (uint64_t i = 0; i <= 60; i++)
        assert_int_equal(mmr_root_at(m, &root[i], i, &f), OK);
    assert_int_equal(mmr_add(m, leaf), ERR_BUG);
    mmr_free(m);
    for (long cut = length(path); cut >= (long)(mmr_nodes(50) * HASH_LEN); cut -= 13) {
        file_make(path, leaf, 60);
        assert_int_equal(truncate(path, cut), 0);
        assert_int_equal(mmr_open(&m, path, 50, &root[50], &f), OK);
        assert_int_equal(length(path), (long)(mmr_nodes(50) * HASH_LEN));
        assert_int_equal(mmr_add_many(m, leaf + 50, 10), OK);
        mmr_root(m, &have);
        assert_memory_equal(&have, &root[60], HASH_LEN);
        mmr_free(m); /* not synced: gone */
        assert_int_equal(length(path), (long)(mmr_nodes(50) * HASH_LEN));
        unlink(path);
    }
}

static void test_damage(void **state)
{
    (void)state;
    hash_t leaf[60], root;
    struct mmr *m;
    struct fault f;
    const char *path = path_of("damage");
    leaves_make(leaf, 60);
    file_make(path, leaf, 60);
    assert_int_equal(mmr_open_read(&m, path, 60, &f), OK);
    mmr_root(m, &root);
    mmr_free(m);
    assert_int_equal(mmr_open(&m, path, 61, &root, &f), ERR_TRUNCATED);
    assert_null(m);
    root.b[0] ^= 1;
    assert_int_equal(mmr_open(&m, path, 60, &root, &f), ERR_HASH);
    assert_null(m);
    assert_int_equal(mmr_open_read(&m, path_of("absent"), 0, &f), ERR_MISSING);
    assert_int_equal(mmr_open(&m, path, MMR_SIZE_MAX + 1, NULL, &f), ERR_LIMIT);
}

/* Checkpoints of a log in the wild (C2SP tlog-tiles; its tree is RFC 9162's): size, then the root. */
static void test_published_log(void **state)
{
    (void)state;
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *vectors = getenv("CONCLAVE_VECTORS");
    struct mmr *m;
    struct fault f;
    char path[512];
    uint8_t *tile, *text;
    size_t len;
    snprintf(path, sizeof path, "%s/merkle/tessera-log/tile/0/000.p/15",
             vectors ? vectors : "../shared/vectors");
    if (access(path, R_OK) != 0) {
        print_message("no vectors at %s\n", path);
        skip();
    }
    assert_int_equal(file_read(&tile, &len, path, 1 << 20, &f), OK);
    assert_int_equal(len, 15 * HASH_LEN);
    assert_int_equal(mmr_open(&m, path_of("published"), 0, NULL, &f), OK);
    assert_int_equal(mmr_add_many(m, (const hash_t *)(const void *)tile, 15), OK);
    for (unsigned size = 1; size <= 15; size++) {
        uint8_t root[33] = {0};
        hash_t have;
        snprintf(path, sizeof path, "%s/merkle/tessera-log/checkpoint.%u",
                 vectors ? vectors : "../shared/vectors", size);
        assert_int_equal(file_read(&text, &len, path, 1 << 20, &f), OK);
        char *line = strchr((char *)text, '\n') + 1;
        assert_int_equal(strtoul(line, NULL, 10), size);
        line = strchr(line, '\n') + 1;
        uint32_t bits = 0;
        for (int i = 0, n = 0; i < 43; i++) {
            bits = bits << 6 | (uint32_t)(strchr(base64, line[i]) - base64);
            if (i % 4 != 0)
                root[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
        }
        assert_int_equal(mmr_root_at(m, &have, size, &f), OK);
        assert_memory_equal(have.b, root, HASH_LEN);
        free(text);
    }
    free(tile);
    mmr_free(m);
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/conclave-mmr-XXXXXX");
    return secret_init() == OK && mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"roots",  "inclusion", "consistency", "torn",
                                        "damage", "absent",    "published"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        path_of(names[i]);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roots),       cmocka_unit_test(test_inclusion),
        cmocka_unit_test(test_consistency), cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_damage),      cmocka_unit_test(test_published_log),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
