/* What the extraction service makes of documents, good, bad and hostile: the real helper, poppler
 * and kernel. */
#include "extract/wire.h"
#include "tests/contract/extract_world.h"
#include "tests/unit/test.h"

/* ---- good documents -------------------------------------------------------------------------- */

static void test_extract__gives_the_pages_in_order(void **state)
{
    (void)state;
    for (unsigned page = 0; page < 300; page++)
        pdf_writer_text_page(&writer, 60);
    read_writer();
    assert_int_equal(probe.page_count, 300);
    assert_int_equal(probe.summary.page_count, 300);
    assert_int_equal(probe.summary.pages_skipped, 0);
    assert_int_equal(probe.summary.text_bytes + 300, probe.text.bytes);
    assert_true(probe.summary.cpu_us > 0);
    assert_false(probe.summary.is_encrypted);
    struct text all = buffer_text(&probe.text);
    size_t at;
    /* What is at the head of all pages stays on the first of a block of 32. */
    assert_true(text_find(all, TEXT("Page number 289\nLine 1: the mill"), &at));
    assert_false(text_find(all, TEXT("Page number 290"), &at));
    assert_true(text_find(all, TEXT("Line 59: the mill grinds slowly but it grinds fine."), &at));
}

static void test_extract__reads_the_fixtures(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        bool is_ok;
        enum error_code code;
    } cases[] = {
        {"b27d9e54-83aa-4f60-8c15-6d0e94f1b2a3/bienenkunde.pdf", true, ERR_BUG},
        {"b27d9e54-83aa-4f60-8c15-6d0e94f1b2a3/vertraulich.pdf", false, ERR_PASSWORD},
        {"a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11/photo of the millstone.pdf", false, ERR_NO_TEXT},
        {"a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11/reports/broken-scan.pdf", false, ERR_DAMAGED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char path[4096];
        struct probe each = {.gives_credit = true};
        uint64_t bytes;
        assert_true(text_format(path, sizeof(path), "%s/tests/fixtures/demo/users/%s",
                                getenv("TEST_SOURCE_DIR"), cases[i].file));
        int fd = probe_file(path, &bytes);
        probe_submit(&each, extract, fd, bytes);
        probe_await(&each, loop);
        assert_int_equal(each.is_ok, cases[i].is_ok);
        if (!each.is_ok)
            assert_string_equal(error_name(each.err.code), error_name(cases[i].code));
        probe_release(&each);
    }
}

static void test_extract__reads_chinese_without_a_map_to_unicode(void **state)
{
    (void)state;
    char resources[256];
    assert_true(text_format(resources, sizeof(resources),
                            "/Font<</G<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/90ms-RKSJ-H"
                            "/DescendantFonts[<</Type/Font/Subtype/CIDFontType0/BaseFont/A"
                            "/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>"
                            "/DW 1000>>]>>>>"));
    pdf_writer_page(&writer, TEXT("BT /G 20 Tf 50 700 Td <90858ED4> Tj ET"), resources);
    read_writer();
    assert_text(buffer_text(&probe.text), "\u6c34\u8eca\f");
}

/* poppler_page_get_text() loses both of these: see pdf.c. */
static void test_extract__keeps_text_that_hangs_over_the_edge(void **state)
{
    (void)state;
    pdf_writer_page(&writer,
                    TEXT("BT /F 10 Tf 300 838 Td (A hanging header) Tj ET "
                         "BT /F 10 Tf 50 700 Td (The body) Tj ET"),
                    "");
    read_writer();
    assert_text(buffer_text(&probe.text), "A hanging header\n\nThe body\f");
}

static void test_extract__says_what_pages_are_called(void **state)
{
    (void)state;
    writer.catalog_entries = "/PageLabels<</Nums[0<</S/r>>2<</S/D/St 3>>3<</P(A\\0111-)/S/D>>]>>";
    for (unsigned page = 0; page < 4; page++)
        pdf_writer_text_page(&writer, 2);
    read_writer();
    assert_text(buffer_text(&probe.labels), "i\fii\f\fA 1-1\f"); /* the third by its number */
}

static void test_extract__cuts_a_label_that_is_too_long(void **state)
{
    (void)state;
    char entries[256];
    (void)text_format(entries, sizeof(entries), "/PageLabels<</Nums[0<</P(%0150d)>>]>>", 0);
    writer.catalog_entries = entries;
    pdf_writer_text_page(&writer, 2);
    read_writer();
    assert_int_equal(probe.labels.bytes, WIRE_LABEL_BYTES_MAX + 1);
}

static void test_extract__keeps_every_block_of_a_right_to_left_page(void **state)
{
    (void)state;
    unsigned map =
        pdf_writer_stream(&writer, "",
                          TEXT("begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange "
                               "1 beginbfrange <05D0> <05EA> <05D0> endbfrange endcmap"));
    char resources[384];
    assert_true(text_format(
        resources, sizeof(resources),
        "/Font<</H<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/ToUnicode %u 0 R"
        "/DescendantFonts[<</Type/Font/Subtype/CIDFontType2/BaseFont/A/CIDSystemInfo"
        "<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/DW 500>>]>>>>",
        map));
    pdf_writer_page(&writer, /* a block at the right, one further up at the left, one below */
                    TEXT("BT /H 12 Tf 400 780 Td <05D005D105D205D3> Tj ET "
                         "BT /H 12 Tf 60 600 Td <05D405D505D605D7> Tj ET "
                         "BT /H 12 Tf 400 300 Td <05D805D905DB05DC> Tj ET "
                         "BT /H 12 Tf 60 100 Td <05DE05E005E105E2> Tj ET"),
                    resources);
    read_writer();
    assert_int_equal(probe.flags, PAGE_IS_RIGHT_TO_LEFT);
    assert_int_equal(probe.text.bytes, 4 * 4 * 2 + 3 * 2 + 1); /* four words, empty lines, U+000C */
}

static void test_extract__runs_a_hundred_documents_over_two_slots(void **state)
{
    (void)state;
    static struct probe probes[100];
    for (unsigned page = 0; page < 3; page++)
        pdf_writer_text_page(&writer, 20);
    struct text pdf = pdf_writer_end(&writer);
    memset(probes, 0, sizeof(probes));
    for (size_t i = 0; i < COUNT_OF(probes); i++)
        probe_submit(&probes[i], extract, probe_body(pdf), pdf.bytes);
    assert_int_equal(extract_figures(extract).waiting, 98);
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        probe_await(&probes[i], loop);
        assert_true(probes[i].is_ok);
        assert_int_equal(probes[i].page_count, 3);
        assert_true(extract_figures(extract).slots_busy <= 2);
        probe_release(&probes[i]);
    }
    assert_int_equal(extract_figures(extract).waiting, 0);
}

/* ---- documents that are none ----------------------------------------------------------------- */

static void test_extract__refuses_an_empty_file(void **state)
{
    (void)state;
    assert_refused(TEXT_NONE, ERR_EMPTY);
}

static void test_extract__refuses_what_holds_no_text_and_says_what_it_is(void **state)
{
    (void)state;
    assert_refused(TEXT("\x89PNG\r\n\x1a\n an image"), ERR_IMAGE);
    assert_string_equal(probe.err.message, "a PNG image");
}

static void test_extract__refuses_junk_that_is_named_a_pdf(void **state)
{
    (void)state;
    probe.request.name = TEXT("letter.PDF");
    assert_refused((struct text){"\0\1\2\3\0\1\2\3", 8}, ERR_NOT_PDF);
}

static void test_extract__refuses_a_pdf_cut_to_its_head(void **state)
{
    (void)state;
    assert_refused(TEXT("%PDF-1.7\n1 0 obj\n<</Type/Cata"), ERR_DAMAGED);
}

static void test_extract__says_when_no_page_has_text(void **state)
{
    (void)state;
    pdf_writer_page(&writer, TEXT("0 0 100 100 re f"), "");
    pdf_writer_page(&writer, TEXT("BT /F 10 Tf (   ) Tj ET"), "");
    assert_refused(pdf_writer_end(&writer), ERR_NO_TEXT);
    assert_int_equal(probe.page_count, 2);
    assert_true(probe.has_summary);
}

static void test_extract__refuses_too_many_pages(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.pages_max = 4;
    for (unsigned page = 0; page < 5; page++)
        pdf_writer_text_page(&writer, 2);
    assert_refused(pdf_writer_end(&writer), ERR_PAGES_MAX);
    assert_int_equal(probe.page_count, 0);
}

static void test_extract__refuses_too_much_text(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.text_bytes_max = 10000;
    for (unsigned page = 0; page < 10; page++)
        pdf_writer_text_page(&writer, 60);
    assert_refused(pdf_writer_end(&writer), ERR_TEXT_MAX);
}

static void test_extract__refuses_a_page_of_too_much_text(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.page_text_bytes_max = 1000;
    pdf_writer_text_page(&writer, 60);
    assert_refused(pdf_writer_end(&writer), ERR_TEXT_MAX);
}

/* ---- hostile documents ----------------------------------------------------------------------- */

static void test_extract__ends_a_bomb_by_the_page_deadline(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.page_timeout_ms = 200;
    pdf_writer_bomb_page(&writer);
    assert_refused(pdf_writer_end(&writer), ERR_EXTRACT_TIMEOUT);
    assert_int_equal(probe.page_count, 1);
    assert_int_equal(probe.skipped_page, 1);
}

static void test_extract__ends_a_bomb_by_its_cpu_time(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.cpu_seconds = 1;
    pdf_writer_bomb_page(&writer);
    assert_refused(pdf_writer_end(&writer), ERR_EXTRACT_TIMEOUT);
}

static void test_extract__keeps_the_pages_around_a_bomb(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.page_timeout_ms = 1000;
    for (unsigned page = 0; page < 5; page++)
        pdf_writer_text_page(&writer, 20);
    pdf_writer_bomb_page(&writer);
    for (unsigned page = 0; page < 5; page++)
        pdf_writer_text_page(&writer, 20);
    read_writer();
    assert_int_equal(probe.page_count, 11);
    assert_int_equal(probe.skipped_page, 6);
    assert_int_equal(probe.summary.pages_skipped, 1);
}

static void test_extract__gives_up_after_three_bad_pages(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.page_timeout_ms = 200;
    pdf_writer_text_page(&writer, 20);
    for (unsigned page = 0; page < 4; page++)
        pdf_writer_bomb_page(&writer);
    assert_refused(pdf_writer_end(&writer), ERR_EXTRACT_TIMEOUT);
    assert_int_equal(probe.summary.page_count, 5);
}

static void test_extract__ends_what_eats_memory(void **state)
{
    (void)state;
#ifdef HOUSE_SANITIZED
    skip(); /* no RLIMIT_AS there */
#endif
    struct buffer saves = buffer_new(16 << 20);
    for (int i = 0; i < 5000000; i++) /* each copies the graphics state */
        buffer_append_text(&saves, TEXT("q\n"));
    pdf_writer_page(&writer, buffer_text(&saves), "");
    buffer_release(&saves);
    assert_refused(pdf_writer_end(&writer), ERR_EXTRACT_MEMORY);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_extract__gives_the_pages_in_order),
        EACH(test_extract__reads_the_fixtures),
        EACH(test_extract__reads_chinese_without_a_map_to_unicode),
        EACH(test_extract__keeps_text_that_hangs_over_the_edge),
        EACH(test_extract__says_what_pages_are_called),
        EACH(test_extract__cuts_a_label_that_is_too_long),
        EACH(test_extract__keeps_every_block_of_a_right_to_left_page),
        EACH(test_extract__runs_a_hundred_documents_over_two_slots),
        EACH(test_extract__refuses_an_empty_file),
        EACH(test_extract__refuses_what_holds_no_text_and_says_what_it_is),
        EACH(test_extract__refuses_junk_that_is_named_a_pdf),
        EACH(test_extract__refuses_a_pdf_cut_to_its_head),
        EACH(test_extract__says_when_no_page_has_text),
        EACH(test_extract__refuses_too_many_pages),
        EACH(test_extract__refuses_too_much_text),
        EACH(test_extract__refuses_a_page_of_too_much_text),
        EACH(test_extract__ends_a_bomb_by_the_page_deadline),
        EACH(test_extract__ends_a_bomb_by_its_cpu_time),
        EACH(test_extract__keeps_the_pages_around_a_bomb),
        EACH(test_extract__gives_up_after_three_bad_pages),
        EACH(test_extract__ends_what_eats_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
