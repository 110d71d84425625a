#include <libpq-fe.h>

#include "store/pg_internal.h"
#include "worker/base/memory.h"

#define SLICE_BYTES (256 * 1024) /* handed to libpq at once, which copies it */

/* One string of several statements is one transaction, by itself (no BEGIN): nothing is left behind
 * when it fails. A script has no statement timeout: building an index may take its time. */
static bool send_strings(const struct pg_copier *copier, const struct pg_copy *copy)
{
    const struct pg_options *options = &copier->pg->options;
    struct buffer AUTO_BUFFER sql = buffer_new(SIZE_MAX / 2);
    bool is_script = !copy->data.start;
    if (copy->is_alone)
        return PQsendQuery(copier->link.conn, copy->sql) == 1;
    buffer_format(&sql,
                  "set local statement_timeout = %llu; set local lock_timeout = %llu; "
                  "set local synchronous_commit = on; set local search_path = %s; ",
                  is_script ? 0ull : (unsigned long long)options->statement_timeout_ms,
                  (unsigned long long)options->lock_timeout_ms, copier->pg->search_path);
    if (copy->sql_before)
        buffer_format(&sql, "%s; ", copy->sql_before);
    buffer_append_text(&sql, text_from(copy->sql));
    return PQsendQuery(copier->link.conn, buffer_string(&sql)) == 1;
}

static struct pg_flight *flight_of(const struct pg_copy *copy)
{
    return copy->private_state;
}

static void finish_now(struct pg_copier *copier, const struct error *err)
{
    struct pg_copy *copy = copier->now;
    copier->now = NULL;
    timer_stop(copier->link.loop, &copier->watchdog);
    pg_copy_done(copier->pg, copy, err);
}

/* Only a COPY is watched: a script may be silent for long, keepalives watch its server. */
static void on_watch(struct timer *timer)
{
    struct pg_copier *copier = container_of(timer, struct pg_copier, watchdog);
    uint64_t silent_ms = loop_now_ms(copier->link.loop) - copier->progress_ms;
    uint64_t silence_ms = pg_silence_ms_max(copier->pg);
    if (silent_ms < silence_ms) {
        timer_start(copier->link.loop, &copier->watchdog, silence_ms - silent_ms, on_watch);
        return;
    }
    struct error err;
    error_set(&err, ERR_UNREACHABLE, "PostgreSQL: no answer to COPY for %llu ms",
              (unsigned long long)silent_ms);
    pg_link_fail(&copier->link, &err);
}

static void fail_link(struct pg_copier *copier)
{
    struct error err;
    pg_link_error(&copier->link, &err);
    pg_link_fail(&copier->link, &err);
}

/* False: the connection is of no more use. */
static bool feed(struct pg_copier *copier)
{
    struct pg_conn *conn = copier->link.conn;
    struct text data = copier->now->data;
    while (!copier->is_ended) {
        if (copier->sent_bytes == data.bytes) {
            int ended = PQputCopyEnd(conn, NULL);
            if (ended <= 0)
                return ended == 0; /* 0: the buffer is full, once more when it can be written */
            copier->is_ended = true;
            break;
        }
        size_t bytes = data.bytes - copier->sent_bytes;
        bytes = bytes < SLICE_BYTES ? bytes : SLICE_BYTES;
        int put = PQputCopyData(conn, data.start + copier->sent_bytes, (int)bytes);
        if (put <= 0)
            return put == 0;
        copier->sent_bytes += bytes;
        if (PQflush(conn) == 1)
            break; /* enough for now: do not let libpq's buffer grow to the whole */
    }
    return true;
}

static void take_result(struct pg_copier *copier, struct pg_result *result)
{
    struct pg_flight *flight = flight_of(copier->now);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_IN) {
        copier->is_feeding = true;
    } else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && !flight->has_failed) {
        flight->has_failed = true;
        if (status == PGRES_FATAL_ERROR)
            pg_error_of_result(result, copier->now->sqlstate, &flight->err);
        else
            error_set(&flight->err, ERR_DATABASE, "PostgreSQL: unexpected %s", PQresStatus(status));
    }
    PQclear(result);
}

/* Reads what has come. False: the connection is of no more use. */
static bool take_results(struct pg_copier *copier)
{
    struct pg_conn *conn = copier->link.conn;
    while (copier->now && !PQisBusy(conn)) {
        if (copier->is_feeding && !copier->is_ended)
            return true; /* libpq would answer COPY_IN again and again */
        struct pg_result *result = PQgetResult(conn);
        if (!result) {
            struct pg_flight *flight = flight_of(copier->now);
            finish_now(copier, flight->has_failed ? &flight->err : NULL);
            return true;
        }
        take_result(copier, result);
        if (PQstatus(conn) != CONNECTION_OK)
            return false;
    }
    return true;
}

/* The server asked for data and has not been told the end of it. */
static bool is_hungry(const struct pg_copier *copier)
{
    return copier->now && copier->is_feeding && !copier->is_ended;
}

static void on_ready(struct pg_link *link)
{
    struct pg_copier *copier = container_of(link, struct pg_copier, link);
    struct error err;
    copier->progress_ms = loop_now_ms(link->loop);
    if (PQconsumeInput(link->conn) != 1 || !take_results(copier)) {
        fail_link(copier);
        return;
    }
    /* What the server took between two flushes leaves nothing to wait for: then on with the data,
     * or nobody would ever ask again. */
    do {
        if (is_hungry(copier) && !feed(copier)) {
            fail_link(copier);
            return;
        }
        if (!pg_link_flush(link, &err)) {
            pg_link_fail(link, &err);
            return;
        }
    } while (is_hungry(copier) && !link->wants_write);
    pg_copier_pump(copier);
}

void pg_copier_pump(struct pg_copier *copier)
{
    struct error err;
    struct list_node *node = list_first(&copier->waiting);
    if (!node || copier->now)
        return;
    pg_link_start(&copier->link);
    if (copier->link.state != LINK_UP)
        return;
    copier->now = container_of(node, struct pg_copy, waiting);
    list_remove(&copier->waiting, node);
    copier->sent_bytes = 0;
    copier->is_feeding = copier->is_ended = false;
    if (!send_strings(copier, copier->now)) {
        fail_link(copier);
        return;
    }
    copier->progress_ms = loop_now_ms(copier->link.loop);
    uint64_t silence_ms = pg_silence_ms_max(copier->pg);
    if (copier->now->data.start && silence_ms)
        timer_start(copier->link.loop, &copier->watchdog, silence_ms, on_watch);
    if (!pg_link_flush(&copier->link, &err))
        pg_link_fail(&copier->link, &err);
}

static void on_up(struct pg_link *link)
{
    pg_copier_pump(container_of(link, struct pg_copier, link));
}

static void on_down(struct pg_link *link, bool was_up, const struct error *err)
{
    struct pg_copier *copier = container_of(link, struct pg_copier, link);
    if (copier->now) {
        struct pg_flight *flight = flight_of(copier->now);
        finish_now(copier, flight->has_failed ? &flight->err : err);
    }
    if (was_up)
        return;
    LIST_FOR_EACH(&copier->waiting, node) {
        struct pg_copy *copy = container_of(node, struct pg_copy, waiting);
        if (flight_of(copy)->since_ms > link->attempt_ms)
            continue;
        list_remove(&copier->waiting, node);
        pg_copy_done(copier->pg, copy, err);
    }
}

void pg_copier_open(struct pg_copier *copier, struct pg *pg)
{
    *copier = (struct pg_copier){
        .pg = pg,
        .link = {.loop = pg->loop,
                 .target = &pg->target,
                 .connect_timeout_ms = pg->options.connect_timeout_ms,
                 .on_up = on_up,
                 .on_ready = on_ready,
                 .on_down = on_down},
    };
    list_init(&copier->waiting);
}

void pg_copier_close(struct pg_copier *copier, const struct error *err)
{
    struct list_node *node;
    pg_link_stop(&copier->link);
    timer_stop(copier->link.loop, &copier->watchdog);
    if (copier->now)
        finish_now(copier, err);
    while ((node = list_pop_front(&copier->waiting)))
        pg_copy_done(copier->pg, container_of(node, struct pg_copy, waiting), err);
}
