-- For dashboards: plain SQL, no knowledge of the protocol needed.

create or replace view job_progress as
select j.id as job_id, j.user_id, j.job_type, j.status, j.control, j.total_documents, j.processed_count, j.failed_count,
       j.cancelled_count, j.total_documents - j.processed_count - j.failed_count - j.cancelled_count as open_count,
       case when j.total_documents > 0
            then round(100.0 * (j.processed_count + j.failed_count + j.cancelled_count) / j.total_documents, 1) end as percent_done,
       j.bytes_total, j.bytes_done, j.pages_done, j.chunks_done, j.tokens_done, j.tokens_billed, j.price, j.created_at, j.started_at, j.completed_at,
       extract(epoch from coalesce(j.completed_at, now()) - j.started_at) as seconds,
       case when j.completed_at is null and j.processed_count + j.failed_count > 0
            then extract(epoch from now() - j.started_at) / (j.processed_count + j.failed_count)
                 * (j.total_documents - j.processed_count - j.failed_count - j.cancelled_count) end as seconds_left
  from processing_jobs j;
comment on view job_progress is 'Each job with its counters, percentage and remaining time.';

create or replace view tenant_usage as
select u.id as user_id, u.email, u.is_active, u.total_documents, u.total_storage_bytes, u.total_vectors, d.pages, d.chunks,
       d.tokens, d.failed, d.waiting, p.tokens_billed, p.price, s.weight, s.in_flight_max, s.documents_max, s.storage_bytes_max
  from users u
  left join (select user_id, sum(tokens_billed) as tokens_billed, sum(price) as price from processing_jobs group by user_id) p
         on p.user_id = u.id
  left join tenant_settings s on s.user_id = u.id
  left join (select user_id, coalesce(sum(page_count) filter (where gen is not null), 0) as pages, sum(chunk_count) as chunks,
                    coalesce(sum(token_count) filter (where gen is not null), 0) as tokens,
                    count(*) filter (where status = 'failed') as failed,
                    count(*) filter (where status in ('pending', 'processing')) as waiting
               from documents group by user_id) d on d.user_id = u.id;
comment on view tenant_usage is 'Each tenant with its totals, failures, limits, and what its embeddings cost.';

create or replace view throughput as
select date_trunc('minute', finished_at) as minute, count(*) as documents,
       count(*) filter (where outcome = 'success') as succeeded, count(*) filter (where outcome = 'failed') as failed,
       coalesce(sum(size_bytes), 0) as bytes, coalesce(sum(page_count), 0) as pages, coalesce(sum(chunk_count), 0) as chunks,
       coalesce(sum(token_count), 0) as tokens
  from job_items where finished_at is not null group by 1;
comment on view throughput is 'Finished documents per minute.';

create or replace view failures_by_reason as
select error_code, min(error_message) as example, count(*) as documents, count(distinct user_id) as tenants,
       max(processed_at) as latest_at
  from documents where status = 'failed' group by error_code;
comment on view failures_by_reason is 'Documents that failed for good, by reason.';

create or replace view dead_letters_by_reason as
select code, min(message) as example, count(*) as letters, count(*) filter (where resolution is null) as unresolved,
       max(created_at) as latest_at
  from dead_letters group by code;
comment on view dead_letters_by_reason is 'Dead letters by reason.';
