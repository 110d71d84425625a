/*
 * watch.h - a directory whose files are objects: first a scan, then every change (inotify).
 *
 * A file counts as changed when its writer closed it or it was moved in; half-written files are not
 * reported. New folders are watched; symbolic links are not followed; hidden files are left out.
 * Nothing in the directory is ever written.
 * Thread: the loop thread.
 */
#ifndef QUEUE_WATCH_H
#define QUEUE_WATCH_H

#include "worker/base/error.h"
#include "worker/base/loop.h"

struct watch;
struct watch_file {
    struct text path; /* below the root, `/` between, borrowed for the call */
    uint64_t size_bytes, modified_ms;
};
struct watch_events {
    void *arg;
    void (*on_file)(void *arg,
                    const struct watch_file *file); /* found by the scan, created or overwritten */
    void (*on_removed)(void *arg, struct text path);
    void (*on_scanned)(void *arg); /* the first scan is complete */
};
/* ERR_CONFIG: no directory, or inotify's limit (the message names fs.inotify.max_user_watches). */
struct watch *watch_open(struct loop *loop, struct text directory, struct watch_events events,
                         struct error *err) MUST_CHECK;
void watch_close(struct watch *watch, void (*on_closed)(void *arg), void *arg);

#endif
