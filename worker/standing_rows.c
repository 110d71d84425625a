#include "worker/standing_rows.h"

enum standing_column { /* REPORT_JOB_STANDING */
                       STANDING_CONTROL,
                       STANDING_CONTROL_BY,
                       STANDING_CONTROL_AT,
                       STANDING_OPEN,
                       STANDING_RUNNING,
                       STANDING_PARKED,
                       STANDING_RETRY_S,
                       STANDING_RETRY,
                       STANDING_WORKERS,
                       STANDING_WORKER_SEEN,
                       STANDING_LAG,
                       STANDING_OLDEST,
                       STANDING_TROUBLE_CODE,
                       STANDING_TROUBLE
};

struct standing standing_of_row(const struct pg_result *rows, size_t row)
{
    return (struct standing){
        .control = pg_value(rows, row, STANDING_CONTROL),
        .control_by = pg_value(rows, row, STANDING_CONTROL_BY),
        .control_at = pg_value(rows, row, STANDING_CONTROL_AT),
        .open = row_number(rows, row, STANDING_OPEN),
        .running = row_number(rows, row, STANDING_RUNNING),
        .parked = row_number(rows, row, STANDING_PARKED),
        .retry_s = row_number(rows, row, STANDING_RETRY_S),
        .retry_message = pg_value(rows, row, STANDING_RETRY),
        .workers = row_number(rows, row, STANDING_WORKERS),
        .worker_seen_at = pg_value(rows, row, STANDING_WORKER_SEEN),
        .kafka_lag = row_number(rows, row, STANDING_LAG),
        .oldest_s = row_number(rows, row, STANDING_OLDEST),
        .trouble_code = pg_value(rows, row, STANDING_TROUBLE_CODE),
        .trouble_message = pg_value(rows, row, STANDING_TROUBLE),
    };
}
