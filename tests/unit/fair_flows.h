/* What the tests of fair.h share: flows with numbers, things with a cost. */
#ifndef TESTS_UNIT_FAIR_FLOWS_H
#define TESTS_UNIT_FAIR_FLOWS_H

#include "tests/unit/test.h"
#include "worker/base/fair.h"

#define QUANTUM 1000

static struct fair *fair;

static inline int setup(void **state)
{
    (void)state;
    fair = fair_new(QUANTUM, 1000000);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    fair_free(fair);
    return 0;
}

static inline struct uuid flow_id(unsigned n)
{
    return (struct uuid){{(uint8_t)(n >> 8), (uint8_t)n, 1}};
}

static inline unsigned flow_number(const struct fair_item *item)
{
    return (unsigned)item->flow.bytes[0] << 8 | item->flow.bytes[1];
}

static inline void push(struct fair_item *item, unsigned flow, uint64_t cost)
{
    *item = (struct fair_item){.flow = flow_id(flow), .cost = cost};
    fair_push(fair, item);
}

static inline void done(const struct fair_item *item)
{
    fair_done(fair, item->flow, item->cost, item->cost);
}

/* Pops one and finishes it at once; the flow's number, 0 when nothing is given. */
static inline unsigned pop_done(uint64_t now_ms)
{
    struct fair_item *item = fair_pop(fair, now_ms);
    if (!item)
        return 0;
    done(item);
    return flow_number(item);
}

static inline void drain(void)
{
    while (fair_waiting_count(fair))
        assert_true(pop_done(UINT64_MAX) > 0);
    assert_null(fair_pop(fair, 0)); /* forgives what is owed */
    assert_int_equal(fair_flow_count(fair), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
