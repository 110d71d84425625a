#include <errno.h>
#include <math.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/test.h"
#include "worker/base/json.h"
#include "worker/base/log_line.h"

#define LINE(format, ...)                                \
    line_of(format, (const struct field[]){__VA_ARGS__}, \
            COUNT_OF(((const struct field[]){__VA_ARGS__})))

static struct log_line line;

static struct text line_of(enum log_format format, const struct field *fields, size_t count)
{
    /* 2026-11-21T06:15:22.007Z */
    struct log_entry entry = {LOG_LEVEL_WARN, 1795241722007u, "task_done", fields, count, 0};
    log_line_format(&line, format, &entry);
    return (struct text){line.data, line.bytes};
}

static void test_log__json_line_holds_every_kind_of_field(void **state)
{
    (void)state;
    struct uuid id = {{0xa1, 0xf6}};
    assert_text(LINE(LOG_FORMAT_JSON, FIELD_STR("s", "a\"b\n"), FIELD_U64("u", UINT64_MAX),
                     FIELD_I64("i", -7), FIELD_DOUBLE("d", 0.25), FIELD_DOUBLE("nan", (double)NAN),
                     FIELD_BOOL("b", true), FIELD_UUID("id", id), FIELD_TEXT("none", TEXT_NONE)),
                "{\"ts\":\"2026-11-21T06:15:22.007Z\",\"level\":\"warn\",\"event\":\"task_done\","
                "\"s\":\"a\\\"b\\n\",\"u\":18446744073709551615,\"i\":-7,\"d\":0.25,\"nan\":null,"
                "\"b\":true,\"id\":\"a1f60000-0000-0000-0000-000000000000\",\"none\":\"\"}\n");
}

static void test_log__text_line_quotes_only_what_needs_it(void **state)
{
    (void)state;
    assert_text(LINE(LOG_FORMAT_TEXT, FIELD_STR("a", "plain/value-1"), FIELD_STR("b", "two words"),
                     FIELD_STR("c", ""), FIELD_STR("d", "x=y"), FIELD_STR("e", "M\xc3\xbchle"),
                     FIELD_STR("f", "\x1b[2J"), FIELD_U64("n", 3)),
                "2026-11-21T06:15:22.007Z warn task_done a=plain/value-1 b=\"two words\" c=\"\" "
                "d=\"x=y\" e=M\xc3\xbchle f=\"\\u001b[2J\" n=3\n");
}

static void test_log__error_is_two_fields(void **state)
{
    (void)state;
    struct error err;
    error_set(&err, ERR_TIMEOUT, "pinecone: slow");
    assert_text(LINE(LOG_FORMAT_TEXT, FIELD_ERROR(&err)),
                "2026-11-21T06:15:22.007Z warn task_done code=timeout error=\"pinecone: slow\"\n");
}

static void test_log__a_long_line_stays_whole_json_and_says_it_is_cut(void **state)
{
    (void)state;
    char long_value[2000], hostile[2000];
    memset(long_value, 'x', sizeof(long_value));
    memset(hostile, 1, sizeof(hostile)); /* six bytes each, escaped */
    struct text text = LINE(LOG_FORMAT_JSON, FIELD_TEXT("a", ((struct text){long_value, 2000})),
                            FIELD_TEXT("b", ((struct text){hostile, 2000})), FIELD_U64("c", 1));
    struct error err;
    AUTO_JSON struct json *root = json_parse(text, &err);
    assert_non_null(root);
    assert_int_equal(json_member_text(root, "a").bytes, LOG_VALUE_BYTES_MAX);
    assert_null(json_member(root, "b"));
    assert_non_null(json_member(root, "c"));
    assert_true(json_bool(json_member(root, "cut"), false));
}

static void test_log__a_line_full_to_the_last_byte_still_ends_well(void **state)
{
    (void)state;
    char value[LOG_VALUE_BYTES_MAX];
    memset(value, 'x', sizeof(value));
    for (size_t bytes = 800; bytes <= sizeof(value); bytes++) {
        struct field field = FIELD_TEXT("k", ((struct text){value, bytes}));
        const struct field fields[] = {field, field, field, field, field};
        struct log_entry entry = {LOG_LEVEL_INFO, 0, "e", fields, 5, INT64_MAX};
        log_line_format(&line, LOG_FORMAT_JSON, &entry);
        assert_true(line.bytes <= sizeof(line.data));
        struct error err;
        AUTO_JSON struct json *root = json_parse((struct text){line.data, line.bytes}, &err);
        assert_non_null(root);
        assert_int_equal(line.data[line.bytes - 1], '\n');
    }
}

static void test_log__repeats_are_limited_a_second_and_counted(void **state)
{
    (void)state;
    static struct log_limit limit;
    uint64_t dropped = 99;
    for (int i = 0; i < LOG_REPEATS_MAX; i++)
        assert_true(log_limit_pass(&limit, "store_failed", 5000 + (uint64_t)i, &dropped));
    for (int i = 0; i < 7; i++)
        assert_false(log_limit_pass(&limit, "store_failed", 5999, &dropped));
    assert_true(log_limit_pass(&limit, "other_failed", 5999, &dropped));
    assert_int_equal(dropped, 0);
    assert_true(log_limit_pass(&limit, "store_failed", 6000, &dropped));
    assert_int_equal(dropped, 7);
    assert_true(log_limit_pass(&limit, "store_failed", 6001, &dropped));
    assert_int_equal(dropped, 0);
}

static void test_log__more_events_than_slots_are_not_limited(void **state)
{
    (void)state;
    static struct log_limit limit;
    static char names[LOG_EVENTS_MAX + 1][16];
    uint64_t dropped;
    for (int i = 0; i <= LOG_EVENTS_MAX; i++) {
        assert_true(text_format(names[i], sizeof(names[i]), "event_%d", i));
        assert_true(log_limit_pass(&limit, names[i], 1, &dropped));
    }
    for (int i = 0; i < 100; i++)
        assert_true(log_limit_pass(&limit, names[LOG_EVENTS_MAX], 1, &dropped));
}

static void test_log__writes_one_datagram_a_line_and_nothing_below_its_level(void **state)
{
    (void)state;
    int pair[2], stderr_before = dup(STDERR_FILENO);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_true(dup2(pair[0], STDERR_FILENO) >= 0);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    errno = EXDEV;
    LOG_DEBUG("detail_seen", FIELD_U64("n", 1));
    LOG_INFO("task_done", FIELD_U64("n", 2));
    LOG_ERROR("task_failed", FIELD_U64("n", 3));
    int errno_after = errno;
    char first[LOG_LINE_BYTES_MAX + 1] = "", second[LOG_LINE_BYTES_MAX + 1] = "", third[1];
    ssize_t first_bytes = recv(pair[1], first, sizeof(first) - 1, 0);
    ssize_t second_bytes = recv(pair[1], second, sizeof(second) - 1, 0);
    ssize_t third_bytes = recv(pair[1], third, sizeof(third), 0);
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    close(pair[0]);
    close(pair[1]);
    assert_true(first_bytes > 0 && second_bytes > 0 && third_bytes < 0);
    assert_non_null(strstr(first, "\"level\":\"info\",\"event\":\"task_done\",\"n\":2}\n"));
    assert_non_null(strstr(second, "\"level\":\"error\",\"event\":\"task_failed\",\"n\":3}\n"));
    assert_int_equal(errno_after, EXDEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__json_line_holds_every_kind_of_field),
        cmocka_unit_test(test_log__text_line_quotes_only_what_needs_it),
        cmocka_unit_test(test_log__error_is_two_fields),
        cmocka_unit_test(test_log__a_long_line_stays_whole_json_and_says_it_is_cut),
        cmocka_unit_test(test_log__a_line_full_to_the_last_byte_still_ends_well),
        cmocka_unit_test(test_log__repeats_are_limited_a_second_and_counted),
        cmocka_unit_test(test_log__more_events_than_slots_are_not_limited),
        cmocka_unit_test(test_log__writes_one_datagram_a_line_and_nothing_below_its_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
