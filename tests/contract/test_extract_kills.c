/* Readers and their helper are killed at random while real documents are read: each document comes to
 * the same end as when nobody is killed, and nothing is left behind. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/contract/corpus_files.h"
#include "tests/contract/extract_world.h"
#include "tests/unit/test.h"
#include "worker/base/rng.h"

#define SAMPLE 150
#define AT_ONCE 4
#define KILL_ONE_OF 6 /* turns of the loop */

struct ending {
    bool is_ok;
    enum error_code code;
    uint32_t page_count, pages_skipped;
    size_t text_bytes;
    uint64_t text_hash;
};

static char **files;
static size_t file_count, sample_count;
static struct ending quiet_endings[SAMPLE];
static struct probe probes[AT_ONCE];
static size_t sample_of[AT_ONCE]; /* which file a probe reads */
static unsigned kills, lost_times;

static uint64_t hash_of(struct text text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < text.bytes; i++)
        hash = (hash ^ (uint8_t)text.start[i]) * 0x100000001b3u;
    return hash;
}

static struct ending ending_of(const struct probe *each)
{
    return (struct ending){
        .is_ok = each->is_ok,
        .code = each->is_ok ? ERR_BUG : each->err.code,
        .page_count = each->page_count,
        .pages_skipped = each->has_summary ? each->summary.pages_skipped : 0,
        .text_bytes = each->text.bytes,
        .text_hash = hash_of(buffer_text(&each->text)),
    };
}

static void submit_sample(size_t at, size_t sample)
{
    uint64_t bytes;
    probes[at] = (struct probe){.gives_credit = true};
    sample_of[at] = sample;
    int fd = probe_file(files[sample * (file_count / sample_count)], &bytes);
    probe_submit(&probes[at], extract, fd, bytes);
}

static void kill_somebody(void)
{
    struct rng *rng = loop_rng(loop);
    pid_t zygote = zygote_pid(), child = zygote ? first_reader_of(zygote) : 0;
    if (zygote && rng_below(rng, 8) == 0)
        child = spare_of(zygote);
    if (rng_below(rng, KILL_ONE_OF) != 0 || !zygote)
        return;
    bool is_helper = rng_below(rng, 8) == 0;
    if (!is_helper && !child)
        return;
    kills++;
    kill(is_helper ? zygote : child, SIGKILL);
}

/* The pipeline comes back later with what was lost with its helper; here it does so at once. */
static bool must_be_tried_again(const struct probe *each)
{
    bool is_lost = !each->is_ok && each->err.code == ERR_HELPER;
    lost_times += is_lost;
    return is_lost;
}

static void run_sample(bool has_kills, void (*on_ending)(size_t sample, const struct probe *each))
{
    size_t submitted = 0, ended = 0;
    for (; submitted < AT_ONCE && submitted < sample_count; submitted++)
        submit_sample(submitted, submitted);
    while (ended < sample_count) {
        loop_run_once(loop, 1000);
        if (has_kills)
            kill_somebody();
        for (size_t at = 0; at < AT_ONCE; at++) {
            if (!probes[at].is_done)
                continue;
            size_t sample = sample_of[at];
            bool is_over = !must_be_tried_again(&probes[at]);
            if (is_over)
                on_ending(sample, &probes[at]);
            ended += is_over;
            probe_release(&probes[at]);
            probes[at] = (struct probe){0};
            if (!is_over)
                submit_sample(at, sample);
            else if (submitted < sample_count)
                submit_sample(at, submitted++);
        }
    }
}

static void note_ending(size_t sample, const struct probe *each)
{
    quiet_endings[sample] = ending_of(each);
}

/* A page that is killed twice running is taken for the guilty one: that may happen here too. */
static void compare_ending(size_t sample, const struct probe *each)
{
    struct ending quiet = quiet_endings[sample], now = ending_of(each);
    if (now.pages_skipped > quiet.pages_skipped)
        return;
    if (now.is_ok != quiet.is_ok || now.code != quiet.code)
        fail_msg("file %zu: %s instead of %s", sample, error_name(now.code),
                 error_name(quiet.code));
    if (!now.is_ok)
        return;
    assert_int_equal(now.page_count, quiet.page_count);
    assert_int_equal(now.text_bytes, quiet.text_bytes);
    assert_int_equal(now.text_hash, quiet.text_hash);
}

static void test_kills__lose_no_document_and_leave_nothing_behind(void **state)
{
    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* like process 1 of a container: orphans come to us */
    sample_count = file_count < SAMPLE ? file_count : SAMPLE;
    open_extract(2);
    run_sample(false, note_ending);
    unsigned fds = count_fds();
    run_sample(true, compare_ending);
    struct probe last = {.gives_credit = true};
    uint64_t bytes;
    int fd = probe_file(files[0], &bytes); /* waits for a helper, if there is none at present */
    probe_submit(&last, extract, fd, bytes);
    probe_await(&last, loop);
    probe_release(&last);
    print_message("%u kills, %u documents read again\n", kills, lost_times);
    assert_true(kills > 0);
    while (extract_figures(extract).slots_busy || count_children_of(getpid()) > 1)
        loop_run_once(loop, 1000);
    assert_int_equal(count_fds(), fds);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* the helper lives, no zombie is there */
    close_extract();
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
    file_count = corpus_files_list(&files);
    if (!file_count) {
        printf("SKIPPED: no PDFs in TEST_CORPUS/pdf (default ../shared/corpus)\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kills__lose_no_document_and_leave_nothing_behind),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    corpus_files_free(files, file_count);
    return failed;
}
