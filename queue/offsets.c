#include "queue/offsets.h"

#include <assert.h>
#include <string.h>

#include "worker/base/memory.h"

#define WORD_BITS 64
#define WINDOW_MIN ((size_t)1024)

static size_t bit_at(const struct offsets *offsets, int64_t offset)
{
    return (size_t)offset & (offsets->bits_max - 1);
}

static bool is_unfinished(const struct offsets *offsets, int64_t offset)
{
    size_t bit = bit_at(offsets, offset);
    return (offsets->bits[bit / WORD_BITS] >> (bit % WORD_BITS)) & 1;
}

static void set_unfinished(struct offsets *offsets, int64_t offset, bool is)
{
    size_t bit = bit_at(offsets, offset);
    uint64_t mask = UINT64_C(1) << (bit % WORD_BITS);
    if (is)
        offsets->bits[bit / WORD_BITS] |= mask;
    else
        offsets->bits[bit / WORD_BITS] &= ~mask;
}

/* The lowest unfinished offset of [from, end), or end. */
static int64_t next_unfinished(const struct offsets *offsets, int64_t from)
{
    while (from < offsets->end) {
        size_t bit = bit_at(offsets, from);
        uint64_t word = offsets->bits[bit / WORD_BITS] >> (bit % WORD_BITS);
        if (word) {
            int64_t found = from + __builtin_ctzll(word);
            return found < offsets->end ? found
                                        : offsets->end; /* the ring's tail shares the word */
        }
        from += (int64_t)(WORD_BITS - bit % WORD_BITS);
    }
    return offsets->end;
}

/* Makes room for window offsets from the base on. */
static void widen(struct offsets *offsets, size_t window)
{
    if (window <= offsets->bits_max)
        return;
    size_t grown = offsets->bits_max ? offsets->bits_max : WINDOW_MIN;
    while (grown < window)
        grown *= 2;
    struct offsets wide = *offsets;
    wide.bits = xcalloc(grown / WORD_BITS, sizeof(uint64_t));
    wide.bits_max = grown;
    if (offsets->bits_max) {
        int64_t offset = next_unfinished(offsets, offsets->base);
        for (; offset < offsets->end; offset = next_unfinished(offsets, offset + 1))
            set_unfinished(&wide, offset, true);
    }
    xfree(offsets->bits);
    *offsets = wide;
}

/* ---- public ---------------------------------------------------------------------------------- */

void offsets_begin(struct offsets *offsets, uint64_t epoch, int64_t committed)
{
    assert(epoch != 0 && epoch != offsets->epoch && committed >= OFFSETS_NONE);
    if (offsets->bits)
        memset(offsets->bits, 0, offsets->bits_max / 8);
    offsets->epoch = epoch;
    offsets->base = offsets->end = offsets->committed = committed;
    offsets->unfinished = 0;
}

void offsets_start_over(struct offsets *offsets, uint64_t epoch)
{
    offsets_begin(offsets, epoch, OFFSETS_NONE);
    offsets->base = offsets->end = 0;
}

void offsets_end(struct offsets *offsets)
{
    offsets_release(offsets);
}

void offsets_release(struct offsets *offsets)
{
    xfree(offsets->bits);
    *offsets =
        (struct offsets){.base = OFFSETS_NONE, .end = OFFSETS_NONE, .committed = OFFSETS_NONE};
}

enum offsets_verdict offsets_deliver(struct offsets *offsets, int64_t offset)
{
    assert(offsets->epoch != 0 && offset >= 0);
    if (offset < offsets->end)
        return OFFSETS_WENT_BACK;
    if (offsets->unfinished == 0)
        offsets->base = offset; /* what lies between was never delivered */
    if ((uint64_t)(offset - offsets->base) >= OFFSETS_WINDOW_MAX)
        return OFFSETS_NO_ROOM;
    widen(offsets, (size_t)(offset - offsets->base) + 1);
    offsets->end = offset + 1;
    set_unfinished(offsets, offset, true);
    offsets->unfinished++;
    return OFFSETS_TAKEN;
}

bool offsets_finish(struct offsets *offsets, uint64_t epoch, int64_t offset)
{
    if (epoch != offsets->epoch || epoch == 0)
        return false;
    if (offset < offsets->base || offset >= offsets->end || !is_unfinished(offsets, offset))
        return false;
    set_unfinished(offsets, offset, false);
    offsets->unfinished--;
    if (offset == offsets->base)
        offsets->base = next_unfinished(offsets, offset);
    return true;
}

bool offsets_commit_point(const struct offsets *offsets, int64_t *ret_offset)
{
    if (offsets->epoch == 0 || offsets->base <= offsets->committed)
        return false;
    *ret_offset = offsets->base;
    return true;
}

void offsets_committed(struct offsets *offsets, uint64_t epoch, int64_t offset)
{
    if (epoch == offsets->epoch && epoch != 0 && offset > offsets->committed)
        offsets->committed = offset;
}
