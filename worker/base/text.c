#include "worker/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct text text_from(const char *string)
{
    return string ? (struct text){string, strlen(string)} : TEXT_NONE;
}

bool text_equal(struct text a, struct text b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.start, b.start, a.bytes) == 0);
}

bool text_equal_nocase(struct text a, struct text b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || strncasecmp(a.start, b.start, a.bytes) == 0);
}

int text_compare(struct text a, struct text b)
{
    size_t shorter = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = shorter ? memcmp(a.start, b.start, shorter) : 0;
    if (order != 0)
        return order;
    return (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

bool text_starts_with(struct text text, struct text prefix)
{
    return text.bytes >= prefix.bytes && text_equal(text_slice(text, 0, prefix.bytes), prefix);
}

bool text_ends_with(struct text text, struct text suffix)
{
    return text.bytes >= suffix.bytes &&
           text_equal(text_slice(text, text.bytes - suffix.bytes, text.bytes), suffix);
}

bool text_find(struct text text, struct text needle, size_t *ret_at)
{
    const char *found = text.bytes == 0 || needle.bytes == 0
                            ? NULL
                            : memmem(text.start, text.bytes, needle.start, needle.bytes);
    if (!found)
        return false;
    *ret_at = (size_t)(found - text.start);
    return true;
}

struct text text_cut(struct text text, char separator, struct text *ret_rest)
{
    const char *found = text.bytes ? memchr(text.start, separator, text.bytes) : NULL;
    if (!found) {
        *ret_rest = TEXT_NONE;
        return text;
    }
    size_t at = (size_t)(found - text.start);
    *ret_rest = text_slice(text, at + 1, text.bytes);
    return text_slice(text, 0, at);
}

struct text text_slice(struct text text, size_t from, size_t to)
{
    if (to > text.bytes)
        to = text.bytes;
    if (from >= to)
        return TEXT_NONE;
    return (struct text){text.start + from, to - from};
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct text text_trim(struct text text)
{
    while (text.bytes && is_space(text.start[0]))
        text = text_slice(text, 1, text.bytes);
    while (text.bytes && is_space(text.start[text.bytes - 1]))
        text.bytes--;
    return text;
}

bool text_parse_u64(struct text text, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (text.bytes == 0)
        return false;
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.start[i];
        if (c < '0' || c > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool text_parse_i64(struct text text, int64_t *ret_value)
{
    bool is_negative = text.bytes && text.start[0] == '-';
    uint64_t value;
    if (!text_parse_u64(is_negative ? text_slice(text, 1, text.bytes) : text, &value))
        return false;
    if (value > (uint64_t)INT64_MAX)
        return false;
    *ret_value = is_negative ? -(int64_t)value : (int64_t)value;
    return true;
}

bool text_parse_double(struct text text, double *ret_value)
{
    char copy[64];
    if (text.bytes == 0 || is_space(text.start[0]) ||
        !text_format(copy, sizeof(copy), "%.*s", TEXT_ARGS(text)))
        return false;
    char *end;
    double value = strtod(copy, &end);
    if (end != copy + text.bytes)
        return false;
    *ret_value = value;
    return true;
}

struct unit {
    struct text name;
    uint64_t factor;
};

static bool parse_with_unit(struct text text, const struct unit *units, size_t unit_count,
                            uint64_t *ret_value)
{
    size_t digits = 0;
    while (digits < text.bytes && text.start[digits] >= '0' && text.start[digits] <= '9')
        digits++;
    struct text name = text_trim(text_slice(text, digits, text.bytes));
    uint64_t value;
    if (!text_parse_u64(text_slice(text, 0, digits), &value))
        return false;
    for (size_t i = 0; i < unit_count; i++)
        if (text_equal_nocase(name, units[i].name))
            return !__builtin_mul_overflow(value, units[i].factor, ret_value);
    return false;
}

bool text_parse_bytes(struct text text, uint64_t *ret_bytes)
{
    static const struct unit units[] = {
        {{"", 0}, 1},          {{"B", 1}, 1},           {{"KB", 2}, 1000},
        {{"MB", 2}, 1000000},  {{"GB", 2}, 1000000000}, {{"KiB", 3}, 1 << 10},
        {{"MiB", 3}, 1 << 20}, {{"GiB", 3}, 1 << 30},
    };
    return parse_with_unit(text_trim(text), units, COUNT_OF(units), ret_bytes);
}

bool text_parse_ms(struct text text, uint64_t *ret_ms)
{
    static const struct unit units[] = {
        {{"ms", 2}, 1},      {{"s", 1}, 1000},    {{"m", 1}, 60000},
        {{"min", 3}, 60000}, {{"h", 1}, 3600000},
    };
    return parse_with_unit(text_trim(text), units, COUNT_OF(units), ret_ms);
}

/* Unicode 15, table 3-7. */
size_t text_utf8_sequence(struct text text)
{
    const uint8_t *at = (const uint8_t *)text.start;
    if (text.bytes == 0)
        return 0;
    uint8_t lead = at[0];
    if (lead < 0x80)
        return 1;
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.bytes < length)
        return 0;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool text_is_identifier(struct text text, size_t bytes_max)
{
    bool is_good = text.bytes > 0 && text.bytes <= bytes_max;
    for (size_t i = 0; is_good && i < text.bytes; i++) {
        char c = text.start[i];
        is_good = (c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9');
    }
    return is_good;
}

/* Eight bytes at once; the compiler makes one load of it. */
static uint64_t eight_bytes(const char *start)
{
    uint64_t bytes;
    memcpy(&bytes, start, sizeof(bytes));
    return bytes;
}

int text_hex_digit(char c)
{
    static const int8_t ONE_MORE[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};
    return ONE_MORE[(unsigned char)c] - 1;
}

bool text_is_utf8(struct text text)
{
    const uint64_t high_bits = 0x8080808080808080;
    while (text.bytes) {
        if (text.bytes >= sizeof(uint64_t) && !(eight_bytes(text.start) & high_bits)) {
            text = (struct text){text.start + sizeof(uint64_t), text.bytes - sizeof(uint64_t)};
            continue;
        }
        size_t length = text_utf8_sequence(text);
        if (length == 0)
            return false;
        text = text_slice(text, length, text.bytes);
    }
    return true;
}

struct text text_utf8_prefix(struct text text, size_t bytes_max)
{
    if (text.bytes <= bytes_max)
        return text;
    while (bytes_max && ((uint8_t)text.start[bytes_max] & 0xc0) == 0x80)
        bytes_max--;
    return text_slice(text, 0, bytes_max);
}

size_t text_utf8_count(struct text text)
{
    const uint64_t low_bits = 0x0101010101010101;
    size_t count = text.bytes, i = 0;
    for (; text.bytes - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t bytes = eight_bytes(text.start + i);
        uint64_t continuations = (bytes >> 7) & ~(bytes >> 6) & low_bits;
        count -= (size_t)__builtin_popcountll(continuations);
    }
    for (; i < text.bytes; i++)
        count -= ((uint8_t)text.start[i] & 0xc0) == 0x80;
    return count;
}

struct text text_of_u64(uint64_t value, char digits[TEXT_U64_BYTES])
{
    size_t at = TEXT_U64_BYTES;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return (struct text){digits + at, TEXT_U64_BYTES - at};
}

bool text_format(char *buffer, size_t buffer_bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool fits = text_format_v(buffer, buffer_bytes, format, args);
    va_end(args);
    return fits;
}

bool text_copy(struct text text, char *buffer, size_t buffer_bytes)
{
    struct text copied = text_slice(text, 0, buffer_bytes - 1);
    if (copied.bytes)
        memcpy(buffer, copied.start, copied.bytes);
    buffer[copied.bytes] = '\0';
    return copied.bytes == text.bytes;
}

bool text_format_v(char *buffer, size_t buffer_bytes, const char *format, va_list args)
{
    int length = vsnprintf(buffer, buffer_bytes, format, args);
    return length >= 0 && (size_t)length < buffer_bytes;
}
