#include "worker/standing.h"

#include "worker/term.h"

#define MESSAGE_COLUMNS 300

enum stand {
    STAND_PAUSED,
    STAND_CANCELLED,
    STAND_IN_WORK,
    STAND_NO_WORKER,
    STAND_RETRY,
    STAND_BEHIND,
    STAND_WAITING
};

static enum stand stand_of(const struct standing *standing)
{
    if (text_equal(standing->control, TEXT("pause")))
        return STAND_PAUSED;
    if (text_equal(standing->control, TEXT("cancel")))
        return STAND_CANCELLED;
    if (standing->running)
        return STAND_IN_WORK;
    if (!standing->workers)
        return STAND_NO_WORKER;
    if (standing->parked)
        return STAND_RETRY;
    return standing->kafka_lag ? STAND_BEHIND : STAND_WAITING;
}

const char *standing_word(const struct standing *standing)
{
    static const char *const words[] = {
        [STAND_PAUSED] = "paused",           [STAND_CANCELLED] = "being_cancelled",
        [STAND_IN_WORK] = "in_work",         [STAND_NO_WORKER] = "no_worker",
        [STAND_RETRY] = "waiting_for_retry", [STAND_BEHIND] = "behind_others",
        [STAND_WAITING] = "waiting",
    };
    return words[stand_of(standing)];
}

void time_append(struct buffer *out, struct text time)
{
    buffer_format(out, "%.*s %.*s UTC", TEXT_ARGS(text_slice(time, 0, 10)),
                  TEXT_ARGS(text_slice(time, 11, 16)));
}

void seconds_append(struct buffer *out, uint64_t seconds)
{
    if (seconds < 100)
        buffer_format(out, "%llu s", (unsigned long long)seconds);
    else if (seconds < 6000)
        buffer_format(out, "%llu min", (unsigned long long)(seconds + 30) / 60);
    else if (seconds < 172800)
        buffer_format(out, "%llu h", (unsigned long long)(seconds + 1800) / 3600);
    else
        buffer_format(out, "%llu days", (unsigned long long)(seconds + 43200) / 86400);
}

static void append_count(struct buffer *out, uint64_t count, const char *one, const char *many)
{
    term_append_count(out, count);
    buffer_format(out, " %s", count == 1 ? one : many);
}

static void append_who(struct buffer *out, const struct standing *standing)
{
    if (standing->control_by.bytes) {
        buffer_append_text(out, TEXT(" by "));
        term_append_foreign(out, standing->control_by, 100);
    }
    if (standing->control_at.bytes) {
        buffer_append_text(out, TEXT(" since "));
        time_append(out, standing->control_at);
    }
}

static void append_trouble(struct buffer *out, const struct standing *standing)
{
    if (!standing->trouble_code.bytes)
        return;
    buffer_append_text(out, TEXT("; a worker had trouble within the last minute: "));
    term_append_foreign(out, standing->trouble_message, MESSAGE_COLUMNS);
    buffer_format(out, " (%.*s)", TEXT_ARGS(standing->trouble_code));
}

static void append_paused(struct buffer *out, const struct standing *standing)
{
    buffer_append_text(out, TEXT("paused"));
    append_who(out, standing);
    if (standing->running) {
        buffer_append_text(out, TEXT("; "));
        append_count(out, standing->running, "document is still in work",
                     "documents are still in work");
    }
    buffer_append_text(out, TEXT("; `millrace resume` lets it go on"));
}

static void append_cancelled(struct buffer *out, const struct standing *standing)
{
    buffer_append_text(out, TEXT("cancelled"));
    append_who(out, standing);
    buffer_append_text(out, TEXT("; "));
    append_count(out, standing->open, "document still waits for a worker to let go of it",
                 "documents still wait for a worker to let go of them");
}

static void append_no_worker(struct buffer *out, const struct standing *standing)
{
    buffer_append_text(out, TEXT("no worker runs"));
    if (standing->worker_seen_at.bytes) {
        buffer_append_text(out, TEXT("; the last one was seen "));
        time_append(out, standing->worker_seen_at);
    }
    buffer_append_text(out, TEXT("; start one with `millrace work`"));
}

static void append_retry(struct buffer *out, const struct standing *standing)
{
    append_count(out, standing->parked, "document waits for its next attempt, in ",
                 "documents wait for their next attempt, the first in ");
    seconds_append(out, standing->retry_s);
    if (standing->retry_message.bytes) {
        buffer_append_text(out, TEXT(": "));
        term_append_foreign(out, standing->retry_message, MESSAGE_COLUMNS);
    }
}

static void append_in_work(struct buffer *out, const struct standing *standing)
{
    uint64_t waiting = standing->open > standing->running ? standing->open - standing->running : 0;
    append_count(out, standing->running, "document in work", "documents in work");
    if (waiting) {
        buffer_append_text(out, TEXT(", "));
        term_append_count(out, waiting);
        buffer_append_text(out, waiting == 1 ? TEXT(" waits") : TEXT(" wait"));
    }
    append_trouble(out, standing);
}

void standing_append(struct buffer *out, const struct standing *standing)
{
    switch (stand_of(standing)) {
    case STAND_PAUSED:
        append_paused(out, standing);
        return;
    case STAND_CANCELLED:
        append_cancelled(out, standing);
        return;
    case STAND_IN_WORK:
        append_in_work(out, standing);
        return;
    case STAND_NO_WORKER:
        append_no_worker(out, standing);
        return;
    case STAND_RETRY:
        append_retry(out, standing);
        return;
    case STAND_BEHIND:
        buffer_append_text(out, TEXT("waits behind "));
        append_count(out, standing->kafka_lag, "message", "messages");
        buffer_append_text(out, TEXT(" of the topic, the oldest of "));
        seconds_append(out, standing->oldest_s);
        buffer_append_text(out, TEXT(" ago"));
        append_trouble(out, standing);
        return;
    case STAND_WAITING:
        buffer_append_text(out, TEXT("waits to be taken up, within a minute"));
        append_trouble(out, standing);
        return;
    }
}
