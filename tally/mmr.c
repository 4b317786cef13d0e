#include "tally/mmr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"

struct mmr {
    int fd; /* -1: peaks only */
    char *path;
    uint64_t size;
    hash_t peak[64]; /* of the complete subtrees, the largest first: one for each bit of size */
    unsigned peak_count;
    uint64_t written; /* nodes in the file */
    hash_t *fresh;    /* nodes behind them */
    size_t fresh_count, fresh_cap;
    int read_only, broken, dirty; /* dirty: written, not synced */
};

uint64_t mmr_nodes(uint64_t size)
{
    return 2 * size - (uint64_t)__builtin_popcountll(size);
}

static void node_hash(hash_t *out, const hash_t *left, const hash_t *right)
{
    uint8_t data[1 + 2 * HASH_LEN];
    data[0] = 1;
    memcpy(data + 1, left->b, HASH_LEN);
    memcpy(data + 1 + HASH_LEN, right->b, HASH_LEN);
    hash_one(out, data, sizeof data);
}

static err_t system_fault(const struct mmr *m, err_t e, struct fault *f, const char *what)
{
    int saved = errno;
    fault_set(f, e, "%s: %s", what, strerror(saved));
    return fault_file(f, e, m->path);
}

/* --- nodes --- */

static err_t read_at(struct mmr *m, hash_t *out, uint64_t at, size_t count, struct fault *f)
{
    uint8_t *to = out->b;
    size_t left = count * HASH_LEN;
    off_t offset = (off_t)(at * HASH_LEN);
    while (left > 0) {
        ssize_t n = pread(m->fd, to, left, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return system_fault(m, ERR_IO, f, "reading nodes of the tree");
        if (n == 0)
            return fault_file(f, fault_set(f, ERR_TRUNCATED, "nodes of the tree are missing"), m->path);
        to += n;
        left -= (size_t)n;
        offset += n;
    }
    return OK;
}

/* The root of the complete subtree of height h over the leaves before `end`. */
static err_t node_get(struct mmr *m, hash_t *out, uint64_t end, unsigned h, struct fault *f)
{
    uint64_t at = mmr_nodes(end - 1) + h;
    if (m->fd < 0)
        return fault_set(f, ERR_BUG, "this tree keeps no nodes");
    if (at < m->written)
        return read_at(m, out, at, 1, f);
    if (at - m->written >= m->fresh_count)
        return fault_set(f, ERR_BUG, "a node beyond the tree");
    *out = m->fresh[at - m->written];
    return OK;
}

static void bag(hash_t *out, const hash_t *peak, unsigned count)
{
    if (count == 0) {
        hash_one(out, "", 0);
        return;
    }
    *out = peak[count - 1];
    for (unsigned i = count - 1; i-- > 0;)
        node_hash(out, &peak[i], out);
}

/* Peaks of the tree at a size, from the nodes. */
static err_t peaks_at(struct mmr *m, hash_t peak[64], unsigned *count, uint64_t size, struct fault *f)
{
    uint64_t end = 0;
    *count = 0;
    for (int h = 63; h >= 0; h--) {
        if (!(size >> h & 1))
            continue;
        end += UINT64_C(1) << h;
        TRY(node_get(m, &peak[(*count)++], end, (unsigned)h, f));
    }
    return OK;
}

/* --- opening --- */

/* Cuts the file to the nodes of size. */
static err_t cut(struct mmr *m, uint64_t size, struct fault *f)
{
    struct stat st;
    uint64_t want = mmr_nodes(size);
    if (fstat(m->fd, &st) != 0)
        return system_fault(m, ERR_IO, f, "asking for its length");
    if ((uint64_t)st.st_size < want * HASH_LEN)
        return fault_file(f,
                          fault_set(f, ERR_TRUNCATED, "%llu nodes are needed, %llu are there",
                                    (unsigned long long)want, (unsigned long long)st.st_size / HASH_LEN),
                          m->path);
    if ((uint64_t)st.st_size > want * HASH_LEN && !m->read_only &&
        (ftruncate(m->fd, (off_t)(want * HASH_LEN)) != 0 || fsync(m->fd) != 0))
        return system_fault(m, ERR_IO, f, "cutting back to the last checkpoint");
    m->written = want;
    return OK;
}

static err_t open_file(struct mmr *m, const char *path, int flags, struct fault *f)
{
    m->path = strdup(path);
    if (!m->path)
        return fault_set(f, ERR_MEMORY, "tree");
    return file_open_state(&m->fd, path, flags, 0644, f);
}

static err_t start(struct mmr **out, const char *path, uint64_t size, int flags, struct fault *f)
{
    *out = NULL;
    if (size > MMR_SIZE_MAX)
        return fault_set(f, ERR_LIMIT, "a tree of so many leaves");
    struct mmr *m = calloc(1, sizeof *m);
    if (!m)
        return fault_set(f, ERR_MEMORY, "tree");
    m->fd = -1;
    m->read_only = (flags & O_ACCMODE) == O_RDONLY;
    err_t e = OK;
    if (path) {
        GO(open_file(m, path, flags, f));
        GO(cut(m, size, f));
        GO(peaks_at(m, m->peak, &m->peak_count, size, f));
    } else if (size > 0) {
        GO(fault_set(f, ERR_BUG, "a tree without a file starts empty"));
    }
    m->size = size;
    *out = m;
    m = NULL;
out:
    mmr_free(m);
    return e;
}

err_t mmr_open(struct mmr **out, const char *path, uint64_t size, const hash_t *root, struct fault *f)
{
    hash_t have;
    TRY(start(out, path, size, O_RDWR | O_CREAT, f));
    if (!root)
        return OK;
    mmr_root(*out, &have);
    if (hash_cmp(&have, root) == 0)
        return OK;
    mmr_free(*out);
    *out = NULL;
    return fault_file(f, fault_set(f, ERR_HASH, "the tree's nodes are not those of the last checkpoint"),
                      path);
}

err_t mmr_open_read(struct mmr **out, const char *path, uint64_t size, struct fault *f)
{
    *out = NULL;
    return path ? start(out, path, size, O_RDONLY, f) : fault_set(f, ERR_BUG, "no path");
}

void mmr_free(struct mmr *m)
{
    if (!m)
        return;
    if (m->fd >= 0)
        close(m->fd);
    free(m->path);
    free(m->fresh);
    free(m);
}

/* --- growing --- */

static err_t reserve(struct mmr *m, size_t more)
{
    if (m->fd < 0 || m->fresh_cap - m->fresh_count >= more)
        return OK;
    size_t cap = m->fresh_count + more + m->fresh_cap / 2 + 256;
    hash_t *grown = realloc(m->fresh, cap * sizeof *grown);
    if (!grown)
        return ERR_MEMORY;
    m->fresh = grown;
    m->fresh_cap = cap;
    return OK;
}

static void finished(struct mmr *m, const hash_t *node)
{
    if (m->fd >= 0)
        m->fresh[m->fresh_count++] = *node;
}

/* Room for the nodes is there. */
static void add(struct mmr *m, const hash_t *leaf)
{
    hash_t node = *leaf;
    finished(m, &node);
    for (uint64_t bits = m->size; bits & 1; bits >>= 1) {
        node_hash(&node, &m->peak[--m->peak_count], &node);
        finished(m, &node);
    }
    m->peak[m->peak_count++] = node;
    m->size++;
}

err_t mmr_add_many(struct mmr *m, const hash_t *leaf, size_t count)
{
    if (m->read_only || m->broken)
        return ERR_BUG;
    if (count > MMR_SIZE_MAX - m->size)
        return ERR_LIMIT;
    TRY(reserve(m, (size_t)(mmr_nodes(m->size + count) - mmr_nodes(m->size))));
    for (size_t i = 0; i < count; i++)
        add(m, &leaf[i]);
    return OK;
}

err_t mmr_add(struct mmr *m, const hash_t *leaf)
{
    return mmr_add_many(m, leaf, 1);
}

static err_t write_fresh(struct mmr *m, struct fault *f)
{
    const uint8_t *from = (const uint8_t *)m->fresh;
    size_t left = m->fresh_count * HASH_LEN;
    off_t offset = (off_t)(m->written * HASH_LEN);
    while (left > 0) {
        ssize_t n = pwrite(m->fd, from, left, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return system_fault(m, ERR_IO, f, "writing nodes of the tree");
        from += n;
        left -= (size_t)n;
        offset += n;
    }
    return OK;
}

err_t mmr_write(struct mmr *m, struct fault *f)
{
    if (m->broken)
        return fault_set(f, ERR_IO, "the tree could not be written before");
    if (m->fd < 0 || m->fresh_count == 0)
        return OK;
    err_t e = write_fresh(m, f);
    if (e != OK) {
        m->broken = 1;
        return e;
    }
    m->written += m->fresh_count;
    m->fresh_count = 0;
    m->dirty = 1;
    return OK;
}

err_t mmr_sync(struct mmr *m, struct fault *f)
{
    TRY(mmr_write(m, f));
    if (!m->dirty)
        return OK;
    if (fdatasync(m->fd) != 0) {
        m->broken = 1;
        return system_fault(m, ERR_IO, f, "writing nodes of the tree");
    }
    m->dirty = 0;
    return OK;
}

uint64_t mmr_size(const struct mmr *m)
{
    return m->size;
}

void mmr_root(const struct mmr *m, hash_t *out)
{
    bag(out, m->peak, m->peak_count);
}

/* --- proofs --- */

err_t mmr_root_at(struct mmr *m, hash_t *out, uint64_t size, struct fault *f)
{
    hash_t peak[64];
    unsigned count;
    memset(out, 0, sizeof *out);
    if (size > m->size)
        return fault_set(f, ERR_BUG, "the tree is not so large");
    TRY(peaks_at(m, peak, &count, size, f));
    bag(out, peak, count);
    return OK;
}

err_t mmr_leaf(struct mmr *m, hash_t *out, uint64_t index, struct fault *f)
{
    memset(out, 0, sizeof *out);
    if (index >= m->size)
        return fault_set(f, ERR_BUG, "the tree is not so large");
    return node_get(m, out, index + 1, 0, f);
}

/* Tree hash of the leaves from..to-1, where `from` is a multiple of the largest power of two below to - from
 * or of it itself, as in every subtree of RFC 9162. */
static err_t range_hash(struct mmr *m, hash_t *out, uint64_t from, uint64_t to, struct fault *f)
{
    hash_t peak[64];
    unsigned count = 0;
    uint64_t at = from;
    for (int h = 63; h >= 0; h--) {
        if (!((to - from) >> h & 1))
            continue;
        at += UINT64_C(1) << h;
        TRY(node_get(m, &peak[count++], at, (unsigned)h, f));
    }
    bag(out, peak, count);
    return OK;
}

/* The largest power of two smaller than n > 1. */
static uint64_t split_point(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

static void reverse(hash_t *path, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        hash_t h = path[i];
        path[i] = path[count - 1 - i];
        path[count - 1 - i] = h;
    }
}

err_t mmr_inclusion(struct mmr *m, hash_t path[MMR_PATH_MAX], size_t *path_count, uint64_t index,
                    uint64_t size, struct fault *f)
{
    uint64_t from = 0, to = size;
    *path_count = 0;
    if (size > m->size || index >= size)
        return fault_set(f, ERR_BUG, "the tree is not so large");
    while (to - from > 1) {
        uint64_t mid = from + split_point(to - from);
        hash_t *other = &path[(*path_count)++];
        TRY(index < mid ? range_hash(m, other, mid, to, f) : range_hash(m, other, from, mid, f));
        if (index < mid)
            to = mid;
        else
            from = mid;
    }
    reverse(path, *path_count);
    return OK;
}

err_t mmr_consistency(struct mmr *m, hash_t path[MMR_PATH_MAX], size_t *path_count, uint64_t old,
                      uint64_t size, struct fault *f)
{
    uint64_t from = 0, to = size;
    int whole = 1; /* the old tree is a subtree that the reader knows: nothing of it was cut off yet */
    *path_count = 0;
    if (old < 1 || old > size || size > m->size)
        return fault_set(f, ERR_BUG, "the tree is not so large");
    while (old < to) {
        uint64_t mid = from + split_point(to - from);
        hash_t *other = &path[(*path_count)++];
        TRY(old <= mid ? range_hash(m, other, mid, to, f) : range_hash(m, other, from, mid, f));
        if (old <= mid) {
            to = mid;
        } else {
            from = mid;
            whole = 0;
        }
    }
    if (!whole)
        TRY(range_hash(m, &path[(*path_count)++], from, to, f));
    reverse(path, *path_count);
    return OK;
}

/* RFC 9162, 2.1.4.2, steps 1 to 7. */
err_t mmr_consistency_check(const hash_t *root_from, uint64_t from, const hash_t *root_to, uint64_t to,
                            const hash_t *path, size_t path_count)
{
    size_t i = 0;
    hash_t fr, sr;
    if (from > to)
        return ERR_HASH;
    if (from == to || from == 0)
        return path_count == 0 && (from == 0 || hash_cmp(root_from, root_to) == 0) ? OK : ERR_HASH;
    if ((from & (from - 1)) != 0 && path_count == 0)
        return ERR_HASH;
    uint64_t fn = from - 1, sn = to - 1;
    for (; fn & 1; fn >>= 1)
        sn >>= 1;
    if ((from & (from - 1)) == 0)
        fr = *root_from;
    else
        fr = path[i++];
    sr = fr;
    for (; i < path_count; i++) {
        if (sn == 0)
            return ERR_HASH;
        if ((fn & 1) || fn == sn) {
            node_hash(&fr, &path[i], &fr);
            node_hash(&sr, &path[i], &sr);
            for (; !(fn & 1) && fn != 0; fn >>= 1)
                sn >>= 1;
        } else {
            node_hash(&sr, &sr, &path[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && hash_cmp(&fr, root_from) == 0 && hash_cmp(&sr, root_to) == 0 ? OK : ERR_HASH;
}
