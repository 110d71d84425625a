/* Rows of manifests, and what is wrong with which line. */
#include "tests/unit/test.h"
#include "worker/base/buffer.h"
#include "worker/manifest.h"

static void on_row(void *arg, const struct manifest_row *row)
{
    buffer_format(arg, "%llu:", (unsigned long long)row->line);
    for (unsigned i = 0; i < MANIFEST_COLUMN_COUNT; i++)
        buffer_format(arg, "%s%.*s", i ? "|" : "", TEXT_ARGS(row->fields[i]));
    buffer_append_char(arg, '\n');
}

static void on_fault(void *arg, uint64_t line, struct text what)
{
    buffer_format(arg, "%llu! %.*s\n", (unsigned long long)line, TEXT_ARGS(what));
}

/* Rows as line:title|file_path|file_source_type|file_url, faults as line! sentence. */
static void assert_read(enum manifest_format format, struct text content, const char *expected)
{
    AUTO_BUFFER struct buffer seen = buffer_new(1 << 20);
    manifest_read(content, format, (struct manifest_events){&seen, on_row, on_fault});
    assert_string_equal(buffer_string(&seen), expected);
}

#define assert_csv(content, expected) assert_read(MANIFEST_CSV, TEXT(content), expected)
#define assert_json(content, expected) assert_read(MANIFEST_JSON_LINES, TEXT(content), expected)

static void test_manifest__finds_columns_in_any_order_and_case(void **state)
{
    (void)state;
    assert_csv("File_Path, TITLE \nreports/a.pdf,The report\nb.pdf,\n",
               "2:The report|reports/a.pdf||\n3:|b.pdf||\n");
    assert_csv("file_url\nhttps://host/a.pdf?x=1,2\n\"https://host/b.pdf?x=1,2\"",
               "2! the header has 1 fields, this line 2\n3:|||https://host/b.pdf?x=1,2\n");
}

static void test_manifest__takes_what_spreadsheets_write(void **state)
{
    (void)state;
    assert_csv("\xef\xbb\xbftitle;file_path\r\nA;a.pdf\r\n\r\nB;b.pdf\r\n",
               "2:A|a.pdf||\n4:B|b.pdf||\n");
    assert_csv("title\tfile_path\rA\ta.pdf\rB\tb.pdf", "2:A|a.pdf||\n3:B|b.pdf||\n");
}

static void test_manifest__reads_quotes_and_line_breaks_in_fields(void **state)
{
    (void)state;
    assert_csv("title,file_path\n\"A \"\"big\"\"\none, really\",a.pdf\nB,b.pdf\n",
               "2:A \"big\"\none, really|a.pdf||\n4:B|b.pdf||\n");
}

static void test_manifest__tells_every_bad_line_and_goes_on(void **state)
{
    (void)state;
    assert_csv("title,file_path\nA\nB,b.pdf\nC,\n\"D\"d,d.pdf\nE,e.pdf\n\"F,f.pdf\n",
               "2! the header has 2 fields, this line 1\n"
               "3:B|b.pdf||\n"
               "4! neither file_path nor file_url says which document it is\n"
               "5! text stands behind a closing quote; write a quote as \"\"\n"
               "6:E|e.pdf||\n"
               "7! a quote is opened and never closed\n");
}

static void test_manifest__refuses_a_header_it_does_not_know(void **state)
{
    (void)state;
    assert_csv("title,file_pth\nA,a.pdf\n",
               "1! there is no column \"file_pth\"; a manifest has title, file_path, "
               "file_source_type, file_url\n");
    assert_csv("title,Title,file_path\n", "1! the column title stands there twice\n");
    assert_csv("title,file_source_type\nA,s3\n",
               "1! there is neither a column file_path nor file_url\n");
    assert_csv(" \r\n", "1! it is empty\n");
}

static void test_manifest__refuses_what_is_no_text(void **state)
{
    (void)state;
    assert_csv("\xff\xfet\0i\0", "1! it is UTF-16: save it as UTF-8\n");
    assert_csv("file_path\nb\xe4r.pdf\n", "2! it is not UTF-8: save it as UTF-8\n");
    assert_csv("file_path\na\0.pdf\n", "2! it holds a NUL byte: it is no text\n");
}

static void test_manifest__reads_json_lines(void **state)
{
    (void)state;
    assert_json("{\"file_path\": \"a.pdf\", \"Title\": \" A \"}\r\n\n"
                "{\"file_url\": \"https://host/b\", \"title\": null}\n"
                "{\"path\": \"c\"}\n{\"file_path\": 7}\n[]\nno\n{}\n",
                "1:A|a.pdf||\n3:|||https://host/b\n"
                "4! there is no member \"path\"; a row has title, file_path, file_source_type, "
                "file_url\n"
                "5! file_path is no string\n6! it is no JSON object\n7! it is no JSON object\n"
                "8! neither file_path nor file_url says which document it is\n");
}

static void test_manifest__bounds_a_field(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer content = buffer_new(1 << 20);
    buffer_append_text(&content, TEXT("title,file_path\n"));
    for (size_t i = 0; i <= MANIFEST_FIELD_BYTES_MAX; i++)
        buffer_append_char(&content, 'x');
    buffer_append_text(&content, TEXT(",a.pdf\nB,b.pdf\n"));
    assert_read(MANIFEST_CSV, buffer_text(&content),
                "2! a field is longer than 16384 bytes\n3:B|b.pdf||\n");
}

static void test_manifest__is_told_by_the_ending_of_its_name(void **state)
{
    (void)state;
    enum manifest_format format;
    assert_true(manifest_format_of(TEXT("a/List.CSV"), &format) && format == MANIFEST_CSV);
    assert_true(manifest_format_of(TEXT("list.jsonl"), &format) && format == MANIFEST_JSON_LINES);
    assert_false(manifest_format_of(TEXT("list.pdf"), &format));
    assert_false(manifest_format_of(TEXT(".csv"), &format));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest__finds_columns_in_any_order_and_case),
        cmocka_unit_test(test_manifest__takes_what_spreadsheets_write),
        cmocka_unit_test(test_manifest__reads_quotes_and_line_breaks_in_fields),
        cmocka_unit_test(test_manifest__tells_every_bad_line_and_goes_on),
        cmocka_unit_test(test_manifest__refuses_a_header_it_does_not_know),
        cmocka_unit_test(test_manifest__refuses_what_is_no_text),
        cmocka_unit_test(test_manifest__reads_json_lines),
        cmocka_unit_test(test_manifest__bounds_a_field),
        cmocka_unit_test(test_manifest__is_told_by_the_ending_of_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
