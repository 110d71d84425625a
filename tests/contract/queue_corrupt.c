/* The two halves of test_queue_corrupt.py: `write` makes five records to be damaged and three more,
 * `write-apart` each of the five in a batch of its own, `read` finds the five unreadable. The first
 * two print the topic, the third is told it. */
#include "tests/contract/queue_bench.h"

static struct bench bench;

static void write_batches(bool is_apart)
{
    for (unsigned i = 0; i < 5; i++) {
        produce(&bench, "k", TEXT("to be damaged"), NULL, 0);
        WAIT(&bench, !is_apart || bench.produced == i + 1);
    }
    WAIT(&bench, bench.produced == 5); /* what follows is in none of their batches */
    produce_numbers(&bench, "k", 5, 8);
    puts(bench.topic);
}

static void read_batches(void)
{
    struct reader *reader = reader_open(&bench, 100);
    for (size_t i = 0; i < 8; i++) {
        WAIT(&bench, reader->count > i);
        const struct message_view *view = message_view(reader->messages[i]);
        assert_int_equal(view->offset, i);
        assert_int_equal(view->is_unreadable, i < 5);
        settle_at(reader, i);
    }
    WAIT(&bench, queue_figures(reader->queue).lag == 0);
    reader_close(&bench, reader);
}

int main(int argc, char **argv)
{
    const char *brokers = getenv("TEST_KAFKA_BROKERS");
    bool is_read = argc == 3 && strcmp(argv[1], "read") == 0;
    if (!brokers || argc < 2)
        return 2;
    bench_open(&bench, brokers, 0);
    if (is_read)
        assert_true(text_format(bench.topic, sizeof(bench.topic), "%s", argv[2]));
    bench.options.topic = text_from(bench.topic);
    if (is_read)
        read_batches();
    else
        write_batches(strcmp(argv[1], "write-apart") == 0);
    bench_close(&bench);
    return 0;
}
