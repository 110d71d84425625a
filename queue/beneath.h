/*
 * beneath.h - opens files below a folder and never outside of it.
 *
 * A path is relative, '/' between names; every name is opened by itself without following symbolic
 * links, so that neither a link nor ".." nor a folder swapped meanwhile leads out (openat2 would do
 * it in one call, but older container runtimes forbid it).
 * Hidden names (a leading dot) do not exist here.
 * Thread: any.
 */
#ifndef QUEUE_BENEATH_H
#define QUEUE_BENEATH_H

#include <sys/stat.h>

#include "worker/base/error.h"

#define BENEATH_ETAG_BYTES 96
/* File times move in ticks of the kernel's clock, 10 ms at most (CONFIG_HZ=100). What is older than
 * this gets another time, and so another eTag, by any later write. */
#define BENEATH_TICK_MS 12

/* No empty, hidden, "." or ".." name, none over 255 bytes, no NUL. */
bool beneath_is_path(struct text path);
/* flags as of open(2), for the last name; O_CLOEXEC and O_NOFOLLOW are added. -1: see errno, also
 * ENOENT for what is no path. An empty path opens the folder itself again. */
int beneath_open(int folder_fd, struct text path, int flags);
/* Makes the folders that path's names but the last one need. -1: see errno. Returns the last
 * folder's descriptor. */
int beneath_make_folders(int folder_fd, struct text path);
struct text beneath_last_name(struct text path);
struct text beneath_folder_of(struct text path); /* without the last name and its slash */

/* A file's version as an eTag: size, mtime, inode, ctime in hex. Two states of a file have the same
 * only within one tick of the kernel's clock. Returns buffer. */
const char *beneath_etag(const struct stat *status, char buffer[BENEATH_ETAG_BYTES]);
uint64_t beneath_modified_ms(const struct stat *status);
int64_t beneath_age_ms(const struct stat *status); /* since its last change, by the wall clock */
/* Somebody has the file open for writing: a read lease is refused then (fcntl(2), F_SETLEASE).
 * Where leases cannot be had (a foreign file, some file systems) nobody is assumed. */
bool beneath_is_being_written(int folder_fd, struct text path);

#endif
