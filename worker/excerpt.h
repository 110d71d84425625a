/*
 * excerpt.h - the stretch of a text that answers a question best, and where its words are. Pure.
 *
 * Words are compared without case, long ones by their stem ("mills" finds "milling"); each
 * ideograph is a word of its own. Columns are those of a terminal: ideographs take two.
 * Owns:   nothing; all texts are borrowed from the caller's. Text is valid UTF-8.
 * Thread: any.
 */
#ifndef WORKER_EXCERPT_H
#define WORKER_EXCERPT_H

#include "worker/base/buffer.h"

#define EXCERPT_WORDS_MAX 32

struct excerpt_words { /* of a question: those worth looking for, each once */
    struct text words[EXCERPT_WORDS_MAX];
    size_t count;
};

struct excerpt_piece { /* a word, one space or U+000C, or one character of punctuation */
    struct text text;
    size_t columns;
    bool is_word, is_space;
    bool may_break_before; /* a line may end here: after a space, between ideographs */
};

struct excerpt_words excerpt_words_of(struct text question);
bool excerpt_is_wanted(const struct excerpt_words *words, struct text word);
/* Appends text as one line: white space becomes one space, controls vanish; U+000C, which parts
 * pages, stays. */
void excerpt_flatten(struct buffer *out, struct text text);
/* False at the end. *at begins at 0. */
bool excerpt_next(struct text flat, size_t *at, struct excerpt_piece *ret_piece);
/* At most columns_max columns of a flattened text, cut between words, around most of the words;
 * it begins where a sentence does when one begins near. */
struct text excerpt_find(struct text flat, const struct excerpt_words *words, size_t columns_max);
/* How many pages begin between flat's start and the first wanted word of its part; false: there is
 * no such word. */
bool excerpt_page(struct text flat, struct text part, const struct excerpt_words *words,
                  uint32_t *ret_pages) MUST_CHECK;
/* The columns of what must stay together on a line from at on. */
size_t excerpt_unit_columns(struct text flat, size_t at);

#endif
