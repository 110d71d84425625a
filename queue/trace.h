/*
 * trace.h - which trace a message belongs to, by the header `traceparent` (W3C Trace Context).
 *
 * Thread: any; pure.
 */
#ifndef QUEUE_TRACE_H
#define QUEUE_TRACE_H

#include "queue/queue.h"

/* 32 hex digits, borrowed from the header; TEXT_NONE: there is no such header, or it is not one. */
struct text trace_id_of(const struct header *headers, size_t header_count);

#endif
