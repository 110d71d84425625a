#include "store/pg.h"

#include <libpq-fe.h>
#include <string.h>

#include "store/pg_internal.h"
#include "worker/base/memory.h"
#include "worker/base/metrics.h"

#define SILENCE_MS_EXTRA 5000    /* above the server's own timeouts, before we believe it dead */
#define LIBPQ_VERSION_MIN 140000 /* pipeline mode */
#define CONTROL_SCHEMA_BYTES_MAX 63

uint64_t pg_silence_ms_max(const struct pg *pg)
{
    uint64_t timeout_ms = pg->options.statement_timeout_ms;
    return timeout_ms ? timeout_ms + SILENCE_MS_EXTRA : 0;
}

static void flight_free(struct pg_flight *flight)
{
    PQclear(flight->rows);
    xfree(flight->queries);
    xfree(flight);
}

static struct pg_flight *flight_new(const struct pg *pg)
{
    struct pg_flight *flight = xcalloc(1, sizeof(*flight));
    flight->since_ms = loop_now_ms(pg->loop);
    return flight;
}

/* ---- answers, in a turn of their own --------------------------------------------------------- */

static void answer_request(struct pg_request *request)
{
    struct pg_flight *flight = request->private_state;
    request->private_state = NULL;
    request->on_done(request, flight->has_failed ? NULL : flight->rows,
                     flight->has_failed ? &flight->err : NULL);
    flight_free(flight);
}

static void answer_copy(struct pg_copy *copy)
{
    struct pg_flight *flight = copy->private_state;
    copy->private_state = NULL;
    copy->on_done(copy, flight->has_failed ? &flight->err : NULL);
    flight_free(flight);
}

static void deliver(struct later *later)
{
    struct pg *pg = container_of(later, struct pg, deliver);
    struct list_node *node;
    while ((node = list_pop_front(&pg->done_requests)))
        answer_request(container_of(node, struct pg_request, waiting));
    while ((node = list_pop_front(&pg->done_copies)))
        answer_copy(container_of(node, struct pg_copy, waiting));
    if (!pg->is_closing)
        return;
    assert(!pg->done_requests.count);
    later_cancel(pg->loop, &pg->deliver);
    void (*on_closed)(void *arg) = pg->on_closed;
    void *arg = pg->closed_arg;
    pg_target_release(&pg->target);
    loop_bury(pg->loop, pg);
    if (on_closed)
        on_closed(arg);
}

static void deliver_soon(struct pg *pg)
{
    metric_set(METRIC_DATABASE_WAITING, 0, (double)pg_waiting_count(pg));
    if (!list_is_member(&pg->deliver.waiting))
        loop_later(pg->loop, &pg->deliver, deliver);
}

static void note_outcome(struct pg_flight *flight, const struct error *err)
{
    metric_add(METRIC_DATABASE_BATCHES, err ? RESULT_FAILED : RESULT_OK, 1);
    if (err == &flight->err)
        return; /* it is noted already */
    flight->has_failed = err != NULL;
    if (err)
        flight->err = *err;
}

void pg_done(struct pg *pg, struct pg_request *request, const struct error *err)
{
    note_outcome(request->private_state, err);
    list_push_back(&pg->done_requests, &request->waiting);
    deliver_soon(pg);
}

void pg_copy_done(struct pg *pg, struct pg_copy *copy, const struct error *err)
{
    note_outcome(copy->private_state, err);
    list_push_back(&pg->done_copies, &copy->waiting);
    deliver_soon(pg);
}

/* ---- public ---------------------------------------------------------------------------------- */

/* It stands in statements as it is. pg_temp last: or a temporary table could shadow ours. */
static bool write_search_path(struct text schema, char *ret_path, size_t path_bytes,
                              struct error *err)
{
    if (!schema.bytes)
        schema = TEXT("public");
    if (text_is_identifier(schema, CONTROL_SCHEMA_BYTES_MAX) &&
        text_format(ret_path, path_bytes, "\"%.*s\", pg_temp", TEXT_ARGS(schema)))
        return true;
    return error_set(err, ERR_CONFIG, "DB_CONTROL_SCHEMA must be [a-z_][a-z0-9_]{0,%d}",
                     CONTROL_SCHEMA_BYTES_MAX - 1);
}

struct pg *pg_open(struct loop *loop, const struct pg_options *options, struct error *err)
{
    struct pg_target target;
    char search_path[sizeof(((struct pg *)0)->search_path)];
    if (PQlibVersion() < LIBPQ_VERSION_MIN) {
        error_set(err, ERR_CONFIG, "libpq %d is too old: 14 or newer is needed",
                  PQlibVersion() / 10000);
        return NULL;
    }
    if (!write_search_path(options->control_schema, search_path, sizeof(search_path), err) ||
        !pg_target_parse(options->url, options->application_name, &target, err))
        return NULL;
    struct pg *pg = xcalloc(1, sizeof(*pg));
    pg->loop = loop;
    pg->options = *options;
    /* Borrowed: what is needed of them was copied. */
    pg->options.url = pg->options.application_name = pg->options.control_schema = TEXT_NONE;
    memcpy(pg->search_path, search_path, sizeof(search_path));
    if (!pg->options.transactions_max)
        pg->options.transactions_max = 1;
    pg->target = target;
    (void)text_format(pg->statement_timeout, sizeof(pg->statement_timeout), "%llu",
                      (unsigned long long)options->statement_timeout_ms);
    (void)text_format(pg->lock_timeout, sizeof(pg->lock_timeout), "%llu",
                      (unsigned long long)options->lock_timeout_ms);
    list_init(&pg->done_requests);
    list_init(&pg->done_copies);
    pg_copier_open(&pg->copier, pg);
    pg_writer_open(&pg->writer, pg);
    pg_writer_open(&pg->beside, pg);
    pg_writer_open(&pg->ahead, pg);
    pg_link_start(&pg->writer.link);
    return pg;
}

static bool is_up(struct pg_writer *writer)
{
    pg_link_start(&writer->link);
    return writer->link.state == LINK_UP;
}

static struct pg_writer *writer_for(struct pg *pg, const struct pg_request *request)
{
    size_t load = pg_writer_load(&pg->writer);
    bool may_run_beside = request->may_run_beside || request->goes_ahead;
    if (!load || !may_run_beside || !is_up(&pg->beside))
        return &pg->writer;
    size_t load_beside = pg_writer_load(&pg->beside);
    if (request->goes_ahead && load_beside && is_up(&pg->ahead))
        return &pg->ahead; /* behind nothing but what is as short as itself */
    return load_beside <= load ? &pg->beside : &pg->writer;
}

void pg_run(struct pg *pg, struct pg_request *request)
{
    struct error err;
    request->private_state = flight_new(pg);
    request->was_maybe_committed = false;
    request->sqlstate[0] = '\0';
    if (pg->is_closing) {
        error_set(&err, ERR_SHUTDOWN, "PostgreSQL: closed");
        pg_done(pg, request, &err);
        return;
    }
    struct pg_writer *writer = writer_for(pg, request);
    list_push_back(&writer->waiting, &request->waiting);
    metric_set(METRIC_DATABASE_WAITING, 0, (double)pg_waiting_count(pg));
    pg_writer_pump(writer);
}

void pg_run_copy(struct pg *pg, struct pg_copy *copy)
{
    struct error err;
    copy->private_state = flight_new(pg);
    copy->sqlstate[0] = '\0';
    if (pg->is_closing) {
        error_set(&err, ERR_SHUTDOWN, "PostgreSQL: closed");
        pg_copy_done(pg, copy, &err);
        return;
    }
    list_push_back(&pg->copier.waiting, &copy->waiting);
    pg_copier_pump(&pg->copier);
}

void pg_run_script(struct pg *pg, struct pg_copy *script)
{
    assert(!script->data.start); /* that is what tells a script from a COPY */
    pg_run_copy(pg, script);
}

struct text pg_control_schema(const struct pg *pg)
{
    struct text rest;
    text_cut(text_from(pg->search_path), '"', &rest);
    return text_cut(rest, '"', &rest);
}

bool pg_is_connected(const struct pg *pg)
{
    return pg->writer.link.state == LINK_UP;
}

size_t pg_waiting_count(const struct pg *pg)
{
    return pg_writer_load(&pg->writer) + pg_writer_load(&pg->beside) + pg_writer_load(&pg->ahead) +
           pg->copier.waiting.count + (pg->copier.now != NULL);
}

void pg_close(struct pg *pg, void (*on_closed)(void *arg), void *arg)
{
    struct error err;
    if (!pg)
        return;
    assert(!pg->is_closing);
    error_set(&err, ERR_SHUTDOWN, "PostgreSQL: closed while the request waited");
    pg->is_closing = true;
    pg->on_closed = on_closed;
    pg->closed_arg = arg;
    pg_writer_close(&pg->writer, &err);
    pg_writer_close(&pg->beside, &err);
    pg_writer_close(&pg->ahead, &err);
    pg_copier_close(&pg->copier, &err);
    deliver_soon(pg);
}
