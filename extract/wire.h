/*
 * wire.h - the frames between worker, zygote and extraction child.
 *
 * A frame is a header of 12 bytes (magic, type, payload length; little-endian like everything here)
 * and its payload. On the zygote's socket each packet is exactly one frame; a child's socket is a
 * stream. Every length is checked against the type's own limit before anything is believed, so
 * both ends can decode what an enemy wrote.
 *
 *     worker → zygote  JOB (with descriptors: body, socket end, progress word)
 *     zygote → worker  READY or BROKEN once, then STARTED (with a pidfd) and ENDED of each job
 *     child  → worker  DOCUMENT, PAGE..., then END or FAILURE
 *     worker → child   CREDIT, RANGE
 *
 * Owns:   nothing; decoded texts borrow the input.
 * Thread: any.
 */
#ifndef EXTRACT_WIRE_H
#define EXTRACT_WIRE_H

#include "extract/format.h"
#include "extract/wire_marks.h"
#include "worker/base/error.h"

#define WIRE_HEADER_BYTES 12
#define WIRE_LABEL_BYTES_MAX 64 /* of a page */
/* Before a page's marks and text, at most: number, flags, label, how many marks. */
#define WIRE_PAGE_FIELDS_BYTES (16 + WIRE_LABEL_BYTES_MAX)
#define WIRE_TEXT_BYTES_MAX ((size_t)1024)   /* titles and messages */
#define WIRE_MIME_BYTES_MAX 128              /* of a MIME type, with its NUL */
#define WIRE_PACKET_BYTES_MAX ((size_t)2048) /* a whole frame on the zygote's socket */
#define WIRE_PAGE_BYTES_MAX (1 << 30)        /* of text; the reader's own limit is lower */
#define WIRE_BLOCK_PAGES 32                  /* pages that are read together, aligned */
#define WIRE_SKIPS_MAX 3                     /* pages that a child is told to leave out */
#define WIRE_RANGES_MAX 4                    /* told to a child and not read yet */
#define WIRE_JOBS_MAX 64                     /* children at once */
#define WIRE_READER_NAME "extract-reader"    /* of a child's process, once it has a document */
#define WIRE_EXIT_UNREADY 2 /* of a child that could not begin: the machine's fault */
#define WIRE_JOB_FDS 3      /* body, socket end, progress word */

enum wire_type {
    WIRE_READY = 1,
    WIRE_BROKEN,
    WIRE_STARTED,
    WIRE_ENDED,
    WIRE_JOB,
    WIRE_DOCUMENT,
    WIRE_PAGE,
    WIRE_END,
    WIRE_FAILURE,
    WIRE_CREDIT,
    WIRE_RANGE,
};

/* The zygote is set up and its self-test has passed. */
struct wire_ready {
    uint32_t landlock_abi; /* 0: this kernel has none */
    struct text version;   /* of the helper, to be the worker's own */
};

struct wire_job {
    uint64_t job; /* its name from here on */
    uint64_t body_bytes;
    uint64_t memory_bytes; /* RLIMIT_AS */
    uint64_t page_text_bytes_max;
    uint64_t text_bytes_max;
    int64_t credit;
    uint32_t cpu_seconds;
    uint32_t pages_max;
    enum format named; /* what the file's name promises */
    /* A document with fewer pages is read to its end; of another one the block of page_first, from
     * there on, and then what RANGE frames say. */
    uint32_t range_pages;
    uint32_t page_first;                 /* 1, or where another child has ended */
    uint32_t page_skips[WIRE_SKIPS_MAX]; /* 0: none */
};

struct wire_started {
    uint64_t job;
    uint32_t pid;
};

struct wire_ended {
    uint64_t job;
    bool has_run;        /* false: no child could be made, status is an errno */
    uint32_t status;     /* as waitpid() gives it */
    uint64_t cpu_us;     /* user and system */
    uint64_t peak_bytes; /* resident */
};

struct wire_document {
    uint32_t page_count;
    bool is_encrypted;
    struct text mime_type;
    struct text title;
};

struct wire_page {
    uint32_t number;
    uint32_t flags;          /* enum page_flag */
    struct text marks, text; /* wire_marks.h */
    struct text label;       /* may be empty */
};

/* To be read after what was told before; all pages are of one block. */
struct wire_range {
    uint32_t page_first, page_last; /* both 0: nothing more is to be read, END is expected */
};

/* Why there is no text: the name of an error code, so that the two programs need not agree on
 * numbers. */
struct wire_failure {
    struct text code;
    struct text message;
};

struct wire_frame {
    enum wire_type type;
    union {
        struct wire_ready ready;
        struct wire_started started;
        struct wire_ended ended;
        struct wire_job job;
        struct wire_document document;
        struct wire_page page;
        struct wire_failure failure; /* of BROKEN too */
        uint64_t credit_bytes;
        struct wire_range range;
    };
};

/* Appends the frame. False: the buffer is full, or a text is longer than its limit. */
bool wire_encode(struct buffer *out, const struct wire_frame *frame) MUST_CHECK;

enum wire_result { WIRE_NEEDS_MORE, WIRE_IS_WHOLE, WIRE_IS_BAD };
/* The frame at the start of input. A page's text may have page_bytes_max bytes. *ret_frame and
 * *ret_bytes (of the whole frame) are set only with WIRE_IS_WHOLE. Texts are bytes: the caller
 * checks that they are UTF-8. */
enum wire_result wire_decode(struct text input, size_t page_bytes_max, struct wire_frame *ret_frame,
                             size_t *ret_bytes) MUST_CHECK;

#endif
