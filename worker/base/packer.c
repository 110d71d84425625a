#include "worker/base/packer.h"

#include <assert.h>
#include <lz4.h>

#include "worker/base/memory.h"

struct packer {
    struct text dictionary;
    LZ4_stream_t primed; /* has read the dictionary; each text begins with a copy of it */
};

struct packer *packer_new(struct text dictionary)
{
    struct packer *packer = xcalloc(1, sizeof(*packer));
    packer->dictionary = dictionary;
    (void)LZ4_initStream(&packer->primed, sizeof(packer->primed)); /* fails for NULL only */
    (void)LZ4_loadDict(&packer->primed, dictionary.start, (int)dictionary.bytes);
    return packer;
}

void packer_free(struct packer *packer)
{
    xfree(packer);
}

size_t packer_pack(struct packer *packer, struct text plain, char *packed, size_t room)
{
    LZ4_stream_t stream = packer->primed;
    if (plain.bytes > LZ4_MAX_INPUT_SIZE)
        return 0;
    int room_max = room < INT32_MAX ? (int)room : INT32_MAX;
    return (size_t)LZ4_compress_fast_continue(&stream, plain.start, packed, (int)plain.bytes,
                                              room_max, 1);
}

void packer_unpack(struct packer *packer, struct text packed, char *plain, size_t plain_bytes)
{
    int bytes =
        LZ4_decompress_safe_usingDict(packed.start, plain, (int)packed.bytes, (int)plain_bytes,
                                      packer->dictionary.start, (int)packer->dictionary.bytes);
    assert(bytes >= 0 && (size_t)bytes == plain_bytes);
}
