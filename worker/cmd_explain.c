/*
 * millrace explain DOCUMENT: what happened to it and why it is (not) done.
 */
#include <stdio.h>
#include <string.h>

#include "store/letters.h"
#include "worker/cmd.h"
#include "worker/cmd_ask.h"
#include "worker/document_look.h"
#include "worker/model/document.h"
#include "worker/model/link.h"

#define KEY_BYTES (2 * TENANT_KEY_BYTES_MAX)

struct explain {
    struct app app;
    struct config config;
    bool is_json, has_no_bucket, has_id;
    unsigned needs;
    struct uuid document;
    struct text bucket;  /* none: those of S3_BUCKET */
    char key[KEY_BYTES]; /* without an id */
};

/* ---- which document -------------------------------------------------------------------------- */

static bool look(struct explain *explain, struct uuid document, bool *ret_is_there,
                 struct error *err)
{
    const struct document_look order = {
        .app = &explain->app,
        .document = document,
        .asks_bucket = (explain->needs & NEED_OBJECTS) != 0,
        .is_json = explain->is_json,
    };
    return document_look(&order, ret_is_there, err);
}

static bool look_in(struct explain *explain, struct text bucket, bool *ret_is_there,
                    struct error *err)
{
    return look(explain, document_of(bucket, text_from(explain->key)).id, ret_is_there, err);
}

static bool look_by_key(struct explain *explain, bool *ret_is_there, struct error *err)
{
    const struct config *config = &explain->config;
    if (explain->bucket.bytes)
        return look_in(explain, explain->bucket, ret_is_there, err);
    for (size_t i = 0; i < config->bucket_count && !*ret_is_there; i++)
        if (!look_in(explain, config->buckets[i], ret_is_there, err))
            return false;
    return *ret_is_there || look_in(explain, LINK_BUCKET, ret_is_there, err);
}

/* ---- a document that is not there ------------------------------------------------------------ */

struct mention {
    struct wait wait;
    char said[512];
};

static void on_mentioned(struct letters *letters, const struct pg_result *rows,
                         const struct error *err)
{
    struct mention *mention = letters->arg;
    if (!err && pg_row_count(rows) > 0)
        (void)text_format(mention->said, sizeof(mention->said),
                          "its event is the dead letter %.*s (%.*s): %.*s; `millrace dlq show "
                          "%.*s` tells more",
                          TEXT_ARGS(pg_value(rows, 0, 0)), TEXT_ARGS(pg_value(rows, 0, 5)),
                          TEXT_ARGS(text_utf8_prefix(pg_value(rows, 0, 6), 200)),
                          TEXT_ARGS(pg_value(rows, 0, 0)));
    wait_done(&mention->wait, err);
}

/* An event whose key this is, as far as it is spelt as people spell it, may be a dead letter. */
static bool find_letter(struct explain *explain, struct mention *mention, struct error *err)
{
    mention->wait = wait_on(explain->app.loop);
    struct letters letters = {.kind = LETTERS_LIST,
                              .filter = {.mention = text_from(explain->key)},
                              .row_max = 1,
                              .arg = mention,
                              .on_done = on_mentioned};
    letters_run(explain->app.pg, explain->app.loop, &letters);
    return wait_for(&mention->wait, 0, err);
}

static void on_job(void *arg, const struct pg_result *rows)
{
    bool *is_job = arg;
    *is_job = pg_row_count(rows) > 0;
}

static bool fail_missing(struct explain *explain, struct error *err)
{
    char id[UUID_TEXT_BYTES];
    bool is_job = false;
    struct mention mention = {0};
    struct report job = {.kind = REPORT_JOB, .has_id = true, .id = explain->document, .row_max = 1};
    if (!explain->has_id) {
        if (!find_letter(explain, &mention, err))
            return false;
        return error_set(err, ERR_NOT_FOUND, "there is no document %.120s: %s", explain->key,
                         mention.said[0] ? mention.said : "no event of it has come");
    }
    if (!ask_report(&explain->app, job, (struct ask){on_job, &is_job}, err))
        return false;
    uuid_format(explain->document, id);
    return is_job ? error_set(err, ERR_NOT_FOUND,
                              "%s is a job, no document: `millrace status %s` shows it", id, id)
                  : error_set(err, ERR_NOT_FOUND, "there is no document %s", id);
}

static int run_explain(struct explain *explain)
{
    struct error err;
    bool is_there = false;
    bool is_good = explain->has_id ? look(explain, explain->document, &is_there, &err)
                                   : look_by_key(explain, &is_there, &err);
    if (!is_good || (!is_there && !fail_missing(explain, &err)))
        return cmd_fail(&err);
    return EXIT_DONE;
}

/* ---- arguments ------------------------------------------------------------------------------- */

static bool read_key(struct explain *explain, struct text key, struct error *err)
{
    struct tenant tenant;
    return (text_format(explain->key, sizeof(explain->key), "%.*s", TEXT_ARGS(key)) &&
            tenant_from_key(text_from(explain->key), &tenant, err)) ||
           error_set(err, ERR_USAGE, "%.120s is no document: its key is users/<uuid>/<name>",
                     explain->key);
}

static bool read_tenant_and_name(struct explain *explain, char **argv, struct error *err)
{
    struct uuid user;
    char key[KEY_BYTES];
    if (!ask_user_id(argv[0], &user, err))
        return false;
    struct tenant tenant = tenant_from_user_id(user);
    bool is_whole = tenant_owns_key(&tenant, text_from(argv[1]));
    (void)text_format(key, sizeof(key), "%s%s", is_whole ? "" : tenant.prefix, argv[1]);
    return read_key(explain, text_from(key), err);
}

static bool read_arguments(struct explain *explain, const struct invocation *invocation,
                           struct error *err)
{
    struct text first = text_from(invocation->argc ? invocation->argv[0] : NULL);
    if (invocation->argc == 2)
        return read_tenant_and_name(explain, invocation->argv, err);
    if (invocation->argc != 1)
        return error_set(err, ERR_USAGE,
                         "explain takes a document: its id, s3://bucket/key, or TENANT NAME");
    explain->has_id = uuid_parse(first, &explain->document);
    if (explain->has_id)
        return true;
    if (text_starts_with(first, TEXT("s3://"))) {
        explain->bucket = text_cut(text_slice(first, 5, first.bytes), '/', &first);
        return read_key(explain, first, err);
    }
    return read_key(explain, first, err);
}

/* Whatever the bucket needs is only asked for where a bucket is configured. */
static unsigned needs_of(const struct explain *explain, const struct invocation *invocation)
{
    bool has_bucket = environment_get(&invocation->environment, "S3_BUCKET") != NULL;
    return NEED_DATABASE | (has_bucket && !explain->has_no_bucket ? NEED_OBJECTS : 0);
}

static int run_command(struct invocation *invocation)
{
    struct explain explain = {.is_json = invocation->is_json};
    struct error err;
    int code = EXIT_WRONG_USAGE;
    explain.has_no_bucket = cmd_flag(invocation, "--no-bucket");
    if (!cmd_no_more_options(invocation) || !cmd_find_services(invocation))
        return EXIT_WRONG_USAGE;
    explain.needs = needs_of(&explain, invocation);
    if (!read_arguments(&explain, invocation, &err))
        code = cmd_fail(&err);
    else if (cmd_load_config(invocation, explain.needs, &explain.config))
        code = app_open(&explain.app, &explain.config, explain.needs, &err) ? run_explain(&explain)
                                                                            : cmd_fail(&err);
    app_close(&explain.app);
    config_release(&explain.config);
    return code;
}

const struct command explain_command = {
    .name = "explain",
    .usage = "DOCUMENT | TENANT NAME [--no-bucket]",
    .summary = "what happened to a document, and why it is (not) done",
    .options = {{"DOCUMENT", "its id, its key (users/<uuid>/<name>), or s3://bucket/key"},
                {"TENANT NAME", "the user's id (or demo), and the name within users/<uuid>/"},
                {"--no-bucket", "do not look whether the bucket still holds what was read"}},
    .may_use_dev = true,
    .run = run_command,
};
