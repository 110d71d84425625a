/*
 * millrace status [JOB]: the jobs, or one of them with what failed and why.
 */
#include <stdio.h>

#include "worker/cmd.h"
#include "worker/job_show.h"
#include "worker/job_wait.h"

struct status {
    struct app app;
    struct config config;
    const char *user; /* --user; or NULL */
    bool is_watch, is_json, has_job;
    struct uuid job;
    struct job_wait *wait;
};

static bool list(struct status *status, struct error *err)
{
    struct tenant tenant;
    if (status->user && !ask_tenant(&status->app, status->user, &tenant, err))
        return false;
    const struct uuid *user = status->user ? &tenant.id : NULL;
    return status->is_watch ? job_list_watch(&status->app, user, status->is_json, err)
                            : job_list(&status->app, user, status->is_json, err);
}

static int follow_job(struct status *status)
{
    const struct job_wait_order order = {
        .app = &status->app, .job = status->job, .is_json = status->is_json};
    struct job_view view = {&status->app, status->job, status->is_json};
    struct job_end end;
    struct error err;
    status->wait = job_wait_new(&order);
    if (!job_wait_run(status->wait, &end, &err) || !job_show(&view, &err))
        return cmd_fail(&err);
    return !end.is_final ? EXIT_INTERRUPTED : end.has_failures ? EXIT_SOME_FAILED : EXIT_DONE;
}

static int run_status(struct status *status)
{
    struct job_view view = {&status->app, status->job, status->is_json};
    struct error err;
    if (status->has_job && status->is_watch)
        return follow_job(status);
    if (!(status->has_job ? job_show(&view, &err) : list(status, &err)))
        return cmd_fail(&err);
    return status->is_watch ? EXIT_INTERRUPTED : EXIT_DONE;
}

static bool read_arguments(struct status *status, const struct invocation *invocation,
                           struct error *err)
{
    struct uuid user;
    status->has_job = invocation->argc == 1;
    if (invocation->argc > 1)
        return error_set(err, ERR_USAGE, "status takes one job at most");
    if (status->has_job && status->user)
        return error_set(err, ERR_USAGE, "--user is for the list: a job has its user");
    if (status->has_job && !uuid_parse(text_from(invocation->argv[0]), &status->job))
        return error_set(err, ERR_USAGE, "%.80s is no job id: a UUID in lower case is one",
                         invocation->argv[0]);
    return !status->user || ask_user_id(status->user, &user, err);
}

static int run_command(struct invocation *invocation)
{
    struct status status = {.is_json = invocation->is_json};
    struct error err;
    int code = EXIT_WRONG_USAGE;
    status.user = cmd_option(invocation, "--user");
    status.is_watch = cmd_flag(invocation, "--watch");
    bool has_options = cmd_no_more_options(invocation);
    if (has_options && !read_arguments(&status, invocation, &err))
        code = cmd_fail(&err);
    else if (has_options && cmd_load_config(invocation, NEED_DATABASE, &status.config))
        code = app_open(&status.app, &status.config, NEED_DATABASE, &err) ? run_status(&status)
                                                                          : cmd_fail(&err);
    app_close(&status.app);
    job_wait_free(status.wait);
    config_release(&status.config);
    return code;
}

const struct command status_command = {
    .name = "status",
    .usage = "[JOB] [--user ID] [--watch]",
    .summary = "the jobs, or one of them: what failed, and why",
    .options = {{"--user ID", "the jobs of this user only (or of demo)"},
                {"--watch", "again each second; with JOB until it is final"}},
    .may_use_dev = true,
    .run = run_command,
};
