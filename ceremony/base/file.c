#include "ceremony/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static err_t io_error(struct fault *f, err_t e, const char *path, const char *what)
{
    int saved = errno;
    fault_set(f, e, "%s: %s", what, strerror(saved));
    return fault_file(f, e, path);
}

static err_t open_regular(int *fd, const char *path, struct stat *st, struct fault *f)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return io_error(f, errno == ENOENT ? ERR_MISSING : ERR_IO, path, "cannot open");
    if (fstat(*fd, st) != 0 || !S_ISREG(st->st_mode)) {
        close(*fd);
        *fd = -1;
        fault_set(f, ERR_FORMAT, "not a regular file");
        return fault_file(f, ERR_FORMAT, path);
    }
    return OK;
}

static err_t read_all(int fd, uint8_t *buf, size_t want, size_t *got)
{
    *got = 0;
    while (*got < want) {
        ssize_t n = read(fd, buf + *got, want - *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return OK;
}

err_t file_read(uint8_t **out, size_t *len, const char *path, size_t max, struct fault *f)
{
    *out = NULL;
    *len = 0;
    int fd;
    struct stat st;
    TRY(open_regular(&fd, path, &st, f));
    err_t e;
    uint8_t *buf = NULL;
    if ((uint64_t)st.st_size > max) {
        e = fault_set(f, ERR_LIMIT, "%lld bytes, at most %zu allowed", (long long)st.st_size, max);
        goto out;
    }
    size_t size = (size_t)st.st_size, got;
    buf = malloc(size + 1);
    if (buf == NULL) {
        e = fault_set(f, ERR_MEMORY, "%zu bytes", size);
        goto out;
    }
    e = read_all(fd, buf, size, &got);
    if (e != OK) {
        e = io_error(f, ERR_IO, path, "cannot read");
        goto out;
    }
    if (got != size) {
        e = fault_set(f, ERR_IO, "the file became shorter while it was read");
        goto out;
    }
    buf[size] = 0;
    *out = buf;
    *len = size;
    buf = NULL;
out:
    free(buf);
    close(fd);
    return fault_file(f, e, path);
}

err_t file_hash(hash_t *out, const char *path, struct fault *f)
{
    return file_hash_max(out, path, UINT64_MAX, f);
}

err_t file_hash_max(hash_t *out, const char *path, uint64_t max, struct fault *f)
{
    int fd;
    struct stat st;
    memset(out, 0, sizeof *out);
    TRY(open_regular(&fd, path, &st, f));
    if ((uint64_t)st.st_size > max) {
        close(fd);
        fault_set(f, ERR_LIMIT, "%lld bytes, at most %llu allowed", (long long)st.st_size,
                  (unsigned long long)max);
        return fault_file(f, ERR_LIMIT, path);
    }
    struct hash_ctx c;
    hash_init(&c);
    uint8_t buf[16384];
    size_t got;
    err_t e;
    do {
        e = read_all(fd, buf, sizeof buf, &got);
        hash_add(&c, buf, got);
    } while (e == OK && got == sizeof buf);
    if (e == OK)
        hash_end(&c, out);
    else
        io_error(f, e, path, "cannot read");
    close(fd);
    return e;
}

err_t file_open(FILE **out, const char *path, struct fault *f)
{
    int fd;
    struct stat st;
    *out = NULL;
    TRY(open_regular(&fd, path, &st, f));
    *out = fdopen(fd, "rb");
    if (*out != NULL)
        return OK;
    close(fd);
    return fault_set(f, ERR_MEMORY, "opening a file");
}

err_t file_open_state(int *fd, const char *path, int flags, unsigned mode, struct fault *f)
{
    struct stat st;
    *fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, (mode_t)mode);
    if (*fd < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO)) {
        fault_set(f, ERR_FORMAT, errno == ELOOP ? "a symbolic link" : "not a regular file");
        return fault_file(f, ERR_FORMAT, path);
    }
    if (*fd < 0)
        return io_error(f, errno == ENOENT ? ERR_MISSING : ERR_IO, path, "cannot open");
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
        return OK;
    close(*fd);
    *fd = -1;
    fault_set(f, ERR_FORMAT, "not a regular file");
    return fault_file(f, ERR_FORMAT, path);
}

err_t file_is_dir(const char *path, struct fault *f)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return io_error(f, errno == ENOENT ? ERR_MISSING : ERR_IO, path, "cannot open");
    if (S_ISDIR(st.st_mode))
        return OK;
    fault_set(f, ERR_FORMAT, "not a directory");
    return fault_file(f, ERR_FORMAT, path);
}

static void dir_of(char out[4096], const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        snprintf(out, 4096, ".");
    else
        snprintf(out, 4096, "%.*s", (int)(slash == path ? 1 : slash - path), path);
}

static err_t sync_dir(const char *path)
{
    char dir[4096];
    dir_of(dir, path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    /* Some removable media (vfat) do not sync directories: EINVAL is theirs. */
    int bad = fsync(fd) != 0 && errno != EINVAL;
    close(fd);
    return bad ? ERR_IO : OK;
}

err_t file_writer_open(struct file_writer *w, const char *path, struct fault *f)
{
    memset(w, 0, sizeof *w);
    char dir[4096];
    dir_of(dir, path);
    if (snprintf(w->path, sizeof w->path, "%s", path) >= (int)sizeof w->path ||
        snprintf(w->temp, sizeof w->temp, "%s/.tmp-XXXXXX", dir) >= (int)sizeof w->temp) {
        memset(w, 0, sizeof *w);
        return fault_set(f, ERR_LIMIT, "path too long");
    }
    int fd = mkostemp(w->temp, O_CLOEXEC);
    if (fd < 0) {
        w->temp[0] = '\0';
        return io_error(f, ERR_IO, path, "cannot create");
    }
    w->stream = fdopen(fd, "wb");
    if (w->stream == NULL || fchmod(fd, 0644) != 0) {
        err_t e = io_error(f, ERR_IO, path, "cannot create");
        if (w->stream == NULL)
            close(fd);
        file_writer_abandon(w);
        return e;
    }
    return OK;
}

err_t file_writer_add(struct file_writer *w, const void *data, size_t len, struct fault *f)
{
    if (len > 0 && fwrite(data, 1, len, w->stream) != len)
        return io_error(f, ERR_IO, w->path, "cannot write");
    return OK;
}

void file_writer_abandon(struct file_writer *w)
{
    if (w->stream != NULL)
        fclose(w->stream);
    if (w->temp[0] != '\0')
        unlink(w->temp);
    memset(w, 0, sizeof *w);
}

/* The name is taken: fine if by the same bytes (the step is a repetition). */
static err_t same_content(const char *a, const char *b, struct fault *f)
{
    hash_t ha, hb;
    TRY(file_hash(&ha, a, f));
    TRY(file_hash(&hb, b, f));
    if (hash_cmp(&ha, &hb) == 0)
        return OK;
    fault_set(f, ERR_EXISTS, "another file of this name is here");
    return fault_file(f, ERR_EXISTS, a);
}

err_t file_writer_commit(struct file_writer *w, enum file_mode mode, struct fault *f)
{
    err_t e = OK;
    int made = 0;
    int bad = fflush(w->stream) != 0 || fsync(fileno(w->stream)) != 0;
    if (fclose(w->stream) != 0 || bad)
        e = io_error(f, ERR_IO, w->path, "cannot write");
    w->stream = NULL;
    if (e == OK && mode == FILE_REPLACE) {
        if (rename(w->temp, w->path) != 0)
            e = io_error(f, ERR_IO, w->path, "cannot put in place");
        else
            w->temp[0] = '\0';
    } else if (e == OK) {
        /* link() never overwrites; media without hard links (vfat) have renameat2 instead. */
        int r = link(w->temp, w->path);
        if (r != 0 && (errno == EPERM || errno == EOPNOTSUPP)) {
            r = renameat2(AT_FDCWD, w->temp, AT_FDCWD, w->path, RENAME_NOREPLACE);
            if (r == 0)
                w->temp[0] = '\0';
        }
        made = r == 0;
        if (r != 0)
            e = errno == EEXIST ? same_content(w->path, w->temp, f)
                                : io_error(f, ERR_IO, w->path, "cannot put in place");
    }
    if (e == OK && sync_dir(w->path) != OK) {
        e = io_error(f, ERR_IO, w->path, "cannot sync the directory");
        if (made) /* who is told that writing failed must not find it written */
            unlink(w->path);
    }
    file_writer_abandon(w);
    return e;
}

err_t file_write(const char *path, const void *data, size_t len, enum file_mode mode, struct fault *f)
{
    struct file_writer w;
    TRY(file_writer_open(&w, path, f));
    err_t e = file_writer_add(&w, data, len, f);
    if (e != OK) {
        file_writer_abandon(&w);
        return e;
    }
    return file_writer_commit(&w, mode, f);
}

err_t file_memstream_end(FILE *stream, char **text)
{
    int bad = ferror(stream);
    bad |= fclose(stream) != 0;
    if (!bad && *text != NULL)
        return OK;
    free(*text);
    *text = NULL;
    return ERR_MEMORY;
}

err_t file_mkdir(const char *path, struct fault *f)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return fault_set(f, ERR_LIMIT, "path too long");
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char c = *p;
        *p = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return io_error(f, ERR_IO, path, "cannot create the directory");
        *p = c;
        if (c == '\0')
            return OK;
    }
}

err_t file_path(char *out, size_t out_len, const char *dir, const char *name)
{
    int n = snprintf(out, out_len, "%s/%s", dir, name);
    if (n >= 0 && (size_t)n < out_len)
        return OK;
    out[0] = '\0';
    return ERR_LIMIT;
}

/* Names of a directory: one after the other, and where each begins. */
struct names_of {
    char *text;
    const char **name;
    size_t len, cap, count;
};

static err_t names_add_one(struct names_of *l, const char *name)
{
    size_t n = strlen(name) + 1;
    if (l->cap - l->len < n) {
        size_t cap = 2 * l->cap + n + 256;
        char *more = realloc(l->text, cap);
        if (more == NULL)
            return ERR_MEMORY;
        l->text = more;
        l->cap = cap;
    }
    memcpy(l->text + l->len, name, n);
    l->len += n;
    l->count++;
    return OK;
}

static int byte_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static err_t names_sort(struct names_of *l)
{
    const char *at = l->text;
    l->name = malloc((l->count + 1) * sizeof *l->name);
    if (l->name == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < l->count; i++, at += strlen(at) + 1)
        l->name[i] = at;
    qsort(l->name, l->count, sizeof *l->name, byte_order);
    return OK;
}

static err_t names_read(struct names_of *l, DIR *d, const char *dir, struct fault *f)
{
    err_t e = OK;
    errno = 0;
    for (struct dirent *x; e == OK && (x = readdir(d)) != NULL;) {
        e = x->d_name[0] == '.' ? OK : names_add_one(l, x->d_name);
        errno = 0;
    }
    if (e == OK && errno != 0)
        return io_error(f, ERR_IO, dir, "cannot list");
    if (e == OK)
        e = names_sort(l);
    return e == OK ? OK : fault_set(f, e, "listing a directory");
}

err_t file_list(const char *dir, file_list_fn *fn, void *ctx, struct fault *f)
{
    struct names_of l = {0};
    DIR *d = opendir(dir);
    if (d == NULL)
        return errno == ENOENT ? OK : io_error(f, ERR_IO, dir, "cannot list");
    err_t e = names_read(&l, d, dir, f);
    closedir(d);
    for (size_t i = 0; i < l.count && e == OK; i++)
        e = fn(ctx, l.name[i], f);
    free(l.name);
    free(l.text);
    return e;
}
