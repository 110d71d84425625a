/* What comes after an attempt, or instead of it: dead letters, litter, and what the janitor finds. */
#include "tests/sim/world.h"

#define TAKEN_DUE_MS 60000u

void table_bury(struct world *world, struct ledger_burial *burial)
{
    bool has_bytes = burial->headers.bytes > 0; /* or another letter of the message has them */
    burial->is_new = true;
    for (unsigned i = 0; i < world->letter_count; i++) {
        const struct letter *letter = &world->letters[i];
        if (letter->partition != burial->partition || letter->offset != burial->offset)
            continue;
        has_bytes = true;
        if (letter->event_no == burial->event_no)
            burial->is_new = false;
    }
    if (!has_bytes)
        world_fail(world, "no letter has the bytes of message %d/%lld", burial->partition,
                   (long long)burial->offset);
    if (burial->is_new)
        world->letters[world->letter_count++] =
            (struct letter){burial->partition, burial->offset, burial->event_no};
}

static bool is_dead(const struct world *world, const struct litter_row *litter)
{
    const struct document_row *row = &world->places[litter->place].row;
    return !(row->has_gen && row->gen == litter->gen) &&
           !(row->fence == litter->gen && row->has_lease);
}

void table_dead(struct world *world, struct ledger_dead *dead)
{
    bool is_any = uuid_is_nil(dead->document);
    dead->litter_count = 0;
    for (unsigned i = 0; i < world->litter_count && dead->litter_count < dead->litter_max; i++) {
        const struct litter_row *litter = &world->litter[i];
        const struct place *place = &world->places[litter->place];
        if (!is_dead(world, litter) || (!is_any && !uuid_equal(dead->document, place->document.id)))
            continue;
        dead->litter[dead->litter_count++] = (struct litter){
            .document = place->document.id,
            .user_id = world->tenants[place->tenant].tenant.id,
            .gen = litter->gen,
            .vector_count = litter->n,
            .as_of_us = (int64_t)world->now_ms * 1000,
        };
    }
}

void table_swept(struct world *world, const struct litter *litter)
{
    unsigned number = place_number(world, place_find(world, litter->document));
    struct litter_row *row = litter_find(world, number, litter->gen);
    bool is_quiet = row && ((int64_t)row->quiet_ms * 1000 <= litter->as_of_us ||
                            world->sabotage == SABOTAGE_SWEEP_AT_ONCE);
    if (is_quiet && is_dead(world, row))
        litter_drop(world, row);
}

static void sweep_staged(struct world *world)
{
    for (unsigned i = world->staged_count; i-- > 0;) {
        const struct document_row *row = &world->places[world->staged[i].place].row;
        if (row->fence != world->staged[i].gen || !row->has_lease)
            staged_drop(world, &world->staged[i]);
    }
}

/* Attempts of removals whose workers died. */
static void lapse(struct world *world)
{
    for (unsigned i = 0; i < world->place_count; i++) {
        struct document_row *row = &world->places[i].row;
        if (!row->is_removing || row->leased_until_ms >= world->now_ms)
            continue;
        row->has_lease = row->is_removing = false;
        row->fence = 0;
        row->status = row->has_gen                    ? ROW_SUCCESS
                      : row->status == ROW_PROCESSING ? ROW_PENDING
                                                      : row->status;
    }
}

static void give_due(struct world *world, struct ledger_due *due, const struct place *place,
                     struct due_item item)
{
    struct due_item *found = &due->items[due->item_count++];
    world_trace(world, "place %u is due", place_number(world, place));
    *found = item;
    found->document = place->document.id;
    found->user_id = world->tenants[place->tenant].tenant.id;
    (void)text_format(found->bucket, sizeof(found->bucket), SIM_BUCKET);
    (void)text_format(found->key, sizeof(found->key), "%s", place->key);
}

static bool is_free(const struct world *world, const struct document_row *row)
{
    return !row->has_lease || row->leased_until_ms < world->now_ms;
}

static void give_due_looks(struct world *world, struct ledger_due *due)
{
    for (unsigned i = 0; i < world->place_count && due->item_count < due->item_max; i++) {
        struct document_row *row = &world->places[i].row;
        if (!row->look_due_ms || row->look_due_ms > world->now_ms || !is_free(world, row))
            continue;
        give_due(world, due, &world->places[i],
                 (struct due_item){.is_overdue = has_waited_long(world, row->look_since_ms)});
        row->look_due_ms = world->now_ms + TAKEN_DUE_MS;
    }
}

void table_due(struct world *world, struct ledger_due *due)
{
    due->item_count = due->parked_count = 0;
    sweep_staged(world);
    lapse(world);
    for (unsigned i = 0; i < world->item_count && due->item_count < due->item_max; i++) {
        struct item *item = &world->items[i];
        struct place *place = &world->places[item->place];
        if (item->is_closed || !item->due_ms || item->due_ms > world->now_ms ||
            job_find(world, item->job)->is_paused || !is_free(world, &place->row))
            continue;
        give_due(world, due, place,
                 (struct due_item){.job = item->job,
                                   .is_overdue = has_waited_long(world, item->parked_ms)});
        item->due_ms = world->now_ms + TAKEN_DUE_MS;
    }
    give_due_looks(world, due);
}
