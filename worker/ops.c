#include "worker/ops.h"

#include <string.h>

#include "embed/embed.h"
#include "store/pg.h"
#include "store/report.h"
#include "worker/base/httpd.h"
#include "worker/base/json.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"
#include "worker/web.h"

#define BODY_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define JOBS_SHOWN 50
#define TENANTS_SHOWN 200
#define CSP                                                                         \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

struct ops {
    struct app *app;
    const struct running *running;
    struct httpd *httpd;
    bool is_fatal;
    struct list pages; /* answers under way */
    struct httpd_route routes[8];
};

/* ---- the simple ones
 * --------------------------------------------------------------------------------- */

static void reply_text(struct httpd_request *request, unsigned status, const char *text)
{
    httpd_reply(request, status, "text/plain; charset=utf-8", NULL, text_from(text));
}

static void handle_livez(void *arg, struct httpd_request *request)
{
    const struct ops *ops = arg;
    bool is_alive = !ops->is_fatal && !running_queue_figures(ops->running).is_fatal;
    reply_text(request, is_alive ? 200 : 503, is_alive ? "ok\n" : "Kafka: fatal error\n");
}

static void handle_readyz(void *arg, struct httpd_request *request)
{
    const struct ops *ops = arg;
    bool is_ready = running_is_ready(ops->running);
    reply_text(request, is_ready ? 200 : 503,
               is_ready ? "ok\n" : "has not joined the consumer group, or is draining\n");
}

static void handle_metrics(void *arg, struct httpd_request *request)
{
    AUTO_BUFFER struct buffer out = buffer_new(BODY_BYTES_MAX);
    (void)arg;
    metrics_write(&out);
    httpd_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, buffer_text(&out));
}

static void handle_page(void *arg, struct httpd_request *request)
{
    (void)arg;
    httpd_reply(request, 200, "text/html; charset=utf-8", CSP, WEB_PAGE_HTML);
}

static void handle_css(void *arg, struct httpd_request *request)
{
    (void)arg;
    httpd_reply(request, 200, "text/css; charset=utf-8", NULL, WEB_PAGE_CSS);
}

static void handle_js(void *arg, struct httpd_request *request)
{
    (void)arg;
    httpd_reply(request, 200, "text/javascript; charset=utf-8", NULL, WEB_PAGE_JS);
}

/* ---- /status.json: a few reports, one after the other
 * ------------------------------------------------- */

struct part {
    const char *name;
    enum report_kind kind;
    uint32_t row_max;
    bool is_private; /* names tenants: only for those who may see them */
    const char *columns[20];
};

static const struct part PARTS[] = {
    {"lanes",
     REPORT_LANES,
     1,
     false,
     {"open_items", "parked_items", "litter_rows", "dead_letters"}},
    {"failures", REPORT_FAILURES, 50, false, {"error_code", "document_count"}},
    {"jobs", REPORT_JOBS, JOBS_SHOWN, true, {"job_id",          "user_id",         NULL,
                                             "job_type",        "status",          "control",
                                             "total_documents", "processed_count", "failed_count",
                                             "cancelled_count", "pages_done",      "chunks_done",
                                             "tokens_done",     "bytes_done",      "bytes_total",
                                             "error_message",   "created_at",      "started_at",
                                             "completed_at",    "seconds"}},
    {"tenants",
     REPORT_TENANTS,
     TENANTS_SHOWN,
     true,
     {"user_id", NULL, NULL, "total_documents", "pages", "chunks", "total_vectors",
      "total_storage_bytes", "failed_documents"}},
};

struct answer {
    struct ops *ops; /* NULL: closed meanwhile */
    struct httpd_request *request;
    struct report report;
    size_t part;
    bool sees_private;
    struct buffer body;
    struct json_writer writer;
    struct list_node node;
};

static void write_value(struct json_writer *writer, const char *name, struct text value)
{
    uint64_t number;
    if (!value.start)
        json_write_null(writer, name);
    else if (text_parse_u64(value, &number))
        json_write_u64(writer, name, number);
    else
        json_write_text(writer, name, value);
}

static void write_remedy(struct json_writer *writer, struct text code_name)
{
    enum error_code code;
    if (error_code_from_name(code_name, &code))
        json_write_text(writer, "remedy", text_from(error_remedy(code)));
}

static void write_part(struct answer *answer, const struct part *part, const struct pg_result *rows)
{
    json_open_array(&answer->writer, part->name);
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        json_open_object(&answer->writer, NULL);
        for (size_t i = 0; i < COUNT_OF(part->columns); i++)
            if (part->columns[i])
                write_value(&answer->writer, part->columns[i], pg_value(rows, row, i));
        if (part->kind == REPORT_FAILURES)
            write_remedy(&answer->writer, pg_value(rows, row, 0));
        json_close_object(&answer->writer);
    }
    json_close_array(&answer->writer);
}

/* What an operator has to do for the embedding endpoint before anything goes on. */
static void write_embedding(struct json_writer *writer, const struct embed *embed)
{
    struct error why;
    bool is_parked = embed_is_parked(embed, &why);
    json_open_object(writer, "embedding");
    json_write_bool(writer, "is_parked", is_parked);
    if (is_parked) {
        json_write_text(writer, "code", text_from(error_name(why.code)));
        json_write_text(writer, "remedy", text_from(error_remedy(why.code)));
    }
    json_close_object(writer);
}

static void write_now(struct answer *answer)
{
    struct conductor_figures work = running_figures(answer->ops->running);
    struct queue_figures queue = running_queue_figures(answer->ops->running);
    struct json_writer *writer = &answer->writer;
    json_write_bool(writer, "is_ready", running_is_ready(answer->ops->running));
    json_open_object(writer, "now");
    json_write_u64(writer, "documents_in_work", work.seated);
    json_write_u64(writer, "events_waiting", work.waiting);
    json_write_u64(writer, "kafka_lag", queue.lag);
    json_write_u64(writer, "oldest_seconds", queue.oldest_age_ms / 1000);
    json_write_u64(writer, "partitions", queue.partitions);
    json_close_object(writer);
    write_embedding(writer, answer->ops->app->embed);
}

static void ask_next(struct answer *answer);

static void end_answer(struct answer *answer, unsigned status)
{
    json_close_object(&answer->writer);
    if (answer->ops) {
        list_remove(&answer->ops->pages, &answer->node);
        httpd_reply(answer->request, status, "application/json", NULL,
                    status == 200 ? buffer_text(&answer->body)
                                  : TEXT("{\"error\":\"the database does not answer\"}"));
    }
    buffer_release(&answer->body);
    xfree(answer);
}

static void on_rows(struct report *report, const struct pg_result *rows, const struct error *err)
{
    struct answer *answer = container_of(report, struct answer, report);
    if (err || !answer->ops) {
        end_answer(answer, 503);
        return;
    }
    write_part(answer, &PARTS[answer->part], rows);
    answer->part++;
    ask_next(answer);
}

static void ask_next(struct answer *answer)
{
    while (answer->part < COUNT_OF(PARTS) && PARTS[answer->part].is_private &&
           !answer->sees_private)
        answer->part++;
    if (answer->part == COUNT_OF(PARTS)) {
        end_answer(answer, 200);
        return;
    }
    const struct part *part = &PARTS[answer->part];
    answer->report =
        (struct report){.kind = part->kind, .row_max = part->row_max, .on_done = on_rows};
    report_run(answer->ops->app->pg, answer->ops->app->loop, &answer->report);
}

/* Every byte is looked at, whatever it is: the time taken tells nothing about the token. */
static bool is_same_secret(struct text given, struct text secret)
{
    unsigned char difference = given.bytes != secret.bytes;
    for (size_t i = 0; i < given.bytes && i < secret.bytes; i++)
        difference |= (unsigned char)(given.start[i] ^ secret.start[i]);
    return secret.bytes && difference == 0;
}

static bool may_see_tenants(const struct ops *ops, const struct httpd_request *request)
{
    struct text token = ops->app->config->page_token;
    struct text bearer = TEXT("Bearer "), given = request->authorization;
    if (text_starts_with(given, bearer))
        given = text_slice(given, bearer.bytes, given.bytes);
    struct text query = TEXT("token=");
    struct text asked = text_starts_with(request->query, query)
                            ? text_slice(request->query, query.bytes, request->query.bytes)
                            : TEXT_NONE;
    return request->is_loopback || is_same_secret(given, token) || is_same_secret(asked, token);
}

static void handle_status(void *arg, struct httpd_request *request)
{
    struct ops *ops = arg;
    struct answer *answer = xcalloc(1, sizeof(*answer));
    answer->ops = ops;
    answer->request = request;
    answer->sees_private = may_see_tenants(ops, request);
    answer->body = buffer_new(BODY_BYTES_MAX);
    answer->writer = json_writer_new(&answer->body);
    list_push_back(&ops->pages, &answer->node);
    json_open_object(&answer->writer, NULL);
    write_now(answer);
    ask_next(answer);
}

/* ---- public
 * --------------------------------------------------------------------------------------------- */

struct ops *ops_open(struct app *app, const struct running *running, struct error *err)
{
    static const struct {
        const char *path;
        void (*handle)(void *arg, struct httpd_request *request);
    } table[] = {
        {"/livez", handle_livez},        {"/readyz", handle_readyz},
        {"/metrics", handle_metrics},    {"/", handle_page},
        {"/page.css", handle_css},       {"/page.js", handle_js},
        {"/status.json", handle_status},
    };
    struct ops *ops = xcalloc(1, sizeof(*ops));
    ops->app = app;
    ops->running = running;
    list_init(&ops->pages);
    for (size_t i = 0; i < COUNT_OF(table); i++)
        ops->routes[i] = (struct httpd_route){table[i].path, table[i].handle, ops};
    ops->httpd = httpd_open(app->loop, app->config->listen, ops->routes, COUNT_OF(table), err);
    /* Several workers on one machine: who has not asked for a port gets another one. */
    if (!ops->httpd && !environment_get(app->config->environment, "MILLRACE_LISTEN")) {
        LOG_WARN("listen_moved", FIELD_ERROR(err));
        ops->httpd = httpd_open(app->loop, TEXT("127.0.0.1:0"), ops->routes, COUNT_OF(table), err);
    }
    if (ops->httpd) {
        LOG_INFO("listening", FIELD_U64("port", httpd_port(ops->httpd)));
        return ops;
    }
    xfree(ops);
    return NULL;
}

uint16_t ops_port(const struct ops *ops)
{
    return httpd_port(ops->httpd);
}

void ops_set_fatal(struct ops *ops)
{
    ops->is_fatal = true;
}

struct closing {
    struct ops *ops;
    void (*on_closed)(void *arg);
    void *arg;
};

static void on_httpd_closed(void *arg)
{
    struct closing *closing = arg;
    struct closing closed = *closing;
    xfree(closing);
    xfree(closed.ops);
    closed.on_closed(closed.arg);
}

void ops_close(struct ops *ops, void (*on_closed)(void *arg), void *arg)
{
    struct closing *closing = xcalloc(1, sizeof(*closing));
    *closing = (struct closing){ops, on_closed, arg};
    LIST_FOR_EACH(&ops->pages, node)
    {
        struct answer *answer = container_of(node, struct answer, node);
        list_remove(&ops->pages, &answer->node);
        answer->ops = NULL; /* its report still answers, and frees it */
    }
    httpd_close(ops->httpd, on_httpd_closed, closing);
}
