#include "store/scan.h"

#include <string.h>

#include "store/floats.h"

struct scan scan_new(struct text json)
{
    return (struct scan){.at = json.start, .end = json.start + json.bytes};
}

static void *bad(struct scan *scan)
{
    scan->is_bad = true;
    scan->at = scan->end;
    return NULL;
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
        scan->at++;
}

static bool take(struct scan *scan, char c)
{
    skip_space(scan);
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

/* Behind the opening quote; stops behind the closing one. */
static void skip_string(struct scan *scan)
{
    while (scan->at < scan->end && *scan->at != '"')
        scan->at += *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1;
    if (scan->at == scan->end)
        bad(scan);
    else
        scan->at++;
}

static bool is_delimiter(char c)
{
    return c == ',' || c == ']' || c == '}' || c == ':' || c == ' ' || c == '\n' || c == '\t' ||
           c == '\r' || c == '"' || c == '[' || c == '{';
}

/* Objects and arrays: to the bracket that closes the first one. The kinds are not matched. */
static void skip_nested(struct scan *scan)
{
    size_t depth = 0;
    do {
        if (scan->at == scan->end) {
            bad(scan);
            return;
        }
        char c = *scan->at++;
        if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth--;
        else if (c == '"')
            skip_string(scan);
    } while (depth > 0);
}

struct text scan_value(struct scan *scan)
{
    skip_space(scan);
    const char *start = scan->at;
    if (start == scan->end) {
        bad(scan);
        return TEXT_NONE;
    }
    if (*start == '"') {
        scan->at++;
        skip_string(scan);
    } else if (*start == '[' || *start == '{') {
        skip_nested(scan);
    } else {
        while (scan->at < scan->end && !is_delimiter(*scan->at))
            scan->at++;
        if (scan->at == start)
            bad(scan);
    }
    return scan->is_bad ? TEXT_NONE : (struct text){start, (size_t)(scan->at - start)};
}

struct text scan_string(struct scan *scan)
{
    struct text value = scan_value(scan);
    if (value.bytes < 2 || value.start[0] != '"')
        return TEXT_NONE;
    return text_slice(value, 1, value.bytes - 1);
}

bool scan_open(struct scan *scan)
{
    skip_space(scan);
    if (take(scan, '{'))
        return true;
    (void)scan_value(scan);
    return false;
}

bool scan_member(struct scan *scan, bool *is_first, struct text *ret_name)
{
    if (take(scan, '}'))
        return false;
    if (!*is_first && !take(scan, ','))
        return bad(scan);
    *is_first = false;
    skip_space(scan);
    if (scan->at == scan->end || *scan->at != '"')
        return bad(scan);
    *ret_name = scan_string(scan);
    if (!take(scan, ':'))
        return bad(scan);
    return !scan->is_bad;
}

bool scan_floats(struct text array, float *ret_values, size_t count)
{
    struct scan scan = scan_new(array);
    if (!take(&scan, '['))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && !take(&scan, ','))
            return false;
        skip_space(&scan);
        size_t bytes = 0;
        struct text rest = {scan.at, (size_t)(scan.end - scan.at)};
        if (!float_parse(rest, &bytes, &ret_values[i]))
            return false;
        scan.at += bytes;
    }
    return take(&scan, ']') && (skip_space(&scan), scan.at == scan.end);
}
