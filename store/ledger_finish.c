#include "store/ledger_internal.h"

#define TEXT_INLINE_BYTES_MAX 16384 /* a larger extracted text goes ahead by COPY */

/* The columns of FINISH's arrays, in the order of its parameters. */
enum column {
    DOCUMENT,
    FENCE,
    JOB,
    EFFECT,
    OUTCOME,
    CODE,
    MESSAGE,
    ETAG,
    SIZE,
    CHUNKS,
    PAGES,
    TOKENS,
    DIRTY,
    TITLE,
    MIME,
    METADATA,
    BODY,
    BODY_STAGED,
    BODY_DROPPED,
    BILLED,
    PRICE,
    COLUMN_COUNT
};
static const uint32_t TYPES[COLUMN_COUNT] = {
    [DOCUMENT] = PG_UUID, [FENCE] = PG_INT8,       [JOB] = PG_UUID,          [EFFECT] = PG_TEXT,
    [OUTCOME] = PG_TEXT,  [CODE] = PG_TEXT,        [MESSAGE] = PG_TEXT,      [ETAG] = PG_TEXT,
    [SIZE] = PG_INT8,     [CHUNKS] = PG_INT4,      [PAGES] = PG_INT4,        [TOKENS] = PG_INT8,
    [DIRTY] = PG_BOOL,    [TITLE] = PG_TEXT,       [MIME] = PG_TEXT,         [METADATA] = PG_TEXT,
    [BODY] = PG_TEXT,     [BODY_STAGED] = PG_BOOL, [BODY_DROPPED] = PG_BOOL, [BILLED] = PG_INT8,
    [PRICE] = PG_TEXT,
};

static struct ledger_finish *finish_of(const struct list_node *node)
{
    return (struct ledger_finish *)container_of(node, struct ledger_finish, waiting);
}

static struct uuid finish_document(const struct list_node *node)
{
    return finish_of(node)->document->id;
}

/* Moving chunk rows is what takes time: a document of 8,192 chunks fills a batch. */
static size_t bytes_of(const struct list_node *node)
{
    const struct ledger_finish *finish = finish_of(node);
    bool is_inline = !finish->is_text_staged && !finish->is_text_dropped;
    size_t text_bytes = is_inline ? finish->extracted_text.bytes : 0;
    return text_bytes + finish->metadata.bytes + finish->message.bytes +
           (size_t)finish->chunk_count * 1024;
}

/* An empty text of the caller's means "none" as well as a missing one. */
static struct text text_or_none(struct text text)
{
    return text.bytes ? text : TEXT_NONE;
}

static void add_row(struct pg_array *const *columns, const struct ledger_finish *finish)
{
    bool is_live = finish->effect == EFFECT_LIVE;
    pg_array_add_uuid(columns[DOCUMENT], finish->document->id);
    pg_array_add_i64(columns[FENCE], (int64_t)finish->fence);
    array_add_uuid_or_null(columns[JOB], finish->job);
    pg_array_add_text(columns[EFFECT], text_from(effect_name(finish->effect)));
    pg_array_add_text(columns[OUTCOME], text_from(outcome_name(finish->outcome)));
    pg_array_add_text(columns[CODE], error_code_text(finish->has_code, finish->code));
    pg_array_add_text(columns[MESSAGE], text_or_none(finish->message));
    pg_array_add_text(columns[ETAG], text_or_none(finish->etag));
    pg_array_add_i64(columns[SIZE], (int64_t)finish->size_bytes);
    pg_array_add_i32(columns[CHUNKS], (int32_t)finish->chunk_count);
    pg_array_add_i32(columns[PAGES], (int32_t)finish->page_count);
    pg_array_add_i64(columns[TOKENS], (int64_t)finish->token_count);
    pg_array_add_bool(columns[DIRTY], finish->is_dirty);
    pg_array_add_text(columns[TITLE], text_or_none(finish->title));
    pg_array_add_text(columns[MIME], text_or_none(finish->mime_type));
    pg_array_add_text(columns[METADATA], text_or_none(finish->metadata));
    bool is_inline = is_live && !finish->is_text_staged && !finish->is_text_dropped;
    pg_array_add_text(columns[BODY], is_inline ? finish->extracted_text : TEXT_NONE);
    pg_array_add_bool(columns[BODY_STAGED], is_live && finish->is_text_staged);
    pg_array_add_bool(columns[BODY_DROPPED], is_live && finish->is_text_dropped);
    pg_array_add_i64(columns[BILLED], (int64_t)finish->tokens_billed);
    pg_array_add_text(columns[PRICE], text_or_none(finish->price));
}

static void build(struct batch *batch)
{
    const struct ledger_options *options = &batch->ledger->options;
    struct pg_array *columns[COLUMN_COUNT];
    struct pg_param params[COLUMN_COUNT + 3];
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        columns[i] = ledger_batch_array(batch, TYPES[i]);
    for (size_t i = 0; i < batch->node_count; i++)
        add_row(columns, finish_of(batch->nodes[i]));
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        params[i] = pg_array_param(columns[i]);
    params[COLUMN_COUNT] = ledger_batch_text(options->pipeline);
    params[COLUMN_COUNT + 1] = ledger_batch_bool(!options->has_user_schemas);
    params[COLUMN_COUNT + 2] = ledger_batch_bool(!options->vectors_in_postgres);
    ledger_batch_statement(batch, SQL_LOCK, params, 1);
    ledger_batch_statement(batch, SQL_FINISH, params, COUNT_OF(params));
}

static bool take(struct list_node *node, const struct pg_result *result, size_t row)
{
    struct text word = pg_value(result, row, 1);
    finish_of(node)->answer = text_equal(word, TEXT("ok"))        ? FINISH_OK
                              : text_equal(word, TEXT("restage")) ? FINISH_RESTAGE
                                                                  : FINISH_LOST;
    return true;
}

static void answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_finish *finish = finish_of(node);
    (void)ledger;
    finish->on_done(finish, err);
}

const struct lane_kind FINISH_KIND = {
    .rows_max = LEDGER_BATCH_MAX,
    .batches_max = 1, /* what finishes meanwhile makes the next one large */
    .answers_row_by_row = true,
    .document_of = finish_document,
    .bytes_of = bytes_of,
    .build = build,
    .take = take,
    .answer = answer,
};

static enum lane_name lane_of(const struct ledger_finish *finish)
{
    return finish->goes_ahead ? LANE_FINISH_AHEAD : LANE_FINISH;
}

/* ---- large texts, ahead of the finish -------------------------------------------------------- */

static size_t text_bytes_of(const struct list_node *node)
{
    return finish_of(node)->extracted_text.bytes;
}

static void text_build(struct batch *batch)
{
    batch->copy_sql = "copy staged_texts (document_id, gen, body) from stdin (format binary)";
    stage_begin(&batch->bytes);
    for (size_t i = 0; i < batch->node_count; i++) {
        const struct ledger_finish *finish = finish_of(batch->nodes[i]);
        stage_row(&batch->bytes, 3);
        stage_uuid(&batch->bytes, finish->document->id);
        stage_i64(&batch->bytes, (int64_t)finish->fence);
        stage_text(&batch->bytes, finish->extracted_text);
    }
    stage_end(&batch->bytes);
}

static void text_answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_finish *finish = finish_of(node);
    if (err)
        finish->on_done(finish, err);
    else
        ledger_lane_submit(ledger, lane_of(finish), node);
}

const struct lane_kind TEXT_KIND = {
    .rows_max = LEDGER_BATCH_MAX,
    .batches_max = 1,
    .is_copy = true,
    .bytes_of = text_bytes_of,
    .build = text_build,
    .answer = text_answer,
};

void ledger_finish(struct ledger *ledger, struct ledger_finish *finish)
{
    size_t text_bytes = finish->extracted_text.bytes;
    finish->is_text_dropped = text_bytes > ledger->options.extracted_text_bytes_max;
    finish->is_text_staged = finish->effect == EFFECT_LIVE && !finish->is_text_dropped &&
                             text_bytes > TEXT_INLINE_BYTES_MAX;
    ledger_lane_submit(ledger, finish->is_text_staged ? LANE_TEXT : lane_of(finish),
                       &finish->waiting);
}
