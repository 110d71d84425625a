/*
 * standing.h - how an open job stands: what is in work, and what the rest waits for. Pure.
 *
 * Thread: any.
 */
#ifndef WORKER_STANDING_H
#define WORKER_STANDING_H

#include "worker/base/buffer.h"

struct standing {
    struct text control;                /* none, pause, cancel */
    struct text control_by, control_at; /* who said that, when; may be none */
    uint64_t open, running, parked;     /* documents; parked: they wait for their next attempt */
    uint64_t retry_s;                   /* until the first of those */
    struct text retry_message;          /* why it waits */
    uint64_t workers;                   /* that run */
    struct text worker_seen_at;         /* the last one that did; none: never one */
    uint64_t kafka_lag, oldest_s;       /* of the workers' partitions */
    struct text trouble_code;           /* why a document left a worker within the last minute, */
    struct text trouble_message;        /* to come again; or none */
};

/* One word for programs: in_work, paused, being_cancelled, no_worker, waiting_for_retry,
 * behind_others, waiting. */
const char *standing_word(const struct standing *standing);
/* One sentence or two, without a line break. */
void standing_append(struct buffer *out, const struct standing *standing);

/* "2026-11-21 12:40 UTC" of an RFC 3339 time. */
void time_append(struct buffer *out, struct text time);
/* "40 s", "12 min", "3 h", "2 days" */
void seconds_append(struct buffer *out, uint64_t seconds);

#endif
