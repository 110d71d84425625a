/* A lease against a ledger that answers when the test says so. */
#include "store/ledger.h"
#include "tests/unit/test.h"
#include "worker/lease.h"

#define FENCE 42

struct ledger {
    struct ledger_intend *asked; /* and not answered */
    unsigned ask_count;
};

void ledger_intend(struct ledger *ledger, struct ledger_intend *intend)
{
    assert_null(ledger->asked); /* a lease asks one thing at a time */
    assert_int_equal(intend->fence, FENCE);
    ledger->asked = intend;
    ledger->ask_count++;
}

struct bench {
    struct loop *loop;
    struct ledger ledger;
    struct lease lease;
    unsigned news_count;
    enum lease_news news;
    bool is_ended_by_news;
};

static void on_news(struct lease *lease, enum lease_news news)
{
    struct bench *bench = container_of(lease, struct bench, lease);
    bench->news_count++;
    bench->news = news;
    if (bench->is_ended_by_news)
        lease_end(lease);
}

static int set_up(void **state)
{
    static struct bench bench;
    bench = (struct bench){.loop = loop_new_virtual(1)};
    bench.lease = (struct lease){
        .loop = bench.loop,
        .ledger = &bench.ledger,
        .fence = FENCE,
        .on_news = on_news,
    };
    lease_start(&bench.lease, loop_now_ms(bench.loop));
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    loop_free(bench->loop);
    return 0;
}

static void answer(struct bench *bench, enum intend_answer answer, const struct error *err)
{
    struct ledger_intend *intend = bench->ledger.asked;
    assert_non_null(intend);
    bench->ledger.asked = NULL;
    intend->answer = answer;
    intend->sent_ms = loop_now_ms(bench->loop);
    intend->on_done(intend, err);
}

static void on_due(struct timer *timer)
{
    (void)timer;
}

static void pass_ms(struct bench *bench, uint64_t ms)
{
    struct timer timer = {0};
    timer_start(bench->loop, &timer, ms, on_due);
    loop_run(bench->loop);
}

static void test_lease__holds_for_its_time_after_the_claim_was_sent(void **state)
{
    struct bench *bench = *state;
    assert_true(lease_holds(&bench->lease));
    pass_ms(bench, LEASE_MS - 1);
    assert_true(lease_holds(&bench->lease));
    pass_ms(bench, 1);
    assert_false(lease_holds(&bench->lease));
}

static void test_lease__a_pulse_renews_it_from_when_it_was_sent(void **state)
{
    struct bench *bench = *state;
    pass_ms(bench, 5000);
    lease_pulse(&bench->lease);
    lease_pulse(&bench->lease); /* one is under way */
    assert_int_equal(bench->ledger.ask_count, 1);
    assert_int_equal(bench->ledger.asked->reserved, 0);
    struct ledger_intend *intend = bench->ledger.asked;
    uint64_t sent_ms = loop_now_ms(bench->loop);
    pass_ms(bench, 4000); /* the answer takes its time */
    bench->ledger.asked = NULL;
    intend->answer = INTEND_GO;
    intend->sent_ms = sent_ms;
    intend->on_done(intend, NULL);
    assert_int_equal(bench->news, LEASE_RENEWED);
    assert_int_equal(bench->lease.until_ms, sent_ms + LEASE_MS);
    lease_end(&bench->lease);
}

static void test_lease__reserves_ids_in_blocks_that_grow(void **state)
{
    struct bench *bench = *state;
    assert_false(lease_reserve(&bench->lease, 10));
    assert_int_equal(bench->ledger.asked->reserved, 256);
    answer(bench, INTEND_GO, NULL);
    assert_int_equal(bench->news, LEASE_RENEWED);
    assert_true(lease_reserve(&bench->lease, 256));
    assert_int_equal(bench->ledger.ask_count, 1);
    assert_false(lease_reserve(&bench->lease, 257));
    assert_int_equal(bench->ledger.asked->reserved, 1024);
    assert_false(lease_reserve(&bench->lease, 5000)); /* while one is under way */
    answer(bench, INTEND_GO, NULL);
    assert_false(bench->ledger.asked == NULL); /* asks at once for what was wanted meanwhile */
    assert_int_equal(bench->ledger.asked->reserved, 16384);
    answer(bench, INTEND_GO, NULL);
    assert_true(lease_reserve(&bench->lease, 5000));
    lease_end(&bench->lease);
}

static void test_lease__a_pulse_leaves_the_ids_unchanged(void **state)
{
    struct bench *bench = *state;
    assert_false(lease_reserve(&bench->lease, 1));
    answer(bench, INTEND_GO, NULL);
    lease_pulse(&bench->lease);
    assert_int_equal(bench->ledger.asked->reserved, 256);
    answer(bench, INTEND_GO, NULL);
    assert_int_equal(bench->lease.reserved, 256);
    lease_end(&bench->lease);
}

static void test_lease__what_is_lost_is_lost_for_good(void **state)
{
    struct bench *bench = *state;
    lease_pulse(&bench->lease);
    answer(bench, INTEND_LOST, NULL);
    assert_int_equal(bench->news, LEASE_LOST);
    assert_false(lease_holds(&bench->lease));
    lease_pulse(&bench->lease);
    assert_null(bench->ledger.asked);
}

static void test_lease__says_when_the_work_shall_stop(void **state)
{
    struct bench *bench = *state;
    lease_pulse(&bench->lease);
    answer(bench, INTEND_STOP, NULL);
    assert_int_equal(bench->news, LEASE_STOPPED);
    lease_pulse(&bench->lease);
    answer(bench, INTEND_INACTIVE, NULL);
    assert_int_equal(bench->news, LEASE_INACTIVE);
    assert_true(lease_holds(&bench->lease)); /* the finish still needs it */
}

static void test_lease__an_error_neither_renews_nor_reserves(void **state)
{
    struct bench *bench = *state;
    struct error err;
    error_set(&err, ERR_DATABASE, "gone");
    uint64_t until_ms = bench->lease.until_ms;
    assert_false(lease_reserve(&bench->lease, 1));
    answer(bench, INTEND_GO, &err);
    assert_int_equal(bench->lease.until_ms, until_ms);
    assert_int_equal(bench->lease.reserved, 0);
    assert_null(bench->ledger.asked); /* no hurry: the next pulse asks */
    lease_pulse(&bench->lease);
    assert_int_equal(bench->ledger.asked->reserved, 256);
    answer(bench, INTEND_GO, NULL);
    assert_true(lease_reserve(&bench->lease, 1));
}

static void test_lease__one_that_ended_hears_no_answer(void **state)
{
    struct bench *bench = *state;
    lease_pulse(&bench->lease);
    lease_end(&bench->lease);
    assert_false(lease_holds(&bench->lease));
    answer(bench, INTEND_GO, NULL);
    assert_int_equal(bench->news_count, 0);
    assert_false(lease_holds(&bench->lease));
}

static void test_lease__may_be_ended_by_its_own_news(void **state)
{
    struct bench *bench = *state;
    bench->is_ended_by_news = true;
    lease_pulse(&bench->lease);
    assert_false(lease_reserve(&bench->lease, 300));
    answer(bench, INTEND_GO, NULL); /* asks for the ids at once, and then the news come */
    assert_int_equal(bench->news_count, 1);
    answer(bench, INTEND_GO, NULL);
    assert_int_equal(bench->news_count, 1);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_lease__holds_for_its_time_after_the_claim_was_sent),
        WITH_BENCH(test_lease__a_pulse_renews_it_from_when_it_was_sent),
        WITH_BENCH(test_lease__reserves_ids_in_blocks_that_grow),
        WITH_BENCH(test_lease__a_pulse_leaves_the_ids_unchanged),
        WITH_BENCH(test_lease__what_is_lost_is_lost_for_good),
        WITH_BENCH(test_lease__says_when_the_work_shall_stop),
        WITH_BENCH(test_lease__an_error_neither_renews_nor_reserves),
        WITH_BENCH(test_lease__one_that_ended_hears_no_answer),
        WITH_BENCH(test_lease__may_be_ended_by_its_own_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
