/*
 * sentence_words.h - words that say something about a full stop beside them. Pure.
 *
 * Thread: any.
 */
#ifndef CHUNKER_SENTENCE_WORDS_H
#define CHUNKER_SENTENCE_WORDS_H

#include "worker/base/text.h"

enum abbreviation {
    ABBREVIATION_NONE,
    ABBREVIATION_INSIDE,        /* "Dr.": never the last word of a sentence */
    ABBREVIATION_BEFORE_NUMBER, /* "No. 5": inside only before a number */
    ABBREVIATION_MAYBE_LAST,    /* "Co.", "Inc.": the last one when a sentence seems to begin */
};

/* Upper or lower case (ASCII) makes no difference; word without its full stop. */
enum abbreviation sentence_abbreviation(struct text word);
/* "The", "Der", "Les": a word that sentences begin with, and names do not. */
bool sentence_starter(struct text word);

#endif
