/*
 * metrics.h - counters, gauges and histograms of this process, in Prometheus' text format.
 *
 * The set is fixed at compile time (metrics.def); labels come from our enums only, so their number
 * is bounded. Global: there is one process to measure.
 * Thread: the loop thread.
 */
#ifndef WORKER_BASE_METRICS_H
#define WORKER_BASE_METRICS_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"

enum metric {
#define X(kind, id, name, label, values, help) METRIC_##id,
#include "worker/base/metrics.def"
#undef X
    METRIC_COUNT
};

enum metric_lane { LANE_EMBED, LANE_STORE, LANE_OBJECT, LANE_OTHER, LANE_COUNT };
enum metric_result { RESULT_OK, RESULT_FAILED, RESULT_KILLED, RESULT_COUNT };
/* How an event ended (invariant 1). */
enum event_outcome {
    EVENT_OUTCOME_ITEM,      /* its item is final */
    EVENT_OUTCOME_REMOVAL,   /* a removal was applied */
    EVENT_OUTCOME_DUPLICATE, /* done already, or superseded by a newer one of the same object */
    EVENT_OUTCOME_IGNORED,   /* TestEvent, metadata only, outside our prefix by configuration */
    EVENT_OUTCOME_PARKED,    /* deferred: recorded in the item's row */
    EVENT_OUTCOME_DEAD_LETTER,
    EVENT_OUTCOME_COUNT
};
#define METRIC_STAGES_MAX 16 /* stage names are given by the pipeline: metrics_name_stage() */

/* label: the enum value, 0 where the metric has none. */
void metric_add(enum metric metric, unsigned label, uint64_t by);
void metric_set(enum metric metric, unsigned label, double value);
void metric_observe(enum metric metric, unsigned label, double seconds);
double metric_value(enum metric metric, unsigned label);   /* a histogram's count */
void metrics_name_stage(unsigned stage, const char *name); /* borrowed for good */
void metrics_write(struct buffer *out);                    /* the whole exposition */
void metrics_reset(void);                                  /* tests */

#endif
