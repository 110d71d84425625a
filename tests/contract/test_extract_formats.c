/* Every format but PDF through the real sandbox, where nothing can be loaded any more. */
#include "tests/contract/extract_world.h"
#include "tests/unit/test.h"
#include "tests/unit/zip_writer.h"

static void read_body(const char *name, struct text body)
{
    probe.request.name = text_from(name);
    probe_submit(&probe, extract, probe_body(body), body.bytes);
    probe_await(&probe, loop);
    if (!probe.is_ok)
        fail_msg("%s: %s", name, probe.err.message);
}

static void read_again(void)
{
    probe_release(&probe);
    probe = (struct probe){.request.body_fd = -1, .gives_credit = true};
}

static void test_formats__decode_every_encoding(void **state)
{
    (void)state;
    static const struct {
        const char *label, *bytes, *text;
    } pages[] = {
        {"windows-1252", "M\xfchle", "M\u00fchle"},
        {"koi8-r", "\xcd\xc5\xcc\xd8\xce\xc9\xc3\xc1",
         "\u043c\u0435\u043b\u044c\u043d\u0438\u0446\u0430"},
        {"shift_jis", "\x90\x85\x8e\xd4", "\u6c34\u8eca"},
        {"euc-jp", "\xbf\xe5\xbc\xd6", "\u6c34\u8eca"},
        {"iso-2022-jp", "\x1b$B?e<V\x1b(B", "\u6c34\u8eca"},
        {"gbk", "\xcb\xae\xb3\xb5", "\u6c34\u8f66"},
        {"big5", "\xa4\xf4\xa8\xae", "\u6c34\u8eca"},
        {"euc-kr", "\xb9\xb0\xb7\xb9\xb9\xe6\xbe\xc6", "\ubb3c\ub808\ubc29\uc544"},
        {"tis-620", "\xca\xc7\xd1\xca\xb4\xd5", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35"},
    };
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        char html[200], expected[64];
        (void)text_format(html, sizeof(html), "<html><meta charset=%s><p>%s\xff</p>",
                          pages[i].label, pages[i].bytes);
        read_body("page.html", text_from(html));
        (void)text_format(expected, sizeof(expected), "%s", pages[i].text);
        struct text found = text_slice(buffer_text(&probe.text), 0, text_from(expected).bytes);
        assert_text(found, expected);
        read_again();
    }
}

/* The guess needs tables of letters for each language. */
static void test_formats__guess_an_encoding(void **state)
{
    (void)state;
    read_body("letter", TEXT("Die gr\xf6\xdf"
                             "te M\xfchle am Flu\xdf mahlt f\xfcr alle B\xe4"
                             "cker."));
    assert_text(buffer_text(&probe.text),
                "Die gr\u00f6\u00dfte M\u00fchle am Flu\u00df mahlt f\u00fcr alle B\u00e4"
                "cker.\f");
    assert_string_equal(probe.mime_type, "text/plain");
}

static void test_formats__read_markdown_and_html(void **state)
{
    (void)state;
    read_body("a.md", TEXT("# Head\n\n- *item*\n\n<details>in &uuml; HTML</details>\n"));
    assert_text(buffer_text(&probe.text), "Head\n\n- item\n\nin \u00fc HTML\f");
    assert_string_equal(probe.mime_type, "text/markdown");
    read_again();
    read_body("a", TEXT("<!doctype html><title>A title</title><script>x</script><p>text"));
    assert_text(buffer_text(&probe.text), "text\f");
    assert_string_equal(probe.title, "A title");
}

static void test_formats__read_word_processors(void **state)
{
    (void)state;
    struct zip_writer zip;
    zip_writer_begin(&zip);
    zip_writer_deflate(&zip, "[Content_Types].xml", TEXT("<Types/>"));
    zip_writer_deflate(&zip, "word/document.xml",
                       TEXT("<d xmlns:w='w'><w:p><w:r><w:t>text</w:t></w:r></w:p></d>"));
    read_body("a.bin", zip_writer_end(&zip));
    assert_text(buffer_text(&probe.text), "text\f");
    zip_writer_release(&zip);
    read_again();
    zip_writer_begin(&zip);
    zip_writer_store(&zip, "mimetype", TEXT("application/vnd.oasis.opendocument.text"));
    zip_writer_deflate(&zip, "content.xml", TEXT("<d xmlns:text='t'><text:p>text</text:p></d>"));
    read_body("a.bin", zip_writer_end(&zip));
    assert_text(buffer_text(&probe.text), "text\f");
    assert_string_equal(probe.mime_type, "application/vnd.oasis.opendocument.text");
    zip_writer_release(&zip);
}

/* Long enough to be read by several children if it were a PDF. */
static void test_formats__read_long_texts_to_their_end(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer body = buffer_new(8 << 20), expected = buffer_new(8 << 20);
    for (int page = 1; page <= 700; page++)
        for (int line = 0; line < 20; line++)
            buffer_format(&body, "Page %d, line %d: the mill grinds slowly.%s", page, line,
                          line < 19    ? "\n"
                          : page < 700 ? "\f"
                                       : "");
    buffer_append_text(&expected, buffer_text(&body));
    buffer_append_char(&expected, '\f');
    read_body("a.txt", buffer_text(&body));
    assert_int_equal(probe.page_count, 700);
    assert_true(text_equal(buffer_text(&probe.text), buffer_text(&expected)));
    buffer_release(&expected);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(test_formats__decode_every_encoding),        EACH(test_formats__guess_an_encoding),
        EACH(test_formats__read_markdown_and_html),       EACH(test_formats__read_word_processors),
        EACH(test_formats__read_long_texts_to_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
