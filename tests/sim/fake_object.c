/* queue/object.h over the world's bucket. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/sim/world.h"
#include "worker/base/memory.h"

#define USUAL_MS 30
#define STALE_MS 20000 /* how far a view may lag */
#define APART_MS 1500  /* Last-Modified has seconds: nearer changes cannot be told apart */

struct getting {
    struct worker *worker;
    struct object_request *request;
    struct timer serve, reply;
    bool has_failed;
    struct error err;
};

static void on_reply(struct timer *timer)
{
    struct getting *getting = container_of(timer, struct getting, reply);
    struct object_request *request = getting->request;
    timer_stop(getting->worker->world->loop, &getting->serve);
    getting->worker->open_calls--;
    request->private_state = NULL;
    request->on_done(request, getting->has_failed ? &getting->err : NULL);
    xfree(getting);
}

static void answer(struct getting *getting, enum error_code code)
{
    getting->has_failed = code != ERR_BUG;
    if (getting->has_failed)
        error_set(&getting->err, code, "the bucket: %s", error_name(code));
    bool has_wish = code == ERR_THROTTLED || code == ERR_UNAVAILABLE;
    if (has_wish && world_chance(getting->worker->world, 30))
        getting->err.retry_after_ms = (uint32_t)world_below(getting->worker->world, 90000);
    worker_timer(getting->worker, &getting->reply,
                 1 + world_delay(getting->worker->world, USUAL_MS), on_reply);
}

/* Which entry of the key's history is shown; -1: that there never was anything. A view may lag, and
 * go back behind what it has shown before. */
static int view(struct world *world, const struct place *place)
{
    int at = (int)place->history_count - 1;
    while (at >= 0 && place->history[at].at_ms + STALE_MS > world->now_ms &&
           (at == 0 || place->history[at - 1].at_ms + APART_MS < place->history[at].at_ms) &&
           world_fault(world, FAULT_STALE, 6))
        at--;
    return at;
}

static void give_body(struct object_request *request, unsigned number, uint64_t size_bytes)
{
    request->body_bytes = size_bytes;
    if (request->verb == OBJECT_HEAD || !size_bytes)
        return;
    request->body_fd = memfd_create("sim", MFD_CLOEXEC);
    assert(request->body_fd >= 0);
    ssize_t written = write(request->body_fd, &number, sizeof(number));
    assert(written == sizeof(number));
}

static void show(struct getting *getting, const struct place *place, int at)
{
    struct world *world = getting->worker->world;
    struct object_request *request = getting->request;
    if (at < 0 || place->history[at].version < 0) {
        answer(getting, ERR_GONE);
        return;
    }
    unsigned number = (unsigned)place->history[at].version;
    const struct version *version = &world->versions[number];
    uint64_t modified_ms = loop_wall_ms(world->loop) - (world->now_ms - place->history[at].at_ms);
    if (text_equal(request->if_none_match, text_from(version->etag))) {
        request->is_unchanged = true;
        if (world_chance(world, 50))
            request->modified_ms = modified_ms;
        answer(getting, ERR_BUG);
        return;
    }
    (void)text_format(request->etag, sizeof(request->etag), "%s", version->etag);
    request->modified_ms = modified_ms;
    give_body(request, number, version->content == CONTENT_EMPTY ? 0 : version->size_bytes);
    answer(getting, ERR_BUG);
}

static void on_serve(struct timer *timer)
{
    struct getting *getting = container_of(timer, struct getting, serve);
    struct world *world = getting->worker->world;
    static const enum error_code TROUBLES[] = {ERR_DENIED, ERR_UNAVAILABLE, ERR_TIMEOUT,
                                               ERR_CHECKSUM, ERR_THROTTLED};
    if (world_fault(world, FAULT_OBJECTS, 6)) {
        answer(getting, TROUBLES[world_below(world, COUNT_OF(TROUBLES))]);
        return;
    }
    for (unsigned i = 0; i < world->place_count; i++) {
        struct place *place = &world->places[i];
        if (text_equal(place->document.key, getting->request->key) && place->is_denied) {
            answer(getting, ERR_DENIED);
            return;
        }
        if (text_equal(place->document.key, getting->request->key)) {
            int at = view(world, place);
            world_trace(world, "place %u is looked at: %d of %u", i, at, place->history_count);
            show(getting, place, at);
            return;
        }
    }
    answer(getting, ERR_GONE);
}

void objects_send(struct objects *objects, struct object_request *request)
{
    struct worker *worker = objects->worker;
    struct world *world = worker->world;
    struct getting *getting = xcalloc(1, sizeof(*getting));
    assert(tenant_owns_key(request->tenant, request->key));
    getting->worker = worker;
    getting->request = request;
    request->private_state = getting;
    request->body_fd = -1;
    worker->open_calls++;
    if (worker->is_dead)
        answer(getting, ERR_UNREACHABLE);
    else
        timer_start(world->loop, &getting->serve, world_delay(world, USUAL_MS), on_serve);
}

void objects_cancel(struct objects *objects, struct object_request *request)
{
    struct getting *getting = request->private_state;
    if (request->body_fd >= 0)
        close(request->body_fd);
    request->body_fd = -1;
    timer_stop(objects->worker->world->loop, &getting->serve);
    answer(getting, ERR_CANCELLED);
}
