/* Inside publish only: the directory that is being built, and its list of hashes. */
#ifndef TALLY_PUBLISH_FILES_H
#define TALLY_PUBLISH_FILES_H

#include <stdio.h>

#include "tally/bundle.h"

struct publish_dir {
    char final[BUNDLE_PATH_MAX - 8], temp[BUNDLE_PATH_MAX];
    struct publish_line {
        char *path; /* inside the bundle */
        hash_t hash;
    } * line;
    size_t line_count, line_cap;
    uint64_t bytes;
};

/* Removes what an interrupted run left in OUT.tmp and makes it anew. */
MUST err_t publish_dir_open(struct publish_dir *d, const char *out, struct fault *f);
/* Writes one file; directories of path are made. */
MUST err_t publish_dir_add(struct publish_dir *d, const char *path, const void *data, size_t len,
                           struct fault *f);
/* A file as a stream: begin, write to *stream through _write (which hashes), end. */
struct publish_stream {
    FILE *file;
    struct hash_ctx hash;
    char path[512];
};
MUST err_t publish_stream_begin(struct publish_stream *s, struct publish_dir *d, const char *path,
                                struct fault *f);
MUST err_t publish_stream_write(struct publish_stream *s, struct publish_dir *d, const void *data, size_t len,
                                struct fault *f);
MUST err_t publish_stream_end(struct publish_stream *s, struct publish_dir *d, struct fault *f);
void publish_stream_abandon(struct publish_stream *s);
/* Writes SHA256SUMS, syncs, renames. *already: the same bundle is there. ERR_EXISTS: another one is. */
MUST err_t publish_dir_commit(struct publish_dir *d, int *already, struct fault *f);
/* Frees; removes OUT.tmp if it was not committed. */
void publish_dir_close(struct publish_dir *d);

#endif
