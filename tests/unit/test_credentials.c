/*
 * The AWS key chain, against a loopback service that answers each connection with the next line of a
 * script. No source reaches a real AWS: the addresses are those of the test.
 */
#include "tests/unit/credentials_bench.h"
#include "worker/base/credentials_private.h"

#define REPLY(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body
#define KEY_JSON(id, expires)                                                                    \
    REPLY("200 OK", "{\"Code\":\"Success\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"s3c" \
                    "ret\",\"Token\":\"tok\",\"Expiration\":\"" expires "\"}")
#define STS_XML(id, expires)                                                                  \
    REPLY("200 OK", "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>"    \
                    "<Credentials><AccessKeyId>" id "</AccessKeyId><SecretAccessKey>s3c/r+t=" \
                    "</SecretAccessKey><SessionToken>tok</SessionToken><Expiration>" expires  \
                    "</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"           \
                    "</AssumeRoleWithWebIdentityResponse>")
#define FAR "2124-01-01T00:00:00Z"
#define PAST "2020-01-01T00:00:00Z"

/* ---- the environment ------------------------------------------------------------------------- */

static void test_credentials__come_from_the_environment(void **state)
{
    (void)state;
    set("AWS_ACCESS_KEY_ID", "AKIA");
    set("AWS_SECRET_ACCESS_KEY", "s3cret\n"); /* as a file ends */
    set("AWS_SESSION_TOKEN", "");
    open_credentials();
    struct asked asked = ask_for_key("AKIA");
    assert_string_equal(asked.secret, "s3cret");
    assert_string_equal(asked.token, "");
    assert_string_equal(credentials_source(bench.credentials), "the environment");
}

static void test_credentials__a_part_may_lie_in_a_file(void **state)
{
    (void)state;
    set("AWS_ACCESS_KEY_ID", "AKIA");
    set("AWS_SECRET_ACCESS_KEY_FILE", write_file("from file\n"));
    set("AWS_SESSION_TOKEN", "tok");
    open_credentials();
    struct asked asked = ask_for_key("AKIA");
    assert_string_equal(asked.secret, "from file");
    assert_string_equal(asked.token, "tok");
}

static void test_credentials__none_means_anonymous(void **state)
{
    (void)state;
    open_credentials();
    struct asked asked = ask();
    assert_false(asked.has_key);
    assert_false(asked.has_failed);
    assert_non_null(strstr(credentials_source(bench.credentials), "unsigned"));
}

static void test_credentials__half_a_key_is_a_wrong_setting(void **state)
{
    (void)state;
    set("AWS_ACCESS_KEY_ID", "AKIA");
    assert_no_credentials("AWS_SECRET_ACCESS_KEY is not set");
    set("AWS_ACCESS_KEY_ID", NULL);
    set("AWS_SECRET_ACCESS_KEY", "s3cret");
    assert_no_credentials("AWS_ACCESS_KEY_ID is not set");
}

/* ---- web identity ---------------------------------------------------------------------------- */

static void test_credentials__a_token_is_changed_for_a_key_at_sts(void **state)
{
    (void)state;
    scripted_server_start(&bench.server, (const char *const[]){STS_XML("ASIA", FAR), NULL});
    set("AWS_WEB_IDENTITY_TOKEN_FILE", write_file("ey.J0+/=\n"));
    set("AWS_ROLE_ARN", "arn:aws:iam::1:role/mill");
    set("AWS_ENDPOINT_URL_STS", bench.server.url);
    open_credentials();
    struct asked asked = ask_for_key("ASIA");
    assert_string_equal(asked.secret, "s3c/r+t=");
    assert_string_equal(asked.token, "tok");
    assert_sent(0, "POST / HTTP/1.1");
    assert_sent(0, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                   "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fmill&RoleSessionName=millrace"
                   "&WebIdentityToken=ey.J0%2B%2F%3D");
    ask_for_key("ASIA"); /* not asked for again */
}

static void test_credentials__sts_says_why_without_the_token(void **state)
{
    (void)state;
    const char *refusal = REPLY("403 Forbidden", "<ErrorResponse><Error><Code>AccessDenied</Code>"
                                                 "<Message>token s3cret</Message></Error>");
    scripted_server_start(&bench.server, (const char *const[]){refusal, refusal, refusal, NULL});
    set("AWS_WEB_IDENTITY_TOKEN_FILE", write_file("s3cret"));
    set("AWS_ROLE_ARN", "arn");
    set("AWS_ENDPOINT_URL_STS", bench.server.url);
    open_credentials();
    struct asked asked = ask();
    assert_true(asked.has_failed);
    assert_int_equal(asked.err.code, ERR_DENIED);
    assert_non_null(strstr(asked.err.message, "AccessDenied"));
    assert_null(strstr(asked.err.message, "s3cret"));
    asked = ask(); /* the same answer, without another call */
    assert_true(asked.has_failed);
}

static void test_credentials__a_token_file_without_a_role_is_a_wrong_setting(void **state)
{
    (void)state;
    set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    assert_no_credentials("AWS_ROLE_ARN");
}

/* ---- the container --------------------------------------------------------------------------- */

static void use_container(const char *path)
{
    static char url[128];
    assert_true(text_format(url, sizeof(url), "%s%s", bench.server.url, path));
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
}

static void test_credentials__the_agents_token_file_is_read_each_time(void **state)
{
    (void)state;
    scripted_server_start(&bench.server,
                          (const char *const[]){KEY_JSON("ONE", FAR), KEY_JSON("TWO", FAR), NULL});
    use_container("/v1/credentials?x=1");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write_file("first\n"));
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this");
    open_credentials();
    ask_for_key("ONE");
    assert_sent(0, "GET /v1/credentials?x=1 HTTP/1.1");
    assert_sent(0, "Authorization: first\r\n");
    write_file("second");
    credentials_distrust(bench.credentials, TEXT("ZERO")); /* an older one's trouble */
    ask_for_key("ONE");
    credentials_distrust(bench.credentials, TEXT("ONE"));
    ask_for_key("TWO");
    assert_sent(1, "Authorization: second\r\n");
}

static void test_credentials__the_old_key_serves_while_renewing_fails(void **state)
{
    (void)state;
    const char *oops = REPLY("500 Oops", "");
    scripted_server_start(&bench.server,
                          (const char *const[]){KEY_JSON("ONE", FAR), oops, oops, oops, NULL});
    use_container("/");
    open_credentials();
    ask_for_key("ONE");
    credentials_distrust(bench.credentials, TEXT("ONE"));
    ask_for_key("ONE");
    assert_int_equal(bench.server.request_count, 4);
    ask_for_key("ONE"); /* nobody is asked for a while */
}

static void test_credentials__a_key_that_came_expired_is_better_than_none(void **state)
{
    (void)state;
    scripted_server_start(&bench.server, (const char *const[]){KEY_JSON("ONE", PAST), NULL});
    use_container("/");
    open_credentials();
    ask_for_key("ONE");
    ask_for_key("ONE");
}

static void test_credentials__an_agent_that_fails_is_asked_again(void **state)
{
    (void)state;
    scripted_server_start(
        &bench.server, (const char *const[]){REPLY("500 Oops", ""), KEY_JSON("ASIA", FAR), NULL});
    use_container("/");
    open_credentials();
    ask_for_key("ASIA");
}

static void test_credentials__all_who_ask_share_one_call(void **state)
{
    (void)state;
    scripted_server_start(&bench.server, (const char *const[]){KEY_JSON("ASIA", FAR), NULL});
    use_container("/");
    open_credentials();
    struct asked asked[5];
    for (size_t i = 0; i < COUNT_OF(asked); i++)
        send_asked(&asked[i]);
    while (!asked[4].is_done)
        loop_run_once(bench.loop, 1000);
    for (size_t i = 0; i < COUNT_OF(asked); i++)
        assert_string_equal(asked[i].id, "ASIA");
    assert_int_equal(bench.server.request_count, 1);
}

static void test_credentials__no_foreign_host_gets_the_containers_token(void **state)
{
    (void)state;
    const char *urls[] = {"http://evil.example/",
                          "http://127.0.0.1.evil.example/",
                          "http://localhost@evil.example/",
                          "http://127.0.0.1:80@evil.example/",
                          "ftp://localhost/",
                          "http://[::1",
                          "http://169.254.169.254/"};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        set("AWS_CONTAINER_CREDENTIALS_FULL_URI", urls[i]);
        assert_no_credentials("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    }
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", NULL);
    set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/");
    assert_no_credentials("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
}

static void test_credentials__a_token_of_two_lines_is_refused(void **state)
{
    (void)state;
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nX-Evil: b");
    open_credentials();
    struct asked asked = ask();
    assert_true(asked.has_failed);
    assert_non_null(strstr(asked.err.message, "several lines"));
}

/* ---- the instance ---------------------------------------------------------------------------- */

static void use_instance(void)
{
    set("AWS_EC2_METADATA_DISABLED", "false");
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", bench.server.url);
}

static void test_credentials__an_instance_is_asked_by_version_two(void **state)
{
    (void)state;
    scripted_server_start(&bench.server, (const char *const[]){REPLY("200 OK", "session"),
                                                               REPLY("200 OK", "mill role\n"),
                                                               KEY_JSON("ASIA", FAR), NULL});
    use_instance();
    open_credentials();
    struct asked asked = ask_for_key("ASIA");
    assert_string_equal(asked.token, "tok");
    assert_sent(0, "PUT /latest/api/token HTTP/1.1");
    assert_sent(0, "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n");
    assert_sent(1, "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1");
    assert_sent(1, "x-aws-ec2-metadata-token: session\r\n");
    assert_sent(2, "GET /latest/meta-data/iam/security-credentials/mill%20role HTTP/1.1");
    assert_sent(2, "x-aws-ec2-metadata-token: session\r\n");
}

static void test_credentials__an_instance_without_a_role_is_anonymous(void **state)
{
    (void)state;
    scripted_server_start(&bench.server, (const char *const[]){REPLY("200 OK", "session"),
                                                               REPLY("404 None", ""), NULL});
    use_instance();
    open_credentials();
    assert_false(ask().has_key);
    assert_non_null(strstr(credentials_source(bench.credentials), "unsigned"));
}

static void test_credentials__where_no_instance_answers_is_none(void **state)
{
    (void)state;
    set("AWS_EC2_METADATA_DISABLED", "false");
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    open_credentials();
    struct asked asked = ask();
    assert_false(asked.has_key);
    assert_false(asked.has_failed);
}

/* ---- the shared file ------------------------------------------------------------------------- */

static void test_credentials__a_profile_of_the_shared_file(void **state)
{
    (void)state;
    set("AWS_SHARED_CREDENTIALS_FILE",
        write_file("[default]\naws_access_key_id = NO\naws_secret_access_key = NO\n"
                   "[ work ]\n# a comment\naws_access_key_id = WORK\n"
                   "aws_secret_access_key=s3c=ret\naws_session_token = tok\nregion = x\n"
                   "[other]\naws_access_key_id = NO\n"));
    set("AWS_PROFILE", "work");
    open_credentials();
    struct asked asked = ask_for_key("WORK");
    assert_string_equal(asked.secret, "s3c=ret");
    assert_string_equal(asked.token, "tok");
}

static void test_credentials__a_profile_that_was_asked_for_must_be_there(void **state)
{
    (void)state;
    set("AWS_SHARED_CREDENTIALS_FILE", write_file("[default]\nrole_arn = x\n"));
    open_credentials(); /* nobody asked for it */
    set("AWS_PROFILE", "work");
    struct credentials *first = bench.credentials;
    assert_no_credentials("profile \"work\" has no key");
    set("AWS_SHARED_CREDENTIALS_FILE", "/does/not/exist");
    assert_no_credentials("/does/not/exist");
    bench.credentials = first;
}

static void test_credentials__the_first_source_of_the_chain_is_the_one(void **state)
{
    (void)state;
    set("AWS_SHARED_CREDENTIALS_FILE",
        write_file("[default]\naws_access_key_id=FILE\naws_secret_access_key=x\n"));
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/");
    set("AWS_ACCESS_KEY_ID", "ENV");
    set("AWS_SECRET_ACCESS_KEY", "x");
    open_credentials();
    ask_for_key("ENV");
}

/* ---- how long a key serves ------------------------------------------------------------------- */

static void test_credentials__are_renewed_ahead_of_their_end(void **state)
{
    (void)state;
    const uint64_t minute = 60000, now = 1000 * minute;
    struct rng rng = rng_seeded(1);
    struct credentials_key hour = {.expires_ms = now + 60 * minute};
    struct credentials_key short_one = {.expires_ms = now + 4 * minute};
    for (unsigned i = 0; i < 100; i++) {
        struct credentials_times times = credentials_times_of(&hour, now, &rng);
        assert_in_range(times.refresh_ms, now + 45 * minute, now + 47 * minute);
        assert_int_equal(times.block_ms, now + 50 * minute);
        assert_int_equal(times.valid_until_ms, now + 60 * minute);
        times = credentials_times_of(&short_one, now, &rng);
        assert_in_range(times.refresh_ms, now + 2 * minute, times.block_ms);
        assert_int_equal(times.block_ms, now + 3 * minute);
    }
}

static void test_credentials__a_key_without_an_end_serves_for_good(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(1);
    struct credentials_key key = {0}, of_file = {.reread_ms = 5};
    assert_int_equal(credentials_times_of(&key, 7, &rng).refresh_ms, UINT64_MAX);
    assert_int_equal(credentials_times_of(&of_file, 7, &rng).refresh_ms, 12);
    assert_int_equal(credentials_times_of(&of_file, 7, &rng).valid_until_ms, UINT64_MAX);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_credentials__come_from_the_environment),
        WITH(test_credentials__a_part_may_lie_in_a_file),
        WITH(test_credentials__none_means_anonymous),
        WITH(test_credentials__half_a_key_is_a_wrong_setting),
        WITH(test_credentials__a_token_is_changed_for_a_key_at_sts),
        WITH(test_credentials__sts_says_why_without_the_token),
        WITH(test_credentials__a_token_file_without_a_role_is_a_wrong_setting),
        WITH(test_credentials__the_agents_token_file_is_read_each_time),
        WITH(test_credentials__the_old_key_serves_while_renewing_fails),
        WITH(test_credentials__a_key_that_came_expired_is_better_than_none),
        WITH(test_credentials__an_agent_that_fails_is_asked_again),
        WITH(test_credentials__all_who_ask_share_one_call),
        WITH(test_credentials__no_foreign_host_gets_the_containers_token),
        WITH(test_credentials__a_token_of_two_lines_is_refused),
        WITH(test_credentials__an_instance_is_asked_by_version_two),
        WITH(test_credentials__an_instance_without_a_role_is_anonymous),
        WITH(test_credentials__where_no_instance_answers_is_none),
        WITH(test_credentials__a_profile_of_the_shared_file),
        WITH(test_credentials__a_profile_that_was_asked_for_must_be_there),
        WITH(test_credentials__the_first_source_of_the_chain_is_the_one),
        WITH(test_credentials__are_renewed_ahead_of_their_end),
        WITH(test_credentials__a_key_without_an_end_serves_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
