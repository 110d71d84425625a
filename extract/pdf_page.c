#include <poppler.h>
#include <string.h>

#include "extract/clean.h"
#include "extract/pdf_private.h"
#include "worker/base/memory.h"

#define FAR_POINTS 1e5   /* further out than any page: the largest is 14,400 */
#define LEGIBLE_POINTS 2 /* smaller letters are not there to be read */
#define PICTURE_CHARS_MAX 16
#define WHITE 0xfa00 /* of 0xffff, in all three colours */

/* ---- text ------------------------------------------------------------------------------------ */

static char *text_between(PopplerPage *page, PopplerRectangle area)
{
    return poppler_page_get_text_for_area(page, &area);
}

/*
 * Not poppler_page_get_text(): it selects from the corner of the page, and loses what hangs over
 * its left or top edge. A selection also begins at the block nearest to its first corner, so that
 * pages written from the right lose text unless it begins there; which of the mirrored corners is
 * right depends on the blocks, and the longest answer is the one that lost nothing. On such a page
 * that is turned upside down the first answer is empty. The calls after the first are cheap: poppler
 * keeps the page's text.
 */
static char *whole_text(PopplerPage *page, PopplerRectangle *ret_area)
{
    static const PopplerRectangle areas[] = {
        {.x1 = -FAR_POINTS, .y1 = -FAR_POINTS, .x2 = FAR_POINTS, .y2 = FAR_POINTS},
        {.x1 = FAR_POINTS, .y1 = -FAR_POINTS, .x2 = -FAR_POINTS, .y2 = FAR_POINTS},
        {.x1 = FAR_POINTS, .y1 = -FAR_POINTS, .x2 = FAR_POINTS, .y2 = FAR_POINTS},
    };
    char *text = text_between(page, areas[0]);
    *ret_area = areas[0];
    if (text_from(text).bytes && !clean_has_right_to_left(text_from(text)))
        return text;
    for (size_t i = 1; i < COUNT_OF(areas); i++) {
        char *other = text_between(page, areas[i]);
        if (text_from(other).bytes > text_from(text).bytes) {
            char *shorter = text;
            text = other;
            other = shorter;
            *ret_area = areas[i];
        }
        g_free(other);
    }
    return text;
}

/* ---- places and fonts ------------------------------------------------------------------------ */

static bool is_bold_word(const char *at)
{
    static const struct text words[] = {{"bold", 4}, {"black", 5}, {"heavy", 5}, {"demi", 4},
                                        {"cmbx", 4}, {"sfbx", 4},  {"-medi", 5}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strncasecmp(at, words[i].start, words[i].bytes) == 0)
            return strncasecmp(at, "-medium", 7) != 0;
    return false;
}

static bool is_bold_font(const char *name)
{
    /* The first letters: there are thousands of runs on a page, and one to look at is rare. */
    while (name && (name = strpbrk(name, "bBhHdDcCsS-")))
        if (is_bold_word(name++))
            return true;
    return false;
}

static bool is_hidden(const PopplerTextAttributes *run)
{
    const PopplerColor *color = &run->color;
    return run->font_size < LEGIBLE_POINTS ||
           (color->red >= WHITE && color->green >= WHITE && color->blue >= WHITE);
}

/* poppler gives size, font and colour for runs of characters, by their index. */
static void set_fonts(PopplerPage *page, PopplerRectangle area, struct layout_glyph *glyphs,
                      size_t glyph_count)
{
    GList *runs = poppler_page_get_text_attributes_for_area(page, &area);
    for (const GList *item = runs; item; item = item->next) {
        const PopplerTextAttributes *run = (const PopplerTextAttributes *)item->data;
        struct layout_glyph font = {
            .font_size = (float)run->font_size,
            .is_bold = is_bold_font(run->font_name),
            .is_hidden = is_hidden(run),
        };
        for (int i = run->start_index; i >= 0 && i <= run->end_index; i++) {
            if ((size_t)i >= glyph_count)
                break;
            font.box = glyphs[i].box;
            glyphs[i] = font;
        }
    }
    poppler_page_free_text_attributes(runs);
}

/* NULL, and no glyphs, when poppler has none. */
static struct layout_glyph *read_glyphs(PopplerPage *page, PopplerRectangle area, size_t *ret_count)
{
    PopplerRectangle *boxes = NULL;
    guint count = 0;
    *ret_count = 0;
    if (!poppler_page_get_text_layout_for_area(page, &area, &boxes, &count) || count == 0)
        return NULL;
    struct layout_glyph *glyphs = xcalloc(count, sizeof(*glyphs));
    for (guint i = 0; i < count; i++)
        glyphs[i].box = (struct layout_box){(float)boxes[i].x1, (float)boxes[i].y1,
                                            (float)boxes[i].x2, (float)boxes[i].y2};
    g_free(boxes);
    set_fonts(page, area, glyphs, count);
    *ret_count = count;
    return glyphs;
}

/* ---- pictures -------------------------------------------------------------------------------- */

/* poppler reads the page again for this, so it is asked only where there is hardly any text. */
static bool is_picture(PopplerPage *page, double width, double height)
{
    double covered = 0;
    GList *images = poppler_page_get_image_mapping(page);
    for (const GList *item = images; item; item = item->next) {
        const PopplerRectangle *area = &((const PopplerImageMapping *)item->data)->area;
        covered += (area->x2 - area->x1) * (area->y2 - area->y1);
    }
    poppler_page_free_image_mapping(images);
    return covered >= width * height / 2;
}

/* ---- public ---------------------------------------------------------------------------------- */

bool pdf_page_read(const struct reader *pdf, uint32_t number, size_t text_bytes_max,
                   struct layout_page *ret_page)
{
    *ret_page = (struct layout_page){0};
    PopplerPage *page = poppler_document_get_page(pdf_document(pdf), (int)number - 1);
    if (!page) /* counted, but not to be found: there is no text to lose */
        return true;
    PopplerRectangle area;
    double width, height;
    poppler_page_get_size(page, &width, &height);
    char *text = whole_text(page, &area);
    bool fits = text_from(text).bytes <= text_bytes_max;
    if (fits) {
        size_t glyph_count = 0;
        bool has_room = text_from(text).bytes <= 4 * LAYOUT_GLYPHS_MAX;
        struct layout_glyph *glyphs = has_room ? read_glyphs(page, area, &glyph_count) : NULL;
        ret_page->width = (float)width;
        ret_page->height = (float)height;
        ret_page->is_right_to_left = clean_is_right_to_left(text_from(text));
        layout_read(ret_page, text_from(text), glyphs, glyph_count);
        ret_page->is_picture = layout_char_count(ret_page) < PICTURE_CHARS_MAX &&
                               pdf_may_have_pictures(pdf) && is_picture(page, width, height);
        xfree(glyphs);
    }
    g_free(text);
    g_object_unref(page);
    return fits;
}

void pdf_page_label(const struct reader *pdf, uint32_t number, struct buffer *label)
{
    char plain[16];
    PopplerPage *page = poppler_document_get_page(pdf_document(pdf), (int)number - 1);
    if (!page)
        return;
    char *raw = poppler_page_get_label(page);
    (void)text_format(plain, sizeof(plain), "%u", number);
    if (!text_equal(text_from(raw), text_from(plain)))
        (void)!clean_line(text_from(raw), WIRE_LABEL_BYTES_MAX, label);
    g_free(raw);
    g_object_unref(page);
}
