/*
 * millrace submit TENANT WHAT...: files and folders of this machine, objects that lie in the bucket
 * already, and what lies behind https links, become documents of one job.
 *
 * What can be wrong is looked for before anything is done. Then: the job with its documents and
 * open items in one transaction, the objects, the events.
 */
#include <stdio.h>
#include <string.h>

#include "store/jobs.h"
#include "worker/base/memory.h"
#include "worker/base/signals.h"
#include "worker/cmd.h"
#include "worker/collect.h"
#include "worker/dev_feed.h"
#include "worker/job_show.h"
#include "worker/job_wait.h"
#include "worker/rows.h"
#include "worker/submission.h"
#include "worker/submit_show.h"

#define NEEDS (NEED_KAFKA | NEED_OBJECTS | NEED_DATABASE)
#define PROBE_MS 10000
#define DUE_MS 600000         /* the janitor takes up items whose event never came ... */
#define DUE_BYTES_PER_MS 1000 /* ... not before a slow line could have carried the bytes */
#define TELL_MS 5000          /* between two words about what is being sent */

struct submit {
    struct app app;
    struct config config;
    struct tenant tenant;
    struct uuid job;
    bool has_id, is_wait, is_dry, is_json, is_interrupted;
    struct collect collect;
    struct sources sources;
    size_t final_count, matched_count, lost_count;
    struct submit_sending sending;
    size_t told_count; /* of what is sent */
    struct queue_property properties[CONFIG_LIST_MAX];
    struct topic *topic;
    struct topic_probe probe;
    char digest[2 * SHA256_BYTES + 1];
    bool has_other_content;
    struct job_document *documents;
    struct jobs_register registration;
    struct submission *submission;
    struct job_wait *job_wait;
    struct wait wait;
    struct term term; /* stderr: talk */
};

/* ---- services, before anything is done ------------------------------------------------------- */

static void on_described(struct topic_probe *probe, const struct error *err)
{
    wait_done(&container_of(probe, struct submit, probe)->wait, err);
}

static bool open_topic(struct submit *submit, struct error *err)
{
    struct queue_options options = app_queue_options(&submit->config, submit->properties);
    submit->topic = topic_open(submit->app.loop, &options, err);
    if (!submit->topic)
        return false;
    submit->wait = wait_on(submit->app.loop);
    submit->probe =
        (struct topic_probe){.topic = submit->config.kafka_topic, .on_done = on_described};
    topic_describe(submit->topic, &submit->probe, PROBE_MS);
    if (!wait_for(&submit->wait, 0, err))
        return error_wrap(err, "%s", submit->config.kafka_brokers.start);
    return submit->probe.partitions > 0 ||
           error_set(err, ERR_CONFIG, "there is no topic %s at %s (KAFKA_TOPIC)",
                     submit->config.kafka_topic.start, submit->config.kafka_brokers.start);
}

/* ---- the job --------------------------------------------------------------------------------- */

static void on_registered(struct jobs_register *registration, const struct error *err)
{
    wait_done(&container_of(registration, struct submit, registration)->wait, err);
}

static struct job_document job_document_of(const struct source *source)
{
    static const char *const types[] = {
        [SOURCE_FILE] = "upload", [SOURCE_OBJECT] = "s3", [SOURCE_LINK] = "url"};
    /* A title that nobody gave is for new documents only: the key's name, or that of the link. */
    bool has_title = source->title || source->kind == SOURCE_LINK;
    return (struct job_document){
        .document = source_document(source),
        .title = has_title ? source_title(source) : TEXT_NONE,
        .source_type = text_from(types[source->kind]),
        .size_bytes = source->bytes,
        .link = text_from(source->link),
    };
}

static bool register_job(struct submit *submit, struct error *err)
{
    const struct sources *sources = &submit->sources;
    char config[128];
    (void)text_format(config, sizeof(config), "{\"content\": \"%s\"}", submit->digest);
    submit->documents = xcalloc(sources->count, sizeof(*submit->documents));
    for (size_t i = 0; i < sources->count; i++)
        submit->documents[i] = job_document_of(&sources->items[i]);
    submit->registration = (struct jobs_register){
        .tenant = &submit->tenant,
        .job = submit->job,
        .job_type = TEXT("batch"),
        .config = text_from(config),
        .documents = submit->documents,
        .document_count = sources->count,
        .due_ms = DUE_MS + sources->bytes / DUE_BYTES_PER_MS,
        .on_done = on_registered,
    };
    submit->wait = wait_on(submit->app.loop);
    jobs_register(submit->app.pg, submit->app.loop, &submit->registration);
    return wait_for(&submit->wait, 0, err);
}

/* ---- a job that is there already ------------------------------------------------------------- */

enum content_column { CONTENT_BUCKET, CONTENT_KEY, CONTENT_IS_FINAL, CONTENT_DIGEST, CONTENT_CODE };

/* What has an outcome stays as it is. */
static void on_content(void *arg, const struct pg_result *rows)
{
    struct submit *submit = arg;
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        struct text digest = pg_value(rows, row, CONTENT_DIGEST);
        struct source *source = sources_find(&submit->sources, pg_value(rows, row, CONTENT_BUCKET),
                                             pg_value(rows, row, CONTENT_KEY));
        submit->has_other_content |=
            !source || (digest.bytes && !text_equal(digest, text_from(submit->digest)));
        if (!source)
            continue;
        submit->matched_count++;
        source->is_final = row_number(rows, row, CONTENT_IS_FINAL) > 0;
        submit->final_count += source->is_final;
        submit->lost_count +=
            source->kind == SOURCE_FILE &&
            text_equal(pg_value(rows, row, CONTENT_CODE), text_from(error_name(ERR_GONE)));
    }
}

/* As far as a job of this id exists. */
static bool find_content(struct submit *submit, struct error *err)
{
    char id[UUID_TEXT_BYTES];
    struct report report = {
        .kind = REPORT_JOB_CONTENT, .has_id = true, .id = submit->job, .row_max = SOURCES_MAX};
    if (!ask_report(&submit->app, report, (struct ask){on_content, submit}, err))
        return false;
    bool is_new = submit->matched_count == 0 && !submit->has_other_content;
    bool is_same = submit->matched_count == submit->sources.count && !submit->has_other_content;
    return is_new || is_same ||
           error_set(err, ERR_INPUT, "the job %s is there already, with %s: take another --id",
                     uuid_format(submit->job, id),
                     submit->matched_count == submit->sources.count ? "other content"
                                                                    : "other documents");
}

/* ---- objects and events ---------------------------------------------------------------------- */

static void draw_sending(struct submit *submit)
{
    AUTO_BUFFER struct buffer lines = buffer_new(2048);
    struct submit_sending sending = submit->sending;
    submit_append_sending(&lines, &submit->term, &sending);
    term_redraw(&submit->term, buffer_text(&lines));
}

static void on_progress(void *arg, size_t done_count, uint64_t done_bytes)
{
    struct submit *submit = arg;
    submit->sending.done_count = done_count;
    submit->sending.done_bytes = done_bytes;
    submit->sending.waits_for = NULL;
    if (submit->term.is_terminal)
        draw_sending(submit);
}

static void on_submitted(void *arg, const struct error *err)
{
    struct submit *submit = arg;
    wait_done(&submit->wait, err);
}

static void on_signal(void *arg, unsigned count)
{
    struct submit *submit = arg;
    (void)count;
    submit->is_interrupted = true;
    submission_stop(submit->submission);
}

/* Now and then: what has been sent in a pipe, and what nothing moves for anywhere. */
static void tell_sending(struct submit *submit)
{
    const struct config *config = &submit->config;
    struct submit_sending *sending = &submit->sending;
    bool has_moved = sending->done_count > submit->told_count;
    submit->told_count = sending->done_count;
    if (!has_moved)
        sending->waits_for = submission_is_uploading(submit->submission)
                                 ? config->s3_endpoint.bytes ? config->s3_endpoint.start : "S3"
                                 : config->kafka_brokers.start;
    if (submit->is_json) {
        AUTO_BUFFER struct buffer line = buffer_new(2048);
        submit_write_sending(&line, sending);
        term_write(stdout, buffer_text(&line));
    } else {
        draw_sending(submit);
    }
}

static bool wait_for_sending(struct submit *submit, struct error *err)
{
    for (;;) {
        bool is_good = wait_for(&submit->wait, TELL_MS, err);
        if (submit->wait.is_done)
            return is_good;
        if (submit->is_interrupted) /* what is under way has had its time to end */
            return error_set(err, ERR_CANCELLED, "interrupted");
        submit->wait.is_late = false;
        tell_sending(submit);
    }
}

static bool send_files(struct submit *submit, struct error *err)
{
    struct submission_order order = {
        .app = &submit->app,
        .topic = submit->topic,
        .tenant = &submit->tenant,
        .topic_name = submit->config.kafka_topic,
        .job = submit->job,
        .sources = &submit->sources,
        .arg = submit,
        .on_progress = on_progress,
        .on_done = on_submitted,
    };
    submit->sending = (struct submit_sending){.count = submit->sources.count - submit->final_count,
                                              .bytes = submit->sources.bytes};
    submit->wait = wait_on(submit->app.loop);
    submit->submission = submission_start(&order);
    struct signals *signals = signals_open(submit->app.loop, on_signal, submit);
    bool is_good = wait_for_sending(submit, err);
    signals_close(signals);
    return is_good;
}

/* ---- telling --------------------------------------------------------------------------------- */

static struct submit_summary summary_of(const struct submit *submit)
{
    return (struct submit_summary){
        .sources = &submit->sources,
        .has_job = !submit->is_dry || submit->has_id,
        .job = submit->job,
        .is_dry = submit->is_dry,
        .was_new = submit->is_dry ? submit->matched_count == 0 : submit->registration.was_new,
        .final_count = submit->final_count,
    };
}

/* Before anything is sent: whoever loses us now knows what to go on with. */
static void tell_registered(const struct submit *submit)
{
    char id[UUID_TEXT_BYTES];
    uuid_format(submit->job, id);
    if (submit->is_json)
        fprintf(stdout, "{\"kind\":\"registered\",\"job\":\"%s\"}\n", id);
    else
        fprintf(stdout, "job %s\n", id);
    fflush(stdout);
    if (submit->lost_count)
        fprintf(stderr,
                "millrace: %zu of its documents were given up, since they did not come in time: "
                "submit those under another --id\n",
                submit->lost_count);
}

static void tell_submitted(const struct submit *submit)
{
    AUTO_BUFFER struct buffer line = buffer_new(4096);
    struct submit_summary summary = summary_of(submit);
    char id[UUID_TEXT_BYTES];
    if (submit->is_json)
        submit_write_summary(&line, "submitted", &summary);
    else
        submit_append_summary(&line, &summary);
    fprintf(stdout, "%s\n", buffer_string(&line));
    fflush(stdout);
    if (!submit->is_json && !submit->is_wait)
        fprintf(stderr, "`millrace status %s --watch` shows what becomes of them\n",
                uuid_format(submit->job, id));
}

static int tell_plan(const struct submit *submit)
{
    AUTO_BUFFER struct buffer line = buffer_new(4096);
    struct submit_summary summary = summary_of(submit);
    if (submit->is_json) {
        submit_print_plan_json(&submit->sources);
        submit_write_summary(&line, "plan", &summary);
        fprintf(stdout, "%s\n", buffer_string(&line));
        return EXIT_DONE;
    }
    struct term out = term_on(stdout, !submit->term.has_colour);
    submit_print_plan(&submit->sources, &out);
    submit_append_summary(&line, &summary);
    fprintf(stderr, "%s; nothing was done\n", buffer_string(&line));
    return EXIT_DONE;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int wait_for_job(struct submit *submit)
{
    const struct job_wait_order order = {.app = &submit->app,
                                         .job = submit->job,
                                         .topic = submit->topic,
                                         .is_json = submit->is_json};
    struct job_view view = {&submit->app, submit->job, submit->is_json};
    struct job_end end;
    struct error err;
    char id[UUID_TEXT_BYTES];
    submit->job_wait = job_wait_new(&order);
    bool is_good = job_wait_run(submit->job_wait, &end, &err);
    if (is_good && !end.is_final) {
        fprintf(stderr, "millrace: the job goes on; `millrace status %s --watch` follows it\n",
                uuid_format(submit->job, id));
        return EXIT_INTERRUPTED;
    }
    if (!is_good || !job_show(&view, &err))
        return cmd_fail(&err);
    return end.has_failures || submit->lost_count ? EXIT_SOME_FAILED : EXIT_DONE;
}

static int send_and_wait(struct submit *submit)
{
    struct error err;
    char id[UUID_TEXT_BYTES];
    tell_registered(submit);
    if (!send_files(submit, &err)) {
        fprintf(stderr,
                "millrace: the job is registered, not all of its documents are sent: submit them "
                "again with --id %s\n",
                uuid_format(submit->job, id));
        return submit->is_interrupted ? EXIT_INTERRUPTED : cmd_fail(&err);
    }
    tell_submitted(submit);
    return submit->is_wait ? wait_for_job(submit) : EXIT_DONE;
}

static int run_submit(struct submit *submit, const struct invocation *invocation)
{
    struct error err;
    bool is_good = app_open(&submit->app, &submit->config, NEEDS, &err) &&
                   ask_tenant(&submit->app, invocation->argv[0], &submit->tenant, &err) &&
                   collect_look(&submit->collect, &submit->sources, &submit->app, &err) &&
                   sources_digest(&submit->sources, submit->digest, &err) &&
                   open_topic(submit, &err) && (!submit->has_id || find_content(submit, &err));
    if (is_good && submit->is_dry)
        return tell_plan(submit);
    is_good = is_good && register_job(submit, &err);
    return is_good ? send_and_wait(submit) : cmd_fail(&err);
}

static bool read_arguments(struct submit *submit, const struct invocation *invocation,
                           const char *id, struct error *err)
{
    struct uuid user;
    if (invocation->argc < 1 || (invocation->argc < 2 && submit->collect.manifest_count == 0))
        return error_set(err, ERR_USAGE, "submit needs a tenant and files");
    if (id && (!uuid_parse(text_from(id), &submit->job) || uuid_is_nil(submit->job)))
        return error_set(err, ERR_USAGE, "--id takes a UUID in lower case, not %.80s", id);
    submit->has_id = id != NULL;
    if (!id)
        submit->job = uuid_v4();
    if (!ask_user_id(invocation->argv[0], &user, err))
        return false;
    submit->tenant = tenant_from_user_id(user);
    return true;
}

/* The folder of a `dev` is its bucket, and it is never written to. */
static bool check_uploads(struct submit *submit, struct error *err)
{
    const struct config *config = &submit->config;
    struct text folder =
        text_slice(config->s3_endpoint, TEXT("file://").bytes, config->s3_endpoint.bytes);
    if (submit->sources.file_count == 0)
        return true;
    if (config->file_shared_prefix.bytes)
        return error_set(err, ERR_USAGE,
                         "`millrace dev` takes what lies in its folder: copy the files to "
                         "%.*s/%s",
                         TEXT_ARGS(folder),
                         uuid_equal(submit->tenant.id, DEV_TENANT) ? "" : submit->tenant.prefix);
    if (config->bucket_count == 0)
        return error_set(err, ERR_USAGE, "S3_BUCKET does not say which bucket to upload to");
    if (config->bucket_count > 1)
        fprintf(stderr, "millrace: uploading to %.*s, the first of S3_BUCKET\n",
                TEXT_ARGS(config->buckets[0]));
    return true;
}

static int run_configured(struct submit *submit, const struct invocation *invocation)
{
    struct error err;
    submit->term = term_on(stderr, environment_get(&invocation->environment, "NO_COLOR") != NULL);
    submit->sources.options =
        (struct sources_options){.config = &submit->config, .tenant = &submit->tenant};
    collect_sources(&submit->collect, invocation, 1, &submit->sources);
    bool is_good =
        collect_look_here(&submit->collect, &submit->sources, &err) && check_uploads(submit, &err);
    return is_good ? run_submit(submit, invocation) : cmd_fail(&err);
}

static void count_down(void *arg)
{
    --*(unsigned *)arg;
}

static void release(struct submit *submit)
{
    unsigned open_count = submit->topic ? 1 : 0;
    if (submit->topic)
        topic_close(submit->topic, count_down, &open_count);
    while (open_count)
        loop_run_once(submit->app.loop, 1000);
    app_close(&submit->app);
    submission_free(submit->submission);
    job_wait_free(submit->job_wait);
    sources_release(&submit->sources);
    xfree(submit->documents);
    config_release(&submit->config);
    xfree(submit);
}

static int run_command(struct invocation *invocation)
{
    struct submit *submit = xcalloc(1, sizeof(*submit));
    struct error err;
    int code = EXIT_WRONG_USAGE;
    const char *id = cmd_option(invocation, "--id");
    signals_end_early(EXIT_INTERRUPTED); /* until something is sent nothing is lost */
    submit->is_wait = cmd_flag(invocation, "--wait");
    submit->is_dry = cmd_flag(invocation, "--dry-run");
    submit->is_json = invocation->is_json;
    bool is_understood = collect_options(invocation, &submit->collect, &err);
    bool has_options = cmd_no_more_options(invocation);
    if (has_options && (!is_understood || !read_arguments(submit, invocation, id, &err)))
        code = cmd_fail(&err);
    else if (has_options && cmd_load_config(invocation, NEEDS, &submit->config))
        code = run_configured(submit, invocation);
    release(submit);
    return code;
}

const struct command submit_command = {
    .name = "submit",
    .usage = "TENANT WHAT... [--manifest FILE] [--id UUID] [--wait] [--dry-run] [--trust-links]",
    .summary = "make documents of a tenant one job: files, folders, objects, links",
    .options = {{"TENANT", "the user's id"},
                {"WHAT",
                 "a file or a folder of this machine: uploaded below users/TENANT/; "
                 "s3://BUCKET/users/TENANT/...: what lies there already; an https link, presigned "
                 "or not, that the worker fetches; a manifest by its ending .csv or .jsonl"},
                {"--manifest FILE",
                 "CSV or JSON lines with the columns title, file_path, "
                 "file_source_type (upload, s3, url) and file_url; paths are relative "
                 "to it"},
                {"--id UUID", "the job's id: the same again is the same job, and goes on where it "
                              "stopped"},
                {"--wait", "until the job is final, with a bar; Ctrl-C leaves it running"},
                {"--dry-run", "say what would be done, and do nothing"},
                {"--trust-links", "do not ask for a byte of each link before anything is queued"}},
    .note = "Everything is looked at before anything is done: what cannot be taken is told line by "
            "line, nothing is queued, and the exit code is 6. Submitting again with the same --id "
            "sends what is missing; with other content it is refused. With --wait the exit code is "
            "1 when documents failed, and 5 when the wait was interrupted.",
    .may_use_dev = true,
    .run = run_command,
};
