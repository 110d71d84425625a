/* object.h against a directory as well as against a real S3 server: the same tests for both. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/contract/objects_bench.h"
#include "worker/base/memory.h"

static void test_objects__get_gives_the_bytes_that_were_put_sealed(void **state)
{
    (void)state;
    char etag[ETAG_BYTES_MAX];
    put_object(key_of("a/b.pdf"), "content", etag);
    struct call call = {0};
    call_run(&call, OBJECT_GET, key_of("a/b.pdf"));
    assert_ok(&call);
    assert_body(&call, "content");
    assert_string_equal(call.request.etag, etag);
    assert_true(call.request.modified_ms > 1700000000000u);
    assert_int_equal(fcntl(call.request.body_fd, F_GET_SEALS),
                     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL |
                         (fcntl(call.request.body_fd, F_GET_SEALS) & 0x20 /* F_SEAL_EXEC */));
    assert_int_equal(pwrite(call.request.body_fd, "x", 1, 0), -1);
    close(call.request.body_fd);
}

static void test_objects__a_conditional_get_brings_only_what_is_new(void **state)
{
    (void)state;
    char etag[ETAG_BYTES_MAX], changed[ETAG_BYTES_MAX];
    put_object(key_of("a.pdf"), "one", etag);
    struct call call = {.request.if_none_match = text_from(etag)};
    call_run(&call, OBJECT_GET, key_of("a.pdf"));
    assert_ok(&call);
    assert_true(call.request.is_unchanged);
    assert_true(call.request.modified_ms > 1700000000000u);
    assert_int_equal(call.request.body_fd, -1);

    put_object(key_of("a.pdf"), "two", changed);
    assert_string_not_equal(etag, changed);
    call = (struct call){.request.if_none_match = text_from(etag)};
    call_run(&call, OBJECT_GET, key_of("a.pdf"));
    assert_ok(&call);
    assert_false(call.request.is_unchanged);
    assert_body(&call, "two");
    close(call.request.body_fd);
}

static void test_objects__head_tells_without_bringing(void **state)
{
    (void)state;
    char etag[ETAG_BYTES_MAX];
    put_object(key_of("a.pdf"), "12345", etag);
    struct call call = {0};
    call_run(&call, OBJECT_HEAD, key_of("a.pdf"));
    assert_ok(&call);
    assert_string_equal(call.request.etag, etag);
    assert_int_equal(call.request.body_bytes, 5);
    assert_int_equal(call.request.body_fd, -1);
}

static void test_objects__what_is_not_there_is_gone(void **state)
{
    (void)state;
    struct call get = {0}, head = {0};
    call_run(&get, OBJECT_GET, key_of("missing.pdf"));
    call_run(&head, OBJECT_HEAD, key_of("missing.pdf"));
    assert_failed(&get, ERR_GONE);
    assert_failed(&head, ERR_GONE);
}

static void test_objects__an_empty_object_is_an_object(void **state)
{
    (void)state;
    put_object(key_of("empty.pdf"), "", NULL);
    struct call call = {0};
    call_run(&call, OBJECT_GET, key_of("empty.pdf"));
    assert_ok(&call);
    assert_body(&call, "");
    close(call.request.body_fd);
}

static void test_objects__a_body_over_the_cap_is_refused(void **state)
{
    (void)state;
    put_object(key_of("a.pdf"), "0123456789", NULL);
    bench_close();
    struct objects_options small = bench_options();
    small.bytes_max = 9;
    bench_open(&small);
    struct call call = {0};
    call_run(&call, OBJECT_GET, key_of("a.pdf"));
    assert_failed(&call, ERR_TOO_LARGE);
    bench_close();
    small.bytes_max = 10;
    bench_open(&small);
    call = (struct call){0};
    call_run(&call, OBJECT_GET, key_of("a.pdf"));
    assert_ok(&call);
    close(call.request.body_fd);
}

static void test_objects__a_large_body_survives_and_put_moves_no_offset(void **state)
{
    (void)state;
    size_t bytes = 5 * 1024 * 1024 + 17;
    AUTO_FREE char *content = xmalloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        content[i] = (char)(i * 2654435761u >> 13);
    AUTO_FD int fd = file_with(content, bytes);
    assert_int_equal(lseek(fd, 7, SEEK_SET), 7);
    struct call up = {.request.put_fd = fd, .request.put_bytes = bytes}, down = {0};
    call_run(&up, OBJECT_PUT, key_of("large.pdf"));
    assert_ok(&up);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 7);
    call_run(&down, OBJECT_GET, key_of("large.pdf"));
    assert_ok(&down);
    assert_int_equal(down.request.body_bytes, bytes);
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, down.request.body_fd, 0);
    assert_true(map != MAP_FAILED);
    assert_memory_equal(map, content, bytes);
    munmap(map, bytes);
    close(down.request.body_fd);
}

static void test_objects__odd_names_are_names(void **state)
{
    (void)state;
    const char *names[] = {"a b+c.pdf",          "gr\303\266\303\237e.pdf",
                           "(a)!*'~$&,;=:@.pdf", "100%25 #1?.pdf",
                           "a\"<>|^`{}\\.pdf",   "\xe6\xb0\xb4\xe8\xbb\x8a/x.pdf"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        put_object(key_of(names[i]), names[i], NULL);
        struct call get = {0}, list = {0};
        call_run(&get, OBJECT_GET, key_of(names[i]));
        assert_ok(&get);
        assert_body(&get, names[i]);
        close(get.request.body_fd);
        call_run(&list, OBJECT_LIST, key_of(names[i]));
        assert_ok(&list);
        assert_int_equal(list.entry_count, 1);
        assert_text(key_of(names[i]), list.last_key);
    }
}

static void put_many(void)
{
    struct call *calls = xcalloc(MANY, sizeof(*calls));
    AUTO_FD int fd = file_with("x", 1);
    static char keys[MANY][128];
    for (size_t i = 0; i < MANY; i++) {
        assert_true(
            text_format(keys[i], sizeof(keys[i]), "%smany/%zu.pdf", bench.tenant.prefix, i));
        calls[i].request.put_fd = fd;
        calls[i].request.put_bytes = 1;
        call_send(&calls[i], OBJECT_PUT, text_from(keys[i]));
    }
    for (size_t i = 0; i < MANY; i++) {
        call_wait(&calls[i]);
        assert_ok(&calls[i]);
    }
    xfree(calls);
}

static void test_objects__a_list_goes_through_all_its_pages(void **state)
{
    (void)state;
    put_object(key_of("many.pdf"), "not below the prefix", NULL);
    put_many();
    struct call all = {0}, first = {.pages_max = 1}, none = {0}, some = {0};
    call_run(&all, OBJECT_LIST, key_of("many/"));
    assert_ok(&all);
    assert_int_equal(all.entry_count, MANY);
    assert_int_equal(all.page_count, 2);
    for (size_t i = 0; i < MANY; i++)
        assert_true(all.has_seen[i]);
    call_run(&first, OBJECT_LIST, key_of("many/"));
    assert_ok(&first);
    assert_int_equal(first.entry_count, 1000);
    call_run(&none, OBJECT_LIST, key_of("nothing/here"));
    assert_ok(&none);
    assert_int_equal(none.entry_count, 0);
    call_run(&some, OBJECT_LIST, key_of("many/104")); /* 104 and 1040 .. 1049 */
    assert_int_equal(some.entry_count, 11);
}

static void test_objects__a_cancelled_request_is_answered(void **state)
{
    (void)state;
    put_object(key_of("a.pdf"), "x", NULL);
    struct call call = {0};
    call_send(&call, OBJECT_GET, key_of("a.pdf"));
    objects_cancel(bench.objects, &call.request);
    assert_false(call.is_done);
    call_wait(&call);
    assert_failed(&call, ERR_CANCELLED);
    struct call later = {0};
    call_send(&later, OBJECT_GET, key_of("a.pdf"));
    loop_run_once(bench.loop, 0); /* now it is on its way */
    if (!later.is_done) {
        objects_cancel(bench.objects, &later.request);
        call_wait(&later);
        assert_failed(&later, ERR_CANCELLED);
    }
}

static void test_objects__closing_answers_what_is_on_its_way(void **state)
{
    (void)state;
    put_object(key_of("a.pdf"), "x", NULL);
    struct call calls[3] = {0};
    call_send(&calls[0], OBJECT_GET, key_of("a.pdf"));
    loop_run_once(bench.loop, 0);
    call_send(&calls[1], OBJECT_HEAD, key_of("a.pdf"));
    call_send(&calls[2], OBJECT_LIST, key_of(""));
    bench_close();
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        assert_true(calls[i].is_done);
        if (i || calls[i].has_failed)
            assert_failed(&calls[i], ERR_SHUTDOWN);
        else
            close(calls[i].request.body_fd);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int objects_suite(const char *name)
{
    const struct CMUnitTest tests[] = {
        WITH(test_objects__get_gives_the_bytes_that_were_put_sealed),
        WITH(test_objects__a_conditional_get_brings_only_what_is_new),
        WITH(test_objects__head_tells_without_bringing),
        WITH(test_objects__what_is_not_there_is_gone),
        WITH(test_objects__an_empty_object_is_an_object),
        WITH(test_objects__a_body_over_the_cap_is_refused),
        WITH(test_objects__a_large_body_survives_and_put_moves_no_offset),
        WITH(test_objects__odd_names_are_names),
        WITH(test_objects__a_list_goes_through_all_its_pages),
        WITH(test_objects__a_cancelled_request_is_answered),
        WITH(test_objects__closing_answers_what_is_on_its_way),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
