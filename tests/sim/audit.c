/* What must hold: when a message is settled, at every instant, and at rest. */
#include <string.h>

#include "tests/sim/world.h"
#include "worker/base/buffer.h"
#include "worker/base/memory.h"

/* ---- a settled message: each event of it has left its trace -------------------------------- */

static bool has_letter(const struct world *world, int32_t partition, int64_t offset, unsigned no)
{
    for (unsigned i = 0; i < world->letter_count; i++)
        if (world->letters[i].partition == partition && world->letters[i].offset == offset &&
            world->letters[i].event_no == no)
            return true;
    return false;
}

static bool is_put_recorded(struct world *world, const struct sim_event *event)
{
    struct item *item = item_find(world, event->job, event->place);
    struct absorbed *absorbed = absorbed_find(world, event->job);
    if (!item && absorbed)
        item = item_find(world, absorbed->job, event->place);
    return item && (item->is_closed || (item->parked_ms && item->due_ms));
}

static bool is_recorded(struct world *world, const struct record *record, unsigned no)
{
    const struct sim_event *event = &record->events[no];
    const struct document_row *row = &world->places[event->place].row;
    switch (event->kind) {
    case SIM_PUT:
        return is_put_recorded(world, event);
    case SIM_REMOVED:
        return !row->exists || !row->has_gen || row->finished_claimed_ms >= record->made_ms ||
               row->look_due_ms;
    case SIM_IGNORED:
        return true;
    case SIM_BAD:
        return false;
    }
    return false;
}

void audit_settled(struct world *world, const struct record *record, int32_t partition,
                   int64_t offset)
{
    for (unsigned no = 0; no < record->event_count; no++)
        if (!is_recorded(world, record, no) && !has_letter(world, partition, offset, no))
            world_fail(world,
                       "message %d/%lld is settled, its event %u (kind %d, place %u) is not"
                       " recorded",
                       partition, (long long)offset, no, (int)record->events[no].kind,
                       record->events[no].place);
}

/* ---- every instant: live ⊆ store ⊆ live ∪ litter, bounds ------------------------------------ */

static const struct chunk_rows *rows_of_live(struct world *world, const struct place *place)
{
    if (world->has_rows)
        return &place->row.chunks;
    struct stored *stored =
        stored_find(world->store, world->stored_count, place_number(world, place), place->row.gen);
    return stored ? &stored->chunks : NULL;
}

static bool is_right(const struct world *world, const struct place *place,
                     const struct chunk_row *row, const uint8_t *hash)
{
    float vector[SIM_DIMENSIONS];
    vector_of_hash(hash, vector);
    return row->is_there && memcmp(row->hash, hash, SHA256_BYTES) == 0 &&
           memcmp(row->vector, vector, sizeof(vector)) == 0 &&
           uuid_equal(row->user, world->tenants[place->tenant].tenant.id);
}

static bool has_row(const struct place *place, uint32_t no, const uint8_t *hash)
{
    const struct chunk_rows *rows = &place->row.chunks;
    return no < rows->count && no < rows->room && rows->rows[no].is_there &&
           memcmp(rows->rows[no].hash, hash, SHA256_BYTES) == 0;
}

static void check_live(struct world *world, const struct place *place)
{
    const struct document_row *row = &place->row;
    struct version *version = version_find(world, row->etag);
    const struct chunk_rows *rows = rows_of_live(world, place);
    if (!version) {
        world_fail(world, "%s: live of an unknown version", place->key);
        return;
    }
    version_expect(world, version);
    if (row->chunk_count != version->chunk_count)
        world_fail(world, "%s: %u chunks, its text gives %u", place->key, row->chunk_count,
                   version->chunk_count);
    for (uint32_t no = 0; no < version->chunk_count && !world->failure[0]; no++)
        if (!has_row(place, no, version->hashes[no]))
            world_fail(world, "%s: chunk row %u is missing or not of its text", place->key, no);
        else if (!rows || no >= rows->count ||
                 !is_right(world, place, &rows->rows[no], version->hashes[no]))
            world_fail(world, "%s: live vector %u is missing or not of its text", place->key, no);
}

static void check_stored(struct world *world, const struct stored *stored)
{
    const struct place *place = &world->places[stored->place];
    struct uuid user = world->tenants[place->tenant].tenant.id;
    if (place->row.has_gen && place->row.gen == stored->gen)
        return;
    const struct litter_row *litter = litter_find(world, stored->place, stored->gen);
    for (uint32_t no = 0; no < stored->chunks.count; no++) {
        const struct chunk_row *row = &stored->chunks.rows[no];
        if (row->is_there && (!litter || no >= litter->n))
            world_fail(world, "%s: vector %u of %llx is neither live nor litter", place->key, no,
                       (unsigned long long)stored->gen);
        else if (row->is_there && !uuid_equal(row->user, user))
            world_fail(world, "%s: vector %u lies in another tenant's namespace", place->key, no);
    }
}

static void check_bounds(struct world *world, struct worker *worker)
{
    const struct pipeline_limits *limits = &world->limits;
    struct conductor_figures figures = conductor_figures(worker->conductor);
    uint64_t page_most = 700000; /* the page that uses up the credit may exceed it */
    if (figures.seated > limits->tasks_max)
        world_fail(world, "%zu seats of %u", figures.seated, limits->tasks_max);
    if (figures.waiting > limits->waiting_max + EVENTS_MAX + figures.tasks + 64)
        world_fail(world, "%zu events wait, %u may", figures.waiting, limits->waiting_max);
    if (worker->pipeline.spool_bytes >
        limits->spool_bytes_max + limits->tasks_max * (256 * 1024 + page_most))
        world_fail(world, "%llu bytes spooled of %llu",
                   (unsigned long long)worker->pipeline.spool_bytes,
                   (unsigned long long)limits->spool_bytes_max);
}

void audit_step(struct world *world)
{
    uint32_t touched = world->touched;
    for (unsigned i = 0; touched && i < world->place_count; i++)
        if (touched >> i & 1 && world->places[i].row.has_gen)
            check_live(world, &world->places[i]);
    for (unsigned i = 0; touched && i < world->stored_count; i++)
        if (touched >> world->store[i].place & 1)
            check_stored(world, &world->store[i]);
    world->touched = 0;
    LIST_FOR_EACH(&world->workers, node)
        check_bounds(world, container_of(node, struct worker, node));
}

void audit_instant(struct world *world)
{
    world->touched = UINT32_MAX;
    audit_step(world);
}

/* An item has just been closed. */
void audit_counters(struct world *world, const struct job *job)
{
    uint32_t counts[OUTCOME_COUNT] = {0};
    for (unsigned i = 0; i < world->item_count; i++)
        if (world->items[i].is_closed && uuid_equal(world->items[i].job, job->id))
            counts[world->items[i].outcome]++;
    if (counts[OUTCOME_FAILED] != job->failed || counts[OUTCOME_CANCELLED] != job->cancelled ||
        counts[OUTCOME_SUCCESS] + counts[OUTCOME_SKIPPED] != job->processed ||
        job->processed + job->failed + job->cancelled > job->total)
        world_fail(world, "a job of %u: %u processed, %u failed, %u cancelled", job->total,
                   job->processed, job->failed, job->cancelled);
}

/* ---- rest ---------------------------------------------------------------------------------- */

static bool has_open_item(const struct world *world)
{
    for (unsigned i = 0; i < world->item_count; i++)
        if (!world->items[i].is_closed)
            return true;
    return false;
}

static bool has_lease(const struct world *world)
{
    for (unsigned i = 0; i < world->place_count; i++)
        if (world->places[i].row.has_lease)
            return true;
    return false;
}

static bool has_look_due(const struct world *world)
{
    for (unsigned i = 0; i < world->place_count; i++)
        if (world->places[i].row.look_due_ms)
            return true;
    return false;
}

bool audit_is_quiet(struct world *world)
{
    for (unsigned p = 0; p < SIM_PARTITIONS; p++)
        if (world->committed[p] < world->topic_end[p])
            return false;
    return !world->in_transit && !world->litter_count && !world->staged_count &&
           !has_open_item(world) && !has_lease(world) && !has_look_due(world);
}

static bool shares_refused_text(struct world *world, struct version *version)
{
    for (unsigned i = 0; i < world->version_count; i++) {
        struct version *other = &world->versions[i];
        if (other->content != CONTENT_REFUSED)
            continue;
        version_expect(world, other);
        if (!other->chunk_count)
            continue;
        for (uint32_t no = 0; no < version->chunk_count; no++)
            if (memcmp(version->hashes[no], other->hashes[other->chunk_count - 1], SHA256_BYTES) ==
                0)
                return true;
    }
    return false;
}

static bool may_have_failed(struct world *world, const struct place *place, struct version *version)
{
    const struct document_row *row = &place->row;
    switch (row->code) {
    case ERR_NOT_PDF:
        return version->content == CONTENT_NOT_PDF;
    case ERR_EXTRACT_CRASH:
        return version->content == CONTENT_CRASHES;
    case ERR_EMPTY:
        return version->content == CONTENT_EMPTY;
    case ERR_EMBED_REFUSED:
        version_expect(world, version);
        return shares_refused_text(world, version);
    case ERR_POISONED:
        return row->starts_most > 5;
    case ERR_GAVE_UP:
        return place->is_denied;
    case ERR_INACTIVE:
        return world->tenants[place->tenant].was_inactive;
    default:
        return false;
    }
}

static bool was_cancelled(const struct world *world, unsigned place)
{
    for (unsigned i = 0; i < world->item_count; i++)
        if (world->items[i].place == place && world->items[i].outcome == OUTCOME_CANCELLED)
            return true;
    return false;
}

static void check_row(struct world *world, struct place *place)
{
    const struct document_row *row = &place->row;
    struct version *version = place_version(world, place);
    const char *etag = version ? version->etag : "nothing";
    const struct sim_tenant *tenant = &world->tenants[place->tenant];
    bool is_known = tenant->exists_from_ms <= world->now_ms && !tenant->is_mismatched;
    if (!row->exists) {
        if (version && is_known)
            world_fail(world, "%s: no row, the bucket holds %s", place->key, etag);
        return;
    }
    if (row->has_lease || row->status == ROW_PENDING || row->status == ROW_PROCESSING)
        world_fail(world, "%s: at rest its status is %d, leased %d", place->key, (int)row->status,
                   row->has_lease);
    if (row->has_gen != (row->status == ROW_SUCCESS))
        world_fail(world, "%s: status %d, live %d", place->key, (int)row->status, row->has_gen);
    if (row->has_gen && (!version || strcmp(row->etag, etag) != 0))
        world_fail(world, "%s: live of %s, the bucket holds %s", place->key, row->etag, etag);
    if (!row->has_gen && row->chunks.count)
        world_fail(world, "%s: rows without a live generation", place->key);
    if (!version && !row->is_deleted && !place->is_denied && is_known)
        world_fail(world, "%s: status %d, the bucket holds nothing", place->key, (int)row->status);
    if (!version || row->has_gen)
        return;
    bool is_fine = row->status == ROW_CANCELLED
                       ? was_cancelled(world, place_number(world, place))
                       : row->status == ROW_FAILED && may_have_failed(world, place, version);
    if (!is_fine)
        world_fail(world, "%s: the bucket holds %s (content %d), the row says status %d, code %s",
                   place->key, etag, (int)version->content, (int)row->status,
                   error_name(row->code));
}

static void check_job(struct world *world, const struct job *job)
{
    uint32_t total = 0;
    for (unsigned i = 0; i < world->item_count; i++)
        total += uuid_equal(world->items[i].job, job->id);
    if (total != job->total || job->processed + job->failed + job->cancelled != total)
        world_fail(world, "a job of %u items says %u, and %u are closed", total, job->total,
                   job->processed + job->failed + job->cancelled);
    audit_counters(world, job);
}

static void check_usage(struct world *world, unsigned number)
{
    const struct sim_tenant *tenant = &world->tenants[number];
    int64_t documents = 0, bytes = 0, vectors = 0;
    for (unsigned i = 0; i < world->place_count; i++) {
        const struct document_row *row = &world->places[i].row;
        if (world->places[i].tenant != number || !row->has_gen)
            continue;
        documents++;
        bytes += (int64_t)row->size_bytes;
        vectors += row->chunk_count;
    }
    if (documents != tenant->documents || bytes != tenant->bytes || vectors != tenant->vectors)
        world_fail(world, "usage of tenant %u is wrong", number);
}

void audit_rest(struct world *world)
{
    if (!audit_is_quiet(world))
        world_fail(world,
                   "no rest: committed %lld of %lld and %lld of %lld, in transit %u, litter"
                   " %u, staged %u, open items %d, looks due %d",
                   (long long)world->committed[0], (long long)world->topic_end[0],
                   (long long)world->committed[1], (long long)world->topic_end[1],
                   world->in_transit, world->litter_count, world->staged_count,
                   has_open_item(world), has_look_due(world));
    audit_instant(world);
    for (unsigned i = 0; i < world->place_count; i++)
        check_row(world, &world->places[i]);
    for (unsigned i = 0; i < world->job_count; i++)
        check_job(world, &world->jobs[i]);
    for (unsigned i = 0; i < world->tenant_count; i++)
        check_usage(world, i);
    for (unsigned i = 0; i < world->stored_count; i++) {
        const struct document_row *row = &world->places[world->store[i].place].row;
        if (!row->has_gen || row->gen != world->store[i].gen ||
            world->store[i].chunks.count != row->chunk_count)
            world_fail(world, "the store holds more than what is live");
    }
}

char *audit_dump(struct world *world)
{
    AUTO_BUFFER struct buffer out = buffer_new(1 << 24);
    for (unsigned i = 0; i < world->place_count; i++) {
        const struct document_row *row = &world->places[i].row;
        buffer_format(&out, "row %u: %d %d %d %d %llx %s %u %llu %d\n", i, row->exists,
                      row->has_gen, (int)row->status, (int)row->code,
                      (unsigned long long)(row->has_gen ? row->gen : 0), row->etag,
                      row->chunk_count, (unsigned long long)row->size_bytes, row->is_deleted);
    }
    for (unsigned i = 0; i < world->job_count; i++)
        buffer_format(&out, "job %u: %u %u %u %u\n", i, world->jobs[i].total,
                      world->jobs[i].processed, world->jobs[i].failed, world->jobs[i].cancelled);
    for (unsigned i = 0; i < world->item_count; i++)
        buffer_format(&out, "item %u: place %u, %d\n", i, world->items[i].place,
                      (int)world->items[i].outcome);
    return xstrdup(buffer_text(&out));
}
