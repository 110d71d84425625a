/*
 * operator.h - who gives a command: for the record of what people did.
 *
 * Thread: any.
 */
#ifndef WORKER_OPERATOR_H
#define WORKER_OPERATOR_H

#include "worker/environment.h"

#define OPERATOR_BYTES 200

/* user@machine; in a container, where nobody has a name: uid 10001@pod. Returns buffer. */
const char *operator_name(const struct environment *environment, char buffer[OPERATOR_BYTES]);

#endif
