/*
 * json.h - JSON in (a bounded parse and typed getters) and out (a bounded writer).
 *
 * Reading: a value is borrowed from its document. Getters never fail: a missing or mistyped member
 * gives NULL, TEXT_NONE, false or the fallback, so that a reader of foreign JSON stays short.
 * Writing: appends to a buffer; commas are its own business.
 * Owns:   json_parse's result, until json_free().
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_JSON_H
#define WORKER_BASE_JSON_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"

struct json; /* opaque value */

#define JSON_DEPTH_MAX 64
#define JSON_ESCAPED_BYTES_MAX 6 /* \u001f */
#define JSON_NUMBER_BYTES_MAX 32 /* with a NUL */

/* err gets ERR_PROTOCOL with line and reason, never with the content. Any value may be the root.
 * Depth is at most JSON_DEPTH_MAX; duplicate members: the last one is found, json_each() visits all;
 * NUL in strings and integers beyond 64 bits (signed) are refused. */
struct json *json_parse(struct text text, struct error *err) MUST_CHECK;
void json_free(struct json *root); /* NULL is allowed */
/* The same within an arena, where it lies: it is not freed. ERR_NO_MEMORY past the budget. */
struct arena;
const struct json *json_parse_in(struct arena *arena, struct text text,
                                 struct error *err) MUST_CHECK;

bool json_is_object(const struct json *value); /* all accept NULL */
bool json_is_array(const struct json *value);
bool json_is_string(const struct json *value);
bool json_is_number(const struct json *value);
bool json_is_null(const struct json *value);
const struct json *json_member(const struct json *object, const char *name);
size_t json_count(const struct json *array_or_object); /* 0 for anything else */
const struct json *json_at(const struct json *array, size_t index);
struct text json_text(const struct json *string); /* TEXT_NONE when it is none */
struct text json_member_text(const struct json *object, const char *name);
bool json_u64(const struct json *value,
              uint64_t *ret_value) MUST_CHECK; /* whole number, or digits as a string */
double json_number(const struct json *value, double fallback);
bool json_bool(const struct json *value, bool fallback);
/* Calls visit for each member, in the document's order. */
void json_each(const struct json *object,
               void (*visit)(void *arg, struct text name, const struct json *value), void *arg);

void cleanup_json(struct json **root);
#define AUTO_JSON __attribute__((cleanup(cleanup_json)))

struct json_writer {
    struct buffer *out; /* out->is_full says whether all of it fitted */
    unsigned depth;     /* private from here */
    bool needs_comma[JSON_DEPTH_MAX];
};

struct json_writer json_writer_new(struct buffer *out);
/* name is NULL inside arrays and at the top. */
void json_open_object(struct json_writer *writer, const char *name);
void json_close_object(struct json_writer *writer);
void json_open_array(struct json_writer *writer, const char *name);
void json_close_array(struct json_writer *writer);
void json_write_text(struct json_writer *writer, const char *name,
                     struct text value); /* NUL, bad UTF-8: U+FFFD */
void json_write_u64(struct json_writer *writer, const char *name, uint64_t value);
void json_write_i64(struct json_writer *writer, const char *name, int64_t value);
void json_write_number(struct json_writer *writer, const char *name,
                       double value); /* shortest; not finite: null */
void json_write_bool(struct json_writer *writer, const char *name, bool value);
void json_write_null(struct json_writer *writer, const char *name);
void json_write_raw(struct json_writer *writer, const char *name,
                    struct text json); /* already JSON */

/* The next character of a text (not empty) as it stands inside a JSON string: *ret_used bytes of it
 * became the returned count of bytes. Controls are escaped, NUL and bad UTF-8 become
 * U+FFFD. */
size_t json_escape(struct text text, char ret_escaped[JSON_ESCAPED_BYTES_MAX], size_t *ret_used);
/* How many bytes from the start stand in a JSON string as they are. */
size_t json_plain_prefix(struct text text);
/* The shortest decimal that reads back as the same double; "null" when it is not finite. */
const char *json_format_number(double value, char buffer[JSON_NUMBER_BYTES_MAX]);

#endif
