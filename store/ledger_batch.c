#include "store/ledger_internal.h"
#include "worker/base/memory.h"

#define RETRY_MS_MIN 20
#define RETRY_MS_MAX 2000
#define CONFLICTS_MAX 6       /* then smaller batches may get through */
#define KEPT_PLAN_ROWS_MAX 16 /* a plan that does not look at the rows is made for about ten */

static void ledger_batch_run(struct batch *batch);

/* ---- for build() ----------------------------------------------------------------------------- */

struct pg_array *ledger_batch_array(struct batch *batch, uint32_t element_type)
{
    assert(batch->array_count < BATCH_ARRAYS_MAX);
    batch->arrays[batch->array_count] = pg_array_new(element_type);
    return &batch->arrays[batch->array_count++];
}

void ledger_batch_statement(struct batch *batch, const char *sql, const struct pg_param *params,
                            size_t param_count)
{
    assert(batch->statement_count < BATCH_STATEMENTS_MAX);
    assert(batch->param_count + param_count <= BATCH_PARAMS_MAX);
    struct pg_param *copy = &batch->params[batch->param_count];
    for (size_t i = 0; i < param_count; i++)
        copy[i] = params[i];
    batch->param_count += param_count;
    /* The rows of the last one count. */
    if (batch->statement_count)
        batch->statements[batch->statement_count - 1].keeps_rows = false;
    batch->statements[batch->statement_count++] = (struct pg_statement){
        .sql = sql, .params = copy, .param_count = (int)param_count, .keeps_rows = true};
}

struct pg_param ledger_batch_text(struct text text)
{
    return (struct pg_param){
        .data = text.start, .bytes = (int)text.bytes, .type = PG_TEXT, .is_binary = true};
}

struct pg_param batch_i64(struct batch *batch, int64_t value)
{
    assert(batch->number_count < COUNT_OF(batch->numbers));
    char *number = batch->numbers[batch->number_count++];
    (void)text_format(number, sizeof(batch->numbers[0]), "%lld", (long long)value);
    return (struct pg_param){.data = number, .type = PG_INT8};
}

struct pg_param ledger_batch_bool(bool value)
{
    return (struct pg_param){.data = value ? "t" : "f", .type = PG_BOOL};
}

void array_add_uuid_or_null(struct pg_array *array, struct uuid id)
{
    if (uuid_is_nil(id))
        pg_array_add_null(array);
    else
        pg_array_add_uuid(array, id);
}

struct text error_code_text(bool has_code, enum error_code code)
{
    return has_code ? text_from(error_name(code)) : TEXT_NONE;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void unbuild(struct batch *batch)
{
    for (size_t i = 0; i < batch->array_count; i++)
        pg_array_release(&batch->arrays[i]);
    batch->array_count = batch->param_count = batch->statement_count = batch->number_count = 0;
    buffer_clear(&batch->bytes);
}

static void ledger_batch_free(struct batch *batch)
{
    struct lane *lane = batch->lane;
    unbuild(batch);
    buffer_release(&batch->bytes);
    lane->batch_count--;
    lane->request_count -= batch->node_count;
    xfree(batch->nodes);
    xfree(batch->has_row);
    loop_bury(batch->ledger->loop, batch);
    ledger_lane_pump_soon(lane);
}

/* The batch is gone before the first answer, so that an answer may hand in a new request. */
static void answer_all(struct batch *batch, const struct error *err)
{
    struct ledger *ledger = batch->ledger;
    struct lane *lane = batch->lane;
    struct list_node **nodes = batch->nodes;
    size_t node_count = batch->node_count;
    bool *has_row = batch->has_row;
    batch->nodes = NULL;
    batch->has_row = NULL;
    ledger_batch_free(batch);
    for (size_t i = node_count; i-- > 0;)
        if (!err && !has_row[i])
            list_push_front(&lane->waiting, nodes[i]); /* once more, ahead of the others */
    ledger_lane_pump(lane); /* the server works on the next one while these are dealt out */
    for (size_t i = 0; i < node_count; i++)
        if (err || has_row[i])
            lane->kind->answer(ledger, nodes[i], err);
    xfree(nodes);
    xfree(has_row);
    ledger_lane_pump_soon(lane);
}

static void split(struct batch *batch)
{
    size_t half = batch->node_count / 2;
    struct list_node **first = xcalloc(half, sizeof(*first));
    struct list_node **second = xcalloc(batch->node_count - half, sizeof(*second));
    for (size_t i = 0; i < batch->node_count; i++)
        *(i < half ? &first[i] : &second[i - half]) = batch->nodes[i];
    struct lane *lane = batch->lane;
    size_t node_count = batch->node_count;
    uint64_t start_ms = batch->start_ms;
    ledger_batch_start(lane, first, half, start_ms);
    ledger_batch_start(lane, second, node_count - half, start_ms);
    ledger_batch_free(batch);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Class 22 (data), 23 (constraint), 54 (too large): a row of the batch did it. */
static bool is_caused_by_a_row(const char *sqlstate)
{
    struct text state = text_from(sqlstate);
    return text_starts_with(state, TEXT("22")) || text_starts_with(state, TEXT("23")) ||
           text_starts_with(state, TEXT("54"));
}

/* undefined_table, invalid_schema_name: the tenant has no chunks yet */
static bool is_table_missing(const char *sqlstate)
{
    struct text state = text_from(sqlstate);
    return text_equal(state, TEXT("42P01")) || text_equal(state, TEXT("3F000"));
}

static bool is_passing(enum error_code code)
{
    return code == ERR_CONFLICT || code == ERR_UNREACHABLE || code == ERR_UNAVAILABLE ||
           code == ERR_TIMEOUT;
}

static void on_retry(struct timer *timer)
{
    ledger_batch_run(container_of(timer, struct batch, retry));
}

static void retry(struct batch *batch, const struct error *err)
{
    struct loop *loop = batch->ledger->loop;
    if (loop_now_ms(loop) - batch->start_ms >= BATCH_DEADLINE_MS) {
        struct error late = *err;
        late.code = ERR_UNREACHABLE;
        answer_all(batch, &late);
        return;
    }
    uint32_t shift = batch->tries < 8 ? batch->tries : 8;
    uint64_t delay_ms = (uint64_t)RETRY_MS_MIN << shift;
    delay_ms = delay_ms < RETRY_MS_MAX ? delay_ms : RETRY_MS_MAX;
    batch->tries++;
    delay_ms = delay_ms / 2 + rng_below(loop_rng(loop), delay_ms / 2 + 1);
    timer_start(loop, &batch->retry, delay_ms, on_retry);
}

/* A row of it does harm, or it is too much at once, or in the way of others. */
static bool is_better_split(const struct batch *batch, const char *sqlstate, enum error_code code)
{
    bool is_in_the_way = code == ERR_CONFLICT && batch->tries >= CONFLICTS_MAX;
    return batch->node_count > 1 &&
           (is_caused_by_a_row(sqlstate) || code == ERR_TIMEOUT || is_in_the_way);
}

static void fail(struct batch *batch, const char *sqlstate, const struct error *err)
{
    if (is_better_split(batch, sqlstate, err->code))
        split(batch);
    else if (is_passing(err->code))
        retry(batch, err);
    else
        answer_all(batch, err);
}

static void on_rows(struct pg_request *request, const struct pg_result *result,
                    const struct error *err)
{
    struct batch *batch = container_of(request, struct batch, request);
    const struct lane_kind *kind = batch->lane->kind;
    if (err && !(kind->may_miss_table && is_table_missing(request->sqlstate))) {
        fail(batch, request->sqlstate, err);
        return;
    }
    size_t row_count = kind->answers_row_by_row ? pg_row_count(result) : 0;
    assert(kind->take || !row_count);
    for (size_t i = 0; i < batch->node_count; i++) {
        batch->has_row[i] = kind->may_have_no_row || !kind->take;
        if (kind->take && !kind->answers_row_by_row)
            batch->has_row[i] = kind->take(batch->nodes[i], result, 0);
    }
    for (size_t row = 0; row < row_count; row++) {
        uint64_t at = 0;
        if (pg_value_u64(result, row, 0, &at) && at >= 1 && at <= batch->node_count)
            batch->has_row[at - 1] = kind->take(batch->nodes[at - 1], result, row);
    }
    answer_all(batch, NULL);
}

static void on_copied(struct pg_copy *copy, const struct error *err)
{
    struct batch *batch = container_of(copy, struct batch, copy);
    if (err) {
        fail(batch, copy->sqlstate, err);
        return;
    }
    for (size_t i = 0; i < batch->node_count; i++)
        batch->has_row[i] = true;
    answer_all(batch, NULL);
}

/* ---- starts ---------------------------------------------------------------------------------- */

/* A statement without a name keeps none. */
static bool may_keep_plans(const struct batch *batch)
{
    return batch->node_count <= KEPT_PLAN_ROWS_MAX && !batch->statements[0].is_dynamic;
}

static void ledger_batch_run(struct batch *batch)
{
    const struct lane_kind *kind = batch->lane->kind;
    unbuild(batch);
    kind->build(batch);
    if (kind->is_copy) {
        batch->copy = (struct pg_copy){
            .sql = batch->copy_sql, .data = buffer_text(&batch->bytes), .on_done = on_copied};
        pg_run_copy(batch->ledger->pg, &batch->copy);
        return;
    }
    batch->request = (struct pg_request){.statements = batch->statements,
                                         .statement_count = batch->statement_count,
                                         .finds_by_key = true,
                                         .keeps_plans = may_keep_plans(batch),
                                         .may_run_beside = kind->may_run_beside,
                                         .goes_ahead = batch->lane->goes_ahead,
                                         .on_done = on_rows};
    pg_run(batch->ledger->pg, &batch->request);
}

void ledger_batch_start(struct lane *lane, struct list_node **nodes, size_t node_count,
                        uint64_t start_ms)
{
    struct batch *batch = xcalloc(1, sizeof(*batch));
    batch->lane = lane;
    batch->ledger = lane->ledger;
    batch->nodes = nodes;
    batch->node_count = node_count;
    batch->has_row = xcalloc(node_count, sizeof(*batch->has_row));
    batch->bytes =
        buffer_new(SIZE_MAX / 2); /* bounded by the lane: BATCH_BYTES_MAX or one request */
    batch->start_ms = start_ms;
    lane->batch_count++;
    lane->request_count += node_count;
    ledger_batch_run(batch);
}
