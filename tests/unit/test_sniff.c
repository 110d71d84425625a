#include "extract/sniff.h"
#include "tests/unit/test.h"
#include "tests/unit/zip_writer.h"

static struct zip_writer writer;

static int set_up(void **state)
{
    (void)state;
    zip_writer_begin(&writer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    zip_writer_release(&writer);
    return 0;
}

static void assert_format(struct text body, const char *name, enum format expected)
{
    struct sniffed sniffed = sniff(body, format_of_name(text_from(name)));
    assert_text(format_mime_type(sniffed.format), format_mime_type(expected).start);
}

static void assert_unread(struct text body, enum error_code code, const char *what)
{
    struct sniffed sniffed = sniff(body, FORMAT_UNKNOWN);
    assert_int_equal(sniffed.format, FORMAT_UNKNOWN);
    assert_string_equal(sniffed.what, what);
    assert_string_equal(error_name(sniffed.code), error_name(code));
}

static void test_format__is_hinted_at_by_the_ending_of_a_name(void **state)
{
    (void)state;
    assert_int_equal(format_of_name(TEXT("users/x/Read me.MD")), FORMAT_MARKDOWN);
    assert_int_equal(format_of_name(TEXT("a.tar.html")), FORMAT_HTML);
    assert_int_equal(format_of_name(TEXT("md")), FORMAT_UNKNOWN);
    assert_int_equal(format_of_name(TEXT("a.md/b")), FORMAT_UNKNOWN);
    assert_int_equal(format_of_name(TEXT_NONE), FORMAT_UNKNOWN);
}

static void test_sniff__knows_a_pdf_behind_other_bytes(void **state)
{
    (void)state;
    assert_format(TEXT("%PDF-1.4"), "x.txt", FORMAT_PDF);
    assert_format(TEXT("HTTP/1.1 200 OK\r\n\r\n%PDF-1.4\n1 0 obj<<"), "", FORMAT_PDF);
    assert_format(TEXT("Every PDF begins with %PDF-1.4 or so."), "", FORMAT_PLAIN);
    assert_format(TEXT("%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>"), "lost its first line.pdf", FORMAT_PDF);
}

static void test_sniff__tells_kinds_of_text_by_content_then_by_name(void **state)
{
    (void)state;
    assert_format(TEXT("Just words."), "", FORMAT_PLAIN);
    assert_format(TEXT("Just words."), "a.pdf", FORMAT_PLAIN);
    assert_format(TEXT("Just words."), "a.md", FORMAT_MARKDOWN);
    assert_format(TEXT("# Head\n\nA [link](http://x).\n"), "", FORMAT_MARKDOWN);
    assert_format(TEXT("# Head\n\nA [link](http://x).\n"), "a.txt", FORMAT_PLAIN);
    assert_format(TEXT("#!/bin/sh\n# Head\n[a](b)"), "", FORMAT_PLAIN);
    assert_format(TEXT("\n <!-- x --> <!DOCTYPE HTML>"), "a.txt", FORMAT_HTML);
    assert_format(TEXT("<?xml version='1.0'?><html xmlns='x'>"), "", FORMAT_HTML);
    assert_format(TEXT("<?xml version='1.0'?><book>"), "", FORMAT_PLAIN);
    assert_format(TEXT("<div align=center>\n# Head"), "README.md", FORMAT_MARKDOWN);
    assert_format((struct text){"\xff\xfe<\0h\0t\0m\0l\0>\0", 14}, "", FORMAT_HTML);
}

static void test_sniff__looks_into_containers(void **state)
{
    (void)state;
    zip_writer_store(&writer, "[Content_Types].xml", TEXT("<x/>"));
    zip_writer_store(&writer, "word/document.xml", TEXT("<x/>"));
    struct text docx = zip_writer_end(&writer);
    assert_format(docx, "a.zip", FORMAT_DOCX);
    assert_format(text_slice(docx, 0, docx.bytes - 30), "", FORMAT_DOCX); /* then: damaged */
    tear_down(state);
    set_up(state);
    zip_writer_store(&writer, "mimetype", TEXT("application/vnd.oasis.opendocument.text"));
    assert_format(zip_writer_end(&writer), "", FORMAT_ODT);
}

static void test_sniff__names_what_it_does_not_read(void **state)
{
    (void)state;
    assert_unread(TEXT("\x89PNG\r\n\x1a\n"), ERR_IMAGE, "a PNG image");
    assert_unread(TEXT("<svg width='1'>"), ERR_IMAGE, "an SVG image");
    assert_unread(TEXT("\x1f\x8b\x08"), ERR_ARCHIVE, "a gzip archive");
    assert_unread(TEXT("{\\rtf1 text}"), ERR_OFFICE, "an RTF document");
    assert_unread(TEXT("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), ERR_OFFICE, "an old Office document");
    assert_unread((struct text){"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
                                "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0",
                                40},
                  ERR_PASSWORD, "an Office document with a password");
    assert_unread(TEXT("From: a@b\nMIME-Version: 1.0\n\nx"), ERR_UNSUPPORTED, "an e-mail message");
    assert_unread((struct text){"\x7f"
                                "ELF\0\0",
                                6},
                  ERR_UNSUPPORTED, "a program");
    assert_unread((struct text){"\1\0\2\0", 4}, ERR_UNSUPPORTED, "binary data of an unknown kind");
    zip_writer_store(&writer, "[Content_Types].xml", TEXT("<x/>"));
    zip_writer_store(&writer, "xl/workbook.xml", TEXT("<x/>"));
    assert_unread(zip_writer_end(&writer), ERR_OFFICE, "an Excel workbook");
    tear_down(NULL);
    set_up(NULL);
    zip_writer_store(&writer, "photos/1.jpg", TEXT("x"));
    assert_unread(zip_writer_end(&writer), ERR_ARCHIVE, "a zip archive");
    tear_down(NULL);
    set_up(NULL);
    zip_writer_store(&writer, "mimetype", TEXT("application/epub+zip"));
    assert_unread(zip_writer_end(&writer), ERR_UNSUPPORTED, "an EPUB book");
}

static void test_sniff__has_codes_that_are_no_failures(void **state)
{
    (void)state;
    assert_int_equal(error_disposition(ERR_UNSUPPORTED), DISPOSITION_SKIP);
    assert_int_equal(error_disposition(ERR_IMAGE), DISPOSITION_SKIP);
    assert_int_equal(error_disposition(ERR_ARCHIVE), DISPOSITION_SKIP);
    assert_int_equal(error_disposition(ERR_OFFICE), DISPOSITION_SKIP);
    assert_int_equal(error_disposition(ERR_NOT_PDF), DISPOSITION_REJECT);
    assert_int_equal(sniff((struct text){"\0\1\0\1", 4}, FORMAT_PDF).code, ERR_NOT_PDF);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(test_format__is_hinted_at_by_the_ending_of_a_name),
        EACH(test_sniff__knows_a_pdf_behind_other_bytes),
        EACH(test_sniff__tells_kinds_of_text_by_content_then_by_name),
        EACH(test_sniff__looks_into_containers),
        EACH(test_sniff__names_what_it_does_not_read),
        EACH(test_sniff__has_codes_that_are_no_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
