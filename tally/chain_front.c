#include "tally/chain_front.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tally/ballot_form.h"
#include "tally/chain_front_parts.h"

#define READ_MAX ((size_t)256 << 10)
#define OUT_MAX ((size_t)1 << 20) /* bytes handed to a shard's process that it has not read */
#define DEATHS_MAX 10             /* without an answer between */
#define REFUSALS_MAX 3            /* envelopes in a row that seem to kill it */
#define STEP_MS 500

/* --- processes --- */

static void child(struct chain_front *fr, const struct shard_process *s, int fd)
{
    struct chain_worker_job job = {fr->job->d,      fr->job->header, fr->job->envelope,
                                   fr->metrics_dir, s->name,         fd};
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE,
                                  SIGXFSZ}; /* the front says when it ends */
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    for (size_t i = 0; i < fr->shard_count; i++)
        if (fr->shard[i].fd >= 0)
            close(fr->shard[i].fd);
    if (fr->control >= 0)
        close(fr->control);
    if (fr->client >= 0)
        close(fr->client);
    _exit(chain_worker_run(&job));
}

static err_t start(struct chain_front *fr, struct shard_process *s, struct fault *f)
{
    int fd[2];
    s->in.pos = s->in.len = s->out.pos = s->out.len = 0;
    s->unsent = s->first;
    s->ready = 0;
    s->fd = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0)
        return fault_set(f, ERR_IO, "a socket for a shard: %s", strerror(errno));
    s->pid = fork();
    if (s->pid == 0) {
        close(fd[0]);
        child(fr, s, fd[1]);
    }
    close(fd[1]);
    if (s->pid < 0) {
        s->pid = 0;
        close(fd[0]);
        return fault_set(f, ERR_MEMORY, "a process for a shard: %s", strerror(errno));
    }
    s->fd = fd[0];
    if (fcntl(s->fd, F_SETFL, O_NONBLOCK) != 0)
        return fault_set(f, ERR_IO, "a socket for a shard: %s", strerror(errno));
    if (s->asked != 0 && s->asked != FRAME_FINISH)
        return chain_frame_put(&s->out, s->asked, 0, NULL, 0);
    s->asked = 0; /* finish is asked for again */
    return OK;
}

static err_t add_shard(struct chain_front *fr, const struct chain_shard_name *name,
                       struct shard_process **out, struct fault *f)
{
    if (fr->shard_count == fr->shard_cap) {
        size_t cap = fr->shard_cap * 2 + 4;
        struct shard_process *grown = realloc(fr->shard, cap * sizeof *grown);
        if (!grown)
            return fault_set(f, ERR_MEMORY, "shards");
        fr->shard = grown;
        fr->shard_cap = cap;
    }
    *out = &fr->shard[fr->shard_count++];
    memset(*out, 0, sizeof **out);
    (*out)->name = *name;
    (*out)->fd = -1;
    return OK;
}

/* The shard that takes this id. */
static struct shard_process *shard_of(struct chain_front *fr, const hash_t *id)
{
    for (size_t i = 0; i < fr->shard_count; i++)
        if (chain_shard_has(&fr->shard[i].name, id))
            return &fr->shard[i];
    return NULL;
}

struct shard_process *front_shard(struct chain_front *fr, const char *name)
{
    for (size_t i = 0; i < fr->shard_count; i++)
        if (strcmp(fr->shard[i].name.s, name) == 0)
            return &fr->shard[i];
    return NULL;
}

/* --- envelopes --- */

static void wait_in(struct shard_process *s, struct waiting *w)
{
    w->next = NULL;
    *(s->last ? &s->last->next : &s->first) = w;
    s->last = w;
    if (!s->unsent)
        s->unsent = w;
    s->count++;
}

static void verdict(struct chain_front *fr, uint64_t number, const hash_t *id, err_t e, int again)
{
    fr->job->verdict(fr->job->ctx, number, id, e, again);
    fr->verdicts = 1;
}

/* The first that waits has its answer. */
static void answered(struct chain_front *fr, struct shard_process *s, const hash_t *id, err_t e, int again)
{
    struct waiting *w = s->first;
    s->first = w->next;
    if (!s->first)
        s->last = NULL;
    if (s->unsent == w)
        s->unsent = s->first;
    s->count--;
    fr->bytes -= w->len;
    metrics_observe(fr->metrics, METRIC_CHAIN_BALLOT, metrics_now() - w->since);
    verdict(fr, w->number, id, e, again);
    free(w);
}

/* Hands over what there is room for. */
static err_t feed(struct shard_process *s, struct fault *f)
{
    while (s->unsent && s->asked == 0 && s->out.len - s->out.pos < OUT_MAX &&
           (!s->careful || s->unsent == s->first)) {
        if (chain_frame_put(&s->out, FRAME_ENVELOPE, s->unsent->number, s->unsent->data, s->unsent->len) !=
            OK)
            return fault_set(f, ERR_MEMORY, "envelopes");
        s->unsent = s->unsent->next;
    }
    return OK;
}

/* --- splitting --- */

/* The shard's last header says split: its halves go on, and take what waits. */
static err_t split_done(struct chain_front *fr, struct shard_process *s, struct fault *f)
{
    struct chain_shard_name half[2];
    struct waiting *w = s->first;
    struct shard_process *other;
    size_t at = (size_t)(s - fr->shard);
    int asked_for = fr->is_splitting && strcmp(fr->splitting.s, s->name.s) == 0;
    for (int i = 0; i < 2; i++) {
        TRY(chain_shard_half(&half[i], &s->name, (char)('0' + i), f));
        TRY(chain_shard_create(fr->job->d, half[i].s, f));
    }
    TRY(add_shard(fr, &half[1], &other, f));
    s = &fr->shard[at];
    s->name = half[0];
    s->first = s->last = s->unsent = NULL;
    s->count = 0;
    s->asked = 0;
    s->done = s->deaths = s->refusals = s->careful = 0;
    while (w) {
        struct waiting *next = w->next;
        wait_in(chain_shard_has(&half[1], &w->id) ? other : s, w);
        w = next;
    }
    TRY(start(fr, s, f));
    TRY(start(fr, other, f));
    if (asked_for) {
        control_answer(fr, OK, "split");
        fr->is_splitting = 0;
    }
    return OK;
}

/* --- what shards say --- */

static err_t take_verdict(struct chain_front *fr, struct shard_process *s, const struct chain_frame *frame,
                          struct fault *f)
{
    hash_t id;
    if (frame->len != VERDICT_LEN || !s->first || s->first == s->unsent || s->first->number != frame->number)
        return fault_set(f, ERR_BUG, "shard s%s answers what it was not asked", s->name.s);
    memcpy(id.b, frame->data + 3, HASH_LEN);
    s->deaths = s->refusals = s->careful = 0;
    answered(fr, s, &id, (err_t)(frame->data[0] | frame->data[1] << 8), frame->data[2]);
    return OK;
}

/* Why it failed, with the file that is at fault. */
static err_t take_failure(const struct shard_process *s, const struct chain_frame *frame, struct fault *f)
{
    struct fault why;
    memcpy(&why, frame->data, sizeof why);
    why.file[sizeof why.file - 1] = why.who[sizeof why.who - 1] = why.detail[sizeof why.detail - 1] = '\0';
    if (why.err == OK)
        why.err = ERR_BUG;
    if (f)
        *f = why;
    return fault_who(f, why.err, "shard s%s", s->name.s);
}

static err_t take_frames(struct chain_front *fr, struct shard_process *s, struct fault *f)
{
    for (;;) {
        struct chain_frame frame;
        int got;
        if (chain_frame_get(&s->in, &frame, sizeof *f, &got) != OK)
            return fault_set(f, ERR_BUG, "shard s%s sends a frame that is too long", s->name.s);
        if (!got)
            return OK;
        if (frame.type == FRAME_VERDICT)
            TRY(take_verdict(fr, s, &frame, f));
        else if (frame.type == FRAME_READY)
            s->ready = 1;
        else if (frame.type == FRAME_DONE)
            s->done = 1;
        else if (frame.type == FRAME_FAILED && frame.len == sizeof *f)
            return take_failure(s, &frame, f);
        else
            return fault_set(f, ERR_BUG, "shard s%s sends a frame that is not known", s->name.s);
    }
}

/* It died without a word: again, with what it has not answered. */
static err_t died(struct chain_front *fr, struct shard_process *s, struct fault *f)
{
    struct chain_shard_look look;
    TRY(chain_shard_look(&look, fr->job->d, s->name.s, f));
    if (look.last.state == CHAIN_SPLIT)
        return split_done(fr, s, f);
    if (++s->deaths > DEATHS_MAX || s->refusals > REFUSALS_MAX)
        return fault_set(f, ERR_BUG, "the process of shard s%s dies again and again", s->name.s);
    /* Only what it had alone in its hands can be what kills it. */
    if (s->careful && s->ready && s->deaths > 2 && s->first && s->first != s->unsent) {
        hash_t id = s->first->id;
        metrics_refused(fr->metrics, METRIC_CHAIN_REFUSED, ERR_BUG, 1);
        answered(fr, s, &id, ERR_BUG, 0);
        s->deaths = 0;
        s->refusals++;
    }
    s->careful = 1;
    return start(fr, s, f);
}

static err_t ended(struct chain_front *fr, struct shard_process *s, struct fault *f)
{
    close(s->fd);
    s->fd = -1;
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    s->pid = 0;
    if (!s->done)
        return died(fr, s, f);
    return s->asked == FRAME_SPLIT ? split_done(fr, s, f) : OK;
}

static err_t on_shard(struct chain_front *fr, size_t i, short events, struct fault *f)
{
    struct shard_process *s = &fr->shard[i];
    int closed = 0;
    if (events & (POLLIN | POLLHUP | POLLERR)) {
        err_t e = chain_buffer_fill(&s->in, s->fd, READ_MAX, &closed);
        if (e == ERR_MEMORY)
            return fault_set(f, e, "answers");
        closed |= e != OK;
        TRY(take_frames(fr, s, f));
    }
    if (!closed && (events & POLLOUT) && chain_buffer_drain(&s->out, s->fd) != OK)
        closed = 0; /* what it said before it went is still to be read */
    return closed ? ended(fr, s, f) : OK;
}

/* --- around --- */

static err_t poll_all(struct chain_front *fr, struct pollfd *p, int fd, int timeout_ms, struct fault *f)
{
    size_t n = fr->shard_count;
    for (size_t i = 0; i < n; i++) {
        TRY(feed(&fr->shard[i], f));
        p[i] = (struct pollfd){fr->shard[i].fd, POLLIN, 0};
        if (fr->shard[i].out.pos < fr->shard[i].out.len)
            p[i].events |= POLLOUT;
    }
    p[n] = (struct pollfd){fr->control, POLLIN, 0};
    p[n + 1] = (struct pollfd){fr->client, POLLIN, 0};
    p[n + 2] = (struct pollfd){fd, POLLIN, 0};
    if (poll(p, n + 3, timeout_ms) >= 0)
        return OK;
    for (size_t i = 0; i < n + 3; i++)
        p[i].revents = 0;
    return errno == EINTR ? OK : fault_set(f, ERR_IO, "waiting: %s", strerror(errno));
}

static err_t after(struct chain_front *fr, struct fault *f)
{
    struct fault ignored; /* numbers that cannot be written stop nothing */
    size_t queue = 0;
    for (size_t i = 0; i < fr->shard_count; i++)
        queue += fr->shard[i].count;
    metrics_set(fr->metrics, METRIC_CHAIN_QUEUE, (double)queue);
    if (metrics_publish(fr->metrics, fr->metrics_dir, 0, &ignored) != OK)
        fault_clear(&ignored);
    if (!fr->verdicts)
        return OK;
    fr->verdicts = 0;
    return fr->job->flush(fr->job->ctx, f);
}

/* Once around: waits at most so long for sockets, and for input if fd is not -1; *readable: there is some. */
static err_t step(struct chain_front *fr, int fd, int timeout_ms, int *readable, struct fault *f)
{
    size_t n = fr->shard_count;
    struct pollfd *p = calloc(n + 3, sizeof *p);
    *readable = 0;
    if (!p)
        return fault_set(f, ERR_MEMORY, "waiting");
    err_t e = poll_all(fr, p, fd, timeout_ms, f);
    for (size_t i = 0; i < n && e == OK; i++)
        if (p[i].revents)
            e = on_shard(fr, i, p[i].revents, f);
    if (e == OK && p[n].revents)
        control_accept(fr);
    if (e == OK && p[n + 1].revents && fr->client == p[n + 1].fd)
        control_read(fr);
    *readable = p[n + 2].revents != 0;
    free(p);
    return e == OK ? after(fr, f) : e;
}

/* --- taking --- */

static int full(const struct chain_front *fr, const struct shard_process *s)
{
    return s->count >= fr->job->d->tuning.queue || fr->bytes >= CHAIN_FRONT_BYTES;
}

static err_t refuse(struct chain_front *fr, uint64_t number, const hash_t *id, err_t e)
{
    metrics_refused(fr->metrics, METRIC_CHAIN_REFUSED, e, 1);
    verdict(fr, number, id, e, 0);
    return OK;
}

static err_t take_one(struct chain_front *fr, const uint8_t *data, size_t len, struct fault *f)
{
    struct chain_envelope v;
    int readable;
    uint64_t number = ++fr->number;
    err_t e = chain_envelope_parse(&v, &fr->job->d->ctx, data, len, NULL);
    if (err_class(e) == CLASS_SYSTEM)
        return fault_set(f, e, "envelopes");
    if (e != OK)
        return refuse(fr, number, &v.ballot, e);
    struct waiting *w = malloc(sizeof *w + len);
    if (!w)
        return fault_set(f, ERR_MEMORY, "envelopes");
    w->number = number;
    w->id = v.ballot;
    w->since = metrics_now();
    w->len = len;
    memcpy(w->data, data, len);
    struct shard_process *s;
    while ((s = shard_of(fr, &w->id)) != NULL && full(fr, s) && e == OK)
        e = step(fr, -1, STEP_MS, &readable, f);
    if (e != OK || s == NULL) {
        free(w);
        return e != OK ? e : refuse(fr, number, &v.ballot, ERR_DONE); /* of a shard that is closed */
    }
    fr->bytes += len;
    wait_in(s, w);
    return OK;
}

/* The next item of the sequence in b; *len 0: not complete. */
static err_t next_item(const struct chain_buffer *b, size_t max, size_t *head, size_t *len, struct fault *f)
{
    const uint8_t *p = b->data + b->pos;
    size_t have = b->len - b->pos;
    uint64_t n;
    *len = 0;
    if (have == 0)
        return OK;
    if (p[0] >> 5 != 2 || (p[0] & 31) > 26)
        return fault_set(f, ERR_FORMAT, "not a CBOR byte string");
    size_t extra = (p[0] & 31) < 24 ? 0 : (size_t)1 << ((p[0] & 31) - 24);
    if (have < 1 + extra)
        return OK;
    n = extra == 0 ? p[0] & 31 : 0;
    for (size_t i = 0; i < extra; i++)
        n = n << 8 | p[1 + i];
    if (cbor_head_len(n) != 1 + extra)
        return fault_set(f, ERR_CANONICAL, "a length in a longer form than needed");
    if (n == 0 || n > max)
        return fault_set(f, ERR_LIMIT, "an envelope of this length cannot be");
    *head = 1 + extra;
    if (have >= *head + n)
        *len = (size_t)n;
    return OK;
}

static err_t take_items(struct chain_front *fr, struct chain_buffer *b, size_t max, uint64_t *offset,
                        struct fault *f)
{
    for (;;) {
        size_t head = 0, len;
        err_t e = next_item(b, max, &head, &len, f);
        if (e != OK && f)
            f->at = (long long)*offset;
        TRY(e);
        if (len == 0)
            return OK;
        TRY(take_one(fr, b->data + b->pos + head, len, f));
        b->pos += head + len;
        *offset += head + len;
    }
}

err_t chain_front_take(struct chain_front *fr, int fd, const char *name, struct fault *f)
{
    struct chain_buffer b = {0};
    uint64_t offset = 0;
    size_t max = chain_envelope_len_max(fr->job->d->ctx.e);
    int closed = 0, readable;
    err_t e = OK;
    while (e == OK && !closed) {
        if (fr->job->stop && *fr->job->stop)
            e = fault_set(f, ERR_STOPPED, "ballots accepted so far are on disk");
        if (e == OK)
            e = step(fr, fd, STEP_MS, &readable, f);
        if (e != OK || !readable)
            continue;
        e = chain_buffer_fill(&b, fd, READ_MAX, &closed);
        if (e != OK)
            fault_set(f, e, "reading envelopes");
        else
            e = take_items(fr, &b, max, &offset, f);
    }
    if (e == OK && b.pos < b.len) {
        e = fault_set(f, ERR_TRUNCATED, "the file ends within an envelope");
        if (f)
            f->at = (long long)offset;
    }
    chain_buffer_free(&b);
    return e == OK ? OK : fault_file(f, e, name);
}

/* --- beginning and end --- */

static err_t start_all(struct chain_front *fr, struct fault *f)
{
    struct chain_shard_look *look;
    struct shard_process *s;
    size_t count;
    TRY(chain_dir_shards(&look, &count, fr->job->d, f));
    err_t e = OK;
    for (size_t i = 0; i < count && e == OK; i++)
        if (look[i].last.state == CHAIN_OPEN)
            e = add_shard(fr, &look[i].name, &s, f);
    free(look);
    if (e == OK && fr->shard_count == 0)
        e = fault_set(f, ERR_DONE, "the chain is closed");
    for (size_t i = 0; i < fr->shard_count && e == OK; i++)
        e = start(fr, &fr->shard[i], f);
    return e;
}

err_t chain_front_new(struct chain_front **out, const struct chain_front_job *job, struct fault *f)
{
    err_t e;
    *out = NULL;
    struct chain_front *fr = calloc(1, sizeof *fr);
    if (!fr)
        return fault_set(f, ERR_MEMORY, "front");
    fr->job = job;
    fr->control = fr->client = -1;
    fr->metrics = calloc(1, sizeof *fr->metrics);
    if (!fr->metrics)
        GO(fault_set(f, ERR_MEMORY, "front"));
    GO(metrics_init(fr->metrics, "chain", "chain-front", job->d->ctx.c->id, NULL));
    GO(chain_dir_path(fr->metrics_dir, job->d, "metrics"));
    GO(start_all(fr, f));
    GO(control_open(fr, f));
    *out = fr;
    fr = NULL;
out:
    chain_front_free(fr);
    return e;
}

err_t chain_front_finish(struct chain_front *fr, struct fault *f)
{
    struct fault ignored;
    for (;;) {
        int readable, running = 0;
        for (size_t i = 0; i < fr->shard_count; i++) {
            struct shard_process *s = &fr->shard[i];
            running |= s->pid != 0;
            if (s->pid == 0 || s->count > 0 || s->asked != 0)
                continue;
            if (chain_frame_put(&s->out, FRAME_FINISH, 0, NULL, 0) != OK)
                return fault_set(f, ERR_MEMORY, "front");
            s->asked = FRAME_FINISH;
        }
        if (!running)
            break;
        TRY(step(fr, -1, STEP_MS, &readable, f));
    }
    if (metrics_publish(fr->metrics, fr->metrics_dir, 1, &ignored) != OK)
        fault_clear(&ignored);
    return OK;
}

void chain_front_free(struct chain_front *fr)
{
    if (!fr)
        return;
    control_close(fr);
    for (size_t i = 0; i < fr->shard_count; i++) {
        struct shard_process *s = &fr->shard[i];
        if (s->fd >= 0)
            close(s->fd);
        for (struct waiting *w = s->first, *next; w; w = next) {
            next = w->next;
            free(w);
        }
        chain_buffer_free(&s->in);
        chain_buffer_free(&s->out);
    }
    for (size_t i = 0; i < fr->shard_count; i++)
        if (fr->shard[i].pid > 0)
            while (waitpid(fr->shard[i].pid, NULL, 0) < 0 && errno == EINTR)
                ;
    free(fr->shard);
    free(fr->metrics);
    free(fr);
}
