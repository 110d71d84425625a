#include "queue/file_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "queue/beneath.h"
#include "queue/file.h"
#include "worker/base/arena.h"
#include "worker/base/list.h"
#include "worker/base/memory.h"

#define PATH_BYTES_MAX ((size_t)8192)
#define PAGE_BYTES_MAX (FILE_WALK_PAGE * (PATH_BYTES_MAX + 512))

struct folder {
    struct list_node node;
    char *path; /* below the root, no slash at the end; "" is the root */
};

struct file_walk {
    int root_fd;
    struct text shared_prefix, prefix;
    struct list folders; /* still to be read */
    struct folder *current;
    DIR *stream; /* of current */
    struct arena arena;
    struct object_entry entries[FILE_WALK_PAGE];
    size_t entry_count;
};

static void add_folder(struct file_walk *walk, struct text path)
{
    struct folder *folder = xcalloc(1, sizeof(*folder));
    folder->path = xstrdup(path);
    list_push_back(&walk->folders, &folder->node);
}

static void free_folder(struct folder *folder)
{
    if (!folder)
        return;
    xfree(folder->path);
    xfree(folder);
}

static void close_current(struct file_walk *walk)
{
    if (walk->stream)
        closedir(walk->stream);
    walk->stream = NULL;
    free_folder(walk->current);
    walk->current = NULL;
}

/* Could a key that begins with start begin with the wanted prefix? */
static bool may_lead_to(const struct file_walk *walk, struct text start)
{
    return text_starts_with(start, walk->prefix) || text_starts_with(walk->prefix, start);
}

static bool folder_may_match(const struct file_walk *walk, struct text path)
{
    AUTO_BUFFER struct buffer start = buffer_new(2 * PATH_BYTES_MAX);
    buffer_format(&start, "%.*s/", TEXT_ARGS(path));
    if (may_lead_to(walk, buffer_text(&start)))
        return true;
    buffer_clear(&start);
    buffer_format(&start, "%.*s%.*s/", TEXT_ARGS(walk->shared_prefix), TEXT_ARGS(path));
    return walk->shared_prefix.bytes && may_lead_to(walk, buffer_text(&start));
}

/* A file that has its key only through the shared prefix gives way to one that really has it. */
static bool is_hidden_by_another(const struct file_walk *walk, struct text path, struct text key)
{
    if (text_equal(path, key))
        return false;
    AUTO_FD int fd = beneath_open(walk->root_fd, key, O_PATH);
    return fd >= 0;
}

static bool add_file(struct file_walk *walk, struct text path, const struct stat *status,
                     struct error *err)
{
    AUTO_BUFFER struct buffer key = buffer_new(2 * PATH_BYTES_MAX);
    if (!file_key_of(walk->shared_prefix, path, &key) ||
        !text_starts_with(buffer_text(&key), walk->prefix) ||
        is_hidden_by_another(walk, path, buffer_text(&key)))
        return true;
    struct object_entry *entry = &walk->entries[walk->entry_count];
    char etag[BENEATH_ETAG_BYTES];
    if (!arena_copy(&walk->arena, buffer_text(&key), &entry->key) ||
        !arena_copy(&walk->arena, text_from(beneath_etag(status, etag)), &entry->etag))
        return error_set(err, ERR_NO_MEMORY, "a page of a listing");
    entry->size_bytes = (uint64_t)status->st_size;
    entry->modified_ms = beneath_modified_ms(status);
    walk->entry_count++;
    return true;
}

static bool visit(struct file_walk *walk, const char *name, struct error *err)
{
    struct stat status;
    if (name[0] == '.' || fstatat(dirfd(walk->stream), name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return true; /* hidden, or gone since readdir */
    AUTO_BUFFER struct buffer path = buffer_new(PATH_BYTES_MAX);
    if (walk->current->path[0])
        buffer_format(&path, "%s/", walk->current->path);
    buffer_append_text(&path, text_from(name));
    if (path.is_full)
        return error_set(err, ERR_IO, "a path is longer than %zu bytes", PATH_BYTES_MAX);
    if (S_ISREG(status.st_mode))
        return add_file(walk, buffer_text(&path), &status, err);
    if (S_ISDIR(status.st_mode) && folder_may_match(walk, buffer_text(&path)))
        add_folder(walk, buffer_text(&path));
    return true;
}

/* False with err untouched: no folder is left. */
static bool open_next(struct file_walk *walk, struct error *err, bool *ret_failed)
{
    for (struct list_node *node; (node = list_pop_front(&walk->folders));) {
        struct folder *folder = container_of(node, struct folder, node);
        int fd = beneath_open(walk->root_fd, text_from(folder->path), O_RDONLY | O_DIRECTORY);
        walk->stream = fd < 0 ? NULL : fdopendir(fd);
        walk->current = folder;
        if (walk->stream)
            return true;
        int errno_value = errno;
        if (fd >= 0)
            close(fd);
        *ret_failed = errno_value != ENOENT && errno_value != ENOTDIR && errno_value != ELOOP;
        if (*ret_failed) {
            error_set_errno(err, ERR_IO, errno_value, "listing");
            error_wrap(err, "folder \"%s\"", folder->path);
            return false;
        }
        close_current(walk);
    }
    return false;
}

/* Is folder below above, or the same? */
static bool is_below(struct text folder, struct text above)
{
    return above.bytes == 0 || text_equal(folder, above) ||
           (text_starts_with(folder, above) && folder.start[above.bytes] == '/');
}

/* ---- public ---------------------------------------------------------------------------------- */

struct file_walk *file_walk_new(int folder_fd, struct text shared_prefix, struct text prefix)
{
    struct file_walk *walk = xcalloc(1, sizeof(*walk));
    walk->root_fd = folder_fd;
    walk->shared_prefix = shared_prefix;
    walk->prefix = prefix;
    walk->arena = arena_new(PAGE_BYTES_MAX);
    list_init(&walk->folders);
    struct text start = beneath_folder_of(prefix);
    struct text shared_path, shared_start = TEXT_NONE;
    bool is_inside = file_shared_path_of(shared_prefix, prefix, &shared_path);
    if (is_inside)
        shared_start = beneath_folder_of(shared_path);
    if (shared_prefix.bytes && (is_inside || text_starts_with(shared_prefix, prefix))) {
        /* From where both places can be reached; what does not match is not entered. */
        add_folder(walk, shared_start);
        if (is_below(start, shared_start))
            return walk;
    }
    add_folder(walk, start);
    return walk;
}

void file_walk_free(struct file_walk *walk)
{
    if (!walk)
        return;
    close_current(walk);
    for (struct list_node *node; (node = list_pop_front(&walk->folders));)
        free_folder(container_of(node, struct folder, node));
    arena_release(&walk->arena);
    xfree(walk);
}

bool file_walk_next(struct file_walk *walk, const struct object_entry **ret_entries,
                    size_t *ret_count, struct error *err)
{
    arena_release(&walk->arena);
    walk->entry_count = 0;
    bool has_failed = false;
    while (walk->entry_count < FILE_WALK_PAGE) {
        if (!walk->stream && !open_next(walk, err, &has_failed))
            break;
        errno = 0;
        struct dirent *entry = readdir(walk->stream);
        if (entry && !visit(walk, entry->d_name, err))
            return false;
        if (!entry && errno != 0)
            return error_set_errno(err, ERR_IO, errno, "listing a folder");
        if (!entry)
            close_current(walk);
    }
    *ret_entries = walk->entries;
    *ret_count = walk->entry_count;
    return !has_failed;
}
