#include "store/ledger_internal.h"

#define CLAIM_BATCH_MAX 3072
#define TRIES_MAX 20 /* of a claim whose item was settled between its statements */

static struct ledger_claim *claim_of(struct list_node *node)
{
    return container_of(node, struct ledger_claim, waiting);
}

static struct uuid claim_document(const struct list_node *node)
{
    return container_of(node, struct ledger_claim, waiting)->document->id;
}

/* All tenants share it: the part of a schema's name before the 32 hex digits of the id. */
static struct text schema_prefix(const struct tenant *tenant)
{
    struct text schema = text_from(tenant->schema);
    assert(schema.bytes > 32);
    return text_slice(schema, 0, schema.bytes - 32);
}

static void build(struct batch *batch)
{
    struct pg_array *documents = ledger_batch_array(batch, PG_UUID),
                    *users = ledger_batch_array(batch, PG_UUID),
                    *jobs = ledger_batch_array(batch, PG_UUID),
                    *bare = ledger_batch_array(batch, PG_BOOL),
                    *fences = ledger_batch_array(batch, PG_INT8),
                    *uncovers = ledger_batch_array(batch, PG_BOOL),
                    *etags = ledger_batch_array(batch, PG_TEXT),
                    *times = ledger_batch_array(batch, PG_INT8),
                    *buckets = ledger_batch_array(batch, PG_TEXT),
                    *keys = ledger_batch_array(batch, PG_TEXT);
    bool has_bare = false;
    for (size_t i = 0; i < batch->node_count; i++) {
        struct ledger_claim *claim = claim_of(batch->nodes[i]);
        pg_array_add_uuid(documents, claim->document->id);
        pg_array_add_uuid(users, claim->tenant->id);
        array_add_uuid_or_null(jobs, claim->job);
        pg_array_add_bool(bare, claim->is_bare);
        has_bare |= claim->is_bare;
        pg_array_add_i64(fences, (int64_t)claim->fence);
        pg_array_add_bool(uncovers, claim->may_uncover);
        pg_array_add_text(etags, claim->event_etag.bytes ? claim->event_etag : TEXT_NONE);
        pg_array_add_i64(times, (int64_t)claim->event_time_ms);
        pg_array_add_text(buckets, claim->document->bucket);
        pg_array_add_text(keys, claim->document->key);
    }
    struct pg_param prefix = ledger_batch_text(schema_prefix(claim_of(batch->nodes[0])->tenant));
    struct pg_param ids[] = {pg_array_param(documents), pg_array_param(users), pg_array_param(jobs),
                             pg_array_param(bare)};
    struct pg_param pipeline = ledger_batch_text(batch->ledger->options.pipeline);
    struct pg_param times_param = pg_array_param(times), etags_param = pg_array_param(etags);
    struct pg_param jobs_params[] = {ids[0], ids[1],      ids[2],      ids[3],
                                     prefix, times_param, etags_param, pipeline};
    struct pg_param fences_param = pg_array_param(fences), lease = batch_i64(batch, LEASE_MS);
    struct pg_param document_params[] = {ids[0],
                                         ids[1],
                                         ids[2],
                                         ids[3],
                                         prefix,
                                         pg_array_param(buckets),
                                         pg_array_param(keys),
                                         fences_param,
                                         lease,
                                         times_param,
                                         etags_param};
    struct pg_param lock_params[] = {ids[0], ids[2]};
    struct pg_param claim_params[] = {ids[0],      ids[1],       ids[2],
                                      ids[3],      fences_param, pipeline,
                                      prefix,      lease,        pg_array_param(uncovers),
                                      times_param, etags_param,  ledger_batch_bool(has_bare)};
    if (has_bare) {
        ledger_batch_statement(batch, SQL_CLAIM_JOBS, jobs_params, COUNT_OF(jobs_params));
        ledger_batch_statement(batch, SQL_CLAIM_DOCUMENTS, document_params,
                               COUNT_OF(document_params));
    }
    ledger_batch_statement(batch, SQL_CLAIM_LOCK, lock_params, COUNT_OF(lock_params));
    ledger_batch_statement(batch, SQL_CLAIM, claim_params, COUNT_OF(claim_params));
}

/* False: ask again. */
static bool verdict_from(struct text word, enum claim_verdict *ret_verdict)
{
    static const struct {
        const char *word;
        enum claim_verdict verdict;
    } ROWS[] = {
        {"go", CLAIM_GO},
        {"done", CLAIM_DONE},
        {"busy", CLAIM_BUSY},
        {"parked", CLAIM_PARKED},
        {"no_tenant", CLAIM_NO_TENANT},
        {"no_item", CLAIM_NO_ITEM},
        {"mismatch", CLAIM_TENANT_MISMATCH},
    };
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        if (text_equal(word, text_from(ROWS[i].word))) {
            *ret_verdict = ROWS[i].verdict;
            return true;
        }
    }
    return false;
}

static uint64_t number_or_0(const struct pg_result *result, size_t row, size_t column)
{
    uint64_t value;
    return pg_value_u64(result, row, column, &value) ? value : 0;
}

static bool take(struct list_node *node, const struct pg_result *result, size_t row)
{
    struct ledger_claim *claim = claim_of(node);
    if (!verdict_from(pg_value(result, row, 1), &claim->verdict))
        return ++claim->tries > TRIES_MAX; /* answered then, as an error */
    claim->tries = 0;
    if (!pg_value_uuid(result, row, 2, &claim->item_job))
        claim->item_job = UUID_NIL;
    claim->has_live = pg_value(result, row, 3).start != NULL;
    claim->live_gen = number_or_0(result, row, 3);
    /* an eTag is 32 to 70 bytes; a cut one differs from every object's, which is safe */
    (void)text_copy(pg_value(result, row, 4), claim->live_etag, sizeof(claim->live_etag));
    claim->is_live_current = claim->has_live && number_or_0(result, row, 5) == 1;
    claim->live_chunk_count = (uint32_t)number_or_0(result, row, 6);
    claim->starts = (uint32_t)number_or_0(result, row, 7);
    claim->is_stopped = text_equal(pg_value(result, row, 8), TEXT("cancel"));
    claim->is_paused = text_equal(pg_value(result, row, 8), TEXT("pause"));
    claim->is_tenant_active = number_or_0(result, row, 9) == 1;
    claim->is_over_quota = number_or_0(result, row, 10) == 1;
    claim->busy_ms = number_or_0(result, row, 11);
    claim->weight_permille = (uint32_t)number_or_0(result, row, 13);
    claim->in_flight_max = (uint32_t)number_or_0(result, row, 14);
    claim->told_ms = number_or_0(result, row, 15);
    claim->is_told_gone = claim->told_ms && !pg_value(result, row, 16).start;
    (void)text_copy(pg_value(result, row, 16), claim->told_etag, sizeof(claim->told_etag));
    claim->told_age_ms = number_or_0(result, row, 17);
    buffer_clear(&claim->link);
    buffer_append_text(&claim->link, pg_value(result, row, 12));
    return true;
}

static void answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_claim *claim = claim_of(node);
    struct error odd;
    (void)ledger;
    if (!err && claim->tries) {
        error_set(&odd, ERR_DATABASE, "no claim of %.*s: is another row of documents in its place?",
                  TEXT_ARGS(claim->document->key));
        err = &odd;
    }
    claim->on_done(claim, err);
}

const struct lane_kind CLAIM_KIND = {
    .rows_max = CLAIM_BATCH_MAX,
    .batches_max = 2, /* one is answered here while the server works on the other */
    .rows_beside = BESIDE_ROWS_MIN,
    .answers_row_by_row = true,
    .may_run_beside = true, /* nothing else is under way for a document that is claimed */
    .document_of = claim_document,
    .build = build,
    .take = take,
    .answer = answer,
};

void ledger_claim(struct ledger *ledger, struct ledger_claim *claim)
{
    assert(claim->fence >= 1 && claim->fence <= INT64_MAX);
    claim->tries = 0;
    claim->link = buffer_new(LINK_BYTES_MAX);
    ledger_lane_submit(ledger, claim->goes_ahead ? LANE_CLAIM_AHEAD : LANE_CLAIM, &claim->waiting);
}
