#include "tests/unit/test.h"
#include "worker/base/json.h"
#include "worker/outcome.h"

static void test_outcome__a_failure_has_sentence_detail_and_remedy(void **state)
{
    (void)state;
    struct conclusion conclusion = {
        .effect = EFFECT_DROP, .outcome = OUTCOME_FAILED, .has_code = true};
    struct object_request get = {.body_bytes = 17};
    struct ledger_finish finish = {0};
    char expected[640];
    error_set(&conclusion.err, ERR_EMPTY, "zero of zero bytes");
    (void)text_format(expected, sizeof(expected), "%s (zero of zero bytes) %s",
                      error_sentence(ERR_EMPTY), error_remedy(ERR_EMPTY));

    outcome_fill(&conclusion, &get, NULL, &finish);
    assert_text(finish.message, expected);
    assert_true(finish.has_code);
    assert_int_equal(finish.code, ERR_EMPTY);
    assert_int_equal(finish.effect, EFFECT_DROP);
    assert_int_equal(finish.outcome, OUTCOME_FAILED);
    assert_int_equal(finish.size_bytes, 17);
    assert_int_equal(finish.chunk_count, 0);
    outcome_release(&conclusion);
}

static void test_outcome__does_not_say_the_same_twice(void **state)
{
    (void)state;
    struct conclusion conclusion = {.has_code = true, .outcome = OUTCOME_FAILED};
    struct object_request get = {0};
    struct ledger_finish finish = {0};
    char expected[640];
    error_set(&conclusion.err, ERR_EMPTY, "%s", error_sentence(ERR_EMPTY));
    (void)text_format(expected, sizeof(expected), "%s %s", error_sentence(ERR_EMPTY),
                      error_remedy(ERR_EMPTY));
    outcome_fill(&conclusion, &get, NULL, &finish);
    assert_text(finish.message, expected);
    outcome_release(&conclusion);
}

static void test_outcome__the_longest_message_of_every_code_fits_and_is_utf8(void **state)
{
    (void)state;
    for (unsigned code = 0; code < ERROR_CODE_COUNT; code++) {
        struct conclusion conclusion = {.has_code = true};
        struct object_request get = {0};
        struct ledger_finish finish = {0};
        char detail[300];
        for (size_t i = 0; i + 2 < sizeof(detail); i += 2)
            memcpy(detail + i, "\xc3\xa4", 2);
        detail[298] = '\0';
        error_set(&conclusion.err, (enum error_code)code, "%s", detail);
        outcome_fill(&conclusion, &get, NULL, &finish);
        assert_true(text_is_utf8(finish.message));
        assert_true(text_ends_with(finish.message, text_from(error_remedy((enum error_code)code))));
        outcome_release(&conclusion);
    }
}

static void test_outcome__the_metadata_is_json_also_when_nothing_was_read(void **state)
{
    (void)state;
    struct conclusion conclusion = {.effect = EFFECT_GONE, .outcome = OUTCOME_SKIPPED};
    struct object_request get = {.body_bytes = 99, .etag = "abc"};
    struct ledger_finish finish = {0};
    struct error err;
    uint64_t bytes = 0;
    outcome_fill(&conclusion, &get, NULL, &finish);
    AUTO_JSON struct json *root = json_parse(finish.metadata, &err);
    assert_non_null(root);
    assert_true(json_u64(json_member(root, "bytes"), &bytes));
    assert_int_equal(bytes, 99);
    assert_text(finish.etag, "abc");
    assert_false(finish.has_code);
    assert_int_equal(finish.tokens_billed, 0);
    assert_null(finish.price.start);
    assert_int_equal(finish.message.bytes, 0);
    assert_null(finish.extracted_text.start);
    outcome_release(&conclusion);
    outcome_release(&conclusion); /* twice does no harm */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcome__a_failure_has_sentence_detail_and_remedy),
        cmocka_unit_test(test_outcome__does_not_say_the_same_twice),
        cmocka_unit_test(test_outcome__the_longest_message_of_every_code_fits_and_is_utf8),
        cmocka_unit_test(test_outcome__the_metadata_is_json_also_when_nothing_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
