/* What a wait for a job shows, in a pipe, on a terminal and for programs. */
#include "tests/unit/test.h"
#include "worker/job_wait_show.h"

static struct job_progress half_way(void)
{
    return (struct job_progress){
        .figures = {.status = "processing",
                    .documents = 1200,
                    .processed = 598,
                    .failed = 2,
                    .bytes_done = 20000000,
                    .bytes_total = 40000000,
                    .pages = 3100,
                    .chunks = 9500},
        .has_range = true,
        .range = {70, 130},
    };
}

static const char *drawn(const struct job_progress *progress, struct buffer *out)
{
    const struct term term = {0};
    job_progress_draw(out, &term, progress);
    return buffer_string(out);
}

static void test_job_wait__draws_documents_bytes_pages_and_time_within_80_columns(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    struct job_progress progress = half_way();
    assert_string_equal(drawn(&progress, &out),
                        "[################................]  50%  600/1,200 documents  2 failed\n"
                        "20.0 MB of 40.0 MB, 3,100 pages, 9,500 chunks; 1 to 3 min left\n");
}

static void test_job_wait__gives_the_reason_instead_of_a_time_while_nothing_moves(void **state)
{
    (void)state;
    static const struct {
        enum stall stall;
        const char *name, *reason;
    } rows[] = {
        {STALL_PAUSED, "paused", "paused; `millrace resume` lets it go on\n"},
        {STALL_BROKER, "broker_away",
         "the broker b:9092 does not answer; nothing is lost, it is asked again\n"},
        {STALL_NO_WORKER, "no_worker",
         "no worker is at its 600 open documents: does `millrace work` run?\n"},
        {STALL_RETRY, "waiting_for_retry", "7 to be tried again, the next in 40 s: b:9092\n"},
        {STALL_SLOW, "slow", "3 in work, none has ended for a while\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_BUFFER struct buffer out = buffer_new(4096);
        struct job_progress progress = half_way();
        size_t at;
        progress.stall = rows[i].stall;
        progress.figures.parked = 7;
        progress.figures.retry_s = 40;
        progress.figures.working = 3;
        assert_true(text_format(progress.detail, sizeof(progress.detail), "b:9092"));
        assert_true(text_ends_with(text_from(drawn(&progress, &out)), text_from(rows[i].reason)));
        assert_false(text_find(buffer_text(&out), TEXT("left"), &at));
        assert_string_equal(stall_name(rows[i].stall), rows[i].name);
    }
}

static void test_job_wait__is_full_when_the_job_is_final(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    struct job_progress progress = half_way();
    progress.figures.processed = 1198;
    progress.figures.is_final = true;
    progress.has_range = false;
    assert_string_equal(drawn(&progress, &out),
                        "[################################] 100%  1,200/1,200 documents  2 failed\n"
                        "40.0 MB, 3,100 pages, 9,500 chunks\n");
}

static void test_job_wait__never_shows_more_than_all_of_links_of_unknown_size(void **state)
{
    (void)state;
    struct job_progress progress = half_way();
    uint64_t done, total;
    progress.figures.bytes_total = 10;
    job_work(&progress.figures, &done, &total);
    assert_true(done <= total);
}

static void test_job_wait__writes_stable_names_for_programs(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = buffer_new(4096);
    struct job_progress progress = half_way();
    job_progress_write(&out, "7b1c", &progress);
    assert_string_equal(
        buffer_string(&out),
        "{\"kind\":\"progress\",\"job\":\"7b1c\",\"status\":\"processing\",\"documents\":1200,"
        "\"processed\":598,\"failed\":2,\"cancelled\":0,\"bytes_done\":20000000,"
        "\"bytes_total\":40000000,\"pages\":3100,\"chunks\":9500,\"seconds_left_min\":70,"
        "\"seconds_left_max\":130,\"waits_for\":null}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_wait__draws_documents_bytes_pages_and_time_within_80_columns),
        cmocka_unit_test(test_job_wait__gives_the_reason_instead_of_a_time_while_nothing_moves),
        cmocka_unit_test(test_job_wait__is_full_when_the_job_is_final),
        cmocka_unit_test(test_job_wait__never_shows_more_than_all_of_links_of_unknown_size),
        cmocka_unit_test(test_job_wait__writes_stable_names_for_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
