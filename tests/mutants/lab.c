#include "tests/mutants/lab.h"

#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tests/mutants/lab_parts.h"
#include "tests/support/tree.h"
#include "tests/support/unit.h"

/* --- files: without syncing, there are many --- */

static void full_path(const struct lab *l, const char *name, char out[512])
{
    assert_true(snprintf(out, 512, "%s/%s", l->dir, name) < 512);
}

void lab_write(struct lab *l, const char *name, const void *data, size_t len)
{
    char path[512];
    size_t i = 0;
    full_path(l, name, path);
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        fail_msg("cannot write %s", path);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    while (i < l->file_count && strcmp(l->file[i], name) != 0)
        i++;
    if (i < l->file_count || strcmp(name, "SHA256SUMS") == 0)
        return;
    assert_true(l->file_count < LAB_FILES_MAX);
    snprintf(l->file[l->file_count++], sizeof l->file[0], "%s", name);
}

uint8_t *lab_read(const struct lab *l, const char *name, size_t *len)
{
    char path[512];
    uint8_t *data;
    struct fault fault_;
    full_path(l, name, path);
    OK_OR_FAIL(file_read(&data, len, path, (size_t)1 << 24, &fault_));
    return data;
}

void lab_forget(struct lab *l, const char *name)
{
    char path[512];
    full_path(l, name, path);
    assert_int_equal(unlink(path), 0);
    for (size_t i = 0; i < l->file_count; i++)
        if (strcmp(l->file[i], name) == 0) {
            memmove(l->file[i], l->file[i + 1], (l->file_count - i - 1) * sizeof l->file[0]);
            l->file_count--;
            return;
        }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

void lab_sums(struct lab *l)
{
    char text[LAB_FILES_MAX * 330], hex[2 * HASH_LEN + 1];
    size_t at = 0;
    qsort(l->file, l->file_count, sizeof l->file[0], by_name);
    for (size_t i = 0; i < l->file_count; i++) {
        size_t len;
        hash_t h;
        uint8_t *data = lab_read(l, l->file[i], &len);
        hash_one(&h, data, len);
        free(data);
        hex_put(hex, h.b, HASH_LEN);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s  %s\n", hex, l->file[i]);
    }
    lab_write(l, "SHA256SUMS", text, at);
}

/* --- the election --- */

static const char rows[] = "place,level,parent,title,styles,group,key\n"
                           "whole,nation,,Whole,,,%s\n"
                           "a,county,whole,A,,,\nb,county,whole,B,,,\n"
                           "a1,precinct,a,A1,both,,\na2,precinct,a,A2,both,,\n"
                           "b1,precinct,b,B1,one,,\nb2,precinct,b,B2,one,,\n"
                           "c,county,whole,C,,,\nc1,precinct,c,C1,both,,\n";

static const char manifest[] =
    "{\"conclave\": 1, \"scheme\": \"p256-elgamal\", \"kind\": \"%s\", \"title\": \"%s\", \"date\": "
    "\"2028-11-07\",\n"
    " \"trustees\": {\"n\": 3, \"t\": 2}, \"levels\": [\"nation\", \"county\", \"precinct\"],\n"
    " \"jurisdictions\": {\"file\": \"jurisdictions.csv\", \"sha256\": \"%s\"},\n"
    " \"contests\": [{\"id\": \"mayor\", \"title\": \"Mayor\", \"limit\": 1, \"options\": [{\"id\": \"x\", "
    "\"title\": \"X\"},"
    " {\"id\": \"y\", \"title\": \"Y\"}]}, {\"id\": \"judge\", \"title\": \"Judge\", \"limit\": 1, "
    "\"options\": [{\"id\": "
    "\"yes\", \"title\": \"Yes\"}, {\"id\": \"no\", \"title\": \"No\"}]}],\n"
    " \"styles\": [{\"id\": \"one\", \"contests\": [\"mayor\"]}, {\"id\": \"both\", \"contests\": "
    "[\"mayor\", \"judge\"]}],\n"
    " \"decryption\": {\"levels\": [\"nation\", \"county\", \"precinct\"], \"minimum\": %u, \"plan_quorum\": "
    "%u},\n"
    " \"duplicate_ballots\": \"first\"%s}\n";

static void put_key(struct lab *l, size_t i, char hex[2 * POINT_LEN + 1])
{
    hex_put(hex, l->official->enrolment[i].identity_key.b, POINT_LEN);
}

/* Keys of the official: 0 exports, 1 headers of the chain, 2 envelopes, 3 to 5 validators. */
static void chain_text(struct lab *l, char *out, size_t out_len)
{
    char k[6][2 * POINT_LEN + 1];
    for (size_t i = 0; i < 6; i++)
        put_key(l, i, k[i]);
    snprintf(out, out_len,
             ",\n \"chains\": [{\"id\": \"net\", \"title\": \"Net\", \"places\": [\"c1\"], \"key\": \"%s\", "
             "\"envelope\": \"%s\", \"validators\": [\"%s\", \"%s\", \"%s\"], \"quorum\": 2}]",
             k[1], k[2], k[3], k[4], k[5]);
}

static void make_election(struct lab *l)
{
    struct fault fault_;
    char csv[1024], json[4096], hex[2 * POINT_LEN + 1], chains[1024];
    hash_t h;
    hex_put(hex, l->official->enrolment[0].identity_key.b, POINT_LEN);
    int n = snprintf(csv, sizeof csv, rows, hex);
    hash_one(&h, csv, (size_t)n);
    hex_put(hex, h.b, HASH_LEN);
    chain_text(l, chains, sizeof chains);
    int k = snprintf(json, sizeof json, manifest, l->import ? "import" : "ballots", l->title, hex, l->minimum,
                     l->plan_quorum, l->import ? ", \"import\": {\"bits\": 4}" : chains);
    OK_OR_FAIL(manifest_parse(&l->m, (const uint8_t *)json, (size_t)k, &fault_));
    l->lenient = *l->m;
    l->lenient.same_model_max = LAB_N;
    OK_OR_FAIL(places_parse(&l->places, l->m, (const uint8_t *)csv, (size_t)n, &fault_));
    lab_write(l, "manifest.json", json, (size_t)k);
    lab_write(l, "jurisdictions.csv", csv, (size_t)n);
}

static void make_dirs(struct lab *l)
{
    static const char *const dirs[] = {
        "", "entries", "exports", "records", "records/nation", "records/county", "records/precinct"};
    char path[512];
    tree_rm(l->dir);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        full_path(l, dirs[i], path);
        assert_int_equal(mkdir(path, 0755), 0);
    }
}

static void make_anchor(struct lab *l)
{
    struct fault fault_;
    struct cbor_out o = CBOR_OUT_INIT;
    size_t len;
    hash_t id;
    uint8_t *data = lab_read(l, "record.cbor", &len);
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/record-id");
    cbor_put_bytes(&o, data, len);
    OK_OR_FAIL(cbor_out_hash(&o, &id));
    record_anchor(&l->anchor, &l->m->election, &id);
    free(data);
    (void)fault_;
}

static void no_hook(struct lab *l, enum lab_stage s)
{
    (void)l;
    (void)s;
}

struct lab *lab_build(const char *dir, void (*hook)(struct lab *l, enum lab_stage s))
{
    struct fault fault_;
    struct lab *l = calloc(1, sizeof *l);
    assert_non_null(l);
    snprintf(l->dir, sizeof l->dir, "%s", dir);
    l->hook = hook ? hook : no_hook;
    l->title = "Mutants";
    l->minimum = 4;
    OK_OR_FAIL(group_new(&l->g));
    l->hook(l, LAB_START);
    make_dirs(l);
    l->official = softkeys_new("official", "0");
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(softkeys_add(l->official), i);
    make_election(l);
    lab_ceremony(l);
    lab_ballots(l);
    lab_night(l);
    l->hook(l, LAB_FILES);
    lab_page(l);
    l->hook(l, LAB_PAGE);
    make_anchor(l);
    lab_sums(l);
    l->hook(l, LAB_SUMS);
    (void)fault_;
    return l;
}

void lab_free(struct lab *l)
{
    for (size_t i = 0; i < LAB_PLACES; i++) {
        for (size_t k = 0; k < l->box[i].count; k++)
            cbor_out_free(&l->box[i].ballot[k]);
        tallies_free(l->box[i].tallies);
        node_free(l->node[i]);
    }
    for (size_t i = 0; i < LAB_N; i++) {
        partial_free(l->partial[i]);
        softkeys_free(l->token[i]);
    }
    chain_maker_free(&l->chain);
    plan_targets_free(l->target, l->plan->unit_count);
    plan_free(l->plan);
    result_free(l->result);
    cbor_out_free(&l->statement);
    cbor_out_free(&l->evidence);
    cbor_out_free(&l->sealed);
    ballot_maker_free(l->maker);
    cut_free(&l->cut);
    for (size_t i = 0; i < l->board.entry_count; i++)
        entry_free(l->board.entry[i]);
    free(l->board.entry);
    record_free(l->r);
    places_free(l->places);
    manifest_free(l->m);
    softkeys_free(l->official);
    group_free(l->g);
    free(l);
}
