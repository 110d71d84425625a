#include "extract/charset.h"
#include "extract/plain.h"
#include "tests/unit/prose_show.h"

static int set_up(void **state)
{
    struct error err;
    (void)state;
    return charset_warm_up(&err) ? 0 : -1;
}

static void assert_plain(struct text body, const char *expected)
{
    struct prose *prose = prose_new(1 << 20);
    plain_read(body, prose);
    assert_prose(prose, expected);
    prose_free(prose);
}

static void assert_decoded(struct text body, struct text declared, const char *expected)
{
    struct buffer out = buffer_new(16 << 20);
    struct error err;
    assert_true(charset_decode_all(body, declared, &out, &err));
    assert_text(buffer_text(&out), expected);
    buffer_release(&out);
}

static void test_plain__has_paragraphs_between_empty_lines(void **state)
{
    (void)state;
    assert_plain(TEXT("One line\nand another.\n \n\nNext.\n"), "One line\nand another.\n\nNext.");
    assert_plain(TEXT("One line\r\nand another.\r\n\r\nNext."), "One line\nand another.\n\nNext.");
    assert_plain(TEXT("One line\rand another.\r\rNext."), "One line\nand another.\n\nNext.");
    assert_plain(TEXT(""), "");
}

static void test_plain__begins_a_page_at_a_form_feed(void **state)
{
    (void)state;
    assert_plain(TEXT("one\n\f\ntwo\fthree\n\f"), "one\ftwo\fthree");
}

static void test_plain__reads_unicode_in_every_width(void **state)
{
    (void)state;
    assert_plain(TEXT("\xef\xbb\xbfGr\xc3\xbc\xc3\x9f"), "Gr\u00fc\u00df");
    assert_plain((struct text){"\xff\xfeG\0\xfc\0\n\0\n\0=\xd8\x00\xde", 14},
                 "G\u00fc\n\n\U0001f600");
    assert_plain((struct text){"\xfe\xff\0G\0\xfc\xd8=\xde\0\xd8\0", 12},
                 "G\u00fc\U0001f600\ufffd");
    assert_plain((struct text){"\xff\xfe\0\0G\0\0\0\x00\xf6\x01\0", 12}, "G\U0001f600");
    assert_plain((struct text){"N\0o\0 \0m\0a\0r\0k\0 \0h\0e\0r\0e\0", 24}, "No mark here");
}

static void test_plain__keeps_utf8_that_is_broken_here_and_there(void **state)
{
    (void)state;
    assert_plain(TEXT("\xc3\xa4\xc3\xb6\xc3\xbc \xff \xc3\x9f\xc3\xa9\xc3\xa8\xc3\xa0\xc3\xb1"),
                 "\u00e4\u00f6\u00fc \ufffd \u00df\u00e9\u00e8\u00e0\u00f1");
}

static void test_charset__guesses_what_is_no_utf8(void **state)
{
    (void)state;
    assert_decoded(
        TEXT("Die Gr\xf6\xdf"
             "e der M\xfchle ist gr\xf6\xdf"
             "er als die der B\xe4"
             "ckerei."),
        TEXT_NONE,
        "Die Gr\u00f6\u00dfe der M\u00fchle ist gr\u00f6\u00dfer als die der B\u00e4ckerei.");
    assert_decoded(
        TEXT("\xcc\xe5\xeb\xfc\xed\xe8\xf6\xe0 \xf1\xf2\xee\xe8\xf2 \xf3 \xf0\xe5\xea\xe8, \xe8 "
             "\xe2\xee\xe4\xe0 \xe2\xf0\xe0\xf9\xe0\xe5\xf2 \xea\xee\xeb\xe5\xf1\xee."),
        TEXT_NONE,
        "\u041c\u0435\u043b\u044c\u043d\u0438\u0446\u0430 \u0441\u0442\u043e\u0438\u0442 \u0443 "
        "\u0440\u0435\u043a\u0438, \u0438 \u0432\u043e\u0434\u0430 "
        "\u0432\u0440\u0430\u0449\u0430\u0435\u0442 "
        "\u043a\u043e\u043b\u0435\u0441\u043e.");
}

static void test_charset__believes_the_document_where_utf8_does_not_disagree(void **state)
{
    (void)state;
    assert_decoded(TEXT("\x90\x85\x8e\xd4"), TEXT("shift_jis"), "\u6c34\u8eca");
    assert_decoded(TEXT("\xbf\xe5\xbc\xd6"), TEXT("EUC-JP"), "\u6c34\u8eca");
    assert_decoded(TEXT("\xcb\xae\xb3\xb5"), TEXT("gb2312"), "\u6c34\u8f66");
    assert_decoded(TEXT("\xa4\xf4\xa8\xae"), TEXT("Big5"), "\u6c34\u8eca");
    assert_decoded(TEXT("\xb9\xb0\xb7\xb9\xb9\xe6\xbe\xc6"), TEXT("euc-kr"),
                   "\ubb3c\ub808\ubc29\uc544");
    assert_decoded(TEXT("m\xfchle"), TEXT("latin1"), "m\u00fchle");
    assert_decoded(TEXT("m\xc3\xbchle"), TEXT("iso-8859-1"), "m\u00fchle");
}

static void test_charset__replaces_what_it_cannot_read(void **state)
{
    (void)state;
    assert_decoded(TEXT("\x90\x85\xff\x8e\xd4\x8e"), TEXT("shift_jis"), "\u6c34\ufffd\u8eca\ufffd");
    assert_decoded(TEXT("a\x81"
                        "b"),
                   TEXT("windows-1252"),
                   "a\ufffd"
                   "b");
}

static void test_charset__cuts_pieces_between_characters(void **state)
{
    (void)state;
    struct buffer body = buffer_new(1 << 20), out = buffer_new(1 << 20);
    struct error err;
    buffer_append_char(&body, 'x'); /* so that no piece ends where a character does */
    for (int i = 0; i < 100000; i++)
        buffer_append_text(&body, TEXT("\x82\xa0"));
    assert_true(charset_decode_all(buffer_text(&body), TEXT("shift_jis"), &out, &err));
    assert_int_equal(out.bytes, 1 + 3 * 100000);
    assert_true(text_is_utf8(buffer_text(&out)));
    buffer_release(&body);
    buffer_release(&out);
}

static void test_charset__knows_text_from_binary_data(void **state)
{
    (void)state;
    assert_true(charset_is_text(TEXT("plain\twords\n")));
    assert_true(charset_is_text(TEXT("Gr\xf6\xdf"
                                     "e")));
    assert_true(charset_is_text((struct text){"w\0i\0d\0e\0 \0w\0o\0r\0d\0s\0", 20}));
    assert_false(charset_is_text((struct text){"a\0b", 3}));
    assert_false(charset_is_text(TEXT("\x01\x02\x03\x04 words")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain__has_paragraphs_between_empty_lines),
        cmocka_unit_test(test_plain__begins_a_page_at_a_form_feed),
        cmocka_unit_test(test_plain__reads_unicode_in_every_width),
        cmocka_unit_test(test_plain__keeps_utf8_that_is_broken_here_and_there),
        cmocka_unit_test(test_charset__guesses_what_is_no_utf8),
        cmocka_unit_test(test_charset__believes_the_document_where_utf8_does_not_disagree),
        cmocka_unit_test(test_charset__replaces_what_it_cannot_read),
        cmocka_unit_test(test_charset__cuts_pieces_between_characters),
        cmocka_unit_test(test_charset__knows_text_from_binary_data),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
