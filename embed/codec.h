/*
 * codec.h - the wire of /v1/embeddings: requests out, vectors and refusals in. Pure.
 *
 * The reader builds no tree: it walks over the reply and decodes each vector straight into its row,
 * by what it is (a string: base64 of little-endian float32; an array: numbers), whatever was asked.
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef EMBED_CODEC_H
#define EMBED_CODEC_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"

/* ---- the request: begin, one input after the other, end -------------------------------------- */
void codec_begin(struct buffer *out, struct text model);
/* first and second follow each other without anything between; UTF-8. */
void codec_input(struct buffer *out, bool is_first, struct text first, struct text second);
/* dimension_count 0: the field is left out. */
void codec_end(struct buffer *out, uint32_t dimension_count, bool is_base64);

/* ---- the reply ------------------------------------------------------------------------------- */
enum codec_row { CODEC_MISSING, CODEC_GOOD, CODEC_BAD }; /* bad: not finite, or all zero */

struct codec_rows {
    float *floats;          /* out: count x width */
    enum codec_row *states; /* out: count */
    size_t count;
    uint32_t width;
};

struct codec_reply {
    uint64_t tokens;      /* usage.total_tokens, 0 when it is not told */
    size_t bad_row_count; /* of CODEC_BAD */
    size_t wrong_width;   /* what a vector had instead of `width` floats; 0: all had it */
};

/* Reads row_count vectors of `width` floats into rows, and what each is worth into states.
 * False and ERR_PROTOCOL: not such a reply; ERR_EMBED_VECTOR: count, indexes or width are wrong.
 * *ret_reply is filled in any case; rows may have been written. */
bool codec_read(struct text reply, const struct codec_rows *rows, struct codec_reply *ret_reply,
                struct error *err) MUST_CHECK;

/* ---- the refusal ----------------------------------------------------------------------------- */
#define CODEC_WORD_BYTES 64
#define CODEC_MESSAGE_BYTES 201 /* what of a provider's message is kept, and a NUL */

struct codec_refusal {
    char code[CODEC_WORD_BYTES]; /* empty: not told */
    char type[CODEC_WORD_BYTES];
    char param[CODEC_WORD_BYTES];
    char message[CODEC_MESSAGE_BYTES];
};

/* {"error": {...}}, {"error": "..."}, or the members at the top; anything else leaves the start of
 * it as the message. Never fails. */
void codec_read_refusal(struct text reply, struct codec_refusal *ret_refusal);

#endif
