/* Bombs that are PDFs. */
#include <assert.h>
#include <zlib.h>

#include "tests/contract/bombs_private.h"
#include "tests/contract/pdf_writer.h"

static struct buffer deflated(struct text text)
{
    uLongf bytes = compressBound((uLong)text.bytes);
    struct buffer out = buffer_new(bytes);
    Bytef *room = (Bytef *)buffer_reserve(&out, bytes);
    int result = compress2(room, &bytes, (const Bytef *)text.start, (uLong)text.bytes, 9);
    assert(result == Z_OK);
    out.bytes = bytes;
    return out;
}

/* Blocks that do not refer to each other can be repeated: so many times 16 MiB of spaces, without
 * deflating them all. */
static struct buffer deflated_spaces(unsigned times)
{
    struct buffer spaces = bomb_repeated(" ", 16 * MIB), out = buffer_new(8 * MIB);
    char block[128 << 10];
    z_stream stream = {.next_in = (Bytef *)spaces.data, .avail_in = (uInt)spaces.bytes};
    stream.next_out = (Bytef *)block;
    stream.avail_out = sizeof(block);
    int result = deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
    assert(result == Z_OK);
    result = deflate(&stream, Z_FULL_FLUSH);
    assert(result == Z_OK && stream.avail_in == 0);
    buffer_append_text(&out, TEXT("\x78\xda"));
    for (unsigned i = 0; i < times; i++)
        buffer_append(&out, block, sizeof(block) - stream.avail_out);
    buffer_append_text(&out, (struct text){"\3\0\0\0\0\0", 6});
    deflateEnd(&stream);
    buffer_release(&spaces);
    return out;
}

/* ---- PDF: pages that take for ever ----------------------------------------------------------- */

static void end_pdf(struct pdf_writer *writer, struct buffer *out)
{
    buffer_append_text(out, pdf_writer_end(writer));
    pdf_writer_release(writer);
}

/* A page whose content is stored as given, with these filters. */
static void add_packed_page(struct pdf_writer *writer, struct text packed, const char *filters)
{
    char page[200];
    unsigned stream = pdf_writer_stream(writer, filters, packed);
    (void)text_format(page, sizeof(page),
                      "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %u 0 R"
                      "/Resources<</Font<</F 3 0 R>>>>>>",
                      stream);
    writer->page_objects[writer->page_count++] = pdf_writer_object(writer, text_from(page));
}

static void make_packed_pdf(struct buffer *content, struct buffer *out)
{
    struct pdf_writer writer;
    struct buffer packed = deflated(buffer_text(content));
    pdf_writer_begin(&writer);
    add_packed_page(&writer, buffer_text(&packed), "/Filter/FlateDecode");
    end_pdf(&writer, out);
    buffer_release(&packed);
    buffer_release(content);
}

void bomb_make_spaces(struct buffer *out)
{
    struct pdf_writer writer;
    struct buffer once = deflated_spaces(128), twice = deflated(buffer_text(&once));
    pdf_writer_begin(&writer);
    add_packed_page(&writer, buffer_text(&twice), "/Filter[/FlateDecode/FlateDecode]");
    end_pdf(&writer, out);
    buffer_release(&once);
    buffer_release(&twice);
}

void bomb_make_forms(struct buffer *out)
{
    struct pdf_writer writer;
    pdf_writer_begin(&writer);
    pdf_writer_bomb_page(&writer);
    end_pdf(&writer, out);
}

void bomb_make_states(struct buffer *out)
{
    struct buffer content = bomb_repeated("q ", 5000000);
    make_packed_pdf(&content, out);
}

void bomb_make_shows(struct buffer *out)
{
    struct buffer content = buffer_new(64 * MIB);
    buffer_append_text(&content, TEXT("BT /F 1 Tf "));
    bomb_append(&content, "(a)Tj ", 3000000);
    buffer_append_text(&content, TEXT("ET"));
    make_packed_pdf(&content, out);
}

void bomb_make_glyphs(struct buffer *out)
{
    struct buffer content = buffer_new(8 * MIB);
    buffer_append_text(&content, TEXT("BT /F 4 Tf "));
    for (unsigned i = 0, x = 7; i < 60000; i++, x = x * 7919 % 1000003)
        buffer_format(&content, "1 0 0 1 %u.%u %u.%u Tm (%c) Tj ", x % 590, i % 10, x / 590 % 840,
                      i % 7, 'a' + (int)(i % 26));
    buffer_append_text(&content, TEXT("ET"));
    make_packed_pdf(&content, out);
}

void bomb_make_self_form(struct buffer *out)
{
    struct pdf_writer writer;
    char entries[160];
    pdf_writer_begin(&writer);
    unsigned form = pdf_writer_next(&writer);
    (void)text_format(entries, sizeof(entries),
                      "/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</A %u 0 R>>>>",
                      form);
    pdf_writer_stream(&writer, entries, TEXT("/A Do /A Do"));
    (void)text_format(entries, sizeof(entries), "/XObject<</A %u 0 R>>", form);
    pdf_writer_page(&writer, TEXT("/A Do"), entries);
    end_pdf(&writer, out);
}

void bomb_make_actual_text(struct buffer *out)
{
    struct pdf_writer writer;
    char entries[64];
    struct buffer content = buffer_new(MIB), said = buffer_new(MIB);
    buffer_append_text(&said, TEXT("<</ActualText("));
    bomb_append(&said, "twenty kilobytes of words ", 770);
    buffer_append_text(&said, TEXT(")>>"));
    buffer_append_text(&content, TEXT("BT /F 1 Tf 9 9 Td "));
    bomb_append(&content, "/Span /P BDC (x) Tj EMC ", 5000);
    buffer_append_text(&content, TEXT("ET"));
    pdf_writer_begin(&writer);
    unsigned properties = pdf_writer_object(&writer, buffer_text(&said));
    (void)text_format(entries, sizeof(entries), "/Properties<</P %u 0 R>>", properties);
    pdf_writer_page(&writer, buffer_text(&content), entries);
    end_pdf(&writer, out);
    buffer_release(&content);
    buffer_release(&said);
}

/* ---- PDF: fonts ------------------------------------------------------------------------------ */

void bomb_make_fonts(struct buffer *out)
{
    struct pdf_writer writer;
    char object[200];
    struct buffer program = buffer_new(8 * MIB), fonts = buffer_new(MIB), content = buffer_new(MIB);
    buffer_append_text(&program, TEXT("%!PS-AdobeFont-1.0: Bomb\n/Encoding 256 array\n"));
    bomb_append(&program, "dup 65 /A put\n", 5 * MIB / 14);
    struct buffer packed = deflated(buffer_text(&program));
    pdf_writer_begin(&writer);
    (void)text_format(object, sizeof(object), "/Filter/FlateDecode/Length1 %zu/Length2 0/Length3 0",
                      program.bytes);
    unsigned file = pdf_writer_stream(&writer, object, buffer_text(&packed));
    buffer_append_text(&fonts, TEXT("/Font<<"));
    for (int i = 0; i < 200; i++) {
        (void)text_format(object, sizeof(object),
                          "<</Type/FontDescriptor/FontName/B%d/Flags 4/FontFile %u 0 R>>", i, file);
        unsigned descriptor = pdf_writer_object(&writer, text_from(object));
        (void)text_format(object, sizeof(object),
                          "<</Type/Font/Subtype/Type1/BaseFont/B%d/FontDescriptor %u 0 R>>", i,
                          descriptor);
        buffer_format(&fonts, "/B%d %u 0 R", i, pdf_writer_object(&writer, text_from(object)));
        buffer_format(&content, "BT /B%d 9 Tf 50 %d Td (A) Tj ET\n", i, 4 * i);
    }
    buffer_append_text(&fonts, TEXT(">>"));
    for (int page = 0; page < 20; page++)
        pdf_writer_page(&writer, buffer_text(&content), buffer_string(&fonts));
    end_pdf(&writer, out);
    buffer_release(&program);
    buffer_release(&packed);
    buffer_release(&fonts);
    buffer_release(&content);
}

void bomb_make_to_unicode(struct buffer *out)
{
    struct pdf_writer writer;
    char object[100];
    struct buffer map = buffer_new(16 * MIB);
    buffer_append_text(&map, TEXT("1 begincodespacerange <00> <FFFFFFFF> endcodespacerange\n"));
    bomb_append(&map, "1 beginbfrange <00000000> <7FFFFFFF> <0041> endbfrange\n", 200000);
    struct buffer packed = deflated(buffer_text(&map));
    pdf_writer_begin(&writer);
    unsigned at = pdf_writer_stream(&writer, "/Filter/FlateDecode", buffer_text(&packed));
    (void)text_format(object, sizeof(object),
                      "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode %u 0 R>>", at);
    unsigned font = pdf_writer_object(&writer, text_from(object));
    (void)text_format(object, sizeof(object), "/XFont<<>>/Font<</F 3 0 R/G %u 0 R>>", font);
    pdf_writer_page(&writer, TEXT("BT /G 9 Tf 9 9 Td (AAAA) Tj ET"), object);
    end_pdf(&writer, out);
    buffer_release(&packed);
    buffer_release(&map);
}

void bomb_make_widths(struct buffer *out)
{
    struct pdf_writer writer;
    struct buffer font = buffer_new(16 * MIB);
    pdf_writer_begin(&writer);
    buffer_append_text(&font, TEXT("<</Type/Font/Subtype/CIDFontType0/BaseFont/X/CIDSystemInfo"
                                   "<</Registry(Adobe)/Ordering(GB1)/Supplement 2>>/W["));
    bomb_append(&font, "0 2000000000 500 ", 200000);
    buffer_append_text(&font, TEXT("]>>"));
    unsigned below = pdf_writer_object(&writer, buffer_text(&font));
    buffer_clear(&font);
    buffer_format(&font,
                  "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/GBK-EUC-H/DescendantFonts[%u 0 "
                  "R]>>",
                  below);
    unsigned font_at = pdf_writer_object(&writer, buffer_text(&font));
    buffer_clear(&font);
    buffer_format(&font, "/XFont<<>>/Font<</F 3 0 R/G %u 0 R>>", font_at);
    pdf_writer_page(&writer, TEXT("BT /G 9 Tf 9 9 Td <C4A5B7BB> Tj ET"), buffer_string(&font));
    end_pdf(&writer, out);
    buffer_release(&font);
}

/* ---- PDF: structures ------------------------------------------------------------------------- */

/* Two bitmaps of 1.8 gigapixels each, as a content stream: any stream may name any filter. */
void bomb_make_jbig2(struct buffer *out)
{
    static const char size[] = "\0\0\xa8\0\0\0\xa8\0";
    struct pdf_writer writer;
    struct buffer image = buffer_new(4096);
    buffer_append(&image, "\0\0\0\0\x30\0\1\0\0\0\x13", 11);
    buffer_append(&image, size, 8);
    buffer_append(&image, "\0\0\0\0\0\0\0\0\0\0\0", 11);
    for (char number = 1; number <= 2; number++) {
        buffer_append(&image, "\0\0\0", 3);
        buffer_append_char(&image, number);
        buffer_append(&image, "\x26\0\1\0\0\0\x22", 7);
        buffer_append(&image, size, 8);
        buffer_append(&image, "\0\0\0\0\0\0\0\0\0\0\3\xff\xfd\xff\2\xfe\xfe\xfe", 18);
        buffer_append(&image, "\xff\xac\0\0\0\0\0\0", 8);
    }
    pdf_writer_begin(&writer);
    add_packed_page(&writer, buffer_text(&image), "/Filter/JBIG2Decode");
    end_pdf(&writer, out);
    buffer_release(&image);
}

/* Without a cross reference: poppler looks for the objects itself. */
static void make_raw(struct buffer *out, const char *pages)
{
    buffer_format(out,
                  "%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n%s"
                  "9 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
                  "trailer<</Root 1 0 R/Size 20>>\n%%%%EOF\n",
                  pages);
}

void bomb_make_page_count(struct buffer *out)
{
    make_raw(out, "2 0 obj<</Type/Pages/Count 2000000000/Kids[9 0 R]>>endobj\n");
}

void bomb_make_page_loop(struct buffer *out)
{
    make_raw(out, "2 0 obj<</Type/Pages/Count 5/Kids[2 0 R 3 0 R]>>endobj\n"
                  "3 0 obj<</Type/Pages/Parent 2 0 R/Count 4/Kids[2 0 R 3 0 R]>>endobj\n");
}

void bomb_make_page_tree(struct buffer *out)
{
    struct buffer tree = buffer_new(MIB);
    unsigned count = 1000000;
    for (int level = 2; level < 8; level++, count /= 10) {
        buffer_format(&tree, "%d 0 obj<</Type/Pages/Count %u/Kids[", level, count);
        for (int i = 0; i < 10; i++)
            buffer_format(&tree, "%d 0 R ", level == 7 ? 9 : level + 1);
        buffer_append_text(&tree, TEXT("]>>endobj\n"));
    }
    make_raw(out, buffer_string(&tree));
    buffer_release(&tree);
}

void bomb_make_xref_loop(struct buffer *out)
{
    buffer_append_text(out, TEXT("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"));
    buffer_append_text(out, TEXT("2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n"));
    size_t at = out->bytes;
    buffer_format(out,
                  "xref\n0 1\n0000000000 65535 f \ntrailer<</Root 1 0 R/Size 3/Prev %zu>>\n"
                  "startxref\n%zu\n%%%%EOF\n",
                  at, at);
}

void bomb_make_structure(struct buffer *out)
{
    struct pdf_writer writer;
    struct buffer tree = buffer_new(16 * MIB);
    pdf_writer_begin(&writer);
    pdf_writer_text_page(&writer, 3);
    bomb_append(&tree, "<</S/P/K", 100000);
    buffer_append_text(&tree, TEXT("0"));
    bomb_append(&tree, ">>", 100000);
    char entries[64];
    unsigned root = pdf_writer_object(&writer, buffer_text(&tree));
    (void)text_format(entries, sizeof(entries), "/MarkInfo<</Marked true>>/StructTreeRoot %u 0 R",
                      root);
    writer.catalog_entries = entries;
    end_pdf(&writer, out);
    buffer_release(&tree);
}
