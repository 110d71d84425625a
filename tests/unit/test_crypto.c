#include "tests/unit/test.h"
#include "worker/base/crypto.h"

static struct uuid uuid_of(const char *string)
{
    struct uuid id = UUID_NIL;
    assert_true(uuid_parse(text_from(string), &id));
    return id;
}

#define assert_hex(data, bytes, expected)          \
    do {                                           \
        char actual_hex[2 * (bytes) + 1];          \
        hex_format(data, bytes, actual_hex);       \
        assert_string_equal(actual_hex, expected); \
    } while (0)

#define assert_uuid(id, expected)                                    \
    do {                                                             \
        char actual_uuid[UUID_TEXT_BYTES];                           \
        assert_string_equal(uuid_format(id, actual_uuid), expected); \
    } while (0)

static void test_sha256__matches_the_vectors_of_fips_180(void **state)
{
    (void)state;
    uint8_t hash[SHA256_BYTES];
    sha256_of(TEXT_NONE, hash);
    assert_hex(hash, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_of(TEXT("abc"), hash);
    assert_hex(hash, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_of(TEXT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), hash);
    assert_hex(hash, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_sha256__added_in_pieces_is_the_same_hash(void **state)
{
    (void)state;
    uint8_t hash[SHA256_BYTES];
    struct sha256 *sha256 = sha256_new();
    sha256_add(sha256, "a", 1);
    sha256_add(sha256, NULL, 0);
    sha256_add(sha256, "bc", 2);
    sha256_finish(sha256, hash);
    assert_hex(hash, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_hmac__matches_the_vectors_of_rfc_4231(void **state)
{
    (void)state;
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(TEXT("Jefe"), TEXT("what do ya want for nothing?"), mac);
    assert_hex(mac, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char long_key[131];
    memset(long_key, 0xaa, sizeof(long_key));
    hmac_sha256((struct text){long_key, sizeof(long_key)},
                TEXT("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    assert_hex(mac, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_hmac__an_empty_key_is_not_the_key_of_the_call_before(void **state)
{
    (void)state;
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(TEXT("Jefe"), TEXT("x"), mac);
    hmac_sha256(TEXT_NONE, TEXT_NONE, mac);
    assert_hex(mac, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_md5__matches_a_vector_of_rfc_1321(void **state)
{
    (void)state;
    uint8_t hash[16];
    md5_of(TEXT("message digest"), hash);
    assert_hex(hash, 16, "f96b697d7cb7938d525a2f31aaf161d0");
}

static void test_secret__equal_compares_content_and_length(void **state)
{
    (void)state;
    assert_true(secret_equal(TEXT("token"), TEXT("token")));
    assert_true(secret_equal(TEXT_NONE, TEXT("")));
    assert_false(secret_equal(TEXT("token"), TEXT("tokem")));
    assert_false(secret_equal(TEXT("token"), TEXT("token ")));
}

static void test_uuid__v5_matches_the_vector_of_rfc_9562(void **state)
{
    (void)state;
    struct uuid dns = uuid_of("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    assert_uuid(uuid_v5(dns, TEXT("www.example.com")), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    assert_uuid(uuid_v5(dns, TEXT("python.org")), "886313e1-3b8a-5372-9b90-0c9aee199e5d");
}

static void test_uuid__v4_carries_version_and_variant_and_differs(void **state)
{
    (void)state;
    struct uuid a = uuid_v4(), b = uuid_v4();
    assert_false(uuid_equal(a, b));
    assert_int_equal(a.bytes[6] >> 4, 4);
    assert_int_equal(a.bytes[8] >> 6, 2);
    assert_false(uuid_is_nil(a));
    assert_true(uuid_is_nil(UUID_NIL));
}

static void test_uuid__has_one_spelling_only(void **state)
{
    (void)state;
    struct uuid id = UUID_NIL;
    const char *const wrong[] = {
        "",
        "6BA7B810-9dad-11d1-80b4-00c04fd430c8",
        "6ba7b8109dad11d180b400c04fd430c8",
        "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8 ",
        "6ba7b81-09dad-11d1-80b4-00c04fd430c8",
        "6ba7b810-9dad-11d1-80b4-00c04fd430g8",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(uuid_parse(text_from(wrong[i]), &id));
    assert_true(uuid_is_nil(id));
    assert_true(uuid_compare(uuid_of("00000000-0000-0000-0000-000000000001"),
                             uuid_of("00000000-0000-0000-0000-0000000000ff")) < 0);
}

static void test_hex__reads_both_cases_and_exactly_the_length_asked_for(void **state)
{
    (void)state;
    uint8_t data[2] = {0, 0};
    assert_true(hex_parse(TEXT("aFf0"), data, 2));
    assert_int_equal(data[0], 0xaf);
    assert_int_equal(data[1], 0xf0);
    assert_false(hex_parse(TEXT("aFf"), data, 2));
    assert_false(hex_parse(TEXT("aFf0"), data, 1));
    assert_false(hex_parse(TEXT("aFg0"), data, 2));
    assert_true(hex_parse(TEXT_NONE, data, 0));
}

static void test_base64__matches_the_vectors_of_rfc_4648_both_ways(void **state)
{
    (void)state;
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t i = 0; i < COUNT_OF(plain); i++) {
        char text[16] = "";
        uint8_t data[16];
        size_t bytes = 99;
        assert_int_equal(base64_encoded_bytes(i), strlen(coded[i]));
        base64_encode(text_from(plain[i]), text);
        assert_string_equal(text, coded[i]);
        assert_true(base64_decode(text_from(coded[i]), data, i, &bytes));
        assert_int_equal(bytes, i);
        assert_memory_equal(data, plain[i], i);
    }
}

static void test_base64__refuses_every_other_spelling(void **state)
{
    (void)state;
    const char *const wrong[] = {"Zg",   "Zg=",  "Zh==",     "Zm9=",     "Z===",  "====",
                                 "Zm 9", "Zm-_", "Zg==Zg==", "Zm9vYg=v", "Zm9v\n"};
    uint8_t data[16];
    size_t bytes = 99;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(base64_decode(text_from(wrong[i]), data, sizeof(data), &bytes));
    assert_false(base64_decode(TEXT("Zm9v"), data, 2, &bytes));
    assert_int_equal(bytes, 99);
}

static void test_random__u63_is_never_zero_nor_negative(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_u63();
        assert_true(value > 0 && value <= INT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256__matches_the_vectors_of_fips_180),
        cmocka_unit_test(test_sha256__added_in_pieces_is_the_same_hash),
        cmocka_unit_test(test_hmac__matches_the_vectors_of_rfc_4231),
        cmocka_unit_test(test_hmac__an_empty_key_is_not_the_key_of_the_call_before),
        cmocka_unit_test(test_md5__matches_a_vector_of_rfc_1321),
        cmocka_unit_test(test_secret__equal_compares_content_and_length),
        cmocka_unit_test(test_uuid__v5_matches_the_vector_of_rfc_9562),
        cmocka_unit_test(test_uuid__v4_carries_version_and_variant_and_differs),
        cmocka_unit_test(test_uuid__has_one_spelling_only),
        cmocka_unit_test(test_hex__reads_both_cases_and_exactly_the_length_asked_for),
        cmocka_unit_test(test_base64__matches_the_vectors_of_rfc_4648_both_ways),
        cmocka_unit_test(test_base64__refuses_every_other_spelling),
        cmocka_unit_test(test_random__u63_is_never_zero_nor_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
