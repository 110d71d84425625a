/*
 * syntax.h - the little of PDF's syntax that is needed to look into a file without a reader.
 *
 * Each function takes something off the front of *rest, behind white space and comments. They
 * answer false where it does not stand there; *rest is then of no use. Nothing is decoded: names
 * and strings are spans as they stand in the file.
 * Hostile bytes are welcome: work is linear in what is taken, without recursion.
 * Owns:   nothing. Thread: any. Pure.
 */
#ifndef EXTRACT_SYNTAX_H
#define EXTRACT_SYNTAX_H

#include "worker/base/text.h"

/* What a character is outside of strings: as poppler has them, which takes more for regular ones
 * than the standard does. */
enum syntax_character { SYNTAX_REGULAR, SYNTAX_SPACE, SYNTAX_DELIMITER };
extern const uint8_t SYNTAX_CHARACTERS[256];

static inline enum syntax_character syntax_character_of(char c)
{
    return (enum syntax_character)SYNTAX_CHARACTERS[(uint8_t)c];
}

bool syntax_take_u64(struct text *rest, uint64_t *ret_value) MUST_CHECK;
/* A keyword, for example "obj"; what follows it may stand close by, as in "obj<<". */
bool syntax_take_word(struct text *rest, struct text word) MUST_CHECK;
/* "12 0 obj" or "12 0 R". */
bool syntax_take_numbered(struct text *rest, struct text word, uint64_t *ret_number,
                          uint64_t *ret_generation) MUST_CHECK;
/* What stands between << and >>. */
bool syntax_take_dictionary(struct text *rest, struct text *ret_inside) MUST_CHECK;
/* An array, with its brackets. */
bool syntax_take_array(struct text *rest) MUST_CHECK;
/* One key (with its slash) and its value, from the inside of a dictionary. False at its end, and
 * where it makes no sense: *rest is empty only at the end. */
bool syntax_take_entry(struct text *rest, struct text *ret_key, struct text *ret_value) MUST_CHECK;

/* The value of a key ("/Length") of the inside of a dictionary; empty: not there, or there twice. */
struct text syntax_find(struct text inside, struct text key);

#endif
