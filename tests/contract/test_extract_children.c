/* The extraction service and its processes: credit, cancelling, deaths, leaks, start-up. */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/contract/extract_world.h"
#include "tests/unit/test.h"

#define PAGES 199 /* one child reads them all, and no further than there is credit */

/* As /proc has it: R while it computes. */
static char state_of(pid_t pid)
{
    char path[64], line[256] = "";
    size_t at;
    assert_true(text_format(path, sizeof(path), "/proc/%d/stat", pid));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    assert_true(text_find(text_from(line), TEXT(") "), &at));
    return line[at + 2];
}

/* The child has used up its credit and waits. */
static void await_starving_child(void)
{
    probe.gives_credit = false;
    for (unsigned page = 0; page < PAGES; page++)
        pdf_writer_text_page(&writer, 70); /* about 4 KB each: more than the first credit */
    submit_writer();
    while (probe.text.bytes < 256 << 10)
        loop_run_once(loop, 1000);
    assert_false(probe.is_done);
    assert_true(first_reader_of(zygote_pid()) > 0);
    while (state_of(first_reader_of(zygote_pid())) !=
           'S') /* else it is at a page of the next block */
        loop_run_once(loop, 10);
}

/* ---- credit and cancelling ------------------------------------------------------------------- */

static void on_pause_over(struct timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

static void test_extract__stops_child_and_clocks_without_credit(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.page_timeout_ms = 300;
    await_starving_child();
    size_t bytes = probe.text.bytes;
    struct timer pause = {0};
    timer_start(loop, &pause, 600, on_pause_over); /* twice the page deadline */
    loop_run(loop);
    assert_int_equal(probe.text.bytes, bytes);
    assert_false(probe.is_done);
    probe.gives_credit = true;
    extract_credit(extract, &probe.request, 1 << 20);
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, PAGES);
}

static void test_extract__takes_credit_in_many_small_pieces(void **state)
{
    (void)state;
    await_starving_child();
    for (int i = 0; i < 5000; i++) /* more frames than the socket holds */
        extract_credit(extract, &probe.request, 1000);
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, PAGES);
}

static void test_extract__cancels_a_running_child(void **state)
{
    (void)state;
    await_starving_child();
    extract_cancel(extract, &probe.request);
    extract_cancel(extract, &probe.request); /* once is enough */
    assert_false(probe.is_done);
    probe_await(&probe, loop);
    assert_int_equal(probe.err.code, ERR_CANCELLED);
    while (extract_figures(extract).slots_busy)
        loop_run_once(loop, 1000);
    assert_int_equal(first_reader_of(zygote_pid()), 0);
}

static void test_extract__cancels_from_inside_on_pages(void **state)
{
    (void)state;
    probe.cancels_at_first_page = true;
    for (unsigned page = 0; page < 100; page++)
        pdf_writer_text_page(&writer, 60);
    assert_refused(pdf_writer_end(&writer), ERR_CANCELLED);
    assert_true(probe.page_count < 100);
}

static void test_extract__cancels_what_waits(void **state)
{
    (void)state;
    static struct probe probes[3];
    memset(probes, 0, sizeof(probes));
    pdf_writer_text_page(&writer, 20);
    struct text pdf = pdf_writer_end(&writer);
    for (size_t i = 0; i < COUNT_OF(probes); i++)
        probe_submit(&probes[i], extract, probe_body(pdf), pdf.bytes);
    extract_cancel(extract, &probes[2].request); /* two slots: the third waits */
    for (size_t i = 0; i < COUNT_OF(probes); i++)
        probe_await(&probes[i], loop);
    assert_true(probes[0].is_ok && probes[1].is_ok);
    assert_int_equal(probes[2].err.code, ERR_CANCELLED);
    for (size_t i = 0; i < COUNT_OF(probes); i++)
        probe_release(&probes[i]);
}

static struct extract_request chain[3];
static unsigned chain_rest;

static void on_chain_pages(struct extract_request *request, const struct page *pages, size_t count)
{
    (void)request;
    (void)pages;
    (void)count;
}

static void on_chain_done(struct extract_request *request, const struct extract_summary *summary,
                          const struct error *err)
{
    assert_null(err);
    assert_non_null(summary);
    if (chain_rest) {
        chain_rest--;
        extract_submit(extract, request);
    }
}

static void test_extract__takes_a_request_again_from_inside_its_answer(void **state)
{
    (void)state;
    pdf_writer_text_page(&writer, 5);
    struct text pdf = pdf_writer_end(&writer);
    probe.request.body_fd = probe_body(pdf);
    chain_rest = 30;
    for (size_t i = 0; i < COUNT_OF(chain); i++) { /* one more than there are slots */
        chain[i] = (struct extract_request){.body_fd = probe.request.body_fd,
                                            .body_bytes = pdf.bytes,
                                            .limits = extract_limits_default(),
                                            .on_pages = on_chain_pages,
                                            .on_done = on_chain_done};
        extract_submit(extract, &chain[i]);
    }
    while (chain_rest || extract_figures(extract).slots_busy)
        loop_run_once(loop, 1000);
}

/* ---- deaths ---------------------------------------------------------------------------------- */

/* By the kernel, say, which has run out of memory. */
static void kill_the_child(int signal)
{
    pid_t child;
    while ((child = first_reader_of(zygote_pid())) == 0)
        loop_run_once(loop, 1000);
    kill(child, signal);
    while (first_reader_of(zygote_pid()) == child)
        loop_run_once(loop, 1000);
}

static void test_extract__goes_on_when_the_child_is_killed(void **state)
{
    (void)state;
    await_starving_child();
    kill_the_child(SIGKILL);
    extract_credit(extract, &probe.request, 4 << 20);
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, PAGES);
    assert_int_equal(probe.summary.pages_skipped, 0);
}

/* The child that was made ahead: nobody's document is lost with it. */
static void test_extract__does_without_the_spare_that_is_killed(void **state)
{
    (void)state;
    pdf_writer_text_page(&writer, 5);
    struct text pdf = pdf_writer_end(&writer);
    for (int i = 0; i < 20; i++) {
        struct probe each = {.gives_credit = true};
        pid_t spare = spare_of(zygote_pid());
        if (spare)
            kill(spare, SIGKILL);
        probe_submit(&each, extract, probe_body(pdf), pdf.bytes);
        probe_await(&each, loop);
        assert_true(each.is_ok);
        assert_int_equal(each.page_count, 1);
        probe_release(&each);
    }
}

static void test_extract__leaves_it_to_the_pipeline_when_all_children_are_killed(void **state)
{
    (void)state;
    await_starving_child();
    for (int i = 0; i < 4; i++)
        kill_the_child(SIGKILL);
    probe_await(&probe, loop);
    assert_int_equal(probe.err.code, ERR_HELPER);
    assert_int_equal(first_reader_of(zygote_pid()), 0);
}

/* It had read its pages, and waited: none of them is to blame. */
static void test_extract__goes_on_after_a_crash_between_two_pages(void **state)
{
    (void)state;
    await_starving_child();
    kill(first_reader_of(zygote_pid()), SIGILL);
    extract_credit(extract, &probe.request, 4 << 20);
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, PAGES);
    assert_int_equal(probe.summary.pages_skipped, 0);
}

/* A service manager tells every process of a service to end; it is the worker that ends the others.
 */
static void test_extract__reads_on_when_everybody_is_told_to_end(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    (void)state;
    await_starving_child();
    pid_t zygote = zygote_pid();
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        kill(first_reader_of(zygote), signals[i]);
        kill(zygote, signals[i]);
    }
    extract_credit(extract, &probe.request, 4 << 20);
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, PAGES);
    assert_int_equal(probe.summary.pages_skipped, 0);
    assert_int_equal(zygote_pid(), zygote);
}

/* What SIGSTOP, or the lid of a laptop, does to a worker. */
static void test_extract__does_not_hold_its_own_standstill_against_a_page(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.page_timeout_ms = 1000;
    await_starving_child();
    extract_credit(extract, &probe.request, 4 << 20);
    (void)poll(NULL, 0, 1500); /* the loop does not turn */
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, PAGES);
    assert_int_equal(probe.summary.pages_skipped, 0);
}

static void test_extract__does_not_go_on_after_a_forbidden_call(void **state)
{
    (void)state;
    await_starving_child();
    kill(first_reader_of(zygote_pid()), SIGSYS);
    probe_await(&probe, loop);
    assert_int_equal(probe.err.code, ERR_EXTRACT_FORBIDDEN);
}

static void test_extract__outlives_its_zygote(void **state)
{
    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* like process 1 of a container: orphans come to us */
    await_starving_child();
    kill(zygote_pid(), SIGKILL);
    probe_await(&probe, loop);
    assert_int_equal(probe.err.code, ERR_HELPER);
    struct probe next = {.gives_credit = true};
    struct text pdf = buffer_text(&writer.out);
    probe_submit(&next, extract, probe_body(pdf), pdf.bytes);
    probe_await(&next, loop); /* it is started again */
    assert_true(next.is_ok);
    assert_int_equal(next.page_count, PAGES);
    probe_release(&next);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* only the new zygote, no zombie */
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void test_extract__answers_all_when_it_closes(void **state)
{
    (void)state;
    await_starving_child();
    bool is_closed = false;
    extract_close(extract, on_extract_closed, &is_closed);
    assert_false(probe.is_done);
    while (!is_closed)
        loop_run_once(loop, 1000);
    assert_true(probe.is_done);
    assert_int_equal(probe.err.code, ERR_SHUTDOWN);
    loop_free(loop);
    open_extract(2); /* for tear_down() */
}

static void test_extract__leaves_no_process_and_no_descriptor_behind(void **state)
{
    (void)state;
    close_extract();
    unsigned fds = count_fds();
    open_extract(2);
    pdf_writer_text_page(&writer, 20);
    struct text pdf = pdf_writer_end(&writer);
    probe_submit(&probe, extract, probe_body(pdf), pdf.bytes);
    probe_await(&probe, loop);
    unsigned fds_used = count_fds();
    for (int i = 0; i < 20; i++) {
        struct probe each = {.gives_credit = true};
        probe_submit(&each, extract, probe_body(pdf), pdf.bytes);
        if (i % 4 == 0)
            kill(zygote_pid(), SIGKILL);
        if (i % 4 == 1)
            extract_cancel(extract, &each.request);
        probe_await(&each, loop);
        probe_release(&each);
        while (extract_figures(extract).slots_busy)
            loop_run_once(loop, 1000);
    }
    struct probe last = {.gives_credit = true};
    probe_submit(&last, extract, probe_body(pdf), pdf.bytes);
    probe_await(&last, loop);
    probe_release(&last);
    assert_true(last.is_ok);
    assert_int_equal(count_fds(), fds_used);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* the zygote lives, nobody else is there */
    close_extract();
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(count_fds(), fds + 1); /* the probe's body */
    open_extract(2);
}

/* ---- start-up -------------------------------------------------------------------------------- */

static void test_extract__replaces_a_helper_that_has_grown(void **state)
{
    (void)state;
    struct error err;
    pdf_writer_text_page(&writer, 2);
    struct text pdf = pdf_writer_end(&writer);
    close_extract();
    loop = loop_new(&err);
    extract =
        extract_open(loop, &(struct extract_options){.slots_max = 2, .zygote_bytes_max = 1}, &err);
    assert_non_null(extract);
    pid_t first = zygote_pid();
    for (int i = 0; i < 70; i++) { /* its memory is looked at once in 64 */
        struct probe each = {.gives_credit = true};
        probe_submit(&each, extract, probe_body(pdf), pdf.bytes);
        probe_await(&each, loop);
        assert_true(each.is_ok);
        probe_release(&each);
    }
    assert_int_not_equal(zygote_pid(), first);
    while (count_children_of(getpid()) > 1)
        loop_run_once(loop, 1000);
}

static void test_extract__says_why_it_cannot_start(void **state)
{
    (void)state;
    static const struct text paths[] = {{"/nonexistent/helper", 19}, {"/bin/true", 9}};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct error err;
        struct extract_options options = {.helper_path = paths[i]};
        struct loop *other = loop_new(&err);
        assert_null(extract_open(other, &options, &err));
        assert_int_equal(err.code, ERR_SANDBOX);
        loop_free(other);
    }
    pdf_writer_text_page(&writer, 2);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_extract__stops_child_and_clocks_without_credit),
        EACH(test_extract__takes_credit_in_many_small_pieces),
        EACH(test_extract__cancels_a_running_child),
        EACH(test_extract__cancels_from_inside_on_pages),
        EACH(test_extract__cancels_what_waits),
        EACH(test_extract__takes_a_request_again_from_inside_its_answer),
        EACH(test_extract__goes_on_when_the_child_is_killed),
        EACH(test_extract__does_without_the_spare_that_is_killed),
        EACH(test_extract__leaves_it_to_the_pipeline_when_all_children_are_killed),
        EACH(test_extract__goes_on_after_a_crash_between_two_pages),
        EACH(test_extract__reads_on_when_everybody_is_told_to_end),
        EACH(test_extract__does_not_hold_its_own_standstill_against_a_page),
        EACH(test_extract__does_not_go_on_after_a_forbidden_call),
        EACH(test_extract__outlives_its_zygote),
        EACH(test_extract__answers_all_when_it_closes),
        EACH(test_extract__leaves_no_process_and_no_descriptor_behind),
        EACH(test_extract__replaces_a_helper_that_has_grown),
        EACH(test_extract__says_why_it_cannot_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
