/* The socket on which a running front is asked to split a shard: a local one, in the chain's directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tally/chain_front_parts.h"

#define ANSWER_MAX 512

/* A path of any length, by way of the directory's descriptor. *dir_fd is closed by the caller. */
static err_t control_address(struct sockaddr_un *out, int *dir_fd, const char *dir, struct fault *f)
{
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    *dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dir_fd < 0)
        return fault_file(f, fault_set(f, ERR_MISSING, "there is no such directory"), dir);
    snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/control", *dir_fd);
    return OK;
}

err_t control_open(struct chain_front *fr, struct fault *f)
{
    struct sockaddr_un a;
    int dir_fd;
    TRY(control_address(&a, &dir_fd, fr->job->d->path, f));
    fr->control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(a.sun_path); /* we have the lock: whoever bound it is gone */
    mode_t before = umask(0077);
    int bad = fr->control < 0 || bind(fr->control, (struct sockaddr *)&a, sizeof a) != 0 ||
              listen(fr->control, 4) != 0;
    umask(before);
    close(dir_fd);
    return bad ? fault_set(f, ERR_IO, "listening on control: %s", strerror(errno)) : OK;
}

void control_close(struct chain_front *fr)
{
    struct sockaddr_un a;
    int dir_fd;
    if (fr->client >= 0)
        control_answer(fr, ERR_STOPPED, "the node has ended");
    if (fr->control < 0)
        return;
    close(fr->control);
    fr->control = -1;
    if (control_address(&a, &dir_fd, fr->job->d->path, NULL) == OK)
        unlink(a.sun_path);
    if (dir_fd >= 0)
        close(dir_fd);
}

void control_accept(struct chain_front *fr)
{
    int fd = accept4(fr->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (fr->client >= 0) { /* one at a time; the other asks again */
        close(fd);
        return;
    }
    fr->client = fd;
    fr->asked_len = 0;
}

void control_answer(struct chain_front *fr, err_t e, const char *text)
{
    char line[ANSWER_MAX];
    if (fr->client < 0)
        return;
    int n = snprintf(line, sizeof line, "%d %s\n", (int)e, text);
    if (n > 0)
        (void)!send(fr->client, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1,
                    MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fr->client);
    fr->client = -1;
    fr->is_splitting = 0;
}

static void begin_split(struct chain_front *fr, const char *name)
{
    struct chain_shard_name shard, half;
    struct fault f;
    if (chain_shard_parse(&shard, name) != OK) {
        control_answer(fr, ERR_FORMAT, "a shard's name is of 0 and 1");
        return;
    }
    struct shard_process *s = front_shard(fr, shard.s);
    fault_clear(&f);
    if (!s || s->asked != 0) {
        control_answer(fr, ERR_MISSING, "there is no open shard of this name");
        return;
    }
    err_t e = chain_shard_half(&half, &shard, '0', &f);
    if (e == OK)
        e = chain_frame_put(&s->out, FRAME_SPLIT, 0, NULL, 0);
    if (e != OK) {
        control_answer(fr, e, f.detail);
        return;
    }
    s->asked = FRAME_SPLIT;
    fr->splitting = shard;
    fr->is_splitting = 1;
}

void control_read(struct chain_front *fr)
{
    size_t room = sizeof fr->asked - 1 - fr->asked_len;
    ssize_t n = read(fr->client, fr->asked + fr->asked_len, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* gone; a split that it began goes on */
        close(fr->client);
        fr->client = -1;
        return;
    }
    fr->asked_len += (size_t)n;
    fr->asked[fr->asked_len] = '\0';
    char *end = strchr(fr->asked, '\n');
    if (!end && (size_t)n < room)
        return;
    if (end)
        *end = '\0';
    if (!end || strncmp(fr->asked, "split ", 6) != 0)
        control_answer(fr, ERR_FORMAT, "only split is known");
    else if (!fr->is_splitting)
        begin_split(fr, fr->asked + 6);
}

/* --- who asks --- */

static err_t read_answer(int fd, struct fault *f)
{
    char line[ANSWER_MAX];
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, line + len, sizeof line - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    line[len] = '\0';
    int e, at = 0;
    if (sscanf(line, "%d %n", &e, &at) != 1 || at == 0)
        return fault_set(f, ERR_STOPPED, "the node did not answer; ask again");
    line[strcspn(line, "\n")] = '\0';
    return e == OK ? OK : fault_set(f, (err_t)e, "%s", line + at);
}

err_t chain_front_ask_split(const char *dir, const char *shard, int *running, struct fault *f)
{
    struct sockaddr_un a;
    char line[64];
    int dir_fd;
    *running = 0;
    TRY(control_address(&a, &dir_fd, dir, f));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int there = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    err_t e = OK;
    close(dir_fd);
    if (there) {
        *running = 1;
        int n = snprintf(line, sizeof line, "split %s\n", shard);
        e = n < (int)sizeof line && send(fd, line, (size_t)n, MSG_NOSIGNAL) == n
                ? read_answer(fd, f)
                : fault_set(f, ERR_IO, "asking the node");
    }
    if (fd >= 0)
        close(fd);
    return e;
}
