/*
 * millrace cancel | pause | resume | retry JOB: what people want of a job.
 *
 * The database decides; a command that is interrupted may be given again.
 */
#include <stdio.h>

#include "store/steer.h"
#include "worker/base/json.h"
#include "worker/base/signals.h"
#include "worker/cmd.h"
#include "worker/cmd_ask.h"
#include "worker/operator.h"
#include "worker/term.h"

#define LOOK_MS 500
#define CANCEL_WAIT_MS 30000 /* a dead worker's lease ends within 15 s */

struct steering {
    struct app app;
    struct config config;
    enum steer_kind kind;
    struct uuid job;
    char id[UUID_TEXT_BYTES], who[OPERATOR_BYTES];
    bool is_json, has_no_wait, is_interrupted;
    struct wait *waiting; /* what a signal ends */
    struct steer first;   /* what the job was before */
    uint64_t document_count, open_count;
};

static const char *const ACTIONS[] = {[STEER_PAUSE] = "pause",
                                      [STEER_RESUME] = "resume",
                                      [STEER_CANCEL] = "cancel",
                                      [STEER_CANCEL_ITEMS] = "cancel",
                                      [STEER_RETRY] = "retry"};

/* ---- asking ---------------------------------------------------------------------------------- */

struct call {
    struct steer steer;
    struct wait wait;
};

static void on_steered(struct steer *steer, const struct error *err)
{
    wait_done(&container_of(steer, struct call, steer)->wait, err);
}

static bool ask(struct steering *steering, struct steer *steer, struct error *err)
{
    struct call call = {.steer = *steer, .wait = wait_on(steering->app.loop)};
    call.steer.job = steering->job;
    call.steer.who = text_from(steering->who);
    call.steer.on_done = on_steered;
    steer_run(steering->app.pg, steering->app.loop, &call.steer);
    bool is_good = wait_for(&call.wait, 0, err); /* the connection has its own limits */
    *steer = call.steer;
    return is_good;
}

/* All of its documents, so many at a time. */
static bool ask_for_all(struct steering *steering, enum steer_kind kind, struct error *err)
{
    struct steer steer = {.kind = kind};
    bool is_first = true;
    do {
        if (!ask(steering, &steer, err))
            return false;
        if (is_first && kind == STEER_RETRY)
            steering->first = steer;
        is_first = false;
        steering->document_count += steer.item_count;
    } while (steer.item_count > 0 && !steering->is_interrupted);
    steering->open_count = steer.open_count;
    return true;
}

static void on_signal(void *arg, unsigned count)
{
    struct steering *steering = arg;
    (void)count;
    steering->is_interrupted = true;
    if (steering->waiting)
        wait_done(steering->waiting, NULL);
}

/* False when a signal came. */
static bool pause_a_moment(struct steering *steering)
{
    struct error err;
    struct wait pause = wait_on(steering->app.loop);
    steering->waiting = &pause;
    bool is_over = wait_for(&pause, LOOK_MS, &err); /* its time is over, or a signal came */
    steering->waiting = NULL;
    return !is_over;
}

/* ---- what cannot be -------------------------------------------------------------------------- */

static bool check_answer(const struct steering *steering, struct error *err)
{
    const struct steer *first = &steering->first;
    const char *action = ACTIONS[steering->kind];
    if (steering->kind != STEER_CANCEL && first->before == STEER_IS_CANCELLED)
        return error_set(err, ERR_ENDED,
                         "the job %s was cancelled and stays so: there is nothing to %s",
                         steering->id, action);
    bool is_again = steering->kind == STEER_CANCEL && first->before == STEER_IS_CANCELLED;
    if (steering->kind != STEER_RETRY && first->had_ended && !is_again)
        return error_set(err, ERR_ENDED, "the job %s has ended: there is nothing to %s",
                         steering->id, action);
    return true;
}

/* ---- the four -------------------------------------------------------------------------------- */

static bool begin(struct steering *steering, struct error *err)
{
    steering->first = (struct steer){.kind = steering->kind};
    if (!ask(steering, &steering->first, err))
        return false;
    steering->open_count = steering->first.open_count;
    return check_answer(steering, err);
}

static bool cancel(struct steering *steering, struct error *err)
{
    if (!begin(steering, err))
        return false;
    uint64_t start_ms = loop_now_ms(steering->app.loop);
    do {
        if (!ask_for_all(steering, STEER_CANCEL_ITEMS, err))
            return false;
    } while (steering->open_count && !steering->has_no_wait &&
             loop_now_ms(steering->app.loop) - start_ms < CANCEL_WAIT_MS &&
             pause_a_moment(steering));
    return true;
}

static bool retry(struct steering *steering, struct error *err)
{
    return ask_for_all(steering, STEER_RETRY, err) && check_answer(steering, err);
}

static bool steer_job(struct steering *steering, struct error *err)
{
    if (steering->kind == STEER_CANCEL)
        return cancel(steering, err);
    if (steering->kind == STEER_RETRY)
        return retry(steering, err);
    return begin(steering, err);
}

/* ---- what was done --------------------------------------------------------------------------- */

static uint64_t stopped_count(const struct steering *steering)
{
    uint64_t before = steering->first.open_count;
    return before > steering->open_count ? before - steering->open_count : 0;
}

static bool has_changed(const struct steering *steering)
{
    return steering->first.was_changed || steering->document_count > 0;
}

static void append_documents(struct buffer *out, uint64_t count)
{
    term_append_count(out, count);
    buffer_append_text(out, count == 1 ? TEXT(" document") : TEXT(" documents"));
}

static void append_pause(struct buffer *out, const struct steering *steering)
{
    const struct steer *first = &steering->first;
    uint64_t waiting = first->open_count - first->running_count;
    buffer_append_text(out, first->was_changed ? TEXT("paused: ") : TEXT("was paused already: "));
    append_documents(out, first->open_count > first->running_count ? waiting : 0);
    buffer_append_text(out, waiting == 1 ? TEXT(" waits") : TEXT(" wait"));
    if (first->running_count) {
        buffer_append_text(out, TEXT(", "));
        term_append_count(out, first->running_count);
        buffer_append_text(out, TEXT(" under way will finish"));
    }
}

static void append_resume(struct buffer *out, const struct steering *steering)
{
    if (!steering->first.was_changed) {
        buffer_append_text(out, TEXT("was not paused: nothing is changed"));
        return;
    }
    buffer_append_text(out, TEXT("resumed: "));
    append_documents(out, steering->open_count);
    buffer_append_text(out, steering->open_count == 1 ? TEXT(" goes on") : TEXT(" go on"));
}

static void append_cancel(struct buffer *out, const struct steering *steering)
{
    const struct steer *first = &steering->first;
    uint64_t ended = first->open_count - steering->open_count;
    buffer_append_text(out,
                       first->was_changed ? TEXT("cancelled: ") : TEXT("was cancelled already: "));
    append_documents(out, first->open_count >= steering->open_count ? ended : 0);
    buffer_append_text(out, TEXT(" stopped"));
    if (steering->open_count) {
        buffer_append_text(out, TEXT(", "));
        append_documents(out, steering->open_count);
        buffer_append_text(out, steering->open_count == 1
                                    ? TEXT(" still waits for a worker to let go of it")
                                    : TEXT(" still wait for a worker to let go of them"));
    }
}

static void append_retry(struct buffer *out, const struct steering *steering)
{
    if (!steering->document_count) {
        buffer_append_text(out, TEXT("has no failed documents: nothing is changed"));
        return;
    }
    buffer_append_text(out, TEXT("retried: "));
    append_documents(out, steering->document_count);
    buffer_append_text(out, steering->first.before == STEER_IS_PAUSED
                                ? TEXT(" tried again once the job is resumed")
                                : TEXT(" tried again, within 15 s"));
}

static void append_sentence(struct buffer *out, const struct steering *steering)
{
    static void (*const SENTENCES[])(struct buffer *, const struct steering *) = {
        [STEER_PAUSE] = append_pause,
        [STEER_RESUME] = append_resume,
        [STEER_CANCEL] = append_cancel,
        [STEER_RETRY] = append_retry,
    };
    buffer_format(out, "job %s ", steering->id);
    SENTENCES[steering->kind](out, steering);
}

static void append_json(struct buffer *out, const struct steering *steering)
{
    struct json_writer writer = json_writer_new(out);
    bool counts_items = steering->kind == STEER_CANCEL || steering->kind == STEER_RETRY;
    json_open_object(&writer, NULL);
    json_write_text(&writer, "kind", TEXT("action"));
    json_write_text(&writer, "action", text_from(ACTIONS[steering->kind]));
    json_write_text(&writer, "job", text_from(steering->id));
    json_write_text(&writer, "who", text_from(steering->who));
    json_write_bool(&writer, "was_changed", has_changed(steering));
    if (steering->kind == STEER_RETRY)
        json_write_u64(&writer, "documents", steering->document_count);
    else if (steering->kind == STEER_CANCEL)
        json_write_u64(&writer, "documents", stopped_count(steering));
    else
        json_write_u64(&writer, "documents",
                       steering->first.was_changed ? steering->open_count : 0);
    if (steering->kind != STEER_RETRY)
        json_write_u64(&writer, "open", steering->open_count);
    if (!counts_items)
        json_write_u64(&writer, "running", steering->first.running_count);
    json_close_object(&writer);
}

static int run_steering(struct steering *steering)
{
    struct error err;
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    struct signals *signals = signals_open(steering->app.loop, on_signal, steering);
    bool is_good = steer_job(steering, &err);
    signals_close(signals);
    if (!is_good)
        return cmd_fail(&err);
    if (steering->is_json)
        append_json(&out, steering);
    else
        append_sentence(&out, steering);
    buffer_append_char(&out, '\n');
    term_write(stdout, buffer_text(&out));
    bool is_unfinished = steering->kind == STEER_CANCEL && steering->open_count;
    return steering->is_interrupted || (is_unfinished && !steering->has_no_wait) ? EXIT_INTERRUPTED
                                                                                 : EXIT_DONE;
}

/* ---- arguments ------------------------------------------------------------------------------- */

static bool read_arguments(struct steering *steering, const struct invocation *invocation,
                           struct error *err)
{
    const char *action = ACTIONS[steering->kind];
    if (invocation->argc != 1)
        return error_set(err, ERR_USAGE, "%s takes one job: millrace %s JOB", action, action);
    if (!uuid_parse(text_from(invocation->argv[0]), &steering->job))
        return error_set(err, ERR_USAGE, "%.80s is no job id: a UUID in lower case is one",
                         invocation->argv[0]);
    uuid_format(steering->job, steering->id);
    return true;
}

static int run_command(struct invocation *invocation, enum steer_kind kind)
{
    struct steering steering = {.kind = kind, .is_json = invocation->is_json};
    struct error err;
    int code = EXIT_WRONG_USAGE;
    operator_name(&invocation->environment, steering.who);
    steering.has_no_wait = kind == STEER_CANCEL && cmd_flag(invocation, "--no-wait");
    bool has_options = cmd_no_more_options(invocation);
    if (has_options && !read_arguments(&steering, invocation, &err))
        code = cmd_fail(&err);
    else if (has_options && cmd_load_config(invocation, NEED_DATABASE, &steering.config))
        code = app_open(&steering.app, &steering.config, NEED_DATABASE, &err)
                   ? run_steering(&steering)
                   : cmd_fail(&err);
    app_close(&steering.app);
    config_release(&steering.config);
    return code;
}

static int run_cancel(struct invocation *invocation)
{
    return run_command(invocation, STEER_CANCEL);
}

static int run_pause(struct invocation *invocation)
{
    return run_command(invocation, STEER_PAUSE);
}

static int run_resume(struct invocation *invocation)
{
    return run_command(invocation, STEER_RESUME);
}

static int run_retry(struct invocation *invocation)
{
    return run_command(invocation, STEER_RETRY);
}

const struct command cancel_command = {
    .name = "cancel",
    .usage = "JOB [--no-wait]",
    .summary = "stop a job for good: what is under way too",
    .options = {{"JOB", "its id; `millrace status` lists them"},
                {"--no-wait", "do not wait (up to 30 s) until its workers have let go"}},
    .note = "Documents that were finished before stay searchable; what there is of the others is "
            "removed. A cancelled job stays so: submit its documents again.",
    .may_use_dev = true,
    .run = run_cancel,
};
const struct command pause_command = {
    .name = "pause",
    .usage = "JOB",
    .summary = "begin no further document of a job; those under way finish",
    .options = {{"JOB", "its id; `millrace status` lists them"}},
    .may_use_dev = true,
    .run = run_pause,
};
const struct command resume_command = {
    .name = "resume",
    .usage = "JOB",
    .summary = "let a paused job go on",
    .options = {{"JOB", "its id; `millrace status` lists them"}},
    .may_use_dev = true,
    .run = run_resume,
};
const struct command retry_command = {
    .name = "retry",
    .usage = "JOB",
    .summary = "try the failed documents of a job again, and only those",
    .options = {{"JOB", "its id; `millrace status JOB` tells why they failed"}},
    .note = "They are documents of the same job as before: its counters go back by as many. What "
            "their embeddings have cost so far stays counted.",
    .may_use_dev = true,
    .run = run_retry,
};
