/*
 * ops.h - the operations port: /livez, /readyz, /metrics, and the status page with its JSON.
 *
 * Tenants and file names only for loopback or with MILLRACE_PAGE_TOKEN; aggregates otherwise.
 * Owns:   its server. Borrows app and running.
 * Thread: the loop thread.
 */
#ifndef WORKER_OPS_H
#define WORKER_OPS_H

#include "worker/running.h"

struct ops;
struct ops *ops_open(struct app *app, const struct running *running, struct error *err) MUST_CHECK;
uint16_t ops_port(const struct ops *ops);
void ops_set_fatal(struct ops *ops); /* /livez fails from now on */
void ops_close(struct ops *ops, void (*on_closed)(void *arg), void *arg);

#endif
