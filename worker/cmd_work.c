/*
 * millrace work: a worker, until it is told to stop.
 */
#include <unistd.h>

#include "worker/base/log.h"
#include "worker/base/signals.h"
#include "worker/cmd.h"
#include "worker/ops.h"
#include "worker/running.h"

#define NEEDS \
    (NEED_KAFKA | NEED_OBJECTS | NEED_EMBED | NEED_VECTORS | NEED_DATABASE | APP_NEEDS_EXTRACT)

#define DATABASE_WAIT_MS 60000
#define DATABASE_LOOK_MS 1000

struct work_command {
    struct app app;
    struct running *running;
    struct ops *ops;
    struct error fatal;
    bool is_fatal, is_stopped, is_complete;
};

static void on_stop(void *arg, unsigned count)
{
    struct work_command *command = arg;
    LOG_INFO("signal_received", FIELD_U64("count", count));
    if (command->running)
        running_stop(command->running);
    else
        command->is_stopped = true; /* it had not begun */
}

static void on_fatal(void *arg, const struct error *err)
{
    struct work_command *command = arg;
    LOG_ERROR("worker_failed", FIELD_ERROR(err));
    command->is_fatal = true;
    command->fatal = *err;
    if (command->ops)
        ops_set_fatal(command->ops);
    running_stop(command->running);
}

static void on_stopped(void *arg, bool is_complete)
{
    struct work_command *command = arg;
    command->is_stopped = true;
    command->is_complete = is_complete;
    loop_stop(command->app.loop);
}

static void on_ops_closed(void *arg)
{
    struct work_command *command = arg;
    command->ops = NULL;
}

static void close_ops(struct work_command *command)
{
    if (command->ops)
        ops_close(command->ops, on_ops_closed, command);
    while (command->ops)
        loop_run_once(command->app.loop, 1000);
}

static void wait_a_little(struct work_command *command)
{
    struct loop *loop = command->app.loop;
    uint64_t until_ms = loop_now_ms(loop) + DATABASE_LOOK_MS;
    while (loop_now_ms(loop) < until_ms && !command->is_stopped)
        loop_run_once(loop, DATABASE_LOOK_MS);
}

/* Pods start in any order: a database that is away is waited for. */
static bool wait_for_database(struct work_command *command, struct error *err)
{
    uint64_t deadline_ms = loop_now_ms(command->app.loop) + DATABASE_WAIT_MS;
    while (!app_check_schema(&command->app, err)) {
        bool is_over = loop_now_ms(command->app.loop) >= deadline_ms || command->is_stopped;
        if (error_disposition(err->code) != DISPOSITION_RETRY || is_over)
            return false;
        LOG_WARN("database_awaited", FIELD_ERROR(err));
        wait_a_little(command);
    }
    return !command->is_stopped;
}

static bool start(struct work_command *command, const struct queue_options *options,
                  struct error *err)
{
    if (!wait_for_database(command, err))
        return false;
    command->running = running_start(&command->app, options,
                                     (struct running_events){command, on_fatal, on_stopped}, err);
    if (!command->running)
        return false;
    command->ops = ops_open(&command->app, command->running, err);
    return command->ops != NULL;
}

static int run_until_stopped(struct work_command *command)
{
    char librdkafka[QUEUE_LIBRARY_BYTES];
    queue_library(librdkafka);
    LOG_INFO("worker_started", FIELD_STR("version", MILLRACE_VERSION),
             FIELD_STR("pipeline", command->app.pipeline), FIELD_STR("librdkafka", librdkafka));
    while (!command->is_stopped)
        loop_run(command->app.loop);
    close_ops(command);
    LOG_INFO("worker_stopped", FIELD_BOOL("is_complete", command->is_complete));
    if (!command->is_complete)
        _exit(EXIT_INTERRUPTED); /* what hangs may hang: the leases run out by themselves */
    running_free(command->running);
    return command->is_fatal ? cmd_fail(&command->fatal) : EXIT_DONE;
}

static int run_worker(struct work_command *command, const struct config *config)
{
    struct queue_property properties[CONFIG_LIST_MAX];
    struct queue_options options = app_queue_options(config, properties);
    struct error err;
    struct signals *signals = signals_open(command->app.loop, on_stop, command);
    bool is_started = start(command, &options, &err);
    int code;
    if (!is_started && command->running)
        on_fatal(command, &err);
    if (command->running)
        code = run_until_stopped(command);
    else
        code = command->is_stopped ? EXIT_DONE : cmd_fail(&err);
    signals_close(signals);
    return code;
}

static int run_command(struct invocation *invocation)
{
    struct work_command command = {0};
    struct config config;
    struct error err;
    int code = EXIT_WRONG_USAGE;
    signals_end_early(EXIT_DONE);
    if (!cmd_no_more_options(invocation))
        return EXIT_WRONG_USAGE;
    if (cmd_load_config(invocation, NEEDS, &config)) {
        if (app_open(&command.app, &config, NEEDS, &err)) {
            code = run_worker(&command, &config);
            app_close(&command.app);
        } else {
            code = cmd_fail(&err);
        }
    }
    config_release(&config);
    return code;
}

const struct command work_command = {
    .name = "work",
    .usage = "",
    .summary = "run a worker until it is told to stop (SIGTERM drains)",
    .run = run_command,
};
