#include "worker/seats.h"

#include <assert.h>

#include "worker/base/memory.h"

struct sitter { /* a tenant that has seats, or wants more of them than its share */
    struct uuid_node node;
    uint32_t taken_count, held_back_count;
    uint64_t bytes;
};

static struct sitter *find(const struct seats *seats, struct uuid tenant)
{
    struct uuid_node *node = uuid_map_find(&seats->tenants, tenant);
    return node ? container_of(node, struct sitter, node) : NULL;
}

static struct sitter *sitter_of(struct seats *seats, struct uuid tenant)
{
    struct sitter *sitter = find(seats, tenant);
    if (sitter)
        return sitter;
    sitter = xcalloc(1, sizeof(*sitter));
    sitter->node.id = tenant;
    uuid_map_add(&seats->tenants, &sitter->node);
    return sitter;
}

static void forget_if_gone(struct seats *seats, struct sitter *sitter)
{
    if (sitter->taken_count || sitter->held_back_count)
        return;
    uuid_map_remove(&seats->tenants, &sitter->node);
    xfree(sitter);
}

/* has: with the new one; free: without it. */
static bool is_within_share(uint64_t has, uint64_t free)
{
    return has / SEATS_PER_FREE + (has % SEATS_PER_FREE != 0) <= free;
}

struct seats seats_new(uint32_t seats_max, uint64_t bytes_max)
{
    assert(seats_max > 0);
    return (struct seats){.seats_max = seats_max, .bytes_max = bytes_max};
}

void seats_release(struct seats *seats)
{
    assert(seats->taken_count == 0 && seats->tenants.count == 0);
    uuid_map_release(&seats->tenants);
}

enum seats_answer seats_ask(const struct seats *seats, const struct seat *seat)
{
    const struct sitter *sitter = find(seats, seat->tenant);
    if (seats->taken_count == 0)
        return SEATS_ROOM;
    if (seats->lone || seats->taken_count == seats->seats_max)
        return SEATS_FULL;
    bool has_bytes =
        seats->bytes <= seats->bytes_max && seat->bytes <= seats->bytes_max - seats->bytes;
    bool has_others = sitter && sitter->taken_count;
    uint32_t seats_left = seats->seats_max - seats->taken_count - 1;
    if (has_others && !is_within_share(sitter->taken_count + 1, seats_left))
        return SEATS_OVER_SHARE;
    if (has_others &&
        (!has_bytes || !is_within_share(sitter->bytes + seat->bytes,
                                        seats->bytes_max - seats->bytes - seat->bytes)))
        return SEATS_OVER_SHARE;
    return has_bytes && !seat->wants_alone ? SEATS_ROOM : SEATS_FULL;
}

void seats_take(struct seats *seats, struct seat *seat)
{
    struct sitter *sitter = sitter_of(seats, seat->tenant);
    assert(!seat->is_taken);
    seat->is_taken = true;
    sitter->taken_count++;
    sitter->bytes += seat->bytes;
    seats->taken_count++;
    seats->bytes += seat->bytes;
    if (seat->wants_alone)
        seats->lone = seat;
}

void seats_resize(struct seats *seats, struct seat *seat, uint64_t bytes)
{
    assert(seat->is_taken);
    find(seats, seat->tenant)->bytes += bytes - seat->bytes;
    seats->bytes += bytes - seat->bytes;
    seat->bytes = bytes;
}

void seats_give(struct seats *seats, struct seat *seat)
{
    struct sitter *sitter = find(seats, seat->tenant);
    seats_resize(seats, seat, 0);
    seat->is_taken = false;
    sitter->taken_count--;
    seats->taken_count--;
    if (seats->lone == seat)
        seats->lone = NULL;
    forget_if_gone(seats, sitter);
}

bool seats_hold_back(struct seats *seats, struct seat *seat)
{
    if (seat->is_held_back)
        return false;
    seat->is_held_back = true;
    seats->held_back_count++;
    return sitter_of(seats, seat->tenant)->held_back_count++ == 0;
}

bool seats_let_go(struct seats *seats, struct seat *seat)
{
    if (!seat->is_held_back)
        return false;
    struct sitter *sitter = find(seats, seat->tenant);
    seat->is_held_back = false;
    seats->held_back_count--;
    bool was_last = --sitter->held_back_count == 0;
    forget_if_gone(seats, sitter);
    return was_last;
}
