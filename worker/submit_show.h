/*
 * submit_show.h - what a submission would do or has done, and how far it is, for people and
 *                 programs.
 *
 * Thread: any.
 */
#ifndef WORKER_SUBMIT_SHOW_H
#define WORKER_SUBMIT_SHOW_H

#include "worker/sources.h"
#include "worker/term.h"

struct submit_summary {
    const struct sources *sources;
    bool has_job, is_dry, was_new;
    struct uuid job;
    size_t final_count; /* done by an earlier submission of the same */
};
struct submit_sending {
    size_t done_count, count;
    uint64_t done_bytes, bytes;
    const char *waits_for; /* the address of what does not answer, or NULL */
};

/* Document by document, on stdout: --dry-run. */
void submit_print_plan(const struct sources *sources, struct term *term);
void submit_print_plan_json(const struct sources *sources);
void submit_append_summary(struct buffer *out, const struct submit_summary *summary);
void submit_write_summary(struct buffer *out, const char *kind,
                          const struct submit_summary *summary);
/* Whole lines. */
void submit_append_sending(struct buffer *out, const struct term *term,
                           const struct submit_sending *sending);
void submit_write_sending(struct buffer *out, const struct submit_sending *sending);

#endif
