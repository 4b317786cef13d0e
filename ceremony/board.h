/* The board: all public state of a ceremony, as a set of signed entries in a directory.
 *
 *   DIR/manifest.json, DIR/jurisdictions.csv   the election
 *   DIR/entries/KIND.AUTHOR.ID.cose            one signed entry (16 hex digits of the kid, all of the id)
 *   DIR/detached/HASH.bin                      ciphertexts whose hashes entries carry; not published
 *   DIR/record.cbor                            made when the key is released
 *   DIR/own/KEY                                of board_own: the trustee whose board this is; not published
 *
 * Loading verifies every entry: form, signature, election, own name. What does not pass is kept
 * out and listed as refused, with its fault; it stops nothing. Entries are never changed, merging two boards
 * is set union, and two different statements under one name are both kept: board_find reports them
 * as equivocation. Signatures are checked here, what statements mean in the files of each phase. */
#ifndef CEREMONY_BOARD_H
#define CEREMONY_BOARD_H

#include "ceremony/base/cbor.h"
#include "ceremony/base/cose.h"
#include "ceremony/manifest.h"
#include "ceremony/math/group.h"

#define ENTRY_MAX ((size_t)64 << 20)      /* bytes of one entry file */
#define ENTRY_SMALL_MAX ((size_t)1 << 20) /* of one that is no partial decryption */
#define DETACHED_MAX 4096                 /* bytes of one detached ciphertext */
/* What merges take of people without a seat, and of detached ciphertexts (board_merge). */
#define BOARD_STRANGE_MAX 4096
#define BOARD_STRANGE_BYTES ((size_t)64 << 20)
#define BOARD_DETACHED_MAX 16384

enum entry_kind {
    ENTRY_ENROLL,
    ENTRY_ROSTER,
    ENTRY_DEAL,
    ENTRY_COMPLAINT,
    ENTRY_REVEAL,
    ENTRY_CUT,
    ENTRY_CONFIRM,
    ENTRY_DRILL,
    ENTRY_PLAN,
    ENTRY_PARTIAL,
    ENTRY_RETIRE,
    ENTRY_EXCEPTION,
    ENTRY_KINDS
};
const char *entry_kind_name(enum entry_kind k); /* "enroll", ... */

struct entry {
    hash_t id, statement_id; /* docs/spec/formats.md */
    enum entry_kind kind;
    hash_t election, ceremony, kid, subject;
    point_t author;
    uint64_t time;                       /* hours since 1970 */
    const uint8_t *statement, *evidence; /* views into bytes */
    size_t statement_len, evidence_len;
    uint8_t *bytes; /* the signed message */
    size_t bytes_len;
};

struct refused {
    char file[256];
    struct fault fault;
};

struct board {
    char dir[4096];
    hash_t election;
    size_t entry_count, refused_count;
    struct entry **entry; /* sorted by id */
    struct refused *refused;
};

/* --- single entries --- */

/* Parses and verifies one signed entry. bytes become the entry's (freed with entry_free) also on error. */
MUST err_t entry_parse(struct entry **out, uint8_t *bytes, size_t len, const hash_t *election,
                       struct fault *f);
void entry_free(struct entry *e);

/* The id of a statement that was not signed yet. ceremony, subject may be NULL: zeros. */
MUST err_t entry_statement_id(hash_t *out, enum entry_kind kind, const hash_t *election,
                              const hash_t *ceremony, const point_t *author, const hash_t *subject,
                              const struct cbor_out *statement);

/* The name of its file: KIND.AUTHOR.ID.cose with 16 hex digits of the kid and all 64 of the id (fewer would
 * let an author make two entries of one name, so that no board could hold both). */
#define ENTRY_NAME_SIZE 128
void entry_file_name(char out[ENTRY_NAME_SIZE], const struct entry *e);

/* Signs a new entry. ceremony, subject may be NULL: zeros. */
MUST err_t entry_make(struct entry **out, enum entry_kind kind, const hash_t *election,
                      const hash_t *ceremony, const hash_t *subject, const struct cbor_out *statement,
                      const struct cbor_out *evidence, const struct signer *signer, struct fault *f);

/* --- boards --- */

/* Reads a directory. election: refuse entries of others (ERR_ELECTION in the refused list). */
MUST err_t board_open(struct board **out, const char *dir, const hash_t *election, struct fault *f);
void board_free(struct board *b);

/* Writes the entry and takes it into the set; e stays the caller's if it is in the set already or on error
 * (*taken says). OK for an entry that is there already. A damaged file under its name is put aside as
 * NAME.damaged first. */
MUST err_t board_add(struct board *b, struct entry *e, int *taken, struct fault *f);

/* The same for an entry that came by itself from elsewhere (a QR code): taken under the rules and limits of
 * board_merge. ERR_UNKNOWN: its author has no seat; ERR_LIMIT: there are too many of such entries. */
MUST err_t board_admit(struct board *b, struct entry *e, int *taken, struct fault *f);

/* This key signed the roster for this board: DIR/own/KEY. From then on merges take entries of that roster's
 * authors. */
MUST err_t board_own(const struct board *b, const point_t *author, struct fault *f);

/* Everything of the directory from that is good is copied in, detached files included. Counts: new, known,
 * refused (listed in b->refused). Once the board's trustee has signed a roster, of those who are not in it
 * only enrolments are taken (ERR_UNKNOWN); these, and before the roster everybody's entries, at most
 * BOARD_STRANGE_MAX of BOARD_STRANGE_BYTES together (ERR_LIMIT). Faults name the file. */
struct merge_report {
    size_t added, known, refused, detached;
};
MUST err_t board_merge(struct board *b, const char *from, struct merge_report *report, struct fault *f);

/* What board_merge would do now, and nothing is written: *news holds the entries that b does not have and
 * what would be refused; freed with board_free. report->detached counts the ciphertexts that b does not have.
 */
MUST err_t board_merge_preview(struct board **news, const struct board *b, const char *from,
                               struct merge_report *report, struct fault *f);

/* Entry by message id, or NULL. */
const struct entry *board_entry(const struct board *b, const hash_t *id);

/* The statement of (kind, ceremony, author, subject): *out is NULL if there is none (returns OK). Several
 * entries with equal statements: the one with the smallest id. Different statements: ERR_EQUIVOCATION, with
 * *out and *other two that differ. Any pointer argument but out may be NULL: then it does not filter. */
MUST err_t board_find(const struct board *b, const struct entry **out, const struct entry **other,
                      enum entry_kind kind, const hash_t *ceremony, const point_t *author,
                      const hash_t *subject);

/* Detached ciphertexts, named by their SHA-256. put: a damaged file under the name is put aside; ERR_LIMIT:
 * more than DETACHED_MAX bytes. get: ERR_MISSING, ERR_HASH; *data is malloc'ed, NULL on error. */
MUST err_t board_detached_put(const struct board *b, hash_t *out, const void *data, size_t len,
                              struct fault *f);
MUST err_t board_detached_get(const struct board *b, uint8_t **data, size_t *len, const hash_t *hash,
                              struct fault *f);

#endif
