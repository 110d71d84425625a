-- Opens items again that had failed when the first of these began ($3): what fails meanwhile is left alone. What they counted for
-- is taken back, but for the money: that is spent. They are due at once.
with f as materialized (
    select i.document_id, i.size_bytes, i.page_count, i.chunk_count, i.token_count
      from job_items i join documents d on d.id = i.document_id
     where i.job_id = $1 and i.outcome = 'failed' and i.finished_at <= coalesce($3::timestamptz, now())
       and (select control from processing_jobs where id = $1) <> 'cancel'
     order by d.id limit $2 for no key update of d, i),
i as (
    update job_items i
       set outcome = null, error_code = null, error_message = null, due = now(), parked_at = null, parked_until = null,
           finished_at = null, page_count = null, chunk_count = null, token_count = null
      from f where i.job_id = $1 and i.document_id = f.document_id),
d as (
    update documents d set status = 'pending', error_code = null, error_message = null, updated_at = now()
      from f where d.id = f.document_id and d.status = 'failed' and d.leased_until is null),
n as (
    select count(*)::int as n, coalesce(sum(size_bytes), 0) as bytes, coalesce(sum(page_count), 0) as pages,
           coalesce(sum(chunk_count), 0) as chunks, coalesce(sum(token_count), 0) as tokens from f),
jl as materialized (select j.id from processing_jobs j, n where j.id = $1 and n.n > 0 for no key update of j),
j as (
    update processing_jobs j
       set failed_count = failed_count - n, bytes_done = bytes_done - bytes, pages_done = pages_done - pages,
           chunks_done = chunks_done - chunks, tokens_done = tokens_done - tokens, status = 'processing', completed_at = null,
           control_by = $4, control_at = now(), updated_at = now()
      from jl, n where j.id = jl.id returning j.id),
a as (
    insert into millrace_actions (at, who, action, job_id, count) select now(), $4, 'retry', j.id, n.n from j, n)
select p.status, p.control, n.n, now()::text from processing_jobs p, n where p.id = $1
