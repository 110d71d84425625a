/*
 * reader.h - one format, inside the sandboxed child: a document is opened, then read block by block.
 *
 * A block is up to 32 pages, aligned (1-32, 33-64, ...). It is the widest thing a format may look at
 * for the text of a page, so that a text never depends on who reads which part of the document, nor
 * on how often. A format opens with a function of its own (pdf_open()); document_open() chooses it.
 *
 *     document_open(body) ─▶ reader ─▶ read(block) ─▶ for each page: reader_enter_page(), then
 *                                                  reader_add_page() now or after the last one
 *
 * To be called with hostile bytes in a sandboxed process only: a format may crash, hang or abort.
 * Owns:   a reader its document, a block its pages. The body is borrowed until close().
 * Thread: a single-threaded process, one document in it.
 */
#ifndef EXTRACT_READER_H
#define EXTRACT_READER_H

#include "extract/wire.h"
#include "worker/model/chunk.h"

struct reader_block {
    uint32_t page_first, page_last;      /* in: at most WIRE_BLOCK_PAGES, all in one block */
    uint32_t page_skips[WIRE_SKIPS_MAX]; /* in: pages to be left out; 0: none */
    size_t page_text_bytes_max;          /* in */
    uint32_t *progress;                  /* in: shared with the worker: the page being read */
    struct page
        pages[WIRE_BLOCK_PAGES]; /* out, after reader_block_end(): page_first .. page_last */
    struct buffer text;          /* private from here: of all pages */
    struct buffer marks;
    size_t text_ats[WIRE_BLOCK_PAGES], mark_ats[WIRE_BLOCK_PAGES];
    char labels[WIRE_BLOCK_PAGES][WIRE_LABEL_BYTES_MAX];
};

struct reader {          /* an open document; the first member of the format's own struct */
    uint32_t page_count; /* at least 1 */
    bool is_encrypted;
    struct text mime_type;
    struct text title; /* clean, on one line, at most WIRE_TEXT_BYTES_MAX; may be empty */
    /* Fills the block's pages. ERR_TEXT_MAX, ERR_DAMAGED. */
    bool (*read)(struct reader *reader, struct reader_block *block, struct error *err);
    void (*close)(struct reader *reader);
};

/* For a format. Call it before each page is read, and again whenever a page is returned to: it tells
 * the worker which page is to blame if this process ends now. False: leave the page out, it has
 * ended another child. */
bool reader_enter_page(struct reader_block *block, uint32_t number) MUST_CHECK;
/* For a format. Copies text, label (both clean) and marks of one of the block's pages, in any order,
 * each at most once. A page that was not added has no text. PAGE_HAS_NO_TEXT and PAGE_IS_SKIPPED
 * are set here. ERR_TEXT_MAX. */
bool reader_add_page(struct reader_block *block, const struct page *page,
                     struct error *err) MUST_CHECK;

/* For the caller of read(). The same block may be begun again and again; the pages of the last time
 * are gone then. */
void reader_block_init(struct reader_block *block, size_t page_text_bytes_max, uint32_t *progress);
/* The whole block that page_number is in. */
void reader_block_begin(struct reader_block *block, uint32_t page_number, uint32_t page_count);
void reader_block_end(struct reader_block *block);
void reader_block_release(struct reader_block *block);

#endif
