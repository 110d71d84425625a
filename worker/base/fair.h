/*
 * fair.h - who is next: weighted deficit round robin over keyed queues, with parking. Pure.
 *
 * A flow is one tenant's waiting things. Active flows take turns; a turn adds weight x quantum to
 * the flow's credit and gives out its things while the credit is positive. What a thing costs is
 * taken off when it leaves and corrected when it is done, so a large one is paid off in the turns
 * that follow (surplus round robin): nobody saves up before it may start, and a wrong guess of the
 * cost evens out. A flow that begins to wait while it has little in flight takes its first turn
 * ahead of those that wait all the time (sparse flows, as fq_codel calls them); after
 * FAIR_AHEAD_MAX of such things in a row one of the others has its way.
 * A flow at its cap, held, or parked until a time, is skipped for free.
 * Work-conserving: something is given out whenever any flow may. A thing costs at least
 * quantum / 16, so that many free ones do not make an endless turn.
 * Cost:   O(1) a call, amortised over the turns that a thing's cost pays for; parking O(log n).
 * Owns:   the flows: created on first use, dropped when empty, idle, free to go, out of debt and
 *         with the weight and cap of everybody.
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_FAIR_H
#define WORKER_BASE_FAIR_H

#include "worker/base/crypto.h"
#include "worker/base/list.h"

struct fair;
struct fair_item {
    struct uuid flow;      /* in: whose it is */
    uint64_t cost;         /* in: bytes, at least 1 */
    bool goes_ahead;       /* out, of fair_pop(): such a first turn pays for it */
    struct list_node node; /* private from here */
    bool is_paid;
};
#define FAIR_LITTLE 4 /* in flight, before it is pushed */
#define FAIR_AHEAD_MAX 16

/* quantum: what a turn adds to a flow of weight 1, in the unit of the costs. */
struct fair *fair_new(uint64_t quantum, uint32_t in_flight_max_default);
void fair_free(struct fair *fair); /* must hold no item; NULL is allowed */
void fair_push(struct fair *fair, struct fair_item *item);
/* Comes back after its fair_done(): first in its flow, and its turn was paid (it costs the least).
 */
void fair_push_front(struct fair *fair, struct fair_item *item);
void fair_remove(struct fair *fair, struct fair_item *item); /* it is waiting */
/* The next item whose flow is neither at its cap nor held nor parked; NULL when there is none. It
 * counts as in flight until fair_done(). */
struct fair_item *fair_pop(struct fair *fair, uint64_t now_ms);
/* The item's cost as it was, and what it turned out to be (the same, if nothing better is known).
 */
void fair_done(struct fair *fair, struct uuid flow_id, uint64_t cost_charged, uint64_t cost_real);
/* The next item is of a first turn. */
bool fair_goes_ahead(const struct fair *fair);
/* Gives nothing of this flow out before until_ms; a later end that was given before stays. */
void fair_park(struct fair *fair, struct uuid flow_id, uint64_t until_ms);
/* Gives nothing of this flow out until it is let go. */
void fair_hold(struct fair *fair, struct uuid flow_id, bool is_held);
#define FAIR_WEIGHT_ONE 1000 /* weights are thousandths */
/* Stays for good; FAIR_WEIGHT_ONE and in_flight_max 0 mean like everybody. */
void fair_configure(struct fair *fair, struct uuid flow_id, uint32_t weight,
                    uint32_t in_flight_max);
size_t fair_waiting_count(const struct fair *fair);
size_t fair_flow_count(const struct fair *fair);
uint64_t
fair_next_due_ms(const struct fair *fair); /* the earliest end of parking; UINT64_MAX: none */

#endif
