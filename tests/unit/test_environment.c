#include <unistd.h>

#include "tests/unit/test.h"
#include "worker/environment.h"

/* Adds a .env file of the content. */
static bool add_file(struct environment *environment, const char *content, struct error *err)
{
    char path[] = "/tmp/test-environment-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
    bool is_good = environment_add_file(environment, path, err);
    unlink(path);
    return is_good;
}

/* The value that one line of a .env file gives V. */
static void assert_value(const char *line, const char *expected)
{
    struct environment environment = {0};
    struct error err;
    if (!add_file(&environment, line, &err))
        fail_msg("%s: %s", line, err.message);
    assert_non_null(environment_get(&environment, "V"));
    if (strcmp(environment_get(&environment, "V"), expected) != 0)
        fail_msg("%s gives [%s], not [%s]", line, environment_get(&environment, "V"), expected);
    environment_release(&environment);
}

static void test_environment__reads_lines_as_people_write_them(void **state)
{
    (void)state;
    assert_value("V=plain", "plain");
    assert_value("V=", "");
    assert_value("  export V = spaced  ", "spaced");
    assert_value("V=a=b", "a=b");
    assert_value("# comment\n\n\nV=after comments\n", "after comments");
    assert_value("V=windows\r\n", "windows");
    assert_value("\xef\xbb\xbfV=notepad", "notepad"); /* a byte order mark */
    assert_value("V='single # quoted'", "single # quoted");
    assert_value("V=\" double \"", " double ");
    assert_value("V='it''s'", "it''s");
    assert_value("V=\"", "\"");
}

static void test_environment__cuts_comments_off_behind_space_only(void **state)
{
    (void)state;
    assert_value("V=value # comment", "value");
    assert_value("V=value\t# comment", "value");
    assert_value("V=pass#word", "pass#word");
    assert_value("V=#ff0000", "#ff0000");
    assert_value("V= # nothing but a comment", "");
    assert_value("V=\"quoted\" # comment", "quoted");
    assert_value("V='a # b' # say 'c'", "a # b");
}

static void test_environment__names_the_line_that_is_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {"A=1\nnonsense\n", "A=1\n=value", "A=1\ntwo words=3"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct environment environment = {0};
        struct error err;
        assert_false(add_file(&environment, wrong[i], &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.message, "line 2"));
        environment_release(&environment);
    }
}

static void test_environment__tells_no_value_in_an_error(void **state)
{
    (void)state;
    struct environment environment = {0};
    struct error err;
    assert_false(add_file(&environment, "the secret hunter2\n", &err));
    assert_null(strstr(err.message, "hunter2"));
    environment_release(&environment);
}

static void test_environment__what_the_shell_sets_wins_over_the_file(void **state)
{
    (void)state;
    struct environment environment = {0};
    struct error err;
    char first[] = "A=shell", second[] = "A=again", odd[] = "=x", bare[] = "B";
    char *list[] = {first, second, odd, bare, NULL};
    environment_add_all(&environment, list);
    assert_true(add_file(&environment, "A=file\nC=file\nC=second\n", &err));
    assert_string_equal(environment_get(&environment, "A"), "shell");
    assert_string_equal(environment_get(&environment, "B"), "");
    assert_string_equal(environment_get(&environment, "C"), "file");
    assert_null(environment_get(&environment, "D"));
    assert_int_equal(environment.count, 3);
    environment_release(&environment);
}

static void test_environment__set_replaces(void **state)
{
    (void)state;
    struct environment environment = {0};
    environment_set(&environment, TEXT("A"), TEXT("1"));
    environment_set(&environment, TEXT("A"), TEXT("2"));
    assert_int_equal(environment.count, 1);
    assert_string_equal(environment_get(&environment, "A"), "2");
    environment_release(&environment);
}

static void test_environment__says_which_file_cannot_be_read(void **state)
{
    (void)state;
    struct environment environment = {0};
    struct error err;
    assert_false(environment_add_file(&environment, "/nowhere/.env", &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_string_equal(err.message, "/nowhere/.env: No such file or directory");
    assert_false(environment_add_file(&environment, "/", &err));
    assert_string_equal(err.message, "/: Is a directory");
    assert_false(environment_add_file(&environment, "/dev/zero", &err));
    assert_string_equal(err.message, "/dev/zero: larger than 1024 KiB");
    environment_release(&environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment__reads_lines_as_people_write_them),
        cmocka_unit_test(test_environment__cuts_comments_off_behind_space_only),
        cmocka_unit_test(test_environment__names_the_line_that_is_none),
        cmocka_unit_test(test_environment__tells_no_value_in_an_error),
        cmocka_unit_test(test_environment__what_the_shell_sets_wins_over_the_file),
        cmocka_unit_test(test_environment__set_replaces),
        cmocka_unit_test(test_environment__says_which_file_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
