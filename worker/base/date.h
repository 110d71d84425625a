/*
 * date.h - the three spellings of an instant that services use; always UTC, always the C locale.
 *
 * An instant is milliseconds since 1970. Pure.
 * Thread: any.
 */
#ifndef WORKER_BASE_DATE_H
#define WORKER_BASE_DATE_H

#include "worker/base/text.h"

#define DATE_AMZ_BYTES 17 /* 20150830T123600Z and a NUL */

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 IMF-fixdate; the name of the day is not checked). */
bool date_from_http(struct text text, uint64_t *ret_wall_ms) MUST_CHECK;
/* "2015-08-30T12:36:00Z", "2015-08-30T12:36:00.123Z"; also "+00:00" and other offsets. */
bool date_from_iso(struct text text, uint64_t *ret_wall_ms) MUST_CHECK;
/* 20150830T123600Z. Returns buffer. */
const char *date_to_amz(uint64_t wall_ms, char buffer[DATE_AMZ_BYTES]);

#endif
