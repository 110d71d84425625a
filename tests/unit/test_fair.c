#include "tests/unit/fair_flows.h"
#include "worker/base/memory.h"
#include "worker/base/rng.h"

static void test_fair__one_flow_is_a_queue(void **state)
{
    (void)state;
    struct fair_item items[3];
    for (unsigned i = 0; i < 3; i++)
        push(&items[i], 1, 5000 * i + 1);
    for (unsigned i = 0; i < 3; i++)
        assert_ptr_equal(fair_pop(fair, 0), &items[i]);
    assert_null(fair_pop(fair, 0));
    for (unsigned i = 0; i < 3; i++)
        done(&items[i]);
    drain();
}

static void test_fair__flows_take_turns_by_cost(void **state)
{
    (void)state;
    static struct fair_item small[400], large[100];
    for (unsigned i = 0; i < 400; i++)
        push(&small[i], 1, 100);
    for (unsigned i = 0; i < 100; i++)
        push(&large[i], 2, 4000);
    uint64_t cost[3] = {0};
    for (unsigned i = 0; i < 200; i++) {
        struct fair_item *item = fair_pop(fair, 0);
        cost[flow_number(item)] += item->cost;
        done(item);
        int64_t lead = (int64_t)cost[2] - (int64_t)cost[1];
        assert_in_range(lead + 2 * QUANTUM, 0, 4000 + 3 * QUANTUM); /* never apart by more */
    }
    drain();
}

static void test_fair__weights_share_in_proportion(void **state)
{
    (void)state;
    static struct fair_item items[4000];
    fair_configure(fair, flow_id(1), 3 * FAIR_WEIGHT_ONE, 0);
    for (unsigned i = 0; i < 4000; i++)
        push(&items[i], 1 + i % 2, 500);
    unsigned count[3] = {0};
    for (unsigned i = 0; i < 800; i++)
        count[pop_done(0)]++;
    assert_in_range(count[1], 595, 605);
    fair_configure(fair, flow_id(1), FAIR_WEIGHT_ONE, 0);
    drain();
}

static void test_fair__a_weight_below_one_is_a_smaller_share(void **state)
{
    (void)state;
    static struct fair_item items[4000];
    fair_configure(fair, flow_id(1), FAIR_WEIGHT_ONE / 4, 0);
    for (unsigned i = 0; i < 4000; i++)
        push(&items[i], 1 + i % 2, 500);
    unsigned count[3] = {0};
    for (unsigned i = 0; i < 1000; i++)
        count[pop_done(0)]++;
    assert_in_range(count[1], 195, 205);
    fair_configure(fair, flow_id(1), FAIR_WEIGHT_ONE, 0);
    drain();
}

/* How many others leave between the push of a quiet flow's item and its own leaving. */
static unsigned wait_of_quiet(unsigned flow)
{
    struct fair_item quiet;
    push(&quiet, flow, 800);
    for (unsigned others = 0;; others++) {
        unsigned number = pop_done(0);
        assert_true(number > 0);
        if (number == flow)
            return others;
    }
}

static void test_fair__a_hundred_thousand_items_do_not_delay_a_quiet_flow(void **state)
{
    (void)state;
    const unsigned item_count = 100000;
    struct fair_item *noise = xcalloc(item_count, sizeof(*noise));
    struct rng rng = rng_seeded(7);
    for (unsigned i = 0; i < item_count; i++)
        push(&noise[i], 1, 1 + rng_below(&rng, 2 * QUANTUM));
    for (unsigned i = 0; i < 200; i++) {
        /* one turn of the noisy flow: at most 16 of the cheapest things */
        assert_in_range(wait_of_quiet(2), 0, 16);
        for (uint64_t n = rng_below(&rng, 40); n > 0; n--)
            assert_int_equal(pop_done(0), 1);
    }
    drain();
    xfree(noise);
}

static void test_fair__many_noisy_flows_delay_a_quiet_one_by_one_round(void **state)
{
    (void)state;
    const unsigned flows = 50, each = 400;
    struct fair_item *noise = xcalloc((size_t)flows * each, sizeof(*noise));
    for (unsigned i = 0; i < flows * each; i++)
        push(&noise[i], 100 + i % flows, QUANTUM);
    for (unsigned i = 0; i < 100; i++)
        assert_in_range(wait_of_quiet(2), 0, 2 * flows);
    drain();
    xfree(noise);
}

static void test_fair__a_huge_item_starts_at_once_and_is_paid_off_afterwards(void **state)
{
    (void)state;
    static struct fair_item huge[2], small[300];
    push(&huge[0], 1, 100 * QUANTUM);
    push(&huge[1], 1, 100 * QUANTUM);
    for (unsigned i = 0; i < 300; i++)
        push(&small[i], 2, QUANTUM);
    assert_int_equal(pop_done(0), 1);
    unsigned between = 0;
    while (pop_done(0) == 2)
        between++;
    assert_in_range(between, 99, 102);
    drain();
}

static void test_fair__a_debtor_alone_is_served_without_delay(void **state)
{
    (void)state;
    struct fair_item items[3];
    for (unsigned i = 0; i < 3; i++)
        push(&items[i], 1, UINT64_MAX);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pop_done(0), 1);
    drain();
}

static void test_fair__an_emptied_flow_cannot_leave_its_debt_behind(void **state)
{
    (void)state;
    static struct fair_item huge, small[100];
    for (unsigned i = 0; i < 100; i++)
        push(&small[i], 2, QUANTUM);
    unsigned count = 0;
    for (unsigned i = 0; i < 60; i++) { /* one at a time, again and again */
        if (!list_is_member(&huge.node))
            push(&huge, 1, 20 * QUANTUM);
        count += pop_done(0) == 1;
    }
    assert_in_range(count, 2, 4);
    drain();
}

static void test_fair__the_real_cost_corrects_the_guess(void **state)
{
    (void)state;
    static struct fair_item items[2][200];
    unsigned count[3] = {0};
    for (unsigned i = 0; i < 200; i++) {
        push(&items[0][i], 1, QUANTUM); /* turns out to cost the tenfold */
        push(&items[1][i], 2, QUANTUM);
    }
    for (unsigned i = 0; i < 110; i++) {
        struct fair_item *item = fair_pop(fair, 0);
        unsigned number = flow_number(item);
        fair_done(fair, item->flow, item->cost, number == 1 ? 10 * QUANTUM : QUANTUM);
        count[number]++;
    }
    assert_in_range(count[1], 8, 13);
    drain();
}

static void test_fair__free_things_do_not_make_an_endless_turn(void **state)
{
    (void)state;
    static struct fair_item items[2][100];
    for (unsigned i = 0; i < 100; i++) {
        push(&items[0][i], 1, 50 * QUANTUM); /* every one a duplicate: it costs nothing */
        push(&items[1][i], 2, QUANTUM);
    }
    unsigned in_a_row = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct fair_item *item = fair_pop(fair, 0);
        bool is_free = flow_number(item) == 1;
        fair_done(fair, item->flow, item->cost, is_free ? 0 : item->cost);
        in_a_row = is_free ? in_a_row + 1 : 0;
        assert_in_range(in_a_row, 0, 17);
    }
    drain();
}

static void test_fair__the_cap_holds_and_others_go_on(void **state)
{
    (void)state;
    struct fair_item noisy[10], quiet;
    fair_configure(fair, flow_id(1), FAIR_WEIGHT_ONE, 2);
    for (unsigned i = 0; i < 10; i++)
        push(&noisy[i], 1, 1);
    assert_int_equal(flow_number(fair_pop(fair, 0)), 1);
    assert_int_equal(flow_number(fair_pop(fair, 0)), 1);
    assert_null(fair_pop(fair, 0));
    push(&quiet, 2, 1);
    assert_int_equal(pop_done(0), 2);
    assert_null(fair_pop(fair, 0));
    done(&noisy[0]);
    assert_ptr_equal(fair_pop(fair, 0), &noisy[2]);
    assert_null(fair_pop(fair, 0));
    done(&noisy[1]);
    done(&noisy[2]);
    fair_configure(fair, flow_id(1), FAIR_WEIGHT_ONE, 0);
    drain();
}

static void test_fair__a_parked_flow_waits_for_its_time_and_for_the_later_of_two(void **state)
{
    (void)state;
    struct fair_item a, b, c;
    push(&a, 1, 1);
    push(&b, 2, 1);
    push(&c, 3, 1);
    fair_park(fair, flow_id(1), 500);
    fair_park(fair, flow_id(2), 300);
    fair_park(fair, flow_id(2), 200);
    assert_true(fair_next_due_ms(fair) == 300);
    assert_int_equal(pop_done(0), 3);
    assert_int_equal(pop_done(299), 0);
    assert_int_equal(pop_done(300), 2);
    assert_true(fair_next_due_ms(fair) == 500);
    fair_remove(fair, &a); /* parked and empty: it still counts */
    assert_int_equal(fair_flow_count(fair), 1);
    push(&a, 1, 1);
    assert_int_equal(pop_done(499), 0);
    assert_int_equal(pop_done(10000), 1);
    assert_true(fair_next_due_ms(fair) == UINT64_MAX);
    drain();
}

static void test_fair__a_held_flow_waits_until_it_is_let_go(void **state)
{
    (void)state;
    struct fair_item a, b;
    push(&a, 1, 1);
    push(&b, 2, 1);
    fair_hold(fair, flow_id(1), true);
    assert_int_equal(pop_done(UINT64_MAX), 2);
    assert_int_equal(pop_done(UINT64_MAX), 0);
    fair_remove(fair, &a); /* held and empty: it still counts */
    assert_int_equal(fair_flow_count(fair), 1);
    push(&a, 1, 1);
    assert_int_equal(pop_done(UINT64_MAX), 0);
    fair_hold(fair, flow_id(1), false);
    assert_int_equal(pop_done(0), 1);
    drain();
}

static void test_fair__what_comes_back_is_first_in_its_flow(void **state)
{
    (void)state;
    struct fair_item items[3];
    for (unsigned i = 0; i < 3; i++)
        push(&items[i], 1, 10);
    assert_ptr_equal(fair_pop(fair, 0), &items[0]);
    done(&items[0]);
    fair_push_front(fair, &items[0]);
    for (unsigned i = 0; i < 3; i++)
        assert_ptr_equal(fair_pop(fair, 0), &items[i]);
    for (unsigned i = 0; i < 3; i++)
        done(&items[i]);
    drain();
}

static void test_fair__removed_things_are_not_given_out(void **state)
{
    (void)state;
    struct fair_item items[3];
    for (unsigned i = 0; i < 3; i++)
        push(&items[i], 1, 10);
    fair_remove(fair, &items[1]);
    assert_int_equal(fair_waiting_count(fair), 2);
    assert_ptr_equal(fair_pop(fair, 0), &items[0]);
    assert_ptr_equal(fair_pop(fair, 0), &items[2]);
    done(&items[0]);
    done(&items[2]);
    drain();
}

/* ---- a model, and chance --------------------------------------------------------------------- */

#define FLOWS 12
#define ITEMS 3000

struct model {
    unsigned waiting[FLOWS], in_flight[FLOWS], cap[FLOWS];
    uint64_t parked_until_ms[FLOWS];
    struct fair_item *flying[ITEMS];
    unsigned flying_count;
};

static bool may_give(const struct model *model, unsigned flow, uint64_t now_ms)
{
    return model->waiting[flow] > 0 && model->in_flight[flow] < model->cap[flow] &&
           model->parked_until_ms[flow] <= now_ms;
}

static void model_pop(struct model *model, uint64_t now_ms)
{
    bool is_any = false;
    for (unsigned i = 0; i < FLOWS; i++)
        is_any |= may_give(model, i, now_ms);
    struct fair_item *item = fair_pop(fair, now_ms);
    assert_int_equal(item != NULL, is_any); /* work-conserving */
    if (!item)
        return;
    unsigned flow = flow_number(item);
    assert_true(may_give(model, flow, now_ms));
    model->waiting[flow]--;
    model->in_flight[flow]++;
    model->flying[model->flying_count++] = item;
}

static void model_done(struct model *model, struct rng *rng)
{
    if (model->flying_count == 0)
        return;
    size_t which = rng_below(rng, model->flying_count);
    struct fair_item *item = model->flying[which];
    model->flying[which] = model->flying[--model->flying_count];
    model->in_flight[flow_number(item)]--;
    fair_done(fair, item->flow, item->cost, rng_below(rng, 3 * item->cost));
}

static void run_model(uint64_t seed)
{
    static struct fair_item items[ITEMS];
    static struct model model;
    struct rng rng = rng_seeded(seed);
    uint64_t now_ms = 0;
    unsigned pushed = 0;
    memset(&model, 0, sizeof(model));
    for (unsigned i = 0; i < FLOWS; i++) {
        model.cap[i] = 1 + (unsigned)rng_below(&rng, 5);
        fair_configure(fair, flow_id(i), 1 + (uint32_t)rng_below(&rng, 4 * FAIR_WEIGHT_ONE),
                       model.cap[i]);
    }
    while (pushed < ITEMS || fair_waiting_count(fair) || model.flying_count) {
        unsigned flow = (unsigned)rng_below(&rng, FLOWS);
        uint64_t dice = rng_below(&rng, 100);
        now_ms += dice < 10 ? rng_below(&rng, 50) : 0;
        if (dice < 35 && pushed < ITEMS) {
            model.waiting[flow]++;
            push(&items[pushed++], flow, 1 + rng_below(&rng, 5 * QUANTUM));
        } else if (dice < 65) {
            model_pop(&model, now_ms);
        } else if (dice < 95) {
            model_done(&model, &rng);
        } else {
            uint64_t until_ms = now_ms + rng_below(&rng, 100);
            fair_park(fair, flow_id(flow), until_ms);
            if (until_ms > model.parked_until_ms[flow])
                model.parked_until_ms[flow] = until_ms;
        }
    }
    for (unsigned i = 0; i < FLOWS; i++)
        fair_configure(fair, flow_id(i), FAIR_WEIGHT_ONE, 0);
    assert_null(fair_pop(fair, UINT64_MAX));
    assert_int_equal(fair_flow_count(fair), 0);
}

static void test_fair__gives_something_whenever_it_may_under_any_mixture(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        run_model(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fair__one_flow_is_a_queue),
        TEST(test_fair__flows_take_turns_by_cost),
        TEST(test_fair__weights_share_in_proportion),
        TEST(test_fair__a_weight_below_one_is_a_smaller_share),
        TEST(test_fair__a_hundred_thousand_items_do_not_delay_a_quiet_flow),
        TEST(test_fair__many_noisy_flows_delay_a_quiet_one_by_one_round),
        TEST(test_fair__a_huge_item_starts_at_once_and_is_paid_off_afterwards),
        TEST(test_fair__a_debtor_alone_is_served_without_delay),
        TEST(test_fair__an_emptied_flow_cannot_leave_its_debt_behind),
        TEST(test_fair__the_real_cost_corrects_the_guess),
        TEST(test_fair__free_things_do_not_make_an_endless_turn),
        TEST(test_fair__the_cap_holds_and_others_go_on),
        TEST(test_fair__a_parked_flow_waits_for_its_time_and_for_the_later_of_two),
        TEST(test_fair__a_held_flow_waits_until_it_is_let_go),
        TEST(test_fair__what_comes_back_is_first_in_its_flow),
        TEST(test_fair__removed_things_are_not_given_out),
        TEST(test_fair__gives_something_whenever_it_may_under_any_mixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
