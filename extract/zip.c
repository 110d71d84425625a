#include "extract/zip.h"

#include <string.h>
#include <zlib.h>

#define LOCAL_BYTES 30 /* the fixed parts of the records, PKWARE APPNOTE 4.3.7, .12, .16 */
#define ENTRY_BYTES 46
#define END_BYTES 22
#define COMMENT_BYTES_MAX 65535
#define PIECE_BYTES ((size_t)64 << 10)
#define FLAG_ENCRYPTED 1
#define METHOD_STORED 0
#define METHOD_DEFLATED 8

static const struct text LOCAL_MAGIC = {"PK\3\4", 4};
static const struct text ENTRY_MAGIC = {"PK\1\2", 4};
static const struct text END_MAGIC = {"PK\5\6", 4};

static uint32_t u16_at(struct text text, size_t at)
{
    const uint8_t *bytes = (const uint8_t *)text.start + at;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t u32_at(struct text text, size_t at)
{
    return u16_at(text, at) | u16_at(text, at + 2) << 16;
}

/* ---- the directory --------------------------------------------------------------------------- */

struct entry {
    uint32_t flags, method, packed_bytes, bytes, local_at;
    struct text name;
    size_t entry_bytes; /* of the record */
};

static bool entry_at(struct text directory, size_t at, struct entry *ret_entry)
{
    struct text record = text_slice(directory, at, directory.bytes);
    if (record.bytes < ENTRY_BYTES || !text_starts_with(record, ENTRY_MAGIC))
        return false;
    size_t name_bytes = u16_at(record, 28);
    size_t all = ENTRY_BYTES + name_bytes + u16_at(record, 30) + u16_at(record, 32);
    if (record.bytes < all)
        return false;
    *ret_entry = (struct entry){
        .flags = u16_at(record, 8),
        .method = u16_at(record, 10),
        .packed_bytes = u32_at(record, 20),
        .bytes = u32_at(record, 24),
        .local_at = u32_at(record, 42),
        .name = text_slice(record, ENTRY_BYTES, ENTRY_BYTES + name_bytes),
        .entry_bytes = all,
    };
    return true;
}

/* The record at the end may be followed by a comment. */
static bool find_end(struct text body, size_t *ret_at)
{
    size_t lowest =
        body.bytes > END_BYTES + COMMENT_BYTES_MAX ? body.bytes - END_BYTES - COMMENT_BYTES_MAX : 0;
    for (size_t at = body.bytes < END_BYTES ? 0 : body.bytes - END_BYTES + 1; at-- > lowest;)
        if (text_starts_with(text_slice(body, at, body.bytes), END_MAGIC)) {
            *ret_at = at;
            return true;
        }
    return false;
}

bool zip_open(struct text body, struct zip *ret_zip, struct error *err)
{
    size_t end_at;
    if (!find_end(body, &end_at))
        return error_set(err, ERR_DAMAGED, "the container has no directory");
    uint32_t count = u16_at(body, end_at + 10);
    size_t bytes = u32_at(body, end_at + 12), at = u32_at(body, end_at + 16);
    if (count > ZIP_ENTRIES_MAX)
        return error_set(err, ERR_BOMB, "the container has %u entries, %d are allowed", count,
                         ZIP_ENTRIES_MAX);
    if (at > end_at || bytes > end_at - at)
        return error_set(err, ERR_DAMAGED, "the container's directory is not where it says");
    *ret_zip = (struct zip){body, text_slice(body, at, at + bytes), count};
    return true;
}

/* ---- members --------------------------------------------------------------------------------- */

static bool locate(struct text body, const struct entry *entry, struct text *ret_packed)
{
    struct text local = text_slice(body, entry->local_at, body.bytes);
    if (local.bytes < LOCAL_BYTES || !text_starts_with(local, LOCAL_MAGIC))
        return false;
    size_t from = LOCAL_BYTES + u16_at(local, 26) + u16_at(local, 28);
    *ret_packed = text_slice(local, from, from + entry->packed_bytes);
    return ret_packed->bytes == entry->packed_bytes;
}

bool zip_find(const struct zip *zip, struct text name, struct zip_member *ret_member)
{
    struct entry entry;
    size_t at = 0;
    for (uint32_t i = 0; i < zip->entry_count; i++) {
        if (!entry_at(zip->directory, at, &entry))
            return false;
        at += entry.entry_bytes;
        bool is_known = entry.method == METHOD_STORED || entry.method == METHOD_DEFLATED;
        struct text packed;
        if (!text_equal(entry.name, name) || !is_known || !locate(zip->body, &entry, &packed))
            continue;
        *ret_member = (struct zip_member){packed, entry.bytes, entry.method == METHOD_DEFLATED,
                                          entry.flags & FLAG_ENCRYPTED};
        return true;
    }
    return false;
}

bool zip_has_folder(const struct zip *zip, struct text prefix)
{
    struct entry entry;
    size_t at = 0;
    for (uint32_t i = 0; i < zip->entry_count && entry_at(zip->directory, at, &entry); i++) {
        at += entry.entry_bytes;
        if (text_starts_with(entry.name, prefix))
            return true;
    }
    return false;
}

bool zip_peek(struct text body, struct text *ret_name, struct text *ret_content)
{
    if (body.bytes < LOCAL_BYTES || !text_starts_with(body, LOCAL_MAGIC))
        return false;
    size_t name_end = LOCAL_BYTES + u16_at(body, 26), from = name_end + u16_at(body, 28);
    bool is_stored = u16_at(body, 8) == METHOD_STORED;
    *ret_name = text_slice(body, LOCAL_BYTES, name_end);
    *ret_content = is_stored ? text_slice(body, from, from + u32_at(body, 18)) : TEXT_NONE;
    return true;
}

/* ---- inflating ------------------------------------------------------------------------------- */

static bool inflate_all(z_stream *stream, const struct zip_member *member,
                        bool (*take)(void *arg, struct text piece), void *arg, struct error *err)
{
    char piece[PIECE_BYTES];
    int result = Z_OK;
    while (result == Z_OK) {
        stream->next_out = (Bytef *)piece;
        stream->avail_out = sizeof(piece);
        result = inflate(stream, Z_NO_FLUSH);
        struct text some = {piece, sizeof(piece) - stream->avail_out};
        if (stream->total_out > member->bytes)
            return error_set(err, ERR_BOMB, "a member is larger than its directory says");
        if (some.bytes && !take(arg, some))
            return true;
    }
    return result == Z_STREAM_END ||
           error_set(err, ERR_DAMAGED, "a member cannot be inflated (zlib: %d)", result);
}

bool zip_read(const struct zip_member *member, bool (*take)(void *arg, struct text piece),
              void *arg, struct error *err)
{
    uint64_t ratio_bytes = ZIP_RATIO_FREE_BYTES + (uint64_t)member->packed.bytes * ZIP_RATIO_MAX;
    if (member->is_encrypted)
        return error_set(err, ERR_PASSWORD, "a member of the container is encrypted");
    if (member->bytes > ZIP_OUT_BYTES_MAX || member->bytes > ratio_bytes)
        return error_set(err, ERR_BOMB, "a member of %zu bytes promises %llu", member->packed.bytes,
                         (unsigned long long)member->bytes);
    if (!member->is_deflated) {
        (void)take(arg, member->packed);
        return true;
    }
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)member->packed.start, /* read only */
                       .avail_in = (uInt)member->packed.bytes};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return error_set(err, ERR_EXTRACT_MEMORY, "zlib");
    bool is_read = inflate_all(&stream, member, take, arg, err);
    inflateEnd(&stream);
    return is_read;
}
