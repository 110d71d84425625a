/* Reads one PDF again and again through the sandbox, as the worker does.
 *
 *     extract_speed SLOTS ROUNDS FILE
 *
 * A line for each round: pages, milliseconds by the clock, milliseconds of processor time of the
 * children and of this process, KiB of memory of the largest child. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "extract/extract.h"

struct reading {
    struct extract_request request;
    struct extract *extract;
    bool is_done, is_ok;
    uint32_t page_count;
    uint64_t cpu_us, peak_bytes;
};

static double clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void on_pages(struct extract_request *request, const struct page *pages, size_t count)
{
    struct reading *reading = container_of(request, struct reading, request);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += pages[i].text.bytes;
    extract_credit(reading->extract, request, bytes);
}

static void on_done(struct extract_request *request, const struct extract_summary *summary,
                    const struct error *err)
{
    struct reading *reading = container_of(request, struct reading, request);
    reading->is_done = true;
    reading->is_ok = !err;
    if (err)
        fprintf(stderr, "%s: %s\n", error_name(err->code), err->message);
    if (summary) {
        reading->page_count = summary->page_count;
        reading->cpu_us = summary->cpu_us;
        reading->peak_bytes = summary->peak_bytes;
    }
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

/* A sealed copy in memory, as the worker downloads it. */
static int open_body(const char *path, uint64_t *ret_bytes)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int body = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0 || body < 0 || fstat(file, &status) != 0)
        return -1;
    for (off_t at = 0; at < status.st_size;)
        if (sendfile(body, file, &at, (size_t)(status.st_size - at)) <= 0)
            return -1;
    close(file);
    *ret_bytes = (uint64_t)status.st_size;
    return fcntl(body, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) == 0 ? body : -1;
}

static bool read_once(struct loop *loop, struct extract *extract, int body_fd, uint64_t body_bytes)
{
    static const struct tenant tenant;
    struct reading reading = {.extract = extract};
    reading.request = (struct extract_request){.body_fd = body_fd,
                                               .body_bytes = body_bytes,
                                               .tenant = &tenant,
                                               .limits = extract_limits_default(),
                                               .on_pages = on_pages,
                                               .on_done = on_done};
    double start_ms = clock_ms(CLOCK_MONOTONIC), used_ms = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
    extract_submit(extract, &reading.request);
    while (!reading.is_done)
        loop_run_once(loop, 1000);
    printf("%u %.3f %.3f %.3f %llu\n", reading.page_count, clock_ms(CLOCK_MONOTONIC) - start_ms,
           (double)reading.cpu_us / 1e3, clock_ms(CLOCK_PROCESS_CPUTIME_ID) - used_ms,
           (unsigned long long)reading.peak_bytes / 1024);
    return reading.is_ok;
}

int main(int argc, char **argv)
{
    struct error err;
    uint64_t body_bytes = 0;
    bool is_ok = true, is_closed = false;
    if (argc != 4)
        return 2;
    int body_fd = open_body(argv[3], &body_bytes);
    struct loop *loop = body_fd >= 0 ? loop_new(&err) : NULL;
    struct extract_options options = {.slots_max = (uint32_t)strtoul(argv[1], NULL, 10)};
    struct extract *extract = loop ? extract_open(loop, &options, &err) : NULL;
    if (!extract) {
        fprintf(stderr, "%s: %s\n", argv[3], body_fd < 0 ? "cannot be read" : err.message);
        return 1;
    }
    for (unsigned long rounds = strtoul(argv[2], NULL, 10); is_ok && rounds; rounds--)
        is_ok = read_once(loop, extract, body_fd, body_bytes);
    extract_close(extract, on_closed, &is_closed);
    while (!is_closed)
        loop_run_once(loop, 1000);
    loop_free(loop);
    return is_ok ? 0 : 1;
}
