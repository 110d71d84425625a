#include "store/query.h"

#include <assert.h>

#include "worker/base/memory.h"

static void on_done(struct pg_request *request, const struct pg_result *rows,
                    const struct error *err)
{
    struct query *query = container_of(request, struct query, request);
    pg_array_release(&query->array);
    loop_bury(query->loop, query);
    query->on_rows(query->owner, rows, err);
}

struct query *query_new(struct loop *loop, uint32_t element_type, void *owner,
                        void (*on_rows)(void *owner, const struct pg_result *rows,
                                        const struct error *err))
{
    struct query *query = xcalloc(1, sizeof(*query));
    query->loop = loop;
    query->owner = owner;
    query->on_rows = on_rows;
    query->array = pg_array_new(element_type);
    return query;
}

struct pg_param query_number(struct query *query, uint64_t value)
{
    assert(query->number_count < QUERY_NUMBERS_MAX);
    char *number = query->numbers[query->number_count++];
    (void)text_format(number, sizeof(query->numbers[0]), "%llu", (unsigned long long)value);
    return (struct pg_param){.data = number, .type = PG_INT8};
}

struct pg_param query_text(struct text text)
{
    return (struct pg_param){.data = text.bytes ? text.start : NULL,
                             .bytes = (int)text.bytes,
                             .type = PG_TEXT,
                             .is_binary = true};
}

void query_run(struct pg *pg, struct query *query, const char *sql)
{
    query->statement = (struct pg_statement){
        .sql = sql, .params = query->params, .param_count = QUERY_PARAMS, .keeps_rows = true};
    query->request = (struct pg_request){
        .statements = &query->statement, .statement_count = 1, .on_done = on_done};
    pg_run(pg, &query->request);
}
