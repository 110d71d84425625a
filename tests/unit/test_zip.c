#include "extract/zip.h"
#include "tests/unit/test.h"
#include "tests/unit/zip_writer.h"

static struct zip_writer writer;
static struct zip zip;
static struct zip_member member;
static struct buffer content;
static struct error err;

static int set_up(void **state)
{
    (void)state;
    zip_writer_begin(&writer);
    content = buffer_new(4 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    zip_writer_release(&writer);
    buffer_release(&content);
    return 0;
}

static bool keep(void *arg, struct text piece)
{
    return buffer_append_text(arg, piece);
}

static bool read_member(const char *name)
{
    assert_true(zip_open(buffer_text(&writer.out), &zip, &err));
    assert_true(zip_find(&zip, text_from(name), &member));
    return zip_read(&member, keep, &content, &err);
}

static void assert_refused(const char *name, enum error_code code)
{
    assert_false(read_member(name));
    assert_string_equal(error_name(err.code), error_name(code));
}

static void test_zip__reads_members_by_name(void **state)
{
    (void)state;
    zip_writer_store(&writer, "mimetype", TEXT("x/y"));
    zip_writer_deflate(&writer, "word/a.xml", TEXT("aaaaaaaaaaaaaaaaaaaaaaaaa"));
    zip_writer_end(&writer);
    assert_true(read_member("word/a.xml"));
    assert_true(read_member("mimetype"));
    assert_text(buffer_text(&content), "aaaaaaaaaaaaaaaaaaaaaaaaax/y");
    assert_false(zip_find(&zip, TEXT("word"), &member));
    assert_true(zip_has_folder(&zip, TEXT("word/")));
    assert_false(zip_has_folder(&zip, TEXT("xl/")));
    struct text name, start;
    assert_true(zip_peek(buffer_text(&writer.out), &name, &start));
    assert_text(name, "mimetype");
    assert_text(start, "x/y");
}

static void test_zip__has_no_directory_when_it_is_cut_off(void **state)
{
    (void)state;
    zip_writer_store(&writer, "a", TEXT("content"));
    struct text whole = zip_writer_end(&writer);
    for (size_t bytes = 0; bytes < whole.bytes; bytes++) {
        assert_false(zip_open(text_slice(whole, 0, bytes), &zip, &err));
        assert_int_equal(err.code, ERR_DAMAGED);
    }
    assert_false(zip_open(text_slice(whole, 10, whole.bytes), &zip, &err));
}

static void test_zip__finds_a_bomb_before_it_goes_off(void **state)
{
    (void)state;
    struct buffer zeros = buffer_new(64 << 20);
    for (int i = 0; i < 2 << 20; i++)
        buffer_append_text(&zeros, TEXT("0123456"));
    zip_writer_deflate(&writer, "ratio", buffer_text(&zeros));
    writer.claimed_bytes = 100; /* and it has more */
    zip_writer_deflate(&writer, "lie",
                       TEXT("0123456789012345678901234567890123456789"
                            "0123456789012345678901234567890123456789"
                            "0123456789012345678901234567890123456789"));
    writer.claimed_bytes = 300u << 20;
    zip_writer_store(&writer, "size", TEXT("x"));
    zip_writer_end(&writer);
    assert_refused("ratio", ERR_BOMB);
    assert_refused("lie", ERR_BOMB);
    assert_refused("size", ERR_BOMB);
    buffer_release(&zeros);
}

static void test_zip__refuses_too_many_entries(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i <= ZIP_ENTRIES_MAX; i++) {
        (void)text_format(name, sizeof(name), "%d", i);
        zip_writer_store(&writer, name, TEXT_NONE);
    }
    assert_false(zip_open(zip_writer_end(&writer), &zip, &err));
    assert_int_equal(err.code, ERR_BOMB);
}

static void test_zip__knows_what_is_encrypted(void **state)
{
    (void)state;
    writer.is_encrypted = true;
    zip_writer_store(&writer, "a", TEXT("x"));
    zip_writer_end(&writer);
    assert_refused("a", ERR_PASSWORD);
}

static void test_zip__says_when_a_member_is_damaged(void **state)
{
    (void)state;
    zip_writer_deflate(&writer, "a", TEXT("some words that are damaged below"));
    zip_writer_end(&writer);
    memset(writer.out.data + 31, 0xff, 8);
    assert_refused("a", ERR_DAMAGED);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(test_zip__reads_members_by_name),
        EACH(test_zip__has_no_directory_when_it_is_cut_off),
        EACH(test_zip__finds_a_bomb_before_it_goes_off),
        EACH(test_zip__refuses_too_many_entries),
        EACH(test_zip__knows_what_is_encrypted),
        EACH(test_zip__says_when_a_member_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
