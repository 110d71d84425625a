#include "worker/base/budget.h"

#include "worker/base/memory.h"
#include "worker/base/uuid_map.h"

#define TENANT_TRICKLE_MS (BUDGET_TRICKLE_MS * 5)
#define SWEEP_CALLS 1024 /* purses that time has filled are looked for so seldom */

struct purse {
    struct uuid_node node;
    double level, level_max, per_ms;
    uint64_t filled_ms;
};

struct budget {
    struct purse process;
    struct uuid_map tenants;
    uint64_t now_ms; /* of the last call that told it */
    unsigned calls;  /* since the last sweep */
};

static struct purse full_purse(uint32_t repetitions, double trickle_ms, uint64_t now_ms)
{
    double level = (double)repetitions * BUDGET_COST;
    return (struct purse){.level = level,
                          .level_max = level,
                          .per_ms = BUDGET_COST / trickle_ms,
                          .filled_ms = now_ms};
}

static void add(struct purse *purse, double amount)
{
    purse->level += amount;
    if (purse->level > purse->level_max)
        purse->level = purse->level_max;
}

static void let_time_pass(struct purse *purse, uint64_t now_ms)
{
    if (now_ms > purse->filled_ms) {
        add(purse, (double)(now_ms - purse->filled_ms) * purse->per_ms);
        purse->filled_ms = now_ms;
    }
}

static bool pay(struct purse *purse, uint64_t now_ms)
{
    let_time_pass(purse, now_ms);
    if (purse->level < BUDGET_COST)
        return false;
    purse->level -= BUDGET_COST;
    return true;
}

static struct purse *find(const struct budget *budget, struct uuid tenant)
{
    struct uuid_node *node = uuid_map_find(&budget->tenants, tenant);
    return node ? container_of(node, struct purse, node) : NULL;
}

static struct purse *open_purse(struct budget *budget, struct uuid tenant, uint64_t now_ms)
{
    struct purse *purse = find(budget, tenant);
    if (purse)
        return purse;
    purse = xcalloc(1, sizeof(*purse));
    *purse = full_purse(BUDGET_TENANT_REPETITIONS, TENANT_TRICKLE_MS, now_ms);
    purse->node.id = tenant;
    uuid_map_add(&budget->tenants, &purse->node);
    return purse;
}

static void close_purse(struct budget *budget, struct purse *purse)
{
    uuid_map_remove(&budget->tenants, &purse->node);
    xfree(purse);
}

static void close_if_full(void *arg, struct uuid_node *node)
{
    struct budget *budget = arg;
    struct purse *purse = container_of(node, struct purse, node);
    let_time_pass(purse, budget->now_ms);
    if (purse->level >= purse->level_max)
        close_purse(budget, purse);
}

static void sweep_now_and_then(struct budget *budget, uint64_t now_ms)
{
    budget->now_ms = now_ms;
    if (++budget->calls < SWEEP_CALLS)
        return;
    budget->calls = 0;
    uuid_map_each(&budget->tenants, close_if_full, budget);
}

static void close_always(void *arg, struct uuid_node *node)
{
    close_purse(arg, container_of(node, struct purse, node));
}

/* ---- public ---------------------------------------------------------------------------------- */

struct budget *budget_new(void)
{
    struct budget *budget = xcalloc(1, sizeof(*budget));
    budget->process = full_purse(BUDGET_REPETITIONS, BUDGET_TRICKLE_MS, 0);
    return budget;
}

void budget_free(struct budget *budget)
{
    if (!budget)
        return;
    uuid_map_each(&budget->tenants, close_always, budget);
    uuid_map_release(&budget->tenants);
    xfree(budget);
}

bool budget_pay(struct budget *budget, uint64_t now_ms)
{
    return !budget || pay(&budget->process, now_ms);
}

bool budget_pay_tenant(struct budget *budget, struct uuid tenant, uint64_t now_ms)
{
    if (!budget)
        return true;
    sweep_now_and_then(budget, now_ms);
    return pay(open_purse(budget, tenant, now_ms), now_ms);
}

bool budget_pay_both(struct budget *budget, struct uuid tenant, uint64_t now_ms)
{
    if (!budget_pay_tenant(budget, tenant, now_ms))
        return false;
    if (budget_pay(budget, now_ms))
        return true;
    add(open_purse(budget, tenant, now_ms), BUDGET_COST);
    return false;
}

void budget_refill(struct budget *budget, struct uuid tenant)
{
    if (!budget)
        return;
    add(&budget->process, 1);
    struct purse *purse = find(budget, tenant);
    if (!purse)
        return;
    add(purse, 1);
    if (purse->level >= purse->level_max)
        close_purse(budget, purse);
}

size_t budget_purse_count(const struct budget *budget)
{
    return budget->tenants.count;
}
