#include "queue/s3_lane.h"

#include "queue/s3_private.h"
#include "worker/base/metrics.h"

/* So that nobody's small file waits for all parts of another's large ones. */
#define TURN_BYTES ((uint64_t)1024 * 1024)

void s3_lane_init(struct s3 *s3, uint32_t requests_max)
{
    s3->limiter = limiter_new(requests_max, requests_max);
    s3->turns = fair_new(TURN_BYTES, UINT32_MAX);
}

static void show(const struct s3 *s3)
{
    metric_set(METRIC_LANE_LIMIT, LANE_OBJECT, limiter_limit(&s3->limiter));
    metric_set(METRIC_LANE_WAITING, LANE_OBJECT, (double)fair_waiting_count(s3->turns));
}

static void pump(struct s3 *s3)
{
    struct fair_item *turn;
    while (limiter_has_room(&s3->limiter) &&
           (turn = fair_pop(s3->turns, loop_now_ms(s3->loop))) != NULL) {
        struct s3_call *call = container_of(turn, struct s3_call, turn);
        call->permit = limiter_take(&s3->limiter);
        call->has_permit = true;
        s3_call_start(call);
    }
    show(s3);
}

static uint64_t cost_of(const struct s3_call *call)
{
    uint64_t bytes = call->piece ? call->piece->bytes : call->request->size_hint;
    return bytes && call->request->verb != OBJECT_HEAD ? bytes : 1;
}

void s3_lane_join(struct s3_call *call)
{
    const struct tenant *tenant = call->request->tenant;
    call->stage = S3_WAITING;
    call->turn = (struct fair_item){.flow = tenant ? tenant->id : UUID_NIL, .cost = cost_of(call)};
    fair_push(call->s3->turns, &call->turn);
    pump(call->s3);
}

void s3_lane_forget(struct s3_call *call)
{
    fair_remove(call->s3->turns, &call->turn);
    show(call->s3);
}

void s3_lane_leave(struct s3_call *call, enum s3_lane_end how)
{
    struct s3 *s3 = call->s3;
    if (!call->has_permit)
        return;
    call->has_permit = false;
    fair_done(s3->turns, call->turn.flow, call->turn.cost, call->turn.cost);
    if (how == S3_LANE_SERVED)
        limiter_succeed(&s3->limiter);
    else if (how == S3_LANE_PUSHED_BACK)
        limiter_push_back(&s3->limiter, call->permit);
    else
        limiter_give_back(&s3->limiter);
    pump(s3);
}

void s3_lane_release(struct s3 *s3)
{
    fair_free(s3->turns);
}
