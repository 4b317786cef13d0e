#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ceremony/board.h"
#include "ceremony/exception.h"

static const char *const kind_names[ENTRY_KINDS] = {"enroll", "roster",  "deal",    "complaint",
                                                    "reveal", "cut",     "confirm", "drill",
                                                    "plan",   "partial", "retire",  "exception"};

const char *entry_kind_name(enum entry_kind k)
{
    return k < ENTRY_KINDS ? kind_names[k] : "unknown";
}

void entry_file_name(char out[ENTRY_NAME_SIZE], const struct entry *e)
{
    char kid[17], id[2 * HASH_LEN + 1];
    hex_put(kid, e->kid.b, 8);
    hex_put(id, e->id.b, HASH_LEN);
    snprintf(out, ENTRY_NAME_SIZE, "%s.%s.%s.cose", entry_kind_name(e->kind), kid, id);
}

static enum entry_kind get_kind(struct cbor_in *in)
{
    char name[TEXT_ID_MAX + 1];
    cbor_get_id(in, name, TEXT_ID_MAX);
    for (int k = 0; k < ENTRY_KINDS; k++) {
        if (strcmp(name, kind_names[k]) == 0)
            return (enum entry_kind)k;
    }
    cbor_fail(in, ERR_FORMAT);
    return ENTRY_ENROLL;
}

static err_t statement_hash(hash_t *out, enum entry_kind kind, const hash_t *election, const hash_t *ceremony,
                            const point_t *author, const hash_t *subject, const uint8_t *statement,
                            size_t len)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 7);
    cbor_put_text(&o, "conclave/statement");
    cbor_put_text(&o, entry_kind_name(kind));
    cbor_put_hash(&o, election);
    cbor_put_hash(&o, ceremony);
    cbor_put_bytes(&o, author->b, POINT_LEN);
    cbor_put_hash(&o, subject);
    cbor_put_bytes(&o, statement, len);
    return cbor_out_hash(&o, out);
}

err_t entry_statement_id(hash_t *out, enum entry_kind kind, const hash_t *election, const hash_t *ceremony,
                         const point_t *author, const hash_t *subject, const struct cbor_out *statement)
{
    static const hash_t zero;
    memset(out, 0, sizeof *out);
    TRY(statement->err);
    return statement_hash(out, kind, election, ceremony != NULL ? ceremony : &zero, author,
                          subject != NULL ? subject : &zero, statement->data, statement->len);
}

static int has_proofs(enum entry_kind k)
{
    return k == ENTRY_DEAL || k == ENTRY_CONFIRM || k == ENTRY_DRILL || k == ENTRY_PARTIAL;
}

static err_t parse_payload(struct entry *e, const struct cose *m, struct fault *f)
{
    struct cbor_in in;
    cbor_in_init(&in, m->payload, m->payload_len);
    cbor_get_array_exact(&in, 11);
    cbor_get_text_exact(&in, "conclave/entry");
    uint64_t version = cbor_get_uint(&in, UINT32_MAX), scheme = cbor_get_uint(&in, UINT32_MAX);
    if (in.err == OK && (version != 1 || scheme != SCHEME_P256_ELGAMAL))
        cbor_fail(&in, ERR_VERSION);
    e->kind = get_kind(&in);
    cbor_get_hash(&in, &e->election);
    cbor_get_hash(&in, &e->ceremony);
    cbor_get_fixed(&in, e->author.b, POINT_LEN);
    e->time = cbor_get_uint(&in, UINT32_MAX);
    cbor_get_hash(&in, &e->subject);
    e->statement = cbor_get_bytes(&in, 1, ENTRY_MAX, &e->statement_len);
    /* Only what carries proofs has evidence: elsewhere it would be a place to hide a second meaning. */
    e->evidence = cbor_get_bytes(&in, 0, has_proofs(e->kind) ? ENTRY_MAX : 0, &e->evidence_len);
    return cbor_in_end(&in, f);
}

err_t entry_parse(struct entry **out, uint8_t *bytes, size_t len, const hash_t *election, struct fault *f)
{
    *out = NULL;
    struct entry *e = calloc(1, sizeof *e);
    if (e == NULL) {
        free(bytes);
        return fault_set(f, ERR_MEMORY, "board entry");
    }
    e->bytes = bytes;
    e->bytes_len = len;
    struct cose m;
    err_t err = len > ENTRY_MAX ? fault_set(f, ERR_LIMIT, "board entry of %zu bytes", len)
                                : cose_parse(&m, bytes, len, f);
    if (err == OK)
        err = parse_payload(e, &m, f);
    if (err == OK && e->kind != ENTRY_PARTIAL && len > ENTRY_SMALL_MAX)
        err = fault_set(f, ERR_LIMIT, "an entry of %zu bytes that is no partial decryption", len);
    if (err == OK && hash_cmp(&e->election, election) != 0)
        err = fault_set(f, ERR_ELECTION, "the entry names another election");
    if (err == OK)
        err = cose_verify(&m, &e->author, f);
    if (err == OK && e->kind == ENTRY_EXCEPTION)
        err = exception_parse(&(struct exception){0}, e, f);
    if (err == OK)
        err = statement_hash(&e->statement_id, e->kind, &e->election, &e->ceremony, &e->author, &e->subject,
                             e->statement, e->statement_len);
    if (err != OK) {
        entry_free(e);
        return err;
    }
    e->id = m.id;
    e->kid = m.kid;
    *out = e;
    return OK;
}

void entry_free(struct entry *e)
{
    if (e == NULL)
        return;
    free(e->bytes);
    free(e);
}

err_t entry_make(struct entry **out, enum entry_kind kind, const hash_t *election, const hash_t *ceremony,
                 const hash_t *subject, const struct cbor_out *statement, const struct cbor_out *evidence,
                 const struct signer *signer, struct fault *f)
{
    static const hash_t zero;
    *out = NULL;
    struct cbor_out payload = CBOR_OUT_INIT, message = CBOR_OUT_INIT;
    cbor_put_array(&payload, 11);
    cbor_put_text(&payload, "conclave/entry");
    cbor_put_uint(&payload, 1);
    cbor_put_uint(&payload, SCHEME_P256_ELGAMAL);
    cbor_put_text(&payload, entry_kind_name(kind));
    cbor_put_hash(&payload, election);
    cbor_put_hash(&payload, ceremony != NULL ? ceremony : &zero);
    cbor_put_bytes(&payload, signer->key.b, POINT_LEN);
    cbor_put_uint(&payload, (uint64_t)time(NULL) / 3600);
    cbor_put_hash(&payload, subject != NULL ? subject : &zero);
    cbor_put_bytes(&payload, statement->data, statement->len);
    cbor_put_bytes(&payload, evidence != NULL ? evidence->data : NULL, evidence != NULL ? evidence->len : 0);
    err_t e = statement->err != OK                      ? statement->err
              : evidence != NULL && evidence->err != OK ? evidence->err
                                                        : payload.err;
    if (e == OK)
        e = cose_sign(&message, signer, payload.data, payload.len, f);
    cbor_out_free(&payload);
    if (e != OK) {
        cbor_out_free(&message);
        return e;
    }
    return entry_parse(out, message.data, message.len, election, f);
}
