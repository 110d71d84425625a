/*
 * event.h - every envelope an S3 notification comes in -> struct event[]. Pure.
 *
 * Whole messages that can hold no event fill err (EVENT_EMPTY, EVENT_JSON, EVENT_SHAPE,
 * EVENT_TOO_LARGE) and become one dead letter; a bad record among good ones becomes an EVENT_BAD of
 * its own, so that it dead-letters alone.
 * Owns:   nothing; the events and their texts lie in the caller's arena.
 * Thread: any.
 */
#ifndef QUEUE_EVENT_H
#define QUEUE_EVENT_H

#include "queue/queue.h"
#include "worker/base/arena.h"
#include "worker/base/crypto.h"

#define EVENTS_PER_MESSAGE_MAX 1024

enum event_kind {
    EVENT_PUT,     /* an object was created or overwritten */
    EVENT_REMOVED, /* an object or its newest version was removed */
    EVENT_IGNORED, /* TestEvent, metadata only (tags, ACL, restore, lifecycle), or not what a replay
                      means: ends as a counted no-op */
    EVENT_BAD,     /* becomes a dead letter: code and reason say why */
};

struct event {
    enum event_kind kind;
    uint32_t no;             /* position in the message, 0-based */
    struct text bucket, key; /* key decoded according to the shape */
    struct text etag;        /* without quotes; may be empty */
    struct text version_id, sequencer;
    struct text name;    /* the vendor's event name, for logs */
    uint64_t size_bytes; /* 0 when the event does not say */
    bool has_size;
    uint64_t time_ms; /* the event's own time since 1970, else the message's */
    bool has_job;     /* from our header `millrace-job`: a registered item */
    struct uuid job;
    enum error_code code; /* EVENT_BAD */
    struct text reason;
};

/* The header DEAD_LETTER_ONLY (dead_letter.h) makes all events that it does not name
 * EVENT_IGNORED. */
bool event_parse(const struct message_view *message, struct arena *arena, struct event **ret_events,
                 size_t *ret_count, struct error *err) MUST_CHECK;
/* What makes this version of the object itself: sequencer, else version id, else eTag and time.
 * Writes into buffer (NUL-terminated, cut never: at most 200 bytes are taken of each part). */
struct text event_version_identity(const struct event *event, char *buffer, size_t buffer_bytes);
/* A removal where versions are kept: that of a delete marker uncovers the version below, and no
 * event of its own tells. Names do not tell either: to MinIO the end of a marker is another
 * DeleteMarkerCreated of the same version. */
bool event_may_uncover(const struct event *event);
/* The message that `submit` and `dev` produce: a raw S3 2.1 record. Appends JSON to out. */
struct buffer;
bool event_write(struct buffer *out, const struct event *event) MUST_CHECK;

#endif
