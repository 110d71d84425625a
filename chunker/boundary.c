#include "chunker/boundary.h"

#include <string.h>
#include <utf8proc.h>

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

size_t boundary_next_interesting(struct text text, size_t at)
{
    while (at < text.bytes && !INTERESTING[(uint8_t)text.start[at]])
        at++;
    return at;
}

static bool is_closer(int32_t c)
{
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == '}' || c == 0xbb || c == 0x2019 ||
           c == 0x201c || c == 0x201d || c == 0x203a || c == 0x3009 || c == 0x300b || c == 0x300d ||
           c == 0x300f || c == 0x3011 || c == 0xff09;
}

static bool is_ideographic_stop(int32_t c)
{
    return c == 0x3002 || c == 0xff01 || c == 0xff0e || c == 0xff1f || c == 0xff61;
}

/* Full stops, exclamation and question marks of the scripts that have their own. */
static bool is_other_stop(int32_t c)
{
    static const int32_t STOPS[] = {
        0x2026, 0x203c, 0x203d, 0x2047, 0x2048, 0x2049,         /* general punctuation */
        0x0589,                                                 /* Armenian */
        0x061f, 0x06d4, 0x061b, 0x0700, 0x0701,                 /* Arabic, Syriac */
        0x0964, 0x0965,                                         /* the dandas of India */
        0x0f0d, 0x0f0e, 0x104a, 0x104b, 0x1362, 0x1367, 0x1368, /* Tibetan, Myanmar, Ethiopic */
        0x17d4, 0x17d5, 0x1803, 0x1809,                         /* Khmer, Mongolian */
    };
    for (size_t i = 0; i < COUNT_OF(STOPS); i++)
        if (STOPS[i] == c)
            return true;
    return is_ideographic_stop(c);
}

size_t boundary_ideographic_stop_bytes(struct text text, size_t at)
{
    uint8_t lead = (uint8_t)text.start[at];
    if ((lead != 0xe3 && lead != 0xef) || !is_ideographic_stop(code_point_at(text, at)))
        return 0;
    size_t end = next_place(text, at);
    while (end < text.bytes) {
        int32_t c = code_point_at(text, end);
        if (!is_closer(c) && !is_ideographic_stop(c))
            break;
        end = next_place(text, end);
    }
    return end - at;
}

/* What stands before a full stop without ending a sentence, in the languages of Europe. */
static const char *const ABBREVIATIONS[] = {
    "Abb", "Abs",    "Art",  "Bd", "Corp", "Dr",  "Fig", "Gen",  "Hr",  "Inc", "Jr",  "Ltd",  "Mme",
    "Mr",  "Mrs",    "Ms",   "Nr", "Prof", "Rev", "Sec", "Sr",   "Sra", "St",  "Str", "Tab",  "Vol",
    "al",  "approx", "bzw",  "ca", "cf",   "ch",  "dgl", "ebd",  "eds", "eg",  "eq",  "evtl", "fig",
    "ggf", "ie",     "inkl", "nr", "op",   "pag", "pp",  "resp", "sog", "usw", "vgl", "vol",  "vs"};

static bool is_abbreviation(struct text word)
{
    for (size_t i = 0; i < COUNT_OF(ABBREVIATIONS); i++)
        if (text_equal(word, text_from(ABBREVIATIONS[i])))
            return true;
    return false;
}

static bool is_ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The dot at `dot` belongs to the word before it: "Dr.", "J.", "e.g.", or an ordinal, "3.". */
static bool is_dot_of_word(struct text text, size_t dot)
{
    const size_t word_bytes_max = 8;
    size_t start = dot;
    while (start > 0 && dot - start <= word_bytes_max && is_ascii_letter(text.start[start - 1]))
        start--;
    struct text word = text_slice(text, start, dot);
    if (word.bytes == 1)
        return start == 0 || (uint8_t)text.start[start - 1] < 0x80; /* else the end of "café" */
    if (word.bytes > 1)
        return is_abbreviation(word);
    while (start > 0 && dot - start <= 2 && text.start[start - 1] >= '0' &&
           text.start[start - 1] <= '9')
        start--;
    bool is_number_start = start == 0 || boundary_space_bytes(text, previous_place(text, start));
    return start < dot && dot - start <= 2 && is_number_start;
}

bool boundary_ends_sentence(struct text text, size_t end)
{
    while (end > 0) {
        size_t at = previous_place(text, end);
        int32_t c = code_point_at(text, at);
        if (c == '.')
            return !is_dot_of_word(text, at);
        if (c == '!' || c == '?' || (c >= 0x80 && is_other_stop(c)))
            return true;
        if (!is_closer(c))
            return false;
        end = at;
    }
    return false;
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
