/* The one-shot and EVP interfaces of OpenSSL 3 fetch the digest each time, which costs more than
 * hashing 64 bytes. SHA256_Init and its companions are deprecated but go straight to the same
 * assembly; docs/decisions/ has the measurement. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "ceremony/base/hash.h"

#include <openssl/sha.h>
#include <string.h>

#include "ceremony/base/secret.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct hash_ctx), "hash_ctx is too small");

void hash_init(struct hash_ctx *c)
{
    SHA256_Init((SHA256_CTX *)c->state);
}

void hash_add(struct hash_ctx *c, const void *data, size_t len)
{
    SHA256_Update((SHA256_CTX *)c->state, data, len);
}

void hash_end(struct hash_ctx *c, hash_t *out)
{
    SHA256_Final(out->b, (SHA256_CTX *)c->state);
    secret_wipe(c, sizeof *c);
}

void hash_one(hash_t *out, const void *data, size_t len)
{
    struct hash_ctx c;
    hash_init(&c);
    hash_add(&c, data, len);
    hash_end(&c, out);
}

int hash_cmp(const hash_t *a, const hash_t *b)
{
    int d = memcmp(a->b, b->b, HASH_LEN);
    return (d > 0) - (d < 0);
}

int hash_is_zero(const hash_t *a)
{
    static const hash_t zero;
    return hash_cmp(a, &zero) == 0;
}

void hex_put(char *out, const void *data, size_t len)
{
    static const char digit[] = "0123456789abcdef";
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digit[p[i] >> 4];
        out[2 * i + 1] = digit[p[i] & 15];
    }
    out[2 * len] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

err_t hex_get(uint8_t *out, size_t len, const char *text)
{
    if (strnlen(text, 2 * len + 1) == 2 * len) {
        size_t i = 0;
        for (; i < len; i++) {
            int hi = hex_digit(text[2 * i]), lo = hex_digit(text[2 * i + 1]);
            if (hi < 0 || lo < 0)
                break;
            out[i] = (uint8_t)(hi << 4 | lo);
        }
        if (i == len)
            return OK;
    }
    memset(out, 0, len);
    return ERR_FORMAT;
}

static void hmac(hash_t *out, const void *key, size_t key_len, const void *const *part,
                 const size_t *part_len, size_t part_count)
{
    uint8_t block[64] = {0}, pad[64];
    hash_t inner;
    struct hash_ctx c;
    if (key_len > sizeof block) {
        hash_one(&inner, key, key_len);
        memcpy(block, inner.b, HASH_LEN);
    } else if (key_len > 0) {
        memcpy(block, key, key_len);
    }
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = block[i] ^ 0x36;
    hash_init(&c);
    hash_add(&c, pad, sizeof pad);
    for (size_t i = 0; i < part_count; i++)
        hash_add(&c, part[i], part_len[i]);
    hash_end(&c, &inner);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = block[i] ^ 0x5c;
    hash_init(&c);
    hash_add(&c, pad, sizeof pad);
    hash_add(&c, inner.b, HASH_LEN);
    hash_end(&c, out);
    secret_wipe(block, sizeof block);
    secret_wipe(pad, sizeof pad);
    secret_wipe(&inner, sizeof inner);
}

void hkdf_extract(hash_t *prk, const void *salt, size_t salt_len, const void *ikm, size_t ikm_len)
{
    hmac(prk, salt, salt_len, &ikm, &ikm_len, 1);
}

err_t hkdf_expand(uint8_t *okm, size_t okm_len, const hash_t *prk, const void *info, size_t info_len)
{
    if (okm_len > 255 * HASH_LEN)
        return ERR_BUG;
    hash_t t;
    uint8_t counter = 1;
    for (size_t done = 0; done < okm_len; counter++) {
        const void *part[3] = {t.b, info, &counter};
        size_t part_len[3] = {counter == 1 ? 0 : HASH_LEN, info_len, 1};
        hmac(&t, prk->b, HASH_LEN, part, part_len, 3);
        size_t n = okm_len - done < HASH_LEN ? okm_len - done : HASH_LEN;
        memcpy(okm + done, t.b, n);
        done += n;
    }
    secret_wipe(&t, sizeof t);
    return OK;
}

err_t hkdf(uint8_t *okm, size_t okm_len, const void *salt, size_t salt_len, const void *ikm, size_t ikm_len,
           const void *info, size_t info_len)
{
    hash_t prk;
    hkdf_extract(&prk, salt, salt_len, ikm, ikm_len);
    err_t e = hkdf_expand(okm, okm_len, &prk, info, info_len);
    secret_wipe(&prk, sizeof prk);
    return e;
}

void merkle_init(struct merkle *m)
{
    memset(m, 0, sizeof *m);
}

void merkle_leaf(hash_t *out, const void *data, size_t len)
{
    struct hash_ctx c;
    hash_init(&c);
    hash_add(&c, "\0", 1);
    hash_add(&c, data, len);
    hash_end(&c, out);
}

static void merkle_node(hash_t *out, const hash_t *left, const hash_t *right)
{
    struct hash_ctx c;
    hash_init(&c);
    hash_add(&c, "\1", 1);
    hash_add(&c, left->b, HASH_LEN);
    hash_add(&c, right->b, HASH_LEN);
    hash_end(&c, out);
}

static unsigned peak_count(uint64_t leaves)
{
    return (unsigned)__builtin_popcountll(leaves);
}

void merkle_add(struct merkle *m, const hash_t *leaf)
{
    unsigned top = peak_count(m->count);
    hash_t h = *leaf;
    for (uint64_t n = m->count; n & 1; n >>= 1)
        merkle_node(&h, &m->peak[--top], &h);
    m->peak[top] = h;
    m->count++;
}

void merkle_root(const struct merkle *m, hash_t *out)
{
    unsigned top = peak_count(m->count);
    if (top == 0) {
        hash_one(out, "", 0);
        return;
    }
    hash_t h = m->peak[--top];
    while (top > 0)
        merkle_node(&h, &m->peak[--top], &h);
    *out = h;
}

static void subtree(hash_t *out, const hash_t *leaves, uint64_t count)
{
    struct merkle m;
    merkle_init(&m);
    for (uint64_t i = 0; i < count; i++)
        merkle_add(&m, &leaves[i]);
    merkle_root(&m, out);
}

void merkle_path(hash_t *path, size_t *path_count, const hash_t *leaves, uint64_t count, uint64_t index)
{
    /* Walk down from the root; the sibling met last is the first of the path. */
    size_t n = 0;
    while (count > 1) {
        uint64_t left = UINT64_C(1) << (63 - __builtin_clzll(count - 1));
        if (index < left) {
            subtree(&path[n++], leaves + left, count - left);
            count = left;
        } else {
            subtree(&path[n++], leaves, left);
            leaves += left;
            index -= left;
            count -= left;
        }
    }
    for (size_t i = 0; i < n / 2; i++) {
        hash_t t = path[i];
        path[i] = path[n - 1 - i];
        path[n - 1 - i] = t;
    }
    *path_count = n;
}

err_t merkle_path_check(const hash_t *root, uint64_t count, uint64_t index, const hash_t *leaf,
                        const hash_t *path, size_t path_count)
{
    if (index >= count)
        return ERR_HASH;
    uint64_t fn = index, sn = count - 1;
    hash_t r = *leaf;
    for (size_t i = 0; i < path_count; i++) {
        if (sn == 0)
            return ERR_HASH;
        if ((fn & 1) || fn == sn) {
            merkle_node(&r, &path[i], &r);
            while (!(fn & 1) && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            merkle_node(&r, &r, &path[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && hash_cmp(&r, root) == 0 ? OK : ERR_HASH;
}
