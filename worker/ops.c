#include "worker/ops.h"

#include <string.h>

#include "worker/base/httpd.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"
#include "worker/ops_private.h"
#include "worker/web.h"

#define METRICS_BYTES_MAX ((size_t)1024 * 1024)

/* ---- the simple ones ------------------------------------------------------------------------- */

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
    AUTO_BUFFER struct buffer out = buffer_new(METRICS_BYTES_MAX);
    (void)arg;
    metrics_write(&out);
    httpd_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, buffer_text(&out));
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

/* ---- who may see tenants --------------------------------------------------------------------- */

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

static void handle_page(void *arg, struct httpd_request *request)
{
    struct ops *ops = arg;
    ops_answer(ops, request, true, may_see_tenants(ops, request));
}

static void handle_status(void *arg, struct httpd_request *request)
{
    struct ops *ops = arg;
    ops_answer(ops, request, false, may_see_tenants(ops, request));
}

/* ---- public ---------------------------------------------------------------------------------- */

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
    ops_answers_close(ops);
    httpd_close(ops->httpd, on_httpd_closed, closing);
}
