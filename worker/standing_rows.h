/*
 * standing_rows.h - how a job stands, from a row of REPORT_JOB_STANDING.
 *
 * Owns:   nothing; texts are borrowed from the rows.
 * Thread: the loop thread.
 */
#ifndef WORKER_STANDING_ROWS_H
#define WORKER_STANDING_ROWS_H

#include "worker/rows.h"
#include "worker/standing.h"

struct standing standing_of_row(const struct pg_result *rows, size_t row);

#endif
