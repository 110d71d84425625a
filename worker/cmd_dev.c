/*
 * millrace dev DIR: everything on this machine. The same worker as `work`; only its configuration
 * differs: PostgreSQL in a state folder, the in-process broker, file://, the local embedder.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "queue/kafka_broker.h"
#include "worker/base/child.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/base/signals.h"
#include "worker/cmd.h"
#include "worker/dev_cluster.h"
#include "worker/dev_feed.h"
#include "worker/dev_view.h"
#include "worker/ops.h"
#include "worker/running.h"

#define NEEDS \
    (NEED_KAFKA | NEED_OBJECTS | NEED_EMBED | NEED_VECTORS | NEED_DATABASE | APP_NEEDS_EXTRACT)
#define PUMP_MS 20
#define THEN_STOP_MS 2000
#define LOCAL_DIMENSIONS "1024" /* of the local embedder: words rarely share a place */
/* Of the broker's 100,000 per partition: it drops silently past that. */
#define WAITING_MAX "20000"

struct dev {
    struct invocation *invocation;
    struct environment environment; /* what remains of the shell's, and ours */
    struct dev_state state;
    struct dev_cluster cluster;
    struct kafka_broker *broker;
    struct config config;
    struct app app;
    struct queue_property properties[CONFIG_LIST_MAX];
    struct queue_options queue;
    struct running *running;
    struct dev_feed *feed;
    struct dev_view *view;
    struct ops *ops;
    struct timer pump;
    const char *dimensions; /* of the local embedder; NULL: LOCAL_DIMENSIONS */
    const char *then;       /* a shell command to run after the first scan; NULL: none */
    pid_t then_pid;
    int then_code;
    struct timer then_look;
    struct error failure;
    bool is_once, has_failed, is_stopping, is_stopped, is_complete, is_interrupted;
};

/* ---- configuration: nothing of the shell's can join a production group or spend money -------- */

static const struct {
    const char *word;        /* of --use */
    const char *prefixes[3]; /* variables that are ignored without it */
} USES[] = {
    {"kafka", {"KAFKA_"}},
    {"postgres", {"DATABASE_", "PG", "DB_"}},
    {"embeddings", {"OPENAI_", "EMBEDDING_", "MILLRACE_EMBED"}},
    {"store", {"PINECONE_", "VECTOR_STORE"}},
};
static const char *const NEVER[] = {"S3_", "AWS_", "MILLRACE_FILE_SHARED_PREFIX"};

static bool is_used(struct text uses, const char *word)
{
    while (uses.bytes)
        if (text_equal(text_trim(text_cut(uses, ',', &uses)), text_from(word)))
            return true;
    return false;
}

static bool is_ignored(const char *name, struct text uses)
{
    for (size_t i = 0; i < COUNT_OF(NEVER); i++)
        if (text_starts_with(text_from(name), text_from(NEVER[i])))
            return true;
    for (size_t i = 0; i < COUNT_OF(USES); i++)
        for (size_t p = 0; p < COUNT_OF(USES[i].prefixes) && USES[i].prefixes[p]; p++)
            if (text_starts_with(text_from(name), text_from(USES[i].prefixes[p])) &&
                !is_used(uses, USES[i].word))
                return true;
    return false;
}

static bool check_uses(struct text uses, struct error *err)
{
    while (uses.bytes) {
        struct text word = text_trim(text_cut(uses, ',', &uses));
        bool is_known = false;
        for (size_t i = 0; i < COUNT_OF(USES); i++)
            is_known |= text_equal(word, text_from(USES[i].word));
        if (!is_known)
            return error_set(err, ERR_USAGE,
                             "--use knows kafka, postgres, embeddings and store, not %.*s",
                             TEXT_ARGS(word));
    }
    return true;
}

static void set(struct dev *dev, const char *name, const char *value)
{
    environment_set(&dev->environment, text_from(name), text_from(value));
}

static void set_default(struct dev *dev, const char *name, const char *value)
{
    if (!environment_get(&dev->environment, name))
        set(dev, name, value);
}

static void copy_environment(struct dev *dev, struct text uses)
{
    const struct environment *shell = &dev->invocation->environment;
    for (size_t i = 0; i < shell->count; i++)
        if (!is_ignored(shell->variables[i].name, uses))
            set(dev, shell->variables[i].name, shell->variables[i].value);
}

static bool start_servers(struct dev *dev, struct text uses, struct error *err)
{
    if (!is_used(uses, "postgres")) {
        if (!dev_cluster_start(&dev->cluster, &dev->state, err))
            return false;
        set(dev, "DATABASE_URL", dev->cluster.conninfo);
    }
    if (is_used(uses, "kafka"))
        return true;
    dev->broker = kafka_broker_open(TEXT(DEV_TOPIC), BROKER_PARTITIONS, err);
    if (!dev->broker)
        return false;
    set(dev, "KAFKA_BROKERS", kafka_broker_address(dev->broker).start);
    set(dev, "KAFKA_TOPIC", DEV_TOPIC);
    return true;
}

static bool configure(struct dev *dev, struct text uses, struct error *err)
{
    char endpoint[STATE_PATH_BYTES + 8];
    copy_environment(dev, uses);
    if (!check_uses(uses, err) || !start_servers(dev, uses, err))
        return false;
    (void)text_format(endpoint, sizeof(endpoint), "file://%s", dev->state.directory);
    set(dev, "S3_ENDPOINT", endpoint);
    set(dev, "S3_BUCKET", DEV_BUCKET);
    set(dev, "MILLRACE_FILE_SHARED_PREFIX", DEV_SHARED_PREFIX);
    set_default(dev, "MILLRACE_WAITING", WAITING_MAX);
    set_default(dev, "MILLRACE_LOG", "warn");
    set_default(dev, "MILLRACE_LOG_FORMAT", "text");
    if (!is_used(uses, "embeddings")) {
        set(dev, "MILLRACE_EMBEDDER", "local");
        set(dev, "EMBEDDING_DIMENSIONS", dev->dimensions ? dev->dimensions : LOCAL_DIMENSIONS);
    }
    if (!is_used(uses, "store"))
        set(dev, "VECTOR_STORE", "postgres");
    AUTO_BUFFER struct buffer problems = buffer_new(64 * 1024);
    if (!config_load(&dev->environment, NEEDS & ~APP_NEEDS_EXTRACT, &dev->config, &problems))
        return error_set(err, ERR_CONFIG, "%s", buffer_string(&problems));
    return true;
}

/* For `millrace search`, `status` ... in another terminal. */
static bool write_env(struct dev *dev, struct error *err)
{
    static const char *const names[] = {"DATABASE_URL",
                                        "S3_ENDPOINT",
                                        "S3_BUCKET",
                                        "MILLRACE_FILE_SHARED_PREFIX",
                                        "MILLRACE_EMBEDDER",
                                        "EMBEDDING_DIMENSIONS",
                                        "OPENAI_EMBEDDING_MODEL",
                                        "OPENAI_BASE_URL",
                                        "VECTOR_STORE",
                                        "KAFKA_BROKERS",
                                        "KAFKA_TOPIC"};
    AUTO_BUFFER struct buffer content = buffer_new(64 * 1024);
    buffer_format(&content, "# a running `millrace dev %s`\n", dev->state.directory);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value = environment_get(&dev->environment, names[i]);
        if (value)
            buffer_format(&content, "%s=\"%s\"\n", names[i], value);
    }
    return dev_state_write_env(&dev->state, buffer_text(&content), err);
}

static void say_where(const struct dev *dev, struct text uses)
{
    const struct config *config = &dev->config;
    fprintf(stderr, "millrace dev: watching %s (it is never written to)\n", dev->state.directory);
    if (uses.bytes == 0) {
        fprintf(stderr,
                "Nothing leaves this machine: PostgreSQL, the broker and the embedder run "
                "here; state is in %s\n",
                dev->state.folder);
    } else {
        fprintf(stderr, "In use: broker %s, embeddings %s, vectors in %s\n",
                config->kafka_brokers.start,
                config->embedder == CONFIG_LOCAL ? "on this machine"
                                                 : config->openai_base_url.start,
                config->vector_store == CONFIG_PINECONE ? "Pinecone" : "PostgreSQL");
    }
}

/* ---- running --------------------------------------------------------------------------------- */

static void stop(struct dev *dev)
{
    if (!dev->is_stopping && dev->running) {
        dev->is_stopping = true;
        running_stop(dev->running);
    } else if (!dev->running) {
        dev->is_stopped = true;
        loop_stop(dev->app.loop);
    }
}

static void on_failed(void *arg, const struct error *err)
{
    struct dev *dev = arg;
    if (!dev->has_failed)
        dev->failure = *err;
    dev->has_failed = true;
    stop(dev);
}

static void on_signal(void *arg, unsigned count)
{
    struct dev *dev = arg;
    dev->is_interrupted = true;
    if (count > 1 && dev->running)
        running_stop(dev->running); /* again: hurries */
    else
        stop(dev);
}

static void on_stopped(void *arg, bool is_complete)
{
    struct dev *dev = arg;
    dev->is_stopped = true;
    dev->is_complete = is_complete;
    loop_stop(dev->app.loop);
}

static void on_scanned(void *arg, size_t file_count, size_t job_count)
{
    struct dev *dev = arg;
    dev_view_start(dev->view, dev->feed, file_count, job_count);
}

static void look_at_then(struct timer *timer)
{
    struct dev *dev = container_of(timer, struct dev, then_look);
    if (!child_has_ended(dev->then_pid, &dev->then_code)) {
        timer_start(dev->app.loop, timer, PUMP_MS, look_at_then);
        return;
    }
    dev->then_pid = 0;
    stop(dev);
}

/* The command finds the settings of this run in the file that $DEV_ENV_FILE names. */
static bool start_then(struct dev *dev, struct error *err)
{
    char path[STATE_PATH_BYTES], variable[STATE_PATH_BYTES + 16];
    if (!dev_state_path(&dev->state, "env", path, err))
        return false;
    (void)text_format(variable, sizeof(variable), "DEV_ENV_FILE=%s", path);
    const char *const argv[] = {"/usr/bin/env", variable, "/bin/sh", "-c", dev->then, NULL};
    struct child_options options = {.argv = argv, .keeps_output = true, .death_signal = SIGTERM};
    if (!child_start(&options, &dev->then_pid, err))
        return false;
    look_at_then(&dev->then_look);
    return true;
}

static void on_scan_finished(void *arg)
{
    struct dev *dev = arg;
    struct error err;
    if (dev->then && !start_then(dev, &err))
        on_failed(dev, &err);
    else if (dev->is_once && !dev->then)
        stop(dev);
    else if (!dev->then)
        fputs("Watching; Ctrl-C ends.\n", stderr);
}

static void on_pump(struct timer *timer)
{
    struct dev *dev = container_of(timer, struct dev, pump);
    dev_feed_pump(dev->feed, running_queue_figures(dev->running).lag);
    timer_start(dev->app.loop, timer, PUMP_MS, on_pump);
}

static bool start_parts(struct dev *dev, struct error *err)
{
    dev->queue = app_queue_options(&dev->config, dev->properties);
    dev->queue.is_in_process_broker = dev->broker != NULL;
    dev->running = running_start(&dev->app, &dev->queue,
                                 (struct running_events){dev, on_failed, on_stopped}, err);
    if (!dev->running)
        return false;
    dev->ops = ops_open(&dev->app, dev->running, err);
    dev->view = dev_view_new(&dev->app, dev->invocation->is_json, on_scan_finished, dev);
    dev->feed = !dev->ops
                    ? NULL
                    : dev_feed_open(&dev->app, &dev->queue, text_from(dev->state.directory),
                                    (struct dev_feed_events){dev, on_scanned, on_failed}, err);
    return dev->feed != NULL;
}

static void count_down(void *arg)
{
    --*(unsigned *)arg;
}

static void close_parts(struct dev *dev)
{
    unsigned open_count = (dev->feed ? 1u : 0u) + (dev->ops ? 1u : 0u);
    timer_stop(dev->app.loop, &dev->pump);
    timer_stop(dev->app.loop, &dev->then_look);
    if (dev->then_pid)
        child_stop(dev->then_pid, SIGTERM, THEN_STOP_MS);
    dev_view_free(dev->view);
    if (dev->feed)
        dev_feed_close(dev->feed, count_down, &open_count);
    if (dev->ops)
        ops_close(dev->ops, count_down, &open_count);
    while (open_count)
        loop_run_once(dev->app.loop, 1000);
}

static void run_loop(struct dev *dev)
{
    while (!dev->is_stopped)
        loop_run(dev->app.loop);
}

/* What hangs may hang: the leases run out by themselves. Only what would outlive us is stopped. */
static _Noreturn void abandon(struct dev *dev)
{
    if (dev->then_pid)
        child_stop(dev->then_pid, SIGTERM, THEN_STOP_MS);
    if (dev->has_failed)
        (void)cmd_fail(&dev->failure);
    fputs("millrace dev: not everything ended in order; the next start goes on with it\n", stderr);
    dev_cluster_stop(&dev->cluster);
    dev_state_close(&dev->state);
    _exit(EXIT_INTERRUPTED);
}

static int run_dev(struct dev *dev)
{
    struct error err;
    struct signals *signals = signals_open(dev->app.loop, on_signal, dev);
    if (!start_parts(dev, &err)) {
        on_failed(dev, &err);
    } else {
        fprintf(stderr, "Status page: http://127.0.0.1:%u/\n", ops_port(dev->ops));
        timer_start(dev->app.loop, &dev->pump, PUMP_MS, on_pump);
    }
    run_loop(dev);
    if (dev->running && !dev->is_complete)
        abandon(dev);
    bool has_failures = dev->view && dev_view_has_failures(dev->view);
    close_parts(dev);
    signals_close(signals);
    running_free(dev->running);
    if (dev->has_failed)
        return cmd_fail(&dev->failure);
    if ((dev->is_once || dev->then) && dev->is_interrupted)
        return EXIT_INTERRUPTED;
    if (dev->then)
        return dev->then_code;
    return dev->is_once && has_failures ? EXIT_SOME_FAILED : EXIT_DONE;
}

static bool prepare(struct dev *dev, const char *directory, bool is_fresh, struct text uses,
                    struct error *err)
{
    struct app_migration migration;
    return dev_state_open(&dev->state, directory, is_fresh, &dev->invocation->environment, err) &&
           configure(dev, uses, err) && app_open(&dev->app, &dev->config, NEEDS, err) &&
           app_migrate(&dev->app, &migration, err) && write_env(dev, err);
}

static int dev_in(struct dev *dev, const char *directory, bool is_fresh, struct text uses)
{
    struct error err;
    int code;
    if (prepare(dev, directory, is_fresh, uses, &err)) {
        say_where(dev, uses);
        code = run_dev(dev);
    } else {
        code = cmd_fail(&err);
    }
    app_close(&dev->app);
    config_release(&dev->config);
    kafka_broker_close(dev->broker);
    dev_cluster_stop(&dev->cluster);
    dev_state_close(&dev->state);
    environment_release(&dev->environment);
    return code;
}

static int run_command(struct invocation *invocation)
{
    struct dev *dev = xcalloc(1, sizeof(*dev));
    dev->invocation = invocation;
    dev->state.lock_fd = -1;
    dev->is_once = cmd_flag(invocation, "--once");
    bool is_fresh = cmd_flag(invocation, "--fresh");
    dev->then = cmd_option(invocation, "--then");
    dev->dimensions = cmd_option(invocation, "--dimensions");
    struct text uses = text_from(cmd_option(invocation, "--use"));
    int code = EXIT_WRONG_USAGE;
    if (!cmd_no_more_options(invocation))
        code = EXIT_WRONG_USAGE;
    else if (invocation->argc != 1)
        fputs("millrace: dev needs one folder: millrace dev DIR\n", stderr);
    else
        code = dev_in(dev, invocation->argv[0], is_fresh, uses);
    xfree(dev);
    return code;
}

const struct command dev_command = {
    .name = "dev",
    .usage = "DIR [--once] [--fresh] [--then COMMAND] [--dimensions N] [--use SERVICES]",
    .summary = "everything on this machine: watch a folder of documents and search them",
    .options = {{"--once", "end after the first scan"},
                {"--fresh", "forget what earlier runs stored"},
                {"--dimensions N",
                 "width of the local embedder's vectors [1024]; with --fresh when it changes"},
                {"--then COMMAND",
                 "a shell command to run after the first scan; dev ends with its exit code"},
                {"--use SERVICES", "services of the environment to use instead of the local ones: "
                                   "one or more of kafka,postgres,embeddings,store"}},
    .run = run_command,
};
