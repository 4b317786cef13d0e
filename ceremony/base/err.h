/* Errors: one list, one must-check type, and the context that travels with them.
 *
 * Every function that can fail returns err_t. A function that can tell where (which file, which
 * trustee, which byte) also takes a struct fault, filled on failure only. The innermost function
 * that knows something writes it; callers add what they know with fault_file() and fault_who().
 * A fault never holds the value of a secret or of a rejected input.
 *
 * The class of an error says what must happen next (err_class). */
#ifndef CEREMONY_BASE_ERR_H
#define CEREMONY_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define MUST __attribute__((warn_unused_result))

enum err_class {
    CLASS_OK,
    CLASS_BUG,    /* the caller broke a rule of the interface */
    CLASS_INPUT,  /* bad input from a person or a peer: name the file, ask for another copy */
    CLASS_CRYPTO, /* a cryptographic check failed: keep the evidence, name the author */
    CLASS_RULE,   /* input is well formed but a rule of the protocol forbids the step */
    CLASS_TOKEN,  /* the token: can be repeated once the token is there and right */
    CLASS_SYSTEM  /* memory, disk, operating system */
};

/* X(name, class, what it means, what to do) */
#define ERR_LIST(X)                                                                                          \
    X(OK, CLASS_OK, "no error", "")                                                                          \
    X(ERR_BUG, CLASS_BUG, "internal rule broken", "report this as a defect")                                 \
    X(ERR_USAGE, CLASS_INPUT, "the command line is wrong", "see --help")                                     \
    X(ERR_TRUNCATED, CLASS_INPUT, "the data end too early", "fetch a complete copy")                         \
    X(ERR_TRAILING, CLASS_INPUT, "there are data after the end", "fetch an intact copy")                     \
    X(ERR_FORMAT, CLASS_INPUT, "the data are not in the expected format",                                    \
      "check that this is the right file")                                                                   \
    X(ERR_CANONICAL, CLASS_INPUT, "the encoding is not the canonical one",                                   \
      "fetch the original from its author")                                                                  \
    X(ERR_LIMIT, CLASS_INPUT, "a size or number is outside its limits", "check that this is the right file") \
    X(ERR_TEXT, CLASS_INPUT, "text holds characters that are not allowed",                                   \
      "have the author correct the text")                                                                    \
    X(ERR_VERSION, CLASS_INPUT, "unknown version or scheme",                                                 \
      "use the program version this election was made with")                                                 \
    X(ERR_ELECTION, CLASS_INPUT, "this belongs to another election or ceremony",                             \
      "use the files of this election")                                                                      \
    X(ERR_UNKNOWN, CLASS_INPUT, "a name is not known in this election", "compare with the manifest")         \
    X(ERR_DUPLICATE, CLASS_INPUT, "the same thing is here twice", "keep one, find out why there are two")    \
    X(ERR_CONFLICT, CLASS_INPUT, "two different things claim the same place",                                \
      "keep both as evidence, ask their author")                                                             \
    X(ERR_MISSING, CLASS_INPUT, "something needed is not here", "fetch it and repeat")                       \
    X(ERR_POINT, CLASS_CRYPTO, "not a valid curve point", "refuse it and name its author")                   \
    X(ERR_SCALAR, CLASS_CRYPTO, "not a canonical scalar", "refuse it and name its author")                   \
    X(ERR_SIGNATURE, CLASS_CRYPTO, "the signature is not valid",                                             \
      "refuse it; ask the author for the original")                                                          \
    X(ERR_PROOF, CLASS_CRYPTO, "a zero-knowledge proof does not verify", "refuse it and name its author")    \
    X(ERR_COMMITMENT, CLASS_CRYPTO, "an opening does not match its commitment",                              \
      "refuse it and name its author")                                                                       \
    X(ERR_DECRYPT, CLASS_CRYPTO, "a ciphertext does not open",                                               \
      "see whether the token or the sender is at fault")                                                     \
    X(ERR_SHARE, CLASS_CRYPTO, "a share does not match the dealer's points", "complain about the dealer")    \
    X(ERR_HASH, CLASS_CRYPTO, "the content does not have the hash that was signed", "fetch an intact copy")  \
    X(ERR_SUM, CLASS_CRYPTO, "a sum is not the sum of its parts", "refuse it and name its author")           \
    X(ERR_EQUIVOCATION, CLASS_CRYPTO, "one author made two different statements",                            \
      "keep both as evidence; the author is left out")                                                       \
    X(ERR_MISMATCH, CLASS_CRYPTO, "two things that must be equal differ",                                    \
      "stop and compare the fingerprints aloud")                                                             \
    X(ERR_RULE, CLASS_RULE, "a rule of the protocol forbids this", "read the rule named")                    \
    X(ERR_EARLY, CLASS_RULE, "an earlier step is not complete", "complete it first")                         \
    X(ERR_DONE, CLASS_RULE, "this was done before and cannot be done otherwise now",                         \
      "go on with the next step")                                                                            \
    X(ERR_REFUSED, CLASS_RULE, "refused: the person did not confirm",                                        \
      "compare again; confirm only if equal")                                                                \
    X(ERR_QUORUM, CLASS_RULE, "not enough trustees", "wait for more or see who is missing")                  \
    X(ERR_MINIMUM, CLASS_RULE, "it would show the votes of too few people",                                  \
      "merge the places as the manifest says")                                                               \
    X(ERR_UNVERIFIED, CLASS_RULE, "it was not verified on this machine",                                     \
      "bring the complete exports and verify")                                                               \
    X(ERR_TOKEN_ABSENT, CLASS_TOKEN, "the token is not there", "insert the token and repeat")                \
    X(ERR_TOKEN_WRONG, CLASS_TOKEN, "this is another token", "insert the token named and repeat")            \
    X(ERR_TOKEN_LOCKED, CLASS_TOKEN, "the token is locked", "unlock it with the security officer's PIN")     \
    X(ERR_TOKEN_PIN, CLASS_TOKEN, "the PIN is wrong", "check the PIN; tries are limited")                    \
    X(ERR_TOKEN_LAST_TRY, CLASS_TOKEN, "one more wrong PIN locks the token",                                 \
      "say --last-try if you are certain of the PIN")                                                        \
    X(ERR_TOKEN_FULL, CLASS_TOKEN, "the token is full", "remove old objects or use another token")           \
    X(ERR_TOKEN_REMOVED, CLASS_TOKEN, "the token was removed", "insert it again and repeat")                 \
    X(ERR_TOKEN_CANNOT, CLASS_TOKEN, "the token cannot do what is needed",                                   \
      "run token probe; use another model")                                                                  \
    X(ERR_TOKEN_KEY, CLASS_TOKEN, "the key is not in the token or not as it must be",                        \
      "use the token that enrolled")                                                                         \
    X(ERR_TOKEN_BOUND, CLASS_TOKEN, "the token is bound to something else",                                  \
      "enrol again with new keys; see the guide")                                                            \
    X(ERR_TOKEN_FAILED, CLASS_TOKEN, "the token reported an error",                                          \
      "repeat; if it stays, use another token")                                                              \
    X(ERR_MEMORY, CLASS_SYSTEM, "no memory", "close other programs and repeat")                              \
    X(ERR_LOCK, CLASS_SYSTEM, "memory cannot be locked", "raise the limit of locked memory (ulimit -l)")     \
    X(ERR_RANDOM, CLASS_SYSTEM, "no randomness", "stop; this machine must not be used")                      \
    X(ERR_SELFTEST, CLASS_SYSTEM, "the self-test failed", "stop; this machine must not be used")             \
    X(ERR_IO, CLASS_SYSTEM, "reading or writing failed", "check the medium and repeat")                      \
    X(ERR_EXISTS, CLASS_SYSTEM, "the file exists and is never overwritten", "choose another name")           \
    X(ERR_BUSY, CLASS_SYSTEM, "another program is using it", "wait for it or end it")                        \
    X(ERR_STOPPED, CLASS_SYSTEM, "stopped on request", "run it again to go on")

typedef enum {
#define X(name, class, meaning, advice) name,
    ERR_LIST(X)
#undef X
} err_t;

/* Where and what. All texts are for a person; all fields may be empty. */
struct fault {
    err_t err;
    char file[256]; /* file, or bundle-relative path, or "standard input" */
    char who[128];  /* trustee, place or official concerned */
    long long at;   /* byte offset, or line when is_line; -1: not known */
    int is_line;
    char detail[512]; /* one sentence without final stop */
};

/* No error yet; f may be NULL. */
void fault_clear(struct fault *f);

/* Sets f (which may be NULL) and returns e, so that one can write: return fault_set(f, ERR_X, "..."). */
err_t fault_set(struct fault *f, err_t e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Fill the file or the person in where they are still empty. Return f->err, or e if f is NULL. */
err_t fault_file(struct fault *f, err_t e, const char *file);
err_t fault_who(struct fault *f, err_t e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Names, never NULL. err_name gives the identifier ("ERR_PROOF"), which tests and scripts compare. */
const char *err_name(err_t e);
const char *err_meaning(err_t e);
const char *err_advice(err_t e);
enum err_class err_class(err_t e);

/* Writes the whole message into out (cut to out_len, always terminated):
 * "FILE, place: what happened: detail. What to do. [ERR_NAME]". If anything in it is not what text_check
 * takes, a name with a terminal's commands for example, only printable ASCII stays and the rest becomes '?'.
 */
void fault_text(char *out, size_t out_len, const struct fault *f);

#define TRY(call)                                                                                            \
    do {                                                                                                     \
        err_t try_err_ = (call);                                                                             \
        if (try_err_ != OK)                                                                                  \
            return try_err_;                                                                                 \
    } while (0)

/* The same in a function with one label "out" that frees; err_t e must be in scope. */
#define GO(call)                                                                                             \
    do {                                                                                                     \
        e = (call);                                                                                          \
        if (e != OK)                                                                                         \
            goto out;                                                                                        \
    } while (0)

#endif
