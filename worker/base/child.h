/*
 * child.h - starting and stopping another program: for `dev`'s PostgreSQL.
 *
 * The child dies with us (parent-death signal, re-checked), has no standard input, and writes to a
 * log file; as root it may run as somebody else.
 * Thread: any; child_run() and child_stop() wait.
 */
#ifndef WORKER_BASE_CHILD_H
#define WORKER_BASE_CHILD_H

#include <sys/types.h>

#include "worker/base/error.h"

struct child_options {
    const char *const *argv; /* argv[0] is the path; NULL-terminated */
    bool keeps_output;       /* writes where we write, and Ctrl-C reaches it too */
    const char *log_path;    /* else: appended to; NULL: /dev/null */
    const char *directory;   /* NULL: the root folder */
    bool has_user;           /* as root: become this user */
    uid_t user_id;
    gid_t group_id;
    int death_signal; /* when we die; 0: none */
};

bool child_start(const struct child_options *options, pid_t *ret_pid, struct error *err) MUST_CHECK;
/* Starts and waits: ERR_IO with the exit code when it is not 0. */
bool child_run(const struct child_options *options, struct error *err) MUST_CHECK;
/* Signals, waits for up to timeout_ms, then kills. */
void child_stop(pid_t pid, int signal_number, uint64_t timeout_ms);
bool child_has_ended(pid_t pid, int *ret_code); /* reaps it then; code: 128 + signal; may be NULL */

#endif
