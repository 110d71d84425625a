#include "store/ledger.h"

#include <stdlib.h>

#include "store/ledger_internal.h"
#include "worker/base/memory.h"

static const struct {
    const struct lane_kind *kind;
    bool goes_ahead;
} LANES[LANE_COUNT] = {
    [LANE_CLAIM] = {&CLAIM_KIND, false},
    [LANE_CLAIM_AHEAD] = {&CLAIM_KIND, true},
    [LANE_KNOWN] = {&KNOWN_KIND, false},
    [LANE_INTEND] = {&INTEND_KIND, false},
    [LANE_INTEND_AHEAD] = {&INTEND_KIND, true},
    [LANE_STAGE] = {&STAGE_KIND, false},
    [LANE_TEXT] = {&TEXT_KIND, false},
    [LANE_FINISH] = {&FINISH_KIND, false},
    [LANE_FINISH_AHEAD] = {&FINISH_KIND, true},
    [LANE_RELEASE] = {&RELEASE_KIND, false},
    [LANE_BURY] = {&BURY_KIND, false},
    [LANE_DEAD] = {&DEAD_KIND, false},
    [LANE_DEAD_ANY] = {&DEAD_ANY_KIND, false},
    [LANE_SWEPT] = {&SWEPT_KIND, false},
    [LANE_DUE] = {&DUE_KIND, false},
};

/* ---- making batches -------------------------------------------------------------------------- */

/* A request that may go into the batch being made. */
struct candidate {
    struct uuid document;
    size_t order; /* of arrival */
    struct list_node *node;
};

static int by_document(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    int order = uuid_compare(left->document, right->document);
    return order ? order : (left->order > right->order) - (left->order < right->order);
}

static int by_arrival_backwards(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    return (left->order < right->order) - (left->order > right->order);
}

/* Pops what fits into one batch: always one request, however large. */
static size_t pop_candidates(struct lane *lane, struct candidate *candidates)
{
    const struct lane_kind *kind = lane->kind;
    size_t count = 0, bytes = 0;
    while (count < kind->rows_max && lane->waiting.count) {
        struct list_node *node = list_first(&lane->waiting);
        size_t weight = kind->bytes_of ? kind->bytes_of(node) : 0;
        if (count && bytes + weight > BATCH_BYTES_MAX)
            break;
        bytes += weight;
        list_remove(&lane->waiting, node);
        candidates[count] = (struct candidate){.order = count, .node = node};
        if (kind->document_of)
            candidates[count].document = kind->document_of(node);
        count++;
    }
    return count;
}

/* Sorted by document, so that all batches lock in one order. The second request of a document goes
 * back to the head of the line. Answers how many stay. */
static size_t sort_out(struct lane *lane, struct candidate *candidates, size_t count)
{
    qsort(candidates, count, sizeof(*candidates), by_document);
    struct candidate *seconds = xcalloc(count, sizeof(*seconds));
    size_t kept = 0, second_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && uuid_equal(candidates[kept - 1].document, candidates[i].document))
            seconds[second_count++] = candidates[i];
        else
            candidates[kept++] = candidates[i];
    }
    qsort(seconds, second_count, sizeof(*seconds), by_arrival_backwards);
    for (size_t i = 0; i < second_count; i++)
        list_push_front(&lane->waiting, seconds[i].node);
    xfree(seconds);
    return kept;
}

static void start_batch(struct lane *lane)
{
    size_t waiting = lane->waiting.count, max = lane->kind->rows_max;
    struct candidate *candidates = xcalloc(waiting < max ? waiting : max, sizeof(*candidates));
    size_t count = pop_candidates(lane, candidates);
    if (lane->kind->document_of)
        count = sort_out(lane, candidates, count);
    struct list_node **nodes = xcalloc(count, sizeof(*nodes));
    for (size_t i = 0; i < count; i++)
        nodes[i] = candidates[i].node;
    xfree(candidates);
    ledger_batch_start(lane, nodes, count, loop_now_ms(lane->ledger->loop));
}

/* The first goes at once. Another beside it keeps the server at work while answers are dealt out
 * here, but each has its own plans and its own commit, so it has to be worth them. */
static bool may_start(const struct lane *lane)
{
    const struct lane_kind *kind = lane->kind;
    return lane->waiting.count && lane->batch_count < kind->batches_max &&
           (lane->batch_count == 0 || lane->waiting.count >= kind->rows_beside);
}

void ledger_lane_pump(struct lane *lane)
{
    while (may_start(lane))
        start_batch(lane);
}

static void pump(struct later *later)
{
    ledger_lane_pump(container_of(later, struct lane, pump));
}

/* In a turn of its own: what is handed in during one turn travels together. */
void ledger_lane_pump_soon(struct lane *lane)
{
    if (may_start(lane) && !list_is_member(&lane->pump.waiting))
        loop_later(lane->ledger->loop, &lane->pump, pump);
}

void ledger_lane_submit(struct ledger *ledger, enum lane_name name, struct list_node *node)
{
    struct lane *lane = &ledger->lanes[name];
    list_push_back(&lane->waiting, node);
    ledger_lane_pump_soon(lane);
}

/* ---- public ---------------------------------------------------------------------------------- */

struct ledger *ledger_open(struct loop *loop, struct pg *pg, const struct ledger_options *options,
                           struct error *err)
{
    if (!options->pipeline.bytes) {
        error_set(err, ERR_BUG, "the ledger needs the fingerprint of the pipeline");
        return NULL;
    }
    struct ledger *ledger = xcalloc(1, sizeof(*ledger));
    ledger->loop = loop;
    ledger->pg = pg;
    ledger->options = *options;
    ledger->pipeline = xstrdup(options->pipeline);
    ledger->options.pipeline = text_from(ledger->pipeline);
    for (size_t i = 0; i < LANE_COUNT; i++) {
        ledger->lanes[i].ledger = ledger;
        ledger->lanes[i].kind = LANES[i].kind;
        ledger->lanes[i].goes_ahead = LANES[i].goes_ahead;
        list_init(&ledger->lanes[i].waiting);
    }
    return ledger;
}

void ledger_close(struct ledger *ledger)
{
    if (!ledger)
        return;
    assert(ledger_waiting_count(ledger) == 0);
    for (size_t i = 0; i < LANE_COUNT; i++)
        later_cancel(ledger->loop, &ledger->lanes[i].pump);
    xfree(ledger->pipeline);
    loop_bury(ledger->loop, ledger); /* the last answer may close it */
}

size_t ledger_waiting_count(const struct ledger *ledger)
{
    size_t count = 0;
    for (size_t i = 0; i < LANE_COUNT; i++)
        count += ledger->lanes[i].waiting.count + ledger->lanes[i].request_count;
    return count;
}
