#include "tests/unit/zip_writer.h"

#include <assert.h>
#include <string.h>
#include <zlib.h>

#include "worker/base/memory.h"

static void put(struct buffer *out, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        buffer_append_char(out, (char)(value >> (8 * i)));
}

static void add(struct zip_writer *writer, const char *name, struct text packed, size_t bytes,
                bool is_deflated)
{
    uint32_t at = (uint32_t)writer->out.bytes, name_bytes = (uint32_t)strlen(name);
    uint32_t claimed = writer->claimed_bytes ? writer->claimed_bytes : (uint32_t)bytes;
    struct buffer *outs[] = {&writer->out, &writer->directory};
    for (unsigned i = 0; i < 2; i++) {
        bool is_entry = i == 1;
        buffer_append_text(outs[i], is_entry ? TEXT("PK\1\2") : TEXT("PK\3\4"));
        if (is_entry)
            put(outs[i], 2, 20);
        put(outs[i], 2, 20);
        put(outs[i], 2, writer->is_encrypted);
        put(outs[i], 2, is_deflated ? 8 : 0);
        put(outs[i], 4, 0); /* time and date */
        put(outs[i], 4, 0); /* the checksum is nobody's business here */
        put(outs[i], 4, (uint32_t)packed.bytes);
        put(outs[i], 4, claimed);
        put(outs[i], 2, name_bytes);
        put(outs[i], 2, 0);
        if (is_entry) {
            put(outs[i], 6, 0);
            put(outs[i], 4, 0);
            put(outs[i], 4, at);
        }
        buffer_append(outs[i], name, name_bytes);
    }
    buffer_append_text(&writer->out, packed);
    writer->count++;
    writer->claimed_bytes = 0;
    writer->is_encrypted = false;
}

void zip_writer_begin(struct zip_writer *writer)
{
    *writer = (struct zip_writer){.out = buffer_new(64u << 20), .directory = buffer_new(1u << 20)};
}

void zip_writer_store(struct zip_writer *writer, const char *name, struct text content)
{
    add(writer, name, content, content.bytes, false);
}

void zip_writer_deflate(struct zip_writer *writer, const char *name, struct text content)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)content.start,
                       .avail_in = (uInt)content.bytes};
    int result = deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
    assert(result == Z_OK);
    size_t room = deflateBound(&stream, (uLong)content.bytes);
    char *packed = xmalloc(room);
    stream.next_out = (Bytef *)packed;
    stream.avail_out = (uInt)room;
    result = deflate(&stream, Z_FINISH);
    assert(result == Z_STREAM_END);
    add(writer, name, (struct text){packed, room - stream.avail_out}, content.bytes, true);
    deflateEnd(&stream);
    xfree(packed);
}

struct text zip_writer_end(struct zip_writer *writer)
{
    uint32_t at = (uint32_t)writer->out.bytes;
    buffer_append_text(&writer->out, buffer_text(&writer->directory));
    buffer_append_text(&writer->out, TEXT("PK\5\6"));
    put(&writer->out, 4, 0);
    put(&writer->out, 2, writer->count);
    put(&writer->out, 2, writer->count);
    put(&writer->out, 4, (uint32_t)writer->directory.bytes);
    put(&writer->out, 4, at);
    put(&writer->out, 2, 0);
    return buffer_text(&writer->out);
}

void zip_writer_release(struct zip_writer *writer)
{
    buffer_release(&writer->out);
    buffer_release(&writer->directory);
}
