/* Numbers about a running program, in the text format of Prometheus, version 0.0.4.
 *
 *   metrics_init(&m, "chain", "chain-s01", "chain01", "s01")
 *   metrics_add, metrics_set, metrics_observe, metrics_refused     from any thread, any number of times
 *   metrics_publish(&m, DIR/metrics, 0)                            often; writes at most once a second
 *   metrics_publish(&m, DIR/metrics, 1)                            at the end
 *
 * Every metric that a program of ours writes is a line of METRICS_LIST, and nowhere else; docs/monitoring/
 * names them, and tests compare. Percentiles are not computed here: a histogram has fixed buckets, and who
 * reads it (histogram_quantile in a dashboard) sees percentiles over any time and over any number of
 * processes.
 *
 * How the numbers of several processes come together. Each process has a name (an identifier, different from
 * those of the others in the directory) and writes DIR/metrics/NAME.prom by itself, complete, under a
 * temporary name that is then renamed: there is no shared memory and no connection, and a process that dies
 * leaves its last numbers. Every sample has the label process="NAME" first; so no two files can hold the same
 * series, and HELP and TYPE of a family are the same everywhere because they come from one table. Either of
 * these can read the directory: node_exporter with --collector.textfile.directory=DIR/metrics; or
 * conclave-tally chain serve-metrics (metrics_merge, metrics_serve.h), which gives families in the order of
 * the table, one HELP and TYPE each, then the samples of all files. Counters begin at 0 when a process
 * starts, as Prometheus expects (rate() sees the reset). conclave_process_update_time_seconds tells how old a
 * file is, conclave_process_running (0 in the last file) a process that ended from one that was killed.
 *
 * Never: globals, secrets, ballot ids or anything else about one ballot, files outside of the directory. */
#ifndef TALLY_METRICS_H
#define TALLY_METRICS_H

#include <stdatomic.h>
#include <stdio.h>

#include "ceremony/base/err.h"
#include "ceremony/base/text.h"

enum metric_kind {
    METRIC_COUNTER,   /* a whole number that grows */
    METRIC_ERRORS,    /* a counter for each error, label "error" */
    METRIC_GAUGE,     /* any number; not written before it is set */
    METRIC_LATENCY,   /* histogram of seconds, 100 us to 30 s */
    METRIC_SHORT,     /* histogram of seconds, 100 ns to 100 ms */
    METRIC_SIZES,     /* histogram of numbers of things, 1 to 100,000 */
    METRIC_FROM_HERE, /* a gauge that metrics_write fills itself */
    METRIC_CPU        /* a counter that metrics_write fills itself */
};

/* X(identifier, name, kind, help) */
#define METRICS_LIST(X)                                                                                      \
    X(METRIC_START, "conclave_process_start_time_seconds", METRIC_FROM_HERE, "When the process started.")    \
    X(METRIC_UPDATE, "conclave_process_update_time_seconds", METRIC_FROM_HERE,                               \
      "When the process last wrote its numbers.")                                                            \
    X(METRIC_RUNNING, "conclave_process_running", METRIC_FROM_HERE,                                          \
      "1 while the process works; 0 once it ended in order.")                                                \
    X(METRIC_CPU_SECONDS, "conclave_process_cpu_seconds_total", METRIC_CPU,                                  \
      "Processor time used, user and system.")                                                               \
    X(METRIC_RESIDENT, "conclave_process_resident_memory_bytes", METRIC_FROM_HERE, "Memory in use.")         \
    X(METRIC_CHAIN_ACCEPTED, "conclave_chain_ballots_accepted_total", METRIC_COUNTER,                        \
      "Ballots acknowledged: checked, in the tree, and on disk.")                                            \
    X(METRIC_CHAIN_AGAIN, "conclave_chain_ballots_again_total", METRIC_COUNTER,                              \
      "Ballots that were there already, byte for byte.")                                                     \
    X(METRIC_CHAIN_REFUSED, "conclave_chain_ballots_refused_total", METRIC_ERRORS, "Ballots refused.")       \
    X(METRIC_CHAIN_RECEIVED, "conclave_chain_received_bytes_total", METRIC_COUNTER,                          \
      "Bytes of envelopes and ballots taken in.")                                                            \
    X(METRIC_CHAIN_WRITTEN, "conclave_chain_written_bytes_total", METRIC_COUNTER,                            \
      "Bytes written to journal, segments, trees and headers.")                                              \
    X(METRIC_CHAIN_BALLOT, "conclave_chain_ballot_seconds", METRIC_LATENCY,                                  \
      "From the arrival of a ballot to its acknowledgement.")                                                \
    X(METRIC_CHAIN_PROOFS, "conclave_chain_proofs_seconds", METRIC_LATENCY,                                  \
      "Checking the proofs of a batch of ballots.")                                                          \
    X(METRIC_CHAIN_NULLIFIER, "conclave_chain_nullifier_seconds", METRIC_SHORT,                              \
      "Checking whether a ballot id was there before, for one id.")                                          \
    X(METRIC_CHAIN_APPEND, "conclave_chain_append_seconds", METRIC_LATENCY,                                  \
      "Appending a batch to the trees.")                                                                     \
    X(METRIC_CHAIN_SYNC, "conclave_chain_sync_seconds", METRIC_LATENCY, "Making a batch durable.")           \
    X(METRIC_CHAIN_BATCH, "conclave_chain_batch_ballots", METRIC_SIZES, "Ballots in a batch.")               \
    X(METRIC_CHAIN_QUEUE, "conclave_chain_queue_ballots", METRIC_GAUGE,                                      \
      "Ballots that wait to be checked or acknowledged.")                                                    \
    X(METRIC_CHAIN_LAG, "conclave_chain_mmr_lag_ballots", METRIC_GAUGE,                                      \
      "Ballots acknowledged that no signed root covers yet.")                                                \
    X(METRIC_CHAIN_SIZE, "conclave_chain_size_ballots", METRIC_GAUGE, "Ballots under the last signed root.") \
    X(METRIC_CHAIN_HEIGHT, "conclave_chain_height", METRIC_GAUGE, "Height of the last signed header.")       \
    X(METRIC_CHAIN_HEADER, "conclave_chain_header_time_seconds", METRIC_GAUGE,                               \
      "When the last header was signed.")                                                                    \
    X(METRIC_CHAIN_STATE, "conclave_chain_state", METRIC_GAUGE, "The shard: 0 open, 1 split, 2 closed.")     \
    X(METRIC_CHAIN_SEGMENTS, "conclave_chain_segment_bytes", METRIC_GAUGE,                                   \
      "Size of the shard's compressed segments.")                                                            \
    X(METRIC_CHAIN_SNAPSHOT, "conclave_chain_snapshot_number", METRIC_GAUGE, "Number of the last snapshot.") \
    X(METRIC_CHAIN_FINAL, "conclave_chain_final_number", METRIC_GAUGE, "Number of the last final snapshot.") \
    X(METRIC_CHAIN_FREE, "conclave_chain_disk_free_bytes", METRIC_GAUGE, "Room left where the chain is.")    \
    X(METRIC_VERIFY_BALLOTS, "conclave_verify_ballots_total", METRIC_COUNTER,                                \
      "Ballots (or counts with range proofs) verified, good or bad.")                                        \
    X(METRIC_VERIFY_REFUSED, "conclave_verify_refused_total", METRIC_ERRORS,                                 \
      "Exports, segments and ballots refused.")                                                              \
    X(METRIC_VERIFY_EXPORTS, "conclave_verify_exports_total", METRIC_COUNTER,                                \
      "Exports and segments read to the end.")                                                               \
    X(METRIC_VERIFY_READ, "conclave_verify_read_bytes_total", METRIC_COUNTER, "Bytes read.")                 \
    X(METRIC_VERIFY_UNPACKED, "conclave_verify_unpacked_bytes_total", METRIC_COUNTER,                        \
      "The same after decompression.")                                                                       \
    X(METRIC_VERIFY_BATCH, "conclave_verify_batch_seconds", METRIC_LATENCY, "Verifying one batch.")          \
    X(METRIC_VERIFY_NULLIFIER, "conclave_verify_nullifier_seconds", METRIC_SHORT,                            \
      "Comparing ballot ids with all others in the end, for one id.")                                        \
    X(METRIC_VERIFY_SIZE, "conclave_verify_batch_ballots", METRIC_SIZES, "Ballots in a batch.")              \
    X(METRIC_VERIFY_QUEUE, "conclave_verify_queue", METRIC_GAUGE,                                            \
      "Exports, or pieces of a chain, in hand that no thread has begun with.")                               \
    X(METRIC_VERIFY_EXPECTED, "conclave_verify_expected_bytes", METRIC_GAUGE,                                \
      "Bytes to read in all, where it is known.")                                                            \
    X(METRIC_VERIFY_THREADS, "conclave_verify_threads", METRIC_GAUGE, "Threads that verify.")                \
    X(METRIC_SERVED_FILES, "conclave_metrics_files", METRIC_GAUGE, "Files of numbers read by the server.")   \
    X(METRIC_SERVED_BAD, "conclave_metrics_files_refused", METRIC_GAUGE,                                     \
      "Files of numbers that are not what the programs write, and were left out.")                           \
    X(METRIC_SERVED_REQUESTS, "conclave_metrics_requests_total", METRIC_COUNTER, "Requests answered.")       \
    X(METRIC_SERVED_ERRORS, "conclave_metrics_requests_refused_total", METRIC_COUNTER,                       \
      "Requests that were wrong or too slow.")

enum metric {
#define X(id, name, kind, help) id,
    METRICS_LIST(X)
#undef X
        METRIC_COUNT
};

#define METRIC_BUCKETS_MAX 20
#define METRIC_SLOTS 64 /* errors, or buckets and what is above them */

struct metrics {
    char process[TEXT_ID_MAX + 1], program[TEXT_ID_MAX + 1], chain[TEXT_ID_MAX + 1], shard[TEXT_ID_MAX + 1];
    double start, published; /* Unix time; monotonic time of the last file */
    int ended;               /* the file that is written now is the last one */
    struct {
        _Atomic uint64_t n[METRIC_SLOTS]; /* counters: n[0]; errors by number; buckets, not cumulative */
        _Atomic uint64_t sum;             /* histograms: in billionths */
        _Atomic double value;             /* gauges */
        _Atomic int is_set;
    } v[METRIC_COUNT];
};

/* program: "chain", "verify", "aggregate", ...; process: name of the file, by which the process is told from
 * others; chain, shard: NULL where there is none. ERR_TEXT unless all are identifiers (text_is_id). */
MUST err_t metrics_init(struct metrics *m, const char *program, const char *process, const char *chain,
                        const char *shard);

/* Each of these may be called with m = NULL, which does nothing, and by any thread. A metric of another kind
 * is left alone. Values that are negative or no number count as 0 in histograms. */
void metrics_add(struct metrics *m, enum metric id, uint64_t n);
void metrics_refused(struct metrics *m, enum metric id, err_t why, uint64_t n);
void metrics_set(struct metrics *m, enum metric id, double value);
void metrics_more(struct metrics *m, enum metric id, double more); /* of a gauge, which begins at 0 */
void metrics_observe(struct metrics *m, enum metric id, double value);
/* The same for count things that took this long each. */
void metrics_observe_many(struct metrics *m, enum metric id, double value, uint64_t count);

/* Seconds of a clock that only goes forward, to measure with. */
double metrics_now(void);

/* All of it as text. ERR_IO. */
MUST err_t metrics_write(const struct metrics *m, FILE *out);
/* dir/PROCESS.prom (dir is made), or the file at path: replaced atomically, not synced (after a crash of the
 * machine it may be empty). publish: force says that it is the last time; otherwise only if the one before is
 * a second ago or more; a second caller at the same time must be kept out by the caller. A failure to write
 * numbers is for the caller to report, never a reason to stop. ERR_IO. */
MUST err_t metrics_publish(struct metrics *m, const char *dir, int force, struct fault *f);
MUST err_t metrics_publish_file(struct metrics *m, const char *path, int force, struct fault *f);
MUST err_t metrics_write_file(const struct metrics *m, const char *path, struct fault *f);

/* For a program that writes one file which the command line names: FILE must end in ".prom", and what is
 * before that is the name of the process. ERR_USAGE, ERR_MEMORY. Freed with free(). path NULL: *out is NULL.
 */
MUST err_t metrics_new_for(struct metrics **out, const char *program, const char *path, struct fault *f);

/* The two lines before the samples of a metric. */
void metrics_put_head(FILE *out, enum metric id);
/* Name, kind ("counter", "gauge", "histogram") and help of a metric. */
const char *metrics_name(enum metric id);
const char *metrics_type(enum metric id);

/* All samples of *.prom in dir and of own, families together; *out is malloc'ed text, *len without its NUL.
 * Files are bounded (METRICS_FILE_MAX bytes, METRICS_FILES_MAX files, in order of name); one that holds a
 * line which is not what metrics_write writes, or a label process that is not the file's name, is left out
 * and counted in own. An absent directory is empty. ERR_MEMORY, ERR_IO. */
#define METRICS_FILE_MAX ((size_t)256 << 10)
#define METRICS_FILES_MAX 1024
MUST err_t metrics_merge(char **out, size_t *len, const char *dir, struct metrics *own, struct fault *f);

#endif
