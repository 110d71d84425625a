/*
 * signals.h - SIGTERM and SIGINT as callbacks of the loop.
 *
 * Thread: the loop thread.
 */
#ifndef WORKER_BASE_SIGNALS_H
#define WORKER_BASE_SIGNALS_H

#include "worker/base/loop.h"

struct signals;
/* From now until signals_open(), SIGTERM and SIGINT end the process at once with this code: nothing
 * has begun that could be lost. (As the first process of a container nothing else would end it.) */
void signals_end_early(int exit_code);
/* on_stop: count 1 for the first signal, 2 for the second ... SIGPIPE is ignored from now on. */
struct signals *signals_open(struct loop *loop, void (*on_stop)(void *arg, unsigned count),
                             void *arg);
void signals_close(struct signals *signals); /* frees itself in a later turn; NULL is allowed */

#endif
