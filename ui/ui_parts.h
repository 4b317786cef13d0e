/* What page_run, jobs and codes share of the screen: keys, title, foot. Inside page.h's module. */
#ifndef UI_UI_PARTS_H
#define UI_UI_PARTS_H

#include "ui/page_layout.h"

/* A job while it is shown. */
struct job_view {
    struct job_report report;
    int paused, asking;
    uint64_t rate_milli;                  /* items in 1000 s, smoothed */
    uint64_t last_time, last_done, drawn; /* ms */
    uint64_t spoken;                      /* lines: tenths said so far */
};

/* The next key, or KEY_NONE and in *seen why (TERM_*; 0: time is over). ms -1: no limit. Suspension and
 * continuation are dealt with. */
int ui_key(struct ui *ui, int other, int ms, int *seen);

/* Draws the page; room of the body and its rows as they are now. message: above the hints, or empty. */
struct view {
    struct rows body, foot;
    size_t width, room;
    const char *message;
    int message_is_bad;
};
MUST err_t view_draw(struct view *v, struct page *p);
void view_free(struct view *v);
/* First and last row of what has the focus; 0 if it has none. */
int view_find(const struct view *v, size_t focus, size_t *first, size_t *last);
void view_clamp(const struct view *v, struct page *p);

/* Rows of a job, below the blocks. */
void job_layout(struct rows *r, const struct page *p);

#endif
