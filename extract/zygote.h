/*
 * zygote.h - the running helper program as the worker sees it.
 *
 * Owns:   the process (it is killed and reaped here) and its control socket.
 * Thread: the loop thread.
 */
#ifndef EXTRACT_ZYGOTE_H
#define EXTRACT_ZYGOTE_H

#include "extract/wire.h"
#include "worker/base/loop.h"

struct zygote;

struct zygote_events {
    void *arg;
    void (*on_ready)(void *arg); /* jobs may be sent; not after zygote_await_ready() */
    void (*on_started)(void *arg, uint64_t job, int pidfd); /* takes the descriptor */
    void (*on_ended)(void *arg, const struct wire_ended *ended);
    /* Once: the process has ended or talked nonsense, is dead and reaped (so are its children: they
     * die with it). Only zygote_close() may follow. ERR_HELPER, ERR_SANDBOX. */
    void (*on_lost)(void *arg, const struct error *err);
};

/* Executes the program; NULL with ERR_SANDBOX when that is impossible. */
struct zygote *zygote_start(struct loop *loop, const char *program_path,
                            const struct zygote_events *events, struct error *err) MUST_CHECK;
/* Blocks until it is ready: at start-up, before the loop runs. ERR_SANDBOX with the helper's own
 * words: it is dead and reaped, only zygote_close() may follow. */
bool zygote_await_ready(struct zygote *zygote, uint64_t timeout_ms, struct error *err) MUST_CHECK;
/* fds (body, socket end, progress word) are copied, the caller's stay open. ERR_HELPER: it does not
 * listen any more, on_lost follows. */
bool zygote_send_job(struct zygote *zygote, const struct wire_job *job, const int fds[WIRE_JOB_FDS],
                     struct error *err) MUST_CHECK;
uint64_t zygote_resident_bytes(const struct zygote *zygote); /* 0: it cannot be told */
/* No event comes any more, not even on_lost. It is asked to end, then made to. */
void zygote_close(struct zygote *zygote, void (*on_closed)(void *arg), void *arg);

#endif
