#include "queue/watch_tree.h"

#include <search.h>
#include <string.h>

#include "worker/base/memory.h"

static int compare_folders(const void *left, const void *right)
{
    const struct watch_folder *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static int compare_entries(const void *left, const void *right)
{
    const struct watch_entry *a = left, *b = right;
    return strcmp(a->name, b->name);
}

struct watch_folder *watch_folder_new(struct watch_folder *parent, const char *name)
{
    struct watch_folder *folder = xcalloc(1, sizeof(*folder));
    folder->parent = parent;
    folder->name = xstrdup(text_from(name));
    folder->wd = -1;
    list_init(&folder->files);
    list_init(&folder->folders);
    if (!parent)
        return folder;
    void *added = tsearch(folder, &parent->folder_index, compare_folders);
    assert(added && *(struct watch_folder **)added == folder);
    list_push_back(&parent->folders, &folder->node);
    return folder;
}

void watch_folder_free(struct watch_folder *folder)
{
    assert(folder->files.count == 0 && folder->folders.count == 0 && folder->wd < 0);
    assert(!list_is_member(&folder->waiting));
    if (folder->parent) {
        tdelete(folder, &folder->parent->folder_index, compare_folders);
        list_remove(&folder->parent->folders, &folder->node);
    }
    xfree(folder->name);
    xfree(folder);
}

struct watch_folder *watch_folder_find(const struct watch_folder *parent, const char *name)
{
    struct watch_folder wanted = {.name = (char *)(uintptr_t)name};
    void *found = tfind(&wanted, &parent->folder_index, compare_folders);
    return found ? *(struct watch_folder **)found : NULL;
}

struct watch_entry *watch_entry_new(struct watch_folder *folder, const char *name)
{
    struct watch_entry *entry = xcalloc(1, sizeof(*entry));
    entry->folder = folder;
    entry->name = xstrdup(text_from(name));
    void *added = tsearch(entry, &folder->file_index, compare_entries);
    assert(added && *(struct watch_entry **)added == entry);
    list_push_back(&folder->files, &entry->node);
    return entry;
}

void watch_entry_free(struct watch_entry *entry)
{
    tdelete(entry, &entry->folder->file_index, compare_entries);
    list_remove(&entry->folder->files, &entry->node);
    xfree(entry->name);
    xfree(entry);
}

struct watch_entry *watch_entry_find(const struct watch_folder *folder, const char *name)
{
    struct watch_entry wanted = {.name = (char *)(uintptr_t)name};
    void *found = tfind(&wanted, &folder->file_index, compare_entries);
    return found ? *(struct watch_entry **)found : NULL;
}

/* Writes part before end; returns where it begins. */
static char *write_before(char *end, struct text part)
{
    end -= part.bytes;
    memcpy(end, part.start, part.bytes);
    return end;
}

void watch_path(const struct watch_folder *folder, const char *name, struct buffer *ret_path)
{
    struct text last = text_from(name);
    size_t bytes = last.bytes;
    for (const struct watch_folder *at = folder; at->parent; at = at->parent)
        bytes += text_from(at->name).bytes + (bytes > 0);
    buffer_clear(ret_path);
    char *start = buffer_reserve(ret_path, bytes);
    if (!start)
        return;
    ret_path->bytes = bytes;
    char *end = start + bytes;
    if (last.bytes)
        end = write_before(end, last);
    for (const struct watch_folder *at = folder; at->parent; at = at->parent) {
        if (end < start + bytes)
            *--end = '/';
        end = write_before(end, text_from(at->name));
    }
}
