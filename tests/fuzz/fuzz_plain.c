/* Bytes in any encoding. */
#include "extract/charset.h"
#include "extract/plain.h"
#include "tests/fuzz/prose_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static bool is_warm;
    struct error err;
    is_warm = is_warm || charset_warm_up(&err);
    assert(is_warm);
    struct text body = text_slice((struct text){(const char *)data, bytes}, 1, bytes);
    struct prose *prose = prose_of_first_byte(data, bytes);
    plain_read(body, prose);
    check_prose(prose);

    /* An encoding named by the first line. */
    struct text rest, label = text_cut(body, '\n', &rest);
    struct buffer out = buffer_new(8 * bytes + (1 << 20));
    assert(charset_decode_all(rest, label, &out, &err));
    buffer_release(&out);
    return 0;
}
