/*
 * route.h - the mechanism of states: who is at which stage, and since when.
 *
 * Knows no service and no document. One function changes a stage: it leaves the list, observes the
 * time spent, joins the next list and sets the gauges. Deadlines belong to the requests that a
 * stage makes: every one of them carries its own.
 * Owns:   nothing; travellers are their owners' memory.
 * Thread: the loop thread.
 */
#ifndef WORKER_ROUTE_H
#define WORKER_ROUTE_H

#include "worker/base/list.h"
#include "worker/base/loop.h"

enum stage {
    STAGE_CLAIM,   /* lease and fence in the database */
    STAGE_SEAT,    /* waits for one of the tasks_max seats, or to be alone */
    STAGE_FETCH,   /* the object's bytes */
    STAGE_LOOK,    /* only its eTag */
    STAGE_STREAM,  /* extract, chunk, embed, upsert: flow.h */
    STAGE_FINISH,  /* outcome and counters in the database */
    STAGE_RELEASE, /* gives the lease back: to come again, or to wait in its row */
    STAGE_COUNT
};

struct traveller {
    enum stage stage;
    bool is_on_the_way; /* between the first route_enter() and route_leave() */
    uint64_t entered_ms;
    struct list_node at;
};

struct route {
    struct loop *loop;
    struct list stages[STAGE_COUNT];
};

void route_init(struct route *route, struct loop *loop);
const char *stage_name(enum stage stage);
void route_enter(struct route *route, struct traveller *traveller, enum stage stage);
void route_leave(struct route *route, struct traveller *traveller);

#endif
