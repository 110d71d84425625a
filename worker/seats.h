/*
 * seats.h - who may be in work: a number of seats and their bytes, shared by tenants. Pure.
 *
 * Nobody is made to stand up again, so some room is kept for whoever comes next: a tenant that sits
 * already gets one more only while SEATS_PER_FREE times what stays free covers all it has then, in
 * seats and in bytes (dynamic thresholds, as switches share their buffers). One tenant alone gets
 * 56 of 64; the fuller it is, the less anybody gets who has some. A tenant that has none gets the
 * last one. Who wants all seats, or more bytes than there are, sits when nobody else does.
 * Owns:   what it counts of a tenant, while the tenant has a seat or is held back.
 * Thread: any, one at a time.
 */
#ifndef WORKER_SEATS_H
#define WORKER_SEATS_H

#include "worker/base/uuid_map.h"

#define SEATS_PER_FREE 7

struct seat {
    struct uuid tenant;          /* in */
    uint64_t bytes;              /* in: what it needs; then seats_resize() */
    bool wants_alone;            /* in: all seats */
    bool is_taken, is_held_back; /* private */
};

struct seats {
    uint32_t seats_max;
    uint64_t bytes_max;
    uint32_t taken_count, held_back_count;
    uint64_t bytes;          /* of the taken ones */
    const struct seat *lone; /* it has all of them */
    struct uuid_map tenants;
};

enum seats_answer {
    SEATS_ROOM,
    SEATS_FULL,       /* nobody sits down before somebody stands up */
    SEATS_OVER_SHARE, /* this tenant has its share: others may go first */
};

struct seats seats_new(uint32_t seats_max, uint64_t bytes_max);
void seats_release(struct seats *seats); /* none is taken */
enum seats_answer seats_ask(const struct seats *seats, const struct seat *seat);
void seats_take(struct seats *seats, struct seat *seat); /* seats_ask() said that there is room */
void seats_resize(struct seats *seats, struct seat *seat, uint64_t bytes);
void seats_give(struct seats *seats, struct seat *seat);
/* It is over its tenant's share, and waits. True: the first of its tenant, who had better not ask
 * for more. Nothing happens when it is held back already. */
bool seats_hold_back(struct seats *seats, struct seat *seat);
/* It waits no longer (or was never held back: false). True: it was the last of its tenant. */
bool seats_let_go(struct seats *seats, struct seat *seat);

#endif
