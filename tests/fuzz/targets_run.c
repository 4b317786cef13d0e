#include "tests/fuzz/targets_run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/metrics_serve.h"
#include "tally/settings.h"
#include "tally/verify_hashed.h"

static void need(int good)
{
    if (!good)
        abort();
}

static void write_file(const char *path, const uint8_t *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    need(f != NULL && fwrite(data, 1, len, f) == len);
    fclose(f);
}

/* What is taken comes out again, and nothing else. */
void run_metrics(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    char dir[64], path[96], *text;
    size_t text_len;
    snprintf(dir, sizeof dir, "build/tests/tmp/fuzz-metrics-%d", (int)getpid());
    snprintf(path, sizeof path, "%s/chain-s0.prom", dir);
    mkdir(dir, 0700);
    write_file(path, data, len);
    need(metrics_merge(&text, &text_len, dir, NULL, NULL) == OK);
    need(strlen(text) == text_len && (text_len == 0 || text_len == len));
    need(text_len == 0 || memcmp(text, data, len) == 0);
    free(text);
    unlink(path);
    rmdir(dir);
}

void seed_metrics(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    char *text;
    size_t len;
    struct metrics *m = calloc(1, sizeof *m);
    FILE *f = open_memstream(&text, &len);
    need(m != NULL && f != NULL && metrics_init(m, "chain", "chain-s0", "web", "s0") == OK);
    metrics_refused(m, METRIC_CHAIN_REFUSED, ERR_PROOF, 3);
    metrics_set(m, METRIC_CHAIN_HEIGHT, 7);
    metrics_observe(m, METRIC_CHAIN_BALLOT, 0.01);
    need(metrics_write(m, f) == OK);
    fclose(f);
    cbor_put_raw(out, text, len);
    free(text);
    free(m);
}

void run_request(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    int only_head;
    char *text = calloc(1, METRICS_REQUEST_MAX + 1);
    need(text != NULL);
    memcpy(text, data, len < METRICS_REQUEST_MAX ? len : METRICS_REQUEST_MAX);
    const char *status = metrics_serve_judge(text, &only_head);
    /* A good one says GET or HEAD of /metrics, to this machine. */
    if (status[0] == '2')
        need((strncmp(text, "GET /metrics", 12) == 0 && !only_head) ||
             (strncmp(text, "HEAD /metrics", 13) == 0 && only_head));
    need(status[0] == '2' || status[0] == '4');
    free(text);
}

void seed_request(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    static const char text[] = "GET /metrics HTTP/1.1\r\nHost: localhost:9472\r\nAccept: */*\r\n\r\n";
    cbor_put_raw(out, text, strlen(text));
}

void run_settings(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    char path[64];
    struct settings s;
    snprintf(path, sizeof path, "build/tests/tmp/fuzz-settings-%d", (int)getpid());
    write_file(path, data, len);
    err_t e = settings_load(&s, path, NULL, NULL);
    need(s.threads <= SETTINGS_THREADS_MAX && s.batch_points <= SETTINGS_POINTS_MAX);
    need(s.batch_points == 0 || s.batch_points >= SETTINGS_POINTS_MIN);
    need(s.window <= SETTINGS_WINDOW_MAX && s.block <= SETTINGS_BLOCK_MAX);
    need(s.seconds <= SETTINGS_SECONDS_MAX && s.node_batch <= SETTINGS_NODE_BATCH_MAX);
    need(s.node_queue <= SETTINGS_NODE_QUEUE_MAX && s.node_threads <= SETTINGS_NODE_THREADS_MAX);
    static const struct settings none;
    need(e == OK || memcmp(&s, &none, sizeof s) == 0);
    unlink(path);
}

void seed_settings(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    static const char text[] =
        "{\"settings\": 1, \"threads\": 8, \"batch_points\": 65536, \"window\": 12, \"chain_block\": 1000,"
        " \"chain_seconds\": 5, \"chain_batch\": 256, \"chain_queue\": 4096, \"chain_threads\": 1,"
        " \"about\": \"measured\"}";
    cbor_put_raw(out, text, strlen(text));
}

static const hash_t hashed_sums = {{7}};

static void hashed_name(char out[200], const char *dir)
{
    char hex[2 * HASH_LEN + 1];
    hex_put(hex, hashed_sums.b, HASH_LEN);
    snprintf(out, 200, "%s/files-%s", dir, hex);
}

/* Whatever is in it: what is added afterwards is there, and a file that was never read is not. */
void run_hashed(struct fuzz_world *w, const uint8_t *data, size_t len)
{
    (void)w;
    char dir[64], path[200];
    struct verify_hashed *h;
    struct stat st = {.st_mode = S_IFREG, .st_ino = 3, .st_size = 5};
    snprintf(dir, sizeof dir, "build/tests/tmp/fuzz-hashed-%d", (int)getpid());
    hashed_name(path, dir);
    mkdir(dir, 0700);
    write_file(path, data, len);
    chmod(path, 0600);
    if (verify_hashed_open(&h, dir, &hashed_sums, NULL) == OK) {
        need(!verify_hashed_has(h, "never/read", &hashed_sums, &st));
        need(verify_hashed_add(h, "exports/a", &hashed_sums, &st, NULL) == OK);
        need(verify_hashed_save(h, NULL) == OK);
        verify_hashed_close(h);
        need(verify_hashed_open(&h, dir, &hashed_sums, NULL) == OK);
        need(verify_hashed_has(h, "exports/a", &hashed_sums, &st));
        verify_hashed_close(h);
    }
    unlink(path);
    rmdir(dir);
}

void seed_hashed(struct fuzz_world *w, struct cbor_out *out)
{
    (void)w;
    char dir[64], path[200];
    struct verify_hashed *h;
    struct stat st = {.st_mode = S_IFREG, .st_size = 5};
    uint8_t *data;
    size_t len;
    snprintf(dir, sizeof dir, "build/tests/tmp/fuzz-hashed-seed-%d", (int)getpid());
    hashed_name(path, dir);
    need(verify_hashed_open(&h, dir, &hashed_sums, NULL) == OK);
    for (st.st_ino = 100; st.st_ino < 105; st.st_ino++)
        need(verify_hashed_add(h, "exports/b", &hashed_sums, &st, NULL) == OK);
    need(verify_hashed_save(h, NULL) == OK);
    verify_hashed_close(h);
    need(file_read(&data, &len, path, 1 << 16, NULL) == OK);
    cbor_put_raw(out, data, len);
    free(data);
    unlink(path);
    rmdir(dir);
}
