/* Key files: as specified, opened by hand; what an opened key leaves in memory; what fork() takes from it. */
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "tally/signkey.h"
#include "tests/support/ceremony.h"
#include "tests/support/unit.h"

#define PASS "correct horse"

struct box {
    char dir[64], path[128];
    pubkey_t key;
    struct signkey *k;
    struct group *g;
    uint8_t *inverted; /* all bits of the scalar, the other way round: not to be found by looking for it */
};

/* docs/spec/README.md, "Key file of an official". */
static err_t open_by_hand(uint8_t scalar[32], const uint8_t *data, size_t len, const char *pass,
                          pubkey_t *key)
{
    uint8_t salt[16], nonce[24], sealed[48], *secret;
    struct cbor_in in;
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 7);
    cbor_get_text_exact(&in, "conclave/signkey");
    cbor_get_uint_exact(&in, 1);
    cbor_get_uint_exact(&in, SIGNKEY_REHEARSAL);
    cbor_get_fixed(&in, key->b, POINT_LEN);
    cbor_get_fixed(&in, salt, sizeof salt);
    cbor_get_fixed(&in, nonce, sizeof nonce);
    size_t head = in.pos;
    cbor_get_fixed(&in, sealed, sizeof sealed);
    assert_err(cbor_in_end(&in, NULL), OK);
    assert_int_equal(data[0], 0x87);
    assert_err(secret_alloc((void **)&secret, 32), OK);
    assert_int_equal(crypto_pwhash_argon2id(secret, 32, pass, strlen(pass), salt, 1, 8192, 2), 0);
    int bad = crypto_aead_xchacha20poly1305_ietf_decrypt(scalar, NULL, NULL, sealed, sizeof sealed, data,
                                                         head, nonce, secret);
    secret_free(secret);
    return bad ? ERR_DECRYPT : OK;
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof *b);
    uint8_t *data;
    size_t len;
    struct fault f;
    scalar_t *scalar;
    pubkey_t stated, made;
    assert_err(secret_init(), OK);
    assert_err(group_new(&b->g), OK);
    temp_dir(b->dir, sizeof b->dir);
    snprintf(b->path, sizeof b->path, "%s/key", b->dir);
    assert_err(signkey_new(&b->key, b->path, SIGNKEY_REHEARSAL, PASS, strlen(PASS), &f), OK);
    assert_err(signkey_open(&b->k, b->path, PASS, strlen(PASS), &f), OK);
    assert_err(file_read(&data, &len, b->path, 512, &f), OK);
    assert_err(secret_alloc((void **)&scalar, sizeof *scalar), OK);
    assert_err(open_by_hand(scalar->b, data, len, "another", &stated), ERR_DECRYPT);
    assert_err(open_by_hand(scalar->b, data, len, PASS, &stated), OK);
    assert_err(point_mul_base(b->g, &made, scalar), OK);
    assert_memory_equal(&stated, &b->key, sizeof stated);
    assert_memory_equal(&made, &b->key, sizeof made);
    b->inverted = malloc(SCALAR_LEN);
    for (size_t i = 0; i < SCALAR_LEN; i++)
        b->inverted[i] = (uint8_t)~scalar->b[i];
    secret_free(scalar);
    secret_burn_stack();
    free(data);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;
    signkey_close(b->k);
    group_free(b->g);
    free(b->inverted);
    remove_tree(b->dir);
    free(b);
    return 0;
}

static scalar_t *scalar_again(const struct box *b)
{
    scalar_t *s;
    assert_err(secret_alloc((void **)&s, sizeof *s), OK);
    for (size_t i = 0; i < SCALAR_LEN; i++)
        s->b[i] = (uint8_t)~b->inverted[i];
    return s;
}

static void point_random(struct group *g, point_t *p, uint8_t raw[65])
{
    scalar_t k;
    scalar_random(&k);
    assert_err(point_mul_base(g, p, &k), OK);
    assert_err(point_uncompress(g, raw, p), OK);
}

static void test_sign(void **state)
{
    struct box *b = *state;
    const struct signer *s = signkey_signer(b->k);
    uint8_t signature[SIGNATURE_LEN], again[SIGNATURE_LEN];
    const hash_t digest = {{1, 2}}, other = {{2, 2}};
    struct fault f;
    assert_memory_equal(&s->key, &b->key, sizeof b->key);
    assert_err(s->sign(s->ctx, signature, &digest, &f), OK);
    assert_err(ecdsa_verify_var(&s->key, &digest, signature), OK);
    assert_err(ecdsa_verify_var(&s->key, &other, signature), ERR_SIGNATURE);
    assert_err(s->sign(s->ctx, again, &digest, &f), OK);
    assert_memory_not_equal(signature, again, 32); /* a new nonce */
}

static void test_dh(void **state)
{
    struct box *b = *state;
    uint8_t raw[65], x[32], want[32], zero[32] = {0};
    point_t p;
    scalar_t *s = scalar_again(b);
    for (int i = 0; i < 20; i++) {
        point_random(b->g, &p, raw);
        assert_err(hpke_dh(b->g, want, s, &p), OK);
        assert_err(signkey_dh(x, b->k, raw), OK);
        assert_memory_equal(x, want, 32);
    }
    secret_free(s);
    /* Off the curve; another form; no point at all. */
    raw[64] ^= 1;
    assert_err(signkey_dh(x, b->k, raw), ERR_POINT);
    assert_memory_equal(x, zero, 32);
    raw[64] ^= 1;
    for (int form = 0; form < 256; form++) {
        raw[0] = (uint8_t)form;
        assert_err(signkey_dh(x, b->k, raw), form == 4 ? OK : ERR_POINT);
    }
    raw[0] = 4;
    memset(raw + 1, 0xff, 64); /* coordinates over p */
    assert_err(signkey_dh(x, b->k, raw), ERR_POINT);
    memset(raw, 0, sizeof raw);
    assert_err(signkey_dh(x, b->k, raw), ERR_POINT);
}

#ifndef __SANITIZE_ADDRESS__ /* whose shadow memory has no end, and which keeps what is freed */

/* How often the scalar is in memory that can be read, big-endian as in files, or with the least byte first as
 * in OpenSSL's and GMP's numbers. */
static void find(size_t *big, size_t *little, const struct box *b)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    *big = *little = 0;
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char rights[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || strncmp(rights, "rw", 2) != 0 ||
            strstr(line, "[v") != NULL)
            continue;
        for (const volatile uint8_t *p = (const volatile uint8_t *)from,
                                    *end = (const volatile uint8_t *)to - SCALAR_LEN;
             p <= end; p++) {
            size_t i = 0, j = 0;
            while (i < SCALAR_LEN && (p[i] ^ b->inverted[i]) == 0xff)
                i++;
            while (j < SCALAR_LEN && (p[j] ^ b->inverted[SCALAR_LEN - 1 - j]) == 0xff)
                j++;
            *big += i == SCALAR_LEN;
            *little += j == SCALAR_LEN;
        }
    }
    fclose(maps);
}

/* Between operations the scalar is once in memory, which is the locked copy; while it was used OpenSSL had
 * others. */
static void test_one_copy(void **state)
{
    struct box *b = *state;
    const struct signer *s = signkey_signer(b->k);
    uint8_t signature[SIGNATURE_LEN], raw[65], x[32];
    const hash_t digest = {{7}};
    struct fault f;
    size_t big, little;
    point_t p;
    find(&big, &little, b);
    assert_int_equal(big, 1);
    assert_int_equal(little, 0);
    point_random(b->g, &p, raw);
    assert_err(s->sign(s->ctx, signature, &digest, &f), OK);
    assert_err(signkey_dh(x, b->k, raw), OK);
    find(&big, &little, b);
    assert_int_equal(big, 1);
    assert_int_equal(little, 0);
    scalar_t *copy = scalar_again(b); /* it would be found */
    find(&big, &little, b);
    assert_int_equal(big, 2);
    secret_free(copy);
    signkey_close(b->k);
    b->k = NULL;
    find(&big, &little, b);
    assert_int_equal(big + little, 0);
}

#else
static void test_one_copy(void **state)
{
    (void)state;
    skip();
}
#endif

/* Kilobytes of this process that are locked. */
static long locked(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long kb = -1;
    assert_non_null(status);
    while (fgets(line, sizeof line, status) != NULL && sscanf(line, "VmLck: %ld", &kb) != 1)
        ;
    fclose(status);
    return kb;
}

static void test_forked(void **state)
{
    struct box *b = *state;
    if (locked() <= 0)
        skip(); /* a sanitizer, whose mlock does nothing */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int good = locked() == 0 && signkey_forked(b->k) == OK && locked() > 0;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Every byte of the file is covered. */
static void test_every_byte(void **state)
{
    struct box *b = *state;
    uint8_t *data;
    size_t len;
    struct fault f;
    struct signkey *k;
    assert_err(file_read(&data, &len, b->path, 512, &f), OK);
    for (size_t i = 0; i < len; i++) {
        if (i == 19) /* the level: a higher one takes a second and 256 MiB */
            continue;
        data[i] ^= 1;
        assert_err(file_write(b->path, data, len, FILE_REPLACE, &f), OK);
        assert_int_not_equal(signkey_open(&k, b->path, PASS, strlen(PASS), &f), OK);
        assert_null(k);
        data[i] ^= 1;
    }
    assert_err(file_write(b->path, data, len, FILE_REPLACE, &f), OK);
    assert_err(signkey_open(&k, b->path, "", 0, &f), ERR_DECRYPT);
    assert_err(signkey_open(&k, b->path, PASS, strlen(PASS), &f), OK);
    signkey_close(k);
    free(data);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_sign), T(test_dh), T(test_one_copy), T(test_forked), T(test_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
