/*
 * measure.h - reads and cuts documents as a worker does, and keeps nothing but the counts.
 *
 * As many at once as there are slots for extraction children; bodies come from this machine, the
 * bucket or a link. What is wrong with a document is its own result.
 * Owns:   the bodies under way. Borrows the rest until measure_run() returns.
 * Thread: the loop thread, outside of callbacks.
 */
#ifndef WORKER_MEASURE_H
#define WORKER_MEASURE_H

#include "worker/app.h"
#include "worker/sources.h"

struct measured {
    bool is_done, has_failed;
    enum error_code code; /* why it cannot be read */
    char *message;
    uint32_t pages, pages_skipped;
    uint64_t bytes, chunks, tokens, cpu_us;
};

struct measure_order {
    struct app *app; /* with APP_NEEDS_EXTRACT, and NEED_OBJECTS where they lie elsewhere */
    const struct sources *sources;
    struct measured *results; /* one of each, zeroed; measured_release() them */
    void *arg;
    void (*on_measured)(void *arg, size_t index);
};

/* False: a service of ours fails, such as the bucket's. */
bool measure_run(const struct measure_order *order, struct error *err) MUST_CHECK;
void measured_release(struct measured *results, size_t count);

#endif
