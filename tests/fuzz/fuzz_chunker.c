/* Byte 0: options; then pages parted by form feeds. All feeds must agree and all promises hold. */
#include "tests/unit/chunk_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct text input = {(const char *)data + 1, bytes ? bytes - 1 : 0};
    if (bytes == 0 || bytes > 65536 || !text_is_utf8(input))
        return 0;
    struct chunker_options options = {data[0] % 2 ? CHUNKER_CL100K : CHUNKER_BYTES,
                                      1 + data[0] % 64u,
                                      data[0] / 8u,
                                      16 + data[0] % 100u,
                                      data[0] % 3u * 16,
                                      data[0] % 5u * 4};
    struct page pages[64];
    size_t page_count = 0;
    while (page_count < COUNT_OF(pages) && (input.bytes || page_count == 0)) {
        struct text text = text_cut(input, '\f', &input);
        pages[page_count] = (struct page){.number = (uint32_t)page_count + 1, .text = text};
        page_count++;
    }
    struct checked one = check_document(pages, page_count, FEED_PAGE_BY_PAGE, options);
    struct checked two = check_document(pages, page_count, FEED_IN_PARTS, options);
    assert(text_equal(buffer_text(&one.listing), buffer_text(&two.listing)));
    check_release(&one);
    check_release(&two);
    return 0;
}
