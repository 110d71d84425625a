#include "queue/links.h"

#include <string.h>
#include <unistd.h>

#include "queue/body.h"
#include "queue/s3_wire.h"
#include "worker/base/date.h"
#include "worker/base/http.h"
#include "worker/base/memory.h"
#include "worker/model/link.h"

#define CONNECT_TIMEOUT_MS 10000
#define STALL_TIMEOUT_MS 30000
#define STALL_BYTES_PER_S 256 /* slower, a body of any size would only hold its place */
#define REDIRECTS_MAX 3

struct links {
    struct loop *loop;
    struct http *http;
    uint64_t bytes_max, timeout_ms;
    bool allows_private;
    struct list calls;
    bool is_closing;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

struct link_call {
    struct links *links;
    struct object_request *request;
    struct list_node node;
    struct http_request http;
    struct http_header range;
    struct buffer link, next; /* next: where a redirect leads */
    uint64_t deadline_ms;
    unsigned redirects;
    bool is_cancelled, is_hashing;
    struct later start;
    struct work work;
    struct checksum sum;
    bool work_ok;
    struct error err;
};

static void ask(struct link_call *call);

/* ---- the end --------------------------------------------------------------------------------- */

static void on_http_closed(void *arg)
{
    struct links *links = arg;
    void (*on_closed)(void *arg) = links->on_closed;
    void *closed_arg = links->closed_arg;
    xfree(links);
    if (on_closed)
        on_closed(closed_arg);
}

static void close_if_idle(struct links *links)
{
    if (links->is_closing && links->calls.count == 0)
        http_close(links->http, on_http_closed, links);
}

static void close_body(struct object_request *request)
{
    if (request->body_fd >= 0)
        close(request->body_fd);
    request->body_fd = -1;
}

static void wipe(struct buffer *link)
{
    if (link->data)
        secret_wipe(link->data, link->allocated_bytes);
    buffer_release(link);
}

static void finish(struct link_call *call, const struct error *err)
{
    struct links *links = call->links;
    struct object_request *request = call->request;
    struct error kept = {0};
    bool is_given_up = call->is_cancelled || links->is_closing;
    if (is_given_up)
        error_set(&kept, call->is_cancelled ? ERR_CANCELLED : ERR_SHUTDOWN, "given up");
    else if (err)
        kept = *err;
    bool is_ok = !err && !is_given_up;
    if (!is_ok || request->is_unchanged)
        close_body(request);
    list_remove(&links->calls, &call->node);
    request->private_state = NULL;
    http_request_release(&call->http);
    wipe(&call->link);
    wipe(&call->next);
    xfree(call);
    request->on_done(request, is_ok ? NULL : &kept);
    close_if_idle(links);
}

static void fail(struct link_call *call, enum error_code code, const char *why)
{
    struct text host = link_host(buffer_text(&call->link));
    struct error err;
    error_set(&err, code, "%.*s: %s", TEXT_ARGS(text_slice(host, 0, 100)), why);
    err.retry_after_ms = http_retry_after_ms(&call->http, loop_wall_ms(call->links->loop));
    finish(call, &err);
}

/* ---- what came ------------------------------------------------------------------------------- */

static void take_version(struct link_call *call)
{
    struct object_request *request = call->request;
    request->is_unchanged = request->if_none_match.bytes &&
                            text_equal(request->if_none_match, text_from(request->etag));
    finish(call, NULL);
}

static void run_hash(struct work *work)
{
    struct link_call *call = container_of(work, struct link_call, work);
    const struct object_request *request = call->request;
    call->work_ok = body_checksum(request->body_fd, request->body_bytes, CHECKSUM_SHA256,
                                  &call->sum, &call->err);
}

static void on_hashed(struct work *work)
{
    struct link_call *call = container_of(work, struct link_call, work);
    struct object_request *request = call->request;
    char hex[2 * SHA256_BYTES + 1];
    hex_format(call->sum.digest, SHA256_BYTES, hex);
    (void)text_format(request->etag, sizeof(request->etag), "sha256-%s", hex);
    if (call->work_ok)
        take_version(call);
    else
        finish(call, &call->err);
}

static void take_answer(struct link_call *call)
{
    struct object_request *request = call->request;
    struct text etag = s3_etag(http_reply_header(&call->http, "ETag"));
    struct text type = http_reply_header(&call->http, "Content-Type");
    bool has_etag =
        etag.bytes && text_format(request->etag, sizeof(request->etag), "%.*s", TEXT_ARGS(etag));
    (void)text_format(request->content_type, sizeof(request->content_type), "%.*s",
                      TEXT_ARGS(type)); /* a cut one will do */
    if (!date_from_http(http_reply_header(&call->http, "Last-Modified"), &request->modified_ms))
        request->modified_ms = 0;
    if (!has_etag)
        request->etag[0] = '\0';
    if (request->verb == OBJECT_HEAD) {
        finish(call, NULL);
        return;
    }
    request->body_bytes = call->http.reply_bytes;
    if (!body_seal(request->body_fd, &call->err)) {
        finish(call, &call->err);
    } else if (has_etag) {
        take_version(call);
    } else {
        call->is_hashing = true;
        call->work = (struct work){.run = run_hash, .on_done = on_hashed};
        loop_work(call->links->loop, &call->work);
    }
}

static void follow(struct link_call *call)
{
    struct text location = http_reply_header(&call->http, "Location");
    if (++call->redirects > REDIRECTS_MAX) {
        fail(call, ERR_LINK_REFUSED, "it leads on and on");
    } else if (!link_resolve(buffer_text(&call->link), location, &call->next)) {
        fail(call, ERR_LINK_REFUSED, "it leads to what is no link");
    } else {
        struct buffer left = call->link;
        call->link = call->next;
        call->next = left;
        ask(call);
    }
}

static void refuse(struct link_call *call, unsigned status)
{
    char why[32];
    enum error_code code = ERR_LINK_REFUSED;
    if (status == 429)
        code = ERR_THROTTLED;
    else if (status == 408 || status >= 500)
        code = ERR_UNAVAILABLE;
    (void)text_format(why, sizeof(why), "HTTP %u", status);
    fail(call, code, why);
}

static void on_answer(struct http_request *http, const struct error *err)
{
    struct link_call *call = container_of(http, struct link_call, http);
    unsigned status = http->status;
    bool is_look = call->request->verb == OBJECT_HEAD;
    /* A look has seen enough when the body begins: write_nothing() ended it. */
    bool is_seen = is_look && err && err->code == ERR_CANCELLED && status >= 200 && status < 300;
    if (call->is_cancelled || call->links->is_closing || (err && !is_seen))
        finish(call, err);
    else if (status == 200 || (is_look && status == 206))
        take_answer(call);
    else if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308)
        follow(call);
    else
        refuse(call, status);
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static bool write_nothing(struct http_request *http, struct text piece)
{
    (void)http, (void)piece;
    return false;
}

static bool prepare(struct link_call *call, struct error *err)
{
    struct links *links = call->links;
    struct object_request *request = call->request;
    uint64_t now_ms = loop_now_ms(links->loop);
    bool is_look = request->verb == OBJECT_HEAD;
    if (!link_check(buffer_text(&call->link), links->allows_private, err))
        return false;
    if (call->deadline_ms <= now_ms)
        return error_set(err, ERR_TIMEOUT, "no time is left to follow a redirect");
    http_request_release(&call->http);
    close_body(request);
    request->body_fd = is_look ? -1 : body_new(err);
    if (!is_look && request->body_fd < 0)
        return false;
    call->range = (struct http_header){TEXT("Range"), TEXT("bytes=0-0")};
    call->http = (struct http_request){.method = "GET",
                                       .url = buffer_text(&call->link),
                                       .headers = &call->range,
                                       .header_count = is_look ? 1 : 0,
                                       .timeout_ms = call->deadline_ms - now_ms,
                                       .reply_bytes_max = (size_t)links->bytes_max,
                                       .on_done = on_answer};
    if (is_look)
        call->http.on_data = write_nothing;
    else
        call->http.reply_fd = request->body_fd;
    return true;
}

static void ask(struct link_call *call)
{
    struct error err;
    if (prepare(call, &err))
        http_send(call->links->http, &call->http);
    else
        finish(call, &err);
}

static void start(struct later *later)
{
    struct link_call *call = container_of(later, struct link_call, start);
    if (call->is_cancelled || call->links->is_closing)
        finish(call, NULL);
    else
        ask(call);
}

/* ---- public ---------------------------------------------------------------------------------- */

struct links *links_open(struct loop *loop, const struct objects_options *options,
                         struct error *err)
{
    struct links *links = xcalloc(1, sizeof(*links));
    struct http_options http = {.connections_max = options->connections_max,
                                .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                .stall_timeout_ms = STALL_TIMEOUT_MS,
                                .stall_bytes_per_s = STALL_BYTES_PER_S,
                                .is_public_only = !options->allows_private_links,
                                .lane = LANE_OBJECT};
    links->loop = loop;
    links->bytes_max = options->bytes_max;
    links->timeout_ms = options->timeout_ms;
    links->allows_private = options->allows_private_links;
    list_init(&links->calls);
    links->http = http_open(loop, &http, err);
    if (links->http)
        return links;
    xfree(links);
    return NULL;
}

void links_send(struct links *links, struct object_request *request)
{
    struct link_call *call = xcalloc(1, sizeof(*call));
    call->links = links;
    call->request = request;
    call->deadline_ms = loop_now_ms(links->loop) + links->timeout_ms;
    call->link = buffer_new(LINK_BYTES_MAX + 1); /* one more: too long is seen, not cut */
    call->next = buffer_new(LINK_BYTES_MAX + 1);
    buffer_append_text(&call->link, request->link);
    request->private_state = call;
    list_push_back(&links->calls, &call->node);
    loop_later(links->loop, &call->start, start);
}

void links_cancel(struct links *links, struct object_request *request)
{
    struct link_call *call = request->private_state;
    call->is_cancelled = true;
    http_cancel(links->http, &call->http);
}

void links_close(struct links *links, void (*on_closed)(void *arg), void *arg)
{
    links->is_closing = true;
    links->on_closed = on_closed;
    links->closed_arg = arg;
    LIST_FOR_EACH(&links->calls, node) {
        http_cancel(links->http, &container_of(node, struct link_call, node)->http);
    }
    close_if_idle(links);
}
