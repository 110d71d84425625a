#include <assert.h>

#include "worker/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct seen {
    size_t bytes;
    uint64_t line;
};

/* Lines only go forward and lie within the content; rows name a document. */
static void see_line(struct seen *seen, uint64_t line)
{
    assert(line >= seen->line && line <= seen->bytes + 1);
    seen->line = line;
}

static void on_row(void *arg, const struct manifest_row *row)
{
    see_line(arg, row->line);
    assert(row->fields[MANIFEST_FILE_PATH].bytes || row->fields[MANIFEST_FILE_URL].bytes);
    for (unsigned i = 0; i < MANIFEST_COLUMN_COUNT; i++)
        assert(row->fields[i].bytes <= MANIFEST_FIELD_BYTES_MAX && text_is_utf8(row->fields[i]));
}

static void on_fault(void *arg, uint64_t line, struct text what)
{
    (void)line;
    assert(((struct seen *)arg)->bytes == 0 || what.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct text content = {(const char *)data, bytes};
    for (unsigned format = MANIFEST_CSV; format <= MANIFEST_JSON_LINES; format++) {
        struct seen seen = {.bytes = bytes};
        manifest_read(content, (enum manifest_format)format,
                      (struct manifest_events){&seen, on_row, on_fault});
    }
    return 0;
}
