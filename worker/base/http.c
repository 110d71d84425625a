#include "worker/base/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <uv.h>

#include "worker/base/http_private.h"
#include "worker/base/memory.h"

/*
 *   http_send ─▶ waiting ─▶ running ─▶ answered        (pump starts; curl or the deadline ends)
 *                    └─ cancel, close ─┴─▶ doomed ─▶ answered   (pump ends)
 *
 * curl is entered from the loop's callbacks only (on_poll, on_curl_due, pump, on_deadline), never
 * from a caller's: so no call can meet itself, and no answer comes from inside a call.
 */
struct http {
    struct loop *loop;
    struct http_options options;
    char *ca_file; /* what options.ca_file borrows */
    CURLM *multi;
    struct timer curl_timer;
    struct later pump;
    struct list waiting, running, doomed; /* struct http_exchange */
    CURL **idle;                          /* easy handles to be used again */
    size_t idle_count;
    size_t socket_count; /* poll handles that libuv has not closed yet */
    bool is_closing;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

struct socket {
    uv_poll_t poll;
    struct http *http;
    curl_socket_t fd;
};

static void pump(struct later *later);

static void schedule_pump(struct http *http)
{
    if (!list_is_member(&http->pump.waiting))
        loop_later(http->loop, &http->pump, pump);
}

uint32_t http_in_flight(const struct http *http)
{
    return (uint32_t)(http->waiting.count + http->running.count + http->doomed.count);
}

/* ---- the end of an exchange ------------------------------------------------------------------ */

/* Several clients may carry the label of one lane, so the gauge goes up and down by one. */
static void count_in_flight(const struct http *http, double by)
{
    double before = metric_value(METRIC_HTTP_IN_FLIGHT, http->options.lane);
    metric_set(METRIC_HTTP_IN_FLIGHT, http->options.lane, before + by);
}

static void give_back_easy(struct http *http, struct http_exchange *exchange)
{
    curl_multi_remove_handle(http->multi, exchange->easy);
    http_easy_reset(exchange);
    /* libcurl 7.88 keeps the buffer of a transfer that never connected, and then refuses options.
     */
    if (exchange->has_verdict)
        curl_easy_cleanup(exchange->easy);
    else /* running <= connections_max: there is room */
        http->idle[http->idle_count++] = exchange->easy;
    exchange->easy = NULL;
}

/* "host:port" of a URL, for messages: paths and queries may hold names and signatures. */
static struct text authority_of(struct text url)
{
    size_t at;
    if (text_find(url, TEXT("://"), &at))
        url = text_slice(url, at + 3, url.bytes);
    for (size_t i = 0; i < url.bytes; i++)
        if (url.start[i] == '/' || url.start[i] == '?' || url.start[i] == '#')
            url.bytes = i;
    while (text_find(url, TEXT("@"), &at))
        url = text_slice(url, at + 1, url.bytes);
    return text_slice(url, 0, 80);
}

static void move_to(struct http_exchange *exchange, struct list *list)
{
    if (exchange->list)
        list_remove(exchange->list, &exchange->node);
    exchange->list = list;
    if (list)
        list_push_back(list, &exchange->node);
}

static void answer(struct http_exchange *exchange)
{
    struct http *http = exchange->http;
    assert(http); /* it is answered once */
    struct http_request *request = exchange->request;
    struct error err = exchange->verdict; /* a copy: on_done may release the exchange */
    bool has_failed = exchange->has_verdict;
    if (exchange->easy)
        give_back_easy(http, exchange);
    timer_stop(http->loop, &exchange->deadline);
    move_to(exchange, NULL);
    exchange->http = NULL;
    count_in_flight(http, -1);
    if (has_failed || request->status >= 400)
        metric_add(METRIC_HTTP_FAILURES, http->options.lane, 1);
    if (http->waiting.count || http->is_closing)
        schedule_pump(http);
    if (has_failed)
        error_wrap(&err, "%.*s", TEXT_ARGS(authority_of(request->url)));
    request->on_done(request, has_failed ? &err : NULL);
}

static void on_deadline(struct timer *timer)
{
    struct http_exchange *exchange = container_of(timer, struct http_exchange, deadline);
    if (exchange->easy)
        http_easy_read(exchange);
    http_exchange_doom(exchange, ERR_TIMEOUT, "no whole answer in time");
    answer(exchange);
}

/* Leaves the answer to pump: the caller may be anybody. */
static void doom(struct http_exchange *exchange, enum error_code code, const char *why)
{
    http_exchange_doom(exchange, code, why);
    move_to(exchange, &exchange->http->doomed);
    schedule_pump(exchange->http);
}

/* ---- curl and the loop ----------------------------------------------------------------------- */

static void take_finished(struct http *http)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &left));) {
        struct http_exchange *exchange;
        CURLcode code = message->data.result; /* the message dies with the handle's removal */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
        http_easy_read(exchange);
        http_easy_verdict(exchange, (int)code);
        answer(exchange);
    }
}

static void drive(struct http *http, curl_socket_t fd, int events)
{
    int running;
    CURLMcode code = curl_multi_socket_action(http->multi, fd, events, &running);
    assert(code == CURLM_OK); /* the rest is misuse, or memory that ran out */
    take_finished(http);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct socket *socket = container_of(poll, struct socket, poll);
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    drive(socket->http, socket->fd, flags);
}

static void on_curl_due(struct timer *timer)
{
    drive(container_of(timer, struct http, curl_timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http *http = arg;
    (void)multi;
    if (timeout_ms < 0)
        timer_stop(http->loop, &http->curl_timer);
    else
        timer_start(http->loop, &http->curl_timer, (uint64_t)timeout_ms, on_curl_due);
    return 0;
}

static void finish_close(struct http *http)
{
    void (*on_closed)(void *arg) = http->on_closed;
    void *arg = http->on_closed_arg;
    loop_bury(http->loop, http);
    if (on_closed)
        on_closed(arg);
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct socket *socket = container_of((uv_poll_t *)handle, struct socket, poll);
    struct http *http = socket->http;
    xfree(socket);
    http->socket_count--;
    if (!http->multi && http->socket_count == 0)
        finish_close(http);
}

static struct socket *add_socket(struct http *http, curl_socket_t fd)
{
    struct socket *socket = xcalloc(1, sizeof(*socket));
    socket->http = http;
    socket->fd = fd;
    int status = uv_poll_init_socket(loop_uv(http->loop), &socket->poll, fd);
    assert(status == 0); /* the kernel without memory, or two pollers of one socket */
    http->socket_count++;
    curl_multi_assign(http->multi, fd, socket);
    return socket;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct socket *socket = socket_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket)
            uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
        return 0;
    }
    if (!socket)
        socket = add_socket(arg, fd);
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_poll_start(&socket->poll, events, on_poll);
    return 0;
}

/* ---- the pump -------------------------------------------------------------------------------- */

static void start(struct http *http, struct http_exchange *exchange)
{
    exchange->easy = http->idle_count ? http->idle[--http->idle_count] : curl_easy_init();
    assert(exchange->easy);
    move_to(exchange, &http->running);
    metric_add(METRIC_HTTP_REQUESTS, http->options.lane, 1);
    if (http_easy_prepare(exchange, &http->options)) {
        CURLMcode code = curl_multi_add_handle(http->multi, exchange->easy);
        assert(code == CURLM_OK);
        return;
    }
    answer(exchange);
}

static void tear_down(struct http *http)
{
    for (size_t i = 0; i < http->idle_count; i++)
        curl_easy_cleanup(http->idle[i]);
    curl_multi_cleanup(http->multi); /* may still ask for sockets to be removed */
    http->multi = NULL;
    timer_stop(http->loop, &http->curl_timer);
    xfree(http->idle);
    xfree(http->ca_file);
    if (http->socket_count == 0)
        finish_close(http);
}

static void pump(struct later *later)
{
    struct http *http = container_of(later, struct http, pump);
    for (size_t count = http->doomed.count; count > 0; count--) {
        struct http_exchange *exchange =
            container_of(list_first(&http->doomed), struct http_exchange, node);
        if (exchange->easy)
            http_easy_read(exchange);
        answer(exchange);
    }
    /* What an answer sends again waits for the next turn: a request that fails at once must not
     * keep the loop here. */
    for (size_t count = http->waiting.count;
         count > 0 && http->waiting.count && http->running.count < http->options.connections_max;
         count--)
        start(http, container_of(list_first(&http->waiting), struct http_exchange, node));
    if (http->is_closing && http->multi && http_in_flight(http) == 0)
        tear_down(http);
}

static void doom_all(struct list *list)
{
    while (list->count)
        doom(container_of(list_first(list), struct http_exchange, node), ERR_SHUTDOWN,
             "the client is closing");
}

/* ---- public ---------------------------------------------------------------------------------- */

static void init_curl(void)
{
    /* OpenSSL writes to sockets whose peer has gone; with CURLOPT_NOSIGNAL curl leaves it to us. */
    signal(SIGPIPE, SIG_IGN);
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    assert(code == CURLE_OK);
}

struct http *http_open(struct loop *loop, const struct http_options *options, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (options->ca_file.bytes && access(options->ca_file.start, R_OK) != 0) {
        error_set(err, ERR_CONFIG, "certificates: cannot read %.*s", TEXT_ARGS(options->ca_file));
        return NULL;
    }
    pthread_once(&once, init_curl);
    assert(options->connections_max > 0);
    struct http *http = xcalloc(1, sizeof(*http));
    http->loop = loop;
    http->options = *options;
    if (options->ca_file.bytes) {
        http->ca_file = xstrdup(options->ca_file);
        http->options.ca_file.start = http->ca_file;
    }
    list_init(&http->waiting);
    list_init(&http->running);
    list_init(&http->doomed);
    http->idle = xcalloc(options->connections_max, sizeof(*http->idle));
    http->multi = curl_multi_init();
    assert(http->multi);
    long connections_max = (long)options->connections_max;
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, connections_max);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections_max);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      (long)options->connections_per_host_max);
    return http;
}

void http_close(struct http *http, void (*on_closed)(void *arg), void *arg)
{
    if (!http) {
        if (on_closed)
            on_closed(arg);
        return;
    }
    http->is_closing = true;
    http->on_closed = on_closed;
    http->on_closed_arg = arg;
    doom_all(&http->waiting);
    doom_all(&http->running);
    schedule_pump(http);
}

void http_send(struct http *http, struct http_request *request)
{
    http_request_release(request);
    bool has_sink = request->on_data || request->reply_fd > 0;
    size_t bytes_max = request->reply_bytes_max;
    if (has_sink && bytes_max > HTTP_ERROR_BODY_BYTES_MAX)
        bytes_max = HTTP_ERROR_BODY_BYTES_MAX;
    struct http_exchange *exchange = xcalloc(1, sizeof(*exchange));
    exchange->http = http;
    exchange->request = request;
    exchange->headers = buffer_new(HTTP_HEADERS_BYTES_MAX);
    request->exchange = exchange;
    request->reply = buffer_new(bytes_max);
    request->status = 0;
    request->reply_bytes = 0;
    request->was_sent = false;
    request->sent_count = 0;
    move_to(exchange, &http->waiting);
    count_in_flight(http, 1);
    if (http->is_closing)
        doom(exchange, ERR_SHUTDOWN, "the client is closing");
    else
        timer_start(http->loop, &exchange->deadline, request->timeout_ms, on_deadline);
    schedule_pump(http);
}

void http_cancel(struct http *http, struct http_request *request)
{
    struct http_exchange *exchange = request->exchange;
    if (!exchange || !exchange->http)
        return;
    assert(exchange->http == http);
    doom(exchange, ERR_CANCELLED, "given up by its owner");
}

void http_request_release(struct http_request *request)
{
    struct http_exchange *exchange = request->exchange;
    if (!exchange)
        return;
    assert(!exchange->http); /* not before it is answered */
    buffer_release(&exchange->headers);
    buffer_release(&request->reply);
    xfree(exchange);
    request->exchange = NULL;
}
