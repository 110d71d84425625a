/*
 * lane.h - one endpoint's calls: what is packed together, sent, repeated, halved. Private to
 * embed/.
 *
 * A ticket is a request's stay in the lane; a bin is one call with the chunks of many tickets. A
 * ticket that ends early leaves empty slots in its bins. All answers to requests go through
 * embed_ticket_done(), which never calls back at once.
 * Thread: the loop thread; a bin's decoding on a work thread.
 */
#ifndef EMBED_LANE_H
#define EMBED_LANE_H

#include "embed/embed.h"
#include "worker/base/fair.h"

struct embed;
struct lane;

struct ticket {
    struct embed *embed;
    struct embed_request *request; /* its next_chunk and open_chunks are ours */
    struct list_node node;         /* of the embed's tickets, then of its done ones */
    struct list_node asking;       /* a query that waits for a bin */
    struct fair_item waiting;      /* a document's chunks that do */
    bool is_waiting;
    struct timer deadline;
    struct work work; /* the local engine */
    bool is_working, has_failed;
    struct error err;      /* why it failed */
    struct error last_err; /* what its last call met; message empty: nothing */
};

/* Ends a ticket; err NULL: well. The request hears of it in a later turn. */
void embed_ticket_done(struct ticket *ticket, const struct error *err);

struct lane *lane_open(struct loop *loop, const struct embed_options *options,
                       struct error *err) MUST_CHECK;
void lane_add(struct lane *lane, struct ticket *ticket);
void lane_forget(struct lane *lane, struct ticket *ticket); /* it ends: no chunk of it is sent */
bool lane_is_parked(const struct lane *lane, struct error *ret_why);
size_t lane_waiting_count(const struct lane *lane);
/* All tickets must have been forgotten. */
void lane_close(struct lane *lane, void (*on_closed)(void *arg), void *arg);

#endif
