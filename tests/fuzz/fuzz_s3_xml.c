#include "queue/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The first byte sets the arena's budget, so that running out is tried too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct s3_list list;
    struct s3_fault fault;
    struct error err;
    struct text xml = text_slice((struct text){(const char *)data, bytes}, 1, bytes);
    struct arena arena = arena_new(bytes ? (size_t)data[0] * 64 : 0);
    if (s3_xml_list(xml, &arena, &list, &err) && list.entry_count > S3_LIST_ENTRIES_MAX)
        __builtin_trap();
    if (s3_xml_fault(xml, &fault) && !fault.code[0])
        __builtin_trap();
    arena_release(&arena);
    return 0;
}
