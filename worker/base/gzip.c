#include "worker/base/gzip.h"

#include <assert.h>
#define ZLIB_CONST
#include <zlib.h>

#include "worker/base/memory.h"

#define WINDOW_BITS (-12) /* raw: no header and no sum; texts of some KiB */
#define MEMORY_LEVEL 5

struct packer {
    struct text dictionary;
    z_stream deflating, inflating;
};

static void *take_memory(void *arg, uInt count, uInt bytes)
{
    (void)arg;
    return xcalloc(count, bytes);
}

static void give_memory(void *arg, void *memory)
{
    (void)arg;
    xfree(memory);
}

struct packer *packer_new(struct text dictionary)
{
    struct packer *packer = xcalloc(1, sizeof(*packer));
    packer->dictionary = dictionary;
    packer->deflating.zalloc = packer->inflating.zalloc = take_memory;
    packer->deflating.zfree = packer->inflating.zfree = give_memory;
    int made = deflateInit2(&packer->deflating, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                            Z_DEFAULT_STRATEGY);
    assert(made == Z_OK); /* only memory could lack */
    made = inflateInit2(&packer->inflating, WINDOW_BITS);
    assert(made == Z_OK);
    return packer;
}

void packer_free(struct packer *packer)
{
    if (!packer)
        return;
    deflateEnd(&packer->deflating);
    inflateEnd(&packer->inflating);
    xfree(packer);
}

static const Bytef *bytes_of(struct text text)
{
    return (const Bytef *)text.start;
}

size_t packer_pack(struct packer *packer, struct text plain, char *packed, size_t room)
{
    z_stream *stream = &packer->deflating;
    deflateReset(stream);
    deflateSetDictionary(stream, bytes_of(packer->dictionary), (uInt)packer->dictionary.bytes);
    stream->next_in = bytes_of(plain);
    stream->avail_in = (uInt)plain.bytes;
    stream->next_out = (Bytef *)packed;
    stream->avail_out = (uInt)room;
    return deflate(stream, Z_FINISH) == Z_STREAM_END ? room - stream->avail_out : 0;
}

void packer_unpack(struct packer *packer, struct text packed, char *plain, size_t plain_bytes)
{
    z_stream *stream = &packer->inflating;
    inflateReset(stream);
    inflateSetDictionary(stream, bytes_of(packer->dictionary), (uInt)packer->dictionary.bytes);
    stream->next_in = bytes_of(packed);
    stream->avail_in = (uInt)packed.bytes;
    stream->next_out = (Bytef *)plain;
    stream->avail_out = (uInt)plain_bytes;
    int ended = inflate(stream, Z_FINISH);
    assert(ended == Z_STREAM_END && stream->avail_out == 0);
}
