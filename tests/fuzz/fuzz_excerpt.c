/* Whatever text and question come, the excerpt lies in the text, fits, and holds no control. The
 * first line is the question, the first byte the width. */
#include <assert.h>

#include "worker/excerpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static size_t columns_of(struct text part)
{
    struct excerpt_piece piece;
    size_t columns = 0;
    for (size_t at = 0; excerpt_next(part, &at, &piece);) {
        assert(piece.text.bytes > 0 && at <= part.bytes);
        columns += piece.columns;
    }
    return columns;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0 || bytes > 4096)
        return 0;
    size_t columns_max = data[0] + 2u;
    struct text text,
        question = text_cut((struct text){(const char *)data + 1, bytes - 1}, '\n', &text);
    struct buffer flat = buffer_new(bytes);
    excerpt_flatten(&flat, text);
    struct text whole = buffer_text(&flat);
    for (size_t i = 0; i < whole.bytes; i++)
        assert((uint8_t)whole.start[i] >= 0x20 || whole.start[i] == '\f');
    struct excerpt_words words = excerpt_words_of(question);
    assert(words.count <= EXCERPT_WORDS_MAX);
    struct text part = excerpt_find(whole, &words, columns_max);
    assert(part.bytes == 0 ||
           (part.start >= whole.start && part.start + part.bytes <= whole.start + whole.bytes));
    assert(columns_of(part) <= columns_max);
    uint32_t pages = 0;
    if (part.bytes && excerpt_page(whole, part, &words, &pages))
        assert(pages < bytes);
    buffer_release(&flat);
    return 0;
}
