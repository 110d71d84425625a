/*
 * job_wait.h - waits for a job to become final: its bar on a terminal, plain lines in a pipe, JSON
 *              for programs; how much longer, and why nothing moves.
 *
 * Nothing ends the wait but the job's end and a signal: a database or a broker that is away is
 * named, asked again, and said to be back.
 * Owns:   its questions under way, also after job_wait_run(): job_wait_free() comes after
 *         topic_close() and app_close(). Borrows the app and the topic.
 * Thread: the loop thread, outside of callbacks.
 */
#ifndef WORKER_JOB_WAIT_H
#define WORKER_JOB_WAIT_H

#include "queue/topic.h"
#include "worker/cmd_ask.h"

struct job_wait_order {
    struct app *app;
    struct uuid job;
    struct topic *topic; /* whose broker is asked now and then; NULL: nobody is */
    bool is_json;        /* progress on stdout, else for people on stderr */
};
struct job_end {
    bool is_final, has_failures; /* or documents that were cancelled */
};

struct job_wait;
struct job_wait *job_wait_new(const struct job_wait_order *order);
/* ERR_NOT_FOUND: there is no such job; or what the database refuses for good. */
bool job_wait_run(struct job_wait *wait, struct job_end *ret_end, struct error *err) MUST_CHECK;
void job_wait_free(struct job_wait *wait); /* NULL is allowed */

#endif
