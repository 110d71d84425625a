/* Reading the headers of an answer. Pure. */
#include <math.h>

#include "worker/base/date.h"
#include "worker/base/http_private.h"

struct text http_reply_header(const struct http_request *request, const char *name)
{
    struct text rest = request->exchange ? buffer_text(&request->exchange->headers) : TEXT_NONE;
    while (rest.bytes) {
        struct text value, line = text_cut(rest, '\n', &rest);
        if (text_equal_nocase(text_cut(line, ':', &value), text_from(name)))
            return text_trim(value);
    }
    return TEXT_NONE;
}

/* Ceiling: asking again a moment too early would cost another refusal. */
static uint32_t to_ms(double milliseconds)
{
    if (!(milliseconds > 0))
        return 0;
    return milliseconds >= UINT32_MAX ? UINT32_MAX : (uint32_t)ceil(milliseconds);
}

uint32_t http_retry_after_ms(const struct http_request *request, uint64_t wall_ms)
{
    double number;
    uint64_t date_ms;
    if (text_parse_double(http_reply_header(request, "retry-after-ms"), &number))
        return to_ms(number);
    struct text value = http_reply_header(request, "Retry-After");
    if (text_parse_double(value, &number))
        return to_ms(number * 1000);
    if (date_from_http(value, &date_ms) && date_ms > wall_ms)
        return to_ms((double)(date_ms - wall_ms));
    return 0;
}
