/* What people do to the bucket and to their jobs, and the events of it. */
#include <string.h>

#include "queue/event.h"
#include "tests/sim/world.h"
#include "worker/base/buffer.h"
#include "worker/base/memory.h"

#define BETWEEN_MS 2500
#define REGISTERED_DUE_MS 120000u

struct transit { /* a message on its way into the topic */
    struct world *world;
    struct timer timer;
    struct record *record;
};

/* ---- messages ------------------------------------------------------------------------------ */

static void on_arrived(struct timer *timer)
{
    struct transit *transit = container_of(timer, struct transit, timer);
    topic_append(transit->world, transit->record);
    transit->world->in_transit--;
    xfree(transit);
}

static void send(struct world *world, struct record *record)
{
    struct transit *transit = xcalloc(1, sizeof(*transit));
    bool is_late = world_fault(world, FAULT_DUPLICATES, 4);
    transit->world = world;
    transit->record = record;
    world->in_transit++;
    timer_start(world->loop, &transit->timer, world_below(world, is_late ? 30000 : 50), on_arrived);
}

static struct record *record_copy(const struct record *record)
{
    struct record *copy = xmalloc(sizeof(*copy));
    *copy = *record;
    copy->value = xstrdup((struct text){record->value, record->value_bytes});
    copy->was_settled = false;
    if (copy->header_count)
        copy->header.value = text_from(copy->job_text);
    return copy;
}

static struct record *record_new(struct world *world, struct text value)
{
    struct record *record = xcalloc(1, sizeof(*record));
    record->value = xstrdup(value);
    record->value_bytes = value.bytes;
    record->made_ms = world->now_ms;
    return record;
}

static struct event event_of(struct world *world, unsigned place, const struct version *version,
                             char sequencer[32])
{
    struct event event = {
        .kind = version ? EVENT_PUT : EVENT_REMOVED,
        .bucket = TEXT(SIM_BUCKET),
        .key = world->places[place].document.key,
        .time_ms = loop_wall_ms(world->loop),
    };
    (void)text_format(sequencer, 32, "%016llX", (unsigned long long)++world->sequence);
    event.sequencer = text_from(sequencer);
    if (version) {
        event.etag = text_from(version->etag);
        event.has_size = version->content != CONTENT_EMPTY && !world_chance(world, 20);
        event.size_bytes = event.has_size ? version->size_bytes : 0;
    }
    return event;
}

/* {"Records":[a]} and {"Records":[b]} become {"Records":[a,b]}. */
static void join(struct buffer *out, struct text more)
{
    struct text head = TEXT("{\"Records\":[");
    if (!out->bytes) {
        buffer_append_text(out, more);
        return;
    }
    out->bytes -= 2;
    buffer_append_char(out, ',');
    buffer_append_text(out, text_slice(more, head.bytes, more.bytes));
}

static void add_event(struct world *world, struct record *record, struct buffer *value,
                      unsigned place, const struct version *version)
{
    char sequencer[32], identity[1024];
    struct event event = event_of(world, place, version, sequencer);
    AUTO_BUFFER struct buffer one = buffer_new(1 << 16);
    bool is_written = event_write(&one, &event);
    assert(is_written);
    join(value, buffer_text(&one));
    struct sim_event *noted = &record->events[record->event_count++];
    *noted = (struct sim_event){version ? SIM_PUT : SIM_REMOVED, place, UUID_NIL, version != NULL};
    if (version)
        noted->job = document_bare_job(&world->places[place].document,
                                       event_version_identity(&event, identity, sizeof(identity)));
}

/* The event of a change of the place, with whatever was said about others just before. */
static struct record *announce(struct world *world, unsigned place, const struct version *version)
{
    AUTO_BUFFER struct buffer value = buffer_new(1 << 20);
    struct record *record = record_new(world, TEXT(""));
    add_event(world, record, &value, place, version);
    xfree(record->value);
    record->value = xstrdup(buffer_text(&value));
    record->value_bytes = value.bytes;
    return record;
}

static void send_and_repeat(struct world *world, struct record *record)
{
    if (world_fault(world, FAULT_DUPLICATES, 4))
        send(world, record_copy(record));
    send(world, record);
}

/* ---- the bucket ---------------------------------------------------------------------------- */

static void change(struct world *world, unsigned number, int version)
{
    struct place *place = &world->places[number];
    assert(place->history_count < HISTORY_MAX);
    world_trace(world, "place %u holds %s now", number,
                version < 0 ? "nothing" : world->versions[version].etag);
    place->history[place->history_count].version = version;
    place->history[place->history_count++].at_ms = world->now_ms;
}

static int current(const struct place *place)
{
    return place->history_count ? place->history[place->history_count - 1].version : -1;
}

static int choose_version(struct world *world, unsigned place)
{
    int like = current(&world->places[place]);
    if (world->version_count && world_chance(world, 20)) /* the same bytes as before */
        return (int)world_below(world, world->version_count);
    if (world->version_count + 2 >= VERSIONS_MAX)
        return 0;
    return (int)version_new(world, world_chance(world, 60) ? like : -1);
}

static void put(struct world *world, unsigned place)
{
    int version = choose_version(world, place);
    change(world, place, version);
    send_and_repeat(world, announce(world, place, &world->versions[version]));
}

static void remove_object(struct world *world, unsigned place)
{
    if (current(&world->places[place]) < 0)
        return;
    change(world, place, -1);
    send_and_repeat(world, announce(world, place, NULL));
}

/* One message about two objects. */
static void put_two(struct world *world)
{
    AUTO_BUFFER struct buffer value = buffer_new(1 << 20);
    struct record *record = record_new(world, TEXT(""));
    unsigned first = (unsigned)world_below(world, world->place_count);
    for (unsigned i = 0; i < 2; i++) {
        unsigned place = (first + i) % world->place_count;
        int version = choose_version(world, place);
        change(world, place, version);
        add_event(world, record, &value, place, &world->versions[version]);
    }
    xfree(record->value);
    record->value = xstrdup(buffer_text(&value));
    record->value_bytes = value.bytes;
    send_and_repeat(world, record);
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static void register_item(struct world *world, struct job *job, unsigned place)
{
    struct document_row *row = &world->places[place].row;
    if (!row->exists) {
        row->exists = true;
        row->job = job->id;
    }
    job->total++;
    item_add(world, job->id, place, world->now_ms + REGISTERED_DUE_MS);
}

static void send_registered(struct world *world, const struct job *job, unsigned place)
{
    struct record *record =
        announce(world, place, &world->versions[current(&world->places[place])]);
    record->events[0].job = job->id;
    record->events[0].is_bare = false;
    record->header =
        (struct header){TEXT("millrace-job"), text_from(uuid_format(job->id, record->job_text))};
    record->header_count = 1;
    send_and_repeat(world, record);
}

/* `submit`: rows, then uploads, then events; some of them may be lost, the bucket's own come too.
 */
static void submit(struct world *world)
{
    unsigned tenant = (unsigned)world_below(world, 2);
    struct uuid id = UUID_NIL;
    uint64_t word = rng_next(&world->rng);
    memcpy(id.bytes, &word, sizeof(word));
    unsigned places[PLACES_MAX], count = 0;
    for (unsigned i = 0; i < world->place_count; i++)
        if (world->places[i].tenant == tenant && world_chance(world, 60))
            places[count++] = i;
    if (!count || !world->tenants[tenant].is_active)
        return;
    struct job *job = job_add(world, id, tenant);
    job->is_batch = true;
    for (unsigned i = 0; i < count; i++)
        register_item(world, job, places[i]);
    for (unsigned i = 0; i < count; i++) {
        if (current(&world->places[places[i]]) < 0 || world_chance(world, 50))
            put(world, places[i]);
        if (!world_fault(world, FAULT_LOST_EVENTS, 3))
            send_registered(world, job, places[i]);
    }
}

static void control_job(struct world *world)
{
    if (!world->job_count)
        return;
    struct job *job = &world->jobs[world_below(world, world->job_count)];
    uint64_t dice = world_below(world, 3);
    if (job->processed + job->failed + job->cancelled == job->total || job->is_cancelled)
        return;
    if (dice == 0 && !job->is_cancelled)
        job->is_cancelled = true;
    else
        job->is_paused = dice == 1;
    for (unsigned i = 0; dice != 1 && i < world->item_count; i++) {
        struct item *item = &world->items[i];
        if (!uuid_equal(item->job, job->id) || item->is_closed || (dice == 2 && !item->parked_ms))
            continue;
        item->due_ms = world->now_ms;
        item->parked_until_ms = 0;
    }
    job->is_paused = job->is_paused && !job->is_cancelled;
}

/* ---- others -------------------------------------------------------------------------------- */

/* An event with a job that does not have the document. */
static void send_forged(struct world *world, unsigned place)
{
    if (current(&world->places[place]) < 0)
        return;
    struct job job = {.id = {{1, 2, 3}}};
    send_registered(world, &job, place);
}

static void send_nonsense(struct world *world)
{
    static const struct {
        struct text value;
        enum sim_event_kind kind;
    } MESSAGES[] = {
        {{"", 0}, SIM_BAD},
        {{"not json", 8}, SIM_BAD},
        {{"{\"a\":1}", 7}, SIM_BAD},
        {{"{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"sim\"}", 62},
         SIM_IGNORED},
        {{"{\"Records\":[{\"eventSource\":\"aws:s3\",\"eventName\":\"ObjectCreated:Put\",\"s3\":{"
          "\"bucket\":{\"name\":\"sim\"},\"object\":{\"key\":\"elsewhere/a.pdf\"}}}]}",
          131},
         SIM_BAD},
        {{"{\"Records\":[{\"eventSource\":\"aws:s3\",\"eventName\":\"ObjectCreated:Put\",\"s3\":{"
          "\"bucket\":{\"name\":\"foreign\"},\"object\":{\"key\":\"elsewhere/a.pdf\"}}}]}",
          0},
         SIM_BAD},
        {{"{\"Records\":[{\"eventSource\":\"aws:s3\",\"eventName\":\"ObjectCreated:Put\",\"s3\":{"
          "\"bucket\":{\"name\":\"sim\"}}}]}",
          0},
         SIM_BAD},
    };
    size_t at = (size_t)world_below(world, COUNT_OF(MESSAGES));
    struct text value = text_from(MESSAGES[at].value.start);
    struct record *record = record_new(world, value);
    record->events[record->event_count++] = (struct sim_event){.kind = MESSAGES[at].kind};
    send_and_repeat(world, record);
}

static void trouble_tenant(struct world *world)
{
    struct sim_tenant *tenant = &world->tenants[world_below(world, world->tenant_count)];
    if (world_chance(world, 50)) {
        tenant->is_over_quota = !tenant->is_over_quota;
        return;
    }
    tenant->is_active = false;
    tenant->was_inactive = true;
}

static void on_user_tick(struct timer *timer)
{
    struct world *world = container_of(timer, struct world, user_tick);
    unsigned place = (unsigned)world_below(world, world->place_count);
    uint64_t dice = world_below(world, 100);
    if (world->now_ms >= world->active_until_ms)
        return;
    timer_start(world->loop, timer, 1 + world_below(world, BETWEEN_MS), on_user_tick);
    if (world_fault(world, FAULT_OBJECTS, 1000))
        world->places[place].is_denied = true;
    if (dice < 45)
        put(world, place);
    else if (dice < 60)
        remove_object(world, place);
    else if (dice < 70)
        put_two(world);
    else if (dice < 80)
        submit(world);
    else if (dice < 84)
        send_nonsense(world);
    else if (dice < 85)
        send_forged(world, place);
    else if (dice < 95 && world->faults[FAULT_JOB_CONTROL])
        control_job(world);
    else if (dice >= 98 && world->faults[FAULT_TENANTS])
        trouble_tenant(world);
}

void users_start(struct world *world)
{
    world->active_until_ms = world->now_ms + 40000 + world_below(world, 120000);
    timer_start(world->loop, &world->user_tick, 1, on_user_tick);
}

void users_heal(struct world *world)
{
    timer_stop(world->loop, &world->user_tick);
    for (unsigned i = 0; i < world->tenant_count; i++)
        world->tenants[i].is_over_quota = false;
    for (unsigned i = 0; i < world->job_count; i++) {
        bool was_paused = world->jobs[i].is_paused;
        world->jobs[i].is_paused = false;
        for (unsigned k = 0; was_paused && k < world->item_count; k++)
            if (uuid_equal(world->items[k].job, world->jobs[i].id) && !world->items[k].is_closed &&
                world->items[k].parked_ms) {
                world->items[k].due_ms = world->now_ms;
                world->items[k].parked_until_ms = 0;
            }
    }
}

/* Every message once more, in another order. */
void users_replay(struct world *world)
{
    for (unsigned p = 0; p < SIM_PARTITIONS; p++) {
        int64_t end = world->topic_end[p];
        for (int64_t i = 0; i < end; i++) {
            struct transit *transit = xcalloc(1, sizeof(*transit));
            transit->world = world;
            transit->record = record_copy(world->topic[p][i]);
            world->in_transit++;
            timer_start(world->loop, &transit->timer, world_below(world, 20000), on_arrived);
        }
    }
}
