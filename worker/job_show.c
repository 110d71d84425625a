#include "worker/job_show.h"

#include "worker/base/signals.h"
#include "worker/job_wait_show.h"
#include "worker/rows.h"
#include "worker/standing_rows.h"

#define LOOK_MS 1000
#define ITEMS_MAX 10000
#define LIST_MAX 50      /* for people; programs get up to ITEMS_MAX */
#define LIST_COLUMNS 106 /* of a line of the list, all columns */
#define OUT_BYTES_MAX ((size_t)64 << 20)
#define INDENT 4
#define HEAD_COLUMNS 8 /* of "status  " */

static const struct row_field JOB_FIELDS[] = {
    [JOB_ID] = {"job", ROW_TEXT},
    [JOB_USER] = {"user", ROW_TEXT},
    [JOB_EMAIL] = {"email", ROW_TEXT},
    [JOB_TYPE] = {"type", ROW_TEXT},
    [JOB_STATUS] = {"status", ROW_TEXT},
    [JOB_CONTROL] = {"control", ROW_TEXT},
    [JOB_TOTAL] = {"documents", ROW_NUMBER},
    [JOB_PROCESSED] = {"processed", ROW_NUMBER},
    [JOB_FAILED] = {"failed", ROW_NUMBER},
    [JOB_CANCELLED] = {"cancelled", ROW_NUMBER},
    [JOB_PAGES] = {"pages", ROW_NUMBER},
    [JOB_CHUNKS] = {"chunks", ROW_NUMBER},
    [JOB_TOKENS] = {"tokens", ROW_NUMBER},
    [JOB_BYTES_DONE] = {"bytes_done", ROW_NUMBER},
    [JOB_BYTES_TOTAL] = {"bytes_total", ROW_NUMBER},
    [JOB_MESSAGE] = {"error", ROW_TEXT},
    [JOB_CREATED] = {"created_at", ROW_TEXT},
    [JOB_STARTED] = {"started_at", ROW_TEXT},
    [JOB_COMPLETED] = {"completed_at", ROW_TEXT},
    [JOB_SECONDS] = {"seconds", ROW_NUMBER},
    [JOB_SECONDS_LEFT] = {"seconds_left", ROW_NUMBER},
    [JOB_CONTROL_BY] = {"control_by", ROW_TEXT},
    [JOB_CONTROL_AT] = {"control_at", ROW_TEXT},
};
static const struct row_format JOB_FORMAT = {"job", JOB_FIELDS, COUNT_OF(JOB_FIELDS)};
static const struct row_field ITEM_FIELDS[] = {
    [ITEM_DOCUMENT] = {"document", ROW_TEXT}, [ITEM_TITLE] = {"title", ROW_TEXT},
    [ITEM_KEY] = {"key", ROW_TEXT},           [ITEM_OUTCOME] = {"outcome", ROW_TEXT},
    [ITEM_CODE] = {"code", ROW_TEXT},         [ITEM_MESSAGE] = {"message", ROW_TEXT},
    [ITEM_PAGES] = {"pages", ROW_NUMBER},     [ITEM_CHUNKS] = {"chunks", ROW_NUMBER},
    [ITEM_BYTES] = {"bytes", ROW_NUMBER},     [ITEM_FINISHED] = {"finished_at", ROW_TEXT},
    [ITEM_DUE] = {"due", ROW_TEXT},
};
static const struct row_format ITEM_FORMAT = {"document", ITEM_FIELDS, COUNT_OF(ITEM_FIELDS)};

static struct term term_of(const struct app *app, FILE *out)
{
    return term_on(out, environment_get(app->config->environment, "NO_COLOR") != NULL);
}

/* ---- one job --------------------------------------------------------------------------------- */

struct showing {
    const struct job_view *view;
    struct term term;
    struct buffer out;
    bool is_missing, is_final;
    uint64_t failed_count;
    char id[UUID_TEXT_BYTES];
};

static void append_indent(struct buffer *out)
{
    for (size_t i = 0; i < INDENT; i++)
        buffer_append_char(out, ' ');
}

static struct job_progress progress_of(const struct pg_result *rows)
{
    struct job_progress progress = {.figures = {.documents = row_number(rows, 0, JOB_TOTAL),
                                                .processed = row_number(rows, 0, JOB_PROCESSED),
                                                .failed = row_number(rows, 0, JOB_FAILED),
                                                .cancelled = row_number(rows, 0, JOB_CANCELLED),
                                                .bytes_done = row_number(rows, 0, JOB_BYTES_DONE),
                                                .bytes_total = row_number(rows, 0, JOB_BYTES_TOTAL),
                                                .pages = row_number(rows, 0, JOB_PAGES),
                                                .chunks = row_number(rows, 0, JOB_CHUNKS),
                                                .is_final = job_is_final(rows, 0)}};
    double seconds;
    progress.has_range = !progress.figures.is_final &&
                         text_parse_double(pg_value(rows, 0, JOB_SECONDS_LEFT), &seconds);
    if (progress.has_range)
        progress.range.seconds_min = progress.range.seconds_max = (uint64_t)seconds + 1;
    return progress;
}

static void append_head(struct showing *showing, const struct pg_result *rows)
{
    struct buffer *out = &showing->out;
    struct text message = pg_value(rows, 0, JOB_MESSAGE);
    double seconds;
    buffer_format(out, "job     %.*s\n", TEXT_ARGS(pg_value(rows, 0, JOB_ID)));
    buffer_format(out, "tenant  %.*s  ", TEXT_ARGS(pg_value(rows, 0, JOB_USER)));
    term_append_foreign(out, pg_value(rows, 0, JOB_EMAIL), 100);
    buffer_format(out, "\nstatus  ");
    term_append(out, &showing->term, TERM_BOLD, job_state(rows, 0));
    if (text_parse_double(pg_value(rows, 0, JOB_SECONDS), &seconds))
        buffer_format(out, "  %.1f s", seconds);
    if (message.bytes) {
        buffer_append_text(out, TEXT("  "));
        term_append_foreign(out, message, 400);
    }
    buffer_append_char(out, '\n');
    struct job_progress progress = progress_of(rows);
    job_progress_draw(out, &showing->term, &progress);
}

static void on_job(void *arg, const struct pg_result *rows)
{
    struct showing *showing = arg;
    showing->is_missing = pg_row_count(rows) == 0;
    if (showing->is_missing)
        return;
    showing->is_final = job_is_final(rows, 0);
    showing->failed_count = row_number(rows, 0, JOB_FAILED);
    if (!showing->view->is_json) {
        append_head(showing, rows);
        return;
    }
    row_append_json(&showing->out, &JOB_FORMAT, rows, 0);
    buffer_append_char(&showing->out, '\n');
}

/* What it waits for; of a job that has ended with failures what may be done. */
static void on_standing(void *arg, const struct pg_result *rows)
{
    struct showing *showing = arg;
    if (pg_row_count(rows) == 0 || showing->is_final)
        return;
    struct standing standing = standing_of_row(rows, 0);
    AUTO_BUFFER struct buffer words = buffer_new(4096);
    standing_append(&words, &standing);
    buffer_append_text(&showing->out, TEXT("now     "));
    term_append_folded(
        &showing->out, buffer_text(&words),
        (struct term_fold){term_columns(&showing->term), HEAD_COLUMNS, HEAD_COLUMNS});
}

static bool ask_standing(struct showing *showing, struct error *err)
{
    struct report standing = {
        .kind = REPORT_JOB_STANDING, .has_id = true, .id = showing->view->job, .row_max = 1};
    return showing->view->is_json || showing->is_final ||
           ask_report(showing->view->app, standing, (struct ask){on_standing, showing}, err);
}

static void append_failure(struct showing *showing, const struct pg_result *rows, size_t row)
{
    struct buffer *out = &showing->out;
    buffer_append_text(out, TEXT("\n"));
    term_append(out, &showing->term, TERM_BAD, pg_value(rows, row, ITEM_OUTCOME));
    buffer_append_text(out, TEXT("  "));
    term_append_foreign(out, file_of_key(pg_value(rows, row, ITEM_KEY)), TENANT_KEY_BYTES_MAX);
    buffer_append_char(out, '\n');
    append_indent(out);
    /* sentence, particulars and remedy, as the worker wrote them; in a pipe one line */
    AUTO_BUFFER struct buffer message = buffer_new(4096);
    term_append_foreign(&message, pg_value(rows, row, ITEM_MESSAGE), 1000);
    size_t columns = showing->term.is_terminal ? term_columns(&showing->term) : SIZE_MAX;
    term_append_folded(out, buffer_text(&message), (struct term_fold){columns, INDENT, INDENT});
}

static void on_items(void *arg, const struct pg_result *rows)
{
    struct showing *showing = arg;
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        struct text outcome = pg_value(rows, row, ITEM_OUTCOME);
        if (showing->view->is_json) {
            row_append_json(&showing->out, &ITEM_FORMAT, rows, row);
            buffer_append_char(&showing->out, '\n');
        } else if (outcome.bytes && !text_equal(outcome, TEXT("success")) &&
                   !text_equal(outcome, TEXT("skipped"))) {
            append_failure(showing, rows, row);
        }
    }
}

static bool is_missing(const struct job_view *view, struct error *err)
{
    char id[UUID_TEXT_BYTES];
    return error_set(err, ERR_NOT_FOUND, "there is no job %s", uuid_format(view->job, id));
}

static void append_remedy(struct showing *showing)
{
    if (showing->is_final && showing->failed_count && !showing->view->is_json)
        buffer_format(&showing->out,
                      "\nOnce that is mended, `millrace retry %s`\ntries the failed ones again.\n",
                      uuid_format(showing->view->job, showing->id));
}

bool job_show(const struct job_view *view, struct error *err)
{
    struct showing showing = {
        .view = view, .term = term_of(view->app, stdout), .out = buffer_new(OUT_BYTES_MAX)};
    struct report job = {.kind = REPORT_JOB, .has_id = true, .id = view->job, .row_max = 1};
    struct report items = {
        .kind = REPORT_JOB_ITEMS, .has_id = true, .id = view->job, .row_max = ITEMS_MAX};
    bool is_good = ask_report(view->app, job, (struct ask){on_job, &showing}, err) &&
                   (!showing.is_missing || is_missing(view, err)) && ask_standing(&showing, err) &&
                   ask_report(view->app, items, (struct ask){on_items, &showing}, err);
    append_remedy(&showing);
    if (is_good)
        term_write(stdout, buffer_text(&showing.out));
    buffer_release(&showing.out);
    return is_good;
}

/* ---- again and again ------------------------------------------------------------------------- */

struct watching {
    const struct job_view *view;
    struct term term;  /* stderr */
    struct wait pause; /* ended by a signal */
    bool is_interrupted, is_away, has_said_none;
    bool was_limited, is_filtered; /* by people */
};

static void on_signal(void *arg, unsigned count)
{
    struct watching *watching = arg;
    (void)count;
    watching->is_interrupted = true;
    wait_done(&watching->pause, NULL);
}

/* False, and says so once, when the database does not answer for the moment. */
static bool look(struct watching *watching, struct report report, struct ask ask, struct error *err)
{
    bool is_there = ask_report(watching->view->app, report, ask, err);
    if (!is_there && error_disposition(err->code) != DISPOSITION_RETRY)
        return false;
    if (!is_there && !watching->is_away) {
        term_keep(&watching->term);
        fprintf(stderr, "waiting for the database: %s\n", err->message);
    }
    watching->is_away = !is_there;
    return true;
}

static bool pause_or_stop(struct watching *watching)
{
    struct error err;
    if (watching->is_interrupted)
        return false;
    watching->pause = wait_on(watching->view->app->loop);
    return !wait_for(&watching->pause, LOOK_MS, &err); /* its time is over, or a signal came */
}

static void open_watching(struct watching *watching, const struct job_view *view, FILE *out)
{
    *watching = (struct watching){.view = view,
                                  .term = term_of(view->app, out),
                                  .pause = wait_on(view->app->loop)}; /* signals end it early */
}

/* ---- the list -------------------------------------------------------------------------------- */

static void append_date(struct term_table *table, struct text time)
{
    char shown[32]; /* 2026-11-21 07:15 */
    (void)text_format(shown, sizeof(shown), "%.*s %.*s", TEXT_ARGS(text_slice(time, 0, 10)),
                      TEXT_ARGS(text_slice(time, 11, 16)));
    term_table_add(table, text_from(shown));
}

static unsigned long long ended_count(const struct pg_result *rows, size_t row)
{
    return row_number(rows, row, JOB_PROCESSED) + row_number(rows, row, JOB_FAILED) +
           row_number(rows, row, JOB_CANCELLED);
}

static void add_ended(struct term_table *table, const struct pg_result *rows, size_t row)
{
    char shown[24];
    (void)text_format(shown, sizeof(shown), "%llu", ended_count(rows, row));
    term_table_add(table, text_from(shown));
}

/* 12/41 */
static void add_share(struct term_table *table, const struct pg_result *rows, size_t row)
{
    char shown[48];
    (void)text_format(shown, sizeof(shown), "%llu/%.*s", ended_count(rows, row),
                      TEXT_ARGS(pg_value(rows, row, JOB_TOTAL)));
    term_table_add(table, text_from(shown));
}

static void append_wide(struct buffer *out, const struct term *term, const struct pg_result *rows)
{
    static const char *const heads[] = {"job", "tenant", "status", "done",
                                        "of",  "failed", "pages",  "created (UTC)"};
    struct term_table table = {.column_count = COUNT_OF(heads), .right_aligned = 0x78};
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        term_table_add(&table, text_from(heads[i]));
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        term_table_add(&table, pg_value(rows, row, JOB_ID));
        term_table_add(&table, row_tenant_name(pg_value(rows, row, JOB_USER)));
        term_table_add(&table, job_state(rows, row));
        add_ended(&table, rows, row);
        term_table_add(&table, pg_value(rows, row, JOB_TOTAL));
        term_table_add(&table, pg_value(rows, row, JOB_FAILED));
        term_table_add(&table, pg_value(rows, row, JOB_PAGES));
        append_date(&table, pg_value(rows, row, JOB_CREATED));
    }
    term_table_append(&table, term, out);
    term_table_release(&table);
}

/* For 80 columns. */
static void append_narrow(struct buffer *out, const struct term *term, const struct pg_result *rows)
{
    static const char *const heads[] = {"job", "tenant", "status", "done", "failed"};
    struct term_table table = {.column_count = COUNT_OF(heads), .right_aligned = 0x18};
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        term_table_add(&table, text_from(heads[i]));
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        term_table_add(&table, pg_value(rows, row, JOB_ID));
        term_table_add(&table, row_tenant_name(pg_value(rows, row, JOB_USER)));
        term_table_add(&table, job_state(rows, row));
        add_share(&table, rows, row);
        term_table_add(&table, pg_value(rows, row, JOB_FAILED));
    }
    term_table_append(&table, term, out);
    term_table_release(&table);
}

static void append_list(struct buffer *out, const struct term *term, const struct pg_result *rows)
{
    if (term->is_terminal && term_columns(term) < LIST_COLUMNS)
        append_narrow(out, term, rows);
    else
        append_wide(out, term, rows);
}

static void on_list(void *arg, const struct pg_result *rows)
{
    struct watching *watching = arg;
    AUTO_BUFFER struct buffer out = buffer_new(OUT_BYTES_MAX);
    for (size_t row = 0; watching->view->is_json && row < pg_row_count(rows); row++) {
        row_append_json(&out, &JOB_FORMAT, rows, row);
        buffer_append_char(&out, '\n');
    }
    if (pg_row_count(rows) == 0 && !watching->has_said_none)
        fprintf(stderr, "millrace: there are no jobs%s\n",
                watching->is_filtered ? " of that kind" : "");
    watching->has_said_none = pg_row_count(rows) == 0;
    if (pg_row_count(rows) > 0 && !watching->view->is_json)
        append_list(&out, &watching->term, rows);
    term_redraw(&watching->term, buffer_text(&out));
    if (watching->view->is_json)
        term_keep(&watching->term);
    if (!watching->view->is_json && !watching->was_limited && pg_row_count(rows) == LIST_MAX)
        fprintf(stderr, "millrace: these are the newest %d; --limit shows more\n", LIST_MAX);
}

static struct report list_report(const struct job_filter *filter, bool is_json)
{
    uint32_t usual = is_json ? ITEMS_MAX : LIST_MAX;
    return (struct report){
        .kind = REPORT_JOBS,
        .has_id = filter->user != NULL,
        .id = filter->user ? *filter->user : UUID_NIL,
        .row_max = filter->row_max ? filter->row_max : usual,
        .state = filter->state,
        .older_ms = filter->older_ms,
        .newer_ms = filter->newer_ms,
    };
}

static void note_filter(struct watching *watching, const struct job_filter *filter)
{
    watching->was_limited = filter->row_max > 0;
    watching->is_filtered =
        filter->user || filter->state.bytes || filter->older_ms || filter->newer_ms;
}

/* As many jobs as can be drawn again in place. */
static uint32_t rows_that_fit(const struct term *term)
{
    unsigned rows = term_rows(term);
    return rows > 4 ? rows - 3 : 1;
}

bool job_list(struct app *app, const struct job_filter *filter, bool is_json, struct error *err)
{
    struct job_view view = {.app = app, .is_json = is_json};
    struct watching watching;
    open_watching(&watching, &view, stdout);
    note_filter(&watching, filter);
    return ask_report(app, list_report(filter, is_json), (struct ask){on_list, &watching}, err);
}

bool job_list_watch(struct app *app, const struct job_filter *filter, bool is_json,
                    struct error *err)
{
    struct job_view view = {.app = app, .is_json = is_json};
    struct watching watching;
    open_watching(&watching, &view, stdout);
    note_filter(&watching, filter);
    struct signals *signals = signals_open(app->loop, on_signal, &watching);
    struct report report = list_report(filter, is_json);
    if (watching.term.is_terminal && !is_json && rows_that_fit(&watching.term) < report.row_max)
        report.row_max = rows_that_fit(&watching.term);
    bool is_good;
    do
        is_good = look(&watching, report, (struct ask){on_list, &watching}, err);
    while (is_good && pause_or_stop(&watching));
    signals_close(signals);
    return is_good;
}
