#include "worker/job_wait_show.h"

#include "worker/base/json.h"

#define BAR_COLUMNS 32
#define HANDLING_BYTES 65536 /* what a document of no size costs, as bytes of a large one */

uint64_t job_ended_count(const struct job_figures *figures)
{
    return figures->processed + figures->failed + figures->cancelled;
}

/* The size of a link is known only once it has been fetched: bytes done may exceed the total. */
static uint64_t bytes_done(const struct job_figures *figures)
{
    return figures->bytes_done < figures->bytes_total ? figures->bytes_done : figures->bytes_total;
}

void job_work(const struct job_figures *figures, uint64_t *ret_done, uint64_t *ret_total)
{
    *ret_done = bytes_done(figures) + HANDLING_BYTES * job_ended_count(figures);
    *ret_total = figures->bytes_total + HANDLING_BYTES * figures->documents;
    if (figures->is_final)
        *ret_done = *ret_total; /* bytes that had not changed were not read again */
}

/* ---- the reason ------------------------------------------------------------------------------ */

const char *stall_name(enum stall stall)
{
    static const char *const names[] = {
        [STALL_NONE] = NULL,
        [STALL_DATABASE] = "database_away",
        [STALL_BROKER] = "broker_away",
        [STALL_PAUSED] = "paused",
        [STALL_RETRY] = "waiting_for_retry",
        [STALL_NO_WORKER] = "no_worker",
        [STALL_SLOW] = "slow",
    };
    return names[stall];
}

void stall_append(struct buffer *out, const struct job_progress *progress)
{
    const struct job_figures *figures = &progress->figures;
    uint64_t open = figures->documents - job_ended_count(figures);
    switch (progress->stall) {
    case STALL_NONE:
        break;
    case STALL_DATABASE:
        buffer_format(out, "the database does not answer; it is asked again (%s)",
                      progress->detail);
        break;
    case STALL_BROKER:
        buffer_format(out, "the broker %s does not answer; nothing is lost, it is asked again",
                      progress->detail);
        break;
    case STALL_PAUSED:
        buffer_append_text(out, TEXT("paused; `millrace resume` lets it go on"));
        break;
    case STALL_RETRY:
        buffer_format(out, "%llu to be tried again, the next in %llu s",
                      (unsigned long long)figures->parked, (unsigned long long)figures->retry_s);
        if (progress->detail[0])
            buffer_format(out, ": %s", progress->detail);
        break;
    case STALL_NO_WORKER:
        buffer_format(out, "no worker is at its %llu open %s: does `millrace work` run?",
                      (unsigned long long)open, open == 1 ? "document" : "documents");
        break;
    case STALL_SLOW:
        buffer_format(out, "%llu in work, none has ended for a while",
                      (unsigned long long)figures->working);
        break;
    }
}

/* ---- for people ------------------------------------------------------------------------------ */

static void append_failures(struct buffer *out, const struct term *term,
                            const struct job_figures *figures)
{
    char text[48];
    (void)text_format(text, sizeof(text), "  %llu failed", (unsigned long long)figures->failed);
    if (figures->failed)
        term_append(out, term, TERM_BAD, text_from(text));
    if (figures->cancelled)
        buffer_format(out, "  %llu cancelled", (unsigned long long)figures->cancelled);
}

static void append_amounts(struct buffer *out, const struct job_progress *progress)
{
    const struct job_figures *figures = &progress->figures;
    if (figures->bytes_total && !figures->is_final) {
        term_append_bytes(out, bytes_done(figures));
        buffer_append_text(out, TEXT(" of "));
    }
    if (figures->bytes_total) {
        term_append_bytes(out, figures->bytes_total);
        buffer_append_text(out, TEXT(", "));
    }
    term_append_count(out, figures->pages);
    buffer_append_text(out, TEXT(" pages, "));
    term_append_count(out, figures->chunks);
    buffer_append_text(out, TEXT(" chunks"));
    if (progress->has_range && progress->stall == STALL_NONE) {
        buffer_append_text(out, TEXT("; "));
        eta_append(out, progress->range);
    }
}

void job_progress_draw(struct buffer *out, const struct term *term,
                       const struct job_progress *progress)
{
    const struct job_figures *figures = &progress->figures;
    uint64_t done, total;
    job_work(figures, &done, &total);
    term_append_bar(out, done, total, BAR_COLUMNS);
    buffer_format(out, " %3llu%%  ", (unsigned long long)(total ? done * 100 / total : 0));
    term_append_count(out, job_ended_count(figures));
    buffer_append_char(out, '/');
    term_append_count(out, figures->documents);
    buffer_append_text(out, TEXT(" documents"));
    append_failures(out, term, figures);
    buffer_append_char(out, '\n');
    append_amounts(out, progress);
    buffer_append_char(out, '\n');
    if (progress->stall == STALL_NONE)
        return;
    AUTO_BUFFER struct buffer reason = buffer_new(1024);
    stall_append(&reason, progress);
    term_append(out, term, TERM_WARN, buffer_text(&reason));
    buffer_append_char(out, '\n');
}

void job_progress_say(struct buffer *out, const struct job_progress *progress)
{
    static const struct term PLAIN = {0};
    const struct job_figures *figures = &progress->figures;
    buffer_format(out, "%llu/%llu documents", (unsigned long long)job_ended_count(figures),
                  (unsigned long long)figures->documents);
    append_failures(out, &PLAIN, figures);
    buffer_append_text(out, TEXT("  "));
    append_amounts(out, progress);
    buffer_append_char(out, '\n');
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void write_stall(struct json_writer *writer, const struct job_progress *progress)
{
    AUTO_BUFFER struct buffer reason = buffer_new(1024);
    if (progress->stall == STALL_NONE) {
        json_write_null(writer, "waits_for");
        return;
    }
    stall_append(&reason, progress);
    json_write_text(writer, "waits_for", text_from(stall_name(progress->stall)));
    json_write_text(writer, "message", buffer_text(&reason));
}

void job_progress_write(struct buffer *out, const char *job, const struct job_progress *progress)
{
    const struct job_figures *figures = &progress->figures;
    struct json_writer writer = json_writer_new(out);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "kind", TEXT("progress"));
    json_write_text(&writer, "job", text_from(job));
    json_write_text(&writer, "status", text_from(figures->status));
    json_write_u64(&writer, "documents", figures->documents);
    json_write_u64(&writer, "processed", figures->processed);
    json_write_u64(&writer, "failed", figures->failed);
    json_write_u64(&writer, "cancelled", figures->cancelled);
    json_write_u64(&writer, "bytes_done", figures->bytes_done);
    json_write_u64(&writer, "bytes_total", figures->bytes_total);
    json_write_u64(&writer, "pages", figures->pages);
    json_write_u64(&writer, "chunks", figures->chunks);
    if (progress->has_range && progress->stall == STALL_NONE) {
        json_write_u64(&writer, "seconds_left_min", progress->range.seconds_min);
        json_write_u64(&writer, "seconds_left_max", progress->range.seconds_max);
    }
    write_stall(&writer, progress);
    json_close_object(&writer);
    buffer_append_char(out, '\n');
}
