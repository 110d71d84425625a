/*
 * parcel.h - a message while some of its events are open, and the dead letters it leaves.
 *
 * Owns:   the message, until its last event is final: then the offset is settled; or, when an event
 *         was given back unfinished, the message is abandoned and comes again.
 * Thread: the loop thread.
 */
#ifndef WORKER_PARCEL_H
#define WORKER_PARCEL_H

#include "queue/queue.h"
#include "worker/base/crypto.h"
#include "worker/base/metrics.h"
#include "worker/pipeline.h"

struct packer;

struct parcel {
    struct message *message;
    uint64_t epoch;
    size_t message_bytes;
    uint32_t open_count; /* events, and one for whoever is still taking it apart */
    bool is_given_back;  /* some event of it ended unfinished */
    bool is_revoked;
    bool has_burial;       /* its bytes are lent: it stays as it is */
    struct buffer headers; /* has_burial: in JSON, lent to its first burial */
    bool is_kept;          /* a letter has its bytes: those that follow go without */
    struct list held;      /* has_burial, not is_kept: burials that wait for the first one */
    struct list_node node; /* of parcels.open */
};

struct parcels {
    struct pipeline *pipeline;
    struct list open;
    struct packer *packer;
    struct list burials;
    size_t message_bytes; /* of all open ones */
    bool is_closing;      /* burials are not tried again */
    void *arg;
    void (*on_room)(void *arg); /* a message was settled or given back */
};

void parcels_init(struct parcels *parcels, struct pipeline *pipeline, void (*on_room)(void *arg),
                  void *arg);
void parcels_release(struct parcels *parcels); /* none is open */
struct parcel *parcel_open(struct parcels *parcels, struct message *message);
/* All its events are known: it may end from now on. */
void parcel_taken_apart(struct parcels *parcels, struct parcel *parcel);
/* One event has reached its end (or is_given_back). The parcel may be gone afterwards. */
void parcel_close_one(struct parcels *parcels, struct parcel *parcel, enum event_outcome outcome);
void parcel_give_back_one(struct parcels *parcels, struct parcel *parcel);
/* Writes the dead letter of one event of it, for as long as it takes; then parcel_close_one(). */
void parcel_bury(struct parcels *parcels, struct parcel *parcel, uint32_t event_no,
                 const struct uuid *user, const struct error *err);
void parcels_revoke(struct parcels *parcels, uint64_t epoch);
void parcels_abandon_all(struct parcels *parcels); /* whatever their events do: the end */

#endif
