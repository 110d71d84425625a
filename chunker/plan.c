#include "chunker/plan.h"

#include <assert.h>

#include "worker/base/memory.h"

/* Costs are in units of one chunk of no size at all. The weights are those that served retrieval
 * best by `./run retrieval` (at the default sizes: most passages found within 1,500 tokens). */
#define COST_UNIT 1024
#define COST_SCALE_BITS 24
static const uint32_t PENALTIES[CUT_KIND_COUNT] = {
    [CUT_END] = 0,     [CUT_HEADING] = 0,          [CUT_PAGE] = 0,       [CUT_PARAGRAPH] = 0,
    [CUT_ITEM] = 200,  [CUT_LINE] = 260,           [CUT_SENTENCE] = 320, [CUT_WRAPPED] = 920,
    [CUT_WORD] = 1920, [CUT_BELOW_HEADING] = 2420, [CUT_CLUSTER] = 3420,
};
#define TOO_LARGE_FACTOR 2          /* what is above the target costs more than what is below */
#define PENALTY_TOO_SMALL 3000      /* at size 0, falling to nothing at size_min */
#define PENALTY_HEADING_INSIDE 4000 /* a chunk that is large enough ends before a heading */

struct plan_step {
    uint64_t cost; /* of the best plan that ends here */
    size_t from;   /* the cut its last chunk begins at */
};

struct planner {
    const struct cut *cuts;
    const struct plan_limits *limits;
    struct plan_step *steps;
    uint64_t cost_scale; /* COST_UNIT / target squared, in fixed point: spares a division a step */
};

static uint64_t size_cost(const struct planner *planner, uint64_t size)
{
    const struct plan_limits *limits = planner->limits;
    uint64_t target = limits->size_target;
    uint64_t off = size > target ? size - target : target - size;
    uint64_t cost = (off * off * planner->cost_scale) >> COST_SCALE_BITS;
    if (size > target)
        cost *= TOO_LARGE_FACTOR;
    if (size < limits->size_min)
        cost += PENALTY_TOO_SMALL * (limits->size_min - size) / limits->size_min;
    return cost;
}

/* The best plan that ends at cut `at`. */
static void step(struct planner *planner, size_t at)
{
    const struct cut *cuts = planner->cuts;
    const struct cut *last_heading = NULL; /* inside the chunk */
    struct plan_step best = {UINT64_MAX, at - 1};
    for (size_t from = at; from-- > 0;) {
        uint32_t size = cuts_size(&cuts[from], &cuts[at]);
        if (size > planner->limits->size_max ||
            cuts[at].end - cuts[from].start > planner->limits->bytes_max)
            break;
        uint64_t cost = planner->steps[from].cost + size_cost(planner, size);
        if (last_heading && cuts_size(&cuts[from], last_heading) >= planner->limits->size_min)
            cost += PENALTY_HEADING_INSIDE;
        if (cost < best.cost)
            best = (struct plan_step){cost, from};
        if (!last_heading && cuts[from].kind == CUT_HEADING)
            last_heading = &cuts[from];
    }
    assert(best.cost < UINT64_MAX); /* cuts_find() leaves no gap wider than a chunk */
    best.cost += PENALTIES[cuts[at].kind];
    planner->steps[at] = best;
}

static size_t best_end(const struct planner *planner, size_t count)
{
    size_t best = count - 1;
    if (planner->cuts[best].kind == CUT_END)
        return best;
    const struct cut *end = &planner->cuts[best];
    for (size_t at = best; at > 0; at--) {
        const struct cut *cut = &planner->cuts[at];
        if (cuts_size(cut, end) >= planner->limits->size_max ||
            end->end - cut->end >= planner->limits->bytes_max)
            break;
        if (planner->steps[at].cost < planner->steps[best].cost)
            best = at;
    }
    return best;
}

void plan_choose(struct plan *plan, const struct cuts *cuts, const struct plan_limits *limits)
{
    assert(cuts->count >= 2);
    if (plan->allocated < cuts->count) {
        plan->allocated = cuts->allocated;
        plan->steps = xrealloc(plan->steps, plan->allocated, sizeof(*plan->steps));
        plan->chosen = xrealloc(plan->chosen, plan->allocated, sizeof(*plan->chosen));
    }
    uint64_t target = limits->size_target;
    uint64_t cost_scale = ((uint64_t)COST_UNIT << COST_SCALE_BITS) / (target * target);
    struct planner planner = {cuts->items, limits, plan->steps, cost_scale};
    plan->steps[0] = (struct plan_step){0, 0};
    for (size_t at = 1; at < cuts->count; at++)
        step(&planner, at);

    size_t end = best_end(&planner, cuts->count);
    plan->chosen_count = 0;
    for (size_t at = end; at > 0; at = plan->steps[at].from)
        plan->chosen_count++;
    size_t place = plan->chosen_count;
    for (size_t at = end; at > 0; at = plan->steps[at].from)
        plan->chosen[--place] = at;
}

size_t plan_memory_bytes(const struct plan *plan)
{
    return plan->allocated * (sizeof(*plan->steps) + sizeof(*plan->chosen));
}

void plan_release(struct plan *plan)
{
    xfree(plan->steps);
    xfree(plan->chosen);
    *plan = (struct plan){0};
}
