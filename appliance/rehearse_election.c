/* The election of the rehearsal: a nation of states, counties and precincts, three contests, two styles. */
#include <stdlib.h>
#include <string.h>

#include "appliance/rehearse.h"
#include "ceremony/base/file.h"
#include "tally/signkey.h"

#define PRECINCTS_PER_COUNTY 4
#define COUNTIES_PER_STATE 3

static const char manifest_format[] =
    "{\n"
    "  \"conclave\": 1,\n"
    "  \"scheme\": \"p256-elgamal\",\n"
    "  \"kind\": \"ballots\",\n"
    "  \"title\": \"National Rehearsal\",\n"
    "  \"date\": \"2026-11-03\",\n"
    "  \"trustees\": {\"n\": %u, \"t\": %u, \"rehearsal\": true},\n"
    "  \"levels\": [\"nation\", \"state\", \"county\", \"precinct\"],\n"
    "  \"jurisdictions\": {\"file\": \"jurisdictions.csv\", \"sha256\": \"%s\"},\n"
    "  \"contests\": [\n"
    "    {\"id\": \"president\", \"title\": \"President\", \"limit\": 1, \"options\": [\n"
    "      {\"id\": \"adams\", \"title\": \"Ada Adams\"},\n"
    "      {\"id\": \"baker\", \"title\": \"Ben Baker\"},\n"
    "      {\"id\": \"cruz\", \"title\": \"Carla Cruz\"},\n"
    "      {\"id\": \"write-in\", \"title\": \"Write-in\", \"write_in\": true}]},\n"
    "    {\"id\": \"board\", \"title\": \"School board (up to two)\", \"limit\": 2, \"options\": [\n"
    "      {\"id\": \"diaz\", \"title\": \"Dora Diaz\"},\n"
    "      {\"id\": \"evans\", \"title\": \"Eli Evans\"},\n"
    "      {\"id\": \"fox\", \"title\": \"Fay Fox\"}]},\n"
    "    {\"id\": \"measure-1\", \"title\": \"Measure 1: a new bridge\", \"limit\": 1, \"options\": [\n"
    "      {\"id\": \"yes\", \"title\": \"Yes\"},\n"
    "      {\"id\": \"no\", \"title\": \"No\"}]}\n"
    "  ],\n"
    "  \"styles\": [\n"
    "    {\"id\": \"inland\", \"contests\": [\"president\", \"board\"]},\n"
    "    {\"id\": \"river\", \"contests\": [\"president\", \"board\", \"measure-1\"]}\n"
    "  ],\n"
    "  \"decryption\": {\"levels\": [\"nation\", \"state\", \"county\", \"precinct\"], \"minimum\": 5},\n"
    "  \"duplicate_ballots\": \"first\"\n"
    "}\n";

/* An empty passphrase, as everything here is thrown away. */
static err_t precinct_key(struct rehearsal *r, pubkey_t *key, const char *place, struct fault *f)
{
    char path[4096];
    TRY(rehearse_path(path, r, "precincts/%s", place));
    TRY(file_mkdir(path, f));
    TRY(rehearse_path(path, r, "precincts/%s/sign.key", place));
    return signkey_new(key, path, SIGNKEY_REHEARSAL, "", 0, f);
}

static err_t add_precinct(struct rehearsal *r, struct cbor_out *csv, uint64_t i, const char *county,
                          struct fault *f)
{
    char place[64], row[512], hex[2 * POINT_LEN + 1];
    pubkey_t key;
    snprintf(place, sizeof place, "precinct-%05llu", (unsigned long long)i + 1);
    TRY(precinct_key(r, &key, place, f));
    hex_put(hex, key.b, POINT_LEN);
    int n = snprintf(row, sizeof row, "%s,precinct,%s,Precinct %llu,%s,,%s\n", place, county,
                     (unsigned long long)i + 1, i % 3 == 0 ? "river" : "inland", hex);
    cbor_put_raw(csv, row, (size_t)n);
    return csv->err;
}

static err_t add_county(struct rehearsal *r, struct cbor_out *csv, uint64_t first, uint64_t county,
                        const char *state, struct fault *f)
{
    char id[64], row[256];
    snprintf(id, sizeof id, "county-%04llu", (unsigned long long)county + 1);
    int n =
        snprintf(row, sizeof row, "%s,county,%s,County %llu,,,\n", id, state, (unsigned long long)county + 1);
    cbor_put_raw(csv, row, (size_t)n);
    for (uint64_t i = first; i < first + PRECINCTS_PER_COUNTY && i < r->precincts; i++)
        TRY(add_precinct(r, csv, i, id, f));
    return csv->err;
}

static err_t make_places(struct rehearsal *r, struct cbor_out *csv, struct fault *f)
{
    static const char head[] = "place,level,parent,title,styles,group,key\nnation,nation,,The nation,,,\n";
    uint64_t county = 0;
    cbor_put_raw(csv, head, sizeof head - 1);
    for (uint64_t i = 0, state = 0; i < r->precincts; state++) {
        char id[64], row[256];
        snprintf(id, sizeof id, "state-%03llu", (unsigned long long)state + 1);
        int n =
            snprintf(row, sizeof row, "%s,state,nation,State %llu,,,\n", id, (unsigned long long)state + 1);
        cbor_put_raw(csv, row, (size_t)n);
        for (int k = 0; k < COUNTIES_PER_STATE && i < r->precincts; k++, county++, i += PRECINCTS_PER_COUNTY)
            TRY(add_county(r, csv, i, county, id, f));
    }
    return csv->err;
}

err_t rehearse_election(struct rehearsal *r, struct fault *f)
{
    struct cbor_out csv = CBOR_OUT_INIT;
    char path[4096], hex[2 * HASH_LEN + 1], manifest[sizeof manifest_format + 200];
    hash_t h;
    err_t e;
    GO(make_places(r, &csv, f));
    hash_one(&h, csv.data, csv.len);
    hex_put(hex, h.b, HASH_LEN);
    GO(rehearse_path(path, r, "board"));
    GO(file_mkdir(path, f));
    GO(rehearse_path(path, r, "board/jurisdictions.csv"));
    GO(file_write(path, csv.data, csv.len, FILE_NEW, f));
    int n = snprintf(manifest, sizeof manifest, manifest_format, r->n, r->t, hex);
    GO(rehearse_path(path, r, "board/manifest.json"));
    e = file_write(path, manifest, (size_t)n, FILE_NEW, f);
out:
    cbor_out_free(&csv);
    return e;
}
