/*
 * run.h - one request on its way: waiting, in a child, perhaps in a second one behind a bad page.
 *
 * Owns:   the child's descriptors, the transcript. Borrows the request until on_done, and the
 *         owner's list for good.
 * Thread: the loop thread.
 */
#ifndef EXTRACT_RUN_H
#define EXTRACT_RUN_H

#include "extract/transcript.h"
#include "extract/zygote.h"

struct stream;

struct run {
    struct list_node node; /* the owner's */
    struct list *list;     /* the one it is in; the owner's */
    struct loop *loop;
    struct extract_request *request; /* NULL once answered */
    /* There is no child (any more). With a request it wants one, without it is over: free it. */
    void (*on_idle)(struct run *run);
    void *arg;                    /* the owner's */
    uint64_t job;                 /* the name of the child at work */
    struct transcript transcript; /* private from here */
    struct stream *stream;        /* NULL: all has been read, or is of no interest */
    int pidfd, progress_fd;       /* -1: not known yet, no child */
    bool has_child, has_ended, is_killed, is_late, has_verdict, is_clock_on, is_announced;
    struct wire_ended ended;
    struct error verdict; /* how it ends whatever the child does */
    struct error damage;  /* what the last bad page did */
    uint32_t page_first;  /* of this child */
    uint32_t skips[WIRE_SKIPS_MAX];
    uint32_t skip_count, death_count;
    uint32_t clock_page; /* that was being read when the clock was started */
    uint64_t credit_unsent;
    uint64_t wall_used_ms, clock_since_ms, clock_ms, cpu_us;
    struct timer clock;
    struct later answering;
};

struct run *run_new(struct loop *loop, struct extract_request *request);
void run_free(struct run *run); /* idle and answered */

/* Gives the body to a child. ERR_HELPER: nothing was started. */
bool run_launch(struct run *run, struct zygote *zygote, uint64_t job, struct error *err) MUST_CHECK;
void run_started(struct run *run, int pidfd); /* takes the descriptor */
void run_ended(struct run *run, const struct wire_ended *ended);
void run_lost(struct run *run,
              const struct error *err); /* the zygote is gone, and the child with it */

void run_credit(struct run *run, uint64_t text_bytes);
/* Answers err in a later turn, unless it is answered already; no page comes any more. */
void run_give_up(struct run *run, const struct error *err);

#endif
