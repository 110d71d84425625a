#include "tests/unit/test.h"
#include "worker/model/document.h"
#include "worker/model/tenant.h"

#define ALICE "a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11"
#define BOB "b27d9e54-83aa-4f60-8c15-6d0e94f1b2a3"

static struct tenant tenant_of(const char *key)
{
    struct tenant tenant = {0};
    struct error err;
    assert_true(tenant_from_key(text_from(key), &tenant, &err));
    return tenant;
}

static void test_tenant__everything_derives_from_the_key(void **state)
{
    (void)state;
    struct tenant tenant = tenant_of("users/" ALICE "/a b/ü.pdf");
    assert_string_equal(tenant.vector_namespace, "user_a1f6c2d05b7e4c1a9d3f2e8b7a640c11");
    assert_string_equal(tenant.schema, "user_a1f6c2d05b7e4c1a9d3f2e8b7a640c11");
    assert_string_equal(tenant.prefix, "users/" ALICE "/");
    struct tenant again = tenant_from_user_id(tenant.id);
    assert_memory_equal(&tenant, &again, sizeof(tenant));
}

static void test_tenant__accepts_the_odd_names_people_give_to_files(void **state)
{
    (void)state;
    tenant_of("users/" ALICE "/x");
    tenant_of("users/" ALICE "/...");
    tenant_of("users/" ALICE "/..a/.b/c.");
    tenant_of("users/" ALICE "/users/" BOB "/x");
    tenant_of("users/" ALICE "/100 % + #?&\\'\";-- \xe2\x80\xae.pdf");
    tenant_of("users/" ALICE "/%2e%2e/%2F");
}

static void test_tenant__refuses_hostile_keys(void **state)
{
    (void)state;
    const struct text hostile[] = {
        TEXT(""),
        TEXT("users"),
        TEXT("users/"),
        TEXT("users/" ALICE),
        TEXT("users/" ALICE "/"),
        TEXT("users/" ALICE "//"),
        TEXT("users/" ALICE "//x"),
        TEXT("users//" ALICE "/x"),
        TEXT("/users/" ALICE "/x"),
        TEXT(" users/" ALICE "/x"),
        TEXT("Users/" ALICE "/x"),
        TEXT("users\\" ALICE "\\x"),
        TEXT("users/" ALICE "/x/"),
        TEXT("users/" ALICE "/x//y"),
        TEXT("users/" ALICE "/."),
        TEXT("users/" ALICE "/.."),
        TEXT("users/" ALICE "/../" BOB "/x"),
        TEXT("users/" ALICE "/x/../../" BOB "/x"),
        TEXT("users/" ALICE "/x/.."),
        TEXT("users/" ALICE "/./x"),
        TEXT("users/../" ALICE "/x"),
        TEXT("users/A1F6C2D0-5B7E-4C1A-9D3F-2E8B7A640C11/x"),
        TEXT("users/a1f6c2d05b7e4c1a9d3f2e8b7a640c11/x"),
        TEXT("users/{" ALICE "}/x"),
        TEXT("users/" ALICE "x/x"),
        TEXT("users/" ALICE "%2Fx/y"),
        TEXT("users/00000000-0000-0000-0000-000000000000/x"),
        TEXT("users/" ALICE "/x\0y"),
        TEXT("users/" ALICE "\0/x"),
        TEXT("users/" ALICE "/x\ny"),
        TEXT("users/" ALICE "/x\ry"),
        TEXT("users/" ALICE "/\x1b[2J"),
        TEXT("users/" ALICE "/\x7f"),
        TEXT("users/" ALICE "/\xc2\x9b"),
        TEXT("users/" ALICE "/\xff"),
        TEXT("users/" ALICE "/\xc0\xae\xc0\xae/x"),
        TEXT("users/" ALICE "/\xed\xa0\x80"),
        TEXT("users/" ALICE "/\xe2\x82"),
    };
    struct tenant untouched = {0}, tenant = {0};
    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        struct error err = {0};
        if (tenant_from_key(hostile[i], &tenant, &err))
            fail_msg("accepted: %.*s", TEXT_ARGS(hostile[i]));
        assert_int_equal(err.code, ERR_EVENT_KEY);
        assert_memory_equal(&tenant, &untouched, sizeof(tenant));
    }
}

static void test_tenant__takes_keys_up_to_the_limit_of_s3(void **state)
{
    (void)state;
    char key[TENANT_KEY_BYTES_MAX + 1];
    struct tenant tenant;
    struct error err;
    memset(key, 'x', sizeof(key));
    memcpy(key, "users/" ALICE "/", 43);
    assert_true(tenant_from_key((struct text){key, TENANT_KEY_BYTES_MAX}, &tenant, &err));
    assert_false(tenant_from_key((struct text){key, TENANT_KEY_BYTES_MAX + 1}, &tenant, &err));
}

static void test_tenant__owns_its_own_valid_keys_only(void **state)
{
    (void)state;
    struct tenant alice = tenant_of("users/" ALICE "/x");
    assert_true(tenant_owns_key(&alice, TEXT("users/" ALICE "/y")));
    assert_false(tenant_owns_key(&alice, TEXT("users/" BOB "/y")));
    assert_false(tenant_owns_key(&alice, TEXT("users/" ALICE "/../" BOB "/y")));
    assert_false(tenant_owns_key(&alice, TEXT("users/" ALICE)));
}

static void test_tenant__schema_prefix_is_a_plain_identifier(void **state)
{
    (void)state;
    struct error err;
    const char *const wrong[] = {"",     "1a",      "A",    "a-b",
                                 "a\"b", "pg_user", "ab c", "a234567890123456789012345678901"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(tenant_set_schema_prefix(text_from(wrong[i]), &err));
        assert_int_equal(err.code, ERR_CONFIG);
    }
    assert_true(tenant_set_schema_prefix(TEXT("a23456789012345678901234567890"), &err));
    assert_string_equal(tenant_of("users/" ALICE "/x").schema,
                        "a23456789012345678901234567890a1f6c2d05b7e4c1a9d3f2e8b7a640c11");
    assert_string_equal(tenant_of("users/" ALICE "/x").vector_namespace,
                        "user_a1f6c2d05b7e4c1a9d3f2e8b7a640c11");
    assert_true(tenant_set_schema_prefix(TEXT("user_"), &err));
}

static void test_document__ids_derive_from_bucket_and_key_and_are_frozen(void **state)
{
    (void)state;
    char id[UUID_TEXT_BYTES];
    struct document document = document_of(TEXT("bucket"), TEXT("users/" ALICE "/x"));
    assert_string_equal(uuid_format(document.id, id), "c8d27381-48cc-55ef-b58e-2ff3c5cd3535");
    assert_string_equal(uuid_format(document_bare_job(&document, TEXT("0055AED6DCD90281E5")), id),
                        "3ad8e3b6-c924-5974-b820-284d60f6231e");
    struct document other = document_of(TEXT("bucke"), TEXT("t/users/" ALICE "/x"));
    assert_false(uuid_equal(document.id, other.id));
}

static void test_document__words_are_the_ones_in_the_tables(void **state)
{
    (void)state;
    assert_string_equal(outcome_name(OUTCOME_SUCCESS), "success");
    assert_string_equal(outcome_name(OUTCOME_SKIPPED), "skipped");
    assert_string_equal(outcome_name(OUTCOME_FAILED), "failed");
    assert_string_equal(outcome_name(OUTCOME_CANCELLED), "cancelled");
    assert_string_equal(effect_name(EFFECT_LIVE), "live");
    assert_string_equal(effect_name(EFFECT_KEEP), "keep");
    assert_string_equal(effect_name(EFFECT_DROP), "drop");
    assert_string_equal(effect_name(EFFECT_GONE), "gone");
}

static void test_vector_id__reads_back_what_it_wrote(void **state)
{
    (void)state;
    struct uuid id = tenant_of("users/" ALICE "/x").id, read = UUID_NIL;
    const uint64_t gens[] = {1, 0xabc, INT64_MAX, UINT64_MAX};
    const uint32_t numbers[] = {0, 7, 4095, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(gens); i++) {
        char text[VECTOR_ID_BYTES_MAX];
        uint64_t gen = 0;
        uint32_t no = 0;
        vector_id_format(id, gens[i], numbers[i], text);
        assert_true(vector_id_parse(text_from(text), &read, &gen, &no));
        assert_true(uuid_equal(id, read));
        assert_true(gen == gens[i]);
        assert_int_equal(no, numbers[i]);
    }
}

static void test_vector_id__refuses_everything_else(void **state)
{
    (void)state;
    const char *const wrong[] = {
        "",
        ALICE,
        ALICE "#",
        ALICE "#1",
        ALICE "#1#",
        ALICE "##0",
        ALICE "#01#0",
        ALICE "#A#0",
        ALICE "#1#00",
        ALICE "#1#4294967296",
        "#1#0",
        ALICE "#1#0#",
        ALICE "#1#-1",
        ALICE "#1# 0",
        ALICE "#11111111111111111#0",
        " " ALICE "#1#0",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct uuid id;
        uint64_t gen;
        uint32_t no;
        assert_false(vector_id_parse(text_from(wrong[i]), &id, &gen, &no));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tenant__everything_derives_from_the_key),
        cmocka_unit_test(test_tenant__accepts_the_odd_names_people_give_to_files),
        cmocka_unit_test(test_tenant__refuses_hostile_keys),
        cmocka_unit_test(test_tenant__takes_keys_up_to_the_limit_of_s3),
        cmocka_unit_test(test_tenant__owns_its_own_valid_keys_only),
        cmocka_unit_test(test_tenant__schema_prefix_is_a_plain_identifier),
        cmocka_unit_test(test_document__ids_derive_from_bucket_and_key_and_are_frozen),
        cmocka_unit_test(test_document__words_are_the_ones_in_the_tables),
        cmocka_unit_test(test_vector_id__reads_back_what_it_wrote),
        cmocka_unit_test(test_vector_id__refuses_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
