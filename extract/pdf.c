#include "extract/pdf.h"

#include <poppler.h>

#include "extract/clean.h"
#include "extract/fonts.h"
#include "extract/joined.h"
#include "extract/pdf_private.h"
#include "worker/base/memory.h"

#define TRAILER_WITHIN_BYTES (64 << 10)
#define FAR_POINTS 1e5       /* further out than any page: the largest is 14,400 */
#define GARBLED_CHARS_MIN 16 /* fewer characters prove nothing */
#define GARBLED_PERCENT 30

struct pdf {
    struct reader reader;
    PopplerDocument *document;
    struct joined prepared; /* what the document reads, where its fonts were worth it */
    struct buffer title;
    struct buffer page; /* clean text of the page at hand */
};

/* ---- the file -------------------------------------------------------------------------------- */

/* poppler-glib does not tell. The key stands in a trailer, which stands at one of the two ends. */
static bool names_encryption(struct text body)
{
    static const struct text key = {"/Encrypt ", 9};
    size_t at, tail = body.bytes > TRAILER_WITHIN_BYTES ? body.bytes - TRAILER_WITHIN_BYTES : 0;
    return text_find(text_slice(body, 0, TRAILER_WITHIN_BYTES), key, &at) ||
           text_find(text_slice(body, tail, body.bytes), key, &at);
}

static bool set_open_error(const GError *error, struct error *err)
{
    enum error_code code = ERR_DAMAGED;
    if (error && error->domain == POPPLER_ERROR && error->code == POPPLER_ERROR_ENCRYPTED)
        code = ERR_PASSWORD;
    return error_set(err, code, "poppler: error %d", error ? error->code : 0);
}

static PopplerDocument *open_document(struct text body, struct error *err)
{
    GError *error = NULL;
    GBytes *bytes = g_bytes_new_static(body.start, body.bytes);
    PopplerDocument *document = poppler_document_new_from_bytes(bytes, NULL, &error);
    g_bytes_unref(bytes);
    if (!document)
        set_open_error(error, err);
    g_clear_error(&error);
    return document;
}

/* The same document from a body whose fonts are ready for use; NULL: better as it is. */
static PopplerDocument *open_prepared(struct text body, int page_count, struct joined *ret_prepared)
{
    struct error err;
    struct buffer update = buffer_new(FONTS_UPDATE_BYTES_MAX);
    PopplerDocument *document = NULL;
    if (fonts_prepare(body, (uint32_t)page_count, &update) &&
        joined_map(body, buffer_text(&update), ret_prepared))
        document = open_document(ret_prepared->text, &err);
    buffer_release(&update);
    if (document && poppler_document_get_n_pages(document) == page_count)
        return document;
    if (document)
        g_object_unref(document);
    joined_unmap(ret_prepared);
    return NULL;
}

static void read_title(struct pdf *pdf)
{
    char *title = poppler_document_get_title(pdf->document);
    if (clean_line(text_from(title), WIRE_TEXT_BYTES_MAX, &pdf->title))
        pdf->reader.title = buffer_text(&pdf->title);
    g_free(title);
}

/* ---- a page ---------------------------------------------------------------------------------- */

static char *text_between(PopplerPage *page, double x1, double y1, double x2, double y2)
{
    PopplerRectangle area = {.x1 = x1, .y1 = y1, .x2 = x2, .y2 = y2};
    return poppler_page_get_text_for_area(page, &area);
}

/*
 * Not poppler_page_get_text(): it selects from the corner of the page, and loses what hangs over
 * its left or top edge. A selection also begins at the block nearest to its first corner, so that
 * pages written from the right lose text unless it begins there; which of the mirrored corners is
 * right depends on the blocks, and the longest answer is the one that lost nothing. The calls after
 * the first are cheap: poppler keeps the page's text.
 */
static char *whole_text(PopplerPage *page)
{
    char *text = text_between(page, -FAR_POINTS, -FAR_POINTS, FAR_POINTS, FAR_POINTS);
    if (!clean_has_right_to_left(text_from(text)))
        return text;
    static const double mirrored_x2[] = {-FAR_POINTS, FAR_POINTS};
    for (size_t i = 0; i < COUNT_OF(mirrored_x2); i++) {
        char *other = text_between(page, FAR_POINTS, -FAR_POINTS, mirrored_x2[i], FAR_POINTS);
        if (text_from(other).bytes > text_from(text).bytes) {
            char *shorter = text;
            text = other;
            other = shorter;
        }
        g_free(other);
    }
    return text;
}

static uint32_t flags_of(const struct clean_figures *figures)
{
    uint32_t flags = 0;
    if (figures->right_to_left_count > figures->left_to_right_count)
        flags |= PAGE_IS_RIGHT_TO_LEFT;
    if (figures->char_count >= GARBLED_CHARS_MIN &&
        figures->unusable_count * 100 > figures->char_count * GARBLED_PERCENT)
        flags |= PAGE_IS_GARBLED;
    return flags;
}

static bool read_page(struct pdf *pdf, struct reader_block *block, uint32_t number,
                      struct error *err)
{
    PopplerPage *poppler_page = poppler_document_get_page(pdf->document, (int)number - 1);
    if (!poppler_page) /* counted, but not to be found: there is no text to lose */
        return true;
    char *raw = whole_text(poppler_page);
    struct clean_figures figures;
    buffer_clear(&pdf->page);
    pdf->page.bytes_max = block->page_text_bytes_max;
    bool fits = clean_text(text_from(raw), &pdf->page, &figures);
    g_free(raw);
    g_object_unref(poppler_page);
    if (!fits)
        return error_set(err, ERR_TEXT_MAX, "page %u has more text than allowed", number);
    struct page page = {
        .number = number, .flags = flags_of(&figures), .text = buffer_text(&pdf->page)};
    return reader_add_page(block, &page, err);
}

static bool read_block(struct reader *reader, struct reader_block *block, struct error *err)
{
    struct pdf *pdf = container_of(reader, struct pdf, reader);
    for (uint32_t number = block->page_first; number <= block->page_last; number++)
        if (reader_enter_page(block, number) && !read_page(pdf, block, number, err))
            return false;
    return true;
}

/* ---- public ---------------------------------------------------------------------------------- */

static void close_pdf(struct reader *reader)
{
    struct pdf *pdf = container_of(reader, struct pdf, reader);
    g_object_unref(pdf->document);
    joined_unmap(&pdf->prepared);
    buffer_release(&pdf->title);
    buffer_release(&pdf->page);
    xfree(pdf);
}

void *pdf_document(const struct reader *reader)
{
    return container_of(reader, struct pdf, reader)->document;
}

struct reader *pdf_open(struct text body, struct error *err)
{
    PopplerDocument *document = open_document(body, err);
    if (!document)
        return NULL;
    int page_count = poppler_document_get_n_pages(document);
    if (page_count <= 0) {
        g_object_unref(document);
        error_set(err, ERR_DAMAGED, "no pages can be found");
        return NULL;
    }
    struct pdf *pdf = xcalloc(1, sizeof(*pdf));
    PopplerDocument *prepared = open_prepared(body, page_count, &pdf->prepared);
    if (prepared)
        g_object_unref(document);
    pdf->document = prepared ? prepared : document;
    pdf->title = buffer_new(4 * WIRE_TEXT_BYTES_MAX);
    pdf->page = buffer_new(0); /* its limit is the block's */
    pdf->reader = (struct reader){
        .page_count = (uint32_t)page_count,
        .is_encrypted = names_encryption(body),
        .mime_type = TEXT("application/pdf"),
        .read = read_block,
        .close = close_pdf,
    };
    read_title(pdf);
    return &pdf->reader;
}
