/*
 * letters.h - dead letters for people: found by what they are, shown, and settled by hand.
 *
 * A letter is one event of a message (topic, partition, offset, event); what is sent again is the
 * message, told which of its events are meant. The bytes of the message are in one of its letters.
 * Owns:   nothing of the caller's; borrows a request until on_done (once, never from inside).
 * Thread: the loop thread.
 */
#ifndef STORE_LETTERS_H
#define STORE_LETTERS_H

#include "store/pg.h"

#define LETTERS_AS_OF_BYTES 48

struct letter_place {
    struct text topic;
    uint64_t partition, offset, event_no;
};

struct letter_filter { /* all that is told must hold */
    bool has_user, has_place, has_event;
    struct uuid user;
    struct letter_place place;   /* has_event: this event of it only */
    struct text code;            /* or none */
    uint64_t older_ms, newer_ms; /* buried before or after so long ago; 0: not told */
    bool with_settled;           /* those that were replayed or discarded, too */
    struct text mention;         /* LIST: this object key, however it is spelt; or none */
};

/* Columns of the answers; times are RFC 3339 in UTC. */
enum letters_kind {
    /* newest first: place (topic/partition/offset/event), topic, partition, offset, event, code,
     * message, key (escaped), user, buried_at, resolution, resolved_at, resolved_by */
    LETTERS_LIST,
    /* the same, then key, value (hex, null), headers (JSON: [name, base64]), event_at */
    LETTERS_SHOW,
    /* one row: letters, messages of them, letters that have no message to send again, as of */
    LETTERS_COUNT,
    /* messages to send again, oldest first: topic, partition, offset, key, value (hex), headers,
     * events of the letters ("0,3"), 1: all it has is one of event 0 */
    LETTERS_TAKE,
    /* one row: how many were settled. places, and events of each: replayed */
    LETTERS_SETTLE,
    /* one row: how many. Of the filter, oldest first: discarded */
    LETTERS_DISCARD,
};

struct letters {
    enum letters_kind kind;
    struct letter_filter filter;
    char as_of[LETTERS_AS_OF_BYTES]; /* TAKE: only what was buried until then */
    uint64_t row_max;
    const struct letter_place *places; /* SETTLE */
    const struct text *events;         /* of each place: "0,3" */
    size_t place_count;
    struct text who, detail; /* SETTLE, DISCARD: for the record */
    void *arg;               /* the caller's own */
    /* rows: valid for the call. */
    void (*on_done)(struct letters *letters, const struct pg_result *rows, const struct error *err);
};
void letters_run(struct pg *pg, struct loop *loop, struct letters *letters);

#endif
