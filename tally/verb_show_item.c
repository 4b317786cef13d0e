#include <stdlib.h>
#include <string.h>

#include "tally/fingerprint.h"
#include "tally/plan.h"
#include "tally/precinct.h"
#include "tally/result.h"
#include "tally/resultqr.h"
#include "tally/verb_show.h"

void show_hash(struct show *s, const char *name, const hash_t *h)
{
    char hex[2 * HASH_LEN + 1];
    hex_put(hex, h->b, HASH_LEN);
    fprintf(s->v->out, "%-10s %s\n", name, hex);
}

static void print_point(struct show *s, const char *name, const point_t *p)
{
    char hex[2 * POINT_LEN + 1];
    hex_put(hex, p->b, POINT_LEN);
    fprintf(s->v->out, "%-10s %s\n", name, hex);
}

static const struct election_context *context(const struct show *s)
{
    return s->be != NULL && s->be->r != NULL ? &s->be->ctx : NULL;
}

/* --- result, result proof, anchor, receipt --- */

static err_t show_result(struct show *s, const uint8_t *data, size_t len)
{
    struct result *r;
    TRY(result_parse(&r, data, len, &s->v->fault));
    FILE *out = s->v->out;
    err_t e = OK;
    show_hash(s, "election", &r->election);
    show_hash(s, "record", &r->record);
    verb_print_fingerprint(s->v, "plan", &r->plan);
    for (size_t i = 0; i < r->partial_count; i++)
        show_hash(s, "partial", &r->partial[i]);
    for (size_t i = 0; i < r->row_count && e == OK; i++) {
        const struct result_row *row = &r->row[i];
        int contest = s->be ? manifest_contest(s->be->m, row->contest) : -1;
        fprintf(out, "%s %s ballots %llu\n", row->place, row->contest, (unsigned long long)row->ballots);
        for (size_t o = 0; o < row->count; o++)
            fprintf(out, "  %12llu %s\n", (unsigned long long)row->votes[o],
                    contest >= 0 && o < s->be->m->contest[contest].option_count
                        ? s->be->m->contest[contest].option[o].title
                        : "");
        if (s->be != NULL)
            e = result_row_check(row, s->be->m, &s->v->fault);
    }
    if (e == OK && s->be != NULL && hash_cmp(&r->election, &s->be->m->election) != 0)
        e = fault_set(&s->v->fault, ERR_ELECTION, "the result is of another election than --board");
    result_free(r);
    return e;
}

static err_t show_proof(struct show *s, const uint8_t *data, size_t len)
{
    struct resultqr *q;
    hash_t key;
    FILE *out = s->v->out;
    TRY(resultqr_parse(&q, data, len, &s->v->fault));
    fprintf(out, "%s\n%s: %s\nballots    %llu\n", q->election_title, q->place_title, q->contest_title,
            (unsigned long long)q->ballots);
    for (size_t o = 0; o < q->option_count; o++)
        fprintf(out, "  %12llu %s\n", (unsigned long long)q->votes[o], q->option[o].title);
    err_t e = OK;
    GO(resultqr_key_hash(&key, &q->election, &q->record, &q->Y));
    verb_print_fingerprint(s->v, "key", &key);
    GO(resultqr_check(q, &s->v->fault));
    fprintf(out, "Proved: %zu holders of this key decrypted one ciphertext to these counts.\n",
            q->partial_count);
    if (context(s) != NULL) {
        GO(resultqr_check_record(q, s->be->r, &s->v->fault));
        fprintf(out, "Proved: the key is that of the ceremony record given.\n");
    } else {
        fprintf(
            out,
            "Not proved: that this is the key of the real election; compare its words, or give --board.\n");
    }
    fprintf(
        out,
        "Not proved: that the ciphertext is the sum of the valid ballots; that takes the whole bundle.\n");
out:
    resultqr_free(q);
    return e;
}

static err_t show_anchor(struct show *s, const uint8_t *data, size_t len)
{
    hash_t election, record, anchor;
    TRY(anchor_parse(&election, &record, data, len, &s->v->fault));
    record_anchor(&anchor, &election, &record);
    verb_print_fingerprint(s->v, "anchor", &anchor);
    show_hash(s, "election", &election);
    show_hash(s, "record", &record);
    if (context(s) != NULL && (hash_cmp(&election, &s->be->r->election) || hash_cmp(&record, &s->be->r->id)))
        return fault_set(&s->v->fault, ERR_MISMATCH, "the anchor is of another election than --board");
    return OK;
}

static err_t show_fingerprint(struct show *s, const uint8_t *data, size_t len)
{
    enum fingerprint_kind kind;
    hash_t h;
    TRY(fingerprint_parse(&kind, &h, data, len, &s->v->fault));
    verb_print_fingerprint(s->v, fingerprint_name(kind), &h);
    if (kind == FINGERPRINT_ELECTION && s->be != NULL && hash_cmp(&h, &s->be->m->election) != 0)
        return fault_set(&s->v->fault, ERR_ELECTION, "the fingerprint of another election than --board");
    return OK;
}

static err_t show_receipt(struct show *s, const uint8_t *data, size_t len)
{
    struct receipt r;
    TRY(receipt_parse(&r, data, len, &s->v->fault));
    show_hash(s, "election", &r.election);
    show_hash(s, "record", &r.record);
    fprintf(s->v->out, "place      %s\n", r.place);
    show_hash(s, "ballot", &r.ballot);
    if (r.size == 0) {
        fprintf(s->v->out, "taken and on disk; its batch was not complete\n");
        return OK;
    }
    show_hash(s, "root", &r.root);
    fprintf(s->v->out, "item       %llu of %llu\n", (unsigned long long)r.index + 1,
            (unsigned long long)r.size);
    if (context(s) == NULL)
        return OK;
    TRY(receipt_check(context(s), &r, NULL, 0, NULL, 0, &s->v->fault));
    fprintf(s->v->out, "The path leads to the root. Compare the root with that of the published export.\n");
    return OK;
}

/* --- what needs the election to be read --- */

static err_t show_plan(struct show *s, const uint8_t *data, size_t len)
{
    hash_t id;
    struct plan *p;
    TRY(plan_hash(&id, data, len));
    verb_print_fingerprint(s->v, "plan", &id);
    if (context(s) == NULL)
        return show_diagnostic(s, data, len);
    TRY(plan_parse_var(&p, context(s), data, len, &s->v->fault));
    show_hash(s, "root", &p->root);
    if (p->has_supersedes)
        show_hash(s, "supersedes", &p->supersedes);
    for (size_t i = 0; i < p->unit_count; i++)
        fprintf(s->v->out, "%s %s %s ballots %llu members %zu\n", s->be->m->level[p->unit[i].level],
                p->unit[i].place, s->be->m->contest[p->unit[i].contest].id,
                (unsigned long long)p->unit[i].ballots, p->unit[i].member_count);
    fprintf(s->v->out, "%zu units\n", p->unit_count);
    plan_free(p);
    return OK;
}

static void print_tallies(struct show *s, const struct tallies *t)
{
    for (size_t i = 0; i < t->count; i++)
        fprintf(s->v->out, "tally      %s: %llu ballots, %zu options\n",
                s->be->m->contest[t->tally[i].contest].id, (unsigned long long)t->tally[i].ballots,
                t->tally[i].option_count);
}

static err_t show_node(struct show *s, const uint8_t *data, size_t len)
{
    struct cbor_in in;
    char place[TEXT_ID_MAX + 1];
    hash_t skip, id;
    struct node *n;
    TRY(node_hash(&id, data, len));
    show_hash(s, "node", &id);
    if (context(s) == NULL)
        return show_diagnostic(s, data, len);
    cbor_in_init(&in, data, len);
    cbor_get_array(&in, 6, 100);
    cbor_get_text_exact(&in, "conclave/node");
    cbor_get_uint_exact(&in, 1);
    cbor_get_uint_exact(&in, SCHEME_P256_ELGAMAL);
    cbor_get_hash(&in, &skip);
    cbor_get_hash(&in, &skip);
    cbor_get_id(&in, place, TEXT_ID_MAX);
    int64_t index = in.err == OK ? places_find(s->be->places, place) : -1;
    if (index < 0)
        return fault_set(&s->v->fault, in.err != OK ? in.err : ERR_UNKNOWN, "the record of an unknown place");
    TRY(node_parse_var(&n, context(s), (uint32_t)index, data, len, &s->v->fault));
    fprintf(s->v->out,
            "place      %s (%s)\nballots    %llu\nsources    %zu\nmissing    %zu\ndropped    %zu\nreplaced   "
            "%zu\n",
            place, s->be->m->level[n->level], (unsigned long long)n->ballots, n->source_count,
            n->missing_count, n->dropped_count, n->replaced_count);
    print_tallies(s, n->tallies);
    node_free(n);
    return OK;
}

static err_t show_ballot(struct show *s, const uint8_t *data, size_t len)
{
    struct ballot *b;
    struct place p;
    if (context(s) == NULL)
        return show_diagnostic(s, data, len);
    TRY(ballot_parse_var(&b, context(s), data, len, &s->v->fault));
    places_get(s->be->places, b->place, &p);
    show_hash(s, "ballot", &b->id);
    fprintf(s->v->out, "place      %s\nstyle      %s\ncontests   %zu\n", p.id, s->be->m->style[b->style].id,
            b->vote_count);
    err_t e = ballot_verify_var(context(s), b, &s->v->fault);
    if (e == OK)
        fprintf(s->v->out, "proofs     good\n");
    ballot_free(b);
    return e;
}

static err_t show_count(struct show *s, const uint8_t *data, size_t len)
{
    struct count *c;
    struct place p;
    uint8_t bad = 0;
    if (context(s) == NULL)
        return show_diagnostic(s, data, len);
    TRY(count_parse_var(&c, context(s), data, len, &s->v->fault));
    places_get(s->be->places, c->place, &p);
    fprintf(s->v->out, "place      %s\ncontest    %s\nvotes      %llu\n", p.id,
            s->be->m->contest[c->contest].id, (unsigned long long)c->ballots);
    const struct count *one = c;
    err_t e = count_verify_many_var(context(s), &one, 1, &bad, &s->v->fault);
    if (e == OK)
        fprintf(s->v->out, "proofs     good\n");
    count_free(c);
    return e;
}

static err_t show_record(struct show *s, const uint8_t *data, size_t len)
{
    struct record *r;
    hash_t anchor;
    if (s->be == NULL)
        return show_diagnostic(s, data, len);
    TRY(record_parse(&r, s->be->m, data, len, &s->v->fault));
    record_anchor(&anchor, &r->election, &r->id);
    verb_print_fingerprint(s->v, "anchor", &anchor);
    verb_print_fingerprint(s->v, "record", &r->id);
    print_point(s, "key", &r->Y);
    for (uint32_t j = 0; j < r->n; j++)
        fprintf(s->v->out, "seat %2u    %s, %s (%s)%s%s\n", j + 1, r->seat[j].name, r->seat[j].organisation,
                r->seat[j].model, r->qual >> j & 1 ? ", dealt" : "",
                r->holders >> j & 1 ? ", holds a share" : "");
    record_free(r);
    return OK;
}

/* --- signed messages --- */

static err_t show_entry(struct show *s, const struct cose *m, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len);
    struct cbor_in in;
    hash_t election;
    struct entry *entry = NULL;
    if (copy == NULL)
        return fault_set(&s->v->fault, ERR_MEMORY, "entry");
    memcpy(copy, data, len);
    cbor_in_init(&in, m->payload, m->payload_len);
    cbor_get_array(&in, 5, 100);
    cbor_get_text_exact(&in, "conclave/entry");
    cbor_get_uint_exact(&in, 1);
    cbor_get_uint_exact(&in, SCHEME_P256_ELGAMAL);
    char kind[TEXT_ID_MAX + 1];
    cbor_get_text(&in, kind, TEXT_ID_MAX);
    cbor_get_hash(&in, &election);
    err_t e = entry_parse(&entry, copy, len, s->be ? &s->be->m->election : &election,
                          &s->v->fault); /* copy is the entry's */
    if (e != OK)
        return e;
    fprintf(s->v->out, "entry      %s (signature good)\n", entry_kind_name(entry->kind));
    show_hash(s, "id", &entry->id);
    show_hash(s, "statement", &entry->statement_id);
    show_hash(s, "election", &entry->election);
    show_hash(s, "ceremony", &entry->ceremony);
    show_hash(s, "subject", &entry->subject);
    print_point(s, "author", &entry->author);
    fprintf(s->v->out, "hours      %llu since 1970\n", (unsigned long long)entry->time);
    fprintf(s->v->out, "says\n");
    e = show_diagnostic(s, entry->statement, entry->statement_len);
    if (e == OK && s->full && entry->evidence_len > 0) {
        fprintf(s->v->out, "proves it with\n");
        e = show_diagnostic(s, entry->evidence, entry->evidence_len);
    }
    entry_free(entry);
    return e;
}

static err_t show_message(struct show *s, const uint8_t *data, size_t len)
{
    struct cose m;
    struct cbor_in in;
    TRY(cose_parse(&m, data, len, &s->v->fault));
    cbor_in_init(&in, m.payload, m.payload_len);
    cbor_get_array(&in, 1, SIZE_MAX / 4);
    cbor_get_text_exact(&in, "conclave/entry");
    return in.err == OK ? show_entry(s, &m, data, len) : show_signed(s, &m, data, len);
}

err_t show_export(struct show *s, const char *path)
{
    struct export_header *h;
    struct place p;
    if (context(s) == NULL)
        return fault_set(&s->v->fault, ERR_USAGE, "an export is shown with --board");
    TRY(export_header_read(&h, context(s), path, &s->v->fault));
    places_get(s->be->places, h->place, &p);
    show_hash(s, "export", &h->id);
    fprintf(s->v->out,
            "place      %s\nrevision   %llu\nhours      %llu since 1970\nitems      %llu (signature good, "
            "items not checked)\n",
            p.id, (unsigned long long)h->revision, (unsigned long long)h->time, (unsigned long long)h->items);
    if (h->has_replaces)
        show_hash(s, "replaces", &h->replaces);
    show_hash(s, "root", &h->root);
    print_tallies(s, h->tallies);
    export_header_free(h);
    return OK;
}

/* --- by label --- */

static const struct {
    const char *label;
    err_t (*show)(struct show *s, const uint8_t *data, size_t len);
} kinds[] = {
    {"conclave/result", show_result},
    {"conclave/result-proof", show_proof},
    {"conclave/anchor", show_anchor},
    {"conclave/receipt", show_receipt},
    {"conclave/fingerprint", show_fingerprint},
    {"conclave/plan", show_plan},
    {"conclave/node", show_node},
    {"conclave/ballot", show_ballot},
    {"conclave/count", show_count},
    {"conclave/record", show_record},
    {"conclave/chain-snapshot", show_chain_snapshot},
    {"conclave/chain-tally", show_chain_running},
    {"conclave/envelope", show_chain_envelope},
};

err_t show_item(struct show *s, const uint8_t *data, size_t len)
{
    struct cbor_in in;
    char label[TEXT_ID_MAX + 1];
    if (len > 0 && data[0] == 0xd2)
        return show_message(s, data, len);
    cbor_in_init(&in, data, len);
    cbor_get_array(&in, 1, SIZE_MAX / 4);
    cbor_get_text(&in, label, TEXT_ID_MAX);
    for (size_t i = 0; in.err == OK && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(label, kinds[i].label) == 0) {
            fprintf(s->v->out, "%s\n", label + strlen("conclave/"));
            return kinds[i].show(s, data, len);
        }
    return show_diagnostic(s, data, len);
}
