#include "store/pinecone_calls.h"
#include "store/pinecone_index.h"
#include "worker/base/memory.h"

enum {
    CONNECT_TIMEOUT_MS = 5000,
    REQUESTS_START = 4, /* at once; more while the index stands it */
};

static void pinecone_start(void *driver, enum vectors_operation kind,
                           struct vectors_request *request)
{
    struct operation *operation = operation_new(driver, kind);
    operation->request = request;
    operation->next = kind == VECTORS_DELETE ? request->no_first : 0;
    request->private_state = operation;
    operation_begin(operation);
}

static void pinecone_check(void *driver, struct vectors_probe *probe)
{
    struct operation *operation = operation_new(driver, PINECONE_STATS);
    operation->probe = probe;
    operation_begin(operation);
}

static void pinecone_cancel(void *driver, struct vectors_request *request)
{
    (void)driver;
    operation_cancel(request->private_state, ERR_CANCELLED);
}

static bool is_header_value(struct text text)
{
    for (size_t i = 0; i < text.bytes; i++)
        if (text.start[i] <= 0x20 || text.start[i] >= 0x7f)
            return false;
    return text.bytes > 0;
}

static bool check_options(const struct vectors_options *options, struct error *err)
{
    if (options->host.bytes ? !is_header_value(options->host) : options->index_name.bytes == 0)
        return error_set(err, ERR_CONFIG, "PINECONE_INDEX_HOST is missing or has spaces");
    if (!is_header_value(options->api_key))
        return error_set(err, ERR_CONFIG, "PINECONE_API_KEY is missing or has spaces");
    if (!is_header_value(options->api_version) || options->api_version.bytes != 7)
        return error_set(err, ERR_CONFIG, "the Pinecone API version is not of the form 2025-10");
    if (options->requests_max == 0 || options->timeout_ms == 0)
        return error_set(err, ERR_CONFIG, "pinecone: requests and timeout must be at least 1");
    return true;
}

/* Users copy the bare host from the console. */
static char *base_url_of(struct text host)
{
    struct buffer AUTO_BUFFER url = buffer_new(4096);
    size_t at;
    if (!text_find(host, TEXT("://"), &at))
        buffer_append_text(&url, TEXT("https://"));
    while (text_ends_with(host, TEXT("/")))
        host.bytes--;
    buffer_append_text(&url, host);
    return xstrdup(buffer_text(&url));
}

static void *pinecone_open(struct loop *loop, const struct vectors_options *options,
                           struct error *err)
{
    AUTO_BUFFER struct buffer host = buffer_new(1024);
    if (!check_options(options, err))
        return NULL;
    if (options->host.bytes)
        buffer_append_text(&host, options->host);
    else if (!pinecone_find_host(loop, options, &host, err))
        return NULL;
    struct http_options http = {
        .connections_max = options->requests_max, /* so that no call waits behind its lease */
        .connections_per_host_max = options->requests_max,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .stall_timeout_ms = PINECONE_TIMEOUT_MS_MAX,
        .lane = LANE_STORE,
    };
    struct pinecone *pinecone = xcalloc(1, sizeof(*pinecone));
    pinecone->http = http_open(loop, &http, err);
    if (!pinecone->http) {
        xfree(pinecone);
        return NULL;
    }
    pinecone->loop = loop;
    pinecone->base_url = base_url_of(buffer_text(&host));
    pinecone->api_key = xstrdup(options->api_key);
    pinecone->api_version = xstrdup(options->api_version);
    pinecone->dimension_count = options->dimension_count;
    uint32_t start =
        options->requests_max < REQUESTS_START ? options->requests_max : REQUESTS_START;
    pinecone->limiter = limiter_new(start, options->requests_max);
    pinecone->budget = options->budget;
    pinecone->timeout_ms = options->timeout_ms < PINECONE_TIMEOUT_MS_MAX ? options->timeout_ms
                                                                         : PINECONE_TIMEOUT_MS_MAX;
    list_init(&pinecone->operations);
    list_init(&pinecone->ready);
    return pinecone;
}

static void on_http_closed(void *arg)
{
    struct pinecone *pinecone = arg;
    void (*on_closed)(void *) = pinecone->on_closed;
    void *closed_arg = pinecone->arg;
    secret_wipe(pinecone->api_key, text_from(pinecone->api_key).bytes);
    xfree(pinecone->api_key);
    xfree(pinecone->api_version);
    xfree(pinecone->base_url);
    loop_bury(pinecone->loop, pinecone);
    on_closed(closed_arg);
}

void pinecone_all_answered(struct pinecone *pinecone)
{
    timer_stop(pinecone->loop, &pinecone->resume);
    later_cancel(pinecone->loop, &pinecone->sending);
    http_close(pinecone->http, on_http_closed, pinecone);
}

static void pinecone_close(void *driver, void (*on_closed)(void *arg), void *arg)
{
    struct pinecone *pinecone = driver;
    pinecone->is_closing = true;
    pinecone->on_closed = on_closed;
    pinecone->arg = arg;
    if (pinecone->operations.count == 0) {
        pinecone_all_answered(pinecone);
        return;
    }
    LIST_FOR_EACH(&pinecone->operations, node)
        operation_cancel(container_of(node, struct operation, all), ERR_SHUTDOWN);
}

const struct vectors_driver PINECONE_DRIVER = {
    .capabilities = 0,
    .open = pinecone_open,
    .start = pinecone_start,
    .cancel = pinecone_cancel,
    .check = pinecone_check,
    .close = pinecone_close,
};
