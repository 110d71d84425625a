#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/base/memory.h"
#include "worker/model/link.h"
#include "worker/sources_private.h"

#define NOTE_BYTES_MAX 2000
#define READ_BYTES ((size_t)256 << 10)
#define GROW 1024 /* items at a time */

/* ---- notes ----------------------------------------------------------------------------------- */

static void note(struct source_notes *notes, struct source_place place, struct text text)
{
    if (notes->count % GROW == 0)
        notes->items = xrealloc(notes->items, notes->count + GROW, sizeof(*notes->items));
    notes->items[notes->count++] = (struct source_note){place, xstrdup(text)};
}

void sources_fault(struct sources *sources, struct source_place place, const char *format, ...)
{
    char text[NOTE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)text_format_v(text, sizeof(text), format, args);
    va_end(args);
    note(&sources->faults, place, text_from(text));
}

void sources_skip(struct sources *sources, struct text name, const char *why)
{
    char text[NOTE_BYTES_MAX];
    (void)text_format(text, sizeof(text), "%.*s: %s", TEXT_ARGS(name), why);
    note(&sources->skipped, (struct source_place){0}, text_from(text));
}

static void release_notes(struct source_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++)
        xfree(notes->items[i].text);
    xfree(notes->items);
}

/* ---- one document ---------------------------------------------------------------------------- */

static void release_source(struct source *source)
{
    xfree(source->name);
    xfree(source->title);
    xfree(source->etag);
    xfree(source->key);
    if (source->link)
        secret_wipe(source->link, strlen(source->link));
    xfree(source->link);
}

static struct text last_name(struct text path)
{
    struct text rest = path;
    while (rest.bytes)
        path = text_cut(rest, '/', &rest);
    return path;
}

struct text source_title(const struct source *source)
{
    return source->title ? text_from(source->title) : last_name(text_from(source->name));
}

struct document source_document(const struct source *source)
{
    return document_of(source->bucket, text_from(source->key));
}

static void refuse(struct sources *sources, struct source *source, const char *what)
{
    sources_fault(sources, source->place, "%s: %s", source->name, what);
    release_source(source);
}

void sources_take(struct sources *sources, struct source *source, struct text key)
{
    struct tenant owner;
    struct error err;
    if (!tenant_from_key(key, &owner, &err)) {
        refuse(sources, source, err.message);
        return;
    }
    if (sources->count == SOURCES_MAX) {
        if (!sources->has_too_many)
            sources_fault(sources, (struct source_place){0},
                          "a job takes %d documents at most: submit the rest as another",
                          SOURCES_MAX);
        sources->has_too_many = true;
        release_source(source);
        return;
    }
    source->key = xstrdup(key);
    if (sources->count % GROW == 0)
        sources->items = xrealloc(sources->items, sources->count + GROW, sizeof(*sources->items));
    sources->items[sources->count++] = *source;
    sources->file_count += source->kind == SOURCE_FILE;
    sources->bytes += source->bytes;
}

static char *title_of(struct text title)
{
    return title.bytes ? xstrdup(title) : NULL;
}

/* ---- files ----------------------------------------------------------------------------------- */

static const char *fault_of_file(const struct sources *sources, const char *path,
                                 uint64_t *ret_bytes)
{
    struct stat status;
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0)
        return strerror(errno);
    *ret_bytes = (uint64_t)status.st_size;
    if (S_ISDIR(status.st_mode))
        return "it is a folder, where one document is wanted";
    if (!S_ISREG(status.st_mode))
        return "it is not a file";
    if (*ret_bytes == 0)
        return "it is empty";
    return *ret_bytes > sources->options.config->file_bytes_max
               ? "it is larger than MILLRACE_FILE_BYTES_MAX allows"
               : NULL;
}

static struct text upload_bucket(const struct sources *sources)
{
    const struct config *config = sources->options.config;
    return config->bucket_count ? config->buckets[0] : TEXT_NONE;
}

static void take_file(struct sources *sources, struct source *source, struct text key_path)
{
    AUTO_BUFFER struct buffer key = buffer_new(2 * LINK_BYTES_MAX);
    buffer_format(&key, "%s%.*s", sources->options.tenant->prefix, TEXT_ARGS(key_path));
    source->kind = SOURCE_FILE;
    source->bucket = upload_bucket(sources);
    sources_take(sources, source, buffer_text(&key));
}

void sources_add_file(struct sources *sources, struct source_place place, const char *path,
                      struct text key_path, struct text title)
{
    struct source source = {.place = place, .name = xstrdup(text_from(path))};
    const char *why = fault_of_file(sources, path, &source.bytes);
    source.title = title_of(title);
    if (why)
        refuse(sources, &source, why);
    else
        take_file(sources, &source, key_path);
}

void sources_add_found_file(struct sources *sources, const char *path, struct text key_path,
                            uint64_t bytes)
{
    struct source source = {.name = xstrdup(text_from(path)), .bytes = bytes};
    take_file(sources, &source, key_path);
}

/* ---- links and objects ----------------------------------------------------------------------- */

/* The query of a link is a secret: it is shown nowhere. */
void sources_add_link(struct sources *sources, struct source_place place, struct text link,
                      struct text title)
{
    AUTO_BUFFER struct buffer key = buffer_new(2 * LINK_BYTES_MAX);
    struct text query;
    struct error err;
    struct source source = {.kind = SOURCE_LINK,
                            .needs_look = !sources->options.trusts_links,
                            .place = place,
                            .name = xstrdup(text_cut(link, '?', &query)),
                            .title = title_of(title),
                            .link = xstrdup(link),
                            .bucket = LINK_BUCKET};
    if (!link_check(link, sources->options.config->links_allow_private, &err) ||
        !link_key(link, sources->options.tenant, &key, &err))
        refuse(sources, &source, err.message);
    else
        sources_take(sources, &source, buffer_text(&key));
}

bool sources_split_object(struct sources *sources, struct source_place place, struct text word,
                          struct text *ret_bucket, struct text *ret_key)
{
    const struct config *config = sources->options.config;
    struct text rest = text_slice(word, TEXT("s3://").bytes, word.bytes);
    struct text bucket = text_cut(rest, '/', ret_key);
    for (size_t i = 0; i < config->bucket_count; i++) {
        if (!text_equal(bucket, config->buckets[i]))
            continue;
        *ret_bucket = config->buckets[i];
        return true;
    }
    sources_fault(sources, place,
                  "%.*s: the workers take nothing from this bucket; S3_BUCKET is %s",
                  TEXT_ARGS(word), config->s3_bucket.bytes ? config->s3_bucket.start : "not set");
    return false;
}

static bool is_own(struct sources *sources, struct source_place place, struct text name,
                   struct text key)
{
    const struct tenant *tenant = sources->options.tenant;
    bool is_own = text_starts_with(key, text_from(tenant->prefix)) ||
                  text_equal(key, text_slice(text_from(tenant->prefix), 0,
                                             strlen(tenant->prefix) - 1)); /* without the slash */
    bool is_of_another = text_starts_with(key, TEXT("users/")) && key.bytes > TEXT("users/").bytes;
    if (!is_own)
        sources_fault(sources, place, "%.*s: %s; this tenant's objects lie in %s", TEXT_ARGS(name),
                      is_of_another ? "it belongs to another tenant" : "it belongs to no tenant",
                      tenant->prefix);
    return is_own;
}

void sources_add_object(struct sources *sources, struct source_place place, struct text bucket,
                        struct text key, struct text title)
{
    AUTO_BUFFER struct buffer name = buffer_new(2 * LINK_BYTES_MAX);
    buffer_format(&name, "s3://%.*s/%.*s", TEXT_ARGS(bucket), TEXT_ARGS(key));
    struct source source = {.kind = SOURCE_OBJECT,
                            .needs_look = true,
                            .place = place,
                            .name = xstrdup(buffer_text(&name)),
                            .title = title_of(title),
                            .bucket = bucket};
    if (is_own(sources, place, buffer_text(&name), key))
        sources_take(sources, &source, key);
    else
        release_source(&source);
}

static void add_prefix(struct sources *sources, struct text word)
{
    struct source_place place = {0};
    struct text bucket, key;
    if (!sources_split_object(sources, place, word, &bucket, &key) ||
        !is_own(sources, place, word, key))
        return;
    while (text_ends_with(key, TEXT("/")))
        key = text_slice(key, 0, key.bytes - 1);
    sources->prefixes =
        xrealloc(sources->prefixes, sources->prefix_count + 1, sizeof(*sources->prefixes));
    sources->prefixes[sources->prefix_count++] =
        (struct source_prefix){.name = xstrdup(word), .bucket = bucket, .key = xstrdup(key)};
}

void sources_add_argument(struct sources *sources, const char *word)
{
    struct source_place place = {0};
    struct stat status;
    if (link_is_link(text_from(word)))
        sources_add_link(sources, place, text_from(word), TEXT_NONE);
    else if (text_starts_with(text_from(word), TEXT("s3://")))
        add_prefix(sources, text_from(word));
    else if (stat(word, &status) == 0 && S_ISDIR(status.st_mode))
        sources_add_folder(sources, word);
    else
        sources_add_file(sources, place, word, last_name(text_from(word)), TEXT_NONE);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int compare_sources(const void *a, const void *b)
{
    const struct source *one = a, *other = b;
    int order = text_compare(one->bucket, other->bucket);
    return order ? order : strcmp(one->key, other->key);
}

static void fault_of_twins(struct sources *sources, const struct source *one,
                           const struct source *other)
{
    bool is_later = one->place.line > other->place.line; /* the later one is the fault */
    const struct source *twin = is_later ? one : other, *first = is_later ? other : one;
    if (first->place.line)
        sources_fault(sources, twin->place, "%s: the same document as in line %llu: remove one",
                      twin->name, (unsigned long long)first->place.line);
    else
        sources_fault(sources, twin->place,
                      "%s and %s would be the same document: rename or remove one", first->name,
                      twin->name);
}

static int compare_notes(const void *a, const void *b)
{
    const struct source_place one = ((const struct source_note *)a)->place;
    const struct source_place other = ((const struct source_note *)b)->place;
    int order = strcmp(one.manifest ? one.manifest : "", other.manifest ? other.manifest : "");
    return order ? order : (one.line > other.line) - (one.line < other.line);
}

void sources_close(struct sources *sources)
{
    if (sources->count)
        qsort(sources->items, sources->count, sizeof(*sources->items), compare_sources);
    for (size_t i = 1; i < sources->count; i++)
        if (compare_sources(&sources->items[i - 1], &sources->items[i]) == 0)
            fault_of_twins(sources, &sources->items[i - 1], &sources->items[i]);
    if (sources->faults.count)
        qsort(sources->faults.items, sources->faults.count, sizeof(*sources->faults.items),
              compare_notes);
}

struct source *sources_find(const struct sources *sources, struct text bucket, struct text key)
{
    AUTO_FREE char *copy = xstrdup(key);
    const struct source wanted = {.bucket = bucket, .key = copy};
    return sources->count ? bsearch(&wanted, sources->items, sources->count,
                                    sizeof(*sources->items), compare_sources)
                          : NULL;
}

void sources_release(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        release_source(&sources->items[i]);
    xfree(sources->items);
    for (size_t i = 0; i < sources->prefix_count; i++) {
        xfree(sources->prefixes[i].name);
        xfree(sources->prefixes[i].key);
    }
    xfree(sources->prefixes);
    release_notes(&sources->faults);
    release_notes(&sources->skipped);
    *sources = (struct sources){0};
}

/* ---- what they hold -------------------------------------------------------------------------- */

static bool hash_file(const struct source *source, struct sha256 *sha256, struct error *err)
{
    ssize_t got = -1;
    AUTO_FD int fd = open(source->name, O_RDONLY | O_CLOEXEC);
    AUTO_FREE char *piece = xmalloc(READ_BYTES);
    while (fd >= 0 && (got = read(fd, piece, READ_BYTES)) > 0)
        sha256_add(sha256, piece, (size_t)got);
    return got == 0 || error_set_errno(err, ERR_INPUT, errno, source->name);
}

bool sources_digest(const struct sources *sources, char ret_hex[2 * SHA256_BYTES + 1],
                    struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    struct sha256 *sha256 = sha256_new();
    bool is_good = true;
    for (size_t i = 0; is_good && i < sources->count; i++) {
        const struct source *source = &sources->items[i];
        struct uuid id = source_document(source).id;
        sha256_add(sha256, id.bytes, sizeof(id.bytes));
        if (source->etag)
            sha256_add(sha256, source->etag, strlen(source->etag));
        if (source->kind == SOURCE_FILE) {
            sha256_add(sha256, &source->bytes, sizeof(source->bytes)); /* where its bytes end */
            is_good = hash_file(source, sha256, err);
        }
    }
    sha256_finish(sha256, hash);
    hex_format(hash, sizeof(hash), ret_hex);
    return is_good;
}
