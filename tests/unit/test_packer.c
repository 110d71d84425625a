#include "tests/unit/test.h"
#include "worker/base/packer.h"
#include "worker/base/rng.h"

#define DICTIONARY \
    "\"eventSource\":\"aws:s3\",\"awsRegion\":\"us-east-1\",\"eventName\":\"ObjectCreated:Put\""

static struct packer *packer;

static int set_up(void **state)
{
    (void)state;
    packer = packer_new(TEXT(DICTIONARY));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    packer_free(packer);
    return 0;
}

static void test_packer__what_is_usual_takes_little(void **state)
{
    (void)state;
    struct text plain =
        TEXT("{\"eventSource\":\"aws:s3\",\"awsRegion\":\"us-east-1\",\"size\":17}");
    char packed[100], unpacked[100];
    size_t bytes = packer_pack(packer, plain, packed, sizeof(packed));
    assert_in_range(bytes, 1, plain.bytes / 2);
    packer_unpack(packer, (struct text){packed, bytes}, unpacked, plain.bytes);
    assert_memory_equal(unpacked, plain.start, plain.bytes);
}

static void test_packer__what_does_not_fit_is_not_packed(void **state)
{
    (void)state;
    char packed[8];
    assert_int_equal(
        packer_pack(packer, TEXT("neither known nor repeated"), packed, sizeof(packed)), 0);
}

static void test_packer__any_bytes_come_back_in_any_order(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(3);
    char plain[2][600], packed[2][1000], unpacked[600];
    for (unsigned round = 0; round < 200; round++) {
        size_t plain_bytes[2], packed_bytes[2];
        for (unsigned i = 0; i < 2; i++) {
            plain_bytes[i] = 1 + (size_t)rng_below(&rng, sizeof(plain[i]));
            uint64_t variety = 1 + rng_below(&rng, 256);
            for (size_t at = 0; at < plain_bytes[i]; at++)
                plain[i][at] = (char)rng_below(&rng, variety);
            packed_bytes[i] = packer_pack(packer, (struct text){plain[i], plain_bytes[i]},
                                          packed[i], sizeof(packed[i]));
            assert_int_not_equal(packed_bytes[i], 0);
        }
        for (unsigned i = 2; i-- > 0;) {
            packer_unpack(packer, (struct text){packed[i], packed_bytes[i]}, unpacked,
                          plain_bytes[i]);
            assert_memory_equal(unpacked, plain[i], plain_bytes[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packer__what_is_usual_takes_little),
        cmocka_unit_test(test_packer__what_does_not_fit_is_not_packed),
        cmocka_unit_test(test_packer__any_bytes_come_back_in_any_order),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
