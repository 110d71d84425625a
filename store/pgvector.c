#include <assert.h>
#include <math.h>
#include <string.h>

#include "store/driver.h"
#include "store/floats.h"
#include "store/pinecone_codec.h"
#include "worker/base/memory.h"

/* Vectors that are rows: the tenant's chunks table holds those of the live generation alone. A
 * query compares with every one of them, exactly, in slices along the primary key: so that no
 * statement comes near its timeout or keeps the connection from others, however many chunks there
 * are. A table that has an index (`migrate` makes it, indexes.sql) is asked once, through that. */

enum {
    SQL_BYTES_MAX = 4096,
    PARAMS_MAX = 6,
    /* Values compared per statement: about 65 ns each in an array, 4 ns in pgvector. */
    ARRAY_SLICE_VALUES = 4000000,
    HALFVEC_SLICE_VALUES = 40000000,
};

struct pgvector {
    struct loop *loop;
    struct pg *pg;
    uint32_t dimension_count;
    bool has_user_schemas;
    size_t operation_count;
    bool is_closing;
    struct later closing;
    void (*on_closed)(void *arg);
    void *arg;
};

struct operation {
    struct pgvector *pgvector;
    struct vectors_request *request;
    struct vectors_probe *probe;
    bool is_cancelled;
    char table[96], index[128];
    struct buffer sql;
    struct pg_statement statements[2]; /* settings of the index, if it is used, and the one */
    struct pg_param params[PARAMS_MAX];
    struct pg_request pg;
    void (*on_rows)(struct operation *operation, const struct pg_result *result);
    char user[UUID_TEXT_BYTES], document[UUID_TEXT_BYTES];
    /* query */
    struct buffer vector; /* "[1,2]" or "{1,2}" */
    char after_document[UUID_TEXT_BYTES], after_no[16], limit[16], slice[16];
    double query_length;
    bool is_array, is_indexed;
    /* fetch */
    struct pg_array numbers;
    char gen[24];
};

static void answer(struct operation *operation, const struct error *err)
{
    struct pgvector *pgvector = operation->pgvector;
    struct error cancelled;
    if (operation->is_cancelled && !err) {
        error_set(&cancelled, ERR_CANCELLED, "given up");
        err = &cancelled;
    }
    buffer_release(&operation->sql);
    buffer_release(&operation->vector);
    if (operation->numbers.count)
        pg_array_release(&operation->numbers);
    loop_bury(pgvector->loop, operation);
    pgvector->operation_count--;
    if (operation->probe) {
        operation->probe->on_done(operation->probe, err);
        return;
    }
    operation->request->private_state = NULL;
    operation->request->on_done(operation->request, err);
}

static void close_when_idle(struct later *later)
{
    struct pgvector *pgvector = container_of(later, struct pgvector, closing);
    void (*on_closed)(void *) = pgvector->on_closed;
    void *arg = pgvector->arg;
    loop_bury(pgvector->loop, pgvector);
    on_closed(arg);
}

static void on_pg_done(struct pg_request *pg, const struct pg_result *result,
                       const struct error *err)
{
    struct operation *operation = container_of(pg, struct operation, pg);
    struct pgvector *pgvector = operation->pgvector;
    struct error wrapped;
    if (err) {
        wrapped = *err;
        error_wrap(&wrapped, "vectors of %s", operation->table);
        answer(operation, &wrapped);
    } else if (operation->is_cancelled) {
        answer(operation, NULL);
    } else {
        operation->on_rows(operation, result);
    }
    if (pgvector->is_closing && pgvector->operation_count == 0)
        loop_later(pgvector->loop, &pgvector->closing, close_when_idle);
}

/* How far the index is searched: more than matches are asked for, since some may be left out; on
 * and on where tenants share it. */
static const char INDEX_SETTINGS_SQL[] = "select set_config('hnsw.ef_search', '200', true), "
                                         "set_config('hnsw.iterative_scan', 'strict_order', true)";

/* Runs operation->sql, whose rows go to on_rows. */
static void run(struct operation *operation, int param_count,
                void (*on_rows)(struct operation *operation, const struct pg_result *result))
{
    operation->on_rows = on_rows;
    operation->statements[0] = (struct pg_statement){.sql = INDEX_SETTINGS_SQL};
    operation->statements[1] = (struct pg_statement){
        .sql = buffer_string(&operation->sql),
        .params = operation->params,
        .param_count = param_count,
        .is_dynamic = true,
        .keeps_rows = true,
    };
    size_t from = operation->is_indexed ? 0 : 1;
    operation->pg = (struct pg_request){.statements = &operation->statements[from],
                                        .statement_count = 2 - from,
                                        .on_done = on_pg_done};
    assert(!operation->sql.is_full);
    pg_run(operation->pgvector->pg, &operation->pg);
}

static struct pg_param text_param(const char *text)
{
    return (struct pg_param){.data = text, .bytes = (int)strlen(text)};
}

/* ---- query ----------------------------------------------------------------------------------- */

static void keep_match(struct vectors_request *request, const struct vectors_match *match)
{
    size_t at = request->match_count;
    struct vectors_match *matches = request->matches;
    while (at > 0 && matches[at - 1].score < match->score)
        at--;
    if (at == request->match_max) {
        xfree(match->text);
        return;
    }
    if (request->match_count == request->match_max)
        xfree(matches[--request->match_count].text);
    memmove(&matches[at + 1], &matches[at], (request->match_count - at) * sizeof(*matches));
    matches[at] = *match;
    request->match_count++;
}

static bool read_match(const struct pg_result *result, size_t row, double query_length,
                       struct vectors_match *ret_match)
{
    struct vectors_match match = {0};
    uint64_t no, page_first, page_last;
    if (!pg_value_uuid(result, row, 2, &match.document) || !pg_value_u64(result, row, 3, &no) ||
        !text_parse_double(pg_value(result, row, 4), &match.score) ||
        !pg_value_u64(result, row, 5, &match.gen) || !pg_value_u64(result, row, 6, &page_first) ||
        !pg_value_u64(result, row, 7, &page_last))
        return false; /* the row of an empty slice, or a vector of length zero */
    match.score /= query_length;
    match.no = (uint32_t)no;
    match.page_first = (uint32_t)page_first;
    match.page_last = (uint32_t)page_last;
    match.text = xstrdup(pg_value(result, row, 8));
    *ret_match = match;
    return true;
}

static void copy_value(const struct pg_result *result, size_t column, char *ret_text, size_t bytes)
{
    (void)text_format(ret_text, bytes, "%.*s", TEXT_ARGS(pg_value(result, 0, column)));
}

static void on_slice(struct operation *operation, const struct pg_result *result)
{
    size_t rows = pg_row_count(result);
    if (rows == 0) {
        answer(operation, NULL);
        return;
    }
    for (size_t row = 0; row < rows; row++) {
        struct vectors_match match;
        if (read_match(result, row, operation->query_length, &match))
            keep_match(operation->request, &match);
    }
    copy_value(result, 0, operation->after_document, sizeof(operation->after_document));
    copy_value(result, 1, operation->after_no, sizeof(operation->after_no));
    run(operation, operation->statements[1].param_count, on_slice);
}

/* $1, $2: the key behind which the slice begins; $3: its rows; $4: the query; $5: matches wanted;
 * $6: the user, where tenants share a table. */
static void write_slice_sql(struct operation *operation, struct text type_schema)
{
    struct buffer *sql = &operation->sql;
    buffer_clear(sql);
    buffer_format(sql,
                  "with slice as materialized (select document_id, chunk_no, embedding from %s "
                  "where (document_id, chunk_no) > ($1::uuid, $2::int) and embedding is not null %s"
                  "order by document_id, chunk_no limit $3::int), ",
                  operation->table,
                  operation->pgvector->has_user_schemas ? "" : "and user_id = $6::uuid ");
    buffer_append_text(sql, TEXT("best as (select document_id, chunk_no, "));
    if (operation->is_array)
        buffer_append_text(
            sql, TEXT("(select sum(x * y) / nullif(sqrt(sum(x * x)), 0) from "
                      "(select unnest(embedding)::float8 as x, unnest($4::real[])::float8 as y) as "
                      "pairs) "));
    else
        buffer_format(sql, "1 - (embedding operator(%.*s.<=>) $4::%.*s.halfvec) ",
                      TEXT_ARGS(type_schema), TEXT_ARGS(type_schema));
    buffer_format(sql,
                  "as score from slice order by score desc nulls last, 1, 2 limit $5::int) "
                  "select last.document_id, last.chunk_no, found.* from (select document_id, "
                  "chunk_no from slice order by 1 desc, 2 desc limit 1) as last left join "
                  "(select b.document_id, b.chunk_no, b.score, d.gen, c.page_first, c.page_last, "
                  "c.content from best b join %s c using (document_id, chunk_no) "
                  "join documents d on d.id = b.document_id and d.gen is not null) "
                  "as found on true",
                  operation->table);
}

static void on_indexed(struct operation *operation, const struct pg_result *result)
{
    for (size_t row = 0; row < pg_row_count(result); row++) {
        struct vectors_match match;
        if (read_match(result, row, operation->query_length, &match))
            keep_match(operation->request, &match);
    }
    answer(operation, NULL);
}

/* $1: the query; $2: matches wanted; $3: the user, where tenants share a table. The expression and
 * the condition are those of the index. */
static void write_indexed_sql(struct operation *operation, struct text type_schema)
{
    struct buffer *sql = &operation->sql;
    uint32_t dimension_count = operation->pgvector->dimension_count;
    buffer_clear(sql);
    buffer_format(sql,
                  "select null, null, b.document_id, b.chunk_no, 1 - b.distance, d.gen, "
                  "b.page_first, b.page_last, b.content from (select document_id, chunk_no, "
                  "page_first, page_last, content, (embedding::%.*s.halfvec(%u)) "
                  "operator(%.*s.<=>) $1::%.*s.halfvec(%u) as distance from %s where "
                  "%.*s.vector_dims(embedding) = %u %s order by distance limit $2::int) b "
                  "join documents d on d.id = b.document_id and d.gen is not null",
                  TEXT_ARGS(type_schema), dimension_count, TEXT_ARGS(type_schema),
                  TEXT_ARGS(type_schema), dimension_count, operation->table, TEXT_ARGS(type_schema),
                  dimension_count,
                  operation->pgvector->has_user_schemas ? "" : "and user_id = $3::uuid");
}

static void write_query_vector(struct operation *operation)
{
    const struct vectors_request *request = operation->request;
    uint32_t count = operation->pgvector->dimension_count;
    struct text opening = operation->is_array ? TEXT("{") : TEXT("[");
    double squares = 0;
    operation->vector = buffer_new(SIZE_MAX / 2);
    buffer_append_text(&operation->vector, opening);
    char *numbers = buffer_reserve(&operation->vector, FLOATS_TEXT_BYTES_MAX((size_t)count));
    if (numbers)
        operation->vector.bytes += floats_format(request->query, count, numbers);
    for (uint32_t i = 0; i < count; i++)
        squares += (double)request->query[i] * (double)request->query[i];
    buffer_append_text(&operation->vector, operation->is_array ? TEXT("}") : TEXT("]"));
    operation->query_length = operation->is_array ? sqrt(squares) : 1;
}

static void begin_indexed(struct operation *operation, struct text type_schema)
{
    write_indexed_sql(operation, type_schema);
    operation->params[0] = text_param(buffer_string(&operation->vector));
    operation->params[1] = text_param(operation->limit);
    operation->params[2] = text_param(operation->user);
    run(operation, operation->pgvector->has_user_schemas ? 2 : 3, on_indexed);
}

/* How this tenant's vectors are kept; no row: the tenant has no chunks yet. */
static void on_column_type(struct operation *operation, const struct pg_result *result)
{
    struct pgvector *pgvector = operation->pgvector;
    if (pg_row_count(result) == 0) {
        answer(operation, NULL);
        return;
    }
    struct text type = pg_value(result, 0, 0);
    operation->is_array = text_equal(type, TEXT("_float4"));
    if (!operation->is_array && !text_equal(type, TEXT("halfvec"))) {
        struct error err;
        error_set(&err, ERR_SCHEMA, "%s.embedding is of type %.*s, not halfvec or real[]",
                  operation->table, TEXT_ARGS(type));
        answer(operation, &err);
        return;
    }
    write_query_vector(operation);
    (void)text_format(operation->limit, sizeof(operation->limit), "%u",
                      operation->request->match_max);
    operation->is_indexed = text_equal(pg_value(result, 0, 2), TEXT("t"));
    if (operation->is_indexed) {
        begin_indexed(operation, pg_value(result, 0, 1));
        return;
    }
    write_slice_sql(operation, pg_value(result, 0, 1));
    uint32_t values = operation->is_array ? ARRAY_SLICE_VALUES : HALFVEC_SLICE_VALUES;
    (void)text_format(operation->slice, sizeof(operation->slice), "%u",
                      values / pgvector->dimension_count + 1);
    uuid_format(UUID_NIL, operation->after_document);
    (void)text_format(operation->after_no, sizeof(operation->after_no), "-1");
    struct pg_param params[PARAMS_MAX] = {
        text_param(operation->after_document), text_param(operation->after_no),
        text_param(operation->slice),          text_param(buffer_string(&operation->vector)),
        text_param(operation->limit),          text_param(operation->user)};
    memcpy(operation->params, params, sizeof(params));
    run(operation, pgvector->has_user_schemas ? 5 : 6, on_slice);
}

/* $1 the table, $2 its index. Searching a shared index on and on came with pgvector 0.8. */
static const char COLUMN_TYPE_SQL[] =
    "select t.typname, quote_ident(n.nspname), coalesce((select i.indisvalid from pg_index i where "
    "i.indexrelid = to_regclass($2::text)), false) and (select string_to_array(extversion, "
    "'.')::int[] >= '{0,8}' from pg_extension where extname = 'vector') from pg_attribute a "
    "join pg_type t on t.oid = a.atttypid join pg_namespace n on n.oid = t.typnamespace "
    "where a.attrelid = to_regclass($1::text) and a.attname = 'embedding' and not a.attisdropped";

static void begin_query(struct operation *operation)
{
    buffer_append_text(&operation->sql, text_from(COLUMN_TYPE_SQL));
    (void)text_format(operation->index, sizeof(operation->index), "%s_hnsw_%u", operation->table,
                      operation->pgvector->dimension_count);
    operation->params[0] = text_param(operation->table);
    operation->params[1] = text_param(operation->index);
    run(operation, 2, on_column_type);
}

/* ---- fetch ----------------------------------------------------------------------------------- */

static void fill_row(struct operation *operation, size_t at, struct text hash, struct text values)
{
    struct vectors_request *request = operation->request;
    uint32_t dimension_count = operation->pgvector->dimension_count;
    struct chunk *chunk = request->fetched[at];
    float *row = request->vectors + at * dimension_count;
    char expected[SHA256_BYTES * 2 + 1];
    hex_format(chunk->hash, sizeof(chunk->hash), expected);
    if (chunk->vector || !text_equal(hash, text_from(expected)) ||
        !floats_read(values, row, dimension_count) || !vector_is_usable(row, dimension_count))
        return;
    chunk->vector = row;
    request->fetched_count++;
}

static void on_fetched(struct operation *operation, const struct pg_result *result)
{
    struct vectors_request *request = operation->request;
    for (size_t row = 0; row < pg_row_count(result); row++) {
        uint64_t no;
        if (!pg_value_u64(result, row, 0, &no))
            continue;
        for (size_t at = 0; at < request->chunk_count; at++)
            if (request->known_no[at] == (int64_t)no)
                fill_row(operation, at, pg_value(result, row, 1), pg_value(result, row, 2));
    }
    answer(operation, NULL);
}

static void begin_fetch(struct operation *operation)
{
    const struct vectors_request *request = operation->request;
    buffer_format(&operation->sql,
                  "select c.chunk_no, encode(c.content_hash, 'hex'), "
                  "array_to_json(c.embedding::real[]) from %s c "
                  "join documents d on d.id = c.document_id and d.gen = $3::bigint "
                  "where c.document_id = $1::uuid and c.chunk_no = any($2) "
                  "and d.user_id = $4::uuid and c.embedding is not null",
                  operation->table);
    operation->numbers = pg_array_new(PG_INT4);
    for (size_t i = 0; i < request->chunk_count; i++)
        if (request->known_no[i] >= 0)
            pg_array_add_i32(&operation->numbers, (int32_t)request->known_no[i]);
    (void)text_format(operation->gen, sizeof(operation->gen), "%llu",
                      (unsigned long long)request->gen);
    struct pg_param params[] = {text_param(uuid_format(request->document->id, operation->document)),
                                pg_array_param(&operation->numbers), text_param(operation->gen),
                                text_param(operation->user)};
    memcpy(operation->params, params, sizeof(params));
    run(operation, COUNT_OF(params), on_fetched);
}

/* ---- the driver ------------------------------------------------------------------------------ */

static struct operation *operation_new(struct pgvector *pgvector)
{
    struct operation *operation = xcalloc(1, sizeof(*operation));
    operation->pgvector = pgvector;
    operation->sql = buffer_new(SQL_BYTES_MAX);
    pgvector->operation_count++;
    return operation;
}

static void pgvector_start(void *driver, enum vectors_operation kind,
                           struct vectors_request *request)
{
    struct pgvector *pgvector = driver;
    struct operation *operation = operation_new(pgvector);
    operation->request = request;
    request->private_state = operation;
    uuid_format(request->tenant->id, operation->user);
    const struct tenant *tenant = request->tenant; /* shared: found by the search path */
    (void)text_format(operation->table, sizeof(operation->table), "%s%schunks",
                      pgvector->has_user_schemas ? tenant->schema : "",
                      pgvector->has_user_schemas ? "." : "");
    assert(kind == VECTORS_QUERY || kind == VECTORS_FETCH); /* the others are rows already */
    if (kind == VECTORS_QUERY)
        begin_query(operation);
    else
        begin_fetch(operation);
}

/* A statement that runs is not broken off: it ends within its timeout, and then comes the answer.
 */
static void pgvector_cancel(void *driver, struct vectors_request *request)
{
    (void)driver;
    struct operation *operation = request->private_state;
    operation->is_cancelled = true;
}

static void on_checked(struct operation *operation, const struct pg_result *result)
{
    (void)result;
    answer(operation, NULL);
}

/* What the columns are like is the schema's business (schema_check); here: that it answers. */
static void pgvector_check(void *driver, struct vectors_probe *probe)
{
    struct operation *operation = operation_new(driver);
    operation->probe = probe;
    (void)text_format(operation->table, sizeof(operation->table), "PostgreSQL");
    buffer_append_text(&operation->sql, TEXT("select 1"));
    run(operation, 0, on_checked);
}

static void *pgvector_open(struct loop *loop, const struct vectors_options *options,
                           struct error *err)
{
    if (!options->pg) {
        error_set(err, ERR_CONFIG, "vectors in PostgreSQL need a database");
        return NULL;
    }
    struct pgvector *pgvector = xcalloc(1, sizeof(*pgvector));
    pgvector->loop = loop;
    pgvector->pg = options->pg;
    pgvector->dimension_count = options->dimension_count;
    pgvector->has_user_schemas = options->has_user_schemas;
    return pgvector;
}

static void pgvector_close(void *driver, void (*on_closed)(void *arg), void *arg)
{
    struct pgvector *pgvector = driver;
    pgvector->is_closing = true;
    pgvector->on_closed = on_closed;
    pgvector->arg = arg;
    if (pgvector->operation_count == 0)
        loop_later(pgvector->loop, &pgvector->closing, close_when_idle);
}

const struct vectors_driver PGVECTOR_DRIVER = {
    .capabilities = VECTORS_ARE_ROWS,
    .open = pgvector_open,
    .start = pgvector_start,
    .cancel = pgvector_cancel,
    .check = pgvector_check,
    .close = pgvector_close,
};
