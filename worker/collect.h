/*
 * collect.h - the arguments that submit and estimate share, and what they say about them.
 *
 * Thread: the loop thread, outside of callbacks.
 */
#ifndef WORKER_COLLECT_H
#define WORKER_COLLECT_H

#include "worker/cmd.h"
#include "worker/sources.h"
#include "worker/term.h"

#define COLLECT_MANIFESTS_MAX 16

struct collect {
    const char *manifests[COLLECT_MANIFESTS_MAX]; /* of --manifest */
    size_t manifest_count;
    bool trusts_links; /* --trust-links */
    bool is_json;
};

/* Takes its options out of the arguments. ERR_USAGE. */
bool collect_options(struct invocation *invocation, struct collect *ret_collect,
                     struct error *err) MUST_CHECK;
/* What the arguments from `first` on name: on this machine, nobody is asked. */
void collect_sources(const struct collect *collect, const struct invocation *invocation, int first,
                     struct sources *sources);
/* Looks at what lies elsewhere, and finds twins. Then everything that cannot be taken is known: it
 * is told, and ERR_INPUT. */
bool collect_look(const struct collect *collect, struct sources *sources, struct app *app,
                  struct error *err) MUST_CHECK;
/* The same, before any service is asked, where that shows nothing more. */
bool collect_look_here(const struct collect *collect, struct sources *sources,
                       struct error *err) MUST_CHECK;

#endif
