/*
 * worker.h - a worker of the simulation: its loop, its conductor and the fakes it talks to.
 *
 * Owns: all of that.
 */
#ifndef TESTS_SIM_WORKER_H
#define TESTS_SIM_WORKER_H

#include "embed/embed.h"
#include "extract/extract.h"
#include "queue/object.h"
#include "queue/offsets.h"
#include "queue/queue.h"
#include "queue/recall.h"
#include "queue/topic.h"
#include "store/ledger.h"
#include "store/vectors.h"
#include "worker/conductor.h"
#include "worker/pipeline.h"

#define SIM_PARTITIONS 2

struct world;

struct worker;
struct queue {
    struct worker *worker;
    struct queue_events events;
    uint32_t credit;
    bool has_credit_once, is_idle, is_member, has_assignment, is_open;
    uint64_t generation, epoch, polled_ms;
    bool owns[SIM_PARTITIONS];
    struct offsets offsets[SIM_PARTITIONS];
    struct recall recall[SIM_PARTITIONS];
    int64_t position[SIM_PARTITIONS];
    struct list unsettled, again;
    struct timer poll;
};
struct topic {
    struct worker *worker;
};
struct objects {
    struct worker *worker;
};
struct extract {
    struct worker *worker;
    struct list waiting; /* struct reading */
    unsigned slots_busy;
};
struct embed {
    struct worker *worker;
};
struct vectors {
    struct worker *worker;
};
struct ledger {
    struct worker *worker;
};

struct worker {
    struct world *world;
    unsigned number;
    struct loop *loop;
    struct pipeline pipeline;
    struct conductor *conductor;
    struct queue queue;
    struct topic topic;
    struct objects objects;
    struct extract extract;
    struct embed embed;
    struct vectors vectors;
    struct ledger ledger;
    bool is_dead, is_draining, has_drained, is_drain_complete;
    uint64_t frozen_until_ms;
    size_t open_calls, open_asides; /* asides: of these, those that no drain waits for */
    struct list_node node;
};

void fake_queue_open(struct worker *worker, struct queue_events events);
void fake_queue_thaw(struct worker *worker);
void fake_queue_release(struct worker *worker);
void fake_extract_init(struct worker *worker);

void worker_timer(struct worker *worker, struct timer *timer, uint64_t delay_ms,
                  void (*on_due)(struct timer *timer));
bool worker_runs(const struct worker *worker);
void worker_after_turn(struct worker *worker); /* it may be gone afterwards */
void workers_start(struct world *world);
void workers_heal(struct world *world);
/* All of them drain; then those that were killed are taken apart without the world. */
void workers_end(struct world *world);

#endif
