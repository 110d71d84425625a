/* The document protocol in plain C: what store/statements/ means, one request at a time. */
#include <string.h>

#include "tests/sim/world.h"
#include "worker/base/memory.h"

#define BARE_DUE_MS 3600000u
#define DIRTY_MS 120000u

/* ---- claim --------------------------------------------------------------------------------- */

static bool exists(const struct world *world, const struct sim_tenant *tenant)
{
    return tenant->exists_from_ms <= world->now_ms;
}

static bool is_admitted(const struct world *world, const struct sim_tenant *tenant)
{
    return exists(world, tenant) && !tenant->is_mismatched;
}

static struct item *open_item(struct world *world, unsigned place)
{
    for (unsigned i = 0; i < world->item_count; i++) {
        struct item *item = &world->items[i];
        if (item->place == place && !item->is_closed && !job_find(world, item->job)->is_cancelled)
            return item;
    }
    return NULL;
}

/* A late notice of what a job has done already. */
static struct item *covering_item(struct world *world, const struct ledger_claim *claim,
                                  const struct place *place)
{
    const struct document_row *row = &place->row;
    if (!row->has_gen || row->has_lease || !text_equal(claim->event_etag, text_from(row->etag)))
        return NULL;
    struct item *item = item_find(world, row->job, place_number(world, place));
    bool is_covering = item && item->is_closed &&
                       (item->outcome == OUTCOME_SUCCESS || item->outcome == OUTCOME_SKIPPED) &&
                       item->made_wall_ms <= claim->event_time_ms &&
                       claim->event_time_ms <= item->closed_wall_ms;
    return is_covering ? item : NULL;
}

/* claim_jobs, claim_documents */
static void make_bare_rows(struct world *world, const struct ledger_claim *claim,
                           struct place *place)
{
    unsigned number = place_number(world, place);
    if (!absorbed_find(world, claim->job) && !open_item(world, number) &&
        !covering_item(world, claim, place) && !job_find(world, claim->job)) {
        job_add(world, claim->job, place->tenant)->total = 1;
        item_add(world, claim->job, number, world->now_ms + BARE_DUE_MS);
    }
    if (place->row.exists)
        return;
    place->row.exists = true;
    place->row.job = claim->job;
}

static struct item *item_of_claim(struct world *world, const struct ledger_claim *claim,
                                  const struct place *place)
{
    unsigned number = place_number(world, place);
    struct item *item = item_find(world, claim->job, number);
    if (item || !claim->is_bare)
        return item;
    struct absorbed *absorbed = absorbed_find(world, claim->job);
    if (absorbed)
        return item_find(world, absorbed->job, number);
    item = open_item(world, number);
    return item ? item : covering_item(world, claim, place);
}

static bool has_open_item(const struct world *world, unsigned place)
{
    for (unsigned i = 0; i < world->item_count; i++)
        if (world->items[i].place == place && !world->items[i].is_closed)
            return true;
    return false;
}

/* No vectors, so none is stale, and: it is known to be gone; or a cancel, or an item's end without a
 * look, covers what was before it; or its item will look. */
static bool is_settled_removal(const struct world *world, const struct ledger_claim *claim,
                               const struct place *place)
{
    const struct document_row *row = &place->row;
    if (row->has_gen || row->has_lease)
        return false;
    if (has_open_item(world, place_number(world, place)))
        return true;
    if (row->is_deleted && !claim->may_uncover)
        return true;
    bool covers = row->is_deleted ? row->status == ROW_CANCELLED : !row->etag[0];
    uint64_t processed_wall_ms = loop_wall_ms(world->loop) - (world->now_ms - row->processed_ms);
    return covers && row->processed_ms && claim->event_time_ms &&
           claim->event_time_ms <= processed_wall_ms;
}

static enum claim_verdict judge(struct world *world, const struct ledger_claim *claim,
                                const struct place *place, const struct item *item)
{
    const struct document_row *row = &place->row;
    bool is_removal = uuid_is_nil(claim->job);
    if (!exists(world, &world->tenants[place->tenant]))
        return CLAIM_NO_TENANT;
    if (world->tenants[place->tenant].is_mismatched)
        return CLAIM_TENANT_MISMATCH;
    if (!is_removal && !item)
        return CLAIM_NO_ITEM;
    if ((item && item->is_closed) || !row->exists ||
        (is_removal && is_settled_removal(world, claim, place)))
        return CLAIM_DONE;
    bool is_leased = row->has_lease && row->leased_until_ms > world->now_ms;
    if (row->fence != claim->fence && is_leased && world->sabotage != SABOTAGE_NEVER_BUSY)
        return CLAIM_BUSY;
    if (item && item->parked_until_ms > world->now_ms)
        return CLAIM_PARKED;
    return CLAIM_GO;
}

static void tell(struct world *world, struct ledger_claim *claim, const struct place *place,
                 const struct item *item)
{
    const struct document_row *row = &place->row;
    const struct job *job = item ? job_find(world, item->job) : NULL;
    claim->item_job = item ? item->job : UUID_NIL;
    claim->has_live = row->has_gen;
    claim->live_gen = row->has_gen ? row->gen : 0;
    (void)text_format(claim->live_etag, sizeof(claim->live_etag), "%s", row->etag);
    claim->is_live_current = row->has_gen;
    claim->live_chunk_count = row->chunk_count;
    claim->is_stopped = job && job->is_cancelled;
    claim->is_paused = job && job->is_paused;
    claim->is_tenant_active = world->tenants[place->tenant].is_active;
    claim->is_over_quota = world->tenants[place->tenant].is_over_quota;
    claim->busy_ms =
        row->leased_until_ms > world->now_ms ? row->leased_until_ms - world->now_ms : 0;
}

/* Whatever the verdict, but for replays of what is settled: documents, early_removals. */
static void note_told(struct world *world, struct ledger_claim *claim, struct document_row *row)
{
    uint64_t wall_ms = loop_wall_ms(world->loop), told_ms = claim->event_time_ms;
    bool is_replay = claim->verdict == CLAIM_DONE && !uuid_is_nil(claim->job) &&
                     uuid_equal(claim->item_job, claim->job);
    told_ms = told_ms < wall_ms ? told_ms : wall_ms;
    if (told_ms > row->told_wall_ms && !is_replay && world->sabotage != SABOTAGE_NEWS_FORGOTTEN) {
        row->told_wall_ms = told_ms;
        row->is_told_gone = uuid_is_nil(claim->job);
        (void)text_format(row->told_etag, sizeof(row->told_etag), "%.*s",
                          TEXT_ARGS(claim->event_etag));
    }
    claim->told_ms = row->told_wall_ms;
    claim->told_age_ms = wall_ms - row->told_wall_ms;
    claim->is_told_gone = row->is_told_gone;
    (void)text_format(claim->told_etag, sizeof(claim->told_etag), "%s", row->told_etag);
}

void table_claim(struct world *world, struct ledger_claim *claim)
{
    struct place *place = place_find(world, claim->document->id);
    unsigned number = place_number(world, place);
    struct document_row *row = &place->row;
    if (claim->is_bare && is_admitted(world, &world->tenants[place->tenant]))
        make_bare_rows(world, claim, place);
    struct item *item = uuid_is_nil(claim->job) ? NULL : item_of_claim(world, claim, place);
    claim->verdict = judge(world, claim, place, item);
    tell(world, claim, place, item);
    world_trace(world, "claim of place %u by %llx: verdict %d, starts %u", number,
                (unsigned long long)claim->fence, (int)claim->verdict, row->starts);
    if (claim->verdict == CLAIM_NO_TENANT || claim->verdict == CLAIM_TENANT_MISMATCH ||
        claim->verdict == CLAIM_NO_ITEM)
        return;
    note_told(world, claim, row);
    if (claim->verdict == CLAIM_BUSY)
        return;
    if (item && claim->is_bare && !uuid_equal(item->job, claim->job) &&
        !absorbed_find(world, claim->job))
        world->absorbed[world->absorbed_count++] = (struct absorbed){claim->job, item->job};
    if (claim->verdict != CLAIM_GO)
        return;
    row->starts += row->fence != claim->fence;
    row->starts_most = row->starts > row->starts_most ? row->starts : row->starts_most;
    row->fence = claim->fence;
    row->has_lease = true;
    row->is_removing = uuid_is_nil(claim->job);
    row->leased_until_ms = world->now_ms + LEASE_MS;
    row->claimed_ms = world->now_ms;
    row->is_claimed_inactive = !claim->is_tenant_active;
    if (item) {
        row->status = ROW_PROCESSING;
        row->job = item->job;
    }
    claim->starts = row->starts;
}

/* ---- intend -------------------------------------------------------------------------------- */

void table_intend(struct world *world, struct ledger_intend *intend)
{
    struct place *place = place_find(world, intend->document->id);
    struct document_row *row = &place->row;
    intend->answer = INTEND_LOST;
    if (!row->exists || row->fence != intend->fence || !row->has_lease)
        return;
    const struct job *job = job_find(world, row->job);
    bool is_stopped = job && job->is_cancelled;
    bool is_inactive = !world->tenants[place->tenant].is_active;
    intend->answer = is_stopped ? INTEND_STOP : is_inactive ? INTEND_INACTIVE : INTEND_GO;
    row->leased_until_ms = world->now_ms + LEASE_MS;
    if (!intend->reserved || world->has_rows || world->sabotage == SABOTAGE_NO_RESERVE)
        return;
    unsigned number = place_number(world, place);
    struct litter_row *litter = litter_find(world, number, intend->fence);
    if (!litter) {
        litter_add(world, &(struct litter_row){.place = number, .gen = intend->fence});
        litter = &world->litter[world->litter_count - 1];
    }
    litter->n = intend->reserved > litter->n ? intend->reserved : litter->n;
    litter->quiet_ms = world->now_ms + DIRTY_MS;
}

/* ---- stage and known ----------------------------------------------------------------------- */

void table_stage(struct world *world, const struct ledger_stage *stage)
{
    unsigned number = place_number(world, place_find(world, stage->document->id));
    struct stored *staged = stored_find(world->staged, world->staged_count, number, stage->fence);
    if (!staged) {
        assert(world->staged_count < STORED_MAX);
        staged = &world->staged[world->staged_count++];
        *staged = (struct stored){.place = number, .gen = stage->fence};
    }
    bool is_lost = world->sabotage == SABOTAGE_LOSE_ROWS && world_chance(world, 5);
    for (size_t i = is_lost; i < stage->chunk_count; i++) {
        const struct chunk *chunk = stage->chunks[i];
        struct chunk_row *row = rows_at(&staged->chunks, chunk->no);
        row->is_there = true;
        row->user = stage->tenant->id;
        memcpy(row->hash, chunk->hash, SHA256_BYTES);
        if (world->has_rows)
            memcpy(row->vector, chunk->vector, sizeof(row->vector));
    }
}

void table_known(struct world *world, struct ledger_known *known)
{
    const struct document_row *row = &place_find(world, known->document->id)->row;
    bool is_live = row->has_gen && row->gen == known->live_gen;
    for (size_t i = 0; i < known->chunk_count; i++) {
        known->known_no[i] = -1;
        for (uint32_t no = 0; is_live && no < row->chunks.count; no++)
            if (memcmp(row->chunks.rows[no].hash, known->chunks[i]->hash, SHA256_BYTES) == 0)
                known->known_no[i] = no;
    }
}

/* ---- finish -------------------------------------------------------------------------------- */

static bool has_all_rows(const struct stored *staged, uint32_t count)
{
    if (count == 0)
        return true;
    if (!staged || staged->chunks.count < count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!staged->chunks.rows[i].is_there)
            return false;
    return true;
}

void staged_drop(struct world *world, struct stored *staged)
{
    rows_release(&staged->chunks);
    *staged = world->staged[--world->staged_count];
}

static void move_rows(struct world *world, struct document_row *row, struct stored *staged,
                      const struct ledger_finish *finish)
{
    if (finish->effect == EFFECT_KEEP)
        return;
    rows_release(&row->chunks);
    if (finish->effect == EFFECT_LIVE && staged) {
        row->chunks = staged->chunks;
        row->chunks.count = finish->chunk_count;
        staged->chunks = (struct chunk_rows){0};
    }
    if (staged)
        staged_drop(world, staged);
}

static void note_litter(struct world *world, unsigned number, const struct document_row *row,
                        const struct ledger_finish *finish)
{
    struct litter_row *own = litter_find(world, number, finish->fence);
    if (own && finish->effect == EFFECT_LIVE)
        litter_drop(world, own);
    else if (own)
        own->quiet_ms = world->now_ms + (finish->is_dirty ? DIRTY_MS : 0);
    if (world->has_rows || !row->has_gen || finish->effect == EFFECT_KEEP || !row->chunk_count)
        return;
    uint64_t quiet_ms = row->processed_ms + DIRTY_MS;
    litter_add(world, &(struct litter_row){
                          .place = number,
                          .gen = row->gen,
                          .n = row->chunk_count,
                          .quiet_ms = quiet_ms > world->now_ms ? quiet_ms : world->now_ms,
                      });
}

static void count_usage(struct sim_tenant *tenant, const struct document_row *row, int64_t sign)
{
    if (!row->has_gen)
        return;
    tenant->documents += sign;
    tenant->bytes += sign * (int64_t)row->size_bytes;
    tenant->vectors += sign * (int64_t)row->chunk_count;
}

static enum status status_of(enum document_outcome outcome)
{
    return outcome == OUTCOME_SUCCESS   ? ROW_SUCCESS
           : outcome == OUTCOME_SKIPPED ? ROW_SKIPPED
           : outcome == OUTCOME_FAILED  ? ROW_FAILED
                                        : ROW_CANCELLED;
}

static void apply(struct world *world, struct document_row *row, const struct ledger_finish *finish)
{
    bool is_keep = finish->effect == EFFECT_KEEP, is_live = finish->effect == EFFECT_LIVE;
    row->has_lease = row->is_removing = false;
    row->starts = 0;
    row->finished_claimed_ms = row->claimed_ms;
    row->look_due_ms = row->look_since_ms = 0;
    if (is_keep && row->has_gen) {
        row->status = ROW_SUCCESS;
        return;
    }
    bool is_gone_again =
        finish->effect == EFFECT_GONE && uuid_is_nil(finish->job) && row->is_deleted;
    if (is_keep || is_gone_again) { /* a removal left what it found; an upload has found nothing */
        bool is_found = row->status != ROW_PROCESSING;
        row->status = is_found ? row->status : status_of(finish->outcome);
        row->has_code = is_found ? row->has_code : finish->has_code;
        row->code = is_found ? row->code : finish->code;
        return;
    }
    row->status = status_of(is_live ? OUTCOME_SUCCESS : finish->outcome);
    row->has_gen = is_live;
    row->gen = is_live ? finish->fence : 0;
    row->chunk_count = is_live ? finish->chunk_count : 0;
    row->size_bytes = finish->size_bytes;
    row->processed_ms = world->now_ms;
    row->is_deleted = finish->effect == EFFECT_GONE;
    row->has_code = !is_live && finish->has_code;
    row->code = finish->code;
    (void)text_format(row->etag, sizeof(row->etag), "%.*s", TEXT_ARGS(finish->etag));
}

static void close_item(struct world *world, const struct ledger_finish *finish, unsigned number)
{
    struct item *item = item_find(world, finish->job, number);
    if (!item || item->is_closed)
        return;
    struct job *job = job_find(world, item->job);
    item->is_closed = true;
    item->closed_wall_ms = loop_wall_ms(world->loop);
    item->outcome = finish->outcome;
    item->due_ms = item->parked_until_ms = 0;
    job->processed += finish->outcome == OUTCOME_SUCCESS || finish->outcome == OUTCOME_SKIPPED;
    job->failed += finish->outcome == OUTCOME_FAILED;
    job->cancelled += finish->outcome == OUTCOME_CANCELLED;
    audit_counters(world, job);
}

void table_finish(struct world *world, struct ledger_finish *finish)
{
    struct place *place = place_find(world, finish->document->id);
    struct document_row *row = &place->row;
    struct sim_tenant *tenant = &world->tenants[place->tenant];
    unsigned number = place_number(world, place);
    bool is_mine = row->fence == finish->fence && row->has_lease;
    if (!is_mine) {
        bool was_mine = row->fence == finish->fence || (row->has_gen && row->gen == finish->fence);
        finish->answer = was_mine ? FINISH_OK : FINISH_LOST;
        return;
    }
    struct stored *staged = stored_find(world->staged, world->staged_count, number, finish->fence);
    if (finish->effect == EFFECT_LIVE && world->sabotage != SABOTAGE_LOSE_ROWS &&
        !has_all_rows(staged, finish->chunk_count)) {
        finish->answer = FINISH_RESTAGE;
        return;
    }
    finish->answer = FINISH_OK;
    if (finish->effect == EFFECT_LIVE && row->is_claimed_inactive)
        world_fail(world, "%s: work for a tenant who was inactive before it began", place->key);
    world_trace(world, "finish of place %u by %llx: %s %s, etag %.*s", number,
                (unsigned long long)finish->fence, effect_name(finish->effect),
                outcome_name(finish->outcome), TEXT_ARGS(finish->etag));
    note_litter(world, number, row, finish);
    count_usage(tenant, row, -1);
    move_rows(world, row, staged, finish);
    apply(world, row, finish);
    count_usage(tenant, row, 1);
    close_item(world, finish, number);
}

/* ---- release ------------------------------------------------------------------------------- */

bool has_waited_long(const struct world *world, uint64_t since_ms)
{
    return since_ms && since_ms + PARKED_MAX_MS < world->now_ms;
}

static void end_lease(struct world *world, unsigned number, struct document_row *row,
                      uint64_t fence)
{
    if (row->fence != fence || !row->has_lease)
        return;
    row->has_lease = row->is_removing = false;
    row->starts -= row->starts > 0;
    row->status = row->has_gen                    ? ROW_SUCCESS
                  : row->status == ROW_PROCESSING ? ROW_PENDING
                                                  : row->status;
    struct litter_row *litter = litter_find(world, number, fence);
    if (litter)
        litter->quiet_ms = world->now_ms + DIRTY_MS;
}

void table_release(struct world *world, struct ledger_release *release)
{
    struct place *place = place_find(world, release->document->id);
    struct document_row *row = &place->row;
    unsigned number = place_number(world, place);
    bool is_holder = release->fence == 0 || row->fence == release->fence;
    struct item *item = item_find(world, release->job, number);
    if (item && item->is_closed)
        item = NULL;
    bool is_paused = item && job_find(world, item->job)->is_paused;
    world_trace(world, "release of place %u by %llx, parked %d for %llu", number,
                (unsigned long long)release->fence, release->is_parked,
                (unsigned long long)release->due_ms);
    bool is_look = release->is_parked && uuid_is_nil(release->job) && row->has_gen && is_holder;
    release->was_parked = false;
    release->is_exhausted =
        (release->is_parked && item && !is_paused && has_waited_long(world, item->parked_ms)) ||
        (is_look && has_waited_long(world, row->look_since_ms));
    if (release->is_exhausted)
        return;
    end_lease(world, number, row, release->fence);
    if (is_look) {
        row->look_due_ms = world->now_ms + release->due_ms;
        row->look_since_ms = row->look_since_ms ? row->look_since_ms : world->now_ms;
        release->was_parked = true;
    }
    if (!item || !release->is_parked || !is_holder)
        return;
    item->due_ms = item->parked_until_ms = world->now_ms + release->due_ms;
    item->parked_ms = item->parked_ms ? item->parked_ms : world->now_ms;
    release->was_parked = true;
}
