/*
 * The story of a task. Which stages there are, in order:
 *
 *     UPLOAD     claim ─▶ seat ─▶ fetch ─▶ stream ─▶ finish ─▶ (sweep, on its own)
 *     REMOVAL    claim ─▶ look ─▶ finish        or, if it is still there: seat, as above
 *     DISMISSAL           look ─▶ finish        cancelled, inactive, poisoned: what stays in place?
 *
 * Each stage has one start_ and one on_ function. A stage ends in one of four ways: the next row of
 * the table, a conclusion (what FINISH shall write), leaving (RELEASE, to come again later), or the
 * end without a trace (the claim said that there is nothing to do).
 */
#include <assert.h>
#include <unistd.h>

#include "worker/base/budget.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"
#include "worker/judge.h"
#include "worker/task_private.h"

#define BUSY_JITTER_MS 500
#define VAIN_LOOKS_MAX 10
#define LONG_AGO_MS 1 /* since 1970 */

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
const struct step TASK_FINISH[] = {{STAGE_FINISH, start_finish}};

/* ---- claim: lease, fence and start count, before a byte of the document is touched ---- */

void task_dismiss(struct task *task, enum error_code code, enum document_outcome outcome)
{
    task->conclusion.has_code = true;
    task->conclusion.outcome = outcome;
    error_of(&task->conclusion.err, code);
    task_enter(task, DISMISSAL);
}

static void on_claim_go(struct task *task)
{
    struct judgement judgement = judge_claim(&task->claim, task->arrival);
    struct error err;
    struct journal journal = task_journal(task);
    lease_start(&task->lease, task->claimed_ms);
    journal_started(&journal);
    if (task->is_cancelled) {
        task_leave(task, error_of(&err, ERR_SHUTDOWN), (struct retry){0}, false);
        return;
    }
    switch (judgement.kind) {
    case JUDGED_GO_ON:
        task_go_on(task);
        return;
    case JUDGED_DISMISS:
        task_dismiss(task, judgement.code, judgement.outcome);
        return;
    case JUDGED_PARK:
        task_leave(task, error_of(&err, judgement.code), (struct retry){true, judgement.park_ms},
                   false);
        return;
    }
}

static void end_dead(struct task *task, enum error_code code)
{
    error_of(&task->verdict.err, code);
    task->verdict.outcome = EVENT_OUTCOME_DUPLICATE;
    task_end(task, task->arrival->parcel ? TASK_DEAD_LETTER : TASK_FINAL);
}

/* A user who has just signed up may not be there yet. */
static void on_no_tenant(struct task *task)
{
    struct pipeline *pipeline = task->pipeline;
    struct error err;
    if (!judge_may_sign_up_yet(task->arrival, loop_wall_ms(pipeline->loop),
                               loop_now_ms(pipeline->loop), pipeline->limits.tenant_wait_ms)) {
        end_dead(task, ERR_NO_TENANT);
        return;
    }
    struct retry retry = retry_after(error_of(&err, ERR_NO_TENANT), task->object->attempts + 1,
                                     loop_rng(pipeline->loop));
    task_end_again(task, retry_rest_ms(retry), true);
}

static void on_claimed(struct ledger_claim *claim, const struct error *err)
{
    struct task *task = container_of(claim, struct task, claim);
    struct rng *rng = loop_rng(task->pipeline->loop);
    bool is_go = !err && claim->verdict == CLAIM_GO;
    task->events->on_claimed(task->events->arg, task, is_go);
    if (err) {
        task_end_unclaimed(task, err);
        return;
    }
    intake_weigh(task->object, claim->weight_permille, claim->in_flight_max);
    switch (claim->verdict) {
    case CLAIM_GO:
        on_claim_go(task);
        return;
    case CLAIM_BUSY:
        task_end_again(task, claim->busy_ms + rng_below(rng, BUSY_JITTER_MS) + 1, false);
        return;
    case CLAIM_DONE:
        task_end_final(task, EVENT_OUTCOME_DUPLICATE);
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
        task_end_final(task, EVENT_OUTCOME_PARKED);
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
        .may_uncover = arrival->may_uncover,
        .fence = task->lease.fence,
        .goes_ahead = task->object->turn.goes_ahead,
        .event_etag = arrival->etag,
        .event_time_ms = arrival->time_ms,
        .on_done = on_claimed,
    };
    ledger_claim(task->pipeline->ledger, &task->claim);
}

/* ---- seat: the door ---- */

static void start_seat(struct task *task)
{
    task->events->on_seat_wanted(task->events->arg, task, judge_is_suspect(&task->claim));
}

void task_sit(struct task *task)
{
    assert(task->traveller.stage == STAGE_SEAT);
    task_go_on(task);
}

/* ---- fetch and look: what comes back is the version ---- */

static void on_gone(struct task *task, const struct error *err)
{
    task->conclusion.is_removal_applied = task->arrival->is_removal;
    task_conclude_because(task, EFFECT_GONE, OUTCOME_SKIPPED, err);
}

/* A 304 speaks of the live version, and need not say how old it is. */
static bool is_lagging(const struct task *task, const struct error *err)
{
    const struct object_request *get = &task->get;
    const char *etag = get->is_unchanged ? task->claim.live_etag : get->etag;
    uint64_t modified_ms = get->is_unchanged && !get->modified_ms ? LONG_AGO_MS : get->modified_ms;
    if (err)
        return err->code == ERR_GONE && judge_lags(&task->claim, task->arrival, TEXT_NONE, 0);
    return judge_lags(&task->claim, task->arrival, text_from(etag), modified_ms);
}

static void conclude_unchanged(struct task *task)
{
    struct error err;
    task_conclude_because(task, EFFECT_KEEP, OUTCOME_SKIPPED, error_of(&err, ERR_UNCHANGED));
}

/* Its job was cancelled, or its user deactivated, before a byte of it was read. */
static void stop_early(struct task *task)
{
    if (task->stop_code == ERR_JOB_CANCELLED)
        task_dismiss(task, ERR_JOB_CANCELLED, OUTCOME_CANCELLED);
    else
        task_dismiss(task, ERR_INACTIVE, OUTCOME_FAILED);
}

static void on_fetched(struct object_request *get, const struct error *err)
{
    struct task *task = container_of(get, struct task, get);
    struct error reason;
    task->is_fetching = false;
    if (task->is_stopped && !task->is_cancelled) {
        stop_early(task);
    } else if (is_lagging(task, err)) {
        task_fail(task, error_of(&reason, ERR_NOT_YET));
    } else if (err && err->code == ERR_GONE) {
        on_gone(task, err);
    } else if (err && err->code == ERR_ARCHIVED) { /* a look tells whether it is what is live */
        task_dismiss(task, ERR_ARCHIVED, OUTCOME_FAILED);
    } else if (err) {
        task_fail(task, err);
    } else if (get->is_unchanged) {
        conclude_unchanged(task);
    } else if (get->body_bytes == 0) {
        task_fail(task, error_of(&reason, ERR_EMPTY));
    } else if (task->lease.until_ms == 0) { /* lost while the bytes came */
        task_fail(task, error_of(&reason, ERR_LOST));
    } else {
        metric_add(METRIC_BYTES, 0, get->body_bytes);
        task->events->on_body(task->events->arg, task, get->body_bytes);
        task_go_on(task);
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
        .size_hint = task->arrival->size_bytes,
        .link = buffer_text(&claim->link),
        .body_fd = -1,
        .on_done = on_fetched,
    };
    objects_send(task->pipeline->objects, &task->get);
}

/* Of a document without vectors: it failed, or was cancelled, and that holds for these bytes. */
static bool is_decided(const struct task *task)
{
    return !task->claim.has_live && task->get.etag[0] &&
           text_equal(text_from(task->get.etag), text_from(task->claim.live_etag));
}

/* An object that is there after its removal: put again, and what became of that is in the row; or
 * the deletion of a version has uncovered an older one, which no event of its own will tell. */
static void on_still_there(struct task *task)
{
    struct error err;
    bool is_live = task_effect_of_failure(task) == EFFECT_KEEP,
         is_told = !task->claim.has_live && (!task->claim.may_uncover || is_decided(task));
    if (is_live || is_told || object_has_newer_put(task->object, task->arrival))
        conclude_unchanged(task);
    else if (!task->claim.is_tenant_active)
        task_fail(task, error_of(&err, ERR_INACTIVE));
    else
        task_enter(task, &UPLOAD[1]);
}

static void on_looked(struct object_request *get, const struct error *err)
{
    struct task *task = container_of(get, struct task, get);
    struct error not_yet;
    task->is_fetching = false;
    bool is_old = is_lagging(task, err), is_gone = err && err->code == ERR_GONE;
    bool is_last_try =
        (task->arrival->is_overdue || task->release.is_exhausted) && !task->is_cancelled;
    /* Without vectors a removal has nothing to lose, and without an item nowhere to wait. */
    bool is_in_vain = task->arrival->is_removal && !task->claim.has_live &&
                      task->object->attempts >= VAIN_LOOKS_MAX;
    if (is_old && !is_last_try)
        task_fail(task, error_of(&not_yet, ERR_NOT_YET));
    else if (is_gone && !is_old)
        on_gone(task, err);
    else if (err && err->code == ERR_DENIED && is_in_vain)
        conclude_unchanged(task);
    else if (err && !is_last_try)
        task_fail(task, err);
    else if (!err && task->arrival->is_removal)
        on_still_there(task);
    else /* without a look, too: what is live cannot be known to be the newest then, and goes */
        task_conclude(task, is_old ? EFFECT_DROP : task_effect_of_failure(task),
                      task->conclusion.outcome);
}

static void start_look(struct task *task)
{
    if (task->get.body_fd > 0) /* the work was given up in the midst of it */
        close(task->get.body_fd);
    task->is_fetching = true;
    task->get = (struct object_request){
        .verb = OBJECT_HEAD,
        .tenant = &task->tenant,
        .bucket = task->object->document.bucket,
        .key = task->object->document.key,
        .link = buffer_text(&task->claim.link),
        .body_fd = -1,
        .on_done = on_looked,
    };
    objects_send(task->pipeline->objects, &task->get);
}

/* ---- stream: flow.c ---- */

static void on_lease_news(struct lease *lease, enum lease_news news)
{
    struct task *task = container_of(lease, struct task, lease);
    bool is_stop = news == LEASE_STOPPED || news == LEASE_INACTIVE;
    if (task->traveller.stage == STAGE_STREAM) {
        flow_on_lease(task->flow, news);
    } else if (is_stop && !task->is_stopped && !task->arrival->is_removal) {
        bool is_waiting = task->traveller.stage == STAGE_SEAT;
        if (!is_waiting && task->traveller.stage != STAGE_FETCH)
            return;
        task->is_stopped = true;
        task->stop_code = news == LEASE_STOPPED ? ERR_JOB_CANCELLED : ERR_INACTIVE;
        if (is_waiting)
            stop_early(task);
        else
            objects_cancel(task->pipeline->objects, &task->get);
    }
}

static void on_streamed(void *arg, const struct error *err)
{
    struct task *task = arg;
    task->conclusion.is_dirty = flow_result(task->flow)->is_dirty;
    if (err)
        task_fail(task, err);
    else
        task_conclude(task, EFFECT_LIVE, OUTCOME_SUCCESS);
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

/* ---- finish: outcome, counters, generation, in one transaction ---- */

static void on_finished(struct ledger_finish *finish, const struct error *err)
{
    struct task *task = container_of(finish, struct task, finish);
    struct error again;
    outcome_release(&task->conclusion);
    if (err) {
        task_fail(task, err);
    } else if (finish->answer == FINISH_LOST) {
        task_fail(task, error_of(&again, ERR_LOST));
    } else if (finish->answer == FINISH_RESTAGE) {
        error_set(&again, ERR_DATABASE, "the staged rows are gone (the database has restarted)");
        task_fail(task, &again);
    } else {
        enum document_effect effect = task->conclusion.effect;
        task->verdict.leaves_litter =
            effect == EFFECT_LIVE
                ? task->claim.has_live
                : task->lease.reserved > 0 || (effect != EFFECT_KEEP && task->claim.has_live);
        budget_refill(task->pipeline->budget, task->tenant.id);
        metric_add(METRIC_DOCUMENTS, task->conclusion.outcome, 1);
        struct journal journal = task_journal(task);
        journal_finished(&journal, &task->conclusion, task->flow,
                         loop_now_ms(task->pipeline->loop) - task->claimed_ms);
        task_end_final(task, task->conclusion.is_removal_applied ? EVENT_OUTCOME_REMOVAL
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
        .goes_ahead = task->object->turn.goes_ahead,
        .on_done = on_finished,
    };
    outcome_fill(&task->conclusion, &task->get, task->flow, &task->finish);
    ledger_finish(task->pipeline->ledger, &task->finish);
}

/* ---- public ---- */

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
        .goes_ahead = object->turn.goes_ahead,
        .on_news = on_lease_news,
    };
    task_enter(task, task->arrival->is_removal ? REMOVAL : UPLOAD);
    return task;
}

void task_pulse(struct task *task)
{
    lease_pulse(&task->lease);
}

void task_cancel(struct task *task)
{
    struct error err;
    error_of(&err, ERR_SHUTDOWN);
    task->is_cancelled = true;
    if (task->traveller.stage == STAGE_STREAM)
        flow_cancel(task->flow, &err);
    else if (task->is_fetching)
        objects_cancel(task->pipeline->objects, &task->get);
    else if (task->traveller.stage == STAGE_SEAT)
        task_leave(task, &err, (struct retry){0}, false);
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
