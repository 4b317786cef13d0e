/* Who signed what: the list that goes with a merged report. */
#include <jansson.h>

#include "tally/verify_merge.h"

static const char *used(const struct verify_parts_entry *x)
{
    return x->is_disputed                              ? ", DIFFERS from another report of this part"
           : x->standing == PART_COUNTS && !x->is_used ? ", the same as another report"
                                                       : "";
}

err_t verify_parts_print(FILE *out, const struct verify_parts *p)
{
    char hex[2 * HASH_LEN + 1];
    struct verify_parts_entry x;
    fprintf(out, "\nSaid by others about their parts of exports and chains:\n");
    for (size_t i = 0; i < verify_parts_count(p); i++) {
        verify_parts_entry(p, i, &x);
        hex_put(hex, x.part->head.program.b, HASH_LEN);
        fprintf(
            out,
            "  part %u of %u: %zu exports, %zu shards, %llu ballot ids; %s%s%s%s; conclave-verify %s %.16s\n",
            x.part->head.k, x.part->head.n, x.part->count, x.part->shard_count,
            (unsigned long long)x.part->head.id_count, x.signer[0] ? "signed by " : "",
            x.signer[0] ? x.signer : part_standing_name(x.standing),
            x.signer[0] && x.standing != PART_COUNTS ? ": signature not valid" : "", used(&x),
            x.part->head.version, hex);
    }
    return ferror(out) ? ERR_IO : OK;
}

static json_t *json_entry(const struct verify_parts_entry *x)
{
    char program[2 * HASH_LEN + 1], report[2 * HASH_LEN + 1], kid[2 * HASH_LEN + 1] = "";
    hex_put(program, x->part->head.program.b, HASH_LEN);
    hex_put(report, x->part->id.b, HASH_LEN);
    if (x->part->is_signed)
        hex_put(kid, x->part->kid.b, HASH_LEN);
    return json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:b, s:b, s:s, s:s, s:s, s:I, s:I, s:I}", "file",
                     x->path, "part", (int)x->part->head.k, "of", (int)x->part->head.n, "signer", x->signer,
                     "key_id", kid, "standing", part_standing_name(x->standing), "used", x->is_used,
                     "disputed", x->is_disputed, "report", report, "version", x->part->head.version,
                     "program", program, "exports", (json_int_t)x->part->count, "shards",
                     (json_int_t)x->part->shard_count, "ids", (json_int_t)x->part->head.id_count);
}

err_t verify_parts_json(FILE *out, const struct verify_parts *p)
{
    char bundle[2 * HASH_LEN + 1] = "";
    struct verify_parts_entry x;
    json_t *list = json_array();
    int broken = list == NULL;
    for (size_t i = 0; i < verify_parts_count(p); i++) {
        verify_parts_entry(p, i, &x);
        hex_put(bundle, x.part->head.bundle.b, HASH_LEN);
        broken = json_array_append_new(list, json_entry(&x)) != 0 || broken;
    }
    json_t *all = json_pack("{s:i, s:s, s:o}", "schema", 1, "bundle", bundle, "parts", list);
    char *text = broken ? NULL : json_dumps(all, JSON_INDENT(1));
    err_t e = text == NULL ? ERR_MEMORY : fprintf(out, "%s\n", text) < 0 ? ERR_IO : OK;
    free(text);
    json_decref(all);
    return e;
}
