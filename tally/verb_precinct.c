#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ceremony/base/file.h"
#include "tally/precinct.h"
#include "tally/verb.h"
#include "ui/qr.h"
#include "ui/qrtext.h"

struct precinct_options {
    const char *board, *place, *journal;
};

#define PRECINCT_OPTIONS(o)                                                                                  \
    {"board", ARG_TEXT, &(o).board, "DIR", "manifest, jurisdictions and record of the election", 1},         \
        {"place", ARG_TEXT, &(o).place, "PLACE", "this precinct", 1},                                        \
    {                                                                                                        \
        "journal", ARG_TEXT, &(o).journal, "FILE", "its journal", 1                                          \
    }

struct node_open {
    struct bundle_election *be;
    struct precinct *p;
};

static err_t node_open(struct node_open *n, struct verb_run *v, const struct precinct_options *o, int create)
{
    uint32_t place;
    memset(n, 0, sizeof *n);
    TRY(bundle_election_load(&n->be, o->board, 1, &v->fault));
    TRY(verb_place(v, &place, n->be, o->place));
    return precinct_open(&n->p, &n->be->ctx, place, o->journal, create, &v->fault);
}

static void node_close(struct node_open *n)
{
    precinct_free(n->p);
    bundle_election_free(n->be);
}

static void print_status(struct verb_run *v, const struct node_open *n)
{
    struct precinct_status s;
    struct place p;
    char hex[2 * HASH_LEN + 1];
    precinct_get_status(n->p, &s);
    places_get(n->be->places, s.place, &p);
    fprintf(
        v->out,
        "place     %s (%s)\nstate     %s\nballots   %llu\nbatches   %llu\npending   %llu\nrevision  %llu\n",
        p.id, p.title, s.state == PRECINCT_OPEN ? "open" : "closed", (unsigned long long)s.ballots,
        (unsigned long long)s.batches, (unsigned long long)s.pending, (unsigned long long)s.revision);
    if (s.has_export) {
        hex_put(hex, s.export_id.b, HASH_LEN);
        fprintf(v->out, "export    %s\n", hex);
    }
}

static err_t open_and_report(struct verb_run *v, int argc, char **argv, int create)
{
    struct precinct_options o = {0};
    const struct arg options[] = {PRECINCT_OPTIONS(o), {0}};
    struct node_open n;
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    err_t e = node_open(&n, v, &o, create);
    if (e == OK)
        print_status(v, &n);
    node_close(&n);
    return e;
}

err_t verb_precinct_open(struct verb_run *v, int argc, char **argv)
{
    return open_and_report(v, argc, argv, 1);
}

err_t verb_precinct_status(struct verb_run *v, int argc, char **argv)
{
    return open_and_report(v, argc, argv, 0);
}

/* --- cast --- */

struct cast_job {
    struct verb_run *v;
    struct precinct *p;
    struct cast_item item[BALLOT_BATCH];
    uint8_t *buffer; /* BALLOT_BATCH slots of slot bytes */
    size_t slot, count;
    uint64_t number, accepted, again, refused;
    err_t first;
    struct fault first_fault;
};

static int is_about_ballot(err_t e)
{
    return err_class(e) == CLASS_INPUT || err_class(e) == CLASS_CRYPTO;
}

static void print_item(struct cast_job *j, const struct cast_item *item)
{
    char hex[2 * HASH_LEN + 1];
    j->number++;
    if (item->err != OK) {
        j->refused++;
        fprintf(j->v->out, "refused %llu %s\n", (unsigned long long)j->number, err_name(item->err));
        return;
    }
    hex_put(hex, item->info.id.b, HASH_LEN);
    *(item->again ? &j->again : &j->accepted) += 1;
    fprintf(j->v->out, "%s %s\n", item->again ? "again" : "accepted", hex);
}

/* Takes what has been read. Lines are printed after the ballots are on disk, never before. */
static err_t flush_batch(struct cast_job *j)
{
    struct fault f;
    if (j->count == 0)
        return OK;
    fault_clear(&f);
    err_t e = precinct_cast_batch(j->p, j->item, j->count, &f);
    int any_refused = 0;
    for (size_t i = 0; i < j->count; i++)
        any_refused |= j->item[i].err != OK;
    if (e != OK && !(any_refused && is_about_ballot(e))) {
        j->v->fault = f;
        return e;
    }
    for (size_t i = 0; i < j->count; i++)
        print_item(j, &j->item[i]);
    if (e != OK && j->first == OK) {
        j->first = e;
        j->first_fault = f;
    }
    j->count = 0;
    if (fflush(j->v->out) != 0)
        return fault_set(&j->v->fault, ERR_IO, "writing to standard output failed");
    return OK;
}

static err_t cast_all(struct cast_job *j, FILE *in)
{
    uint64_t offset = 0;
    for (;;) {
        uint8_t *slot = j->buffer + j->count * j->slot;
        size_t len;
        err_t e = verb_stopped(j->v)
                      ? fault_set(&j->v->fault, ERR_STOPPED, "ballots accepted so far are on disk")
                      : verb_item_read(j->v, slot, &len, j->slot, in, &offset);
        if (e != OK) {
            struct fault why = j->v->fault;
            TRY(flush_batch(j)); /* what was read completely still counts */
            j->v->fault = why;
            return e;
        }
        if (len == 0)
            return flush_batch(j);
        j->item[j->count++] = (struct cast_item){.data = slot, .len = len};
        if (j->count == BALLOT_BATCH)
            TRY(flush_batch(j));
    }
}

static err_t cast_from(struct verb_run *v, const struct node_open *n, FILE *in)
{
    struct cast_job *j = calloc(1, sizeof *j);
    err_t e = ERR_MEMORY;
    if (j == NULL)
        return fault_set(&v->fault, e, "casting");
    j->v = v;
    j->p = n->p;
    j->slot = ballot_len_max(&n->be->ctx);
    j->buffer = malloc(j->slot * BALLOT_BATCH);
    e = j->buffer == NULL ? fault_set(&v->fault, ERR_MEMORY, "casting") : cast_all(j, in);
    fprintf(v->out, "taken %llu, already here %llu, refused %llu\n", (unsigned long long)j->accepted,
            (unsigned long long)j->again, (unsigned long long)j->refused);
    if (e == OK && j->first != OK) {
        e = j->first;
        v->fault = j->first_fault;
    }
    free(j->buffer);
    free(j);
    return e;
}

err_t verb_precinct_cast(struct verb_run *v, int argc, char **argv)
{
    struct precinct_options o = {0};
    struct arg_list files = {.count = 0};
    const struct arg options[] = {PRECINCT_OPTIONS(o), {0}};
    struct node_open n;
    TRY(verb_options(v, argc, argv, options, &files));
    if (v->help_shown)
        return OK;
    if (files.count > 1)
        return fault_set(&v->fault, ERR_USAGE, "one file of ballots, or none for standard input");
    const char *name = files.count == 1 && strcmp(files.item[0], "-") != 0 ? files.item[0] : NULL;
    FILE *in = stdin;
    if (name != NULL)
        TRY(file_open(&in, name, &v->fault));
    err_t e = node_open(&n, v, &o, 0);
    if (e == OK)
        e = cast_from(v, &n, in);
    node_close(&n);
    if (name != NULL)
        fclose(in);
    return e == OK ? OK : fault_file(&v->fault, e, name ? name : "standard input");
}

/* --- close, correct, remove --- */

err_t verb_precinct_close(struct verb_run *v, int argc, char **argv)
{
    struct precinct_options o = {0};
    const char *key = NULL, *out = NULL, *passphrase = NULL, *hours = NULL;
    int none = 0;
    const struct arg options[] = {
        PRECINCT_OPTIONS(o),
        {"key", ARG_TEXT, &key, "FILE", "signing key of this place", 1},
        {"export", ARG_TEXT, &out, "FILE", "export to write; never overwritten", 1},
        {"passphrase-file", ARG_TEXT, &passphrase, "FILE", "passphrase of the key; otherwise asked for", 0},
        {"no-passphrase", ARG_FLAG, &none, NULL, "the key has none", 0},
        {"time", ARG_TEXT, &hours, "HOURS", "hours since 1970, UTC; default: now", 0},
        {0},
    };
    struct node_open n = {0};
    struct signkey *signkey = NULL;
    uint64_t now = (uint64_t)time(NULL) / 3600;
    hash_t id;
    char hex[2 * HASH_LEN + 1];
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    TRY(args_number(&now, hours, "time", 0, UINT32_MAX, &v->fault));
    err_t e = OK;
    GO(node_open(&n, v, &o, 0));
    GO(verb_key_open(v, &signkey, key, passphrase, none));
    GO(precinct_close(n.p, &id, out, now, signkey_signer(signkey), &v->fault));
    hex_put(hex, id.b, HASH_LEN);
    fprintf(v->out, "export %s\n", hex);
out:
    signkey_close(signkey);
    node_close(&n);
    return e;
}

err_t verb_precinct_correct(struct verb_run *v, int argc, char **argv)
{
    struct precinct_options o = {0};
    const struct arg options[] = {PRECINCT_OPTIONS(o), {0}};
    struct node_open n;
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    err_t e = node_open(&n, v, &o, 0);
    if (e == OK)
        e = precinct_correct(n.p, &v->fault);
    if (e == OK)
        print_status(v, &n);
    node_close(&n);
    return e;
}

err_t verb_precinct_remove(struct verb_run *v, int argc, char **argv)
{
    struct precinct_options o = {0};
    const char *ballot = NULL;
    const struct arg options[] = {
        PRECINCT_OPTIONS(o),
        {"ballot", ARG_TEXT, &ballot, "HEX", "ballot id", 1},
        {0},
    };
    struct node_open n;
    hash_t id;
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    TRY(verb_hash(v, &id, ballot, "ballot"));
    err_t e = node_open(&n, v, &o, 0);
    if (e == OK)
        e = precinct_remove(n.p, &id, &v->fault);
    if (e == OK)
        print_status(v, &n);
    node_close(&n);
    return e;
}

/* --- receipt --- */

err_t verb_precinct_receipt(struct verb_run *v, int argc, char **argv)
{
    struct precinct_options o = {0};
    const char *ballot = NULL, *out = NULL;
    const struct arg options[] = {
        PRECINCT_OPTIONS(o),
        {"ballot", ARG_TEXT, &ballot, "HEX", "ballot id", 1},
        {"out", ARG_TEXT, &out, "FILE", "receipt as a file, instead of a QR code", 0},
        {0},
    };
    struct node_open n = {0};
    struct receipt receipt;
    struct cbor_out bytes = CBOR_OUT_INIT;
    hash_t id;
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    TRY(verb_hash(v, &id, ballot, "ballot"));
    err_t e = OK;
    GO(node_open(&n, v, &o, 0));
    GO(precinct_receipt(n.p, &receipt, &id, &v->fault));
    GO(receipt_make(&bytes, &receipt));
    if (out != NULL)
        GO(file_write(out, bytes.data, bytes.len, FILE_NEW, &v->fault));
    else
        GO(qr_print(v->out, QRTEXT_RECEIPT, bytes.data, bytes.len, &v->fault));
    if (receipt.size == 0)
        fprintf(v->out, "taken and on disk; its batch is not complete yet, ask again later for the proof\n");
out:
    cbor_out_free(&bytes);
    node_close(&n);
    return e;
}
