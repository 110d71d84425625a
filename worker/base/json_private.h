/*
 * json_private.h - the inside of a JSON value, for json.c (getters) and json_parse.c.
 */
#ifndef WORKER_BASE_JSON_PRIVATE_H
#define WORKER_BASE_JSON_PRIVATE_H

#include "worker/base/json.h"

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_INTEGER,
    JSON_REAL,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_kind kind;
    struct text name; /* of a member; NUL-terminated, as all texts here */
    union {
        int64_t integer;
        double real;
        struct text text;
        struct {
            const struct json *items;
            size_t count;
        } list; /* of an array or object */
    };
};

#endif
