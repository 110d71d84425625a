#include "worker/base/fair.h"

#include <assert.h>

#include "worker/base/memory.h"
#include "worker/base/uuid_map.h"

#define ITEMS_PER_TURN_MAX 16       /* the least cost is a quantum divided by it */
#define COST_MAX ((int64_t)1 << 56) /* no object is larger; sums of 64 of them fit */
#define CREDIT_MIN (-((int64_t)1 << 61))

struct flow {
    struct uuid_node by_id;
    struct list items;     /* struct fair_item, waiting */
    struct list_node turn; /* in fair->turns, or fair->ahead */
    bool is_ahead;         /* until its first turn is over */
    bool has_begun;        /* its turn: the quantum is added */
    bool is_offering;      /* takes turns and has items */
    int64_t credit;        /* below 0: a debt */
    int64_t grant;         /* of a turn: weight x quantum */
    uint32_t in_flight, in_flight_max;
    bool is_configured, is_held;
    uint64_t due_ms; /* parked until then */
    size_t heap_at;  /* 1 .. parked_count, 0: not parked */
};

struct fair {
    int64_t quantum;
    uint32_t in_flight_max_default;
    struct uuid_map flows;
    struct list turns; /* who takes turns, the next one first: it offers, or it pays a debt off */
    struct list ahead; /* who takes its first turn: it offers, and owes nothing */
    size_t ahead_in_a_row;
    size_t offering_count; /* of both, those with something to give */
    size_t waiting_count;
    struct flow **parked; /* 1-based binary heap, the soonest first */
    size_t parked_count, parked_max;
};

/* ---- parking --------------------------------------------------------------------------------- */

static void heap_put(struct fair *fair, size_t at, struct flow *flow)
{
    fair->parked[at] = flow;
    flow->heap_at = at;
}

static void heap_sift(struct fair *fair, size_t at, struct flow *flow)
{
    for (; at > 1 && flow->due_ms < fair->parked[at / 2]->due_ms; at /= 2)
        heap_put(fair, at, fair->parked[at / 2]);
    for (size_t child = at * 2; child <= fair->parked_count; child = at * 2) {
        if (child < fair->parked_count &&
            fair->parked[child + 1]->due_ms < fair->parked[child]->due_ms)
            child++;
        if (fair->parked[child]->due_ms >= flow->due_ms)
            break;
        heap_put(fair, at, fair->parked[child]);
        at = child;
    }
    heap_put(fair, at, flow);
}

static void unpark(struct fair *fair, struct flow *flow)
{
    size_t at = flow->heap_at;
    struct flow *last = fair->parked[fair->parked_count--];
    flow->heap_at = 0;
    if (last != flow)
        heap_sift(fair, at, last);
}

/* ---- where a flow belongs -------------------------------------------------------------------- */

static struct flow *flow_find(const struct fair *fair, struct uuid id)
{
    struct uuid_node *node = uuid_map_find(&fair->flows, id);
    return node ? container_of(node, struct flow, by_id) : NULL;
}

static struct flow *flow_of(struct fair *fair, struct uuid id)
{
    struct flow *flow = flow_find(fair, id);
    if (flow)
        return flow;
    flow = xcalloc(1, sizeof(*flow));
    list_init(&flow->items);
    flow->by_id.id = id;
    flow->grant = fair->quantum;
    flow->in_flight_max = fair->in_flight_max_default;
    uuid_map_add(&fair->flows, &flow->by_id);
    return flow;
}

static void set_offering(struct fair *fair, struct flow *flow, bool is_offering)
{
    if (flow->is_offering == is_offering)
        return;
    flow->is_offering = is_offering;
    fair->offering_count += is_offering ? 1 : (size_t)-1;
}

static struct list *turns_of(struct fair *fair, const struct flow *flow)
{
    return flow->is_ahead ? &fair->ahead : &fair->turns;
}

/* After every change: joins or leaves the turns, and goes when nothing is left of it. */
static void settle(struct fair *fair, struct flow *flow)
{
    bool is_idle = flow->items.count == 0 && flow->credit >= 0;
    bool takes_turns =
        !flow->heap_at && !flow->is_held && flow->in_flight < flow->in_flight_max && !is_idle;
    bool stays_ahead = flow->is_ahead && flow->items.count && flow->credit >= 0;
    if (list_is_member(&flow->turn) && (!takes_turns || flow->is_ahead != stays_ahead))
        list_remove(turns_of(fair, flow), &flow->turn);
    if (takes_turns && !list_is_member(&flow->turn)) {
        flow->has_begun = false;
        flow->is_ahead = stays_ahead;
        list_push_back(turns_of(fair, flow), &flow->turn);
    }
    set_offering(fair, flow, takes_turns && flow->items.count > 0);
    if (!is_idle)
        return;
    flow->credit = 0; /* credit is for the turn, not to be saved up */
    if (flow->in_flight || flow->heap_at || flow->is_held || flow->is_configured)
        return;
    uuid_map_remove(&fair->flows, &flow->by_id);
    xfree(flow);
}

static int64_t charge_of(const struct fair *fair, uint64_t cost)
{
    int64_t least = fair->quantum / ITEMS_PER_TURN_MAX;
    int64_t charge = cost < (uint64_t)COST_MAX ? (int64_t)cost : COST_MAX;
    return charge > least ? charge : least;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void add_credit(struct flow *flow, int64_t by)
{
    if (__builtin_add_overflow(flow->credit, by, &flow->credit) || flow->credit > flow->grant)
        flow->credit = flow->grant; /* never more than one turn's worth */
    else if (flow->credit < CREDIT_MIN)
        flow->credit = CREDIT_MIN;
}

static void end_turn(struct fair *fair, struct flow *flow)
{
    list_remove(turns_of(fair, flow), &flow->turn);
    flow->has_begun = flow->is_ahead = false;
    list_push_back(&fair->turns, &flow->turn);
}

/* Everybody is in debt: skips the rounds in which nobody could be served. */
static void skip_rounds(struct fair *fair)
{
    int64_t rounds = INT64_MAX;
    LIST_FOR_EACH(&fair->turns, node) {
        const struct flow *flow = container_of(node, struct flow, turn);
        int64_t needed = -flow->credit / flow->grant; /* one more makes the credit positive */
        if (flow->is_offering && needed < rounds)
            rounds = needed;
    }
    LIST_FOR_EACH(&fair->turns, node) {
        struct flow *flow = container_of(node, struct flow, turn);
        int64_t gained;
        if (__builtin_mul_overflow(rounds, flow->grant, &gained))
            gained = INT64_MAX;
        add_credit(flow, gained);
    }
}

static struct fair_item *give(struct fair *fair, struct flow *flow)
{
    struct fair_item *item = container_of(list_pop_front(&flow->items), struct fair_item, node);
    fair->waiting_count--;
    flow->in_flight++;
    add_credit(flow, -charge_of(fair, item->is_paid ? 0 : item->cost));
    item->is_paid = false;
    item->goes_ahead = flow->is_ahead && flow->credit >= 0;
    if (flow->credit <= 0)
        end_turn(fair, flow);
    settle(fair, flow);
    return item;
}

static bool has_others(const struct fair *fair)
{
    return fair->offering_count > fair->ahead.count;
}

static struct fair_item *give_ahead(struct fair *fair)
{
    struct flow *flow = container_of(list_first(&fair->ahead), struct flow, turn);
    if (!flow->has_begun)
        add_credit(flow, flow->grant);
    flow->has_begun = true;
    fair->ahead_in_a_row = has_others(fair) ? fair->ahead_in_a_row + 1 : 0;
    return give(fair, flow);
}

static struct fair_item *take_turns(struct fair *fair)
{
    fair->ahead_in_a_row = 0;
    for (size_t skipped = 0;;) {
        struct flow *flow = container_of(list_first(&fair->turns), struct flow, turn);
        if (!flow->has_begun)
            add_credit(flow, flow->grant);
        flow->has_begun = true;
        if (flow->is_offering && flow->credit > 0)
            return give(fair, flow);
        end_turn(fair, flow);
        settle(fair, flow); /* a debt paid off: it goes */
        if (++skipped >= fair->turns.count) {
            skip_rounds(fair);
            skipped = 0;
        }
    }
}

/* Nobody waits, so nobody is kept waiting by whoever took too much before. */
static void forgive_debts(struct fair *fair)
{
    while (fair->turns.count) {
        struct flow *flow = container_of(list_first(&fair->turns), struct flow, turn);
        flow->credit = 0;
        settle(fair, flow);
    }
}

/* ---- public ---------------------------------------------------------------------------------- */

struct fair *fair_new(uint64_t quantum, uint32_t in_flight_max_default)
{
    assert(quantum > 0 && quantum <= INT32_MAX && in_flight_max_default > 0);
    struct fair *fair = xcalloc(1, sizeof(*fair));
    fair->quantum = (int64_t)quantum;
    fair->in_flight_max_default = in_flight_max_default;
    list_init(&fair->turns);
    list_init(&fair->ahead);
    return fair;
}

static void free_flow(void *arg, struct uuid_node *node)
{
    struct fair *fair = arg;
    uuid_map_remove(&fair->flows, node);
    xfree(container_of(node, struct flow, by_id));
}

void fair_free(struct fair *fair)
{
    if (!fair)
        return;
    assert(fair->waiting_count == 0);
    uuid_map_each(&fair->flows, free_flow, fair);
    uuid_map_release(&fair->flows);
    xfree(fair->parked);
    xfree(fair);
}

void fair_push(struct fair *fair, struct fair_item *item)
{
    struct flow *flow = flow_of(fair, item->flow);
    if (!list_is_member(&flow->turn)) /* it does not wait, nor does it owe anything */
        flow->is_ahead = flow->items.count == 0 && flow->in_flight < FAIR_LITTLE;
    item->is_paid = false;
    list_push_back(&flow->items, &item->node);
    fair->waiting_count++;
    settle(fair, flow);
}

void fair_push_front(struct fair *fair, struct fair_item *item)
{
    struct flow *flow = flow_of(fair, item->flow);
    item->is_paid = true;
    list_push_front(&flow->items, &item->node);
    fair->waiting_count++;
    settle(fair, flow);
}

void fair_remove(struct fair *fair, struct fair_item *item)
{
    struct flow *flow = flow_find(fair, item->flow);
    assert(flow);
    list_remove(&flow->items, &item->node);
    fair->waiting_count--;
    settle(fair, flow);
}

bool fair_goes_ahead(const struct fair *fair)
{
    return fair->ahead.count && (fair->ahead_in_a_row < FAIR_AHEAD_MAX || !has_others(fair));
}

struct fair_item *fair_pop(struct fair *fair, uint64_t now_ms)
{
    while (fair->parked_count && fair->parked[1]->due_ms <= now_ms) {
        struct flow *flow = fair->parked[1];
        unpark(fair, flow);
        settle(fair, flow);
    }
    if (fair_goes_ahead(fair))
        return give_ahead(fair);
    if (fair->offering_count)
        return take_turns(fair);
    if (fair->waiting_count == 0)
        forgive_debts(fair);
    return NULL;
}

void fair_done(struct fair *fair, struct uuid flow_id, uint64_t cost_charged, uint64_t cost_real)
{
    struct flow *flow = flow_find(fair, flow_id);
    assert(flow && flow->in_flight > 0);
    flow->in_flight--;
    add_credit(flow, charge_of(fair, cost_charged) - charge_of(fair, cost_real));
    settle(fair, flow);
}

void fair_park(struct fair *fair, struct uuid flow_id, uint64_t until_ms)
{
    struct flow *flow = flow_of(fair, flow_id);
    if (flow->heap_at && flow->due_ms >= until_ms)
        return;
    flow->due_ms = until_ms;
    if (!flow->heap_at) {
        if (fair->parked_count == fair->parked_max) {
            fair->parked_max = fair->parked_max ? fair->parked_max * 2 : 16;
            fair->parked = xrealloc(fair->parked, fair->parked_max + 1, sizeof(*fair->parked));
        }
        flow->heap_at = ++fair->parked_count;
    }
    heap_sift(fair, flow->heap_at, flow);
    settle(fair, flow);
}

void fair_hold(struct fair *fair, struct uuid flow_id, bool is_held)
{
    struct flow *flow = flow_of(fair, flow_id);
    flow->is_held = is_held;
    settle(fair, flow);
}

void fair_configure(struct fair *fair, struct uuid flow_id, uint32_t weight, uint32_t in_flight_max)
{
    struct flow *flow = flow_of(fair, flow_id);
    assert(weight > 0);
    flow->is_configured = weight != FAIR_WEIGHT_ONE || in_flight_max != 0;
    flow->grant = fair->quantum * (int64_t)weight / FAIR_WEIGHT_ONE;
    flow->grant += flow->grant == 0; /* every turn pays something off */
    flow->in_flight_max = in_flight_max ? in_flight_max : fair->in_flight_max_default;
    settle(fair, flow);
}

size_t fair_waiting_count(const struct fair *fair)
{
    return fair->waiting_count;
}

size_t fair_flow_count(const struct fair *fair)
{
    return fair->flows.count;
}

uint64_t fair_next_due_ms(const struct fair *fair)
{
    return fair->parked_count ? fair->parked[1]->due_ms : UINT64_MAX;
}
