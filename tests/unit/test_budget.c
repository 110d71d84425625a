#include "tests/unit/test.h"
#include "worker/base/budget.h"

static struct uuid tenant(unsigned number)
{
    struct uuid id = {.bytes = {(uint8_t)(number >> 8), (uint8_t)number, 1}};
    return id;
}

static unsigned pay_all(struct budget *budget, struct uuid id, uint64_t now_ms)
{
    unsigned count = 0;
    while (budget_pay_both(budget, id, now_ms))
        count++;
    return count;
}

static void test_budget__ends_with_a_tenants_own_purse(void **state)
{
    (void)state;
    struct budget *budget = budget_new();

    assert_int_equal(pay_all(budget, tenant(1), 0), BUDGET_TENANT_REPETITIONS);
    assert_int_equal(pay_all(budget, tenant(2), 0), BUDGET_TENANT_REPETITIONS);

    budget_free(budget);
}

static void test_budget__ends_with_the_processs_purse_for_all(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    unsigned count = 0;

    for (unsigned i = 0; i < 50; i++)
        count += pay_all(budget, tenant(i), 0);

    assert_int_equal(count, BUDGET_REPETITIONS);
    assert_int_equal(pay_all(budget, tenant(60), BUDGET_TRICKLE_MS * 3), 3);
    budget_free(budget);
}

/* Invariant: in the long run a fifth more calls than succeed, and a trickle. */
static void test_budget__lets_a_fifth_of_the_successes_be_repeated(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    (void)pay_all(budget, tenant(1), 0);
    unsigned count = 0;

    for (unsigned i = 0; i < 1000; i++) {
        budget_refill(budget, tenant(1));
        count += budget_pay_both(budget, tenant(1), 0);
    }

    assert_int_equal(count, 1000 / BUDGET_COST);
    budget_free(budget);
}

static void test_budget__lets_one_tenants_failures_not_use_up_anothers_repetitions(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    unsigned good = 0, bad = 0;

    for (uint64_t now_ms = 0; now_ms < 600000; now_ms += 100) {
        bad += budget_pay_both(budget, tenant(1), now_ms); /* it never succeeds */
        if (now_ms % 1000 == 0)
            good += budget_pay_both(budget, tenant(2), now_ms); /* one in ten of its calls fails */
        else
            budget_refill(budget, tenant(2));
    }

    assert_int_equal(good, 600);
    assert_in_range(bad, 480, BUDGET_TENANT_REPETITIONS + 600000 / (BUDGET_TRICKLE_MS * 5));
    budget_free(budget);
}

static void test_budget__forgets_tenants_who_have_recovered(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    for (unsigned i = 0; i < 400; i++)
        assert_true(budget_pay_tenant(budget, tenant(i), 0));
    assert_int_equal(budget_purse_count(budget), 400);

    for (unsigned i = 0; i < BUDGET_COST; i++)
        budget_refill(budget, tenant(0));
    assert_int_equal(budget_purse_count(budget), 399);
    unsigned paid = 0;
    for (unsigned i = 0; i < 2000; i++) /* time fills them as well */
        paid += budget_pay_tenant(budget, tenant(1), 3600000);
    assert_int_equal(paid, BUDGET_TENANT_REPETITIONS);

    assert_int_equal(budget_purse_count(budget), 1);
    budget_free(budget);
}

static void test_budget__has_no_bounds_where_there_is_none(void **state)
{
    (void)state;
    budget_refill(NULL, tenant(1));
    for (unsigned i = 0; i < 10000; i++)
        assert_true(budget_pay_both(NULL, tenant(1), 0) && budget_pay(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget__ends_with_a_tenants_own_purse),
        cmocka_unit_test(test_budget__ends_with_the_processs_purse_for_all),
        cmocka_unit_test(test_budget__lets_a_fifth_of_the_successes_be_repeated),
        cmocka_unit_test(test_budget__lets_one_tenants_failures_not_use_up_anothers_repetitions),
        cmocka_unit_test(test_budget__forgets_tenants_who_have_recovered),
        cmocka_unit_test(test_budget__has_no_bounds_where_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
