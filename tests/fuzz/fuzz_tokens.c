/* Any bytes: ids spell them again, counts agree with ids, and pieces with their parts. */
#include <assert.h>
#include <string.h>

#include "chunker/tokens.h"

enum { BYTES_MAX = 8192, PIECES_AT_ONCE = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_spelling(struct text text, const uint32_t *ids, size_t id_count)
{
    size_t at = 0;
    for (size_t i = 0; i < id_count; i++) {
        struct text token = tokens_text(ids[i]);
        assert(token.bytes > 0 && token.bytes <= text.bytes - at);
        assert(memcmp(text.start + at, token.start, token.bytes) == 0);
        at += token.bytes;
    }
    assert(at == text.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint32_t ids[BYTES_MAX];
    struct text text = {(const char *)data, bytes};
    if (bytes > BYTES_MAX)
        return 0;
    size_t id_count = tokens_encode(text, ids, BYTES_MAX), sum = 0, at = 0, count = 0;
    assert(tokens_count(text) == id_count);
    check_spelling(text, ids, id_count);
    struct tokens_piece pieces[PIECES_AT_ONCE];
    while ((count = tokens_pieces(text, &at, pieces, PIECES_AT_ONCE, NULL)) > 0) {
        for (size_t i = 0; i < count; i++)
            sum += pieces[i].token_count;
        assert(tokens_count(text_slice(text, at, bytes)) == id_count - sum);
    }
    assert(at == bytes && sum == id_count);
    return 0;
}
