/* The verbs of conclave-tally (ui/verb.h), and what they share. Only main.c and verb_*.c print. */
#ifndef TALLY_VERB_H
#define TALLY_VERB_H

#include "tally/bundle.h"
#include "tally/signkey.h"
#include "ui/progress.h"
#include "ui/verb.h"

/* --- shared by verbs --- */

/* 64 hex digits. ERR_USAGE. */
MUST err_t verb_hash(struct verb_run *v, hash_t *out, const char *text, const char *option);
/* Index of a lowest-level place. ERR_UNKNOWN. */
MUST err_t verb_place(struct verb_run *v, uint32_t *out, const struct bundle_election *be, const char *id);
/* given, or DIR/name in static memory of the caller (BUNDLE_PATH_MAX). ERR_USAGE if neither given nor dir is
 * there. */
MUST err_t verb_path(struct verb_run *v, char out[BUNDLE_PATH_MAX], const char *given, const char *dir,
                     const char *name, const char *option);
/* The passphrase of the key file `key` (NULL: of a new one): from a file, none, or asked for (twice if it is
 * new). Freed with secret_free. */
MUST err_t verb_passphrase(struct verb_run *v, char **secret, size_t *len, const char *file, int none,
                           const char *key);
MUST err_t verb_key_open(struct verb_run *v, struct signkey **out, const char *path,
                         const char *passphrase_file, int none);
struct metrics;
/* The last numbers of a run, to path (NULL: none). That they cannot be written is said, and is no failure. */
void verb_metrics_end(struct verb_run *v, struct metrics *m, const char *path);
/* "NAME  words" and the hex below. */
void verb_print_fingerprint(struct verb_run *v, const char *name, const hash_t *h);

/* --- a file of ballots: CBOR sequence (RFC 8742) of byte strings --- */

/* Reads the next item. *len = 0 and OK at the end of the file. buffer has max bytes. ERR_LIMIT,
 * ERR_TRUNCATED, ERR_CANONICAL, ERR_FORMAT; ERR_STOPPED if interrupted. *offset (bytes so far) moves on. */
MUST err_t verb_item_read(struct verb_run *v, uint8_t *buffer, size_t *len, size_t max, FILE *in,
                          uint64_t *offset);

/* --- the verbs --- */

err_t verb_key_new(struct verb_run *v, int argc, char **argv);
err_t verb_key_show(struct verb_run *v, int argc, char **argv);
err_t verb_import_prepare(struct verb_run *v, int argc, char **argv);
err_t verb_import_encrypt(struct verb_run *v, int argc, char **argv);
err_t verb_ballot_make(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_open(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_cast(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_close(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_correct(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_remove(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_status(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_receipt(struct verb_run *v, int argc, char **argv);
err_t verb_aggregate(struct verb_run *v, int argc, char **argv);
err_t verb_plan(struct verb_run *v, int argc, char **argv);
err_t verb_combine(struct verb_run *v, int argc, char **argv);
err_t verb_publish(struct verb_run *v, int argc, char **argv);
err_t verb_chain_open(struct verb_run *v, int argc, char **argv);
err_t verb_chain_append(struct verb_run *v, int argc, char **argv);
err_t verb_chain_split(struct verb_run *v, int argc, char **argv);
err_t verb_chain_close(struct verb_run *v, int argc, char **argv);
err_t verb_chain_status(struct verb_run *v, int argc, char **argv);
err_t verb_chain_export(struct verb_run *v, int argc, char **argv);
err_t verb_chain_sign(struct verb_run *v, int argc, char **argv);
err_t verb_chain_prune(struct verb_run *v, int argc, char **argv);
err_t verb_part_sign(struct verb_run *v, int argc, char **argv);
err_t verb_tune(struct verb_run *v, int argc, char **argv);
err_t verb_chain_serve_metrics(struct verb_run *v, int argc, char **argv);
err_t verb_chain_verify(struct verb_run *v, int argc, char **argv);
err_t verb_show(struct verb_run *v, int argc, char **argv);

#endif
