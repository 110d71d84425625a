#include "embed/embed.h"

#include <assert.h>

#include "embed/lane.h"
#include "embed/local.h"
#include "worker/base/memory.h"

struct embed {
    struct loop *loop;
    struct embed_options options;
    char *base_url, *api_key, *model; /* what the options' texts point at */
    struct lane *lane;                /* NULL: the local engine */
    struct list tickets, done;        /* under way; ended, their requests not yet told */
    struct later telling;
    void (*on_closed)(void *arg);
    void *closed_arg;
    bool is_closing, is_lane_closed;
};

/* ---- how requests end ------------------------------------------------------------------------ */

static void close_when_empty(struct embed *embed);

static void tell(struct later *later)
{
    struct embed *embed = container_of(later, struct embed, telling);
    for (struct list_node *node; (node = list_pop_front(&embed->done));) {
        struct ticket *ticket = container_of(node, struct ticket, node);
        struct embed_request *request = ticket->request;
        struct error err = ticket->err;
        bool has_failed = ticket->has_failed;
        request->private_state = NULL;
        xfree(ticket);
        request->on_done(request, has_failed ? &err : NULL);
    }
    close_when_empty(embed);
}

static void tell_soon(struct embed *embed)
{
    if (!list_is_member(&embed->telling.waiting))
        loop_later(embed->loop, &embed->telling, tell);
}

void embed_ticket_done(struct ticket *ticket, const struct error *err)
{
    struct embed *embed = ticket->embed;
    if (err && !ticket->has_failed) {
        ticket->err = *err;
        ticket->has_failed = true;
    }
    if (ticket->is_working)
        return; /* a work thread writes to the request's memory: on_worked() comes back here */
    timer_stop(embed->loop, &ticket->deadline);
    if (embed->lane)
        lane_forget(embed->lane, ticket);
    list_remove(&embed->tickets, &ticket->node);
    list_push_back(&embed->done, &ticket->node);
    tell_soon(embed);
}

static void on_deadline(struct timer *timer)
{
    struct ticket *ticket = container_of(timer, struct ticket, deadline);
    struct error err = ticket->last_err;
    bool is_parked = lane_is_parked(ticket->embed->lane, &err);
    if (!is_parked && err.message[0] == '\0')
        error_set(&err, ERR_TIMEOUT, "embeddings: no answer within the request's time");
    embed_ticket_done(ticket, &err);
}

/* ---- the local engine ------------------------------------------------------------------------ */

static float *row_of(const struct embed *embed, struct embed_request *request, size_t chunk)
{
    return request->vectors + chunk * embed->options.dimension_count;
}

static void run_local(struct work *work)
{
    struct ticket *ticket = container_of(work, struct ticket, work);
    struct embed_request *request = ticket->request;
    struct local *local = local_new(ticket->embed->options.dimension_count);
    for (size_t i = 0; i < request->chunk_count; i++) {
        const struct chunk *chunk = request->chunks[i];
        if (!chunk->vector)
            local_embed(local, chunk->prefix, chunk->content, row_of(ticket->embed, request, i));
    }
    local_free(local);
}

static void on_worked(struct work *work)
{
    struct ticket *ticket = container_of(work, struct ticket, work);
    struct embed_request *request = ticket->request;
    ticket->is_working = false;
    for (size_t i = 0; i < request->chunk_count && !ticket->has_failed; i++)
        if (!request->chunks[i]->vector)
            request->chunks[i]->vector = row_of(ticket->embed, request, i);
    embed_ticket_done(ticket, NULL);
}

/* ---- public ---------------------------------------------------------------------------------- */

static bool check_options(const struct embed_options *options, struct error *err)
{
    if (options->dimension_count == 0 || options->dimension_count > EMBED_DIMENSIONS_MAX)
        return error_set(err, ERR_CONFIG, "embedding dimensions must be 1 to %d",
                         EMBED_DIMENSIONS_MAX);
    if (options->engine == EMBED_LOCAL)
        return true;
    if (options->base_url.bytes == 0 || options->model.bytes == 0)
        return error_set(err, ERR_CONFIG, "an embedding endpoint needs an address and a model");
    if (!options->requests_max || !options->inputs_max || !options->tokens_max ||
        !options->body_bytes_max || !options->timeout_ms || !options->backoff_ms ||
        !options->probe_ms)
        return error_set(err, ERR_CONFIG, "limits of the embedding endpoint must not be 0");
    return true;
}

static void free_embed(struct embed *embed)
{
    xfree(embed->base_url);
    if (embed->api_key)
        secret_wipe(embed->api_key, embed->options.api_key.bytes);
    xfree(embed->api_key);
    xfree(embed->model);
    xfree(embed);
}

static char *keep(struct text *text)
{
    char *copy = xstrdup(*text);
    text->start = copy;
    return copy;
}

struct embed *embed_open(struct loop *loop, const struct embed_options *options, struct error *err)
{
    if (!check_options(options, err))
        return NULL;
    struct embed *embed = xcalloc(1, sizeof(*embed));
    embed->loop = loop;
    embed->options = *options;
    embed->base_url = keep(&embed->options.base_url);
    embed->api_key = keep(&embed->options.api_key);
    embed->model = keep(&embed->options.model);
    list_init(&embed->tickets);
    list_init(&embed->done);
    if (options->engine == EMBED_OPENAI) {
        embed->lane = lane_open(loop, &embed->options, err);
        if (!embed->lane) {
            free_embed(embed);
            return NULL;
        }
    }
    return embed;
}

static size_t count_open(const struct embed_request *request)
{
    size_t count = 0;
    for (size_t i = 0; i < request->chunk_count; i++)
        count += request->chunks[i]->vector == NULL;
    return count;
}

/* Where the first text stands that the model cannot take; SIZE_MAX: all will do. */
static size_t find_too_long(const struct embed *embed, const struct embed_request *request)
{
    uint32_t tokens_max = embed->options.input_tokens_max;
    for (size_t i = 0; tokens_max && i < request->chunk_count; i++)
        if (!request->chunks[i]->vector && request->chunks[i]->token_count > tokens_max)
            return i;
    return SIZE_MAX;
}

static void refuse_too_long(struct embed *embed, struct ticket *ticket)
{
    struct embed_request *request = ticket->request;
    struct error err;
    error_set(&err, ERR_EMBED_REFUSED, "embeddings: a text of %u tokens, %.*s takes %u",
              request->chunks[request->guilty]->token_count, TEXT_ARGS(embed->options.model),
              embed->options.input_tokens_max);
    embed_ticket_done(ticket, &err);
}

void embed_submit(struct embed *embed, struct embed_request *request)
{
    assert(!embed->is_closing && request->chunk_count > 0);
    struct ticket *ticket = xcalloc(1, sizeof(*ticket));
    ticket->embed = embed;
    ticket->request = request;
    request->private_state = ticket;
    request->guilty = find_too_long(embed, request);
    request->tokens_billed = 0;
    request->next_chunk = 0;
    request->open_chunks = count_open(request);
    list_push_back(&embed->tickets, &ticket->node);
    if (request->open_chunks == 0) {
        embed_ticket_done(ticket, NULL);
        return;
    }
    if (request->guilty != SIZE_MAX) {
        refuse_too_long(embed, ticket);
        return;
    }
    if (!embed->lane) {
        ticket->is_working = true;
        ticket->work = (struct work){.run = run_local, .on_done = on_worked};
        loop_work(embed->loop, &ticket->work);
        return;
    }
    uint64_t now_ms = loop_now_ms(embed->loop);
    if (request->deadline_ms)
        timer_start(embed->loop, &ticket->deadline,
                    request->deadline_ms > now_ms ? request->deadline_ms - now_ms : 0, on_deadline);
    lane_add(embed->lane, ticket);
}

void embed_cancel(struct embed *embed, struct embed_request *request)
{
    struct ticket *ticket = request->private_state;
    struct error err;
    assert(ticket && ticket->embed == embed); /* between embed_submit() and on_done only */
    if (ticket->has_failed || request->open_chunks == 0)
        return; /* it has ended already; on_done is on its way */
    error_set(&err, ERR_CANCELLED, "embeddings: cancelled");
    embed_ticket_done(ticket, &err);
}

static void on_lane_closed(void *arg)
{
    struct embed *embed = arg;
    embed->is_lane_closed = true;
    tell_soon(embed);
}

static void close_when_empty(struct embed *embed)
{
    if (!embed->is_closing || !embed->is_lane_closed || embed->tickets.count || embed->done.count)
        return;
    void (*on_closed)(void *arg) = embed->on_closed;
    void *arg = embed->closed_arg;
    later_cancel(embed->loop, &embed->telling); /* on_done may have closed us */
    free_embed(embed);
    on_closed(arg);
}

void embed_close(struct embed *embed, void (*on_closed)(void *arg), void *arg)
{
    if (!embed) {
        on_closed(arg);
        return;
    }
    struct error err;
    error_set(&err, ERR_SHUTDOWN, "embeddings: the worker is stopping");
    embed->is_closing = true;
    embed->on_closed = on_closed;
    embed->closed_arg = arg;
    LIST_FOR_EACH(&embed->tickets, node)
        embed_ticket_done(container_of(node, struct ticket, node), &err);
    if (embed->lane)
        lane_close(embed->lane, on_lane_closed, embed);
    else
        embed->is_lane_closed = true;
    tell_soon(embed);
}

bool embed_is_parked(const struct embed *embed, struct error *ret_why)
{
    return embed->lane && lane_is_parked(embed->lane, ret_why);
}

uint32_t embed_dimension_count(const struct embed *embed)
{
    return embed->options.dimension_count;
}
