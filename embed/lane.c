#include <assert.h>
#include <string.h>

#include "embed/lane_private.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"

#define START_REQUESTS 4
#define CONNECT_TIMEOUT_MS 5000
#define TURN_TOKENS 16384   /* what such a turn costs about; the rest is settled after it */
#define TURN_CHUNKS 16      /* a request's share of a bin before others have their turn */
#define RAMP_TOKENS 1000000 /* a minute; more is approached in steps, as OpenAI asks */
#define REPLY_SPARE_BYTES ((size_t)256 * 1024)

static void pump(struct later *later);

void lane_pump_soon(struct lane *lane)
{
    if (!lane->is_closing && !list_is_member(&lane->pumping.waiting))
        loop_later(lane->loop, &lane->pumping, pump);
}

static void on_wake(struct timer *timer)
{
    lane_pump_soon(container_of(timer, struct lane, wake));
}

static void wake_in(struct lane *lane, uint64_t delay_ms)
{
    timer_start(lane->loop, &lane->wake, delay_ms, on_wake);
}

static void show(const struct lane *lane)
{
    metric_set(METRIC_LANE_WAITING, LANE_EMBED, (double)lane_waiting_count(lane));
    metric_set(METRIC_LANE_LIMIT, LANE_EMBED, limiter_limit(&lane->limiter));
}

/* ---- sending --------------------------------------------------------------------------------- */

static void send(struct lane *lane, struct bin *bin)
{
    bin_write_body(bin, &lane->options, lane->limits.is_base64);
    uint64_t reply_bytes =
        batch_reply_bytes(bin->slot_count, lane->options.dimension_count, false) * 2;
    bin->call = (struct http_request){
        .method = "POST",
        .url = text_from(lane->url),
        .headers = lane->headers,
        .header_count = lane->header_count,
        .body = buffer_text(&bin->body),
        .timeout_ms = lane->options.timeout_ms,
        .reply_bytes_max = (size_t)reply_bytes + REPLY_SPARE_BYTES,
        .on_done = lane_on_answer,
    };
    bin->permit = limiter_take(&lane->limiter);
    bin->sent_ms = loop_now_ms(lane->loop);
    lane->tokens_away += bin->batch.tokens;
    bucket_take(&lane->request_rate, 1, bin->sent_ms);
    bucket_take(&lane->token_rate, bin->batch.tokens, bin->sent_ms);
    list_push_back(&lane->away, &bin->node);
    http_send(lane->http, &bin->call);
}

static void wait_for_bin(struct lane *lane, struct ticket *ticket)
{
    ticket->is_waiting = true;
    if (ticket->request->purpose == EMBED_QUERY) {
        list_push_back(&lane->queries, &ticket->asking);
        return;
    }
    ticket->waiting = (struct fair_item){.flow = ticket->request->tenant->id, .cost = TURN_TOKENS};
    fair_push(lane->documents, &ticket->waiting);
}

static struct ticket *next_ticket(struct lane *lane)
{
    struct list_node *node = list_pop_front(&lane->queries);
    if (node)
        return container_of(node, struct ticket, asking);
    struct fair_item *item = fair_pop(lane->documents, loop_now_ms(lane->loop));
    return item ? container_of(item, struct ticket, waiting) : NULL;
}

/* One turn of a ticket; false: the bin has no room for its next chunk. */
static bool take_turn(struct lane *lane, struct bin *bin, struct ticket *ticket)
{
    uint64_t tokens_before = bin->batch.tokens;
    size_t count_before = bin->slot_count;
    bool is_all = bin_pack(bin, ticket, &lane->limits, TURN_CHUNKS);
    ticket->is_waiting = false;
    if (ticket->request->purpose == EMBED_DOCUMENT)
        fair_done(lane->documents, ticket->waiting.flow, TURN_TOKENS,
                  bin->batch.tokens - tokens_before);
    if (!is_all)
        wait_for_bin(lane, ticket);
    return is_all || bin->slot_count - count_before == TURN_CHUNKS;
}

static struct bin *pack(struct lane *lane)
{
    struct bin *bin = NULL;
    struct ticket *ticket;
    while ((ticket = next_ticket(lane))) {
        if (!bin)
            bin = bin_new(lane);
        if (!take_turn(lane, bin, ticket))
            break;
    }
    return bin;
}

static struct bin *next_bin(struct lane *lane)
{
    for (struct list_node *node; (node = list_pop_front(&lane->again));) {
        struct bin *bin = container_of(node, struct bin, node);
        if (bin == lane->probe)
            return bin;
        bin_drop_empty(bin);
        if (bin->slot_count)
            return bin;
        bin_free(bin);
    }
    return pack(lane);
}

static uint64_t wait_ms(struct lane *lane, const struct bin *bin)
{
    uint64_t now_ms = loop_now_ms(lane->loop);
    uint64_t requests_ms = bucket_wait_ms(&lane->request_rate, 1, now_ms);
    uint64_t tokens_ms = bucket_wait_ms(&lane->token_rate, bin->batch.tokens, now_ms);
    return requests_ms > tokens_ms ? requests_ms : tokens_ms;
}

static bool has_room(const struct lane *lane)
{
    return limiter_has_room(&lane->limiter) && !(lane->is_parked && lane->limiter.in_flight > 0);
}

static void pump(struct later *later)
{
    struct lane *lane = container_of(later, struct lane, pumping);
    uint64_t now_ms = loop_now_ms(lane->loop);
    if (lane->is_closing)
        return;
    if (now_ms < lane->not_before_ms)
        wake_in(lane, lane->not_before_ms - now_ms);
    while (now_ms >= lane->not_before_ms && has_room(lane)) {
        struct bin *bin = next_bin(lane);
        if (!bin)
            break;
        uint64_t delay_ms = wait_ms(lane, bin);
        if (delay_ms) {
            list_push_front(&lane->again, &bin->node);
            wake_in(lane, delay_ms);
            break;
        }
        send(lane, bin);
    }
    show(lane);
}

/* ---- public ---------------------------------------------------------------------------------- */

static void prepare_headers(struct lane *lane, const struct dialect *dialect)
{
    struct text key = lane->options.api_key;
    lane->headers[0] = (struct http_header){TEXT("Content-Type"), TEXT("application/json")};
    lane->headers[1] = (struct http_header){TEXT("Accept"), TEXT("application/json")};
    lane->header_count = 2;
    if (key.bytes == 0)
        return; /* servers of one's own often need none */
    size_t prefix_bytes = strlen(dialect->key_prefix);
    lane->authorization = xcalloc(1, prefix_bytes + key.bytes + 1);
    memcpy(lane->authorization, dialect->key_prefix, prefix_bytes);
    memcpy(lane->authorization + prefix_bytes, key.start, key.bytes);
    lane->headers[2] =
        (struct http_header){text_from(dialect->key_header), text_from(lane->authorization)};
    lane->header_count = 3;
}

/* Azure's address ends in a query; the path goes before it. */
static char *url_of(struct text base_url)
{
    AUTO_BUFFER struct buffer url = buffer_new(SIZE_MAX / 2);
    struct text query, path = text_cut(base_url, '?', &query);
    while (text_ends_with(path, TEXT("/")))
        path.bytes--;
    buffer_append_text(&url, path);
    buffer_append_text(&url, TEXT("/embeddings"));
    if (query.bytes)
        buffer_append_char(&url, '?');
    buffer_append_text(&url, query);
    return xstrdup(buffer_text(&url));
}

static uint64_t at_most(uint64_t value, uint64_t max)
{
    return value < max ? value : max;
}

static struct batch_limits limits_of(const struct embed_options *options,
                                     const struct dialect *dialect)
{
    return (struct batch_limits){
        .inputs_max = at_most(options->inputs_max, dialect->inputs_max),
        .tokens_max = options->tokens_max,
        .request_bytes_max = at_most(options->body_bytes_max, dialect->request_bytes_max),
        .reply_bytes_max = options->body_bytes_max,
        .dimension_count = options->dimension_count,
        .is_base64 = true,
    };
}

struct lane *lane_open(struct loop *loop, const struct embed_options *options, struct error *err)
{
    enum embed_server_kind server = openai_find_server(options->server, options->base_url);
    struct dialect dialect = openai_dialect(server);
    uint32_t requests_max = (uint32_t)at_most(options->requests_max, dialect.requests_max);
    struct http_options http_options = {
        .connections_max = requests_max,
        .connections_per_host_max = requests_max,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .stall_timeout_ms = options->timeout_ms, /* a model may think for all that time */
        .lane = LANE_EMBED,
    };
    struct http *http = http_open(loop, &http_options, err);
    if (!http)
        return NULL;
    struct lane *lane = xcalloc(1, sizeof(*lane));
    lane->loop = loop;
    lane->http = http;
    lane->options = *options;
    lane->server = server;
    lane->url = url_of(options->base_url);
    lane->limits = limits_of(options, &dialect);
    lane->limiter = limiter_new_starting(START_REQUESTS, requests_max);
    lane->request_rate = bucket_new(options->requests_per_minute_max, 0, loop_now_ms(loop));
    lane->token_rate = bucket_new(options->tokens_per_minute_max, RAMP_TOKENS, loop_now_ms(loop));
    lane->documents = fair_new(TURN_TOKENS, UINT32_MAX);
    struct list *const lists[] = {&lane->queries, &lane->again, &lane->resting, &lane->away};
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        list_init(lists[i]);
    prepare_headers(lane, &dialect);
    show(lane);
    return lane;
}

void lane_add(struct lane *lane, struct ticket *ticket)
{
    wait_for_bin(lane, ticket);
    lane_pump_soon(lane);
}

void lane_forget(struct lane *lane, struct ticket *ticket)
{
    struct list *const states[] = {&lane->again, &lane->resting, &lane->away};
    if (ticket->is_waiting && ticket->request->purpose == EMBED_QUERY)
        list_remove(&lane->queries, &ticket->asking);
    else if (ticket->is_waiting)
        fair_remove(lane->documents, &ticket->waiting);
    ticket->is_waiting = false;
    for (size_t i = 0; i < COUNT_OF(states); i++)
        LIST_FOR_EACH(states[i], node)
            bin_forget(container_of(node, struct bin, node), ticket);
}

bool lane_is_parked(const struct lane *lane, struct error *ret_why)
{
    if (lane->is_parked)
        *ret_why = lane->parked_for;
    return lane->is_parked;
}

size_t lane_waiting_count(const struct lane *lane)
{
    return lane->queries.count + fair_waiting_count(lane->documents);
}

static void free_lane(struct lane *lane)
{
    if (lane->authorization)
        secret_wipe(lane->authorization, strlen(lane->authorization));
    xfree(lane->authorization);
    fair_free(lane->documents);
    xfree(lane->url);
    xfree(lane);
}

void lane_maybe_closed(struct lane *lane)
{
    if (!lane->is_http_closed || lane->away.count)
        return;
    void (*on_closed)(void *arg) = lane->on_closed;
    void *arg = lane->closed_arg;
    free_lane(lane);
    on_closed(arg);
}

static void on_http_closed(void *arg)
{
    struct lane *lane = arg;
    lane->is_http_closed = true;
    lane_maybe_closed(lane);
}

void lane_close(struct lane *lane, void (*on_closed)(void *arg), void *arg)
{
    lane->is_closing = true;
    lane->on_closed = on_closed;
    lane->closed_arg = arg;
    timer_stop(lane->loop, &lane->wake);
    later_cancel(lane->loop, &lane->pumping);
    for (struct list_node *node; (node = list_pop_front(&lane->resting));) {
        struct bin *bin = container_of(node, struct bin, node);
        timer_stop(lane->loop, &bin->rest);
        bin_free(bin);
    }
    for (struct list_node *node; (node = list_pop_front(&lane->again));)
        bin_free(container_of(node, struct bin, node));
    http_close(lane->http, on_http_closed, lane);
}
