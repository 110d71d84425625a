/*
 * A large object in several requests at once:
 *
 *     look (HEAD: which version, how long, which checksum) ─▶ parts, four at a time ─▶ checked
 *
 * Every part asks for that version alone (If-Match) and is written at its own place, so their order
 * is of no matter. An object that is overwritten meanwhile is begun again once; a server that does
 * not give parts is asked for the whole.
 */
#include <unistd.h>

#include "queue/body.h"
#include "queue/s3_private.h"
#include "worker/base/memory.h"

#define PARTS 4
#define ATTEMPTS_MAX 3 /* of one part */
#define RETRY_MS 500u

struct part {
    struct ranged *ranged;
    struct object_request request;
    struct s3_piece piece;
    struct timer again;
    unsigned attempts;
    bool is_busy;
};

struct ranged {
    struct s3 *s3;
    struct object_request *request;
    struct part parts[PARTS];
    struct checksum expected, computed;
    uint64_t next_byte;
    unsigned busy_count;
    bool is_cancelled, has_failed, was_overwritten, has_begun_again, is_whole_wanted, is_work_ok;
    struct error err;
    struct work work;
};

static void look(struct ranged *ranged);
static void on_part(struct object_request *request, const struct error *err);
static void send_again(struct timer *timer);

bool s3_wants_ranges(const struct s3 *s3, const struct object_request *request)
{
    return request->verb == OBJECT_GET && request->size_hint > s3->ranges_from_bytes;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void close_body(struct object_request *request)
{
    if (request->body_fd >= 0)
        close(request->body_fd);
    request->body_fd = -1;
}

static void finish(struct ranged *ranged, const struct error *err)
{
    struct s3 *s3 = ranged->s3;
    struct object_request *request = ranged->request;
    struct error kept = {0};
    if (ranged->is_cancelled)
        error_set(&kept, ERR_CANCELLED, "given up");
    else if (err)
        kept = *err;
    bool is_ok = !err && !ranged->is_cancelled;
    if (!is_ok)
        close_body(request);
    request->private_parts = NULL;
    xfree(ranged);
    request->on_done(request, is_ok ? NULL : &kept);
    s3->ranged_count--;
    s3_close_if_idle(s3);
}

static void fetch_whole(struct ranged *ranged)
{
    struct s3 *s3 = ranged->s3;
    struct object_request *request = ranged->request;
    close_body(request);
    request->private_parts = NULL;
    xfree(ranged);
    s3->ranged_count--;
    s3_send_whole(s3, request);
}

static void run_check(struct work *work)
{
    struct ranged *ranged = container_of(work, struct ranged, work);
    const struct object_request *request = ranged->request;
    ranged->is_work_ok = body_checksum(request->body_fd, request->body_bytes, ranged->expected.kind,
                                       &ranged->computed, &ranged->err);
}

/* What is wrong is fetched once more in one piece, where an eTag that is no MD5 is recognised. */
static void on_checked(struct work *work)
{
    struct ranged *ranged = container_of(work, struct ranged, work);
    if (!ranged->is_work_ok)
        finish(ranged, &ranged->err);
    else if (checksum_equal(&ranged->expected, &ranged->computed) || ranged->is_cancelled)
        finish(ranged, NULL);
    else
        fetch_whole(ranged);
}

static void check(struct ranged *ranged)
{
    if (!body_seal(ranged->request->body_fd, &ranged->err)) {
        finish(ranged, &ranged->err);
    } else if (ranged->expected.kind == CHECKSUM_NONE) {
        finish(ranged, NULL);
    } else {
        ranged->work = (struct work){.run = run_check, .on_done = on_checked};
        loop_work(ranged->s3->loop, &ranged->work);
    }
}

/* ---- the parts ------------------------------------------------------------------------------- */

static void send_part(struct part *part)
{
    const struct object_request *whole = part->ranged->request;
    part->request = (struct object_request){.verb = OBJECT_GET,
                                            .tenant = whole->tenant,
                                            .bucket = whole->bucket,
                                            .key = whole->key,
                                            .version_id = whole->version_id,
                                            .body_fd = -1,
                                            .on_done = on_part};
    s3_send_piece(part->ranged->s3, &part->request, &part->piece);
}

static bool is_going_on(const struct ranged *ranged)
{
    return !ranged->is_cancelled && !ranged->has_failed && !ranged->was_overwritten &&
           !ranged->is_whole_wanted;
}

static bool wants_more(const struct ranged *ranged)
{
    return is_going_on(ranged) && ranged->next_byte < ranged->request->body_bytes;
}

static void start_part(struct ranged *ranged, struct part *part)
{
    uint64_t left = ranged->request->body_bytes - ranged->next_byte;
    part->piece = (struct s3_piece){
        .from = ranged->next_byte,
        .bytes = left < ranged->s3->range_bytes ? left : ranged->s3->range_bytes,
        .fd = ranged->request->body_fd,
        .etag = ranged->request->etag,
    };
    ranged->next_byte += part->piece.bytes;
    ranged->busy_count++;
    part->attempts = 0;
    part->is_busy = true;
    send_part(part);
}

static void begin_again(struct ranged *ranged)
{
    ranged->was_overwritten = false;
    ranged->has_begun_again = true;
    look(ranged);
}

/* Starts what may start; with nothing left under way it decides what the object's end is. */
static void step(struct ranged *ranged)
{
    for (size_t i = 0; i < PARTS && wants_more(ranged); i++)
        if (!ranged->parts[i].is_busy)
            start_part(ranged, &ranged->parts[i]);
    if (ranged->busy_count)
        return;
    if (ranged->is_cancelled || ranged->has_failed)
        finish(ranged, &ranged->err);
    else if (ranged->is_whole_wanted)
        fetch_whole(ranged);
    else if (ranged->was_overwritten)
        begin_again(ranged);
    else
        check(ranged);
}

static void give_up_parts(struct ranged *ranged)
{
    for (size_t i = 0; i < PARTS; i++) {
        struct part *part = &ranged->parts[i];
        if (timer_is_waiting(&part->again))
            timer_start(ranged->s3->loop, &part->again, 0, send_again);
        if (part->request.private_state)
            s3_cancel(ranged->s3, &part->request);
    }
}

static void fail(struct ranged *ranged, const struct error *err)
{
    if (ranged->has_failed)
        return;
    ranged->has_failed = true;
    ranged->err = *err;
    give_up_parts(ranged);
}

static bool may_pass(const struct part *part, const struct error *err)
{
    bool is_ours = err->code == ERR_SHUTDOWN || err->code == ERR_CANCELLED;
    return !is_ours && error_disposition(err->code) == DISPOSITION_RETRY &&
           err->code != ERR_DENIED && part->attempts + 1 < ATTEMPTS_MAX &&
           is_going_on(part->ranged);
}

static void end_part(struct part *part)
{
    part->is_busy = false;
    part->ranged->busy_count--;
    step(part->ranged);
}

static void on_overwritten(struct ranged *ranged, const struct error *err)
{
    if (ranged->has_begun_again)
        fail(ranged, err); /* somebody keeps writing it: the task comes back */
    else
        ranged->was_overwritten = true;
}

static void on_part(struct object_request *request, const struct error *err)
{
    struct part *part = container_of(request, struct part, request);
    struct ranged *ranged = part->ranged;
    if (err && part->piece.was_ignored) {
        ranged->is_whole_wanted = true;
    } else if (err && err->code == ERR_NOT_YET) {
        on_overwritten(ranged, err);
    } else if (err && may_pass(part, err)) {
        uint64_t bound_ms = (uint64_t)RETRY_MS << part->attempts++;
        timer_start(ranged->s3->loop, &part->again,
                    rng_below(loop_rng(ranged->s3->loop), bound_ms) + 1, send_again);
        return;
    } else if (err) {
        fail(ranged, err);
    }
    end_part(part);
}

static void send_again(struct timer *timer)
{
    struct part *part = container_of(timer, struct part, again);
    if (is_going_on(part->ranged))
        send_part(part);
    else
        end_part(part);
}

/* ---- the look -------------------------------------------------------------------------------- */

static bool make_room(struct ranged *ranged, struct error *err)
{
    struct object_request *request = ranged->request;
    if (request->body_bytes > ranged->s3->bytes_max)
        return error_set(err, ERR_TOO_LARGE, "the object has %llu bytes",
                         (unsigned long long)request->body_bytes);
    close_body(request);
    request->body_fd = body_new(err);
    return request->body_fd >= 0;
}

static void on_looked(struct object_request *head, const struct error *err)
{
    struct part *part = container_of(head, struct part, request);
    struct ranged *ranged = part->ranged;
    struct object_request *request = ranged->request;
    ranged->busy_count--;
    part->is_busy = false;
    request->body_bytes = head->body_bytes;
    request->modified_ms = head->modified_ms;
    request->is_unchanged = head->is_unchanged;
    ranged->expected = part->piece.expected;
    (void)text_format(request->etag, sizeof(request->etag), "%s", head->etag);
    (void)text_format(request->content_type, sizeof(request->content_type), "%s",
                      head->content_type);
    if (err || ranged->is_cancelled)
        finish(ranged, err);
    else if (head->is_unchanged)
        finish(ranged, NULL);
    else if (!request->body_bytes) /* empty by now, or the server does not say */
        fetch_whole(ranged);
    else if (!make_room(ranged, &ranged->err))
        finish(ranged, &ranged->err);
    else
        step(ranged);
}

static void look(struct ranged *ranged)
{
    const struct object_request *whole = ranged->request;
    struct part *part = &ranged->parts[0];
    ranged->next_byte = 0;
    ranged->busy_count++;
    part->is_busy = true;
    part->piece = (struct s3_piece){0};
    part->request = (struct object_request){.verb = OBJECT_HEAD,
                                            .tenant = whole->tenant,
                                            .bucket = whole->bucket,
                                            .key = whole->key,
                                            .if_none_match = whole->if_none_match,
                                            .version_id = whole->version_id,
                                            .body_fd = -1,
                                            .on_done = on_looked};
    s3_send_piece(ranged->s3, &part->request, &part->piece);
}

void s3_ranges_start(struct s3 *s3, struct object_request *request)
{
    struct ranged *ranged = xcalloc(1, sizeof(*ranged));
    ranged->s3 = s3;
    ranged->request = request;
    for (size_t i = 0; i < PARTS; i++)
        ranged->parts[i].ranged = ranged;
    request->private_parts = ranged;
    s3->ranged_count++;
    look(ranged);
}

void s3_ranges_cancel(struct object_request *request)
{
    struct ranged *ranged = request->private_parts;
    ranged->is_cancelled = true;
    give_up_parts(ranged);
}
