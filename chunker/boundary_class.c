#include "chunker/boundary_class.h"

#include <utf8proc.h>

struct code_range {
    int32_t first, last;
};

/* STerm of Unicode 15 above ASCII (SentenceBreakProperty.txt of Debian's unicode-data; a test holds
 * this table against the file). */
static const struct code_range STOPS[] = {
    {0x589, 0x589},     {0x61d, 0x61f},     {0x6d4, 0x6d4},     {0x700, 0x702},
    {0x7f9, 0x7f9},     {0x837, 0x837},     {0x839, 0x839},     {0x83d, 0x83e},
    {0x964, 0x965},     {0x104a, 0x104b},   {0x1362, 0x1362},   {0x1367, 0x1368},
    {0x166e, 0x166e},   {0x1735, 0x1736},   {0x1803, 0x1803},   {0x1809, 0x1809},
    {0x1944, 0x1945},   {0x1aa8, 0x1aab},   {0x1b5a, 0x1b5b},   {0x1b5e, 0x1b5f},
    {0x1b7d, 0x1b7e},   {0x1c3b, 0x1c3c},   {0x1c7e, 0x1c7f},   {0x203c, 0x203d},
    {0x2047, 0x2049},   {0x2e2e, 0x2e2e},   {0x2e3c, 0x2e3c},   {0x2e53, 0x2e54},
    {0x3002, 0x3002},   {0xa4ff, 0xa4ff},   {0xa60e, 0xa60f},   {0xa6f3, 0xa6f3},
    {0xa6f7, 0xa6f7},   {0xa876, 0xa877},   {0xa8ce, 0xa8cf},   {0xa92f, 0xa92f},
    {0xa9c8, 0xa9c9},   {0xaa5d, 0xaa5f},   {0xaaf0, 0xaaf1},   {0xabeb, 0xabeb},
    {0xfe56, 0xfe57},   {0xff01, 0xff01},   {0xff1f, 0xff1f},   {0xff61, 0xff61},
    {0x10a56, 0x10a57}, {0x10f55, 0x10f59}, {0x10f86, 0x10f89}, {0x11047, 0x11048},
    {0x110be, 0x110c1}, {0x11141, 0x11143}, {0x111c5, 0x111c6}, {0x111cd, 0x111cd},
    {0x111de, 0x111df}, {0x11238, 0x11239}, {0x1123b, 0x1123c}, {0x112a9, 0x112a9},
    {0x1144b, 0x1144c}, {0x115c2, 0x115c3}, {0x115c9, 0x115d7}, {0x11641, 0x11642},
    {0x1173c, 0x1173e}, {0x11944, 0x11944}, {0x11946, 0x11946}, {0x11a42, 0x11a43},
    {0x11a9b, 0x11a9c}, {0x11c41, 0x11c42}, {0x11ef7, 0x11ef8}, {0x11f43, 0x11f44},
    {0x16a6e, 0x16a6f}, {0x16af5, 0x16af5}, {0x16b37, 0x16b38}, {0x16b44, 0x16b44},
    {0x16e98, 0x16e98}, {0x1bc9f, 0x1bc9f}, {0x1da88, 0x1da88},
};

/* Not in the standard: the shads of Tibet, the khans of the Khmer. */
static const struct code_range OTHER_STOPS[] = {{0xf0d, 0xf0e}, {0x17d4, 0x17d5}};

static const struct code_range CONTINUES[] = {
    {0x55d, 0x55d},   {0x60c, 0x60d},   {0x7f8, 0x7f8},   {0x1802, 0x1802}, {0x1808, 0x1808},
    {0x2013, 0x2014}, {0x3001, 0x3001}, {0xfe10, 0xfe11}, {0xfe13, 0xfe13}, {0xfe31, 0xfe32},
    {0xfe50, 0xfe51}, {0xfe55, 0xfe55}, {0xfe58, 0xfe58}, {0xfe63, 0xfe63}, {0xff0c, 0xff0d},
    {0xff1a, 0xff1a}, {0xff64, 0xff64},
};

static bool is_among(const struct code_range *ranges, size_t count, int32_t c)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (c < ranges[middle].first)
            count = middle;
        else if (c > ranges[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

static enum boundary_class class_of_ascii(char c)
{
    if (c >= 'a' && c <= 'z')
        return CLASS_LOWER;
    if (c >= 'A' && c <= 'Z')
        return CLASS_UPPER;
    if (c >= '0' && c <= '9')
        return CLASS_DIGIT;
    switch (c) {
    case '\n':
    case '\r':
        return CLASS_BREAK;
    case ' ':
    case '\t':
    case '\v':
    case '\f':
        return CLASS_SPACE;
    case '.':
        return CLASS_DOT;
    case '!':
    case '?':
        return CLASS_STOP;
    case '"':
    case '\'':
    case '(':
    case ')':
    case '[':
    case ']':
    case '{':
    case '}':
        return CLASS_CLOSE;
    case ',':
    case '-':
    case ':':
        return CLASS_CONTINUE;
    default:
        return CLASS_OTHER;
    }
}

static enum boundary_class class_of_category(int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
        return CLASS_EXTEND;
    case UTF8PROC_CATEGORY_LL:
        return CLASS_LOWER;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
        return CLASS_UPPER;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL:
        return CLASS_LETTER;
    case UTF8PROC_CATEGORY_ND:
        return CLASS_DIGIT;
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
        return CLASS_CLOSE;
    case UTF8PROC_CATEGORY_ZS:
        return CLASS_SPACE;
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return CLASS_BREAK;
    default:
        return CLASS_OTHER;
    }
}

enum boundary_class boundary_class_at(struct text text, size_t at, size_t *ret_bytes)
{
    if ((uint8_t)text.start[at] < 0x80) {
        *ret_bytes = 1;
        return class_of_ascii(text.start[at]);
    }
    utf8proc_int32_t c = -1;
    utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)text.start + at,
                                              (utf8proc_ssize_t)(text.bytes - at), &c);
    *ret_bytes = bytes > 0 ? (size_t)bytes : 1;
    if (c == 0x2024 || c == 0x2026 || c == 0xfe52 || c == 0xff0e)
        return CLASS_DOT;
    if (c == 0x85)
        return CLASS_BREAK;
    if (is_among(STOPS, COUNT_OF(STOPS), c) || is_among(OTHER_STOPS, COUNT_OF(OTHER_STOPS), c))
        return CLASS_STOP;
    if (is_among(CONTINUES, COUNT_OF(CONTINUES), c))
        return CLASS_CONTINUE;
    return class_of_category(c);
}
