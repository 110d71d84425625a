-- Ends open items of a cancelled job that no attempt is at (or one whose lease has run out: it loses its document) and that have
-- no vectors. What has vectors is left to the workers: only the bucket can tell whether they are still the object's.
with c as materialized (
    select d.id from job_items i join documents d on d.id = i.document_id
     where i.job_id = $1 and i.outcome is null and d.gen is null and (d.leased_until is null or d.leased_until <= now())
       and (select control from processing_jobs where id = $1) = 'cancel'
     order by d.id limit $2 for no key update of d skip locked),
i as (
    update job_items i
       set outcome = 'cancelled', error_code = 'job_cancelled', error_message = $3, due = null, parked_until = null,
           finished_at = now(), size_bytes = 0, page_count = 0, chunk_count = 0, token_count = 0,
           tokens_billed = coalesce(tokens_billed, 0), price = coalesce(price, 0)
      from c where i.job_id = $1 and i.document_id = c.id and i.outcome is null returning i.document_id),
d as ( -- no eTag: nobody knows what the bucket holds
    update documents d
       set status = 'cancelled', error_code = 'job_cancelled', error_message = $3, job_id = $1, fence = null, leased_until = null,
           removing = null, starts = 0, etag = null, deleted_at = null, processed_at = now(), updated_at = now()
      from i where d.id = i.document_id),
n as (select count(*)::int as n from i),
jl as materialized (select j.id from processing_jobs j, n where j.id = $1 and n.n > 0 for no key update of j),
j as (
    update processing_jobs j
       set cancelled_count = cancelled_count + n, updated_at = now(),
           completed_at = case when processed_count + failed_count + cancelled_count + n = total_documents then now() end,
           status = case when processed_count + failed_count + cancelled_count + n < total_documents then 'processing'
                         else 'cancelled' end
      from jl, n where j.id = jl.id)
select n, (select count(*) from job_items where job_id = $1 and outcome is null) - n from n
