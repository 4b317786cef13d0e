#include "tally/publish_files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/array.h"
#include "ceremony/base/file.h"

static err_t io_fault(struct fault *f, const char *path)
{
    err_t e = fault_set(f, errno == EEXIST ? ERR_EXISTS : ERR_IO, "%s", strerror(errno));
    return fault_file(f, e, path);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/* Does not follow links, does not leave the file system. */
static int remove_tree(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

err_t publish_dir_open(struct publish_dir *d, const char *out, struct fault *f)
{
    memset(d, 0, sizeof *d);
    size_t len = strlen(out);
    while (len > 1 && out[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof d->final)
        return fault_set(f, ERR_USAGE, "the name of the bundle's directory is empty or too long");
    memcpy(d->final, out, len);
    snprintf(d->temp, sizeof d->temp, "%s.tmp", d->final);
    struct stat st;
    if (lstat(d->temp, &st) == 0 && remove_tree(d->temp) != 0)
        return io_fault(f, d->temp);
    return file_mkdir(d->temp, f);
}

static err_t add_line(struct publish_dir *d, const char *path, const hash_t *hash)
{
    TRY(array_room(&d->line, d->line_count + 1, &d->line_cap, sizeof *d->line, 256));
    char *copy = strdup(path);
    if (copy == NULL)
        return ERR_MEMORY;
    d->line[d->line_count++] = (struct publish_line){copy, *hash};
    return OK;
}

static err_t full_path(char out[BUNDLE_PATH_MAX + 600], const struct publish_dir *d, const char *path,
                       struct fault *f)
{
    snprintf(out, BUNDLE_PATH_MAX + 600, "%s/%s", d->temp, path);
    char *slash = strrchr(out, '/');
    *slash = 0;
    err_t e = file_mkdir(out, f);
    *slash = '/';
    return e;
}

err_t publish_stream_begin(struct publish_stream *s, struct publish_dir *d, const char *path, struct fault *f)
{
    char full[BUNDLE_PATH_MAX + 600];
    memset(s, 0, sizeof *s);
    if (strlen(path) >= sizeof s->path)
        return fault_set(f, ERR_LIMIT, "a path in the bundle is too long");
    memcpy(s->path, path, strlen(path) + 1);
    TRY(full_path(full, d, path, f));
    int fd = open(full, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return io_fault(f, full);
    s->file = fdopen(fd, "wb");
    if (s->file == NULL) {
        close(fd);
        return io_fault(f, full);
    }
    hash_init(&s->hash);
    return OK;
}

err_t publish_stream_write(struct publish_stream *s, struct publish_dir *d, const void *data, size_t len,
                           struct fault *f)
{
    if (len > 0 && fwrite(data, 1, len, s->file) != len)
        return io_fault(f, s->path);
    hash_add(&s->hash, data, len);
    d->bytes += len;
    return OK;
}

err_t publish_stream_end(struct publish_stream *s, struct publish_dir *d, struct fault *f)
{
    hash_t hash;
    hash_end(&s->hash, &hash);
    FILE *file = s->file;
    s->file = NULL;
    if (fclose(file) != 0)
        return io_fault(f, s->path);
    err_t e = add_line(d, s->path, &hash);
    return e == OK ? OK : fault_set(f, e, "the list of files");
}

void publish_stream_abandon(struct publish_stream *s)
{
    if (s->file != NULL)
        fclose(s->file);
    s->file = NULL;
}

err_t publish_dir_add(struct publish_dir *d, const char *path, const void *data, size_t len, struct fault *f)
{
    struct publish_stream s;
    err_t e = OK;
    GO(publish_stream_begin(&s, d, path, f));
    GO(publish_stream_write(&s, d, data, len, f));
    return publish_stream_end(&s, d, f);
out:
    publish_stream_abandon(&s);
    return e;
}

/* --- the list, and the end --- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct publish_line *)a)->path, ((const struct publish_line *)b)->path);
}

/* One text; the caller frees it. */
static char *sums_text(struct publish_dir *d, size_t *len)
{
    char *text = NULL, hex[2 * HASH_LEN + 1];
    FILE *m = open_memstream(&text, len);
    if (m == NULL)
        return NULL;
    qsort(d->line, d->line_count, sizeof *d->line, by_path);
    for (size_t i = 0; i < d->line_count; i++) {
        hex_put(hex, d->line[i].hash.b, HASH_LEN);
        fprintf(m, "%s  %s\n", hex, d->line[i].path);
    }
    return file_memstream_end(m, &text) == OK ? text : NULL;
}

/* The same list in the bundle that is there, and files that still have these hashes. */
static err_t compare_existing(const struct publish_dir *d, const char *sums, size_t sums_len, struct fault *f)
{
    char path[BUNDLE_PATH_MAX + 600];
    uint8_t *there = NULL;
    size_t len = 0;
    snprintf(path, sizeof path, "%s/" BUNDLE_SUMS, d->final);
    err_t e = file_read(&there, &len, path, (size_t)1 << 30, f);
    int same = e == OK && len == sums_len && memcmp(there, sums, len) == 0;
    free(there);
    for (size_t i = 0; same && i < d->line_count; i++) {
        hash_t hash;
        snprintf(path, sizeof path, "%s/%s", d->final, d->line[i].path);
        same = file_hash(&hash, path, f) == OK && hash_cmp(&hash, &d->line[i].hash) == 0;
    }
    if (same)
        return OK;
    fault_set(f, ERR_EXISTS, "there is a directory of this name that is not this bundle");
    return fault_file(f, ERR_EXISTS, d->final);
}

static err_t sync_tree(const char *dir, struct fault *f)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_fault(f, dir);
    int failed = syncfs(fd);
    err_t e = failed ? io_fault(f, dir) : OK;
    close(fd);
    return e;
}

err_t publish_dir_commit(struct publish_dir *d, int *already, struct fault *f)
{
    size_t len = 0;
    char *sums = sums_text(d, &len), parent[BUNDLE_PATH_MAX];
    struct stat st;
    err_t e = OK;
    *already = 0;
    if (sums == NULL)
        return fault_set(f, ERR_MEMORY, "the list of files");
    if (lstat(d->final, &st) == 0) {
        e = compare_existing(d, sums, len, f);
        *already = e == OK;
        goto out;
    }
    GO(publish_dir_add(d, BUNDLE_SUMS, sums, len, f));
    GO(sync_tree(d->temp, f));
    if (rename(d->temp, d->final) != 0) {
        e = io_fault(f, d->final);
        goto out;
    }
    d->temp[0] = 0;
    snprintf(parent, sizeof parent, "%s/..", d->final);
    e = sync_tree(parent, f);
out:
    free(sums);
    return e;
}

void publish_dir_close(struct publish_dir *d)
{
    for (size_t i = 0; i < d->line_count; i++)
        free(d->line[i].path);
    free(d->line);
    if (d->temp[0] != 0)
        remove_tree(d->temp);
    memset(d, 0, sizeof *d);
}
