/*
 * millrace submit TENANT FILE...: files of this machine, and what lies behind https links, become
 * documents of one job.
 *
 * What can be wrong is looked for before anything is done. Then: the job with its documents and
 * open items in one transaction, the objects, the events.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/jobs.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/base/signals.h"
#include "worker/cmd.h"
#include "worker/dev_feed.h"
#include "worker/job_show.h"
#include "worker/model/link.h"
#include "worker/rows.h"
#include "worker/submission.h"

#define NEEDS (NEED_KAFKA | NEED_OBJECTS | NEED_DATABASE)
#define FILES_MAX 10000 /* what a report of a job shows */
#define PROBE_MS 10000
#define DUE_MS 600000         /* the janitor takes up items whose event never came ... */
#define DUE_BYTES_PER_MS 1000 /* ... not before a slow line could have carried the bytes */
#define BAR_COLUMNS 32

struct submit {
    struct app app;
    struct config config;
    struct tenant tenant;
    struct uuid job;
    bool is_wait, is_json, is_interrupted;
    struct submission_file *files;
    size_t file_count, final_count, matched_count;
    uint64_t bytes;
    struct text bucket;
    struct queue_property properties[CONFIG_LIST_MAX];
    struct topic *topic;
    struct topic_probe probe;
    struct job_document *documents;
    struct jobs_register registration;
    struct submission *submission;
    struct wait wait;
    struct term term; /* stderr: talk */
};

/* ---- files, before anything is done ---------------------------------------------------------- */

static struct text name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return text_from(slash ? slash + 1 : path);
}

static bool look_at_file(const struct submit *submit, struct submission_file *file,
                         struct error *err)
{
    struct stat status;
    AUTO_FD int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0)
        return error_set_errno(err, ERR_USAGE, errno, file->path);
    if (!S_ISREG(status.st_mode))
        return error_set(err, ERR_USAGE, "%s: not a file", file->path);
    file->bytes = (uint64_t)status.st_size;
    if (file->bytes == 0)
        return error_set(err, ERR_USAGE, "%s: it is empty", file->path);
    if (file->bytes > submit->config.file_bytes_max)
        return error_set(err, ERR_USAGE, "%s: larger than MILLRACE_FILE_BYTES_MAX allows",
                         file->path);
    return true;
}

/* A link is fetched by the worker; here only its form can be wrong. */
static bool look_at_link(const struct submit *submit, const struct submission_file *file,
                         struct error *err)
{
    if (link_check(text_from(file->link), submit->config.links_allow_private, err))
        return true;
    err->code = ERR_USAGE;
    return error_wrap(err, "%s", file->path);
}

static bool write_key(const struct submit *submit, const struct submission_file *file,
                      struct buffer *key, struct error *err)
{
    struct tenant tenant;
    if (file->link)
        return link_key(text_from(file->link), &submit->tenant, key, err);
    buffer_format(key, "%s", submit->tenant.prefix);
    buffer_append_text(key, name_of(file->path));
    return tenant_from_key(buffer_text(key), &tenant, err);
}

static bool name_file(const struct submit *submit, struct submission_file *file, struct error *err)
{
    AUTO_BUFFER struct buffer key = buffer_new(2 * LINK_BYTES_MAX);
    if (!write_key(submit, file, &key, err)) {
        err->code = ERR_USAGE; /* here it is the file's name that cannot be one */
        return error_wrap(err, "%s", file->path);
    }
    file->key = xstrdup(buffer_text(&key));
    return true;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct submission_file *)a)->key,
                  ((const struct submission_file *)b)->key);
}

/* The query of a link is a secret: it is shown nowhere. */
static void take_argument(struct submission_file *file, struct text argument)
{
    struct text query;
    bool is_link = link_is_link(argument);
    file->path = xstrdup(is_link ? text_cut(argument, '?', &query) : argument);
    file->link = is_link ? xstrdup(argument) : NULL;
}

static bool look_at_files(struct submit *submit, const struct invocation *invocation,
                          struct error *err)
{
    submit->file_count = (size_t)invocation->argc - 1;
    submit->files = xcalloc(submit->file_count, sizeof(*submit->files));
    for (size_t i = 0; i < submit->file_count; i++) {
        struct submission_file *file = &submit->files[i];
        take_argument(file, text_from(invocation->argv[i + 1]));
        bool is_fine =
            file->link ? look_at_link(submit, file, err) : look_at_file(submit, file, err);
        if (!is_fine || !name_file(submit, file, err))
            return false;
        submit->bytes += file->bytes;
    }
    qsort(submit->files, submit->file_count, sizeof(*submit->files), compare_files);
    for (size_t i = 1; i < submit->file_count; i++)
        if (compare_files(&submit->files[i - 1], &submit->files[i]) == 0)
            return error_set(err, ERR_USAGE,
                             "%s and %s would be the same document: rename one of them",
                             submit->files[i - 1].path, submit->files[i].path);
    return true;
}

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

static bool register_job(struct submit *submit, struct error *err)
{
    submit->documents = xcalloc(submit->file_count, sizeof(*submit->documents));
    for (size_t i = 0; i < submit->file_count; i++)
        submit->documents[i] = (struct job_document){
            .document = document_of(submit->files[i].link ? LINK_BUCKET : submit->bucket,
                                    text_from(submit->files[i].key)),
            .title = name_of(submit->files[i].path),
            .source_type = submit->files[i].link ? TEXT("url") : TEXT("upload"),
            .size_bytes = submit->files[i].bytes,
            .link = text_from(submit->files[i].link),
        };
    submit->registration = (struct jobs_register){
        .tenant = &submit->tenant,
        .job = submit->job,
        .job_type = TEXT("batch"),
        .config = TEXT("{}"),
        .documents = submit->documents,
        .document_count = submit->file_count,
        .due_ms = DUE_MS + submit->bytes / DUE_BYTES_PER_MS,
        .on_done = on_registered,
    };
    submit->wait = wait_on(submit->app.loop);
    jobs_register(submit->app.pg, submit->app.loop, &submit->registration);
    return wait_for(&submit->wait, 0, err);
}

static int compare_key(const void *key, const void *file)
{
    return text_compare(*(const struct text *)key,
                        text_from(((const struct submission_file *)file)->key));
}

/* The job was there already: what has an outcome stays as it is. */
static void on_items(void *arg, const struct pg_result *rows)
{
    struct submit *submit = arg;
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        struct text key = pg_value(rows, row, ITEM_KEY);
        struct submission_file *file =
            bsearch(&key, submit->files, submit->file_count, sizeof(*submit->files), compare_key);
        if (!file)
            continue;
        submit->matched_count++;
        file->is_final = pg_value(rows, row, ITEM_OUTCOME).start != NULL;
        submit->final_count += file->is_final;
    }
}

static bool go_on_with_job(struct submit *submit, struct error *err)
{
    char id[UUID_TEXT_BYTES];
    struct report report = {
        .kind = REPORT_JOB_ITEMS, .has_id = true, .id = submit->job, .row_max = FILES_MAX};
    if (!ask_report(&submit->app, report, (struct ask){on_items, submit}, err))
        return false;
    if (submit->matched_count < submit->file_count)
        return error_set(err, ERR_USAGE,
                         "the job %s is there already, with other files: take another --id",
                         uuid_format(submit->job, id));
    return true;
}

/* ---- objects and events ---------------------------------------------------------------------- */

static void on_progress(void *arg, size_t done_count, uint64_t done_bytes)
{
    struct submit *submit = arg;
    AUTO_BUFFER struct buffer line = buffer_new(1024);
    if (!submit->term.is_terminal)
        return;
    term_append_bar(&line, done_bytes, submit->bytes, BAR_COLUMNS);
    buffer_format(&line, " %zu/%zu files uploaded\n", done_count,
                  submit->file_count - submit->final_count);
    term_redraw(&submit->term, buffer_text(&line));
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

static bool send_files(struct submit *submit, struct error *err)
{
    struct submission_order order = {
        .app = &submit->app,
        .topic = submit->topic,
        .tenant = &submit->tenant,
        .bucket = submit->bucket,
        .topic_name = submit->config.kafka_topic,
        .job = submit->job,
        .files = submit->files,
        .file_count = submit->file_count,
        .arg = submit,
        .on_progress = on_progress,
        .on_done = on_submitted,
    };
    submit->wait = wait_on(submit->app.loop);
    submit->submission = submission_start(&order);
    struct signals *signals = signals_open(submit->app.loop, on_signal, submit);
    bool is_good = wait_for(&submit->wait, 0, err);
    signals_close(signals);
    return is_good;
}

/* ---- the command ----------------------------------------------------------------------------- */

static void tell_submitted(const struct submit *submit)
{
    AUTO_BUFFER struct buffer line = buffer_new(4096);
    char id[UUID_TEXT_BYTES];
    uuid_format(submit->job, id);
    if (submit->is_json) {
        struct json_writer writer = json_writer_new(&line);
        json_open_object(&writer, NULL);
        json_write_text(&writer, "kind", TEXT("submitted"));
        json_write_text(&writer, "job", text_from(id));
        json_write_u64(&writer, "documents", submit->file_count);
        json_write_u64(&writer, "uploaded", submit->file_count - submit->final_count);
        json_write_bool(&writer, "was_new", submit->registration.was_new);
        json_close_object(&writer);
    } else {
        buffer_format(&line, "job %s: %zu %s submitted", id, submit->file_count,
                      submit->file_count == 1 ? "file" : "files");
        if (submit->final_count)
            buffer_format(&line, ", %zu of them done before", submit->final_count);
    }
    fprintf(stdout, "%s\n", buffer_string(&line));
    fflush(stdout);
    if (!submit->is_json && !submit->is_wait)
        fprintf(stderr, "`millrace status %s --watch` shows what becomes of them\n", id);
}

static int wait_for_job(struct submit *submit)
{
    struct job_view view = {&submit->app, submit->job, submit->is_json};
    struct job_end end;
    struct error err;
    if (!job_watch(&view, &end, &err) || !job_show(&view, &err))
        return cmd_fail(&err);
    return !end.is_final ? EXIT_INTERRUPTED : end.has_failures ? EXIT_SOME_FAILED : EXIT_DONE;
}

static int send_and_wait(struct submit *submit)
{
    struct error err;
    char id[UUID_TEXT_BYTES];
    if (!send_files(submit, &err)) {
        fprintf(stderr,
                "millrace: the job is registered, not all of its files are sent: submit them again "
                "with --id %s\n",
                uuid_format(submit->job, id));
        int code = cmd_fail(&err);
        return submit->is_interrupted ? EXIT_INTERRUPTED : code;
    }
    tell_submitted(submit);
    return submit->is_wait ? wait_for_job(submit) : EXIT_DONE;
}

static int run_submit(struct submit *submit, const struct invocation *invocation)
{
    struct error err;
    bool is_good = app_open(&submit->app, &submit->config, NEEDS, &err) &&
                   ask_tenant(&submit->app, invocation->argv[0], &submit->tenant, &err) &&
                   open_topic(submit, &err) && register_job(submit, &err) &&
                   (submit->registration.was_new || go_on_with_job(submit, &err));
    return is_good ? send_and_wait(submit) : cmd_fail(&err);
}

static bool read_arguments(struct submit *submit, const struct invocation *invocation,
                           const char *id, struct error *err)
{
    struct uuid user;
    if (invocation->argc < 2)
        return error_set(err, ERR_USAGE, "submit needs a tenant and files");
    if (invocation->argc - 1 > FILES_MAX)
        return error_set(err, ERR_USAGE, "a job takes %d files at most", FILES_MAX);
    if (id && (!uuid_parse(text_from(id), &submit->job) || uuid_is_nil(submit->job)))
        return error_set(err, ERR_USAGE, "--id takes a UUID in lower case, not %.80s", id);
    if (!id)
        submit->job = uuid_v4();
    if (!ask_user_id(invocation->argv[0], &user, err))
        return false;
    submit->tenant = tenant_from_user_id(user);
    return true;
}

/* The folder of a `dev` is its bucket, and it is never written to. */
static bool choose_bucket(struct submit *submit, const struct invocation *invocation,
                          struct error *err)
{
    bool has_files = false;
    for (int i = 1; i < invocation->argc; i++)
        has_files |= !link_is_link(text_from(invocation->argv[i]));
    if (!has_files)
        return true;
    const struct config *config = &submit->config;
    struct text folder =
        text_slice(config->s3_endpoint, TEXT("file://").bytes, config->s3_endpoint.bytes);
    if (config->file_shared_prefix.bytes)
        return error_set(err, ERR_USAGE,
                         "`millrace dev` takes what lies in its folder: copy the files to "
                         "%.*s/%s",
                         TEXT_ARGS(folder),
                         uuid_equal(submit->tenant.id, DEV_TENANT) ? "" : submit->tenant.prefix);
    if (config->bucket_count == 0)
        return error_set(err, ERR_USAGE, "S3_BUCKET does not say which bucket to upload to");
    submit->bucket = config->buckets[0];
    if (config->bucket_count > 1)
        fprintf(stderr, "millrace: uploading to %.*s, the first of S3_BUCKET\n",
                TEXT_ARGS(submit->bucket));
    return true;
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
    for (size_t i = 0; i < submit->file_count; i++) {
        xfree(submit->files[i].path);
        xfree(submit->files[i].key);
        if (submit->files[i].link)
            secret_wipe(submit->files[i].link, strlen(submit->files[i].link));
        xfree(submit->files[i].link);
    }
    xfree(submit->files);
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
    submit->is_wait = cmd_flag(invocation, "--wait");
    submit->is_json = invocation->is_json;
    bool has_options = cmd_no_more_options(invocation);
    if (has_options && !read_arguments(submit, invocation, id, &err))
        code = cmd_fail(&err);
    else if (has_options && cmd_load_config(invocation, NEEDS, &submit->config)) {
        submit->term =
            term_on(stderr, environment_get(&invocation->environment, "NO_COLOR") != NULL);
        code = choose_bucket(submit, invocation, &err) && look_at_files(submit, invocation, &err)
                   ? run_submit(submit, invocation)
                   : cmd_fail(&err);
    }
    release(submit);
    return code;
}

const struct command submit_command = {
    .name = "submit",
    .usage = "TENANT FILE... [--id UUID] [--wait]",
    .summary = "upload files of a tenant as one job",
    .options = {{"TENANT", "the user's id"},
                {"FILE",
                 "of this machine, or an https link (presigned or not) that the worker fetches"},
                {"--id UUID",
                 "the job's id: the same again is the same job, and goes on where it stopped"},
                {"--wait",
                 "until the job is final, with a bar; exit code 1 when documents failed"}},
    .may_use_dev = true,
    .run = run_command,
};
