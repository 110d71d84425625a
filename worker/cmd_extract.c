/*
 * millrace extract FILE: what a worker would read in a file of this machine, and within what limits.
 *
 * The same helper, sandbox and limits as in `work`; no service is asked.
 */
#include <stdio.h>
#include <unistd.h>

#include "extract/extract.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/base/signals.h"
#include "worker/cmd.h"
#include "worker/cmd_ask.h"
#include "worker/local_body.h"

#define PAGE_JSON_BYTES_MAX ((size_t)64 << 20) /* a page has 2 MiB of text; marks come on top */
#define NAME_BYTES 64

struct extraction {
    struct app app;
    struct config config;
    struct extract_request request;
    struct wait wait;
    const char *path;
    bool is_json, shows_limits;
    uint64_t pages_seen, text_bytes;
    /* what on_done told, but for its texts */
    bool has_summary;
    struct extract_summary summary;
    char title[1025], mime_type[128];
};

/* ---- pages ----------------------------------------------------------------------------------- */

static const struct {
    enum page_flag flag;
    const char *name;
} FLAGS[] = {
    {PAGE_HAS_NO_TEXT, "no_text"}, {PAGE_IS_RIGHT_TO_LEFT, "right_to_left"},
    {PAGE_IS_GARBLED, "garbled"},  {PAGE_HAS_HIDDEN_TEXT, "hidden_text"},
    {PAGE_IS_SKIPPED, "skipped"},  {PAGE_IS_DUBIOUS, "dubious"},
    {PAGE_IS_PICTURE, "picture"},
};

static const char *mark_name(enum mark_kind kind)
{
    switch (kind) {
    case MARK_HEADING:
        return "heading";
    case MARK_PARAGRAPH:
        return "paragraph";
    case MARK_LIST_ITEM:
        return "list_item";
    case MARK_TABLE_ROW:
        return "table_row";
    }
    return "";
}

static void write_mark(struct json_writer *writer, const struct mark *mark)
{
    json_open_object(writer, NULL);
    json_write_text(writer, "kind", text_from(mark_name(mark->kind)));
    if (mark->kind == MARK_HEADING)
        json_write_u64(writer, "level", mark->level);
    json_write_u64(writer, "byte_start", mark->byte_start);
    json_write_u64(writer, "byte_end", mark->byte_end);
    json_close_object(writer);
}

static void print_line(struct buffer *line)
{
    buffer_append_char(line, '\n');
    (void)fwrite(line->data, 1, line->bytes, stdout);
}

static void print_page_json(const struct page *page)
{
    AUTO_BUFFER struct buffer line = buffer_new(PAGE_JSON_BYTES_MAX);
    struct json_writer writer = json_writer_new(&line);
    json_open_object(&writer, NULL);
    json_write_u64(&writer, "page", page->number);
    if (page->label.bytes)
        json_write_text(&writer, "label", page->label);
    json_open_array(&writer, "flags");
    for (size_t i = 0; i < COUNT_OF(FLAGS); i++)
        if (page->flags & FLAGS[i].flag)
            json_write_text(&writer, NULL, text_from(FLAGS[i].name));
    json_close_array(&writer);
    json_open_array(&writer, "marks");
    for (size_t i = 0; i < page->mark_count; i++)
        write_mark(&writer, &page->marks[i]);
    json_close_array(&writer);
    json_write_text(&writer, "text", page->text);
    json_close_object(&writer);
    print_line(&line);
}

static void on_pages(struct extract_request *request, const struct page *pages, size_t count)
{
    struct extraction *extraction = container_of(request, struct extraction, request);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (extraction->is_json)
            print_page_json(&pages[i]);
        else
            printf("%s%.*s", extraction->pages_seen ? "\f" : "", TEXT_ARGS(pages[i].text));
        extraction->pages_seen++;
        bytes += pages[i].text.bytes;
    }
    extraction->text_bytes += bytes;
    extract_credit(extraction->app.extract, request, bytes);
}

static void on_done(struct extract_request *request, const struct extract_summary *summary,
                    const struct error *err)
{
    struct extraction *extraction = container_of(request, struct extraction, request);
    extraction->has_summary = summary != NULL;
    if (summary) {
        extraction->summary = *summary;
        (void)text_format(extraction->title, sizeof(extraction->title), "%.*s",
                          TEXT_ARGS(summary->title));
        (void)text_format(extraction->mime_type, sizeof(extraction->mime_type), "%.*s",
                          TEXT_ARGS(summary->mime_type));
    }
    wait_done(&extraction->wait, err);
}

/* ---- limits ---------------------------------------------------------------------------------- */

#define UNKNOWN UINT64_MAX

struct limit {
    const char *name, *unit, *option;
    uint64_t used, allowed; /* used: UNKNOWN where only its end would tell */
    bool is_hit;
};
#define LIMIT_COUNT 7

static void fill_limits(const struct extraction *extraction, const struct error *err,
                        struct limit limits[static LIMIT_COUNT])
{
    const struct extract_limits *allowed = &extraction->request.limits;
    const struct extract_summary *summary = &extraction->summary;
    enum error_code code = err ? err->code : ERR_BUG; /* which no file ends with */
    const struct limit all[LIMIT_COUNT] = {
        {"file", "bytes", "MILLRACE_FILE_BYTES_MAX", extraction->request.body_bytes,
         extraction->config.file_bytes_max, code == ERR_TOO_LARGE},
        {"memory", "bytes above the file", "MILLRACE_EXTRACT_MEMORY", UNKNOWN,
         allowed->memory_bytes, code == ERR_EXTRACT_MEMORY},
        {"cpu", "ms of a child", "MILLRACE_EXTRACT_CPU", summary->cpu_us / 1000,
         (uint64_t)allowed->cpu_seconds * 1000, code == ERR_EXTRACT_TIMEOUT},
        {"page_time", "ms for one page", "MILLRACE_EXTRACT_PAGE_TIMEOUT", UNKNOWN,
         allowed->page_timeout_ms, code == ERR_EXTRACT_TIMEOUT},
        {"time", "ms, more with its pages", "MILLRACE_EXTRACT_TIMEOUT", UNKNOWN, allowed->wall_ms,
         code == ERR_EXTRACT_TIMEOUT},
        {"pages", "pages", "MILLRACE_EXTRACT_PAGES_MAX", summary->page_count, allowed->pages_max,
         code == ERR_PAGES_MAX},
        {"text", "bytes", "MILLRACE_EXTRACT_TEXT", extraction->text_bytes, allowed->text_bytes_max,
         code == ERR_TEXT_MAX},
    };
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        limits[i] = all[i];
}

static void print_limits(const struct limit limits[static LIMIT_COUNT])
{
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        char used[32] = "-";
        if (limits[i].used != UNKNOWN)
            (void)text_format(used, sizeof(used), "%llu", (unsigned long long)limits[i].used);
        fprintf(stderr, "%-9s %12s of %-12llu %-25s %s%s\n", limits[i].name, used,
                (unsigned long long)limits[i].allowed, limits[i].unit, limits[i].option,
                limits[i].is_hit ? "  HIT" : "");
    }
}

static void write_limits(struct json_writer *writer, const struct limit limits[static LIMIT_COUNT])
{
    json_open_array(writer, "limits");
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        json_open_object(writer, NULL);
        json_write_text(writer, "name", text_from(limits[i].name));
        if (limits[i].used != UNKNOWN)
            json_write_u64(writer, "used", limits[i].used);
        json_write_u64(writer, "allowed", limits[i].allowed);
        json_write_text(writer, "unit", text_from(limits[i].unit));
        json_write_bool(writer, "is_hit", limits[i].is_hit);
        json_close_object(writer);
    }
    json_close_array(writer);
}

/* ---- how it ended ---------------------------------------------------------------------------- */

static const char *outcome_of(const struct error *err)
{
    if (!err)
        return "success";
    return error_disposition(err->code) == DISPOSITION_SKIP ? "skipped" : "failed";
}

static void print_summary_json(const struct extraction *extraction, const struct error *err,
                               const struct limit limits[static LIMIT_COUNT])
{
    AUTO_BUFFER struct buffer line = buffer_new(1 << 20);
    const struct extract_summary *summary = &extraction->summary;
    struct json_writer writer = json_writer_new(&line);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "outcome", text_from(outcome_of(err)));
    if (err) {
        json_write_text(&writer, "code", text_from(error_name(err->code)));
        json_write_text(&writer, "message", text_from(err->message));
        json_write_text(&writer, "remedy", text_from(error_remedy(err->code)));
    }
    if (extraction->has_summary) {
        json_write_text(&writer, "mime_type", text_from(extraction->mime_type));
        json_write_text(&writer, "title", text_from(extraction->title));
        json_write_u64(&writer, "pages", summary->page_count);
        json_open_array(&writer, "pages_skipped");
        for (uint32_t i = 0; i < summary->pages_skipped && i < EXTRACT_SKIPS_MAX; i++)
            json_write_u64(&writer, NULL, summary->skipped[i]);
        json_close_array(&writer);
        json_write_bool(&writer, "is_encrypted", summary->is_encrypted);
    }
    json_write_u64(&writer, "bytes", extraction->request.body_bytes);
    json_write_u64(&writer, "text_bytes", extraction->text_bytes);
    json_write_u64(&writer, "cpu_us", summary->cpu_us);
    if (extraction->shows_limits)
        write_limits(&writer, limits);
    json_close_object(&writer);
    print_line(&line);
}

/* "millrace: a.png: skipped: The file is an image. (a PNG image)" and what to do. */
static void print_end(const struct extraction *extraction, const struct error *err)
{
    const struct extract_summary *summary = &extraction->summary;
    for (uint32_t i = 0; i < summary->pages_skipped && i < EXTRACT_SKIPS_MAX; i++)
        fprintf(stderr, "millrace: %s: page %u was left out: it ended its reader\n",
                extraction->path, summary->skipped[i]);
    if (err)
        fprintf(stderr, "millrace: %s: %s: %s (%s)\n  %s\n", extraction->path, outcome_of(err),
                error_sentence(err->code), err->message, error_remedy(err->code));
}

static int conclude(const struct extraction *extraction, const struct error *err)
{
    struct limit limits[LIMIT_COUNT];
    bool is_of_the_file = !err || error_disposition(err->code) == DISPOSITION_REJECT ||
                          error_disposition(err->code) == DISPOSITION_SKIP;
    if (!is_of_the_file)
        return cmd_fail(err);
    fill_limits(extraction, err, limits);
    if (extraction->is_json) {
        print_summary_json(extraction, err, limits);
    } else {
        if (extraction->pages_seen)
            puts("");
        print_end(extraction, err);
        if (extraction->shows_limits)
            print_limits(limits);
    }
    return err || extraction->summary.pages_skipped ? EXIT_SOME_FAILED : EXIT_DONE;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int extract_file(struct extraction *extraction)
{
    struct error err;
    struct extract_request *request = &extraction->request;
    request->body_fd = local_body_open(extraction->path, extraction->config.file_bytes_max,
                                       &request->body_bytes, &err);
    if (request->body_fd < 0)
        return conclude(extraction, &err);
    if (!app_open(&extraction->app, &extraction->config, APP_NEEDS_EXTRACT, &err))
        return cmd_fail(&err);
    extraction->request.name = text_from(extraction->path);
    extraction->request.on_pages = on_pages;
    extraction->request.on_done = on_done;
    extraction->wait = wait_on(extraction->app.loop);
    extract_submit(extraction->app.extract, &extraction->request);
    bool is_read = wait_for(&extraction->wait, 0, &err);
    return conclude(extraction, is_read ? NULL : &err);
}

static int run_command(struct invocation *invocation)
{
    struct extraction *extraction = xcalloc(1, sizeof(*extraction));
    struct error err;
    int code = EXIT_WRONG_USAGE;
    extraction->request.body_fd = -1;
    extraction->is_json = invocation->is_json;
    extraction->shows_limits = cmd_flag(invocation, "--limits");
    signals_end_early(EXIT_INTERRUPTED); /* nothing would be lost; the reader ends with us */
    bool has_options = cmd_no_more_options(invocation);
    if (has_options && invocation->argc != 1) {
        error_set(&err, ERR_USAGE, "extract needs one file");
        code = cmd_fail(&err);
    } else if (has_options && cmd_load_config(invocation, 0, &extraction->config)) {
        extraction->path = invocation->argv[0];
        extraction->request.limits = app_extract_limits(&extraction->config);
        code = extract_file(extraction);
    }
    app_close(&extraction->app);
    if (extraction->request.body_fd >= 0)
        close(extraction->request.body_fd);
    config_release(&extraction->config);
    xfree(extraction);
    return code;
}

const struct command extract_command = {
    .name = "extract",
    .usage = "FILE [--limits]",
    .summary = "the text of a file, read as a worker reads it",
    .options = {{"--limits", "also what it may use, what it has used, and what it ran into"}},
    .note = "Pages are separated by form feeds; with --json each is an object, and the last object "
            "tells how it ended. No service is asked.",
    .run = run_command,
};
