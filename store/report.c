#include "store/report.h"

#include "worker/base/memory.h"

#define ROWS_MAX 10000
/* Times as RFC 3339 in UTC, whatever the server's settings are. */
#define TIME(column) "to_char(" column " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
#define JOB_COLUMNS                                                                     \
    "job_id, user_id, job_type, status, control, total_documents, processed_count, "    \
    "failed_count, cancelled_count, bytes_total, bytes_done, pages_done, chunks_done, " \
    "tokens_done, " TIME("created_at") ", " TIME("started_at") ", " TIME(               \
        "completed_at") ", "                                                            \
                        "round(seconds::numeric, 3), round(seconds_left::numeric, 3)"

/* $1: the id or null, $2: rows at most, $3: documents or null */
static const char *const STATEMENTS[] = {
    /* job, user, type, status, control, total, processed, failed, cancelled, bytes in all, bytes
     * done, pages, chunks, tokens, created, started, completed, seconds, seconds left */
    [REPORT_JOBS] = "select " JOB_COLUMNS " from job_progress where ($1 is null or user_id = $1) "
                    "and $3 is null order by created_at desc, job_id limit $2",
    [REPORT_JOB] = "select " JOB_COLUMNS " from job_progress where job_id = $1 and $3 is null "
                   "limit $2",
    /* document, title, bucket, key, outcome ("open"), status, code, message, bytes, pages, chunks,
     * tokens, finished, due */
    [REPORT_JOB_ITEMS] =
        "select i.document_id, d.title, d.bucket, d.object_key, coalesce(i.outcome, 'open'), "
        "d.status, i.error_code, i.error_message, i.size_bytes, i.page_count, i.chunk_count, "
        "i.token_count, " TIME("i.finished_at") ", " TIME(
            "i.due") " from job_items i join "
                     "documents d on d.id = i.document_id where i.job_id = $1 and $3 is null order "
                     "by "
                     "(i.outcome = 'failed') desc nulls last, i.outcome nulls last, d.object_key "
                     "limit $2",
    /* user, email, is active, documents, bytes, vectors, pages, chunks, tokens, failed, waiting */
    [REPORT_TENANTS] =
        "select user_id, email, is_active, total_documents, total_storage_bytes, total_vectors, "
        "coalesce(pages, 0), coalesce(chunks, 0), coalesce(tokens, 0), coalesce(failed, 0), "
        "coalesce(waiting, 0) from tenant_usage where ($1 is null or user_id = $1) and $3 is null "
        "order by total_documents desc nulls last, user_id limit $2",
    /* code, documents, tenants, latest, an example's message */
    [REPORT_FAILURES] = "select error_code, count(*), count(distinct user_id), " TIME(
        "max(processed_at)") ", "
                             "min(error_message) from documents where status = 'failed' and ($1 is "
                             "null or user_id = $1) "
                             "and $3 is null group by 1 order by 2 desc, 1 limit $2",
    /* topic, partition, offset, event number, code, message, user, bytes of the value, event's
     * time, created, resolution */
    [REPORT_DEAD_LETTERS] = "select topic, partition, \"offset\", event_no, code, message, "
                            "user_id, length(value), " TIME("event_at") ", " TIME(
                                "created_at") ", resolution from dead_letters where ($1 is null "
                                              "or user_id = $1) and $3 is null order by created_at "
                                              "desc, topic, partition, \"offset\" "
                                              "desc, event_no limit $2",
    /* document, generation, title, bucket, key, chunks, user */
    [REPORT_LIVE] =
        "select id, gen, title, bucket, object_key, chunk_count, user_id from documents "
        "where id = any($3) and gen is not null and ($1 is null or user_id = $1) limit "
        "$2",
    /* open items, parked items, generations of litter, unresolved dead letters, leased documents */
    [REPORT_LANES] =
        "select (select count(*) from job_items where outcome is null), (select count(*) from "
        "job_items where outcome is null and parked_at is not null), (select count(*) from "
        "litter), "
        "(select count(*) from dead_letters where resolution is null), (select count(*) from "
        "documents where leased_until is not null) where $1 is null and $3 is null limit $2",
};

struct run {
    struct report *report;
    struct loop *loop;
    char row_max[16];
    struct pg_array documents;
    struct pg_param params[3];
    struct pg_statement statement;
    struct pg_request request;
};

static void on_rows(struct pg_request *request, const struct pg_result *result,
                    const struct error *err)
{
    struct run *run = container_of(request, struct run, request);
    pg_array_release(&run->documents);
    loop_bury(run->loop, run);
    run->report->private_state = NULL;
    run->report->on_done(run->report, result, err);
}

void report_run(struct pg *pg, struct loop *loop, struct report *report)
{
    struct run *run = xcalloc(1, sizeof(*run));
    uint32_t row_max = report->row_max && report->row_max < ROWS_MAX ? report->row_max : ROWS_MAX;
    run->report = report;
    run->loop = loop;
    report->private_state = run;
    (void)text_format(run->row_max, sizeof(run->row_max), "%u", row_max);
    run->params[0] = (struct pg_param){.type = PG_UUID, .is_binary = true};
    if (report->has_id) {
        run->params[0].data = (const char *)report->id.bytes;
        run->params[0].bytes = sizeof(report->id.bytes);
    }
    run->params[1] = (struct pg_param){.data = run->row_max, .type = PG_INT8};
    run->documents = pg_array_new(PG_UUID);
    for (size_t i = 0; i < report->document_count; i++)
        pg_array_add_uuid(&run->documents, report->documents[i]);
    run->params[2] = pg_array_param(&run->documents);
    if (report->kind != REPORT_LIVE)
        run->params[2].data = NULL;
    run->statement = (struct pg_statement){.sql = STATEMENTS[report->kind],
                                           .params = run->params,
                                           .param_count = COUNT_OF(run->params),
                                           .keeps_rows = true};
    run->request = (struct pg_request){
        .statements = &run->statement, .statement_count = 1, .on_done = on_rows};
    pg_run(pg, &run->request);
}
