#include "queue/kafka_message.h"

#include <librdkafka/rdkafka.h>
#include <string.h>

#include "queue/recall.h"
#include "worker/base/memory.h"
#include "worker/base/packer.h"

#define PACK_BYTES_MAX 4096 /* larger values are rare, and stay as they are */

/* NULL stays NULL: a null value and an empty one are different things. */
static struct text keep(char **at, const void *data, size_t bytes)
{
    if (!data)
        return TEXT_NONE;
    struct text kept = {*at, bytes};
    if (bytes)
        memcpy(*at, data, bytes);
    (*at)[bytes] = '\0';
    *at += bytes + 1;
    return kept;
}

static size_t header_bytes(const rd_kafka_headers_t *headers, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t value_bytes;
        if (rd_kafka_header_get_all(headers, i, &name, &value, &value_bytes) ==
            RD_KAFKA_RESP_ERR_NO_ERROR)
            total += strlen(name) + value_bytes + 2;
    }
    return total;
}

static void keep_headers(struct message *message, char **at, const rd_kafka_headers_t *headers,
                         size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t value_bytes;
        if (rd_kafka_header_get_all(headers, i, &name, &value, &value_bytes) ==
            RD_KAFKA_RESP_ERR_NO_ERROR)
            message->headers[kept++] = (struct header){
                .name = keep(at, name, strlen(name)),
                .value = keep(at, value, value_bytes),
            };
    }
    message->view.headers = message->headers;
    message->view.header_count = kept;
}

static struct message *message_new(size_t header_count, size_t bytes, char **ret_at)
{
    size_t head = sizeof(struct message) + header_count * sizeof(struct header);
    struct message *message = xmalloc(head + bytes);
    memset(message, 0, head);
    message->bytes = head + bytes;
    *ret_at = (char *)message + head;
    return message;
}

struct message *message_copy(const rd_kafka_message_t *vendor, struct text topic)
{
    rd_kafka_headers_t *headers = NULL;
    size_t header_count = 0;
    if (rd_kafka_message_headers(vendor, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        header_count = rd_kafka_header_cnt(headers);
    char *at;
    struct message *message = message_new(
        header_count, vendor->key_len + vendor->len + 2 + header_bytes(headers, header_count), &at);
    int64_t time_ms = rd_kafka_message_timestamp(vendor, NULL);
    message->view = (struct message_view){
        .topic = topic,
        .key = keep(&at, vendor->key, vendor->key_len),
        .value = keep(&at, vendor->payload, vendor->len),
        .partition = vendor->partition,
        .offset = vendor->offset,
        .time_ms = time_ms > 0 ? (uint64_t)time_ms : 0,
    };
    keep_headers(message, &at, headers, header_count);
    message->print = recall_print(&message->view);
    return message;
}

struct message *message_unreadable(struct text topic, int32_t partition, int64_t offset,
                                   struct text reason)
{
    char *at;
    struct message *message = message_new(0, reason.bytes + 1, &at);
    message->view = (struct message_view){
        .topic = topic,
        .value = keep(&at, reason.start, reason.bytes),
        .partition = partition,
        .offset = offset,
        .unreadable = ERR_EVENT_UNREADABLE,
        .is_unreadable = true,
    };
    return message;
}

/* ---- packing --------------------------------------------------------------------------------- */

/* Everything but the value, for which there is room. */
static struct message *remade(const struct message *old, size_t value_bytes, char **ret_value)
{
    const struct message_view *view = &old->view;
    size_t bytes = view->key.bytes + value_bytes + 2;
    for (size_t i = 0; i < view->header_count; i++)
        bytes += view->headers[i].name.bytes + view->headers[i].value.bytes + 2;
    char *at;
    struct message *fresh = message_new(view->header_count, bytes, &at);
    fresh->view = *view;
    fresh->view.headers = fresh->headers;
    fresh->view.value = TEXT_NONE;
    fresh->partition = old->partition;
    fresh->tracker_epoch = old->tracker_epoch;
    fresh->print = old->print;
    fresh->again_ms = old->again_ms;
    fresh->is_tracked = old->is_tracked;
    for (size_t i = 0; i < view->header_count; i++)
        fresh->headers[i] = (struct header){
            .name = keep(&at, view->headers[i].name.start, view->headers[i].name.bytes),
            .value = keep(&at, view->headers[i].value.start, view->headers[i].value.bytes),
        };
    fresh->view.key = keep(&at, view->key.start, view->key.bytes);
    at[value_bytes] = '\0';
    *ret_value = at;
    return fresh;
}

struct message *message_packed(const struct message *message, struct packer *packer)
{
    char packed[PACK_BYTES_MAX], *value;
    struct text plain = message->view.value;
    if (plain.bytes == 0 || plain.bytes > sizeof(packed)) /* packed already, too */
        return NULL;
    size_t bytes = packer_pack(packer, plain, packed, plain.bytes);
    if (bytes == 0)
        return NULL;
    struct message *fresh = remade(message, bytes, &value);
    memcpy(value, packed, bytes);
    fresh->packed = (struct text){value, bytes};
    fresh->plain_bytes = plain.bytes;
    return fresh;
}

struct message *message_unpacked(const struct message *message, struct packer *packer)
{
    char *value;
    if (!message->packed.bytes)
        return NULL;
    struct message *fresh = remade(message, message->plain_bytes, &value);
    packer_unpack(packer, message->packed, value, message->plain_bytes);
    fresh->view.value = (struct text){value, message->plain_bytes};
    return fresh;
}

size_t message_bytes(const struct message *message)
{
    return message->view.key.bytes + message->view.value.bytes + message->packed.bytes;
}

const struct message_view *message_view(const struct message *message)
{
    return &message->view;
}
