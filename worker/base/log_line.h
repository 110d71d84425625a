/*
 * log_line.h - how a line of the log looks, and which lines are too many. Pure; for log.c.
 *
 * Owns:   nothing; no allocation, so that a worker out of memory can still say so.
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_LOG_LINE_H
#define WORKER_BASE_LOG_LINE_H

#include "worker/base/log.h"

#define LOG_LINE_BYTES_MAX 4096  /* PIPE_BUF: one write(2) of it is not torn by another's */
#define LOG_VALUE_BYTES_MAX 1024 /* of a text value before escaping; more is cut */
#define LOG_EVENTS_MAX 256       /* different events that are limited; further ones are not */

struct log_entry {
    enum log_level level;
    uint64_t wall_ms;
    const char *event;
    const struct field *fields;
    size_t field_count;
    uint64_t dropped_count; /* lines of this event that were left out before this one */
};

struct log_line {
    char data[LOG_LINE_BYTES_MAX];
    size_t bytes; /* with the line end */
    bool is_over; /* private: the last append did not fit */
};

/* Fields that do not fit are left out, and the line says "cut". */
void log_line_format(struct log_line *line, enum log_format format, const struct log_entry *entry);

struct log_limit {
    struct log_repeat {
        const char *event; /* borrowed for good: a literal */
        uint64_t window_start_ms;
        uint64_t count, dropped_count;
    } repeats[LOG_EVENTS_MAX]; /* zeroed before first use */
};

/* May this event be written at now_ms? *ret_dropped: how many of it were refused before. */
bool log_limit_pass(struct log_limit *limit, const char *event, uint64_t now_ms,
                    uint64_t *ret_dropped);

#endif
