/*
 * dev_file.h - a file of `dev`'s folder as the object it stands for. Pure.
 *
 * Owns:   nothing; who makes one frees it (xfree).
 * Thread: any.
 */
#ifndef WORKER_DEV_FILE_H
#define WORKER_DEV_FILE_H

#include "queue/object.h"

extern const struct uuid DEV_TENANT;   /* `demo` */
extern const char DEV_SHARED_PREFIX[]; /* users/<demo>/ */

struct dev_file {
    struct list_node node;
    struct uuid user, job; /* job: of the scan, else nil */
    uint64_t size_bytes;
    char etag[ETAG_BYTES_MAX];
    bool is_removed;
    char key[];
};

/* NULL: a temporary file, or its path cannot be an object key (which is logged). */
struct dev_file *dev_file_new(struct text path, uint64_t size_bytes, struct text etag);
struct dev_file *dev_file_gone(struct uuid user, struct text key); /* a removal */

void dev_files_sort_by_user(struct dev_file **files, size_t count); /* then by key */
void dev_files_sort_by_key(struct dev_file **files, size_t count);
bool dev_files_hold(struct dev_file *const *files, size_t count, const char *key); /* by key */
/* One tenant's files, sorted: the same files in the same state are the same job. */
struct uuid dev_files_job(struct dev_file *const *files, size_t count);

#endif
