#include "chunker/boundary.h"

#include <string.h>
#include <utf8proc.h>

#include "chunker/boundary_class.h"

/* Bytes that can begin white space or an ideographic full stop; all others are passed over fast. */
static const bool INTERESTING[256] = {
    ['\t'] = true, ['\n'] = true, ['\v'] = true, ['\f'] = true, ['\r'] = true, [' '] = true,
    [0xc2] = true, [0xe1] = true, [0xe2] = true, [0xe3] = true, [0xef] = true,
};

static int32_t code_point_at(struct text text, size_t at)
{
    utf8proc_int32_t code_point = -1;
    utf8proc_iterate((const utf8proc_uint8_t *)text.start + at, (utf8proc_ssize_t)(text.bytes - at),
                     &code_point);
    return code_point;
}

static size_t previous_place(struct text text, size_t at)
{
    do
        at--;
    while (at > 0 && ((uint8_t)text.start[at] & 0xc0) == 0x80);
    return at;
}

static size_t next_place(struct text text, size_t at)
{
    do
        at++;
    while (at < text.bytes && ((uint8_t)text.start[at] & 0xc0) == 0x80);
    return at;
}

static bool is_wide_space(int32_t c)
{
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

size_t boundary_space_bytes(struct text text, size_t at)
{
    uint8_t byte = (uint8_t)text.start[at];
    if (byte < 0x80)
        return byte == ' ' || (byte >= '\t' && byte <= '\r');
    if (!INTERESTING[byte] || !is_wide_space(code_point_at(text, at)))
        return 0;
    return next_place(text, at) - at;
}

size_t boundary_skip_spaces(struct text text, size_t at)
{
    while (at < text.bytes) {
        size_t bytes = boundary_space_bytes(text, at);
        if (bytes == 0)
            break;
        at += bytes;
    }
    return at;
}

size_t boundary_trim_spaces(struct text text, size_t from, size_t end)
{
    while (end > from) {
        size_t before = previous_place(text, end);
        if (boundary_space_bytes(text, before) == 0)
            break;
        end = before;
    }
    return end;
}

/* Letters, digits, ",", "-" and ";" of ASCII, a bit each: neither terminators nor what may follow one
 * before a space. */
static bool is_within_sentence(char c)
{
    static const uint64_t BITS[4] = {0x0bff300000000000, 0x07fffffe07fffffe, 0, 0};
    return BITS[(uint8_t)c >> 6] >> ((uint8_t)c & 63) & 1;
}

size_t boundary_next_interesting(struct text text, size_t at, size_t sure)
{
    for (; at < text.bytes; at++) {
        if (!INTERESTING[(uint8_t)text.start[at]])
            continue;
        bool is_plain = text.start[at] == ' ' && at > 0 && at + 1 < sure && at + 1 < text.bytes &&
                        is_within_sentence(text.start[at - 1]) && text.start[at + 1] > ' ';
        if (!is_plain)
            break;
    }
    return at;
}

size_t boundary_ideographic_stop_bytes(struct text text, size_t at)
{
    uint8_t lead = (uint8_t)text.start[at];
    size_t bytes, end = at;
    if (lead != 0xe3 && lead != 0xef)
        return 0;
    enum boundary_class class = boundary_class_at(text, at, &bytes);
    if (class != CLASS_STOP && class != CLASS_DOT)
        return 0;
    while (class == CLASS_STOP || class == CLASS_DOT || class == CLASS_CLOSE) {
        end += bytes;
        if (end == text.bytes)
            break;
        class = boundary_class_at(text, end, &bytes);
    }
    return end - at;
}

bool boundary_ends_clause(struct text text, size_t end)
{
    if (end == 0 || (uint8_t)text.start[end - 1] < 0x80)
        return false;
    int32_t c = code_point_at(text, previous_place(text, end));
    return (c >= 0x0e00 && c <= 0x0eff) || (c >= 0x1000 && c <= 0x109f) ||
           (c >= 0x1780 && c <= 0x17ff);
}

bool boundary_starts_lower(struct text text, size_t at)
{
    if (at >= text.bytes)
        return false;
    char c = text.start[at];
    if ((uint8_t)c < 0x80)
        return c >= 'a' && c <= 'z';
    return utf8proc_category(code_point_at(text, at)) == UTF8PROC_CATEGORY_LL;
}

bool boundary_starts_cluster(struct text text, size_t at)
{
    if (at >= text.bytes || (uint8_t)text.start[at] < 0x80)
        return true;
    int32_t c = code_point_at(text, at);
    return c < 0 || utf8proc_grapheme_break(' ', c);
}

size_t boundary_last_cluster(struct text text, size_t from, size_t to)
{
    size_t last = from;
    utf8proc_int32_t state = 0;
    int32_t before = code_point_at(text, from);
    for (size_t at = next_place(text, from); at <= to && at < text.bytes;) {
        int32_t c = code_point_at(text, at);
        if (utf8proc_grapheme_break_stateful(before, c, &state))
            last = at;
        before = c;
        at = next_place(text, at);
    }
    if (last > from)
        return last;
    return from + text_utf8_prefix(text_slice(text, from, text.bytes), to - from).bytes;
}
