/*
 * millrace check: everything that can be wrong before the first document, one line each.
 *
 * Each group of services is opened, asked and closed by itself, so that one that is down hides
 * nothing of the others.
 */
#include <stdio.h>

#include "embed/embed.h"
#include "queue/object.h"
#include "queue/topic.h"
#include "store/schema.h"
#include "store/vectors.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/cmd.h"
#include "worker/cmd_ask.h"
#include "worker/term.h"

#define NEEDS (NEED_KAFKA | NEED_OBJECTS | NEED_EMBED | NEED_VECTORS | NEED_DATABASE)
#define TIMEOUT_MS 10000
#define CLOCK_MS_MAX 5000 /* leases are a minute, signatures of S3 hold for 15 */
#define MESSAGE_BYTES 512

enum result { RESULT_OK, RESULT_WARNING, RESULT_FAIL };

struct check {
    const struct environment *environment;
    struct config config;
    struct term term; /* stdout */
    bool is_json, is_free, has_failed;
};

/* ---- one line -------------------------------------------------------------------------------- */

static void write_line(const struct check *check, enum result result, const char *thing,
                       const char *message, const char *remedy)
{
    static const char *const words[] = {"ok", "warning", "FAIL"};
    static const enum term_style styles[] = {TERM_GOOD, TERM_WARN, TERM_BAD};
    AUTO_BUFFER struct buffer line = buffer_new(64 * 1024), word = buffer_new(64);
    if (check->is_json) {
        struct json_writer writer = json_writer_new(&line);
        json_open_object(&writer, NULL);
        json_write_text(&writer, "result", text_from(words[result]));
        json_write_text(&writer, "thing", text_from(thing));
        json_write_text(&writer, "message", text_from(message));
        json_write_text(&writer, "remedy", text_from(remedy));
        json_close_object(&writer);
    } else {
        buffer_format(&word, "%-7s", words[result]);
        term_append(&line, &check->term, styles[result], buffer_text(&word));
        buffer_format(&line, "  %-13s  ", thing);
        term_append_foreign(&line, text_from(message), MESSAGE_BYTES);
        if (remedy[0])
            buffer_format(&line, ". %s", remedy);
    }
    fprintf(stdout, "%s\n", buffer_string(&line));
    fflush(stdout); /* the next one may take its time */
}

static void say_ok(const struct check *check, const char *thing, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void say_ok(const struct check *check, const char *thing, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)text_format_v(message, sizeof(message), format, args);
    va_end(args);
    write_line(check, RESULT_OK, thing, message, "");
}

static void say_fail(struct check *check, const char *thing, const char *message,
                     const char *remedy)
{
    check->has_failed = true;
    write_line(check, RESULT_FAIL, thing, message, remedy);
}

/* What a person can do when a service is not there is a setting; else the code knows. */
static void say_error(struct check *check, const char *thing, const struct error *err,
                      const char *remedy_when_away)
{
    bool is_away = err->code == ERR_TIMEOUT || err->code == ERR_UNREACHABLE ||
                   err->code == ERR_UNAVAILABLE || err->code == ERR_PROTOCOL;
    say_fail(check, thing, err->message, is_away ? remedy_when_away : error_remedy(err->code));
}

/* ---- configuration --------------------------------------------------------------------------- */

static void check_config(struct check *check)
{
    AUTO_BUFFER struct buffer problems = buffer_new(64 * 1024);
    bool is_good = config_load(check->environment, NEEDS, &check->config, &problems);
    struct text rest = buffer_text(&problems);
    while (rest.bytes) {
        char message[MESSAGE_BYTES];
        struct text line = text_cut(rest, '\n', &rest);
        (void)text_format(message, sizeof(message), "%.*s", TEXT_ARGS(line));
        if (text_starts_with(line, TEXT("warning:")))
            write_line(check, RESULT_WARNING, "configuration", message, "");
        else
            say_fail(check, "configuration", message,
                     "Correct it in the environment or the --env-file.");
    }
    if (is_good)
        say_ok(check, "configuration", "complete");
}

/* Opens what a group needs, unless its part of the configuration is not complete. */
static bool open_group(struct check *check, struct app *app, unsigned needs, const char *thing)
{
    AUTO_BUFFER struct buffer problems = buffer_new(64 * 1024);
    struct config group;
    struct error err;
    bool is_complete =
        config_load(check->environment, needs & ~APP_NEEDS_EXTRACT, &group, &problems);
    config_release(&group);
    if (!is_complete)
        say_fail(check, thing, "not tried: its configuration is not complete",
                 "Correct what is named above.");
    else if (app_open(app, &check->config, needs, &err))
        return true;
    else
        say_error(check, thing, &err, error_remedy(err.code));
    return false;
}

/* ---- sandbox --------------------------------------------------------------------------------- */

static void check_sandbox(struct check *check)
{
    struct app app = {0};
    if (open_group(check, &app, APP_NEEDS_EXTRACT, "sandbox"))
        say_ok(check, "sandbox", "a child reads a PDF, Chinese too, and cannot open a socket");
    app_close(&app);
}

/* ---- database -------------------------------------------------------------------------------- */

struct schema_call {
    struct schema_request request;
    struct wait wait;
};

static void on_schema(struct schema_request *request, const struct error *err)
{
    wait_done(&container_of(request, struct schema_call, request)->wait, err);
}

static void tell_clock(struct check *check, int64_t ahead_ms)
{
    char message[MESSAGE_BYTES];
    uint64_t off_ms = (uint64_t)(ahead_ms < 0 ? -ahead_ms : ahead_ms);
    (void)text_format(message, sizeof(message), "ours and PostgreSQL's are %.1f s apart",
                      (double)off_ms / 1000);
    if (off_ms <= CLOCK_MS_MAX)
        say_ok(check, "clock", "%s", message);
    else
        say_fail(check, "clock", message, "Let both machines follow a time server (NTP).");
}

static void tell_rights(struct check *check, const struct schema_request *request)
{
    if (request->is_superuser || request->is_owner)
        write_line(check, RESULT_WARNING, "database role",
                   request->is_superuser ? "it is a superuser" : "it owns the tables",
                   "Let migrate make one for the workers with DB_WORKER_ROLE.");
    else if (request->may_write)
        say_ok(check, "database role", "it may write, and is no superuser");
    else
        say_fail(check, "database role",
                 "it may not write to documents, job_items, processing_jobs",
                 "Grant select, insert, update and delete on Millrace's tables to it.");
    if (request->may_make_schemas)
        say_ok(check, "tenant schema", "the function that makes it may be called");
    else
        say_fail(check, "tenant schema", "millrace_tenant_schema(uuid) may not be called",
                 "Grant execute on Millrace's functions to the worker's role.");
}

static void tell_schema(struct check *check, const struct schema_request *request,
                        const struct error *err)
{
    say_ok(check, "database", "it answers%s", request->has_pgvector ? ", with pgvector" : "");
    tell_clock(check, request->clock_ahead_ms);
    if (err) {
        say_fail(check, "schema", err->message, error_remedy(err->code));
        return;
    }
    say_ok(check, "schema", "version %u", request->version_after);
    tell_rights(check, request);
}

static void check_database(struct check *check)
{
    struct app app = {0};
    struct error err;
    if (!open_group(check, &app, NEED_DATABASE, "database"))
        return;
    struct schema_call call = {
        .request = {.options = app_schema_options(&app), .on_done = on_schema},
        .wait = wait_on(app.loop),
    };
    schema_check(app.pg, app.loop, &call.request);
    bool is_good = wait_for(&call.wait, TIMEOUT_MS, &err);
    if (is_good || err.code == ERR_SCHEMA || err.code == ERR_CONFIG)
        tell_schema(check, &call.request, is_good ? NULL : &err);
    else
        say_error(check, "database", &err, "Start PostgreSQL, or correct DATABASE_URL.");
    app_close(&app);
}

/* ---- vectors --------------------------------------------------------------------------------- */

struct vectors_call {
    struct vectors_probe probe;
    struct wait wait;
};

static void on_vectors(struct vectors_probe *probe, const struct error *err)
{
    wait_done(&container_of(probe, struct vectors_call, probe)->wait, err);
}

static void check_vectors(struct check *check)
{
    struct app app = {0};
    struct error err;
    if (!open_group(check, &app, NEED_VECTORS, "vectors"))
        return;
    bool is_in_postgres = app_has_vectors_in_postgres(&app);
    struct vectors_call call = {.probe = {.on_done = on_vectors}, .wait = wait_on(app.loop)};
    vectors_check(app.vectors, &call.probe);
    if (wait_for(&call.wait, TIMEOUT_MS, &err))
        say_ok(check, "vectors", "%s, %u dimensions, cosine",
               is_in_postgres ? "in PostgreSQL" : "Pinecone's index",
               check->config.embedding_dimensions);
    else
        say_error(check, "vectors", &err,
                  is_in_postgres ? "Start PostgreSQL, or correct DATABASE_URL."
                                 : "Correct PINECONE_INDEX_HOST, or look at Pinecone's status.");
    app_close(&app);
}

/* ---- embeddings ------------------------------------------------------------------------------ */

struct embed_call {
    struct tenant tenant;
    struct chunk chunk, *chunks[1];
    struct embed_request request;
    struct wait wait;
};

static void on_embedded(struct embed_request *request, const struct error *err)
{
    wait_done(&container_of(request, struct embed_call, request)->wait, err);
}

static bool embed_one_token(struct app *app, struct embed_call *call, float *vector,
                            struct error *err)
{
    call->tenant = tenant_from_user_id(uuid_v4()); /* nobody: it is only whose turn it is */
    call->chunk = (struct chunk){.content = TEXT("a"), .token_count = 1};
    call->chunks[0] = &call->chunk;
    call->wait = wait_on(app->loop);
    call->request = (struct embed_request){
        .tenant = &call->tenant,
        .purpose = EMBED_QUERY,
        .chunks = call->chunks,
        .chunk_count = 1,
        .vectors = vector,
        .deadline_ms = loop_now_ms(app->loop) + TIMEOUT_MS,
        .on_done = on_embedded,
    };
    embed_submit(app->embed, &call->request);
    return wait_for(&call->wait, TIMEOUT_MS + 1000, err);
}

static void check_embeddings(struct check *check)
{
    struct app app = {0};
    struct error err;
    struct embed_call call;
    bool is_local = check->config.embedder == CONFIG_LOCAL;
    if (check->is_free && !is_local) {
        say_ok(check, "embeddings", "not tried (--no-cost)");
        return;
    }
    if (!open_group(check, &app, NEED_EMBED, "embeddings"))
        return;
    float *vector = xcalloc(check->config.embedding_dimensions, sizeof(float));
    if (embed_one_token(&app, &call, vector, &err))
        say_ok(check, "embeddings", "%s answers with %u dimensions",
               is_local ? "the local embedder" : check->config.embedding_model.start,
               check->config.embedding_dimensions);
    else
        say_error(check, "embeddings", &err,
                  "Correct OPENAI_BASE_URL, or look at the provider's status.");
    app_close(&app); /* before what the request borrows goes */
    xfree(vector);
}

/* ---- buckets --------------------------------------------------------------------------------- */

struct object_call {
    struct tenant tenant;
    char key[TENANT_KEY_BYTES_MAX];
    struct object_request request;
    struct wait wait;
};

static void on_object(struct object_request *request, const struct error *err)
{
    wait_done(&container_of(request, struct object_call, request)->wait, err);
}

static void say_denied(struct check *check, const char *thing, const char *source,
                       const struct error *err)
{
    char why[sizeof(err->message) + 64];
    (void)text_format(why, sizeof(why), "%s (key of %s)", err->message, source ? source : "nobody");
    say_fail(check, thing, why,
             "Give the worker s3:GetObject and s3:ListBucket: without the latter S3 says 403 for "
             "objects that are gone.");
}

/* A key that cannot exist must be answered by "there is none": with any other answer, documents
 * that were removed would never go. */
static void check_bucket(struct check *check, struct app *app, struct text bucket)
{
    struct object_call call = {.tenant = tenant_from_user_id(uuid_v4()),
                               .wait = wait_on(app->loop)};
    struct error err;
    char thing[96];
    (void)text_format(thing, sizeof(thing), "bucket %.*s", TEXT_ARGS(bucket));
    (void)text_format(call.key, sizeof(call.key), "%smillrace-check", call.tenant.prefix);
    call.request = (struct object_request){
        .verb = OBJECT_HEAD,
        .tenant = &call.tenant,
        .bucket = bucket,
        .key = text_from(call.key),
        .on_done = on_object,
    };
    objects_send(app->objects, &call.request);
    bool has_object = wait_for(&call.wait, TIMEOUT_MS, &err);
    const char *source = objects_key_source(app->objects);
    if (has_object)
        say_fail(check, thing, "it has an object under a name made of random numbers",
                 "Look at what answers for S3_ENDPOINT.");
    else if (err.code == ERR_GONE)
        say_ok(check, thing, "may be read%s%s; a missing object is told as such",
               source ? ", key of " : "", source ? source : "");
    else if (err.code == ERR_DENIED)
        say_denied(check, thing, source, &err);
    else
        say_error(check, thing, &err, "Make the bucket, or correct S3_BUCKET and S3_ENDPOINT.");
    if (!call.wait.is_done)
        objects_cancel(app->objects, &call.request);
    while (!call.wait.is_done) /* the request is ours again with its answer */
        loop_run_once(app->loop, 1000);
}

static void check_buckets(struct check *check)
{
    struct app app = {0};
    if (!open_group(check, &app, NEED_OBJECTS, "bucket"))
        return;
    for (size_t i = 0; i < check->config.bucket_count; i++)
        check_bucket(check, &app, check->config.buckets[i]);
    app_close(&app);
}

/* ---- Kafka ----------------------------------------------------------------------------------- */

struct topic_call {
    struct topic_probe probe;
    struct wait wait;
};

static void on_described(struct topic_probe *probe, const struct error *err)
{
    wait_done(&container_of(probe, struct topic_call, probe)->wait, err);
}

static bool check_topic(struct check *check, struct app *app, struct topic *topic, struct text name)
{
    struct topic_call call = {.probe = {.topic = name, .on_done = on_described},
                              .wait = wait_on(app->loop)};
    struct error err;
    char thing[96];
    (void)text_format(thing, sizeof(thing), "topic %.*s", TEXT_ARGS(name));
    topic_describe(topic, &call.probe, TIMEOUT_MS);
    bool is_there = wait_for(&call.wait, 0, &err); /* has its own deadline */
    if (!is_there)
        say_error(check, "kafka", &err, "Start the broker, or correct KAFKA_BROKERS.");
    else if (call.probe.partitions == 0)
        say_fail(check, thing, "there is no such topic, or we may not see it",
                 "Make it, give the worker the right to describe and read it, or correct "
                 "KAFKA_TOPIC.");
    else
        say_ok(check, thing, "%u partitions at %s", call.probe.partitions,
               check->config.kafka_brokers.start);
    return is_there;
}

static void count_down(void *arg)
{
    --*(unsigned *)arg;
}

static void check_kafka(struct check *check)
{
    struct queue_property properties[CONFIG_LIST_MAX];
    struct app app = {0};
    struct error err;
    unsigned open_count = 1;
    if (!open_group(check, &app, NEED_KAFKA, "kafka"))
        return;
    struct queue_options options = app_queue_options(&check->config, properties);
    struct topic *topic = topic_open(app.loop, &options, &err);
    if (topic) {
        struct text dead_letters = check->config.kafka_dead_letter_topic;
        if (check_topic(check, &app, topic, check->config.kafka_topic) && dead_letters.bytes)
            (void)check_topic(check, &app, topic, dead_letters);
        topic_close(topic, count_down, &open_count);
        while (open_count)
            loop_run_once(app.loop, 1000);
    } else {
        say_error(check, "kafka", &err, error_remedy(err.code));
    }
    app_close(&app);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run_command(struct invocation *invocation)
{
    static void (*const checks[])(struct check *) = {
        check_config,     check_sandbox, check_database, check_vectors,
        check_embeddings, check_buckets, check_kafka,
    };
    struct check check = {.environment = &invocation->environment,
                          .is_json = invocation->is_json,
                          .is_free = cmd_flag(invocation, "--no-cost")};
    if (!cmd_no_more_options(invocation))
        return EXIT_WRONG_USAGE;
    if (invocation->argc > 0) {
        fputs("millrace: check takes no arguments\n", stderr);
        return EXIT_WRONG_USAGE;
    }
    if (!cmd_find_services(invocation))
        return EXIT_WRONG_USAGE;
    check.term = term_on(stdout, environment_get(check.environment, "NO_COLOR") != NULL);
    for (size_t i = 0; i < COUNT_OF(checks); i++)
        checks[i](&check);
    config_release(&check.config);
    return check.has_failed ? EXIT_SOME_FAILED : EXIT_DONE;
}

const struct command check_command = {
    .name = "check",
    .usage = "[--no-cost]",
    .summary = "look at the configuration and everything it names, one line each",
    .options = {{"--no-cost", "leave out the embedding of one token"}},
    .may_use_dev = true,
    .run = run_command,
};
