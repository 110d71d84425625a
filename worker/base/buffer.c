#include "worker/base/buffer.h"

#include <stdio.h>
#include <string.h>

#include "worker/base/memory.h"

struct buffer buffer_new(size_t bytes_max)
{
    return (struct buffer){.bytes_max = bytes_max};
}

void buffer_release(struct buffer *buffer)
{
    xfree(buffer->data);
    *buffer = (struct buffer){.bytes_max = buffer->bytes_max};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->bytes = 0;
    buffer->is_full = false;
}

char *buffer_reserve(struct buffer *buffer, size_t bytes)
{
    if (bytes > buffer->bytes_max - buffer->bytes) {
        buffer->is_full = true;
        return NULL;
    }
    size_t needed = buffer->bytes + bytes + 1; /* one more for buffer_string() */
    if (needed > buffer->allocated_bytes) {
        size_t grown = buffer->allocated_bytes * 2;
        grown = grown < 256 ? 256 : grown;
        grown = grown > buffer->bytes_max + 1 ? buffer->bytes_max + 1 : grown;
        grown = grown < needed ? needed : grown;
        buffer->data = xrealloc(buffer->data, grown, 1);
        buffer->allocated_bytes = grown;
    }
    return buffer->data + buffer->bytes;
}

bool buffer_append(struct buffer *buffer, const void *data, size_t bytes)
{
    if (bytes == 0)
        return true;
    char *at = buffer_reserve(buffer, bytes);
    if (!at)
        return false;
    memcpy(at, data, bytes);
    buffer->bytes += bytes;
    return true;
}

bool buffer_append_text(struct buffer *buffer, struct text text)
{
    return buffer_append(buffer, text.start, text.bytes);
}

bool buffer_append_char(struct buffer *buffer, char c)
{
    return buffer_append(buffer, &c, 1);
}

bool buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *at = length < 0 ? NULL : buffer_reserve(buffer, (size_t)length);
    if (at) {
        vsnprintf(at, (size_t)length + 1, format, again); /* the spare byte takes the NUL */
        buffer->bytes += (size_t)length;
    }
    va_end(again);
    return at != NULL;
}

struct text buffer_text(const struct buffer *buffer)
{
    return (struct text){buffer->data, buffer->bytes};
}

const char *buffer_string(struct buffer *buffer)
{
    if (!buffer->data)
        return "";
    buffer->data[buffer->bytes] = '\0';
    return buffer->data;
}
