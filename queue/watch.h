/*
 * watch.h - a directory whose files are objects: first a scan, then every change (inotify).
 *
 * A file counts as changed when its writer closed it or it was moved (or hard-linked) in; a file
 * that somebody still has open for writing is not reported. New folders are watched, and what was
 * put into them before the watch stood is found; when a folder goes, so do its files, each with its
 * call. Every change is reported at least once, quick ones perhaps twice. After an overflow of the
 * kernel's queue everything is looked at again.
 * Symbolic links are not followed; hidden names are left out. Nothing is ever written.
 * Thread: the loop thread. Callbacks may close the watch.
 */
#ifndef QUEUE_WATCH_H
#define QUEUE_WATCH_H

#include "worker/base/error.h"
#include "worker/base/loop.h"

struct watch;
struct watch_file {
    struct text path; /* below the root, `/` between, borrowed for the call */
    uint64_t size_bytes, modified_ms;
    struct text etag; /* what file:// answers for this state of the file */
};
struct watch_events {
    void *arg;
    void (*on_file)(void *arg,
                    const struct watch_file *file); /* found by the scan, created or overwritten */
    void (*on_removed)(void *arg, struct text path);
    void (*on_scanned)(void *arg); /* the first scan is complete */
    /* Optional: a folder cannot be read or watched (ERR_IO, ERR_CONFIG as below), or the directory
     * itself is gone. The rest goes on; changes in that folder are not seen. */
    void (*on_trouble)(void *arg, const struct error *err);
};
/* ERR_CONFIG: no directory, or inotify's limit (the message names fs.inotify.max_user_watches). */
struct watch *watch_open(struct loop *loop, struct text directory, struct watch_events events,
                         struct error *err) MUST_CHECK;
void watch_close(struct watch *watch, void (*on_closed)(void *arg), void *arg);

#endif
