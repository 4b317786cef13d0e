/* hsm/ with a module that fails on cue (tests/mock_p11): every error by name, every call in turn. */
#include "tests/hsm/run.h"

#include <dirent.h>
#include <time.h>

static const char *const cue_variables[] = {"MOCK_P11", "MOCK_P11_LOG", "MOCK_P11_TOKEN", "MOCK_P11_ATTR",
                                            "MOCK_P11_QUIRK"};

static int cues_clear(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cue_variables / sizeof cue_variables[0]; i++)
        unsetenv(cue_variables[i]);
    return 0;
}

static struct key_label new_label(void)
{
    struct key_label l;
    random_bytes(l.b, sizeof l.b);
    return l;
}

static struct keystore mock_open(struct hsm_options *o)
{
    struct keystore k;
    struct fault f;
    assert_ok(hsm_open(&k, tk.mock_uri, o, &f));
    return k;
}

/* Opens, runs everything, closes. *label is the enrolment used. */
static err_t whole_run(struct hsm_options *o, struct key_label *label, struct fault *f)
{
    struct keystore k;
    *label = new_label();
    TRY(hsm_open(&k, tk.mock_uri, o, f));
    err_t e = run_all(&k, label, f);
    k.ops->close(k.ctx);
    return e;
}

static void assert_token_is_clean(struct hsm_options *o)
{
    struct fault f;
    struct label_count count = {.all = 0};
    struct keystore k = mock_open(o);
    assert_ok(k.ops->labels(k.ctx, count_label, &count, &f));
    assert_int_equal(count.all, 0);
    k.ops->close(k.ctx);
}

/* --- every return value has a name and a class --- */

static void test_return_values(void **state)
{
    (void)state;
    static const struct {
        const char *cue, *call;
        err_t err;
    } cases[] = {
        {"C_Initialize:1=CKR_HOST_MEMORY", "CKR_HOST_MEMORY", ERR_TOKEN_FAILED},
        {"C_GetSlotList:1=CKR_GENERAL_ERROR", "C_GetSlotList", ERR_TOKEN_FAILED},
        {"C_OpenSession:1=CKR_SESSION_COUNT", "CKR_SESSION_COUNT", ERR_TOKEN_FAILED},
        {"C_OpenSession:1=CKR_TOKEN_NOT_PRESENT", "CKR_TOKEN_NOT_PRESENT", ERR_TOKEN_REMOVED},
        {"C_OpenSession:1=CKR_TOKEN_WRITE_PROTECTED", "CKR_TOKEN_WRITE_PROTECTED", ERR_TOKEN_CANNOT},
        {"C_GenerateRandom:1=CKR_RANDOM_NO_RNG", "CKR_RANDOM_NO_RNG", ERR_TOKEN_CANNOT},
        {"C_Login:1=CKR_PIN_INCORRECT", "CKR_PIN_INCORRECT", ERR_TOKEN_PIN},
        {"C_Login:1=CKR_PIN_LEN_RANGE", "CKR_PIN_LEN_RANGE", ERR_TOKEN_PIN},
        {"C_Login:1=CKR_PIN_EXPIRED", "CKR_PIN_EXPIRED", ERR_TOKEN_PIN},
        {"C_Login:1=CKR_PIN_LOCKED", "CKR_PIN_LOCKED", ERR_TOKEN_LOCKED},
        {"C_Login:1=CKR_USER_PIN_NOT_INITIALIZED", "CKR_USER_PIN_NOT_INITIALIZED", ERR_TOKEN_CANNOT},
        {"C_GenerateKeyPair:1=CKR_DEVICE_MEMORY", "CKR_DEVICE_MEMORY", ERR_TOKEN_FULL},
        {"C_GenerateKeyPair:2=CKR_DEVICE_MEMORY", "CKR_DEVICE_MEMORY", ERR_TOKEN_FULL},
        {"C_GenerateKeyPair:0=CKR_MECHANISM_INVALID", "CKR_MECHANISM_INVALID", ERR_TOKEN_CANNOT},
        {"C_GenerateKeyPair:0=CKR_CURVE_NOT_SUPPORTED", "CKR_CURVE_NOT_SUPPORTED", ERR_TOKEN_CANNOT},
        {"C_Sign:1=CKR_DEVICE_REMOVED", "CKR_DEVICE_REMOVED", ERR_TOKEN_REMOVED},
        {"C_Sign:1=CKR_DEVICE_ERROR", "CKR_DEVICE_ERROR", ERR_TOKEN_REMOVED},
        {"C_Sign:1=CKR_SESSION_HANDLE_INVALID", "CKR_SESSION_HANDLE_INVALID", ERR_TOKEN_REMOVED},
        {"C_SignInit:1=CKR_KEY_FUNCTION_NOT_PERMITTED", "CKR_KEY_FUNCTION_NOT_PERMITTED", ERR_TOKEN_KEY},
        {"C_SignInit:1=CKR_KEY_HANDLE_INVALID", "CKR_KEY_HANDLE_INVALID", ERR_TOKEN_KEY},
        {"C_DeriveKey:1=CKR_FUNCTION_NOT_SUPPORTED", "CKR_FUNCTION_NOT_SUPPORTED", ERR_TOKEN_CANNOT},
        {"C_DeriveKey:0=CKR_MECHANISM_PARAM_INVALID", "CKR_MECHANISM_PARAM_INVALID", ERR_TOKEN_CANNOT},
        {"C_CreateObject:1=CKR_DEVICE_MEMORY", "CKR_DEVICE_MEMORY", ERR_TOKEN_FULL},
        {"C_CreateObject:0=CKR_ATTRIBUTE_VALUE_INVALID", "CKR_ATTRIBUTE_VALUE_INVALID", ERR_TOKEN_CANNOT},
        {"C_Sign:1=CKR_NOT_A_NAME", "vendor", ERR_TOKEN_FAILED},
        {"C_Sign:1=crash", "crashed", ERR_TOKEN_FAILED},
    };
    struct fault f;
    struct key_label label;
    struct hsm_options o = options(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("MOCK_P11", cases[i].cue, 1);
        fault_clear(&f);
        err_t e = whole_run(&o, &label, &f);
        if (e != cases[i].err || strstr(f.detail, cases[i].call) == NULL)
            print_message("%s: %s: %s\n", cases[i].cue, err_name(e), f.detail);
        assert_int_equal(e, cases[i].err);
        assert_says(cases[i].call);
        unsetenv("MOCK_P11");
        struct keystore k = mock_open(&o);
        assert_ok(k.ops->forget(k.ctx, &label, &f));
        k.ops->close(k.ctx);
    }
    assert_ok(whole_run(&o, &label, &f));
    assert_token_is_clean(&o);
}

static void test_removed_stays_removed(void **state)
{
    (void)state;
    struct fault f;
    struct hsm_options o = options(NULL);
    struct key_label label = new_label();
    uint8_t r[8];
    hash_t h;
    setenv("MOCK_P11", "C_GenerateRandom:2=CKR_DEVICE_REMOVED", 1);
    struct keystore k = mock_open(&o);
    assert_ok(k.ops->random(k.ctx, r, sizeof r, &f));
    assert_err(k.ops->random(k.ctx, r, sizeof r, &f), ERR_TOKEN_REMOVED);
    for (size_t i = 0; i < sizeof r; i++)
        assert_int_equal(r[i], 0);
    assert_err(k.ops->random(k.ctx, r, sizeof r, &f), ERR_TOKEN_REMOVED);
    assert_err(k.ops->bound(k.ctx, &h, &label, BIND_PLAN, &f), ERR_TOKEN_REMOVED);
    k.ops->close(k.ctx);
}

/* --- crash and hang --- */

static void test_crash(void **state)
{
    (void)state;
    struct fault f;
    struct hsm_options o = options(NULL);
    uint8_t r[8];
    setenv("MOCK_P11", "C_GenerateRandom:1=crash", 1);
    struct keystore k = mock_open(&o);
    assert_err(k.ops->random(k.ctx, r, sizeof r, &f), ERR_TOKEN_FAILED);
    assert_says("signal 11");
    assert_err(k.ops->random(k.ctx, r, sizeof r, &f), ERR_TOKEN_FAILED);
    assert_says("has ended");
    k.ops->close(k.ctx);
}

static void test_hang(void **state)
{
    (void)state;
    struct fault f;
    struct hsm_options o = options(NULL);
    uint8_t r[8];
    setenv("MOCK_P11", "C_GenerateRandom:1=hang", 1);
    o.timeout_ms = 1000;
    struct keystore k = mock_open(&o);
    time_t before = time(NULL);
    assert_err(k.ops->random(k.ctx, r, sizeof r, &f), ERR_TOKEN_FAILED);
    assert_says("did not answer in time");
    assert_err(k.ops->random(k.ctx, r, sizeof r, &f), ERR_TOKEN_FAILED);
    k.ops->close(k.ctx);
    setenv("MOCK_P11", "C_Finalize:1=hang", 1);
    k = mock_open(&o);
    k.ops->close(k.ctx);
    assert_true(time(NULL) - before < 20);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

/* --- PIN tries --- */

static int logins(const char *log)
{
    char line[100];
    int n = 0;
    FILE *f = fopen(log, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        n += strcmp(line, "C_Login called\n") == 0;
    if (f != NULL)
        fclose(f);
    return n;
}

static err_t try_login(struct hsm_options *o, const char *uri, struct fault *f)
{
    struct keystore k;
    struct label_count count = {.all = 0};
    TRY(hsm_open(&k, uri, o, f));
    err_t e = k.ops->labels(k.ctx, count_label, &count, f);
    k.ops->close(k.ctx);
    return e;
}

static void test_pin_flags(void **state)
{
    (void)state;
    struct fault f;
    char log[2048], uri[2048];
    struct pins p = {.pin = USER_PIN};
    struct hsm_options o = options(&p);
    snprintf(log, sizeof log, "%s/login.log", tk.dir);
    setenv("MOCK_P11_LOG", log, 1);
    snprintf(uri, sizeof uri, "pkcs11:token=trustee-1?module-path=%s", tk.mock);
    setenv("MOCK_P11_TOKEN", "locked", 1);
    assert_err(try_login(&o, uri, &f), ERR_TOKEN_LOCKED);
    setenv("MOCK_P11_TOKEN", "final", 1);
    assert_err(try_login(&o, uri, &f), ERR_TOKEN_LAST_TRY);
    assert_int_equal(p.asked, 0);
    setenv("MOCK_P11_TOKEN", "nopin", 1);
    assert_err(try_login(&o, uri, &f), ERR_TOKEN_CANNOT);
    assert_int_equal(logins(log), 0);
    setenv("MOCK_P11_TOKEN", "nologin", 1);
    assert_err(try_login(&o, uri, &f), ERR_TOKEN_CANNOT);
    setenv("MOCK_P11_TOKEN", "low", 1);
    assert_ok(try_login(&o, uri, &f));
    assert_int_equal(p.info.tries_low, 1);
    assert_int_equal(p.info.final_try, 0);
    setenv("MOCK_P11_TOKEN", "final", 1);
    o.last_try = 1;
    assert_ok(try_login(&o, uri, &f));
    assert_int_equal(p.info.final_try, 1);
    assert_int_equal(logins(log), 2);
    setenv("MOCK_P11_TOKEN", "keypad", 1);
    p.pin = "never sent";
    assert_ok(try_login(&o, uri, &f));
    assert_int_equal(p.info.keypad, 1);
    o.pin = NULL;
    assert_ok(try_login(&o, uri, &f));
    /* the wrong PIN was the last but one, and then the last */
    o = options(&p);
    p.pin = "00000000";
    setenv("MOCK_P11_TOKEN", "final", 1);
    o.last_try = 1;
    assert_err(try_login(&o, uri, &f), ERR_TOKEN_PIN);
    assert_says("one try is left");
}

/* Another token is in the slot when the PIN is wanted, and the module did not notice: its PIN is not asked for, and
 * none is given to it. */
static void test_other_token_in_the_slot(void **state)
{
    (void)state;
    struct fault f;
    char log[2048], uri[2048];
    struct pins p = {.pin = USER_PIN};
    struct hsm_options o = options(&p);
    struct key_label label = new_label();
    pubkey_t a, b;
    struct keystore k;
    snprintf(log, sizeof log, "%s/swapped.log", tk.dir);
    setenv("MOCK_P11_LOG", log, 1);
    snprintf(uri, sizeof uri, "pkcs11:token=trustee-1?module-path=%s", tk.mock);
    setenv("MOCK_P11_QUIRK", "swapped", 1);
    assert_ok(hsm_open(&k, uri, &o, &f));
    assert_err(k.ops->keys_make(k.ctx, &a, &b, &label, &f), ERR_TOKEN_WRONG);
    assert_says("in the place of \"trustee-1\"");
    assert_err(k.ops->keys_find(k.ctx, &a, &b, &label, &f), ERR_TOKEN_REMOVED); /* it stays so */
    k.ops->close(k.ctx);
    assert_int_equal(p.asked, 0);
    assert_int_equal(logins(log), 0);
    unsetenv("MOCK_P11_QUIRK");
    assert_ok(try_login(&o, uri, &f));
    assert_int_equal(p.asked, 1);
    assert_int_equal(logins(log), 1);
}

static void test_no_second_login(void **state)
{
    (void)state;
    struct fault f;
    char log[2048];
    struct hsm_options o = options(NULL);
    struct key_label label = new_label();
    pubkey_t a, b;
    hash_t h;
    snprintf(log, sizeof log, "%s/second.log", tk.dir);
    setenv("MOCK_P11_LOG", log, 1);
    char uri[2048];
    snprintf(uri, sizeof uri, "pkcs11:token=trustee-1?module-path=%s&pin-source=%s/wrong-pin", tk.mock,
             tk.dir);
    struct keystore k;
    assert_ok(hsm_open(&k, uri, &o, &f));
    assert_err(k.ops->keys_make(k.ctx, &a, &b, &label, &f), ERR_TOKEN_PIN);
    assert_err(k.ops->keys_find(k.ctx, &a, &b, &label, &f), ERR_TOKEN_PIN);
    assert_err(k.ops->bound(k.ctx, &h, &label, BIND_PLAN, &f), ERR_TOKEN_PIN);
    k.ops->close(k.ctx);
    assert_int_equal(logins(log), 1);
}

/* --- keys that are not as they must be --- */

static void test_attributes(void **state)
{
    (void)state;
    static const struct {
        const char *cue, *name;
    } cases[] = {
        {"1=0", "CKA_TOKEN"},
        {"2=0", "CKA_PRIVATE"},
        {"103=0", "CKA_SENSITIVE"},
        {"165=0", "CKA_ALWAYS_SENSITIVE"},
        {"162=1", "CKA_EXTRACTABLE"},
        {"164=0", "CKA_NEVER_EXTRACTABLE"},
        {"163=0", "CKA_LOCAL"},
        {"170=1", "CKA_MODIFIABLE"},
        {"171=1", "CKA_COPYABLE"},
        {"108=0", "CKA_SIGN"},
        {"108=1", "CKA_SIGN"},
        {"10c=0", "CKA_DERIVE"},
        {"10c=1", "CKA_DERIVE"},
        {"109=1", "CKA_SIGN_RECOVER"},
        {"105=1", "CKA_DECRYPT"},
        {"107=1", "CKA_UNWRAP"},
        {"202=1", "CKA_ALWAYS_AUTHENTICATE"},
        {"11=leak", "CKA_VALUE"},
        {"162=absent", "CKA_EXTRACTABLE"},
        {"180=0", "CKA_EC_PARAMS"},
        {"100=0", "CKA_KEY_TYPE"},
    };
    struct fault f;
    struct hsm_options o = options(NULL);
    struct key_label label = new_label();
    pubkey_t a, b;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("MOCK_P11_ATTR", cases[i].cue, 1);
        struct keystore k = mock_open(&o);
        fault_clear(&f);
        err_t e = k.ops->keys_make(k.ctx, &a, &b, &label, &f);
        if (e != ERR_TOKEN_KEY || strstr(f.detail, cases[i].name) == NULL)
            print_message("%s: %s: %s\n", cases[i].cue, err_name(e), f.detail);
        assert_int_equal(e, ERR_TOKEN_KEY);
        assert_says(cases[i].name);
        assert_int_equal(a.b[0] | b.b[0], 0);
        k.ops->close(k.ctx);
        unsetenv("MOCK_P11_ATTR");
        assert_token_is_clean(&o); /* the bad keys were destroyed */
    }
    /* Attributes are checked again when keys are found. */
    struct keystore k = mock_open(&o);
    assert_ok(k.ops->keys_make(k.ctx, &a, &b, &label, &f));
    k.ops->close(k.ctx);
    setenv("MOCK_P11_ATTR", "162=1", 1);
    k = mock_open(&o);
    assert_err(k.ops->keys_find(k.ctx, &a, &b, &label, &f), ERR_TOKEN_KEY);
    assert_ok(k.ops->forget(k.ctx, &label, &f));
    k.ops->close(k.ctx);
}

static void test_attributes_that_may_lack(void **state)
{
    (void)state;
    struct fault f;
    struct key_label label;
    struct hsm_options o = options(NULL);
    setenv("MOCK_P11_ATTR", "171=absent,109=absent,202=absent", 1);
    assert_ok(whole_run(&o, &label, &f));
}

/* --- modules with ways of their own --- */

static void test_quirks(void **state)
{
    (void)state;
    static const struct {
        const char *quirk;
        err_t err;
        const char *says;
    } cases[] = {
        {"rawpoint", OK, ""},
        {"deronly", OK, ""},
        {"nodata", OK, ""},
        {"rawpoint,deronly,nodata", OK, ""},
        {"offcurve", ERR_TOKEN_KEY, "CKA_EC_POINT"},
        {"short", ERR_TOKEN_CANNOT, "less than 32 bytes"},
        {"wrongecdh", ERR_TOKEN_KEY, "wrong secret"},
        {"shortsign", ERR_TOKEN_CANNOT, "63 bytes"},
        {"losebinding", ERR_TOKEN_CANNOT, "does not give it back"},
        {"fixedkey", ERR_TOKEN_KEY, "CKA_ALWAYS_SENSITIVE"},
    };
    struct fault f;
    struct key_label label;
    struct hsm_options o = options(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("MOCK_P11_QUIRK", cases[i].quirk, 1);
        fault_clear(&f);
        err_t e = whole_run(&o, &label, &f);
        if (e != cases[i].err)
            print_message("%s: %s: %s\n", cases[i].quirk, err_name(e), f.detail);
        assert_int_equal(e, cases[i].err);
        if (e != OK)
            assert_says(cases[i].says);
        unsetenv("MOCK_P11_QUIRK");
        struct keystore k = mock_open(&o);
        assert_ok(k.ops->forget(k.ctx, &label, &f));
        k.ops->close(k.ctx);
        assert_token_is_clean(&o);
    }
}

/* --- bindings after a crash --- */

static void test_rebind_interrupted(void **state)
{
    (void)state;
    static const char *const quirks[] = {"", "nodata"};
    struct fault f;
    struct hsm_options o = options(NULL);
    hash_t a = {{1}}, b = {{2}}, c = {{3}}, got;
    for (size_t i = 0; i < 2; i++) {
        struct key_label label = new_label();
        setenv("MOCK_P11_QUIRK", quirks[i], 1);
        setenv("MOCK_P11", "C_DestroyObject:1=crash", 1);
        struct keystore k = mock_open(&o);
        assert_ok(k.ops->bind(k.ctx, &label, BIND_PLAN, &a, &f));
        assert_err(k.ops->rebind(k.ctx, &label, BIND_PLAN, &a, &b, &f), ERR_TOKEN_FAILED);
        k.ops->close(k.ctx);
        unsetenv("MOCK_P11");
        k = mock_open(&o);
        assert_err(k.ops->bound(k.ctx, &got, &label, BIND_PLAN, &f), ERR_TOKEN_BOUND);
        assert_says("two values");
        assert_int_equal(got.b[0], 0);
        assert_err(k.ops->bind(k.ctx, &label, BIND_PLAN, &a, &f), ERR_TOKEN_BOUND);
        assert_err(k.ops->bind(k.ctx, &label, BIND_PLAN, &b, &f), ERR_TOKEN_BOUND);
        assert_err(k.ops->rebind(k.ctx, &label, BIND_PLAN, &a, &c, &f), ERR_TOKEN_BOUND);
        assert_ok(k.ops->rebind(k.ctx, &label, BIND_PLAN, &a, &b, &f));
        assert_ok(k.ops->bound(k.ctx, &got, &label, BIND_PLAN, &f));
        assert_memory_equal(&got, &b, sizeof b);
        assert_ok(k.ops->rebind(k.ctx, &label, BIND_PLAN, &a, &b, &f)); /* repeated: it is done */
        assert_ok(k.ops->forget(k.ctx, &label, &f));
        assert_err(k.ops->bound(k.ctx, &got, &label, BIND_PLAN, &f), ERR_MISSING);
        k.ops->close(k.ctx);
    }
}

/* --- probe and init --- */

static const struct hsm_check *probe_check(const struct hsm_probe *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->check[i].id, id) == 0)
            return &p->check[i];
    fail_msg("no check %s", id);
    return NULL;
}

static void test_probe_finds(void **state)
{
    (void)state;
    static const struct {
        const char *variable, *cue, *id;
    } cases[] = {
        {"MOCK_P11_QUIRK", "constrandom", "random"},
        {"MOCK_P11_QUIRK", "losebinding", "bindings"},
        {"MOCK_P11_QUIRK", "short", "keys"},
        {"MOCK_P11_ATTR", "162=1", "keys"},
        {"MOCK_P11_TOKEN", "locked", "pin-tries"},
        {"MOCK_P11", "C_GetMechanismInfo:3=CKR_MECHANISM_INVALID", "mechanisms"},
        {"MOCK_P11", "C_Login:1=CKR_PIN_INCORRECT", "login"},
        {"MOCK_P11", "C_Sign:3=CKR_DEVICE_REMOVED", "ecdsa"},
        {"MOCK_P11", "C_DeriveKey:3=CKR_FUNCTION_FAILED", "ecdh"},
        {"MOCK_P11", "C_GetTokenInfo:3=CKR_DEVICE_ERROR", "status"},
    };
    struct fault f;
    struct hsm_options o = options(NULL);
    struct hsm_probe p;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv(cases[i].variable, cases[i].cue, 1);
        assert_ok(hsm_probe(&p, tk.mock_uri, &o, NULL, 0, &f));
        assert_int_equal(probe_check(&p, cases[i].id)->verdict, HSM_FAIL);
        assert_true(p.failed > 0);
        unsetenv(cases[i].variable);
    }
    assert_ok(hsm_probe(&p, tk.mock_uri, &o, NULL, 0, &f));
    assert_int_equal(p.failed, 0);
    assert_token_is_clean(&o);
}

/* A token whose keys are known to its vendor: attributes lie, everything works, only comparing tells. */
static void test_probe_finds_known_keys(void **state)
{
    (void)state;
    struct fault f;
    struct hsm_options o = options(NULL);
    struct hsm_probe a, b;
    setenv("MOCK_P11_QUIRK", "fixedkey", 1);
    setenv("MOCK_P11_ATTR", "163=1,164=1,165=1", 1);
    assert_ok(hsm_probe(&a, tk.mock_uri, &o, NULL, 0, &f));
    assert_int_equal(probe_check(&a, "keys")->verdict, HSM_PASS);
    assert_int_equal(probe_check(&a, "distinct")->verdict, HSM_FAIL);
    assert_int_equal(probe_check(&a, "fresh")->verdict, HSM_PASS);
    assert_ok(hsm_probe(&b, tk.mock_uri, &o, a.keys, HSM_PROBE_KEYS, &f));
    assert_int_equal(probe_check(&b, "fresh")->verdict, HSM_FAIL);
    cues_clear(NULL);
    assert_token_is_clean(&o);
}

static void test_init_errors(void **state)
{
    (void)state;
    struct fault f;
    char uri[2048];
    struct hsm_options o = options(NULL);
    struct hsm_init_request r = {
        .label = "x", .force_label = "trustee-1", .so_pin = give_so_pin, .user_pin = give_user_pin};
    snprintf(uri, sizeof uri, "pkcs11:token=trustee-1?module-path=%s", tk.mock);
    setenv("MOCK_P11", "C_InitToken:1=CKR_PIN_INCORRECT", 1);
    assert_err(hsm_init(uri, &o, &r, &f), ERR_TOKEN_PIN);
    setenv("MOCK_P11", "C_InitToken:1=CKR_PIN_LOCKED", 1);
    assert_err(hsm_init(uri, &o, &r, &f), ERR_TOKEN_LOCKED);
    unsetenv("MOCK_P11");
    setenv("MOCK_P11_TOKEN", "sofinal", 1);
    assert_err(hsm_init(uri, &o, &r, &f), ERR_TOKEN_LAST_TRY);
    unsetenv("MOCK_P11_TOKEN");
    assert_token_is_clean(&o); /* and still there */
}

/* --- the k-th call fails --- */

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        closedir(d);
    return n;
}

/* Name of the call that the cue hit; empty if there was none. */
static void hit(char out[64], const char *log)
{
    out[0] = 0;
    FILE *f = fopen(log, "r");
    char line[64];
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strcmp(line, "C_Login called\n") != 0)
            snprintf(out, 64, "%.*s", (int)strcspn(line, "\n"), line);
    if (f != NULL)
        fclose(f);
    unlink(log);
}

static void run_failing_each(const char *rv, int step)
{
    struct fault f;
    char log[2048], cue[100], call[64];
    struct hsm_options o = options(NULL);
    struct key_label label;
    int files = open_files(), k;
    snprintf(log, sizeof log, "%s/each.log", tk.dir);
    setenv("MOCK_P11_LOG", log, 1);
    for (k = 1; k < 2000; k += step) {
        snprintf(cue, sizeof cue, "*:%d=%s", k, rv);
        setenv("MOCK_P11", cue, 1);
        fault_clear(&f);
        err_t e = whole_run(&o, &label, &f);
        hit(call, log);
        unsetenv("MOCK_P11");
        if (call[0] == 0) {
            assert_int_equal(e, OK);
            break;
        }
        /* These two only narrow down which token is meant: another slot's may fail. */
        int may_pass = strcmp(call, "C_GetInfo") == 0 || strcmp(call, "C_GetSlotInfo") == 0;
        if (!(e == OK && may_pass) && err_class(e) != CLASS_TOKEN)
            print_message("call %d, %s: %s: %s\n", k, call, err_name(e), f.detail);
        assert_true((e == OK && may_pass) || err_class(e) == CLASS_TOKEN);
        assert_int_equal(open_files(), files);
        struct keystore ks = mock_open(&o);
        assert_ok(ks.ops->forget(ks.ctx, &label, &f));
        if (k % 10 == 1)
            assert_ok(run_all(&ks, &label, &f)); /* it can be repeated */
        ks.ops->close(ks.ctx);
    }
    assert_in_range(k, 80, 1999);
    assert_token_is_clean(&o);
    assert_ok(whole_run(&o, &label, &f));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* The sanitizers make each run three times as slow. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 4
#else
#define STEP 1
#endif

static void test_each_call_fails(void **state)
{
    (void)state;
    run_failing_each("CKR_DEVICE_REMOVED", STEP);
}

static void test_each_call_fails_otherwise(void **state)
{
    (void)state;
    run_failing_each("CKR_FUNCTION_FAILED", 3 * STEP);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "token-process") == 0)
        return token_process();
    struct fault f;
    char uri[2048];
    if (secret_init() != OK)
        return 1;
    tokens_init();
    if (tk.softhsm[0] == 0) {
        print_message("SKIPPED: SoftHSM2, which the mock stands on, is not installed\n");
        tokens_remove();
        return 0;
    }
    snprintf(uri, sizeof uri, "pkcs11:?module-path=%s", tk.softhsm);
    if (token_make(uri, "trustee-1", &f) != OK) {
        fprintf(stderr, "no token: %s\n", f.detail);
        return 1;
    }
#define T(name) cmocka_unit_test_setup_teardown(name, cues_clear, cues_clear)
    const struct CMUnitTest tests[] = {
        T(test_return_values),
        T(test_removed_stays_removed),
        T(test_crash),
        T(test_hang),
        T(test_pin_flags),
        T(test_other_token_in_the_slot),
        T(test_no_second_login),
        T(test_attributes),
        T(test_attributes_that_may_lack),
        T(test_quirks),
        T(test_rebind_interrupted),
        T(test_probe_finds),
        T(test_probe_finds_known_keys),
        T(test_init_errors),
        T(test_each_call_fails),
        T(test_each_call_fails_otherwise),
    };
#undef T
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (token_process_leaked()) {
        print_message("a token process leaked memory\n");
        failed++;
    }
    tokens_remove();
    return failed;
}
