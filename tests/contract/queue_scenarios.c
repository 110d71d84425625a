#include "tests/contract/queue_scenarios.h"

#define A_VALUE "a value long enough for LZ4: 13 bytes"

static void check_first(const struct bench *bench, const struct message_view *view)
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

static void check_packing(const struct bench *bench, struct reader *reader)
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

void check_content(struct bench *bench)
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

void check_prefix(struct bench *bench)
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

/* The other one comes and goes: what was finished before or meanwhile is not delivered again, what is
 * still in work neither, and settling it counts. */
void check_return(struct bench *bench)
{
    produce_numbers(bench, "k", 0, 10);
    struct reader *first = reader_open(bench, 100);
    WAIT(bench, first->count == 10);
    settle_at(first, 0);
    settle_at(first, 1);
    settle_at(first, 5);
    struct reader *second = reader_open(bench, 0); /* takes nothing */
    WAIT(bench, first->revoked == 1);
    settle_at(first, 2);
    settle_at(first, 7);
    queue_abandon(first->queue, first->messages[3]);
    first->messages[3] = NULL;
    WAIT(bench, second->assigned >= 1);
    reader_close(bench, second);
    WAIT(bench, first->assigned >= 3 && first->total == 11);
    assert_int_equal(number_at(first, 10), 3); /* was given back unfinished */
    linger(bench, 1000);
    assert_int_equal(first->total, 11);
    queue_abandon(first->queue, first->messages[4]); /* of before: comes again as any other */
    first->messages[4] = NULL;
    WAIT(bench, first->total == 12);
    assert_int_equal(number_at(first, 11), 4);
    for (size_t i = 0; i < first->count; i++)
        if (first->messages[i])
            settle_at(first, i);
    WAIT(bench, queue_figures(first->queue).lag == 0);
    reader_close(bench, first);

    produce_numbers(bench, "k", 10, 11);
    struct reader *last = reader_open(bench, 100);
    WAIT(bench, last->count == 1);
    assert_int_equal(number_at(last, 0), 10);
    reader_close(bench, last);
}

static size_t count_of_partition(const struct reader *reader, int32_t partition)
{
    size_t count = 0;
    for (size_t i = 0; i < reader->count; i++)
        count += message_view(reader->messages[i])->partition == partition;
    return count;
}

/* Late settles move nothing in the partitions that are another's now: all of them comes again there,
 * and nothing where it stays. */
void check_rebalance(struct bench *bench)
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
    size_t counts[16] = {0};
    for (int32_t i = 0; i < 16; i++)
        counts[i] = count_of_partition(first, i);
    for (size_t i = 0; i < first->count; i++)
        settle_at(first, i); /* too late: the partitions are gone */
    first->count = 0;
    WAIT(bench, first->assigned >= 2 && second->assigned >= 1);
    WAIT(bench,
         queue_figures(first->queue).partitions > 0 && queue_figures(second->queue).partitions > 0);

    WAIT(bench, second->count >= 10);
    linger(bench, 1500);
    assert_int_equal(first->total, 80);
    for (int32_t i = 0; i < 16; i++) {
        size_t count = count_of_partition(second, i);
        assert_true(count == 0 || count == counts[i]);
    }
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

void check_close_in_rebalance(struct bench *bench)
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
