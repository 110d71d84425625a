#include "store/ledger_internal.h"

#define SWEEP_STAGED_MS 60000 /* between two looks for rows of attempts that just ended */

/* ---- DEAD ------------------------------------------------------------------------------------ */

static struct ledger_dead *dead_of(const struct list_node *node)
{
    return (struct ledger_dead *)container_of(node, struct ledger_dead, waiting);
}

static struct uuid dead_document(const struct list_node *node)
{
    return dead_of(node)->document;
}

static bool litter_from(const struct pg_result *result, size_t row, struct litter *ret_litter)
{
    uint64_t gen, count, as_of_us;
    if (!pg_value_uuid(result, row, 1, &ret_litter->document) ||
        !pg_value_uuid(result, row, 2, &ret_litter->user_id) ||
        !pg_value_u64(result, row, 3, &gen) || !pg_value_u64(result, row, 4, &count) ||
        !pg_value_u64(result, row, 5, &as_of_us))
        return false;
    ret_litter->gen = gen;
    ret_litter->vector_count = (uint32_t)count;
    ret_litter->as_of_us = (int64_t)as_of_us;
    return true;
}

static void dead_build(struct batch *batch)
{
    struct pg_array *documents = ledger_batch_array(batch, PG_UUID);
    for (size_t i = 0; i < batch->node_count; i++)
        pg_array_add_uuid(documents, dead_of(batch->nodes[i])->document);
    struct pg_param params[] = {pg_array_param(documents)};
    ledger_batch_statement(batch, SQL_DEAD, params, COUNT_OF(params));
}

static bool dead_take(struct list_node *node, const struct pg_result *result, size_t row)
{
    struct ledger_dead *dead = dead_of(node);
    if (dead->litter_count < dead->litter_max &&
        litter_from(result, row, &dead->litter[dead->litter_count]))
        dead->litter_count++;
    return true;
}

static void dead_answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_dead *dead = dead_of(node);
    (void)ledger;
    dead->on_done(dead, err);
}

const struct lane_kind DEAD_KIND = {
    .rows_max = LEDGER_BATCH_MAX,
    .batches_max = 1,
    .answers_row_by_row = true,
    .may_have_no_row = true,
    .document_of = dead_document,
    .build = dead_build,
    .take = dead_take,
    .answer = dead_answer,
};

static void dead_any_build(struct batch *batch)
{
    struct pg_param params[] = {batch_i64(batch, (int64_t)dead_of(batch->nodes[0])->litter_max)};
    ledger_batch_statement(batch, SQL_DEAD_ANY, params, COUNT_OF(params));
}

const struct lane_kind DEAD_ANY_KIND = {
    .rows_max = 1,
    .batches_max = 1,
    .answers_row_by_row = true,
    .may_have_no_row = true,
    .build = dead_any_build,
    .take = dead_take,
    .answer = dead_answer,
};

void ledger_dead(struct ledger *ledger, struct ledger_dead *dead)
{
    dead->litter_count = 0;
    ledger_lane_submit(ledger, uuid_is_nil(dead->document) ? LANE_DEAD_ANY : LANE_DEAD,
                       &dead->waiting);
}

/* ---- SWEPT ----------------------------------------------------------------------------------- */

static struct ledger_swept *swept_of(const struct list_node *node)
{
    return (struct ledger_swept *)container_of(node, struct ledger_swept, waiting);
}

static struct uuid swept_document(const struct list_node *node)
{
    return swept_of(node)->litter.document;
}

static void swept_build(struct batch *batch)
{
    struct pg_array *documents = ledger_batch_array(batch, PG_UUID),
                    *gens = ledger_batch_array(batch, PG_INT8),
                    *as_of = ledger_batch_array(batch, PG_INT8);
    for (size_t i = 0; i < batch->node_count; i++) {
        const struct litter *litter = &swept_of(batch->nodes[i])->litter;
        pg_array_add_uuid(documents, litter->document);
        pg_array_add_i64(gens, (int64_t)litter->gen);
        pg_array_add_i64(as_of, litter->as_of_us);
    }
    struct pg_param params[] = {pg_array_param(documents), pg_array_param(gens),
                                pg_array_param(as_of)};
    ledger_batch_statement(batch, SQL_SWEPT, params, COUNT_OF(params));
}

static void swept_answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_swept *swept = swept_of(node);
    (void)ledger;
    swept->on_done(swept, err);
}

const struct lane_kind SWEPT_KIND = {
    .rows_max = LEDGER_BATCH_MAX,
    .batches_max = 1,
    .document_of = swept_document,
    .build = swept_build,
    .answer = swept_answer,
};

void ledger_swept(struct ledger *ledger, struct ledger_swept *swept)
{
    ledger_lane_submit(ledger, LANE_SWEPT, &swept->waiting);
}

/* ---- DUE ------------------------------------------------------------------------------------- */

static struct ledger_due *due_of(const struct list_node *node)
{
    return (struct ledger_due *)container_of(node, struct ledger_due, waiting);
}

static void due_build(struct batch *batch)
{
    struct ledger *ledger = batch->ledger;
    uint64_t now_ms = loop_now_ms(ledger->loop);
    struct pg_param params[] = {batch_i64(batch, (int64_t)due_of(batch->nodes[0])->item_max)};
    if (!ledger->sweep_staged_ms || now_ms - ledger->sweep_staged_ms >= SWEEP_STAGED_MS) {
        ledger->sweep_staged_ms = now_ms;
        ledger_batch_statement(batch, SQL_SWEEP_STAGED, NULL, 0);
    }
    ledger_batch_statement(batch, SQL_LAPSE, NULL, 0);
    ledger_batch_statement(batch, SQL_DUE, params, COUNT_OF(params));
}

/* False: nothing is due, or a row that no object of ours can have. */
static bool due_item_from(const struct pg_result *result, size_t row, struct due_item *ret_item)
{
    struct text bucket = pg_value(result, row, 4), key = pg_value(result, row, 5);
    bool is_ours =
        pg_value_uuid(result, row, 2, &ret_item->document) &&
        pg_value_uuid(result, row, 3, &ret_item->user_id) &&
        text_format(ret_item->bucket, sizeof(ret_item->bucket), "%.*s", TEXT_ARGS(bucket)) &&
        text_format(ret_item->key, sizeof(ret_item->key), "%.*s", TEXT_ARGS(key));
    if (is_ours && !pg_value_uuid(result, row, 1, &ret_item->job))
        ret_item->job = UUID_NIL; /* a removal */
    return is_ours;
}

static bool due_take(struct list_node *node, const struct pg_result *result, size_t row)
{
    struct ledger_due *due = due_of(node);
    (void)row;
    due->item_count = 0;
    if (!pg_value_u64(result, 0, 0, &due->parked_count))
        due->parked_count = 0;
    for (size_t i = 0; i < pg_row_count(result) && due->item_count < due->item_max; i++) {
        struct due_item *item = &due->items[due->item_count];
        if (!due_item_from(result, i, item))
            continue;
        item->is_overdue = text_equal(pg_value(result, i, 6), TEXT("1"));
        due->item_count++;
    }
    return true;
}

static void due_answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_due *due = due_of(node);
    (void)ledger;
    due->on_done(due, err);
}

const struct lane_kind DUE_KIND = {
    .rows_max = 1,
    .batches_max = 1,
    .build = due_build,
    .take = due_take,
    .answer = due_answer,
};

void ledger_due(struct ledger *ledger, struct ledger_due *due)
{
    ledger_lane_submit(ledger, LANE_DUE, &due->waiting);
}

/* ---- BURY ------------------------------------------------------------------------------------ */

static struct ledger_burial *burial_of(const struct list_node *node)
{
    return (struct ledger_burial *)container_of(node, struct ledger_burial, waiting);
}

static size_t burial_bytes(const struct list_node *node)
{
    const struct ledger_burial *burial = burial_of(node);
    return burial->key.bytes + burial->value.bytes + burial->headers.bytes + burial->message.bytes;
}

static void bury_build(struct batch *batch)
{
    static const uint32_t TYPES[] = {PG_TEXT,  PG_INT4,  PG_INT8, PG_INT4, PG_TEXT, PG_TEXT,
                                     PG_BYTEA, PG_BYTEA, PG_TEXT, PG_UUID, PG_INT8};
    struct pg_array *columns[COUNT_OF(TYPES)];
    struct pg_param params[COUNT_OF(TYPES)];
    for (size_t i = 0; i < COUNT_OF(TYPES); i++)
        columns[i] = ledger_batch_array(batch, TYPES[i]);
    for (size_t i = 0; i < batch->node_count; i++) {
        const struct ledger_burial *burial = burial_of(batch->nodes[i]);
        pg_array_add_text(columns[0], burial->topic);
        pg_array_add_i32(columns[1], burial->partition);
        pg_array_add_i64(columns[2], burial->offset);
        pg_array_add_i32(columns[3], (int32_t)burial->event_no);
        pg_array_add_text(columns[4], text_from(error_name(burial->code)));
        pg_array_add_text(columns[5], burial->message);
        pg_array_add_bytes(columns[6], burial->key);
        pg_array_add_bytes(columns[7], burial->value);
        pg_array_add_text(columns[8], burial->headers.bytes ? burial->headers : TEXT_NONE);
        array_add_uuid_or_null(columns[9], burial->has_user ? burial->user_id : UUID_NIL);
        pg_array_add_i64(columns[10], (int64_t)burial->time_ms);
    }
    for (size_t i = 0; i < COUNT_OF(TYPES); i++)
        params[i] = pg_array_param(columns[i]);
    ledger_batch_statement(batch, SQL_BURY, params, COUNT_OF(params));
}

static bool bury_take(struct list_node *node, const struct pg_result *result, size_t row)
{
    burial_of(node)->is_new = text_equal(pg_value(result, row, 1), TEXT("1"));
    return true;
}

static void bury_answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_burial *burial = burial_of(node);
    (void)ledger;
    burial->on_done(burial, err);
}

const struct lane_kind BURY_KIND = {
    .rows_max = LEDGER_BATCH_MAX,
    .batches_max = 1,
    .answers_row_by_row = true,
    .bytes_of = burial_bytes,
    .build = bury_build,
    .take = bury_take,
    .answer = bury_answer,
};

void ledger_bury(struct ledger *ledger, struct ledger_burial *burial)
{
    assert(burial->message.start); /* a reason always goes with it */
    ledger_lane_submit(ledger, LANE_BURY, &burial->waiting);
}
