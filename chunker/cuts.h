/*
 * cuts.h - the places where a stretch of text may be cut, and how good each is. Pure.
 *
 * Neighbours are never further apart than a chunk may be large, so that a plan always exists, and
 * seldom nearer than CUT_SPACING parts of that, so that planning is linear whatever the text.
 * Owns:   the cuts found, until cuts_release().
 * Thread: any, one at a time.
 */
#ifndef CHUNKER_CUTS_H
#define CHUNKER_CUTS_H

#include "chunker/measure.h"
#include "worker/model/chunk.h"

#define CUT_SPACING 64

/* The best first. */
enum cut_kind {
    CUT_END,       /* of the document */
    CUT_HEADING,   /* before a heading */
    CUT_PAGE,      /* between pages, where no sentence goes on */
    CUT_PARAGRAPH, /* an empty line, or a mark */
    CUT_ITEM,      /* before a list item or a table row */
    CUT_LINE,      /* a line break that is not a wrapped one */
    CUT_SENTENCE,
    CUT_WRAPPED, /* a line or page break within a sentence */
    CUT_WORD,
    CUT_BELOW_HEADING, /* between a heading and its text */
    CUT_CLUSTER,       /* within a word that is too long */
    CUT_KIND_COUNT
};

/* What is before ends at `end`, what is after begins at `start`; white space lies between. */
struct cut {
    uint32_t end, start;
    int32_t until, from; /* measure_until(end), measure_from(start) */
    enum cut_kind kind;
};

struct cuts {
    struct cut *items; /* items[0] is the start of the text */
    size_t count, allocated;
};

struct cuts_stretch {
    struct measure *measure;  /* of the text, which begins with no white space */
    const struct mark *marks; /* by byte_start, rising, relative to text */
    size_t mark_count;
    uint32_t size_max;  /* of a chunk, in what the measure counts; at least 16 */
    uint32_t bytes_max; /* of a chunk; at least 64 */
    bool is_end;        /* the document ends with text */
};

/* Fills cuts anew. The last one is CUT_END exactly when is_end. */
void cuts_find(struct cuts *cuts, const struct cuts_stretch *stretch);
/* Of the chunk that begins at one cut and ends at a later one. */
static inline uint32_t cuts_size(const struct cut *from, const struct cut *to)
{
    return to->until > from->from ? (uint32_t)(to->until - from->from) : 1;
}
void cuts_release(struct cuts *cuts);

#endif
