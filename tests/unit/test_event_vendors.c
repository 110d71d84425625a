/*
 * Whole messages as the vendors' documents and servers have them: every envelope ends in the same
 * event. What is odd about one vendor is tested in test_event.c.
 */
#include "queue/event.h"
#include "tests/unit/test.h"

#define KEY "users/3f2504e0-4f89-41d3-9a0c-0305e82c3301/Annual report 2025+final.pdf"
#define ENCODED "users/3f2504e0-4f89-41d3-9a0c-0305e82c3301/Annual+report+2025%2Bfinal.pdf"

/* AWS's user guide, "Event message structure". */
#define AWS(version, name, object)                                                              \
    "{\"eventVersion\":\"" version "\",\"eventSource\":\"aws:s3\",\"awsRegion\":\"us-west-2\"," \
    "\"eventTime\":\"1970-01-01T00:00:01.000Z\",\"eventName\":\"" name "\",\"userIdentity\":{"  \
    "\"principalId\":\"AIDAJDPLRKLG7UEXAMPLE\"},\"requestParameters\":{\"sourceIPAddress\":"    \
    "\"127.0.0.1\"},\"responseElements\":{\"x-amz-request-id\":\"C3D13FE58DE4C810\","           \
    "\"x-amz-id-2\":\"FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD\"},"     \
    "\"s3\":{\"s3SchemaVersion\":\"1.0\",\"configurationId\":\"testConfigRule\",\"bucket\":{"   \
    "\"name\":\"docs\",\"ownerIdentity\":{\"principalId\":\"A3NL1KOZZKExample\"},\"arn\":"      \
    "\"arn:aws:s3:::docs\"},\"object\":{\"key\":\"" ENCODED "\"" object "}}}"
#define CREATED                                                                   \
    ",\"size\":1024,\"eTag\":\"d41d8cd98f00b204e9800998ecf8427e\",\"versionId\":" \
    "\"096fKKXTRTtl3on89fVO.nfljtsv6qko\",\"sequencer\":\"0055AED6DCD90281E5\""
#define REMOVED ",\"sequencer\":\"0055AED6DCD90281E6\""
#define NOTIFICATION(version) "{\"Records\":[" AWS(version, "ObjectCreated:Put", CREATED) "]}"

static struct arena arena;
static struct event *events;
static size_t count;

static void parse_with(const char *value, const struct header *headers, size_t header_count)
{
    struct message_view message = {
        .value = text_from(value), .headers = headers, .header_count = header_count};
    struct error err;
    arena_release(&arena);
    arena = arena_new(1 << 20);
    if (!event_parse(&message, &arena, &events, &count, &err))
        fail_msg("%s: %s", err.message, value);
}

static void parse(const char *value)
{
    parse_with(value, NULL, 0);
}

static void assert_put(size_t at)
{
    assert_true(at < count);
    assert_int_equal(events[at].kind, EVENT_PUT);
    assert_text(events[at].bucket, "docs");
    assert_text(events[at].key, KEY);
    assert_int_equal(events[at].size_bytes, 1024);
    assert_text(events[at].etag, "d41d8cd98f00b204e9800998ecf8427e");
    assert_true(events[at].sequencer.bytes > 0);
    assert_true(events[at].time_ms > 0);
}

static void assert_removal(size_t at)
{
    assert_true(at < count);
    assert_int_equal(events[at].kind, EVENT_REMOVED);
    assert_text(events[at].key, KEY);
}

/* Text as the value of a JSON string. */
static const char *quoted(const char *text)
{
    static char buffers[4][16384];
    static unsigned turn;
    char *out = buffers[turn++ % 4], *at = out;
    for (*at++ = '"'; *text; text++) {
        assert_true((size_t)(at - out) + 4 < sizeof(buffers[0]));
        if (*text == '"' || *text == '\\')
            *at++ = '\\';
        *at++ = *text;
    }
    *at++ = '"';
    *at = '\0';
    return out;
}

static const char *around(const char *before, const char *text, const char *after)
{
    static char buffers[4][16384];
    static unsigned turn;
    char *out = buffers[turn++ % 4];
    assert_true(text_format(out, sizeof(buffers[0]), "%s%s%s", before, text, after));
    return out;
}

static void test_vendors__aws_in_every_version(void **state)
{
    (void)state;
    const char *versions[] = {NOTIFICATION("2.0"), NOTIFICATION("2.1"), NOTIFICATION("2.2"),
                              NOTIFICATION("2.3"), NOTIFICATION("2.4"), NOTIFICATION("2.5"),
                              NOTIFICATION("2.6"), NOTIFICATION("2.17")};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        parse(versions[i]);
        assert_int_equal(count, 1);
        assert_put(0);
    }
    parse(NOTIFICATION("3.0"));
    assert_int_equal(events[0].kind, EVENT_BAD);
}

static void test_vendors__several_records_each_with_its_own_end(void **state)
{
    (void)state;
    parse("{\"Records\":[" AWS("2.1", "ObjectCreated:Put", CREATED) "," AWS(
        "2.1", "ObjectRemoved:Delete",
        REMOVED) "," AWS("2.3", "ObjectTagging:Put",
                         CREATED) "," AWS("2.1", "ObjectCreated:Melt",
                                          CREATED) "," AWS("2.1", "Unheard:Of",
                                                           CREATED) ","
                                                                    "{\"odd\":1}]}");
    assert_int_equal(count, 6);
    assert_put(0);
    assert_removal(1);
    assert_int_equal(events[2].kind, EVENT_IGNORED);
    assert_put(3); /* whatever creates an object is a hint */
    assert_int_equal(events[4].kind, EVENT_BAD);
    assert_int_equal(events[5].kind, EVENT_BAD);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(events[i].no, i);
}

/* As SNS posts it, and as it lies in SQS when raw delivery is off. */
static void test_vendors__sns_and_sqs(void **state)
{
    (void)state;
    const char *sns = around(
        "{\"Type\":\"Notification\",\"MessageId\":\"22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\","
        "\"TopicArn\":\"arn:aws:sns:us-west-2:123456789012:uploads\",\"Subject\":\"Amazon S3 "
        "Notification\",\"Message\":",
        quoted(NOTIFICATION("2.1")),
        ",\"Timestamp\":\"2012-05-02T00:54:06.655Z\",\"SignatureVersion\":\"1\",\"Signature\":"
        "\"EXAMPLEw6JRN\",\"SigningCertURL\":\"https://sns/x.pem\",\"UnsubscribeURL\":\"https://"
        "sns/u\"}");
    parse(sns);
    assert_put(0);
    parse(around("{\"MessageId\":\"059f36b4-87a3-44ab-83d2-661975830a7d\",\"ReceiptHandle\":\"A\","
                 "\"MD5OfBody\":\"e4e6\",\"Body\":",
                 quoted(sns), "}"));
    assert_put(0);
    parse(around("{\"MessageId\":\"059f\",\"ReceiptHandle\":\"A\",\"Body\":",
                 quoted(NOTIFICATION("2.1")), "}"));
    assert_put(0);
    /* What Lambda hands on. */
    parse(around("{\"Records\":[{\"messageId\":\"059f\",\"receiptHandle\":\"A\",\"body\":",
                 quoted(NOTIFICATION("2.1")),
                 ",\"attributes\":{\"ApproximateReceiveCount\":\"1\"},\"eventSource\":\"aws:sqs\","
                 "\"eventSourceARN\":\"arn:aws:sqs:us-east-2:123456789012:q\"}]}"));
    assert_put(0);
}

/* The user guide, "EventBridge event message structure": the key is as it is. */
static void test_vendors__eventbridge(void **state)
{
    (void)state;
    parse("{\"version\":\"0\",\"id\":\"17793124-05d4-b198-2fde-7ededc63b103\",\"detail-type\":"
          "\"Object Created\",\"source\":\"aws.s3\",\"account\":\"111122223333\",\"time\":"
          "\"2021-11-12T00:00:00Z\",\"region\":\"ca-central-1\",\"resources\":[\"arn:aws:s3:::"
          "docs\"],\"detail\":{\"version\":\"0\",\"bucket\":{\"name\":\"docs\"},\"object\":{"
          "\"key\":\"" KEY "\",\"size\":1024,\"etag\":\"d41d8cd98f00b204e9800998ecf8427e\","
          "\"version-id\":\"IYV3p45BT0ac8hjHg1houSdS1a.Mro8e\",\"sequencer\":"
          "\"00617F08299329D189\"},\"request-id\":\"N4N7GDK58NMKJ12R\",\"requester\":"
          "\"123456789012\",\"source-ip-address\":\"1.2.3.4\",\"reason\":\"PutObject\"}}");
    assert_put(0);
    parse("{\"version\":\"0\",\"id\":\"2ee9cc15\",\"detail-type\":\"Object Deleted\",\"source\":"
          "\"aws.s3\",\"time\":\"2021-11-12T00:00:00Z\",\"detail\":{\"version\":\"0\",\"bucket\":{"
          "\"name\":\"docs\"},\"object\":{\"key\":\"" KEY "\",\"version-id\":\"1QW9\","
          "\"sequencer\":\"00617B99BE0E\"},\"reason\":\"DeleteObject\",\"deletion-type\":"
          "\"Permanently Deleted\"}}");
    assert_removal(0);
    assert_true(event_may_uncover(&events[0]));
}

/* cloudevents/spec, the adapter of AWS S3, in both modes of the Kafka binding. */
static void test_vendors__cloudevents(void **state)
{
    (void)state;
    parse("{\"specversion\":\"1.0\",\"type\":\"com.amazonaws.s3.ObjectCreated:Put\",\"source\":"
          "\"aws:s3.us-west-2.docs\",\"id\":\"C3D13FE58DE4C810.FMyUV\",\"time\":"
          "\"1970-01-01T00:00:01Z\",\"subject\":\"" KEY "\",\"datacontenttype\":"
          "\"application/json\",\"data\":" AWS("2.1", "ObjectCreated:Put", CREATED) "}");
    assert_put(0);
    parse(around("{\"specversion\":\"1.0\",\"type\":\"com.amazonaws.s3.ObjectCreated:Put\","
                 "\"source\":\"s\",\"id\":\"1\",\"data\":",
                 quoted(NOTIFICATION("2.1")), "}"));
    assert_put(0);
    const struct header headers[] = {
        {TEXT("ce_specversion"), TEXT("1.0")},
        {TEXT("ce_type"), TEXT("com.amazonaws.s3.ObjectCreated:Put")},
        {TEXT("ce_source"), TEXT("aws:s3.us-west-2.docs")},
        {TEXT("ce_id"), TEXT("C3D13FE58DE4C810.FMyUV")},
        {TEXT("content-type"), TEXT("application/json")},
    };
    parse_with(AWS("2.1", "ObjectCreated:Put", CREATED), headers, COUNT_OF(headers));
    assert_put(0);
    parse_with(NOTIFICATION("2.1"), headers, COUNT_OF(headers));
    assert_put(0);
}

/* As a MinIO of 2025 wrote it on a topic. */
static void test_vendors__minio(void **state)
{
    (void)state;
    parse("{\"EventName\":\"s3:ObjectCreated:Put\",\"Key\":\"docs/" KEY "\",\"Records\":[{"
          "\"eventVersion\":\"2.0\",\"eventSource\":\"minio:s3\",\"awsRegion\":\"\",\"eventTime\":"
          "\"2026-11-21T10:33:00.151Z\",\"eventName\":\"s3:ObjectCreated:Put\",\"userIdentity\":{"
          "\"principalId\":\"millrace\"},\"requestParameters\":{\"principalId\":\"millrace\","
          "\"region\":\"\",\"sourceIPAddress\":\"127.0.0.1\"},\"responseElements\":{\"x-amz-id-2\":"
          "\"dd9025bab4ad464b\",\"x-amz-request-id\":\"18EA08EC28DD63EC\","
          "\"x-minio-origin-endpoint\":\"http://127.0.0.1:9000\"},\"s3\":{\"s3SchemaVersion\":"
          "\"1.0\",\"configurationId\":\"Config\",\"bucket\":{\"name\":\"docs\",\"ownerIdentity\":{"
          "\"principalId\":\"millrace\"},\"arn\":\"arn:aws:s3:::docs\"},\"object\":{\"key\":"
          "\"users%2F3f2504e0-4f89-41d3-9a0c-0305e82c3301%2FAnnual+report+2025%2Bfinal.pdf\","
          "\"size\":1024,\"eTag\":\"d41d8cd98f00b204e9800998ecf8427e\",\"contentType\":"
          "\"application/pdf\",\"userMetadata\":{\"content-type\":\"application/pdf\"},"
          "\"sequencer\":\"18EA08EC28DD63EC\"}},\"source\":{\"host\":\"127.0.0.1\",\"port\":\"\","
          "\"userAgent\":\"x\"}}]}");
    assert_put(0);
}

/* docs.ceph.com, bucket notifications: the key is as it is, the size may be text. */
static void test_vendors__ceph(void **state)
{
    (void)state;
    parse("{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"ceph:s3\",\"awsRegion\":"
          "\"zonegroup1\",\"eventTime\":\"2019-11-22T13:47:35.124724Z\",\"eventName\":"
          "\"ObjectCreated:Put\",\"userIdentity\":{\"principalId\":\"tester\"},"
          "\"requestParameters\":{\"sourceIPAddress\":\"\"},\"responseElements\":{"
          "\"x-amz-request-id\":\"503a4c37-85eb-47cd-8681-2817e80b4281.5330.903595\","
          "\"x-amz-id-2\":\"14d2-zone1-zonegroup1\"},\"s3\":{\"s3SchemaVersion\":\"1.0\","
          "\"configurationId\":\"mynotif1\",\"bucket\":{\"name\":\"docs\",\"ownerIdentity\":{"
          "\"principalId\":\"tester\"},\"arn\":\"arn:aws:s3:zonegroup1::docs\",\"id\":"
          "\"503a4c37-85eb-47cd-8681-2817e80b4281.5332.38\"},\"object\":{\"key\":\"" KEY "\","
          "\"size\":\"1024\",\"eTag\":\"d41d8cd98f00b204e9800998ecf8427e\",\"versionId\":\"\","
          "\"sequencer\":\"F7E6D75DC742D108\",\"metadata\":[],\"tags\":[]}},\"eventId\":"
          "\"1574430455.124724.d41d8\",\"opaqueData\":\"me@example.com\"}]}");
    assert_put(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vendors__aws_in_every_version),
        cmocka_unit_test(test_vendors__several_records_each_with_its_own_end),
        cmocka_unit_test(test_vendors__sns_and_sqs),
        cmocka_unit_test(test_vendors__eventbridge),
        cmocka_unit_test(test_vendors__cloudevents),
        cmocka_unit_test(test_vendors__minio),
        cmocka_unit_test(test_vendors__ceph),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
