/* Small files that would take hours or all memory to read: each must end in its own way. How long
 * that takes, and what it does to the loop, `./run bombs` measures. */
#include "tests/contract/bombs.h"
#include "tests/contract/extract_probe.h"
#include "tests/unit/test.h"
#include "worker/base/memory.h"

#define SLOTS 4
#define PAGE_TIMEOUT_MS 2000 /* shorter than usual, to be done sooner */

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void test_extract__ends_every_bomb_with_its_reason(void **state)
{
    (void)state;
    struct error err;
    size_t wrong_count = 0;
    struct loop *loop = loop_new(&err);
    struct extract *extract =
        extract_open(loop, &(struct extract_options){.slots_max = SLOTS}, &err);
    if (!extract)
        fail_msg("extract_open: %s", err.message);
    struct probe *probes = xcalloc(BOMB_COUNT, sizeof(*probes));
    for (size_t i = 0; i < BOMB_COUNT; i++) {
        struct buffer body = buffer_new(256u << 20);
        BOMBS[i].make(&body);
        assert_false(body.is_full);
        probes[i].gives_credit = true;
        probes[i].request.limits = extract_limits_default();
        probes[i].request.limits.page_timeout_ms = PAGE_TIMEOUT_MS;
        probes[i].request.name = text_from(BOMBS[i].name);
        probe_submit(&probes[i], extract, probe_body(buffer_text(&body)), body.bytes);
        buffer_release(&body);
    }
    for (size_t i = 0; i < BOMB_COUNT; i++) {
        probe_await(&probes[i], loop);
        bool is_good = bomb_ends_well(&BOMBS[i], probes[i].is_ok, &probes[i].err);
        wrong_count += !is_good;
        printf("%-5s %-26s %s\n", is_good ? "" : "WRONG", BOMBS[i].name,
               probes[i].is_ok ? "read" : probes[i].err.message);
        probe_release(&probes[i]);
    }
    xfree(probes);
    bool is_closed = false;
    extract_close(extract, on_closed, &is_closed);
    while (!is_closed)
        loop_run_once(loop, 1000);
    loop_free(loop);
    assert_int_equal(wrong_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extract__ends_every_bomb_with_its_reason)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
