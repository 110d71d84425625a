with p as materialized (
    select i.job_id, i.document_id, coalesce(i.parked_at < now() - interval '24 hours' and i.error_code is distinct from 'billing', false) as is_overdue
      from job_items i
      join processing_jobs j on j.id = i.job_id
      join documents d on d.id = i.document_id
     where i.outcome is null and i.due <= now() and j.control <> 'pause'
       and (d.leased_until is null or d.leased_until < now())
     order by i.due limit $1
       for update of i skip locked),
t as (
    update job_items i set due = now() + interval '60 seconds' from p
     where i.job_id = p.job_id and i.document_id = p.document_id)
select c.parked, p.job_id, p.document_id, d.user_id, d.bucket, d.object_key, p.is_overdue::int
  from (select count(*) as parked from job_items where outcome is null and parked_at is not null) c
  left join p on true
  left join documents d on d.id = p.document_id
