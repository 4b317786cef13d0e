#include <stdlib.h>
#include <string.h>

#include "tally/report_parts.h"
#include "tally/resultqr.h"
#include "ui/qr.h"
#include "ui/qrtext.h"
#include "ui/words.h"

/* --- chain of trust --- */

static void put_seats(struct html *h, const struct report_input *in)
{
    const struct record *r = in->ctx->r;
    html_raw(h, "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Seat</th><th "
                "scope=\"col\">Name</th><th scope=\"col\">"
                "Organisation</th><th scope=\"col\">Token</th><th scope=\"col\">Made the key</th><th "
                "scope=\"col\">Holds a share</th>"
                "<th scope=\"col\">Decrypted</th></tr></thead>\n<tbody>\n");
    for (uint32_t j = 1; j <= r->n; j++) {
        const struct seat *s = &r->seat[j - 1];
        html_fmt(h, "<tr><td>%u</td><th scope=\"row\">", j);
        html_text(h, s->name);
        html_raw(h, "</th><td>");
        html_text(h, s->organisation);
        html_raw(h, "</td><td>");
        html_text(h, s->model);
        html_fmt(h, "</td><td>%s</td><td>%s</td><td>%s</td></tr>\n", r->qual >> (j - 1) & 1 ? "yes" : "no",
                 r->holders >> (j - 1) & 1 ? "yes" : "no",
                 in->used >> (j - 1) & 1 ? "<b class=\"yes\">yes</b>" : "-");
    }
    html_raw(h, "</tbody></table></div>\n");
}

static void put_steps(struct html *h, const struct report_input *in)
{
    const struct record *r = in->ctx->r;
    const struct manifest *m = in->ctx->m;
    html_fmt(h,
             "<ol class=\"steps\">\n<li><strong>The key.</strong> %u trustees made one election key "
             "together, each in a security token of "
             "its own. No one ever held the whole key. Any %u of them can decrypt; %u cannot.</li>\n",
             r->n, r->t, r->t - 1);
    if (m->kind == KIND_BALLOTS)
        html_raw(h, "<li><strong>The ballots.</strong> Each was encrypted on the voter's device, with a "
                    "proof that it holds only votes the "
                    "contest allows. Ballots with a bad proof, of another election or cast twice do not "
                    "count.</li>\n");
    else
        html_raw(h, "<li><strong>The counts.</strong> They were imported from published results and "
                    "encrypted, each with a proof of its range. "
                    "No ballot was encrypted under this key.</li>\n");
    html_raw(h, "<li><strong>The sums.</strong> The encrypted votes were added up place by place without "
                "being opened. Every place has a record "
                "of its parts, and anyone can add them up again.</li>\n"
                "<li><strong>The plan.</strong> One signed list says what is decrypted: only these sums, and "
                "no sum or difference of sums of "
                "fewer ballots than the minimum.</li>\n<li><strong>The decryption.</strong> ");
    html_fmt(h,
             "%u trustees each gave a partial decryption, with a proof that it is right; their machines "
             "refuse to unless they have "
             "checked everything above themselves. Together these give the counts on this page, and nothing "
             "else.</li>\n</ol>\n",
             (unsigned)__builtin_popcount(in->used));
}

static void put_limits(struct html *h)
{
    html_raw(
        h,
        "<div class=\"two\">\n<div><h3>Proved by the files in this bundle</h3>\n<ul>\n"
        "<li>Who held shares of the key, and that the key is the one they made.</li>\n"
        "<li>Every encrypted vote that counts is well formed.</li>\n"
        "<li>The sums are the sums of exactly the published exports.</li>\n"
        "<li>The counts are the true content of these sums.</li>\n</ul></div>\n"
        "<div><h3>Not proved</h3>\n<ul>\n"
        "<li>That this is the real election: compare the anchor below with one from a source that you "
        "trust.</li>\n"
        "<li>That a voter's device encrypted what the voter chose.</li>\n"
        "<li>That only those entitled have voted, and that no ballot was lost before it was exported.</li>\n"
        "<li>That no group of trustees as large as the threshold worked together to open "
        "more.</li>\n</ul></div>\n</div>\n");
}

void report_put_trust(struct html *h, const struct report_input *in)
{
    html_raw(h, "<section id=\"trust\">\n<h2>Chain of trust</h2>\n");
    put_steps(h, in);
    put_seats(h, in);
    put_limits(h);
    html_raw(h, "</section>\n");
}

/* --- fingerprints --- */

static err_t put_fingerprint(struct html *h, const char *name, const char *note, const hash_t *v)
{
    char words[WORDS_TEXT_SIZE];
    TRY(words_put(words, &words_en, v));
    html_fmt(h, "<div class=\"print\"><h3>%s</h3><p class=\"about\">%s</p><p class=\"words\">", name, note);
    html_text(h, words);
    html_raw(h, "</p><p class=\"hex\">");
    html_hash(h, v);
    html_raw(h, "</p></div>\n");
    return OK;
}

err_t report_put_fingerprints(struct html *h, const struct report_input *in)
{
    const struct record *r = in->ctx->r;
    hash_t anchor, key;
    record_anchor(&anchor, &r->election, &r->id);
    TRY(resultqr_key_hash(&key, &r->election, &r->id, &r->Y));
    html_raw(h, "<section id=\"words\">\n<h2>Fingerprints</h2>\n<p>Compare the words with those that were "
                "read aloud or printed elsewhere. "
                "The last word of each is a check word.</p>\n");
    TRY(put_fingerprint(
        h, "Anchor",
        "Election and ceremony record in one: what <code>conclave-verify --election</code> wants.", &anchor));
    TRY(put_fingerprint(h, "Election", "The manifest and the list of places.", &r->election));
    TRY(put_fingerprint(h, "Ceremony record", "Who made the key, and the key.", &r->id));
    TRY(put_fingerprint(
        h, "Key", "The joint key of all holders: whoever checks a result as QR code compares it.", &key));
    TRY(put_fingerprint(h, "Decryption plan", "What was decrypted.", &in->plan->id));
    html_raw(h, "</section>\n");
    return OK;
}

/* --- QR codes --- */

static err_t put_code(struct html *h, const struct report_qr *q, struct fault *f)
{
    struct qrtext texts;
    err_t e = qrtext_split(&texts, q->kind, q->data, q->len);
    if (e != OK)
        return fault_set(f, e, "QR code of %s", q->title);
    html_raw(h, "<figure>\n<figcaption>");
    html_text(h, q->title);
    if (texts.count > 1)
        html_fmt(h, " <small>%zu codes, scan all</small>", texts.count);
    html_raw(h, "</figcaption>\n<div class=\"codes\">\n");
    for (size_t i = 0; i < texts.count && e == OK; i++) {
        char *svg = NULL;
        e = qr_draw_svg(&svg, texts.part[i], f);
        if (e != OK)
            break;
        html_raw(h, "<div class=\"qr\">");
        html_raw(h, svg);
        html_fmt(h, "<small>%zu / %zu</small></div>\n", i + 1, texts.count);
        free(svg);
    }
    html_raw(h, "</div>\n<details><summary>As text</summary>\n");
    for (size_t i = 0; i < texts.count; i++) {
        html_raw(h, "<p class=\"hex\">");
        html_text(h, texts.part[i]);
        html_raw(h, "</p>\n");
    }
    html_raw(h, "</details>\n</figure>\n");
    qrtext_free(&texts);
    return e;
}

err_t report_put_codes(struct html *h, const struct report_input *in, struct fault *f)
{
    html_raw(h,
             "<section id=\"codes\">\n<h2>QR codes</h2>\n<p>The first is the fingerprint of the ceremony. "
             "Each of the others is the result of one "
             "contest of the whole election, complete enough to be checked without a network: it proves that "
             "holders of the key with the words above decrypted this sum to these counts. It does not prove "
             "that the sum "
             "is that of the valid ballots; that takes the whole bundle.</p>\n");
    for (size_t i = 0; i < in->qr_count; i++) {
        if (i == 1)
            html_raw(h, "<details><summary>Results as QR codes</summary>\n");
        TRY(put_code(h, &in->qr[i], f));
    }
    if (in->qr_count > 1)
        html_raw(h, "</details>\n");
    html_raw(h, "</section>\n");
    return OK;
}

/* --- how to verify --- */

void report_put_how(struct html *h, const struct report_input *in)
{
    hash_t anchor;
    char hex[2 * HASH_LEN + 1];
    record_anchor(&anchor, &in->ctx->r->election, &in->ctx->r->id);
    hex_put(hex, anchor.b, HASH_LEN);
    html_raw(h, "<section id=\"verify\">\n<h2>How to verify</h2>\n<ol>\n"
                "<li>Get the anchor from a source that you trust and that is not this bundle: from paper, a "
                "newspaper, or somebody who was "
                "there. Take the words or the hex digits.</li>\n"
                "<li>Get <code>conclave-verify</code> from a source of your choice, or build it from its "
                "source.</li>\n"
                "<li>Run it on the folder that holds this page:\n<pre>conclave-verify . --election \"the 17 "
                "words of the anchor\"</pre></li>\n"
                "<li>It repeats every step from the ballots to this page, and names every check with its "
                "verdict. This page says that the "
                "anchor is <code class=\"long\">");
    html_raw(h, hex);
    html_raw(h, "</code>; believe the other source, not this page.</li>\n"
                "<li>To check a single file for damage: <code>sha256sum -c "
                "SHA256SUMS</code>.</li>\n</ol>\n</section>\n");
}
