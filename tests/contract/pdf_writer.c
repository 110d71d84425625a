#include "tests/contract/pdf_writer.h"

#include <assert.h>
#include <string.h>

static void begin_object(struct pdf_writer *writer, unsigned number)
{
    assert(number < COUNT_OF(writer->object_at));
    writer->object_at[number] = writer->out.bytes;
    if (number > writer->object_count)
        writer->object_count = number;
    buffer_format(&writer->out, "%u 0 obj\n", number);
}

void pdf_writer_begin(struct pdf_writer *writer)
{
    memset(writer, 0, sizeof(*writer));
    writer->out = buffer_new(256u << 20);
    buffer_append_text(&writer->out, TEXT("%PDF-1.4\n"));
    begin_object(writer, 3);
    buffer_append_text(&writer->out,
                       TEXT("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\nendobj\n"));
}

unsigned pdf_writer_next(const struct pdf_writer *writer)
{
    return writer->object_count + 1;
}

unsigned pdf_writer_object(struct pdf_writer *writer, struct text content)
{
    unsigned number = pdf_writer_next(writer);
    begin_object(writer, number);
    buffer_append_text(&writer->out, content);
    buffer_append_text(&writer->out, TEXT("\nendobj\n"));
    return number;
}

unsigned pdf_writer_stream(struct pdf_writer *writer, const char *dictionary, struct text content)
{
    unsigned number = pdf_writer_next(writer);
    begin_object(writer, number);
    buffer_format(&writer->out, "<<%s/Length %zu>>\nstream\n", dictionary, content.bytes);
    buffer_append_text(&writer->out, content);
    buffer_append_text(&writer->out, TEXT("\nendstream\nendobj\n"));
    return number;
}

void pdf_writer_page(struct pdf_writer *writer, struct text content, const char *resources)
{
    assert(writer->page_count < PDF_PAGES_MAX);
    unsigned stream = pdf_writer_stream(writer, "", content), page = pdf_writer_next(writer);
    begin_object(writer, page);
    buffer_format(&writer->out,
                  "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %u 0 R"
                  "/Resources<</Font<</F 3 0 R>>%s>>%s>>\nendobj\n",
                  stream, resources, writer->page_entries ? writer->page_entries : "");
    writer->page_objects[writer->page_count++] = page;
}

void pdf_writer_text_page(struct pdf_writer *writer, unsigned line_count)
{
    struct buffer content = buffer_new(1 << 20);
    buffer_format(&content, "BT /F 10 Tf 50 780 Td (Page number %u) Tj\n", writer->page_count + 1);
    for (unsigned line = 1; line < line_count; line++)
        buffer_format(&content,
                      "0 -11 Td (Line %u: the mill grinds slowly but it grinds fine.) Tj\n", line);
    buffer_append_text(&content, TEXT("ET"));
    pdf_writer_page(writer, buffer_text(&content), "");
    buffer_release(&content);
}

void pdf_writer_bomb_page(struct pdf_writer *writer)
{
    static const char *const dictionary = "/Type/XObject/Subtype/Form/BBox[0 0 600 800]";
    char entries[128];
    unsigned form = pdf_writer_stream(writer, dictionary, TEXT("0 0 1 1 re f"));
    for (int level = 0; level < 10; level++) {
        bool fits = text_format(entries, sizeof(entries), "%s/Resources<</XObject<</A %u 0 R>>>>",
                                dictionary, form);
        assert(fits);
        form = pdf_writer_stream(writer, entries,
                                 TEXT("/A Do /A Do /A Do /A Do /A Do "
                                      "/A Do /A Do /A Do /A Do /A Do"));
    }
    bool fits = text_format(entries, sizeof(entries), "/XObject<</A %u 0 R>>", form);
    assert(fits);
    pdf_writer_page(writer, TEXT("/A Do"), entries);
}

struct text pdf_writer_end(struct pdf_writer *writer)
{
    struct buffer *out = &writer->out;
    begin_object(writer, 2);
    buffer_format(out, "<</Type/Pages/Count %u/Kids[", writer->page_count);
    for (unsigned i = 0; i < writer->page_count; i++)
        buffer_format(out, "%u 0 R ", writer->page_objects[i]);
    buffer_append_text(out, TEXT("]>>\nendobj\n"));
    begin_object(writer, 1);
    buffer_format(out, "<</Type/Catalog/Pages 2 0 R%s>>\nendobj\n",
                  writer->catalog_entries ? writer->catalog_entries : "");
    size_t xref_at = out->bytes;
    buffer_format(out, "xref\n0 %u\n0000000000 65535 f \n", writer->object_count + 1);
    for (unsigned number = 1; number <= writer->object_count; number++)
        buffer_format(out, "%010zu 00000 n \n", writer->object_at[number]);
    buffer_format(out, "trailer<</Root 1 0 R/Size %u>>\nstartxref\n%zu\n%%%%EOF\n",
                  writer->object_count + 1, xref_at);
    return buffer_text(out);
}

void pdf_writer_release(struct pdf_writer *writer)
{
    buffer_release(&writer->out);
}
