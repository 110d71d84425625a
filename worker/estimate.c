#include "worker/estimate.h"

static const struct {
    const char *model;
    double per_million;
    const char *source;
} PRICES[] = {
    {"text-embedding-3-large", 0.13,
     "developers.openai.com/api/docs/models/text-embedding-3-large, 2026-11"},
    {"text-embedding-3-small", 0.02,
     "developers.openai.com/api/docs/models/text-embedding-3-small, 2026-11"},
    {"text-embedding-ada-002", 0.10,
     "developers.openai.com/api/docs/models/text-embedding-ada-002, 2026-11"},
};

struct estimate_price estimate_price_of(struct text configured, struct text model,
                                        struct text base_url)
{
    struct estimate_price price = {0};
    if (configured.bytes) {
        price.source = "MILLRACE_TOKEN_PRICE";
        price.is_known = text_parse_double(configured, &price.per_million);
        return price;
    }
    if (!text_starts_with(base_url, TEXT("https://api.openai.com/")))
        return price;
    for (size_t i = 0; i < COUNT_OF(PRICES); i++)
        if (text_equal(model, text_from(PRICES[i].model)))
            price = (struct estimate_price){true, PRICES[i].per_million, "USD", PRICES[i].source};
    return price;
}

static uint64_t shares(uint64_t count, uint64_t of)
{
    return (count + of - 1) / of;
}

void estimate_add_chunks(struct estimate_counts *counts, uint64_t chunks)
{
    counts->chunks += chunks;
    counts->upserts += shares(chunks, ESTIMATE_UPSERT_VECTORS);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

struct estimate_time estimate_time_of(const struct estimate_counts *counts,
                                      const struct estimate_lanes *lanes)
{
    uint64_t by_inputs = shares(counts->chunks, ESTIMATE_CALL_INPUTS);
    uint64_t by_tokens = shares(counts->tokens, ESTIMATE_CALL_TOKENS);
    struct estimate_time time = {
        .reading_ms = counts->reading_ms,
        .embed_calls = lanes->is_embedded_here ? 0 : larger(by_inputs, by_tokens),
        .storing_ms = shares(counts->upserts, lanes->store_requests) * ESTIMATE_UPSERT_MS,
    };
    time.embedding_ms = shares(time.embed_calls, lanes->embed_requests) * ESTIMATE_EMBED_MS;
    time.all_ms = larger(time.reading_ms, larger(time.embedding_ms, time.storing_ms));
    if (counts->chunks) /* the last document still goes through the other two */
        time.all_ms += (time.embed_calls ? ESTIMATE_EMBED_MS : 0) + ESTIMATE_UPSERT_MS;
    return time;
}

void estimate_append_ms(struct buffer *out, uint64_t ms)
{
    if (ms < 1000)
        buffer_append_text(out, TEXT("less than a second"));
    else if (ms < 120000)
        buffer_format(out, "about %llu s", (unsigned long long)((ms + 500) / 1000));
    else if (ms < 7200000)
        buffer_format(out, "about %llu min", (unsigned long long)((ms + 30000) / 60000));
    else
        buffer_format(out, "about %.1f h", (double)ms / 3600000);
}

void estimate_append_money(struct buffer *out, double amount)
{
    int digits = 2;
    for (double least = 0.1; amount > 0 && amount < least && digits < 9; least /= 10)
        digits++;
    buffer_format(out, "%.*f", digits, amount);
}
