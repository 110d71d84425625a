/* Bombs that are containers of office documents, HTML, Markdown, plain text. */
#include <string.h>

#include "tests/contract/bombs_private.h"
#include "tests/unit/zip_writer.h"

/* ---- containers ------------------------------------------------------------------------------ */

static void make_zip(const char *name, struct buffer *content, uint32_t claimed, struct buffer *out)
{
    struct zip_writer writer;
    zip_writer_begin(&writer);
    if (strcmp(name, "content.xml") == 0)
        zip_writer_store(&writer, "mimetype", TEXT("application/vnd.oasis.opendocument.text"));
    else
        zip_writer_store(&writer, "[Content_Types].xml", TEXT("<Types/>"));
    writer.claimed_bytes = claimed;
    zip_writer_deflate(&writer, name, buffer_text(content));
    buffer_append_text(out, zip_writer_end(&writer));
    zip_writer_release(&writer);
    buffer_release(content);
}

static struct buffer much_xml(void)
{
    struct buffer xml = buffer_new(64 * MIB);
    buffer_append_text(&xml, TEXT("<d xmlns:w='w'>"));
    bomb_append(&xml, "<w:p><w:r><w:t>mill</w:t></w:r></w:p>", 800000);
    buffer_append_text(&xml, TEXT("</d>"));
    return xml;
}

void bomb_make_docx_ratio(struct buffer *out)
{
    struct buffer xml = much_xml();
    make_zip("word/document.xml", &xml, 0, out);
}

void bomb_make_docx_liar(struct buffer *out)
{
    struct buffer xml = much_xml();
    make_zip("word/document.xml", &xml, 1000, out);
}

void bomb_make_docx_entries(struct buffer *out)
{
    struct zip_writer writer;
    char name[32];
    zip_writer_begin(&writer);
    for (int i = 0; i < 1500; i++) {
        (void)text_format(name, sizeof(name), "word/%d.xml", i);
        zip_writer_store(&writer, name, TEXT("x"));
    }
    buffer_append_text(out, zip_writer_end(&writer));
    zip_writer_release(&writer);
}

void bomb_make_docx_entities(struct buffer *out)
{
    struct buffer xml = buffer_new(MIB);
    buffer_append_text(&xml, TEXT("<!DOCTYPE d [<!ENTITY a0 'laugh'>"));
    for (int i = 1; i < 10; i++)
        buffer_format(&xml, "<!ENTITY a%d '&a%d;&a%d;&a%d;&a%d;&a%d;&a%d;&a%d;&a%d;'>", i, i - 1,
                      i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    buffer_append_text(&xml, TEXT("]><d><t>&a9;</t></d>"));
    make_zip("word/document.xml", &xml, 0, out);
}

void bomb_make_odt_depth(struct buffer *out)
{
    struct buffer xml = bomb_repeated("<p>", 300000);
    make_zip("content.xml", &xml, 0, out);
}

void bomb_make_odt_attributes(struct buffer *out)
{
    struct buffer xml = buffer_new(16 * MIB);
    buffer_append_text(&xml, TEXT("<p"));
    for (int i = 0; i < 300000; i++)
        buffer_format(&xml, " a%x='%d'", i, i);
    buffer_append_text(&xml, TEXT("/>"));
    make_zip("content.xml", &xml, 0, out);
}

/* ---- texts ----------------------------------------------------------------------------------- */

void bomb_make_html_depth(struct buffer *out)
{
    bomb_append(out, "<div>", 1000000);
}

void bomb_make_html_ends(struct buffer *out)
{
    bomb_append(out, "<b>", 15000);
    bomb_append(out, "</u>", 2000000);
}

void bomb_make_html_attributes(struct buffer *out)
{
    buffer_append_text(out, TEXT("<p"));
    for (int i = 0; i < 400000; i++)
        buffer_format(out, " a%x", i);
    buffer_append_text(out, TEXT(">text"));
}

void bomb_make_html_rows(struct buffer *out)
{
    bomb_append(out, "<table><tr><td>", 5000);
    buffer_append_text(out, TEXT("text"));
}

void bomb_make_markdown_quotes(struct buffer *out)
{
    bomb_append(out, ">", 200000);
    buffer_append_text(out, TEXT(" x\n"));
    bomb_append(out, "> > > > x\n", 200000);
}

void bomb_make_markdown_lists(struct buffer *out)
{
    for (size_t depth = 0; depth < 3000; depth++) {
        bomb_append(out, "  ", depth);
        buffer_append_text(out, TEXT("- x\n"));
    }
}

void bomb_make_markdown_brackets(struct buffer *out)
{
    bomb_append(out, "[", 300000);
    bomb_append(out, "](", 300000);
    bomb_append(out, "*a **b _c ", 100000);
    bomb_append(out, "`` ` ", 100000);
    bomb_append(out, "<a ", 100000);
}

/* Rows that say nothing are as wide as the head. */
void bomb_make_markdown_table(struct buffer *out)
{
    bomb_append(out, "|x", 10000);
    buffer_append_text(out, TEXT("|\n"));
    bomb_append(out, "|-", 10000);
    buffer_append_text(out, TEXT("|\n"));
    bomb_append(out, "|y\n", 10000);
}

void bomb_make_one_line(struct buffer *out)
{
    bomb_append(out, "0123456789abcdef", 6 * MIB);
}

void bomb_make_marks(struct buffer *out)
{
    buffer_append_text(out, TEXT("e"));
    bomb_append(out, "\xcc\x81\xcc\xa3", 4 * MIB);
}
