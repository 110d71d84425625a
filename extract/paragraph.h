/*
 * paragraph.h - was a line broken because it was full, or because the author wanted it? Pure.
 *
 * A line was wrapped when the next one's first word had no room on it. What there was room for is
 * told from its neighbours: a stack is lines below each other, at the usual distance, of one size.
 * Owns: nothing. Thread: any.
 */
#ifndef EXTRACT_PARAGRAPH_H
#define EXTRACT_PARAGRAPH_H

#include "extract/layout.h"

struct stack {
    size_t from, to; /* of the page's lines */
    float x1, x2;
    bool is_hanging; /* paragraphs begin further out than they go on */
};

enum joint {
    JOINT_ROW,      /* both stand in one row */
    JOINT_WRAPPED,  /* the sentence goes on */
    JOINT_LINE,     /* broken on purpose */
    JOINT_PARAGRAPH /* a new paragraph */
};

/* The usual distance of lines of text, in font sizes. */
float paragraph_pitch(const struct layout_page *pages, size_t page_count);
/* The stack that begins at a line. pitch: what paragraph_pitch() answered. */
struct stack paragraph_stack(const struct layout_page *page, size_t from, float pitch);
/* What is between line `at` (1 ..) and the one before it; stack: that of the one before, which may
 * end at `at`. */
enum joint paragraph_joint(const struct layout_page *page, const struct stack *stack, size_t at);

/* The text without spaces and bidi marks at its ends. */
struct text paragraph_line_text(const struct layout_page *page, size_t at);
bool paragraph_ends_sentence(struct text text);
bool paragraph_is_item(struct text text, bool is_certain); /* "• x"; when certain also "2. x" */

#endif
