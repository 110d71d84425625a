/* docs/configuration.md and the program say the same about the options. */
#include "tests/unit/test.h"
#include "worker/config.h"

static void test_reference__has_the_options_table_of_the_program(void **state)
{
    (void)state;
    char path[4096];
    struct error err;
    struct buffer page = buffer_new(1 << 20), table = buffer_new(1 << 20);
    const char *folder = getenv("TEST_SOURCE_DIR");
    assert_true(text_format(path, sizeof(path), "%s/docs/configuration.md", folder ? folder : "."));
    assert_true(environment_read_file(path, &page, &err));
    config_describe(&table, true);
    assert_true(table.bytes > 1000);
    struct text rest = buffer_text(&table);
    while (rest.bytes) { /* row by row, so that the failure names the row */
        struct text row = text_cut(rest, '\n', &rest);
        size_t at;
        if (!text_find(buffer_text(&page), row, &at))
            fail_msg("docs/configuration.md lacks: %.*s", TEXT_ARGS(row));
    }
    buffer_release(&page);
    buffer_release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference__has_the_options_table_of_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
