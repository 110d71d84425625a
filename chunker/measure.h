/*
 * measure.h - how large the parts of a stretch of text are, in tokens or in bytes. Pure.
 *
 * The stretch is read once: its pieces (what the tokenizer never merges across) with the sums of
 * their tokens. Then the size of any part is a subtraction: measure_until(its end) -
 * measure_from(its start). It is exactly what counting the part by itself gives, however it is cut
 * out, unless is_estimate: a piece longer than piece_bytes_max (a run of letters without end) was
 * counted in parts, and then measure_count() alone is exact.
 * Owns:   its sums, until measure_release().
 * Thread: any, one at a time.
 */
#ifndef CHUNKER_MEASURE_H
#define CHUNKER_MEASURE_H

#include "chunker/tokens.h"

enum chunker_counting { CHUNKER_BYTES, CHUNKER_CL100K };

struct measure_piece {
    uint32_t end;    /* it begins where the one before ends */
    uint32_t tokens; /* of all pieces up to its end */
};

struct measure {
    enum chunker_counting counting;
    struct text text;
    uint32_t piece_bytes_max;
    bool is_estimate;
    struct measure_piece *pieces; /* none when bytes are counted */
    size_t count, allocated;
    size_t cursor; /* private: the piece that was asked for last */
    struct tokens_memo memo;
};

/* Takes the measure of a text anew; piece_bytes_max is at least 4. */
void measure_take(struct measure *measure, struct text text, uint32_t piece_bytes_max);
int32_t measure_until(struct measure *measure, size_t end);
int32_t measure_from(struct measure *measure, size_t start);
/* A place behind `from` so that what lies between is at most `size`, at the end of a piece if one
 * ends there; at least one code point. */
size_t measure_reach(struct measure *measure, size_t from, uint32_t size);
/* Of a text by itself, exactly. */
uint32_t measure_count(enum chunker_counting counting, struct text text);
void measure_release(struct measure *measure);

#endif
