/*
 * faults.h - what goes wrong: by chance, and on purpose.
 */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "worker/base/text.h"

enum sabotage { /* each must be found: sim.c */
                SABOTAGE_NONE,
                SABOTAGE_SETTLE_EARLY,
                SABOTAGE_ABANDON_SETTLES,
                SABOTAGE_SKIP_LEASE,
                SABOTAGE_NO_RESERVE,
                SABOTAGE_DROP_OLDER,
                SABOTAGE_NO_CREDIT,
                SABOTAGE_NEVER_BUSY,
                SABOTAGE_SWEEP_AT_ONCE,
                SABOTAGE_SWAP_VECTORS,
                SABOTAGE_LOSE_ROWS,
                SABOTAGE_NEWS_FORGOTTEN,
                SABOTAGE_WORK_IS_DONE,
                SABOTAGE_COUNT
};

enum fault { /* a seed has some of them */
             FAULT_KILL,
             FAULT_DRAIN,
             FAULT_FREEZE,
             FAULT_REBALANCE,
             FAULT_DATABASE_AWAY,
             FAULT_DATABASE_REPLIES,
             FAULT_OBJECTS,
             FAULT_STALE,
             FAULT_EXTRACT,
             FAULT_EMBED,
             FAULT_VECTORS,
             FAULT_DUPLICATES,
             FAULT_JOB_CONTROL,
             FAULT_TENANTS,
             FAULT_LOST_EVENTS,
             FAULT_COUNT
};

#endif
