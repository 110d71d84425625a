/*
 * queue_worker.c - the product's own way from the topic to the commit, with an empty pipeline: the
 *                  bucket answers at once and a document streams into nothing. What remains is the
 *                  queue's work: consume, parse, claim, finish, commit.
 *
 *     queue_worker DATABASE_URL BROKERS TOPIC GROUP MESSAGES TASKS
 *
 * Prints the seconds from the assignment to the moment when all messages are committed, and the
 * processor seconds of the process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "queue/object.h"
#include "queue/queue.h"
#include "store/ledger.h"
#include "store/vectors.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"
#include "worker/conductor.h"
#include "worker/flow.h"

#define LOOK_MS 5
#define ETAG "d41d8cd98f00b204e9800998ecf8427e"
#define BODY_BYTES 1000

struct bench {
    struct loop *loop;
    struct pipeline pipeline;
    struct conductor *conductor;
    uint64_t message_count;
    uint64_t start_ms, end_ms; /* loop time */
    double start_cpu_s, end_cpu_s;
    struct timer look;
    bool is_closed;
};
static struct loop *the_loop; /* for the stand-ins below */

static _Noreturn void die(const struct error *err)
{
    (void)fprintf(stderr, "queue_worker: %s\n", err->message);
    exit(1);
}

/* ---- stand-ins: found by the linker before the library's ------------------------------------- */

struct answer {
    struct later later;
    struct object_request *request;
};

static void give(struct later *later)
{
    struct answer *answer = container_of(later, struct answer, later);
    struct object_request *request = answer->request;
    request->body_bytes = BODY_BYTES;
    memcpy(request->etag, ETAG, sizeof(ETAG));
    request->modified_ms = loop_wall_ms(the_loop);
    request->private_state = NULL;
    loop_bury(the_loop, answer);
    request->on_done(request, NULL);
}

void objects_send(struct objects *objects, struct object_request *request)
{
    struct answer *answer = xcalloc(1, sizeof(*answer));
    (void)objects;
    answer->request = request;
    loop_later(the_loop, &answer->later, give);
}

void objects_cancel(struct objects *objects, struct object_request *request)
{
    (void)objects;
    (void)request; /* its answer is on its way */
}

struct flow {
    struct flow_input input;
    struct flow_result result;
    struct later later;
};

static void flow_end(struct later *later)
{
    struct flow *flow = container_of(later, struct flow, later);
    flow->input.on_done(flow->input.arg, NULL);
}

struct flow *flow_start(struct pipeline *pipeline, const struct flow_input *input)
{
    struct flow *flow = xcalloc(1, sizeof(*flow));
    flow->input = *input;
    flow->result.page_count = 1;
    loop_later(pipeline->loop, &flow->later, flow_end);
    return flow;
}

void flow_on_lease(struct flow *flow, enum lease_news news)
{
    (void)flow;
    (void)news;
}

void flow_cancel(struct flow *flow, const struct error *why)
{
    (void)flow;
    (void)why;
}

const struct flow_result *flow_result(const struct flow *flow)
{
    return &flow->result;
}

void flow_free(struct flow *flow)
{
    if (flow)
        loop_bury(the_loop, flow);
}

/* A store that would have to be swept, as Pinecone; nothing is ever in it. */
unsigned vectors_capabilities(const struct vectors *vectors)
{
    (void)vectors;
    return 0;
}

void vectors_delete(struct vectors *vectors, struct vectors_request *request)
{
    (void)vectors;
    (void)request;
    abort(); /* nothing was ever stored */
}

void vectors_cancel(struct vectors *vectors, struct vectors_request *request)
{
    (void)vectors;
    (void)request;
    abort();
}

/* ---- measuring ------------------------------------------------------------------------------- */

static double cpu_s(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        abort();
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void on_closed(void *arg)
{
    struct bench *bench = arg;
    bench->is_closed = true;
    loop_stop(bench->loop);
}

static void on_drained(void *arg, bool is_complete)
{
    struct bench *bench = arg;
    if (!is_complete)
        abort();
    queue_close(bench->pipeline.queue, on_closed, bench);
}

static void look(struct timer *timer)
{
    struct bench *bench = container_of(timer, struct bench, look);
    struct queue_figures figures = queue_figures(bench->pipeline.queue);
    uint64_t now_ms = loop_now_ms(bench->loop);
    if (!bench->start_ms && figures.has_joined) {
        bench->start_ms = now_ms;
        bench->start_cpu_s = cpu_s();
    }
    bool is_settled = metric_value(METRIC_MESSAGES, 0) >= (double)bench->message_count;
    if (is_settled && figures.lag == 0) {
        bench->end_ms = now_ms;
        bench->end_cpu_s = cpu_s();
        conductor_drain(bench->conductor, on_drained, bench);
        return;
    }
    timer_start(bench->loop, timer, LOOK_MS, look);
}

static void on_fatal(void *arg, const struct error *err)
{
    (void)arg;
    die(err);
}

/* ---- opening --------------------------------------------------------------------------------- */

static struct ledger *open_ledger(struct loop *loop, const char *url, struct pg **ret_pg)
{
    struct error err;
    struct pg_options database = {
        .url = text_from(url),
        .application_name = TEXT("queue_worker"),
        .connect_timeout_ms = 10000,
        .statement_timeout_ms = 20000,
        .lock_timeout_ms = 10000,
        .transactions_max = 16,
    };
    struct ledger_options options = {.has_user_schemas = true,
                                     .dimension_count = 256,
                                     .pipeline = TEXT("bench"),
                                     .extracted_text_bytes_max = 1024};
    *ret_pg = pg_open(loop, &database, &err);
    struct ledger *ledger = *ret_pg ? ledger_open(loop, *ret_pg, &options, &err) : NULL;
    if (!ledger)
        die(&err);
    return ledger;
}

static void open_queue(struct bench *bench, char **argv)
{
    struct error err;
    struct queue_options options = {
        .brokers = text_from(argv[2]),
        .topic = text_from(argv[3]),
        .group = text_from(argv[4]),
        .client_id = TEXT("queue_worker"),
    };
    bench->pipeline.queue =
        queue_open(bench->loop, &options, conductor_queue_events(bench->conductor), &err);
    if (!bench->pipeline.queue)
        die(&err);
}

static bool read_arguments(struct bench *bench, int argc, char **argv, uint64_t *ret_tasks)
{
    return argc == 7 && text_parse_u64(text_from(argv[5]), &bench->message_count) &&
           text_parse_u64(text_from(argv[6]), ret_tasks);
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    struct error err;
    struct pg *pg;
    uint64_t task_count;
    if (!read_arguments(&bench, argc, argv, &task_count)) {
        (void)fprintf(stderr,
                      "usage: queue_worker DATABASE_URL BROKERS TOPIC GROUP MESSAGES TASKS\n");
        return 2;
    }
    bench.loop = the_loop = loop_new(&err);
    if (!the_loop)
        die(&err);
    bench.pipeline = (struct pipeline){
        .loop = bench.loop,
        .ledger = open_ledger(bench.loop, argv[1], &pg),
        .limits = {.tasks_max = (uint32_t)task_count,
                   .bytes_max = (uint64_t)1 << 30,
                   .waiting_max = 131072, /* as the product's own defaults */
                   .waiting_bytes_max = (uint64_t)32 << 20,
                   .drain_ms = 15000},
    };
    bench.conductor = conductor_new(&bench.pipeline, on_fatal, &bench);
    open_queue(&bench, argv);
    conductor_start(bench.conductor);
    look(&bench.look);
    loop_run(bench.loop);
    double seconds = (double)(bench.end_ms - bench.start_ms) / 1000;
    (void)printf("%.3f %.3f\n", seconds, bench.end_cpu_s - bench.start_cpu_s);
    return 0;
}
