/* Single ballots of an export that was verified. */
#include <stdlib.h>
#include <string.h>

#include "tally/ballot_form.h"
#include "tally/export_form.h"

err_t export_peek_id(hash_t *id, const struct election_context *ctx, const uint8_t *data, size_t len)
{
    struct cbor_in in;
    struct place place;
    char style[TEXT_ID_MAX + 1];
    point_t pk;
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 11);
    tally_get_start(&in, ctx, "conclave/ballot");
    tally_get_place(&in, ctx, &place);
    cbor_get_id(&in, style, TEXT_ID_MAX);
    cbor_get_fixed(&in, pk.b, POINT_LEN);
    return in.err != OK ? in.err : ballot_id(id, &ctx->m->election, &pk);
}

static int by_hash(const void *a, const void *b)
{
    return hash_cmp(a, b);
}

static err_t find_in(struct export_reader *r, struct tallies *out, const hash_t *id, size_t count,
                     size_t *found, struct fault *f)
{
    struct merkle tree;
    hash_t mine, leaf, root;
    const uint8_t *data;
    size_t len;
    merkle_init(&tree);
    for (;;) {
        TRY(export_next(r, &data, &len, f));
        if (!data)
            break;
        err_t e = export_peek_id(&mine, r->ctx, data, len);
        if (e != OK)
            return fault_set(f, e, "ballot %llu cannot be read", (unsigned long long)export_item_index(r));
        merkle_leaf(&leaf, data, len);
        merkle_add(&tree, &leaf);
        if (!bsearch(&mine, id, count, sizeof *id, by_hash))
            continue;
        struct ballot *b;
        TRY(ballot_parse_var(&b, r->ctx, data, len, f));
        e = tallies_add_ballot_var(out, b);
        ballot_free(b);
        if (e != OK)
            return fault_set(f, e, "adding ballots up");
        ++*found;
    }
    merkle_root(&tree, &root);
    return hash_cmp(&root, &r->header->root) == 0
               ? OK
               : fault_set(f, ERR_HASH, "the items do not have the Merkle root that was signed");
}

err_t export_find_ballots(struct tallies *out, const struct election_context *ctx, const char *path,
                          const hash_t *export_id, const hash_t *id, size_t count, struct fault *f)
{
    struct export_reader *r;
    size_t found = 0;
    tallies_zero(out);
    if (ctx->m->kind != KIND_BALLOTS)
        return fault_set(f, ERR_RULE, "an import has no ballots");
    TRY(export_open(&r, ctx, path, f));
    err_t e = hash_cmp(&r->header->id, export_id) == 0
                  ? find_in(r, out, id, count, &found, f)
                  : fault_set(f, ERR_HASH, "this is not the export that was verified");
    if (e == OK && found != count)
        e = fault_set(f, found < count ? ERR_MISSING : ERR_DUPLICATE, "%zu of %zu ballots are in the export",
                      found, count);
    if (e != OK)
        tallies_zero(out);
    export_close(r);
    return fault_file(f, e, path);
}
