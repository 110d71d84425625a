#include <zlib.h>

#include "extract/fonts.h"
#include "extract/xref.h"
#include "tests/contract/pdf_writer.h"
#include "tests/unit/test.h"
#include "worker/base/memory.h"

#define PAGES 1000 /* are said to be there: what pays depends on it */
#define SECRET_BYTES 60000

static struct pdf_writer writer;
static struct buffer program, update, joined;

/* A Type 1 program: its clear part, then bytes that do not compress. */
static void make_program(void)
{
    program = buffer_new(1 << 20);
    buffer_append_text(&program, TEXT("%!PS-AdobeFont-1.0: Mill\n/FontName /Mill def\n"
                                      "/Encoding StandardEncoding def\ncurrentfile eexec\n"));
    for (uint32_t i = 0, noise = 1; i < SECRET_BYTES; i++) {
        noise = noise * 1664525 + 1013904223;
        buffer_append_char(&program, (char)(noise >> 24));
    }
}

static int set_up(void **state)
{
    (void)state;
    make_program();
    update = buffer_new(FONTS_UPDATE_BYTES_MAX);
    joined = buffer_new(FONTS_UPDATE_BYTES_MAX * 2);
    pdf_writer_begin(&writer);
    for (int i = 0; i < 3; i++)
        pdf_writer_text_page(&writer, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&program);
    buffer_release(&update);
    buffer_release(&joined);
    pdf_writer_release(&writer);
    return 0;
}

static unsigned add_cut_off(const char *dictionary, struct text content, size_t missing_bytes)
{
    uLongf bytes = compressBound(content.bytes);
    char *data = xmalloc(bytes);
    assert_int_equal(compress((Bytef *)data, &bytes, (const Bytef *)content.start, content.bytes),
                     Z_OK);
    struct text deflated = {data, bytes - missing_bytes};
    unsigned number = pdf_writer_stream(&writer, dictionary, deflated);
    xfree(data);
    return number;
}

static unsigned add_deflated(const char *dictionary, struct text content)
{
    return add_cut_off(dictionary, content, 0);
}

/* The body and its update as one file. */
static struct text join(struct text body)
{
    buffer_clear(&joined);
    buffer_append_text(&joined, body);
    buffer_append_text(&joined, buffer_text(&update));
    return buffer_text(&joined);
}

static bool is_prepared(void)
{
    return fonts_prepare(pdf_writer_end(&writer), PAGES, &update);
}

static void test_fonts__stand_uncompressed_behind_the_file(void **state)
{
    (void)state;
    struct xref before, after;
    struct xref_stream stream;
    unsigned font = add_deflated("/Length1 99/Filter/FlateDecode", buffer_text(&program));
    unsigned map = add_deflated("/Filter [/FlateDecode]", TEXT("/CIDInit /ProcSet begincmap"));
    struct text body = pdf_writer_end(&writer);

    assert_true(fonts_prepare(body, PAGES, &update));

    assert_true(xref_read(body, &before));
    assert_true(xref_read(join(body), &after));
    for (uint32_t i = 0; i < before.entry_count; i++)
        if (i != font && i != map && after.entries[i].kind != XREF_IS_CONTAINED)
            assert_int_equal(after.entries[i].at, before.entries[i].at);
    assert_true(xref_read_stream(&after, after.entries[font].at, &stream));
    assert_true(text_starts_with(stream.data, TEXT("%!PS-AdobeFont-1.0: Mill\n")));
    assert_true(text_ends_with(stream.data, TEXT("currentfile eexec")));
    assert_true(after.entries[font].at >= body.bytes);
    assert_true(xref_read_stream(&after, after.entries[map].at, &stream));
    assert_text(stream.data, "/CIDInit /ProcSet begincmap");
    xref_release(&before);
    xref_release(&after);
}

/* The data of a stream object of the file with its update. */
static struct text data_after(struct text body, unsigned number)
{
    struct xref after;
    struct xref_stream stream;
    assert_true(xref_read(join(body), &after));
    assert_true(xref_read_stream(&after, after.entries[number].at, &stream));
    xref_release(&after);
    return stream.data;
}

/* The page's font, which the writer makes first. */
static void test_fonts__are_described_in_one_place(void **state)
{
    (void)state;
    struct xref after;
    struct xref_stream stream;
    (void)add_deflated("/Filter/FlateDecode", buffer_text(&program));
    struct text body = pdf_writer_end(&writer);
    size_t at;

    assert_true(fonts_prepare(body, PAGES, &update));

    assert_true(xref_read(join(body), &after));
    assert_true(after.is_stream); /* a table cannot say what stands in a stream */
    size_t contained_count = 0;
    for (uint32_t i = 0; i < after.entry_count; i++) {
        if (after.entries[i].kind != XREF_IS_CONTAINED)
            continue;
        contained_count++;
        assert_true(xref_read_stream(&after, after.entries[after.entries[i].at].at, &stream));
        assert_true(text_find(stream.data, TEXT("/Type/Font"), &at));
    }
    assert_true(contained_count > 0);
    xref_release(&after);
}

/* poppler looks through a whole file with a table when something is not where it should be, and
 * finds other objects then than without. */
static void test_fonts__keep_the_table_of_a_file_that_may_be_repaired(void **state)
{
    (void)state;
    struct xref after;
    (void)add_deflated("/Filter/FlateDecode", buffer_text(&program));
    unsigned lost = pdf_writer_stream(&writer, "", TEXT("lost"));
    writer.object_at[lost] += 7; /* nothing stands there */
    struct text body = pdf_writer_end(&writer);

    assert_true(fonts_prepare(body, PAGES, &update));

    assert_true(xref_read(join(body), &after));
    assert_false(after.is_stream);
    xref_release(&after);
}

static void test_fonts__come_with_the_instructions_of_pages(void **state)
{
    (void)state;
    (void)add_deflated("/Filter/FlateDecode", buffer_text(&program));
    unsigned page = add_deflated("/Filter/FlateDecode", TEXT("0 0 m 9 9 l S BT (page) Tj ET"));
    unsigned form = add_deflated("/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Filter/FlateDecode",
                                 TEXT("BI (form) Tj EI"));
    unsigned pattern = add_deflated("/BBox[0 0 9 9]/Filter/FlateDecode", TEXT("0 0 9 9 re f"));
    struct text body = pdf_writer_end(&writer);

    assert_true(fonts_prepare(body, PAGES, &update));

    assert_text(data_after(body, page), "BT(page) Tj ET"); /* see test_instructions.c */
    assert_text(data_after(body, form), "BI (form) Tj EI");
    assert_false(text_equal(data_after(body, pattern), TEXT("0 0 9 9 re f")));
}

static void test_fonts__stay_as_they_are_when_instructions_are_damaged(void **state)
{
    (void)state;
    (void)add_deflated("/Filter/FlateDecode", buffer_text(&program));
    (void)add_cut_off("/Filter/FlateDecode", TEXT("BT (page) Tj ET"), 1);

    assert_false(is_prepared());
}

static void test_fonts__leave_out_instructions_that_are_too_many(void **state)
{
    (void)state;
    (void)add_deflated("/Filter/FlateDecode", buffer_text(&program));
    struct buffer spaces = buffer_new(FONTS_INSTRUCTIONS_BYTES_MAX);
    memset(buffer_reserve(&spaces, spaces.bytes_max), ' ', spaces.bytes_max);
    spaces.bytes = spaces.bytes_max;
    (void)add_deflated("/Filter/FlateDecode", buffer_text(&spaces));
    unsigned page = add_deflated("/Filter/FlateDecode", TEXT("BT (page) Tj ET"));
    struct text body = pdf_writer_end(&writer);

    assert_true(fonts_prepare(body, PAGES, &update));

    assert_text(data_after(body, page), "BT(page) Tj ET");
    assert_true(update.bytes < FONTS_INSTRUCTIONS_BYTES_MAX / 2);
    buffer_release(&spaces);
}

static void test_fonts__leave_alone_what_they_do_not_understand(void **state)
{
    (void)state;
    (void)add_deflated("/Filter/FlateDecode/DecodeParms<</Predictor 12>>", buffer_text(&program));
    (void)add_deflated("/Filter[/ASCII85Decode/FlateDecode]", buffer_text(&program));
    (void)add_deflated("/Filter/FlateDecode/De#63odeParms<</Predictor 12>>", buffer_text(&program));
    (void)add_deflated("/Filter/FlateDecode/Type/XObject", buffer_text(&program));
    (void)add_deflated("/Filter/FlateDecode", text_slice(buffer_text(&program), 40, 50000));
    (void)pdf_writer_stream(&writer, "/Filter/FlateDecode", buffer_text(&program));

    assert_false(is_prepared());
}

static void test_fonts__leave_short_documents_alone(void **state)
{
    (void)state;
    (void)add_deflated("/Filter/FlateDecode", buffer_text(&program));
    struct text body = pdf_writer_end(&writer);

    assert_false(fonts_prepare(body, FONTS_PAGES_MIN - 1, &update));
    buffer_clear(&update);
    assert_false(fonts_prepare(body, FONTS_PAGES_MIN, &update)); /* little to be saved */
    buffer_clear(&update);
    assert_true(fonts_prepare(body, PAGES, &update));
}

static void test_fonts__leave_encrypted_files_alone(void **state)
{
    (void)state;
    (void)add_deflated("/Filter/FlateDecode", buffer_text(&program));
    struct text body = pdf_writer_end(&writer);
    size_t at, newest_at = body.bytes;
    assert_true(text_find(body, TEXT("\nxref\n"), &at));
    buffer_format(
        &writer.out,
        "xref\n0 0\ntrailer<</Root 1 0 R/Size 99/Prev %zu/Encrypt 1 0 R>>\nstartxref\n%zu\n",
        at + 1, newest_at);

    assert_false(fonts_prepare(buffer_text(&writer.out), PAGES, &update));
}

/* The number was given to something else since: the font's bytes are there, but are no object. */
static void test_fonts__do_not_come_back_once_replaced(void **state)
{
    (void)state;
    unsigned font = add_deflated("/Filter/FlateDecode", buffer_text(&program));
    struct text body = pdf_writer_end(&writer);
    size_t table_at, object_at = body.bytes;
    assert_true(text_find(body, TEXT("\nxref\n"), &table_at));
    buffer_format(&writer.out, "%u 0 obj\n(nothing)\nendobj\n", font);
    size_t newest_at = writer.out.bytes;
    buffer_format(&writer.out, "xref\n%u 1\n%010zu 00000 n \n", font, object_at);
    buffer_format(&writer.out, "trailer<</Root 1 0 R/Size %u/Prev %zu>>\nstartxref\n%zu\n",
                  font + 1, table_at + 1, newest_at);
    struct xref xref;
    body = buffer_text(&writer.out);
    assert_true(xref_read(body, &xref));
    assert_int_equal(xref.entries[1].kind, XREF_IS_PLAIN);
    xref_release(&xref);

    assert_false(fonts_prepare(body, PAGES, &update));
}

static void test_fonts__skip_what_is_damaged(void **state)
{
    (void)state;
    struct xref after;
    unsigned good = add_deflated("/Filter/FlateDecode", buffer_text(&program));
    size_t damaged_at = writer.out.bytes;
    unsigned bad = add_deflated("/Filter/FlateDecode", TEXT("/CIDInit /ProcSet begincmap endcmap"));
    struct text body = pdf_writer_end(&writer);
    size_t data_at;
    assert_true(text_find(text_slice(body, damaged_at, body.bytes), TEXT("stream\n"), &data_at));
    writer.out.data[damaged_at + data_at + 7 + 40] ^= 1; /* in its checksum */

    assert_true(fonts_prepare(body, PAGES, &update));

    assert_true(xref_read(join(body), &after));
    assert_true(after.entries[good].at >= body.bytes);
    assert_true(after.entries[bad].at < body.bytes);
    xref_release(&after);
}

static void test_fonts__give_up_on_bombs(void **state)
{
    (void)state;
    struct buffer bomb = buffer_new(128u << 20);
    buffer_append_text(&bomb, TEXT("/CIDInit /ProcSet begincmap"));
    size_t bytes = FONTS_UPDATE_BYTES_MAX + 1;
    char *room = buffer_reserve(&bomb, bytes);
    memset(room, ' ', bytes);
    bomb.bytes += bytes;
    (void)add_deflated("/Filter/FlateDecode", buffer_text(&bomb));
    (void)add_deflated("/Filter/FlateDecode", buffer_text(&program));

    assert_false(is_prepared());

    buffer_release(&bomb);
}

/* poppler repairs a file with a table where it would leave one with a stream alone. */
static void test_fonts__keep_the_kind_of_cross_reference(void **state)
{
    (void)state;
    struct xref xref;
    unsigned font = add_deflated("/Filter/FlateDecode", buffer_text(&program));
    (void)pdf_writer_end(&writer);
    struct buffer rows = buffer_new(1 << 16);
    unsigned number = pdf_writer_next(&writer);
    for (unsigned i = 0; i < number; i++) {
        char row[5] = {i != 0, (char)(writer.object_at[i] >> 16), (char)(writer.object_at[i] >> 8),
                       (char)writer.object_at[i], 0};
        buffer_append(&rows, row, sizeof(row));
    }
    char dictionary[128];
    (void)text_format(dictionary, sizeof(dictionary), "/Type/XRef/W[1 3 1]/Size %u/Root 1 0 R",
                      number);
    size_t at = writer.out.bytes;
    (void)pdf_writer_stream(&writer, dictionary, buffer_text(&rows));
    buffer_format(&writer.out, "startxref\n%zu\n%%%%EOF\n", at);
    buffer_release(&rows);
    struct text body = buffer_text(&writer.out);

    assert_true(fonts_prepare(body, PAGES, &update));

    assert_true(xref_read(join(body), &xref));
    assert_true(xref.is_stream);
    assert_true(xref.entries[font].at >= body.bytes);
    assert_true(xref.entries[1].at == writer.object_at[1]);
    xref_release(&xref);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fonts__stand_uncompressed_behind_the_file),
        TEST(test_fonts__are_described_in_one_place),
        TEST(test_fonts__keep_the_table_of_a_file_that_may_be_repaired),
        TEST(test_fonts__come_with_the_instructions_of_pages),
        TEST(test_fonts__stay_as_they_are_when_instructions_are_damaged),
        TEST(test_fonts__leave_out_instructions_that_are_too_many),
        TEST(test_fonts__leave_alone_what_they_do_not_understand),
        TEST(test_fonts__leave_short_documents_alone),
        TEST(test_fonts__leave_encrypted_files_alone),
        TEST(test_fonts__do_not_come_back_once_replaced),
        TEST(test_fonts__skip_what_is_damaged),
        TEST(test_fonts__give_up_on_bombs),
        TEST(test_fonts__keep_the_kind_of_cross_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
