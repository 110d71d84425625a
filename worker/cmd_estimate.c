/*
 * millrace estimate TENANT WHAT...: what a submission of the same would cost, before it is paid for.
 *
 * Everything is read by the same helper within the same sandbox and cut by the same chunker as in
 * `work`; nothing is stored, no embedding is asked for.
 */
#include <stdio.h>

#include "chunker/tokens.h"
#include "extract/extract.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/base/signals.h"
#include "worker/chunking.h"
#include "worker/cmd.h"
#include "worker/cmd_ask.h"
#include "worker/collect.h"
#include "worker/estimate.h"
#include "worker/measure.h"
#include "worker/rows.h"

#define LINE_BYTES_MAX ((size_t)32 * 1024)
#define NAME_COLUMNS 44

struct estimation {
    struct app app;
    struct config config;
    struct tenant tenant;
    struct collect collect;
    struct sources sources;
    struct measured *results;
    size_t done_count, told_count; /* told: in order, so behind those that are done */
    struct estimate_counts counts;
    struct estimate_price price;
    bool is_json, is_exact;
    struct term term; /* stderr: talk */
};

/* ---- one document ---------------------------------------------------------------------------- */

static double price_of(const struct estimation *estimation, uint64_t tokens)
{
    return (double)tokens * estimation->price.per_million / 1e6;
}

static const char *outcome_of(const struct measured *result)
{
    if (!result->has_failed)
        return "success";
    return error_disposition(result->code) == DISPOSITION_SKIP ? "skipped" : "failed";
}

static void write_document(const struct estimation *estimation, size_t index, struct buffer *line)
{
    const struct source *source = &estimation->sources.items[index];
    const struct measured *result = &estimation->results[index];
    struct json_writer writer = json_writer_new(line);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "kind", TEXT("document"));
    json_write_text(&writer, "from", text_from(source->name));
    json_write_text(&writer, "key", text_from(source->key));
    json_write_text(&writer, "outcome", text_from(outcome_of(result)));
    if (result->has_failed) {
        json_write_text(&writer, "code", text_from(error_name(result->code)));
        json_write_text(&writer, "message", text_from(result->message));
        json_write_text(&writer, "remedy", text_from(error_remedy(result->code)));
    } else {
        json_write_u64(&writer, "pages", result->pages);
        json_write_u64(&writer, "pages_skipped", result->pages_skipped);
        json_write_u64(&writer, "chunks", result->chunks);
        json_write_u64(&writer, "tokens", result->tokens);
        if (estimation->price.is_known)
            json_write_number(&writer, "price", price_of(estimation, result->tokens));
    }
    json_write_u64(&writer, "bytes", result->bytes);
    json_write_u64(&writer, "cpu_us", result->cpu_us);
    json_close_object(&writer);
}

static void append_number(struct buffer *line, uint64_t number, unsigned columns)
{
    AUTO_BUFFER struct buffer digits = buffer_new(64);
    term_append_count(&digits, number);
    buffer_format(line, "%*s", (int)columns, buffer_string(&digits));
}

static void append_row(const struct estimation *estimation, size_t index, struct buffer *line)
{
    const struct measured *result = &estimation->results[index];
    AUTO_BUFFER struct buffer money = buffer_new(64);
    struct text name = file_of_key(text_from(estimation->sources.items[index].key));
    if (result->has_failed) {
        buffer_format(line, "%37s  ", outcome_of(result));
        term_append_foreign(line, name, NAME_COLUMNS - 4);
        buffer_format(line, "\n%9s%s", "", error_sentence(result->code));
        return;
    }
    append_number(line, result->pages, 7);
    append_number(line, result->chunks, 8);
    append_number(line, result->tokens, 11);
    if (estimation->price.is_known)
        estimate_append_money(&money, price_of(estimation, result->tokens));
    buffer_format(line, "%11s  ", buffer_string(&money));
    term_append_foreign(line, name, NAME_COLUMNS - 4);
}

static void tell_document(const struct estimation *estimation, size_t index)
{
    AUTO_BUFFER struct buffer line = buffer_new(LINE_BYTES_MAX);
    if (estimation->is_json)
        write_document(estimation, index, &line);
    else
        append_row(estimation, index, &line);
    buffer_append_char(&line, '\n');
    term_write(stdout, buffer_text(&line));
}

/* Pages count as in a job: also those of a document that could not be read to its end. */
static void add_up(struct estimation *estimation, const struct measured *result)
{
    struct estimate_counts *counts = &estimation->counts;
    counts->documents++;
    counts->bytes += result->bytes;
    counts->pages += result->pages;
    counts->unreadable += result->has_failed;
    if (result->has_failed)
        return;
    counts->tokens += result->tokens;
    estimate_add_chunks(counts, result->chunks);
}

/* In the order of the documents; the progress below is drawn anew. */
static void on_measured(void *arg, size_t index)
{
    struct estimation *estimation = arg;
    size_t count = estimation->sources.count;
    AUTO_BUFFER struct buffer line = buffer_new(LINE_BYTES_MAX);
    (void)index;
    estimation->done_count++;
    if (estimation->term.is_terminal)
        term_redraw(&estimation->term, TEXT_NONE);
    while (estimation->told_count < count && estimation->results[estimation->told_count].is_done) {
        add_up(estimation, &estimation->results[estimation->told_count]);
        tell_document(estimation, estimation->told_count++);
    }
    if (!estimation->term.is_terminal || estimation->done_count == count)
        return;
    term_append_bar(&line, estimation->done_count, count, 32);
    buffer_format(&line, " %zu/%zu read\n", estimation->done_count, count);
    term_redraw(&estimation->term, buffer_text(&line));
}

/* ---- all of them ----------------------------------------------------------------------------- */

static struct estimate_lanes lanes_of(const struct estimation *estimation)
{
    const struct config *config = &estimation->config;
    return (struct estimate_lanes){
        .embed_requests = config->embed_requests,
        .store_requests = config->store_requests,
        .is_embedded_here = config->embedder == CONFIG_LOCAL,
    };
}

static void write_assumptions(const struct estimation *estimation, struct json_writer *writer)
{
    const struct config *config = &estimation->config;
    json_open_object(writer, "assumes");
    json_write_u64(writer, "workers", 1);
    json_write_u64(writer, "extract_slots", extract_figures(estimation->app.extract).slots_max);
    json_write_u64(writer, "embed_requests", config->embed_requests);
    json_write_u64(writer, "embed_call_ms", ESTIMATE_EMBED_MS);
    json_write_u64(writer, "store_requests", config->store_requests);
    json_write_u64(writer, "upsert_ms", ESTIMATE_UPSERT_MS);
    json_close_object(writer);
}

static void write_total(const struct estimation *estimation, struct buffer *out)
{
    const struct estimate_counts *counts = &estimation->counts;
    const struct estimate_price *price = &estimation->price;
    struct estimate_lanes lanes = lanes_of(estimation);
    struct estimate_time time = estimate_time_of(counts, &lanes);
    struct json_writer writer = json_writer_new(out);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "kind", TEXT("estimate"));
    json_write_u64(&writer, "documents", counts->documents);
    json_write_u64(&writer, "unreadable", counts->unreadable);
    json_write_u64(&writer, "bytes", counts->bytes);
    json_write_u64(&writer, "pages", counts->pages);
    json_write_u64(&writer, "chunks", counts->chunks);
    json_write_u64(&writer, "tokens", counts->tokens);
    json_write_bool(&writer, "tokens_are_exact", estimation->is_exact);
    if (price->is_known) {
        json_write_number(&writer, "price", price_of(estimation, counts->tokens));
        json_write_number(&writer, "price_per_million", price->per_million);
        json_write_text(&writer, "price_source", text_from(price->source));
        if (price->currency)
            json_write_text(&writer, "currency", text_from(price->currency));
    }
    json_write_u64(&writer, "embed_calls", time.embed_calls);
    json_write_u64(&writer, "upserts", counts->upserts);
    json_write_number(&writer, "seconds", (double)time.all_ms / 1000);
    json_write_number(&writer, "seconds_reading", (double)time.reading_ms / 1000);
    json_write_number(&writer, "seconds_embedding", (double)time.embedding_ms / 1000);
    json_write_number(&writer, "seconds_storing", (double)time.storing_ms / 1000);
    write_assumptions(estimation, &writer);
    json_close_object(&writer);
    buffer_append_char(out, '\n');
}

static void append_counts(const struct estimation *estimation, struct buffer *out)
{
    const struct estimate_counts *counts = &estimation->counts;
    buffer_append_char(out, '\n');
    term_append_count(out, counts->documents);
    buffer_append_text(out, counts->documents == 1 ? TEXT(" document") : TEXT(" documents"));
    if (counts->unreadable)
        buffer_format(out, " (%llu cannot be read)", (unsigned long long)counts->unreadable);
    buffer_append_text(out, TEXT(", "));
    term_append_count(out, counts->pages);
    buffer_append_text(out, TEXT(" pages, "));
    term_append_count(out, counts->chunks);
    buffer_append_text(out, TEXT(" chunks, "));
    term_append_count(out, counts->tokens);
    buffer_append_text(out, estimation->is_exact
                                ? TEXT(" tokens\n")
                                : TEXT(" bytes, which no count of tokens exceeds\n"));
}

static void append_price(const struct estimation *estimation, struct buffer *out)
{
    const struct estimate_price *price = &estimation->price;
    buffer_append_text(out, TEXT("price  "));
    if (estimation->config.embedder == CONFIG_LOCAL) {
        buffer_append_text(out, TEXT("none: the local embedder\n"));
        return;
    }
    if (!price->is_known) {
        buffer_format(out, "not known for %s: set MILLRACE_TOKEN_PRICE\n",
                      estimation->config.embedding_model.start);
        return;
    }
    buffer_append_text(out, estimation->is_exact ? TEXT("") : TEXT("at most "));
    estimate_append_money(out, price_of(estimation, estimation->counts.tokens));
    buffer_format(out, "%s%s at %g a million tokens\n       (%s)\n", price->currency ? " " : "",
                  price->currency ? price->currency : "", price->per_million, price->source);
}

static void append_lane(struct buffer *out, const char *what, uint64_t ms)
{
    buffer_format(out, "       %-10s ", what);
    estimate_append_ms(out, ms);
}

static void append_time(const struct estimation *estimation, struct buffer *out)
{
    const struct estimate_counts *counts = &estimation->counts;
    struct estimate_lanes lanes = lanes_of(estimation);
    struct estimate_time time = estimate_time_of(counts, &lanes);
    buffer_append_text(out, TEXT("time   "));
    estimate_append_ms(out, time.all_ms);
    buffer_append_text(out, TEXT(" with one worker on a machine like this\n"));
    append_lane(out, "reading", time.reading_ms);
    buffer_format(out, ": measured, %u at once\n",
                  extract_figures(estimation->app.extract).slots_max);
    if (!lanes.is_embedded_here) {
        append_lane(out, "embedding", time.embedding_ms);
        buffer_format(out, ": %llu calls, %u at once, assumed %.1f s each\n",
                      (unsigned long long)time.embed_calls, lanes.embed_requests,
                      (double)ESTIMATE_EMBED_MS / 1000);
    }
    append_lane(out, "storing", time.storing_ms);
    buffer_format(out, ": %llu requests, %u at once, assumed %.1f s each\n",
                  (unsigned long long)counts->upserts, lanes.store_requests,
                  (double)ESTIMATE_UPSERT_MS / 1000);
}

static int tell_total(struct estimation *estimation)
{
    AUTO_BUFFER struct buffer out = buffer_new(LINE_BYTES_MAX);
    if (estimation->is_json) {
        write_total(estimation, &out);
    } else {
        append_counts(estimation, &out);
        append_price(estimation, &out);
        append_time(estimation, &out);
    }
    term_write(stdout, buffer_text(&out));
    if (!estimation->is_json && estimation->config.embedder != CONFIG_LOCAL)
        fputs("What is stored already and has not changed costs nothing; a provider's limit of\n"
              "tokens a minute may make it longer.\n",
              stderr);
    return estimation->counts.unreadable ? EXIT_SOME_FAILED : EXIT_DONE;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int measure(struct estimation *estimation)
{
    struct error err;
    estimation->results = xcalloc(estimation->sources.count, sizeof(*estimation->results));
    const struct measure_order order = {.app = &estimation->app,
                                        .sources = &estimation->sources,
                                        .results = estimation->results,
                                        .arg = estimation,
                                        .on_measured = on_measured};
    if (!estimation->is_json)
        fputs("  pages  chunks     tokens      price  document\n", stdout);
    uint64_t start_ms = loop_now_ms(estimation->app.loop);
    bool is_good = measure_run(&order, &err);
    estimation->counts.reading_ms = loop_now_ms(estimation->app.loop) - start_ms;
    return is_good ? tell_total(estimation) : cmd_fail(&err);
}

static bool lies_elsewhere(const struct sources *sources)
{
    bool is_elsewhere = sources->prefix_count > 0;
    for (size_t i = 0; i < sources->count; i++)
        is_elsewhere |= sources->items[i].kind != SOURCE_FILE;
    return is_elsewhere;
}

static int run_estimate(struct estimation *estimation, const struct invocation *invocation)
{
    struct error err;
    struct config *config = &estimation->config;
    struct text base_url = config->embedder == CONFIG_LOCAL ? TEXT_NONE : config->openai_base_url;
    estimation->term =
        term_on(stderr, environment_get(&invocation->environment, "NO_COLOR") != NULL);
    estimation->price = estimate_price_of(config->token_price, config->embedding_model, base_url);
    estimation->is_exact = chunking_of(config).counting == CHUNKER_CL100K;
    estimation->sources.options =
        (struct sources_options){.config = config, .tenant = &estimation->tenant};
    collect_sources(&estimation->collect, invocation, 1, &estimation->sources);
    unsigned needs = APP_NEEDS_EXTRACT | (lies_elsewhere(&estimation->sources) ? NEED_OBJECTS : 0);
    bool is_good = collect_look_here(&estimation->collect, &estimation->sources, &err) &&
                   app_open(&estimation->app, config, needs, &err) &&
                   collect_look(&estimation->collect, &estimation->sources, &estimation->app, &err);
    return is_good ? measure(estimation) : cmd_fail(&err);
}

static bool read_arguments(struct estimation *estimation, const struct invocation *invocation,
                           struct error *err)
{
    struct uuid user;
    if (invocation->argc < 1 || (invocation->argc < 2 && estimation->collect.manifest_count == 0))
        return error_set(err, ERR_USAGE, "estimate needs a tenant and files");
    if (!ask_user_id(invocation->argv[0], &user, err))
        return false;
    estimation->tenant = tenant_from_user_id(user);
    return true;
}

static int run_command(struct invocation *invocation)
{
    struct estimation *estimation = xcalloc(1, sizeof(*estimation));
    struct error err;
    int code = EXIT_WRONG_USAGE;
    signals_end_early(EXIT_INTERRUPTED); /* nothing would be lost; the readers end with us */
    estimation->is_json = invocation->is_json;
    bool is_understood = collect_options(invocation, &estimation->collect, &err);
    bool has_options = cmd_no_more_options(invocation);
    if (has_options && (!is_understood || !read_arguments(estimation, invocation, &err)))
        code = cmd_fail(&err);
    else if (has_options && cmd_load_config(invocation, 0, &estimation->config))
        code = run_estimate(estimation, invocation);
    app_close(&estimation->app);
    measured_release(estimation->results, estimation->sources.count);
    sources_release(&estimation->sources);
    config_release(&estimation->config);
    xfree(estimation);
    return code;
}

const struct command estimate_command = {
    .name = "estimate",
    .usage = "TENANT WHAT... [--manifest FILE] [--trust-links]",
    .summary = "what submit would cost: pages, chunks, tokens, money, time",
    .options = {{"TENANT", "the user's id; nobody is asked whether it exists"},
                {"WHAT", "as for submit: files, folders, s3:// prefixes, links, manifests"},
                {"--manifest FILE", "CSV or JSON lines, as for submit"},
                {"--trust-links", "do not ask for a byte of each link first"}},
    .note = "Everything is read and cut as a worker does it, in the same sandbox; nothing is "
            "stored, and no embedding is asked for. Tokens are exact where the model's tokenizer "
            "is known. The price is MILLRACE_TOKEN_PRICE, or what the maker of a known model "
            "publishes. Time is measured for reading and assumed for requests; the assumptions are "
            "printed. Exit code 1 when documents cannot be read.",
    .may_use_dev = true,
    .run = run_command,
};
