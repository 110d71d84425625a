#include <assert.h>

#include "extract/sniff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct text body = {(const char *)data, bytes};
    for (enum format named = FORMAT_UNKNOWN; named < FORMAT_COUNT; named++) {
        struct sniffed sniffed = sniff(body, named);
        assert(sniffed.format < FORMAT_COUNT);
        assert((sniffed.format == FORMAT_UNKNOWN) == (sniffed.what != NULL));
    }
    return 0;
}
