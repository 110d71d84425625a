/*
 * term.h - what people see: lines that are redrawn in place, bars, tables.
 *
 * Without a terminal nothing is redrawn and there is no colour; NO_COLOR is honoured. What comes
 * from outside (file names, titles, texts) is shown without control characters.
 * Thread: any, one at a time.
 */
#ifndef WORKER_TERM_H
#define WORKER_TERM_H

#include <stdio.h>

#include "worker/base/buffer.h"

enum term_style { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_GOOD, TERM_BAD, TERM_WARN };

struct term {
    FILE *out;
    bool is_terminal, has_colour;
    unsigned drawn_lines; /* that term_redraw() goes back over */
};

struct term term_on(FILE *out, bool no_color);
unsigned term_columns(const struct term *term); /* 80 where nobody says */
unsigned term_rows(const struct term *term);    /* 24 */
/* The rows that lines take on a terminal of so many columns. */
unsigned term_rows_of(struct text lines, unsigned columns);
void term_write(FILE *out, struct text text); /* at once */
/* Replaces what the last call drew; lines end in '\n'. */
void term_redraw(struct term *term, struct text lines);
void term_keep(struct term *term); /* what is drawn stays; the next redraw begins below it */

void term_append(struct buffer *out, const struct term *term, enum term_style style,
                 struct text text);
/* Text from outside: one line, no controls, cut to columns_max with an ellipsis. */
void term_append_foreign(struct buffer *out, struct text text, size_t columns_max);
/* [#######.....] of the given width. */
void term_append_bar(struct buffer *out, uint64_t done, uint64_t total, unsigned columns);
/* 12,345 */
void term_append_count(struct buffer *out, uint64_t count);
/* 12.3 MB, in powers of 1000 */
void term_append_bytes(struct buffer *out, uint64_t bytes);

/* Words up to the last column, and a line break; the first one stands at `column`, the other lines
 * begin at `indent`. */
struct term_fold {
    size_t columns, column, indent;
};
void term_append_folded(struct buffer *out, struct text words, struct term_fold fold);

/* Rows of cells; the first row is the head. Columns are as wide as their widest cell; those named
 * in right_aligned (bit i) are numbers. */
struct term_table {
    size_t column_count;
    uint32_t right_aligned;
    char **cells; /* row after row, owned */
    size_t cell_count;
};
void term_table_add(struct term_table *table, struct text cell);
void term_table_append(const struct term_table *table, const struct term *term, struct buffer *out);
void term_table_print(const struct term_table *table, struct term *term);
void term_table_release(struct term_table *table);

#endif
