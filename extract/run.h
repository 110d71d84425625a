/*
 * run.h - one request on its way: waiting for a slot, then read by one child or several, in blocks.
 *
 * A short document is read by one child from end to end. One of limits.range_pages or more is read
 * block by block, and its children are told which: each keeps the document open and is one block
 * ahead of its last answer. Pages come out in order; how far children may be ahead of the page whose
 * turn it is, is bounded in blocks and, by credit, in bytes. The child that has this page always has
 * the request's own credit, and a child is told blocks in ascending order only: so what is to come
 * next is never held up by what comes later.
 * Owns:   its children (struct reading), one slot each. Borrows the request until on_done, and the
 *         owner's list for good.
 * Thread: the loop thread.
 */
#ifndef EXTRACT_RUN_H
#define EXTRACT_RUN_H

#include "extract/merge.h"
#include "extract/reading.h"
#include "worker/base/fair.h"

/* What all runs start their children with; the owner's. */
struct run_helper {
    struct zygote *zygote; /* NULL between two */
    bool is_ready;
    uint64_t job_last; /* the name of the youngest child */
};

struct run {
    struct list_node node; /* the owner's */
    struct list *list;     /* the one it is in; the owner's */
    struct fair_item turn; /* the owner's: its place among those who wait */
    bool is_in_turn;       /* the owner's: it has left them */
    uint64_t cpu_paid_us;  /* the owner's: so much of cpu_us its turns have been charged */
    struct loop *loop;
    struct run_helper *helper;
    struct extract_request *request; /* NULL once answered */
    struct list readings;            /* struct reading: the slots it has */
    uint32_t slots_wanted;           /* it could use so many, those it has included */
    /* Something above has changed. Answered and without slots: free it. Always the last thing that
     * a run does. */
    void (*on_change)(struct run *run);
    /* A slot is to be given back now: this child reads its last block. */
    bool (*must_give_back)(struct run *run, const struct reading *reading);
    void *arg;           /* the owner's */
    uint32_t page_count; /* private from here; 0: not known yet */
    uint32_t block_next; /* the first page of the block that nobody has been told to read */
    struct merge merge;
    struct buffer title, mime_type;
    bool is_encrypted, has_verdict, is_delivering;
    struct error verdict; /* how it ends whatever its children do */
    struct error damage;  /* what the last death was */
    int64_t credit;       /* of the request */
    uint64_t text_bytes, cpu_us, peak_bytes, wall_used_ms, ticked_ms;
    uint32_t pages_with_text, death_count, skip_count;
    uint32_t killed_page;           /* at which a child was when it was last killed from outside */
    uint32_t skips[WIRE_SKIPS_MAX]; /* pages that children are told to leave out */
    uint32_t skipped[WIRE_SKIPS_MAX], skipped_count; /* those that were left out */
    struct timer tick;
    struct later answering;
};

struct run *run_new(struct loop *loop, struct run_helper *helper, struct extract_request *request);
void run_free(struct run *run); /* answered, and without slots */

/* One more child. What goes wrong is the request's answer. */
void run_add_slot(struct run *run);
struct reading *run_find(struct run *run, uint64_t job); /* NULL: not its child */
/* The zygote is gone, and all children with it. */
void run_lost(struct run *run, const struct error *err);

/* Others have begun to wait: a child that has nothing to read may have to give its slot back. */
void run_review(struct run *run);
void run_credit(struct run *run, uint64_t text_bytes);
/* Answers err in a later turn, unless it is answered already; no page comes any more. */
void run_give_up(struct run *run, const struct error *err);

#endif
