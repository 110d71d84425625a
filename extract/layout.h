/*
 * layout.h - the characters of a page and their places in, its lines in reading order out. Pure.
 *
 * poppler orders the blocks of a page from its top left corner, which is wrong wherever columns
 * begin at different heights. Where a gutter that few lines cross has columns of text on both
 * sides, the lines between two crossing ones are read column by column; everything else stays in
 * poppler's order. No character is lost or made: the lines hold all of the text but its newlines and
 * its bidi marks, and a space where those were the only thing between two words.
 * Work is n log n in the lines, memory linear in the text.
 * Owns:   a page's lines and a copy of its text, until layout_release().
 * Thread: any, one at a time.
 */
#ifndef EXTRACT_LAYOUT_H
#define EXTRACT_LAYOUT_H

#include "worker/base/buffer.h"

/* More characters are no page that somebody reads: such a page keeps its lines as they are. */
#define LAYOUT_GLYPHS_MAX ((size_t)200000)

struct layout_box { /* points from the page's top left corner, y grows downwards */
    float x1, y1, x2, y2;
};

/* One for each code point of a page's text but the bidi marks: spaces and newlines too. */
struct layout_glyph {
    struct layout_box box;
    float font_size; /* points, 0: unknown */
    bool is_bold;
    bool is_hidden; /* white, or too small to be read */
};

struct layout_line {
    uint32_t byte_start, byte_end; /* of the page's text, without the newline */
    uint32_t char_count;           /* without white space */
    struct layout_box box;
    float base;             /* the lower end of most of its characters: formulas reach further */
    float font_size;        /* of most of its characters */
    float first_word_width; /* what the line before had no room for, if it was wrapped */
    bool is_bold;           /* most of it */
    bool is_furniture;      /* furniture.h: a running head or foot, not to be read again */
    uint32_t row;           /* table.h: cells of one row have the same number; 0: no table */
};

struct layout_page {
    float width, height;
    bool has_boxes;         /* false: the places are not known, or make no sense */
    bool is_right_to_left;  /* x grows to the left, from the page's right edge */
    bool is_picture;        /* set by the caller: an image, with hardly any text */
    uint32_t hidden_count;  /* characters */
    uint32_t gutters_found; /* columns were put in order so often */
    struct buffer text;
    struct layout_line *lines; /* in reading order; empty ones are left out */
    size_t line_count;
};

/* page: width, height and is_right_to_left are set, the rest is zero. Text is valid UTF-8 below
 * 4 GiB. Takes glyphs that do not match the text for none at all. Boxes may be any numbers. */
void layout_read(struct layout_page *page, struct text text, const struct layout_glyph *glyphs,
                 size_t glyph_count);
/* Puts the lines into reading order. */
void layout_order(struct layout_page *page);
void layout_release(struct layout_page *page); /* zero again afterwards */

size_t layout_char_count(const struct layout_page *page); /* without white space */
struct text layout_line_text(const struct layout_page *page, const struct layout_line *line);

#endif
