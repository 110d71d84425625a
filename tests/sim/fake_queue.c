/* queue/queue.h and topic.h over the world's topic: a group that revokes from all, then assigns. */
#include <string.h>

#include "tests/sim/world.h"
#include "worker/base/memory.h"

#define POLL_MS 100
#define AGAIN_MS 1000
#define SESSION_MS 10000
#define GROUP_TICK_MS 200
#define DELIVERED_MAX 8 /* a poll */
#define IDLE_MS (SESSION_MS / 2)

struct message {
    struct message_view view;
    struct record *record;
    struct list_node node;
    uint64_t again_ms, tracker_epoch;
    bool is_tracked;
};

static void poll(struct timer *timer);
static void on_group_tick(struct timer *timer);

/* ---- the group ----------------------------------------------------------------------------- */

/* Whoever has nothing to do waits for the broker's answer: here it is. */
static void wake_all(struct world *world)
{
    LIST_FOR_EACH(&world->workers, node) {
        struct worker *worker = container_of(node, struct worker, node);
        if (worker->queue.is_idle && worker_runs(worker))
            worker_timer(worker, &worker->queue.poll, 1 + world_below(world, POLL_MS), poll);
        worker->queue.is_idle = false;
    }
}

void group_rebalance(struct world *world)
{
    if (world->is_calm)
        timer_start(world->loop, &world->group_tick, GROUP_TICK_MS, on_group_tick);
    wake_all(world);
    world->generation++;
    world->rebalance_ms = world->now_ms;
    for (unsigned p = 0; p < SIM_PARTITIONS; p++)
        world->owners[p] = NULL;
}

static bool has_all_rejoined(struct world *world)
{
    LIST_FOR_EACH(&world->workers, node) {
        const struct queue *queue = &container_of(node, struct worker, node)->queue;
        if (queue->is_open && queue->is_member && queue->generation != world->generation)
            return false;
    }
    return true;
}

static void assign(struct world *world)
{
    for (unsigned p = 0; p < SIM_PARTITIONS; p++) {
        struct worker *candidates[64];
        unsigned count = 0;
        LIST_FOR_EACH(&world->workers, node) {
            struct worker *worker = container_of(node, struct worker, node);
            if (worker->queue.is_open && worker->queue.is_member &&
                worker->queue.generation == world->generation && count < COUNT_OF(candidates))
                candidates[count++] = worker;
        }
        if (!count)
            return;
        world->owners[p] = candidates[world_below(world, count)];
    }
    world->assigned_generation = world->generation;
}

static void expel_silent(struct world *world)
{
    bool has_lost = false;
    LIST_FOR_EACH(&world->workers, node) {
        struct queue *queue = &container_of(node, struct worker, node)->queue;
        if (queue->is_member && queue->polled_ms + SESSION_MS < world->now_ms) {
            queue->is_member = false;
            has_lost = true;
        }
    }
    if (has_lost)
        group_rebalance(world);
}

static void on_group_tick(struct timer *timer)
{
    struct world *world = container_of(timer, struct world, group_tick);
    expel_silent(world);
    if (world->assigned_generation != world->generation && has_all_rejoined(world))
        assign(world);
    bool is_steady = world->is_calm && world->assigned_generation == world->generation;
    timer_start(world->loop, timer, is_steady ? IDLE_MS : GROUP_TICK_MS, on_group_tick);
}

void group_start(struct world *world)
{
    world->generation = 1;
    on_group_tick(&world->group_tick);
}

/* ---- commits ------------------------------------------------------------------------------- */

static void commit(struct queue *queue)
{
    struct world *world = queue->worker->world;
    for (unsigned p = 0; p < SIM_PARTITIONS; p++) {
        int64_t offset;
        if (!queue->owns[p] || !offsets_commit_point(&queue->offsets[p], &offset))
            continue;
        offsets_committed(&queue->offsets[p], queue->epoch, offset);
        recall_committed(&queue->recall[p], offset);
        for (int64_t i = 0; i < offset; i++)
            if (!world->topic[p][i]->was_settled)
                world_fail(world, "commit of %u/%lld passes %lld, which nobody settled", p,
                           (long long)offset, (long long)i);
        if (offset > world->committed[p])
            world->committed[p] = offset;
    }
}

/* ---- messages ------------------------------------------------------------------------------ */

struct message *queue_pack(struct queue *queue, struct message *message, struct packer *packer)
{
    (void)queue;
    (void)packer;
    return message;
}

struct message *queue_unpack(struct queue *queue, struct message *message, struct packer *packer)
{
    return queue_pack(queue, message, packer);
}

size_t message_bytes(const struct message *message)
{
    return message->view.key.bytes + message->view.value.bytes;
}

const struct message_view *message_view(const struct message *message)
{
    return &message->view;
}

static void settle_record(struct queue *queue, const struct message *message)
{
    message->record->was_settled = true;
    recall_finished(&queue->recall[message->view.partition], message->view.offset,
                    recall_print(&message->view));
    offsets_finish(&queue->offsets[message->view.partition], message->tracker_epoch,
                   message->view.offset);
}

/* Sabotage: the newer event of a place settles the older ones, too. */
static void settle_older(struct queue *queue, const struct message *message)
{
    LIST_FOR_EACH(&queue->unsettled, node) {
        struct message *other = container_of(node, struct message, node);
        if (other->record->events[0].place == message->record->events[0].place)
            settle_record(queue, other);
    }
}

static void take_back(struct queue *queue, struct message *message)
{
    list_remove(&queue->unsettled, &message->node);
}

void queue_settle(struct queue *queue, struct message *message)
{
    struct world *world = queue->worker->world;
    take_back(queue, message);
    if (!queue->worker->is_dead) {
        audit_settled(world, message->record, message->view.partition, message->view.offset);
        settle_record(queue, message);
        if (world->sabotage == SABOTAGE_DROP_OLDER)
            settle_older(queue, message);
    }
    xfree(message);
}

void queue_abandon(struct queue *queue, struct message *message)
{
    struct world *world = queue->worker->world;
    take_back(queue, message);
    if (world->sabotage == SABOTAGE_ABANDON_SETTLES && !queue->worker->is_dead)
        settle_record(queue, message);
    if (!queue->is_open || message->tracker_epoch != queue->epoch || !queue->has_assignment) {
        xfree(message);
        return;
    }
    message->again_ms = loop_now_ms(queue->worker->loop) + AGAIN_MS;
    list_push_back(&queue->again, &message->node);
}

void queue_credit(struct queue *queue, uint32_t messages)
{
    bool is_held_back =
        queue->worker->world->sabotage == SABOTAGE_NO_CREDIT && queue->has_credit_once;
    queue->has_credit_once |= messages > 0;
    if (!is_held_back)
        queue->credit = messages;
}

static struct message *find_in_work(struct queue *queue, const struct message *message)
{
    LIST_FOR_EACH(&queue->unsettled, node) {
        struct message *other = container_of(node, struct message, node);
        if (other->record == message->record)
            return other;
    }
    return NULL;
}

/* As queue/kafka_drain.c does. */
static bool is_joined(struct queue *queue, const struct message *message)
{
    struct message *in_work = find_in_work(queue, message);
    bool is_done = in_work && queue->worker->world->sabotage == SABOTAGE_WORK_IS_DONE;
    int32_t p = message->view.partition;
    if (in_work)
        in_work->tracker_epoch = queue->epoch;
    if (is_done ||
        recall_knows(&queue->recall[p], message->view.offset, recall_print(&message->view)))
        return offsets_finish(&queue->offsets[p], queue->epoch, message->view.offset);
    return in_work != NULL;
}

static struct message *fetch(struct queue *queue, unsigned p)
{
    struct world *world = queue->worker->world;
    if (!queue->owns[p] || queue->position[p] >= world->topic_end[p])
        return NULL;
    struct message *message = xcalloc(1, sizeof(*message));
    struct record *record = world->topic[p][queue->position[p]];
    message->record = record;
    message->view = (struct message_view){
        .topic = TEXT("uploads"),
        .value = {record->value, record->value_bytes},
        .headers = &record->header,
        .header_count = record->header_count,
        .partition = (int32_t)p,
        .offset = queue->position[p]++,
        .time_ms = loop_wall_ms(world->loop) - (world->now_ms - record->made_ms),
        .epoch = queue->epoch,
    };
    message->tracker_epoch = queue->epoch;
    if (offsets_deliver(&queue->offsets[p], message->view.offset) != OFFSETS_TAKEN)
        world_fail(world, "an offset came twice in one assignment");
    if (!is_joined(queue, message))
        return message;
    xfree(message);
    return NULL;
}

static struct message *next_message(struct queue *queue)
{
    struct list_node *node = list_first(&queue->again);
    if (node &&
        container_of(node, struct message, node)->again_ms <= loop_now_ms(queue->worker->loop)) {
        list_remove(&queue->again, node);
        return container_of(node, struct message, node);
    }
    unsigned first = (unsigned)world_below(queue->worker->world, SIM_PARTITIONS);
    struct message *message = fetch(queue, first);
    return message ? message : fetch(queue, (first + 1) % SIM_PARTITIONS);
}

static void deliver(struct queue *queue)
{
    for (unsigned i = 0; i < DELIVERED_MAX && queue->credit && queue->is_open; i++) {
        struct message *message = next_message(queue);
        if (!message)
            return;
        list_push_back(&queue->unsettled, &message->node);
        queue->credit--;
        if (queue->worker->world->sabotage == SABOTAGE_SETTLE_EARLY)
            settle_record(queue, message);
        queue->events.on_message(queue->events.arg, message);
    }
}

/* ---- the assignment ------------------------------------------------------------------------ */

static void free_again(struct queue *queue)
{
    for (struct list_node *node; (node = list_pop_front(&queue->again));)
        xfree(container_of(node, struct message, node));
}

static void give_up_assignment(struct queue *queue, bool is_lost)
{
    if (!queue->has_assignment)
        return;
    if (!is_lost)
        commit(queue);
    queue->has_assignment = false;
    for (unsigned p = 0; p < SIM_PARTITIONS; p++) {
        offsets_end(&queue->offsets[p]);
        queue->owns[p] = false;
    }
    free_again(queue);
    queue->events.on_revoked(queue->events.arg, queue->epoch, is_lost);
}

static void take_assignment(struct queue *queue)
{
    struct world *world = queue->worker->world;
    queue->has_assignment = true;
    queue->epoch = ++world->epochs;
    unsigned count = 0;
    for (unsigned p = 0; p < SIM_PARTITIONS; p++) {
        queue->owns[p] = world->owners[p] == queue->worker;
        count += queue->owns[p];
        offsets_begin(&queue->offsets[p], queue->epoch, world->committed[p]);
        recall_resume(&queue->recall[p], world->committed[p]);
        queue->position[p] = world->committed[p];
    }
    queue->events.on_assigned(queue->events.arg, count);
}

/* All of it was read, settled and committed. */
static bool has_nothing_to_do(const struct queue *queue)
{
    const struct world *world = queue->worker->world;
    for (unsigned p = 0; p < SIM_PARTITIONS; p++)
        if (queue->owns[p] && world->committed[p] < world->topic_end[p])
            return false;
    return !queue->unsettled.count && !queue->again.count;
}

static void poll(struct timer *timer)
{
    struct queue *queue = container_of(timer, struct queue, poll);
    struct worker *worker = queue->worker;
    struct world *world = worker->world;
    worker_timer(worker, timer, world_delay(world, POLL_MS) % (SESSION_MS / 2) + 1, poll);
    if (worker->is_dead)
        return;
    queue->polled_ms = world->now_ms;
    if (!queue->is_member) {
        give_up_assignment(queue, true);
        queue->is_member = true;
        group_rebalance(world);
    }
    if (queue->generation != world->generation) {
        give_up_assignment(queue, world->assigned_generation == world->generation);
        queue->generation = world->generation;
        if (world->assigned_generation == world->generation)
            group_rebalance(world);
        return;
    }
    if (!queue->has_assignment && world->assigned_generation == world->generation)
        take_assignment(queue);
    if (!queue->has_assignment)
        return;
    if (world_chance(world, 20))
        commit(queue);
    deliver(queue);
    queue->is_idle = world->is_calm && has_nothing_to_do(queue);
    if (queue->is_idle)
        worker_timer(worker, timer, IDLE_MS, poll);
}

/* ---- opening and closing ------------------------------------------------------------------- */

void fake_queue_open(struct worker *worker, struct queue_events events)
{
    struct queue *queue = &worker->queue;
    queue->worker = worker;
    queue->events = events;
    queue->is_open = true;
    queue->polled_ms = worker->world->now_ms;
    list_init(&queue->unsettled);
    list_init(&queue->again);
    worker_timer(worker, &queue->poll, 1 + world_below(worker->world, POLL_MS), poll);
}

/* What lay in its socket comes first, news of the group later. */
void fake_queue_thaw(struct worker *worker)
{
    worker_timer(worker, &worker->queue.poll,
                 worker->frozen_until_ms - worker->world->now_ms + world_below(worker->world, 4000),
                 poll);
}

void fake_queue_release(struct worker *worker)
{
    struct queue *queue = &worker->queue;
    if (queue->unsettled.count)
        world_fail(worker->world, "%zu messages are neither settled nor abandoned",
                   queue->unsettled.count);
    if (!worker->is_dead && queue->has_assignment && queue->generation == worker->world->generation)
        commit(queue);
    bool was_member = queue->is_member;
    queue->is_open = queue->is_member = false;
    free_again(queue);
    for (unsigned p = 0; p < SIM_PARTITIONS; p++) {
        offsets_release(&queue->offsets[p]);
        recall_forget(&queue->recall[p]);
    }
    timer_stop(worker->loop, &queue->poll);
    if (was_member && !worker->is_dead)
        group_rebalance(worker->world);
}

/* ---- topic --------------------------------------------------------------------------------- */

void topic_append(struct world *world, struct record *record)
{
    unsigned p = (unsigned)world_below(world, SIM_PARTITIONS);
    assert(world->topic_end[p] < RECORDS_MAX);
    world->topic[p][world->topic_end[p]++] = record;
    wake_all(world);
}

struct mirroring {
    struct worker *worker;
    struct timer timer;
    struct topic_record *record;
    bool has_failed;
};

static void on_mirrored(struct timer *timer)
{
    struct mirroring *mirroring = container_of(timer, struct mirroring, timer);
    struct error err;
    error_set(&err, ERR_UNREACHABLE, "no broker");
    mirroring->worker->open_calls--;
    mirroring->worker->open_asides--;
    mirroring->record->on_done(mirroring->record, mirroring->has_failed ? &err : NULL);
    xfree(mirroring);
}

void topic_produce(struct topic *topic, struct topic_record *record)
{
    struct worker *worker = topic->worker;
    struct mirroring *mirroring = xcalloc(1, sizeof(*mirroring));
    mirroring->worker = worker;
    mirroring->record = record;
    worker->open_calls++;
    worker->open_asides++;
    mirroring->has_failed = worker->is_dead || world_fault(worker->world, FAULT_DUPLICATES, 10);
    worker_timer(worker, &mirroring->timer, 1 + world_below(worker->world, 50), on_mirrored);
}
