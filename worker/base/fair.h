/*
 * fair.h - who is next: weighted deficit round robin over keyed queues, with parking. Pure.
 *
 * A flow is one tenant's waiting things. Active flows take turns; each turn adds weight x quantum
 * to the flow's credit, and a thing leaves when its cost is covered. A flow at its cap, or parked
 * until a time, costs nothing to skip. Work-conserving: something is given out whenever any flow
 * may. Owns:   the flows (created on first use, dropped when empty, idle and not parked). Thread:
 * any, one at a time.
 */
#ifndef WORKER_BASE_FAIR_H
#define WORKER_BASE_FAIR_H

#include "worker/base/crypto.h"
#include "worker/base/list.h"

struct fair;
struct fair_item {
    struct uuid flow;      /* in: whose it is */
    uint64_t cost;         /* in: bytes, at least 1 */
    struct list_node node; /* private */
};

struct fair *fair_new(uint64_t quantum, uint32_t in_flight_max_default);
void fair_free(struct fair *fair); /* must hold no item */
void fair_push(struct fair *fair, struct fair_item *item);
void fair_push_front(struct fair *fair, struct fair_item *item); /* came back: its turn was paid */
void fair_remove(struct fair *fair, struct fair_item *item);
/* The next item whose flow is neither at its cap nor parked; NULL when there is none. It counts as
 * in flight until fair_done(). */
struct fair_item *fair_pop(struct fair *fair, uint64_t now_ms);
void fair_done(struct fair *fair, struct uuid flow, uint64_t cost_charged, uint64_t cost_real);
void fair_park(struct fair *fair, struct uuid flow, uint64_t until_ms);
void fair_configure(struct fair *fair, struct uuid flow, uint32_t weight, uint32_t in_flight_max);
size_t fair_waiting_count(const struct fair *fair);
size_t fair_flow_count(const struct fair *fair);
uint64_t
fair_next_due_ms(const struct fair *fair); /* the earliest end of parking; UINT64_MAX: none */

#endif
