/* Inside the report only: its parts, each in its own file. report.c puts them in order. */
#ifndef TALLY_REPORT_PARTS_H
#define TALLY_REPORT_PARTS_H

#include "tally/report.h"
#include "tally/report_html.h"

extern const char report_style[]; /* the style sheet; its hash is in the page's content security policy */

void report_put_totals(struct html *h, const struct report_input *in);
/* Tables of the levels below the whole. ERR_MEMORY. */
MUST err_t report_put_places(struct html *h, const struct report_input *in);
void report_put_missing(struct html *h, const struct report_input *in);
void report_put_trust(struct html *h, const struct report_input *in);
MUST err_t report_put_fingerprints(struct html *h, const struct report_input *in);
MUST err_t report_put_codes(struct html *h, const struct report_input *in, struct fault *f);
void report_put_how(struct html *h, const struct report_input *in);

#endif
