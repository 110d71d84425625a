#include "worker/parcel.h"

#include <assert.h>

#include "queue/dead_letter.h"
#include "queue/topic.h"
#include "store/ledger.h"
#include "worker/base/json.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"
#include "worker/base/packer.h"
#include "worker/retry.h"

#define HEADERS_BYTES_MAX (SIZE_MAX / 2) /* the message that they are of has its own bound */
/* Of the bytes that may wait, one in so many may be plain: what comes then waits for long, and is
 * packed, so that fair share can look far behind a burst. */
#define PACK_SHARE 4

/* What events are made of, for the packer: MinIO's, AWS's, and AWS's as a bridge writes it anew. */
static const char USUAL_EVENTS[] =
    "{\"EventName\":\"s3:ObjectCreated:CompleteMultipartUpload\",\"Key\":\"docs/users/\","
    "\"Records\":[{\"eventVersion\":\"2.0\",\"eventSource\":\"minio:s3\",\"awsRegion\":\"\","
    "\"eventTime\":\"2026-01-01T00:00:00.000Z\",\"eventName\":\"s3:ObjectCreated:Put\","
    "\"userIdentity\":{\"principalId\":\"minioadmin\"},\"requestParameters\":{"
    "\"principalId\":\"minioadmin\",\"region\":\"\",\"sourceIPAddress\":\"127.0.0.1\"},"
    "\"responseElements\":{\"x-amz-id-2\":\"\",\"x-amz-request-id\":\"\","
    "\"x-minio-deployment-id\":\"\",\"x-minio-origin-endpoint\":\"http://127.0.0.1:9000\"},"
    "\"s3\":{\"s3SchemaVersion\":\"1.0\",\"configurationId\":\"Config\",\"bucket\":{"
    "\"name\":\"docs\",\"ownerIdentity\":{\"principalId\":\"minioadmin\"},"
    "\"arn\":\"arn:aws:s3:::docs\"},\"object\":{\"key\":\"users%2F-4.pdf\",\"size\":1024,"
    "\"eTag\":\"\",\"contentType\":\"application/pdf\",\"userMetadata\":{"
    "\"content-type\":\"application/pdf\"},\"versionId\":\"\",\"sequencer\":\"00\"}},"
    "\"source\":{\"host\":\"127.0.0.1\",\"port\":\"\","
    "\"userAgent\":\"MinIO (linux; amd64) minio-go/v7.0.0\"}}]}s3:ObjectRemoved:Delete"
    "{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\","
    "\"awsRegion\":\"us-east-1\",\"eventTime\":\"2026-01-01T00:00:00.000Z\","
    "\"eventName\":\"ObjectCreated:Put\",\"userIdentity\":{\"principalId\":\"AWS:AIDA\"},"
    "\"requestParameters\":{\"sourceIPAddress\":\"10.0.0.1\"},\"responseElements\":{"
    "\"x-amz-request-id\":\"\",\"x-amz-id-2\":\"\"},\"s3\":{\"s3SchemaVersion\":\"1.0\","
    "\"configurationId\":\"uploads\",\"bucket\":{\"name\":\"docs\",\"ownerIdentity\":{"
    "\"principalId\":\"\"},\"arn\":\"arn:aws:s3:::docs\"},\"object\":{\"key\":\"users/-4.pdf\","
    "\"size\":1024,\"eTag\":\"\",\"sequencer\":\"00\"}}}]}"
    "{\"Records\": [{\"eventVersion\": \"2.1\", \"eventSource\": \"aws:s3\","
    " \"awsRegion\": \"us-east-1\", \"eventName\": \"ObjectCreated:Put\","
    " \"eventTime\": \"2026-01-01T00:00:00.000Z\", \"userIdentity\": {\"principalId\": \"\"},"
    " \"requestParameters\": {\"sourceIPAddress\": \"127.0.0.1\"}, \"responseElements\": {"
    "\"x-amz-request-id\": \"\", \"x-amz-id-2\": \"\"}, \"s3\": {\"s3SchemaVersion\": \"1.0\","
    " \"configurationId\": \"\", \"bucket\": {\"name\": \"docs\", \"ownerIdentity\": {"
    "\"principalId\": \"\"}, \"arn\": \"arn:aws:s3:::docs\"}, \"object\": {\"size\": 1000,"
    " \"eTag\": \"\", \"key\": \"users/\", \"sequencer\": \"00\"}}}]}";

struct burying {
    struct parcels *parcels;
    struct parcel *parcel;
    struct ledger_burial burial;
    struct error why;
    struct timer again;
    uint32_t attempts;
    struct list_node node; /* of parcels.burials, or of parcel.held */
};

struct mirror { /* one record for KAFKA_DEAD_LETTER_TOPIC */
    struct topic_record record;
    struct arena arena;
};

void parcels_init(struct parcels *parcels, struct pipeline *pipeline, void (*on_room)(void *arg),
                  void *arg)
{
    *parcels = (struct parcels){.pipeline = pipeline, .on_room = on_room, .arg = arg};
    parcels->packer = packer_new(text_from(USUAL_EVENTS));
    list_init(&parcels->open);
    list_init(&parcels->burials);
}

void parcels_release(struct parcels *parcels)
{
    assert(parcels->open.count == 0);
    packer_free(parcels->packer);
}

/* ---- open and closed ------------------------------------------------------------------------- */

struct parcel *parcel_open(struct parcels *parcels, struct message *message)
{
    struct parcel *parcel = xcalloc(1, sizeof(*parcel));
    /* It may have been here before. */
    parcel->message = queue_unpack(parcels->pipeline->queue, message, parcels->packer);
    parcel->epoch = message_view(parcel->message)->epoch;
    parcel->message_bytes = message_bytes(parcel->message);
    parcel->open_count = 1;
    list_init(&parcel->held);
    parcels->message_bytes += parcel->message_bytes;
    list_push_back(&parcels->open, &parcel->node);
    return parcel;
}

static void end_parcel(struct parcels *parcels, struct parcel *parcel)
{
    list_remove(&parcels->open, &parcel->node);
    parcels->message_bytes -= parcel->message_bytes;
    if (parcel->is_given_back)
        queue_abandon(parcels->pipeline->queue, parcel->message);
    else
        queue_settle(parcels->pipeline->queue, parcel->message);
    metric_add(METRIC_MESSAGES, 0, !parcel->is_given_back);
    buffer_release(&parcel->headers);
    xfree(parcel);
    parcels->on_room(parcels->arg);
}

static void drop_one(struct parcels *parcels, struct parcel *parcel)
{
    assert(parcel->open_count > 0);
    if (--parcel->open_count == 0)
        end_parcel(parcels, parcel);
}

static void pack(struct parcels *parcels, struct parcel *parcel)
{
    parcel->message = queue_pack(parcels->pipeline->queue, parcel->message, parcels->packer);
    size_t bytes = message_bytes(parcel->message);
    parcels->message_bytes -= parcel->message_bytes - bytes;
    parcel->message_bytes = bytes;
}

void parcel_taken_apart(struct parcels *parcels, struct parcel *parcel)
{
    uint64_t plain_bytes_max = parcels->pipeline->limits.waiting_bytes_max / PACK_SHARE;
    bool is_waiting = parcel->open_count > 1 && !parcel->has_burial;
    if (is_waiting && parcels->message_bytes > plain_bytes_max)
        pack(parcels, parcel);
    drop_one(parcels, parcel);
}

void parcel_close_one(struct parcels *parcels, struct parcel *parcel, enum event_outcome outcome)
{
    metric_add(METRIC_EVENTS, outcome, 1);
    drop_one(parcels, parcel);
}

void parcel_give_back_one(struct parcels *parcels, struct parcel *parcel)
{
    parcel->is_given_back = true;
    drop_one(parcels, parcel);
}

void parcels_revoke(struct parcels *parcels, uint64_t epoch)
{
    LIST_FOR_EACH(&parcels->open, node) {
        struct parcel *parcel = container_of(node, struct parcel, node);
        parcel->is_revoked |= parcel->epoch == epoch;
    }
}

/* ---- dead letters ---------------------------------------------------------------------------- */

static void on_mirrored(struct topic_record *record, const struct error *err)
{
    struct mirror *mirror = container_of(record, struct mirror, record);
    if (err) /* the row is the dead letter; the topic only a copy */
        LOG_WARN("dead_letter_not_mirrored", FIELD_ERROR(err));
    arena_release(&mirror->arena);
    xfree(mirror);
}

/* What the letter itself has: not all of them have the bytes of their message. */
static struct message_view view_of_letter(const struct burying *burying)
{
    struct message_view view = *message_view(burying->parcel->message);
    if (burying->burial.headers.bytes)
        return view;
    view.key = TEXT_NONE;
    view.value = TEXT("");
    view.header_count = 0;
    return view;
}

static void mirror_letter(struct burying *burying)
{
    struct pipeline *pipeline = burying->parcels->pipeline;
    if (!pipeline->mirror || !burying->burial.is_new)
        return;
    struct mirror *mirror = xcalloc(1, sizeof(*mirror));
    mirror->arena = arena_new(HEADERS_BYTES_MAX);
    struct dead_letter letter = {
        .message = view_of_letter(burying),
        .event_no = burying->burial.event_no,
        .code = burying->why.code,
        .reason = text_from(burying->why.message),
    };
    struct header *headers;
    if (!dead_letter_headers(&letter, &mirror->arena, &headers, &mirror->record.header_count)) {
        struct error err;
        error_set(&err, ERR_EVENT_TOO_LARGE, "the headers of the dead letter are too large");
        on_mirrored(&mirror->record, &err);
        return;
    }
    mirror->record.topic = pipeline->mirror_topic;
    mirror->record.key = letter.message.key;
    mirror->record.value = letter.message.value;
    mirror->record.headers = headers;
    mirror->record.on_done = on_mirrored;
    topic_produce(pipeline->mirror, &mirror->record);
}

static void end_burying(struct burying *burying)
{
    list_remove(&burying->parcels->burials, &burying->node);
    xfree(burying);
}

static void try_burial(struct timer *again);

static void send(struct burying *burying)
{
    list_push_back(&burying->parcels->burials, &burying->node);
    ledger_bury(burying->parcels->pipeline->ledger, &burying->burial);
}

static void send_held(struct parcel *parcel)
{
    parcel->is_kept = true;
    LIST_FOR_EACH(&parcel->held, node) {
        list_remove(&parcel->held, node);
        send(container_of(node, struct burying, node));
    }
}

/* The first one was not written, and no other one is without it. */
static void give_back_all(struct parcels *parcels, struct parcel *parcel)
{
    LIST_FOR_EACH(&parcel->held, node) {
        list_remove(&parcel->held, node);
        xfree(container_of(node, struct burying, node));
        parcel_give_back_one(parcels, parcel);
    }
    parcel_give_back_one(parcels, parcel);
}

static void on_buried(struct ledger_burial *burial, const struct error *err)
{
    struct burying *burying = container_of(burial, struct burying, burial);
    struct parcels *parcels = burying->parcels;
    struct parcel *parcel = burying->parcel;
    if (err && !parcels->is_closing) {
        struct loop *loop = parcels->pipeline->loop;
        uint64_t delay_ms = retry_rest_ms(retry_after(err, ++burying->attempts, loop_rng(loop)));
        LOG_WARN("dead_letter_delayed", FIELD_ERROR(err), FIELD_U64("delay_ms", delay_ms));
        timer_start(loop, &burying->again, delay_ms, try_burial);
        return;
    }
    if (err) {
        end_burying(burying);
        give_back_all(parcels, parcel);
        return;
    }
    send_held(parcel);
    LOG_WARN("event_buried", FIELD_TEXT("topic", burial->topic),
             FIELD_I64("partition", burial->partition), FIELD_I64("offset", burial->offset),
             FIELD_U64("event_no", burial->event_no), FIELD_ERROR(&burying->why));
    metric_add(METRIC_DEAD_LETTERS, burying->why.code, burial->is_new);
    mirror_letter(burying);
    end_burying(burying);
    parcel_close_one(parcels, parcel, EVENT_OUTCOME_DEAD_LETTER);
}

static void try_burial(struct timer *again)
{
    struct burying *burying = container_of(again, struct burying, again);
    ledger_bury(burying->parcels->pipeline->ledger, &burying->burial);
}

/* [["name", "base64 of the value"], ...] */
static void write_headers(struct buffer *out, const struct message_view *view)
{
    struct json_writer writer = json_writer_new(out);
    struct buffer value = buffer_new(HEADERS_BYTES_MAX);
    json_open_array(&writer, NULL);
    for (size_t i = 0; i < view->header_count; i++) {
        size_t bytes = base64_encoded_bytes(view->headers[i].value.bytes);
        buffer_clear(&value);
        char *at = buffer_reserve(&value, bytes);
        assert(at);
        base64_encode(view->headers[i].value, at);
        value.bytes += bytes;
        json_open_array(&writer, NULL);
        json_write_text(&writer, NULL, view->headers[i].name);
        json_write_text(&writer, NULL, buffer_text(&value));
        json_close_array(&writer);
    }
    json_close_array(&writer);
    buffer_release(&value);
}

/* The first letter of a message carries its bytes, once they are unpacked: a message may have a
 * thousand bad events, and a megabyte each of value and headers. */
static void lend_message(struct parcels *parcels, struct parcel *parcel,
                         struct ledger_burial *burial)
{
    parcel->has_burial = true;
    parcel->message = queue_unpack(parcels->pipeline->queue, parcel->message, parcels->packer);
    const struct message_view *view = message_view(parcel->message);
    parcel->headers = buffer_new(HEADERS_BYTES_MAX);
    write_headers(&parcel->headers, view);
    burial->key = view->key;
    burial->value = view->value;
    burial->headers = buffer_text(&parcel->headers);
}

void parcel_bury(struct parcels *parcels, struct parcel *parcel, uint32_t event_no,
                 const struct uuid *user, const struct error *err)
{
    struct burying *burying = xcalloc(1, sizeof(*burying));
    struct ledger_burial *burial = &burying->burial;
    bool is_first = !parcel->has_burial;
    if (is_first)
        lend_message(parcels, parcel, burial);
    const struct message_view *view = message_view(parcel->message);
    burying->parcels = parcels;
    burying->parcel = parcel;
    burying->why = *err;
    burial->topic = view->topic;
    burial->partition = view->partition;
    burial->offset = view->offset;
    burial->event_no = event_no;
    burial->time_ms = view->time_ms;
    burial->code = err->code;
    burial->message = text_from(burying->why.message);
    burial->has_user = user != NULL;
    burial->user_id = user ? *user : UUID_NIL;
    burial->on_done = on_buried;
    if (is_first || parcel->is_kept)
        send(burying);
    else
        list_push_back(&parcel->held, &burying->node);
}

void parcels_abandon_all(struct parcels *parcels)
{
    LIST_FOR_EACH(&parcels->burials, node) {
        struct burying *burying = container_of(node, struct burying, node);
        if (!timer_is_waiting(&burying->again))
            continue; /* its answer comes, and gives the event back */
        timer_stop(parcels->pipeline->loop, &burying->again);
        struct parcel *parcel = burying->parcel;
        end_burying(burying);
        give_back_all(parcels, parcel);
    }
    parcels->is_closing = true;
}
