/*
 * extract.h - a sealed body in, pages out, in page order, while reading goes on.
 * Flow:   a request waits for a slot; a forked, sandboxed child reads the body and sends page
 *         frames; credit in bytes of text says how much may come. A page that ends the child
 *         (time, memory, crash) is left out and another child goes on behind it, three times at
 *         most.
 * Owns:   the zygote (millrace-extract; restarted with growing pauses when it is lost), its
 *         children. Borrows every request until on_done.
 * Thread: the loop thread; extract_open() before any other thread exists, so that nothing of the
 *         worker but a few descriptors can ever be seen by the helper.
 */
#ifndef EXTRACT_EXTRACT_H
#define EXTRACT_EXTRACT_H

#include "worker/base/error.h"
#include "worker/base/loop.h"
#include "worker/model/chunk.h"
#include "worker/model/tenant.h"

#define EXTRACT_SKIPS_MAX 3 /* pages of a document that may end their reader */

struct extract;

struct extract_limits {
    uint64_t memory_bytes;        /* RLIMIT_AS above the body's size: 512 MiB */
    uint32_t cpu_seconds;         /* 60 */
    uint64_t page_timeout_ms;     /* no page for so long: 5 s */
    uint64_t wall_ms;             /* 5 s: many pages that are slow, but not too slow each */
    uint64_t wall_page_ms;        /* and for each page: 50 ms */
    uint64_t wall_max_ms;         /* but never more than: 10 minutes */
    uint32_t pages_max;           /* 20,000 */
    uint64_t page_text_bytes_max; /* 2 MiB */
    uint64_t text_bytes_max;      /* 64 MiB */
    uint32_t range_pages;         /* from so many pages on children share a document: 200 */
};
struct extract_limits extract_limits_default(void);
/* A word that changes whenever the same file would give another text; part of gen_pipeline, so that
 * what was read before is read again. */
const char *extract_version(void);

struct extract_options {
    uint32_t slots_max;        /* children at once, at most 64; 0: the number of cores */
    struct text helper_path;   /* NUL-terminated; none: millrace-extract beside this program */
    uint64_t zygote_bytes_max; /* of resident memory, then it is replaced; 0: 64 MiB */
};

struct extract_document { /* valid for the call of on_document */
    uint32_t page_count;
    struct text title;     /* clean UTF-8 on one line, at most 1 KiB, may be empty */
    struct text mime_type; /* by magic */
};

struct extract_summary {    /* valid for the call of on_done */
    uint32_t page_count;    /* of the document, also when reading failed later */
    uint32_t pages_skipped; /* PAGE_IS_SKIPPED: so many of these */
    uint32_t skipped[EXTRACT_SKIPS_MAX];
    uint64_t text_bytes;
    struct text title;     /* clean UTF-8, at most 1 KiB, may be empty */
    struct text mime_type; /* by magic */
    bool is_encrypted;     /* opened without a password all the same */
    uint64_t cpu_us;       /* of its children, all together */
    uint64_t peak_bytes;   /* resident, of the largest child */
};

struct extract_request {
    /* in: borrowed until on_done */
    int body_fd;
    uint64_t body_bytes;
    const struct tenant *tenant;
    struct text name; /* of the file or object: a hint between kinds of text; may be empty */
    struct extract_limits limits;
    /* At most once, before the first page; NULL: of no interest. */
    void (*on_document)(struct extract_request *request, const struct extract_document *document);
    /* 0..n times, pages in order without gaps; valid for the call. */
    void (*on_pages)(struct extract_request *request, const struct page *pages, size_t count);
    /* Once, last, never from inside extract_submit(). summary is NULL only when nothing of the
     * document was learnt. */
    void (*on_done)(struct extract_request *request, const struct extract_summary *summary,
                    const struct error *err);
    void *private_state; /* private */
};

/* Executes the helper. ERR_SANDBOX: the self-test failed (poppler-data, seccomp): the message says.
 */
struct extract *extract_open(struct loop *loop, const struct extract_options *options,
                             struct error *err) MUST_CHECK;
void extract_submit(struct extract *extract, struct extract_request *request);
/* Once on_done has fired, credit and cancel do nothing.
 * So many more bytes of text may be sent; none left: the child waits, its clocks stand still. The
 * page that uses up the credit may exceed it. A fresh request has credit for 256 KiB. */
void extract_credit(struct extract *extract, struct extract_request *request, uint64_t text_bytes);
void extract_cancel(struct extract *extract,
                    struct extract_request *request); /* on_done(ERR_CANCELLED) follows */
/* Requests not answered yet get ERR_SHUTDOWN first. NULL is allowed. */
void extract_close(struct extract *extract, void (*on_closed)(void *arg), void *arg);

struct extract_figures {
    uint32_t slots_busy, slots_max, waiting;
};
struct extract_figures extract_figures(const struct extract *extract);

#endif
