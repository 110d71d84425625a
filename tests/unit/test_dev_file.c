#include "tests/unit/test.h"
#include "worker/base/memory.h"
#include "worker/dev_file.h"

#define TENANT "users/11111111-2222-4333-8444-555555555555/"

static struct dev_file *file(const char *path, const char *etag)
{
    struct dev_file *file = dev_file_new(text_from(path), 7, text_from(etag));
    assert_non_null(file);
    return file;
}

static void test_dev_file__belongs_to_the_tenant_of_its_folder_else_to_demo(void **state)
{
    (void)state;
    struct dev_file *theirs = file(TENANT "a.pdf", "1"), *shared = file("sub/b.PDF", "2");
    char id[UUID_TEXT_BYTES];
    assert_string_equal(theirs->key, TENANT "a.pdf");
    assert_string_equal(uuid_format(theirs->user, id), "11111111-2222-4333-8444-555555555555");
    assert_true(text_starts_with(text_from(shared->key), text_from(DEV_SHARED_PREFIX)));
    assert_true(uuid_equal(shared->user, DEV_TENANT));
    assert_int_equal(shared->size_bytes, 7);
    xfree(theirs);
    xfree(shared);
}

static void test_dev_file__is_whatever_lies_there_but_for_temporary_files(void **state)
{
    (void)state;
    const char *names[] = {"notes.txt", "a.pdf", "README", "a.part/b", "~/c"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        xfree(file(names[i], ""));
    assert_null(dev_file_new(TEXT("a.pdf.part"), 1, TEXT_NONE));
    assert_null(dev_file_new(TEXT("sub/~$letter.docx"), 1, TEXT_NONE));
    assert_null(dev_file_new(TEXT("letter.docx~"), 1, TEXT_NONE));
}

static void test_dev_file__the_same_files_in_the_same_state_are_the_same_job(void **state)
{
    (void)state;
    struct dev_file *one = file(TENANT "a.pdf", "1"), *two = file(TENANT "b.pdf", "2");
    struct dev_file *changed = file(TENANT "b.pdf", "3");
    struct dev_file *first[] = {two, one}, *again[] = {one, two}, *later[] = {one, changed};
    dev_files_sort_by_user(first, 2);
    assert_true(uuid_equal(dev_files_job(first, 2), dev_files_job(again, 2)));
    assert_false(uuid_equal(dev_files_job(first, 2), dev_files_job(later, 2)));
    assert_false(uuid_equal(dev_files_job(first, 2), dev_files_job(first, 1)));
    xfree(one);
    xfree(two);
    xfree(changed);
}

static void test_dev_file__is_found_by_its_key(void **state)
{
    (void)state;
    struct dev_file *files[] = {file("c.pdf", ""), file("a.pdf", ""), file("b.pdf", "")};
    struct dev_file *gone = dev_file_gone(DEV_TENANT, text_from(files[0]->key));
    assert_true(gone->is_removed);
    dev_files_sort_by_key(files, 3);
    assert_true(dev_files_hold(files, 3, gone->key));
    assert_false(dev_files_hold(files, 2, gone->key));
    assert_false(dev_files_hold(NULL, 0, gone->key));
    for (size_t i = 0; i < 3; i++)
        xfree(files[i]);
    xfree(gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dev_file__belongs_to_the_tenant_of_its_folder_else_to_demo),
        cmocka_unit_test(test_dev_file__is_whatever_lies_there_but_for_temporary_files),
        cmocka_unit_test(test_dev_file__the_same_files_in_the_same_state_are_the_same_job),
        cmocka_unit_test(test_dev_file__is_found_by_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
