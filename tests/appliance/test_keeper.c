/* The keeper: a whole ceremony through it with real tokens, and callers that lie or say nothing meaningful.
 */
#include "tests/hsm/tokens.h"

#include <sys/socket.h>

#include "appliance/keeper.h"
#include "appliance/keeper_wire.h"
#include "appliance/launcher.h"
#include "tests/support/ceremony.h"

#define PARTIES 3

static struct fault f;
static struct pins pins = {.pin = USER_PIN};

static err_t open_with(struct vault *v, struct sandbox_state *state, const char *uri, struct fault *out)
{
    struct keeper_options opt = {.program = "/proc/self/exe", .pin = give_pin, .pin_ctx = &pins};
    return keeper_open(v, state, uri, &opt, out);
}

static void token_uri(char out[2048], int i, const char *more)
{
    snprintf(out, 2048, "pkcs11:token=keeper-%d?module-path=%s%s", i, tk.softhsm, more);
}

/* --- all operations --- */

static void decrypt_all(struct world *w)
{
    struct target *x = targets_make(w, 60, 40, 1); /* more than one frame, there and back */
    struct plan_file one = plan_for(w, x, 60, NULL, 1), two = plan_for(w, x, 60, &one.id, 2);
    struct plan_file three = plan_for(w, x, 60, &two.id, 3), older[] = {two, one};
    struct trustee *t = &world_seat(w, 1)->t;
    assert_true(one.bytes.len > 3 * KEEPER_PIECE);
    assert_ok(plan_sign(t, w->record, &one, NULL, 0, &f));
    assert_err(plan_sign(t, w->record, &three, NULL, 0, &f), ERR_TOKEN_BOUND);
    assert_ok(plan_sign(t, w->record, &three, older, 2, &f));
    assert_err(decrypt_make(t, w->record, &two, x, 60, &f), ERR_TOKEN_BOUND);
    assert_ok(decrypt_make(t, w->record, &three, x, 60, &f));
    const struct entry *e;
    struct partial *p;
    assert_int_equal(board_find(t->b, &e, NULL, ENTRY_PARTIAL, NULL, &t->identity, NULL), OK);
    assert_true(e->bytes_len > KEEPER_PIECE);
    assert_ok(partial_parse(&p, e, w->record, &three.id, x, 60, &f));
    assert_ok(partial_verify_var(p, w->record, x, 60, &f));
    partial_free(p);
    plan_file_free(&one);
    plan_file_free(&two);
    plan_file_free(&three);
    targets_free(x, 60);
}

static void test_ceremony(void **state)
{
    (void)state;
    struct world *w = world_new(PARTIES, 2, 0, 1);
    struct vault keeper[PARTIES];
    char uri[2048];
    hash_t challenge = {{1}};
    w->m.same_model_max = PARTIES;
    for (int i = 0; i < PARTIES; i++) {
        struct sandbox_state s;
        token_uri(uri, i, "");
        assert_ok(open_with(&keeper[i], &s, uri, &f));
        w->party[i].t.vault = keeper[i];
    }
    world_to_deal(w);
    /* A complaint and its answer. */
    struct trustee *dealer = &world_seat(w, 1)->t, *complains = &world_seat(w, 2)->t;
    uint32_t bad, missing;
    size_t answered;
    assert_ok(shares_check(complains, w->roster, &bad, &missing, &f));
    assert_int_equal(bad | missing, 0);
    assert_ok(complaint_make(complains, w->roster, 1, &f));
    world_exchange(w);
    assert_ok(reveal_make(dealer, w->roster, &answered, &f));
    assert_int_equal(answered, 1);
    world_exchange(w);
    world_cut(w, 0);
    assert_int_equal(w->outcome->dismissed[0], 2);
    world_confirm(w, ALL);
    world_record(w);
    assert_ok(drill_make(complains, w->record, &challenge, &f));
    decrypt_all(w);
    assert_ok(retire_make(complains, w->record, &f));
    assert_err(drill_make(complains, w->record, &challenge, &f), ERR_TOKEN_KEY);
    assert_int_equal(pins.asked, PARTIES); /* once for each token */
    for (int i = 0; i < PARTIES; i++)
        keeper[i].ops->close(keeper[i].ctx);
    world_free(w);
}

/* --- what comes back --- */

static void test_errors(void **state)
{
    (void)state;
    struct vault v;
    struct sandbox_state s;
    char uri[2048];
    struct vault_keys *keys = malloc(sizeof *keys);
    assert_err(open_with(&v, &s, "pkcs11:token=none?pin-source=|id", &f), ERR_USAGE);
    token_uri(uri, 7, "");
    assert_err(open_with(&v, &s, uri, &f), ERR_TOKEN_WRONG);
    token_uri(uri, 0, "&pin-source=/no/such/pin");
    assert_err(open_with(&v, &s, uri, &f), ERR_MISSING);
    assert_string_equal(f.file, "/no/such/pin");
    struct keeper_options opt = {.program = "/no/such/program"};
    assert_err(keeper_open(&v, &s, uri, &opt, &f), ERR_TOKEN_FAILED);
    /* The person says no: that is the reason, not the token. */
    token_uri(uri, 0, "");
    assert_ok(open_with(&v, &s, uri, &f));
    pins.refuse = ERR_REFUSED;
    assert_err(v.ops->keys(v.ctx, keys, &f), ERR_REFUSED);
    assert_says("the person said no");
    pins.refuse = OK;
    assert_ok(v.ops->keys(v.ctx, keys, &f));
    /* Out of order, and too large for a frame. */
    struct cbor_out out = CBOR_OUT_INIT;
    assert_err(v.ops->roster_sign(v.ctx, &out, &f), ERR_BUG);
    uint8_t *large = calloc(1, 1 << 20);
    struct vault_own own = {.enrolment = {large, 1 << 20}};
    assert_err(v.ops->own(v.ctx, &own, &f), ERR_LIMIT);
    free(large);
    v.ops->close(v.ctx);
    /* A PIN file that is there is opened first, and read when it is needed. */
    char more[1024];
    int asked = pins.asked;
    snprintf(more, sizeof more, "&pin-source=%s/pin", tk.dir);
    token_uri(uri, 0, more);
    assert_ok(open_with(&v, &s, uri, &f));
    assert_ok(v.ops->keys(v.ctx, keys, &f));
    assert_int_equal(pins.asked, asked);
    v.ops->close(v.ctx);
    free(keys);
}

static pid_t child_of(pid_t parent)
{
    char path[64];
    int child = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *in = fopen(path, "r");
    if (in == NULL)
        return 0;
    if (fscanf(in, "%d", &child) != 1)
        child = 0;
    fclose(in);
    return child;
}

static int status_of(pid_t pid, const char *name)
{
    char path[64], line[256];
    int value = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *in = fopen(path, "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            value = atoi(line + strlen(name) + 1);
    if (in != NULL)
        fclose(in);
    return value;
}

/* It is confined as it says; when it is killed, that is an error, and the token's process goes, too. */
static void test_killed(void **state)
{
    (void)state;
    struct vault v;
    struct sandbox_state s;
    char uri[2048];
    token_uri(uri, 0, "");
    assert_ok(open_with(&v, &s, uri, &f));
    pid_t keeper = child_of(getpid());
    if (keeper == 0) {
        v.ops->close(v.ctx);
        print_message("skipped: this kernel does not list children\n");
        skip();
    }
    assert_int_equal(status_of(keeper, "Seccomp"), s.seccomp ? 2 : 0);
    assert_int_equal(status_of(keeper, "NoNewPrivs"), 1);
    assert_int_not_equal(child_of(keeper), 0);
    kill(keeper, SIGKILL);
    struct cbor_out out = CBOR_OUT_INIT;
    assert_err(v.ops->roster_sign(v.ctx, &out, &f), ERR_TOKEN_FAILED);
    assert_err(v.ops->bind(v.ctx, &f), ERR_TOKEN_FAILED);
    v.ops->close(v.ctx);
}

/* --- started by a launcher, for a caller that may start nothing --- */

static err_t count_one(void *ctx, const struct hsm_token *t)
{
    *(size_t *)ctx += strncmp(t->info.label, "keeper-", 7) == 0;
    return OK;
}

static void test_launched(void **state)
{
    (void)state;
    struct vault v;
    struct sandbox_state s;
    struct launcher *l;
    char uri[2048], module[2048], other[2048];
    size_t count = 0;
    struct vault_keys *keys = malloc(sizeof *keys);
    token_uri(uri, 0, "");
    snprintf(module, sizeof module, "pkcs11:?module-path=%s", tk.softhsm);
    snprintf(other, sizeof other, "pkcs11:token=keeper-0?module-path=%s.other", tk.softhsm);
    struct keeper_options opt = {
        .spawn = launcher_keeper, .pin = give_pin, .pin_ctx = &pins, .show = KEEPER_SCREEN};
    struct hsm_options token = {.spawn = launcher_token};

    /* the module that the program was started with */
    assert_ok(launcher_start(&l, module, NULL, &f));
    opt.spawn_ctx = token.spawn_ctx = l;
    assert_ok(hsm_list(module, &token, count_one, &count, &f));
    assert_int_equal(count, PARTIES);
    assert_ok(keeper_open(&v, &s, uri, &opt, &f));
    assert_ok(v.ops->keys(v.ctx, keys, &f));
    v.ops->close(v.ctx);
    /* another one is loaded by neither */
    assert_err(keeper_open(&v, &s, other, &opt, &f), ERR_USAGE);
    assert_says("module-path");
    assert_err(hsm_list(other, &token, count_one, &count, &f), ERR_USAGE);
    /* nor a plan shown to nobody who has to answer */
    opt.show = KEEPER_PRINT;
    assert_err(keeper_open(&v, &s, uri, &opt, &f), ERR_USAGE);
    assert_says("compared");
    opt.show = KEEPER_SCREEN;
    launcher_stop(l);

    /* none was named: none may be */
    assert_ok(launcher_start(&l, NULL, NULL, &f));
    opt.spawn_ctx = token.spawn_ctx = l;
    assert_err(keeper_open(&v, &s, uri, &opt, &f), ERR_USAGE);
    assert_err(hsm_list(module, &token, count_one, &count, &f), ERR_USAGE);
    assert_int_equal(count, PARTIES);
    launcher_stop(l);
    free(keys);
}

/* --- a caller that says nothing meaningful --- */

static pid_t keeper_alone(int *fd)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        _exit(keeper_main(pair[1], NULL));
    }
    close(pair[1]);
    *fd = pair[0];
    return pid;
}

static void test_rubbish(void **state)
{
    (void)state;
    static uint8_t frame[4096];
    srand(1);
    for (int round = 0; round < 60; round++) {
        int fd, status;
        pid_t pid = keeper_alone(&fd);
        for (int i = 0; i < 20; i++) {
            size_t len = (size_t)(rand() % 200) + 1;
            for (size_t k = 0; k < len; k++)
                frame[k] = (uint8_t)rand();
            if (i % 2 == 0) { /* of the right form, so that it gets as far as an operation */
                frame[0] = (uint8_t)(0x81 + rand() % 8);
                frame[1] = (uint8_t)(rand() % (KEEPER_CLOSE - 1) + 1);
                if (frame[1] >= 24) {
                    frame[2] = frame[1];
                    frame[1] = 0x18;
                }
            }
            if (frame[1] == KEEPER_OPEN || send(fd, frame, len, MSG_NOSIGNAL) < 0)
                continue;
            if (recv(fd, frame, sizeof frame, 0) <= 0)
                break;
            assert_int_equal(frame[0], 0x84); /* an error, always */
        }
        close(fd);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(int argc, char **argv)
{
    char uri[2048], label[32];
    if (argc == 3 && strcmp(argv[1], "token-process") == 0)
        return hsm_server_main(HSM_SERVER_FD, argv[2]);
    if (argc == 2 && strcmp(argv[1], "token-process") == 0)
        return token_process();
    if (argc >= 2 && strcmp(argv[1], "keeper-process") == 0)
        return keeper_main(KEEPER_FD, argc > 2 ? argv[2] : NULL);
    if (secret_init() != OK)
        return 1;
    tokens_init();
    if (tk.softhsm[0] == 0) {
        print_message("SKIPPED: SoftHSM2 is not installed\n");
        tokens_remove();
        return 0;
    }
    for (int i = 0; i < PARTIES; i++) {
        snprintf(uri, sizeof uri, "pkcs11:?module-path=%s", tk.softhsm);
        snprintf(label, sizeof label, "keeper-%d", i);
        if (token_make(uri, label, &f) != OK) {
            fprintf(stderr, "no token: %s\n", f.detail);
            return 1;
        }
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ceremony), cmocka_unit_test(test_errors),
                                       cmocka_unit_test(test_killed), cmocka_unit_test(test_launched),
                                       cmocka_unit_test(test_rubbish)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (token_process_leaked()) {
        print_message("a token process leaked memory\n");
        failed++;
    }
    tokens_remove();
    return failed;
}
