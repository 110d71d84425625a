#include "tests/unit/test.h"
#include "worker/rows.h"

static void test_rows__call_a_file_by_its_name_inside_its_tenants_prefix(void **state)
{
    (void)state;
    assert_text(file_of_key(TEXT("users/a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11/x/y.pdf")), "x/y.pdf");
    assert_text(file_of_key(TEXT("loose.pdf")), "loose.pdf");
    assert_text(file_of_key(TEXT("users/only")), "users/only");
}

static void test_rows__call_a_tenant_by_its_first_digits(void **state)
{
    (void)state;
    assert_text(row_tenant_name(TEXT("a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11")), "a1f6c2d0");
    assert_text(row_tenant_name(TEXT("de300000-0000-4000-8000-000000000001")), "demo");
    assert_text(row_tenant_name(TEXT_NONE), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows__call_a_file_by_its_name_inside_its_tenants_prefix),
        cmocka_unit_test(test_rows__call_a_tenant_by_its_first_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
