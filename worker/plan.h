/*
 * plan.h - what a submission would do, document by document: submit --dry-run.
 *
 * Thread: any.
 */
#ifndef WORKER_PLAN_H
#define WORKER_PLAN_H

#include "worker/sources.h"
#include "worker/term.h"

void plan_print(const struct sources *sources, struct term *term);
void plan_print_json(const struct sources *sources); /* on stdout, an object a line */

#endif
