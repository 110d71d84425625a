/* The extraction service against the real helper, poppler and kernel. */
#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract/extract.h"
#include "tests/contract/extract_probe.h"
#include "tests/contract/pdf_writer.h"
#include "tests/unit/test.h"
#include "worker/base/memory.h"

static struct loop *loop;
static struct extract *extract;
static struct pdf_writer writer;
static struct probe probe;

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void open_extract(uint32_t slots_max)
{
    struct error err;
    loop = loop_new(&err);
    extract = extract_open(loop, &(struct extract_options){.slots_max = slots_max}, &err);
    if (!extract)
        fail_msg("extract_open: %s", err.message);
}

static void close_extract(void)
{
    bool is_closed = false;
    extract_close(extract, on_closed, &is_closed);
    while (!is_closed)
        loop_run_once(loop, 1000);
    loop_free(loop);
}

static int set_up(void **state)
{
    (void)state;
    probe = (struct probe){.request.body_fd = -1, .gives_credit = true};
    pdf_writer_begin(&writer);
    open_extract(2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    probe_release(&probe);
    pdf_writer_release(&writer);
    close_extract();
    return 0;
}

/* ---- processes: only ours, found from our own children ------------------------------------------
 */

static pid_t first_child_of(pid_t parent)
{
    char path[64], line[64] = "";
    assert_true(text_format(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent));
    FILE *file = fopen(path, "r");
    uint64_t pid = 0;
    struct text rest;
    if (file && fgets(line, sizeof(line), file))
        assert_true(text_parse_u64(text_cut(text_from(line), ' ', &rest), &pid));
    if (file)
        fclose(file);
    return (pid_t)pid;
}

static pid_t zygote_pid(void)
{
    return first_child_of(getpid());
}

static unsigned count_fds(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* The child has used up its credit and waits. */
static void await_starving_child(void)
{
    probe.gives_credit = false;
    for (unsigned page = 0; page < 200; page++)
        pdf_writer_text_page(&writer, 70); /* about 4 KB each: more than the first credit */
    struct text pdf = pdf_writer_end(&writer);
    probe_submit(&probe, extract, probe_body(pdf), pdf.bytes);
    while (probe.text.bytes < 256 << 10)
        loop_run_once(loop, 1000);
    assert_false(probe.is_done);
    assert_true(first_child_of(zygote_pid()) > 0);
}

/* ---- good documents
 * ------------------------------------------------------------------------------ */

static void test_extract__gives_the_pages_in_order(void **state)
{
    (void)state;
    for (unsigned page = 0; page < 300; page++)
        pdf_writer_text_page(&writer, 60);
    struct text pdf = pdf_writer_end(&writer);
    probe_submit(&probe, extract, probe_body(pdf), pdf.bytes);
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, 300);
    assert_int_equal(probe.summary.page_count, 300);
    assert_int_equal(probe.summary.pages_skipped, 0);
    assert_int_equal(probe.summary.text_bytes + 300, probe.text.bytes);
    assert_true(probe.summary.cpu_us > 0);
    assert_false(probe.summary.is_encrypted);
    size_t at;
    assert_true(
        text_find(buffer_text(&probe.text), TEXT("Page number 299\nLine 1: the mill"), &at));
}

static void test_extract__reads_the_fixtures(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        bool is_ok;
        enum error_code code;
    } cases[] = {
        {"b27d9e54-83aa-4f60-8c15-6d0e94f1b2a3/bienenkunde.pdf", true, ERR_BUG},
        {"b27d9e54-83aa-4f60-8c15-6d0e94f1b2a3/vertraulich.pdf", false, ERR_PASSWORD},
        {"a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11/photo of the millstone.pdf", false, ERR_NO_TEXT},
        {"a1f6c2d0-5b7e-4c1a-9d3f-2e8b7a640c11/reports/broken-scan.pdf", false, ERR_DAMAGED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char path[4096];
        struct probe each = {.gives_credit = true};
        uint64_t bytes;
        assert_true(text_format(path, sizeof(path), "%s/tests/fixtures/demo/users/%s",
                                getenv("TEST_SOURCE_DIR"), cases[i].file));
        int fd = probe_file(path, &bytes);
        probe_submit(&each, extract, fd, bytes);
        probe_await(&each, loop);
        assert_int_equal(each.is_ok, cases[i].is_ok);
        if (!each.is_ok)
            assert_string_equal(error_name(each.err.code), error_name(cases[i].code));
        probe_release(&each);
    }
}

static void test_extract__reads_chinese_without_a_map_to_unicode(void **state)
{
    (void)state;
    char resources[256];
    assert_true(text_format(resources, sizeof(resources),
                            "/Font<</G<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/90ms-RKSJ-H"
                            "/DescendantFonts[<</Type/Font/Subtype/CIDFontType0/BaseFont/A"
                            "/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>"
                            "/DW 1000>>]>>>>"));
    pdf_writer_page(&writer, TEXT("BT /G 20 Tf 50 700 Td <90858ED4> Tj ET"), resources);
    struct text pdf = pdf_writer_end(&writer);
    probe_submit(&probe, extract, probe_body(pdf), pdf.bytes);
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_text(buffer_text(&probe.text), "\u6c34\u8eca\f");
}

static void test_extract__runs_a_hundred_documents_over_two_slots(void **state)
{
    (void)state;
    static struct probe probes[100];
    for (unsigned page = 0; page < 3; page++)
        pdf_writer_text_page(&writer, 20);
    struct text pdf = pdf_writer_end(&writer);
    memset(probes, 0, sizeof(probes));
    for (size_t i = 0; i < COUNT_OF(probes); i++)
        probe_submit(&probes[i], extract, probe_body(pdf), pdf.bytes);
    assert_int_equal(extract_figures(extract).waiting, 98);
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        probe_await(&probes[i], loop);
        assert_true(probes[i].is_ok);
        assert_int_equal(probes[i].page_count, 3);
        assert_true(extract_figures(extract).slots_busy <= 2);
        probe_release(&probes[i]);
    }
    assert_int_equal(extract_figures(extract).waiting, 0);
}

/* ---- documents that are none
 * ---------------------------------------------------------------------- */

static void assert_refused(struct text body, enum error_code code)
{
    probe_submit(&probe, extract, probe_body(body), body.bytes);
    probe_await(&probe, loop);
    assert_false(probe.is_ok);
    assert_string_equal(error_name(probe.err.code), error_name(code));
}

static void test_extract__refuses_an_empty_file(void **state)
{
    (void)state;
    assert_refused(TEXT_NONE, ERR_EMPTY);
}

static void test_extract__refuses_what_is_not_a_pdf(void **state)
{
    (void)state;
    assert_refused(TEXT("PK\x03\x04 this is a word processor's file"), ERR_NOT_PDF);
}

static void test_extract__refuses_a_pdf_cut_to_its_head(void **state)
{
    (void)state;
    assert_refused(TEXT("%PDF-1.7\n1 0 obj\n<</Type/Cata"), ERR_DAMAGED);
}

static void test_extract__says_when_no_page_has_text(void **state)
{
    (void)state;
    pdf_writer_page(&writer, TEXT("0 0 100 100 re f"), "");
    pdf_writer_page(&writer, TEXT("BT /F 10 Tf (   ) Tj ET"), "");
    assert_refused(pdf_writer_end(&writer), ERR_NO_TEXT);
    assert_int_equal(probe.page_count, 2);
    assert_true(probe.has_summary);
}

static void test_extract__refuses_too_many_pages(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.pages_max = 4;
    for (unsigned page = 0; page < 5; page++)
        pdf_writer_text_page(&writer, 2);
    assert_refused(pdf_writer_end(&writer), ERR_PAGES_MAX);
    assert_int_equal(probe.page_count, 0);
}

static void test_extract__refuses_too_much_text(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.text_bytes_max = 10000;
    for (unsigned page = 0; page < 10; page++)
        pdf_writer_text_page(&writer, 60);
    assert_refused(pdf_writer_end(&writer), ERR_TEXT_MAX);
}

static void test_extract__refuses_a_page_of_too_much_text(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.page_text_bytes_max = 1000;
    pdf_writer_text_page(&writer, 60);
    assert_refused(pdf_writer_end(&writer), ERR_TEXT_MAX);
}

/* ---- hostile documents
 * ----------------------------------------------------------------------------- */

/* Ten forms that each show the next one ten times: 10^10 operators in a few kilobytes. */
static void write_bomb_page(void)
{
    static const char *const dictionary = "/Type/XObject/Subtype/Form/BBox[0 0 600 800]";
    char entries[128], content[512];
    unsigned form = pdf_writer_stream(&writer, dictionary, TEXT("0 0 1 1 re f"));
    for (int level = 0; level < 10; level++) {
        assert_true(text_format(entries, sizeof(entries), "%s/Resources<</XObject<</A %u 0 R>>>>",
                                dictionary, form));
        assert_true(text_format(content, sizeof(content),
                                "/A Do /A Do /A Do /A Do /A Do "
                                "/A Do /A Do /A Do /A Do /A Do"));
        form = pdf_writer_stream(&writer, entries, text_from(content));
    }
    assert_true(text_format(entries, sizeof(entries), "/XObject<</A %u 0 R>>", form));
    pdf_writer_page(&writer, TEXT("/A Do"), entries);
}

static void test_extract__ends_a_bomb_by_the_page_deadline(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.page_timeout_ms = 200;
    write_bomb_page();
    assert_refused(pdf_writer_end(&writer), ERR_EXTRACT_TIMEOUT);
    assert_int_equal(probe.page_count, 1);
    assert_int_equal(probe.skipped_page, 1);
}

static void test_extract__ends_a_bomb_by_its_cpu_time(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.cpu_seconds = 1;
    write_bomb_page();
    assert_refused(pdf_writer_end(&writer), ERR_EXTRACT_TIMEOUT);
}

static void test_extract__keeps_the_pages_around_a_bomb(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.page_timeout_ms = 1000;
    for (unsigned page = 0; page < 5; page++)
        pdf_writer_text_page(&writer, 20);
    write_bomb_page();
    for (unsigned page = 0; page < 5; page++)
        pdf_writer_text_page(&writer, 20);
    struct text pdf = pdf_writer_end(&writer);
    probe_submit(&probe, extract, probe_body(pdf), pdf.bytes);
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, 11);
    assert_int_equal(probe.skipped_page, 6);
    assert_int_equal(probe.summary.pages_skipped, 1);
}

static void test_extract__gives_up_after_three_bad_pages(void **state)
{
    (void)state;
    probe.request.limits = extract_limits_default();
    probe.request.limits.page_timeout_ms = 200;
    pdf_writer_text_page(&writer, 20);
    for (unsigned page = 0; page < 4; page++)
        write_bomb_page();
    assert_refused(pdf_writer_end(&writer), ERR_EXTRACT_TIMEOUT);
    assert_int_equal(probe.page_count, 4);
    assert_int_equal(probe.summary.page_count, 5);
}

static void test_extract__ends_what_eats_memory(void **state)
{
    (void)state;
#ifdef HOUSE_SANITIZED
    skip(); /* no RLIMIT_AS there */
#endif
    struct buffer saves = buffer_new(16 << 20);
    for (int i = 0; i < 5000000; i++) /* each copies the graphics state */
        buffer_append_text(&saves, TEXT("q\n"));
    pdf_writer_page(&writer, buffer_text(&saves), "");
    buffer_release(&saves);
    assert_refused(pdf_writer_end(&writer), ERR_EXTRACT_MEMORY);
}

/* ---- credit and cancelling
 * --------------------------------------------------------------------------- */

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
    assert_int_equal(probe.page_count, 200);
}

static void test_extract__takes_credit_in_many_small_pieces(void **state)
{
    (void)state;
    await_starving_child();
    for (int i = 0; i < 5000; i++) /* more frames than the socket holds */
        extract_credit(extract, &probe.request, 1000);
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, 200);
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
    assert_int_equal(first_child_of(zygote_pid()), 0);
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

/* ---- deaths
 * -------------------------------------------------------------------------------------------- */

static void test_extract__answers_when_the_child_is_killed(void **state)
{
    (void)state;
    await_starving_child();
    kill(first_child_of(zygote_pid()), SIGKILL);
    probe_await(&probe, loop);
    assert_int_equal(probe.err.code, ERR_HELPER);
    assert_int_equal(first_child_of(zygote_pid()), 0);
}

static void test_extract__leaves_out_the_page_that_crashes(void **state)
{
    (void)state;
    await_starving_child();
    uint32_t pages_before = probe.page_count;
    kill(first_child_of(zygote_pid()), SIGILL);
    extract_credit(extract, &probe.request, 4 << 20);
    probe_await(&probe, loop);
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, 200);
    assert_int_equal(probe.skipped_page, pages_before + 1);
    assert_int_equal(probe.summary.pages_skipped, 1);
}

static void test_extract__does_not_go_on_after_a_forbidden_call(void **state)
{
    (void)state;
    await_starving_child();
    kill(first_child_of(zygote_pid()), SIGSYS);
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
    assert_int_equal(next.page_count, 200);
    probe_release(&next);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* only the new zygote, no zombie */
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void test_extract__answers_all_when_it_closes(void **state)
{
    (void)state;
    await_starving_child();
    bool is_closed = false;
    extract_close(extract, on_closed, &is_closed);
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

/* ---- start-up
 * -------------------------------------------------------------------------------------------- */

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
        EACH(test_extract__gives_the_pages_in_order),
        EACH(test_extract__reads_the_fixtures),
        EACH(test_extract__reads_chinese_without_a_map_to_unicode),
        EACH(test_extract__runs_a_hundred_documents_over_two_slots),
        EACH(test_extract__refuses_an_empty_file),
        EACH(test_extract__refuses_what_is_not_a_pdf),
        EACH(test_extract__refuses_a_pdf_cut_to_its_head),
        EACH(test_extract__says_when_no_page_has_text),
        EACH(test_extract__refuses_too_many_pages),
        EACH(test_extract__refuses_too_much_text),
        EACH(test_extract__refuses_a_page_of_too_much_text),
        EACH(test_extract__ends_a_bomb_by_the_page_deadline),
        EACH(test_extract__ends_a_bomb_by_its_cpu_time),
        EACH(test_extract__keeps_the_pages_around_a_bomb),
        EACH(test_extract__gives_up_after_three_bad_pages),
        EACH(test_extract__ends_what_eats_memory),
        EACH(test_extract__stops_child_and_clocks_without_credit),
        EACH(test_extract__takes_credit_in_many_small_pieces),
        EACH(test_extract__cancels_a_running_child),
        EACH(test_extract__cancels_from_inside_on_pages),
        EACH(test_extract__cancels_what_waits),
        EACH(test_extract__answers_when_the_child_is_killed),
        EACH(test_extract__leaves_out_the_page_that_crashes),
        EACH(test_extract__does_not_go_on_after_a_forbidden_call),
        EACH(test_extract__outlives_its_zygote),
        EACH(test_extract__answers_all_when_it_closes),
        EACH(test_extract__leaves_no_process_and_no_descriptor_behind),
        EACH(test_extract__says_why_it_cannot_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
