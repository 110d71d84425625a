/* Any bytes: ids spell them again, counts agree with ids, and pieces with their parts. */
#include <assert.h>

#include "tests/tokens_check.h"

enum { BYTES_MAX = 8192, PIECES_AT_ONCE = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint32_t ids[BYTES_MAX];
    static struct tokens_memo memo; /* what other texts left in it is right for this one */
    struct text text = {(const char *)data, bytes};
    if (bytes > BYTES_MAX)
        return 0;
    size_t id_count = tokens_encode(text, ids, BYTES_MAX), sum = 0, at = 0, count = 0;
    tokens_check(text, ids, id_count);
    struct tokens_piece pieces[PIECES_AT_ONCE];
    while ((count = tokens_pieces(text, &at, pieces, PIECES_AT_ONCE, &memo)) > 0) {
        for (size_t i = 0; i < count; i++)
            sum += pieces[i].token_count;
        assert(tokens_count(text_slice(text, at, bytes)) == id_count - sum);
    }
    assert(at == bytes && sum == id_count);
    return 0;
}
