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
#define SLICE_MS 500 /* 1 % of it is for opening a large document again */
/* Turns are counted in CPU time: first a guess, corrected when it is known. */
#define TURN_US 100000
#define CHILD_US 2000
#define BYTES_PER_US 50
#define ZYGOTE_BYTES_MAX ((uint64_t)64 << 20)
#define ENDED_PER_LOOK 64 /* children, before its memory is looked at again */

struct extract {
    struct loop *loop;
    char helper_path[PATH_BYTES_MAX];
    struct run_helper helper;
    bool is_closing;
    uint32_t slots_busy, slots_max;
    struct fair *turns; /* of those who wait: one tenant after the other */
    uint64_t zygote_bytes_max, ended_count;
    bool is_retiring;
    struct list waiting, running; /* for a first slot; with slots, or with pages to deliver */
    struct timer restart;         /* the pause before the next zygote, then its time to get ready */
    uint64_t pause_ms;
    struct later reviewing; /* who must give a slot back? */
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

static void wait_for_slot(struct extract *extract, struct run *run)
{
    put_in(&extract->waiting, run);
    fair_push(extract->turns, &run->turn);
}

static uint32_t slots_of_tenant(const struct extract *extract, struct uuid tenant)
{
    uint32_t count = 0;
    LIST_FOR_EACH(&extract->running, node) {
        const struct run *run = container_of(node, struct run, node);
        if (uuid_equal(run->turn.flow, tenant))
            count += (uint32_t)run->readings.count;
    }
    return count;
}

/* A second child is for slots that nobody else wants. The only one goes to a tenant with fewer of
 * them, when it has had it long enough to be worth opening the document again. */
static bool must_give_back(struct run *run, const struct reading *reading)
{
    const struct extract *extract = run->arg;
    if (!extract->waiting.count)
        return false;
    if (run->readings.count > 1)
        return true;
    if (loop_now_ms(extract->loop) - reading->begun_ms < SLICE_MS)
        return false;
    uint32_t mine = slots_of_tenant(extract, run->turn.flow);
    LIST_FOR_EACH(&extract->waiting, node) {
        const struct run *other = container_of(node, struct run, node);
        if (slots_of_tenant(extract, other->turn.flow) < mine)
            return true;
    }
    return false;
}

static void count_slots(struct extract *extract)
{
    uint32_t count = 0;
    LIST_FOR_EACH(&extract->running, node)
        count += (uint32_t)container_of(node, struct run, node)->readings.count;
    extract->slots_busy = count;
    metric_set(METRIC_SLOTS, 0, (double)count);
}

static void free_run(struct extract *extract, struct run *run)
{
    if (run->list == &extract->waiting)
        fair_remove(extract->turns, &run->turn);
    list_remove(run->list, &run->node);
    run_free(run);
}

static void on_change(struct run *run)
{
    struct extract *extract = run->arg;
    bool has_slots = run->readings.count != 0;
    bool has_left = run->list == &extract->running && !has_slots && run->is_in_turn;
    if (has_left) {
        run->is_in_turn = false;
        fair_done(extract->turns, run->turn.flow, run->turn.cost, run->cpu_us - run->cpu_paid_us);
        run->cpu_paid_us = run->cpu_us;
    }
    if (!run->request && !has_slots)
        free_run(extract, run);
    else if (!has_slots && run->slots_wanted && run->list == &extract->running)
        wait_for_slot(extract, run);
    move_on(extract);
}

/* In a turn of its own: the request that began to wait may have come from inside another's answer. */
static void on_reviewing(struct later *later)
{
    struct extract *extract = container_of(later, struct extract, reviewing);
    LIST_FOR_EACH(&extract->running, node)
        run_review(container_of(node, struct run, node));
}

static void give_up_all(struct list *runs, const struct error *err)
{
    LIST_FOR_EACH(runs, node)
        run_give_up(container_of(node, struct run, node), err);
}

/* ---- the zygote ------------------------------------------------------------------------------ */

static struct reading *find_reading(struct extract *extract, uint64_t job)
{
    struct reading *reading = NULL;
    LIST_FOR_EACH(&extract->running, node) {
        if (!reading)
            reading = run_find(container_of(node, struct run, node), job);
    }
    return reading;
}

static void on_started(void *arg, uint64_t job, int pidfd)
{
    struct reading *reading = find_reading(arg, job);
    if (reading)
        reading_started(reading, pidfd);
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
    struct reading *reading = find_reading(extract, ended->job);
    extract->pause_ms = PAUSE_FIRST_MS;
    metric_add(METRIC_CHILDREN, result_of(ended), 1);
    if (++extract->ended_count % ENDED_PER_LOOK == 0 &&
        zygote_resident_bytes(extract->helper.zygote) > extract->zygote_bytes_max)
        extract->is_retiring = true; /* a new one comes when its last child has ended */
    if (reading)
        reading_ended(reading, ended);
}

static void on_ready(void *arg)
{
    struct extract *extract = arg;
    extract->helper.is_ready = true;
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
    bool was_ready = extract->helper.is_ready;
    metric_add(METRIC_HELPERS, was_ready ? RESULT_KILLED : RESULT_FAILED, 1);
    lost.code = ERR_HELPER; /* whatever it said: at run time it is restarted */
    zygote_close(extract->helper.zygote, NULL, NULL);
    extract->helper.zygote = NULL;
    extract->helper.is_ready = extract->is_retiring = false;
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
    extract->helper.zygote = make_zygote(extract, &err);
    if (extract->helper.zygote)
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
    later_cancel(extract->loop, &extract->reviewing);
    fair_free(extract->turns);
    xfree(extract);
    if (on_closed)
        on_closed(closed_arg);
}

static void on_closing(struct later *later)
{
    struct extract *extract = container_of(later, struct extract, closing);
    if (extract->helper.zygote)
        zygote_close(extract->helper.zygote, finish_close, extract);
    else
        finish_close(extract);
}

/* ---- who gets the slots ---------------------------------------------------------------------- */

/* What has grown although it never sees a document is not to be trusted much longer. */
static void replace_zygote(struct extract *extract)
{
    zygote_close(extract->helper.zygote, NULL, NULL);
    extract->helper.zygote = NULL;
    extract->helper.is_ready = extract->is_retiring = false;
    metric_add(METRIC_HELPERS, RESULT_OK, 1);
    start_zygote(extract);
}

static bool has_free_slot(struct extract *extract)
{
    count_slots(extract);
    return extract->helper.is_ready && !extract->is_retiring &&
           extract->slots_busy < extract->slots_max;
}

static void start_waiting(struct extract *extract)
{
    struct fair_item *turn;
    while (has_free_slot(extract) &&
           (turn = fair_pop(extract->turns, loop_now_ms(extract->loop))) != NULL) {
        struct run *run = container_of(turn, struct run, turn);
        put_in(&extract->running, run);
        run->is_in_turn = true;
        if (!run->has_verdict)
            run_add_slot(run);
    }
}

/* The tenant with the fewest slots first, then the run with the fewest. */
static struct run *find_wide(const struct extract *extract)
{
    struct run *best = NULL;
    uint32_t best_slots = 0;
    LIST_FOR_EACH(&extract->running, node) {
        struct run *run = container_of(node, struct run, node);
        uint32_t slots = slots_of_tenant(extract, run->turn.flow);
        if (!run->readings.count || run->slots_wanted <= run->readings.count)
            continue;
        if (best && (slots > best_slots ||
                     (slots == best_slots && run->readings.count >= best->readings.count)))
            continue;
        best = run;
        best_slots = slots;
    }
    return best;
}

/* Something has changed: start what can be started, or go on closing. */
static void move_on(struct extract *extract)
{
    struct run *wide;
    if (extract->is_closing) {
        if (!extract->running.count && !extract->waiting.count &&
            !list_is_member(&extract->closing.waiting))
            loop_later(extract->loop, &extract->closing, on_closing);
        return;
    }
    start_waiting(extract);
    while (!extract->waiting.count && has_free_slot(extract) && (wide = find_wide(extract)) != NULL)
        run_add_slot(wide);
    if (extract->is_retiring && !extract->slots_busy)
        replace_zygote(extract);
}

/* ---- public ---------------------------------------------------------------------------------- */

const char *extract_version(void)
{
    return "text2"; /* 1: poppler's own order, without paragraphs */
}

struct extract_limits extract_limits_default(void)
{
    return (struct extract_limits){
        .memory_bytes = 512u << 20,
        .cpu_seconds = 60,
        .page_timeout_ms = 5000,
        .wall_ms = 5000,
        .wall_page_ms = 50,
        .wall_max_ms = 600000,
        .pages_max = 20000,
        .page_text_bytes_max = 2u << 20,
        .text_bytes_max = 64u << 20,
        .range_pages = 200,
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
    extract->zygote_bytes_max =
        options->zygote_bytes_max ? options->zygote_bytes_max : ZYGOTE_BYTES_MAX;
    extract->turns = fair_new(TURN_US, UINT32_MAX);
    list_init(&extract->waiting);
    list_init(&extract->running);
    if (find_helper(extract, options->helper_path, err))
        extract->helper.zygote = make_zygote(extract, err);
    if (extract->helper.zygote && zygote_await_ready(extract->helper.zygote, READY_MS, err)) {
        extract->helper.is_ready = true;
        metric_set(METRIC_SLOTS_MAX, 0, (double)extract->slots_max);
        return extract;
    }
    if (extract->helper.zygote)
        zygote_close(extract->helper.zygote, finish_close, extract);
    else
        finish_close(extract);
    return NULL;
}

void extract_submit(struct extract *extract, struct extract_request *request)
{
    struct run *run = run_new(extract->loop, &extract->helper, request);
    struct error err;
    run->arg = extract;
    run->on_change = on_change;
    run->must_give_back = must_give_back;
    run->turn.flow = request->tenant ? request->tenant->id : UUID_NIL;
    run->turn.cost = CHILD_US + request->body_bytes / BYTES_PER_US;
    request->private_state = run;
    wait_for_slot(extract, run);
    if (extract->is_closing) {
        error_set(&err, ERR_SHUTDOWN, "extraction is closing");
        run_give_up(run, &err);
    } else if (request->body_bytes == 0) {
        error_set(&err, ERR_EMPTY, "0 bytes");
        run_give_up(run, &err);
    } else {
        move_on(extract);
        if (list_is_member(&run->turn.node) && !list_is_member(&extract->reviewing.waiting))
            loop_later(extract->loop, &extract->reviewing, on_reviewing);
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
    return (struct extract_figures){.slots_busy = extract->slots_busy,
                                    .slots_max = extract->slots_max,
                                    .waiting = (uint32_t)extract->waiting.count};
}
