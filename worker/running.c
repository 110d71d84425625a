#include "worker/running.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "embed/embed.h"
#include "queue/topic.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"
#include "worker/beat.h"
#include "worker/chunking.h"
#include "worker/slabs.h"

#define FIGURES_MS 1000
#define EMBED_WAIT_MS 300000
#define SPOOL_BYTES_MAX ((uint64_t)32 * 1024 * 1024)

struct running {
    struct app *app;
    struct pipeline pipeline;
    struct conductor *conductor;
    struct running_events events;
    struct timer figures;
    struct beat *beat;
    bool is_stopping, is_complete;
    uint64_t embedding_parked_ms; /* since when, and the log has said so; 0: it goes */
    bool is_queue_closed, is_mirror_closed;
};

/* Local embeddings cost nothing; config.c has checked the number. */
static double token_price_of(const struct config *config)
{
    double price = 0;
    bool is_told = config->embedder == CONFIG_OPENAI && config->token_price.bytes &&
                   text_parse_double(config->token_price, &price);
    return is_told ? price : 0;
}

static struct pipeline pipeline_of(struct app *app)
{
    const struct config *config = app->config;
    return (struct pipeline){
        .loop = app->loop,
        .objects = app->objects,
        .extract = app->extract,
        .embed = app->embed,
        .vectors = app->vectors,
        .ledger = app->ledger,
        .budget = app->budget,
        .limits =
            {
                .tasks_max = config->tasks,
                .bytes_max = config->bytes,
                .waiting_max = config->waiting,
                .waiting_bytes_max = config->waiting_bytes,
                .slabs_max = config->tasks,
                .spool_bytes_max = SPOOL_BYTES_MAX,
                .extracted_text_bytes_max = config->extracted_text_bytes,
                .drain_ms = config->drain,
                .tenant_wait_ms = config->tenant_wait,
                .embed_wait_ms = EMBED_WAIT_MS,
            },
        .chunking = chunking_of(config),
        .extraction = app_extract_limits(config),
        .buckets = config->buckets,
        .bucket_count = config->bucket_count,
        .dimension_count = config->embedding_dimensions,
        .token_price = token_price_of(config),
    };
}

/* ---- figures of the process ------------------------------------------------------------------ */

static double resident_bytes(void)
{
    char content[128];
    AUTO_FD int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, content, sizeof(content));
    if (bytes <= 0)
        return 0;
    struct text rest;
    uint64_t pages = 0;
    (void)text_cut((struct text){content, (size_t)bytes}, ' ', &rest);
    if (!text_parse_u64(text_cut(rest, ' ', &rest), &pages))
        return 0;
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    double count = 0;
    if (!folder)
        return 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 3; /* ".", ".." and the folder itself */
}

static double open_fds_max(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : 0;
}

/* A lane that waits for the operator is said once, and once that it goes again. */
static void watch_embedding(struct running *running)
{
    struct error why;
    uint64_t now_ms = loop_now_ms(running->app->loop), since_ms = running->embedding_parked_ms;
    bool is_parked = embed_is_parked(running->app->embed, &why);
    if (is_parked == (since_ms > 0))
        return;
    running->embedding_parked_ms = is_parked ? now_ms : 0;
    if (is_parked)
        LOG_ERROR("embedding_parked", FIELD_ERROR(&why),
                  FIELD_STR("remedy", error_remedy(why.code)));
    else
        LOG_INFO("embedding_resumed", FIELD_U64("parked_ms", now_ms - since_ms));
}

static void on_figures(struct timer *timer)
{
    struct running *running = container_of(timer, struct running, figures);
    struct loop *loop = running->app->loop;
    metric_set(METRIC_LOOP_LAG_SECONDS, 0, (double)loop_take_lag_ms(loop) / 1000);
    metric_set(METRIC_RESIDENT_BYTES, 0, resident_bytes());
    metric_set(METRIC_OPEN_FDS, 0, open_fds());
    metric_set(METRIC_OPEN_FDS_MAX, 0, open_fds_max());
    watch_embedding(running);
    timer_start(loop, timer, FIGURES_MS, on_figures);
}

/* ---- stopping: drain, then leave the group, then the mirror ---------------------------------- */

static void on_part_closed(struct running *running)
{
    if (running->is_queue_closed && running->is_mirror_closed)
        running->events.on_stopped(running->events.arg, running->is_complete);
}

static void on_mirror_closed(void *arg)
{
    struct running *running = arg;
    running->pipeline.mirror = NULL;
    running->is_mirror_closed = true;
    on_part_closed(running);
}

static void on_queue_closed(void *arg)
{
    struct running *running = arg;
    running->pipeline.queue = NULL;
    running->is_queue_closed = true;
    on_part_closed(running);
}

static void on_drained(void *arg, bool is_complete)
{
    struct running *running = arg;
    running->is_complete = is_complete;
    timer_stop(running->app->loop, &running->figures);
    if (!is_complete) { /* what still runs holds messages: nothing can be closed in order */
        running->events.on_stopped(running->events.arg, false);
        return;
    }
    queue_close(running->pipeline.queue, on_queue_closed, running);
    if (running->pipeline.mirror)
        topic_close(running->pipeline.mirror, on_mirror_closed, running);
    else
        running->is_mirror_closed = true;
}

void running_stop(struct running *running)
{
    if (running->is_stopping) {
        conductor_hurry(running->conductor);
        return;
    }
    running->is_stopping = true;
    beat_stop(running->beat);
    conductor_drain(running->conductor, on_drained, running);
}

/* ---- public ---------------------------------------------------------------------------------- */

static void on_fatal(void *arg, const struct error *err)
{
    struct running *running = arg;
    running->events.on_fatal(running->events.arg, err);
}

/* Of a start that failed: nobody hears of it. */
static void close_mirror(struct running *running)
{
    if (running->pipeline.mirror)
        topic_close(running->pipeline.mirror, on_mirror_closed, running);
    while (running->pipeline.mirror)
        loop_run_once(running->app->loop, 1000);
}

struct running *running_start(struct app *app, const struct queue_options *options,
                              struct running_events events, struct error *err)
{
    struct running *running = xcalloc(1, sizeof(*running));
    running->app = app;
    running->events = events;
    running->pipeline = pipeline_of(app);
    running->pipeline.slabs = slabs_new(app->config->tasks, app->config->embedding_dimensions);
    running->conductor = conductor_new(&running->pipeline, on_fatal, running);
    if (app->config->kafka_dead_letter_topic.bytes) {
        running->pipeline.mirror_topic = app->config->kafka_dead_letter_topic;
        running->pipeline.mirror = topic_open(app->loop, options, err);
        if (!running->pipeline.mirror) {
            running_free(running);
            return NULL;
        }
    }
    running->pipeline.queue =
        queue_open(app->loop, options, conductor_queue_events(running->conductor), err);
    if (!running->pipeline.queue) {
        close_mirror(running);
        running_free(running);
        return NULL;
    }
    conductor_start(running->conductor);
    running->beat = beat_start(app->pg, &running->pipeline, running->conductor);
    on_figures(&running->figures);
    return running;
}

bool running_is_ready(const struct running *running)
{
    return !running->is_stopping && running->pipeline.queue &&
           queue_figures(running->pipeline.queue).has_joined;
}

struct queue_figures running_queue_figures(const struct running *running)
{
    return running->pipeline.queue ? queue_figures(running->pipeline.queue)
                                   : (struct queue_figures){0};
}

struct conductor_figures running_figures(const struct running *running)
{
    return conductor_figures(running->conductor);
}

void running_free(struct running *running)
{
    if (!running)
        return;
    beat_free(running->beat);
    conductor_free(running->conductor);
    slabs_free(running->pipeline.slabs);
    xfree(running);
}
