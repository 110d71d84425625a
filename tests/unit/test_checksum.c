#include "queue/checksum.h"
#include "tests/unit/test.h"
#include "worker/base/crc.h"

/* The check values of the catalogue of CRC algorithms. */
static void test_crc__has_the_catalogues_check_values(void **state)
{
    (void)state;
    assert_int_equal(crc32_of(TEXT("123456789")), 0xcbf43926u);
    assert_int_equal(crc32c_of(TEXT("123456789")), 0xe3069283u);
    assert_true(crc64_nvme_of(TEXT("123456789")) == UINT64_C(0xae8b14860a799888));
    assert_int_equal(crc32_of(TEXT_NONE), 0);
    assert_true(crc64_nvme_of(TEXT_NONE) == 0);
}

/* Bit by bit, as the polynomial is defined. */
static uint64_t slowly(struct text text)
{
    uint64_t crc = UINT64_MAX;
    for (size_t i = 0; i < text.bytes; i++) {
        crc ^= (unsigned char)text.start[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ UINT64_C(0x9a6c9329ac4bc9b5) : crc >> 1;
    }
    return ~crc;
}

static void test_crc__any_length_at_any_place(void **state)
{
    (void)state;
    char bytes[96];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(unsigned char)(i * 37 + 11);
    for (size_t from = 0; from < 9; from++)
        for (size_t to = from; to < sizeof(bytes); to++) {
            struct text text = {bytes + from, to - from};
            assert_true(crc64_nvme_of(text) == slowly(text));
        }
}

static void assert_sum(enum checksum_kind kind, const char *value)
{
    struct checksum said, computed = checksum_of(kind, TEXT("hello"));
    assert_true(checksum_parse(kind, text_from(value), &said));
    assert_true(checksum_equal(&said, &computed));
    computed = checksum_of(kind, TEXT("hellp"));
    assert_false(checksum_equal(&said, &computed));
}

/* Values as an S3 server gives them for the body "hello". */
static void test_checksum__knows_what_s3_keeps(void **state)
{
    (void)state;
    assert_sum(CHECKSUM_MD5, "5d41402abc4b2a76b9719d911017c592");
    assert_sum(CHECKSUM_SHA256, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    assert_sum(CHECKSUM_SHA1, "qvTGHdzF6KLavt4PO0gs2a6pQ00=");
    assert_sum(CHECKSUM_CRC32, "NhCmhg==");
    assert_sum(CHECKSUM_CRC32C, "mnG7TA==");
}

static void test_checksum__passes_over_what_is_not_of_the_whole(void **state)
{
    (void)state;
    struct checksum sum;
    assert_false(checksum_parse(CHECKSUM_CRC32, TEXT("NhCmhg==-3"), &sum));
    assert_false(checksum_parse(CHECKSUM_CRC32, TEXT(""), &sum));
    assert_false(checksum_parse(CHECKSUM_CRC32, TEXT("qvTGHdzF6KLavt4PO0gs2a6pQ00="), &sum));
    assert_false(checksum_parse(CHECKSUM_MD5, TEXT("5d41402abc4b2a76b9719d911017c592-2"), &sum));
    assert_null(checksum_header(CHECKSUM_MD5));
    assert_string_equal(checksum_header(CHECKSUM_CRC64_NVME), "x-amz-checksum-crc64nvme");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc__has_the_catalogues_check_values),
        cmocka_unit_test(test_crc__any_length_at_any_place),
        cmocka_unit_test(test_checksum__knows_what_s3_keeps),
        cmocka_unit_test(test_checksum__passes_over_what_is_not_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
