/* Token ids beside those of the reference implementation, and what tokens.h promises about them. */
#include "chunker/tokens.h"
#include "chunker/tokens_merge.h"
#include "chunker/tokens_tables.h"
#include "tests/unit/test.h"
#include "worker/base/buffer.h"
#include "worker/base/crypto.h"
#include "worker/base/rng.h"

enum { IDS_MAX = 4096, SUM_PIECES_AT_ONCE = 200 };

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

/* ---- promises -------------------------------------------------------------------------------- */

static const char *const CHARACTERS[] = {
    "a",
    "e",
    "th",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    ".",
    "--",
    "'s",
    "'LL",
    "7",
    "2026",
    "\xC3\xA9",
    "\xCC\x81",
    "\xE4\xB8\x80",
    "\xE2\x80\xA8",
    "\xC2\x85",
    "\xF0\x9F\x98\x80",
    "\xE0\xA4\xBF",
    "\xFF",
    "\xE4\xB8",
    "<|endoftext|>",
};

/* Random, but such that the same characters meet often. */
static struct text random_text(struct rng *rng, char *bytes, size_t bytes_max)
{
    size_t used = 0, alphabet = 1 + rng_below(rng, COUNT_OF(CHARACTERS));
    size_t bytes_wanted = rng_below(rng, bytes_max - 64);
    while (used < bytes_wanted) {
        struct text next = text_from(CHARACTERS[rng_below(rng, alphabet)]);
        memcpy(bytes + used, next.start, next.bytes);
        used += next.bytes;
    }
    return (struct text){bytes, used};
}

static void test_tokens__spell_the_text_again_whatever_its_bytes(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(1);
    for (unsigned round = 0; round < 2000; round++) {
        char bytes[512];
        size_t byte_count = rng_below(&rng, sizeof(bytes)), at = 0;
        for (size_t i = 0; i < byte_count; i++)
            bytes[i] = (char)rng_below(&rng, 256);
        uint32_t ids[IDS_MAX];
        size_t count = encode((struct text){bytes, byte_count}, ids);
        for (size_t i = 0; i < count; i++) {
            struct text token = tokens_text(ids[i]);
            assert_true(token.bytes > 0 && token.bytes <= byte_count - at);
            assert_memory_equal(bytes + at, token.start, token.bytes);
            at += token.bytes;
        }
        assert_int_equal(at, byte_count);
    }
}

static void test_tokens__are_written_as_far_as_there_is_room(void **state)
{
    (void)state;
    uint32_t ids[] = {1, 2, 3};

    assert_int_equal(tokens_encode(TEXT("hello world"), ids, 1), 2);
    assert_int_equal(tokens_encode(TEXT("hello world"), NULL, 0), 2);

    assert_int_equal(ids[0], 15339);
    assert_int_equal(ids[1], 2);
}

/* Places where pieces begin, the end, and the tokens before each. */
struct sums {
    size_t place_count;
    size_t places[2048], tokens[2048];
};

static void sum_pieces(struct text text, size_t pieces_at_once, struct sums *sums)
{
    static struct tokens_memo memo; /* what other texts left in it is right for this one */
    struct tokens_piece pieces[SUM_PIECES_AT_ONCE];
    size_t at = 0, count = 0;
    *sums = (struct sums){.place_count = 1};
    while ((count = tokens_pieces(text, &at, pieces, pieces_at_once, &memo)) > 0)
        for (size_t i = 0; i < count; i++, sums->place_count++) {
            size_t last = sums->place_count - 1;
            assert_true(sums->place_count < COUNT_OF(sums->places) && pieces[i].bytes > 0);
            sums->places[last + 1] = sums->places[last] + pieces[i].bytes;
            sums->tokens[last + 1] = sums->tokens[last] + pieces[i].token_count;
        }
    assert_int_equal(at, text.bytes);
    assert_int_equal(sums->places[sums->place_count - 1], text.bytes);
}

static bool is_space(struct text piece)
{
    static const char *const WIDE[] = {"\xC2\x85", "\xE2\x80\xA8"}; /* of CHARACTERS */
    size_t used = 0;
    for (; piece.bytes; piece = text_slice(piece, used, piece.bytes)) {
        used = strchr(" \n\r\t", piece.start[0]) != NULL;
        for (size_t i = 0; i < COUNT_OF(WIDE); i++)
            used += text_starts_with(piece, text_from(WIDE[i])) ? strlen(WIDE[i]) : 0;
        if (used == 0)
            return false;
    }
    return true;
}

static bool is_space_piece(struct text text, const struct sums *sums, size_t piece)
{
    return is_space(text_slice(text, sums->places[piece], sums->places[piece + 1]));
}

static void test_tokens__of_a_part_made_of_pieces_are_their_sum(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(2);
    static struct sums sums;
    for (unsigned round = 0; round < 1000; round++) {
        char bytes[1024];
        struct text text = random_text(&rng, bytes, sizeof(bytes));
        sum_pieces(text, 1 + rng_below(&rng, SUM_PIECES_AT_ONCE), &sums);
        for (unsigned part = 0; part < 20; part++) {
            size_t from = rng_below(&rng, sums.place_count);
            size_t to = from + rng_below(&rng, sums.place_count - from);
            while (to > from && is_space_piece(text, &sums, to - 1))
                to--;
            size_t count = tokens_count(text_slice(text, sums.places[from], sums.places[to]));
            assert_int_equal(count, sums.tokens[to] - sums.tokens[from]);
        }
    }
}

/* ASCII of all kinds, of which a few meet often, and rarely something else. */
static struct text random_ascii(struct rng *rng, char *bytes, size_t bytes_max)
{
    static const char KINDS[] = "aesdmtlvrREZ  \n\r\t\f'.-\"(0123456789_\x01\x7f";
    size_t alphabet = 1 + rng_below(rng, sizeof(KINDS) - 1), used = 0;
    size_t first = rng_below(rng, sizeof(KINDS) - 1);
    while (used + 4 < bytes_max) {
        if (rng_below(rng, 100) == 0) {
            memcpy(bytes + used, "\xC5\xBF", 2); /* the long s */
            used += 2;
        } else {
            size_t kind = first + rng_below(rng, alphabet);
            bytes[used++] = KINDS[kind % (sizeof(KINDS) - 1)];
        }
    }
    return (struct text){bytes, used};
}

static void test_tokens__are_the_same_in_many_pieces_at_once_and_one_by_one(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(7);
    static struct sums many, single;
    for (unsigned round = 0; round < 10000; round++) {
        char bytes[512];
        struct text text = round % 2 ? random_ascii(&rng, bytes, sizeof(bytes))
                                     : random_text(&rng, bytes, sizeof(bytes));
        sum_pieces(text, SUM_PIECES_AT_ONCE, &many);
        sum_pieces(text, 1, &single);
        assert_int_equal(many.place_count, single.place_count);
        for (size_t i = 0; i < many.place_count; i++) {
            assert_int_equal(many.places[i], single.places[i]);
            assert_int_equal(many.tokens[i], single.tokens[i]);
        }
    }
}

/* Where pieces may still change: at the white space at the end, or in the last piece without it. */
static size_t settled_bytes(struct text text, const struct sums *sums)
{
    size_t place = sums->place_count - 1;
    while (place > 0 && is_space_piece(text, sums, place - 1))
        place--;
    bool ends_in_space = place < sums->place_count - 1;
    return sums->places[ends_in_space || place == 0 ? place : place - 1];
}

static void test_tokens__of_a_text_that_grows_stay_as_they_are(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(6);
    static struct sums before, after;
    for (unsigned round = 0; round < 3000; round++) {
        char bytes[512];
        struct text grown = random_text(&rng, bytes, sizeof(bytes));
        size_t cut = rng_below(&rng, grown.bytes + 1);
        struct text text = text_utf8_prefix(grown, cut);
        if (!text_is_utf8(grown))
            continue;
        sum_pieces(text, SUM_PIECES_AT_ONCE, &before);
        sum_pieces(grown, SUM_PIECES_AT_ONCE, &after);
        size_t settled = settled_bytes(text, &before);
        for (size_t i = 0; i < before.place_count && before.places[i] <= settled; i++) {
            assert_int_equal(before.places[i], after.places[i]);
            assert_int_equal(before.tokens[i], after.tokens[i]);
        }
    }
}

/* ---- merging --------------------------------------------------------------------------------- */

/* Byte pair encoding as it is defined: the lowest rank first, of equal ones the left. */
static size_t merge_slowly(struct text text, uint32_t *ids)
{
    size_t count = text.bytes;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(tokens_encode(text_slice(text, i, i + 1), ids + i, 1), 1);
    for (;;) {
        uint32_t lowest = TOKENS_NONE;
        size_t at = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            uint32_t id = tokens_merged(ids[i], ids[i + 1]);
            if (id < lowest) {
                lowest = id;
                at = i;
            }
        }
        if (lowest == TOKENS_NONE)
            return count;
        ids[at] = lowest;
        memmove(ids + at + 1, ids + at + 2, (count - at - 2) * sizeof(*ids));
        count--;
    }
}

static void test_tokens__are_what_merging_the_lowest_rank_first_gives(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(3);
    for (unsigned round = 0; round < 3000; round++) {
        char bytes[256];
        uint32_t slow[COUNT_OF(bytes)], quick[COUNT_OF(bytes)];
        struct text text = random_text(&rng, bytes, sizeof(bytes));
        if (text.bytes == 0)
            continue;
        size_t count = merge_slowly(text, slow);
        assert_int_equal(tokens_merge(text, quick, COUNT_OF(quick)), count);
        assert_memory_equal(slow, quick, count * sizeof(*slow));
    }
}

/* However little is remembered: the same, or the word that it was too little. */
static void test_tokens__do_not_depend_on_how_much_of_the_way_is_remembered(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(4);
    uint32_t tokens[256];
    uint64_t dead[COUNT_OF(tokens) / 64];
    struct merge_memory little = {COUNT_OF(tokens), tokens, dead};
    size_t enough = 0;
    for (unsigned round = 0; round < 300; round++) {
        char bytes[IDS_MAX];
        uint32_t ids[2][IDS_MAX];
        struct text text = random_text(&rng, bytes, sizeof(bytes));
        size_t count = text.bytes ? tokens_merge_in(little, text, ids[0], IDS_MAX) : 0;
        if (count == 0)
            continue;
        enough++;
        assert_int_equal(tokens_merge(text, ids[1], IDS_MAX), count);
        assert_memory_equal(ids[0], ids[1], count * sizeof(uint32_t));
    }
    assert_true(enough > 200);
}

static void test_tokens__of_a_long_text_are_counted_like_those_of_its_pieces(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(5);
    static char bytes[1 << 17];
    size_t used = 0, sum = 0, at = 0;
    while (used + 4096 < sizeof(bytes))
        used += random_text(&rng, bytes + used, 4096).bytes;
    struct text text = {bytes, used};
    struct tokens_piece piece;
    while (tokens_pieces(text, &at, &piece, 1, NULL))
        sum += piece.token_count;

    assert_int_equal(tokens_count(text), sum);
}

static void test_tokens__are_exact_for_the_models_that_read_them(void **state)
{
    (void)state;
    assert_true(tokens_are_exact(TEXT("text-embedding-3-large")));
    assert_true(tokens_are_exact(TEXT("openai/text-embedding-3-small")));
    assert_false(tokens_are_exact(TEXT("nomic-embed-text")));
    assert_false(tokens_are_exact(TEXT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens__are_those_of_the_reference_implementation),
        cmocka_unit_test(test_tokens__are_those_of_the_reference_for_a_sample_of_odd_texts),
        cmocka_unit_test(test_tokens__have_the_vocabulary_that_the_reference_pins),
        cmocka_unit_test(test_tokens__that_are_a_whole_text_are_its_only_token),
        cmocka_unit_test(test_tokens__spell_the_text_again_whatever_its_bytes),
        cmocka_unit_test(test_tokens__are_written_as_far_as_there_is_room),
        cmocka_unit_test(test_tokens__of_a_part_made_of_pieces_are_their_sum),
        cmocka_unit_test(test_tokens__are_the_same_in_many_pieces_at_once_and_one_by_one),
        cmocka_unit_test(test_tokens__of_a_text_that_grows_stay_as_they_are),
        cmocka_unit_test(test_tokens__are_what_merging_the_lowest_rank_first_gives),
        cmocka_unit_test(test_tokens__do_not_depend_on_how_much_of_the_way_is_remembered),
        cmocka_unit_test(test_tokens__of_a_long_text_are_counted_like_those_of_its_pieces),
        cmocka_unit_test(test_tokens__are_exact_for_the_models_that_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
