#include "extract/run.h"

#include <assert.h>

#include "extract/range.h"
#include "worker/base/memory.h"

#define CREDIT_AT_FIRST (256 << 10)
#define CREDIT_OF_A_BLOCK (256 << 10) /* for one that is read before its turn; usual: 100 KB */
#define CREDIT_STEP (64 << 10)        /* less is not worth a frame while there is some */
#define PAGES_AT_ONCE 64
#define BLOCKS_AHEAD_MAX 4 /* of each child, before the page whose turn it is */
#define TICKS_PER_PAGE 16  /* of the longest time that a page may take */
#define FROZEN_MS 250      /* a tick that comes later than that: we have stood still */
#define FAIR_PAGE_MS 50    /* CPU time of a page that is no reason to suspect it */

/* ---- ending ---------------------------------------------------------------------------------- */

static void stop_readings(struct run *run)
{
    LIST_FOR_EACH(&run->readings, node)
        reading_stop(container_of(node, struct reading, node));
}

/* From here on nothing that a child says matters. */
static void set_verdict(struct run *run, const struct error *err)
{
    if (!run->has_verdict)
        run->verdict = *err;
    run->has_verdict = true;
    stop_readings(run);
}

static void answer(struct run *run, const struct error *err)
{
    struct extract_request *request = run->request;
    struct extract_summary summary = {
        .page_count = run->page_count,
        .pages_skipped = run->skipped_count,
        .text_bytes = run->text_bytes,
        .title = buffer_text(&run->title),
        .mime_type = buffer_text(&run->mime_type),
        .is_encrypted = run->is_encrypted,
        .cpu_us = run->cpu_us,
        .peak_bytes = run->peak_bytes,
    };
    for (size_t i = 0; i < WIRE_SKIPS_MAX; i++)
        summary.skipped[i] = run->skipped[i];
    later_cancel(run->loop, &run->answering);
    run->request = NULL;
    request->private_state = NULL;
    request->on_done(request, run->page_count ? &summary : NULL, err);
}

static void answer_whole(struct run *run)
{
    struct error err;
    if (run->pages_with_text) {
        answer(run, NULL);
        return;
    }
    if (run->skipped_count)
        err = run->damage;
    else
        error_set(&err, ERR_NO_TEXT, "none of %u pages has text", run->page_count);
    answer(run, &err);
}

/* ---- what children are told ------------------------------------------------------------------ */

static uint32_t blocks_left(const struct run *run)
{
    if (!run->page_count || run->block_next > run->page_count)
        return 0;
    return (run->page_count - run->block_next) / WIRE_BLOCK_PAGES + 1;
}

/* How far the children are ahead of the page whose turn it is; a slow reader of ours holds them. */
static bool has_window(const struct run *run, size_t child_count)
{
    uint32_t ahead = (run->block_next - run->merge.page_next) / WIRE_BLOCK_PAGES;
    return ahead < BLOCKS_AHEAD_MAX * child_count;
}

static struct wire_range take_block(struct run *run)
{
    struct wire_range block = {run->block_next, block_last(run->block_next, run->page_count)};
    run->block_next = block.page_last + 1;
    return block;
}

/* A child has a block at hand and, while there are many left, the next one beside it. */
static bool wants_block(const struct run *run, const struct reading *reading)
{
    const struct transcript *transcript = &reading->transcript;
    size_t at_hand_max = blocks_left(run) > run->readings.count ? 2 : 1;
    return transcript->has_greeted && !transcript->is_told_all &&
           transcript->range_count < at_hand_max;
}

static void give_blocks(struct run *run, struct reading *reading)
{
    const struct transcript *transcript = &reading->transcript;
    while (wants_block(run, reading)) {
        if (!blocks_left(run) || run->must_give_back(run, reading)) {
            reading_add_range(reading, (struct wire_range){0});
            return;
        }
        if (!has_window(run, run->readings.count))
            return;
        reading_add_range(reading, take_block(run));
        int64_t credit = (int64_t)transcript->range_count * CREDIT_OF_A_BLOCK;
        if (credit > transcript->credit)
            reading_add_credit(reading, (uint64_t)(credit - transcript->credit));
    }
}

/* The child that has the page to come next, of all pages that have not come. */
static struct reading *find_front(const struct run *run)
{
    struct reading *front = NULL;
    LIST_FOR_EACH(&run->readings, node) {
        struct reading *reading = container_of(node, struct reading, node);
        const struct transcript *transcript = &reading->transcript;
        if (!transcript->has_document) /* the first of all */
            return reading;
        if (transcript->range_count &&
            (!front || transcript->ranges[0].page_first < front->transcript.ranges[0].page_first))
            front = reading;
    }
    return front;
}

static void give_credit(struct run *run)
{
    struct reading *front = find_front(run);
    if (!front || run->credit <= 0)
        return;
    int64_t has = front->transcript.credit, lacks = run->credit - has;
    if (lacks >= CREDIT_STEP || (has <= 0 && lacks > 0))
        reading_add_credit(front, (uint64_t)lacks);
}

static uint32_t slots_wanted(const struct run *run)
{
    if (!run->request || run->has_verdict)
        return 0;
    if (!run->page_count)
        return 1;
    uint32_t has = (uint32_t)run->readings.count, left = blocks_left(run);
    if (!left || !has_window(run, has + 1))
        return has;
    uint32_t range_pages = run->request->limits.range_pages, useful = 1;
    /* The other formats are read whole when they are opened: a second child would do it all again. */
    if (text_equal(buffer_text(&run->mime_type), format_mime_type(FORMAT_PDF)))
        useful = (run->page_count + range_pages - 1) / range_pages;
    return has + left < useful ? has + left : useful;
}

/* Every event ends here, and may end the run. */
static void move_on(struct run *run)
{
    if (run->request && !run->has_verdict) {
        LIST_FOR_EACH(&run->readings, node)
            give_blocks(run, container_of(node, struct reading, node));
        give_credit(run);
    }
    if (run->request && !run->readings.count && !list_is_member(&run->answering.waiting)) {
        if (run->has_verdict)
            answer(run, &run->verdict);
        else if (run->page_count && run->merge.page_next > run->page_count)
            answer_whole(run);
    }
    run->slots_wanted = slots_wanted(run);
    run->on_change(run);
}

static void on_answering(struct later *later)
{
    struct run *run = container_of(later, struct run, answering);
    answer(run, &run->verdict); /* who gave up does not wait for the children's end */
    move_on(run);
}

/* ---- what comes from children ---------------------------------------------------------------- */

static void take_document(struct run *run, const struct transcript *transcript)
{
    struct extract_request *request = run->request;
    run->page_count = transcript->page_count;
    run->block_next = transcript->ranges[0].page_last + 1;
    run->is_encrypted = transcript->is_encrypted;
    buffer_append_text(&run->title, (struct text){transcript->title, transcript->title_bytes});
    buffer_append_text(&run->mime_type, text_from(transcript->mime_type));
    struct extract_document document = {run->page_count, buffer_text(&run->title),
                                        buffer_text(&run->mime_type)};
    if (request->on_document)
        request->on_document(request, &document);
}

static bool take_page(struct run *run, const struct page *page, struct error *err)
{
    if (page->text.bytes > run->request->limits.text_bytes_max - run->text_bytes)
        return error_set(err, ERR_TEXT_MAX, "more than %llu bytes of text",
                         (unsigned long long)run->request->limits.text_bytes_max);
    run->text_bytes += page->text.bytes;
    run->pages_with_text += page->text.bytes != 0;
    merge_put(&run->merge, page);
    return true;
}

/* False: it lies, or there is too much of it. */
static bool take_pages(struct run *run, struct reading *reading, struct error *err)
{
    struct page pages[PAGES_AT_ONCE];
    size_t count;
    do {
        bool is_true = transcript_pages(&reading->transcript, pages, PAGES_AT_ONCE, &count, err);
        if (!run->page_count && reading->transcript.has_document)
            take_document(run, &reading->transcript);
        if (!is_true)
            return false;
        reading->pages_read += (uint32_t)count;
        for (size_t i = 0; i < count; i++)
            if (!take_page(run, &pages[i], err))
                return false;
    } while (count == PAGES_AT_ONCE);
    return true;
}

static void note_skipped(struct run *run, const struct page *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) /* a transcript lets only those be left out that we told */
        if (pages[i].flags & PAGE_IS_SKIPPED)
            run->skipped[run->skipped_count++] = pages[i].number;
}

static void deliver(struct run *run)
{
    struct page pages[PAGES_AT_ONCE];
    size_t count;
    run->is_delivering = true;
    while (run->request && !run->has_verdict &&
           (count = merge_take(&run->merge, &run->credit, pages, PAGES_AT_ONCE)) > 0) {
        note_skipped(run, pages, count);
        run->request->on_pages(run->request, pages, count);
    }
    run->is_delivering = false;
}

static void on_heard(struct reading *reading)
{
    struct run *run = reading->arg;
    struct error err;
    if (!take_pages(run, reading, &err))
        set_verdict(run, &err);
    deliver(run);
    move_on(run);
}

/* ---- deaths ---------------------------------------------------------------------------------- */

/* It has used up its time on good pages: no blame, and a fresh allowance. */
static bool has_worked_well(const struct reading *reading, enum error_code code)
{
    uint64_t fair_ms = (uint64_t)reading->pages_read * FAIR_PAGE_MS;
    return code == ERR_EXTRACT_TIMEOUT && !reading->is_late &&
           fair_ms >= (uint64_t)reading->transcript.limits.cpu_seconds * 1000;
}

/* Killed from outside, perhaps for the memory of the whole machine. A page is not to blame, unless
 * it is killed at the same one again. */
static bool is_to_blame(struct run *run, uint32_t page)
{
    bool is_again = run->damage.code != ERR_HELPER || page == run->killed_page;
    run->killed_page = page;
    return page && is_again;
}

/* Another process may go on, behind a bad page if there is one. */
static bool can_resume(struct run *run, const struct reading *reading, uint32_t page)
{
    enum error_code code = run->damage.code;
    bool is_of_a_page =
        code == ERR_EXTRACT_TIMEOUT || code == ERR_EXTRACT_MEMORY || code == ERR_EXTRACT_CRASH;
    bool has_opened = reading->transcript.has_greeted || page;
    if (has_worked_well(reading, code))
        return true;
    if (run->death_count == WIRE_SKIPS_MAX)
        return false;
    if (!(is_of_a_page && has_opened) && !reading_was_killed(reading))
        return false;
    run->death_count++;
    if (is_to_blame(run, page)) /* else it was between two, or it is tried once more */
        run->skips[run->skip_count++] = page;
    return true;
}

/* Is there anything left that this child was to read? What it died of, or how it failed, may be the
 * verdict. */
static bool must_go_on(struct run *run, const struct reading *reading)
{
    const struct transcript *transcript = &reading->transcript;
    struct error err;
    bool is_done = transcript->has_document && !transcript->range_count;
    if (!run->request || run->has_verdict)
        return false;
    if (transcript->has_failed) {
        set_verdict(run, &transcript->failure);
        return false;
    }
    if (transcript->has_ended || is_done)
        return false;
    if (!reading->ended.has_run) {
        error_set_errno(&err, ERR_HELPER, (int)reading->ended.status, "forking a reader");
        set_verdict(run, &err);
        return false;
    }
    uint32_t page = reading_page(reading);
    reading_describe_end(reading, &run->damage);
    if (can_resume(run, reading, page))
        return true;
    set_verdict(run, &run->damage);
    return false;
}

static void launch(struct run *run, struct reading *reading);

static void drop_reading(struct run *run, struct reading *reading)
{
    list_remove(&run->readings, &reading->node);
    reading_release(reading);
    xfree(reading);
}

static void on_over(struct reading *reading)
{
    struct run *run = reading->arg;
    run->cpu_us += reading->ended.cpu_us;
    if (run->peak_bytes < reading->ended.peak_bytes)
        run->peak_bytes = reading->ended.peak_bytes;
    if (must_go_on(run, reading)) {
        transcript_resume(&reading->transcript, run->skips);
        launch(run, reading);
    } else {
        drop_reading(run, reading);
    }
    move_on(run);
}

/* ---- clocks ---------------------------------------------------------------------------------- */

/* A page that ended its child has used up its own time, not that of the others. */
static uint64_t wall_max_ms(const struct run *run)
{
    const struct extract_limits *limits = &run->request->limits;
    uint64_t max_ms = limits->wall_ms + run->page_count * limits->wall_page_ms +
                      run->death_count * limits->page_timeout_ms;
    return max_ms < limits->wall_max_ms ? max_ms : limits->wall_max_ms;
}

static uint64_t tick_ms(const struct run *run)
{
    return run->request->limits.page_timeout_ms / TICKS_PER_PAGE + 1;
}

/* Time in which we ourselves stood still (SIGSTOP, a suspended machine) does not count: the children
 * did so too, or we have not read what they sent. Nor does time in which nobody wants pages. */
static void on_tick(struct timer *timer)
{
    struct run *run = container_of(timer, struct run, tick);
    uint64_t now_ms = loop_now_ms(run->loop), elapsed_ms = now_ms - run->ticked_ms;
    if (!run->request || run->has_verdict || !run->readings.count)
        return;
    run->ticked_ms = now_ms;
    timer_start(run->loop, timer, tick_ms(run), on_tick);
    if (elapsed_ms > tick_ms(run) + FROZEN_MS)
        return;
    LIST_FOR_EACH(&run->readings, node)
        reading_tick(container_of(node, struct reading, node), elapsed_ms);
    run->wall_used_ms += run->credit > 0 ? elapsed_ms : 0;
    if (run->wall_used_ms < wall_max_ms(run))
        return;
    struct error err;
    error_set(&err, ERR_EXTRACT_TIMEOUT, "not done after %llu ms",
              (unsigned long long)run->wall_used_ms);
    set_verdict(run, &err);
}

/* ---- launching ------------------------------------------------------------------------------- */

static void launch(struct run *run, struct reading *reading)
{
    struct error err;
    struct run_helper *helper = run->helper;
    if (!helper->is_ready)
        error_set(&err, ERR_HELPER, "extraction helper: it is being started again");
    else if (reading_launch(reading, helper->zygote, ++helper->job_last, run->request, &err)) {
        if (!timer_is_waiting(&run->tick)) {
            run->ticked_ms = loop_now_ms(run->loop);
            timer_start(run->loop, &run->tick, tick_ms(run), on_tick);
        }
        return;
    }
    drop_reading(run, reading);
    run_give_up(run, &err);
}

/* ---- public ---------------------------------------------------------------------------------- */

struct run *run_new(struct loop *loop, struct run_helper *helper, struct extract_request *request)
{
    struct run *run = xcalloc(1, sizeof(*run));
    run->loop = loop;
    run->helper = helper;
    run->request = request;
    run->credit = CREDIT_AT_FIRST;
    run->slots_wanted = 1;
    run->title = buffer_new(WIRE_TEXT_BYTES_MAX);
    run->mime_type = buffer_new(WIRE_MIME_BYTES_MAX);
    list_init(&run->readings);
    merge_init(&run->merge);
    return run;
}

void run_free(struct run *run)
{
    assert(!run->request && !run->readings.count);
    timer_stop(run->loop, &run->tick);
    merge_release(&run->merge);
    buffer_release(&run->title);
    buffer_release(&run->mime_type);
    xfree(run);
}

void run_add_slot(struct run *run)
{
    struct transcript transcript;
    struct reading *reading = xmalloc(sizeof(*reading));
    int64_t credit = run->readings.count ? CREDIT_OF_A_BLOCK : run->credit;
    transcript_init(&transcript, run->request->limits, credit);
    transcript_resume(&transcript, run->skips);
    if (run->page_count)
        transcript_know(&transcript, run->page_count, take_block(run).page_first);
    reading_init(reading, run->loop, &transcript);
    reading->arg = run;
    reading->on_heard = on_heard;
    reading->on_over = on_over;
    list_push_back(&run->readings, &reading->node);
    launch(run, reading);
    run->slots_wanted = slots_wanted(run);
}

struct reading *run_find(struct run *run, uint64_t job)
{
    LIST_FOR_EACH(&run->readings, node) {
        struct reading *reading = container_of(node, struct reading, node);
        if (reading->has_child && reading->job == job)
            return reading;
    }
    return NULL;
}

void run_lost(struct run *run, const struct error *err)
{
    if (run->readings.count)
        set_verdict(run, err);
    LIST_FOR_EACH(&run->readings, node)
        reading_lost(container_of(node, struct reading, node));
}

void run_review(struct run *run)
{
    move_on(run);
}

void run_credit(struct run *run, uint64_t text_bytes)
{
    if (text_bytes > INT64_MAX / 2 || run->credit > INT64_MAX / 2)
        text_bytes = 0; /* it has more than it can ever use */
    run->credit += (int64_t)text_bytes;
    if (run->is_delivering)
        return;
    deliver(run);
    move_on(run);
}

void run_give_up(struct run *run, const struct error *err)
{
    if (!run->request || run->has_verdict)
        return;
    set_verdict(run, err);
    loop_later(run->loop, &run->answering, on_answering);
}
