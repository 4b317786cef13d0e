#include "tally/part_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/base/text.h"

#define LABEL "conclave/part"
#define LEFT_OUT_MAX ((size_t)1 << 24)
#define SIGNERS_FILE_MAX ((size_t)1 << 20)
#define NOTE_MAX 1000

/* --- names --- */

static const char *const error_name[] = {
#define X(name, class, meaning, advice) #name,
    ERR_LIST(X)
#undef X
};

static err_t get_error(struct cbor_in *in)
{
    size_t len;
    const uint8_t *name = cbor_get_bytes(in, 1, 32, &len);
    for (size_t i = 0; name != NULL && i < sizeof error_name / sizeof *error_name; i++)
        if (strlen(error_name[i]) == len && memcmp(error_name[i], name, len) == 0)
            return (err_t)i;
    cbor_fail(in, ERR_UNKNOWN);
    return ERR_FORMAT;
}

static void put_string(struct cbor_out *o, const char *text)
{
    cbor_put_bytes(o, text, strlen(text));
}

/* What a report shows is anybody's bytes: byte strings, made fit for people where they are filed. */
static void get_string(struct cbor_in *in, char *out, size_t max)
{
    size_t len;
    const uint8_t *text = cbor_get_bytes(in, 0, max, &len);
    out[0] = '\0';
    if (text == NULL)
        return;
    if (memchr(text, '\0', len) != NULL) {
        cbor_fail(in, ERR_TEXT);
        return;
    }
    memcpy(out, text, len);
    out[len] = '\0';
}

err_t part_path(char *out, size_t out_len, const char *dir, unsigned k, unsigned n, const char *suffix)
{
    char name[64];
    snprintf(name, sizeof name, "part-%u-of-%u%s", k, n, suffix);
    return file_path(out, out_len, dir, name);
}

static int get_number(unsigned *out, const char **text)
{
    unsigned long v = 0;
    const char *at = *text;
    if (*at < '1' || *at > '9')
        return 0;
    for (; *at >= '0' && *at <= '9' && v <= PART_COUNT_MAX; at++)
        v = 10 * v + (unsigned long)(*at - '0');
    *out = (unsigned)v;
    *text = at;
    return v <= PART_COUNT_MAX;
}

err_t part_parse_number(unsigned *k, unsigned *n, const char *text, struct fault *f)
{
    if (get_number(k, &text) && *text++ == '/' && get_number(n, &text) && *text == '\0' && *k <= *n)
        return OK;
    *k = *n = 0;
    return fault_set(f, ERR_USAGE, "a part is K/N, with K from 1 to N and N at most %u", PART_COUNT_MAX);
}

err_t part_program(hash_t *out, struct fault *f)
{
    return file_hash(out, "/proc/self/exe", f);
}

/* --- what was found --- */

struct part_found part_found_of(enum verify_id check, const struct verify_outcome *o)
{
    return (struct part_found){check, o->failure_count, o->failure_kept, o->note_count, o->failure, o->note};
}

void part_found_file(struct verify_outcome *to, const struct part_found *x)
{
    const struct verify_outcome o = {.failure_count = x->failure_count,
                                     .failure_kept = x->failure_kept,
                                     .failure = x->failure,
                                     .note_count = x->note_count,
                                     .note = x->note};
    verify_outcome_add(to, &o);
}

/* --- writing --- */

static void put_found(struct cbor_out *out, const struct part_found *x)
{
    cbor_put_array(out, 4);
    cbor_put_text(out, verify_check_id(x->check));
    cbor_put_uint(out, x->failure_count);
    cbor_put_array(out, x->failure_kept);
    for (size_t i = 0; i < x->failure_kept; i++) {
        cbor_put_array(out, 4);
        put_string(out, err_name(x->failure[i].err));
        put_string(out, x->failure[i].file);
        put_string(out, x->failure[i].who);
        put_string(out, x->failure[i].detail);
    }
    cbor_put_array(out, x->note_count);
    for (size_t i = 0; i < x->note_count; i++)
        put_string(out, x->note[i]);
}

void part_finding_put(struct cbor_out *out, const struct part_finding *f)
{
    cbor_put_array(out, 9);
    cbor_put_text(out, f->place);
    put_string(out, err_name(f->file_err));
    cbor_put_hash(out, &f->file);
    cbor_put_hash(out, &f->record);
    cbor_put_uint(out, f->items);
    cbor_put_uint(out, f->ids);
    cbor_put_uint(out, f->flags);
    cbor_put_array(out, f->left_out_count);
    for (size_t i = 0; i < f->left_out_count; i++)
        cbor_put_hash(out, &f->left_out[i]);
    cbor_put_array(out, f->found_count);
    for (size_t i = 0; i < f->found_count; i++)
        put_found(out, &f->found[i]);
}

void part_shard_put(struct cbor_out *out, const struct part_shard *s)
{
    cbor_put_array(out, 12);
    cbor_put_text(out, s->chain);
    cbor_put_text(out, s->shard);
    cbor_put_hash(out, &s->snapshot);
    cbor_put_hash(out, &s->headers);
    cbor_put_hash(out, &s->records);
    cbor_put_uint(out, s->proved);
    cbor_put_uint(out, s->pruned);
    cbor_put_uint(out, s->ids);
    cbor_put_array(out, s->file_count);
    for (size_t i = 0; i < s->file_count; i++) {
        cbor_put_array(out, 3);
        put_string(out, s->file[i].name);
        put_string(out, err_name(s->file[i].err));
        cbor_put_hash(out, &s->file[i].hash);
    }
    cbor_put_array(out, s->left_count);
    for (size_t i = 0; i < s->left_count; i++) {
        cbor_put_array(out, 4);
        cbor_put_hash(out, &s->left[i].id);
        cbor_put_uint(out, s->left[i].place);
        cbor_put_uint(out, s->left[i].at);
        cbor_put_bytes(out, s->left[i].leaf, sizeof s->left[i].leaf);
    }
    cbor_put_array(out, s->found_count);
    for (size_t i = 0; i < s->found_count; i++)
        put_found(out, &s->found[i]);
    cbor_put_array(out, s->reason_count);
    for (size_t i = 0; i < s->reason_count; i++) {
        cbor_put_array(out, 2);
        cbor_put_text(out, verify_check_id(s->reason[i].check));
        put_string(out, s->reason[i].text);
    }
}

static void put_list(struct cbor_out *out, const struct part_list *list)
{
    cbor_put_array(out, list->count);
    if (list->bytes.len)
        cbor_put_raw(out, list->bytes.data, list->bytes.len);
    if (list->bytes.err != OK && out->err == OK)
        out->err = list->bytes.err;
}

err_t part_build(struct cbor_out *out, const struct part_head *h, const struct part_list *findings,
                 const struct part_list *shards, struct fault *f)
{
    cbor_put_array(out, 13);
    cbor_put_text(out, LABEL);
    cbor_put_uint(out, 2);
    cbor_put_hash(out, &h->election);
    cbor_put_hash(out, &h->record);
    cbor_put_hash(out, &h->bundle);
    cbor_put_uint(out, h->k);
    cbor_put_uint(out, h->n);
    cbor_put_text(out, h->version);
    cbor_put_hash(out, &h->program);
    cbor_put_uint(out, h->id_count);
    cbor_put_hash(out, &h->ids);
    put_list(out, findings);
    put_list(out, shards);
    if (out->err != OK)
        return fault_set(f, out->err, "a partial report");
    if (out->len > PART_FILE_MAX - 4096)
        return fault_set(f, ERR_LIMIT, "the report of this part is too long: verify in more parts");
    return OK;
}

/* --- reading --- */

static enum verify_id get_check(struct cbor_in *in)
{
    char id[TEXT_ID_MAX + 1];
    cbor_get_id(in, id, TEXT_ID_MAX);
    for (size_t i = 0; i < CHECK_COUNT && in->err == OK; i++)
        if (strcmp(id, verify_check_id(i)) == 0)
            return (enum verify_id)i;
    cbor_fail(in, ERR_UNKNOWN);
    return CHECK_FILES;
}

/* The fewest bytes of an item. */
#define LEAST_HASH (2 + HASH_LEN)
#define LEAST_NOTE 1
#define LEAST_FAILURE (1 + 2 + 3 * 1)
#define LEAST_FOUND (1 + 2 + 1 + 1 + 1)
#define LEAST_FINDING (1 + 2 + 3 + 2 * LEAST_HASH + 5 * 1)
#define LEAST_FILE (1 + 2 + 3 + LEAST_HASH)
#define LEAST_LEFT (1 + LEAST_HASH + 1 + 1 + 17)
#define LEAST_REASON (1 + 2 + 1)
#define LEAST_SHARD (1 + 2 + 1 + 3 * LEAST_HASH + 7 * 1)
#define FILES_MAX ((size_t)1 << 24)
#define FILE_NAME_MAX 63
#define REASON_MAX 255

static void *get_list(struct cbor_in *in, size_t *count, size_t max, size_t size, size_t least)
{
    size_t n = cbor_get_array(in, 0, max);
    *count = 0;
    /* Nothing is allocated for what cannot be there. */
    if (in->err != OK || n == 0 || n > (in->len - in->pos) / least) {
        if (n > 0)
            cbor_fail(in, ERR_TRUNCATED);
        return NULL;
    }
    void *list = calloc(n, size);
    if (list == NULL)
        cbor_fail(in, ERR_MEMORY);
    else
        *count = n;
    return list;
}

static void get_failure(struct cbor_in *in, struct verify_failure *x)
{
    cbor_get_array_exact(in, 4);
    x->err = get_error(in);
    get_string(in, x->file, sizeof x->file - 1);
    get_string(in, x->who, sizeof x->who - 1);
    get_string(in, x->detail, sizeof x->detail - 1);
    if (x->err == OK)
        cbor_fail(in, ERR_RULE);
}

/* What a report may still list: of one check as much as a whole run keeps, over all exports. */
struct rest {
    size_t failures[CHECK_COUNT], notes[CHECK_COUNT];
};

static void get_found(struct cbor_in *in, struct part_found *x, const struct part_found *before,
                      struct rest *rest)
{
    char note[NOTE_MAX + 1];
    cbor_get_array_exact(in, 4);
    x->check = get_check(in);
    if (before != NULL && x->check <= before->check)
        cbor_fail(in, ERR_CANONICAL);
    x->failure_count = (size_t)cbor_get_uint(in, UINT32_MAX);
    x->failure = get_list(in, &x->failure_kept, rest->failures[x->check], sizeof *x->failure, LEAST_FAILURE);
    for (size_t i = 0; i < x->failure_kept && in->err == OK; i++)
        get_failure(in, &x->failure[i]);
    if (x->failure_kept > x->failure_count)
        cbor_fail(in, ERR_RULE);
    x->note = get_list(in, &x->note_count, rest->notes[x->check], sizeof *x->note, LEAST_NOTE);
    for (size_t i = 0; i < x->note_count && in->err == OK; i++) {
        get_string(in, note, NOTE_MAX);
        x->note[i] = strdup(note);
        if (x->note[i] == NULL)
            cbor_fail(in, ERR_MEMORY);
    }
    rest->failures[x->check] -= x->failure_kept;
    rest->notes[x->check] -= x->note_count;
}

static void get_finding(struct cbor_in *in, struct part_finding *f, struct rest *rest)
{
    cbor_get_array_exact(in, 9);
    cbor_get_id(in, f->place, TEXT_ID_MAX);
    f->file_err = get_error(in);
    cbor_get_hash(in, &f->file);
    cbor_get_hash(in, &f->record);
    f->items = cbor_get_uint(in, EXPORT_ITEMS_MAX);
    f->ids = cbor_get_uint(in, EXPORT_ITEMS_MAX);
    f->flags = (unsigned)cbor_get_uint(in, PART_BAD | PART_UNREAD | PART_MISSING);
    f->left_out = get_list(in, &f->left_out_count, LEFT_OUT_MAX, sizeof *f->left_out, LEAST_HASH);
    for (size_t i = 0; i < f->left_out_count && in->err == OK; i++)
        cbor_get_hash(in, &f->left_out[i]);
    f->found = get_list(in, &f->found_count, CHECK_COUNT, sizeof *f->found, LEAST_FOUND);
    for (size_t i = 0; i < f->found_count && in->err == OK; i++)
        get_found(in, &f->found[i], i > 0 ? &f->found[i - 1] : NULL, rest);
}

static char *get_text(struct cbor_in *in, size_t max)
{
    char text[NOTE_MAX + 1];
    get_string(in, text, max);
    char *copy = strdup(text);
    if (copy == NULL)
        cbor_fail(in, ERR_MEMORY);
    return copy;
}

static void get_files(struct cbor_in *in, struct part_shard *s)
{
    s->file = get_list(in, &s->file_count, FILES_MAX, sizeof *s->file, LEAST_FILE);
    for (size_t i = 0; i < s->file_count && in->err == OK; i++) {
        struct part_file *x = &s->file[i];
        cbor_get_array_exact(in, 3);
        x->name = get_text(in, FILE_NAME_MAX);
        x->err = get_error(in);
        cbor_get_hash(in, &x->hash);
        if (in->err == OK && i > 0 && strcmp(x[-1].name, x->name) >= 0)
            cbor_fail(in, ERR_CANONICAL);
    }
}

static void get_left(struct cbor_in *in, struct part_shard *s)
{
    s->left = get_list(in, &s->left_count, LEFT_OUT_MAX, sizeof *s->left, LEAST_LEFT);
    for (size_t i = 0; i < s->left_count && in->err == OK; i++) {
        struct part_left *x = &s->left[i];
        cbor_get_array_exact(in, 4);
        cbor_get_hash(in, &x->id);
        x->place = (uint32_t)cbor_get_uint(in, UINT32_MAX);
        x->at = cbor_get_uint(in, PART_AT_MAX);
        cbor_get_fixed(in, x->leaf, sizeof x->leaf);
        if (in->err == OK && i > 0 && x[-1].at >= x->at)
            cbor_fail(in, ERR_CANONICAL);
    }
}

static void get_reasons(struct cbor_in *in, struct part_shard *s)
{
    s->reason = get_list(in, &s->reason_count, CHECK_COUNT, sizeof *s->reason, LEAST_REASON);
    for (size_t i = 0; i < s->reason_count && in->err == OK; i++) {
        struct part_reason *x = &s->reason[i];
        cbor_get_array_exact(in, 2);
        x->check = get_check(in);
        x->text = get_text(in, REASON_MAX);
        if (in->err == OK && x->text[0] == '\0')
            cbor_fail(in, ERR_LIMIT);
        if (in->err == OK && i > 0 && x[-1].check >= x->check)
            cbor_fail(in, ERR_CANONICAL);
    }
}

static void get_shard(struct cbor_in *in, struct part_shard *s, struct rest *rest)
{
    struct chain_shard_name name;
    cbor_get_array_exact(in, 12);
    cbor_get_id(in, s->chain, TEXT_ID_MAX);
    cbor_get_text(in, s->shard, CHAIN_SHARD_MAX);
    if (in->err == OK && chain_shard_parse(&name, s->shard) != OK)
        cbor_fail(in, ERR_FORMAT);
    cbor_get_hash(in, &s->snapshot);
    cbor_get_hash(in, &s->headers);
    cbor_get_hash(in, &s->records);
    s->proved = cbor_get_uint(in, CHAIN_BALLOTS_MAX);
    s->pruned = cbor_get_uint(in, CHAIN_BALLOTS_MAX);
    s->ids = cbor_get_uint(in, CHAIN_BALLOTS_MAX);
    get_files(in, s);
    get_left(in, s);
    s->found = get_list(in, &s->found_count, CHECK_COUNT, sizeof *s->found, LEAST_FOUND);
    for (size_t i = 0; i < s->found_count && in->err == OK; i++)
        get_found(in, &s->found[i], i > 0 ? &s->found[i - 1] : NULL, rest);
    get_reasons(in, s);
}

static void get_findings(struct cbor_in *in, struct part *p)
{
    struct rest rest;
    for (size_t i = 0; i < CHECK_COUNT; i++)
        rest.failures[i] = rest.notes[i] = VERIFY_KEPT_MAX;
    p->finding = get_list(in, &p->count, (size_t)1 << 24, sizeof *p->finding, LEAST_FINDING);
    for (size_t i = 0; i < p->count && in->err == OK; i++)
        get_finding(in, &p->finding[i], &rest);
    p->shard = get_list(in, &p->shard_count, (size_t)1 << 24, sizeof *p->shard, LEAST_SHARD);
    for (size_t i = 0; i < p->shard_count && in->err == OK; i++)
        get_shard(in, &p->shard[i], &rest);
}

static void get_head(struct cbor_in *in, struct part_head *h)
{
    cbor_get_array_exact(in, 13);
    cbor_get_text_exact(in, LABEL);
    if (cbor_get_uint(in, UINT32_MAX) != 2)
        cbor_fail(in, ERR_VERSION);
    cbor_get_hash(in, &h->election);
    cbor_get_hash(in, &h->record);
    cbor_get_hash(in, &h->bundle);
    h->k = (unsigned)cbor_get_uint(in, PART_COUNT_MAX);
    h->n = (unsigned)cbor_get_uint(in, PART_COUNT_MAX);
    cbor_get_text(in, h->version, PART_VERSION_MAX);
    cbor_get_hash(in, &h->program);
    h->id_count = cbor_get_uint(in, UINT64_MAX / 64);
    cbor_get_hash(in, &h->ids);
    if (h->k < 1 || h->k > h->n)
        cbor_fail(in, ERR_LIMIT);
}

static uint64_t ids_of(const struct part *p)
{
    uint64_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->finding[i].ids;
    for (size_t i = 0; i < p->shard_count; i++)
        n += p->shard[i].ids;
    return n;
}

err_t part_unwrap(struct cose *signature, int *is_signed, hash_t *kid, const uint8_t **data, size_t *len,
                  struct fault *f)
{
    memset(signature, 0, sizeof *signature);
    *is_signed = *len > 0 && (*data)[0] == 0xd2; /* the tag of a signed message */
    if (!*is_signed)
        return OK;
    TRY(cose_parse(signature, *data, *len, f));
    *kid = signature->kid;
    *data = signature->payload;
    *len = signature->payload_len;
    return OK;
}

err_t part_read(struct part **out, struct cose *signature, const void *bytes, size_t len, struct fault *f)
{
    const uint8_t *data = bytes;
    struct cbor_in in;
    err_t e = OK;
    *out = NULL;
    struct part *p = calloc(1, sizeof *p);
    if (p == NULL)
        return fault_set(f, ERR_MEMORY, "a partial report");
    GO(part_unwrap(signature, &p->is_signed, &p->kid, &data, &len, f));
    hash_one(&p->id, data, len);
    cbor_in_init(&in, data, len);
    get_head(&in, &p->head);
    get_findings(&in, p);
    GO(cbor_in_end(&in, f));
    if (ids_of(p) != p->head.id_count)
        e = fault_set(f, ERR_SUM, "the number of ballot ids is not that of its exports");
out:
    if (e == OK)
        *out = p;
    else
        part_free(p);
    return e;
}

static void free_found(struct part_found *found, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < found[i].note_count; k++)
            free(found[i].note[k]);
        free(found[i].note);
        free(found[i].failure);
    }
    free(found);
}

void part_shard_free(struct part_shard *s)
{
    for (size_t i = 0; i < s->file_count; i++)
        free(s->file[i].name);
    for (size_t i = 0; i < s->reason_count; i++)
        free(s->reason[i].text);
    free_found(s->found, s->found_count);
    free(s->file);
    free(s->left);
    free(s->reason);
}

void part_free(struct part *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->count; i++) {
        free_found(p->finding[i].found, p->finding[i].found_count);
        free(p->finding[i].left_out);
    }
    free(p->finding);
    for (size_t i = 0; i < p->shard_count; i++)
        part_shard_free(&p->shard[i]);
    free(p->shard);
    free(p);
}

/* --- signers --- */

const struct part_signer *part_signer_find(const struct part_signers *s, const hash_t *kid)
{
    for (size_t i = 0; i < s->count; i++)
        if (hash_cmp(&s->signer[i].kid, kid) == 0)
            return &s->signer[i];
    return NULL;
}

static err_t add_signer(struct part_signers *s, char *line, struct fault *f)
{
    struct part_signer x, *more;
    char *name = strchr(line, ' ');
    if (name != NULL)
        *name++ = '\0';
    memset(&x, 0, sizeof x);
    if (hex_get(x.key.b, POINT_LEN, line) != OK)
        return fault_set(f, ERR_FORMAT,
                         "a line is KEY NAME, with the key as conclave-tally key show prints it");
    if (name != NULL && (strlen(name) > PART_NAME_MAX || text_check(name, strlen(name)) != OK))
        return fault_set(f, ERR_TEXT, "a name of at most %d characters", PART_NAME_MAX);
    snprintf(x.name, sizeof x.name, "%s", name != NULL && name[0] ? name : line);
    cose_kid(&x.kid, &x.key);
    if (part_signer_find(s, &x.kid) != NULL)
        return fault_set(f, ERR_DUPLICATE, "a key is there twice");
    more = realloc(s->signer, (s->count + 1) * sizeof *more);
    if (more == NULL)
        return fault_set(f, ERR_MEMORY, "signers");
    s->signer = more;
    s->signer[s->count++] = x;
    return OK;
}

err_t part_signers_read(struct part_signers *out, const char *path, struct fault *f)
{
    uint8_t *data;
    size_t len;
    err_t e = OK;
    long long number = 0;
    memset(out, 0, sizeof *out);
    TRY(file_read(&data, &len, path, SIGNERS_FILE_MAX, f));
    if (memchr(data, '\0', len) != NULL) /* whoever looks at it sees what is behind */
        e = fault_set(f, ERR_TEXT, "no text: there is a byte of zeros");
    for (char *at = (char *)data, *end; e == OK && *at; at = end) {
        end = at + strcspn(at, "\n");
        if (*end)
            *end++ = '\0';
        number++;
        at[strcspn(at, "\r")] = '\0';
        if (at[0] && at[0] != '#')
            e = add_signer(out, at, f);
    }
    if (e == OK && out->count == 0)
        e = fault_set(f, ERR_FORMAT, "no key is in it");
    free(data);
    if (e == OK)
        return OK;
    part_signers_free(out);
    if (f != NULL) {
        f->at = number;
        f->is_line = 1;
    }
    return fault_file(f, e, path);
}

void part_signers_free(struct part_signers *s)
{
    free(s->signer);
    memset(s, 0, sizeof *s);
}
