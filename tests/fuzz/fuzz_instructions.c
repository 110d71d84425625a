/* What is left is no longer than what there was, and nothing more of it can be left out. */
#include <assert.h>

#include "extract/instructions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buffer once = buffer_new(bytes), twice = buffer_new(bytes);
    bool is_shortened = instructions_shorten((struct text){(const char *)data, bytes}, &once);
    assert(once.bytes <= bytes && (is_shortened || once.bytes == 0));
    if (is_shortened) {
        is_shortened = instructions_shorten(buffer_text(&once), &twice);
        assert(is_shortened && text_equal(buffer_text(&once), buffer_text(&twice)));
    }
    buffer_release(&once);
    buffer_release(&twice);
    return 0;
}
