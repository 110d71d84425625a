/*
 * local_body.h - a file of this machine as a worker gets an object: a sealed copy in memory.
 *
 * Thread: any; blocks.
 */
#ifndef WORKER_LOCAL_BODY_H
#define WORKER_LOCAL_BODY_H

#include "worker/base/error.h"

/* Nothing can change under the reader's hands then. -1: ERR_USAGE (no such file), ERR_TOO_LARGE (in
 * both cases *ret_bytes is its size, or 0), ERR_IO. The caller closes it. */
int local_body_open(const char *path, uint64_t bytes_max, uint64_t *ret_bytes,
                    struct error *err) MUST_CHECK;

#endif
