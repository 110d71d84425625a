#include "extract/inflate.h"

#include <assert.h>
#include <limits.h>
#define ZLIB_CONST /* its input is only read */
#include <zlib.h>

#include "worker/base/memory.h"

#define STEP_BYTES (64 << 10)

struct inflater {
    z_stream zlib;
};

struct inflater *inflater_new(void)
{
    struct inflater *inflater = xcalloc(1, sizeof(*inflater));
    int status = inflateInit(&inflater->zlib);
    assert(status == Z_OK);                       /* it can fail for want of memory only */
    status = inflateValidate(&inflater->zlib, 0); /* no viewer looks at the checksum */
    assert(status == Z_OK);
    return inflater;
}

void inflater_free(struct inflater *inflater)
{
    if (!inflater)
        return;
    inflateEnd(&inflater->zlib);
    xfree(inflater);
}

enum inflate_result inflater_run(struct inflater *inflater, struct text data, size_t bytes_max,
                                 struct buffer *out)
{
    z_stream *zlib = &inflater->zlib;
    int status = inflateReset(zlib);
    assert(status == Z_OK);
    zlib->next_in = (const Bytef *)(const void *)data.start;
    zlib->avail_in = data.bytes < UINT_MAX ? (uInt)data.bytes : UINT_MAX;
    while (status == Z_OK) {
        size_t step = bytes_max < STEP_BYTES ? bytes_max : STEP_BYTES;
        char *room = step ? buffer_reserve(out, step) : NULL;
        if (!room)
            return INFLATE_IS_CUT;
        zlib->next_out = (Bytef *)room;
        zlib->avail_out = (uInt)step;
        status = inflate(zlib, Z_NO_FLUSH);
        out->bytes += step - zlib->avail_out;
        bytes_max -= step - zlib->avail_out;
    }
    return status == Z_STREAM_END ? INFLATE_IS_WHOLE : INFLATE_IS_BAD;
}
