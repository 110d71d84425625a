#include "tests/unit/test.h"
#include "worker/base/address.h"
#include "worker/model/link.h"

#define PREFIX "users/a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11/"

static const char *key_of(const char *link)
{
    static char keys[4][512];
    static unsigned next;
    char *key = keys[next++ % 4];
    struct tenant tenant;
    struct error err;
    AUTO_BUFFER struct buffer written = buffer_new(2 * LINK_BYTES_MAX);
    assert_true(tenant_from_key(TEXT(PREFIX "x"), &tenant, &err));
    if (!link_key(text_from(link), &tenant, &written, &err))
        fail_msg("%s", err.message);
    assert_true(text_format(key, sizeof(keys[0]), "%s", buffer_string(&written)));
    return key;
}

static void test_link__a_fresh_signature_is_the_same_document(void **state)
{
    (void)state;
    const char *expected = PREFIX "docs.s3.amazonaws.com/a%20b/c.pdf";
    assert_string_equal(key_of("https://docs.s3.amazonaws.com/a%20b/c.pdf"), expected);
    assert_string_equal(key_of("https://docs.s3.amazonaws.com/a%20b/c.pdf?X-Amz-Algorithm=A&"
                               "X-Amz-Credential=B&X-Amz-Signature=C&X-Amz-Expires=900"),
                        expected);
    assert_string_equal(key_of("https://docs.s3.amazonaws.com/a%20b/c.pdf?AWSAccessKeyId=A&"
                               "Signature=C&Expires=900"),
                        expected);
    assert_string_equal(key_of("https://docs.s3.amazonaws.com/a%20b/c.pdf?sv=2020&sr=b&sig=x"),
                        expected);
}

static void test_link__what_else_the_query_says_is_kept_as_a_hash(void **state)
{
    (void)state;
    const char *one = key_of("https://h.example/get?id=1&token=s3cret");
    const char *two = key_of("https://h.example/get?id=2&token=s3cret");
    assert_string_not_equal(one, two);
    assert_null(strstr(one, "s3cret"));
    assert_non_null(strstr(one, PREFIX "h.example/get~"));
    /* Short names are no signatures without the vendor's own. */
    assert_string_not_equal(key_of("https://h.example/get?st=1"),
                            key_of("https://h.example/get?st=2"));
    /* Nor are others beside a signature. */
    assert_string_not_equal(key_of("https://h.example/a?versionId=1&X-Amz-Signature=x"),
                            key_of("https://h.example/a?versionId=2&X-Amz-Signature=x"));
}

static void test_link__no_path_leads_out_of_the_prefix(void **state)
{
    (void)state;
    assert_string_equal(key_of("https://h.example/../../users//./x.pdf"),
                        PREFIX "h.example/users/x.pdf");
    assert_string_equal(key_of("https://h.example:8443"), PREFIX "h.example:8443");
}

static void assert_check(const char *link, bool allows_http, bool is_fine)
{
    struct error err = {0};
    if (link_check(text_from(link), allows_http, &err) != is_fine)
        fail_msg("%s", link);
    if (!is_fine)
        assert_int_equal(err.code, ERR_LINK_REFUSED);
    assert_null(strstr(err.message, "s3cret"));
}

static void test_link__is_sent_as_it_is_or_not_at_all(void **state)
{
    (void)state;
    assert_check("https://h.example/a%2Fb/../c?x=%C3%A9&&y", false, true);
    assert_check("http://h.example/a", false, false);
    assert_check("http://h.example/a", true, true);
    assert_check("https://h.example/a b?s3cret", false, false);
    assert_check("https://h.example/\xc3\xa9", false, false);
    assert_check("https://h.example/a#s3cret", false, false);
    assert_check("https://h.example/a\r\nX: y", false, false);
    assert_check("https://h.example\\@evil/", false, false);
    assert_check("https://user:s3cret@h.example/", false, false);
    assert_check("https:///a", false, false);
    assert_check("https://?a", false, false);
    assert_check("ftp://h.example/", true, false);
}

static void assert_resolved(const char *location, const char *expected)
{
    AUTO_BUFFER struct buffer out = buffer_new(LINK_BYTES_MAX);
    bool is_link = link_resolve(TEXT("https://h.example:8443/a/b?c"), text_from(location), &out);
    assert_int_equal(is_link, expected != NULL);
    if (expected)
        assert_text(buffer_text(&out), expected);
}

static void test_link__redirects_lead_to_links(void **state)
{
    (void)state;
    assert_resolved("/x?y", "https://h.example:8443/x?y");
    assert_resolved("https://i.example/z", "https://i.example/z");
    assert_resolved("//i.example/z", NULL);
    assert_resolved("file:///etc/passwd", NULL);
    assert_resolved("", NULL);
}

static bool is_public_v6(uint16_t first, uint16_t second, uint16_t last)
{
    uint8_t bytes[16] = {(uint8_t)(first >> 8),       (uint8_t)first,
                         (uint8_t)(second >> 8),      (uint8_t)second,
                         [14] = (uint8_t)(last >> 8), [15] = (uint8_t)last};
    return address_is_public_v6(bytes);
}

static void test_address__only_the_internet_is_public(void **state)
{
    (void)state;
    const uint8_t inside[][4] = {{0, 0, 0, 0},         {10, 1, 2, 3},        {100, 64, 0, 1},
                                 {100, 127, 255, 255}, {127, 0, 0, 1},       {127, 8, 8, 8},
                                 {169, 254, 169, 254}, {169, 254, 170, 2},   {172, 16, 0, 1},
                                 {172, 31, 255, 1},    {192, 0, 0, 8},       {192, 168, 1, 1},
                                 {198, 18, 0, 1},      {198, 19, 1, 1},      {203, 0, 113, 9},
                                 {224, 0, 0, 1},       {239, 255, 255, 250}, {255, 255, 255, 255}};
    const uint8_t outside[][4] = {{1, 1, 1, 1},     {8, 8, 8, 8},     {100, 63, 0, 1},
                                  {100, 128, 0, 1}, {126, 1, 1, 1},   {128, 0, 0, 1},
                                  {172, 15, 0, 1},  {172, 32, 0, 1},  {192, 167, 0, 1},
                                  {198, 20, 0, 1},  {223, 255, 1, 1}, {52, 216, 1, 1}};
    for (size_t i = 0; i < COUNT_OF(inside); i++)
        assert_false(address_is_public_v4(inside[i]));
    for (size_t i = 0; i < COUNT_OF(outside); i++)
        assert_true(address_is_public_v4(outside[i]));
    assert_false(is_public_v6(0, 0, 1));               /* ::1 */
    assert_false(is_public_v6(0, 0, 0));               /* :: */
    assert_false(is_public_v6(0xfe80, 0, 1));          /* link-local */
    assert_false(is_public_v6(0xfd00, 0x0ec2, 0x254)); /* metadata */
    assert_false(is_public_v6(0xff02, 0, 1));          /* multicast */
    assert_false(is_public_v6(0x2002, 0x7f00, 1));     /* 6to4 */
    assert_false(is_public_v6(0x2001, 0, 1));          /* Teredo */
    assert_false(is_public_v6(0x2001, 0xdb8, 1));
    assert_true(is_public_v6(0x2606, 0x4700, 0x1111));
    assert_true(is_public_v6(0x2a05, 0xd018, 1));
}

static void test_address__a_wrapped_address_is_what_it_wraps(void **state)
{
    (void)state;
    uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 169, 254, 169, 254};
    uint8_t nat64[16] = {0, 0x64, 0xff, 0x9b, [12] = 10, 0, 0, 1};
    assert_false(address_is_public_v6(mapped));
    assert_false(address_is_public_v6(nat64));
    mapped[12] = nat64[12] = 8;
    assert_true(address_is_public_v6(mapped));
    assert_true(address_is_public_v6(nat64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link__a_fresh_signature_is_the_same_document),
        cmocka_unit_test(test_link__what_else_the_query_says_is_kept_as_a_hash),
        cmocka_unit_test(test_link__no_path_leads_out_of_the_prefix),
        cmocka_unit_test(test_link__is_sent_as_it_is_or_not_at_all),
        cmocka_unit_test(test_link__redirects_lead_to_links),
        cmocka_unit_test(test_address__only_the_internet_is_public),
        cmocka_unit_test(test_address__a_wrapped_address_is_what_it_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
