/* Whatever comes in, what goes out is clean, and cleaning it again finds nothing ill-formed. */
#include <assert.h>

#include "extract/clean.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(struct text text)
{
    assert(text_is_utf8(text));
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t c = (uint8_t)text.start[i];
        assert((c >= 0x20 || c == '\n' || c == '\t') && c != 0x7f);
        assert(i == 0 || c != ' ' || text.start[i - 1] != ' ');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    /* The first byte sets the budget, so that a full buffer is tried too. */
    struct buffer out = buffer_new(data[0] < 16 ? data[0] : 32 * bytes + 64);
    struct clean_figures figures;
    if (clean_text((struct text){(const char *)data + 1, bytes - 1}, &out, &figures)) {
        check(buffer_text(&out));
        assert(figures.unusable_count <= figures.char_count && figures.char_count <= bytes);
    } else {
        assert(out.is_full && data[0] < 16);
    }
    (void)clean_has_right_to_left((struct text){(const char *)data, bytes});
    buffer_release(&out);
    return 0;
}
