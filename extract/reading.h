/*
 * reading.h - one child at work on a document, as the worker sees it; when it dies, another process
 *             may go on in its place.
 *
 * Owns:   the child's descriptors and its transcript. Borrows the body of the request.
 * Thread: the loop thread.
 */
#ifndef EXTRACT_READING_H
#define EXTRACT_READING_H

#include "extract/transcript.h"
#include "extract/zygote.h"

struct stream;

struct reading {
    struct list_node node; /* the owner's */
    struct loop *loop;
    void *arg;                                 /* the owner's */
    void (*on_heard)(struct reading *reading); /* bytes came: ask the transcript for pages */
    void (*on_over)(struct reading *reading);  /* the process has ended and all is heard; last */
    uint64_t job;                              /* the name of the process at work */
    bool has_child;                            /* the job has been sent, on_over will come */
    bool has_ended;                            /* see ended */
    bool is_late;                              /* killed: a page took longer than it may */
    struct wire_ended ended;                   /* how the process ended */
    uint64_t begun_ms;                         /* when it was launched */
    uint32_t pages_read;                       /* since then; the owner's count */
    struct transcript transcript;
    struct stream *stream;  /* private from here; NULL: all has been heard, or is of no interest */
    int pidfd, progress_fd; /* -1: not known yet, no child */
    bool is_killed;
    struct buffer unsent; /* frames for which its socket had no room */
    uint32_t page_seen;   /* at the last tick */
    uint64_t stuck_ms;    /* it has been at page_seen */
    struct later stopping;
};

/* transcript: initialised, taken. */
void reading_init(struct reading *reading, struct loop *loop, const struct transcript *transcript);
void reading_release(struct reading *reading); /* no child */

/* Gives the request's body to a child, which begins where the transcript is. ERR_HELPER: nothing was
 * started. */
bool reading_launch(struct reading *reading, struct zygote *zygote, uint64_t job,
                    const struct extract_request *request, struct error *err) MUST_CHECK;
void reading_started(struct reading *reading, int pidfd); /* takes the descriptor */
void reading_ended(struct reading *reading, const struct wire_ended *ended);
void reading_lost(struct reading *reading); /* the zygote is gone, and the child with it */

void reading_add_credit(struct reading *reading, uint64_t text_bytes);
/* Both 0: there is nothing more. */
void reading_add_range(struct reading *reading, struct wire_range range);
/* To be called often, says how much time has passed: kills a child that is at a page for too long.
 */
void reading_tick(struct reading *reading, uint64_t elapsed_ms);
/* Kills it; nothing is heard of it any more but on_over, which never comes from inside. */
void reading_stop(struct reading *reading);
/* The page it is at by its own account, which is only a hint; 0: none. */
uint32_t reading_page(const struct reading *reading);
/* In on_over, for one that said neither END nor FAILURE. */
void reading_describe_end(const struct reading *reading, struct error *ret_damage);
bool reading_was_killed(const struct reading *reading); /* from outside, not by us */

#endif
