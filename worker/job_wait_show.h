/*
 * job_wait_show.h - what a wait for a job looks like. Pure.
 *
 * Thread: any.
 */
#ifndef WORKER_JOB_WAIT_SHOW_H
#define WORKER_JOB_WAIT_SHOW_H

#include "worker/eta.h"
#include "worker/term.h"

/* Why nothing moves, the weightiest first; the words of JSON are stable. */
enum stall {
    STALL_NONE,
    STALL_DATABASE,  /* it does not answer */
    STALL_BROKER,    /* it does not answer */
    STALL_PAUSED,    /* somebody paused the job */
    STALL_RETRY,     /* documents wait for their next attempt; none is in work */
    STALL_NO_WORKER, /* documents are open, and nobody has them */
    STALL_SLOW,      /* documents are in work, but none has ended for a while */
};

struct job_figures {
    char status[16];
    uint64_t documents, processed, failed, cancelled;
    uint64_t bytes_done, bytes_total, pages, chunks;
    bool is_final, is_paused;
    /* of what is open; known only where somebody asked */
    uint64_t working, parked, retry_s;
};

struct job_progress {
    struct job_figures figures;
    enum stall stall;
    char detail[320]; /* of the stall: a sentence of a service or a document; may be empty */
    bool has_range;
    struct eta_range range;
};

uint64_t job_ended_count(const struct job_figures *figures);
/* Done, and in all: bytes, to which each document adds what it costs to handle one. */
void job_work(const struct job_figures *figures, uint64_t *ret_done, uint64_t *ret_total);

/* Two lines and the reason of a pause. */
void job_progress_draw(struct buffer *out, const struct term *term,
                       const struct job_progress *progress);
/* The same as one line. */
void job_progress_say(struct buffer *out, const struct job_progress *progress);
/* {"kind":"progress", ...} and a line break */
void job_progress_write(struct buffer *out, const char *job, const struct job_progress *progress);
/* "paused"; STALL_NONE: NULL */
const char *stall_name(enum stall stall);
void stall_append(struct buffer *out, const struct job_progress *progress);

#endif
