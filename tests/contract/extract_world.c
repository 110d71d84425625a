#include "tests/contract/extract_world.h"

#include "tests/unit/test.h"

struct loop *loop;
struct extract *extract;
struct pdf_writer writer;
struct probe probe;

void on_extract_closed(void *arg)
{
    *(bool *)arg = true;
}

void open_extract(uint32_t slots_max)
{
    struct error err;
    loop = loop_new(&err);
    extract = extract_open(loop, &(struct extract_options){.slots_max = slots_max}, &err);
    if (!extract)
        fail_msg("extract_open: %s", err.message);
}

void close_extract(void)
{
    bool is_closed = false;
    extract_close(extract, on_extract_closed, &is_closed);
    while (!is_closed)
        loop_run_once(loop, 1000);
    loop_free(loop);
}

int set_up(void **state)
{
    (void)state;
    probe = (struct probe){.request.body_fd = -1, .gives_credit = true};
    pdf_writer_begin(&writer);
    open_extract(2);
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    probe_release(&probe);
    pdf_writer_release(&writer);
    close_extract();
    return 0;
}

void submit_writer(void)
{
    struct text pdf = pdf_writer_end(&writer);
    probe_submit(&probe, extract, probe_body(pdf), pdf.bytes);
}

void read_writer(void)
{
    submit_writer();
    probe_await(&probe, loop);
    if (!probe.is_ok)
        fail_msg("%s", probe.err.message);
}

void assert_refused(struct text body, enum error_code code)
{
    probe_submit(&probe, extract, probe_body(body), body.bytes);
    probe_await(&probe, loop);
    assert_false(probe.is_ok);
    assert_string_equal(error_name(probe.err.code), error_name(code));
}
