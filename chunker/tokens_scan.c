/*
 * The rules, in the order in which they are tried; a letter, a number and white space are what
 * Unicode calls so, a sign is everything else, marks among it:
 *
 *   1. an apostrophe and s, d, m, t, ll, ve or re, in any case
 *   2. letters; before them one sign or one white space that ends no line
 *   3. up to three numbers
 *   4. signs; before them one space (U+0020), behind them any ends of lines
 *   5. white space up to the last end of a line in it
 *   6. white space; without its last character when something follows
 *   7. white space
 */
#include "chunker/tokens_scan.h"

#include "chunker/tokens_block.h"
#include "chunker/tokens_tables.h"

struct cursor {
    const uint8_t *start;
    size_t bytes;
};

/* A character, or a byte that is part of none: that is a sign. */
struct character {
    enum tokens_class class;
    uint32_t bytes; /* 0 at the end of the text, as a sign */
};

static enum tokens_class class_of(uint32_t code_point)
{
    size_t row = tokens_tables.class_rows[code_point >> TOKENS_ROW_BITS];
    size_t column = code_point & ((1u << TOKENS_ROW_BITS) - 1);
    return (enum tokens_class)tokens_tables.classes[row << TOKENS_ROW_BITS | column];
}

static bool is_tail(struct cursor text, size_t at)
{
    return at < text.bytes && (text.start[at] & 0xC0) == 0x80;
}

__attribute__((noinline)) static struct character read_wide(struct cursor text, size_t at)
{
    const uint8_t *bytes = text.start + at;
    uint32_t code_point = 0, first = bytes[0];
    static const struct character BROKEN = {CLASS_SIGN, 1};
    if (!is_tail(text, at + 1) || first < 0xC2 || first > 0xF4)
        return BROKEN;
    if (first < 0xE0)
        return (struct character){class_of((first & 0x1F) << 6 | (bytes[1] & 0x3F)), 2};
    if (!is_tail(text, at + 2))
        return BROKEN;
    code_point = (first & 0x0F) << 12 | (uint32_t)(bytes[1] & 0x3F) << 6 | (bytes[2] & 0x3F);
    if (first < 0xF0)
        return code_point >= 0x800 && (code_point < 0xD800 || code_point > 0xDFFF)
                   ? (struct character){class_of(code_point), 3}
                   : BROKEN;
    if (!is_tail(text, at + 3))
        return BROKEN;
    code_point = (code_point & 0x7FFF) << 6 | (bytes[3] & 0x3F);
    code_point |= (first & 0x07) << 18;
    return code_point >= 0x10000 && code_point < TOKENS_CODE_POINTS
               ? (struct character){class_of(code_point), 4}
               : BROKEN;
}

static inline struct character character_at(struct cursor text, size_t at)
{
    if (at >= text.bytes)
        return (struct character){CLASS_SIGN, 0};
    if (text.start[at] < 0x80) /* ASCII is the first row */
        return (struct character){(enum tokens_class)tokens_tables.classes[text.start[at]], 1};
    return read_wide(text, at);
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* The high bit of each byte that is no ASCII letter. */
static uint64_t not_letters(uint64_t bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    uint64_t low = (bytes | ones * 0x20) & ~high;
    uint64_t from_a = low + ones * (0x80 - 'a'), past_z = low + ones * (0x80 - 'z' - 1);
    return ~(from_a & ~past_z & ~bytes) & high;
}

/* ASCII letters among the next eight bytes, which there are. */
static size_t count_letters(struct cursor text, size_t at)
{
    uint64_t bytes = 0;
    memcpy(&bytes, text.start + at, sizeof(bytes));
    uint64_t stops = not_letters(le64toh(bytes));
    return stops ? (size_t)__builtin_ctzll(stops) / 8 : sizeof(bytes);
}

static size_t skip_letters(struct cursor text, size_t at)
{
    for (;;) {
        for (size_t count = 8; count == 8 && at + 8 <= text.bytes; at += count)
            count = count_letters(text, at);
        struct character next = character_at(text, at);
        if (next.class != CLASS_LETTER)
            return at;
        at += next.bytes;
    }
}

static size_t skip_class(struct cursor text, size_t at, enum tokens_class class)
{
    for (;;) {
        struct character next = character_at(text, at);
        if (next.class != class || next.bytes == 0)
            return at;
        at += next.bytes;
    }
}

static size_t skip_numbers(struct cursor text, size_t at)
{
    for (unsigned count = 0; count < 3; count++) {
        struct character next = character_at(text, at);
        if (next.class != CLASS_NUMBER)
            break;
        at += next.bytes;
    }
    return at;
}

static size_t skip_signs(struct cursor text, size_t at)
{
    return skip_class(text, skip_class(text, at, CLASS_SIGN), CLASS_NEWLINE);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

size_t tokens_contraction(struct text behind)
{
    uint8_t first = behind.bytes > 0 ? (uint8_t)behind.start[0] | 0x20 : 0;
    uint8_t second = behind.bytes > 1 ? (uint8_t)behind.start[1] | 0x20 : 0;
    switch (first) {
    case 's':
    case 'd':
    case 'm':
    case 't':
        return 1;
    case 'l':
        return second == 'l' ? 2 : 0;
    case 'v':
    case 'r':
        return second == 'e' ? 2 : 0;
    default: /* the long s, U+017F, is an s in another case */
        return text_starts_with(behind, TEXT("\xC5\xBF")) ? 2 : 0;
    }
}

/* A run that begins with `first`. */
static size_t scan_space(struct cursor text, size_t at, struct character first)
{
    size_t end = at, last = at, line_end = at;
    for (struct character next = first; next.bytes;) {
        if (next.class != CLASS_SPACE && next.class != CLASS_NEWLINE)
            break;
        last = end;
        end += next.bytes;
        if (next.class == CLASS_NEWLINE)
            line_end = end;
        next = character_at(text, end);
    }
    if (line_end > at)
        return line_end;
    return end < text.bytes && last > at ? last : end;
}

static size_t scan_sign(struct cursor text, size_t at, struct character sign)
{
    size_t behind = at + sign.bytes;
    if (text.start[at] == '\'') {
        struct text rest = {(const char *)text.start + behind, text.bytes - behind};
        size_t bytes = tokens_contraction(rest);
        if (bytes)
            return behind + bytes;
    }
    size_t letters_end = skip_letters(text, behind);
    return letters_end > behind ? letters_end : skip_signs(text, behind);
}

static size_t scan(struct cursor text, size_t at)
{
    struct character first = character_at(text, at), second;
    switch (first.class) {
    case CLASS_LETTER:
        return skip_letters(text, at + first.bytes);
    case CLASS_NUMBER:
        return skip_numbers(text, at);
    case CLASS_SIGN:
        return scan_sign(text, at, first);
    case CLASS_NEWLINE:
        return scan_space(text, at, first);
    case CLASS_SPACE:
        break;
    }
    second = character_at(text, at + first.bytes);
    if (second.class == CLASS_LETTER)
        return skip_letters(text, at + first.bytes + second.bytes);
    if (second.class == CLASS_SIGN && second.bytes && text.start[at] == ' ')
        return skip_signs(text, at + first.bytes);
    return scan_space(text, at, first);
}

/* As many as a block tells, of which there may be none. */
static size_t scan_block(struct cursor text, size_t at, uint32_t *ends)
{
    size_t count = 0;
    for (uint64_t left = tokens_block(text.start + at); left; left &= left - 1)
        ends[count++] = (uint32_t)(at + (size_t)__builtin_ctzll(left));
    return count;
}

static bool is_block(struct cursor text, size_t at)
{
    return at + TOKENS_BLOCK_BYTES <= text.bytes && (text.start[at] | text.start[at + 1]) < 0x80;
}

size_t tokens_scan(struct text text, size_t at, uint32_t *ends, size_t end_count_max)
{
    struct cursor cursor = {(const uint8_t *)text.start, text.bytes};
    size_t count = 0;
    while (at < text.bytes && count < end_count_max) {
        size_t more = 0;
        if (count + TOKENS_BLOCK_BYTES <= end_count_max && is_block(cursor, at))
            more = scan_block(cursor, at, ends + count);
        if (more == 0)
            ends[count + more++] = (uint32_t)scan(cursor, at);
        count += more;
        at = ends[count - 1];
    }
    return count;
}
