/*
 * pull.h - a pull reader of JSON that copies nothing. Pure.
 *
 * Each function reads at the place reached and, when what stands there is not what was asked for,
 * gives false and leaves is_broken set for good: check once at the end.
 * Owns:   nothing; what it gives out points into the text.
 * Thread: any, one at a time.
 */
#ifndef EMBED_PULL_H
#define EMBED_PULL_H

#include "worker/base/text.h"

struct pull {
    const char *at, *end;
    bool is_broken;
};

struct pull pull_new(struct text json);
/* Passes white space; '\0' at the end. */
char pull_peek(struct pull *pull);
bool pull_expect(struct pull *pull, char c);
/* Between the quotes, escapes as they are. */
bool pull_string(struct pull *pull, struct text *ret_raw);
/* A string's escapes resolved into buffer, cut to it, always NUL-terminated. */
void pull_unescape(struct text raw, char *buffer, size_t buffer_bytes);
bool pull_number(struct pull *pull, double *ret_number);
bool pull_skip(struct pull *pull); /* one value of any kind, at most 64 deep */
/* bool is_first = true; while (pull_member(&pull, &is_first, &name)) { read or skip the value }
 * False after the last member, and when it is no object. Likewise the items of an array. */
bool pull_member(struct pull *pull, bool *is_first, struct text *ret_name);
bool pull_item(struct pull *pull, bool *is_first);

#endif
