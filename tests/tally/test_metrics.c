/* Numbers: what is written, how files come together, and the server against clients that are not kind. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/metrics_serve.h"
#include "tests/support/tree.h"
#include "tests/support/unit.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/conclave-metrics-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    tree_rm(dir);
    return 0;
}

static struct metrics *fresh(const char *program, const char *process, const char *shard)
{
    struct metrics *m = calloc(1, sizeof *m);
    assert_non_null(m);
    assert_err(metrics_init(m, program, process, shard ? "web" : NULL, shard), OK);
    return m;
}

static char *text_of(const struct metrics *m)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_err(metrics_write(m, out), OK);
    fclose(out);
    return text;
}

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = strstr(text, what); p != NULL; p = strstr(p + 1, what))
        n++;
    return n;
}

static void assert_has(const char *text, const char *line)
{
    if (strstr(text, line) == NULL)
        fail_msg("%s\nis not in:\n%s", line, text);
}

/* --- writing --- */

static void names_follow_the_rules(void **state)
{
    (void)state;
    for (enum metric i = 0; i < METRIC_COUNT; i++) {
        const char *name = metrics_name(i);
        size_t len = strlen(name);
        assert_true(strncmp(name, "conclave_", 9) == 0 && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == len);
        int total = len > 6 && strcmp(name + len - 6, "_total") == 0;
        assert_int_equal(total, strcmp(metrics_type(i), "counter") == 0);
        for (enum metric k = 0; k < i; k++)
            assert_string_not_equal(name, metrics_name(k));
    }
}

static void names_of_processes_are_identifiers(void **state)
{
    (void)state;
    struct metrics *m = fresh("chain", "a", NULL);
    assert_err(metrics_init(m, "chain", "a\"b", NULL, NULL), ERR_TEXT);
    assert_err(metrics_init(m, "chain", "../a", NULL, NULL), ERR_TEXT);
    assert_err(metrics_init(m, "chain", NULL, NULL, NULL), ERR_TEXT);
    assert_err(metrics_init(m, "chain", "a", NULL, ""), ERR_TEXT);
    assert_int_equal(m->process[0], 0);
    free(m);
}

static void what_was_counted_is_written(void **state)
{
    (void)state;
    struct metrics *m = fresh("chain", "chain-s01", "s01");
    metrics_add(m, METRIC_CHAIN_ACCEPTED, 3);
    metrics_add(m, METRIC_CHAIN_ACCEPTED, 4);
    metrics_refused(m, METRIC_CHAIN_REFUSED, ERR_PROOF, 2);
    metrics_set(m, METRIC_CHAIN_QUEUE, 12.5);
    metrics_observe(m, METRIC_CHAIN_BALLOT, 0.0001); /* a bound belongs to its bucket */
    metrics_observe(m, METRIC_CHAIN_BALLOT, 0.02);
    metrics_observe(m, METRIC_CHAIN_BALLOT, 100);
    metrics_observe(m, METRIC_CHAIN_BALLOT, -1);
    metrics_observe_many(m, METRIC_CHAIN_NULLIFIER, 3e-7, 1000);
    char *t = text_of(m);
#define L "{process=\"chain-s01\",program=\"chain\",chain=\"web\",shard=\"s01\""
    assert_has(t, "# HELP conclave_chain_ballots_accepted_total Ballots ack");
    assert_has(t,
               "# TYPE conclave_chain_ballots_accepted_total counter\nconclave_chain_ballots_accepted_total" L
               "} 7\n");
    assert_has(t, "conclave_chain_ballots_refused_total" L ",error=\"ERR_PROOF\"} 2\n");
    assert_int_equal(times(t, "error="), 1);
    assert_has(t, "conclave_chain_queue_ballots" L "} 12.5\n");
    assert_has(t, "conclave_chain_ballot_seconds_bucket" L ",le=\"0.0001\"} 2\n");
    assert_has(t, "conclave_chain_ballot_seconds_bucket" L ",le=\"0.01\"} 2\n");
    assert_has(t, "conclave_chain_ballot_seconds_bucket" L ",le=\"0.025\"} 3\n");
    assert_has(t, "conclave_chain_ballot_seconds_bucket" L ",le=\"30.0\"} 3\n");
    assert_has(t, "conclave_chain_ballot_seconds_bucket" L ",le=\"+Inf\"} 4\n");
    assert_has(t, "conclave_chain_ballot_seconds_sum" L "} 100.020100000\n");
    assert_has(t, "conclave_chain_ballot_seconds_count" L "} 4\n");
    assert_has(t, "conclave_chain_nullifier_seconds_sum" L "} 0.000300000\n");
    assert_has(t, "conclave_chain_ballots_again_total" L "} 0\n"); /* of this program: from the start */
    assert_has(t, "conclave_process_start_time_seconds" L "} ");
    assert_int_equal(times(t, "conclave_verify_"), 0);
    assert_int_equal(times(t, "conclave_chain_height"), 0); /* a gauge that was never set */
    free(t);
    /* another kind is left alone */
    metrics_add(m, METRIC_CHAIN_QUEUE, 5);
    metrics_set(m, METRIC_CHAIN_ACCEPTED, 5);
    metrics_observe(m, METRIC_CHAIN_ACCEPTED, 5);
    metrics_refused(m, METRIC_CHAIN_ACCEPTED, ERR_IO, 5);
    metrics_add(NULL, METRIC_CHAIN_ACCEPTED, 1);
    t = text_of(m);
    assert_has(t, "conclave_chain_queue_ballots" L "} 12.5\n");
    assert_has(t, "conclave_chain_ballots_accepted_total" L "} 7\n");
    free(t);
    free(m);
}

static void threads_lose_nothing(void **state)
{
    (void)state;
    struct metrics *m = fresh("verify", "v", NULL);
#pragma omp parallel for num_threads(4)
    for (int i = 0; i < 40000; i++) {
        metrics_add(m, METRIC_VERIFY_BALLOTS, 2);
        metrics_observe(m, METRIC_VERIFY_BATCH, 0.001);
    }
    char *t = text_of(m);
    assert_has(t, "conclave_verify_ballots_total{process=\"v\",program=\"verify\"} 80000\n");
    assert_has(t, "conclave_verify_batch_seconds_sum{process=\"v\",program=\"verify\"} 40.000000000\n");
    free(t);
    free(m);
}

static void assert_running(const char *path, const char *value)
{
    uint8_t *text;
    size_t len;
    char line[160];
    struct fault f;
    assert_err(file_read(&text, &len, path, 1 << 20, &f), OK);
    snprintf(line, sizeof line,
             "\nconclave_process_running{process=\"one\",program=\"chain\",chain=\"web\",shard=\"s0\"} %s\n",
             value);
    assert_has((char *)text, line);
    free(text);
}

static void a_file_is_replaced_whole(void **state)
{
    (void)state;
    struct metrics *m = fresh("chain", "one", "s0");
    struct fault f;
    char sub[100], path[128];
    snprintf(sub, sizeof sub, "%s/metrics", dir);
    snprintf(path, sizeof path, "%s/one.prom", sub);
    fault_clear(&f);
    assert_err(metrics_publish(m, sub, 0, &f), OK);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_running(path, "1");
    unlink(path);
    assert_err(metrics_publish(m, sub, 0, &f), OK); /* too soon */
    assert_int_not_equal(stat(path, &st), 0);
    assert_err(metrics_publish(m, sub, 1, &f), OK);
    assert_running(path, "0"); /* the last one */
    assert_err(metrics_write_file(m, "/nowhere/at/all.prom", &f), ERR_IO);
    assert_err(metrics_publish(m, path, 1, &f), ERR_IO); /* a file where the directory should be */
    free(m);
}

/* --- together --- */

static char *merged(const char *sub, struct metrics *own)
{
    char *t;
    size_t len;
    struct fault f;
    fault_clear(&f);
    assert_err(metrics_merge(&t, &len, sub, own, &f), OK);
    assert_int_equal(strlen(t), len);
    return t;
}

static void files_come_together(void **state)
{
    (void)state;
    char sub[100];
    struct fault f;
    snprintf(sub, sizeof sub, "%s/together", dir);
    struct metrics *own = fresh("metrics", "serve-metrics", NULL);
    char *t = merged(sub, own); /* no directory yet */
    assert_has(t, "conclave_metrics_files{process=\"serve-metrics\",program=\"metrics\"} 0\n");
    free(t);
    const char *const shard[] = {"s0", "s10", "s11"};
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "chain-%s", shard[i]);
        struct metrics *m = fresh("chain", name, shard[i]);
        metrics_add(m, METRIC_CHAIN_ACCEPTED, (uint64_t)i + 1);
        metrics_observe(m, METRIC_CHAIN_BALLOT, 0.1);
        metrics_refused(m, METRIC_CHAIN_REFUSED, ERR_DUPLICATE, 1);
        assert_err(metrics_publish(m, sub, 1, &f), OK);
        free(m);
    }
    t = merged(sub, own);
    assert_int_equal(times(t, "# TYPE conclave_chain_ballots_accepted_total counter\n"), 1);
    assert_int_equal(times(t, "# HELP conclave_chain_ballots_accepted_total "), 1);
    assert_int_equal(times(t, "# TYPE conclave_chain_ballot_seconds histogram\n"), 1);
    assert_int_equal(times(t, "\nconclave_chain_ballots_accepted_total{"), 3);
    assert_int_equal(times(t, "\nconclave_chain_ballot_seconds_bucket{process=\"chain-s10\""), 18);
    assert_int_equal(times(t, "\nconclave_process_start_time_seconds{"), 4);
    assert_has(t, "conclave_metrics_files{process=\"serve-metrics\",program=\"metrics\"} 3\n");
    assert_has(t, "conclave_metrics_files_refused{process=\"serve-metrics\",program=\"metrics\"} 0\n");
    /* all samples of a family stand together */
    const char *p = strstr(t, "# TYPE conclave_chain_ballots_accepted_total");
    for (int i = 0; i < 3; i++) {
        p = strchr(p, '\n') + 1;
        assert_int_equal(strncmp(p, "conclave_chain_ballots_accepted_total{", 38), 0);
    }
    free(t);
    free(own);
}

static void put_file(const char *sub, const char *name, const char *text)
{
    char path[256];
    struct fault f;
    snprintf(path, sizeof path, "%s/%s", sub, name);
    assert_err(file_mkdir(sub, &f), OK);
    assert_err(file_write(path, text, strlen(text), FILE_REPLACE, &f), OK);
}

#define HEAD                                                                                                 \
    "# HELP conclave_chain_height Height of the last signed header.\n# TYPE conclave_chain_height gauge\n"
#define SIZE_HEAD                                                                                            \
    "# HELP conclave_chain_size_ballots Ballots under the last signed root.\n"                               \
    "# TYPE conclave_chain_size_ballots gauge\n"

static void what_no_program_writes_is_left_out(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "conclave_chain_height{process=\"x\"} 1\n", /* no head */
        "# TYPE conclave_chain_height gauge\nconclave_chain_height{process=\"x\"} 1\n",
        HEAD "conclave_chain_height{process=\"y\"} 1\n", /* another's name */
        HEAD "conclave_chain_height 1\n",                /* no label */
        HEAD "conclave_chain_height{shard=\"s0\",process=\"x\"} 1\n",
        HEAD "conclave_chain_height{process=\"x\"} 1", /* no end */
        HEAD "conclave_chain_height{process=\"x\"} one\n",
        HEAD "conclave_chain_height{process=\"x\"} nan(1)\n",
        HEAD "conclave_chain_height{process=\"x\"} infinity\n",
        HEAD "conclave_chain_height{process=\"x\"} 0x1p3\n",
        HEAD "conclave_chain_height{process=\"x\"} \t1\n",
        HEAD "conclave_chain_height{process=\"x\"}\n",
        HEAD "conclave_chain_height{process=\"x\"} \n",
        HEAD "conclave_chain_height{process=\"x\"} 1 2\n",
        HEAD "conclave_chain_height{process=\"x\",a=\"\n\"} 1\n",
        HEAD "conclave_chain_height{process=\"x\",a=\"<b>\"} 1\n",
        HEAD "conclave_chain_height{process=\"x\"} 1\nconclave_chain_height{process=\"x\"} 2\n", /* twice */
        HEAD "conclave_chain_height_sum{process=\"x\"} 1\n",
        HEAD "conclave_chain_heigh{process=\"x\"} 1\n",
        HEAD, /* nothing under it */
        HEAD "conclave_chain_height{process=\"x\"} 1\n" HEAD "conclave_chain_height{process=\"x\"} 1\n",
        HEAD "conclave_chain_height{process=\"x\"} 1\n" SIZE_HEAD
             "conclave_chain_size_ballots{process=\"x\"} 1\n",
        HEAD "conclave_chain_height{process=\"x\"} 1\n# HELP up Up.\n# TYPE up gauge\nup{process=\"x\"} 1\n",
        "\n",
        "# EOF\n",
    };
    char sub[100];
    snprintf(sub, sizeof sub, "%s/bad", dir);
    struct metrics *own = fresh("metrics", "serve-metrics", NULL);
    put_file(sub, "good.prom", HEAD "conclave_chain_height{process=\"good\",a=\"b\"} 1\n");
    put_file(sub, ".tmp-x.prom", "half");
    put_file(sub, "README", "not ours to read");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_file(sub, "x.prom", bad[i]);
        char *t = merged(sub, own);
        if (strstr(t, "conclave_metrics_files_refused{process=\"serve-metrics\",program=\"metrics\"} 1\n") ==
            NULL)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(times(t, "process=\"x\""), 0);
        assert_has(t, HEAD "conclave_chain_height{process=\"good\",a=\"b\"} 1\n");
        free(t);
    }
    put_file(sub, "x.prom", ""); /* after a crash of the machine */
    char *t = merged(sub, own);
    assert_has(t, "conclave_metrics_files_refused{process=\"serve-metrics\",program=\"metrics\"} 0\n");
    free(t);
    char path[128];
    snprintf(path, sizeof path, "%s/pipe.prom", sub);
    assert_int_equal(mkfifo(path, 0600), 0); /* waits for nobody */
    snprintf(path, sizeof path, "%s/big.prom", sub);
    FILE *big = fopen(path, "w");
    for (size_t i = 0; i <= METRICS_FILE_MAX; i++)
        putc('#', big);
    fclose(big);
    t = merged(sub, own);
    assert_has(t, "conclave_metrics_files_refused{process=\"serve-metrics\",program=\"metrics\"} 2\n");
    free(t);
    free(own);
}

/* --- the server --- */

struct serving {
    struct metrics_server *server;
    struct metrics *own;
    volatile sig_atomic_t stop;
    pthread_t thread;
    char sub[100];
    int six;
};

static void *serve(void *arg)
{
    struct serving *s = arg;
    struct fault f;
    fault_clear(&f);
    return metrics_server_run(s->server, &s->stop, &f) == OK ? s : NULL;
}

static void serving_start(struct serving *s, int six)
{
    struct fault f;
    memset(s, 0, sizeof *s);
    snprintf(s->sub, sizeof s->sub, "%s/together", dir);
    s->own = fresh("metrics", "serve-metrics", NULL);
    s->six = six;
    assert_err(metrics_server_open(&s->server, s->sub, 0, six, s->own, &f), OK);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void serving_end(struct serving *s)
{
    void *good;
    s->stop = 1;
    pthread_join(s->thread, &good);
    assert_ptr_equal(good, s);
    metrics_server_free(s->server);
    free(s->own);
}

static int dial(const struct serving *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(metrics_server_port(s->server))};
    struct sockaddr_in6 b = {.sin6_family = AF_INET6, .sin6_port = a.sin_port, .sin6_addr = in6addr_loopback};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(s->six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (s->six)
        assert_int_equal(connect(fd, (struct sockaddr *)&b, sizeof b), 0);
    else
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* Everything up to the end of the connection. */
static char *read_out(int fd)
{
    size_t len = 0, cap = 1 << 20;
    char *t = malloc(cap);
    assert_non_null(t);
    for (;;) {
        ssize_t n = recv(fd, t + len, cap - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    t[len] = '\0';
    close(fd);
    return t;
}

static char *ask(const struct serving *s, const char *request)
{
    int fd = dial(s);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    return read_out(fd);
}

static void assert_answer(const struct serving *s, const char *request, const char *status)
{
    char *t = ask(s, request);
    char line[64];
    snprintf(line, sizeof line, "HTTP/1.1 %s", status);
    if (strncmp(t, line, strlen(line)) != 0)
        fail_msg("%s\ngave: %.200s", request, t);
    free(t);
}

static void the_server_answers_metrics_and_nothing_else(void **state)
{
    (void)state;
    struct serving s;
    serving_start(&s, 0);
    char *t = ask(&s, "GET /metrics HTTP/1.1\r\nHost: localhost:9472\r\nAccept: */*\r\n\r\n");
    assert_int_equal(strncmp(t, "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_has(t, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    char *body = strstr(t, "\r\n\r\n") + 4;
    assert_has(body, "conclave_chain_ballots_accepted_total{process=\"chain-s11\"");
    char length[64];
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
    assert_has(t, length);
    free(t);
    t = ask(&s, "HEAD /metrics HTTP/1.0\n\n");
    assert_int_equal(strncmp(t, "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_int_equal(strlen(strstr(t, "\r\n\r\n")), 4);
    free(t);
#define HOST "Host: 127.0.0.1\r\n\r\n"
    assert_answer(&s, "GET /metrics?x=1 HTTP/1.1\r\n" HOST, "200");
    assert_answer(&s, "GET / HTTP/1.1\r\n" HOST, "404");
    assert_answer(&s, "GET /metrics/../../etc/passwd HTTP/1.1\r\n" HOST, "404");
    assert_answer(&s, "POST /metrics HTTP/1.1\r\n" HOST, "405");
    assert_answer(&s, "GET /metrics HTTP/2.0\r\n" HOST, "400");
    assert_answer(&s, "GET  /metrics HTTP/1.1\r\n" HOST, "400");
    assert_answer(&s, "GET\n/metrics\nHTTP/1.1\r\n" HOST, "400");
    assert_answer(&s, "get /metrics HTTP/1.1\r\n" HOST, "400");
    assert_answer(&s, "\r\n\r\n", "400");
    assert_answer(&s, "GET /metrics HTTP/1.1\r\n\r\n", "421");
    assert_answer(&s, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421");
    assert_answer(&s, "GET /metrics HTTP/1.0\r\nHost: evil.example\r\n\r\n", "421");
    assert_answer(&s, "GET /metrics HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", "421");
    assert_answer(&s, "GET /metrics HTTP/1.1\r\nHost: localhost:1:2\r\n\r\n", "421");
    assert_answer(&s, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "421");
    char long_one[METRICS_REQUEST_MAX + 1];
    memset(long_one, 'a', sizeof long_one);
    memcpy(long_one, "GET /metrics HTTP/1.1\r\nX: ", 26);
    long_one[METRICS_REQUEST_MAX] = '\0';
    assert_answer(&s, long_one, "431");
    /* What it has not read does not take the answer back. */
    char longer[4 * METRICS_REQUEST_MAX];
    memset(longer, 'a', sizeof longer);
    memcpy(longer, "GET /", 5);
    longer[sizeof longer - 1] = '\0';
    assert_answer(&s, longer, "431");
    snprintf(longer, sizeof longer, "GET /metrics HTTP/1.1\r\n" HOST "%8000s", "x");
    assert_answer(&s, longer, "200");
    int fd = dial(&s);
    assert_int_equal(send(fd, "GET\0/", 5, MSG_NOSIGNAL), 5);
    t = read_out(fd);
    assert_int_equal(strncmp(t, "HTTP/1.1 400", 12), 0);
    free(t);
    serving_end(&s);
}

static void slow_clients_hold_nobody_up(void **state)
{
    (void)state;
    struct serving s;
    int idle[METRICS_CLIENTS_MAX];
    serving_start(&s, 0);
    for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
        idle[i] = dial(&s);
        assert_int_equal(send(idle[i], "GET /me", 7, MSG_NOSIGNAL), 7);
    }
    /* All places are taken: the next one is served when they have been sent away. */
    assert_answer(&s, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "200");
    for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
        char c;
        assert_true(recv(idle[i], &c, 1, 0) <= 0);
        close(idle[i]);
    }
    /* One that asks and goes away does no harm. */
    int fd = dial(&s);
    assert_true(send(fd, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 43, MSG_NOSIGNAL) > 0);
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    assert_answer(&s, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "200");
    serving_end(&s);
}

static void only_loopback_and_one_at_a_port(void **state)
{
    (void)state;
    struct serving s;
    struct fault f;
    struct metrics_server *second;
    serving_start(&s, 0);
    assert_err(metrics_server_open(&second, s.sub, metrics_server_port(s.server), 0, s.own, &f), ERR_BUSY);
    assert_null(second);
    serving_end(&s);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int six = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (fd >= 0)
        close(fd);
    if (!six) {
        print_message("no IPv6 on this machine\n");
        skip();
    }
    serving_start(&s, 1);
    assert_answer(&s, "GET /metrics HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200");
    serving_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_rules),
        cmocka_unit_test(names_of_processes_are_identifiers),
        cmocka_unit_test(what_was_counted_is_written),
        cmocka_unit_test(threads_lose_nothing),
        cmocka_unit_test(a_file_is_replaced_whole),
        cmocka_unit_test(files_come_together),
        cmocka_unit_test(what_no_program_writes_is_left_out),
        cmocka_unit_test(the_server_answers_metrics_and_nothing_else),
        cmocka_unit_test(slow_clients_hold_nobody_up),
        cmocka_unit_test(only_loopback_and_one_at_a_port),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
