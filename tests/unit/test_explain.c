#include "tests/unit/test.h"
#include "worker/explain.h"

static struct explanation given_a_document(void)
{
    return (struct explanation){.document = TEXT("d-1"),
                                .bucket = TEXT("docs"),
                                .key = TEXT("users/u/a.pdf"),
                                .is_user_active = true,
                                .source = TEXT("upload"),
                                .job = TEXT("j-1"),
                                .job_status = TEXT("processing"),
                                .has_item = true,
                                .standing = {.control = TEXT("none"), .open = 3, .workers = 1}};
}

#define NAME "Document d-1 (users/u/a.pdf in bucket docs)"

static void assert_explained(const struct explanation *explanation, const char *word,
                             const char *paragraph)
{
    AUTO_BUFFER struct buffer out = buffer_new(8192);
    explain_append(&out, explanation);
    assert_string_equal(explain_word(explanation), word);
    assert_string_equal(buffer_string(&out), paragraph);
}

static void test_explain__what_is_done_and_the_bucket_agrees(void **state)
{
    (void)state;
    struct explanation explanation = given_a_document();
    explanation.status = explanation.outcome = TEXT("success");
    explanation.job_status = TEXT("completed");
    explanation.has_vectors = true;
    explanation.pages = 1;
    explanation.chunks = 1200;
    explanation.processed_at = TEXT("2026-11-21T12:40:11.000Z");
    explanation.look = LOOK_SAME;
    assert_explained(&explanation, "done",
                     NAME " is done. Its 1 page can be searched, as 1,200 chunks, since 2026-11-21 "
                          "12:40 UTC. It belongs to job j-1 (completed). The bucket holds the very "
                          "bytes that were read.");
}

static void test_explain__a_newer_version_in_the_bucket(void **state)
{
    (void)state;
    struct explanation explanation = given_a_document();
    explanation.status = explanation.outcome = TEXT("success");
    explanation.has_vectors = true;
    explanation.job = TEXT_NONE;
    explanation.look = LOOK_OTHER;
    explanation.row_etag = TEXT("old");
    explanation.object_etag = TEXT("new");
    explanation.object_bytes = 10;
    assert_explained(&explanation, "done",
                     NAME " is done. Its 0 pages can be searched, as 0 chunks. The bucket holds "
                          "another version (eTag new, 10 bytes) than the one that was read (eTag "
                          "old): its event has not come yet; until then the old one is found.");
}

static void test_explain__a_failure_with_its_remedy_and_the_command_for_it(void **state)
{
    (void)state;
    struct explanation explanation = given_a_document();
    explanation.status = explanation.outcome = TEXT("failed");
    explanation.job_status = TEXT("partial");
    explanation.code = TEXT("needs_password");
    explanation.message = TEXT("The file can be opened only with a password.");
    explanation.processed_at = TEXT("2026-11-21T12:40:11.000Z");
    assert_explained(&explanation, "failed",
                     NAME " failed on 2026-11-21 12:40 UTC: The file can be opened only with a "
                          "password. Upload it without the password. It belongs to job j-1 "
                          "(partial). `millrace retry j-1` tries it again.");
    explanation.message =
        TEXT("The file can be opened only with a password. Upload it without the password.");
    AUTO_BUFFER struct buffer out = buffer_new(8192);
    size_t at;
    explain_append(&out, &explanation);
    assert_true(text_find(buffer_text(&out), TEXT("password. It belongs"), &at)); /* said once */
}

static void test_explain__what_is_in_work_and_what_waits(void **state)
{
    (void)state;
    struct explanation explanation = given_a_document();
    explanation.status = TEXT("processing");
    explanation.is_leased = true;
    explanation.lease_s = 12;
    explanation.starts = 3;
    assert_explained(&explanation, "in_work",
                     NAME " is in work, for the 3. time: workers ended while they were at it. Its "
                          "worker holds it for another 12 s and renews that while it lives. It "
                          "belongs to job j-1 (processing).");
    explanation.is_leased = false;
    explanation.parked_s = 40;
    explanation.parked_message = TEXT("the endpoint is away");
    assert_explained(&explanation, "waiting_for_retry",
                     NAME " waits for its next attempt, in 40 s. The last one ended so: the "
                          "endpoint is away. Its job: waits to be taken up, within a minute. It "
                          "belongs to job j-1 (processing).");
    explanation.parked_s = 0;
    explanation.standing.workers = 0;
    assert_explained(&explanation, "no_worker",
                     NAME " is not done: it waits. Its job: no worker runs; start one with "
                          "`millrace work`. It belongs to job j-1 (processing).");
}

static void test_explain__what_is_gone_or_has_come_back(void **state)
{
    (void)state;
    struct explanation explanation = given_a_document();
    explanation.status = explanation.outcome = TEXT("skipped");
    explanation.code = TEXT("gone");
    explanation.job = TEXT_NONE;
    explanation.deleted_at = TEXT("2026-11-21T12:40:11.000Z");
    explanation.look = LOOK_GONE;
    assert_explained(&explanation, "gone",
                     NAME " was found to be gone on 2026-11-21 12:40 UTC: the object was removed "
                          "from the bucket, and what could be found of it with it. The bucket says "
                          "so too.");
    explanation.look = LOOK_FAILED;
    explanation.look_message = TEXT("it does not answer");
    AUTO_BUFFER struct buffer out = buffer_new(8192);
    explain_append(&out, &explanation);
    assert_true(text_ends_with(buffer_text(&out),
                               TEXT("The bucket could not be asked: it does not answer.")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explain__what_is_done_and_the_bucket_agrees),
        cmocka_unit_test(test_explain__a_newer_version_in_the_bucket),
        cmocka_unit_test(test_explain__a_failure_with_its_remedy_and_the_command_for_it),
        cmocka_unit_test(test_explain__what_is_in_work_and_what_waits),
        cmocka_unit_test(test_explain__what_is_gone_or_has_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
