#include "queue/event.h"
#include "tests/unit/test.h"
#include "worker/base/buffer.h"

#define KEY "users/3f2504e0-4f89-41d3-9a0c-0305e82c3301/"
#define RECORD(source, name, key, rest)                                                      \
    "{\"eventVersion\":\"2.1\",\"eventSource\":\"" source                                    \
    "\",\"awsRegion\":\"\",\"eventTime\":\"2026-01-02T03:04:05.678Z\",\"eventName\":\"" name \
    "\",\"s3\":{\"bucket\":{\"name\":\"docs\"},\"object\":{\"key\":\"" key "\"" rest "}}}"
#define RECORDS(records) "{\"Records\":[" records "]}"
#define PUT(key) RECORDS(RECORD("aws:s3", "ObjectCreated:Put", key, ""))

static struct arena arena;
static struct event *events;
static size_t count;
static struct error err;

static bool parse_message(const struct message_view *message)
{
    arena_release(&arena);
    arena = arena_new(1 << 20);
    events = NULL;
    count = 0;
    return event_parse(message, &arena, &events, &count, &err);
}

static void parse(const char *value)
{
    struct message_view message = {.value = text_from(value), .time_ms = 42};
    if (!parse_message(&message))
        fail_msg("%s: %s", err.message, value);
}

static void assert_refused(const char *value, enum error_code code, const char *reason)
{
    struct message_view message = {.value = text_from(value)};
    assert_false(parse_message(&message));
    assert_string_equal(error_name(err.code), error_name(code));
    if (!strstr(err.message, reason))
        fail_msg("\"%s\" is not in \"%s\"", reason, err.message);
}

static void assert_bad(size_t at, enum error_code code, const char *reason)
{
    char text[300];
    assert_int_equal(events[at].kind, EVENT_BAD);
    assert_string_equal(error_name(events[at].code), error_name(code));
    assert_true(text_format(text, sizeof(text), "%.*s", TEXT_ARGS(events[at].reason)));
    if (!strstr(text, reason))
        fail_msg("\"%s\" is not in \"%s\"", reason, text);
}

/* Wraps text into a JSON string. */
static const char *quoted(const char *text)
{
    static char buffers[8][8192];
    static unsigned turn;
    char *out = buffers[turn++ % 8], *at = out;
    *at++ = '"';
    for (; *text; text++) {
        assert_true(at - out < 8000);
        if (*text == '"' || *text == '\\')
            *at++ = '\\';
        *at++ = *text;
    }
    *at++ = '"';
    *at = '\0';
    return out;
}

static const char *joined(const char *a, const char *b, const char *c)
{
    static char buffers[8][8192];
    static unsigned turn;
    char *out = buffers[turn++ % 8];
    assert_true(text_format(out, sizeof(buffers[0]), "%s%s%s", a, b, c));
    return out;
}

static void test_event__reads_a_notification_of_aws(void **state)
{
    (void)state;
    parse(RECORDS(RECORD("aws:s3", "ObjectCreated:CompleteMultipartUpload",
                         KEY "M%C3%BChle+am%2BBach.pdf",
                         ",\"size\":1024,\"eTag\":\"\\\"abc-2\\\"\",\"versionId\":\"v1\","
                         "\"sequencer\":\"0055AED6DCD90281E5\"")));
    assert_int_equal(count, 1);
    assert_int_equal(events[0].kind, EVENT_PUT);
    assert_text(events[0].bucket, "docs");
    assert_text(events[0].key, KEY "M\xc3\xbchle am+Bach.pdf");
    assert_text(events[0].etag, "abc-2");
    assert_text(events[0].version_id, "v1");
    assert_text(events[0].sequencer, "0055AED6DCD90281E5");
    assert_text(events[0].name, "ObjectCreated:CompleteMultipartUpload");
    assert_true(events[0].has_size);
    assert_int_equal(events[0].size_bytes, 1024);
    assert_int_equal(events[0].time_ms, 1767323045678u);
    assert_false(events[0].has_job);
}

static void test_event__a_bad_record_is_bad_alone(void **state)
{
    (void)state;
    parse("{\"Records\":[" RECORD("aws:s3", "ObjectCreated:Put", "a.pdf", "") "," RECORD(
        "aws:s3", "ObjectCreated:Put", "100%zz",
        "") ","
            "{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"a\"}}},"
            "{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":\"b\"}}},"
            "{\"what\":1}," RECORD(
                "aws:s3", "Object%C", "a",
                "") ","
                    "{\"eventVersion\":\"3.0\",\"eventName\":\"ObjectCreated:Put\",\"s3\":{}}"
                    "," RECORD("aws:s3", "ObjectCreated:Put", "%ff", "") "," RECORD(
                        "aws:s3", "ObjectCreated:Put", "a%00b",
                        "") "," RECORD("aws:s3", "ObjectCreated:Put", "z.pdf", "") "]}");
    assert_int_equal(count, 10);
    assert_text(events[0].key, "a.pdf");
    assert_bad(1, ERR_EVENT_KEY, "hex");
    assert_bad(2, ERR_EVENT_SHAPE, "no bucket");
    assert_bad(3, ERR_EVENT_KEY, "no object key");
    assert_bad(4, ERR_EVENT_SHAPE, "1 members (what)");
    assert_bad(5, ERR_EVENT_SHAPE, "eventName");
    assert_bad(6, ERR_EVENT_SHAPE, "eventVersion 3.0");
    assert_bad(7, ERR_EVENT_KEY, "UTF-8");
    assert_bad(8, ERR_EVENT_KEY, "UTF-8");
    assert_text(events[9].key, "z.pdf");
    assert_int_equal(events[9].no, 9);
}

static void test_event__knows_what_each_name_means(void **state)
{
    (void)state;
    const struct {
        const char *name;
        enum event_kind kind;
    } names[] = {
        {"ObjectCreated:Put", EVENT_PUT},
        {"ObjectCreated:Post", EVENT_PUT},
        {"s3:ObjectCreated:Copy", EVENT_PUT},
        {"s3:ObjectCreated:PutTagging", EVENT_IGNORED},
        {"s3:ObjectCreated:PutRetention", EVENT_IGNORED},
        {"ObjectRemoved:Delete", EVENT_REMOVED},
        {"ObjectRemoved:DeleteMarkerCreated", EVENT_REMOVED},
        {"s3:ObjectRemoved:DeleteAllVersions", EVENT_REMOVED},
        {"s3:ObjectRemoved:NoOP", EVENT_REMOVED},
        {"LifecycleExpiration:Delete", EVENT_REMOVED},
        {"LifecycleExpiration:DeleteMarkerCreated", EVENT_REMOVED},
        {"s3:ObjectLifecycle:Expiration:Current", EVENT_REMOVED},
        {"ObjectTagging:Put", EVENT_IGNORED},
        {"ObjectAcl:Put", EVENT_IGNORED},
        {"ObjectRestore:Completed", EVENT_IGNORED},
        {"s3:ObjectAccessed:Get", EVENT_IGNORED},
        {"s3:BucketCreated:*", EVENT_IGNORED},
        {"ObjectImagined:Put", EVENT_BAD},
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        parse(joined("{\"Records\":[{\"eventName\":\"", names[i].name,
                     "\",\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\"}}}]}"));
        if (events[0].kind != names[i].kind)
            fail_msg("%s is %d", names[i].name, (int)events[0].kind);
    }
}

static void test_event__reads_minio_with_and_without_optional_members(void **state)
{
    (void)state;
    parse("{\"EventName\":\"s3:ObjectCreated:Put\",\"Key\":\"docs/a b.pdf\",\"Records\":[" RECORD(
        "minio:s3", "s3:ObjectCreated:Put", "users%2Fa+b.pdf",
        ",\"size\":7,\"eTag\":\"e\",\"versionId\":\"null\",\"sequencer\":\"17D0\"") "]}");
    assert_text(events[0].key, "users/a b.pdf");
    assert_int_equal(events[0].version_id.bytes, 0);

    parse("{\"EventName\":\"s3:ObjectRemoved:Delete\",\"Key\":\"docs/a\",\"Records\":[" RECORD(
        "minio:s3", "s3:ObjectRemoved:Delete", "a", ",\"sequencer\":\"17D1\"") "]}");
    assert_int_equal(events[0].kind, EVENT_REMOVED);
    assert_false(events[0].has_size);
    assert_int_equal(events[0].etag.bytes, 0);
}

static void test_event__a_removal_where_versions_are_kept_may_uncover_one(void **state)
{
    (void)state;
    const struct {
        const char *name, *version;
        bool may_uncover;
    } cases[] = {{"s3:ObjectRemoved:Delete", ",\"versionId\":\"v1\"", true},
                 {"s3:ObjectRemoved:DeleteMarkerCreated", ",\"versionId\":\"v1\"", true},
                 {"s3:ObjectRemoved:Delete", ",\"versionId\":\"null\"", false},
                 {"s3:ObjectRemoved:Delete", "", false},
                 {"s3:ObjectCreated:Put", ",\"versionId\":\"v1\"", false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char message[1024];
        assert_true(
            text_format(message, sizeof(message),
                        "{\"Records\":[{\"eventVersion\":\"2.1\",\"eventName\":\"%s\",\"s3\":"
                        "{\"bucket\":{\"name\":\"docs\"},\"object\":{\"key\":\"a\"%s}}}]}",
                        cases[i].name, cases[i].version));
        parse(message);
        assert_int_equal(event_may_uncover(&events[0]), cases[i].may_uncover);
    }
}

static void test_event__a_folder_is_no_document(void **state)
{
    (void)state;
    static const struct {
        const char *name, *key, *more;
        enum event_kind kind;
    } CASES[] = {
        {"ObjectCreated:Put", "users/", ",\"size\":0", EVENT_IGNORED},
        {"s3:ObjectCreated:Put", "users%2Fa%2F", "", EVENT_IGNORED}, /* MinIO leaves a 0 out */
        {"ObjectRemoved:Delete", "users/a/", "", EVENT_IGNORED},
        {"ObjectCreated:Put", "users/a/", ",\"size\":1", EVENT_PUT}, /* bytes of nobody: a letter */
        {"ObjectCreated:Put", "users/a", ",\"size\":0", EVENT_PUT},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char message[1024];
        assert_true(
            text_format(message, sizeof(message),
                        "{\"Records\":[{\"eventVersion\":\"2.1\",\"eventName\":\"%s\",\"s3\":"
                        "{\"bucket\":{\"name\":\"docs\"},\"object\":{\"key\":\"%s\"%s}}}]}",
                        CASES[i].name, CASES[i].key, CASES[i].more));
        parse(message);
        assert_int_equal(events[0].kind, CASES[i].kind);
    }
}

static void test_event__takes_keys_of_ceph_and_eventbridge_as_they_are(void **state)
{
    (void)state;
    parse(RECORDS(RECORD("ceph:s3", "s3:ObjectCreated:Put", "100%+raw.pdf", ",\"size\":\"12\"")));
    assert_text(events[0].key, "100%+raw.pdf");
    assert_int_equal(events[0].size_bytes, 12);

    parse(
        "{\"version\":\"0\",\"detail-type\":\"Object Created\",\"source\":\"aws.s3\","
        "\"time\":\"2026-01-02T03:04:05Z\",\"detail\":{\"bucket\":{\"name\":\"docs\"},\"object\":{"
        "\"key\":\"100%+sure.pdf\",\"size\":5,\"etag\":\"b1\",\"version-id\":\"v\","
        "\"sequencer\":\"61\"},\"reason\":\"PutObject\"}}");
    assert_int_equal(events[0].kind, EVENT_PUT);
    assert_text(events[0].key, "100%+sure.pdf");
    assert_text(events[0].etag, "b1");
    assert_text(events[0].version_id, "v");
    assert_int_equal(events[0].time_ms, 1767323045000u);

    parse("{\"detail-type\":\"Object Deleted\",\"detail\":{\"bucket\":{\"name\":\"docs\"},"
          "\"object\":{\"key\":\"k\"},\"deletion-type\":\"Delete Marker Created\"}}");
    assert_int_equal(events[0].kind, EVENT_REMOVED);
    parse("{\"detail-type\":\"Object Tags Added\",\"detail\":{}}");
    assert_int_equal(events[0].kind, EVENT_IGNORED);
    parse("{\"detail-type\":\"AWS API Call via CloudTrail\",\"detail\":{}}");
    assert_bad(0, ERR_EVENT_SHAPE, "AWS API Call via CloudTrail");
}

static void test_event__acknowledges_both_shapes_of_the_test_event(void **state)
{
    (void)state;
    const char *test = "{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"docs\"}";
    parse(test);
    assert_int_equal(count, 1);
    assert_int_equal(events[0].kind, EVENT_IGNORED);
    parse(joined("{\"Type\":\"Notification\",\"TopicArn\":\"t\",\"Message\":", quoted(test), "}"));
    assert_int_equal(events[0].kind, EVENT_IGNORED);
    parse(RECORDS("{\"eventName\":\"s3:TestEvent\"}"));
    assert_int_equal(events[0].kind, EVENT_IGNORED);
}

static void test_event__unwraps_what_aws_and_connectors_wrap(void **state)
{
    (void)state;
    const char *sns = joined(
        "{\"Type\":\"Notification\",\"TopicArn\":\"t\",\"Message\":", quoted(PUT("k+1")), "}");
    const char *sqs = joined("{\"eventSource\":\"aws:sqs\",\"body\":", quoted(sns), "}");
    const char *const messages[] = {
        sns,
        joined("{\"Body\":", quoted(sns), "}"),
        joined("{\"Records\":[", sqs, "]}"),
        joined("{\"Records\":[{\"EventSource\":\"aws:sns\",\"Sns\":", sns, "}]}"),
    };
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        parse(messages[i]);
        assert_int_equal(count, 1);
        assert_text(events[0].key, "k 1");
    }
    parse("{\"schema\":{},\"payload\":" PUT("k") "}");
    assert_text(events[0].key, "k");
    parse("{\"specversion\":\"1.0\",\"data\":" PUT("k") "}");
    assert_text(events[0].key, "k");
    parse("{\"specversion\":\"1.0\",\"data\":" RECORD("aws:s3", "ObjectCreated:Put", "k", "") "}");
    assert_text(events[0].key, "k");
    parse("{\"specversion\":\"1.0\",\"data_base64\":\"eyJFdmVudCI6InMzOlRlc3RFdmVudCJ9\"}");
    assert_int_equal(events[0].kind, EVENT_IGNORED);

    parse(joined("{\"Records\":[", sqs, ",{\"body\":\"no\"}]}"));
    assert_int_equal(count, 2);
    assert_text(events[0].key, "k 1");
    assert_bad(1, ERR_EVENT_JSON, "bad syntax");
}

static void test_event__names_the_shape_it_does_not_know(void **state)
{
    (void)state;
    assert_refused("", ERR_EVENT_EMPTY, "no value");
    assert_refused(" \n", ERR_EVENT_EMPTY, "no value");
    assert_refused("%PDF-1.7", ERR_EVENT_JSON, "line 1");
    assert_refused("[]", ERR_EVENT_SHAPE, "array");
    assert_refused("42", ERR_EVENT_SHAPE, "bare");
    assert_refused("{\"Records\":[]}", ERR_EVENT_SHAPE, "without records");
    assert_refused("{\"password\":\"hunter2\",\"b\":1}", ERR_EVENT_SHAPE, "(password, b)");
    assert_null(strstr(err.message, "hunter2"));
    assert_refused("{\"Type\":\"SubscriptionConfirmation\",\"TopicArn\":\"t\",\"Message\":\"m\"}",
                   ERR_EVENT_SHAPE, "SubscriptionConfirmation");
    assert_refused("{\"schema\":0,\"payload\":{\"schema\":0,\"payload\":{\"schema\":0,\"payload\":{"
                   "\"schema\":0,\"payload\":{\"schema\":0,\"payload\":{}}}}}}",
                   ERR_EVENT_TOO_LARGE, "wrappings");
}

static void test_event__refuses_what_is_too_large(void **state)
{
    (void)state;
    struct buffer big = buffer_new(4 << 20);
    buffer_append_text(&big, TEXT("{\"Records\":["));
    for (int i = 0; i < EVENTS_PER_MESSAGE_MAX + 1; i++)
        buffer_format(&big, "%s{\"eventName\":\"ObjectAcl:Put\"}", i ? "," : "");
    buffer_append_text(&big, TEXT("]}"));
    assert_refused(buffer_string(&big), ERR_EVENT_TOO_LARGE, "1024");

    while (big.bytes <= 1 << 20)
        buffer_append_text(&big, TEXT("                                "));
    assert_refused(buffer_string(&big), ERR_EVENT_TOO_LARGE, "bytes");
    buffer_release(&big);

    struct message_view message = {.value = TEXT(PUT("a-key-of-some-length"))};
    for (size_t budget = 0; budget < 300; budget += 4) {
        struct arena small = arena_new(budget);
        if (!event_parse(&message, &small, &events, &count, &err))
            assert_int_equal(err.code, ERR_EVENT_TOO_LARGE);
        arena_release(&small);
    }
}

static void test_event__a_replay_means_the_events_that_it_names(void **state)
{
    (void)state;
    struct header header = {TEXT("millrace-dlq-only"), TEXT("1,2")};
    struct message_view message = {
        .value = TEXT(RECORDS(RECORD("aws:s3", "ObjectCreated:Put", KEY "a.pdf", "") "," RECORD(
            "aws:s3", "ObjectRemoved:Delete", KEY "b.pdf",
            "") "," RECORD("aws:s3", "Odd", KEY "c.pdf", "") "," RECORD("aws:s3", "Odd",
                                                                        KEY "d.pdf", ""))),
        .headers = &header,
        .header_count = 1,
    };
    assert_true(parse_message(&message));
    assert_int_equal(count, 4);
    assert_int_equal(events[0].kind, EVENT_IGNORED);
    assert_int_equal(events[1].kind, EVENT_REMOVED);
    assert_int_equal(events[2].kind, EVENT_BAD);
    assert_int_equal(events[3].kind, EVENT_IGNORED);

    static const char *const WRONG[] = {"x", "1,,2", "-1", "1024", "1;2"};
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        header.value = text_from(WRONG[i]);
        assert_false(parse_message(&message));
        assert_int_equal(err.code, ERR_EVENT_SHAPE);
    }
}

static void test_event__a_job_header_makes_it_an_item_of_that_job(void **state)
{
    (void)state;
    struct header header = {TEXT("millrace-job"), TEXT("3f2504e0-4f89-41d3-9a0c-0305e82c3301")};
    struct message_view message = {.value = TEXT(PUT("k")), .headers = &header, .header_count = 1};
    char id[UUID_TEXT_BYTES];
    assert_true(parse_message(&message));
    assert_true(events[0].has_job);
    assert_string_equal(uuid_format(events[0].job, id), "3f2504e0-4f89-41d3-9a0c-0305e82c3301");

    header.value = TEXT("3F2504E0-4F89-41D3-9A0C-0305E82C3301");
    assert_true(parse_message(&message));
    assert_bad(0, ERR_NO_ITEM, "millrace-job");
    header.value = TEXT_NONE;
    assert_true(parse_message(&message));
    assert_bad(0, ERR_NO_ITEM, "millrace-job");
}

static void test_event__identifies_a_version_by_the_best_it_has(void **state)
{
    (void)state;
    char buffer[256];
    struct event event = {.etag = TEXT("e"), .time_ms = 7};
    assert_text(event_version_identity(&event, buffer, sizeof(buffer)), "e@7");
    event.version_id = TEXT("v");
    assert_text(event_version_identity(&event, buffer, sizeof(buffer)), "v");
    event.sequencer = TEXT("s");
    assert_text(event_version_identity(&event, buffer, sizeof(buffer)), "s");
}

static void test_event__is_read_back_as_it_was_written(void **state)
{
    (void)state;
    struct event event = {.kind = EVENT_PUT,
                          .bucket = TEXT("docs"),
                          .key = TEXT(KEY "M\xc3\xbchle 100%+\"x\"/~\x01.pdf"),
                          .etag = TEXT("abc"),
                          .version_id = TEXT("v"),
                          .sequencer = TEXT("0F"),
                          .size_bytes = 5,
                          .has_size = true,
                          .time_ms = 1767323045678u};
    struct buffer out = buffer_new(4096);
    assert_true(event_write(&out, &event));
    parse(buffer_string(&out));
    assert_int_equal(count, 1);
    assert_int_equal(events[0].kind, EVENT_PUT);
    assert_true(text_equal(events[0].key, event.key));
    assert_text(events[0].bucket, "docs");
    assert_text(events[0].etag, "abc");
    assert_text(events[0].version_id, "v");
    assert_text(events[0].sequencer, "0F");
    assert_int_equal(events[0].size_bytes, 5);
    assert_int_equal(events[0].time_ms, event.time_ms);
    buffer_clear(&out);

    event = (struct event){.kind = EVENT_REMOVED, .bucket = TEXT("b"), .key = TEXT("k")};
    assert_true(event_write(&out, &event));
    parse(buffer_string(&out));
    assert_int_equal(events[0].kind, EVENT_REMOVED);
    assert_false(events[0].has_size);
    buffer_release(&out);

    struct buffer small = buffer_new(20);
    assert_false(event_write(&small, &event));
    buffer_release(&small);
}

static int release(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event__a_replay_means_the_events_that_it_names),
        cmocka_unit_test(test_event__reads_a_notification_of_aws),
        cmocka_unit_test(test_event__a_bad_record_is_bad_alone),
        cmocka_unit_test(test_event__knows_what_each_name_means),
        cmocka_unit_test(test_event__reads_minio_with_and_without_optional_members),
        cmocka_unit_test(test_event__a_folder_is_no_document),
        cmocka_unit_test(test_event__a_removal_where_versions_are_kept_may_uncover_one),
        cmocka_unit_test(test_event__takes_keys_of_ceph_and_eventbridge_as_they_are),
        cmocka_unit_test(test_event__acknowledges_both_shapes_of_the_test_event),
        cmocka_unit_test(test_event__unwraps_what_aws_and_connectors_wrap),
        cmocka_unit_test(test_event__names_the_shape_it_does_not_know),
        cmocka_unit_test(test_event__refuses_what_is_too_large),
        cmocka_unit_test(test_event__a_job_header_makes_it_an_item_of_that_job),
        cmocka_unit_test(test_event__identifies_a_version_by_the_best_it_has),
        cmocka_unit_test(test_event__is_read_back_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
