#include "store/ledger_internal.h"

/* ---- INTEND ---------------------------------------------------------------------------------- */

static struct ledger_intend *intend_of(const struct list_node *node)
{
    return (struct ledger_intend *)container_of(node, struct ledger_intend, waiting);
}

static struct uuid intend_document(const struct list_node *node)
{
    return intend_of(node)->document->id;
}

static void intend_build(struct batch *batch)
{
    struct pg_array *documents = ledger_batch_array(batch, PG_UUID),
                    *fences = ledger_batch_array(batch, PG_INT8),
                    *reserved = ledger_batch_array(batch, PG_INT4);
    bool needs_litter = !batch->ledger->options.vectors_in_postgres;
    for (size_t i = 0; i < batch->node_count; i++) {
        struct ledger_intend *intend = intend_of(batch->nodes[i]);
        pg_array_add_uuid(documents, intend->document->id);
        pg_array_add_i64(fences, (int64_t)intend->fence);
        pg_array_add_i32(reserved, needs_litter ? (int32_t)intend->reserved : 0);
        intend->sent_ms = loop_now_ms(batch->ledger->loop);
    }
    struct pg_param params[] = {pg_array_param(documents), pg_array_param(fences),
                                pg_array_param(reserved), batch_i64(batch, LEASE_MS)};
    ledger_batch_statement(batch, SQL_LOCK, params, 1);
    ledger_batch_statement(batch, SQL_INTEND, params, COUNT_OF(params));
}

static bool intend_take(struct list_node *node, const struct pg_result *result, size_t row)
{
    struct ledger_intend *intend = intend_of(node);
    struct text word = pg_value(result, row, 1);
    intend->answer = text_equal(word, TEXT("go"))         ? INTEND_GO
                     : text_equal(word, TEXT("stop"))     ? INTEND_STOP
                     : text_equal(word, TEXT("inactive")) ? INTEND_INACTIVE
                                                          : INTEND_LOST;
    return true;
}

static void intend_answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_intend *intend = intend_of(node);
    (void)ledger;
    intend->on_done(intend, err);
}

const struct lane_kind INTEND_KIND = {
    .rows_max = LEDGER_BATCH_MAX,
    .batches_max = 1,
    .answers_row_by_row = true,
    .document_of = intend_document,
    .build = intend_build,
    .take = intend_take,
    .answer = intend_answer,
};

void ledger_intend(struct ledger *ledger, struct ledger_intend *intend)
{
    ledger_lane_submit(ledger, intend->goes_ahead ? LANE_INTEND_AHEAD : LANE_INTEND,
                       &intend->waiting);
}

/* ---- RELEASE --------------------------------------------------------------------------------- */

static struct ledger_release *release_of(const struct list_node *node)
{
    return (struct ledger_release *)container_of(node, struct ledger_release, waiting);
}

static struct uuid release_document(const struct list_node *node)
{
    return release_of(node)->document->id;
}

static void release_build(struct batch *batch)
{
    struct pg_array *documents = ledger_batch_array(batch, PG_UUID),
                    *fences = ledger_batch_array(batch, PG_INT8),
                    *jobs = ledger_batch_array(batch, PG_UUID),
                    *parked = ledger_batch_array(batch, PG_BOOL),
                    *due = ledger_batch_array(batch, PG_INT8),
                    *codes = ledger_batch_array(batch, PG_TEXT),
                    *messages = ledger_batch_array(batch, PG_TEXT);
    for (size_t i = 0; i < batch->node_count; i++) {
        const struct ledger_release *release = release_of(batch->nodes[i]);
        pg_array_add_uuid(documents, release->document->id);
        pg_array_add_i64(fences, (int64_t)release->fence);
        array_add_uuid_or_null(jobs, release->job);
        pg_array_add_bool(parked, release->is_parked);
        pg_array_add_i64(due, (int64_t)release->due_ms);
        pg_array_add_text(codes, error_code_text(release->has_code, release->code));
        pg_array_add_text(messages, release->message);
    }
    struct pg_param params[] = {pg_array_param(documents), pg_array_param(fences),
                                pg_array_param(jobs),      pg_array_param(parked),
                                pg_array_param(due),       pg_array_param(codes),
                                pg_array_param(messages)};
    ledger_batch_statement(batch, SQL_LOCK, params, 1);
    ledger_batch_statement(batch, SQL_RELEASE, params, COUNT_OF(params));
}

static bool release_take(struct list_node *node, const struct pg_result *result, size_t row)
{
    struct ledger_release *release = release_of(node);
    release->was_parked = text_equal(pg_value(result, row, 1), TEXT("1"));
    release->is_exhausted = text_equal(pg_value(result, row, 2), TEXT("1"));
    return true;
}

static void release_answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_release *release = release_of(node);
    (void)ledger;
    release->on_done(release, err);
}

const struct lane_kind RELEASE_KIND = {
    .rows_max = LEDGER_BATCH_MAX,
    .batches_max = 1,
    .answers_row_by_row = true,
    .document_of = release_document,
    .build = release_build,
    .take = release_take,
    .answer = release_answer,
};

void ledger_release(struct ledger *ledger, struct ledger_release *release)
{
    ledger_lane_submit(ledger, LANE_RELEASE, &release->waiting);
}
