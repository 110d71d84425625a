/*
 * The watcher against the kernel. Nothing here sleeps: every test turns the loop until what it
 * waits for was reported, or fails at a deadline.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/watch.h"
#include "tests/unit/test.h"
#include "worker/base/buffer.h"
#include "worker/base/memory.h"

#define DEADLINE_MS 20000

struct probe {
    char root[64], outside[64];
    struct loop *loop;
    struct watch *watch;
    struct buffer trace; /* "+path " and "-path " in the order of the calls */
    size_t file_count, removed_count, trouble_count;
    uint64_t last_bytes;
    char last_etag[128];
    bool is_scanned, is_closed, closes_on_file;
};

static struct probe probe;

static void on_closed(void *arg)
{
    ((struct probe *)arg)->is_closed = true;
}

static void on_file(void *arg, const struct watch_file *file)
{
    struct probe *to = arg;
    to->file_count++;
    to->last_bytes = file->size_bytes;
    assert_true(text_format(to->last_etag, sizeof(to->last_etag), "%.*s", TEXT_ARGS(file->etag)));
    buffer_format(&to->trace, "+%.*s ", TEXT_ARGS(file->path));
    if (to->closes_on_file)
        watch_close(to->watch, on_closed, to);
    to->closes_on_file = false;
}

static void on_removed(void *arg, struct text path)
{
    struct probe *to = arg;
    to->removed_count++;
    buffer_format(&to->trace, "-%.*s ", TEXT_ARGS(path));
}

static void on_scanned(void *arg)
{
    ((struct probe *)arg)->is_scanned = true;
}

static void on_trouble(void *arg, const struct error *err)
{
    (void)err;
    ((struct probe *)arg)->trouble_count++;
}

static const char *in_root(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_true(text_format(path, sizeof(paths[0]), "%s/%s", probe.root, name));
    return path;
}

static void write_at(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void write_file(const char *name, const char *content)
{
    write_at(in_root(name), content);
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(in_root(name), 0755), 0);
}

static void open_watch(void)
{
    struct error err;
    struct watch_events events = {&probe, on_file, on_removed, on_scanned, on_trouble};
    probe.watch = watch_open(probe.loop, text_from(probe.root), events, &err);
    if (!probe.watch)
        fail_msg("%s", err.message);
    for (uint64_t end_ms = loop_now_ms(probe.loop) + DEADLINE_MS; !probe.is_scanned;) {
        loop_run_once(probe.loop, 100);
        assert_true(loop_now_ms(probe.loop) < end_ms);
    }
}

static bool was_reported(const char *sign_and_path)
{
    char wanted[512];
    size_t at;
    assert_true(text_format(wanted, sizeof(wanted), "%s ", sign_and_path));
    return text_find(buffer_text(&probe.trace), text_from(wanted), &at);
}

static void wait_for(const char *sign_and_path)
{
    for (uint64_t end_ms = loop_now_ms(probe.loop) + DEADLINE_MS; !was_reported(sign_and_path);) {
        loop_run_once(probe.loop, 100);
        if (loop_now_ms(probe.loop) > end_ms)
            fail_msg("no %s in: %s", sign_and_path, buffer_string(&probe.trace));
    }
}

/* Everything that happened before this call has been reported when it returns: inotify keeps the
 * order, so a file of our own marks the end. */
static void wait_for_all(void)
{
    static unsigned count;
    char name[32], wanted[40];
    assert_true(text_format(name, sizeof(name), "mark%u", count++));
    assert_true(text_format(wanted, sizeof(wanted), "+%s", name));
    write_file(name, "x");
    wait_for(wanted);
    for (unsigned i = 0; i < 20; i++)
        loop_run_once(probe.loop, 0); /* scans that the events before the mark began */
}

static int with_folder(void **state)
{
    *state = &probe;
    memset(&probe, 0, sizeof(probe));
    strcpy(probe.root, "/tmp/millrace-watch-XXXXXX");
    strcpy(probe.outside, "/tmp/millrace-outside-XXXXXX");
    probe.trace = buffer_new((size_t)64 * 1024 * 1024);
    probe.loop = loop_new(NULL);
    return mkdtemp(probe.root) && mkdtemp(probe.outside) && probe.loop ? 0 : 1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static int remove_all(void **state)
{
    (void)state;
    if (probe.watch && !probe.is_closed)
        watch_close(probe.watch, on_closed, &probe);
    while (probe.watch && !probe.is_closed)
        loop_run_once(probe.loop, 100);
    loop_free(probe.loop);
    buffer_release(&probe.trace);
    nftw(probe.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    nftw(probe.outside, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static void test_watch__scans_what_is_there_first(void **state)
{
    (void)state;
    write_file("a.pdf", "12345");
    make_folder("users");
    make_folder("users/u");
    write_file("users/u/b c.pdf", "x");
    write_file(".hidden", "x");
    make_folder(".git");
    write_file(".git/config", "x");
    assert_int_equal(symlink("/etc/passwd", in_root("link.pdf")), 0);
    assert_int_equal(symlink("/etc", in_root("folder-link")), 0);

    open_watch();

    assert_int_equal(probe.file_count, 2);
    assert_true(was_reported("+a.pdf"));
    assert_true(was_reported("+users/u/b c.pdf"));
}

static void test_watch__an_empty_folder_is_scanned_at_once(void **state)
{
    (void)state;
    open_watch();
    assert_int_equal(probe.file_count, 0);
}

static void test_watch__reports_created_overwritten_and_deleted_files(void **state)
{
    (void)state;
    open_watch();
    write_file("a.pdf", "one");
    wait_for("+a.pdf");
    assert_int_equal(probe.last_bytes, 3);
    char etag[128];
    strcpy(etag, probe.last_etag);

    buffer_clear(&probe.trace);
    write_file("a.pdf", "two and more");
    wait_for("+a.pdf");
    assert_int_equal(probe.last_bytes, 12);
    assert_string_not_equal(probe.last_etag, etag);

    assert_int_equal(unlink(in_root("a.pdf")), 0);
    wait_for("-a.pdf");
    assert_int_equal(probe.removed_count, 1);
}

static void test_watch__reports_a_file_only_when_its_writer_closed_it(void **state)
{
    (void)state;
    open_watch();
    int fd = open(in_root("slow.pdf"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, "half", 4), 4);
    wait_for_all();
    assert_false(was_reported("+slow.pdf"));
    assert_int_equal(write(fd, "whole", 5), 5);
    close(fd);
    wait_for("+slow.pdf");
    assert_int_equal(probe.last_bytes, 9);
}

static void test_watch__a_scan_leaves_out_what_is_being_written(void **state)
{
    (void)state;
    int fd = open(in_root("slow.pdf"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, "half", 4), 4);
    open_watch();
    assert_false(was_reported("+slow.pdf"));
    close(fd);
    wait_for("+slow.pdf");
}

static void test_watch__a_move_within_is_a_removal_and_a_file(void **state)
{
    (void)state;
    write_file("a.pdf", "x");
    open_watch();
    assert_int_equal(rename(in_root("a.pdf"), in_root("b.pdf")), 0);
    wait_for("-a.pdf");
    wait_for("+b.pdf");
}

static void test_watch__moves_in_and_out_and_hard_links_count(void **state)
{
    (void)state;
    char outside[128];
    assert_true(text_format(outside, sizeof(outside), "%s/o.pdf", probe.outside));
    open_watch();
    write_at(outside, "content");
    assert_int_equal(rename(outside, in_root("in.pdf")), 0);
    wait_for("+in.pdf");
    assert_int_equal(rename(in_root("in.pdf"), outside), 0);
    wait_for("-in.pdf");
    assert_int_equal(link(outside, in_root("linked.pdf")), 0);
    wait_for("+linked.pdf");
}

static void test_watch__files_of_a_new_folder_are_found_however_quick(void **state)
{
    (void)state;
    open_watch();
    for (int i = 0; i < 50; i++) {
        char path[64], wanted[80];
        assert_true(text_format(path, sizeof(path), "d%d", i));
        make_folder(path);
        assert_true(text_format(path, sizeof(path), "d%d/e", i));
        make_folder(path);
        assert_true(text_format(path, sizeof(path), "d%d/e/f.pdf", i));
        write_file(path, "x");
        if (i % 2) /* with and without the watch having had a chance */
            loop_run_once(probe.loop, 0);
        assert_true(text_format(wanted, sizeof(wanted), "+d%d/e/f.pdf", i));
        if (i % 7 == 0)
            wait_for(wanted);
    }
    for (int i = 0; i < 50; i++) {
        char wanted[80];
        assert_true(text_format(wanted, sizeof(wanted), "+d%d/e/f.pdf", i));
        wait_for(wanted);
    }
}

static void test_watch__a_moved_folder_takes_its_files_along(void **state)
{
    (void)state;
    make_folder("a");
    make_folder("a/b");
    write_file("a/b/x.pdf", "x");
    write_file("a/y.pdf", "y");
    open_watch();
    assert_int_equal(rename(in_root("a"), in_root("z")), 0);
    wait_for("-a/b/x.pdf");
    wait_for("-a/y.pdf");
    wait_for("+z/b/x.pdf");
    wait_for("+z/y.pdf");

    buffer_clear(&probe.trace);
    write_file("z/b/new.pdf", "n"); /* under its new name, by the watch that it has now */
    wait_for("+z/b/new.pdf");

    char outside[128];
    assert_true(text_format(outside, sizeof(outside), "%s/z", probe.outside));
    assert_int_equal(rename(in_root("z"), outside), 0);
    wait_for("-z/b/x.pdf");
    wait_for("-z/b/new.pdf");
    wait_for("-z/y.pdf");
    buffer_clear(&probe.trace);
    assert_true(text_format(outside, sizeof(outside), "%s/z/late.pdf", probe.outside));
    size_t before_count = probe.file_count;
    write_at(outside, "not ours any more");
    wait_for_all();
    assert_int_equal(probe.file_count, before_count + 1); /* the mark alone */
}

static void test_watch__a_deleted_folder_is_forgotten_and_can_come_back(void **state)
{
    (void)state;
    make_folder("a");
    make_folder("a/b");
    write_file("a/b/x.pdf", "x");
    open_watch();
    buffer_clear(&probe.trace);
    assert_int_equal(nftw(in_root("a"), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    make_folder("a");
    make_folder("a/b");
    write_file("a/b/x.pdf", "again");
    wait_for("-a/b/x.pdf");
    wait_for("+a/b/x.pdf");
    assert_int_equal(probe.last_bytes, 5);
}

static void test_watch__a_burst_loses_nothing(void **state)
{
    (void)state;
    make_folder("burst");
    open_watch();
    for (int i = 0; i < 2000; i++) {
        char path[64];
        assert_true(text_format(path, sizeof(path), "burst/%d.pdf", i));
        write_file(path, "x");
    }
    wait_for_all();
    for (int i = 0; i < 2000; i++) {
        char wanted[64];
        assert_true(text_format(wanted, sizeof(wanted), "+burst/%d.pdf", i));
        wait_for(wanted);
    }
    assert_int_equal(probe.file_count, 2001);
}

/* More events than the kernel queues (fs.inotify.max_queued_events), none read in between. */
static void test_watch__an_overflow_leads_to_a_new_scan(void **state)
{
    (void)state;
    write_file("old.pdf", "x");
    open_watch();
    write_file("noise", "x");
    FILE *limit_file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    int limit = 16384;
    if (limit_file && fscanf(limit_file, "%d", &limit) != 1)
        limit = 16384;
    if (limit_file)
        fclose(limit_file);
    if (limit > 200000)
        skip();
    for (int i = 0; i < limit + 100; i++) /* two names: the kernel merges equal neighbours */
        assert_int_equal(
            rename(in_root(i % 2 ? "noise2" : "noise"), in_root(i % 2 ? "noise" : "noise2")), 0);
    write_file("lost.pdf", "x"); /* its event falls off the queue's end */
    assert_int_equal(unlink(in_root("old.pdf")), 0);
    wait_for("+lost.pdf");
    wait_for("-old.pdf");
}

static void test_watch__can_be_closed_from_inside_a_callback(void **state)
{
    (void)state;
    open_watch();
    probe.closes_on_file = true;
    write_file("a.pdf", "x");
    write_file("b.pdf", "x");
    while (!probe.is_closed)
        loop_run_once(probe.loop, 100);
    assert_int_equal(probe.file_count, 1);
    assert_int_equal(probe.removed_count, 0);
}

static void test_watch__refuses_what_is_no_directory(void **state)
{
    (void)state;
    struct error err;
    struct watch_events events = {&probe, on_file, on_removed, on_scanned, on_trouble};
    write_file("a.pdf", "x");
    assert_null(watch_open(probe.loop, text_from(in_root("a.pdf")), events, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(watch_open(probe.loop, text_from(in_root("missing")), events, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, with_folder, remove_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_watch__scans_what_is_there_first),
        IN_FOLDER(test_watch__an_empty_folder_is_scanned_at_once),
        IN_FOLDER(test_watch__reports_created_overwritten_and_deleted_files),
        IN_FOLDER(test_watch__reports_a_file_only_when_its_writer_closed_it),
        IN_FOLDER(test_watch__a_scan_leaves_out_what_is_being_written),
        IN_FOLDER(test_watch__a_move_within_is_a_removal_and_a_file),
        IN_FOLDER(test_watch__moves_in_and_out_and_hard_links_count),
        IN_FOLDER(test_watch__files_of_a_new_folder_are_found_however_quick),
        IN_FOLDER(test_watch__a_moved_folder_takes_its_files_along),
        IN_FOLDER(test_watch__a_deleted_folder_is_forgotten_and_can_come_back),
        IN_FOLDER(test_watch__a_burst_loses_nothing),
        IN_FOLDER(test_watch__an_overflow_leads_to_a_new_scan),
        IN_FOLDER(test_watch__can_be_closed_from_inside_a_callback),
        IN_FOLDER(test_watch__refuses_what_is_no_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
