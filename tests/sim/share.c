#include "tests/sim/share.h"

#include "worker/base/memory.h"

static struct uuid user_id(unsigned number)
{
    return (struct uuid){{0x11, (uint8_t)number, 0x22, 0, 0, 0, 0x40, 0, 0x80}};
}

static void on_fatal(void *arg, const struct error *err)
{
    (void)arg;
    (void)err;
    assert(!"the queue of this world is never at its end");
}

struct share *share_new(uint64_t seed, const struct pipeline_limits *limits, size_t uploads_max)
{
    struct share *share = xcalloc(1, sizeof(*share));
    share->rng = rng_seeded(seed);
    share->loop = loop_new_virtual(seed);
    share->topic = xcalloc(uploads_max, sizeof(*share->topic));
    share->topic_max = uploads_max;
    for (unsigned i = 0; i < SHARE_TENANTS_MAX; i++)
        share->tenants[i].tenant = tenant_from_user_id(user_id(i));
    share_services_open(share);
    share->pipeline = (struct pipeline){.loop = share->loop,
                                        .queue = share->queue,
                                        .ledger = share->ledger,
                                        .objects = share->objects,
                                        .limits = *limits};
    share->conductor = conductor_new(&share->pipeline, on_fatal, share);
    share_services_start(share, conductor_queue_events(share->conductor));
    conductor_start(share->conductor);
    return share;
}

void share_upload(struct share *share, unsigned tenant)
{
    assert(share->topic_count < share->topic_max && tenant < SHARE_TENANTS_MAX);
    share->topic[share->topic_count++] =
        (struct upload){.tenant = (uint16_t)tenant, .made_ms = loop_now_ms(share->loop)};
}

void share_run(struct share *share, uint64_t ms)
{
    uint64_t until_ms = loop_now_ms(share->loop) + ms;
    for (uint64_t next_ms; (next_ms = loop_virtual_next_ms(share->loop)) < until_ms;)
        loop_virtual_turn(share->loop, next_ms);
    loop_virtual_turn(share->loop, until_ms);
}

static void on_drained(void *arg, bool is_complete)
{
    bool *has_drained = arg;
    assert(is_complete);
    *has_drained = true;
}

void share_free(struct share *share)
{
    bool has_drained = false;
    conductor_drain(share->conductor, on_drained, &has_drained);
    while (!has_drained)
        share_run(share, 100);
    share_run(share, 100); /* the last answers about leases */
    conductor_free(share->conductor);
    share_services_close(share);
    loop_free(share->loop);
    xfree(share->topic);
    xfree(share);
}
