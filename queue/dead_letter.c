#include "queue/dead_letter.h"

#include <inttypes.h>

#define PREFIX "millrace-dlq-"
#define OURS_COUNT 7
#define REASON_BYTES_MAX 1024

static bool is_ours(const struct header *header)
{
    return text_starts_with(header->name, TEXT(PREFIX));
}

/* The headers that are not ours, with room for ours behind them. A record that becomes a dead
 * letter for the second time does not carry the first story along. */
static bool copy_original(const struct header *headers, size_t header_count, struct arena *arena,
                          struct header **ret_headers, size_t *ret_count)
{
    struct header *copy = arena_alloc_array(arena, header_count + OURS_COUNT, sizeof(*copy));
    if (!copy)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < header_count; i++) {
        if (is_ours(&headers[i]))
            continue;
        copy[count] = headers[i];
        if (!arena_copy(arena, headers[i].name, &copy[count].name) ||
            (headers[i].value.start && !arena_copy(arena, headers[i].value, &copy[count].value)))
            return false;
        count++;
    }
    *ret_headers = copy;
    *ret_count = count;
    return true;
}

static bool add_text(struct arena *arena, struct header *ret_header, struct text name,
                     struct text value)
{
    ret_header->name = name;
    return arena_copy(arena, value, &ret_header->value);
}

static bool add_number(struct arena *arena, struct header *ret_header, struct text name,
                       int64_t value)
{
    char digits[24];
    return text_format(digits, sizeof(digits), "%" PRId64, value) &&
           add_text(arena, ret_header, name, text_from(digits));
}

bool dead_letter_headers(const struct dead_letter *letter, struct arena *arena,
                         struct header **ret_headers, size_t *ret_count)
{
    const struct message_view *message = &letter->message;
    struct header *headers;
    size_t count;
    if (!copy_original(message->headers, message->header_count, arena, &headers, &count))
        return false;
    struct header *ours = headers + count;
    if (!add_text(arena, &ours[0], TEXT(PREFIX "code"), text_from(error_name(letter->code))) ||
        !add_text(arena, &ours[1], TEXT(PREFIX "reason"),
                  text_utf8_prefix(letter->reason, REASON_BYTES_MAX)) ||
        !add_text(arena, &ours[2], TEXT(PREFIX "topic"), message->topic) ||
        !add_number(arena, &ours[3], TEXT(PREFIX "partition"), message->partition) ||
        !add_number(arena, &ours[4], TEXT(PREFIX "offset"), message->offset) ||
        !add_number(arena, &ours[5], TEXT(PREFIX "event"), letter->event_no) ||
        !add_number(arena, &ours[6], TEXT(PREFIX "time"), (int64_t)message->time_ms))
        return false;
    *ret_headers = headers;
    *ret_count = count + OURS_COUNT;
    return true;
}

/* A message that was replayed in part before is never replayed as a whole. */
static bool is_part(const struct dead_letter_replay *replay)
{
    for (size_t i = 0; i < replay->header_count; i++)
        if (text_equal(replay->headers[i].name, TEXT(DEAD_LETTER_ONLY)))
            return true;
    return !replay->may_be_whole;
}

bool dead_letter_replay_headers(const struct dead_letter_replay *replay, struct arena *arena,
                                struct header **ret_headers, size_t *ret_count)
{
    struct header *headers;
    size_t count;
    if (!copy_original(replay->headers, replay->header_count, arena, &headers, &count))
        return false;
    if (is_part(replay) &&
        !add_text(arena, &headers[count++], TEXT(DEAD_LETTER_ONLY), replay->events))
        return false;
    *ret_headers = headers;
    *ret_count = count;
    return true;
}
