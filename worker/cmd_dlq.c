/*
 * millrace dlq ls: the messages and events that can never become a document, and why.
 */
#include <stdio.h>
#include <string.h>

#include "worker/cmd.h"
#include "worker/cmd_ask.h"
#include "worker/rows.h"

#define LETTERS_MAX 10000
#define LETTERS_SHOWN_MAX 50 /* for people */
#define OUT_BYTES_MAX ((size_t)64 << 20)

enum letter_column {
    LETTER_TOPIC,
    LETTER_PARTITION,
    LETTER_OFFSET,
    LETTER_EVENT,
    LETTER_CODE,
    LETTER_MESSAGE,
    LETTER_KEY,
    LETTER_USER,
    LETTER_BURIED
};
static const struct row_field FIELDS[] = {
    [LETTER_TOPIC] = {"topic", ROW_TEXT},      [LETTER_PARTITION] = {"partition", ROW_NUMBER},
    [LETTER_OFFSET] = {"offset", ROW_NUMBER},  [LETTER_EVENT] = {"event_no", ROW_NUMBER},
    [LETTER_CODE] = {"code", ROW_TEXT},        [LETTER_MESSAGE] = {"message", ROW_TEXT},
    [LETTER_KEY] = {"key", ROW_TEXT},          [LETTER_USER] = {"user", ROW_TEXT},
    [LETTER_BURIED] = {"buried_at", ROW_TEXT},
};
static const struct row_format FORMAT = {"dead_letter", FIELDS, COUNT_OF(FIELDS)};

struct letters {
    struct app app;
    struct config config;
    const char *user; /* --user; or NULL */
    struct term term; /* stdout */
    bool is_json;
};

static void append_letter(struct buffer *out, const struct letters *letters,
                          const struct pg_result *rows, size_t row)
{
    struct text time = pg_value(rows, row, LETTER_BURIED);
    struct text user = pg_value(rows, row, LETTER_USER);
    term_append(out, &letters->term, TERM_BAD, pg_value(rows, row, LETTER_CODE));
    buffer_append_text(out, TEXT("  "));
    term_append_foreign(out, pg_value(rows, row, LETTER_TOPIC), 80);
    buffer_format(
        out, "[%.*s]@%.*s event %.*s  %.*s %.*s", TEXT_ARGS(pg_value(rows, row, LETTER_PARTITION)),
        TEXT_ARGS(pg_value(rows, row, LETTER_OFFSET)), TEXT_ARGS(pg_value(rows, row, LETTER_EVENT)),
        TEXT_ARGS(text_slice(time, 0, 10)), TEXT_ARGS(text_slice(time, 11, 16)));
    if (user.bytes)
        buffer_format(out, "  tenant %.*s", TEXT_ARGS(row_tenant_name(user)));
    buffer_append_text(out, TEXT("\n    "));
    term_append_foreign(out, pg_value(rows, row, LETTER_MESSAGE), 1000);
    enum error_code code;
    if (error_code_from_name(pg_value(rows, row, LETTER_CODE), &code))
        buffer_format(out, "\n    %s", error_remedy(code));
    buffer_append_char(out, '\n');
}

static void on_letters(void *arg, const struct pg_result *rows)
{
    const struct letters *letters = arg;
    AUTO_BUFFER struct buffer out = buffer_new(OUT_BYTES_MAX);
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        if (letters->is_json) {
            row_append_json(&out, &FORMAT, rows, row);
            buffer_append_char(&out, '\n');
        } else {
            append_letter(&out, letters, rows, row);
        }
    }
    term_write(stdout, buffer_text(&out));
    if (pg_row_count(rows) == 0)
        fputs("millrace: there are no dead letters\n", stderr);
    else if (!letters->is_json && pg_row_count(rows) == LETTERS_SHOWN_MAX)
        fprintf(stderr, "millrace: these are the newest %d; --json shows up to %d\n",
                LETTERS_SHOWN_MAX, LETTERS_MAX);
}

static int run_list(struct letters *letters)
{
    struct tenant tenant;
    struct error err;
    if (letters->user && !ask_tenant(&letters->app, letters->user, &tenant, &err))
        return cmd_fail(&err);
    letters->term =
        term_on(stdout, environment_get(letters->config.environment, "NO_COLOR") != NULL);
    struct report report = {
        .kind = REPORT_DEAD_LETTERS,
        .has_id = letters->user != NULL,
        .id = letters->user ? tenant.id : UUID_NIL,
        .row_max = letters->is_json ? LETTERS_MAX : LETTERS_SHOWN_MAX,
    };
    if (!ask_report(&letters->app, report, (struct ask){on_letters, letters}, &err))
        return cmd_fail(&err);
    return EXIT_DONE;
}

static int run_command(struct invocation *invocation)
{
    struct letters letters = {.is_json = invocation->is_json};
    struct error err;
    struct uuid user;
    int code = EXIT_WRONG_USAGE;
    letters.user = cmd_option(invocation, "--user");
    if (!cmd_no_more_options(invocation))
        return EXIT_WRONG_USAGE;
    if (invocation->argc != 1 || strcmp(invocation->argv[0], "ls") != 0)
        fputs("millrace: dlq knows one verb: millrace dlq ls\n", stderr);
    else if (letters.user && !ask_user_id(letters.user, &user, &err))
        code = cmd_fail(&err);
    else if (cmd_load_config(invocation, NEED_DATABASE, &letters.config))
        code = app_open(&letters.app, &letters.config, NEED_DATABASE, &err) ? run_list(&letters)
                                                                            : cmd_fail(&err);
    app_close(&letters.app);
    config_release(&letters.config);
    return code;
}

const struct command dlq_command = {
    .name = "dlq",
    .usage = "ls [--user ID]",
    .summary = "dead letters: events that can never become a document",
    .options = {{"--user ID", "those that name this user only"}},
    .may_use_dev = true,
    .run = run_command,
};
