#include "worker/conductor.h"

#include <assert.h>

#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/control.h"
#include "worker/seats.h"
#include "worker/task.h"

#define AHEAD_PER_TASKS 8 /* of so many tasks one may be of those that go ahead */
#define GO_SHARE_MIN (1.0 / 64)
#define GO_SHARE_WEIGHT (1.0 / 64)
#define RESERVED_BYTES_UNKNOWN ((uint64_t)32 * 1024 * 1024) /* of the janitor's items */
#define DRAIN_LOOK_MS 20
#define CANCEL_MS 3000 /* what a cancelled task has to give its lease back */

struct conductor {
    struct pipeline *pipeline;
    struct route route;
    struct intake *intake;
    struct control *control;
    struct task_events task_events;
    size_t task_count, ahead_count; /* ahead: of tenants that have little in work */
    struct seats seats;
    double go_share; /* of the last claims: how many become work */
    struct timer pulse;
    struct later stepping;
    void (*on_fatal)(void *arg, const struct error *err);
    void *fatal_arg;
    bool is_draining, is_cancelling, has_drained;
    struct timer drain_deadline, drain_look;
    void (*on_drained)(void *arg, bool is_complete);
    void *drained_arg;
};

/* ---- the door -------------------------------------------------------------------------------- */

static void show_bytes(const struct conductor *conductor)
{
    metric_set(METRIC_BYTES_RESERVED, 0, (double)conductor->seats.bytes);
}

/* A tenant over its share waits without a claim for more; one that waits no longer may claim again. */
static void hold_back(struct conductor *conductor, struct task *task)
{
    if (seats_hold_back(&conductor->seats, task_seat(task)))
        intake_hold(task_arrival(task)->object, true);
}

static void let_go(struct conductor *conductor, struct task *task)
{
    if (seats_let_go(&conductor->seats, task_seat(task)))
        intake_hold(task_arrival(task)->object, false);
}

static void seat_those_who_wait(struct conductor *conductor)
{
    LIST_FOR_EACH(&conductor->route.stages[STAGE_SEAT], node) {
        struct task *task = task_of_traveller(container_of(node, struct traveller, at));
        enum seats_answer answer = seats_ask(&conductor->seats, task_seat(task));
        if (answer == SEATS_FULL)
            break; /* nobody overtakes: a large one would never get in */
        if (answer == SEATS_OVER_SHARE) {
            hold_back(conductor, task);
            continue;
        }
        let_go(conductor, task);
        seats_take(&conductor->seats, task_seat(task));
        task_sit(task);
    }
    show_bytes(conductor);
}

/* Claims go out ahead of the seats by what experience says will need none: in a replay nearly all
 * of them answer "done". */
static bool has_seats_left(const struct conductor *conductor)
{
    const struct pipeline_limits *limits = &conductor->pipeline->limits;
    const struct seats *seats = &conductor->seats;
    size_t unseated = conductor->task_count - seats->taken_count;
    size_t waiting = conductor->route.stages[STAGE_SEAT].count;
    double share = conductor->go_share > GO_SHARE_MIN ? conductor->go_share : GO_SHARE_MIN;
    /* Those held back wait for their own tenant's seats; one dismissed meanwhile still counts. */
    size_t held_back = seats->held_back_count < waiting ? seats->held_back_count : waiting;
    double expected = (double)(waiting - held_back) + (double)(unseated - waiting) * share;
    return (double)seats->taken_count + expected < (double)limits->tasks_max;
}

/* What others have claimed in the hope of a seat does not close the door on a tenant that has
 * little in work: the seats keep one for it. */
static bool may_go_ahead(const struct conductor *conductor)
{
    return conductor->ahead_count <= conductor->pipeline->limits.tasks_max / AHEAD_PER_TASKS &&
           intake_goes_ahead(conductor->intake);
}

static bool may_claim(const struct conductor *conductor)
{
    const struct seats *seats = &conductor->seats;
    if (conductor->is_draining || seats->lone ||
        conductor->task_count - seats->taken_count >= CLAIMS_MAX ||
        seats->bytes >= conductor->pipeline->limits.bytes_max)
        return false;
    return has_seats_left(conductor) || may_go_ahead(conductor);
}

static void check_drained(struct conductor *conductor);

static void step(struct later *later)
{
    struct conductor *conductor = container_of(later, struct conductor, stepping);
    seat_those_who_wait(conductor);
    while (may_claim(conductor)) {
        struct object *object = intake_take(conductor->intake);
        if (!object)
            break;
        conductor->task_count++;
        conductor->ahead_count += object->turn.goes_ahead;
        task_start(conductor->pipeline, &conductor->route, object, &conductor->task_events);
    }
    check_drained(conductor);
}

static void step_soon(void *arg)
{
    struct conductor *conductor = arg;
    if (!list_is_member(&conductor->stepping.waiting))
        loop_later(conductor->pipeline->loop, &conductor->stepping, step);
}

/* ---- what tasks say -------------------------------------------------------------------------- */

static void on_claimed(void *arg, struct task *task, bool is_go)
{
    struct conductor *conductor = arg;
    (void)task;
    conductor->go_share += ((is_go ? 1.0 : 0.0) - conductor->go_share) * GO_SHARE_WEIGHT;
    step_soon(conductor);
}

static void on_seat_wanted(void *arg, struct task *task, bool is_alone)
{
    struct seat *seat = task_seat(task);
    uint64_t size_bytes = task_arrival(task)->size_bytes;
    *seat = (struct seat){
        .tenant = task_arrival(task)->object->turn.flow,
        .bytes = size_bytes ? size_bytes : RESERVED_BYTES_UNKNOWN,
        .wants_alone = is_alone,
    };
    step_soon(arg);
}

static void on_body(void *arg, struct task *task, uint64_t body_bytes)
{
    struct conductor *conductor = arg;
    seats_resize(&conductor->seats, task_seat(task), body_bytes);
    show_bytes(conductor);
    step_soon(conductor);
}

static void stand_up(struct conductor *conductor, struct task *task)
{
    let_go(conductor, task);
    if (!task_seat(task)->is_taken)
        return;
    seats_give(&conductor->seats, task_seat(task));
    show_bytes(conductor);
}

static void on_ended(void *arg, struct task *task, const struct task_verdict *verdict)
{
    struct conductor *conductor = arg;
    struct arrival *arrival = task_arrival(task);
    struct object *object = arrival->object;
    stand_up(conductor, task);
    conductor->task_count--;
    conductor->ahead_count -= object->turn.goes_ahead;
    if (verdict->leaves_litter)
        control_sweep(conductor->control, object->document.id);
    switch (verdict->end) {
    case TASK_FINAL:
        intake_final(conductor->intake, arrival, verdict->outcome);
        break;
    case TASK_DEAD_LETTER:
        intake_dead_letter(conductor->intake, arrival, &verdict->err);
        break;
    case TASK_AGAIN:
        intake_again(conductor->intake, object, verdict->delay_ms, verdict->is_failure);
        break;
    }
    step_soon(conductor);
}

/* ---- the pulse ------------------------------------------------------------------------------- */

static void for_each_task(struct conductor *conductor, void (*visit)(struct task *task))
{
    for (unsigned i = 0; i < STAGE_COUNT; i++)
        LIST_FOR_EACH(&conductor->route.stages[i], node)
            visit(task_of_traveller(container_of(node, struct traveller, at)));
}

static void on_pulse(struct timer *timer)
{
    struct conductor *conductor = container_of(timer, struct conductor, pulse);
    for_each_task(conductor, task_pulse);
    timer_start(conductor->pipeline->loop, timer, LEASE_PULSE_MS, on_pulse);
}

/* ---- the end of work ------------------------------------------------------------------------- */

static void end_drain(struct conductor *conductor, bool is_complete)
{
    struct loop *loop = conductor->pipeline->loop;
    if (conductor->has_drained)
        return;
    conductor->has_drained = true;
    timer_stop(loop, &conductor->drain_deadline);
    timer_stop(loop, &conductor->drain_look);
    timer_stop(loop, &conductor->pulse);
    conductor->on_drained(conductor->drained_arg, is_complete);
}

static void check_drained(struct conductor *conductor)
{
    if (!conductor->is_draining || conductor->task_count || !control_is_idle(conductor->control) ||
        intake_burying_count(conductor->intake))
        return;
    end_drain(conductor, true);
}

/* Burials and sweeps end without telling us. */
static void look_whether_drained(struct timer *timer)
{
    struct conductor *conductor = container_of(timer, struct conductor, drain_look);
    timer_start(conductor->pipeline->loop, timer, DRAIN_LOOK_MS, look_whether_drained);
    check_drained(conductor);
}

static void on_cancel_overdue(struct timer *timer)
{
    struct conductor *conductor = container_of(timer, struct conductor, drain_deadline);
    LOG_WARN("drain_incomplete", FIELD_U64("tasks", conductor->task_count));
    end_drain(conductor, false);
}

static void on_drain_overdue(struct timer *timer)
{
    struct conductor *conductor = container_of(timer, struct conductor, drain_deadline);
    LOG_INFO("drain_cancelled_tasks", FIELD_U64("tasks", conductor->task_count));
    conductor->is_cancelling = true;
    for_each_task(conductor, task_cancel);
    control_cancel(conductor->control);
    timer_start(conductor->pipeline->loop, timer, CANCEL_MS, on_cancel_overdue);
    step_soon(conductor);
}

void conductor_drain(struct conductor *conductor, void (*on_drained)(void *arg, bool is_complete),
                     void *arg)
{
    assert(!conductor->is_draining);
    conductor->is_draining = true;
    conductor->on_drained = on_drained;
    conductor->drained_arg = arg;
    LOG_INFO("drain_started", FIELD_U64("tasks", conductor->task_count),
             FIELD_U64("waiting", intake_waiting_count(conductor->intake)));
    control_stop(conductor->control);
    intake_close_door(conductor->intake);
    timer_start(conductor->pipeline->loop, &conductor->drain_deadline,
                conductor->pipeline->limits.drain_ms, on_drain_overdue);
    look_whether_drained(&conductor->drain_look);
}

void conductor_hurry(struct conductor *conductor)
{
    if (conductor->is_draining && !conductor->is_cancelling && !conductor->has_drained)
        on_drain_overdue(&conductor->drain_deadline);
}

/* ---- public ---------------------------------------------------------------------------------- */

static void on_queue_fatal(void *arg, const struct error *err)
{
    struct conductor *conductor = arg;
    conductor->on_fatal(conductor->fatal_arg, err);
}

struct conductor *conductor_new(struct pipeline *pipeline,
                                void (*on_fatal)(void *arg, const struct error *err), void *arg)
{
    struct conductor *conductor = xcalloc(1, sizeof(*conductor));
    conductor->pipeline = pipeline;
    conductor->seats = seats_new(pipeline->limits.tasks_max, pipeline->limits.bytes_max);
    conductor->go_share = 1;
    conductor->on_fatal = on_fatal;
    conductor->fatal_arg = arg;
    route_init(&conductor->route, pipeline->loop);
    conductor->intake = intake_new(pipeline, (struct intake_events){
                                                 .arg = conductor,
                                                 .on_waiting = step_soon,
                                                 .on_fatal = on_queue_fatal,
                                             });
    conductor->control = control_new(pipeline, conductor->intake);
    conductor->task_events = (struct task_events){
        .arg = conductor,
        .on_claimed = on_claimed,
        .on_seat_wanted = on_seat_wanted,
        .on_body = on_body,
        .on_ended = on_ended,
    };
    metric_set(METRIC_TASKS_MAX, 0, pipeline->limits.tasks_max);
    metric_set(METRIC_BYTES_MAX, 0, (double)pipeline->limits.bytes_max);
    return conductor;
}

struct queue_events conductor_queue_events(struct conductor *conductor)
{
    return intake_queue_events(conductor->intake);
}

void conductor_start(struct conductor *conductor)
{
    intake_open_door(conductor->intake);
    control_start(conductor->control);
    timer_start(conductor->pipeline->loop, &conductor->pulse, LEASE_PULSE_MS, on_pulse);
}

void conductor_look_for_due(struct conductor *conductor)
{
    control_look_for_due(conductor->control);
}

struct conductor_figures conductor_figures(const struct conductor *conductor)
{
    return (struct conductor_figures){
        .waiting = intake_waiting_count(conductor->intake),
        .tasks = conductor->task_count,
        .seated = conductor->seats.taken_count,
        .reserved_bytes = conductor->seats.bytes,
    };
}

void conductor_free(struct conductor *conductor)
{
    if (!conductor)
        return;
    assert(conductor->task_count == 0);
    later_cancel(conductor->pipeline->loop, &conductor->stepping);
    control_free(conductor->control);
    intake_free(conductor->intake);
    seats_release(&conductor->seats);
    xfree(conductor);
}
