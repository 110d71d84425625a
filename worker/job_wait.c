#include "worker/job_wait.h"

#include "worker/base/memory.h"
#include "worker/base/signals.h"
#include "worker/job_wait_show.h"
#include "worker/rows.h"

#define LOOK_MS 500    /* between two looks at the job */
#define OPEN_MS 3000   /* between two looks at its open documents, while nothing ends */
#define QUIET_MS 5000  /* nothing has ended for so long: why? */
#define SLOW_MS 60000  /* nothing has ended for so long, though documents are in work */
#define BROKER_MS 3000 /* between two looks at the broker, and how long one takes */
#define SAID_MS 5000   /* between two lines in a pipe */
#define LINE_BYTES_MAX 4096

enum open_column { OPEN_COUNT, OPEN_WORKING, OPEN_PARKED, OPEN_RETRY_S, OPEN_MESSAGE };

struct question { /* a report that is asked again and again */
    struct report report;
    bool is_under_way;
    uint64_t asked_ms; /* 0: never */
};

struct job_wait {
    struct job_wait_order order;
    struct term term;
    struct question job, open;
    struct topic_probe probe;
    bool is_probing, is_interrupted, is_missing, has_failed, is_seen;
    bool is_database_away, is_broker_away, is_open_known;
    uint64_t probed_ms, moved_ms, said_ms;
    struct error err, database_err;
    struct eta eta;
    char open_message[256];
    struct job_progress progress;
    struct wait pause;  /* ended by a signal or an answer */
    struct buffer said; /* the last line */
    enum stall said_stall;
};

static uint64_t now_ms(const struct job_wait *wait)
{
    return loop_now_ms(wait->order.app->loop);
}

static bool is_due(const struct job_wait *wait, uint64_t last_ms, uint64_t pause_ms)
{
    return last_ms == 0 || now_ms(wait) - last_ms >= pause_ms;
}

static bool is_quiet(const struct job_wait *wait, uint64_t for_ms)
{
    return wait->is_seen && now_ms(wait) - wait->moved_ms >= for_ms;
}

/* ---- the job --------------------------------------------------------------------------------- */

static void take_job(struct job_wait *wait, const struct pg_result *rows)
{
    struct job_figures *figures = &wait->progress.figures;
    uint64_t done, total, before = job_ended_count(figures);
    (void)text_format(figures->status, sizeof(figures->status), "%.*s",
                      TEXT_ARGS(pg_value(rows, 0, JOB_STATUS)));
    figures->documents = row_number(rows, 0, JOB_TOTAL);
    figures->processed = row_number(rows, 0, JOB_PROCESSED);
    figures->failed = row_number(rows, 0, JOB_FAILED);
    figures->cancelled = row_number(rows, 0, JOB_CANCELLED);
    figures->bytes_done = row_number(rows, 0, JOB_BYTES_DONE);
    figures->bytes_total = row_number(rows, 0, JOB_BYTES_TOTAL);
    figures->pages = row_number(rows, 0, JOB_PAGES);
    figures->chunks = row_number(rows, 0, JOB_CHUNKS);
    figures->is_final = job_is_final(rows, 0);
    figures->is_paused = text_equal(pg_value(rows, 0, JOB_CONTROL), TEXT("pause"));
    if (!wait->is_seen || job_ended_count(figures) > before) {
        wait->moved_ms = now_ms(wait);
        wait->is_open_known = false; /* what was known of open documents is no longer so */
        wait->open.asked_ms = 0;
    }
    wait->is_seen = true;
    job_work(figures, &done, &total);
    eta_add(&wait->eta, now_ms(wait), done, total);
}

/* A database that is away for the moment is asked again. */
static bool note_answer(struct job_wait *wait, const struct error *err)
{
    bool may_pass = err && error_disposition(err->code) == DISPOSITION_RETRY;
    wait->is_database_away = may_pass;
    if (may_pass)
        wait->database_err = *err;
    else if (err) {
        wait->has_failed = true;
        wait->err = *err;
    }
    wait_done(&wait->pause, NULL);
    return !err;
}

static void on_job(struct report *report, const struct pg_result *rows, const struct error *err)
{
    struct job_wait *wait = container_of(report, struct job_wait, job.report);
    wait->job.is_under_way = false;
    if (!note_answer(wait, err))
        return;
    wait->is_missing = pg_row_count(rows) == 0;
    if (!wait->is_missing)
        take_job(wait, rows);
}

static void on_open(struct report *report, const struct pg_result *rows, const struct error *err)
{
    struct job_wait *wait = container_of(report, struct job_wait, open.report);
    struct job_figures *figures = &wait->progress.figures;
    wait->open.is_under_way = false;
    if (!note_answer(wait, err) || pg_row_count(rows) == 0)
        return;
    figures->working = row_number(rows, 0, OPEN_WORKING);
    figures->parked = row_number(rows, 0, OPEN_PARKED);
    figures->retry_s = row_number(rows, 0, OPEN_RETRY_S);
    wait->is_open_known = is_quiet(wait, QUIET_MS); /* else it was asked before something ended */
    (void)text_format(wait->open_message, sizeof(wait->open_message), "%.*s",
                      TEXT_ARGS(text_utf8_prefix(pg_value(rows, 0, OPEN_MESSAGE), 200)));
}

static void ask(struct job_wait *wait, struct question *question, enum report_kind kind,
                uint64_t pause_ms)
{
    if (question->is_under_way || !is_due(wait, question->asked_ms, pause_ms))
        return;
    void (*on_done)(struct report *, const struct pg_result *, const struct error *) =
        kind == REPORT_JOB ? on_job : on_open;
    question->is_under_way = true;
    question->asked_ms = now_ms(wait);
    question->report = (struct report){
        .kind = kind, .has_id = true, .id = wait->order.job, .row_max = 1, .on_done = on_done};
    report_run(wait->order.app->pg, wait->order.app->loop, &question->report);
}

/* ---- the broker ------------------------------------------------------------------------------ */

static void on_probed(struct topic_probe *probe, const struct error *err)
{
    struct job_wait *wait = container_of(probe, struct job_wait, probe);
    wait->is_probing = false;
    wait->probed_ms = now_ms(wait);
    wait->is_broker_away = err != NULL;
    wait_done(&wait->pause, NULL);
}

static void ask_broker(struct job_wait *wait)
{
    if (!wait->order.topic || wait->is_probing || !is_due(wait, wait->probed_ms, BROKER_MS))
        return;
    wait->is_probing = true;
    wait->probe =
        (struct topic_probe){.topic = wait->order.app->config->kafka_topic, .on_done = on_probed};
    topic_describe(wait->order.topic, &wait->probe, BROKER_MS);
}

/* ---- showing --------------------------------------------------------------------------------- */

static enum stall stall_of_open(const struct job_wait *wait)
{
    const struct job_figures *figures = &wait->progress.figures;
    if (!is_quiet(wait, QUIET_MS) || !wait->is_open_known)
        return STALL_NONE; /* while it is asked again, the last answer holds */
    if (figures->working)
        return is_quiet(wait, SLOW_MS) ? STALL_SLOW : STALL_NONE;
    return figures->parked ? STALL_RETRY : STALL_NO_WORKER;
}

static void judge(struct job_wait *wait)
{
    struct job_progress *progress = &wait->progress;
    const char *detail = "";
    progress->stall = STALL_NONE;
    if (wait->is_database_away) {
        progress->stall = STALL_DATABASE;
        detail = wait->database_err.message;
    } else if (wait->is_broker_away && !progress->figures.is_final) {
        progress->stall = STALL_BROKER;
        detail = wait->order.app->config->kafka_brokers.start;
    } else if (progress->figures.is_paused && !progress->figures.is_final) {
        progress->stall = STALL_PAUSED;
    } else if (!progress->figures.is_final) {
        progress->stall = stall_of_open(wait);
        detail = progress->stall == STALL_RETRY ? wait->open_message : "";
    }
    (void)text_format(progress->detail, sizeof(progress->detail), "%s", detail);
    progress->has_range = eta_estimate(&wait->eta, &progress->range);
}

/* In a pipe: the reason when it changes, the figures now and then, never a line twice. */
static void say(struct job_wait *wait)
{
    struct job_progress *progress = &wait->progress;
    AUTO_BUFFER struct buffer line = buffer_new(LINE_BYTES_MAX);
    if (progress->stall != wait->said_stall) {
        if (progress->stall == STALL_NONE)
            buffer_append_text(&line, TEXT("it goes on"));
        else
            stall_append(&line, progress);
        buffer_append_char(&line, '\n');
        term_write(wait->term.out, buffer_text(&line));
        buffer_clear(&line);
    }
    if (!progress->figures.is_final && !is_due(wait, wait->said_ms, SAID_MS))
        return;
    job_progress_say(&line, progress);
    if (text_equal(buffer_text(&line), buffer_text(&wait->said)))
        return;
    term_write(wait->term.out, buffer_text(&line));
    buffer_clear(&wait->said);
    buffer_append_text(&wait->said, buffer_text(&line));
    wait->said_ms = now_ms(wait);
}

static void write_json(struct job_wait *wait)
{
    struct job_progress *progress = &wait->progress;
    AUTO_BUFFER struct buffer line = buffer_new(LINE_BYTES_MAX);
    char id[UUID_TEXT_BYTES];
    bool is_news = progress->stall != wait->said_stall || progress->figures.is_final;
    if (!is_news && !is_due(wait, wait->said_ms, SAID_MS))
        return;
    job_progress_write(&line, uuid_format(wait->order.job, id), progress);
    if (text_equal(buffer_text(&line), buffer_text(&wait->said)))
        return;
    term_write(stdout, buffer_text(&line));
    buffer_clear(&wait->said);
    buffer_append_text(&wait->said, buffer_text(&line));
    wait->said_ms = now_ms(wait);
}

static void show(struct job_wait *wait)
{
    AUTO_BUFFER struct buffer lines = buffer_new(LINE_BYTES_MAX);
    judge(wait);
    if (!wait->is_seen && wait->progress.stall == STALL_NONE)
        return;
    if (wait->order.is_json)
        write_json(wait);
    else if (!wait->term.is_terminal)
        say(wait);
    else {
        job_progress_draw(&lines, &wait->term, &wait->progress);
        term_redraw(&wait->term, buffer_text(&lines));
    }
    wait->said_stall = wait->progress.stall;
}

/* ---- public ---------------------------------------------------------------------------------- */

static void on_signal(void *arg, unsigned count)
{
    struct job_wait *wait = arg;
    (void)count;
    wait->is_interrupted = true;
    wait_done(&wait->pause, NULL);
}

/* Until there is an answer, a signal, or time for the next question. */
static void rest(struct job_wait *wait)
{
    struct error late;
    wait->pause = wait_on(wait->order.app->loop);
    if (!wait_for(&wait->pause, LOOK_MS, &late))
        wait->pause.is_late = false;
}

static bool goes_on(const struct job_wait *wait)
{
    return !wait->is_interrupted && !wait->has_failed && !wait->is_missing &&
           !wait->progress.figures.is_final;
}

struct job_wait *job_wait_new(const struct job_wait_order *order)
{
    struct job_wait *wait = xcalloc(1, sizeof(*wait));
    bool no_colour = environment_get(order->app->config->environment, "NO_COLOR") != NULL;
    wait->order = *order;
    wait->term = term_on(stderr, no_colour);
    wait->said = buffer_new(LINE_BYTES_MAX);
    wait->pause = wait_on(order->app->loop);
    return wait;
}

bool job_wait_run(struct job_wait *wait, struct job_end *ret_end, struct error *err)
{
    char id[UUID_TEXT_BYTES];
    struct signals *signals = signals_open(wait->order.app->loop, on_signal, wait);
    while (goes_on(wait)) {
        ask(wait, &wait->job, REPORT_JOB, LOOK_MS);
        if (is_quiet(wait, QUIET_MS))
            ask(wait, &wait->open, REPORT_JOB_OPEN, OPEN_MS);
        ask_broker(wait);
        rest(wait);
        if (!wait->is_missing && !wait->has_failed)
            show(wait);
    }
    signals_close(signals);
    *ret_end = (struct job_end){
        .is_final = wait->progress.figures.is_final,
        .has_failures = wait->progress.figures.failed + wait->progress.figures.cancelled > 0};
    if (wait->has_failed)
        *err = wait->err;
    else if (wait->is_missing)
        error_set(err, ERR_NOT_FOUND, "there is no job %s", uuid_format(wait->order.job, id));
    return !wait->has_failed && !wait->is_missing;
}

void job_wait_free(struct job_wait *wait)
{
    if (wait)
        buffer_release(&wait->said);
    xfree(wait);
}
