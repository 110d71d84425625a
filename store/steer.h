/*
 * steer.h - what people want of a job: pause, resume, cancel, retry. The SQL is the arbiter: each may
 *           race with workers and with itself, counters stay exact, a repetition changes nothing.
 *
 * Owns:   nothing of the caller's; borrows a request until on_done (once, never from inside).
 * Thread: the loop thread.
 */
#ifndef STORE_STEER_H
#define STORE_STEER_H

#include "store/pg.h"

#define STEER_ITEMS_MAX 5000 /* of one call */
#define STEER_AS_OF_BYTES 48

enum steer_kind {
    STEER_PAUSE,  /* no further document is begun; those under way go on */
    STEER_RESUME, /* what waited is due at once */
    STEER_CANCEL, /* workers stop what they are at within the lease pulse; it stays cancelled */
    /* Ends documents of a cancelled job that no worker is at: again until item_count is 0. */
    STEER_CANCEL_ITEMS,
    /* Opens failed documents again, in the same job: again until item_count is 0. */
    STEER_RETRY,
};
enum steer_control { STEER_IS_FREE, STEER_IS_PAUSED, STEER_IS_CANCELLED };

struct steer {
    /* in */
    enum steer_kind kind;
    struct uuid job;
    struct text who;               /* for the record */
    char as_of[STEER_AS_OF_BYTES]; /* STEER_RETRY: empty at first, then as it was answered */
    void (*on_done)(struct steer *steer, const struct error *err); /* ERR_NOT_FOUND */
    /* out; of STEER_CANCEL_ITEMS only item_count and open_count */
    bool had_ended;            /* it was final already */
    enum steer_control before; /* what was wanted of it so far */
    bool was_changed;
    uint64_t item_count;    /* ended or opened by this call */
    uint64_t open_count;    /* documents without an outcome; not of STEER_RETRY */
    uint64_t running_count; /* those that a worker is at; of the first three */
    char message[128];      /* private */
};
void steer_run(struct pg *pg, struct loop *loop, struct steer *steer);

#endif
