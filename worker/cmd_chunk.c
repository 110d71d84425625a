/*
 * millrace chunk FILE: how a worker would cut a file of this machine, with ranges and counts.
 *
 * Read and cut as in `work`, with the same configuration; no service is asked.
 */
#include <stdio.h>
#include <unistd.h>

#include "extract/extract.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/base/signals.h"
#include "worker/chunking.h"
#include "worker/cmd.h"
#include "worker/cmd_ask.h"
#include "worker/cutting.h"
#include "worker/local_body.h"

#define CHUNK_BYTES_MAX ((size_t)1 << 20) /* of one, with its texts */

struct chunk_command {
    struct app app;
    struct config config;
    struct extract_request request;
    struct wait wait;
    struct cutting cutting;
    const char *path;
    bool is_json;
    uint32_t page_count, pages_skipped;
    uint64_t chunk_count, token_count;
    struct error failure; /* of cutting; code and message of the first */
    bool has_failed;
};

/* ---- showing --------------------------------------------------------------------------------- */

static void print_json(const struct chunk *chunk)
{
    AUTO_BUFFER struct buffer line = buffer_new(8 * CHUNK_BYTES_MAX);
    struct json_writer writer = json_writer_new(&line);
    json_open_object(&writer, NULL);
    json_write_u64(&writer, "chunk_no", chunk->no);
    json_write_u64(&writer, "page_first", chunk->page_first);
    json_write_u64(&writer, "page_last", chunk->page_last);
    json_write_u64(&writer, "char_start", chunk->char_start);
    json_write_u64(&writer, "char_end", chunk->char_end);
    json_write_text(&writer, "heading", chunk->heading);
    json_write_u64(&writer, "token_count", chunk->token_count);
    json_write_text(&writer, "content", chunk->content);
    json_close_object(&writer);
    buffer_append_char(&line, '\n');
    (void)fwrite(line.data, 1, line.bytes, stdout);
}

static void print_plain(const struct chunk *chunk)
{
    printf("%s#%u  page %u", chunk->no ? "\n" : "", chunk->no, chunk->page_first);
    if (chunk->page_last > chunk->page_first)
        printf("-%u", chunk->page_last);
    printf("  characters %llu-%llu  %u tokens", (unsigned long long)chunk->char_start,
           (unsigned long long)chunk->char_end, chunk->token_count);
    struct text prefix = text_trim(chunk->prefix);
    if (prefix.bytes)
        printf("  [%.*s]", TEXT_ARGS(prefix));
    printf("\n%.*s\n", TEXT_ARGS(chunk->content));
}

/* ---- cutting --------------------------------------------------------------------------------- */

static void fail(struct chunk_command *command, const struct error *err)
{
    if (command->has_failed)
        return;
    command->has_failed = true;
    command->failure = *err;
    extract_cancel(command->app.extract, &command->request);
}

static void on_chunk(void *arg, const struct chunk *chunk)
{
    struct chunk_command *command = arg;
    if (command->is_json)
        print_json(chunk);
    else
        print_plain(chunk);
    command->chunk_count++;
    command->token_count += chunk->token_count;
}

static void on_document(struct extract_request *request, const struct extract_document *document)
{
    cutting_title(&container_of(request, struct chunk_command, request)->cutting, document->title);
}

static void on_pages(struct extract_request *request, const struct page *pages, size_t count)
{
    struct chunk_command *command = container_of(request, struct chunk_command, request);
    struct error err;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count && !command->has_failed; i++) {
        if (!cutting_page(&command->cutting, &pages[i], &err))
            fail(command, &err);
        bytes += pages[i].text.bytes;
    }
    extract_credit(command->app.extract, request, bytes);
}

static void on_done(struct extract_request *request, const struct extract_summary *summary,
                    const struct error *err)
{
    struct chunk_command *command = container_of(request, struct chunk_command, request);
    struct error end_err;
    if (summary) {
        command->page_count = summary->page_count;
        command->pages_skipped = summary->pages_skipped;
    }
    if (!err && !command->has_failed && !cutting_page(&command->cutting, NULL, &end_err)) {
        command->has_failed = true;
        command->failure = end_err;
    }
    wait_done(&command->wait, command->has_failed ? &command->failure : err);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* What is wrong with the file itself is a result, not a failure of ours. */
static int conclude(const struct chunk_command *command, const struct error *err)
{
    enum disposition disposition = err ? error_disposition(err->code) : DISPOSITION_SKIP;
    if (err && disposition != DISPOSITION_REJECT && disposition != DISPOSITION_SKIP)
        return cmd_fail(err);
    if (err)
        fprintf(stderr, "millrace: %s: %s (%s)\n  %s\n", command->path, error_sentence(err->code),
                err->message, error_remedy(err->code));
    fprintf(stderr, "millrace: %llu chunks, %llu tokens (%s), %u pages, %u of them left out\n",
            (unsigned long long)command->chunk_count, (unsigned long long)command->token_count,
            chunking_of(&command->config).counting == CHUNKER_BYTES ? "at most, by bytes"
                                                                    : "cl100k_base",
            command->page_count, command->pages_skipped);
    return err || command->pages_skipped ? EXIT_SOME_FAILED : EXIT_DONE;
}

static int chunk_file(struct chunk_command *command)
{
    struct extract_request *request = &command->request;
    struct error err;
    request->body_fd =
        local_body_open(command->path, command->config.file_bytes_max, &request->body_bytes, &err);
    if (request->body_fd < 0)
        return conclude(command, &err);
    if (!app_open(&command->app, &command->config, APP_NEEDS_EXTRACT, &err))
        return cmd_fail(&err);
    command->cutting = cutting_new(chunking_of(&command->config), on_chunk, command);
    request->name = text_from(command->path);
    request->limits = app_extract_limits(&command->config);
    request->on_document = on_document;
    request->on_pages = on_pages;
    request->on_done = on_done;
    command->wait = wait_on(command->app.loop);
    extract_submit(command->app.extract, request);
    bool is_read = wait_for(&command->wait, 0, &err);
    return conclude(command, is_read ? NULL : &err);
}

static int run_command(struct invocation *invocation)
{
    struct chunk_command *command = xcalloc(1, sizeof(*command));
    struct error err;
    int code = EXIT_WRONG_USAGE;
    command->request.body_fd = -1;
    command->is_json = invocation->is_json;
    signals_end_early(EXIT_INTERRUPTED); /* nothing would be lost; the reader ends with us */
    bool has_options = cmd_no_more_options(invocation);
    if (has_options && invocation->argc != 1) {
        error_set(&err, ERR_USAGE, "chunk needs one file");
        code = cmd_fail(&err);
    } else if (has_options && cmd_load_config(invocation, 0, &command->config)) {
        command->path = invocation->argv[0];
        code = chunk_file(command);
    }
    app_close(&command->app);
    cutting_release(&command->cutting);
    if (command->request.body_fd >= 0)
        close(command->request.body_fd);
    config_release(&command->config);
    xfree(command);
    return code;
}

const struct command chunk_command = {
    .name = "chunk",
    .usage = "FILE",
    .summary = "the chunks of a file, cut as a worker cuts it",
    .note = "Each with its pages, its characters of the whole text (the pages joined by form "
            "feeds), its tokens and, in brackets, what is embedded before it; with --json one "
            "object a line. No service is asked.",
    .run = run_command,
};
