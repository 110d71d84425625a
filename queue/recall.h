/*
 * recall.h - which records of one partition this process has finished, for when the partition is
 *            taken away and comes back: what is known here need not be worked on again. Pure.
 *
 * A record is known again by its offset and a print of all that it holds, its time included: a
 * topic that was made anew, or a log that was cut and has grown again, has other records at the
 * same offsets, and librdkafka before 2.1 tells neither a topic's id nor a record's leader epoch,
 * by which the logs could be told apart. Two records that are alike in all of it are one event
 * written twice, of which the second changes nothing.
 * Whether a record may be committed is no business of this file: offsets.h knows.
 * Memory: 16 bytes a place, at most RECALL_MAX of them: what finds no place is worked on again.
 * Owns:   its places, until recall_forget().
 * Thread: any, one at a time.
 */
#ifndef QUEUE_RECALL_H
#define QUEUE_RECALL_H

#include "queue/queue.h"

#define RECALL_MAX ((size_t)1 << 15) /* 512 KiB */
#define RECALL_NO_PRINT UINT64_C(0)  /* of a record that is never known again */

struct recall { /* all fields are private; zeroed memory knows nothing */
    struct recalled {
        int64_t offset;
        uint64_t print;
    } *places;
    size_t place_count;
    int64_t committed; /* the highest that the broker has told to have */
};

uint64_t recall_print(const struct message_view *view); /* unpacked; never RECALL_NO_PRINT */
void recall_finished(struct recall *recall, int64_t offset, uint64_t print);
bool recall_knows(const struct recall *recall, int64_t offset, uint64_t print);
/* The broker has taken this commit: what lies below does not come again. */
void recall_committed(struct recall *recall, int64_t offset);
/* The partition is back. committed: what the broker has for the group, 0 for nothing. Less than it
 * had before means that somebody set it back, and wants all of it again. */
void recall_resume(struct recall *recall, int64_t committed);
void recall_forget(struct recall *recall); /* all of it; zeroed memory is allowed */

#endif
