#include "worker/base/httpd.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "worker/base/httpd_listen.h"
#include "worker/base/memory.h"

#define IDLE_SECONDS_MAX 15u
/* Request head and reply head of one connection. */
#define CONNECTION_BYTES_MAX ((size_t)16 << 10)

struct httpd {
    struct loop *loop;
    const struct httpd_route *routes;
    size_t route_count;
    struct MHD_Daemon *daemon;
    uint16_t port;
    uv_poll_t poll; /* of microhttpd's epoll descriptor, which stands for all of its sockets */
    struct timer timer;
    struct later run;
    struct list exchanges;
    bool is_closing;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* One request. Ends when microhttpd is done with it and, if a route was asked, it has answered. */
struct exchange {
    struct httpd_request request;
    struct httpd *httpd;
    struct MHD_Connection *connection; /* NULL: over, for whatever reason */
    struct MHD_Response *response;     /* made, not yet queued */
    unsigned status;
    bool is_begun, is_asked, is_replied, is_suspended;
    struct list_node node;
    char *uri;
};

/* ---- microhttpd and the loop ----------------------------------------------------------------- */

static void run(struct httpd *httpd);

static void on_run(struct later *later)
{
    run(container_of(later, struct httpd, run));
}

static void on_due(struct timer *timer)
{
    run(container_of(timer, struct httpd, timer));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status; /* an epoll descriptor has no errors of its own */
    (void)events;
    run(container_of(poll, struct httpd, poll));
}

static void run(struct httpd *httpd)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    MHD_run(httpd->daemon);
    if (MHD_get_timeout(httpd->daemon, &timeout_ms) == MHD_YES)
        timer_start(httpd->loop, &httpd->timer, timeout_ms, on_due);
    else
        timer_stop(httpd->loop, &httpd->timer);
}

static void run_soon(struct httpd *httpd)
{
    if (!list_is_member(&httpd->run.waiting))
        loop_later(httpd->loop, &httpd->run, on_run);
}

/* microhttpd stops listening at its limit of connections and looks again only when it is run. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **socket_arg,
                          enum MHD_ConnectionNotificationCode code)
{
    struct httpd *httpd = arg;
    (void)connection;
    (void)socket_arg;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED && !httpd->is_closing)
        run_soon(httpd);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    enum MHD_Result result = MHD_add_response_header(response, name, value);
    assert(result == MHD_YES); /* our own literals: only memory can be missing */
}

static void make_response(struct exchange *exchange, unsigned status, const char *content_type,
                          const char *policy, struct text body)
{
    /* microhttpd copies; its parameter is not const for the other modes' sake */
    exchange->response =
        MHD_create_response_from_buffer(body.bytes, (void *)body.start, MHD_RESPMEM_MUST_COPY);
    assert(exchange->response);
    exchange->status = status;
    add_header(exchange->response, "Content-Type", content_type);
    add_header(exchange->response, "Content-Security-Policy",
               policy ? policy : "default-src 'none'; frame-ancestors 'none'");
    add_header(exchange->response, "X-Content-Type-Options", "nosniff");
    add_header(exchange->response, "Cache-Control", "no-store");
    add_header(exchange->response, "Referrer-Policy", "no-referrer");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        add_header(exchange->response, "Allow", "GET, HEAD");
}

static void make_plain(struct exchange *exchange, unsigned status, struct text sentence)
{
    make_response(exchange, status, "text/plain; charset=utf-8", NULL, sentence);
}

static enum MHD_Result queue_response(struct exchange *exchange)
{
    enum MHD_Result result =
        MHD_queue_response(exchange->connection, exchange->status, exchange->response);
    MHD_destroy_response(exchange->response);
    exchange->response = NULL;
    return result; /* MHD_NO closes the connection */
}

static void exchange_free(struct exchange *exchange)
{
    if (exchange->response)
        MHD_destroy_response(exchange->response);
    xfree(exchange->uri);
    xfree(exchange);
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct text header_of(struct MHD_Connection *connection, const char *name)
{
    return text_from(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name));
}

/* Before the head is read: the only place that sees the target as it was sent. */
static void *on_target(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct httpd *httpd = arg;
    struct exchange *exchange = xcalloc(1, sizeof(*exchange));
    exchange->httpd = httpd;
    exchange->connection = connection;
    exchange->uri = xstrdup(text_from(uri));
    exchange->request.private_connection = exchange;
    exchange->request.path = text_cut(text_from(exchange->uri), '?', &exchange->request.query);
    list_push_back(&httpd->exchanges, &exchange->node);
    return exchange;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **request_arg,
                         enum MHD_RequestTerminationCode why)
{
    struct exchange *exchange = *request_arg;
    (void)arg;
    (void)connection;
    (void)why;
    if (!exchange)
        return;
    *request_arg = NULL;
    list_remove(&exchange->httpd->exchanges, &exchange->node);
    exchange->connection = NULL;
    if (!exchange->is_asked || exchange->is_replied)
        exchange_free(exchange); /* else httpd_reply() does */
}

/* The peer's address alone would let a web page in, by a name of its own that leads to 127.0.0.1
 * (DNS rebinding), and everybody whom a proxy on this machine serves. */
static bool is_from_this_machine(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info && httpd_is_loopback_address(info->client_addr) &&
           httpd_is_loopback_host(header_of(connection, "Host")) &&
           header_of(connection, "X-Forwarded-For").bytes == 0 &&
           header_of(connection, "Forwarded").bytes == 0;
}

static const struct httpd_route *find_route(const struct httpd *httpd, struct text path)
{
    for (size_t i = 0; i < httpd->route_count; i++)
        if (text_equal(path, text_from(httpd->routes[i].path)))
            return &httpd->routes[i];
    return NULL;
}

static enum MHD_Result ask_route(struct exchange *exchange)
{
    struct httpd *httpd = exchange->httpd;
    const struct httpd_route *route = find_route(httpd, exchange->request.path);
    if (httpd->is_closing) {
        make_plain(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, TEXT("The worker is stopping.\n"));
    } else if (!route) {
        make_plain(exchange, MHD_HTTP_NOT_FOUND, TEXT("There is no such page.\n"));
    } else {
        exchange->request.authorization = header_of(exchange->connection, "Authorization");
        exchange->request.is_loopback = is_from_this_machine(exchange->connection);
        exchange->is_asked = true;
        route->handle(route->arg, &exchange->request);
    }
    if (exchange->response)
        return queue_response(exchange);
    exchange->is_suspended = true;
    MHD_suspend_connection(exchange->connection);
    return MHD_YES;
}

static bool has_body(struct MHD_Connection *connection)
{
    struct text length = header_of(connection, "Content-Length");
    return header_of(connection, "Transfer-Encoding").bytes > 0 ||
           (length.bytes > 0 && !text_equal(length, TEXT("0")));
}

/* Called once for the head, once more for its end, and again after a suspension. */
/* NOLINTNEXTLINE(readability-function-size): microhttpd's signature */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_bytes, void **request_arg)
{
    struct exchange *exchange = *request_arg;
    bool is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    (void)arg;
    (void)url;
    (void)version;
    (void)data;
    (void)data_bytes; /* always none: requests with a body are refused by their head */
    if (exchange->response)
        return queue_response(exchange);
    if (exchange->is_begun)
        return ask_route(exchange);
    exchange->is_begun = true;
    if (is_read && !has_body(connection))
        return MHD_YES;
    if (is_read)
        make_plain(exchange, MHD_HTTP_BAD_REQUEST, TEXT("A request here has no body.\n"));
    else
        make_plain(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, TEXT("Only GET and HEAD work here.\n"));
    return queue_response(exchange);
}

void httpd_reply(struct httpd_request *request, unsigned status, const char *content_type,
                 const char *content_security_policy, struct text body)
{
    struct exchange *exchange = request->private_connection;
    assert(exchange->is_asked && !exchange->is_replied);
    exchange->is_replied = true;
    if (!exchange->connection) {
        exchange_free(exchange); /* nobody listens any more */
        return;
    }
    make_response(exchange, status, content_type, content_security_policy, body);
    if (!exchange->is_suspended)
        return;
    exchange->is_suspended = false;
    MHD_resume_connection(exchange->connection);
    run_soon(exchange->httpd);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static struct MHD_Daemon *start_daemon(struct httpd *httpd, int fd)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, httpd,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_target, httpd,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, httpd, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, httpd, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)HTTPD_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES_MAX, MHD_OPTION_END);
}

struct httpd *httpd_open(struct loop *loop, struct text listen, const struct httpd_route *routes,
                         size_t route_count, struct error *err)
{
    uint16_t port;
    int fd = httpd_listen(listen, &port, err);
    if (fd < 0)
        return NULL;
    struct httpd *httpd = xcalloc(1, sizeof(*httpd));
    httpd->loop = loop;
    httpd->routes = routes;
    httpd->route_count = route_count;
    httpd->port = port;
    list_init(&httpd->exchanges);
    httpd->daemon = start_daemon(httpd, fd);
    if (!httpd->daemon) {
        error_set_errno(err, ERR_IO, errno, "operations port");
        close(fd);
        xfree(httpd);
        return NULL;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(httpd->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int status = uv_poll_init(loop_uv(loop), &httpd->poll, info->epoll_fd);
    assert(status == 0);
    uv_poll_start(&httpd->poll, UV_READABLE, on_poll);
    return httpd;
}

uint16_t httpd_port(const struct httpd *httpd)
{
    return httpd->port;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct httpd *httpd = container_of((uv_poll_t *)handle, struct httpd, poll);
    void (*on_closed)(void *arg) = httpd->on_closed;
    void *arg = httpd->on_closed_arg;
    loop_bury(httpd->loop, httpd);
    if (on_closed)
        on_closed(arg);
}

/* Waiting peers get an answer; then microhttpd, which forbids stopping it with anybody suspended,
 * can go. */
static void finish_close(struct later *later)
{
    struct httpd *httpd = container_of(later, struct httpd, run);
    LIST_FOR_EACH(&httpd->exchanges, node) {
        struct exchange *exchange = container_of(node, struct exchange, node);
        if (!exchange->is_suspended)
            continue;
        exchange->is_suspended = false;
        make_plain(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, TEXT("The worker is stopping.\n"));
        MHD_resume_connection(exchange->connection);
    }
    run(httpd);
    timer_stop(httpd->loop, &httpd->timer);
    later_cancel(httpd->loop, &httpd->run);
    uv_poll_stop(&httpd->poll);
    MHD_stop_daemon(httpd->daemon); /* every exchange completes */
    assert(httpd->exchanges.count == 0);
    uv_close((uv_handle_t *)&httpd->poll, on_poll_closed);
}

void httpd_close(struct httpd *httpd, void (*on_closed)(void *arg), void *arg)
{
    if (!httpd) {
        if (on_closed)
            on_closed(arg);
        return;
    }
    httpd->is_closing = true;
    httpd->on_closed = on_closed;
    httpd->on_closed_arg = arg;
    later_cancel(httpd->loop, &httpd->run);
    loop_later(httpd->loop, &httpd->run, finish_close); /* the caller may be a route */
}
