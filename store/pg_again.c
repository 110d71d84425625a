#include "store/pg_again.h"

#include "worker/base/memory.h"

#define DEADLINE_MS 10000
#define RETRY_MS 500

static void end(struct pg_again *again)
{
    for (size_t i = 0; i < COUNT_OF(again->arrays); i++)
        pg_array_release(&again->arrays[i]);
    loop_bury(again->loop, again);
}

static void send_again(struct timer *timer)
{
    struct pg_again *again = container_of(timer, struct pg_again, retry);
    pg_run(again->pg, &again->request);
}

static void on_done(struct pg_request *request, const struct pg_result *result,
                    const struct error *err)
{
    struct pg_again *again = container_of(request, struct pg_again, request);
    bool is_passing = err && (err->code == ERR_CONFLICT || err->code == ERR_UNREACHABLE ||
                              err->code == ERR_UNAVAILABLE);
    if (is_passing && loop_now_ms(again->loop) - again->start_ms < again->deadline_ms) {
        timer_start(again->loop, &again->retry, RETRY_MS, send_again);
        return;
    }
    again->on_answer(again, result, err);
    end(again);
}

struct pg_again *pg_again_new(struct pg *pg, struct loop *loop, void *owner)
{
    struct pg_again *again = xcalloc(1, sizeof(*again));
    again->pg = pg;
    again->loop = loop;
    again->owner = owner;
    again->deadline_ms = DEADLINE_MS;
    again->start_ms = loop_now_ms(loop);
    again->request = (struct pg_request){.statements = again->statements, .on_done = on_done};
    return again;
}

void pg_again_add(struct pg_again *again, const char *sql, int param_count)
{
    size_t at = again->request.statement_count++;
    assert(at < PG_AGAIN_STATEMENTS_MAX);
    if (at)
        again->statements[at - 1].keeps_rows = false;
    again->statements[at] = (struct pg_statement){
        .sql = sql, .params = again->params, .param_count = param_count, .keeps_rows = true};
}

void pg_again_start(struct pg_again *again)
{
    pg_run(again->pg, &again->request);
}

struct pg_param pg_param_uuid(const struct uuid *id)
{
    return (struct pg_param){.data = (const char *)id->bytes,
                             .bytes = sizeof(id->bytes),
                             .type = PG_UUID,
                             .is_binary = true};
}

struct pg_param pg_param_text(struct text text)
{
    return (struct pg_param){
        .data = text.start, .bytes = (int)text.bytes, .type = PG_TEXT, .is_binary = true};
}

struct pg_param pg_param_number(struct pg_again *again, size_t slot, uint64_t number)
{
    (void)text_format(again->numbers[slot], sizeof(again->numbers[slot]), "%llu",
                      (unsigned long long)number);
    return (struct pg_param){.data = again->numbers[slot], .type = PG_INT8};
}
