/*
 * sim SEED_FROM SEED_TO [SABOTAGE]: the pipeline over fakes of all services, on virtual time, once
 * for each seed. A seed that goes wrong is printed with what is wrong, and does the same again.
 *
 *     users act and faults strike  ->  faults off, until all is at rest  ->  audit
 *     ->  the whole topic again: nothing may change  ->  every worker drains, nothing is left
 *
 * TEST_LOG=1 shows what the workers log.
 * With SABOTAGE (a number, or all) one rule is broken on purpose, and it must be found.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"

#define REST_MS_MAX 7200000
#define GIVING_UP_MS 20000000 /* three hours of parking, and more */
#define SETTLING_MS 30000     /* after rest: whoever still does something shows it */

static const char *const SABOTAGES[SABOTAGE_COUNT] = {
    [SABOTAGE_NONE] = "none",
    [SABOTAGE_SETTLE_EARLY] = "offsets are settled when messages come",
    [SABOTAGE_ABANDON_SETTLES] = "what is given back is settled",
    [SABOTAGE_SKIP_LEASE] = "the store is written to without a look at the lease",
    [SABOTAGE_NO_RESERVE] = "ids are used without being reserved",
    [SABOTAGE_DROP_OLDER] = "the newest event settles the older ones",
    [SABOTAGE_NO_CREDIT] = "credit is given once only",
    [SABOTAGE_NEVER_BUSY] = "a claim takes what another one holds",
    [SABOTAGE_SWEEP_AT_ONCE] = "litter is forgotten before it is quiet",
    [SABOTAGE_SWAP_VECTORS] = "two vectors change places",
    [SABOTAGE_LOSE_ROWS] = "staged rows are lost without a word",
    [SABOTAGE_NEWS_FORGOTTEN] = "nobody remembers what was told of an object",
    [SABOTAGE_WORK_IS_DONE] = "what is in work is finished when its partition comes back",
};

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

static bool is_any_denied(const struct world *world)
{
    for (unsigned i = 0; i < world->place_count; i++)
        if (world->places[i].is_denied)
            return true;
    return false;
}

static void rest(struct world *world)
{
    uint64_t most_ms = is_any_denied(world) ? GIVING_UP_MS : REST_MS_MAX;
    world_run(world, world->now_ms + most_ms, audit_is_quiet);
    world_run(world, world->now_ms + SETTLING_MS, NULL);
    world_run(world, world->now_ms + most_ms, audit_is_quiet);
    audit_rest(world);
}

static void replay(struct world *world)
{
    AUTO_FREE char *before = audit_dump(world);
    users_replay(world);
    rest(world);
    AUTO_FREE char *after = audit_dump(world);
    size_t at = 0;
    while (before[at] && before[at] == after[at])
        at++;
    while (at && before[at - 1] != '\n')
        at--;
    if (before[at] || after[at])
        world_fail(world, "the replay changed [%.*s] to [%.*s]", (int)strcspn(before + at, "\n"),
                   before + at, (int)strcspn(after + at, "\n"), after + at);
}

/* True: nothing is wrong. */
static bool run_seed(uint64_t seed, enum sabotage sabotage, char ret_failure[512])
{
    unsigned descriptors = open_descriptors();
    struct world *world = world_new(seed, sabotage);
    users_start(world);
    workers_start(world);
    world_run(world, world->active_until_ms, NULL);
    users_heal(world);
    workers_heal(world);
    rest(world);
    if (!world->failure[0])
        replay(world);
    if (!world->failure[0])
        workers_end(world);
    if (!world->failure[0] && open_descriptors() != descriptors)
        world_fail(world, "%u descriptors are left open", open_descriptors() - descriptors);
    (void)text_format(ret_failure, 512, "%s", world->failure);
    bool is_fine = !world->failure[0];
    if (is_fine) /* else it stands in the middle of something */
        world_free(world);
    return is_fine;
}

static unsigned run_seeds(uint64_t from, uint64_t to, enum sabotage sabotage)
{
    unsigned failed = 0;
    char failure[512];
    for (uint64_t seed = from; seed < to; seed++) {
        if (run_seed(seed, sabotage, failure))
            continue;
        failed++;
        printf("seed %" PRIu64 " (sim %" PRIu64 " %" PRIu64 "): %s\n", seed, seed, seed + 1,
               failure);
        (void)fflush(stdout);
        if (sabotage != SABOTAGE_NONE)
            break;
    }
    return failed;
}

static int run_sabotages(uint64_t from, uint64_t to)
{
    int missed = 0;
    for (int sabotage = 1; sabotage < SABOTAGE_COUNT; sabotage++) {
        printf("%s: ", SABOTAGES[sabotage]);
        if (run_seeds(from, to, (enum sabotage)sabotage))
            continue;
        missed++;
        printf("NOT FOUND\n");
    }
    return missed ? 1 : 0;
}

int main(int argument_count, char **arguments)
{
    uint64_t from, to, sabotage = SABOTAGE_NONE;
    bool is_usable = argument_count >= 3 && argument_count <= 4 &&
                     text_parse_u64(text_from(arguments[1]), &from) &&
                     text_parse_u64(text_from(arguments[2]), &to);
    bool is_all = is_usable && argument_count == 4 && strcmp(arguments[3], "all") == 0;
    if (is_usable && argument_count == 4 && !is_all)
        is_usable = text_parse_u64(text_from(arguments[3]), &sabotage) && sabotage < SABOTAGE_COUNT;
    if (!is_usable) {
        (void)fprintf(stderr, "usage: sim SEED_FROM SEED_TO [SABOTAGE|all]\n");
        return 2;
    }
    log_configure(getenv("TEST_LOG") ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    if (is_all)
        return run_sabotages(from, to);
    unsigned failed = run_seeds(from, to, (enum sabotage)sabotage);
    printf("%u of %" PRIu64 " seeds failed\n", failed, to - from);
    return failed ? 1 : 0;
}
