/*
 * ops_private.h - what ops.c (routes) and ops_status.c (the status page and its JSON) share.
 */
#ifndef WORKER_OPS_PRIVATE_H
#define WORKER_OPS_PRIVATE_H

#include "worker/base/httpd.h"
#include "worker/base/list.h"
#include "worker/ops.h"

struct ops {
    struct app *app;
    const struct running *running;
    struct httpd *httpd;
    bool is_fatal;
    struct list pages; /* answers under way */
    struct httpd_route routes[8];
};

/* The page, or the same as JSON: now what this worker knows, the rest when the database answers. */
void ops_answer(struct ops *ops, struct httpd_request *request, bool is_page, bool sees_private);
void ops_answers_close(struct ops *ops); /* those under way end by themselves, unsent */

#endif
