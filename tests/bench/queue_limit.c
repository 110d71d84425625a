/*
 * queue_limit.c - the limit of the worker's way: the very statements that it sends, built before
 *                 the clock starts, one behind the other on one connection, and nothing else.
 *
 *     queue_limit DATABASE_URL BATCH claim|both < lines of "tenant key job" ("-": a bare upload)
 *
 * claim: of documents that are finished already (a replay). Prints how many answers were as they
 * should be, and the seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/pg.h"
#include "store/sql.h"
#include "worker/base/memory.h"
#include "worker/model/document.h"
#include "worker/model/tenant.h"

enum { BATCH_MAX = 5000, ARRAYS = 29, LINE_BYTES = 512, FINISH_COLUMNS = 21 };

#define LEASE "15000"
/* As long as what the worker writes about a document. */
static const char METADATA[] =
    "{\"mime_type\":\"\",\"title\":\"\",\"bytes\":1000,\"pages\":1,\"pages_skipped\":0,"
    "\"skipped_pages\":[],\"pages_without_text\":0,\"pages_scanned\":0,\"pages_garbled\":0,"
    "\"pages_dubious\":0,\"pages_with_hidden_text\":0,\"pages_right_to_left\":0,\"needs_ocr\":"
    "false,\"text_bytes\":0,\"chunks\":0,\"chunks_known\":0,\"tokens\":0,\"tokens_billed\":0,"
    "\"extract_cpu_us\":0,\"is_encrypted\":false,\"is_text_kept\":false}";

struct line {
    struct tenant tenant;
    struct document document;
    char key[LINE_BYTES];
    struct uuid job;
    bool is_bare;
};

struct batch {
    struct pg_array arrays[ARRAYS];
    size_t array_count;
    struct pg_param claim[4][12], finish[FINISH_COLUMNS + 3];
    struct pg_statement claiming[4], finishing[2];
    size_t claiming_count;
    struct pg_request requests[2];
};

static size_t waited_for, good_count;
static const char *wanted_verdict;
static struct loop *loop;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "queue_limit: %s\n", what);
    exit(1);
}

/* ---- what comes in --------------------------------------------------------------------------- */

static void take_line(struct text text, struct line *ret_line)
{
    struct text rest;
    struct uuid user;
    struct error err;
    text = text_trim(text);
    if (!uuid_parse(text_cut(text, ' ', &rest), &user))
        die("a line without a tenant");
    struct text key = text_cut(rest, ' ', &rest);
    (void)text_format(ret_line->key, sizeof(ret_line->key), "%.*s", TEXT_ARGS(key));
    if (!tenant_from_key(text_from(ret_line->key), &ret_line->tenant, &err))
        die(err.message);
    ret_line->document = document_of(TEXT("docs"), text_from(ret_line->key));
    ret_line->is_bare = text_equal(rest, TEXT("-"));
    if (ret_line->is_bare)
        ret_line->job = document_bare_job(&ret_line->document, TEXT("1"));
    else if (!uuid_parse(rest, &ret_line->job))
        die("a line without a job");
}

static int by_document(const void *a, const void *b)
{
    const struct line *left = *(struct line *const *)a, *right = *(struct line *const *)b;
    return uuid_compare(left->document.id, right->document.id);
}

static size_t read_lines(struct line ***ret_lines)
{
    char text[LINE_BYTES];
    struct line **lines = NULL;
    size_t count = 0;
    while (fgets(text, sizeof(text), stdin)) {
        lines = xrealloc((void *)lines, count + 1, sizeof(struct line *));
        lines[count] = xcalloc(1, sizeof(struct line));
        take_line(text_from(text), lines[count++]);
    }
    *ret_lines = lines;
    return count;
}

/* ---- batches --------------------------------------------------------------------------------- */

static struct pg_array *array_new(struct batch *batch, uint32_t type)
{
    batch->arrays[batch->array_count] = pg_array_new(type);
    return &batch->arrays[batch->array_count++];
}

static struct pg_param word(const char *text, uint32_t type)
{
    return (struct pg_param){.data = text, .bytes = (int)strlen(text), .type = type};
}

static struct pg_statement statement(const char *sql, const struct pg_param *params, int count)
{
    return (struct pg_statement){.sql = sql, .params = params, .param_count = count};
}

enum { IDS = 4 };

static void build_claim(struct batch *batch, struct line **lines, size_t count,
                        struct pg_param ids[IDS], struct pg_param *ret_fences)
{
    struct pg_array *documents = array_new(batch, PG_UUID), *users = array_new(batch, PG_UUID),
                    *jobs = array_new(batch, PG_UUID), *bare = array_new(batch, PG_BOOL),
                    *fences = array_new(batch, PG_INT8), *uncovers = array_new(batch, PG_BOOL),
                    *times = array_new(batch, PG_INT8), *etags = array_new(batch, PG_TEXT),
                    *buckets = array_new(batch, PG_TEXT), *keys = array_new(batch, PG_TEXT);
    for (size_t i = 0; i < count; i++) {
        pg_array_add_uuid(documents, lines[i]->document.id);
        pg_array_add_uuid(users, lines[i]->tenant.id);
        pg_array_add_uuid(jobs, lines[i]->job);
        pg_array_add_bool(bare, lines[i]->is_bare);
        pg_array_add_i64(fences, (int64_t)(random_u63() | 1));
        pg_array_add_bool(uncovers, false);
        pg_array_add_i64(times, 1);
        pg_array_add_text(buckets, lines[i]->document.bucket);
        pg_array_add_text(keys, lines[i]->document.key);
        pg_array_add_text(etags, TEXT("e"));
    }
    struct pg_array *arrays[IDS] = {documents, users, jobs, bare};
    struct pg_param prefix = word("user_", PG_TEXT), pipeline = word("bench", PG_TEXT);
    struct pg_param told[] = {pg_array_param(times), pg_array_param(etags)};
    for (size_t i = 0; i < IDS; i++)
        ids[i] = pg_array_param(arrays[i]);
    *ret_fences = pg_array_param(fences);
    bool has_bare = lines[0]->is_bare; /* all of them, or none */
    struct pg_param params[4][12] = {
        {ids[0], ids[1], ids[2], ids[3], prefix, told[0], told[1], pipeline},
        {ids[0], ids[1], ids[2], ids[3], prefix, pg_array_param(buckets), pg_array_param(keys),
         *ret_fences, word(LEASE, PG_INT8), told[0], told[1]},
        {ids[0], ids[2]},
        {ids[0], ids[1], ids[2], ids[3], *ret_fences, pipeline, prefix, word(LEASE, PG_INT8),
         pg_array_param(uncovers), told[0], told[1], word(has_bare ? "t" : "f", PG_BOOL)}};
    memcpy(batch->claim, params, sizeof(params));
    size_t at = 0;
    if (has_bare) {
        batch->claiming[at++] = statement(SQL_CLAIM_JOBS, batch->claim[0], 8);
        batch->claiming[at++] = statement(SQL_CLAIM_DOCUMENTS, batch->claim[1], 11);
    }
    batch->claiming[at++] = statement(SQL_CLAIM_LOCK, batch->claim[2], 2);
    batch->claiming[at] = statement(SQL_CLAIM, batch->claim[3], 12);
    batch->claiming[at++].keeps_rows = true;
    batch->claiming_count = at;
}

enum { EFFECT = 3, OUTCOME, CODE, MESSAGE, ETAG, SIZE, CHUNKS, PAGES, TOKENS, DIRTY, TITLE, MIME };
enum { ABOUT = MIME + 1, BODY, BODY_STAGED, BODY_DROPPED, BILLED, PRICE };

static void fill_column(struct pg_array *array, int column)
{
    switch (column) {
    case EFFECT:
        pg_array_add_text(array, TEXT("live"));
        break;
    case OUTCOME:
        pg_array_add_text(array, TEXT("success"));
        break;
    case ETAG:
        pg_array_add_text(array, TEXT("d41d8cd98f00b204e9800998ecf8427e"));
        break;
    case ABOUT:
        pg_array_add_text(array, text_from(METADATA));
        break;
    case SIZE:
    case TOKENS:
    case BILLED:
        pg_array_add_i64(array, column == SIZE ? 1000 : 0);
        break;
    case CHUNKS:
    case PAGES:
        pg_array_add_i32(array, column == PAGES);
        break;
    case DIRTY:
    case BODY_STAGED:
    case BODY_DROPPED:
        pg_array_add_bool(array, false);
        break;
    default:
        pg_array_add_null(array);
    }
}

static void build_finish(struct batch *batch, size_t count, const struct pg_param ids[IDS],
                         struct pg_param fences)
{
    static const uint32_t TYPES[FINISH_COLUMNS] = {
        [EFFECT] = PG_TEXT, [OUTCOME] = PG_TEXT, [CODE] = PG_TEXT,        [MESSAGE] = PG_TEXT,
        [ETAG] = PG_TEXT,   [SIZE] = PG_INT8,    [CHUNKS] = PG_INT4,      [PAGES] = PG_INT4,
        [TOKENS] = PG_INT8, [DIRTY] = PG_BOOL,   [TITLE] = PG_TEXT,       [MIME] = PG_TEXT,
        [ABOUT] = PG_TEXT,  [BODY] = PG_TEXT,    [BODY_STAGED] = PG_BOOL, [BODY_DROPPED] = PG_BOOL,
        [BILLED] = PG_INT8, [PRICE] = PG_TEXT};
    struct pg_param *params = batch->finish;
    params[0] = ids[0];
    params[1] = fences;
    params[2] = ids[2];
    for (int column = EFFECT; column < FINISH_COLUMNS; column++) {
        struct pg_array *array = array_new(batch, TYPES[column]);
        for (size_t i = 0; i < count; i++)
            fill_column(array, column);
        params[column] = pg_array_param(array);
    }
    params[FINISH_COLUMNS] = word("bench", PG_TEXT);
    params[FINISH_COLUMNS + 1] = word("f", PG_BOOL);
    params[FINISH_COLUMNS + 2] = word("t", PG_BOOL);
    batch->finishing[0] = statement(SQL_LOCK, params, 1);
    batch->finishing[1] = statement(SQL_FINISH, params, FINISH_COLUMNS + 3);
    batch->finishing[1].keeps_rows = true;
}

/* ---- running --------------------------------------------------------------------------------- */

static void on_done(struct pg_request *request, const struct pg_result *result,
                    const struct error *err)
{
    (void)request;
    if (err)
        die(err->message);
    for (size_t row = 0; row < pg_row_count(result); row++) {
        struct text answer = pg_value(result, row, 1);
        good_count +=
            text_equal(answer, text_from(wanted_verdict)) || text_equal(answer, TEXT("ok"));
    }
    if (--waited_for == 0)
        loop_stop(loop);
}

static struct batch *batch_new(struct line **lines, size_t count, bool is_both)
{
    struct batch *batch = xcalloc(1, sizeof(*batch));
    struct pg_param ids[IDS], fences;
    qsort((void *)lines, count, sizeof(struct line *), by_document);
    build_claim(batch, lines, count, ids, &fences);
    batch->requests[0] = (struct pg_request){.statements = batch->claiming,
                                             .statement_count = batch->claiming_count,
                                             .finds_by_key = true,
                                             .on_done = on_done};
    if (is_both)
        build_finish(batch, count, ids, fences);
    batch->requests[1] = (struct pg_request){.statements = batch->finishing,
                                             .statement_count = 2,
                                             .finds_by_key = true,
                                             .on_done = on_done};
    return batch;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct error err;
    struct line **lines;
    uint64_t batch_rows = 0;
    if (argc != 4 || !text_parse_u64(text_from(argv[2]), &batch_rows) || batch_rows < 1 ||
        batch_rows > BATCH_MAX)
        die("usage: queue_limit DATABASE_URL BATCH claim|both");
    bool is_both = strcmp(argv[3], "both") == 0;
    wanted_verdict = is_both ? "go" : "done";
    size_t line_count = read_lines(&lines);
    struct pg_options options = {.url = text_from(argv[1]),
                                 .application_name = TEXT("queue_limit"),
                                 .connect_timeout_ms = 10000,
                                 .statement_timeout_ms = 60000,
                                 .lock_timeout_ms = 10000,
                                 .transactions_max = 3}; /* the server never waits for us */
    loop = loop_new(&err);
    struct pg *pg = loop ? pg_open(loop, &options, &err) : NULL;
    if (!pg)
        die(err.message);
    size_t batch_count = 0;
    struct batch **batches = xcalloc(line_count / batch_rows + 1, sizeof(struct batch *));
    for (size_t at = 0; at < line_count; at += batch_rows) {
        size_t count = line_count - at < batch_rows ? line_count - at : (size_t)batch_rows;
        batches[batch_count++] = batch_new(lines + at, count, is_both);
    }
    while (!pg_is_connected(pg))
        loop_run_once(loop, 100);
    double start_s = now_s();
    waited_for = batch_count * (is_both ? 2 : 1);
    for (size_t i = 0; i < batch_count; i++) {
        pg_run(pg, &batches[i]->requests[0]);
        if (is_both)
            pg_run(pg, &batches[i]->requests[1]);
    }
    loop_run(loop);
    (void)printf("%zu %.3f\n", good_count, now_s() - start_s);
    return 0;
}
