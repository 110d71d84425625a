/*
 * millrace status [JOB|DOCUMENT]: the jobs, or one of them with what failed and why; or what became
 * of a document.
 */
#include <stdio.h>

#include "worker/cmd.h"
#include "worker/document_look.h"
#include "worker/job_show.h"
#include "worker/job_wait.h"

#define LIMIT_MAX 100000

struct status {
    struct app app;
    struct config config;
    const char *user; /* --tenant; or NULL */
    struct tenant tenant;
    struct job_filter filter;
    bool is_watch, is_json, has_id;
    struct uuid id;
    struct job_wait *wait;
};

static bool list(struct status *status, struct error *err)
{
    if (status->user && !ask_tenant(&status->app, status->user, &status->tenant, err))
        return false;
    status->filter.user = status->user ? &status->tenant.id : NULL;
    return status->is_watch ? job_list_watch(&status->app, &status->filter, status->is_json, err)
                            : job_list(&status->app, &status->filter, status->is_json, err);
}

static int follow_job(struct status *status)
{
    const struct job_wait_order order = {
        .app = &status->app, .job = status->id, .is_json = status->is_json};
    struct job_view view = {&status->app, status->id, status->is_json};
    struct job_end end;
    struct error err;
    status->wait = job_wait_new(&order);
    if (!job_wait_run(status->wait, &end, &err) || !job_show(&view, &err))
        return cmd_fail(&err);
    return !end.is_final ? EXIT_INTERRUPTED : end.has_failures ? EXIT_SOME_FAILED : EXIT_DONE;
}

/* What is no job may be a document. */
static bool show(struct status *status, struct error *err)
{
    struct job_view view = {&status->app, status->id, status->is_json};
    const struct document_look look = {
        .app = &status->app, .document = status->id, .is_json = status->is_json};
    bool is_there = false;
    char id[UUID_TEXT_BYTES];
    if (job_show(&view, err))
        return true;
    if (err->code != ERR_NOT_FOUND || !document_look(&look, &is_there, err))
        return false;
    return is_there || error_set(err, ERR_NOT_FOUND, "there is no job %s, and no such document",
                                 uuid_format(status->id, id));
}

static int run_status(struct status *status)
{
    struct error err;
    if (status->has_id && status->is_watch)
        return follow_job(status);
    if (!(status->has_id ? show(status, &err) : list(status, &err)))
        return cmd_fail(&err);
    return status->is_watch ? EXIT_INTERRUPTED : EXIT_DONE;
}

/* ---- arguments ------------------------------------------------------------------------------- */

static bool is_state(struct text word)
{
    static const char *const STATES[] = {"open",      "paused", "pending", "processing",
                                         "completed", "failed", "partial", "cancelled"};
    for (size_t i = 0; i < COUNT_OF(STATES); i++)
        if (text_equal(word, text_from(STATES[i])))
            return true;
    return false;
}

static bool read_filter(struct status *status, struct invocation *invocation, struct error *err)
{
    struct uuid user;
    uint64_t limit = 0;
    const char *state = cmd_option(invocation, "--state");
    const char *limit_word = cmd_option(invocation, "--limit");
    const char *older = cmd_option(invocation, "--older");
    const char *newer = cmd_option(invocation, "--newer");
    status->user = cmd_option(invocation, "--tenant");
    status->filter.state = text_from(state);
    bool has_filter = status->user || state || limit_word || older || newer;
    if (state && !is_state(status->filter.state))
        return error_set(err, ERR_USAGE,
                         "%.40s is no state: open, paused, pending, processing, completed, failed, "
                         "partial, cancelled are",
                         state);
    if (limit_word &&
        (!text_parse_u64(text_from(limit_word), &limit) || limit < 1 || limit > LIMIT_MAX))
        return error_set(err, ERR_USAGE, "--limit takes a number from 1 to %d, not %.40s",
                         LIMIT_MAX, limit_word);
    status->filter.row_max = (uint32_t)limit;
    if (has_filter && invocation->argc && invocation->argv[0][0] != '-')
        return error_set(err, ERR_USAGE, "filters are for the list, not for one job");
    return ask_age("--older", older, &status->filter.older_ms, err) &&
           ask_age("--newer", newer, &status->filter.newer_ms, err) &&
           (!status->user || ask_user_id(status->user, &user, err));
}

static bool read_id(struct status *status, const struct invocation *invocation, struct error *err)
{
    status->has_id = invocation->argc == 1;
    if (invocation->argc > 1)
        return error_set(err, ERR_USAGE, "status takes one job or document at most");
    return !status->has_id || uuid_parse(text_from(invocation->argv[0]), &status->id) ||
           error_set(err, ERR_USAGE, "%.80s is no job id: a UUID in lower case is one",
                     invocation->argv[0]);
}

static int run_command(struct invocation *invocation)
{
    struct status status = {.is_json = invocation->is_json};
    struct error err;
    int code = EXIT_WRONG_USAGE;
    status.is_watch = cmd_flag(invocation, "--watch");
    if (!read_filter(&status, invocation, &err))
        return cmd_fail(&err);
    bool has_options = cmd_no_more_options(invocation);
    if (has_options && !read_id(&status, invocation, &err))
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
    .usage = "[JOB | DOCUMENT] [--tenant ID] [--state STATE] [--newer TIME] [--older TIME] "
             "[--limit N] [--watch]",
    .summary = "the jobs, or one of them: what failed, and why",
    .options = {{"JOB", "its id: how it stands, and its failed documents with what to do"},
                {"DOCUMENT", "its id: what became of it; `millrace explain` looks further"},
                {"--tenant ID", "the jobs of this user only (or of demo)"},
                {"--state STATE", "those that are open, paused, pending, processing, completed, "
                                  "failed, partial or cancelled"},
                {"--newer TIME", "those made within that time, such as 90m, 12h or 7d"},
                {"--older TIME", "those made longer ago than that"},
                {"--limit N", "the newest so many [50, with --json 10000]"},
                {"--watch", "again each second; with JOB until it is final"}},
    .may_use_dev = true,
    .run = run_command,
};
