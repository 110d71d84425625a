#include "store/report.h"

#include "store/query.h"

#define ROWS_MAX 100000
/* Times as RFC 3339 in UTC, whatever the server's settings are. */
#define TIME(column) "to_char(" column " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* clang-format off */ /* SQL, a clause a line */
#define JOBS \
    "select p.job_id, p.user_id, u.email, p.job_type, p.status, p.control, p.total_documents," \
    " p.processed_count, p.failed_count, p.cancelled_count, p.pages_done, p.chunks_done," \
    " p.tokens_done, p.bytes_done, p.bytes_total, j.error_message, " TIME("p.created_at") ", " \
    TIME("p.started_at") ", " TIME("p.completed_at") ", round(p.seconds::numeric, 3)," \
    " round(p.seconds_left::numeric, 3), p.control_by, " TIME("p.control_at") \
    " from job_progress p" \
    " join processing_jobs j on j.id = p.job_id" \
    " left join users u on u.id = p.user_id"
/* Those that ran within the last half minute, and what they say. */
#define WORKERS \
    " cross join (select count(*) filter (where is_alive) as workers, max(seen_at) as seen_at," \
    " coalesce(sum(kafka_lag) filter (where is_alive), 0)::int8 as lag," \
    " coalesce(max(oldest_seconds) filter (where is_alive), 0) as oldest," \
    " (array_agg(trouble_code order by trouble_at desc) filter (where is_troubled))[1] as code," \
    " (array_agg(trouble_message order by trouble_at desc) filter (where is_troubled))[1] as why" \
    " from (select *, seen_at > now() - interval '30 seconds' as is_alive, seen_at > now() -" \
    " interval '30 seconds' and trouble_at > now() - interval '1 minute' as is_troubled" \
    " from millrace_workers) m) w"
#define SECONDS_UNTIL(time) "greatest(ceil(extract(epoch from " time " - now())), 0)::int8"

/* $1: the id or null, $2: rows at most, $3: documents or null, $4: a state or null, $5 and $6:
 * made so many ms ago at least, at most, or null. Columns: report.h. */
static const char *const STATEMENTS[] = {
    [REPORT_JOBS] =
        JOBS
        " where ($1 is null or p.user_id = $1) and ($4 is null or p.status = $4 or ($4 = 'open'"
        " and p.status in ('pending', 'processing')) or ($4 = 'paused' and p.control = 'pause'"
        " and p.status in ('pending', 'processing'))) and ($5 is null or p.created_at <= now() -"
        " $5 * interval '1 millisecond') and ($6 is null or p.created_at >= now() - $6 * interval"
        " '1 millisecond')"
        " order by p.created_at desc, p.job_id limit $2",
    [REPORT_JOB] =
        JOBS
        " where p.job_id = $1 and $3 is null limit $2",
    [REPORT_JOB_STANDING] =
        "select j.control, j.control_by, " TIME("j.control_at") ", o.open, o.running, o.parked, "
        SECONDS_UNTIL("o.retry_at") ", o.why, w.workers, " TIME("w.seen_at") ", w.lag, w.oldest,"
        " w.code, w.why"
        " from processing_jobs j"
        " cross join lateral (select count(*) as open,"
        " count(*) filter (where d.leased_until > now()) as running,"
        " count(*) filter (where i.parked_until > now()) as parked,"
        " min(i.parked_until) filter (where i.parked_until > now()) as retry_at,"
        " (array_agg(i.error_message order by i.parked_until)"
        " filter (where i.parked_until > now()))[1] as why"
        " from job_items i"
        " join documents d on d.id = i.document_id"
        " where i.job_id = j.id and i.outcome is null) o" WORKERS
        " where j.id = $1 limit $2",
    [REPORT_DOCUMENT] =
        "select d.id, d.user_id, u.is_active::int, d.bucket, d.object_key, d.title,"
        " d.file_source_type, d.status, d.error_code, d.error_message, d.etag, d.file_size,"
        " d.page_count, d.chunk_count, (d.gen is not null)::int, d.starts, "
        SECONDS_UNTIL("d.leased_until") ", " TIME("d.created_at") ", " TIME("d.processed_at") ", "
        TIME("d.deleted_at") ", j.id, j.status, j.control, j.control_by, " TIME("j.control_at")
        ", i.outcome, (i.job_id is not null)::int, " SECONDS_UNTIL("i.parked_until") ","
        " i.error_message, (select count(*)"
        " from job_items o"
        " where o.job_id = j.id and o.outcome is null), (select count(*)"
        " from documents r"
        " where r.job_id = j.id and r.leased_until > now() and exists (select"
        " from job_items o"
        " where o.job_id = j.id and o.document_id = r.id and o.outcome is null)), w.workers, "
        TIME("w.seen_at") ", w.lag, w.oldest, w.code, w.why"
        " from documents d"
        " left join users u on u.id = d.user_id"
        " left join processing_jobs j on j.id = d.job_id"
        " left join job_items i on i.job_id = d.job_id and i.document_id = d.id" WORKERS
        " where d.id = $1 limit $2",
    [REPORT_JOB_ITEMS] =
        "select i.document_id, d.title, d.object_key, i.outcome, i.error_code, i.error_message,"
        " i.page_count, i.chunk_count, i.size_bytes, " TIME("i.finished_at") ", " TIME("i.due")
        " from job_items i"
        " join documents d on d.id = i.document_id"
        " where i.job_id = $1 and $3 is null"
        " order by (i.outcome = 'failed') desc nulls last, i.outcome nulls last, d.object_key"
        " limit $2",
    [REPORT_JOB_CONTENT] =
        "select d.bucket, d.object_key, (i.outcome is not null)::int, j.config->>'content',"
        " i.error_code"
        " from processing_jobs j"
        " join job_items i on i.job_id = j.id"
        " join documents d on d.id = i.document_id"
        " where j.id = $1 and $3 is null limit $2",
    [REPORT_JOB_OPEN] =
        "select count(*), count(*) filter (where d.leased_until > now()), count(*) filter (where"
        " i.parked_until > now()), ceil(extract(epoch"
        " from min(i.parked_until) filter (where i.parked_until > now()) - now()))::int8,"
        " (array_agg(i.error_message order by i.parked_until)"
        " filter (where i.parked_until > now()))[1]"
        " from job_items i"
        " join documents d on d.id = i.document_id"
        " where i.job_id = $1 and i.outcome is null and $3 is null limit $2",
    [REPORT_TENANTS] =
        "select user_id, email, is_active, total_documents, coalesce(pages, 0), coalesce(chunks,"
        " 0), total_vectors, total_storage_bytes, coalesce(failed, 0)"
        " from tenant_usage"
        " where ($1 is null or user_id = $1) and $3 is null"
        " order by total_documents desc nulls last, user_id limit $2",
    [REPORT_FAILURES] =
        "select error_code, count(*), min(error_message), " TIME("max(processed_at)")
        " from documents"
        " where status = 'failed' and ($1 is null or user_id = $1) and $3 is null"
        " group by 1"
        " order by 2 desc, 1 limit $2",
    [REPORT_DEAD_LETTERS] =
        "select topic, partition, \"offset\", event_no, code, message, (select encode(m.key, 'escape')"
        " from dead_letters m where (m.topic, m.partition, m.\"offset\") = (d.topic, d.partition,"
        " d.\"offset\") and m.headers is not null order by m.event_no limit 1), user_id, " TIME("created_at")
        " from dead_letters d"
        " where resolution is null and ($1 is null or user_id = $1) and $3 is null"
        " order by created_at desc, topic, partition, \"offset\" desc, event_no limit $2",
    [REPORT_LIVE] =
        "select id, gen, title, object_key"
        " from documents"
        " where id = any($3) and gen is not null and ($1 is null or user_id = $1) limit $2",
    [REPORT_LANES] =
        "select (select count(*)"
        " from job_items"
        " where outcome is null), (select count(*)"
        " from job_items"
        " where outcome is null and parked_at is not null), (select count(*)"
        " from litter), (select count(*)"
        " from dead_letters"
        " where resolution is null)"
        " where $1 is null and $3 is null limit $2",
};
/* clang-format on */

static void on_rows(void *owner, const struct pg_result *rows, const struct error *err)
{
    struct report *report = owner;
    report->on_done(report, rows, err);
}

/* Of 0: null. */
static struct pg_param age_param(struct query *query, uint64_t age_ms)
{
    return age_ms ? query_number(query, age_ms) : (struct pg_param){.type = PG_INT8};
}

void report_run(struct pg *pg, struct loop *loop, struct report *report)
{
    uint32_t row_max = report->row_max && report->row_max < ROWS_MAX ? report->row_max : ROWS_MAX;
    struct query *query = query_new(loop, PG_UUID, report, on_rows);
    for (size_t i = 0; i < report->document_count; i++)
        pg_array_add_uuid(&query->array, report->documents[i]);
    query->params[0] = (struct pg_param){.type = PG_UUID, .is_binary = true};
    if (report->has_id) {
        query->params[0].data = (const char *)report->id.bytes;
        query->params[0].bytes = sizeof(report->id.bytes);
    }
    query->params[1] = query_number(query, row_max);
    query->params[2] = pg_array_param(&query->array);
    if (report->kind != REPORT_LIVE)
        query->params[2].data = NULL;
    query->params[3] = query_text(report->state);
    query->params[4] = age_param(query, report->older_ms);
    query->params[5] = age_param(query, report->newer_ms);
    query_run(pg, query, STATEMENTS[report->kind]);
}
