#include "worker/explain.h"

#include "worker/base/error.h"
#include "worker/term.h"

#define NAME_COLUMNS 200
#define MESSAGE_COLUMNS 500

static bool is(struct text text, const char *word)
{
    return text_equal(text, text_from(word));
}

static bool is_open(const struct explanation *e)
{
    return e->has_item && !e->outcome.bytes;
}

static bool is_being_stopped(const struct explanation *e)
{
    return is_open(e) && is(e->standing.control, "cancel");
}

const char *explain_word(const struct explanation *e)
{
    if (e->is_leased)
        return "in_work";
    if (is_open(e) && is(e->standing.control, "pause"))
        return "paused";
    if (is_being_stopped(e))
        return "being_cancelled";
    if (is_open(e) && e->parked_s)
        return "waiting_for_retry";
    if (is_open(e))
        return e->standing.workers ? "waiting" : "no_worker";
    if (e->deleted_at.bytes)
        return "gone";
    return is(e->status, "success")     ? "done"
           : is(e->status, "failed")    ? "failed"
           : is(e->status, "cancelled") ? "cancelled"
           : is(e->status, "skipped")   ? "skipped"
                                        : "waiting";
}

/* ---- sentences ------------------------------------------------------------------------------- */

static void say(struct buffer *out, const char *sentence)
{
    buffer_append_char(out, ' ');
    buffer_append_text(out, text_from(sentence));
}

static void say_name(struct buffer *out, const struct explanation *e)
{
    buffer_append_text(out, TEXT("Document "));
    buffer_append_text(out, e->document);
    buffer_append_text(out, TEXT(" ("));
    term_append_foreign(out, e->key, NAME_COLUMNS);
    if (!is(e->source, "url")) {
        buffer_append_text(out, TEXT(" in bucket "));
        term_append_foreign(out, e->bucket, NAME_COLUMNS);
    }
    buffer_append_char(out, ')');
}

static void say_remedy(struct buffer *out, struct text code_name, struct text message)
{
    enum error_code code;
    size_t at;
    if (!error_code_from_name(code_name, &code))
        return;
    if (!text_find(message, text_from(error_remedy(code)), &at)) /* as workers write it */
        say(out, error_remedy(code));
}

static void say_message(struct buffer *out, struct text code, struct text message)
{
    buffer_append_char(out, ' ');
    term_append_foreign(out, message, MESSAGE_COLUMNS);
    say_remedy(out, code, message);
}

/* What is there of it to find. */
static void say_result(struct buffer *out, const struct explanation *e)
{
    buffer_append_text(out, TEXT(" Its "));
    term_append_count(out, e->pages);
    buffer_append_text(out, e->pages == 1 ? TEXT(" page") : TEXT(" pages"));
    buffer_append_text(out, TEXT(" can be searched, as "));
    term_append_count(out, e->chunks);
    buffer_append_text(out, e->chunks == 1 ? TEXT(" chunk") : TEXT(" chunks"));
    if (e->processed_at.bytes) {
        buffer_append_text(out, TEXT(", since "));
        time_append(out, e->processed_at);
    }
    buffer_append_char(out, '.');
}

static void say_when(struct buffer *out, const char *before, struct text time, const char *after)
{
    buffer_append_text(out, text_from(before));
    if (time.bytes) {
        buffer_append_text(out, TEXT(" on "));
        time_append(out, time);
    }
    buffer_append_text(out, text_from(after));
}

/* ---- as it stands ---------------------------------------------------------------------------- */

static void say_in_work(struct buffer *out, const struct explanation *e)
{
    buffer_append_text(out, TEXT(" is in work"));
    if (e->starts > 1)
        buffer_format(out, ", for the %llu. time: workers ended while they were at it",
                      (unsigned long long)e->starts);
    buffer_append_char(out, '.');
    buffer_append_text(out, TEXT(" Its worker holds it for another "));
    seconds_append(out, e->lease_s);
    buffer_append_text(out, TEXT(" and renews that while it lives."));
    if (is_being_stopped(e))
        say(out, "Its job is cancelled: the worker stops with its next sign of life.");
}

static void say_job_stands(struct buffer *out, const struct explanation *e)
{
    AUTO_BUFFER struct buffer words = buffer_new(2048);
    standing_append(&words, &e->standing);
    buffer_append_text(out, TEXT(" Its job: "));
    buffer_append_text(out, buffer_text(&words));
    buffer_append_char(out, '.');
}

static void say_waiting(struct buffer *out, const struct explanation *e)
{
    if (e->parked_s && !is(e->standing.control, "pause")) {
        buffer_append_text(out, TEXT(" waits for its next attempt, in "));
        seconds_append(out, e->parked_s);
        buffer_append_char(out, '.');
        if (e->parked_message.bytes) {
            buffer_append_text(out, TEXT(" The last one ended so: "));
            term_append_foreign(out, e->parked_message, MESSAGE_COLUMNS);
            if (!text_ends_with(e->parked_message, TEXT(".")))
                buffer_append_char(out, '.');
        }
    } else {
        buffer_append_text(out, TEXT(" is not done: it waits."));
    }
    say_job_stands(out, e);
    if (!e->is_user_active)
        say(out, "Its user is not active: it will fail until the user is.");
}

static void say_final(struct buffer *out, const struct explanation *e)
{
    if (e->deleted_at.bytes) {
        say_when(
            out, " was found to be gone", e->deleted_at,
            ": the object was removed from the bucket, and what could be found of it with it.");
        return;
    }
    if (is(e->status, "success")) {
        buffer_append_text(out, TEXT(" is done."));
    } else if (is(e->status, "failed") || is(e->status, "skipped") || is(e->status, "cancelled")) {
        buffer_append_text(out, is(e->status, "failed")    ? TEXT(" failed")
                                : is(e->status, "skipped") ? TEXT(" was skipped")
                                                           : TEXT(" was cancelled"));
        say_when(out, "", e->processed_at, ":");
        say_message(out, e->code, e->message);
    } else {
        buffer_append_text(out, TEXT(" is known, but nothing is to be done with it: its event has "
                                     "not come, or it belongs to no job."));
    }
}

static void say_job(struct buffer *out, const struct explanation *e)
{
    if (!e->job.bytes)
        return;
    buffer_format(out, " It belongs to job %.*s (%.*s", TEXT_ARGS(e->job),
                  TEXT_ARGS(e->job_status));
    if (e->outcome.bytes && !text_equal(e->outcome, e->status))
        buffer_format(out, "; there it counts as %.*s", TEXT_ARGS(e->outcome));
    buffer_append_text(out, TEXT(")."));
    if (is(e->status, "failed") && is(e->outcome, "failed") && !is(e->standing.control, "cancel"))
        buffer_format(out, " `millrace retry %.*s` tries it again.", TEXT_ARGS(e->job));
}

/* ---- the bucket ------------------------------------------------------------------------------ */

static void say_other(struct buffer *out, const struct explanation *e)
{
    bool is_live = e->has_vectors;
    buffer_format(out, " The bucket holds another version (eTag %.*s, ", TEXT_ARGS(e->object_etag));
    term_append_bytes(out, e->object_bytes);
    buffer_append_text(out, TEXT(") than the one that was read"));
    if (e->row_etag.bytes)
        buffer_format(out, " (eTag %.*s)", TEXT_ARGS(e->row_etag));
    buffer_append_text(out, is_live
                                ? TEXT(": its event has not come yet; until then the old one is "
                                       "found.")
                                : TEXT(": its event has not come yet."));
}

static void say_bucket(struct buffer *out, const struct explanation *e)
{
    bool is_known_gone = e->deleted_at.bytes > 0;
    switch (e->look) {
    case LOOK_NOT_ASKED:
        return;
    case LOOK_FAILED:
        buffer_append_text(out, TEXT(" The bucket could not be asked: "));
        term_append_foreign(out, e->look_message, MESSAGE_COLUMNS);
        buffer_append_char(out, '.');
        return;
    case LOOK_GONE:
        if (is_known_gone)
            say(out, "The bucket says so too.");
        else if (e->has_vectors)
            say(out, "The object is not in the bucket any more: the event of its removal has not "
                     "come yet.");
        else
            say(out, "The object is not in the bucket: upload it.");
        return;
    case LOOK_SAME:
        say(out, "The bucket holds the very bytes that were read.");
        return;
    case LOOK_OTHER:
        say_other(out, e);
        return;
    case LOOK_THERE:
        if (is_known_gone)
            say(out, "The object is in the bucket again: its event has not come yet.");
        else
            say(out, "The object is in the bucket.");
        return;
    }
}

void explain_append(struct buffer *out, const struct explanation *e)
{
    say_name(out, e);
    if (e->is_leased)
        say_in_work(out, e);
    else if (is_open(e))
        say_waiting(out, e);
    else
        say_final(out, e);
    if (e->has_vectors && !e->deleted_at.bytes)
        say_result(out, e);
    say_job(out, e);
    say_bucket(out, e);
}
