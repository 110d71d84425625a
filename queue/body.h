/*
 * body.h - an object's bytes in memory that nobody can change any more: a sealed memfd.
 *
 * Thread: any.
 */
#ifndef QUEUE_BODY_H
#define QUEUE_BODY_H

#include "queue/checksum.h"
#include "worker/base/error.h"

int body_new(struct error *err) MUST_CHECK;           /* -1: ERR_IO; the caller closes it */
bool body_seal(int fd, struct error *err) MUST_CHECK; /* no write, no change of size, for good */
bool body_checksum(int fd, uint64_t bytes, enum checksum_kind kind, struct checksum *ret_sum,
                   struct error *err) MUST_CHECK;

#endif
