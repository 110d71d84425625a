#include "extract/columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/memory.h"

#define FAR_POINTS 30000.0f
#define DEPTH_MAX 4 /* columns within columns */
#define BINS 512    /* places across a segment at which a gutter is looked for */
#define SIDE_LINES_MIN 4
#define SIDE_SHARE 8         /* of the lines at least one in so many on either side */
#define SIDE_CHARS_MIN 12    /* for each line: shorter ones are a table's cells, or numbers */
#define FULL_WIDTH 0.8f      /* a line that fills so much of its column was wrapped there */
#define FULL_SHARE 3         /* of one side's lines at least one in so many is full */
#define BESIDE_LINES 3       /* heights of a line that the sides stand beside each other */
#define CONFLICT_SHARE 10    /* lines beside a crossing one: at most one in so many */
#define OVERHANG_SHARE 0.15f /* of a line's width may stick out into the gutter */

/* What is being put in order: indexes of lines, with room to move them about. */
struct ordering {
    const struct layout_line *lines;
    uint32_t *indexes, *scratch;
    uint32_t gutters_found;
};

struct segment { /* of the indexes */
    size_t from, to;
};

struct span {
    float x1, x2;
};

enum side { SIDE_LEFT, SIDE_RIGHT, SIDE_BOTH };

/* A segment cut at the lines that cross its gutter. */
struct bands {
    size_t base; /* what `ends` counts from */
    size_t count;
    uint32_t *ends; /* ends[3 * band + side], in scratch */
    float column_widths[2];
};

static const struct layout_line *line_at(const struct ordering *ordering, size_t i)
{
    return &ordering->lines[ordering->indexes[i]];
}

static enum side side_of(const struct layout_line *line, float gutter)
{
    float before = gutter - line->box.x1, after = line->box.x2 - gutter;
    float overhang = (line->box.x2 - line->box.x1) * OVERHANG_SHARE;
    if (after <= overhang)
        return SIDE_LEFT;
    return before <= overhang ? SIDE_RIGHT : SIDE_BOTH;
}

static float middle(const struct layout_line *line)
{
    return (line->box.y1 + line->box.y2) / 2;
}

static struct span segment_span(const struct ordering *ordering, struct segment segment)
{
    struct span span = {FAR_POINTS, -FAR_POINTS};
    for (size_t i = segment.from; i < segment.to; i++) {
        span.x1 = fminf(span.x1, line_at(ordering, i)->box.x1);
        span.x2 = fmaxf(span.x2, line_at(ordering, i)->box.x2);
    }
    return span;
}

static size_t bin_of(struct span span, float x)
{
    float bin = (x - span.x1) / (span.x2 - span.x1) * BINS;
    return bin <= 0 ? 0 : bin >= BINS ? BINS : (size_t)bin;
}

/* crossing[bin]: lines that reach over it, or more than any when too few lie on one of its sides. */
static void count_crossing(const struct ordering *ordering, struct segment segment,
                           struct span span, uint32_t crossing[BINS])
{
    uint32_t starts[BINS + 1] = {0}, ends[BINS + 1] = {0};
    for (size_t i = segment.from; i < segment.to; i++) {
        starts[bin_of(span, line_at(ordering, i)->box.x1)]++;
        ends[bin_of(span, line_at(ordering, i)->box.x2)]++;
    }
    uint32_t count = (uint32_t)(segment.to - segment.from), started = 0, ended = 0;
    uint32_t least = count / SIDE_SHARE;
    least = least > SIDE_LINES_MIN ? least : SIDE_LINES_MIN;
    for (size_t bin = 0; bin < BINS; bin++) {
        started += starts[bin];
        bool is_possible = ended >= least && count - started >= least;
        crossing[bin] = is_possible ? started - ended : UINT32_MAX;
        ended += ends[bin];
    }
}

/* The middle of the widest stretch that fewest lines cross. */
static bool find_gutter(const struct ordering *ordering, struct segment segment, float *ret_x)
{
    struct span span = segment_span(ordering, segment);
    uint32_t crossing[BINS], fewest = UINT32_MAX;
    if (span.x2 - span.x1 < 1)
        return false;
    count_crossing(ordering, segment, span, crossing);
    for (size_t bin = 0; bin < BINS; bin++)
        fewest = crossing[bin] < fewest ? crossing[bin] : fewest;
    if (fewest == UINT32_MAX)
        return false;
    size_t run = 0, widest = 0, widest_end = 0;
    for (size_t bin = 0; bin < BINS; bin++) {
        run = crossing[bin] == fewest ? run + 1 : 0;
        if (run > widest) {
            widest = run;
            widest_end = bin + 1;
        }
    }
    float at = (float)widest_end - (float)widest / 2;
    *ret_x = span.x1 + (span.x2 - span.x1) * at / BINS;
    return true;
}

static int compare_middles(const void *a, const void *b)
{
    float first = *(const float *)a, second = *(const float *)b;
    return (first > second) - (first < second);
}

/* How many of the rising middles are above y. */
static size_t count_above(const float *middles, size_t count, float y)
{
    size_t from = 0;
    while (from < count) {
        size_t half = from + (count - from) / 2;
        if (middles[half] < y)
            from = half + 1;
        else
            count = half;
    }
    return from;
}

/* Sorts the segment's lines into scratch: for each band between two crossing lines the left ones,
 * the right ones, then the crossing line below. */
static void sort_into_bands(struct ordering *ordering, struct segment segment, float gutter,
                            struct bands *ret_bands)
{
    struct span span = segment_span(ordering, segment);
    struct bands bands = {.base = segment.from,
                          .column_widths = {gutter - span.x1, span.x2 - gutter}};
    size_t count = segment.to - segment.from;
    float *middles = xmalloc((count + 1) * sizeof(*middles));
    uint32_t *keys = xmalloc((count + 1) * sizeof(*keys));
    size_t crossing_count = 0;
    for (size_t i = segment.from; i < segment.to; i++)
        if (side_of(line_at(ordering, i), gutter) == SIDE_BOTH)
            middles[crossing_count++] = middle(line_at(ordering, i));
    qsort(middles, crossing_count, sizeof(*middles), compare_middles);
    bands.count = crossing_count + 1;
    bands.ends = xcalloc(3 * bands.count + 1, sizeof(*bands.ends));
    for (size_t i = segment.from; i < segment.to; i++) {
        const struct layout_line *line = line_at(ordering, i);
        uint32_t key = 3 * (uint32_t)count_above(middles, crossing_count, middle(line)) +
                       (uint32_t)side_of(line, gutter);
        keys[i - segment.from] = key;
        bands.ends[key + 1]++;
    }
    for (size_t key = 1; key <= 3 * bands.count; key++)
        bands.ends[key] += bands.ends[key - 1];
    for (size_t i = 0; i < count; i++) /* moves each start to its end */
        ordering->scratch[segment.from + bands.ends[keys[i]]++] =
            ordering->indexes[segment.from + i];
    xfree(middles);
    xfree(keys);
    *ret_bands = bands;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* What speaks for columns of text, and against them. */
struct evidence {
    size_t line_count[2], char_count[2], full_count[2]; /* of each side */
    size_t conflict_count; /* lines beside one that crosses the gutter */
    float beside;          /* points that the sides stand beside each other */
    float line_height;     /* the mean */
};

static struct segment band_segment(const struct bands *bands, size_t band, enum side side)
{
    size_t key = 3 * band + side;
    return (struct segment){key ? bands->ends[key - 1] : 0, bands->ends[key]};
}

/* The first line that crosses below the band, if any. */
static const struct layout_line *crossing_below(const struct ordering *ordering,
                                                const struct bands *bands, size_t band)
{
    struct segment crossing = band_segment(bands, band, SIDE_BOTH);
    return crossing.from < crossing.to
               ? &ordering->lines[ordering->scratch[bands->base + crossing.from]]
               : NULL;
}

static bool is_beside(const struct layout_line *crossing, const struct layout_line *line)
{
    return crossing && middle(line) > crossing->box.y1 && middle(line) < crossing->box.y2;
}

/* Takes the lines of one side of a band into account, and tells from where to where they reach. */
static struct span look_at_side(const struct ordering *ordering, const struct bands *bands,
                                size_t band, enum side side, struct evidence *evidence)
{
    struct segment segment = band_segment(bands, band, side);
    struct span reach = {FAR_POINTS, -FAR_POINTS};
    const struct layout_line *below = crossing_below(ordering, bands, band);
    const struct layout_line *above = band ? crossing_below(ordering, bands, band - 1) : NULL;
    for (size_t i = segment.from; i < segment.to; i++) {
        const struct layout_line *line = &ordering->lines[ordering->scratch[bands->base + i]];
        float width = line->box.x2 - line->box.x1;
        reach.x1 = fminf(reach.x1, line->box.y1);
        reach.x2 = fmaxf(reach.x2, line->box.y2);
        evidence->line_count[side]++;
        evidence->char_count[side] += line->char_count;
        evidence->full_count[side] += width >= bands->column_widths[side] * FULL_WIDTH;
        evidence->line_height += line->box.y2 - line->box.y1;
        evidence->conflict_count += is_beside(below, line) || is_beside(above, line);
    }
    return reach;
}

static bool is_full(const struct evidence *evidence, enum side side)
{
    return evidence->full_count[side] * FULL_SHARE >= evidence->line_count[side];
}

/* Columns of text, and not the cells of a table, labels and their values, or numbered lines? */
static bool are_columns(const struct ordering *ordering, const struct bands *bands)
{
    struct evidence evidence = {0};
    for (size_t band = 0; band < bands->count; band++) {
        struct span left = look_at_side(ordering, bands, band, SIDE_LEFT, &evidence);
        struct span right = look_at_side(ordering, bands, band, SIDE_RIGHT, &evidence);
        evidence.beside += fmaxf(0, fminf(left.x2, right.x2) - fmaxf(left.x1, right.x1));
    }
    size_t count = evidence.line_count[SIDE_LEFT] + evidence.line_count[SIDE_RIGHT];
    for (enum side side = SIDE_LEFT; side <= SIDE_RIGHT; side++)
        if (evidence.char_count[side] < evidence.line_count[side] * SIDE_CHARS_MIN)
            return false;
    return (is_full(&evidence, SIDE_LEFT) || is_full(&evidence, SIDE_RIGHT)) &&
           evidence.conflict_count * CONFLICT_SHARE <= count &&
           evidence.beside * (float)count >= evidence.line_height * BESIDE_LINES;
}

/* ---- public ---------------------------------------------------------------------------------- */

static void order_segment(struct ordering *ordering, struct segment segment, int depth)
{
    struct bands bands;
    float gutter;
    if (depth == DEPTH_MAX || segment.to - segment.from < 2 * SIDE_LINES_MIN ||
        !find_gutter(ordering, segment, &gutter))
        return;
    sort_into_bands(ordering, segment, gutter, &bands);
    if (are_columns(ordering, &bands)) {
        ordering->gutters_found++;
        memcpy(ordering->indexes + segment.from, ordering->scratch + segment.from,
               (segment.to - segment.from) * sizeof(*ordering->indexes));
        for (size_t band = 0; band < bands.count; band++)
            for (enum side side = SIDE_LEFT; side <= SIDE_RIGHT; side++) {
                struct segment part = band_segment(&bands, band, side);
                part.from += segment.from;
                part.to += segment.from;
                order_segment(ordering, part, depth + 1);
            }
    }
    xfree(bands.ends);
}

uint32_t columns_order(struct layout_line *lines, size_t count)
{
    struct ordering ordering = {.lines = lines};
    ordering.indexes = xcalloc(count + 1, sizeof(*ordering.indexes));
    ordering.scratch = xcalloc(count + 1, sizeof(*ordering.scratch));
    for (size_t i = 0; i < count; i++)
        ordering.indexes[i] = (uint32_t)i;
    order_segment(&ordering, (struct segment){0, count}, 0);
    if (ordering.gutters_found) {
        struct layout_line *ordered = xmalloc(count * sizeof(*ordered));
        for (size_t i = 0; i < count; i++)
            ordered[i] = lines[ordering.indexes[i]];
        memcpy(lines, ordered, count * sizeof(*ordered));
        xfree(ordered);
    }
    xfree(ordering.indexes);
    xfree(ordering.scratch);
    return ordering.gutters_found;
}
