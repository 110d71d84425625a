/*
 * extract_probe.h - a request of extraction that checks the contract while it runs.
 *
 * Thread: the loop thread.
 */
#ifndef TESTS_CONTRACT_EXTRACT_PROBE_H
#define TESTS_CONTRACT_EXTRACT_PROBE_H

#include "extract/extract.h"
#include "worker/base/buffer.h"

struct probe {
    struct extract_request request;
    struct extract *extract;
    struct buffer text;   /* pages, each followed by U+000C */
    struct buffer labels; /* likewise */
    uint32_t announced_pages, page_count, skipped_page;
    uint32_t flags; /* of all pages */
    bool is_done, has_summary, is_ok, gives_credit;
    bool cancels_at_first_page;
    struct extract_summary summary; /* its texts are gone */
    char title[128], mime_type[128];
    struct error err;
};

int probe_body(struct text bytes); /* a sealed memfd */
int probe_file(const char *path, uint64_t *ret_bytes);
/* Takes the descriptor. */
void probe_submit(struct probe *probe, struct extract *extract, int body_fd, uint64_t body_bytes);
void probe_await(struct probe *probe, struct loop *loop); /* fails the test after 30 s */
void probe_release(struct probe *probe);

#endif
