/*
 * dead_letter.h - a message or event that can never become a document, with its reason. Pure.
 *
 * The row in `dead_letters` is the dead letter itself (store/ledger.h); this file turns it into a
 * Kafka record for the optional mirror topic, and such a record (or row) back into what to replay.
 * Thread: any.
 */
#ifndef QUEUE_DEAD_LETTER_H
#define QUEUE_DEAD_LETTER_H

#include "queue/queue.h"
#include "worker/base/arena.h"

struct dead_letter {
    struct message_view message; /* original key, value, headers, topic, partition, offset, time */
    uint32_t event_no;
    enum error_code code;
    struct text reason; /* one line */
};

/* Original headers first, then ours: `millrace-dlq-code`, `-reason`, `-topic`, `-partition`,
 * `-offset`, `-event`, `-time` (text values). False past the arena's budget. */
bool dead_letter_headers(const struct dead_letter *letter, struct arena *arena,
                         struct header **ret_headers, size_t *ret_count) MUST_CHECK;
/* Which events of the message are meant, "0,3": the others count as ignored (event.h). A replay
 * carries it, so that it leaves alone what shared the message. */
#define DEAD_LETTER_ONLY "millrace-dlq-only"

/* What a replay sends again of one message. */
struct dead_letter_replay {
    const struct header *headers; /* as they are in the row */
    size_t header_count;
    struct text events; /* of the letters that are replayed, "0,3" */
    bool may_be_whole;  /* all there is is a letter of event 0: it may be of the message itself */
};
/* The headers to replay with: ours stripped, and DEAD_LETTER_ONLY unless all is meant. */
bool dead_letter_replay_headers(const struct dead_letter_replay *replay, struct arena *arena,
                                struct header **ret_headers, size_t *ret_count) MUST_CHECK;

#endif
