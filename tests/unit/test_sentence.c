/* Where sentences end. In the cases, | stands for a space that parts two of them. */
#include "chunker/boundary_class.h"
#include "chunker/sentence.h"
#include "chunker/sentence_words.h"
#include "tests/unit/test.h"
#include "tests/whole_file.h"

#define CASE_BYTES_MAX 1024

/* The text of a case, and whether its sentences come out as it says. */
static bool is_split_as_said(const char *said)
{
    char text[CASE_BYTES_MAX], found[CASE_BYTES_MAX];
    size_t bytes = strlen(said);
    assert_true(bytes < sizeof(text));
    for (size_t i = 0; i <= bytes; i++)
        text[i] = found[i] = said[i] == '|' ? ' ' : said[i];
    for (size_t at = 0; (at = sentence_next((struct text){text, bytes}, at)) < bytes;)
        found[at - 1] = '|';
    bool is_equal = strcmp(found, said) == 0;
    if (!is_equal)
        print_message("said  %s\nfound %s\n", said, found);
    return is_equal;
}

static void assert_cases(const char *const *cases, size_t count, size_t right_min)
{
    size_t right = 0;
    for (size_t i = 0; i < count; i++)
        right += is_split_as_said(cases[i]);
    print_message("%zu of %zu\n", right, count);
    assert_true(right >= right_min);
}

/* One for each of the 48 golden rules of English sentence splitters, in words of our own; what we
 * do not try: lists within a line whose items end in nothing, and some runs of dots. */
static void test_sentence__follows_the_golden_rules(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "The mill stands.|Its wheel turns.",
        "Who keeps the mill?|My aunt does.",
        "It turns!|We saw it.",
        "The miller was called Anna B. Miller.",
        "See the drawing on p. 12.",
        "Did Miller and co. pay the rent?",
        "The mill was sold to Stone, Wheel & Co. in spring.",
        "We wrote to Stone and co.|They never answered.",
        "It was sold to Stone, Wheel & Co.|It never opened again.",
        "The river rises on Mt. Brocken in the north.",
        "St. Anna's mill is on Brook st. behind the weir.",
        "This was Miller Jr.'s wheel.",
        "He left the U.S.A. in autumn.",
        "They lived in the E.U.|How long did they stay?",
        "They lived in the U.S.|When did they leave?",
        "She works for the U.S. Customs in Boston.",
        "He was in the U.S. for two years.",
        "At 4 p.m. Dr. Miller came.|He left at 5 P.M.|Mrs. Miller stayed.",
        "Flour costs $12.50 a bag.",
        "It costs $12.50.|He has paid it.",
        "He owns it (He bought it after the flood.) to this day.",
        "Write to a.miller@mill.example.|I will answer.",
        "Look at https://www.mill.5.example/new/wheel_one.html.|Please tell me more.",
        "She said, 'It turns.' and left.",
        "She said, \"It turns.\" and left.",
        "She said, \"It turns.\"|She left the room.",
        "Well!!|Now it runs.",
        "Well??|Does it run?",
        "Well!?|Does it run?",
        "Well?!|Does it run?",
        "1.) Open the sluice|2.) Start the wheel",
        "1.) Open the sluice.|2.) Start the wheel.",
        "1) Open the sluice|2) Start the wheel",
        "1) Open the sluice.|2) Start the wheel.",
        "1. Open the sluice|2. Start the wheel",
        "1. Open the sluice.|2. Start the wheel.",
        "• 7. Open the sluice|• 8. Start the wheel",
        "⁃7. Open the sluice|⁃8. Start the wheel",
        "a. Open the sluice|b. Start the wheel|c. Wait",
        "The part is N°. 20.14.553.|That one is new.",
        "He worked for Wheel! in the summer.",
        "So it was you and I.|Did Anna I. Miller know?",
        "The book says “it turned slower and slower. . . .”",
        "\"Miller [...] used the same stones [...]\" (Wheel 12).",
        "Words may be left out at the end of what is quoted . . . .|The next one follows.",
        "I never said so....|He had gone.",
        "It was ... well, slow...so . . . what I mean is . . . I did not see it.",
        "A habit that was weaker . . . was to mill by night. . . .|The wheel went on. . . .",
    };
    assert_int_equal(COUNT_OF(CASES), 48);
    assert_cases(CASES, COUNT_OF(CASES), 42);
}

static void test_sentence__knows_eight_languages(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "Mr. Miller, Mrs. Miller and Prof. Stone came.|Gen. Wheel did not.",
        "The café closed in 1984.|It was late.",
        "Die Mühle am 3. Mai, bzw. Abb. 7, vgl. Kap. 2, z.B. Roggen usw.|Der Müller schlief.",
        "Das gilt lt. Art. 5 Abs. 2.|Es ist so.",
        "Voir p. 12 et M. Dupont, cf. fig. 3.|Il est venu env. dix fois.",
        "El Sr. García y la Sra. Ruiz viven en la pág. 4.|Ella lo sabe.",
        "Il sig. Rossi e il dott. Bianchi, cfr. pag. 9, grano ecc.|La ruota gira.",
        "O Sr. Silva e a Sra. Costa moram na av. Central.|Ele trabalha.",
        "De heer dr. Jansen, bijv. op blz. 4, meel enz.|Het rad draait.",
        "Prof. Nowak mieszka na ul. Młyńskiej, zob. nr 4 itd.|Koło się obraca.",
    };
    size_t right = 0;
    for (size_t i = 0; i < COUNT_OF(CASES); i++)
        right += is_split_as_said(CASES[i]);
    assert_int_equal(right, COUNT_OF(CASES));
}

static void test_sentence__knows_the_stops_of_many_scripts(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        /* two sentences each */
        "Տուն։ Ջուր։",            /* Armenian */
        "ما هذا؟ هذا ماء.",       /* Arabic */
        "یہ پانی ہے۔ وہ گھر ہے۔", /* Urdu */
        "यह घर है। वह जल है।",      /* Devanagari */
        "আমি যাই। তুমি আস।",       /* Bengali, by the danda */
        "ရေ။ မီး။",                /* Myanmar */
        "ቤት። ውሃ።",                /* Ethiopic */
        "これは水。それは火。",   /* Japanese */
        "是吗？是的。",           /* Chinese */
        "ទឹក។ ភ្លើង។",              /* Khmer, not in the standard */
        "ᠤᠰᠤ᠃ ᠭᠠᠯ᠃",              /* Mongolian */
        "ܡܝܐ܀ ܢܘܪܐ܀",             /* Syriac */
        "ꓮꓯ꓿ ꓮꓯ꓿",                /* Lisu */
        "ᐃᒥᖅ᙮ ᐃᑯᒪ᙮",              /* Canadian syllabics */
        "ᱫᱟᱜ᱾ ᱥᱮᱸᱜᱮᱞ᱾",           /* Ol Chiki */
        "ꯏꯁꯤꯡ꯫ ꯃꯩ꯫",              /* Meetei Mayek */
    };
    size_t right = 0;
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct text text = text_from(CASES[i]);
        size_t end = sentence_next(text, 0);
        if (end < text.bytes)
            right++;
        else
            print_message("one sentence: %s\n", CASES[i]);
    }
    assert_int_equal(right, COUNT_OF(CASES));
}

/* ---- the standard's own files, where Debian's unicode-data is installed ---------------------- */

#define UNICODE_DATA "/usr/share/unicode/"

static bool read_standard(const char *path, struct buffer *ret_content)
{
    *ret_content = buffer_new(16 << 20);
    if (whole_file_read(path, ret_content))
        return true;
    print_message("SKIPPED: %s is not there (unicode-data)\n", path);
    return false;
}

static uint32_t hex_of(struct text text)
{
    uint32_t value = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.start[i];
        value = value * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static void append_code_point(struct buffer *out, uint32_t c)
{
    if (c < 0x80) {
        buffer_append_char(out, (char)c);
    } else if (c < 0x800) {
        buffer_append_char(out, (char)(0xc0 | c >> 6));
    } else if (c < 0x10000) {
        buffer_append_char(out, (char)(0xe0 | c >> 12));
        buffer_append_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    } else {
        buffer_append_char(out, (char)(0xf0 | c >> 18));
        buffer_append_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        buffer_append_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    if (c >= 0x80)
        buffer_append_char(out, (char)(0x80 | (c & 0x3f)));
}

/* "÷ 0061 × 0308 ÷": the text, and a byte for each of its places, 1 where it is cut. */
static void read_case(struct text line, struct buffer *text, uint8_t cuts[CASE_BYTES_MAX])
{
    memset(cuts, 0, CASE_BYTES_MAX);
    while (line.bytes) {
        struct text word = text_cut(line, ' ', &line);
        if (text_equal(word, TEXT("÷")))
            cuts[text->bytes] = 1;
        else if (word.bytes && !text_equal(word, TEXT("×")))
            append_code_point(text, hex_of(word));
    }
}

static bool is_cut_so(struct text text, const uint8_t *cuts)
{
    for (size_t at = 0; at < text.bytes;) {
        size_t end = sentence_next(text, at);
        for (size_t i = at + 1; i < end; i++)
            if (cuts[i])
                return false;
        if (!cuts[end])
            return false;
        at = end;
    }
    return true;
}

static void test_sentence__passes_the_standards_test(void **state)
{
    (void)state;
    struct buffer file;
    size_t count = 0, right = 0;
    if (read_standard(UNICODE_DATA "auxiliary/SentenceBreakTest.txt", &file)) {
        for (struct text rest = buffer_text(&file); rest.bytes;) {
            struct text line = text_cut(rest, '\n', &rest), comment;
            line = text_trim(text_cut(line, '#', &comment));
            uint8_t cuts[CASE_BYTES_MAX];
            struct buffer text = buffer_new(CASE_BYTES_MAX - 1);
            read_case(line, &text, cuts);
            count += line.bytes > 0;
            right += line.bytes > 0 && is_cut_so(buffer_text(&text), cuts);
            buffer_release(&text);
        }
        print_message("%zu of %zu\n", right, count);
        assert_true(count > 400 && right * 100 >= count * 99);
    }
    buffer_release(&file);
}

static void test_sentence__has_the_standards_table_of_stops(void **state)
{
    (void)state;
    struct buffer file;
    if (read_standard(UNICODE_DATA "auxiliary/SentenceBreakProperty.txt", &file)) {
        for (struct text rest = buffer_text(&file); rest.bytes;) {
            struct text line = text_cut(rest, '\n', &rest), property;
            struct text range = text_trim(text_cut(line, ';', &property));
            if (!text_starts_with(text_trim(property), TEXT("STerm ")))
                continue;
            size_t dots;
            bool is_range = text_find(range, TEXT(".."), &dots);
            uint32_t first = hex_of(text_slice(range, 0, is_range ? dots : range.bytes));
            uint32_t last = is_range ? hex_of(text_slice(range, dots + 2, range.bytes)) : first;
            for (uint32_t c = first; c <= last; c++) {
                struct buffer text = buffer_new(8);
                size_t bytes;
                append_code_point(&text, c);
                assert_int_equal(boundary_class_at(buffer_text(&text), 0, &bytes), CLASS_STOP);
                assert_int_equal(bytes, text.bytes);
                buffer_release(&text);
            }
        }
    }
    buffer_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentence__follows_the_golden_rules),
        cmocka_unit_test(test_sentence__knows_eight_languages),
        cmocka_unit_test(test_sentence__knows_the_stops_of_many_scripts),
        cmocka_unit_test(test_sentence__passes_the_standards_test),
        cmocka_unit_test(test_sentence__has_the_standards_table_of_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
