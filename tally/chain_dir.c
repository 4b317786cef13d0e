#include "tally/chain_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/ballot_form.h"
#include "tally/chain_parts.h"
#include "tally/settings.h"

#define FILE_NAME "chain.cbor"
#define FILE_LEN_MAX 4096
#define LOCK_TRIES 40 /* 50 ms each: 2 s */
#define LOCK_WAIT_NS 50000000

/* --- paths --- */

err_t chain_dir_path(char out[CHAIN_PATH_MAX], const struct chain_dir *d, const char *name)
{
    return file_path(out, CHAIN_PATH_MAX, d->path, name);
}

err_t chain_shard_path(char out[CHAIN_PATH_MAX], const struct chain_dir *d, const char *shard,
                       const char *file)
{
    int n =
        snprintf(out, CHAIN_PATH_MAX, "%s/shards/s%s%s%s", d->path, shard, file ? "/" : "", file ? file : "");
    return n > 0 && n < CHAIN_PATH_MAX ? OK : ERR_LIMIT;
}

const char *chain_tally_name(uint64_t height)
{
    return height & 1 ? "tally.1" : "tally.0";
}

void chain_number_name(char out[32], const char *in, uint64_t number)
{
    snprintf(out, 32, "%.10s/%08llu.zst", in, (unsigned long long)number);
}

err_t chain_sync_dir(const char *path, struct fault *f)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int bad = fd < 0 || fsync(fd) != 0;
    if (fd >= 0)
        close(fd);
    return bad ? fault_file(f, fault_set(f, ERR_IO, "syncing: %s", strerror(errno)), path) : OK;
}

/* --- chain.cbor --- */

static err_t settings_check(const struct chain_settings *s, struct fault *f)
{
    if (s->block < 1 || s->block > CHAIN_BLOCK_MAX)
        return fault_set(f, ERR_LIMIT, "a block has 1 to %d ballots", CHAIN_BLOCK_MAX);
    if (s->seconds < 1 || s->seconds > 5)
        return fault_set(f, ERR_LIMIT, "a block is finished after 1 to 5 seconds");
    return OK;
}

static err_t settings_write(const char *path, const struct chain_context *ctx, const struct chain_settings *s,
                            struct fault *f)
{
    char file[CHAIN_PATH_MAX];
    struct cbor_out o = CBOR_OUT_INIT;
    TRY(file_path(file, sizeof file, path, FILE_NAME));
    cbor_put_array(&o, 9);
    chain_put_start(&o, ctx, "conclave/chain-node");
    cbor_put_uint(&o, s->block);
    cbor_put_uint(&o, s->seconds);
    cbor_put_uint(&o, s->hints);
    err_t e =
        o.err != OK ? fault_set(f, o.err, "making a chain") : file_write(file, o.data, o.len, FILE_NEW, f);
    cbor_out_free(&o);
    return e;
}

/* Which chain the file names, before anything else is believed. */
static err_t chain_of(uint32_t *out, const struct election_context *e, const uint8_t *data, size_t len,
                      struct fault *f)
{
    struct cbor_in in;
    char id[TEXT_ID_MAX + 1];
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 9);
    tally_get_start(&in, e, "conclave/chain-node");
    cbor_get_id(&in, id, TEXT_ID_MAX);
    if (in.err != OK)
        return tally_get_end(&in, f, "the node of another election or record, or none");
    int index = manifest_chain(e->m, id);
    if (index < 0)
        return fault_set(f, ERR_UNKNOWN, "there is no chain %s in this election", id);
    *out = (uint32_t)index;
    return OK;
}

static err_t settings_parse(struct chain_dir *d, const struct election_context *e, const uint8_t *data,
                            size_t len, struct fault *f)
{
    struct cbor_in in;
    uint32_t index = 0;
    TRY(chain_of(&index, e, data, len, f));
    chain_context_init(&d->ctx, e, index);
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 9);
    chain_get_start(&in, &d->ctx, "conclave/chain-node");
    d->settings.block = (uint32_t)cbor_get_uint(&in, CHAIN_BLOCK_MAX);
    d->settings.seconds = (uint32_t)cbor_get_uint(&in, 5);
    d->settings.hints = (uint32_t)cbor_get_uint(&in, 1);
    TRY(tally_get_end(&in, f, "settings of a chain's node"));
    return settings_check(&d->settings, f);
}

static err_t settings_read(struct chain_dir *d, const struct election_context *e, struct fault *f)
{
    char file[CHAIN_PATH_MAX];
    uint8_t *data;
    size_t len;
    TRY(chain_dir_path(file, d, FILE_NAME));
    TRY(file_read(&data, &len, file, FILE_LEN_MAX, f));
    err_t err = settings_parse(d, e, data, len, f);
    free(data);
    return fault_file(f, err, file);
}

/* --- making and opening --- */

static err_t path_set(struct chain_dir *d, const char *path, struct fault *f)
{
    memset(d, 0, sizeof *d);
    d->lock_fd = -1;
    d->tuning = (struct chain_tuning){
        .batch = SETTINGS_NODE_BATCH, .queue = SETTINGS_NODE_QUEUE, .threads = SETTINGS_NODE_THREADS};
    if (strlen(path) >= CHAIN_PATH_MAX - 64)
        return fault_set(f, ERR_LIMIT, "the name of the directory is too long");
    memcpy(d->path, path, strlen(path) + 1);
    return OK;
}

err_t chain_shard_create(const struct chain_dir *d, const char *shard, struct fault *f)
{
    static const char *const sub[] = {"blocks", "segments"};
    char path[CHAIN_PATH_MAX];
    for (size_t i = 0; i < 2; i++) {
        TRY(chain_shard_path(path, d, shard, sub[i]));
        TRY(file_mkdir(path, f));
    }
    TRY(chain_shard_path(path, d, shard, NULL));
    TRY(chain_sync_dir(path, f));
    TRY(chain_dir_path(path, d, "shards"));
    return chain_sync_dir(path, f);
}

err_t chain_dir_create(const char *path, const struct election_context *e, const char *chain,
                       const struct chain_settings *settings, unsigned bits, struct fault *f)
{
    struct chain_dir d;
    char file[CHAIN_PATH_MAX];
    int index = manifest_chain(e->m, chain);
    if (index < 0)
        return fault_set(f, ERR_UNKNOWN, "there is no chain %s in this election", chain);
    if (bits > CHAIN_SHARD_MAX)
        return fault_set(f, ERR_LIMIT, "at most 2^%d shards", CHAIN_SHARD_MAX);
    TRY(settings_check(settings, f));
    TRY(path_set(&d, path, f));
    chain_context_init(&d.ctx, e, (uint32_t)index);
    TRY(chain_dir_path(file, &d, FILE_NAME));
    if (access(file, F_OK) == 0)
        return fault_file(f, fault_set(f, ERR_EXISTS, "there is a chain already"), file);
    for (uint32_t i = 0; i < 1u << bits; i++) {
        char name[CHAIN_SHARD_MAX + 1] = "";
        for (unsigned k = 0; k < bits; k++)
            name[k] = (char)('0' + (i >> (bits - 1 - k) & 1));
        TRY(chain_shard_create(&d, name, f));
    }
    TRY(chain_dir_path(file, &d, "snapshots"));
    TRY(file_mkdir(file, f));
    return settings_write(path, &d.ctx, settings, f);
}

static err_t lock_file(int *fd, const struct chain_dir *d, const char *name, int tries, struct fault *f)
{
    char file[CHAIN_PATH_MAX];
    TRY(chain_dir_path(file, d, name));
    TRY(file_open_state(fd, file, O_RDWR | O_CREAT, 0644, f));
    for (int i = 0; i < tries; i++) {
        if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
            return OK;
        if (i + 1 < tries)
            nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT_NS}, NULL);
    }
    close(*fd);
    *fd = -1;
    return fault_file(f, fault_set(f, ERR_BUSY, "another process of this chain is running"), file);
}

err_t chain_shard_half(struct chain_shard_name *out, const struct chain_shard_name *of, char bit,
                       struct fault *f)
{
    size_t len = strlen(of->s);
    *out = *of;
    if (len == CHAIN_SHARD_MAX)
        return fault_set(f, ERR_RULE, "shard s%s cannot be split any more", of->s);
    out->s[len] = bit;
    return OK;
}

/* A shard that was split has its halves. */
static err_t complete_splits(const struct chain_dir *d, struct fault *f)
{
    struct chain_shard_look *look;
    struct chain_shard_name half;
    size_t count;
    TRY(chain_dir_shards(&look, &count, d, f));
    err_t e = OK;
    for (size_t i = 0; i < count && e == OK; i++)
        for (char bit = '0'; bit <= '1' && e == OK && look[i].last.state == CHAIN_SPLIT; bit++) {
            e = chain_shard_half(&half, &look[i].name, bit, f);
            if (e == OK)
                e = chain_shard_create(d, half.s, f);
        }
    free(look);
    return e;
}

err_t chain_dir_open(struct chain_dir *out, const char *path, const struct election_context *e, int lock,
                     struct fault *f)
{
    TRY(path_set(out, path, f));
    err_t err = settings_read(out, e, f);
    if (err == OK && lock) /* shards of a front that was killed end when they notice */
        err = lock_file(&out->lock_fd, out, "lock", LOCK_TRIES, f);
    if (err == OK && lock)
        err = complete_splits(out, f);
    if (err == OK && lock)
        err = chain_dir_check(out, f);
    if (err != OK)
        chain_dir_close(out);
    return err;
}

err_t chain_dir_settle(struct chain_dir *d, struct fault *f)
{
    err_t e = lock_file(&d->lock_fd, d, "lock", 1, f);
    if (e == ERR_BUSY) {
        fault_clear(f);
        return OK;
    }
    if (e == OK)
        e = complete_splits(d, f);
    if (e == OK)
        e = chain_dir_check(d, f);
    chain_dir_close(d);
    return e;
}

err_t chain_dir_lock_export(int *fd, const struct chain_dir *d, struct fault *f)
{
    return lock_file(fd, d, "export.lock", 1, f);
}

void chain_dir_close(struct chain_dir *d)
{
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    d->lock_fd = -1;
}

/* --- shards --- */

struct listing {
    const struct chain_dir *d;
    struct chain_shard_look *look;
    size_t count, cap;
};

static err_t list_one(void *ctx, const char *name, struct fault *f)
{
    struct listing *l = ctx;
    struct chain_shard_name shard;
    if (name[0] != 's' || chain_shard_parse(&shard, name + 1) != OK)
        return fault_set(f, ERR_FORMAT, "%s among the shards is no shard", name);
    if (l->count == l->cap) {
        size_t cap = l->cap * 2 + 16;
        struct chain_shard_look *grown = realloc(l->look, cap * sizeof *grown);
        if (!grown)
            return fault_set(f, ERR_MEMORY, "shards");
        l->look = grown;
        l->cap = cap;
    }
    TRY(chain_shard_look(&l->look[l->count], l->d, shard.s, f));
    l->count++;
    return OK;
}

err_t chain_dir_shards(struct chain_shard_look **out, size_t *count, const struct chain_dir *d,
                       struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    struct listing l = {.d = d};
    *out = NULL;
    *count = 0;
    TRY(chain_dir_path(path, d, "shards"));
    err_t e = file_list(path, list_one, &l, f);
    if (e != OK) {
        free(l.look);
        return e;
    }
    *out = l.look;
    *count = l.count;
    return OK;
}

/* Head and content of one header at most; 0 if there is no complete one. */
static size_t header_read(FILE *in, uint8_t *data, size_t *len)
{
    int first = getc(in), a = first == 0x58 || first == 0x59 ? getc(in) : EOF,
        b = first == 0x59 ? getc(in) : EOF;
    if (a == EOF || (first == 0x59 && b == EOF))
        return 0;
    *len = first == 0x58 ? (size_t)a : (size_t)a << 8 | (size_t)b;
    size_t head = first == 0x58 ? 2 : 3;
    if (*len == 0 || *len > CHAIN_HEADER_MAX || cbor_head_len(*len) != head ||
        fread(data, 1, *len, in) != *len)
        return 0;
    return head + *len;
}

/* Headers are of about one length, so this reads the file once without understanding it but for the last
 * one. One that is torn was never finished: nothing in it was acknowledged by it. More than one cannot be
 * torn. */
static err_t scan(struct chain_shard_look *out, const struct chain_dir *d, FILE *in, struct fault *f)
{
    uint8_t data[2][CHAIN_HEADER_MAX];
    size_t len[2] = {0, 0}, step[2] = {0, 0}, n;
    uint64_t count = 0;
    struct stat st; /* as it is before: the node may go on while we read */
    if (fstat(fileno(in), &st) != 0)
        return fault_set(f, ERR_IO, "reading headers");
    while ((n = header_read(in, data[count % 2], &len[count % 2])) > 0) {
        step[count % 2] = n;
        out->end += n;
        count++;
    }
    if (ferror(in))
        return fault_set(f, ERR_IO, "reading headers");
    if ((uint64_t)st.st_size > out->end && (uint64_t)st.st_size - out->end > CHAIN_HEADER_MAX + 3) {
        fault_set(f, ERR_FORMAT, "no header, and more behind it than one that was not finished");
        if (f)
            f->at = (long long)out->end;
        return ERR_FORMAT;
    }
    for (int back = 0; back < 2 && count > 0; back++) {
        size_t i = (count - 1) % 2;
        err_t e = chain_header_parse(&out->last, &d->ctx, data[i], len[i], f);
        if (e == OK && (out->last.height != count - 1 || strcmp(out->last.shard.s, out->name.s) != 0))
            e = fault_set(f, ERR_MISMATCH, "header %llu says another height or shard",
                          (unsigned long long)count - 1);
        if (e == OK) {
            out->headers = count;
            fault_clear(f);
            return OK;
        }
        /* Want of memory says nothing about a header. */
        if (back == 1 || err_class(e) == CLASS_SYSTEM)
            return e;
        out->end -= step[i];
        count--;
    }
    memset(&out->last, 0, sizeof out->last);
    return OK;
}

err_t chain_shard_look(struct chain_shard_look *out, const struct chain_dir *d, const char *shard,
                       struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    FILE *in;
    memset(out, 0, sizeof *out);
    TRY(chain_shard_parse(&out->name, shard));
    TRY(chain_shard_path(path, d, shard, "headers"));
    if (access(path, F_OK) == 0) {
        TRY(file_open(&in, path, f));
        err_t e = scan(out, d, in, f);
        fclose(in);
        if (e != OK)
            return fault_file(f, e, path);
    }
    if (out->headers == 0) {
        out->last.shard = out->name;
        hash_one(&out->last.root, "", 0);
        out->last.ids = out->last.root;
    }
    return OK;
}

err_t chain_shard_sizes(uint64_t **out, const struct chain_dir *d, const struct chain_shard_look *look,
                        struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    uint8_t data[CHAIN_HEADER_MAX];
    size_t len;
    struct chain_header h;
    FILE *in;
    *out = NULL;
    uint64_t *sizes = calloc(look->headers + 1, sizeof *sizes);
    if (!sizes)
        return fault_set(f, ERR_MEMORY, "headers");
    err_t e = chain_shard_path(path, d, look->name.s, "headers");
    if (e == OK && look->headers > 0)
        e = file_open(&in, path, f);
    for (uint64_t i = 0; i < look->headers && e == OK; i++) {
        e = header_read(in, data, &len) > 0
                ? chain_header_form(&h, &d->ctx, data, len, f)
                : fault_set(f, ferror(in) ? ERR_IO : ERR_TRUNCATED, "headers are missing");
        sizes[i] = h.size;
        if (e == OK && i > 0 && h.size < sizes[i - 1])
            e = fault_set(f, ERR_MISMATCH, "the shard gets smaller");
        if (e != OK || i + 1 == look->headers)
            fclose(in);
    }
    if (e != OK) {
        free(sizes);
        return fault_file(f, e, path);
    }
    *out = sizes;
    return OK;
}

err_t chain_shard_tally(struct chain_sums **out, const struct chain_dir *d,
                        const struct chain_shard_look *look, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    uint8_t *data;
    size_t len;
    hash_t h;
    *out = NULL;
    err_t e = chain_sums_new(out, &d->ctx);
    if (e != OK)
        return fault_set(f, e, "running tally");
    if (look->headers == 0)
        return OK;
    GO(chain_shard_path(path, d, look->name.s, chain_tally_name(look->last.height)));
    GO(file_read(&data, &len, path, CHAIN_SNAPSHOT_MAX, f));
    hash_one(&h, data, len);
    e = hash_cmp(&h, &look->last.tally) == 0
            ? chain_running_parse_var(*out, &d->ctx, data, len, f)
            : fault_set(f, ERR_HASH, "the running tally is not the one in the last header");
    free(data);
    fault_file(f, e, path);
out:
    if (e != OK) {
        chain_sums_free(*out);
        *out = NULL;
    }
    return e;
}
