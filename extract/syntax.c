#include "extract/syntax.h"

const uint8_t SYNTAX_CHARACTERS[256] = {
    ['\0'] = SYNTAX_SPACE,    ['\t'] = SYNTAX_SPACE,    ['\n'] = SYNTAX_SPACE,
    ['\f'] = SYNTAX_SPACE,    ['\r'] = SYNTAX_SPACE,    [' '] = SYNTAX_SPACE,
    ['%'] = SYNTAX_DELIMITER, ['('] = SYNTAX_DELIMITER, [')'] = SYNTAX_DELIMITER,
    ['/'] = SYNTAX_DELIMITER, ['<'] = SYNTAX_DELIMITER, ['>'] = SYNTAX_DELIMITER,
    ['['] = SYNTAX_DELIMITER, [']'] = SYNTAX_DELIMITER, ['{'] = SYNTAX_DELIMITER,
    ['}'] = SYNTAX_DELIMITER,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Up to the end of the line. */
static size_t comment_end(struct text text, size_t at)
{
    while (at < text.bytes && text.start[at] != '\n' && text.start[at] != '\r')
        at++;
    return at;
}

static size_t space_bytes(struct text text)
{
    size_t at = 0;
    while (at < text.bytes) {
        if (text.start[at] == '%')
            at = comment_end(text, at);
        else if (syntax_character_of(text.start[at]) == SYNTAX_SPACE)
            at++;
        else
            break;
    }
    return at;
}

static void skip(struct text *rest, size_t bytes)
{
    *rest = text_slice(*rest, bytes, rest->bytes);
}

static void skip_space(struct text *rest)
{
    skip(rest, space_bytes(*rest));
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Bytes of a number, a name without its slash, or a keyword. */
static size_t regular_bytes(struct text text)
{
    size_t at = 0;
    while (at < text.bytes && syntax_character_of(text.start[at]) == SYNTAX_REGULAR)
        at++;
    return at;
}

bool syntax_take_u64(struct text *rest, uint64_t *ret_value)
{
    skip_space(rest);
    size_t digits = 0;
    while (digits < rest->bytes && is_digit(rest->start[digits]))
        digits++;
    bool is_number = text_parse_u64(text_slice(*rest, 0, digits), ret_value);
    skip(rest, digits);
    return is_number;
}

bool syntax_take_word(struct text *rest, struct text word)
{
    skip_space(rest);
    if (!text_starts_with(*rest, word))
        return false;
    skip(rest, word.bytes);
    return true;
}

bool syntax_take_numbered(struct text *rest, struct text word, uint64_t *ret_number,
                          uint64_t *ret_generation)
{
    return syntax_take_u64(rest, ret_number) && syntax_take_u64(rest, ret_generation) &&
           syntax_take_word(rest, word);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Bytes of a string in parentheses, which may hold others; 0 when it does not end. */
static size_t string_bytes(struct text text)
{
    size_t depth = 0;
    for (size_t at = 0; at < text.bytes; at++) {
        char c = text.start[at];
        if (c == '\\')
            at++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            return at + 1;
    }
    return 0;
}

/* Bytes up to and including the first c; 0 when there is none. */
static size_t bytes_through(struct text text, char c)
{
    for (size_t at = 0; at < text.bytes; at++)
        if (text.start[at] == c)
            return at + 1;
    return 0;
}

static bool opens(struct text text, const char *two)
{
    return text.bytes >= 2 && text.start[0] == two[0] && text.start[1] == two[1];
}

/* Bytes of the token at the start of text, which is no white space; a bracket is one for itself.
 * 0: it makes no sense. */
static size_t token_bytes(struct text text)
{
    if (text.bytes == 0)
        return 0;
    if (opens(text, "<<") || opens(text, ">>"))
        return 2;
    switch (text.start[0]) {
    case '[':
    case ']':
        return 1;
    case '(':
        return string_bytes(text);
    case '<':
        return bytes_through(text, '>');
    case '/':
        return 1 + regular_bytes(text_slice(text, 1, text.bytes));
    default:
        return regular_bytes(text);
    }
}

/* Bytes of the array or dictionary at the start of text. Which closing bracket belongs to which
 * opening one is not checked: only how many there are. */
static size_t nested_bytes(struct text text)
{
    size_t depth = 0;
    for (size_t at = 0; at < text.bytes;) {
        char c = text.start[at];
        if (c == '%') {
            at = comment_end(text, at);
            continue;
        }
        if (c == '/' ||
            syntax_character_of(c) != SYNTAX_DELIMITER) { /* or within a name, a number, a word */
            at++;
            continue;
        }
        struct text rest = text_slice(text, at, text.bytes);
        size_t bytes = token_bytes(rest);
        if (bytes == 0)
            return 0;
        at += bytes;
        if (c == '[' || opens(rest, "<<"))
            depth++;
        else if ((c == ']' || opens(rest, ">>")) && --depth == 0)
            return at;
    }
    return 0;
}

/* Numbers, references, true, false and null: everything up to the next key. */
static size_t plain_bytes(struct text text)
{
    size_t at = 0;
    while (at < text.bytes && syntax_character_of(text.start[at]) != SYNTAX_DELIMITER)
        at++;
    return at;
}

static size_t value_bytes(struct text text)
{
    if (text.bytes && (text.start[0] == '[' || opens(text, "<<")))
        return nested_bytes(text);
    if (text.bytes && syntax_character_of(text.start[0]) == SYNTAX_DELIMITER)
        return token_bytes(text);
    return plain_bytes(text);
}

bool syntax_take_dictionary(struct text *rest, struct text *ret_inside)
{
    skip_space(rest);
    size_t bytes = opens(*rest, "<<") ? nested_bytes(*rest) : 0;
    if (bytes < 4 || !text_ends_with(text_slice(*rest, 0, bytes), TEXT(">>")))
        return false;
    *ret_inside = text_slice(*rest, 2, bytes - 2);
    skip(rest, bytes);
    return true;
}

bool syntax_take_array(struct text *rest)
{
    skip_space(rest);
    size_t bytes = text_starts_with(*rest, TEXT("[")) ? nested_bytes(*rest) : 0;
    skip(rest, bytes);
    return bytes != 0;
}

bool syntax_take_entry(struct text *rest, struct text *ret_key, struct text *ret_value)
{
    skip_space(rest);
    if (rest->bytes == 0 || rest->start[0] != '/')
        return false;
    size_t key = token_bytes(*rest);
    *ret_key = text_slice(*rest, 0, key);
    struct text after = text_slice(*rest, key, rest->bytes);
    skip_space(&after);
    size_t value = value_bytes(after);
    if (value == 0)
        return false;
    *ret_value = text_trim(text_slice(after, 0, value));
    *rest = text_slice(after, value, after.bytes);
    return true;
}

struct text syntax_find(struct text inside, struct text key)
{
    struct text found = TEXT_NONE, other_key, value;
    while (syntax_take_entry(&inside, &other_key, &value)) {
        if (!text_equal(other_key, key))
            continue;
        if (found.bytes)
            return TEXT_NONE;
        found = value;
    }
    return found;
}
