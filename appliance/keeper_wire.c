#include "appliance/keeper_wire.h"

#include <string.h>

void keeper_put_sealed(struct cbor_out *o, const struct sealed *s)
{
    sealed_put(o, s);
}

void keeper_get_sealed(struct cbor_in *in, struct sealed *s)
{
    cbor_get_array_exact(in, 2);
    cbor_get_fixed(in, s->enc, sizeof s->enc);
    cbor_get_fixed(in, s->ct, sizeof s->ct);
}

void keeper_put_key(struct cbor_out *o, const struct vault_key *k)
{
    cbor_put_array(o, 3);
    cbor_put_bytes(o, k->label.b, KEY_LABEL_LEN);
    cbor_put_bytes(o, k->identity.b, POINT_LEN);
    cbor_put_bytes(o, k->ceremony_key.b, POINT_LEN);
}

void keeper_get_key(struct cbor_in *in, struct vault_key *k)
{
    cbor_get_array_exact(in, 3);
    cbor_get_fixed(in, k->label.b, KEY_LABEL_LEN);
    cbor_get_fixed(in, k->identity.b, POINT_LEN);
    cbor_get_fixed(in, k->ceremony_key.b, POINT_LEN);
}

void keeper_put_points(struct cbor_out *o, const point_t C[TRUSTEES_MAX])
{
    size_t count = 0;
    while (count < TRUSTEES_MAX && !point_is_identity(&C[count]))
        count++;
    cbor_put_array(o, count);
    for (size_t k = 0; k < count; k++)
        cbor_put_bytes(o, C[k].b, POINT_LEN);
}

void keeper_get_points(struct cbor_in *in, point_t C[TRUSTEES_MAX])
{
    memset(C, 0, TRUSTEES_MAX * sizeof *C);
    size_t count = cbor_get_array(in, 0, TRUSTEES_MAX);
    for (size_t k = 0; k < count; k++)
        cbor_get_fixed(in, C[k].b, POINT_LEN);
}

void keeper_put_shares(struct cbor_out *o, const struct vault_shares *s)
{
    cbor_put_hash(o, &s->cut);
    cbor_put_uint(o, s->qual);
    cbor_put_uint(o, s->holders);
    cbor_put_array(o, (size_t)__builtin_popcount(s->qual));
    for (uint32_t i = 0; i < TRUSTEES_MAX; i++) {
        const struct vault_dealer *d = &s->dealer[i];
        if (!(s->qual >> i & 1))
            continue;
        cbor_put_array(o, 3);
        keeper_put_points(o, d->C);
        cbor_put_uint(o, d->is_public != 0);
        if (d->is_public)
            cbor_put_bytes(o, d->public_share.b, SCALAR_LEN);
        else
            keeper_put_sealed(o, &d->share);
    }
}

void keeper_get_shares(struct cbor_in *in, struct vault_shares *s)
{
    memset(s, 0, sizeof *s);
    cbor_get_hash(in, &s->cut);
    s->qual = (uint32_t)cbor_get_uint(in, UINT32_MAX);
    s->holders = (uint32_t)cbor_get_uint(in, UINT32_MAX);
    cbor_get_array_exact(in, (size_t)__builtin_popcount(s->qual));
    for (uint32_t i = 0; i < TRUSTEES_MAX && in->err == OK; i++) {
        struct vault_dealer *d = &s->dealer[i];
        if (!(s->qual >> i & 1))
            continue;
        cbor_get_array_exact(in, 3);
        keeper_get_points(in, d->C);
        d->is_public = (int)cbor_get_uint(in, 1);
        if (d->is_public)
            cbor_get_fixed(in, d->public_share.b, SCALAR_LEN);
        else
            keeper_get_sealed(in, &d->share);
    }
}
