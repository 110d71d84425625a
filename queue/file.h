/*
 * file.h - file://: a folder whose files are the objects. Used through object.h.
 *
 * The endpoint is "file://" and an absolute path exactly as the file system has it: nothing in it
 * is decoded. A key is the path below that folder; the bucket's name is only a word. Symbolic links
 * and hidden names (a leading dot) do not exist here, and no key leads out of the folder.
 * An eTag tells size, mtime, inode and ctime: it changes with every write, also when the bytes are
 * the same. A file that changes while it is read is ERR_NOT_YET. PUT writes a hidden file beside
 * its target and renames it, so that readers and the watcher see all of it or nothing.
 *
 * The shared prefix (`dev` uses it; object.h, shared_prefix): people's folders are not laid out as
 * users/<uuid>/. With shared_prefix "users/<demo uuid>/", the file x/a.pdf has the key
 * users/<demo uuid>/x/a.pdf, except that files which do lie below users/<some uuid>/ keep their
 * path as their key. file_key_of() is that mapping, for the paths that watch.h reports; GET, HEAD
 * and LIST apply it backwards: a key of the shared prefix is looked for as it is first, then
 * without the prefix, and never in another tenant's folder. PUT always writes the key as it is.
 * Owns:   a descriptor of the folder. Borrows every request until on_done.
 * Thread: the loop thread; files are opened, read and written on work threads.
 */
#ifndef QUEUE_FILE_H
#define QUEUE_FILE_H

#include "queue/object.h"

struct file_objects;

bool file_is_endpoint(struct text endpoint); /* begins with file:// */
/* ERR_CONFIG: no such folder, or a shared prefix that does not end in '/'. */
struct file_objects *file_open(struct loop *loop, const struct objects_options *options,
                               struct error *err) MUST_CHECK;
void file_send(struct file_objects *files, struct object_request *request);
void file_cancel(struct file_objects *files, struct object_request *request);
void file_close(struct file_objects *files, void (*on_closed)(void *arg), void *arg);

/* Pure: the key of the file at path (below the folder) goes to the empty buffer; false when it is
 * longer than the buffer's limit. No shared prefix: the path itself. */
bool file_key_of(struct text shared_prefix, struct text path, struct buffer *ret_key) MUST_CHECK;
/* Pure: where else a key of the shared prefix may lie; false: nowhere else. */
bool file_shared_path_of(struct text shared_prefix, struct text key, struct text *ret_path);

#endif
