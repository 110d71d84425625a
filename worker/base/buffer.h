/*
 * buffer.h - a growing byte buffer with a limit.
 *
 * Past bytes_max nothing more is appended and is_full stays set: write everything, check once.
 * Owns:   its bytes, until buffer_release().
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_BUFFER_H
#define WORKER_BASE_BUFFER_H

#include "worker/base/text.h"

struct buffer {
    char *data;
    size_t bytes;
    size_t allocated_bytes;
    size_t bytes_max;
    bool is_full; /* an append did not fit: the content is not complete */
};

struct buffer buffer_new(size_t bytes_max); /* allocates nothing yet */
void buffer_release(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* keeps the memory */
bool buffer_append(struct buffer *buffer, const void *data, size_t bytes);
bool buffer_append_text(struct buffer *buffer, struct text text);
bool buffer_append_char(struct buffer *buffer, char c);
bool buffer_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
/* Room for at least bytes more, to be written by the caller, who then adds to buffer->bytes; NULL
 * past the limit. */
char *buffer_reserve(struct buffer *buffer, size_t bytes);
struct text buffer_text(const struct buffer *buffer); /* borrowed until the next change */
const char *buffer_string(struct buffer *buffer);     /* NUL-terminated; borrowed likewise */

#define AUTO_BUFFER __attribute__((cleanup(buffer_release)))

#endif
