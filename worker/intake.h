/*
 * intake.h - messages → events → waiting, and back: when all events of a message have reached their
 *            end, its offset is settled.
 *
 * Events of one object wait together: at most one of them is in work, the newest first. An object
 * waits in the fair queue of its tenant, or rests until a time, or is in work.
 * Owns:   messages, arrivals and objects.
 * Thread: the loop thread.
 */
#ifndef WORKER_INTAKE_H
#define WORKER_INTAKE_H

#include "queue/queue.h"
#include "store/ledger.h"
#include "worker/base/fair.h"
#include "worker/base/metrics.h"
#include "worker/base/uuid_map.h"
#include "worker/model/tenant.h"
#include "worker/pipeline.h"

struct intake;
struct parcel; /* a message and how many of its events are open */

/* One event of one object, or an open item or a removal put off that the janitor found. */
struct arrival {
    struct list_node node; /* of its object, the oldest first */
    struct object *object;
    struct parcel *parcel; /* NULL: from the janitor */
    struct uuid job;       /* nil for removals */
    bool is_removal, is_bare, is_overdue;
    bool may_uncover; /* queue/event.h */
    uint32_t event_no;
    uint64_t size_bytes; /* what the event said; 0: nothing */
    uint64_t time_ms;    /* since 1970 */
    uint64_t arrived_ms; /* loop time */
    struct text etag;    /* behind this struct */
};

struct object {
    struct uuid_node node; /* by document id */
    struct fair_item turn;
    struct document document; /* its texts lie behind this struct */
    struct list arrivals;
    struct timer rest;
    uint32_t attempts; /* failures in a row, of the arrival that is tried */
    enum { OBJECT_WAITING, OBJECT_RESTING, OBJECT_IN_WORK } state;
    struct arrival *worked; /* while it is in work: the newest when it was taken */
    struct intake *intake;
};

struct intake_events {
    void *arg;
    void (*on_waiting)(void *arg);                        /* something may be taken */
    void (*on_fatal)(void *arg, const struct error *err); /* of the queue */
};

struct intake *intake_new(struct pipeline *pipeline, struct intake_events events);
void intake_free(struct intake *intake); /* after intake_close_door(), nothing in work */
struct queue_events intake_queue_events(struct intake *intake);
void intake_open_door(struct intake *intake); /* gives credit from now on */

/* The next one is of a tenant that had nothing waiting and has little in work. */
bool intake_goes_ahead(const struct intake *intake);
/* The next object by fair share, now in work; NULL: none may go now. */
struct object *intake_take(struct intake *intake);
/* A put of the same object has arrived after this arrival. */
bool object_has_newer_put(const struct object *object, const struct arrival *arrival);

/* What the object's tenant is told to get of the turns; 0 each: like everybody. */
void intake_weigh(struct object *object, uint32_t weight_permille, uint32_t in_flight_max);
/* Nothing of the object's tenant is taken while it is held. */
void intake_hold(struct object *object, bool is_held);

/* How the work on object->worked ended. Each takes the object out of work. */
void intake_final(struct intake *intake, struct arrival *arrival, enum event_outcome outcome);
void intake_again(struct intake *intake, struct object *object, uint64_t delay_ms, bool is_failure);
/* Writes the dead letter (for as long as it takes), then the event is final. */
void intake_dead_letter(struct intake *intake, struct arrival *arrival, const struct error *err);

bool intake_has_room(const struct intake *intake); /* for more that waits */
/* An open item past due, or a removal put off: waits like an event. False: its object is known here
 * already. */
bool intake_add_due(struct intake *intake, const struct due_item *item);

/* Shutdown: no credit, everything that waits or rests is given back to Kafka. */
void intake_close_door(struct intake *intake);
size_t intake_waiting_count(const struct intake *intake);
size_t intake_burying_count(const struct intake *intake);

#endif
