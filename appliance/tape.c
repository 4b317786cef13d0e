#include "appliance/tape.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

err_t tape_open(struct tape *t, struct fault *f)
{
    t->written = 0;
    t->fd = memfd_create("conclave-found", MFD_CLOEXEC);
    return t->fd >= 0 ? OK : fault_set(f, ERR_IO, "an anonymous file");
}

void tape_close(struct tape *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

err_t tape_put(struct tape *t, const struct tape_item *item)
{
    const char *p = (const char *)item;
    size_t left = sizeof *item;
    if (t->written >= TAPE_MAX)
        return OK;
    while (left > 0) {
        ssize_t n = write(t->fd, p, left);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        if (n > 0) {
            p += n;
            left -= (size_t)n;
        }
    }
    t->written++;
    return OK;
}

static err_t read_whole(int fd, char *to, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = pread(fd, to + at, len - at, (off_t)at);
        if (n == 0 || (n < 0 && errno != EINTR))
            return ERR_IO;
        at += n > 0 ? (size_t)n : 0;
    }
    return OK;
}

err_t tape_read(struct tape_item **out, size_t *count, const struct tape *t, struct fault *f)
{
    struct stat st;
    *out = NULL;
    *count = 0;
    if (fstat(t->fd, &st) != 0 || st.st_size < 0)
        return fault_set(f, ERR_IO, "an anonymous file");
    size_t n = (size_t)st.st_size / sizeof **out;
    n = n < TAPE_MAX ? n : TAPE_MAX;
    *out = calloc(n + 1, sizeof **out);
    if (*out == NULL)
        return fault_set(f, ERR_MEMORY, "what was found");
    err_t e = read_whole(t->fd, (char *)*out, n * sizeof **out);
    if (e != OK) {
        free(*out);
        *out = NULL;
        return fault_set(f, e, "an anonymous file");
    }
    for (size_t i = 0; i < n; i++) {
        struct tape_item *x = &(*out)[i];
        x->name[sizeof x->name - 1] = x->text[sizeof x->text - 1] = '\0';
        x->fault.file[sizeof x->fault.file - 1] = x->fault.who[sizeof x->fault.who - 1] = '\0';
        x->fault.detail[sizeof x->fault.detail - 1] = '\0';
        if ((unsigned)x->fault.err > ERR_STOPPED)
            x->fault.err = ERR_BUG;
    }
    *count = n;
    return OK;
}
