/* Inside the verifier only: the table of checks, and the state they share. */
#ifndef TALLY_VERIFY_STATE_H
#define TALLY_VERIFY_STATE_H

#include <sqlite3.h>

#include "ceremony/phase.h"
#include "tally/bundle.h"
#include "tally/combine.h"
#include "tally/export.h"
#include "tally/node.h"
#include "tally/plan.h"
#include "tally/result.h"
#include "tally/verify.h"

/* X(name, id, title, place in the spec, required, function), in the order in which they run: a check may rely
 * on what those before it left in struct verify. */
#define VERIFY_CHECKS(X)                                                                                     \
    X(FILES, "bundle.files", "the files are those that SHA256SUMS lists", "bundle.md, SHA256SUMS", 1, files) \
    X(MANIFEST, "manifest.form", "the manifest keeps its form", "manifest.md", 1, manifest)                  \
    X(PLACES, "places.form", "the places keep their form and have the manifest's hash",                      \
      "manifest.md, The places", 1, places)                                                                  \
    X(RECORD, "record.form", "the ceremony record keeps its form and is of this election", "ceremony.md 9",  \
      1, record)                                                                                             \
    X(ANCHOR, "anchor.match", "this is the real election", "formats.md, anchor", 1, anchor)                  \
    X(LAYOUT, "bundle.layout", "nothing is in the bundle that has no place there", "bundle.md", 1, layout)   \
    X(ENTRIES, "board.entries", "every board entry is signed, of this election, under its name",             \
      "ceremony.md 2", 1, entries)                                                                           \
    X(ROSTER, "ceremony.roster", "the seats are those of the signed roster", "ceremony.md 4", 1, roster)     \
    X(MODELS, "ceremony.models", "not too many tokens of one model", "ceremony.md 4", 1, models)             \
    X(CUT, "ceremony.cut", "a signed cut fixes what was dealt", "ceremony.md 7", 1, cut)                     \
    X(DEALS, "ceremony.deals", "every dealer's points open the commitment, with proof of knowledge",         \
      "ceremony.md 5", 1, deals)                                                                             \
    X(COMPLAINTS, "ceremony.complaints", "every complaint about a dealer was answered", "ceremony.md 6", 1,  \
      complaints)                                                                                            \
    X(QUALIFIED, "ceremony.qualified", "dealers and holders follow from the cut, and are enough",            \
      "ceremony.md 7", 1, qualified)                                                                         \
    X(CONFIRM, "ceremony.confirm", "every holder proved the share, and the test decrypts", "ceremony.md 8",  \
      1, confirm)                                                                                            \
    X(KEY, "ceremony.key", "the key and the holders' points are those of the deals, and fit",                \
      "ceremony.md 9", 1, key)                                                                               \
    X(CEREMONY, "ceremony.record", "the record follows from its signed entries", "ceremony.md 9", 1,         \
      ceremony)                                                                                              \
    X(R_FORM, "records.form", "there is a well-formed record for every place", "formats.md, Node record", 1, \
      walk)                                                                                                  \
    X(SIGNED, "exports.signed", "every export is signed by the key of its place",                            \
      "formats.md, Precinct export", 1, exports)                                                             \
    X(BALLOTS, "exports.ballots", "every ballot or count is well formed and proved", "proofs.md", 1,         \
      exports)                                                                                               \
    X(IDS, "exports.ids", "no ballot id is twice in an export", "formats.md, Precinct export", 1, exports)   \
    X(ORDER, "exports.order", "items are in an order that tells nothing", "formats.md, Precinct export", 1,  \
      exports)                                                                                               \
    X(ROOT, "exports.root", "the items are exactly those that were signed", "formats.md, Precinct export",   \
      1, exports)                                                                                            \
    X(TALLY, "exports.tally", "the signed tally is the sum of the items", "formats.md, Precinct export", 1,  \
      exports)                                                                                               \
    X(C_FORM, "chain.form", "snapshot, headers and ballots of every chain keep their form",                  \
      "chain.md, Export", 1, chains)                                                                         \
    X(C_QUORUM, "chain.quorum", "the voting had ended, and enough validators made that final",               \
      "chain.md, Snapshot", 1, chains)                                                                       \
    X(C_HEADERS, "chain.headers", "every block header is signed and follows the one before",                 \
      "chain.md, Header", 1, chains)                                                                         \
    X(C_BALLOTS, "chain.ballots", "every ballot of a chain is well formed and proved", "proofs.md", 1,       \
      chains)                                                                                                \
    X(C_ORDER, "chain.order", "ballots are in their shard, in an order that tells nothing",                  \
      "chain.md, Shards", 1, chains)                                                                         \
    X(C_TREES, "chain.trees", "the ballots are exactly those that the headers sign", "chain.md, Trees", 1,   \
      chains)                                                                                                \
    X(C_TALLY, "chain.tally", "running tallies and the snapshot are the sums of the ballots",                \
      "chain.md, Header", 1, chains)                                                                         \
    X(C_IDS, "chain.ids", "no ballot id is twice in a chain", "chain.md, In the manifest", 1, chains)        \
    X(C_ANCHOR, "chain.anchor", "roots that were printed elsewhere are those of the chain",                  \
      "chain.md, What is checked", 0, chains)                                                                \
    X(R_SOURCES, "records.sources", "records name exactly the records and exports here",                     \
      "formats.md, Node record", 1, records)                                                                 \
    X(R_SUMS, "records.sums", "every record is the exact sum of its parts", "plan.md, Node records", 1,      \
      records)                                                                                               \
    X(R_MISSING, "records.missing", "missing places are stated, and only these", "plan.md, Node records", 1, \
      records)                                                                                               \
    X(R_DROPPED, "records.dropped", "of ballots cast twice, the rule decides which counts",                  \
      "plan.md, Which exports count", 1, dropped)                                                            \
    X(R_CORRECTIONS, "records.corrections", "every correction is stated", "plan.md, Which exports count", 1, \
      records)                                                                                               \
    X(PLAN_FORM, "plan.form", "the decryption plan keeps its form", "formats.md, Decryption plan", 1,        \
      plan_form)                                                                                             \
    X(PLAN_RECORDS, "plan.records", "the plan is about these records", "plan.md, Checking a plan", 1,        \
      plan_rules)                                                                                            \
    X(PLAN_UNITS, "plan.units", "its units are places and whole groups of the manifest's levels",            \
      "plan.md, Units", 1, plan_rules)                                                                       \
    X(PLAN_SUMS, "plan.sums", "what is decrypted are the sums of the records", "plan.md, The rules", 1,      \
      plan_rules)                                                                                            \
    X(PLAN_MINIMUM, "plan.minimum", "no sum or difference shows too few ballots", "plan.md, The rules", 1,   \
      plan_rules)                                                                                            \
    X(PLAN_COMPLETE, "plan.complete", "every contest of the whole is decrypted", "plan.md, Making a plan",   \
      1, plan_complete)                                                                                      \
    X(RESULT_FORM, "result.form", "the result keeps its form and is of this plan", "formats.md, Result", 1,  \
      result_form)                                                                                           \
    X(RESULT_PARTIALS, "result.partials",                                                                    \
      "it names as many holders as the threshold, each with one statement", "bundle.md, Result", 1,          \
      result_partials)                                                                                       \
    X(PLAN_SIGNED, "plan.signed", "those who decrypted signed this plan, and enough did", "ceremony.md 10",  \
      1, plan_signed)                                                                                        \
    X(PLAN_SINGLE, "plan.single", "no other plan was decrypted", "plan.md, Superseding", 1, plan_single)     \
    X(PARTIAL_FORM, "partials.form", "the partial decryptions used keep their form", "ceremony.md 10", 1,    \
      partial_form)                                                                                          \
    X(PARTIAL_PROOFS, "partials.proofs", "every partial decryption used is proved", "ceremony.md 1", 1,      \
      partial_proofs)                                                                                        \
    X(RESULT_DECRYPTS, "result.decrypts", "every count is the content of its sum", "bundle.md, Result", 1,   \
      decrypts)                                                                                              \
    X(RESULT_RANGE, "result.range", "counts are within the ballots and the limits", "bundle.md, Result", 1,  \
      range)                                                                                                 \
    X(RESULT_COMPLETE, "result.complete", "every unit of the plan has its row", "formats.md, Result", 1,     \
      complete)                                                                                              \
    X(PAGE, "report.page", "the report page is the one these files give", "bundle.md, The report page", 1,   \
      page)

enum verify_id {
#define X(name, id, title, spec, required, fn) CHECK_##name,
    VERIFY_CHECKS(X)
#undef X
        CHECK_COUNT
};

struct verify_piece;
struct verify_name {
    char *path; /* inside the bundle */
    int kind;   /* 'f' regular file, 'd' directory, '?' anything else */
};

struct verify {
    const char *dir;
    const struct verify_options *opt;
    struct verify_report *rep;

    size_t name_count, name_cap;
    struct verify_name *name; /* sorted */

    struct manifest *m;
    struct manifest lenient; /* m without the rules that have checks of their own: token models, least QUAL */
    struct places *places;
    uint8_t *record_bytes;
    size_t record_len;
    int has_record_id;
    hash_t record_id;
    struct record *r;
    struct election_context ctx;

    struct group *g;
    struct board *b;
    struct board view; /* the entries that count for the record; borrows from b */
    int has_roster, has_cut, has_outcome, outcome_whole;
    struct roster roster;
    struct cut cut;
    struct outcome outcome;

    struct id_sort *ids; /* of all ballots that count */
    /* Ids that are in several exports, and those that records leave out, in a private temporary file. */
    sqlite3 *index;
    sqlite3_stmt *put_seen, *put_dropped;
    int walked;
    struct verify_chain *chain; /* for each chain of the manifest (verify_chain.c) */
    size_t chain_count;         /* that are here */
    uint64_t chain_ballots;
    size_t bad_records, bad_exports, unread_exports, export_count, missing_count;
    size_t unlooked_exports;    /* of parts that are not here, or whose signer does not count */
    struct verify_piece *piece; /* the part that is made, or NULL (verify_part.c) */
    uint64_t items;
    struct node *whole; /* root record, if good */
    struct node_provider nodes;

    struct plan *plan;
    int plan_checked, records_consistent;
    struct target *target;
    struct result *result;
    uint32_t used_seat[TRUSTEES_MAX]; /* seats of the statements the result lists; 0: not found */
    int used_known;                   /* all found, t distinct */
    struct partial *used[TRUSTEES_MAX];
    int used_good;

    struct fault fault; /* of the error that ended the run, where more is known of it; else clear */
};

/* --- filing (verify.c) --- */

/* f: what and where; its file becomes relative to the bundle. */
void verify_fail(struct verify *v, enum verify_id id, const struct fault *f);
void verify_failf(struct verify *v, enum verify_id id, err_t e, const char *file, const char *who,
                  const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Nothing of this check, or not all of it, could be done. The first reason is kept. */
void verify_skip(struct verify *v, enum verify_id id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void verify_note(struct verify *v, enum verify_id id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
size_t verify_failures(const struct verify *v, enum verify_id id);

void outcome_fail(struct verify_outcome *o, err_t e, const char *file, const char *who, const char *detail);
void outcome_note(struct verify_outcome *o, const char *text);
/* verify_exports.c: everything in from, too. */
void verify_outcome_add(struct verify_outcome *to, const struct verify_outcome *from);

/* DIR/name. */
MUST err_t verify_path(const struct verify *v, char out[BUNDLE_PATH_MAX], const char *name);
/* 1 if the bundle has this regular file. */
MUST int verify_has_file(const struct verify *v, const char *name);
MUST err_t verify_tick(struct verify *v, const char *what, uint64_t done, uint64_t total);

/* --- the checks: OK when done, whatever they found; only errors of the system end the run --- */

#define X(name, id, title, spec, required, fn) err_t verify_check_##fn(struct verify *v, enum verify_id id_);
VERIFY_CHECKS(X)
#undef X

/* verify_exports.c: every item of every export, in threads; files what is found in the order of places. */
MUST err_t verify_exports(struct verify *v);
/* verify_records.c: a ballot id that is in the export of this place. */
MUST err_t verify_seen(struct verify *v, const hash_t *id, uint32_t place);

/* verify_files.c: SHA-256 of a file of the bundle that is no longer than its kind can be. ERR_LIMIT, ERR_IO,
 * ... */
MUST err_t verify_file_hash(const struct verify *v, hash_t *out, const char *name);

/* For tests: runs the checks and keeps the state. Freed with verify_close. */
MUST err_t verify_run(struct verify **out, const char *dir, const struct verify_options *o, struct fault *f);
/* The first count checks only. */
MUST err_t verify_run_first(struct verify **out, const char *dir, const struct verify_options *o,
                            size_t count, struct fault *f);
void verify_close(struct verify *v); /* frees the report too, unless it was taken out */

#endif
