#include "worker/beat.h"

#include <unistd.h>

#include "embed/embed.h"
#include "queue/queue.h"
#include "store/workers.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"

#define HOST_BYTES 100
#define TROUBLE_MS 60000 /* what left a task before that is over */

struct beat_ask {
    struct worker_beat request;
    struct beat *beat; /* NULL: gone meanwhile */
    struct error trouble;
};

struct beat {
    struct pg *pg;
    struct pipeline *pipeline;
    struct conductor *conductor;
    struct uuid id;
    char host[HOST_BYTES];
    uint64_t start_ms;
    struct timer timer;
    struct beat_ask *ask; /* under way */
    bool is_stopped, is_away;
};

static void on_timer(struct timer *timer);

static void note_answer(struct beat *beat, const struct worker_beat *request,
                        const struct error *err)
{
    if (err && !beat->is_away) /* said once: whatever else needs the database says it too */
        LOG_WARN("worker_not_seen", FIELD_ERROR(err));
    beat->is_away = err != NULL;
    if (request->has_due_items)
        conductor_look_for_due(beat->conductor);
    timer_start(beat->pipeline->loop, &beat->timer, WORKER_BEAT_MS, on_timer);
}

static void on_done(struct worker_beat *request, const struct error *err)
{
    struct beat_ask *ask = container_of(request, struct beat_ask, request);
    struct beat *beat = ask->beat;
    if (beat)
        beat->ask = NULL;
    if (beat && !beat->is_stopped)
        note_answer(beat, request, err);
    xfree(ask);
}

/* A lane that waits for the operator, else what a document left for a moment ago. */
static void note_trouble(const struct beat *beat, struct beat_ask *ask)
{
    const struct pipeline *pipeline = beat->pipeline;
    uint64_t age_ms = loop_now_ms(pipeline->loop) - pipeline->trouble_ms;
    bool is_parked = embed_is_parked(pipeline->embed, &ask->trouble);
    if (!is_parked && (!pipeline->trouble_ms || age_ms > TROUBLE_MS))
        return;
    if (!is_parked)
        ask->trouble = pipeline->trouble;
    ask->request.trouble_age_ms = is_parked ? 0 : age_ms;
    ask->request.trouble_code = text_from(error_name(ask->trouble.code));
    ask->request.trouble_message = text_from(ask->trouble.message);
}

static void send(struct beat *beat)
{
    struct beat_ask *ask = xcalloc(1, sizeof(*ask));
    struct conductor_figures work = conductor_figures(beat->conductor);
    struct queue_figures queue = {0};
    if (beat->pipeline->queue)
        queue = queue_figures(beat->pipeline->queue);
    ask->beat = beat;
    ask->request = (struct worker_beat){
        .id = beat->id,
        .host = text_from(beat->host),
        .version = TEXT(MILLRACE_VERSION),
        .age_ms = loop_now_ms(beat->pipeline->loop) - beat->start_ms,
        .tasks = work.seated,
        .waiting = work.waiting,
        .kafka_lag = queue.lag,
        .oldest_seconds = queue.oldest_age_ms / 1000,
        .is_leaving = beat->is_stopped,
        .on_done = on_done,
    };
    note_trouble(beat, ask);
    beat->ask = ask;
    worker_beat(beat->pg, beat->pipeline->loop, &ask->request);
}

static void on_timer(struct timer *timer)
{
    send(container_of(timer, struct beat, timer));
}

struct beat *beat_start(struct pg *pg, struct pipeline *pipeline, struct conductor *conductor)
{
    struct beat *beat = xcalloc(1, sizeof(*beat));
    beat->pg = pg;
    beat->pipeline = pipeline;
    beat->conductor = conductor;
    beat->id = uuid_v4();
    beat->start_ms = loop_now_ms(pipeline->loop);
    if (gethostname(beat->host, sizeof(beat->host) - 1) != 0)
        (void)text_format(beat->host, sizeof(beat->host), "unknown");
    send(beat);
    return beat;
}

void beat_stop(struct beat *beat)
{
    beat->is_stopped = true;
    timer_stop(beat->pipeline->loop, &beat->timer);
    if (beat->ask)
        beat->ask->beat = NULL;
    send(beat);
}

void beat_free(struct beat *beat)
{
    if (!beat)
        return;
    timer_stop(beat->pipeline->loop, &beat->timer);
    if (beat->ask)
        beat->ask->beat = NULL;
    xfree(beat);
}
