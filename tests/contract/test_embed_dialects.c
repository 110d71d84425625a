/* What each kind of embedding server says, in its own words, and what becomes of the call. */
#include "tests/contract/embed_bench.h"

enum fate {
    FATE_AGAIN,   /* it is sent again, and all is well */
    FATE_MONEY,   /* likewise, and the lane was parked meanwhile */
    FATE_CONFIG,  /* the operator's: the request comes back later, the lane is parked */
    FATE_GUILTY,  /* the text's: refused for good once it is alone */
    FATE_SMALLER, /* it is sent in halves, and so are calls after it */
    FATE_NUMBERS, /* it is asked for without base64 */
};

struct example {
    enum embed_server_kind server;
    const char *name;
    struct canned canned;
    enum fate fate;
};

#define NO_HEADERS ""
#define SHORTLY "Retry-After-Ms: 20\r\n"
#define OPENAI(message, type, param, code)                                           \
    "{\"error\":{\"message\":\"" message "\",\"type\":\"" type "\",\"param\":" param \
    ",\"code\":" code "}}"
#define AZURE(code, message) "{\"error\":{\"code\":\"" code "\",\"message\":\"" message "\"}}"
#define TEI(message, type) "{\"message\":\"" message "\",\"type\":\"" type "\"}"
#define VLLM(message, type, code)                                                             \
    "{\"object\":\"error\",\"message\":\"" message "\",\"type\":\"" type "\",\"param\":null," \
    "\"code\":" code "}"
#define LLAMA_CPP(code, message, type) \
    "{\"error\":{\"code\":" code ",\"message\":\"" message "\",\"type\":\"" type "\"}}"
#define OLLAMA(message, type) \
    "{\"error\":{\"message\":\"" message "\",\"type\":\"" type "\",\"param\":null,\"code\":null}}"

static const struct example EXAMPLES[] = {
    {EMBED_SERVER_OPENAI,
     "tokens a minute",
     {429, SHORTLY, OPENAI("Rate limit reached", "tokens", "null", "\"rate_limit_exceeded\"")},
     FATE_AGAIN},
    {EMBED_SERVER_OPENAI,
     "grew too fast",
     {429, SHORTLY, OPENAI("Slow down", "rate_limit_error", "null", "\"slow_down\"")},
     FATE_AGAIN},
    {EMBED_SERVER_OPENAI,
     "no credit",
     {429, NO_HEADERS,
      OPENAI("No credit", "insufficient_quota", "null", "\"credit_balance_exhausted\"")},
     FATE_MONEY},
    {EMBED_SERVER_OPENAI,
     "hard limit",
     {400, NO_HEADERS,
      OPENAI("Billing hard limit has been reached", "invalid_request_error", "null",
             "\"billing_hard_limit_reached\"")},
     FATE_MONEY},
    {EMBED_SERVER_OPENAI,
     "not active",
     {429, NO_HEADERS,
      OPENAI("Not active", "billing_not_active", "null", "\"billing_not_active\"")},
     FATE_MONEY},
    {EMBED_SERVER_OPENAI,
     "tokens of a request",
     {400, NO_HEADERS,
      OPENAI("Requested 310000 tokens, max 300000", "max_tokens_per_request", "null",
             "\"max_tokens_per_request\"")},
     FATE_SMALLER},
    {EMBED_SERVER_OPENAI,
     "too long a text",
     {400, NO_HEADERS,
      OPENAI("Invalid 'input[0]': maximum input length is 8192 tokens.", "invalid_request_error",
             "null", "null")},
     FATE_GUILTY},
    {EMBED_SERVER_OPENAI,
     "wrong key",
     {401, NO_HEADERS,
      OPENAI("Incorrect API key", "invalid_request_error", "null", "\"invalid_api_key\"")},
     FATE_CONFIG},
    {EMBED_SERVER_OPENAI,
     "no such model",
     {404, NO_HEADERS,
      OPENAI("The model does not exist", "invalid_request_error", "null", "\"model_not_found\"")},
     FATE_CONFIG},
    {EMBED_SERVER_OPENAI,
     "dimensions",
     {400, NO_HEADERS,
      OPENAI("This model does not support specifying dimensions.", "invalid_request_error",
             "\"dimensions\"", "null")},
     FATE_CONFIG},
    {EMBED_SERVER_OPENAI,
     "overloaded",
     {503, NO_HEADERS, OPENAI("Overloaded", "server_error", "null", "\"server_is_overloaded\"")},
     FATE_AGAIN},

    {EMBED_SERVER_AZURE,
     "call rate",
     {429, SHORTLY,
      AZURE("429", "exceeded call rate limit of your current OpenAI S0 pricing tier")},
     FATE_AGAIN},
    {EMBED_SERVER_AZURE,
     "call volume",
     {403, NO_HEADERS,
      AZURE("403", "Out of call volume quota. Quota will be replenished in 9 days")},
     FATE_MONEY},
    {EMBED_SERVER_AZURE,
     "wrong key",
     {401, NO_HEADERS, AZURE("401", "Access denied due to invalid subscription key")},
     FATE_CONFIG},
    {EMBED_SERVER_AZURE,
     "no deployment",
     {404, NO_HEADERS, AZURE("DeploymentNotFound", "The API deployment does not exist.")},
     FATE_CONFIG},
    {EMBED_SERVER_AZURE,
     "wrong kind of model",
     {400, NO_HEADERS,
      AZURE("OperationNotSupported", "The embeddings operation does not work with gpt-4")},
     FATE_CONFIG},
    {EMBED_SERVER_AZURE,
     "api version",
     {400, NO_HEADERS, AZURE("BadRequest", "API version not supported")},
     FATE_CONFIG},
    {EMBED_SERVER_AZURE,
     "timeout",
     {408, NO_HEADERS, AZURE("Timeout", "The operation was timeout.")},
     FATE_AGAIN},
    {EMBED_SERVER_AZURE,
     "too long a text",
     {400, NO_HEADERS,
      OPENAI("This model's maximum context length is 8192 tokens, however you requested 9000",
             "invalid_request_error", "null", "null")},
     FATE_GUILTY},

    {EMBED_SERVER_TEI,
     "overloaded",
     {429, NO_HEADERS, TEI("Model is overloaded", "Overloaded")},
     FATE_AGAIN},
    {EMBED_SERVER_TEI,
     "backend",
     {424, NO_HEADERS, TEI("backend error: CUDA", "Backend")},
     FATE_AGAIN},
    {EMBED_SERVER_TEI,
     "inputs of a call",
     {422, NO_HEADERS, TEI("batch size 16 > maximum allowed batch size 8", "Validation")},
     FATE_SMALLER},
    {EMBED_SERVER_TEI, "bytes of a call", {413, NO_HEADERS, "length limit exceeded"}, FATE_SMALLER},
    {EMBED_SERVER_TEI,
     "too long a text",
     {413, NO_HEADERS,
      TEI("Input validation error: `inputs` must have less than 512 tokens. Given: 600",
          "Validation")},
     FATE_GUILTY},
    {EMBED_SERVER_TEI,
     "tokenizer",
     {422, NO_HEADERS, TEI("Tokenization error", "Tokenizer")},
     FATE_GUILTY},

    {EMBED_SERVER_VLLM,
     "too long a text",
     {400, NO_HEADERS,
      VLLM("This model's maximum context length is 512 tokens.", "BadRequestError", "400")},
     FATE_GUILTY},
    {EMBED_SERVER_VLLM,
     "no such model",
     {404, NO_HEADERS, VLLM("The model `x` does not exist.", "NotFoundError", "404")},
     FATE_CONFIG},
    {EMBED_SERVER_VLLM,
     "wrong kind of model",
     {400, NO_HEADERS, VLLM("The model does not support Embeddings API", "BadRequestError", "400")},
     FATE_CONFIG},
    {EMBED_SERVER_VLLM,
     "dimensions",
     {400, NO_HEADERS,
      VLLM("Model x does not support matryoshka representation, changing output dimensions",
           "BadRequestError", "400")},
     FATE_CONFIG},
    {EMBED_SERVER_VLLM,
     "wrong key",
     {401, NO_HEADERS, "{\"error\":\"Unauthorized\"}"},
     FATE_CONFIG},
    {EMBED_SERVER_VLLM,
     "fault",
     {500, NO_HEADERS, VLLM("", "InternalServerError", "500")},
     FATE_AGAIN},

    {EMBED_SERVER_LLAMA_CPP,
     "physical batch",
     {500, NO_HEADERS,
      LLAMA_CPP("500",
                "input (600 tokens) is too large to process. increase the physical batch size",
                "server_error")},
     FATE_GUILTY},
    {EMBED_SERVER_LLAMA_CPP,
     "context",
     {400, NO_HEADERS,
      LLAMA_CPP("400", "the request exceeds the available context size",
                "exceed_context_size_error")},
     FATE_GUILTY},
    {EMBED_SERVER_LLAMA_CPP,
     "loading",
     {503, SHORTLY, LLAMA_CPP("503", "Loading model", "unavailable_error")},
     FATE_AGAIN},
    {EMBED_SERVER_LLAMA_CPP,
     "not for embeddings",
     {501, NO_HEADERS,
      LLAMA_CPP("501", "This server does not support embeddings. Start it with `--embeddings`",
                "not_supported_error")},
     FATE_CONFIG},
    {EMBED_SERVER_LLAMA_CPP,
     "pooling",
     {400, NO_HEADERS,
      LLAMA_CPP("400", "Pooling type 'none' is not OAI compatible.", "invalid_request_error")},
     FATE_CONFIG},

    {EMBED_SERVER_OLLAMA,
     "queue",
     {503, SHORTLY,
      OLLAMA("server busy, please try again.  maximum pending requests exceeded", "api_error")},
     FATE_AGAIN},
    {EMBED_SERVER_OLLAMA,
     "no such model",
     {404, NO_HEADERS,
      OLLAMA("model \\\"x\\\" not found, try pulling it first", "not_found_error")},
     FATE_CONFIG},
    {EMBED_SERVER_OLLAMA,
     "runner gone",
     {400, NO_HEADERS,
      OLLAMA("do embedding request: Post \\\"http://127.0.0.1:1/embedding\\\": EOF",
             "invalid_request_error")},
     FATE_AGAIN},
    {EMBED_SERVER_OLLAMA,
     "not a number",
     {500, NO_HEADERS,
      OLLAMA("failed to encode response: json: unsupported value: NaN", "api_error")},
     FATE_GUILTY},
    {EMBED_SERVER_OLLAMA,
     "too long a text",
     {500, NO_HEADERS, OLLAMA("the input length exceeds the context length", "api_error")},
     FATE_GUILTY},
    {EMBED_SERVER_OLLAMA,
     "spelling",
     {400, NO_HEADERS, OLLAMA("invalid encoding_format, must be float", "invalid_request_error")},
     FATE_NUMBERS},
};

static bool is_parked(void)
{
    struct error why;
    return embed_is_parked(bench.embed, &why);
}

static void check_fate(const struct example *example)
{
    struct call *call = bench_submit(0, 16, SIZE_MAX, 0);
    bool was_parked = false;
    while (bench.undone) {
        loop_run_once(bench.loop, 1000);
        was_parked |= is_parked();
    }
    unsigned calls = embed_server_calls(bench.server);
    bool is_well = !call->has_failed;
    bool is_fate = false;
    switch (example->fate) {
    case FATE_AGAIN:
    case FATE_NUMBERS:
        is_fate = is_well && calls == 2 && !was_parked;
        break;
    case FATE_MONEY:
        is_fate = is_well && calls == 2 && was_parked && !is_parked();
        break;
    case FATE_CONFIG:
        is_fate = !is_well && call->err.code == ERR_EMBED_CONFIG && calls == 1 && is_parked();
        break;
    case FATE_GUILTY: /* it is the same whichever text is asked about: the first one ends it */
        is_fate = !is_well && call->err.code == ERR_EMBED_REFUSED && call->request.guilty < 16;
        break;
    case FATE_SMALLER:
        is_fate = is_well && calls == 3;
        break;
    }
    if (!is_fate)
        fail_msg("%s: %u calls, %s %s", example->name, calls,
                 is_well ? "well" : error_name(call->err.code), is_well ? "" : call->err.message);
    if (is_well)
        assert_vectors(call);
}

static void check_what_was_learned(const struct example *example)
{
    if (example->fate != FATE_SMALLER && example->fate != FATE_NUMBERS)
        return;
    SCRIPT(DEED_ANSWER);
    struct call *call = bench_submit(1, 16, SIZE_MAX, 0);
    bench_wait_all();
    assert_vectors(call);
    assert_int_equal(embed_server_calls(bench.server), example->fate == FATE_SMALLER ? 2 : 1);
}

static void test_dialects__mean_what_their_servers_mean(void **state)
{
    for (size_t i = 0; i < COUNT_OF(EXAMPLES); i++) {
        for (size_t is_told = 0; is_told < 2; is_told++) { /* and without being told whose it is */
            struct embed_options options = bench_options(EMBED_OPENAI);
            options.server = is_told ? EXAMPLES[i].server : EMBED_SERVER_AUTO;
            bool is_azures = EXAMPLES[i].server == EMBED_SERVER_AZURE;
            if (!is_told && is_azures)
                continue; /* found by the address */
            bench_open(&options);
            embed_server_can(bench.server, &EXAMPLES[i].canned);
            if (EXAMPLES[i].fate == FATE_GUILTY)
                SCRIPT(DEED_CANNED);
            else
                SCRIPT(DEED_CANNED, DEED_ANSWER);
            check_fate(&EXAMPLES[i]);
            check_what_was_learned(&EXAMPLES[i]);
            bench_close(state);
        }
    }
}

/* ---- the way there --------------------------------------------------------------------------- */

static void ask(enum embed_server_kind server, const char *path)
{
    struct embed_options options = bench_options(EMBED_OPENAI);
    options.server = server;
    bench_open_at(&options, path);
    SCRIPT(DEED_ANSWER);
    bench_submit(0, 40, SIZE_MAX, 0);
    bench_wait_all();
    assert_vectors(&bench.calls[0]);
}

static void test_dialects__take_the_key_where_their_servers_look_for_it(void **state)
{
    ask(EMBED_SERVER_AZURE, "/openai/deployments/emb/?api-version=2024-10-21");
    assert_true(embed_server_heard(
        bench.server, "POST /openai/deployments/emb/embeddings?api-version=2024-10-21 HTTP"));
    assert_true(embed_server_heard(bench.server, "\r\napi-key: sk-test\r\n"));
    assert_false(embed_server_heard(bench.server, "Authorization"));
    bench_close(state);

    ask(EMBED_SERVER_AUTO, "/v1");
    assert_true(embed_server_heard(bench.server, "POST /v1/embeddings HTTP"));
    assert_true(embed_server_heard(bench.server, "\r\nAuthorization: Bearer sk-test\r\n"));
    bench_close(state);
}

static void test_dialects__ask_for_no_more_than_their_servers_take(void **state)
{
    ask(EMBED_SERVER_TEI, "/v1");
    assert_int_equal(embed_server_inputs_max(bench.server), 32);
    assert_int_equal(embed_server_calls(bench.server), 2);
    bench_close(state);

    ask(EMBED_SERVER_OPENAI, "/v1");
    assert_int_equal(embed_server_inputs_max(bench.server), 40);
    bench_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialects__mean_what_their_servers_mean),
        cmocka_unit_test(test_dialects__take_the_key_where_their_servers_look_for_it),
        cmocka_unit_test(test_dialects__ask_for_no_more_than_their_servers_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
