/*
 * scan.h - walks over JSON without building a tree: for replies of megabytes of numbers. Pure.
 *
 * The first thing that is not JSON sets is_bad and every function gives nothing from then on, so a
 * reader checks once, at the end. What is skipped is only balanced, not validated: nobody looks at
 * it.
 * Owns:   nothing; all texts are borrowed from the scanned one.
 * Thread: any, one at a time.
 */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include "worker/base/text.h"

struct scan {
    const char *at, *end;
    bool is_bad;
};

struct scan scan_new(struct text json);
bool scan_open(struct scan *scan); /* the value here is an object: go inside; else it is skipped */
/* The next member of the object we are in, its value comes next; false behind the last one. The
 * name is raw: what it escapes stays escaped. */
bool scan_member(struct scan *scan, bool *is_first, struct text *ret_name);
struct text scan_value(struct scan *scan);  /* the whole value, raw; skips it */
struct text scan_string(struct scan *scan); /* without quotes, raw; TEXT_NONE for other values */
/* Reads "[1, 2.5, ...]" of exactly count finite numbers. */
bool scan_floats(struct text array, float *ret_values, size_t count) MUST_CHECK;

#endif
