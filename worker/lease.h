/*
 * lease.h - one attempt's hold on its document: renewed by a pulse, grown before ids are used.
 *
 * Nothing may be written to the vector store unless lease_holds(), and no vector id unless it is
 * below reserved (protocol points 2 and 4).
 * Owns:   nothing; a request under way outlives the lease by itself.
 * Thread: the loop thread.
 */
#ifndef WORKER_LEASE_H
#define WORKER_LEASE_H

#include "worker/base/loop.h"
#include "worker/model/document.h"
#include "worker/model/tenant.h"

struct ledger;
struct lease_ask;

enum lease_news { LEASE_RENEWED, LEASE_STOPPED, LEASE_INACTIVE, LEASE_LOST };

struct lease {
    struct loop *loop;
    struct ledger *ledger;
    struct uuid document;
    struct tenant tenant;
    uint64_t fence;
    bool goes_ahead;   /* store/ledger.h */
    uint64_t until_ms; /* loop time; 0: not held */
    uint32_t reserved; /* vector ids 0 .. reserved-1 may be used */
    uint32_t wanted;
    struct lease_ask *ask; /* under way */
    /* From the loop, after each answer; may be NULL. */
    void (*on_news)(struct lease *lease, enum lease_news news);
};

void lease_start(struct lease *lease, uint64_t claimed_ms); /* the fields above are set */
bool lease_holds(const struct lease *lease);
void lease_pulse(struct lease *lease); /* every LEASE_PULSE_MS */
/* True: the ids 0 .. count-1 may be used. False: on_news will come, then ask again. */
bool lease_reserve(struct lease *lease, uint32_t count);
void lease_end(struct lease *lease); /* no on_news any more */

#endif
