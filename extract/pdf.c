#include "extract/pdf.h"

#include <poppler.h>
#include <stdlib.h>

#include "extract/block.h"
#include "extract/clean.h"
#include "extract/fonts.h"
#include "extract/joined.h"
#include "extract/notes.h"
#include "extract/pdf_forms.h"
#include "extract/pdf_outline.h"
#include "extract/pdf_private.h"
#include "worker/base/memory.h"

#define TRAILER_WITHIN_BYTES (64 << 10)
#define TITLE_LEVELS 6
#define OUTLINE_ITEMS_MIN 3 /* fewer are no table of contents */
#define HIDDEN_CHARS_MIN 32 /* fewer are a white number on a dark button */

struct pdf {
    struct reader reader;
    PopplerDocument *document;
    struct joined prepared; /* what the document reads, where its fonts were worth it */
    bool may_have_notes;    /* forms, remarks */
    bool may_have_pictures;
    struct buffer title;
    struct layout_page pages[WIRE_BLOCK_PAGES]; /* of the block at hand */
    struct buffer text, marks, label;           /* of the page at hand */
    bool has_outline;                           /* it was read; an empty one too */
    struct pdf_outline outline;
    struct block_title *titles; /* as many as the outline has */
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

/* The dictionary of a stream stands in the clear. A picture within a page's own instructions is not
 * seen here, and is small by the standard's advice. */
static bool names_pictures(struct text body)
{
    size_t at;
    return text_find(body, TEXT("/Subtype/Image"), &at) ||
           text_find(body, TEXT("/Subtype /Image"), &at);
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

/* A body in which the fonts are ready; none: better as it is. */
static struct text prepare(struct text body, int page_count, struct joined *ret_prepared)
{
    if (page_count < FONTS_PAGES_MIN || !joined_map(body, FONTS_UPDATE_BYTES_MAX, ret_prepared))
        return TEXT_NONE;
    return fonts_prepare(body, (uint32_t)page_count, &ret_prepared->tail)
               ? joined_text(ret_prepared)
               : TEXT_NONE;
}

/* Takes the document, and answers the same one, whose fonts are ready if that is of use. There are
 * never two of them in memory. NULL: it can be opened once only. */
static PopplerDocument *open_prepared(PopplerDocument *document, struct text body,
                                      struct joined *ret_prepared, struct error *err)
{
    int page_count = poppler_document_get_n_pages(document);
    struct text prepared = prepare(body, page_count, ret_prepared);
    if (prepared.bytes) {
        g_object_unref(document);
        document = open_document(prepared, err);
        if (document && poppler_document_get_n_pages(document) == page_count)
            return document;
        g_clear_object(&document);
        document = open_document(body, err);
    }
    joined_unmap(ret_prepared);
    return document;
}

static void read_title(struct pdf *pdf)
{
    char *title = poppler_document_get_title(pdf->document);
    if (clean_line(text_from(title), WIRE_TEXT_BYTES_MAX, &pdf->title))
        pdf->reader.title = buffer_text(&pdf->title);
    g_free(title);
}

/* ---- a block --------------------------------------------------------------------------------- */

static uint32_t flags_of(const struct layout_page *page, const struct clean_figures *figures)
{
    uint32_t flags = clean_page_flags(figures);
    if (page->hidden_count >= HIDDEN_CHARS_MIN)
        flags |= PAGE_HAS_HIDDEN_TEXT;
    if (page->is_picture)
        flags |= PAGE_IS_PICTURE;
    return flags;
}

/* Noise is of no use to anybody, and costs as much as text. */
static bool add_page(struct pdf *pdf, struct reader_block *block, uint32_t number,
                     const struct block *studied, struct error *err)
{
    uint32_t at = number - block->page_first;
    struct clean_figures figures;
    buffer_clear(&pdf->text);
    buffer_clear(&pdf->marks);
    buffer_clear(&pdf->label);
    pdf->text.bytes_max = block->page_text_bytes_max;
    if (!block_write(studied, at, &pdf->text, &pdf->marks, &figures))
        return error_set(err, ERR_TEXT_MAX, "page %u has more text than allowed", number);
    struct page page = {.number = number, .flags = flags_of(&pdf->pages[at], &figures)};
    if (page.flags & PAGE_IS_GARBLED) {
        buffer_clear(&pdf->text);
        buffer_clear(&pdf->marks);
    }
    if (pdf->may_have_notes)
        pdf_forms_append(&pdf->reader, number, &pdf->text);
    pdf_page_label(&pdf->reader, number, &pdf->label);
    page.text = buffer_text(&pdf->text);
    page.label = buffer_text(&pdf->label);
    page.marks = (const struct mark *)(const void *)pdf->marks.data;
    page.mark_count = pdf->marks.bytes / sizeof(*page.marks);
    return reader_add_page(block, &page, err);
}

static int compare_titles(const void *a, const void *b)
{
    const struct block_title *first = a, *second = b;
    if (first->page != second->page)
        return first->page < second->page ? -1 : 1;
    return first->title.start < second->title.start ? -1 : first->title.start > second->title.start;
}

/* What the outline names on the pages of this block, by page. */
static void find_titles(struct pdf *pdf, const struct reader_block *block, struct block *studied)
{
    const struct pdf_outline *outline = &pdf->outline;
    if (!pdf->has_outline) {
        pdf->has_outline = true; /* read once, and only where pages are read */
        pdf->outline = pdf_outline_read(&pdf->reader);
        pdf->titles = xcalloc(outline->item_count + 1, sizeof(*pdf->titles));
    }
    size_t count = 0;
    for (size_t i = 0; i < outline->item_count; i++) {
        const struct pdf_outline_item *item = &outline->items[i];
        if (item->page < block->page_first || item->page > block->page_last)
            continue;
        pdf->titles[count++] = (struct block_title){
            .title = item->title,
            .page = item->page - block->page_first,
            .level = (uint8_t)(item->depth < TITLE_LEVELS ? item->depth : TITLE_LEVELS),
        };
    }
    qsort(pdf->titles, count, sizeof(*pdf->titles), compare_titles);
    studied->titles = pdf->titles;
    studied->title_count = count;
    studied->has_outline = outline->item_count >= OUTLINE_ITEMS_MIN;
}

static bool read_pages(struct pdf *pdf, struct reader_block *block, struct error *err)
{
    for (uint32_t number = block->page_first; number <= block->page_last; number++)
        if (reader_enter_page(block, number) &&
            !pdf_page_read(&pdf->reader, number, block->page_text_bytes_max,
                           &pdf->pages[number - block->page_first]))
            return error_set(err, ERR_TEXT_MAX, "page %u has more text than allowed", number);
    struct block studied = {.pages = pdf->pages,
                            .page_count = block->page_last - block->page_first + 1};
    bool is_added = true;
    find_titles(pdf, block, &studied);
    block_study(&studied);
    for (uint32_t number = block->page_first; is_added && number <= block->page_last; number++)
        if (reader_enter_page(block, number))
            is_added = add_page(pdf, block, number, &studied, err);
    block_release(&studied);
    return is_added;
}

static void forget_pages(struct pdf *pdf)
{
    for (size_t i = 0; i < COUNT_OF(pdf->pages); i++)
        layout_release(&pdf->pages[i]);
    joined_forget(&pdf->prepared);
}

static bool read_block(struct reader *reader, struct reader_block *block, struct error *err)
{
    struct pdf *pdf = container_of(reader, struct pdf, reader);
    bool is_read = read_pages(pdf, block, err);
    forget_pages(pdf);
    return is_read;
}

/* ---- public ---------------------------------------------------------------------------------- */

static void close_pdf(struct reader *reader)
{
    struct pdf *pdf = container_of(reader, struct pdf, reader);
    g_object_unref(pdf->document);
    joined_unmap(&pdf->prepared);
    buffer_release(&pdf->title);
    buffer_release(&pdf->text);
    buffer_release(&pdf->marks);
    buffer_release(&pdf->label);
    pdf_outline_release(&pdf->outline);
    xfree(pdf->titles);
    xfree(pdf);
}

void *pdf_document(const struct reader *reader)
{
    return container_of(reader, struct pdf, reader)->document;
}

bool pdf_may_have_pictures(const struct reader *reader)
{
    return container_of(reader, struct pdf, reader)->may_have_pictures;
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
    struct joined prepared = {0};
    bool may_have_notes = notes_are_possible(body), may_have_pictures = names_pictures(body);
    document = open_prepared(document, body, &prepared, err);
    if (!document)
        return NULL;
    struct pdf *pdf = xcalloc(1, sizeof(*pdf));
    pdf->document = document;
    pdf->prepared = prepared;
    pdf->may_have_notes = may_have_notes;
    pdf->may_have_pictures = may_have_pictures;
    pdf->title = buffer_new(4 * WIRE_TEXT_BYTES_MAX);
    pdf->text = buffer_new(0); /* its limit is the block's */
    pdf->marks = buffer_new(WIRE_MARKS_MAX * sizeof(struct mark));
    pdf->label = buffer_new(4 * WIRE_LABEL_BYTES_MAX);
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
