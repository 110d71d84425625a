/* Whatever the file says, the update is bounded, and the file with it is still one that can be read
 * the same way: it leads from the new section to the one that was the newest before. */
#include <assert.h>

#include "extract/fonts.h"
#include "extract/xref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(struct text body, const struct buffer *update)
{
    struct xref before, after;
    struct buffer joined = buffer_new(body.bytes + update->bytes);
    buffer_append_text(&joined, body);
    buffer_append_text(&joined, buffer_text(update));
    bool is_read = xref_read(body, &before);
    assert(is_read);
    is_read = xref_read(buffer_text(&joined), &after);
    assert(is_read && after.newest_at >= body.bytes && (after.is_stream || !before.is_stream));
    for (uint32_t i = 0; i < before.entry_count; i++) {
        const struct xref_entry *entry = &after.entries[i], *was = &before.entries[i];
        bool is_contained = entry->kind == XREF_IS_CONTAINED;
        assert(is_contained || entry->kind == was->kind ||
               (entry->kind == XREF_IS_PLAIN && was->kind == XREF_IS_CONTAINED));
        if (is_contained && (was->kind != XREF_IS_CONTAINED || entry->at != was->at)) {
            assert(entry->at < after.entry_count);
            entry = &after.entries[entry->at];
        }
        assert(entry->at == was->at || entry->at >= body.bytes);
    }
    xref_release(&before);
    xref_release(&after);
    buffer_release(&joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct text body = {(const char *)data, bytes};
    struct buffer update = buffer_new(FONTS_UPDATE_BYTES_MAX);
    if (fonts_prepare(body, UINT32_MAX, &update))
        check(body, &update);
    assert(update.bytes <= FONTS_UPDATE_BYTES_MAX);
    buffer_release(&update);
    return 0;
}
