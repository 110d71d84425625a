-- coalesce: see finish.sql.
with e as materialized (
    select * from unnest($1::uuid[], $2::int8[], $3::uuid[], $4::bool[], $5::int8[], $6::text[], $7::text[]) with ordinality
             e(doc, fence, job, parked, due_ms, code, msg, at)),
h as materialized (
    select e.*, e.fence = 0 or coalesce(d.fence = e.fence, false) as is_holder, -- 0: nothing was claimed
           coalesce(e.parked and e.job is null and d.gen is not null and d.fence = e.fence, false) as is_look, -- a removal, put off
           coalesce(e.parked and i.parked_at < now() - interval '24 hours' and j.control <> 'pause'
                    and e.code <> 'billing' and i.error_code is distinct from 'billing', false) -- nobody fails for money
           or coalesce(e.parked and e.job is null and d.fence = e.fence
                       and d.look_since < now() - interval '24 hours', false) as is_exhausted
      from e left join documents d on d.id = e.doc
             left join processing_jobs j on j.id = e.job
             left join job_items i on i.job_id = e.job and i.document_id = e.doc and coalesce(i.outcome, '') = ''),
d as (
    update documents d
       set leased_until = null, removing = null, starts = greatest(d.starts - 1, 0), updated_at = now(),
           look_due = case when h.is_look then now() + h.due_ms * interval '1 millisecond' else d.look_due end,
           look_since = case when h.is_look then coalesce(d.look_since, now()) else d.look_since end,
           status = case when d.gen is not null then 'success' when d.status = 'processing' then 'pending' else d.status end
      from h where d.id = h.doc and d.fence = h.fence and d.leased_until is not null and not h.is_exhausted
    returning d.id, d.fence),
l as (update litter l set quiet_at = now() + interval '2 minutes' from d where l.document_id = d.id and l.gen = d.fence),
i as (
    update job_items i
       set due = now() + h.due_ms * interval '1 millisecond', parked_until = now() + h.due_ms * interval '1 millisecond',
           parked_at = case when i.error_code = 'billing' then now() else coalesce(i.parked_at, now()) end,
           error_code = h.code, error_message = h.msg
      from h where i.job_id = h.job and i.document_id = h.doc and coalesce(i.outcome, '') = ''
       and h.parked and h.is_holder and not h.is_exhausted
    returning h.at)
select at, (at in (select at from i) or is_look and not is_exhausted)::int, is_exhausted::int from h
