/*
 * text.h - byte spans: borrowed, never NUL-terminated unless a comment says so.
 *
 * Owns:   nothing; a text borrows the bytes of somebody else.
 * Thread: any.
 */
#ifndef WORKER_BASE_TEXT_H
#define WORKER_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct text {
    const char *start; /* may be NULL only when bytes is 0 */
    size_t bytes;
};

#define TEXT(literal) ((struct text){"" literal, sizeof(literal) - 1})
#define TEXT_NONE ((struct text){NULL, 0})
/* For printf-like functions: "%.*s", TEXT_ARGS(text). Cut at INT_MAX. */
#define TEXT_ARGS(text) \
    ((int)((text).bytes < INT32_MAX ? (text).bytes : INT32_MAX)), ((text).start ? (text).start : "")

struct text text_from(const char *string); /* NULL gives TEXT_NONE */
bool text_equal(struct text a, struct text b);
bool text_equal_nocase(struct text a, struct text b); /* ASCII letters only */
int text_compare(struct text a, struct text b);       /* bytewise, like memcmp; shorter first */
bool text_starts_with(struct text text, struct text prefix);
bool text_ends_with(struct text text, struct text suffix);
bool text_find(struct text text, struct text needle, size_t *ret_at);
/* The part before the first separator; the rest (after it) goes to *ret_rest. No separator: all of
 * it, rest is empty. */
struct text text_cut(struct text text, char separator, struct text *ret_rest);
struct text text_slice(struct text text, size_t from, size_t to); /* clamped to the text */
struct text text_trim(struct text text); /* ASCII white space at both ends */

/* Whole text must be the number: no sign, no space, no overflow. */
bool text_parse_u64(struct text text, uint64_t *ret_value) MUST_CHECK;
bool text_parse_i64(struct text text, int64_t *ret_value) MUST_CHECK;
bool text_parse_double(struct text text, double *ret_value) MUST_CHECK;
/* "1500", "64KiB", "64 MiB", "2GB" (powers of 1000 without the i) -> bytes. */
bool text_parse_bytes(struct text text, uint64_t *ret_bytes) MUST_CHECK;
/* "250ms", "15s", "15 s", "10m", "2h" -> milliseconds; a bare number is refused. */
bool text_parse_ms(struct text text, uint64_t *ret_ms) MUST_CHECK;

int text_hex_digit(char c); /* 0 to 15, of either case; -1 when it is none */

bool text_is_utf8(struct text text);
/* [a-z_][a-z0-9_]*, at most bytes_max: it may stand in SQL without quotes. */
bool text_is_identifier(struct text text, size_t bytes_max);
/* Bytes of the well-formed UTF-8 sequence at the start, 0 when there is none. */
size_t text_utf8_sequence(struct text text);
/* The longest prefix of at most bytes_max bytes that does not end inside a UTF-8 sequence. */
struct text text_utf8_prefix(struct text text, size_t bytes_max);
size_t text_utf8_count(struct text text); /* code points of valid UTF-8 */

/* In decimal, at the end of digits. For what is written a million times: no format is read. */
#define TEXT_U64_BYTES 20
struct text text_of_u64(uint64_t value, char digits[TEXT_U64_BYTES]);

/* Into buffer, always NUL-terminated; false when it did not fit (the cut text stays). */
bool text_copy(struct text text, char *buffer, size_t buffer_bytes);
/* snprintf into buffer, always NUL-terminated; false when it did not fit (the cut text stays). */
bool text_format(char *buffer, size_t buffer_bytes, const char *format, ...) PRINTF_LIKE(3, 4);
bool text_format_v(char *buffer, size_t buffer_bytes, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
