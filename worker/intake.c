#include "worker/intake.h"

#include <assert.h>
#include <string.h>

#include "queue/event.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/model/link.h"
#include "worker/parcel.h"

#define PARSE_BYTES_MAX ((size_t)128 << 20) /* what a message of a MiB can become at most */
#define QUANTUM_BYTES ((uint64_t)1024 * 1024)
#define COST_BYTES_UNKNOWN ((uint64_t)256 * 1024)
#define MESSAGE_BYTES_USUAL 2048 /* research/kafka.md 2.3: S3 events are 0.7 to 2 KB */

struct intake {
    struct pipeline *pipeline;
    struct intake_events events;
    struct parcels parcels;
    struct fair *fair;
    struct uuid_map objects;
    struct arena parsing; /* of the message that is being taken apart */
    size_t waiting_count; /* arrivals that are not in work */
    bool is_open;
    struct later crediting;
};

/* ---- credit: back-pressure is not popping ---------------------------------------------------- */

static void give_credit(struct later *later)
{
    struct intake *intake = container_of(later, struct intake, crediting);
    const struct pipeline_limits *limits = &intake->pipeline->limits;
    size_t events = intake->waiting_count < limits->waiting_max
                        ? limits->waiting_max - intake->waiting_count
                        : 0;
    size_t bytes = intake->parcels.message_bytes < limits->waiting_bytes_max
                       ? limits->waiting_bytes_max - intake->parcels.message_bytes
                       : 0;
    size_t messages = bytes / MESSAGE_BYTES_USUAL;
    messages = messages < events ? messages : events;
    queue_credit(intake->pipeline->queue, intake->is_open ? (uint32_t)messages : 0);
    metric_set(METRIC_EVENTS_WAITING, 0, (double)intake->waiting_count);
}

static void credit_soon(void *arg)
{
    struct intake *intake = arg;
    if (!list_is_member(&intake->crediting.waiting))
        loop_later(intake->pipeline->loop, &intake->crediting, give_credit);
}

/* ---- objects and arrivals -------------------------------------------------------------------- */

static struct object *object_new(struct intake *intake, struct uuid user,
                                 const struct document *document)
{
    size_t bucket_bytes = document->bucket.bytes, key_bytes = document->key.bytes;
    struct object *object = xcalloc(1, sizeof(*object) + bucket_bytes + key_bytes + 2);
    char *texts = (char *)(object + 1);
    memcpy(texts, document->bucket.start, bucket_bytes);
    memcpy(texts + bucket_bytes + 1, document->key.start, key_bytes);
    object->intake = intake;
    object->node.id = document->id;
    object->turn.flow = user;
    object->document = (struct document){
        .id = document->id,
        .bucket = {texts, bucket_bytes},
        .key = {texts + bucket_bytes + 1, key_bytes},
    };
    list_init(&object->arrivals);
    object->state = OBJECT_RESTING;
    uuid_map_add(&intake->objects, &object->node);
    return object;
}

static void object_free(struct object *object)
{
    uuid_map_remove(&object->intake->objects, &object->node);
    xfree(object);
}

static void arrival_free(struct arrival *arrival)
{
    list_remove(&arrival->object->arrivals, &arrival->node);
    xfree(arrival);
}

static struct arrival *newest(const struct object *object)
{
    return container_of(object->arrivals.head.previous, struct arrival, node);
}

bool object_has_newer_put(const struct object *object, const struct arrival *arrival)
{
    for (const struct list_node *node = list_next(&object->arrivals, &arrival->node); node;
         node = list_next(&object->arrivals, node))
        if (!container_of(node, struct arrival, node)->is_removal)
            return true;
    return false;
}

static uint64_t cost_of(const struct object *object)
{
    uint64_t bytes = newest(object)->size_bytes;
    return bytes ? bytes : COST_BYTES_UNKNOWN;
}

static void object_wait(struct object *object)
{
    struct intake *intake = object->intake;
    object->state = OBJECT_WAITING;
    object->turn.cost = cost_of(object);
    fair_push(intake->fair, &object->turn);
    intake->events.on_waiting(intake->events.arg);
}

static void on_rested(struct timer *timer)
{
    object_wait(container_of(timer, struct object, rest));
}

static void object_rest(struct object *object, uint64_t delay_ms)
{
    object->state = OBJECT_RESTING;
    timer_start(object->intake->pipeline->loop, &object->rest, delay_ms, on_rested);
}

static void leave_work(struct object *object)
{
    assert(object->state == OBJECT_IN_WORK);
    uint64_t charged = object->turn.cost;
    fair_done(object->intake->fair, object->turn.flow, charged, charged);
    object->state = OBJECT_RESTING;
    object->worked = NULL;
}

static void give_back(struct intake *intake, struct arrival *arrival)
{
    struct parcel *parcel = arrival->parcel;
    intake->waiting_count--;
    arrival_free(arrival);
    if (parcel)
        parcel_give_back_one(&intake->parcels, parcel);
}

/* What still waits goes back: of a revoked assignment, or all of it once the door is closed. True:
 * nothing is left of the object. */
static bool shed(struct object *object)
{
    struct intake *intake = object->intake;
    LIST_FOR_EACH(&object->arrivals, at) {
        struct arrival *arrival = container_of(at, struct arrival, node);
        bool is_unwanted = !intake->is_open || (arrival->parcel && arrival->parcel->is_revoked);
        if (is_unwanted && arrival != object->worked)
            give_back(intake, arrival);
    }
    if (object->arrivals.count)
        return false;
    if (object->state == OBJECT_WAITING)
        fair_remove(intake->fair, &object->turn);
    timer_stop(intake->pipeline->loop, &object->rest);
    object_free(object);
    return true;
}

static void shed_node(void *arg, struct uuid_node *node)
{
    (void)arg;
    (void)shed(container_of(node, struct object, node));
}

/* The object has left work: what comes next for it? */
static void object_next(struct object *object, uint64_t delay_ms)
{
    credit_soon(object->intake);
    if (shed(object))
        return;
    if (delay_ms)
        object_rest(object, delay_ms);
    else
        object_wait(object);
}

bool intake_goes_ahead(const struct intake *intake)
{
    return fair_goes_ahead(intake->fair);
}

struct object *intake_take(struct intake *intake)
{
    struct fair_item *turn = fair_pop(intake->fair, loop_now_ms(intake->pipeline->loop));
    if (!turn)
        return NULL;
    struct object *object = container_of(turn, struct object, turn);
    object->state = OBJECT_IN_WORK;
    object->worked = newest(object);
    return object;
}

void intake_weigh(struct object *object, uint32_t weight_permille, uint32_t in_flight_max)
{
    _Static_assert(FAIR_WEIGHT_ONE == 1000, "weights are thousandths on both sides");
    fair_configure(object->intake->fair, object->turn.flow,
                   weight_permille ? weight_permille : FAIR_WEIGHT_ONE, in_flight_max);
}

void intake_hold(struct object *object, bool is_held)
{
    fair_hold(object->intake->fair, object->turn.flow, is_held);
}

void intake_final(struct intake *intake, struct arrival *arrival, enum event_outcome outcome)
{
    struct object *object = arrival->object;
    struct parcel *parcel = arrival->parcel;
    uint64_t age_ms = loop_now_ms(intake->pipeline->loop) - arrival->arrived_ms;
    metric_observe(METRIC_DOCUMENT_SECONDS, 0, (double)age_ms / 1000);
    leave_work(object);
    arrival_free(arrival);
    intake->waiting_count--;
    object->attempts = 0;
    object_next(object, 0);
    if (parcel)
        parcel_close_one(&intake->parcels, parcel, outcome);
    else
        metric_add(METRIC_EVENTS, outcome, 1);
}

void intake_again(struct intake *intake, struct object *object, uint64_t delay_ms, bool is_failure)
{
    assert(object->intake == intake);
    leave_work(object);
    object->attempts += is_failure;
    object_next(object, delay_ms);
}

void intake_dead_letter(struct intake *intake, struct arrival *arrival, const struct error *err)
{
    struct object *object = arrival->object;
    struct parcel *parcel = arrival->parcel;
    struct uuid user = object->turn.flow;
    uint32_t event_no = arrival->event_no;
    leave_work(object);
    arrival_free(arrival);
    intake->waiting_count--;
    object->attempts = 0;
    object_next(object, 0);
    if (parcel)
        parcel_bury(&intake->parcels, parcel, event_no, &user, err);
}

/* ---- events in ------------------------------------------------------------------------------- */

static struct arrival *add_arrival(struct intake *intake, struct uuid user,
                                   const struct document *document, struct text etag)
{
    struct uuid_node *node = uuid_map_find(&intake->objects, document->id);
    struct object *object =
        node ? container_of(node, struct object, node) : object_new(intake, user, document);
    struct arrival *arrival = xcalloc(1, sizeof(*arrival) + etag.bytes + 1);
    if (etag.bytes)
        memcpy(arrival + 1, etag.start, etag.bytes);
    arrival->etag = (struct text){(char *)(arrival + 1), etag.bytes};
    arrival->object = object;
    arrival->arrived_ms = loop_now_ms(intake->pipeline->loop);
    intake->waiting_count++;
    list_push_back(&object->arrivals, &arrival->node);
    return arrival;
}

static void wait_if_new(struct object *object)
{
    if (object->state == OBJECT_RESTING && !timer_is_waiting(&object->rest))
        object_wait(object);
}

static bool is_our_bucket(const struct pipeline *pipeline, struct text bucket)
{
    for (size_t i = 0; i < pipeline->bucket_count; i++)
        if (text_equal(pipeline->buckets[i], bucket))
            return true;
    return pipeline->bucket_count == 0;
}

static bool admit_event(struct intake *intake, struct parcel *parcel, const struct event *event,
                        struct error *err)
{
    struct uuid user;
    char identity[1024];
    if (event->kind == EVENT_BAD)
        return error_set(err, event->code, "%.*s", TEXT_ARGS(event->reason));
    bool is_link = event->has_job && text_equal(event->bucket, LINK_BUCKET);
    if (!is_link && !is_our_bucket(intake->pipeline, event->bucket))
        return error_set(err, ERR_EVENT_BUCKET, "bucket %.*s is not in S3_BUCKET",
                         TEXT_ARGS(event->bucket));
    if (!tenant_id_from_key(event->key, &user, err))
        return false;
    struct document document = document_of(event->bucket, event->key);
    struct arrival *arrival = add_arrival(intake, user, &document, event->etag);
    arrival->parcel = parcel;
    arrival->event_no = event->no;
    arrival->is_removal = event->kind == EVENT_REMOVED;
    arrival->may_uncover = event_may_uncover(event);
    arrival->is_bare = !arrival->is_removal && !event->has_job;
    arrival->size_bytes = event->size_bytes;
    arrival->time_ms = event->time_ms;
    if (event->has_job)
        arrival->job = event->job;
    else if (arrival->is_bare)
        arrival->job =
            document_bare_job(&document, event_version_identity(event, identity, sizeof(identity)));
    if (arrival->is_removal)
        arrival->job = UUID_NIL;
    wait_if_new(arrival->object);
    return true;
}

static void take_event(struct intake *intake, struct parcel *parcel, const struct event *event)
{
    struct error err;
    parcel->open_count++;
    if (event->kind == EVENT_IGNORED)
        parcel_close_one(&intake->parcels, parcel, EVENT_OUTCOME_IGNORED);
    else if (!admit_event(intake, parcel, event, &err))
        parcel_bury(&intake->parcels, parcel, event->no, NULL, &err);
}

static void bury_whole(struct intake *intake, struct parcel *parcel, const struct error *err)
{
    parcel->open_count++;
    parcel_bury(&intake->parcels, parcel, 0, NULL, err);
}

static void on_message(void *arg, struct message *message)
{
    struct intake *intake = arg;
    struct parcel *parcel = parcel_open(&intake->parcels, message);
    const struct message_view *view = message_view(parcel->message);
    struct event *events;
    size_t event_count;
    struct error err;
    if (view->is_unreadable) {
        error_set(&err, view->unreadable, "%.*s", TEXT_ARGS(view->value));
        bury_whole(intake, parcel, &err);
    } else if (!event_parse(view, &intake->parsing, &events, &event_count, &err)) {
        bury_whole(intake, parcel, &err);
    } else {
        for (size_t i = 0; i < event_count; i++)
            take_event(intake, parcel, &events[i]);
        metric_add(METRIC_EVENTS, EVENT_OUTCOME_IGNORED, event_count == 0);
    }
    arena_clear(&intake->parsing);
    parcel_taken_apart(&intake->parcels, parcel);
    credit_soon(intake); /* a packed one leaves room for more */
}

static void on_revoked(void *arg, uint64_t epoch, bool is_lost)
{
    struct intake *intake = arg;
    LOG_INFO("assignment_revoked", FIELD_U64("epoch", epoch), FIELD_BOOL("is_lost", is_lost));
    parcels_revoke(&intake->parcels, epoch);
    uuid_map_each(&intake->objects, shed_node, NULL);
    credit_soon(intake);
}

static void on_assigned(void *arg, uint32_t partition_count)
{
    (void)arg;
    LOG_INFO("assignment_received", FIELD_U64("partitions", partition_count));
}

bool intake_has_room(const struct intake *intake)
{
    return intake->waiting_count < intake->pipeline->limits.waiting_max;
}

bool intake_add_due(struct intake *intake, const struct due_item *item)
{
    struct uuid user;
    struct error err;
    struct document document = {item->document, text_from(item->bucket), text_from(item->key)};
    if (!intake->is_open || uuid_map_find(&intake->objects, item->document))
        return false;
    if (!tenant_id_from_key(document.key, &user, &err) || !uuid_equal(user, item->user_id)) {
        char id[UUID_TEXT_BYTES];
        LOG_ERROR("item_not_runnable", FIELD_STR("document", uuid_format(item->document, id)),
                  FIELD_STR("reason", "its key does not lie in its user's prefix"));
        return false;
    }
    struct arrival *arrival = add_arrival(intake, user, &document, TEXT_NONE);
    arrival->job = item->job;
    arrival->is_removal = uuid_is_nil(item->job);
    arrival->is_overdue = item->is_overdue;
    wait_if_new(arrival->object);
    return true;
}

/* ---- opening and closing --------------------------------------------------------------------- */

struct intake *intake_new(struct pipeline *pipeline, struct intake_events events)
{
    struct intake *intake = xcalloc(1, sizeof(*intake));
    intake->pipeline = pipeline;
    intake->events = events;
    intake->parsing = arena_new(PARSE_BYTES_MAX);
    /* While others are quiet a tenant may have everything, but for what its settings say. */
    intake->fair = fair_new(QUANTUM_BYTES, CLAIMS_MAX);
    parcels_init(&intake->parcels, pipeline, credit_soon, intake);
    metric_set(METRIC_EVENTS_WAITING_MAX, 0, pipeline->limits.waiting_max);
    return intake;
}

/* The broker is away, or refuses something: it is tried again. */
static void on_trouble(void *arg, const struct error *err)
{
    (void)arg;
    LOG_WARN("kafka_troubled", FIELD_ERROR(err), FIELD_STR("remedy", error_remedy(err->code)));
}

static void on_fatal(void *arg, const struct error *err)
{
    struct intake *intake = arg;
    intake->events.on_fatal(intake->events.arg, err);
}

struct queue_events intake_queue_events(struct intake *intake)
{
    return (struct queue_events){
        .arg = intake,
        .on_message = on_message,
        .on_revoked = on_revoked,
        .on_assigned = on_assigned,
        .on_trouble = on_trouble,
        .on_fatal = on_fatal,
    };
}

void intake_open_door(struct intake *intake)
{
    intake->is_open = true;
    credit_soon(intake);
}

void intake_close_door(struct intake *intake)
{
    intake->is_open = false;
    later_cancel(intake->pipeline->loop, &intake->crediting);
    give_credit(&intake->crediting);
    uuid_map_each(&intake->objects, shed_node, NULL);
    parcels_abandon_all(&intake->parcels);
}

size_t intake_waiting_count(const struct intake *intake)
{
    return intake->waiting_count;
}

size_t intake_burying_count(const struct intake *intake)
{
    return intake->parcels.burials.count;
}

void intake_free(struct intake *intake)
{
    if (!intake)
        return;
    assert(intake->objects.count == 0);
    later_cancel(intake->pipeline->loop, &intake->crediting);
    parcels_release(&intake->parcels);
    uuid_map_release(&intake->objects);
    arena_release(&intake->parsing);
    fair_free(intake->fair);
    xfree(intake);
}
