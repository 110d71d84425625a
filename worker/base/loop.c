#include "worker/base/loop.h"

#include <assert.h>
#include <time.h>
#include <uv.h>

#include "worker/base/memory.h"

struct grave {
    struct list_node node;
    void *memory;
};

struct loop {
    struct rng rng;
    struct list later; /* struct later */
    struct list graves;
    struct timer **heap; /* 1-based binary heap, the soonest first */
    size_t heap_count, heap_max;
    uint64_t timer_order;
    uint64_t lag_ms_max;
    size_t work_count; /* given to work threads, not answered */
    bool is_virtual, is_stopping;
    bool is_turn_over; /* loop_run_once()'s time is up */
    uint64_t virtual_ms;
    uv_loop_t uv; /* all below: real loops only */
    uv_timer_t tick;
    uv_prepare_t prepare;
    uv_idle_t idle;
};

/* ---- timers: a binary heap of our own, so that a virtual loop can have them too -------------- */

static bool is_sooner(const struct timer *a, const struct timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void heap_put(struct loop *loop, size_t at, struct timer *timer)
{
    loop->heap[at] = timer;
    timer->heap_at = at;
}

static void heap_sift(struct loop *loop, size_t at, struct timer *timer)
{
    for (; at > 1 && is_sooner(timer, loop->heap[at / 2]); at /= 2)
        heap_put(loop, at, loop->heap[at / 2]);
    for (size_t child = at * 2; child <= loop->heap_count; child = at * 2) {
        if (child < loop->heap_count && is_sooner(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!is_sooner(loop->heap[child], timer))
            break;
        heap_put(loop, at, loop->heap[child]);
        at = child;
    }
    heap_put(loop, at, timer);
}

bool timer_is_waiting(const struct timer *timer)
{
    return timer->heap_at != 0;
}

void timer_stop(struct loop *loop, struct timer *timer)
{
    if (!timer_is_waiting(timer))
        return;
    size_t at = timer->heap_at;
    struct timer *last = loop->heap[loop->heap_count--];
    timer->heap_at = 0;
    if (last != timer)
        heap_sift(loop, at, last);
}

void timer_start(struct loop *loop, struct timer *timer, uint64_t delay_ms,
                 void (*on_due)(struct timer *timer))
{
    timer_stop(loop, timer);
    timer->on_due = on_due;
    timer->due_ms = loop_now_ms(loop) + delay_ms;
    timer->order = loop->timer_order++;
    if (loop->heap_count == loop->heap_max) {
        loop->heap_max = loop->heap_max ? loop->heap_max * 2 : 64;
        loop->heap = xrealloc(loop->heap, loop->heap_max + 1, sizeof(struct timer *));
    }
    heap_sift(loop, ++loop->heap_count, timer);
}

static void run_due_timers(struct loop *loop)
{
    uint64_t now_ms = loop_now_ms(loop);
    uint64_t order_end = loop->timer_order; /* those started from here on wait for the next turn */
    while (loop->heap_count) {
        struct timer *timer = loop->heap[1];
        if (timer->due_ms > now_ms || timer->order >= order_end)
            return;
        if (now_ms - timer->due_ms > loop->lag_ms_max)
            loop->lag_ms_max = now_ms - timer->due_ms;
        timer_stop(loop, timer);
        timer->on_due(timer);
    }
}

/* ---- what runs at the end of a turn --------------------------------------------------------- */

static void run_later(struct loop *loop)
{
    struct later last = {0};
    list_push_back(&loop->later, &last.waiting); /* what is added from here on: next turn */
    for (struct list_node *node; (node = list_pop_front(&loop->later)) != &last.waiting;) {
        struct later *later = container_of(node, struct later, waiting);
        later->run(later);
    }
    for (struct list_node *node; (node = list_pop_front(&loop->graves));) {
        struct grave *grave = container_of(node, struct grave, node);
        xfree(grave->memory);
        xfree(grave);
    }
}

static bool has_urgent(const struct loop *loop)
{
    return loop->later.count || loop->graves.count;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is the point: libuv does not wait then */
}

static void on_tick(uv_timer_t *tick)
{
    (void)tick; /* only wakes the loop; on_prepare does the work of a turn */
}

/* Runs before libuv waits: everything due is done here, then the wait is limited. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    uv_update_time(&loop->uv);
    run_due_timers(loop);
    run_later(loop);
    /* What ran just now may have ended the wait that libuv is about to begin. */
    if (has_urgent(loop) || loop->is_stopping || loop->is_turn_over)
        uv_idle_start(&loop->idle, on_idle);
    else
        uv_idle_stop(&loop->idle);
    if (loop->heap_count == 0) {
        uv_timer_stop(&loop->tick);
        return;
    }
    uint64_t now_ms = uv_now(&loop->uv), due_ms = loop->heap[1]->due_ms;
    uv_timer_start(&loop->tick, on_tick, due_ms > now_ms ? due_ms - now_ms : 0, 0);
    if (due_ms <= now_ms)
        uv_idle_start(&loop->idle, on_idle);
}

/* ---- work threads ---------------------------------------------------------------------------- */

struct work_request {
    uv_work_t uv;
    struct loop *loop;
    struct work *work;
    struct later later; /* virtual loops */
};

static void on_work_run(uv_work_t *uv)
{
    struct work_request *request = container_of(uv, struct work_request, uv);
    request->work->run(request->work);
}

static void work_finish(struct work_request *request)
{
    struct work *work = request->work;
    request->loop->work_count--;
    work->private_request = NULL;
    xfree(request);
    work->on_done(work);
}

static void on_work_done(uv_work_t *uv, int status)
{
    (void)status; /* nothing here cancels work */
    work_finish(container_of(uv, struct work_request, uv));
}

static void on_virtual_work(struct later *later)
{
    struct work_request *request = container_of(later, struct work_request, later);
    request->work->run(request->work);
    work_finish(request);
}

void loop_work(struct loop *loop, struct work *work)
{
    struct work_request *request = xcalloc(1, sizeof(*request));
    request->loop = loop;
    request->work = work;
    work->private_request = request;
    loop->work_count++;
    if (loop->is_virtual) {
        loop_later(loop, &request->later, on_virtual_work);
        return;
    }
    int status = uv_queue_work(&loop->uv, &request->uv, on_work_run, on_work_done);
    assert(status == 0); /* only EINVAL exists, for a NULL function */
}

/* ---- public ---------------------------------------------------------------------------------- */

static struct loop *loop_alloc(struct rng rng)
{
    struct loop *loop = xcalloc(1, sizeof(*loop));
    loop->rng = rng;
    list_init(&loop->later);
    list_init(&loop->graves);
    return loop;
}

struct loop *loop_new(struct error *err)
{
    struct loop *loop = loop_alloc(rng_from_entropy());
    int status = uv_loop_init(&loop->uv);
    if (status != 0) {
        error_set(err, ERR_IO, "event loop: %s", uv_strerror(status));
        xfree(loop);
        return NULL;
    }
    uv_timer_init(&loop->uv, &loop->tick);
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_idle_init(&loop->uv, &loop->idle);
    loop->prepare.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    return loop;
}

struct loop *loop_new_virtual(uint64_t seed)
{
    struct loop *loop = loop_alloc(rng_seeded(seed));
    loop->is_virtual = true;
    loop->virtual_ms = 1000;
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    run_later(loop);
    assert(loop->heap_count == 0 && loop->work_count == 0);
    if (!loop->is_virtual) {
        uv_close((uv_handle_t *)&loop->tick, NULL);
        uv_close((uv_handle_t *)&loop->prepare, NULL);
        uv_close((uv_handle_t *)&loop->idle, NULL);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        int status = uv_loop_close(&loop->uv);
        assert(status == 0); /* UV_EBUSY: somebody left a handle open */
    }
    xfree(loop->heap);
    xfree(loop);
}

static bool virtual_turn(struct loop *loop)
{
    run_due_timers(loop);
    run_later(loop);
    if (has_urgent(loop))
        return true;
    if (loop->heap_count == 0)
        return false;
    if (loop->heap[1]->due_ms > loop->virtual_ms)
        loop->virtual_ms = loop->heap[1]->due_ms;
    return true;
}

uint64_t loop_virtual_next_ms(const struct loop *loop)
{
    assert(loop->is_virtual);
    if (has_urgent(loop))
        return loop->virtual_ms;
    return loop->heap_count ? loop->heap[1]->due_ms : UINT64_MAX;
}

void loop_virtual_turn(struct loop *loop, uint64_t now_ms)
{
    assert(loop->is_virtual && now_ms >= loop->virtual_ms);
    loop->virtual_ms = now_ms;
    run_due_timers(loop);
    run_later(loop);
}

void loop_run(struct loop *loop)
{
    loop->is_stopping = false;
    while (!loop->is_stopping) {
        if (!loop->is_virtual)
            uv_run(&loop->uv, UV_RUN_ONCE);
        else if (!virtual_turn(loop))
            return;
    }
}

void loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
}

struct deadline {
    struct timer timer;
    struct loop *loop;
};

static void on_deadline(struct timer *timer)
{
    container_of(timer, struct deadline, timer)->loop->is_turn_over = true;
}

void loop_run_once(struct loop *loop, uint64_t timeout_ms)
{
    if (loop->is_virtual) {
        virtual_turn(loop);
        return;
    }
    struct deadline deadline = {.loop = loop};
    loop->is_stopping = false;
    loop->is_turn_over = false;
    timer_start(loop, &deadline.timer, timeout_ms, on_deadline);
    uv_run(&loop->uv, UV_RUN_ONCE);
    timer_stop(loop, &deadline.timer);
    loop->is_turn_over = false;
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
    assert(!loop->is_virtual);
    return &loop->uv;
}

struct rng *loop_rng(struct loop *loop)
{
    return &loop->rng;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop->is_virtual ? loop->virtual_ms : uv_now(&loop->uv);
}

uint64_t loop_wall_ms(const struct loop *loop)
{
    /* 2030-01-01, a date no run of today can be mistaken for */
    const uint64_t virtual_epoch_ms = 1893456000000u;
    if (loop->is_virtual)
        return virtual_epoch_ms + loop->virtual_ms;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void loop_later(struct loop *loop, struct later *later, void (*run)(struct later *later))
{
    later->run = run;
    list_push_back(&loop->later, &later->waiting);
    if (!loop->is_virtual)
        uv_idle_start(&loop->idle, on_idle);
}

void later_cancel(struct loop *loop, struct later *later)
{
    if (list_is_member(&later->waiting))
        list_remove(&loop->later, &later->waiting);
}

void loop_bury(struct loop *loop, void *memory)
{
    struct grave *grave = xcalloc(1, sizeof(*grave));
    grave->memory = memory;
    list_push_back(&loop->graves, &grave->node);
    if (!loop->is_virtual)
        uv_idle_start(&loop->idle, on_idle);
}

uint64_t loop_take_lag_ms(struct loop *loop)
{
    uint64_t lag_ms = loop->lag_ms_max;
    loop->lag_ms_max = 0;
    return lag_ms;
}
