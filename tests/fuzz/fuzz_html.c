#include "tests/fuzz/markup_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    check_markup(markup_read_html, data, bytes);
    return 0;
}
