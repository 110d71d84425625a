#include <math.h>

#include "embed/embed.h"
#include "embed/local.h"
#include "tests/unit/test.h"

#define DIMENSIONS 512

static float cosine(const char *a, const char *b)
{
    float one[DIMENSIONS], two[DIMENSIONS], sum = 0;
    embed_local_vector(text_from(a), one, DIMENSIONS);
    embed_local_vector(text_from(b), two, DIMENSIONS);
    for (size_t i = 0; i < DIMENSIONS; i++)
        sum += one[i] * two[i];
    return sum;
}

static void test_local__gives_unit_vectors_for_anything(void **state)
{
    (void)state;
    static const struct text TEXTS[] = {
        {"", 0},     {"***", 3},       {"word", 4}, {"\xff\xfe\x80 \xe3\x81", 6},
        {"\0\0", 2}, {"水車小屋", 12},
    };
    static const uint32_t WIDTHS[] = {1, 2, 256, 3072};
    static float vector[3072];
    for (size_t t = 0; t < COUNT_OF(TEXTS); t++) {
        for (size_t w = 0; w < COUNT_OF(WIDTHS); w++) {
            double sum = 0;
            embed_local_vector(TEXTS[t], vector, WIDTHS[w]);
            for (uint32_t i = 0; i < WIDTHS[w]; i++)
                sum += (double)vector[i] * vector[i];
            assert_true(fabs(sum - 1) < 1e-5);
        }
    }
}

static void test_local__is_the_same_everywhere(void **state)
{
    (void)state;
    float vector[4];

    embed_local_vector(TEXT("The miller grinds the corn."), vector, 4);

    /* measured once; a change means that stored vectors no longer match new ones */
    assert_true(fabsf(vector[0] + 0.495405197f) < 1e-6f);
    assert_true(fabsf(vector[1] - 0.1312875f) < 1e-6f);
}

static void test_local__ignores_case_and_where_the_text_is_parted(void **state)
{
    (void)state;
    float whole[DIMENSIONS], parted[DIMENSIONS];
    struct local *local = local_new(DIMENSIONS);

    local_embed(local, TEXT("Title\n\n"), TEXT("ÄPFEL und BIRNEN"), parted);
    local_embed(local, TEXT("title äpfel Und Birnen"), TEXT_NONE, whole);

    assert_memory_equal(whole, parted, sizeof(whole));
    local_free(local);
}

static void test_local__ends_a_word_where_another_script_begins(void **state)
{
    (void)state;
    /* more distinct characters than are held at once stand between the words */
    static char text[20000];
    size_t bytes = 0;
    for (uint32_t c = 0x4e00; bytes < sizeof(text) - 16; c++) {
        text[bytes++] = (char)(0xe0 | c >> 12);
        text[bytes++] = (char)(0x80 | (c >> 6 & 0x3f));
        text[bytes++] = (char)(0x80 | (c & 0x3f));
        memcpy(text + bytes, "mill", 4);
        bytes += 4;
    }
    float one[DIMENSIONS], two[DIMENSIONS];

    embed_local_vector((struct text){text, bytes}, one, DIMENSIONS);
    embed_local_vector((struct text){text, bytes}, two, DIMENSIONS);

    assert_memory_equal(one, two, sizeof(one));
    assert_true(cosine("mill水", "mill 水") > 0.9999f);
}

static void test_local__finds_the_text_that_a_question_is_about(void **state)
{
    (void)state;
    static const char MILL[] = "The water mill grinds grain into flour. Its wheel is turned by the "
                               "stream, and the stones must be dressed every year.";
    static const char TRAIN[] = "The night train leaves at nine and reaches the coast in the "
                                "morning. Berths should be reserved well in advance.";
    static const char QUESTION[] = "how are the millstones dressed in a water mill?";

    assert_true(cosine(QUESTION, MILL) > cosine(QUESTION, TRAIN) + 0.1f);
    assert_true(cosine("Which trains go at night?", TRAIN) >
                cosine("Which trains go at night?", MILL) + 0.1f);
    assert_true(cosine("水车磨面粉", "这座水车每天磨出很多面粉") >
                cosine("水车磨面粉", "夜车早上到达海边") + 0.1f);
}

static void test_local__is_not_led_by_common_words(void **state)
{
    (void)state;
    assert_true(cosine("what is the of and to", "rye bread") < 0.3f);
    assert_true(cosine("what is the rye for", "rye bread") >
                cosine("what is the rye for", "what is the sun for"));
}

static void test_local__takes_texts_of_any_length(void **state)
{
    (void)state;
    static char text[3 << 20];
    float vector[DIMENSIONS];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i % 7 ? 'a' + (i * i / 7) % 26 : ' ');

    embed_local_vector((struct text){text, sizeof(text)}, vector, DIMENSIONS);

    assert_true(isfinite(vector[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local__gives_unit_vectors_for_anything),
        cmocka_unit_test(test_local__is_the_same_everywhere),
        cmocka_unit_test(test_local__ignores_case_and_where_the_text_is_parted),
        cmocka_unit_test(test_local__ends_a_word_where_another_script_begins),
        cmocka_unit_test(test_local__finds_the_text_that_a_question_is_about),
        cmocka_unit_test(test_local__is_not_led_by_common_words),
        cmocka_unit_test(test_local__takes_texts_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
