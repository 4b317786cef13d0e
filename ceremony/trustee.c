/* A trustee's enrolment and roster. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/trustee_parts.h"

/* --- between board and vault --- */

err_t trustee_post(struct trustee *t, const struct entry **out, enum entry_kind kind, struct cbor_out *entry,
                   struct fault *f)
{
    struct entry *e;
    int taken = 0;
    hash_t id;
    if (out != NULL)
        *out = NULL;
    uint8_t *data = entry->data;
    size_t len = entry->len;
    *entry = (struct cbor_out)CBOR_OUT_INIT;
    err_t err = entry_parse(&e, data, len, &t->m->election, f);
    if (err != OK)
        return err;
    if (e->kind != kind || !point_equal(&e->author, &t->identity)) {
        entry_free(e);
        return fault_set(f, ERR_MISMATCH, "what was signed is another entry than was asked for");
    }
    id = e->id;
    if (kind == ENTRY_ROSTER)
        err = board_own(t->b, &t->identity, f);
    if (err == OK)
        err = board_add(t->b, e, &taken, f);
    if (!taken)
        entry_free(e);
    if (out != NULL)
        *out = err == OK ? board_entry(t->b, &id) : NULL;
    return err;
}

static err_t own_seed(struct trustee *t, struct sealed *out, struct fault *f)
{
    struct enrolment own;
    uint8_t *data = NULL;
    size_t len;
    TRY(enrolment_parse(&own, t->enrolment, t->m, t->g, f));
    err_t e = board_detached_get(t->b, &data, &len, &own.sealed, f);
    if (e == OK)
        e = sealed_parse(out->enc, out->ct, data, len, f);
    free(data);
    return fault_who(f, e, "own sealed seed");
}

static err_t tell_roster(struct trustee *t, const struct roster *r, struct fault *f)
{
    struct vault_roster in = {.ceremony = r->ceremony, .n = r->n};
    for (uint32_t j = 0; j < r->n; j++) {
        const struct entry *e = board_entry(t->b, &r->seat[j].id);
        if (e == NULL)
            return fault_set(f, ERR_MISSING, "the enrolment of seat %u is not on this board", j + 1);
        in.enrolment[j] = (struct bytes){e->bytes, e->bytes_len};
    }
    return t->vault.ops->roster(t->vault.ctx, &in, f);
}

err_t trustee_ready(struct trustee *t, const struct roster *r, int with_seed, struct fault *f)
{
    struct sealed seed;
    if (t->enrolment == NULL)
        return fault_set(f, ERR_MISSING, "this token's keys are not enrolled on this board");
    if (with_seed)
        TRY(own_seed(t, &seed, f));
    struct vault_own own = {
        t->m->election, t->label, {t->enrolment->bytes, t->enrolment->bytes_len}, with_seed ? &seed : NULL};
    TRY(t->vault.ops->own(t->vault.ctx, &own, f));
    return r != NULL ? tell_roster(t, r, f) : OK;
}

/* --- finding oneself --- */

/* The enrolment that a key signed; if it signed several, the one in the roster that it signed. *out NULL:
 * none. */
static err_t enrolment_of(const struct entry **out, const struct trustee *t, const point_t *identity)
{
    *out = NULL;
    if (board_find(t->b, out, NULL, ENTRY_ENROLL, NULL, identity, NULL) == OK && *out == NULL)
        return OK;
    struct roster *r = malloc(sizeof *r);
    err_t e = r == NULL ? ERR_MEMORY : roster_signed_by(r, t->m, t->b, t->g, identity, NULL);
    if (e == OK) {
        uint32_t seat = roster_seat(r, identity);
        if (seat != 0)
            *out = board_entry(t->b, &r->seat[seat - 1].id);
    } else if (board_find(t->b, out, NULL, ENTRY_ENROLL, NULL, identity, NULL) != OK) {
        *out = NULL;
    }
    free(r);
    if (err_class(e) != CLASS_SYSTEM)
        return OK;
    *out = NULL;
    return e;
}

err_t trustee_find(struct trustee *t, struct fault *f)
{
    t->enrolment = NULL;
    struct vault_keys *keys = malloc(sizeof *keys);
    if (keys == NULL)
        return fault_set(f, ERR_MEMORY, "looking for the own enrolment");
    err_t e = t->vault.ops->keys(t->vault.ctx, keys, f);
    for (size_t i = 0; i < keys->count && e == OK && t->enrolment == NULL; i++) {
        const struct vault_key *k = &keys->key[i];
        e = enrolment_of(&t->enrolment, t, &k->identity);
        if (e != OK)
            fault_set(f, e, "looking for the own enrolment");
        if (t->enrolment != NULL) {
            t->label = k->label;
            t->identity = k->identity;
            t->ceremony_key = k->ceremony_key;
        }
    }
    size_t enrolled = keys->enrolled, whole = keys->count;
    free(keys);
    if (e != OK || t->enrolment != NULL)
        return e;
    if (enrolled == 0)
        return fault_set(f, ERR_MISSING, "this token has not enrolled, or was removed while it was read");
    if (whole == 0)
        return fault_set(f, ERR_MISSING,
                         "this token's ceremony key is retired, or it was removed while it was read");
    return fault_set(f, ERR_MISSING,
                     "this token's keys are not enrolled on this board, or it was removed while it was read");
}

/* --- enrolling --- */

static err_t publish(struct trustee *t, struct cbor_out *entry, const struct sealed *seed, struct fault *f)
{
    struct cbor_out file = CBOR_OUT_INIT;
    hash_t ignored;
    sealed_put(&file, seed);
    err_t e = file.err;
    if (e == OK)
        e = board_detached_put(t->b, &ignored, file.data, file.len, f);
    cbor_out_free(&file);
    return e == OK ? trustee_post(t, &t->enrolment, ENTRY_ENROLL, entry, f) : e;
}

err_t enroll_make(struct trustee *t, const char *name, const char *organisation, struct fault *f)
{
    struct vault_person who = {t->m->election, t->m->n, t->m->t, name, organisation};
    struct vault_key key;
    struct sealed seed;
    struct cbor_out entry = CBOR_OUT_INIT;
    err_t e = name[0] == '\0' || strlen(name) > TEXT_TITLE_MAX || strlen(organisation) > TEXT_TITLE_MAX
                  ? ERR_TEXT
                  : OK;
    if (e == OK)
        e = text_check(name, strlen(name));
    if (e == OK)
        e = text_check(organisation, strlen(organisation));
    if (e != OK)
        return fault_set(f, e, "name and organisation: 1 to %d printable characters", TEXT_TITLE_MAX);
    e = trustee_find(t, f);
    if (e == OK)
        return OK; /* repeated */
    if (e != ERR_MISSING)
        return e;
    fault_clear(f);
    e = t->vault.ops->enroll(t->vault.ctx, &entry, &key, &seed, &who, f);
    if (e == OK) {
        t->label = key.label;
        t->identity = key.identity;
        t->ceremony_key = key.ceremony_key;
        e = publish(t, &entry, &seed, f);
        if (e != OK && t->enrolment == NULL) {
            /* Nothing was published: leave no keys behind. A failure here must not hide the first one. */
            struct fault second;
            (void)!t->vault.ops->forget(t->vault.ctx, &second);
        }
    }
    cbor_out_free(&entry);
    return e;
}

/* --- roster --- */

err_t roster_check_own(struct trustee *t, const struct roster *r, struct fault *f)
{
    uint32_t seat = roster_seat(r, &t->identity);
    if (seat == 0)
        return fault_set(f, ERR_MISMATCH, "your enrolment is not in this roster");
    if (hash_cmp(&r->seat[seat - 1].id, &t->enrolment->id) != 0)
        return fault_set(f, ERR_MISMATCH, "the roster has another enrolment of your key than yours");
    TRY(trustee_ready(t, r, 1, f));
    return t->vault.ops->seed_check(t->vault.ctx, f);
}

err_t roster_sign(struct trustee *t, const struct roster *r, struct fault *f)
{
    TRY(roster_check_own(t, r, f));
    struct roster signed_before;
    err_t e = roster_signed_by(&signed_before, t->m, t->b, t->g, &t->identity, f);
    if (e == OK && hash_cmp(&signed_before.ceremony, &r->ceremony) == 0)
        return OK; /* repeated */
    if (e != ERR_MISSING)
        return e == OK ? fault_set(f, ERR_DONE, "you signed another roster before") : e;
    fault_clear(f);
    TRY(roster_single(t->b, r, f));
    struct cbor_out entry = CBOR_OUT_INIT;
    e = t->vault.ops->roster_sign(t->vault.ctx, &entry, f);
    if (e == OK)
        e = trustee_post(t, NULL, ENTRY_ROSTER, &entry, f);
    cbor_out_free(&entry);
    return e;
}
