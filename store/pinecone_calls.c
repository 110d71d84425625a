#include "store/pinecone_calls.h"

#include "store/pinecone_codec.h"
#include "worker/base/budget.h"
#include "worker/base/memory.h"

enum {
    ATTEMPTS_MAX = 4,     /* of a call that got no clear answer */
    RETRY_FIRST_MS = 250, /* doubled each time, then by chance */
    RETRY_LONGEST_MS = 4000,
    THROTTLE_FIRST_MS = 250, /* when a 429 does not say how long */
    THROTTLE_LONGEST_MS = 30000,
    THROTTLE_PATIENCE_MS = 60000, /* of a request that has no lease to tell it when to stop */
    HEADERS = 4,
};

static const struct endpoint {
    const char *name;
    const char *method;
    const char *path;
    size_t reply_bytes_max;
    bool is_write; /* without a clear answer it may still take effect */
} ENDPOINTS[PINECONE_KINDS] = {
    [VECTORS_UPSERT] = {"upsert", "POST", "/vectors/upsert", 1 << 20, true},
    [VECTORS_DELETE] = {"delete", "POST", "/vectors/delete", 1 << 20, true},
    [VECTORS_FETCH] = {"fetch", "GET", "/vectors/fetch", 16 << 20, false},
    [VECTORS_QUERY] = {"query", "POST", "/query", 16 << 20, false},
    [VECTORS_LIST] = {"list", "GET", "/vectors/list", 1 << 20, false},
    [VECTORS_NAMESPACES] = {"namespaces", "GET", "/namespaces", 1 << 20, false},
    [PINECONE_STATS] = {"describe_index_stats", "POST", "/describe_index_stats", 64 << 20, false},
};

struct call {
    struct operation *operation;
    struct http_request http;
    struct http_header headers[HEADERS];
    struct buffer url, body;
    size_t record_count;
    unsigned attempts;
    bool is_in_flight;
    struct permit permit;
    struct timer retry;
    struct list_node open, again;
};

static void pump(struct pinecone *pinecone);
static void on_http_done(struct http_request *http, const struct error *err);

static void call_free(struct call *call)
{
    struct operation *operation = call->operation;
    timer_stop(operation->pinecone->loop, &call->retry);
    if (list_is_member(&call->again))
        list_remove(&operation->again, &call->again);
    list_remove(&operation->calls, &call->open);
    http_request_release(&call->http);
    buffer_release(&call->url);
    buffer_release(&call->body);
    loop_bury(operation->pinecone->loop, call);
}

/* Whether calls are still to be made of it. */
static bool has_more(struct operation *operation)
{
    const struct vectors_request *request = operation->request;
    switch (operation->kind) {
    case VECTORS_UPSERT:
        return operation->next < request->chunk_count;
    case VECTORS_DELETE:
        return operation->next < request->no_end;
    case VECTORS_FETCH:
        while (operation->next < request->chunk_count && request->known_no[operation->next] < 0)
            operation->next++;
        return operation->next < request->chunk_count;
    default:
        return operation->next == 0;
    }
}

static void answer(struct later *later)
{
    struct operation *operation = container_of(later, struct operation, answer);
    struct pinecone *pinecone = operation->pinecone;
    const struct error *err = operation->has_failed ? &operation->err : NULL;
    list_remove(&pinecone->operations, &operation->all);
    loop_bury(pinecone->loop, operation);
    if (operation->probe) {
        operation->probe->on_done(operation->probe, err);
    } else {
        operation->request->private_state = NULL;
        operation->request->on_done(operation->request, err);
    }
    if (pinecone->is_closing && pinecone->operations.count == 0)
        pinecone_all_answered(pinecone);
}

static void free_idle_calls(struct operation *operation)
{
    LIST_FOR_EACH(&operation->calls, node) {
        struct call *call = container_of(node, struct call, open);
        if (!call->is_in_flight)
            call_free(call);
    }
}

/* Puts the operation where it belongs after anything happened to it. */
static void settle(struct operation *operation)
{
    struct pinecone *pinecone = operation->pinecone;
    if (operation->has_failed)
        free_idle_calls(operation);
    bool is_ready = !operation->has_failed && (operation->again.count || has_more(operation));
    if (is_ready && !list_is_member(&operation->ready))
        list_push_back(&pinecone->ready, &operation->ready);
    if (!is_ready && list_is_member(&operation->ready))
        list_remove(&pinecone->ready, &operation->ready);
    if (!is_ready && operation->calls.count == 0 && !list_is_member(&operation->answer.waiting))
        loop_later(pinecone->loop, &operation->answer, answer);
}

/* The first failure is the answer. What is under way is waited for: it decides on ambiguity. */
static void fail(struct operation *operation, const struct error *err)
{
    if (operation->has_failed)
        return;
    operation->has_failed = true;
    operation->err = *err;
    error_wrap(&operation->err, "pinecone %s", ENDPOINTS[operation->kind].name);
}

static void write_body(struct call *call)
{
    struct operation *operation = call->operation;
    const struct vectors_request *request = operation->request;
    uint32_t dimension_count = operation->pinecone->dimension_count;
    size_t from = operation->next;
    switch (operation->kind) {
    case VECTORS_UPSERT:
        operation->next = pinecone_write_upsert(&call->body, request, dimension_count, from);
        break;
    case VECTORS_DELETE:
        operation->next = pinecone_write_delete(&call->body, request, (uint32_t)from);
        break;
    case VECTORS_FETCH:
        buffer_append_char(&call->url, '?');
        operation->next = pinecone_write_fetch(&call->url, request, dimension_count, from);
        break;
    case VECTORS_QUERY:
        pinecone_write_query(&call->body, request, dimension_count);
        operation->next = 1;
        break;
    case VECTORS_LIST:
    case VECTORS_NAMESPACES:
        pinecone_write_list(&call->url, request);
        operation->next = 1;
        break;
    default:
        buffer_append_text(&call->body, TEXT("{}"));
        operation->next = 1;
    }
    call->record_count = operation->next - from;
}

static struct call *call_new(struct operation *operation)
{
    struct pinecone *pinecone = operation->pinecone;
    const struct endpoint *endpoint = &ENDPOINTS[operation->kind];
    struct call *call = xcalloc(1, sizeof(*call));
    call->operation = operation;
    list_push_back(&operation->calls, &call->open);
    call->url = buffer_new(64 << 10);
    call->body =
        buffer_new(PINECONE_BODY_BYTES_MAX + (1 << 20)); /* the last one is measured, too */
    buffer_format(&call->url, "%s%s", pinecone->base_url, endpoint->path);
    write_body(call);
    const struct http_header headers[HEADERS] = {
        {TEXT("Api-Key"), text_from(pinecone->api_key)},
        {TEXT("X-Pinecone-Api-Version"), text_from(pinecone->api_version)},
        {TEXT("Content-Type"), TEXT("application/json")},
        {TEXT("Accept"), TEXT("application/json")},
    };
    for (size_t i = 0; i < HEADERS; i++)
        call->headers[i] = headers[i];
    return call;
}

static void send_call(struct call *call)
{
    struct pinecone *pinecone = call->operation->pinecone;
    const struct endpoint *endpoint = &ENDPOINTS[call->operation->kind];
    http_request_release(&call->http);
    call->http = (struct http_request){
        .method = endpoint->method,
        .url = buffer_text(&call->url),
        .headers = call->headers,
        .header_count = HEADERS,
        .body = buffer_text(&call->body),
        .timeout_ms = pinecone->timeout_ms,
        .reply_bytes_max = endpoint->reply_bytes_max,
        .on_done = on_http_done,
    };
    call->attempts++;
    call->is_in_flight = true;
    call->permit = limiter_take(&pinecone->limiter);
    http_send(pinecone->http, &call->http);
}

/* The next call of the operation: one to be repeated, else a new one. NULL: it has failed. */
static struct call *next_call(struct operation *operation)
{
    struct vectors_request *request = operation->request;
    struct error err;
    if (request && request->may_send && !request->may_send(request)) {
        error_set(&err, ERR_LOST, "the lease ended before the call could be sent");
        fail(operation, &err);
        return NULL;
    }
    struct list_node *node = list_pop_front(&operation->again);
    if (node)
        return container_of(node, struct call, again);
    struct call *call = call_new(operation);
    if (!call->body.is_full && !call->url.is_full && call->record_count > 0)
        return call;
    error_set(&err, ERR_BUG, "a record of %u dimensions does not fit into a request",
              operation->pinecone->dimension_count);
    fail(operation, &err);
    return NULL;
}

static bool may_send(const struct pinecone *pinecone)
{
    return pinecone->ready.count > 0 && limiter_has_room(&pinecone->limiter) &&
           !timer_is_waiting(&pinecone->resume);
}

static void send_next(struct later *later)
{
    struct pinecone *pinecone = container_of(later, struct pinecone, sending);
    if (!may_send(pinecone))
        return;
    struct list_node *node = list_pop_front(&pinecone->ready);
    struct operation *operation = container_of(node, struct operation, ready);
    struct call *call = next_call(operation);
    if (call)
        send_call(call);
    settle(operation);
    pump(pinecone);
}

/* One call for each turn of the loop: to write the numbers of a full upsert takes about 10 ms, and
 * everything else waits meanwhile. */
static void pump(struct pinecone *pinecone)
{
    if (may_send(pinecone) && !list_is_member(&pinecone->sending.waiting))
        loop_later(pinecone->loop, &pinecone->sending, send_next);
}

static void on_resume(struct timer *timer)
{
    pump(container_of(timer, struct pinecone, resume));
}

static void on_retry(struct timer *timer)
{
    struct call *call = container_of(timer, struct call, retry);
    struct pinecone *pinecone = call->operation->pinecone;
    list_push_back(&call->operation->again, &call->again);
    settle(call->operation);
    pump(pinecone);
}

/* Probes are nobody's. */
static bool is_paid(const struct operation *operation)
{
    const struct vectors_request *request = operation->request;
    struct pinecone *pinecone = operation->pinecone;
    return !request || !request->tenant ||
           budget_pay_both(pinecone->budget, request->tenant->id, loop_now_ms(pinecone->loop));
}

/* No clear answer came. All our calls may be repeated: same ids, same values. */
static void retry_or_fail(struct call *call, const struct error *err)
{
    struct operation *operation = call->operation;
    struct loop *loop = operation->pinecone->loop;
    if (operation->has_failed || call->attempts >= ATTEMPTS_MAX || !is_paid(operation)) {
        fail(operation, err);
        return;
    }
    uint64_t delay_ms =
        backoff_ms(call->attempts, RETRY_FIRST_MS, RETRY_LONGEST_MS, rng_unit(loop_rng(loop)));
    timer_start(loop, &call->retry, delay_ms, on_retry);
}

/* 429: all of this index waits. It costs no attempt; the lease says how long it may go on. */
static void throttle(struct call *call)
{
    struct operation *operation = call->operation;
    struct pinecone *pinecone = operation->pinecone;
    uint64_t wished_ms = http_retry_after_ms(&call->http, loop_wall_ms(pinecone->loop));
    struct rng *rng = loop_rng(pinecone->loop);
    uint64_t delay_ms =
        wished_ms ? wished_ms + rng_below(rng, wished_ms / 4 + 1)
                  : THROTTLE_FIRST_MS + backoff_ms(pinecone->throttled_in_row, THROTTLE_FIRST_MS,
                                                   THROTTLE_LONGEST_MS, rng_unit(rng));
    if (delay_ms > THROTTLE_LONGEST_MS)
        delay_ms = THROTTLE_LONGEST_MS;
    if (!timer_is_waiting(&pinecone->resume)) {
        pinecone->throttled_in_row++;
        timer_start(pinecone->loop, &pinecone->resume, delay_ms, on_resume);
    }
    call->attempts--;
    uint64_t waited_ms = loop_now_ms(pinecone->loop) - operation->started_ms;
    bool has_lease = operation->request && operation->request->may_send;
    if (!has_lease && waited_ms > THROTTLE_PATIENCE_MS) {
        struct error err;
        error_set(&err, ERR_UNAVAILABLE, "asked to slow down (429) for %llu s",
                  (unsigned long long)waited_ms / 1000);
        fail(operation, &err);
    }
    list_push_front(&operation->again, &call->again);
}

static bool read_reply(struct call *call, struct error *err)
{
    struct operation *operation = call->operation;
    struct text reply = buffer_text(&call->http.reply);
    uint32_t dimension_count = operation->pinecone->dimension_count;
    switch (operation->kind) {
    case VECTORS_FETCH:
        return pinecone_read_vectors(reply, operation->request, dimension_count, err);
    case VECTORS_QUERY:
        return pinecone_read_matches(reply, operation->request, err);
    case VECTORS_LIST:
        return pinecone_read_list(reply, "vectors", "id", operation->request, err);
    case VECTORS_NAMESPACES:
        return pinecone_read_list(reply, "namespaces", "name", operation->request, err);
    case VECTORS_UPSERT:
        return pinecone_read_upserted(reply, call->record_count, err);
    case VECTORS_DELETE:
        return pinecone_read_deleted(reply, err);
    default:
        return pinecone_read_stats(reply, dimension_count, err);
    }
}

static bool is_unclear(enum error_code code)
{
    return code == ERR_UNAVAILABLE || code == ERR_PROTOCOL;
}

static void on_answer(struct call *call)
{
    struct operation *operation = call->operation;
    unsigned status = call->http.status;
    struct text reply = buffer_text(&call->http.reply);
    struct error err;
    if (status == 429) {
        throttle(call);
        return;
    }
    operation->pinecone->throttled_in_row = 0;
    bool is_success = status >= 200 && status < 300;
    /* No namespace yet: nothing to be found in it, nothing left to be deleted. */
    bool is_nothing =
        operation->kind != VECTORS_UPSERT && pinecone_is_namespace_missing(status, reply);
    if (is_nothing || (is_success && read_reply(call, &err))) {
        if (operation->request && operation->request->tenant)
            budget_refill(operation->pinecone->budget, operation->request->tenant->id);
        call_free(call);
        return;
    }
    if (!is_success)
        pinecone_read_refusal(status, reply, &err);
    if (!is_unclear(err.code)) {
        fail(operation, &err);
        return;
    }
    if (ENDPOINTS[operation->kind].is_write)
        operation->request->is_ambiguous = true;
    retry_or_fail(call, &err);
}

static void return_permit(struct call *call, const struct error *err)
{
    struct limiter *limiter = &call->operation->pinecone->limiter;
    unsigned status = err ? 0 : call->http.status;
    if (status == 429 || status == 503 || (err && err->code == ERR_TIMEOUT))
        limiter_push_back(limiter, call->permit);
    else if (status >= 200 && status < 300)
        limiter_succeed(limiter);
    else
        limiter_give_back(limiter);
}

static void on_http_done(struct http_request *http, const struct error *err)
{
    struct call *call = container_of(http, struct call, http);
    struct operation *operation = call->operation;
    struct pinecone *pinecone = operation->pinecone;
    call->is_in_flight = false;
    return_permit(call, err);
    /* Sent twice: what went over the dead connection may yet have effect. */
    bool is_unknown = (err && http->was_sent) || http->sent_count > 1;
    if (is_unknown && ENDPOINTS[operation->kind].is_write)
        operation->request->is_ambiguous = true;
    if (err && err->code == ERR_TOO_LARGE) { /* of the reply; the document is innocent */
        struct error reply_err;
        error_set(&reply_err, ERR_PROTOCOL, "%s", err->message);
        retry_or_fail(call, &reply_err);
    } else if (err) {
        retry_or_fail(call, err);
    } else {
        on_answer(call);
    }
    settle(operation);
    pump(pinecone);
}

struct operation *operation_new(struct pinecone *pinecone, unsigned kind)
{
    struct operation *operation = xcalloc(1, sizeof(*operation));
    operation->pinecone = pinecone;
    operation->kind = kind;
    operation->started_ms = loop_now_ms(pinecone->loop);
    list_init(&operation->calls);
    list_init(&operation->again);
    list_push_back(&pinecone->operations, &operation->all);
    return operation;
}

void operation_cancel(struct operation *operation, enum error_code code)
{
    struct error err;
    error_set(&err, code, "%s", code == ERR_SHUTDOWN ? "the store is closing" : "given up");
    fail(operation, &err);
    LIST_FOR_EACH(&operation->calls, node) {
        struct call *call = container_of(node, struct call, open);
        if (call->is_in_flight)
            http_cancel(operation->pinecone->http, &call->http);
    }
    settle(operation);
}

void operation_begin(struct operation *operation)
{
    struct pinecone *pinecone = operation->pinecone;
    if (pinecone->is_closing)
        operation_cancel(operation, ERR_SHUTDOWN);
    settle(operation);
    pump(pinecone);
}
