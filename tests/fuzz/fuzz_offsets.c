/* Each two bytes are one step; a plain array says what the tracker must answer. */
#include <assert.h>
#include <string.h>

#include "queue/offsets.h"

#define SPAN 8192

enum state { UNKNOWN, DELIVERED, FINISHED };

static void check(const struct offsets *offsets, const uint8_t *states, int64_t top)
{
    int64_t expected = top, point;
    for (int64_t offset = top - 1; offset >= 0; offset--)
        if (states[offset] == DELIVERED)
            expected = offset;
    assert(offsets_commit_point(offsets, &point) ? point == expected : top == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t states[SPAN] = {UNKNOWN};
    int64_t top = 0;
    uint64_t epoch = 1;
    struct offsets offsets = {0};
    offsets_begin(&offsets, epoch, OFFSETS_NONE);
    for (size_t i = 0; i + 1 < bytes && i < 4000; i += 2) {
        int64_t argument = (data[i] & 0x1f) << 8 | data[i + 1];
        if (data[i] < 0x80) { /* deliver, after a gap */
            int64_t offset = top + argument % 61;
            if (offset >= SPAN)
                continue;
            enum offsets_verdict verdict = offsets_deliver(&offsets, offset);
            assert(verdict == OFFSETS_TAKEN);
            states[offset] = DELIVERED;
            top = offset + 1;
        } else if (data[i] < 0xfe) { /* finish any */
            bool is_delivered = argument < top && states[argument] == DELIVERED;
            assert(!offsets_finish(&offsets, epoch - 1, argument));
            assert(offsets_finish(&offsets, epoch, argument) == is_delivered);
            if (is_delivered)
                states[argument] = FINISHED;
        } else { /* assigned again */
            offsets_begin(&offsets, ++epoch, OFFSETS_NONE);
            memset(states, UNKNOWN, sizeof(states));
            top = 0;
        }
        check(&offsets, states, top);
    }
    offsets_release(&offsets);
    return 0;
}
