/* The terminal of the process: made raw, and given back as it was however the process ends.
 *
 *   exit, return from main   atexit
 *   SIGTERM, SIGHUP, ...     while a page waits: term_wait says so and the page returns ERR_STOPPED;
 *                            elsewhere the terminal is restored and the signal takes its course
 *   a crash, abort           the handler writes sequences prepared before, then the signal takes its course
 *   SIGKILL, no memory       a guardian: a small child that sees its pipe close, and restores the terminal
 *   death of the parent      as SIGHUP
 *
 * The one module of this program with variables of its own that last: a signal handler can reach nothing
 * else. */
#ifndef UI_TERM_H
#define UI_TERM_H

#include "ceremony/base/err.h"

/* Remembers the terminal fd and installs the handlers; sequence: what sets the screen right again, at most
 * TERM_SEQUENCE_MAX bytes (longer ones are left out). lines: mode lines, the terminal is not made raw.
 * ERR_IO: not a terminal. */
#define TERM_SEQUENCE_MAX 256
MUST err_t term_take(int fd, const char *sequence);
void term_give_back(void); /* idempotent */

/* Handlers alone, for lines: term_wait works, nothing has to be restored. */
MUST err_t term_watch(void);

/* To plain mode and back, without ending. */
void term_pause(void);
MUST err_t term_again(void);

/* What term_wait saw. */
#define TERM_INPUT 1   /* fd in has something, or is at its end */
#define TERM_OTHER 2   /* the other descriptor */
#define TERM_RESIZED 4 /* also after SIGCONT: draw all anew */
#define TERM_STOP 8    /* a signal asks the program to end */
#define TERM_SUSPEND 16

/* Waits for in, other (-1: none), a signal, or ms milliseconds (-1: no limit). Returns TERM_*, 0 when the
 * time is over. */
int term_wait(int in, int other, int ms);

#endif
