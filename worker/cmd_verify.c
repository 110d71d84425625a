/*
 * millrace verify: what bucket, tables and vector store disagree on, one line each.
 */
#include <stdio.h>

#include "worker/base/json.h"
#include "worker/cmd.h"
#include "worker/cmd_ask.h"
#include "worker/term.h"
#include "worker/verify.h"

#define NEEDS (NEED_DATABASE | NEED_OBJECTS | NEED_VECTORS)
#define LINE_BYTES_MAX ((size_t)64 * 1024)
#define SUBJECT_COLUMNS_MAX 200

struct verify_command {
    struct verify verify;
    struct app app;
    struct config config;
    const char *tenant; /* --tenant; or NULL */
    struct term term;   /* stdout */
    bool is_json;
};

/* ---- lines ----------------------------------------------------------------------------------- */

static void append_json(struct buffer *line, const struct fault *fault)
{
    char user[UUID_TEXT_BYTES];
    struct json_writer writer = json_writer_new(line);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "kind", fault->kind);
    json_write_text(&writer, "place", text_from(fault->place));
    if (fault->has_tenant)
        json_write_text(&writer, "tenant", text_from(uuid_format(fault->tenant, user)));
    else
        json_write_null(&writer, "tenant");
    json_write_text(&writer, "subject", fault->subject);
    json_write_text(&writer, "message", fault->message);
    json_close_object(&writer);
}

static void append_line(struct buffer *line, const struct term *term, const struct fault *fault)
{
    char user[UUID_TEXT_BYTES];
    AUTO_BUFFER struct buffer kind = buffer_new(LINE_BYTES_MAX);
    buffer_format(&kind, "%-12.*s", TEXT_ARGS(fault->kind));
    term_append(line, term, TERM_BAD, buffer_text(&kind));
    buffer_format(line, "  %-8s  ", fault->place);
    if (fault->has_tenant)
        buffer_format(line, "tenant %s  ", uuid_format(fault->tenant, user));
    term_append_foreign(line, fault->subject, SUBJECT_COLUMNS_MAX);
    buffer_append_text(line, TEXT(": "));
    term_append_foreign(line, fault->message, SUBJECT_COLUMNS_MAX);
}

static void on_fault(struct verify *verify, const struct fault *fault)
{
    const struct verify_command *command = container_of(verify, struct verify_command, verify);
    AUTO_BUFFER struct buffer line = buffer_new(LINE_BYTES_MAX);
    if (command->is_json)
        append_json(&line, fault);
    else
        append_line(&line, &command->term, fault);
    buffer_append_char(&line, '\n');
    term_write(stdout, buffer_text(&line));
}

static void sum_up(const struct verify_command *command)
{
    const struct verify *verify = &command->verify;
    AUTO_BUFFER struct buffer line = buffer_new(LINE_BYTES_MAX);
    struct json_writer writer = json_writer_new(&line);
    if (!command->is_json) {
        fprintf(stderr,
                "millrace: %llu faults; %llu tenants, %llu objects (%llu of them in work), %llu "
                "vectors in the store\n",
                (unsigned long long)verify->fault_count, (unsigned long long)verify->tenant_count,
                (unsigned long long)verify->object_count, (unsigned long long)verify->open_count,
                (unsigned long long)verify->vector_count);
        return;
    }
    json_open_object(&writer, NULL);
    json_write_u64(&writer, "faults", verify->fault_count);
    json_write_u64(&writer, "tenants", verify->tenant_count);
    json_write_u64(&writer, "objects", verify->object_count);
    json_write_u64(&writer, "objects_in_work", verify->open_count);
    json_write_u64(&writer, "vectors", verify->vector_count);
    json_close_object(&writer);
    buffer_append_char(&line, '\n');
    term_write(stdout, buffer_text(&line));
}

/* ---- whose ----------------------------------------------------------------------------------- */

struct users {
    struct uuid ids[INSPECT_ROWS_MAX];
    size_t count;
};

static void on_users(void *arg, const struct pg_result *rows)
{
    struct users *users = arg;
    users->count = 0;
    for (size_t i = 0; i < pg_row_count(rows); i++)
        if (pg_value_uuid(rows, i, 0, &users->ids[users->count]))
            users->count++;
}

static bool verify_all(struct verify *verify, struct error *err)
{
    struct users users;
    char after[UUID_TEXT_BYTES] = "";
    do {
        struct inspect inspect = {.kind = INSPECT_TENANTS, .after = text_from(after)};
        if (!verify_ask(verify, &inspect, on_users, &users, err))
            return false;
        for (size_t i = 0; i < users.count; i++) {
            struct tenant tenant = tenant_from_user_id(users.ids[i]);
            if (!verify_tenant(verify, &tenant, err))
                return error_wrap(err, "tenant %s", uuid_format(users.ids[i], after));
        }
        if (users.count)
            uuid_format(users.ids[users.count - 1], after);
    } while (users.count == INSPECT_ROWS_MAX);
    return verify_strays(verify, err);
}

static int run_verify(struct verify_command *command)
{
    struct tenant tenant;
    struct error err;
    command->term =
        term_on(stdout, environment_get(command->config.environment, "NO_COLOR") != NULL);
    command->verify.app = &command->app;
    command->verify.on_fault = on_fault;
    if (!app_check_schema(&command->app, &err))
        return cmd_fail(&err);
    if (command->tenant && !ask_tenant(&command->app, command->tenant, &tenant, &err))
        return cmd_fail(&err);
    bool is_done = command->tenant ? verify_tenant(&command->verify, &tenant, &err)
                                   : verify_all(&command->verify, &err);
    if (!is_done)
        return cmd_fail(&err);
    sum_up(command);
    return command->verify.fault_count ? EXIT_SOME_FAILED : EXIT_DONE;
}

static int run_command(struct invocation *invocation)
{
    struct verify_command command = {.is_json = invocation->is_json};
    struct error err;
    int code = EXIT_WRONG_USAGE;
    command.tenant = cmd_option(invocation, "--tenant");
    const char *young = cmd_option(invocation, "--young");
    if (!cmd_no_more_options(invocation))
        return EXIT_WRONG_USAGE;
    command.verify.young_ms = VERIFY_YOUNG_MS;
    if (young && !text_parse_ms(text_from(young), &command.verify.young_ms))
        fputs("millrace: --young wants a duration with its unit, such as 60s\n", stderr);
    else if (invocation->argc > 0)
        fputs("millrace: verify takes no arguments but --tenant and --young\n", stderr);
    else if (cmd_load_config(invocation, NEEDS, &command.config))
        code = app_open(&command.app, &command.config, NEEDS, &err) ? run_verify(&command)
                                                                    : cmd_fail(&err);
    app_close(&command.app);
    config_release(&command.config);
    return code;
}

const struct command verify_command = {
    .name = "verify",
    .usage = "[--tenant ID] [--young TIME]",
    .summary = "compare bucket, tables and vectors; nothing is changed",
    .options = {{"--tenant ID",
                 "this user's only (or demo's); else everybody's, and what belongs to nobody"},
                {"--young TIME",
                 "objects changed later are not judged: their events may be under way [60s]"}},
    .note = "Kinds: counter (not what its rows say), hole (missing), orphan (of nothing), stale "
            "(of an older version), wrong_tenant. Exit code 1 when there are any. An upload whose "
            "event has not come is a hole.",
    .may_use_dev = true,
    .run = run_command,
};
