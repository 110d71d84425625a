#include "embed/embed.h"
#include "store/pg.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"
#include "worker/ops_private.h"
#include "worker/page.h"

#define BODY_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define HIDDEN "Names tenants: shown on this machine, or with ?token= and MILLRACE_PAGE_TOKEN."
#define CSP                                                                         \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

struct answer {
    struct ops *ops; /* NULL: closed meanwhile */
    struct httpd_request *request;
    struct report report;
    size_t part;
    bool is_page, sees_private;
    struct buffer body;
    struct json_writer writer;
    struct list_node node;
};

static void write_value(struct json_writer *writer, const char *name, struct text value)
{
    uint64_t number, decimals;
    struct text fraction, whole = text_cut(value, '.', &fraction);
    if (!value.start)
        json_write_null(writer, name);
    else if (text_parse_u64(value, &number))
        json_write_u64(writer, name, number);
    else if (text_parse_u64(whole, &number) && text_parse_u64(fraction, &decimals))
        json_write_raw(writer, name, value); /* seconds, to three decimals */
    else
        json_write_text(writer, name, value);
}

static void open_part(struct answer *answer, const struct page_part *part)
{
    if (answer->is_page)
        page_open_part(&answer->body, part);
    else
        json_open_array(&answer->writer, part->name);
}

static void write_row(struct answer *answer, const struct page_row *row)
{
    if (answer->is_page) {
        page_write_row(&answer->body, row);
        return;
    }
    json_open_object(&answer->writer, NULL);
    for (size_t i = 0; i < PAGE_COLUMNS_MAX; i++)
        if (row->part->values[i])
            write_value(&answer->writer, row->part->values[i], row->values[i]);
    const char *remedy = page_remedy(row);
    if (remedy[0])
        json_write_text(&answer->writer, "remedy", text_from(remedy));
    json_close_object(&answer->writer);
}

static void close_part(struct answer *answer, const struct page_part *part, size_t row_count)
{
    if (answer->is_page)
        page_close_part(&answer->body, part, row_count, NULL);
    else
        json_close_array(&answer->writer);
}

/* The page says why; in JSON it is not there. */
static void skip_part(struct answer *answer, const struct page_part *part, const char *note)
{
    if (answer->is_page) {
        page_open_part(&answer->body, part);
        page_close_part(&answer->body, part, 0, note);
    }
}

static void write_part(struct answer *answer, const struct page_part *part,
                       const struct pg_result *rows)
{
    open_part(answer, part);
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        struct page_row values = {.part = part};
        for (size_t i = 0; i < PAGE_COLUMNS_MAX; i++)
            if (part->values[i])
                values.values[i] = pg_value(rows, row, i);
        write_row(answer, &values);
    }
    close_part(answer, part, pg_row_count(rows));
}

/* A lane's figures are this worker's alone: they come from its metrics. */
struct lane {
    const char *name;
    const char *parked; /* the code of what a person has to mend first; NULL: nothing */
    double figures[5];  /* at work, allowed, waiting, requests, failures */
};

static void write_lane(struct answer *answer, const struct lane *lane)
{
    char digits[COUNT_OF(lane->figures)][32];
    struct page_row row = {.part = &PAGE_LANES};
    row.values[0] = text_from(lane->name);
    row.values[1] = lane->parked ? TEXT("parked") : TEXT("open");
    row.values[2] = lane->parked ? text_from(lane->parked) : TEXT_NONE;
    for (size_t i = 0; i < COUNT_OF(lane->figures); i++) {
        (void)text_format(digits[i], sizeof(digits[i]), "%.0f", lane->figures[i]);
        row.values[3 + i] = text_from(digits[i]);
    }
    write_row(answer, &row);
}

static void write_lanes(struct answer *answer)
{
    static const char *const names[] = {
        [LANE_EMBED] = "embeddings", [LANE_STORE] = "vector store", [LANE_OBJECT] = "objects"};
    struct error why;
    bool is_parked = answer->ops && embed_is_parked(answer->ops->app->embed, &why);
    open_part(answer, &PAGE_LANES);
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        write_lane(answer,
                   &(struct lane){
                       names[i],
                       i == LANE_EMBED && is_parked ? error_name(why.code) : NULL,
                       {metric_value(METRIC_HTTP_IN_FLIGHT, i), metric_value(METRIC_LANE_LIMIT, i),
                        metric_value(METRIC_LANE_WAITING, i), metric_value(METRIC_HTTP_REQUESTS, i),
                        metric_value(METRIC_HTTP_FAILURES, i)}});
    write_lane(answer,
               &(struct lane){"extraction",
                              false,
                              {metric_value(METRIC_SLOTS, 0), metric_value(METRIC_SLOTS_MAX, 0), 0,
                               metric_value(METRIC_CHILDREN, RESULT_OK),
                               metric_value(METRIC_CHILDREN, RESULT_FAILED) +
                                   metric_value(METRIC_CHILDREN, RESULT_KILLED)}});
    close_part(answer, &PAGE_LANES, COUNT_OF(names) + 1);
}

static void write_figure(struct answer *answer, const char *name, uint64_t value)
{
    if (answer->is_page)
        page_write_figure(&answer->body, name, value);
    else
        json_write_u64(&answer->writer, name, value);
}

static void write_now(struct answer *answer)
{
    bool is_ready = running_is_ready(answer->ops->running);
    struct conductor_figures work = running_figures(answer->ops->running);
    struct queue_figures queue = running_queue_figures(answer->ops->running);
    if (answer->is_page) {
        page_open(&answer->body, is_ready);
    } else {
        json_open_object(&answer->writer, NULL);
        json_write_bool(&answer->writer, "is_ready", is_ready);
        json_open_object(&answer->writer, "now");
    }
    write_figure(answer, "documents_in_work", work.seated);
    write_figure(answer, "events_waiting", work.waiting);
    write_figure(answer, "kafka_lag", queue.lag);
    write_figure(answer, "oldest_seconds", queue.oldest_age_ms / 1000);
    write_figure(answer, "partitions", queue.partitions);
}

/* The tables' share of the figures: of all workers. */
static void close_now(struct answer *answer, const struct pg_result *rows)
{
    static const char *const names[] = {"open_items", "parked_items", "litter_rows",
                                        "unresolved_dead_letters"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        uint64_t number = 0;
        bool is_known = rows && pg_row_count(rows) && text_parse_u64(pg_value(rows, 0, i), &number);
        write_figure(answer, names[i], is_known ? number : 0);
    }
    if (answer->is_page)
        page_close_now(&answer->body);
    else
        json_close_object(&answer->writer);
}

static void ask_next(struct answer *answer);

static void reply(struct answer *answer, bool is_complete)
{
    unsigned status = is_complete ? 200 : 503;
    if (answer->is_page)
        httpd_reply(answer->request, status, "text/html; charset=utf-8", CSP,
                    buffer_text(&answer->body));
    else
        httpd_reply(answer->request, status, "application/json", NULL,
                    is_complete ? buffer_text(&answer->body)
                                : TEXT("{\"error\":\"the database does not answer\"}"));
}

static void end_answer(struct answer *answer, bool is_complete)
{
    write_lanes(answer);
    if (answer->is_page)
        page_close(&answer->body);
    else
        json_close_object(&answer->writer);
    if (answer->ops) {
        list_remove(&answer->ops->pages, &answer->node);
        reply(answer, is_complete);
    }
    buffer_release(&answer->body);
    xfree(answer);
}

/* What is left is said to be unknown; the script looks again. */
static void give_up(struct answer *answer)
{
    if (answer->ops && answer->part == 0)
        close_now(answer, NULL);
    for (size_t part = answer->part ? answer->part : 1; part <= PAGE_PART_COUNT; part++)
        skip_part(answer, &PAGE_PARTS[part - 1], "The database does not answer.");
    end_answer(answer, false);
}

static void on_rows(struct report *report, const struct pg_result *rows, const struct error *err)
{
    struct answer *answer = container_of(report, struct answer, report);
    if (err || !answer->ops) {
        give_up(answer);
        return;
    }
    if (answer->part == 0)
        close_now(answer, rows);
    else
        write_part(answer, &PAGE_PARTS[answer->part - 1], rows);
    answer->part++;
    ask_next(answer);
}

/* Part 0 is REPORT_LANES, those of the page follow. */
static void ask_next(struct answer *answer)
{
    for (; answer->part && answer->part <= PAGE_PART_COUNT; answer->part++) {
        const struct page_part *part = &PAGE_PARTS[answer->part - 1];
        if (!part->is_private || answer->sees_private)
            break;
        skip_part(answer, part, HIDDEN);
    }
    if (answer->part > PAGE_PART_COUNT) {
        end_answer(answer, true);
        return;
    }
    answer->report = (struct report){.kind = REPORT_LANES, .row_max = 1, .on_done = on_rows};
    if (answer->part) {
        answer->report.kind = PAGE_PARTS[answer->part - 1].report;
        answer->report.row_max = PAGE_PARTS[answer->part - 1].row_max;
    }
    report_run(answer->ops->app->pg, answer->ops->app->loop, &answer->report);
}

void ops_answer(struct ops *ops, struct httpd_request *request, bool is_page, bool sees_private)
{
    struct answer *answer = xcalloc(1, sizeof(*answer));
    answer->ops = ops;
    answer->request = request;
    answer->is_page = is_page;
    answer->sees_private = sees_private;
    answer->body = buffer_new(BODY_BYTES_MAX);
    answer->writer = json_writer_new(&answer->body);
    list_push_back(&ops->pages, &answer->node);
    write_now(answer);
    ask_next(answer);
}

void ops_answers_close(struct ops *ops)
{
    LIST_FOR_EACH(&ops->pages, node) {
        struct answer *answer = container_of(node, struct answer, node);
        list_remove(&ops->pages, &answer->node);
        answer->ops = NULL; /* its report still answers, and frees it */
    }
}
