#include "extract/charset.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <uchardet/uchardet.h>

#define PIECE_BYTES ((size_t)64 << 10)
#define SAMPLE_BYTES ((size_t)64 << 10)
#define GUESS_BYTES ((size_t)256 << 10)
#define REPLACEMENT 0xfffd
#define GOOD_FOR_EACH_BAD 8
#define CONTROLS_PER_THOUSAND 5 /* more of them, and it is no text */

enum charset_kind { CHARSET_UTF8, CHARSET_UTF16, CHARSET_UTF32, CHARSET_TABLE, CHARSET_ICONV };

struct charset {
    enum charset_kind kind;
    const char *name; /* iconv's */
    bool is_big_endian;
    uint32_t upper[128]; /* CHARSET_TABLE: code points of the bytes from 0x80 on */
    iconv_t iconv;       /* CHARSET_ICONV */
};

static const struct charset UTF8 = {.kind = CHARSET_UTF8};
static const struct charset UTF16_LITTLE = {.kind = CHARSET_UTF16};
static const struct charset UTF16_BIG = {.kind = CHARSET_UTF16, .is_big_endian = true};
static const struct charset UTF32_LITTLE = {.kind = CHARSET_UTF32};
static const struct charset UTF32_BIG = {.kind = CHARSET_UTF32, .is_big_endian = true};

/* The names before a charset are those by which uchardet and HTML pages call it, or a part of it:
 * windows-1252 holds all letters of ISO 8859-1, CP949 all of EUC-KR. The first is the default. */
#define TABLE(charset_name) {.kind = CHARSET_TABLE, .name = (charset_name)}
#define ICONV(charset_name) {.kind = CHARSET_ICONV, .name = (charset_name)}
static struct {
    const char *labels; /* in upper case, a space before and after each */
    struct charset charset;
} known[] = {
    {" WINDOWS-1252 ISO-8859-1 ISO8859-1 LATIN1 US-ASCII ASCII CP1252 ", TABLE("CP1252")},
    {" WINDOWS-1250 CP1250 ", TABLE("CP1250")},
    {" WINDOWS-1251 CP1251 ", TABLE("CP1251")},
    {" WINDOWS-1253 CP1253 ", TABLE("CP1253")},
    {" WINDOWS-1254 ISO-8859-9 LATIN5 CP1254 ", TABLE("CP1254")},
    {" WINDOWS-1255 CP1255 ", TABLE("CP1255")},
    {" WINDOWS-1256 CP1256 ", TABLE("CP1256")},
    {" WINDOWS-1257 CP1257 ", TABLE("CP1257")},
    {" WINDOWS-1258 CP1258 ", TABLE("CP1258")},
    {" ISO-8859-2 LATIN2 ", TABLE("ISO-8859-2")},
    {" ISO-8859-3 LATIN3 ", TABLE("ISO-8859-3")},
    {" ISO-8859-4 LATIN4 ", TABLE("ISO-8859-4")},
    {" ISO-8859-5 CYRILLIC ", TABLE("ISO-8859-5")},
    {" ISO-8859-6 ARABIC ", TABLE("ISO-8859-6")},
    {" ISO-8859-7 GREEK ", TABLE("ISO-8859-7")},
    {" ISO-8859-8 ISO-8859-8-I HEBREW ", TABLE("ISO-8859-8")},
    {" ISO-8859-10 LATIN6 ", TABLE("ISO-8859-10")},
    {" TIS-620 ISO-8859-11 WINDOWS-874 ", TABLE("CP874")},
    {" ISO-8859-13 LATIN7 ", TABLE("ISO-8859-13")},
    {" ISO-8859-14 LATIN8 ", TABLE("ISO-8859-14")},
    {" ISO-8859-15 LATIN9 ", TABLE("ISO-8859-15")},
    {" ISO-8859-16 LATIN10 ", TABLE("ISO-8859-16")},
    {" KOI8-R ", TABLE("KOI8-R")},
    {" KOI8-U ", TABLE("KOI8-U")},
    {" MACINTOSH ", TABLE("MACINTOSH")},
    {" MAC-CYRILLIC X-MAC-CYRILLIC ", TABLE("MAC-CYRILLIC")},
    {" MAC-CENTRALEUROPE ", TABLE("MAC-CENTRALEUROPE")},
    {" IBM852 CP852 ", TABLE("CP852")},
    {" IBM855 CP855 ", TABLE("CP855")},
    {" IBM865 CP865 ", TABLE("CP865")},
    {" IBM866 CP866 ", TABLE("CP866")},
    {" VISCII ", TABLE("VISCII")},
    {" SHIFT_JIS SHIFT-JIS X-SJIS SJIS CP932 ", ICONV("CP932")},
    {" EUC-JP X-EUC-JP ", ICONV("EUC-JP")},
    {" ISO-2022-JP ", ICONV("ISO-2022-JP")},
    {" GB18030 GBK GB2312 X-GBK CP936 EUC-CN ", ICONV("GB18030")},
    {" BIG5 BIG5-HKSCS CP950 ", ICONV("BIG5-HKSCS")},
    {" EUC-TW ", ICONV("EUC-TW")},
    {" EUC-KR UHC CP949 KS_C_5601-1987 KSC5601 ", ICONV("CP949")},
    {" ISO-2022-KR ", ICONV("ISO-2022-KR")},
    {" JOHAB ", ICONV("JOHAB")},
};
static const struct charset *const FALLBACK = &known[0].charset;
#undef TABLE
#undef ICONV

/* ---- preparing ------------------------------------------------------------------------------- */

/* The code point of one byte; one that is not assigned becomes the replacement character. */
static uint32_t code_point_of(iconv_t iconv_to_utf32, uint8_t byte)
{
    char in = (char)byte, *in_at = &in;
    uint32_t out[4] = {0};
    char *out_at = (char *)out;
    size_t in_bytes = 1, out_bytes = sizeof(out);
    (void)iconv(iconv_to_utf32, NULL, NULL, NULL, NULL);
    size_t result = iconv(iconv_to_utf32, &in_at, &in_bytes, &out_at, &out_bytes);
    /* Some hold a letter back for a mark that may follow it. */
    (void)iconv(iconv_to_utf32, NULL, NULL, &out_at, &out_bytes);
    return result == (size_t)-1 || out[0] == 0 ? REPLACEMENT : out[0];
}

static bool prepare(struct charset *charset)
{
    bool is_table = charset->kind == CHARSET_TABLE;
    iconv_t converter = iconv_open(is_table ? "UCS-4LE" : "UTF-8", charset->name);
    if (converter == (iconv_t)-1)
        return false;
    charset->iconv = converter;
    if (!is_table)
        return true;
    for (unsigned i = 0; i < COUNT_OF(charset->upper); i++)
        charset->upper[i] = code_point_of(converter, (uint8_t)(0x80 + i));
    return iconv_close(converter) == 0;
}

bool charset_warm_up(struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (!prepare(&known[i].charset))
            return error_set(err, ERR_SANDBOX, "the C library cannot convert from %s",
                             known[i].charset.name);
    return true;
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* A log with one broken byte is still UTF-8: text of another encoding hardly ever makes a sequence
 * that is one of UTF-8's. */
static bool is_utf8(struct text body)
{
    size_t good_count = 0, bad_count = 0;
    for (size_t at = 0; at < body.bytes;) {
        size_t bytes = text_utf8_sequence(text_slice(body, at, body.bytes));
        good_count += bytes > 1;
        bad_count += bytes == 0;
        at += bytes ? bytes : 1;
    }
    return bad_count * GOOD_FOR_EACH_BAD <= good_count;
}

/* Without a mark: most letters of most languages have a zero there, and none at the other byte. */
static const struct charset *utf16_by_zeros(struct text sample)
{
    size_t zeros[2] = {0, 0}, unit_count = sample.bytes / 2;
    for (size_t i = 0; i < unit_count * 2; i++)
        zeros[i % 2] += sample.start[i] == 0;
    if (unit_count >= 8 && zeros[1] > unit_count / 2 && zeros[0] == 0)
        return &UTF16_LITTLE;
    if (unit_count >= 8 && zeros[0] > unit_count / 2 && zeros[1] == 0)
        return &UTF16_BIG;
    return NULL;
}

static const struct {
    struct text mark;
    const struct charset *charset;
} MARKS[] = {
    {{"\xef\xbb\xbf", 3}, &UTF8},      {{"\xff\xfe\0\0", 4}, &UTF32_LITTLE},
    {{"\0\0\xfe\xff", 4}, &UTF32_BIG}, {{"\xff\xfe", 2}, &UTF16_LITTLE},
    {{"\xfe\xff", 2}, &UTF16_BIG},
};

static const struct charset *by_mark(struct text body, size_t *ret_mark_bytes)
{
    for (size_t i = 0; i < COUNT_OF(MARKS); i++)
        if (text_starts_with(body, MARKS[i].mark)) {
            *ret_mark_bytes = MARKS[i].mark.bytes;
            return MARKS[i].charset;
        }
    *ret_mark_bytes = 0;
    return utf16_by_zeros(text_slice(body, 0, SAMPLE_BYTES));
}

static const struct charset *by_label(struct text label)
{
    char word[40] = " ";
    size_t bytes = 1;
    if (label.bytes == 0 || label.bytes + 3 > sizeof(word))
        return NULL;
    for (size_t i = 0; i < label.bytes; i++) {
        char c = label.start[i];
        word[bytes++] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    word[bytes++] = ' ';
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strstr(known[i].labels, word))
            return &known[i].charset;
    return NULL;
}

static const struct charset *by_guess(struct text body)
{
    struct text sample = text_slice(body, 0, GUESS_BYTES);
    uchardet_t detector = uchardet_new();
    const struct charset *guess = NULL;
    if (uchardet_handle_data(detector, sample.start, sample.bytes) == 0) {
        uchardet_data_end(detector);
        guess = by_label(text_from(uchardet_get_charset(detector)));
    }
    uchardet_delete(detector);
    return guess ? guess : FALLBACK;
}

/* Zeros are in no text of bytes, other controls hardly. ESC begins the shifts of ISO 2022. */
static bool has_few_controls(struct text sample)
{
    size_t controls = 0;
    for (size_t i = 0; i < sample.bytes; i++) {
        uint8_t c = (uint8_t)sample.start[i];
        if (c == 0)
            return false;
        controls += (c < 0x20 && !strchr("\t\n\v\f\r\033\032\b", c)) || c == 0x7f;
    }
    return controls * 1000 <= sample.bytes * CONTROLS_PER_THOUSAND;
}

bool charset_is_text(struct text body)
{
    size_t mark_bytes;
    return by_mark(body, &mark_bytes) || has_few_controls(text_slice(body, 0, SAMPLE_BYTES));
}

struct charset_decoder charset_decode(struct text body, struct text declared)
{
    size_t mark_bytes;
    const struct charset *charset = by_mark(body, &mark_bytes);
    if (!charset && is_utf8(body))
        charset = &UTF8;
    if (!charset)
        charset = by_label(declared);
    if (!charset)
        charset = by_guess(body);
    return (struct charset_decoder){text_slice(body, mark_bytes, body.bytes), charset};
}

/* ---- decoding -------------------------------------------------------------------------------- */

void charset_append(struct buffer *out, uint32_t c)
{
    char bytes[4];
    size_t count = 1;
    if (c < 0x80) {
        bytes[0] = (char)c;
    } else if (c < 0x800) {
        bytes[0] = (char)(0xc0 | c >> 6);
        count = 2;
    } else if (c < 0x10000) {
        bytes[0] = (char)(0xe0 | c >> 12);
        count = 3;
    } else {
        bytes[0] = (char)(0xf0 | c >> 18);
        count = 4;
    }
    for (size_t i = 1; i < count; i++)
        bytes[i] = (char)(0x80 | ((c >> (6 * (count - 1 - i))) & 0x3f));
    buffer_append(out, bytes, count);
}

static uint32_t unit_at(const struct charset *charset, struct text in, size_t at, size_t bytes)
{
    uint32_t unit = 0;
    for (size_t i = 0; i < bytes; i++) {
        size_t from = charset->is_big_endian ? i : bytes - 1 - i;
        unit = unit << 8 | (uint8_t)in.start[at + from];
    }
    return unit;
}

/* All of in but an odd byte at its end, or half a character that may go on. */
static size_t decode_utf16(const struct charset *charset, struct text in, bool is_last,
                           struct buffer *out)
{
    size_t at = 0;
    while (in.bytes - at >= 2) {
        uint32_t c = unit_at(charset, in, at, 2);
        bool is_high = c >= 0xd800 && c < 0xdc00;
        if (is_high && in.bytes - at < 4 && !is_last)
            break;
        uint32_t low = is_high && in.bytes - at >= 4 ? unit_at(charset, in, at + 2, 2) : 0;
        at += 2;
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            at += 2;
        }
        charset_append(out, c >= 0xd800 && c < 0xe000 ? REPLACEMENT : c);
    }
    return is_last ? in.bytes : at;
}

static size_t decode_utf32(const struct charset *charset, struct text in, bool is_last,
                           struct buffer *out)
{
    size_t at = 0;
    for (; in.bytes - at >= 4; at += 4) {
        uint32_t c = unit_at(charset, in, at, 4);
        bool is_valid = c < 0x110000 && (c < 0xd800 || c >= 0xe000);
        charset_append(out, is_valid ? c : REPLACEMENT);
    }
    return is_last ? in.bytes : at;
}

static size_t decode_table(const struct charset *charset, struct text in, struct buffer *out)
{
    for (size_t i = 0; i < in.bytes; i++) {
        uint8_t byte = (uint8_t)in.start[i];
        charset_append(out, byte < 0x80 ? byte : charset->upper[byte - 0x80]);
    }
    return in.bytes;
}

static size_t decode_iconv(const struct charset *charset, struct text in, bool is_last,
                           struct buffer *out)
{
    char *in_at = (char *)(uintptr_t)in.start; /* iconv() does not write there */
    size_t in_bytes = in.bytes;
    while (in_bytes) {
        char *room = buffer_reserve(out, 4 * in_bytes + 16), *out_at = room;
        size_t out_bytes = 4 * in_bytes + 16;
        if (!room)
            break;
        size_t result = iconv(charset->iconv, &in_at, &in_bytes, &out_at, &out_bytes);
        out->bytes += (size_t)(out_at - room);
        if (result != (size_t)-1 || (errno == EINVAL && !is_last && in_bytes < in.bytes))
            break;
        if (errno == E2BIG)
            continue;
        charset_append(out, REPLACEMENT);
        in_at++;
        in_bytes--;
    }
    return in.bytes - in_bytes;
}

bool charset_next(struct charset_decoder *decoder, struct buffer *out)
{
    struct text in = text_slice(decoder->rest, 0, PIECE_BYTES);
    bool is_last = in.bytes == decoder->rest.bytes;
    size_t taken = 0;
    if (in.bytes == 0)
        return false;
    switch (decoder->charset->kind) {
    case CHARSET_UTF8:
        in = is_last ? in : text_utf8_prefix(in, in.bytes - 1);
        buffer_append_text(out, in);
        taken = in.bytes;
        break;
    case CHARSET_UTF16:
        taken = decode_utf16(decoder->charset, in, is_last, out);
        break;
    case CHARSET_UTF32:
        taken = decode_utf32(decoder->charset, in, is_last, out);
        break;
    case CHARSET_TABLE:
        taken = decode_table(decoder->charset, in, out);
        break;
    case CHARSET_ICONV:
        taken = decode_iconv(decoder->charset, in, is_last, out);
        break;
    }
    decoder->rest = text_slice(decoder->rest, taken, decoder->rest.bytes);
    return !out->is_full;
}

bool charset_decode_all(struct text body, struct text declared, struct buffer *out,
                        struct error *err)
{
    struct charset_decoder decoder = charset_decode(body, declared);
    while (charset_next(&decoder, out))
        continue;
    return !out->is_full || error_set(err, ERR_TEXT_MAX, "more text than can be taken");
}
