/* Sentences part the text, each at the start of a character; every place may be asked about. */
#include <assert.h>

#include "chunker/sentence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct text text = {(const char *)data, bytes};
    if (bytes > 65536 || !text_is_utf8(text))
        return 0;
    for (size_t at = 0; at < bytes;) {
        size_t end = sentence_next(text, at);
        assert(end > at && end <= bytes);
        assert(end == bytes || ((uint8_t)text.start[end] & 0xc0) != 0x80);
        at = end;
    }
    for (size_t at = 0; at <= bytes; at++)
        if (at == bytes || ((uint8_t)text.start[at] & 0xc0) != 0x80)
            (void)sentence_ends(text, at, at, at % 2);
    return 0;
}
