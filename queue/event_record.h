/*
 * event_record.h - one S3 record, whatever it came wrapped in -> struct event. Pure.
 *
 * Only event.c includes it.
 * Owns:   nothing; the texts lie in the caller's arena.
 * Thread: any.
 */
#ifndef QUEUE_EVENT_RECORD_H
#define QUEUE_EVENT_RECORD_H

#include "queue/event.h"
#include "worker/base/json.h"

#define EVENT_KEY_BYTES_MAX 4096  /* S3 allows 1,024, a path of file:// this */
#define EVENT_TEXT_BYTES_MAX 1024 /* any other text of a record */

/* All three leave event->kind EVENT_BAD with a code and a reason where the record is wrong; false
 * only when the arena's budget is used up. */
bool event_from_s3(const struct json *record, struct arena *arena, struct event *event) MUST_CHECK;
bool event_from_bridge(const struct json *envelope, struct arena *arena,
                       struct event *event) MUST_CHECK;
bool event_bad(struct arena *arena, struct event *event, const struct error *err) MUST_CHECK;
/* What the vendor's name ("s3:ObjectCreated:Put") means; false: no such name is known. */
bool event_kind_of(struct text name, enum event_kind *ret_kind) MUST_CHECK;

#endif
