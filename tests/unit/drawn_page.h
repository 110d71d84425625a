/* Pages written by hand: what poppler would tell of them. */
#ifndef TESTS_UNIT_DRAWN_PAGE_H
#define TESTS_UNIT_DRAWN_PAGE_H

#include "extract/layout.h"

struct drawn_page {
    struct buffer text;
    struct layout_glyph glyphs[8192];
    size_t count;
};

struct drawn_page *drawn_page_new(void);
void drawn_page_free(struct drawn_page *drawn);
/* UTF-8 in letters that are 0.6 of the size wide and as high as it; y is their upper end. */
void drawn_page_put(struct drawn_page *drawn, float x, float y, float size, const char *letters);
/* The same, with a newline behind it. */
void drawn_page_line(struct drawn_page *drawn, float x, float y, float size, const char *letters);
void drawn_page_embolden(struct drawn_page *drawn, size_t from); /* the glyphs from there on */
/* 600 x 800 points; to be released with layout_release(). */
struct layout_page drawn_page_read(const struct drawn_page *drawn, bool is_right_to_left);

#endif
