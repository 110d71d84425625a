/* tokens_check.h - what tokens.h promises for any text, asserted for one. */
#ifndef TESTS_TOKENS_CHECK_H
#define TESTS_TOKENS_CHECK_H

#include <assert.h>

#include "chunker/tokens.h"

/* The ids spell the text, and there are as many of them as are counted, at once and by pieces. */
static inline void tokens_check(struct text text, const uint32_t *ids, size_t id_count)
{
    size_t at = 0, sum = 0, count = 0;
    for (size_t i = 0; i < id_count; i++) {
        struct text token = tokens_text(ids[i]);
        assert(token.bytes > 0 && text_starts_with(text_slice(text, at, text.bytes), token));
        at += token.bytes;
    }
    assert(at == text.bytes && tokens_count(text) == id_count);
    struct tokens_piece pieces[7];
    for (at = 0; (count = tokens_pieces(text, &at, pieces, COUNT_OF(pieces), NULL)) > 0;)
        for (size_t i = 0; i < count; i++)
            sum += pieces[i].token_count;
    assert(at == text.bytes && sum == id_count);
}

#endif
