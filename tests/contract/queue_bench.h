/* A broker, a producer and readers for the contract tests of queue.h. */
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
    struct error refusal; /* the last one */
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
    if (err)
        bench->refusal = *err;
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

#endif
