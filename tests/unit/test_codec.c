#include <math.h>

#include "embed/codec.h"
#include "tests/unit/test.h"
#include "worker/base/rng.h"

static float floats[8];
static enum codec_row states[4];
static struct codec_reply reply;
static struct error err;

/* Two vectors of two floats are expected. */
static bool read(const char *json)
{
    memset(floats, 0, sizeof(floats));
    const struct codec_rows rows = {floats, states, 2, 2};
    return codec_read(text_from(json), &rows, &reply, &err);
}

static void test_codec__writes_a_request(void **state)
{
    (void)state;
    struct buffer out = buffer_new(4096);

    codec_begin(&out, TEXT("a \"model\""));
    codec_input(&out, true, TEXT("Title\n\n"), TEXT("tab\t\\ and \f"));
    codec_input(&out, false, TEXT_NONE, TEXT("Mühle\x01"));
    codec_end(&out, 256, true);

    assert_text(buffer_text(&out),
                "{\"model\":\"a \\\"model\\\"\",\"input\":[\"Title\\n\\ntab\\t\\\\ and \\f\","
                "\"Mühle\\u0001\"],\"encoding_format\":\"base64\",\"dimensions\":256}");
    buffer_release(&out);
}

static void test_codec__leaves_out_what_a_server_refuses(void **state)
{
    (void)state;
    struct buffer out = buffer_new(4096);

    codec_begin(&out, TEXT("m"));
    codec_input(&out, true, TEXT_NONE, TEXT("x"));
    codec_end(&out, 0, false);

    assert_text(buffer_text(&out), "{\"model\":\"m\",\"input\":[\"x\"]}");
    buffer_release(&out);
}

/* 1.0f, -2.0f and 0.5f, 4.0f */
#define FIRST "AACAPwAAAMA="
#define SECOND "AAAAPwAAgEA="

static void test_codec__reads_base64_by_index(void **state)
{
    (void)state;
    assert_true(read("{\"object\":\"list\",\"data\":["
                     "{\"object\":\"embedding\",\"index\":1,\"embedding\":\"" SECOND "\"},"
                     "{\"embedding\":\"" FIRST "\",\"index\":0}],"
                     "\"model\":\"m\",\"usage\":{\"prompt_tokens\":7,\"total_tokens\":9}}"));

    assert_true(floats[0] == 1.0f && floats[1] == -2.0f);
    assert_true(floats[2] == 0.5f && floats[3] == 4.0f);
    assert_int_equal(reply.tokens, 9);
    assert_int_equal(reply.bad_row_count, 0);
}

static void test_codec__reads_numbers_where_they_come_instead(void **state)
{
    (void)state;
    assert_true(read("{\"data\":[{\"index\":0,\"embedding\":[1, -2.0e0]},"
                     "{\"index\":1,\"embedding\":[ 0.0333251953125 , 1E-3 ]}]}"));

    assert_true(floats[0] == 1.0f && floats[1] == -2.0f);
    assert_true(floats[2] == 0.0333251953125f && floats[3] == 0.001f);
    assert_int_equal(reply.tokens, 0);
}

static void test_codec__names_rows_that_are_no_vectors(void **state)
{
    (void)state;
    assert_true(read("{\"data\":[{\"index\":0,\"embedding\":[0,0.0]},"
                     "{\"index\":1,\"embedding\":[1,2]}]}"));
    assert_int_equal(states[0], CODEC_BAD);
    assert_int_equal(states[1], CODEC_GOOD);

    assert_true(read("{\"data\":[{\"index\":0,\"embedding\":[1e39,1]},"
                     "{\"index\":1,\"embedding\":[1,NaN]}]}"));
    assert_int_equal(reply.bad_row_count, 2);

    /* the second float of the first is not a number */
    assert_true(read("{\"data\":[{\"index\":0,\"embedding\":\"AACAPwAAwH8=\"},"
                     "{\"index\":1,\"embedding\":[1,2]}]}"));
    assert_int_equal(states[0], CODEC_BAD);
}

static void test_codec__refuses_wrong_counts_and_indexes(void **state)
{
    (void)state;
    static const char *const WRONG[] = {
        "{\"data\":[]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1,2]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1,2]},{\"index\":0,\"embedding\":[1,2]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1,2]},{\"index\":2,\"embedding\":[1,2]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1,2]},{\"index\":-1,\"embedding\":[1,2]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1,2]},{\"index\":0.5,\"embedding\":[1,2]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1,2]},{\"embedding\":[1,2]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1,2,3]},{\"index\":1,\"embedding\":[1,2]}]}",
    };
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        assert_false(read(WRONG[i]));
        assert_int_equal(err.code, ERR_EMBED_VECTOR);
    }
}

static void test_codec__says_how_wide_the_vectors_were(void **state)
{
    (void)state;
    static const char ONE[] = "{\"data\":[{\"index\":0,\"embedding\":[1,2]}]}";
    const struct codec_rows wide = {floats, states, 1, 8};
    const struct codec_rows narrow = {floats, states, 1, 1};

    assert_false(codec_read(text_from(ONE), &wide, &reply, &err));
    assert_int_equal(reply.wrong_width, 2);
    assert_string_equal(err.message, "vectors of 2 values instead of 8 (a quarter: floats were "
                                     "taken for base64 on the way)");
    assert_false(codec_read(text_from(ONE), &narrow, &reply, &err));
    assert_string_equal(err.message,
                        "vectors of 2 values instead of 1 (twice: they may be 64-bit floats)");
}

static void test_codec__refuses_what_is_no_reply(void **state)
{
    (void)state;
    static const char *const GARBAGE[] = {
        "",
        "<html>502</html>",
        "[]",
        "{}",
        "{\"data\":7}",
        "{\"data\":[{\"index\":0",
        "{\"data\":[{\"index\":0,\"embedding\":\"AACAPwAAAMA",
        "{\"data\":[1,2]}",
        ("{\"data\":[{\"index\":0,\"embedding\":\"AACAPwAA*MA=\"},"
         "{\"index\":1,\"embedding\":[1,2]}]}"),
        "{\"data\":[{\"index\":0,\"embedding\":{}},{\"index\":1,\"embedding\":[1,2]}]}",
    };
    for (size_t i = 0; i < COUNT_OF(GARBAGE); i++) {
        assert_false(read(GARBAGE[i]));
        assert_int_equal(err.code, ERR_PROTOCOL);
    }
}

static void test_codec__reads_refusals_of_many_servers(void **state)
{
    (void)state;
    struct codec_refusal refusal;

    codec_read_refusal(
        TEXT("{\"error\":{\"message\":\"too \\u00e4rg\\n\",\"type\":\"t\",\"param\":null,"
             "\"code\":\"max_tokens_per_request\"}}"),
        &refusal);
    assert_string_equal(refusal.code, "max_tokens_per_request");
    assert_string_equal(refusal.message, "too ärg ");
    assert_string_equal(refusal.param, "");

    codec_read_refusal(TEXT("{\"error\":\"no such model\"}"), &refusal);
    assert_string_equal(refusal.message, "no such model");
    codec_read_refusal(TEXT("{\"message\":\"batch\",\"code\":413,\"type\":\"Validation\"}"),
                       &refusal);
    assert_string_equal(refusal.code, "413");
    assert_string_equal(refusal.type, "Validation");
    codec_read_refusal(TEXT(" Bad Gateway "), &refusal);
    assert_string_equal(refusal.message, "Bad Gateway");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec__writes_a_request),
        cmocka_unit_test(test_codec__leaves_out_what_a_server_refuses),
        cmocka_unit_test(test_codec__reads_base64_by_index),
        cmocka_unit_test(test_codec__reads_numbers_where_they_come_instead),
        cmocka_unit_test(test_codec__names_rows_that_are_no_vectors),
        cmocka_unit_test(test_codec__refuses_wrong_counts_and_indexes),
        cmocka_unit_test(test_codec__says_how_wide_the_vectors_were),
        cmocka_unit_test(test_codec__refuses_what_is_no_reply),
        cmocka_unit_test(test_codec__reads_refusals_of_many_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
