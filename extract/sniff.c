#include "extract/sniff.h"

#include <string.h>

#include "extract/charset.h"
#include "extract/zip.h"

#define PDF_WITHIN_BYTES 1024 /* ISO 32000-1, annex H.3.4.1 */
#define PDF_OBJECT_WITHIN_BYTES ((size_t)64 << 10)
#define TEXT_SAMPLE_BYTES ((size_t)16 << 10)

/* ---- files that are not text ----------------------------------------------------------------- */

static const struct {
    size_t at;
    struct text magic;
    enum error_code code;
    const char *what;
} MAGICS[] = {
    {0, {"\x89PNG\r\n\x1a\n", 8}, ERR_IMAGE, "a PNG image"},
    {0, {"\xff\xd8\xff", 3}, ERR_IMAGE, "a JPEG image"},
    {0, {"GIF8", 4}, ERR_IMAGE, "a GIF image"},
    {0, {"II*\0", 4}, ERR_IMAGE, "a TIFF image"},
    {0, {"MM\0*", 4}, ERR_IMAGE, "a TIFF image"},
    {0, {"II+\0", 4}, ERR_IMAGE, "a TIFF image"},
    {8, {"WEBP", 4}, ERR_IMAGE, "a WebP image"},
    {4, {"ftypheic", 8}, ERR_IMAGE, "a HEIC image"},
    {4, {"ftypheix", 8}, ERR_IMAGE, "a HEIC image"},
    {4, {"ftypmif1", 8}, ERR_IMAGE, "a HEIF image"},
    {4, {"ftypavif", 8}, ERR_IMAGE, "an AVIF image"},
    {4, {"jP  \r\n\x87\n", 8}, ERR_IMAGE, "a JPEG 2000 image"},
    {0, {"\xff\x4f\xff\x51", 4}, ERR_IMAGE, "a JPEG 2000 image"},
    {4, {"JXL \r\n\x87\n", 8}, ERR_IMAGE, "a JPEG XL image"},
    {0, {"\0\0\1\0", 4}, ERR_IMAGE, "an icon"},
    {0, {"8BPS", 4}, ERR_IMAGE, "a Photoshop image"},
    {0, {"gimp xcf", 8}, ERR_IMAGE, "a GIMP image"},
    {0, {"AT&TFORM", 8}, ERR_IMAGE, "a DjVu scan"},
    {0, {"\x97JB2\r\n\x1a\n", 8}, ERR_IMAGE, "a JBIG2 image"},
    {0, {"\xd7\xcd\xc6\x9a", 4}, ERR_IMAGE, "a Windows metafile"},
    {40, {" EMF", 4}, ERR_IMAGE, "a Windows metafile"},

    {0, {"\x1f\x8b", 2}, ERR_ARCHIVE, "a gzip archive"},
    {0, {"BZh", 3}, ERR_ARCHIVE, "a bzip2 archive"},
    {0,
     {"\xfd"
      "7zXZ\0",
      6},
     ERR_ARCHIVE,
     "an xz archive"},
    {0, {"\x28\xb5\x2f\xfd", 4}, ERR_ARCHIVE, "a Zstandard archive"},
    {0, {"\x04\x22\x4d\x18", 4}, ERR_ARCHIVE, "an LZ4 archive"},
    {0, {"LZIP", 4}, ERR_ARCHIVE, "an lzip archive"},
    {0, {"7z\xbc\xaf\x27\x1c", 6}, ERR_ARCHIVE, "a 7-Zip archive"},
    {0, {"Rar!\x1a\x07", 6}, ERR_ARCHIVE, "a RAR archive"},
    {0, {"MSCF\0\0\0\0", 8}, ERR_ARCHIVE, "a cabinet archive"},
    {0, {"!<arch>\n", 8}, ERR_ARCHIVE, "an archive"},
    {257, {"ustar", 5}, ERR_ARCHIVE, "a tar archive"},

    {0, {"{\\rtf", 5}, ERR_OFFICE, "an RTF document"},
    {0,
     {"\xff"
      "WPC",
      4},
     ERR_OFFICE,
     "a WordPerfect document"},
    {0, {"\xdb\xa5-\0", 4}, ERR_OFFICE, "an old Word document"},

    {0, {"%!PS", 4}, ERR_UNSUPPORTED, "a PostScript document"},
    {0, {"\xf7\x02\x01\x83\x92\xc0\x1c;", 8}, ERR_UNSUPPORTED, "a DVI document"},
    {60, {"BOOKMOBI", 8}, ERR_UNSUPPORTED, "a Kindle book"},
    {0, {"ITSF", 4}, ERR_UNSUPPORTED, "a Windows help file"},
    {0, {"!BDN", 4}, ERR_UNSUPPORTED, "an Outlook mailbox"},
    {0, {"ID3", 3}, ERR_UNSUPPORTED, "an MP3 recording"},
    {0, {"\xff\xfb", 2}, ERR_UNSUPPORTED, "an MP3 recording"},
    {0, {"OggS", 4}, ERR_UNSUPPORTED, "an Ogg recording"},
    {0, {"fLaC", 4}, ERR_UNSUPPORTED, "a FLAC recording"},
    {8, {"WAVE", 4}, ERR_UNSUPPORTED, "a WAV recording"},
    {8, {"AVI ", 4}, ERR_UNSUPPORTED, "an AVI film"},
    {0, {"\x1a\x45\xdf\xa3", 4}, ERR_UNSUPPORTED, "a Matroska film"},
    {4, {"ftyp", 4}, ERR_UNSUPPORTED, "an MPEG-4 film or recording"},
    {0, {"\0\0\1\xba", 4}, ERR_UNSUPPORTED, "an MPEG film"},
    {0, {"MThd", 4}, ERR_UNSUPPORTED, "a MIDI file"},
    {0,
     {"\x7f"
      "ELF",
      4},
     ERR_UNSUPPORTED,
     "a program"},
    {0, {"\xca\xfe\xba\xbe", 4}, ERR_UNSUPPORTED, "a program"},
    {0, {"\0asm", 4}, ERR_UNSUPPORTED, "a program"},
    {0, {"SQLite format 3\0", 16}, ERR_UNSUPPORTED, "a SQLite database"},
    {0, {"PAR1", 4}, ERR_UNSUPPORTED, "a Parquet table"},
    {0, {"OTTO", 4}, ERR_UNSUPPORTED, "a font"},
    {0, {"\0\1\0\0\0", 5}, ERR_UNSUPPORTED, "a font"},
    {0, {"wOF", 3}, ERR_UNSUPPORTED, "a font"},
};

static struct sniffed unread(enum error_code code, const char *what)
{
    return (struct sniffed){FORMAT_UNKNOWN, code, what};
}

static struct sniffed readable(enum format format)
{
    return (struct sniffed){.format = format};
}

static bool is_at(struct text body, size_t at, struct text magic)
{
    return text_starts_with(text_slice(body, at, body.bytes), magic);
}

/* Magic of two letters: texts begin with them too, but hold no zeros. */
static bool begins_binary(struct text body, struct text letters)
{
    return is_at(body, 0, letters) && body.bytes >= 64 && memchr(body.start, 0, 64);
}

/* ---- containers ------------------------------------------------------------------------------ */

/* What wears a password is wrapped into Microsoft's old container whole. */
static struct sniffed sniff_compound(struct text body)
{
    static const struct text name = {"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0", 32};
    size_t at;
    if (text_find(body, name, &at))
        return unread(ERR_PASSWORD, "an Office document with a password");
    return unread(ERR_OFFICE, "an old Office document");
}

static struct sniffed sniff_open_document(struct text type)
{
    static const struct text common = {"application/vnd.oasis.opendocument.", 35};
    if (text_equal(type, TEXT("application/epub+zip")))
        return unread(ERR_UNSUPPORTED, "an EPUB book");
    struct text kind = text_slice(type, common.bytes, type.bytes);
    if (!text_starts_with(type, common))
        return unread(ERR_ARCHIVE, "a zip archive");
    if (text_starts_with(kind, TEXT("text")))
        return readable(FORMAT_ODT);
    if (text_starts_with(kind, TEXT("spreadsheet")))
        return unread(ERR_OFFICE, "an OpenDocument spreadsheet");
    if (text_starts_with(kind, TEXT("presentation")))
        return unread(ERR_OFFICE, "an OpenDocument presentation");
    return unread(ERR_OFFICE, "an OpenDocument file");
}

/* One that is cut off has lost its directory, that of a bomb is not believed: the first member still
 * tells what it was meant to be, and its reader says what is wrong. */
static struct sniffed sniff_zip(struct text body)
{
    struct zip zip;
    struct error err;
    struct text name, content;
    bool is_peeked = zip_peek(body, &name, &content);
    if (is_peeked && text_equal(name, TEXT("mimetype")))
        return sniff_open_document(content);
    bool is_whole = zip_open(body, &zip, &err);
    bool is_office = is_peeked && (text_equal(name, TEXT("[Content_Types].xml")) ||
                                   text_starts_with(name, TEXT("_rels/")) ||
                                   text_starts_with(name, TEXT("word/")));
    if (is_whole ? zip_has_folder(&zip, TEXT("word/")) : is_office)
        return readable(FORMAT_DOCX);
    if (is_whole && zip_has_folder(&zip, TEXT("xl/")))
        return unread(ERR_OFFICE, "an Excel workbook");
    if (is_whole && zip_has_folder(&zip, TEXT("ppt/")))
        return unread(ERR_OFFICE, "a PowerPoint presentation");
    if (is_whole && zip_has_folder(&zip, TEXT("Index/")))
        return unread(ERR_OFFICE, "an Apple iWork document");
    return unread(ERR_ARCHIVE, "a zip archive");
}

/* ---- kinds of text --------------------------------------------------------------------------- */

/* The letters of the beginning, of wide ones the half that is ASCII's. */
static struct text sample_of(struct text body, char sample[static TEXT_SAMPLE_BYTES])
{
    size_t count = 0;
    for (size_t i = 0; i < body.bytes && count < TEXT_SAMPLE_BYTES; i++) {
        uint8_t c = (uint8_t)body.start[i];
        bool is_mark = i < 4 && (c >= 0xfe || c == 0xef || c == 0xbb || c == 0xbf);
        if (c && !is_mark)
            sample[count++] = body.start[i];
    }
    return (struct text){sample, count};
}

static bool skip_to(struct text *text, struct text word)
{
    size_t at;
    if (!text_find(*text, word, &at))
        return false;
    *text = text_slice(*text, at + word.bytes, text->bytes);
    return true;
}

/* What stands before the first element: declarations and comments. */
static struct text skip_prologue(struct text sample)
{
    for (;;) {
        sample = text_trim(sample);
        bool is_comment = text_starts_with(sample, TEXT("<!--"));
        bool is_declaration = text_starts_with(sample, TEXT("<?"));
        if (!is_comment && !is_declaration)
            return sample;
        if (!skip_to(&sample, is_comment ? TEXT("-->") : TEXT("?>")))
            return TEXT_NONE;
    }
}

static bool begins_with_tag(struct text sample, const char *const *tags, size_t tag_count)
{
    for (size_t i = 0; i < tag_count; i++) {
        struct text tag = text_from(tags[i]);
        char after = tag.bytes < sample.bytes ? sample.start[tag.bytes] : '>';
        if (text_equal_nocase(text_slice(sample, 0, tag.bytes), tag) && strchr(" \t\r\n>/", after))
            return true;
    }
    return false;
}

static bool is_html(struct text sample)
{
    static const char *const tags[] = {"<!doctype html", "<html", "<head", "<body",  "<title",
                                       "<script",        "<meta", "<div",  "<table", "<h1",
                                       "<style",         "<p",    "<link"};
    return begins_with_tag(skip_prologue(sample), tags, COUNT_OF(tags));
}

static bool is_svg(struct text sample)
{
    static const char *const tags[] = {"<svg", "<!doctype svg"};
    return begins_with_tag(skip_prologue(sample), tags, COUNT_OF(tags));
}

/* Its parts would be taken for words: most of them are base64. */
static bool is_mail(struct text sample)
{
    static const char *const fields[] = {"Received:",   "Return-Path:",  "From:", "From ",
                                         "Subject:",    "To:",           "Date:", "MIME-Version:",
                                         "Message-ID:", "Delivered-To:", "X-"};
    size_t at;
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (text_starts_with(sample, text_from(fields[i])))
            return text_find(sample, TEXT("\nContent-Type:"), &at) ||
                   text_find(sample, TEXT("\nMIME-Version:"), &at);
    return false;
}

enum sign { SIGN_HEADING = 1, SIGN_FENCE = 2, SIGN_LINK = 4, SIGN_EMPHASIS = 8, SIGN_TABLE = 16 };

static unsigned signs_of_line(struct text line)
{
    size_t level = 0, at;
    while (level < line.bytes && line.start[level] == '#')
        level++;
    bool is_heading = level >= 1 && level <= 6 && level < line.bytes && line.start[level] == ' ';
    return (is_heading ? SIGN_HEADING : 0u) |
           (text_starts_with(line, TEXT("```")) ? SIGN_FENCE : 0u) |
           (text_find(line, TEXT("]("), &at) ? SIGN_LINK : 0u) |
           (text_find(line, TEXT("**"), &at) ? SIGN_EMPHASIS : 0u) |
           (text_starts_with(line, TEXT("|--")) || text_starts_with(line, TEXT("| --")) ? SIGN_TABLE
                                                                                        : 0u);
}

/* Two different signs: scripts have headings of a kind, but neither links nor fences. */
static bool looks_like_markdown(struct text sample)
{
    unsigned signs = 0;
    if (text_starts_with(sample, TEXT("#!")))
        return false;
    while (sample.bytes)
        signs |= signs_of_line(text_cut(sample, '\n', &sample));
    return (signs & (signs - 1)) != 0 && (signs & (SIGN_HEADING | SIGN_FENCE | SIGN_LINK));
}

static struct sniffed sniff_text(struct text body, enum format named)
{
    char letters[TEXT_SAMPLE_BYTES];
    struct text sample = text_trim(sample_of(body, letters));
    if (is_mail(sample))
        return unread(ERR_UNSUPPORTED, "an e-mail message");
    if (is_svg(sample))
        return unread(ERR_IMAGE, "an SVG image");
    if (named == FORMAT_MARKDOWN) /* may begin with HTML */
        return readable(FORMAT_MARKDOWN);
    if (is_html(sample) || named == FORMAT_HTML)
        return readable(FORMAT_HTML);
    if (named != FORMAT_PLAIN && looks_like_markdown(sample))
        return readable(FORMAT_MARKDOWN);
    return readable(FORMAT_PLAIN);
}

/* Behind other bytes, as mail and web servers leave them, the words may also be a text's own. And
 * poppler reads files that have lost their first line, so the name is believed where there are
 * objects. */
static bool is_pdf(struct text body, enum format named)
{
    struct text head = text_slice(body, 0, PDF_WITHIN_BYTES);
    size_t at, object_at;
    bool has_magic = text_find(head, TEXT("%PDF-"), &at);
    bool has_object =
        text_find(text_slice(body, 0, PDF_OBJECT_WITHIN_BYTES), TEXT(" obj"), &object_at);
    if (has_magic)
        return at == 0 || has_object || !charset_is_text(body);
    return named == FORMAT_PDF && has_object;
}

/* ---- public ---------------------------------------------------------------------------------- */

struct sniffed sniff(struct text body, enum format named)
{
    if (is_pdf(body, named))
        return readable(FORMAT_PDF);
    if (is_at(body, 0, TEXT("PK\3\4")) || is_at(body, 0, TEXT("PK\5\6")))
        return sniff_zip(body);
    if (is_at(body, 0, (struct text){"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8}))
        return sniff_compound(body);
    for (size_t i = 0; i < COUNT_OF(MAGICS); i++)
        if (is_at(body, MAGICS[i].at, MAGICS[i].magic))
            return unread(MAGICS[i].code, MAGICS[i].what);
    if (begins_binary(body, TEXT("BM")))
        return unread(ERR_IMAGE, "a BMP image");
    if (begins_binary(body, TEXT("MZ")))
        return unread(ERR_UNSUPPORTED, "a program");
    if (charset_is_text(body))
        return sniff_text(body, named);
    if (named == FORMAT_PDF) /* the upload went wrong: somebody has to know */
        return unread(ERR_NOT_PDF, "binary data of an unknown kind");
    return unread(ERR_UNSUPPORTED, "binary data of an unknown kind");
}
