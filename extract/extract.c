#include "extract/extract.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "extract/run.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"

#define HELPER_NAME "millrace-extract"
#define PATH_BYTES_MAX 4096
#define READY_MS 10000 /* about 50 ms when the disk is warm */
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 10000

struct extract {
    struct loop *loop;
    char helper_path[PATH_BYTES_MAX];
    struct zygote *zygote; /* NULL between two */
    bool is_ready, is_closing;
    uint32_t slots_max;
    uint64_t job_last;
    struct list waiting, running;
    struct timer restart; /* the pause before the next zygote, then its time to get ready */
    uint64_t pause_ms;
    struct later closing;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

static void start_zygote(struct extract *extract);
static void move_on(struct extract *extract);

/* ---- slots ----------------------------------------------------------------------------------- */

static void put_in(struct list *list, struct run *run)
{
    if (run->list)
        list_remove(run->list, &run->node);
    run->list = list;
    list_push_back(list, &run->node);
}

static void launch(struct extract *extract, struct run *run)
{
    struct error err;
    if (!extract->is_ready)
        error_set(&err, ERR_HELPER, "extraction helper: it is being started again");
    else if (run_launch(run, extract->zygote, ++extract->job_last, &err))
        return;
    run_give_up(run, &err);
}

static void on_idle(struct run *run)
{
    struct extract *extract = run->arg;
    if (run->request) {
        if (!run->has_verdict) /* else its answer is on the way */
            launch(extract, run);
        return;
    }
    list_remove(run->list, &run->node);
    run_free(run);
    metric_set(METRIC_SLOTS, 0, (double)extract->running.count);
    move_on(extract);
}

static void give_up_all(struct list *runs, const struct error *err)
{
    LIST_FOR_EACH(runs, node)
    run_give_up(container_of(node, struct run, node), err);
}

/* ---- the zygote ------------------------------------------------------------------------------ */

static struct run *find_run(struct extract *extract, uint64_t job)
{
    LIST_FOR_EACH(&extract->running, node)
    {
        struct run *run = container_of(node, struct run, node);
        if (run->has_child && run->job == job)
            return run;
    }
    return NULL;
}

static void on_started(void *arg, uint64_t job, int pidfd)
{
    struct run *run = find_run(arg, job);
    if (run)
        run_started(run, pidfd);
    else
        close(pidfd);
}

static enum metric_result result_of(const struct wire_ended *ended)
{
    if (!ended->has_run)
        return RESULT_FAILED;
    if (WIFSIGNALED((int)ended->status))
        return RESULT_KILLED;
    return WEXITSTATUS((int)ended->status) ? RESULT_FAILED : RESULT_OK;
}

static void on_ended(void *arg, const struct wire_ended *ended)
{
    struct extract *extract = arg;
    struct run *run = find_run(extract, ended->job);
    extract->pause_ms = PAUSE_FIRST_MS;
    metric_add(METRIC_CHILDREN, result_of(ended), 1);
    if (run)
        run_ended(run, ended);
}

static void on_ready(void *arg)
{
    struct extract *extract = arg;
    extract->is_ready = true;
    timer_stop(extract->loop, &extract->restart);
    move_on(extract);
}

static void on_restart(struct timer *timer)
{
    start_zygote(container_of(timer, struct extract, restart));
}

/* A helper that gets ready is expected to be back at once: who waits may wait. One that does not
 * has nothing to offer: everybody goes back to the pipeline, which tries again later. */
static void start_later(struct extract *extract, const struct error *err, bool was_ready)
{
    if (!was_ready)
        give_up_all(&extract->waiting, err);
    timer_start(extract->loop, &extract->restart, extract->pause_ms, on_restart);
    extract->pause_ms = extract->pause_ms < PAUSE_MAX_MS / 2 ? extract->pause_ms * 2 : PAUSE_MAX_MS;
}

static void on_lost(void *arg, const struct error *err)
{
    struct extract *extract = arg;
    struct error lost = *err;
    bool was_ready = extract->is_ready;
    lost.code = ERR_HELPER; /* whatever it said: at run time it is restarted */
    zygote_close(extract->zygote, NULL, NULL);
    extract->zygote = NULL;
    extract->is_ready = false;
    LIST_FOR_EACH(&extract->running, node)
    run_lost(container_of(node, struct run, node), &lost);
    if (extract->is_closing)
        move_on(extract);
    else
        start_later(extract, &lost, was_ready);
}

static void on_not_ready(struct timer *timer)
{
    struct error err;
    error_set(&err, ERR_HELPER, "extraction helper: not ready after %d ms", READY_MS);
    on_lost(container_of(timer, struct extract, restart), &err);
}

static struct zygote *make_zygote(struct extract *extract, struct error *err)
{
    struct zygote_events events = {.arg = extract,
                                   .on_ready = on_ready,
                                   .on_started = on_started,
                                   .on_ended = on_ended,
                                   .on_lost = on_lost};
    return zygote_start(extract->loop, extract->helper_path, &events, err);
}

static void start_zygote(struct extract *extract)
{
    struct error err;
    extract->zygote = make_zygote(extract, &err);
    if (extract->zygote)
        timer_start(extract->loop, &extract->restart, READY_MS, on_not_ready);
    else
        start_later(extract, &err, false);
}

/* ---- closing --------------------------------------------------------------------------------- */

static void finish_close(void *arg)
{
    struct extract *extract = arg;
    void (*on_closed)(void *arg) = extract->on_closed;
    void *closed_arg = extract->closed_arg;
    xfree(extract);
    if (on_closed)
        on_closed(closed_arg);
}

static void on_closing(struct later *later)
{
    struct extract *extract = container_of(later, struct extract, closing);
    if (extract->zygote)
        zygote_close(extract->zygote, finish_close, extract);
    else
        finish_close(extract);
}

/* Something has changed: start what can be started, or go on closing. */
static void move_on(struct extract *extract)
{
    if (extract->is_closing) {
        if (!extract->running.count && !extract->waiting.count &&
            !list_is_member(&extract->closing.waiting))
            loop_later(extract->loop, &extract->closing, on_closing);
        return;
    }
    while (extract->is_ready && extract->running.count < extract->slots_max) {
        struct list_node *node = list_first(&extract->waiting);
        if (!node)
            return;
        struct run *run = container_of(node, struct run, node);
        put_in(&extract->running, run);
        metric_set(METRIC_SLOTS, 0, (double)extract->running.count);
        if (!run->has_verdict)
            launch(extract, run);
    }
}

/* ---- public ---------------------------------------------------------------------------------- */

struct extract_limits extract_limits_default(void)
{
    return (struct extract_limits){
        .memory_bytes = 512u << 20,
        .cpu_seconds = 60,
        .page_timeout_ms = 5000,
        .wall_ms = 30000,
        .pages_max = 20000,
        .page_text_bytes_max = 2u << 20,
        .text_bytes_max = 64u << 20,
    };
}

static bool find_helper(struct extract *extract, struct text path, struct error *err)
{
    char self[PATH_BYTES_MAX];
    if (path.bytes) {
        if (!text_format(extract->helper_path, PATH_BYTES_MAX, "%.*s", TEXT_ARGS(path)))
            return error_set(err, ERR_SANDBOX, "the path of " HELPER_NAME " is too long");
        return true;
    }
    ssize_t bytes = readlink("/proc/self/exe", self, sizeof(self));
    if (bytes <= 0)
        return error_set_errno(err, ERR_SANDBOX, errno, "/proc/self/exe");
    while (bytes && self[bytes - 1] != '/')
        bytes--;
    if (!text_format(extract->helper_path, PATH_BYTES_MAX, "%.*s" HELPER_NAME, (int)bytes, self))
        return error_set(err, ERR_SANDBOX, "the path of " HELPER_NAME " is too long");
    return true;
}

struct extract *extract_open(struct loop *loop, const struct extract_options *options,
                             struct error *err)
{
    struct extract *extract = xcalloc(1, sizeof(*extract));
    extract->loop = loop;
    extract->pause_ms = PAUSE_FIRST_MS;
    extract->slots_max = options->slots_max ? options->slots_max : uv_available_parallelism();
    if (extract->slots_max > WIRE_JOBS_MAX)
        extract->slots_max = WIRE_JOBS_MAX;
    list_init(&extract->waiting);
    list_init(&extract->running);
    if (find_helper(extract, options->helper_path, err))
        extract->zygote = make_zygote(extract, err);
    if (extract->zygote && zygote_await_ready(extract->zygote, READY_MS, err)) {
        extract->is_ready = true;
        metric_set(METRIC_SLOTS_MAX, 0, (double)extract->slots_max);
        return extract;
    }
    if (extract->zygote)
        zygote_close(extract->zygote, finish_close, extract);
    else
        xfree(extract);
    return NULL;
}

void extract_submit(struct extract *extract, struct extract_request *request)
{
    struct run *run = run_new(extract->loop, request);
    struct error err;
    run->arg = extract;
    run->on_idle = on_idle;
    request->private_state = run;
    put_in(&extract->waiting, run);
    if (extract->is_closing) {
        error_set(&err, ERR_SHUTDOWN, "extraction is closing");
        run_give_up(run, &err);
    } else if (request->body_bytes == 0) {
        error_set(&err, ERR_EMPTY, "0 bytes");
        run_give_up(run, &err);
    } else {
        move_on(extract);
    }
}

void extract_credit(struct extract *extract, struct extract_request *request, uint64_t text_bytes)
{
    (void)extract;
    if (request->private_state)
        run_credit(request->private_state, text_bytes);
}

void extract_cancel(struct extract *extract, struct extract_request *request)
{
    (void)extract;
    struct error err;
    error_set(&err, ERR_CANCELLED, "extraction was given up");
    if (request->private_state)
        run_give_up(request->private_state, &err);
}

void extract_close(struct extract *extract, void (*on_closed)(void *arg), void *arg)
{
    if (!extract) {
        if (on_closed)
            on_closed(arg);
        return;
    }
    struct error err;
    error_set(&err, ERR_SHUTDOWN, "extraction is closing");
    extract->is_closing = true;
    extract->on_closed = on_closed;
    extract->closed_arg = arg;
    timer_stop(extract->loop, &extract->restart);
    give_up_all(&extract->waiting, &err);
    give_up_all(&extract->running, &err);
    move_on(extract);
}

struct extract_figures extract_figures(const struct extract *extract)
{
    return (struct extract_figures){.slots_busy = (uint32_t)extract->running.count,
                                    .slots_max = extract->slots_max,
                                    .waiting = (uint32_t)extract->waiting.count};
}
