#include "extract/notes.h"
#include "extract/pdf_forms.h"
#include "tests/contract/pdf_writer.h"
#include "tests/unit/test.h"

static struct pdf_writer writer;
static struct reader *pdf;
static struct buffer text;

static int set_up(void **state)
{
    (void)state;
    pdf_writer_begin(&writer);
    text = buffer_new(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (pdf)
        pdf->close(pdf);
    pdf = NULL;
    buffer_release(&text);
    pdf_writer_release(&writer);
    return 0;
}

#define PLACE "/Type/Annot/Rect[10 10 90 30]/F 4"
#define FIELD "<<" PLACE "/Subtype/Widget/T(x)"

/* One page with these annotations, object 4 and up; those with /FT are fields of the form. */
static struct text write_notes(const char *const *objects, size_t object_count)
{
    static char annotations[512], catalog[600];
    struct buffer numbers = buffer_new(400);
    for (size_t i = 0; i < object_count; i++)
        buffer_format(&numbers, "%u 0 R ", pdf_writer_object(&writer, text_from(objects[i])));
    (void)text_format(annotations, sizeof(annotations), "/Annots[%s]", buffer_string(&numbers));
    (void)text_format(catalog, sizeof(catalog), "/AcroForm<</Fields[%s]>>",
                      buffer_string(&numbers));
    buffer_release(&numbers);
    writer.page_entries = annotations;
    writer.catalog_entries = catalog;
    pdf_writer_page(&writer, TEXT("BT /F 12 Tf 50 700 Td (Order of flour) Tj ET"), "");
    return pdf_writer_end(&writer);
}

static void append(struct text body, const char *page_text)
{
    struct error err;
    pdf = pdf_open(body, &err);
    assert_non_null(pdf);
    buffer_append_text(&text, text_from(page_text));
    pdf_forms_append(pdf, 1, &text);
}

static void test_pdf_forms__append_values_behind_the_page(void **state)
{
    (void)state;
    append(write_notes(
               (const char *[]){
                   FIELD "/FT/Tx/TU(Name of the mill)/V(Alte M\\374hle)>>",
                   FIELD "/FT/Tx/V(  12 sacks \n of rye )>>",
                   FIELD "/FT/Ch/TU(Grind)/Opt[(coarse)(fine)]/V(fine)>>",
                   FIELD "/FT/Btn/TU(By boat)/AS/On/V/On/AP<</N<</On 1 0 R/Off 1 0 R>>>>>>",
                   FIELD "/FT/Btn/TU(By cart)/AS/Off/V/Off/AP<</N<</On 1 0 R/Off 1 0 R>>>>>>",
                   FIELD "/FT/Tx/TU(Empty)/V()>>",
               },
               6),
           "Order of flour");

    assert_text(buffer_text(&text), "Order of flour\n\nName of the mill: Alte M\u00fchle\n\n"
                                    "12 sacks\nof rye\n\nGrind: fine\n\nBy boat: \u2713");
}

static void test_pdf_forms__append_remarks(void **state)
{
    (void)state;
    append(write_notes(
               (const char *[]){
                   "<<" PLACE "/Subtype/Text/Contents(Ask the miller.)>>",
                   "<<" PLACE "/Subtype/FreeText/DA(/F 9 Tf)/Contents(Urgent!)>>",
                   "<<" PLACE "/Subtype/Link/Contents(a link)>>",
                   "<<" PLACE "/Subtype/Popup/Contents(Ask the miller.)>>",
                   "<</Type/Annot/Rect[1 1 9 9]/F 2/Subtype/Text/Contents(hidden)>>",
               },
               5),
           "");

    assert_text(buffer_text(&text), "Ask the miller.\n\nUrgent!");
}

static void test_pdf_forms__keep_passwords_to_themselves(void **state)
{
    (void)state;
    append(write_notes((const char *[]){FIELD "/FT/Tx/Ff 8192/V(opensesame)>>"}, 1), "Page");

    assert_text(buffer_text(&text), "Page");
}

static void test_pdf_forms__say_nothing_twice(void **state)
{
    (void)state;
    append(write_notes(
               (const char *[]){
                   FIELD "/FT/Tx/V(Order of flour)>>",
                   "<<" PLACE "/Subtype/Text/Contents(Check)>>",
                   "<<" PLACE "/Subtype/Text/Contents(Check)>>",
                   "<<" PLACE "/Subtype/Text/Contents(heck)>>",
               },
               4),
           "Order of flour");

    assert_text(buffer_text(&text), "Order of flour\n\nCheck\n\nheck");
}

static void test_pdf_forms__leave_out_what_has_no_room(void **state)
{
    (void)state;
    text.bytes_max = 20;
    append(write_notes(
               (const char *[]){
                   "<<" PLACE "/Subtype/Text/Contents(A remark much longer than this)>>",
                   "<<" PLACE "/Subtype/Text/Contents(Short)>>",
               },
               2),
           "Page");

    assert_text(buffer_text(&text), "Page\n\nShort");
    assert_false(text.is_full);
}

static void test_notes__are_possible_only_where_something_is_written(void **state)
{
    (void)state;
    assert_false(notes_are_possible(
        write_notes((const char *[]){"<<" PLACE "/Subtype /Link/Contents(a link)>>"}, 1)));
}

static void test_notes__are_seen(void **state)
{
    (void)state;
    assert_true(
        notes_are_possible(write_notes((const char *[]){"<<" PLACE "/Subtype /Text>>"}, 1)));
    assert_true(notes_are_possible(TEXT("%PDF-1.4 of no use to us")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pdf_forms__append_values_behind_the_page),
        TEST(test_pdf_forms__append_remarks),
        TEST(test_pdf_forms__keep_passwords_to_themselves),
        TEST(test_pdf_forms__say_nothing_twice),
        TEST(test_pdf_forms__leave_out_what_has_no_room),
        TEST(test_notes__are_possible_only_where_something_is_written),
        TEST(test_notes__are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
