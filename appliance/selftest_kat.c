/* Known answers. Published values where there are some (named at each test); what is Conclave's own was
 * calculated once by a second implementation, in Python, from docs/spec/. */
#include <string.h>

#include "appliance/selftest.h"
#include "ceremony/base/cose.h"
#include "ceremony/base/secret.h"
#include "ceremony/math/dleq.h"
#include "ceremony/math/elgamal.h"
#include "ceremony/math/hpke.h"
#include "ceremony/math/p256_var.h"
#include "ceremony/math/pok.h"
#include "ui/base45.h"
#include "ui/words.h"

/* A value of the table; broken: one bit of it is another. */
static err_t hex(void *out, size_t len, const char *text, int broken)
{
    err_t e = hex_get(out, len, text);
    if (e == OK && broken)
        ((uint8_t *)out)[len - 1] ^= 1;
    return e;
}

static err_t equals(const void *got, size_t len, const char *text, int broken)
{
    uint8_t want[128];
    if (len > sizeof want)
        return ERR_BUG;
    TRY(hex(want, len, text, broken));
    return memcmp(got, want, len) == 0 ? OK : ERR_SELFTEST;
}

static err_t must_fail(err_t e)
{
    return err_class(e) == CLASS_CRYPTO ? OK : e == OK ? ERR_SELFTEST : e;
}

/* FIPS 180-4, as in NIST's examples: "abc" */
static err_t kat_sha256(struct group *g, int broken)
{
    hash_t h;
    (void)g;
    hash_one(&h, "abc", 3);
    return equals(h.b, HASH_LEN, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", broken);
}

/* RFC 5869, appendix A.1 */
static err_t kat_hkdf(struct group *g, int broken)
{
    uint8_t ikm[22], salt[13], info[10], okm[42];
    (void)g;
    memset(ikm, 0x0b, sizeof ikm);
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof info; i++)
        info[i] = (uint8_t)(0xf0 + i);
    TRY(hkdf(okm, sizeof okm, salt, sizeof salt, ikm, sizeof ikm, info, sizeof info));
    return equals(okm, sizeof okm,
                  "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
                  broken);
}

/* RFC 9380, appendix K.1 */
static err_t kat_xmd(struct group *g, int broken)
{
    static const char dst[] = "QUUX-V01-CS02-with-expander-SHA256-128";
    uint8_t out[32];
    (void)g;
    TRY(expand_message_xmd(out, sizeof out, (const uint8_t *)dst, sizeof dst - 1, "abc", 3));
    return equals(out, sizeof out, "d8ccab23b5985ccea865c6c97b6e5b8350e794e603b4b97902f53a8a0d605615",
                  broken);
}

/* RFC 9497, appendix A.3.2: DeriveKeyPair of VOPRF(P-256, SHA-256) is HashToScalar of seed, key info and a
 * counter. */
static err_t kat_hash_to_scalar(struct group *g, int broken)
{
    uint8_t msg[32 + 2 + 8 + 1] = {0};
    scalar_t s;
    (void)g;
    memset(msg, 0xa3, 32);
    msg[33] = 8;
    memcpy(msg + 34, "test key", 8);
    TRY(hash_to_scalar(&s, "DeriveKeyPairOPRFV1-\x01-P256-SHA256", msg, sizeof msg));
    return equals(s.b, SCALAR_LEN, "ca5d94c8807817669a51b196c34c1b7f8442fde4334a7121ae4736364312fca6",
                  broken);
}

/* RFC 5903, section 8.1: both multiplications of an exchange */
static err_t kat_p256(struct group *g, int broken)
{
    scalar_t k, back;
    point_t p, q;
    TRY(hex(k.b, SCALAR_LEN, "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433", 0));
    TRY(point_mul_base(g, &p, &k));
    TRY(equals(p.b, POINT_LEN, "03dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180", broken));
    TRY(hex(p.b, POINT_LEN, "03d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63", 0));
    TRY(point_mul(g, &q, &k, &p));
    TRY(equals(q.b, POINT_LEN, "02d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de", broken));
    scalar_invert(&back, &k);
    TRY(point_mul(g, &q, &back, &q));
    return point_equal(&p, &q) ? OK : ERR_SELFTEST;
}

/* To the recipient of RFC 9180, appendix A.3.1, in our suite (AES-256-GCM), sealed by pyca/cryptography
 * 48. */
static err_t kat_hpke(struct group *g, int broken)
{
    static const char text[] = "Beauty is truth, truth beauty", info[] = "Ode on a Grecian Urn";
    uint8_t enc[HPKE_ENC_LEN], ct[sizeof text - 1 + HPKE_TAG_LEN], pt[sizeof text - 1], dh_x[32];
    scalar_t sk;
    point_t pk, eph;
    TRY(hex(sk.b, SCALAR_LEN, "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2", 0));
    TRY(hex(enc, sizeof enc,
            "046188ab3358ff21e0c4cdf0aee60696f4cc1985022b93bdc8019422c23b52dc63"
            "29a98b139d754bbee4c811a831a187fe19e0d05fd4895ac3693a4f8213fa2644",
            0));
    TRY(hex(ct, sizeof ct,
            "231a84a09cab6bbdb99cf60489f238ecb38c7054d991980932e93499e658e4ae763fa9ad920f16ea2ff1001a83",
            broken));
    TRY(point_mul_base(g, &pk, &sk));
    TRY(point_compress(g, &eph, enc));
    TRY(hpke_dh(g, dh_x, &sk, &eph));
    TRY(hpke_open(g, pt, enc, ct, sizeof ct, &pk, dh_x, info, sizeof info - 1));
    if (memcmp(pt, text, sizeof pt) != 0)
        return ERR_SELFTEST;
    ct[0] ^= 1;
    return must_fail(hpke_open(g, pt, enc, ct, sizeof ct, &pk, dh_x, info, sizeof info - 1));
}

/* RFC 6979, appendix A.2.5: P-256, SHA-256, "test" */
static err_t kat_ecdsa(struct group *g, int broken)
{
    pubkey_t key;
    uint8_t signature[SIGNATURE_LEN];
    hash_t digest;
    (void)g;
    TRY(hex(key.b, POINT_LEN, "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6", 0));
    TRY(hex(signature, sizeof signature,
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
            broken));
    hash_one(&digest, "test", 4);
    TRY(ecdsa_verify_var(&key, &digest, signature));
    digest.b[0] ^= 1;
    return must_fail(ecdsa_verify_var(&key, &digest, signature));
}

/* --- proofs: values of the second implementation --- */

#define SECRET "8ec55f506654ce5c0a8b211a5dad843a9d06abf1b8bec3d9986fac3a2229257b"
#define PUBLIC "031f76d425b943fd10cd20aad1471ff7d5894ed0f004a4b56639e04bf9d31fc2bf"

static void fill(hash_t *h, uint8_t with)
{
    memset(h->b, with, HASH_LEN);
}

static err_t kat_schnorr(struct group *g, int broken)
{
    static const char label[] = "conclave/deal-pok";
    scalar_t x;
    point_t X;
    struct pok proof;
    hash_t election, fresh;
    struct cbor_out context = CBOR_OUT_INIT;
    err_t e;
    fill(&election, 0x11);
    fill(&fresh, 0x22);
    cbor_put_array(&context, 2);
    cbor_put_text(&context, "self-test");
    cbor_put_uint(&context, 1);
    GO(context.err);
    GO(hex(x.b, SCALAR_LEN, SECRET, 0));
    GO(hex(X.b, POINT_LEN, PUBLIC, 0));
    GO(pok_prove(g, &proof, &x, &X, fresh.b, label, &election, context.data, context.len));
    GO(equals(proof.R.b, POINT_LEN, "037ae23df2b08c308eb6a58783c750e42da413728848982b7513f404ff3fdfa604",
              broken));
    GO(equals(proof.z.b, SCALAR_LEN, "48caa9d10223bd6c3576e82d252238b93c0216fff99a1a5a1df1188ca51dd5b1",
              broken));
    GO(pok_verify(g, &proof, &X, label, &election, context.data, context.len));
    proof.z.b[31] ^= 1;
    e = must_fail(pok_verify(g, &proof, &X, label, &election, context.data, context.len));
out:
    cbor_out_free(&context);
    return e;
}

static err_t kat_dleq(struct group *g, int broken)
{
    static const char *const want[] = {"02d1775f07351d378c28363b8d18e0118c30f3e8dc42c553be048a9e8c77e3cf20",
                                       "0372000d8b4ba3ec2d58ff4c185d4f9856e577f21f5e8932ad14d48b7b470bdcc6"};
    hash_t election, record, plan, fresh;
    scalar_t x, k;
    point_t S, A[2], D[2];
    struct dleq proof;
    fill(&election, 0x11);
    fill(&record, 0x33);
    fill(&plan, 0x44);
    fill(&fresh, 0x22);
    TRY(hex(x.b, SCALAR_LEN, SECRET, 0));
    TRY(hex(S.b, POINT_LEN, PUBLIC, 0));
    for (size_t i = 0; i < 2; i++) {
        scalar_set(&k, 5 + 2 * i);
        TRY(point_mul_base(g, &A[i], &k));
        TRY(point_mul(g, &D[i], &x, &A[i]));
        TRY(equals(D[i].b, POINT_LEN, want[i], broken));
    }
    struct dleq_statement st = {&election, &record, &plan, "place", "contest", 3, &S, 2, A, D};
    TRY(dleq_prove(g, &proof, &st, &x, fresh.b));
    TRY(equals(proof.a.b, POINT_LEN, "038b9cdabeaf0ce6e8717dc00cd00b6be3f267bc8fa840fca2b8b0485b70406196",
               broken));
    TRY(equals(proof.b.b, POINT_LEN, "03824bce40d8fc51adea3011d2d9d784c2356e9577365704b682cedbf2bfb4f24c",
               broken));
    TRY(equals(proof.z.b, SCALAR_LEN, "80bd78a7ce2eb8e3d26c93436528a3b7d19ac92aa1cb7f10ca83799fce083bd9",
               broken));
    TRY(dleq_verify_var(&st, &proof));
    D[1] = D[0];
    return must_fail(dleq_verify_var(&st, &proof));
}

/* An encryption of 1 under the key above, and the proof that it is 0 or 1. */
static err_t zero_one_read(struct elgamal *ct, struct zero_one *p, scalar_t *c, int broken)
{
    TRY(hex(ct->A.b, POINT_LEN, "02c5285cd1455e18a7582b51a0941cc934b16f1290e8a96dcbd1c55516d70dfbe1", 0));
    TRY(hex(ct->B.b, POINT_LEN, "038df1d0ad903b7c81296e891ac22981fcfa5b17f843c9a96424aaf6bb7de0e264", 0));
    TRY(hex(c->b, SCALAR_LEN, "44aafa43b81e8fc3bb82d07ebabe2ff59829b89b4fa9d20bf796ab24670b2b25", 0));
    TRY(hex(p->a0.b, POINT_LEN, "036bca69478d952038b555c457eb74c294aaaae4f1f3d1000bf32c331514ae9626", 0));
    TRY(hex(p->b0.b, POINT_LEN, "0361dc0130708ac4489898f2d46c36f9543b480fb1eea10f168ec79639f3b67b97", 0));
    TRY(hex(p->a1.b, POINT_LEN, "029eb92ea7ee20141349557c615264e683c466f5624b30b757c2df7a7d66c0527c", 0));
    TRY(hex(p->b1.b, POINT_LEN, "03b5d3354154b5a185f93de9c5c5f5ce2f52a207a3fdf35058c41fba0be5c480f6", 0));
    TRY(hex(p->c0.b, SCALAR_LEN, "dde4828937a3bbd04afa2f94f73d8c47c75ddee5d3935b9a3af15dd335f8b794", 0));
    TRY(hex(p->z0.b, SCALAR_LEN, "a4e91c0c32b1b91b9423fcafab817c48a1e217053b4c7f777014fcdd4bcbc726", 0));
    return hex(p->z1.b, SCALAR_LEN, "b87496df68f4d6f594f14804e4f625987e3a69eeb990a2b70cdd9578f6622ea0",
               broken);
}

static err_t kat_zero_one(struct group *g, int broken)
{
    struct elgamal ct;
    struct zero_one p;
    struct batch *b = NULL;
    struct elgamal_affine ca;
    struct zero_one_affine pa;
    scalar_t c;
    point_t Y;
    err_t e;
    TRY(zero_one_read(&ct, &p, &c, broken));
    TRY(hex(Y.b, POINT_LEN, PUBLIC, 0));
    TRY(zero_one_verify(g, &Y, &ct, &p, &c));
    GO(batch_new(&b, &Y));
    GO(p256_decompress_var(&ca.A, &ct.A));
    GO(p256_decompress_var(&ca.B, &ct.B));
    GO(p256_decompress_var(&pa.a0, &p.a0));
    GO(p256_decompress_var(&pa.b0, &p.b0));
    GO(p256_decompress_var(&pa.a1, &p.a1));
    GO(p256_decompress_var(&pa.b1, &p.b1));
    GO(batch_zero_one(b, &ca, &pa, &p, &c));
    GO(batch_check(b));
    ct.B = ct.A;
    e = must_fail(zero_one_verify(g, &Y, &ct, &p, &c));
out:
    batch_free(b);
    return e;
}

static err_t kat_elgamal(struct group *g, int broken)
{
    struct elgamal_key *k = NULL;
    struct dlog *d = NULL;
    struct elgamal ct;
    struct p256_affine m;
    struct p256_jacobian j;
    uint64_t v = 0;
    scalar_t r, x;
    point_t Y, M;
    err_t e;
    GO(hex(Y.b, POINT_LEN, PUBLIC, 0));
    GO(hex(x.b, SCALAR_LEN, SECRET, 0));
    GO(hex(r.b, SCALAR_LEN, "bf04011a48a460424c31ff7f6afeeca6de11dc4382dff0ee608a468bf9059d73", 0));
    GO(elgamal_key_new(&k, g, &Y));
    GO(elgamal_encrypt(k, &ct, 1, &r));
    GO(equals(ct.A.b, POINT_LEN, "02c5285cd1455e18a7582b51a0941cc934b16f1290e8a96dcbd1c55516d70dfbe1",
              broken));
    GO(equals(ct.B.b, POINT_LEN, "038df1d0ad903b7c81296e891ac22981fcfa5b17f843c9a96424aaf6bb7de0e264",
              broken));
    GO(elgamal_encrypt(k, &ct, 777, &r));
    GO(point_mul(g, &M, &x, &ct.A));
    GO(point_sub(g, &M, &ct.B, &M));
    GO(p256_decompress_var(&m, &M));
    p256_from_affine(&j, &m);
    GO(dlog_new(&d, 1000));
    GO(dlog_find_var(d, &v, &j, 1000));
    e = v == 777 ? OK : ERR_SELFTEST;
out:
    dlog_free(d);
    elgamal_key_free(k);
    return e;
}

/* 3 f(1) - 3 f(2) + f(3) = f(0) for a parabola */
static err_t kat_lagrange(struct group *g, int broken)
{
    static const uint32_t seat[] = {1, 2, 3};
    static const uint64_t want[] = {3, 3, 1};
    (void)g;
    for (size_t i = 0; i < 3; i++) {
        scalar_t l, w;
        TRY(lagrange_at_zero(&l, seat, 3, i));
        if (i == 1)
            scalar_neg(&l, &l);
        scalar_set(&w, want[i] + (broken ? 1 : 0));
        if (memcmp(l.b, w.b, SCALAR_LEN) != 0)
            return ERR_SELFTEST;
    }
    return OK;
}

/* The kernel for public data against OpenSSL: few points (Straus) and many (Pippenger). */
#define MSM_MANY 80

static err_t msm_compare(struct group *g, const scalar_t *k, const point_t *p, const struct p256_affine *a,
                         size_t count)
{
    struct p256_jacobian sum;
    point_t fast, slow;
    TRY(p256_msm_var(&sum, k, a, count, 256));
    p256_compress_var(&fast, &sum);
    TRY(point_mul_sum(g, &slow, k, p, count));
    return point_equal(&fast, &slow) ? OK : ERR_SELFTEST;
}

static err_t kat_msm(struct group *g, int broken)
{
    scalar_t k[MSM_MANY];
    point_t p[MSM_MANY];
    struct p256_affine a[MSM_MANY];
    for (size_t i = 0; i < MSM_MANY; i++) {
        uint8_t seed[2] = {(uint8_t)i, 0};
        TRY(hash_to_scalar(&k[i], "conclave/self-test", seed, 2));
        seed[1] = 1;
        scalar_t x;
        TRY(hash_to_scalar(&x, "conclave/self-test", seed, 2));
        TRY(point_mul_base(g, &p[i], &x));
        TRY(p256_decompress_var(&a[i], &p[i]));
    }
    if (broken)
        p256_neg(&a[0], &a[0]);
    TRY(msm_compare(g, k, p, a, 8));
    return msm_compare(g, k, p, a, MSM_MANY);
}

/* The tree of eight leaves that Certificate Transparency's reference implementation tests itself with (RFC
 * 6962). */
static err_t kat_merkle(struct group *g, int broken)
{
    static const struct {
        uint8_t len, first, step;
    } leaf[] = {{0, 0, 0},    {1, 0, 0},    {1, 0x10, 0}, {2, 0x20, 1},
                {2, 0x30, 1}, {4, 0x40, 1}, {8, 0x50, 1}, {16, 0x60, 1}};
    struct merkle m;
    hash_t h;
    (void)g;
    merkle_init(&m);
    for (size_t i = 0; i < sizeof leaf / sizeof leaf[0]; i++) {
        uint8_t data[16] = {0};
        for (size_t j = 0; j < leaf[i].len; j++)
            data[j] = (uint8_t)(leaf[i].first + j * leaf[i].step);
        merkle_leaf(&h, data, leaf[i].len);
        merkle_add(&m, &h);
    }
    merkle_root(&m, &h);
    return equals(h.b, HASH_LEN, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328", broken);
}

/* RFC 9285, section 4.3 and 4.4 */
static err_t kat_base45(struct group *g, int broken)
{
    char text[BASE45_LEN(7) + 1];
    uint8_t back[8];
    size_t len;
    (void)g;
    base45_put(text, broken ? "Hello!?" : "Hello!!", 7);
    if (strcmp(text, "%69 VD92EX0") != 0)
        return ERR_SELFTEST;
    TRY(base45_get(back, &len, sizeof back, "QED8WEX0", 8));
    return len == 5 && memcmp(back, "ietf!", 5) == 0 ? OK : ERR_SELFTEST;
}

/* docs/spec/words.md */
static err_t kat_words(struct group *g, int broken)
{
    char text[WORDS_TEXT_SIZE];
    hash_t h;
    (void)g;
    for (size_t i = 0; i < HASH_LEN; i++)
        h.b[i] = (uint8_t)i;
    h.b[0] ^= broken ? 1 : 0;
    TRY(words_put(text, &words_en, &h));
    return strcmp(text, "aardvark amethyst knee amethyst exist adjust broccoli bugle apex gargoyle drift "
                        "botany abroad "
                        "lukewarm ensure latch possible") == 0
               ? OK
               : ERR_SELFTEST;
}

const struct selftest_kat selftest_kats[] = {
    {"sha256", "SHA-256", kat_sha256},
    {"hkdf", "HKDF", kat_hkdf},
    {"expand", "expand_message_xmd", kat_xmd},
    {"hash-to-scalar", "HashToScalar", kat_hash_to_scalar},
    {"p256", "P-256 multiplication", kat_p256},
    {"hpke", "HPKE", kat_hpke},
    {"ecdsa", "ECDSA verification", kat_ecdsa},
    {"schnorr", "proof of knowledge", kat_schnorr},
    {"dleq", "proof of equal logarithms", kat_dleq},
    {"elgamal", "ElGamal and small logarithms", kat_elgamal},
    {"zero-one", "proof of 0 or 1", kat_zero_one},
    {"lagrange", "interpolation", kat_lagrange},
    {"msm", "sums of many points", kat_msm},
    {"merkle", "Merkle tree", kat_merkle},
    {"base45", "Base45", kat_base45},
    {"words", "fingerprint words", kat_words},
};
const size_t selftest_kat_count = sizeof selftest_kats / sizeof selftest_kats[0];
