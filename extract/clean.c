#include "extract/clean.h"

#include <string.h>
#include <utf8proc.h>

#include "worker/base/memory.h"

/* Unicode's stream-safe format (UAX 15): longer runs of combining marks are no writing, and putting
 * them in order takes the square of their length. */
#define MARKS_MAX 30
#define REPEATS_MAX 3
#define GARBLED_CHARS_MIN 16 /* fewer characters prove nothing */
#define GARBLED_PERCENT 30
#define DUBIOUS_PERCENT 10

struct cleaner {
    struct text raw;
    size_t at; /* after the code point at hand */
    struct buffer *out;
    size_t out_start;
    int32_t last; /* the last code point put, 0 at the start */
    uint32_t
        repeat_count;    /* of last, if it is a mark of punctuation; single spaces do not end it */
    uint32_t mark_count; /* combining marks at the end */
    char space;          /* seen, put before the next character of the line; 0: none */
    bool needs_nfc;
    struct clean_figures figures;
};

/* ---- classes --------------------------------------------------------------------------------- */

static bool is_between(int32_t c, int32_t first, int32_t last)
{
    return c >= first && c <= last;
}

static bool is_right_to_left(int32_t c)
{
    return is_between(c, 0x0590, 0x08ff) || is_between(c, 0xfb1d, 0xfdff) ||
           is_between(c, 0xfe70, 0xfefc) || is_between(c, 0x10800, 0x10fff) ||
           is_between(c, 0x1e800, 0x1efff);
}

/* Says nothing that anybody could see: bidi marks and isolates, joiners that are not between
 * joining letters (the caller knows), byte order marks, invisible operators, language tags,
 * interlinear marks. */
static bool is_invisible(int32_t c)
{
    return is_between(c, 0x200b, 0x200f) || is_between(c, 0x202a, 0x202e) ||
           is_between(c, 0x2060, 0x206f) || c == 0x061c || c == 0x180e || c == 0xfeff ||
           c == 0x034f || is_between(c, 0xfff9, 0xfffb) || is_between(c, 0xe0000, 0xe0fff);
}

static bool is_noncharacter(int32_t c)
{
    return is_between(c, 0xfdd0, 0xfdef) || (c & 0xfffe) == 0xfffe;
}

static bool is_control(int32_t c)
{
    return c < 0x20 || is_between(c, 0x7f, 0x9f);
}

static bool is_space(int32_t c)
{
    return c == ' ' || c == 0xa0 || c == 0x1680 || is_between(c, 0x2000, 0x200a) || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

/* Presentation forms that stand for letters we know: ligatures (ff, Armenian, Hebrew), the shapes
 * of Arabic letters, full and half width, and the Latin digraphs. */
static bool is_form(int32_t c)
{
    return is_between(c, 0xfb00, 0xfdfb) || is_between(c, 0xfe70, 0xfefc) ||
           is_between(c, 0xff01, 0xffef) || is_between(c, 0x0132, 0x0133) ||
           is_between(c, 0x01c4, 0x01cc) || is_between(c, 0x01f1, 0x01f3);
}

/* Characters that are repeated to draw a line, not to say something. */
static bool is_ruler(int32_t c)
{
    if (c < 0x80)
        return strchr("!#$%&*+,-./:;<=>?@\\^_`|~", (int)c) != NULL;
    return c == 0xb7 || is_between(c, 0x2010, 0x2015) || c == 0x2022 ||
           is_between(c, 0x2024, 0x2026) || is_between(c, 0x2500, 0x259f);
}

/* Zero-width joiners spell something between letters of Arabic and Indic scripts and inside emoji.
 */
static bool is_joining(int32_t c)
{
    return is_between(c, 0x0600, 0x109f) || is_between(c, 0x1780, 0x18af) ||
           is_between(c, 0xa8e0, 0xabff) || is_between(c, 0x2190, 0x2bff) || c == 0xfe0f ||
           is_between(c, 0x10a00, 0x11fff) || is_between(c, 0x1f000, 0x1faff);
}

static bool is_unusable(int32_t c)
{
    if (c < 0xd800 && c >= 0x20 && !is_control(c))
        return utf8proc_category(c) == UTF8PROC_CATEGORY_CN;
    return c == 0xfffd || is_control(c) || is_noncharacter(c) ||
           utf8proc_category(c) == UTF8PROC_CATEGORY_CO ||
           utf8proc_category(c) == UTF8PROC_CATEGORY_CN;
}

/* ---- output ---------------------------------------------------------------------------------- */

static void append(struct cleaner *cleaner, int32_t c)
{
    uint8_t bytes[4];
    utf8proc_ssize_t length = utf8proc_encode_char(c, bytes);
    buffer_append(cleaner->out, bytes, (size_t)length);
}

static void put_space(struct cleaner *cleaner, char space)
{
    bool is_line_start = cleaner->last == 0 || cleaner->last == '\n';
    if (!is_line_start && !cleaner->space)
        cleaner->space = space;
}

static void put_newline(struct cleaner *cleaner)
{
    cleaner->space = 0;
    cleaner->mark_count = 0;
    if (cleaner->last == 0)
        return;
    if (cleaner->last != '\n')
        cleaner->repeat_count = 0;
    if (cleaner->repeat_count++ < 2) /* a line's end and one empty line */
        buffer_append_char(cleaner->out, '\n');
    cleaner->last = '\n';
}

static bool is_too_many(struct cleaner *cleaner, int32_t c)
{
    bool is_mark = c >= 0x300 && utf8proc_get_property(c)->combining_class != 0;
    cleaner->mark_count = is_mark ? cleaner->mark_count + 1 : 0;
    cleaner->repeat_count = c == cleaner->last && is_ruler(c) ? cleaner->repeat_count + 1 : 1;
    return cleaner->mark_count > MARKS_MAX || cleaner->repeat_count > REPEATS_MAX;
}

static void put(struct cleaner *cleaner, int32_t c)
{
    if (is_too_many(cleaner, c)) {
        cleaner->space = 0; /* ". . . . ." is a dot leader too */
        return;
    }
    if (cleaner->space)
        buffer_append_char(cleaner->out, cleaner->space);
    cleaner->space = 0;
    cleaner->last = c;
    cleaner->needs_nfc = cleaner->needs_nfc || c >= 0x300; /* everything below is NFC already */
    append(cleaner, c);
}

static void put_form(struct cleaner *cleaner, int32_t c)
{
    int32_t letters[24]; /* the longest is 18 */
    int last_class = 0;
    utf8proc_ssize_t count =
        utf8proc_decompose_char(c, letters, (utf8proc_ssize_t)COUNT_OF(letters),
                                UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last_class);
    for (utf8proc_ssize_t i = 0; i < count && i < (utf8proc_ssize_t)COUNT_OF(letters); i++)
        if (!is_space(letters[i])) /* the carrier of an isolated vowel sign */
            put(cleaner, letters[i]);
}

/* ---- input ----------------------------------------------------------------------------------- */

static int32_t peek(const struct cleaner *cleaner, size_t *ret_bytes)
{
    struct text rest = text_slice(cleaner->raw, cleaner->at, cleaner->raw.bytes);
    int32_t c = 0;
    *ret_bytes = 0;
    if (rest.bytes == 0)
        return 0;
    utf8proc_ssize_t length =
        utf8proc_iterate((const uint8_t *)rest.start, (utf8proc_ssize_t)rest.bytes, &c);
    *ret_bytes = length > 0 ? (size_t)length : 1;
    return length > 0 ? c : 0xfffd;
}

static void count_char(struct clean_figures *figures, int32_t c)
{
    figures->char_count++;
    if (is_unusable(c))
        figures->unusable_count++;
    else if (is_right_to_left(c))
        figures->right_to_left_count++;
    else if (utf8proc_category(c) <= UTF8PROC_CATEGORY_LO) /* LU LL LT LM LO come first */
        figures->left_to_right_count++;
}

/* A soft hyphen at the end of a line: the word goes on in the next one. */
static void join_lines(struct cleaner *cleaner)
{
    struct text rest = text_slice(cleaner->raw, cleaner->at, cleaner->raw.bytes);
    if (text_starts_with(rest, TEXT("\r\n")))
        cleaner->at += 2;
    else if (text_starts_with(rest, TEXT("\n")))
        cleaner->at += 1;
}

static void take(struct cleaner *cleaner, int32_t c)
{
    size_t next_bytes;
    if (is_between(c, '\n', '\r') || c == 0x85 || c == 0x2028 || c == 0x2029) {
        if (c == '\r' && peek(cleaner, &next_bytes) == '\n')
            return; /* the newline comes */
        put_newline(cleaner);
    } else if (c == '\t' || is_space(c)) {
        put_space(cleaner, c == '\t' ? '\t' : ' ');
    } else if (c == 0xad) {
        join_lines(cleaner);
    } else if (c == 0x200c || c == 0x200d) {
        if (is_joining(cleaner->last) && !cleaner->space && is_joining(peek(cleaner, &next_bytes)))
            put(cleaner, c);
    } else if (!is_invisible(c)) {
        count_char(&cleaner->figures, c);
        if (is_form(c))
            put_form(cleaner, c);
        else if (!is_control(c) && !is_noncharacter(c))
            put(cleaner, c);
    }
}

/* Letters and digits of ASCII, most of what there is, go in one piece. */
static void take_plain(struct cleaner *cleaner)
{
    const char *start = cleaner->raw.start + cleaner->at;
    size_t bytes = 0, rest = cleaner->raw.bytes - cleaner->at;
    size_t letter_count = 0;
    for (; bytes < rest; bytes++) {
        char lower = (char)(start[bytes] | 0x20);
        bool is_letter = lower >= 'a' && lower <= 'z';
        if (!is_letter && (start[bytes] < '0' || start[bytes] > '9'))
            break;
        letter_count += is_letter;
    }
    if (bytes == 0)
        return;
    if (cleaner->space)
        buffer_append_char(cleaner->out, cleaner->space);
    cleaner->space = 0;
    cleaner->last = (uint8_t)start[bytes - 1];
    cleaner->repeat_count = 1;
    cleaner->mark_count = 0;
    cleaner->figures.char_count += bytes;
    cleaner->figures.left_to_right_count += letter_count;
    buffer_append(cleaner->out, start, bytes);
    cleaner->at += bytes;
}

/* Replaces what was put by its NFC, which may be a little longer (some characters compose to two).
 */
static void compose(struct cleaner *cleaner)
{
    struct buffer *out = cleaner->out;
    uint8_t *composed = NULL;
    utf8proc_ssize_t length = utf8proc_map((const uint8_t *)out->data + cleaner->out_start,
                                           (utf8proc_ssize_t)(out->bytes - cleaner->out_start),
                                           &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    out->bytes = cleaner->out_start;
    if (length < 0)
        out->is_full = true; /* no memory: what was put is valid UTF-8, nothing else is refused */
    else
        buffer_append(out, composed, (size_t)length);
    xfree(composed);
}

/* ---- public ---------------------------------------------------------------------------------- */

bool clean_text(struct text raw, struct buffer *out, struct clean_figures *ret_figures)
{
    struct cleaner cleaner = {.raw = raw, .out = out, .out_start = out->bytes};
    for (;;) {
        size_t bytes;
        take_plain(&cleaner);
        int32_t c = peek(&cleaner, &bytes);
        if (bytes == 0 || out->is_full)
            break;
        cleaner.at += bytes;
        take(&cleaner, c);
    }
    while (out->bytes > cleaner.out_start && out->data[out->bytes - 1] == '\n')
        out->bytes--;
    if (cleaner.needs_nfc && !out->is_full)
        compose(&cleaner);
    *ret_figures = cleaner.figures;
    return !out->is_full;
}

bool clean_line(struct text raw, size_t bytes_max, struct buffer *out)
{
    size_t start = out->bytes;
    struct clean_figures figures;
    /* Cut before and after: cleaning may lengthen a little. */
    if (!clean_text(text_utf8_prefix(raw, bytes_max), out, &figures)) {
        out->bytes = start;
        return false;
    }
    struct text clean = text_slice(buffer_text(out), start, out->bytes);
    out->bytes = start + text_utf8_prefix(clean, bytes_max).bytes;
    for (size_t i = start; i < out->bytes; i++)
        if (out->data[i] == '\n' || out->data[i] == '\t')
            out->data[i] = ' ';
    return true;
}

uint32_t clean_page_flags(const struct clean_figures *figures)
{
    uint32_t flags = 0;
    size_t unusable = figures->unusable_count * 100;
    if (figures->right_to_left_count > figures->left_to_right_count)
        flags |= PAGE_IS_RIGHT_TO_LEFT;
    if (figures->char_count < GARBLED_CHARS_MIN)
        return flags;
    if (unusable > figures->char_count * GARBLED_PERCENT)
        flags |= PAGE_IS_GARBLED;
    else if (unusable > figures->char_count * DUBIOUS_PERCENT)
        flags |= PAGE_IS_DUBIOUS;
    return flags;
}

bool clean_has_right_to_left(struct text text)
{
    const uint8_t *at = (const uint8_t *)text.start;
    for (size_t i = 0; i < text.bytes; i++) {
        /* Lead bytes of 0590-08FF, FB1D-FEFC and the right-to-left planes, which hold other
         * characters too: decode only there. */
        if (at[i] != 0xef && at[i] != 0xf0 && !is_between(at[i], 0xd6, 0xe0))
            continue;
        int32_t c;
        if (utf8proc_iterate(at + i, (utf8proc_ssize_t)(text.bytes - i), &c) > 0 &&
            is_right_to_left(c))
            return true;
    }
    return false;
}

bool clean_is_right_to_left(struct text text)
{
    struct cleaner reader = {.raw = text};
    size_t bytes;
    if (!clean_has_right_to_left(text))
        return false;
    for (int32_t c; c = peek(&reader, &bytes), bytes; reader.at += bytes)
        count_char(&reader.figures, c);
    return reader.figures.right_to_left_count > reader.figures.left_to_right_count;
}

static int32_t first_char(struct text text)
{
    int32_t c = 0;
    utf8proc_ssize_t length =
        utf8proc_iterate((const uint8_t *)text.start, (utf8proc_ssize_t)text.bytes, &c);
    return length > 0 ? c : 0;
}

static int32_t last_char(struct text text)
{
    size_t at = text.bytes;
    do
        at--;
    while (at > 0 && ((uint8_t)text.start[at] & 0xc0) == 0x80);
    return first_char(text_slice(text, at, text.bytes));
}

bool clean_starts_lower(struct text text)
{
    int32_t c = text.bytes ? first_char(text) : 0;
    return utf8proc_category(c) == UTF8PROC_CATEGORY_LL;
}

static bool is_spaceless(int32_t c)
{
    return is_between(c, 0x0e00, 0x0eff) || is_between(c, 0x1000, 0x109f) ||
           is_between(c, 0x1780, 0x17ff) || is_between(c, 0x2e80, 0x312f) ||
           is_between(c, 0x31a0, 0x9fff) || is_between(c, 0xf900, 0xfaff) ||
           is_between(c, 0xff00, 0xffef) || is_between(c, 0x20000, 0x3ffff);
}

bool clean_needs_no_space(struct text left, struct text right)
{
    return left.bytes && right.bytes && is_spaceless(last_char(left)) &&
           is_spaceless(first_char(right));
}
