/*
 * chunk.h - pages and chunks: who writes which field.
 *
 * Canonical text = the page texts joined by U+000C; char_* count code points of it.
 */
#ifndef WORKER_MODEL_CHUNK_H
#define WORKER_MODEL_CHUNK_H

#include "worker/base/crypto.h"

/* What extraction knows about a place in a page's text. */
enum mark_kind { MARK_HEADING, MARK_PARAGRAPH, MARK_LIST_ITEM, MARK_TABLE_ROW };
struct mark {
    enum mark_kind kind;
    uint8_t level;       /* headings: 1 .. 6 */
    uint32_t byte_start; /* into the page's text */
    uint32_t byte_end;
};

enum page_flag {
    PAGE_HAS_NO_TEXT = 1 << 0, /* nothing that can be used */
    PAGE_IS_RIGHT_TO_LEFT = 1 << 1,
    PAGE_IS_GARBLED = 1 << 2, /* over 30 % of its characters are unusable; its text is left out */
    PAGE_HAS_HIDDEN_TEXT = 1 << 3, /* white, or too small to be read: it is in the text */
    PAGE_IS_SKIPPED = 1 << 4,      /* reading it killed the child; its text is empty */
    PAGE_IS_DUBIOUS = 1 << 5,      /* over 10 % of its characters are unusable */
    PAGE_IS_PICTURE = 1 << 6,      /* an image with hardly any text: a scan */
};
#define PAGE_FLAG_COUNT 7

struct page {
    uint32_t number;   /* 1 .. page_count, without gaps */
    uint32_t flags;    /* enum page_flag */
    struct text text;  /* clean UTF-8, without NUL and controls but newline and tab; may be empty */
    struct text label; /* "xii": what the document calls the page; empty: by its number */
    const struct mark *marks;
    size_t mark_count;
};

struct chunk {
    /* written by the chunker */
    uint32_t no;                    /* 0, 1, 2, ... without gaps */
    uint32_t page_first, page_last; /* 1-based */
    uint32_t token_count;          /* of what is embedded; exact or an upper bound: see chunker.h */
    uint64_t char_start, char_end; /* code points of the canonical text, half-open */
    struct text heading;           /* path of headings, " > " between, may be empty */
    struct text prefix;            /* embedded before the content, may be empty */
    struct text content;           /* never empty; follows the prefix in memory */
    /* written by chunk_seal() */
    uint8_t hash[SHA256_BYTES]; /* of the exact bytes embedded: prefix, then content */
    /* written by vectors_fetch (known chunks) or by embed */
    float *vector; /* dimension_count floats, slab memory; NULL: not yet */
    uint32_t tokens_billed;
};

/* Hashes what the chunker gave. (The chunker itself knows no cryptography.) */
void chunk_seal(struct chunk *chunk);

#endif
