/* Media: what is listed, what is copied, and that one which is full, read-only, pulled out or lying loses
 * nothing. */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/unit.h"

#include "appliance/media.h"
#include "ceremony/base/file.h"
#include "tests/support/ceremony.h"

static struct fault f;

static void put(const char *dir, const char *name, const char *text)
{
    char path[1024], *slash;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    assert_err(file_mkdir(path, &f), OK);
    *slash = '/';
    assert_err(file_write(path, text, strlen(text), FILE_REPLACE, &f), OK);
}

/* --- listing --- */

/* A device that somebody else may open. */
static int opened(void *ctx, const char *name)
{
    uint8_t d[512] = {0};
    (void)ctx;
    if (strcmp(name, "sdb2") != 0)
        return -1;
    d[510] = 0x55, d[511] = 0xaa;
    memcpy(d + 82, "FAT32   ", 8);
    memcpy(d + 71, "FROM sdb2  ", 11);
    int fd = memfd_create("device", MFD_CLOEXEC);
    assert_int_equal(write(fd, d, sizeof d), sizeof d);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void test_devices(void **state)
{
    char dir[256], sys[300], mounts[300], label[300], dev[300], path[600], target[700];
    struct media_list l;
    (void)state;
    temp_dir(dir, sizeof dir);
    snprintf(sys, sizeof sys, "%s/sys", dir);
    snprintf(mounts, sizeof mounts, "%s/mounts", dir);
    snprintf(label, sizeof label, "%s/label", dir);
    snprintf(dev, sizeof dev, "%s/dev", dir);
    put(dir, "sys/sda/removable", "0\n"); /* built in */
    put(dir, "sys/sda/size", "1000\n");
    put(dir, "sys/sdb/removable", "1\n");
    put(dir, "sys/sdb/size", "2000\n");
    put(dir, "sys/sdb/device/model", "Stick \033[2J  \n");
    put(dir, "sys/sdb/sdb1/partition", "1\n");
    put(dir, "sys/sdb/sdb1/size", "1600\n");
    put(dir, "sys/sdb/sdb2/partition", "2\n");
    put(dir, "sys/sdb/sdb2/size", "200\n");
    put(dir, "sys/sdb/sdb2/ro", "1\n");
    put(dir, "sys/sr0/removable", "1\n"); /* no disc in it */
    put(dir, "sys/sr0/size", "0\n");
    put(dir, "sys/sdc/removable", "1\n"); /* no partitions */
    put(dir, "sys/sdc/size", "64\n");
    put(dir, "label/x", "");
    snprintf(path, sizeof path, "%s/My\\x20Stick", label);
    assert_int_equal(symlink("../../sdb1", path), 0);
    snprintf(target, sizeof target, "%s/with blank", dir);
    assert_int_equal(mkdir(target, 0755), 0);
    snprintf(target, sizeof target, "%s/sdb1 %s/with\\040blank vfat rw 0 0\n", dev, dir);
    put(dir, "mounts", target);
    struct media_paths p = {.sys_block = sys, .mounts = mounts, .by_label = label, .dev = dev};
    assert_err(media_list(&l, &p, &f), OK);
    assert_int_equal(l.count, 3);
    assert_string_equal(l.item[0].device, "sdb1");
    assert_string_equal(l.item[0].label, "My Stick");
    assert_string_equal(l.item[0].model, "Stick ?[2J");
    assert_int_equal(l.item[0].size, 1600 * 512);
    snprintf(target, sizeof target, "%s/with blank", dir);
    assert_string_equal(l.item[0].mount, target);
    assert_true(l.item[0].room > 0);
    assert_int_equal(l.item[0].read_only, 0);
    assert_string_equal(l.item[1].device, "sdb2");
    assert_int_equal(l.item[1].read_only, 1);
    assert_string_equal(l.item[1].mount, "");
    assert_string_equal(l.item[2].device, "sdc");
    static const char *const good[] = {"sdb", "sdb1", "sdb2", "sdc", "sr0"};
    static const char *const bad[] = {"sda",    "sda1",     "sdb3",        "device", "removable", "",
                                      "../sdb", "sdb/sdb1", "sdb/../sdb1", "..",     ".",         "sd"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_err(media_device_check(good[i], &p, &f), OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_err(media_device_check(bad[i], &p, &f), ERR_MISSING);
    /* the stick that the system runs from, with all its partitions; not its neighbours */
    static const char *const at[] = {"/", "/boot/efi", "/run/live/medium", "/lib/live/mount/medium"};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        snprintf(target, sizeof target, "%s/sdb2 %s ext4 rw 0 0\n%s/sdc /media/x vfat rw 0 0\n", dev, at[i],
                 dev);
        put(dir, "mounts", target);
        assert_err(media_device_check("sdb", &p, &f), ERR_REFUSED);
        assert_err(media_device_check("sdb1", &p, &f), ERR_REFUSED);
        assert_err(media_device_check("sdc", &p, &f), OK);
    }
    snprintf(target, sizeof target, "%s/sdbc1 / ext4 rw 0 0\n%s/sdb1 /rootless vfat rw 0 0\n", dev, dev);
    put(dir, "mounts", target);
    assert_err(media_device_check("sdb2", &p, &f), OK);
    p.open = opened;
    assert_err(media_list(&l, &p, &f), OK);
    assert_string_equal(l.item[0].label, "My Stick"); /* known without it */
    assert_string_equal(l.item[1].label, "FROM sdb2");
    assert_string_equal(l.item[2].label, "");
    p.open = NULL;
    p.sys_block = "build/tests/tmp/no-such-directory";
    assert_err(media_list(&l, &p, &f), OK);
    assert_int_equal(l.count, 0);
    remove_tree(dir);
}

static void test_labels(void **state)
{
    char dir[256], path[300], label[64];
    uint8_t *d = calloc(1, 40000);
    (void)state;
    assert_non_null(d);
    temp_dir(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/image", dir);
    assert_err(file_write(path, d, 40000, FILE_REPLACE, &f), OK);
    assert_false(media_label_read(label, path));
    d[510] = 0x55, d[511] = 0xaa;
    memcpy(d + 82, "FAT32   ", 8);
    memcpy(d + 71, "BOARD A    ", 11);
    assert_err(file_write(path, d, 512, FILE_REPLACE, &f), OK);
    assert_true(media_label_read(label, path));
    assert_string_equal(label, "BOARD A");
    memcpy(d + 71, "NO NAME    ", 11);
    assert_err(file_write(path, d, 512, FILE_REPLACE, &f), OK);
    assert_false(media_label_read(label, path));
    memset(d, 0, 40000);
    d[1024 + 0x38] = 0x53, d[1024 + 0x39] = 0xef;
    memcpy(d + 1024 + 0x78, "ext\a", 4);
    assert_err(file_write(path, d, 4096, FILE_REPLACE, &f), OK);
    assert_true(media_label_read(label, path));
    assert_string_equal(label, "ext?");
    memset(d, 0, 40000);
    memcpy(d + 32769, "CD001", 5);
    memcpy(d + 32808, "DISC", 4);
    memset(d + 32812, ' ', 28);
    assert_err(file_write(path, d, 40000, FILE_REPLACE, &f), OK);
    assert_true(media_label_read(label, path));
    assert_string_equal(label, "DISC");
    snprintf(path, sizeof path, "%s/absent", dir);
    assert_false(media_label_read(label, path));
    free(d);
    remove_tree(dir);
}

/* --- a board to carry --- */

struct fixture {
    char dir[256], medium[300], target[400];
    struct softkeys *token;
    struct signer signer;
    hash_t election, detached;
    struct board *b;
};

static struct entry *statement(struct fixture *x, const char *text)
{
    struct cbor_out st = CBOR_OUT_INIT;
    struct entry *e;
    cbor_put_text(&st, text);
    assert_err(entry_make(&e, ENTRY_PLAN, &x->election, NULL, NULL, &st, NULL, &x->signer, &f), OK);
    cbor_out_free(&st);
    return e;
}

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    char board[300], text[16];
    int taken;
    assert_non_null(x);
    temp_dir(x->dir, sizeof x->dir);
    snprintf(board, sizeof board, "%s/board", x->dir);
    snprintf(x->medium, sizeof x->medium, "%s/medium", x->dir);
    assert_err(file_mkdir(x->medium, &f), OK);
    put(board, "manifest.json", "{\"some\": \"manifest\"}");
    put(board, "places.csv", "place\n");
    put(board, "record.cbor", "record");
    put(board, "notes.txt", "not to be copied");
    assert_err(manifest_election(&x->election, (const uint8_t *)"{\"some\": \"manifest\"}", 20), OK);
    x->token = softkeys_new("Model", "1");
    softkeys_add(x->token);
    x->signer = softkeys_signer(x->token, 0);
    assert_err(board_open(&x->b, board, &x->election, &f), OK);
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_err(board_add(x->b, statement(x, text), &taken, &f), OK);
    }
    put(board, "entries/rubbish.cose", "rubbish");
    assert_err(board_detached_put(x->b, &x->detached, "sealed", 6, &f), OK);
    put(board, "detached/rubbish.bin", "rubbish");
    assert_err(media_board_dir(x->target, sizeof x->target, x->medium, &x->election), OK);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    board_free(x->b);
    softkeys_free(x->token);
    remove_tree(x->dir);
    free(x);
    return 0;
}

static err_t copy(struct fixture *x, struct media_report *r, progress_fn fn, void *ctx)
{
    fault_clear(&f);
    return media_copy_out(r, x->b, "places.csv", x->target, fn, ctx, &f);
}

/* How many files of the medium are not there whole, temporary ones included. */
static err_t not_whole(void *ctx, const char *name, struct fault *fault)
{
    char **dirs = ctx;
    char a[1024], b[1024];
    hash_t ha, hb;
    (void)fault;
    snprintf(a, sizeof a, "%s/%s", dirs[0], name);
    snprintf(b, sizeof b, "%s/%s", dirs[1], name);
    assert_err(file_hash(&ha, a, &f), OK);
    assert_err(file_hash(&hb, b, &f), OK);
    assert_int_equal(hash_cmp(&ha, &hb), 0);
    return OK;
}

static void assert_no_halves(const struct fixture *x)
{
    char here[400], there[500];
    char *dirs[2] = {there, here};
    snprintf(here, sizeof here, "%s/board/entries", x->dir);
    snprintf(there, sizeof there, "%s/entries", x->target);
    assert_err(file_list(there, not_whole, dirs, &f), OK);
    struct board *again;
    assert_err(board_open(&again, x->b->dir, &x->election, &f), OK);
    assert_int_equal(again->entry_count, 10);
    board_free(again);
}

static void test_out_and_in(void **state)
{
    struct fixture *x = *state;
    struct media_report r;
    struct merge_report m;
    struct board *there, *news;
    struct media_board found[MEDIA_BOARDS_MAX];
    size_t count;
    int taken;
    char path[600];
    assert_err(copy(x, &r, NULL, NULL), OK);
    assert_int_equal(r.copied, 14); /* manifest, places, record, sealed, ten entries */
    assert_int_equal(r.known, 0);
    assert_err(copy(x, &r, NULL, NULL), OK);
    assert_int_equal(r.copied, 0);
    assert_int_equal(r.known, 14);
    snprintf(path, sizeof path, "%s/entries/rubbish.cose", x->target);
    assert_int_equal(access(path, F_OK), -1);
    assert_err(media_boards(found, &count, x->medium, &f), OK);
    assert_int_equal(count, 1);
    assert_string_equal(found[0].dir, x->target);
    assert_int_equal(found[0].entries, 10);
    assert_int_equal(hash_cmp(&found[0].election, &x->election), 0);
    /* somebody adds two entries and rubbish: a look does not change anything */
    assert_err(board_open(&there, x->target, &x->election, &f), OK);
    assert_err(board_add(there, statement(x, "new"), &taken, &f), OK);
    assert_err(board_add(there, statement(x, "newer"), &taken, &f), OK);
    board_free(there);
    put(x->target, "entries/rubbish.cose", "rubbish");
    put(x->target, "detached/rubbish.bin", "rubbish");
    for (int i = 0; i < 2; i++) {
        assert_err(board_merge_preview(&news, x->b, x->target, &m, &f), OK);
        assert_int_equal(news->entry_count, 2);
        assert_int_equal(news->refused_count, 2);
        assert_int_equal(m.added, 2);
        assert_int_equal(m.known, 10);
        assert_int_equal(m.refused, 2);
        assert_int_equal(m.detached, 0);
        board_free(news);
    }
    assert_int_equal(x->b->entry_count, 10);
    assert_err(board_merge(x->b, x->target, &m, &f), OK);
    assert_int_equal(m.added, 2);
    assert_int_equal(x->b->entry_count, 12);
    assert_err(board_merge_preview(&news, x->b, "build/tests/tmp/absent", &m, &f), ERR_MISSING);
    assert_null(news);
}

static void test_conflicts_are_kept(void **state)
{
    struct fixture *x = *state;
    struct media_report r;
    uint8_t *data;
    size_t len;
    char path[600];
    put(x->target, "record.cbor", "another record");
    assert_err(copy(x, &r, NULL, NULL), OK);
    assert_int_equal(r.conflicts, 1);
    assert_string_equal(r.conflict[0], "record.cbor");
    snprintf(path, sizeof path, "%s/record.cbor", x->target);
    assert_err(file_read(&data, &len, path, 100, &f), OK);
    assert_string_equal((char *)data, "another record");
    free(data);
}

static void test_other_election(void **state)
{
    struct fixture *x = *state;
    struct media_report r;
    put(x->target, "manifest.json", "{}");
    assert_err(copy(x, &r, NULL, NULL), ERR_ELECTION);
    assert_int_equal(r.copied, 0);
}

/* --- media that fail --- */

struct trouble {
    struct fixture *x;
    const char *phase;
    uint64_t at;
    void (*make)(struct fixture *x);
};

static err_t trouble_at(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct trouble *t = ctx;
    (void)total;
    if (strcmp(what, t->phase) == 0 && done == t->at) {
        if (t->make == NULL)
            return ERR_STOPPED;
        t->make(t->x);
    }
    return OK;
}

static void pull_out(struct fixture *x)
{
    char to[500];
    snprintf(to, sizeof to, "%s/gone", x->dir);
    assert_int_equal(rename(x->medium, to), 0);
}

static void lie(struct fixture *x)
{
    char path[500];
    snprintf(path, sizeof path, "%s/places.csv", x->target);
    FILE *out = fopen(path, "r+");
    assert_non_null(out);
    fputs("PLACE", out);
    fclose(out);
}

static void test_pulled_out(void **state)
{
    struct fixture *x = *state;
    struct media_report r;
    static const char *const phase[] = {"copy", "compare"};
    for (int i = 0; i < 2; i++) {
        struct trouble t = {x, phase[i], 6, pull_out};
        err_t e = copy(x, &r, trouble_at, &t);
        assert_true(e == ERR_IO || e == ERR_MISSING);
        assert_int_not_equal(f.file[0], '\0');
        char gone[400];
        snprintf(gone, sizeof gone, "%s/gone", x->dir);
        assert_int_equal(access(x->medium, F_OK), -1); /* nothing was made where it was mounted */
        assert_err(copy(x, &r, NULL, NULL), ERR_MISSING);
        assert_int_equal(access(x->medium, F_OK), -1);
        assert_int_equal(rename(gone, x->medium), 0);
        assert_no_halves(x);
    }
    assert_err(copy(x, &r, NULL, NULL), OK); /* inserted again */
    assert_int_equal(r.copied + r.known, 14);
}

static void test_read_back(void **state)
{
    struct fixture *x = *state;
    struct media_report r;
    struct trouble t = {x, "compare", 0, lie};
    assert_err(copy(x, &r, trouble_at, &t), ERR_HASH);
    assert_non_null(strstr(f.file, "places.csv"));
}

static void test_stopped(void **state)
{
    struct fixture *x = *state;
    struct media_report r;
    struct trouble t = {x, "copy", 5, NULL};
    assert_err(copy(x, &r, trouble_at, &t), ERR_STOPPED);
    assert_int_equal(r.copied, 5);
    assert_no_halves(x);
    assert_err(copy(x, &r, NULL, NULL), OK);
    assert_int_equal(r.copied, 9);
    assert_int_equal(r.known, 5);
}

/* In a child: a medium on which files cannot become longer than n bytes. */
static void test_file_size_limit(void **state)
{
    struct fixture *x = *state;
    pid_t pid = fork();
    if (pid == 0) {
        struct media_report r;
        struct rlimit limit = {150, 150};
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(200);
        _exit((int)copy(x, &r, NULL, NULL));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ERR_IO);
    assert_no_halves(x);
}

/* 1 if a medium is not unmounted by a path that ends in symbolic links. */
static int links_stay(struct fixture *x, struct media *m)
{
    char above[512], link[600], real[PATH_MAX];
    int unmounted;
    snprintf(above, sizeof above, "%s", x->medium);
    char *name = strrchr(above, '/');
    if (realpath(above, real) == NULL)
        return 0;
    *name++ = '\0';
    snprintf(link, sizeof link, "%s/link-to-medium", above);
    if (symlink(real, link) != 0)
        return 0;
    snprintf(m->mount, sizeof m->mount, "%s", link);
    err_t e = media_unmount(m, &unmounted, &f);
    unlink(link);
    if (e != OK || unmounted || realpath(above, real) == NULL || symlink(real, link) != 0)
        return 0;
    snprintf(m->mount, sizeof m->mount, "%s/%s", link, name);
    e = media_unmount(m, &unmounted, &f);
    unlink(link);
    return e == OK && !unmounted;
}

/* In a child with mounts of its own: a medium of some size, mounted with flags. 255: not allowed here. */
static int on_small_medium(struct fixture *x, const char *options, unsigned long again, char *detail)
{
    int pipe_fd[2];
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct media_report r;
        if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("test", x->medium, "tmpfs", 0, options) != 0)
            _exit(255);
        if (again != 0 && mount("test", x->medium, "tmpfs", MS_REMOUNT | again, options) != 0)
            _exit(255);
        err_t e = copy(x, &r, NULL, NULL);
        if (e != OK)
            assert_no_halves(x);
        if (write(pipe_fd[1], f.detail, sizeof f.detail) != sizeof f.detail)
            _exit(254);
        struct media m = {.device = "test"};
        int unmounted;
        if (!links_stay(x, &m)) /* neither through its own name nor through that of the directory above */
            _exit(252);
        snprintf(m.mount, sizeof m.mount, "%s", x->medium);
        if (media_remove(&m, &unmounted, &f) != OK || !unmounted || m.mount[0] != '\0')
            _exit(253);
        _exit((int)e);
    }
    int status;
    close(pipe_fd[1]);
    if (read(pipe_fd[0], detail, sizeof f.detail) <= 0)
        detail[0] = '\0';
    close(pipe_fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_small_media(void **state)
{
    struct fixture *x = *state;
    char detail[sizeof f.detail];
    int e = on_small_medium(x, "size=1m", 0, detail);
    if (e == 255) {
        print_message("skipped: nothing can be mounted here\n");
        skip();
    }
    assert_int_equal(e, OK);
    assert_int_equal(on_small_medium(x, "size=16k", 0, detail), ERR_IO);
    assert_non_null(strstr(detail, "too full"));
    assert_int_equal(on_small_medium(x, "nr_inodes=8", 0, detail), ERR_IO); /* full in the middle */
    assert_int_equal(on_small_medium(x, "size=1m", MS_RDONLY, detail), ERR_IO);
}

static void test_by_hand(void **state)
{
    struct fixture *x = *state;
    struct media m;
    int unmounted = 1;
    assert_err(media_of_dir(&m, x->medium, &f), OK);
    assert_string_equal(m.device, "");
    assert_true(m.room > 0 && m.size > 0);
    assert_err(media_remove(&m, &unmounted, &f), OK);
    assert_false(unmounted);
    assert_string_equal(m.mount, x->medium);
    assert_err(media_of_dir(&m, "build/tests/tmp/absent", &f), ERR_MISSING);
    struct media bad = {.device = "../sda"};
    assert_err(media_mount(&bad, NULL, &f), ERR_BUG);
}

static void test_links(void **state)
{
    struct fixture *x = *state;
    char run[600], link[700];
    struct media m = {.device = "sdz1"};
    struct media_paths p = {.dev = x->medium, .run = run};
    struct stat st;
    snprintf(run, sizeof run, "%s/run", x->medium);
    snprintf(link, sizeof link, "%s/sdz1", run);

    /* a directory: it is made, the device is not there, it is taken away */
    assert_err(media_mount(&m, &p, &f), ERR_IO);
    assert_int_equal(lstat(run, &st), 0);
    assert_int_not_equal(lstat(link, &st), 0);

    /* a link in its place */
    assert_int_equal(symlink(".", link), 0);
    assert_err(media_mount(&m, &p, &f), ERR_REFUSED);
    assert_non_null(strstr(f.detail, "sdz1 is not a directory"));
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_string_equal(m.mount, "");

    /* in place of the directory above; nothing is made behind it */
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(run), 0);
    assert_int_equal(symlink(".", run), 0);
    assert_err(media_mount(&m, &p, &f), ERR_REFUSED);
    snprintf(link, sizeof link, "%s/sdz1", x->medium);
    assert_int_not_equal(lstat(link, &st), 0);
    assert_int_equal(unlink(run), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_labels),
        T(test_out_and_in),
        T(test_conflicts_are_kept),
        T(test_other_election),
        T(test_pulled_out),
        T(test_read_back),
        T(test_stopped),
        T(test_file_size_limit),
        T(test_small_media),
        T(test_by_hand),
        T(test_links),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
