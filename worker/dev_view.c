#include "worker/dev_view.h"

#include <stdio.h>
#include <string.h>

#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/rows.h"

#define LOOK_MS 200
#define PLAIN_MS 1000 /* between two lines where nothing can be redrawn */
#define JOBS_MAX 1000 /* besides those of the scan */
#define ITEMS_MAX 10000
#define TIME_BYTES 40
#define MESSAGE_COLUMNS_MAX 640

/* Columns of REPORT_TENANTS: store/report.h. */
enum {
    TENANT_ID,
    TENANT_DOCUMENTS = 3,
    TENANT_PAGES,
    TENANT_CHUNKS,
    TENANT_VECTORS,
    TENANT_FAILED = 8
};

struct dev_view {
    struct app *app;
    const struct dev_feed *feed;
    void (*on_scan_finished)(void *arg);
    void *arg;
    struct term term; /* stderr: talk */
    struct timer look;
    struct report report;
    bool is_asking, is_freed, is_json;
    size_t file_count, job_count, job_at;
    uint64_t done_count, failed_count, started_ms, spoken_ms;
    enum { VIEW_SCANNING, VIEW_FAILURES, VIEW_TENANTS, VIEW_WATCHING, VIEW_CHANGE } phase;
    struct term_table failures;
    char seen[TIME_BYTES]; /* completed_at of the newest change that was told */
    struct uuid changes[64];
    size_t change_count;
};

static void ask(struct dev_view *view, enum report_kind kind, const struct uuid *id);
static void send_question(struct dev_view *view);

static void look_again(struct timer *timer)
{
    struct dev_view *view = container_of(timer, struct dev_view, look);
    ask(view, REPORT_JOBS, NULL);
}

static void ask_again(struct timer *timer)
{
    send_question(container_of(timer, struct dev_view, look));
}

static void look_later(struct dev_view *view)
{
    timer_start(view->app->loop, &view->look, LOOK_MS, look_again);
}

/* ---- while the scan runs: a bar for each job ------------------------------------------------- */

static bool find_job(const struct dev_view *view, const struct pg_result *rows, size_t index,
                     size_t *ret_row)
{
    struct uuid user, id, wanted = dev_feed_job(view->feed, index, &user);
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        if (pg_value_uuid(rows, row, JOB_ID, &id) && uuid_equal(id, wanted)) {
            *ret_row = row;
            return true;
        }
    }
    return false;
}

static void append_job(struct buffer *out, const struct dev_view *view,
                       const struct pg_result *rows, size_t row)
{
    buffer_format(out, "%-8.*s ", TEXT_ARGS(row_tenant_name(pg_value(rows, row, JOB_USER))));
    job_append_progress(out, &view->term, rows, row);
    buffer_append_char(out, '\n');
}

static void show_scan(struct dev_view *view, const struct pg_result *rows)
{
    AUTO_BUFFER struct buffer lines = buffer_new(256 * 1024);
    size_t final_count = 0, row;
    uint64_t done_count = 0;
    view->failed_count = 0;
    for (size_t i = 0; i < view->job_count; i++) {
        if (!find_job(view, rows, i, &row))
            continue;
        append_job(&lines, view, rows, row);
        final_count += job_is_final(rows, row);
        view->failed_count += row_number(rows, row, JOB_FAILED);
        done_count += row_number(rows, row, JOB_PROCESSED) + row_number(rows, row, JOB_FAILED);
    }
    bool is_over = final_count == view->job_count;
    uint64_t now_ms = loop_now_ms(view->app->loop);
    bool is_news = done_count != view->done_count && now_ms - view->spoken_ms >= PLAIN_MS;
    if (view->term.is_terminal || is_over || is_news) {
        term_redraw(&view->term, buffer_text(&lines));
        view->spoken_ms = now_ms;
        view->done_count = done_count;
    }
    if (!is_over) {
        look_later(view);
        return;
    }
    term_keep(&view->term);
    view->phase = VIEW_FAILURES;
    view->job_at = 0;
    for (size_t i = 0; i < pg_row_count(rows); i++) /* what is over is no change */
        if (text_compare(pg_value(rows, i, JOB_COMPLETED), text_from(view->seen)) > 0)
            (void)text_format(view->seen, sizeof(view->seen), "%.*s",
                              TEXT_ARGS(pg_value(rows, i, JOB_COMPLETED)));
    struct uuid user, job = view->job_count ? dev_feed_job(view->feed, 0, &user) : UUID_NIL;
    ask(view, view->job_count ? REPORT_JOB_ITEMS : REPORT_TENANTS, view->job_count ? &job : NULL);
}

/* ---- its end: what failed and why, then a table of tenants ----------------------------------- */

static struct text remedy_of(struct text code_name)
{
    enum error_code code;
    return error_code_from_name(code_name, &code) ? text_from(error_remedy(code)) : TEXT_NONE;
}

static void collect_failures(struct dev_view *view, const struct pg_result *rows)
{
    struct uuid user, job;
    char id[UUID_TEXT_BYTES];
    (void)dev_feed_job(view->feed, view->job_at, &user);
    uuid_format(user, id);
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        if (!text_equal(pg_value(rows, row, ITEM_OUTCOME), TEXT("failed")))
            continue;
        term_table_add(&view->failures, row_tenant_name(text_from(id)));
        term_table_add(&view->failures, file_of_key(pg_value(rows, row, ITEM_KEY)));
        term_table_add(&view->failures, pg_value(rows, row, ITEM_CODE));
        term_table_add(&view->failures, remedy_of(pg_value(rows, row, ITEM_CODE)));
    }
    if (++view->job_at < view->job_count) {
        job = dev_feed_job(view->feed, view->job_at, &user);
        ask(view, REPORT_JOB_ITEMS, &job);
    } else {
        view->phase = VIEW_TENANTS;
        ask(view, REPORT_TENANTS, NULL);
    }
}

static void add_heads(struct term_table *table, const char *const *heads, size_t count)
{
    table->column_count = count;
    for (size_t i = 0; i < count; i++)
        term_table_add(table, text_from(heads[i]));
}

static void print_tenants(struct dev_view *view, const struct pg_result *rows)
{
    static const char *const heads[] = {"tenant", "documents", "pages",
                                        "chunks", "vectors",   "failed"};
    static const size_t columns[] = {TENANT_DOCUMENTS, TENANT_PAGES, TENANT_CHUNKS, TENANT_VECTORS,
                                     TENANT_FAILED};
    struct term_table table = {.right_aligned = 0x3e};
    struct term out = term_on(stdout, !view->term.has_colour);
    add_heads(&table, heads, COUNT_OF(heads));
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        term_table_add(&table, row_tenant_name(pg_value(rows, row, TENANT_ID)));
        for (size_t i = 0; i < COUNT_OF(columns); i++)
            term_table_add(&table, pg_value(rows, row, columns[i]));
    }
    putchar('\n');
    term_table_print(&table, &out);
    if (view->failures.cell_count > view->failures.column_count) {
        putchar('\n');
        term_table_print(&view->failures, &out);
    }
    putchar('\n');
    fflush(stdout);
    term_table_release(&table);
}

static void write_tenants(const struct pg_result *rows)
{
    static const char *const names[] = {"tenant", "email",   "is_active", "documents", "pages",
                                        "chunks", "vectors", "bytes",     "failed"};
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        AUTO_BUFFER struct buffer line = buffer_new(64 * 1024);
        struct json_writer writer = json_writer_new(&line);
        json_open_object(&writer, NULL);
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            uint64_t value;
            if (pg_value_u64(rows, row, i, &value))
                json_write_u64(&writer, names[i], value);
            else
                json_write_text(&writer, names[i], pg_value(rows, row, i));
        }
        json_close_object(&writer);
        puts(buffer_string(&line));
    }
    fflush(stdout);
}

static void show_tenants(struct dev_view *view, const struct pg_result *rows)
{
    if (view->is_json)
        write_tenants(rows);
    else
        print_tenants(view, rows);
    double seconds = (double)(loop_now_ms(view->app->loop) - view->started_ms) / 1000;
    fprintf(stderr, "%zu files in %.1f s\n", view->file_count, seconds);
    view->phase = VIEW_WATCHING;
    look_later(view);
    view->on_scan_finished(view->arg);
}

/* ---- afterwards: one line for each change ---------------------------------------------------- */

static void find_changes(struct dev_view *view, const struct pg_result *rows)
{
    char newest[TIME_BYTES];
    memcpy(newest, view->seen, sizeof(newest));
    view->change_count = 0;
    for (size_t row = pg_row_count(rows); row-- > 0;) {
        struct text completed = pg_value(rows, row, JOB_COMPLETED);
        if (text_compare(completed, text_from(view->seen)) <= 0 ||
            view->change_count == COUNT_OF(view->changes) ||
            !pg_value_uuid(rows, row, JOB_ID, &view->changes[view->change_count]))
            continue;
        view->change_count++;
        if (text_compare(completed, text_from(newest)) > 0)
            (void)text_format(newest, sizeof(newest), "%.*s", TEXT_ARGS(completed));
    }
    memcpy(view->seen, newest, sizeof(newest));
    if (view->change_count == 0) {
        look_later(view);
        return;
    }
    view->phase = VIEW_CHANGE;
    ask(view, REPORT_JOB_ITEMS, &view->changes[--view->change_count]);
}

static void print_change(const struct dev_view *view, const struct pg_result *rows, size_t row)
{
    AUTO_BUFFER struct buffer line = buffer_new(4096);
    struct text outcome = pg_value(rows, row, ITEM_OUTCOME);
    bool is_success = text_equal(outcome, TEXT("success"));
    bool is_good = is_success || text_equal(outcome, TEXT("skipped"));
    term_append_foreign(&line, file_of_key(pg_value(rows, row, ITEM_KEY)), 60);
    buffer_append_text(&line, TEXT("  "));
    term_append(&line, &view->term, is_good ? TERM_GOOD : TERM_BAD, outcome);
    if (is_success)
        buffer_format(&line, "  %.*s pages, %.*s chunks",
                      TEXT_ARGS(pg_value(rows, row, ITEM_PAGES)),
                      TEXT_ARGS(pg_value(rows, row, ITEM_CHUNKS)));
    if (!is_success) {
        buffer_append_text(&line, TEXT("  "));
        term_append_foreign(&line, pg_value(rows, row, ITEM_MESSAGE), MESSAGE_COLUMNS_MAX);
    }
    fprintf(view->term.out, "%s\n", buffer_string(&line));
}

static void show_change(struct dev_view *view, const struct pg_result *rows)
{
    for (size_t row = 0; row < pg_row_count(rows); row++)
        print_change(view, rows, row);
    if (view->change_count) {
        ask(view, REPORT_JOB_ITEMS, &view->changes[--view->change_count]);
        return;
    }
    view->phase = VIEW_WATCHING;
    look_later(view);
}

/* ---- asking
 * ------------------------------------------------------------------------------------------------
 */

static void on_rows(struct report *report, const struct pg_result *rows, const struct error *err)
{
    struct dev_view *view = container_of(report, struct dev_view, report);
    view->is_asking = false;
    if (view->is_freed) {
        xfree(view);
        return;
    }
    if (err) { /* the database is away for a moment: the picture stands still */
        timer_start(view->app->loop, &view->look, LOOK_MS, ask_again);
        return;
    }
    switch (view->phase) {
    case VIEW_SCANNING:
        show_scan(view, rows);
        return;
    case VIEW_FAILURES:
        collect_failures(view, rows);
        return;
    case VIEW_TENANTS:
        show_tenants(view, rows);
        return;
    case VIEW_WATCHING:
        find_changes(view, rows);
        return;
    case VIEW_CHANGE:
        show_change(view, rows);
        return;
    }
}

static void send_question(struct dev_view *view)
{
    view->is_asking = true;
    report_run(view->app->pg, view->app->loop, &view->report);
}

static void ask(struct dev_view *view, enum report_kind kind, const struct uuid *id)
{
    view->report = (struct report){
        .kind = kind,
        .has_id = id != NULL,
        .id = id ? *id : UUID_NIL,
        .row_max = kind == REPORT_JOB_ITEMS ? ITEMS_MAX : JOBS_MAX + (uint32_t)view->job_count,
        .on_done = on_rows,
    };
    send_question(view);
}

struct dev_view *dev_view_new(struct app *app, bool is_json, void (*on_scan_finished)(void *arg),
                              void *arg)
{
    static const char *const heads[] = {"tenant", "file", "reason", "what to do"};
    struct dev_view *view = xcalloc(1, sizeof(*view));
    view->app = app;
    view->is_json = is_json;
    view->on_scan_finished = on_scan_finished;
    view->arg = arg;
    view->started_ms = loop_now_ms(app->loop);
    view->term = term_on(stderr, environment_get(app->config->environment, "NO_COLOR") != NULL);
    add_heads(&view->failures, heads, COUNT_OF(heads));
    return view;
}

void dev_view_start(struct dev_view *view, const struct dev_feed *feed, size_t file_count,
                    size_t job_count)
{
    view->feed = feed;
    view->file_count = file_count;
    view->job_count = job_count;
    ask(view, REPORT_JOBS, NULL);
}

bool dev_view_has_failures(const struct dev_view *view)
{
    return view->failed_count > 0;
}

void dev_view_free(struct dev_view *view)
{
    if (!view)
        return;
    timer_stop(view->app->loop, &view->look);
    term_table_release(&view->failures);
    if (view->is_asking)
        view->is_freed = true; /* the answer frees it */
    else
        xfree(view);
}
