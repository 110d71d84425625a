/*
 * tables.h - what the statements of the ledger mean (store/statements/), one request at a time.
 */
#ifndef TESTS_SIM_TABLES_H
#define TESTS_SIM_TABLES_H

#include "store/ledger.h"

#define PARKED_MAX_MS 10800000u /* a day in the statements: seeds that park would be one day long */

struct world;
struct stored;

/* For longer than allowed; 0: it does not wait. */
bool has_waited_long(const struct world *world, uint64_t since_ms);
/* Rows of an attempt that has not finished. */
void staged_drop(struct world *world, struct stored *staged);

void table_claim(struct world *world, struct ledger_claim *claim);
void table_intend(struct world *world, struct ledger_intend *intend);
void table_stage(struct world *world, const struct ledger_stage *stage);
void table_known(struct world *world, struct ledger_known *known);
void table_finish(struct world *world, struct ledger_finish *finish);
void table_release(struct world *world, struct ledger_release *release);
void table_bury(struct world *world, struct ledger_burial *burial);
void table_dead(struct world *world, struct ledger_dead *dead);
void table_swept(struct world *world, const struct litter *litter);
void table_due(struct world *world, struct ledger_due *due);

#endif
