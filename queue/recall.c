#include "queue/recall.h"

#include <assert.h>
#include <string.h>

#include "worker/base/memory.h"

#define PLACES_MIN ((size_t)256)

/* ---- prints ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t print, uint64_t figure)
{
    print = (print ^ figure) * UINT64_C(0x9e3779b97f4a7c15);
    return print ^ print >> 32;
}

static uint64_t mix_text(uint64_t print, struct text text)
{
    uint64_t word;
    if (!text.start)
        return mix(print, UINT64_MAX); /* null and empty are two things */
    print = mix(print, text.bytes);
    for (; text.bytes >= sizeof(word); text.start += sizeof(word), text.bytes -= sizeof(word)) {
        memcpy(&word, text.start, sizeof(word));
        print = mix(print, word);
    }
    word = 0;
    if (text.bytes)
        memcpy(&word, text.start, text.bytes);
    return mix(print, word);
}

uint64_t recall_print(const struct message_view *view)
{
    uint64_t print = mix_text(mix_text(mix(1, view->time_ms), view->key), view->value);
    for (size_t i = 0; i < view->header_count; i++)
        print = mix_text(mix_text(print, view->headers[i].name), view->headers[i].value);
    return print != RECALL_NO_PRINT ? print : 1;
}

/* ---- places ---------------------------------------------------------------------------------- */

static struct recalled *place_of(const struct recall *recall, int64_t offset)
{
    return &recall->places[(size_t)offset & (recall->place_count - 1)];
}

static bool is_of_use(const struct recall *recall, const struct recalled *place)
{
    return place->print != RECALL_NO_PRINT && place->offset >= recall->committed;
}

static void grow(struct recall *recall)
{
    struct recall wide = *recall;
    wide.place_count = recall->place_count ? recall->place_count * 2 : PLACES_MIN;
    wide.places = xcalloc(wide.place_count, sizeof(*wide.places));
    for (size_t i = 0; i < recall->place_count; i++)
        if (is_of_use(recall, &recall->places[i]))
            *place_of(&wide, recall->places[i].offset) = recall->places[i];
    xfree(recall->places);
    *recall = wide;
}

/* Another one that may come again stands there, and there may be more places. */
static bool is_taken(const struct recall *recall, int64_t offset)
{
    if (recall->place_count == 0)
        return true;
    const struct recalled *place = place_of(recall, offset);
    return recall->place_count < RECALL_MAX && place->offset != offset && is_of_use(recall, place);
}

/* ---- public ---------------------------------------------------------------------------------- */

void recall_finished(struct recall *recall, int64_t offset, uint64_t print)
{
    assert(offset >= 0);
    if (print == RECALL_NO_PRINT || offset < recall->committed)
        return;
    while (is_taken(recall, offset))
        grow(recall);
    *place_of(recall, offset) = (struct recalled){offset, print};
}

bool recall_knows(const struct recall *recall, int64_t offset, uint64_t print)
{
    if (recall->place_count == 0 || print == RECALL_NO_PRINT)
        return false;
    const struct recalled *place = place_of(recall, offset);
    return place->offset == offset && place->print == print;
}

void recall_committed(struct recall *recall, int64_t offset)
{
    if (offset > recall->committed)
        recall->committed = offset;
}

void recall_resume(struct recall *recall, int64_t committed)
{
    if (committed < recall->committed)
        recall_forget(recall);
    recall_committed(recall, committed);
}

void recall_forget(struct recall *recall)
{
    xfree(recall->places);
    *recall = (struct recall){0};
}
