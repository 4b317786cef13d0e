/* Files: read whole with a limit, read as a stream, written atomically and never overwritten.
 *
 * A written file appears under its name only complete and synced: temporary file in the same
 * directory, fsync, link (or rename where replacing is asked for), fsync of the directory.
 * A temporary name starts with ".tmp-" and may be removed at any time; readers skip it. */
#ifndef CEREMONY_BASE_FILE_H
#define CEREMONY_BASE_FILE_H

#include <stdio.h>

#include "ceremony/base/err.h"
#include "ceremony/base/hash.h"

/* *out: malloc'ed content with a NUL behind, *len without it; freed by the caller with free().
 * ERR_MISSING, ERR_LIMIT (over max bytes), ERR_IO. Anything but a regular file: ERR_FORMAT. */
MUST err_t file_read(uint8_t **out, size_t *len, const char *path, size_t max, struct fault *f);

/* A stream to read a file that is too large for that; the same errors. Never waits, as opening a FIFO would.
 */
MUST err_t file_open(FILE **out, const char *path, struct fault *f);

/* A descriptor of a file of state that is written in place, with the flags and mode of open(2). Never waits,
 * never goes through a symbolic link: ERR_FORMAT if there is anything but a regular file. ERR_MISSING,
 * ERR_IO. */
MUST err_t file_open_state(int *fd, const char *path, int flags, unsigned mode, struct fault *f);

enum file_mode {
    FILE_NEW,     /* ERR_EXISTS if the name is taken by other content; OK if by the same content */
    FILE_REPLACE, /* for state that is rebuilt: replaced atomically */
};
/* All of data or nothing, durable when it returns OK. */
MUST err_t file_write(const char *path, const void *data, size_t len, enum file_mode mode, struct fault *f);

/* Writing as a stream, for what does not fit in memory: add, then commit or abandon. Zeroed struct
 * is safe to abandon. */
struct file_writer {
    FILE *stream;
    char path[4096], temp[4096];
};
MUST err_t file_writer_open(struct file_writer *w, const char *path, struct fault *f);
MUST err_t file_writer_add(struct file_writer *w, const void *data, size_t len, struct fault *f);
MUST err_t file_writer_commit(struct file_writer *w, enum file_mode mode, struct fault *f);
void file_writer_abandon(struct file_writer *w);

/* Closes a stream of open_memstream(text, ...). fclose alone does not tell whether all of it is there:
 * ERR_MEMORY, and *text is freed and NULL, if not. */
MUST err_t file_memstream_end(FILE *stream, char **text);

/* SHA-256 of a file, streamed. With a limit, for files of others: one with holes can pretend to any length, and costs
 * nothing. ERR_LIMIT: it is longer than max bytes, and was not read. */
MUST err_t file_hash(hash_t *out, const char *path, struct fault *f);
MUST err_t file_hash_max(hash_t *out, const char *path, uint64_t max, struct fault *f);

/* Directories: created with parents if absent (mode 0755). */
MUST err_t file_mkdir(const char *path, struct fault *f);

/* Joins with '/': ERR_LIMIT if out_len is too small. */
MUST err_t file_path(char *out, size_t out_len, const char *dir, const char *name);

/* OK if path is a directory; ERR_MISSING, ERR_FORMAT. */
MUST err_t file_is_dir(const char *path, struct fault *f);

/* Calls back with each name in dir in byte order, skipping those that start with '.'. What is no regular file
 * is for the reader to refuse, by name. Stops at the first error. An absent directory is empty. */
typedef err_t file_list_fn(void *ctx, const char *name, struct fault *f);
MUST err_t file_list(const char *dir, file_list_fn *fn, void *ctx, struct fault *f);

#endif
