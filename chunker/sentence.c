#include "chunker/sentence.h"

#include "chunker/boundary.h"
#include "chunker/boundary_class.h"
#include "chunker/sentence_words.h"

/* What is looked at around a full stop; UAX 29 knows no limit, but linear time does. */
#define LOOKAHEAD_CHARS 64
#define WORD_BYTES_MAX 24
#define DOTS_MAX 8

/* ---- characters around a place --------------------------------------------------------------- */

static size_t skip_extends(struct text text, size_t at)
{
    size_t bytes;
    while (at < text.bytes && (uint8_t)text.start[at] >= 0x80 &&
           boundary_class_at(text, at, &bytes) == CLASS_EXTEND)
        at += bytes;
    return at;
}

/* The class at a place, marks passed over; the place behind the character and its marks. */
static enum boundary_class class_at(struct text text, size_t at, size_t *ret_next)
{
    size_t bytes;
    enum boundary_class class = boundary_class_at(text, at, &bytes);
    *ret_next = class == CLASS_BREAK ? at + bytes : skip_extends(text, at + bytes);
    return class;
}

static size_t skip_class(struct text text, size_t at, enum boundary_class class)
{
    size_t next;
    while (at < text.bytes && class_at(text, at, &next) == class)
        at = next;
    return at;
}

static size_t previous_place(struct text text, size_t at)
{
    do
        at--;
    while (at > 0 && ((uint8_t)text.start[at] & 0xc0) == 0x80);
    return at;
}

/* The class of the character before a place, marks passed over, and its start. */
static enum boundary_class class_before(struct text text, size_t at, size_t *ret_start)
{
    enum boundary_class class = CLASS_EXTEND;
    size_t bytes;
    while (at > 0 && class == CLASS_EXTEND) {
        at = previous_place(text, at);
        class = boundary_class_at(text, at, &bytes);
    }
    *ret_start = at;
    return class;
}

static bool is_letter(enum boundary_class class)
{
    return class == CLASS_LOWER || class == CLASS_UPPER || class == CLASS_LETTER;
}

static bool is_terminator(enum boundary_class class)
{
    return class == CLASS_DOT || class == CLASS_STOP;
}

/* The first word from a place on, opening quotes passed over. */
static struct text word_at(struct text text, size_t at)
{
    size_t bytes;
    at = skip_class(text, at, CLASS_CLOSE);
    size_t end = at;
    while (end < text.bytes && end - at < WORD_BYTES_MAX &&
           is_letter(boundary_class_at(text, end, &bytes)))
        end += bytes;
    return text_slice(text, at, end);
}

/* What stands before a full stop: letters, of which the degree signs of "N°" are some, or digits. */
static struct text word_before(struct text text, size_t dot, bool is_number)
{
    size_t start = dot;
    while (start > 0 && dot - start < WORD_BYTES_MAX) {
        char c = text.start[start - 1];
        bool is_ascii_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_part = is_number ? c >= '0' && c <= '9' : is_ascii_letter || (uint8_t)c >= 0x80;
        if (!is_part)
            break;
        start--;
    }
    while (start < dot &&
           (boundary_space_bytes(text, start) || ((uint8_t)text.start[start] & 0xc0) == 0x80))
        start++; /* a space that is no ASCII, or the rest of a character */
    return text_slice(text, start, dot);
}

/* ---- full stops that end nothing ------------------------------------------------------------- */

/* A list's number begins the text, a line, or a sentence, or follows a bullet. */
static bool begins_something(struct text text, size_t at)
{
    size_t start;
    while (at > 0 && boundary_class_at(text, previous_place(text, at), &start) == CLASS_SPACE)
        at = previous_place(text, at);
    if (at == 0)
        return true;
    enum boundary_class class = class_before(text, at, &start);
    return class == CLASS_BREAK || is_terminator(class) ||
           (class == CLASS_OTHER && (uint8_t)text.start[start] >= 0x80);
}

/* "[...]" leaves out words; ". . ." within a sentence does so too, a fourth dot ends it. */
static bool is_ellipsis_inside(struct text text, size_t dot, size_t closed)
{
    size_t count = 1, first = dot;
    bool is_spaced = false;
    while (first > 0 && count < DOTS_MAX) {
        size_t before = first - 1;
        bool has_space = text.start[before] == ' ' && before > 0;
        before -= has_space;
        if (text.start[before] != '.')
            break;
        is_spaced |= has_space;
        first = before;
        count++;
    }
    if (count < 3)
        return false;
    bool is_open = first > 0 && (text.start[first - 1] == '[' || text.start[first - 1] == '(');
    bool is_apart = first > 0 && text.start[first - 1] == ' ';
    return (is_open && closed > dot + 1) || (is_spaced && is_apart && count == 3);
}

/* "p. 12.", "Abs. 2.": the number is counted out, and is no ordinal and no list's. */
static bool follows_abbreviation(struct text text, size_t start)
{
    size_t dot = start ? boundary_trim_spaces(text, 0, start) : 0;
    if (dot == 0 || text.start[dot - 1] != '.')
        return false;
    return sentence_abbreviation(word_before(text, dot - 1, false)) != ABBREVIATION_NONE;
}

static bool is_number_inside(struct text text, size_t start, size_t digits, struct text follower)
{
    const size_t ordinal_digits_max = 2;
    bool is_whole = start == 0 || boundary_space_bytes(text, previous_place(text, start)) ||
                    (uint8_t)text.start[start - 1] >= 0x80;
    if (digits > ordinal_digits_max || !is_whole || follows_abbreviation(text, start))
        return false;
    return begins_something(text, start) || !sentence_starter(follower);
}

static bool is_single_letter_inside(struct text text, size_t start, struct text follower)
{
    char letter = text.start[start];
    bool is_small = letter >= 'a' && letter <= 'z';
    bool is_acronym = start > 0 && text.start[start - 1] == '.';            /* "U.S.", "z.B." */
    bool may_be_name = start == 0 || (uint8_t)text.start[start - 1] < 0x80; /* no end of "café" */
    if (!may_be_name)
        return false;
    return (is_small && !is_acronym) || !sentence_starter(follower);
}

static bool is_abbreviation_inside(struct text word, enum boundary_class next, struct text follower)
{
    switch (sentence_abbreviation(word)) {
    case ABBREVIATION_INSIDE:
        return true;
    case ABBREVIATION_BEFORE_NUMBER:
        return next == CLASS_DIGIT;
    case ABBREVIATION_MAYBE_LAST:
        return next == CLASS_DIGIT || (is_letter(next) && !sentence_starter(follower));
    case ABBREVIATION_NONE:
        break;
    }
    return false;
}

/* The dot belongs to what is before it, and no sentence ends there. */
static bool is_dot_inside(struct text text, size_t dot, size_t closed, size_t start)
{
    size_t ignored;
    enum boundary_class next = class_at(text, start, &ignored);
    struct text follower = word_at(text, start);
    struct text word = word_before(text, dot, false), number = word_before(text, dot, true);
    if (number.bytes)
        return is_number_inside(text, dot - number.bytes, number.bytes, follower);
    if (word.bytes == 1)
        return is_single_letter_inside(text, dot - 1, follower);
    if (word.bytes)
        return is_abbreviation_inside(word, next, follower);
    return is_ellipsis_inside(text, dot, closed);
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* SB8: what follows goes on in lower case, signs passed over. */
static bool goes_on(struct text text, size_t at)
{
    for (size_t i = 0; i < LOOKAHEAD_CHARS && at < text.bytes; i++) {
        size_t next;
        enum boundary_class class = class_at(text, at, &next);
        if (class == CLASS_LOWER)
            return true;
        if (is_letter(class) || class == CLASS_BREAK || is_terminator(class))
            return false;
        at = next;
    }
    return false;
}

/* A terminator at `at`, closers up to `closed`, spaces up to `start`. */
static bool is_end(struct text text, size_t at, size_t closed, size_t start, bool has_case)
{
    size_t after, ignored;
    bool is_dot = class_at(text, at, &after) == CLASS_DOT;
    enum boundary_class next = class_at(text, start, &ignored);
    bool is_apart = start > closed;
    if (is_dot && start == after) {
        if (next == CLASS_DIGIT) /* SB6 */
            return false;
        enum boundary_class before = class_before(text, at, &ignored);
        if (next == CLASS_UPPER && (before == CLASS_UPPER || before == CLASS_LOWER)) /* SB7 */
            return false;
    }
    if (has_case && ((is_dot && goes_on(text, start)) || (is_apart && next == CLASS_LOWER)))
        return false;
    if (next == CLASS_CONTINUE || is_terminator(next)) /* SB8a */
        return false;
    return !is_dot || !is_apart || !is_dot_inside(text, at, closed, start);
}

static bool is_bullet(struct text text, size_t at)
{
    static const struct text BULLETS[] = {{"\xe2\x80\xa2", 3},
                                          {"\xe2\x81\x83", 3},
                                          {"\xe2\x96\xaa", 3},
                                          {"\xe2\x97\xa6", 3},
                                          {"\xe2\x97\x8f", 3}};
    struct text rest = text_slice(text, at, at + 3);
    for (size_t i = 0; i < COUNT_OF(BULLETS); i++)
        if (text_equal(rest, BULLETS[i]))
            return true;
    return false;
}

/* ---- public ---------------------------------------------------------------------------------- */

size_t sentence_next(struct text text, size_t at)
{
    size_t next;
    for (size_t first = at; at < text.bytes; at = next) {
        enum boundary_class class = class_at(text, at, &next);
        if (class == CLASS_BREAK) {
            bool is_crlf = text.start[at] == '\r' && next < text.bytes && text.start[next] == '\n';
            return is_crlf ? next + 1 : next;
        }
        if (class == CLASS_OTHER && at > first && text.start[at - 1] == ' ' && is_bullet(text, at))
            return at;
        if (!is_terminator(class))
            continue;
        size_t closed = skip_class(text, next, CLASS_CLOSE);
        size_t start = skip_class(text, closed, CLASS_SPACE);
        if (start == text.bytes)
            return start;
        size_t ignored;
        if (boundary_class_at(text, start, &ignored) == CLASS_BREAK)
            next = start; /* and there it ends */
        else if (is_end(text, at, closed, start, true))
            return start;
    }
    return text.bytes;
}

bool sentence_ends(struct text text, size_t end, size_t start, bool has_case)
{
    size_t closed = end, at = end;
    enum boundary_class class = CLASS_CLOSE;
    if (start >= text.bytes)
        return true;
    while (at > 0 && class == CLASS_CLOSE)
        class = class_before(text, at, &at);
    return is_terminator(class) && is_end(text, at, closed, start, has_case);
}
