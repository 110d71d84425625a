/*
 * json_pull.h - a pull reader of JSON that copies nothing: for replies of megabytes of numbers.
 * Pure.
 *
 * Each function reads at the place reached and, when what stands there is not what was asked for,
 * gives false and leaves is_broken set for good: check once at the end. What is skipped is only
 * balanced, not validated: nobody looks at it. Trees of small documents: json.h.
 * Owns:   nothing; what it gives out points into the text.
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_JSON_PULL_H
#define WORKER_BASE_JSON_PULL_H

#include "worker/base/text.h"

struct json_pull {
    const char *at, *end;
    bool is_broken;
};

struct json_pull json_pull_new(struct text json);
/* Passes white space; '\0' at the end. */
char json_pull_peek(struct json_pull *pull);
bool json_pull_expect(struct json_pull *pull, char c);
/* Between the quotes, escapes as they are. */
bool json_pull_string(struct json_pull *pull, struct text *ret_raw);
/* A string's escapes resolved into buffer, cut to it, always NUL-terminated. */
void json_pull_unescape(struct text raw, char *buffer, size_t buffer_bytes);
bool json_pull_number(struct json_pull *pull, double *ret_number);
bool json_pull_skip(struct json_pull *pull); /* one value of any kind */
struct text
json_pull_value(struct json_pull *pull); /* the same, and gives it raw; else TEXT_NONE */
/* bool is_first = true; while (json_pull_member(&pull, &is_first, &name)) { read or skip the value
 * } False after the last member, and when it is no object. Likewise the items of an array. */
bool json_pull_member(struct json_pull *pull, bool *is_first, struct text *ret_name);
bool json_pull_item(struct json_pull *pull, bool *is_first);

#endif
