/* Long documents, read by several children: whoever reads what, and whatever ends them, the text is
 * the same; who wants it slowly gets it slowly; nobody else is kept waiting. */
#include <signal.h>
#include <unistd.h>

#include "tests/contract/extract_world.h"
#include "tests/unit/test.h"
#include "worker/model/tenant.h"

static struct text pdf; /* the writer's, when it is written */

static void write_pages(unsigned page_count, unsigned line_count)
{
    for (unsigned page = 0; page < page_count; page++)
        pdf_writer_text_page(&writer, line_count + page % 7);
    pdf = pdf_writer_end(&writer);
}

static void reopen_extract(uint32_t slots_max)
{
    close_extract();
    open_extract(slots_max);
}

static void submit(struct probe *each)
{
    probe_submit(each, extract, probe_body(pdf), pdf.bytes);
}

static void run_once(void)
{
    loop_run_once(loop, 1000);
}

static void read_whole(struct probe *each)
{
    submit(each);
    probe_await(each, loop);
    if (!each->is_ok)
        fail_msg("%s", each->err.message);
}

static void assert_same_text(const struct probe *a, const struct probe *b)
{
    assert_int_equal(a->page_count, b->page_count);
    assert_int_equal(a->text.bytes, b->text.bytes);
    assert_memory_equal(a->text.data, b->text.data, a->text.bytes);
}

/* probe has the text as one child reads it. */
static void read_with_one_child(void)
{
    reopen_extract(1);
    probe.request.limits = extract_limits_default();
    probe.request.limits.range_pages = UINT32_MAX;
    read_whole(&probe);
}

static void test_ranges__give_the_same_text_with_any_number_of_children(void **state)
{
    (void)state;
    static const uint32_t slots[] = {1, 2, 4};
    write_pages(777, 20);
    read_with_one_child();
    for (size_t i = 0; i < COUNT_OF(slots); i++) {
        struct probe each = {.gives_credit = true};
        uint32_t busy_max = 0;
        reopen_extract(slots[i]);
        submit(&each);
        while (!each.is_done) {
            run_once();
            uint32_t busy = extract_figures(extract).slots_busy;
            busy_max = busy > busy_max ? busy : busy_max;
        }
        assert_true(each.is_ok);
        assert_same_text(&each, &probe);
        assert_int_equal(busy_max, slots[i]); /* 777 pages: four at most */
        probe_release(&each);
    }
}

static void test_ranges__read_a_short_document_with_one_child(void **state)
{
    (void)state;
    write_pages(199, 5);
    reopen_extract(4);
    submit(&probe);
    while (!probe.is_done) {
        run_once();
        assert_true(extract_figures(extract).slots_busy <= 1);
    }
    assert_true(probe.is_ok);
    assert_int_equal(probe.page_count, 199);
}

static void test_ranges__go_on_when_children_crash(void **state)
{
    (void)state;
    write_pages(600, 30);
    read_with_one_child();
    reopen_extract(2);
    struct probe each = {.gives_credit = true};
    submit(&each);
    for (unsigned crashes = 0; !each.is_done;) {
        run_once();
        pid_t child = first_reader_of(zygote_pid());
        bool has_begun = each.page_count > crashes * 100;
        if (crashes < 3 && has_begun && child && kill(child, SIGILL) == 0)
            crashes++;
    }
    assert_true(each.is_ok);
    assert_int_equal(each.page_count, 600);
    if (!each.summary.pages_skipped) /* else one of them was at a page: that is not the same text */
        assert_same_text(&each, &probe);
    assert_true(each.summary.pages_skipped <= 3);
    probe_release(&each);
}

static void test_ranges__leave_out_bad_pages_and_name_them(void **state)
{
    (void)state;
    struct probe each = {.gives_credit = true};
    for (unsigned page = 1; page <= 300; page++)
        if (page == 40 || page == 250)
            pdf_writer_bomb_page(&writer);
        else
            pdf_writer_text_page(&writer, 10);
    pdf = pdf_writer_end(&writer);
    each.request.limits = extract_limits_default();
    each.request.limits.page_timeout_ms = 500;
    read_whole(&each);
    assert_int_equal(each.page_count, 300);
    assert_int_equal(each.summary.pages_skipped, 2);
    assert_int_equal(each.summary.skipped[0], 40);
    assert_int_equal(each.summary.skipped[1], 250);
    probe_release(&each);
}

/* ---- a slow consumer ------------------------------------------------------------------------- */

static void test_ranges__flow_however_slowly_they_are_taken(void **state)
{
    (void)state;
    write_pages(500, 70); /* about 2 MB */
    read_with_one_child();
    reopen_extract(4);
    struct probe each = {.gives_credit = false};
    submit(&each);
    size_t granted = 256 << 10;
    while (!each.is_done) {
        size_t seen = each.text.bytes - each.page_count; /* without the U+000C between */
        assert_true(seen <= granted + 8000);             /* the last page may exceed it */
        if (seen >= granted) {
            extract_credit(extract, &each.request, 3000);
            granted += 3000;
        } else {
            run_once();
        }
    }
    assert_true(each.is_ok);
    assert_same_text(&each, &probe);
    probe_release(&each);
}

static void on_pause_over(struct timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

static void test_ranges__are_not_read_far_ahead_of_who_takes_them(void **state)
{
    (void)state;
    write_pages(3000, 3);
    reopen_extract(2);
    struct probe each = {.gives_credit = false};
    struct timer pause = {0};
    each.request.limits = extract_limits_default();
    each.request.limits.page_timeout_ms = 1500; /* of time in which they are idle, nothing counts */
    submit(&each);
    while (each.text.bytes < 256 << 10 && !each.is_done)
        run_once();
    timer_start(loop, &pause, 1800, on_pause_over);
    loop_run(loop);
    assert_false(each.is_done);
    extract_cancel(extract, &each.request);
    probe_await(&each, loop);
    assert_int_equal(each.err.code, ERR_CANCELLED);
    assert_true(each.page_count < 3000);
    probe_release(&each);
}

/* ---- others ---------------------------------------------------------------------------------- */

static struct tenant tenant_of(uint8_t number)
{
    return tenant_from_user_id((struct uuid){{number}});
}

/* So long that it is under way for seconds, and as wide as there are slots. */
static void submit_long(struct probe *each, const struct tenant *tenant)
{
    each->gives_credit = true;
    each->request.tenant = tenant;
    submit(each);
}

static void assert_overtakes(uint32_t slots_max, unsigned long_count)
{
    static struct probe longs[2];
    struct tenant noisy = tenant_of(1), quiet = tenant_of(2);
    struct probe small = {.gives_credit = true, .request.tenant = &quiet};
    struct pdf_writer other;
    memset(longs, 0, sizeof(longs));
    write_pages(4000, 40);
    reopen_extract(slots_max);
    for (unsigned i = 0; i < long_count; i++)
        submit_long(&longs[i], &noisy);
    while (extract_figures(extract).slots_busy < slots_max)
        run_once();
    pdf_writer_begin(&other);
    pdf_writer_text_page(&other, 5);
    struct text short_pdf = pdf_writer_end(&other);
    probe_submit(&small, extract, probe_body(short_pdf), short_pdf.bytes);
    probe_await(&small, loop);
    assert_true(small.is_ok);
    for (unsigned i = 0; i < long_count; i++)
        assert_false(longs[i].is_done);
    for (unsigned i = 0; i < long_count; i++) {
        probe_await(&longs[i], loop);
        assert_true(longs[i].is_ok);
        assert_int_equal(longs[i].page_count, 4000);
    }
    for (unsigned i = 1; i < long_count; i++)
        assert_same_text(&longs[i], &longs[0]);
    for (unsigned i = 0; i < long_count; i++)
        probe_release(&longs[i]);
    probe_release(&small);
    pdf_writer_release(&other);
}

static void test_ranges__give_a_second_slot_back_when_somebody_waits(void **state)
{
    (void)state;
    assert_overtakes(2, 1);
}

static void test_ranges__of_one_tenant_make_room_for_another_tenant(void **state)
{
    (void)state;
    assert_overtakes(1, 2);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_ranges__give_the_same_text_with_any_number_of_children),
        EACH(test_ranges__read_a_short_document_with_one_child),
        EACH(test_ranges__go_on_when_children_crash),
        EACH(test_ranges__leave_out_bad_pages_and_name_them),
        EACH(test_ranges__flow_however_slowly_they_are_taken),
        EACH(test_ranges__are_not_read_far_ahead_of_who_takes_them),
        EACH(test_ranges__give_a_second_slot_back_when_somebody_waits),
        EACH(test_ranges__of_one_tenant_make_room_for_another_tenant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
