/* The forms set: what people wrote into public PDFs is in their text, and nothing twice. */
#include <glob.h>
#include <unistd.h>

#include "tests/contract/extract_world.h"
#include "tests/unit/test.h"

struct written {
    const char *file; /* below the corpus; * stands for what its collector put before the name */
    const char *text;
};

static const struct written WRITTEN[] = {
    {"pdf/format-corpus/*simple-annotated-in-adobe-x.pdf",
     "This is a sticky note I added using Adobe Reader X Version 10.1.2 on Windows 7."},
    {"pdf/pdfjs/*annotation-text-without-popup.pdf", "Text content without Popup annotation"},
    {"pdf/pdfjs/*annotation-freetext.pdf", "FreeText content"},
    {"pdf/pdfjs/*acroform_calculation_order.pdf", "Hello"},
    {"pdf/pdfbox/*AcroFormsBasicFields.pdf", "Opt01"},
};

static bool find_file(const char *pattern, char *path, size_t path_bytes)
{
    const char *corpus = getenv("TEST_CORPUS"), *source = getenv("TEST_SOURCE_DIR");
    char whole[4096];
    glob_t found;
    bool is_formed = corpus ? text_format(whole, sizeof(whole), "%s/%s", corpus, pattern)
                            : text_format(whole, sizeof(whole), "%s/../shared/corpus/%s",
                                          source ? source : ".", pattern);
    if (!is_formed || glob(whole, 0, NULL, &found) != 0)
        return false;
    bool is_one = found.gl_pathc == 1 && text_format(path, path_bytes, "%s", found.gl_pathv[0]);
    globfree(&found);
    return is_one;
}

static void test_extract__reads_what_was_written_into_public_pdfs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(WRITTEN); i++) {
        char path[4096];
        uint64_t bytes;
        size_t at;
        if (!find_file(WRITTEN[i].file, path, sizeof(path)))
            fail_msg("%s is not in the corpus", WRITTEN[i].file);
        probe = (struct probe){.gives_credit = true};
        int fd = probe_file(path, &bytes);
        probe_submit(&probe, extract, fd, bytes);
        probe_await(&probe, loop);
        assert_true(probe.is_ok);
        struct text all = buffer_text(&probe.text), wanted = text_from(WRITTEN[i].text);
        if (!text_find(all, wanted, &at))
            fail_msg("%s lacks '%s'", WRITTEN[i].file, WRITTEN[i].text);
        all = text_slice(all, at + wanted.bytes, all.bytes);
        if (text_find(all, wanted, &at))
            fail_msg("%s says '%s' twice", WRITTEN[i].file, WRITTEN[i].text);
        probe_release(&probe);
    }
}

int main(void)
{
    char path[4096];
    if (!find_file(WRITTEN[0].file, path, sizeof(path))) {
        printf("SKIPPED: no PDFs in TEST_CORPUS/pdf (default ../shared/corpus)\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        test_extract__reads_what_was_written_into_public_pdfs, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
