#include "worker/route.h"

#include <assert.h>

#include "worker/base/metrics.h"

static const char *const NAMES[STAGE_COUNT] = {
    [STAGE_CLAIM] = "claim",     [STAGE_SEAT] = "seat",     [STAGE_FETCH] = "fetch",
    [STAGE_LOOK] = "look",       [STAGE_STREAM] = "stream", [STAGE_FINISH] = "finish",
    [STAGE_RELEASE] = "release",
};

void route_init(struct route *route, struct loop *loop)
{
    route->loop = loop;
    for (unsigned i = 0; i < STAGE_COUNT; i++) {
        list_init(&route->stages[i]);
        metrics_name_stage(i, NAMES[i]);
    }
}

const char *stage_name(enum stage stage)
{
    assert(stage < STAGE_COUNT);
    return NAMES[stage];
}

void route_leave(struct route *route, struct traveller *traveller)
{
    assert(traveller->is_on_the_way);
    struct list *stage = &route->stages[traveller->stage];
    uint64_t spent_ms = loop_now_ms(route->loop) - traveller->entered_ms;
    list_remove(stage, &traveller->at);
    metric_set(METRIC_TASKS, traveller->stage, (double)stage->count);
    metric_observe(METRIC_STAGE_SECONDS, traveller->stage, (double)spent_ms / 1000);
    traveller->is_on_the_way = false;
}

void route_enter(struct route *route, struct traveller *traveller, enum stage stage)
{
    if (traveller->is_on_the_way)
        route_leave(route, traveller);
    traveller->is_on_the_way = true;
    traveller->stage = stage;
    traveller->entered_ms = loop_now_ms(route->loop);
    list_push_back(&route->stages[stage], &traveller->at);
    metric_set(METRIC_TASKS, stage, (double)route->stages[stage].count);
}
