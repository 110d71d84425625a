#include "queue/s3.h"

#include <string.h>
#include <unistd.h>

#include "queue/body.h"
#include "queue/s3_lane.h"
#include "queue/s3_private.h"
#include "worker/base/memory.h"

#define CONNECT_TIMEOUT_MS 10000
#define STALL_TIMEOUT_MS 30000
#define STALL_BYTES_PER_S 256 /* slower, a body of any size would only hold its place */
#define HASH_BYTES ((size_t)256 * 1024)
#define LIST_ARENA_BYTES ((size_t)4 * 1024 * 1024)
#define WAITS_MAX 6 /* of one request, when S3 asks to slow down */
#define WAIT_MS_FIRST 1000u
#define WAIT_MS_MAX 20000u
/* research/embed_store.md 8.4: one plain GET for what is small. */
#define RANGES_FROM_BYTES ((uint64_t)16 * 1024 * 1024)
#define RANGE_BYTES ((uint64_t)8 * 1024 * 1024)

static void ask(struct s3_call *call);

/* ---- the end --------------------------------------------------------------------------------- */

static void on_http_closed(void *arg)
{
    struct s3 *s3 = arg;
    void (*on_closed)(void *arg) = s3->on_closed;
    void *closed_arg = s3->closed_arg;
    s3_place_release(&s3->place);
    s3_lane_release(s3);
    xfree(s3);
    if (on_closed)
        on_closed(closed_arg);
}

static void on_credentials_closed(void *arg)
{
    struct s3 *s3 = arg;
    http_close(s3->http, on_http_closed, s3);
}

void s3_close_if_idle(struct s3 *s3)
{
    if (!s3->is_closing || s3->is_ended || s3->calls.count || s3->ranged_count)
        return;
    s3->is_ended = true; /* the end of a part may be the end of the whole: both come here */
    credentials_close(s3->credentials, on_credentials_closed, s3);
}

static void close_body(struct object_request *request)
{
    if (request->body_fd >= 0)
        close(request->body_fd);
    request->body_fd = -1;
}

static void finish(struct s3_call *call, const struct error *err)
{
    struct s3 *s3 = call->s3;
    struct object_request *request = call->request;
    bool is_given_up = call->is_cancelled || s3->is_closing;
    bool is_ok = !err && !is_given_up;
    struct error kept = {0}; /* err may live in the call */
    if (is_given_up)
        error_set(&kept, call->is_cancelled ? ERR_CANCELLED : ERR_SHUTDOWN, "given up");
    else if (err)
        kept = *err;
    if (!is_ok || request->is_unchanged)
        close_body(request);
    s3_lane_leave(call, S3_LANE_GIVEN_UP);
    list_remove(&s3->calls, &call->node);
    request->private_state = NULL;
    s3_call_release(call);
    arena_release(&call->arena);
    xfree(call->list);
    xfree(call->next_token);
    xfree(call);
    request->on_done(request, is_ok ? NULL : &kept);
    s3_close_if_idle(s3);
}

/* ---- what came ------------------------------------------------------------------------------- */

static void run_check(struct work *work)
{
    struct s3_call *call = container_of(work, struct s3_call, work);
    struct object_request *request = call->request;
    call->work_ok = body_checksum(request->body_fd, request->body_bytes, call->expected.kind,
                                  &call->computed, &call->err);
}

/* The same bytes twice under the same eTag: then it is the eTag that is no MD5. */
static bool came_before(const struct s3_call *call)
{
    return call->expected.kind == CHECKSUM_MD5 && checksum_equal(&call->first, &call->computed) &&
           strcmp(call->first_etag, call->request->etag) == 0;
}

static void on_checked(struct work *work)
{
    struct s3_call *call = container_of(work, struct s3_call, work);
    bool is_right = checksum_equal(&call->expected, &call->computed);
    bool is_final = call->is_cancelled || call->s3->is_closing || !call->work_ok;
    if (is_final || is_right) {
        finish(call, call->work_ok ? NULL : &call->err);
    } else if (came_before(call)) {
        call->s3->has_other_etags = true;
        finish(call, NULL);
    } else if (call->first.kind != CHECKSUM_NONE) {
        error_set(&call->err, ERR_CHECKSUM, "the body is not what its checksum says");
        finish(call, &call->err);
    } else {
        call->first = call->computed;
        memcpy(call->first_etag, call->request->etag, sizeof(call->first_etag));
        ask(call);
    }
}

static void take_body(struct s3_call *call)
{
    if (call->request->is_unchanged) {
        finish(call, NULL);
        return;
    }
    if (!body_seal(call->request->body_fd, &call->err)) {
        finish(call, &call->err);
        return;
    }
    call->expected = s3_call_checksum(call);
    if (call->expected.kind == CHECKSUM_NONE) {
        finish(call, NULL);
        return;
    }
    call->stage = S3_WORKING;
    call->work = (struct work){.run = run_check, .on_done = on_checked};
    loop_work(call->s3->loop, &call->work);
}

static void take_page(struct s3_call *call)
{
    struct object_request *request = call->request;
    struct s3_list *list = call->list;
    if (call->next_token && text_equal(list->next_token, text_from(call->next_token))) {
        error_set(&call->err, ERR_PROTOCOL, "the list does not get on: the same page again");
        finish(call, &call->err);
        return;
    }
    xfree(call->next_token);
    call->next_token = list->next_token.bytes ? xstrdup(list->next_token) : NULL;
    bool wants_more =
        !list->entry_count || request->on_entries(request, list->entries, list->entry_count);
    if (wants_more && call->next_token && !call->is_cancelled)
        ask(call);
    else
        finish(call, NULL);
}

/* SlowDown is no failure of anybody's: whoever is in the lane waits, the request is sent again. */
static bool wait_and_ask(struct s3_call *call, const struct error *refusal)
{
    struct s3 *s3 = call->s3;
    uint64_t now_ms = loop_now_ms(s3->loop), wait_ms = refusal->retry_after_ms;
    if (refusal->code != ERR_THROTTLED || call->waits == WAITS_MAX)
        return false;
    if (!wait_ms)
        wait_ms = rng_below(loop_rng(s3->loop), (uint64_t)WAIT_MS_FIRST << call->waits) + 1;
    if (wait_ms > WAIT_MS_MAX || now_ms + wait_ms >= call->deadline_ms)
        return false;
    call->waits++;
    if (s3->quiet_until_ms < now_ms + wait_ms)
        s3->quiet_until_ms = now_ms + wait_ms;
    ask(call);
    return true;
}

static enum s3_lane_end lane_end_of(const struct s3_call *call, const struct error *err)
{
    unsigned status = call->http.status;
    if (err ? err->code == ERR_TIMEOUT : status == 429 || status == 503)
        return S3_LANE_PUSHED_BACK;
    return err ? S3_LANE_GIVEN_UP : S3_LANE_SERVED;
}

static void on_answer(struct http_request *http, const struct error *err)
{
    struct s3_call *call = container_of(http, struct s3_call, http);
    struct object_request *request = call->request;
    struct error refusal;
    call->stage = S3_WORKING; /* nothing is left that http_cancel() could end */
    s3_lane_leave(call, lane_end_of(call, err));
    if (err || call->is_cancelled || call->s3->is_closing) {
        finish(call, err);
    } else if (s3_learn(call)) {
        ask(call);
    } else if (request->verb == OBJECT_HEAD && http->status == 404 && !call->is_probe) {
        call->is_probe = true;
        ask(call);
    } else if (!s3_call_read(call, &refusal)) {
        if (!wait_and_ask(call, &refusal))
            finish(call, &refusal);
    } else if (call->piece) {
        call->piece->expected = s3_call_checksum(call);
        finish(call, NULL);
    } else if (request->verb == OBJECT_GET) {
        take_body(call);
    } else if (request->verb == OBJECT_LIST) {
        take_page(call);
    } else {
        finish(call, NULL);
    }
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static bool send(struct s3_call *call, const struct aws_key *key, struct error *err)
{
    struct s3 *s3 = call->s3;
    uint64_t now_ms = loop_now_ms(s3->loop);
    if (call->deadline_ms <= now_ms)
        return error_set(err, ERR_TIMEOUT, "no time is left to ask once more");
    if (call->request->verb == OBJECT_GET && !call->piece) {
        close_body(call->request);
        call->request->body_fd = body_new(err);
        if (call->request->body_fd < 0)
            return false;
    }
    s3_call_release(call);
    if (!s3_call_build(call, key, err))
        return false;
    call->http.timeout_ms = call->deadline_ms - now_ms;
    call->http.on_done = on_answer;
    call->stage = S3_SENT;
    http_send(s3->http, &call->http);
    return true;
}

static void on_key(struct credentials_request *asking, const struct aws_key *key,
                   const struct error *err)
{
    struct s3_call *call = container_of(asking, struct s3_call, asking);
    struct error refusal;
    if (err || call->is_cancelled || call->s3->is_closing)
        finish(call, err);
    else if (!send(call, key, &refusal))
        finish(call, &refusal);
}

void s3_call_start(struct s3_call *call)
{
    struct s3 *s3 = call->s3;
    if (!call->deadline_ms)
        call->deadline_ms = loop_now_ms(s3->loop) + s3->timeout_ms;
    call->stage = S3_ASKING;
    call->asking = (struct credentials_request){.on_done = on_key};
    credentials_ask(s3->credentials, &call->asking);
}

static void on_rested(struct timer *timer)
{
    struct s3_call *call = container_of(timer, struct s3_call, rest);
    if (call->is_cancelled || call->s3->is_closing)
        finish(call, NULL);
    else
        s3_lane_join(call);
}

static void ask(struct s3_call *call)
{
    struct s3 *s3 = call->s3;
    uint64_t now_ms = loop_now_ms(s3->loop);
    if (call->request->verb == OBJECT_LIST) /* each page has its own time */
        call->deadline_ms = 0;
    if (now_ms >= s3->quiet_until_ms) {
        s3_lane_join(call);
        return;
    }
    uint64_t quiet_ms = s3->quiet_until_ms - now_ms;
    call->stage = S3_RESTING; /* and not all at once afterwards */
    timer_start(s3->loop, &call->rest, quiet_ms + rng_below(loop_rng(s3->loop), quiet_ms / 2 + 1),
                on_rested);
}

static bool hash_body(struct s3_call *call)
{
    struct object_request *request = call->request;
    AUTO_FREE char *block = xmalloc(HASH_BYTES);
    struct sha256 *sha256 = sha256_new();
    uint8_t hash[SHA256_BYTES];
    uint64_t at = 0;
    ssize_t bytes = 1;
    while (at < request->put_bytes && bytes > 0) {
        uint64_t left = request->put_bytes - at;
        bytes =
            pread(request->put_fd, block, left < HASH_BYTES ? (size_t)left : HASH_BYTES, (off_t)at);
        if (bytes > 0)
            sha256_add(sha256, block, (size_t)bytes);
        at += bytes > 0 ? (uint64_t)bytes : 0;
    }
    sha256_finish(sha256, hash);
    hex_format(hash, sizeof(hash), call->body_hash);
    return at == request->put_bytes ||
           error_set(&call->err, ERR_IO, "the file to upload is shorter than it was");
}

static void run_hash(struct work *work)
{
    struct s3_call *call = container_of(work, struct s3_call, work);
    call->work_ok = hash_body(call);
}

static void on_hashed(struct work *work)
{
    struct s3_call *call = container_of(work, struct s3_call, work);
    if (!call->work_ok || call->is_cancelled || call->s3->is_closing)
        finish(call, &call->err);
    else
        ask(call);
}

/* ---- public ---------------------------------------------------------------------------------- */

static bool take_customer_key(struct s3 *s3, struct text base64, struct error *err)
{
    uint8_t key[32], md5[16];
    size_t bytes;
    if (!base64.bytes)
        return true;
    if (!base64_decode(base64, key, sizeof(key), &bytes) || bytes != sizeof(key))
        return error_set(err, ERR_CONFIG, "S3_SSE_CUSTOMER_KEY is not 32 bytes in base64");
    if (!s3->place.is_https)
        return error_set(err, ERR_CONFIG, "S3_SSE_CUSTOMER_KEY may travel over https only");
    md5_of((struct text){(const char *)key, sizeof(key)}, md5);
    base64_encode((struct text){(const char *)key, sizeof(key)}, s3->sse_key);
    base64_encode((struct text){(const char *)md5, sizeof(md5)}, s3->sse_key_md5);
    secret_wipe(key, sizeof(key));
    return true;
}

static bool open_parts(struct s3 *s3, const struct objects_options *options, struct error *err)
{
    struct http_options http = {.connections_max = options->connections_max,
                                .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                .stall_timeout_ms = STALL_TIMEOUT_MS,
                                .stall_bytes_per_s = STALL_BYTES_PER_S,
                                .lane = LANE_OBJECT};
    struct credentials_options keys = {.getenv = options->getenv, .region = options->region};
    if (!s3_place_init(&s3->place, options, err) ||
        !take_customer_key(s3, options->sse_customer_key, err))
        return false;
    s3->credentials = credentials_open(s3->loop, &keys, err);
    s3->http = s3->credentials ? http_open(s3->loop, &http, err) : NULL;
    return s3->http != NULL;
}

struct s3 *s3_open(struct loop *loop, const struct objects_options *options, struct error *err)
{
    struct s3 *s3 = xcalloc(1, sizeof(*s3));
    s3->loop = loop;
    s3->bytes_max = options->bytes_max;
    s3->timeout_ms = options->timeout_ms;
    s3->requester_pays = options->requester_pays;
    s3->ranges_from_bytes = RANGES_FROM_BYTES;
    s3->range_bytes = RANGE_BYTES;
    list_init(&s3->calls);
    s3_lane_init(s3, options->connections_max);
    if (open_parts(s3, options, err))
        return s3;
    credentials_close(s3->credentials, NULL, NULL);
    s3_place_release(&s3->place);
    s3_lane_release(s3);
    xfree(s3);
    return NULL;
}

void s3_send_piece(struct s3 *s3, struct object_request *request, struct s3_piece *piece)
{
    struct s3_call *call = xcalloc(1, sizeof(*call));
    call->s3 = s3;
    call->request = request;
    call->piece = piece;
    call->arena = arena_new(LIST_ARENA_BYTES);
    if (request->verb == OBJECT_LIST)
        call->list = xcalloc(1, sizeof(*call->list));
    request->private_state = call;
    list_push_back(&s3->calls, &call->node);
    if (request->verb != OBJECT_PUT || s3->place.is_https) {
        ask(call);
        return;
    }
    call->stage = S3_WORKING;
    call->work = (struct work){.run = run_hash, .on_done = on_hashed};
    loop_work(s3->loop, &call->work);
}

void s3_send_whole(struct s3 *s3, struct object_request *request)
{
    s3_send_piece(s3, request, NULL);
}

void s3_send(struct s3 *s3, struct object_request *request)
{
    if (s3_wants_ranges(s3, request))
        s3_ranges_start(s3, request);
    else
        s3_send_whole(s3, request);
}

const char *s3_key_source(const struct s3 *s3)
{
    return credentials_source(s3->credentials);
}

/* Whoever answers next sees that it is given up; a rest, or the wait for a permit, ends now. */
static void wake(struct s3_call *call)
{
    if (call->stage == S3_SENT)
        http_cancel(call->s3->http, &call->http);
    if (call->stage != S3_RESTING && call->stage != S3_WAITING)
        return;
    if (call->stage == S3_WAITING)
        s3_lane_forget(call);
    call->stage = S3_RESTING;
    timer_start(call->s3->loop, &call->rest, 0, on_rested);
}

void s3_cancel(struct s3 *s3, struct object_request *request)
{
    struct s3_call *call = request->private_state;
    (void)s3;
    if (request->private_parts) {
        s3_ranges_cancel(request);
    } else {
        call->is_cancelled = true;
        wake(call);
    }
}

void s3_close(struct s3 *s3, void (*on_closed)(void *arg), void *arg)
{
    s3->is_closing = true;
    s3->on_closed = on_closed;
    s3->closed_arg = arg;
    LIST_FOR_EACH(&s3->calls, node) {
        wake(container_of(node, struct s3_call, node));
    }
    s3_close_if_idle(s3);
}
