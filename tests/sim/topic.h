/*
 * topic.h - the simulated topic: messages, and what the users meant by them.
 */
#ifndef TESTS_SIM_TOPIC_H
#define TESTS_SIM_TOPIC_H

#include "queue/queue.h"
#include "worker/base/crypto.h"

#define EVENTS_MAX 4

struct world;

enum sim_event_kind { SIM_PUT, SIM_REMOVED, SIM_IGNORED, SIM_BAD };
struct sim_event {
    enum sim_event_kind kind;
    unsigned place;
    struct uuid job;
    bool is_bare;
};
struct record {
    char *value;
    size_t value_bytes;
    struct header header;
    char job_text[UUID_TEXT_BYTES];
    size_t header_count;
    struct sim_event events[EVENTS_MAX];
    unsigned event_count;
    uint64_t made_ms;
    bool was_settled;
};

void group_start(struct world *world);
void group_rebalance(struct world *world);
void topic_append(struct world *world, struct record *record);
void users_start(struct world *world);
void users_heal(struct world *world);
void users_replay(struct world *world);

#endif
