/*
 * chunker.h - pages in, chunks out. Pure, incremental, one per document.
 *
 * Cuts depend on the text, its marks and the options alone: a chunk is given out only when no later
 * text could move its end, so that streaming, page sizes and parallelism never change it. Memory is
 * bounded by the window (CHUNKER_WINDOW_BYTES), whatever the document.
 *
 * Sizes are exact: token_count is what counting prefix and content from scratch gives. With
 * CHUNKER_BYTES, for models whose tokenizer is not known, it is the UTF-8 bytes of what is embedded,
 * a provable upper bound (no byte-level BPE token is shorter than one byte); the options' tokens
 * are then meant as 4 bytes each. Either way no text exceeds CHUNKER_TOKENS_MAX.
 *
 * Chunks hold all text but the white space between them; content is exactly canonical text
 * [char_start, char_end). They do not overlap, unless sentences are to be repeated (tokens_overlap).
 * prefix ends with an empty line ("\n\n") or is empty; content follows it in memory.
 * Owns:   its window. A page is copied by chunker_add().
 * Thread: any, one at a time.
 */
#ifndef CHUNKER_CHUNKER_H
#define CHUNKER_CHUNKER_H

#include "chunker/measure.h"
#include "worker/base/arena.h"
#include "worker/base/error.h"
#include "worker/model/chunk.h"

#define CHUNKER_WINDOW_BYTES ((size_t)1024 * 1024)
#define CHUNKER_PIECE_BYTES_MAX ((size_t)512 * 1024) /* always fits once nothing can be drawn */
#define CHUNKER_TOKENS_MAX 8191                      /* prefix and content; what models take */
#define CHUNKER_CONTENT_BYTES_MAX ((size_t)40000)    /* of one chunk, however few tokens it has */

struct chunker;

/* Values out of range are moved into it. */
struct chunker_options {
    enum chunker_counting counting;
    uint32_t tokens_target;     /* 300 */
    uint32_t tokens_min;        /* 100; smaller chunks only where nothing is left to join */
    uint32_t tokens_max;        /* 512; of the content, without the prefix; at least 16 */
    uint32_t prefix_tokens_max; /* 64; 0: no prefix */
    uint32_t tokens_overlap;    /* 0; at most so many of the chunk before come again, by sentences,
                                 * within tokens_max; no more than half the target */
};
struct chunker_options chunker_options_default(void);
/* A word that changes whenever the same text would be cut differently; part of gen_pipeline. */
const char *chunker_version(void);

/* title: embedded before each chunk together with the heading path; may be empty; copied. */
struct chunker *chunker_new(struct chunker_options options, struct text title);
void chunker_free(struct chunker *chunker); /* NULL is allowed */
/* page NULL: the end. ERR_TEXT_MAX when the text exceeds chunker_room_bytes(): draw chunks first;
 * ERR_BUG for a page out of order or after the end; ERR_PROTOCOL for text that is no UTF-8. Nothing
 * is added then. */
bool chunker_add(struct chunker *chunker, const struct page *page, struct error *err) MUST_CHECK;
/* For pages of any size: adds what there is room for of the page's text from byte *at on (0 at
 * first), and moves *at behind it; the page is added when *at is its end. ERR_TEXT_MAX when there
 * is no room at all; at least CHUNKER_PIECE_BYTES_MAX fit once no chunk can be drawn. */
bool chunker_add_part(struct chunker *chunker, const struct page *page, size_t *at,
                      struct error *err) MUST_CHECK;
/* false: needs more pages, or the end was told and all is given out (err->message is empty then).
 * The chunk's texts lie in slab; they are copied there. A slab that is full (arena budget) gives
 * false and ERR_NO_MEMORY, and the chunk can be drawn again into another. */
bool chunker_next(struct chunker *chunker, struct arena *slab, struct chunk *ret_chunk,
                  struct error *err) MUST_CHECK;
bool chunker_is_dry(const struct chunker *chunker); /* the end was told and nothing is left */
/* Bytes of page text it can still take before chunks must be drawn. */
size_t chunker_room_bytes(const struct chunker *chunker);
/* Bytes of memory it holds at present; in proportion to its window, whatever the document. */
size_t chunker_memory_bytes(const struct chunker *chunker);

#endif
