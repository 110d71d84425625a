/*
 * submission.h - uploads the files of a registered job and produces their events, several at once;
 *                of its links and of objects that are there already only the events.
 *
 * An event is produced when its object is in the bucket; what may pass is tried again for a while.
 * All of it may be repeated: the same object, the same item.
 * Owns:   the descriptors and events under way. Borrows everything named below until on_done.
 * Thread: the loop thread.
 */
#ifndef WORKER_SUBMISSION_H
#define WORKER_SUBMISSION_H

#include "queue/topic.h"
#include "worker/app.h"
#include "worker/model/tenant.h"
#include "worker/sources.h"

struct submission;
struct submission_order {
    struct app *app;
    struct topic *topic;
    const struct tenant *tenant;
    struct text topic_name; /* NUL-terminated */
    struct uuid job;
    const struct sources *sources; /* those that are final are left alone */
    void *arg;
    void (*on_progress)(void *arg, size_t done_count, uint64_t done_bytes);
    /* Exactly once, never from inside submission_start(): the first failure after what was under
     * way has ended, ERR_CANCELLED after submission_stop(). */
    void (*on_done)(void *arg, const struct error *err);
};

struct submission *submission_start(const struct submission_order *order);
void submission_stop(struct submission *submission);               /* gives up what is under way */
bool submission_is_uploading(const struct submission *submission); /* an object, at present */
void submission_free(struct submission *submission); /* after on_done; NULL is allowed */

#endif
