/*
 * workers.h - a worker's row among those that run: renewed as long as it lives.
 *
 * Owns:   nothing of the caller's; borrows a request until on_done (once, never from inside).
 * Thread: the loop thread.
 */
#ifndef STORE_WORKERS_H
#define STORE_WORKERS_H

#include "store/pg.h"

#define WORKER_BEAT_MS 5000
#define WORKER_DEAD_S 30 /* not seen for so long: it is gone, or cannot reach the database */

struct worker_beat {
    /* in */
    struct uuid id;
    struct text host, version;
    uint64_t age_ms; /* since it started */
    uint64_t tasks, waiting, kafka_lag, oldest_seconds;
    struct text trouble_code, trouble_message; /* none: nothing left it lately */
    uint64_t trouble_age_ms;
    bool is_leaving; /* its row goes */
    void (*on_done)(struct worker_beat *beat, const struct error *err);
    bool has_due_items; /* out: an open item is past its time */
    void *private_state;
};
void worker_beat(struct pg *pg, struct loop *loop, struct worker_beat *beat);

#endif
