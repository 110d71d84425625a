#include "extract/charset.h"
#include "extract/markup.h"
#include "tests/unit/prose_show.h"

static struct prose *prose;
static struct error err;

static int set_up_all(void **state)
{
    (void)state;
    markup_warm_up();
    return charset_warm_up(&err) ? 0 : -1;
}

static int set_up(void **state)
{
    (void)state;
    prose = prose_new(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    prose_free(prose);
    return 0;
}

static void assert_html(const char *html, const char *expected)
{
    struct prose *page = prose_new(1 << 20);
    assert_true(markup_read_html(text_from(html), page, &err));
    assert_prose(page, expected);
    prose_free(page);
}

static void assert_markdown(const char *markdown, const char *expected)
{
    struct prose *page = prose_new(1 << 20);
    assert_true(markup_read_markdown(text_from(markdown), page, &err));
    assert_prose(page, expected);
    prose_free(page);
}

static void test_html__gives_what_a_reader_would_see(void **state)
{
    (void)state;
    assert_html("<!doctype html><html><head><title>Mills</title><style>p{}</style></head><body>"
                "<nav><a href=/>Home</a></nav><script>if (a < b) alert('x')</script>"
                "<h1>The\n  Mill</h1><p>It <b>grinds</b>\nslowly.<p>And f<i>ine</i>."
                "<noscript>no</noscript><template><p>t</template></body></html>",
                "<h1>The Mill\n\n<p>It grinds slowly.\n\n<p>And fine.");
}

static void test_html__has_lists_tables_and_lines(void **state)
{
    (void)state;
    assert_html("<ul><li>rye<li><p>wheat</p><ol start=3><li>white<li>brown</ol></ul>"
                "<table><tr><th>Grain<th>Price</tr><tr><td><p>Rye</p><p>old</p><td>1<br>2</table>"
                "<pre>a  b\nc</pre>one<br>two",
                "<li>- rye\n<li>- wheat\n<li>3. white\n<li>4. brown\n\n"
                "<tr>Grain | Price\n<tr>Rye old | 1 2\n\n<p>a b\nc\n\n<p>one\ntwo");
}

static void test_html__knows_entities_and_what_images_show(void **state)
{
    (void)state;
    assert_html("<p>M&uuml;hle &lt;b&gt; &#8364;&#x20ac; &nosuch; "
                "<img src=x alt='a mill'>next</p>",
                "<p>M\u00fchle <b> \u20ac\u20ac &nosuch; a mill next");
}

static void test_html__takes_the_title_and_the_charset_of_the_page(void **state)
{
    (void)state;
    assert_true(
        markup_read_html(TEXT("<meta http-equiv=x content='text/html; charset=windows-1251'>"
                              "<title>\xcc\xe8\xf0</title><p>\xcc\xe8\xf0"),
                         prose, &err));
    prose_finish(prose, SIZE_MAX);
    assert_text(prose_title(prose), "\u041c\u0438\u0440");
    assert_text(prose_page(prose, 1).text, "\u041c\u0438\u0440");
}

static void test_html__survives_what_is_not_html(void **state)
{
    (void)state;
    assert_html("</p></div><li>a</ul></table><td>b<tr>c", "<li>- a\n\n<p>b\n\n<tr>c");
    assert_html("", "");
    assert_html("<", "<p><");
    struct buffer deep = buffer_new(1 << 20);
    for (int i = 0; i < 30000; i++)
        buffer_append_text(&deep, TEXT("<div>"));
    assert_false(markup_read_html(buffer_text(&deep), prose, &err));
    assert_int_equal(err.code, ERR_DAMAGED);
    buffer_release(&deep);
}

static void test_markdown__marks_its_blocks(void **state)
{
    (void)state;
    assert_markdown("# The *Mill*\n\nIt grinds\nslowly.  \nAnd fine.\n\n- rye\n- wheat\n\n"
                    "1. one\n2. two\n\nSetext\n------\n\n```c\nint  a;\nint b;\n```\n> quoted\n",
                    "<h1>The Mill\n\n<p>It grinds slowly.\nAnd fine.\n\n<li>- rye\n<li>- wheat\n"
                    "<li>1. one\n<li>2. two\n\n<h2>Setext\n\n<p>int a;\nint b;\n\n<p>quoted");
}

static void test_markdown__keeps_a_loose_item_in_one_block(void **state)
{
    (void)state;
    assert_markdown("- first\n\n  more\n\n- second\n", "<li>- first\n\n<p>more\n\n<li>- second");
}

static void test_markdown__has_tables_links_and_html(void **state)
{
    (void)state;
    assert_markdown(
        "| a | b |\n|---|---|\n| 1 | [two](http://x) |\n\nA <b>bold</b> &uuml; ![alt](i.png)"
        "<br>line\n\n<details>\n<summary>More</summary>\n<p>Hidden &auml;</p>\n"
        "</details>\n\nEnd\n",
        "<tr>a | b\n<tr>1 | two\n\n<p>A bold \u00fc alt\nline\n\n<p>More\n\n"
        "<p>Hidden \u00e4\n\n<p>End");
}

static void test_markdown__takes_the_title_of_front_matter(void **state)
{
    (void)state;
    assert_true(
        markup_read_markdown(TEXT("---\ntitle: \"A mill\"\ntags: x\n---\n# Head\n"), prose, &err));
    prose_finish(prose, SIZE_MAX);
    assert_text(prose_title(prose), "A mill");
    assert_text(prose_page(prose, 1).text, "title: \"A mill\"\ntags: x\n\nHead");
    assert_markdown("---\nno end", "<p>no end");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(test_html__gives_what_a_reader_would_see),
        EACH(test_html__has_lists_tables_and_lines),
        EACH(test_html__knows_entities_and_what_images_show),
        EACH(test_html__takes_the_title_and_the_charset_of_the_page),
        EACH(test_html__survives_what_is_not_html),
        EACH(test_markdown__marks_its_blocks),
        EACH(test_markdown__keeps_a_loose_item_in_one_block),
        EACH(test_markdown__has_tables_links_and_html),
        EACH(test_markdown__takes_the_title_of_front_matter),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
