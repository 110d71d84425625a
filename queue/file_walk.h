/*
 * file_walk.h - lists the files below a folder as keys, a page at a time, in no order.
 *
 * Memory: one page and the names of the folders still to be read. One descriptor at a time.
 * Thread: any, one at a time.
 */
#ifndef QUEUE_FILE_WALK_H
#define QUEUE_FILE_WALK_H

#include "queue/object.h"

#define FILE_WALK_PAGE 1000

struct file_walk;

/* Borrows folder_fd and both texts. prefix: of the keys; shared_prefix: file.h. */
struct file_walk *file_walk_new(int folder_fd, struct text shared_prefix, struct text prefix);
void file_walk_free(struct file_walk *walk); /* NULL is allowed */
/* The next page; an empty one is the end. The entries stay valid until the next call. */
bool file_walk_next(struct file_walk *walk, const struct object_entry **ret_entries,
                    size_t *ret_count, struct error *err) MUST_CHECK;

#endif
