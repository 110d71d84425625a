/*
 * lane_private.h - what lane.c (packing and sending) and lane_answer.c (answers) share.
 *
 * A bin is in exactly one of: lane->again, lane->resting, lane->away, or being moved.
 * Thread: the loop thread.
 */
#ifndef EMBED_LANE_PRIVATE_H
#define EMBED_LANE_PRIVATE_H

#include "embed/bin.h"
#include "embed/openai.h"
#include "worker/base/budget.h"

struct lane {
    struct loop *loop;
    struct embed_options options; /* its texts are borrowed from the embed */
    struct batch_limits limits;
    struct http *http;
    enum embed_server_kind server;
    char *url, *authorization;
    struct http_header headers[3];
    size_t header_count;
    struct list queries;       /* tickets with chunks not yet in a bin; they go first */
    struct fair *documents;    /* likewise, in turns by tenant */
    struct list again;         /* bins to be sent before new ones */
    struct list resting, away; /* bins waiting for their timer; under way or being decoded */
    struct limiter limiter;
    struct bucket request_rate, token_rate;
    uint64_t tokens_away;   /* of bins under way */
    uint64_t not_before_ms; /* nothing is sent earlier */
    uint32_t pushed_back;   /* times in a row */
    uint32_t misconfigured; /* likewise */
    uint64_t answers;       /* good ones */
    struct bin *probe;      /* in one of the lists above; NULL: nobody is in doubt */
    uint64_t probe_no;      /* of the last one */
    bool is_parked;         /* one call at a time finds out whether it goes again */
    struct error parked_for;
    struct later pumping;
    struct timer wake;
    void (*on_closed)(void *arg);
    void *closed_arg;
    bool is_closing, is_http_closed;
};

void lane_pump_soon(struct lane *lane);
void lane_on_answer(struct http_request *call, const struct error *err); /* a bin's call */
void lane_maybe_closed(struct lane *lane); /* frees the lane when it was the last to wait for */

#endif
