#include "worker/cmd_ask.h"

#include <string.h>

#include "worker/dev_feed.h"

#define AGE_DAYS_MAX 36500

/* ---- waiting --------------------------------------------------------------------------------- */

struct wait wait_on(struct loop *loop)
{
    return (struct wait){.loop = loop};
}

void wait_done(struct wait *wait, const struct error *err)
{
    wait->is_done = true;
    loop_stop(wait->loop); /* what is done before a turn waits ends that turn */
    wait->has_failed = err != NULL;
    if (err)
        wait->err = *err;
}

static void on_late(struct timer *timer)
{
    struct wait *wait = container_of(timer, struct wait, timer);
    wait->is_late = true;
    loop_stop(wait->loop);
}

bool wait_for(struct wait *wait, uint64_t timeout_ms, struct error *err)
{
    if (timeout_ms)
        timer_start(wait->loop, &wait->timer, timeout_ms, on_late);
    while (!wait->is_done && !wait->is_late)
        loop_run_once(wait->loop, 1000);
    timer_stop(wait->loop, &wait->timer);
    if (!wait->is_done)
        return error_set(err, ERR_TIMEOUT, "no answer within %llu s",
                         (unsigned long long)timeout_ms / 1000);
    if (wait->has_failed)
        *err = wait->err;
    return !wait->has_failed;
}

/* ---- reports --------------------------------------------------------------------------------- */

struct report_call {
    struct report report;
    struct ask ask;
    struct wait wait;
};

static void on_report(struct report *report, const struct pg_result *rows, const struct error *err)
{
    struct report_call *call = container_of(report, struct report_call, report);
    if (!err)
        call->ask.on_rows(call->ask.arg, rows);
    wait_done(&call->wait, err);
}

bool ask_report(struct app *app, struct report report, struct ask ask, struct error *err)
{
    struct report_call call = {.report = report, .ask = ask, .wait = wait_on(app->loop)};
    call.report.on_done = on_report;
    report_run(app->pg, app->loop, &call.report);
    return wait_for(&call.wait, 0, err); /* the connection has its own limits */
}

bool ask_user_id(const char *word, struct uuid *ret_user, struct error *err)
{
    if (strcmp(word, "demo") == 0) {
        *ret_user = DEV_TENANT;
        return true;
    }
    if (uuid_parse(text_from(word), ret_user) && !uuid_is_nil(*ret_user))
        return true;
    return error_set(err, ERR_USAGE, "%.80s is no user id: write the UUID in lower case, or demo",
                     word);
}

static void on_tenant(void *arg, const struct pg_result *rows)
{
    bool *is_there = arg;
    *is_there = pg_row_count(rows) > 0;
}

bool ask_tenant(struct app *app, const char *word, struct tenant *ret_tenant, struct error *err)
{
    struct uuid user;
    bool is_there = false;
    if (!ask_user_id(word, &user, err))
        return false;
    struct report report = {.kind = REPORT_TENANTS, .has_id = true, .id = user, .row_max = 1};
    if (!ask_report(app, report, (struct ask){on_tenant, &is_there}, err))
        return false;
    if (!is_there)
        return error_set(err, ERR_NOT_FOUND, "there is no user %s", word);
    *ret_tenant = tenant_from_user_id(user);
    return true;
}

bool ask_age(const char *option, const char *word, uint64_t *ret_ms, struct error *err)
{
    struct text text = text_from(word);
    uint64_t days;
    *ret_ms = 0;
    bool is_days = text_ends_with(text, TEXT("d")) &&
                   text_parse_u64(text_slice(text, 0, text.bytes - 1), &days) &&
                   days <= AGE_DAYS_MAX;
    if (is_days)
        *ret_ms = days * 24 * 3600 * 1000;
    if (!word || is_days || (text_parse_ms(text, ret_ms) && *ret_ms / 86400000 <= AGE_DAYS_MAX))
        return true;
    return error_set(err, ERR_USAGE, "%s takes a time such as 90m, 12h or 7d, not %.40s", option,
                     word);
}
