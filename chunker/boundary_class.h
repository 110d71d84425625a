/*
 * boundary_class.h - what a character is to the end of a sentence (UAX 29, Sentence_Break). Pure.
 *
 * Thread: any.
 */
#ifndef CHUNKER_BOUNDARY_CLASS_H
#define CHUNKER_BOUNDARY_CLASS_H

#include "worker/base/text.h"

enum boundary_class {
    CLASS_OTHER,
    CLASS_EXTEND, /* marks and formats: part of the character before */
    CLASS_BREAK,  /* separates lines and paragraphs */
    CLASS_SPACE,
    CLASS_LOWER,
    CLASS_UPPER,
    CLASS_LETTER, /* without case */
    CLASS_DIGIT,
    CLASS_DOT,      /* a full stop that may be something else: "3.4", "Dr." */
    CLASS_STOP,     /* ends a sentence, in whatever script */
    CLASS_CLOSE,    /* quotes and brackets */
    CLASS_CONTINUE, /* commas, colons, dashes */
};

/* Of the character at a place of valid UTF-8; its bytes. */
enum boundary_class boundary_class_at(struct text text, size_t at, size_t *ret_bytes);

#endif
