/*
 * millrace search TENANT QUESTION...: the chunks of a tenant's namespace that answer best.
 */
#include <stdio.h>

#include "embed/embed.h"
#include "store/vectors.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/chunking.h"
#include "worker/cmd.h"
#include "worker/cmd_ask.h"
#include "worker/excerpt.h"
#include "worker/rows.h"
#include "worker/term.h"

#define NEEDS (NEED_EMBED | NEED_VECTORS | NEED_DATABASE)
#define TOP_USUAL 5
#define SPARE 4 /* times as many are asked for: some may be of generations that are being swept */
#define QUESTION_BYTES_MAX ((size_t)32 * 1024)
#define TIMEOUT_MS 60000
#define EXCERPT_LINES 4
#define INDENT 4
#define JSON_EXCERPT_COLUMNS 400 /* that the page is taken from */
#define FLAT_BYTES_MAX ((size_t)1 << 20)

enum { LIVE_DOCUMENT, LIVE_GEN, LIVE_TITLE, LIVE_KEY };

struct hit {
    const struct vectors_match *match;
    char *key, *title; /* owned */
};

struct search {
    struct app app;
    struct tenant tenant;
    struct buffer question;
    uint64_t top;
    bool is_json;
    struct chunk chunk, *chunks[1];
    float *vector;
    struct embed_request embedding;
    struct vectors_request query;
    struct vectors_match matches[VECTORS_MATCH_MAX];
    struct uuid documents[VECTORS_MATCH_MAX];
    struct hit hits[VECTORS_MATCH_MAX];
    size_t hit_count;
    struct wait wait;
};

/* ---- asking ---------------------------------------------------------------------------------- */

static void on_embedded(struct embed_request *request, const struct error *err)
{
    wait_done(&container_of(request, struct search, embedding)->wait, err);
}

static bool embed_question(struct search *search, struct error *err)
{
    search->chunks[0] = &search->chunk;
    search->chunk.content = buffer_text(&search->question);
    enum chunker_counting counting = chunking_of(search->app.config).counting;
    search->chunk.token_count = measure_count(counting, search->chunk.content);
    search->vector = xcalloc(embed_dimension_count(search->app.embed), sizeof(float));
    search->wait = wait_on(search->app.loop);
    search->embedding = (struct embed_request){
        .tenant = &search->tenant,
        .purpose = EMBED_QUERY,
        .chunks = search->chunks,
        .chunk_count = 1,
        .vectors = search->vector,
        .deadline_ms = loop_now_ms(search->app.loop) + TIMEOUT_MS,
        .on_done = on_embedded,
    };
    embed_submit(search->app.embed, &search->embedding);
    return wait_for(&search->wait, 0, err) || error_wrap(err, "embedding the question");
}

static void on_matches(struct vectors_request *request, const struct error *err)
{
    wait_done(&container_of(request, struct search, query)->wait, err);
}

static bool query(struct search *search, struct error *err)
{
    uint64_t wanted = search->top * SPARE;
    search->wait = wait_on(search->app.loop);
    search->query = (struct vectors_request){
        .tenant = &search->tenant,
        .query = search->vector,
        .match_max = wanted < VECTORS_MATCH_MAX ? (uint32_t)wanted : VECTORS_MATCH_MAX,
        .matches = search->matches,
        .on_done = on_matches,
    };
    vectors_query(search->app.vectors, &search->query);
    return wait_for(&search->wait, 0, err) || error_wrap(err, "asking the vector store");
}

/* The row of the document whose live generation the match belongs to; false: a leftover. */
static bool find_live(const struct pg_result *rows, const struct vectors_match *match,
                      size_t *ret_row)
{
    for (size_t row = 0; row < pg_row_count(rows); row++) {
        struct uuid document;
        uint64_t gen;
        if (pg_value_uuid(rows, row, LIVE_DOCUMENT, &document) &&
            pg_value_u64(rows, row, LIVE_GEN, &gen) && gen == match->gen &&
            uuid_equal(document, match->document)) {
            *ret_row = row;
            return true;
        }
    }
    return false;
}

static void on_live(void *arg, const struct pg_result *rows)
{
    struct search *search = arg;
    for (size_t i = 0; i < search->query.match_count && search->hit_count < search->top; i++) {
        const struct vectors_match *match = &search->matches[i];
        size_t row;
        if (match->score <= 0 || !find_live(rows, match, &row))
            continue;
        search->hits[search->hit_count++] =
            (struct hit){match, xstrdup(pg_value(rows, row, LIVE_KEY)),
                         xstrdup(pg_value(rows, row, LIVE_TITLE))};
    }
}

static bool keep_live(struct search *search, struct error *err)
{
    for (size_t i = 0; i < search->query.match_count; i++)
        search->documents[i] = search->matches[i].document;
    struct report report = {
        .kind = REPORT_LIVE,
        .has_id = true,
        .id = search->tenant.id,
        .documents = search->documents,
        .document_count = search->query.match_count,
        .row_max = VECTORS_MATCH_MAX,
    };
    return ask_report(&search->app, report, (struct ask){on_live, search}, err);
}

/* ---- showing --------------------------------------------------------------------------------- */

/* What is shown of a match, cut from its text. */
struct view {
    struct buffer flat;
    struct text part;
    uint32_t page_first, page_last; /* of the question's words in it, else of the chunk */
};

static void view_init(struct view *view, const struct vectors_match *match,
                      const struct excerpt_words *words, size_t columns_max)
{
    uint32_t pages;
    *view = (struct view){.flat = buffer_new(FLAT_BYTES_MAX)};
    excerpt_flatten(&view->flat, text_from(match->text));
    struct text flat = buffer_text(&view->flat);
    view->part = excerpt_find(flat, words, columns_max);
    bool is_known = excerpt_page(flat, view->part, words, &pages) &&
                    match->page_first + pages <= match->page_last;
    view->page_first = is_known ? match->page_first + pages : match->page_first;
    view->page_last = is_known ? view->page_first : match->page_last;
}

static void append_pages(struct buffer *out, const struct view *view)
{
    if (view->page_first == view->page_last)
        buffer_format(out, "page %u", view->page_first);
    else
        buffer_format(out, "pages %u-%u", view->page_first, view->page_last);
}

static void append_indent(struct buffer *out)
{
    for (size_t i = 0; i < INDENT; i++)
        buffer_append_char(out, ' ');
}

/* Wrapped to width, the question's words in bold. */
static void append_wrapped(struct buffer *out, const struct term *term, struct text part,
                           const struct excerpt_words *words, size_t width)
{
    struct excerpt_piece piece;
    size_t column = 0;
    for (size_t at = 0; excerpt_next(part, &at, &piece);) {
        size_t start = at - piece.text.bytes;
        bool is_over = piece.may_break_before && column > 0 &&
                       column + excerpt_unit_columns(part, start) > width;
        if (is_over) {
            buffer_append_char(out, '\n');
            append_indent(out);
            column = 0;
        }
        bool is_wanted = piece.is_word && excerpt_is_wanted(words, piece.text);
        bool ends_line = piece.is_space && column + 1 + excerpt_unit_columns(part, at) > width;
        if (!ends_line)
            term_append(out, term, is_wanted ? TERM_BOLD : TERM_PLAIN,
                        piece.is_space ? TEXT(" ") : piece.text);
        column = ends_line ? width : column + (piece.is_space ? 1 : piece.columns);
    }
}

static void print_hit(const struct term *term, const struct hit *hit, size_t rank,
                      const struct excerpt_words *words)
{
    AUTO_BUFFER struct buffer out = buffer_new(2 * FLAT_BYTES_MAX), file = buffer_new(16 * 1024);
    size_t columns = term_columns(term);
    size_t width = columns > 3 * INDENT ? columns - 2 * INDENT : columns;
    struct view view;
    view_init(&view, hit->match, words, width * EXCERPT_LINES - 4);
    term_append_foreign(&file, file_of_key(text_from(hit->key)), TENANT_KEY_BYTES_MAX);
    buffer_format(&out, "%s%2zu  %.3f  ", rank > 1 ? "\n" : "", rank, hit->match->score);
    term_append(&out, term, TERM_GOOD, buffer_text(&file));
    buffer_append_text(&out, TEXT("  "));
    append_pages(&out, &view);
    buffer_append_char(&out, '\n');
    append_indent(&out);
    if (view.part.start > view.flat.data)
        buffer_append_text(&out, TEXT("… "));
    append_wrapped(&out, term, view.part, words, width);
    if (view.part.start + view.part.bytes < view.flat.data + view.flat.bytes)
        buffer_append_text(&out, TEXT(" …"));
    fprintf(term->out, "%s\n", buffer_string(&out));
    buffer_release(&view.flat);
}

static void print_hits(const struct search *search, const struct excerpt_words *words)
{
    struct term term =
        term_on(stdout, environment_get(search->app.config->environment, "NO_COLOR") != NULL);
    for (size_t i = 0; i < search->hit_count; i++)
        print_hit(&term, &search->hits[i], i + 1, words);
}

static void print_json(const struct search *search, const struct excerpt_words *words)
{
    for (size_t i = 0; i < search->hit_count; i++) {
        AUTO_BUFFER struct buffer line = buffer_new((size_t)1 << 20);
        const struct hit *hit = &search->hits[i];
        char document[UUID_TEXT_BYTES];
        struct view view;
        view_init(&view, hit->match, words, JSON_EXCERPT_COLUMNS);
        struct json_writer writer = json_writer_new(&line);
        json_open_object(&writer, NULL);
        json_write_u64(&writer, "rank", i + 1);
        json_write_number(&writer, "score", hit->match->score);
        json_write_text(&writer, "file", file_of_key(text_from(hit->key)));
        json_write_text(&writer, "key", text_from(hit->key));
        json_write_text(&writer, "title", text_from(hit->title));
        json_write_text(&writer, "document",
                        text_from(uuid_format(hit->match->document, document)));
        json_write_u64(&writer, "chunk", hit->match->no);
        json_write_u64(&writer, "page", view.page_first);
        json_write_u64(&writer, "page_first", hit->match->page_first);
        json_write_u64(&writer, "page_last", hit->match->page_last);
        json_write_text(&writer, "text", text_from(hit->match->text));
        json_close_object(&writer);
        puts(buffer_string(&line));
        buffer_release(&view.flat);
    }
}

static bool ask_all(struct search *search, const char *tenant, struct error *err)
{
    if (!ask_tenant(&search->app, tenant, &search->tenant, err) || !embed_question(search, err) ||
        !query(search, err))
        return false;
    return search->query.match_count == 0 || keep_live(search, err);
}

static int run_search(struct search *search, const char *tenant)
{
    struct error err;
    if (!ask_all(search, tenant, &err))
        return cmd_fail(&err);
    struct excerpt_words words = excerpt_words_of(buffer_text(&search->question));
    if (search->is_json)
        print_json(search, &words);
    else
        print_hits(search, &words);
    if (search->hit_count == 0)
        fprintf(stderr, "millrace: nothing found for %s\n", tenant);
    return EXIT_DONE;
}

/* ---- the command ----------------------------------------------------------------------------- */

static void release(struct search *search)
{
    vectors_matches_release(&search->query);
    for (size_t i = 0; i < search->hit_count; i++) {
        xfree(search->hits[i].key);
        xfree(search->hits[i].title);
    }
    xfree(search->vector);
    buffer_release(&search->question);
    xfree(search);
}

static bool read_arguments(struct search *search, const struct invocation *invocation,
                           const char *top, struct error *err)
{
    struct uuid user;
    search->top = TOP_USUAL;
    if (top && (!text_parse_u64(text_from(top), &search->top) || search->top < 1 ||
                search->top > VECTORS_MATCH_MAX))
        return error_set(err, ERR_USAGE, "--top takes a number from 1 to %d, not %.40s",
                         VECTORS_MATCH_MAX, top);
    if (invocation->argc < 2)
        return error_set(err, ERR_USAGE, "search needs a tenant and a question");
    for (int i = 1; i < invocation->argc; i++)
        buffer_format(&search->question, "%s%s", i > 1 ? " " : "", invocation->argv[i]);
    struct text question = buffer_text(&search->question);
    if (search->question.is_full)
        return error_set(err, ERR_USAGE, "the question is longer than %zu bytes",
                         QUESTION_BYTES_MAX);
    if (text_trim(question).bytes == 0 || !text_is_utf8(question))
        return error_set(err, ERR_USAGE, "the question is empty, or not UTF-8");
    return ask_user_id(invocation->argv[0], &user, err);
}

static int run_command(struct invocation *invocation)
{
    struct search *search = xcalloc(1, sizeof(*search));
    struct config config = {0};
    struct error err;
    int code = EXIT_WRONG_USAGE;
    search->question = buffer_new(QUESTION_BYTES_MAX);
    search->is_json = invocation->is_json;
    const char *top = cmd_option(invocation, "--top");
    bool has_options = cmd_no_more_options(invocation);
    if (has_options && !read_arguments(search, invocation, top, &err))
        code = cmd_fail(&err);
    else if (has_options && cmd_load_config(invocation, NEEDS, &config))
        code = app_open(&search->app, &config, NEEDS, &err)
                   ? run_search(search, invocation->argv[0])
                   : cmd_fail(&err);
    app_close(&search->app);
    release(search);
    config_release(&config);
    return code;
}

const struct command search_command = {
    .name = "search",
    .usage = "TENANT QUESTION... [--top N]",
    .summary = "ask a tenant's documents",
    .options = {{"TENANT",
                 "the user's id, or demo: whose files lie outside users/ in the folder of `dev`"},
                {"--top N", "show the N best chunks, 1 to 100 [5]"}},
    .may_use_dev = true,
    .run = run_command,
};
