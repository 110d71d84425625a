/*
 * operators.h - what the operators are for that draw a page, as far as text is concerned.
 *
 * Owns:   nothing. Thread: any. Pure.
 */
#ifndef EXTRACT_OPERATORS_H
#define EXTRACT_OPERATORS_H

#include "worker/base/text.h"

enum operator_kind {
    OPERATOR_UNKNOWN,
    OPERATOR_DRAWING, /* paths, shadings, how lines look: no text comes of them */
    OPERATOR_FILL,    /* the colour of areas, and of letters */
    OPERATOR_STROKE,  /* the colour of lines, and of the outlines of letters */
    OPERATOR_SAVE,
    OPERATOR_RESTORE,
    OPERATOR_PLACE, /* where things are: of no use when nothing is drawn there */
    OPERATOR_BEGIN_TEXT,
    OPERATOR_END_TEXT,
    OPERATOR_TEXT,         /* how and where letters are */
    OPERATOR_TEXT_OUTLINE, /* whether they are areas or outlines */
    OPERATOR_SHOW,
    OPERATOR_OTHER, /* may use both colours, and set them */
};

struct operator
{
    enum operator_kind kind;
    uint32_t operands_min; /* with fewer of them poppler reads no further */
};

struct operator operators_find(struct text name);

#endif
