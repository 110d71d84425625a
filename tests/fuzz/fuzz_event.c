/* The first byte sets the arena's budget; the rest is a message. What is parsed must be written and
 * read back the same. */
#include <assert.h>

#include "queue/event.h"
#include "worker/base/buffer.h"

static void round_trip(const struct event *event)
{
    AUTO_BUFFER struct buffer out = buffer_new(1 << 20);
    struct arena arena = arena_new(1 << 20);
    struct event *again;
    size_t count;
    struct error err;
    assert(event_write(&out, event));
    struct message_view message = {.value = buffer_text(&out)};
    bool is_parsed = event_parse(&message, &arena, &again, &count, &err);
    assert(is_parsed && count == 1 && again->kind == event->kind);
    assert(text_equal(again->bucket, event->bucket) && text_equal(again->key, event->key));
    assert(text_equal(again->sequencer, event->sequencer));
    assert(again->has_size == event->has_size && again->size_bytes == event->size_bytes);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    struct arena arena = arena_new(data[0] == '{' ? 1 << 20 : (size_t)data[0] * 32);
    size_t skipped = data[0] == '{' ? 0 : 1;
    struct message_view message = {.value = {(const char *)data + skipped, bytes - skipped},
                                   .time_ms = 1700000000000u};
    struct event *events = NULL;
    size_t count = 0;
    struct error err = {0};
    if (event_parse(&message, &arena, &events, &count, &err)) {
        assert(count > 0 && count <= EVENTS_PER_MESSAGE_MAX);
        for (size_t i = 0; i < count; i++) {
            assert(events[i].no == i && (events[i].kind != EVENT_BAD || events[i].reason.bytes));
            if (events[i].kind == EVENT_PUT || events[i].kind == EVENT_REMOVED)
                round_trip(&events[i]);
        }
    } else {
        assert(err.message[0] && error_disposition(err.code) == DISPOSITION_REJECT);
    }
    arena_release(&arena);
    return 0;
}
