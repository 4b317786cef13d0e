/* A chain's node, its exports and its formats, with the i-th allocation and disk call failing. A node in need
 * may stop; it may not lose what it acknowledged, nor forget a header. */
#include "tests/faults/inject.h"

#include <ftw.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_export.h"
#include "tally/chain_node.h"
#include "tally/chain_segment.h"
#include "tests/support/ballots.h"

#define VOTES 5

static struct chain_state_of_test {
    struct fixture *x;
    struct cbor_out ballot[VOTES], envelope;
    struct ballot_info info[VOTES];
    char dir[128], out[160], node[160];
    size_t taken;     /* ballots acknowledged */
    uint64_t headers; /* seen durable */
    struct chain_snapshot *s;
    struct chain_header h;
    uint8_t plain[8192];
} z;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_all(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void one(const char *name, void (*before)(void *), err_t (*run)(void *, struct fault *),
                void (*after)(void *, err_t))
{
    struct inject_op op = {
        .name = name, .before = before, .run = run, .after = after, .ctx = &z, .dir = z.dir};
    inject_all(&op);
}

/* --- a node --- */

static err_t dir_open(struct chain_dir *d, struct fault *f)
{
    static const struct chain_settings settings = {.block = 2, .seconds = 5, .hints = 1};
    char file[192];
    snprintf(file, sizeof file, "%s/chain.cbor", z.node);
    if (access(file, F_OK) != 0)
        TRY(chain_dir_create(z.node, &z.x->ctx, "home", &settings, 0, f));
    return chain_dir_open(d, z.node, &z.x->ctx, 1, f);
}

static void before_node(void *ctx)
{
    (void)ctx;
    remove_all(z.node);
    z.taken = 0;
    z.headers = 0;
}

static err_t take(struct chain_node *n, struct fault *f)
{
    for (size_t i = 0; i < VOTES; i++) {
        struct chain_offer o = {.data = z.ballot[i].data, .len = z.ballot[i].len, .id = z.info[i].id};
        struct chain_node_status s;
        TRY(chain_node_offer(n, &o, 1, f));
        if (o.err != OK)
            return fault_set(f, ERR_BUG, "a good ballot was refused: %s", err_name(o.err));
        z.taken = z.taken <= i ? i + 1 : z.taken;
        chain_node_get_status(n, &s);
        z.headers = s.headers > z.headers ? s.headers : z.headers;
    }
    return chain_node_block(n, f);
}

static err_t run_node(void *ctx, struct fault *f)
{
    struct chain_dir d;
    struct chain_node *n = INJECT_POISON;
    (void)ctx;
    TRY(dir_open(&d, f));
    err_t e = chain_node_open(&n, &d, "", signkey_signer(z.x->chain), NULL, f);
    if (e != OK)
        inject_zero(n);
    if (e == OK) {
        e = take(n, f);
        chain_node_free(n);
    }
    chain_dir_close(&d);
    return e;
}

/* What was told is there, and nobody has signed two headers of one height. */
static void after_node(void *ctx, err_t e)
{
    struct chain_dir d;
    struct chain_node *n;
    struct chain_node_status s;
    struct fault f;
    (void)ctx;
    fault_clear(&f);
    if (z.taken == 0 && e != OK)
        return;
    err_t opened = chain_dir_open(&d, z.node, &z.x->ctx, 1, &f);
    inject_check(opened == OK, "the chain does not open again");
    if (opened != OK)
        return;
    opened = chain_node_open(&n, &d, "", signkey_signer(z.x->chain), NULL, &f);
    inject_check(opened == OK, "the shard does not open again");
    if (opened == OK) {
        chain_node_get_status(n, &s);
        inject_check(s.ballots + s.pending >= z.taken, "an acknowledged ballot is lost");
        inject_check(s.headers >= z.headers, "a header is lost");
        inject_check(e != OK || (s.ballots == VOTES && s.headers == 3), "another number of ballots");
        for (size_t i = 0; i < z.taken; i++) {
            struct chain_offer o = {.data = z.ballot[i].data, .len = z.ballot[i].len, .id = z.info[i].id};
            inject_check(chain_node_offer(n, &o, 1, &f) == OK && o.err == OK && o.again,
                         "an acknowledged ballot is not known");
        }
        chain_node_free(n);
    }
    chain_dir_close(&d);
}

static void test_node(void **state)
{
    (void)state;
    one("chain: open, take, block", before_node, run_node, after_node);
    inject_end();
}

/* --- an export --- */

static err_t run_export(void *ctx, struct fault *f)
{
    struct chain_dir d;
    (void)ctx;
    remove_all(z.out);
    z.s = INJECT_POISON;
    err_t e = chain_dir_open(&d, z.node, &z.x->ctx, 0, f);
    if (e == OK)
        e = chain_export(&z.s, &d, z.out, 1, f);
    else
        z.s = NULL;
    chain_dir_close(&d);
    return e;
}

static void after_export(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK) {
        inject_zero(z.s);
        return;
    }
    inject_check(chain_sums_ballots(z.s->sums) == VOTES, "another number of ballots");
    inject_check(z.s->number == 0, "another snapshot, though nothing has changed");
    chain_snapshot_free(z.s);
}

static void test_export(void **state)
{
    struct fault f;
    (void)state;
    before_node(&z);
    assert_err(run_node(&z, &f), OK);
    one("chain: export", NULL, run_export, after_export);
    inject_end();
}

/* --- formats --- */

static err_t run_header(void *ctx, struct fault *f)
{
    struct chain_context c;
    struct cbor_out o = CBOR_OUT_INIT;
    struct chain_header made = {.height = 1, .size = 2};
    (void)ctx;
    chain_context_init(&c, &z.x->ctx, 0);
    memset(&z.h, 1, sizeof z.h);
    err_t e = chain_header_make(&o, &made, &c, signkey_signer(z.x->chain), f);
    if (e == OK)
        e = chain_header_parse(&z.h, &c, o.data, o.len, f);
    else
        memset(&z.h, 0, sizeof z.h);
    cbor_out_free(&o);
    return e;
}

static void after_header(void *ctx, err_t e)
{
    (void)ctx;
    if (e == OK)
        inject_check(z.h.size == 2, "another header");
    else
        inject_zeroed(&z.h, sizeof z.h, "a header after an error");
}

static err_t run_envelope(void *ctx, struct fault *f)
{
    struct chain_context c;
    struct chain_envelope v;
    struct chain_opener *o = NULL;
    struct cbor_out bytes = CBOR_OUT_INIT;
    struct group *g = NULL;
    uint8_t dh[32];
    err_t e;
    (void)ctx;
    chain_context_init(&c, &z.x->ctx, 0);
    memset(z.plain, 1, sizeof z.plain);
    GO(group_new(&g));
    GO(chain_opener_new(&o, &c));
    GO(chain_envelope_make(&bytes, &c, g, &z.info[0].id, z.ballot[0].data, z.ballot[0].len));
    GO(chain_envelope_parse(&v, &c, bytes.data, bytes.len, f));
    GO(signkey_dh(dh, z.x->envelope, v.enc));
    GO(chain_envelope_open(z.plain, o, &v, dh));
    if (memcmp(z.plain, z.ballot[0].data, z.ballot[0].len) != 0)
        e = ERR_BUG;
out:
    group_free(g);
    chain_opener_free(o);
    cbor_out_free(&bytes);
    return e;
}

static void after_envelope(void *ctx, err_t e)
{
    (void)ctx;
    (void)e;
}

static void test_formats(void **state)
{
    (void)state;
    one("chain: header", NULL, run_header, after_header);
    one("chain: envelope", NULL, run_envelope, after_envelope);
    inject_end();
}

static int setup(void **state)
{
    if (inject_setup(state) != 0)
        return -1;
    z.x = fixture_chain_new();
    snprintf(z.dir, sizeof z.dir, "%s", fixture_path(z.x, "faults"));
    snprintf(z.node, sizeof z.node, "%s/node", z.dir);
    snprintf(z.out, sizeof z.out, "%s/export", z.dir);
    struct fault f;
    assert_err(file_mkdir(z.dir, &f), OK);
    for (size_t i = 0; i < VOTES; i++)
        fixture_ballot(z.x, &z.ballot[i], &z.info[i], z.x->e2, "rural", "mayor=a");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < VOTES; i++)
        cbor_out_free(&z.ballot[i]);
    fixture_free(z.x);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_node),
        cmocka_unit_test(test_export),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
