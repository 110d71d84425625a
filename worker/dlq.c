#include "worker/dlq.h"

#include "worker/rows.h"

#define LETTERS_SHOWN_MAX 50 /* for people */
#define LETTERS_JSON_MAX 10000
#define OUT_BYTES_MAX ((size_t)64 << 20)

static const struct row_field FIELDS[] = {
    [LETTER_PLACE] = {"id", ROW_TEXT},
    [LETTER_TOPIC] = {"topic", ROW_TEXT},
    [LETTER_PARTITION] = {"partition", ROW_NUMBER},
    [LETTER_OFFSET] = {"offset", ROW_NUMBER},
    [LETTER_EVENT] = {"event_no", ROW_NUMBER},
    [LETTER_CODE] = {"code", ROW_TEXT},
    [LETTER_MESSAGE] = {"message", ROW_TEXT},
    [LETTER_KEY] = {"key", ROW_TEXT},
    [LETTER_USER] = {"user", ROW_TEXT},
    [LETTER_BURIED] = {"buried_at", ROW_TEXT},
    [LETTER_RESOLUTION] = {"resolution", ROW_TEXT},
    [LETTER_RESOLVED] = {"resolved_at", ROW_TEXT},
    [LETTER_RESOLVED_BY] = {"resolved_by", ROW_TEXT},
    [LETTER_KEY_HEX] = {"key_hex", ROW_TEXT},
    [LETTER_VALUE_HEX] = {"value_hex", ROW_TEXT},
    [LETTER_HEADERS] = {"headers", ROW_NUMBER}, /* JSON, as it is */
    [LETTER_EVENT_TIME] = {"event_at", ROW_TEXT},
};

/* ---- asking ---------------------------------------------------------------------------------- */

struct call {
    struct letters letters;
    struct ask ask;
    struct wait wait;
};

static void on_letters(struct letters *letters, const struct pg_result *rows,
                       const struct error *err)
{
    struct call *call = container_of(letters, struct call, letters);
    if (!err)
        call->ask.on_rows(call->ask.arg, rows);
    wait_done(&call->wait, err);
}

bool dlq_ask(struct dlq *dlq, struct letters *letters, struct ask ask, struct error *err)
{
    struct call call = {.letters = *letters, .ask = ask, .wait = wait_on(dlq->app.loop)};
    call.letters.who = text_from(dlq->who);
    call.letters.detail = text_from(dlq->detail);
    call.letters.on_done = on_letters;
    letters_run(dlq->app.pg, dlq->app.loop, &call.letters);
    return wait_for(&call.wait, 0, err); /* the connection has its own limits */
}

struct standing {
    size_t count;
    bool is_settled;
    char how[256];
};

static void on_standing(void *arg, const struct pg_result *rows)
{
    struct standing *standing = arg;
    standing->count = pg_row_count(rows);
    standing->is_settled = standing->count > 0;
    for (size_t row = 0; row < standing->count; row++) {
        struct text resolution = pg_value(rows, row, LETTER_RESOLUTION);
        standing->is_settled &= resolution.bytes > 0;
        struct text time = pg_value(rows, row, LETTER_RESOLVED);
        (void)text_format(standing->how, sizeof(standing->how),
                          "%.*s by %.100s on %.*s at %.*s UTC", TEXT_ARGS(resolution),
                          pg_value(rows, row, LETTER_RESOLVED_BY).start
                              ? pg_value(rows, row, LETTER_RESOLVED_BY).start
                              : "somebody",
                          TEXT_ARGS(text_slice(time, 0, 10)), TEXT_ARGS(text_slice(time, 11, 16)));
    }
}

bool dlq_check_place(struct dlq *dlq, struct error *err)
{
    struct standing standing = {0};
    struct letters letters = {.kind = LETTERS_LIST, .filter = dlq->filter, .row_max = 1000};
    letters.filter.with_settled = true;
    if (!dlq_ask(dlq, &letters, (struct ask){on_standing, &standing}, err))
        return false;
    if (standing.count == 0)
        return error_set(err, ERR_NOT_FOUND, "there is no dead letter %s", dlq->place);
    if (standing.is_settled)
        return error_set(err, ERR_ENDED, "the dead letter %s was %s", dlq->place, standing.how);
    return true;
}

/* ---- one of them ----------------------------------------------------------------------------- */

static void append_when(struct buffer *out, struct text time)
{
    buffer_format(out, "%.*s %.*s UTC", TEXT_ARGS(text_slice(time, 0, 10)),
                  TEXT_ARGS(text_slice(time, 11, 16)));
}

void dlq_append_letter(struct buffer *out, const struct dlq *dlq, const struct pg_result *rows,
                       size_t row)
{
    struct text user = pg_value(rows, row, LETTER_USER);
    struct text resolution = pg_value(rows, row, LETTER_RESOLUTION);
    term_append_foreign(out, pg_value(rows, row, LETTER_PLACE), 280);
    buffer_append_text(out, TEXT("  "));
    term_append(out, &dlq->term, TERM_BAD, pg_value(rows, row, LETTER_CODE));
    buffer_append_text(out, TEXT("  "));
    append_when(out, pg_value(rows, row, LETTER_BURIED));
    if (user.bytes)
        buffer_format(out, "  tenant %.*s", TEXT_ARGS(row_tenant_name(user)));
    buffer_append_text(out, TEXT("\n    "));
    term_append_foreign(out, pg_value(rows, row, LETTER_MESSAGE), 1000);
    enum error_code code;
    if (error_code_from_name(pg_value(rows, row, LETTER_CODE), &code))
        buffer_format(out, "\n    %s", error_remedy(code));
    if (resolution.bytes) {
        buffer_format(out, "\n    %.*s ", TEXT_ARGS(resolution));
        append_when(out, pg_value(rows, row, LETTER_RESOLVED));
        buffer_append_text(out, TEXT(" by "));
        term_append_foreign(out, pg_value(rows, row, LETTER_RESOLVED_BY), 100);
    }
    buffer_append_char(out, '\n');
}

void dlq_append_json(struct buffer *out, const struct pg_result *rows, size_t row, bool is_whole)
{
    struct row_format format = {"dead_letter", FIELDS,
                                is_whole ? COUNT_OF(FIELDS) : LETTER_COLUMN_COUNT};
    row_append_json(out, &format, rows, row);
    buffer_append_char(out, '\n');
}

/* ---- ls -------------------------------------------------------------------------------------- */

static void on_list(void *arg, const struct pg_result *rows)
{
    struct dlq *dlq = arg;
    AUTO_BUFFER struct buffer out = buffer_new(OUT_BYTES_MAX);
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        if (dlq->is_json)
            dlq_append_json(&out, rows, row, false);
        else
            dlq_append_letter(&out, dlq, rows, row);
    }
    term_write(stdout, buffer_text(&out));
    if (pg_row_count(rows) == 0)
        fprintf(stderr, "millrace: there are no dead letters%s\n",
                dlq->detail[0] ? " of that kind" : "");
    else if (!dlq->is_json && pg_row_count(rows) == dlq->letters_max)
        fprintf(stderr, "millrace: these are the newest %llu; --max shows more\n",
                (unsigned long long)dlq->letters_max);
}

bool dlq_list(struct dlq *dlq, struct error *err)
{
    if (!dlq->letters_max)
        dlq->letters_max = dlq->is_json ? LETTERS_JSON_MAX : LETTERS_SHOWN_MAX;
    struct letters letters = {
        .kind = LETTERS_LIST, .filter = dlq->filter, .row_max = dlq->letters_max};
    return dlq_ask(dlq, &letters, (struct ask){on_list, dlq}, err);
}

/* ---- discard --------------------------------------------------------------------------------- */

static void on_count(void *arg, const struct pg_result *rows)
{
    uint64_t *count = arg;
    *count = row_number(rows, 0, 0);
}

static void print_discarded(const struct dlq *dlq, uint64_t count, uint64_t left)
{
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    if (dlq->is_json)
        buffer_format(
            &out, "{\"kind\":\"action\",\"action\":\"discard\",\"letters\":%llu,\"left\":%llu}\n",
            (unsigned long long)count, (unsigned long long)left);
    else
        buffer_format(&out, "discarded %llu dead letter%s\n", (unsigned long long)count,
                      count == 1 ? "" : "s");
    term_write(stdout, buffer_text(&out));
    if (left)
        fprintf(stderr, "millrace: %llu more match; --max takes more at once\n",
                (unsigned long long)left);
}

bool dlq_discard(struct dlq *dlq, struct error *err)
{
    uint64_t matching = 0, discarded = 0;
    struct letters count = {.kind = LETTERS_COUNT, .filter = dlq->filter};
    struct letters discard = {
        .kind = LETTERS_DISCARD, .filter = dlq->filter, .row_max = dlq->letters_max};
    if (dlq->filter.has_place && !dlq_check_place(dlq, err))
        return false;
    if (!dlq_ask(dlq, &count, (struct ask){on_count, &matching}, err))
        return false;
    if (!dlq->is_sure && matching)
        return error_set(err, ERR_USAGE,
                         "%llu dead letters would be discarded for good: say so with --yes",
                         (unsigned long long)matching);
    if (!dlq_ask(dlq, &discard, (struct ask){on_count, &discarded}, err))
        return false;
    print_discarded(dlq, discarded, matching > discarded ? matching - discarded : 0);
    return true;
}
