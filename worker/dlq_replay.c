/*
 * millrace dlq replay: the messages of dead letters once more to their topics, a few at a time.
 *
 * A letter is settled when the broker has its message for good, told which of its events are meant:
 * those that shared the message are left alone. What is sent twice (the command was
 * killed between the two) counts once: the ids of jobs come from the events.
 */
#include <stdio.h>
#include <string.h>

#include "queue/dead_letter.h"
#include "queue/topic.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"
#include "worker/base/signals.h"
#include "worker/dlq.h"
#include "worker/rows.h"

#define BATCH_MAX 16
#define HEADERS_MAX 256
#define ARENA_BYTES ((size_t)64 << 20) /* of a batch; a message is 1 MB at most by default */

struct sending { /* one message */
    struct topic_record record;
    struct letter_place place;
    struct text events; /* of the letters */
    struct replay *replay;
    bool is_there; /* the broker has it */
};

struct replay {
    struct dlq *dlq;
    struct topic *topic;
    struct queue_property properties[CONFIG_LIST_MAX];
    char as_of[LETTERS_AS_OF_BYTES];
    uint64_t letter_count, message_count, unsendable_count; /* that match */
    uint64_t sent_count, settled_count;
    struct arena arena; /* the batch under way */
    struct sending batch[BATCH_MAX];
    size_t batch_count, open_count;
    bool has_failed, is_interrupted;
    struct error err;
    struct wait wait;
};

/* ---- what there is --------------------------------------------------------------------------- */

static void on_count(void *arg, const struct pg_result *rows)
{
    struct replay *replay = arg;
    replay->letter_count = row_number(rows, 0, 0);
    replay->message_count = row_number(rows, 0, 1);
    replay->unsendable_count = row_number(rows, 0, 2);
    (void)text_format(replay->as_of, sizeof(replay->as_of), "%.*s",
                      TEXT_ARGS(pg_value(rows, 0, 3)));
}

static bool count(struct replay *replay, struct error *err)
{
    struct letters letters = {.kind = LETTERS_COUNT, .filter = replay->dlq->filter};
    return dlq_ask(replay->dlq, &letters, (struct ask){on_count, replay}, err);
}

/* ---- a batch --------------------------------------------------------------------------------- */

static bool copy_hex(struct arena *arena, struct text hex, struct text *ret_bytes)
{
    if (!hex.start) {
        *ret_bytes = TEXT_NONE;
        return true;
    }
    uint8_t *bytes = arena_alloc(arena, hex.bytes / 2 + 1);
    if (!bytes || !hex_parse(hex, bytes, hex.bytes / 2))
        return false;
    *ret_bytes = (struct text){(char *)bytes, hex.bytes / 2};
    return true;
}

static bool copy_header(struct arena *arena, const struct json *json, struct header *ret_header)
{
    struct text encoded = json_text(json_at(json, 1));
    uint8_t *value = arena_alloc(arena, encoded.bytes + 1);
    size_t bytes;
    if (!value || !base64_decode(encoded, value, encoded.bytes, &bytes) ||
        !arena_copy(arena, json_text(json_at(json, 0)), &ret_header->name))
        return false;
    ret_header->value = (struct text){(char *)value, bytes};
    return true;
}

/* The headers it came with, and what is meant of it; what a mirror has added is left out. */
static bool copy_headers(struct arena *arena, struct text text, bool may_be_whole,
                         struct sending *sending)
{
    struct error err;
    AUTO_JSON struct json *list = json_parse(text, &err);
    size_t header_count = json_count(list);
    struct header *headers = arena_alloc_array(arena, header_count + 1, sizeof(*headers)), *ours;
    if (!headers || header_count > HEADERS_MAX)
        return false;
    for (size_t i = 0; i < header_count; i++)
        if (!copy_header(arena, json_at(list, i), &headers[i]))
            return false;
    struct dead_letter_replay replay = {headers, header_count, sending->events, may_be_whole};
    if (!dead_letter_replay_headers(&replay, arena, &ours, &sending->record.header_count))
        return false;
    sending->record.headers = ours;
    return true;
}

static bool copy_message(struct arena *arena, const struct pg_result *rows, size_t row,
                         struct sending *sending)
{
    struct text time, place = pg_value(rows, row, 0);
    /* bury.sql: TOPIC#TIME, where the topic was made anew. */
    return arena_copy(arena, place, &sending->place.topic) &&
           arena_copy(arena, text_cut(place, '#', &time), &sending->record.topic) &&
           pg_value_u64(rows, row, 1, &sending->place.partition) &&
           pg_value_u64(rows, row, 2, &sending->place.offset) &&
           copy_hex(arena, pg_value(rows, row, 3), &sending->record.key) &&
           copy_hex(arena, pg_value(rows, row, 4), &sending->record.value) &&
           arena_copy(arena, pg_value(rows, row, 6), &sending->events) &&
           copy_headers(arena, pg_value(rows, row, 5),
                        text_equal(pg_value(rows, row, 7), TEXT("1")), sending);
}

static void on_messages(void *arg, const struct pg_result *rows)
{
    struct replay *replay = arg;
    replay->batch_count = 0;
    for (size_t row = 0; row < pg_row_count(rows) && row < BATCH_MAX; row++) {
        struct sending *sending = &replay->batch[replay->batch_count];
        *sending = (struct sending){.replay = replay};
        if (copy_message(&replay->arena, rows, row, sending)) {
            replay->batch_count++;
            continue;
        }
        replay->has_failed = true;
        error_set(&replay->err, ERR_BUG, "the row of a dead letter in %.*s cannot be read",
                  TEXT_ARGS(pg_value(rows, row, 0)));
        return;
    }
}

static void on_produced(struct topic_record *record, const struct error *err)
{
    struct sending *sending = container_of(record, struct sending, record);
    struct replay *replay = sending->replay;
    sending->is_there = err == NULL;
    if (err && !replay->has_failed) {
        replay->has_failed = true;
        replay->err = *err;
    }
    if (--replay->open_count == 0)
        wait_done(&replay->wait, NULL);
}

static bool produce_batch(struct replay *replay, struct error *err)
{
    replay->wait = wait_on(replay->dlq->app.loop);
    replay->open_count = replay->batch_count;
    for (size_t i = 0; i < replay->batch_count; i++) {
        struct sending *sending = &replay->batch[i];
        sending->record.on_done = on_produced;
        topic_produce(replay->topic, &sending->record);
    }
    return wait_for(&replay->wait, 0, err); /* the producer has its own limits */
}

static void on_settled(void *arg, const struct pg_result *rows)
{
    struct replay *replay = arg;
    replay->settled_count += row_number(rows, 0, 0);
}

/* Those that the broker has, whatever became of the others. */
static bool settle_batch(struct replay *replay, struct error *err)
{
    struct letter_place places[BATCH_MAX];
    struct text events[BATCH_MAX];
    struct letters letters = {.kind = LETTERS_SETTLE, .places = places, .events = events};
    for (size_t i = 0; i < replay->batch_count; i++) {
        if (!replay->batch[i].is_there)
            continue;
        places[letters.place_count] = replay->batch[i].place;
        events[letters.place_count++] = replay->batch[i].events;
    }
    replay->sent_count += letters.place_count;
    return letters.place_count == 0 ||
           dlq_ask(replay->dlq, &letters, (struct ask){on_settled, replay}, err);
}

/* False in *err: nothing more should be sent. */
static bool send_batch(struct replay *replay, struct error *err)
{
    struct dlq *dlq = replay->dlq;
    uint64_t left = dlq->letters_max - replay->sent_count;
    struct letters letters = {.kind = LETTERS_TAKE, .filter = dlq->filter};
    letters.row_max = left < BATCH_MAX ? left : BATCH_MAX;
    if (letters.row_max > dlq->rate)
        letters.row_max = dlq->rate;
    (void)text_format(letters.as_of, sizeof(letters.as_of), "%s", replay->as_of);
    arena_release(&replay->arena);
    if (!dlq_ask(dlq, &letters, (struct ask){on_messages, replay}, err))
        return false;
    if (!replay->has_failed && replay->batch_count &&
        (!produce_batch(replay, err) || !settle_batch(replay, err)))
        return false;
    if (replay->has_failed)
        *err = replay->err;
    return !replay->has_failed;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void on_signal(void *arg, unsigned signal_count)
{
    struct replay *replay = arg;
    (void)signal_count;
    replay->is_interrupted = true;
}

/* So that a replay never takes the workers from what comes in: --rate messages a second. */
static bool rest(struct replay *replay)
{
    struct error err;
    uint64_t rest_ms = 1000 * replay->batch_count / replay->dlq->rate;
    replay->wait = wait_on(replay->dlq->app.loop);
    return !wait_for(&replay->wait, rest_ms ? rest_ms : 1, &err) && !replay->is_interrupted;
}

static bool send_all(struct replay *replay, struct error *err)
{
    do {
        if (!send_batch(replay, err))
            return error_wrap(err, "after %llu messages", (unsigned long long)replay->sent_count);
    } while (replay->batch_count && replay->sent_count < replay->dlq->letters_max &&
             replay->sent_count < replay->message_count && rest(replay));
    return !replay->is_interrupted ||
           error_set(err, ERR_CANCELLED, "interrupted after %llu messages",
                     (unsigned long long)replay->sent_count);
}

static void print_result(const struct replay *replay)
{
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    bool is_dry = replay->dlq->is_dry;
    uint64_t wanted = replay->message_count < replay->dlq->letters_max ? replay->message_count
                                                                       : replay->dlq->letters_max;
    uint64_t messages = is_dry ? wanted : replay->sent_count;
    uint64_t left = replay->message_count - messages;
    if (replay->dlq->is_json)
        buffer_format(&out,
                      "{\"kind\":\"action\",\"action\":\"replay\",\"was_dry\":%s,\"messages\":%llu,"
                      "\"letters\":%llu,\"left\":%llu,\"unsendable\":%llu}\n",
                      is_dry ? "true" : "false", (unsigned long long)messages,
                      (unsigned long long)replay->settled_count, (unsigned long long)left,
                      (unsigned long long)replay->unsendable_count);
    else
        buffer_format(&out, "%s %llu message%s\n", is_dry ? "would replay" : "replayed",
                      (unsigned long long)messages, messages == 1 ? "" : "s");
    term_write(stdout, buffer_text(&out));
    if (left)
        fprintf(stderr, "millrace: %llu more match; --max sends more at once\n",
                (unsigned long long)left);
    if (replay->unsendable_count)
        fprintf(stderr, "millrace: %llu have no message that could be sent again; discard them\n",
                (unsigned long long)replay->unsendable_count);
}

static void on_topic_closed(void *arg)
{
    struct replay *replay = arg;
    replay->topic = NULL;
}

static bool open_and_send(struct replay *replay, struct error *err)
{
    struct loop *loop = replay->dlq->app.loop;
    struct queue_options options = app_queue_options(&replay->dlq->config, replay->properties);
    replay->topic = topic_open(loop, &options, err);
    if (!replay->topic)
        return false;
    struct signals *signals = signals_open(loop, on_signal, replay);
    bool is_good = send_all(replay, err);
    signals_close(signals);
    topic_close(replay->topic, on_topic_closed, replay);
    while (replay->topic)
        loop_run_once(loop, 1000);
    return is_good;
}

bool dlq_replay(struct dlq *dlq, struct error *err)
{
    struct replay *replay = xcalloc(1, sizeof(*replay));
    replay->dlq = dlq;
    replay->arena = arena_new(ARENA_BYTES);
    bool is_good = (!dlq->filter.has_place || dlq_check_place(dlq, err)) && count(replay, err);
    if (is_good && !dlq->is_dry && replay->message_count)
        is_good = open_and_send(replay, err);
    if (is_good)
        print_result(replay);
    arena_release(&replay->arena);
    xfree(replay);
    return is_good;
}
