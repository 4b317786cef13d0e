#include "tally/chain_signed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_export.h"

#define LABEL "conclave/chain-signed"
#define FILE_MAX 1024

static err_t set_path(struct chain_signed *m, const char *path, const char *key, struct fault *f)
{
    char hex[2 * HASH_LEN + 1];
    int n;
    hex_put(hex, m->ctx->e->m->election.b, HASH_LEN);
    if (path)
        n = snprintf(m->path, sizeof m->path, "%s", path);
    else
        n = snprintf(m->path, sizeof m->path, "%s.%s-%.16s.signed", key, m->ctx->c->id, hex);
    if (n < 1 || n + 6 > (int)sizeof m->path)
        return fault_set(f, ERR_LIMIT, "the name of the file with what was signed is too long or empty");
    return OK;
}

/* Beside it: the file itself is replaced. */
static err_t lock(struct chain_signed *m, struct fault *f)
{
    char path[sizeof m->path + 8];
    snprintf(path, sizeof path, "%s.lock", m->path);
    err_t e = file_open_state(&m->lock_fd, path, O_RDWR | O_CREAT, 0600, f);
    if (e == ERR_IO || e == ERR_MISSING)
        fault_set(f, e, "opening: %s; --state names another file", strerror(errno));
    TRY(fault_file(f, e, path));
    if (flock(m->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return fault_file(f, fault_set(f, ERR_BUSY, "somebody is signing with it"), path);
    return OK;
}

static err_t parse(struct chain_signed *m, const uint8_t *data, size_t len, struct fault *f)
{
    struct cbor_in in;
    hash_t election;
    char chain[TEXT_ID_MAX + 1];
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 6);
    cbor_get_text_exact(&in, LABEL);
    cbor_get_uint_exact(&in, 1);
    cbor_get_hash(&in, &election);
    cbor_get_id(&in, chain, TEXT_ID_MAX);
    m->number = cbor_get_uint(&in, UINT64_MAX);
    cbor_get_hash(&in, &m->snapshot);
    TRY(cbor_in_end(&in, f));
    if (hash_cmp(&election, &m->ctx->e->m->election) != 0 || strcmp(chain, m->ctx->c->id) != 0)
        return fault_set(f, ERR_MISMATCH, "it is about another election or chain");
    return OK;
}

err_t chain_signed_open(struct chain_signed *out, const struct chain_context *ctx, const char *path,
                        const char *key, struct fault *f)
{
    uint8_t *data;
    size_t len;
    struct stat st;
    memset(out, 0, sizeof *out);
    out->ctx = ctx;
    out->lock_fd = -1;
    TRY(set_path(out, path, key, f));
    TRY(lock(out, f));
    /* A link to nowhere is no absence: what was signed may be on a medium that is not mounted. */
    if (lstat(out->path, &st) != 0 && errno == ENOENT) {
        out->is_first = 1;
        return OK;
    }
    TRY(file_read(&data, &len, out->path, FILE_MAX, f));
    err_t e = parse(out, data, len, f);
    free(data);
    return fault_file(f, e, out->path);
}

void chain_signed_close(struct chain_signed *m)
{
    if (m->ctx && m->lock_fd >= 0)
        close(m->lock_fd);
    m->lock_fd = -1;
}

/* From s down to the one that is remembered, each named by the one after it. */
static err_t follow(const struct chain_signed *m, const char *dir, const struct chain_snapshot *s,
                    struct fault *f)
{
    char path[4096];
    hash_t named = s->previous;
    for (uint64_t k = s->number; k-- > m->number;) {
        struct chain_snapshot *older;
        int n = snprintf(path, sizeof path, "%s/snapshots/%08llu.cbor", dir, (unsigned long long)k);
        if (n < 1 || n >= (int)sizeof path)
            return fault_set(f, ERR_LIMIT, "the name of the export is too long");
        if (access(path, F_OK) != 0 && errno == ENOENT)
            return fault_file(
                f,
                fault_set(f, ERR_CONFLICT,
                          "without it nobody sees that this grew from snapshot %llu, which you signed",
                          (unsigned long long)m->number),
                path);
        TRY(chain_snapshot_read(&older, NULL, NULL, m->ctx, path, f));
        int same = older->number == k && hash_cmp(&older->id, &named) == 0;
        named = older->previous;
        hash_t id = older->id;
        chain_snapshot_free(older);
        if (!same || (k == m->number && hash_cmp(&id, &m->snapshot) != 0))
            return fault_file(f,
                              fault_set(f, ERR_CONFLICT, "it is not the one that %s: nothing was signed",
                                        same ? "you signed with this number" : "the next one names"),
                              path);
    }
    return OK;
}

err_t chain_signed_allow(const struct chain_signed *m, const char *dir, const struct chain_snapshot *s,
                         struct fault *f)
{
    if (m->is_first)
        return OK;
    if (s->number > m->number)
        return follow(m, dir, s, f);
    if (s->number == m->number && hash_cmp(&s->id, &m->snapshot) == 0)
        return OK;
    return fault_set(f, ERR_CONFLICT,
                     s->number == m->number
                         ? "you signed another snapshot %llu of this chain: nothing was signed"
                         : "you signed snapshot %llu, a later one: nothing was signed",
                     (unsigned long long)m->number);
}

err_t chain_signed_keep(struct chain_signed *m, const struct chain_snapshot *s, struct fault *f)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 6);
    cbor_put_text(&o, LABEL);
    cbor_put_uint(&o, 1);
    cbor_put_hash(&o, &m->ctx->e->m->election);
    cbor_put_text(&o, m->ctx->c->id);
    cbor_put_uint(&o, s->number);
    cbor_put_hash(&o, &s->id);
    err_t e = o.err == OK ? file_write(m->path, o.data, o.len, FILE_REPLACE, f)
                          : fault_set(f, o.err, "what was signed");
    cbor_out_free(&o);
    if (e == OK) {
        m->is_first = 0;
        m->number = s->number;
        m->snapshot = s->id;
    }
    return fault_file(f, e, m->path);
}
