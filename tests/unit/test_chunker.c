#include "chunker/headings.h"
#include "tests/unit/chunk_check.h"
#include "tests/unit/test.h"
#include "tests/whole_file.h"
#include "worker/base/memory.h"
#include "worker/base/rng.h"

static const struct chunker_options SMALL = {CHUNKER_CL100K, 40, 15, 64, 24, 0};

static struct page page_of(uint32_t number, struct text text)
{
    return (struct page){.number = number, .text = text};
}

static void test_chunker__gives_one_small_page_as_one_chunk(void **state)
{
    (void)state;
    struct page page = page_of(1, TEXT("\n  Grüße aus der Mühle.  \n"));
    struct chunker *chunker = chunker_new(chunker_options_default(), TEXT("Die  Mühle\n"));
    struct arena slab = arena_new(4096);
    struct chunk chunk;
    struct error err;

    assert_true(chunker_add(chunker, &page, &err));
    assert_false(chunker_next(chunker, &slab, &chunk, &err)); /* more could follow */
    assert_string_equal(err.message, "");
    assert_true(chunker_add(chunker, NULL, &err));
    assert_true(chunker_next(chunker, &slab, &chunk, &err));

    assert_text(chunk.content, "Grüße aus der Mühle.");
    assert_text(chunk.prefix, "Die Mühle\n\n");
    assert_text(chunk.heading, "");
    assert_int_equal(chunk.char_start, 3);
    assert_int_equal(chunk.char_end, 23);
    assert_int_equal(chunk.page_first, 1);
    assert_false(chunker_next(chunker, &slab, &chunk, &err));
    assert_true(chunker_is_dry(chunker));
    chunker_free(chunker);
    arena_release(&slab);
}

static void test_chunker__tells_the_path_of_headings(void **state)
{
    (void)state;
    static const struct mark MARKS[] = {
        {MARK_HEADING, 1, 0, 7}, {MARK_HEADING, 2, 8, 14}, {MARK_HEADING, 2, 222, 228}};
    char text[400];
    memset(text, 'a', sizeof(text));
    memcpy(text, "Chapter\nGrain.", 14);
    text[14] = '\n';
    memcpy(text + 221, "\nFlour.\n", 8);
    struct page page = page_of(1, (struct text){text, sizeof(text)});
    page.marks = MARKS;
    page.mark_count = COUNT_OF(MARKS);
    struct chunker *chunker = chunker_new(SMALL, TEXT_NONE);
    struct arena slab = arena_new(4096);
    struct chunk chunk;
    struct error err;

    assert_true(chunker_add(chunker, &page, &err));
    assert_true(chunker_add(chunker, NULL, &err));

    assert_true(chunker_next(chunker, &slab, &chunk, &err));
    assert_text(chunk.heading, "Chapter > Grain.");
    assert_text(chunk.prefix, "Chapter > Grain.\n\n");
    assert_true(chunker_next(chunker, &slab, &chunk, &err));
    assert_true(text_starts_with(chunk.content, TEXT("Flour.\n")));
    assert_text(chunk.heading, "Chapter > Flour.");
    chunker_free(chunker);
    arena_release(&slab);
}

static void test_chunker__refuses_pages_out_of_order_and_too_large(void **state)
{
    (void)state;
    struct chunker *chunker = chunker_new(SMALL, TEXT_NONE);
    char *large = xcalloc(CHUNKER_WINDOW_BYTES, 1);
    memset(large, 'x', CHUNKER_WINDOW_BYTES);
    struct page second = page_of(2, TEXT("text"));
    struct page huge = page_of(1, (struct text){large, CHUNKER_WINDOW_BYTES});
    struct page broken = page_of(1, TEXT("\xff"));
    struct error err;

    assert_false(chunker_add(chunker, &second, &err));
    assert_int_equal(err.code, ERR_BUG);
    assert_false(chunker_add(chunker, &huge, &err));
    assert_int_equal(err.code, ERR_TEXT_MAX);
    assert_false(chunker_add(chunker, &broken, &err));
    assert_int_equal(err.code, ERR_PROTOCOL);
    assert_true(chunker_add(chunker, NULL, &err));
    assert_true(chunker_is_dry(chunker));
    xfree(large);
    chunker_free(chunker);
}

/* All ways to feed the same pages give the same chunks. */
static void assert_stable(const struct page *pages, size_t page_count,
                          struct chunker_options options)
{
    bool has_marks = false;
    for (size_t i = 0; i < page_count; i++)
        has_marks = has_marks || pages[i].mark_count;
    struct checked one = check_document(pages, page_count, FEED_PAGE_BY_PAGE, options);
    struct checked two = check_document(pages, page_count, FEED_AS_MUCH_AS_FITS, options);
    assert_true(text_equal(buffer_text(&one.listing), buffer_text(&two.listing)));
    check_release(&two);
    if (!has_marks) { /* the parts of this test leave them out */
        struct checked three = check_document(pages, page_count, FEED_IN_PARTS, options);
        assert_true(text_equal(buffer_text(&one.listing), buffer_text(&three.listing)));
        check_release(&three);
    }
    check_release(&one);
}

#define RANDOM_PAGES 12

static void fill_randomly(struct rng *rng, struct buffer *text, size_t token_count)
{
    static const char *const TOKENS[] = {
        "word",
        " ",
        " ",
        " ",
        " ",
        "\n",
        "\n\n",
        ". ",
        "? ",
        "Mühle",
        "x",
        "これ",
        "。",
        "\xcc\x81",
        "ﷺ",
        "क्षि",
        "👩‍👩‍👧",
        "-",
        "\t",
        "Abcdefghijk. ",
        "3.",
        "\xe2\x80\x83",
        "\"",
        "ที่",
    };
    for (size_t i = 0; i < token_count; i++)
        buffer_append_text(text, text_from(TOKENS[rng_below(rng, COUNT_OF(TOKENS))]));
}

static void test_chunker__keeps_its_promises_on_random_text(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct rng rng = rng_seeded(seed);
        struct buffer texts[RANDOM_PAGES];
        struct page pages[RANDOM_PAGES];
        struct mark marks[RANDOM_PAGES][8];
        size_t page_count = 1 + rng_below(&rng, RANDOM_PAGES);
        for (size_t i = 0; i < page_count; i++) {
            texts[i] = buffer_new(1 << 20);
            fill_randomly(&rng, &texts[i], rng_below(&rng, seed % 3 ? 400 : 4));
            pages[i] = page_of((uint32_t)i + 1, buffer_text(&texts[i]));
            uint32_t at = 0;
            for (size_t k = 0; seed % 2 && k < 8; k++) {
                at += (uint32_t)rng_below(&rng, 60);
                marks[i][k] = (struct mark){(enum mark_kind)rng_below(&rng, 4),
                                            (uint8_t)(1 + rng_below(&rng, 6)), at, at + 9};
                while (at + 9 < texts[i].bytes && (texts[i].data[at] & 0xc0) == 0x80)
                    marks[i][k].byte_start = ++at;
                pages[i].marks = marks[i];
                pages[i].mark_count = k + 1;
            }
        }
        struct chunker_options options = seed % 5 ? SMALL : chunker_options_default();
        options.counting = seed % 7 ? CHUNKER_CL100K : CHUNKER_BYTES;
        options.tokens_overlap = seed % 4 ? 0 : options.tokens_target / 2;
        assert_stable(pages, page_count, options);
        for (size_t i = 0; i < page_count; i++)
            buffer_release(&texts[i]);
    }
}

/* Words that every machine picks alike. */
static void fill_with_words(struct rng *rng, struct buffer *text, size_t sentence_count)
{
    static const char *const WORDS[] = {"mill", "river", "grain", "Müller", "wheel", "of", "the"};
    for (size_t i = 0; i < sentence_count; i++) {
        size_t word_count = 3 + rng_below(rng, 20);
        buffer_append_text(text, TEXT("One "));
        for (size_t k = 0; k < word_count; k++)
            buffer_format(text, "%s%s", WORDS[rng_below(rng, COUNT_OF(WORDS))],
                          k + 1 < word_count ? " " : ".");
        buffer_append_text(text, rng_below(rng, 5) ? TEXT(" ") : TEXT("\n\n"));
    }
}

/* A change of this line is a change of the cuts: then chunker_version() changes too, so that
 * documents are cut anew. */
static void test_chunker__cuts_alike_in_every_build(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(5);
    struct buffer text = buffer_new(1 << 20), said = buffer_new(256);
    fill_with_words(&rng, &text, 2000);
    struct page page = page_of(1, buffer_text(&text));
    struct checked checked =
        check_document(&page, 1, FEED_AS_MUCH_AS_FITS, chunker_options_default());
    uint8_t hash[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];

    sha256_of(buffer_text(&checked.listing), hash);
    hex_format(hash, sizeof(hash), hex);
    buffer_format(&said, "%s %zu %.16s", chunker_version(), checked.chunk_count, hex);

    assert_string_equal(buffer_string(&said), "cuts2 100 1d9b712759c537c9");
    check_release(&checked);
    buffer_release(&said);
    buffer_release(&text);
}

static void test_chunker__repeats_whole_sentences(void **state)
{
    (void)state;
    struct rng rng = rng_seeded(6);
    struct buffer text = buffer_new(1 << 20);
    fill_with_words(&rng, &text, 2000);
    struct page page = page_of(1, buffer_text(&text));
    struct chunker_options options = chunker_options_default();
    options.tokens_overlap = 60;

    struct checked checked = check_document(&page, 1, FEED_PAGE_BY_PAGE, options);

    assert_true(checked.overlap_count * 10 > checked.chunk_count * 9);
    check_release(&checked);
    buffer_release(&text);
}

static void test_chunker__counts_and_limits_the_prefix(void **state)
{
    (void)state;
    char title[2000];
    memset(title, 'q', sizeof(title));
    struct page page = page_of(1, TEXT("Some text."));
    struct chunker *chunker =
        chunker_new(chunker_options_default(), (struct text){title, sizeof(title)});
    struct arena slab = arena_new(1 << 16);
    struct chunk chunk;
    struct error err;

    assert_true(chunker_add(chunker, &page, &err));
    assert_true(chunker_add(chunker, NULL, &err));
    assert_true(chunker_next(chunker, &slab, &chunk, &err));

    uint32_t prefix = measure_count(CHUNKER_CL100K, chunk.prefix);
    assert_true(prefix <= 64 && prefix > 32);
    assert_true(text_ends_with(chunk.prefix, TEXT("\n\n")));
    assert_int_equal(chunk.token_count, prefix + measure_count(CHUNKER_CL100K, chunk.content));
    chunker_free(chunker);
    arena_release(&slab);
}

static void test_chunker__holds_a_huge_page_without_spaces_in_its_window(void **state)
{
    (void)state;
    const size_t page_bytes = (size_t)10 << 20;
    char *text = xcalloc(page_bytes, 1);
    for (size_t i = 0; i < page_bytes; i++)
        text[i] = (char)('a' + i % 26);
    struct chunker *chunker = chunker_new(chunker_options_default(), TEXT_NONE);
    static const struct mark MARKS[] = {{MARK_HEADING, 1, 5 << 20, (5 << 20) + 26}};
    struct page page = page_of(1, (struct text){text, page_bytes});
    page.marks = MARKS;
    page.mark_count = 1;
    struct error err;
    uint64_t bytes_sum = 0;
    size_t at = 0, heading_count = 0;

    while (!chunker_is_dry(chunker)) {
        struct chunk chunk;
        assert_true(chunker_room_bytes(chunker) >= CHUNKER_PIECE_BYTES_MAX);
        if (at < page_bytes)
            assert_true(chunker_add_part(chunker, &page, &at, &err));
        else
            assert_true(chunker_add(chunker, NULL, &err));
        struct arena slab = arena_new(4 << 20);
        while (chunker_next(chunker, &slab, &chunk, &err)) {
            bytes_sum += chunk.content.bytes;
            heading_count += chunk.heading.bytes > 0;
        }
        assert_string_equal(err.message, "");
        arena_release(&slab);
    }

    assert_true(bytes_sum == page_bytes);
    assert_true(heading_count > 500);
    xfree(text);
    chunker_free(chunker);
}

static void test_chunker__passes_over_endless_white_space(void **state)
{
    (void)state;
    char *spaces = xcalloc(400000, 1);
    memset(spaces, ' ', 400000);
    struct page pages[] = {
        page_of(1, TEXT("one")),
        page_of(2, (struct text){spaces, 400000}),
        page_of(3, TEXT_NONE),
        page_of(4, TEXT("two")),
    };

    struct checked checked =
        check_document(pages, COUNT_OF(pages), FEED_PAGE_BY_PAGE, chunker_options_default());

    assert_int_equal(checked.chunk_count, 2);
    check_release(&checked);
    xfree(spaces);
}

static void test_headings__drop_the_outermost_where_room_is_short(void **state)
{
    (void)state;
    struct headings headings = {0};
    headings_enter(&headings, 1, TEXT("Part one"));
    headings_enter(&headings, 2, TEXT("Of \n grain"));
    headings_enter(&headings, 3, TEXT("Rye"));
    struct buffer out = buffer_new(200);

    headings_write_path(&headings, 15, &out);
    assert_text(buffer_text(&out), "Of grain > Rye");
    buffer_clear(&out);
    headings_write_prefix(&headings, TEXT("Book"), 40, &out);
    assert_text(buffer_text(&out), "Book > Part one > Of grain > Rye\n\n");
    buffer_clear(&out);
    headings_write_prefix(&headings, TEXT("Book"), 20, &out);
    assert_text(buffer_text(&out), "Book > Rye\n\n");

    buffer_release(&out);
}

/* ---- on the texts of the corpus -------------------------------------------------------------- */

static bool read_corpus(const char *name, struct buffer *ret_text)
{
    char path[1024];
    const char *corpus = getenv("TEST_CORPUS");
    const char *source = getenv("TEST_SOURCE_DIR");
    if (corpus)
        (void)text_format(path, sizeof(path), "%s/%s", corpus, name);
    else
        (void)text_format(path, sizeof(path), "%s/../shared/corpus/%s", source ? source : ".",
                          name);
    *ret_text = buffer_new(16 << 20);
    if (whole_file_read(path, ret_text))
        return true;
    print_message("SKIPPED: %s is not there\n", path);
    return false;
}

static void test_chunker__keeps_its_promises_on_real_text(void **state)
{
    (void)state;
    static const char *const NAMES[] = {
        "chunking/chroma/corpora/wikitexts.md",
        "chunking/chroma/corpora/chatlogs.md",
        "udhr/udhr_eng.xml",
        "udhr/udhr_cmn_hans.xml",
        "udhr/udhr_tha.xml",
        "udhr/udhr_hin.xml",
        "udhr/udhr_arb.xml",
        "udhr/udhr_deu_1996.xml",
        "udhr/udhr_jpn.xml",
        "udhr/udhr_bod.xml",
    };
    for (size_t n = 0; n < COUNT_OF(NAMES); n++) {
        struct buffer text;
        if (!read_corpus(NAMES[n], &text)) {
            buffer_release(&text);
            continue;
        }
        struct page pages[64];
        size_t page_count = 0;
        struct text rest = text_utf8_prefix(buffer_text(&text), 60 * 3000);
        while (rest.bytes) {
            struct text page = text_utf8_prefix(rest, 3000);
            pages[page_count] = page_of((uint32_t)page_count + 1, page);
            page_count++;
            rest = text_slice(rest, page.bytes, rest.bytes);
        }
        assert_stable(pages, page_count, chunker_options_default());
        buffer_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunker__gives_one_small_page_as_one_chunk),
        cmocka_unit_test(test_chunker__tells_the_path_of_headings),
        cmocka_unit_test(test_chunker__refuses_pages_out_of_order_and_too_large),
        cmocka_unit_test(test_chunker__keeps_its_promises_on_random_text),
        cmocka_unit_test(test_chunker__cuts_alike_in_every_build),
        cmocka_unit_test(test_chunker__repeats_whole_sentences),
        cmocka_unit_test(test_chunker__counts_and_limits_the_prefix),
        cmocka_unit_test(test_chunker__holds_a_huge_page_without_spaces_in_its_window),
        cmocka_unit_test(test_chunker__passes_over_endless_white_space),
        cmocka_unit_test(test_headings__drop_the_outermost_where_room_is_short),
        cmocka_unit_test(test_chunker__keeps_its_promises_on_real_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
