/* A broker, a producer and readers for the contract tests of queue.h; the scenarios that hold on
 * every broker. */
#ifndef TESTS_CONTRACT_QUEUE_BENCH_H
#define TESTS_CONTRACT_QUEUE_BENCH_H

#include "queue/kafka_broker.h"
#include "queue/topic.h"
#include "tests/unit/test.h"
#include "worker/base/crypto.h"
#include "worker/base/packer.h"

#define MESSAGES_MAX 40000

struct bench {
    struct loop *loop;
    struct kafka_broker *broker; /* NULL: a real one */
    struct topic *producer;
    char topic[64], group[64];
    struct queue_options options;
    unsigned produced, refused;
    bool is_closed;
};

struct reader {
    struct queue *queue;
    struct message *messages[MESSAGES_MAX]; /* not given back; in order of delivery */
    size_t count, total;
    unsigned assigned, revoked, fatal;
    uint64_t revoked_epoch, opened_ms;
    bool is_closed, was_lost; /* the assignment, the last time */
    struct error last_error;
};

/* Runs the loop until the condition holds; a test that waits too long has failed. */
#define WAIT(bench, condition)                                      \
    do {                                                            \
        uint64_t wait_end_ms = loop_now_ms((bench)->loop) + 40000;  \
        while (!(condition)) {                                      \
            if (loop_now_ms((bench)->loop) > wait_end_ms)           \
                fail_msg("waited 40 s in vain for %s", #condition); \
            loop_run_once((bench)->loop, 1000);                     \
        }                                                           \
    } while (0)

/* Lets time pass on the loop, for what must not happen. */
static inline void linger(struct bench *bench, uint64_t ms)
{
    uint64_t end_ms = loop_now_ms(bench->loop) + ms;
    while (loop_now_ms(bench->loop) < end_ms)
        loop_run_once(bench->loop, 50);
}

static inline void on_produced(struct topic_record *record, const struct error *err)
{
    struct bench *bench = record->arg;
    bench->produced += err == NULL;
    bench->refused += err != NULL;
    free(record);
}

static inline void produce(struct bench *bench, const char *key, struct text value,
                           const struct header *headers, size_t header_count)
{
    struct topic_record *record = calloc(1, sizeof(*record));
    assert_non_null(record);
    *record = (struct topic_record){.topic = text_from(bench->topic),
                                    .key = text_from(key),
                                    .value = value,
                                    .headers = headers,
                                    .header_count = header_count,
                                    .on_done = on_produced,
                                    .arg = bench};
    topic_produce(bench->producer, record);
}

static inline void produce_numbers(struct bench *bench, const char *key, unsigned from, unsigned to)
{
    unsigned before = bench->produced;
    for (unsigned i = from; i < to; i++) {
        char value[16];
        assert_true(text_format(value, sizeof(value), "%u", i));
        produce(bench, key, text_from(value), NULL, 0);
    }
    WAIT(bench, bench->produced == before + (to - from));
}

static inline void bench_on_closed(void *arg)
{
    *(bool *)arg = true;
}

static inline void bench_open(struct bench *bench, const char *brokers, uint32_t partitions)
{
    struct error err = {0};
    char id[UUID_TEXT_BYTES];
    *bench = (struct bench){.loop = loop_new(&err)};
    assert_non_null(bench->loop);
    uuid_format(uuid_v4(), id);
    assert_true(text_format(bench->topic, sizeof(bench->topic), "uploads-%s", id));
    assert_true(text_format(bench->group, sizeof(bench->group), "workers-%s", id));
    if (!brokers) {
        bench->broker = kafka_broker_open(text_from(bench->topic), partitions, &err);
        assert_non_null(bench->broker);
    }
    bench->options = (struct queue_options){
        .brokers = brokers ? text_from(brokers) : kafka_broker_address(bench->broker),
        .topic = text_from(bench->topic),
        .group = text_from(bench->group),
        .client_id = TEXT("millrace-test"),
        .is_in_process_broker = bench->broker != NULL,
    };
    bench->producer = topic_open(bench->loop, &bench->options, &err);
    assert_non_null(bench->producer);
}

static inline void bench_close(struct bench *bench)
{
    topic_close(bench->producer, bench_on_closed, &bench->is_closed);
    WAIT(bench, bench->is_closed);
    kafka_broker_close(bench->broker);
    loop_free(bench->loop);
}

/* ---- readers --------------------------------------------------------------------------------- */

static inline void reader_on_message(void *arg, struct message *message)
{
    struct reader *reader = arg;
    assert_true(reader->count < MESSAGES_MAX);
    reader->messages[reader->count++] = message;
    reader->total++;
}

static inline void reader_on_revoked(void *arg, uint64_t epoch, bool is_lost)
{
    struct reader *reader = arg;
    reader->revoked++;
    reader->was_lost = is_lost;
    reader->revoked_epoch = epoch;
}

static inline void reader_on_assigned(void *arg, uint32_t partition_count)
{
    struct reader *reader = arg;
    (void)partition_count;
    reader->assigned++;
}

static inline void reader_on_fatal(void *arg, const struct error *err)
{
    struct reader *reader = arg;
    reader->fatal++;
    reader->last_error = *err;
}

static inline void reader_on_trouble(void *arg, const struct error *err)
{
    struct reader *reader = arg;
    reader->last_error = *err;
}

static inline struct reader *reader_open(struct bench *bench, uint32_t credit)
{
    struct error err = {0};
    struct reader *reader = calloc(1, sizeof(*reader));
    assert_non_null(reader);
    struct queue_events events = {.arg = reader,
                                  .on_message = reader_on_message,
                                  .on_revoked = reader_on_revoked,
                                  .on_assigned = reader_on_assigned,
                                  .on_fatal = reader_on_fatal,
                                  .on_trouble = reader_on_trouble};
    reader->queue = queue_open(bench->loop, &bench->options, events, &err);
    if (!reader->queue)
        fail_msg("%s", err.message);
    queue_credit(reader->queue, credit);
    return reader;
}

static inline void settle_at(struct reader *reader, size_t at)
{
    queue_settle(reader->queue, reader->messages[at]);
    reader->messages[at] = NULL;
}

/* Abandons what is left and begins to close. */
static inline void reader_leave(struct reader *reader)
{
    for (size_t i = 0; i < reader->count; i++)
        if (reader->messages[i])
            queue_abandon(reader->queue, reader->messages[i]);
    reader->count = 0;
    queue_close(reader->queue, bench_on_closed, &reader->is_closed);
}

static inline void reader_close(struct bench *bench, struct reader *reader)
{
    uint64_t start_ms = loop_now_ms(bench->loop);
    reader_leave(reader);
    WAIT(bench, reader->is_closed);
    assert_true(loop_now_ms(bench->loop) - start_ms <= 10000);
    free(reader);
}

static inline unsigned number_at(const struct reader *reader, size_t at)
{
    uint64_t number = UINT64_MAX;
    assert_true(text_parse_u64(message_view(reader->messages[at])->value, &number));
    return (unsigned)number;
}

/* ---- scenarios ------------------------------------------------------------------------------- */

#define A_VALUE "a value long enough for LZ4: 13 bytes"

static inline void check_first(const struct bench *bench, const struct message_view *view)
{
    assert_text(view->topic, bench->topic);
    assert_text(view->key, "k");
    assert_text(view->value, A_VALUE);
    assert_int_equal(view->header_count, 3);
    assert_text(view->headers[0].name, "millrace-job");
    assert_text(view->headers[0].value, "42");
    assert_non_null(view->headers[1].value.start);
    assert_null(view->headers[2].value.start);
    assert_true(view->time_ms > 1700000000000u && view->epoch != 0 && !view->is_unreadable);
}

static inline void check_packing(const struct bench *bench, struct reader *reader)
{
    struct packer *packer = packer_new(TEXT("has " A_VALUE));
    size_t bytes = message_bytes(reader->messages[0]);
    for (size_t i = 0; i < reader->count; i++)
        reader->messages[i] = queue_pack(reader->queue, reader->messages[i], packer);
    assert_true(message_bytes(reader->messages[0]) < bytes);
    assert_text(message_view(reader->messages[0])->key, "k"); /* read by whoever tells of it */
    assert_null(message_view(reader->messages[0])->value.start);
    for (size_t i = 0; i < reader->count; i++)
        reader->messages[i] = queue_unpack(reader->queue, reader->messages[i], packer);
    check_first(bench, message_view(reader->messages[0]));
    packer_free(packer);
}

static inline void check_content(struct bench *bench)
{
    const struct header headers[] = {
        {TEXT("millrace-job"), TEXT("42")}, {TEXT("empty"), TEXT("")}, {TEXT("null"), TEXT_NONE}};
    produce(bench, "k", TEXT(A_VALUE), headers, COUNT_OF(headers));
    produce(bench, "k", TEXT_NONE, NULL, 0);
    produce(bench, "k", TEXT(""), NULL, 0);
    WAIT(bench, bench->produced == 3);

    struct reader *reader = reader_open(bench, 10);
    WAIT(bench, reader->count == 3);

    check_first(bench, message_view(reader->messages[0]));
    check_packing(bench, reader);
    assert_null(message_view(reader->messages[1])->value.start);
    assert_non_null(message_view(reader->messages[2])->value.start);
    assert_int_equal(message_view(reader->messages[2])->value.bytes, 0);
    reader_close(bench, reader);
}

static inline void check_prefix(struct bench *bench)
{
    produce_numbers(bench, "k", 0, 6);
    struct reader *reader = reader_open(bench, 100);
    WAIT(bench, reader->count == 6);

    settle_at(reader, 3);
    settle_at(reader, 1);
    settle_at(reader, 0);
    settle_at(reader, 5);
    assert_int_equal(queue_figures(reader->queue).unsettled, 2);
    reader_close(bench, reader);

    struct reader *again = reader_open(bench, 100);
    WAIT(bench, again->count == 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(number_at(again, i), 2 + i);
    for (size_t i = 0; i < 4; i++)
        settle_at(again, i);
    WAIT(bench, queue_figures(again->queue).lag == 0);
    reader_close(bench, again);

    produce_numbers(bench, "k", 6, 7);
    struct reader *last = reader_open(bench, 100);
    WAIT(bench, last->count == 1);
    assert_int_equal(number_at(last, 0), 6);
    reader_close(bench, last);
}

static inline void check_rebalance(struct bench *bench)
{
    const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (unsigned i = 0; i < COUNT_OF(keys); i++)
        produce_numbers(bench, keys[i], i * 10, i * 10 + 10);
    struct reader *first = reader_open(bench, 1000);
    WAIT(bench, first->count == 80);
    uint64_t epoch = message_view(first->messages[0])->epoch;

    struct reader *second = reader_open(bench, 1000);
    WAIT(bench, first->revoked == 1);
    assert_int_equal(first->revoked_epoch, epoch);
    size_t held = first->count;
    for (size_t i = 0; i < held; i++)
        settle_at(first, i); /* too late: the partitions are gone */
    WAIT(bench, first->assigned == 2 && second->assigned == 1);
    WAIT(bench,
         queue_figures(first->queue).partitions > 0 && queue_figures(second->queue).partitions > 0);

    WAIT(bench, first->count - held + second->count == 80);
    linger(bench, 1500);
    assert_int_equal(first->count - held + second->count, 80);
    for (size_t i = held; i < first->count; i++)
        settle_at(first, i);
    first->count = 0;
    for (size_t i = 0; i < second->count; i++)
        settle_at(second, i);
    second->count = 0;
    linger(bench, 1500); /* the mock takes no commit while a rebalance is under way */
    WAIT(bench, queue_figures(first->queue).lag + queue_figures(second->queue).lag == 0);
    reader_close(bench, second);
    reader_close(bench, first);

    struct reader *third = reader_open(bench, 1000);
    WAIT(bench, third->assigned == 1);
    linger(bench, 1500);
    assert_int_equal(third->total, 0);
    reader_close(bench, third);
}

static inline void check_close_in_rebalance(struct bench *bench)
{
    produce_numbers(bench, "k", 0, 3);
    struct reader *first = reader_open(bench, 100);
    WAIT(bench, first->count == 3);
    struct reader *second = reader_open(bench, 100);
    WAIT(bench, first->revoked == 1);

    uint64_t start_ms = loop_now_ms(bench->loop);
    reader_leave(first);
    reader_leave(second);
    WAIT(bench, first->is_closed && second->is_closed);
    assert_true(loop_now_ms(bench->loop) - start_ms <= 10000);
    free(first);
    free(second);
}

#endif
