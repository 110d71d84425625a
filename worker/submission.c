#include "worker/submission.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/event.h"
#include "queue/object.h"
#include "worker/base/memory.h"

#define LANES 8 /* files under way at once */
#define ATTEMPTS_MAX 5
#define RETRY_MS 500 /* doubled with each attempt */
#define EVENT_BYTES_MAX 16384

struct lane {
    struct submission *submission;
    const struct source *source; /* NULL: idle */
    unsigned attempts;
    bool is_uploading;
    int fd;
    uint64_t bytes;
    struct object_request put;
    struct topic_record record;
    struct header header;
    struct buffer event;
    struct timer retry;
};

struct submission {
    struct submission_order order;
    char job[UUID_TEXT_BYTES];
    struct lane lanes[LANES];
    size_t next, busy_count, done_count;
    uint64_t done_bytes;
    bool has_failed, is_stopped, is_over;
    struct error err;
    struct later step;
};

static void upload(struct lane *lane);
static void produce(struct lane *lane);
static void step_later(struct submission *submission);

static void leave(struct lane *lane)
{
    struct submission *submission = lane->submission;
    if (lane->fd >= 0)
        close(lane->fd);
    lane->fd = -1;
    lane->source = NULL;
    buffer_release(&lane->event);
    submission->busy_count--;
    step_later(submission);
}

static void fail(struct lane *lane, const struct error *err)
{
    struct submission *submission = lane->submission;
    if (!submission->has_failed) {
        submission->err = *err;
        error_wrap(&submission->err, "%s", lane->source->name);
    }
    submission->has_failed = true;
    leave(lane);
}

static void again(struct timer *timer)
{
    struct lane *lane = container_of(timer, struct lane, retry);
    if (lane->event.bytes)
        produce(lane);
    else
        upload(lane);
}

static void retry_or_fail(struct lane *lane, const struct error *err)
{
    struct submission *submission = lane->submission;
    enum disposition disposition = error_disposition(err->code);
    bool may_pass = (disposition == DISPOSITION_RETRY || disposition == DISPOSITION_WAIT) &&
                    err->code != ERR_DENIED;
    if (!may_pass || submission->has_failed || submission->is_stopped ||
        ++lane->attempts >= ATTEMPTS_MAX)
        fail(lane, err);
    else
        timer_start(submission->order.app->loop, &lane->retry, (uint64_t)RETRY_MS << lane->attempts,
                    again);
}

/* ---- the event ------------------------------------------------------------------------------- */

static void on_produced(struct topic_record *record, const struct error *err)
{
    struct lane *lane = container_of(record, struct lane, record);
    struct submission *submission = lane->submission;
    if (err) {
        retry_or_fail(lane, err);
        return;
    }
    submission->done_count++;
    submission->done_bytes += lane->bytes;
    submission->order.on_progress(submission->order.arg, submission->done_count,
                                  submission->done_bytes);
    leave(lane);
}

static void produce(struct lane *lane)
{
    const struct submission_order *order = &lane->submission->order;
    lane->header = (struct header){TEXT("millrace-job"), text_from(lane->submission->job)};
    lane->record = (struct topic_record){
        .topic = order->topic_name,
        .key = text_from(lane->source->key),
        .value = buffer_text(&lane->event),
        .headers = &lane->header,
        .header_count = 1,
        .on_done = on_produced,
    };
    topic_produce(order->topic, &lane->record);
}

/* Of an object that was there already: when it became what its eTag says. Told as of now, it would
 * seem newer than an overwrite since the list was read, and a view that lags would be believed. */
static uint64_t event_time_ms(const struct lane *lane)
{
    uint64_t modified_ms = lane->source->modified_ms;
    return modified_ms ? modified_ms : loop_wall_ms(lane->submission->order.app->loop);
}

static bool write_event(struct lane *lane, struct error *err)
{
    struct event event = {
        .kind = EVENT_PUT,
        .bucket = lane->source->bucket,
        .key = text_from(lane->source->key),
        .etag = text_from(lane->source->kind == SOURCE_FILE ? lane->put.etag : lane->source->etag),
        .size_bytes = lane->bytes,
        .has_size = lane->source->kind != SOURCE_LINK,
        .time_ms = event_time_ms(lane),
    };
    lane->event = buffer_new(EVENT_BYTES_MAX);
    return event_write(&lane->event, &event) ||
           error_set(err, ERR_USAGE, "its name makes an event larger than %d bytes",
                     EVENT_BYTES_MAX);
}

/* ---- the object ------------------------------------------------------------------------------ */

static void announce(struct lane *lane)
{
    struct error err;
    if (write_event(lane, &err))
        produce(lane);
    else
        fail(lane, &err);
}

static void on_put(struct object_request *request, const struct error *err)
{
    struct lane *lane = container_of(request, struct lane, put);
    lane->is_uploading = false;
    if (err)
        retry_or_fail(lane, err);
    else
        announce(lane);
}

static void upload(struct lane *lane)
{
    const struct submission_order *order = &lane->submission->order;
    lane->put = (struct object_request){
        .verb = OBJECT_PUT,
        .tenant = order->tenant,
        .bucket = lane->source->bucket,
        .key = text_from(lane->source->key),
        .put_fd = lane->fd,
        .put_bytes = lane->bytes,
        .on_done = on_put,
        .body_fd = -1,
    };
    lane->is_uploading = true;
    objects_send(order->app->objects, &lane->put);
}

static void take(struct lane *lane, const struct source *source)
{
    struct stat status;
    struct error err;
    lane->source = source;
    lane->attempts = 0;
    lane->submission->busy_count++;
    lane->bytes = source->bytes;
    if (source->kind != SOURCE_FILE) {
        announce(lane);
        return;
    }
    lane->fd = open(source->name, O_RDONLY | O_CLOEXEC);
    if (lane->fd < 0 || fstat(lane->fd, &status) != 0) {
        error_set_errno(&err, ERR_USAGE, errno, "it could be read a moment ago");
        fail(lane, &err);
        return;
    }
    lane->bytes = (uint64_t)status.st_size;
    upload(lane);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const struct source *next_source(struct submission *submission)
{
    const struct sources *sources = submission->order.sources;
    while (submission->next < sources->count) {
        const struct source *source = &sources->items[submission->next++];
        if (!source->is_final)
            return source;
    }
    return NULL;
}

static void step(struct later *later)
{
    struct submission *submission = container_of(later, struct submission, step);
    if (submission->is_over)
        return; /* asked for by a lane that ended at once */
    bool goes_on = !submission->has_failed && !submission->is_stopped;
    for (size_t i = 0; goes_on && i < LANES; i++) {
        const struct source *source = submission->lanes[i].source ? NULL : next_source(submission);
        if (source)
            take(&submission->lanes[i], source);
    }
    if (submission->busy_count)
        return;
    if (!submission->has_failed && submission->is_stopped)
        error_set(&submission->err, ERR_CANCELLED, "interrupted");
    bool is_good = !submission->has_failed && !submission->is_stopped;
    submission->is_over = true;
    later_cancel(submission->order.app->loop, &submission->step);
    submission->order.on_done(submission->order.arg, is_good ? NULL : &submission->err);
}

static void step_later(struct submission *submission)
{
    struct loop *loop = submission->order.app->loop;
    later_cancel(loop, &submission->step);
    loop_later(loop, &submission->step, step);
}

struct submission *submission_start(const struct submission_order *order)
{
    struct submission *submission = xcalloc(1, sizeof(*submission));
    submission->order = *order;
    uuid_format(order->job, submission->job);
    for (size_t i = 0; i < LANES; i++)
        submission->lanes[i] = (struct lane){.submission = submission, .fd = -1};
    step_later(submission);
    return submission;
}

void submission_stop(struct submission *submission)
{
    submission->is_stopped = true;
    for (size_t i = 0; i < LANES; i++) {
        struct lane *lane = &submission->lanes[i];
        if (lane->is_uploading)
            objects_cancel(submission->order.app->objects, &lane->put);
        if (!timer_is_waiting(&lane->retry))
            continue;
        timer_stop(submission->order.app->loop, &lane->retry);
        leave(lane);
    }
}

bool submission_is_uploading(const struct submission *submission)
{
    bool is_uploading = false;
    for (size_t i = 0; i < LANES; i++) {
        const struct lane *lane = &submission->lanes[i];
        is_uploading |= lane->source && !lane->event.bytes;
    }
    return is_uploading;
}

void submission_free(struct submission *submission)
{
    xfree(submission);
}
