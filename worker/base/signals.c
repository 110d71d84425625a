#include "worker/base/signals.h"

#include <signal.h>
#include <unistd.h>
#include <uv.h>

#include "worker/base/memory.h"

static const int CAUGHT[] = {SIGTERM, SIGINT};

struct signals {
    uv_signal_t handles[COUNT_OF(CAUGHT)];
    unsigned open_count, stop_count;
    void (*on_stop)(void *arg, unsigned count);
    void *arg;
};

static volatile sig_atomic_t early_code;

static void on_early(int number)
{
    (void)number;
    _exit(early_code);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct signals *signals = handle->data;
    (void)number;
    signals->on_stop(signals->arg, ++signals->stop_count);
}

static void on_closed(uv_handle_t *handle)
{
    struct signals *signals = handle->data;
    if (--signals->open_count == 0)
        xfree(signals);
}

void signals_end_early(int exit_code)
{
    struct sigaction action = {.sa_handler = on_early};
    early_code = exit_code;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < COUNT_OF(CAUGHT); i++)
        sigaction(CAUGHT[i], &action, NULL);
}

struct signals *signals_open(struct loop *loop, void (*on_stop)(void *arg, unsigned count),
                             void *arg)
{
    struct signals *signals = xcalloc(1, sizeof(*signals));
    signals->on_stop = on_stop;
    signals->arg = arg;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < COUNT_OF(CAUGHT); i++) {
        uv_signal_init(loop_uv(loop), &signals->handles[i]);
        signals->handles[i].data = signals;
        signals->open_count++;
        uv_signal_start(&signals->handles[i], on_signal, CAUGHT[i]);
    }
    return signals;
}

void signals_close(struct signals *signals)
{
    if (!signals)
        return;
    for (size_t i = 0; i < COUNT_OF(CAUGHT); i++)
        uv_close((uv_handle_t *)&signals->handles[i], on_closed);
}
