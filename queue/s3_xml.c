#include "queue/s3_xml.h"

#include <expat.h>
#include <string.h>

#include "worker/base/date.h"
#include "worker/base/memory.h"
#include "worker/base/sigv4.h"

#define DEPTH_MAX 8
#define VALUE_BYTES_MAX ((size_t)16 * 1024) /* a key of 1,024 bytes, each escaped */

struct reader;
typedef bool (*on_value_fn)(struct reader *reader, const char *parent, const char *name);

struct reader {
    XML_Parser parser;
    char names[DEPTH_MAX][64]; /* the open elements */
    size_t depth;
    struct buffer value; /* of the innermost element, so far */
    on_value_fn on_value;
    bool is_refused;
    struct s3_fault *fault;
    struct s3_list *list;
    struct arena *arena;
    struct object_entry entry;
    bool is_url_encoded, is_truncated, has_no_memory;
};

static void refuse(struct reader *reader)
{
    reader->is_refused = true;
    XML_StopParser(reader->parser, XML_FALSE);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *reader = arg;
    (void)attributes;
    if (reader->depth == DEPTH_MAX ||
        !text_format(reader->names[reader->depth], sizeof(reader->names[0]), "%s", name)) {
        refuse(reader);
        return;
    }
    reader->depth++;
    buffer_clear(&reader->value);
}

static void on_end(void *arg, const XML_Char *name)
{
    struct reader *reader = arg;
    (void)name;
    if (reader->depth == 0)
        return; /* not from expat, which checks the pairs */
    reader->depth--;
    const char *parent = reader->depth ? reader->names[reader->depth - 1] : "";
    if (reader->value.is_full || !reader->on_value(reader, parent, reader->names[reader->depth]))
        refuse(reader);
    buffer_clear(&reader->value);
}

static void on_text(void *arg, const XML_Char *text, int bytes)
{
    struct reader *reader = arg;
    buffer_append(&reader->value, text, (size_t)bytes);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
                       const XML_Char *public_id, int has_subset)
{
    (void)name, (void)system_id, (void)public_id, (void)has_subset;
    refuse(arg); /* S3 has none; entities could only do harm */
}

static bool read_xml(struct reader *reader, struct text xml)
{
    if (xml.bytes > INT32_MAX)
        return false;
    reader->parser = XML_ParserCreate("UTF-8");
    if (!reader->parser)
        return false;
    reader->value = buffer_new(VALUE_BYTES_MAX);
    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader->parser, on_text);
    XML_SetStartDoctypeDeclHandler(reader->parser, on_doctype);
    bool is_ok = XML_Parse(reader->parser, xml.start ? xml.start : "", (int)xml.bytes, XML_TRUE) ==
                     XML_STATUS_OK &&
                 !reader->is_refused;
    XML_ParserFree(reader->parser);
    buffer_release(&reader->value);
    return is_ok;
}

static bool is(const char *name, const char *wanted)
{
    return strcmp(name, wanted) == 0;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static bool on_fault_value(struct reader *reader, const char *parent, const char *name)
{
    struct s3_fault *fault = reader->fault;
    struct text value = text_trim(buffer_text(&reader->value));
    if (!is(parent, "Error"))
        return true;
    if (is(name, "Code"))
        (void)text_format(fault->code, sizeof(fault->code), "%.*s", TEXT_ARGS(value));
    else if (is(name, "Message"))
        (void)text_format(fault->message, sizeof(fault->message), "%.*s", TEXT_ARGS(value));
    else if (is(name, "Region"))
        (void)text_format(fault->region, sizeof(fault->region), "%.*s", TEXT_ARGS(value));
    return true;
}

bool s3_xml_fault(struct text xml, struct s3_fault *ret_fault)
{
    struct s3_fault fault = {0};
    struct reader reader = {.on_value = on_fault_value, .fault = &fault};
    if (!read_xml(&reader, xml) || !fault.code[0])
        return false;
    *ret_fault = fault;
    return true;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* encoding-type=url: %XX, and '+' is a space. In place, since it only gets shorter. */
static struct text decode(char *value, size_t bytes)
{
    struct text encoded = {value, bytes};
    size_t out = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = value[i];
        if (c == '+')
            c = ' ';
        if (sigv4_escape_at(encoded, i, &c))
            i += 2;
        value[out++] = c;
    }
    return (struct text){value, out};
}

static bool keep(struct reader *reader, struct text *ret_text)
{
    reader->has_no_memory = !arena_copy(reader->arena, buffer_text(&reader->value), ret_text);
    return !reader->has_no_memory;
}

static struct text without_quotes(struct text etag)
{
    if (etag.bytes >= 2 && etag.start[0] == '"' && etag.start[etag.bytes - 1] == '"')
        return text_slice(etag, 1, etag.bytes - 1);
    return etag;
}

static bool on_entry_value(struct reader *reader, const char *name)
{
    struct object_entry *entry = &reader->entry;
    struct text value = buffer_text(&reader->value);
    if (is(name, "Key"))
        return keep(reader, &entry->key);
    if (is(name, "Size"))
        return text_parse_u64(value, &entry->size_bytes);
    if (is(name, "LastModified"))
        return date_from_iso(value, &entry->modified_ms);
    if (!is(name, "ETag"))
        return true;
    if (!keep(reader, &entry->etag))
        return false;
    entry->etag = without_quotes(entry->etag);
    return true;
}

static bool on_entry_end(struct reader *reader)
{
    struct s3_list *list = reader->list;
    if (list->entry_count == S3_LIST_ENTRIES_MAX || !reader->entry.key.bytes)
        return false;
    list->entries[list->entry_count++] = reader->entry;
    reader->entry = (struct object_entry){0};
    return true;
}

static bool on_list_value(struct reader *reader, const char *parent, const char *name)
{
    struct text value = buffer_text(&reader->value);
    if (is(parent, "Contents"))
        return on_entry_value(reader, name);
    if (!is(parent, "ListBucketResult"))
        return parent[0] || is(name, "ListBucketResult"); /* the outermost must be a list */
    if (is(name, "Contents"))
        return on_entry_end(reader);
    if (is(name, "IsTruncated"))
        reader->is_truncated = text_equal(value, TEXT("true"));
    else if (is(name, "EncodingType"))
        reader->is_url_encoded = text_equal(value, TEXT("url"));
    else if (is(name, "NextContinuationToken"))
        return keep(reader, &reader->list->next_token);
    return true;
}

bool s3_xml_list(struct text xml, struct arena *arena, struct s3_list *ret_list, struct error *err)
{
    struct reader reader = {.on_value = on_list_value, .list = ret_list, .arena = arena};
    ret_list->entry_count = 0;
    ret_list->next_token = TEXT_NONE;
    if (!read_xml(&reader, xml)) {
        if (reader.has_no_memory)
            return error_set(err, ERR_NO_MEMORY, "a page of a listing");
        return error_set(err, ERR_PROTOCOL, "the answer is no ListBucketResult");
    }
    if (reader.is_truncated && !ret_list->next_token.bytes)
        return error_set(err, ERR_PROTOCOL, "the list goes on, but its answer does not say where");
    if (!reader.is_truncated)
        ret_list->next_token = TEXT_NONE;
    for (size_t i = 0; reader.is_url_encoded && i < ret_list->entry_count; i++) {
        struct text *key = &ret_list->entries[i].key;
        *key = decode((char *)(uintptr_t)key->start, key->bytes); /* the arena's own copy */
    }
    return true;
}
