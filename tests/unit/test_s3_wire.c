#include "queue/s3_wire.h"
#include "tests/unit/test.h"

static struct s3_place place_of(const char *endpoint, const char *region)
{
    struct s3_place place;
    struct error err;
    struct objects_options options = {.endpoint = text_from(endpoint), .region = text_from(region)};
    if (!s3_place_init(&place, &options, &err))
        fail_msg("%s", err.message);
    return place;
}

static void assert_url(const char *endpoint, const struct s3_where *where, const char *url)
{
    struct s3_place place = place_of(endpoint, "eu-central-1");
    struct s3_address address;
    struct error err;
    if (!s3_address_of(&place, where, &address, &err))
        fail_msg("%s", err.message);
    assert_text(buffer_text(&address.url), url);
    s3_address_release(&address);
    s3_place_release(&place);
}

static void assert_no_address(const char *endpoint, const struct s3_where *where,
                              enum error_code code)
{
    struct s3_place place = place_of(endpoint, "eu-central-1");
    struct s3_address address;
    struct error err;
    assert_false(s3_address_of(&place, where, &address, &err));
    assert_int_equal(err.code, code);
    s3_place_release(&place);
}

static void test_s3_wire__puts_the_bucket_into_the_path_of_an_endpoint(void **state)
{
    (void)state;
    struct s3_where where = {.bucket = TEXT("docs"), .key = TEXT("users/1/a b+c(\xc3\xa9).pdf")};
    assert_url("http://127.0.0.1:9000", &where,
               "http://127.0.0.1:9000/docs/users/1/a%20b%2Bc%28%C3%A9%29.pdf");
    assert_url("https://minio.local:443/", &where,
               "https://minio.local/docs/users/1/a%20b%2Bc%28%C3%A9%29.pdf");
    assert_url("https://gw.local/s3/", &where,
               "https://gw.local/s3/docs/users/1/a%20b%2Bc%28%C3%A9%29.pdf");
    assert_url("http://[::1]:9000", &where,
               "http://[::1]:9000/docs/users/1/a%20b%2Bc%28%C3%A9%29.pdf");
}

static void test_s3_wire__puts_the_bucket_into_the_host_at_aws(void **state)
{
    (void)state;
    struct s3_where where = {
        .bucket = TEXT("docs"), .key = TEXT("a//b.pdf"), .query = TEXT("versionId=1")};
    assert_url("", &where, "https://docs.s3.eu-central-1.amazonaws.com/a//b.pdf?versionId=1");
    where.bucket = TEXT("my.docs"); /* the certificate would not match */
    assert_url("", &where, "https://s3.eu-central-1.amazonaws.com/my.docs/a//b.pdf?versionId=1");
    where = (struct s3_where){.bucket = TEXT("docs"), .query = TEXT("list-type=2")};
    assert_url("", &where, "https://docs.s3.eu-central-1.amazonaws.com/?list-type=2");
}

static void test_s3_wire__refuses_keys_and_buckets_that_lead_elsewhere(void **state)
{
    (void)state;
    const char *keys[] = {"../other/secret.pdf", "a/../b", "a/..", ".", "a/./b"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_no_address("http://127.0.0.1:9000",
                          &(struct s3_where){.bucket = TEXT("docs"), .key = text_from(keys[i])},
                          ERR_EVENT_KEY);
    assert_no_address("", &(struct s3_where){.bucket = TEXT("docs"), .key = TEXT("a\0b")},
                      ERR_EVENT_KEY);
    const char *buckets[] = {"", "a", "..", "a/b", "a..b", "evil.example/x", "b@d", "b?d", "b d"};
    for (size_t i = 0; i < COUNT_OF(buckets); i++)
        assert_no_address("http://127.0.0.1:9000",
                          &(struct s3_where){.bucket = text_from(buckets[i]), .key = TEXT("a")},
                          ERR_EVENT_BUCKET);
}

static void test_s3_wire__names_the_setting_that_is_wrong(void **state)
{
    (void)state;
    const struct {
        const char *endpoint, *region, *named;
    } cases[] = {{"minio:9000", "", "S3_ENDPOINT"},
                 {"ftp://minio", "", "S3_ENDPOINT"},
                 {"http://", "", "S3_ENDPOINT"},
                 {"http://user@host", "", "S3_ENDPOINT"},
                 {"", "", "AWS_REGION"},
                 {"", "eu central", "AWS_REGION"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct s3_place place;
        struct error err;
        struct objects_options options = {.endpoint = text_from(cases[i].endpoint),
                                          .region = text_from(cases[i].region)};
        assert_false(s3_place_init(&place, &options, &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.message, cases[i].named));
    }
}

static enum error_code meaning(unsigned status, const char *code)
{
    struct s3_fault fault = {0};
    struct error err;
    assert_true(text_format(fault.code, sizeof(fault.code), "%s", code ? code : ""));
    struct s3_answer answer = {
        .status = status, .bucket = TEXT("docs"), .fault = code ? &fault : NULL};
    assert_false(s3_refuse(&answer, &err));
    assert_non_null(strstr(err.message, "docs"));
    return err.code;
}

static void test_s3_wire__only_s3_itself_can_say_that_an_object_is_gone(void **state)
{
    (void)state;
    assert_int_equal(meaning(404, "NoSuchKey"), ERR_GONE);
    assert_int_equal(meaning(404, "NoSuchVersion"), ERR_GONE);
    assert_int_equal(meaning(404, "NoSuchBucket"), ERR_UNAVAILABLE);
    assert_int_equal(meaning(404, NULL), ERR_PROTOCOL); /* some proxy's page */
    assert_int_equal(meaning(403, "AccessDenied"), ERR_DENIED);
    assert_int_equal(meaning(403, NULL), ERR_DENIED);
}

static void test_s3_wire__tells_waiting_from_trying_again(void **state)
{
    (void)state;
    assert_int_equal(meaning(503, "SlowDown"), ERR_THROTTLED);
    assert_int_equal(meaning(503, "SlowDownRead"), ERR_THROTTLED);
    assert_int_equal(meaning(429, NULL), ERR_THROTTLED);
    assert_int_equal(meaning(503, "ServiceUnavailable"), ERR_UNAVAILABLE);
    assert_int_equal(meaning(500, "InternalError"), ERR_UNAVAILABLE);
    assert_int_equal(meaning(502, NULL), ERR_UNAVAILABLE);
    assert_int_equal(meaning(400, "RequestTimeout"), ERR_TIMEOUT);
    assert_int_equal(meaning(400, "ExpiredToken"), ERR_DENIED);
    assert_int_equal(meaning(400, "InvalidRequest"), ERR_PROTOCOL);
    assert_int_equal(meaning(400, "KMS.DisabledException"), ERR_DENIED);
    assert_int_equal(meaning(400, "KMS.NotFoundException"), ERR_DENIED);
    assert_int_equal(meaning(403, "AccessDenied"), ERR_DENIED); /* the requester pays, too */
    assert_int_equal(meaning(403, "InvalidObjectState"), ERR_ARCHIVED);
    assert_int_equal(meaning(206, NULL), ERR_PROTOCOL);
}

static void test_s3_wire__says_where_the_bucket_is(void **state)
{
    (void)state;
    struct error err;
    struct s3_answer answer = {.status = 301, .bucket = TEXT("docs"), .region = TEXT("eu-west-3")};
    assert_false(s3_refuse(&answer, &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_string_equal(err.message,
                        "bucket \"docs\" is in region eu-west-3: set AWS_REGION to it");
}

static void assert_elsewhere(struct s3_answer answer, const char *code, const char *region)
{
    struct s3_fault fault = {.region = "eu-west-3"};
    assert_true(text_format(fault.code, sizeof(fault.code), "%s", code ? code : ""));
    answer.fault = code ? &fault : NULL;
    assert_text(s3_other_region(&answer), region);
}

static void test_s3_wire__learns_another_region_from_every_kind_of_refusal(void **state)
{
    (void)state;
    struct text header = TEXT("eu-west-1");
    assert_elsewhere((struct s3_answer){.status = 301, .region = header}, NULL, "eu-west-1");
    assert_elsewhere((struct s3_answer){.status = 307, .region = header}, "X", "eu-west-1");
    assert_elsewhere((struct s3_answer){.status = 301}, "PermanentRedirect", "eu-west-3");
    assert_elsewhere((struct s3_answer){.status = 400}, "AuthorizationHeaderMalformed",
                     "eu-west-3");
    assert_elsewhere((struct s3_answer){.status = 400, .verb = OBJECT_HEAD, .region = header}, NULL,
                     "eu-west-1");
    assert_elsewhere((struct s3_answer){.status = 400, .region = header}, "InvalidRequest", "");
    assert_elsewhere((struct s3_answer){.status = 403, .region = header}, "AccessDenied", "");
    assert_elsewhere((struct s3_answer){.status = 304, .region = header}, NULL, "");
    assert_elsewhere((struct s3_answer){.status = 301, .region = TEXT("evil.example/")}, NULL, "");
}

static void test_s3_wire__goes_to_the_region_that_was_learned(void **state)
{
    (void)state;
    struct s3_where where = {.bucket = TEXT("docs"), .key = TEXT("a"), .region = TEXT("eu-west-3")};
    assert_url("", &where, "https://docs.s3.eu-west-3.amazonaws.com/a");
    where.region = TEXT("cn-north-1");
    assert_url("", &where, "https://docs.s3.cn-north-1.amazonaws.com.cn/a");
    assert_url("http://minio:9000", &where, "http://minio:9000/docs/a");
}

static void test_s3_wire__reads_etags(void **state)
{
    (void)state;
    assert_text(s3_etag(TEXT("\"abc\"")), "abc");
    assert_text(s3_etag(TEXT("W/\"abc\"")), "abc");
    assert_text(s3_etag(TEXT("abc")), "abc");
    assert_text(s3_etag(TEXT("\"")), "\"");
}

static void test_s3_wire__knows_an_etag_that_was_spoiled_on_its_way(void **state)
{
    (void)state;
    static const char *const SPOILED[] = {
        "8ea9)3ba2225a28996481f10b34019b4",    "8ea993Ba2225a28996481f10b34019b4", /* one bit */
        "8ea993ba\"225a28996481f10b34019b4",   "\"11bf886577b9694d1629ea310322fd3b*",
        "!11bf886577b9694d1629ea310322fd3b\"", "8ea993ba2225a28996481f10b34019b4m2",
        "8ea993ba2225a28996481f10b34019b4-q",  "8ea99\263ba2225a28996481f10b34019b4-12"};
    static const char *const WHOLE[] = {"8ea993ba2225a28996481f10b34019b4",
                                        "8EA993BA2225A28996481F10B34019B4",
                                        "8ea993ba2225a28996481f10b34019b4-2",
                                        "8ea993ba2225a28996481f10b34019b4-10000",
                                        "CKih16GjycICEAE=",
                                        "x",
                                        "sha256-8ea993ba2225a28996481f10b34019b4",
                                        "8ea993ba-2225-a289-9648-1f10b34019b4",
                                        "0x8DB5C6A1B2C3D4E"};
    for (size_t i = 0; i < COUNT_OF(SPOILED); i++)
        if (!s3_etag_is_spoiled(text_from(SPOILED[i])))
            fail_msg("%s", SPOILED[i]);
    for (size_t i = 0; i < COUNT_OF(WHOLE); i++)
        if (s3_etag_is_spoiled(text_from(WHOLE[i])))
            fail_msg("%s", WHOLE[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s3_wire__puts_the_bucket_into_the_path_of_an_endpoint),
        cmocka_unit_test(test_s3_wire__puts_the_bucket_into_the_host_at_aws),
        cmocka_unit_test(test_s3_wire__refuses_keys_and_buckets_that_lead_elsewhere),
        cmocka_unit_test(test_s3_wire__names_the_setting_that_is_wrong),
        cmocka_unit_test(test_s3_wire__only_s3_itself_can_say_that_an_object_is_gone),
        cmocka_unit_test(test_s3_wire__tells_waiting_from_trying_again),
        cmocka_unit_test(test_s3_wire__says_where_the_bucket_is),
        cmocka_unit_test(test_s3_wire__learns_another_region_from_every_kind_of_refusal),
        cmocka_unit_test(test_s3_wire__goes_to_the_region_that_was_learned),
        cmocka_unit_test(test_s3_wire__reads_etags),
        cmocka_unit_test(test_s3_wire__knows_an_etag_that_was_spoiled_on_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
