#include "queue/event_record.h"

#include <string.h>

#include "worker/base/date.h"

struct name_rule {
    const char *prefix; /* without "s3:"; the first that fits decides */
    enum event_kind kind;
};

/* The bucket is the truth (protocol/README.md): what may have changed an object's bytes is a put,
 * what may have hidden it is a removal, and only what surely did neither is ignored. */
static const struct name_rule NAME_RULES[] = {
    {"ObjectCreated:PutTagging", EVENT_IGNORED}, /* MinIO: no new content in these four */
    {"ObjectCreated:DeleteTagging", EVENT_IGNORED},
    {"ObjectCreated:PutRetention", EVENT_IGNORED},
    {"ObjectCreated:PutLegalHold", EVENT_IGNORED},
    {"ObjectCreated:", EVENT_PUT},
    {"ObjectSynced:Create", EVENT_PUT}, /* Ceph: came from another zone */
    {"ObjectSynced:Delet", EVENT_REMOVED},
    /* MinIO's NoOP too, which found nothing to remove: a DELETE that a kill cut off before its event
     * was noted, and that was tried again, is told of by this one alone. */
    {"ObjectRemoved:", EVENT_REMOVED},
    {"LifecycleExpiration:", EVENT_REMOVED},
    {"LifecycleDelMarkerExpiration:", EVENT_REMOVED},
    {"ObjectLifecycle:Expiration:", EVENT_REMOVED}, /* Ceph */
    {"ObjectLifecycle:", EVENT_IGNORED},
    {"TestEvent", EVENT_IGNORED},
    {"ObjectTagging:", EVENT_IGNORED},
    {"ObjectAcl:", EVENT_IGNORED},
    {"ObjectAnnotation", EVENT_IGNORED},
    {"ObjectAccessed:", EVENT_IGNORED},
    {"ObjectRestore:", EVENT_IGNORED},
    {"ObjectTransition:", EVENT_IGNORED},
    {"ObjectReplication:", EVENT_IGNORED},
    {"ObjectLargeVersions", EVENT_IGNORED},
    {"ObjectManyVersions", EVENT_IGNORED},
    {"PrefixManyFolders", EVENT_IGNORED},
    {"Scanner:", EVENT_IGNORED},
    {"Replication:", EVENT_IGNORED},
    {"ReducedRedundancyLostObject", EVENT_IGNORED},
    {"LifecycleTransition", EVENT_IGNORED},
    {"IntelligentTiering", EVENT_IGNORED},
    {"BucketCreated:", EVENT_IGNORED},
    {"BucketRemoved:", EVENT_IGNORED},
};

/* EventBridge's detail-type. */
static const struct name_rule BRIDGE_RULES[] = {
    {"Object Created", EVENT_PUT},
    {"Object Deleted", EVENT_REMOVED},
    {"Object Restore ", EVENT_IGNORED},
    {"Object Storage Class Changed", EVENT_IGNORED},
    {"Object Access Tier Changed", EVENT_IGNORED},
    {"Object ACL Updated", EVENT_IGNORED},
    {"Object Tags ", EVENT_IGNORED},
};

enum key_form { KEY_PLAIN, KEY_FORM_URLENCODED };

static bool find_rule(const struct name_rule *rules, size_t count, struct text name,
                      enum event_kind *ret_kind)
{
    for (size_t i = 0; i < count; i++) {
        if (!text_starts_with(name, text_from(rules[i].prefix)))
            continue;
        *ret_kind = rules[i].kind;
        return true;
    }
    return false;
}

static struct text without_s3(struct text name)
{
    struct text prefix = TEXT("s3:");
    return text_starts_with(name, prefix) ? text_slice(name, prefix.bytes, name.bytes) : name;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* "+" is a space and %XX a byte; decodes in place. */
static bool decode_form(char *bytes, size_t *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        char c = bytes[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < *count ? text_hex_digit(bytes[i + 1]) : -1;
            int low = i + 2 < *count ? text_hex_digit(bytes[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(unsigned char)(high * 16 + low);
            i += 2;
        }
        bytes[kept++] = c;
    }
    *count = kept;
    return true;
}

/* Fills err with ERR_EVENT_KEY when there is no such key, ERR_NO_MEMORY past the budget. */
static bool read_key(struct text raw, enum key_form form, struct arena *arena, struct text *ret_key,
                     struct error *err)
{
    if (raw.bytes == 0)
        return error_set(err, ERR_EVENT_KEY, "the record has no object key");
    if (raw.bytes > EVENT_KEY_BYTES_MAX * (size_t)3) /* each byte escaped */
        return error_set(err, ERR_EVENT_KEY, "an object key of %zu bytes", raw.bytes);
    char *bytes = arena_alloc(arena, raw.bytes + 1);
    if (!bytes)
        return error_set(err, ERR_NO_MEMORY, "the message's events are too large");
    memcpy(bytes, raw.start, raw.bytes);
    size_t count = raw.bytes;
    if (form == KEY_FORM_URLENCODED && !decode_form(bytes, &count))
        return error_set(err, ERR_EVENT_KEY, "the object key holds a %% without two hex digits");
    struct text key = {bytes, count};
    bytes[count] = '\0';
    if (count > EVENT_KEY_BYTES_MAX)
        return error_set(err, ERR_EVENT_KEY, "an object key of %zu bytes", count);
    if (memchr(bytes, '\0', count) || !text_is_utf8(key))
        return error_set(err, ERR_EVENT_KEY, "the object key is not UTF-8");
    *ret_key = key;
    return true;
}

static struct text unquoted(struct text etag)
{
    if (etag.bytes >= 2 && etag.start[0] == '"' && etag.start[etag.bytes - 1] == '"')
        return text_slice(etag, 1, etag.bytes - 1);
    return etag;
}

static struct text member_either(const struct json *object, const char *name, const char *other)
{
    struct text found = json_member_text(object, name);
    return found.bytes ? found : json_member_text(object, other);
}

/* Longer than anything a vendor sends: cut, since such a text only identifies. */
static bool keep(struct arena *arena, struct text text, struct text *ret_text)
{
    return arena_copy(arena, text_utf8_prefix(text, EVENT_TEXT_BYTES_MAX), ret_text);
}

/* ---- records --------------------------------------------------------------------------------- */

static bool read_object(const struct json *bucket, const struct json *object, enum key_form form,
                        struct arena *arena, struct event *event)
{
    struct error err;
    struct text name = json_member_text(bucket, "name");
    if (name.bytes == 0 || name.bytes > EVENT_TEXT_BYTES_MAX) {
        error_set(&err, ERR_EVENT_SHAPE, "the record has no bucket name");
        return event_bad(arena, event, &err);
    }
    if (!read_key(json_member_text(object, "key"), form, arena, &event->key, &err))
        return err.code != ERR_NO_MEMORY && event_bad(arena, event, &err);
    struct text version = member_either(object, "versionId", "version-id");
    if (text_equal(version, TEXT("null")))
        version = TEXT_NONE; /* of a bucket without versions: all of them are called so */
    event->has_size = json_u64(json_member(object, "size"), &event->size_bytes);
    if (text_ends_with(event->key, TEXT("/")) && event->size_bytes == 0)
        event->kind = EVENT_IGNORED; /* what consoles make for an empty folder: it has no bytes */
    return keep(arena, name, &event->bucket) && keep(arena, version, &event->version_id) &&
           keep(arena, unquoted(member_either(object, "eTag", "etag")), &event->etag) &&
           keep(arena, json_member_text(object, "sequencer"), &event->sequencer);
}

static void read_time(struct text text, struct event *event)
{
    uint64_t time_ms;
    if (date_from_iso(text, &time_ms) && time_ms > 0)
        event->time_ms = time_ms;
}

/* AWS promises a new major version on a break, a minor one on an addition. */
static bool is_known_version(const struct json *record)
{
    struct text rest, version = json_member_text(record, "eventVersion");
    return version.bytes == 0 || text_equal(text_cut(version, '.', &rest), TEXT("2"));
}

bool event_from_s3(const struct json *record, struct arena *arena, struct event *event)
{
    struct error err;
    struct text name = json_member_text(record, "eventName");
    const struct json *s3 = json_member(record, "s3");
    if (!keep(arena, name, &event->name))
        return false;
    if (!is_known_version(record))
        return error_set(&err, ERR_EVENT_SHAPE, "an S3 record of eventVersion %.*s",
                         TEXT_ARGS(json_member_text(record, "eventVersion"))) ||
               event_bad(arena, event, &err);
    if (!event_kind_of(name, &event->kind))
        return error_set(&err, ERR_EVENT_SHAPE, "an S3 record of eventName \"%.*s\"",
                         TEXT_ARGS(text_utf8_prefix(name, 80))) ||
               event_bad(arena, event, &err);
    read_time(json_member_text(record, "eventTime"), event);
    if (event->kind == EVENT_IGNORED)
        return true;
    bool is_ceph = text_equal(json_member_text(record, "eventSource"), TEXT("ceph:s3"));
    return read_object(json_member(s3, "bucket"), json_member(s3, "object"),
                       is_ceph ? KEY_PLAIN : KEY_FORM_URLENCODED, arena, event);
}

bool event_from_bridge(const struct json *envelope, struct arena *arena, struct event *event)
{
    struct error err;
    struct text name = json_member_text(envelope, "detail-type");
    const struct json *detail = json_member(envelope, "detail");
    if (!keep(arena, name, &event->name))
        return false;
    if (!find_rule(BRIDGE_RULES, COUNT_OF(BRIDGE_RULES), name, &event->kind))
        return error_set(&err, ERR_EVENT_SHAPE, "an EventBridge event of detail-type \"%.*s\"",
                         TEXT_ARGS(text_utf8_prefix(name, 80))) ||
               event_bad(arena, event, &err);
    read_time(json_member_text(envelope, "time"), event);
    if (event->kind == EVENT_IGNORED)
        return true;
    return read_object(json_member(detail, "bucket"), json_member(detail, "object"), KEY_PLAIN,
                       arena, event);
}

bool event_bad(struct arena *arena, struct event *event, const struct error *err)
{
    event->kind = EVENT_BAD;
    event->code = err->code;
    return arena_copy(arena, text_from(err->message), &event->reason);
}

bool event_kind_of(struct text name, enum event_kind *ret_kind)
{
    return find_rule(NAME_RULES, COUNT_OF(NAME_RULES), without_s3(name), ret_kind);
}
