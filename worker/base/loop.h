/*
 * loop.h - the one thread everything runs on: its clock, timers, later-queue and work threads.
 *
 * A loop is real (libuv) or virtual (for simulations: time stands still until nothing is left to
 * do, then jumps to the next timer; nothing here may hold a libuv handle then).
 * Owns:   its libuv loop and its work threads.
 * Thread: all functions on the loop thread; a work's run() on a work thread.
 */
#ifndef WORKER_BASE_LOOP_H
#define WORKER_BASE_LOOP_H

#include "worker/base/error.h"
#include "worker/base/list.h"
#include "worker/base/rng.h"

struct uv_loop_s;
struct loop;

struct loop *loop_new(struct error *err) MUST_CHECK;
struct loop *loop_new_virtual(uint64_t seed);
void loop_free(struct loop *loop); /* NULL is allowed; every handle and timer must be closed */

/* Runs until loop_stop() or, on a virtual loop, until nothing is left to do. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* One turn: a real loop waits for at most timeout_ms. For tests and closing down. */
void loop_run_once(struct loop *loop, uint64_t timeout_ms);

/* For a simulation that keeps several virtual loops on one clock: when this one has something to do
 * (now, when it is urgent; UINT64_MAX: never), and one turn at now_ms, which does not move by
 * itself. */
uint64_t loop_virtual_next_ms(const struct loop *loop);
void loop_virtual_turn(struct loop *loop, uint64_t now_ms);

struct uv_loop_s *loop_uv(struct loop *loop); /* for handles; never on a virtual loop */
struct rng *loop_rng(struct loop *loop);
uint64_t loop_now_ms(const struct loop *loop);  /* monotonic; constant within a turn */
uint64_t loop_wall_ms(const struct loop *loop); /* milliseconds since 1970, for humans and SigV4 */

/* The caller's memory, zeroed before first use; one shot. */
struct timer {
    void (*on_due)(struct timer *timer);
    uint64_t due_ms; /* private from here */
    uint64_t order;
    size_t heap_at; /* 1 .. n while it waits, else 0 */
};
/* Starting a waiting timer moves it. on_due may free the timer's memory. */
void timer_start(struct loop *loop, struct timer *timer, uint64_t delay_ms,
                 void (*on_due)(struct timer *timer));
void timer_stop(struct loop *loop, struct timer *timer); /* nothing happens when it does not wait */
bool timer_is_waiting(const struct timer *timer);

/* Runs once in a later turn of the loop, in order of submission: how a service keeps its promise
 * never to call back from inside a call. The caller's memory, zeroed before first use. */
struct later {
    void (*run)(struct later *later);
    struct list_node waiting; /* private */
};
void loop_later(struct loop *loop, struct later *later, void (*run)(struct later *later));
void later_cancel(struct loop *loop, struct later *later); /* nothing when it does not wait */

/* Frees memory (xmalloc) at the end of this turn, when no caller can hold it any more. */
void loop_bury(struct loop *loop, void *memory);

/* CPU work on data that nobody else touches meanwhile. The caller's memory. On a virtual loop run()
 * happens on the loop thread. */
struct work {
    void (*run)(struct work *work);     /* on a work thread */
    void (*on_done)(struct work *work); /* on the loop thread, always, also after loop_stop() */
    void *private_request;              /* private */
};
void loop_work(struct loop *loop, struct work *work);

/* How late the loop came to its timers since the last call: the largest lag, in milliseconds. */
uint64_t loop_take_lag_ms(struct loop *loop);

#endif
