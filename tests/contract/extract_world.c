#include "tests/contract/extract_world.h"

#include <dirent.h>
#include <unistd.h>

#include "extract/wire.h"
#include "tests/unit/test.h"

#define CHILDREN_MAX 100

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

static bool is_reader(pid_t pid)
{
    char path[64], line[64] = "";
    assert_true(text_format(path, sizeof(path), "/proc/%d/comm", pid));
    FILE *file = fopen(path, "r");
    if (file && !fgets(line, sizeof(line), file))
        line[0] = 0;
    if (file)
        fclose(file);
    return text_equal(text_trim(text_from(line)), TEXT(WIRE_READER_NAME));
}

static size_t list_children(pid_t parent, pid_t *pids, size_t pids_max)
{
    char path[64], line[1024] = "";
    size_t count = 0;
    assert_true(text_format(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent));
    FILE *file = fopen(path, "r");
    if (file && !fgets(line, sizeof(line), file))
        line[0] = 0;
    if (file)
        fclose(file);
    for (struct text rest = text_from(line); rest.bytes && count < pids_max; count++) {
        uint64_t pid;
        assert_true(text_parse_u64(text_cut(rest, ' ', &rest), &pid));
        pids[count] = (pid_t)pid;
    }
    return count;
}

static pid_t first_child_of(pid_t parent, bool wants_reader)
{
    pid_t pids[CHILDREN_MAX];
    size_t count = list_children(parent, pids, CHILDREN_MAX);
    for (size_t i = 0; i < count; i++)
        if (is_reader(pids[i]) == wants_reader)
            return pids[i];
    return 0;
}

pid_t first_reader_of(pid_t zygote)
{
    return first_child_of(zygote, true);
}

pid_t spare_of(pid_t zygote)
{
    return first_child_of(zygote, false);
}

size_t count_children_of(pid_t parent)
{
    pid_t pids[CHILDREN_MAX];
    return list_children(parent, pids, CHILDREN_MAX);
}

pid_t zygote_pid(void)
{
    return first_child_of(getpid(), false);
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
