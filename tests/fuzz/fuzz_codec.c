/* Byte 0: rows and width; the rest: what an embeddings endpoint answers. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "embed/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    struct text input = {(const char *)data + 1, bytes - 1};
    size_t count = 1 + data[0] % 4u;
    uint32_t width = 1 + data[0] / 16u;
    struct codec_rows rows = {calloc(count * width, sizeof(float)),
                              calloc(count, sizeof(enum codec_row)), count, width};
    struct codec_reply reply;
    struct codec_refusal refusal;
    struct error err;
    if (codec_read(input, &rows, &reply, &err))
        for (size_t i = 0; i < count; i++)
            assert(rows.states[i] != CODEC_MISSING &&
                   (rows.states[i] == CODEC_BAD || isfinite(rows.floats[i * width])));
    codec_read_refusal(input, &refusal);
    free(rows.floats);
    free(rows.states);
    return 0;
}
