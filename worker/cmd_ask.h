/*
 * cmd_ask.h - what commands ask the services, one question after another.
 *
 * Each call runs the loop until its answer is there. Commands that may give up before that
 * (check) use struct wait, whose memory then stays until app_close() has brought the answer.
 * Thread: the loop thread, outside of callbacks.
 */
#ifndef WORKER_CMD_ASK_H
#define WORKER_CMD_ASK_H

#include "store/report.h"
#include "worker/app.h"
#include "worker/model/tenant.h"

struct wait {
    struct loop *loop;
    struct timer timer;
    struct error err;
    bool is_done, is_late, has_failed;
};
struct wait wait_on(struct loop *loop);
void wait_done(struct wait *wait, const struct error *err); /* from the request's on_done */
/* timeout_ms 0: as long as the service itself takes. ERR_TIMEOUT, or what the request failed with.
 */
bool wait_for(struct wait *wait, uint64_t timeout_ms, struct error *err) MUST_CHECK;

/* The rows of a report; on_rows is called once, unless it fails. */
struct ask {
    void (*on_rows)(void *arg, const struct pg_result *rows);
    void *arg;
};
bool ask_report(struct app *app, struct report report, struct ask ask,
                struct error *err) MUST_CHECK;
/* A tenant by the id of its user, or `demo`. ERR_USAGE: neither; ERR_NOT_FOUND: no such user. */
bool ask_tenant(struct app *app, const char *word, struct tenant *ret_tenant,
                struct error *err) MUST_CHECK;
/* The id alone, nobody is asked. ERR_USAGE. */
bool ask_user_id(const char *word, struct uuid *ret_user, struct error *err) MUST_CHECK;
/* "90m", "12h", "7d"; a NULL word is none, and gives 0. ERR_USAGE names the option. */
bool ask_age(const char *option, const char *word, uint64_t *ret_ms, struct error *err) MUST_CHECK;

#endif
