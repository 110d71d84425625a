#include "worker/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "worker/base/log_line.h"

static _Atomic(enum log_level) level_min = LOG_LEVEL_INFO;
static _Atomic(enum log_format) format_now = LOG_FORMAT_JSON;
static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_limit limit;

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool pass(const char *event, uint64_t *ret_dropped)
{
    pthread_mutex_lock(&limit_lock);
    bool passes = log_limit_pass(&limit, event, clock_ms(CLOCK_MONOTONIC), ret_dropped);
    pthread_mutex_unlock(&limit_lock);
    return passes;
}

void log_configure(enum log_level level, enum log_format format)
{
    atomic_store(&level_min, level);
    atomic_store(&format_now, format);
}

bool log_is_on(enum log_level level)
{
    return level >= atomic_load_explicit(&level_min, memory_order_relaxed);
}

void log_write(enum log_level level, const char *event, const struct field *fields,
               size_t field_count)
{
    struct log_entry entry = {level, clock_ms(CLOCK_REALTIME), event, fields, field_count, 0};
    bool is_trouble = level >= LOG_LEVEL_WARN;
    if (!log_is_on(level) || (is_trouble && !pass(event, &entry.dropped_count)))
        return;
    int errno_before = errno; /* a caller may log between a failure and its errno */
    struct log_line line;
    log_line_format(&line, atomic_load(&format_now), &entry);
    ssize_t written;
    do
        written = write(STDERR_FILENO, line.data, line.bytes);
    while (written < 0 && errno == EINTR);
    errno = errno_before; /* a log that cannot be written has nobody left to tell */
}
