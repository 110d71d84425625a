#include "tests/unit/test.h"
#include "worker/base/date.h"

static void test_date__reads_what_http_servers_write(void **state)
{
    (void)state;
    uint64_t wall_ms = 0;
    assert_true(date_from_http(TEXT("Sun, 06 Nov 1994 08:49:37 GMT"), &wall_ms));
    assert_int_equal(wall_ms, 784111777000u);
    assert_true(date_from_http(TEXT("Thu, 29 Feb 2024 23:59:59 GMT"), &wall_ms));
    assert_int_equal(wall_ms, 1709251199000u);
    assert_true(date_from_http(TEXT("Thu, 01 Jan 1970 00:00:00 GMT"), &wall_ms));
    assert_int_equal(wall_ms, 0);
}

static void test_date__reads_iso_with_fraction_and_offset(void **state)
{
    (void)state;
    uint64_t wall_ms = 0;
    assert_true(date_from_iso(TEXT("2015-08-30T12:36:00Z"), &wall_ms));
    assert_int_equal(wall_ms, 1440938160000u);
    assert_true(date_from_iso(TEXT("2015-08-30T12:36:00.123456Z"), &wall_ms));
    assert_int_equal(wall_ms, 1440938160123u);
    assert_true(date_from_iso(TEXT("2015-08-30T14:36:00+02:00"), &wall_ms));
    assert_int_equal(wall_ms, 1440938160000u);
    assert_true(date_from_iso(TEXT("2015-08-30T07:06:00-0530"), &wall_ms));
    assert_int_equal(wall_ms, 1440938160000u);
}

static void test_date__refuses_everything_else(void **state)
{
    (void)state;
    uint64_t wall_ms = 7;
    const char *http[] = {"",
                          "Sun, 06 Nov 1994 08:49:37",
                          "Sun, 06 Nov 1994 08:49:37 CET",
                          "Sun, 6 Nov 1994 08:49:37 GMT",
                          "Sun, 06 Mov 1994 08:49:37 GMT",
                          "Sun, 06 Nov 1994 24:49:37 GMT",
                          "Sun, 06 Nov 1969 08:49:37 GMT",
                          "Sunday, 06-Nov-94 08:49:37 GMT",
                          "Sun Nov  6 08:49:37 1994"};
    const char *iso[] = {"",
                         "2015-08-30",
                         "2015-08-30T12:36:00",
                         "2015-13-30T12:36:00Z",
                         "2015-08-30T12:36:00.Z",
                         "2015-08-30T12:36:00+2",
                         "2015-08-30 12:36:00Z",
                         "1970-01-01T00:00:00+01:00",
                         "2015-08-30T12:36:00Zx"};
    for (size_t i = 0; i < COUNT_OF(http); i++)
        assert_false(date_from_http(text_from(http[i]), &wall_ms));
    for (size_t i = 0; i < COUNT_OF(iso); i++)
        assert_false(date_from_iso(text_from(iso[i]), &wall_ms));
    assert_int_equal(wall_ms, 7);
}

static void test_date__writes_the_compact_form_of_aws(void **state)
{
    (void)state;
    char buffer[DATE_AMZ_BYTES];
    assert_string_equal(date_to_amz(1440938160999u, buffer), "20150830T123600Z");
    assert_string_equal(date_to_amz(1709251199000u, buffer), "20240229T235959Z");
    assert_string_equal(date_to_amz(0, buffer), "19700101T000000Z");
}

static void test_date__reads_back_every_day_of_two_centuries(void **state)
{
    (void)state;
    for (uint64_t day = 0; day < 200 * 366; day++) {
        char amz[DATE_AMZ_BYTES], iso[32];
        date_to_amz(day * 86400000u + 1000, amz);
        assert_true(
            text_format(iso, sizeof(iso), "%.4s-%.2s-%.2sT00:00:01Z", amz, amz + 4, amz + 6));
        uint64_t wall_ms = 0;
        assert_true(date_from_iso(text_from(iso), &wall_ms));
        assert_int_equal(wall_ms, day * 86400000u + 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_date__reads_what_http_servers_write),
        cmocka_unit_test(test_date__reads_iso_with_fraction_and_offset),
        cmocka_unit_test(test_date__refuses_everything_else),
        cmocka_unit_test(test_date__writes_the_compact_form_of_aws),
        cmocka_unit_test(test_date__reads_back_every_day_of_two_centuries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
