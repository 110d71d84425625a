/*
 * Token ids for somebody who compares them: texts on stdin, each a length (32 bits, little-endian)
 * and its bytes; on stdout for each a count and its ids, likewise. Checks on the way that counts
 * and pieces agree with the ids, and that the ids spell the text.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/tokens_check.h"
#include "worker/base/memory.h"

static bool read_all(void *data, size_t bytes)
{
    return fread(data, 1, bytes, stdin) == bytes;
}

static void write_u32(uint32_t value)
{
    value = htole32(value);
    fwrite(&value, sizeof(value), 1, stdout);
}

int main(void)
{
    uint32_t bytes = 0;
    while (read_all(&bytes, sizeof(bytes))) {
        bytes = le32toh(bytes);
        char *data = xmalloc(bytes + 1);
        uint32_t *ids = xmalloc((bytes + 1) * sizeof(*ids));
        if (!read_all(data, bytes))
            return 1;
        size_t id_count = tokens_encode((struct text){data, bytes}, ids, bytes);
        tokens_check((struct text){data, bytes}, ids, id_count);
        write_u32((uint32_t)id_count);
        for (size_t i = 0; i < id_count; i++)
            write_u32(ids[i]);
        if (fflush(stdout) != 0)
            return 1;
        xfree(data);
        xfree(ids);
    }
    return 0;
}
