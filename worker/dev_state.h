/*
 * dev_state.h - where `dev` keeps what it knows about a folder: its database and an env file.
 *
 * $XDG_STATE_HOME/millrace/<id of the folder>; as root, when that is not set, below
 * /var/lib/millrace, which the unprivileged PostgreSQL can reach.
 * Owns:   the lock of the state folder while it is open.
 * Thread: start-up only.
 */
#ifndef WORKER_DEV_STATE_H
#define WORKER_DEV_STATE_H

#include <sys/types.h>

#include "worker/base/crypto.h"
#include "worker/environment.h"

#define STATE_PATH_BYTES 1024

struct dev_state {
    char root[STATE_PATH_BYTES];      /* .../millrace */
    char folder[STATE_PATH_BYTES];    /* .../millrace/<id> */
    char directory[STATE_PATH_BYTES]; /* the watched folder, resolved */
    int lock_fd;
};

/* ERR_CONFIG: no such directory, or another `dev` is at it. is_fresh empties the state. */
bool dev_state_open(struct dev_state *state, const char *directory, bool is_fresh,
                    const struct environment *environment, struct error *err) MUST_CHECK;
bool dev_state_path(const struct dev_state *state, const char *name,
                    char ret_path[STATE_PATH_BYTES], struct error *err) MUST_CHECK;
/* A file, or a folder with all that it holds; it need not be there. */
bool dev_state_remove(const struct dev_state *state, const char *name,
                      struct error *err) MUST_CHECK;
/* NAME=value lines for other commands; replaces the file at once. */
bool dev_state_write_env(const struct dev_state *state, struct text content,
                         struct error *err) MUST_CHECK;
void dev_state_close(struct dev_state *state); /* removes the env file */
/* How many run at present; ret_path is the env file of one of them. */
unsigned dev_state_find_running(const struct environment *environment,
                                char ret_path[STATE_PATH_BYTES]);

#endif
