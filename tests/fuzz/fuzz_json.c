#include <assert.h>

#include "worker/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void copy_member(void *arg, struct text name, const struct json *value)
{
    (void)value;
    json_write_text(arg, NULL, name);
}

static void copy(struct json_writer *writer, const struct json *value)
{
    uint64_t number;
    json_open_array(writer, NULL);
    json_write_text(writer, NULL, json_text(value));
    json_write_number(writer, NULL, json_number(value, 0));
    json_write_bool(writer, NULL, json_u64(value, &number));
    json_each(value, copy_member, writer);
    for (size_t i = 0; i < json_count(value) && writer->depth + 2 < JSON_DEPTH_MAX; i++)
        copy(writer, json_at(value, i));
    json_close_array(writer);
}

/* Whatever could be read can be written so that it can be read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct text text = {(const char *)data, bytes};
    struct error err;
    AUTO_BUFFER struct buffer out = buffer_new(1 << 24);
    struct json_writer writer = json_writer_new(&out);
    json_open_array(&writer, NULL);
    json_write_text(&writer, NULL, text);
    AUTO_JSON struct json *root = json_parse(text, &err);
    if (root)
        copy(&writer, root);
    json_close_array(&writer);
    AUTO_JSON struct json *again = out.is_full ? NULL : json_parse(buffer_text(&out), &err);
    assert(out.is_full || again);
    return 0;
}
