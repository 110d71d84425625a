/*
 * log.h - one JSON object a line on stderr (or `key=value` text for a terminal), never a value that
 *         could be a secret or a document's text.
 *
 *     LOG_INFO("task_done", FIELD_UUID("document", id), FIELD_U64("chunks", n));
 *
 * event = noun_verb in the past; at least one field; units in the keys. Only worker/ logs above
 * debug: services return errors, and one failure is one line. Changes of state (info) are all
 * written; trouble (warn, error) that repeats is limited to LOG_REPEATS_MAX lines a second of an
 * event, whose next line says how many were dropped.
 * A text value is cut at 1 KiB and a line at 4 KiB; a cut line ends in "cut":true.
 * Thread: any (one write(2) a line).
 */
#ifndef WORKER_BASE_LOG_H
#define WORKER_BASE_LOG_H

#include "worker/base/crypto.h"
#include "worker/base/error.h"

#define LOG_REPEATS_MAX 20

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };
enum field_kind {
    FIELD_KIND_TEXT,
    FIELD_KIND_U64,
    FIELD_KIND_I64,
    FIELD_KIND_DOUBLE,
    FIELD_KIND_BOOL,
    FIELD_KIND_UUID,
};

struct field {
    const char *key;
    enum field_kind kind;
    union {
        struct text text;
        uint64_t u64;
        int64_t i64;
        double number;
        bool boolean;
        struct uuid uuid;
    };
};

#define FIELD_TEXT(k, v) ((struct field){.key = (k), .kind = FIELD_KIND_TEXT, .text = (v)})
#define FIELD_STR(k, v) FIELD_TEXT(k, text_from(v))
#define FIELD_U64(k, v) ((struct field){.key = (k), .kind = FIELD_KIND_U64, .u64 = (v)})
#define FIELD_I64(k, v) ((struct field){.key = (k), .kind = FIELD_KIND_I64, .i64 = (v)})
#define FIELD_DOUBLE(k, v) ((struct field){.key = (k), .kind = FIELD_KIND_DOUBLE, .number = (v)})
#define FIELD_BOOL(k, v) ((struct field){.key = (k), .kind = FIELD_KIND_BOOL, .boolean = (v)})
#define FIELD_UUID(k, v) ((struct field){.key = (k), .kind = FIELD_KIND_UUID, .uuid = (v)})
/* Two fields of an error: its code and its message. */
#define FIELD_ERROR(err) \
    FIELD_STR("code", error_name((err)->code)), FIELD_STR("error", (err)->message)

/* Global, at start-up; before it: info and above, as JSON. */
void log_configure(enum log_level level, enum log_format format);
bool log_is_on(enum log_level level);
void log_write(enum log_level level, const char *event, const struct field *fields,
               size_t field_count);

#define LOG_AT(level, event, ...)                                \
    log_write(level, event, (const struct field[]){__VA_ARGS__}, \
              sizeof((const struct field[]){__VA_ARGS__}) / sizeof(struct field))
#define LOG_DEBUG(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define LOG_INFO(event, ...) LOG_AT(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define LOG_WARN(event, ...) LOG_AT(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define LOG_ERROR(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
