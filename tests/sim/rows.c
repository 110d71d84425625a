/* Looking rows up, adding them, letting them go. Tables are small: arrays, in the order of their
 * making, so that a seed always does the same. */
#include <string.h>

#include "tests/sim/world.h"
#include "worker/base/memory.h"

unsigned place_number(const struct world *world, const struct place *place)
{
    return (unsigned)(place - world->places);
}

struct place *place_find(struct world *world, struct uuid document)
{
    for (unsigned i = 0; i < world->place_count; i++)
        if (uuid_equal(world->places[i].document.id, document)) {
            place_touch(world, i);
            return &world->places[i];
        }
    assert(false && "a document that nobody put");
    return NULL;
}

void place_touch(struct world *world, unsigned place)
{
    world->touched |= UINT32_C(1) << place;
}

struct job *job_find(struct world *world, struct uuid id)
{
    for (unsigned i = 0; i < world->job_count; i++)
        if (uuid_equal(world->jobs[i].id, id))
            return &world->jobs[i];
    return NULL;
}

struct job *job_add(struct world *world, struct uuid id, unsigned tenant)
{
    assert(world->job_count < JOBS_MAX);
    struct job *job = &world->jobs[world->job_count++];
    *job = (struct job){.id = id, .tenant = tenant};
    return job;
}

struct item *item_find(struct world *world, struct uuid job, unsigned place)
{
    for (unsigned i = 0; i < world->item_count; i++)
        if (world->items[i].place == place && uuid_equal(world->items[i].job, job))
            return &world->items[i];
    return NULL;
}

struct item *item_add(struct world *world, struct uuid job, unsigned place, uint64_t due_ms)
{
    assert(world->item_count < JOBS_MAX);
    struct item *item = &world->items[world->item_count++];
    *item = (struct item){
        .job = job, .place = place, .due_ms = due_ms, .made_wall_ms = loop_wall_ms(world->loop)};
    return item;
}

struct absorbed *absorbed_find(struct world *world, struct uuid bare_job)
{
    for (unsigned i = 0; i < world->absorbed_count; i++)
        if (uuid_equal(world->absorbed[i].bare_job, bare_job))
            return &world->absorbed[i];
    return NULL;
}

struct litter_row *litter_find(struct world *world, unsigned place, uint64_t gen)
{
    for (unsigned i = 0; i < world->litter_count; i++)
        if (world->litter[i].place == place && world->litter[i].gen == gen)
            return &world->litter[i];
    return NULL;
}

void litter_add(struct world *world, const struct litter_row *row)
{
    assert(world->litter_count < LITTER_ROWS_MAX);
    world->litter[world->litter_count++] = *row;
}

void litter_drop(struct world *world, struct litter_row *row)
{
    size_t at = (size_t)(row - world->litter);
    world->litter_count--;
    memmove(row, row + 1, (world->litter_count - at) * sizeof(*row));
}

struct stored *stored_find(struct stored *all, unsigned count, unsigned place, uint64_t gen)
{
    for (unsigned i = 0; i < count; i++)
        if (all[i].place == place && all[i].gen == gen)
            return &all[i];
    return NULL;
}

struct chunk_row *rows_at(struct chunk_rows *rows, uint32_t no)
{
    if (no >= rows->room) {
        uint32_t room = rows->room ? rows->room * 2 : 64;
        while (room <= no)
            room *= 2;
        rows->rows = xrealloc(rows->rows, room, sizeof(*rows->rows));
        memset(rows->rows + rows->room, 0, (room - rows->room) * sizeof(*rows->rows));
        rows->room = room;
    }
    if (no >= rows->count)
        rows->count = no + 1;
    return &rows->rows[no];
}

void rows_release(struct chunk_rows *rows)
{
    xfree(rows->rows);
    *rows = (struct chunk_rows){0};
}
