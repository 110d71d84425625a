#include "worker/measure.h"

#include <unistd.h>

#include "extract/extract.h"
#include "queue/object.h"
#include "worker/base/memory.h"
#include "worker/chunking.h"
#include "worker/cmd_ask.h"
#include "worker/cutting.h"
#include "worker/local_body.h"

#define LANES_MAX 64 /* as many as there can be children */

struct measuring;
struct measure_lane {
    struct measuring *measuring;
    size_t index;
    struct object_request get;
    struct extract_request extract;
    struct cutting cutting;
    struct error cut_err;
    bool has_cut_err;
};
struct measuring {
    struct measure_order order;
    size_t next, busy_count;
    struct measure_lane lanes[LANES_MAX];
    struct wait wait;
    bool has_failed;
    struct error err;
};

static void measure_next(struct measure_lane *lane);

static const struct source *source_of(const struct measure_lane *lane)
{
    return &lane->measuring->order.sources->items[lane->index];
}

static struct measured *result_of(const struct measure_lane *lane)
{
    return &lane->measuring->order.results[lane->index];
}

/* ---- an end ---------------------------------------------------------------------------------- */

static bool is_of_document(const struct measure_lane *lane, const struct error *err)
{
    enum disposition disposition = error_disposition(err->code);
    return disposition == DISPOSITION_REJECT || disposition == DISPOSITION_SKIP ||
           err->code == ERR_USAGE || source_of(lane)->kind == SOURCE_LINK;
}

static void record(struct measure_lane *lane, const struct error *err)
{
    struct measuring *measuring = lane->measuring;
    struct measured *result = result_of(lane);
    if (lane->extract.body_fd >= 0)
        close(lane->extract.body_fd);
    lane->extract.body_fd = -1;
    cutting_release(&lane->cutting);
    if (err && !is_of_document(lane, err) && !measuring->has_failed) {
        measuring->has_failed = true;
        measuring->err = *err;
        error_wrap(&measuring->err, "%s", source_of(lane)->name);
    }
    result->is_done = true;
    if (err) {
        result->has_failed = true;
        result->code = err->code;
        result->message = xstrdup(text_from(err->message));
    }
    measuring->busy_count--;
    measuring->order.on_measured(measuring->order.arg, lane->index);
}

static void leave(struct measure_lane *lane, const struct error *err)
{
    record(lane, err);
    measure_next(lane);
}

/* ---- reading and cutting --------------------------------------------------------------------- */

static void on_chunk(void *arg, const struct chunk *chunk)
{
    struct measured *result = result_of(arg);
    result->chunks++;
    result->tokens += chunk->token_count;
}

static void on_document(struct extract_request *request, const struct extract_document *document)
{
    cutting_title(&container_of(request, struct measure_lane, extract)->cutting, document->title);
}

static void on_pages(struct extract_request *request, const struct page *pages, size_t count)
{
    struct measure_lane *lane = container_of(request, struct measure_lane, extract);
    struct extract *extract = lane->measuring->order.app->extract;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count && !lane->has_cut_err; i++) {
        lane->has_cut_err = !cutting_page(&lane->cutting, &pages[i], &lane->cut_err);
        bytes += pages[i].text.bytes;
    }
    if (lane->has_cut_err)
        extract_cancel(extract, request);
    else
        extract_credit(extract, request, bytes);
}

static void on_read(struct extract_request *request, const struct extract_summary *summary,
                    const struct error *err)
{
    struct measure_lane *lane = container_of(request, struct measure_lane, extract);
    struct measured *result = result_of(lane);
    if (summary) {
        result->pages = summary->page_count;
        result->pages_skipped = summary->pages_skipped;
        result->cpu_us = summary->cpu_us;
    }
    if (!err && !lane->has_cut_err)
        lane->has_cut_err = !cutting_page(&lane->cutting, NULL, &lane->cut_err);
    leave(lane, lane->has_cut_err ? &lane->cut_err : err);
}

static void read_body(struct measure_lane *lane, int body_fd, uint64_t bytes)
{
    struct app *app = lane->measuring->order.app;
    result_of(lane)->bytes = bytes;
    lane->extract = (struct extract_request){.body_fd = body_fd,
                                             .body_bytes = bytes,
                                             .name = text_from(source_of(lane)->key),
                                             .limits = app_extract_limits(app->config),
                                             .on_document = on_document,
                                             .on_pages = on_pages,
                                             .on_done = on_read};
    extract_submit(app->extract, &lane->extract);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static void on_body(struct object_request *request, const struct error *err)
{
    struct measure_lane *lane = container_of(request, struct measure_lane, get);
    struct error empty;
    if (!err && request->body_bytes == 0) {
        close(request->body_fd);
        err = error_of(&empty, ERR_EMPTY);
    }
    if (err)
        leave(lane, err);
    else
        read_body(lane, request->body_fd, request->body_bytes);
}

static void fetch(struct measure_lane *lane)
{
    const struct source *source = source_of(lane);
    struct app *app = lane->measuring->order.app;
    lane->get = (struct object_request){.verb = OBJECT_GET,
                                        .tenant = lane->measuring->order.sources->options.tenant,
                                        .bucket = source->bucket,
                                        .key = text_from(source->key),
                                        .link = text_from(source->link),
                                        .size_hint = source->bytes,
                                        .on_done = on_body};
    objects_send(app->objects, &lane->get);
}

/* False: it could not be read, which is recorded. */
static bool open_file(struct measure_lane *lane)
{
    struct error err;
    uint64_t bytes = 0;
    uint64_t bytes_max = lane->measuring->order.app->config->file_bytes_max;
    int fd = local_body_open(source_of(lane)->name, bytes_max, &bytes, &err);
    if (fd >= 0)
        read_body(lane, fd, bytes);
    else
        record(lane, &err);
    return fd >= 0;
}

static bool start(struct measure_lane *lane)
{
    struct measuring *measuring = lane->measuring;
    measuring->busy_count++;
    lane->index = measuring->next++;
    lane->has_cut_err = false;
    lane->extract.body_fd = -1;
    lane->cutting = cutting_new(chunking_of(measuring->order.app->config), on_chunk, lane);
    if (source_of(lane)->kind == SOURCE_FILE)
        return open_file(lane);
    fetch(lane);
    return true;
}

static void measure_next(struct measure_lane *lane)
{
    struct measuring *measuring = lane->measuring;
    while (!measuring->has_failed && measuring->next < measuring->order.sources->count)
        if (start(lane))
            return;
    if (measuring->busy_count == 0)
        wait_done(&measuring->wait, measuring->has_failed ? &measuring->err : NULL);
}

bool measure_run(const struct measure_order *order, struct error *err)
{
    struct measuring *measuring = xcalloc(1, sizeof(*measuring));
    uint32_t slots = extract_figures(order->app->extract).slots_max;
    measuring->order = *order;
    measuring->wait = wait_on(order->app->loop);
    for (size_t i = 0; i < slots && i < LANES_MAX; i++) {
        measuring->lanes[i].measuring = measuring;
        measure_next(&measuring->lanes[i]);
    }
    bool is_good = wait_for(&measuring->wait, 0, err);
    xfree(measuring);
    return is_good;
}

void measured_release(struct measured *results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        xfree(results[i].message);
    xfree(results);
}
