#include <math.h>

#include "tests/unit/test.h"
#include "worker/base/json.h"

static struct json *parse(const char *string)
{
    struct error err;
    struct json *root = json_parse(text_from(string), &err);
    if (!root)
        fail_msg("%s", err.message);
    return root;
}

static void assert_refused(struct text text, const char *message)
{
    struct error err = {0};
    assert_null(json_parse(text, &err));
    assert_int_equal(err.code, ERR_PROTOCOL);
    assert_string_equal(err.message, message);
}

static void test_json__getters_give_what_is_there(void **state)
{
    (void)state;
    AUTO_JSON struct json *root = parse("{\"s\":\"a\\u00e9\",\"n\":7,\"d\":\"42\",\"r\":2.5,\"t\":"
                                        "true,\"z\":null,\"a\":[1,[],{}]}");
    uint64_t value = 0;
    assert_true(json_is_object(root));
    assert_int_equal(json_count(root), 7);
    assert_text(json_member_text(root, "s"), "a\xc3\xa9");
    assert_true(json_u64(json_member(root, "n"), &value));
    assert_int_equal(value, 7);
    assert_true(json_u64(json_member(root, "d"), &value));
    assert_int_equal(value, 42);
    assert_true(json_number(json_member(root, "r"), 0) > 2.4);
    assert_true(json_bool(json_member(root, "t"), false));
    assert_true(json_is_null(json_member(root, "z")));
    assert_true(json_is_array(json_member(root, "a")));
    assert_int_equal(json_count(json_member(root, "a")), 3);
    assert_true(json_is_object(json_at(json_member(root, "a"), 2)));
}

static void test_json__getters_stand_what_is_missing_or_of_another_type(void **state)
{
    (void)state;
    AUTO_JSON struct json *root = parse("{\"s\":\"x\",\"n\":-1,\"r\":2.5,\"big\":1e300}");
    const struct json *none = json_member(root, "none");
    uint64_t value = 99;
    assert_null(none);
    assert_null(json_member(none, "x"));
    assert_null(json_at(root, 0));
    assert_null(json_at(none, 0));
    assert_null(json_member(json_member(root, "s"), "x"));
    assert_int_equal(json_count(none), 0);
    assert_int_equal(json_count(json_member(root, "s")), 0);
    assert_null(json_text(json_member(root, "n")).start);
    assert_false(json_u64(json_member(root, "n"), &value));
    assert_false(json_u64(json_member(root, "r"), &value));
    assert_false(json_u64(json_member(root, "big"), &value));
    assert_false(json_u64(json_member(root, "s"), &value));
    assert_false(json_u64(none, &value));
    assert_int_equal(value, 99);
    assert_true(json_number(json_member(root, "s"), 3) > 2.9);
    assert_true(json_bool(json_member(root, "n"), true));
    assert_false(json_is_object(NULL) || json_is_array(NULL) || json_is_string(NULL) ||
                 json_is_number(NULL) || json_is_null(NULL));
    json_free(NULL);
}

static void test_json__the_last_of_two_equal_members_counts(void **state)
{
    (void)state;
    AUTO_JSON struct json *root = parse("{\"a\":1,\"b\":2,\"a\":3}");
    uint64_t value = 0;
    assert_true(json_u64(json_member(root, "a"), &value));
    assert_int_equal(value, 3);
}

static void collect(void *arg, struct text name, const struct json *value)
{
    uint64_t number = 0;
    assert_true(json_u64(value, &number));
    buffer_format(arg, "%.*s=%d ", TEXT_ARGS(name), (int)number);
}

static void test_json__each_goes_in_the_order_of_the_document(void **state)
{
    (void)state;
    AUTO_JSON struct json *root = parse("{\"zebra\":1,\"ant\":2,\"mule\":3}");
    AUTO_BUFFER struct buffer out = buffer_new(100);
    json_each(root, collect, &out);
    json_each(NULL, collect, &out);
    assert_text(buffer_text(&out), "zebra=1 ant=2 mule=3 ");
}

static void test_json__refusals_name_the_line_and_never_the_content(void **state)
{
    (void)state;
    assert_refused(TEXT(""), "JSON: line 1: it ends too early");
    assert_refused(TEXT("{\"password\":\n hunter2}"), "JSON: line 2: bad syntax");
    assert_refused(TEXT("{} secret"), "JSON: line 1: something follows the end");
    assert_refused(TEXT("[\"\xff\"]"), "JSON: line 1: not UTF-8");
    assert_refused(TEXT("[\"a\\u0000b\"]"), "JSON: line 1: a string holds NUL");
    assert_refused(TEXT("{\"a\\u0000b\":1}"), "JSON: line 1: a string holds NUL");
    assert_refused(TEXT("[99999999999999999999]"), "JSON: line 1: a number is too large");
    assert_refused(TEXT("{\"a\":\"b"), "JSON: line 1: it ends too early");
}

static void test_json__depth_is_bounded(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = buffer_new(1 << 20);
    for (int i = 0; i < 64; i++)
        buffer_append_char(&text, '[');
    buffer_append_text(&text, TEXT("\"[[[[\\\"[[\""));
    for (int i = 0; i < 64; i++)
        buffer_append_char(&text, ']');
    AUTO_JSON struct json *root = parse(buffer_string(&text));
    assert_true(json_is_array(root));
    buffer_clear(&text);
    for (int i = 0; i < 100000; i++)
        buffer_append_text(&text, TEXT("{\"a\":"));
    assert_refused(buffer_text(&text), "JSON: deeper than 64 levels");
}

static void test_json__writer_places_commas_and_names(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = buffer_new(1000);
    struct json_writer writer = json_writer_new(&out);
    json_open_object(&writer, NULL);
    json_write_u64(&writer, "u", UINT64_MAX);
    json_write_i64(&writer, "i", INT64_MIN);
    json_open_array(&writer, "a");
    json_write_bool(&writer, NULL, true);
    json_open_object(&writer, NULL);
    json_close_object(&writer);
    json_write_null(&writer, NULL);
    json_close_array(&writer);
    json_write_raw(&writer, "r", TEXT("{\"x\":1}"));
    json_close_object(&writer);
    assert_text(buffer_text(&out), "{\"u\":18446744073709551615,\"i\":-9223372036854775808,"
                                   "\"a\":[true,{},null],\"r\":{\"x\":1}}");
}

static void test_json__writer_escapes_everything_that_could_break_a_line(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = buffer_new(1000);
    struct json_writer writer = json_writer_new(&out);
    json_write_text(&writer, NULL, TEXT("\"\\\n\r\t\x01\x1b\x7f\xc2\x9b\xc2\xa0\0\xff\xe2\x82z"));
    assert_text(buffer_text(&out), "\"\\\"\\\\\\n\\r\\t\\u0001\\u001b\\u007f\\u009b\xc2\xa0"
                                   "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
}

static void test_json__numbers_are_short_and_read_back(void **state)
{
    (void)state;
    char text[JSON_NUMBER_BYTES_MAX];
    assert_string_equal(json_format_number(0.1, text), "0.1");
    assert_string_equal(json_format_number(1.0 / 3, text), "0.3333333333333333");
    assert_string_equal(json_format_number(5, text), "5");
    assert_string_equal(json_format_number(-1e300, text), "-1e+300");
    assert_string_equal(json_format_number((double)INFINITY, text), "null");
    assert_string_equal(json_format_number((double)NAN, text), "null");
}

static void test_json__writer_says_when_its_buffer_was_too_small(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = buffer_new(8);
    struct json_writer writer = json_writer_new(&out);
    json_write_text(&writer, NULL, TEXT("much too long"));
    assert_true(out.is_full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json__getters_give_what_is_there),
        cmocka_unit_test(test_json__getters_stand_what_is_missing_or_of_another_type),
        cmocka_unit_test(test_json__the_last_of_two_equal_members_counts),
        cmocka_unit_test(test_json__each_goes_in_the_order_of_the_document),
        cmocka_unit_test(test_json__refusals_name_the_line_and_never_the_content),
        cmocka_unit_test(test_json__depth_is_bounded),
        cmocka_unit_test(test_json__writer_places_commas_and_names),
        cmocka_unit_test(test_json__writer_escapes_everything_that_could_break_a_line),
        cmocka_unit_test(test_json__numbers_are_short_and_read_back),
        cmocka_unit_test(test_json__writer_says_when_its_buffer_was_too_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
