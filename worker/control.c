#include "worker/control.h"

#include <assert.h>

#include "store/ledger.h"
#include "store/vectors.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"

#define SWEEPS_MAX 8            /* at once */
#define SWEEPS_WAITING_MAX 1024 /* more are left to the janitor */
#define LITTER_MAX 64
#define DUE_MAX 64

struct sweep {
    struct control *control;
    struct ledger_dead dead;
    struct litter litter[LITTER_MAX];
    size_t at; /* the litter under way */
    struct tenant tenant;
    struct document document; /* its id is all there is */
    struct vectors_request deletion;
    struct ledger_swept swept;
    bool is_deleting;      /* deletion is under way */
    struct list_node node; /* of waiting, then of running */
};

struct control {
    struct pipeline *pipeline;
    struct intake *intake;
    struct timer janitor;
    struct list waiting; /* sweeps of single documents */
    struct list running;
    bool is_stopped, has_due_open;
    bool is_litter_open; /* the janitor's own sweep runs */
    struct ledger_due due;
    struct due_item due_items[DUE_MAX];
};

static void next_sweep(struct control *control);

/* ---- one sweep: list the dead generations, delete their vectors, forget them ----------------- */

static void end_sweep(struct sweep *sweep)
{
    struct control *control = sweep->control;
    if (uuid_is_nil(sweep->dead.document))
        control->is_litter_open = false;
    list_remove(&control->running, &sweep->node);
    xfree(sweep);
    next_sweep(control);
}

static void sweep_next_litter(struct sweep *sweep);

static void on_swept(struct ledger_swept *swept, const struct error *err)
{
    struct sweep *sweep = container_of(swept, struct sweep, swept);
    if (err)
        LOG_WARN("litter_not_forgotten", FIELD_ERROR(err));
    sweep->at++;
    sweep_next_litter(sweep);
}

static void on_deleted(struct vectors_request *deletion, const struct error *err)
{
    struct sweep *sweep = container_of(deletion, struct sweep, deletion);
    sweep->is_deleting = false;
    if (err) { /* the row stays: the janitor comes again */
        LOG_WARN("litter_not_deleted", FIELD_ERROR(err));
        sweep->at++;
        sweep_next_litter(sweep);
        return;
    }
    sweep->swept = (struct ledger_swept){
        .litter = sweep->litter[sweep->at],
        .on_done = on_swept,
    };
    ledger_swept(sweep->control->pipeline->ledger, &sweep->swept);
}

static void sweep_next_litter(struct sweep *sweep)
{
    if (sweep->at == sweep->dead.litter_count || sweep->control->is_stopped) {
        end_sweep(sweep);
        return;
    }
    const struct litter *litter = &sweep->litter[sweep->at];
    sweep->tenant = tenant_from_user_id(litter->user_id);
    sweep->document = (struct document){.id = litter->document};
    sweep->deletion = (struct vectors_request){
        .tenant = &sweep->tenant,
        .document = &sweep->document,
        .gen = litter->gen,
        .no_first = 0,
        .no_end = litter->vector_count,
        .on_done = on_deleted,
    };
    sweep->is_deleting = true;
    vectors_delete(sweep->control->pipeline->vectors, &sweep->deletion);
}

static void on_dead(struct ledger_dead *dead, const struct error *err)
{
    struct sweep *sweep = container_of(dead, struct sweep, dead);
    if (err) {
        LOG_WARN("litter_not_listed", FIELD_ERROR(err));
        end_sweep(sweep);
        return;
    }
    if (uuid_is_nil(dead->document))
        metric_set(METRIC_LITTER, 0, (double)dead->litter_count);
    sweep_next_litter(sweep);
}

static void start_sweep(struct sweep *sweep)
{
    list_push_back(&sweep->control->running, &sweep->node);
    sweep->dead.litter = sweep->litter;
    sweep->dead.litter_max = LITTER_MAX;
    sweep->dead.on_done = on_dead;
    ledger_dead(sweep->control->pipeline->ledger, &sweep->dead);
}

static struct sweep *sweep_new(struct control *control, struct uuid document)
{
    struct sweep *sweep = xcalloc(1, sizeof(*sweep));
    sweep->control = control;
    sweep->dead.document = document;
    return sweep;
}

static void next_sweep(struct control *control)
{
    while (!control->is_stopped && control->running.count < SWEEPS_MAX && control->waiting.count) {
        struct list_node *node = list_pop_front(&control->waiting);
        start_sweep(container_of(node, struct sweep, node));
    }
}

static bool has_litter(const struct control *control)
{
    return !(vectors_capabilities(control->pipeline->vectors) & VECTORS_ARE_ROWS);
}

void control_sweep(struct control *control, struct uuid document)
{
    if (control->is_stopped || !has_litter(control) || control->waiting.count >= SWEEPS_WAITING_MAX)
        return;
    struct sweep *sweep = sweep_new(control, document);
    list_push_back(&control->waiting, &sweep->node);
    next_sweep(control);
}

/* ---- the janitor ----------------------------------------------------------------------------- */

static void look_for_due(struct control *control);

static void on_due_items(struct ledger_due *due, const struct error *err)
{
    struct control *control = container_of(due, struct control, due);
    control->has_due_open = false;
    if (err) {
        LOG_WARN("due_items_not_listed", FIELD_ERROR(err));
        return;
    }
    metric_set(METRIC_ITEMS_PARKED, 0, (double)due->parked_count);
    for (size_t i = 0; i < due->item_count; i++)
        (void)intake_add_due(control->intake,
                             &control->due_items[i]); /* else: known here already */
    if (due->item_count == DUE_MAX)
        look_for_due(control);
}

static void look_for_due(struct control *control)
{
    if (control->has_due_open || control->is_stopped || !intake_has_room(control->intake))
        return; /* what is due stays due */
    control->has_due_open = true;
    control->due = (struct ledger_due){
        .items = control->due_items,
        .item_max = DUE_MAX,
        .on_done = on_due_items,
    };
    ledger_due(control->pipeline->ledger, &control->due);
}

void control_look_for_due(struct control *control)
{
    look_for_due(control);
}

static void run_janitor(struct timer *timer)
{
    struct control *control = container_of(timer, struct control, janitor);
    struct loop *loop = control->pipeline->loop;
    look_for_due(control);
    if (has_litter(control) && !control->is_litter_open) {
        control->is_litter_open = true;
        start_sweep(sweep_new(control, UUID_NIL));
    }
    uint64_t jitter_ms = rng_below(loop_rng(loop), JANITOR_MS / 4);
    timer_start(loop, &control->janitor, JANITOR_MS - jitter_ms, run_janitor);
}

struct control *control_new(struct pipeline *pipeline, struct intake *intake)
{
    struct control *control = xcalloc(1, sizeof(*control));
    control->pipeline = pipeline;
    control->intake = intake;
    list_init(&control->waiting);
    list_init(&control->running);
    return control;
}

void control_start(struct control *control)
{
    timer_start(control->pipeline->loop, &control->janitor,
                rng_below(loop_rng(control->pipeline->loop), JANITOR_MS / 4), run_janitor);
}

void control_stop(struct control *control)
{
    control->is_stopped = true;
    timer_stop(control->pipeline->loop, &control->janitor);
    for (struct list_node *node; (node = list_pop_front(&control->waiting));)
        xfree(container_of(node, struct sweep, node));
}

void control_cancel(struct control *control)
{
    assert(control->is_stopped);
    LIST_FOR_EACH(&control->running, node) {
        struct sweep *sweep = container_of(node, struct sweep, node);
        if (sweep->is_deleting)
            vectors_cancel(control->pipeline->vectors, &sweep->deletion);
    }
}

bool control_is_idle(const struct control *control)
{
    return control->running.count == 0 && !control->has_due_open;
}

void control_free(struct control *control)
{
    if (!control)
        return;
    assert(control->is_stopped && control_is_idle(control));
    xfree(control);
}
