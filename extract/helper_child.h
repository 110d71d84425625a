/*
 * helper_child.h - one document: read in the sandbox, sent as frames.
 *
 * Runs in a process of its own, forked for this job; never returns. It ends with status 0 after an
 * END or FAILURE frame; everything else (a signal, another status) is for the worker to judge.
 * Thread: a single-threaded process.
 */
#ifndef EXTRACT_HELPER_CHILD_H
#define EXTRACT_HELPER_CHILD_H

#include "extract/sandbox.h"
#include "extract/wire.h"

/* Descriptors of a child, after the zygote has put them there. */
enum child_fd { CHILD_FD_BODY = 3, CHILD_FD_SOCKET = 4, CHILD_FD_END = 5 };

/* progress: a word shared with the worker: the page being read, so that the worker knows which one
 * was the end of us. */
_Noreturn void helper_child_run(const struct sandbox *sandbox, const struct wire_job *job,
                                uint32_t *progress);

#endif
