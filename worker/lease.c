#include "worker/lease.h"

#include <assert.h>

#include "store/ledger.h"
#include "worker/base/memory.h"

#define RESERVE_FIRST 256u
#define RESERVE_GROWTH 4u

struct lease_ask {
    struct ledger_intend intend;
    struct document document; /* its id is all that an intend looks at */
    struct tenant tenant;
    struct lease *lease; /* NULL: ended meanwhile */
};

static void ask(struct lease *lease);

static void on_intended(struct ledger_intend *intend, const struct error *err)
{
    struct lease_ask *asked = container_of(intend, struct lease_ask, intend);
    struct lease *lease = asked->lease;
    if (!lease) {
        xfree(asked);
        return;
    }
    lease->ask = NULL;
    enum lease_news news = LEASE_RENEWED;
    if (!err && intend->answer == INTEND_LOST) {
        lease->until_ms = 0;
        news = LEASE_LOST;
    } else if (!err) {
        lease->until_ms = intend->sent_ms + LEASE_MS;
        lease->reserved = intend->reserved > lease->reserved ? intend->reserved : lease->reserved;
        news = intend->answer == INTEND_STOP       ? LEASE_STOPPED
               : intend->answer == INTEND_INACTIVE ? LEASE_INACTIVE
                                                   : LEASE_RENEWED;
    }
    xfree(asked);
    /* An error is no news: the pulse asks again while the lease runs, and when it has run out,
     * whoever wants to write finds that it does not hold. */
    if (!err && news == LEASE_RENEWED && lease->wanted > lease->reserved)
        ask(lease);
    if (lease->on_news)
        lease->on_news(lease, lease->until_ms ? news : LEASE_LOST);
}

static void ask(struct lease *lease)
{
    struct lease_ask *asked = xcalloc(1, sizeof(*asked));
    asked->lease = lease;
    asked->document.id = lease->document;
    asked->tenant = lease->tenant;
    asked->intend = (struct ledger_intend){
        .document = &asked->document,
        .tenant = &asked->tenant,
        .fence = lease->fence,
        .reserved = lease->wanted > lease->reserved ? lease->wanted : lease->reserved,
        .goes_ahead = lease->goes_ahead,
        .on_done = on_intended,
    };
    lease->ask = asked;
    ledger_intend(lease->ledger, &asked->intend);
}

void lease_start(struct lease *lease, uint64_t claimed_ms)
{
    assert(lease->fence != 0);
    lease->until_ms = claimed_ms + LEASE_MS;
    lease->reserved = lease->wanted = 0;
    lease->ask = NULL;
}

bool lease_holds(const struct lease *lease)
{
    return loop_now_ms(lease->loop) < lease->until_ms;
}

void lease_pulse(struct lease *lease)
{
    if (lease->until_ms && !lease->ask)
        ask(lease);
}

bool lease_reserve(struct lease *lease, uint32_t count)
{
    if (count <= lease->reserved)
        return true;
    while (lease->wanted < count) {
        uint64_t grown = lease->wanted ? (uint64_t)lease->wanted * RESERVE_GROWTH : RESERVE_FIRST;
        lease->wanted = grown > INT32_MAX ? INT32_MAX : (uint32_t)grown;
    }
    if (!lease->ask)
        ask(lease);
    return false;
}

void lease_end(struct lease *lease)
{
    if (lease->ask)
        lease->ask->lease = NULL;
    lease->ask = NULL;
    lease->until_ms = 0;
}
