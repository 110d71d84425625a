#include "extract/office.h"
#include "tests/unit/prose_show.h"
#include "tests/unit/zip_writer.h"

#define W "xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'"
#define ODT                                                                   \
    "xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0' "        \
    "xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0' "            \
    "xmlns:table='urn:oasis:names:tc:opendocument:xmlns:table:1.0' "          \
    "xmlns:style='urn:oasis:names:tc:opendocument:xmlns:style:1.0' "          \
    "xmlns:fo='urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0' " \
    "xmlns:dc='http://purl.org/dc/elements/1.1/'"

static struct zip_writer writer;
static struct prose *prose;
static struct error err;

static int set_up(void **state)
{
    (void)state;
    zip_writer_begin(&writer);
    prose = prose_new(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    zip_writer_release(&writer);
    prose_free(prose);
    return 0;
}

static void add(const char *name, const char *xml)
{
    zip_writer_deflate(&writer, name, text_from(xml));
}

static void add_body(const char *paragraphs)
{
    struct buffer xml = buffer_new(1 << 20);
    buffer_format(&xml, "<w:document " W "><w:body>%s</w:body></w:document>", paragraphs);
    zip_writer_deflate(&writer, "word/document.xml", buffer_text(&xml));
    buffer_release(&xml);
}

static void assert_docx(const char *expected)
{
    if (!office_read_docx(zip_writer_end(&writer), prose, &err))
        fail_msg("%s", err.message);
    assert_prose(prose, expected);
}

static void assert_refused(bool (*read)(struct text, struct prose *, struct error *),
                           enum error_code code)
{
    assert_false(read(zip_writer_end(&writer), prose, &err));
    assert_string_equal(error_name(err.code), error_name(code));
}

#define P(text) "<w:p><w:r><w:t>" text "</w:t></w:r></w:p>"

static void test_docx__knows_headings_and_items_by_their_styles(void **state)
{
    (void)state;
    add("word/styles.xml",
        "<w:styles " W "><w:style w:styleId='berschrift2'><w:name w:val='heading 2'/></w:style>"
        "<w:style w:styleId='Mine'><w:name w:val='Mine'/><w:basedOn w:val='berschrift2'/></w:style>"
        "<w:style w:styleId='Deep'><w:name w:val='Deep'/><w:pPr><w:outlineLvl w:val='8'/></w:pPr>"
        "</w:style><w:style w:styleId='B'><w:name w:val='List Bullet'/></w:style></w:styles>");
    add_body("<w:p><w:pPr><w:pStyle w:val='Mine'/></w:pPr><w:r><w:t>The </w:t></w:r>"
             "<w:r><w:t>Mill</w:t></w:r></w:p>" P(
                 "It grinds &amp; grinds.") "<w:p><w:pPr><w:pStyle "
                                            "w:val='B'/></w:pPr><w:r><w:t>rye</w:t></w:r></w:p>"
                                            "<w:p><w:pPr><w:numPr><w:numId "
                                            "w:val='3'/></w:numPr></w:pPr><w:r><w:t>wheat</w:t>"
                                            "</w:r></w:p><w:p><w:pPr><w:pStyle "
                                            "w:val='Deep'/></w:pPr><w:r><w:t>deep</w:t></w:r>"
                                            "</w:p><w:p/>");
    assert_docx("<h2>The Mill\n\n<p>It grinds & grinds.\n\n<li>- rye\n<li>- wheat\n\n<h6>deep");
}

static void test_docx__reads_tables_row_by_row(void **state)
{
    (void)state;
    add_body("<w:tbl><w:tr><w:tc>" P("a") P("b") "</w:tc><w:tc>" P(
        "c") "</w:tc></w:tr>"
             "<w:tr><w:tc>" P("d") "</w:tc><w:tc>" P("") "</w:tc></w:tr></w:tbl>" P("after"));
    assert_docx("<tr>a b | c\n<tr>d |\n\n<p>after");
}

static void test_docx__has_the_pages_that_word_has_seen(void **state)
{
    (void)state;
    add_body(P("one") "<w:p><w:r><w:br w:type='page'/></w:r><w:r><w:lastRenderedPageBreak/>"
                      "<w:t>two </w:t><w:br/><w:tab/><w:t>and a</w:t></w:r>"
                      "<w:r><w:lastRenderedPageBreak/><w:t>half</w:t></w:r></w:p>");
    assert_docx("<p>one\f<p>two\nand a\fhalf");
}

static void test_docx__leaves_out_what_is_deleted_or_said_twice(void **state)
{
    (void)state;
    add_body("<w:p><w:del><w:r><w:delText>no</w:delText></w:r></w:del><w:ins><w:r><w:t>yes</w:t>"
             "</w:r></w:ins><w:r><w:instrText>PAGE</w:instrText></w:r>"
             "<x:AlternateContent xmlns:x='x'><x:Choice><w:t> one</w:t></x:Choice>"
             "<x:Fallback><w:t> two</w:t></x:Fallback></x:AlternateContent></w:p>");
    assert_docx("<p>yes one");
}

static void test_docx__puts_notes_at_the_end(void **state)
{
    (void)state;
    add("word/footnotes.xml",
        "<w:footnotes " W "><w:footnote w:type='separator' w:id='0'>" P(
            "-") "</w:footnote>"
                 "<w:footnote w:id='7'>" P("seven") P("more") "</w:footnote></w:footnotes>");
    add("word/endnotes.xml",
        "<w:endnotes " W "><w:endnote w:id='7'>" P("end") "</w:endnote></w:endnotes>");
    add_body("<w:p><w:r><w:t>text</w:t><w:footnoteReference w:id='7'/><w:t>, last</w:t>"
             "<w:endnoteReference w:id='7'/></w:r></w:p>");
    assert_docx("<p>text[1], last[2]\n\n<p>[1] seven\n\n<p>more\n\n<p>[2] end");
}

static void test_docx__finds_its_main_part_and_title(void **state)
{
    (void)state;
    add("_rels/.rels", "<Relationships xmlns='r'><Relationship Type='http://x/officeDocument' "
                       "Target='/word/document2.xml'/></Relationships>");
    add("docProps/core.xml", "<cp:core xmlns:cp='c' xmlns:dc='d'><dc:title>A mill</dc:title>"
                             "</cp:core>");
    add("word/document2.xml", "<w:document " W ">" P("here") "</w:document>");
    assert_docx("<p>here");
    assert_text(prose_title(prose), "A mill");
}

static void test_docx__refuses_entities_bombs_and_damage(void **state)
{
    (void)state;
    add("word/document.xml", "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><d>&b;</d>");
    assert_refused(office_read_docx, ERR_DAMAGED);
    assert_non_null(strstr(err.message, "document type"));

    zip_writer_release(&writer);
    zip_writer_begin(&writer);
    add("word/document.xml", "<w:document " W "><w:p>");
    assert_refused(office_read_docx, ERR_DAMAGED);

    zip_writer_release(&writer);
    zip_writer_begin(&writer);
    assert_refused(office_read_docx, ERR_DAMAGED);
}

static void test_odt__marks_its_blocks(void **state)
{
    (void)state;
    add("meta.xml", "<office:document-meta " ODT "><dc:title>A mill</dc:title>"
                    "</office:document-meta>");
    add("content.xml",
        "<office:document-content " ODT "><office:automatic-styles><style:style style:name='P1'>"
        "<style:paragraph-properties fo:break-before='page'/></style:style>"
        "</office:automatic-styles><office:body><office:text><text:tracked-changes><text:p>old"
        "</text:p></text:tracked-changes><text:h text:outline-level='2'>The<text:s text:c='3'/>Mill"
        "</text:h><text:p>It <text:span>grinds</text:span>.<text:note><text:note-citation>1"
        "</text:note-citation><text:note-body><text:p>slowly</text:p></text:note-body></text:note> "
        "Yes.</text:p><text:list><text:list-item><text:p>rye</text:p></text:list-item>"
        "<text:list-item><text:p>wheat</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table>"
        "<text:p text:style-name='P1'>next<text:line-break/>page</text:p>"
        "</office:text></office:body></office:document-content>");
    if (!office_read_odt(zip_writer_end(&writer), prose, &err))
        fail_msg("%s", err.message);
    assert_prose(prose, "<h2>The Mill\n\n<p>It grinds.[1] Yes.\n\n<li>- rye\n<li>- wheat\n\n"
                        "<tr>a | b\f<p>next\npage\n\n<p>[1] slowly");
    assert_text(prose_title(prose), "A mill");
}

static void test_odt__asks_for_the_password(void **state)
{
    (void)state;
    add("META-INF/manifest.xml",
        "<m:manifest xmlns:m='m'><m:file-entry m:full-path='content.xml'><m:encryption-data/>"
        "</m:file-entry></m:manifest>");
    add("content.xml", "\x01\x02");
    assert_refused(office_read_odt, ERR_PASSWORD);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(test_docx__knows_headings_and_items_by_their_styles),
        EACH(test_docx__reads_tables_row_by_row),
        EACH(test_docx__has_the_pages_that_word_has_seen),
        EACH(test_docx__leaves_out_what_is_deleted_or_said_twice),
        EACH(test_docx__puts_notes_at_the_end),
        EACH(test_docx__finds_its_main_part_and_title),
        EACH(test_docx__refuses_entities_bombs_and_damage),
        EACH(test_odt__marks_its_blocks),
        EACH(test_odt__asks_for_the_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
