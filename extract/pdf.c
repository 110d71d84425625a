#include "extract/pdf.h"

#include <poppler.h>

#include "extract/clean.h"
#include "extract/pdf_private.h"
#include "worker/base/memory.h"
#include "worker/model/chunk.h"

#define MAGIC_WITHIN_BYTES 1024 /* ISO 32000-1, annex H.3.4.1 */
#define TRAILER_WITHIN_BYTES (64 << 10)
#define FAR_POINTS 1e5       /* further out than any page: the largest is 14,400 */
#define GARBLED_CHARS_MIN 16 /* fewer characters prove nothing */
#define GARBLED_PERCENT 30
#define TITLE_BYTES_MAX 1024

struct pdf {
    PopplerDocument *document;
    uint32_t page_count;
    bool is_encrypted;
};

/* ---- the file -------------------------------------------------------------------------------- */

static bool has_magic(struct text body)
{
    size_t at;
    return text_find(text_slice(body, 0, MAGIC_WITHIN_BYTES), TEXT("%PDF-"), &at);
}

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

struct pdf *pdf_open(struct text body, struct error *err)
{
    if (!has_magic(body)) {
        error_set(err, ERR_NOT_PDF, "no %%PDF- within the first %d bytes", MAGIC_WITHIN_BYTES);
        return NULL;
    }
    GError *error = NULL;
    GBytes *bytes = g_bytes_new_static(body.start, body.bytes);
    PopplerDocument *document = poppler_document_new_from_bytes(bytes, NULL, &error);
    g_bytes_unref(bytes);
    if (!document) {
        set_open_error(error, err);
        g_clear_error(&error);
        return NULL;
    }
    int page_count = poppler_document_get_n_pages(document);
    if (page_count <= 0) {
        g_object_unref(document);
        error_set(err, ERR_DAMAGED, "no pages can be found");
        return NULL;
    }
    struct pdf *pdf = xcalloc(1, sizeof(*pdf));
    *pdf = (struct pdf){document, (uint32_t)page_count, names_encryption(body)};
    return pdf;
}

void pdf_close(struct pdf *pdf)
{
    if (!pdf)
        return;
    g_object_unref(pdf->document);
    xfree(pdf);
}

uint32_t pdf_page_count(const struct pdf *pdf)
{
    return pdf->page_count;
}

bool pdf_is_encrypted(const struct pdf *pdf)
{
    return pdf->is_encrypted;
}

void *pdf_document(const struct pdf *pdf)
{
    return pdf->document;
}

void pdf_title(const struct pdf *pdf, struct buffer *out)
{
    char *title = poppler_document_get_title(pdf->document);
    if (!clean_line(text_from(title), TITLE_BYTES_MAX, out))
        out->is_full = false; /* there is less room than a title may take: it has none */
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

static uint32_t flags_of(size_t text_bytes, const struct clean_figures *figures)
{
    uint32_t flags = 0;
    if (text_bytes == 0)
        flags |= PAGE_HAS_NO_TEXT;
    if (figures->right_to_left_count > figures->left_to_right_count)
        flags |= PAGE_IS_RIGHT_TO_LEFT;
    if (figures->char_count >= GARBLED_CHARS_MIN &&
        figures->unusable_count * 100 > figures->char_count * GARBLED_PERCENT)
        flags |= PAGE_IS_GARBLED;
    return flags;
}

bool pdf_page(struct pdf *pdf, uint32_t number, struct buffer *out, uint32_t *ret_flags,
              struct error *err)
{
    size_t start = out->bytes;
    PopplerPage *page = poppler_document_get_page(pdf->document, (int)number - 1);
    if (!page) { /* counted, but not to be found: there is no text to lose */
        *ret_flags = PAGE_HAS_NO_TEXT;
        return true;
    }
    char *raw = whole_text(page);
    struct clean_figures figures;
    bool fits = clean_text(text_from(raw), out, &figures);
    g_free(raw);
    g_object_unref(page);
    if (!fits)
        return error_set(err, ERR_TEXT_MAX, "page %u has more text than allowed", number);
    *ret_flags = flags_of(out->bytes - start, &figures);
    return true;
}
