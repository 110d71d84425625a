#include "queue/trace.h"

/* https://www.w3.org/TR/trace-context/#traceparent-header: version "-" trace id "-" parent id "-"
 * flags; a later version may go on after another "-". */
#define ID_AT 3
#define ID_BYTES 32
#define PARENT_AT (ID_AT + ID_BYTES + 1)
#define PARENT_BYTES 16
#define FLAGS_AT (PARENT_AT + PARENT_BYTES + 1)
#define LEAST_BYTES (FLAGS_AT + 2)

static bool is_hex(struct text digits)
{
    for (size_t i = 0; i < digits.bytes; i++) {
        char c = digits.start[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

static bool is_zero(struct text digits)
{
    for (size_t i = 0; i < digits.bytes; i++)
        if (digits.start[i] != '0')
            return false;
    return true;
}

static struct text trace_id(struct text parent)
{
    struct text version = text_slice(parent, 0, 2);
    struct text id = text_slice(parent, ID_AT, ID_AT + ID_BYTES);
    struct text span = text_slice(parent, PARENT_AT, PARENT_AT + PARENT_BYTES);
    if (parent.bytes < LEAST_BYTES || parent.start[ID_AT - 1] != '-' ||
        parent.start[PARENT_AT - 1] != '-' || parent.start[FLAGS_AT - 1] != '-')
        return TEXT_NONE;
    bool is_first = text_equal(version, TEXT("00"));
    bool has_its_length =
        parent.bytes == LEAST_BYTES || (!is_first && parent.start[LEAST_BYTES] == '-');
    bool is_good = is_hex(version) && !text_equal(version, TEXT("ff")) && has_its_length &&
                   is_hex(text_slice(parent, FLAGS_AT, LEAST_BYTES)) && is_hex(span) &&
                   !is_zero(span) && is_hex(id) && !is_zero(id);
    return is_good ? id : TEXT_NONE;
}

struct text trace_id_of(const struct header *headers, size_t header_count)
{
    for (size_t i = 0; i < header_count; i++)
        if (text_equal(headers[i].name, TEXT("traceparent")))
            return trace_id(headers[i].value);
    return TEXT_NONE;
}
