/* Nothing more can be left out of what is left of a map. */
#include <assert.h>

#include "extract/cmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buffer once = buffer_new(2 * bytes + 2), twice = buffer_new(2 * bytes + 2);
    if (cmap_shorten((struct text){(const char *)data, bytes}, &once)) {
        bool is_shortened = cmap_shorten(buffer_text(&once), &twice);
        assert(is_shortened && text_equal(buffer_text(&once), buffer_text(&twice)));
    }
    buffer_release(&once);
    buffer_release(&twice);
    return 0;
}
