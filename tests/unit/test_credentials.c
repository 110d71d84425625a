#include "tests/unit/test.h"
#include "worker/base/credentials.h"

static const char *id, *secret, *token;

struct asked {
    struct credentials_request request;
    bool is_done, has_key;
    char id[64], secret[64], token[64];
};

static const char *from_table(const char *name)
{
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0)
        return id;
    if (strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0)
        return secret;
    return strcmp(name, "AWS_SESSION_TOKEN") == 0 ? token : NULL;
}

static void on_done(struct credentials_request *request, const struct aws_key *key,
                    const struct error *err)
{
    struct asked *asked = container_of(request, struct asked, request);
    assert_null(err);
    asked->is_done = true;
    asked->has_key = key != NULL;
    if (!key)
        return;
    assert_true(text_format(asked->id, sizeof(asked->id), "%.*s", TEXT_ARGS(key->id)));
    assert_true(text_format(asked->secret, sizeof(asked->secret), "%.*s", TEXT_ARGS(key->secret)));
    assert_true(
        text_format(asked->token, sizeof(asked->token), "%.*s", TEXT_ARGS(key->session_token)));
}

static void ask(struct asked *asked)
{
    struct error err;
    struct loop *loop = loop_new_virtual(1);
    struct credentials *credentials = credentials_open(loop, from_table, &err);
    assert_non_null(credentials);
    asked->request.on_done = on_done;
    credentials_ask(credentials, &asked->request);
    assert_false(asked->is_done);
    loop_run(loop);
    assert_true(asked->is_done);
    credentials_close(credentials, NULL, NULL);
    loop_run(loop);
    loop_free(loop);
}

static void test_credentials__come_from_the_environment(void **state)
{
    (void)state;
    struct asked asked = {0};
    id = "AKIA";
    secret = "s3cret\n"; /* as a file ends */
    token = "";
    ask(&asked);
    assert_true(asked.has_key);
    assert_string_equal(asked.id, "AKIA");
    assert_string_equal(asked.secret, "s3cret");
    assert_string_equal(asked.token, "");
    token = "tok";
    asked = (struct asked){0};
    ask(&asked);
    assert_string_equal(asked.token, "tok");
}

static void test_credentials__none_means_anonymous(void **state)
{
    (void)state;
    struct asked asked = {0};
    id = secret = token = NULL;
    ask(&asked);
    assert_false(asked.has_key);
}

static void test_credentials__half_a_key_is_a_wrong_setting(void **state)
{
    (void)state;
    struct error err;
    struct loop *loop = loop_new_virtual(1);
    id = "AKIA";
    secret = NULL;
    assert_null(credentials_open(loop, from_table, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.message, "AWS_SECRET_ACCESS_KEY is not set"));
    id = NULL;
    secret = "s3cret";
    assert_null(credentials_open(loop, from_table, &err));
    assert_non_null(strstr(err.message, "AWS_ACCESS_KEY_ID is not set"));
    assert_null(strstr(err.message, "s3cret"));
    loop_run(loop);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credentials__come_from_the_environment),
        cmocka_unit_test(test_credentials__none_means_anonymous),
        cmocka_unit_test(test_credentials__half_a_key_is_a_wrong_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
