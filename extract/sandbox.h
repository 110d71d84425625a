/*
 * sandbox.h - what an extraction child may still do: compute, read poppler-data, talk over the
 *             descriptors it has.
 *
 * Prepared once in the zygote (the filter is compiled there), entered by each child before it sees
 * a byte of the document. There is no way back out.
 * Mandatory: no_new_privs, seccomp (default: kill), rlimits. Where the kernel has it: Landlock.
 * Builds with a sanitizer leave out seccomp, Landlock, RLIMIT_AS and RLIMIT_FSIZE, which their
 * run-time cannot live with.
 * Thread: single-threaded processes only.
 */
#ifndef EXTRACT_SANDBOX_H
#define EXTRACT_SANDBOX_H

#include <sys/types.h>

#include "worker/base/error.h"

struct sandbox;

struct sandbox_limits {
    uint64_t memory_bytes; /* of address space */
    uint32_t cpu_seconds;
};

/* Reading below data_path stays allowed. ERR_SANDBOX: seccomp is not to be had here. */
struct sandbox *sandbox_prepare(const char *data_path, struct error *err) MUST_CHECK;
uint32_t sandbox_landlock_abi(const struct sandbox *sandbox); /* 0: none */
bool sandbox_has_filter(const struct sandbox *sandbox);       /* false: a build with a sanitizer */

/* Ends with the parent: SIGKILL when it dies, false when it is dead already. */
bool sandbox_die_with_parent(pid_t parent, struct error *err) MUST_CHECK;
/* In the child; all descriptors from fds_first on are closed. ERR_SANDBOX: exit at once. */
bool sandbox_enter(const struct sandbox *sandbox, struct sandbox_limits limits, int fds_first,
                   struct error *err) MUST_CHECK;

#endif
