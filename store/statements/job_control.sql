-- What was cancelled stays cancelled. Its row alone: the items follow (job_unpark, job_cancel_items).
with j as (
    update processing_jobs set control = $2, control_by = $3, control_at = now(), updated_at = now()
     where id = $1 and control not in ('cancel', $2) and status in ('pending', 'processing')
    returning id, total_documents - processed_count - failed_count - cancelled_count as open_count),
a as (
    insert into millrace_actions (at, who, action, job_id, count)
    select now(), $3, case $2 when 'none' then 'resume' else $2 end, id, open_count from j)
select p.status, p.control, (select count(*) from j),
       p.total_documents - p.processed_count - p.failed_count - p.cancelled_count,
       (select count(*) from documents d where d.job_id = p.id and d.leased_until > now())
  from processing_jobs p where p.id = $1
