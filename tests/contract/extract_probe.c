#include "tests/contract/extract_probe.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/test.h"

#ifdef HOUSE_SANITIZED
#define PATIENCE_MS 300000 /* a child is some ten times slower there */
#else
#define PATIENCE_MS 30000
#endif

int probe_body(struct text bytes)
{
    int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    for (struct text rest = bytes; rest.bytes;) {
        ssize_t written = write(fd, rest.start, rest.bytes);
        assert_true(written > 0);
        rest = text_slice(rest, (size_t)written, rest.bytes);
    }
    assert_int_equal(
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
    return fd;
}

int probe_file(const char *path, uint64_t *ret_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        fail_msg("%s cannot be read", path);
    *ret_bytes = (uint64_t)status.st_size;
    return fd;
}

static void on_document(struct extract_request *request, const struct extract_document *document)
{
    struct probe *probe = container_of(request, struct probe, request);
    assert_false(probe->is_done || probe->announced_pages || probe->page_count);
    assert_true(document->page_count > 0 && document->mime_type.bytes > 0);
    probe->announced_pages = document->page_count;
}

static void on_pages(struct extract_request *request, const struct page *pages, size_t count)
{
    struct probe *probe = container_of(request, struct probe, request);
    assert_false(probe->is_done);
    assert_true(count > 0 && probe->page_count + count <= probe->announced_pages);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pages[i].number, ++probe->page_count);
        assert_true(text_is_utf8(pages[i].text));
        if (pages[i].flags & PAGE_IS_SKIPPED)
            probe->skipped_page = pages[i].number;
        probe->flags |= pages[i].flags;
        bytes += pages[i].text.bytes;
        buffer_append_text(&probe->text, pages[i].text);
        buffer_append_char(&probe->text, '\f');
        buffer_append_text(&probe->labels, pages[i].label);
        buffer_append_char(&probe->labels, '\f');
    }
    if (probe->gives_credit)
        extract_credit(probe->extract, request, bytes);
    if (probe->cancels_at_first_page)
        extract_cancel(probe->extract, request);
}

static void on_done(struct extract_request *request, const struct extract_summary *summary,
                    const struct error *err)
{
    struct probe *probe = container_of(request, struct probe, request);
    assert_false(probe->is_done);
    probe->is_done = true;
    probe->is_ok = !err;
    if (err)
        probe->err = *err;
    probe->has_summary = summary != NULL;
    if (summary) {
        assert_int_equal(summary->page_count, probe->announced_pages);
        probe->summary = *summary;
        (void)text_format(probe->title, sizeof(probe->title), "%.*s", TEXT_ARGS(summary->title));
        (void)text_format(probe->mime_type, sizeof(probe->mime_type), "%.*s",
                          TEXT_ARGS(summary->mime_type));
    }
}

void probe_submit(struct probe *probe, struct extract *extract, int body_fd, uint64_t body_bytes)
{
    probe->extract = extract;
    probe->text = buffer_new(256u << 20);
    probe->labels = buffer_new(1 << 20);
    probe->request.body_fd = body_fd;
    probe->request.body_bytes = body_bytes;
    if (!probe->request.limits.pages_max)
        probe->request.limits = extract_limits_default();
    probe->request.on_document = on_document;
    probe->request.on_pages = on_pages;
    probe->request.on_done = on_done;
    extract_submit(extract, &probe->request);
    assert_false(probe->is_done); /* never from inside */
}

void probe_await(struct probe *probe, struct loop *loop)
{
    uint64_t end_ms = loop_now_ms(loop) + PATIENCE_MS;
    while (!probe->is_done && loop_now_ms(loop) < end_ms)
        loop_run_once(loop, 1000);
    if (!probe->is_done)
        fail_msg("no answer after %d ms", PATIENCE_MS);
}

void probe_release(struct probe *probe)
{
    if (probe->request.body_fd >= 0)
        close(probe->request.body_fd);
    buffer_release(&probe->text);
    buffer_release(&probe->labels);
}
