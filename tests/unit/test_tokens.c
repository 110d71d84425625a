/* Token ids beside those of the reference implementation, and what tokens.h promises about them. */
#include "chunker/tokens.h"
#include "chunker/tokens_merge.h"
#include "chunker/tokens_tables.h"
#include "tests/unit/test.h"
#include "worker/base/buffer.h"
#include "worker/base/crypto.h"
#include "worker/base/rng.h"

enum { IDS_MAX = 4096 };

static size_t encode(struct text text, uint32_t *ids)
{
    size_t count = tokens_encode(text, ids, IDS_MAX);
    assert_true(count <= IDS_MAX);
    assert_int_equal(tokens_count(text), count);
    return count;
}

static void assert_ids(struct text text, size_t id_count, const uint32_t *expected)
{
    uint32_t ids[IDS_MAX];
    assert_int_equal(encode(text, ids), id_count);
    assert_memory_equal(ids, expected, id_count * sizeof(*ids));
}

#define IDS(...) \
    sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), ((const uint32_t[]){__VA_ARGS__})

/* ---- the reference implementation ------------------------------------------------------------ */

static void test_tokens__are_those_of_the_reference_implementation(void **state)
{
    (void)state;
    assert_int_equal(tokens_count(TEXT("")), 0);
    assert_ids(TEXT("hello world"), IDS(15339, 1917));
    assert_ids(TEXT("a\n\n "), IDS(64, 271, 220));
    assert_ids(TEXT("'s"), IDS(596));
}

static uint8_t hex_digit(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static struct text from_hex(struct text hex, char *ret_bytes)
{
    for (size_t i = 0; i < hex.bytes / 2; i++)
        ret_bytes[i] = (char)(hex_digit(hex.start[2 * i]) << 4 | hex_digit(hex.start[2 * i + 1]));
    return (struct text){ret_bytes, hex.bytes / 2};
}

static void check_vector(struct text line)
{
    struct text rest = TEXT_NONE;
    char bytes[IDS_MAX];
    uint32_t ids[IDS_MAX];
    struct text text = from_hex(text_cut(line, '\t', &rest), bytes);
    size_t count = encode(text, ids), at = 0;
    while (rest.bytes) {
        uint64_t id = 0;
        assert_true(text_parse_u64(text_cut(rest, ' ', &rest), &id));
        assert_true(at < count);
        assert_int_equal(ids[at++], id);
    }
    assert_int_equal(at, count);
}

/* vectors/tokens.txt is written by `./run oracle`. */
static void test_tokens__are_those_of_the_reference_for_a_sample_of_odd_texts(void **state)
{
    (void)state;
    char path[1024];
    assert_true(text_format(path, sizeof(path), "%s/tests/unit/vectors/tokens.txt",
                            getenv("TEST_SOURCE_DIR")));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    static char line[1 << 16];
    size_t count = 0;
    for (; fgets(line, sizeof(line), file); count++)
        check_vector((struct text){line, strcspn(line, "\n")});
    fclose(file);
    assert_true(count >= 200);
}

/* ---- the vocabulary -------------------------------------------------------------------------- */

static void append_base64(struct buffer *out, struct text text)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < text.bytes; at += 3) {
        uint8_t three[3] = {0};
        size_t bytes = text.bytes - at < 3 ? text.bytes - at : 3;
        memcpy(three, text.start + at, bytes);
        uint32_t bits = (uint32_t)three[0] << 16 | (uint32_t)three[1] << 8 | three[2];
        for (unsigned i = 0; i < 4; i++)
            buffer_append_char(out, i <= bytes ? DIGITS[bits >> (18 - 6 * i) & 63] : '=');
    }
}

static void test_tokens__have_the_vocabulary_that_the_reference_pins(void **state)
{
    (void)state;
    struct buffer ranks = buffer_new((size_t)2 * 1024 * 1024);
    for (uint32_t id = 0; id < TOKENS_VOCABULARY; id++) {
        append_base64(&ranks, tokens_text(id));
        assert_true(buffer_format(&ranks, " %u\n", id));
    }
    uint8_t hash[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    sha256_of(buffer_text(&ranks), hash);
    buffer_release(&ranks);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        assert_true(text_format(hex + 2 * i, 3, "%02x", hash[i]));
    assert_string_equal(hex, "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7");
    assert_int_equal(tokens_text(TOKENS_VOCABULARY).bytes, 0);
}

static void test_tokens__that_are_a_whole_text_are_its_only_token(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < TOKENS_VOCABULARY; id++) {
        uint32_t ids[TOKENS_BYTES_MAX];
        assert_int_equal(tokens_merge(tokens_text(id), ids, COUNT_OF(ids)), 1);
        assert_int_equal(ids[0], id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens__are_those_of_the_reference_implementation),
        cmocka_unit_test(test_tokens__are_those_of_the_reference_for_a_sample_of_odd_texts),
        cmocka_unit_test(test_tokens__have_the_vocabulary_that_the_reference_pins),
        cmocka_unit_test(test_tokens__that_are_a_whole_text_are_its_only_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
