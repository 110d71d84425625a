#include "tests/unit/test.h"
#include "worker/page.h"

static const struct page_part PART = {
    .name = "things",
    .title = "Things",
    .empty = "There are none.",
    .values = {"user_id", "status", "control", "total_documents", "processed_count", "failed_count",
               "cancelled_count", "total_bytes", "seconds", "created_at", "error_code"},
    .columns = {{"user_id", "tenant", PAGE_ID},
                {"status", "state", PAGE_STATE},
                {"total_documents", "documents", PAGE_PROGRESS},
                {"total_bytes", "stored", PAGE_BYTES},
                {"seconds", "left", PAGE_DURATION},
                {"created_at", "since", PAGE_TIME},
                {"error_code", "reason", PAGE_CODE},
                {"remedy", "what to do", PAGE_REMEDY}},
};

static struct page_row a_row(void)
{
    return (struct page_row){&PART,
                             {TEXT("592f29cd-245e-4c6e-9f10-000000000001"), TEXT("processing"),
                              TEXT("none"), TEXT("1234567"), TEXT("1000"), TEXT("2"), TEXT("1"),
                              TEXT("8394"), TEXT("75.500"), TEXT("2026-11-21T13:29:59.123456Z"),
                              TEXT("damaged")}};
}

static void assert_row_has(const struct page_row *row, const char *wanted)
{
    AUTO_BUFFER struct buffer out = buffer_new(65536);
    page_write_row(&out, row);
    size_t at;
    if (!text_find(buffer_text(&out), text_from(wanted), &at))
        fail_msg("no %s in: %s", wanted, buffer_string(&out));
}

static void test_page__values_are_written_for_people(void **state)
{
    struct page_row row = a_row();
    (void)state;
    assert_row_has(&row, "<code title=\"592f29cd-245e-4c6e-9f10-000000000001\">592f29cd</code>");
    assert_row_has(&row, "aria-label=\"1,003 of 1,234,567 documents\"></progress> 1,003/1,234,567");
    assert_row_has(&row, ">8.4 kB<");
    assert_row_has(&row, ">1 min 15 s<");
    assert_row_has(&row,
                   "<time datetime=\"2026-11-21T13:29:59.123456Z\">2026-11-21 13:29 UTC</time>");
    assert_row_has(&row, error_remedy(ERR_DAMAGED));
}

static void test_page__a_pause_is_said_while_the_job_is_open(void **state)
{
    struct page_row row = a_row();
    (void)state;
    row.values[2] = TEXT("pause");
    assert_row_has(&row, "class=\"state paused\">paused<");
    row.values[1] = TEXT("completed");
    assert_row_has(&row, "class=\"state completed\">completed<");
}

static void test_page__nulls_are_empty_cells(void **state)
{
    struct page_row row = {.part = &PART};
    (void)state;
    assert_row_has(&row, "data-title=\"left\" class=\"duration\"></td>");
    assert_row_has(&row, "data-title=\"since\" class=\"time\"></td>");
    assert_string_equal("", page_remedy(&row));
}

static void test_page__foreign_text_is_never_markup(void **state)
{
    struct page_row row = a_row();
    (void)state;
    row.values[0] = TEXT("\"><b>x");
    row.values[1] = TEXT("<script>&");
    row.values[9] = TEXT("2026-11-21T\"onload=1");
    AUTO_BUFFER struct buffer out = buffer_new(65536);
    page_write_row(&out, &row);
    size_t at;
    /* each half of a mark, since one that is escaped would hide the other */
    static const char *const marks[] = {"<script", "script>", "<b", "b>x", "\"onload"};
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        if (text_find(buffer_text(&out), text_from(marks[i]), &at))
            fail_msg("%s in: %s", marks[i], buffer_string(&out));
    assert_true(text_find(buffer_text(&out), TEXT("&lt;script&gt;&amp;"), &at));
}

static void test_page__every_column_has_a_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGE_PART_COUNT; i++)
        for (const struct page_column *column = PAGE_PARTS[i].columns; column->title; column++) {
            bool is_there = column->kind == PAGE_REMEDY;
            for (size_t j = 0; j < PAGE_COLUMNS_MAX; j++)
                is_there |=
                    PAGE_PARTS[i].values[j] && strcmp(PAGE_PARTS[i].values[j], column->name) == 0;
            if (!is_there)
                fail_msg("%s: nothing is named %s", PAGE_PARTS[i].name, column->name);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page__values_are_written_for_people),
        cmocka_unit_test(test_page__a_pause_is_said_while_the_job_is_open),
        cmocka_unit_test(test_page__nulls_are_empty_cells),
        cmocka_unit_test(test_page__foreign_text_is_never_markup),
        cmocka_unit_test(test_page__every_column_has_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
