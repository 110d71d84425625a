/* A folder and what lies below it; links and hidden names are no documents. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/base/memory.h"
#include "worker/model/link.h"
#include "worker/sources_private.h"

#define DEPTH_MAX 64
#define PATH_BYTES_MAX 4096

struct walk {
    struct sources *sources;
    struct buffer path; /* of the entry */
    size_t root_bytes;  /* of the folder's own path, with its slash */
    size_t depth;
};

static void walk_folder(struct walk *walk);

static void skip(struct walk *walk, const char *why)
{
    sources_skip(walk->sources, buffer_text(&walk->path), why);
}

static void take_regular(struct walk *walk, const struct stat *status)
{
    uint64_t bytes = (uint64_t)status->st_size;
    struct text path = buffer_text(&walk->path);
    if (bytes == 0)
        skip(walk, "it is empty");
    else if (bytes > walk->sources->options.config->file_bytes_max)
        skip(walk, "it is larger than MILLRACE_FILE_BYTES_MAX allows");
    else
        sources_add_found_file(walk->sources, buffer_string(&walk->path),
                               text_slice(path, walk->root_bytes, path.bytes), bytes);
}

static void take_entry(struct walk *walk, const char *name)
{
    struct stat status;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return;
    if (walk->path.is_full)
        skip(walk, "its path is too long");
    else if (name[0] == '.')
        skip(walk, "it is hidden");
    else if (lstat(buffer_string(&walk->path), &status) != 0)
        skip(walk, strerror(errno));
    else if (S_ISREG(status.st_mode))
        take_regular(walk, &status);
    else if (S_ISLNK(status.st_mode))
        skip(walk, "it is a symbolic link");
    else if (!S_ISDIR(status.st_mode))
        skip(walk, "it is not a file");
    else if (walk->depth >= DEPTH_MAX)
        skip(walk, "it lies too deep");
    else
        walk_folder(walk);
}

static void walk_folder(struct walk *walk)
{
    DIR *folder = opendir(buffer_string(&walk->path));
    if (!folder) {
        sources_fault(walk->sources, (struct source_place){0}, "%s: %s", buffer_string(&walk->path),
                      strerror(errno));
        return;
    }
    if (!text_ends_with(buffer_text(&walk->path), TEXT("/")))
        buffer_append_char(&walk->path, '/');
    size_t bytes = walk->path.bytes;
    if (walk->depth++ == 0)
        walk->root_bytes = bytes;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        walk->path.bytes = bytes;
        walk->path.is_full = false;
        buffer_append_text(&walk->path, text_from(entry->d_name));
        take_entry(walk, entry->d_name);
    }
    closedir(folder);
    walk->depth--;
}

void sources_add_folder(struct sources *sources, const char *path)
{
    struct walk walk = {.sources = sources, .path = buffer_new(PATH_BYTES_MAX)};
    size_t count = sources->count, faults = sources->faults.count;
    buffer_append_text(&walk.path, text_from(path));
    walk_folder(&walk);
    if (sources->count == count && sources->faults.count == faults)
        sources_fault(sources, (struct source_place){0}, "%s: there is no document in this folder",
                      path);
    buffer_release(&walk.path);
}
