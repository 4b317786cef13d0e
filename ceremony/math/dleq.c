/* Only dleq_prove meets a secret, and only in point_mul_base, point_mul, nonce_make and two scalar
 * operations. M, the weights and everything a verifier does are public and go through p256_var. */
#include "ceremony/math/dleq.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/p256_var.h"
#include "ceremony/math/pok.h"

#define LABEL "conclave/dleq"
#define LABEL_W "conclave/dleq-w"
#define LABEL_C "conclave/dleq-c"
#define WEIGHT_LEN 16 /* bytes of a verifier's random weight */

/* A proof under verification: all points decompressed, the batch drawn together. */
struct work {
    hash_t T;
    struct p256_affine S, a, b, M, Z;
    scalar_t c;
    err_t err;
};

static err_t statement_hash(hash_t *T, const struct dleq_statement *st)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 9 + 2 * st->count);
    cbor_put_text(&o, LABEL);
    cbor_put_hash(&o, st->election);
    cbor_put_hash(&o, st->record);
    cbor_put_hash(&o, st->plan);
    cbor_put_text(&o, st->place);
    cbor_put_text(&o, st->contest);
    cbor_put_uint(&o, st->seat);
    cbor_put_point(&o, st->S);
    cbor_put_uint(&o, st->count);
    for (size_t i = 0; i < st->count; i++) {
        cbor_put_point(&o, &st->A[i]);
        cbor_put_point(&o, &st->D[i]);
    }
    return cbor_out_hash(&o, T);
}

/* d: count scalars, freed by the caller. */
static err_t weights_new(scalar_t **d, const struct dleq_statement *st, const hash_t *T)
{
    err_t e = OK;
    scalar_t *w = calloc(st->count, sizeof *w);
    *d = NULL;
    if (w == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < st->count && e == OK; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        cbor_put_array(&o, 4);
        cbor_put_text(&o, LABEL_W);
        cbor_put_hash(&o, st->election);
        cbor_put_hash(&o, T);
        cbor_put_uint(&o, i + 1);
        e = cbor_out_scalar(&o, &w[i], LABEL_W);
    }
    if (e == OK)
        *d = w;
    else
        free(w);
    return e;
}

static err_t challenge(scalar_t *c, const struct dleq_statement *st, const hash_t *T, const point_t *M,
                       const point_t *Z, const struct dleq *proof)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 7);
    cbor_put_text(&o, LABEL_C);
    cbor_put_hash(&o, st->election);
    cbor_put_hash(&o, T);
    cbor_put_point(&o, M);
    cbor_put_point(&o, Z);
    cbor_put_point(&o, &proof->a);
    cbor_put_point(&o, &proof->b);
    return cbor_out_scalar(&o, c, LABEL_C);
}

/* out = sum d_o P_o */
static err_t composite(struct p256_jacobian *out, const scalar_t *d, const point_t *P, size_t count)
{
    err_t e = OK;
    struct p256_affine *p = calloc(count, sizeof *p);
    if (p == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count && e == OK; i++)
        e = p256_decompress_var(&p[i], &P[i]);
    if (e == OK)
        e = p256_msm_var(out, d, p, count, 256);
    free(p);
    return e;
}

/* --- proving --- */

static err_t prove_composite(point_t *M, const struct dleq_statement *st, const hash_t *T)
{
    scalar_t *d = NULL;
    struct p256_jacobian sum;
    err_t e;
    for (size_t i = 0; i < st->count; i++)
        if (st->D[i].b[0] != 2 && st->D[i].b[0] != 3)
            return ERR_POINT;
    GO(weights_new(&d, st, T));
    GO(composite(&sum, d, st->A, st->count));
    p256_compress_var(M, &sum);
out:
    free(d);
    return e;
}

err_t dleq_prove(struct group *g, struct dleq *out, const struct dleq_statement *st, const scalar_t *secret_s,
                 const uint8_t fresh[32])
{
    void *mem = NULL;
    hash_t T;
    point_t M, Z;
    scalar_t c;
    err_t e = ERR_BUG;
    if (st->count == 0)
        goto out;
    GO(point_check(g, st->S));
    GO(statement_hash(&T, st));
    GO(prove_composite(&M, st, &T));
    GO(point_mul(g, &Z, secret_s, &M));
    GO(secret_alloc(&mem, sizeof(scalar_t)));
    scalar_t *secret_w = mem;
    GO(nonce_make(secret_w, secret_s, sizeof *secret_s, fresh, &T));
    GO(point_mul_base(g, &out->a, secret_w));
    GO(point_mul(g, &out->b, secret_w, &M));
    GO(challenge(&c, st, &T, &M, &Z, out));
    scalar_mul(&out->z, &c, secret_s);
    scalar_add(&out->z, &out->z, secret_w);
out:
    if (e != OK)
        secret_wipe(out, sizeof *out);
    secret_free(mem);
    secret_burn_stack();
    return e;
}

/* --- verifying --- */

/* All but the challenge, which needs M and Z in affine form. */
static err_t work_prepare(struct work *w, struct p256_jacobian MZ[2], const struct dleq_statement *st,
                          const struct dleq *proof)
{
    scalar_t *d = NULL;
    err_t e = ERR_BUG;
    if (st->count == 0)
        goto out;
    GO(scalar_check(&proof->z));
    GO(p256_decompress_var(&w->S, st->S));
    GO(p256_decompress_var(&w->a, &proof->a));
    GO(p256_decompress_var(&w->b, &proof->b));
    GO(statement_hash(&w->T, st));
    GO(weights_new(&d, st, &w->T));
    GO(composite(&MZ[0], d, st->A, st->count));
    GO(composite(&MZ[1], d, st->D, st->count));
out:
    if (e != OK) {
        p256_zero(&MZ[0]);
        p256_zero(&MZ[1]);
    }
    free(d);
    return e;
}

static err_t work_challenge(struct work *w, const struct p256_affine MZ[2], const struct dleq_statement *st,
                            const struct dleq *proof)
{
    point_t M, Z;
    w->M = MZ[0];
    w->Z = MZ[1];
    p256_compress(&M, &w->M);
    p256_compress(&Z, &w->Z);
    return challenge(&w->c, st, &w->T, &M, &Z, proof);
}

/* ERR_PROOF unless z P = R + c X. */
static err_t schnorr_check(const scalar_t *z, const struct p256_affine *P, const struct p256_affine *R,
                           const scalar_t *c, const struct p256_affine *X)
{
    const struct p256_affine p[2] = {*P, *X};
    scalar_t k[2] = {*z, *c};
    struct p256_jacobian left, right;
    scalar_neg(&k[1], &k[1]);
    TRY(p256_msm_var(&left, k, p, 2, 256));
    p256_from_affine(&right, R);
    return p256_equal_var(&left, &right) ? OK : ERR_PROOF;
}

static err_t work_check(const struct work *w, const struct dleq *proof)
{
    struct p256_affine G;
    p256_generator(&G);
    TRY(schnorr_check(&proof->z, &G, &w->a, &w->c, &w->S));
    return schnorr_check(&proof->z, &w->M, &w->b, &w->c, &w->Z);
}

err_t dleq_verify_var(const struct dleq_statement *st, const struct dleq *proof)
{
    struct work w;
    struct p256_jacobian MZ[2];
    struct p256_affine affine[2];
    TRY(work_prepare(&w, MZ, st, proof));
    TRY(p256_to_affine_many_var(affine, MZ, 2));
    TRY(work_challenge(&w, affine, st, proof));
    return work_check(&w, proof);
}

static void weight_random(scalar_t *out)
{
    memset(out, 0, sizeof *out);
    random_bytes(out->b + SCALAR_LEN - WEIGHT_LEN, WEIGHT_LEN);
}

/* The two sides of the weighted equation, with weights u, v for each proof:
 *     sum u a + v b  =  (sum u z) G + sum (-u c) S + (v z) M + (-v c) Z */
struct equation {
    scalar_t *narrow_k, *wide_k;
    struct p256_affine *narrow, *wide;
    size_t narrow_count, wide_count;
    const point_t *S; /* of the term added last: proofs of one trustee share it */
    size_t S_at;
};

static err_t equation_new(struct equation *q, size_t count)
{
    memset(q, 0, sizeof *q);
    q->narrow_k = calloc(count, 2 * sizeof *q->narrow_k);
    q->narrow = calloc(count, 2 * sizeof *q->narrow);
    q->wide_k = calloc(count + 1, 3 * sizeof *q->wide_k);
    q->wide = calloc(count + 1, 3 * sizeof *q->wide);
    if (q->narrow_k == NULL || q->narrow == NULL || q->wide_k == NULL || q->wide == NULL)
        return ERR_MEMORY;
    p256_generator(&q->wide[0]);
    q->wide_count = 1;
    return OK;
}

static void equation_free(struct equation *q)
{
    free(q->narrow_k);
    free(q->narrow);
    free(q->wide_k);
    free(q->wide);
}

static void equation_add(struct equation *q, const struct work *w, const struct dleq_statement *st,
                         const struct dleq *proof)
{
    scalar_t u, v, uc, t;
    weight_random(&u);
    weight_random(&v);
    q->narrow_k[q->narrow_count] = u;
    q->narrow[q->narrow_count++] = w->a;
    q->narrow_k[q->narrow_count] = v;
    q->narrow[q->narrow_count++] = w->b;
    scalar_mul(&t, &u, &proof->z);
    scalar_add(&q->wide_k[0], &q->wide_k[0], &t);
    scalar_mul(&q->wide_k[q->wide_count], &v, &proof->z);
    q->wide[q->wide_count++] = w->M;
    scalar_mul(&t, &v, &w->c);
    scalar_neg(&q->wide_k[q->wide_count], &t);
    q->wide[q->wide_count++] = w->Z;
    scalar_mul(&uc, &u, &w->c);
    if (q->S == NULL || !point_equal(q->S, st->S)) {
        q->S = st->S;
        q->S_at = q->wide_count;
        q->wide[q->wide_count++] = w->S; /* its coefficient is 0 so far */
    }
    scalar_sub(&q->wide_k[q->S_at], &q->wide_k[q->S_at], &uc);
}

static err_t equation_check(const struct equation *q)
{
    struct p256_jacobian left, right;
    TRY(p256_msm_var(&left, q->narrow_k, q->narrow, q->narrow_count, 8 * WEIGHT_LEN));
    TRY(p256_msm_var(&right, q->wide_k, q->wide, q->wide_count, 256));
    return p256_equal_var(&left, &right) ? OK : ERR_PROOF;
}

struct many {
    const struct dleq_statement *st;
    const struct dleq *proof;
    const struct work *work;
    uint8_t *bad;
};

static err_t range_equation(const struct many *m, size_t from, size_t count)
{
    struct equation q;
    err_t e;
    GO(equation_new(&q, count));
    for (size_t i = from; i < from + count; i++)
        if (m->work[i].err == OK)
            equation_add(&q, &m->work[i], &m->st[i], &m->proof[i]);
    e = equation_check(&q);
out:
    equation_free(&q);
    return e;
}

/* Sets bad for each proof in the range that fails. OK or ERR_PROOF; others end the search. A single
 * proof is checked without weights. */
static err_t range_check(const struct many *m, size_t from, size_t count)
{
    err_t e, f;
    if (count == 1) {
        e = m->work[from].err == OK ? work_check(&m->work[from], &m->proof[from]) : OK;
        m->bad[from] |= e == ERR_PROOF;
        return e;
    }
    e = range_equation(m, from, count);
    if (e != ERR_PROOF)
        return e;
    size_t half = count / 2;
    e = range_check(m, from, half);
    if (e != OK && e != ERR_PROOF)
        return e;
    f = range_check(m, from + half, count - half);
    if (f != OK && f != ERR_PROOF)
        return f;
    return e == OK ? f : e;
}

/* Fills work and marks what is malformed. MZ, affine: 2 * count. Fails only for memory. */
static err_t many_prepare(struct work *work, struct p256_jacobian *MZ, struct p256_affine *affine,
                          const struct dleq_statement *st, const struct dleq *proof, size_t count)
{
#pragma omp parallel for schedule(dynamic, 8)
    for (size_t i = 0; i < count; i++)
        work[i].err = work_prepare(&work[i], &MZ[2 * i], &st[i], &proof[i]);
    TRY(p256_to_affine_many_var(affine, MZ, 2 * count));
#pragma omp parallel for schedule(dynamic, 64)
    for (size_t i = 0; i < count; i++)
        if (work[i].err == OK)
            work[i].err = work_challenge(&work[i], &affine[2 * i], &st[i], &proof[i]);
    for (size_t i = 0; i < count; i++)
        if (err_class(work[i].err) != CLASS_OK && err_class(work[i].err) != CLASS_CRYPTO)
            return work[i].err;
    return OK;
}

err_t dleq_verify_many_var(const struct dleq_statement *st, const struct dleq *proof, size_t count,
                           uint8_t *bad)
{
    err_t e = OK;
    if (count == 0)
        return OK;
    memset(bad, 0, count);
    struct work *work = calloc(count, sizeof *work);
    struct p256_jacobian *MZ = calloc(count, 2 * sizeof *MZ);
    struct p256_affine *affine = calloc(count, 2 * sizeof *affine);
    if (work == NULL || MZ == NULL || affine == NULL)
        e = ERR_MEMORY;
    if (e == OK)
        e = many_prepare(work, MZ, affine, st, proof, count);
    if (e == OK)
        e = range_check(&(struct many){st, proof, work, bad}, 0, count);
    for (size_t i = 0; i < count && (e == OK || e == ERR_PROOF); i++)
        if (work[i].err != OK) {
            bad[i] = 1;
            e = ERR_PROOF;
        }
    if (e != OK && e != ERR_PROOF)
        memset(bad, 0, count);
    free(work);
    free(MZ);
    free(affine);
    return e;
}

void cbor_put_dleq(struct cbor_out *o, const struct dleq *p)
{
    cbor_put_array(o, 3);
    cbor_put_point(o, &p->a);
    cbor_put_point(o, &p->b);
    cbor_put_scalar(o, &p->z);
}

void cbor_get_dleq(struct cbor_in *in, struct group *g, struct dleq *p)
{
    cbor_get_array_exact(in, 3);
    cbor_get_point(in, g, &p->a);
    cbor_get_point(in, g, &p->b);
    cbor_get_scalar(in, &p->z);
    if (in->err != OK)
        memset(p, 0, sizeof *p);
}
