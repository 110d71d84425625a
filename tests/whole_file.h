/* whole_file.h - all bytes of a file, for tests and benchmarks that read some. */
#ifndef TESTS_WHOLE_FILE_H
#define TESTS_WHOLE_FILE_H

#include <stdio.h>

#include "worker/base/buffer.h"

/* Appends them; false: there is no such file, or not all of it could be read. */
static inline bool whole_file_read(const char *path, struct buffer *content)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    char block[65536];
    for (size_t bytes; (bytes = fread(block, 1, sizeof(block), file)) > 0;)
        buffer_append(content, block, bytes);
    bool is_whole = !ferror(file);
    fclose(file);
    return is_whole;
}

#endif
