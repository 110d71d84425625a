/*
 * budget.h - who may repeat a call: repetitions are paid for by successes. Pure.
 *
 * There is a purse for each tenant and one for the process. A repetition costs BUDGET_COST of both,
 * a success puts 1 into both, and time a little. So a tenant whose calls always fail stops long
 * before others notice, and a service that is down gets no more than a fifth on top of what works,
 * or BUDGET_TRICKLE_MS apart when nothing does. A full purse is nobody's news and is not kept.
 * Owns:   the purses.
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_BUDGET_H
#define WORKER_BASE_BUDGET_H

#include "worker/base/crypto.h"

#define BUDGET_COST 5
#define BUDGET_TENANT_REPETITIONS 100 /* in a row, without any success */
#define BUDGET_REPETITIONS 500        /* likewise, of all tenants together */
#define BUDGET_TRICKLE_MS 250         /* then one so often; a tenant's five times as seldom */

struct budget;
struct budget *budget_new(void);
void budget_free(struct budget *budget); /* NULL is allowed */

/* All of these: budget NULL means no bounds. A call that serves several tenants is paid for once by
 * the process and once by each of them. False: nothing was taken, do not repeat. */
bool budget_pay(struct budget *budget, uint64_t now_ms) MUST_CHECK;
bool budget_pay_tenant(struct budget *budget, struct uuid tenant, uint64_t now_ms) MUST_CHECK;
/* Both, for a call of one tenant. */
bool budget_pay_both(struct budget *budget, struct uuid tenant, uint64_t now_ms) MUST_CHECK;
void budget_refill(struct budget *budget, struct uuid tenant); /* a success */
size_t budget_purse_count(const struct budget *budget);        /* tenants whose purse is not full */

#endif
