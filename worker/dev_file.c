#include "worker/dev_file.h"

#include <stdlib.h>
#include <string.h>

#include "queue/file.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"

const struct uuid DEV_TENANT = {{0xde, 0x30, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}};
const char DEV_SHARED_PREFIX[] = "users/de300000-0000-4000-8000-000000000001/";

/* Of a download or an editor: what it becomes comes under another name. */
static bool is_temporary(struct text path)
{
    static const char *const endings[] = {".part", ".partial", ".crdownload", ".tmp", "~"};
    struct text name = path;
    for (size_t at = path.bytes; at > 0 && path.start[at - 1] != '/'; at--)
        name = text_slice(path, at - 1, path.bytes);
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        if (text_ends_with(name, text_from(endings[i])))
            return true;
    return text_starts_with(name, TEXT("~$")); /* Word's lock */
}

struct dev_file *dev_file_new(struct text path, uint64_t size_bytes, struct text etag)
{
    AUTO_BUFFER struct buffer key = buffer_new(TENANT_KEY_BYTES_MAX);
    struct tenant tenant;
    struct error err;
    if (is_temporary(path))
        return NULL;
    if (!file_key_of(text_from(DEV_SHARED_PREFIX), path, &key) ||
        !tenant_from_key(buffer_text(&key), &tenant, &err)) {
        LOG_WARN("file_left_out", FIELD_STR("reason", "its path cannot be an object key"));
        return NULL;
    }
    struct dev_file *file = xcalloc(1, sizeof(*file) + key.bytes + 1);
    memcpy(file->key, key.data, key.bytes);
    file->user = tenant.id;
    file->size_bytes = size_bytes;
    (void)text_format(file->etag, sizeof(file->etag), "%.*s", TEXT_ARGS(etag));
    return file;
}

struct dev_file *dev_file_gone(struct uuid user, struct text key)
{
    struct dev_file *gone = xcalloc(1, sizeof(*gone) + key.bytes + 1);
    memcpy(gone->key, key.start, key.bytes);
    gone->user = user;
    gone->is_removed = true;
    return gone;
}

static int compare_users(const void *a, const void *b)
{
    const struct dev_file *x = *(struct dev_file *const *)a, *y = *(struct dev_file *const *)b;
    int order = uuid_compare(x->user, y->user);
    return order ? order : strcmp(x->key, y->key);
}

static int compare_key(const void *key, const void *element)
{
    return strcmp(key, (*(struct dev_file *const *)element)->key);
}

static int compare_keys(const void *a, const void *b)
{
    return compare_key((*(struct dev_file *const *)a)->key, b);
}

void dev_files_sort_by_user(struct dev_file **files, size_t count)
{
    if (count)
        qsort(files, count, sizeof(*files), compare_users);
}

void dev_files_sort_by_key(struct dev_file **files, size_t count)
{
    if (count)
        qsort(files, count, sizeof(*files), compare_keys);
}

bool dev_files_hold(struct dev_file *const *files, size_t count, const char *key)
{
    return count && bsearch(key, files, count, sizeof(*files), compare_key);
}

struct uuid dev_files_job(struct dev_file *const *files, size_t count)
{
    uint8_t hash[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    struct sha256 *sha256 = sha256_new();
    for (size_t i = 0; i < count; i++) {
        sha256_add(sha256, files[i]->key, strlen(files[i]->key) + 1);
        sha256_add(sha256, files[i]->etag, strlen(files[i]->etag) + 1);
    }
    sha256_finish(sha256, hash);
    hex_format(hash, sizeof(hash), hex);
    return uuid_v5(files[0]->user, text_from(hex));
}
