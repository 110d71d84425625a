#include "tests/contract/extract_world.h"

#include <dirent.h>
#include <unistd.h>

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

static unsigned list_children(pid_t parent, pid_t *ret_first)
{
    char path[64], line[1024] = "";
    unsigned count = 0;
    assert_true(text_format(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent));
    FILE *file = fopen(path, "r");
    if (file && !fgets(line, sizeof(line), file))
        line[0] = 0;
    if (file)
        fclose(file);
    *ret_first = 0;
    for (struct text rest = text_from(line); rest.bytes; count++) {
        uint64_t pid;
        assert_true(text_parse_u64(text_cut(rest, ' ', &rest), &pid));
        if (!count)
            *ret_first = (pid_t)pid;
    }
    return count;
}

pid_t first_child_of(pid_t parent)
{
    pid_t first;
    (void)list_children(parent, &first);
    return first;
}

unsigned count_children_of(pid_t parent)
{
    pid_t first;
    return list_children(parent, &first);
}

pid_t zygote_pid(void)
{
    return first_child_of(getpid());
}

unsigned count_fds(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
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
