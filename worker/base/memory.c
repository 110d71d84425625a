#include "worker/base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *or_abort(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

void *xmalloc(size_t bytes)
{
    return or_abort(malloc(bytes ? bytes : 1));
}

void *xcalloc(size_t count, size_t bytes)
{
    return or_abort(calloc(count ? count : 1, bytes ? bytes : 1));
}

void *xrealloc(void *memory, size_t count, size_t bytes)
{
    return or_abort(reallocarray(memory, count ? count : 1, bytes ? bytes : 1));
}

void xfree(void *memory)
{
    free(memory);
}

char *xstrdup(struct text text)
{
    char *copy = xmalloc(text.bytes + 1);
    if (text.bytes)
        memcpy(copy, text.start, text.bytes);
    copy[text.bytes] = '\0';
    return copy;
}

void secret_wipe(void *memory, size_t bytes)
{
    explicit_bzero(memory, bytes);
}

void cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

void cleanup_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
