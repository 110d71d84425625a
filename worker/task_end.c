#include <string.h>
#include <unistd.h>

#include "store/ledger.h"
#include "worker/base/budget.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"
#include "worker/task_private.h"

struct journal task_journal(const struct task *task)
{
    return (struct journal){&task->object->document, &task->claim, task->arrival->parcel};
}

void task_enter(struct task *task, const struct step *step)
{
    task->step = step;
    route_enter(task->route, &task->traveller, step->stage);
    step->start(task);
}

void task_go_on(struct task *task)
{
    task_enter(task, task->step + 1);
}

void task_end(struct task *task, enum task_end how)
{
    const struct task_events *events = task->events;
    lease_end(&task->lease);
    if (task->get.body_fd > 0)
        close(task->get.body_fd);
    route_leave(task->route, &task->traveller);
    task->verdict.end = how;
    events->on_ended(events->arg, task, &task->verdict);
    flow_free(task->flow);
    if (task->claim.link.data)
        secret_wipe(task->claim.link.data, task->claim.link.allocated_bytes);
    buffer_release(&task->claim.link);
    xfree(task);
}

void task_end_final(struct task *task, enum event_outcome outcome)
{
    task->verdict.outcome = outcome;
    task_end(task, TASK_FINAL);
}

void task_end_again(struct task *task, uint64_t delay_ms, bool is_failure)
{
    task->verdict.delay_ms = delay_ms;
    task->verdict.is_failure = is_failure;
    task_end(task, TASK_AGAIN);
}

void task_conclude(struct task *task, enum document_effect effect, enum document_outcome outcome)
{
    task->conclusion.effect = effect;
    task->conclusion.outcome = outcome;
    task_enter(task, TASK_FINISH);
}

void task_conclude_because(struct task *task, enum document_effect effect,
                           enum document_outcome outcome, const struct error *err)
{
    task->conclusion.has_code = true;
    task->conclusion.err = *err;
    task_conclude(task, effect, outcome);
}

enum document_effect task_effect_of_failure(const struct task *task)
{
    bool is_same = task->claim.has_live && task->get.etag[0] &&
                   strcmp(task->get.etag, task->claim.live_etag) == 0;
    /* A link that has ended says nothing about what lies behind it. */
    bool is_unseen = task->claim.has_live && task->claim.link.bytes && !task->get.etag[0];
    return is_same || is_unseen ? EFFECT_KEEP : EFFECT_DROP;
}

/* Whoever has used up what his tenant, or everybody, may try again waits as long as if it had been
 * his last attempt. */
static uint32_t attempt_of(const struct task *task, bool is_failure)
{
    uint32_t attempt = task->object->attempts + 1;
    struct pipeline *pipeline = task->pipeline;
    bool may_try_soon =
        !is_failure || attempt > RETRY_ATTEMPTS_MAX ||
        budget_pay_both(pipeline->budget, task->tenant.id, loop_now_ms(pipeline->loop));
    return may_try_soon ? attempt : RETRY_ATTEMPTS_MAX + 1;
}

void task_fail(struct task *task, const struct error *err)
{
    enum disposition disposition = error_disposition(err->code);
    metric_add(METRIC_FAILURES, err->code, 1);
    if (disposition != DISPOSITION_REJECT && disposition != DISPOSITION_SKIP) {
        bool is_failure = err->code != ERR_SHUTDOWN && !task->is_cancelled;
        struct retry retry =
            retry_after(err, attempt_of(task, is_failure), loop_rng(task->pipeline->loop));
        task_leave(task, err, retry, is_failure);
        return;
    }
    enum document_outcome outcome = OUTCOME_FAILED;
    if (disposition == DISPOSITION_SKIP)
        outcome = OUTCOME_SKIPPED;
    else if (err->code == ERR_JOB_CANCELLED)
        outcome = OUTCOME_CANCELLED;
    task_conclude_because(task, task_effect_of_failure(task), outcome, err);
}

/* ---- leaving: the lease goes back, the item stays open ---- */

static void on_released(struct ledger_release *release, const struct error *err)
{
    struct task *task = container_of(release, struct task, release);
    if (!err && release->is_exhausted) {
        task_dismiss(task, ERR_GAVE_UP, OUTCOME_FAILED); /* the lease was kept for that */
    } else if (!err && release->was_parked) {
        task_end_final(task, EVENT_OUTCOME_PARKED);
    } else {
        /* Not released means that the lease runs out by itself. */
        task_end_again(task, task->verdict.delay_ms, task->verdict.is_failure);
    }
}

/* What people should hear of: not what is ordinary. */
static bool note_trouble(struct pipeline *pipeline, const struct error *err)
{
    static const enum error_code ORDINARY[] = {ERR_SHUTDOWN, ERR_CANCELLED, ERR_LOST,   ERR_BUSY,
                                               ERR_PAUSED,   ERR_QUOTA,     ERR_NOT_YET};
    for (size_t i = 0; i < COUNT_OF(ORDINARY); i++)
        if (err->code == ORDINARY[i])
            return false;
    pipeline->trouble = *err;
    pipeline->trouble_ms = loop_now_ms(pipeline->loop);
    return true;
}

/* There is no row yet that could tell: the log and the worker's own row do. */
void task_end_unclaimed(struct task *task, const struct error *err)
{
    struct pipeline *pipeline = task->pipeline;
    struct retry retry = retry_after(err, task->object->attempts + 1, loop_rng(pipeline->loop));
    uint64_t delay_ms = retry_rest_ms(retry);
    metric_add(METRIC_FAILURES, err->code, 1);
    metric_add(METRIC_RETRIES, err->code, 1);
    if (note_trouble(pipeline, err))
        LOG_WARN("document_not_claimed", FIELD_UUID("document", task->object->document.id),
                 FIELD_UUID("tenant", task->tenant.id), FIELD_ERROR(err),
                 FIELD_U64("delay_ms", delay_ms));
    task->verdict.err = *err;
    task_end_again(task, delay_ms, true);
}

void task_leave(struct task *task, const struct error *err, struct retry retry, bool is_failure)
{
    /* A removal has no item: what is live, and may have to go, waits for it in its own row. */
    bool has_row =
        !uuid_is_nil(task->claim.item_job) || (task->arrival->is_removal && task->claim.has_live);
    if (!has_row && retry.delay_ms > REST_MS_MAX)
        retry.delay_ms = REST_MS_MAX;
    task->verdict.err = *err;
    task->verdict.delay_ms = retry_rest_ms(retry);
    task->verdict.is_failure = is_failure;
    task->release = (struct ledger_release){
        .document = &task->object->document,
        .fence = task->lease.fence,
        .job = task->claim.item_job,
        .is_parked = retry.is_parked && has_row,
        .due_ms = retry.delay_ms,
        .has_code = true,
        .code = err->code,
        .message = text_from(task->verdict.err.message),
        .on_done = on_released,
    };
    struct journal journal = task_journal(task);
    journal_left(&journal, stage_name(task->traveller.stage), &task->release, err);
    metric_add(METRIC_RETRIES, err->code, 1);
    (void)note_trouble(task->pipeline, err);
    if (err->code == ERR_LOST) { /* not ours to give back */
        task_end_again(task, task->verdict.delay_ms, false);
        return;
    }
    route_enter(task->route, &task->traveller, STAGE_RELEASE);
    ledger_release(task->pipeline->ledger, &task->release);
}
