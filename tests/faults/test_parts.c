/* The parts: files, entries, manifest, places, words, QR texts and pictures, with the i-th allocation and
 * disk call failing. */
#include "tests/faults/inject.h"

#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "ceremony/board.h"
#include "hsm/client.h"
#include "hsm/keys.h"
#include "tally/signkey.h"
#include "tests/support/ballots.h"
#include "tests/support/picture.h"
#include "ui/qr.h"
#include "ui/qr_read.h"
#include "ui/qrtext.h"
#include "ui/words.h"

static struct parts {
    struct fixture *x;
    char path[512];
    uint8_t *data;
    size_t len;
    struct cbor_out bytes;
    struct entry *entry;
    struct manifest *m;
    struct places *p;
    struct gray gray;
    struct qr_found found;
    struct qrtext text;
    char *drawing;
    char words[WORDS_TEXT_SIZE];
    struct signkey *key;
    struct hash_pair {
        hash_t want, have;
    } hash;
} z;

static const char message[] = "A message of some length, for a code that a person can photograph.";

static err_t run_read(void *ctx, struct fault *f);

static void one(const char *name, err_t (*run)(void *, struct fault *), void (*after)(void *, err_t),
                void (*before)(void *))
{
    struct inject_op op = {
        .name = name, .before = before, .run = run, .after = after, .ctx = &z, .dir = z.x->dir};
    op.forks = run == run_read;
    inject_all(&op);
}

static void remove_path(void *ctx)
{
    (void)ctx;
    unlink(z.path);
}

/* --- files --- */

static err_t run_file(void *ctx, struct fault *f)
{
    (void)ctx;
    z.data = INJECT_POISON;
    err_t e = file_write(z.path, message, sizeof message, FILE_NEW, f);
    if (e != OK) {
        z.data = NULL;
        return e;
    }
    TRY(file_hash(&z.hash.have, z.path, f));
    return file_read(&z.data, &z.len, z.path, 1000, f);
}

static void after_file(void *ctx, err_t e)
{
    (void)ctx;
    uint8_t *again;
    size_t len;
    struct fault f;
    if (e == OK) {
        inject_check(z.len == sizeof message && memcmp(z.data, message, z.len) == 0, "another content");
        free(z.data);
    }
    z.data = NULL;
    err_t there = file_read(&again, &len, z.path, 1000, &f);
    inject_check(there == ERR_MISSING || (there == OK && len == sizeof message), "half a file");
    if (there == OK)
        free(again);
}

static err_t run_replace(void *ctx, struct fault *f)
{
    (void)ctx;
    return file_write(z.path, message, sizeof message, FILE_REPLACE, f);
}

static void before_replace(void *ctx)
{
    (void)ctx;
    struct fault f;
    assert_err(file_write(z.path, message + 1, sizeof message - 1, FILE_REPLACE, &f), OK);
}

static void after_replace(void *ctx, err_t e)
{
    (void)ctx;
    uint8_t *now;
    size_t len;
    struct fault f;
    assert_err(file_read(&now, &len, z.path, 1000, &f), OK);
    inject_check(memcmp(now, message + sizeof message - len, len) == 0 && len >= sizeof message - 1,
                 "neither old nor new");
    inject_check(e != OK || len == sizeof message, "not the new file");
    free(now);
}

static void files(void **state)
{
    (void)state;
    snprintf(z.path, sizeof z.path, "%s", fixture_path(z.x, "file"));
    one("file: new, hash, read", run_file, after_file, remove_path);
    one("file: replace", run_replace, after_replace, before_replace);
    inject_end();
}

/* --- points from tokens --- */

static err_t run_points(void *ctx, struct fault *f)
{
    (void)ctx;
    (void)f;
    const uint8_t *key = signkey_signer(z.x->east)->key.b;
    pubkey_t read;
    uint8_t peer[65], shared[32];
    TRY(keys_point(&read, key, POINT_LEN));
    TRY(check_point(&read));
    return check_ecdh(peer, shared, &read);
}

/* What is none stays none. */
static err_t run_no_point(void *ctx, struct fault *f)
{
    (void)ctx;
    (void)f;
    pubkey_t none = {{2}}, read; /* x = 0 is on the curve, x = 1 is not */
    uint8_t peer[65], shared[32];
    none.b[POINT_LEN - 1] = 1;
    err_t e[] = {keys_point(&read, none.b, POINT_LEN), check_point(&none), check_ecdh(peer, shared, &none)};
    for (size_t i = 0; i < sizeof e / sizeof *e; i++)
        if (e[i] != ERR_POINT)
            return e[i] == OK ? ERR_BUG : e[i];
    return OK;
}

static void after_points(void *ctx, err_t e)
{
    (void)ctx;
    (void)e;
}

static void points(void **state)
{
    (void)state;
    one("points of a token", run_points, after_points, NULL);
    one("no points", run_no_point, after_points, NULL);
    inject_end();
}

/* --- entries --- */

static err_t run_entry(void *ctx, struct fault *f)
{
    (void)ctx;
    struct cbor_out st = CBOR_OUT_INIT;
    z.entry = INJECT_POISON;
    cbor_put_array(&st, 1);
    cbor_put_text(&st, "anything");
    err_t e = entry_make(&z.entry, ENTRY_DRILL, &z.x->m->election, NULL, NULL, &st, &st,
                         signkey_signer(z.x->east), f);
    cbor_out_free(&st);
    return e;
}

static void after_entry(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK)
        inject_zero(z.entry);
    else
        entry_free(z.entry);
}

static err_t run_parse(void *ctx, struct fault *f)
{
    (void)ctx;
    z.entry = INJECT_POISON;
    uint8_t *copy = malloc(z.bytes.len);
    if (copy == NULL) {
        z.entry = NULL;
        return ERR_MEMORY;
    }
    memcpy(copy, z.bytes.data, z.bytes.len);
    return entry_parse(&z.entry, copy, z.bytes.len, &z.x->m->election, f);
}

static err_t run_signkey(void *ctx, struct fault *f)
{
    (void)ctx;
    pubkey_t key;
    z.key = INJECT_POISON;
    err_t e = signkey_new(&key, z.path, SIGNKEY_REHEARSAL, "pass", 4, f);
    if (e != OK) {
        z.key = NULL;
        return e;
    }
    e = signkey_open(&z.key, z.path, "pass", 4, f);
    if (e == OK && memcmp(&key, &signkey_signer(z.key)->key, sizeof key) != 0)
        return ERR_BUG;
    if (e != OK)
        unlink(z.path);
    return e;
}

static void after_signkey(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK)
        inject_zero(z.key);
    else
        signkey_close(z.key);
    if (e != OK)
        inject_check(access(z.path, F_OK) != 0, "a key file of a key that nobody was told");
}

static void entries(void **state)
{
    (void)state;
    struct fault f;
    one("entry_make", run_entry, after_entry, NULL);
    assert_err(run_entry(NULL, &f), OK);
    cbor_put_raw(&z.bytes, z.entry->bytes, z.entry->bytes_len);
    entry_free(z.entry);
    one("entry_parse", run_parse, after_entry, NULL);
    cbor_out_free(&z.bytes);
    snprintf(z.path, sizeof z.path, "%s", fixture_path(z.x, "a.key"));
    one("signkey", run_signkey, after_signkey, remove_path);
    inject_end();
}

/* --- manifest and places --- */

static err_t run_manifest(void *ctx, struct fault *f)
{
    (void)ctx;
    z.m = INJECT_POISON;
    return manifest_parse(&z.m, z.data, z.len, f);
}

static void after_manifest(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK) {
        inject_zero(z.m);
        return;
    }
    inject_check(z.m->contest_count == 3 && manifest_contest(z.m, "school") == 2, "another manifest");
    manifest_free(z.m);
}

static err_t run_write(void *ctx, struct fault *f)
{
    struct parts *p = ctx;
    p->bytes.data = INJECT_POISON;
    return manifest_write(&p->bytes.data, &p->bytes.len, z.x->m, f);
}

static void after_write(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK)
        inject_zero(z.bytes.data);
    else
        free(z.bytes.data);
    memset(&z.bytes, 0, sizeof z.bytes);
}

static char table[2048];

static err_t run_places(void *ctx, struct fault *f)
{
    (void)ctx;
    z.p = INJECT_POISON;
    return places_parse(&z.p, z.m, (const uint8_t *)table, strlen(table), f);
}

static void after_places(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK) {
        inject_zero(z.p);
        return;
    }
    inject_check(places_count(z.p) == 5 && places_find(z.p, "b") == 4, "other places");
    places_free(z.p);
}

static void elections(void **state)
{
    (void)state;
    struct fault f;
    struct manifest *small;
    static const char rows[] =
        "place,level,parent,title,styles,group,key\nland,land,,Land,,,\neast,county,land,East,,,\n"
        "west,county,land,\"West, old\",,,\na,precinct,east,A,town rural,,\nb,precinct,west,B,small,,\n";
    one("manifest_write", run_write, after_write, NULL);
    assert_err(manifest_write(&z.data, &z.len, z.x->m, &f), OK);
    one("manifest_parse", run_manifest, after_manifest, NULL);
    snprintf(table, sizeof table, "%s", rows);
    /* the same election with another table */
    assert_err(manifest_parse(&small, z.data, z.len, &f), OK);
    hash_one(&small->places_hash, table, strlen(table));
    z.m = small;
    one("places_parse", run_places, after_places, NULL);
    manifest_free(small);
    free(z.data);
    z.data = NULL;
    inject_end();
}

/* --- words, texts, pictures --- */

static err_t run_words(void *ctx, struct fault *f)
{
    (void)ctx;
    TRY(words_put(z.words, &words_en, &z.hash.want));
    return words_match(&words_en, &z.hash.want, z.words, f);
}

static void after_nothing(void *ctx, err_t e)
{
    (void)ctx;
    (void)e;
}

static err_t run_text(void *ctx, struct fault *f)
{
    (void)ctx;
    char kind;
    z.data = INJECT_POISON;
    memset(&z.text, 0x10, sizeof z.text);
    err_t e = qrtext_split(&z.text, QRTEXT_RESULT, table, sizeof table);
    if (e != OK) {
        z.data = NULL;
        return e;
    }
    e = qrtext_join(&z.data, &z.len, &kind, (const char *const *)z.text.part, z.text.count, f);
    qrtext_free(&z.text);
    return e;
}

static void after_text(void *ctx, err_t e)
{
    (void)ctx;
    inject_zeroed(&z.text, sizeof z.text, "qrtext after an error");
    if (e != OK) {
        inject_zero(z.data);
        return;
    }
    inject_check(z.len == sizeof table && memcmp(z.data, table, z.len) == 0, "another message");
    free(z.data);
    z.data = NULL;
}

static err_t run_draw(void *ctx, struct fault *f)
{
    (void)ctx;
    z.drawing = INJECT_POISON;
    return qr_draw_utf8(&z.drawing, "CONCLAVE1:T:1/1", QR_PLAIN, f);
}

static err_t run_svg(void *ctx, struct fault *f)
{
    (void)ctx;
    z.drawing = INJECT_POISON;
    return qr_draw_svg(&z.drawing, "CONCLAVE1:T:1/1", f);
}

static void after_draw(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK)
        inject_zero(z.drawing);
    else
        free(z.drawing);
}

static err_t run_picture(void *ctx, struct fault *f)
{
    (void)ctx;
    struct gray g;
    memset(&z.gray, 0x10, sizeof z.gray);
    err_t e = picture_qr(&g, message, 3, f);
    if (e == OK) {
        e = picture_write(z.path, &g, f);
        gray_free(&g);
    }
    if (e != OK) {
        memset(&z.gray, 0, sizeof z.gray);
        return e;
    }
    return image_read(&z.gray, z.path, f);
}

static void after_picture(void *ctx, err_t e)
{
    (void)ctx;
    struct gray g;
    struct fault f;
    if (e != OK)
        inject_zeroed(&z.gray, sizeof z.gray, "picture after an error");
    else
        gray_free(&z.gray);
    err_t there = image_read(&g, z.path, &f);
    inject_check(there == OK || there == ERR_MISSING, "half a picture");
    if (there == OK)
        gray_free(&g);
}

static err_t run_decode(void *ctx, struct fault *f)
{
    (void)ctx;
    (void)f;
    memset(&z.found, 0x10, sizeof z.found);
    return qr_decode_gray(&z.found, &z.gray);
}

static err_t run_read(void *ctx, struct fault *f)
{
    (void)ctx;
    memset(&z.found, 0x10, sizeof z.found);
    return qr_read_file(&z.found, z.path, f);
}

static void after_found(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK) {
        inject_zeroed(&z.found, sizeof z.found, "codes after an error");
        return;
    }
    inject_check(z.found.count == 1 && strcmp(z.found.text[0], message) == 0, "another text");
    qr_found_free(&z.found);
}

static void pictures(void **state)
{
    (void)state;
    struct fault f;
    random_bytes(&z.hash.want, sizeof z.hash.want);
    random_bytes(table, sizeof table);
    one("words", run_words, after_nothing, NULL);
    one("qrtext", run_text, after_text, NULL);
    one("qr for a terminal", run_draw, after_draw, NULL);
    one("qr for a page", run_svg, after_draw, NULL);
    snprintf(z.path, sizeof z.path, "%s", fixture_path(z.x, "code.png"));
    one("qr as a picture", run_picture, after_picture, remove_path);
    assert_err(picture_qr(&z.gray, message, 3, &f), OK);
    assert_err(picture_write(z.path, &z.gray, &f), OK);
    one("qr decoded", run_decode, after_found, NULL);
    one("qr file", run_read, after_found, NULL);
    gray_free(&z.gray);
    inject_end();
}

static int setup(void **state)
{
    if (inject_setup(state) != 0)
        return -1;
    z.x = fixture_new(KIND_BALLOTS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_free(z.x);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files), cmocka_unit_test(points),
                                       cmocka_unit_test(entries), cmocka_unit_test(elections),
                                       cmocka_unit_test(pictures)};
    return cmocka_run_group_tests_name("faults: parts", tests, setup, teardown);
}
