/* The services of share.h. Those that no document gets to are not there at all. */
#include <string.h>

#include "embed/embed.h"
#include "extract/extract.h"
#include "queue/event.h"
#include "queue/object.h"
#include "queue/queue.h"
#include "queue/topic.h"
#include "store/ledger.h"
#include "store/vectors.h"
#include "tests/sim/share.h"
#include "worker/base/memory.h"

#define CLAIMS_A_STATEMENT 3072 /* as store/ledger_claim.c */
#define FINISHES_A_STATEMENT LEDGER_BATCH_MAX

#define ETAG "0123456789abcdef0123456789abcdef"

/* ---- the topic ------------------------------------------------------------------------------- */

struct message {
    struct message_view view;
    struct upload *upload;
    struct text value, packed;
    char bytes[];
};

struct queue {
    struct share *share;
    struct queue_events events;
    uint32_t credit;
    struct timer read;
};

static struct message *message_of(struct share *share, size_t number)
{
    struct upload *upload = &share->topic[number];
    const struct share_tenant *tenant = &share->tenants[upload->tenant];
    char key[128], sequencer[32];
    (void)text_format(key, sizeof(key), "%s%zu.pdf", tenant->tenant.prefix, number);
    (void)text_format(sequencer, sizeof(sequencer), "%016zX", number);
    struct event event = {
        .kind = EVENT_PUT,
        .bucket = TEXT("share"),
        .key = text_from(key),
        .etag = TEXT(ETAG),
        .sequencer = text_from(sequencer),
        .has_size = true,
        .size_bytes = tenant->size_bytes,
        .time_ms = loop_wall_ms(share->loop),
    };
    AUTO_BUFFER struct buffer value = buffer_new(4096);
    bool is_written = event_write(&value, &event);
    assert(is_written);
    struct message *message = xcalloc(1, sizeof(*message) + value.bytes);
    memcpy(message->bytes, value.data, value.bytes);
    message->upload = upload;
    message->value = (struct text){message->bytes, value.bytes};
    message->view = (struct message_view){.topic = TEXT("uploads"),
                                          .value = message->value,
                                          .offset = (int64_t)number,
                                          .time_ms = event.time_ms,
                                          .epoch = 1};
    return message;
}

static void read_some(struct timer *timer)
{
    struct queue *queue = container_of(timer, struct queue, read);
    struct share *share = queue->share;
    timer_start(share->loop, timer, 1, read_some);
    for (unsigned i = 0; i < 1000 / SHARE_READ_US && queue->credit; i++) {
        if (share->read_count == share->topic_count)
            return;
        queue->credit--;
        queue->events.on_message(queue->events.arg, message_of(share, share->read_count++));
    }
}

void queue_credit(struct queue *queue, uint32_t messages)
{
    queue->credit = messages;
}

const struct message_view *message_view(const struct message *message)
{
    return &message->view;
}

size_t message_bytes(const struct message *message)
{
    return message->view.value.bytes + message->packed.bytes;
}

struct message *queue_pack(struct queue *queue, struct message *message, struct packer *packer)
{
    (void)queue;
    (void)packer;
    message->view.value = TEXT_NONE;
    message->packed = text_slice(message->value, 0, message->value.bytes * 3 / 10);
    return message;
}

struct message *queue_unpack(struct queue *queue, struct message *message, struct packer *packer)
{
    (void)queue;
    (void)packer;
    message->view.value = message->value;
    message->packed = TEXT_NONE;
    return message;
}

void queue_settle(struct queue *queue, struct message *message)
{
    struct share *share = queue->share;
    message->upload->is_settled = true;
    message->upload->settled_ms = loop_now_ms(share->loop);
    share->settled_count[message->upload->tenant]++;
    xfree(message);
}

void queue_abandon(struct queue *queue, struct message *message)
{
    (void)queue;
    xfree(message);
}

/* ---- the database: one statement after the other, and beside them what goes ahead ------------- */

struct statement {
    struct timer done;
    struct lane *lane;
    struct list requests;
};

struct lane {
    struct ledger *ledger;
    uint64_t *busy_until_us; /* its connection */
    size_t rows_max, statements_max, statement_count;
    uint64_t row_us;
    void (*answer)(struct ledger *ledger, struct list_node *request);
    struct list waiting;
    struct later pump;
};

struct ledger {
    struct share *share;
    uint64_t busy_until_us, ahead_until_us;
    struct lane claims, finishes, claims_ahead, finishes_ahead;
};

static void pump_soon(struct lane *lane);

static void on_statement(struct timer *timer)
{
    struct statement *statement = container_of(timer, struct statement, done);
    struct lane *lane = statement->lane;
    lane->statement_count--;
    for (struct list_node *node; (node = list_pop_front(&statement->requests));)
        lane->answer(lane->ledger, node);
    xfree(statement);
    pump_soon(lane);
}

static void send(struct lane *lane)
{
    struct ledger *ledger = lane->ledger;
    struct loop *loop = ledger->share->loop;
    struct statement *statement = xcalloc(1, sizeof(*statement));
    statement->lane = lane;
    list_init(&statement->requests);
    while (lane->waiting.count && statement->requests.count < lane->rows_max)
        list_push_back(&statement->requests, list_pop_front(&lane->waiting));
    uint64_t now_us = loop_now_ms(loop) * 1000;
    if (*lane->busy_until_us < now_us)
        *lane->busy_until_us = now_us;
    *lane->busy_until_us += SHARE_STATEMENT_US + statement->requests.count * lane->row_us;
    lane->statement_count++;
    timer_start(loop, &statement->done, (*lane->busy_until_us - now_us + 999) / 1000, on_statement);
}

static void pump(struct later *later)
{
    struct lane *lane = container_of(later, struct lane, pump);
    while (lane->waiting.count && lane->statement_count < lane->statements_max)
        send(lane);
}

static void pump_soon(struct lane *lane)
{
    if (lane->waiting.count && !list_is_member(&lane->pump.waiting))
        loop_later(lane->ledger->share->loop, &lane->pump, pump);
}

static void submit(struct lane *lane, struct list_node *request)
{
    list_push_back(&lane->waiting, request);
    pump_soon(lane);
}

static unsigned tenant_number(const struct share *share, const struct tenant *tenant)
{
    unsigned number = 0;
    while (!uuid_equal(share->tenants[number].tenant.id, tenant->id))
        number++;
    return number;
}

static void answer_claim(struct ledger *ledger, struct list_node *request)
{
    struct ledger_claim *claim = container_of(request, struct ledger_claim, waiting);
    const struct share *share = ledger->share;
    bool is_replayed = share->tenants[tenant_number(share, claim->tenant)].is_replayed;
    claim->verdict = is_replayed ? CLAIM_DONE : CLAIM_GO;
    claim->item_job = claim->job;
    claim->has_live = claim->is_live_current = true;
    claim->live_gen = 1;
    (void)text_format(claim->live_etag, sizeof(claim->live_etag), ETAG);
    claim->starts = 1;
    claim->is_tenant_active = true;
    claim->on_done(claim, NULL);
}

static void answer_finish(struct ledger *ledger, struct list_node *request)
{
    struct ledger_finish *finish = container_of(request, struct ledger_finish, waiting);
    (void)ledger;
    finish->answer = FINISH_OK;
    finish->on_done(finish, NULL);
}

void ledger_claim(struct ledger *ledger, struct ledger_claim *claim)
{
    submit(claim->goes_ahead ? &ledger->claims_ahead : &ledger->claims, &claim->waiting);
}

void ledger_finish(struct ledger *ledger, struct ledger_finish *finish)
{
    submit(finish->goes_ahead ? &ledger->finishes_ahead : &ledger->finishes, &finish->waiting);
}

struct aside { /* what is in nobody's way */
    struct timer timer;
    struct ledger_intend *intend;
    struct ledger_release *release;
    struct ledger_due *due;
};

static void on_aside(struct timer *timer)
{
    struct aside *aside = container_of(timer, struct aside, timer);
    if (aside->intend)
        aside->intend->on_done(aside->intend, NULL);
    if (aside->release)
        aside->release->on_done(aside->release, NULL);
    if (aside->due)
        aside->due->on_done(aside->due, NULL);
    xfree(aside);
}

static void set_aside(struct ledger *ledger, struct aside request)
{
    struct aside *aside = xmalloc(sizeof(*aside));
    *aside = request;
    timer_start(ledger->share->loop, &aside->timer, 2, on_aside);
}

void ledger_intend(struct ledger *ledger, struct ledger_intend *intend)
{
    intend->answer = INTEND_GO;
    intend->sent_ms = loop_now_ms(ledger->share->loop);
    set_aside(ledger, (struct aside){.intend = intend});
}

void ledger_release(struct ledger *ledger, struct ledger_release *release)
{
    set_aside(ledger, (struct aside){.release = release});
}

void ledger_due(struct ledger *ledger, struct ledger_due *due)
{
    set_aside(ledger, (struct aside){.due = due});
}

/* ---- the bucket ------------------------------------------------------------------------------ */

struct objects {
    struct share *share;
};

struct getting {
    struct timer timer;
    struct object_request *request;
    bool is_cancelled;
};

static void on_got(struct timer *timer)
{
    struct getting *getting = container_of(timer, struct getting, timer);
    struct object_request *request = getting->request;
    struct error err;
    error_of(&err, ERR_CANCELLED);
    bool is_cancelled = getting->is_cancelled;
    xfree(getting);
    request->is_unchanged = true;
    request->on_done(request, is_cancelled ? &err : NULL);
}

void objects_send(struct objects *objects, struct object_request *request)
{
    struct share *share = objects->share;
    const struct share_tenant *tenant = &share->tenants[tenant_number(share, request->tenant)];
    struct getting *getting = xcalloc(1, sizeof(*getting));
    getting->request = request;
    request->private_state = getting;
    request->body_fd = -1;
    uint64_t spread_ms = tenant->work_ms_max - tenant->work_ms_min + 1;
    timer_start(share->loop, &getting->timer,
                tenant->work_ms_min + rng_below(&share->rng, spread_ms), on_got);
}

void objects_cancel(struct objects *objects, struct object_request *request)
{
    struct getting *getting = request->private_state;
    getting->is_cancelled = true;
    timer_start(objects->share->loop, &getting->timer, 1, on_got);
}

/* ---- who is never asked ---------------------------------------------------------------------- */

/* The last is the name that the header has for the request. */
#define NEVER(function, service, type, request)           \
    void function(struct service *service, type *request) \
    {                                                     \
        (void)service;                                    \
        (void)request;                                    \
        assert(!"no document gets that far");             \
    }

NEVER(ledger_known, ledger, struct ledger_known, known)
NEVER(ledger_stage, ledger, struct ledger_stage, stage)
NEVER(ledger_bury, ledger, struct ledger_burial, burial)
NEVER(ledger_dead, ledger, struct ledger_dead, dead)
NEVER(ledger_swept, ledger, struct ledger_swept, swept)
NEVER(vectors_upsert, vectors, struct vectors_request, request)
NEVER(vectors_fetch, vectors, struct vectors_request, request)
NEVER(vectors_delete, vectors, struct vectors_request, request)
NEVER(vectors_cancel, vectors, struct vectors_request, request)
NEVER(topic_produce, topic, struct topic_record, record)

unsigned vectors_capabilities(const struct vectors *vectors)
{
    (void)vectors;
    return VECTORS_ARE_ROWS; /* nothing to sweep */
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void lanes_init(struct ledger *ledger, struct lane *lane, struct lane *ahead)
{
    lane->ledger = ledger;
    lane->busy_until_us = &ledger->busy_until_us;
    *ahead = *lane;
    ahead->busy_until_us = &ledger->ahead_until_us;
    list_init(&lane->waiting);
    list_init(&ahead->waiting);
}

void share_services_open(struct share *share)
{
    struct ledger *ledger = xcalloc(1, sizeof(*ledger));
    ledger->share = share;
    ledger->claims = (struct lane){.rows_max = CLAIMS_A_STATEMENT,
                                   .statements_max = 2,
                                   .row_us = SHARE_CLAIM_US,
                                   .answer = answer_claim};
    ledger->finishes = (struct lane){.rows_max = FINISHES_A_STATEMENT,
                                     .statements_max = 1,
                                     .row_us = SHARE_FINISH_US,
                                     .answer = answer_finish};
    lanes_init(ledger, &ledger->claims, &ledger->claims_ahead);
    lanes_init(ledger, &ledger->finishes, &ledger->finishes_ahead);
    share->ledger = ledger;
    share->queue = xcalloc(1, sizeof(*share->queue));
    share->queue->share = share;
    share->objects = xcalloc(1, sizeof(*share->objects));
    share->objects->share = share;
}

void share_services_start(struct share *share, struct queue_events events)
{
    share->queue->events = events;
    read_some(&share->queue->read);
}

void share_services_close(struct share *share)
{
    timer_stop(share->loop, &share->queue->read);
    xfree(share->queue);
    xfree(share->ledger);
    xfree(share->objects);
}
