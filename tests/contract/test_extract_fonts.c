/* What poppler says of a public PDF is the same, to the byte, when its fonts were made ready: text,
 * places, fonts, colours and title. Looks at 60 public files, test_extract_fonts FOLDER at all in it. */
#include <fcntl.h>
#include <poppler.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract/fonts.h"
#include "extract/joined.h"
#include "tests/contract/corpus_files.h"
#include "tests/unit/test.h"
#include "worker/base/memory.h"

#define FILES_WANTED 60
#define STRIDE 487 /* a prime, so that files of every folder come early */
#define PAGES_READ_MAX 200
#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static char **files;
static size_t file_count, files_wanted = FILES_WANTED;
static bool is_own_folder;

/* ---- what poppler says ----------------------------------------------------------------------- */

static void hash(uint64_t *sum, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *sum = (*sum ^ ((const uint8_t *)bytes)[i]) * FNV_PRIME;
}

static void hash_string(uint64_t *sum, const char *string)
{
    if (string)
        hash(sum, string, strlen(string));
}

static void hash_page(uint64_t *sum, PopplerPage *page)
{
    PopplerRectangle whole = {-1e5, -1e5, 1e5, 1e5}, *places;
    guint place_count = 0;
    char *text = poppler_page_get_text_for_area(page, &whole);
    hash_string(sum, text);
    g_free(text);
    if (poppler_page_get_text_layout_for_area(page, &whole, &places, &place_count)) {
        hash(sum, places, place_count * sizeof(*places));
        g_free(places);
    }
    hash(sum, &place_count, sizeof(place_count));
    GList *runs = poppler_page_get_text_attributes_for_area(page, &whole);
    for (GList *at = runs; at; at = at->next) {
        const PopplerTextAttributes *run = at->data;
        hash_string(sum, run->font_name);
        hash(sum, &run->font_size, sizeof(run->font_size));
        hash(sum, &run->color, sizeof(run->color));
        hash(sum, &run->start_index, sizeof(run->start_index));
    }
    poppler_page_free_text_attributes(runs);
}

static PopplerDocument *open_document(struct text body)
{
    GBytes *bytes = g_bytes_new_static(body.start, body.bytes);
    PopplerDocument *document = poppler_document_new_from_bytes(bytes, NULL, NULL);
    g_bytes_unref(bytes);
    return document;
}

static uint64_t hash_document(PopplerDocument *document)
{
    uint64_t sum = FNV_START;
    int page_count = poppler_document_get_n_pages(document);
    hash(&sum, &page_count, sizeof(page_count));
    char *title = poppler_document_get_title(document);
    hash_string(&sum, title);
    g_free(title);
    for (int i = 0; i < page_count && i < PAGES_READ_MAX; i++) {
        PopplerPage *page = poppler_document_get_page(document, i);
        if (!page)
            continue;
        hash_page(&sum, page);
        g_object_unref(page);
    }
    g_object_unref(document);
    return sum;
}

/* ---- one file, in a process of its own: some of them are bombs ------------------------------- */

enum verdict { IS_SAME, IS_DIFFERENT, IS_UNPREPARED, IS_UNREADABLE };
enum phase { PHASE_AS_IT_IS = 1, PHASE_PREPARED };

static struct text map_file(const char *path)
{
    struct stat status;
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0)
        return TEXT_NONE;
    void *body = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    return body == MAP_FAILED ? TEXT_NONE : (struct text){body, (size_t)status.st_size};
}

static enum verdict compare(const char *path, uint32_t *phase)
{
    struct text body = map_file(path);
    struct joined joined = {0};
    if (body.bytes == 0 || !joined_map(body, FONTS_UPDATE_BYTES_MAX, &joined) ||
        !fonts_prepare(body, UINT32_MAX, &joined.tail))
        return IS_UNPREPARED;
    *phase = PHASE_AS_IT_IS;
    PopplerDocument *document = open_document(body);
    if (!document)
        return IS_UNREADABLE;
    uint64_t as_it_is = hash_document(document);
    *phase = PHASE_PREPARED;
    document = open_document(joined_text(&joined));
    return document && hash_document(document) == as_it_is ? IS_SAME : IS_DIFFERENT;
}

struct tally {
    size_t by_verdict[IS_UNREADABLE + 1];
    size_t deaths; /* with the file as it is: nothing to compare */
    size_t different;
};

static void compare_apart(const char *path, struct tally *tally)
{
    int status = 0;
    uint32_t *phase =
        mmap(NULL, sizeof(*phase), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(phase != MAP_FAILED);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CPU, &(struct rlimit){20, 20});
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
#ifndef HOUSE_SANITIZED
        setrlimit(RLIMIT_AS, &(struct rlimit){1u << 30, 1u << 30});
#endif
        _exit((int)compare(path, phase));
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    bool has_died = !WIFEXITED(status) || WEXITSTATUS(status) > IS_UNREADABLE;
    if (has_died && *phase == PHASE_AS_IT_IS)
        tally->deaths++;
    else if (!has_died)
        tally->by_verdict[WEXITSTATUS(status)]++;
    if ((has_died && *phase != PHASE_AS_IT_IS) ||
        (!has_died && WEXITSTATUS(status) == IS_DIFFERENT)) {
        printf("%s: differs, status %#x\n", path, (unsigned)status);
        tally->different++;
    }
    munmap(phase, sizeof(*phase));
}

static void test_fonts__change_nothing_that_poppler_says(void **state)
{
    (void)state;
    struct tally tally = {0};

    size_t stride = file_count % STRIDE == 0 ? 1 : STRIDE; /* comes to every file */
    for (size_t i = 0; i < file_count && tally.by_verdict[IS_SAME] < files_wanted; i++)
        compare_apart(files[i * stride % file_count], &tally);

    printf("%zu files prepared and the same, %zu not to be prepared, %zu unreadable, %zu deadly\n",
           tally.by_verdict[IS_SAME], tally.by_verdict[IS_UNPREPARED],
           tally.by_verdict[IS_UNREADABLE], tally.deaths);
    assert_int_equal(tally.different, 0);
    assert_true(is_own_folder || tally.by_verdict[IS_SAME] > 0);
}

int main(int argc, char **argv)
{
    is_own_folder = argc > 1;
    file_count =
        is_own_folder ? corpus_files_below(argv[1], ".pdf", &files) : corpus_files_list(&files);
    if (is_own_folder)
        files_wanted = file_count;
    if (!file_count) {
        printf("SKIPPED: no PDFs in %s\n",
               is_own_folder ? argv[1] : "TEST_CORPUS/pdf (default ../shared/corpus)");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fonts__change_nothing_that_poppler_says)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    corpus_files_free(files, file_count);
    return failed;
}
