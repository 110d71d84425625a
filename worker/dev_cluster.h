/*
 * dev_cluster.h - `dev`'s own PostgreSQL: a cluster in the state folder, made and started from the
 *                 distribution's binaries, reachable through a socket in that folder only.
 *
 * PostgreSQL refuses root: as root it runs as the user `postgres` (or `nobody`).
 * Owns:   the server process, until dev_cluster_stop(); it dies with us in any case.
 * Thread: start-up; starting waits for up to 30 s.
 */
#ifndef WORKER_DEV_CLUSTER_H
#define WORKER_DEV_CLUSTER_H

#include "worker/dev_state.h"

struct dev_cluster {
    pid_t pid; /* 0: not running */
    char conninfo[STATE_PATH_BYTES + 64];
};

/* ERR_CONFIG: no PostgreSQL here (the message names the package). */
bool dev_cluster_start(struct dev_cluster *cluster, const struct dev_state *state,
                       struct error *err) MUST_CHECK;
void dev_cluster_stop(struct dev_cluster *cluster);

#endif
