#include <libpq-fe.h>

#include "store/pg_internal.h"
#include "worker/base/memory.h"

#define PARAMS_MAX 64
#define STATEMENTS_MAX 16
#define PLANS_MS 5000    /* how long a plan is kept */
#define LOST_NAMES_MAX 8 /* then this connection is used without named statements */

/* set_config with is_local does what SET LOCAL does, and takes parameters. A plan made once would
 * remember how small the tables and arrays were then; planning anew costs some milliseconds a
 * transaction. That is most of what one of few rows costs, so those keep their plans, but not for
 * long: tables grow before they are analyzed. Compiling one (jit) costs a hundred times that, and
 * no statement here runs long enough for it. */
static const char PRELUDE[] = "select set_config('statement_timeout', $1, true), "
                              "set_config('lock_timeout', $2, true), "
                              "set_config('search_path', $3, true), "
                              "set_config('synchronous_commit', 'on', true), "
                              "set_config('plan_cache_mode', $5, true), "
                              "set_config('jit', 'off', true), "
                              "set_config('enable_seqscan', $4, true)";

static void on_watch(struct timer *timer);

static struct pg_flight *flight_of(const struct pg_request *request)
{
    return request->private_state;
}

static struct pg_request *first_of(const struct list *list)
{
    struct list_node *node = list_first(list);
    return node ? container_of(node, struct pg_request, waiting) : NULL;
}

/* ---- names of prepared statements ------------------------------------------------------------ */

static struct pg_statement_name *name_of(struct pg_writer *writer, const char *sql)
{
    for (size_t i = 0; i < writer->name_count; i++)
        if (writer->names[i].sql == sql)
            return &writer->names[i];
    writer->names = xrealloc(writer->names, writer->name_count + 1, sizeof(*writer->names));
    struct pg_statement_name *name = &writer->names[writer->name_count++];
    *name = (struct pg_statement_name){.sql = sql};
    return name;
}

static struct pg_statement_name *name_of_query(struct pg_writer *writer,
                                               const struct pg_request *request, int query)
{
    return name_of(writer, query < 0 ? PRELUDE : request->statements[query].sql);
}

/* Somebody between us and the server forgot them, or their result types changed. They get new
 * names, as the old ones may still exist. */
static void forget_names(struct pg_writer *writer, const struct pg_request *request)
{
    bool was_confirmed = false;
    for (int i = QUERY_PRELUDE; i < (int)request->statement_count; i++) {
        if (i >= 0 && request->statements[i].is_dynamic)
            continue;
        struct pg_statement_name *name = name_of_query(writer, request, i);
        was_confirmed = was_confirmed || name->is_confirmed;
        name->is_prepared = name->is_confirmed = false;
    }
    writer->lost_name_count += was_confirmed;
}

static void forget_all_names(struct pg_writer *writer)
{
    for (size_t i = 0; i < writer->name_count; i++)
        writer->names[i].is_prepared = writer->names[i].is_confirmed = false;
    writer->lost_name_count = 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

struct wire_params {
    Oid types[PARAMS_MAX];
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX];
    int formats[PARAMS_MAX];
};

static void fill_params(const struct pg_statement *statement, struct wire_params *ret_params)
{
    assert(statement->param_count <= PARAMS_MAX);
    for (int i = 0; i < statement->param_count; i++) {
        const struct pg_param *param = &statement->params[i];
        ret_params->types[i] = param->type;
        ret_params->values[i] = param->data;
        ret_params->lengths[i] = param->bytes;
        ret_params->formats[i] = param->is_binary;
    }
}

static void note_query(struct pg_flight *flight, int query)
{
    flight->queries[flight->query_count++] = (int16_t)query;
}

static bool has_names(const struct pg_writer *writer, const struct pg_flight *flight)
{
    return !flight->is_plain && writer->lost_name_count < LOST_NAMES_MAX;
}

static bool send_statement(struct pg_writer *writer, struct pg_flight *flight,
                           const struct pg_statement *statement, int query)
{
    struct pg_conn *conn = writer->link.conn;
    struct wire_params params;
    fill_params(statement, &params);
    if (statement->is_dynamic || !has_names(writer, flight)) {
        note_query(flight, query);
        return PQsendQueryParams(conn, statement->sql, statement->param_count, params.types,
                                 params.values, params.lengths, params.formats, 0);
    }
    struct pg_statement_name *name = name_of(writer, statement->sql);
    char label[16];
    if (!name->is_prepared) {
        name->no = ++writer->name_no;
        (void)text_format(label, sizeof(label), "m%u", name->no);
        note_query(flight, QUERY_PREPARE);
        if (!PQsendPrepare(conn, label, statement->sql, statement->param_count, params.types))
            return false;
        name->is_prepared = true; /* pipelined: whoever comes behind may count on it */
    }
    (void)text_format(label, sizeof(label), "m%u", name->no);
    note_query(flight, query);
    return PQsendQueryPrepared(conn, label, statement->param_count, params.values, params.lengths,
                               params.formats, 0);
}

static struct pg_param param_of(const char *value)
{
    return (struct pg_param){
        .data = value, .bytes = (int)text_from(value).bytes, .type = PG_TEXT, .is_binary = false};
}

/* True: nothing has to be sent, or it was. */
static bool send_end_of_plans(struct pg_writer *writer, struct pg_flight *flight)
{
    static const struct pg_statement discard = {.sql = "discard plans", .is_dynamic = true};
    uint64_t now_ms = loop_now_ms(writer->link.loop);
    if (now_ms - writer->plans_ms < PLANS_MS)
        return true;
    writer->plans_ms = now_ms;
    return send_statement(writer, flight, &discard, QUERY_PRELUDE);
}

static bool send_transaction(struct pg_writer *writer, struct pg_request *request)
{
    struct pg_flight *flight = flight_of(request);
    const struct pg *pg = writer->pg;
    bool keeps_plans = request->keeps_plans && has_names(writer, flight);
    const struct pg_param settings[] = {
        param_of(pg->statement_timeout), param_of(pg->lock_timeout), param_of(pg->search_path),
        param_of(request->finds_by_key ? "off" : "on"),
        param_of(keeps_plans ? "force_generic_plan" : "force_custom_plan")};
    const struct pg_statement prelude = {
        .sql = PRELUDE, .params = settings, .param_count = COUNT_OF(settings)};
    assert(request->statement_count <= STATEMENTS_MAX);
    flight->query_count = flight->query_at = 0;
    if (!flight->queries)
        flight->queries = xcalloc(2 * (request->statement_count + 1) + 1, sizeof(*flight->queries));
    bool is_sent = !keeps_plans || send_end_of_plans(writer, flight);
    is_sent = is_sent && send_statement(writer, flight, &prelude, QUERY_PRELUDE);
    for (size_t i = 0; is_sent && i < request->statement_count; i++)
        is_sent = send_statement(writer, flight, &request->statements[i], (int)i);
    return is_sent && PQpipelineSync(writer->link.conn) == 1;
}

/* What libpq will not take (a broken connection, a message over 1 GiB) must not come back for ever:
 * the request fails with the connection, however the others fare. */
static void fail_sending(struct pg_writer *writer, struct pg_request *request)
{
    struct error err;
    pg_link_error(&writer->link, &err);
    error_wrap(&err, "sending");
    pg_done(writer->pg, request, &err);
    pg_link_fail(&writer->link, &err);
}

void pg_writer_pump(struct pg_writer *writer)
{
    struct error err;
    struct pg_request *request;
    if (writer->link.state != LINK_UP)
        return;
    while (writer->in_flight.count < writer->pg->options.transactions_max &&
           (request = first_of(&writer->waiting))) {
        list_remove(&writer->waiting, &request->waiting);
        if (!send_transaction(writer, request)) {
            fail_sending(writer, request);
            return;
        }
        if (!writer->in_flight.count)
            writer->progress_ms = loop_now_ms(writer->link.loop);
        list_push_back(&writer->in_flight, &request->waiting);
    }
    if (!pg_link_flush(&writer->link, &err)) {
        pg_link_fail(&writer->link, &err);
        return;
    }
    uint64_t silence_ms = pg_silence_ms_max(writer->pg);
    if (writer->in_flight.count && silence_ms && !timer_is_waiting(&writer->watchdog))
        timer_start(writer->link.loop, &writer->watchdog, silence_ms, on_watch);
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool is_name_lost(const char *sqlstate)
{
    static const char *const STATES[] = {
        "26000", /* invalid_sql_statement_name */
        "0A000", /* cached plan must not change result type */
        "42P05", /* duplicate_prepared_statement: a pooler gave us another's connection */
    };
    for (size_t i = 0; i < COUNT_OF(STATES); i++)
        if (text_equal(text_from(sqlstate), text_from(STATES[i])))
            return true;
    return false;
}

/* All answers of the oldest transaction are here. */
static void end_transaction(struct pg_writer *writer)
{
    struct pg_request *request = first_of(&writer->in_flight);
    struct pg_flight *flight = flight_of(request);
    list_remove(&writer->in_flight, &request->waiting);
    if (flight->has_failed && is_name_lost(request->sqlstate) && !flight->is_plain) {
        forget_names(writer, request);
        flight->is_plain = true; /* nothing of it was committed: once more, without names */
        flight->has_failed = false;
        request->sqlstate[0] = '\0';
        list_push_front(&writer->waiting, &request->waiting);
        return;
    }
    pg_done(writer->pg, request, flight->has_failed ? &flight->err : NULL);
}

static int query_now(const struct pg_flight *flight)
{
    /* past the last one: the answer to the COMMIT */
    return flight->query_at < flight->query_count ? flight->queries[flight->query_at]
                                                  : QUERY_COMMIT;
}

/* The query behind a PREPARE is the one that it prepares. */
static void end_prepare(struct pg_writer *writer, const struct pg_request *request, bool is_done)
{
    const struct pg_flight *flight = flight_of(request);
    if (query_now(flight) != QUERY_PREPARE)
        return;
    struct pg_statement_name *name =
        name_of_query(writer, request, flight->queries[flight->query_at + 1]);
    name->is_prepared = name->is_confirmed = is_done;
}

static void take_error(struct pg_writer *writer, struct pg_request *request,
                       const struct pg_result *result)
{
    struct pg_flight *flight = flight_of(request);
    end_prepare(writer, request, false); /* those behind, who count on it, are run again */
    if (flight->has_failed)
        return;
    flight->has_failed = true;
    pg_error_of_result(result, request->sqlstate, &flight->err);
    bool is_read_only = text_equal(text_from(request->sqlstate), TEXT("25006"));
    bool is_fatal = !request->sqlstate[0] || pg_is_fatal_for_link(request->sqlstate);
    request->was_maybe_committed = is_fatal && !is_read_only;
    writer->is_useless = writer->is_useless || is_read_only;
}

static void take_rows(struct pg_writer *writer, const struct pg_request *request,
                      struct pg_result *result)
{
    struct pg_flight *flight = flight_of(request);
    int query = query_now(flight);
    end_prepare(writer, request, true);
    if (query < 0 || !request->statements[query].keeps_rows) {
        PQclear(result);
        return;
    }
    PQclear(flight->rows);
    flight->rows = result;
}

/* NULL: the end of one query's answers. */
static void take_result(struct pg_writer *writer, struct pg_result *result)
{
    struct pg_request *request = first_of(&writer->in_flight);
    struct pg_flight *flight = flight_of(request);
    if (!result) {
        flight->query_at++;
        return;
    }
    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        end_transaction(writer);
        return;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        take_rows(writer, request, result);
        return;
    case PGRES_PIPELINE_ABORTED:
        end_prepare(writer, request, false);
        PQclear(result);
        return;
    default:
        take_error(writer, request, result);
        PQclear(result);
    }
}

static bool take_results(struct pg_writer *writer)
{
    bool was_end = false;
    while (writer->in_flight.count && !PQisBusy(writer->link.conn)) {
        struct pg_result *result = PQgetResult(writer->link.conn);
        if (!result && was_end)
            break; /* nothing more has come */
        was_end = !result;
        take_result(writer, result);
    }
    return PQstatus(writer->link.conn) == CONNECTION_OK;
}

static void on_ready(struct pg_link *link)
{
    struct pg_writer *writer = container_of(link, struct pg_writer, link);
    struct error err;
    writer->progress_ms = loop_now_ms(link->loop);
    /* What came before the connection broke counts: read it in any case. */
    bool is_read = PQconsumeInput(link->conn) == 1;
    bool is_whole = take_results(writer);
    if (writer->is_useless) {
        error_set(&err, ERR_UNAVAILABLE,
                  "PostgreSQL: this server is read-only, looking for another");
        pg_link_fail(link, &err);
    } else if (!is_read || !is_whole) {
        pg_link_error(link, &err);
        pg_link_fail(link, &err);
    } else {
        pg_writer_pump(writer);
    }
}

static void on_watch(struct timer *timer)
{
    struct pg_writer *writer = container_of(timer, struct pg_writer, watchdog);
    if (!writer->in_flight.count)
        return;
    uint64_t silent_ms = loop_now_ms(writer->link.loop) - writer->progress_ms;
    uint64_t silence_ms = pg_silence_ms_max(writer->pg);
    if (silent_ms < silence_ms) {
        timer_start(writer->link.loop, &writer->watchdog, silence_ms - silent_ms, on_watch);
        return;
    }
    struct error err;
    error_set(&err, ERR_UNREACHABLE, "PostgreSQL: no answer for %llu ms",
              (unsigned long long)silent_ms);
    pg_link_fail(&writer->link, &err);
}

/* ---- the link -------------------------------------------------------------------------------- */

static void on_up(struct pg_link *link)
{
    struct pg_writer *writer = container_of(link, struct pg_writer, link);
    struct error err;
    forget_all_names(writer);
    writer->is_useless = false;
    if (PQenterPipelineMode(link->conn) != 1) {
        pg_link_error(link, &err);
        pg_link_fail(link, &err);
        return;
    }
    pg_writer_pump(writer);
}

static void fail_in_flight(struct pg_writer *writer, const struct error *err)
{
    struct pg_request *request;
    while ((request = first_of(&writer->in_flight))) {
        struct pg_flight *flight = flight_of(request);
        list_remove(&writer->in_flight, &request->waiting);
        if (flight->has_failed) {
            pg_done(writer->pg, request, &flight->err);
            continue;
        }
        request->was_maybe_committed = true;
        struct error lost = *err;
        lost.code = err->code == ERR_SHUTDOWN ? ERR_SHUTDOWN : ERR_UNREACHABLE;
        pg_done(writer->pg, request, &lost);
    }
}

static void on_down(struct pg_link *link, bool was_up, const struct error *err)
{
    struct pg_writer *writer = container_of(link, struct pg_writer, link);
    fail_in_flight(writer, err);
    timer_stop(link->loop, &writer->watchdog);
    if (was_up)
        return; /* those that wait get the next connection */
    LIST_FOR_EACH(&writer->waiting, node) {
        struct pg_request *request = container_of(node, struct pg_request, waiting);
        if (flight_of(request)->since_ms > link->attempt_ms)
            continue; /* came after this attempt began: the next one is theirs */
        list_remove(&writer->waiting, node);
        pg_done(writer->pg, request, err);
    }
}

void pg_writer_open(struct pg_writer *writer, struct pg *pg)
{
    *writer = (struct pg_writer){
        .pg = pg,
        .link = {.loop = pg->loop,
                 .target = &pg->target,
                 .connect_timeout_ms = pg->options.connect_timeout_ms,
                 .on_up = on_up,
                 .on_ready = on_ready,
                 .on_down = on_down},
    };
    list_init(&writer->waiting);
    list_init(&writer->in_flight);
}

size_t pg_writer_load(const struct pg_writer *writer)
{
    return writer->waiting.count + writer->in_flight.count;
}

void pg_writer_close(struct pg_writer *writer, const struct error *err)
{
    struct pg_request *request;
    pg_link_stop(&writer->link);
    timer_stop(writer->link.loop, &writer->watchdog);
    fail_in_flight(writer, err);
    while ((request = first_of(&writer->waiting))) {
        list_remove(&writer->waiting, &request->waiting);
        pg_done(writer->pg, request, err);
    }
    xfree(writer->names);
    writer->names = NULL;
    writer->name_count = 0;
}
