/*
 * dev_view.h - what `dev` shows: a bar per job while the scan runs, a table at its end, then one
 * line for each change.
 *
 * Without a terminal one plain line a second.
 * Owns:   nothing but its timer and queries. Borrows app and feed.
 * Thread: the loop thread.
 */
#ifndef WORKER_DEV_VIEW_H
#define WORKER_DEV_VIEW_H

#include "worker/dev_feed.h"

struct dev_view;
/* on_scan_finished: every job of the first scan is final, the table is printed. */
struct dev_view *dev_view_new(struct app *app, bool is_json, void (*on_scan_finished)(void *arg),
                              void *arg);
void dev_view_start(struct dev_view *view, const struct dev_feed *feed, size_t file_count,
                    size_t job_count);
bool dev_view_has_failures(const struct dev_view *view);
void dev_view_free(struct dev_view *view); /* waits for nothing: a query under way is given up */

#endif
