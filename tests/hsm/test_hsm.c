/* hsm/ with real tokens: SoftHSM2, and NSS softoken as a second, different module. */
#include "tests/hsm/run.h"

#include <pty.h>
#include <signal.h>
#include <termios.h>

/* Exported by p11-kit for its own tools; lets a test use module configurations of its own, which p11-kit
 * otherwise reads from the home directory, and not at all when root runs it. */
void p11_kit_override_system_files(const char *system_conf, const char *user_conf,
                                   const char *package_modules, const char *system_modules,
                                   const char *user_modules);

static struct key_label new_label(void)
{
    struct key_label l;
    random_bytes(l.b, sizeof l.b);
    return l;
}

static void need_soft(void)
{
    if (tk.softhsm[0] == 0) {
        print_message("SKIPPED: SoftHSM2 is not installed\n");
        skip();
    }
}

static struct keystore soft_open(struct pins *p)
{
    struct keystore k;
    struct fault f;
    struct hsm_options o = options(p);
    need_soft();
    assert_ok(hsm_open(&k, tk.soft_uri, &o, &f));
    return k;
}

static void test_every_op_softhsm(void **state)
{
    (void)state;
    struct pins p = {.pin = USER_PIN};
    struct fault f;
    struct key_label label = new_label();
    struct keystore k = soft_open(&p);
    assert_ok(run_all(&k, &label, &f));
    assert_int_equal(p.asked, 1);
    assert_string_equal(p.info.label, "trustee-1");
    struct token_info info;
    assert_ok(k.ops->info(k.ctx, &info, &f));
    assert_string_equal(info.label, "trustee-1");
    assert_string_equal(info.model, "SoftHSM v2");
    k.ops->close(k.ctx);
}

static void test_keys_persist(void **state)
{
    (void)state;
    struct pins p = {.pin = USER_PIN};
    struct fault f;
    struct key_label label = new_label(), other = new_label();
    pubkey_t a, b, c, d;
    hash_t h = {{1}}, g = {{2}}, got;
    struct keystore k = soft_open(&p);
    assert_ok(k.ops->keys_make(k.ctx, &a, &b, &label, &f));
    assert_ok(k.ops->bind(k.ctx, &label, BIND_PLAN, &h, &f));
    k.ops->close(k.ctx);
    k = soft_open(&p);
    assert_ok(k.ops->keys_find(k.ctx, &c, &d, &label, &f));
    assert_memory_equal(&a, &c, sizeof a);
    assert_memory_equal(&b, &d, sizeof b);
    assert_ok(k.ops->bound(k.ctx, &got, &label, BIND_PLAN, &f));
    assert_memory_equal(&got, &h, sizeof h);
    assert_err(k.ops->keys_make(k.ctx, &c, &d, &label, &f), ERR_EXISTS);
    assert_int_equal(c.b[0], 0);
    assert_err(k.ops->keys_find(k.ctx, &c, &d, &other, &f), ERR_TOKEN_KEY);
    assert_says("no identity key");
    assert_err(k.ops->bind(k.ctx, &label, BIND_PLAN, &g, &f), ERR_TOKEN_BOUND);
    assert_err(k.ops->bound(k.ctx, &got, &label, BIND_CEREMONY, &f), ERR_MISSING);
    assert_err(k.ops->bound(k.ctx, &got, &other, BIND_PLAN, &f), ERR_MISSING);
    assert_err(k.ops->rebind(k.ctx, &label, BIND_PLAN, &g, &h, &f), OK);
    hash_t x = {{3}};
    assert_err(k.ops->rebind(k.ctx, &label, BIND_PLAN, &g, &x, &f), ERR_TOKEN_BOUND);
    assert_err(k.ops->rebind(k.ctx, &label, BIND_CEREMONY, &h, &g, &f), ERR_BUG);
    assert_ok(k.ops->retire(k.ctx, &label, &f));
    assert_err(k.ops->keys_find(k.ctx, &c, &d, &label, &f), ERR_TOKEN_KEY);
    assert_says("no ceremony key");
    uint8_t peer[65], x32[32];
    assert_int_equal(check_ecdh(peer, x32, &b), OK);
    assert_err(k.ops->ecdh(k.ctx, x32, &label, peer, &f), ERR_TOKEN_KEY);
    uint8_t signature[SIGNATURE_LEN];
    assert_ok(k.ops->sign(k.ctx, signature, &label, &h, &f));
    assert_ok(k.ops->forget(k.ctx, &label, &f));
    struct label_count count = {.label = label};
    assert_ok(k.ops->labels(k.ctx, count_label, &count, &f));
    assert_int_equal(count.this, 0);
    assert_err(k.ops->random(k.ctx, (uint8_t[2000]){0}, 2000, &f), ERR_BUG);
    k.ops->close(k.ctx);
}

/* --- URIs --- */

static err_t try_open(const char *uri, struct pins *p, struct fault *f)
{
    struct keystore k;
    struct hsm_options o = options(p);
    err_t e = hsm_open(&k, uri, &o, f);
    if (e == OK)
        k.ops->close(k.ctx);
    else
        assert_null(k.ctx);
    return e;
}

static void test_uris(void **state)
{
    (void)state;
    struct fault f;
    char uri[4096];
    struct pins p = {.pin = USER_PIN};
    need_soft();
    assert_err(try_open("http://token", &p, &f), ERR_USAGE);
    assert_err(try_open("pkcs11:token=%zz", &p, &f), ERR_USAGE);
    snprintf(uri, sizeof uri, "%s&pin-value=1234", tk.soft_uri);
    assert_err(try_open(uri, &p, &f), ERR_USAGE);
    assert_null(strstr(f.detail, "1234"));
    snprintf(uri, sizeof uri, "%s&pin-source=%%7cid", tk.soft_uri);
    assert_err(try_open(uri, &p, &f), ERR_USAGE);
    snprintf(uri, sizeof uri, "%s&pin-source=|id", tk.soft_uri);
    assert_err(try_open(uri, &p, &f), ERR_USAGE);
    assert_err(try_open("pkcs11:token=a?x-init-reserved=x", &p, &f), ERR_USAGE);
    assert_err(try_open("pkcs11:token=a?module-path=softhsm.so", &p, &f), ERR_USAGE);
    snprintf(uri, sizeof uri, "pkcs11:token=nobody?module-path=%s", tk.softhsm);
    assert_err(try_open(uri, &p, &f), ERR_TOKEN_WRONG);
    assert_says("\"trustee-1\"");
    assert_err(try_open("pkcs11:token=a?module-path=/nonexistent.so", &p, &f), ERR_TOKEN_FAILED);
    snprintf(uri, sizeof uri, "pkcs11:?module-path=%s", tk.softhsm);
    assert_err(try_open(uri, &p, &f), ERR_USAGE); /* two tokens */
    assert_says("2 tokens");
    char *empty_conf = strdup(getenv("SOFTHSM2_CONF"));
    snprintf(uri, sizeof uri, "%s/empty", tk.dir);
    mkdir(uri, 0700);
    snprintf(uri, sizeof uri, "directories.tokendir = %s/empty\n", tk.dir);
    write_text("empty.conf", uri);
    snprintf(uri, sizeof uri, "%s/empty.conf", tk.dir);
    setenv("SOFTHSM2_CONF", uri, 1);
    snprintf(uri, sizeof uri, "pkcs11:token=nobody?module-path=%s", tk.softhsm);
    assert_err(try_open(uri, &p, &f), ERR_TOKEN_ABSENT);
    snprintf(uri, sizeof uri, "pkcs11:?module-path=%s", tk.softhsm);
    assert_err(try_open(uri, &p, &f), ERR_TOKEN_CANNOT);
    assert_says("token init");
    setenv("SOFTHSM2_CONF", empty_conf, 1);
    free(empty_conf);
}

static void test_program_absent(void **state)
{
    (void)state;
    struct fault f;
    struct keystore k;
    struct hsm_options o = options(NULL);
    o.program = "/nonexistent";
    assert_err(hsm_open(&k, "pkcs11:token=a", &o, &f), ERR_TOKEN_FAILED);
    o.program = "/bin/true";
    assert_err(hsm_open(&k, "pkcs11:token=a", &o, &f), ERR_TOKEN_FAILED);
    assert_says("ended by itself");
}

/* --- PIN sources --- */

static err_t login_with(const char *uri, struct pins *p, struct fault *f)
{
    struct keystore k;
    struct hsm_options o = options(p);
    struct label_count count = {.all = 0};
    TRY(hsm_open(&k, uri, &o, f));
    err_t e = k.ops->labels(k.ctx, count_label, &count, f);
    k.ops->close(k.ctx);
    return e;
}

static void test_pin_sources(void **state)
{
    (void)state;
    struct fault f;
    char uri[4096];
    struct pins p = {.pin = USER_PIN};
    need_soft();
    snprintf(uri, sizeof uri, "%s&pin-source=%s/pin", tk.soft_uri, tk.dir);
    assert_ok(login_with(uri, &p, &f));
    assert_int_equal(p.asked, 0);
    snprintf(uri, sizeof uri, "%s&pin-source=file:%s/pin", tk.soft_uri, tk.dir);
    assert_ok(login_with(uri, &p, &f));
    snprintf(uri, sizeof uri, "%s&pin-source=file://%s/%%2570in", tk.soft_uri, tk.dir);
    assert_ok(login_with(uri, &p, &f));
    snprintf(uri, sizeof uri, "%s&pin-source=file://elsewhere%s/pin", tk.soft_uri, tk.dir);
    assert_err(login_with(uri, &p, &f), ERR_USAGE);
    snprintf(uri, sizeof uri, "%s&pin-source=%s/absent", tk.soft_uri, tk.dir);
    assert_err(login_with(uri, &p, &f), ERR_MISSING);
    assert_non_null(strstr(f.file, "/absent"));
    snprintf(uri, sizeof uri, "%s&pin-source=%s", tk.soft_uri, tk.dir);
    assert_err(login_with(uri, &p, &f), ERR_FORMAT);
    write_text("empty-pin", "\n");
    snprintf(uri, sizeof uri, "%s&pin-source=%s/empty-pin", tk.soft_uri, tk.dir);
    assert_err(login_with(uri, &p, &f), ERR_FORMAT);
    write_text("two-pins", "1234\n5678\n");
    snprintf(uri, sizeof uri, "%s&pin-source=%s/two-pins", tk.soft_uri, tk.dir);
    assert_err(login_with(uri, &p, &f), ERR_FORMAT);
    char longest[300];
    memset(longest, '1', 299);
    longest[299] = 0;
    write_text("long-pin", longest);
    snprintf(uri, sizeof uri, "%s&pin-source=%s/long-pin", tk.soft_uri, tk.dir);
    assert_err(login_with(uri, &p, &f), ERR_LIMIT);
    assert_err(login_with(tk.soft_uri, NULL, &f), ERR_USAGE);
    p.refuse = ERR_REFUSED;
    assert_err(login_with(tk.soft_uri, &p, &f), ERR_REFUSED);
    assert_says("the person said no");
}

static void test_wrong_pin_is_not_retried(void **state)
{
    (void)state;
    struct fault f;
    struct key_label label = new_label();
    pubkey_t a, b;
    struct pins p = {.pin = "00000000"};
    struct keystore k = soft_open(&p);
    assert_err(k.ops->keys_make(k.ctx, &a, &b, &label, &f), ERR_TOKEN_PIN);
    assert_says("CKR_PIN_INCORRECT");
    assert_non_null(strstr(f.who, "trustee-1"));
    p.pin = USER_PIN;
    assert_err(k.ops->keys_make(k.ctx, &a, &b, &label, &f), ERR_TOKEN_PIN);
    assert_int_equal(p.asked, 1);
    k.ops->close(k.ctx);
    assert_ok(login_with(tk.soft_uri, &p, &f));
    assert_int_equal(p.asked, 2);
}

/* --- the PIN is wiped on both sides --- */

/* "Wipe-Me-4711", never in memory as such but where the code under test puts it. */
static const unsigned char masked_pin[12] = {0x0d, 0x33, 0x2a, 0x3f, 0x77, 0x17,
                                             0x3f, 0x77, 0x6e, 0x6d, 0x6b, 0x6b};

static err_t give_masked_pin(void *ctx, char *out, size_t max, const struct hsm_pin_info *info,
                             struct fault *f)
{
    (void)ctx;
    (void)info;
    (void)f;
    for (size_t i = 0; i < sizeof masked_pin && i + 1 < max; i++)
        out[i] = (char)(masked_pin[i] ^ 0x5a);
    return OK;
}

static int count_pin(const unsigned char *p, size_t len)
{
    int n = 0;
    for (size_t i = 0; i + sizeof masked_pin <= len; i++) {
        size_t k = 0;
        while (k < sizeof masked_pin && (p[i + k] ^ 0x5a) == masked_pin[k])
            k++;
        n += k == sizeof masked_pin;
    }
    return n;
}

/* Occurrences in the writable memory of a process; -1 if it cannot be read. */
static int scan_process(long pid)
{
    char path[64], line[512];
    int n = 0;
    size_t read_bytes = 0;
    snprintf(path, sizeof path, "/proc/%ld/maps", pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%ld/mem", pid);
    int mem = open(path, O_RDONLY);
    unsigned char *buf = malloc(1 << 20);
    while (maps != NULL && mem >= 0 && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) != 3 || rights[1] != 'w')
            continue;
        if ((uintptr_t)buf >= from && (uintptr_t)buf < to && pid == getpid())
            continue;
        for (unsigned long at = from; at < to; at += (1 << 20) - sizeof masked_pin) {
            size_t want = to - at < 1 << 20 ? to - at : 1 << 20;
            ssize_t got = pread(mem, buf, want, (off_t)at);
            if (got > 0) {
                n += count_pin(buf, (size_t)got);
                read_bytes += (size_t)got;
            }
        }
    }
    if (maps != NULL)
        fclose(maps);
    if (mem >= 0)
        close(mem);
    free(buf);
    return read_bytes > 0 ? n : -1;
}

static void test_pin_is_wiped(void **state)
{
    (void)state;
    struct fault f;
    char uri[4096];
    struct pins p = {.pin = USER_PIN};
    struct hsm_options o = options(&p);
    struct hsm_init_request r = {.label = "wiped", .so_pin = give_so_pin, .user_pin = give_masked_pin};
    struct keystore k;
    struct label_count count = {.all = 0};
    need_soft();
#ifdef __SANITIZE_ADDRESS__
    print_message("SKIPPED: AddressSanitizer's memory is too large to be searched\n");
    skip();
#endif
    snprintf(uri, sizeof uri, "pkcs11:?module-path=%s", tk.softhsm);
    assert_ok(hsm_init(uri, &o, &r, &f));
    snprintf(uri, sizeof uri, "pkcs11:token=wiped?module-path=%s", tk.softhsm);
    o.pin = give_masked_pin;
    assert_ok(hsm_open(&k, uri, &o, &f));
    assert_ok(k.ops->labels(k.ctx, count_label, &count, &f));
    assert_int_equal(scan_process(getpid()), 0);
    int n = scan_process(((struct client *)k.ctx)->pid);
    if (n < 0)
        print_message(
            "the token process cannot be read from here, as it should be; only root looks into it\n");
    else
        assert_int_equal(n, 0);
    k.ops->close(k.ctx);
    char held[sizeof masked_pin + 1] = {0};
    assert_int_equal(give_masked_pin(NULL, held, sizeof held, NULL, NULL), OK);
    assert_true(scan_process(getpid()) > 0); /* the search does find what is there */
    assert_int_equal(held[0] ^ 0x5a, masked_pin[0]);
    assert_ok(hsm_open(&k, uri, &o, &f));
    k.ops->close(k.ctx);
    r.force_label = "wiped";
    r.label = "trustee-9";
    assert_ok(hsm_init(uri, &o, &r, &f));
}

/* --- the prompt, on a terminal of its own --- */

static int echo_is_on(int master)
{
    struct termios t;
    assert_int_equal(tcgetattr(master, &t), 0);
    return (t.c_lflag & ECHO) != 0;
}

/* Child: exit status says what hsm_pin_prompt gave. */
static void prompt_child(void)
{
    char secret[17];
    struct fault f;
    struct hsm_pin_info info = {.label = "trustee-1", .serial = "77", .final_try = 1};
    err_t e = hsm_pin_prompt(NULL, secret, sizeof secret, &info, &f);
    if (e == OK)
        _exit(strcmp(secret, "12345") == 0 ? 42 : 43);
    _exit(e == ERR_REFUSED ? 44 : e == ERR_LIMIT ? 45 : 46);
}

static int prompt_run(const char *keys, int signo, char *seen, size_t seen_len)
{
    int master, status;
    size_t n = 0;
    pid_t pid = forkpty(&master, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0)
        prompt_child();
    while (n + 1 < seen_len && (n < 3 || memcmp(seen + n - 3, "): ", 3) != 0)) {
        ssize_t got = read(master, seen + n, 1);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    for (int i = 0; i < 500 && echo_is_on(master); i++)
        usleep(2000);
    assert_false(echo_is_on(master));
    if (signo != 0)
        kill(pid, signo);
    assert_int_equal(write(master, keys, strlen(keys)), (ssize_t)strlen(keys));
    for (ssize_t got; n + 1 < seen_len && (got = read(master, seen + n, seen_len - n - 1)) > 0;)
        n += (size_t)got;
    seen[n] = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(master);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_prompt(void **state)
{
    (void)state;
    char seen[1000];
    assert_int_equal(prompt_run("12345\r", 0, seen, sizeof seen), 42);
    assert_non_null(strstr(seen, "LAST TRY"));
    assert_non_null(strstr(seen, "trustee-1"));
    assert_null(strstr(seen, "12345"));
    assert_int_equal(prompt_run("9\x7f"
                                "12x\x7f"
                                "345\n",
                                0, seen, sizeof seen),
                     42);
    assert_int_equal(prompt_run("99\x15"
                                "12345\n",
                                0, seen, sizeof seen),
                     42);
    assert_int_equal(prompt_run("1\x03", 0, seen, sizeof seen), 44);
    assert_int_equal(prompt_run("\x04", 0, seen, sizeof seen), 44);
    assert_int_equal(prompt_run("\r", 0, seen, sizeof seen), 44);
    assert_int_equal(prompt_run("12345678901234567\r", 0, seen, sizeof seen), 45);
    assert_int_equal(prompt_run("", SIGTERM, seen, sizeof seen), -SIGTERM);
}

/* The terminal has its echo back after the prompt: asked from the other side, in one more run. */
static void test_prompt_restores(void **state)
{
    (void)state;
    static const char *const keys[] = {"12345\r", "1\x03"};
    for (size_t i = 0; i < 2; i++) {
        int master, status;
        char c;
        pid_t pid = forkpty(&master, NULL, NULL, NULL);
        assert_true(pid >= 0);
        if (pid == 0) {
            char secret[17];
            struct hsm_pin_info info = {.label = "t"};
            struct termios t;
            (void)!hsm_pin_prompt(NULL, secret, sizeof secret, &info, NULL);
            _exit(tcgetattr(0, &t) == 0 && (t.c_lflag & ECHO) && (t.c_lflag & ICANON) ? 42 : 43);
        }
        for (int k = 0; k < 500 && echo_is_on(master); k++)
            usleep(2000);
        assert_int_equal(write(master, keys[i], strlen(keys[i])), (ssize_t)strlen(keys[i]));
        while (read(master, &c, 1) == 1)
            ;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WEXITSTATUS(status), 42);
        close(master);
    }
}

/* --- list, init --- */

struct listed {
    int count, initialized;
    struct hsm_token one;
};

static err_t list_token(void *ctx, const struct hsm_token *t)
{
    struct listed *l = ctx;
    l->count++;
    l->initialized += t->initialized;
    if (strcmp(t->info.label, "trustee-1") == 0)
        l->one = *t;
    return OK;
}

static void test_list(void **state)
{
    (void)state;
    struct fault f;
    char uri[4096];
    struct pins p = {.pin = USER_PIN};
    struct hsm_options o = options(&p);
    struct listed l = {0};
    need_soft();
    snprintf(uri, sizeof uri, "pkcs11:?module-path=%s", tk.softhsm);
    assert_ok(hsm_list(uri, &o, list_token, &l, &f));
    assert_true(l.count >= 3); /* trustee-1, trustee-2, and SoftHSM2's ever present new one */
    assert_int_equal(l.initialized, l.count - 1);
    assert_string_equal(l.one.module, tk.softhsm);
    assert_int_equal(l.one.pin_set, 1);
    assert_int_equal(l.one.locked, 0);
    assert_ok(login_with(l.one.uri, &p, &f)); /* the URI it shows is one that works */
}

static void test_list_configured(void **state)
{
    (void)state;
    struct fault f;
    struct hsm_options o = options(NULL);
    struct listed l = {0};
    if (access("/usr/share/p11-kit/modules/softhsm2.module", R_OK) != 0) {
        print_message("SKIPPED: p11-kit has no configuration of SoftHSM2\n");
        skip();
    }
    assert_ok(hsm_list(NULL, &o, list_token, &l, &f));
    assert_true(l.count >= 3);
    assert_string_equal(l.one.info.label, "trustee-1");
}

static void test_init_refuses(void **state)
{
    (void)state;
    struct fault f;
    char uri[4096];
    struct pins p = {.pin = USER_PIN};
    struct hsm_options o = options(NULL);
    struct hsm_init_request r = {.label = "again", .so_pin = give_so_pin, .user_pin = give_user_pin};
    need_soft();
    snprintf(uri, sizeof uri, "pkcs11:token=trustee-2?module-path=%s", tk.softhsm);
    assert_err(hsm_init(uri, &o, &r, &f), ERR_EXISTS);
    assert_says("trustee-2");
    r.force_label = "trustee-1";
    assert_err(hsm_init(uri, &o, &r, &f), ERR_EXISTS);
    r.force_label = "trustee-2";
    r.label = "trustee-3";
    assert_ok(hsm_init(uri, &o, &r, &f));
    snprintf(uri, sizeof uri, "pkcs11:token=trustee-3?module-path=%s", tk.softhsm);
    assert_ok(login_with(uri, &p, &f));
    r.label = "trustee-2";
    r.force_label = "trustee-3";
    assert_ok(hsm_init(uri, &o, &r, &f));
    r.label = "";
    assert_err(hsm_init(uri, &o, &r, &f), ERR_USAGE);
    r.label = "a label of more than thirty-two bytes";
    assert_err(hsm_init(uri, &o, &r, &f), ERR_USAGE);
    r.label = "x";
    snprintf(uri, sizeof uri, "pkcs11:token=nobody?module-path=%s", tk.softhsm);
    assert_err(hsm_init(uri, &o, &r, &f), ERR_TOKEN_ABSENT);
}

/* --- probe --- */

static void assert_probe_passes(const struct hsm_probe *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->check[i].verdict == HSM_FAIL)
            print_message("%s: %s: %s\n", p->check[i].id, p->check[i].title, p->check[i].note);
    assert_int_equal(p->failed, 0);
    assert_true(p->count >= 16);
}

static void test_probe_softhsm(void **state)
{
    (void)state;
    struct fault f;
    struct pins p = {.pin = USER_PIN};
    struct hsm_options o = options(&p);
    struct hsm_probe a, b;
    struct label_count count = {.all = 0};
    struct keystore k = soft_open(&p);
    struct key_label old = {{'c', 'o', 'n', 'c', 'p', 'r', 'b', 0, 1}};
    pubkey_t x, y;
    assert_ok(k.ops->keys_make(k.ctx, &x, &y, &old, &f)); /* as an interrupted probe leaves it */
    k.ops->close(k.ctx);
    assert_ok(hsm_probe(&a, tk.soft_uri, &o, NULL, 0, &f));
    assert_probe_passes(&a);
    assert_ok(hsm_probe(&b, tk.soft_uri, &o, a.keys, HSM_PROBE_KEYS, &f));
    assert_probe_passes(&b);
    k = soft_open(&p);
    assert_ok(k.ops->labels(k.ctx, count_label, &count, &f));
    assert_int_equal(count.all, 0);
    k.ops->close(k.ctx);
}

/* --- NSS softoken --- */

static int need_nss(void)
{
    if (tk.nss[0] != 0)
        return 1;
    print_message("SKIPPED: NSS softoken is not installed\n");
    return 0;
}

static void nss_make(void)
{
    struct fault f;
    char path[4096];
    snprintf(path, sizeof path, "%s/nss", tk.dir);
    if (mkdir(path, 0700) == 0)
        assert_ok(token_make(tk.nss_uri, "ignored by NSS", &f));
}

static void test_every_op_nss(void **state)
{
    (void)state;
    struct fault f;
    struct keystore k;
    struct hsm_options o = options(NULL);
    struct key_label label = new_label(), kept = new_label();
    pubkey_t a, b, c, d;
    hash_t h = {{7}}, got;
    if (!need_nss())
        skip();
    nss_make();
    assert_ok(hsm_open(&k, tk.nss_uri, &o, &f));
    assert_ok(run_all(&k, &label, &f));
    assert_ok(k.ops->keys_make(k.ctx, &a, &b, &kept, &f));
    assert_ok(k.ops->bind(k.ctx, &kept, BIND_CEREMONY, &h, &f));
    k.ops->close(k.ctx);
    assert_ok(hsm_open(&k, tk.nss_uri, &o, &f));
    assert_ok(k.ops->keys_find(k.ctx, &c, &d, &kept, &f));
    assert_memory_equal(&a, &c, sizeof a);
    assert_memory_equal(&b, &d, sizeof b);
    assert_ok(k.ops->bound(k.ctx, &got, &kept, BIND_CEREMONY, &f));
    assert_memory_equal(&got, &h, sizeof h);
    assert_ok(k.ops->forget(k.ctx, &kept, &f));
    assert_err(k.ops->bound(k.ctx, &got, &kept, BIND_CEREMONY, &f), ERR_MISSING);
    k.ops->close(k.ctx);
}

static void test_probe_nss(void **state)
{
    (void)state;
    struct fault f;
    struct hsm_options o = options(NULL);
    struct hsm_probe p;
    if (!need_nss())
        skip();
    nss_make();
    assert_ok(hsm_probe(&p, tk.nss_uri, &o, NULL, 0, &f));
    assert_probe_passes(&p);
}

static void test_nss_configured(void **state)
{
    (void)state;
    struct fault f;
    struct keystore k;
    struct hsm_options o = options(NULL);
    struct key_label label = new_label();
    char text[4096], uri[4096];
    if (!need_nss())
        skip();
    nss_make();
    snprintf(text, sizeof text, "%s/modules", tk.dir);
    mkdir(text, 0700);
    snprintf(
        text, sizeof text,
        "module: %s\nx-init-reserved: configdir='sql:%s/nss' certPrefix='' keyPrefix='' secmod='' flags=\n",
        tk.nss, tk.dir);
    write_text("modules/nss.module", text);
    snprintf(text, sizeof text, "%s/modules", tk.dir);
    setenv("CONCLAVE_TEST_MODULES", text, 1);
    char *mark = strdup(getenv("CONCLAVE_TEST_LEAK"));
    unsetenv("CONCLAVE_TEST_LEAK"); /* NSS leaves its own behind when p11-kit unloads it */
    snprintf(uri, sizeof uri, "pkcs11:token=NSS%%20Certificate%%20DB?pin-source=%s/pin", tk.dir);
    assert_ok(hsm_open(&k, uri, &o, &f));
    assert_ok(run_all(&k, &label, &f));
    k.ops->close(k.ctx);
    unsetenv("CONCLAVE_TEST_MODULES");
    setenv("CONCLAVE_TEST_LEAK", mark, 1);
    free(mark);
}

static void test_nss_wrong_pin(void **state)
{
    (void)state;
    struct fault f;
    struct pins p = {.pin = "87651234"};
    char uri[4096];
    if (!need_nss())
        skip();
    nss_make();
    strcpy(uri, tk.nss_uri);
    char *at = strstr(uri, "&pin-source"), *next = strchr(at + 1, '&');
    memmove(at, next, strlen(next) + 1);
    assert_err(login_with(uri, &p, &f), ERR_TOKEN_PIN);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "token-process") == 0) {
        const char *modules = getenv("CONCLAVE_TEST_MODULES");
        if (modules != NULL)
            p11_kit_override_system_files("/nonexistent", "/nonexistent", "/nonexistent", modules,
                                          "/nonexistent");
        return token_process();
    }
    struct fault f;
    char uri[4096];
    if (secret_init() != OK)
        return 1;
    tokens_init();
    snprintf(uri, sizeof uri, "pkcs11:?module-path=%s", tk.softhsm);
    if (tk.softhsm[0] != 0 &&
        (token_make(uri, "trustee-1", &f) != OK || token_make(uri, "trustee-2", &f) != OK)) {
        fprintf(stderr, "no token: %s\n", f.detail);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_op_softhsm),
        cmocka_unit_test(test_keys_persist),
        cmocka_unit_test(test_uris),
        cmocka_unit_test(test_program_absent),
        cmocka_unit_test(test_pin_sources),
        cmocka_unit_test(test_wrong_pin_is_not_retried),
        cmocka_unit_test(test_pin_is_wiped),
        cmocka_unit_test(test_prompt),
        cmocka_unit_test(test_prompt_restores),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_configured),
        cmocka_unit_test(test_init_refuses),
        cmocka_unit_test(test_probe_softhsm),
        cmocka_unit_test(test_every_op_nss),
        cmocka_unit_test(test_probe_nss),
        cmocka_unit_test(test_nss_configured),
        cmocka_unit_test(test_nss_wrong_pin),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (token_process_leaked()) {
        print_message("a token process leaked memory\n");
        failed++;
    }
    tokens_remove();
    return failed;
}
