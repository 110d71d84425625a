/*
 * end_bombs: one bomb after the other through the real sandbox, under the limits of production: how
 * each ends, how soon, with how much memory, and how late the loop ran meanwhile. Exit code 1 when
 * one ends wrongly, later than 6 s, with more memory than its limit, or makes the loop late.
 */
#include <stdio.h>
#include <unistd.h>

#include "tests/contract/bombs.h"
#include "tests/contract/extract_world.h"
#include "worker/base/memory.h"

#define SECONDS_MAX 6.0
#define LAG_MS_MAX 20
#define BEAT_MS 2
#define LOOK_BEATS 10 /* between two looks at the child's memory */

struct watch {
    struct timer timer;
    uint64_t due_ms, waited_ms, lag_ms, resident_bytes;
    unsigned beats;
};

/* The second number of a line that the kernel writes; 0: there is none. */
static uint64_t second_number_of(const char *path)
{
    char line[128] = "";
    uint64_t number = 0;
    struct text rest;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (!fgets(line, sizeof(line), file))
        line[0] = 0;
    fclose(file);
    (void)text_cut(text_from(line), ' ', &rest);
    return text_parse_u64(text_cut(rest, ' ', &rest), &number) ? number : 0;
}

static uint64_t resident_bytes_of(pid_t pid)
{
    char path[64];
    (void)text_format(path, sizeof(path), "/proc/%d/statm", (int)pid);
    return pid > 0 ? second_number_of(path) * (uint64_t)getpagesize() : 0;
}

/* How long this thread could have run while others did: no fault of the loop. */
static uint64_t waited_ms(void)
{
    return second_number_of("/proc/thread-self/schedstat") / 1000000;
}

static void on_beat(struct timer *timer)
{
    struct watch *watch = container_of(timer, struct watch, timer);
    uint64_t now_ms = loop_now_ms(loop), waited = waited_ms();
    uint64_t excused_ms = watch->due_ms + (waited - watch->waited_ms);
    if (now_ms > excused_ms + watch->lag_ms)
        watch->lag_ms = now_ms - excused_ms;
    watch->waited_ms = waited;
    if (++watch->beats % LOOK_BEATS == 0) {
        uint64_t bytes = resident_bytes_of(first_reader_of(zygote_pid()));
        watch->resident_bytes = bytes > watch->resident_bytes ? bytes : watch->resident_bytes;
    }
    watch->due_ms = now_ms + BEAT_MS;
    timer_start(loop, timer, BEAT_MS, on_beat);
}

/* ---- one bomb -------------------------------------------------------------------------------- */

struct explosion {
    struct extract_request request;
    bool is_done, is_read;
    struct error err;
};

static void on_pages(struct extract_request *request, const struct page *pages, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += pages[i].text.bytes;
    extract_credit(extract, request, bytes);
}

static void on_done(struct extract_request *request, const struct extract_summary *summary,
                    const struct error *err)
{
    struct explosion *explosion = container_of(request, struct explosion, request);
    (void)summary;
    explosion->is_done = true;
    explosion->is_read = !err;
    if (err)
        explosion->err = *err;
}

/* Answers the time it took. */
static uint64_t explode(struct explosion *explosion, struct watch *watch)
{
    extract_submit(extract, &explosion->request);
    loop_run_once(loop, 0); /* the clock is set to now */
    uint64_t start_ms = loop_now_ms(loop);
    watch->due_ms = start_ms + BEAT_MS;
    watch->waited_ms = waited_ms();
    timer_start(loop, &watch->timer, BEAT_MS, on_beat);
    while (!explosion->is_done)
        loop_run_once(loop, 1000);
    timer_stop(loop, &watch->timer);
    return loop_now_ms(loop) - start_ms;
}

static bool run_bomb(const struct bomb *bomb)
{
    struct watch watch = {0};
    AUTO_BUFFER struct buffer body = buffer_new(256u << 20);
    bomb->make(&body);
    AUTO_FD int fd = probe_body(buffer_text(&body));
    struct explosion explosion = {.request = {.body_fd = fd,
                                              .body_bytes = body.bytes,
                                              .name = text_from(bomb->name),
                                              .limits = extract_limits_default(),
                                              .on_pages = on_pages,
                                              .on_done = on_done}};
    double seconds = (double)explode(&explosion, &watch) / 1000;
    uint64_t memory_max = explosion.request.limits.memory_bytes + body.bytes;
    bool is_good = bomb_ends_well(bomb, explosion.is_read, &explosion.err) &&
                   seconds <= SECONDS_MAX && watch.lag_ms <= LAG_MS_MAX &&
                   watch.resident_bytes <= memory_max;
    printf("%-26s %9.1f kB %5.1f s %6.1f MiB %4llu ms  %-18s %s\n", bomb->name,
           (double)body.bytes / 1e3, seconds, (double)watch.resident_bytes / (1 << 20),
           (unsigned long long)watch.lag_ms,
           explosion.is_read ? "read" : error_name(explosion.err.code), is_good ? "" : "WRONG");
    fflush(stdout);
    return is_good;
}

int main(void)
{
    size_t wrong_count = 0;
    open_extract(1);
    printf("%-26s %12s %7s %10s %7s  %s\n", "bomb", "size", "time", "memory", "lag", "ends");
    for (size_t i = 0; i < BOMB_COUNT; i++)
        wrong_count += !run_bomb(&BOMBS[i]);
    close_extract();
    printf("%zu bombs, %zu wrong\n", BOMB_COUNT, wrong_count);
    return wrong_count != 0;
}
