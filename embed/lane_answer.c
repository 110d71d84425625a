/* What becomes of a bin when its call is answered. */
#include "embed/lane_private.h"

#define ATTEMPTS_MAX 6
#define ATTEMPTS_ALONE 3    /* then a probe tells whether it is the texts of a call */
#define ATTEMPTS_TOGETHER 2 /* then those who share a call are parted, if it seems to be theirs */
#define BACKOFF_MAX_MS 30000
#define RETRY_AFTER_MAX_MS 120000 /* longer wishes are asked about again after that */
#define CONFIG_PAUSE_MS 5000

/* ---- what becomes of a bin ------------------------------------------------------------------- */

static void bin_back(struct bin *bin)
{
    list_remove(&bin->lane->away, &bin->node);
}

static void drop(struct bin *bin)
{
    struct lane *lane = bin->lane;
    if (bin == lane->probe)
        lane->probe = NULL;
    bin_free(bin);
    lane_maybe_closed(lane);
}

/* Behind those that wait already: who fails again and again is never before its other half. */
static void send_again(struct bin *bin)
{
    list_push_back(&bin->lane->again, &bin->node);
    lane_pump_soon(bin->lane);
}

static void on_rested(struct timer *timer)
{
    struct bin *bin = container_of(timer, struct bin, rest);
    list_remove(&bin->lane->resting, &bin->node);
    send_again(bin);
}

static void rest(struct bin *bin, uint64_t delay_ms)
{
    list_push_back(&bin->lane->resting, &bin->node);
    timer_start(bin->lane->loop, &bin->rest, delay_ms, on_rested);
}

static void give_up(struct bin *bin, const struct error *err)
{
    bin_fail(bin, err);
    drop(bin);
}

static uint64_t jittered_backoff(struct lane *lane, uint32_t attempt)
{
    return backoff_ms(attempt, lane->options.backoff_ms, BACKOFF_MAX_MS,
                      rng_unit(loop_rng(lane->loop)));
}

/* Each tenant pays for a repetition of what it shares; who cannot goes without. */
static void collect(struct bin *bin, const struct error *err)
{
    struct budget *budget = bin->lane->options.budget;
    const struct uuid *paid = NULL;
    for (size_t i = 0; i < bin->slot_count; i++) {
        struct ticket *ticket = bin->slots[i].ticket;
        if (!ticket || (paid && uuid_equal(*paid, ticket->request->tenant->id)))
            continue;
        paid = &ticket->request->tenant->id;
        if (budget_pay_tenant(budget, *paid, loop_now_ms(bin->lane->loop)))
            continue;
        bin_forget(bin, ticket);
        embed_ticket_done(ticket, err);
    }
    bin_drop_empty(bin);
}

/* It fails again and again while others do not, or what comes is no answer to what was asked: one
 * of the texts may be why, and is found by halving. A wrong width is the model's. */
static bool is_suspect(const struct bin *bin, const struct error *err)
{
    bool is_odd_one = bin->answers != bin->lane->answers;
    bool is_no_answer = err->code == ERR_EMBED_VECTOR && bin->reply.wrong_width == 0;
    return bin->slot_count > 1 && bin->attempt >= ATTEMPTS_TOGETHER && (is_odd_one || is_no_answer);
}

/* Where nobody else is heard, something harmless is asked: when that is answered it is the texts,
 * and when it fails as well it is the server. */
static void probe(struct bin *bin)
{
    struct lane *lane = bin->lane;
    if (!lane->probe) {
        lane->probe = bin_new_probe(lane);
        lane->probe_no++;
        send_again(lane->probe);
    }
    bin->probe_no = lane->probe_no;
}

/* Those who share a call are not given up before its probe was heard. */
static bool has_tries_left(const struct bin *bin)
{
    const struct lane *lane = bin->lane;
    bool is_in_doubt = bin->slot_count > 1 && lane->probe && bin->probe_no == lane->probe_no;
    return bin->attempt < ATTEMPTS_MAX || is_in_doubt;
}

/* Both halves start again, at the same time. */
static void part(struct bin *bin, uint64_t delay_ms)
{
    bin->attempt = 1;
    struct bin *half = bin_halve(bin);
    rest(bin, delay_ms);
    rest(half, delay_ms);
}

/* A fault that may pass: the one place where calls are repeated. */
static void retry(struct bin *bin, const struct error *err)
{
    struct lane *lane = bin->lane;
    bin_note(bin, err);
    bin_drop_empty(bin);
    bin->attempt++;
    bool is_of_texts = is_suspect(bin, err);
    if (!is_of_texts && !has_tries_left(bin)) {
        give_up(bin, err);
        return;
    }
    collect(bin, err);
    if (bin->slot_count == 0 || !budget_pay(lane->options.budget, loop_now_ms(lane->loop))) {
        give_up(bin, err);
        return;
    }
    uint64_t delay_ms = jittered_backoff(lane, bin->attempt - 1);
    if (delay_ms < err->retry_after_ms)
        delay_ms = err->retry_after_ms;
    bin->answers = lane->answers;
    if (is_of_texts && bin->slot_count > 1) {
        part(bin, delay_ms);
        return;
    }
    if (bin->slot_count > 1 && bin->attempt >= ATTEMPTS_ALONE)
        probe(bin);
    rest(bin, delay_ms);
}

/* The whole lane waits; a fifth more at random, so that not everybody comes back at once. */
static void pause_lane(struct lane *lane, uint64_t delay_ms)
{
    uint64_t until_ms = loop_now_ms(lane->loop) + delay_ms +
                        (uint64_t)((double)delay_ms / 5 * rng_unit(loop_rng(lane->loop)));
    if (until_ms > lane->not_before_ms)
        lane->not_before_ms = until_ms;
}

static void wait_and_send_again(struct bin *bin, const struct error *err)
{
    struct lane *lane = bin->lane;
    uint64_t delay_ms = err->retry_after_ms;
    if (delay_ms == 0)
        delay_ms = 50 + jittered_backoff(lane, lane->pushed_back);
    lane->pushed_back++;
    pause_lane(lane, delay_ms < RETRY_AFTER_MAX_MS ? delay_ms : RETRY_AFTER_MAX_MS);
    bin_note(bin, err);
    send_again(bin);
}

static void slow_down(struct bin *bin, const struct error *err)
{
    struct lane *lane = bin->lane;
    bucket_slow_down(&lane->request_rate, loop_now_ms(lane->loop));
    bucket_slow_down(&lane->token_rate, loop_now_ms(lane->loop));
    wait_and_send_again(bin, err);
}

static void park_lane(struct lane *lane, const struct error *err, uint64_t pause_ms)
{
    lane->is_parked = true;
    metric_set(METRIC_LANE_PARKED, LANE_EMBED, 1);
    lane->parked_for = *err;
    pause_lane(lane, pause_ms);
}

static void park(struct bin *bin, const struct error *err)
{
    park_lane(bin->lane, err, bin->lane->options.probe_ms);
    bin_note(bin, err);
    send_again(bin);
}

static void misconfigured(struct bin *bin, const struct error *err)
{
    struct lane *lane = bin->lane;
    uint64_t pause_ms = (uint64_t)CONFIG_PAUSE_MS << lane->misconfigured;
    uint64_t longest_ms = lane->options.probe_ms;
    park_lane(lane, err, pause_ms < longest_ms ? pause_ms : longest_ms);
    if (lane->misconfigured < 4)
        lane->misconfigured++;
    give_up(bin, err);
}

/* One of the texts is at fault: halve until it is alone. Alone it gets a second chance, since some
 * servers call their own faults so, and this one is final for the document. */
static void find_guilty(struct bin *bin, const struct error *err)
{
    bin_drop_empty(bin);
    if (bin->slot_count == 0) {
        drop(bin);
    } else if (bin->slot_count > 1) {
        struct bin *half = bin_halve(bin);
        send_again(bin);
        send_again(half);
    } else if (!bin->was_refused) {
        bin->was_refused = true;
        bin_note(bin, err);
        rest(bin, jittered_backoff(bin->lane, 0));
    } else {
        bin->slots[0].ticket->request->guilty = bin->slots[0].chunk;
        give_up(bin, err);
    }
}

static void too_much(struct bin *bin, const struct error *err)
{
    struct batch_limits *limits = &bin->lane->limits;
    uint64_t fewer = bin->batch.tokens / 10 * 9;
    if (bin->slot_count > 1 && fewer && fewer < limits->tokens_max)
        limits->tokens_max = fewer;
    find_guilty(bin, err);
}

static void too_many(struct bin *bin, const struct error *err)
{
    struct batch_limits *limits = &bin->lane->limits;
    uint64_t fewer = (bin->batch.input_count + 1) / 2;
    if (bin->slot_count > 1 && fewer < limits->inputs_max)
        limits->inputs_max = fewer;
    find_guilty(bin, err);
}

static void without_base64(struct bin *bin, const struct error *err)
{
    if (!bin->lane->limits.is_base64) { /* it was not even asked for */
        misconfigured(bin, err);
        return;
    }
    bin->lane->limits.is_base64 = false;
    send_again(bin);
}

/* ---- answers --------------------------------------------------------------------------------- */

static uint64_t header_u64(const struct bin *bin, const char *name, uint64_t fallback)
{
    uint64_t value;
    return text_parse_u64(http_reply_header(&bin->call, name), &value) ? value : fallback;
}

static void learn_rates(struct lane *lane, const struct bin *bin)
{
    uint64_t now_ms = loop_now_ms(lane->loop);
    uint64_t limit = header_u64(bin, "x-ratelimit-limit-requests", 0);
    if (limit)
        bucket_learn(&lane->request_rate, limit,
                     header_u64(bin, "x-ratelimit-remaining-requests", limit),
                     lane->limiter.in_flight, now_ms);
    limit = header_u64(bin, "x-ratelimit-limit-tokens", 0);
    if (limit)
        bucket_learn(&lane->token_rate, limit,
                     header_u64(bin, "x-ratelimit-remaining-tokens", limit), lane->tokens_away,
                     now_ms);
}

static void refill(const struct bin *bin)
{
    const struct ticket *last = NULL;
    for (size_t i = 0; i < bin->slot_count; i++) {
        const struct ticket *ticket = bin->slots[i].ticket;
        if (ticket && ticket != last)
            budget_refill(bin->lane->options.budget, ticket->request->tenant->id);
        last = ticket ? ticket : last;
    }
}

static void go_on(struct lane *lane)
{
    lane->pushed_back = lane->misconfigured = 0;
    lane->answers++;
    if (!lane->is_parked)
        return;
    lane->is_parked = false;
    metric_set(METRIC_LANE_PARKED, LANE_EMBED, 0);
    lane_pump_soon(lane);
}

static void on_decoded(struct work *work)
{
    struct bin *bin = container_of(work, struct bin, work);
    struct lane *lane = bin->lane;
    bin_back(bin);
    http_request_release(&bin->call);
    if (lane->is_closing) {
        drop(bin);
        return;
    }
    metric_add(METRIC_TOKENS, 0, bin->reply.tokens);
    if (bin->reply.tokens)
        bucket_settle(&lane->token_rate, bin->batch.tokens, bin->reply.tokens);
    size_t wrong = bin->reply.wrong_width, width = lane->options.dimension_count;
    if (!bin->is_read && lane->limits.is_base64 && (wrong * 4 == width || wrong == width * 2)) {
        without_base64(bin, &bin->err); /* somebody on the way mistakes what base64 holds */
        return;
    }
    if (!bin->is_read) {
        retry(bin, &bin->err);
        return;
    }
    go_on(lane);
    refill(bin);
    bin_deliver(bin);
    if (bin->slot_count == 0) {
        drop(bin);
        return;
    }
    error_set(&bin->err, ERR_EMBED_VECTOR, "a vector that is not finite, or all zero");
    retry(bin, &bin->err);
}

static void judge(struct bin *bin)
{
    struct lane *lane = bin->lane;
    struct error err;
    enum verdict verdict =
        openai_judge(lane->server, bin->call.status, buffer_text(&bin->call.reply), &err);
    err.retry_after_ms = http_retry_after_ms(&bin->call, loop_wall_ms(lane->loop));
    error_wrap(&err, "embeddings");
    http_request_release(&bin->call);
    if (verdict == VERDICT_SLOW)
        limiter_halve(&lane->limiter, bin->permit);
    else if (verdict == VERDICT_WAIT || verdict == VERDICT_RETRY)
        limiter_push_back(&lane->limiter, bin->permit);
    else
        limiter_give_back(&lane->limiter);
    static void (*const CONSEQUENCES[])(struct bin *bin, const struct error *err) = {
        [VERDICT_WAIT] = wait_and_send_again,
        [VERDICT_SLOW] = slow_down,
        [VERDICT_BILLING] = park,
        [VERDICT_RETRY] = retry,
        [VERDICT_TOO_MUCH] = too_much,
        [VERDICT_TOO_MANY] = too_many,
        [VERDICT_FLOATS] = without_base64,
        [VERDICT_CONFIG] = misconfigured,
        [VERDICT_REFUSED] = find_guilty,
    };
    CONSEQUENCES[verdict](bin, &err);
}

static void on_unanswered(struct bin *bin, const struct error *err)
{
    struct lane *lane = bin->lane;
    struct error said = *err;
    if (err->code == ERR_TOO_LARGE) /* that is the answer, not a file */
        error_set(&said, ERR_PROTOCOL, "%s", err->message);
    error_wrap(&said, "embeddings");
    http_request_release(&bin->call);
    if (err->code == ERR_TIMEOUT)
        limiter_push_back(&lane->limiter, bin->permit);
    else
        limiter_give_back(&lane->limiter);
    retry(bin, &said);
}

/* Milliseconds for a thousand tokens; a small call, which is all overhead, counts as that much. */
static double latency_of(const struct bin *bin)
{
    const double unit_tokens = 1000;
    if (bin == bin->lane->probe)
        return 0; /* it tells nothing of calls with real texts */
    double tokens = (double)bin->batch.tokens;
    double took_ms = (double)(loop_now_ms(bin->lane->loop) - bin->sent_ms);
    return tokens > unit_tokens ? took_ms * unit_tokens / tokens : took_ms;
}

void lane_on_answer(struct http_request *call, const struct error *err)
{
    struct bin *bin = container_of(call, struct bin, call);
    struct lane *lane = bin->lane;
    buffer_release(&bin->body);
    lane->tokens_away -= bin->batch.tokens;
    if (!lane->is_closing && !err && call->status == 200) {
        limiter_succeed_after(&lane->limiter, latency_of(bin));
        learn_rates(lane, bin);
        bin_prepare_rows(bin, lane->options.dimension_count);
        bin->work = (struct work){.run = bin_decode, .on_done = on_decoded};
        loop_work(lane->loop, &bin->work);
        lane_pump_soon(lane);
        return;
    }
    bin_back(bin);
    lane_pump_soon(lane);
    if (lane->is_closing) {
        limiter_give_back(&lane->limiter);
        http_request_release(call);
        drop(bin);
    } else if (err) {
        on_unanswered(bin, err);
    } else {
        judge(bin);
    }
}
