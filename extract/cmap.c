#include "extract/cmap.h"

#include <string.h>

#define TOKEN_BYTES_MAX 200 /* poppler cuts them off at 255 */
#define CODE_DIGITS_MAX 4   /* larger codes are bounded, here and there */

/* ---- tokens, parted as poppler parts them ---------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool is_special(char c)
{
    return is_space(c) || (c && strchr("%()/<>[]{}", c) != NULL);
}

static size_t space_bytes(struct text text)
{
    size_t at = 0;
    while (at < text.bytes && (is_space(text.start[at]) || text.start[at] == '%')) {
        if (text.start[at] == '%')
            while (at < text.bytes && text.start[at] != '\n' && text.start[at] != '\r')
                at++;
        else
            at++;
    }
    return at;
}

static size_t string_bytes(struct text text)
{
    bool is_escaped = false;
    for (size_t at = 1; at < text.bytes; at++) {
        if (text.start[at] == ')' && !is_escaped)
            return at + 1;
        is_escaped = text.start[at] == '\\';
    }
    return text.bytes;
}

/* False at the end. */
static bool take_token(struct text *rest, struct text *ret_token)
{
    struct text text = text_slice(*rest, space_bytes(*rest), rest->bytes);
    size_t at = 1;
    if (text.bytes == 0)
        return false;
    if (text.start[0] == '(') {
        at = string_bytes(text);
    } else if (text.start[0] == '<') {
        while (at < text.bytes && text.start[at - 1] != '>')
            at++;
    } else if (text.start[0] != '[' && text.start[0] != ']') {
        while (at < text.bytes && !is_special(text.start[at]))
            at++;
    }
    *ret_token = text_slice(text, 0, at);
    *rest = text_slice(text, at, text.bytes);
    return true;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* "<0041>" without its brackets; poppler looks over white space, we do not. */
static bool parse_digits(struct text token, struct text *ret_digits)
{
    if (token.bytes < 3 || token.bytes > TOKEN_BYTES_MAX || token.start[0] != '<' ||
        token.start[token.bytes - 1] != '>')
        return false;
    *ret_digits = text_slice(token, 1, token.bytes - 1);
    for (size_t i = 0; i < ret_digits->bytes; i++)
        if (!is_digit(ret_digits->start[i]))
            return false;
    return true;
}

static struct text without_zeros(struct text digits)
{
    size_t at = 0;
    while (at + 1 < digits.bytes && digits.start[at] == '0')
        at++;
    return text_slice(digits, at, digits.bytes);
}

static bool take_digits(struct text *rest, struct text *ret_digits)
{
    struct text token;
    return take_token(rest, &token) && parse_digits(token, ret_digits);
}

static void write_digits(struct buffer *out, struct text digits)
{
    buffer_append_char(out, '<');
    buffer_append_text(out, digits);
    buffer_append_char(out, '>');
}

/* ---- blocks ---------------------------------------------------------------------------------- */

struct block_words {
    struct text begin, end;
    size_t code_count; /* in front of each character */
};

static const struct block_words BLOCKS[] = {
    {{"beginbfchar", 11}, {"endbfchar", 9}, 1},
    {{"beginbfrange", 12}, {"endbfrange", 10}, 2},
};

/* Codes and what they stand for, which is one character if it has no more than four digits, or
 * several of four digits each. */
static bool shorten_entry(struct text *rest, struct text token, size_t code_count,
                          struct buffer *out)
{
    struct text digits;
    for (size_t i = 0; i < code_count; i++) {
        bool is_taken = i == 0 ? parse_digits(token, &digits) : take_digits(rest, &digits);
        digits = is_taken ? without_zeros(digits) : TEXT_NONE;
        if (digits.bytes == 0 || digits.bytes > CODE_DIGITS_MAX)
            return false;
        write_digits(out, digits);
    }
    if (!take_digits(rest, &digits))
        return false;
    write_digits(out, digits.bytes <= 4 ? without_zeros(digits) : digits);
    return true;
}

/* Behind its first word. poppler looks over the token in front of that word, a number. */
static bool shorten_block(struct text *rest, const struct block_words *words, struct buffer *out)
{
    struct text token;
    buffer_append_text(out, TEXT("0 "));
    buffer_append_text(out, words->begin);
    while (take_token(rest, &token)) {
        if (text_equal(token, words->end)) {
            buffer_append_text(out, words->end);
            buffer_append_char(out, ' ');
            return true;
        }
        if (!shorten_entry(rest, token, words->code_count, out))
            return false;
    }
    return false;
}

static const struct block_words *block_of(struct text token)
{
    for (size_t i = 0; i < COUNT_OF(BLOCKS); i++)
        if (text_equal(token, BLOCKS[i].begin))
            return &BLOCKS[i];
    return NULL;
}

/* What refers to another map, or maps to what is no Unicode. */
static bool is_foreign(struct text token)
{
    return text_equal(token, TEXT("usecmap")) || text_equal(token, TEXT("begincidchar")) ||
           text_equal(token, TEXT("begincidrange"));
}

/* ---- public ---------------------------------------------------------------------------------- */

bool cmap_shorten(struct text map, struct buffer *out)
{
    size_t start = out->bytes;
    struct text token;
    if (memchr(map.start, '\0', map.bytes)) /* where poppler stops */
        return false;
    bool has_more = take_token(&map, &token);
    while (has_more && take_token(&map, &token)) {
        const struct block_words *words = block_of(token);
        if (is_foreign(token) || (words && !shorten_block(&map, words, out)))
            return false;
        if (words) /* the token behind it is looked over too */
            has_more = take_token(&map, &token);
    }
    return out->bytes > start && !out->is_full;
}
