#include "embed/openai.h"
#include "tests/unit/test.h"

struct example {
    unsigned status;
    const char *reply;
    enum verdict verdict;
    enum error_code code;
};

#define ERROR_OF(code, type, message)                          \
    "{\"error\":{\"message\":\"" message "\",\"type\":\"" type \
    "\",\"param\":null,\"code\":\"" code "\"}}"

static const struct example EXAMPLES[] = {
    {429, ERROR_OF("rate_limit_exceeded", "tokens", "Rate limit"), VERDICT_WAIT, ERR_THROTTLED},
    {429, ERROR_OF("slow_down", "rate_limit_error", "Slow"), VERDICT_SLOW, ERR_THROTTLED},
    {429, "", VERDICT_WAIT, ERR_THROTTLED},
    {503, ERROR_OF("slow_down", "", ""), VERDICT_SLOW, ERR_THROTTLED},
    {503, "<html>", VERDICT_RETRY, ERR_UNAVAILABLE},
    {429, ERROR_OF("credit_balance_exhausted", "insufficient_quota", ""), VERDICT_BILLING,
     ERR_BILLING},
    {429, ERROR_OF("", "insufficient_quota", "You exceeded"), VERDICT_BILLING, ERR_BILLING},
    {400, ERROR_OF("max_tokens_per_request", "max_tokens_per_request", ""), VERDICT_TOO_MUCH,
     ERR_EMBED_REFUSED},
    {400, ERROR_OF("", "invalid_request_error", "maximum input length is 8192"), VERDICT_REFUSED,
     ERR_EMBED_REFUSED},
    {400, "{\"error\":{\"message\":\"bad\",\"param\":\"encoding_format\"}}", VERDICT_FLOATS,
     ERR_EMBED_CONFIG},
    {400, "{\"error\":{\"message\":\"bad\",\"param\":\"dimensions\"}}", VERDICT_CONFIG,
     ERR_EMBED_CONFIG},
    {401, ERROR_OF("invalid_api_key", "", "sk-1234"), VERDICT_CONFIG, ERR_EMBED_CONFIG},
    {404, ERROR_OF("model_not_found", "", ""), VERDICT_CONFIG, ERR_EMBED_CONFIG},
    {301, "", VERDICT_CONFIG, ERR_EMBED_CONFIG},
    {500, "{\"error\":{\"message\":\"input is too large to process\"}}", VERDICT_REFUSED,
     ERR_EMBED_REFUSED},
    {500, ERROR_OF("", "server_error", "oops"), VERDICT_RETRY, ERR_UNAVAILABLE},
    {424, "{\"message\":\"backend\"}", VERDICT_RETRY, ERR_UNAVAILABLE},
    {422, "{\"message\":\"batch size 40 > maximum allowed batch size 32\"}", VERDICT_TOO_MUCH,
     ERR_EMBED_REFUSED},
};

static void test_openai__judges_refusals_by_their_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(EXAMPLES); i++) {
        struct error err;
        enum verdict verdict = openai_judge(EXAMPLES[i].status, text_from(EXAMPLES[i].reply), &err);
        if (verdict != EXAMPLES[i].verdict || err.code != EXAMPLES[i].code)
            fail_msg("%u %s: %d %s", EXAMPLES[i].status, EXAMPLES[i].reply, (int)verdict,
                     error_name(err.code));
    }
}

static void test_openai__keeps_the_servers_words_but_not_our_key(void **state)
{
    (void)state;
    struct error err;

    openai_judge(400, text_from(ERROR_OF("c", "t", "a text is wrong")), &err);
    assert_string_equal(err.message, "400 c: a text is wrong");
    openai_judge(401, text_from(ERROR_OF("invalid_api_key", "t", "Incorrect key sk-12")), &err);
    assert_string_equal(err.message, "401 invalid_api_key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openai__judges_refusals_by_their_code),
        cmocka_unit_test(test_openai__keeps_the_servers_words_but_not_our_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
