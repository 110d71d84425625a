/*
 * watch_tree.h - what the watcher knows: the folders it watches and the files it has seen in them.
 *
 * Owns:   its folders and files. Pure: no I/O.
 * Thread: any, one at a time.
 */
#ifndef QUEUE_WATCH_TREE_H
#define QUEUE_WATCH_TREE_H

#include "worker/base/buffer.h"
#include "worker/base/list.h"

struct watch_folder {
    struct watch_folder *parent; /* NULL: the root */
    char *name;
    int wd;              /* inotify's watch descriptor, -1 for none */
    struct list files;   /* struct watch_entry, node */
    struct list folders; /* struct watch_folder, node */
    void *file_index, *folder_index;
    uint64_t scan; /* number of its own latest scan */
    uint64_t seen; /* the parent's scan that saw it */
    struct list_node node;
    struct list_node waiting; /* for its scan */
};

struct watch_entry { /* a file */
    struct watch_folder *folder;
    char *name;
    char etag[96];   /* of the state that was reported last; empty: none was */
    bool is_certain; /* nothing could have been written since without changing the eTag */
    uint64_t seen;   /* the folder's scan that saw it */
    struct list_node node;
};

struct watch_folder *watch_folder_new(struct watch_folder *parent, const char *name);
/* Only an empty folder: no files, no folders, no watch descriptor. */
void watch_folder_free(struct watch_folder *folder);
struct watch_folder *watch_folder_find(const struct watch_folder *parent, const char *name);
struct watch_entry *watch_entry_new(struct watch_folder *folder, const char *name);
void watch_entry_free(struct watch_entry *entry);
struct watch_entry *watch_entry_find(const struct watch_folder *folder, const char *name);
/* The path of name in folder, or of the folder itself (name NULL), below the root. */
void watch_path(const struct watch_folder *folder, const char *name, struct buffer *ret_path);

#endif
