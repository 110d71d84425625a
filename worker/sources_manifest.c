/* The rows of a manifest as documents. */
#include <string.h>

#include "worker/base/memory.h"
#include "worker/manifest.h"
#include "worker/model/link.h"
#include "worker/sources_private.h"

#define MANIFEST_BYTES_MAX ((size_t)256 << 20)

struct rows {
    struct sources *sources;
    const char *manifest;
    struct text folder; /* where its relative paths begin; with a slash, or empty */
    size_t row_count;
};

/* "": the row does not say, its fields do. */
static const struct {
    const char *word;
    enum source_kind kind;
} TYPES[] = {
    {"upload", SOURCE_FILE}, {"file", SOURCE_FILE}, {"local", SOURCE_FILE},
    {"s3", SOURCE_OBJECT},   {"url", SOURCE_LINK},  {"link", SOURCE_LINK},
};

static bool find_kind(const struct manifest_row *row, enum source_kind *ret_kind)
{
    struct text type = row->fields[MANIFEST_SOURCE_TYPE], path = row->fields[MANIFEST_FILE_PATH];
    for (size_t i = 0; i < COUNT_OF(TYPES); i++) {
        if (!text_equal_nocase(type, text_from(TYPES[i].word)))
            continue;
        *ret_kind = TYPES[i].kind;
        return true;
    }
    if (text_starts_with(path, TEXT("s3://")))
        *ret_kind = SOURCE_OBJECT;
    else
        *ret_kind =
            row->fields[MANIFEST_FILE_URL].bytes || link_is_link(path) ? SOURCE_LINK : SOURCE_FILE;
    return type.bytes == 0;
}

static bool leads_up(struct text path)
{
    while (path.bytes)
        if (text_equal(text_cut(path, '/', &path), TEXT("..")))
            return true;
    return false;
}

/* The key keeps a relative path, so that files of one name in two folders stay apart. */
static void take_file(struct rows *rows, struct source_place place, const struct manifest_row *row)
{
    AUTO_BUFFER struct buffer path = buffer_new(2 * MANIFEST_FIELD_BYTES_MAX);
    struct text named = row->fields[MANIFEST_FILE_PATH], key = named;
    bool is_absolute = text_starts_with(named, TEXT("/"));
    if (!named.bytes) {
        sources_fault(rows->sources, place, "file_path is empty");
        return;
    }
    while (text_starts_with(key, TEXT("./")))
        key = text_slice(key, 2, key.bytes);
    for (struct text rest = key; (is_absolute || leads_up(key)) && rest.bytes;)
        key = text_cut(rest, '/', &rest);
    if (!is_absolute)
        buffer_append_text(&path, rows->folder);
    buffer_append_text(&path, named);
    sources_add_file(rows->sources, place, buffer_string(&path), key, row->fields[MANIFEST_TITLE]);
}

static void take_object(struct rows *rows, struct source_place place,
                        const struct manifest_row *row)
{
    const struct config *config = rows->sources->options.config;
    struct text path = row->fields[MANIFEST_FILE_PATH], key = path;
    struct text bucket = config->bucket_count ? config->buckets[0] : TEXT_NONE;
    bool has_bucket = text_starts_with(path, TEXT("s3://"));
    if (has_bucket && !sources_split_object(rows->sources, place, path, &bucket, &key))
        return;
    sources_add_object(rows->sources, place, bucket, key, row->fields[MANIFEST_TITLE]);
}

static void take_link(struct rows *rows, struct source_place place, const struct manifest_row *row)
{
    struct text url = row->fields[MANIFEST_FILE_URL], path = row->fields[MANIFEST_FILE_PATH];
    struct text link = url.bytes ? url : path;
    if (link_is_link(link))
        sources_add_link(rows->sources, place, link, row->fields[MANIFEST_TITLE]);
    else
        sources_fault(rows->sources, place, "file_url is no https link");
}

static void on_row(void *arg, const struct manifest_row *row)
{
    struct rows *rows = arg;
    struct source_place place = {rows->manifest, row->line};
    enum source_kind kind = SOURCE_FILE;
    rows->row_count++;
    if (!find_kind(row, &kind))
        sources_fault(rows->sources, place, "file_source_type \"%.*s\" is none of upload, s3, url",
                      TEXT_ARGS(text_slice(row->fields[MANIFEST_SOURCE_TYPE], 0, 80)));
    else if (kind == SOURCE_FILE)
        take_file(rows, place, row);
    else if (kind == SOURCE_OBJECT)
        take_object(rows, place, row);
    else
        take_link(rows, place, row);
}

static void on_fault(void *arg, uint64_t line, struct text what)
{
    struct rows *rows = arg;
    sources_fault(rows->sources, (struct source_place){rows->manifest, line}, "%.*s",
                  TEXT_ARGS(what));
}

static struct text folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (struct text){path, (size_t)(slash - path) + 1} : TEXT_NONE;
}

void sources_add_manifest(struct sources *sources, const char *path)
{
    struct rows rows = {.sources = sources, .manifest = path, .folder = folder_of(path)};
    AUTO_BUFFER struct buffer content = buffer_new(MANIFEST_BYTES_MAX);
    enum manifest_format format = MANIFEST_CSV;
    struct error err;
    if (!environment_read_file(path, &content, &err)) {
        sources_fault(sources, (struct source_place){0}, "%s", err.message);
        return;
    }
    size_t faults = sources->faults.count;
    if (!manifest_format_of(text_from(path), &format) &&
        text_starts_with(text_trim(buffer_text(&content)), TEXT("{")))
        format = MANIFEST_JSON_LINES;
    manifest_read(buffer_text(&content), format, (struct manifest_events){&rows, on_row, on_fault});
    if (rows.row_count == 0 && sources->faults.count == faults)
        sources_fault(sources, (struct source_place){path, 1}, "it has a header and no row");
}
