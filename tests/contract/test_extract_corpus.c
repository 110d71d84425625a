/* Every public PDF there is, once through the sandbox: whatever they do, none may need a call that
 * the sandbox forbids, and none may cost more than itself. Prints how they ended. */
#include <ftw.h>
#include <unistd.h>

#include "extract/extract.h"
#include "tests/contract/extract_probe.h"
#include "tests/unit/test.h"
#include "worker/base/memory.h"

#define FILES_MAX 20000
#define AT_ONCE 8

static char *files[FILES_MAX];
static size_t file_count;

static int on_file(const char *path, const struct stat *status, int type)
{
    (void)status;
    if (type == FTW_F && file_count < FILES_MAX && text_ends_with(text_from(path), TEXT(".pdf")))
        files[file_count++] = xstrdup(text_from(path));
    return 0;
}

static bool find_corpus(char *folder, size_t folder_bytes)
{
    const char *corpus = getenv("TEST_CORPUS"), *source = getenv("TEST_SOURCE_DIR");
    if (corpus)
        return text_format(folder, folder_bytes, "%s/pdf", corpus) && access(folder, R_OK) == 0;
    return source && text_format(folder, folder_bytes, "%s/../shared/corpus/pdf", source) &&
           access(folder, R_OK) == 0;
}

struct tally {
    size_t by_code[ERROR_CODE_COUNT];
    size_t whole, partial, encrypted, pages;
    uint64_t text_bytes, cpu_us;
};

static void count(struct tally *tally, const struct probe *probe, const char *path)
{
    tally->pages += probe->page_count;
    tally->text_bytes += probe->text.bytes;
    tally->cpu_us += probe->has_summary ? probe->summary.cpu_us : 0;
    tally->encrypted += probe->has_summary && probe->summary.is_encrypted;
    if (!probe->is_ok)
        tally->by_code[probe->err.code]++;
    else if (probe->summary.pages_skipped)
        tally->partial++;
    else
        tally->whole++;
    bool is_noteworthy =
        !probe->is_ok &&
        (probe->err.code == ERR_EXTRACT_FORBIDDEN || probe->err.code == ERR_EXTRACT_CRASH ||
         probe->err.code == ERR_EXTRACT_MEMORY || probe->err.code == ERR_EXTRACT_TIMEOUT ||
         probe->err.code == ERR_HELPER);
    if (is_noteworthy || (probe->is_ok && probe->summary.pages_skipped))
        printf("%s: %s\n", path, probe->is_ok ? "pages left out" : probe->err.message);
}

static void submit_file(struct probe *probe, struct extract *extract, const char *path)
{
    uint64_t bytes;
    *probe = (struct probe){.gives_credit = true};
    int fd = probe_file(path, &bytes);
    probe_submit(probe, extract, fd, bytes);
}

static void run_all(struct extract *extract, struct loop *loop, struct tally *tally)
{
    static struct probe probes[AT_ONCE];
    size_t submitted = 0;
    for (; submitted < AT_ONCE && submitted < file_count; submitted++)
        submit_file(&probes[submitted], extract, files[submitted]);
    for (size_t i = 0; i < file_count; i++) {
        struct probe *probe = &probes[i % AT_ONCE];
        probe_await(probe, loop);
        count(tally, probe, files[i]);
        probe_release(probe);
        if (submitted < file_count)
            submit_file(probe, extract, files[submitted++]);
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
    struct tally tally = {0};
    struct loop *loop = loop_new(&err);
    struct extract *extract = extract_open(loop, &(struct extract_options){0}, &err);
    if (!extract)
        fail_msg("extract_open: %s", err.message);
    uint64_t start_ms = loop_now_ms(loop);
    run_all(extract, loop, &tally);
    uint64_t took_ms = loop_now_ms(loop) - start_ms;
    printf("%zu files, %zu pages, %llu bytes of text, %llu ms, children's cpu %llu ms\n",
           file_count, tally.pages, (unsigned long long)tally.text_bytes,
           (unsigned long long)took_ms, (unsigned long long)tally.cpu_us / 1000);
    printf("whole %zu, partial %zu, encrypted but readable %zu", tally.whole, tally.partial,
           tally.encrypted);
    for (unsigned code = 0; code < ERROR_CODE_COUNT; code++)
        if (tally.by_code[code])
            printf(", %s %zu", error_name(code), tally.by_code[code]);
    printf("\n");
    bool is_closed = false;
    extract_close(extract, on_closed, &is_closed);
    while (!is_closed)
        loop_run_once(loop, 1000);
    loop_free(loop);
    assert_int_equal(tally.by_code[ERR_EXTRACT_FORBIDDEN], 0);
    assert_int_equal(tally.by_code[ERR_HELPER], 0);
    assert_true(tally.whole > file_count / 2);
}

int main(void)
{
    char folder[4096];
    if (!find_corpus(folder, sizeof(folder)) || ftw(folder, on_file, 16) != 0 || file_count == 0) {
        printf("SKIPPED: no PDFs in TEST_CORPUS/pdf (default ../shared/corpus)\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_extract__survives_every_public_pdf)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < file_count; i++)
        xfree(files[i]);
    return failed;
}
