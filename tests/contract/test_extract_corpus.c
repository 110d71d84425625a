/* Public PDFs, or the files of a folder, once through the sandbox: whatever they do, none may need a
 * call that the sandbox forbids, and none may cost more than itself. Prints how they ended. */
#include <unistd.h>

#include "extract/extract.h"
#include "tests/contract/corpus_files.h"
#include "tests/contract/extract_probe.h"
#include "tests/unit/test.h"
#include "worker/base/memory.h"

#define AT_ONCE 8
#define SMOKE_EVERY 8

static char **files;
static size_t file_count; /* to be read: every step of those that there are */
static size_t step = SMOKE_EVERY;

/* ---- how they end ---------------------------------------------------------------------------- */

enum { WHOLE = ERROR_CODE_COUNT, PARTIAL, END_COUNT }; /* beside the codes */

struct tally {
    size_t count, pages;
    uint64_t text_bytes, cpu_us, cpu_us_max;
    const char *slowest;
};

static uint64_t *peaks; /* bytes of memory, a child each */
static size_t peak_count;

static const char *end_name(unsigned end)
{
    return end == WHOLE ? "read" : end == PARTIAL ? "read, pages left out" : error_name(end);
}

static void count(struct tally *tallies, const struct probe *probe, const char *path)
{
    unsigned end = probe->is_ok ? WHOLE : probe->err.code;
    if (probe->is_ok && probe->summary.pages_skipped)
        end = PARTIAL;
    struct tally *tally = &tallies[end];
    uint64_t cpu_us = probe->has_summary ? probe->summary.cpu_us : 0;
    if (probe->has_summary)
        peaks[peak_count++] = probe->summary.peak_bytes;
    tally->count++;
    tally->pages += probe->page_count;
    tally->text_bytes += probe->text.bytes;
    tally->cpu_us += cpu_us;
    if (cpu_us >= tally->cpu_us_max) {
        tally->cpu_us_max = cpu_us;
        tally->slowest = path;
    }
    bool is_noteworthy = end == PARTIAL || end == ERR_EXTRACT_FORBIDDEN ||
                         end == ERR_EXTRACT_CRASH || end == ERR_EXTRACT_MEMORY ||
                         end == ERR_EXTRACT_TIMEOUT || end == ERR_HELPER;
    if (is_noteworthy)
        printf("%s: %s\n", path, probe->is_ok ? "pages left out" : probe->err.message);
}

static int compare_peaks(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void print_peaks(void)
{
    qsort(peaks, peak_count, sizeof(peaks[0]), compare_peaks);
    if (peak_count)
        printf("memory of a child: median %llu MiB, p99 %llu MiB, most %llu MiB\n",
               (unsigned long long)peaks[peak_count / 2] >> 20,
               (unsigned long long)peaks[peak_count * 99 / 100] >> 20,
               (unsigned long long)peaks[peak_count - 1] >> 20);
}

static void print(const struct tally *tallies, uint64_t took_ms)
{
    printf("%-22s %6s %7s %9s %9s %8s  %s\n", "end", "files", "pages", "text kB", "cpu ms",
           "most ms", "slowest");
    for (unsigned end = 0; end < END_COUNT; end++)
        if (tallies[end].count)
            printf("%-22s %6zu %7zu %9llu %9llu %8llu  %s\n", end_name(end), tallies[end].count,
                   tallies[end].pages, (unsigned long long)tallies[end].text_bytes / 1000,
                   (unsigned long long)tallies[end].cpu_us / 1000,
                   (unsigned long long)tallies[end].cpu_us_max / 1000, tallies[end].slowest);
    printf("%zu files in %llu ms\n", file_count, (unsigned long long)took_ms);
    print_peaks();
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void submit_file(struct probe *probe, struct extract *extract, const char *path)
{
    uint64_t bytes;
    *probe = (struct probe){.gives_credit = true, .request.name = text_from(path)};
    int fd = probe_file(path, &bytes);
    probe_submit(probe, extract, fd, bytes);
}

static void run_all(struct extract *extract, struct loop *loop, struct tally *tallies)
{
    static struct probe probes[AT_ONCE];
    size_t submitted = 0;
    for (; submitted < AT_ONCE && submitted < file_count; submitted++)
        submit_file(&probes[submitted], extract, files[submitted * step]);
    for (size_t i = 0; i < file_count; i++) {
        struct probe *probe = &probes[i % AT_ONCE];
        probe_await(probe, loop);
        count(tallies, probe, files[i * step]);
        probe_release(probe);
        if (submitted < file_count)
            submit_file(probe, extract, files[step * submitted++]);
    }
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void test_extract__survives_every_public_pdf(void **state)
{
    (void)state;
    struct error err;
    static struct tally tallies[END_COUNT];
    struct loop *loop = loop_new(&err);
    struct extract *extract = extract_open(loop, &(struct extract_options){0}, &err);
    if (!extract)
        fail_msg("extract_open: %s", err.message);
    uint64_t start_ms = loop_now_ms(loop);
    run_all(extract, loop, tallies);
    print(tallies, loop_now_ms(loop) - start_ms);
    bool is_closed = false;
    extract_close(extract, on_closed, &is_closed);
    while (!is_closed)
        loop_run_once(loop, 1000);
    loop_free(loop);
    assert_int_equal(tallies[ERR_EXTRACT_FORBIDDEN].count, 0);
    assert_int_equal(tallies[ERR_HELPER].count, 0);
    assert_int_equal(tallies[ERR_BUG].count, 0);
    assert_true(step == 1 || tallies[WHOLE].count > file_count / 2);
}

/* A folder of somebody's: all of it. Else every eighth of the public PDFs: ./run corpus reads them
 * all. */
int main(int argc, char **argv)
{
    size_t count = argc > 1 ? corpus_files_below(argv[1], "", &files) : corpus_files_list(&files);
    if (argc > 1)
        step = 1;
    if (!count) {
        printf("SKIPPED: no files in %s\n",
               argc > 1 ? argv[1] : "TEST_CORPUS/pdf (default ../shared/corpus)");
        return argc > 1 ? 1 : 77;
    }
    file_count = (count + step - 1) / step;
    peaks = xcalloc(file_count, sizeof(*peaks));
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_extract__survives_every_public_pdf)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    xfree(peaks);
    corpus_files_free(files, count);
    return failed;
}
