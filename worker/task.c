/*
 * The story of a task. Which stages there are, in order:
 *
 *     UPLOAD     claim ─▶ seat ─▶ fetch ─▶ stream ─▶ finish ─▶ (sweep, on its own)
 *     REMOVAL    claim ─▶ look ─▶ finish
 *     DISMISSAL           look ─▶ finish        cancelled, inactive, poisoned: what stays in place?
 *
 * Each stage has one start_ and one on_ function. A stage ends in one of four ways: the next row of
 * the table, a conclusion (what FINISH shall write), leaving (RELEASE, to come again later), or the
 * end without a trace (the claim said that there is nothing to do).
 */
#include "worker/task.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "queue/object.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/flow.h"
#include "worker/outcome.h"
#include "worker/retry.h"

#define STARTS_ALONE 3   /* so many lost attempts: alone in its worker (protocol point 6) */
#define STARTS_MAX 5     /* more: poisoned */
#define NOT_YET_MS 60000 /* how long a 404 after a put is not believed (protocol point 1) */
#define PAUSE_PARK_MS 30000
#define QUOTA_PARK_MS 600000
#define BUSY_JITTER_MS 500
#define REST_MS_MAX 30000 /* of what has no row to wait in */

struct step {
    enum stage stage;
    void (*start)(struct task *task);
};

struct task {
    struct traveller traveller;
    struct pipeline *pipeline;
    struct route *route;
    const struct task_events *events;
    struct object *object;
    struct arrival *arrival;
    const struct step *step; /* where it is in its table */
    struct tenant tenant;
    struct lease lease;
    struct ledger_claim claim;
    struct object_request get;
    struct flow *flow;
    struct conclusion conclusion; /* what FINISH shall write */
    struct ledger_finish finish;
    struct ledger_release release;
    struct task_verdict verdict;
    struct seat seat;
    uint64_t claimed_ms;
    bool is_cancelled, is_fetching;
};

static void start_claim(struct task *task);
static void start_seat(struct task *task);
static void start_fetch(struct task *task);
static void start_look(struct task *task);
static void start_stream(struct task *task);
static void start_finish(struct task *task);

static const struct step UPLOAD[] = {
    {STAGE_CLAIM, start_claim},   {STAGE_SEAT, start_seat},     {STAGE_FETCH, start_fetch},
    {STAGE_STREAM, start_stream}, {STAGE_FINISH, start_finish},
};
static const struct step REMOVAL[] = {
    {STAGE_CLAIM, start_claim},
    {STAGE_LOOK, start_look},
    {STAGE_FINISH, start_finish},
};
static const struct step DISMISSAL[] = {
    {STAGE_LOOK, start_look},
    {STAGE_FINISH, start_finish},
};
static const struct step FINISH[] = {{STAGE_FINISH, start_finish}};

/* ---- how a stage ends ---------------------------------------------------------------------------
 */

static void enter(struct task *task, const struct step *step)
{
    task->step = step;
    route_enter(task->route, &task->traveller, step->stage);
    step->start(task);
}

static void go_on(struct task *task)
{
    enter(task, task->step + 1);
}

static void end(struct task *task, enum task_end how)
{
    const struct task_events *events = task->events;
    lease_end(&task->lease);
    if (task->get.body_fd > 0)
        close(task->get.body_fd);
    route_leave(task->route, &task->traveller);
    task->verdict.end = how;
    events->on_ended(events->arg, task, &task->verdict);
    flow_free(task->flow);
    xfree(task);
}

static void end_final(struct task *task, enum event_outcome outcome)
{
    task->verdict.outcome = outcome;
    end(task, TASK_FINAL);
}

static void end_again(struct task *task, uint64_t delay_ms, bool is_failure)
{
    task->verdict.delay_ms = delay_ms;
    task->verdict.is_failure = is_failure;
    end(task, TASK_AGAIN);
}

static void conclude(struct task *task, enum document_effect effect, enum document_outcome outcome)
{
    task->conclusion.effect = effect;
    task->conclusion.outcome = outcome;
    enter(task, FINISH);
}

static void conclude_because(struct task *task, enum document_effect effect,
                             enum document_outcome outcome, const struct error *err)
{
    task->conclusion.has_code = true;
    task->conclusion.err = *err;
    conclude(task, effect, outcome);
}

/* A newest version that fails for good keeps no vectors; but the very bytes that are live stay. */
static enum document_effect effect_of_failure(const struct task *task)
{
    bool is_same = task->claim.has_live && task->get.etag[0] &&
                   strcmp(task->get.etag, task->claim.live_etag) == 0;
    return is_same ? EFFECT_KEEP : EFFECT_DROP;
}

static void leave(struct task *task, const struct error *err, struct retry retry, bool is_failure);

/* What an error means is a column of error.def. */
static void fail(struct task *task, const struct error *err)
{
    metric_add(METRIC_FAILURES, err->code, 1);
    if (error_disposition(err->code) != DISPOSITION_REJECT) {
        bool is_failure = err->code != ERR_SHUTDOWN && !task->is_cancelled;
        struct retry retry =
            retry_after(err, task->object->attempts + 1, loop_rng(task->pipeline->loop));
        leave(task, err, retry, is_failure);
        return;
    }
    bool is_cancel = err->code == ERR_JOB_CANCELLED;
    conclude_because(task, effect_of_failure(task), is_cancel ? OUTCOME_CANCELLED : OUTCOME_FAILED,
                     err);
}

/* ---- leaving: the lease goes back, the item stays open ------------------------------------------
 */

static void on_released(struct ledger_release *release, const struct error *err)
{
    struct task *task = container_of(release, struct task, release);
    if (!err && release->is_exhausted) {
        /* The item was tried for as long as allowed: claim it once more, to finish it. */
        task->arrival->is_overdue = true;
        end_again(task, 0, false);
    } else if (!err && release->was_parked) {
        end_final(task, EVENT_OUTCOME_PARKED);
    } else {
        /* Not released means that the lease runs out by itself. */
        end_again(task, task->verdict.delay_ms, task->verdict.is_failure);
    }
}

static void leave(struct task *task, const struct error *err, struct retry retry, bool is_failure)
{
    bool is_item = !uuid_is_nil(task->claim.item_job);
    if (!is_item && retry.delay_ms > REST_MS_MAX)
        retry.delay_ms = REST_MS_MAX;
    task->verdict.err = *err;
    task->verdict.delay_ms = retry.delay_ms;
    task->verdict.is_failure = is_failure;
    task->release = (struct ledger_release){
        .document = &task->object->document,
        .fence = task->lease.fence,
        .job = task->claim.item_job,
        .is_parked = retry.is_parked && is_item,
        .due_ms = retry.delay_ms,
        .has_code = true,
        .code = err->code,
        .message = text_from(task->verdict.err.message),
        .on_done = on_released,
    };
    char id[UUID_TEXT_BYTES];
    LOG_INFO("task_left", FIELD_STR("document", uuid_format(task->object->document.id, id)),
             FIELD_STR("stage", stage_name(task->traveller.stage)), FIELD_ERROR(err),
             FIELD_U64("delay_ms", retry.delay_ms),
             FIELD_BOOL("is_parked", task->release.is_parked));
    metric_add(METRIC_RETRIES, err->code, 1);
    if (err->code == ERR_LOST) { /* not ours to give back */
        end_again(task, retry.delay_ms, false);
        return;
    }
    route_enter(task->route, &task->traveller, STAGE_RELEASE);
    ledger_release(task->pipeline->ledger, &task->release);
}

static void park(struct task *task, enum error_code code, uint64_t due_ms)
{
    struct error err;
    error_set(&err, code, "%s", error_sentence(code));
    leave(task, &err, (struct retry){true, due_ms}, false);
}

/* ---- claim: lease, fence and start count, before a byte of the document is touched --------------
 */

static void dismiss(struct task *task, enum error_code code, enum document_outcome outcome)
{
    error_set(&task->conclusion.err, code, "%s", error_sentence(code));
    task->conclusion.has_code = true;
    task->conclusion.outcome = outcome;
    enter(task, DISMISSAL);
}

static void on_claim_go(struct task *task)
{
    const struct ledger_claim *claim = &task->claim;
    lease_start(&task->lease, task->claimed_ms);
    bool is_removal = task->arrival->is_removal;
    struct error shutdown;
    error_set(&shutdown, ERR_SHUTDOWN, "%s", error_sentence(ERR_SHUTDOWN));
    if (task->is_cancelled)
        leave(task, &shutdown, (struct retry){0}, false);
    else if (!is_removal && claim->is_stopped)
        dismiss(task, ERR_JOB_CANCELLED, OUTCOME_CANCELLED);
    else if (!is_removal && !claim->is_tenant_active)
        dismiss(task, ERR_INACTIVE, OUTCOME_FAILED);
    else if (claim->starts > STARTS_MAX)
        dismiss(task, ERR_POISONED, OUTCOME_FAILED);
    else if (!is_removal && task->arrival->is_overdue)
        dismiss(task, ERR_GAVE_UP, OUTCOME_FAILED);
    else if (!is_removal && claim->is_paused)
        park(task, ERR_BUSY, PAUSE_PARK_MS);
    else if (!is_removal && claim->is_over_quota)
        park(task, ERR_QUOTA, QUOTA_PARK_MS);
    else
        go_on(task);
}

static void end_dead(struct task *task, enum error_code code)
{
    error_set(&task->verdict.err, code, "%s", error_sentence(code));
    task->verdict.outcome = EVENT_OUTCOME_DUPLICATE;
    end(task, task->arrival->parcel ? TASK_DEAD_LETTER : TASK_FINAL);
}

/* A user who has just signed up may not be there yet: the event waits, up to tenant_wait_ms. */
static void on_no_tenant(struct task *task)
{
    struct pipeline *pipeline = task->pipeline;
    uint64_t wall_ms = loop_wall_ms(pipeline->loop);
    uint64_t since_ms = task->arrival->time_ms;
    if (since_ms == 0 || wall_ms < since_ms)
        since_ms = wall_ms - (loop_now_ms(pipeline->loop) - task->arrival->arrived_ms);
    if (wall_ms - since_ms >= pipeline->limits.tenant_wait_ms) {
        end_dead(task, ERR_NO_TENANT);
        return;
    }
    struct error err;
    error_set(&err, ERR_NO_TENANT, "%s", error_sentence(ERR_NO_TENANT));
    struct retry retry = retry_after(&err, task->object->attempts + 1, loop_rng(pipeline->loop));
    end_again(task, retry.is_parked ? NOT_YET_MS / 2 : retry.delay_ms, true);
}

static void on_claimed(struct ledger_claim *claim, const struct error *err)
{
    struct task *task = container_of(claim, struct task, claim);
    struct rng *rng = loop_rng(task->pipeline->loop);
    bool is_go = !err && claim->verdict == CLAIM_GO;
    task->events->on_claimed(task->events->arg, task, is_go);
    if (err) {
        task->verdict.err = *err;
        end_again(task, retry_after(err, task->object->attempts + 1, rng).delay_ms, true);
        return;
    }
    switch (claim->verdict) {
    case CLAIM_GO:
        on_claim_go(task);
        return;
    case CLAIM_BUSY:
        end_again(task, claim->busy_ms + rng_below(rng, BUSY_JITTER_MS) + 1, false);
        return;
    case CLAIM_DONE:
        end_final(task, EVENT_OUTCOME_DUPLICATE);
        return;
    case CLAIM_NO_TENANT:
        on_no_tenant(task);
        return;
    case CLAIM_NO_ITEM:
        end_dead(task, ERR_NO_ITEM);
        return;
    case CLAIM_TENANT_MISMATCH:
        end_dead(task, ERR_TENANT_MISMATCH);
        return;
    case CLAIM_PARKED:
        end_final(task, EVENT_OUTCOME_PARKED);
        return;
    }
}

static void start_claim(struct task *task)
{
    const struct arrival *arrival = task->arrival;
    task->lease.fence = random_u63();
    task->claimed_ms = loop_now_ms(task->pipeline->loop);
    task->claim = (struct ledger_claim){
        .tenant = &task->tenant,
        .document = &task->object->document,
        .job = arrival->job,
        .is_bare = arrival->is_bare,
        .fence = task->lease.fence,
        .event_time_ms = arrival->time_ms,
        .on_done = on_claimed,
    };
    ledger_claim(task->pipeline->ledger, &task->claim);
}

/* ---- seat: the door -----------------------------------------------------------------------------
 */

static void start_seat(struct task *task)
{
    task->events->on_seat_wanted(task->events->arg, task, task->claim.starts >= STARTS_ALONE);
}

void task_sit(struct task *task)
{
    assert(task->traveller.stage == STAGE_SEAT);
    go_on(task);
}

/* ---- fetch and look: what comes back is the version ---------------------------------------------
 */

/* Every change is followed by its event; a 404 that follows a put may only be a view that lags. */
static bool is_too_young_for_gone(const struct task *task)
{
    uint64_t wall_ms = loop_wall_ms(task->pipeline->loop);
    const struct arrival *arrival = task->arrival;
    return !arrival->is_removal && arrival->time_ms && wall_ms < arrival->time_ms + NOT_YET_MS &&
           !object_has_newer_removal(task->object, arrival);
}

static void on_gone(struct task *task, const struct error *err)
{
    struct error not_yet;
    if (is_too_young_for_gone(task)) {
        error_set(&not_yet, ERR_NOT_YET, "%s", err->message);
        fail(task, &not_yet);
        return;
    }
    task->conclusion.is_removal_applied = task->arrival->is_removal;
    conclude_because(task, EFFECT_GONE, OUTCOME_SKIPPED, err);
}

/* The event knows its eTag, what came is another version, and an older one: a view that lags. */
static bool is_stale(const struct task *task)
{
    const struct arrival *arrival = task->arrival;
    return arrival->etag.bytes && !text_equal(arrival->etag, text_from(task->get.etag)) &&
           task->get.modified_ms && task->get.modified_ms + 1000 < arrival->time_ms &&
           loop_wall_ms(task->pipeline->loop) < arrival->time_ms + NOT_YET_MS;
}

static void conclude_unchanged(struct task *task)
{
    struct error err;
    error_set(&err, ERR_UNCHANGED, "%s", error_sentence(ERR_UNCHANGED));
    conclude_because(task, EFFECT_KEEP, OUTCOME_SKIPPED, &err);
}

static void on_fetched(struct object_request *get, const struct error *err)
{
    struct task *task = container_of(get, struct task, get);
    struct error reason;
    task->is_fetching = false;
    if (err && err->code == ERR_GONE) {
        on_gone(task, err);
    } else if (err) {
        fail(task, err);
    } else if (get->is_unchanged) {
        conclude_unchanged(task);
    } else if (is_stale(task)) {
        error_set(&reason, ERR_NOT_YET, "the object is still an older one than its event");
        fail(task, &reason);
    } else if (get->body_bytes == 0) {
        error_set(&reason, ERR_EMPTY, "%s", error_sentence(ERR_EMPTY));
        fail(task, &reason);
    } else {
        metric_add(METRIC_BYTES, 0, get->body_bytes);
        task->events->on_body(task->events->arg, task, get->body_bytes);
        go_on(task);
    }
}

static void start_fetch(struct task *task)
{
    const struct ledger_claim *claim = &task->claim;
    task->is_fetching = true;
    task->get = (struct object_request){
        .verb = OBJECT_GET,
        .tenant = &task->tenant,
        .bucket = task->object->document.bucket,
        .key = task->object->document.key,
        .if_none_match =
            claim->has_live && claim->is_live_current ? text_from(claim->live_etag) : TEXT_NONE,
        .body_fd = -1,
        .on_done = on_fetched,
    };
    objects_send(task->pipeline->objects, &task->get);
}

static void on_looked(struct object_request *get, const struct error *err)
{
    struct task *task = container_of(get, struct task, get);
    task->is_fetching = false;
    if (err && err->code == ERR_GONE)
        on_gone(task, err);
    else if (err)
        fail(task, err);
    else if (task->arrival->is_removal) /* it is back: its own event brings the new version */
        conclude_unchanged(task);
    else
        conclude(task, effect_of_failure(task), task->conclusion.outcome);
}

static void start_look(struct task *task)
{
    task->is_fetching = true;
    task->get = (struct object_request){
        .verb = OBJECT_HEAD,
        .tenant = &task->tenant,
        .bucket = task->object->document.bucket,
        .key = task->object->document.key,
        .body_fd = -1,
        .on_done = on_looked,
    };
    objects_send(task->pipeline->objects, &task->get);
}

/* ---- stream: flow.c -----------------------------------------------------------------------------
 */

static void on_lease_news(struct lease *lease, enum lease_news news)
{
    struct task *task = container_of(lease, struct task, lease);
    if (task->traveller.stage == STAGE_STREAM)
        flow_on_lease(task->flow, news);
}

static void on_streamed(void *arg, const struct error *err)
{
    struct task *task = arg;
    task->conclusion.is_dirty = flow_result(task->flow)->is_dirty;
    if (err)
        fail(task, err);
    else
        conclude(task, EFFECT_LIVE, OUTCOME_SUCCESS);
}

static void start_stream(struct task *task)
{
    struct flow_input input = {
        .tenant = &task->tenant,
        .document = &task->object->document,
        .lease = &task->lease,
        .body_fd = task->get.body_fd,
        .body_bytes = task->get.body_bytes,
        .has_live = task->claim.has_live && task->claim.is_live_current,
        .live_gen = task->claim.live_gen,
        .arg = task,
        .on_done = on_streamed,
    };
    task->flow = flow_start(task->pipeline, &input);
}

/* ---- finish: outcome, counters, generation, in one transaction ----------------------------------
 */

static void on_finished(struct ledger_finish *finish, const struct error *err)
{
    struct task *task = container_of(finish, struct task, finish);
    struct error again;
    outcome_release(&task->conclusion);
    if (err) {
        fail(task, err);
    } else if (finish->answer == FINISH_LOST) {
        error_set(&again, ERR_LOST, "%s", error_sentence(ERR_LOST));
        fail(task, &again);
    } else if (finish->answer == FINISH_RESTAGE) {
        error_set(&again, ERR_DATABASE, "the staged rows are gone (the database has restarted)");
        fail(task, &again);
    } else {
        enum document_effect effect = task->conclusion.effect;
        task->verdict.leaves_litter =
            effect == EFFECT_LIVE
                ? task->claim.has_live
                : task->lease.reserved > 0 || (effect != EFFECT_KEEP && task->claim.has_live);
        outcome_log(&task->conclusion, &task->object->document, &task->tenant, task->flow);
        end_final(task, task->conclusion.is_removal_applied ? EVENT_OUTCOME_REMOVAL
                        : task->arrival->is_removal         ? EVENT_OUTCOME_DUPLICATE
                                                            : EVENT_OUTCOME_ITEM);
    }
}

static void start_finish(struct task *task)
{
    task->finish = (struct ledger_finish){
        .tenant = &task->tenant,
        .document = &task->object->document,
        .fence = task->lease.fence,
        .job = task->claim.item_job,
        .on_done = on_finished,
    };
    outcome_fill(&task->conclusion, &task->get, task->flow, &task->finish);
    ledger_finish(task->pipeline->ledger, &task->finish);
}

/* ---- public -------------------------------------------------------------------------------------
 */

struct task *task_start(struct pipeline *pipeline, struct route *route, struct object *object,
                        const struct task_events *events)
{
    struct task *task = xcalloc(1, sizeof(*task));
    struct error err;
    task->pipeline = pipeline;
    task->route = route;
    task->events = events;
    task->object = object;
    task->arrival = object->worked;
    task->get.body_fd = -1;
    bool is_ours = tenant_from_key(object->document.key, &task->tenant, &err);
    assert(is_ours); /* intake admitted it */
    task->lease = (struct lease){
        .loop = pipeline->loop,
        .ledger = pipeline->ledger,
        .document = object->document.id,
        .tenant = task->tenant,
        .on_news = on_lease_news,
    };
    enter(task, task->arrival->is_removal ? REMOVAL : UPLOAD);
    return task;
}

void task_pulse(struct task *task)
{
    lease_pulse(&task->lease);
}

void task_cancel(struct task *task)
{
    struct error err;
    error_set(&err, ERR_SHUTDOWN, "%s", error_sentence(ERR_SHUTDOWN));
    task->is_cancelled = true;
    if (task->traveller.stage == STAGE_STREAM)
        flow_cancel(task->flow, &err);
    else if (task->is_fetching)
        objects_cancel(task->pipeline->objects, &task->get);
    else if (task->traveller.stage == STAGE_SEAT)
        leave(task, &err, (struct retry){0}, false);
}

struct arrival *task_arrival(const struct task *task)
{
    return task->arrival;
}

struct seat *task_seat(struct task *task)
{
    return &task->seat;
}

struct task *task_of_traveller(struct traveller *traveller)
{
    return container_of(traveller, struct task, traveller);
}
