#include "store/report.h"

#include "worker/base/memory.h"

#define ROWS_MAX 100000
/* Times as RFC 3339 in UTC, whatever the server's settings are. */
#define TIME(column) "to_char(" column " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* clang-format off: SQL, a clause a line */
#define JOBS                                                                                       \
    "select p.job_id, p.user_id, u.email, p.job_type, p.status, p.control,"                        \
    " p.total_documents, p.processed_count, p.failed_count, p.cancelled_count, p.pages_done,"      \
    " p.chunks_done, p.tokens_done, p.bytes_done, p.bytes_total, j.error_message, " TIME(          \
        "p.created_at") ", " TIME("p.started_at") ", " TIME("p.completed_at") ","                  \
                                                                              " round(p.seconds::" \
                                                                              "numeric, 3), "      \
                                                                              "round(p.seconds_"   \
                                                                              "left::numeric, 3)"  \
                                                                              " from "             \
                                                                              "job_progress p "    \
                                                                              "join "              \
                                                                              "processing_jobs j " \
                                                                              "on j.id = p.job_id" \
                                                                              " left join users "  \
                                                                              "u on u.id = "       \
                                                                              "p.user_id"

/* $1: the id or null, $2: rows at most, $3: documents or null. Columns: report.h. */
static const char *const STATEMENTS[] = {
    [REPORT_JOBS] = JOBS " where ($1 is null or p.user_id = $1) and $3 is null"
                         " order by p.created_at desc, p.job_id limit $2",
    [REPORT_JOB] = JOBS " where p.job_id = $1 and $3 is null limit $2",
    [REPORT_JOB_ITEMS] =
        "select i.document_id, d.title, d.object_key, i.outcome, i.error_code, i.error_message,"
        " i.page_count, i.chunk_count, i.size_bytes, " TIME("i.finished_at") ", " TIME(
            "i.due") " from job_items i join documents d on d.id = i.document_id"
                     " where i.job_id = $1 and $3 is null"
                     " order by (i.outcome = 'failed') desc nulls last, i.outcome nulls last, "
                     "d.object_key"
                     " limit $2",
    [REPORT_JOB_CONTENT] =
        "select d.bucket, d.object_key, (i.outcome is not null)::int, j.config->>'content', "
        "i.error_code"
        " from processing_jobs j join job_items i on i.job_id = j.id"
        " join documents d on d.id = i.document_id where j.id = $1 and $3 is null limit $2",
    [REPORT_JOB_OPEN] = "select count(*), count(*) filter (where d.leased_until > now()),"
                        " count(*) filter (where i.parked_until > now()),"
                        " ceil(extract(epoch from min(i.parked_until) filter (where i.parked_until "
                        "> now()) - now()))::int8,"
                        " (array_agg(i.error_message order by i.parked_until) filter (where "
                        "i.parked_until > now()))[1]"
                        " from job_items i join documents d on d.id = i.document_id"
                        " where i.job_id = $1 and i.outcome is null and $3 is null limit $2",
    [REPORT_TENANTS] =
        "select user_id, email, is_active, total_documents, coalesce(pages, 0),"
        " coalesce(chunks, 0), total_vectors, total_storage_bytes, coalesce(failed, 0)"
        " from tenant_usage where ($1 is null or user_id = $1) and $3 is null"
        " order by total_documents desc nulls last, user_id limit $2",
    [REPORT_FAILURES] = "select error_code, count(*), min(error_message), " TIME(
        "max(processed_at)") " from documents where status = 'failed' and ($1 is null or user_id = "
                             "$1) and $3 is null"
                             " group by 1 order by 2 desc, 1 limit $2",
    [REPORT_DEAD_LETTERS] =
        "select topic, partition, \"offset\", event_no, code, message, encode(key, 'escape'),"
        " user_id, " TIME("created_at") " from dead_letters where resolution is null and ($1 is "
                                        "null or user_id = $1)"
                                        " and $3 is null"
                                        " order by created_at desc, topic, partition, \"offset\" "
                                        "desc, event_no limit $2",
    [REPORT_LIVE] =
        "select id, gen, title, object_key from documents"
        " where id = any($3) and gen is not null and ($1 is null or user_id = $1) limit $2",
    [REPORT_LANES] =
        "select (select count(*) from job_items where outcome is null),"
        " (select count(*) from job_items where outcome is null and parked_at is not null),"
        " (select count(*) from litter),"
        " (select count(*) from dead_letters where resolution is null)"
        " where $1 is null and $3 is null limit $2",
};
/* clang-format on */

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
