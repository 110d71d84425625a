/* store/ledger.h over the world's tables. As the real one does, it asks again by itself when an
 * answer is lost, and answers ERR_UNREACHABLE when that has lasted for a minute. */
#include "tests/sim/world.h"
#include "worker/base/memory.h"

#define PATIENCE_MS 60000
#define USUAL_MS 5

enum ask_kind {
    ASK_CLAIM,
    ASK_KNOWN,
    ASK_INTEND,
    ASK_STAGE,
    ASK_FINISH,
    ASK_RELEASE,
    ASK_BURY,
    ASK_DEAD,
    ASK_SWEPT,
    ASK_DUE
};

struct ask {
    struct worker *worker;
    enum ask_kind kind;
    void *request;
    uint64_t start_ms;
    struct timer serve, reply;
    bool has_failed;
    struct error err;
};

static void on_reply(struct timer *timer)
{
    struct ask *ask = container_of(timer, struct ask, reply);
    const struct error *err = ask->has_failed ? &ask->err : NULL;
    ask->worker->open_calls--;
    ask->worker->open_asides -= ask->kind == ASK_INTEND;
#define ANSWER(which, type)                                        \
    case which:                                                    \
        ((struct type *)ask->request)->on_done(ask->request, err); \
        break
    switch (ask->kind) {
        ANSWER(ASK_CLAIM, ledger_claim);
        ANSWER(ASK_KNOWN, ledger_known);
        ANSWER(ASK_INTEND, ledger_intend);
        ANSWER(ASK_STAGE, ledger_stage);
        ANSWER(ASK_FINISH, ledger_finish);
        ANSWER(ASK_RELEASE, ledger_release);
        ANSWER(ASK_BURY, ledger_burial);
        ANSWER(ASK_DEAD, ledger_dead);
        ANSWER(ASK_SWEPT, ledger_swept);
        ANSWER(ASK_DUE, ledger_due);
    }
#undef ANSWER
    xfree(ask);
}

static void execute(struct world *world, struct ask *ask)
{
    switch (ask->kind) {
    case ASK_CLAIM:
        table_claim(world, ask->request);
        break;
    case ASK_KNOWN:
        table_known(world, ask->request);
        break;
    case ASK_INTEND:
        table_intend(world, ask->request);
        break;
    case ASK_STAGE:
        table_stage(world, ask->request);
        break;
    case ASK_FINISH:
        table_finish(world, ask->request);
        break;
    case ASK_RELEASE:
        table_release(world, ask->request);
        break;
    case ASK_BURY:
        table_bury(world, ask->request);
        break;
    case ASK_DEAD:
        table_dead(world, ask->request);
        break;
    case ASK_SWEPT:
        table_swept(world, &((struct ledger_swept *)ask->request)->litter);
        break;
    case ASK_DUE:
        table_due(world, ask->request);
        break;
    }
}

static void reply(struct ask *ask, enum error_code code)
{
    struct world *world = ask->worker->world;
    ask->has_failed = code != ERR_BUG;
    if (ask->has_failed)
        error_set(&ask->err, code, "the database: %s", error_name(code));
    worker_timer(ask->worker, &ask->reply, 1 + world_delay(world, USUAL_MS), on_reply);
}

static void on_serve(struct timer *timer);

static void ask_again(struct ask *ask, uint64_t delay_ms)
{
    struct world *world = ask->worker->world;
    if (world->now_ms + delay_ms >= ask->start_ms + PATIENCE_MS) {
        reply(ask, ERR_UNREACHABLE);
        return;
    }
    timer_start(world->loop, &ask->serve, delay_ms, on_serve);
    if (ask->kind == ASK_INTEND)
        ((struct ledger_intend *)ask->request)->sent_ms = world->now_ms + delay_ms;
}

/* The request is at the server. */
static void on_serve(struct timer *timer)
{
    struct ask *ask = container_of(timer, struct ask, serve);
    struct world *world = ask->worker->world;
    if (world->database_away_until_ms > world->now_ms) {
        ask_again(ask, 100 + world_below(world, 2000));
        return;
    }
    if (world_fault(world, FAULT_DATABASE_REPLIES, 100)) { /* refused, nothing has happened */
        reply(ask, ERR_DATABASE);
        return;
    }
    execute(world, ask);
    bool is_lost = world_fault(world, FAULT_DATABASE_REPLIES, 20);
    if (is_lost && world_chance(world, 20))
        reply(ask, ERR_UNREACHABLE); /* given up, though it has happened */
    else if (is_lost && worker_runs(ask->worker))
        ask_again(ask, 20 + world_below(world, 2000));
    else
        reply(ask, ERR_BUG);
}

static void ask(struct ledger *ledger, enum ask_kind kind, void *request)
{
    struct worker *worker = ledger->worker;
    struct ask *asked = xcalloc(1, sizeof(*asked));
    *asked = (struct ask){.worker = worker, .kind = kind, .request = request};
    asked->start_ms = worker->world->now_ms;
    worker->open_calls++;
    worker->open_asides += kind == ASK_INTEND;
    if (worker->is_dead)
        reply(asked, ERR_UNREACHABLE);
    else
        timer_start(worker->world->loop, &asked->serve, world_delay(worker->world, USUAL_MS),
                    on_serve);
}

void ledger_claim(struct ledger *ledger, struct ledger_claim *claim)
{
    ask(ledger, ASK_CLAIM, claim);
}

void ledger_known(struct ledger *ledger, struct ledger_known *known)
{
    ask(ledger, ASK_KNOWN, known);
}

void ledger_intend(struct ledger *ledger, struct ledger_intend *intend)
{
    intend->sent_ms = loop_now_ms(ledger->worker->loop);
    ask(ledger, ASK_INTEND, intend);
}

void ledger_stage(struct ledger *ledger, struct ledger_stage *stage)
{
    ask(ledger, ASK_STAGE, stage);
}

void ledger_finish(struct ledger *ledger, struct ledger_finish *finish)
{
    ask(ledger, ASK_FINISH, finish);
}

void ledger_release(struct ledger *ledger, struct ledger_release *release)
{
    ask(ledger, ASK_RELEASE, release);
}

void ledger_bury(struct ledger *ledger, struct ledger_burial *burial)
{
    ask(ledger, ASK_BURY, burial);
}

void ledger_dead(struct ledger *ledger, struct ledger_dead *dead)
{
    ask(ledger, ASK_DEAD, dead);
}

void ledger_swept(struct ledger *ledger, struct ledger_swept *swept)
{
    ask(ledger, ASK_SWEPT, swept);
}

void ledger_due(struct ledger *ledger, struct ledger_due *due)
{
    ask(ledger, ASK_DUE, due);
}
