#include "queue/beneath.h"
#include "queue/file.h"
#include "tests/unit/test.h"

#define DEMO "users/a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11/"
#define OTHER "users/b27d9e54-83aa-4f60-8c15-6d0e94f1b2a3/"

static void assert_key(struct text shared, const char *path, const char *expected)
{
    AUTO_BUFFER struct buffer key = buffer_new(1024);
    assert_true(file_key_of(shared, text_from(path), &key));
    assert_text(buffer_text(&key), expected);
}

static void test_file_key__gives_what_is_nobodys_to_the_shared_prefix(void **state)
{
    (void)state;
    struct text shared = TEXT(DEMO);
    assert_key(shared, "a.pdf", DEMO "a.pdf");
    assert_key(shared, "x/y/a.pdf", DEMO "x/y/a.pdf");
    assert_key(shared, "users/a.pdf", DEMO "users/a.pdf");
    assert_key(shared, "users/anna/a.pdf", DEMO "users/anna/a.pdf");
    assert_key(shared, OTHER "a.pdf", OTHER "a.pdf");
    assert_key(shared, DEMO "a.pdf", DEMO "a.pdf");
    assert_key(TEXT_NONE, "x/a.pdf", "x/a.pdf");
}

static void test_file_key__backwards_never_leads_to_another_tenant(void **state)
{
    (void)state;
    struct text path = TEXT_NONE, shared = TEXT(DEMO);
    assert_true(file_shared_path_of(shared, TEXT(DEMO "x/a.pdf"), &path));
    assert_text(path, "x/a.pdf");
    assert_false(file_shared_path_of(shared, TEXT(DEMO OTHER "a.pdf"), &path));
    assert_false(file_shared_path_of(shared, TEXT(OTHER "a.pdf"), &path));
    assert_false(file_shared_path_of(shared, TEXT(DEMO), &path));
    assert_false(file_shared_path_of(TEXT_NONE, TEXT("a.pdf"), &path));
}

static void test_beneath__knows_what_is_a_path(void **state)
{
    (void)state;
    const char *good[] = {"a", "a/b", "a..b/c", "\xc3\xa9 x/(1).pdf"};
    const char *bad[] = {"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", ".a", "a/.b", "./a"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(beneath_is_path(text_from(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(beneath_is_path(text_from(bad[i])));
    assert_false(beneath_is_path(TEXT("a\0b")));
    assert_text(beneath_last_name(TEXT("a/b/c")), "c");
    assert_text(beneath_folder_of(TEXT("a/b/c")), "a/b");
    assert_text(beneath_folder_of(TEXT("c")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_key__gives_what_is_nobodys_to_the_shared_prefix),
        cmocka_unit_test(test_file_key__backwards_never_leads_to_another_tenant),
        cmocka_unit_test(test_beneath__knows_what_is_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
