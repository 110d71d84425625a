with p as materialized (
    select i.job_id, i.document_id, coalesce(i.parked_at < now() - interval '24 hours' and i.error_code is distinct from 'billing', false) as is_overdue
      from job_items i
      join processing_jobs j on j.id = i.job_id
      join documents d on d.id = i.document_id
     where i.outcome is null and i.due <= now() and j.control <> 'pause'
       and (d.leased_until is null or d.leased_until < now())
     order by i.due limit $1
       for update of i skip locked),
q as materialized ( -- removals that were put off
    select d.id, coalesce(d.look_since < now() - interval '24 hours', false) as is_overdue
      from documents d
     where d.look_due <= now() and (d.leased_until is null or d.leased_until < now())
     order by d.look_due limit $1
       for update skip locked),
u as (update documents d set look_due = now() + interval '60 seconds' from q where d.id = q.id),
t as (
    update job_items i set due = now() + interval '60 seconds' from p
     where i.job_id = p.job_id and i.document_id = p.document_id)
select c.parked, x.job_id, x.document_id, d.user_id, d.bucket, d.object_key, x.is_overdue::int
  from (select (select count(*) from job_items where outcome is null and parked_at is not null)
               + (select count(*) from documents where look_due is not null) as parked) c
  left join (select job_id, document_id, is_overdue from p union all select null, id, is_overdue from q) x on true
  left join documents d on d.id = x.document_id
