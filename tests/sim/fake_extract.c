/* extract/extract.h: pages of the version that the body names, within the credit; its children are
 * the worker's own and die with it. */
#include <string.h>
#include <unistd.h>

#include "tests/sim/world.h"
#include "worker/base/memory.h"

#define SLOTS 2
#define USUAL_MS 30
#define CREDIT_BYTES ((int64_t)256 * 1024)

struct reading {
    struct worker *worker;
    struct extract_request *request;
    const struct version *version;
    struct list_node node; /* of waiting */
    struct timer timer;
    uint32_t next_page;
    int64_t credit_bytes;
    bool has_slot, is_ending, has_failed, is_cancelled;
    uint32_t crash_page; /* 0: none */
    struct error err;
};

static void next(struct reading *reading);

static void give_slots(struct extract *extract)
{
    while (extract->slots_busy < SLOTS && extract->waiting.count) {
        struct reading *reading =
            container_of(list_pop_front(&extract->waiting), struct reading, node);
        extract->slots_busy++;
        reading->has_slot = true;
        next(reading);
    }
}

static void on_end(struct timer *timer)
{
    struct reading *reading = container_of(timer, struct reading, timer);
    struct extract *extract = &reading->worker->extract;
    struct extract_request *request = reading->request;
    struct extract_summary summary = {
        .page_count = reading->version ? reading->version->page_count : 0,
        .title = TEXT("A title"),
        .mime_type = TEXT("application/pdf"),
    };
    extract->slots_busy -= reading->has_slot;
    reading->worker->open_calls--;
    bool has_summary = reading->version && !reading->is_cancelled;
    request->private_state = NULL;
    request->on_done(request, has_summary ? &summary : NULL,
                     reading->has_failed ? &reading->err : NULL);
    give_slots(extract);
    xfree(reading);
}

static void end_soon(struct reading *reading, enum error_code code)
{
    reading->is_ending = true;
    reading->has_failed = code != ERR_BUG;
    if (reading->has_failed)
        error_set(&reading->err, code, "the reader: %s", error_name(code));
    worker_timer(reading->worker, &reading->timer,
                 1 + world_delay(reading->worker->world, USUAL_MS), on_end);
}

static void give_document(struct reading *reading)
{
    const struct extract_document document = {reading->version->page_count, TEXT("A title"),
                                              TEXT("application/pdf")};
    if (reading->request->on_document)
        reading->request->on_document(reading->request, &document);
}

static void give_page(struct reading *reading)
{
    struct page page;
    if (reading->next_page == 1)
        give_document(reading);
    char *text = version_page(reading->version, reading->next_page++, &page);
    reading->credit_bytes -= (int64_t)page.text.bytes;
    reading->request->on_pages(reading->request, &page, 1);
    xfree(text);
}

static void on_page(struct timer *timer)
{
    struct reading *reading = container_of(timer, struct reading, timer);
    struct world *world = reading->worker->world;
    uint64_t burst = 1 + world_below(world, 8);
    while (burst-- && !reading->is_ending && reading->credit_bytes > 0 &&
           reading->next_page <= reading->version->page_count &&
           reading->next_page != reading->crash_page)
        give_page(reading);
    if (!reading->is_ending)
        next(reading);
}

/* Nothing happens while there is no credit. */
static void next(struct reading *reading)
{
    struct world *world = reading->worker->world;
    const struct version *version = reading->version;
    if (reading->is_ending || timer_is_waiting(&reading->timer))
        return;
    if (version->content == CONTENT_NOT_PDF)
        end_soon(reading, ERR_NOT_PDF);
    else if (reading->crash_page && reading->next_page >= reading->crash_page)
        end_soon(reading, version->content == CONTENT_CRASHES ? ERR_EXTRACT_CRASH : ERR_HELPER);
    else if (reading->next_page > version->page_count)
        end_soon(reading, ERR_BUG);
    else if (reading->credit_bytes > 0)
        worker_timer(reading->worker, &reading->timer, 1 + world_delay(world, USUAL_MS), on_page);
}

void fake_extract_init(struct worker *worker)
{
    worker->extract.worker = worker;
    list_init(&worker->extract.waiting);
}

static const struct version *version_of_body(struct world *world, int body_fd)
{
    unsigned number;
    ssize_t got = pread(body_fd, &number, sizeof(number), 0);
    assert(got == sizeof(number) && number < world->version_count);
    return &world->versions[number];
}

void extract_submit(struct extract *extract, struct extract_request *request)
{
    struct worker *worker = extract->worker;
    struct world *world = worker->world;
    struct reading *reading = xcalloc(1, sizeof(*reading));
    reading->worker = worker;
    reading->request = request;
    reading->next_page = 1;
    reading->credit_bytes = CREDIT_BYTES;
    reading->version = version_of_body(world, request->body_fd);
    request->private_state = reading;
    bool crashes = reading->version->content == CONTENT_CRASHES;
    if (crashes || world_fault(world, FAULT_EXTRACT, 8))
        reading->crash_page =
            1 + (uint32_t)(crashes ? reading->version->page_count / 2
                                   : world_below(world, reading->version->page_count));
    worker->open_calls++;
    list_push_back(&extract->waiting, &reading->node);
    /* Never from inside: the first page comes by a timer. */
    give_slots(extract);
}

void extract_credit(struct extract *extract, struct extract_request *request, uint64_t text_bytes)
{
    struct reading *reading = request->private_state;
    (void)extract;
    if (!reading)
        return;
    reading->credit_bytes += (int64_t)text_bytes;
    if (reading->has_slot)
        next(reading);
}

void extract_cancel(struct extract *extract, struct extract_request *request)
{
    struct reading *reading = request->private_state;
    if (!reading)
        return;
    if (list_is_member(&reading->node))
        list_remove(&extract->waiting, &reading->node);
    reading->is_cancelled = true;
    end_soon(reading, ERR_CANCELLED);
}
