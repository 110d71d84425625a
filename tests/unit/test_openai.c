#include "embed/openai.h"
#include "tests/unit/test.h"

struct example {
    enum embed_server_kind server;
    unsigned status;
    const char *reply;
    enum verdict verdict;
    enum error_code code;
};

#define ERROR_OF(code, type, message)                          \
    "{\"error\":{\"message\":\"" message "\",\"type\":\"" type \
    "\",\"param\":null,\"code\":\"" code "\"}}"

static const struct example EXAMPLES[] = {
    {EMBED_SERVER_AUTO, 429, ERROR_OF("rate_limit_exceeded", "tokens", "Rate limit"), VERDICT_WAIT,
     ERR_THROTTLED},
    {EMBED_SERVER_AUTO, 429, ERROR_OF("slow_down", "rate_limit_error", "Slow"), VERDICT_SLOW,
     ERR_THROTTLED},
    {EMBED_SERVER_AUTO, 429, "", VERDICT_WAIT, ERR_THROTTLED},
    {EMBED_SERVER_AUTO, 503, ERROR_OF("slow_down", "", ""), VERDICT_SLOW, ERR_THROTTLED},
    {EMBED_SERVER_AUTO, 503, "<html>", VERDICT_RETRY, ERR_UNAVAILABLE},
    {EMBED_SERVER_AUTO, 429, ERROR_OF("credit_balance_exhausted", "insufficient_quota", ""),
     VERDICT_BILLING, ERR_BILLING},
    {EMBED_SERVER_AUTO, 429, ERROR_OF("", "insufficient_quota", "You exceeded"), VERDICT_BILLING,
     ERR_BILLING},
    {EMBED_SERVER_AUTO, 400, ERROR_OF("max_tokens_per_request", "max_tokens_per_request", ""),
     VERDICT_TOO_MUCH, ERR_EMBED_REFUSED},
    {EMBED_SERVER_AUTO, 400, ERROR_OF("", "invalid_request_error", "maximum input length is 8192"),
     VERDICT_REFUSED, ERR_EMBED_REFUSED},
    {EMBED_SERVER_AUTO, 400, "{\"error\":{\"message\":\"bad\",\"param\":\"encoding_format\"}}",
     VERDICT_FLOATS, ERR_EMBED_CONFIG},
    {EMBED_SERVER_AUTO, 400, "{\"error\":{\"message\":\"bad\",\"param\":\"dimensions\"}}",
     VERDICT_CONFIG, ERR_EMBED_CONFIG},
    {EMBED_SERVER_AUTO, 401, ERROR_OF("invalid_api_key", "", "sk-1234"), VERDICT_CONFIG,
     ERR_EMBED_CONFIG},
    {EMBED_SERVER_AUTO, 404, ERROR_OF("model_not_found", "", ""), VERDICT_CONFIG, ERR_EMBED_CONFIG},
    {EMBED_SERVER_AUTO, 301, "", VERDICT_CONFIG, ERR_EMBED_CONFIG},
    {EMBED_SERVER_AUTO, 500, "{\"error\":{\"message\":\"input is too large to process\"}}",
     VERDICT_REFUSED, ERR_EMBED_REFUSED},
    {EMBED_SERVER_AUTO, 500, ERROR_OF("", "server_error", "oops"), VERDICT_RETRY, ERR_UNAVAILABLE},
    {EMBED_SERVER_AUTO, 424, "{\"message\":\"backend\"}", VERDICT_RETRY, ERR_UNAVAILABLE},
    {EMBED_SERVER_AUTO, 422, "{\"message\":\"batch size 40 > maximum allowed batch size 32\"}",
     VERDICT_TOO_MANY, ERR_EMBED_REFUSED},
    /* one server's words mean nothing from another one */
    {EMBED_SERVER_OPENAI, 500, ERROR_OF("", "server_error", "too large to process"), VERDICT_RETRY,
     ERR_UNAVAILABLE},
    {EMBED_SERVER_LLAMA_CPP, 500, ERROR_OF("", "server_error", "too large to process"),
     VERDICT_REFUSED, ERR_EMBED_REFUSED},
    {EMBED_SERVER_OPENAI, 400, ERROR_OF("", "", "the model runner has stopped"), VERDICT_REFUSED,
     ERR_EMBED_REFUSED},
    {EMBED_SERVER_OLLAMA, 400, ERROR_OF("", "", "the model runner has stopped"), VERDICT_RETRY,
     ERR_UNAVAILABLE},
};

static void test_openai__judges_refusals_by_their_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(EXAMPLES); i++) {
        struct error err;
        enum verdict verdict = openai_judge(EXAMPLES[i].server, EXAMPLES[i].status,
                                            text_from(EXAMPLES[i].reply), &err);
        if (verdict != EXAMPLES[i].verdict || err.code != EXAMPLES[i].code)
            fail_msg("%u %s: %d %s", EXAMPLES[i].status, EXAMPLES[i].reply, (int)verdict,
                     error_name(err.code));
    }
}

static void test_openai__keeps_the_servers_words_but_not_our_key(void **state)
{
    (void)state;
    struct error err;

    openai_judge(EMBED_SERVER_OPENAI, 400, text_from(ERROR_OF("c", "t", "a text is wrong")), &err);
    assert_string_equal(err.message, "400 c: a text is wrong");
    openai_judge(EMBED_SERVER_OPENAI, 401,
                 text_from(ERROR_OF("invalid_api_key", "t", "Incorrect key sk-12")), &err);
    assert_string_equal(err.message, "401 invalid_api_key");
}

static void test_openai__finds_azure_by_its_address(void **state)
{
    (void)state;
    static const struct {
        enum embed_server_kind configured;
        const char *url;
        enum embed_server_kind server;
    } examples[] = {
        {EMBED_SERVER_AUTO, "https://api.openai.com/v1", EMBED_SERVER_OPENAI},
        {EMBED_SERVER_AUTO, "https://api.openai.com:443/v1", EMBED_SERVER_OPENAI},
        {EMBED_SERVER_AUTO,
         "https://a.openai.azure.com/openai/deployments/e?api-version=2024-10-21",
         EMBED_SERVER_AZURE},
        {EMBED_SERVER_AUTO, "https://a.services.ai.azure.com", EMBED_SERVER_AZURE},
        {EMBED_SERVER_AUTO, "http://127.0.0.1:8080/api.openai.com", EMBED_SERVER_AUTO},
        {EMBED_SERVER_AUTO, "https://api.openai.com.example/v1", EMBED_SERVER_AUTO},
        {EMBED_SERVER_TEI, "https://api.openai.com/v1", EMBED_SERVER_TEI},
    };
    for (size_t i = 0; i < COUNT_OF(examples); i++)
        assert_int_equal(openai_find_server(examples[i].configured, text_from(examples[i].url)),
                         examples[i].server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openai__judges_refusals_by_their_code),
        cmocka_unit_test(test_openai__finds_azure_by_its_address),
        cmocka_unit_test(test_openai__keeps_the_servers_words_but_not_our_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
