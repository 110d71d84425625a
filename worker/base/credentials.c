#include "worker/base/credentials.h"

#include <assert.h>

#include "worker/base/credentials_private.h"
#include "worker/base/memory.h"

#define CONNECT_TIMEOUT_MS 1000
#define ATTEMPT_REST_MS 300
#define REST_MS_FIRST 1000u /* after a fetch that failed; doubled with each */
#define REST_MS_MAX 60000u

static const struct credentials_source *const CHAIN[] = {
    &CREDENTIALS_ENVIRONMENT, &CREDENTIALS_WEB_IDENTITY, &CREDENTIALS_PROFILE,
    &CREDENTIALS_CONTAINER,   &CREDENTIALS_INSTANCE,
};

struct credentials {
    struct loop *loop;
    struct http *http; /* opened by the first fetch that needs it */
    char *region;
    const struct credentials_source *source; /* NULL: anonymous */
    struct credentials_fetch fetch;
    struct credentials_key key;
    struct credentials_times times; /* of the key */
    uint64_t rest_until_ms;         /* loop clock: no fetch before */
    bool is_fetching, is_nobody_there, is_closing;
    unsigned attempts, failures;
    struct error last_err;
    struct list waiting;
    struct later serving, closing;
    struct timer again;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

static void advance(struct credentials *credentials);
static void serve(struct later *later);

/* ---- who asks -------------------------------------------------------------------------------- */

static bool has_valid_key(const struct credentials *credentials)
{
    return credentials->key.id &&
           loop_wall_ms(credentials->loop) < credentials->times.valid_until_ms;
}

static bool is_refresh_due(const struct credentials *credentials)
{
    bool is_old =
        !credentials->key.id || loop_wall_ms(credentials->loop) >= credentials->times.refresh_ms;
    return credentials->source && is_old && !credentials->is_fetching &&
           loop_now_ms(credentials->loop) >= credentials->rest_until_ms;
}

static bool must_wait(const struct credentials *credentials)
{
    return credentials->is_fetching &&
           (!credentials->key.id || loop_wall_ms(credentials->loop) >= credentials->times.block_ms);
}

static void answer(struct credentials *credentials, struct credentials_request *request)
{
    struct aws_key key = {text_from(credentials->key.id), text_from(credentials->key.secret),
                          text_from(credentials->key.session_token)};
    if (has_valid_key(credentials))
        request->on_done(request, &key, NULL);
    else if (!credentials->source || credentials->is_nobody_there)
        request->on_done(request, NULL, NULL);
    else
        request->on_done(request, NULL, &credentials->last_err);
}

static void serve_later(struct credentials *credentials)
{
    if (!list_is_member(&credentials->serving.waiting))
        loop_later(credentials->loop, &credentials->serving, serve);
}

/* ---- a fetch --------------------------------------------------------------------------------- */

static void release_fetch(struct credentials *credentials)
{
    struct credentials_fetch *fetch = &credentials->fetch;
    http_request_release(&fetch->http);
    struct buffer *buffers[] = {&fetch->url, &fetch->body, &fetch->secret};
    for (size_t i = 0; i < COUNT_OF(buffers); i++) {
        if (buffers[i]->data)
            secret_wipe(buffers[i]->data, buffers[i]->allocated_bytes);
        buffer_release(buffers[i]);
    }
    credentials_key_wipe(&fetch->key);
}

static void begin_fetch(struct credentials *credentials)
{
    release_fetch(credentials);
    struct credentials_fetch *fetch = &credentials->fetch;
    fetch->answers = 0;
    fetch->url = buffer_new(CREDENTIALS_BYTES_MAX);
    fetch->body = buffer_new(4 * CREDENTIALS_BYTES_MAX); /* a token, each byte escaped */
    fetch->secret = buffer_new(CREDENTIALS_BYTES_MAX);
    advance(credentials);
}

static void end_fetch(struct credentials *credentials)
{
    release_fetch(credentials);
    credentials->is_fetching = false;
    credentials->attempts = 0;
    serve_later(credentials);
}

static void rest(struct credentials *credentials)
{
    unsigned doublings = credentials->failures < 6 ? credentials->failures : 6;
    uint64_t bound_ms = (uint64_t)REST_MS_FIRST << doublings;
    bound_ms = bound_ms < REST_MS_MAX ? bound_ms : REST_MS_MAX;
    credentials->failures++;
    credentials->rest_until_ms = loop_now_ms(credentials->loop) + bound_ms / 2 +
                                 rng_below(loop_rng(credentials->loop), bound_ms / 2);
}

static void take_key(struct credentials *credentials)
{
    bool is_same = text_equal(text_from(credentials->key.id), text_from(credentials->fetch.key.id));
    credentials_key_wipe(&credentials->key);
    credentials->key = credentials->fetch.key;
    credentials->fetch.key = (struct credentials_key){0};
    credentials->is_nobody_there = false;
    credentials->times = credentials_times_of(&credentials->key, loop_wall_ms(credentials->loop),
                                              loop_rng(credentials->loop));
    if (is_same)
        rest(credentials); /* the service has no other yet: asking at once would not help */
    else
        credentials->failures = 0;
    end_fetch(credentials);
}

static void find_nobody(struct credentials *credentials)
{
    credentials->failures = 6; /* what is not there now will hardly be there in a second */
    credentials->is_nobody_there = true;
    rest(credentials);
    end_fetch(credentials);
}

static void try_again(struct timer *timer)
{
    begin_fetch(container_of(timer, struct credentials, again));
}

static void fail_fetch(struct credentials *credentials, const struct error *err)
{
    if (++credentials->attempts < credentials->source->attempts_max && !credentials->is_closing) {
        timer_start(credentials->loop, &credentials->again, ATTEMPT_REST_MS, try_again);
        return;
    }
    credentials->last_err = *err;
    error_wrap(&credentials->last_err, "AWS key of %s", credentials->source->title);
    rest(credentials);
    end_fetch(credentials);
}

static void on_answer(struct http_request *http, const struct error *err)
{
    struct credentials_fetch *fetch = container_of(http, struct credentials_fetch, http);
    struct credentials *credentials = container_of(fetch, struct credentials, fetch);
    fetch->answers++;
    if (!err)
        advance(credentials);
    else if (credentials->source->is_optional && !credentials->key.id && !credentials->is_closing)
        find_nobody(credentials);
    else
        fail_fetch(credentials, err);
}

static bool open_http(struct credentials *credentials, struct error *err)
{
    struct http_options options = {
        .connections_max = 1, .connect_timeout_ms = CONNECT_TIMEOUT_MS, .lane = LANE_OTHER};
    if (!credentials->http)
        credentials->http = http_open(credentials->loop, &options, err);
    return credentials->http != NULL;
}

static void advance(struct credentials *credentials)
{
    struct credentials_fetch *fetch = &credentials->fetch;
    struct error err;
    switch (credentials->source->advance(fetch, &err)) {
    case FETCH_SEND:
        fetch->http.timeout_ms = credentials->source->timeout_ms;
        fetch->http.reply_bytes_max = CREDENTIALS_BYTES_MAX;
        fetch->http.on_done = on_answer;
        if (open_http(credentials, &err))
            http_send(credentials->http, &fetch->http);
        else
            fail_fetch(credentials, &err);
        return;
    case FETCH_DONE:
        take_key(credentials);
        return;
    case FETCH_NONE:
        find_nobody(credentials);
        return;
    case FETCH_FAILED:
        fail_fetch(credentials, &err);
        return;
    }
}

static void serve(struct later *later)
{
    struct credentials *credentials = container_of(later, struct credentials, serving);
    if (credentials->waiting.count && is_refresh_due(credentials)) {
        credentials->is_fetching = true;
        begin_fetch(credentials);
    }
    for (size_t count = credentials->waiting.count; count > 0 && !must_wait(credentials); count--) {
        struct list_node *node = list_first(&credentials->waiting);
        list_remove(&credentials->waiting, node);
        answer(credentials, container_of(node, struct credentials_request, waiting));
    }
}

/* ---- public ---------------------------------------------------------------------------------- */

static bool find_source(struct credentials *credentials, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(CHAIN) && !credentials->source; i++) {
        bool is_there = false;
        if (!CHAIN[i]->find(&credentials->fetch, &is_there, err))
            return false;
        if (is_there)
            credentials->source = CHAIN[i];
    }
    return true;
}

struct credentials *credentials_open(struct loop *loop, const struct credentials_options *options,
                                     struct error *err)
{
    struct credentials *credentials = xcalloc(1, sizeof(*credentials));
    credentials->loop = loop;
    list_init(&credentials->waiting);
    if (!options->getenv)
        return credentials;
    credentials->region = xstrdup(options->region);
    credentials->fetch.getenv = options->getenv;
    credentials->fetch.region = text_from(credentials->region);
    if (find_source(credentials, err))
        return credentials;
    credentials_close(credentials, NULL, NULL);
    return NULL;
}

void credentials_ask(struct credentials *credentials, struct credentials_request *request)
{
    list_push_back(&credentials->waiting, &request->waiting);
    serve_later(credentials);
}

void credentials_distrust(struct credentials *credentials, struct text id)
{
    bool is_renewable = credentials->key.expires_ms || credentials->key.reread_ms;
    if (is_renewable && text_equal(text_from(credentials->key.id), id))
        credentials->times.refresh_ms = credentials->times.block_ms = 0;
}

const char *credentials_source(const struct credentials *credentials)
{
    bool is_none = !credentials->source || credentials->is_nobody_there;
    return is_none ? "none, requests go unsigned" : credentials->source->title;
}

static void on_http_closed(void *arg)
{
    struct credentials *credentials = arg;
    void (*on_closed)(void *arg) = credentials->on_closed;
    void *closed_arg = credentials->closed_arg;
    later_cancel(credentials->loop, &credentials->serving);
    release_fetch(credentials);
    credentials_key_wipe(&credentials->key);
    xfree(credentials->region);
    xfree(credentials);
    if (on_closed)
        on_closed(closed_arg);
}

static void release(struct later *later)
{
    struct credentials *credentials = container_of(later, struct credentials, closing);
    assert(credentials->waiting.count == 0);
    timer_stop(credentials->loop, &credentials->again);
    http_close(credentials->http, on_http_closed, credentials); /* ends a fetch on its way */
}

void credentials_close(struct credentials *credentials, void (*on_closed)(void *arg), void *arg)
{
    if (!credentials) {
        if (on_closed)
            on_closed(arg);
        return;
    }
    credentials->is_closing = true;
    credentials->on_closed = on_closed;
    credentials->closed_arg = arg;
    loop_later(credentials->loop, &credentials->closing, release);
}
