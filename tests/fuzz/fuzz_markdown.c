#include "extract/charset.h"
#include "extract/markup.h"
#include "tests/fuzz/prose_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static bool is_warm;
    struct error err;
    if (!is_warm)
        markup_warm_up();
    is_warm = is_warm || charset_warm_up(&err);
    assert(is_warm);
    struct prose *prose = prose_of_first_byte(data, bytes);
    struct text body = text_slice((struct text){(const char *)data, bytes}, 1, bytes);
    if (!markup_read_markdown(body, prose, &err))
        assert(err.code == ERR_DAMAGED);
    check_prose(prose);
    return 0;
}
