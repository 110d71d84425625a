/* object.h against a directory. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/contract/objects_bench.h"
#include "worker/base/memory.h"

static const char *in_root(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_true(text_format(path, sizeof(paths[0]), "%s/%s", bench.root, name));
    return path;
}

static void write_file(const char *name, const char *content)
{
    int fd = open(in_root(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(in_root(name), 0755), 0);
}

static void test_objects__no_link_leads_out_of_the_root(void **state)
{
    (void)state;
    char folder[256], link_path[512];
    put_object(key_of("a/real.pdf"), "x", NULL);
    assert_true(text_format(folder, sizeof(folder), "%sa", bench.tenant.prefix));
    assert_true(text_format(link_path, sizeof(link_path), "%s/passwd.pdf", in_root(folder)));
    assert_int_equal(symlink("/etc/passwd", link_path), 0);
    assert_true(text_format(link_path, sizeof(link_path), "%s/etc", in_root(folder)));
    assert_int_equal(symlink("/etc", link_path), 0);
    const char *names[] = {"a/passwd.pdf", "a/etc/passwd", "a"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct call call = {0};
        call_run(&call, OBJECT_GET, key_of(names[i]));
        assert_failed(&call, ERR_GONE);
    }
    AUTO_FD int fd = file_with("x", 1);
    struct call call = {.request.put_fd = fd, .request.put_bytes = 1};
    call_run(&call, OBJECT_PUT, key_of("a/etc/evil.pdf"));
    assert_true(call.has_failed);
    struct call list = {0};
    call_run(&list, OBJECT_LIST, key_of(""));
    assert_int_equal(list.entry_count, 1);
}

static void test_objects__writing_the_same_bytes_is_a_new_version(void **state)
{
    (void)state;
    char first[ETAG_BYTES_MAX], second[ETAG_BYTES_MAX];
    put_object(key_of("a.pdf"), "same", first);
    put_object(key_of("a.pdf"), "same", second);
    assert_string_not_equal(first, second);
}

static void open_shared(struct tenant *ret_other)
{
    bench_close();
    struct objects_options shared = bench_options();
    shared.shared_prefix = text_from(bench.tenant.prefix);
    bench_open(&shared);
    *ret_other = tenant_from_user_id(uuid_v4());
}

static void test_objects__the_shared_prefix_stands_for_the_root(void **state)
{
    (void)state;
    struct tenant other;
    open_shared(&other);
    make_folder("users");
    char folder[64], path[128];
    assert_true(text_format(folder, sizeof(folder), "%.42s", other.prefix));
    make_folder(folder);
    assert_true(text_format(path, sizeof(path), "%sx.pdf", other.prefix));
    write_file(path, "of another");
    make_folder("sub");
    write_file("sub/a.pdf", "shared");
    write_file("users/odd.pdf", "shared too");

    struct call get = {0}, odd = {0}, foreign = {0}, list = {0}, all = {0};
    call_run(&get, OBJECT_GET, key_of("sub/a.pdf"));
    assert_ok(&get);
    assert_body(&get, "shared");
    close(get.request.body_fd);
    call_run(&odd, OBJECT_GET, key_of("users/odd.pdf"));
    assert_ok(&odd);
    close(odd.request.body_fd);
    call_run(&foreign, OBJECT_GET, key_of(path)); /* users/<demo>/users/<other>/x.pdf */
    assert_failed(&foreign, ERR_GONE);
    call_run(&list, OBJECT_LIST, key_of(""));
    assert_ok(&list);
    assert_int_equal(list.entry_count, 2);
    call_run(&all, OBJECT_LIST, TEXT_NONE);
    assert_int_equal(all.entry_count, 3);
    struct call below = {0};
    call_run(&below, OBJECT_LIST, key_of("sub/"));
    assert_int_equal(below.entry_count, 1);
}

static void test_objects__a_real_key_goes_before_a_shared_one(void **state)
{
    (void)state;
    struct tenant other;
    put_object(key_of("a.pdf"), "real", NULL);
    open_shared(&other);
    write_file("a.pdf", "shared");
    struct call get = {0}, list = {0};
    call_run(&get, OBJECT_GET, key_of("a.pdf"));
    assert_ok(&get);
    assert_body(&get, "real");
    close(get.request.body_fd);
    call_run(&list, OBJECT_LIST, key_of(""));
    assert_int_equal(list.entry_count, 1);
}

static void test_objects__a_wrong_root_is_a_wrong_setting(void **state)
{
    (void)state;
    const char *endpoints[] = {"file:///does/not/exist", "file://relative", "file://"};
    for (size_t i = 0; i < COUNT_OF(endpoints); i++) {
        struct error err;
        struct objects_options wrong = bench_options();
        wrong.endpoint = text_from(endpoints[i]);
        assert_null(objects_open(bench.loop, &wrong, &err));
        assert_int_equal(err.code, ERR_CONFIG);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_objects__no_link_leads_out_of_the_root),
        WITH(test_objects__writing_the_same_bytes_is_a_new_version),
        WITH(test_objects__the_shared_prefix_stands_for_the_root),
        WITH(test_objects__a_real_key_goes_before_a_shared_one),
        WITH(test_objects__a_wrong_root_is_a_wrong_setting),
    };
    int failed = objects_suite("object.h over file://");
    return failed + cmocka_run_group_tests_name("file://", tests, NULL, NULL);
}
